"""Models of the Internet, as plain values that a World is made with.

    mc.World(internet=mc.internet.ethereum_2025())

`ethereum_2025`, `polygon_2025`, `ipfs` and `cities` stand on measured data (docs/internet-model.md); `uniform`, `star` and
`matrix` are as simple as they say. Latencies are one-way unless said otherwise.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import math
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import ConfigError
from .units import Duration, Rate, duration_ns, rate_bps

LONGEST_NS = 2 * 10**9  # of a latency
MOST_ROWS = 8192  # of a matrix or a table of cities
MOST_SPOKES = 65_534
DISCIPLINES = ("drop_tail", "codel", "fq_codel")

# Both directions, or (up, down); a list of these: hosts have them in turn.
Bandwidth = Rate | tuple[Rate, Rate] | list[Rate | tuple[Rate, Rate]]
Array = npt.NDArray[np.float64]


class Internet:
    """What a World's nodes are placed in. Made by the functions of this module."""

    def to_config(self) -> dict[str, Any]:
        """The model as plain values for the core."""
        raise NotImplementedError

    def describe(self) -> dict[str, Any]:
        """The model in a few words that go into a run's record."""
        return self.to_config()


@dataclass(frozen=True)
class Link:
    """The access link of every host of a synthetic network."""

    up_bps: int
    down_bps: int
    queue_ns: int
    jitter_ns: int
    loss: float
    discipline: str = "drop_tail"
    jitter_share: float = 0.0  # at most so much of a path's latency is added
    in_turn: tuple[tuple[int, int], ...] = ()  # up and down that hosts have in turn, in place of the above


@dataclass(frozen=True)
class Mix(Internet):
    name: str
    home_up_bps: int = 0
    home_down_bps: int = 0

    def to_config(self) -> dict[str, Any]:
        return {"kind": "mix", **asdict(self)}


@dataclass(frozen=True)
class Uniform(Internet):
    low_ns: int
    high_ns: int
    link: Link

    def to_config(self) -> dict[str, Any]:
        return {"kind": "uniform", **asdict(self)}


@dataclass(frozen=True)
class Star(Internet):
    spokes_ns: tuple[int, ...]
    link: Link

    def to_config(self) -> dict[str, Any]:
        return {"kind": "star", "spokes_ns": list(self.spokes_ns), "link": asdict(self.link)}


@dataclass(frozen=True, eq=False)
class Matrix(Internet):
    one_way_ns: npt.NDArray[np.int64] = field(repr=False)
    link: Link
    source: str

    def to_config(self) -> dict[str, Any]:
        size = len(self.one_way_ns)
        return {
            "kind": "matrix",
            "size": size,
            "one_way_ns": self.one_way_ns.ravel(),
            "link": asdict(self.link),
        }

    def describe(self) -> dict[str, Any]:
        digest = hashlib.sha256(self.one_way_ns.tobytes()).hexdigest()
        size = len(self.one_way_ns)
        return {
            "kind": "matrix",
            "source": self.source,
            "size": size,
            "sha256": digest,
            "link": asdict(self.link),
        }


@dataclass(frozen=True)
class Place:
    """A city of one's own. `share` is relative to the others'; `hosting` the share of its nodes in data centres."""

    name: str
    country: str
    latitude: float
    longitude: float
    share: float = 1.0
    hosting: float = 1.0


@dataclass(frozen=True)
class Places(Internet):
    places: tuple[Place, ...]

    def to_config(self) -> dict[str, Any]:
        return {"kind": "places", "places": [asdict(place) for place in self.places]}


def ethereum_2025(*, home_up: Rate = "15Mbit", home_down: Rate = "50Mbit") -> Internet:
    """Ethereum's nodes as they were spread over countries, cities and data centres in November 2025.

    Homes have their country's measured rates, but at least what the network asks of a full node: 15 Mbit/s up and
    50 Mbit/s down (EIP-7870). Lower the two to study homes that fall short of it.
    """
    return Mix("ethereum_2025", rate_bps(home_up), rate_bps(home_down))


def polygon_2025() -> Internet:
    """Polygon's nodes, November 2025."""
    return Mix("polygon_2025")


def ipfs() -> Internet:
    """IPFS's addresses as seen in January 2023, about half of them at home."""
    return Mix("ipfs_2023")


