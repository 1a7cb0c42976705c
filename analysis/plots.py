"""Figures of a run. Each function returns a matplotlib Figure, or None if the run recorded nothing to show."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from . import statistics

if TYPE_CHECKING:
    from .load import Run

# Okabe and Ito's colours, which people with any colour vision tell apart, led by a blue for "the" line.
COLORS = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A7A7A"]
INK, QUIET, GRID = "#1c2733", "#5b6773", "#e3e7eb"

STYLE = {
    "figure.figsize": (6.4, 3.5),
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.facecolor": "none",
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.edgecolor": QUIET,
    "axes.labelcolor": QUIET,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": matplotlib.cycler(color=COLORS),
    "grid.color": GRID,
    "grid.linewidth": 0.8,
    "xtick.color": QUIET,
    "ytick.color": QUIET,
    "xtick.major.size": 3,
    "ytick.major.size": 0,
    "legend.frameon": False,
    "lines.linewidth": 2,
    "lines.solid_capstyle": "round",
    "svg.fonttype": "none",
}


@dataclass(frozen=True)
class Plot:
    """A kind of figure: what it is called, what one sees in it, and how it is drawn."""

    name: str
    title: str
    caption: str
    draw: Callable[[Run], Figure | None]


def latency_cdf(run: Run) -> Figure | None:
    """The share of deliveries made within a time, with the percentiles of the summary."""
    latency = np.sort(run.deliveries["latency"].to_numpy())
    if len(latency) == 0:
        return None
    figure, axes = _figure()
    scale, unit = _time_unit(float(latency[-1]))
    share = np.unique(np.concatenate([np.linspace(0, 1, 401), np.linspace(0.99, 1, 101)]))
    rank = np.clip(np.ceil(share * len(latency)).astype(int) - 1, 0, None)
    axes.step(np.append(0, latency[rank]) / scale, np.append(0, share), where="post", color=COLORS[0])
    right = float(latency[-1]) / scale
    for q, color in ((50, COLORS[2]), (90, COLORS[4]), (99, COLORS[1])):
        value = statistics.percentile(latency, q)
        axes.plot([value / scale] * 2, [0, q / 100], color=color, linewidth=1, linestyle=(0, (3, 2)))
        axes.plot([value / scale], [q / 100], "o", color=color, markersize=5)
        beside = value / scale > 0.3 * right  # above and left of the curve is free
        axes.annotate(
            f"p{q}  {statistics.show_seconds(value)}",
            (value / scale, q / 100),
            xytext=(-9 if beside else 9, 3 if q == 99 else 0 if beside else -6),
            textcoords="offset points",
            ha="right" if beside else "left",
            va="center",
            color=INK,
        )
    axes.set(
        xlabel=f"time since publication ({unit})", ylabel="deliveries", xlim=(0, right * 1.03), ylim=(0, 1.04)
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    return figure


def propagation(run: Run) -> Figure | None:
    """The share of subscribers that have a message, against the time since its publication."""
    latency = run.deliveries["latency"].to_numpy()
    if len(latency) == 0:
        return None
    figure, axes = _figure()
    longest = float(latency.max())
    scale, unit = _time_unit(longest)
    times = np.linspace(0, longest * 1.02, 200)
    share = statistics.propagation(run, times)
    share = share[~np.isnan(share).any(axis=1)]
    if len(share) == 0:
        return None
    for row in share[np.unique(np.linspace(0, len(share) - 1, min(len(share), 40)).astype(int))]:
        axes.plot(times / scale, row, color=COLORS[0], alpha=0.22, linewidth=0.9)
    axes.plot(times / scale, np.median(share, axis=0), color=COLORS[1], label="median of messages")
    axes.plot([], [], color=COLORS[0], alpha=0.5, linewidth=0.9, label="one message")
    axes.set(xlabel=f"time since publication ({unit})", ylabel="subscribers reached", ylim=(0, 1.04))
    axes.set_xlim(0, times[-1] / scale)
    axes.yaxis.set_major_formatter(PercentFormatter(1))
    axes.legend(loc="lower right")
    return figure


def duplicates(run: Run) -> Figure | None:
    """Copies of each message beyond the first, a receiving node."""
    counts = statistics.duplicates_by_message(run).to_numpy().astype(float)
    received = np.bincount(run.deliveries["message"].to_numpy(), minlength=len(counts))[: len(counts)]
    if counts.sum() == 0:
        return None
    figure, axes = _figure()
    each = np.divide(counts, received, out=np.zeros_like(counts), where=received > 0)
    if len(each) <= 120:
        axes.bar(np.arange(1, len(each) + 1), each, color=COLORS[5], width=0.72)
        axes.set(xlabel="message, in the order of publication", ylabel="duplicates per delivery")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="x", visible=False)
        mean = counts.sum() / max(received.sum(), 1)
        axes.axhline(mean, color=COLORS[1], linewidth=1.5, label=f"mean  {statistics.show_number(mean)}")
        axes.set_ylim(0, each.max() * 1.25)
        axes.legend(loc="upper right")
    else:
        axes.hist(each, bins=40, color=COLORS[5])
        axes.set(xlabel="duplicates per delivery", ylabel="messages")
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    return figure


def bandwidth(run: Run) -> Figure | None:
    """What a node sends by protocol, over time."""
    table = statistics.bandwidth(run)
    if len(table) < 2:
        return None
    figure, axes = _figure()
    rate = table * 8 / max(len(run.nodes), 1)
    order = rate.sum().sort_values(ascending=False).index
    shown = [rate[name].to_numpy() for name in order[:5]]
    labels = [str(name) for name in order[:5]]
    if len(order) > 5:
        shown.append(rate[order[5:]].sum(axis=1).to_numpy())
        labels.append(f"{len(order) - 5} others")
    scale, unit = _rate_unit(float(np.sum(shown, axis=0).max()))
    time = table.index.to_numpy()
    axes.stackplot(
        np.append(0, time) if time[0] > 0 else time,
        *[np.append(row[0], row) / scale if time[0] > 0 else row / scale for row in shown],
        labels=labels,
        colors=COLORS,
        step="pre",
        alpha=0.85,
        linewidth=0,
    )
    axes.set(xlabel="simulated time (s)", ylabel=f"sent per node ({unit})", xlim=(0, time[-1]))
    axes.set_ylim(0, float(np.sum(shown, axis=0).max()) / scale * 1.25)
    axes.legend(loc="upper right", ncol=2, fontsize=9)
    return figure


def bytes_per_node(run: Run) -> Figure | None:
    """How unequally the nodes send and receive."""
    total = statistics.bytes_by_node(run)
    if total.empty or len(run.nodes) < 2:
        return None
    by_node = total.groupby("node").sum().reindex(run.nodes.index, fill_value=0)
    figure, axes = _figure()
    largest = float(by_node.to_numpy().max())
    scale, unit = next(
        ((s, u) for s, u in ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB")) if largest >= s), (1, "B")
    )
    bins = list(np.linspace(0, max(largest, 1) / scale, 41))
    for column, label, color in (("out_bytes", "sent", COLORS[0]), ("in_bytes", "received", COLORS[1])):
        values = by_node[column].to_numpy() / scale
        axes.hist(values, bins=bins, histtype="stepfilled", alpha=0.25, color=color)
        axes.hist(values, bins=bins, histtype="step", linewidth=1.6, color=color, label=label)
    axes.set(xlabel=f"bytes of one node in the whole run ({unit})", ylabel="nodes", xlim=(0, bins[-1]))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right")
    return figure


def mesh_degree(run: Run) -> Figure | None:
    """How many mesh peers the nodes have, over time."""
    if run.mesh.empty:
        return None
    end = max(run.duration, float(run.mesh["time"].max()))
    times = np.linspace(0, end, 181)
    degree = statistics.mesh_degree(run, times)
    figure, axes = _figure()
    low, p10, p50, p90, high = np.percentile(degree, [0, 10, 50, 90, 100], axis=0, method="inverted_cdf")
    axes.fill_between(
        times, low, high, color=COLORS[0], alpha=0.12, linewidth=0, step="post", label="all nodes"
    )
    axes.fill_between(
        times, p10, p90, color=COLORS[0], alpha=0.3, linewidth=0, step="post", label="p10 to p90"
    )
    axes.step(times, p50, where="post", color=COLORS[0], label="median")
    axes.set(xlabel="simulated time (s)", ylabel="mesh peers of a node", xlim=(0, end))
    axes.set_ylim(0, float(high.max()) * 1.3 + 1)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(loc="upper right", ncol=3)
    return figure


PLOTS = [
    Plot(
        "latency",
        "Latency",
        "How many of all deliveries were made within a time of publication.",
        latency_cdf,
    ),
    Plot(
        "propagation",
        "Propagation",
        "How fast each message reaches the subscribers of its topic.",
        propagation,
    ),
    Plot(
        "duplicates", "Duplicates", "Copies of a message that a node was sent after it had one.", duplicates
    ),
    Plot("mesh", "Mesh degree", "How many peers the nodes keep in their gossip mesh.", mesh_degree),
    Plot("bandwidth", "Bandwidth by protocol", "What a node sends, averaged over all nodes.", bandwidth),
    Plot("bytes", "Bytes by node", "How the traffic is shared between the nodes.", bytes_per_node),
]


def draw(plot: Plot, run: Run) -> Figure | None:
    """Draw one of PLOTS in this package's style, whatever the user's own matplotlib settings are."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        return plot.draw(run)


def svg(figure: Figure, name: str) -> str:
    """A figure as an <svg> element to put into a page; `name` keeps its ids apart from other figures'."""
    text = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
        figure.savefig(
            text, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight", pad_inches=0.05
        )
    markup = text.getvalue()
    markup = markup[markup.index("<svg") :]
    markup = re.sub(r"<metadata>.*?</metadata>", "", markup, flags=re.DOTALL)
    return re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", markup)


def _figure() -> tuple[Figure, Axes]:
    figure = Figure()
    return figure, figure.add_subplot()


def _time_unit(longest: float) -> tuple[float, str]:
    return (1.0, "s") if longest >= 2 else (1e-3, "ms")


def _rate_unit(largest: float) -> tuple[float, str]:
    return next(
        ((s, u) for s, u in ((1e9, "Gbit/s"), (1e6, "Mbit/s"), (1e3, "kbit/s")) if largest >= s),
        (1.0, "bit/s"),
    )
