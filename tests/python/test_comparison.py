"""Variants beside each other: tables, plots and the command."""

from __future__ import annotations

import re
import threading
from types import SimpleNamespace

import mesocosm as mc
import numpy as np
import pandas as pd
import pytest


class Thin(mc.Variant):
    """A mesh of three."""

    def choose_mesh(self, view: mc.variant.View) -> tuple[list[int], list[int]]:
        mesh = view.mesh()
        return view.rng.sample(view.candidates(), max(0, 3 - len(mesh))), mesh[3:]


def build(p: SimpleNamespace) -> mc.World:
    world = mc.World(stack="collapsed", seed=p.seed)
    nodes = world.add(p.nodes, mc.GossipSub(variant=p.variant))
    world.bootstrap(nodes, mc.overlay.random(degree=10))
    nodes.subscribe("blocks")
    world.every("1s", lambda: nodes.sample(1).publish("blocks", size="1KiB"), start="5s")
    return world


def half(run: mc.Run) -> dict[str, float]:
    return {"half": run.summary().messages / 2}


@pytest.fixture(scope="module")
def compared() -> mc.Comparison:
    return mc.compare(
        build, ["v1.1", Thin], until="12s", seeds=range(4), params={"nodes": 30}, measure=half, processes=2
    )


def test_every_variant_runs_with_every_seed(compared: mc.Comparison) -> None:
    runs = compared.runs
    assert list(zip(runs.variant, runs.seed)) == [(v, s) for v in ("v1.1", "Thin") for s in range(4)]
    assert (runs.delivery_ratio == 1).all() and runs.fingerprint.nunique() == 8
    assert compared.measures[:2] == ("half", "delivery_ratio")
    assert (runs.half == 3.5).all()


def test_the_number_of_processes_changes_nothing(compared: mc.Comparison) -> None:
    alone = mc.compare(build, ["v1.1", Thin], until="12s", seeds=[0, 1], params={"nodes": 30}, processes=1)
    both = compared.runs[compared.runs.seed < 2].drop(columns="half").reset_index(drop=True)
    pd.testing.assert_frame_equal(alone.runs, both)


@pytest.mark.parametrize("processes", [1, 2])
def test_what_a_run_raises_is_raised_and_leaves_no_thread(processes: int) -> None:
    def broken(p: SimpleNamespace) -> mc.World:
        raise RuntimeError("boom")

    before = threading.active_count()
    with pytest.raises(RuntimeError, match="boom") as raised:
        mc.compare(broken, ["v1.0", "v1.1"], until="1s", seeds=[0], processes=processes)
    assert raised.tb is not None  # which holds the frames of compare
    assert threading.active_count() == before  # Python would wait for it at its exit


def test_means_have_student_intervals(compared: mc.Comparison) -> None:
    values = compared.runs[compared.runs.variant == "Thin"].duplicates_per_delivery
    mean, spread = compared.table.loc["Thin", "duplicates_per_delivery"]
    assert mean == pytest.approx(values.mean())
    assert spread == pytest.approx(3.182446 * values.std() / 2)  # t for 3 degrees of freedom, 97.5 %
    change, about = compared.differences.loc["Thin", "duplicates_per_delivery"]
    assert change + about < 0  # fewer, beyond doubt
    assert list(compared.differences.index) == ["Thin"]


def test_a_plot_has_a_panel_a_measure(compared: mc.Comparison) -> None:
    figure = compared.plot()
    assert [axes.get_title() for axes in figure.axes][:2] == ["half", "delivery ratio"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["v1.1", "Thin"]
    assert len(figure.axes) == len(compared.measures)


def test_one_seed_has_no_interval() -> None:
    one = mc.compare(build, ["v1.1"], until="7s", seeds=[1], params={"nodes": 12})
    assert np.isnan(one.table.loc["v1.1", ("delivery_ratio", "±")])
    assert "±" not in one.rows()[1][1]
    one.plot()


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(variants=[]), "variants must be named once each"),
        (dict(variants=["v1.1", "v1.1"]), "variants must be named once each"),
        (dict(variants=["v9"]), "there is no variant v9"),
        (dict(seeds=[]), "seeds must be different numbers"),
        (dict(seeds=[1, 1]), "seeds must be different numbers"),
        (dict(processes=0), "processes must be a whole number"),
        (dict(measures=["speed"]), "no run has a number 'speed'"),
    ],
)
@pytest.mark.parametrize("processes", [1, 2])
def test_nonsense_is_refused(wrong: dict[str, object], words: str, processes: int) -> None:
    good = dict(
        variants=["v1.1", "v1.0"], until="6s", seeds=[1, 2], params={"nodes": 12}, processes=processes
    )
    with pytest.raises(mc.ConfigError, match=re.escape(words)):
        mc.compare(build, **{**good, **wrong})  # type: ignore[arg-type]
