"""Quantities as people write them: "12s", "50ms", "128KiB", "100Mbit". Bare numbers are seconds, bytes, bits per second."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from .errors import ConfigError

Duration = str | float | int
Size = str | int
Rate = str | float | int

_DURATIONS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "min": 60 * 10**9,
    "h": 3600 * 10**9,
}
_PREFIXES = {"": 1, "k": 10**3, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_PREFIXES |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZES = {prefix + "B": factor for prefix, factor in _PREFIXES.items()}
_RATES = {
    prefix + unit: factor * bits
    for prefix, factor in _PREFIXES.items()
    for unit, bits in (("bit", 1), ("bit/s", 1), ("bps", 1), ("B/s", 8))
}
_QUANTITY = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([^\s0-9.]\S*)\s*")
_LARGEST = 2**63 - 1


def duration_ns(value: Duration) -> int:
    """Nanoseconds, rounded: 12 and "12s" are 12 seconds; also ns, us, ms, min, h."""
    return _whole(value, "a duration", '"12s" or "50ms"', _DURATIONS, 10**9)


def size_bytes(value: Size) -> int:
    """Bytes: 500, "128KiB" (1,024), "1MB" (1,000,000)."""
    return _whole(value, "a size", '"128KiB" or "1MB"', _SIZES, 1)


def rate_bps(value: Rate) -> int:
    """Bits per second: 5e7, "50Mbit", "50Mbit/s", "50Mbps", "6.25MB/s"."""
    return _whole(value, "a rate", '"100Mbit" or "12MB/s"', _RATES, 1)


def _whole(value: object, what: str, example: str, units: dict[str, int], bare: int) -> int:
    """The quantity as a whole number of the smallest unit, exactly as far as it is one."""
    wrong = f"expected {what} such as {example}, not {value!r}"
    if isinstance(value, str):
        match = _QUANTITY.fullmatch(value)
        if match is None:
            raise ConfigError(wrong)
        if match[2] not in units:
            raise ConfigError(f"{wrong}: the units are {', '.join(units)}")
        amount = Decimal(match[1]) * units[match[2]]
    elif isinstance(value, bool) or not hasattr(value, "__float__"):
        raise ConfigError(wrong)
    else:
        number = float(value)
        if not math.isfinite(number):
            raise ConfigError(wrong)
        amount = Decimal(str(value)) * bare
    if amount < 0:
        raise ConfigError(f"{wrong}: it is below zero")
    if amount > _LARGEST:
        raise ConfigError(f"{wrong}: it is too large")
    return int(amount.to_integral_value())
