"""Mesocosm: a real peer-to-peer network kept under controlled conditions."""

from . import attacks, internet, keys, overlay, real, topology
from ._core import __version__
from .analysis import Run, load
from .emulation import Namespace
from .errors import ConfigError, RunError
from .nat import Firewall, Nat
from .node import FloodSub, GossipSub, Node, RandomSub
from .score import PeerScore, TopicScore, score_decay
from .script import main
from .variant import variants
from .world import Fault, Nodes, World

__all__ = [
    "ConfigError",
    "Fault",
    "Firewall",
    "FloodSub",
    "GossipSub",
    "Namespace",
    "Nat",
    "Node",
    "Nodes",
    "PeerScore",
    "RandomSub",
    "Run",
    "RunError",
    "TopicScore",
    "World",
    "__version__",
    "attacks",
    "internet",
    "keys",
    "load",
    "main",
    "overlay",
    "real",
    "score_decay",
    "topology",
    "variants",
]
