"""HyParView's overlay, its failures, and Plumtree's tree in it: see README.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mesocosm import Cyclon, HyParView, Plumtree, rounds

NODES = 10_000
STABLE = 50  # cycles of membership before anything is measured
LINKS = 500  # nodes from which shortest paths are measured
FAILURES = {"quick": (80,), "full": (10, 20, 30, 40, 50, 60, 70, 80, 90, 95)}
JUDGED = (10, 50, 80, 95)
MESSAGES = {"quick": 100, "full": 1000}  # after failures
CYCLES = {"quick": 10, "full": 100}  # of broadcasts on a stable overlay; the last is measured
TREES: dict[str, dict[str, Any]] = {
    "single": dict(many=False, threshold=None),
    "many": dict(many=True, threshold=None),
    "single_optimized": dict(many=False, threshold=3),
    "many_optimized": dict(many=True, threshold=7),
}


def cases(size: str) -> dict[str, Any]:
    """The overlay, the failures and the trees."""
    trees = TREES if size == "full" else {"single": TREES["single"]}
    return {
        **{
            f"tree, {name}": dict(kind="tree", name=name, cycles=CYCLES[size], **tree)
            for name, tree in trees.items()
        },
        **{
            f"{share} % failed": dict(kind="failures", share=share, messages=MESSAGES[size])
            for share in FAILURES[size]
        },
        "overlay": dict(kind="overlay"),
        "Cyclon": dict(kind="cyclon"),
    }


def run(case: Any) -> Any:
    """One network's measures."""
    if case["kind"] == "cyclon":
        return {**case, **_cyclon()}
    if case["kind"] == "tree":
        return {**case, **_tree(case)}
    network = _stable(Plumtree(eager_only=True))
    if case["kind"] == "overlay":
        graph = rounds.measure_graph(NODES, network.links, sources=LINKS)
        sent = [network.broadcast() for _ in range(20)]
        return {
            **case,
            "clustering": graph.clustering,
            "shortest_path": graph.shortest_path,
            "max_hops": float(np.mean([one.last_hop for one in sent])),
            "eager_payload": float(np.mean([one.payload for one in sent])),
        }
    network.fail(NODES * case["share"] // 100, noticed=True)
    reached = [100 * network.broadcast().reliability for _ in range(case["messages"])]
    return {**case, "reliability": float(np.mean(reached))}


def measure(results: dict[str, Any]) -> dict[str, float]:
    """By the names in published.toml."""
    measured: dict[str, float] = {}
    for result in results.values():
        if result["kind"] == "overlay":
            measured |= {
                name: result[name] for name in ("clustering", "shortest_path", "max_hops", "eager_payload")
            }
        elif result["kind"] == "cyclon":
            measured |= {name: result[name] for name in ("cyclon_clustering", "cyclon_path")}
        elif result["kind"] == "failures" and result["share"] in JUDGED:
            measured[f"reliability_{result['share']}"] = result["reliability"]
        elif result["kind"] == "tree":
            measured[f"{result['name']}_control"] = float(result["control"][-1])
            if result["name"] != "single_optimized":
                measured[f"{result['name']}_payload"] = float(result["payload"][-1])
    return measured


def figures(results: dict[str, Any], published: dict[str, float]) -> Iterable[tuple[str, str, Figure]]:
    """HyParView's Figure 2, and Plumtree's 2 (b) and (c)."""
    failed = sorted((r["share"], r["reliability"]) for r in results.values() if r["kind"] == "failures")
    picture = Figure()
    axes = picture.add_subplot()
    axes.plot(*zip(*failed), "o-", label="HyParView")
    axes.set(xlabel="nodes failed (%)", ylabel="reliability (%)", ylim=(0, 105))
    axes.legend()
    yield "Reliability after failures", "HyParView, Figure 2: its HyParView line, redrawn from our runs.", picture
    for name, label in (
        ("redundancy", "relative message redundancy"),
        ("last_hop", "hops to the last delivery"),
    ):
        picture = Figure()
        axes = picture.add_subplot()
        for result in results.values():
            if result["kind"] != "tree":
                continue
            line = result["last_hop"]
            if name == "redundancy":
                line = [sent / (NODES - 1) - 1 for sent in result["payload"][:10]]
            axes.plot(np.arange(1, len(line) + 1), line, label=result["name"].replace("_", ", "))
        axes.set(xlabel="broadcast", ylabel=label)
        axes.legend()
        yield label.capitalize(), "Plumtree, Figure 2, redrawn from our runs.", picture


def _stable(plumtree: Plumtree) -> rounds.PlumtreeNetwork:
    network = rounds.PlumtreeNetwork(plumtree, nodes=NODES, seed=1)
    network.run(STABLE)
    return network


def _tree(case: Any) -> dict[str, list[int]]:
    network = _stable(Plumtree(membership=HyParView(), threshold=case["threshold"]))
    source = network.draw()
    sent = []
    for _ in range(case["cycles"]):
        sent.append(network.broadcast(None if case["many"] else source))
        network.run(1)
    return {
        "payload": [one.payload for one in sent],
        "control": [one.control for one in sent],
        "last_hop": [one.last_hop for one in sent],
    }


def _cyclon() -> dict[str, float]:
    network = rounds.CyclonNetwork(Cyclon(view=35, shuffle=14, walk=5), nodes=NODES, start="join", seed=1)
    network.run(STABLE)
    graph = rounds.measure_graph(NODES, network.links, sources=LINKS)
    return {"cyclon_clustering": graph.clustering, "cyclon_path": graph.shortest_path}
