"""How does the mesh degree D change delivery and duplicates?"""

import mesocosm as mc


def build(p):
    """GossipSub on measured Internet data."""
    world = mc.World(seed=p.seed, internet=mc.internet.ethereum_2025())
    nodes = world.add(p.nodes, mc.Node(mc.GossipSub(D=p.degree)))
    world.bootstrap(nodes, mc.overlay.random(degree=20))
    nodes.subscribe("blocks")
    world.every("12s", lambda: nodes.sample(1).publish("blocks", size="128KiB"))
    return world


if __name__ == "__main__":
    mc.main(build, params=dict(nodes=500, degree=8, seed=1), until="60s")
