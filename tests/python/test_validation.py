"""Validators in Python: what they are asked, what their word does, how long it takes, and what the API refuses."""

from __future__ import annotations

from typing import Any

import pytest

import mesocosm as mc
from mesocosm import ConfigError


def pair(stack: str = "collapsed", backend: str = "flow", **changes: Any) -> tuple[mc.World, mc.Nodes]:
    """Two connected nodes in the topic "blocks", 10 ms apart."""
    world = mc.World(
        backend=backend, stack=stack, internet=mc.internet.uniform("10ms"), seed=2, metrics_every=None
    )
    nodes = world.add(2, mc.GossipSub(**changes))
    world.bootstrap(nodes, mc.overlay.full())
    nodes.subscribe("blocks")
    return world, nodes


def publish(world: mc.World, node: mc.Nodes, *payloads: bytes, at: str = "5s") -> None:
    world.at(at, lambda: [node.publish("blocks", data) for data in payloads] and None)


def latencies(run: mc.Run) -> list[float]:
    return sorted(float(latency) for latency in run.deliveries.latency)


@pytest.mark.parametrize(
    "backend,stack", [("flow", "collapsed"), ("flow", "full"), ("packet", "full"), ("real", "full")]
)
def test_a_validator_is_asked_once_for_each_message(backend: str, stack: str) -> None:
    world, nodes = pair(backend=backend, stack=stack)
    asked: list[Any] = []
    nodes[1].validate("blocks", lambda message: asked.append(message) or "accept")  # type: ignore[func-returns-value]
    publish(world, nodes[0], b"one", b"two!", at="2s")
    run = world.run("3s")
    assert sorted((m.data, m.size) for m in asked) == [(b"one", 3), (b"two!", 4)]
    assert {(m.node, m.topic, m.sender, m.author) for m in asked} == {(1, "blocks", 0, 0)}
    assert all(2 < m.time < 3 for m in asked)
    assert len(run.deliveries) == 2


def test_its_word_counts() -> None:
    score = mc.PeerScore(topics={"blocks": mc.TopicScore(invalid_message_deliveries_weight=-1)})
    world, nodes = pair(score=score)
    words = {b"good": "accept", b"bad": "reject", b"odd": "ignore"}
    nodes.validate("blocks", lambda message: words[message.data])
    publish(world, nodes[0], *words)
    seen: list[Any] = []
    world.at("5.5s", lambda: seen.append(nodes[1].scores()))
    run = world.run("6s")
    assert list(run.deliveries.node) == [1] and len(run.messages) == 3
    assert list(run.rejections.node) == [1] and list(run.rejections["from"]) == [0]
    assert seen[0].p4.item() == -1  # for one message of the three


def test_no_validator_and_another_one_in_its_place() -> None:
    world, nodes = pair()
    nodes.validate("blocks", lambda message: "reject")
    world.at("6s", lambda: nodes.validate("blocks", None))
    world.at("8s", lambda: nodes.validate("blocks", lambda message: ("accept", 0.25)))
    for at in ("5s", "7s", "9s"):
        publish(world, nodes[0], at.encode(), at=at)
    run = world.run("10s")
    first, second = latencies(run)
    assert second == pytest.approx(first + 0.25, abs=1e-3)
    assert len(run.rejections) == 1


def test_work_is_done_by_so_many_processors_in_order_of_coming() -> None:
    takes = {b"a": "100ms", b"b": "300ms", b"c": "100ms", b"d": "100ms", b"e": "0s"}

    def waits(**changes: Any) -> list[float]:
        world, nodes = pair(**changes)
        nodes.validate("blocks", lambda message: ("accept", takes[message.data]))
        publish(world, nodes[0], b"a", b"b", b"c", b"d")
        publish(world, nodes[0], b"e", at="8s")
        return latencies(world.run("9s"))

    base, *one = waits()
    assert one == pytest.approx([base + wait for wait in (0.1, 0.4, 0.5, 0.6)], abs=2e-3)
    base, *two = waits(validation_workers=2)  # c begins when a is done, d when c is
    assert two == pytest.approx([base + wait for wait in (0.1, 0.2, 0.3, 0.3)], abs=2e-3)
    base, *all_ = waits(validation_workers=4)
    assert all_ == pytest.approx([base + wait for wait in (0.1, 0.1, 0.1, 0.3)], abs=2e-3)


def test_who_says_nothing_of_time_takes_the_usual() -> None:
    world, nodes = pair(validation_delay="200ms")
    nodes.validate("blocks", lambda message: "accept" if message.data == b"usual" else ("accept", "0s"))
    publish(world, nodes[0], b"quick")
    publish(world, nodes[0], b"usual", at="7s")
    quick, usual = latencies(world.run("9s"))
    assert usual == pytest.approx(quick + 0.2, abs=1e-3)


