"""Settings become flags and back, scripts keep their form, and a figure is drawn from its file alone."""

import dataclasses
import importlib.util
import re
import shutil
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

import common
import numpy as np
import pytest
from common import setting

from jaxcost import data, populations, results


@dataclass(frozen=True)
class Settings:
    data: str = setting("", "a folder, or none")
    points: int = setting(61, "100 % odd", small=21)
    repeats: int = setting(5, "turns", small=0)
    rate: float = setting(1.5, "Nielsen's", small=0.5)
    sizes: tuple = setting((784, 16, 10), "the network")
    half_widths: tuple = setting((0.01, 2.0), "mini-batches aside", small=(0.5,))
    peer: bool = setting(False, "a switch")


DEFAULTS = Settings("", 61, 5, 1.5, (784, 16, 10), (0.01, 2.0))
SMALL = Settings("", 21, 0, 0.5, (784, 16, 10), (0.5,))


def parsed(*arguments):
    return common.parse("A script.", Settings, arguments)[0]


# settings and flags


def test_without_flags_settings_are_the_defaults():
    assert parsed() == DEFAULTS


def test_small_takes_the_small_value_of_each_setting_that_has_one():
    assert parsed("--small") == SMALL


@pytest.mark.parametrize("arguments", [("--small", "--points", "7"), ("--points", "7", "--small")])
def test_a_flag_beats_small(arguments):
    assert parsed(*arguments) == dataclasses.replace(SMALL, points=7)


def test_a_flag_beats_small_even_with_the_default():
    assert parsed("--small", "--points", "61", "--half-widths", "0.01", "2") == dataclasses.replace(
        SMALL, points=61, half_widths=(0.01, 2.0)
    )


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["--data", "some folder"], "data", "some folder"),
        (["--data", ""], "data", ""),
        (["--points=-3"], "points", -3),
        (["--points", "-3"], "points", -3),
        (["--rate", "2"], "rate", 2.0),
        (["--rate", "1e-3"], "rate", 0.001),
        (["--sizes", "784", "30", "10"], "sizes", (784, 30, 10)),
        (["--sizes", "1"], "sizes", (1,)),
        (["--half-widths", "1", "2.5"], "half_widths", (1.0, 2.5)),
        (["--peer"], "peer", True),
    ],
)
def test_a_flag_sets_its_setting_and_no_other(arguments, name, value):
    settings = parsed(*arguments)
    assert settings == dataclasses.replace(DEFAULTS, **{name: value})
    assert type(getattr(settings, name)) is type(value)
    if isinstance(value, tuple):
        assert list(map(type, getattr(settings, name))) == list(map(type, value))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--pionts", "7"],
        ["7"],
        ["--points"],
        ["--points", "7.5"],
        ["--points", "many"],
        ["--sizes"],
        ["--sizes", "784", "x"],
        ["--half_widths", "1"],
        ["--peer", "1"],
    ],
    ids=" ".join,
)
def test_what_cannot_be_understood_stops_the_script_with_code_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        parsed(*arguments)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--smal", "--sm"])
def test_small_cut_short_is_refused_or_small(flag):
    try:
        settings = parsed(flag)
    except SystemExit as stopped:
        assert stopped.code == 2  # noqa: PT017
    else:
        assert settings == SMALL


def test_the_flags_of_all_scripts_are_no_settings():
    settings, flags = common.parse("A script.", Settings, ["--draw", "a.npz", "--output", "b", "--small"])
    assert settings == SMALL
    assert (flags.draw, flags.output) == ("a.npz", "b")


def test_without_arguments_the_words_of_the_process_are_read(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["script.py", "--small", "--points", "9"])
    assert common.parse("A script.", Settings)[0] == dataclasses.replace(SMALL, points=9)


def help_of(doc, kind, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "1000")
    monkeypatch.setenv("NO_COLOR", "1")
    with pytest.raises(SystemExit) as stopped:
        common.parse(doc, kind, ["--help"])
    assert stopped.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_help_tells_each_setting_with_its_reason_and_default(capsys, monkeypatch):
    text = help_of("A script, 100 % its own.", Settings, capsys, monkeypatch)
    for words in (
        "A script, 100 % its own.",
        "--data STR a folder, or none ('')",
        "--points INT 100 % odd (61)",
        "--repeats INT turns (5)",
        "--rate FLOAT Nielsen's (1.5)",
        "--sizes INT [INT ...] the network (784 16 10)",
        "--half-widths FLOAT [FLOAT ...] mini-batches aside (0.01 2.0)",
        "--small a run of seconds",
        "--draw FILE draw a saved result again",
        "--output FOLDER where",
    ):
        assert words in text


