"""The command `mesocosm`: runs scenarios, reports on their records, and runs real nodes.

Exit codes: 0 all went well; 1 a bug, with its traceback, or a reproduction that misses; 2 what was asked for cannot be, or the run could not go on
(one line on standard error: "error: ..."); 130 interrupted by Ctrl-C, after what was recorded was saved.
"""

from __future__ import annotations

import os
import platform
import runpy
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import NoReturn

import click

from .analysis import Run, load
from .analysis import console as _console
from .analysis.report import write_report
from .analysis.statistics import attack_rows
from .errors import ConfigError, RunError
from .node_commands import node
from .variant_commands import build_variant, compare, variants

__all__ = ["EXIT_INTERRUPTED", "EXIT_REFUSED", "fail", "guarded", "main", "print_summary", "write_report"]

EXIT_REFUSED = 2
EXIT_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line (`arguments`: as sys.argv[1:]); returns the exit code."""
    return guarded(lambda: commands.main(arguments, prog_name="mesocosm", standalone_mode=False))


def guarded(work: Callable[[], object]) -> int:
    """Does `work` and returns the exit code that its end deserves; errors are told in one line. Bugs pass through."""
    try:
        code = work()
        return code if isinstance(code, int) else 0
    except SystemExit as end:
        if isinstance(end.code, str):
            return _tell(end.code)
        return end.code or 0
    except (KeyboardInterrupt, click.Abort):
        print("interrupted", file=sys.stderr)
        return EXIT_INTERRUPTED
    except click.ClickException as error:
        return _tell(error.format_message())
    except (ConfigError, RunError) as error:
        return _tell(error)
    except BrokenPipeError:  # whoever read our output has enough, as in `mesocosm info | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def fail(error: Exception | str) -> NoReturn:
    """Tells of an error in one line on standard error and exits with 2."""
    sys.exit(_tell(error))


def print_summary(run: Run) -> None:
    """Prints the table of a run: delivery ratio, latencies, duplicates, bytes; and its fingerprint."""
    rows = [*run.summary().rows(), *attack_rows(run), ("fingerprint", run.fingerprint or "–")]
    if not run.complete:
        rows.append(("ended", run.ended))
    _console.print_rows(rows, run.title)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def commands() -> None:
    """A peer-to-peer network simulator: a real libp2p stack in a simulated Internet."""


@commands.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("script")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def run(script: str, arguments: tuple[str, ...]) -> None:
    """Run the scenario SCRIPT with its ARGUMENTS, as `python SCRIPT ARGUMENTS...` does."""
    path = Path(script)
    if not path.is_file():
        raise ConfigError(f"no such scenario: {script}")
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    runpy.run_path(script, run_name="__main__")


@commands.command()
@click.argument("record", metavar="RUN.h5")
@click.option("-o", "--output", metavar="FILE", help="where to write the page  [default: RUN.html]")
def report(record: str, output: str | None) -> None:
    """Write the record RUN.h5 as one self-contained HTML page."""
    opened = load(record)
    click.echo(f"report: {write_report(opened, output or opened.path.with_suffix('.html'))}")


@commands.command()
@click.argument("record", metavar="RUN.h5")
def summary(record: str) -> None:
    """Print the main figures of the record RUN.h5."""
    print_summary(load(record))


@commands.command()
@click.argument("keys", nargs=-1, metavar="[KEY]...")
@click.option(
    "--quick", "size", flag_value="quick", default=True, help="small sizes, minutes for all  [default]"
)
@click.option("--full", "size", flag_value="full", help="the published sizes")
@click.option("--list", "listing", is_flag=True, help="list the papers and end")
@click.option("--out", metavar="DIR", default="out/reproductions", show_default=True, help="where reports go")
@click.option(
    "--processes", type=click.IntRange(1), help="worlds that run at once  [default: one a processor]"
)
@click.option(
    "--resume", is_flag=True, help="take from --out the cases that the same code has finished before"
)
@click.option("--allow-known", is_flag=True, help="exit with 0 in spite of misses that are explained")
def reproduce(
    keys: tuple[str, ...],
    size: str,
    listing: bool,
    out: str,
    processes: int | None,
    resume: bool,
    allow_known: bool,
) -> int:
    """Run published experiments again, and print what was published beside what is measured.

    KEY is a paper from --list, or a folder with one of your own; without any, all are run. Writes one page a paper.
    Exit codes: 0 everything judged passes, 1 something misses, 2 what was asked for cannot be.
    """
    from . import reproduce_command

    if listing:
        return reproduce_command.print_papers(keys)
    return reproduce_command.run(keys, size, Path(out), processes, resume, allow_known)


for command in (node, variants, compare, build_variant):
    commands.add_command(command)


@commands.command()
def info() -> None:
    """Print the versions of mesocosm, its libraries and the machine."""
    rows = [("mesocosm", _version("mesocosm")), ("package", str(Path(__file__).parent))]
    rows += [
        ("python", platform.python_version()),
        ("machine", f"{platform.machine()}, {os.cpu_count()} processors"),
    ]
    rows += [(name, _version(name)) for name in ("numpy", "pandas", "h5py", "matplotlib", "scipy")]
    rows.append(("hdf5", str(import_module("h5py").version.hdf5_version)))
    _console.print_rows(rows)


def _version(module: str) -> str:
    return str(getattr(import_module(module), "__version__", "unknown"))


def _tell(error: Exception | str) -> int:
    line = " ".join(str(error).removeprefix("error: ").split())
    print(f"error: {line}", file=sys.stderr)
    return EXIT_REFUSED
