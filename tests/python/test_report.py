"""The HTML report: self-contained, and without errors in a browser."""

import re
import shutil
import subprocess

import pytest
import synthetic
from mesocosm.analysis import load, plots, write_report
from mesocosm.analysis.report import map_data, render
from mesocosm.errors import ConfigError

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return load(synthetic.gossip(tmp_path_factory.mktemp("report") / "run.h5", nodes=80, messages=3))


def test_every_figure_is_drawn(run):
    page = render(run)
    for plot in plots.PLOTS:
        figure = plots.draw(plot, run)
        assert figure is not None, plot.name
        assert f"<h2>{plot.title}</h2>" in page
    assert page.count("<svg") == len(plots.PLOTS)
    for text in (
        "Blocks over gossipsub",
        "How long until every node has a block",
        "0123456789abcdef",
        "80 nodes",
        "128KiB",
        "100 %",
        "Europe from the rest, 5 s",
    ):
        assert text in page


def test_the_page_asks_for_nothing_from_outside(run):
    page = render(run)
    assert "default-src 'none'" in page
    links = re.findall(
        r"""(?:src|href|url)\s*[=(]\s*["']?([^"')\s>]+)""",
        re.sub(r"<script.*?</script>", "", page, flags=re.S),
    )
    assert all(link.startswith(("#", "data:")) for link in links), links
    assert not re.search(r"fetch\(|XMLHttpRequest|import\(", page)
    ids = re.findall(r'<[^>]* id="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_same_run_gives_the_same_page(run):
    assert render(run) == render(load(run.path))


def test_text_is_escaped(tmp_path):
    path = synthetic.gossip(
        tmp_path / "run.h5", nodes=5, messages=1, provenance='{"scenario": "</title><script>alert(1)"}'
    )
    assert "<script>alert" not in render(load(path))


def test_map_data(run):
    data = map_data(run)
    assert data["total"] == 80 and data["placed"] and len(data["messages"]) == 3
    assert all(message["reached"] == message["expected"] == 79 for message in data["messages"])
    assert len(data["land"]) > 20


def test_large_runs_are_sampled(run, monkeypatch):
    monkeypatch.setattr("mesocosm.analysis.report.NODES_DRAWN", 20)
    data = map_data(run)
    assert 20 <= len(data["node"]) <= 23 and data["total"] == 80
    assert all(message["publisher"] >= 0 for message in data["messages"])
    assert data["messages"][0]["reached"] == 79


@pytest.mark.parametrize("kind", ["places", "nowhere", "one node", "empty"])
def test_the_page_opens_in_a_browser(tmp_path, kind):
    path = tmp_path / "run.h5"
    if kind == "empty":
        synthetic.write(path, {}, ended="interrupted")
    else:
        synthetic.gossip(path, nodes=1 if kind == "one node" else 50, messages=2, places=kind != "nowhere")
    page = write_report(load(path), tmp_path / "report.html")
    if CHROMIUM is None:
        pytest.skip("no chromium")
    done = subprocess.run(
        [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
         "--enable-logging=stderr", "--virtual-time-budget=3000", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    errors = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert not errors and done.returncode == 0
    assert "</html>" in done.stdout
    if kind in ("places", "nowhere"):
        assert re.search(r'id="count">49 of 49</b>', done.stdout)
        assert re.search(r'id="share">100 % reached after \d', done.stdout)
        assert done.stdout.count("<option") == 2


def test_a_place_that_cannot_be_written(run, tmp_path):
    with pytest.raises(ConfigError, match="cannot write .*missing/report.html: No such file"):
        write_report(run, tmp_path / "missing" / "report.html")
