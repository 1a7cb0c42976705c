"""Variants of GossipSub: those that are known by name, and those that are written here, in Python.

```python
class Steady(mc.Variant):
    def choose_mesh(self, view):
        missing = max(0, view.params.D - len(view.mesh()))
        return view.rng.sample(view.candidates(), missing), []  # graft, prune

world.add(1000, mc.GossipSub(variant=Steady))
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

import pandas as pd

from . import _core
from .errors import ConfigError

T = TypeVar("T")

Peer = int
"""A peer of a node: a number that is good until the peer leaves (`on_peer_removed`), and may then be given again."""


def variants() -> pd.DataFrame:
    """The variants of GossipSub that `GossipSub(variant=...)` knows by name, those in Python last: a row a name.

    summary   what it is, in a sentence
    draft     of which day the draft is that it follows; "": it follows no draft
    settings  the numbers that it can be given, with their standards
    """
    rows = [
        {"name": name, "summary": summary, "draft": draft, "settings": {o[0]: o[1] for o in options}}
        for name, summary, draft, options in _core.variants()
    ]
    for name, written in _written.items():
        summary = (written.__doc__ or "").strip().partition("\n")[0]
        rows.append({"name": name, "summary": summary, "draft": "", "settings": {}})
    return pd.DataFrame(rows).set_index("name")


class Params(Protocol):
    """The node's parameters; see `GossipSub`. Times in seconds."""

    D: int
    D_lo: int
    D_hi: int
    D_score: int
    D_out: int
    D_lazy: int
    gossip_factor: float
    flood_publish: bool
    opportunistic_graft_ticks: int
    opportunistic_graft_peers: int
    opportunistic_graft_threshold: float
    heartbeat: float
    prune_backoff: float


class Draws(Protocol):
    """The node's generator. It repeats with the World's seed, which Python's `random` does not: use it alone."""

    def random(self) -> float:
        """Evenly from [0, 1)."""

    def below(self, bound: int) -> int:
        """Evenly from 0 to bound - 1."""

    def sample(self, items: Sequence[T], count: int) -> list[T]:
        """`count` of the items, or all if there are not more."""

    def shuffle(self, items: list[object]) -> None:
        """Puts a list into random order."""


class Message(Protocol):
    """A message on its way to others: its id, the number that hooks call it by, its payload's bytes, and who handed it
    to us (None: we publish it)."""

    id: bytes
    hash: int
    size: int
    sender: Peer | None


class View(Protocol):
    """What a hook sees of its node, and what it may do. Good during the hook only; ValueError later, and for peers that
    are gone. Times in seconds since the start."""

    now: float
    heartbeats: int  # this one included
    params: Params
    rng: Draws
    topic: str | None  # the hook's; None for hooks that are about no topic
    topics: list[str]  # that the node subscribes to
    peers: list[Peer]

    def mesh(self, topic: str | None = None) -> list[Peer]:
        """The mesh of a topic (None: the hook's)."""

    def members(self, topic: str | None = None) -> list[Peer]:
        """The peers that subscribe to it."""

    def candidates(self, topic: str | None = None) -> list[Peer]:
        """Those of them that may be grafted: not in the mesh, not backing off, no score below zero."""

    def score(self, peer: Peer) -> float:
        """What the peer is worth, as `Variant.score` says."""

    def outbound(self, peer: Peer) -> bool:
        """Whether we dialed it."""

    def direct(self, peer: Peer) -> bool:
        """Whether there is an explicit peering agreement with it."""

    def peer_id(self, peer: Peer) -> str:
        """Its libp2p peer id."""

    def send(self, peer: Peer, field: int, body: bytes) -> None:
        """Sends a control message of the variant's own: `field` is its number in ControlMessage, 6 to 2047."""

    def send_ihave(self, peer: Peer, id: bytes, topic: str | None = None) -> None:
        """Tells of one message at once."""

    def send_iwant(self, peer: Peer, id: bytes) -> None:
        """Asks for one message at once."""

    def send_message(self, peer: Peer, id: bytes) -> bool:
        """Sends a message that we have; False: it is not kept any more."""

    def wake_at(self, when: float) -> None:
        """Calls `Variant.on_wake`, once: at the earliest time that was asked for."""

    # What the base does: `Variant` calls these.
    def _score(self, peer: Peer) -> float:
        ...

    def _choose_mesh(self) -> tuple[list[Peer], list[Peer]]:
        ...

    def _choose_gossip(self, peers: list[Peer]) -> list[Peer]:
        ...

    def _choose_push(self, message: Message, peers: list[Peer]) -> list[Peer]:
        ...

    def _wants(self, peer: Peer, id: bytes) -> bool:
        ...


