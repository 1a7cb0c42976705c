"""The package: its version, and what it gives away."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import mesocosm as mc

ROOT = Path(__file__).resolve().parents[2]


def test_every_file_names_the_same_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    cmake = re.search(r"project\(mesocosm VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text())
    assert mc.__version__ == project
    assert cmake is not None and cmake.group(1) == project


def test_everything_that_is_offered_is_there() -> None:
    assert all(hasattr(mc, name) for name in mc.__all__)
