"""The report of a run: one self-contained HTML page that works offline, with figures and a map that plays propagation."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
import numpy as np
import numpy.typing as npt

from mesocosm.errors import ConfigError

from . import plots, statistics

if TYPE_CHECKING:
    from .load import Run

NODES_DRAWN = 4000  # on the map, at most; the page stays below a few MB
MESSAGES_DRAWN = 24
VALUES_DRAWN = 60_000  # nodes times messages
NEVER = 0xFFFFFFFF  # an arrival that did not happen, a sender that is not drawn


@dataclass(frozen=True)
class Drawn:
    """A figure as the page shows it."""

    title: str
    caption: str
    svg: str


def write_report(run: Run, path: str | Path) -> Path:
    """Write the report of a run and return its path. Raises ConfigError if the file cannot be written."""
    page = render(run)
    target = Path(path)
    try:
        target.write_text(page, encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot write {target}: {error.strerror or error}") from error
    return target


def render_page(template: str, **values: Any) -> str:
    """One of the package's templates, filled in."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(**values)


def render(run: Run) -> str:
    """The report as text."""
    summary = run.summary()
    return render_page(
        "report.html",
        run=run,
        about=run.provenance.get("about"),
        subtitle=_subtitle(run),
        status=_status(run),
        tiles=_tiles(summary),
        summary=[*summary.rows(), *statistics.attack_rows(run)],
        figures=_figures(run),
        map_data=_script_json(map_data(run)) if len(run.messages) and len(run.nodes) else None,
        events=[
            (f"{row.time:,.3f} s", row.name, row.detail)
            for row in run.events.head(200).itertuples(index=False)
        ],
        parameters=_flatten(run.parameters),
        provenance=_flatten(
            {
                key: value
                for key, value in run.provenance.items()
                if key not in ("parameters", "scenario", "about", "attacks")
            }
        ),
        file_name=run.path.name,
    )


def map_data(run: Run) -> dict[str, Any]:
    """What the map's script draws. Arrays are little-endian and base64: `at` (us after publication) and `from`
    (row of a node here), shape (messages, nodes), u32; `lat`, `lon` f32, degrees; `city` u16."""
    rows = _drawn_nodes(run)
    nodes = run.nodes.iloc[rows]
    row_of = np.full(int(run.nodes.index.max()) + 2, NEVER, dtype=np.uint32)
    row_of[nodes.index.to_numpy()] = np.arange(len(nodes))
    width = len(row_of)
    messages = _drawn_messages(run, len(nodes))
    arrivals = run.deliveries
    shown = []
    order = np.argsort(arrivals["message"].to_numpy(), kind="stable")
    bounds = np.searchsorted(arrivals["message"].to_numpy()[order], [messages, messages + 1])
    for place, message in enumerate(messages):
        part = arrivals.iloc[order[bounds[0][place] : bounds[1][place]]]
        known = part["node"].to_numpy() < width - 1
        row = row_of[np.where(known, part["node"], width - 1)]
        drawn = row != NEVER
        at = np.full(len(nodes), NEVER, dtype=np.uint32)
        sender = np.full(len(nodes), NEVER, dtype=np.uint32)
        at[row[drawn]] = np.clip(np.round(part["latency"].to_numpy()[drawn] * 1e6), 0, NEVER - 1)
        senders = part["from"].to_numpy()[drawn]
        sender[row[drawn]] = row_of[np.minimum(senders, width - 1)]
        facts = run.messages.loc[message]
        publisher = int(row_of[min(int(facts["publisher"]), width - 1)])
        shown.append(
            {
                "label": f"{message + 1}: {facts['topic']}, {statistics.show_bytes(float(facts['bytes']))}, at {facts['time']:,.3f} s",
                "publisher": publisher if publisher != NEVER else -1,
                "reached": len(part),
                "expected": int(facts["expected"]),
                "at": _base64(at),
                "from": _base64(sender),
            }
        )
    latitude, longitude = nodes["latitude"].to_numpy(np.float32), nodes["longitude"].to_numpy(np.float32)
    placed = bool(
        np.isfinite(latitude).any() and (np.ptp(latitude[np.isfinite(latitude)]) > 0 or len(nodes) == 1)
    )
    city = (
        nodes["city"]
        .astype(str)
        .str.cat(nodes["country"].astype(str), sep=", ")
        .str.strip(", ")
        .astype("category")
    )
    return {
        "total": len(run.nodes),
        "placed": placed,
        "lat": _base64(latitude),
        "lon": _base64(longitude),
        "city": _base64(city.cat.codes.to_numpy(np.uint16)),
        "cities": [str(name) for name in city.cat.categories],
        "node": [int(index) for index in nodes.index],
        "messages": shown,
        "land": world_outline() if placed else [],
    }


