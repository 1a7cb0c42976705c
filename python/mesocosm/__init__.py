"""Mesocosm: a real peer-to-peer network kept under controlled conditions."""

from . import attacks, churn, internet, keys, overlay, real, rounds, topology
from ._core import __version__
from .analysis import Run, load
from .comparison import Comparison, compare
from .emulation import Namespace
from .epidemics import Cyclon, HyParView, Plumtree, Rumors
from .errors import ConfigError, RunError
from .nat import Firewall, Nat
from .node import FloodSub, GossipSub, Node, RandomSub
from .plugins import build_variant, load_variants
from .score import PeerScore, TopicScore, score_decay
from .script import main
from .variant import Variant, variants
from .world import Fault, FaultPoint, Nodes, World, fault_points

__all__ = [
    "Comparison",
    "ConfigError",
    "Cyclon",
    "Fault",
    "FaultPoint",
    "Firewall",
    "FloodSub",
    "GossipSub",
    "HyParView",
    "Namespace",
    "Nat",
    "Node",
    "Nodes",
    "PeerScore",
    "Plumtree",
    "RandomSub",
    "Rumors",
    "Run",
    "RunError",
    "TopicScore",
    "Variant",
    "World",
    "__version__",
    "attacks",
    "build_variant",
    "churn",
    "compare",
    "fault_points",
    "internet",
    "keys",
    "load",
    "load_variants",
    "main",
    "overlay",
    "real",
    "rounds",
    "score_decay",
    "topology",
    "variants",
]
