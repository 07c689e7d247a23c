"""Every experiment runs small, whatever the network, and draws the same pictures from its file alone."""

import base64
import contextlib
import dataclasses
import html
import importlib
import io
import itertools
import json
import os
import re
import runpy
import shutil
import sys
import time
from pathlib import Path
from unittest import mock

import browser
import numpy as np
import pytest
from matplotlib import image
from scipy import signal, special

from jaxcost import data, results

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
sys.path[:0] = [str(EXPERIMENTS)] * (str(EXPERIMENTS) not in sys.path)  # as for a script that is run from there
common, cheatsheet = map(importlib.import_module, ("common", "cheatsheet"))

# the cheatsheet runs the others, and is tested below on what they left
NO_SCRIPTS = ("balls", "common", "networks", "cheatsheet")
SCRIPTS = sorted(path.stem for path in EXPERIMENTS.glob("*.py") if path.stem not in NO_SCRIPTS)
SIZES = (784, 8, 8, 10)  # not those of the home network: no script hangs on them
DIALS = sum((one + 1) * other for one, other in itertools.pairwise(SIZES))


def run(name, *words, cwd):
    """Run a script with these words on its command line; what it defines and what it prints.

    In this process, so that what all scripts do alike is compiled once.
    """
    path = str(EXPERIMENTS / f"{name}.py")
    here, words, printed = (
        contextlib.chdir(cwd),
        mock.patch.object(sys, "argv", [path, *map(str, words)]),
        io.StringIO(),
    )
    with here, words, mock.patch.dict(os.environ), contextlib.redirect_stdout(printed):
        return runpy.run_path(path, run_name="__main__"), printed.getvalue()


def words_for(name):
    """A small run of a network that is not the home network, of the scripts that train one."""
    fields = dataclasses.fields(importlib.import_module(name).Settings)
    return ["--small", *(["--sizes", *SIZES] if "sizes" in [field.name for field in fields] else [])]


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Each script's small run, once: its folder, what it defines and what it printed."""
    done = {}

    def once(name):
        if name not in done:
            cwd = tmp_path_factory.mktemp(name)
            done[name] = cwd / "output" / name, *run(name, *words_for(name), cwd=cwd)
        return done[name]

    return once


# every day five that show most of what scripts do, in some seconds each
SLOW = (
    "barrier_by_width",
    "bumpiness_by_scale",
    "bumpiness_by_width",
    "curvature_of_random_lines",
    "downhill_from_anywhere",
    "eigen_planes",
    "estimates_against_truth",
    "false_minima",
    "forked_runs",
    "growth",
    "local_and_global",
    "many_planes",
    "minima_by_depth",
    "minima_graph",
    "other_costs",
    "outliers",
    "published_accuracies",
    "random_walks",
    "sharp_and_flat",
    "spectrum",
    "speed",
    "stationary_points",
    "straight_line",
    "training_path",
    "unseen_images",
    "valley_between_minima",
    "where_a_bowl_ends",
    "which_images_make_a_bump",
    "wide_and_narrow",
)
a_script = pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] * (n in SLOW)) for n in SCRIPTS])


@a_script
def test_a_small_run_writes_one_result_with_its_settings_and_figures(ran, name):
    folder, script, printed = ran(name)
    assert [path.name for path in folder.glob("*.npz")] == [f"{name}.npz"]
    figures = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".html"))
    assert sorted(re.findall(r"^figure  .*/(.*)$", printed, re.M)) == [path.name for path in figures] != []
    settings, _ = common.parse("", script["Settings"], list(map(str, words_for(name))))
    told = results.provenance(folder / f"{name}.npz")["settings"]
    assert told == json.loads(json.dumps(dataclasses.asdict(settings)))  # tuples as lists


@a_script
def test_no_picture_has_ink_on_its_outermost_pixels(ran, name):
    for path in ran(name)[0].glob("*.png"):
        pixels = image.imread(path)[..., :3]
        edges = {"top": pixels[0], "bottom": pixels[-1], "left": pixels[:, 0], "right": pixels[:, -1]}
        assert [f"{path.name}, {side}" for side, edge in edges.items() if edge.min() < 1] == []


