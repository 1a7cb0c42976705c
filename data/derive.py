#!/usr/bin/python3
"""Derives the tables in this folder from measured data; data/README.md says from what and how.

    data/derive.py DATASETS [--out FOLDER]     (or MESOCOSM_DATASETS in the environment)

The same input gives the same bytes. Needs numpy, pandas and scipy.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse.linalg import spsolve

REGIONS = ["AF", "EAS", "EU", "LATAM", "ME", "NA-C", "NA-E", "NA-W", "OC", "SAS", "SEA"]
QUANTILES = ["p10", "p25", "p50", "p75", "p90"]
EARTH_RADIUS_KM = 6371.0
SHARE_UNITS = 100_000  # the shares of a mix add up to this

# The fit of the paths: ridge terms (ms) and the scale (ms) below which the L1 loss turns quadratic.
RIDGE_REGION, RIDGE_CITY, L1_SCALE_MS, FIT_ROUNDS = 1e-3, 0.03, 1.0, 40
# Region pairs with no measured path: 1.72 times the light's way in fibre and back, and 14.2 ms.
DEFAULT_INTERCEPT_MS, DEFAULT_SLOPE_MS_PER_1000_KM = 14.2, 17.2

# Countries where fewer than one client in ten is within this of a measurement server were measured against servers
# abroad: their minimal round trips say nothing about the last mile.
FAR_SERVER_P10_MS = 15.0
FEW_TESTS = 500
FEW_SYSTEMS = 5  # the largest, of a country where no node is at home

# IPFS, 54,276 addresses seen in the fourth week of 2023 (Nebula's weekly report): shares of countries, percent.
IPFS_COUNTRIES = {
    "US": 33.1, "DE": 10.5, "BR": 9.4, "CN": 8.9, "KR": 4.5, "HK": 4.5, "TW": 3.3, "JP": 2.5,
    "GB": 2.2, "FR": 2.2, "SG": 1.8, "NL": 1.7, "RU": 1.5, "CA": 1.4, "IN": 1.2,
}  # fmt: skip
IPFS_HOSTING = 0.474


def read_csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def read_cities(datasets: Path) -> pd.DataFrame:
    cities = read_csv(datasets / "wondernetwork_2018" / "cities.csv")
    cities["dropped"] = cities["flag"].fillna("").str.contains("drop")
    cities["lat"], cities["lon"] = cities["lat"].round(1), cities["lon"].round(1)
    return cities


def distances_km(lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
    """Great-circle distances (haversine) between all places."""
    lat, lon = np.radians(lat), np.radians(lon)
    h = (
        np.sin((lat[:, None] - lat) / 2) ** 2
        + np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    )
    return 2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.minimum(h, 1.0)))


def derive_cities(cities: pd.DataFrame) -> str:
    rows = [
        f"{c.idx},{c.city},{c.cc},{c.region},{c.lat:.1f},{c.lon:.1f}"
        for c in cities[~cities.dropped].itertuples()
    ]
    title = "Cities that hosts can be placed in. Ids are stable; some are unused."
    return table(title, "id,city,country,region,lat,lon", rows)


def derive_paths(datasets: Path, cities: pd.DataFrame) -> tuple[str, str]:
    """Fits rtt(i,j) = intercept[r_i,r_j] + slope[r_i,r_j] * distance + offset[i,r_j] + offset[j,r_i]; r_i: i's region."""
    measured = pd.read_csv(datasets / "wondernetwork_2018" / "base_rtt_min_ms.csv.gz", index_col=0)
    rtt = measured.to_numpy(dtype=float)
    count, width = len(cities), len(REGIONS)
    i, j = np.triu_indices(count, 1)
    kept = ~cities["dropped"].to_numpy()
    usable = np.isfinite(rtt[i, j]) & kept[i] & kept[j]
    i, j = i[usable], j[usable]
    y = rtt[i, j]
    thousand_km = distances_km(cities["lat"].to_numpy(), cities["lon"].to_numpy())[i, j] / 1000

    region = np.array([REGIONS.index(r) for r in cities["region"]])
    pair = np.minimum(region[i], region[j]) * width + np.maximum(region[i], region[j])
    pairs, pair = np.unique(pair, return_inverse=True)

    n, row = len(y), np.arange(len(y))
    ends = np.r_[i * width + region[j], j * width + region[i]]
    design = sparse.hstack(
        [
            sparse.csr_matrix((np.ones(n), (row, pair)), (n, len(pairs))),
            sparse.csr_matrix((thousand_km, (row, pair)), (n, len(pairs))),
            sparse.csr_matrix((np.ones(2 * n), (np.r_[row, row], ends)), (n, count * width)),
        ]
    ).tocsr()
    ridge = np.r_[np.full(2 * len(pairs), RIDGE_REGION), np.full(count * width, RIDGE_CITY)]
    fitted = fit_l1(design, y, ridge)
    intercept, slope, offset = np.split(fitted, [len(pairs), 2 * len(pairs)])
    offset = offset.reshape(count, width)

    rows = []
    for a in range(width):
        for b in range(a, width):
            k = int(np.searchsorted(pairs, a * width + b))
            known = k < len(pairs) and pairs[k] == a * width + b
            line = (intercept[k], slope[k]) if known else (DEFAULT_INTERCEPT_MS, DEFAULT_SLOPE_MS_PER_1000_KM)
            paths = int((pair == k).sum()) if known else 0
            rows.append(f"{REGIONS[a]},{REGIONS[b]},{number(line[0], 1)},{number(line[1], 2)},{paths}")
    title = "Round trip between cities of two regions: intercept + slope * great-circle distance + city_offsets.csv."
    regions = table(title, "region_a,region_b,intercept_ms,slope_ms_per_1000_km,measured_paths", rows)

    rows = [f"{c},{','.join(number(v, 1) for v in offset[c])}" for c in range(count) if kept[c]]
    title = "What a city adds to the round trip (ms) of its paths to each region."
    return regions, table(title, "id," + ",".join(REGIONS), rows)


