"""A real node: the stack on this machine's sockets, talking to whatever speaks libp2p, driven from a script.

```python
with mc.real.Node(listen=["/ip4/127.0.0.1/tcp/0"]) as node:
    node.subscribe("news")
    for event in node.events(timeout=60):
        print(event)
```
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from . import _core
from .errors import RunError

Event = dict[str, Any]
"""What happened: `event` says what, `time` when (seconds since 1970), the rest depends on what:

connected        peer, address, direction ("inbound", "outbound"), security, muxer
identified       peer, and of agent, protocol_version, protocols, addresses, observed what the peer told; signed_record
disconnected     peer: its last connection has ended
dial_failed      peer, error
inbound_failed   address, error: somebody reached us and no connection came of it
identify_failed  peer, error
message          topic, author, from (who handed it to us), data (bytes)
input, input_end data (bytes): a line of what `read_lines` reads, and its end
"""

_BACKLOG = 128  # messages for one peer; a node drops the oldest beyond 256
_LOOK_SECONDS = 0.005  # how often a condition is looked at when nothing happens
_GOODBYE_SECONDS = 1.0  # for each step of it


class Node:
    """A libp2p node with identify, ping and GossipSub (signed messages, the default parameters).

    listen    multiaddrs such as "/ip4/0.0.0.0/tcp/4001"; port 0: any
    key       the identity as a libp2p PrivateKey protobuf (`mesocosm.keys`); None: a new one
    security  what is offered and accepted, the best first; empty: all that there is
    log       what to log, such as "info" or "gossipsub=debug,swarm=info" (docs/metrics.md)
    log_file  where to; None: standard error
    log_format  "text" (key=value) or "json" (an object a line)
    metrics   serve the node's metrics to Prometheus at this address, such as "127.0.0.1:9464"; "": do not

    It lives only while one of its methods waits: call `events` in between.
    """

    def __init__(
        self,
        *,
        listen: Iterable[str] = (),
        key: bytes | None = None,
        security: Iterable[str] = (),
        log: str = "",
        log_file: str | Path | None = None,
        log_format: str = "text",
        metrics: str = "",
    ) -> None:
        path = None if log_file is None else str(log_file)
        self._core = _core.RealNode(key, list(listen), list(security), log, path, log_format, metrics)
        self._pending: deque[Event] = deque()  # seen while waiting for another one
        self._connected: dict[str, Event] = {}  # by peer, the latest
        self._identified: dict[str, Event] = {}  # by peer, pushes merged
        self._unconfirmed: set[str] = set()  # peers that were sent messages, and no pong came since

    @property
    def peer_id(self) -> str:
        """Who this node is."""
        return str(self._core.peer_id)

    @property
    def addresses(self) -> list[str]:
        """Where it listens; each ends with /p2p/<peer id>."""
        return list(self._core.addresses)

    @property
    def metrics(self) -> str:
        """The URL of the scrape page, or ""."""
        return str(self._core.metrics)

    @property
    def connected(self) -> list[str]:
        """The peers with a connection, in order of connecting."""
        return list(self._core.connected())

    def dial(self, address: str) -> str:
        """Begins to connect to an address with /p2p, and returns the peer's id; an event tells how it went."""
        return str(self._core.dial(address))

    def connect(self, address: str, timeout: float = 20.0) -> Event:
        """Connects to an address with /p2p; returns the event `connected`, or raises RunError."""
        peer = self.dial(address)
        if peer in self._connected:
            return self._connected[peer]
        event = self._wait_for(peer, ("connected", "dial_failed"), timeout)
        if event is None:
            raise RunError(f"cannot connect to {address}: no answer within {timeout:g} s")
        if event["event"] == "dial_failed":
            raise RunError(f"cannot connect to {address}: {event['error']}")
        return event

    def identify(self, peer: str, timeout: float = 10.0) -> Event:
        """What a connected peer says of itself: the event `identified`."""
        if peer not in self._identified:
            event = self._wait_for(peer, ("identified", "identify_failed", "disconnected"), timeout)
            if event is None:
                raise RunError(f"{peer} did not identify itself within {timeout:g} s")
            if event["event"] != "identified":
                raise RunError(
                    f"{peer} did not identify itself: {event.get('error', 'it closed the connection')}"
                )
        return self._identified[peer]

    def ping(self, peer: str, timeout: float = 12.0) -> float:
        """The round trip to a connected peer, in seconds."""
        self._core.ping(peer)
        event = self._wait_for(peer, ("pong", "ping_failed"), timeout)
        if event is None:
            raise RunError(f"no pong from {peer} within {timeout:g} s")
        if event["event"] == "ping_failed":
            raise RunError(f"no pong from {peer}: {event['error']}")
        return float(event["seconds"])

    def disconnect(self, peer: str) -> None:
        """Says goodbye to a peer; the event `disconnected` follows."""
        self._core.disconnect(peer)

    def subscribe(self, topic: str) -> None:
        """The topic's messages come as events."""
        self._core.subscribe(topic)

    def unsubscribe(self, topic: str) -> None:
        """No more of them."""
        self._core.unsubscribe(topic)

    def publish(self, topic: str, data: bytes) -> int:
        """Publishes a message; returns how many connected peers are known to subscribe to the topic.

        With none the message goes nowhere. Waits first, a second at most, while the slowest peer has many to take.
        """
        self.wait_until(lambda: self._core.backlog() < _BACKLOG, 1.0)
        subscribers = self.subscribers(topic)
        self._core.publish(topic, data)
        self._unconfirmed.update(subscribers)
        return len(subscribers)

    def subscribers(self, topic: str) -> list[str]:
        """The connected peers that are known to subscribe to a topic."""
        return list(self._core.subscribers(topic))

    def wait_until(self, condition: Callable[[], bool], timeout: float) -> bool:
        """Lets the node live until the condition holds; False if it does not within the timeout (seconds)."""
        end = time.monotonic() + timeout
        while not condition():
            left = end - time.monotonic()
            if left <= 0:
                return False
            self._pending.extend(self._poll(min(left, _LOOK_SECONDS)))
        return True

    def events(self, timeout: float | None = None) -> Iterator[Event]:
        """What happens, as it happens, until `timeout` seconds have passed; None: for ever."""
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            while self._pending:
                yield self._pending.popleft()
            left = 1.0 if end is None else end - time.monotonic()
            if left <= 0:
                return
            self._pending.extend(self._poll(min(left, 1.0)))

    def read_lines(self, descriptor: int) -> None:
        """Lines that come on a file descriptor become events."""
        self._core.read_lines(descriptor)

    def close(self) -> None:
        """Sends what waits and says goodbye to everybody, for a few seconds at most."""
        self.wait_until(lambda: self._core.backlog() == 0, _GOODBYE_SECONDS)
        # A goodbye makes some peers (rust-libp2p's) forget what they have not read; a pong says that they have.
        for peer in self._unconfirmed:
            self._core.ping(peer)
        self.wait_until(lambda: not self._unconfirmed, _GOODBYE_SECONDS)
        for peer in self.connected:
            self.disconnect(peer)
        self.wait_until(lambda: not self.connected, _GOODBYE_SECONDS)

    def __enter__(self) -> Node:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _poll(self, seconds: float) -> list[Event]:
        events: list[Event] = self._core.poll(seconds)
        for event in events:
            match event["event"]:
                case "connected":
                    self._connected[event["peer"]] = event
                case "identified":
                    self._identified[event["peer"]] = {**self._identified.get(event["peer"], {}), **event}
                case "pong" | "ping_failed":
                    self._unconfirmed.discard(event["peer"])
                case "disconnected":
                    self._unconfirmed.discard(event["peer"])
                    self._connected.pop(event["peer"], None)
                    self._identified.pop(event["peer"], None)
        return events

    def _wait_for(self, peer: str, kinds: tuple[str, ...], timeout: float) -> Event | None:
        """The next of these events of a peer; others wait for `events`."""
        end = time.monotonic() + timeout
        while (left := end - time.monotonic()) > 0:
            fresh = self._poll(left)
            for index, event in enumerate(fresh):
                if event.get("peer") == peer and event["event"] in kinds:
                    self._pending.extend(fresh[:index] + fresh[index + 1 :])
                    return event
            self._pending.extend(fresh)
        return None
