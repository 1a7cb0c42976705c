"""`mesocosm node`: a real node from the command line, and one-shot commands that talk to another one.

A running node ends with Ctrl-C (or SIGTERM) and code 0; otherwise the codes are those of `mesocosm.cli`.
"""

from __future__ import annotations

import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from . import keys
from .errors import ConfigError, RunError
from .node_output import Output
from .real import Event, Node

_DEFAULT_LISTEN = "/ip4/127.0.0.1/tcp/0"
_SUBSCRIBED_WITHIN = 5.0  # seconds for a peer to tell its topics

Command = Callable[..., Any]


def _shared(command: Command) -> Command:
    """The options that every command has."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line."),
        click.option(
            "--log",
            metavar="LEVELS",
            default="",
            help="Log lines, such as info or gossipsub=debug,swarm=info.",
        ),
        click.option("--log-file", metavar="FILE", help="Log to FILE.  [default: standard error]"),
        click.option(
            "--security",
            metavar="LIST",
            default="",
            help="What to offer and accept, the best first.  [default: noise,tls]",
        ),
    ):
        command = option(command)
    return command


def _key_option(command: Command) -> Command:
    return click.option("--key", metavar="FILE", help="Use the key in FILE; made if there is none.")(command)


@click.group(invoke_without_command=True)
@click.option("--listen", metavar="ADDR", multiple=True, help="Listen there; may be repeated.")
@click.option(
    "--dial", metavar="ADDR", multiple=True, help="Connect to a peer, /p2p included; may be repeated."
)
@click.option("--subscribe", metavar="TOPIC", multiple=True, help="Show a topic's messages; may be repeated.")
@click.option(
    "--metrics", metavar="IP:PORT", default="", help="Serve metrics to Prometheus there, at /metrics."
)
@_key_option
@click.option("--ephemeral", is_flag=True, help="Use a new key, and forget it in the end.")
@_shared
@click.pass_context
def node(
    context: click.Context,
    listen: tuple[str, ...],
    dial: tuple[str, ...],
    subscribe: tuple[str, ...],
    metrics: str,
    key: str | None,
    ephemeral: bool,
    **shared: Any,
) -> None:
    """Run a real libp2p node until Ctrl-C, or talk to one with a command.

    Addresses are multiaddrs such as /ip4/192.0.2.1/tcp/4001/p2p/12D3Koo... Without --listen and --dial it listens on
    any port of the loopback interface. Lines from standard input are published to the first topic.
    """
    if context.invoked_subcommand is not None:
        _refuse_options_before(context)
        return
    if key is not None and ephemeral:
        raise ConfigError("--key and --ephemeral exclude each other")
    identity, key_row = (None, "new, not kept") if ephemeral else _identity(key)
    output = Output(shared["as_json"])
    if not listen and not dial:
        listen = (_DEFAULT_LISTEN,)
    with _terminable(), _node(shared, listen=listen, key=identity, metrics=metrics) as running:
        for topic in subscribe:
            running.subscribe(topic)
        output.started(running, key_row, subscribe)
        reads = bool(subscribe) and _stdin_is_ours()
        if reads:
            output.hint(f"a line that you type is published to {subscribe[0]}; Ctrl-C ends the node")
            running.read_lines(sys.stdin.fileno())
        try:
            _serve(running, output, dial, listens=bool(listen), topic=subscribe[0] if subscribe else "")
        except KeyboardInterrupt:
            output.ending()


def _serve(running: Node, output: Output, dial: Sequence[str], listens: bool, topic: str) -> None:
    targets = {running.dial(address): address for address in dial}
    for event in running.events():
        match event["event"]:
            case "input":
                if event["data"]:
                    _publish_line(running, output, topic, event["data"])
                continue
            case "input_end":
                continue
            case "dial_failed" if not listens and not running.connected and list(targets) == [event["peer"]]:
                raise RunError(f"cannot connect to {targets[event['peer']]}: {event['error']}")
        output.event(event)
        targets.pop(event.get("peer", ""), None)
        if not listens and not running.connected and not targets:
            raise RunError("no peer is connected any more, and this node does not listen")


def _publish_line(running: Node, output: Output, topic: str, line: bytes) -> None:
    try:
        output.published(topic, line, running.publish(topic, line))
    except (ConfigError, RunError) as error:
        output.not_published(topic, str(error))


@node.command()
@click.argument("address", metavar="ADDR")
@click.option("-c", "--count", default=5, show_default=True, type=click.IntRange(0), help="0: until Ctrl-C.")
@click.option(
    "-i", "--interval", default=1.0, show_default=True, type=click.FloatRange(0), help="Seconds between."
)
@_key_option
@_shared
def ping(address: str, count: int, interval: float, key: str | None, **shared: Any) -> None:
    """Measure round trips to the peer at ADDR."""
    output = Output(shared["as_json"])
    times: list[float] = []
    sent = 0
    with _node(shared, key=_one_shot_identity(key)) as running:
        connected = running.connect(address)
        with suppress(RunError):
            running.identify(connected["peer"])  # so that its work is not in the first round trip
        output.pinging(connected)
        try:
            while not count or sent < count:
                if sent and not _rest(running, connected["peer"], interval):
                    raise RunError(f"{connected['peer']} closed the connection")
                sent += 1
                times.append(running.ping(connected["peer"]))
                output.pong(connected["peer"], sent, times[-1])
        except KeyboardInterrupt:
            pass
        except RunError:
            if not times:
                raise
            output.pings(connected["peer"], sent, times)
            raise
        output.pings(connected["peer"], sent, times)


@node.command()
@click.argument("address", metavar="ADDR")
@_key_option
@_shared
def identify(address: str, key: str | None, **shared: Any) -> None:
    """Show who the peer at ADDR is and what it speaks."""
    output = Output(shared["as_json"])
    with _node(shared, key=_one_shot_identity(key)) as running:
        connected = running.connect(address)
        output.identity(connected, running.identify(connected["peer"]))


@node.command(short_help="Publish a message through the peer at ADDR.")
@click.argument("address", metavar="ADDR")
@click.argument("topic")
@click.argument("message")
@_key_option
@_shared
def publish(address: str, topic: str, message: str, key: str | None, **shared: Any) -> None:
    """Publish MESSAGE to TOPIC through the peer at ADDR; `-` reads it from standard input."""
    data = sys.stdin.buffer.read() if message == "-" else os.fsencode(message)
    output = Output(shared["as_json"])
    with _node(shared, key=_one_shot_identity(key)) as running:
        peer = running.connect(address)["peer"]
        if not running.wait_until(lambda: peer in running.subscribers(topic), _SUBSCRIBED_WITHIN):
            raise RunError(f"{peer} does not subscribe to {topic}, so it would not take the message")
        output.published(topic, data, running.publish(topic, data))


@node.command("key", short_help="Show this node's peer id and key file.")
@_key_option
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def show_key(key: str | None, as_json: bool) -> None:
    """Show the peer id and the file of this node's key, which is made if there is none."""
    path = Path(key) if key is not None else keys.default_path()
    identity, made = keys.load_or_make(path)
    Output(as_json).key(keys.peer_id(identity), path, made)


