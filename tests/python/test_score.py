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
