"""Variants of GossipSub: what is known by name."""

from __future__ import annotations

import pandas as pd

from . import _core


def variants() -> pd.DataFrame:
    """The variants of GossipSub that `GossipSub(variant=...)` knows: a row a name.

    summary   what it is, in a sentence
    draft     of which day the draft is that it follows; "": it follows no draft
    settings  the numbers that it can be given, with their standards
    """
    rows = [
        {"name": name, "summary": summary, "draft": draft, "settings": {o[0]: o[1] for o in options}}
        for name, summary, draft, options in _core.variants()
    ]
    return pd.DataFrame(rows).set_index("name")
