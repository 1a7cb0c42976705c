"""Programs that run in processes of their own while a test talks to them."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

NODE = [sys.executable, "-c", "import sys; from mesocosm.cli import main; sys.exit(main())", "node"]


class Running:
    """A program that runs until it is told to end; its lines come as they are printed."""

    def __init__(self, command: list[str], environment: Mapping[str, str] | None = None) -> None:
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **(environment or {})},
            text=True,
        )
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._said: list[str] = []
        self._readers = [threading.Thread(target=read, daemon=True) for read in (self._read, self._listen)]
        for reader in self._readers:
            reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)
        self._lines.put(None)

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self._said.extend(self.process.stderr)

    def line(self, words: str = "", timeout: float = 20) -> str:
        """The next line of output that has these words in it."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self._lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                pytest.fail(f"no line with {words!r} within {timeout} s")
            if line is None:
                pytest.fail(f"it ended before a line with {words!r}: {self.wait()[1]}")
            if words in line:
                return line

    def object(self, timeout: float = 20, **fields: object) -> dict[str, Any]:
        """The next line that is a JSON object with these fields."""
        while True:
            found: dict[str, Any] = json.loads(self.line("{", timeout))
            if all(found.get(name) == value for name, value in fields.items()):
                return found

    def type(self, line: str) -> None:
        """Gives it a line of standard input."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def wait(self) -> tuple[int, str]:
        """Its exit code once it has ended, and what it said on standard error."""
        code = self.process.wait(timeout=10)
        for reader in self._readers:
            reader.join(timeout=10)
        return code, "".join(self._said)

    def end(self, how: signal.Signals = signal.SIGINT) -> tuple[int, str]:
        """The same, after a signal."""
        self.process.send_signal(how)
        return self.wait()


class RunningNode(Running):
    """`mesocosm node`, with its key under `home`."""

    def __init__(self, *arguments: str, home: Path, as_json: bool = True) -> None:
        form = ["--json"] if as_json else []
        super().__init__([*NODE, *arguments, *form], {"XDG_DATA_HOME": str(home)})

    def event(self, kind: str, **fields: object) -> dict[str, Any]:
        """The next event of this kind with these fields."""
        return self.object(event=kind, **fields)

    def find_subscriber(self) -> None:
        """Publishes until a peer is known to subscribe."""
        self.type("?")
        while self.event("published")["subscribers"] == 0:
            time.sleep(0.05)
            self.type("?")


def run_node(*arguments: object, home: Path, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    """`mesocosm node` with these arguments, until it ends by itself."""
    done = subprocess.run(
        [*NODE, *map(str, arguments)],
        input=given,
        capture_output=True,
        env={**os.environ, "XDG_DATA_HOME": str(home)},
        timeout=60,
        check=False,
    )
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
