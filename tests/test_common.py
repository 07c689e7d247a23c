"""Settings become flags and back, scripts keep their form, and a figure is drawn from its file alone."""

import ast
import dataclasses
import importlib.util
import os
import platform
import re
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from matplotlib.ticker import NullLocator

from jaxcost import cost, data, descent, network, results, statistics

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
sys.path[:0] = [str(EXPERIMENTS)] * (str(EXPERIMENTS) not in sys.path)  # as for a script that is run from there

common = importlib.import_module("common")
setting = common.setting


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
        "--quiet print nothing",
        "--draw FILE draw a saved result again",
        "--format {png,svg,pdf} of the figures (png)",
        "--output FOLDER where",
    ):
        assert words in text


# settings that are inherited


@dataclass(frozen=True)
class OfTraining(common.Trained):
    images: int = common.like("images", small=50)
    batch: int = common.like("batch", default=20, why="larger, for speed")
    epochs: int = common.like("epochs", small=None)
    points: int = setting(61, "of a line", small=5)
    sizes: tuple = setting((784, 10), "no hidden layer")


def of_training(*arguments):
    return common.parse("A script.", OfTraining, arguments)[0]


def test_inherited_settings_come_first_in_their_order_whether_or_not_they_are_declared_again():
    names = [field.name for field in dataclasses.fields(OfTraining)]
    assert names == ["data", "images", "sizes", "seed", "rate", "batch", "epochs", "points"]
    assert of_training() == OfTraining("", 0, (784, 10), 0, 1.5, 20, 30, 61)


def test_small_values_are_those_of_the_last_declaration():
    assert of_training("--small") == OfTraining("", 50, (784, 10), 0, 1.5, 20, 30, 5)
    assert of_training("--small", "--epochs", "2").epochs == 2
    assert common.parse("", common.Trained, ["--small"])[0] == common.Trained(images=1000, epochs=3)
    assert common.parse("", common.Network, ["--small"])[0] == common.Network(images=1000)


def test_help_tells_reasons_of_inherited_settings_and_of_those_declared_again(capsys, monkeypatch):
    text = help_of("A script.", OfTraining, capsys, monkeypatch)
    for words in (
        "--data STR folder of four IDX files; empty for the embedded digits ('')",
        "--images INT take only so many images of each part, 0 for all (0)",
        "--sizes INT [INT ...] no hidden layer (784 10)",
        "--rate FLOAT Nielsen's learning rate 3, for a cost without his factor 1/2 (1.5)",
        "--batch INT larger, for speed (20)",
        "--epochs INT passes over the images, Nielsen's (30)",
        "--points INT of a line (61)",
    ):
        assert words in text


def test_a_setting_declared_again_leaves_that_of_the_others_alone():
    assert common.Trained() == common.Trained("", 0, (784, 16, 16, 10), 0, 1.5, 10, 30)
    small = {field.name: field.metadata["small"] for field in dataclasses.fields(common.Trained)}
    assert (small["images"], small["epochs"]) == (1000, 3)


def test_only_a_setting_that_there_is_can_be_declared_again():
    with pytest.raises(KeyError, match="pionts"):
        common.like("pionts")


# the scripts


SCRIPTS = [path for path in sorted(EXPERIMENTS.glob("*.py")) if path.stem not in ("balls", "common", "networks")]
a_script = pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)


def script(path):
    name = f"experiments.{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def test_there_are_scripts():
    assert SCRIPTS


@a_script
def test_a_script_is_settings_result_run_table_draw_and_a_docstring_with_its_command(path):
    module = script(path)
    assert dataclasses.is_dataclass(module.Settings)
    assert module.Settings.__dataclass_params__.frozen
    assert issubclass(module.Result, tuple)
    assert module.Result._fields
    assert not module.Result.__doc__.startswith("Result(")  # which Python writes where a class has none
    assert callable(module.run)
    assert callable(module.table)
    assert callable(module.draw)
    assert f"python experiments/{path.name}" in module.__doc__


