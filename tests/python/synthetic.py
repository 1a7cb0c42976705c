"""Writes a record like a simulator's (docs/record-schema.md) from a small model, so that the analysis can be tested alone.

The model: nodes at a few cities, a random mesh, each message flooding along the links with a delay by distance.
"""

from __future__ import annotations

import heapq
import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np

NODE = [
    ("index", "<u4"), ("peer_hash", "<u8"), ("peer_id", "S64"), ("country", "S8"), ("city", "S48"),
    ("region", "S8"), ("asn", "<u4"), ("address", "S40"),
    ("latitude", "<f4"), ("longitude", "<f4"), ("hosting", "S24"), ("up_bps", "<u8"), ("down_bps", "<u8"),
    ("last_mile_ns", "<i8"), ("joined_ns", "<i8"),
]  # fmt: skip
NAME = [("name", "S128")]
MESSAGE = [
    ("id", "<u8"),
    ("topic", "<u2"),
    ("publisher", "<u4"),
    ("time_ns", "<i8"),
    ("bytes", "<u8"),
    ("expected", "<u4"),
]
SUBSCRIPTION = [("time_ns", "<i8"), ("node", "<u4"), ("topic", "<u2"), ("subscribed", "u1")]
ARRIVAL = [("message", "<u4"), ("node", "<u4"), ("from", "<u4"), ("time_ns", "<i8")]
CONNECTION = [
    ("time_ns", "<i8"),
    ("node", "<u4"),
    ("peer", "<u4"),
    ("change", "u1"),
    ("direction", "u1"),
    ("error", "u1"),
]
MESH = [("time_ns", "<i8"), ("node", "<u4"), ("peer", "<u4"), ("topic", "<u2"), ("grafted", "u1")]
BYTES = [("time_ns", "<i8"), ("node", "<u4"), ("protocol", "<u2"), ("in_bytes", "<u8"), ("out_bytes", "<u8")]
PING = [("time_ns", "<i8"), ("node", "<u4"), ("peer", "<u4"), ("rtt_ns", "<i8")]
EVENT = [("time_ns", "<i8"), ("name", "S64"), ("detail", "S256")]
SAMPLE = [("time_ns", "<i8"), ("series", "<u2"), ("value", "<f8")]
COUNTER = [("node", "<u4"), ("counter", "<u2"), ("value", "<u8")]
METRIC_SERIES = [("name", "S96"), ("labels", "S256")]
METRIC = [("time_ns", "<i8"), ("series", "<u4"), ("value", "<f8")]

PRESENCE = [("time_ns", "<i8"), ("node", "<u4"), ("change", "u1"), ("peer_hash", "<u8"), ("peer_id", "S64")]
TABLES: dict[str, list[tuple[str, str]]] = {
    "nodes": NODE, "topics": NAME, "protocols": NAME, "series": NAME, "counter_names": NAME, "messages": MESSAGE,
    "subscriptions": SUBSCRIPTION, "deliveries": ARRIVAL, "duplicates": ARRIVAL, "rejections": ARRIVAL + [("error", "u1")],
    "connections": CONNECTION, "mesh": MESH, "bytes": BYTES, "pings": PING, "events": EVENT, "samples": SAMPLE,
    "counters": COUNTER, "metric_series": METRIC_SERIES, "metrics": METRIC, "presence": PRESENCE,
}  # fmt: skip

# City, country, latitude, longitude, share of the nodes.
PLACES = [
    ("Ashburn", "US", 39.04, -77.49, 20), ("Los Angeles", "US", 34.05, -118.24, 8), ("Helsinki", "FI", 60.17, 24.94, 6),
    ("Frankfurt", "DE", 50.11, 8.68, 20), ("London", "GB", 51.51, -0.13, 8), ("Paris", "FR", 48.86, 2.35, 6),
    ("Tokyo", "JP", 35.68, 139.69, 6), ("Singapore", "SG", 1.35, 103.82, 6), ("Sydney", "AU", -33.87, 151.21, 5),
    ("São Paulo", "BR", -23.55, -46.63, 4), ("Johannesburg", "ZA", -26.2, 28.05, 2), ("Mumbai", "IN", 19.08, 72.88, 3),
    ("Toronto", "CA", 43.65, -79.38, 4), ("Warsaw", "PL", 52.23, 21.01, 2),
]  # fmt: skip


def write(path: Path, tables: dict[str, list[tuple[Any, ...]]], **attributes: str) -> Path:
    """Write a record with the given rows (tables left out are empty); attributes replace or (None) remove the usual ones."""
    usual: dict[str, str | None] = {
        "format": "mesocosm-run",
        "schema_version": "1",
        "ended": "complete",
        "fingerprint": "0123456789abcdef",
        "simulated_ns": "180000000000",
        "provenance": "{}",
    }
    with h5py.File(path, "w", libver="latest") as file:
        for name, columns in TABLES.items():
            rows = np.array(
                [tuple(_encode(value) for value in row) for row in tables.get(name, [])], dtype=columns
            )
            file.create_dataset(
                name, data=rows, maxshape=(None,), chunks=(4096,), compression=1, shuffle=True
            )
        for key, value in {**usual, **attributes}.items():
            if value is not None:
                file.attrs[key] = np.bytes_(value.encode())
    return path