@a_script
def test_the_same_pictures_are_drawn_from_the_file_alone_and_quietly(ran, name, tmp_path, capfd):
    folder, _, _ = ran(name)
    shutil.copy(folder / f"{name}.npz", tmp_path)
    capfd.readouterr()
    _, printed = run(name, "--quiet", "--draw", tmp_path / f"{name}.npz", cwd=tmp_path)
    assert (printed, *capfd.readouterr()) == ("", "", "")
    figures = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    assert {path.name: path.read_bytes() for path in tmp_path.glob("*.png")} == figures


@a_script
def test_the_result_is_that_which_the_script_describes(ran, name):
    folder, script, printed = ran(name)
    kinds = [one for one in script.values() if isinstance(one, type) and issubclass(one, tuple)]
    result = results.load(folder / f"{name}.npz", types=[kind for kind in kinds if kind.__module__ == "__main__"])
    assert type(result) is script["Result"]
    for line in script["table"](result):  # from the file, as it was from the run
        assert line in printed


# what the numbers are, by numpy


def images(n):
    """The first digits, in float64."""
    train, _ = data.digits()
    return np.float64(train.x[:n]), np.float64(train.y[:n])


def outputs(x, params):
    """The activations of each layer, the images first."""
    layers = [x]
    for w, b in zip(*params, strict=True):
        layers.append(special.expit(layers[-1] @ np.float64(w).T + np.float64(b)))
    return layers


def costs_of(params, n):
    """The cost of each image."""
    x, y = images(n)
    return ((outputs(x, params)[-1] - y) ** 2).sum(1)


def gradient(params, n):
    """The gradient of C in float64, the arrays one after the other: delta^T a, and the sums of delta, layer by layer.

    delta_L = 2 (a - y) a (1 - a) / n, delta_l = (delta_l+1 w_l+1) a (1 - a).
    """
    x, y = images(n)
    layers, slopes = outputs(x, params), []
    delta = 2 * (layers[-1] - y) / len(x)
    for i in reversed(range(len(params[0]))):
        delta = delta * layers[i + 1] * (1 - layers[i + 1])
        slopes.insert(0, (delta.T @ layers[i], delta.sum(0)))
        delta = delta @ np.float64(params[0][i])
    return np.concatenate([np.ravel(leaf) for kind in zip(*slopes, strict=True) for leaf in kind])


def along(slice_, point, n):
    """The slopes of C along the directions of a slice."""
    flat = lambda tree: np.concatenate([np.ravel(leaf) for kind in tree for leaf in kind])
    return np.array([gradient(slice_.at(point), n) @ flat(u) for u in slice_.frame.directions])


def load(ran, name):
    folder, script, printed = ran(name)
    settings, _ = common.parse("", script["Settings"], words_for(name)[:1])
    return results.load(folder / f"{name}.npz"), settings, printed


def test_the_worked_examples_and_one_image_cost_what_the_cheatsheet_says(ran):
    result, settings, printed = load(ran, "one_image_at_a_time")
    assert re.findall(r"worked example: .* (0\.\d+)", printed) == ["0.0129", "0.9000"]
    _, y = images(settings.images)
    for guess, total in zip(result.guesses[2:], result.totals, strict=True):
        np.testing.assert_array_equal(guess.y, y[settings.image])
        np.testing.assert_allclose(total.costs[settings.image], ((guess.a - guess.y) ** 2).sum(), rtol=1e-5)
        np.testing.assert_allclose(total.C, np.mean(total.costs, dtype=np.float64), rtol=1e-5)
    assert result.totals[1].C < result.totals[0].C
    assert result.f.endswith("float32[10]")
    assert result.C.endswith("float32[]")


