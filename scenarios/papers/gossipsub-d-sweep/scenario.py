"""What the mesh degree D buys in latency and costs in duplicates: see README.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import mesocosm as mc

DEGREES = (4, 8, 16, 32)
NODES, PUBLISHERS = 1000, 100
RATE = 10  # messages a second; links are never busy, so that it does not matter
MESSAGES = {"quick": 100, "full": 300}
SEEDS = {"quick": (1,), "full": (1, 2, 3)}
WARM_UP, LINGER = 30, 5  # s


def cases(size: str) -> dict[str, Any]:
    """Each degree, several times with other seeds; the highest degree sends the most."""
    return {
        f"D = {degree}, seed {seed}": dict(degree=degree, seed=seed, messages=MESSAGES[size])
        for degree in reversed(DEGREES)
        for seed in SEEDS[size]
    }


def run(case: Any) -> Any:
    """Percentiles of latency, duplicates a delivery, and the share delivered."""
    world = _world(case["degree"], case["seed"], case["messages"])
    record = world.run(WARM_UP + case["messages"] / RATE + LINGER, progress=False)
    latency = record.deliveries["latency"].to_numpy()
    return {
        "degree": case["degree"],
        "percentiles": [float(np.percentile(latency, q)) for q in range(101)],
        "duplicates": len(record.duplicates) / len(latency),
        "delivered": len(latency) / float(record.messages["expected"].sum()),
    }


def measure(results: dict[str, Any]) -> dict[str, float]:
    """Relative to D = 8, each a mean over the seeds."""
    p99 = {degree: _mean(results, degree, lambda result: result["percentiles"][99]) for degree in DEGREES}
    duplicates = {degree: _mean(results, degree, lambda result: result["duplicates"]) for degree in DEGREES}
    measured = {"delivered": 100 * min(result["delivered"] for result in results.values())}
    for degree in (4, 16, 32):
        measured[f"p99_{degree}"] = p99[degree] / p99[8]
        measured[f"duplicates_{degree}"] = duplicates[degree] / duplicates[8]
    return measured


def figures(results: dict[str, Any], published: dict[str, float]) -> Iterable[tuple[str, str, Figure]]:
    """Table 4 as curves, and the distributions behind it."""
    measured = measure(results)
    for name, title in (("p99", "99th percentile of latency"), ("duplicates", "duplicates")):
        picture = Figure()
        axes = picture.add_subplot()
        for label, values, style in (("published", published, "o--"), ("measured", measured, "s-")):
            axes.plot(DEGREES, [values[f"{name}_{d}"] if d != 8 else 1 for d in DEGREES], style, label=label)
        axes.set_xscale("log", base=2)
        axes.set_xticks(DEGREES, [str(degree) for degree in DEGREES])
        axes.set(xlabel="mesh degree D", ylabel=f"{title}, relative to D = 8")
        axes.set_ylim(bottom=0)
        axes.legend()
        yield f"Table 4: {title}", "Published beside measured.", picture
    picture = Figure()
    axes = picture.add_subplot()
    for degree in DEGREES:
        curve = np.mean([r["percentiles"] for r in results.values() if r["degree"] == degree], axis=0)
        axes.plot(1000 * curve, np.arange(101), label=f"D = {degree}")
    axes.set(xlabel="time from publication to delivery (ms)", ylabel="deliveries (%)")
    axes.legend()
    yield "Distribution of latencies", "Measured; the table has the 99th percentile alone.", picture


def _mean(results: dict[str, Any], degree: int, of: Any) -> float:
    return float(np.mean([of(result) for result in results.values() if result["degree"] == degree]))


def _world(degree: int, seed: int, messages: int) -> mc.World:
    internet = mc.internet.uniform("25ms", bandwidth="10Gbit", jitter="10%")
    world = mc.World(seed=seed, internet=internet, stack="collapsed", metrics_every=None)
    protocol = mc.GossipSub(
        D=degree,
        D_lo=degree * 3 // 4,
        D_hi=degree * 3 // 2,
        D_score=degree * 3 // 4,
        D_lazy=12,
        heartbeat="1s",
        flood_publish=True,
        signing="strict-no-sign",
    )
    peers = world.add(NODES, mc.Node(protocol))
    # Each dials 20 others, so that it has about 40.
    world.bootstrap(peers, mc.overlay.random(degree=40), within="2s")
    peers.subscribe("blocks")
    publishers = peers[:PUBLISHERS]
    left = iter(range(messages))

    def publish() -> None:
        if next(left, None) is not None:
            publishers.sample(1).publish("blocks", size="2KiB")

    world.every(1 / RATE, publish, start=WARM_UP)
    return world