def world_outline() -> list[list[float]]:
    """Coastlines: rings of longitude, latitude, longitude, ... in degrees. Empty if the file is missing."""
    here = Path(__file__).resolve().parent
    for folder in (here.parent / "data", here.parent.parent / "data"):
        file = folder / "world_outline.json"
        if file.exists():
            rings: list[list[float]] = json.loads(file.read_text(encoding="utf-8"))["rings"]
            return rings
    return []


def _drawn_nodes(run: Run) -> npt.NDArray[np.int64]:
    """Rows of run.nodes: all, or an even sample that holds the publishers."""
    count = len(run.nodes)
    if count <= NODES_DRAWN:
        return np.arange(count)
    even = np.linspace(0, count - 1, NODES_DRAWN).astype(np.int64)
    publishers = run.nodes.index.get_indexer(
        run.messages["publisher"].iloc[_drawn_messages(run, NODES_DRAWN)]
    )
    return np.unique(np.concatenate([even, publishers[publishers >= 0]]))


def _drawn_messages(run: Run, nodes: int) -> npt.NDArray[np.int64]:
    count = min(len(run.messages), MESSAGES_DRAWN, max(3, VALUES_DRAWN // max(nodes, 1)))
    return np.unique(np.linspace(0, len(run.messages) - 1, count).astype(np.int64))


def _figures(run: Run) -> list[Drawn]:
    drawn = []
    for plot in plots.PLOTS:
        figure = plots.draw(plot, run)
        if figure is not None:
            drawn.append(Drawn(plot.title, plot.caption, plots.svg(figure, plot.name)))
    return drawn


def _subtitle(run: Run) -> str:
    provenance = run.provenance
    parts = [f"{len(run.nodes):,} nodes", f"{statistics.show_seconds(run.duration)} simulated"]
    if "backend" in provenance:
        parts.append(f"{provenance['backend']} backend")
    if "seed" in provenance:
        parts.append(f"seed {provenance['seed']}")
    return " · ".join(parts)


def _status(run: Run) -> str:
    known = {"complete": "", "interrupted": "Interrupted: this is what was recorded until then.",
             "running": "Not ended: this is what the file held when the report was made."}  # fmt: skip
    return known.get(run.ended, f"Ended early: {run.ended}")


def _tiles(summary: statistics.Summary) -> list[tuple[str, str, str]]:
    """(name, value, remark)."""
    return [
        ("Delivered", statistics.show_ratio(summary.delivery_ratio), f"{summary.delivered:,} of {summary.expected:,}"),
        ("Median latency", statistics.show_seconds(summary.latency_p50), f"p90 {statistics.show_seconds(summary.latency_p90)}"),
        ("p99 latency", statistics.show_seconds(summary.latency_p99), f"max {statistics.show_seconds(summary.latency_max)}"),
        ("Duplicates a delivery", statistics.show_number(summary.duplicates_per_delivery),
         f"{statistics.show_number(summary.duplicates_per_message)} a message"),
        ("Sent per node", statistics.show_bytes(summary.sent_per_node),
         f"received {statistics.show_bytes(summary.received_per_node)}"),
    ]  # fmt: skip


def _flatten(values: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for key, value in values.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{prefix}{key}.")
        elif isinstance(value, list):
            rows.append((prefix + key, " ".join(str(item) for item in value)))
        else:
            rows.append((prefix + key, "–" if value is None else str(value)))
    return rows


def _base64(values: npt.NDArray[Any]) -> str:
    little = values.astype(values.dtype.newbyteorder("<"), copy=False)
    return base64.b64encode(little.tobytes()).decode("ascii")


def _script_json(data: dict[str, Any]) -> str:
    """JSON that is safe between <script> tags."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
