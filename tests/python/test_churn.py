"""Nodes that come and go: from Python, and in the record."""

from __future__ import annotations

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
