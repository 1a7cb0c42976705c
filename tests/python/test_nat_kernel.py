"""The middlebox model beside the Linux kernel's own, in network namespaces: the same probes through both must have the
same fate. Needs root, iproute2 and nftables; to leave it out: pytest -m "not namespaces"."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import mesocosm as mc
import pytest
from mesocosm import _core

from namespaces import ADDRESSES, EXTERNAL, Endpoint, KernelBox

pytestmark = pytest.mark.namespaces

INSIDE = (ADDRESSES["x"], ADDRESSES["y"])

FILTER = """
table ip mesocosm {{
  chain forward {{
    type filter hook forward priority filter; policy drop;
    ct state invalid drop
    ct state established accept
    iifname "in-*" accept
    {unasked}
  }}
  chain input {{ type filter hook input priority filter; policy {unsolicited}; }}
  chain post {{ type nat hook postrouting priority srcnat; {translation} }}
}}
"""


def rules(translation: str = "", unsolicited: str = "drop", unasked: str = "") -> str:
    """The box's: how it translates, and what it does with what is for itself, or for the inside, unasked for."""
    if translation:
        translation = f'ip protocol {{ tcp, udp }} oifname "out" {translation};'
    return FILTER.format(translation=translation, unsolicited=unsolicited, unasked=unasked)


@dataclass(frozen=True)
class Pair:
    """A box of the kernel, and the model of it."""

    rules: str
    model: mc.Firewall


PAIRS = {
    "masquerade": Pair(rules("masquerade"), mc.Nat.linux()),
    "masquerade-random": Pair(rules("masquerade fully-random"), mc.Nat.linux(fully_random=True)),
    "masquerade-range": Pair(rules("masquerade to :40000-40999"), mc.Nat.linux(port_range=(40000, 40999))),
    "firewall": Pair(rules(), mc.Firewall(inbound_refresh=True)),
}
REFUSING = {
    "masquerade": Pair(rules("masquerade", unsolicited="accept"), mc.Nat.linux(refuses=True)),
    "firewall": Pair(
        rules(unasked="ip protocol tcp reject with tcp reset"),
        mc.Firewall(inbound_refresh=True, refuses=True),
    ),
}


# --- probes. What became of one is (who got it, as from whom), "lost" or "refused".

Outcome = tuple[Endpoint, Endpoint] | str


class Kernel:
    """Through the kernel; remembers when, for the model."""

    def __init__(self, box: KernelBox) -> None:
        self._box = box
        self.times: list[float] = []

    def prepare(self, endpoints: list[Endpoint]) -> None:
        """Somebody is there for what may come."""
        for each in endpoints:
            self._box.open_udp(each)
            self._box.listen(each)

    def probe(self, protocol: str, source: Endpoint, to: Endpoint) -> Outcome:
        """A datagram, or a connection."""
        self.times.append(time.monotonic())
        return self._box.dial(source, to) if protocol == "tcp" else self._box.datagram(source, to) or "lost"

    def segment(self, source: Endpoint, to: Endpoint) -> bool:
        """Whether one comes through over the last connection, which the inside dialed."""
        self.times.append(time.monotonic())
        return self._box.carries(source[0] in INSIDE)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)


class Model:
    """The same through the model, at the same times."""

    def __init__(self, kind: mc.Firewall, times: list[float]) -> None:
        self._nat = _core.Nat(kind.to_config(), EXTERNAL, 1)
        self._times = iter(times)
        self._now = 0

    def prepare(self, endpoints: list[Endpoint]) -> None:
        pass

    def probe(self, protocol: str, source: Endpoint, to: Endpoint) -> Outcome:
        self._now = int(next(self._times) * 1e9)
        there = self._pass(protocol, source, to, "S")
        if isinstance(there, str) or protocol == "udp":
            return there
        taken, seen = there
        back = self._pass(protocol, taken, seen, "SA")
        assert back == (source, to), "the answer comes from where the dialer expects it"
        assert self._pass(protocol, source, to, "A") == there
        return there

    def segment(self, source: Endpoint, to: Endpoint) -> bool:
        self._now = int(next(self._times) * 1e9)
        return not isinstance(self._pass("tcp", source, to, "A"), str)

    def wait(self, seconds: float) -> None:
        pass

    def _pass(self, protocol: str, source: Endpoint, to: Endpoint, flags: str) -> Outcome:
        through = self._nat.outbound if source[0] in INSIDE else self._nat.inbound
        action, seen, taken = through(self._now, protocol, _text(source), _text(to), flags)
        if action == "forward":
            return _endpoint(taken), _endpoint(seen)
        return "refused" if action == "refuse" else "lost"


