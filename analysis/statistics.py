"""The numbers of a run, each by an exact definition."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from .load import Run

Floats = npt.NDArray[np.float64]


def percentile(values: npt.ArrayLike, q: float) -> float:
    """The nearest-rank percentile: the smallest value that at least `q` percent of the values do not exceed.

    Always one of the values; NaN if there are none.
    """
    array = np.sort(np.asarray(values, dtype=np.float64))
    if len(array) == 0:
        return float("nan")
    rank = int(np.ceil(q / 100 * len(array) - 1e-9))  # 0.9 * 10 is a little more than 9
    return float(array[min(max(rank, 1), len(array)) - 1])


@dataclass(frozen=True)
class Summary:
    """What a run comes to. NaN: not known, because nothing of the kind was recorded. An attack's adversaries are no nodes
    here; what they cost is in `Run.attacks`."""

    nodes: int
    messages: int
    expected: int
    """Deliveries that the subscriptions at each publication ask for: all subscribers but the publisher."""
    delivered: int
    """Those of them that happened."""
    delivery_ratio: float
    """delivered / expected; NaN if nothing was expected."""
    latency_p50: float
    """s from publication to delivery, over all deliveries, nearest rank."""
    latency_p90: float
    latency_p99: float
    latency_max: float
    duplicates: int
    duplicates_per_message: float
    """Over all nodes."""
    duplicates_per_delivery: float
    """Copies that a node gets beyond the first."""
    sent_per_node: float
    """Bytes out of a node by the last sample, mean over nodes, all protocols."""
    received_per_node: float
    """Bytes into a node."""

    def to_dict(self) -> dict[str, float]:
        """Name to value, in order."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def to_frame(self) -> pd.DataFrame:
        """One row, one column a value: concatenate the rows of several runs to compare them."""
        return pd.DataFrame([self.to_dict()])

    def rows(self) -> list[tuple[str, str]]:
        """What a person reads: (name, value with its unit)."""
        return [
            ("nodes", f"{self.nodes:,}"),
            ("messages", f"{self.messages:,}"),
            (
                "delivery ratio",
                f"{show_ratio(self.delivery_ratio)} ({self.delivered:,} of {self.expected:,})",
            ),
            ("latency p50", show_seconds(self.latency_p50)),
            ("latency p90", show_seconds(self.latency_p90)),
            ("latency p99", show_seconds(self.latency_p99)),
            ("latency max", show_seconds(self.latency_max)),
            ("duplicates per message", show_number(self.duplicates_per_message)),
            ("duplicates per delivery", show_number(self.duplicates_per_delivery)),
            ("sent per node", show_bytes(self.sent_per_node)),
            ("received per node", show_bytes(self.received_per_node)),
        ]

    def _repr_html_(self) -> str:
        from .notebook import summary_html

        return summary_html(self)


def summarize(run: Run) -> Summary:
    """The summary of a run."""
    latency = run.deliveries["latency"].to_numpy()
    messages = len(run.messages)
    delivered = int(expected_deliveries(run).sum())
    expected = int(run.messages["expected"].sum())
    duplicates = duplicate_count(run)
    traffic = bytes_by_node(run)
    honest = run.nodes.index[run.nodes["attack"] == 0]
    traffic = traffic[traffic.index.get_level_values("node").isin(honest)]
    return Summary(
        nodes=len(honest),
        messages=messages,
        expected=expected,
        delivered=delivered,
        delivery_ratio=_ratio(delivered, expected),
        latency_p50=percentile(latency, 50),
        latency_p90=percentile(latency, 90),
        latency_p99=percentile(latency, 99),
        latency_max=percentile(latency, 100),
        duplicates=duplicates,
        duplicates_per_message=_ratio(duplicates, messages),
        duplicates_per_delivery=_ratio(duplicates, len(latency)),
        sent_per_node=_ratio(float(traffic["out_bytes"].sum()), len(honest))
        if len(traffic)
        else float("nan"),
        received_per_node=_ratio(float(traffic["in_bytes"].sum()), len(honest))
        if len(traffic)
        else float("nan"),
    )


