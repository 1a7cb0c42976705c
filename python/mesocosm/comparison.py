"""Variants beside each other: the same scenario for each variant and seed, in several processes; a table and a plot."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from rich.console import Console
from rich.progress import track
from scipy import stats

from .analysis import Run
from .analysis.statistics import Summary
from .errors import ConfigError
from .pubsub import PubSub
from .units import Duration
from .variant import Variant, variant_name
from .world import World

Named = str | type[Variant] | Variant | PubSub
MEASURES = ("delivery_ratio", "latency_p50", "latency_p99", "duplicates_per_delivery", "received_per_node")
"""What a table and a plot show, unless they are told otherwise; any number of `Summary` can be shown."""
_CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """What came of it.

    runs      a row a run: variant, seed, every number of its summary, what `measure` added, fingerprint
    measures  which of them the table and the plot show
    """

    runs: pd.DataFrame
    measures: tuple[str, ...]

    @property
    def table(self) -> pd.DataFrame:
        """A row a variant: the mean of each measure over the seeds, and the half-width of its 95 % confidence interval
        (Student's t; NaN for one seed)."""
        return self._over_seeds(self.runs)

    @property
    def differences(self) -> pd.DataFrame:
        """The same of each run's difference to the first variant's run with the same seed: what the seeds have in common
        cancels, so that fewer of them tell variants apart."""
        first = self.runs["variant"].iloc[0]
        own = self.runs.set_index(["variant", "seed"])[list(self.measures)]
        rows = (own - own.loc[first].reindex(own.index, level="seed")).reset_index()
        return self._over_seeds(rows[rows["variant"] != first])

    def plot(self) -> Figure:
        """A panel a measure: each run as a dot, the mean with its confidence interval."""
        names = list(dict.fromkeys(self.runs["variant"]))
        figure = Figure(figsize=(2.6 * len(self.measures), 0.45 * len(names) + 1.6), layout="constrained")
        panels = np.atleast_1d(figure.subplots(1, len(self.measures), sharey=True))
        table = self.table
        for panel, measure in zip(panels, self.measures):
            for row, name in enumerate(names):
                values = self.runs.loc[self.runs["variant"] == name, measure].astype(float)
                panel.plot(values, np.full(len(values), row), "o", color="C0", alpha=0.25, markersize=4)
                mean, half = table.loc[name, (measure, "mean")], table.loc[name, (measure, "±")]
                panel.errorbar(
                    mean, row, xerr=None if np.isnan(half) else half, fmt="o", color="black", capsize=3
                )
            panel.set_title(_title(measure), fontsize=9)
            panel.tick_params(labelsize=8)
            panel.margins(y=0.3)
        panels[0].set_yticks(range(len(names)), names)
        panels[0].invert_yaxis()
        seeds = self.runs["seed"].nunique()
        figure.supxlabel(f"means over {seeds} seeds with their 95 % confidence intervals", fontsize=8)
        return figure

    def rows(self) -> list[tuple[str, ...]]:
        """What a person reads: a heading, and a row a variant."""
        table = self.table
        rows: list[tuple[str, ...]] = [("", *map(_title, self.measures))]
        for name in table.index:
            cells = [(table.loc[name, (m, "mean")], table.loc[name, (m, "±")]) for m in self.measures]
            rows.append((str(name), *(_show(mean, half) for mean, half in cells)))
        return rows

    def _over_seeds(self, runs: pd.DataFrame) -> pd.DataFrame:
        columns: dict[tuple[str, str], pd.Series] = {}
        groups = runs.groupby("variant", sort=False)
        for measure in self.measures:
            values = groups[measure]
            count = values.count()
            error = values.std() / np.sqrt(count)
            columns[measure, "mean"] = values.mean()
            columns[measure, "±"] = error * stats.t.ppf((1 + _CONFIDENCE) / 2, np.maximum(count - 1, 1))
        return pd.DataFrame(columns)

    def _repr_html_(self) -> str:
        return str(self.table.to_html(float_format=lambda value: f"{value:.4g}"))


def compare(
    build: Callable[[Any], World],
    variants: Sequence[Named],
    *,
    until: Duration,
    seeds: Iterable[int] = range(1, 11),
    params: Mapping[str, Any] | None = None,
    measure: Callable[[Run], Mapping[str, float]] | None = None,
    measures: Sequence[str] | None = None,
    processes: int | None = None,
    progress: bool | None = None,
) -> Comparison:
    """Runs a scenario once for each variant and seed, and returns what came of it.

    build      makes the World from its parameters, of which `variant` and `seed` are two; as for `mesocosm.main`
    variants   names, or classes or instances of `Variant`; or other protocols in their place, such as `Plumtree()`, which
               the scenario gives its nodes. What differs is to be told from the first
    until      when each run ends
    seeds      the seeds, the same for every variant
    params     the other parameters
    measure    numbers of a run beside those of its summary, by name: they come first in tables
    measures   which numbers tables and plots show; None: what `measure` gives, and then `MEASURES`
    processes  how many runs go on at once; None: as many as there are processors. It changes no result
    progress   show a progress bar; None: if standard error is a terminal
    Raises ConfigError for what cannot be, and what a run raises.
    """
    labels = [_label(variant) for variant in variants]
    drawn = list(seeds)
    _check(labels, drawn, processes)
    jobs = [
        (label, seed, {**(params or {}), "variant": variant, "seed": seed})
        for label, variant in zip(labels, variants)
        for seed in drawn
    ]
    work = _Work(build, until, measure, [job[2] for job in jobs])
    at_once = min(processes or os.cpu_count() or 1, len(jobs))
    results = _results(work, len(jobs), at_once, sys.stderr.isatty() if progress is None else progress)
    rows = [{"variant": label, "seed": seed, **result} for (label, seed, _), result in zip(jobs, results)]
    added = [name for name in work.added(rows[0])]
    chosen = tuple(measures) if measures is not None else (*added, *MEASURES)
    for name in chosen:
        if name not in rows[0] or isinstance(rows[0][name], str):
            raise ConfigError(f"compare: no run has a number {name!r}")
    return Comparison(pd.DataFrame(rows), chosen)


def _label(variant: Named) -> str:
    """A variant's name; a protocol's, with what is set in it: `Rumors(k=3)`."""
    if not isinstance(variant, PubSub):
        return variant_name(variant)
    usual = type(variant)()
    given = [f.name for f in fields(variant) if getattr(variant, f.name) != getattr(usual, f.name)]
    settings = ", ".join(f"{name}={getattr(variant, name)!r}" for name in given)
    return type(variant).__name__ + (f"({settings})" if settings else "")


def _check(labels: list[str], seeds: list[int], processes: int | None) -> None:
    if not labels or len(set(labels)) < len(labels):
        raise ConfigError(f"compare: variants must be named once each, and at least one, not {labels}")
    if not seeds or len(set(seeds)) < len(seeds):
        raise ConfigError(f"compare: seeds must be different numbers, at least one, not {seeds}")
    if processes is not None and (not isinstance(processes, int) or processes < 1):
        raise ConfigError(f"compare: processes must be a whole number of at least 1, not {processes!r}")


class _Work:
    """The runs, each of which can be made in any process that this one forked."""

    def __init__(
        self,
        build: Callable[[Any], World],
        until: Duration,
        measure: Callable[[Run], Mapping[str, float]] | None,
        parameters: list[dict[str, Any]],
    ) -> None:
        self.build, self.until, self.measure, self.parameters = build, until, measure, parameters

    def __call__(self, number: int) -> dict[str, Any]:
        world = self.build(SimpleNamespace(**self.parameters[number]))
        if not isinstance(world, World):
            raise ConfigError(f"the scenario must return a World, not {type(world).__name__}")
        with tempfile.TemporaryDirectory(prefix="mesocosm-") as folder:
            run = world.run(self.until, out=Path(folder) / "run.h5", progress=False)
            result: dict[str, Any] = run.summary().to_dict()
            if self.measure is not None:
                result |= {name: float(value) for name, value in self.measure(run).items()}
            return result | {"fingerprint": run.fingerprint}

    def added(self, result: dict[str, Any]) -> list[str]:
        """The names that `measure` gave a run."""
        known = {"variant", "seed", "fingerprint", *Summary.__dataclass_fields__}
        return [name for name in result if name not in known]


_work: _Work | None = None  # of the processes that are forked


def _perform(number: int) -> dict[str, Any]:
    assert _work is not None
    return _work(number)


def _results(work: _Work, count: int, processes: int, visible: bool) -> list[dict[str, Any]]:
    """Of every run, in order."""
    global _work
    console = Console(stderr=True)
    if processes == 1:
        # A run that raises does so inside track, whose thread ends with it; Python would wait for it at its exit.
        runs = map(work, range(count))
        return list(track(runs, "runs", total=count, console=console, disable=not visible))
    _work = work  # scenarios and variants need no pickling where processes are forked
    try:
        with ProcessPoolExecutor(processes, multiprocessing.get_context("fork")) as pool:
            done = pool.map(_perform, range(count))
            return list(track(done, "runs", total=count, console=console, disable=not visible))
    finally:
        _work = None


def _title(measure: str) -> str:
    unit = " (s)" if measure.startswith("latency") else " (bytes)" if measure.endswith("_per_node") else ""
    return measure.replace("_", " ") + unit


def _show(mean: float, half: float) -> str:
    return _number(mean) if np.isnan(half) else f"{_number(mean)} ± {_number(half, 2)}"


def _number(value: float, digits: int = 3) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"
