"""`mesocosm.main`: turns a scenario function into a command with options, a table and files."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from .analysis import Run
from .cli import EXIT_INTERRUPTED, guarded, print_summary, write_report
from .errors import ConfigError
from .node import Duration
from .world import World


def main(build: Callable[[Any], World], *, params: Mapping[str, Any], until: Duration) -> None:
    """Runs a scenario from the command line and exits.

    build   makes the World from the parameters, which it gets as attributes
    params  names and defaults; each becomes an option (`nodes=1000` gives --nodes) of its default's type
    until   the default end; --until changes it
    Exit codes: 0 done, 2 a wrong parameter or a file that cannot be used, 130 interrupted (the record is kept).
    """

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
        _tell(run, out, report)
        if run.ended == "interrupted":
            sys.exit(EXIT_INTERRUPTED)

    options: list[click.Parameter] = [
        click.Option(["--" + name.replace("_", "-"), name], **_option(value))
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


def _option(default: Any) -> dict[str, Any]:
    if isinstance(default, bool):
        return {"type": bool, "default": default, "show_default": True}
    return {"type": type(default) if default is not None else str, "default": default, "show_default": True}


def _tell(run: Run, out: str | None, report: str | None) -> None:
    print_summary(run)
    if out is not None:
        click.echo(f"record: {out}")
    if report is not None:
        write_report(run, Path(report))
        click.echo(f"report: {report}")
