"""What IDONTWANT saves when messages are large: see README.md."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import mesocosm as mc

NODES = {"quick": 200, "full": 2000}
SIZES = {500: "500kB", 1000: "1MB"}
HEARTBEATS = (700, 1000, 1500)  # ms
VERSIONS = ("1.1", "1.2")  # without and with IDONTWANT
DIALS = 8  # of each node
STAGES = 5  # kinds of hosts: bandwidth from 50 to 150 Mbit/s
CONNECT, WARM_UPS, MESSAGES, APART, LINGER = 25, 2, 10, 4, 10  # s


def cases(size: str) -> dict[str, Any]:
    """Each size of message at each heartbeat, without and with; the largest first."""
    return {
        f"{kilobytes} kB, {heartbeat} ms, v{version}": dict(
            nodes=NODES[size], kilobytes=kilobytes, heartbeat=heartbeat, version=version
        )
        for kilobytes in sorted(SIZES, reverse=True)
        for heartbeat in HEARTBEATS
        for version in VERSIONS
    }


def run(case: Any) -> Any:
    """All bytes that were sent, and how long each message took to reach the last node."""
    world = _world(**case)
    record = world.run(CONNECT + 5 * WARM_UPS + 10 + APART * MESSAGES + LINGER, progress=False)
    counted = record.deliveries[record.deliveries["message"] >= WARM_UPS]
    last = counted.groupby("message")["latency"].max()
    summary = record.summary()
    return {
        **case,
        "sent": summary.sent_per_node * case["nodes"],
        "latency": float(last.mean()),
        "delivered": summary.delivered / summary.expected,
        "duplicates": summary.duplicates_per_delivery,
    }


def measure(results: dict[str, Any]) -> dict[str, float]:
    """The drop of bandwidth at each size of message, and the ratio of dissemination times."""
    measured = {"delivered": 100 * min(result["delivered"] for result in results.values())}
    for kilobytes in SIZES:
        drops = [_drop(results, kilobytes, heartbeat) for heartbeat in HEARTBEATS]
        measured[f"drop_{kilobytes}"] = float(np.mean(drops))
        measured[f"rise_{kilobytes}"] = drops[-1] - drops[0]
        copies = [_copies(_find(results, kilobytes, heartbeat, "1.1")) for heartbeat in HEARTBEATS]
        measured[f"copies_{kilobytes}"] = float(np.mean(copies))
        times = [
            _find(results, kilobytes, heartbeat, "1.2")["latency"]
            / _find(results, kilobytes, heartbeat, "1.1")["latency"]
            for heartbeat in HEARTBEATS
        ]
        measured[f"latency_{kilobytes}"] = float(np.mean(times))
    return measured


def figures(results: dict[str, Any], published: dict[str, float]) -> Iterable[tuple[str, str, Figure]]:
    """The post's bars: bandwidth and dissemination time at each heartbeat."""
    del published
    for what, label, scale in (
        ("sent", "sent by all (GB)", 1e9),
        ("latency", "time to the last node (s)", 1),
    ):
        for kilobytes in SIZES:
            picture = Figure()
            axes = picture.add_subplot()
            for i, version in enumerate(VERSIONS):
                values = [_find(results, kilobytes, h, version)[what] / scale for h in HEARTBEATS]
                name = "with IDONTWANT" if version == "1.2" else "without"
                axes.bar(np.arange(3) + 0.4 * i - 0.2, values, 0.4, label=name)
            axes.set_xticks(range(3), [f"{heartbeat} ms" for heartbeat in HEARTBEATS])
            axes.set(xlabel="heartbeat", ylabel=label)
            axes.legend(loc="lower right")
            yield f"{kilobytes} kB: {label}", "Measured; the post's figures are bars without numbers.", picture


def _find(results: dict[str, Any], kilobytes: int, heartbeat: int, version: str) -> Any:
    wanted = (kilobytes, heartbeat, version)
    return next(r for r in results.values() if (r["kilobytes"], r["heartbeat"], r["version"]) == wanted)


def _drop(results: dict[str, Any], kilobytes: int, heartbeat: int) -> float:
    """In per cent."""
    without, with_it = (_find(results, kilobytes, heartbeat, version)["sent"] for version in VERSIONS)
    return 100 * (1 - with_it / without)


def _copies(result: Any) -> float:
    """Bytes sent for each byte of each message and node."""
    return result["sent"] / (result["nodes"] * (WARM_UPS + MESSAGES) * 1e3 * result["kilobytes"])


def _dials(nodes: Any, draw: Any) -> Any:
    """Every node dials 8 others one after the other, and all nodes do so at the same time: everybody's first ones first."""
    return draw(nodes, DIALS).reshape(len(nodes), DIALS, 2).swapaxes(0, 1).reshape(-1, 2)


def _world(nodes: int, kilobytes: int, heartbeat: int, version: str) -> mc.World:
    # Hosts of five kinds in turn. Between kinds i < j the latency falls with j; within a kind, with i.
    latency = np.empty((STAGES, STAGES))
    for i in range(STAGES):
        for j in range(STAGES):
            jump = (STAGES - max(i, j)) * 18
            latency[i, j] = max(jump, 40) if i == j else min(jump + 40, 130)
    rates: list[Any] = [f"{50 + 25 * i}Mbit" for i in range(STAGES)]
    # Shadow's hosts queue what they send without a bound of this kind; a second loses nothing of what TCP sends.
    internet = mc.internet.matrix(latency, kind="one-way", bandwidth=rates, queue="1s")
    world = mc.World(seed=1, internet=internet, stack="collapsed", metrics_every=None)
    protocol = mc.GossipSub(
        version=version,
        D=8,
        D_lo=6,
        D_hi=12,
        D_score=6,
        D_out=3,
        D_lazy=6,
        gossip_factor=0.05,
        heartbeat=heartbeat / 1000,
        prune_backoff="3s",
        flood_publish=False,
        idontwant_ttl=1,  # nim-libp2p 1.4 to 1.10 forgets it at the next heartbeat
        signing="strict-no-sign",
        max_message="2MB",
    )
    peers = world.add(nodes, mc.Node(protocol))
    peers.subscribe("test")
    # A connection takes four or five round trips there, of a sixth of a second: 8 of them, some six seconds.
    world.bootstrap(peers, _dials, within="6s")
    for i in range(WARM_UPS + MESSAGES):
        warm_ups = min(i, WARM_UPS)
        at = CONNECT + 5 * warm_ups + (10 + APART * (i - WARM_UPS) if i >= WARM_UPS else 0)
        # One node of each kind after the other.
        world.at(at, partial(peers[i].publish, "test", size=SIZES[kilobytes]))
    return world