def expected_deliveries(run: Run) -> npt.NDArray[np.bool_]:
    """Shape (deliveries,): whether the node was subscribed when the message was published.

    A node that subscribes later may still be given a message (by gossip); that delivery was not expected.
    """
    deliveries, subscriptions, messages = run.deliveries, run.subscriptions, run.messages
    first = messages["time"].min() if len(messages) else 0.0
    if subscriptions.empty or (subscriptions["subscribed"].all() and subscriptions["time"].max() <= first):
        return np.ones(len(deliveries), dtype=bool)
    asked = pd.DataFrame(
        {
            "time": messages["time"].to_numpy()[deliveries["message"]],
            "topic": messages["topic"].cat.codes.to_numpy()[deliveries["message"]].astype(np.int32),
            "node": deliveries["node"].to_numpy(),
            "row": np.arange(len(deliveries)),
        }
    ).sort_values("time", kind="stable")
    told = subscriptions.assign(topic=subscriptions["topic"].cat.codes.astype(np.int32))
    joined = pd.merge_asof(asked, told.sort_values("time", kind="stable"), on="time", by=["topic", "node"])
    expected = np.zeros(len(deliveries), dtype=bool)
    expected[joined["row"].to_numpy()] = joined["subscribed"].eq(True).to_numpy()
    return expected


def duplicate_count(run: Run) -> int:
    """All duplicates, also of a run that counted them without keeping a row for each."""
    if len(run.duplicates) == 0 and "duplicate" in run.counters:
        return int(run.counters["duplicate"].sum())
    return len(run.duplicates)


def duplicates_by_message(run: Run) -> pd.Series:
    """Duplicates over all nodes for each message; indexed by message."""
    counts = np.bincount(run.duplicates["message"].to_numpy(), minlength=len(run.messages))
    return pd.Series(counts[: len(run.messages)], index=run.messages.index, name="duplicates")


def hops(run: Run) -> pd.Series:
    """Shape (deliveries,): over how many links each delivery came; the publisher's own peers have 1.

    NaN where the chain of senders leaves the record.
    """
    frame = run.deliveries
    count = len(frame)
    width = int(run.nodes.index.max()) + 1 if len(run.nodes) else 0
    message = frame["message"].to_numpy().astype(np.int64)
    sender = frame["from"].to_numpy().astype(np.int64)
    publisher = run.messages["publisher"].to_numpy()[message] if count else np.empty(0, dtype=np.int64)
    key = message * width + frame["node"].to_numpy()
    order = np.argsort(key, kind="stable")
    wanted = message * width + sender
    found = np.minimum(np.searchsorted(key[order], wanted), max(count - 1, 0))
    parent = np.where(key[order][found] == wanted, order[found], -1) if count else np.empty(0, dtype=np.int64)
    parent[sender >= width] = -1
    result = np.where(sender == publisher, 1.0, np.nan)
    # Every round settles the deliveries whose sender was settled by the one before.
    waiting = np.flatnonzero(np.isnan(result) & (parent >= 0))
    while len(waiting):
        result[waiting] = result[parent[waiting]] + 1
        settled = ~np.isnan(result[waiting])
        if not settled.any():
            break
        waiting = waiting[~settled]
    return pd.Series(result, index=frame.index, name="hops")


def bytes_by_node(run: Run) -> pd.DataFrame:
    """Totals by the last sample, indexed by (node, protocol): in_bytes, out_bytes."""
    last = run.bytes.sort_values("time", kind="stable").drop_duplicates(["node", "protocol"], keep="last")
    return last.set_index(["node", "protocol"])[["in_bytes", "out_bytes"]].sort_index()


def cost_of_attacks(run: Run) -> pd.DataFrame:
    """The table of `Run.attacks`."""
    columns = ["attack", "begins", "ends", "identities", "addresses", "connections", "bytes_in", "bytes_out"]
    rows = []
    traffic = bytes_by_node(run).groupby("node").sum()
    told = run.events[run.events["name"] == "attack"]
    for number, attack in enumerate(run.provenance.get("attacks") or [], 1):
        nodes = range(attack["first_node"], attack["first_node"] + attack["nodes"])
        spent = traffic[traffic.index.isin(nodes)].sum()
        moments = {
            what: told[told["detail"].str.startswith(f"{number} {what}")]["time"]
            for what in ("begins", "ends")
        }
        rows.append(
            {
                "attack": attack["attack"],
                "begins": moments["begins"].min(),
                "ends": moments["ends"].max(),
                "identities": len(nodes),
                "addresses": attack["addresses"],
                "connections": _most_connections(run, nodes),
                "bytes_in": int(spent["in_bytes"]),
                "bytes_out": int(spent["out_bytes"]),
                "parameters": attack["parameters"],
            }
        )
    table = pd.DataFrame(rows, columns=[*columns, "parameters"])
    table.index = pd.RangeIndex(1, len(table) + 1, name="number")
    return table