def uniform(
    latency: Duration | tuple[Duration, Duration] = "50ms",
    *,
    bandwidth: Bandwidth = "1Gbit",
    queue: Duration = "50ms",
    jitter: Duration = 0,
    loss: float = 0.0,
    discipline: str = "drop_tail",
) -> Internet:
    """The same for all: one latency, or one drawn for each pair between two bounds.

    bandwidth  of each host's link, both ways or (up, down); a list of these: host i has the i-th, then again from the first
    queue      the longest that a packet waits for the link before packets are dropped
    jitter     the median extra delay that each end of a path adds (log-normal, sigma 1.2, in order); or the most that a
               path adds as a share of its latency, such as "10%" (uniform from nothing to that, in order)
    loss       the share of packets lost at each end of a path
    discipline of the packets that wait for a link: "drop_tail" (the last to come is dropped when they would wait too
               long), or on the packet backend "codel" (RFC 8289) or "fq_codel" (RFC 8290)
    """
    low_ns, high_ns = (latency_ns("uniform: latency", bound) for bound in _both("uniform: latency", latency))
    if low_ns > high_ns:
        raise ConfigError(f"uniform: latency: the bounds {latency!r} are the wrong way round")
    return Uniform(low_ns, high_ns, access_link("uniform", bandwidth, queue, jitter, loss, discipline))


def star(
    spokes: Duration | Sequence[Duration] = "25ms",
    *,
    bandwidth: Bandwidth = "1Gbit",
    queue: Duration = "50ms",
    jitter: Duration = 0,
    loss: float = 0.0,
    discipline: str = "drop_tail",
) -> Internet:
    """Node 0 in the middle; the others in turn at these latencies from it, and meeting through it.

    The other parameters are `uniform`'s.
    """
    given = [spokes] if isinstance(spokes, (str, int, float)) else list(spokes)
    if not 1 <= len(given) <= MOST_SPOKES:
        raise ConfigError(f"star: 1 to {MOST_SPOKES} spokes are possible, not {len(given)}")
    latencies = tuple(latency_ns(f"star: spoke {i}", spoke) for i, spoke in enumerate(given))
    return Star(latencies, access_link("star", bandwidth, queue, jitter, loss, discipline))


def matrix(
    source: str | PathLike[str] | npt.ArrayLike,
    *,
    unit: str = "ms",
    kind: str = "rtt",
    name: str | None = None,
    bandwidth: Bandwidth = "1Gbit",
    queue: Duration = "50ms",
    jitter: Duration = 0,
    loss: float = 0.0,
    discipline: str = "drop_tail",
) -> Internet:
    """Latencies of one's own: node i is row i of the matrix, and begins again at row 0 when the rows are used up.

    source  a .csv (or .csv.gz; with or without names in the first row and column), .npz or .npy file, or an array
    unit    of its numbers: "s", "ms", "us", "ns"
    kind    "rtt" (half of it is taken each way) or "one-way"
    name    which array of a .npz file, if it has several

    The diagonal is the latency between two nodes of one row; missing, it is zero. Other entries must all be there.
    The other parameters are `uniform`'s.
    """
    if kind not in ("rtt", "one-way"):
        raise ConfigError(f'matrix: kind must be "rtt" or "one-way", not {kind!r}')
    factor = {"s": 1e9, "ms": 1e6, "us": 1e3, "ns": 1.0}.get(unit)
    if factor is None:
        raise ConfigError(f'matrix: unit must be "s", "ms", "us" or "ns", not {unit!r}')
    if isinstance(source, (str, PathLike)):
        where = str(source)
        values = _read_matrix(Path(source), name)
    else:
        where = "matrix"
        values = _as_numbers(source, where)
    _check_matrix(values, where)
    one_way = values * (factor / 2 if kind == "rtt" else factor)
    too_long = np.argwhere(one_way > LONGEST_NS)
    if len(too_long):
        row, column = too_long[0]
        raise ConfigError(
            f"{where}: row {row}, column {column}: {values[row, column]:g} {unit} is over 2 s one-way"
        )
    one_way_ns = np.rint(np.where(np.isnan(one_way), 0, one_way)).astype(np.int64)
    return Matrix(one_way_ns, access_link("matrix", bandwidth, queue, jitter, loss, discipline), where)


def cities(source: str | PathLike[str] | Iterable[Place]) -> Internet:
    """Places of one's own, with the measured model's paths, last miles and access links.

    source  a CSV file with the columns city, country (ISO 3166 code), lat, lon, and, if wanted, share (default 1) and
            hosting (the share of nodes in data centres, default 1); or a list of Place
    """
    if isinstance(source, (str, PathLike)):
        where = str(source)
        places = _read_places(Path(source))
    else:
        where = "cities"
        places = list(source)
        for i, place in enumerate(places):
            if not isinstance(place, Place):
                raise ConfigError(f"cities: item {i} is not a Place but {type(place).__name__}")
            _check_place(place, f"cities: item {i}")
    if not 1 <= len(places) <= MOST_ROWS:
        raise ConfigError(f"{where}: 1 to {MOST_ROWS} cities are possible, not {len(places)}")
    return Places(tuple(places))