def test_learning_makes_the_number_go_down_and_tells_who_carries_it(ran):
    result, settings, printed = load(ran, "learning")
    assert result.run.costs.shape == (settings.seeds, settings.epochs + 1)
    assert (result.run.costs[:, -1] < 0.5 * result.run.costs[:, 0]).all()
    costs = costs_of([[leaf[0] for leaf in of] for of in result.run.params], settings.images)
    np.testing.assert_allclose(result.squared, costs, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(result.run.costs[0, -1], costs.mean(), rtol=1e-5)
    falling = np.sort(result.squared)[::-1]
    np.testing.assert_array_equal(result.worst.cost, falling[:25])
    share = falling[: settings.images // 10].sum() / falling.sum()
    shares = result.shares["squared differences"]
    np.testing.assert_allclose(shares[0, 1], share, rtol=1e-5)
    assert shares.shape == (settings.seeds, 2)
    assert re.search(rf"worst 10% +{np.median(shares[:, 1]):.1%} \({shares[:, 1].min():.1%} to ", printed)


def test_the_slopes_of_all_dials_are_those_of_backpropagation(ran):
    """delta_L = 2 (a - y) a (1 - a) / n, delta_l = (w_l+1^T delta_l+1) a (1 - a); dC/dw = delta a^T, in float64."""
    result, settings, _ = load(ran, "thirteen_thousand_dials")
    x, y = images(settings.images)
    for of, many in zip(result[:2], result.networks.values(), strict=True):
        np.testing.assert_allclose(of.C, costs_of(of.params, settings.images).mean(), rtol=1e-5)
        layers, slopes = outputs(x, of.params), []
        delta = 2 * (layers[-1] - y) / len(x)
        for i in reversed(range(len(of.params.w))):
            delta = delta * layers[i + 1] * (1 - layers[i + 1])
            slopes.insert(0, (delta.T @ layers[i], delta.sum(0)))
            delta = delta @ of.params.w[i]
        for slope, found in zip(slopes, zip(*of.slopes, strict=True), strict=True):
            for one, other in zip(slope, found, strict=True):
                np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-6)
        flat = np.concatenate([np.ravel(leaf) for kind in of.slopes for leaf in kind])
        np.testing.assert_allclose(of.measured, flat[of.turned], rtol=0.02, atol=1e-4)
        # and what is told of all networks, the first of which this is
        squares = np.sort(np.float64(flat) ** 2)[::-1]
        held = [squares[: round(part * DIALS)].sum() / squares.sum() for part in (0.01, 0.1)]
        np.testing.assert_allclose(many.shares[0], held, rtol=1e-6)
        np.testing.assert_allclose(np.sum(list(many.layers.values()), 0), 1, rtol=1e-6)
        assert many.still[0] == np.mean(flat == 0)
        assert many.shares.shape == (settings.networks, 2)
        assert (many.correlation > 0.999).all()


def test_brute_force_counts_every_dial_and_descent_wins(ran):
    result, settings, printed = load(ran, "brute_force")
    assert result.dials == DIALS
    for levels in settings.levels:
        assert f"10^{DIALS * np.log10(levels):,.0f} " in printed
    assert len(result.random) == settings.draws == 3 * (len(result.descent) - 1)
    assert result.descent[-1] < result.random.min()
    assert 0 <= result.share.low <= result.share.value <= result.share.high < result.tail.share
    assert result.end.low <= result.end.value <= result.end.high


@pytest.mark.slow
def test_a_bump_is_as_deep_as_the_mean_rise_of_the_images_and_as_sure(ran):
    result, settings, _ = load(ran, "which_images_make_a_bump")
    (bottom,), (ridge,) = result.bump.indices[0], result.bump.passes[0]
    low, high = (costs_of(result.line.at(result.line.alphas[[i]]), settings.images) for i in (bottom, ridge))
    np.testing.assert_allclose(result.rises, high - low, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(result.bump.deepest, (high - low).mean(), atol=1e-5)
    error = (high - low).std(ddof=1) / len(low) ** 0.5
    np.testing.assert_allclose(result.errors[ridge], error, rtol=1e-3)
    network = result.depths.max(1).argmax()
    assert result.depths[network].max() > 0  # else it is the network's own minimum
    told = result.bumps.depths[network], result.bumps.errors[network]
    np.testing.assert_allclose(told, (result.bump.deepest, error), rtol=1e-3, atol=1e-5)


def test_planes_about_a_network_have_its_cost_in_the_middle_and_minima_that_are_low(ran):
    result, settings, _ = load(ran, "bumpy_planes")
    assert tuple(result.networks) == common.NETWORKS
    assert result.costs[0] == result.networks["untrained"].cost > result.networks["half-trained"].cost
    assert result.costs[-1] == result.networks["trained"].cost < result.networks["half-trained"].cost
    for of in result.networks.values():
        assert [plane.half_width for plane in of.planes] == list(settings.half_widths)
        for plane in of.planes:
            values, floor = plane.slice_.values, plane.slice_.floor
            middle = tuple(length // 2 for length in values.shape)
            cost = costs_of(plane.slice_.frame.origin, settings.images).mean()
            np.testing.assert_allclose((values[middle], of.cost), cost, rtol=1e-5)
            assert floor > 0
            for found in (plane.of_C, plane.of_grid):
                assert (found.depths > floor).all()
                for i, j in found.indices:
                    assert values[i, j] == values[i - 1 : i + 2, j - 1 : j + 2].min()


@pytest.mark.slow
def test_minima_by_depth_are_the_prominences_of_the_line_and_their_errors_those_of_the_images(ran):
    result, settings, _ = load(ran, "minima_by_depth")
    for by_width in result.kinds.values():
        for half_width, of in by_width.items():
            alphas, values = np.float64(of.example)
            assert (np.diff(alphas) > 0).all()
            assert alphas[[0, -1]].tolist() == [-float(half_width), float(half_width)]
            peaks, _ = signal.find_peaks(-values)
            depths = np.sort(signal.peak_prominences(-values, peaks)[0])[::-1]
            deep = depths[depths > 1e-4]
            counted = of.counts[0, 0, -1]
            expected = [(deep > level).sum() for level in result.levels]
            assert counted[result.levels > 1e-4].tolist() == np.array(expected)[result.levels > 1e-4].tolist()
            kept = of.depths[0, 0][~np.isnan(of.depths[0, 0])]
            np.testing.assert_allclose(kept[kept > 1e-3], depths[: len(kept)][kept > 1e-3], rtol=1e-2)
            assert (of.counts[..., 1:, :] >= 0).all()
            assert (np.diff(of.counts, axis=-1) <= 0).all()
    assert settings.depth == 0.01


@pytest.mark.slow
def test_a_plane_is_as_fast_as_itself_and_says_what_the_plain_cost_says(ran):
    result, settings, printed = load(ran, "speed")
    assert len(result.ways) == 7
    for times in (result.ways, {"lines": result.lines[0]}, result.training):
        assert all((seconds > 0).all() for seconds in times.values())
    assert re.search(r"slices\.evaluate .* 1\.0 \(1\.0 to 1\.0\)", printed)
    assert result.difference < 1e-5
    assert 0 < result.error < 1e-6
    assert result.lines[1] == settings.lines


@pytest.mark.slow
@pytest.mark.parametrize(("wing", "said"), [("curvature", "top 10 to 0.001"), ("connectivity", "3 lines of 25 points")])
def test_a_wing_is_timed_alone_and_its_times_are_drawn_again(wing, said, tmp_path):
    script, printed = run("speed", "--small", f"--{wing}", cwd=tmp_path)
    assert said in printed
    folder = tmp_path / "output" / "speed"
    result = results.load(folder / "speed.npz")
    assert script["wing_of"](result) is script["WINGS"][wing]
    picture = (folder / f"speed-{wing}.png").read_bytes()
    run("speed", "--draw", folder / "speed.npz", cwd=tmp_path)
    assert (folder / f"speed-{wing}.png").read_bytes() == picture


@pytest.mark.slow
def test_every_way_is_timed_and_devices_find_the_mean_of_one(ran):
    result, settings, _ = load(ran, "growth")
    lengths = [len(of.x) for of in result[3:] if hasattr(of, "seconds")]
    assert lengths == [2, 2, 2, 2, 2, 0]
    for of in result[3:6]:
        assert of.seconds.shape == (2, settings.repeats)
        assert (of.seconds > 0).all()
    assert result.points.x.tolist() == result.points.points.tolist() == [25, 121]
    assert result.shares.x.tolist() == [500, 1000]
    assert result.multiplications.tolist() == [4 * 4 + 4 * 10, 8 * 8 + 8 * 10]
    assert result.difference < 1e-5


POWERS = {"points": -0.1, "shares": 1.0, "widths": 1.7, "directions": 0.3, "devices": 0.0}


@pytest.fixture
def growing():
    """The script, and a result whose times grow as these powers; those of three turns differ by 0.2 from each other."""
    growth = importlib.import_module("growth")
    x, turns = np.array([2, 8, 16]), np.array([-0.2, 0.0, 0.2])
    of = {name: growth.Sweep(x, 10 * x, 0.003 * x[:, None] ** (p + turns)) for name, p in POWERS.items()}
    result = growth.Result((784, 4, 10), 50, 2, **of, multiplications=x**2, processes=of["devices"], difference=0.0)
    return growth, result


def test_an_exponent_is_that_of_the_medians_with_those_of_the_turns(growing):
    growth, result = growing
    lines = growth.table(result)[-8:-2]
    for line, (name, p) in zip(lines[1:], POWERS.items(), strict=True):
        assert growth.GROWING[name][0] in line
        found = [float(number) for number in re.findall(r"-?\d\.\d\d", line)]
        assert found[:3] == pytest.approx([p, p - 0.2, p + 0.2], abs=1e-9)
    assert lines[3].endswith("2.00, as multiplications")
    assert "2 processes of one device" in "\n".join(growth.table(result))


def test_one_value_has_no_exponent(growing):
    growth, result = growing
    one = result._replace(shares=growth.Sweep(*(of[:1] for of in result.shares)))
    assert re.search(r"images +nan \(nan to nan\)", "\n".join(growth.table(one)))


def test_a_dotted_line_has_the_exponent_to_expect(growing, tmp_path, monkeypatch):
    growth, result = growing
    drawn = {}
    monkeypatch.setattr(common, "save_figures", lambda path, figures: drawn.update(figures))
    results.save(tmp_path / "growth.npz", result)
    growth.draw(tmp_path / "growth.npz")
    axes = drawn["exponents"].axes[:-1]  # the last holds words
    for ax, p in zip(axes, (0.0, 1.0, 2.0, POWERS["directions"], 0.0), strict=True):
        assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
        assert ax.get_xlabel()
        (dotted,) = [line for line in ax.lines if line.get_linestyle() == ":"]
        slopes = np.diff(np.log(dotted.get_ydata())) / np.diff(np.log(dotted.get_xdata()))
        np.testing.assert_allclose(slopes, p, atol=1e-9)
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), [2, 8, 16])


SPREAD = {"data": "", "images": 21, "sizes": [784, 3, 10], "side": 3, "points": 9}


@pytest.mark.slow
def test_processes_that_share_the_images_answer_with_the_mean_of_the_plane():
    spread, in_jax = map(importlib.import_module, ("peers.spread", "peers.in_jax"))
    _, origin, uv = in_jax.model("784-3-10", data.digits()[0][:21])
    mean = np.mean([costs_of(in_jax.moved(origin, uv, s), 21).mean() for s in in_jax.grid(3)])
    with spread.started(SPREAD, 1, 2) as group:
        for _ in range(2):
            assert spread.ask(group, 100) == pytest.approx([mean, mean], rel=1e-5)
    assert all(process.handle.poll() is not None for process in group)


@pytest.mark.parametrize(("code", "limit"), [("raise KeyError('this')", 60), ("import time; time.sleep(60)", 0.5)])
def test_processes_of_which_one_fails_or_hangs_are_ended_and_their_words_shown(code, limit, tmp_path, monkeypatch):
    spread = importlib.import_module("peers.spread")
    (tmp_path / "peers").mkdir()
    (tmp_path / "peers" / "spread.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    start = time.monotonic()
    told = r"KeyError: 'this'" if limit == 60 else "ended with -9:\n"
    with spread.started(SPREAD, 1, 2) as group, pytest.raises(RuntimeError, match=rf"(?s)^2 processes, .*{told}"):
        spread.ask(group, limit)
    assert time.monotonic() - start < 30


@pytest.mark.slow
def test_minima_of_a_slice_and_steps_downhill_are_those_of_backpropagation(ran):
    result, settings, _ = load(ran, "local_and_global")
    cost_at = lambda slice_, s: costs_of(slice_.at(s), settings.images).mean()
    for ground in (result.line, result.plane):
        cell = [axis[1] - axis[0] for axis in ground.slice_.axes]
        assert len(ground.costs) > 1
        assert ground.costs[0] == ground.costs.min()
        for point, C, slope, freed in zip(ground.points, ground.costs, ground.slopes, ground.freed, strict=False):
            np.testing.assert_allclose(cost_at(ground.slice_, point), C, rtol=1e-4)
            np.testing.assert_allclose(
                np.linalg.norm(gradient(ground.slice_.at(point), settings.images)), slope, rtol=1e-3
            )
            assert freed < C
        for path, end in zip(ground.paths, ground.ends, strict=True):
            assert cost_at(ground.slice_, path[-1]) < cost_at(ground.slice_, path[0]) + 1e-3
            assert end < 0 or (np.abs(path[-1] - ground.points[end]) < cell).all()
    # a lowest point of the plane in the plane: the gradient in all dimensions is at right angles to it
    point = result.plane.points[0]
    for slope in along(result.plane.slice_, point, settings.images):
        assert abs(slope) < 1e-4 * max(1, *np.abs(along(result.plane.slice_, point + cell, settings.images)))

    of = result.lessons[-1]
    for one in of.rates:
        for i in (0, 1, 2):
            slopes = along(of.slice_, one.points[i], settings.images)
            np.testing.assert_allclose(one.points[i + 1], one.points[i] - one.rate * slopes, rtol=1e-3, atol=1e-3)
            np.testing.assert_allclose(one.costs[i], cost_at(of.slice_, one.points[i]), rtol=1e-4)
    small, good, _ = (one.costs[-1] for one in of.rates)
    assert of.lowest * (1 - 1e-5) < good < small < of.rates[0].costs[0]
    # the bound is 2 / lambda, lambda by central differences of C along the steeper of the plane's eigenvectors
    h = 0.05
    around = [[cost_at(of.slice_, of.bottom + h * np.array([i, j])) for j in (-1, 0, 1)] for i in (-1, 0, 1)]
    ((a, b, c), (d, e, f), (g, k, m)) = around
    across = (a + m - c - g) / 4
    second = [[b + k - 2 * e, across], [across, d + f - 2 * e]]
    np.testing.assert_allclose(np.linalg.eigvalsh(second)[-1] / h**2, of.bends[-1], rtol=0.1)
    np.testing.assert_allclose(of.rates[0].rate, settings.shares[0] * 2 / of.bends[-1], rtol=1e-6)


# the cheatsheet, of twelve scripts; what decides its sentences is tested every day by test_sentences


@pytest.fixture(scope="module")
def page(ran, tmp_path_factory):
    """The page of the small runs, and what its making printed."""
    folder = tmp_path_factory.mktemp("cheatsheet")
    for name in {script for sentence in cheatsheet.SENTENCES for script in sentence.scripts}:
        (folder / name).symlink_to(ran(name)[0])
    _, printed = run("cheatsheet", *words_for("cheatsheet"), "--done", folder, cwd=folder)
    return folder / "output" / "cheatsheet" / "index.html", printed


@pytest.mark.slow
def test_the_cheatsheet_is_one_page_that_asks_nobody_for_anything(page):
    path, printed = page
    text = path.read_text()
    sections = re.findall(r'<section id="([^"]+)">', text)
    assert len(sections) == len(re.findall("^(?:NOT )?SEEN ", printed, re.M)) == len(cheatsheet.SENTENCES) == 12
    assert re.findall(r'<li><a href="#([^"]+)">', text) == sections
    many = f"{DIALS:,} dials", f"10<sup>{DIALS * np.log10(2):,.0f}</sup>"
    for words in ("0.0129", "0.90", "one image: 784", *many, f"--small --sizes {' '.join(map(str, SIZES))}"):
        assert words in text
    own = re.sub('srcdoc="[^"]*"', "", text)  # without the plane, whose page is a test's own
    assert not re.search(r"(src|href)=\"(?!data:image/png;base64,|#)|https?:|<script [^>]|<link|@import|url\(", own)
    pictures = re.findall(r'<img alt="([^"]+)" src="data:image/png;base64,([^"]+)">', text)
    assert len(pictures) == sum(len(sentence.figures) for sentence in cheatsheet.SENTENCES)
    assert all(base64.b64decode(picture).startswith(b"\x89PNG") for _, picture in pictures)
    assert all(re.search(r"\d", alt) for alt, _ in pictures)  # what is seen, with its numbers


@pytest.mark.slow
def test_a_sentence_is_seen_where_all_that_decides_holds_and_the_page_says_so(page):
    path, _ = page
    sentences, text = results.load(path.with_name("cheatsheet.npz")).sentences, path.read_text()
    seen = {one.text.anchor: cheatsheet.holds(one) for one in sentences}
    assert f"{sum(seen.values())} of 12 are seen" in text
    assert not seen["dials"]  # of another network
    assert not seen["big-misses"]  # of one that has hardly learned
    assert seen["one-image"]
    assert seen["downhill"]
    for one in sentences:
        section = text[text.index(f'<section id="{one.text.anchor}">') :].split("</section>")[0]
        for check in one.checks:
            assert cheatsheet.told(check.rule) in section
        marks = re.findall(r'<li><span class="(seen|not)">', section)
        assert marks == ["seen" if check.holds else "not" for check in one.checks]
        assert ("Not seen here." in section) == ("not" in marks) != seen[one.text.anchor]


@pytest.mark.slow
def test_the_plane_that_one_moves_through_stands_in_place_of_a_picture(page):
    text = page[0].read_text()
    (shown,) = re.findall(r'<iframe title="[^"]+" srcdoc="([^"]*)"></iframe>', text)
    told = json.loads(re.search(r'id="data">(.*?)</script>', html.unescape(shown), re.S)[1])
    assert told["live"]
    assert [plane["name"] for plane in told["planes"]] == ["trained", "half-trained", "untrained"]
    section = text[text.index("<iframe") :].split("</section>")[0]
    assert "near-and-far" in "".join(cheatsheet.SENTENCES[5].figures)
    assert section.count("<img alt=") == len(cheatsheet.SENTENCES[5].figures)  # folded, all of them


@pytest.mark.slow
def test_the_page_is_drawn_again_from_its_file_alone(page, tmp_path):
    path, _ = page
    shutil.copy(path.with_name("cheatsheet.npz"), tmp_path)
    run("cheatsheet", "--draw", tmp_path / "cheatsheet.npz", cwd=tmp_path)
    assert (tmp_path / "index.html").read_bytes() == path.read_bytes()


@pytest.mark.slow
@pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium here (Debian's package chromium)")
def test_the_page_fits_a_phone_and_its_plane_computes_C(page):
    with browser.opened() as tab:
        for width in (400, 1280):
            tab.size(width, 900, dark=width == 400)
            tab.open(page[0])
            inside = "document.querySelector('iframe').contentDocument"
            tab.wait_for(f"{inside}.body.dataset.picture === 'whole' && {inside}.getElementById('kind').textContent")
            assert "Checked against float64" in tab.evaluate(f"{inside}.getElementById('kind').textContent")
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
            tall = tab.evaluate(f"{inside}.body.scrollHeight")
            assert tab.evaluate("document.querySelector('iframe').clientHeight") >= tall
        assert tab.errors == []
        assert {url.partition(":")[0] for url in tab.requests} <= {"file", "data", "blob"}
        assert sum(url.startswith("file:") for url in tab.requests) == 1


@pytest.mark.slow
def test_the_cheatsheet_runs_an_experiment_once_and_shows_what_it_printed(tmp_path, monkeypatch, capsys):
    """The one test of a process of its own: a script from the command line."""
    chosen = [one for one in cheatsheet.SENTENCES if one.scripts == ("one_image_at_a_time",)]
    monkeypatch.setattr(cheatsheet, "SENTENCES", chosen)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    result, _ = cheatsheet.run(cheatsheet.Settings(switches="small", sizes=SIZES))
    said = capsys.readouterr().out
    assert re.fullmatch(r"1 of 1  one_image_at_a_time \.\.\.\n1 of 1  one_image_at_a_time \d+ s\n", said)
    command = "python experiments/one_image_at_a_time.py --small --sizes 784 8 8 10"
    assert [list(one.commands) for one in result.sentences] == [[command]] * 2
    assert all(cheatsheet.holds(one) and f"{DIALS:,} parameters" in one.commands[command] for one in result.sentences)


def test_an_experiment_that_fails_stops_the_cheatsheet_and_says_why(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RuntimeError, match=r"one_image_at_a_time failed:\n(.|\n)*expected a folder of four IDX files"):
        cheatsheet.run(cheatsheet.Settings(data="nowhere"))
    assert not list(tmp_path.iterdir())