def attack_rows(run: Run) -> list[tuple[str, str]]:
    """What a person reads of a run's attacks: (kind, what it cost)."""
    rows = []
    for number, cost in run.attacks.iterrows():
        when = "never began"
        if not np.isnan(cost["begins"]):
            end = "the end" if np.isnan(cost["ends"]) else f"{cost['ends']:,g} s"
            when = f"{cost['begins']:,g} s to {end}"
        spent = f"{show_bytes(cost['bytes_out'])} out, {show_bytes(cost['bytes_in'])} in"
        crowd = f"{cost['identities']:,} identities on {cost['addresses']:,} addresses, "
        links = f"{cost['connections']:,} connections, {spent}; "
        rows.append(
            (f"attack {number}: {cost['attack']}", (crowd + links if cost["identities"] else "") + when)
        )
    return rows


def _most_connections(run: Run, nodes: range) -> int:
    """How many ends of connections these nodes had together, at most at a time."""
    changes = run.connections[run.connections["node"].isin(nodes)].sort_values("time", kind="stable")
    steps = changes["change"].map({"opened": 1, "closed": -1, "dial failed": 0}).astype(np.int64)
    return int(max(steps.cumsum().max(), 0)) if len(steps) else 0


def bandwidth(run: Run) -> pd.DataFrame:
    """All nodes' output by protocol between samples, byte/s: one row a sample (time, s), one column a protocol.

    A row holds the mean since the row before. Nodes that are not sampled every time count when they are.
    """
    frame = run.bytes
    if frame.empty:
        return pd.DataFrame()
    codes = frame["protocol"].cat.codes.to_numpy()
    node, out = frame["node"].to_numpy(), frame["out_bytes"].to_numpy().astype(np.float64)
    order = np.lexsort((frame["time"].to_numpy(), codes, node))
    grown = np.diff(out[order], prepend=0.0)
    begins = np.diff(node[order], prepend=-1) != 0
    begins |= np.diff(codes[order], prepend=-1) != 0
    grown[begins] = out[order][begins]
    increments = pd.DataFrame(
        {"time": frame["time"].to_numpy()[order], "protocol": codes[order], "bytes": grown}
    )
    table = increments.pivot_table(
        index="time", columns="protocol", values="bytes", aggfunc="sum", fill_value=0.0
    )
    table.columns = pd.Index(
        [frame["protocol"].cat.categories[code] for code in table.columns], name="protocol"
    )
    span = np.diff(table.index.to_numpy(), prepend=0.0)
    table = table[span > 0]
    return table.div(span[span > 0], axis=0)


def propagation(run: Run, times: Floats) -> Floats:
    """Shape (messages, times): the share of a message's expected deliveries made `times` (s) after publication."""
    frame = run.deliveries[expected_deliveries(run)]
    expected = run.messages["expected"].to_numpy().astype(np.float64)
    slot = np.searchsorted(times, frame["latency"].to_numpy(), side="left")  # the first time that includes it
    counts = np.zeros((len(expected), len(times) + 1))
    np.add.at(counts, (frame["message"].to_numpy(), slot), 1)
    reached = np.cumsum(counts, axis=1)[:, : len(times)]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(reached / expected[:, None])


