"""The builders of Internet models, and what they say of bad input."""

import gzip

import numpy as np
import pytest
from mesocosm import internet
from mesocosm.errors import ConfigError


def refused(make, *fragments):
    with pytest.raises(ConfigError) as caught:
        make()
    for fragment in fragments:
        assert fragment in str(caught.value)


def write(path, text):
    path.write_text(text)
    return path


def test_mixes_are_names():
    mix = {"kind": "mix", "name": "ethereum_2025", "home_up_bps": 15_000_000, "home_down_bps": 50_000_000}
    assert internet.ethereum_2025().to_config() == mix
    assert internet.ipfs().to_config() == {
        "kind": "mix",
        "name": "ipfs_2023",
        "home_up_bps": 0,
        "home_down_bps": 0,
    }
    assert internet.polygon_2025().to_config()["name"] == "polygon_2025"
    assert internet.ipfs().to_config()["name"] == "ipfs_2023"
    assert internet.ipfs() == internet.ipfs()


def test_uniform():
    config = internet.uniform(
        ("20ms", "80ms"), bandwidth=("10Mbit", "50Mbit"), jitter="1ms", loss=0.01
    ).to_config()
    assert config == {
        "kind": "uniform",
        "low_ns": 20_000_000,
        "high_ns": 80_000_000,
        "link": {
            "up_bps": 10_000_000,
            "down_bps": 50_000_000,
            "queue_ns": 50_000_000,
            "jitter_ns": 1_000_000,
            "loss": 0.01,
            "discipline": "drop_tail",
            "jitter_share": 0.0,
            "in_turn": (),
        },
    }
    assert internet.uniform(jitter="10%").to_config()["link"]["jitter_share"] == 0.1
    link = internet.uniform(bandwidth=["1Mbit", ("2Mbit", "3Mbit")]).to_config()["link"]
    assert link["in_turn"] == ((10**6, 10**6), (2 * 10**6, 3 * 10**6)) and link["up_bps"] == 10**6
    refused(lambda: internet.uniform(bandwidth=[]), "uniform: bandwidth: an empty list")
    refused(lambda: internet.uniform(jitter="-1%"), "uniform: jitter must be from 0% to 1000%")
    refused(lambda: internet.uniform(jitter="much%"), "uniform:")
    assert internet.uniform(discipline="fq_codel").to_config()["link"]["discipline"] == "fq_codel"
    assert internet.uniform("5ms").to_config()["high_ns"] == 5_000_000
    refused(lambda: internet.uniform(("80ms", "20ms")), "uniform: latency", "wrong way round")
    refused(lambda: internet.uniform(("1ms", "2ms", "3ms")), "uniform: latency: expected one value or two")
    refused(lambda: internet.uniform("3s"), "uniform: latency", "over 2 s")
    refused(lambda: internet.uniform("fast"), "uniform: latency: expected a duration")
    refused(lambda: internet.uniform(bandwidth="0bit"), "uniform: bandwidth")
    refused(lambda: internet.uniform(bandwidth=("1Mbit", "much")), "uniform: bandwidth: expected a rate")
    refused(lambda: internet.uniform(queue=0), "uniform: queue")
    refused(lambda: internet.uniform(loss=1), "uniform: loss")
    refused(
        lambda: internet.uniform(discipline="red"), "uniform: discipline must be one of drop_tail", "'red'"
    )
    refused(lambda: internet.uniform(loss="some"), "uniform:")


def test_star():
    assert internet.star("10ms").to_config()["spokes_ns"] == [10_000_000]
    assert internet.star(["10ms", 0.02]).to_config()["spokes_ns"] == [10_000_000, 20_000_000]
    refused(lambda: internet.star([]), "star: 1 to 65534 spokes")
    refused(lambda: internet.star(["1ms", "-1ms"]), "star: spoke 1")


def test_matrix_from_an_array():
    config = internet.matrix([[0, 10], [20, 0]]).to_config()
    assert config["size"] == 2
    assert config["one_way_ns"].tolist() == [0, 5_000_000, 10_000_000, 0]
    assert config["one_way_ns"].dtype == np.int64
    one_way = internet.matrix(np.array([[np.nan, 0.5], [0.25, 0]]), unit="s", kind="one-way")
    assert one_way.to_config()["one_way_ns"].tolist() == [0, 500_000_000, 250_000_000, 0]
    assert one_way.describe()["sha256"] != internet.matrix([[0, 10], [20, 0]]).describe()["sha256"]

    refused(lambda: internet.matrix([[1, 2, 3], [4, 5, 6]]), "must be square, this is 2 x 3")
    refused(lambda: internet.matrix(5), "must be square")
    refused(lambda: internet.matrix([[0, -1], [2, 0]]), "row 0, column 1: -1 is below zero")
    refused(lambda: internet.matrix([[0, 1], [np.nan, 0]]), "row 1, column 0: nan is not a finite number")
    refused(lambda: internet.matrix([[np.inf, 1], [1, 0]]), "row 0, column 0: inf")
    refused(lambda: internet.matrix([[0, 4001], [1, 0]]), "row 0, column 1: 4001 ms is over 2 s")
    refused(lambda: internet.matrix([["a", "b"], ["c", "d"]]), "not a matrix of numbers")
    refused(lambda: internet.matrix([[1, 2], [3]]), "not a matrix of numbers")
    refused(lambda: internet.matrix([[0]], unit="hours"), "unit must be")
    refused(lambda: internet.matrix([[0]], kind="both"), "kind must be")


