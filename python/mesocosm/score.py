"""Peer scoring: `GossipSub(score=PeerScore(topics={"blocks": TopicScore(...)}))` (gossipsub v1.1, "Peer Scoring")."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from . import _core
from .errors import ConfigError
from .units import Duration, duration_ns

_ETHEREUM_TOPICS = (
    "beacon_block",
    "beacon_aggregate_and_proof",
    "voluntary_exit",
    "proposer_slashing",
    "attester_slashing",
)
_TOPIC_DURATIONS = (
    "time_in_mesh_quantum",
    "mesh_message_deliveries_window",
    "mesh_message_deliveries_activation",
)


def score_decay(lifetime: Duration, *, decay_interval: Duration = "1s", decay_to_zero: float = 0.01) -> float:
    """The decay with which a counter is down to `decay_to_zero` of itself after `lifetime`.

    Raises ConfigError if the lifetime is shorter than one decay interval.
    """
    ticks = duration_ns(lifetime) // max(1, duration_ns(decay_interval))
    if ticks < 1:
        raise ConfigError(
            f"score_decay: lifetime {lifetime!r} is shorter than decay_interval {decay_interval!r}"
        )
    return float(decay_to_zero ** (1 / ticks))


@dataclass(frozen=True, kw_only=True)
class TopicScore:
    """What peers are scored for in one topic. A weight of zero (the default) switches its parameter off.

    weight                     of the topic among others
    time_in_mesh_*             P1: quanta of time in our mesh, up to the cap; weight >= 0
    first_message_deliveries_* P2: messages that it was the first to deliver; weight >= 0
    mesh_message_deliveries_*  P3: the squared lack of deliveries below the threshold, counting copies that come within
                               the window after validation, once it was in our mesh for `activation`; weight <= 0
    mesh_failure_penalty_*     P3b: the squared lacks with which it left our mesh; weight <= 0
    invalid_message_deliveries_*  P4: the squared number of invalid messages; weight <= 0

    Counters are multiplied by their decay (between 0 and 1, see score_decay) each PeerScore.decay_interval, and stop
    counting at their cap. Times are strings such as "10ms" or seconds.
    """

    weight: float = 1
    time_in_mesh_weight: float = 0
    time_in_mesh_quantum: Duration = "1s"
    time_in_mesh_cap: float = 3600
    first_message_deliveries_weight: float = 0
    first_message_deliveries_decay: float = 0.5
    first_message_deliveries_cap: float = 2000
    mesh_message_deliveries_weight: float = 0
    mesh_message_deliveries_decay: float = 0.5
    mesh_message_deliveries_cap: float = 100
    mesh_message_deliveries_threshold: float = 20
    mesh_message_deliveries_window: Duration = "10ms"
    mesh_message_deliveries_activation: Duration = "5s"
    mesh_failure_penalty_weight: float = 0
    mesh_failure_penalty_decay: float = 0.5
    invalid_message_deliveries_weight: float = 0
    invalid_message_deliveries_decay: float = 0.3

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core."""
        return _plain(self, "TopicScore", _TOPIC_DURATIONS)