def mesh_degree(run: Run, times: Floats) -> npt.NDArray[np.int32]:
    """Shape (meshes, times): the number of mesh peers, for each node and topic that ever had one, at `times` (s)."""
    frame = run.mesh
    topics = max(len(frame["topic"].cat.categories), 1)
    key = frame["node"].to_numpy().astype(np.int64) * topics + frame["topic"].cat.codes.to_numpy()
    meshes, row = np.unique(key, return_inverse=True)
    step = np.where(frame["grafted"].to_numpy(), 1, -1).astype(np.int32)
    ended, forgotten = _forgotten(run, frame["time"].to_numpy(), row, step, meshes // topics)
    slot = np.searchsorted(times, np.append(frame["time"].to_numpy(), ended), side="left")
    change = np.zeros((len(meshes), len(times) + 1), dtype=np.int32)
    np.add.at(change, (np.append(row, forgotten[:, 0]), slot), np.append(step, forgotten[:, 1]))
    return np.asarray(np.cumsum(change, axis=1, dtype=np.int32)[:, : len(times)])


def degree(run: Run) -> pd.Series:
    """Connections open at the end of the run, by node; only those whose opening was recorded."""
    step = run.connections["change"].map({"opened": 1, "closed": -1, "dial failed": 0}).astype(np.int32)
    nodes, row = np.unique(run.connections["node"].to_numpy(), return_inverse=True)
    _, forgotten = _forgotten(run, run.connections["time"].to_numpy(), row, step.to_numpy(), nodes)
    counts = np.zeros(len(nodes), dtype=np.int64)
    np.add.at(counts, np.append(row, forgotten[:, 0]), np.append(step, forgotten[:, 1]))
    return pd.Series(counts, nodes).reindex(run.nodes.index, fill_value=0).rename("connections")


def _forgotten(
    run: Run,
    times: Floats,
    rows: npt.NDArray[Any],
    steps: npt.NDArray[np.int32],
    node_of_row: npt.NDArray[Any],
) -> tuple[Floats, npt.NDArray[np.int32]]:
    """What counts of things that a node holds lose when it ends without a word: times, and (row, step) for each.

    `steps` change the count of `rows` at `times`, in order; each row is of one node.
    """
    ended: list[float] = []
    lost: list[tuple[int, int]] = []
    ends = run.presence[run.presence["change"] != "joined"]
    order = np.argsort(rows, kind="stable") if len(ends) else np.empty(0, dtype=np.int64)
    first = np.searchsorted(rows[order], np.arange(len(node_of_row) + 1))
    for node, own in ends.groupby("node"):
        for row in np.flatnonzero(node_of_row == node):
            mine = order[first[row] : first[row + 1]]
            held = np.concatenate([[0], np.cumsum(steps[mine])])
            forgotten = 0
            for end in own["time"]:
                count = int(held[np.searchsorted(times[mine], end, side="right")]) - forgotten
                forgotten += count
                if count != 0:
                    ended.append(end)
                    lost.append((int(row), -count))
    return np.array(ended), np.array(lost, dtype=np.int32).reshape(-1, 2)


def delivery_ratio_of_stayers(run: Run, stay: float) -> float:
    """Of the deliveries to nodes that stayed subscribed, and up, for `stay` s after the publication, the share that was
    made within that time; NaN if there were none to make.

    `Summary.delivery_ratio` also expects a message at nodes that go away before it can have come to them. Messages of
    the last `stay` s of the run are left out.
    """
    messages = run.messages[run.messages["time"] <= run.duration - stay]
    told = run.subscriptions.sort_values("time", kind="stable")
    expected = made = 0
    arrived = run.deliveries[run.deliveries["latency"] <= stay]
    for topic, published in messages.groupby("topic", observed=True):
        for node, own in told[told["topic"] == topic].groupby("node"):
            at = published["time"].to_numpy()
            last = np.searchsorted(own["time"].to_numpy(), at, side="right") - 1
            after = np.searchsorted(own["time"].to_numpy(), at + stay, side="right") - 1
            there = (last >= 0) & own["subscribed"].to_numpy()[last] & (last == after)
            there &= published["publisher"].to_numpy() != node
            expected += int(there.sum())
            got = arrived.loc[arrived["node"] == node, "message"].to_numpy()
            made += int(np.isin(published.index.to_numpy()[there], got).sum())
    return _ratio(made, expected)


# How people read numbers.


def show_seconds(value: float) -> str:
    """A time with three digits and its unit."""
    if np.isnan(value):
        return "–"
    for scale, unit in ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs")):
        if abs(value) >= scale:
            return f"{_three(value / scale)} {unit}"
    return "0 s" if value == 0 else f"{_three(value / 1e-9)} ns"


def show_bytes(value: float) -> str:
    """Bytes with three digits and a binary unit."""
    if np.isnan(value):
        return "–"
    for scale, unit in ((2.0**40, "TiB"), (2.0**30, "GiB"), (2.0**20, "MiB"), (2.0**10, "KiB")):
        if abs(value) >= scale:
            return f"{_three(value / scale)} {unit}"
    return f"{value:.0f} B"


def show_number(value: float) -> str:
    """A number with three digits, or all digits before the point."""
    return "–" if np.isnan(value) else _three(value)


def show_ratio(value: float) -> str:
    """A share in percent; 100 % only if it is exactly all."""
    if np.isnan(value):
        return "–"
    percent = value * 100
    if percent < 100 <= float(f"{percent:.3f}"):
        percent = 99.999
    return f"{percent:.3f}".rstrip("0").rstrip(".") + " %"


def _three(value: float) -> str:
    if abs(value) >= 99.95:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 9.995 else f"{value:.2f}"


def _ratio(part: float, whole: Any) -> float:
    return float(part) / float(whole) if whole else float("nan")
