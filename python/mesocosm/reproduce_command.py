"""What `mesocosm reproduce` prints and how it exits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .errors import ConfigError
from .reproduce import (
    Outcome,
    Paper,
    find_paper,
    known_papers,
    reproduce,
    scoreboard,
    show,
    write_outcome,
)

_COLORS = {"pass": "green", "shown": "dim", "known miss": "yellow"}


def print_papers(keys: Sequence[str]) -> int:
    """The papers that there are, with their titles."""
    console = Console(highlight=False)
    table = Table(box=box.ROUNDED)
    for column in ("key", "values", "paper"):
        table.add_column(column, no_wrap=column == "key", justify="right" if column == "values" else "left")
    for paper in map(find_paper, keys or known_papers()):
        table.add_row(escape(paper.key), str(len(paper.values)), escape(f"{paper.title}. {paper.citation}"))
    console.print(table)
    return 0


def run(
    keys: Sequence[str], size: str, out: Path, processes: int | None, resume: bool, allow_known: bool
) -> int:
    """Runs them, writes the reports, prints the scoreboard; returns the exit code."""
    papers = [find_paper(key) for key in dict.fromkeys(keys or known_papers())]
    names = [paper.key for paper in papers]
    if len(set(names)) < len(names):
        raise ConfigError(f"reproduce: two papers are called {max(names, key=names.count)!r}")
    outcomes = reproduce(
        papers,
        size,
        processes=processes,
        keep=out / "cases",
        resume=resume,
        tell=lambda line: click.echo(line, err=True),
    )
    for outcome in outcomes:
        click.echo(f"report: {write_outcome(outcome, out)}")
    (out / "scoreboard.md").write_text(scoreboard(outcomes), encoding="utf-8")
    print_scoreboard(outcomes)
    wanted = [outcome.as_expected if allow_known else outcome.good for outcome in outcomes]
    return 0 if all(wanted) else 1


def print_scoreboard(outcomes: Sequence[Outcome]) -> None:
    """A table of each paper's values, and what it comes to in a line."""
    console = Console(highlight=False)
    for outcome in outcomes:
        console.print(_table(outcome))
    words = ("pass", "miss", "known miss", "unexpected pass", "shown")
    counts = {word: sum(outcome.count(word) for outcome in outcomes) for word in words}
    told = [f"{count} {word}" for word, count in counts.items() if count or word in ("pass", "miss")]
    broken = [outcome.paper.key for outcome in outcomes if outcome.error]
    if broken:
        told.append(f"did not run to the end: {', '.join(broken)}")
    console.print(f"{len(outcomes)} papers: {', '.join(told)}")


def _table(outcome: Outcome) -> Table:
    paper: Paper = outcome.paper
    table = Table(
        title=escape(f"{paper.key} ({outcome.size}): {paper.title}"),
        title_justify="left",
        title_style="bold",
        box=box.ROUNDED,
    )
    table.add_column("value", style="cyan")
    for column in ("published", "tolerance", "measured", "verdict"):
        table.add_column(column, justify="right")
    for verdict in outcome.verdicts:
        value, color = verdict.value, _COLORS.get(verdict.word, "bold red")
        table.add_row(
            escape(value.what),
            escape(value.expected),
            escape(value.tolerance),
            escape(show(verdict.measured, value.unit)),
            f"[{color}]{verdict.word}[/]",
        )
    if outcome.error:
        table.add_row(escape(outcome.error), "", "", "", "[bold red]error[/]")
    return table
