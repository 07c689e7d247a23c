"""Rounding makes bumps: how many in which precision, and whether any is deeper than the noise floor.

Cuts one plane about a trained network at ever smaller half-widths, in float64, in float32, and with the operands of
the matrix products rounded as GPUs (TF32) and TPUs (bfloat16) do by default, and counts local minima with and
without the noise floor. Then 1,000 smooth random lines in float32, whose true minima float64 tells.

    python experiments/false_minima.py                    the embedded digits
    python experiments/false_minima.py --data FOLDER      MNIST

Expect, on 4,000 embedded digits and 41 x 41 points, no false minimum with the floor, in any precision, on the
planes and on the 1,000 lines. Without it

    half-width    float64  float32     TF32  bfloat16
    1 and 0.1           1        1        1         1
    0.01                1        1       23       103
    0.001               0        0       98        94
    0.0001              0        0      106        79
    0.00001             0        0       88        41

and 130 false ones on the lines beside 80 true ones. The floor has its price: of these it hides 28, too shallow for
float32, and on the planes that at half-width 0.01 in TF32 and in bfloat16. A flat bottom counts as one minimum. About
50 s on two cores.
"""

import functools
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import like, setting

from jaxcost import cost, directions, populations, results, slices
from jaxcost.measures import minima
from jaxcost.network import feedforward


@dataclass(frozen=True)
class Settings(common.Trained):
    """What is cut, where and how finely."""

    images: int = like("images", default=4000, small=500)  # nothing is hoisted of the imitated precisions
    epochs: int = like("epochs", small=None)  # of 500 images, to come to where C is a bowl
    half_widths: tuple = setting(
        (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001), "1 is the length of each neuron's weights", small=(1.0, 0.001)
    )
    points: int = setting(41, "grid points a side of the plane", small=21)
    shown: float = setting(0.0001, "half-width of the line that is drawn")
    shown_points: int = setting(201, "its points", small=51)
    lines: int = setting(1000, "random lines", small=50)
    line_half_width: float = setting(0.001, "so near that C is smooth")
    line_points: int = setting(101, "points of each")
    line_images: int = setting(500, "images of theirs, few for speed")


