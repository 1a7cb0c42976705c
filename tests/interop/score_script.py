"""Random histories of peers and messages, and what scores they give: on our peer score, go-libp2p-pubsub's, rust-libp2p's.

Each implementation has a program that replays a script of events at virtual times (README.md); they are built by
`./dev interop`.
"""

from __future__ import annotations

import json
import math
import random
import subprocess
from pathlib import Path
from typing import Any

BUILD = Path(__file__).resolve().parents[2] / "build"
REPLAYS = {
    "ours": [str(BUILD / "release" / "tests" / "score_events")],
    "go": [str(BUILD / "interop" / "go" / "scores"), "-test.run", "^TestReplay$"],
    "rust": [str(BUILD / "interop" / "rust" / "scores")],
}
TOPICS = ("blocks", "votes", "unscored")
PEERS = [f"peer {number}" for number in range(12)]
STEP = 0.125  # s; binary, so that all add up the same times
EVENTS = 1500
LIFE = 50  # s that a message is under way, with its validation; seen_ttl is longer


def topic(rng: random.Random) -> dict[str, float]:
    """Scoring of one topic with every parameter in use."""
    return {
        "weight": rng.choice([0.5, 1, 2]),
        "time_in_mesh_weight": 0.25,
        "time_in_mesh_quantum": rng.choice([0.5, 1]),
        "time_in_mesh_cap": 20,
        "first_message_deliveries_weight": 1.5,
        "first_message_deliveries_decay": 0.9,
        "first_message_deliveries_cap": 8,
        "mesh_message_deliveries_weight": -0.5,
        "mesh_message_deliveries_decay": 0.95,
        "mesh_message_deliveries_cap": 10,
        "mesh_message_deliveries_threshold": 4,
        "mesh_message_deliveries_window": rng.choice([0.125, 0.5]),
        "mesh_message_deliveries_activation": 3,
        "mesh_failure_penalty_weight": -0.75,
        "mesh_failure_penalty_decay": 0.8,
        "invalid_message_deliveries_weight": -2,
        "invalid_message_deliveries_decay": 0.7,
    }


