"""Loading a record, and the numbers that come out of it."""

import json
import math

import h5py
import numpy as np
import pytest
import synthetic
from mesocosm.analysis import load, percentile, statistics
from mesocosm.errors import ConfigError

S = 1_000_000_000
PLACE = ("DE", "Berlin", "EU", 64512, "192.0.2.1", 52.5, 13.4, "cloud", 10**9, 2 * 10**9, 400_000)


@pytest.fixture(scope="module")
def gossip(tmp_path_factory):
    return load(synthetic.gossip(tmp_path_factory.mktemp("records") / "gossip.h5", nodes=60, messages=4))


def small(path, **attributes):
    """Four nodes, one topic; node 0 publishes twice, node 3 subscribes between; 1 -> 2 is the second hop."""
    return synthetic.write(
        path,
        {
            "nodes": [(node, 100 + node, f"peer{node}", *PLACE, node * S) for node in range(4)],
            "topics": [("blocks",)],
            "protocols": [("/meshsub/1.1.0",), ("/ipfs/ping/1.0.0",)],
            "counter_names": [("duplicate",), ("dials",)],
            "series": [("live",), ("pending",)],
            "subscriptions": [(0, 0, 0, 1), (0, 1, 0, 1), (0, 2, 0, 1), (5 * S, 3, 0, 1)],
            "messages": [(7, 0, 0, 1 * S, 100, 2), (8, 0, 0, 10 * S, 100, 3)],
            "deliveries": [
                (0, 1, 0, 1 * S + 50_000_000),
                (0, 2, 1, 1 * S + 90_000_000),
                (0, 3, 2, 6 * S),  # gossiped to a node that was not subscribed then
                (1, 1, 0, 10 * S + 60_000_000),
                (1, 3, 77, 10 * S + 10_000_000),  # from a stranger
            ],
            "duplicates": [
                (0, 2, 0, 1 * S + 95_000_000),
                (1, 1, 3, 10 * S + 70_000_000),
                (1, 1, 3, 10 * S + 80_000_000),
            ],
            "connections": [
                (0, 0, 1, 1, 1, 0),
                (0, 1, 0, 1, 0, 0),
                (2 * S, 0, 1, 0, 255, 2),
                (2 * S, 0, 3, 2, 255, 3),
            ],
            "mesh": [(1 * S, 0, 1, 0, 1), (2 * S, 0, 2, 0, 1), (3 * S, 0, 1, 0, 0), (1 * S, 2, 0, 0, 1)],
            "bytes": [
                (1 * S, 0, 0, 10, 100),
                (1 * S, 1, 0, 20, 40),
                (3 * S, 0, 0, 30, 400),
                (3 * S, 0, 1, 0, 8),
            ],
            "pings": [(S, 0, 1, 50_000_000)],
            "events": [(4 * S, "cut", "Europe")],
            "samples": [(0, 0, 4.0), (0, 1, 9.5), (S, 0, 3.0)],
            "counters": [(0, 1, 5), (2, 0, 1)],
            "metric_series": [
                ("dials_total", 'dir="in"'),
                ("dials_total", r'dir="o\\u\"t\n"'),
                ("took_seconds_bucket", 'le="0.5"'),
                ("took_seconds_bucket", 'le="+Inf"'),
                ("open", ""),
            ],
            "metrics": [
                (1 * S, 0, 3.0),
                (2 * S, 1, 7.0),
                (2 * S, 2, 1.0),
                (2 * S, 3, 4.0),
                (3 * S, 0, 5.0),
                (3 * S, 4, -2.0),
                (3 * S, 4, 2.0),
            ],
        },
        **attributes,
    )


