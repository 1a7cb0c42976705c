"""What the tiers are held against each other with, and how each case is run."""

from __future__ import annotations

import itertools
import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

QUEUE_MS = 50  # the longest wait for a link
RTTS_MS = (10, 50, 150)
RATES_MBIT = (10, 100, 1000)
BULK = (64 << 10, 256 << 10, 1 << 20, 10 << 20)
ANSWERS = (1, 1 << 10, 64 << 10, 1 << 20, 10 << 20)
LOSSES = (0.001, 0.01)


@dataclass(frozen=True)
class Bound:
    """How far `flow` may be from `packet`, as shares of it; None: not asked."""

    median: float | None = None
    p99: float | None = None


@dataclass(frozen=True)
class Transfer:
    """A case that the program `agreement_transfers` runs."""

    section: str
    scenario: str
    rtt_ms: int
    mbit: int
    size: int = 0  # bytes
    loss: float = 0
    runs: int = 1
    bound: Bound = Bound()
    tiers: tuple[str, ...] = ("flow", "packet", "linux")
    linux_runs: int = 1

    @property
    def name(self) -> str:
        size = f", {size_name(self.size)}" if self.size else ""
        return f"{self.rtt_ms} ms, {rate_name(self.mbit)}{size}"

    def line(self, tier: str, seed: int) -> str:
        return f"{tier} {self.scenario} {self.rtt_ms} {self.mbit} {self.loss} {QUEUE_MS} {self.size} {seed}"


@dataclass(frozen=True)
class Gossip:
    """A World of gossiping nodes; one of them publishes a block every four seconds."""

    section: str
    internet: str  # "ethereum_2025" or "uniform"
    nodes: int
    size: int
    runs: int
    bound: Bound = Bound()
    tiers: tuple[str, ...] = ("flow", "packet")
    blocks: int = 10

    @property
    def name(self) -> str:
        return f"{self.internet}, {self.nodes} nodes, {size_name(self.size)}"


Case = Transfer | Gossip


@dataclass
class Samples:
    """What came of a case on one tier."""

    seconds: list[float] = field(default_factory=list)
    sent: list[int] = field(default_factory=list)  # bytes
    ahead: int = 0  # the most bytes written and not yet read
    lost: int = 0  # runs that did not end, deliveries that did not happen

    def percentile(self, q: float) -> float:
        ordered = sorted(self.seconds)
        if not ordered:
            return float("nan")
        return ordered[min(len(ordered), max(1, int(np.ceil(q / 100 * len(ordered) - 1e-9)))) - 1]

    @property
    def bytes(self) -> float:
        return float(np.median(self.sent)) if self.sent else float("nan")

    def add(self, other: Samples) -> None:
        self.seconds += other.seconds
        self.sent += other.sent
        self.ahead = max(self.ahead, other.ahead)
        self.lost += other.lost


def cases(quick: bool) -> list[Case]:
    """All of them, or a few that take some twenty seconds."""
    if quick:
        return list(_quick())
    return [*_setups(), *_bulk(), *_exchanges(), *_losses(), *_shared(), *_blocks(), *_slow(), *_gossip()]


def _grid() -> Iterator[tuple[int, int]]:
    return itertools.product(RTTS_MS, RATES_MBIT)


def _setups() -> Iterator[Case]:
    for rtt in RTTS_MS:
        yield Transfer("Connection setup", "setup", rtt, 100, tiers=("flow", "packet", "linux", "real"))


def _bulk() -> Iterator[Case]:
    for (rtt, mbit), size in itertools.product(_grid(), BULK):
        yield Transfer("Bulk transfer, loss-free", "bulk", rtt, mbit, size, bound=Bound(median=0.15))


def _exchanges() -> Iterator[Case]:
    for (rtt, mbit), size in itertools.product(_grid(), ANSWERS):
        yield Transfer("Request and response", "exchange", rtt, mbit, size)


def _losses() -> Iterator[Case]:
    for loss, rtt, mbit, size in itertools.product(LOSSES, RTTS_MS, (10, 100), (64 << 10, 1 << 20, 10 << 20)):
        bound = Bound(median=0.25) if loss == 0.01 else Bound()
        runs, linux_runs = (200, 20) if size < 10 << 20 else (20, 5)
        section = f"Bulk transfer, {loss * 100:g} % loss"
        yield Transfer(section, "bulk", rtt, mbit, size, loss, runs, bound, linux_runs=linux_runs)


