"""What a variant costs in Python, beside the same one in C++: processor seconds of the same run, as ratios.

    ./dev bench variants [nodes]

The variants: examples/variants/dialers, which is asked once a heartbeat; and one that hears of every copy of every message
and scores every peer, against the same hooks in C++ left alone.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import mesocosm as mc

ROOT = Path(__file__).resolve().parents[2]
REPEATS = 3


class Busy(mc.Variant):
    """Counts all messages and scores all peers, and changes nothing."""

    def __init__(self) -> None:
        self.heard: dict[int, int] = {}

    def on_delivered(self, view: mc.variant.View, peer: int, message: int) -> None:
        self.heard[peer] = self.heard.get(peer, 0) + 1

    def on_duplicate(self, view: mc.variant.View, peer: int, message: int) -> None:
        self.heard[peer] = self.heard.get(peer, 0) + 1

    def score(self, view: mc.variant.View, peer: int) -> float:
        return float(peer in self.heard)


def seconds(variant: str, nodes: int) -> tuple[float, str]:
    """Processor seconds of a run, and its fingerprint."""
    world = mc.World(stack="collapsed", metrics_every=None)
    group = world.add(nodes, mc.GossipSub(variant=variant, flood_publish=False))
    world.bootstrap(group, mc.overlay.random(degree=20))
    group.subscribe("blocks")
    world.every("100ms", lambda: group.sample(1).publish("blocks", size="1KiB"), start="5s")
    began = time.process_time()
    run = world.run("35s", progress=False)
    return time.process_time() - began, run.fingerprint


def main() -> None:
    nodes = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    sys.path.insert(0, str(ROOT / "examples" / "variants"))
    __import__("dialers")
    with tempfile.TemporaryDirectory() as folder:
        mc.load_variants(mc.build_variant(ROOT / "examples/variants/dialers.cc", Path(folder) / "dialers.so"))
        best: dict[str, float] = {}
        prints: dict[str, str] = {}
        for _ in range(REPEATS):
            for variant in ("v1.0", "dialers", "Dialers", "v1.1", "Busy"):
                spent, prints[variant] = seconds(variant, nodes)
                best[variant] = min(spent, best.get(variant, spent))
    assert prints["dialers"] == prints["Dialers"]
    print(f"{nodes} nodes, 300 messages, 35 s simulated; processor seconds, the least of {REPEATS}")
    for variant, spent in best.items():
        print(f"  {variant:8} {spent:6.2f} s")
    print(f"Dialers in Python / in C++: {best['Dialers'] / best['dialers']:.2f}")
    print(f"every message and score in Python / v1.1: {best['Busy'] / best['v1.1']:.2f}")


if __name__ == "__main__":
    main()
