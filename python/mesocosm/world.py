"""World: a simulated Internet (or the loopback interface) with its nodes, the work they are given, and one run."""

from __future__ import annotations

import atexit
import ipaddress
import json
import math
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

import h5py
import numpy as np
import numpy.typing as npt
import pandas as pd

from . import _core, attacks, emulation, internet as internet_models
from .analysis import Run, load
from .churn import Sessions
from .emulation import Namespace
from .errors import ConfigError, RunError
from .nat import Firewall
from .node import Node, PubSub
from .overlay import Overlay
from .progress import Progress
from .units import Duration, Size, duration_ns, size_bytes
from .validation import Validator, asker

BACKENDS = ("flow", "packet", "real")
STACKS = ("full", "collapsed")
EFFECTS = ("blackhole", "refuse")
IDENTITIES = ("keep", "new")
DEPARTURES = ("crash", "leave")
REGIONS = ("AF", "EAS", "EU", "LATAM", "ME", "NA-C", "NA-E", "NA-W", "OC", "SAS", "SEA")
_SLICE_SECONDS = 0.1  # how long the core runs before Python may show progress or notice Ctrl-C
_DATA = Path(__file__).parent / "data"

Indices = npt.NDArray[np.uint32]
AnyFault = TypeVar("AnyFault", bound="Fault")


