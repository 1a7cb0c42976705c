"""What a node runs: `Node(GossipSub(D=8), Ping())`. Plain values, checked when they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

from .errors import ConfigError
from .pubsub import PubSub
from .score import PeerScore
from .units import Duration, Size, duration_ns, size_bytes
from .variant import Variant
from .variant import find as find_variant


SECURITIES = ("noise", "tls")
TRANSPORTS = ("tcp", "ws")
_SIGNING = ("strict-sign", "strict-no-sign")
GOSSIPSUB_VERSIONS = ("1.0", "1.1", "1.2", "1.3")
_MESSAGE_IDS = ("from-seqno", "content", "data")
_COUNTS = (
    "idontwant_ttl",
    "iwant_retransmission",
    "max_ihave_length",
    "max_ihave_messages",
    "opportunistic_graft_ticks",
    "opportunistic_graft_peers",
    "validation_workers",
    "validation_queue",
    "topic_validation_queue",
    "max_subscriptions_per_rpc",
)


@dataclass(frozen=True, kw_only=True)
class GossipSub(PubSub):
    """GossipSub (libp2p/specs pubsub/gossipsub). Defaults are libp2p's, without peer scoring.

    A variant replaces some of its choices, and the parameters that make it what it is (docs/variants.md).
    Degrees (`D`, `D_lo`, `D_hi`, `D_out`, `D_score`, `D_lazy`) count mesh peers; times are strings such as "700ms" or
    seconds. The first heartbeat comes at a random time within one `heartbeat` after `heartbeat_delay`. Each
    `opportunistic_graft_ticks` heartbeats a mesh whose median score is below
    PeerScore.opportunistic_graft_threshold takes in up to `opportunistic_graft_peers` better peers.
    `version` is the latest that the node speaks, "1.0" to "1.3"; with "1.0" there are no scores, and `D_out`,
    `D_score`, `gossip_factor`, `prune_backoff`, `unsubscribe_backoff`, `flood_publish` and `peer_exchange` mean nothing
    (docs/gossipsub.md). Of messages of `idontwant_threshold` bytes or more the mesh is told IDONTWANT, from "1.2" on,
    and who hears it remembers it until its `idontwant_ttl`th heartbeat from then.

    iwant_retransmission, max_ihave_length, max_ihave_messages  how often one peer may ask for one message, how many ids
                      it may be asked for in a heartbeat, and how many of its IHAVE are heard in one
    iwant_followup    a peer that has not sent by then what it was asked for broke its promise, if peers are scored
    validation_delay  a processor works so long on every message before it is delivered and forwarded, unless a validator
                      says otherwise (`Nodes.validate`); a node has `validation_workers` processors. At most
                      `validation_queue` messages wait, of one topic `topic_validation_queue`; the others are dropped
    topics            an allow list: others are neither subscribed to nor heard of
    max_subscriptions_per_rpc  an RPC with more is ignored
    message_id        what makes messages the same: "from-seqno", "content" (topic and data, as in Ethereum) or "data"
                      (as in Filecoin)
    """

    version: str = "1.1"
    D: int = 6
    D_lo: int | None = None  # None: 5, or D - 1 for other D; one less with version "1.0", whose D_lo is 4
    D_hi: int | None = None  # None: 12, or 2 D
    D_out: int | None = None  # None: 2, and always below D_lo and at most D / 2
    D_score: int | None = None  # None: 4, and at most D; kept for their score when a mesh is too large
    D_lazy: int | None = None  # None: D
    gossip_factor: float = 0.25
    heartbeat: Duration = "1s"
    heartbeat_delay: Duration = 0
    history_length: int = 5
    history_gossip: int = 3
    fanout_ttl: Duration = "60s"
    seen_ttl: Duration = "120s"
    prune_backoff: Duration = "60s"
    unsubscribe_backoff: Duration = "10s"
    flood_publish: bool = True
    peer_exchange: bool = False
    iwant_retransmission: int = 3
    max_ihave_length: int = 5000
    max_ihave_messages: int = 10
    iwant_followup: Duration = "3s"
    opportunistic_graft_ticks: int = 60
    opportunistic_graft_peers: int = 2
    idontwant_threshold: Size = 1024
    idontwant_ttl: int = 3
    score: PeerScore | None = None  # None: peers are not scored
    validation_delay: Duration = 0
    validation_workers: int = 1
    validation_queue: int = 8192
    topic_validation_queue: int = 1024
    topics: Sequence[str] = field(default=(), hash=False)  # none: all
    max_subscriptions_per_rpc: int = 0  # 0: no limit
    message_id: str | None = None  # None: "from-seqno" where messages are signed, else "content"
    signing: str = "strict-sign"
    max_message: Size = "1MiB"
    # A name that `mesocosm.variants()` has, or a `mesocosm.Variant`: the class or an instance. None: the specification.
    variant: str | type[Variant] | Variant | None = None
    settings: Mapping[str, float] = field(
        default_factory=dict, hash=False
    )  # the variant's own numbers, by name

    @classmethod
    def ethereum(cls, **changes: Any) -> GossipSub:
        """The Ethereum consensus layer's parameters (consensus-specs, phase0/p2p-interface.md).

        Without flood publishing, as Lighthouse and Prysm run it.
        """
        values: dict[str, Any] = dict(
            D=8,
            D_lo=6,
            D_hi=12,
            D_lazy=6,
            heartbeat="700ms",
            history_length=6,
            history_gossip=3,
            fanout_ttl="60s",
            seen_ttl="768s",
            flood_publish=False,
            signing="strict-no-sign",
            max_message="10MiB",
        )
        return cls(**{**values, **changes})

    @classmethod
    def filecoin(cls, **changes: Any) -> GossipSub:
        """Filecoin's parameters, as Lotus has them (filecoin-project/lotus, node/modules/lp2p/pubsub.go).

        With the scores of PeerScore.filecoin(), for topics named "blocks" and "messages"; `score=` has others, or none.
        """
        values: dict[str, Any] = dict(
            D=8,
            D_lo=6,
            D_hi=12,
            D_score=6,
            D_out=3,
            D_lazy=12,
            gossip_factor=0.1,
            history_length=10,
            iwant_followup="5s",
            message_id="data",
            max_subscriptions_per_rpc=100,
            validation_queue=256,
        )
        if "score" not in changes:
            values["score"] = PeerScore.filecoin()
        return cls(**{**values, **changes})

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        if self.signing not in _SIGNING:
            raise ConfigError(
                f"GossipSub: signing must be one of {', '.join(_SIGNING)}, not {self.signing!r}"
            )
        if self.version not in GOSSIPSUB_VERSIONS:
            raise ConfigError(
                f"GossipSub: version must be one of {', '.join(GOSSIPSUB_VERSIONS)}, not {self.version!r}"
            )
        if not isinstance(self.D, int) or self.D < 1:
            raise ConfigError(f"GossipSub: D must be a whole number of at least 1, not {self.D!r}")
        if self.variant is None and self.settings:
            raise ConfigError("GossipSub: settings belong to a variant, and none is named")
        hooks = None if self.variant is None else find_variant(self.variant, self.settings)
        if self.score is not None and not isinstance(self.score, PeerScore):
            raise ConfigError(f"GossipSub: score must be a PeerScore, not {type(self.score).__name__}")
        if self.message_id is not None and self.message_id not in _MESSAGE_IDS:
            raise ConfigError(
                f"GossipSub: message_id must be one of {', '.join(_MESSAGE_IDS)}, not {self.message_id!r}"
            )
        if isinstance(self.topics, str) or not all(isinstance(topic, str) for topic in self.topics):
            raise ConfigError(f"GossipSub: topics must be a list of names, not {self.topics!r}")
        for name in _COUNTS:
            value, most = getattr(self, name), 2**16 if "validation_" in name else 2**32
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < most:
                raise ConfigError(
                    f"GossipSub: {name} must be a whole number of at least 0 and below {most}, not {value!r}"
                )
        by_content = "content" if self.signing == "strict-no-sign" else "from-seqno"
        below = 2 if self.version == "1.0" else 1
        d_lo = self.D_lo if self.D_lo is not None else max(1, self.D - below)
        return {
            "version": self.version,
            "network_size": 0,
            "D": self.D,
            "D_lo": d_lo,
            "D_hi": self.D_hi if self.D_hi is not None else 2 * self.D,
            "D_out": self.D_out if self.D_out is not None else max(0, min(2, d_lo - 1, self.D // 2)),
            "D_score": self.D_score if self.D_score is not None else min(4, self.D),
            "D_lazy": self.D_lazy if self.D_lazy is not None else self.D,
            "gossip_factor": float(self.gossip_factor),
            "heartbeat_ns": duration_ns(self.heartbeat),
            "heartbeat_delay_ns": duration_ns(self.heartbeat_delay),
            "history_length": self.history_length,
            "history_gossip": self.history_gossip,
            "fanout_ttl_ns": duration_ns(self.fanout_ttl),
            "seen_ttl_ns": duration_ns(self.seen_ttl),
            "prune_backoff_ns": duration_ns(self.prune_backoff),
            "unsubscribe_backoff_ns": duration_ns(self.unsubscribe_backoff),
            "flood_publish": bool(self.flood_publish),
            "peer_exchange": bool(self.peer_exchange),
            "idontwant_threshold": size_bytes(self.idontwant_threshold),
            "idontwant_ttl": self.idontwant_ttl,
            "opportunistic_graft_ticks": self.opportunistic_graft_ticks,
            "opportunistic_graft_peers": self.opportunistic_graft_peers,
            "iwant_followup_ns": duration_ns(self.iwant_followup),
            "max_ihave_length": self.max_ihave_length,
            "max_ihave_messages": self.max_ihave_messages,
            "iwant_retransmission": self.iwant_retransmission,
            "validation_delay_ns": duration_ns(self.validation_delay),
            "validation_workers": self.validation_workers,
            "validation_queue": self.validation_queue,
            "topic_validation_queue": self.topic_validation_queue,
            "max_subscriptions_per_rpc": self.max_subscriptions_per_rpc,
            "topics": list(self.topics),
            "message_id": self.message_id or by_content,
            "score": self.score.to_config() if self.score else None,
            "strict_sign": self.signing == "strict-sign",
            "max_message": size_bytes(self.max_message),
            "variant": self.variant if hooks is None else hooks.base,
            "hooks": hooks,
            "settings": {}
            if hooks is not None
            else {name: float(value) for name, value in self.settings.items()},
        }


@dataclass(frozen=True, kw_only=True)
class FloodSub(PubSub):
    """floodsub: every message goes to every peer in its topic, a baseline for what gossip saves and costs."""

    seen_ttl: Duration = "120s"
    signing: str = "strict-sign"
    max_message: Size = "1MiB"

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        same = GossipSub(seen_ttl=self.seen_ttl, signing=self.signing, max_message=self.max_message)
        return {**same.to_config(), "version": "floodsub"}


@dataclass(frozen=True, kw_only=True)
class RandomSub(PubSub):
    """randomsub, as go-libp2p-pubsub has it: every message goes to random peers in its topic, drawn for each message.

    They are `D`, or the square root of `network_size` (nodes, as far as the node knows; 0: unknown) if that is more.
    """

    D: int = 6
    network_size: int = 0
    seen_ttl: Duration = "120s"
    signing: str = "strict-sign"
    max_message: Size = "1MiB"

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        if not isinstance(self.D, int) or self.D < 1:
            raise ConfigError(f"RandomSub: D must be a whole number of at least 1, not {self.D!r}")
        if not isinstance(self.network_size, int) or not 0 <= self.network_size < 1 << 32:
            raise ConfigError(f"RandomSub: network_size must be a number of nodes, not {self.network_size!r}")
        same = GossipSub(D=self.D, seen_ttl=self.seen_ttl, signing=self.signing, max_message=self.max_message)
        return {**same.to_config(), "version": "randomsub", "network_size": self.network_size}


@dataclass(frozen=True)
class Node:
    """One kind of node. Every node has identify, ping and perf; and a protocol for messages if one is given: gossipsub,
    floodsub, randomsub, or an epidemic baseline (Rumors, Plumtree, Cyclon).

    security     "noise", "tls" or several, the best first: what the node offers and accepts
    early_muxer  agree on the muxer inside the security handshake, which saves a round trip
    transport    "tcp", or "ws" (WebSocket; with the full stack): what the node listens at; it dials both
    keepalive    connections are pinged so often (Yamux), and end when no answer came until the next time, as in go-libp2p
                 ("30s"); None: they end when TCP gives up on data
    Simulated only:
    clock_drift  by how many millionths its clock runs fast: of its timers, heartbeats and timeouts; negative: slow
    clock_offset by how much its calendar is ahead, "2s" or -2: of record numbers, sequence numbers and certificates
    slowdown     how long it takes for each packet of data that comes to it, one after the other ("1ms")
    """

    gossipsub: PubSub | None = None
    _: KW_ONLY
    security: str | Sequence[str] = SECURITIES
    early_muxer: bool = True
    transport: str = "tcp"
    keepalive: Duration | None = None
    clock_drift: int = 0
    clock_offset: Duration = 0
    slowdown: Duration = 0

    def __post_init__(self) -> None:
        if self.gossipsub is not None and not isinstance(self.gossipsub, PubSub):
            raise ConfigError(
                f"Node: expected a protocol such as GossipSub or Plumtree, not {type(self.gossipsub).__name__}"
            )
        if not isinstance(self.security, Sequence):
            raise ConfigError(f"Node: security must be a name or a list of names, not {self.security!r}")
        names = self._securities()
        for name in names:
            if name not in SECURITIES:
                raise ConfigError(f"Node: security must be one of {', '.join(SECURITIES)}, not {name!r}")
        if not names or len(set(names)) < len(names):
            raise ConfigError(f"Node: security must name each once, and at least one, not {names!r}")
        if not isinstance(self.early_muxer, bool):
            raise ConfigError(f"Node: early_muxer must be True or False, not {self.early_muxer!r}")
        if self.keepalive is not None and duration_ns(self.keepalive) <= 0:
            raise ConfigError(f"Node: keepalive must be longer than zero, not {self.keepalive!r}")
        if not isinstance(self.clock_drift, int) or abs(self.clock_drift) > 500_000:
            raise ConfigError(
                f"Node: clock_drift must be whole millionths from -500000 to 500000, not {self.clock_drift!r}"
            )
        _signed_ns(self.clock_offset)
        duration_ns(self.slowdown)
        if self.transport not in TRANSPORTS:
            raise ConfigError(
                f"Node: transport must be one of {', '.join(TRANSPORTS)}, not {self.transport!r}"
            )

    def _securities(self) -> list[str]:
        return [self.security] if isinstance(self.security, str) else list(self.security)

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core."""
        return {
            "gossipsub": self.gossipsub.to_config() if self.gossipsub else None,
            "security": self._securities(),
            "early_muxer": self.early_muxer,
            "transport": self.transport,
            "keepalive_ns": 0 if self.keepalive is None else duration_ns(self.keepalive),
            "clock_drift": self.clock_drift,
            "clock_offset_ns": _signed_ns(self.clock_offset),
            "slowdown_ns": duration_ns(self.slowdown),
        }


def _signed_ns(value: Duration) -> int:
    if isinstance(value, str):
        return -duration_ns(value[1:]) if value.startswith("-") else duration_ns(value)
    return -duration_ns(-value) if value < 0 else duration_ns(value)
