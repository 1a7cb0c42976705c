"""Real processes in a simulated Internet: network namespaces, which `World.attach` makes nodes of a world."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from types import TracebackType
from typing import Any

from .errors import ConfigError

DEVICE = "mesocosm0"  # the tun device in each namespace


class Namespace:
    """A network namespace of Linux, and the processes that were started in it, while it is open.

    Use it with `with`; name  how `ip netns` calls it. Needs root, and Debian's iproute2. Raises ConfigError when it cannot
    be made, as when one of that name is there already.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._processes: list[subprocess.Popen[Any]] = []

    def __enter__(self) -> Namespace:
        _ip("netns", "add", self.name)
        _ip("-n", self.name, "link", "set", "lo", "up")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        _ip("netns", "del", self.name)

    def start(self, command: Sequence[str], **options: Any) -> subprocess.Popen[Any]:
        """Starts a command in the namespace; `options` are those of subprocess.Popen. It ends with the namespace."""
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *command], **options)
        self._processes.append(process)
        return process


def connect(namespace: str, address: str) -> None:
    """Gives the namespace's device its address and all that is sent. Raises ConfigError."""
    _ip("-n", namespace, "address", "add", f"{address}/32", "dev", DEVICE)
    _ip("-n", namespace, "link", "set", DEVICE, "up")
    _ip("-n", namespace, "route", "add", "default", "dev", DEVICE)


def _ip(*arguments: str) -> None:
    try:
        done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ConfigError("emulation: there is no `ip`; install Debian's iproute2") from error
    if done.returncode != 0:
        raise ConfigError(f"emulation: ip {' '.join(arguments)}: {done.stderr.strip()}")
