"""Networks in rounds: the epidemic protocols without connections, latency or clocks, as papers simulate them.

Everybody acts once in a cycle and what is sent arrives at once. It takes a thousandth of what a World of as many nodes
does; the protocols' cores are the same (docs/epidemics.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from . import _core
from .epidemics import Cyclon, Plumtree, Rumors
from .errors import ConfigError

STARTS = ("chain", "star", "random", "join")


def _nodes(owner: str, nodes: int) -> int:
    if not isinstance(nodes, int) or not 2 <= nodes <= 10_000_000:
        raise ConfigError(f"{owner}: the number of nodes must be from 2 to 10,000,000, not {nodes!r}")
    return nodes


class RumorRuns(NamedTuple):
    """Runs of one rumor, an array each: by run."""

    residue: npt.NDArray[np.float64]  # share of the sites that never hear it
    traffic: npt.NDArray[np.float64]  # times that it is sent, over the number of sites
    mean_delay: npt.NDArray[np.float64]  # cycles until a site hears it, of those that do
    last_delay: npt.NDArray[np.float64]  # cycles until the last of them does


def spread_rumor(rumors: Rumors, *, sites: int = 1000, runs: int = 100, seed: int = 1) -> RumorRuns:
    """Plants a rumor at one of `sites` that can all call each other, `runs` times; raises ConfigError."""
    if not isinstance(runs, int) or runs < 1:
        raise ConfigError(f"spread_rumor: runs must be a whole number of at least 1, not {runs!r}")
    table = _core.spread_rumor(_nodes("spread_rumor", sites), rumors.to_config(), seed, runs).astype(float)
    heard, sent, delays, last = table.T
    return RumorRuns(1 - heard / sites, sent / sites, delays / heard, last)


class Graph(NamedTuple):
    """What papers measure of an overlay."""

    clustering: float  # mean over nodes of the share of links among their neighbors, without directions
    shortest_path: float  # mean hops between nodes
    reached: float  # share of the pairs of nodes that have a path


def measure_graph(
    nodes: int,
    links: npt.NDArray[np.uint32],
    *,
    directed: bool = False,
    sources: int | None = None,
    seed: int = 1,
) -> Graph:
    """Measures the graph of `links`, rows of two nodes; shortest paths from `sources` of them, drawn (None: all)."""
    return Graph(*_core.measure_graph(nodes, links, directed, 0 if sources is None else sources, seed))


class CyclonNetwork:
    """Cyclon in rounds: in every cycle each node shuffles once, in an order that stays, and exchanges are atomic.

    start  how the views begin: each knows the node before it ("chain"), all know the first ("star"), each knows as many
           as its view holds ("random"), or all join by the first, one after the other ("join")
    """

    def __init__(self, cyclon: Cyclon, *, nodes: int, start: str = "random", seed: int = 1) -> None:
        if start not in STARTS:
            raise ConfigError(f"CyclonNetwork: start must be one of {', '.join(STARTS)}, not {start!r}")
        self.nodes = _nodes("CyclonNetwork", nodes)
        if start == "random" and cyclon.view >= nodes:
            raise ConfigError(f"CyclonNetwork: views of {cyclon.view} need more than {nodes} nodes")
        self._core = _core.CyclonRounds(nodes, cyclon.to_config(), start, seed)

    def run(self, cycles: int) -> None:
        """Lets so many cycles pass."""
        self._core.run(cycles)

    @property
    def links(self) -> npt.NDArray[np.uint32]:
        """Who knows whom: rows of knower and known."""
        table: npt.NDArray[np.uint32] = self._core.links()
        return table

    @property
    def in_degrees(self) -> npt.NDArray[np.int64]:
        """How many know a node, by node."""
        return np.bincount(self.links[:, 1], minlength=self.nodes)


@dataclass(frozen=True)
class Broadcast:
    """What became of a message."""

    delivered: int  # nodes that have it in the end, its source included
    reliability: float  # their share of the nodes that run
    payload: int  # times that it arrived somewhere
    control: int  # IHAVE, GRAFT and PRUNE that arrived
    last_hop: int  # hops to the last who got it first


class PlumtreeNetwork:
    """Plumtree over HyParView in rounds: all join by the first node, one after the other, membership runs in cycles, and a
    broadcast runs until nothing is on its way. Who sends to a node that failed is told at once, as by TCP."""

    def __init__(self, plumtree: Plumtree, *, nodes: int, seed: int = 1) -> None:
        self.nodes = _nodes("PlumtreeNetwork", nodes)
        config = plumtree.to_config()
        self._core = _core.PlumtreeRounds(nodes, plumtree.membership.to_config(), config, seed)

    def run(self, cycles: int) -> None:
        """Lets so many cycles of membership pass."""
        self._core.run(cycles)

    def fail(self, count: int, *, noticed: bool = False) -> None:
        """Fails `count` of the nodes that run, drawn at random; raises ConfigError if none would be left.

        noticed  their neighbors mend their views before anything else happens, as when connections end with their process;
                 else each when it sends to them next
        """
        if not 0 <= count < self._core.alive:
            raise ConfigError(f"PlumtreeNetwork.fail: {count!r} of {self._core.alive} nodes cannot fail")
        self._core.fail(count, noticed)

    def draw(self) -> int:
        """A node that runs, drawn at random."""
        node: int = self._core.draw_alive()
        return node

    def broadcast(self, source: int | None = None) -> Broadcast:
        """Sends a message; `source` must run (None: one drawn at random)."""
        delivered, payload, control, hop = self._core.broadcast(self.draw() if source is None else source)
        return Broadcast(delivered, delivered / self._core.alive, payload, control, hop)

    @property
    def links(self) -> npt.NDArray[np.uint32]:
        """The active views of the nodes that run: rows of a node and its neighbor, each link from both ends."""
        table: npt.NDArray[np.uint32] = self._core.links()
        return table
