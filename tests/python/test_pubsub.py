"""What a node's pubsub speaks: versions of GossipSub, floodsub and randomsub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mesocosm as mc
import pytest

from conftest import gossip_world

KINDS: list[tuple[Any, str]] = [
    (mc.GossipSub(version="1.0"), "/meshsub/1.0.0"),
    (mc.GossipSub(), "/meshsub/1.1.0"),
    (mc.GossipSub(version="1.2"), "/meshsub/1.2.0"),
    (mc.GossipSub(version="1.3"), "/meshsub/1.3.0"),
    (mc.FloodSub(), "/floodsub/1.0.0"),
    (mc.RandomSub(D=10, network_size=30), "/randomsub/1.0.0"),
]


@pytest.mark.parametrize("kind, protocol", KINDS)
@pytest.mark.parametrize("stack", ["full", "collapsed"])
def test_every_kind_delivers_and_speaks_its_protocol(
    record: Path, kind: Any, protocol: str, stack: str
) -> None:
    run = gossip_world(30, mc.Node(kind), stack=stack).run("15s", out=record)
    assert len(run.messages) == 10
    assert len(run.deliveries) == 10 * 29
    spoken = {name for name in run.bytes.protocol.unique() if "sub/" in name}
    assert spoken == {protocol}


def test_an_idontwant_that_is_forgotten_sooner_saves_less(tmp_path: Path) -> None:
    def duplicates(**memory: int) -> int:
        # Messages that take long for their links: many heartbeats pass between an IDONTWANT and the copy that it spares.
        node = mc.GossipSub(version="1.2", heartbeat="100ms", heartbeat_delay="3s", **memory)
        internet = mc.internet.uniform("20ms", bandwidth="10Mbit")
        world = mc.World(stack="collapsed", internet=internet)
        nodes = world.add(30, node)
        world.bootstrap(nodes, mc.overlay.random(degree=10))
        nodes.subscribe("blocks")
        world.at("5s", lambda: nodes[0].publish("blocks", size="128KiB"))
        run = world.run("15s", out=tmp_path / f"{len(memory)}.h5")
        assert len(run.deliveries) == 29
        return int(run.metrics("libp2p_gossipsub_messages_duplicate_total")["value"].iloc[-1])

    assert duplicates(idontwant_ttl=1) > duplicates()


def test_nodes_of_two_versions_speak_the_earlier(record: Path) -> None:
    world = mc.World(stack="collapsed")
    nodes = world.add(10, mc.GossipSub(version="1.0")) + world.add(10, mc.FloodSub())
    world.bootstrap(nodes, mc.overlay.random(degree=12))
    nodes.subscribe("blocks")
    world.at("5s", lambda: nodes[0].publish("blocks", size="1KiB"))
    run = world.run("8s", out=record)
    assert len(run.deliveries) == 19
    assert {name for name in run.bytes.protocol.unique() if "sub/" in name} == {
        "/meshsub/1.0.0",
        "/floodsub/1.0.0",
    }


def test_version_1_0_has_the_mesh_of_its_specification() -> None:
    assert mc.GossipSub(version="1.0").to_config()["D_lo"] == 4
    assert mc.GossipSub(version="1.0", D_lo=5).to_config()["D_lo"] == 5
    assert mc.GossipSub().to_config()["D_lo"] == 5
    assert mc.GossipSub(version="1.0", D=1).to_config()["D_lo"] == 1


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: mc.GossipSub(version="1.9"), "GossipSub: version must be one of 1.0, 1.1, 1.2, 1.3, not"),
        (lambda: mc.GossipSub(version=1.1), "not 1.1"),  # type: ignore[arg-type]
        (lambda: mc.RandomSub(D=0), "RandomSub: D must be a whole number of at least 1, not 0"),
        (lambda: mc.RandomSub(network_size=-1), "RandomSub: network_size must be a number of nodes, not -1"),
        (lambda: mc.FloodSub(signing="maybe"), "signing must be one of strict-sign, strict-no-sign"),
    ],
)
def test_nonsense_is_refused(make: Any, message: str) -> None:
    with pytest.raises(mc.ConfigError, match=message):
        mc.World().add(1, make())


def test_a_node_takes_no_other_pubsub() -> None:
    with pytest.raises(mc.ConfigError, match="expected a protocol such as GossipSub or Plumtree, not str"):
        mc.Node("gossip")  # type: ignore[arg-type]
