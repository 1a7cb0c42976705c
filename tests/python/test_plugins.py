"""Variants in C++, out of the tree: compiled by themselves, loaded by name, the same as in Python."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import mesocosm as mc
import pytest

from conftest import ROOT, gossip_world
from mesocosm.header_abi import header_abi
from mesocosm.plugins import build_flags

EXAMPLE = ROOT / "examples" / "variants"


def cli(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "import sys; from mesocosm.cli import main; sys.exit(main())"]
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env={**os.environ, **environment},
    )


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = mc.build_variant(EXAMPLE / "dialers.cc", tmp_path_factory.mktemp("library") / "dialers.so")
    assert mc.load_variants(made) == ["dialers"]
    return made


@pytest.mark.parametrize("stack", ["full", "collapsed"])
def test_the_same_variant_in_python_and_in_cpp_makes_the_same_run(library: Path, stack: str) -> None:
    sys.path.insert(0, str(EXAMPLE))
    import dialers  # the class is known by its name from here on

    def run(variant: object) -> mc.Run:
        node = mc.Node(mc.GossipSub(D=4, D_lo=3, variant=variant))  # type: ignore[arg-type]
        return gossip_world(30, node, stack=stack).run("30s")

    python, cpp, plain = run("Dialers"), run("dialers"), run(None)
    assert dialers.Dialers is mc.variant._written["Dialers"]
    assert python.fingerprint == cpp.fingerprint != plain.fingerprint
    assert (cpp.deliveries.message < 20).sum() == 20 * 29


def test_it_takes_settings(library: Path) -> None:
    def run(**settings: float) -> str:
        node = mc.Node(mc.GossipSub(D=4, D_lo=3, variant="dialers", settings=settings))
        return gossip_world(20, node, stack="collapsed").run("20s").fingerprint

    assert run() == run(quota=2) != run(quota=4)
    with pytest.raises(mc.ConfigError, match="variant dialers has no setting pace; it has quota"):
        run(pace=1)


def test_a_library_has_its_names_once(library: Path) -> None:
    with pytest.raises(mc.ConfigError, match="there is a variant dialers already"):
        mc.load_variants(library)


def test_the_command_compiles_and_lists(tmp_path: Path) -> None:
    made = tmp_path / "e.so"
    built = cli("build-variant", EXAMPLE / "dialers.cc", "-o", made)
    assert built.stdout == f"library: {made}\n", built.stderr
    listed = cli("variants", "--load", made).stdout
    assert "dialers" in listed and "quota=2" in listed
    assert "-std=c++20" in cli("build-variant", "--flags").stdout


def test_a_library_for_other_headers_is_refused(tmp_path: Path) -> None:
    made = tmp_path / "old.so"
    flags = [flag.replace(mc._core.variant_abi, "0123456789abcdef") for flag in build_flags()]
    subprocess.run(["g++", *flags, str(EXAMPLE / "dialers.cc"), "-o", str(made)], check=True)
    with pytest.raises(mc.ConfigError, match="old.so was built for another version of mesocosm"):
        mc.load_variants(made)


@pytest.mark.parametrize(
    "text, words",
    [
        (b"not a library", "file too short|invalid ELF header"),
        (None, "there is no library"),
    ],
)
def test_what_is_no_library_is_refused(tmp_path: Path, text: bytes | None, words: str) -> None:
    path = tmp_path / "x.so"
    if text is not None:
        path.write_bytes(text)
    with pytest.raises(mc.ConfigError, match=words):
        mc.load_variants(path)


def test_a_library_without_variants_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "empty.cc"
    source.write_text("int nothing;\n")
    with pytest.raises(mc.ConfigError, match="empty.so has no MESOCOSM_VARIANTS"):
        mc.load_variants(mc.build_variant(source))


def test_what_does_not_compile_is_told(tmp_path: Path) -> None:
    source = tmp_path / "wrong.cc"
    with pytest.raises(mc.ConfigError, match="there is no source"):
        mc.build_variant(source)
    source.write_text('#include "stack/protocols/gossipsub/plugin.h"\nint main( {}\n')
    with pytest.raises(mc.RunError, match=re.escape("wrong.cc does not compile\n")):
        mc.build_variant(source)
    done = cli("build-variant", source, CXX="no-such-compiler")
    assert done.returncode == 2
    assert done.stderr == "error: build_variant: cannot run no-such-compiler: No such file or directory\n"


def test_the_headers_number_follows_what_is_included(tmp_path: Path) -> None:
    header = tmp_path / "stack/protocols/gossipsub/plugin.h"
    other = tmp_path / "stack/base/a.h"
    for path in (header, other):
        path.parent.mkdir(parents=True)
    header.write_text('#include <vector>\n#include "stack/base/a.h"\n')
    other.write_text("int a;\n")
    (tmp_path / "stack/base/unrelated.h").write_text("int b;\n")
    first = header_abi(tmp_path)
    (tmp_path / "stack/base/unrelated.h").write_text("int c;\n")
    assert header_abi(tmp_path) == first
    other.write_text("long a;\n")
    assert header_abi(tmp_path) != first


def test_an_installed_package_brings_its_headers(tmp_path: Path) -> None:
    package = Path(mc.__file__).parent
    installed = tmp_path / "mesocosm"
    shutil.copytree(package, installed, ignore=shutil.ignore_patterns("__pycache__", "data"))
    for header in (ROOT / "stack").rglob("*.h"):
        copy = installed / "include" / header.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(header, copy)
    code = "import mesocosm as mc; print(mc.load_variants(mc.build_variant(r'%s', '%s')))"
    done = subprocess.run(
        [sys.executable, "-c", code % (EXAMPLE / "dialers.cc", tmp_path / "d.so")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
    )
    assert done.stdout == "['dialers']\n", done.stderr
