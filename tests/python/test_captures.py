"""Captures of simulated nodes, read by tshark: real TCP, TLS that decrypts, and Yamux and multistream-select inside."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import mesocosm as mc
import pytest

TEXT = b"a message that nobody could read on the wire"


def tshark(file: Path, *arguments: str) -> list[str]:
    """What tshark prints of a file, in lines."""
    program = shutil.which("tshark")
    assert program is not None, "tshark is missing: ./dev test installs Debian's package"
    command = [program, "-n", "-r", str(file), "-d", "tcp.port==4001,tls", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def capture(folder: Path, backend: str, keys: bool = True) -> mc.Run:
    """Three nodes that dial each other over TLS; the first publishes TEXT, and two of them are captured."""
    gc.collect()  # a packet world that is over may still be there
    world = mc.World(backend=backend, seed=3, internet=mc.internet.uniform(latency="20ms", loss=0.0))
    nodes = world.add(3, mc.Node(mc.GossipSub(), security=["tls", "noise"]))
    world.capture(nodes[:2], folder, keys=keys)
    world.bootstrap(nodes, mc.overlay.random(degree=2))
    nodes.subscribe("blocks")
    world.at("5s", lambda: nodes[0].publish("blocks", TEXT * 200))
    run = world.run("7s")
    assert len(run.deliveries) == 2
    return run


def decrypted(file: Path) -> Iterator[bytes]:
    """What each direction of each TLS connection carried."""
    streams = {int(line) for line in tshark(file, "-T", "fields", "-e", "tcp.stream")}
    for stream in sorted(streams):
        lines = tshark(file, "-q", "-z", f"follow,tls,raw,{stream}")
        data = [line for line in lines if line.strip() and set(line.strip()) <= set("0123456789abcdef")]
        # The second peer's lines are indented.
        yield b"".join(bytes.fromhex(line) for line in data if not line.startswith("\t"))
        yield b"".join(bytes.fromhex(line) for line in data if line.startswith("\t"))


def yamux_payloads(stream: bytes) -> dict[int, bytes]:
    """The data of each Yamux stream; raises for what is not Yamux."""
    payloads: dict[int, bytes] = {}
    while stream:
        version, kind = stream[0], stream[1]
        number, length = int.from_bytes(stream[4:8], "big"), int.from_bytes(stream[8:12], "big")
        assert version == 0 and kind <= 3, stream[:12].hex()
        stream = stream[12:]
        if kind == 0:
            payloads[number] = payloads.get(number, b"") + stream[:length]
            stream = stream[length:]
    return payloads


@pytest.mark.parametrize("backend", ["flow", "packet"])
def test_tshark_decrypts_what_nodes_say(tmp_path: Path, backend: str) -> None:
    capture(tmp_path, backend)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == ["node-0.pcapng", "node-1.pcapng"]
    for file in files:
        streams = list(decrypted(file))
        assert len(streams) == 2 * 2  # two connections, two directions
        payloads = [payload for stream in streams for payload in yamux_payloads(stream).values()]
        assert all(payload.startswith(b"\x13/multistream/1.0.0\n") for payload in payloads)
        assert any(b"/meshsub/1.1.0\n" in payload for payload in payloads)
        assert any(b"/ipfs/id/1.0.0\n" in payload for payload in payloads)
        assert any(TEXT * 200 in payload for payload in payloads)


@pytest.mark.parametrize("backend", ["flow", "packet"])
def test_tshark_finds_no_fault_with_tcp(tmp_path: Path, backend: str) -> None:
    capture(tmp_path, backend)
    file = tmp_path / "node-0.pcapng"
    checks = ("-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE")
    # Everything was acknowledged, nothing is missing, and nothing malformed.
    faults = (
        "tcp.checksum.status != Good or ip.checksum.status != Good or _ws.malformed or "
        "tcp.analysis.lost_segment or tcp.analysis.ack_lost_segment or tcp.analysis.retransmission or "
        "tcp.analysis.out_of_order"
    )
    assert tshark(file, *checks, "-Y", faults) == []
    opening = tshark(file, "-Y", "tcp.flags.syn == 1", "-T", "fields", "-e", "tcp.flags.ack")
    assert sorted(opening) == ["0", "0", "1", "1"]
    # The round trip of the handshake: 2 x 20 ms, and the time that links and last miles take.
    rtts = tshark(file, "-Y", "tcp.analysis.initial_rtt", "-T", "fields", "-e", "tcp.analysis.initial_rtt")
    assert rtts and all(0.040 < float(rtt) < 0.045 for rtt in rtts)
    times = [float(time) for time in tshark(file, "-T", "fields", "-e", "frame.time_epoch")]
    assert times == sorted(times) and 0 <= times[0] - 1735689600 < 1.5 and times[-1] - 1735689600 <= 7


def test_names_and_directions(tmp_path: Path) -> None:
    capture(tmp_path, "flow")
    file = tmp_path / "node-0.pcapng"
    command = [
        "tshark",
        "-N",
        "n",
        "-r",
        str(file),
        "-T",
        "fields",
        "-e",
        "ip.src_host",
        "-e",
        "frame.packet_flags_direction",
    ]
    lines = subprocess.run(
        command, capture_output=True, text=True, timeout=120, check=True
    ).stdout.splitlines()
    assert {tuple(line.split("\t")) for line in lines} == {
        ("node-0", "0x00000002"),
        ("node-1", "0x00000001"),
        ("node-2", "0x00000001"),
    }


def test_without_keys_nothing_is_readable(tmp_path: Path) -> None:
    capture(tmp_path, "flow", keys=False)
    assert all(stream == b"" for stream in decrypted(tmp_path / "node-0.pcapng"))
    assert TEXT not in (tmp_path / "node-0.pcapng").read_bytes()


def test_what_cannot_be_captured_is_refused(tmp_path: Path) -> None:
    world = mc.World(stack="collapsed")
    nodes = world.add(2, mc.GossipSub())
    with pytest.raises(mc.ConfigError, match="the collapsed stack sends no packets"):
        world.capture(nodes, tmp_path)
    world = mc.World()
    nodes = world.add(2, mc.GossipSub())
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(mc.ConfigError, match="cannot make the folder"):
        world.capture(nodes, file / "folder")
    world.capture(nodes, tmp_path)
    assert os.listdir(tmp_path)
    world.run("1s")
    with pytest.raises(mc.ConfigError, match="runs already"):
        world.capture(nodes, tmp_path)