class World:
    """A world of nodes that runs once.

    backend   "flow" (fast simulation), "packet" (ns-3, packet by packet; one world at a time in a process; under mpirun
              all processes run one world together) or "real" (sockets on the loopback interface, in real time)
    seed      everything that is drawn depends on it alone
    internet  a model from `mesocosm.internet`, or on "packet" from `mesocosm.topology`; ignored by "real". Default: the Ethereum network of 2025
    stack     "full" (TCP, Noise or TLS, Yamux byte by byte) or "collapsed" (the same protocols above a message-level
              transport with the full stack's measured costs; flow only)
    ipv6      nodes listen on IPv6 addresses and dial each other there; simulated worlds only
    port      on "real", node i listens on TCP port `port + i`; 0: on any free port
    metrics   on "real": serve the nodes' metrics to Prometheus at this address during the run, such as "127.0.0.1:9464"
              (port 0: any free one, see `metrics_page`); "": do not
    metrics_every  how often the nodes' metrics are sampled into the record (`Run.metrics`); None: never
    log       which lines nodes log: "info", "swarm=debug,gossipsub=info", "warn,swarm=debug" (levels: debug, info, warn,
              error, off); "": none. In simulation lines have virtual time, and the same run logs the same lines
    log_file  where they go; None: standard error
    log_format  "text" (key=value) or "json" (an object a line)
    """

    def __init__(
        self,
        *,
        backend: str = "flow",
        seed: int = 1,
        internet: internet_models.Internet | None = None,
        stack: str = "full",
        ipv6: bool = False,
        port: int = 0,
        metrics: str = "",
        metrics_every: Duration | None = "1s",
        log: str = "",
        log_file: str | Path | None = None,
        log_format: str = "text",
    ) -> None:
        if backend not in BACKENDS:
            raise ConfigError(f"World: backend must be one of {', '.join(BACKENDS)}, not {backend!r}")
        if stack not in STACKS:
            raise ConfigError(f"World: stack must be one of {', '.join(STACKS)}, not {stack!r}")
        if stack == "collapsed" and backend != "flow":
            raise ConfigError("World: the collapsed stack exists on the flow backend only")
        if not isinstance(port, int) or not 0 <= port < 2**16:
            raise ConfigError(f"World: port must be a whole number from 0 to 65535, not {port!r}")
        if not isinstance(seed, int) or not 0 <= seed < 2**64:
            raise ConfigError(f"World: seed must be a whole number from 0 to 2^64 - 1, not {seed!r}")
        self.backend, self.seed, self.stack = backend, seed, stack
        self.internet = internet if internet is not None else internet_models.ethereum_2025()
        self._core = _core.World(backend, stack, seed, self.internet.to_config(), str(_DATA), port)
        if ipv6:
            self._core.use_ipv6()
        self._metrics_every_ns = (
            0 if metrics_every is None else _interval_ns("World", "metrics_every", metrics_every)
        )
        self._scrape_page = metrics
        self.log(log, file=log_file, format=log_format)
        self._setup: list[Callable[[], None]] = []
        self._attacks: list[attacks.Attack] = []
        self._started = False
        self.scenario = ""  # what the report calls the run; "": the record's name
        self.about = ""  # its question, in a sentence
        self.parameters: dict[str, Any] = {}

    def log(self, levels: str, *, file: str | Path | None = None, format: str = "text") -> None:
        """Before the run: log what `levels` says, in place of what was said before; see the arguments of World."""
        if getattr(self, "_started", False):
            raise ConfigError("World.log: the world runs already")
        if not isinstance(levels, str):
            raise ConfigError(
                f'World: log must be levels such as "info" or "swarm=debug,gossipsub=info", not {levels!r}'
            )
        path = "-" if file is None else str(file)
        self._core.observe(self._metrics_every_ns, levels, path, format, self._scrape_page)

    def capture(self, nodes: Nodes, folder: str | Path, *, keys: bool = False) -> None:
        """Before the run: write what nodes see on their links to FOLDER/node-INDEX.pcapng, for Wireshark and tshark.

        keys  also write the keys that decrypt it: Wireshark finds them in the file (TLS; for Noise's, docs/captures.md)
        Existing files are replaced. Raises ConfigError for a folder or file that cannot be written, on "real", and on
        the collapsed stack, which sends no packets. See docs/captures.md.
        """
        self._core.capture(nodes.indices, str(folder), keys)

    # --- building ------------------------------------------------------------------------------------------------

    def add(
        self,
        count: int,
        node: Node | PubSub,
        *,
        behind: Firewall | None = None,
        start: Duration = 0,
    ) -> Nodes:
        """Adds `count` nodes of one kind and returns them; the Internet model places them.

        behind    a `Nat` or `Firewall`: each node sits behind one of its own, or `hosts` nodes do together (the last
                  one may have fewer). They can dial out, and be dialed as far as it lets others in. Simulated only
        start     when they join; until then nobody listens at their addresses. What they are told to subscribe to and
                  whom to dial (`bootstrap`) waits for them. See docs/churn.md
        """
        if not isinstance(count, int) or count < 1:
            raise ConfigError(
                f"World.add: the number of nodes must be a whole number of at least 1, not {count!r}"
            )
        if self._started:
            raise ConfigError("World.add: the world runs already")
        kind = Node(node) if isinstance(node, PubSub) else node
        if not isinstance(kind, Node):
            raise ConfigError(f"World.add: expected a Node, not {type(kind).__name__}")
        if kind.transport != "tcp" and self.stack == "collapsed":
            raise ConfigError(
                f"World.add: the collapsed stack models TCP alone, transport {kind.transport!r} needs the full one"
            )
        if behind is not None and not isinstance(behind, Firewall):
            raise ConfigError(f"World.add: behind must be a Nat or a Firewall, not {type(behind).__name__}")
        if behind is not None and self.backend == "real":
            raise ConfigError("World.add: real nodes cannot be put behind a simulated NAT or firewall")
        joins = duration_ns(start)
        first = self._core.add(count, kind.to_config(), joins)
        nodes = np.arange(first, first + count, dtype=np.uint32)
        if behind is not None:
            for begin in range(0, count, behind.hosts):
                self._core.put_behind(behind.to_config(), nodes[begin : begin + behind.hosts])
        return Nodes(self, nodes)

    def attach(self, namespace: Namespace | str) -> Nodes:
        """Makes a network namespace a node: what runs there sends and receives over this world's Internet.

        namespace  one that is open, or the name of one that `ip netns add` made
        The Internet model places it; it gets the node's address (`addresses`) and a default route when the run starts.
        What runs there is not the world's business: the node cannot be told to subscribe or publish, and what it does is
        not recorded. The world then runs in real time: a simulated second takes a second, nothing repeats exactly, and
        `lateness` tells whether the machine kept up. Packet backend, Linux and root only. Raises ConfigError. See
        docs/emulation.md.
        """
        if self._started:
            raise ConfigError("World.attach: the world runs already")
        name = namespace.name if isinstance(namespace, Namespace) else namespace
        index = self._core.attach(name, emulation.DEVICE)
        attached = Nodes(self, np.array([index], dtype=np.uint32))
        self._setup.insert(0, lambda: emulation.connect(name, attached.addresses[0].split("/")[2]))
        return attached

    @property
    def lateness(self) -> dict[str, float]:
        """How late a world in real time was, in seconds: `mean` and `most` over its `batches` of turns that were due
        together, and how many of them were over 1 ms late (`over_1ms`). All zero for other worlds."""
        batches, over_1ms, total_ns, most_ns = self._core.lateness
        mean = total_ns * 1e-9 / batches if batches else 0.0
        return {"batches": batches, "over_1ms": over_1ms, "mean": mean, "most": most_ns * 1e-9}

    def bootstrap(
        self, nodes: Nodes, overlay: Overlay, *, within: Duration = "1s", redial: Duration | None = None
    ) -> None:
        """Lets nodes dial each other along an overlay's edges, at times spread evenly over the first `within`.

        redial  from then on, each edge is looked at once in so long, and dialed again if it is not connected, as
                applications do that keep to their peers; None: never
        """
        edges = overlay(nodes.indices, self._core.random_overlay)
        spread = duration_ns(within)
        again = 0 if redial is None else _interval_ns("World.bootstrap", "redial", redial)
        self._perform(lambda: self._core.bootstrap(edges, spread, again))

    def at(self, when: Duration, action: Callable[[], Any]) -> None:
        """Calls `action()` at a simulated time (on "real": that long after the start)."""
        if not callable(action):
            raise ConfigError(f"World.at: the action must be callable, not {type(action).__name__}")
        moment = duration_ns(when)
        if moment < self._core.now_ns:
            raise ConfigError(f"World.at: {when!r} has passed, it is {self.now:.3f} s")
        self._core.call_at(moment, action)

    def every(self, interval: Duration, action: Callable[[], Any], *, start: Duration | None = None) -> None:
        """Calls `action()` every `interval`, first at `start` (default: one interval after the beginning)."""
        if not callable(action):
            raise ConfigError(f"World.every: the action must be callable, not {type(action).__name__}")
        step = duration_ns(interval)
        if step <= 0:
            raise ConfigError(f"World.every: the interval must be longer than zero, not {interval!r}")
        self._core.call_every(step if start is None else duration_ns(start), step, action)

    # --- faults of the network: docs/faults.md

    def cut(
        self,
        one_side: Nodes,
        other_side: Nodes | None = None,
        *,
        effect: str = "blackhole",
        one_way: bool = False,
        at: Duration | None = None,
        until: Duration | None = None,
    ) -> Fault:
        """Cuts every path between two groups of nodes. Simulated backends only.

        other_side  None: everybody who is not in `one_side`
        effect      "blackhole": packets are lost without notice, and connections time out; "refuse": connections are
                    reset after a round trip
        one_way     only packets from `one_side` to `other_side`
        at, until   simulated times; None: now (or at the start), and until it is healed
        What is under way when it begins still arrives. Faults add up. Raises ConfigError for a group without nodes.
        """
        _one_of("World.cut", "effect", effect, EFFECTS)
        one, other = self._sides("World.cut", one_side, other_side)
        begin = lambda: self._core.cut(one.indices, other().indices, effect, one_way)
        return self._fault("World.cut", begin, at, until)

    def partition(
        self,
        groups: Sequence[Nodes],
        *,
        effect: str = "blackhole",
        at: Duration | None = None,
        until: Duration | None = None,
    ) -> Fault:
        """Cuts every path from one group to another; nodes that are in none make one more group.

        Groups must not share nodes. For the rest, see `cut`.
        """
        _one_of("World.partition", "effect", effect, EFFECTS)
        parts, together = self._apart("World.partition", groups)

        def begin() -> int:
            rest = self.nodes - together
            every = [*parts, rest] if len(rest) else parts
            if len(every) < 2:
                raise ConfigError("World.partition: everybody is in one group")
            return self._core.partition([part.indices for part in every], effect)

        return self._fault("World.partition", begin, at, until)

    def delay(
        self,
        one_side: Nodes,
        other_side: Nodes | None = None,
        *,
        by: Duration,
        one_way: bool = False,
        at: Duration | None = None,
        until: Duration | None = None,
    ) -> Fault:
        """Adds `by` to the one-way latency of every path between two groups, as a hijacked route does that relays.

        Packets keep their order. For the rest, see `cut`.
        """
        extra = _interval_ns("World.delay", "by", by)
        one, other = self._sides("World.delay", one_side, other_side)
        begin = lambda: self._core.delay(one.indices, other().indices, extra, one_way)
        return self._fault("World.delay", begin, at, until)

    def loss(
        self,
        one_side: Nodes,
        other_side: Nodes | None = None,
        *,
        share: float,
        one_way: bool = False,
        at: Duration | None = None,
        until: Duration | None = None,
    ) -> Fault:
        """Loses a share of the packets on every path between two groups, each packet by itself.

        share  above 0 and below 1; it adds to the loss that the Internet model has, and to other faults'
        For the rest, see `cut`.
        """
        if isinstance(share, bool) or not isinstance(share, (int, float)) or not 0 < share < 1:
            raise ConfigError(f"World.loss: share must be above 0 and below 1, not {share!r}")
        one, other = self._sides("World.loss", one_side, other_side)
        begin = lambda: self._core.loss(one.indices, other().indices, float(share), one_way)
        return self._fault("World.loss", begin, at, until)

    # --- coming and going, and faults of the stack: docs/churn.md

    def churn(
        self,
        nodes: Nodes,
        *,
        session: Sessions,
        downtime: Sessions | None = None,
        identity: str = "keep",
        departure: str = "crash",
        start: Duration = 0,
        until: Duration | None = None,
    ) -> None:
        """Lets nodes come and go, each by draws of its own.

        session    how long they stay, such as `mc.churn.Weibull(shape=0.515, scale="2.08h")`
        downtime   how long they stay away; None: for ever
        identity   as whom they come back: "keep", or "new" at each time
        departure  "crash", or "leave" with goodbyes
        start      from then on; those who are up then are in the middle of a session
        until      nobody departs from then on; those who are away still come back
        Simulated only, unless they leave. Raises ConfigError.
        """
        self._group("World.churn", nodes)
        for name, model in (("session", session), ("downtime", downtime)):
            if not isinstance(model, Sessions) and (name == "session" or model is not None):
                raise ConfigError(f"World.churn: {name} must be a model of mesocosm.churn, not {model!r}")
        _one_of("World.churn", "identity", identity, IDENTITIES)
        _one_of("World.churn", "departure", departure, DEPARTURES)
        if self.backend == "real" and departure == "crash":
            raise ConfigError('World.churn: real nodes cannot vanish; use departure="leave"')
        begin, end = duration_ns(start), -1 if until is None else duration_ns(until)
        if begin < self._core.now_ns:
            raise ConfigError(f"World.churn: {start!r} has passed, it is {self.now:.3f} s")
        if until is not None and end <= begin:
            raise ConfigError(f"World.churn: it ends at {until!r}, and that is not after it begins")
        away = None if downtime is None else downtime.to_config()
        self._core.churn(
            nodes.indices, session.to_config(), away, identity == "new", departure == "leave", begin, end
        )

    def fault_point(
        self,
        point: str,
        nodes: Nodes,
        *,
        probability: float = 1.0,
        nth: int = 1,
        times: int | None = None,
        at: Duration | None = None,
        until: Duration | None = None,
    ) -> FaultPoint:
        """Lets something in the stack of nodes fail; `mc.fault_points()` has the names.

        probability  with which it fails each time that a node comes by
        nth          first at the node's nth time, counted from 1
        times        at most so often on each node; None: without end
        at, until    simulated times; None: now (or at the start), and until it is healed
        Simulated only. Raises ConfigError.
        """
        known = fault_points()
        _one_of("World.fault_point", "point", point, tuple(known))
        self._group("World.fault_point", nodes)
        if not 0 < probability <= 1:
            raise ConfigError(
                f"World.fault_point: probability must be above 0 and at most 1, not {probability!r}"
            )
        for name, count in (("nth", nth), ("times", 1 if times is None else times)):
            if not isinstance(count, int) or count < 1:
                raise ConfigError(
                    f"World.fault_point: {name} must be a whole number of at least 1, not {count!r}"
                )
        most = 2**64 - 1 if times is None else times
        begin = lambda: self._core.fail(point, nodes.indices, float(probability), nth, most)
        return self._schedule("World.fault_point", FaultPoint(self, begin), at, until)

    def attack(self, plan: attacks.Plan) -> attacks.Attack:
        """Before the run: adds an attack, with its adversaries, and returns its handle; see `mesocosm.attacks`.

        The handle's `start()` and `stop()` do by event what the plan's `at` and `until` do by time. A world can hold
        several attacks. Raises ConfigError for a plan that does not fit this world.
        """
        if not isinstance(plan, attacks.Plan):
            raise ConfigError(f"World.attack: expected an attack such as Eclipse, not {type(plan).__name__}")
        if self._started:
            raise ConfigError("World.attack: the world runs already")
        if self._core.processes > 1:
            raise ConfigError("World.attack: one process has to run a world that is attacked")
        attack = plan.launch(self)
        self._attacks.append(attack)
        return attack

    def heal(self) -> None:
        """Heals all faults that are in force."""
        self._perform(self._core.heal)

    def _sides(self, what: str, one: Nodes, other: Nodes | None) -> tuple[Nodes, Callable[[], Nodes]]:
        """The second is who is there when the fault begins."""
        given = self._group(what, one)
        if other is not None:
            fixed = self._group(what, other)
            return given, lambda: fixed
        return given, lambda: self._group(what, self.nodes - given)

    def _apart(self, what: str, groups: Sequence[Nodes]) -> tuple[list[Nodes], Nodes]:
        """The groups, none of which shares a node with another, and all of them together."""
        parts = [self._group(what, group) for group in groups]
        together = self._none()
        for part in parts:
            if len(np.intersect1d(together.indices, part.indices)) > 0:
                raise ConfigError(f"{what}: a node is in two groups")
            together += part
        return parts, together

    def _group(self, what: str, group: Nodes) -> Nodes:
        if not isinstance(group, Nodes) or group.world is not self:
            raise ConfigError(f"{what}: expected nodes of this world, not {group!r}")
        if len(group) == 0:
            raise ConfigError(f"{what}: a side has no nodes")
        return group

    def _fault(
        self, what: str, begin: Callable[[], int], at: Duration | None, until: Duration | None
    ) -> Fault:
        return self._schedule(what, Fault(self, begin), at, until)

    def _schedule(self, what: str, fault: AnyFault, at: Duration | None, until: Duration | None) -> AnyFault:
        if self.backend == "real":
            raise ConfigError(f"{what}: only simulated paths and nodes have faults")
        start = self._core.now_ns if at is None else duration_ns(at)
        if start < self._core.now_ns:
            raise ConfigError(f"{what}: {at!r} has passed, it is {self.now:.3f} s")
        end = None if until is None else duration_ns(until)
        if end is not None and end <= start:
            raise ConfigError(f"{what}: it ends at {until!r}, and that is not after it begins")
        if at is None:
            self._perform(fault._begin)
        else:
            self._core.call_at(start, fault._begin)
        if end is not None:
            self._core.call_at(end, fault._end)
        return fault

    @property
    def nodes(self) -> Nodes:
        """Everybody who was added so far."""
        return Nodes(self, np.arange(self._core.size, dtype=np.uint32))

    def _none(self) -> Nodes:
        return Nodes(self, np.empty(0, dtype=np.uint32))

    @property
    def now(self) -> float:
        """Seconds since the start."""
        return float(self._core.now_ns) * 1e-9

    @property
    def metrics_page(self) -> str:
        """The URL of the scrape page while the world runs, or ""."""
        at = self._core.scrape_page
        return f"http://{at}/metrics" if at else ""

    def _perform(self, action: Callable[[], None]) -> None:
        """Now if the world runs, else when it starts."""
        if self._started:
            action()
        else:
            self._setup.append(action)

    # --- running -------------------------------------------------------------------------------------------------

    def run(self, until: Duration, *, out: str | Path | None = None, progress: bool | None = None) -> Run:
        """Runs until a simulated time and returns the record.

        out       the HDF5 file to write; None: a temporary file that goes with this process
        progress  show a progress bar; None: if standard error is a terminal
        Ctrl-C ends the run early and keeps what was recorded (`Run.ended` says so). Raises ConfigError for a file
        that cannot be written, RunError when recording fails on the way; what was recorded before is kept.
        Under mpirun the first process keeps the record and returns; the others end here.
        """
        end = duration_ns(until)
        if end <= 0:
            raise ConfigError(f"World.run: the end must be later than zero, not {until!r}")
        if self._started:
            raise ConfigError("World.run: a world runs once; build another")
        apart = self._core.rank > 0
        path = Path(out) if out is not None and not apart else _temporary_file()
        if not path.parent.is_dir():
            raise ConfigError(f"World.run: there is no folder {path.parent} for the record {path.name}")
        self._started = True
        try:
            self._run(path, until, end, progress=False if apart else progress)
        except (ConfigError, RunError):
            if apart:
                sys.exit(2)  # the first process tells
            raise
        if apart:
            sys.exit(0)
        return load(path)

    def _run(self, path: Path, until: Duration, end: int, progress: bool | None) -> None:
        began = time.perf_counter()
        ended = "complete"
        if self._core.processes > 1:  # mpirun turns Ctrl-C into this
            signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._core.start(str(path), json.dumps(self._provenance(until)))
            for action in self._setup:
                action()
            with Progress(end, visible=progress) as bar:
                while not self._core.advance(end, _SLICE_SECONDS):
                    bar.update(self._core.now_ns)
        except KeyboardInterrupt:
            ended = "interrupted"
        except BaseException as error:
            self._close(f"failed: {error}", began)
            raise
        self._close(ended, began)

    def _close(self, ended: str, began: float) -> None:
        self._core.finish(ended, time.perf_counter() - began)

    def _provenance(self, until: Duration) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "about": self.about,
            "mesocosm": _core.__version__,
            "commit": _commit(),
            "parameters": self.parameters,
            "backend": self.backend,
            "stack": self.stack,
            "seed": self.seed,
            "processes": self._core.processes,
            "until": until,
            "internet": self.internet.describe(),
            **({"attacks": [attack._describe() for attack in self._attacks]} if self._attacks else {}),
            "data_hash": self._core.data_hash,
            "command": sys.argv,
            "started": datetime.now(timezone.utc).isoformat(timespec="seconds"),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "hdf5": h5py.version.hdf5_version,
            "machine": f"{platform.system()} {platform.machine()}",
        }