# --- reading and checking --------------------------------------------------------------------------------------------


def _both(what: str, value: Any) -> tuple[Any, Any]:
    """A pair as it is, a single value twice."""
    if not isinstance(value, tuple):
        return value, value
    if len(value) != 2:
        raise ConfigError(f"{what}: expected one value or two, not {value!r}")
    return value[0], value[1]


def latency_ns(what: str, value: Duration) -> int:
    try:
        latency = duration_ns(value)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None
    if latency > LONGEST_NS:
        raise ConfigError(f"{what}: {value!r} is over 2 s")
    return latency


def access_link(
    what: str,
    bandwidth: Bandwidth,
    queue: Duration,
    jitter: Duration,
    loss: float,
    discipline: str = "drop_tail",
) -> Link:
    """A checked Link; errors begin with `what`."""
    if isinstance(bandwidth, list) and not bandwidth:
        raise ConfigError(f"{what}: bandwidth: an empty list")
    given: list[Any] = bandwidth if isinstance(bandwidth, list) else [bandwidth]
    rates = [_rates(f"{what}: bandwidth", one) for one in given]
    jitter_share = 0.0
    try:
        if isinstance(jitter, str) and jitter.endswith("%"):
            jitter_share = float(jitter[:-1]) / 100
            jitter = 0
        jitter_ns, share = duration_ns(jitter), float(loss)
    except (ConfigError, TypeError, ValueError) as error:
        raise ConfigError(f"{what}: {error}") from None
    if jitter_ns > LONGEST_NS:
        raise ConfigError(f"{what}: jitter must be at most 2 s, not {jitter!r}")
    if not 0 <= jitter_share <= 10:
        raise ConfigError(f"{what}: jitter must be from 0% to 1000% of the latency, not {jitter_share:.0%}")
    if not 0 <= share < 1:
        raise ConfigError(f"{what}: loss must be at least 0 and below 1, not {loss!r}")
    return Link(
        *rates[0],
        queue_ns(what, queue),
        jitter_ns,
        share,
        checked_discipline(what, discipline),
        jitter_share,
        tuple(rates) if isinstance(bandwidth, list) else (),
    )


def _rates(what: str, bandwidth: Any) -> tuple[int, int]:
    """Up and down of a host's link."""
    up, down = _both(what, bandwidth)
    return checked_rate(what, up), checked_rate(what, down)


def checked_rate(what: str, rate: Rate) -> int:
    """Bits per second of a link."""
    try:
        bps = rate_bps(rate)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None
    if not 1 <= bps <= 10**15:
        raise ConfigError(f"{what} must be from 1 bit/s to 1000 Tbit/s, not {rate!r}")
    return bps


def queue_ns(what: str, queue: Duration) -> int:
    """The longest that a packet waits for a link."""
    try:
        longest = duration_ns(queue)
    except ConfigError as error:
        raise ConfigError(f"{what}: {error}") from None
    if not 0 < longest <= 60 * 10**9:
        raise ConfigError(f"{what}: queue must be longer than zero and at most 60 s, not {queue!r}")
    return longest


def checked_discipline(what: str, discipline: str) -> str:
    """One of DISCIPLINES."""
    if discipline not in DISCIPLINES:
        raise ConfigError(f"{what}: discipline must be one of {', '.join(DISCIPLINES)}, not {discipline!r}")
    return discipline


