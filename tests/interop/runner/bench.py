"""Races the peers: ours with ours beside go with go, rust with rust and js with js, on loopback, in one run.

    python3 tests/interop/runner/bench.py [--peers ours,rust] [--rows ping,perf] [--ways tcp-noise] [--rounds 5]

`./dev bench real` builds the peers and calls this. Rounds are interleaved: each measures every implementation, in an
order that rotates, so that whatever else the machine does meets them alike. Two processes have a core each, one process
has one core, at the highest priority that the user may give. Figures are medians over the rounds. Exit codes: 0, 1 a peer
failed, 2 set-up failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from delay import DelayedPath
from peers import Failure, Line, Peer, Program, require
from race_report import Figures, Race, check_marks, print_race, write_json, write_markdown

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[2]
IMPLEMENTATIONS = ["ours", "go", "rust", "js"]

HANDSHAKES = 50  # measured, after as many to warm up
PINGS = 1000  # likewise
BULK = 256 * 1024 * 1024  # bytes each way, after an eighth of that
MESSAGES = 5000  # after as many
MESSAGE_SIZE = 1000
MESH = ["--bench", "mesh", "--nodes", "10", "--messages", "1000", "--size", str(MESSAGE_SIZE)]
MEMORY = ["--bench", "memory", "--nodes", "20", "--connections", "8"]
ROUND_TRIP = 0.2  # seconds by which one path is longer than another, to count round trips
STEP_LIMIT = 100.0  # seconds for one answer

# Figures by the names of their rows.
Sample = dict[str, float]


@dataclass(frozen=True)
class Way:
    """How two processes are connected."""

    transport: str
    security: str
    early_muxer: bool = True

    def arguments(self) -> list[str]:
        early = "on" if self.early_muxer else "off"
        return ["--transport", self.transport, "--security", self.security, "--early-muxer", early]

    @property
    def option(self) -> str:
        return f"{self.transport}-{self.security}"

    def __str__(self) -> str:
        names = {"tcp": "TCP", "ws": "WS", "noise": "Noise", "tls": "TLS"}
        early = "" if self.early_muxer else ", muxer not early"
        return f"{names[self.transport]} + {names[self.security]}{early}"


@dataclass
class Pair:
    dialer: Peer
    listener: Peer

    @property
    def address(self) -> str:
        return self.listener.addresses[0]

    async def connect(self) -> None:
        await self.dialer.ask("dial", addr=self.address)
        await self.dialer.ask("identify", peer=self.listener.id)
        await self.listener.ask("identify", peer=self.dialer.id)


@dataclass(frozen=True)
class Lane:
    """One implementation's place in the race: its program, the cores, and how its processes are connected."""

    program: Program
    cores: tuple[int, int]
    way: Way
    logs: Path

    @property
    def implementation(self) -> str:
        return self.program.implementation

    @asynccontextmanager
    async def pair(self) -> AsyncIterator[Pair]:
        peers: list[Peer] = []
        try:
            for role, core in (("listener", self.cores[0]), ("dialer", self.cores[1])):
                arguments = self.way.arguments() + (["--no-listen"] if role == "dialer" else [])
                name = f"{self.implementation}-{role}"
                peers.append(await Peer.start(self._pinned(core), name, self.logs, arguments))
            yield Pair(listener=peers[0], dialer=peers[1])
            for peer in reversed(peers):
                await peer.stop()
        finally:
            for peer in peers:
                await peer.kill()

    async def alone(self, arguments: list[str]) -> Line:
        """What a benchmark in one process prints."""
        what = f"{self.implementation}: {' '.join(arguments)}"
        with (self.logs / f"{self.implementation}-alone.log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                *self._pinned(self.cores[1]).command,
                *arguments,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
            try:
                assert process.stdout is not None
                text = await asyncio.wait_for(process.stdout.read(), STEP_LIMIT)
            except TimeoutError:
                raise Failure(f"{what} is not over in {STEP_LIMIT:g} s") from None
            finally:
                if process.returncode is None:
                    process.kill()
                await process.wait()
        for line in text.splitlines():
            told: Line = json.loads(line)
            if told.get("ev") == "bench":
                return told
        raise Failure(f"{what} printed no figure")

    def _pinned(self, core: int) -> Program:
        return Program(self.implementation, ("taskset", "-c", str(core), *self.program.command))


async def handshakes(lane: Lane) -> Sample:
    async with lane.pair() as pair:
        for _ in ("warm-up", "race"):
            answer = await pair.dialer.ask("handshakes", STEP_LIMIT, addr=pair.address, count=HANDSHAKES)
    milliseconds = [1e3 * seconds for seconds in answer["seconds"]]
    return {
        f"handshake p50, {lane.way}": median(milliseconds),
        f"handshake p90, {lane.way}": quantiles(milliseconds, n=10)[8],
    }


async def round_trips(lane: Lane) -> Sample:
    """By the difference between a longer path and a shorter one, with new processes, since some remember addresses.
    TCP's own handshake is not in it: it ends at the path's near end."""
    async with lane.pair() as pair:
        near = await times_to_reply(pair, pair.address)
    async with lane.pair() as pair, DelayedPath(pair.address, ROUND_TRIP / 2) as path:
        far = await times_to_reply(pair, path.address)
    trips = [(slow - fast) / ROUND_TRIP for fast, slow in zip(near, far)]
    return {
        f"round trips to connected, {lane.way}": trips[0],
        f"round trips to the first reply, {lane.way}": trips[1],
    }


async def times_to_reply(pair: Pair, address: str) -> tuple[float, float]:
    """Seconds until a dial says connected, and until the first byte on a stream has come back."""
    clock = asyncio.get_running_loop().time
    began = clock()
    answer = await pair.dialer.ask("dial", addr=address)
    await pair.dialer.ask("echo", peer=pair.listener.id, streams=1, bytes=1)
    return answer["seconds"], clock() - began


async def ping(lane: Lane) -> Sample:
    async with lane.pair() as pair:
        await pair.connect()
        for _ in ("warm-up", "race"):
            answer = await pair.dialer.ask("ping", STEP_LIMIT, peer=pair.listener.id, count=PINGS)
    return {f"ping p50, {lane.way}": 1e6 * median(answer["rtts"])}


async def perf(lane: Lane) -> Sample:
    async with lane.pair() as pair:
        await pair.connect()
        await bulk_rate(pair, BULK // 8, BULK // 8)
        return {
            f"upload, {lane.way}": await bulk_rate(pair, BULK, 0),
            f"download, {lane.way}": await bulk_rate(pair, 0, BULK),
        }


async def bulk_rate(pair: Pair, up: int, down: int) -> float:
    answer = await pair.dialer.ask("perf", STEP_LIMIT, peer=pair.listener.id, up=up, down=down)
    require(answer["received"] == down, f"perf: {answer['received']} bytes came instead of {down}")
    seconds = float(answer["up_seconds"]) + float(answer["down_seconds"])
    return (up + down) / seconds / 1e6


async def gossip(lane: Lane) -> Sample:
    async with lane.pair() as pair:
        await pair.connect()
        topics = ("warm-up", "race")
        for topic in topics:
            for peer in (pair.dialer, pair.listener):
                await peer.ask("subscribe", topic=topic)
            for peer in (pair.dialer, pair.listener):
                await peer.ask("await_subscribers", topic=topic, count=1, timeout=10)
        await asyncio.sleep(1.5)  # a heartbeat
        for topic in topics:
            await pair.dialer.ask("publish", STEP_LIMIT, topic=topic, size=MESSAGE_SIZE, count=MESSAGES)
            answer = await pair.listener.ask(
                "await_messages", STEP_LIMIT, topic=topic, count=MESSAGES, timeout=STEP_LIMIT
            )
            require(answer["valid"] == MESSAGES, f"gossip: {answer['valid']} valid messages of {MESSAGES}")
    return {f"gossipsub 1 KB signed, 2 nodes, {lane.way}": (MESSAGES - 1) / answer["seconds"]}


async def mesh(lane: Lane) -> Sample:
    told = await lane.alone(MESH)
    return {"gossipsub 1 KB signed, 10 nodes in one process": told["deliveries"] / told["seconds"]}


async def memory(lane: Lane) -> Sample:
    told = await lane.alone(MEMORY)
    return {
        "memory a node, idle": told["idle_bytes"] / 1e6,
        "memory a node, 8 connections": told["connected_bytes"] / 1e6,
    }


UNITS = {  # by how rows' names begin
    "handshake": "ms",
    "round trips": "",
    "ping": "us",
    "upload": "MB/s",
    "download": "MB/s",
    "gossipsub 1 KB signed, 2": "messages/s",
    "gossipsub 1 KB signed, 10": "deliveries/s",
    "memory": "MB",
}


@dataclass(frozen=True)
class Benchmark:
    name: str
    way: Way
    run: Callable[[Lane], Awaitable[Sample]]
    most_rounds: int = 1000

    def __str__(self) -> str:
        return f"{self.name}, {self.way}"


TCP_NOISE, TCP_TLS, WS_NOISE, WS_TLS = (Way(t, s) for t in ("tcp", "ws") for s in ("noise", "tls"))
HANDSHAKE_WAYS = [Way("tcp", security, early) for security in ("noise", "tls") for early in (True, False)]
CARRIERS = [TCP_NOISE, TCP_TLS, WS_NOISE, WS_TLS]
BENCHMARKS = [
    *(Benchmark("handshake", way, handshakes) for way in HANDSHAKE_WAYS),
    *(Benchmark("trips", way, round_trips, most_rounds=3) for way in HANDSHAKE_WAYS),
    *(Benchmark("ping", way, ping) for way in CARRIERS),
    *(Benchmark("perf", way, perf) for way in CARRIERS),
    Benchmark("gossip", TCP_NOISE, gossip),
    Benchmark("mesh", TCP_NOISE, mesh),
    Benchmark("memory", TCP_NOISE, memory),
]


@contextmanager
def undisturbed() -> Iterator[None]:
    """Goes before whatever else runs here, as far as it may: alone, and as a session (sched(7), autogroup)."""
    group = Path("/proc/self/autogroup")
    before = group.read_text().split()[-1] if group.exists() else ""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, -20)
        group.write_text("-20")
    try:
        yield
    finally:
        with suppress(OSError):
            group.write_text(before)


def rotations(items: list[str], rounds: int) -> Iterator[list[str]]:
    for i in range(rounds):
        turn = i % len(items)
        yield items[turn:] + items[:turn]


async def race(programs: dict[str, Program], benchmarks: list[Benchmark], rounds: int, logs: Path) -> Race:
    cores = sorted(os.sched_getaffinity(0))
    result = Race(list(programs), rounds)
    given_up: set[tuple[str, Benchmark]] = set()
    for number, order in enumerate(rotations(list(programs), rounds), 1):
        for benchmark in benchmarks:
            for implementation in order:
                if number > benchmark.most_rounds or (implementation, benchmark) in given_up:
                    continue
                print(
                    f"round {number} of {rounds}: {benchmark}: {implementation}", file=sys.stderr, flush=True
                )
                lane = Lane(programs[implementation], (cores[0], cores[-1]), benchmark.way, logs)
                try:
                    sample = await benchmark.run(lane)
                except (Failure, KeyError, TypeError, ValueError) as error:
                    given_up.add((implementation, benchmark))
                    result.failures.append(f"{benchmark}: {implementation}: {type(error).__name__}: {error}")
                    continue
                for row, value in sample.items():
                    unit = next(unit for beginning, unit in UNITS.items() if row.startswith(beginning))
                    result.rows.setdefault(row, Figures(unit)).add(implementation, value)
    return result


async def version_of(program: Program, logs: Path) -> str:
    peer = await Peer.start(program, program.implementation, logs, TCP_NOISE.arguments())
    version = str(peer.events[0].get("version", "unknown"))
    await peer.stop()
    return version


def parse_options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./dev bench real", description="Races our peer against the others."
    )
    parser.add_argument("--peers", metavar="LIST", help="ours,go,rust,js (default: all)")
    parser.add_argument(
        "--rows", metavar="LIST", help="handshake,trips,ping,perf,gossip,mesh,memory (default: all)"
    )
    parser.add_argument("--ways", metavar="LIST", help="tcp-noise,tcp-tls,ws-noise,ws-tls (default: all)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--write", type=Path, metavar="FILE", help="replaces the tables of this Markdown document"
    )
    parser.add_argument(
        "--ours", type=Path, default=ROOT / "build/release/tests/interop_peer", metavar="PROGRAM"
    )
    parser.add_argument("--build", type=Path, default=ROOT / "build/interop", metavar="FOLDER")
    parser.add_argument("--needs", action="store_true", help="only say whose peers this needs besides ours")
    return parser.parse_args(arguments)


