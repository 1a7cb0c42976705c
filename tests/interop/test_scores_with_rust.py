"""Our peer scores beside rust-libp2p's: the same events, at the same virtual times, give the same scores.

`./dev interop` builds what is needed and runs this. tests/interop/rust/scores replays the events on the library's own files.
Where rust-libp2p does otherwise than go-libp2p-pubsub and we, the histories here keep away from it, and
`test_where_rust_libp2p_differs` holds it fast.
"""

from __future__ import annotations

from typing import Any

import pytest

from score_script import PEERS, STEP, TOPICS, Script, is_eventful, parting, replay, topic


class CommonScript(Script):
    """A history that go-libp2p-pubsub, rust-libp2p and we score alike. In one of an odd seed peers leave, and neither P3 nor P6
    has a weight; in one of an even seed nobody leaves a mesh or the node, and both have.
    """

    ips = ["192.0.2.1", "192.0.2.2", "198.51.100.7"]
    whitelist = "198.51.100.7/32"
    verdicts = ["delivered"] * 6 + ["rejected", "ignored"]

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.leaving = seed % 2 == 1
        self.meshes: set[tuple[str, str]] = set()

    def remove(self) -> None:
        if not self.leaving:
            return
        super().remove()
        self.meshes = {(peer, name) for peer, name in self.meshes if peer in self.present}

    def mesh(self) -> None:
        if (peer := self.somebody()) is None:
            return
        member = peer, self.rng.choice(TOPICS)
        if member in self.meshes and self.leaving:
            self.meshes.remove(member)
            self.tell("prune", peer=peer, topic=member[1])
        else:  # perhaps once more
            self.meshes.add(member)
            self.tell("graft", peer=peer, topic=member[1])

    def make(self) -> dict[str, Any]:
        script = super().make()
        for values in script["topics"].values():
            values["time_in_mesh_quantum"] = STEP
            if self.leaving:
                values["mesh_message_deliveries_weight"] = 0
        if self.leaving:
            script["params"]["ip_colocation_weight"] = 0
        return script


@pytest.mark.parametrize("seed", range(20))
def test_the_same_events_give_the_same_scores(seed: int) -> None:
    script = CommonScript(seed).make()
    theirs = replay("rust", script)
    assert is_eventful(theirs)
    assert parting(replay("ours", script), theirs, script) == ""
    assert parting(replay("go", script), theirs, script) == ""


PEER, OTHER = PEERS[:2]


def history(seconds: float, *events: tuple[float, str, dict[str, Any]], **weights: float) -> dict[str, Any]:
    """A script that asks for the scores once, after so many seconds, where only these parameters have a weight."""
    script = Script(seed=0).make()
    params, blocks = script["params"], script["topics"]["blocks"]
    for values in (params, blocks):
        values.update({name: 0 for name in values if name.endswith("_weight")})
        values.update({name: value for name, value in weights.items() if name in values})
    params["topic_score_cap"], params["decay_interval"], blocks["weight"] = 0, 1, 1
    told = [{"at": at, "do": do, "topic": "blocks", **what} for at, do, what in events]
    return {
        **script,
        "app": {},
        "whitelist": [],
        "topics": {"blocks": blocks},
        "events": [*told, {"at": seconds, "do": "scores"}],
    }


ADDED = 0.0, "add", {"peer": PEER, "ip": "192.0.2.1"}
GRAFTED = 0.0, "graft", {"peer": PEER}


@pytest.mark.parametrize(
    "script, ours, rust",
    [
        pytest.param(
            history(
                4, ADDED, GRAFTED, time_in_mesh_weight=1.0, time_in_mesh_quantum=3.0, time_in_mesh_cap=9.0
            ),
            1.0,
            4 / 3,
            id="P1 counts parts of a quantum",
        ),
        pytest.param(
            history(6, ADDED, GRAFTED, (5.0, "prune", {"peer": PEER}), mesh_message_deliveries_weight=-0.5),
            -0.5 * 4**2,
            0.0,
            id="P3 ends with the mesh",
        ),
        pytest.param(
            history(
                5.5,
                ADDED,
                GRAFTED,
                *[(5.0, "prune", {"peer": PEER})] * 2,
                mesh_failure_penalty_weight=-0.75,
            ),
            -0.75 * 2 * 4**2,
            -0.75 * 4**2,
            id="a second PRUNE adds nothing to P3b",
        ),
        pytest.param(
            history(
                2,
                ADDED,
                (0.0, "add", {"peer": OTHER, "ip": "192.0.2.1"}),
                (1.0, "remove", {"peer": OTHER}),
                ip_colocation_weight=-1.25,
                ip_colocation_threshold=1,
            ),
            -1.25,
            0.0,
            id="P6 leaves out retained peers",
        ),
        pytest.param(
            history(
                0,
                (0.0, "add", {"peer": PEER, "ip": "2001:db8::1"}),
                (0.0, "add", {"peer": OTHER, "ip": "2001:db8::2"}),
                ip_colocation_weight=-1.25,
                ip_colocation_threshold=1,
            ),
            -1.25,
            0.0,
            id="P6 takes each IPv6 address for itself",
        ),
    ],
)
def test_where_rust_libp2p_differs(script: dict[str, Any], ours: float, rust: float) -> None:
    assert replay("ours", script)[0][PEER] == pytest.approx(ours, rel=1e-9)
    assert replay("go", script)[0][PEER] == pytest.approx(ours, rel=1e-9)
    assert replay("rust", script)[0].get(PEER, 0.0) == pytest.approx(rust, rel=1e-9)
