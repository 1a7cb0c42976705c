"""A NAT or firewall of the Linux kernel, between hosts that are network namespaces of our own.

    x 10.0.1.2 ──┐
                 ├── box (192.0.2.1 outside) ── net ──┬── a 198.51.100.2
    y 10.0.2.2 ──┘                                    └── b 203.0.113.2

No packet leaves the namespaces: nothing in them is connected to anything else.
"""

from __future__ import annotations

import ctypes
import itertools
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

EXTERNAL = "192.0.2.1"
ADDRESSES = {"x": "10.0.1.2", "y": "10.0.2.2", "a": "198.51.100.2", "b": "203.0.113.2"}
HOSTS = {address: host for host, address in ADDRESSES.items()}
NAMES = [*ADDRESSES, "box", "net"]
LINKS = [
    ("x", "eth0", "box", "in-x"),
    ("y", "eth0", "box", "in-y"),
    ("a", "eth0", "net", "in-a"),
    ("b", "eth0", "net", "in-b"),
    ("box", "out", "net", "in-box"),
]
PATIENCE = 0.25  # seconds until what has not come is taken for lost: nothing here takes a millisecond


def _setup(devices: dict[str, str], routes: dict[str, str]) -> str:
    """Addresses of devices and gateways of routes, as commands for `ip -batch`."""
    lines = ["link set lo up"]
    for device, address in devices.items():
        lines += [f"addr add {address}/24 dev {device}", f"link set {device} up"]
    return "\n".join([*lines, *(f"route add {to} via {gateway}" for to, gateway in routes.items())]) + "\n"


SETUPS = {
    "x": _setup({"eth0": "10.0.1.2"}, {"default": "10.0.1.1"}),
    "y": _setup({"eth0": "10.0.2.2"}, {"default": "10.0.2.1"}),
    "a": _setup({"eth0": "198.51.100.2"}, {"default": "198.51.100.1"}),
    "b": _setup({"eth0": "203.0.113.2"}, {"default": "203.0.113.1"}),
    "box": _setup({"in-x": "10.0.1.1", "in-y": "10.0.2.1", "out": EXTERNAL}, {"default": "192.0.2.254"}),
    "net": _setup(
        {"in-a": "198.51.100.1", "in-b": "203.0.113.1", "in-box": "192.0.2.254"}, {"10.0.0.0/16": EXTERNAL}
    ),
}

_numbers = itertools.count()
_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)

Endpoint = tuple[str, int]


def run(*command: str, given: str | None = None) -> None:
    """Runs a command, and says what it said when it fails."""
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")


