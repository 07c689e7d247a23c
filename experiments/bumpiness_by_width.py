"""Are wider networks smoother, and deeper ones rougher? Bosman et al.'s claims, put to the test on random lines.

Random lines, each through a new random network, for narrow to wide and shallow to deep ones with sigmoid, tanh and
ReLU hidden units, under the quadratic cost and the cross-entropy of the same sigmoid outputs (Bosman, Engelbrecht &
Helbig 2019, arXiv 1905.10268). `stationary_points.py` tries their other claims, on the two costs.

    python experiments/bumpiness_by_width.py                        the embedded digits
    python experiments/bumpiness_by_width.py --data FOLDER          any four IDX files
    python experiments/bumpiness_by_width.py --hidden tanh          one kind of hidden units

Bosman et al. walk and sample the whole space; random lines see less of it, and are a test by other means. Weights of
N(0, 1/n) make networks of all widths alike in what a neuron gets, and filter-normalised directions move each by as
much.

Expect, on the embedded digits, of "wider hidden layers, fewer local minima": not on random lines. At half-width 1 a
line has one minimum or none, which tells whether it passes its valley's bottom, and no bumps. At 32 the minima deeper
than a hundredth of the range are as many at all widths, 1.1 to 1.4 a line for sigmoid, 1.8 to 2.4 for tanh and ReLU;
under cross-entropy, which grows without bound, there is one, the bowl. (Of shallower ones 601 points for 151 show twice
as many on lines of ReLU networks, up to 30; of the deeper ones hardly more: read the first count as "at least".)
"Deeper, sharper", here rougher: yes at half-width 32 for tanh and ReLU, relative roughness from 140 and 120 with one
hidden layer to 560 with four under the quadratic cost, no or hardly for sigmoid. A minute on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import like, setting
from matplotlib.ticker import SymmetricalLogLocator
from stationary_points import COSTS, NARROW, UNITS, constants, costs

from jaxcost import directions, network, plot, populations, resampling, results, statistics
from jaxcost.measures import bumpiness, minima

SOURCE = "Bosman et al. 2019"
MEASURES = {
    "minima": "minima a line (mean)",
    "deep": "deeper than a hundredth\nof the range (mean)",
    "bowl": "share of variance that\na quadratic explains",
    "relative_roughness": "relative roughness",
    "information": "information content",
    "excess": "excess variation\nover range",
}
COUNTS, DEEP = ("minima", "deep"), 0.01
stacked = lambda found: jax.tree.map(lambda *arrays: np.stack(arrays), *found)


@dataclass(frozen=True)
class Settings(common.Network):
    """Which networks, and how many lines."""

    images: int = like("images", default=200, why="few of each part, since networks are many", small=100)
    sizes: tuple = like("sizes", why="its depth is that of all widths, its width that of all depths")
    hidden: tuple = setting(("sigmoid", "tanh", "ReLU"), "hidden units", small=("sigmoid",))
    widths: tuple = setting((2, 16, 64, 256), "neurons in each hidden layer", small=(2, 16))
    depths: tuple = setting((1, 2, 3, 4), "hidden layers", small=(2,))
    lines: int = setting(16, "random lines for each network, and as many networks", small=8)
    half_widths: tuple = setting((1.0, 32.0), "the first sees what is near; the verdicts are on the last")
    points: int = setting(151, "of each line", small=41)


class Lines(NamedTuple):
    """Lines through random networks of one size; of several sizes each is an array with a first axis of these.

    Attributes:
        minima: `[half_widths, lines]`, and so are all but the last two: as `bumpiness.Measures`, but
        deep: minima deeper than a hundredth of the range,
        excess: excess variation over the range; NaN where nothing can be said.
        floors: noise floor, `[half_widths]`.
        values: C along the lines, `[half_widths, lines, points]`.
    """

    minima: np.ndarray
    deep: np.ndarray
    bowl: np.ndarray
    relative_roughness: np.ndarray
    information: np.ndarray
    excess: np.ndarray
    floors: np.ndarray
    values: np.ndarray


class Result(NamedTuple):
    """Lines by width and by depth.

    Attributes:
        half_widths: of the lines.
        width: neurons in each hidden layer.
        depth: hidden layers.
        constant: the least C that one answer to all images has, by cost.
        by_width: `Lines` of all widths, by hidden units and cost.
        by_depth: of all depths.
    """

    half_widths: np.ndarray
    width: np.ndarray
    depth: np.ndarray
    constant: dict[str, float]
    by_width: dict[str, Lines]
    by_depth: dict[str, Lines]


def run(settings):
    """Lines through networks of all sizes, units and costs."""
    train, _ = common.images(settings)
    line_key, _ = jax.random.split(jax.random.key(settings.seed))  # the other is that of stationary_points.py
    keys = jax.random.split(line_key, settings.lines)
    first, *inner, last = settings.sizes
    of_width = [(first, *(width,) * len(inner), last) for width in settings.widths]
    of_depth = [(first, *inner[:1] * depth, last) for depth in settings.depths]
    by_width, by_depth = {}, {}
    for hidden in settings.hidden:
        for name, C in costs(train, UNITS[hidden]).items():
            for by, sizes in ((by_width, of_width), (by_depth, of_depth)):
                by[f"{hidden}, {name}"] = stacked([look(keys, C, one, settings) for one in sizes])
            print(f"{hidden}, {name}: {len(of_width) + len(of_depth)} sizes, {len(keys)} lines each")
    numbers = map(np.array, (settings.half_widths, settings.widths, settings.depths))
    return Result(*numbers, constants(train), by_width, by_depth), {"data": train.fingerprint}


def look(keys, C, sizes, settings):
    """`Lines` through random networks, one a key, at all half-widths."""
    frames = []
    for key in keys:
        init_key, direction_key = jax.random.split(key)
        params = network.init(init_key, sizes, scale=NARROW)
        u = directions.filter_normalized(directions.gaussian(direction_key, params), params)
        frames.append(directions.Frame(params, (u,)))
    ladder = populations.zoom(C, frames, settings.half_widths, points=settings.points)
    return stacked(map(measured, ladder))


def measured(lines):
    """What is said of lines at one half-width."""
    found, heights = bumpiness.measure_each(lines), np.ptp(lines.values.astype(np.float64), axis=1)
    floors = np.maximum(lines.floor, DEEP * heights)
    deep = [minima.local_minima(*both).count for both in zip(lines.values, floors, strict=True)]
    excess = np.where(heights > lines.floor, found.excess_variation / np.where(heights > 0, heights, 1), np.nan)
    same = {name: getattr(found, name) for name in Lines._fields if name in found._fields}
    return Lines(deep=np.array(deep, float), excess=excess, floors=lines.floor, values=lines.values, **same)


def middle(measure, draws):
    """Of counts the mean, since their medians are mostly 1, else the median, with its interval."""
    if measure in COUNTS:
        return resampling.bootstrap(jax.random.key(0), lambda groups: groups[0].mean(-1), [draws])
    return statistics.summary(draws)


def table(result):
    """Measures by width and by depth, and what becomes of the claims."""
    rows = []
    for along in ("width", "depth"):
        for i, half_width in enumerate(result.half_widths):
            rows += [[], [f"lines of half-width {half_width:g}, by {along}", *getattr(result, along)]]
            for name, lines in getattr(result, f"by_{along}").items():
                for measure in MEASURES:
                    found = [middle(measure, draws)[0] for draws in getattr(lines, measure)[:, i]]
                    rows.append([f"{name}: {'mean' if measure in COUNTS else 'median'} {measure}", *found])
    return [*common.columns(rows[1:]), "", *verdicts(result)]


def verdicts(result):
    """What is claimed of width and depth, on the widest lines: all of an interval must be on the side of the claim."""
    lines = []
    for kinds, measure, claim, band in (
        (result.by_width, "deep", "wider, fewer minima", {"high": -0.01}),
        (result.by_depth, "relative_roughness", "deeper, rougher", {"low": 0.01}),
    ):
        for name, of_kind in kinds.items():
            known = [draws[~np.isnan(draws)] for draws in getattr(of_kind, measure)[:, -1]]
            found = resampling.bootstrap(jax.random.key(0), statistics.trend, known)
            lines.append(common.verdict(f"{name}: {claim}; rank correlation", found, **band, whole=True, source=SOURCE))
    return lines


def draw(path):
    """Measures against width and against depth; some of the lines."""
    result = results.load(path)
    several = [along for along in ("width", "depth") if len(getattr(result, along)) > 1]  # one point is no curve
    figures = {along: draw_measures(result, along) for along in several}
    return common.save_figures(path, figures | {"lines": draw_lines(result)})


def draw_measures(result, along):
    """Each measure against width or depth: a column a hidden unit, a colour a cost, dashed near and solid far."""
    kinds, x = getattr(result, f"by_{along}"), getattr(result, along)
    units, noise = list(dict.fromkeys(name.split(", ")[0] for name in kinds)), []
    figure = common.figure(max(9, 4 * len(units) + 1), 14)
    axes = figure.subplots(len(MEASURES), len(units), squeeze=False, sharex=True, sharey="row")
    for name, lines in kinds.items():
        hidden, of_cost = name.split(", ")
        column = axes[:, units.index(hidden)]
        column[0].set_title(f"{hidden} hidden units")
        noise.append(lines.floors / np.ptp(lines.values, axis=(2, 3)))
        for ax, measure in zip(column, MEASURES, strict=True):
            for i, style in ((0, "--"), (-1, "-")):
                found = [middle(measure, draws) for draws in getattr(lines, measure)[:, i]]
                label, colour = f"{of_cost}, half-width {result.half_widths[i]:g}", f"C{COSTS.index(of_cost)}"
                plot.medians(ax, x, found, label, marker="o", ms=3, color=colour, linestyle=style)
            ax.grid(alpha=0.3)
    for ax, (measure, label) in zip(axes[:, 0], MEASURES.items(), strict=True):
        ax.set_ylabel(label)
        if measure in COUNTS:
            common.counts(ax)
            ax.yaxis.set_major_locator(SymmetricalLogLocator(base=10, linthresh=1, subs=(1, 2, 5)))
        elif measure == "relative_roughness":
            common.log(ax.yaxis)
    if along == "width":
        axes[0, 0].set_xscale("log", base=2)
    axes[0, 0].set_xticks(x, x)
    axes[0, 0].legend(fontsize=7, handlelength=4)
    figure.supxlabel("neurons in each hidden layer" if along == "width" else "hidden layers")
    floors = f"noise floor {np.min(noise):.0e} to {np.max(noise):.0e} of the range of C"
    means = f"with 95 % intervals (medians, of the minima means; {floors})"
    figure.suptitle(f"Random lines through new random networks, by {along},\n{means}")
    return figure


def draw_lines(result):
    """Some of the lines: of the narrowest and the widest network, over the least constant cost."""
    figure, far = common.figure(13, 2.4 * len(result.by_width) + 0.8), result.half_widths[-1]
    axes = figure.subplots(len(result.by_width), 2, squeeze=False, sharex=True)
    for row, (name, lines) in zip(axes, result.by_width.items(), strict=True):
        constant = result.constant[name.split(", ")[1]]
        for ax, i in zip(row, (result.width.argmin(), result.width.argmax()), strict=True):
            values, floor = lines.values[i, -1] / constant, lines.floors[i, -1] / constant
            ax.plot(np.linspace(-far, far, values.shape[1]), values[:5].T, lw=0.9)
            ax.set_title(f"{name}, width {result.width[i]}: floor {floor:.0e}", fontsize=9)
        row[0].set_ylabel("C / best constant")
    common.tidy(axes)
    figure.supxlabel(f"α, {common.LENGTH}")
    figure.suptitle("C along five random lines, over the cost of the best constant answer")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
