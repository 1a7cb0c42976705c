"""How a terminal shows a run: a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import IO

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from .statistics import Summary


def print_summary(summary: Summary, title: str = "", file: IO[str] | None = None) -> None:
    """Print a summary as a table; without colours when `file` (standard output) is not a terminal."""
    print_rows(summary.rows(), title, file)


def print_rows(rows: Iterable[tuple[str, str]], title: str = "", file: IO[str] | None = None) -> None:
    """Print (name, value) rows as a table, values to the right."""
    console = Console(file=file, highlight=False)
    table = Table(
        title=escape(title) or None,
        title_justify="left",
        title_style="bold",
        box=box.ROUNDED,
        show_header=False,
    )
    table.add_column(style="cyan", no_wrap=True)
    table.add_column(justify="right", overflow="fold")
    for name, value in rows:
        table.add_row(escape(name), escape(value))
    console.print(table)


def print_table(rows: Sequence[tuple[str, ...]], title: str = "", file: IO[str] | None = None) -> None:
    """Print a table whose first row is its heading; values to the right."""
    console = Console(file=file, highlight=False)
    table = Table(title=escape(title) or None, title_justify="left", title_style="bold", box=box.ROUNDED)
    for number, heading in enumerate(rows[0]):
        table.add_column(escape(heading), justify="right" if number else "left", overflow="fold")
    for row in rows[1:]:
        table.add_row(*map(escape, row))
    console.print(table)
