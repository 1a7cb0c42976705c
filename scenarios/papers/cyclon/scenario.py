"""In-degrees in Cyclon's converged overlays: see README.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mesocosm import Cyclon, rounds

NODES = 100_000
SHUFFLE = 5
CYCLES = {20: 45, 50: 120}
VIEWS = {"quick": (20,), "full": (50, 20)}


def cases(size: str) -> dict[str, Any]:
    """Each protocol with each view."""
    return {
        f"{kind}, view {view}": dict(kind=kind, view=view)
        for view in VIEWS[size]
        for kind in ("enhanced", "basic")
    }


def run(case: Any) -> Any:
    """How many nodes have which in-degree; of a small view's overlay the clustering, too."""
    cyclon = Cyclon(view=case["view"], shuffle=SHUFFLE, oldest=case["kind"] == "enhanced")
    network = rounds.CyclonNetwork(cyclon, nodes=NODES, seed=1)
    network.run(CYCLES[case["view"]])
    result = dict(case, histogram=np.bincount(network.in_degrees).tolist())
    if case == {"kind": "enhanced", "view": 20}:
        graph = rounds.measure_graph(NODES, network.links, sources=1)
        result["clustering"] = graph.clustering
    return result


def measure(results: dict[str, Any]) -> dict[str, float]:
    """The shares of nodes whose in-degree is within 5 % of the view's size."""
    measured = {}
    for result in results.values():
        view, counts = result["view"], np.array(result["histogram"])
        degrees = np.arange(len(counts))
        inside = np.abs(degrees - view) <= 0.05 * view
        measured[f"{result['kind']}_{view}"] = float(100 * counts[inside].sum() / counts.sum())
        if "clustering" in result:
            measured["clustering_20"] = result["clustering"]
    return measured


def figures(results: dict[str, Any], published: dict[str, float]) -> Iterable[tuple[str, str, Figure]]:
    """Figure 4."""
    for view in sorted({result["view"] for result in results.values()}):
        picture = Figure()
        axes = picture.add_subplot()
        for result in results.values():
            if result["view"] == view:
                axes.plot(result["histogram"], label=f"{result['kind']} shuffling")
        axes.set(xlabel="in-degree", ylabel="nodes", xlim=(0, 2 * view))
        axes.legend()
        yield (
            f"In-degrees, view {view}",
            f"Figure 4, redrawn from our overlays. Published within 5 % of {view}: "
            f"{published[f'enhanced_{view}']} % with enhanced, {published[f'basic_{view}']} % with basic shuffling.",
            picture,
        )
