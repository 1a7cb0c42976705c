"""The attack kit: what each attack does to a network without defences, that it ends, and what the API refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import run_script

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


# What each attack does to a network without defences: until 40 s honest nodes have nobody but adversaries between them;
# then the attack ends, and they connect to each other.

RELAYED_UNTIL = 40


def relayed(plan: type[attacks.Adversaries], **changes: Any) -> tuple[mc.Run, mc.Nodes]:
    """Node 20 publishes every second from 5 s to 70 s, and node 3 a moment later."""
    world, nodes = make_world()
    values: dict[str, Any] = {"sybils": 6, "connections": HONEST, "until": RELAYED_UNTIL, **changes}
    if plan is attacks.Censor:
        values["authors"] = nodes[3]
    attack = world.attack(plan(nodes, **values))
    world.at(RELAYED_UNTIL, lambda: world.bootstrap(nodes, mc.overlay.random(8)))
    publish(world, nodes[20], start="5s")
    publish(world, nodes[3], start="5.5s")
    run = world.run("70s")
    assert adversaries_in_mesh(run, 45) == 0
    assert reached(run, 20, 50, 68) == reached(run, 3, 50, 68) == 1  # it is over
    return run, attack.nodes


def reached(run: mc.Run, publisher: int, first: float, last: float) -> float:
    """Share of the expected deliveries of what it published in [first, last) that were made."""
    messages = run.messages
    sent = messages[(messages.time >= first) & (messages.time < last) & (messages.publisher == publisher)]
    assert len(sent) > 0
    return float(run.deliveries.message.isin(sent.index).sum() / sent.expected.sum())


def adversaries_in_mesh(run: mc.Run, when: float) -> float:
    """Their share of honest nodes' mesh peers."""
    latest = run.mesh[run.mesh.time <= when].groupby(["node", "peer"]).grafted.last()
    peers = latest[latest].index.get_level_values("peer")
    return float((peers >= HONEST).mean()) if len(peers) else 0.0


def forwarded(run: mc.Run) -> int:
    """Copies of messages that honest nodes got from adversaries."""
    return int((pd.concat([run.deliveries["from"], run.duplicates["from"]]) >= HONEST).sum())


def test_sybils_that_drop_nothing_are_a_network() -> None:
    run, _ = relayed(attacks.Sybil, drop=0.0)
    assert reached(run, 20, 5, 38) == reached(run, 3, 5, 38) == 1


@pytest.mark.parametrize("plan", [attacks.Sybil, attacks.Eclipse, attacks.ColdBoot, attacks.FreeRide])
def test_sybils_pass_nothing_on(plan: type[attacks.Adversaries]) -> None:
    run, _ = relayed(plan)
    assert reached(run, 20, 5, 38) == reached(run, 3, 5, 38) == forwarded(run) == 0


def test_censored_authors_are_not_heard() -> None:
    run, _ = relayed(attacks.Censor)
    assert reached(run, 20, 5, 38) == 1
    assert reached(run, 3, 5, 38) == 0


def test_a_message_of_two_adversaries_is_dropped_by_both() -> None:
    run, _ = relayed(attacks.Degrade, sybils=2)
    # Each drops half of 68 messages: three quarters come through, within four standard deviations of 5 %.
    assert 0.55 < (reached(run, 20, 5, 38) + reached(run, 3, 5, 38)) / 2 < 0.95


def test_covert_adversaries_behave_until_they_flash() -> None:
    run, _ = relayed(attacks.CovertFlash, at="20s")
    assert reached(run, 20, 5, 19) == reached(run, 3, 5, 19) == 1
    assert reached(run, 20, 21, 38) == reached(run, 3, 21, 38) == 0
    assert list(run.events.detail) == [
        "1 joins: covert flash",
        "1 begins: covert flash",
        "1 ends: covert flash",
    ]


