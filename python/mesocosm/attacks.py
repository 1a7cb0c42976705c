"""Attacks: `world.attack(attacks.Eclipse(target=nodes[0], sybils=400, at="60s"))`. Plans are plain values, checked when
they are made and when they meet a world; docs/attacks.md says what each one does.

Adversaries are nodes of the world that speak GossipSub's wire protocol. They subscribe to what their targets subscribe
to, graft them, and from then on do what their plan says. What they cost is in the record: `Run.attacks`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from . import _core
from .errors import ConfigError
from .nat import Nat
from .node import Node
from .units import Duration, Size, duration_ns, size_bytes

if TYPE_CHECKING:
    from .overlay import Overlay
    from .world import Fault, Nodes, World

EFFECTS = ("blackhole", "refuse")
INVALID_KINDS = ("signature", "unsigned", "application")
_MOST_NODES = 10**6
_MOST_PAYLOAD = 10 * 2**20
_LEAST_TRAP = 32  # bytes of a payload that applications are to know
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
class Adversaries(Plan):
    """What all attacks by nodes have: identities of one adversary, who connect to nodes and come into their meshes.

    target       whom they connect to
    sybils       how many identities
    connections  different targets that each of them dials; None: all, but at most 100 (20 where the report had 20)
    addresses    how many IP addresses they have; None: each its own. Those on one address sit behind one NAT with one
                 access link, and cannot be dialed. Simulated worlds only
    shared       they coordinate: they know each other, and one's knowledge is everybody's; False: each on its own
    within       they dial evenly over so long
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
    topics: Sequence[str] | None = None
    regraft: Duration = "60s"

    _most_connections: ClassVar[int] = 100

    def __post_init__(self) -> None:
        self._check_times(*self._moments())
        self._check_count("sybils", _MOST_NODES)
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
        self._ns("within")
        self._check_longer_than_zero("regraft")
        topics = self.topics
        if topics is not None and (isinstance(topics, str) or not all(isinstance(t, str) for t in topics)):
            raise self._wrong("topics", "a list of names, or None")

    def launch(self, world: World) -> Attack:
        return _Adversaries(world, self)

    def _moments(self) -> tuple[str, ...]:
        """Its times, in the order in which they have to be."""
        return ("at", "until")

    def _mischief(self) -> dict[str, Any]:
        """What they do, for the core."""
        return {"kind": "degrade", "drop": 1.0}

    def _mesh(self) -> int:
        """Peers that each of them grafts in a topic; 0: all."""
        return 0

    def _connections(self) -> int:
        most = min(self._most_connections, len(self.target))
        return self.connections if self.connections is not None else most

    def _check_world(self, world: World) -> None:
        """Raises ConfigError if the plan does not fit the world."""
        what = type(self).__name__
        if self.target.world is not world:
            raise ConfigError(f"{what}: the target must be nodes of this world")
        if self.addresses is not None and world.backend == "real":
            raise ConfigError(f"{what}: on real sockets all nodes have one address already")

    def _script(self, world: World, attack: _Adversaries) -> None:
        """What happens at times of its own."""

    def _config(self) -> dict[str, Any]:
        regraft = self._ns("regraft")
        return {
            "targets": self.target.indices,
            "mischief": self._mischief(),
            "topics": list(self.topics) if self.topics is not None else [],
            "mesh": self._mesh(),
            "regraft_backoff_ns": regraft,
            "regraft_jitter_ns": regraft // 4,
            "seen_ttl_ns": 120 * 10**9,
            "shared": self.shared,
        }


@dataclass(frozen=True)
class Sybil(Adversaries):
    """Many identities who drop a share of what they should pass on. Beside what all `Adversaries` have:

    drop  share of the messages that each of them drops, from 0 to 1; the others are passed on at once
    """

    _: KW_ONLY
    drop: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_share("drop")

    def _mischief(self) -> dict[str, Any]:
        return {"kind": "degrade", "drop": float(self.drop)}


@dataclass(frozen=True)
class Eclipse(Adversaries):
    """Sybils surround their target, one node, all publishers or a whole network, and pass nothing on."""


@dataclass(frozen=True)
class Degrade(Sybil):
    """Sybils drop a share of the messages, few enough to look like bad links."""

    _: KW_ONLY
    drop: float = 0.5


