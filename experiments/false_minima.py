"""Rounding makes bumps: how many in which precision, and whether any is deeper than the noise floor.

Cuts a plane through each of several trained networks, and smooth random lines, in float64, in float32, and the planes
also with the operands of products rounded as GPUs (TF32) and TPUs (bfloat16) do by default; counts local minima.

    python experiments/false_minima.py                    the embedded digits
    python experiments/false_minima.py --data FOLDER      MNIST

Expect, on 2,000 embedded digits, no false minimum with the floor, in any precision, on the planes of 31 x 31 points and
on the 1,000 lines. Without it, medians of five networks and their range, on two versions of jax:

    half-width    float64  float32               TF32           bfloat16
    1 and 0.1           1        1                  1                  1
    0.01           0 to 1   0 to 1         4 (0 to 31)  40, 42 (27 to 69)
    0.001               0        0   49, 51 (28 to 57)  52, 53 (44 to 59)
    0.0001              0        0   48, 55 (39 to 64)  46, 53 (45 to 56)
    0.00001             0   0 to 6   46, 50 (39 to 58)      34 (26 to 38)

and 0.09 (0.06 to 0.13) false ones a line beside 0.08 (0.05 to 0.12) true ones. The floor has its price: of 78 and 84
true ones it hides 15 and 23, too shallow for float32. A flat bottom counts as one minimum. About 50 s on two cores.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import like, setting

from jaxcost import cost, directions, floors, plot, populations, resampling, results, slices
from jaxcost.measures import minima
from jaxcost.network import feedforward


@dataclass(frozen=True)
class Settings(common.Trained):
    """What is cut, where and how finely."""

    images: int = like("images", default=2000, small=500)  # nothing is hoisted of the imitated precisions
    epochs: int = like("epochs", small=None)  # of 500 images, to come to where C is a bowl
    half_widths: tuple = setting((1.0, 0.1, 0.01, 1e-3, 1e-4, 1e-5), "1: the neurons' own weights", small=(1.0, 1e-3))
    networks: int = setting(5, "of each a plane, for one is an anecdote", small=2)
    points: int = setting(31, "grid points a side of each plane", small=21)
    shown: float = setting(0.0001, "half-width of the line that is drawn")
    lines: int = setting(200, "random lines through each network", small=25)
    line_half_width: float = setting(0.001, "so near that C is smooth")
    line_points: int = setting(101, "points of each, and of that which is drawn")
    line_images: int = setting(500, "images of theirs, few for speed")


class Counts(NamedTuple):
    """Local minima of several slices in one precision.

    Attributes:
        all: how many of the grid, of any depth: of planes `[networks, half_widths]`, of lines `[networks, lines]`.
        deeper: how many deeper than the floor.
        floor: of each plane, or of the lines of each network, `[networks, 1]`.
    """

    all: np.ndarray
    deeper: np.ndarray
    floor: np.ndarray


class Shown(NamedTuple):
    """C along the line that is drawn, in one precision, and its noise floor."""

    values: np.ndarray
    floor: float


class Result(NamedTuple):
    """Minima in four precisions, on planes and on lines.

    Attributes:
        half_widths: of the planes.
        points: of each plane along an axis.
        planes: `Counts` of the planes by precision.
        alphas: coordinates of the line that is drawn, through the first network.
        shown: that line by precision, a `Shown` each.
        lines: `Counts` of the random lines in float32.
        true: how many minima each random line has in float64, `[networks, lines]`.
    """

    half_widths: np.ndarray
    points: int
    planes: dict[str, Counts]
    alphas: np.ndarray
    shown: dict[str, Shown]
    lines: Counts
    true: np.ndarray


def rounded(bits):
    """`feedforward` with all operands of its matrix products rounded to so many bits after the first."""
    less = lambda a: jax.lax.reduce_precision(a, exponent_bits=8, mantissa_bits=bits)
    layer = lambda a, of_layer: jax.nn.sigmoid(less(of_layer[0]) @ less(a) + of_layer[1])
    return lambda x, w, b: functools.reduce(layer, zip(w, b, strict=True), x)


PRECISIONS = {"float64": feedforward, "float32": feedforward, "TF32": rounded(10), "bfloat16": rounded(7)}


def run(settings):
    """Train; count on planes and on lines."""
    train, _ = common.images(settings)
    C, n = cost.Cost(train), settings.networks
    network_key, plane_key, line_key = jax.random.split(jax.random.key(settings.seed), 3)
    trained = common.train_many(jax.random.split(network_key, n), C, settings)
    networks = [trained.network(i).params for i in range(n)]

    # a plane about each, closer and closer to it, and one line of the first
    keys = jax.random.split(plane_key, n)
    frames = [directions.Frame(one, directions.random(key, one, 2)) for one, key in zip(networks, keys, strict=True)]
    line, axis = frames[0]._replace(directions=frames[0].directions[:1]), np.linspace(-1, 1, settings.points)
    square = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    alphas = settings.shown * np.linspace(-1, 1, settings.line_points)
    planes, shown = {}, {}
    for name in PRECISIONS:
        found = [[in_precision(name, C, frame, to * square) for to in settings.half_widths] for frame in frames]
        values = np.array([[one.values.reshape(len(axis), -1) for one in of] for of in found])
        planes[name] = counted(values, np.array([[one.floor for one in of] for of in found]))
        shown[name] = in_precision(name, C, line, alphas[:, None])
        print(f"cut in {name}: {planes[name].all.size} planes, {planes[name].all.size * len(square):,} points")

    few, keys = cost.Cost(train[: settings.line_images]), jax.random.split(line_key, n)
    lines = [on_lines(few, params, key, settings) for params, key in zip(networks, keys, strict=True)]
    values, floors, exact = map(np.array, zip(*lines, strict=True))
    about = np.array(settings.half_widths), settings.points, planes, alphas, shown
    result = Result(*about, counted(values, floors[:, None]), counted(exact, np.zeros((n, 1))).all)
    return result, {"data": train.fingerprint, "images": len(train)}


def counted(values, floors):
    """`Counts` of slices `[networks, slices, ...]`."""
    deep = np.broadcast_to(floors, values.shape[:2])
    count = lambda *one: minima.local_minima(*one).count
    counts = lambda floors: np.array([[*map(count, *of)] for of in zip(values, floors, strict=True)])
    return Counts(counts(0 * deep), counts(deep), floors)


def in_precision(name, C, frame, points):
    """C at points of a slice as one precision has it, and its noise floor, measured against the exact cost."""
    with jax.enable_x64(name == "float64"):
        dtype = np.float64 if name == "float64" else np.float32
        frame = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), frame)
        values = slices.evaluate(cost.Cost(C.images, PRECISIONS[name]), *frame, points.astype(dtype))
        return Shown(values, floors.of_values(C, *frame, points.astype(dtype), values))


def on_lines(C, params, key, settings):
    """C along random lines in float32, its noise floor, and C along the same in float64."""
    frames = populations.about(jax.random.split(key, settings.lines), params)
    lines = populations.grid(C, frames, (settings.line_half_width * np.linspace(-1, 1, settings.line_points),))
    made = [frame.moving().directions for frame in frames]  # before x64, in which keys give other numbers
    with jax.enable_x64(True):
        origin, made = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float64), (params, made))
        exact = populations.evaluate(C, [directions.Frame(origin, of_line) for of_line in made], lines.axes[0][:, None])
    return lines.values, lines.floor, exact


def false(found, true):
    """How many minima there are beyond the true number on each slice, and how many short of it."""
    return np.maximum(found - true, 0), np.maximum(true - found, 0)


def false_on_planes(result, kind):
    """Minima of the planes of all other precisions beyond those that float64 has; `kind` is "all" or "deeper"."""
    exact = getattr(result.planes["float64"], kind)
    return int(sum(false(getattr(counts, kind), exact)[0].sum() for counts in result.planes.values()))


def a_line(numbers):
    """The mean over lines and networks of `[networks, lines]`, with its interval over networks."""
    return f"{resampling.bootstrap(jax.random.key(0), lambda groups: groups[0].mean((1, 2)), [numbers], levels=2):.3f}"


def table(result):
    """Minima by half-width and precision, those of the lines, and the verdicts."""
    rows, points = [], f"{result.points} x {result.points}"
    for kind, title in (("all", "all minima of the grid"), ("deeper", "deeper than the noise floor")):
        rows.append([title, *result.planes])
        for i, half_width in enumerate(result.half_widths):
            found = [common.median_of(getattr(counts, kind)[:, i], ".0f") for counts in result.planes.values()]
            rows.append([f"half-width {half_width:g}", *found])
    lines, true, floors = result.lines, result.true, [counts.floor for counts in result.planes.values()]
    rows.append(["noise floor", *(f"{of.min():.0e} to {of.max():.0e}" for of in floors)])
    of_lines = [["minima: mean of a line (95 % over networks)", "counted", "false", "true ones missed"]]
    for name, found in (("without the floor", lines.all), (f"with it, {lines.floor.max():.0e}", lines.deeper)):
        of_lines.append([name, *(f"{of.sum()}: {a_line(of)}" for of in (found, *false(found, true)))])
    return [
        f"local minima of a {points} plane, median (lowest to highest) of {len(true)} networks",
        *common.columns(rows),
        "",
        f"{true.size:,} random lines in float32, {true.shape[1]} a network; true minima {true.sum()}: {a_line(true)}",
        *common.columns(of_lines),
        "",
        common.verdict("false minima deeper than the floor, all planes", false_on_planes(result, "deeper"), high=0),
        common.verdict("false minima deeper than the floor, all lines", false(lines.deeper, true)[0].sum(), high=0),
        common.verdict("rounding makes bumps: false minima of all planes", false_on_planes(result, "all"), low=1),
    ]


def draw(path):
    """Above, minima by half-width, without and with the floor; below, a line in each precision, the floor as a band."""
    result = results.load(path)
    figure = common.figure(14, 8)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    points = f"{len(result.true)} trained networks, {result.points} × {result.points} points"
    top.suptitle(f"Rounding makes bumps: planes ever closer about {points}, by precision: median and extremes")
    left, right = top.subplots(1, 2, sharey=True)
    for i, (name, counts) in enumerate(result.planes.items()):
        style = {"color": f"C{i}", "lw": (7, 4.5, 2.5, 1)[i], "marker": "o"}  # the thinner over the thicker
        plot.band(left, result.half_widths, counts.all, name, **style)
        plot.band(right, result.half_widths, counts.deeper, name, **style)
    left.set(title="without the floor: all local minima of the grid", ylabel="local minima")
    right.set_title(f"deeper than the noise floor: {false_on_planes(result, 'deeper')} false ones")
    for ax in (left, right):
        common.log(ax.xaxis)
        common.counts(ax)
        ax.set_xlabel(f"half-width of the plane, {common.LENGTH}")
    common.tidy([left, right])
    bottom.suptitle("One line in each precision, the noise floor as a band about that of float64; mind the scales")
    draw_shown(bottom.subplots(1, 4), result)
    return common.save_figures(path, {"precisions": figure})


def draw_shown(axes, result):
    """The same line in each precision, beside that of float64, its noise floor as a band about that."""
    middle = result.shown["float64"].values[len(result.alphas) // 2]
    exact = result.shown["float64"].values - middle
    for ax, (i, (name, shown)) in zip(axes, enumerate(result.shown.items()), strict=True):
        band = {"color": "gray", "alpha": 0.25, "lw": 0, "label": "± noise floor"}
        ax.fill_between(result.alphas, exact - shown.floor, exact + shown.floor, **band)
        ax.plot(result.alphas, np.float64(shown.values) - middle, color=f"C{i}", lw=0.8, label=name)
        if i:
            ax.plot(result.alphas, exact, color="black", lw=0.8, ls="--", label="float64")
        ax.set(title=f"{name}, floor {shown.floor:.0e}", xlabel="α")
        ax.locator_params(axis="x", nbins=3)
        ax.ticklabel_format(scilimits=(0, 0))
    axes[0].set_ylabel("C less its value in the middle")
    common.tidy(axes)


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
