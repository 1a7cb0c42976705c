"""Quantities as people write them."""

import numpy as np
import pytest
from mesocosm.errors import ConfigError
from mesocosm.units import duration_ns, rate_bps, size_bytes


@pytest.mark.parametrize(
    "value, ns",
    [
        ("12s", 12 * 10**9),
        ("50ms", 50 * 10**6),
        ("1.5us", 1500),
        ("7ns", 7),
        ("2min", 120 * 10**9),
        ("0.5h", 1800 * 10**9),
        (" 3 s ", 3 * 10**9),
        (0.1, 10**8),
        (0, 0),
        (np.float64(2.5), 2_500_000_000),
        (np.int64(3), 3 * 10**9),
    ],
)
def test_durations(value, ns):
    assert duration_ns(value) == ns


@pytest.mark.parametrize(
    "value, count",
    [(500, 500), ("128KiB", 131072), ("1MB", 10**6), ("1kB", 1000), ("0.5GiB", 2**29), ("9B", 9)],
)
def test_sizes(value, count):
    assert size_bytes(value) == count


@pytest.mark.parametrize(
    "value, bps",
    [
        (5e7, 50_000_000),
        ("100Mbit", 10**8),
        ("1Gbit/s", 10**9),
        ("10Mbps", 10**7),
        ("2MB/s", 16 * 10**6),
    ],
)
def test_rates(value, bps):
    assert rate_bps(value) == bps


@pytest.mark.parametrize(
    "value", ["", "s", "12", "12 parsecs", "-1s", -1, True, None, [], float("nan"), float("inf"), 1e30]
)
def test_what_is_no_duration_is_refused_by_name(value):
    with pytest.raises(ConfigError, match="duration"):
        duration_ns(value)


def test_messages_name_the_units():
    with pytest.raises(ConfigError, match='not "?.12Mbit.*the units are B, kB'):
        size_bytes("12Mbit")
