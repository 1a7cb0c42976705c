"""A peer program as a process that is told what to do and says what happens (the contract is in ../README.md)."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ANSWER_LIMIT = 15.0  # seconds for the answer to a command, unless a test knows better
START_LIMIT = 20.0  # seconds until a peer listens, on a machine that is busy with others
EXIT_LIMIT = 10.0  # seconds from the answer to `stop` until the process has ended
LONGEST_LINE = 1 << 20

# What sanitizers write to standard error.
SANITIZER_SIGNS = ("ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:", "SUMMARY: Undefined")

Line = dict[str, Any]


class Failure(Exception):
    """Why a test failed, for people."""


class Broken(Failure):
    """A process ended by itself, or a sanitizer found something: no slowness of the machine does that."""


def require(condition: object, reason: str, failure: type[Failure] = Failure) -> None:
    if not condition:
        raise failure(reason)


@dataclass(frozen=True)
class Program:
    """How an implementation's peer is started."""

    implementation: str
    command: tuple[str, ...]


@dataclass
class _Waiter:
    matches: Callable[[Line], bool]
    found: asyncio.Future[Line]


@dataclass
class Peer:
    """One running peer. Its log has standard error; its transcript has both directions of the contract."""

    name: str
    implementation: str
    process: asyncio.subprocess.Process
    log: Path
    id: str = ""
    addresses: list[str] = field(default_factory=list)
    events: list[Line] = field(default_factory=list)
    _answers: dict[int, asyncio.Future[Line]] = field(default_factory=dict)
    _waiters: list[_Waiter] = field(default_factory=list)
    _reader: asyncio.Task[None] | None = None
    _next: int = 1

    @classmethod
    async def start(
        cls,
        program: Program,
        name: str,
        folder: Path,
        arguments: list[str],
        environment: dict[str, str] | None = None,
    ) -> Peer:
        folder.mkdir(parents=True, exist_ok=True)
        log = folder / f"{name}.log"
        with log.open("wb") as errors:
            process = await asyncio.create_subprocess_exec(
                *program.command,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env={**(environment or {}), **os.environ},
                limit=LONGEST_LINE,
            )
        peer = cls(name, program.implementation, process, log)
        peer._reader = asyncio.create_task(peer._read())
        try:
            first = await peer.event(0, START_LIMIT, ev="listening")
            peer.id, peer.addresses = str(first["peer"]), list(first["addrs"])
        except BaseException:
            await peer.kill()
            raise
        return peer

    @property
    def alive(self) -> bool:
        return self.process.returncode is None and self._reader is not None and not self._reader.done()

    def mark(self) -> int:
        """Now, as a place in the list of events."""
        return len(self.events)

    async def ask(self, op: str, limit: float = ANSWER_LIMIT, **arguments: object) -> Line:
        """The answer to a command. Raises Failure when it is refused, late, or the peer is gone."""
        require(self.alive, f"{op}: {self.name} has ended{self._why_ended()}")
        number, self._next = self._next, self._next + 1
        answer: asyncio.Future[Line] = asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        line = json.dumps({"id": number, "op": op, **arguments})
        self._note(">", line)
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(line.encode() + b"\n")
            await self.process.stdin.drain()
            result = await asyncio.wait_for(answer, limit)
        except TimeoutError:
            raise Failure(f"{self.name}: no answer to {op} in {limit:g} s") from None
        except ConnectionError:
            raise Broken(f"{op}: {self.name} has ended{self._why_ended()}") from None
        finally:
            self._answers.pop(number, None)
        require(result.get("ok") is True, f"{self.name}: {op}: {result.get('error', 'no reason given')}")
        return result

    async def event(self, since: int, limit: float = ANSWER_LIMIT, **fields: object) -> Line:
        """The first event after the mark `since` with these fields."""

        def matches(event: Line) -> bool:
            return all(event.get(name) == value for name, value in fields.items())

        for event in self.events[since:]:
            if matches(event):
                return event
        what = ", ".join(f"{name} {value}" for name, value in fields.items())
        require(self.alive, f"{self.name} ended before it told of {what}{self._why_ended()}", Broken)
        waiter = _Waiter(matches, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        try:
            return await asyncio.wait_for(waiter.found, limit)
        except TimeoutError:
            raise Failure(f"{self.name} did not tell of {what} in {limit:g} s") from None
        finally:
            self._waiters.remove(waiter)

    async def stop(self) -> None:
        """Ends it politely. Raises Failure unless it ends with code 0 and without a sanitizer's report."""
        await self.ask("stop")
        try:
            await asyncio.wait_for(self.process.wait(), EXIT_LIMIT)
        except TimeoutError:
            await self.kill()
            raise Failure(f"{self.name} answered stop and went on for {EXIT_LIMIT:g} s") from None
        code = self.process.returncode
        require(code == 0, f"{self.name} ended with code {code}{self._why_ended()}", Broken)
        self.check_log()

    async def kill(self) -> None:
        """SIGKILL, and whatever else it takes to be rid of it."""
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()
        if self._reader is not None:
            await self._reader

    def check_log(self) -> None:
        """Raises Failure if a sanitizer found something."""
        for line in self.log.read_text(errors="replace").splitlines():
            clean = not any(sign in line for sign in SANITIZER_SIGNS)
            require(clean, f"{self.name}: {line.strip()}", Broken)

    async def _read(self) -> None:
        assert self.process.stdout is not None
        while line := await self.process.stdout.readline():
            text = line.decode(errors="replace").strip()
            self._note("<", text)
            try:
                self._take(json.loads(text))
            except (ValueError, AttributeError):
                with self.log.open("a") as log:
                    log.write(f"not a line of the contract: {text}\n")
        await self.process.wait()
        gone = Broken(f"{self.name} ended{self._why_ended()}")
        pending = [*self._answers.values(), *(waiter.found for waiter in self._waiters)]
        for future in pending:
            if not future.done():
                future.set_exception(gone)

    def _take(self, line: Line) -> None:
        if "id" in line:
            answer = self._answers.get(line["id"])
            if answer is not None and not answer.done():
                answer.set_result(line)
            return
        self.events.append(line)
        for waiter in self._waiters:
            if not waiter.found.done() and waiter.matches(line):
                waiter.found.set_result(line)

    def _note(self, direction: str, text: str) -> None:
        with self.log.with_suffix(".lines").open("a") as transcript:
            transcript.write(f"{direction} {text}\n")

    def _why_ended(self) -> str:
        """Its exit code, and the last line that it logged."""
        lines = self.log.read_text(errors="replace").strip().splitlines()
        reports = [line for line in lines if any(sign in line for sign in SANITIZER_SIGNS)]
        said = (reports or lines[-1:] or ["nothing was logged"])[0].strip()
        return f" (code {self.process.returncode}): {said[:200]}"
