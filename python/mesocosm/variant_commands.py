"""The commands about variants: `mesocosm variants`, `mesocosm compare`, `mesocosm build-variant`."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from . import plugins, variant
from .analysis import console
from .errors import ConfigError


@click.command()
@click.option("--load", "libraries", multiple=True, metavar="LIBRARY", help="also those of this library")
def variants(libraries: tuple[str, ...]) -> None:
    """List the variants of GossipSub by name; drafts with their date."""
    _load(libraries)
    rows = []
    for name, row in variant.variants().iterrows():
        numbers = ", ".join(f"{key}={value:g}" for key, value in row["settings"].items())
        draft = f" Draft of {row['draft']}." if row["draft"] else ""
        rows.append((str(name), row["summary"] + draft + (f" Settings: {numbers}." if numbers else "")))
    console.print_rows(rows)


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("script")
@click.option("--variants", "names", required=True, metavar="NAMES", help="such as v1.0,v1.1,Mine")
@click.option("--seeds", default=10, show_default=True, help="how many seeds: 1, 2, ..")
@click.option("--until", metavar="TIME", help="when each run ends  [default: the script's]")
@click.option("--load", "libraries", multiple=True, metavar="LIBRARY", help="a library of variants in C++")
@click.option("--measures", metavar="NAMES", help="which numbers to show, such as latency_p99,duplicates")
@click.option("--processes", type=int, help="runs that go on at once  [default: the processors]")
@click.option("--out", metavar="FILE", help="write every run's numbers to this CSV file")
@click.option("--plot", metavar="FILE", help="draw them into this PNG, SVG or PDF file")
@click.option("--progress/--quiet", "progress", default=None, help="progress bar  [default: on a terminal]")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def compare(
    script: str,
    names: str,
    seeds: int,
    until: str | None,
    libraries: tuple[str, ...],
    measures: str | None,
    processes: int | None,
    out: str | None,
    plot: str | None,
    progress: bool | None,
    arguments: tuple[str, ...],
) -> None:
    """Run the scenario SCRIPT, which has the parameters `variant` and `seed`, for several variants and seeds.

    Its other parameters are given as it takes them: --nodes 500.
    """
    from .comparison import compare as run_all
    from .script import read_scenario

    path = Path(script)
    if not path.is_file():
        raise ConfigError(f"no such scenario: {script}")
    for file in (out, plot):
        if file is not None and not Path(file).parent.is_dir():
            raise ConfigError(f"there is no folder {Path(file).parent} for {Path(file).name}")
    _load(libraries)
    scenario = read_scenario(path)
    for needed in ("variant", "seed"):
        if needed not in scenario.params:
            raise ConfigError(f"{script} has no parameter {needed!r}")
    compared = run_all(
        scenario.build,
        names.split(","),
        until=until or scenario.until,
        seeds=range(1, seeds + 1),
        params=_values(scenario.params, arguments),
        measure=scenario.measure,
        measures=measures.split(",") if measures is not None else None,
        processes=processes,
        progress=progress,
    )
    console.print_table(compared.rows(), f"{path.stem}, {seeds} seeds, mean ± 95 % confidence")
    if out is not None:
        compared.runs.to_csv(out, index=False)
        click.echo(f"runs: {out}")
    if plot is not None:
        compared.plot().savefig(plot, dpi=150)
        click.echo(f"plot: {plot}")


@click.command("build-variant")
@click.argument("source", required=False)
@click.option("-o", "--output", metavar="FILE", help="the library  [default: the source's name with .so]")
@click.option("--flags", is_flag=True, help="only print what the compiler must be told")
def build_variant(source: str | None, output: str | None, flags: bool) -> None:
    """Compile the variants in the C++ file SOURCE into a library, which `mesocosm.load_variants` loads."""
    if flags:
        click.echo(shlex.join(plugins.build_flags()))
    elif source is None:
        raise ConfigError("build-variant: which source?")
    else:
        click.echo(f"library: {plugins.build_variant(source, output)}")


def _load(libraries: tuple[str, ...]) -> None:
    for library in libraries:
        plugins.load_variants(library)


def _values(params: Any, arguments: tuple[str, ...]) -> dict[str, Any]:
    """The scenario's parameters, of which some are given as options."""
    from .script import option_of

    given = {name: value for name, value in params.items() if name not in ("variant", "seed")}
    options: list[click.Parameter] = [
        click.Option(["--" + name.replace("_", "-"), name], **option_of(value))
        for name, value in given.items()
    ]
    reader = click.Command("compare", params=options, add_help_option=False)
    return dict(reader.make_context("compare", list(arguments)).params)
