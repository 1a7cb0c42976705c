"""The runner of the interop matrix notices what is wrong: peers that lie, hang or die, and cells that vanish."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

INTEROP = Path(__file__).resolve().parents[1] / "interop"
sys.path.insert(0, str(INTEROP / "runner"))

import checks  # noqa: E402
import peers  # noqa: E402
from matrix import Cell, Combination, KnownFailure, Matrix  # noqa: E402
from results import Outcome, Results, plain_table, rows_of  # noqa: E402

FAKE = """
import json, sys
print("started", file=sys.stderr)
print(json.dumps({"ev": "listening", "peer": "12D3Fake", "addrs": ["/ip4/127.0.0.1/tcp/1/p2p/12D3Fake"]}), flush=True)
for line in sys.stdin:
    command = json.loads(line)
    op, answer = command["op"], {"id": command["id"], "ok": True}
    if op == "refuse":
        answer = {"id": command["id"], "ok": False, "error": "will not"}
    elif op == "hang":
        continue
    elif op == "die":
        print("dying", file=sys.stderr)
        sys.exit(7)
    elif op == "leak":
        print("==1==ERROR: LeakSanitizer: detected memory leaks", file=sys.stderr, flush=True)
    elif op == "tell":
        print(json.dumps({"ev": "told", "what": command["what"]}), flush=True)
    elif op == "babble":
        print("this is no JSON", flush=True)
    print(json.dumps(answer), flush=True)
    if op == "stop":
        sys.exit(int(command.get("code", 0)))