def test_slow_validation_holds_every_message() -> None:
    run, _ = relayed(attacks.SlowValidation, delay="2s", messages=0)
    held = run.deliveries[run.deliveries["from"] >= HONEST]
    assert len(held) > 0
    assert held.latency.min() >= 2 and held.latency.max() < 2.5
    assert reached(run, 20, 5, 37) == 1


def test_dawn_finds_meshes_full_of_sybils() -> None:
    world, nodes = make_world()
    plan = attacks.Dawn(nodes, 40, connections=20, overlay=mc.overlay.random(8), dawn="10s", until="40s")
    world.attack(plan)
    run = world.run("60s")
    opened = run.connections[run.connections.change == "opened"]
    honest = opened[(opened.node < HONEST) & (opened.peer < HONEST)]
    assert 10 <= honest.time.min() < 12 and len(honest) == HONEST * 8
    assert adversaries_in_mesh(run, 10) == 1
    assert adversaries_in_mesh(run, 20) > 0.5
    assert adversaries_in_mesh(run, 45) == 0


# Floods: 10 adversaries at every node of a network that works. What happens from 5 s to 19 s, and after they left.


def flooded(plan: attacks.Adversaries, world: mc.World, nodes: mc.Nodes, whole: int = 22) -> mc.Run:
    """From `whole` seconds on everything arrives again."""
    world.attack(plan)
    world.bootstrap(nodes, mc.overlay.random(8))
    publish(world, nodes[20], start="5s")
    run = world.run(whole + 8)
    assert reached(run, 20, whole, whole + 6) == 1
    return run


def metered_world() -> tuple[mc.World, mc.Nodes]:
    internet = mc.internet.uniform(("30ms", "70ms"))
    world = mc.World(stack="collapsed", internet=internet)
    nodes = world.add(HONEST, mc.Node(NO_GOSSIP))
    nodes.subscribe("blocks")
    return world, nodes


def parts_sent(run: mc.Run, part: str, first: float, last: float) -> float:
    """RPC parts of this kind that honest nodes sent in (first, last]."""
    parts = run.metrics("libp2p_gossipsub_rpc_parts_total")
    mine = parts[(parts["kind"] == part) & (parts["dir"] == "outbound")].set_index("time")["value"]
    return float(mine[:last].iloc[-1] - mine[:first].iloc[-1])


def test_ihave_spam_makes_others_ask_in_vain() -> None:
    world, nodes = metered_world()
    run = flooded(attacks.IHaveSpam(nodes, 10, ids=100, until="20s"), world, nodes)
    ids = run.metrics("libp2p_gossipsub_gossip_ids_total")
    asked = ids[ids["kind"] == "iwant"].set_index("time")["value"]
    assert asked[20] - asked[5] > 10 * HONEST * 100 * 14  # all of what they were told, each second
    assert asked.iloc[-1] == asked[21]


def test_iwant_spam_makes_others_send_again() -> None:
    received = []
    for spam in (False, True):
        world, nodes = metered_world()
        kind = (
            attacks.IWantSpam(nodes, 10, until="20s", ids=5)
            if spam
            else attacks.Sybil(nodes, 10, until="20s")
        )
        run = flooded(kind, world, nodes)
        received.append(run.attacks.bytes_in.iloc[0])
    assert received[1] > 2 * received[0]


def test_graft_flood_makes_others_answer() -> None:
    world, nodes = metered_world()
    # Honest nodes whose meshes were full turned each other away, too, and keep to their backoff of a minute.
    run = flooded(attacks.GraftFlood(nodes, 30, grafts=5, until="20s"), world, nodes, whole=85)
    # A mesh takes 12 at most: the other 18 and more are answered with as many PRUNEs as they sent GRAFTs.
    assert parts_sent(run, "prune", 5, 19) > 14 * HONEST * 18 * 5
    assert parts_sent(run, "prune", 70, 93) < HONEST * 12


