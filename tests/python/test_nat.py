"""Worlds whose nodes are behind NATs and firewalls."""

from __future__ import annotations

import gc
import re
from collections.abc import Iterator
from pathlib import Path

import mesocosm as mc
import numpy as np
import pytest

TIERS = [("flow", "full"), ("flow", "collapsed"), ("packet", "full")]


@pytest.fixture(autouse=True)
def _one_packet_world_at_a_time() -> Iterator[None]:
    yield
    gc.collect()  # a world and its scripted actions hold each other


def dial(world: mc.World, pairs: list[tuple[mc.Nodes, mc.Nodes]]) -> None:
    """Each of the first dials each of the second."""
    edges = [(a, b) for dialers, dialed in pairs for a in dialers.indices for b in dialed.indices if a != b]
    everybody = mc.Nodes(world, np.arange(1, dtype=np.uint32))
    world.bootstrap(everybody, lambda indices, draw: np.array(edges, dtype=np.uint32))


@pytest.mark.parametrize("backend, stack", TIERS)
def test_nodes_behind_nats_gossip_through_public_ones(backend: str, stack: str, record: Path) -> None:
    world = mc.World(backend=backend, stack=stack, seed=1)
    public = world.add(4, mc.GossipSub())
    homes = world.add(10, mc.GossipSub(), behind=mc.Nat(hosts=3))
    offices = world.add(4, mc.GossipSub(), behind=mc.Firewall(hosts=2))
    everybody = public + homes + offices
    dial(world, [(homes + offices, public), (public[:1], public[1:])])
    everybody.subscribe("news")
    world.at("8s", lambda: homes[4].publish("news", size=2000))
    run = world.run("12s", out=record)
    assert len(run.deliveries) == 17
    assert "mesocosm_middlebox_stopped_total" not in set(run.metrics().name)
    places = run.nodes[["city", "latitude", "up", "down", "last_mile"]]
    for together in (homes[0:3], homes[3:6], homes[6:9], homes[9:10], offices[0:2]):
        assert len(places.loc[together.indices].drop_duplicates()) == 1


@pytest.mark.parametrize("backend, stack", TIERS)
def test_who_is_behind_a_nat_is_dialed_only_from_beside_it(backend: str, stack: str, record: Path) -> None:
    world = mc.World(backend=backend, stack=stack, internet=mc.internet.uniform("20ms"))
    public = world.add(1, mc.Node())
    homes = world.add(4, mc.Node(), behind=mc.Nat(hosts=2))
    walled = world.add(1, mc.Node(), behind=mc.Firewall())
    dial(world, [(public, homes + walled), (homes[0], homes[1:])])
    changes = world.run("70s", out=record).connections
    opened = changes[(changes.change == "opened") & (changes.direction == "outbound")]
    failed = changes[changes.change == "dial failed"]
    assert list(zip(opened.node, opened.peer)) == [(1, 2)]  # over the LAN
    assert sorted(zip(failed.node, failed.peer)) == [(0, 1), (0, 2), (0, 3), (0, 4), (0, 5), (1, 3), (1, 4)]


@pytest.mark.parametrize("backend, stack", TIERS)
def test_identify_tells_the_mapped_address_and_listens_on_the_private_one(
    backend: str, stack: str, tmp_path: Path
) -> None:
    log = tmp_path / "lines.log"
    internet = mc.internet.uniform("20ms")
    world = mc.World(
        backend=backend, stack=stack, internet=internet, log="identify=debug,swarm=info", log_file=log
    )
    public = world.add(1, mc.Node())
    home = world.add(1, mc.Node(), behind=mc.Nat.symmetric())
    dial(world, [(home, public)])
    world.run("3s")
    lines = log.read_text()
    assert re.search(r"node=1 msg=listening address=/ip4/10\.0\.0\.2/tcp/4001", lines)
    assert re.search(r"node=1 .*observed=/ip4/1\.0\.0\.2/tcp/\d+", lines)


def test_the_same_seed_draws_the_same_ports() -> None:
    def fingerprint(seed: int) -> str:
        world = mc.World(seed=seed)
        public = world.add(2, mc.GossipSub())
        homes = world.add(6, mc.GossipSub(), behind=mc.Nat.symmetric(hosts=3))
        dial(world, [(homes, public)])
        return world.run("3s").fingerprint

    assert fingerprint(1) == fingerprint(1) != fingerprint(2)


def test_what_is_dropped_is_counted() -> None:
    world = mc.World(stack="collapsed", metrics_every="1s")
    world.add(1, mc.Node())
    walled = world.add(1, mc.Node(), behind=mc.Firewall())
    dial(world, [(mc.Nodes(world, np.zeros(1, dtype=np.uint32)), walled)])
    counts = world.run("5s").metrics("mesocosm_middlebox_stopped_total")
    assert set(counts.reason) == {"no mapping"}
    assert counts.value.max() == 3  # SYNs after 0, 1 and 3 s


def test_what_makes_no_sense_is_refused() -> None:
    def refused(message: str, **values: object) -> None:
        with pytest.raises(mc.ConfigError, match=message):
            mc.Nat(**values)  # type: ignore[arg-type]

    refused("Nat: mapping must be one of endpoint-independent, .*, not 'cone'", mapping="cone")
    refused("Nat: filtering must be one of", filtering="none")
    refused("Nat: ports must be one of preservation, overloading, sequential, random", ports="same")
    refused("Nat: hairpinning must be True or False, not 1", hairpinning=1)
    refused("Nat: udp_timeout must be longer than zero, not 0", udp_timeout=0)
    refused("Nat: hosts must be a whole number from 1", hosts=0)
    refused("Nat: port_range must be a first and a last port from 1024 to 65535", port_range=(80, 90))
    refused(
        'ports "overloading" needs endpoint-independent mapping',
        ports="overloading",
        filtering="address-dependent",
    )
    with pytest.raises(mc.ConfigError, match="Firewall: max_sessions must be"):
        mc.Firewall(max_sessions=0)
    with pytest.raises(mc.ConfigError, match="behind must be a Nat or a Firewall, not str"):
        mc.World().add(1, mc.Node(), behind="nat")  # type: ignore[arg-type]
    with pytest.raises(mc.ConfigError, match="real nodes cannot be put behind a simulated NAT"):
        mc.World(backend="real").add(1, mc.Node(), behind=mc.Nat())
