"""GossipSub v1.0 as gerbil-simsub simulates it: see README.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import mesocosm as mc

NODES = {"quick": (1000, 250), "full": (1000, 250)}
SEEDS = {"quick": (1, 2, 3, 4), "full": tuple(range(1, 11))}
CONNECT, WARM_UP, MESSAGES, LINGER = 5, 10, 60, 10  # s; messages at one a second
BIN = 0.1  # s
BINS = 6


def cases(size: str) -> dict[str, Any]:
    """Each size of the network, several times with other seeds: the published runs are one draw of each."""
    return {
        f"{nodes} nodes, seed {seed}": dict(nodes=nodes, seed=seed)
        for nodes in NODES[size]
        for seed in SEEDS[size]
    }


def run(case: Any) -> Any:
    """The messages sent, by kind, and the histogram of latencies."""
    record = _world(case["nodes"], case["seed"]).run(CONNECT + WARM_UP + MESSAGES + LINGER, progress=False)
    parts = record.metrics("libp2p_gossipsub_rpc_parts_total")
    sent = parts[(parts["dir"] == "outbound") & (parts["time"] == parts["time"].max())]
    kinds = sent.groupby("kind")["value"].sum()
    latency = record.deliveries["latency"].to_numpy()
    counts = np.bincount(np.minimum((latency / BIN).astype(int), BINS - 1), minlength=BINS)
    return {
        "nodes": case["nodes"],
        "expected": int(record.messages["expected"].sum()),
        "sent": {kind: float(kinds.get(kind, 0)) for kind in ("message", "ihave", "iwant", "graft")},
        "bins": (100 * counts / counts.sum()).tolist(),
    }


def measure(results: dict[str, Any]) -> dict[str, float]:
    """Means over the seeds."""
    measured = {}
    for nodes in (250, 1000):
        same = [result for result in results.values() if result["nodes"] == nodes]
        for kind, name in (
            ("message", "payload"),
            ("ihave", "ihave"),
            ("iwant", "iwant"),
            ("graft", "graft"),
        ):
            measured[f"{name}_{nodes}"] = float(np.mean([result["sent"][kind] for result in same]))
    for i in range(4):
        measured[f"bin_{i}_1000"] = float(_bins(results)[i])
    return measured


def figures(results: dict[str, Any], published: dict[str, float]) -> Iterable[tuple[str, str, Figure]]:
    """The histogram that simsub prints, beside ours."""
    picture = Figure()
    axes = picture.add_subplot()
    places = np.arange(BINS)
    axes.bar(places - 0.2, [published.get(f"bin_{i}_1000", 0) for i in places], 0.4, label="published")
    axes.bar(places + 0.2, _bins(results), 0.4, label="measured")
    axes.set_xticks(places, [f"{i * 100}–{(i + 1) * 100}" if i < BINS - 1 else f"{i * 100}–" for i in places])
    axes.set(xlabel="time from publication to delivery (ms)", ylabel="deliveries (%)")
    axes.legend()
    yield "Delivery latency, 1,000 nodes", "The histogram that simsub prints at the end of a run.", picture


def _bins(results: dict[str, Any]) -> Any:
    return np.mean([result["bins"] for result in results.values() if result["nodes"] == 1000], axis=0)


def _world(nodes: int, seed: int) -> mc.World:
    # Rates that never delay a message: simsub has latencies alone.
    internet = mc.internet.uniform(("10ms", "150ms"), bandwidth="100Gbit", jitter="10%")
    world = mc.World(seed=seed, internet=internet, stack="collapsed", metrics_every="5s")
    protocol = mc.GossipSub(
        variant="v1.0",
        D=6,
        D_lo=4,
        D_hi=12,
        D_lazy=6,
        heartbeat="1s",
        heartbeat_delay=CONNECT + 1,
        history_length=120,
        history_gossip=3,
        signing="strict-no-sign",
    )
    peers = world.add(nodes, mc.Node(protocol))
    # Each dials 20 others, so that it has about 40.
    world.bootstrap(peers, mc.overlay.random(degree=40), within="2s")
    # Before anybody is connected, so that the heartbeats make the meshes, from all peers.
    peers.subscribe("topic")
    sources: list[mc.Nodes] = []

    def publish() -> None:
        if not sources:
            sources.append(peers.sample(5))
        if world.now < CONNECT + WARM_UP + MESSAGES - 0.5:
            sources[0].sample(1).publish("topic", size=100)

    world.every(1, publish, start=CONNECT + WARM_UP)
    return world