@pytest.mark.parametrize("kind", attacks.INVALID_KINDS)
def test_invalid_messages_are_refused_by_everybody(kind: str) -> None:
    world, nodes = metered_world()
    plan = attacks.InvalidFlood(nodes, 10, messages=3, size=200, kind=kind, until="20s")
    run = flooded(plan, world, nodes)
    refused = run.rejections
    assert set(refused["from"]) == set(range(HONEST, HONEST + 10)) and set(refused.node) == set(range(HONEST))
    assert len(refused[(refused.time > 5) & (refused.time <= 19)]) == 14 * 10 * 3 * HONEST
    assert refused.time.max() < 20.1


# What loads validators: 10 adversaries at every node from 10 s on, who give each node's only processor two seconds of work
# a second, for whatever it makes of it. Node 20 publishes every half second.


def burdened(
    plan: type[attacks.Adversaries], node: mc.GossipSub, *, fought: bool = False, **changes: Any
) -> tuple[mc.Run, pd.DataFrame]:
    """The run, until 31 s, and what nodes think of each other at 19 s; `fought`: then the application disowns them."""
    internet = mc.internet.uniform(("30ms", "70ms"))
    world = mc.World(stack="collapsed", internet=internet)
    nodes = world.add(HONEST, mc.Node(node))
    nodes.subscribe("blocks")
    attack = world.attack(plan(nodes, 10, at="10s", **changes))
    world.bootstrap(nodes, mc.overlay.random(8))
    world.every("500ms", lambda: nodes[20].publish("blocks", size=1000), start="5s")
    seen: list[pd.DataFrame] = []
    world.at("19s", lambda: seen.append(nodes.scores()))
    if fought:
        world.at("19s", lambda: nodes.set_app_score(attack.nodes, -1000))
    run = world.run("31s")
    assert reached(run, 20, 5, 9) == 1
    return run, seen[0]


def worked(run: mc.Run, first: float, last: float) -> float:
    """Seconds that processors worked on validation in (first, last], a second and node."""
    total = run.metrics("libp2p_gossipsub_validation_work_seconds_sum").set_index("time")["value"]
    return float(total[:last].iloc[-1] - total[:first].iloc[-1]) / (last - first) / HONEST


def overloaded(run: mc.Run) -> int:
    """Messages of honest nodes that other honest nodes had no room for."""
    honest = run.messages.index[run.messages.publisher == 20]
    return int(run.rejections.message.isin(honest).sum())


STRICT = mc.PeerScore(
    topics={
        "blocks": mc.TopicScore(
            first_message_deliveries_weight=1,
            first_message_deliveries_decay=mc.score_decay("10min"),
            first_message_deliveries_cap=50,
            invalid_message_deliveries_weight=-40,
            invalid_message_deliveries_decay=mc.score_decay("10min"),
        )
    },
    app_specific_weight=1,
    gossip_threshold=-40,
    publish_threshold=-60,
    graylist_threshold=-80,
)
REJECTED: dict[str, Any] = dict(kind="application", messages=2, every="100ms", size=200)  # of 10 ms each


def test_what_applications_reject_takes_their_time_where_nobody_is_scored() -> None:
    old = mc.GossipSub(version="1.0", validation_delay="10ms", topic_validation_queue=32)
    run, scores = burdened(attacks.InvalidFlood, old, **REJECTED)
    assert reached(run, 20, 12, 29) < 0.75
    assert overloaded(run) > 100
    assert worked(run, 12, 30) == pytest.approx(1, abs=0.1)  # of 2 that were asked for
    assert scores.empty


def test_what_applications_reject_is_held_against_who_sends_it() -> None:
    strict = mc.GossipSub(validation_delay="10ms", topic_validation_queue=32, score=STRICT)
    run, scores = burdened(attacks.InvalidFlood, strict, **REJECTED)
    enemies = scores.peer >= HONEST
    assert (
        enemies.sum() == 10 * HONEST
        and (scores[enemies].p4 < -80).all()
        and (scores[enemies].score < -80).all()
    )
    assert (scores[~enemies].p4 == 0).all()  # nobody passed it on
    assert reached(run, 20, 12, 29) == 1 and worked(run, 12, 30) < 0.05
    assert adversaries_in_mesh(run, 15) == 0
    refused = run.rejections[run.rejections["from"] >= HONEST]
    assert refused.time.max() < 12  # graylisted from then on


