"""The model's tables against the measurements they were derived from, where those are present.

The folder is MESOCOSM_DATASETS, or shared/datasets beside the repository.
"""

import importlib.util
import math
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"


def _datasets() -> Path | None:
    given = os.environ.get("MESOCOSM_DATASETS")
    candidates = [Path(given)] if given else [parent / "shared" / "datasets" for parent in ROOT.parents]
    return next((path for path in candidates if (path / "README.md").is_file()), None)


DATASETS = _datasets()
needs_datasets = pytest.mark.skipif(
    DATASETS is None,
    reason="datasets not present (set MESOCOSM_DATASETS, or put them in ../shared/datasets)",
)


def _derive_module():
    spec = importlib.util.spec_from_file_location("derive", DATA / "derive.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


derive = _derive_module()


def table(name: str) -> pd.DataFrame:
    return pd.read_csv(DATA / name, comment="#", keep_default_na=False)


class Model:
    """Facts::rtt_ms of sim/net/facts.cc once more, from the same tables."""

    def __init__(self) -> None:
        self.cities = table("cities.csv")
        lines = table("region_paths.csv")
        offsets = table("city_offsets.csv").set_index("id")
        self.regions = list(offsets.columns)
        size = len(self.regions)
        self.intercept, self.slope = np.zeros((size, size)), np.zeros((size, size))
        for line in lines.itertuples():
            a, b = self.regions.index(line.region_a), self.regions.index(line.region_b)
            self.intercept[a, b] = self.intercept[b, a] = line.intercept_ms
            self.slope[a, b] = self.slope[b, a] = line.slope_ms_per_1000_km / 1000
        self.offsets = offsets.loc[self.cities["id"]].to_numpy()
        self.region = np.array([self.regions.index(r) for r in self.cities["region"]])

    def rtt_ms(self, near: np.ndarray, lat: np.ndarray, lon: np.ndarray) -> np.ndarray:
        """Between all places, each given with the index of the nearest city."""
        distance = derive.distances_km(lat, lon)
        region = self.region[near]
        fitted = self.intercept[np.ix_(region, region)] + self.slope[np.ix_(region, region)] * distance
        towards = self.offsets[np.ix_(near, region)]
        fitted = fitted + towards + towards.T
        light = 2 * distance / 200
        return np.where(near[:, None] == near, 0.5 + 1.72 * light, np.maximum(np.maximum(fitted, light), 0.5))

    def between_cities(self) -> np.ndarray:
        near = np.arange(len(self.cities))
        return self.rtt_ms(near, self.cities["lat"].to_numpy(), self.cities["lon"].to_numpy())


@pytest.fixture(scope="module")
def model() -> Model:
    return Model()


def test_tables_are_whole(model):
    assert len(model.cities) == 238
    assert not {109, 160, 161, 180} & set(model.cities["id"])
    for path in DATA.glob("mix_*.csv"):
        mix = table(path.name)
        assert mix["share"].sum() == 100_000, path
        assert set(mix["city"]) <= set(model.cities["id"]), path
        assert set(mix["country"]) <= set(table("countries.csv")["country"]), path
    assert (DATA / "world_outline.json").stat().st_size < 40_000


def test_networks_have_whole_shares():
    networks = table("networks.csv")
    assert (networks.groupby(["country", "hosting"])["share"].sum() == 100_000).all()
    assert not ((networks["country"] == "ZZ") & (networks["asn"] == 0)).any()
    assert not networks.duplicated(["country", "hosting", "asn"]).any()


def test_round_trips_equal_the_core_s(model):
    # The same values stand in tests/unit/net_test.cc.
    rtt = model.between_cities()
    index = {name: i for i, name in enumerate(model.cities["city"])}
    golden = {
        ("London", "Tokyo"): 237.639,
        ("Frankfurt", "Helsinki"): 29.579,
        ("New York", "San Francisco"): 70.970,
        ("Sydney", "Sao Paulo"): 370.935,
    }
    assert {pair: round(rtt[index[pair[0]], index[pair[1]]], 3) for pair in golden} == golden


@needs_datasets
def test_tables_are_derived_byte_for_byte():
    for name, content in derive.derive(DATASETS).items():
        assert content == (DATA / name).read_text(), f"{name}: run data/derive.py"


@needs_datasets
def test_round_trips_against_wondernetwork(model):
    measured = pd.read_csv(DATASETS / "wondernetwork_2018" / "base_rtt_min_ms.csv.gz", index_col=0).to_numpy()
    ids = model.cities["id"].to_numpy()
    pairs = np.triu_indices(len(ids), 1)
    measured = measured[np.ix_(ids, ids)][pairs]
    known = np.isfinite(measured)
    measured, modelled = measured[known], model.between_cities()[pairs][known]
    error = np.abs(modelled - measured)
    quantiles = [0.05, 0.5, 0.95, 0.99]
    print("error ms: median %.2f, 90 %% %.2f" % (np.median(error), np.quantile(error, 0.9)))
    print(
        "quantiles measured", np.quantile(measured, quantiles), "modelled", np.quantile(modelled, quantiles)
    )
    assert np.median(error) < 5.0
    assert np.quantile(error, 0.9) < 26.0
    tolerance = [0.05, 0.01, 0.04, 0.08]  # the tail is known to be short
    for q, allowed in zip(quantiles, tolerance, strict=True):
        assert np.quantile(modelled, q) == pytest.approx(np.quantile(measured, q), rel=allowed), q


@needs_datasets
def test_round_trips_against_azure(model):
    """Another network, eight years later, 95th percentiles of a month: a looser check on data that were not fitted."""
    regions = pd.read_csv(DATASETS / "azure_latency" / "azure_regions.csv").set_index("region")
    rtt = pd.read_csv(DATASETS / "azure_latency" / "azure_rtt_p95_2026-07-30.csv", index_col=0)
    regions = regions.loc[rtt.index]
    lat, lon = regions["lat"].to_numpy(dtype=float), regions["lon"].to_numpy(dtype=float)
    everywhere = derive.distances_km(np.r_[lat, model.cities["lat"]], np.r_[lon, model.cities["lon"]])
    near = everywhere[: len(lat), len(lat) :].argmin(axis=1)
    modelled = model.rtt_ms(near, lat, lon)
    measured = rtt.reindex(columns=rtt.index).to_numpy(dtype=float)
    measured = (measured + measured.T) / 2
    pairs = np.triu_indices(len(lat), 1)
    measured, modelled = measured[pairs], modelled[pairs]
    far = np.isfinite(measured) & (measured > 10)  # not the regions of one metropolis
    ratio = modelled[far] / measured[far]
    print("modelled / measured: 10, 50, 90 %", np.quantile(ratio, [0.1, 0.5, 0.9]), "of", far.sum())
    assert np.median(ratio) == pytest.approx(1.0, abs=0.1)
    assert 0.8 < np.quantile(ratio, 0.1) and np.quantile(ratio, 0.9) < 1.5  # a private backbone is straighter
    assert np.corrcoef(modelled[far], measured[far])[0, 1] > 0.9


@needs_datasets
@pytest.mark.parametrize("name", ["ethereum_2025", "polygon_2025"])
def test_shares_are_the_counted_ones(name):
    counted = pd.read_csv(DATASETS / "nodes" / f"{name}_mix.csv", keep_default_na=False)
    mix = table(f"mix_{name}.csv")
    for column, name_there in (("country", "cc"), ("hosting", "hosting")):
        expected = counted.groupby(name_there)["count"].sum() / counted["count"].sum()
        shares = mix.groupby(column)["share"].sum() / 100_000
        assert (shares - expected).abs().max() < 1e-3, column


def test_ipfs_shares_are_the_published_ones():
    mix = table("mix_ipfs_2023.csv")
    shares = mix.groupby("country")["share"].sum() / 1000
    for country, percent in derive.IPFS_COUNTRIES.items():
        assert math.isclose(shares[country], percent, abs_tol=0.05), country
    assert (mix["share"] * mix["hosting"]).sum() / 100_000 == pytest.approx(0.474, abs=0.001)


@needs_datasets
def test_no_published_fact_was_lost():
    facts = pd.read_csv(DATASETS / "published_tables" / "facts.csv").set_index("fact")["value"]
    geography = facts[next(name for name in facts.index if name.startswith("IPFS IP geography"))]
    published = {
        part.strip()[:2]: float(part.strip()[2:]) for part in geography.rstrip("%").replace(" %", "").split()
    }
    assert published == derive.IPFS_COUNTRIES
    hosting = facts["IPFS hosting 2023W4"]
    assert hosting.startswith(f"{100 * (1 - derive.IPFS_HOSTING):.1f}% non-datacenter")
