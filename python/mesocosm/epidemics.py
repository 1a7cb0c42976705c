"""The epidemic baselines: rumor mongering, Plumtree over HyParView, and Cyclon. Plain values, checked when they are used.

Their sources and what they leave out: docs/epidemics.md. Times are strings such as "1s", or seconds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from .errors import ConfigError
from .pubsub import PubSub
from .units import Duration, Size, duration_ns, size_bytes


_MODES = ("push", "pull", "push-pull")


def _whole(owner: str, name: str, value: int, least: int = 1) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value < 1 << 31:
        raise ConfigError(f"{owner}: {name} must be a whole number of at least {least}, not {value!r}")
    return value


@dataclass(frozen=True, kw_only=True)
class Rumors(PubSub):
    """Rumor mongering (Demers et al. 1987): in every period a site calls a random one and they share hot rumors.

    mode      "push" (the caller tells), "pull" (it asks) or "push-pull" (both)
    k         a rumor is hot no more after k periods in a row in which it was told and nobody needed it (`counter`), or
              after each such period with probability 1 / k
    feedback  who is told says whether it was news; without (blind), every period in which it was told counts
    """

    mode: str = "push-pull"
    k: int = 2
    counter: bool = True
    feedback: bool = True
    period: Duration = "1s"
    seen_ttl: Duration = "120s"
    max_message: Size = "1MiB"

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        if self.mode not in _MODES:
            raise ConfigError(f"Rumors: mode must be one of {', '.join(_MODES)}, not {self.mode!r}")
        return {
            "protocol": "rumors",
            "mode": self.mode,
            "k": _whole("Rumors", "k", self.k),
            "counter": bool(self.counter),
            "feedback": bool(self.feedback),
            "period_ns": duration_ns(self.period),
            "seen_ttl_ns": duration_ns(self.seen_ttl),
            "max_message": size_bytes(self.max_message),
        }


@dataclass(frozen=True, kw_only=True)
class HyParView:
    """HyParView (Leitao et al. 2007): a small active view of open connections, and a passive one to mend it from.

    active, passive                  peers in the views; the paper's for 10,000 nodes
    active_walk, passive_walk        hops of a newcomer's walk, and those left when it enters a passive view (ARWL, PRWL)
    shuffle_active, shuffle_passive  peers of each view in a shuffle, one in every `period`
    """

    active: int = 5
    passive: int = 30
    active_walk: int = 6
    passive_walk: int = 3
    shuffle_active: int = 3
    shuffle_passive: int = 4
    period: Duration = "10s"

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        return {
            "active": _whole("HyParView", "active", self.active),
            "passive": _whole("HyParView", "passive", self.passive),
            "active_walk": _whole("HyParView", "active_walk", self.active_walk, 0),
            "passive_walk": _whole("HyParView", "passive_walk", self.passive_walk, 0),
            "shuffle_active": _whole("HyParView", "shuffle_active", self.shuffle_active, 0),
            "shuffle_passive": _whole("HyParView", "shuffle_passive", self.shuffle_passive, 0),
            "period_ns": duration_ns(self.period),
        }


@dataclass(frozen=True, kw_only=True)
class Plumtree(PubSub):
    """Plumtree (Leitao et al. 2007): messages are pushed along a tree in HyParView's overlay, and announced beside it.

    membership     the overlay
    ihave_timeout  from an announcement until the message is asked for; longer than a broadcast takes
    graft_timeout  until the next announcer is asked
    threshold      replace links of the tree by announced ones that save so many hops; None: never
    eager_only     no tree: every message on every link, the paper's baseline
    """

    membership: HyParView = field(default_factory=HyParView)
    ihave_timeout: Duration = "1s"
    graft_timeout: Duration = "500ms"
    threshold: int | None = None
    eager_only: bool = False
    seen_ttl: Duration = "120s"
    max_message: Size = "1MiB"

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        if not isinstance(self.membership, HyParView):
            raise ConfigError(
                f"Plumtree: membership must be a HyParView, not {type(self.membership).__name__}"
            )
        return {
            "protocol": "plumtree",
            "membership": self.membership.to_config(),
            "ihave_timeout_ns": duration_ns(self.ihave_timeout),
            "graft_timeout_ns": duration_ns(self.graft_timeout),
            "threshold": 0 if self.threshold is None else _whole("Plumtree", "threshold", self.threshold),
            "eager_only": bool(self.eager_only),
            "seen_ttl_ns": duration_ns(self.seen_ttl),
            "max_message": size_bytes(self.max_message),
        }


@dataclass(frozen=True, kw_only=True)
class Cyclon(PubSub):
    """Cyclon (Voulgaris et al. 2005): a small view of the network, mixed by exchanges with its oldest entries; and, in a
    World, the gossip over it that the HyParView paper compares with.

    view     entries; `shuffle` of them are exchanged in every `period`, one's own address included
    walk     hops of a newcomer's walks
    oldest   whom to shuffle with; False: anybody in the view (basic shuffling)
    fanout   messages are pushed to so many of the view, by everybody who gets them first
    """

    view: int = 20
    shuffle: int = 8
    walk: int = 5
    oldest: bool = True
    period: Duration = "10s"
    fanout: int = 4
    seen_ttl: Duration = "120s"
    max_message: Size = "1MiB"

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        return {
            "protocol": "cyclon",
            "view": _whole("Cyclon", "view", self.view),
            "shuffle": _whole("Cyclon", "shuffle", self.shuffle),
            "walk": _whole("Cyclon", "walk", self.walk, 0),
            "oldest": bool(self.oldest),
            "period_ns": duration_ns(self.period),
            "fanout": _whole("Cyclon", "fanout", self.fanout),
            "seen_ttl_ns": duration_ns(self.seen_ttl),
            "max_message": size_bytes(self.max_message),
        }
