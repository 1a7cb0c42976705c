"""Rumor mongering among 1,000 sites, as Tables 1 to 3 of Demers et al. have it: see README.md."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from mesocosm import Rumors, rounds

SITES = 1000
RUNS = {"quick": 500, "full": 5000}
TABLES: dict[str, tuple[dict[str, Any], range]] = {
    "1": (dict(mode="push", feedback=True, counter=True), range(1, 6)),
    "2": (dict(mode="push", feedback=False, counter=False), range(1, 6)),
    "3": (dict(mode="pull", feedback=True, counter=True), range(1, 4)),
}
COLUMNS = ("residue", "traffic", "mean_delay", "last_delay")


def cases(size: str) -> dict[str, Any]:
    """A table each."""
    return {f"table {table}": dict(table=table, runs=RUNS[size]) for table in ("3", "2", "1")}


def run(case: Any) -> Any:
    """The table's rows: the means over runs, by k."""
    rules, ks = TABLES[case["table"]]
    rows = {}
    for k in ks:
        runs = rounds.spread_rumor(Rumors(k=k, **rules), sites=SITES, runs=case["runs"], seed=k)
        rows[k] = {name: float(np.mean(getattr(runs, name))) for name in COLUMNS}
    return {"table": case["table"], "runs": case["runs"], "rows": rows}


def measure(results: dict[str, Any]) -> dict[str, float]:
    """By table, k and column."""
    return {
        f"table_{result['table']}_k{k}_{name}": value
        for result in results.values()
        for k, row in result["rows"].items()
        for name, value in row.items()
    }


def figures(results: dict[str, Any], published: dict[str, float]) -> Iterable[tuple[str, str, Figure]]:
    """Residue against traffic: the paper has the tables, and the curve in words."""
    picture = Figure()
    axes = picture.add_subplot()
    for result in sorted(results.values(), key=lambda item: str(item["table"])):
        table, ks = result["table"], list(result["rows"])
        label = {"1": "push, feedback, counter", "2": "push, blind, coin", "3": "pull, feedback, counter"}[
            table
        ]
        (line,) = axes.plot(
            [result["rows"][k]["traffic"] for k in ks],
            [result["rows"][k]["residue"] or np.nan for k in ks],
            "o-",
            label=label,
        )
        names = [f"table_{table}_k{k}" for k in ks]
        axes.plot(
            [published[f"{name}_traffic"] for name in names],
            [published[f"{name}_residue"] for name in names],
            "x",
            color=line.get_color(),
            markersize=9,
        )
    traffic = np.linspace(0.05, 7, 50)
    axes.plot(traffic, np.exp(-traffic), ":", color="grey", label="exp(-traffic)")
    axes.set(xlabel="traffic (times sent per site)", ylabel="residue (share of sites)", yscale="log")
    axes.legend()
    yield (
        "Residue and traffic",
        "Lines: measured, by k. Crosses: Tables 1 to 3. Whatever the rules, pushing leaves exp(-traffic) of the sites; pulling leaves far fewer.",
        picture,
    )
