"""Runs the same small scenarios on `flow`, on `packet` and, where it makes sense, on real sockets, and says how far they
are from each other.

    python tests/agreement --program build/release/tests/agreement_transfers [--quick] [--no-linux] [--only TEXT]
                           [--write docs/agreement.md]

`./dev agreement` builds what is needed and calls this. Simulated times do not depend on the machine's speed; the column
"Linux" is real time, and wants a machine that is not overloaded. Exit codes: 0 all within bounds, 1 not all, 2 set-up.
"""

from __future__ import annotations

import argparse
import os
import sys
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from scenarios import Case, Gossip, Samples, Transfer, cases, run_gossip, run_transfer
from table import Row, print_rows, write_markdown

LINUX_AT_ONCE = 8  # they mostly wait


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--program", type=Path, required=True, help="agreement_transfers")
    parser.add_argument("--quick", action="store_true", help="a few cases, some twenty seconds")
    parser.add_argument("--no-linux", action="store_true", help="without Linux's own TCP over the same links")
    parser.add_argument("--only", metavar="TEXT", default="", help="the sections that have it in their names")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the table into this document")
    arguments = parser.parse_args()
    chosen = [case for case in cases(arguments.quick) if arguments.only.lower() in case.section.lower()]
    if not chosen:
        print(f"no section has {arguments.only!r} in its name", file=sys.stderr)
        return 2
    linux = not arguments.no_linux and linux_possible(arguments.program)
    if not linux and not arguments.quick:
        print(
            "without Linux's TCP over the same links: it takes the right to make network namespaces",
            file=sys.stderr,
        )
    rows = run_all(arguments.program, chosen, linux)
    print_rows(rows)
    if arguments.write is not None:
        write_markdown(arguments.write, rows)
    return 0 if all(row.within is not False for row in rows) else 1


def linux_possible(program: Path) -> bool:
    return os.spawnv(os.P_WAIT, program, [str(program), "--linux"]) == 0


def run_all(program: Path, chosen: list[Case], linux: bool) -> list[Row]:
    """Simulations on every core; real-time runs beside them, several at once."""
    cores = len(os.sched_getaffinity(0))
    rows = []
    # A process each, for a World that still lives keeps the next packet World out.
    worlds = ProcessPoolExecutor(cores, mp_context=get_context("spawn"), max_tasks_per_child=1)
    with worlds, ThreadPoolExecutor(cores) as simulations, ThreadPoolExecutor(LINUX_AT_ONCE) as real_time:
        asked = []
        for case in chosen:
            futures: dict[str, list[Future[Samples]]] = {}
            for tier in case.tiers:
                if tier == "linux" and not linux:
                    continue
                if isinstance(case, Gossip):
                    futures[tier] = [
                        worlds.submit(run_gossip, case, tier, seed) for seed in range(1, case.runs + 1)
                    ]
                    continue
                runs, pool = case.runs, simulations
                if tier in ("linux", "real"):
                    runs, pool = case.linux_runs, real_time
                futures[tier] = [
                    pool.submit(run_transfer, program, case, tier, seed) for seed in range(1, runs + 1)
                ]
            asked.append((case, futures))
        for case, futures in asked:
            row = Row(case.section, case.name, case.bound)
            for tier, runs_of_it in futures.items():
                row.tiers[tier] = Samples()
                for future in runs_of_it:
                    row.tiers[tier].add(future.result())
            rows.append(row)
            print(f"\r{len(rows)} of {len(chosen)} {case.section}: {case.name:60}", end="", file=sys.stderr)
    print(file=sys.stderr)
    return rows


if __name__ == "__main__":
    sys.exit(main())
