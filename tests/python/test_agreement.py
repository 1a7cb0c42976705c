"""Gossip on `flow` and on `packet`: a part of what ./dev agreement runs, with the same bounds (docs/agreement.md)."""

from __future__ import annotations

import subprocess
import sys

import pytest

from conftest import ROOT

CASE = """
import sys
sys.path.insert(0, "tests/agreement")
from scenarios import Gossip, run_gossip
case = Gossip("", "uniform", 50, 16 << 10, 1)
samples = [run_gossip(case, sys.argv[1], int(seed)) for seed in sys.argv[2:]]
for each in samples:
    print(each.lost, *each.seconds)
"""
SEEDS = (1, 2, 3)


def latencies(backend: str) -> list[float]:
    """Of all deliveries, sorted; each World in a process of its own."""
    found: list[float] = []
    for seed in SEEDS:
        command = [sys.executable, "-c", CASE, backend, str(seed)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True, cwd=ROOT)
        lost, *seconds = done.stdout.split()
        assert int(lost) == 0
        found += map(float, seconds)
    return sorted(found)


def test_uncongested_gossip_takes_the_same_time_on_flow_and_on_packet() -> None:
    flow, packet = latencies("flow"), latencies("packet")
    assert len(flow) == len(packet) == len(SEEDS) * 10 * 49
    assert flow[len(flow) // 2] == pytest.approx(packet[len(packet) // 2], rel=0.05)
    assert flow[len(flow) * 99 // 100] == pytest.approx(packet[len(packet) * 99 // 100], rel=0.10)
