"""Published experiments, run again: what a paper measured beside what this simulator measures.

A paper is a folder, `scenarios/papers/KEY`, with three files:

    README.md       what the paper is, what was read in it, what was inferred
    published.toml  title, citation, setup, and the published values with their tolerances (see `Value`)
    scenario.py     how it is measured; these functions:

        def cases(size: str) -> dict[str, Any]:
            The worlds to run, by name, the longest first, with the parameters of each (anything that can be pickled).
            `size` is "quick" or "full". Cases run in processes of their own, as many at once as there are processors.
        def run(case: Any) -> Any:
            Builds one case's World from its parameters, runs it, and returns what is wanted of it (small: it is pickled).
        def measure(results: dict[str, Any]) -> dict[str, float]:
            The measured values from the cases' results, by the names in published.toml.
        def figures(results: dict[str, Any], published: dict[str, float]) -> Iterable[tuple[str, str, Figure]]:
            Optional: the paper's figures drawn from the results: title, caption, matplotlib figure.

`mesocosm reproduce` is the command; `reproduce` here is the same for Python.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import os
import pickle
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from functools import cache, cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import matplotlib
from matplotlib.figure import Figure

from . import _core
from .analysis import plots
from .analysis.report import Drawn, render_page
from .errors import ConfigError, RunError

SIZES = ("quick", "full")
HOW = ("read", "read off a figure", "derived")
_PAPERS = Path(__file__).parent / "papers"
_MAKES_RESULTS = (".py", ".so", ".csv", ".json")
_TOLERANCE = re.compile(r"([0-9.]+) ?(%|points)?")


@dataclass(frozen=True)
class Value:
    """A published value and how near a measured one must come.

    name       what scenario.py's `measure` calls it
    what       in words
    value      as published; None if the source only says an order ("less than"), then at_least or at_most hold
    source     where: a table, a figure, a section
    how        "read" (printed there), "read off a figure" (by eye), or "derived" (computed from what is printed)
    within     "5 %" of the value, or an absolute difference such as "4" or "4 points"; None: see at_least and at_most
    at_least, at_most   bounds that hold in place of `within`. Without any, the value is shown and not judged
    reason     why this tolerance, or why none
    unit       for people
    sizes      which sizes measure it
    known_miss by size: what was tried, for a miss that is known and stays
    """

    name: str
    what: str
    source: str
    how: str
    reason: str
    value: float | None = None
    within: str | None = None
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    sizes: tuple[str, ...] = SIZES
    known_miss: dict[str, str] = field(default_factory=dict)

    @property
    def judged(self) -> bool:
        return self.within is not None or self.at_least is not None or self.at_most is not None

    @property
    def bounds(self) -> tuple[float, float]:
        """The least and the most that a measured value may be."""
        low = -math.inf if self.at_least is None else self.at_least
        high = math.inf if self.at_most is None else self.at_most
        if self.within is not None and self.value is not None:
            parsed = _TOLERANCE.fullmatch(self.within)
            assert parsed is not None
            off = float(parsed[1]) * (abs(self.value) / 100 if parsed[2] == "%" else 1)
            low, high = max(low, self.value - off), min(high, self.value + off)
        return low, high

    @property
    def expected(self) -> str:
        """The published value, for people."""
        return self._limits if self.value is None else show(self.value, self.unit)

    @property
    def _limits(self) -> str:
        parts = [f"at least {show(self.at_least, self.unit)}"] if self.at_least is not None else []
        parts += [f"at most {show(self.at_most, self.unit)}"] if self.at_most is not None else []
        return ", ".join(parts)

    @property
    def tolerance(self) -> str:
        if self.within is not None:
            return f"± {self.within}"
        if not self.judged:
            return "shown only"
        return "" if self.value is None else self._limits


@dataclass(frozen=True)
class Verdict:
    """What came out for a value: "pass", "miss", "known miss" (published.toml says what was tried), "shown" (not judged),
    or "unexpected pass" (published.toml still calls it a miss, and must be mended)."""

    value: Value
    measured: float
    word: str


@dataclass(frozen=True)
class Paper:
    """One folder of `scenarios/papers`, read and checked."""

    folder: Path
    title: str
    citation: str
    setup: str
    about: str
    values: tuple[Value, ...]

    @property
    def key(self) -> str:
        return self.folder.name

    @cached_property
    def scenario(self) -> ModuleType:
        """scenario.py, loaded."""
        return load_scenario(self.folder)

    def judge(self, measured: dict[str, float], size: str) -> list[Verdict]:
        """Raises ConfigError if what was measured is not what published.toml names."""
        wanted = [value for value in self.values if size in value.sizes]
        missing = [value.name for value in wanted if value.name not in measured]
        unknown = sorted(set(measured) - {value.name for value in self.values})
        if missing or unknown:
            raise ConfigError(
                f"{self.key}: measure() and published.toml do not agree: "
                + "; ".join(
                    [f"not measured: {', '.join(missing)}"] * bool(missing)
                    + [f"not published: {', '.join(unknown)}"] * bool(unknown)
                )
            )
        return [_judge(value, float(measured[value.name]), size) for value in wanted]


@dataclass(frozen=True)
class Outcome:
    """A paper's reproduction: its verdicts, or the error that ended it."""

    paper: Paper
    size: str
    verdicts: list[Verdict]
    seconds: float  # of processor time, all cases together
    error: str = ""
    results: dict[str, Any] = field(default_factory=dict)

    def count(self, word: str) -> int:
        return sum(verdict.word == word for verdict in self.verdicts)

    @property
    def good(self) -> bool:
        """Whether nothing missed, known or not."""
        return not self.error and all(verdict.word in ("pass", "shown") for verdict in self.verdicts)

    @property
    def as_expected(self) -> bool:
        """Whether nothing missed but what published.toml explains."""
        return not self.error and all(
            verdict.word in ("pass", "shown", "known miss") for verdict in self.verdicts
        )


