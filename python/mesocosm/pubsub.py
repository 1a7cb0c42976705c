"""What a node's messages travel by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class PubSub:
    """What a node's messages travel by: GossipSub, or a baseline beside it."""

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core."""
        raise NotImplementedError