def test_programs_are_kept_among_the_users_caches_or_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    try:
        for given, folder in ((None, tmp_path / "jaxcost" / platform.node()), ("mine", "mine")):
            jax.config.update("jax_compilation_cache_dir", given)
            common.keep_compiled()
            assert jax.config.jax_compilation_cache_dir == str(folder)
    finally:
        jax.config.update("jax_compilation_cache_dir", None)


@pytest.mark.slow
def test_a_script_that_is_run_again_compiles_nothing_anew(tmp_path):
    here = {"XDG_CACHE_HOME": str(tmp_path / "caches"), "JAX_ENABLE_COMPILATION_CACHE": "1"}
    counting = """import jax, runpy, sys; seen, path = [], sys.argv.pop(1)
sys.path.insert(0, path)
jax.monitoring.register_event_listener(lambda name, **_: seen.append(name))
runpy.run_path(f"{path}/one_image_at_a_time.py", run_name="__main__")
print(*(seen.count(f"/jax/compilation_cache/cache_{kind}") for kind in ("misses", "hits")))"""
    command = [sys.executable, "-c", counting, str(EXPERIMENTS), "--small", "--quiet"]
    run = lambda: subprocess.run(
        command, cwd=tmp_path, env=os.environ | here, check=True, capture_output=True, text=True
    )
    (misses, _), (missed_again, hits) = (map(int, run().stdout.split()) for _ in range(2))
    assert misses > 5
    assert missed_again == 0 < hits


@a_script
def test_a_script_is_read_in_one_sitting_and_names_no_list_that_its_reader_has_not(path):
    text = path.read_text()
    assert text.count("\n") < 250
    assert not re.search(r"\brows? \d", text, re.IGNORECASE)


