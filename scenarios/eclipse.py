"""4,000 sybils surround a network of 1,000 nodes: what still arrives, and what does it cost them?

The setup of PL-TechRep-2020-001, "Eclipse Attack Against the Entire Network": every honest node dials 20 others, 100 of
them publish 120 messages of 2 KiB a second together, and from 60 s on each sybil dials 100 of them.
"""

import mesocosm as mc


def build(p):
    """`--drop 0.5` degrades instead, `--addresses 25` puts the sybils on so few; `--load 12` is a tenth of the messages."""
    internet = mc.internet.uniform("25ms", jitter="1ms")
    world = mc.World(backend=p.backend, stack=p.stack, seed=p.seed, internet=internet)
    gossip = mc.GossipSub(D=8, D_lo=6, D_hi=12, D_lazy=12)
    nodes = world.add(p.nodes, gossip)
    nodes.subscribe("blocks")
    world.bootstrap(nodes, mc.overlay.random(min(40, 2 * ((p.nodes - 1) // 2))))
    sybil = mc.attacks.Sybil(
        nodes,
        p.sybils,
        connections=min(100, p.nodes),
        addresses=p.addresses or None,
        at=p.attack,
        drop=p.drop,
    )
    world.attack(sybil)
    publishers = nodes[: max(1, p.nodes // 10)]
    if p.load:
        world.every(1 / p.load, lambda: publishers.sample(1).publish("blocks", size="2KiB"), start="30s")
    return world


if __name__ == "__main__":
    mc.main(
        build,
        params=dict(
            nodes=1000,
            sybils=4000,
            addresses=0,
            attack="60s",
            drop=1.0,
            load=120.0,
            backend="flow",
            stack="collapsed",
            seed=1,
        ),
        until="180s",
    )