def test_slow_validation_starves_other_messages_whatever_the_scores() -> None:
    slow = mc.GossipSub(validation_delay="1ms", topic_validation_queue=16, score=STRICT)
    run, scores = burdened(attacks.SlowValidation, slow, work="200ms")
    assert reached(run, 20, 14, 29) < 0.75
    assert overloaded(run) > 100
    assert worked(run, 14, 30) == pytest.approx(1, abs=0.2)
    # They are first to deliver what is valid.
    enemies = scores[scores.peer >= HONEST]
    assert (enemies.score > 0).mean() > 0.9
    assert (enemies[enemies.node != 20].p4 == 0).all()  # its own messages came back to node 20
    cost = run.attacks.loc[1]
    assert cost.attack == "slow validation" and cost.bytes_out > 20 * 10 * HONEST * 1024


def test_slow_validation_ends_where_the_application_disowns_who_does_it() -> None:
    slow = mc.GossipSub(validation_delay="1ms", topic_validation_queue=16, score=STRICT)
    run, _ = burdened(attacks.SlowValidation, slow, fought=True, work="200ms")
    assert reached(run, 20, 14, 18.5) < 0.75
    assert reached(run, 20, 24, 29) == 1  # what was in the queues is done
    assert worked(run, 24, 30) < 0.05


def test_more_processors_bear_more() -> None:
    strong = mc.GossipSub(validation_delay="1ms", validation_workers=3, topic_validation_queue=16)
    run, _ = burdened(attacks.SlowValidation, strong, work="200ms")
    assert reached(run, 20, 14, 29) == 1
    assert worked(run, 14, 30) == pytest.approx(2, abs=0.2)


@pytest.mark.parametrize("signing", ["strict-sign", "strict-no-sign"])
def test_messages_for_applications_are_in_order_otherwise(signing: str) -> None:
    node = mc.GossipSub(signing=signing)
    run, _ = burdened(attacks.SlowValidation, node, work="1ms")
    assert set(run.rejections.node) == set()
    honest = run.messages.index[run.messages.publisher == 20]
    theirs = run.deliveries[~run.deliveries.message.isin(honest)]
    there = theirs.groupby("message").agg({"node": "nunique", "time": "min"})
    assert len(there) > 10 * 20 and (there[there.time < 30].node == HONEST).all()


def test_attacks_on_validators_repeat() -> None:
    prints = []
    for seed in (1, 1, 2):
        world, nodes = make_world(seed=seed)
        world.attack(attacks.SlowValidation(nodes, 5, work="20ms", at="3s"))
        world.attack(attacks.InvalidFlood(nodes, 5, kind="application", at="3s"))
        nodes.validate("blocks", lambda message: ("accept", message.data[0] / 10000))
        world.bootstrap(nodes, mc.overlay.random(8))
        publish(world, nodes[20], start="2s")
        prints.append(world.run("8s").fingerprint)
    assert prints[0] == prints[1] != prints[2]


def test_a_partition_is_an_attack_too() -> None:
    world, nodes = make_world()
    attack = world.attack(attacks.Partition([nodes[:15]], at="10s", until="20s", effect="refuse"))
    world.bootstrap(nodes, mc.overlay.random(8), redial="5s")
    publish(world, nodes[20], start="5s")
    run = world.run("60s")
    assert len(attack.nodes) == 0
    assert reached(run, 20, 5, 9) == 1
    assert reached(run, 20, 11, 19) == pytest.approx(14 / 29)
    assert reached(run, 20, 40, 59) == 1
    assert set(run.events.name) == {"attack", "partition", "heal"}


