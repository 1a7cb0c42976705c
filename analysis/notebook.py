"""How a notebook shows a run: its summary as a table, and the latency figure."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from . import plots

if TYPE_CHECKING:
    from .load import Run
    from .statistics import Summary


def summary_html(summary: Summary) -> str:
    """A summary as an HTML table."""
    rows = "".join(
        f'<tr><th style="text-align:left">{escape(name)}</th><td style="text-align:right">{escape(value)}</td></tr>'
        for name, value in summary.rows()
    )
    return f"<table>{rows}</table>"


def run_html(run: Run) -> str:
    """A run as its title, its summary and its latency figure."""
    figure = plots.draw(plots.PLOTS[0], run)
    picture = f'<div style="width:480px">{plots.svg(figure, "latency")}</div>' if figure is not None else ""
    note = "" if run.complete else f" <em>({escape(run.ended)})</em>"
    return (
        f"<div><strong>{escape(run.title)}</strong>{note} <code>{escape(run.fingerprint or '')}</code>"
        f'<div style="display:flex;flex-wrap:wrap;gap:2em;align-items:center">{summary_html(run.summary())}{picture}</div></div>'
    )
