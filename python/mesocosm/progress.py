"""The progress bar of a run: simulated time, speed and what is left; nothing when nobody watches."""

from __future__ import annotations

import sys
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress


class Progress:
    """`with Progress(end_ns) as bar: bar.update(now_ns)`; visible=None: if standard error is a terminal."""

    def __init__(self, end_ns: int, visible: bool | None = None) -> None:
        self._end = end_ns
        self._bar: RichProgress | None = None
        if sys.stderr.isatty() if visible is None else visible:
            self._bar = RichProgress(
                TextColumn("{task.fields[simulated]}"),
                BarColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._task = self._bar.add_task("", total=end_ns * 1e-9, simulated="", speed="")

    def __enter__(self) -> Progress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def update(self, now_ns: int) -> None:
        """Shows that `now_ns` of simulated time was reached."""
        if self._bar is None:
            return
        seconds = min(now_ns, self._end) * 1e-9
        task = self._bar.tasks[0]
        speed = seconds / task.elapsed if task.elapsed else 0.0
        self._bar.update(
            self._task,
            completed=seconds,
            simulated=f"{seconds:.1f} / {self._end * 1e-9:g} s simulated",
            speed=f"{speed:.2g} x real time",
        )
