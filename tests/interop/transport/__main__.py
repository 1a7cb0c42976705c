"""Runs our node and go's through the libp2p project's transport-interop contract, over a Redis of its own.

    python3 tests/interop/transport [--ours PROGRAM] [--go PROGRAM]

`./dev interop` builds the programs and calls this. Exit codes: 0 all passes, 1 it does not, 2 set-up failed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

ROOT = Path(__file__).resolve().parents[3]
FORMS = ("older", "newer")
LIMIT = 20  # seconds for a test; none takes one on a machine at rest


class Failure(Exception):
    """Why a test failed, for people."""


def require(condition: object, reason: str) -> None:
    if not condition:
        raise Failure(reason)


class Redis:
    """A server on loopback that keeps nothing, and as much of a client as the tests need."""

    def __init__(self, port: int) -> None:
        self.address = f"127.0.0.1:{port}"
        self._port = port
        self._folder = tempfile.TemporaryDirectory(prefix="mesocosm-redis-")
        self._server: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--save", "", "--dir", self._folder.name]
        self._server = subprocess.Popen(["redis-server", *options], stdout=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while not self._answers():
            if self._server.poll() is not None or time.monotonic() > deadline:
                raise ValueError(f"redis-server does not run at {self.address}")
            time.sleep(0.02)

    def stop(self) -> None:
        if self._server is not None:
            self._server.kill()
            self._server.wait()
        self._folder.cleanup()

    def command(self, *words: str) -> str:
        """The first line of the reply."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=5) as connection:
            connection.sendall(("\r\n".join([" ".join(words), ""])).encode())
            return connection.makefile().readline().strip()

    def _answers(self) -> bool:
        try:
            return self.command("PING") == "+PONG"
        except OSError:
            return False


@dataclass(frozen=True)
class Case:
    """One run of two programs, and what its environment variables say."""

    form: str
    transport: str
    security: str

    def variables(self, dialer: bool, redis: str, key: str, seconds: int) -> dict[str, str]:
        role = "true" if dialer else "false"
        if self.form == "older":
            return {
                "transport": self.transport,
                "security": self.security,
                "muxer": "yamux",
                "is_dialer": role,
                "ip": "127.0.0.1",
                "redis_addr": redis,
                "test_timeout_seconds": str(seconds),
            }
        return {
            "TRANSPORT": self.transport,
            "SECURE_CHANNEL": self.security,
            "MUXER": "yamux",
            "IS_DIALER": role,
            "LISTENER_IP": "127.0.0.1",
            "REDIS_ADDR": redis,
            "TEST_KEY": key,
            "TEST_TIMEOUT_SECS": str(seconds),
            "DEBUG": "false",
        }


Command = tuple[str, ...]


@dataclass
class Bench:
    """Where the programs are and what they meet through."""

    programs: dict[str, Command]
    redis: Redis

    def environment(
        self, case: Case, dialer: bool, seconds: int = LIMIT, key: str = "a5b50d5e"
    ) -> dict[str, str]:
        return {**os.environ, **case.variables(dialer, self.redis.address, key, seconds)}

    @contextmanager
    def listener(self, name: str, case: Case) -> Iterator[None]:
        """Kills it in the end, as the contract has it; it must not have ended before."""
        with tempfile.TemporaryFile() as log:
            process = subprocess.Popen(
                self.programs[name], env=self.environment(case, False), stdout=log, stderr=log
            )
            try:
                yield
                require(
                    process.poll() is None, f"the listener ended with code {process.returncode}: {tail(log)}"
                )
            except Failure as failure:
                raise Failure(f"{failure}; the listener said: {tail(log)}") from None
            finally:
                process.kill()
                process.wait()

    def dial(self, name: str, case: Case) -> tuple[float, float]:
        """The handshake with one round trip, and a round trip, in milliseconds."""
        done = self.finished(name, self.environment(case, True))
        require(
            done.returncode == 0, f"the dialer ended with code {done.returncode}: {last_line(done.stderr)}"
        )
        return read_report(case, done.stdout)

    def finished(self, name: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(
                self.programs[name], env=environment, capture_output=True, text=True, timeout=LIMIT + 5
            )
        except subprocess.TimeoutExpired:
            raise Failure(f"{name} did not end by itself") from None


def tail(log: IO[bytes]) -> str:
    log.seek(0)
    return last_line(log.read().decode(errors="replace"))


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1] if lines else "nothing"


def read_report(case: Case, text: str) -> tuple[float, float]:
    """What the official runners find in a dialer's standard output."""
    if case.form == "older":
        try:
            line = json.loads(text)
            times = float(line["handshakePlusOneRTTMillis"]), float(line["pingRTTMilllis"])
        except (ValueError, KeyError, TypeError) as error:
            raise Failure(f"not the older form's report: {text!r} ({error})") from None
    else:
        number = r"(\d+\.?\d*)"
        form = rf"latency:\n  handshake_plus_one_rtt: {number}\n  ping_rtt: {number}\n  unit: ms\n"
        found = re.fullmatch(form, text)
        if found is None:
            raise Failure(f"not the newer form's report: {text!r}")
        times = float(found[1]), float(found[2])
    require(0 < times[1] <= times[0] < LIMIT * 1000, f"times that cannot be: {times}")
    return times


