"""The attack kit: what each attack does to a network without defences, that it ends, and what the API refuses."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

import mesocosm as mc
from mesocosm import ConfigError, attacks

HONEST = 30
TIERS = [("flow", "collapsed"), ("flow", "full"), ("packet", "full")]
# Without gossip a message comes by the mesh or not at all.
NO_GOSSIP = mc.GossipSub(D_lazy=0, gossip_factor=0.0)


def make_world(
    node: mc.GossipSub = NO_GOSSIP, *, backend: str = "flow", stack: str = "collapsed", seed: int = 1
) -> tuple[mc.World, mc.Nodes]:
    """`HONEST` nodes in the topic "blocks", not connected yet."""
    internet = mc.internet.uniform(("30ms", "70ms"))
    world = mc.World(backend=backend, stack=stack, seed=seed, internet=internet, metrics_every=None)
    nodes = world.add(HONEST, mc.Node(node))
    nodes.subscribe("blocks")
    return world, nodes


def surround_passive_target(world: mc.World, nodes: mc.Nodes, at: str = "2s") -> None:
    """At `at` nodes 1, 2, .. connect to each other, and eight of them to node 0, which dials nobody and so has none of
    the mesh peers that GossipSub keeps because it dialed them (D_out)."""
    world.at(at, lambda: world.bootstrap(nodes[1:], mc.overlay.random(8)))
    callers = mc.overlay.from_edges([(caller, 0) for caller in range(1, 9)])
    world.at(at, lambda: world.bootstrap(nodes, callers))


def publish(world: mc.World, node: mc.Nodes, start: str = "10s") -> None:
    world.every("1s", lambda: node.publish("blocks", size=1000), start=start)


def received(run: mc.Run, node: int, first: float, last: float) -> float:
    """Share of the messages that others published in [first, last) that the node received."""
    messages = run.messages
    sent = messages[(messages.time >= first) & (messages.time < last) & (messages.publisher != node)]
    here = run.deliveries[run.deliveries.node == node]
    assert len(sent) > 0
    return float(sent.index.isin(here.message).mean())


@pytest.mark.parametrize("backend,stack", TIERS)
def test_eclipsed_node_hears_nothing_until_it_ends(backend: str, stack: str) -> None:
    world, nodes = make_world(backend=backend, stack=stack)
    attack = world.attack(attacks.Eclipse(nodes[0], 40, until="30s"))
    surround_passive_target(world, nodes)
    publish(world, nodes[20])
    run = world.run("60s")
    assert not attack.running and len(attack.nodes) == 40
    assert received(run, 0, 10, 29) == 0
    for other in range(1, HONEST):
        if other != 20:
            assert received(run, other, 10, 29) == 1
    assert received(run, 0, 35, 59) == 1  # its mesh was made anew within a few heartbeats
    assert list(run.events.detail) == ["1 begins: eclipse", "1 ends: eclipse"]


def test_an_attack_by_event() -> None:
    world, nodes = make_world()
    attack = world.attack(attacks.Eclipse(nodes[0], 40, at=None))
    world.at("1s", attack.start)
    world.at("30s", attack.stop)
    surround_passive_target(world, nodes, at="3s")
    publish(world, nodes[20])
    run = world.run("60s")
    assert received(run, 0, 10, 29) == 0 and received(run, 0, 35, 59) == 1
    assert [round(time) for time in run.events.time] == [1, 30]


def test_the_same_seed_gives_the_same_attack() -> None:
    prints = []
    for _ in range(2):
        world, nodes = make_world()
        world.attack(attacks.Eclipse(nodes, 20, connections=7, at="5s"))
        world.bootstrap(nodes, mc.overlay.random(8))
        publish(world, nodes[20])
        prints.append(world.run("15s").fingerprint)
    assert prints[0] == prints[1]


def test_sybils_dial_as_many_targets_as_they_should() -> None:
    world, nodes = make_world()
    attack = world.attack(attacks.Sybil(nodes, 10, connections=7, at="5s"))
    run = world.run("10s")
    opened = run.connections[run.connections.change == "opened"]
    dialed = opened[opened.node.isin(attack.nodes.indices)].groupby("node").peer.nunique()
    assert list(dialed) == [7] * 10
    assert opened.time.min() >= 5


def test_sybils_on_few_addresses_sit_behind_as_many() -> None:
    world, nodes = make_world()
    attack = world.attack(attacks.Sybil(nodes, 12, connections=20, addresses=3))
    run = world.run("10s")
    opened = run.connections[(run.connections.change == "opened")]
    assert len(opened[opened.node.isin(attack.nodes.indices)]) == 12 * 20
    assert len(opened[opened.node.isin(nodes.indices)]) == 12 * 20
    # Four identities share an address, and so the place of a premises.
    assert attack.nodes.places[["country", "city"]].drop_duplicates().shape[0] == 1
    assert run.provenance["attacks"][0]["addresses"] == 3


NONSENSE: list[tuple[dict[str, Any], str]] = [
    (dict(sybils=0), "sybils must be a whole number of at least 1, not 0"),
    (dict(sybils=2.5), "sybils must be a whole number of at least 1, not 2.5"),
    (dict(connections=31), "connections must be at most the number of targets, 30, not 31"),
    (dict(connections=0), "connections must be a whole number of at least 1, not 0"),
    (dict(addresses=11), "addresses must be at most the number of sybils, 10, not 11"),
    (dict(addresses=-1), "addresses must be a whole number of at least 1, not -1"),
    (dict(at=-1), "at: expected a duration such as"),
    (dict(at="soon"), "at: expected a duration such as"),
    (dict(at="20s", until="10s"), "until must be later than at ('20s'), not '10s'"),
    (dict(within=-1), "within: expected a duration such as"),
    (dict(drop=1.5), "drop must be a share from 0 to 1, not 1.5"),
    (dict(drop="half"), "drop must be a share from 0 to 1, not 'half'"),
    (dict(shared="yes"), "shared must be True or False, not 'yes'"),
    (dict(topics="blocks"), "topics must be a list of names, or None, not 'blocks'"),
    (dict(regraft=0), "regraft must be longer than zero, not 0"),
]


@pytest.mark.parametrize("change,error", NONSENSE)
def test_nonsense_is_refused(change: dict[str, Any], error: str) -> None:
    _, nodes = make_world()
    with pytest.raises(ConfigError) as refused:
        attacks.Sybil(**{"target": nodes, "sybils": 10, **change})
    assert str(refused.value).startswith(f"Sybil: {error}")


def test_targets_are_nodes_of_the_world() -> None:
    world, nodes = make_world()
    other, _ = make_world()
    with pytest.raises(ConfigError, match="Eclipse: the target must be nodes of this world"):
        other.attack(attacks.Eclipse(nodes[0], 10))
    with pytest.raises(ConfigError, match="Eclipse: target must be nodes of the world, at least one"):
        attacks.Eclipse(nodes[:0], 10)
    with pytest.raises(ConfigError, match="Eclipse: target must be nodes of the world, at least one"):
        attacks.Eclipse(0, 10)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="World.attack: expected an attack such as Eclipse, not Nodes"):
        world.attack(nodes)  # type: ignore[arg-type]
    assert len(world.nodes) == HONEST  # what was refused added nobody


def test_attacks_are_added_before_the_run() -> None:
    world, nodes = make_world()
    late = lambda: world.attack(attacks.Eclipse(nodes[0], 10))
    world.at("1s", late)
    with pytest.raises(ConfigError, match="World.attack: the world runs already"):
        world.run("2s")
