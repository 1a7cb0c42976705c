"""`mesocosm.main`: turns a scenario function into a command with options, a table and files."""

from __future__ import annotations

import inspect
import runpy
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from .analysis import Run
from .analysis.console import print_rows
from .cli import EXIT_INTERRUPTED, guarded, print_summary, write_report
from .errors import ConfigError
from .units import Duration
from .world import World


@dataclass(frozen=True)
class Scenario:
    """What a script gave to `main`."""

    build: Callable[[Any], World]
    params: Mapping[str, Any]
    until: Duration
    measure: Callable[[Run], Mapping[str, float]] | None


class _Read(BaseException):
    """Ends a script at its `main`, when it was only to be read."""


_reading: list[Scenario] | None = None


def read_scenario(script: Path) -> Scenario:
    """What a script gives to `main`; it runs up to there, and no further."""
    global _reading
    _reading = []
    sys.path.insert(0, str(script.resolve().parent))
    try:
        runpy.run_path(str(script), run_name="__main__")
    except _Read:
        return _reading[0]
    finally:
        _reading = None
        sys.path.pop(0)
    raise ConfigError(f"{script} calls no mesocosm.main")


def main(
    build: Callable[[Any], World],
    *,
    params: Mapping[str, Any],
    until: Duration,
    measure: Callable[[Run], Mapping[str, float]] | None = None,
) -> None:
    """Runs a scenario from the command line and exits.

    build   makes the World from the parameters, which it gets as attributes
    params  names and defaults; each becomes an option (`nodes=1000` gives --nodes) of its default's type
    until   the default end; --until changes it
    measure  numbers of a run, by name, that the scenario is about; they are printed with its summary
    Exit codes: 0 done, 2 a wrong parameter or a file that cannot be used, 130 interrupted (the record is kept).
    """

    if _reading is not None:
        _reading.append(Scenario(build, params, until, measure))
        raise _Read

    def command(
        out: str | None,
        report: str | None,
        until: str,
        progress: bool | None,
        log: str | None,
        log_file: str | None,
        **values: Any,
    ) -> None:
        world = build(SimpleNamespace(**values))
        if not isinstance(world, World):
            raise ConfigError(f"the scenario must return a World, not {type(world).__name__}")
        world.parameters = {**values, "until": until}
        world.scenario = Path(sys.argv[0]).stem
        world.about = (inspect.getmodule(build).__doc__ or "").strip().partition("\n")[0]
        if log is not None:
            world.log(log, file=log_file)
        elif log_file is not None:
            raise ConfigError("--log-file needs --log: which lines go there")
        run = world.run(until, out=out, progress=progress)
        _tell(run, out, report, measure)
        if run.ended == "interrupted":
            sys.exit(EXIT_INTERRUPTED)

    options: list[click.Parameter] = [
        click.Option(["--" + name.replace("_", "-"), name], **option_of(value))
        for name, value in params.items()
    ]
    options += [
        click.Option(
            ["--until"], default=str(until), show_default=True, help="when the run ends, such as 180s"
        ),
        click.Option(["--out"], metavar="FILE", help="write the record to this HDF5 file"),
        click.Option(["--report"], metavar="FILE", help="write an HTML report"),
        click.Option(
            ["--log"], metavar="LEVELS", help="log lines, such as info or swarm=debug,gossipsub=info"
        ),
        click.Option(["--log-file"], metavar="FILE", help="where they go (default: standard error)"),
        click.Option(
            ["--progress/--quiet", "progress"], default=None, help="progress bar (default: on a terminal)"
        ),
    ]
    scenario = click.Command(Path(sys.argv[0]).stem, params=options, callback=command, help=build.__doc__)
    sys.exit(guarded(lambda: scenario.main(standalone_mode=False)))


def option_of(default: Any) -> dict[str, Any]:
    """How click reads a parameter with this default."""
    if isinstance(default, bool):
        return {"type": bool, "default": default, "show_default": True}
    return {"type": type(default) if default is not None else str, "default": default, "show_default": True}


def _tell(
    run: Run, out: str | None, report: str | None, measure: Callable[[Run], Mapping[str, float]] | None
) -> None:
    print_summary(run)
    if measure is not None:
        print_rows([(name.replace("_", " "), f"{value:.4g}") for name, value in measure(run).items()])
    if out is not None:
        click.echo(f"record: {out}")
    if report is not None:
        write_report(run, Path(report))
        click.echo(f"report: {report}")
