"""What came of a race: as JSON, as a table for people, and as a Markdown document's tables."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from results import plain_table

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
MORE_IS_BETTER = ("MB/s", "messages/s", "deliveries/s")


@dataclass
class Figures:
    """One row: each implementation's samples."""

    unit: str
    samples: dict[str, list[float]] = field(default_factory=dict)

    def add(self, implementation: str, value: float) -> None:
        self.samples.setdefault(implementation, []).append(value)

    def value(self, implementation: str) -> float | None:
        samples = self.samples.get(implementation)
        return median(samples) if samples else None

    def best_other(self) -> tuple[str, float] | None:
        others = [(name, median(samples)) for name, samples in self.samples.items() if name != "ours"]
        if not others:
            return None
        choose = max if self.unit in MORE_IS_BETTER else min
        return choose(others, key=lambda other: other[1])

    def lead(self) -> float | None:
        """How many times better ours is than the best of the others; below 1 it is worse."""
        ours, best = self.value("ours"), self.best_other()
        if ours is None or best is None or min(ours, best[1]) <= 0:
            return None
        return ours / best[1] if self.unit in MORE_IS_BETTER else best[1] / ours


@dataclass
class Race:
    implementations: list[str]
    rounds: int
    rows: dict[str, Figures] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)
    versions: dict[str, str] = field(default_factory=dict)


def machine() -> str:
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return f"{len(os.sched_getaffinity(0))} cores of {model}, Linux {platform.release()}"


def head_and_body(race: Race) -> tuple[list[str], list[list[str]]]:
    head = ["", *race.implementations, "ours : best other"]
    body = []
    for name, figures in race.rows.items():
        lead, best = figures.lead(), figures.best_other()
        values = [figures.value(each) for each in race.implementations]
        told = "" if lead is None or best is None else f"{lead:.2f} ({best[0]})"
        unit = f", {figures.unit}" if figures.unit else ""
        body.append([name + unit, *("" if value is None else number(value) for value in values), told])
    return head, body


def number(value: float) -> str:
    """Three digits that count."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def behind(race: Race) -> list[str]:
    return [
        f"{name}: {lead:.2f}"
        for name, figures in race.rows.items()
        if (lead := figures.lead()) is not None and lead < 1 and not name.startswith("round trips")
    ]


def print_race(race: Race) -> None:
    print(plain_table(*head_and_body(race)))
    for failure in race.failures:
        print(f"failed: {failure}")
    lost = behind(race)
    print(f"behind the best of the others: {'; '.join(lost) if lost else 'on no row'}")


def write_json(path: Path, race: Race) -> None:
    document = {
        "date": datetime.date.today().isoformat(),
        "machine": machine(),
        "versions": race.versions,
        "rounds": race.rounds,
        "rows": {
            name: {
                "unit": figures.unit,
                "samples": figures.samples,
                "medians": {each: figures.value(each) for each in figures.samples},
                "lead": figures.lead(),
            }
            for name, figures in race.rows.items()
        },
        "failures": race.failures,
    }
    path.write_text(json.dumps(document, indent=1) + "\n")


def check_marks(path: Path) -> None:
    """Raises ValueError unless the document has the two marks between which tables are written."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no such document")
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{path}: the marks {BEGIN} and {END} are not there once each")


def write_markdown(path: Path, race: Race) -> None:
    """Replaces what stands between the two marks of the document."""
    check_marks(path)
    text = path.read_text()
    head, body = head_and_body(race)
    table = ["| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *body)]
    versions = ", ".join(f"{name} {version}" for name, version in race.versions.items())
    measured = [
        f"{datetime.date.today().isoformat()}, {machine()}; {versions}; medians of {race.rounds} rounds.",
        "",
        *table,
        *(f"\nFailed: {failure}" for failure in race.failures),
    ]
    block = f"{BEGIN}\n" + "\n".join(measured) + f"\n{END}"
    path.write_text(re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: block, text, flags=re.DOTALL))
