"""What several tests need: small worlds, and scripts run as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import mesocosm as mc
import pytest

ROOT = Path(__file__).resolve().parents[2]


def gossip_world(count: int = 30, node: mc.Node | None = None, **options: object) -> mc.World:
    """A connected world whose nodes are subscribed to "blocks"; one publishes 1 KiB every second from 5 s on."""
    world = mc.World(**options)  # type: ignore[arg-type]
    nodes = world.add(count, node if node is not None else mc.GossipSub())
    world.bootstrap(nodes, mc.overlay.random(degree=10))
    nodes.subscribe("blocks")
    world.every("1s", lambda: nodes.sample(1).publish("blocks", size="1KiB"), start="5s")
    return world


def run_script(*arguments: object, script: str = "scenarios/demo.py") -> subprocess.CompletedProcess[str]:
    """Runs a scenario in a process of its own."""
    command = [sys.executable, str(ROOT / script), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture()
def record(tmp_path: Path) -> Path:
    """A place for a record."""
    return tmp_path / "run.h5"
