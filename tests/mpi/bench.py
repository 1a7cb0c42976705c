"""What a second process gains: the demo on the packet backend by one process and by two, in turns.

    ./dev bench mpi [NODES [SECONDS]]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import h5py
from runs import ROOT, run

ROUNDS = 3


def wall_seconds(processes: int, nodes: int, seconds: int, out: Path) -> tuple[float, str]:
    """The run's own wall time, without starting and ending, and its fingerprint."""
    demo = ROOT / "scenarios" / "demo.py"
    done = run(
        processes,
        demo,
        "--backend",
        "packet",
        "--nodes",
        nodes,
        "--until",
        f"{seconds}s",
        "--out",
        out,
        "--quiet",
    )
    if done.returncode != 0:
        sys.exit(done.stderr)
    with h5py.File(out) as record:
        return float(record.attrs["wall_seconds"]), record.attrs["fingerprint"].decode()


def main(nodes: int = 200, seconds: int = 30) -> None:
    """Prints a line for each round and the ratio of the medians."""
    times: dict[int, list[float]] = {1: [], 2: []}
    fingerprints = set()
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(ROUNDS):
            for processes, taken in times.items():
                wall, fingerprint = wall_seconds(processes, nodes, seconds, Path(folder) / "run.h5")
                taken.append(wall)
                fingerprints.add(fingerprint)
                print(f"{processes} process{'es' * (processes > 1)}: {wall:.2f} s", flush=True)
    if len(fingerprints) != 1:
        sys.exit("error: the runs differ")
    one, two = (statistics.median(taken) for taken in times.values())
    print(
        f"{nodes} nodes, {seconds} simulated seconds: {one:.2f} s by one process, {two:.2f} s by two: "
        f"{one / two:.2f} times the speed"
    )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