# the scripts


SCRIPTS = sorted((Path(__file__).parents[1] / "experiments").glob("*.py"))
a_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)


def script(path):
    name = f"experiments.{path.stem}"
    if name not in sys.modules:
        sys.path[:0] = [str(path.parent)] * (str(path.parent) not in sys.path)  # scripts may import each other
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def test_there_are_scripts():
    assert SCRIPTS


@a_script
def test_a_script_is_settings_run_draw_and_a_docstring_with_its_command(path):
    module = script(path)
    assert dataclasses.is_dataclass(module.Settings)
    assert module.Settings.__dataclass_params__.frozen
    assert callable(module.run)
    assert callable(module.draw)
    assert f"python experiments/{path.name}" in module.__doc__


@a_script
def test_each_setting_of_a_script_has_a_reason_and_its_small_value_has_its_type(path):
    for field in dataclasses.fields(script(path).Settings):
        assert len(field.metadata["why"].split()) > 1, field.name
        assert type(field.default) is field.type, field.name
        small = field.metadata["small"]
        if small is not None:
            assert type(small) is field.type, field.name
            assert small != field.default, field.name
        if field.type is tuple:
            assert {type(item) for item in small or field.default} == {type(field.default[0])}, field.name


@a_script
@pytest.mark.parametrize("small", [[], ["--small"]], ids=["full", "small"])
def test_the_settings_of_a_script_written_out_as_flags_are_the_same_settings(path, small):
    kind = script(path).Settings
    settings, _ = common.parse("", kind, small)
    words = []
    for name, value in dataclasses.asdict(settings).items():
        if value is False:
            continue
        words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, tuple) else (value,))]
    assert common.parse("", kind, words)[0] == settings


@a_script
def test_the_help_of_a_script_tells_each_setting_with_its_reason(path, capsys, monkeypatch):
    module = script(path)
    text = help_of(module.__doc__, module.Settings, capsys, monkeypatch)
    for field in dataclasses.fields(module.Settings):
        flag, reason = f"--{field.name.replace('_', '-')} ", field.metadata["why"]
        assert re.search(rf"{flag}[A-Z \[\].]*{re.escape(reason)} \(", text), field.name


# main, with a script of a few lines


def run(settings):
    line = {"x": np.linspace(0, 1, settings.points), "y": np.linspace(0, 1, settings.points) ** 2}
    return line, {"data": "fingerprint"}, ["the table", f"{settings.points} points"]


def run_never(settings):
    raise AssertionError("this must compute nothing")


def draw(path):
    result = results.load(path)
    figures = {}
    for name, scale in (("linear", "linear"), ("logarithmic", "log")):
        figures[name] = common.figure(3, 2)
        ax = figures[name].subplots()
        ax.plot(result["x"], 1 + result["y"])
        ax.set_yscale(scale)
    return common.save_figures(path, figures)


def main(*arguments, run=run):
    common.main("A script.", Settings, run, draw, arguments)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


NAMES = ["test_experiment-linear.png", "test_experiment-logarithmic.png", "test_common.npz"]


def test_main_writes_one_result_with_its_settings_and_the_figures_and_says_so(tmp_path, capsys):
    main("--small", "--output", str(tmp_path / "out"))
    assert files(tmp_path / "out") == NAMES
    path = tmp_path / "out" / "test_common.npz"
    np.testing.assert_array_equal(results.load(path)["y"], np.linspace(0, 1, 21) ** 2)
    told = results.provenance(path)
    assert told["data"] == "fingerprint"
    assert told["settings"] == dataclasses.asdict(SMALL) | {"sizes": [784, 16, 10], "half_widths": [0.5]}
    said = capsys.readouterr().out
    assert "the table\n21 points\n" in said
    assert all(str(tmp_path / "out" / name) in said for name in NAMES)


def test_main_writes_to_a_folder_of_the_scripts_name_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main("--small")
    assert files(tmp_path / "output" / "test_experiment") == NAMES


def test_draw_computes_nothing_and_needs_the_result_file_alone(tmp_path, capsys):
    main("--small", "--output", str(tmp_path))
    capsys.readouterr()
    alone = tmp_path / "elsewhere"
    alone.mkdir()
    shutil.copy(tmp_path / "test_common.npz", alone / "renamed.npz")
    main("--draw", str(alone / "renamed.npz"), run=run_never)
    assert files(alone) == ["renamed-linear.png", "renamed-logarithmic.png", "renamed.npz"]
    assert "the table" not in capsys.readouterr().out


