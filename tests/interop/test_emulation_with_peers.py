"""Peers of go-libp2p and js-libp2p in a network namespace gossip with simulated nodes. Needs root.

`./dev interop` builds the peers and runs this.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mesocosm as mc
import pytest

HERE = Path(__file__).resolve().parent
BUILD = HERE.parents[1] / "build" / "interop"
TOPIC = "news"
NODES = 10


@pytest.mark.parametrize("security", ["noise", "tls"])
@pytest.mark.parametrize("implementation", ["go", "js"])
def test_a_peer_gossips_with_simulated_nodes(implementation: str, security: str) -> None:
    program = BUILD / implementation / "peer"
    assert program.is_file(), f"the peer of {implementation} is not built: ./dev interop"
    gc.collect()  # a packet world that is over may still be there
    with mc.Namespace("mesocosm-interop") as namespace:
        world = mc.World(backend="packet", internet=mc.internet.uniform(latency="20ms"))
        nodes = world.add(NODES, mc.Node(mc.GossipSub(), security=security))
        world.bootstrap(nodes, mc.overlay.random(degree=4))
        nodes.subscribe(TOPIC)
        world.attach(namespace)
        command = [str(program), "--transport", "tcp", "--security", security, "--time-limit", "60"]
        peer = namespace.start(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def ask(number: int, op: str, **arguments: object) -> None:
            assert peer.stdin is not None
            peer.stdin.write(json.dumps({"id": number, "op": op, **arguments}) + "\n")
            peer.stdin.flush()

        world.at("5s", lambda: ask(1, "subscribe", topic=TOPIC))
        world.at("5s", lambda: ask(2, "dial", addr=nodes[0].addresses[0]))
        world.at("12s", lambda: nodes[NODES - 1].publish(TOPIC, b"from the simulation"))
        world.at("13s", lambda: ask(3, "publish", topic=TOPIC, size=100, count=3))
        world.at("18s", lambda: ask(4, "await_messages", topic=TOPIC, count=1, timeout=0.5))
        world.at("20s", lambda: ask(5, "stop"))
        run = world.run("22s")
        lines = [json.loads(line) for line in peer.communicate(timeout=10)[0].splitlines()]
    answers: dict[int, dict[str, Any]] = {line["id"]: line for line in lines if "id" in line}
    assert all(answers[number]["ok"] for number in (1, 2, 3, 4, 5)), (answers, world.lateness)
    assert answers[2]["security"] == {"noise": "/noise", "tls": "/tls/1.0.0"}[security]
    assert answers[4]["count"] == 1
    foreign = run.messages[~run.messages.publisher.isin(run.nodes.index)]
    assert len(foreign) == 3
    assert len(run.deliveries[run.deliveries.message.isin(foreign.index)]) == 3 * NODES
