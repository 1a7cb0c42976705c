"""The epidemic baselines in rounds: the API, its errors, and what the protocols promise."""

from __future__ import annotations

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
