"""The record that the simulator writes, against its documentation and against being killed."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import mesocosm as mc
import numpy as np
import pytest
import synthetic
from conftest import ROOT, gossip_world
from mesocosm.analysis import statistics


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> mc.Run:
    return gossip_world(20, seed=5).run("12s", out=tmp_path_factory.mktemp("record") / "run.h5")


def test_tables_are_as_documented(run: mc.Run) -> None:
    page = (ROOT / "docs" / "record-schema.md").read_text()
    with h5py.File(run.path) as file:
        assert set(file) == set(synthetic.TABLES)
        for name, columns in synthetic.TABLES.items():
            assert file[name].dtype == np.dtype(columns), name
            assert f"`{name}`" in page
            for column, _ in columns:
                assert f"`{column}`" in page
        for attribute in file.attrs:
            assert f"`{attribute}`" in page, attribute


def test_provenance_says_how_to_do_it_again(run: mc.Run) -> None:
    provenance = run.provenance
    assert (
        provenance["seed"] == 5
        and provenance["backend"] == "flow"
        and provenance["mesocosm"] == mc.__version__
    )
    assert provenance["command"] == sys.argv and provenance["python"] and provenance["machine"]
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", provenance["started"])


def test_tables_agree_with_each_other(run: mc.Run) -> None:
    nodes = len(run.nodes)
    assert nodes == 20 and run.nodes["peer_id"].is_unique
    assert (run.messages["expected"] == nodes - 1).all()
    assert run.summary().delivery_ratio == 1.0 and (run.deliveries["latency"] > 0).all()
    assert statistics.hops(run).notna().all()
    assert run.counters["delivered"].sum() == len(run.deliveries)
    assert run.counters["duplicate"].sum() == len(run.duplicates)
    assert run.counters["published"].sum() == len(run.messages)
    # Each connection is told by both of its ends, once as inbound and once as outbound.
    opened = run.connections[run.connections["change"] == "opened"]
    assert (opened["direction"] == "inbound").sum() == (opened["direction"] == "outbound").sum() > nodes
    # Nothing is received that was not sent.
    totals = statistics.bytes_by_node(run).sum()
    assert 0 < totals["in_bytes"] <= totals["out_bytes"]
    assert statistics.mesh_degree(run, np.array([run.duration])).min() > 0


def has_deliveries(record: Path) -> bool:
    """Whether a record that is still written holds some."""
    try:
        return len(mc.load(record).deliveries) > 0
    except mc.ConfigError:  # not there yet, or caught in the middle of its beginning
        return False


def test_a_killed_run_can_be_read(tmp_path: Path) -> None:
    record = tmp_path / "run.h5"
    script = [
        sys.executable,
        str(ROOT / "scenarios" / "demo.py"),
        "--nodes",
        "60",
        "--size",
        "4KiB",
        "--stack",
        "collapsed",
    ]
    process = subprocess.Popen(
        script + ["--until", "100000s", "--out", str(record)], stderr=subprocess.DEVNULL
    )
    try:
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and not has_deliveries(record):
            assert process.poll() is None
            time.sleep(0.2)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    run = mc.load(record)
    assert run.ended == "running" and run.fingerprint is None and run.parameters["nodes"] == 60
    assert len(run.nodes) == 60 and len(run.messages) > 0 and len(run.deliveries) > 0
    assert run.deliveries["message"].max() < len(run.messages)
    assert "Not ended" in mc.analysis.report.render(run)
