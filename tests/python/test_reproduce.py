"""Published experiments: what a paper's folder must hold, how it is judged, and what the command prints."""

import json
import math
import shutil

import pytest
from mesocosm import cli, reproduce
from mesocosm.errors import ConfigError

HEAD = """
title = "A paper"
citation = "Somebody, somewhere"
setup = "its section 2"
about = "Is one about one?"
"""

VALUE = """
[[value]]
name = "one"
what = "one of them"
value = 100
within = "5 %"
source = "table 1"
how = "read"
reason = "because"
"""

SCENARIO = """
from matplotlib.figure import Figure

def cases(size):
    return {"b": (2, size), "a": (1, size)}

def run(case):
    number, size = case
    if number == 2 and FAILS:
        raise ValueError("no luck")
    return MEASURED * number / 3

def measure(results):
    assert list(results) == ["b", "a"]
    return {"one": sum(results.values())}

def figures(results, published):
    picture = Figure()
    picture.add_subplot().plot([published["one"], results["a"]])
    yield "Both", "One beside the other.", picture
"""


@pytest.fixture
def paper(tmp_path):
    """Makes a paper's folder; what it measures is given."""

    def make(measured=101.0, toml=HEAD + VALUE, fails=False, name="some-paper"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        (folder / "published.toml").write_text(toml)
        text = SCENARIO.replace("MEASURED", repr(measured)).replace("FAILS", repr(fails))
        (folder / "scenario.py").write_text(text)
        return folder

    return make


def value(**changes):
    known = dict(name="x", what="x", source="s", how="read", reason="r", value=100.0, within="5 %")
    return reproduce.Value(**{**known, **changes})


@pytest.mark.parametrize(
    ("changes", "measured", "word"),
    [
        ({}, 105, "pass"),
        ({}, 95, "pass"),
        ({}, 105.01, "miss"),
        ({}, math.nan, "miss"),
        ({"value": -100.0}, -105, "pass"),
        ({"within": "4 points"}, 104.1, "miss"),
        ({"within": "4"}, 96, "pass"),
        ({"within": None}, 1, "shown"),
        ({"value": None, "within": None, "at_least": 1.0}, 1, "pass"),
        ({"value": None, "within": None, "at_least": 1.0}, 0.9, "miss"),
        ({"value": None, "within": None, "at_least": 1.0, "at_most": 2.0}, 2.1, "miss"),
        ({"at_most": 102.0}, 103, "miss"),
        ({"known_miss": {"quick": "tried"}}, 110, "known miss"),
        ({"known_miss": {"quick": "tried"}}, 100, "unexpected pass"),
        ({"known_miss": {"full": "tried"}}, 110, "miss"),
    ],
)
def test_verdicts(changes, measured, word, tmp_path):
    paper = reproduce.Paper(tmp_path, "t", "c", "s", "a", (value(**changes),))
    (verdict,) = paper.judge({"x": measured}, "quick")
    assert verdict.word == word


def test_published_and_measured_must_agree(tmp_path):
    paper = reproduce.Paper(tmp_path, "t", "c", "s", "a", (value(), value(name="y", sizes=("full",))))
    assert len(paper.judge({"x": 1.0}, "quick")) == 1
    with pytest.raises(ConfigError, match="not measured: y"):
        paper.judge({"x": 1.0}, "full")
    with pytest.raises(ConfigError, match="not published: z"):
        paper.judge({"x": 1.0, "z": 1.0}, "quick")


@pytest.mark.parametrize(
    ("toml", "text"),
    [
        ("title = 3", "title must be given, as text"),
        (HEAD, "no [[value]]"),
        ("nonsense", "cannot be read"),
        (HEAD + "more = 1" + VALUE, "unknown: more"),
        (HEAD + VALUE + VALUE, "given twice: one"),
        (HEAD + VALUE.replace('"read"', '"guessed"'), "how must be one of read, read off a figure, derived"),
        (HEAD + VALUE.replace('"5 %"', '"about"'), 'within must be such as "5 %"'),
        (HEAD + VALUE.replace("value = 100", ""), "within needs a value"),
        (HEAD + VALUE.replace("value = 100", 'value = "100"'), "value must be a number"),
        (HEAD + VALUE.replace("value = 100\nwithin", "at_leats"), "unknown: at_leats"),
        (HEAD + VALUE.replace('value = 100\nwithin = "5 %"', ""), "a value, at_least or at_most must be"),
        (HEAD + VALUE.replace('reason = "because"', ""), "reason must be given"),
        (HEAD + VALUE + 'sizes = ["huge"]', "sizes must be of quick, full"),
        (HEAD + VALUE + 'known_miss = "yes"', "known_miss must say what was tried"),
    ],
)
def test_nonsense_is_refused(paper, toml, text):
    with pytest.raises(ConfigError) as error:
        reproduce.read_paper(paper(toml=toml))
    assert text in str(error.value)


@pytest.mark.parametrize("key", reproduce.known_papers())
def test_papers_are_well_formed(key):
    paper = reproduce.find_paper(key)
    assert (paper.folder / "README.md").is_file()
    for size in reproduce.SIZES:
        cases = paper.scenario.cases(size)
        assert cases and all(isinstance(name, str) for name in cases)
        assert cases.keys() == paper.scenario.cases(size).keys()


def test_command_passes(paper, tmp_path, capsys):
    out = tmp_path / "out"
    assert cli.main(["reproduce", str(paper()), "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert "one of them" in printed.out and "101" in printed.out and "1 papers: 1 pass, 0 miss" in printed.out
    assert "some-paper: a took" in printed.err
    page = (out / "some-paper.html").read_text()
    assert (
        "One beside the other." in page
        and "<svg" in page
        and "https://" not in page.replace("http://www.w3", "")
    )
    assert json.loads((out / "some-paper.json").read_text())["values"][0]["verdict"] == "pass"
    row = (out / "scoreboard.md").read_text().splitlines()[-1]
    assert row == "| some-paper | one of them | 100 | ± 5 % | 101 | pass |"


def test_command_misses(paper, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out")]
    assert cli.main(["reproduce", str(paper(110.0)), *out]) == 1
    assert "0 pass, 1 miss" in capsys.readouterr().out
    known = paper(110.0, HEAD + VALUE + 'known_miss = {quick = "a longer <run>"}')
    assert cli.main(["reproduce", str(known), *out]) == 1
    assert cli.main(["reproduce", str(known), "--allow-known", *out]) == 0
    assert "1 known miss" in capsys.readouterr().out
    assert "a longer &lt;run&gt;" in (tmp_path / "out/some-paper.html").read_text()
    mended = paper(100.0, HEAD + VALUE + 'known_miss = {quick = "a longer run"}')
    assert cli.main(["reproduce", str(mended), "--allow-known", *out]) == 1
    assert "1 unexpected pass" in capsys.readouterr().out


def test_one_that_fails_does_not_lose_the_others(paper, tmp_path, capsys):
    bad, good = paper(fails=True, name="bad"), paper(name="good")
    assert cli.main(["reproduce", str(bad), str(good), "--out", str(tmp_path / "out")]) == 1
    out = capsys.readouterr().out
    assert "no luck" in out and "2 papers: 1 pass, 0 miss, did not run to the end: bad" in " ".join(
        out.split()
    )


def test_a_run_that_was_cut_off_is_resumed(paper, tmp_path, capsys):
    out = ["--out", str(tmp_path / "out"), "--processes", "1"]
    assert cli.main(["reproduce", str(paper()), *out]) == 0
    (cut_off,) = (tmp_path / "out/cases").glob("some-paper-a-*.pickle")
    cut_off.unlink()
    whole = (tmp_path / "out/scoreboard.md").read_text()
    capsys.readouterr()
    assert cli.main(["reproduce", str(paper()), *out, "--resume"]) == 0
    told = capsys.readouterr().err
    assert "b was run before" in told and "a took" in told and "a was run before" not in told
    assert (tmp_path / "out/scoreboard.md").read_text() == whole
    # Another scenario is another experiment, and without the option everything is run.
    assert cli.main(["reproduce", str(paper(102.0)), *out, "--resume"]) == 0
    assert "was run before" not in capsys.readouterr().err
    assert cli.main(["reproduce", str(paper()), *out]) == 0
    assert "was run before" not in capsys.readouterr().err


def test_wrong_use(paper, tmp_path, capsys):
    assert cli.main(["reproduce", "nobody-2099"]) == 2
    assert "there is no paper 'nobody-2099'" in capsys.readouterr().err
    folder = paper()
    (folder / "scenario.py").unlink()
    assert cli.main(["reproduce", str(folder), "--out", str(tmp_path / "out")]) == 2
    assert "there is no scenario.py" in capsys.readouterr().err
    twin = tmp_path / "other" / "some-paper"
    shutil.copytree(paper(), twin)
    assert cli.main(["reproduce", str(folder), str(twin)]) == 2
    assert "two papers are called 'some-paper'" in capsys.readouterr().err


def test_list(capsys):
    assert cli.main(["reproduce", "--list"]) == 0
    out = capsys.readouterr().out
    assert all(key in out for key in reproduce.known_papers())