def test_what_the_queue_has_no_room_for_is_dropped_unseen() -> None:
    world, nodes = pair(topic_validation_queue=2)
    asked: list[bytes] = []

    def slow(message: Any) -> tuple[str, str]:
        asked.append(message.data)
        return "accept", "1s"

    nodes.validate("blocks", slow)
    publish(world, nodes[0], *(bytes([i]) for i in range(5)))
    run = world.run("9s")
    assert len(asked) == 2 and len(run.deliveries) == 2
    assert list(run.rejections.node) == [1] * 3


def test_validators_outlive_a_restart() -> None:
    world, nodes = pair()
    nodes[1].validate("blocks", lambda message: "reject")
    world.at("2s", lambda: nodes[1].restart(new_identity=True))
    world.at("4s", lambda: world.bootstrap(nodes, mc.overlay.full()))
    publish(world, nodes[0], b"after", at="8s")
    asked: list[Any] = []
    nodes[0].validate("blocks", lambda message: asked.append(message.author) or "accept")  # type: ignore[func-returns-value]
    publish(world, nodes[1], b"who am I", at="9s")
    run = world.run("10s")
    assert list(run.deliveries.node) == [0] and list(run.rejections.node) == [1]
    assert asked == [1]  # by its new name


def test_unsigned_messages_have_no_author() -> None:
    world, nodes = pair(signing="strict-no-sign")
    asked: list[Any] = []
    nodes.validate("blocks", lambda message: asked.append((message.sender, message.author)) or "accept")  # type: ignore[func-returns-value]
    publish(world, nodes[0], b"by nobody")
    world.run("6s")
    assert asked == [(0, None)]


def test_the_same_seed_gives_the_same_run() -> None:
    def once(seed: int, limit: int) -> str:
        world = mc.World(stack="collapsed", seed=seed, internet=mc.internet.uniform(("10ms", "90ms")))
        nodes = world.add(30, mc.GossipSub(validation_delay="2ms"))
        world.bootstrap(nodes, mc.overlay.random(6))
        nodes.subscribe("blocks")
        nodes.validate("blocks", lambda m: ("reject" if m.data[0] < limit else "accept", m.data[1] / 1000))
        world.every("500ms", lambda: nodes.sample(2).publish("blocks", size=500), start="3s")
        return str(world.run("10s").fingerprint)

    assert once(1, 60) == once(1, 60)
    assert len({once(1, 60), once(1, 0), once(2, 60)}) == 3


def test_what_it_raises_ends_the_run() -> None:
    world, nodes = pair()

    def broken(message: Any) -> str:
        raise KeyError("no such block")

    nodes.validate("blocks", broken)
    publish(world, nodes[0], b"x")
    with pytest.raises(KeyError, match="no such block"):
        world.run("6s")


@pytest.mark.parametrize("answer", [None, True, "accepted", ("accept",), ("yes", "5ms"), ("accept", 1, 2)])
def test_answers_that_are_none(answer: Any) -> None:
    world, nodes = pair()
    nodes.validate("blocks", lambda message: answer)
    publish(world, nodes[0], b"x")
    with pytest.raises(ConfigError) as refused:
        world.run("6s")
    assert str(refused.value) == (
        "Nodes.validate: a validator must return one of accept, reject, ignore, or that and a duration,"
        f" not {answer!r}"
    )


@pytest.mark.parametrize("work", ["soon", -1, "5 parsecs"])
def test_work_that_is_no_duration(work: Any) -> None:
    world, nodes = pair()
    nodes.validate("blocks", lambda message: ("accept", work))
    publish(world, nodes[0], b"x")
    with pytest.raises(ConfigError, match="expected a duration such as"):
        world.run("6s")


def test_nonsense_is_refused() -> None:
    world, nodes = pair()
    with pytest.raises(ConfigError, match="Nodes.validate: the validator must be callable, not str"):
        nodes.validate("blocks", "reject")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="Nodes.validate: topic must be a name, not 3"):
        nodes.validate(3, None)  # type: ignore[arg-type]
    for workers, error in (
        (0, "validation_workers .* must be at least 1"),
        (70000, "validation_workers must be a whole number of at least 0 and below 65536, not 70000"),
    ):
        with pytest.raises(ConfigError, match=error):
            world.add(1, mc.GossipSub(validation_workers=workers))
    other = mc.World()
    other.add(1, mc.Node()).validate("blocks", lambda message: "accept")
    with pytest.raises(ConfigError, match="node 0 does not run gossipsub"):
        other.run("1s")
