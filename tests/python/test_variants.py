"""Variants of GossipSub: those that have names."""

from __future__ import annotations

import re

import mesocosm as mc
import pytest

from conftest import gossip_world


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
        (dict(variant=7), "variant must be a name, not 7"),
        (dict(settings={"a": 1}), "settings belong to a variant"),
        (dict(variant="v1.1", settings={"a": 1}), "variant v1.1 has no setting a; it has none"),
    ],
)
def test_nonsense_is_refused(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(mc.ConfigError, match=re.escape(words)):
        mc.World().add(1, mc.GossipSub(**wrong))  # type: ignore[arg-type]
