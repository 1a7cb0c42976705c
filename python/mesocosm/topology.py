"""Networks in which hosts share links, packet by packet: Internet models for the packet backend.

    mc.World(backend="packet", internet=mc.topology.dumbbell(rate="10Mbit", delay="20ms", discipline="fq_codel"))

Routers forward by static routes: the least delay, among those the fewest links, then the links named first. Latencies are
one-way. `queue` is the longest that a packet waits for a link before packets are dropped, and `discipline` what is done
about packets that wait: "drop_tail" (the last to come is dropped), "codel" (RFC 8289) or "fq_codel" (RFC 8290).
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .errors import ConfigError
from .internet import (
    Bandwidth,
    Internet,
    Link,
    access_link,
    checked_discipline,
    checked_rate,
    latency_ns,
    queue_ns,
)
from .units import Duration, Rate, duration_ns

MOST_ROUTERS = 1024
MOST_PLACES = 65_534
LONGEST_M = 1e6
MOBILITIES = ("static", "random-waypoint")
WIFI_MBPS = (6, 9, 12, 18, 24, 36, 48, 54)


@dataclass(frozen=True)
class RouterLink:
    """A link between two routers, both directions alike, each with a queue of its own."""

    a: int
    b: int
    bps: int
    delay_ns: int
    queue_ns: int
    discipline: str


@dataclass(frozen=True)
class Routed(Internet):
    """Routers, the links between them, and the router and latency that each host in turn is attached with."""

    routers: int
    links: tuple[RouterLink, ...]
    hosts: tuple[tuple[int, int], ...]  # router, latency in ns
    link: Link

    def to_config(self) -> dict[str, Any]:
        return {
            "kind": "routers",
            "routers": self.routers,
            "links": [asdict(link) for link in self.links],
            "hosts": [list(host) for host in self.hosts],
            "link": asdict(self.link),
        }


@dataclass(frozen=True)
class Wifi(Internet):
    """Radios in a rectangle, without access points."""

    width_m: float
    height_m: float
    range_m: float
    rate_mbps: int
    slowest_mps: float
    fastest_mps: float
    pause_ns: int
    positions: tuple[tuple[float, float], ...]

    def to_config(self) -> dict[str, Any]:
        return {"kind": "wifi", **asdict(self)}


def dumbbell(
    left: int = 1,
    right: int = 1,
    *,
    rate: Rate = "10Mbit",
    delay: Duration = "20ms",
    queue: Duration = "100ms",
    discipline: str = "drop_tail",
    spokes: Duration | Sequence[Duration] = "1ms",
    bandwidth: Bandwidth = "1Gbit",
    jitter: Duration = 0,
    loss: float = 0.0,
) -> Internet:
    """Two routers and one link between them, which everything between the sides shares.

    left, right  how many nodes are on either side: the first `left` nodes, then `right`; then it begins again
    rate, delay, queue, discipline  of the link between the routers
    spokes       the nodes' own latencies to their router, one for all or each node of a side in turn
    bandwidth    of each node's own link (drop-tail, 50 ms), both ways or (up, down)
    jitter, loss  as in `mesocosm.internet.uniform`
    """
    for name, count in (("left", left), ("right", right)):
        if not isinstance(count, int) or not 1 <= count <= MOST_PLACES // 2:
            raise ConfigError(
                f"dumbbell: {name} must be a whole number from 1 to {MOST_PLACES // 2}, not {count!r}"
            )
    latencies = _latencies("dumbbell: spokes", spokes)
    hosts = [
        (side, latencies[i % len(latencies)]) for side, count in ((0, left), (1, right)) for i in range(count)
    ]
    bottleneck = _router_link("dumbbell", 0, 1, rate, delay, queue, discipline)
    return Routed(2, (bottleneck,), tuple(hosts), access_link("dumbbell", bandwidth, "50ms", jitter, loss))


def as_graph(
    links: Iterable[Sequence[Any]],
    *,
    hosts: Mapping[Hashable, int] | None = None,
    rate: Rate = "1Gbit",
    delay: Duration = "10ms",
    queue: Duration = "50ms",
    discipline: str = "drop_tail",
    spokes: Duration | Sequence[Duration] = "1ms",
    bandwidth: Bandwidth = "1Gbit",
    jitter: Duration = 0,
    loss: float = 0.0,
) -> Internet:
    """Autonomous systems, a router each, with links between them that their nodes share.

    links      pairs of systems (numbers or names), or (a, b, what this link has of its own: a dict with any of rate,
               delay, queue, discipline), which is what networkx gives as `graph.edges(data=True)`
    hosts      how many nodes a system has, in the order of their numbers: with {7018: 2, 3320: 1}, nodes 0 and 1 are in
               7018, node 2 in 3320, and node 3 begins again. Default: one each, in the order in which `links` names them
    rate, delay, queue, discipline  of the links that say nothing else
    The other parameters are `dumbbell`'s; spokes are taken in turn over all hosts.
    """
    numbers: dict[Hashable, int] = {}
    joined = []
    own: dict[str, Any] = {"rate": rate, "delay": delay, "queue": queue, "discipline": discipline}
    for i, link in enumerate(links):
        what = f"as_graph: link {i}"
        a, b, given = _parts(what, link)
        unknown = sorted(set(given) - set(own))
        if unknown:
            raise ConfigError(f"{what}: links have {', '.join(own)}, not {unknown[0]!r}")
        for end in (a, b):
            numbers.setdefault(end, len(numbers))
        joined.append(_router_link(what, numbers[a], numbers[b], **{**own, **given}))
    if not 2 <= len(numbers) <= MOST_ROUTERS:
        raise ConfigError(f"as_graph: 2 to {MOST_ROUTERS} systems are possible, not {len(numbers)}")
    systems = []
    for name, count in (dict.fromkeys(numbers, 1) if hosts is None else hosts).items():
        if name not in numbers:
            raise ConfigError(f"as_graph: hosts: no link names {name!r}")
        if not isinstance(count, int) or count < 0:
            raise ConfigError(f"as_graph: hosts: {name!r} must have a whole number of nodes, not {count!r}")
        systems += [numbers[name]] * count
    if not 1 <= len(systems) <= MOST_PLACES:
        raise ConfigError(f"as_graph: 1 to {MOST_PLACES} hosts are possible, not {len(systems)}")
    latencies = _latencies("as_graph: spokes", spokes)
    places = tuple((system, latencies[i % len(latencies)]) for i, system in enumerate(systems))
    access = access_link("as_graph", bandwidth, "50ms", jitter, loss)
    return Routed(len(numbers), tuple(joined), places, access)


def wifi_adhoc(
    *,
    area: tuple[float, float] = (500.0, 500.0),
    range: float = 150.0,
    rate: Rate = "24Mbit",
    mobility: str = "static",
    speed: float | tuple[float, float] = 1.5,
    pause: Duration = "10s",
    positions: Sequence[tuple[float, float]] = (),
) -> Internet:
    """A mesh of radios (802.11a) without access points: what is not in range is reached over others, by OLSR.

    area       width and height in metres, where nodes begin at random places
    range      how far a radio is heard, in metres
    rate       at which radios send: 6, 9, 12, 18, 24, 36, 48 or 54 Mbit/s
    mobility   "static", or "random-waypoint": nodes go to a random place of the area, pause there, and go on
    speed      in metres a second, one or drawn for each way between two bounds; random-waypoint only
    pause      between two ways; random-waypoint only
    positions  (x, y) in metres where nodes begin, in turn, in place of random ones

    OLSR needs some 10 s to find the ways of a new network: what is dialed sooner may take that long, or fail.
    """
    if mobility not in MOBILITIES:
        raise ConfigError(f"wifi_adhoc: mobility must be one of {', '.join(MOBILITIES)}, not {mobility!r}")
    width, height = _pair("wifi_adhoc: area", area)
    heard = _number("wifi_adhoc: range", range)
    slowest, fastest = (0.0, 0.0) if mobility == "static" else _speeds(speed)
    begin = [_pair(f"wifi_adhoc: position {i}", position) for i, position in enumerate(positions)]
    for name, length in (("area", width), ("area", height), ("range", heard)):
        if not 0 < length <= LONGEST_M:
            raise ConfigError(f"wifi_adhoc: {name}: {length:g} m is outside 0 to {LONGEST_M:g} m")
    bps = checked_rate("wifi_adhoc: rate", rate)
    if bps not in {mbps * 10**6 for mbps in WIFI_MBPS}:
        raise ConfigError(
            f"wifi_adhoc: rate must be one of {', '.join(map(str, WIFI_MBPS))} Mbit/s, not {rate!r}"
        )
    for i, (x, y) in enumerate(begin):
        if not (0 <= x <= width and 0 <= y <= height):
            raise ConfigError(f"wifi_adhoc: position {i}: ({x:g}, {y:g}) is outside the area")
    try:
        pause_ns = duration_ns(pause)
    except ConfigError as error:
        raise ConfigError(f"wifi_adhoc: pause: {error}") from None
    return Wifi(width, height, heard, bps // 10**6, slowest, fastest, pause_ns, tuple(begin))


def _speeds(speed: float | tuple[float, float]) -> tuple[float, float]:
    slowest, fastest = _pair("wifi_adhoc: speed", speed if isinstance(speed, tuple) else (speed, speed))
    if not 0 < slowest <= fastest <= 10_000:
        raise ConfigError(f"wifi_adhoc: speed must be above zero, the slowest first, not {speed!r}")
    return slowest, fastest


def _pair(what: str, value: Any) -> tuple[float, float]:
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise ConfigError(f"{what}: expected two numbers, not {value!r}")
    return _number(what, value[0]), _number(what, value[1])


def _number(what: str, value: Any) -> float:
    if isinstance(value, (bool, str)) or not hasattr(value, "__float__") or not math.isfinite(value):
        raise ConfigError(f"{what}: expected a number of metres or metres a second, not {value!r}")
    return float(value)


def _parts(what: str, link: Any) -> tuple[Hashable, Hashable, Mapping[str, Any]]:
    parts = tuple(link) if isinstance(link, Sequence) and not isinstance(link, str) else ()
    if len(parts) == 2:
        parts = (*parts, {})
    if len(parts) != 3 or not isinstance(parts[2], Mapping):
        raise ConfigError(f"{what}: expected (a, b) or (a, b, dict), not {link!r}")
    if parts[0] == parts[1]:
        raise ConfigError(f"{what}: from {parts[0]!r} to itself")
    return parts[0], parts[1], parts[2]


def _router_link(
    what: str, a: int, b: int, rate: Rate, delay: Duration, queue: Duration, discipline: str
) -> RouterLink:
    return RouterLink(
        a,
        b,
        checked_rate(f"{what}: rate", rate),
        latency_ns(f"{what}: delay", delay),
        queue_ns(what, queue),
        checked_discipline(what, discipline),
    )


def _latencies(what: str, given: Duration | Sequence[Duration]) -> list[int]:
    values = [given] if isinstance(given, (str, int, float)) else list(given)
    if not values:
        raise ConfigError(f"{what}: none are given")
    return [latency_ns(what, value) for value in values]


__all__ = ["as_graph", "dumbbell", "wifi_adhoc"]