def _text(endpoint: Endpoint) -> str:
    return f"{endpoint[0]}:{endpoint[1]}"


def _endpoint(text: str) -> Endpoint:
    host, port = text.rsplit(":", 1)
    return host, int(port)


class Script:
    """Probes between endpoints that nobody has used yet, and what came of them in words that do not depend on what was
    drawn: a drawn port is told by the order of its first appearance."""

    def __init__(self, box: Kernel | Model, protocol: str, number: int) -> None:
        self.box, self.protocol = box, protocol
        self.x, self.y = (ADDRESSES["x"], 5000 + 2 * number), (ADDRESSES["y"], 5000 + 2 * number)
        self.x_other = (ADDRESSES["x"], 5001 + 2 * number)
        self.x_low = (ADDRESSES["x"], 500 + number)
        self.a1, self.a2 = (ADDRESSES["a"], 7000 + 2 * number), (ADDRESSES["a"], 7001 + 2 * number)
        self.b1 = (ADDRESSES["b"], 7000 + 2 * number)
        box.prepare([self.x, self.y, self.x_other, self.x_low, self.a1, self.a2, self.b1])
        self.log: list[str] = []
        self._drawn: list[int] = []
        self._connected: set[tuple[Endpoint, Endpoint]] = set()

    def out(self, source: Endpoint, to: Endpoint) -> Endpoint:
        """From the inside; the external endpoint, as the remote one saw it."""
        outcome = self.box.probe(self.protocol, source, to)
        assert not isinstance(outcome, str), f"{_text(source)} -> {_text(to)}: {outcome}"
        taken, seen = outcome
        assert taken == to
        self._connected.add((to, seen))
        self.log.append(f"out {_text(source)} -> {_text(to)} from {self._name(seen, source)}")
        return seen

    def back(self, source: Endpoint, to: Endpoint) -> None:
        """From the outside, or by hairpin. Between two endpoints there is but one connection."""
        if self.protocol == "tcp" and (source, to) in self._connected:
            return
        outcome = self.box.probe(self.protocol, source, to)
        told = outcome if isinstance(outcome, str) else f"{_text(outcome[0])} from {_text(outcome[1])}"
        self.log.append(f"from {_text(source)}: {told}")

    def segment(self, source: Endpoint, to: Endpoint) -> None:
        """Over the last connection, which the inside dialed."""
        self.log.append(f"a segment from {_text(source)} comes through: {self.box.segment(source, to)}")

    def wait(self, seconds: float) -> None:
        self.box.wait(seconds)

    def _name(self, seen: Endpoint, source: Endpoint) -> str:
        if seen[1] == source[1]:
            return f"{seen[0]}, port preserved"
        if seen[1] not in self._drawn:
            self._drawn.append(seen[1])
        side = "below" if seen[1] < 1024 else "above"
        return f"{seen[0]}, drawn port number {self._drawn.index(seen[1])}, {side} 1024"


# --- what is done


def mappings_and_filters(script: Script) -> None:
    """Who sees which external endpoint, and who may answer."""
    first = script.out(script.x, script.a1)
    script.back(script.b1, first)
    script.back(script.a2, first)
    script.back(script.a1, first)
    externals = [first, script.out(script.x, script.a2), script.out(script.x, script.b1)]
    for external in externals:
        for remote in (script.a1, script.a2, script.b1):
            script.back(remote, external)
    other = script.out(script.y, script.a1)  # the same port inside, to the same remote endpoint
    script.back(script.a1, other)
    script.back(script.b1, other)
    script.out(script.x_other, script.a1)
    script.out(script.x_low, script.a1)


