"""The agreement's table: for people on a terminal, and in a document."""

from __future__ import annotations

import datetime
import itertools
import platform
import re
from dataclasses import dataclass, field
from pathlib import Path

from scenarios import Bound, Samples

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
HEAD = [
    "",
    "runs",
    "flow: p50 / p90 / p99",
    "packet: p50 / p90 / p99",
    "flow - packet",
    "Linux p50",
    "flow, packet - Linux",
]
HEAD += ["bytes: flow, packet", "difference", "bound", ""]


@dataclass
class Row:
    """A case and what it came to on each tier."""

    section: str
    name: str
    bound: Bound
    tiers: dict[str, Samples] = field(default_factory=dict)

    def difference(self, q: float, of: str = "flow", to: str = "packet") -> float:
        """How much longer it took on one tier than on the other, as a share."""
        return self.tiers[of].percentile(q) / self.tiers[to].percentile(q) - 1

    @property
    def within(self) -> bool | None:
        """Whether flow is within its bounds of packet; None: there are none."""
        asked = [(self.bound.median, 50), (self.bound.p99, 99)]
        kept = [abs(self.difference(q)) <= most for most, q in asked if most is not None]
        if any(samples.lost for samples in self.tiers.values()):
            return False
        return all(kept) if kept else None

    def cells(self) -> list[str]:
        flow, packet = self.tiers["flow"], self.tiers["packet"]
        differences = [percent(self.difference(q)) for q in (50, 90, 99)]
        linux = self.tiers.get("linux")
        beside = (
            f"{percent(self.difference(50, 'flow', 'linux'))}, {percent(self.difference(50, 'packet', 'linux'))}"
            if linux
            else ""
        )
        bound = ", ".join(
            f"{name} {most:.0%}"
            for name, most in (("p50", self.bound.median), ("p99", self.bound.p99))
            if most is not None
        )
        lost = ", ".join(
            f"{tier}: {samples.lost} lost" for tier, samples in self.tiers.items() if samples.lost
        )
        verdict = {None: "", True: "within", False: "MISS"}[self.within] + (f" ({lost})" if lost else "")
        return [
            self.name,
            f"{len(flow.seconds):,}",
            spread(flow),
            spread(packet),
            differences[0] if len(set(differences)) == 1 else " / ".join(differences),
            milliseconds(linux.percentile(50)) if linux else "",
            beside,
            f"{flow.bytes:,.0f}, {packet.bytes:,.0f}",
            percent(flow.bytes / packet.bytes - 1),
            bound,
            verdict,
        ]


def spread(samples: Samples) -> str:
    values = [milliseconds(samples.percentile(q)) for q in (50, 90, 99)]
    return f"{values[0]} ms" if len(set(values)) == 1 else " / ".join(values) + " ms"


def milliseconds(seconds: float) -> str:
    return f"{seconds * 1e3:,.1f}"


def percent(share: float) -> str:
    return f"{share:+.1%}"


def print_rows(rows: list[Row]) -> None:
    for section, of_it in itertools.groupby(rows, lambda row: row.section):
        print(f"\n{section}")
        lines = [HEAD, *(row.cells() for row in of_it)]
        widths = [max(len(line[column]) for line in lines) for column in range(len(HEAD))]
        for line in lines:
            print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())
    missed = [f"{row.section}: {row.name}" for row in rows if row.within is False]
    asked = [row for row in rows if row.within is not None]
    print(f"\n{len(asked) - len(missed)} of {len(asked)} bounds held")
    for name in missed:
        print(f"missed: {name}")


def write_markdown(path: Path, rows: list[Row]) -> None:
    """Replaces what stands between the two marks of the document."""
    text = path.read_text()
    if text.count(BEGIN) != 1 or text.count(END) != 1:
        raise ValueError(f"{path}: the marks {BEGIN} and {END} are not there once each")
    asked = [row for row in rows if row.within is not None]
    kept = sum(row.within is True for row in asked)
    linux = f"; Linux {platform.release()}" if any("linux" in row.tiers for row in rows) else ""
    lines = [f"{datetime.date.today().isoformat()}{linux}. {kept} of {len(asked)} bounds held."]
    for section, of_it in itertools.groupby(rows, lambda row: row.section):
        lines += ["", f"### {section}", ""]
        lines += [
            "| " + " | ".join(line) + " |"
            for line in (HEAD, ["---"] * len(HEAD), *(row.cells() for row in of_it))
        ]
    block = f"{BEGIN}\n" + "\n".join(lines) + f"\n{END}"
    path.write_text(re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: block, text, flags=re.DOTALL))
