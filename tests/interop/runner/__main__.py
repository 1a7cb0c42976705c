"""Runs the interop matrix: peers of several implementations as processes on loopback, each cell a small test.

    python3 tests/interop/runner [--peers go,ours] [--transports tcp] [--tests ping,gossip] ...

`./dev interop` builds the peers and calls this. Exit codes: 0 all is as expected, 1 it is not, 2 set-up failed.
"""

from __future__ import annotations

import argparse
import asyncio
import shutil
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from checks import MESH_TESTS, PAIR_TESTS, Mesh, Pair, Programs
from matrix import Cell, Combination, Matrix
from peers import Broken, Failure, Program, require
from results import NOT_CONNECTED, Outcome, Results, print_table, rows_of

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
CELL_LIMIT = 60.0  # seconds; each step of a test has a shorter limit of its own


class Selection:
    """Which rows and tests of the matrix are to run."""

    def __init__(self, matrix: Matrix, options: argparse.Namespace) -> None:
        implementations = {name for pair in matrix.pairs for name in pair}
        peers = self._chosen("--peers", options.peers, sorted(implementations))
        transports = self._chosen("--transports", options.transports, matrix.transports)
        securities = self._chosen("--securities", options.securities, matrix.securities)
        tests = self._chosen("--tests", options.tests, [*matrix.tests, "mesh"])
        self.rows = []
        self.tests: dict[Combination, list[str]] = {}
        for row in matrix.combinations():
            needed = set(matrix.mesh) if row.is_mesh else row.implementations()
            if not (needed <= set(peers) and row.transport in transports and row.security in securities):
                continue
            chosen = [t for t in matrix.tests_of(row) if t in tests or (row.is_mesh and "mesh" in tests)]
            if chosen and not (row.is_mesh and "mesh" not in tests):
                self.rows.append(row)
                self.tests[row] = chosen
        self.cells = [Cell(row, test) for row in self.rows for test in self.tests[row]]
        if not self.cells:
            raise ValueError("nothing is left to run by these options")
        self.is_whole = set(self.cells) == set(matrix.cells())

    def implementations(self, matrix: Matrix) -> set[str]:
        """Whose peers this needs."""
        needed = {"ours"}
        for row in self.rows:
            needed |= set(matrix.mesh) if row.is_mesh else row.implementations()
        return needed

    @staticmethod
    def _chosen(option: str, given: str | None, allowed: list[str]) -> list[str]:
        if given is None:
            return allowed
        chosen = given.split(",")
        for name in chosen:
            if name not in allowed:
                raise ValueError(
                    f"{option}: no such thing as '{name}': expected some of {', '.join(allowed)}"
                )
        return chosen


class Runner:
    def __init__(self, matrix: Matrix, programs: Programs, results: Results, logs: Path) -> None:
        self._matrix = matrix
        self._programs = programs
        self._results = results
        self._logs = logs

    async def run(self, selection: Selection, jobs: int) -> None:
        """Pairs at the same time, as many as `jobs`; then the meshes, one at a time."""
        free = asyncio.Semaphore(jobs)

        async def pair(row: Combination) -> None:
            async with free:
                await self._run_pair(row, selection.tests[row])

        await asyncio.gather(*(pair(row) for row in selection.rows if not row.is_mesh))
        for row in selection.rows:
            if row.is_mesh:
                await self._run_mesh(row, selection.tests[row])
        await self._run_again()

    async def _run_again(self) -> None:
        """Once more, with nothing beside it, what a machine may have been too busy for."""
        tests: dict[Combination, list[str]] = {}
        for outcome in self._results.doubtful():
            tests.setdefault(outcome.cell.combination, []).append(outcome.cell.test)
        for row, again in tests.items():
            print(f"{row}: once more: {', '.join(again)}", file=sys.stderr, flush=True)
            await (self._run_mesh(row, again) if row.is_mesh else self._run_pair(row, again))

    async def _run_pair(self, row: Combination, tests: list[str]) -> None:
        pair = Pair(row, self._programs, self._logs / row.folder)
        reachable = True
        try:
            for test in tests:

                async def body() -> None:
                    require(reachable, NOT_CONNECTED)
                    await pair.ready(connected=test != "connect")
                    await PAIR_TESTS[test](pair)

                passed = await self._cell(Cell(row, test), body)
                reachable = reachable and (passed or test != "connect")
        finally:
            await pair.close()
        self._say(row)

    async def _run_mesh(self, row: Combination, tests: list[str]) -> None:
        mesh: Mesh | None = None

        async def body() -> None:
            nonlocal mesh
            if mesh is None:
                mesh = await Mesh.start(row, self._programs, self._matrix.mesh, self._logs / row.folder)
            await MESH_TESTS[test](mesh)

        try:
            for test in tests:
                await self._cell(Cell(row, test), body)
        finally:
            if mesh is not None:
                await mesh.close()
        self._say(row)

    async def _cell(self, cell: Cell, body: Callable[[], Awaitable[None]]) -> bool:
        began = time.monotonic()
        failure, broken = None, False
        try:
            await asyncio.wait_for(body(), CELL_LIMIT)
        except Failure as error:
            failure, broken = str(error), isinstance(error, Broken)
        except TimeoutError:
            failure = f"not over in {CELL_LIMIT:g} s"
        except (KeyError, TypeError, AttributeError) as error:
            failure = f"an answer is not as the contract says: {type(error).__name__}: {error}"
        known = self._matrix.known_failure(cell)
        logs = self._logs / cell.combination.folder
        first = self._results.outcomes.get(cell)
        before = None if first is None else first.failure
        self._results.add(Outcome(cell, time.monotonic() - began, failure, known, logs, broken, before))
        return failure is None

    def _say(self, row: Combination) -> None:
        outcomes = [outcome for cell, outcome in self._results.outcomes.items() if cell.combination == row]
        wrong = [outcome.cell.test for outcome in outcomes if not outcome.right]
        verdict = "all as expected" if not wrong else "wrong: " + ", ".join(wrong)
        seconds = sum(outcome.seconds for outcome in outcomes)
        print(f"{row}: {len(outcomes)} tests in {seconds:.1f} s, {verdict}", file=sys.stderr, flush=True)


