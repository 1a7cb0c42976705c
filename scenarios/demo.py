"""Blocks on a network like Ethereum's in 2025: how long until every node has them, and at what cost?"""

import mesocosm as mc


def build(p):
    """A gossipsub network on measured Internet data; one node publishes a block every 12 seconds."""
    world = mc.World(backend=p.backend, stack=p.stack, seed=p.seed, internet=mc.internet.ethereum_2025())
    nodes = world.add(p.nodes, mc.Node(mc.GossipSub.ethereum()))
    world.bootstrap(nodes, mc.overlay.random(degree=min(20, (p.nodes - 1) // 2 * 2)))
    nodes.subscribe("blocks")
    world.every("12s", lambda: nodes.sample(1).publish("blocks", size=p.size))
    return world


if __name__ == "__main__":
    mc.main(build, params=dict(nodes=1000, size="128KiB", backend="flow", stack="full", seed=1), until="180s")