def chosen(option: str, given: str | None, allowed: list[str]) -> list[str]:
    names = allowed if given is None else given.split(",")
    for name in names:
        if name not in allowed:
            raise ValueError(f"{option}: no such thing as '{name}': expected some of {', '.join(allowed)}")
    return names


def find_programs(options: argparse.Namespace, implementations: list[str]) -> dict[str, Program]:
    programs = {}
    for name in implementations:
        path = options.ours if name == "ours" else options.build / name / "peer"
        if not path.is_file():
            raise ValueError(f"the peer of {name} is not built: there is no {path}")
        programs[name] = Program(name, (str(path),))
    return programs


async def run(options: argparse.Namespace) -> int:
    implementations = chosen("--peers", options.peers, IMPLEMENTATIONS)
    rows = chosen("--rows", options.rows, list(dict.fromkeys(each.name for each in BENCHMARKS)))
    ways = chosen("--ways", options.ways, [way.option for way in CARRIERS])
    benchmarks = [each for each in BENCHMARKS if each.name in rows and each.way.option in ways]
    if options.needs:
        print(" ".join(name for name in implementations if name != "ours"))
        return 0
    if options.write is not None:
        check_marks(options.write)
    programs = find_programs(options, implementations)
    logs = options.build / "bench-logs"
    shutil.rmtree(logs, ignore_errors=True)
    logs.mkdir(parents=True)
    versions = {name: await version_of(program, logs) for name, program in programs.items()}
    with undisturbed():
        result = await race(programs, benchmarks, options.rounds, logs)
    result.versions = versions
    write_json(options.build / "bench.json", result)
    print_race(result)
    if options.write is not None:
        write_markdown(options.write, result)
    return 1 if result.failures else 0


def main(arguments: list[str]) -> int:
    try:
        return asyncio.run(run(parse_options(arguments)))
    except (ValueError, Failure) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