class Counts(NamedTuple):
    """Local minima of several slices in one precision.

    Attributes:
        all: how many of the grid, of any depth, one number a slice.
        deeper: how many deeper than the floor.
        floor: of each slice; or of all together.
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
        half_widths: of the planes, `[planes]`.
        points: of each plane along an axis.
        planes: `Counts` of the planes by precision.
        alphas: coordinates of the line that is drawn.
        shown: that line by precision, a `Shown` each.
        lines: `Counts` of the random lines in float32.
        true: how many minima each random line has in float64, `[lines]`.
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
    C = cost.Cost(train)
    init_key, batch_key, plane_key, line_key = jax.random.split(jax.random.key(settings.seed), 4)
    params = common.train(init_key, batch_key, C, settings).params

    # one plane, closer and closer to the network, and one line of it
    frame = directions.Frame(params, directions.random(plane_key, params, 2))
    line = frame._replace(directions=frame.directions[:1])
    axis = np.linspace(-1, 1, settings.points)
    square = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    alphas = settings.shown * np.linspace(-1, 1, settings.shown_points)
    planes, shown = {}, {}
    for name in PRECISIONS:
        found = [in_precision(name, C, frame, half_width * square) for half_width in settings.half_widths]
        values, floors = [one.values.reshape(len(axis), -1) for one in found], np.array([one.floor for one in found])
        planes[name] = Counts(count(values), count(values, floors), floors)
        shown[name] = in_precision(name, C, line, alphas[:, None])
        print(f"cut in {name}: {len(found)} planes, {len(found) * len(square):,} points")

    lines, true = on_lines(cost.Cost(train[: settings.line_images]), params, line_key, settings)
    result = Result(np.array(settings.half_widths), settings.points, planes, alphas, shown, lines, true)
    return result, {"data": train.fingerprint, "images": len(train)}


def count(values, floors=0.0):
    """Local minima of each of some slices, deeper than its floor or the floor of all."""
    floors = np.broadcast_to(floors, len(values))
    return np.array([minima.local_minima(*one).count for one in zip(values, floors, strict=True)])


def in_precision(name, C, frame, points):
    """C at points of a slice as one precision has it, and its noise floor, measured against the exact cost."""
    with jax.enable_x64(name == "float64"):
        dtype = np.float64 if name == "float64" else np.float32
        frame = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), frame)
        values = slices.evaluate(cost.Cost(C.images, PRECISIONS[name]), *frame, points.astype(dtype))
        return Shown(values, slices.floor(C, *frame, points.astype(dtype), values))


def on_lines(C, params, key, settings):
    """`Counts` of random lines in float32, and of each how many minima it has in float64."""
    frames = populations.about(jax.random.split(key, settings.lines), params)
    alphas = np.linspace(-settings.line_half_width, settings.line_half_width, settings.line_points)
    lines = populations.grid(C, frames, (alphas,))
    made = [frame.moving().directions for frame in frames]  # before x64, in which keys give other numbers
    with jax.enable_x64(True):
        origin, made = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float64), (params, made))
        exact = populations.evaluate(C, [directions.Frame(origin, of_line) for of_line in made], lines.axes[0][:, None])
    return Counts(count(lines.values), count(lines.values, lines.floor), lines.floor), count(exact)


def false(found, true):
    """How many minima there are beyond the true number on each slice, and how many short of it, all together."""
    return int(np.maximum(found - true, 0).sum()), int(np.maximum(true - found, 0).sum())


def false_on_planes(result, kind):
    """Minima of the planes of all other precisions beyond those that float64 has; `kind` is "all" or "deeper"."""
    exact = getattr(result.planes["float64"], kind)
    return sum(false(getattr(counts, kind), exact)[0] for counts in result.planes.values())


def table(result):
    """Minima by half-width and precision, those of the lines, and the verdicts."""
    points, rows = result.points, [["half-width", *result.planes]]
    for i, half_width in enumerate(result.half_widths):
        of_one = [Counts(*(numbers[i] for numbers in counts)) for counts in result.planes.values()]
        rows.append([f"{half_width:g}", *(f"{one.all} -> {one.deeper}  ({one.floor:.0e})" for one in of_one)])
    lines, true = result.lines, result.true
    with_floor = f"with the floor, {lines.floor:.0e}"
    of_lines = [
        ["", "counted", "false", "true ones missed"],
        ["without the floor", lines.all.sum(), *false(lines.all, true)],
        [with_floor, lines.deeper.sum(), *false(lines.deeper, true)],
    ]
    return [
        f"local minima of a {points} x {points} plane, all of the grid -> deeper than the noise floor (floor)",
        "",
        *common.columns(rows),
        "",
        f"{len(true):,} random lines in float32; in float64 they have {true.sum()} minima",
        *common.columns(of_lines),
        "",
        common.verdict("false minima deeper than the floor, all planes", false_on_planes(result, "deeper"), high=0),
        common.verdict("false minima deeper than the floor, all lines", false(lines.deeper, true)[0], high=0),
        common.verdict("rounding makes bumps: false minima of all planes", false_on_planes(result, "all"), low=1),
    ]


def draw(path):
    """Above, minima by half-width, without and with the floor; below, a line in each precision, the floor as a band."""
    result = results.load(path)
    figure = common.figure(14, 8)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    points = f"{result.points} × {result.points} points"
    top.suptitle(f"Rounding makes bumps: a plane about a trained network, {points} ever closer to it, by precision")
    left, right = top.subplots(1, 2, sharey=True)
    for i, (name, counts) in enumerate(result.planes.items()):
        style = {"color": f"C{i}", "lw": (7, 4.5, 2.5, 1)[i]}  # the thinner over the thicker: all are seen
        left.plot(result.half_widths, counts.all, "o-", label=name, **style)
        right.plot(result.half_widths, counts.deeper, "o-", label=name, **style)
    left.set_title("without the floor: all local minima of the grid")
    left.set_ylabel("local minima")
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
    exact = result.shown["float64"].values
    middle = exact[len(exact) // 2]
    for ax, (i, (name, shown)) in zip(axes, enumerate(result.shown.items()), strict=True):
        band = (exact - middle - shown.floor, exact - middle + shown.floor)
        ax.fill_between(result.alphas, *band, color="gray", alpha=0.25, lw=0, label="± noise floor")
        ax.plot(result.alphas, np.float64(shown.values) - middle, color=f"C{i}", lw=0.8, label=name)
        if i:
            ax.plot(result.alphas, exact - middle, color="black", lw=0.8, ls="--", label="float64")
        ax.set_title(f"{name}, floor {shown.floor:.0e}", fontsize=10)
        ax.set_xlabel("α")
        ax.locator_params(axis="x", nbins=3)
        ax.ticklabel_format(scilimits=(0, 0))
    axes[0].set_ylabel("C less its value in the middle")
    common.tidy(axes)


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