class Script:
    """A random history of peers and messages that a node could live through."""

    ips = ["192.0.2.1", "192.0.2.2", "198.51.100.7", "2001:db8::1", "2001:db8::2", "2001:db8:1::1"]
    whitelist = "198.51.100.0/24"
    verdicts = ["delivered"] * 6 + ["rejected", "ignored", "throttled"]

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.now = 0.0
        self.present: set[str] = set()
        self.undecided: dict[str, tuple[str, str]] = {}  # message: topic, who sent it
        self.decided: dict[str, str] = {}  # message: topic
        self.begun: dict[str, float] = {}  # message: when it was seen first
        self.events: list[dict[str, Any]] = []

    def tell(self, do: str, **what: Any) -> None:
        self.events.append({"at": self.now, "do": do, **what})

    def step(self) -> None:
        self.now += STEP * self.rng.choice([0, 0, 0, 1, 1, 2, 5])
        choices = [self.add, self.remove, self.mesh, self.mesh, self.penalty, self.invalid]
        if any(self.now - self.begun[name] > LIFE - 1 for name in self.undecided):
            self.decide()
        else:
            self.rng.choice([*choices, *[self.message, self.decide, self.duplicate] * 5])()
        if self.rng.random() < 0.2:
            self.tell("scores")

    def add(self) -> None:
        peer = self.rng.choice(PEERS)
        if peer not in self.present:
            self.present.add(peer)
            self.tell("add", peer=peer, ip=self.rng.choice(self.ips))

    def somebody(self) -> str | None:
        return self.rng.choice(sorted(self.present)) if self.present else None

    def remove(self) -> None:
        if (peer := self.somebody()) is not None and self.rng.random() < 0.5:
            self.present.remove(peer)
            self.tell("remove", peer=peer)

    def mesh(self) -> None:
        if (peer := self.somebody()) is not None:
            self.tell(self.rng.choice(["graft", "graft", "prune"]), peer=peer, topic=self.rng.choice(TOPICS))

    def penalty(self) -> None:
        if (peer := self.somebody()) is not None:
            self.tell("penalty", peer=peer, count=self.rng.choice([1, 2]))

    def invalid(self) -> None:
        if (peer := self.somebody()) is not None and self.rng.random() < 0.3:
            self.tell("invalid", peer=peer, topic=self.rng.choice(TOPICS))

    def message(self) -> None:
        if (peer := self.somebody()) is None:
            return
        name, topic_name = f"message {len(self.undecided) + len(self.decided)}", self.rng.choice(TOPICS)
        self.undecided[name] = topic_name, peer
        self.begun[name] = self.now
        self.tell("validating", message=name, topic=topic_name)

    def decide(self) -> None:
        if not self.undecided:
            return
        oldest = min(self.undecided, key=lambda name: self.begun[name])
        late = self.now - self.begun[oldest] > LIFE / 2
        name = oldest if late else self.rng.choice(sorted(self.undecided))
        topic_name, peer = self.undecided.pop(name)
        self.decided[name] = topic_name
        self.tell(self.rng.choice(self.verdicts), peer=peer, message=name, topic=topic_name)

    def duplicate(self) -> None:
        if (peer := self.somebody()) is None or not (self.undecided or self.decided):
            return
        recent = [*sorted(self.undecided), *list(self.decided)[-8:]]
        recent = [name for name in recent if self.now - self.begun[name] < LIFE]
        if not recent:
            return
        name = self.rng.choice(recent)
        topic_name = self.decided[name] if name in self.decided else self.undecided[name][0]
        self.tell("duplicate", peer=peer, message=name, topic=topic_name)

    def make(self) -> dict[str, Any]:
        for _ in range(EVENTS):
            self.step()
        self.tell("scores")
        return {
            "app": {PEERS[0]: 1.5, PEERS[1]: -3.0},
            "whitelist": [self.whitelist],
            "params": {
                "topic_score_cap": self.rng.choice([0, 15]),
                "app_specific_weight": 0.5,
                "ip_colocation_weight": -1.25,
                "ip_colocation_threshold": 2,
                "behaviour_penalty_weight": -3,
                "behaviour_penalty_threshold": 1,
                "behaviour_penalty_decay": 0.9,
                "decay_interval": self.rng.choice([1, 1.5]),
                "decay_to_zero": 0.01,
                "retain_score": 20,
                "seen_ttl": 60,
            },
            "topics": {name: topic(self.rng) for name in TOPICS if name != "unscored"},
            "events": self.events,
        }


def replay(implementation: str, script: dict[str, Any]) -> list[dict[str, float]]:
    """The scores that the script asks for; peers without a score are left out."""
    program = REPLAYS[implementation]
    assert Path(program[0]).is_file(), f"{program[0]} is not built: ./dev interop"
    done = subprocess.run(
        program, input=json.dumps(script), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def parting(one: list[dict[str, float]], other: list[dict[str, float]], script: dict[str, Any]) -> str:
    """Where two replays of a script first differ by more than rounding; empty if nowhere."""
    told = [number for number, event in enumerate(script["events"]) if event["do"] == "scores"]
    assert len(one) == len(other) == len(told)
    for number, mine, theirs in zip(told, one, other):
        for peer in PEERS:
            a, b = mine.get(peer, 0.0), theirs.get(peer, 0.0)
            if not math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9):
                return f"event {number}, {peer}: {a} and {b}"
    return ""


def is_eventful(scores: list[dict[str, float]]) -> bool:
    """Whether the script was worth replaying: many different scores, good ones and bad ones."""
    spread = {round(value, 3) for each in scores for value in each.values()}
    return len(scores) > 100 and len(spread) > 200 and min(spread) < -5 and max(spread) > 1