@dataclass(frozen=True)
class Censor(Adversaries):
    """Sybils pass on everything but what some nodes publish. Messages have to be signed: others have no author.

    authors  whose messages are dropped
    """

    _: KW_ONLY
    authors: Nodes

    def __post_init__(self) -> None:
        super().__post_init__()
        if not hasattr(self.authors, "indices") or len(self.authors) == 0:
            raise self._wrong("authors", "nodes of the world, at least one")

    def _check_world(self, world: World) -> None:
        super()._check_world(world)
        if self.authors.world is not world:
            raise ConfigError("Censor: the authors must be nodes of this world")

    def _mischief(self) -> dict[str, Any]:
        return {"kind": "censor", "authors": self.authors.indices}


@dataclass(frozen=True)
class ColdBoot(Sybil):
    """Sybils join while the network does, so that it never had a mesh of its own."""

    _most_connections: ClassVar[int] = 20


@dataclass(frozen=True)
class CovertFlash(Sybil):
    """Sybils join and behave until they are trusted, and defect together at `at`.

    joins  when they connect
    """

    _: KW_ONLY
    joins: Duration = "0s"
    at: Duration | None = "2min"

    _most_connections: ClassVar[int] = 20

    def _moments(self) -> tuple[str, ...]:
        return ("joins", "at", "until")

    def _script(self, world: World, attack: _Adversaries) -> None:
        world._core.call_at(self._ns("joins"), attack._join)


@dataclass(frozen=True)
class Dawn(Sybil):
    """Sybils wait for the nodes of a network, which wake later and meet them before each other.

    overlay  along which the targets connect to each other at `dawn`, and not before: do not bootstrap them
    dawn     when they do
    """

    _: KW_ONLY
    overlay: Overlay
    dawn: Duration = "10s"

    _most_connections: ClassVar[int] = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if not callable(self.overlay):
            raise self._wrong("overlay", "an overlay such as mesocosm.overlay.random(20)")

    def _moments(self) -> tuple[str, ...]:
        return ("at", "dawn", "until")

    def _script(self, world: World, attack: _Adversaries) -> None:
        edges = self.overlay(self.target.indices, world._core.random_overlay)
        world._core.call_at(self._ns("dawn"), lambda: world._core.bootstrap(edges, 10**9, 0))


@dataclass(frozen=True)
class FreeRide(Adversaries):
    """Nodes take part as everybody does, and pass nothing on, to save their bandwidth.

    mesh  peers that each of them grafts in a topic
    """

    _: KW_ONLY
    mesh: int = 8

    _most_connections: ClassVar[int] = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_count("mesh")

    def _mesh(self) -> int:
        return self.mesh


@dataclass(frozen=True)
class _Flood(Adversaries):
    """Adversaries that send something again and again."""

    _: KW_ONLY
    every: Duration = "1s"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_longer_than_zero("every")

    def _payload(self, least: int = 0) -> int:
        """The bytes that `size` stands for."""
        size = getattr(self, "size")
        try:
            payload = size_bytes(size)
        except ConfigError as error:
            raise ConfigError(f"{type(self).__name__}: size: {error}") from None
        if payload > _MOST_PAYLOAD:
            raise self._wrong("size", "at most 10MiB")
        if payload < least:
            raise self._wrong("size", f"at least {least} bytes")
        return payload

    def _flood(self, kind: str, rate: str, **more: Any) -> dict[str, Any]:
        return {"kind": kind, "rate": getattr(self, rate), "beat_ns": self._ns("every"), **more}


@dataclass(frozen=True)
class IHaveSpam(_Flood):
    """Nodes tell of messages that do not exist, so that others ask for them in vain.

    ids    of made-up messages that each peer hears of in each topic, each time
    every  how often
    """

    _: KW_ONLY
    ids: int = 5000

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_count("ids", 10**6)

    def _mischief(self) -> dict[str, Any]:
        return self._flood("ihave spam", "ids")


@dataclass(frozen=True)
class IWantSpam(_Flood):
    """Nodes ask for messages that they have, so that others send them again.

    ids    of the newest messages, which each peer is asked for each time
    every  how often
    """

    _: KW_ONLY
    ids: int = 100

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_count("ids", 10**5)

    def _mischief(self) -> dict[str, Any]:
        return self._flood("iwant spam", "ids")


