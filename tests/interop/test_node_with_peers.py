"""`mesocosm node` with go-libp2p, rust-libp2p and js-libp2p: each dials the other, and they speak.

`./dev interop` builds the peers and runs this.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))

from processes import Running, RunningNode, run_node  # noqa: E402

BUILD = HERE.parents[1] / "build" / "interop"
TOPIC = "news"


class Peer(Running):
    """A peer program, told what to do as ../interop/README.md says."""

    def __init__(self, implementation: str, transport: str, security: str) -> None:
        program = BUILD / implementation / "peer"
        assert program.is_file(), f"the peer of {implementation} is not built: ./dev interop"
        options = ["--transport", transport, "--security", security, "--time-limit", "120"]
        super().__init__([str(program), *options])
        self.transport = transport
        first = self.object(ev="listening")
        self.id, self.address = first["peer"], first["addrs"][0]
        self._next = 0

    def ask(self, op: str, **arguments: object) -> dict[str, Any]:
        self._next += 1
        self.type(json.dumps({"id": self._next, "op": op, **arguments}))
        answer = self.object(id=self._next)
        assert answer["ok"], answer
        return answer

    def stop(self) -> None:
        self.ask("stop")
        assert self.wait()[0] == 0


@pytest.fixture(params=["go", "rust", "js"])
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["tcp noise", "ws tls"])
def peer(implementation: str, request: pytest.FixtureRequest) -> Iterator[Peer]:
    running = Peer(implementation, *request.param.split())
    yield running
    running.process.kill()
    running.wait()


def test_our_commands_reach_a_peer(peer: Peer, implementation: str, tmp_path: Path) -> None:
    told = run_node("identify", peer.address, "--json", home=tmp_path)
    assert told.returncode == 0, told.stderr
    identity = json.loads(told.stdout)
    assert identity["peer"] == peer.id
    assert "/ipfs/ping/1.0.0" in identity["protocols"]
    assert any(name.startswith("/meshsub/") for name in identity["protocols"])

    pinged = run_node("ping", peer.address, "--count", 2, "--interval", 0, home=tmp_path)
    assert pinged.returncode == 0, pinged.stderr
    assert pinged.stdout.splitlines()[-1].startswith("2 of 2 answered; ")

    peer.ask("subscribe", topic=TOPIC)
    published = run_node("publish", peer.address, TOPIC, "hello", home=tmp_path)
    assert published.returncode == 0, published.stderr
    assert peer.ask("await_messages", topic=TOPIC, count=1, timeout=10)["count"] == 1
    peer.stop()


def test_a_peer_reaches_our_node(peer: Peer, tmp_path: Path) -> None:
    listen = "/ip4/127.0.0.1/tcp/0" + ("/ws" if peer.transport == "ws" else "")
    node = RunningNode("--ephemeral", "--listen", listen, "--subscribe", TOPIC, home=tmp_path)
    started = node.event("started")
    peer.ask("dial", addr=started["addresses"][0])
    node.event("connected", peer=peer.id, direction="inbound")
    node.event("identified", peer=peer.id)
    assert len(peer.ask("ping", peer=started["peer"], count=3)["rtts"]) == 3
    assert peer.ask("identify", peer=started["peer"])["agent"].startswith("mesocosm/")

    peer.ask("subscribe", topic=TOPIC)
    peer.ask("await_subscribers", topic=TOPIC, count=1, timeout=10)
    peer.ask("publish", topic=TOPIC, size=100, count=3)
    for index in range(3):
        message = node.event("message", topic=TOPIC, author=peer.id)
        assert message["data"][:8] == index.to_bytes(8, "big").decode()
    node.type("and back")
    assert peer.ask("await_messages", topic=TOPIC, count=1, timeout=10)["froms"] == {started["peer"]: 1}
    assert node.end() == (0, "")
    assert peer.object(ev="disconnected", peer=started["peer"])
    peer.stop()
