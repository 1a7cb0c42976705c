"""Attacks: `world.attack(attacks.Eclipse(target=nodes[0], sybils=400, at="60s"))`. Plans are plain values, checked when
they are made and when they meet a world; docs/attacks.md says what each one does.

Adversaries are nodes of the world that speak GossipSub's wire protocol. They subscribe to what their targets subscribe
to, graft them, and from then on do what their plan says. What they cost is in the record: `Run.attacks`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core
from .errors import ConfigError
from .nat import Nat
from .node import Duration, Node
from .units import duration_ns

if TYPE_CHECKING:
    from .overlay import Overlay
    from .world import Fault, Nodes, World

_MOST_SESSIONS = 2**32 - 1


@dataclass(frozen=True)
class Plan:
    """What every attack has: when it begins and ends.

    at     simulated time of its beginning; None: when its handle's `start()` is called
    until  simulated time of its end; None: when `stop()` is called
    """

    _: KW_ONLY
    at: Duration | None = "0s"
    until: Duration | None = None

    @property
    def name(self) -> str:
        """What the record calls it, such as "covert flash"."""
        return re.sub("(?<=[a-z])(?=[A-Z])", " ", type(self).__name__).lower()

    def launch(self, world: World) -> Attack:
        """Makes it part of a world; `World.attack` calls this."""
        raise NotImplementedError

    def _wrong(self, name: str, expected: str) -> ConfigError:
        return ConfigError(f"{type(self).__name__}: {name} must be {expected}, not {getattr(self, name)!r}")

    def _check_count(self, name: str, most: int | None = None) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise self._wrong(name, "a whole number of at least 1")
        if most is not None and value > most:
            raise self._wrong(name, f"at most {most}")

    def _check_share(self, name: str) -> None:
        value = getattr(self, name)
        if not isinstance(value, (int, float)) or isinstance(value, bool) or not 0 <= value <= 1:
            raise self._wrong(name, "a share from 0 to 1")

    def _check_one_of(self, name: str, known: Sequence[str]) -> None:
        if getattr(self, name) not in known:
            raise self._wrong(name, f"one of {', '.join(known)}")

    def _check_longer_than_zero(self, name: str) -> None:
        if self._ns(name) <= 0:
            raise self._wrong(name, "longer than zero")

    def _ns(self, name: str) -> int:
        try:
            return duration_ns(getattr(self, name))
        except ConfigError as error:
            raise ConfigError(f"{type(self).__name__}: {name}: {error}") from None

    def _check_times(self, *order: str) -> None:
        """Those of them that are given are not negative, and each is later than those before it."""
        given = [(name, self._ns(name)) for name in order if getattr(self, name) is not None]
        for (earlier, first), (later, second) in zip(given, given[1:]):
            if second <= first:
                raise self._wrong(later, f"later than {earlier} ({getattr(self, earlier)!r})")

    def _describe(self) -> dict[str, Any]:
        """Its parameters for the record; of nodes their number."""
        values = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "_"}
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int, float, bool)) or value is None:
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return len(value) if hasattr(value, "indices") else type(value).__name__


@dataclass(frozen=True)
class Sybil(Plan):
    """Many identities of one adversary, who connect to nodes, come into their meshes and drop what they should pass on.

    target       whom they connect to
    sybils       how many identities
    connections  different targets that each of them dials; None: all, but at most 100
    addresses    how many IP addresses they have; None: each its own. Those on one address sit behind one NAT with one
                 access link, and cannot be dialed. Simulated worlds only
    shared       they coordinate: they know each other, and one's knowledge is everybody's; False: each on its own
    within       they dial evenly over so long
    drop         share of the messages that each of them drops, from 0 to 1; the others are passed on at once
    topics       the topics that they take part in; None: all that their targets subscribe to
    regraft      a peer that pruned one is sent GRAFT again so long afterwards, and up to a quarter later
    """

    target: Nodes
    sybils: int
    _: KW_ONLY
    connections: int | None = None
    addresses: int | None = None
    shared: bool = True
    within: Duration = "1s"
    drop: float = 1.0
    topics: Sequence[str] | None = None
    regraft: Duration = "60s"

    def __post_init__(self) -> None:
        self._check_times("at", "until")
        self._check_count("sybils")
        if not hasattr(self.target, "indices") or len(self.target) == 0:
            raise self._wrong("target", "nodes of the world, at least one")
        if self.connections is not None:
            self._check_count("connections")
            if self.connections > len(self.target):
                raise self._wrong("connections", f"at most the number of targets, {len(self.target)}")
        if self.addresses is not None:
            self._check_count("addresses")
            if self.addresses > self.sybils:
                raise self._wrong("addresses", f"at most the number of sybils, {self.sybils}")
        if not isinstance(self.shared, bool):
            raise self._wrong("shared", "True or False")
        self._check_share("drop")
        self._ns("within")
        self._check_longer_than_zero("regraft")
        topics = self.topics
        if topics is not None and (isinstance(topics, str) or not all(isinstance(t, str) for t in topics)):
            raise self._wrong("topics", "a list of names, or None")

    def launch(self, world: World) -> Attack:
        return _Adversaries(world, self)

    def _connections(self) -> int:
        return self.connections if self.connections is not None else min(100, len(self.target))

    def _mischief(self) -> dict[str, Any]:
        return {"kind": "degrade", "drop": float(self.drop)}

    def _mesh(self) -> int:
        """Peers that each of them grafts in a topic; 0: all."""
        return 0

    def _joins(self) -> Duration | None:
        """When they connect and behave until it begins; None: when it begins."""
        return None

    def _config(self) -> dict[str, Any]:
        regraft = self._ns("regraft")
        return {
            "mischief": self._mischief(),
            "topics": list(self.topics) if self.topics is not None else [],
            "mesh": self._mesh(),
            "regraft_backoff_ns": regraft,
            "regraft_jitter_ns": regraft // 4,
            "seen_ttl_ns": 120 * 10**9,
            "shared": self.shared,
        }


@dataclass(frozen=True)
class Eclipse(Sybil):
    """Sybils surround their target, one node, all publishers or a whole network, and pass nothing on."""


class Attack:
    """An attack of a world, from its plan to its end. `World.attack` makes it.

    plan   what was asked for
    nodes  its adversaries; nobody where the network itself is attacked
    """

    def __init__(self, world: World, plan: Plan) -> None:
        self.plan = plan
        self.nodes: Nodes = world.nodes[:0]
        self._world = world
        self._number = len(world._attacks) + 1
        self._running = False

    @property
    def running(self) -> bool:
        """Whether it is going on."""
        return self._running

    def start(self) -> None:
        """Begins it now (before the run: at its start), if it is not going on."""
        self._world._perform(self._begin)

    def stop(self) -> None:
        """Ends it now: adversaries disconnect and stay away. `start()` brings them back."""
        self._world._perform(self._end)

    def _schedule(self) -> None:
        self._call_at("at", self._begin)
        self._call_at("until", self._end)

    def _call_at(self, name: str, action: Any) -> None:
        if getattr(self.plan, name) is not None:
            self._world._core.call_at(self.plan._ns(name), action)

    def _begin(self) -> None:
        if not self._running:
            self._running = True
            self._tell("begins")
            self._begin_it()

    def _end(self) -> None:
        if self._running:
            self._running = False
            self._tell("ends")
            self._end_it()

    def _tell(self, what: str) -> None:
        self._world._core.tell("attack", f"{self._number} {what}: {self.plan.name}")

    def _begin_it(self) -> None:
        raise NotImplementedError

    def _end_it(self) -> None:
        raise NotImplementedError

    def _describe(self) -> dict[str, Any]:
        """For the record's provenance; docs/record-schema.md."""
        first = int(self.nodes.indices[0]) if len(self.nodes) else 0
        return {
            "attack": self.plan.name,
            "first_node": first,
            "nodes": len(self.nodes),
            "addresses": 0,
            "parameters": self.plan._describe(),
        }