def fit_l1(design: sparse.csr_matrix, y: np.ndarray, ridge: np.ndarray) -> np.ndarray:
    """Least absolute deviations by iteratively reweighted least squares, so that single odd paths do not count."""
    weights = np.ones(len(y))
    for _ in range(FIT_ROUNDS):
        normal = design.T @ sparse.diags(weights) @ design + sparse.diags(ridge)
        solution = spsolve(normal.tocsc(), design.T @ (weights * y))
        residual = y - design @ solution
        weights = 1 / np.sqrt(residual * residual + L1_SCALE_MS * L1_SCALE_MS)
    return solution


def derive_mix(title: str, mix: pd.DataFrame) -> str:
    """`mix` has cc, city_idx, hosting and count; the counts need not be whole."""
    mix = mix.sort_values(["cc", "city_idx", "hosting"], kind="stable")
    shares = apportion(mix["count"].to_numpy(dtype=float), SHARE_UNITS)
    rows = [
        f"{m.cc},{m.city_idx},{m.hosting},{share}"
        for m, share in zip(mix.itertuples(), shares, strict=True)
        if share > 0
    ]
    return table(f"{title} Shares in 1/{SHARE_UNITS}.", "country,city,hosting,share", rows)


def apportion(weights: np.ndarray, units: int) -> list[int]:
    """Whole shares that add up to `units`, by largest remainders."""
    exact = weights / weights.sum() * units
    shares = np.floor(exact).astype(int)
    order = np.argsort(-np.round(exact - shares, 9), kind="stable")
    shares[order[: units - shares.sum()]] += 1
    return [int(s) for s in shares]


def derive_networks(datasets: Path, ethereum: pd.DataFrame) -> str:
    """Which autonomous systems a country's hosts are in. Ethereum's nodes are counted by system, and a system has a country;
    where they run is counted by country only. So systems first serve their own country, and what they have beyond
    its nodes makes the mix (ZZ) that countries with more nodes than systems take the rest from."""
    systems = read_csv(datasets / "asn" / "as_table.csv").sort_values("asn")
    rows = []
    for hosting, column in ((0, "eth2025_other_nodes"), (1, "eth2025_hosting_nodes")):
        nodes = ethereum[ethereum["hosting"] == hosting].groupby("cc")["count"].sum()
        there = nodes / nodes.sum()  # by country: nodes, and what its systems have
        have = systems.groupby("cc")[column].sum()
        have = have / have.sum()
        surplus = (have.sub(there, fill_value=0).clip(lower=0) / have).fillna(0)
        if hosting == 0:  # homes are with their own country's systems
            surplus[:] = 1.0
        typical = systems.assign(weight=systems[column] * systems["cc"].map(surplus).fillna(0))
        rows += network_rows("ZZ", hosting, typical, 0.0)
        for cc, own in systems.assign(weight=systems[column]).groupby("cc"):
            if own["weight"].sum() == 0:
                if hosting == 1:
                    continue
                own = own.nlargest(FEW_SYSTEMS, "v4_addr").assign(weight=lambda few: few["v4_addr"])
            short = max(0.0, 1 - have.get(cc, 0) / there[cc]) if hosting == 1 and cc in there else 0.0
            rows += network_rows(cc, hosting, own, short)
    rows.sort(key=lambda row: row[:3])
    title = (
        "Autonomous systems of hosts, by country and hosting. Shares in 1/100000 of the country's.\n"
        "# asn 0: one of ZZ's, which is also taken for countries without rows."
    )
    return table(title, "country,hosting,asn,share", [",".join(map(str, row)) for row in rows])


