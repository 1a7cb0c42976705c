"""The scrape page of real nodes, as Prometheus' own tools read it (Debian's package prometheus)."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import mesocosm as mc
import pytest

from conftest import ROOT, gossip_world
from processes import RunningNode


def get(url: str) -> tuple[str, str]:
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read().decode(), response.headers["Content-Type"]


def values(page: str, name: str) -> dict[str, float]:
    """A metric's values by its labels as text."""
    found = re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", page, re.MULTILINE)
    return {labels: float(value) for labels, value in found}


def check_with_promtool(page: str) -> None:
    checked = subprocess.run(
        ["promtool", "check", "metrics"], input=page, capture_output=True, text=True, check=False
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


def test_promtool_accepts_the_page_of_a_running_node(tmp_path: Path) -> None:
    server = RunningNode("--ephemeral", "--subscribe", "news", "--metrics", "127.0.0.1:0", home=tmp_path)
    try:
        started = server.event("started")
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/metrics", started["metrics"])
        with mc.real.Node() as client:
            peer = client.connect(started["addresses"][0])["peer"]
            client.identify(peer)
            assert client.wait_until(lambda: bool(client.subscribers("news")), timeout=10)
            client.publish("news", b"hello")
            client.wait_until(lambda: False, timeout=0.5)  # it lives while it waits
            server.event("message")
            page, kind = get(started["metrics"])
        assert kind == "text/plain; version=0.0.4; charset=utf-8"
        check_with_promtool(page)
        opened = values(page, "libp2p_swarm_connections_opened_total")
        assert list(opened.values()) == [1.0]
        assert 'dir="inbound",transport="tcp",security="/' in next(iter(opened))
        assert values(page, "libp2p_gossipsub_messages_delivered_total") == {'topic="news"': 1.0}
        assert values(page, "libp2p_identify_identify_total") == {'dir="inbound"': 1.0, 'dir="outbound"': 1.0}
        documented = set(
            re.findall(r"^\| `(\w+)` \|", (ROOT / "docs" / "metrics.md").read_text(), re.MULTILINE)
        )
        assert set(re.findall(r"^# TYPE (\w+)", page, re.MULTILINE)) <= documented
        with pytest.raises(urllib.error.HTTPError, match="404"):
            get(started["metrics"] + "s")
    finally:
        server.end()


def test_a_real_world_serves_the_metrics_of_all_its_nodes() -> None:
    world = gossip_world(7, backend="real", metrics="127.0.0.1:0")
    fetch = "import sys, urllib.request; print(urllib.request.urlopen(sys.argv[1], timeout=20).read().decode(), end='')"
    fetchers = []

    def scrape() -> None:
        fetchers.append(
            subprocess.Popen(
                [sys.executable, "-c", fetch, world.metrics_page], stdout=subprocess.PIPE, text=True
            )
        )

    assert world.metrics_page == ""
    world.at("1500ms", scrape)
    world.run("4s")
    page, _ = fetchers[0].communicate(timeout=20)
    check_with_promtool(page)
    assert values(page, "libp2p_gossipsub_subscriptions") == {'topic="blocks"': 7.0}
    connections = values(page, "libp2p_rcmgr_connections")
    assert connections['dir="inbound",scope="system"'] == connections['dir="outbound",scope="system"'] > 0


def test_a_page_that_cannot_be_served_is_refused() -> None:
    with pytest.raises(mc.ConfigError, match="a simulated world has no sockets"):
        mc.World(metrics="127.0.0.1:9464")
    with pytest.raises(mc.ConfigError, match="not an IP address and a port, such as 127.0.0.1:9464"):
        mc.World(backend="real", metrics="localhost")
    with pytest.raises(mc.ConfigError, match="not an IP address and a port, such as 127.0.0.1:9464"):
        mc.real.Node(metrics="9464")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(mc.ConfigError, match="metrics: cannot listen: address in use"):
            gossip_world(7, backend="real", metrics=address).run("1s")
        with pytest.raises(mc.RunError, match=f"cannot serve metrics at {address}"):
            mc.real.Node(metrics=address)
