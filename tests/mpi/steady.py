"""Small messages all the time, from everywhere: work that is spread over regions and time."""

import mesocosm as mc


def build(p):
    """A gossipsub network on measured Internet data; one node publishes 1 KiB every 100 ms."""
    world = mc.World(backend=p.backend, seed=p.seed, internet=mc.internet.ethereum_2025())
    nodes = world.add(p.nodes, mc.Node(mc.GossipSub.ethereum()))
    world.bootstrap(nodes, mc.overlay.random(degree=20))
    nodes.subscribe("news")
    world.every("100ms", lambda: nodes.sample(1).publish("news", size="1KiB"), start="5s")
    return world


if __name__ == "__main__":
    mc.main(build, params=dict(nodes=200, backend="packet", seed=1), until="20s")
