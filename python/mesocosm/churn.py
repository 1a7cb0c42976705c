"""How long nodes stay, and stay away: models for `World.churn`. Sources and fits: docs/churn.md."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .errors import ConfigError
from .units import Duration, duration_ns


class Sessions:
    """A model of how long something lasts; the classes below are."""

    def expected(self) -> float:
        """The mean time, s."""
        raise NotImplementedError

    def to_config(self) -> dict[str, Any]:
        """The same as plain numbers for the core."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Exponential(Sessions):
    """Without memory: who has stayed for long is as likely to go as who has just come."""

    mean: Duration

    def __post_init__(self) -> None:
        _positive_ns("Exponential", "mean", self.mean)

    def expected(self) -> float:
        return duration_ns(self.mean) * 1e-9

    def to_config(self) -> dict[str, Any]:
        return _config("exponential", scale_ns=duration_ns(self.mean))


@dataclass(frozen=True, kw_only=True)
class Weibull(Sessions):
    """P(longer than t) = exp(-(t / scale)^shape): with a shape below 1, who has stayed for long stays longer."""

    shape: float
    scale: Duration

    def __post_init__(self) -> None:
        _positive_ns("Weibull", "scale", self.scale)
        if not 0.1 <= self.shape < math.inf:
            raise ConfigError(f"Weibull: shape must be a number of at least 0.1, not {self.shape!r}")

    def expected(self) -> float:
        return duration_ns(self.scale) * 1e-9 * math.gamma(1 + 1 / self.shape)

    def to_config(self) -> dict[str, Any]:
        return _config("weibull", scale_ns=duration_ns(self.scale), shape=float(self.shape))


@dataclass(frozen=True, kw_only=True)
class LogNormal(Sessions):
    """Half of the times are shorter than the median; sigma is the standard deviation of their natural logarithm."""

    median: Duration
    sigma: float

    def __post_init__(self) -> None:
        _positive_ns("LogNormal", "median", self.median)
        if not 0 < self.sigma <= 10:
            raise ConfigError(f"LogNormal: sigma must be above 0 and at most 10, not {self.sigma!r}")

    def expected(self) -> float:
        return duration_ns(self.median) * 1e-9 * math.exp(self.sigma**2 / 2)

    def to_config(self) -> dict[str, Any]:
        return _config("log_normal", scale_ns=duration_ns(self.median), shape=float(self.sigma))


@dataclass(frozen=True)
class Trace(Sessions):
    """Times that were measured, each as likely as the others: strings such as "20min", or numbers of seconds."""

    times: tuple[Duration, ...]

    def __init__(self, times: Iterable[Duration]) -> None:
        object.__setattr__(self, "times", tuple(times))
        if not self.times:
            raise ConfigError("Trace: there are no times")
        for time in self.times:
            _positive_ns("Trace", "a time", time)

    def expected(self) -> float:
        return sum(map(duration_ns, self.times)) * 1e-9 / len(self.times)

    def to_config(self) -> dict[str, Any]:
        return _config("trace", times_ns=[duration_ns(time) for time in self.times])


def ipfs_2021() -> Weibull:
    """Sessions in the IPFS network, week 44 of 2021: half are over after an hour."""
    return Weibull(shape=0.515, scale="2.08h")


def ipfs_2023() -> Weibull:
    """Sessions in the IPFS network, week 4 of 2023: half are over after two minutes, a tenth lasts six hours."""
    return Weibull(shape=0.232, scale="0.18h")


def filecoin_2021() -> Weibull:
    """Sessions in the Filecoin network, week 42 of 2021: half are over after two and a half hours."""
    return Weibull(shape=0.256, scale="10.4h")


def _positive_ns(what: str, name: str, value: Duration) -> None:
    if duration_ns(value) <= 0:
        raise ConfigError(f"{what}: {name} must be longer than zero, not {value!r}")


def _config(
    kind: str, *, scale_ns: int = 1, shape: float = 1.0, times_ns: list[int] | None = None
) -> dict[str, Any]:
    return {"kind": kind, "scale_ns": scale_ns, "shape": shape, "times_ns": times_ns or []}