def find_programs(build: Path, ours: Path, needed: set[str]) -> Programs:
    programs = {}
    for name in sorted(needed):
        path = ours if name == "ours" else build / name / "peer"
        if not path.is_file():
            raise ValueError(f"the peer of {name} is not built: there is no {path}")
        programs[name] = Program(name, (str(path),))
    return programs


def check_tests(matrix: Matrix) -> None:
    """What is declared and what is written are the same tests."""
    for declared, written in ((matrix.tests, list(PAIR_TESTS)), (matrix.mesh_tests, list(MESH_TESTS))):
        for test in set(declared) ^ set(written):
            where = "checks.py has no such test" if test in declared else "expected.json does not list it"
            raise ValueError(f"the test '{test}': {where}")


def parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev interop",
        description="Runs the interop matrix, or a part of it.",
        epilog="./dev interop --asan takes our peer from the build with AddressSanitizer and "
        "UndefinedBehaviorSanitizer: a report of theirs fails the cell.",
    )
    parser.add_argument("--peers", metavar="LIST", help="implementations, such as go,ours (default: all)")
    parser.add_argument("--transports", metavar="LIST", help="tcp,ws")
    parser.add_argument("--securities", metavar="LIST", help="noise,tls")
    parser.add_argument("--tests", metavar="LIST", help="such as ping,'perf up',mesh")
    parser.add_argument("--jobs", type=int, default=2, help="pairs tested at the same time (default 2)")
    parser.add_argument(
        "--ours", type=Path, default=ROOT / "build/release/tests/interop_peer", metavar="PROGRAM"
    )
    parser.add_argument("--build", type=Path, default=ROOT / "build/interop", metavar="FOLDER")
    parser.add_argument("--expected", type=Path, default=HERE.parent / "expected.json", metavar="FILE")
    parser.add_argument("--needs", action="store_true", help="only say whose peers this needs besides ours")
    return parser.parse_args(arguments)


def report(matrix: Matrix, selection: Selection, results: Results) -> int:
    print_table(*rows_of(results, matrix, selection.rows))
    for reason, count in results.known_reasons().items():
        print(f"known: {reason} ({count} {'cell' if count == 1 else 'cells'})")
    for line in results.second_thoughts():
        print(f"passed only when it ran again, alone: {line}")
    faults = results.faults(selection.cells)
    if selection.is_whole:
        for known in matrix.idle_failures():
            faults.append(f"expected.json: no cell is {known.where}")
    for fault in faults:
        print(f"wrong: {fault}")
    known_count = sum(results.known_reasons().values())
    passed = sum(outcome.failure is None for outcome in results.outcomes.values())
    print(
        f"{passed} cells pass, {known_count} fail for a known reason, {results.wrong()} are wrong: {results.path}"
    )
    return 1 if faults else 0


def main(arguments: list[str]) -> int:
    options = parse_options(arguments)
    try:
        matrix = Matrix.load(options.expected)
        check_tests(matrix)
        selection = Selection(matrix, options)
        needed = selection.implementations(matrix)
        if options.needs:
            print(" ".join(sorted(needed - {"ours"})))
            return 0
        programs = find_programs(options.build, options.ours, needed)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    logs = options.build / "logs"
    shutil.rmtree(logs, ignore_errors=True)
    results = Results(options.build / "results.jsonl")
    asyncio.run(Runner(matrix, programs, results, logs).run(selection, options.jobs))
    return report(matrix, selection, results)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
