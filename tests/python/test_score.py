"""Peer scoring from Python: it is refused when it makes no sense, and in force when it does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import mesocosm as mc
import pytest

from conftest import gossip_world


@pytest.mark.parametrize(
    "changes, complaint",
    [
        (dict(topics=["blocks"]), "topics must map names to TopicScore"),
        (dict(topics={"blocks": 1}), "topics must map names to TopicScore, not 'blocks' to 1"),
        (dict(topic_score_cap="much"), "topic_score_cap must be a number, not 'much'"),
        (dict(topic_score_cap=-1), "topic_score_cap"),
        (dict(ip_colocation_threshold=1.5), "ip_colocation_threshold must be a whole number"),
        (dict(ip_colocation_whitelist="10.0.0.0/8"), "must be a list of addresses"),
        (dict(ip_colocation_whitelist=["10.0.0.0/40"]), "not '10.0.0.0/40'"),
        (
            dict(behaviour_penalty_weight=1),
            "behaviour_penalty_weight (1.000000) must be a number of at most 0",
        ),
        (dict(decay_interval="100ms"), "decay_interval (0.100000 s) must be at least 1 s"),
        (dict(retain_score=-1), "below zero"),
        (dict(gossip_threshold=1), "thresholds.gossip"),
        (dict(publish_threshold=-5), "thresholds.publish"),
        (dict(graylist_threshold=-20), "thresholds.graylist"),
        (
            dict(topics={"blocks": mc.TopicScore(time_in_mesh_weight=-1)}),
            "topic 'blocks': time_in_mesh_weight (-1.000000) must be a number of at least 0",
        ),
    ],
)
def test_scores_that_make_no_sense_are_refused(changes: dict[str, Any], complaint: str) -> None:
    world = mc.World()
    with pytest.raises(mc.ConfigError, match=re.escape(complaint)):
        world.add(1, mc.GossipSub(score=mc.PeerScore(**changes)))


def test_what_is_no_score_is_refused() -> None:
    with pytest.raises(mc.ConfigError, match="score must be a PeerScore, not dict"):
        mc.World().add(1, mc.GossipSub(score={}))  # type: ignore[arg-type]
    with pytest.raises(mc.ConfigError, match="is shorter than decay_interval"):
        mc.score_decay("500ms")


def test_peers_that_share_too_few_addresses_are_kept_out_of_meshes(record: Path) -> None:
    """Six nodes behind one address score each other down; the graylist silences them, and only them."""

    def deliveries(score: mc.PeerScore | None) -> int:
        world = mc.World(stack="full", seed=3)
        public = world.add(8, mc.GossipSub(score=score))
        home = world.add(6, mc.GossipSub(), behind=mc.Nat(hosts=6))
        homes_dial_public = [(a, b) for a in range(8, 14) for b in range(8)]
        world.bootstrap(public + home, mc.overlay.from_edges(homes_dial_public))
        (public + home).subscribe("blocks")
        world.at("20s", lambda: home[0].publish("blocks", size="1KiB"))
        return len(world.run("25s", out=record).deliveries)

    assert deliveries(None) == 13
    strict = mc.PeerScore(ip_colocation_weight=-100, ip_colocation_threshold=3)
    assert deliveries(strict) == 0  # the homes only know the public ones, which do not hear them
    tolerant = mc.PeerScore(
        ip_colocation_weight=-100, ip_colocation_threshold=3, ip_colocation_whitelist=["0.0.0.0/0"]
    )
    assert deliveries(tolerant) == 13


def test_scoring_among_honest_nodes_loses_nothing(record: Path) -> None:
    score = mc.PeerScore(
        topics={
            "blocks": mc.TopicScore(
                time_in_mesh_weight=0.01,
                first_message_deliveries_weight=1,
                first_message_deliveries_decay=mc.score_decay("60s"),
                invalid_message_deliveries_weight=-10,
            )
        },
        ip_colocation_weight=-10,
        behaviour_penalty_weight=-10,
    )
    run = gossip_world(30, mc.GossipSub(score=score)).run("15s", out=record)
    assert len(run.deliveries) == 10 * 29


@pytest.mark.parametrize(
    "preset", [mc.PeerScore.ethereum, mc.PeerScore.filecoin, mc.PeerScore.hardening], ids=lambda p: p.__name__
)
def test_presets_are_scores_as_others_are(preset: Any) -> None:
    score = preset()
    assert score.to_config() == mc.PeerScore(**vars(score)).to_config()
    mc.World().add(1, mc.GossipSub(score=score))
    assert preset(topic_score_cap=3).topic_score_cap == 3
    with pytest.raises(mc.ConfigError, match="'nothing'"):
        preset({"blocks": "nothing"})
    with pytest.raises(mc.ConfigError, match="topics must map names to names"):
        preset({"blocks": 1})


def test_ethereum_scores_its_subnets_alike() -> None:
    score = mc.PeerScore.ethereum()
    assert len(score.topics) == 5 + 64
    assert score.topics["beacon_attestation_0"] == score.topics["beacon_attestation_63"]
    assert score.topics["beacon_block"].weight == 0.5
    assert score.gossip_threshold == -4000
    few = mc.PeerScore.ethereum({"blocks": "beacon_attestation"}, validators=100_000).topics["blocks"]
    assert (
        few.mesh_message_deliveries_threshold
        < score.topics["beacon_attestation_0"].mesh_message_deliveries_threshold
    )
    with pytest.raises(mc.ConfigError, match="at least 32 validators, not 5"):
        mc.PeerScore.ethereum(validators=5)


def test_filecoin_gossips_with_its_scores(record: Path) -> None:
    run = gossip_world(20, mc.GossipSub.filecoin()).run("15s", out=record)
    assert len(run.deliveries) == 10 * 19
    assert mc.GossipSub.filecoin(score=None).score is None


@pytest.mark.parametrize(
    "changes, complaint",
    [
        (dict(message_id="hash"), "message_id must be one of"),
        (dict(topics="blocks"), "topics must be a list of names"),
        (dict(validation_queue=0), "validation_queue"),
        (dict(validation_queue=-1), "validation_queue must be a whole number"),
        (dict(validation_delay=-1), "below zero"),
        (dict(iwant_followup=0), "iwant_followup"),
        (dict(idontwant_ttl=0), "idontwant_ttl .0. must be at least 1"),
    ],
)
def test_gossipsub_that_makes_no_sense_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(mc.ConfigError, match=complaint):
        mc.World().add(1, mc.GossipSub(**changes))


def test_scores_can_be_read_as_they_are(record: Path) -> None:
    score = mc.PeerScore(
        topics={
            "blocks": mc.TopicScore(first_message_deliveries_weight=1, first_message_deliveries_decay=0.999)
        },
        app_specific_weight=2,
    )
    world = gossip_world(12, mc.GossipSub(score=score))
    with pytest.raises(mc.ConfigError, match="when the run has started"):
        world.nodes.scores()
    seen: list[Any] = []
    world.at("10s", lambda: world.nodes[:3].set_app_score(world.nodes[5], -100))
    world.at("14.5s", lambda: seen.append(world.nodes.scores()))
    run = world.run("15s", out=record)
    table = seen[0]
    parts = ["p1", "p2", "p3", "p3b", "p4", "p5", "p6", "p7"]
    assert list(table) == ["node", "peer", "score", *parts]
    assert (table[parts].sum(axis=1) - table.score).abs().max() < 1e-9
    assert set(table.node) == set(range(12))
    ill_reputed = table[(table.peer == 5) & (table.node < 3)]
    assert len(ill_reputed) > 0 and (ill_reputed.p5 == -200).all()
    assert (table.drop(ill_reputed.index).p5 == 0).all()
    first = run.deliveries[run.deliveries.time < 14.5]
    assert table.p2.sum() == pytest.approx(
        len(first), rel=0.01
    )  # each was somebody's first, and they fade slowly
    below = run.metrics("libp2p_gossipsub_peers_scored")
    assert set(below.below) == {"none", "graylist"}
    last = below[below.time == below.time.max()].set_index("below").value
    assert last["graylist"] == len(ill_reputed)
    assert last.sum() == len(table)


def test_validation_takes_its_time_one_after_the_other(record: Path) -> None:
    def latencies(**changes: Any) -> Any:
        world = mc.World(internet=mc.internet.uniform("10ms"), seed=2)
        nodes = world.add(2, mc.GossipSub(**changes))
        world.bootstrap(nodes, mc.overlay.full())
        nodes.subscribe("blocks")
        world.at("5s", lambda: [nodes[0].publish("blocks", bytes([i] * 100)) for i in range(4)] and None)
        return world.run("10s", out=record).deliveries.latency.sort_values().to_numpy()

    at_once = latencies()
    slow = latencies(validation_delay="100ms")
    assert len(at_once) == len(slow) == 4
    for position in range(4):
        assert slow[position] == pytest.approx(at_once[0] + 0.1 * (position + 1), abs=0.001)
    assert len(latencies(validation_delay="100ms", validation_queue=2)) == 2


def test_topics_beside_the_allow_list_do_not_exist(record: Path) -> None:
    world = mc.World()
    nodes = world.add(3, mc.GossipSub(topics=["blocks"]))
    with pytest.raises(mc.ConfigError, match="not a topic of the allow list"):
        nodes.subscribe("other")
        world.run("1s", out=record)