class Variant:
    """A variant of GossipSub in Python: override the hooks that are to be different.

    Each node has an instance of its own, so that `self` may hold what the node remembers: `GossipSub(variant=Mine)`
    calls the class for each, `GossipSub(variant=Mine(k=3))` gives each a deep copy; by its class's name it is known like
    the others, `GossipSub(variant="Mine", settings={"k": 3})`. Hooks run inside the simulation, on
    every backend. Those that are not overridden stay in C++ and cost nothing; `super()` is what is replaced. What a hook
    raises ends the run. Hooks must draw from `view.rng` and iterate nothing that has no order, or runs do not repeat.

    base  the name of the variant that does the rest; None: the specification
    """

    base: ClassVar[str | None] = None

    def __init_subclass__(cls) -> None:
        _written[cls.__name__] = cls

    # --- choices

    def score(self, view: View, peer: Peer) -> float:
        """What the peer is worth: below zero it is kept out of meshes, and see PeerScore's thresholds."""
        return view._score(peer)

    def choose_mesh(self, view: View) -> tuple[list[Peer], list[Peer]]:
        """A heartbeat's change to the mesh of `view.topic`: whom to graft and whom to prune."""
        return view._choose_mesh()

    def choose_gossip(self, view: View, peers: list[Peer]) -> list[Peer]:
        """Which of the peers to send IHAVE."""
        return view._choose_gossip(peers)

    def choose_push(self, view: View, peers: list[Peer], message: Message) -> list[Peer]:
        """To which of the peers a message is sent at once, in which order; others can be told by `view.send_ihave`."""
        return view._choose_push(message, peers)

    def wants(self, view: View, peer: Peer, id: bytes) -> bool:
        """Whether to ask for a message that the peer has by IHAVE, and that we have not seen."""
        return view._wants(peer, id)

    # --- what happens

    def on_rpc(self, view: View, peer: Peer, parts: list[tuple[str, bytes]]) -> bool | None:
        """Before anything of an RPC is looked at; False: it is ignored. Parts are (kind, encoded body), with the kinds
        "subscription", "message", "ihave", "iwant", "graft", "prune" and "other"."""

    def on_control(self, view: View, peer: Peer, field: int, body: bytes) -> bool | None:
        """A control message that is not GossipSub's (`view.send`); False: the peer breaks the protocol."""

    def on_heartbeat(self, view: View) -> None:
        """A heartbeat begins."""

    def on_wake(self, view: View) -> None:
        """The time that `view.wake_at` asked for has come."""

    def on_peer_added(self, view: View, peer: Peer) -> None:
        """A peer that speaks pubsub has come."""

    def on_peer_removed(self, view: View, peer: Peer) -> None:
        """It goes."""

    def on_grafted(self, view: View, peer: Peer) -> None:
        """It is in the mesh of `view.topic` now."""

    def on_pruned(self, view: View, peer: Peer) -> None:
        """It was, and is no longer."""

    def on_delivered(self, view: View, peer: Peer, message: int) -> None:
        """It was the first to hand us a message (`Message.hash`)."""

    def on_duplicate(self, view: View, peer: Peer, message: int) -> None:
        """It handed us a message that we had seen."""

    def on_rejected(self, view: View, peer: Peer, why: str) -> None:
        """It handed us a message that is not valid."""

    def on_penalty(self, view: View, peer: Peer, count: int) -> None:
        """It sent GRAFT while backing off: one penalty, two if at once. With v1.4: a message that it promised is late."""


_written: dict[str, type[Variant]] = {}


def find(
    variant: str | type[Variant] | Variant, settings: Mapping[str, float]
) -> type[Variant] | Variant | None:
    """The variant in Python that is meant, with its settings; None if it is one of C++ by its name."""
    if isinstance(variant, str):
        if variant not in _written:
            return None
        if variant in (row[0] for row in _core.variants()):
            raise ConfigError(f"GossipSub: there are two variants {variant}, one in C++ and one in Python")
        variant = _written[variant]
    if isinstance(variant, type) and issubclass(variant, Variant):
        return variant(**settings) if settings else variant
    if not isinstance(variant, Variant):
        raise ConfigError(f"GossipSub: variant must be a name or a mesocosm.Variant, not {variant!r}")
    if settings:
        raise ConfigError(
            f"GossipSub: {type(variant).__name__} is an instance already, and takes no settings"
        )
    return variant


def variant_name(variant: str | type[Variant] | Variant) -> str:
    """What tables call it."""
    if isinstance(variant, str):
        return variant
    return variant.__name__ if isinstance(variant, type) else type(variant).__name__
