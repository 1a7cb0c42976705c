"""The race of the peers: what counts as ahead, what a document keeps, and a path that takes its time."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "interop" / "runner"))

import race_report  # noqa: E402
from bench import rotations  # noqa: E402
from delay import DelayedPath  # noqa: E402
from race_report import Figures, Race  # noqa: E402


def figures(unit: str, **samples: list[float]) -> Figures:
    return Figures(unit, dict(samples))


def test_more_is_better_for_rates_and_less_for_times() -> None:
    assert figures("MB/s", ours=[300.0], go=[100.0], js=[200.0]).lead() == 1.5
    assert figures("ms", ours=[2.0], go=[1.0], js=[4.0]).lead() == 0.5


def test_samples_count_by_their_median() -> None:
    assert figures("ms", ours=[1.0, 100.0, 2.0], go=[4.0]).lead() == 2.0


def test_without_us_or_without_others_nobody_leads() -> None:
    assert figures("ms", go=[1.0]).lead() is None
    assert figures("ms", ours=[1.0]).lead() is None


def test_rows_that_are_lost_are_named() -> None:
    race = Race(
        ["ours", "go"],
        1,
        {"slow": figures("ms", ours=[2.0], go=[1.0]), "fast": figures("ms", ours=[1.0], go=[2.0])},
    )
    assert race_report.behind(race) == ["slow: 0.50"]


def test_a_document_keeps_what_is_around_its_tables(tmp_path: Path) -> None:
    document = tmp_path / "race.md"
    document.write_text(f"before\n{race_report.BEGIN}\nold\n{race_report.END}\nafter\n")
    race_report.write_markdown(
        document, Race(["ours", "go"], 3, {"a row": figures("ms", ours=[1.0], go=[2.0])})
    )
    text = document.read_text()
    assert text.startswith(f"before\n{race_report.BEGIN}\n") and text.endswith(f"{race_report.END}\nafter\n")
    assert "| a row, ms | 1.00 | 2.00 | 2.00 (go) |" in text and "old" not in text


def test_a_document_without_marks_is_refused(tmp_path: Path) -> None:
    document = tmp_path / "race.md"
    document.write_text("nothing here\n")
    with pytest.raises(ValueError, match="race.md"):
        race_report.write_markdown(document, Race(["ours"], 1))


def test_everybody_begins_in_turn() -> None:
    assert [order[0] for order in rotations(["a", "b", "c"], 4)] == ["a", "b", "c", "a"]


def test_a_delayed_path_takes_its_time_both_ways_and_carries_the_end() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())  # all, to the end
        writer.close()

    async def scenario() -> tuple[float, bytes]:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        async with DelayedPath(f"/ip4/127.0.0.1/tcp/{port}/p2p/peer", 0.05) as path:
            assert path.address.endswith("/p2p/peer") and f"/{port}/" not in path.address
            reader, writer = await asyncio.open_connection("127.0.0.1", int(path.address.split("/")[4]))
            began = asyncio.get_running_loop().time()
            writer.write(b"over")
            writer.write_eof()
            reply = await reader.read()
            took = asyncio.get_running_loop().time() - began
        server.close()
        return took, reply

    took, reply = asyncio.run(scenario())
    assert reply == b"over"
    assert took >= 0.1