def _refuse_options_before(context: click.Context) -> None:
    given = [
        name for name in context.params if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given:
        option = given[0].removeprefix("as_").replace("_", "-")
        raise ConfigError(
            f"put --{option} behind the command: mesocosm node {context.invoked_subcommand} ..."
        )


def _identity(key: str | None) -> tuple[bytes, str]:
    path = Path(key) if key is not None else keys.default_path()
    identity, made = keys.load_or_make(path)
    return identity, f"{path} (new)" if made else str(path)


def _one_shot_identity(key: str | None) -> bytes | None:
    """A new one unless a file is given: the key of the default place may be in use by a node that is running."""
    return None if key is None else keys.load_or_make(Path(key))[0]


@contextmanager
def _node(
    shared: dict[str, Any], listen: Sequence[str] = (), key: bytes | None = None, metrics: str = ""
) -> Iterator[Node]:
    """A node that says goodbye in the end, also after an error."""
    made = Node(
        listen=listen,
        key=key,
        security=[name for name in shared["security"].split(",") if name],
        log=shared["log"],
        log_file=shared["log_file"],
        log_format="json" if shared["as_json"] else "text",
        metrics=metrics,
    )
    try:
        yield made
    finally:
        made.close()


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends like Ctrl-C."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _stdin_is_ours() -> bool:
    """Whether standard input is a pipe, or a terminal that this process may read from."""
    try:
        descriptor = sys.stdin.fileno()
        mode = os.fstat(descriptor).st_mode
        if os.isatty(descriptor):
            return os.getpgrp() == os.tcgetpgrp(descriptor)
        return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or stat.S_ISREG(mode)
    except (AttributeError, OSError, ValueError):
        return False


def _rest(running: Node, peer: str, seconds: float) -> bool:
    """Waits; False if the peer goes meanwhile."""
    end = time.monotonic() + seconds
    return not running.wait_until(lambda: peer not in running.connected, max(0.0, end - time.monotonic()))