def papers_folder() -> Path:
    """Where the papers are: beside this file, installed or linked to the working tree's `scenarios/papers`."""
    return _PAPERS


def known_papers() -> list[str]:
    """The keys of all papers."""
    folder = papers_folder()
    return sorted(item.parent.name for item in folder.glob("*/published.toml"))


def find_paper(name: str) -> Paper:
    """A paper by its key, or by its folder if that is of one's own. Raises ConfigError."""
    folder = papers_folder() / name
    if name not in known_papers():
        folder = Path(name)
        if not (folder / "published.toml").is_file():
            raise ConfigError(
                f"reproduce: there is no paper {name!r}; there are: {', '.join(known_papers())}"
                " (or give a folder that has a published.toml)"
            )
    return read_paper(folder)


def read_paper(folder: Path) -> Paper:
    """Reads and checks a paper's published.toml. Raises ConfigError."""
    file = folder / "published.toml"
    try:
        table = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {error}") from None
    rows = table.pop("value", [])
    for name in ("title", "citation", "setup", "about"):
        if not isinstance(table.get(name), str) or not table[name].strip():
            raise ConfigError(f"{file}: {name} must be given, as text")
    unknown = set(table) - {"title", "citation", "setup", "about"}
    if unknown or not rows:
        raise ConfigError(
            f"{file}: {'no [[value]]' if not rows else 'unknown: ' + ', '.join(sorted(unknown))}"
        )
    values = tuple(_read_value(row, f"{file}: value {i + 1}") for i, row in enumerate(rows))
    names = [value.name for value in values]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigError(f"{file}: given twice: {', '.join(twice)}")
    return Paper(folder, **table, values=values)


def reproduce(
    papers: Sequence[Paper],
    size: str = "quick",
    *,
    processes: int | None = None,
    keep: Path | None = None,
    resume: bool = False,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Outcome]:
    """Runs papers, all their cases side by side, and judges each.

    size       "quick" (minutes for all of them) or "full" (as published)
    processes  how many run at once; None: as many as there are processors
    keep       a folder in which each case's result is kept as soon as it is there
    resume     whether to take from `keep` what the same code found for the same case before
    tell       is called with a line whenever a case ends
    """
    if size not in SIZES:
        raise ConfigError(f"reproduce: size must be one of {', '.join(SIZES)}, not {size!r}")
    ends: dict[str, dict[str, tuple[Any, float]]] = {paper.key: {} for paper in papers}
    errors: dict[str, str] = {}
    with ThreadPoolExecutor(processes or len(os.sched_getaffinity(0))) as pool:
        pending: dict[Future[tuple[Any, float]], tuple[Paper, str]] = {}
        for paper in papers:
            for name, case in paper.scenario.cases(size).items():
                kept = keep / _kept_name(paper, name, case) if keep is not None else None
                if resume and kept is not None and (earlier := _read_kept(kept)) is not None:
                    ends[paper.key][name] = earlier
                    tell(f"{paper.key}: {name} was run before")
                else:
                    pending[pool.submit(_run_case, paper.folder, case, kept)] = (paper, name)
        for done in as_completed(pending):
            paper, name = pending[done]
            try:
                ends[paper.key][name] = done.result()
                tell(f"{paper.key}: {name} took {ends[paper.key][name][1]:,.0f} s")
            except Exception as error:  # one paper's fault does not lose the others' results
                errors.setdefault(paper.key, f"case {name}: {error}")
                tell(f"{paper.key}: {name} failed: {error}")
    return [_conclude(paper, size, ends[paper.key], errors.get(paper.key, "")) for paper in papers]