def test_several_attacks_at_once_and_what_they_cost() -> None:
    world, nodes = make_world()
    world.attack(attacks.Eclipse(nodes[0], 40, until="20s"))
    world.attack(attacks.FreeRide(nodes, 4, connections=10, mesh=3, addresses=2, at="5s"))
    world.attack(attacks.Partition([nodes[:3]], at="25s"))
    surround_passive_target(world, nodes)
    publish(world, nodes[20])
    run = world.run("30s")
    table = run.attacks
    assert list(table.attack) == ["eclipse", "free ride", "partition"]
    assert list(table.identities) == [40, 4, 0]
    assert list(table.addresses) == [40, 2, 0]
    assert list(table.connections) == [40, 40, 0]
    assert list(table.begins) == [0, 5, 25]
    assert table.ends[1] == 20 and table.ends[2:].isna().all()
    # Riders hear of every message from each mesh peer, and say next to nothing.
    assert table.bytes_in[2] > 2 * table.bytes_out[2] > 0
    assert table.bytes_in[3] == table.bytes_out[3] == 0
    assert run.nodes.attack.value_counts().to_dict() == {0: HONEST, 1: 40, 2: 4}


def test_runs_without_attacks_have_an_empty_table() -> None:
    world, _ = make_world()
    run = world.run("1s")
    assert run.attacks.empty and list(run.attacks.columns)[:2] == ["attack", "begins"]
    assert (run.nodes.attack == 0).all()


MORE_NONSENSE: list[tuple[type[attacks.Plan], dict[str, Any], str]] = [
    (attacks.Degrade, dict(drop=-0.1), "drop must be a share from 0 to 1, not -0.1"),
    (attacks.Sybil, dict(drop=1.5), "drop must be a share from 0 to 1, not 1.5"),
    (attacks.Sybil, dict(drop="half"), "drop must be a share from 0 to 1, not 'half'"),
    (attacks.Censor, dict(authors=3), "authors must be nodes of the world, at least one, not 3"),
    (attacks.CovertFlash, dict(joins="3min"), "at must be later than joins ('3min'), not '2min'"),
    (attacks.Dawn, dict(overlay=8), "overlay must be an overlay such as mesocosm.overlay.random(20), not 8"),
    (
        attacks.Dawn,
        dict(overlay=mc.overlay.ring(), at="20s"),
        "dawn must be later than at ('20s'), not '10s'",
    ),
    (attacks.FreeRide, dict(mesh=0), "mesh must be a whole number of at least 1, not 0"),
    (attacks.SlowValidation, dict(delay=-1), "delay: expected a duration such as"),
    (attacks.SlowValidation, dict(work=0), "work must be longer than zero, not 0"),
    (attacks.SlowValidation, dict(messages=-1), "messages must be a whole number of at least 1, not -1"),
    (attacks.SlowValidation, dict(messages=0), "without messages and without delay it does nothing"),
    (attacks.SlowValidation, dict(size=31), "size must be at least 32 bytes, not 31"),
    (attacks.IHaveSpam, dict(ids=0), "ids must be a whole number of at least 1, not 0"),
    (attacks.IHaveSpam, dict(every=0), "every must be longer than zero, not 0"),
    (attacks.IWantSpam, dict(ids=10**9), "ids must be at most 100000, not 1000000000"),
    (attacks.GraftFlood, dict(grafts=True), "grafts must be a whole number of at least 1, not True"),
    (
        attacks.InvalidFlood,
        dict(kind="rude"),
        "kind must be one of signature, unsigned, application, not 'rude'",
    ),
    (attacks.InvalidFlood, dict(kind="application", size=8), "size must be at least 32 bytes, not 8"),
    (attacks.InvalidFlood, dict(size="1GiB"), "size must be at most 10MiB, not '1GiB'"),
    (attacks.InvalidFlood, dict(size="big"), "size: expected a size such as"),
]


