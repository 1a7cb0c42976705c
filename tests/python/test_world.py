"""World from Python: it delivers, it repeats, and it refuses nonsense."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import mesocosm as mc
import numpy as np
import pytest

from conftest import ROOT, gossip_world, run_script


@pytest.mark.parametrize("stack", ["full", "collapsed"])
def test_every_message_reaches_every_subscriber(record: Path, stack: str) -> None:
    run = gossip_world(stack=stack).run("15s", out=record)
    assert run.ended == "complete"
    assert len(run.messages) == 10
    assert len(run.deliveries) == 10 * 29
    assert (run.deliveries.latency > 0).all()
    assert len(run.nodes) == 30


@pytest.mark.parametrize("backend, stack", [("flow", "full"), ("flow", "collapsed"), ("real", "full")])
@pytest.mark.parametrize("security", ["noise", "tls"])
def test_nodes_speak_the_security_they_are_given(
    record: Path, backend: str, stack: str, security: str
) -> None:
    node = mc.Node(mc.GossipSub(), security=security)
    run = gossip_world(20, node, backend=backend, stack=stack).run("7s", out=record)
    assert len(run.messages) == 2
    assert len(run.deliveries) == 2 * 19


@pytest.mark.parametrize("backend", ["flow", "packet", "real"])
def test_nodes_over_websocket_and_tcp_reach_each_other(record: Path, backend: str) -> None:
    world = mc.World(backend=backend)
    nodes = world.add(4, mc.Node(mc.GossipSub(), transport="ws")) + world.add(4, mc.GossipSub())
    world.bootstrap(nodes, mc.overlay.random(degree=6))
    nodes.subscribe("blocks")
    world.at("5s", lambda: nodes[0].publish("blocks", size="1KiB"))
    run = world.run("7s", out=record)
    assert len(run.deliveries) == 7


@pytest.mark.parametrize("stack", ["full", "collapsed"])
def test_nodes_without_a_security_in_common_do_not_connect(record: Path, stack: str) -> None:
    world = mc.World(stack=stack)
    for security in (["noise"], ["tls"], ["noise", "tls"]):
        world.add(1, mc.Node(security=security))
    nodes = mc.Nodes(world, np.arange(3, dtype=np.uint32))
    world.bootstrap(nodes, lambda indices, _: np.array([[0, 1], [2, 0], [2, 1]], dtype=np.uint32))
    connections = world.run("3s", out=record).connections
    opened = connections[(connections.change == "opened") & (connections.direction == "outbound")]
    failed = connections[connections.change == "dial failed"]
    assert sorted(zip(opened.node, opened.peer)) == [(2, 0), (2, 1)]
    assert list(zip(failed.node, failed.peer)) == [(0, 1)]


def test_real_sockets_deliver_everything(record: Path) -> None:
    run = gossip_world(20, backend="real").run("8s", out=record)
    assert len(run.messages) == 3
    assert len(run.deliveries) == 3 * 19


def test_same_seed_same_fingerprint_in_two_processes(tmp_path: Path) -> None:
    prints = []
    for name in "ab":
        out = tmp_path / f"{name}.h5"
        done = run_script("--nodes", 40, "--until", "20s", "--size", "20KiB", "--out", out)
        assert done.returncode == 0, done.stderr
        prints.append(mc.load(out).fingerprint)
    assert prints[0] == prints[1]


def test_another_seed_another_fingerprint() -> None:
    assert gossip_world(seed=1).run("8s").fingerprint != gossip_world(seed=2).run("8s").fingerprint


def test_order_of_unrelated_statements_does_not_matter() -> None:
    def build(swapped: bool) -> mc.World:
        world = mc.World(seed=3)
        nodes = world.add(24, mc.GossipSub())
        steps = [
            lambda: world.bootstrap(nodes[:12], mc.overlay.random(degree=8)),
            lambda: world.bootstrap(nodes[12:], mc.overlay.random(degree=8)),
            lambda: nodes[:12].subscribe("a"),
            lambda: nodes[12:].subscribe("b"),
            lambda: world.every("1s", lambda: nodes[:12].sample(1).publish("a", size=500)),
            lambda: world.every("1s", lambda: nodes[12:].sample(1).publish("b", size=500)),
        ]
        for step in reversed(steps) if swapped else steps:
            step()
        return world

    first, second = build(False).run("10s"), build(True).run("10s")
    assert len(first.deliveries) == len(second.deliveries) == 2 * 9 * 11
    assert first.fingerprint == second.fingerprint


def test_a_cut_stops_messages_and_healing_lets_them_pass() -> None:
    world = mc.World(seed=5)
    nodes = world.add(20, mc.GossipSub())
    world.bootstrap(nodes, mc.overlay.random(degree=10))
    nodes.subscribe("x")
    west, east = nodes[:10], nodes[10:]
    world.at("5s", lambda: world.cut(west, east))
    world.at("6s", lambda: west[0].publish("x", size=1000))
    world.at("8s", world.heal)
    world.at("60s", lambda: west[1].publish("x", size=1000))
    run = world.run("70s")
    during = run.deliveries[(run.deliveries.message == 0) & (run.deliveries.time < 8.0)]
    assert set(during.node) == set(range(1, 10))
    assert len(run.deliveries[run.deliveries.message == 1]) == 19


def _halves(backend: str = "flow", stack: str = "full") -> tuple[mc.World, mc.Nodes, mc.Nodes]:
    world = mc.World(backend=backend, stack=stack, seed=5, internet=mc.internet.uniform("50ms"))
    nodes = world.add(20, mc.GossipSub())
    world.bootstrap(nodes, mc.overlay.random(degree=10), redial="5s")
    nodes.subscribe("x")
    return world, nodes[:10], nodes[10:]


def _reached(run: mc.Run, message: int, before: float) -> set[int]:
    found = run.deliveries[(run.deliveries.message == message) & (run.deliveries.time < before)]
    return set(found.node)


@pytest.mark.parametrize("backend, stack", [("flow", "full"), ("flow", "collapsed"), ("packet", "full")])
def test_a_timed_cut_is_in_the_record(backend: str, stack: str) -> None:
    world, west, east = _halves(backend, stack)
    world.cut(west, east, effect="refuse", at="5s", until="20s")
    world.at("6s", lambda: (west + east)[0].publish("x", size=1000))
    world.at("30s", lambda: west[1].publish("x", size=1000))
    run = world.run("40s")
    assert _reached(run, 0, 20.0) == set(range(1, 10))
    assert _reached(run, 1, 31.0) == set(range(20)) - {1}
    assert list(zip(run.events.time, run.events.name, run.events.detail, strict=True)) == [
        (5.0, "cut", "#1 refuse 10 | 10"),
        (20.0, "heal", "#1"),
    ]


def test_handles_heal_what_they_began_and_nothing_else() -> None:
    world, west, east = _halves()
    first = world.cut(west[0], at="2s")  # from everybody else
    world.delay(east[:2], west, by="200ms", one_way=True, at="3s")
    never = world.partition([west[:5], west[5:]], at="9s")  # and the east
    world.partition([west[:5], west[5:]], at="5s", until="8s")
    world.at("4s", first.heal)
    world.at("6s", never.heal)
    world.at("7s", first.heal)
    world.at("11s", world.heal)
    run = world.run("12s")
    assert list(zip(run.events.time, run.events.name, run.events.detail, strict=True)) == [
        (2.0, "cut", "#1 blackhole 1 | 19"),
        (3.0, "delay", "#2 delay 200000 us 2 > 10"),
        (4.0, "heal", "#1"),
        (5.0, "partition", "#3 blackhole 5 | 5 | 10"),
        (8.0, "heal", "#3"),
        (11.0, "heal", "all"),
    ]


def test_a_detour_delays_messages() -> None:
    def slowest(by: str | None) -> float:
        world, west, east = _halves()
        if by is not None:
            world.delay(west, east, by=by)
        world.at("5s", lambda: west[0].publish("x", size=1000))
        return float(world.run("15s").deliveries.latency.max())

    assert slowest("300ms") == pytest.approx(
        slowest(None) + 0.3, abs=0.06
    )  # a hop more or less inside a half


def test_faults_refuse_what_makes_no_sense() -> None:
    world, west, east = _halves()
    other = _halves()[1]
    with pytest.raises(
        mc.ConfigError, match="World.cut: effect must be one of blackhole, refuse, not 'drop'"
    ):
        world.cut(west, east, effect="drop")
    with pytest.raises(mc.ConfigError, match="World.cut: a side has no nodes"):
        world.cut(west, east.where(country="DE"))
    with pytest.raises(mc.ConfigError, match="World.cut: expected nodes of this world"):
        world.cut(west, other)
    with pytest.raises(mc.ConfigError, match="World.cut: it ends at '5s', and that is not after it begins"):
        world.cut(west, east, at="5s", until="5s")
    with pytest.raises(mc.ConfigError, match="World.partition: a node is in two groups"):
        world.partition([west, west[:1] + east])
    with pytest.raises(mc.ConfigError, match="World.delay: by must be longer than zero, not 0"):
        world.delay(west, east, by=0)
    with pytest.raises(mc.ConfigError, match="World.bootstrap: redial must be longer than zero"):
        world.bootstrap(west, mc.overlay.random(degree=2), redial=0)
    with pytest.raises(mc.ConfigError, match="region must be one of AF, .*, SEA, NA, not 'Europe'"):
        west.where(region="Europe")
    world.partition([world.nodes])
    with pytest.raises(mc.ConfigError, match="World.partition: everybody is in one group"):
        world.run("1s")


def test_regions() -> None:
    world = mc.World(seed=1)
    nodes = world.add(300, mc.GossipSub())
    regions = {world._core.place(index)["region"] for index in range(300)}
    assert {"EU", "NA-E", "NA-W"} < regions
    assert sum(len(nodes.where(region=region)) for region in regions) == 300
    american = nodes.where(region="NA")
    assert len(american) == sum(len(nodes.where(region=r)) for r in ("NA-C", "NA-E", "NA-W"))
    assert len(nodes.where(region="EU", country="DE")) == len(nodes.where(country="DE")) > 0
    assert len(world.nodes - american) == 300 - len(american)


def test_systems_and_prefixes() -> None:
    world = mc.World(seed=1)
    nodes = world.add(400, mc.GossipSub())
    places = nodes.places
    assert list(places.columns) == ["country", "city", "region", "asn", "address", "hosting"]
    assert places.address.is_unique and (places.asn > 0).all()
    asn = int(places.asn.mode()[0])
    system = nodes.where(asn=asn)
    assert len(system) == (places.asn == asn).sum() > 10
    first = places.address[places.asn == asn].iloc[0].split(".")
    prefix = f"{first[0]}.{int(first[1]) // 4 * 4}.0.0/14"
    assert list(nodes.where(prefix=prefix).indices) == list(system.indices)
    assert 0 < len(nodes.where(prefix=f"{first[0]}.{first[1]}.0.0/16")) < len(system)
    real = mc.World(backend="real").add(3, mc.GossipSub())
    assert len(real.where(country="DE")) == len(real.where(prefix="0.0.0.0/0")) == 0 and len(real.places) == 3
    for wrong in ("11.0.0.0/33", "11.0.0.1/8", "here"):
        with pytest.raises(mc.ConfigError, match="Nodes.where: prefix: "):
            nodes.where(prefix=wrong)


def test_the_record_says_where_nodes_are() -> None:
    world = mc.World(seed=1)
    nodes = world.add(5, mc.GossipSub())
    run = world.run("1s")
    for column in ("region", "asn", "address"):
        assert list(run.nodes[column]) == list(nodes.places[column])
    uniform = mc.World(internet=mc.internet.uniform())
    assert list(uniform.add(2, mc.GossipSub()).places.address) == ["1.0.0.1", "1.0.0.2"]


def test_groups() -> None:
    world = mc.World(seed=1)
    nodes = world.add(50, mc.GossipSub())
    assert len(nodes[3:7]) == 4 and len(nodes[0]) == 1
    assert len(nodes[:3] + nodes[2:5]) == 5
    assert len(set(nodes.peer_ids)) == 50 and all(text.startswith("12D3Koo") for text in nodes.peer_ids)
    german = nodes.where(country="DE")
    assert (
        len(german)
        + sum(len(nodes.where(country=c)) for c in {p["country"] for p in _places(world)} - {"DE"})
        == 50
    )
    with pytest.raises(mc.ConfigError, match="no node 50"):
        nodes[50]


def _places(world: mc.World) -> list[dict[str, object]]:
    return [world._core.place(index) for index in range(50)]


def test_an_action_that_fails_ends_the_run_and_keeps_the_record(record: Path) -> None:
    world = gossip_world()
    world.at("7.5s", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        world.run("20s", out=record)
    run = mc.load(record)
    assert run.ended.startswith("failed")
    assert len(run.messages) == 3


@pytest.mark.parametrize(
    "mistake, words",
    [
        (lambda: mc.World(backend="flo"), "backend must be one of"),
        (lambda: mc.World(seed=-1), "seed must be"),
        (lambda: mc.World(backend="real", stack="collapsed"), "collapsed"),
        (lambda: mc.World().add(0, mc.GossipSub()), "at least 1"),
        (lambda: mc.World().add(3, mc.GossipSub(D=8, D_lo=9)), "d_low|D_lo"),
        (lambda: mc.World().add(3, mc.GossipSub(signing="none")), "signing must be"),
        (lambda: mc.Node(security="rot13"), "security must be one of noise, tls, not 'rot13'"),
        (lambda: mc.Node(security=["tls", 3]), "security must be one of noise, tls, not 3"),
        (lambda: mc.Node(security=5), "a name or a list of names, not 5"),
        (lambda: mc.Node(security=[]), "at least one"),
        (lambda: mc.Node(security=["tls", "tls"]), "name each once"),
        (lambda: mc.Node(early_muxer="yes"), "early_muxer must be True or False"),
        (lambda: mc.Node(transport="wss"), "transport must be one of tcp, ws, not 'wss'"),
        (lambda: mc.World(stack="collapsed").add(2, mc.Node(transport="ws")), "models TCP alone"),
        (
            lambda: mc.World().bootstrap(mc.World().add(3, mc.GossipSub()), mc.overlay.random(degree=20)),
            "degree 20",
        ),
        (lambda: mc.World().every("0s", print), "interval"),
        (lambda: mc.World().at("12 parsecs", print), "parsecs"),
        (lambda: mc.World().run("-3s"), "-3s"),
        (lambda: mc.World().run("3s", out="/no/such/folder/run.h5"), "no folder"),
        (lambda: mc.World().add(2, mc.GossipSub()).publish("x"), "either data or size"),
        (lambda: mc.World().add(2, mc.GossipSub()).sample(3), "cannot draw 3 of 2"),
    ],
)
def test_mistakes_get_one_clear_error(mistake, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(mc.ConfigError, match=words):
        mistake()


def test_wrong_arguments_end_with_exit_code_2() -> None:
    for arguments in (["--nodes", "many"], ["--nodes", "0"], ["--colour", "red"], ["--until", "soon"]):
        done = run_script(*arguments)
        assert done.returncode == 2, arguments
        assert "Traceback" not in done.stderr and done.stderr.strip(), arguments


SCENARIO = """
import mesocosm as mc