def test_the_same_file_gives_the_same_figures_to_the_byte(tmp_path):
    main("--small", "--output", str(tmp_path))
    figures = sorted(tmp_path.glob("*.png"))
    first = [figure.read_bytes() for figure in figures]
    for figure in figures:
        figure.unlink()
    main("--draw", str(tmp_path / "test_common.npz"), run=run_never)
    assert [figure.read_bytes() for figure in figures] == first
    assert first[0] != first[1]


def test_a_figure_is_as_large_as_asked_for_and_names_no_version(tmp_path):
    (path,) = common.save_figures(tmp_path / "a.npz", {"b": common.figure(3, 2)})
    assert path == tmp_path / "a-b.png"
    content = path.read_bytes()
    assert struct.unpack(">2I", content[16:24]) == (3 * 120, 2 * 120)
    assert b"atplotlib" not in content


def test_draw_refuses_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz: expected a result file, found nothing"):
        main("--draw", str(tmp_path / "nowhere.npz"), run=run_never)
    assert not list(tmp_path.iterdir())


def test_a_run_that_fails_writes_nothing(tmp_path):
    with pytest.raises(AssertionError, match="compute nothing"):
        main("--output", str(tmp_path), run=run_never)
    assert not list(tmp_path.iterdir())


# images


def test_images_are_the_digits_or_a_folder_whole_or_the_first_few(tmp_path):
    for whole, part in zip(data.digits(), common.images("", 10), strict=True):
        assert len(part) == 10
        assert part.fingerprint == whole[:10].fingerprint
    assert [len(part) for part in common.images("")] == [8000, 2000]
    for name, n in (("train", 4), ("t10k", 3)):
        header = struct.pack(">4B3I", 0, 0, 8, 3, n, 1, 2)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(header + bytes(range(2 * n)))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, n) + bytes(range(n)))
    assert [len(part) for part in common.images(str(tmp_path))] == [4, 3]
    first, _ = common.images(str(tmp_path), 2)
    np.testing.assert_allclose(first.x, np.array([[0, 1], [2, 3]]) / 255, rtol=1e-6)


# verdicts


@pytest.mark.parametrize(
    ("found", "low", "high", "line"),
    [
        (1.0, 0.5, 2.0, "PASS  a claim: 1, expected 0.5 to 2"),
        (0.5, 0.5, 2.0, "PASS  a claim: 0.5, expected 0.5 to 2"),  # the ends belong to the band
        (2, 0.5, 2.0, "PASS  a claim: 2, expected 0.5 to 2"),
        (2.0001, 0.5, 2.0, "FAIL  a claim: 2, expected 0.5 to 2"),
        (0.4, 0.5, 2.0, "FAIL  a claim: 0.4, expected 0.5 to 2"),
        (-3.0, -np.inf, 2.0, "PASS  a claim: -3, expected at most 2"),
        (123.456, -np.inf, 2.0, "FAIL  a claim: 123, expected at most 2"),
        (123.456, 100, np.inf, "PASS  a claim: 123, expected at least 100"),
        (0.0, 1e-6, np.inf, "FAIL  a claim: 0, expected at least 1e-06"),
        (np.inf, 100, np.inf, "PASS  a claim: inf, expected at least 100"),
        (np.nan, 0, 1, "FAIL  a claim: nan, expected 0 to 1"),  # unknown is not shown
        (np.nan, 0, np.inf, "FAIL  a claim: nan, expected at least 0"),
        (np.float32(0.25), 0, 1, "PASS  a claim: 0.25, expected 0 to 1"),
        (True, 1, 1, "PASS  a claim: 1, expected 1 to 1"),
    ],
)
def test_a_verdict_passes_in_its_band_and_says_which(found, low, high, line):
    assert common.verdict("a claim", found, low, high) == line


def test_one_end_of_a_band_is_enough():
    assert common.verdict("a claim", 3, low=2) == "PASS  a claim: 3, expected at least 2"
    assert common.verdict("a claim", 3, high=2) == "FAIL  a claim: 3, expected at most 2"


def test_of_many_draws_the_median_is_judged_and_the_interval_told():
    found = populations.summary(np.arange(1.0, 11.0))
    said = "a claim: 5.5 (2 to 9, 10 draws), expected"
    assert common.verdict("a claim", found, 5, 6) == f"PASS  {said} 5 to 6"
    assert common.verdict("a claim", found, 6, 9) == f"FAIL  {said} 6 to 9"
    nothing = populations.summary([np.nan])
    assert common.verdict("a claim", nothing, high=9).startswith("FAIL  a claim: nan (nan to nan, 0 draws)")
