"""Variants of GossipSub: those that have names."""

from __future__ import annotations

import re
import runpy
from types import SimpleNamespace

import mesocosm as mc
import pytest

from conftest import ROOT, gossip_world


def fingerprint(variant: object = None, **options: object) -> str:
    node = mc.Node(mc.GossipSub(variant=variant))  # type: ignore[arg-type]
    run = gossip_world(30, node, stack="collapsed", **options).run("20s")
    assert len(run.deliveries) == 15 * 29
    return run.fingerprint


def test_the_named_variants_are_listed() -> None:
    table = mc.variants()
    assert {"v1.0", "v1.1"} <= set(table.index)
    assert table.index.is_unique
    assert all(re.fullmatch(r"|\d{4}-\d\d-\d\d", draft) for draft in table.draft)
    assert table.summary["Few"] == "A mesh of `k`, and its base is v1.0."


def test_variants_in_python_have_names_and_settings_too() -> None:
    def run(**options: object) -> str:
        return gossip_world(16, mc.Node(mc.GossipSub(**options)), stack="collapsed").run("9s").fingerprint  # type: ignore[arg-type]

    assert run(variant="Few") == run(variant=Few)
    assert run(variant="Few", settings={"k": 6}) == run(variant=Few(k=6)) != run(variant=Few)


def test_a_variant_without_changes_is_the_specification() -> None:
    assert fingerprint("v1.1") == fingerprint() != fingerprint("v1.0")


def test_v10_does_not_flood_what_it_publishes() -> None:
    old = gossip_world(30, mc.Node(mc.GossipSub(variant="v1.0"))).run("10s")
    new = gossip_world(30).run("10s")
    assert 0 < old.summary().duplicates < new.summary().duplicates