def write_outcome(outcome: Outcome, folder: Path) -> Path:
    """Writes KEY.html, the report, and KEY.json, the figures, into a folder; returns the page's path."""
    page = folder / f"{outcome.paper.key}.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        page.write_text(_render(outcome), encoding="utf-8")
        (folder / f"{outcome.paper.key}.json").write_text(
            json.dumps(_as_json(outcome), indent=1) + "\n", encoding="utf-8"
        )
    except OSError as error:
        raise ConfigError(f"cannot write to {folder}: {error.strerror or error}") from error
    return page


def scoreboard(outcomes: Iterable[Outcome]) -> str:
    """All verdicts as one Markdown table, for documents."""
    lines = [
        "| paper | what | published | tolerance | measured | |",
        "|---|---|---:|---|---:|---|",
    ]
    for outcome in outcomes:
        for verdict in outcome.verdicts:
            value = verdict.value
            cells = [outcome.paper.key, value.what, value.expected, value.tolerance]
            cells += [show(verdict.measured, value.unit), verdict.word]
            lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        if outcome.error:
            lines.append(f"| {outcome.paper.key} | {outcome.error} | | | | error |")
    return "\n".join(lines) + "\n"


def show(value: float | None, unit: str = "") -> str:
    """A number as people read it: at most four significant digits below 10,000, whole above."""
    if value is None or math.isnan(value):
        return "–"
    text = f"{value:,.0f}" if abs(value) >= 10_000 or value == int(value) else f"{value:,.4g}"
    return f"{text} {unit}".rstrip()


def figure() -> Figure:
    """An empty figure for a scenario's `figures` to draw on."""
    return Figure()


# --- inside ----------------------------------------------------------------------------------------------------------


def _read_value(row: dict[str, Any], where: str) -> Value:
    known = set(Value.__dataclass_fields__)
    unknown = sorted(set(row) - known)
    if unknown:
        raise ConfigError(f"{where}: unknown: {', '.join(unknown)}")
    for name in ("name", "what", "source", "how", "reason"):
        if not isinstance(row.get(name), str) or not row[name].strip():
            raise ConfigError(f"{where}: {name} must be given, as text")
    if row["how"] not in HOW:
        raise ConfigError(f"{where}: how must be one of {', '.join(HOW)}, not {row['how']!r}")
    for name in ("value", "at_least", "at_most"):
        if name in row and (not isinstance(row[name], (int, float)) or isinstance(row[name], bool)):
            raise ConfigError(f"{where}: {name} must be a number, not {row[name]!r}")
    within = row.get("within")
    if within is not None and (not isinstance(within, str) or not _TOLERANCE.fullmatch(within)):
        raise ConfigError(f'{where}: within must be such as "5 %", "4 points" or "0.1", not {within!r}')
    if within is not None and "value" not in row:
        raise ConfigError(f"{where}: within needs a value")
    if not {"value", "at_least", "at_most"} & set(row):
        raise ConfigError(f"{where}: a value, at_least or at_most must be given")
    sizes = tuple(row.get("sizes", SIZES))
    if not sizes or set(sizes) - set(SIZES):
        raise ConfigError(f"{where}: sizes must be of {', '.join(SIZES)}, not {row['sizes']!r}")
    known_miss = row.get("known_miss", {})
    if not isinstance(known_miss, dict) or set(known_miss) - set(sizes):
        raise ConfigError(f"{where}: known_miss must say what was tried for each of its sizes")
    checked: dict[str, Any] = {**row, "sizes": sizes}
    return Value(**checked)


def _judge(value: Value, measured: float, size: str) -> Verdict:
    if not value.judged:
        return Verdict(value, measured, "shown")
    low, high = value.bounds
    inside = low <= measured <= high  # never true for NaN
    if size in value.known_miss:
        return Verdict(value, measured, "unexpected pass" if inside else "known miss")
    return Verdict(value, measured, "pass" if inside else "miss")


