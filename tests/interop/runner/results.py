"""What came of each cell, judged against what is expected: a file of JSON lines, a table, a list of failures."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from matrix import Cell, Combination, KnownFailure, Matrix


NOT_CONNECTED = "the two do not connect"  # why the tests behind a failed one of connecting fail

MOST_DOUBTFUL = 6  # more failures are no accident of one run


@dataclass(frozen=True)
class Outcome:
    """`failure` is why it failed, or None; `known` is how and why it has to fail, or None.

    `broken` says that a process died or a sanitizer found something; `before` is why it failed when it ran first.
    """

    cell: Cell
    seconds: float
    failure: str | None
    known: KnownFailure | None
    logs: Path
    broken: bool = False
    before: str | None = None

    @property
    def right(self) -> bool:
        if self.failure is None or self.known is None:
            return self.failure is None and self.known is None
        return self.known.failure in self.failure

    @property
    def word(self) -> str:
        if self.failure is None and self.before is not None:
            return "again"
        if self.failure is None:
            return "ok" if self.right else "PASSES"
        return "known" if self.right else "FAIL"

    def line(self) -> str:
        row = self.cell.combination
        return json.dumps(
            {
                "dialer": row.dialer,
                "listener": row.listener,
                "transport": row.transport,
                "security": row.security,
                "test": self.cell.test,
                "passed": self.failure is None,
                "right": self.right,
                "seconds": round(self.seconds, 3),
                "failure": self.failure,
                "known": None if self.known is None else self.known.reason,
                "before": self.before,
            }
        )


class Results:
    """Keeps outcomes, and writes each to the file at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.outcomes: dict[Cell, Outcome] = {}
        path.write_text("")

    def add(self, outcome: Outcome) -> None:
        first = self.outcomes.get(outcome.cell)
        if (first is None) != (outcome.before is None):
            raise RuntimeError(f"{outcome.cell} has two outcomes, or a second one alone")
        self.outcomes[outcome.cell] = outcome
        with self.path.open("a") as file:
            file.write(outcome.line() + "\n")

    def faults(self, wanted: Iterable[Cell]) -> list[str]:
        """Everything that is not as it should be, one line each; what only follows is counted."""
        faults = []
        unreachable = Counter[Combination]()
        for cell in wanted:
            outcome = self.outcomes.get(cell)
            if outcome is None:
                faults.append(f"{cell}: did not run")
            elif outcome.right:
                continue
            elif outcome.failure == NOT_CONNECTED:
                unreachable[cell.combination] += 1
            elif outcome.failure is not None:
                faults.append(f"{cell}: {outcome.failure}\n    logs: {outcome.logs}")
            elif outcome.known is not None:
                faults.append(
                    f"{cell}: passes, though expected.json says that it cannot: {outcome.known.reason}"
                )
        for row, count in unreachable.items():
            faults.append(f"{row}: {count} more tests, for {NOT_CONNECTED}")
        return faults

    def doubtful(self) -> list[Outcome]:
        """What failed, and may have failed for a machine that was too busy; nothing if that is much."""
        failed = [o for o in self.outcomes.values() if o.failure and not o.right and o.before is None]
        if sum(outcome.failure != NOT_CONNECTED for outcome in failed) > MOST_DOUBTFUL:
            return []
        return [outcome for outcome in failed if not outcome.broken]

    def second_thoughts(self) -> list[str]:
        """What passed only when it ran again, one line each."""
        again = [o for o in self.outcomes.values() if o.right and o.before is not None]
        return [f"{outcome.cell}: {outcome.before}" for outcome in again]

    def wrong(self) -> int:
        return sum(not outcome.right for outcome in self.outcomes.values())

    def known_reasons(self) -> dict[str, int]:
        """Why cells fail that are expected to, with the number of cells."""
        return dict(
            Counter(o.known.reason for o in self.outcomes.values() if o.known is not None and o.right)
        )


def rows_of(
    results: Results, matrix: Matrix, combinations: Iterable[Combination]
) -> tuple[list[str], list[list[str]]]:
    """The table's head and body."""
    tests = [*matrix.tests, *(test for test in matrix.mesh_tests if test not in matrix.tests)]
    body = []
    for row in combinations:
        outcomes = [results.outcomes.get(Cell(row, test)) for test in tests]
        if any(outcomes):
            body.append([str(row), *("" if outcome is None else outcome.word for outcome in outcomes)])
    used = [i for i in range(len(tests) + 1) if i == 0 or any(line[i] for line in body)]
    head = ["", *tests]
    return [head[i] for i in used], [[line[i] for i in used] for line in body]


STYLES = {"ok": "green", "again": "yellow", "FAIL": "bold red", "PASSES": "bold red", "known": "yellow"}


def print_table(head: list[str], body: list[list[str]]) -> None:
    """With rich where it is installed and somebody looks on, else plain."""
    if sys.stdout.isatty():
        try:
            from rich.console import Console
            from rich.table import Table
        except ImportError:
            pass
        else:
            table = Table(*head, box=None)
            for line in body:
                table.add_row(line[0], *(f"[{STYLES[word]}]{word}[/]" if word else "" for word in line[1:]))
            Console().print(table)
            return
    print(plain_table(head, body))


def plain_table(head: list[str], body: list[list[str]]) -> str:
    """Heads of two words take two lines, so that the columns stay narrow."""
    tops = [first if rest else "" for first, _, rest in (word.partition(" ") for word in head)]
    bottoms = [rest or first for first, _, rest in (word.partition(" ") for word in head)]
    lines = [tops, bottoms, *body]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths)).rstrip() for line in lines
    )
