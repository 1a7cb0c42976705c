"""Large messages on narrow uplinks: what each variant spends until everybody has them."""

import mesocosm as mc


class Liar(mc.Variant):
    """Tells of messages by PREAMBLE and does not send them."""

    base = "v1.4"

    def choose_push(self, view, peers, message):
        super().choose_push(view, peers, message)
        return []


def build(p):
    """Every 5 s somebody publishes a message of `size` to nodes with links of `rate`, of which `liars` pass nothing on."""
    internet = mc.internet.uniform(latency=("10ms", "100ms"), bandwidth=p.rate)
    world = mc.World(stack="collapsed", internet=internet, seed=p.seed)
    honest = world.add(p.nodes - p.liars, mc.GossipSub(variant=p.variant, flood_publish=False))
    nodes = honest
    if p.liars > 0:
        nodes = honest + world.add(p.liars, mc.GossipSub(variant=Liar, flood_publish=False))
    world.bootstrap(nodes, mc.overlay.random(degree=10))
    nodes.subscribe("blocks")
    for i in range(20):
        world.at(f"{30 + 5 * i}s", lambda: honest.sample(1).publish("blocks", size=p.size))
    return world


if __name__ == "__main__":
    params = dict(variant="v1.4", nodes=100, liars=0, size="256KiB", rate="20Mbit", seed=1)
    mc.main(build, params=params, until="140s")