@pytest.mark.parametrize(
    "wrong, words",
    [
        (dict(variant="v9"), "there is no variant v9; there are v1.0, v1.1"),
        (dict(variant=7), "variant must be a name or a mesocosm.Variant, not 7"),
        (dict(variant=int), "variant must be a name or a mesocosm.Variant, not <class 'int'>"),
        (dict(settings={"a": 1}), "settings belong to a variant"),
        (dict(variant="v1.1", settings={"a": 1}), "variant v1.1 has no setting a; it has none"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(mc.ConfigError, match=re.escape(words)):
        mc.World().add(1, mc.GossipSub(**wrong))  # type: ignore[arg-type]


# --- written in Python


class Unchanged(mc.Variant):
    """Overrides nothing."""


class Written(mc.Variant):
    """The specification's choices, written again, drawing as C++ does."""

    def choose_mesh(self, view: mc.variant.View) -> tuple[list[int], list[int]]:
        p, mesh = view.params, view.mesh()
        prune = [peer for peer in mesh if view.score(peer) < 0]
        mesh = [peer for peer in mesh if peer not in prune]
        graft: list[int] = []

        def candidates() -> list[int]:
            return [peer for peer in view.candidates() if peer not in mesh and peer not in prune]

        def take(peers: list[int], count: int) -> None:
            chosen = view.rng.sample(peers, count)
            mesh.extend(chosen)
            graft.extend(chosen)

        if len(mesh) < p.D_lo:
            take(candidates(), p.D - len(mesh))
        if len(mesh) > p.D_hi:
            mesh = self.thin_out(view, mesh)
            prune += mesh[p.D :]
            mesh = mesh[: p.D]
        if len(mesh) >= p.D_lo:
            dialed = sum(map(view.outbound, mesh))
            if dialed < p.D_out:
                take([peer for peer in candidates() if view.outbound(peer)], p.D_out - dialed)
        if view.heartbeats % p.opportunistic_graft_ticks == 0 and len(mesh) > 1:
            median = sorted(map(view.score, mesh))[len(mesh) // 2]
            if median < p.opportunistic_graft_threshold:
                better = [peer for peer in candidates() if view.score(peer) > median]
                take(better, p.opportunistic_graft_peers)
        return graft, prune

    def thin_out(self, view: mc.variant.View, mesh: list[int]) -> list[int]:
        p = view.params
        view.rng.shuffle(mesh)  # type: ignore[arg-type]
        mesh.sort(key=view.score, reverse=True)
        rest = mesh[p.D_score :]
        view.rng.shuffle(rest)  # type: ignore[arg-type]
        mesh[p.D_score :] = rest
        kept = sum(map(view.outbound, mesh[: p.D]))
        out = p.D
        for place in range(p.D, len(mesh)):
            if kept >= p.D_out:
                break
            if not view.outbound(mesh[place]):
                continue
            while out > 0 and view.outbound(mesh[out - 1]):
                out -= 1
            if out == 0:
                break
            mesh[place], mesh[out - 1] = mesh[out - 1], mesh[place]
            kept += 1
        return mesh

    def choose_gossip(self, view: mc.variant.View, peers: list[int]) -> list[int]:
        share = int(view.params.gossip_factor * len(peers))
        return view.rng.sample(peers, max(view.params.D_lazy, share))

    def score(self, view: mc.variant.View, peer: int) -> float:
        return 0.0

    def choose_push(self, view: mc.variant.View, peers: list[int], message: mc.variant.Message) -> list[int]:
        return peers

    def wants(self, view: mc.variant.View, peer: int, id: bytes) -> bool:
        return True


class Delegating(mc.Variant):
    """Overrides the choices to do what they did."""

    def choose_mesh(self, view: mc.variant.View) -> tuple[list[int], list[int]]:
        return super().choose_mesh(view)

    def choose_gossip(self, view: mc.variant.View, peers: list[int]) -> list[int]:
        return super().choose_gossip(view, peers)

    def score(self, view: mc.variant.View, peer: int) -> float:
        return super().score(view, peer)

    def choose_push(self, view: mc.variant.View, peers: list[int], message: mc.variant.Message) -> list[int]:
        return super().choose_push(view, peers, message)

    def wants(self, view: mc.variant.View, peer: int, id: bytes) -> bool:
        return super().wants(view, peer, id)


class Few(mc.Variant):
    """A mesh of `k`, and its base is v1.0."""

    base = "v1.0"

    def __init__(self, k: int = 3) -> None:
        self.k = k
        self.heartbeats = 0

    def on_heartbeat(self, view: mc.variant.View) -> None:
        self.heartbeats += 1
        assert self.heartbeats == view.heartbeats  # nodes share no instance

    def choose_mesh(self, view: mc.variant.View) -> tuple[list[int], list[int]]:
        mesh = view.mesh()
        return view.rng.sample(view.candidates(), max(0, self.k - len(mesh))), mesh[self.k :]


@pytest.mark.parametrize("variant", [Unchanged, Written, Delegating])
def test_the_default_in_python_is_the_default(variant: type[mc.Variant]) -> None:
    assert fingerprint(variant) == fingerprint()


@pytest.mark.parametrize("backend", ["flow", "packet"])
def test_a_variant_repeats_with_its_seed(backend: str) -> None:
    def run(variant: object) -> mc.Run:
        node = mc.Node(mc.GossipSub(variant=variant))  # type: ignore[arg-type]
        return gossip_world(16, node, backend=backend).run("9s")

    first, again, other = run(Few), run(Few(k=3)), run(Few(k=6))
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert len(first.deliveries) == 4 * 15


def test_a_variant_runs_on_real_sockets() -> None:
    run = gossip_world(12, mc.Node(mc.GossipSub(variant=Few)), backend="real").run("8s")
    assert len(run.deliveries) == 3 * 11


class Watching(mc.Variant):
    """Writes down what it is told."""

    seen: dict[str, int] = {}

    def note(self, what: str) -> None:
        self.seen[what] = self.seen.get(what, 0) + 1

    def on_rpc(self, view: mc.variant.View, peer: int, parts: list[tuple[str, bytes]]) -> bool | None:
        for kind, body in parts:
            self.note(kind)
            assert isinstance(body, bytes)
        assert peer in view.peers and view.topic is None and not view.direct(peer)
        return None

    def on_peer_added(self, view: mc.variant.View, peer: int) -> None:
        self.note("peer_added")
        assert view.peer_id(peer).startswith("12D3")

    def on_grafted(self, view: mc.variant.View, peer: int) -> None:
        self.note("grafted")
        assert view.topic == "blocks" and peer in view.mesh() and peer in view.members("blocks")

    def on_pruned(self, view: mc.variant.View, peer: int) -> None:
        self.note("pruned")
        assert peer not in view.mesh()

    def on_delivered(self, view: mc.variant.View, peer: int, message: int) -> None:
        self.note("delivered")

    def on_duplicate(self, view: mc.variant.View, peer: int, message: int) -> None:
        self.note("duplicate")


def test_hooks_hear_what_the_record_says() -> None:
    Watching.seen = {}
    node = mc.Node(mc.GossipSub(D=3, D_hi=4, variant=Watching))
    run = gossip_world(30, node, stack="collapsed").run("20s")
    seen = Watching.seen
    assert seen["delivered"] == len(run.deliveries)
    assert seen["duplicate"] == run.summary().duplicates
    assert seen["delivered"] + seen["duplicate"] == seen["message"]
    assert seen["grafted"] == int(run.mesh.grafted.sum())
    assert seen["pruned"] == int((~run.mesh.grafted).sum()) > 0
    assert seen["ihave"] > 0 and seen["subscription"] > 0


class Announcing(mc.Variant):
    """Tells of every message, and sends it to who asks: control messages of its own."""

    ANNOUNCE, NEED = 100, 101

    def choose_push(self, view: mc.variant.View, peers: list[int], message: mc.variant.Message) -> list[int]:
        if message.sender is None:
            return peers
        for peer in peers:
            view.send(peer, self.ANNOUNCE, message.id)
        return []

    def __init__(self) -> None:
        self.asked: set[bytes] = set()

    def on_control(self, view: mc.variant.View, peer: int, field: int, body: bytes) -> bool | None:
        if field == self.NEED:
            view.send_message(peer, body)
        elif body not in self.asked:
            self.asked.add(body)
            view.send(peer, self.NEED, body)
        return None


def test_a_variant_speaks_control_messages_of_its_own() -> None:
    def run(variant: object) -> mc.Run:
        node = mc.Node(mc.GossipSub(variant=variant))  # type: ignore[arg-type]
        return gossip_world(40, node, stack="collapsed").run("20s")

    lazy, eager = run(Announcing), run(None)
    assert len(lazy.deliveries) == len(eager.deliveries) == 15 * 39
    assert lazy.summary().duplicates < eager.summary().duplicates / 4


class Waking(mc.Variant):
    """Asks for a time, and is called then."""

    asked = 0.0

    def on_heartbeat(self, view: mc.variant.View) -> None:
        self.asked = view.now + 0.25
        view.wake_at(self.asked)

    def on_wake(self, view: mc.variant.View) -> None:
        assert abs(view.now - self.asked) < 1e-6


def test_a_variant_wakes_up_when_it_asked_for() -> None:
    gossip_world(6, mc.Node(mc.GossipSub(variant=Waking)), stack="collapsed").run("5s")


# --- mistakes


class Raises(mc.Variant):
    def on_delivered(self, view: mc.variant.View, peer: int, message: int) -> None:
        raise ZeroDivisionError("in the hook")


class WrongMesh(mc.Variant):
    def choose_mesh(self, view: mc.variant.View) -> tuple[list[int], list[int]]:
        return view.candidates()  # type: ignore[return-value]


class WrongGraft(mc.Variant):
    def choose_mesh(self, view: mc.variant.View) -> tuple[list[int], list[int]]:
        return [10**6], []


class WrongGossip(mc.Variant):
    def choose_gossip(self, view: mc.variant.View, peers: list[int]) -> list[int]:
        return view.mesh()


class Late(mc.Variant):
    kept: list[mc.variant.View] = []

    def on_heartbeat(self, view: mc.variant.View) -> None:
        self.kept.append(view)


class NoBase(mc.Variant):
    base = "v9"


@pytest.mark.parametrize("stack", ["full", "collapsed"])
def test_what_a_hook_raises_ends_the_run_with_its_traceback(stack: str) -> None:
    world = gossip_world(20, mc.Node(mc.GossipSub(variant=Raises)), stack=stack)
    with pytest.raises(ZeroDivisionError, match="in the hook") as caught:
        world.run("20s")
    assert "on_delivered" in [entry.name for entry in caught.traceback]
    assert 5 < world.now < 7  # the first message


@pytest.mark.parametrize(
    "variant, error, words",
    [
        (WrongMesh, TypeError, "WrongMesh.choose_mesh must return (graft, prune), two lists of peers, not ["),
        (WrongGraft, ValueError, "WrongGraft.choose_mesh grafts peer 1000000, who is not in the topic"),
        (WrongGossip, ValueError, "WrongGossip.choose_gossip chose peer"),
    ],
)
def test_a_wrong_choice_is_named(variant: type[mc.Variant], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=re.escape(words)):
        gossip_world(30, mc.Node(mc.GossipSub(variant=variant)), stack="collapsed").run("20s")


def test_a_view_is_good_during_its_hook_only() -> None:
    gossip_world(6, mc.Node(mc.GossipSub(variant=Late)), stack="collapsed").run("3s")
    with pytest.raises(ValueError, match="good only during the hook"):
        Late.kept[0].mesh("blocks")


def test_a_base_that_is_not_there_is_refused() -> None:
    with pytest.raises(mc.ConfigError, match="there is no variant v9"):
        mc.World().add(1, mc.GossipSub(variant=NoBase))


def test_v14_receives_less_of_large_messages_and_waits_for_no_liar() -> None:
    build = runpy.run_path(str(ROOT / "examples" / "variants" / "large.py"))["build"]
    received = {}
    for variant, liars in (("v1.2", 0), ("v1.4", 0), ("v1.4", 6)):
        params = SimpleNamespace(variant=variant, nodes=30, liars=liars, size="128KiB", rate="20Mbit", seed=1)
        summary = build(params).run("140s", progress=False).summary()
        assert summary.delivered == summary.expected == 20 * 29
        received[variant, liars] = summary.received_per_node
    assert received["v1.4", 0] < received["v1.2", 0] / 2
    assert received["v1.4", 6] < received["v1.2", 0] / 2