def _shared() -> Iterator[Case]:
    for rtt, mbit in _grid():
        yield Transfer("Two flows sharing an uplink", "shared", rtt, mbit, 1 << 20)


def _blocks() -> Iterator[Case]:
    for rtt, size in itertools.product((10, 110), (16 << 10, 128 << 10)):
        yield Transfer("Ten blocks, one every 4 s", "blocks", rtt, 100, size)


def _slow() -> Iterator[Case]:
    for mbit in (100, 1000):
        tiers = ("flow", "packet", "linux", "real") if mbit == 1000 else ("flow", "packet", "linux")
        yield Transfer("A slow reader", "slow", 50, mbit, 8 << 20, tiers=tiers)


def _gossip() -> Iterator[Case]:
    bound = Bound(median=0.05, p99=0.10)
    chosen = []
    for nodes, internet, size in itertools.product(
        (50, 200), ("uniform", "ethereum_2025"), (1 << 10, 16 << 10, 128 << 10)
    ):
        # Eight copies of 128 KiB fill the queue of an uplink of 15 Mbit/s.
        congested = internet == "ethereum_2025" and size == 128 << 10
        section = "Gossip, uplinks of homes congested" if congested else "Gossip, uncongested"
        chosen.append(Gossip(section, internet, nodes, size, 4 if nodes == 50 else 1, bound))
    return iter(sorted(chosen, key=lambda case: case.section != "Gossip, uncongested"))


def _quick() -> Iterator[Case]:
    yield Transfer("Connection setup", "setup", 50, 100, tiers=("flow", "packet"), bound=Bound(median=0.01))
    for rtt, mbit, size in ((10, 10, 64 << 10), (50, 100, 1 << 20), (150, 10, 1 << 20), (150, 100, 10 << 20)):
        yield Transfer(
            "Bulk transfer, loss-free", "bulk", rtt, mbit, size, bound=Bound(0.15), tiers=("flow", "packet")
        )
    for rtt, size in ((10, 1 << 20), (50, 1 << 20)):
        yield Transfer(
            "Bulk transfer, 1 % loss",
            "bulk",
            rtt,
            100,
            size,
            0.01,
            100,
            Bound(0.25),
            tiers=("flow", "packet"),
        )
    for internet in ("uniform", "ethereum_2025"):
        yield Gossip("Gossip, uncongested", internet, 50, 16 << 10, 2, Bound(0.05, 0.10))


def size_name(size: int) -> str:
    for unit, name in ((1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit and size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def rate_name(mbit: int) -> str:
    return f"{mbit // 1000} Gbit/s" if mbit >= 1000 else f"{mbit} Mbit/s"


def run_transfer(program: Path, case: Transfer, tier: str, seed: int) -> Samples:
    """One run of a case. Raises RuntimeError if the program fails."""
    done = subprocess.run(
        [program],
        input=case.line(tier, seed) + "\n",
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"{case.line(tier, seed)}: {done.stderr.strip()}")
    told = json.loads(done.stdout)
    both_ways = told["sent"] + told["answered"]
    return Samples(told["taken"], [both_ways], told["ahead"], 0 if told["taken"] else 1)


def run_gossip(case: Gossip, tier: str, seed: int) -> Samples:
    """One World of a case."""
    import mesocosm as mc

    internet = (
        mc.internet.ethereum_2025()
        if case.internet == "ethereum_2025"
        else mc.internet.uniform(("10ms", "100ms"), bandwidth="100Mbit")
    )
    world = mc.World(backend=tier, seed=seed, internet=internet, metrics_every=None)
    nodes = world.add(case.nodes, mc.Node(mc.GossipSub.ethereum()))
    world.bootstrap(nodes, mc.overlay.random(degree=20))
    nodes.subscribe("blocks")
    # The same publishers on every tier: what was drawn depends on the seed and the time alone.
    for block in range(case.blocks):
        world.at(f"{20 + 4 * block}s", lambda: nodes.sample(1).publish("blocks", size=case.size))
    run = world.run(f"{20 + 4 * case.blocks}s", progress=False)
    latencies = [float(value) for value in run.deliveries["latency"]]
    last = run.bytes.groupby(["node", "protocol"], observed=True)["out_bytes"].last()
    return Samples(latencies, [int(last.sum())], 0, int(run.messages["expected"].sum()) - len(latencies))
