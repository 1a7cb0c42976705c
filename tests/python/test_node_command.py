"""`mesocosm node`: commands in processes of their own, talking to each other over loopback."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import mesocosm as mc
import pytest
from mesocosm import cli, keys

from processes import RunningNode, run_node

STRANGER = "12D3KooWE3quQCP6Xu7eXpcmmpwVS1KofWnPCBWYNHCswgaqwCso"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def server(home: Path) -> Iterator[tuple[RunningNode, str, str]]:
    """A node that runs, where it listens, and who it is."""
    running = RunningNode("--subscribe", "news", home=home)
    started = running.event("started")
    yield running, started["addresses"][0], started["peer"]
    code, said = running.end()
    assert code == 0, said
    assert said == ""


def test_lines_of_standard_input_reach_the_other_node(
    server: tuple[RunningNode, str, str], home: Path
) -> None:
    running, address, peer = server
    other = RunningNode("--ephemeral", "--dial", address, "--subscribe", "news", home=home)
    author = other.event("started")["peer"]
    connected = other.event("connected", peer=peer, direction="outbound")
    assert connected["address"] == address.split("/p2p/")[0]
    assert (connected["security"], connected["muxer"]) == ("/noise", "/yamux/1.0.0")
    other.event("identified", peer=peer)
    running.event("connected", peer=author, direction="inbound")
    running.event("identified", peer=author, agent=f"mesocosm/{mc.__version__}")
    other.find_subscriber()
    other.type("first words")
    running.event("message", topic="news", author=author, data="first words")
    running.find_subscriber()
    running.type("and back")
    other.event("message", author=peer, data="and back")
    assert other.end() == (0, "")
    running.event("disconnected", peer=author)


def test_ping(server: tuple[RunningNode, str, str], home: Path) -> None:
    _, address, peer = server
    done = run_node("ping", address, "--count", 3, "--interval", 0.01, home=home)
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == f"ping {peer} at {address.split('/p2p/')[0]} (noise, yamux)"
    assert [re.fullmatch(r" +(\d)  \d+\.\d{3} ms", line)[1] for line in lines[1:4]] == ["1", "2", "3"]  # type: ignore[index]
    assert re.fullmatch(r"3 of 3 answered; min [\d.]+, median [\d.]+, max [\d.]+ ms", lines[4])
    done = run_node("ping", address, "-c", 1, "--json", home=home)
    event = json.loads(done.stdout)
    assert (event["event"], event["peer"], event["number"]) == ("pong", peer, 1)
    assert 0 < event["seconds"] < 10


def test_ping_ends_with_ctrl_c_and_its_figures(server: tuple[RunningNode, str, str], home: Path) -> None:
    _, address, _ = server
    pinging = RunningNode("ping", address, "--count", "0", "--interval", "0.05", home=home, as_json=False)
    pinging.line("   2  ")
    assert pinging.end() == (0, "")
    assert " answered; min " in pinging.line("answered")


def test_identify(server: tuple[RunningNode, str, str], home: Path) -> None:
    _, address, peer = server
    done = run_node("identify", address, home=home)
    assert done.returncode == 0 and done.stderr == ""
    rows = [tuple(line.split(None, 1)) for line in done.stdout.splitlines()]
    assert ("peer", peer) in rows
    assert ("agent", f"mesocosm/{mc.__version__}") in rows
    assert ("listens", address.split("/p2p/")[0]) in rows
    assert ("record", "signed") in rows
    assert ("speaks", "/ipfs/ping/1.0.0") in rows
    event = json.loads(run_node("identify", address, "--json", home=home).stdout)
    assert event["peer"] == peer and event["connection"]["security"] == "/noise"
    assert "/meshsub/1.1.0" in event["protocols"]


def test_publish(server: tuple[RunningNode, str, str], home: Path) -> None:
    running, address, _ = server
    done = run_node("publish", address, "news", "over the wire", home=home)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("published     news  13 bytes to 1 subscriber\n")
    assert running.event("message", topic="news")["data"] == "over the wire"
    done = run_node("publish", address, "news", "-", "--json", home=home, given=b"\x00\xff")
    assert json.loads(done.stdout)["size"] == 2
    assert running.event("message", topic="news")["data_base64"] == "AP8="


def test_what_peers_say_cannot_move_the_cursor(home: Path) -> None:
    shown = RunningNode("--ephemeral", "--subscribe", "news", home=home, as_json=False)
    address = shown.line("listens").split()[1]
    assert run_node("publish", address, "news", "-", home=home, given=b"\x1b[2Jboo\r\n[bold]").returncode == 0
    assert shown.line(" news ").endswith("  \\x1b[2Jboo\\r\\n[bold]\n")
    assert shown.end() == (0, "")


def test_a_line_that_cannot_be_published_is_told(server: tuple[RunningNode, str, str]) -> None:
    running, _, _ = server
    running.type("x" * (1 << 20))
    assert "do not fit" in running.event("not_published", topic="news")["error"]
    running.type("go on")
    running.event("published", size=5)


def test_many_lines_all_arrive(server: tuple[RunningNode, str, str], home: Path) -> None:
    running, address, _ = server
    other = RunningNode("--ephemeral", "--dial", address, "--subscribe", "news", home=home)
    author = other.event("started")["peer"]
    other.find_subscriber()
    other.type("\n".join(f"line {index}" for index in range(5000)))
    running.event("message", author=author, data="line 0")
    for index in range(1, 5000):
        assert running.event("message", author=author)["data"] == f"line {index}"
    assert other.end() == (0, "")


def test_sigterm_ends_politely(server: tuple[RunningNode, str, str], home: Path) -> None:
    running, address, _ = server
    other = RunningNode("--ephemeral", "--dial", address, home=home)
    me = other.event("started")["peer"]
    running.event("connected", peer=me)
    assert other.end(signal.SIGTERM) == (0, "")
    running.event("disconnected", peer=me)


def test_a_node_that_does_not_listen_ends_with_its_last_peer(home: Path) -> None:
    first = RunningNode("--ephemeral", home=home)
    second = RunningNode("--ephemeral", "--dial", first.event("started")["addresses"][0], home=home)
    second.event("connected")
    assert first.end() == (0, "")
    said = "error: no peer is connected any more, and this node does not listen\n"
    assert second.wait() == (2, said)


def test_logs(home: Path) -> None:
    logged = RunningNode("--ephemeral", "--log", "debug", home=home)
    address = logged.event("started")["addresses"][0]
    assert run_node("ping", address, "-c", 1, home=home).returncode == 0
    code, said = logged.end()
    assert code == 0
    lines = [json.loads(line) for line in said.splitlines()]
    assert lines and {"time", "level", "component", "msg"} <= lines[0].keys()


def test_tls(home: Path) -> None:
    server = RunningNode("--ephemeral", "--security", "tls", home=home)
    address = server.event("started")["addresses"][0]
    told = json.loads(run_node("identify", address, "--json", home=home).stdout)  # it offers Noise first
    assert told["connection"]["security"] == "/tls/1.0.0"
    done = run_node("ping", address, "--security", "noise", home=home)
    assert done.returncode == 2 and "negotiation failed" in done.stderr
    assert server.end() == (0, "")


def test_websocket(home: Path) -> None:
    server = RunningNode("--ephemeral", "--listen", "/ip4/127.0.0.1/tcp/0/ws", home=home)
    address = server.event("started")["addresses"][0]
    assert re.fullmatch(r"/ip4/127.0.0.1/tcp/\d+/ws/p2p/12D3Koo\w+", address)
    told = json.loads(run_node("identify", address, "--json", home=home).stdout)
    assert told["connection"]["address"] == address.split("/p2p/")[0]
    assert told["addresses"] == [address.split("/p2p/")[0]]
    assert server.end() == (0, "")


class TestMistakes:
    """One line that says what is wrong, and 2."""

    def refused(self, words: str, *arguments: object, home: Path) -> None:
        done = run_node(*arguments, home=home)
        assert done.returncode == 2
        assert re.fullmatch(f"error: {words}\n", done.stderr), done.stderr

    def test_nobody_listens_there(self, home: Path) -> None:
        address = f"/ip4/127.0.0.1/tcp/1/p2p/{STRANGER}"
        self.refused(f"cannot connect to {address}: refused: .*", "ping", address, home=home)
        self.refused(f"cannot connect to {address}: refused: .*", "--dial", address, "--ephemeral", home=home)

    def test_no_such_name(self, home: Path) -> None:
        address = f"/dns4/nowhere.invalid/tcp/1/p2p/{STRANGER}"
        self.refused(f"cannot connect to {address}: .*nowhere.invalid.*", "ping", address, home=home)

    def test_another_peer_than_named(self, server: tuple[RunningNode, str, str], home: Path) -> None:
        _, address, peer = server
        wrong = address.split("/p2p/")[0] + f"/p2p/{STRANGER}"
        self.refused(f"cannot connect to {wrong}: peer mismatch: .*{peer}", "identify", wrong, home=home)

    def test_ourselves(self, server: tuple[RunningNode, str, str], home: Path) -> None:
        _, address, _ = server
        same = home / "mesocosm" / "node.key"
        words = f"cannot connect to {address}: .*this is ourselves"
        self.refused(words, "ping", address, "--key", same, home=home)

    def test_a_topic_that_the_peer_does_not_take(
        self, server: tuple[RunningNode, str, str], home: Path
    ) -> None:
        _, address, peer = server
        self.refused(f"{peer} does not subscribe to olds, .*", "publish", address, "olds", "x", home=home)

    def test_a_port_in_use(self, home: Path) -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"
            words = f"cannot listen on {address}: .*Address already in use"
            self.refused(words, "--ephemeral", "--listen", address, home=home)

    @pytest.mark.parametrize(
        ("arguments", "words"),
        [
            (["ping", "/ip4/127.0.0.1/tcp/4001"], "no peer id in /ip4/127.0.0.1/tcp/4001: .*"),
            (["ping", "localhost"], "not an address: localhost: .*"),
            (
                ["ping", f"/ip4/127.0.0.1/udp/1/quic-v1/p2p/{STRANGER}"],
                "cannot connect to .*: unsupported: .*",
            ),
            (
                ["--listen", "/ip4/127.0.0.1/udp/4001", "--ephemeral"],
                "cannot listen on /ip4/127.0.0.1/udp/4001: .*",
            ),
            (["--key", "x", "--ephemeral"], "--key and --ephemeral exclude each other"),
            (["--json", "ping", "x"], "put --json behind the command: mesocosm node ping ..."),
            (["--ephemeral", "--log", "gossipsub=loud"], "no log level 'loud': .*"),
            (["--ephemeral", "--security", "rot13"], "security must be noise or tls, not 'rot13'"),
            (["ping"], "Missing argument 'ADDR'."),
            (["fly"], "No such command 'fly'."),
        ],
    )
    def test_what_cannot_be(
        self, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        assert cli.main(["node", *arguments]) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert re.fullmatch(f"error: {words}\n", captured.err), captured.err


class TestKeys:
    @pytest.fixture(autouse=True)
    def own_home(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))

    def test_the_key_is_made_once_and_for_its_owner_alone(
        self, capsys: pytest.CaptureFixture[str], tmp_path: Path
    ) -> None:
        path = tmp_path / "data" / "mesocosm" / "node.key"
        before = os.umask(0)
        try:
            assert cli.main(["node", "key"]) == 0
        finally:
            os.umask(before)
        first = capsys.readouterr().out
        assert first.endswith(f"key      {path} (new)\n")
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert list(path.parent.iterdir()) == [path]
        assert cli.main(["node", "key", "--json"]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["peer"] in first and told["file"] == str(path) and not told["new"]
        assert told["peer"] == keys.peer_id(path.read_bytes())

    def test_the_file_is_a_private_key_protobuf(self, tmp_path: Path) -> None:
        path = tmp_path / "key"
        # As js-libp2p writes the key of seed 7 (32 bytes, big-endian).
        public = bytes.fromhex("3ee2a8a7283cb2fd728943daa127ef09e483071a8b4bc699ba4522f09b14cfde")
        path.write_bytes(b"\x08\x01\x12\x40" + bytes(31) + b"\x07" + public)
        path.chmod(0o600)
        assert keys.peer_id(keys.load(path)) == STRANGER

    def test_without_xdg_it_is_in_the_home_folder(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "/home/somebody")
        for elsewhere in ("", "not/absolute"):
            monkeypatch.setenv("XDG_DATA_HOME", elsewhere)
            assert keys.default_path() == Path("/home/somebody/.local/share/mesocosm/node.key")

    def test_many_at_once_agree(self, tmp_path: Path) -> None:
        path = tmp_path / "shared" / "key"
        found: list[bytes] = []
        threads = [
            threading.Thread(target=lambda: found.append(keys.load_or_make(path)[0])) for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 16 and set(found) == {path.read_bytes()}
        assert list(path.parent.iterdir()) == [path]

    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o622, 0o610])
    def test_a_key_that_others_may_use_is_refused(self, tmp_path: Path, mode: int) -> None:
        path = tmp_path / "key"
        keys.load_or_make(path)
        path.chmod(mode)
        with pytest.raises(
            mc.ConfigError, match=f"others may read the key .* \\(mode {mode:04o}\\): chmod 600 {path}"
        ):
            keys.load_or_make(path)

    @pytest.mark.parametrize(
        ("content", "words"),
        [(b"", "not a key message"), (b"x" * 68, "not a key"), (b"\x08\x01", ""), (bytes(5000), "too long")],
    )
    def test_what_is_no_key_is_refused(self, tmp_path: Path, content: bytes, words: str) -> None:
        path = tmp_path / "key"
        path.write_bytes(content)
        path.chmod(0o600)
        with pytest.raises(mc.ConfigError, match=f"no libp2p private key in {path}: .*{words}"):
            keys.load_or_make(path)
        assert path.read_bytes() == content

    def test_what_is_no_file_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(mc.ConfigError, match="is not a file"):
            keys.load_or_make(tmp_path)
        os.mkfifo(tmp_path / "pipe", 0o600)
        with pytest.raises(mc.ConfigError, match="is not a file"):
            keys.load_or_make(tmp_path / "pipe")
        (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
        with pytest.raises(mc.ConfigError, match="cannot read the key .*No such file"):
            keys.load_or_make(tmp_path / "dangling")

    def test_a_place_that_cannot_be_written_is_named(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(mc.ConfigError, match=f"cannot write the key {tmp_path}/file/key: "):
            keys.load_or_make(tmp_path / "file" / "key")


def test_a_node_from_a_script(server: tuple[RunningNode, str, str]) -> None:
    running, address, peer = server
    with mc.real.Node() as node:
        assert node.addresses == []
        assert node.connect(address)["peer"] == peer
        assert node.connect(address)["peer"] == peer
        assert node.connected == [peer]
        assert "/meshsub/1.1.0" in node.identify(peer)["protocols"]
        assert 0 < node.ping(peer) < 10
        assert node.wait_until(lambda: node.subscribers("news") == [peer], 5)
        assert node.publish("news", b"from a script") == 1
    assert running.event("message")["data"] == "from a script"
    running.event("disconnected", peer=node.peer_id)
