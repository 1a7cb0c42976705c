"""A network is eclipsed: is it the peers that a node dialed itself that save GossipSub v1.1?"""

import mesocosm as mc


class Dialers(mc.Variant):
    """GossipSub v1.0 with `quota` places in the mesh for peers that it dialed: an adversary cannot choose to be one."""

    base = "v1.0"

    def __init__(self, quota=2):
        self.quota = quota

    def choose_mesh(self, view):
        graft, prune = super().choose_mesh(view)
        mesh = [peer for peer in view.mesh() if peer not in prune] + graft
        others = [peer for peer in view.candidates() if view.outbound(peer) and peer not in mesh]
        missing = self.quota - sum(view.outbound(peer) for peer in mesh)
        return graft + view.rng.sample(others, max(0, missing)), prune


def build(p):
    """From 20 s on, sybils fill the meshes of everybody and pass nothing on; somebody publishes every second."""
    world = mc.World(stack="collapsed", seed=p.seed)
    nodes = world.add(p.nodes, mc.GossipSub(variant=p.variant, flood_publish=False))
    world.bootstrap(nodes, mc.overlay.random(degree=10))
    nodes.subscribe("blocks")
    world.attack(mc.attacks.Eclipse(nodes, p.sybils, at="20s"))
    world.every("1s", lambda: nodes.sample(1).publish("blocks", size="4KiB"), start="30s")
    return world


if __name__ == "__main__":
    mc.main(build, params=dict(variant="Dialers", nodes=60, sybils=120, seed=1), until="75s")
