"""What `mesocosm node` prints: lines for people, or one JSON object a line."""

from __future__ import annotations

import base64
import json
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from .real import Event, Node

_LONGEST_SHOWN = 400  # characters of a message


class Output:
    """Tells what a node does. What comes from peers is shown without control characters."""

    def __init__(self, as_json: bool) -> None:
        self._json = as_json
        self._console = Console(highlight=False, soft_wrap=True)
        self._hints = Console(highlight=False, soft_wrap=True, stderr=True)

    def started(self, node: Node, key: str, topics: Sequence[str]) -> None:
        """The node runs."""
        if self._json:
            page = {"metrics": node.metrics} if node.metrics else {}
            self._object("started", peer=node.peer_id, addresses=node.addresses, topics=list(topics), **page)
            return
        self._row("peer", node.peer_id, "bold")
        self._row("key", key)
        for address in node.addresses:
            self._row("listens", address)
        if node.metrics:
            self._row("metrics", node.metrics)
        for topic in topics:
            self._row("topic", topic)

    def hint(self, text: str) -> None:
        """Something for who sits at the terminal."""
        if not self._json and sys.stdin.isatty():
            self._hints.print(Text(text, "dim"))

    def ending(self) -> None:
        """Ctrl-C came."""
        if not self._json and sys.stderr.isatty():
            self._hints.print(Text("\nsaying goodbye", "dim"))

    def event(self, event: Event) -> None:
        """Something happened to the node."""
        if self._json:
            self._object(**_printable(event))
            return
        peer = _short(event.get("peer", ""))
        match event["event"]:
            case "connected":
                how = f"{event['direction']}, {_names(event)}"
                self._line("connected", "green", event["peer"], f"{event['address']} ({how})", event)
            case "identified":
                told = [event["agent"]] if "agent" in event else []
                told += [f"{len(event['protocols'])} protocols"] if "protocols" in event else []
                self._line("identified", "cyan", peer, ", ".join(told), event)
            case "disconnected":
                self._line("disconnected", "yellow", peer, "", event)
            case "message":
                self._line(event["topic"], "bold", _short(event["author"]), _message(event["data"]), event)
            case "dial_failed" | "identify_failed" | "ping_failed":
                self._line(event["event"].replace("_", " "), "red", event["peer"], event["error"], event)
            case "inbound_failed":
                self._line("refused", "red", event["address"], event["error"], event)

    def published(self, topic: str, data: bytes, subscribers: int) -> None:
        """A message of ours was published."""
        if self._json:
            self._object("published", topic=topic, size=len(data), subscribers=subscribers)
        elif subscribers == 0:
            self._line("published", "yellow", topic, "to nobody: no connected peer subscribes to it yet")
        else:
            self._line("published", "dim", topic, f"{len(data)} bytes to {_count(subscribers, 'subscriber')}")

    def not_published(self, topic: str, error: str) -> None:
        """A message of ours could not be published."""
        if self._json:
            self._object("not_published", topic=topic, error=error)
        else:
            self._line("not published", "red", topic, error)

    def pinging(self, connected: Event) -> None:
        """The pings begin."""
        if not self._json:
            self._print(f"ping {connected['peer']} at {connected['address']} ({_names(connected)})", "bold")

    def pong(self, peer: str, number: int, seconds: float) -> None:
        """A ping was answered."""
        if self._json:
            self._object("pong", peer=peer, number=number, seconds=seconds)
        else:
            self._print(f"{number:>4}  {seconds * 1e3:.3f} ms")

    def pings(self, peer: str, sent: int, seconds: Sequence[float]) -> None:
        """The pings are over."""
        if not self._json and seconds:
            low, middle, high = min(seconds), statistics.median(seconds), max(seconds)
            figures = f"min {low * 1e3:.3f}, median {middle * 1e3:.3f}, max {high * 1e3:.3f} ms"
            self._print(f"{len(seconds)} of {sent} answered; {figures}", "bold")

    def identity(self, connected: Event, identified: Event) -> None:
        """What a peer says of itself."""
        if self._json:
            connection = {name: connected[name] for name in ("address", "security", "muxer")}
            self._object(**_printable({**identified, "connection": connection}))
            return
        self._row("peer", identified["peer"], "bold")
        self._row("agent", identified.get("agent", "–"))
        self._row("version", identified.get("protocol_version", "–"))
        self._row("at", f"{connected['address']} ({_names(connected)})")
        for address in identified.get("addresses", []):
            self._row("listens", address)
        self._row("sees us", identified.get("observed", "–"))
        self._row("record", "signed" if identified["signed_record"] else "none")
        for protocol in sorted(identified.get("protocols", [])):
            self._row("speaks", protocol)

    def key(self, peer: str, path: Path, made: bool) -> None:
        """The identity of a key file."""
        if self._json:
            self._object("key", peer=peer, file=str(path), new=made)
            return
        self._row("peer", peer, "bold")
        self._row("key", f"{path} (new)" if made else str(path))

    def _object(self, event: str, **fields: Any) -> None:
        stamp = fields.pop("time", None) or time.time()
        print(json.dumps({"event": event, "time": round(stamp, 6), **fields}), flush=True)

    def _row(self, name: str, value: str, style: str = "") -> None:
        self._console.print(Text.assemble((f"{name:<8} ", "cyan"), (_clean(value), style)))
        sys.stdout.flush()

    def _line(self, what: str, style: str, who: str, rest: str, event: Event | None = None) -> None:
        clock = time.strftime("%H:%M:%S", time.localtime(event["time"] if event else time.time()))
        text = Text.assemble((f"{clock} ", "dim"), (f"{_clean(what):<13} ", style), _clean(who))
        if rest:
            text.append(f"  {_clean(rest)}")
        self._console.print(text)
        sys.stdout.flush()

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(_clean(text), style))
        sys.stdout.flush()


def _names(connected: Event) -> str:
    return ", ".join(connected[name].strip("/").split("/")[0] for name in ("security", "muxer"))


def _short(peer: str) -> str:
    """The end of a peer id, which differs from peer to peer."""
    return f"…{peer[-8:]}" if len(peer) > 12 else peer


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _clean(text: str) -> str:
    """Without what would move a terminal's cursor or change its colours."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _message(data: bytes) -> str:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = f"0x{data[:32].hex()}"
        return text if len(data) <= 32 else f"{text}… ({len(data)} bytes)"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}… ({len(data)} bytes)"


def _printable(event: Event) -> Event:
    """A message's bytes as text if they are, else in base64."""
    if "data" not in event:
        return event
    fields = {name: value for name, value in event.items() if name != "data"}
    try:
        return {**fields, "data": event["data"].decode()}
    except UnicodeDecodeError:
        return {**fields, "data_base64": base64.b64encode(event["data"]).decode()}