@dataclass(frozen=True, kw_only=True)
class PeerScore:
    """How nodes score each other, and which scores have which consequences. What is not given scores nothing.

    topics               TopicScore by topic name; others are not scored
    topic_score_cap      on what all topics add to a score; 0: none
    app_specific_weight  P5: of the score that the application gives
    ip_colocation_*      P6: the squared number of peers beyond the threshold that share an address; the whitelist holds
                         addresses and networks ("192.0.2.0/24") that do not count; weight <= 0
    behaviour_penalty_*  P7: the squared misbehaviour beyond the threshold; weight <= 0
    decay_interval, decay_to_zero  how often counters decay, and below what they are zero
    retain_score         how long a score that is not positive outlasts the connection

    Thresholds, with rust-libp2p's defaults. A peer whose score is below
    gossip_threshold     is not gossiped with (<= 0)
    publish_threshold    is not sent what we publish (<= gossip_threshold)
    graylist_threshold   is not heard at all (<= publish_threshold)
    accept_px_threshold  cannot recommend other peers (>= 0)
    opportunistic_graft_threshold  and a mesh whose median is below it looks for better peers (>= 0)
    """

    topics: Mapping[str, TopicScore] = field(default_factory=dict, hash=False)
    topic_score_cap: float = 0
    app_specific_weight: float = 1
    ip_colocation_weight: float = 0
    ip_colocation_threshold: int = 10
    ip_colocation_whitelist: Sequence[str] = field(default=(), hash=False)
    behaviour_penalty_weight: float = 0
    behaviour_penalty_threshold: float = 0
    behaviour_penalty_decay: float = 0.2
    decay_interval: Duration = "1s"
    decay_to_zero: float = 0.01
    retain_score: Duration = "1h"
    gossip_threshold: float = -10
    publish_threshold: float = -50
    graylist_threshold: float = -80
    accept_px_threshold: float = 10
    opportunistic_graft_threshold: float = 20

    @classmethod
    def ethereum(
        cls,
        topics: Mapping[str, str] | None = None,
        *,
        validators: int = 1_000_000,
        **changes: Any,
    ) -> PeerScore:
        """Ethereum's consensus layer, as Lighthouse scores it (gossipsub_scoring_parameters.rs) long after genesis.

        `topics` maps your topics' names to those of Ethereum that they are scored as: "beacon_block",
        "beacon_aggregate_and_proof", "beacon_attestation" (each subnet's), "voluntary_exit", "proposer_slashing" and
        "attester_slashing"; None: these under their own names, with "beacon_attestation_0" to "..._63". `validators`:
        active ones, of which the expected rates of messages follow. Raises ConfigError for others, and for too few.
        """
        if topics is None:
            topics = {name: name for name in _ETHEREUM_TOPICS}
            topics |= {f"beacon_attestation_{subnet}": "beacon_attestation" for subnet in range(64)}
        return cls._preset(_core.ethereum_score(_pairs(topics), validators), changes)

    @classmethod
    def filecoin(cls, topics: Mapping[str, str] | None = None, **changes: Any) -> PeerScore:
        """Filecoin, as Lotus scores it (node/modules/lp2p/pubsub.go); mesh deliveries are not scored, as there.

        `topics` maps your topics' names to "blocks", "messages" or "drand"; None: these under their own names. Raises
        ConfigError for others.
        """
        names = ("blocks", "messages", "drand")
        topics = {name: name for name in names} if topics is None else topics
        return cls._preset(_core.filecoin_score(_pairs(topics)), changes)

    @classmethod
    def hardening(
        cls, topics: Mapping[str, str] | None = None, *, warmup: Duration = "30s", **changes: Any
    ) -> PeerScore:
        """The experiments of PL-TechRep-2020-001 (libp2p/gossipsub-hardening, 1k-attack-eclipse-net.json).

        `topics` maps your topics' names to "blocks"; None: {"blocks": "blocks"}. Mesh deliveries count `warmup` later
        than a minute after GRAFT, as the experiments' nodes have it. Raises ConfigError for others.
        """
        topics = {"blocks": "blocks"} if topics is None else topics
        return cls._preset(_core.hardening_score(_pairs(topics), duration_ns(warmup)), changes)

    @classmethod
    def _preset(cls, values: dict[str, Any], changes: dict[str, Any]) -> PeerScore:
        topics = {
            name: TopicScore(**_timed(topic, _TOPIC_DURATIONS)) for name, topic in values["topics"].items()
        }
        numbers = _timed(values, ("decay_interval", "retain_score"))
        given: dict[str, Any] = {**numbers, "topics": topics, **changes}
        return cls(**given)

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        config = _plain(self, "PeerScore", ("decay_interval", "retain_score"))
        if not isinstance(self.topics, Mapping):
            raise ConfigError(f"PeerScore: topics must map names to TopicScore, not {self.topics!r}")
        for name, topic in self.topics.items():
            if not isinstance(name, str) or not isinstance(topic, TopicScore):
                raise ConfigError(
                    f"PeerScore: topics must map names to TopicScore, not {name!r} to {topic!r}"
                )
        if isinstance(self.ip_colocation_whitelist, str):
            raise ConfigError("PeerScore: ip_colocation_whitelist must be a list of addresses and networks")
        config["topics"] = {name: topic.to_config() for name, topic in self.topics.items()}
        config["ip_colocation_whitelist"] = [str(text) for text in self.ip_colocation_whitelist]
        return config


def _pairs(topics: Mapping[str, str]) -> list[tuple[str, str]]:
    if not isinstance(topics, Mapping) or not all(
        isinstance(name, str) for item in topics.items() for name in item
    ):
        raise ConfigError(f"PeerScore: topics must map names to names, not {topics!r}")
    return list(topics.items())


def _timed(values: dict[str, Any], durations: Sequence[str]) -> dict[str, Any]:
    return {name: f"{value}ns" if name in durations else value for name, value in values.items()}


def _plain(values: Any, owner: str, durations: Sequence[str]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    for item in fields(values):
        value = getattr(values, item.name)
        if item.name in durations:
            config[item.name] = duration_ns(value)
        elif item.type == "int":
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise ConfigError(f"{owner}: {item.name} must be a whole number of at least 0, not {value!r}")
            config[item.name] = value
        elif item.type == "float":
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ConfigError(f"{owner}: {item.name} must be a number, not {value!r}")
            config[item.name] = float(value)
    return config
