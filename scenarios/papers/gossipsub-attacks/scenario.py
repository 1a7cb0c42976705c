"""GossipSub v1.0 and v1.1 under Sybil attacks, as their evaluation report ran them: see README.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.figure import Figure

import mesocosm as mc

TOPIC = "blocks"
HONEST = {"quick": 100, "full": 1000}
# Adversaries of everybody are scaled with the honest, so that each of these meets as many.
TENTH = {"quick": 10, "full": 1}
RATE = {"quick": 10, "full": 120}  # messages a second, of all publishers together
PUBLISH, ATTACK, FLASH, STOP, END = 30, 60, 90, 150, 180  # s
OVERLAY = mc.overlay.random(degree=40)  # each dials 20 others, so that it has about 40
VERSIONS = ("v1.0", "v1.1")
ATTACKS = (
    "baseline",
    "eclipse one",
    "eclipse network",
    "eclipse publishers",
    "censor",
    "degrade",
    "cold boot",
    "covert flash",
    "dawn",
    "ip colocation",
)


def cases(size: str) -> dict[str, Any]:
    """Each attack, on both versions; those with the most adversaries first."""
    order = sorted(ATTACKS, key=lambda attack: attack != "eclipse network")
    return {
        f"{attack}, {version}": dict(attack=attack, version=version, size=size)
        for attack in order
        for version in VERSIONS
    }


def run(case: Any) -> Any:
    """What was delivered of what was published from PUBLISH to STOP, and how late."""
    record = _world(**case).run(END, progress=False)
    latency = np.sort(record.deliveries["latency"].to_numpy())
    expected = int(record.messages["expected"].sum())
    shares = np.concatenate([np.linspace(0, 0.98, 99), np.linspace(0.99, 1, 51)])
    rank = np.clip(np.ceil(shares * len(latency)).astype(int) - 1, 0, None)
    return {
        "attack": case["attack"],
        "version": case["version"],
        "delivered": 100 * len(latency) / expected,
        "p99": 1000 * float(np.percentile(latency, 99)),
        "max": 1000 * float(latency[-1]),
        "curve": (1000 * latency[rank]).tolist(),
        "share": (shares * 100 * len(latency) / expected).tolist(),
    }


def measure(results: dict[str, Any]) -> dict[str, float]:
    """Deliveries of each run, and how the versions compare under each attack."""
    of = {(result["attack"], result["version"]): result for result in results.values()}
    measured = {}
    for attack in ATTACKS:
        old, new = of[attack, "v1.0"], of[attack, "v1.1"]
        name = attack.replace(" ", "_")
        measured[f"{name}_v11_delivered"] = new["delivered"]
        if attack != "baseline":
            measured[f"{name}_order_p99"] = old["p99"] / new["p99"]
            measured[f"{name}_order_lost"] = new["delivered"] - old["delivered"]
    for attack in ("eclipse network", "cold boot"):
        name, old = attack.replace(" ", "_"), of[attack, "v1.0"]
        measured[f"{name}_v10_lost"] = 100 - old["delivered"]
        measured[f"{name}_v10_p99"] = old["p99"] / 1000
        measured[f"{name}_v10_max"] = old["max"] / 1000
    measured["baseline_v11_p99"] = of["baseline", "v1.1"]["p99"]
    measured["eclipse_network_v11_max"] = of["eclipse network", "v1.1"]["max"]
    return measured


def figures(results: dict[str, Any], published: dict[str, float]) -> Iterable[tuple[str, str, Figure]]:
    """The report's figure of each attack: the distribution of delivery latencies, both versions."""
    del published
    for attack in ATTACKS:
        picture = Figure()
        axes = picture.add_subplot()
        for result in results.values():
            if result["attack"] == attack:
                axes.plot(result["curve"], result["share"], label=result["version"])
        axes.set_xscale("log")
        axes.set(xlabel="time from publication to delivery (ms)", ylabel="deliveries (%)", ylim=(0, 102))
        axes.legend(loc="lower right")
        yield attack.capitalize(), "Share of all deliveries that were due, made within a time; measured.", picture