@a_script
def test_a_script_imports_nothing_of_the_engine(path):
    for node in ast.walk(ast.parse(path.read_text())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
        whole = [f"{node.module}.{name}" for name in names] if isinstance(node, ast.ImportFrom) else names
        assert not any(name.startswith("jaxcost.engine") for name in whole), whole


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


class Result(NamedTuple):
    """A parabola."""

    x: np.ndarray
    y: np.ndarray


def run(settings):
    print("computing")
    x = np.linspace(0, 1, settings.points)
    return Result(x, x**2), {"data": "fingerprint"}


def table(result):
    return ["the table", f"{len(result.x)} points"]


def run_never(settings):
    raise AssertionError("this must compute nothing")


def draw(path):
    result = results.load(path)
    figures = {}
    for name, scale in (("linear", "linear"), ("logarithmic", "log")):
        figures[name] = common.figure(3, 2)
        ax = figures[name].subplots()
        ax.plot(result.x, 1 + result.y)
        ax.set_yscale(scale)
    return common.save_figures(path, figures)


def main(*arguments, run=run):
    common.main("A script.", Settings, run, draw, table, arguments)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


NAMES = ["test_common-linear.png", "test_common-logarithmic.png", "test_common.npz"]


def test_main_writes_one_result_with_its_settings_and_the_figures_and_says_so(tmp_path, capsys):
    main("--small", "--output", str(tmp_path / "out"))
    assert files(tmp_path / "out") == NAMES
    path = tmp_path / "out" / "test_common.npz"
    np.testing.assert_array_equal(results.load(path).y, np.linspace(0, 1, 21) ** 2)
    told = results.provenance(path)
    assert told["data"] == "fingerprint"
    assert told["settings"] == dataclasses.asdict(SMALL) | {"sizes": [784, 16, 10], "half_widths": [0.5]}
    printed = capsys.readouterr().out
    assert printed.startswith("computing\n\nthe table\n21 points\n\nresult  ")
    assert all(str(tmp_path / "out" / name) in printed for name in NAMES)


def test_main_writes_to_a_folder_of_the_scripts_name_unless_told_otherwise(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main("--small")
    assert files(tmp_path / "output" / "test_common") == NAMES


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


@pytest.mark.parametrize(("format_", "begins"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_figures_are_of_the_format_that_is_asked_for_and_only_then(format_, begins, tmp_path):
    main("--small", "--format", format_, "--output", str(tmp_path))
    assert files(tmp_path) == [name.replace("png", format_) for name in NAMES]
    assert (tmp_path / f"test_common-linear.{format_}").read_bytes().startswith(begins)
    main("--draw", str(tmp_path / "test_common.npz"), run=run_never)
    assert {"test_common-linear.png", "test_common-logarithmic.png"} < set(files(tmp_path))


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


@pytest.fixture
def bars(monkeypatch):
    """The switch of progress bars, put back afterwards."""
    monkeypatch.setenv("TQDM_DISABLE", "0")


@pytest.mark.usefixtures("bars")
def test_quiet_writes_the_same_files_and_not_a_word(tmp_path, capfd):
    def run_aloud(settings):
        assert os.environ["TQDM_DISABLE"] == "1"
        return run(settings)

    main("--small", "--quiet", "--output", str(tmp_path / "quiet"), run=run_aloud)
    main("--quiet", "--draw", str(tmp_path / "quiet" / "test_common.npz"), run=run_never)
    assert capfd.readouterr() == ("", "")
    assert files(tmp_path / "quiet") == NAMES
    np.testing.assert_array_equal(results.load(tmp_path / "quiet" / "test_common.npz").y, np.linspace(0, 1, 21) ** 2)


@pytest.mark.usefixtures("bars")
def test_quiet_keeps_silent_on_no_error_and_speech_returns(tmp_path, capsys):
    with pytest.raises(AssertionError, match="compute nothing"):
        main("--quiet", "--output", str(tmp_path), run=run_never)
    print("speech")
    assert capsys.readouterr().out == "speech\n"


def test_not_quiet_leaves_progress_bars_as_they_are(tmp_path, monkeypatch):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    main("--small", "--output", str(tmp_path))
    assert "TQDM_DISABLE" not in os.environ


# images and training


def test_images_are_the_digits_or_a_folder_whole_or_the_first_few(tmp_path):
    for whole, part in zip(data.digits(), common.images(common.Network(images=10)), strict=True):
        assert len(part) == 10
        assert part.fingerprint == whole[:10].fingerprint
    assert [len(part) for part in common.images(common.Network())] == [8000, 2000]
    for name, n in (("train", 4), ("t10k", 3)):
        header = struct.pack(">4B3I", 0, 0, 8, 3, n, 1, 2)
        (tmp_path / f"{name}-images-idx3-ubyte").write_bytes(header + bytes(range(2 * n)))
        (tmp_path / f"{name}-labels-idx1-ubyte").write_bytes(struct.pack(">4BI", 0, 0, 8, 1, n) + bytes(range(n)))
    assert [len(part) for part in common.images(common.Network(data=str(tmp_path)))] == [4, 3]
    first, _ = common.images(common.Network(data=str(tmp_path), images=2))
    np.testing.assert_allclose(first.x, np.array([[0, 1], [2, 3]]) / 255, rtol=1e-6)


FEW = common.Trained(images=47, sizes=(784, 3, 10), rate=0.5, epochs=6)
KEYS = jax.random.split(jax.random.key(0))


@pytest.fixture(scope="module")
def C():
    return cost.Cost(common.images(FEW)[0])


def the_same(a, b):
    for one, other in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_one_training_is_that_of_its_two_keys_for_so_many_whole_epochs(C):
    run = common.train(*KEYS, C, FEW)
    start = network.init(KEYS[0], (784, 3, 10))
    again = descent.descend(KEYS[1], C, start, optax.sgd(0.5), steps=24, batch=10, every=24)  # 6 times 47 // 10
    the_same(run.params, again.params)
    assert np.asarray(run.steps).tolist() == [0, 24]
    the_same(jax.tree.map(lambda leaf: leaf[0], run.trajectory), start)
    the_same(jax.tree.map(lambda leaf: leaf[-1], run.trajectory), run.params)


@pytest.mark.slow
def test_many_trainings_are_those_of_their_keys_and_not_kept_unless_wanted(C):
    run = common.train_many(KEYS, C, FEW, records=2)
    assert run.trajectory is None
    for i, key in enumerate(KEYS):
        one = common.train(*jax.random.split(key), C, FEW, records=2)
        the_same([leaf[i] for leaf in jax.tree.leaves(run.params)], one.params)
        the_same(run.costs[i], one.costs)
    kept = common.train_many(KEYS, C, FEW, keep=True, watch={"twice": lambda *params: 2 * C(*params)})
    the_same([leaf[:, -1] for leaf in jax.tree.leaves(kept.trajectory)], run.params)
    the_same(kept.watched["twice"], 2 * kept.costs)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "steps"),
    [
        ({"records": 6}, [0, 4, 8, 12, 16, 20, 24]),  # once an epoch
        ({"records": 5}, [0, 4, 8, 12, 16, 20, 24]),  # no five in 24: never fewer than asked for
        ({"records": 7}, list(range(0, 25, 3))),
        ({"records": 24}, list(range(25))),
        ({"records": 1000}, list(range(25))),
        ({"steps": 7}, [0, 7]),
        ({"steps": 7, "records": 3}, [0, 2, 4, 6]),  # the seventh step is left out
    ],
)
def test_records_are_as_many_as_wanted_at_equal_distances(C, options, steps):
    assert np.asarray(common.train(*KEYS, C, FEW, **options).steps).tolist() == steps


def test_without_a_batch_each_step_takes_all_images_and_the_slope_of_mathematics(C):
    """Two steps of the quadratic cost of one layer: dC/dz = 2 (a - y) a (1 - a) / n, in numpy and float64."""
    run = common.train(*KEYS, C, dataclasses.replace(FEW, sizes=(784, 10), batch=0, epochs=2), records=2)
    (w,), (b,) = jax.tree.map(np.float64, network.init(KEYS[0], (784, 10)))
    x, y = np.float64(C.images.x), np.float64(C.images.y)
    for seen in np.asarray(run.costs)[:-1]:
        a = 1 / (1 + np.exp(-(x @ w.T + b)))
        np.testing.assert_allclose(seen, ((a - y) ** 2).sum(1).mean(), rtol=1e-5)
        slope = 2 * (a - y) * a * (1 - a) / len(x)
        w, b = w - 0.5 * slope.T @ x, b - 0.5 * slope.sum(0)
    the_same(run.params, ((w,), (b,)))


def test_another_optimizer_needs_no_rate_and_other_steps_no_epochs(C):
    @dataclass(frozen=True)
    class Few(common.Network):
        batch: int = common.like("batch")

    adam = optax.adam(0.01)
    run = common.train(*KEYS, C, Few(sizes=(784, 3, 10)), steps=5, optimizer=adam, keep=False)
    start = network.init(KEYS[0], (784, 3, 10))
    the_same(run.params, descent.descend(KEYS[1], C, start, adam, steps=5, batch=10, every=5).params)
    assert run.trajectory is None


def test_trainings_at_one_rate_are_compiled_once(C):
    traces = []

    def f(x, w, b):
        traces.append(1)
        return network.feedforward(x, w, b)

    counted = cost.Cost(C.images, f)
    common.train(*KEYS, counted, FEW)
    once = len(traces)
    common.train(*KEYS[::-1], counted, FEW)
    assert len(traces) == once > 0


def test_a_training_tells_its_network_its_images_and_its_way_down(C, capsys):
    run = common.train(*KEYS, C, FEW)
    first, last = np.asarray(run.costs)
    line = "784-3-10, 2,395 parameters, 47 images: C"  # 784 x 3 + 3 and 3 x 10 + 10
    assert capsys.readouterr().out == f"{line} {first:.3f} to {last:.4f} in 24 steps\n"
    costs = np.sort(common.train_many(jax.random.split(KEYS[0], 3), C, FEW).costs, 0)
    assert capsys.readouterr().out == f"{line} {costs[1, 0]:.3f} to {costs[1, 1]:.4f} in 24 steps, medians of 3\n"


def test_halfway_is_where_a_cost_that_falls_by_a_constant_factor_has_half_of_its_steps():
    costs = 3 * 0.5 ** np.arange(11)
    costs[5] *= 0.999  # not to hang on rounding
    assert common.halfway(costs) == 5
    assert common.stages(costs) == {"untrained": 0, "half-trained": 5, "trained": 10}
    assert tuple(common.stages(costs)) == common.NETWORKS
    assert common.halfway([4.0, 3.9, 0.9, 3.0, 1.0]) == 2  # the first, come what may


# text


def test_a_median_stands_between_its_extremes():
    assert common.median_of([3.0, 1.0, 20.0, 4.0, 2.0]) == "3 (1 to 20)"
    assert common.median_of(np.array([0.05, 0.1]), ".1%") == "7.5% (5.0% to 10.0%)"
    assert common.median_of([1234.5678], ".4f") == "1234.5678 (1234.5678 to 1234.5678)"


def test_columns_are_as_wide_as_their_widest_cell_the_first_to_the_left_the_others_to_the_right():
    rows = [["", "C", "a longer title"], ["short", 1.23456, 12], ["a long name", jnp.float32(0.25), np.int64(1234567)]]
    assert common.columns(rows) == [
        "                C  a longer title",
        "short        1.23              12",
        "a long name  0.25       1,234,567",
    ]


def test_rows_may_be_shorter_and_empty_and_hold_what_has_words_of_its_own():
    interval = statistics.Interval(0.5, 0.25, 0.75)
    lines = common.columns([["a", 1, interval], [], ["b", np.nan], ["c", True, None]])
    assert lines[0] == f"a    1  {interval}"
    assert lines[1:3] == ["", "b  nan"]
    assert lines[3] == "c    1  " + "None".rjust(len(str(interval)))
    assert common.columns([]) == []


# verdicts


def verdict(*arguments, **options):
    """What a verdict says first, and the rest."""
    line = common.verdict("a claim", *arguments, **options)
    return line[:14].rstrip(), line[14:]


@pytest.mark.parametrize(
    ("found", "low", "high", "word", "rest"),
    [
        (1.0, 0.5, 2.0, "holds", "a claim: 1, expected 0.5 to 2"),
        (0.5, 0.5, 2.0, "holds", "a claim: 0.5, expected 0.5 to 2"),  # the ends belong to the band
        (2, 0.5, 2.0, "holds", "a claim: 2, expected 0.5 to 2"),
        (2.0001, 0.5, 2.0, "not confirmed", "a claim: 2, expected 0.5 to 2"),
        (0.4, 0.5, 2.0, "not confirmed", "a claim: 0.4, expected 0.5 to 2"),
        (-3.0, -np.inf, 2.0, "holds", "a claim: -3, expected at most 2"),
        (123.456, -np.inf, 2.0, "not confirmed", "a claim: 123, expected at most 2"),
        (123.456, 100, np.inf, "holds", "a claim: 123, expected at least 100"),
        (0.0, 1e-6, np.inf, "not confirmed", "a claim: 0, expected at least 1e-06"),
        (np.inf, 100, np.inf, "holds", "a claim: inf, expected at least 100"),
        (np.nan, 0, 1, "not confirmed", "a claim: nan, expected 0 to 1"),  # unknown is not shown
        (np.nan, 0, np.inf, "not confirmed", "a claim: nan, expected at least 0"),
        (np.nan, -np.inf, 0, "not confirmed", "a claim: nan, expected at most 0"),
        (np.float32(0.25), 0, 1, "holds", "a claim: 0.25, expected 0 to 1"),
        (True, 1, 1, "holds", "a claim: 1, expected 1 to 1"),
    ],
)
def test_a_claim_holds_in_its_band_and_the_line_says_which(found, low, high, word, rest):
    assert verdict(found, low, high) == (word, rest)


def test_one_end_of_a_band_is_enough():
    assert verdict(3, low=2) == ("holds", "a claim: 3, expected at least 2")
    assert verdict(3, high=2) == ("not confirmed", "a claim: 3, expected at most 2")


@pytest.mark.parametrize("band", [(), (-np.inf, np.inf), (2, 1), (np.nan, 1), (0, np.nan)])
def test_a_band_that_every_number_is_in_or_none_is_refused(band):
    with pytest.raises(ValueError, match="expected one that some numbers are in and some are not"):
        common.verdict("a claim", 1.0, *band)


def test_a_claim_is_told_with_who_made_it():
    rest = "a claim (Li et al. 2018): 95, expected 40 to 90"
    assert verdict(95, 40, 90, source="Li et al. 2018") == ("not confirmed", rest)


def test_of_many_draws_the_median_is_judged_and_the_interval_told():
    found = statistics.summary(np.arange(1.0, 11.0))
    line = "a claim: 5.5 (2 to 9, 10 draws), expected"
    assert verdict(found, 5, 6) == ("holds", f"{line} 5 to 6")
    assert verdict(found, 6, 9) == ("not confirmed", f"{line} 6 to 9")
    nothing = statistics.summary([np.nan])
    word, rest = verdict(nothing, high=9)
    assert word == "not confirmed"
    assert rest.startswith("a claim: nan (nan to nan, 0 draws)")


def test_of_an_interval_the_value_is_judged():
    found = statistics.Interval(0.5, 0.25, 0.75)
    assert verdict(found, 0.4, 0.6) == ("holds", f"a claim: {found}, expected 0.4 to 0.6")
    assert verdict(found, 0.6, 0.8) == ("not confirmed", f"a claim: {found}, expected 0.6 to 0.8")


@pytest.mark.parametrize(
    ("interval", "band", "word"),
    [
        ((0.5, 0.25, 0.75), {"low": 0.25}, "holds"),
        ((0.5, 0.25, 0.75), {"low": 0.3}, "not confirmed"),  # its lower end lies below
        ((0.5, 0.25, 0.75), {"high": 0.75}, "holds"),
        ((0.5, 0.25, 0.75), {"high": 0.7}, "not confirmed"),
        ((0.5, 0.25, 0.75), {"low": 0.2, "high": 0.8}, "holds"),
        ((0.5, 0.25, 0.75), {"low": 0.2, "high": 0.7}, "not confirmed"),
        ((0.5, 0.25, 0.75), {"low": 0.3, "high": 0.8}, "not confirmed"),
        ((0.5, -np.inf, 0.75), {"low": 0}, "not confirmed"),  # too few draws to tell
        ((0.5, -np.inf, np.inf), {"high": 1}, "not confirmed"),
        ((np.nan, 0.25, 0.75), {"low": 0}, "not confirmed"),
        ((0.5, np.nan, 0.75), {"low": 0}, "not confirmed"),
        ((0.5, 0.25, np.nan), {"low": 0}, "not confirmed"),
    ],
)
def test_the_whole_of_an_interval_may_be_asked_for(interval, band, word):
    found = statistics.Interval(*interval)
    first, rest = verdict(found, **band, whole=True)
    assert first == word
    assert rest.startswith(f"a claim: {found}, expected all of it ")


def test_the_whole_of_many_draws_is_the_interval_of_their_median():
    found = statistics.summary(np.arange(1.0, 11.0))  # 2 to 9
    assert verdict(found, low=2, whole=True)[0] == "holds"
    assert verdict(found, low=2.1, whole=True)[0] == "not confirmed"
    assert verdict(found, low=2.1)[0] == "holds"


def test_a_number_has_no_whole():
    with pytest.raises(TypeError, match=r"3\.0 has no interval, expected a Summary or an Interval"):
        common.verdict("a claim", 3.0, low=2, whole=True)


# figures


def test_tidy_axes_have_a_grid_and_a_legend_of_what_is_named_and_keep_one_of_their_own():
    axes = common.figure(4, 4).subplots(2, 2)
    axes[0, 0].plot([0, 1], label="named")
    axes[0, 1].plot([0, 1])
    axes[1, 0].plot([0, 1], label="named")
    own = axes[1, 0].legend(loc="center")
    common.tidy(axes, loc="upper left")
    assert [text.get_text() for text in axes[0, 0].get_legend().get_texts()] == ["named"]
    assert axes[0, 1].get_legend() is None
    assert axes[1, 0].get_legend() is own
    for ax in axes.flat:
        assert all(line.get_visible() and line.get_alpha() == 0.3 for line in ax.get_xgridlines())
    alone = common.figure(4, 4).subplots()
    alone.plot([0, 1], label="alone")
    common.tidy(alone)
    assert alone.get_legend() is not None


def labels(ax, axis):
    """The ticks of an axis within its limits, and what is written at them."""
    ax.figure.draw_without_rendering()
    low, high = sorted(axis.get_view_interval())
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    shown = [tick for tick in ticks if low <= tick.get_loc() <= high and tick.label1.get_text()]
    return {tick.get_loc(): tick.label1.get_text().replace("\N{MINUS SIGN}", "-") for tick in shown}


@pytest.mark.parametrize("span", [(0.41, 0.49), (0.3, 0.9), (1, 9.9), (0.15, 3), (0.01, 100), (1e-6, 1), (1e-30, 1)])
def test_numbers_of_logarithmic_axes_are_plain_and_true(span):
    ax = common.figure(6, 6).subplots()
    ax.plot(span, span)
    common.log(ax.xaxis, ax.yaxis)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    for axis in (ax.xaxis, ax.yaxis):
        found = labels(ax, axis)
        assert 1 < len(found) < 12
        assert all(text == f"{float(text):g}" and np.isclose(float(text), at) for at, text in found.items())


def test_one_axis_may_be_logarithmic_and_the_other_not():
    ax = common.figure(4, 4).subplots()
    common.log(ax.xaxis)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "linear")


def test_an_axis_of_counts_shows_none_one_and_many_as_they_are():
    ax = common.figure(4, 4).subplots()
    ax.plot([0, 1, 2], [0, 1, 1000])
    common.counts(ax)
    to = ax.transData.transform
    zero, half, one, ten, hundred = (to((0, count))[1] for count in (0, 0.5, 1, 10, 100))
    np.testing.assert_allclose(half - zero, one - half)
    np.testing.assert_allclose(ten - one, hundred - ten)
    found = labels(ax, ax.yaxis)
    assert found[0] == "0"
    assert found[1] == "1"
    assert found[100] == "100"
    assert isinstance(ax.yaxis.get_minor_locator(), NullLocator) or len(found) < 10


def test_the_axes_of_a_plane_hold_what_it_is_about_with_the_same_margin_all_around():
    coordinates = np.array([[1.0, 5.0], [3.0, 5.5], [2.0, 4.5]])
    alphas, betas = common.around(coordinates, 7, margin=0.25)
    np.testing.assert_allclose(alphas, np.linspace(0.5, 3.5, 7))
    np.testing.assert_allclose(betas, np.linspace(4.0, 6.0, 7))
