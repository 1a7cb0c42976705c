"""Nodes that come and go: from Python, and in the record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import mesocosm as mc
import numpy as np
import pytest
from mesocosm.analysis import statistics


def gossiping(count: int = 20, **how: object) -> tuple[mc.World, mc.Nodes]:
    world = mc.World(internet=mc.internet.uniform("50ms"), **how)  # type: ignore[arg-type]
    nodes = world.add(count, mc.Node(mc.GossipSub(), keepalive="5s"))
    world.bootstrap(nodes, mc.overlay.random(degree=8), redial="3s")
    nodes.subscribe("x")
    return world, nodes


@pytest.mark.parametrize("backend, stack", [("flow", "full"), ("flow", "collapsed"), ("packet", "full")])
def test_expected_are_those_who_are_there(record: Path, backend: str, stack: str) -> None:
    world, nodes = gossiping(backend=backend, stack=stack)
    world.at("10s", nodes[[1, 2]].crash)
    world.at("10s", nodes[[3]].leave)
    world.at("11s", lambda: nodes[0].publish("x", size=1000))
    world.at("30s", lambda: nodes[[1, 2, 3]].restart())
    world.at("45s", lambda: nodes[1].publish("x", size=1000))
    run = world.run("50s", out=record)
    assert run.messages.expected.tolist() == [16, 19]
    assert len(run.deliveries) == 16 + 19
    assert run.summary().delivery_ratio == 1
    assert run.presence.change.tolist() == ["crashed", "crashed", "left"] + ["restarted"] * 3
    assert run.presence.node.tolist() == [1, 2, 3, 1, 2, 3]


def test_a_new_identity_is_the_same_node_in_the_record(record: Path) -> None:
    world, nodes = gossiping()
    before = nodes.peer_ids
    world.at("10s", nodes[4].crash)
    world.at("12s", lambda: nodes[4].restart(new_identity=True))
    world.at("30s", lambda: nodes[4].publish("x", size=1000))
    run = world.run("35s", out=record)
    assert run.nodes.peer_id.tolist() == before
    assert run.presence.peer_id.tolist() == [before[4], nodes[4].peer_ids[0]]
    assert nodes[4].peer_ids[0] != before[4]
    assert run.messages.publisher.tolist() == [4]
    assert len(run.deliveries) == 19
    assert (run.deliveries["from"] < 20).all()  # nobody is unknown


def test_late_nodes_join_when_they_are_told(record: Path) -> None:
    world = mc.World()
    early, late = world.add(10, mc.GossipSub()), world.add(5, mc.GossipSub(), start="20s")
    everybody = early + late
    world.bootstrap(everybody, mc.overlay.random(degree=6))
    everybody.subscribe("x")
    seen: list[int] = []
    for when in ("10s", "30s"):
        world.at(when, lambda: seen.append(len(everybody.up)))
        world.at(when, lambda: early[0].publish("x", size=1000))
    run = world.run("35s", out=record)
    assert seen == [10, 15]
    assert run.messages.expected.tolist() == [9, 14]
    assert run.summary().delivery_ratio == 1
    assert run.nodes.joined.tolist() == [0.0] * 10 + [20.0] * 5
    assert run.presence.change.tolist() == ["joined"] * 5


def test_bytes_are_counted_over_all_lives(record: Path) -> None:
    world, nodes = gossiping()
    world.every("1s", lambda: nodes[0].publish("x", size=1000))
    world.at("15s", lambda: nodes[5].restart())
    sent = world.run("30s", out=record).bytes
    mine = sent[(sent.node == 5) & (sent.protocol == "/meshsub/1.1.0")].sort_values("time")
    assert mine.in_bytes.is_monotonic_increasing
    assert mine.in_bytes.iloc[-1] > 28 * 1000


def test_who_is_gone_holds_nothing(record: Path) -> None:
    world, nodes = gossiping()
    world.at("10s", nodes[5].crash)
    world.at("10s", nodes[6].leave)
    world.at("10s", nodes[7].restart)
    run = world.run("10.001s", out=record)
    connections = statistics.degree(run)
    assert connections[[5, 7]].tolist() == [0, 0]  # 6 still says goodbye
    assert connections.drop([5, 6, 7]).min() >= 6
    mesh = statistics.mesh_degree(run, np.array([9.9, 10.001]))
    assert mesh.min(axis=0).tolist() == [mesh[:, 0].min(), 0]
    assert mesh[5:8, 0].min() >= 4 and mesh[5:8, 1].max() == 0


def test_the_ratio_of_stayers_leaves_out_who_goes(record: Path) -> None:
    world, nodes = gossiping()
    world.at("10s", lambda: (nodes[0].publish("x", size=1000), nodes[5:10].crash()))
    world.at("12s", lambda: nodes[0].publish("x", size=1000))
    run = world.run("20s", out=record)
    assert run.messages.expected.tolist() == [19, 14]
    assert run.summary().delivery_ratio == 28 / 33
    assert statistics.delivery_ratio_of_stayers(run, 5.0) == 1
    assert np.isnan(statistics.delivery_ratio_of_stayers(run, 15.0))


def test_a_node_that_is_down_cannot_publish() -> None:
    world, nodes = gossiping()
    world.at("5s", nodes[3].crash)
    world.at("6s", lambda: nodes[3].publish("x", size=10))
    with pytest.raises(mc.ConfigError, match="node 3 is down"):
        world.run("10s")


def test_a_real_node_leaves_and_restarts_but_cannot_vanish(record: Path) -> None:
    world = mc.World(backend="real")
    nodes = world.add(6, mc.GossipSub())
    world.bootstrap(nodes, mc.overlay.random(degree=4), redial="1s")
    nodes.subscribe("x")
    world.at("2s", nodes[1].leave)
    world.at("3s", lambda: nodes[0].publish("x", size=10))
    world.at("5s", lambda: nodes[1].restart())
    world.at("8s", lambda: nodes[0].publish("x", size=10))
    run = world.run("9s", out=record)
    assert run.messages.expected.tolist() == [4, 5]
    assert run.summary().delivery_ratio == 1
    world = mc.World(backend="real")
    world.add(2, mc.GossipSub()).crash()
    with pytest.raises(mc.ConfigError, match="cannot vanish"):
        world.run("1s")


def test_nonsense_is_refused() -> None:
    world = mc.World()
    with pytest.raises(mc.ConfigError, match="below zero"):
        world.add(1, mc.GossipSub(), start=-1)


def test_churn_by_a_model_and_back(record: Path) -> None:
    def build() -> mc.World:
        world, nodes = gossiping()
        session, downtime = mc.churn.Weibull(shape=0.6, scale="15s"), mc.churn.LogNormal(
            median="4s", sigma=0.5
        )
        world.churn(
            nodes[1:],
            session=session,
            downtime=downtime,
            identity="new",
            departure="leave",
            start="5s",
            until="40s",
        )
        world.every("2s", lambda: nodes[0].publish("x", size=1000), start="6s")
        return world

    run = build().run("70s", out=record)
    changes = run.presence.change.value_counts()
    assert changes["left"] == changes["restarted"] > 20
    assert run.presence.node.min() == 1
    gone = run.presence[run.presence.change == "left"]
    assert gone.time.between(5, 40).all()
    assert run.messages.expected.iloc[-1] == 19
    assert statistics.delivery_ratio_of_stayers(run, 10.0) > 0.99
    assert build().run("70s").fingerprint == run.fingerprint


def test_means_are_those_of_the_models() -> None:
    churn = mc.churn
    assert churn.Exponential(mean="2min").expected() == pytest.approx(120)
    assert churn.Weibull(shape=0.5, scale="1min").expected() == pytest.approx(120)
    assert churn.LogNormal(median=10, sigma=1).expected() == pytest.approx(16.487, abs=0.001)
    assert churn.Trace(["1min", 30]).expected() == pytest.approx(45)
    assert churn.ipfs_2021().expected() == pytest.approx(2.08 * 3600 * 1.9018, rel=0.01)


def test_fault_points_fire_and_heal(record: Path) -> None:
    world, nodes = gossiping()
    fault = world.fault_point("swarm.dial", nodes, probability=0.5, until="10s")
    third = world.fault_point("gossipsub.message", nodes[0], nth=3, times=1)
    world.every("2s", lambda: nodes[0].publish("x", size=1000), start="20s")
    run = world.run("40s", out=record)
    assert fault.fired > 20 and third.fired == 1
    failed = run.connections[run.connections.change == "dial failed"]
    assert len(failed) == fault.fired
    assert run.summary().delivery_ratio > 0.95
    assert run.events.name.tolist() == ["fault point", "fault point", "fault point ends"]
    assert run.events.detail.tolist() == ["#0 swarm.dial of 20", "#1 gossipsub.message of 1", "#0"]


def test_losses_slow_nodes_and_skewed_clocks(record: Path) -> None:
    world = mc.World(internet=mc.internet.uniform("50ms"))
    nodes = world.add(18, mc.GossipSub()) + world.add(
        2, mc.Node(mc.GossipSub(), slowdown="20ms", clock_drift=1000, clock_offset=-5)
    )
    world.bootstrap(nodes, mc.overlay.random(degree=8))
    nodes.subscribe("x")
    world.loss(nodes[:10], nodes[10:], share=0.05, at="5s", until="25s")
    world.every("1s", lambda: nodes[0].publish("x", size=1000), start="6s")
    run = world.run("30s", out=record)
    assert run.summary().delivery_ratio > 0.97  # the last one is on its way
    slow = run.deliveries.node >= 18
    assert run.deliveries.latency[slow].median() > run.deliveries.latency[~slow].median() + 0.02
    assert run.events.detail.tolist() == ["#1 loss 0.050000 10 | 10", "#1"]


@pytest.mark.parametrize(
    "nonsense, complaint",
    [
        (lambda w, n: w.churn(n, session="1h"), "session must be a model of mesocosm.churn"),
        (lambda w, n: w.churn(n, session=mc.churn.Exponential(mean=0)), "mean must be longer than zero"),
        (lambda w, n: w.churn(n, session=mc.churn.Weibull(shape=0, scale=1)), "shape must be a number of at"),
        (lambda w, n: w.churn(n, session=mc.churn.LogNormal(median=1, sigma=-1)), "sigma must be above 0"),
        (lambda w, n: w.churn(n, session=mc.churn.Trace([])), "there are no times"),
        (lambda w, n: w.churn(n, session=mc.churn.ipfs_2021(), identity="old"), "identity must be one of"),
        (lambda w, n: w.churn(n, session=mc.churn.ipfs_2021(), departure="die"), "departure must be one of"),
        (lambda w, n: w.churn(n, session=mc.churn.ipfs_2021(), start=5, until=4), "not after it begins"),
        (lambda w, n: w.churn(n - n, session=mc.churn.ipfs_2021()), "a side has no nodes"),
        (lambda w, n: w.fault_point("swarm.dail", n), "point must be one of swarm.dial"),
        (lambda w, n: w.fault_point("swarm.dial", n, probability=0), "probability must be above 0"),
        (lambda w, n: w.fault_point("swarm.dial", n, nth=0), "nth must be a whole number"),
        (lambda w, n: w.loss(n, n, share=1), "share must be above 0 and below 1"),
        (lambda w, n: mc.Node(clock_drift=10**6), "clock_drift must be whole millionths"),
        (lambda w, n: mc.Node(slowdown="-1s"), "expected a duration"),
    ],
)
def test_more_nonsense_is_refused(nonsense: Callable[[mc.World, mc.Nodes], object], complaint: str) -> None:
    world = mc.World()
    nodes = world.add(3, mc.GossipSub())
    with pytest.raises(mc.ConfigError, match=complaint):
        nonsense(world, nodes)


@pytest.mark.parametrize("how", [{"slowdown": 1}, {"clock_drift": 1}, {"clock_offset": 1}])
def test_real_nodes_have_no_such_faults(how: dict[str, int]) -> None:
    world = mc.World(backend="real")
    world.add(1, mc.Node(mc.GossipSub(), **how))  # type: ignore[arg-type]
    with pytest.raises(mc.ConfigError, match="real nodes"):
        world.run("1s")