def _read_matrix(path: Path, name: str | None) -> Array:
    suffixes = path.suffixes
    try:
        if suffixes[-1:] in ([".npz"], [".npy"]):
            return _read_numpy(path, name)
        if suffixes[-1:] == [".csv"] or suffixes[-2:] == [".csv", ".gz"]:
            return _read_csv_matrix(path)
    except (OSError, EOFError, zipfile.BadZipFile, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from None
    raise ConfigError(f"{path}: a matrix is read from .csv, .csv.gz, .npz or .npy files")


def _read_numpy(path: Path, name: str | None) -> Array:
    try:
        loaded = np.load(path, allow_pickle=False)
        if not isinstance(loaded, np.lib.npyio.NpzFile):
            return _as_numbers(loaded, str(path))
        with loaded:
            squares = [key for key in loaded.files if loaded[key].ndim == 2] if name is None else [name]
            if len(squares) != 1:
                found = ", ".join(squares) or "none"
                raise ConfigError(f"{path}: say which array is meant with name=...; it has: {found}")
            if squares[0] not in loaded.files:
                raise ConfigError(f"{path}: no array {name!r}; it has: {', '.join(loaded.files)}")
            return _as_numbers(loaded[squares[0]], str(path))
    except ConfigError:
        raise
    except ValueError as error:  # what numpy says of bytes that are no array
        raise ConfigError(f"{path}: cannot be read: {error}") from None


def _read_csv_matrix(path: Path) -> Array:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8-sig", newline="") as file:  # type: ignore[operator]
        lines = [(n, row) for n, row in enumerate(csv.reader(file), 1) if row and not row[0].startswith("#")]
    if not lines:
        raise ConfigError(f"{path}: no rows")
    # Names are known by not being numbers: a first row of them, and a first column.
    if any(_is_name(cell) for cell in lines[0][1][1:]) or (
        len(lines[0][1]) == 1 and _is_name(lines[0][1][0])
    ):
        lines = lines[1:]
    skipped = 1 if lines and all(_is_name(row[0]) for _, row in lines) else 0
    width = len(lines[0][1]) if lines else 0
    values = np.empty((len(lines), width - skipped))
    for i, (number, row) in enumerate(lines):
        if len(row) != width:
            raise ConfigError(f"{path}: line {number}: {len(row)} cells where the first row has {width}")
        for j, cell in enumerate(row[skipped:]):
            try:
                values[i, j] = float(cell) if cell.strip() else math.nan
            except ValueError:
                raise ConfigError(
                    f"{path}: line {number}, column {j + skipped + 1}: not a number: {cell!r}"
                ) from None
    return values


def _is_name(cell: str) -> bool:
    if not cell.strip():
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False


def _as_numbers(source: npt.ArrayLike, where: str) -> Array:
    try:
        values = np.asarray(source)
        if values.dtype.kind not in "iuf":
            raise ValueError(f"its entries are {values.dtype}")
        return values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{where}: not a matrix of numbers: {error}") from None


def _check_matrix(values: Array, where: str) -> None:
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        shape = " x ".join(map(str, values.shape))
        raise ConfigError(f"{where}: a latency matrix must be square, this is {shape or 'a single number'}")
    size = len(values)
    if not 1 <= size <= MOST_ROWS:
        raise ConfigError(f"{where}: 1 to {MOST_ROWS} rows are possible, not {size}")
    missing = ~np.isfinite(values) & ~(np.eye(size, dtype=bool) & np.isnan(values))
    for bad, what in ((missing, "is not a finite number"), (values < 0, "is below zero")):
        places = np.argwhere(bad)
        if len(places):
            row, column = places[0]
            more = f" (and {len(places) - 1} more)" if len(places) > 1 else ""
            raise ConfigError(f"{where}: row {row}, column {column}: {values[row, column]:g} {what}{more}")


def _read_places(path: Path) -> list[Place]:
    wanted, optional = ("city", "country", "lat", "lon"), ("share", "hosting")
    places = []
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader((line for line in file if not line.startswith("#")), strict=True)
            columns = reader.fieldnames or []
            for column in wanted:
                if column not in columns:
                    raise ConfigError(f"{path}: no column {column!r}; it has: {', '.join(columns) or 'none'}")
            for number, row in enumerate(reader, 1):
                where = f"{path}: row {number}"
                if None in row or None in row.values():
                    raise ConfigError(f"{where}: not as many cells as the header")
                values = {}
                for column in ("lat", "lon", *optional):
                    text = row.get(column, "1").strip()
                    try:
                        values[column] = float(text)
                    except ValueError:
                        raise ConfigError(f"{where}, column {column!r}: not a number: {text!r}") from None
                place = Place(row["city"].strip(), row["country"].strip(), *values.values())
                _check_place(place, where)
                places.append(place)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise ConfigError(f"{path}: cannot be read: {_reason(error)}") from None
    return places


def _check_place(place: Place, where: str) -> None:
    if not (len(place.country) == 2 and place.country.isascii() and place.country.isupper()):
        raise ConfigError(f"{where}, column 'country': expected a code such as \"DE\", not {place.country!r}")
    ranges = {
        "lat": (place.latitude, -90, 90),
        "lon": (place.longitude, -180, 180),
        "hosting": (place.hosting, 0, 1),
    }
    for column, (value, low, high) in ranges.items():
        if not low <= value <= high:
            raise ConfigError(f"{where}, column {column!r}: {value:g} is outside {low} to {high}")
    if not 0 < place.share < math.inf:
        raise ConfigError(f"{where}, column 'share': {place.share:g} is not above zero")


def _reason(error: Exception) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