def after_a_collision(script: Script) -> None:
    """Whether a port that was drawn once is used on."""
    script.out(script.x, script.a1)
    script.out(script.y, script.a1)
    script.out(script.y, script.b1)
    script.out(script.y, script.a2)
    script.out(script.x, script.a2)
    script.out(script.x, script.b1)


def hairpin(script: Script) -> None:
    """From the inside to the external endpoint of another inside host."""
    script.back(script.x, script.out(script.y, script.a1))


# --- the comparison

_numbers: Iterator[int] = iter(range(200))


def compare(kernel: KernelBox, model: mc.Firewall, protocol: str, what: Callable[[Script], None]) -> None:
    """Does it with both; what they did must be the same."""
    number = next(_numbers)
    real = Script(Kernel(kernel), protocol, number)
    what(real)
    ours = Script(Model(model, real.box.times), protocol, number)  # type: ignore[union-attr]
    what(ours)
    assert real.log
    assert ours.log == real.log


@pytest.fixture(scope="module", params=PAIRS)
def pair(request: pytest.FixtureRequest) -> Iterator[tuple[KernelBox, mc.Firewall]]:
    """A kernel box without any sessions between endpoints that scripts use, and the model of it."""
    box = KernelBox(PAIRS[request.param].rules)
    yield box, PAIRS[request.param].model
    box.close()


@pytest.mark.parametrize("what", [mappings_and_filters, after_a_collision, hairpin])
@pytest.mark.parametrize("protocol", ["udp", "tcp"])
def test_the_model_does_what_the_kernel_does(
    pair: tuple[KernelBox, mc.Firewall], protocol: str, what: Callable[[Script], None]
) -> None:
    if what is hairpin and not isinstance(pair[1], mc.Nat):
        return  # a firewall has no address of its own
    compare(*pair, protocol, what)


@pytest.mark.parametrize("kind", REFUSING)
def test_refusing_is_the_same(kind: str) -> None:
    def uninvited(script: Script) -> None:
        inside = EXTERNAL if isinstance(REFUSING[kind].model, mc.Nat) else script.y[0]
        external = script.out(script.x, script.a1)
        script.back(script.b1, external)
        script.back(script.b1, (inside, script.y[1]))

    box = KernelBox(REFUSING[kind].rules)
    try:
        for protocol in ("udp", "tcp"):
            compare(box, REFUSING[kind].model, protocol, uninvited)
    finally:
        box.close()


def test_timers_are_the_same() -> None:
    """With the kernel's set to seconds. It takes a UDP session for answered when it is two seconds old."""

    def datagrams(script: Script) -> None:
        external = script.out(script.x, script.a1)
        script.back(script.a1, external)
        for _ in range(4):
            script.wait(0.6)
            script.out(script.x, script.a1)
        for _ in range(2):  # refreshed from the outside
            script.wait(2)
            script.back(script.a1, external)
        script.wait(4)
        script.back(script.a1, external)
        external = script.out(script.y, script.a2)  # never answered
        script.wait(1.5)
        script.back(script.a2, external)

    def segments(script: Script) -> None:
        external = script.out(script.x, script.a1)
        for forward in (True, False, True, False):
            script.wait(2)
            script.segment(*((script.x, script.a1) if forward else (script.a1, external)))
        script.wait(3.5)
        script.segment(script.x, script.a1)

    timeouts = {"udp_timeout": 1, "udp_timeout_stream": 3, "tcp_timeout_established": 3, "tcp_loose": 0}
    model = mc.Nat.linux(udp_unanswered_timeout=1, udp_timeout=3, tcp_established_timeout=3)
    box = KernelBox(rules("masquerade"), {f"nf_conntrack_{name}": each for name, each in timeouts.items()})
    try:
        compare(box, model, "udp", datagrams)
        compare(box, model, "tcp", segments)
    finally:
        box.close()
