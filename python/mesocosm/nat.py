"""What nodes sit behind: `World.add(10, node, behind=Nat())`, `Firewall()`. Plain values, checked when they are made.

The words are RFC 4787's and RFC 5382's; docs/nat-model.md has their meaning here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .errors import ConfigError
from .units import Duration, duration_ns

SCOPES = ("endpoint-independent", "address-dependent", "address-and-port-dependent")
PORTS = ("preservation", "overloading", "sequential", "random")


@dataclass(frozen=True, kw_only=True)
class Firewall:
    """A stateful firewall: lets in what was asked for from the inside. Nodes keep their public addresses.

    filtering  who may send to an endpoint that has sent to somebody: "endpoint-independent" (anybody),
               "address-dependent" (that host) or "address-and-port-dependent" (that endpoint)
    refuses    answer a SYN that may not come in with a reset, instead of dropping it
    inbound_refresh  inbound datagrams refresh a session too, not only outbound ones
    udp_timeout, udp_unanswered_timeout  idle time of datagrams' sessions, and until they went both ways (None: the same)
    tcp_established_timeout, tcp_transitory_timeout  idle time of open connections, and of opening or closed ones
    max_sessions  the table's size; what would be one more is dropped
    hosts      how many nodes are behind each one, at one place and on one access link; they are on a LAN together
    """

    filtering: str = "address-and-port-dependent"
    refuses: bool = False
    inbound_refresh: bool = False
    udp_timeout: Duration = "5min"
    udp_unanswered_timeout: Duration | None = None
    tcp_established_timeout: Duration = "124min"
    tcp_transitory_timeout: Duration = "4min"
    max_sessions: int = 65536
    hosts: int = 1

    def __post_init__(self) -> None:
        self._check_choice("filtering", SCOPES)
        self._check_flags("refuses", "inbound_refresh")
        self._check_count("max_sessions", 2**32 - 1)
        self._check_count("hosts", 2**32 - 1)
        for name in ("udp_timeout", "tcp_established_timeout", "tcp_transitory_timeout"):
            self._duration_ns(name)

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core; raises ConfigError for values that make no sense."""
        unanswered = "udp_timeout" if self.udp_unanswered_timeout is None else "udp_unanswered_timeout"
        return {
            "translates": False,
            "mapping": 0,
            "filtering": SCOPES.index(self.filtering),
            "ports": 0,
            "keep_parity": False,
            "hairpinning": False,
            "refuses": self.refuses,
            "inbound_refresh": self.inbound_refresh,
            "udp_timeout_ns": self._duration_ns("udp_timeout"),
            "udp_unanswered_timeout_ns": self._duration_ns(unanswered),
            "tcp_established_timeout_ns": self._duration_ns("tcp_established_timeout"),
            "tcp_transitory_timeout_ns": self._duration_ns("tcp_transitory_timeout"),
            "first_port": 1024,
            "last_port": 65535,
            "max_sessions": self.max_sessions,
        }

    def _wrong(self, name: str, expected: str) -> ConfigError:
        return ConfigError(f"{type(self).__name__}: {name} must be {expected}, not {getattr(self, name)!r}")

    def _check_choice(self, name: str, choices: tuple[str, ...]) -> None:
        if getattr(self, name) not in choices:
            raise self._wrong(name, f"one of {', '.join(choices)}")

    def _check_flags(self, *names: str) -> None:
        for name in names:
            if not isinstance(getattr(self, name), bool):
                raise self._wrong(name, "True or False")

    def _check_count(self, name: str, most: int) -> None:
        value = getattr(self, name)
        if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
            raise self._wrong(name, f"a whole number from 1 to {most}")

    def _duration_ns(self, name: str) -> int:
        time = duration_ns(getattr(self, name))
        if time <= 0:
            raise self._wrong(name, "longer than zero")
        return time


@dataclass(frozen=True, kw_only=True)
class Nat(Firewall):
    """A NAT: its nodes have private IPv4 addresses and share its public one. Defaults are what RFC 4787 asks for.

    Beside what a firewall has:

    mapping     for which remote endpoints an internal endpoint keeps its external one: "endpoint-independent" (all),
                "address-dependent" (each host another) or "address-and-port-dependent" (each endpoint another)
    ports       the external port: "preservation" of the internal one where it is free, "overloading" (Linux: a port may
                serve several internal endpoints, if the remote ones differ), "sequential" or "random"
    keep_parity even ports become even ones, and odd ones odd
    hairpinning nodes behind it reach each other at its public address
    port_range  first and last of the external ports, 1024 or above
    """

    mapping: str = "endpoint-independent"
    ports: str = "preservation"
    keep_parity: bool = False
    hairpinning: bool = True
    port_range: tuple[int, int] = (1024, 65535)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._check_choice("mapping", SCOPES)
        self._check_choice("ports", PORTS)
        self._check_flags("keep_parity", "hairpinning")
        if not (
            isinstance(self.port_range, tuple)
            and len(self.port_range) == 2
            and all(isinstance(port, int) for port in self.port_range)
            and 1024 <= self.port_range[0] <= self.port_range[1] <= 65535
        ):
            raise self._wrong("port_range", "a first and a last port from 1024 to 65535")
        if self.ports == "overloading" and (self.mapping, self.filtering) != (SCOPES[0], SCOPES[2]):
            raise ConfigError(f'Nat: ports "overloading" needs {SCOPES[0]} mapping and {SCOPES[2]} filtering')

    @classmethod
    def full_cone(cls, **changes: Any) -> Nat:
        """RFC 3489's full cone: anybody may send to a mapping."""
        values: dict[str, Any] = {"filtering": "endpoint-independent", **changes}
        return cls(**values)

    @classmethod
    def restricted_cone(cls, **changes: Any) -> Nat:
        """RFC 3489's restricted cone: hosts may that were sent to."""
        values: dict[str, Any] = {"filtering": "address-dependent", **changes}
        return cls(**values)

    @classmethod
    def port_restricted_cone(cls, **changes: Any) -> Nat:
        """RFC 3489's port restricted cone: endpoints may that were sent to. The same as Nat()."""
        return cls(**changes)

    @classmethod
    def symmetric(cls, **changes: Any) -> Nat:
        """RFC 3489's symmetric NAT: another external endpoint, at random, for each remote one."""
        values: dict[str, Any] = {"mapping": "address-and-port-dependent", "ports": "random", **changes}
        return cls(**values)

    @classmethod
    def linux(cls, *, fully_random: bool = False, **changes: Any) -> Nat:
        """The Linux kernel's masquerading, with its timers, as most homes have it; `fully_random`: with that option."""
        values: dict[str, Any] = {
            "ports": "overloading",
            "hairpinning": False,
            "inbound_refresh": True,
            "udp_timeout": "120s",
            "udp_unanswered_timeout": "30s",
            "tcp_established_timeout": "120h",
            "tcp_transitory_timeout": "120s",
        }
        if fully_random:
            values |= {"mapping": "address-and-port-dependent", "ports": "random"}
        return cls(**{**values, **changes})

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core."""
        return {
            **super().to_config(),
            "translates": True,
            "mapping": SCOPES.index(self.mapping),
            "ports": PORTS.index(self.ports),
            "keep_parity": self.keep_parity,
            "hairpinning": self.hairpinning,
            "first_port": self.port_range[0],
            "last_port": self.port_range[1],
        }
