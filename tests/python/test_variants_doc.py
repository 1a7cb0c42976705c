"""docs/variants.md, done as it is written."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pandas as pd

from conftest import ROOT

TEXT = (ROOT / "docs" / "variants.md").read_text()
CLI = [sys.executable, "-c", "import sys; from mesocosm.cli import main; sys.exit(main())"]


def commands() -> list[list[str]]:
    """The document's command lines, in order."""
    blocks = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.strip()]


def test_the_commands_do_what_the_document_says(tmp_path: Path) -> None:
    assert len(commands()) == 3
    for command in commands():
        assert command[0] == ".venv/bin/mesocosm"
        arguments = [re.sub("^out/", f"{tmp_path}/", argument) for argument in command[1:]]
        done = subprocess.run(
            [*CLI, *arguments], cwd=ROOT, env=dict(os.environ), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr

    runs = pd.read_csv(tmp_path / "dialers.csv")
    assert (tmp_path / "dialers.png").read_bytes().startswith(b"\x89PNG")
    assert runs.groupby("variant").seed.nunique().to_dict() == {"v1.0": 10, "v1.1": 10, "Dialers": 10}
    ratio = runs.groupby("variant").delivery_ratio.mean()
    assert ratio["v1.0"] < 0.5 and ratio["v1.1"] == ratio["Dialers"] == 1
    copies = runs.groupby("variant").duplicates_per_delivery.mean()
    assert copies["Dialers"] < copies["v1.1"] / 2
    for variant in ("v1.0", "v1.1", "Dialers"):  # the document's table has these very numbers
        mean = runs[runs.variant == variant].latency_p50.mean()
        assert re.search(rf"^\| `{re.escape(variant)}` \|.*\| {mean:.3g} ± ", TEXT, re.MULTILINE), (
            variant,
            mean,
        )

    both = pd.read_csv(tmp_path / "both.csv").pivot(index="seed", columns="variant", values="fingerprint")
    assert (both["Dialers"] == both["dialers"]).all() and len(both) == 2


def test_the_example_is_the_documents() -> None:
    code = re.findall(r"```python\n(class Dialers.*?)```", TEXT, re.DOTALL)
    assert len(code) == 1
    assert code[0].strip() in (ROOT / "examples" / "variants" / "dialers.py").read_text()
    assert len(code[0].strip().splitlines()) <= 30
