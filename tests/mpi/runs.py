"""Runs of a scenario by one process and by several, each as a user would start it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MESOCOSM = str(ROOT / ".venv" / "bin" / "mesocosm")

# As ./dev exports them.
_MPIRUN = {
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "OMPI_MCA_rmaps_base_oversubscribe": "1",
    "OMPI_MCA_hwloc_base_binding_policy": "none",
}


def run(processes: int, script: Path | str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """`mesocosm run` of a script by so many processes, with the build that knows MPI; one runs without mpirun."""
    mpirun = [] if processes == 1 else ["mpirun", "-np", str(processes)]
    environment = {**os.environ, **_MPIRUN, "PYTHONPATH": str(ROOT / "build" / "mpi" / "package")}
    return subprocess.run(
        [*mpirun, MESOCOSM, "run", str(script), *map(str, arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
