"""A network is cut in two, North America and the rest: what still arrives, and how soon is it one network again?"""

import mesocosm as mc


def build(p):
    """A block every 6 seconds, from anybody; the cut lasts from 60 s to 180 s. Nodes keep to their peers as real ones do."""
    world = mc.World(backend=p.backend, stack=p.stack, seed=p.seed, internet=mc.internet.ethereum_2025())
    nodes = world.add(p.nodes, mc.Node(mc.GossipSub.ethereum(), keepalive="30s"))
    world.bootstrap(nodes, mc.overlay.random(degree=p.degree), redial=p.redial)
    nodes.subscribe("blocks")
    world.every("6s", lambda: nodes.sample(1).publish("blocks", size="16KiB"))
    world.cut(nodes.where(region="NA"), effect=p.effect, at="60s", until="180s")
    return world


if __name__ == "__main__":
    mc.main(
        build,
        params=dict(
            nodes=300, degree=20, redial="10s", effect="blackhole", backend="flow", stack="full", seed=1
        ),
        until="240s",
    )
