"""The epidemic baselines in rounds: the API, its errors, and what the protocols promise."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import mesocosm as mc
from mesocosm import rounds


def test_rumors_leave_residue_and_pull_leaves_less() -> None:
    push = rounds.spread_rumor(mc.Rumors(mode="push", k=1), sites=300, runs=50, seed=3)
    pull = rounds.spread_rumor(mc.Rumors(mode="pull", k=1), sites=300, runs=50, seed=3)
    assert push.residue.shape == (50,)
    # s = exp(-m) for pushing (Demers et al. 1987): 50 runs of 300 sites agree within some percent.
    assert push.residue.mean() == pytest.approx(np.exp(-push.traffic.mean()), rel=0.15)
    assert pull.residue.mean() < push.residue.mean() / 3
    again = rounds.spread_rumor(mc.Rumors(mode="push", k=1), sites=300, runs=50, seed=3)
    assert np.array_equal(push.last_delay, again.last_delay)


def test_cyclon_views_are_full_and_its_in_degrees_even() -> None:
    network = rounds.CyclonNetwork(mc.Cyclon(view=10, shuffle=4), nodes=500, start="chain")
    assert len(network.links) == 499
    network.run(150)
    assert network.in_degrees.sum() == 5000
    assert network.in_degrees.std() < 3  # a random graph's is the square root of 10
    graph = rounds.measure_graph(500, network.links, directed=True)
    assert graph.reached == 1
    assert 2 < graph.shortest_path < 3.5


def test_plumtree_floods_once_and_then_uses_a_tree() -> None:
    network = rounds.PlumtreeNetwork(mc.Plumtree(), nodes=200, seed=2)
    network.run(20)
    source = network.draw()
    first, second = network.broadcast(source), network.broadcast(source)
    assert first.payload == len(network.links) - 199
    assert (second.payload, second.reliability) == (199, 1)
    network.fail(100)
    network.run(2)
    assert network.broadcast().reliability > 0.95
    with pytest.raises(mc.ConfigError, match="100 of 100 nodes cannot fail"):
        network.fail(100)
    with pytest.raises(mc.ConfigError, match="node 200 does not run"):
        network.broadcast(200)


@pytest.mark.parametrize(
    ("protocol", "message"),
    [
        (mc.Rumors(mode="shout"), "Rumors: mode must be one of push, pull, push-pull, not 'shout'"),
        (mc.Rumors(k=0), "Rumors: k must be a whole number of at least 1, not 0"),
        (mc.Rumors(period="0s"), "Rumors: period must be at least 1 ms"),
    ],
)
def test_nonsense_rumors_are_refused(protocol: mc.Rumors, message: str) -> None:
    with pytest.raises(mc.ConfigError, match=message):
        rounds.spread_rumor(protocol, sites=10, runs=1)


def test_nonsense_networks_are_refused() -> None:
    with pytest.raises(mc.ConfigError, match="shuffle must be from 1 to the view's size"):
        rounds.CyclonNetwork(mc.Cyclon(view=5, shuffle=6), nodes=50)
    with pytest.raises(mc.ConfigError, match="start must be one of"):
        rounds.CyclonNetwork(mc.Cyclon(), nodes=50, start="middle")
    with pytest.raises(mc.ConfigError, match="views of 20 need more than 20 nodes"):
        rounds.CyclonNetwork(mc.Cyclon(), nodes=20)
    with pytest.raises(mc.ConfigError, match="the walks must have at most 255 hops"):
        rounds.PlumtreeNetwork(mc.Plumtree(membership=mc.HyParView(active_walk=2, passive_walk=3)), nodes=50)
    with pytest.raises(mc.ConfigError, match="the number of nodes must be from 2"):
        rounds.PlumtreeNetwork(mc.Plumtree(), nodes=1)


@pytest.mark.parametrize("stack", ["full", "collapsed"])
@pytest.mark.parametrize(
    "protocol",
    [mc.Rumors(mode="push-pull", k=4, period="200ms"), mc.Plumtree(), mc.Cyclon(fanout=12, period="1s")],
)
def test_everybody_in_a_world_gets_everything(
    record: Path, protocol: mc.Rumors | mc.Plumtree | mc.Cyclon, stack: str
) -> None:
    world = mc.World(internet=mc.internet.uniform("20ms"), stack=stack)
    nodes = world.add(30, protocol)
    world.bootstrap(nodes, mc.overlay.random(degree=8))
    nodes.subscribe("x")
    for second in (15, 16, 17):
        world.at(second, lambda: nodes[0].publish("x", size=1000))
    run = world.run("30s", out=record)
    assert run.messages.expected.tolist() == [29] * 3
    assert run.summary().delivery_ratio == 1


def test_plumtree_in_a_world_has_no_redundancy_and_heals(record: Path) -> None:
    world = mc.World(internet=mc.internet.uniform("20ms"), stack="collapsed")
    nodes = world.add(60, mc.Node(mc.Plumtree(), keepalive="2s"))
    world.bootstrap(nodes, mc.overlay.random(degree=4))
    nodes.subscribe("x")
    for second in (30, 32, 34, 300, 302, 304):
        world.at(second, lambda: nodes[0].publish("x", size=1000))
    world.at(35, nodes[40:].crash)
    run = world.run("310s", out=record)
    assert run.messages.expected.tolist() == [59] * 3 + [39] * 3
    assert run.summary().delivery_ratio == 1
    copies = np.bincount(run.duplicates["message"], minlength=6).tolist()
    assert copies[0] > 59 and copies[1:3] == [0, 0]  # a flood, then a tree
    assert copies[3] > 0 and copies[4:] == [
        0,
        0,
    ]  # links that came new are eager until they carry a duplicate


def test_baselines_are_compared_with_gossipsub() -> None:
    def build(p: SimpleNamespace) -> mc.World:
        world = mc.World(stack="collapsed", seed=p.seed)
        protocol = p.variant if isinstance(p.variant, mc.Plumtree) else mc.GossipSub(variant=p.variant)
        nodes = world.add(30, mc.Node(protocol))
        world.bootstrap(nodes, mc.overlay.random(degree=6))
        nodes.subscribe("blocks")
        world.every("1s", lambda: nodes.sample(1).publish("blocks", size="1KiB"), start="30s")
        return world

    flood = mc.Plumtree(eager_only=True)
    table = mc.compare(build, ["v1.1", mc.Plumtree(), flood], until="45s", seeds=[1, 2], processes=1).table
    assert table.index.tolist() == ["v1.1", "Plumtree", "Plumtree(eager_only=True)"]
    assert (table["delivery_ratio", "mean"] == 1).all()
    gossipsub, tree, flooded = table["duplicates_per_delivery", "mean"]
    assert flooded == pytest.approx(3, abs=0.3)  # all but two of five links, by which it came and was sent on
    assert tree < 0.5 < gossipsub  # of the tree's messages the first one is such a flood


def test_nonsense_in_a_world_is_refused() -> None:
    world = mc.World(stack="collapsed")
    with pytest.raises(mc.ConfigError, match="HyParView: the walks must have at most 255 hops"):
        world.add(5, mc.Plumtree(membership=mc.HyParView(active_walk=2, passive_walk=3)))
    with pytest.raises(mc.ConfigError, match="Rumors: k must be a whole number of at least 1, not 0"):
        world.add(5, mc.Rumors(k=0))
    with pytest.raises(
        mc.ConfigError, match="expected a protocol such as GossipSub or Plumtree, not HyParView"
    ):
        mc.Node(mc.HyParView())  # type: ignore[arg-type]