class _Adversaries(Attack):
    """One whose adversaries are nodes."""

    plan: Sybil

    def __init__(self, world: World, plan: Sybil) -> None:
        super().__init__(world, plan)
        what = type(plan).__name__
        if plan.target.world is not world:
            raise ConfigError(f"{what}: the target must be nodes of this world")
        if plan.addresses is not None and world.backend == "real":
            raise ConfigError(f"{what}: on real sockets all nodes have one address already")
        self._core = _core.Attack(world._core, plan.sybils, Node().to_config(), plan._config())
        self.nodes = world.nodes[self._core.first :]
        if plan.addresses is not None:
            for crowd in np.array_split(self.nodes.indices, plan.addresses):
                nat = Nat.linux(hosts=len(crowd), max_sessions=_MOST_SESSIONS)
                world._core.put_behind(nat.to_config(), crowd)
        self._present = False
        joins = plan._joins()
        if joins is not None:
            world._core.call_at(duration_ns(joins), self._join)
        self._schedule()

    def _join(self) -> None:
        if not self._present:
            self._present = True
            self._tell("joins")
            self._dial()

    def _begin_it(self) -> None:
        self._core.enter("attacking")
        if not self._present:
            self._present = True
            self._dial()

    def _end_it(self) -> None:
        self._present = False
        self._core.enter("over")

    def _dial(self) -> None:
        self._core.dial(self.plan.target.indices, self.plan._connections(), self.plan._ns("within"))

    def _describe(self) -> dict[str, Any]:
        addresses = self.plan.addresses if self.plan.addresses is not None else len(self.nodes)
        return {**super()._describe(), "addresses": addresses}
