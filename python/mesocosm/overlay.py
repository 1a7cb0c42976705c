"""Who knows whom at the start: overlays give the edges that nodes dial."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from .errors import ConfigError

Edges = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.uint32]


class Draw(Protocol):
    """Draws edges from the world's seed: every node dials `dials` different others."""

    def __call__(self, nodes: Indices, dials: int) -> Edges:
        ...


Overlay = Callable[[Indices, Draw], Edges]
"""(node indices, the world's draw) -> array of shape (edges, 2): dialer, dialed."""


def random(degree: int = 20) -> Overlay:
    """Every node dials degree/2 others drawn uniformly, so that the mean degree is `degree` (an even number)."""
    if not isinstance(degree, int) or degree < 2 or degree % 2:
        raise ConfigError(f"overlay.random: degree must be an even number of at least 2, not {degree!r}")

    def edges(nodes: Indices, draw: Draw) -> Edges:
        if len(nodes) <= degree // 2:
            raise ConfigError(
                f"overlay.random: degree {degree} needs more than {degree // 2} nodes, not {len(nodes)}"
            )
        return draw(nodes, degree // 2)

    return edges


def ring() -> Overlay:
    """Every node dials the next."""

    def edges(nodes: Indices, draw: Draw) -> Edges:
        del draw
        return np.stack([nodes, np.roll(nodes, -1)], axis=1)[
            : len(nodes) if len(nodes) > 2 else len(nodes) - 1
        ]

    return edges


def full() -> Overlay:
    """Every pair is connected; the earlier node dials."""

    def edges(nodes: Indices, draw: Draw) -> Edges:
        del draw
        first, second = np.triu_indices(len(nodes), k=1)
        return np.stack([nodes[first], nodes[second]], axis=1)

    return edges


def star(hub: int = 0) -> Overlay:
    """Every node dials the group's node number `hub`."""

    def edges(nodes: Indices, draw: Draw) -> Edges:
        del draw
        if not 0 <= hub < len(nodes):
            raise ConfigError(f"overlay.star: hub {hub} is not among {len(nodes)} nodes")
        others = np.delete(nodes, hub)
        return np.stack([others, np.full_like(others, nodes[hub])], axis=1)

    return edges


def from_edges(pairs: Iterable[Sequence[int]]) -> Overlay:
    """Exactly these (dialer, dialed) pairs, as positions within the group."""
    table = np.asarray(list(pairs), dtype=np.int64)
    if table.ndim != 2 or table.shape[1] != 2:
        raise ConfigError("overlay.from_edges: expected pairs of node positions")

    def edges(nodes: Indices, draw: Draw) -> Edges:
        del draw
        wrong = table[((table < 0) | (table >= len(nodes))).any(axis=1) | (table[:, 0] == table[:, 1])]
        if len(wrong):
            raise ConfigError(
                f"overlay.from_edges: {tuple(wrong[0])} is not an edge among {len(nodes)} nodes"
            )
        return nodes[table]

    return edges
