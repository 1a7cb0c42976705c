"""Real processes as nodes of a simulated Internet. Needs root, `ip netns` and /dev/net/tun: fails by name without them; to leave
it out: pytest -m "not namespaces"."""

from __future__ import annotations

import gc
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import mesocosm as mc
import numpy as np
import pytest

from conftest import run_script
from processes import NODE

pytestmark = pytest.mark.namespaces


def missing() -> list[str]:
    """What this machine lacks."""
    lacks = []
    if sys.platform != "linux" or os.geteuid() != 0:
        lacks.append("root on Linux")
    if shutil.which("ip") is None:
        lacks.append("the program ip (Debian's iproute2)")
    if not Path("/dev/net/tun").exists():
        lacks.append("/dev/net/tun")
    return lacks


@pytest.fixture()
def peer() -> Iterator[mc.Namespace]:
    assert not missing(), f"emulation cannot be tested here: it needs {', '.join(missing())}"
    gc.collect()  # a packet world that is over may still be there
    with mc.Namespace(f"mesocosm-{os.getpid()}") as namespace:
        yield namespace


def test_pings_take_the_simulated_time(peer: mc.Namespace, tmp_path: Path) -> None:
    world = mc.World(backend="packet", internet=mc.internet.uniform(latency="40ms"))
    nodes = world.add(2, mc.Node(mc.GossipSub()))
    host = world.attach(peer)
    running: list[subprocess.Popen[str]] = []

    def ping() -> None:
        command = [*NODE, "ping", nodes[1].addresses[0], "--count", "5", "--interval", "0.1", "--json"]
        environment = {**os.environ, "XDG_DATA_HOME": str(tmp_path)}
        running.append(peer.start(command, stdout=subprocess.PIPE, text=True, env=environment))

    world.at("0.5s", ping)
    world.capture(host, tmp_path)
    world.run("20s")  # much of which a busy machine may take to start a process
    assert host.addresses == ["/ip4/1.0.0.3/tcp/4001"]
    assert running[0].poll() == 0, world.lateness
    events = [json.loads(line) for line in running[0].communicate()[0].splitlines()]
    seconds = [event["seconds"] for event in events if event["event"] == "pong"]
    assert len(seconds) == 5
    # Two ways of 40 ms are the least. The machine may be late now and then, but not five times in a row.
    assert min(seconds) >= 0.080
    assert min(seconds) < 0.100, world.lateness
    assert 0 < world.lateness["mean"] <= world.lateness["most"]
    assert (tmp_path / "node-2.pcapng").stat().st_size > 5000


def test_the_demo_runs_small(peer: mc.Namespace) -> None:
    done = run_script("--nodes", 12, "--until", "24s", script="scenarios/emulation.py")
    assert done.returncode == 0, done.stderr
    said = re.search(r"simulated messages +(\d+), of which the real peer heard (\d+)", done.stdout)
    assert said is not None, done.stdout
    assert said[1] == said[2] == "7"  # at 10, 12, .. 22 s
    back = re.search(r"the real peer's messages +(\d+), which (\d+) simulated nodes heard", done.stdout)
    assert back is not None, done.stdout
    assert (back[1], back[2]) == ("7", str(7 * 12))  # at 11, 13, .. 23 s
    assert (
        "mesocosm-peer"
        not in subprocess.run(["ip", "netns"], capture_output=True, text=True, check=True).stdout
    )


def test_what_cannot_be_attached_is_refused(peer: mc.Namespace) -> None:
    with pytest.raises(mc.ConfigError, match="packet backend only"):
        mc.World(backend="flow").attach(peer)
    world = mc.World(backend="packet")
    with pytest.raises(mc.ConfigError, match="no network namespace nowhere-to-be-found"):
        world.attach("nowhere-to-be-found")
    with pytest.raises(mc.ConfigError, match="when the run has started"):
        world.add(1, mc.GossipSub()).addresses
    with pytest.raises(mc.ConfigError, match=f"netns add {peer.name}"):
        peer.__enter__()
    host = world.attach(peer)
    host.subscribe("blocks")
    with pytest.raises(mc.ConfigError, match="node 1 was attached"):
        world.run("1s")
    assert np.array_equal(host.indices, [1])
