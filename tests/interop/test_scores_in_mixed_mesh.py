"""What go-libp2p-pubsub, rust-libp2p and we think of the same peers, in one live mesh over TCP with the same parameters.

Two nodes of each implementation are all connected and gossip in one topic. Five more peers, which they dial, say to each of
them to the letter what a script has (`peer --scripted`, README.md), so that each is judged for one thing alone:

    forger      P4: joins the mesh and sends messages with wrong signatures; is pruned, then graylisted
    regrafter   P7: leaves the mesh and grafts while backing off
    promiser    P5 and P7: the application praises it; it tells of messages that it never sends
    source      P2: sends every node messages that nobody else has yet
    member      P1: joins the mesh and stays

A score that counts n events is exact: every counter is multiplied by its decay once an interval, nobody can tell how often it
was since, so it must be the n events after some whole number of decays, no more than fit into the time since. The scores
of P1 are held against the time that passed. `./dev interop` builds what is needed and runs this.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import math
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path
from typing import TypeVar

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "runner"))

from peers import Failure, Peer, Program  # noqa: E402

BUILD = HERE.parents[1] / "build"
PROGRAMS = {
    "go": BUILD / "interop" / "go" / "peer",
    "rust": BUILD / "interop" / "rust" / "peer",
    "ours": BUILD / "release" / "tests" / "interop_peer",
}
NODES = [f"{implementation}{number}" for implementation in PROGRAMS for number in (1, 2)]
SCRIPTED = ("forger", "regrafter", "promiser", "source", "member")
TOPIC = "trials"
PATIENCE = 30.0  # s to wait for what takes a second or two, on a machine that is busy with others
PUBLISHED = 5  # messages of each node

DECAY = 0.9  # of every counter,
INTERVAL = 1.0  # s; the shortest that go and rust allow
FORGED, FORGED_WEIGHT = 4, -10_000.0  # so that it stays graylisted for half a minute
REGRAFT_PENALTY = 2  # one for the GRAFT, one more for it comes soon after the PRUNE
BROKEN, PENALTY_WEIGHT, PENALTY_THRESHOLD = 3, -4.0, 0.125
PRAISE, PRAISE_WEIGHT = 4.0, 0.5
FIRST, FIRST_WEIGHT = 5, 0.75
MESH_WEIGHT, QUANTUM = 0.25, 0.5  # s

# Five nodes and three scripted peers fit: go and rust cut a mesh of d_high peers down already, we a larger one.
MESH = {"d": 4, "d_low": 3, "d_high": 9, "d_score": 2, "d_out": 1, "heartbeat": 0.5, "iwant_followup": 1.0}
SCORING = {
    "mesh": MESH,
    "thresholds": {
        "gossip": -50.0,
        "publish": -60.0,
        "graylist": -100.0,
        "accept_px": 0.0,
        "opportunistic_graft": 0.0,
    },
    # rust-libp2p alone counts loopback addresses for P6, which is out of play therefore.
    "whitelist": ["127.0.0.1/32"],
    "params": {
        "topic_score_cap": 0.0,
        "app_specific_weight": PRAISE_WEIGHT,
        "ip_colocation_weight": -5.0,
        "ip_colocation_threshold": 1,
        "behaviour_penalty_weight": PENALTY_WEIGHT,
        "behaviour_penalty_threshold": PENALTY_THRESHOLD,
        "behaviour_penalty_decay": DECAY,
        "decay_interval": INTERVAL,
        "decay_to_zero": 0.01,
        "retain_score": 60.0,
        "seen_ttl": 120.0,
    },
    "topics": {
        TOPIC: {
            "weight": 1.0,
            "time_in_mesh_weight": MESH_WEIGHT,
            "time_in_mesh_quantum": QUANTUM,
            "time_in_mesh_cap": 3600.0,
            "first_message_deliveries_weight": FIRST_WEIGHT,
            "first_message_deliveries_decay": DECAY,
            "first_message_deliveries_cap": 100.0,
            # P3 and P3b depend on who is faster; the histories of score_script.py have them.
            "mesh_message_deliveries_weight": 0.0,
            "mesh_message_deliveries_decay": DECAY,
            "mesh_message_deliveries_cap": 10.0,
            "mesh_message_deliveries_threshold": 1.0,
            "mesh_message_deliveries_window": 0.01,
            "mesh_message_deliveries_activation": 1.0,
            "mesh_failure_penalty_weight": 0.0,
            "mesh_failure_penalty_decay": DECAY,
            "invalid_message_deliveries_weight": FORGED_WEIGHT,
            "invalid_message_deliveries_decay": DECAY,
        }
    },
}

T = TypeVar("T")


async def each(nodes: Iterable[Peer], act: Callable[[Peer], Awaitable[T]]) -> list[T]:
    return list(await asyncio.gather(*(act(node) for node in nodes)))


def counters(events: int, seconds: float) -> list[float]:
    """What a counter can be at most so many seconds after so many events, which fell into one interval or two."""
    exponents = range(int(seconds / INTERVAL) + 2)
    return [(early * DECAY + events - early) * DECAY**k for k in exponents for early in range(events)]


def is_one_of(score: float, possible: Iterable[float]) -> bool:
    return any(math.isclose(score, value, rel_tol=1e-9) for value in possible)


def penalties(events: int, seconds: float) -> list[float]:
    """P7, weighted, while there is any."""
    excesses = (counter - PENALTY_THRESHOLD for counter in counters(events, seconds))
    return [PENALTY_WEIGHT * excess**2 for excess in excesses if excess > 0]


async def view(node: Peer, peer: Peer) -> tuple[float | None, bool]:
    """What the node thinks of the peer (None: it is not known), and whether it is in the node's mesh."""
    told = await node.ask("scores", topic=TOPIC)
    return told["scores"].get(peer.id), peer.id in told["mesh"]


