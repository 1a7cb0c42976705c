"""Variants of GossipSub in C++, out of the tree: compiled into a library of their own, and loaded by name."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from . import _core
from .errors import ConfigError, RunError
from .header_abi import HEADER, header_abi


def load_variants(library: str | Path) -> list[str]:
    """Loads a library that `build_variant` made; its variants are known by name then. Returns the names.

    Raises ConfigError for what is no such library, was built for another version of mesocosm, or has a name that is taken
    (also by itself: a process loads a library once).
    """
    path = Path(library).resolve()
    if not path.is_file():
        raise ConfigError(f"load_variants: there is no library {library}")
    return list(_core.load_variants(str(path)))


def build_variant(source: str | Path, output: str | Path | None = None) -> Path:
    """Compiles a variant in C++ and returns the library; `output` None: beside the source, as NAME.so.

    The compiler is $CXX, or g++; it needs the header tl/expected.hpp (Debian: libexpected-dev). Raises ConfigError for a
    source that is not there, RunError with what the compiler says.
    """
    path = Path(source)
    if not path.is_file():
        raise ConfigError(f"build_variant: there is no source {source}")
    made = Path(output) if output is not None else path.with_suffix(".so")
    command = [*shlex.split(os.environ.get("CXX", "g++")), *build_flags(), str(path), "-o", str(made)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError as error:
        raise ConfigError(f"build_variant: cannot run {command[0]}: {error.strerror}") from None
    if done.returncode != 0:
        raise RunError(f"build_variant: {path} does not compile\n{done.stderr.strip()}")
    return made


def build_flags() -> list[str]:
    """What a compiler must be told to make such a library."""
    root = _headers()
    abi = header_abi(root)
    if abi != _core.variant_abi:
        raise ConfigError("build_variant: mesocosm's headers have changed since it was built: build it again")
    return ["-std=c++20", "-O2", "-fPIC", "-shared", f"-I{root}", f'-DMESOCOSM_VARIANT_ABI="{abi}"']


def _headers() -> Path:
    """Where they are: installed with the package, or in the working tree that it runs from."""
    package = Path(__file__).resolve().parent
    for root in (package / "include", package.parent.parent):
        if (root / HEADER).is_file():
            return root
    raise ConfigError("build_variant: this installation has no headers")
