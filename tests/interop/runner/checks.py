"""The tests of a pair of connected peers, and of a mesh of ten."""

from __future__ import annotations

import asyncio
import functools
import hashlib
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from matrix import Combination
from peers import ANSWER_LIMIT, Failure, Line, Peer, Program, require

SECURITY_IDS = {"noise": "/noise", "tls": "/tls/1.0.0"}
MUXER_ID = "/yamux/1.0.0"
SPOKEN = ("/ipfs/id/1.0.0", "/ipfs/id/push/1.0.0", "/ipfs/ping/1.0.0", "/perf/1.0.0", "/interop/echo/1.0.0")
LOGGED = {"MESOCOSM_LOG": "info,swarm=debug"}  # ours tells why connections end
NOBODY = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"  # a valid peer id that no peer has
TIME_LIMIT = 300  # seconds after which a peer ends itself, should the runner have died

BULK = 4 * 1024 * 1024 + 12345  # bytes; many windows, and no multiple of anything
HALF_CLOSED = 1024 * 1024  # bytes that are still under way when their sender has closed its side
STREAMS = 1000
MESSAGES = 20  # that each of two nodes publishes
LARGE_MESSAGE = 100_000  # bytes; more than a frame of any layer
SETTLING = 1.5  # seconds: over a heartbeat, so that meshes are made; who publishes sooner may tell nobody
MESH_MESSAGES = 5  # that each node of a mesh publishes
MESH_DEGREE = 4  # connections that each node of a mesh has at least
MESH_SETTLING = 3.0  # seconds: a few heartbeats, in which the nodes choose their meshes

Programs = dict[str, Program]