def network_rows(
    cc: str, hosting: int, systems: pd.DataFrame, elsewhere: float
) -> list[tuple[str, int, int, int]]:
    weights = systems["weight"].to_numpy(dtype=float)
    numbers = [0, *(int(asn) for asn in systems["asn"])]
    shares = apportion(np.r_[elsewhere, weights / weights.sum() * (1 - elsewhere)], SHARE_UNITS)
    return [(cc, hosting, asn, share) for asn, share in zip(numbers, shares, strict=True) if share > 0]


def ipfs_mix(places: pd.DataFrame) -> pd.DataFrame:
    """IPFS's shares of countries and of hosting, with Ethereum's and Polygon's split of a country into cities."""
    total = places.groupby("cc")["count"].sum()
    others = total[~total.index.isin(IPFS_COUNTRIES)]
    rest = 100 - sum(IPFS_COUNTRIES.values())
    country = pd.concat([pd.Series(IPFS_COUNTRIES), others / others.sum() * rest]) / 100

    # Each country's odds of hosting there, all multiplied by one factor so that the overall share is IPFS's.
    hosted = places[places["hosting"] == 1].groupby("cc")["count"].sum().reindex(total.index, fill_value=0)
    odds = ((hosted + 1) / (total - hosted + 1)).reindex(country.index)
    low, high = -10.0, 10.0
    for _ in range(60):
        factor = math.exp((low + high) / 2)
        overall = float((country * (odds * factor) / (1 + odds * factor)).sum())
        low, high = ((low + high) / 2, high) if overall < IPFS_HOSTING else (low, (low + high) / 2)
    probability = odds * factor / (1 + odds * factor)

    rows = []
    for cc, share in country.items():
        there = places[places["cc"] == cc]
        for hosting, part in ((0, 1 - probability[cc]), (1, probability[cc])):
            cities = there[there["hosting"] == hosting]
            split = (there if cities.empty else cities).groupby("city_idx")["count"].sum()
            rows += [(cc, city, hosting, share * part * w) for city, w in (split / split.sum()).items()]
    return pd.DataFrame(rows, columns=["cc", "city_idx", "hosting", "count"])


def derive_countries(datasets: Path, countries: list[str]) -> str:
    ndt = read_csv(datasets / "mlab_ndt_iqb" / "ndt_country_quantiles.csv")
    ndt = ndt[ndt["ym"] == "2025-10"].set_index("cc")
    rates = [f"{way}_mbps_{q}" for way in ("down", "up") for q in QUANTILES]
    trips = [f"minrtt_ms_{q}" for q in QUANTILES]
    near = ndt["minrtt_ms_p10"] <= FAR_SERVER_P10_MS
    typical = ndt[near & (ndt["n_down"] >= 10_000)][rates + trips].median()

    def row(cc: str) -> str:
        own_rates = cc in ndt.index and ndt.loc[cc, "n_down"] >= FEW_TESTS
        own_trips = own_rates and near[cc]
        values = [(ndt.loc[cc] if own_rates else typical)[name] for name in rates]
        values += [(ndt.loc[cc] if own_trips else typical)[name] for name in trips]
        own = "all" if own_trips else "rates" if own_rates else "none"
        return ",".join([cc, *(significant(v, 2) for v in values), own])

    header = ",".join(
        ["country", *(f"{what}_{q}" for what in ("down", "up", "rtt") for q in QUANTILES), "own"]
    )
    title = (
        "Access links at home: quantiles over tests of rates (Mbit/s) and minimal round trip to a server (ms).\n"
        "# ZZ: the median of countries, also taken where a country's own data do not serve (own: all, rates, none)."
    )
    return table(title, header, [row(cc) for cc in [*countries, "ZZ"]])