@pytest.mark.parametrize(
    "text",
    [
        "0,10\n20,0\n",
        "# note\n0, 10\n20,\n",
        "a,b\n0,10\n20,0\n",
        "city,a,b\na,0,10\nb,20,0\n",
        ",a,b\na,0,10\nb,20,0\n",
    ],
)
def test_matrix_from_csv(tmp_path, text):
    expected = [0, 5_000_000, 10_000_000, 0]
    assert internet.matrix(write(tmp_path / "m.csv", text)).to_config()["one_way_ns"].tolist() == expected
    with gzip.open(tmp_path / "m.csv.gz", "wt") as file:
        file.write(text)
    assert internet.matrix(str(tmp_path / "m.csv.gz")).to_config()["one_way_ns"].tolist() == expected


def test_matrix_from_numpy_files(tmp_path):
    values = np.array([[0, 10], [20, 0]])
    np.savez(tmp_path / "one.npz", rtt=values, names=np.array(["a", "b"]))
    np.savez(tmp_path / "two.npz", low=values, high=values * 2)
    np.save(tmp_path / "m.npy", values)
    assert internet.matrix(tmp_path / "one.npz").to_config()["one_way_ns"][1] == 5_000_000
    assert internet.matrix(tmp_path / "two.npz", name="high").to_config()["one_way_ns"][1] == 10_000_000
    assert internet.matrix(tmp_path / "m.npy").to_config()["one_way_ns"][1] == 5_000_000
    refused(lambda: internet.matrix(tmp_path / "two.npz"), "two.npz", "name=", "low, high")
    refused(lambda: internet.matrix(tmp_path / "two.npz", name="mean"), "two.npz", "no array 'mean'")


def test_matrix_files_that_cannot_be_read(tmp_path):
    refused(lambda: internet.matrix(tmp_path / "none.csv"), "none.csv: cannot be read: No such file")
    refused(lambda: internet.matrix(tmp_path / "none.npz"), "none.npz: cannot be read: No such file")
    refused(lambda: internet.matrix(tmp_path), "is read from .csv")
    refused(lambda: internet.matrix(write(tmp_path / "a.npz", "no zip")), "a.npz: cannot be read")
    refused(lambda: internet.matrix(write(tmp_path / "b.csv", "")), "b.csv: no rows")
    refused(lambda: internet.matrix(write(tmp_path / "c.csv", "0,1\n1\n")), "c.csv: line 2: 1 cells")
    refused(
        lambda: internet.matrix(write(tmp_path / "d.csv", "0,1\n1,x\n")),
        "d.csv: line 2, column 2: not a number: 'x'",
    )
    refused(lambda: internet.matrix(write(tmp_path / "e.csv", "0,1,2\n1,0,3\n")), "e.csv", "2 x 3")
    refused(lambda: internet.matrix(write(tmp_path / "f.csv", "0,1\n,0\n")), "f.csv: row 1, column 0: nan")
    refused(lambda: internet.matrix(write(tmp_path / "g.csv.gz", "plain")), "g.csv.gz: cannot be read")
    (tmp_path / "h.csv").write_bytes(b"\xff\xfe\x00")
    refused(lambda: internet.matrix(tmp_path / "h.csv"), "h.csv: cannot be read")
    pickled = tmp_path / "i.npy"
    np.save(pickled, np.array([{"a": 1}], dtype=object))
    refused(lambda: internet.matrix(pickled), "i.npy: cannot be read")


def test_cities(tmp_path):
    path = write(
        tmp_path / "c.csv",
        '# mine\ncity,country,lat,lon,share,hosting\nBerlin,DE,52.5,13.4,2,0.5\n"Q, R",US,1,2,1,1\n',
    )
    places = internet.cities(path).to_config()["places"]
    assert places[0] == {
        "name": "Berlin",
        "country": "DE",
        "latitude": 52.5,
        "longitude": 13.4,
        "share": 2.0,
        "hosting": 0.5,
    }
    assert places[1]["name"] == "Q, R"
    short = write(tmp_path / "s.csv", "city,country,lat,lon\nBerlin,DE,52.5,13.4\n")
    assert internet.cities(short).to_config()["places"][0]["hosting"] == 1.0
    assert internet.cities([internet.Place("Berlin", "DE", 52.5, 13.4)]) == internet.cities(short)

    header = "city,country,lat,lon,share,hosting\n"

    def row(text):
        return lambda: internet.cities(write(tmp_path / "bad.csv", header + text + "\n"))

    refused(row("A,DE,91,0,1,1"), "bad.csv: row 1, column 'lat': 91 is outside -90 to 90")
    refused(row("A,DE,nan,0,1,1"), "column 'lat'")
    refused(row("A,DE,x,0,1,1"), "row 1, column 'lat': not a number: 'x'")
    refused(row("A,Germany,1,0,1,1"), "column 'country'")
    refused(row("A,DE,1,0,0,1"), "column 'share': 0 is not above zero")
    refused(row("A,DE,1,0,1,2"), "column 'hosting'")
    refused(row("A,DE,1"), "row 1: not as many cells")
    refused(row("A,DE,1,0,1,1,7"), "row 1: not as many cells")
    refused(
        lambda: internet.cities(write(tmp_path / "n.csv", "town,lat\n")),
        "no column 'city'; it has: town, lat",
    )
    refused(
        lambda: internet.cities(write(tmp_path / "o.csv", header)),
        "o.csv: 1 to 8192 cities are possible, not 0",
    )
    refused(lambda: internet.cities(tmp_path / "no.csv"), "no.csv: cannot be read: No such file")
    refused(lambda: internet.cities(["Berlin"]), "item 0 is not a Place")
