"""Networks whose hosts share links: the builders, and worlds on them."""

from __future__ import annotations

from collections.abc import Callable

import mesocosm as mc
import pytest
from mesocosm import topology

from conftest import gossip_world


def refused(make: Callable[[], object], *parts: str) -> None:
    with pytest.raises(mc.ConfigError) as error:
        make()
    for part in parts:
        assert part in str(error.value)


def test_dumbbell():
    config = topology.dumbbell(
        left=2, right=1, rate="5Mbit/s", delay="30ms", discipline="fq_codel", spokes=["1ms", "40ms"]
    ).to_config()
    assert config["routers"] == 2
    assert config["links"] == [
        {
            "a": 0,
            "b": 1,
            "bps": 5_000_000,
            "delay_ns": 30_000_000,
            "queue_ns": 100_000_000,
            "discipline": "fq_codel",
        }
    ]
    assert config["hosts"] == [[0, 1_000_000], [0, 40_000_000], [1, 1_000_000]]
    refused(lambda: topology.dumbbell(left=0), "dumbbell: left must be a whole number from 1")
    refused(lambda: topology.dumbbell(right=1.5), "dumbbell: right")  # type: ignore[arg-type]
    refused(lambda: topology.dumbbell(rate="much"), "dumbbell: rate: expected a rate")
    refused(lambda: topology.dumbbell(rate=0), "dumbbell: rate must be from 1 bit/s")
    refused(lambda: topology.dumbbell(delay="3s"), "dumbbell: delay", "over 2 s")
    refused(lambda: topology.dumbbell(queue=0), "dumbbell: queue must be longer than zero")
    refused(lambda: topology.dumbbell(discipline="red"), "dumbbell: discipline must be one of")
    refused(lambda: topology.dumbbell(spokes=[]), "dumbbell: spokes: none")


def test_as_graph():
    config = topology.as_graph(
        [(7018, 3320), (3320, "edge", {"rate": "10Mbit", "discipline": "codel"})],
        hosts={"edge": 2, 7018: 1},
        spokes=["1ms", "2ms"],
    ).to_config()
    assert config["routers"] == 3
    assert [(link["a"], link["b"], link["bps"], link["discipline"]) for link in config["links"]] == [
        (0, 1, 10**9, "drop_tail"),
        (1, 2, 10**7, "codel"),
    ]
    assert config["hosts"] == [[2, 1_000_000], [2, 2_000_000], [0, 1_000_000]]
    assert topology.as_graph([("a", "b")]).to_config()["hosts"] == [[0, 1_000_000], [1, 1_000_000]]
    refused(lambda: topology.as_graph([]), "2 to 1024 systems are possible, not 0")
    refused(lambda: topology.as_graph([("a", "a")]), "link 0: from 'a' to itself")
    refused(lambda: topology.as_graph(["ab"]), "link 0: expected (a, b)")
    refused(lambda: topology.as_graph([("a", "b", {"speed": 1})]), "link 0: links have rate", "not 'speed'")
    refused(lambda: topology.as_graph([("a", "b", {"rate": "x"})]), "link 0: rate: expected a rate")
    refused(lambda: topology.as_graph([("a", "b")], hosts={"c": 1}), "hosts: no link names 'c'")
    refused(lambda: topology.as_graph([("a", "b")], hosts={"a": -1}), "hosts: 'a' must have a whole number")
    refused(lambda: topology.as_graph([("a", "b")], hosts={"a": 0}), "1 to 65534 hosts are possible, not 0")


def test_wifi_adhoc():
    config = topology.wifi_adhoc(area=(300, 200), range=80, positions=[(0, 0), (60, 10.5)]).to_config()
    assert (config["width_m"], config["height_m"], config["range_m"]) == (300, 200, 80)
    assert config["positions"] == ((0, 0), (60, 10.5))
    assert config["fastest_mps"] == 0  # static: whatever speed says
    moving = topology.wifi_adhoc(
        mobility="random-waypoint", speed=(1, 3), pause="2s", rate="6Mbit"
    ).to_config()
    assert (moving["slowest_mps"], moving["fastest_mps"], moving["pause_ns"]) == (1, 3, 2_000_000_000)
    assert moving["rate_mbps"] == 6
    refused(lambda: topology.wifi_adhoc(area=(0, 1)), "area: 0 m is outside")
    refused(lambda: topology.wifi_adhoc(area=5), "area: expected two numbers")  # type: ignore[arg-type]
    refused(lambda: topology.wifi_adhoc(range="far"), "range: expected a number")  # type: ignore[arg-type]
    refused(lambda: topology.wifi_adhoc(mobility="bus"), "mobility must be one of static, random-waypoint")
    refused(lambda: topology.wifi_adhoc(mobility="random-waypoint", speed=0), "speed must be above zero")
    refused(lambda: topology.wifi_adhoc(rate="25Mbit"), "rate must be one of 6, 9")
    refused(
        lambda: topology.wifi_adhoc(positions=[(1, 1), (501, 0)]), "position 1: (501, 0) is outside the area"
    )
    refused(lambda: topology.wifi_adhoc(pause="soon"), "pause: expected a duration")


def test_flow_refuses_what_only_packets_can_do():
    refused(lambda: mc.World(internet=topology.dumbbell()), "routers exist on the packet backend only")
    model = mc.internet.uniform(discipline="fq_codel")
    refused(lambda: mc.World(internet=model), "queue disciplines", "packet backend only")


def test_systems_that_are_not_joined_are_refused():
    model = topology.as_graph([("a", "b"), ("c", "d")])
    refused(lambda: mc.World(backend="packet", internet=model), "routers: no path between 2 and 0")


@pytest.mark.parametrize(
    "model",
    [
        topology.dumbbell(left=5, right=5, discipline="fq_codel"),
        topology.as_graph([("hub", i) for i in range(4)], hosts={i: 3 for i in range(4)}),
        mc.internet.uniform("20ms", bandwidth="20Mbit", discipline="fq_codel"),
    ],
)
def test_gossip_over_shared_links(model: mc.internet.Internet):
    fingerprints = []
    for _ in range(2):
        run = gossip_world(12, backend="packet", internet=model).run("9s")
        assert len(run.deliveries) == 4 * 11
        fingerprints.append(run.fingerprint)
    assert fingerprints[0] == fingerprints[1]


def test_gossip_over_radios_of_which_most_are_out_of_range():
    line = topology.wifi_adhoc(range=120, positions=[(100 * i, 0) for i in range(5)])
    world = mc.World(backend="packet", internet=line)
    nodes = world.add(5, mc.GossipSub())
    nodes.subscribe("blocks")
    world.at("12s", lambda: world.bootstrap(nodes, mc.overlay.random(degree=2)))
    world.at("20s", lambda: nodes[0].publish("blocks", size="1KiB"))
    run = world.run("25s")
    assert sorted(run.deliveries.node) == [1, 2, 3, 4]


def test_worlds_over_ipv6():
    for backend in ("packet", "flow"):
        run = gossip_world(6, backend=backend, ipv6=True).run("7s")
        assert len(run.deliveries) == 2 * 5
    refused(lambda: mc.World(backend="real", ipv6=True), "not on IPv6")
    mesh = mc.World(backend="packet", internet=topology.wifi_adhoc(), ipv6=True)
    mesh.add(1, mc.GossipSub())
    refused(lambda: mesh.run("1s"), "Wi-Fi has no IPv6")