@functools.cache
def pattern_hash(size: int) -> str:
    period = bytes(range(251))
    return hashlib.sha256((period * (size // len(period) + 1))[:size]).hexdigest()


def without_peer(address: str) -> str:
    return address.partition("/p2p/")[0]


class Pair:
    """A dialer and a listener. Restarts what a test has killed, and connects them again."""

    def __init__(self, combination: Combination, programs: Programs, folder: Path) -> None:
        self.combination = combination
        self._programs = programs
        self._folder = folder
        self._started: list[Peer] = []
        self._dialer: Peer | None = None
        self._listener: Peer | None = None

    @property
    def dialer(self) -> Peer:
        assert self._dialer is not None
        return self._dialer

    @property
    def listener(self) -> Peer:
        assert self._listener is not None
        return self._listener

    def both_ways(self) -> list[tuple[Peer, Peer]]:
        return [(self.dialer, self.listener), (self.listener, self.dialer)]

    async def start(self, role: str, implementation: str, *arguments: str) -> Peer:
        """Another peer, which ends with the pair."""
        row = self.combination
        name = f"{len(self._started)}-{role}-{implementation}"
        options = ["--transport", row.transport, "--security", row.security, "--checksums"]
        options += ["--time-limit", str(TIME_LIMIT), *arguments]
        peer = await Peer.start(self._programs[implementation], name, self._folder, options, LOGGED)
        self._started.append(peer)
        return peer

    async def ready(self, connected: bool = True) -> None:
        """Both run, and are connected if they shall be."""
        if self._listener is None or not self._listener.alive:
            self._listener = await self.start("listener", self.combination.listener)
        if self._dialer is None or not self._dialer.alive:
            self._dialer = await self.start("dialer", self.combination.dialer)
        if connected:
            await self._connect()

    async def _connect(self) -> None:
        """Both agree that they are connected. No event is waited for: go-libp2p-pubsub may be quicker to dial again."""
        if self.listener.id not in (await self.dialer.ask("connections"))["peers"]:
            await self.dialer.ask("dial", addr=self.listener.addresses[0])
        deadline = time.monotonic() + ANSWER_LIMIT
        while self.dialer.id not in (await self.listener.ask("connections"))["peers"]:
            require(time.monotonic() < deadline, f"{self.listener.name} does not see {self.dialer.name}")
            await asyncio.sleep(0.01)

    async def close(self) -> None:
        for peer in self._started:
            await peer.kill()


# ---- Tests of a pair. All but connect begin with both connected. ----


async def connect(pair: Pair) -> None:
    dialer, listener = pair.dialer, pair.listener
    row = pair.combination
    before_dialer, before_listener = dialer.mark(), listener.mark()
    answer = await dialer.ask("dial", addr=listener.addresses[0])
    require(answer["peer"] == listener.id, f"dialed {listener.id}, reached {answer['peer']}")
    expect_or_hidden(answer, "security", SECURITY_IDS[row.security])
    expect_or_hidden(answer, "muxer", MUXER_ID)
    await dialer.event(before_dialer, ev="connected", peer=listener.id, direction="outbound")
    await listener.event(before_listener, ev="connected", peer=dialer.id, direction="inbound")
    for one, other in pair.both_ways():
        peers = (await one.ask("connections"))["peers"]
        require(peers == [other.id], f"{one.name} is connected to {peers} instead of {[other.id]}")


def expect_or_hidden(answer: Line, name: str, value: str) -> None:
    require(answer[name] in (value, None), f"{name} is {answer[name]} instead of {value}")


async def identify(pair: Pair) -> None:
    suffix = "/ws" if pair.combination.transport == "ws" else ""
    for one, other in pair.both_ways():
        facts = await one.ask("identify", peer=other.id)
        missing = [protocol for protocol in SPOKEN if protocol not in facts["protocols"]]
        require(not missing, f"{one.name} did not learn that {other.name} speaks {missing}")
        require(facts["agent"], f"{one.name} learned no agent of {other.name}")
        own = [without_peer(address) for address in other.addresses]
        told = [without_peer(address) for address in facts["addrs"]]
        require(set(own) <= set(told), f"{one.name} learned {told} of {other.name}, which listens at {own}")
        observed = without_peer(facts["observed"] or "")
        right = observed.startswith("/ip4/127.0.0.1/tcp/") and observed.endswith(suffix)
        require(right or facts["observed"] is None, f"{other.name} observes {one.name} at {observed}")


async def signed_record(pair: Pair) -> None:
    for one, other in pair.both_ways():
        valid = (await one.ask("identify", peer=other.id))["signed_record"]
        require(valid is not False, f"{one.name} got no valid signed record of {other.name}")


async def push(pair: Pair) -> None:
    for number, (one, other) in enumerate(pair.both_ways()):
        protocol = f"/interop/pushed/{number}"
        await other.ask("identify", peer=one.id)  # else the answer itself may tell of it
        await one.ask("identify", peer=other.id)  # that it speaks push
        await one.ask("push", protocol=protocol)
        await other.ask("await_protocol", peer=one.id, protocol=protocol, timeout=10)


async def ping(pair: Pair) -> None:
    for one, other in pair.both_ways():
        rtts = (await one.ask("ping", peer=other.id, count=5))["rtts"]
        require(len(rtts) == 5 and all(0 < rtt < 5 for rtt in rtts), f"{one.name}: round trips {rtts}")


async def perf_up(pair: Pair) -> None:
    for client, server in pair.both_ways():
        before = server.mark()
        answer = await client.ask("perf", peer=server.id, up=BULK, down=0)
        event = await server.event(before, ev="perf", peer=client.id)
        require(event["received"] == BULK, f"{server.name} received {event['received']} bytes of {BULK}")
        expect_hash(client, "sent", answer["sent_sha256"], BULK)
        expect_hash(server, "received", event["sha256"], BULK)


async def perf_down(pair: Pair) -> None:
    for client, server in pair.both_ways():
        answer = await client.ask("perf", peer=server.id, up=0, down=BULK)
        require(answer["received"] == BULK, f"{client.name} received {answer['received']} bytes of {BULK}")
        expect_hash(client, "received", answer["received_sha256"], BULK)


def expect_hash(peer: Peer, did: str, digest: str | None, size: int) -> None:
    expected = pattern_hash(size)
    require(digest == expected, f"{peer.name} {did} bytes with SHA-256 {digest} instead of {expected}")


async def gossip(pair: Pair) -> None:
    topic = "two"
    for one, _ in pair.both_ways():
        await one.ask("subscribe", topic=topic)
    for one, _ in pair.both_ways():
        await one.ask("await_subscribers", topic=topic, count=1, timeout=10)
    await asyncio.sleep(SETTLING)
    for one, _ in pair.both_ways():
        await one.ask("publish", topic=topic, size=1000, count=MESSAGES)
        await one.ask("publish", topic=topic, size=LARGE_MESSAGE, count=1)
    for one, other in pair.both_ways():
        await expect_messages(one, topic, {other.id: MESSAGES + 1})
    for one, _ in pair.both_ways():
        await one.ask("unsubscribe", topic=topic)


async def expect_messages(peer: Peer, topic: str, authors: dict[str, int]) -> None:
    total = sum(authors.values())
    got = await peer.ask("await_messages", topic=topic, count=total, timeout=12)
    require(got["count"] == total, f"{peer.name} was delivered {got['count']} messages instead of {total}")
    require(
        got["valid"] == total, f"{peer.name}: {total - got['valid']} messages of {total} have wrong bytes"
    )
    require(got["froms"] == authors, f"{peer.name}: authors {got['froms']} instead of {authors}")


async def half_close(pair: Pair) -> None:
    for one, other in pair.both_ways():
        answer = await one.ask("echo", peer=other.id, streams=1, bytes=HALF_CLOSED)
        expect_streams(one, answer, 1)
        await one.ask("perf", peer=other.id, up=0, down=0)  # ends at once, both ways


async def streams(pair: Pair) -> None:
    for one, other in pair.both_ways():
        expect_streams(one, await one.ask("echo", peer=other.id, streams=STREAMS, bytes=1000), STREAMS)


def expect_streams(peer: Peer, answer: Line, count: int) -> None:
    fine = answer["streams_ok"]
    why = f"; {answer['first_error']}" if "first_error" in answer else ""
    require(fine == count, f"{peer.name}: {fine} streams of {count} ended well{why}")


async def remote_reset(pair: Pair) -> None:
    for one, other in pair.both_ways():
        await one.ask("remote_reset", peer=other.id)
        await one.ask("ping", peer=other.id, count=1)  # the connection is none the worse


async def local_reset(pair: Pair) -> None:
    for one, other in pair.both_ways():
        before = other.mark()
        await one.ask("local_reset", peer=other.id)
        event = await other.event(before, ev="stream_end", peer=one.id)
        require(event["end"] == "reset", f"{other.name} took the reset for {event['end']}")
        await one.ask("ping", peer=other.id, count=1)


async def wrong_peer(pair: Pair) -> None:
    dialer, listener = pair.dialer, pair.listener
    address = f"{without_peer(listener.addresses[0])}/p2p/{NOBODY}"
    try:
        await dialer.ask("dial", addr=address)
    except Failure as refusal:
        require("no answer" not in str(refusal) and dialer.alive, str(refusal))
    else:
        raise Failure(f"{dialer.name} took {listener.name} for {NOBODY}")
    peers = (await dialer.ask("connections"))["peers"]
    require(NOBODY not in peers, f"{dialer.name} is connected to {NOBODY}")
    await dialer.ask("ping", peer=listener.id, count=1)


async def late_muxer(pair: Pair) -> None:
    """With one of ours that negotiates the muxer by multistream-select instead of in the handshake."""
    third = await pair.start("late", "ours", "--early-muxer", "off")
    ours_listens = pair.combination.listener == "ours"
    dialer, listener = (pair.dialer, third) if ours_listens else (third, pair.listener)
    answer = await dialer.ask("dial", addr=listener.addresses[0])
    expect_or_hidden(answer, "muxer", MUXER_ID)
    await dialer.ask("ping", peer=listener.id, count=2)
    await dialer.ask("perf", peer=listener.id, up=100_000, down=100_000)
    await dialer.ask("disconnect", peer=listener.id)
    await third.stop()


async def disconnect(pair: Pair) -> None:
    dialer, listener = pair.dialer, pair.listener
    for one, other in pair.both_ways():
        await pair.ready()
        before = one.mark(), other.mark()
        await one.ask("disconnect", peer=other.id)
        await one.event(before[0], ev="disconnected", peer=other.id)
        await other.event(before[1], ev="disconnected", peer=one.id)
    await pair.ready()
    await dialer.ask("ping", peer=listener.id, count=1)


async def abrupt(pair: Pair) -> None:
    """The other implementation dies; ours notices, and goes on with a new one."""
    ours_listens = pair.combination.listener == "ours"
    victim, survivor = (pair.dialer, pair.listener) if ours_listens else (pair.listener, pair.dialer)
    before = survivor.mark()
    await victim.kill()
    await survivor.event(before, ev="disconnected", peer=victim.id)
    require(not (await survivor.ask("connections"))["peers"], f"{survivor.name} still counts the dead one")
    await pair.ready()
    for one, other in pair.both_ways():
        await one.ask("ping", peer=other.id, count=1)


async def stop(pair: Pair) -> None:
    for one, _ in pair.both_ways():
        await one.stop()


PAIR_TESTS: dict[str, Callable[[Pair], Awaitable[None]]] = {
    "connect": connect,
    "identify": identify,
    "signed record": signed_record,
    "push": push,
    "ping": ping,
    "perf up": perf_up,
    "perf down": perf_down,
    "gossip": gossip,
    "half-close": half_close,
    "remote reset": remote_reset,
    "local reset": local_reset,
    "1000 streams": streams,
    "disconnect": disconnect,
    "wrong peer": wrong_peer,  # behind disconnect: js-libp2p keeps the WebSocket connection that it refuses
    "late muxer": late_muxer,
    "abrupt": abrupt,
    "stop": stop,
}


# ---- Tests of a mesh ----


@dataclass
class Mesh:
    """Ten nodes of all implementations, connected at random, the same way each time."""

    nodes: list[Peer]
    degrees: list[int]

    @classmethod
    async def start(cls, row: Combination, programs: Programs, sizes: dict[str, int], folder: Path) -> Mesh:
        options = ["--transport", row.transport, "--security", row.security, "--time-limit", str(TIME_LIMIT)]
        order = [implementation for implementation, count in sizes.items() for _ in range(count)]
        random.Random(1).shuffle(order)
        mesh = cls([], [0] * len(order))
        try:
            for number, implementation in enumerate(order):
                name = f"{number}-{implementation}"
                mesh.nodes.append(await Peer.start(programs[implementation], name, folder, options, LOGGED))
            for one, other in mesh._edges():
                await mesh.nodes[one].ask("dial", addr=mesh.nodes[other].addresses[0])
                mesh.degrees[one] += 1
                mesh.degrees[other] += 1
        except BaseException:
            await mesh.close()
            raise
        return mesh

    def _edges(self) -> list[tuple[int, int]]:
        """A ring, and random chords until everybody has enough."""
        count = len(self.nodes)
        edges = {(i, (i + 1) % count) for i in range(count)}
        degree = [2] * count
        chords = random.Random(2)
        while min(degree) < MESH_DEGREE:
            one = degree.index(min(degree))
            other = chords.randrange(count)
            if other == one or (one, other) in edges or (other, one) in edges:
                continue
            edges.add((one, other))
            degree[one] += 1
            degree[other] += 1
        return sorted(edges)

    async def close(self) -> None:
        for node in self.nodes:
            await node.kill()


async def mesh_gossip(mesh: Mesh) -> None:
    topic = "ten"
    await asyncio.gather(*(node.ask("subscribe", topic=topic) for node in mesh.nodes))
    for node, degree in zip(mesh.nodes, mesh.degrees):
        await node.ask("await_subscribers", topic=topic, count=degree, timeout=10)
    await asyncio.sleep(MESH_SETTLING)
    for node in mesh.nodes:
        await node.ask("publish", topic=topic, size=1000, count=MESH_MESSAGES)
    for node in mesh.nodes:
        others = {other.id: MESH_MESSAGES for other in mesh.nodes if other is not node}
        await expect_messages(node, topic, others)


async def mesh_stop(mesh: Mesh) -> None:
    for node in mesh.nodes:
        await node.stop()


MESH_TESTS: dict[str, Callable[[Mesh], Awaitable[None]]] = {
    "gossip": mesh_gossip,
    "stop": mesh_stop,
}