def load_scenario(folder: Path) -> ModuleType:
    """A paper's scenario.py. Raises ConfigError if it is not there, or lacks a function."""
    file = folder / "scenario.py"
    name = "mesocosm_paper_" + re.sub(r"\W", "_", folder.name)
    spec = importlib.util.spec_from_file_location(name, file)
    if not file.is_file() or spec is None or spec.loader is None:
        raise ConfigError(f"{folder}: there is no scenario.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    for function in ("cases", "run", "measure"):
        if not callable(getattr(module, function, None)):
            raise ConfigError(f"{file}: there is no function {function}()")
    return module


def _run_case(folder: Path, case: Any, keep: Path | None) -> tuple[Any, float]:
    """The result and the processor time. Not by multiprocessing, which would import the user's script again."""
    command = [sys.executable, "-m", "mesocosm.reproduce_case", str(folder.resolve())]
    done = subprocess.run(command, input=pickle.dumps(case), capture_output=True, check=False)
    if done.returncode != 0:
        lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise RunError(lines[-1] if lines else f"its process ended with {done.returncode}")
    if keep is not None:
        _keep(keep, done.stdout)
    result, seconds = pickle.loads(done.stdout)
    return result, seconds


def _keep(file: Path, content: bytes) -> None:
    """Whole or not at all, whenever the run is cut off."""
    beside = file.with_suffix(".part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
        beside.replace(file)
    except OSError as error:
        raise ConfigError(f"cannot write to {file.parent}: {error.strerror or error}") from error


def _read_kept(file: Path) -> tuple[Any, float] | None:
    try:
        result, seconds = pickle.loads(file.read_bytes())
    except (FileNotFoundError, EOFError, pickle.UnpicklingError):
        return None
    return result, seconds


def _kept_name(paper: Paper, name: str, case: Any) -> str:
    """Says which case, and by a digest with which parameters, scenario and simulator: another of these is another result."""
    scenario = (paper.folder / "scenario.py").read_bytes()
    digest = hashlib.sha256(repr((name, case)).encode() + scenario + _code_digest()).hexdigest()
    return f"{paper.key}-{re.sub(r'[^A-Za-z0-9]+', '-', name)}-{digest[:16]}.pickle"


@cache
def _code_digest() -> bytes:
    """Of the simulator: the compiled module, and the Python and the data beside it (in a working tree, behind links)."""
    package = _PAPERS.parent
    folders = [package, *(entry.resolve() for entry in package.iterdir() if entry.is_dir())]
    found = sorted(
        {file for folder in folders for file in folder.rglob("*") if file.suffix in _MAKES_RESULTS}
    )
    files = [file for file in found if _PAPERS.resolve() not in file.resolve().parents]
    digests = [hashlib.sha256(file.read_bytes()).digest() for file in files]
    return hashlib.sha256(b"".join(digests)).digest()


def _conclude(paper: Paper, size: str, ends: dict[str, tuple[Any, float]], error: str) -> Outcome:
    seconds = sum(end[1] for end in ends.values())
    order = paper.scenario.cases(size)  # whichever ended first
    results = {name: ends[name][0] for name in order if name in ends}
    if not error:
        try:
            verdicts = paper.judge(paper.scenario.measure(results), size)
            return Outcome(paper, size, verdicts, seconds, results=results)
        except Exception as fault:
            error = f"{type(fault).__name__}: {fault}"
    return Outcome(paper, size, [], seconds, error)


def _render(outcome: Outcome) -> str:
    paper = outcome.paper
    return render_page(
        "reproduction.html",
        paper=paper,
        outcome=outcome,
        rows=[
            (v.value, v.value.expected, v.value.tolerance, show(v.measured, v.value.unit), v.word)
            for v in outcome.verdicts
        ],
        known=[
            (v.value.what, v.value.known_miss[outcome.size])
            for v in outcome.verdicts
            if v.word == "known miss"
        ],
        figures=_draw(outcome),
        version=_core.__version__,
        show=show,
    )


def _draw(outcome: Outcome) -> list[Drawn]:
    draw = getattr(outcome.paper.scenario, "figures", None)
    if draw is None or outcome.error:
        return []
    published = {value.name: value.value for value in outcome.paper.values if value.value is not None}
    drawn = []
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(plots.STYLE)
        for i, (title, caption, picture) in enumerate(draw(outcome.results, published)):
            drawn.append(Drawn(title, caption, plots.svg(picture, f"{outcome.paper.key}-{i}")))
    return drawn


def _as_json(outcome: Outcome) -> dict[str, Any]:
    return {
        "paper": outcome.paper.key,
        "size": outcome.size,
        "processor_seconds": round(outcome.seconds, 1),
        "error": outcome.error,
        "values": [
            {
                "name": verdict.value.name,
                "published": verdict.value.value,
                "bounds": [bound if math.isfinite(bound) else None for bound in verdict.value.bounds],
                "measured": verdict.measured if math.isfinite(verdict.measured) else None,
                "verdict": verdict.word,
            }
            for verdict in outcome.verdicts
        ],
    }


__all__ = ["Outcome", "Paper", "Value", "Verdict", "find_paper", "known_papers", "read_paper", "reproduce"]