def _world(attack: str, version: str, size: str) -> mc.World:
    internet = mc.internet.uniform("25ms", bandwidth="10Gbit", jitter="10%")
    world = mc.World(seed=1, internet=internet, stack="collapsed", metrics_every=None)
    world.parameters = dict(attack=attack, version=version, size=size)
    count = HONEST[size]
    protocol = _vanilla() if version == "v1.0" else _hardened(colocation=attack == "ip colocation")
    if attack == "censor":  # an author is known by the signature
        protocol = replace(protocol, signing="strict-sign")
    honest = world.add(count, mc.Node(protocol))
    honest.subscribe(TOPIC)
    publishers = honest[: count // 10]
    if attack != "dawn":  # who brings the overlay with it
        world.bootstrap(honest, OVERLAY, within="1s")
    _attack(world, attack, honest, publishers, TENTH[size])

    def publish() -> None:
        if world.now < STOP - 0.5 / RATE[size]:
            publishers.sample(1).publish(TOPIC, size="2KiB")

    world.every(1 / RATE[size], publish, start=PUBLISH)
    return world


def _attack(world: mc.World, attack: str, honest: mc.Nodes, publishers: mc.Nodes, tenth: int) -> None:
    """As scripts/configs/1k-attack-*.json of gossipsub-hardening have it."""
    most = min(100, len(honest))
    if attack == "eclipse one":
        world.attack(mc.attacks.Eclipse(publishers[0], 1000, at=ATTACK))
    elif attack == "eclipse network":
        world.attack(mc.attacks.Eclipse(honest, 4000 // tenth, connections=most, at=ATTACK))
    elif attack == "eclipse publishers":
        each = min(100, len(publishers))
        world.attack(mc.attacks.Eclipse(publishers, 1000, connections=each, at=ATTACK))
    elif attack == "censor":
        many = 2000 // tenth
        world.attack(mc.attacks.Censor(honest, many, authors=publishers[0], connections=most, at=ATTACK))
    elif attack == "degrade":
        world.attack(mc.attacks.Degrade(honest, 2000 // tenth, connections=most, drop=0.5, at=ATTACK))
    elif attack == "cold boot":
        world.attack(mc.attacks.ColdBoot(honest, 4000 // tenth, connections=20, at=0))
    elif attack == "covert flash":
        world.attack(mc.attacks.CovertFlash(honest, 4000 // tenth, connections=20, joins=0, at=FLASH))
    elif attack == "dawn":
        many = 4000 // tenth
        world.attack(mc.attacks.Dawn(honest, many, overlay=OVERLAY, dawn=5, connections=20, at=0))
    elif attack == "ip colocation":  # 160 on each address
        many = 4000 // tenth
        plan = mc.attacks.ColdBoot(honest, many, connections=20, addresses=-(-many // 160), at=0)
        world.attack(plan)


def _vanilla() -> mc.GossipSub:
    """test/honest_vanilla.go: the degrees alone; the library of the day gossiped to D peers, a heartbeat late."""
    return mc.GossipSub(variant="v1.0-go", D=8, D_lo=6, D_hi=12, D_lazy=8, signing="strict-no-sign")


def _hardened(colocation: bool) -> mc.GossipSub:
    """test/honest_hardened.go with the parameters of scripts/configs/1k.json; D_out came a month after them."""
    topic = mc.TopicScore(
        weight=0.25,
        time_in_mesh_weight=0.0027,
        time_in_mesh_quantum="1s",
        time_in_mesh_cap=3600,
        first_message_deliveries_weight=0.664,
        first_message_deliveries_decay=0.9916,
        first_message_deliveries_cap=1500,
        mesh_message_deliveries_weight=-0.25,
        mesh_message_deliveries_decay=0.997,
        mesh_message_deliveries_cap=400,
        mesh_message_deliveries_threshold=10,
        mesh_message_deliveries_activation="60s",
        mesh_message_deliveries_window="5ms",
        mesh_failure_penalty_weight=-0.25,
        mesh_failure_penalty_decay=0.997,
        invalid_message_deliveries_weight=-99,
        invalid_message_deliveries_decay=0.9994,
    )
    score = mc.PeerScore(
        topics={TOPIC: topic},
        app_specific_weight=0,
        ip_colocation_weight=-10 if colocation else 0,
        ip_colocation_threshold=1,
        gossip_threshold=-4000,
        publish_threshold=-5000,
        graylist_threshold=-10000,
        accept_px_threshold=0,
        opportunistic_graft_threshold=0,
        decay_interval="1s",
        decay_to_zero=0.01,
        retain_score="30s",
    )
    return mc.GossipSub(
        D=8,
        D_lo=6,
        D_hi=12,
        D_score=6,
        D_out=0,
        D_lazy=12,
        gossip_factor=0.25,
        flood_publish=True,
        opportunistic_graft_ticks=60,
        score=score,
        signing="strict-no-sign",
    )