@pytest.mark.parametrize("plan,change,error", MORE_NONSENSE)
def test_each_attack_refuses_nonsense(plan: type[attacks.Plan], change: dict[str, Any], error: str) -> None:
    _, nodes = make_world()
    with pytest.raises(ConfigError) as refused:
        plan(**{"target": nodes, "sybils": 10, **change})
    assert str(refused.value).startswith(f"{plan.__name__}: {error}")


def test_partitions_refuse_nonsense() -> None:
    world, nodes = make_world()
    with pytest.raises(ConfigError, match="Partition: effect must be one of blackhole, refuse, not 'slow'"):
        attacks.Partition([nodes[:3]], effect="slow")
    with pytest.raises(ConfigError, match="Partition: groups must be a list of groups of nodes"):
        attacks.Partition([])
    with pytest.raises(ConfigError, match="Partition: a node is in two groups"):
        world.attack(attacks.Partition([nodes[:3], nodes[2:5]]))


def test_adversaries_on_real_sockets() -> None:
    world = mc.World(backend="real", metrics_every=None)
    nodes = world.add(3, mc.Node(NO_GOSSIP))
    nodes.subscribe("blocks")
    for plan in (attacks.Sybil(nodes, 2, addresses=1), attacks.Partition([nodes[:1]])):
        with pytest.raises(ConfigError, match="only simulated paths can be cut|have one address already"):
            world.attack(plan)
    world.attack(attacks.Sybil(nodes, 2, drop=0.0, within="100ms", until="3s"))
    world.at("2s", lambda: nodes[0].publish("blocks", b"by way of adversaries"))
    run = world.run("4s")
    assert reached(run, 0, 0, 3) == 1
    assert set(run.deliveries["from"]) | set(run.duplicates["from"]) >= {3, 4}
    assert run.attacks.connections[1] == 6 and run.attacks.ends[1] < 3.5


def test_the_eclipse_scenario(tmp_path: Path) -> None:
    record = tmp_path / "eclipse.h5"
    small = (
        "--nodes",
        40,
        "--sybils",
        60,
        "--addresses",
        3,
        "--load",
        5,
        "--attack",
        "32s",
        "--until",
        "36s",
    )
    done = run_script(*small, "--out", record, script="scenarios/eclipse.py")
    assert done.returncode == 0, done.stderr
    assert "60 identities on 3 addresses, 2,400 connections" in " ".join(done.stdout.split())
    cost = mc.load(record).attacks.loc[1]
    assert (cost.identities, cost.addresses, cost.connections) == (60, 3, 60 * 40)


@pytest.mark.parametrize("addresses,kept_out", [(None, False), (1, True)])
def test_sybils_on_one_address_are_seen_to_be(addresses: int | None, kept_out: bool) -> None:
    suspicious = mc.PeerScore(ip_colocation_weight=-10, ip_colocation_threshold=1)
    world, nodes = make_world(mc.GossipSub(score=suspicious))
    world.attack(attacks.ColdBoot(nodes, 40, addresses=addresses))
    world.bootstrap(nodes, mc.overlay.random(20))
    run = world.run("10s")
    share = adversaries_in_mesh(run, 10)
    assert share == 0 if kept_out else share > 0.3


def test_adversaries_that_are_restarted_go_on() -> None:
    world, nodes = metered_world()
    attack = world.attack(attacks.IHaveSpam(nodes, 5, ids=10))
    world.bootstrap(nodes, mc.overlay.random(8))
    world.at("10s", attack.nodes.crash)
    world.at("15s", attack.nodes.restart)
    run = world.run("30s")
    ids = run.metrics("libp2p_gossipsub_gossip_ids_total")
    asked = ids[ids["kind"] == "iwant"].set_index("time")["value"]
    assert asked[14] == asked[12] > 0
    assert asked[29] - asked[20] > 8 * 5 * HONEST * 10 / 2
