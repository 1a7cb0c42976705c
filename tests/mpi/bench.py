"""What a second process gains, on the packet backend: large blocks now and then (the demo), and small messages all the time.

    ./dev bench mpi [NODES]
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from pathlib import Path

import h5py
from runs import ROOT, run

ROUNDS = 2
SCRIPTS = {
    "demo": (ROOT / "scenarios" / "demo.py", "26s"),
    "steady": (Path(__file__).with_name("steady.py"), "15s"),
}


def wall_seconds(processes: int, name: str, nodes: int, out: Path) -> tuple[float, str]:
    """The run's own wall time, without starting and ending, and its fingerprint."""
    script, until = SCRIPTS[name]
    options = ["--backend", "packet", "--nodes", nodes, "--until", until, "--out", out, "--quiet"]
    done = run(processes, script, *options)
    if done.returncode != 0:
        sys.exit(done.stderr)
    with h5py.File(out) as record:
        return float(record.attrs["wall_seconds"]), record.attrs["fingerprint"].decode()


def main(nodes: int = 200) -> None:
    """Prints each run, one process and two in turns, and the ratio of the medians."""
    for name, (_, until) in SCRIPTS.items():
        times: dict[int, list[float]] = {1: [], 2: []}
        fingerprints = set()
        with tempfile.TemporaryDirectory() as folder:
            for _ in range(ROUNDS):
                for processes, taken in times.items():
                    wall, fingerprint = wall_seconds(processes, name, nodes, Path(folder) / "run.h5")
                    taken.append(wall)
                    fingerprints.add(fingerprint)
                    print(f"{name}, {processes} process{'es' * (processes > 1)}: {wall:.2f} s", flush=True)
        if len(fingerprints) != 1:
            sys.exit("error: the runs differ")
        one, two = (statistics.median(taken) for taken in times.values())
        print(
            f"{name}, {nodes} nodes, {until} simulated: {one:.2f} s by one process, {two:.2f} s by two: "
            f"{one / two:.2f} times the speed"
        )


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