class Fault:
    """A cut, a partition, a delay or losses, from their beginning until they are healed. World's methods make it."""

    def __init__(self, world: World, begin: Callable[[], int]) -> None:
        self._world, self._start = world, begin
        self._id: int | None = None
        self._over = False

    def heal(self) -> None:
        """Ends it now; one that has not begun never will."""
        self._world._perform(self._end)

    def _begin(self) -> None:
        if not self._over:
            self._id = self._start()

    def _end(self) -> None:
        self._over = True
        if self._id is not None:
            self._world._core.heal(self._id)


class FaultPoint(Fault):
    """A fault point of the stack that fires on nodes. `World.fault_point` makes it."""

    @property
    def fired(self) -> int:
        """How often it has made something fail."""
        return 0 if self._id is None else int(self._world._core.fired(self._id))

    def _end(self) -> None:
        self._over = True
        if self._id is not None:
            self._world._core.end_fail(self._id)


def fault_points() -> dict[str, str]:
    """The places in the stack that `World.fault_point` can make fail, and how each of them does."""
    return dict(_core.fault_points())


class Nodes:
    """A group of nodes; `nodes[0]`, slices, `+` and `-` give groups too."""

    def __init__(self, world: World, indices: Indices) -> None:
        self.world, self.indices = world, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, which: int | slice | Indices) -> Nodes:
        try:
            return Nodes(self.world, np.atleast_1d(self.indices[which]))
        except IndexError as error:
            raise ConfigError(f"Nodes: there is no node {which!r} among {len(self)}") from error

    def __iter__(self) -> Iterator[Nodes]:
        return (self[position] for position in range(len(self)))

    def __add__(self, other: Nodes) -> Nodes:
        return Nodes(self.world, np.union1d(self.indices, other.indices).astype(np.uint32))

    def __sub__(self, other: Nodes) -> Nodes:
        return Nodes(self.world, np.setdiff1d(self.indices, other.indices).astype(np.uint32))

    def __repr__(self) -> str:
        return f"<{len(self)} nodes>"

    def sample(self, count: int) -> Nodes:
        """`count` different nodes, drawn anew at each call; depends on the seed, the group and the time only."""
        if not isinstance(count, int) or not 1 <= count <= len(self):
            raise ConfigError(f"Nodes.sample: cannot draw {count!r} of {len(self)} nodes")
        return Nodes(self.world, self.world._core.sample(self.indices, count))

    def where(
        self,
        *,
        region: str | None = None,
        country: str | None = None,
        hosting: bool | None = None,
        asn: int | None = None,
        prefix: str | None = None,
    ) -> Nodes:
        """Those whom the Internet model placed there; nobody in networks without places.

        region   "AF", "EAS" (East Asia), "EU", "LATAM", "ME", "NA-C", "NA-E", "NA-W", "OC", "SAS" or "SEA" (South and
                 Southeast Asia); "NA": all three of North America
        country  an ISO 3166 code, such as "DE"
        hosting  in data centres, or not
        asn      the number of an autonomous system, such as 24940 (`places` has those that there are)
        prefix   of IPv4 addresses, such as "11.8.0.0/16"
        """
        within = _prefix(prefix)
        if region is not None:
            _one_of("Nodes.where", "region", region, (*REGIONS, "NA"))
        places = self._places()
        chosen = [
            (region is None or place["region"] == region or place["region"].startswith(f"{region}-"))
            and (country is None or place["country"] == country)
            and (hosting is None or place["hosting"] == hosting)
            and (asn is None or place["asn"] == asn)
            and (
                within is None
                or (place["address"] != "" and ipaddress.IPv4Address(place["address"]) in within)
            )
            for place in places
        ]
        return Nodes(self.world, self.indices[np.asarray(chosen, dtype=bool)])

    @property
    def places(self) -> pd.DataFrame:
        """Where they are, a row a node: country, city, region, hosting, asn (0: none), address; on "real" nowhere."""
        return pd.DataFrame(self._places(), index=self.indices)

    def _places(self) -> list[dict[str, Any]]:
        return [self.world._core.place(int(index)) for index in self.indices]

    def subscribe(self, topic: str) -> None:
        """Subscribes all of them to a gossipsub topic."""
        self.world._perform(lambda: self.world._core.subscribe(self.indices, topic))

    def unsubscribe(self, topic: str) -> None:
        """Ends their subscription."""
        self.world._perform(lambda: self.world._core.unsubscribe(self.indices, topic))

    def publish(self, topic: str, data: bytes | None = None, *, size: Size | None = None) -> None:
        """Each of them publishes a message: `data`, or `size` drawn bytes (for example "128KiB")."""
        if (data is None) == (size is None):
            raise ConfigError("Nodes.publish: give either data or size")
        core = self.world._core
        if data is not None:
            self.world._perform(lambda: core.publish(self.indices, topic, data))
        else:
            length = size_bytes(size)  # type: ignore[arg-type]
            self.world._perform(lambda: core.publish_random(self.indices, topic, length))

    def validate(self, topic: str, validator: Validator | None) -> None:
        """What they as applications say of messages in a topic, from now on and over restarts; None: they accept all.

        `validator(message)` is called inside the simulation for each message that came to one of them for the first time
        and is well signed (its `node`, `time`, `topic`, `data`, `size`, `sender` and `author`), and returns "accept": deliver
        it and pass it on; "reject": drop it, and count it against who sends it (P4); or "ignore": drop it. A tuple such as
        ("accept", "20ms") says also for how long one of the node's `validation_workers` works on it, after what came
        before; otherwise that is `validation_delay`. What the validator raises ends the run. For runs to repeat it must
        depend on nothing but its message and what it remembers. See docs/validation.md.
        """
        if not isinstance(topic, str):
            raise ConfigError(f"Nodes.validate: topic must be a name, not {topic!r}")
        if validator is not None and not callable(validator):
            raise ConfigError(
                f"Nodes.validate: the validator must be callable, not {type(validator).__name__}"
            )
        ask = None if validator is None else asker(validator)
        self.world._perform(lambda: _core.validate(self.world._core, self.indices, topic, ask))

    def scores(self) -> pd.DataFrame:
        """What each of them thinks of each of its peers now (docs/scoring.md), from the start of the run on.

        Columns: node; peer (-1: none of the world's); score; and its weighted parts p1 (time in mesh), p2 (first
        deliveries), p3 (mesh deliveries), p3b (mesh failures), p4 (invalid messages), p5 (the application's), p6
        (addresses), p7 (misbehaviour). Without GossipSub(score=...) there are no rows.
        """
        if not self.world._started:
            raise ConfigError("Nodes.scores: nodes have scores when the run has started")
        return pd.DataFrame(_core.scores(self.world._core, self.indices))

    def set_app_score(self, peers: Nodes, value: float) -> None:
        """What they think of these peers as applications: P5 of their scores, times PeerScore.app_specific_weight."""
        number = float(value)
        if not math.isfinite(number):
            raise ConfigError(f"Nodes.set_app_score: value must be a number, not {value!r}")
        self.world._perform(
            lambda: _core.set_app_score(self.world._core, self.indices, peers.indices, number)
        )

    # --- coming and going: docs/churn.md

    @property
    def up(self) -> Nodes:
        """Those that are there now: that have joined, and have not left or crashed since."""
        return Nodes(self.world, self.world._core.up(self.indices))

    def crash(self) -> None:
        """Cuts the power of each that is up: from this moment nothing of it reaches anybody, nor anything it. Its peers
        find out by timeouts. On "real" it raises ConfigError: there a kernel ends the connections of its processes.
        """
        self.world._perform(lambda: self.world._core.crash(self.indices))

    def leave(self) -> None:
        """Each that is up unsubscribes, closes its connections in order, and is gone."""
        self.world._perform(lambda: self.world._core.leave(self.indices))

    def restart(self, *, new_identity: bool = False) -> None:
        """Starts them, whatever became of them; those that are up end first, and their hosts reset their connections.

        A node begins anew: it dials whom `bootstrap` let it dial, and subscribes to what it was told to.
        new_identity  with a new key and peer id, at the same address; else as whom it was
        """
        self.world._perform(lambda: self.world._core.restart(self.indices, bool(new_identity)))

    @property
    def addresses(self) -> list[str]:
        """Where others dial them, as multiaddrs with their peer ids; of attached ones: their IP address, and the port that
        the world's own nodes listen on. From the start of the run on."""
        core = self.world._core
        if not self.world._started:
            raise ConfigError("Nodes.addresses: nodes have addresses when the run has started")
        texts = []
        for index in map(int, self.indices):
            peer = core.peer_id(index)
            texts.append(core.address(index) + (f"/p2p/{peer}" if peer else ""))
        return texts

    @property
    def peer_ids(self) -> list[str]:
        """Their libp2p peer ids, in text."""
        return [self.world._core.peer_id(int(index)) for index in self.indices]