def derive_outline(datasets: Path) -> str:
    """Natural Earth's land as rings of [lon, lat, lon, lat, ...], to half a degree, without small islands."""
    topology = json.loads((datasets / "world_map" / "land-110m.json").read_text())
    (sx, sy), (tx, ty) = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for arc in topology["arcs"]:
        x = y = 0
        points = []
        for dx, dy in arc:
            x, y = x + dx, y + dy
            points.append((x * sx + tx, y * sy + ty))
        arcs.append(points)
    rings = []
    for geometry in topology["objects"]["land"]["geometries"]:
        polygons = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
        rings += [simplify(join(arcs, ring)) for polygon in polygons for ring in polygon]
    rings = [ring for ring in rings if len(ring) >= 3 and area(ring) >= 4.0]
    lines = [json.dumps([half(v) for point in ring for v in point], separators=(",", ":")) for ring in rings]
    source = (
        "Natural Earth 110m land (public domain), to half a degree, islands under 4 square degrees left out"
    )
    return '{"source":"%s","order":"lon,lat","rings":[\n%s\n]}\n' % (source, ",\n".join(lines))


def join(arcs: list[list[tuple[float, float]]], ring: list[int]) -> list[tuple[float, float]]:
    points: list[tuple[float, float]] = []
    for index in ring:
        arc = arcs[index] if index >= 0 else arcs[~index][::-1]
        points += arc[1:] if points else arc
    return points


def simplify(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Rounds to half a degree and leaves out points that repeat or lie on a straight line between their neighbours."""
    ring: list[tuple[float, float]] = []
    for lon, lat in points:
        point = (math.floor(lon * 2 + 0.5) / 2, math.floor(lat * 2 + 0.5) / 2)
        while len(ring) >= 2 and cross(ring[-2], ring[-1], point) == 0:
            ring.pop()
        if not ring or ring[-1] != point:
            ring.append(point)
    if len(ring) > 1 and ring[0] == ring[-1]:
        ring.pop()
    return ring


def cross(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> float:
    return (b[0] - a[0]) * (c[1] - b[1]) - (b[1] - a[1]) * (c[0] - b[0])


def area(ring: list[tuple[float, float]]) -> float:
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in zip(ring, ring[1:] + ring[:1], strict=True))) / 2


def half(value: float) -> float | int:
    return int(value) if value == int(value) else value


def number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def significant(value: float, digits: int) -> str:
    return number(float(f"{value:.{digits - 1}e}"), 3)


def table(title: str, header: str, rows: list[str]) -> str:
    return "\n".join(
        [f"# {title}", "# Source, date, licence and derivation: data/README.md", header, *rows, ""]
    )


def derive(datasets: Path) -> dict[str, str]:
    """All tables: file name to content."""
    cities = read_cities(datasets)
    ethereum, polygon = (
        read_csv(datasets / "nodes" / f"{name}_2025_mix.csv") for name in ("ethereum", "polygon")
    )
    places = pd.concat([ethereum, polygon])
    regions, offsets = derive_paths(datasets, cities)
    countries = sorted({*cities[~cities.dropped]["cc"], *places["cc"], *IPFS_COUNTRIES})
    return {
        "cities.csv": derive_cities(cities),
        "region_paths.csv": regions,
        "city_offsets.csv": offsets,
        "countries.csv": derive_countries(datasets, countries),
        "mix_ethereum_2025.csv": derive_mix(
            "Ethereum's nodes by country, city and hosting, 2025-11-22.", ethereum
        ),
        "mix_polygon_2025.csv": derive_mix(
            "Polygon's nodes by country, city and hosting, 2025-11-22.", polygon
        ),
        "mix_ipfs_2023.csv": derive_mix(
            "IPFS's addresses by country, city and hosting, 2023-W4.", ipfs_mix(places)
        ),
        "networks.csv": derive_networks(datasets, ethereum),
        "world_outline.json": derive_outline(datasets),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("datasets", nargs="?", type=Path, default=os.environ.get("MESOCOSM_DATASETS"))
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    arguments = parser.parse_args()
    if arguments.datasets is None or not Path(arguments.datasets).is_dir():
        print(f"derive.py: no such datasets folder: {arguments.datasets}", file=sys.stderr)
        return 2
    for name, content in derive(Path(arguments.datasets)).items():
        (arguments.out / name).write_text(content)
        print(f"{name}: {len(content)} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