@dataclass(frozen=True)
class GraftFlood(_Flood):
    """Nodes send GRAFT to everybody all the time, whatever backoff they were told of, and pass nothing on.

    grafts  that each peer gets for each topic, each time
    every   how often
    """

    _: KW_ONLY
    grafts: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_count("grafts", 10**4)

    def _mischief(self) -> dict[str, Any]:
        return self._flood("graft flood", "grafts")


@dataclass(frozen=True)
class InvalidFlood(_Flood):
    """Nodes send messages that everybody refuses once he has looked at them.

    messages  that each peer gets in each topic, each time
    size      bytes of payload
    kind      "signature": signed with noise, which takes a verification to find out; "unsigned": not signed at all;
              "application": in order but for what they say, so that every honest node's application rejects them when
              it has validated them, whatever validator it has (P4; docs/validation.md)
    every     how often
    """

    _: KW_ONLY
    messages: int = 10
    size: Size = 1024
    kind: str = "signature"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_count("messages", 10**4)
        self._check_one_of("kind", INVALID_KINDS)
        self._payload(_LEAST_TRAP if self.kind == "application" else 0)

    def _mischief(self) -> dict[str, Any]:
        return self._flood("invalid flood", "messages", size=self._payload(), invalidity=self.kind)


@dataclass(frozen=True)
class SlowValidation(_Flood):
    """Nodes make validation slow: they write messages that are valid and that everybody's application validates for long.

    work      for how long a processor of every honest node works on each of these messages, whatever validator it has
              (GossipSub's `validation_workers`, `topic_validation_queue`; docs/validation.md)
    messages  that each peer gets in each topic, each time; 0: they write none
    size      bytes of payload
    every     how often
    delay     they hold what others wrote for so long before they pass it on, as if they had to validate it
    """

    _: KW_ONLY
    work: Duration = "500ms"
    messages: int = 1
    size: Size = 1024
    delay: Duration = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_longer_than_zero("work")
        if self.messages != 0 or isinstance(self.messages, bool):
            self._check_count("messages", 10**4)
        elif self._ns("delay") == 0:
            raise ConfigError("SlowValidation: without messages and without delay it does nothing")
        self._payload(_LEAST_TRAP)
        self._ns("delay")

    def _mischief(self) -> dict[str, Any]:
        return self._flood(
            "slow validation",
            "messages",
            size=self._payload(),
            work_ns=self._ns("work"),
            delay_ns=self._ns("delay"),
        )


@dataclass(frozen=True)
class Partition(Plan):
    """An adversary in the network itself cuts every path from one group of nodes to another, as `World.partition` does.

    groups  nodes that are in none make one more group
    effect  "blackhole" or "refuse"
    """

    groups: Sequence[Nodes]
    _: KW_ONLY
    effect: str = "blackhole"

    def __post_init__(self) -> None:
        self._check_times("at", "until")
        self._check_one_of("effect", EFFECTS)
        if not isinstance(self.groups, Sequence) or len(self.groups) == 0:
            raise self._wrong("groups", "a list of groups of nodes, at least one")

    def launch(self, world: World) -> Attack:
        return _Partition(world, self)


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

    plan: Adversaries

    def __init__(self, world: World, plan: Adversaries) -> None:
        super().__init__(world, plan)
        plan._check_world(world)
        self._core = _core.Attack(world._core, plan.sybils, Node().to_config(), plan._config())
        self.nodes = world.nodes[self._core.first :]
        if plan.addresses is not None:
            for crowd in np.array_split(self.nodes.indices, plan.addresses):
                nat = Nat.linux(hosts=len(crowd), max_sessions=_MOST_SESSIONS)
                world._core.put_behind(nat.to_config(), crowd)
        self._present = False
        plan._script(world, self)
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


class _Partition(Attack):
    """One of the paths between nodes, which are nobody's node."""

    plan: Partition

    def __init__(self, world: World, plan: Partition) -> None:
        super().__init__(world, plan)
        if world.backend == "real":
            raise ConfigError("Partition: only simulated paths can be cut")
        world._apart("Partition", plan.groups)
        self._fault: Fault | None = None
        self._schedule()

    def _begin_it(self) -> None:
        self._fault = self._world.partition(self.plan.groups, effect=self.plan.effect)

    def _end_it(self) -> None:
        assert self._fault is not None
        self._fault.heal()