def _interval_ns(what: str, name: str, interval: Duration) -> int:
    step = duration_ns(interval)
    if step <= 0:
        raise ConfigError(f"{what}: {name} must be longer than zero, not {interval!r}")
    return step


def _prefix(prefix: str | None) -> ipaddress.IPv4Network | None:
    if prefix is None:
        return None
    try:
        return ipaddress.IPv4Network(prefix)
    except ValueError as error:
        raise ConfigError(f"Nodes.where: prefix: {error}") from None


def _one_of(what: str, name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{what}: {name} must be one of {', '.join(known)}, not {value!r}")


def _commit() -> str:
    """The commit of the checkout that this package runs from, with "+" if it was changed; "" for an installed one."""
    folder = Path(__file__).resolve().parent
    git = ["git", "-C", str(folder), "describe", "--always", "--exclude=*", "--abbrev=40", "--dirty=+"]
    try:
        tracked = subprocess.run(
            [*git[:3], "ls-files", "--error-unmatch", str(Path(__file__).resolve())],
            capture_output=True,
            check=False,
        )
        told = subprocess.run(git, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return told.stdout.strip() if tracked.returncode == 0 else ""


def _temporary_file() -> Path:
    handle = tempfile.NamedTemporaryFile(prefix="mesocosm-", suffix=".h5", delete=False)
    handle.close()
    path = Path(handle.name)
    atexit.register(path.unlink, missing_ok=True)
    return path


__all__ = ["Fault", "FaultPoint", "fault_points", "Nodes", "RunError", "World"]