async def until(node: Peer, peer: Peer, what: str, holds: Callable[[float, bool], bool]) -> None:
    """Waits until it holds for what the node thinks of the peer and whether the peer is in its mesh."""
    deadline = time.monotonic() + PATIENCE
    while True:
        score, meshed = await view(node, peer)
        if score is not None and holds(score, meshed):
            return
        if time.monotonic() > deadline:
            state = f"score {score}, {'in' if meshed else 'not in'} the mesh"
            raise Failure(f"{node.name} of the {peer.name}: {what}: not in {PATIENCE:g} s ({state})")
        await asyncio.sleep(0.1)


async def join_mesh(peer: Peer, node: Peer) -> None:
    await peer.ask("rpc", peer=node.id, subscribe=[TOPIC], graft=[TOPIC])
    await until(node, peer, "in the mesh", lambda _, meshed: meshed)


async def forge(forger: Peer, node: Peer) -> None:
    await join_mesh(forger, node)
    begun, mark = time.monotonic(), forger.mark()

    def judged(score: float, meshed: bool) -> bool:
        possible = [FORGED_WEIGHT * n**2 for n in counters(FORGED, time.monotonic() - begun)]
        return not meshed and is_one_of(score, possible)

    await forger.ask("rpc", peer=node.id, topic=TOPIC, forged=FORGED)
    await until(node, forger, f"P4 of {FORGED} forged messages, pruned", judged)
    await forger.event(mark, PATIENCE, ev="control", peer=node.id, heard="prune", topic=TOPIC)

    # Graylisted: neither the message nor the GRAFT is heard; the subscription is, and shows that the RPC came.
    await forger.ask("rpc", peer=node.id, topic=TOPIC, valid=1, graft=[TOPIC], subscribe=["heard"])
    await node.ask("await_subscribers", PATIENCE + 5, topic="heard", count=1, timeout=PATIENCE)
    await until(node, forger, f"P4 of {FORGED} forged messages and nothing else, still", judged)


async def graft_again(regrafter: Peer, node: Peer) -> None:
    await join_mesh(regrafter, node)
    await regrafter.ask("rpc", peer=node.id, prune=[TOPIC])
    await until(node, regrafter, "out of the mesh, unblamed", lambda score, meshed: not meshed and score == 0)
    begun, mark = time.monotonic(), regrafter.mark()
    await regrafter.ask("rpc", peer=node.id, graft=[TOPIC])
    await regrafter.event(mark, PATIENCE, ev="control", peer=node.id, heard="prune", topic=TOPIC)

    def judged(score: float, meshed: bool) -> bool:
        return not meshed and is_one_of(score, penalties(REGRAFT_PENALTY, time.monotonic() - begun))

    await until(node, regrafter, "P7 of a GRAFT while backing off", judged)


async def promise(promiser: Peer, node: Peer) -> None:
    await node.ask("app_score", peer=promiser.id, value=PRAISE)
    praise = PRAISE * PRAISE_WEIGHT
    await until(node, promiser, "P5", lambda score, _: score == praise)
    begun, mark = time.monotonic(), promiser.mark()
    names = [f"never sent to {node.name}: {number}" for number in range(BROKEN)]
    await asyncio.gather(*(promiser.ask("rpc", peer=node.id, topic=TOPIC, ihave=[name]) for name in names))
    for name in names:
        await promiser.event(mark, PATIENCE, ev="control", peer=node.id, heard="iwant", topic=name)

    def judged(score: float, _: bool) -> bool:
        possible = penalties(BROKEN, time.monotonic() - begun)
        return is_one_of(score, (praise + penalty for penalty in possible))

    await until(node, promiser, f"P5, and P7 of {BROKEN} broken promises", judged)


async def bring(source: Peer, node: Peer) -> None:
    begun = time.monotonic()
    await source.ask("rpc", peer=node.id, topic=TOPIC, valid=FIRST)

    def judged(score: float, _: bool) -> bool:
        return is_one_of(score, (FIRST_WEIGHT * n for n in counters(FIRST, time.monotonic() - begun)))

    await until(node, source, f"P2 of {FIRST} first deliveries", judged)