"""


def with_fake(folder: Path, body: Callable[[peers.Peer], Awaitable[None]], source: str = FAKE) -> None:
    async def run() -> None:
        program = peers.Program("fake", (sys.executable, "-c", source))
        peer = await peers.Peer.start(program, "fake", folder, [])
        try:
            await asyncio.wait_for(body(peer), 20)
        finally:
            await peer.kill()

    asyncio.run(run())


def test_answers_and_events(tmp_path: Path) -> None:
    async def body(peer: peers.Peer) -> None:
        assert (peer.id, peer.addresses) == ("12D3Fake", ["/ip4/127.0.0.1/tcp/1/p2p/12D3Fake"])
        before = peer.mark()
        await asyncio.gather(*(peer.ask("anything") for _ in range(100)))
        await peer.ask("tell", what="now")
        assert (await peer.event(before, ev="told"))["what"] == "now"
        later = asyncio.create_task(peer.event(peer.mark(), ev="told", what="later"))
        await peer.ask("tell", what="else")
        await peer.ask("tell", what="later")
        await later
        with pytest.raises(peers.Failure, match="did not tell of ev told"):
            await peer.event(peer.mark(), 0.2, ev="told")
        await peer.ask("babble")
        assert "not a line of the contract: this is no JSON" in peer.log.read_text()
        await peer.stop()
        assert peer.process.returncode == 0

    with_fake(tmp_path, body)
    transcript = (tmp_path / "fake.lines").read_text().splitlines()
    assert transcript[-2:] == ['> {"id": 105, "op": "stop"}', '< {"id": 105, "ok": true}']


def test_refusals_and_silence_are_failures(tmp_path: Path) -> None:
    async def body(peer: peers.Peer) -> None:
        with pytest.raises(peers.Failure, match="fake: refuse: will not"):
            await peer.ask("refuse")
        with pytest.raises(peers.Failure, match=r"no answer to hang in 0.2 s"):
            await peer.ask("hang", limit=0.2)
        await peer.ask("anything")

    with_fake(tmp_path, body)


def test_a_death_is_told_to_whoever_waits(tmp_path: Path) -> None:
    async def body(peer: peers.Peer) -> None:
        waits = asyncio.create_task(peer.event(0, ev="never"))
        with pytest.raises(peers.Failure, match=r"fake ended \(code 7\): dying"):
            await peer.ask("die")
        with pytest.raises(peers.Failure, match=r"\(code 7\): dying"):
            await waits
        assert not peer.alive
        with pytest.raises(peers.Failure, match="ping: fake has ended"):
            await peer.ask("ping")

    with_fake(tmp_path, body)


def test_a_peer_that_does_not_start_says_why(tmp_path: Path) -> None:
    async def body(peer: peers.Peer) -> None:
        raise AssertionError("it started")

    with pytest.raises(peers.Failure, match=r"\(code 1\): no such option"):
        with_fake(tmp_path, body, "import sys; sys.exit('no such option')")


def test_a_bad_end_is_a_failure(tmp_path: Path) -> None:
    async def leak(peer: peers.Peer) -> None:
        await peer.ask("leak")
        with pytest.raises(peers.Failure, match="LeakSanitizer: detected memory leaks"):
            await peer.stop()

    async def code(peer: peers.Peer) -> None:
        with pytest.raises(peers.Failure, match=r"ended with code 23 \(code 23\): started"):
            await peer.stop()

    with_fake(tmp_path / "leak", leak)
    with_fake(tmp_path / "code", code, FAKE.replace('command.get("code", 0)', "23"))


def test_a_liar_fails_the_tests_that_it_lies_in(tmp_path: Path) -> None:
    async def body(peer: peers.Peer) -> None:
        with pytest.raises(peers.Failure, match="authors"):
            peer.ask = answers({"count": 2, "valid": 2, "froms": {"x": 2}})  # type: ignore[method-assign]
            await checks.expect_messages(peer, "t", {"y": 2})
        with pytest.raises(peers.Failure, match="1 messages of 2 have wrong bytes"):
            peer.ask = answers({"count": 2, "valid": 1, "froms": {"y": 2}})  # type: ignore[method-assign]
            await checks.expect_messages(peer, "t", {"y": 2})
        with pytest.raises(peers.Failure, match="SHA-256"):
            checks.expect_hash(peer, "sent", None, 5)
        with pytest.raises(peers.Failure, match="999 streams of 1000 ended well"):
            checks.expect_streams(peer, {"streams_ok": 999}, 1000)
        checks.expect_or_hidden({"muxer": None}, "muxer", "/yamux/1.0.0")
        with pytest.raises(peers.Failure, match="muxer is /mplex/6.7.0"):
            checks.expect_or_hidden({"muxer": "/mplex/6.7.0"}, "muxer", "/yamux/1.0.0")

    with_fake(tmp_path, body)
    # SHA-256 of 00 01 02 03 04.
    assert checks.pattern_hash(5) == "08bb5e5d6eaac1049ede0893d30ed022b1a4d9b5b48db414871f51c9cb35283d"


def answers(line: peers.Line) -> Callable[..., Awaitable[peers.Line]]:
    async def ask(*_: object, **__: object) -> peers.Line:
        return line

    return ask


# ---- The matrix and its verdict ----


@pytest.fixture
def matrix() -> Matrix:
    return Matrix(
        pairs=[("go", "ours"), ("ours", "ours")],
        transports=["tcp", "ws"],
        securities=["noise"],
        tests=["connect", "ping"],
        mesh={"ours": 10},
        meshes=[("tcp", "noise")],
        mesh_tests=["gossip"],
        known=[KnownFailure({"dialer": "go", "transport": "ws", "test": "ping"}, "broken", "go has no ws")],
    )


def run_all(matrix: Matrix, path: Path, fails: Callable[[Cell], bool]) -> Results:
    results = Results(path)
    for cell in matrix.cells():
        failure = "broken" if fails(cell) else None
        results.add(Outcome(cell, 0.5, failure, matrix.known_failure(cell), Path("logs")))
    return results


WS_PING = Cell(Combination("go", "ours", "ws", "noise"), "ping")
TCP_PING = Cell(Combination("go", "ours", "tcp", "noise"), "ping")


def test_the_cells_are_those_declared(matrix: Matrix) -> None:
    cells = matrix.cells()
    assert len(cells) == len(set(cells)) == 2 * 2 * 2 + 1
    assert matrix.known_failure(WS_PING) == matrix.known[0]
    assert matrix.known_failure(TCP_PING) is None
    assert matrix.idle_failures() == []
    matrix.known.append(KnownFailure({"test": "gone"}, "any", "nothing"))
    assert matrix.idle_failures() == matrix.known[1:]


def test_known_failures_fail_and_nothing_else_does(matrix: Matrix, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    right = run_all(matrix, path, lambda cell: cell == WS_PING)
    assert right.faults(matrix.cells()) == []
    assert right.known_reasons() == {"go has no ws": 1}
    assert len(path.read_text().splitlines()) == len(matrix.cells())
    assert (
        sum(json.loads(line)["passed"] for line in path.read_text().splitlines()) == len(matrix.cells()) - 1
    )

    passes = run_all(matrix, path, lambda cell: False)
    assert [fault.partition(":")[0] for fault in passes.faults(matrix.cells())] == [str(WS_PING)]
    assert "passes, though" in passes.faults(matrix.cells())[0]

    fails = run_all(matrix, path, lambda cell: cell in (WS_PING, TCP_PING))
    assert fails.faults(matrix.cells()) == [f"{TCP_PING}: broken\n    logs: logs"]


def test_known_failures_fail_in_the_known_way(matrix: Matrix, tmp_path: Path) -> None:
    results = Results(tmp_path / "results.jsonl")
    results.add(Outcome(WS_PING, 0.5, "the peer has died", matrix.known_failure(WS_PING), Path("logs")))
    assert results.faults([WS_PING]) == [f"{WS_PING}: the peer has died\n    logs: logs"]


def test_a_cell_that_did_not_run_is_a_fault(matrix: Matrix, tmp_path: Path) -> None:
    results = run_all(matrix, tmp_path / "results.jsonl", lambda cell: cell == WS_PING)
    outcome = results.outcomes.pop(TCP_PING)
    assert results.faults(matrix.cells()) == [f"{TCP_PING}: did not run"]
    results.add(outcome)
    with pytest.raises(RuntimeError, match="two outcomes"):
        results.add(outcome)


def test_what_a_busy_machine_spoiled_runs_again_once(matrix: Matrix, tmp_path: Path) -> None:
    results = run_all(matrix, tmp_path / "results.jsonl", lambda cell: cell in (WS_PING, TCP_PING))
    assert [outcome.cell for outcome in results.doubtful()] == [TCP_PING]
    results.add(Outcome(TCP_PING, 0.5, None, None, Path("logs"), before="broken"))
    assert results.faults(matrix.cells()) == [] and results.doubtful() == []
    assert results.second_thoughts() == [f"{TCP_PING}: broken"]
    assert results.outcomes[TCP_PING].word == "again"

    died = run_all(matrix, tmp_path / "results.jsonl", lambda cell: cell == WS_PING)
    del died.outcomes[TCP_PING]
    died.add(Outcome(TCP_PING, 0.5, "it died", None, Path("logs"), broken=True))
    assert died.doubtful() == [] and len(died.faults(matrix.cells())) == 1
    many = run_all(matrix, tmp_path / "results.jsonl", lambda cell: True)
    assert many.doubtful() == []


def test_the_table(matrix: Matrix, tmp_path: Path) -> None:
    results = run_all(matrix, tmp_path / "results.jsonl", lambda cell: cell in (WS_PING, TCP_PING))
    lines = plain_table(*rows_of(results, matrix, matrix.combinations())).splitlines()
    assert lines[1].split() == ["connect", "ping", "gossip"]
    assert lines[2].split() == ["go", "->", "ours", "tcp", "noise", "ok", "FAIL"]
    assert lines[4].split() == ["go", "->", "ours", "ws", "noise", "ok", "known"]
    assert lines[6].split() == ["mixed", "mesh", "tcp", "noise", "ok"]


def test_the_declared_matrix_is_whole() -> None:
    """Who takes a row or a column away has to say so here too."""
    declared = Matrix.load(INTEROP / "expected.json")
    assert len(declared.pairs) == 7 and {name for pair in declared.pairs for name in pair} == set(
        declared.mesh
    )
    assert (declared.transports, declared.securities) == (["tcp", "ws"], ["noise", "tls"])
    assert declared.tests == list(checks.PAIR_TESTS) and declared.mesh_tests == list(checks.MESH_TESTS)
    assert sum(declared.mesh.values()) == 10
    assert len(declared.cells()) == 7 * 4 * 17 + 2 * 2
    assert declared.idle_failures() == []


def test_a_broken_declaration_is_named(tmp_path: Path) -> None:
    path = tmp_path / "expected.json"
    path.write_text('{"pairs": []}')
    with pytest.raises(ValueError, match=r"expected.json: KeyError: 'transports'"):
        Matrix.load(path)
    with pytest.raises(ValueError, match="or with .'tests'."):
        KnownFailure.of({"tests": "ping", "failure": "broken", "reason": "a typing error"})