def run_pair(bench: Bench, dialer: str, listener: str, case: Case) -> str:
    bench.redis.command("FLUSHALL")
    with bench.listener(listener, case):
        handshake, ping = bench.dial(dialer, case)
    return f"handshake and ping {handshake:.2f} ms, ping {ping:.2f} ms"


def check_patience(programs: dict[str, Command], case: Case) -> str:
    """Both roles begin before Redis is there."""
    bench = Bench(programs, Redis(free_port()))
    late = threading.Timer(0.3, bench.redis.start)
    late.start()
    try:
        with bench.listener("ours", case):
            bench.dial("ours", case)
    finally:
        late.join()
        bench.redis.stop()
    return "waited for Redis"


def check_text(bench: Bench, case: Case) -> str:
    """The newer form's document has listeners set a text; those of today push to a list."""
    bench.redis.command("FLUSHALL")
    with bench.listener("go", case):
        deadline = time.monotonic() + LIMIT
        key = "listenerAddr" if case.form == "older" else "a5b50d5e_listener_multiaddr"
        while bench.redis.command("LLEN", key) != ":1":
            require(time.monotonic() < deadline, "no listener came")
            time.sleep(0.01)
        move = f"local a = redis.call('lpop','{key}') redis.call('set','{key}',a) return 1"
        require(bench.redis.command("EVAL", json.dumps(move), "0") == ":1", "Redis did not set the text")
        bench.dial("ours", case)
    return "took the text"


def check_nobody(bench: Bench, case: Case, dialer: bool) -> str:
    """A role whose counterpart never comes ends with an error when its time is over."""
    bench.redis.command("FLUSHALL")
    began = time.monotonic()
    done = bench.finished("ours", bench.environment(case, dialer, seconds=1))
    took = time.monotonic() - began
    require(done.returncode == 1, f"ended with code {done.returncode}")
    require(took >= 1, f"ended after {took:.2f} s")
    require(done.stdout == "", f"said {done.stdout!r}")
    require("did not end within its time" in done.stderr, f"complained of {done.stderr!r}")
    return "gave up after its time"


def check_unknown(bench: Bench, case: Case) -> str:
    """What it cannot do is said at once."""
    environment = bench.environment(case, True)
    name = "transport" if case.form == "older" else "TRANSPORT"
    done = bench.finished("ours", {**environment, name: "quic-v1"})
    require(done.returncode == 2, f"ended with code {done.returncode}")
    require(f"{name}: expected tcp or ws, not 'quic-v1'" in done.stderr, f"complained of {done.stderr!r}")
    return "named the variable"


def tests_of(bench: Bench) -> Iterator[tuple[str, Case, Callable[[], str]]]:
    for dialer, listener in (("ours", "go"), ("go", "ours"), ("ours", "ours")):
        for form in FORMS:
            for transport in ("tcp", "ws"):
                for security in ("noise", "tls"):
                    case = Case(form, transport, security)
                    yield f"{dialer} -> {listener}", case, partial(run_pair, bench, dialer, listener, case)
    for form in FORMS:
        case = Case(form, "tcp", "noise")
        yield "ours before Redis", case, partial(check_patience, bench.programs, case)
        yield "ours dials a text", case, partial(check_text, bench, case)
        yield "ours dials nobody", case, partial(check_nobody, bench, case, dialer=True)
        yield "nobody dials ours", case, partial(check_nobody, bench, case, dialer=False)
        yield "ours, by QUIC", case, partial(check_unknown, bench, case)


def run_all(bench: Bench, results: Path) -> int:
    passed = failed = 0
    with results.open("w") as file:
        for name, case, test in tests_of(bench):
            failure = None
            said = ""
            try:
                said = test()
                passed += 1
            except Failure as error:
                failure = str(error)
                failed += 1
            row = {
                "contract": case.form,
                "pair": name,
                "transport": case.transport,
                "security": case.security,
                "passed": failure is None,
                "failure": failure,
            }
            file.write(json.dumps(row) + "\n")
            file.flush()
            verdict = f"ok    {said}" if failure is None else f"FAIL  {failure}"
            print(f"{case.form}  {name:18} {case.transport:4} {case.security:6} {verdict}", flush=True)
    print(f"transport-interop contract: {passed} passed, {failed} failed: {results}")
    return 1 if failed else 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="transport", description="Runs the transport-interop contract.")
    parser.add_argument("--ours", type=Path, default=ROOT / "build/release/tests/interop_transport")
    parser.add_argument("--go", type=Path, default=ROOT / "build/interop/go/peer")
    parser.add_argument("--results", type=Path, default=ROOT / "build/interop/transport.jsonl")
    options = parser.parse_args(arguments)
    for program in (options.ours, options.go):
        if not program.is_file():
            print(f"error: not built: there is no {program}", file=sys.stderr)
            return 2
    if shutil.which("redis-server") is None:
        print("error: there is no redis-server (Debian's package of that name)", file=sys.stderr)
        return 2
    options.results.parent.mkdir(parents=True, exist_ok=True)
    bench = Bench({"ours": (str(options.ours),), "go": (str(options.go), "contract")}, Redis(free_port()))
    try:
        bench.redis.start()
        return run_all(bench, options.results)
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        bench.redis.stop()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