def test_metrics_keep_their_value_until_it_changes(tmp_path):
    run = load(small(tmp_path / "run.h5"))
    everything = run.metrics()
    assert list(everything.columns) == ["name", "labels", "time", "value"]
    dials = everything[everything["labels"] == 'dir="in"']
    assert dials[["time", "value"]].values.tolist() == [[1.0, 3.0], [2.0, 3.0], [3.0, 5.0]]
    dials = run.metrics("dials_total")
    assert list(dials.columns) == ["time", "dir", "value"]
    assert dials[dials["time"] == 3.0][["dir", "value"]].values.tolist() == [["in", 5.0], ['o\\u"t\n', 7.0]]
    buckets = run.metrics("took_seconds_bucket")
    assert buckets[["time", "le", "value"]].values.tolist() == [
        [2.0, 0.5, 1.0],
        [2.0, math.inf, 4.0],
        [3.0, 0.5, 1.0],
        [3.0, math.inf, 4.0],
    ]
    assert run.metrics("open").values.tolist() == [[3.0, 2.0]]
    with pytest.raises(
        ConfigError, match="no metric 'closed'; it has dials_total, open, took_seconds_bucket"
    ):
        run.metrics("closed")


def test_tables(tmp_path):
    run = load(small(tmp_path / "run.h5", provenance=json.dumps({"parameters": {"nodes": 4}, "seed": 3})))
    assert (run.ended, run.complete, run.fingerprint, run.duration) == (
        "complete",
        True,
        "0123456789abcdef",
        180.0,
    )
    assert run.parameters == {"nodes": 4} and run.provenance["seed"] == 3 and run.title == "run"
    assert run.nodes.loc[3, "joined"] == 3.0 and run.nodes.loc[0, "last_mile"] == pytest.approx(0.0004)
    assert list(run.nodes.loc[1, ["peer_id", "country", "city", "hosting"]]) == [
        "peer1",
        "DE",
        "Berlin",
        "cloud",
    ]
    assert list(run.messages["topic"]) == ["blocks", "blocks"] and list(run.messages["time"]) == [1.0, 10.0]
    assert run.deliveries["latency"].tolist() == [0.05, 0.09, 5.0, 0.06, 0.01]
    assert run.deliveries["from"].tolist() == [0, 1, 2, 0, 77]
    assert run.connections["change"].tolist() == ["opened", "opened", "closed", "dial failed"]
    assert run.connections["direction"].isna().tolist() == [False, False, True, True]
    assert run.connections["direction"].iloc[0] == "outbound"
    assert run.mesh["grafted"].tolist() == [True, True, False, True]
    assert run.bytes["protocol"].tolist() == ["/meshsub/1.1.0"] * 3 + ["/ipfs/ping/1.0.0"]
    assert run.pings["rtt"].tolist() == [0.05]
    assert run.events.iloc[0].tolist() == [4.0, "cut", "Europe"]
    assert run.samples["live"].tolist() == [4.0, 3.0] and math.isnan(run.samples["pending"].iloc[1])
    assert run.counters["dials"].tolist() == [5, 0, 0, 0] and run.counters["duplicate"].tolist() == [
        0,
        0,
        1,
        0,
    ]
    assert run.rejections.empty and "latency" in run.rejections


def test_summary(tmp_path):
    run = load(small(tmp_path / "run.h5"))
    summary = run.summary()
    assert statistics.expected_deliveries(run).tolist() == [True, True, False, True, True]
    assert (summary.expected, summary.delivered, summary.delivery_ratio) == (5, 4, 0.8)
    assert (summary.latency_p50, summary.latency_p90, summary.latency_max) == (0.06, 5.0, 5.0)
    assert (summary.duplicates, summary.duplicates_per_message, summary.duplicates_per_delivery) == (
        3,
        1.5,
        0.6,
    )
    assert summary.sent_per_node == (400 + 8 + 40) / 4 and summary.received_per_node == (30 + 20) / 4
    assert list(summary.to_frame().columns) == list(summary.to_dict())
    assert ("delivery ratio", "80 % (4 of 5)") in summary.rows()


def test_duplicates_that_were_only_counted(tmp_path):
    tables = {"nodes": [(0, 1, "a", *PLACE, 0)], "counter_names": [("duplicate",)], "counters": [(0, 0, 12)]}
    assert load(synthetic.write(tmp_path / "run.h5", tables)).summary().duplicates == 12


