"""The command line: what it prints and how it exits."""

import pytest
import synthetic
from mesocosm import cli


@pytest.fixture
def record(tmp_path):
    return synthetic.gossip(tmp_path / "run.h5", nodes=30, messages=2)


@pytest.fixture(autouse=True)
def keep_interpreter(monkeypatch):
    import sys

    monkeypatch.setattr(sys, "argv", list(sys.argv))
    monkeypatch.setattr(sys, "path", list(sys.path))


def script(tmp_path, text):
    path = tmp_path / "scenario.py"
    path.write_text(text)
    return str(path)


def test_summary(record, capsys):
    assert cli.main(["summary", str(record)]) == 0
    out = capsys.readouterr().out
    assert "Blocks over gossipsub" in out and "100 % (58 of 58)" in out and "0123456789abcdef" in out
    assert "\x1b" not in out


def test_report(record, tmp_path, capsys):
    assert cli.main(["report", str(record)]) == 0
    assert capsys.readouterr().out == f"report: {tmp_path / 'run.html'}\n"
    assert cli.main(["report", str(record), "-o", str(tmp_path / "other.html")]) == 0
    assert (tmp_path / "other.html").read_text() == (tmp_path / "run.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["report", "missing.h5"], "no such file: missing.h5"),
        (["summary", __file__], f"not an HDF5 file: {__file__}"),
        (["run", "missing.py"], "no such scenario: missing.py"),
        (["fly"], "No such command 'fly'."),
        (["report"], "Missing argument 'RUN.h5'."),
        (["summary", "a.h5", "--nonsense"], "No such option: --nonsense"),
    ],
)
def test_bad_input_is_one_line_and_two(arguments, text, capsys):
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err == f"error: {text}\n"


def test_run_is_like_python(tmp_path, capsys):
    (tmp_path / "beside.py").write_text("NAME = 'beside'\n")
    path = script(tmp_path, "import sys, beside\nprint(__name__, beside.NAME, sys.argv[1:])\n")
    assert cli.main(["run", path, "--nodes", "5", "-h", "x"]) == 0
    assert capsys.readouterr().out == "__main__ beside ['--nodes', '5', '-h', 'x']\n"


@pytest.mark.parametrize(
    ("body", "code", "text"),
    [
        (
            "from mesocosm.errors import ConfigError\nraise ConfigError('nodes must be\\n positive')",
            2,
            "error: nodes must be positive\n",
        ),
        (
            "from mesocosm.errors import RunError\nraise RunError('disk full: x.h5')",
            2,
            "error: disk full: x.h5\n",
        ),
        ("raise KeyboardInterrupt", 130, "\ninterrupted\n"),
        ("raise SystemExit(130)", 130, ""),
        ("raise SystemExit('no such port')", 2, "error: no such port\n"),
        ("raise SystemExit", 0, ""),
    ],
)
def test_how_scripts_end(tmp_path, capsys, body, code, text):
    assert cli.main(["run", script(tmp_path, body)]) == code
    assert capsys.readouterr().err == text


def test_bugs_keep_their_traceback(tmp_path):
    with pytest.raises(ZeroDivisionError):
        cli.main(["run", script(tmp_path, "1 / 0")])


def test_info_and_help(capsys):
    assert cli.main(["info"]) == 0
    assert "numpy" in capsys.readouterr().out
    assert cli.main(["--help"]) == 0
    assert "summary" in capsys.readouterr().out
