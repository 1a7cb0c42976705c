"""Opening the record of a run (docs/record-schema.md) as pandas DataFrames."""

from __future__ import annotations

import json
import re
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
import pandas as pd

from mesocosm.errors import ConfigError

if TYPE_CHECKING:
    from .statistics import Summary

SCHEMA_VERSION = 1  # the newest that this module reads
UNKNOWN_NODE = 0xFFFFFFFF  # a peer that is not a node of the run

_CHANGES = ["closed", "opened", "dial failed"]
_PRESENCE = ["left", "joined", "crashed", "restarted"]
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_DIRECTIONS = {0: "inbound", 1: "outbound"}


def load(path: str | Path) -> Run:
    """Open the record of a run.

    Nothing but the attributes is read until a table is asked for. The file may still be written, or come from a
    process that was killed: then what is on disk is what there is, and `run.ended` is "running".

    Raises ConfigError if there is no such file, or it is not the record of a run, or it is newer than this program.
    """
    return Run(path)


class Run:
    """The record of one run. Each table is read when it is first used, and kept.

    Times and latencies are float64 seconds since the start of the run; columns `node`, `from`, `peer` and
    `publisher` are values of `nodes.index` (`UNKNOWN_NODE`: not a node of the run), and `message` of `messages.index`.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with self._open() as file:
            attributes = {name: _text(value) for name, value in file.attrs.items()}
            self._tables = set(file)
        if attributes.get("format") != "mesocosm-run":
            raise ConfigError(f"not the record of a mesocosm run: {self.path}")
        self.schema_version = int(attributes.get("schema_version", "0"))
        if self.schema_version > SCHEMA_VERSION:
            raise ConfigError(
                f"{self.path} has schema version {self.schema_version}, newer than this program's {SCHEMA_VERSION}: "
                "update mesocosm to read it"
            )
        self.ended: str = attributes.get("ended", "running")
        """"complete", "interrupted", "running" (still, or killed), or the error that ended the recording."""
        self.fingerprint: str | None = attributes.get("fingerprint")
        """16 hexadecimal digits: same seed, same fingerprint."""
        self.attributes = attributes
        try:
            self.provenance: dict[str, Any] = json.loads(attributes.get("provenance") or "{}")
        except ValueError as error:
            raise ConfigError(f"damaged provenance in {self.path}: {error}") from error

    @property
    def parameters(self) -> dict[str, Any]:
        """The scenario's parameters."""
        return dict(self.provenance.get("parameters") or {})

    @property
    def title(self) -> str:
        """What the scenario calls itself, else the file's name."""
        return str(self.provenance.get("scenario") or self.path.stem)

    @property
    def complete(self) -> bool:
        """Whether the run came to its planned end."""
        return self.ended == "complete"

    @cached_property
    def duration(self) -> float:
        """Simulated time of the run, s (for a run that did not end: of its last record)."""
        if "simulated_ns" in self.attributes:
            return int(self.attributes["simulated_ns"]) * 1e-9
        tables = [self.messages, self.deliveries, self.bytes, self.connections, self.subscriptions]
        return max((float(table["time"].max()) for table in tables if len(table)), default=0.0)

    @cached_property
    def nodes(self) -> pd.DataFrame:
        """One row a node, indexed by node: peer_id, country, city, region, asn, address, latitude and longitude (degrees),
        hosting, up and down (bit/s), last_mile (s, one way), joined (s), attack (whose adversary it is, as in `attacks`;
        0: nobody's)."""
        frame = self._read("nodes")
        frame["joined"] = _seconds(frame.pop("joined_ns"))
        frame["last_mile"] = _seconds(frame.pop("last_mile_ns"))
        frame = frame.rename(columns={"up_bps": "up", "down_bps": "down", "index": "node"})
        for column in {"country", "city", "region", "hosting"} & set(frame):
            frame[column] = frame[column].astype("category")
        columns = [
            "peer_id",
            "country",
            "city",
            "region",
            "asn",
            "address",
            "latitude",
            "longitude",
            "hosting",
            "up",
            "down",
            "last_mile",
            "joined",
        ]
        known = frame.set_index("node")[
            [column for column in columns if column in frame]
        ]  # older ones lack some
        known["attack"] = 0
        for number, attack in enumerate(self.provenance.get("attacks") or [], 1):
            first = attack["first_node"]
            known.loc[first : first + attack["nodes"] - 1, "attack"] = number if attack["nodes"] else 0
        return known

    @cached_property
    def topics(self) -> list[str]:
        """The topics' names."""
        return self._names("topics")

    @cached_property
    def messages(self) -> pd.DataFrame:
        """One row a message, in the order of publication: id (u64), topic, publisher (node), time (s), bytes
        (payload), expected (deliveries that its topic's subscriptions ask for)."""
        frame = self._timed("messages")
        frame["topic"] = self._categories(frame["topic"], "topics")
        frame.index.name = "message"
        return frame[["id", "topic", "publisher", "time", "bytes", "expected"]]

    @cached_property
    def subscriptions(self) -> pd.DataFrame:
        """Nodes that joined or left a topic: time (s), node, topic, subscribed (bool)."""
        frame = self._timed("subscriptions")
        frame["topic"] = self._categories(frame["topic"], "topics")
        frame["subscribed"] = frame["subscribed"].astype(bool)
        return frame

    @cached_property
    def presence(self) -> pd.DataFrame:
        """Nodes that were not there all the time: time (s), node, change ("left", "joined", "crashed", "restarted"),
        peer_id (as whom). Who is not here was there from `nodes.joined` to the end."""
        if "presence" not in self._tables:  # an older record
            return pd.DataFrame({"time": [], "node": [], "change": [], "peer_id": []})
        frame = self._timed("presence").drop(columns="peer_hash")
        frame["change"] = pd.Categorical.from_codes(frame["change"].to_numpy().astype(np.int8), _PRESENCE)
        return frame

    @cached_property
    def deliveries(self) -> pd.DataFrame:
        """First arrivals of a message at a node other than its publisher: message, node, from (node), time (s),
        latency (s since publication)."""
        return self._arrivals("deliveries")

    @cached_property
    def duplicates(self) -> pd.DataFrame:
        """Later arrivals of a message at a node: as `deliveries`."""
        return self._arrivals("duplicates")

    @cached_property
    def rejections(self) -> pd.DataFrame:
        """Messages that a node refused: as `deliveries`, and error (a number)."""
        return self._arrivals("rejections")

    @cached_property
    def connections(self) -> pd.DataFrame:
        """Connections as each end tells it: time (s), node, peer, change (opened, closed, dial failed),
        direction (inbound, outbound, or missing), error (a number)."""
        frame = self._timed("connections")
        frame["change"] = pd.Categorical.from_codes(frame["change"].to_numpy().astype(np.int8), _CHANGES)
        frame["direction"] = frame["direction"].map(_DIRECTIONS).astype("category")
        return frame

    @cached_property
    def mesh(self) -> pd.DataFrame:
        """Changes of the gossip mesh as each node sees its own: time (s), node, peer, topic, grafted (bool)."""
        frame = self._timed("mesh")
        frame["topic"] = self._categories(frame["topic"], "topics")
        frame["grafted"] = frame["grafted"].astype(bool)
        return frame

    @cached_property
    def bytes(self) -> pd.DataFrame:
        """Bytes in and out of a node by protocol, counted since the node started, sampled: time (s), node,
        protocol, in_bytes, out_bytes."""
        frame = self._timed("bytes")
        frame["protocol"] = self._categories(frame["protocol"], "protocols")
        return frame

    @cached_property
    def pings(self) -> pd.DataFrame:
        """Round trips that nodes measured: time (s), node, peer, rtt (s)."""
        frame = self._timed("pings")
        frame["rtt"] = _seconds(frame.pop("rtt_ns"))
        return frame

    @cached_property
    def events(self) -> pd.DataFrame:
        """What the scenario did to the world: time (s), name, detail."""
        return self._timed("events")

    @cached_property
    def attacks(self) -> pd.DataFrame:
        """One row an attack, indexed from 1, with what it cost its adversary: attack (its kind), begins and ends (s; missing:
        never), identities, addresses (different IP addresses), connections (of all its nodes, at most at a time),
        bytes_in and bytes_out (of all its nodes, on the wire), parameters (a dict)."""
        from .statistics import cost_of_attacks

        return cost_of_attacks(self)

    @cached_property
    def samples(self) -> pd.DataFrame:
        """World-wide series, one column a series, indexed by time (s)."""
        frame = self._timed("samples")
        frame["series"] = self._categories(frame["series"], "series").astype(str)
        return frame.pivot_table(index="time", columns="series", values="value", aggfunc="last")

    @cached_property
    def counters(self) -> pd.DataFrame:
        """Final counters: one row a node, one column a counter (0 where a node has none). Empty if the run did
        not end in order."""
        frame = self._read("counters")
        frame["counter"] = self._categories(frame["counter"], "counter_names").astype(str)
        table = frame.pivot_table(
            index="node", columns="counter", values="value", aggfunc="last", fill_value=0
        )
        table.columns.name = None
        return table if frame.empty else table.reindex(self.nodes.index, fill_value=0)

    def metrics(self, name: str | None = None) -> pd.DataFrame:
        """The metrics of all nodes together (docs/metrics.md) at each time that they were sampled: name, labels (as
        Prometheus writes them), time (s), value. A histogram has a row for each bucket (`..._bucket`, with those
        below it), its `..._sum` and its `..._count`.

        name  only this one, with a column for each label in place of name and labels; `le`, a bucket's upper bound,
              is a number
        """
        series, rows = self._metric_tables
        if name is not None:
            chosen = series.index[series["name"] == name]
            if chosen.empty:
                known = ", ".join(sorted(set(series["name"]))) or "none"
                raise ConfigError(f"{self.path} has no metric {name!r}; it has {known}")
            rows = rows[rows["series"].isin(chosen)]
        # Only changes are in the file: a series keeps its value until the next.
        rows = rows.drop_duplicates(["time", "series"], keep="last")
        table = rows.pivot(index="time", columns="series", values="value")
        table = table.reindex(self._metric_times).ffill()
        values = table.stack().rename("value").reset_index()
        about = series
        if name is not None:
            about = pd.DataFrame([_labels(text) for text in series.loc[chosen, "labels"]], chosen)
            if "le" in about:
                about["le"] = about["le"].astype(float)
        frame = values.join(about, on="series").drop(columns="series")
        order = ["name", "labels", "time"] if name is None else ["time", *about.columns]
        return frame[[*order, "value"]]

    @cached_property
    def _metric_tables(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        return self._read("metric_series"), self._timed("metrics")

    @cached_property
    def _metric_times(self) -> pd.Index:
        return pd.Index(np.unique(self._metric_tables[1]["time"]), name="time")

    def summary(self) -> Summary:
        """Delivery ratio, latency percentiles, duplicates and bytes: see `statistics.summarize`."""
        return self._summary

    @cached_property
    def _summary(self) -> Summary:
        from .statistics import summarize

        return summarize(self)

    def __repr__(self) -> str:
        return f"<Run {self.title!r}: {self.ended}, fingerprint {self.fingerprint or 'none'}, {self.path}>"

    def _repr_html_(self) -> str:
        from .notebook import run_html

        return run_html(self)

    # Reading.

    def _open(self) -> h5py.File:
        if not self.path.exists():
            raise ConfigError(f"no such file: {self.path}")
        if self.path.is_dir():
            raise ConfigError(f"a folder, not the record of a run: {self.path}")
        try:
            if not h5py.is_hdf5(self.path):
                self.path.open("rb").close()  # a file that cannot be opened says why
                raise ConfigError(f"not an HDF5 file: {self.path}")
            try:
                return h5py.File(self.path, "r")
            except OSError:  # still written, or left by a process that was killed
                return h5py.File(self.path, "r", swmr=True)
        except OSError as error:
            raise ConfigError(f"cannot read {self.path}: {error}") from error

    def _rows(self, table: str) -> np.ndarray[Any, Any]:
        if table not in self._tables:
            raise ConfigError(f"{self.path} has no table {table!r}")
        try:
            with self._open() as file:
                return np.asarray(file[table][:])
        except OSError as error:
            raise ConfigError(f"cannot read table {table!r} of {self.path}: {error}") from error

    def _read(self, table: str) -> pd.DataFrame:
        """A table as it is in the file, text decoded."""
        rows = self._rows(table)
        assert rows.dtype.names is not None
        return pd.DataFrame({name: _column(rows[name]) for name in rows.dtype.names})

    def _timed(self, table: str) -> pd.DataFrame:
        frame = self._read(table)
        frame.insert(0, "time", _seconds(frame.pop("time_ns")))
        return frame

    def _arrivals(self, table: str) -> pd.DataFrame:
        frame = self._read(table)
        time_ns = frame.pop("time_ns")
        published_ns = self._rows("messages")["time_ns"]
        frame.insert(3, "time", _seconds(time_ns))
        frame.insert(4, "latency", _seconds(time_ns - published_ns[frame["message"].to_numpy()]))
        return frame

    def _names(self, table: str) -> list[str]:
        return [str(name) for name in self._read(table)["name"]]

    def _categories(self, codes: pd.Series, table: str) -> pd.Categorical:
        return pd.Categorical.from_codes(codes.to_numpy().astype(np.int32), self._names(table))


def _labels(text: str) -> dict[str, str]:
    """Prometheus' labels, such as dir="inbound",transport="tcp"."""
    return {name: re.sub(r"\\(.)", _unescaped, value) for name, value in _LABEL.findall(text)}


def _unescaped(escape: re.Match[str]) -> str:
    return "\n" if escape[1] == "n" else escape[1]


def _seconds(nanoseconds: pd.Series) -> pd.Series:
    return nanoseconds.astype(np.int64) / 1e9


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _column(values: np.ndarray[Any, Any]) -> Any:
    """A column as an array of its own; text is decoded once for each distinct value."""
    if values.dtype.kind != "S":
        return np.ascontiguousarray(values)
    distinct, inverse = np.unique(values, return_inverse=True)
    decoded = np.array([_text(bytes(value)) for value in distinct], dtype=object)
    return decoded[inverse] if len(decoded) else np.array([], dtype=object)