def gossip(
    path: Path, nodes: int = 200, messages: int = 6, seed: int = 1, places: bool = True, **attributes: str
) -> Path:
    """Write the record of a gossiping network: every message reaches every node."""
    rng = np.random.default_rng(seed)
    share = np.array([place[4] for place in PLACES], dtype=float)
    at = rng.choice(len(PLACES), size=nodes, p=share / share.sum())
    location = np.array([place[2:4] for place in PLACES])[at]
    degree = min(4, nodes - 1)
    links = {(a, int(b)) for a in range(nodes) for b in rng.choice(nodes, degree, replace=False) if a != b}
    peers: list[list[int]] = [[] for _ in range(nodes)]
    for a, b in sorted(links | {(b, a) for a, b in links}):
        peers[a].append(b)

    def delay(a: int, b: int) -> int:
        east = location[a, 1] - location[b, 1]
        degrees = np.hypot(location[a, 0] - location[b, 0], min(abs(east), 360 - abs(east)) * 0.8)
        return int(1e6 * (5 + degrees * 111 / 200 * 1.7 + rng.exponential(8) + 30))

    tables: dict[str, list[tuple[Any, ...]]] = {name: [] for name in TABLES}
    tables["topics"] = [("blocks",)]
    tables["protocols"] = [("/meshsub/1.1.0",), ("/ipfs/id/1.0.0",)]
    tables["series"] = [("live_nodes",)]
    tables["counter_names"] = [("delivered",), ("duplicate",)]
    for node in range(nodes):
        city, country, latitude, longitude, _ = PLACES[at[node]]
        nowhere = ("", "", "", 0, "", float("nan"), float("nan"))
        place = (
            (country, city, "", 64512, f"192.0.2.{node % 256}", latitude, longitude) if places else nowhere
        )
        cloud = rng.random() < 0.6
        tables["nodes"].append(
            (node, 1000 + node, f"12D3KooW{node:044d}", *place, "cloud" if cloud else "residential")
            + ((10**9, 10**9, 400_000, 0) if cloud else (20 * 10**6, 100 * 10**6, 9_000_000, 0))
        )
        tables["subscriptions"].append((0, node, 0, 1))
        for peer in peers[node]:
            outbound = int((node, peer) in links)
            tables["connections"].append((int(rng.integers(1e8)), node, peer, 1, outbound, 0))
            tables["mesh"].append((int(rng.integers(1e9, 4e9)), node, peer, 0, 1))
    counts = np.zeros((nodes, 2), dtype=int)
    traffic = np.zeros((nodes, 2, 2), dtype=int)  # by node, protocol, (in, out)
    second = 1_000_000_000
    tick = 0

    def sample_until(now: int) -> None:
        nonlocal tick
        while tick <= now:
            traffic[:, 1] += 40
            for node in range(nodes):
                for protocol in range(2):
                    tables["bytes"].append((tick, node, protocol, *(int(x) for x in traffic[node, protocol])))
            tables["samples"].append((tick, 0, nodes))
            tick += 2 * second

    for message in range(messages):
        published = (4 + 12 * message) * second
        sample_until(published)
        publisher = int(rng.integers(nodes))
        tables["messages"].append((message * 7919, 0, publisher, published, 131072, nodes - 1))
        seen: dict[int, int] = {}
        queue: list[tuple[int, int, int]] = [(published, publisher, publisher)]
        while queue:
            now, node, sender = heapq.heappop(queue)
            if node in seen:
                tables["duplicates"].append((message, node, sender, now))
                counts[node, 1] += 1
                continue
            seen[node] = sender
            if node != publisher:
                tables["deliveries"].append((message, node, sender, now))
                counts[node, 0] += 1
            for peer in peers[node]:
                if peer != sender and seen.get(peer) != node:
                    heapq.heappush(queue, (now + delay(node, peer), peer, node))
                    traffic[node, 0, 1] += 131200
                    traffic[peer, 0, 0] += 131200
    sample_until((4 + 12 * messages) * second)
    tables["events"] = [
        (0, "subscribe", f"{nodes} nodes to blocks"),
        (30 * second, "cut", "Europe from the rest, 5 s"),
    ]
    for node in range(nodes):
        tables["counters"] += [(node, counter, int(counts[node, counter])) for counter in range(2)]
    provenance = {
        "scenario": "Blocks over gossipsub",
        "about": "How long until every node has a block, and at what cost?",
        "parameters": {"nodes": nodes, "backend": "flow", "seed": seed, "size": "128KiB", "until": "180s"},
        "seed": seed,
        "backend": "flow",
        "version": "0.1.0",
        "commit": "0123456789ab",
        "data": {"cities.csv": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        "machine": {"system": "Linux", "processor": "x86_64", "cores": 2},
        "libraries": {"python": "3.11.2", "numpy": "1.24.2", "hdf5": "1.10.8"},
        "command": ["python", "scenarios/demo.py", "--nodes", str(nodes)],
        "started": "2025-11-22T08:00:00Z",
    }
    return write(path, tables, **{"provenance": json.dumps(provenance), **attributes})


def _encode(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value