class KernelBox:
    """The namespaces with their links and the box's rules; sockets in them."""

    def __init__(self, rules: str, sysctls: dict[str, int] | None = None) -> None:
        if os.geteuid() != 0:
            raise RuntimeError(
                'only root can make network namespaces; to leave this out: -m "not namespaces"'
            )
        self._prefix = f"mesocosm-{os.getpid()}-{next(_numbers)}-"
        self._sockets: dict[tuple[str, str, int], socket.socket] = {}
        self._connections: list[socket.socket] = []
        try:
            for name in NAMES:
                run("ip", "netns", "add", self._prefix + name)
            for one, one_device, other, other_device in LINKS:
                self._link(one, one_device, other, other_device)
            for name, setup in SETUPS.items():
                run("ip", "-n", self._prefix + name, "-batch", "-", given=setup)
            for router in ("box", "net"):
                self._sysctl(router, "net/ipv4/ip_forward", 1)
            run("ip", "netns", "exec", self._prefix + "box", "nft", "-f", "-", given=rules)
            for path, value in (sysctls or {}).items():
                self._sysctl("box", f"net/netfilter/{path}", value)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        for each in [*self._sockets.values(), *self._connections]:
            each.close()
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", self._prefix + name], capture_output=True, check=False)

    # --- datagrams

    def datagram(self, source: Endpoint, to: Endpoint) -> tuple[Endpoint, Endpoint] | None:
        """Sends one; who got it, from whom. None: nobody did."""
        sender = self._udp(source)
        listening = {
            key: each for key, each in self._sockets.items() if key[0] == "udp" and each is not sender
        }
        payload = os.urandom(8)
        sender.sendto(payload, to)
        deadline = time.monotonic() + PATIENCE
        over = False
        while not over:
            over = time.monotonic() >= deadline  # and then looks once more, if this process was kept waiting
            for (_, host, port), each in listening.items():
                try:
                    data, seen = each.recvfrom(64)
                except (BlockingIOError, ConnectionRefusedError):
                    continue
                if data == payload:
                    return (ADDRESSES[host], port), seen
            time.sleep(0.001)
        return None

    def open_udp(self, at: Endpoint) -> None:
        """Somebody is there for what may come."""
        self._udp(at)

    def _udp(self, at: Endpoint) -> socket.socket:
        key = ("udp", HOSTS[at[0]], at[1])
        if key not in self._sockets:
            self._sockets[key] = self._socket(HOSTS[at[0]], socket.SOCK_DGRAM, at)
        return self._sockets[key]

    # --- connections

    def listen(self, at: Endpoint) -> None:
        """From now on connections are taken there."""
        key = ("tcp", HOSTS[at[0]], at[1])
        if key not in self._sockets:
            self._sockets[key] = self._socket(HOSTS[at[0]], socket.SOCK_STREAM, at)
            self._sockets[key].listen()

    def dial(self, source: Endpoint, to: Endpoint) -> tuple[Endpoint, Endpoint] | str:
        """Connects; who took the connection, and as from whom. Else "refused" or "lost"."""
        dialer = self._socket(HOSTS[source[0]], socket.SOCK_STREAM, source)
        self._connections.append(dialer)
        try:
            dialer.settimeout(PATIENCE)
            dialer.connect(to)
        except ConnectionRefusedError:
            return "refused"
        except TimeoutError:
            dialer.close()
            return "lost"
        for (kind, host, port), each in self._sockets.items():
            if kind != "tcp":
                continue
            try:
                taken, seen = each.accept()
            except BlockingIOError:
                continue
            self._connections.append(taken)
            return (ADDRESSES[host], port), seen
        raise AssertionError(f"nobody took the connection from {source} to {to}")

    def carries(self, forward: bool) -> bool:
        """Whether a byte comes through the last connection, from who dialed (forward) or to it."""
        dialer, taker = self._connections[-2:]
        sender, receiver = (dialer, taker) if forward else (taker, dialer)
        sender.send(b"x")
        receiver.settimeout(PATIENCE)
        try:
            return receiver.recv(1) == b"x"
        except TimeoutError:
            return False

    # --- making

    def _socket(self, host: str, kind: int, at: Endpoint) -> socket.socket:
        with self._inside(host):
            made = socket.socket(socket.AF_INET, kind)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        made.bind(at)
        made.setblocking(False)
        return made

    @contextmanager
    def _inside(self, name: str) -> Iterator[None]:
        """This thread within a namespace; what it opens there stays there."""
        home = os.open("/proc/self/ns/net", os.O_RDONLY)
        there = os.open(f"/var/run/netns/{self._prefix}{name}", os.O_RDONLY)
        try:
            self._enter(there)
            try:
                yield
            finally:
                self._enter(home)
        finally:
            os.close(there)
            os.close(home)

    @staticmethod
    def _enter(namespace: int) -> None:
        if _libc.setns(namespace, _CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")

    def _sysctl(self, name: str, path: str, value: int) -> None:
        with self._inside(name):
            Path("/proc/sys", path).write_text(str(value))

    def _link(self, one: str, one_device: str, other: str, other_device: str) -> None:
        ends = ["name", one_device, "netns", self._prefix + one, "type", "veth"]
        peer = ["peer", "name", other_device, "netns", self._prefix + other]
        run("ip", "link", "add", *ends, *peer)
