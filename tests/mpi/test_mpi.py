"""A packet World run under mpirun is the one that a single process runs: the same record, row for row."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
from runs import run

SCRIPT = """
import mesocosm as mc

def build(p):
    world = mc.World(backend=p.backend, seed=p.seed, internet=mc.internet.ethereum_2025())
    nodes = world.add(p.nodes, mc.GossipSub())
    world.bootstrap(nodes, mc.overlay.random(degree=10))
    nodes.subscribe("blocks")
    world.every("1s", lambda: nodes.sample(1).publish("blocks", size="20KiB"), start="4s")
    world.at("7s", lambda: world.cut(nodes[:10], nodes[10:]))
    world.at("9s", world.heal)
    if p.wrong:
        world.at("5s", lambda: nodes[p.wrong].publish("blocks", size="2MiB"))
    return world

if __name__ == "__main__":
    mc.main(build, params=dict(nodes=24, backend="packet", seed=3, wrong=0), until="12s")
"""


@pytest.fixture(scope="session")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A scenario whose arguments can make it fail."""
    path = tmp_path_factory.mktemp("scripts") / "gossip.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture(scope="session")
def alone(script: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The record of one process."""
    return recorded(1, script, tmp_path_factory.mktemp("alone") / "run.h5")


def recorded(processes: int, script: Path, out: Path) -> Path:
    done = run(processes, script, "--out", out, "--quiet")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("fingerprint") == 1  # one process tells
    return out


def rows(record: h5py.File, table: str) -> np.ndarray:
    """A table's rows in an order of their own: those of one instant may have been told in any."""
    return np.sort(record[table][:])


@pytest.mark.parametrize("processes", [2, 3])
def test_the_record_is_that_of_one_process(processes: int, script: Path, alone: Path, tmp_path: Path) -> None:
    out = recorded(processes, script, tmp_path / "run.h5")
    with h5py.File(alone) as one, h5py.File(out) as several:
        deliveries = one["deliveries"][:]
        assert len(deliveries) > 100 and len(set(deliveries["node"])) == 24
        assert several.attrs["fingerprint"] == one.attrs["fingerprint"]
        assert several.attrs["ended"] == b"complete"
        assert set(several) == set(one)
        for table in set(one) - {"metrics"}:
            np.testing.assert_array_equal(rows(several, table), rows(one, table), err_msg=table)
        mine, theirs = rows(several, "metrics"), rows(one, "metrics")
        for column in ("time_ns", "series"):
            np.testing.assert_array_equal(mine[column], theirs[column])
        # Sums of seconds are added in another order: they agree but for rounding.
        np.testing.assert_allclose(mine["value"], theirs["value"], rtol=1e-12)


def test_an_error_in_one_process_is_told_once(script: Path, alone: Path, tmp_path: Path) -> None:
    with h5py.File(alone) as record:
        nodes = len(record["nodes"])
    for node in (1, nodes - 1):  # wherever it runs
        done = run(2, script, "--wrong", node, "--out", tmp_path / "run.h5", "--quiet")
        assert done.returncode == 2
        errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1 and f"node {node} cannot publish" in errors[0], done.stderr


def test_only_packet_worlds_are_shared(script: Path) -> None:
    done = run(2, script, "--backend", "flow", "--quiet")
    assert done.returncode == 2
    assert "only packet worlds can be run by several" in done.stderr