async def stay(member: Peer, node: Peer) -> None:
    """P1 counts whole quanta (rust: parts too) of a time that is taken at the last decay: an interval and a quantum of
    tolerance, and an interval more for a decay that is late on a busy machine. It is never more than the time that passed.
    """
    earliest = time.monotonic()
    await join_mesh(member, node)
    latest = time.monotonic()
    await until(node, member, "P1 of 3 s", lambda score, _: score >= MESH_WEIGHT * 3 / QUANTUM)
    before = time.monotonic()
    score, meshed = await view(node, member)
    after = time.monotonic()
    assert meshed and score is not None
    least = MESH_WEIGHT * ((before - latest - 2 * INTERVAL) / QUANTUM - 1)
    most = MESH_WEIGHT * (after - earliest) / QUANTUM
    assert least <= score <= most, f"{node.name} of the member: {score}, not between {least} and {most}"


STORIES = (
    ("forger", forge),
    ("regrafter", graft_again),
    ("promiser", promise),
    ("source", bring),
    ("member", stay),
)


async def honest_mesh(node: Peer, nodes: list[Peer]) -> set[str]:
    """Its mesh among the nodes, once that is large enough."""
    ids = {other.id for other in nodes}
    deadline = time.monotonic() + PATIENCE
    while True:
        mesh = set((await node.ask("scores", topic=TOPIC))["mesh"])
        if len(mesh & ids) >= MESH["d_low"]:
            assert len(mesh) <= MESH["d_high"], f"{node.name} has {len(mesh)} in its mesh"
            return mesh & ids
        if time.monotonic() > deadline:
            raise Failure(f"{node.name} has but {len(mesh & ids)} nodes in its mesh")
        await asyncio.sleep(0.1)


async def gossip(nodes: list[Peer], count: int, expected: dict[str, int]) -> None:
    """Every node publishes, and has got by then what is expected of each author, itself excepted."""
    await each(nodes, lambda node: node.ask("publish", topic=TOPIC, size=100, count=count))

    async def check(node: Peer) -> None:
        wanted = {author: number for author, number in expected.items() if author != node.id}
        told = await node.ask(
            "await_messages", PATIENCE + 5, topic=TOPIC, count=sum(wanted.values()), timeout=PATIENCE
        )
        assert told["froms"] == wanted and told["valid"] == told["count"], f"{node.name}: {told}"

    await each(nodes, check)


async def play(nodes: list[Peer], scripted: dict[str, Peer]) -> None:
    await each(nodes, lambda node: node.ask("subscribe", topic=TOPIC))
    for one, other in itertools.combinations(nodes, 2):
        await one.ask("dial", addr=other.addresses[0])
    meshes = await each(nodes, lambda node: honest_mesh(node, nodes))
    expected = {node.id: PUBLISHED for node in nodes}
    await gossip(nodes, PUBLISHED, expected)

    async def act(name: str, story: Callable[[Peer, Peer], Awaitable[None]], node: Peer) -> None:
        peer = scripted[name]
        await node.ask("dial", addr=peer.addresses[0])  # who is dialed may join a full mesh
        await peer.event(0, PATIENCE, ev="connected", peer=node.id)
        await until(node, peer, "known", lambda *_: True)
        await story(peer, node)

    await asyncio.gather(*(act(name, story, node) for name, story in STORIES for node in nodes))

    # Nothing of the forger's came through, and what happened has cost no node anything.
    expected = {node.id: PUBLISHED + 1 for node in nodes} | {scripted["source"].id: FIRST * len(nodes)}
    await gossip(nodes, 1, expected)
    for node, mesh in zip(nodes, meshes):
        told = await node.ask("scores", topic=TOPIC)
        assert mesh <= set(told["mesh"]), f"{node.name} has pruned nodes"
        assert not {scripted["forger"].id, scripted["regrafter"].id} & set(told["mesh"])
        assert len(told["mesh"]) <= MESH["d_high"]
        scores = {other.name: told["scores"][other.id] for other in nodes if other is not node}
        assert all(score >= 0 for score in scores.values()), f"{node.name}: {scores}"
        assert all(
            told["scores"][other.id] > 0 for other in nodes if other.id in mesh
        ), f"{node.name}: {scores}"


async def run(folder: Path) -> None:
    started: list[Peer] = []

    async def start(name: str, implementation: str, *arguments: str) -> Peer:
        program = PROGRAMS[implementation]
        assert program.is_file(), f"{program} is not built: ./dev interop"
        command = Program(implementation, (str(program),))
        peer = await Peer.start(command, name, folder, ["--time-limit", "240", *arguments])
        started.append(peer)
        return peer

    try:
        scoring = json.dumps(SCORING)
        nodes = await asyncio.gather(*(start(name, name[:-1], "--scoring", scoring) for name in NODES))
        scripted = await asyncio.gather(*(start(name, "go", "--scripted") for name in SCRIPTED))
        await play(list(nodes), dict(zip(SCRIPTED, scripted)))
        for peer in started:
            await peer.stop()
    finally:
        for peer in started:
            await peer.kill()


def test_go_rust_and_we_score_the_same_peers_alike(tmp_path: Path) -> None:
    asyncio.run(run(tmp_path))