def build(p):
    internet = mc.internet.matrix(p.matrix) if p.matrix else None
    world = mc.World(backend=p.backend, internet=internet, port=p.port)
    world.add(2, mc.GossipSub())
    return world


if __name__ == "__main__":
    mc.main(build, params=dict(matrix="", backend="flow", port=0), until="1s")
"""


def test_what_cannot_be_used_ends_with_one_line_and_exit_code_2(tmp_path: Path) -> None:
    script = tmp_path / "scenario.py"
    script.write_text(SCENARIO)
    (tmp_path / "words.csv").write_text("0,1,2\n1,0,ten\n2,3,0\n")
    (tmp_path / "not-an-archive.npz").write_bytes(b"\0\1\2\3" * 9)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for arguments, words in [
            (["--matrix", tmp_path / "missing.csv"], "missing.csv"),
            (["--matrix", tmp_path / "words.csv"], "words.csv"),
            (["--matrix", tmp_path / "not-an-archive.npz"], "not-an-archive.npz"),
            (["--backend", "real", "--port", taken.getsockname()[1]], "address in use"),
            (["--out", tmp_path / "no" / "folder.h5"], "no folder"),
            (["--out", tmp_path], str(tmp_path)),
        ]:
            done = run_script(*arguments, script=str(script))
            assert done.returncode == 2, (arguments, done.stderr)
            assert len(done.stderr.splitlines()) == 1 and done.stderr.startswith("error: "), done.stderr
            assert words in done.stderr, done.stderr


def test_interrupt_keeps_the_record(record: Path) -> None:
    command = [
        sys.executable,
        str(ROOT / "scenarios/demo.py"),
        "--nodes",
        "200",
        "--until",
        "3600s",
        "--out",
        str(record),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not record.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    time.sleep(3)  # the run is on its way
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    run = mc.load(record)
    assert run.ended == "interrupted"
    assert len(run.nodes) == 200


def test_full_disk_keeps_the_record(record: Path) -> None:
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000,) * 2); "
    code = (
        limit
        + f"import sys, runpy; sys.argv = {['demo', '--nodes', '300', '--until', '600s', '--size', '1KiB', '--out', str(record)]!r}; "
    )
    code += f"runpy.run_path({str(ROOT / 'scenarios/demo.py')!r}, run_name='__main__')"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 2, done.stderr
    assert "disk full" in done.stderr and "Traceback" not in done.stderr
    assert os.path.getsize(record) <= 1_000_000
    run = mc.load(record)
    assert len(run.nodes) == 300 and 0 < len(run.messages) < 49
    assert run.ended.startswith("disk full")


def test_metrics_of_the_record_are_what_happened(record: Path) -> None:
    run = gossip_world(metrics_every="500ms").run("15s", out=record)
    delivered = run.metrics("libp2p_gossipsub_messages_delivered_total")
    assert delivered["topic"].unique().tolist() == ["blocks"]
    assert delivered["value"].iloc[-1] == len(run.deliveries)
    assert np.allclose(np.diff(delivered["time"])[:-1], 0.5)
    at_ten = delivered.loc[delivered["time"] == 10.0, "value"].item()
    assert at_ten == (run.deliveries["time"] < 10).sum()
    opened = run.metrics("libp2p_swarm_connections_opened_total").groupby("dir")["value"].max()
    assert opened.to_dict() == (
        run.connections[run.connections["change"] == "opened"].groupby("direction").size().to_dict()
    )
    latency = run.metrics("libp2p_swarm_handshake_latency_seconds_bucket")
    assert latency.loc[latency["le"] == math.inf, "value"].max() == opened["outbound"]


def test_a_record_without_metrics(record: Path) -> None:
    run = gossip_world(metrics_every=None).run("3s", out=record)
    assert run.metrics().empty


def test_logs_go_to_a_file_and_repeat(tmp_path: Path) -> None:
    logs = []
    for name in "ab":
        path = tmp_path / f"{name}.log"
        gossip_world(log="swarm=debug,gossipsub=info", log_file=path, log_format="json").run("4s")
        logs.append(path.read_text())
    assert logs[0] == logs[1]
    lines = [json.loads(line) for line in logs[0].splitlines()]
    assert {line["component"] for line in lines} == {"swarm", "gossipsub"}
    assert sum(line["msg"] == "subscribed" for line in lines) == 30
    times = [float(line["time"]) for line in lines]
    assert times == sorted(times) and 0 < times[-1] < 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"log": "swam=debug"}, "no log component 'swam': one of node, swarm"),
        ({"log": "loud"}, "no log level 'loud': one of debug, info, warn, error, off"),
        ({"log": 3}, "log must be levels such as"),
        (
            {"log": "info", "log_file": "/no/such/folder/log"},
            "cannot log to /no/such/folder/log: No such file",
        ),
        ({"log_format": "xml"}, "no log format 'xml': one of text, json"),
        ({"metrics_every": 0}, "metrics_every must be longer than zero"),
    ],
)
def test_what_cannot_be_observed_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(mc.ConfigError, match=re.escape(message)):
        mc.World(**arguments)


def test_several_processes_need_a_packet_world_and_a_build_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMPI_COMM_WORLD_SIZE", "2")
    with pytest.raises(mc.ConfigError, match="2 processes cannot run a World together: build the preset mpi"):
        mc.World(backend="packet")
    with pytest.raises(mc.ConfigError, match="only packet worlds can be run by several: backend flow"):
        mc.World()