def test_statistics(tmp_path):
    run = load(small(tmp_path / "run.h5"))
    assert statistics.hops(run).tolist()[:4] == [1, 2, 3, 1] and math.isnan(statistics.hops(run)[4])
    assert statistics.duplicates_by_message(run).tolist() == [1, 2]
    rate = statistics.bandwidth(run)
    assert rate.index.tolist() == [1.0, 3.0]
    assert rate["/meshsub/1.1.0"].tolist() == [140.0, 150.0] and rate["/ipfs/ping/1.0.0"].tolist() == [
        0.0,
        4.0,
    ]
    assert statistics.mesh_degree(run, np.array([0.0, 1.0, 2.0, 2.5, 3.0])).tolist() == [
        [0, 1, 2, 2, 1],
        [0, 1, 1, 1, 1],
    ]
    share = statistics.propagation(run, np.array([0.0, 0.05, 0.09, 9.0]))
    assert share.tolist() == [[0, 0.5, 1, 1], [0, 1 / 3, 2 / 3, 2 / 3]]
    assert statistics.degree(run).tolist() == [0, 1, 0, 0]


def test_percentile_is_the_nearest_rank():
    values = [15.0, 20.0, 35.0, 40.0, 50.0]
    assert [percentile(values, q) for q in (0, 5, 30, 40, 50, 100)] == [15, 15, 20, 20, 35, 50]
    assert percentile(np.arange(1, 11), 90) == 9 and percentile([3.0], 99) == 3
    assert math.isnan(percentile([], 50))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0 s"),
        (1.234567, "1.23 s"),
        (0.0999, "99.9 ms"),
        (0.1, "100 ms"),
        (5e-6, "5.00 µs"),
        (123.4, "123 s"),
    ],
)
def test_times_for_people(value, text):
    assert statistics.show_seconds(value) == text


def test_a_ratio_is_not_rounded_up_to_all():
    assert statistics.show_ratio(1.0) == "100 %" and statistics.show_ratio(0.9999999) == "99.999 %"
    assert statistics.show_ratio(0.5) == "50 %" and statistics.show_bytes(1536) == "1.50 KiB"


def test_a_gossip_run(gossip):
    summary = gossip.summary()
    assert (summary.nodes, summary.messages, summary.delivery_ratio) == (60, 4, 1.0)
    assert summary.latency_p50 <= summary.latency_p90 <= summary.latency_p99 <= summary.latency_max
    hops = statistics.hops(gossip)
    assert hops.notna().all() and hops.min() == 1
    assert "fingerprint" not in gossip.summary().to_dict() and gossip.fingerprint in gossip._repr_html_()


def test_an_empty_run(tmp_path):
    run = load(synthetic.write(tmp_path / "empty.h5", {}))
    summary = run.summary()
    assert summary.nodes == 0 and math.isnan(summary.delivery_ratio) and math.isnan(summary.latency_p50)
    assert statistics.hops(run).empty and statistics.bandwidth(run).empty
    assert ("latency p50", "–") in summary.rows()


def refused(path, fragment):
    with pytest.raises(ConfigError, match=fragment):
        load(path)


def test_what_is_not_a_record_is_refused(tmp_path):
    refused(tmp_path / "missing.h5", "no such file: .*missing.h5")
    refused(tmp_path, "a folder")
    text = tmp_path / "text.h5"
    text.write_text("hello")
    refused(text, "not an HDF5 file: .*text.h5")
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    refused(other, "not the record of a mesocosm run")
    refused(synthetic.write(tmp_path / "new.h5", {}, schema_version="2"), "schema version 2, newer than")
    refused(synthetic.write(tmp_path / "bad.h5", {}, provenance="{"), "damaged provenance")


def test_a_truncated_record_is_refused(tmp_path):
    path = small(tmp_path / "cut.h5")
    path.write_bytes(path.read_bytes()[:3000])
    refused(path, "cannot read")


def test_a_file_being_written_can_be_read(tmp_path):
    path = small(tmp_path / "live.h5", ended="running", fingerprint=None, simulated_ns=None)
    with h5py.File(path, "r+", libver="latest") as file:
        file.swmr_mode = True
        file["deliveries"].resize((6,))
        file["deliveries"][5] = (1, 2, 1, 10 * S)
        file.flush()
        run = load(path)
        assert run.ended == "running" and run.fingerprint is None and len(run.deliveries) == 6
        assert run.duration == 10.06
