"""C is bumpy, not a tidy bowl: from which scale on? Every measure against half-width, over four decades.

Random lines through many networks, untrained and trained from wide and from narrow starts, over all training images.
Each measure is taken at two resolutions, the second with every other point: what changes by more than a tenth is the
grid's, and marked. Beside it stands its null: the dip of the same line, that is the nearest function that only falls to
the lowest point and rises from it, with a Gaussian random field of the spectrum of what is left.

    python experiments/bumpiness_by_scale.py                      the embedded digits
    python experiments/bumpiness_by_scale.py --data FOLDER        MNIST

Intervals are over networks, and lines within each. Where a bowl ends is asked in where_a_bowl_ends.py, how deep minima
are in minima_by_depth.py.

Expect, on the embedded digits, as medians over 8 networks of a kind, 4 lines each: about networks trained from wide
starts the deepest minimum is 0.011 deep at half-width 0.1 (0.009 to 0.013), 1.5 at 1 (1.4 to 1.7), 3.8 at 10 (3.5 to
4.3), 4.1 at 100 (3.8 to 4.6), and there is no other as deep as 0.01, at either resolution. Total variation is 0.027,
3.5, 9.1 and 9.7, that of the line's own dip to a hundredth: the line is its dip. At half-width 10 half of the points
bend down; at 100 it is not known, for most bend less than their curvature is noisy. Roughness and information content
far out are the grid's. Training roughens: at 0.316 every line needs more Chebyshev coefficients than before. Four
minutes on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import like, setting
from networks import Networks, by_network, interval, lines, nested, networks

from jaxcost import cost, populations, results, scales
from jaxcost.measures import bumpiness, fits, nulls

CHANGE = 0.1  # of a measure at half the resolution, from which on it is the grid's


@dataclass(frozen=True)
class Settings(Networks):
    """What is cut, where and how finely."""

    images: int = like("images", small=500)
    half_widths: tuple = setting(
        (0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0),
        "1 is the length of each neuron's weights; half-decades",
        small=(0.1, 10.0),
    )
    points: int = setting(241, "grid points of a line, 4 n + 1, for the network is one of them", small=41)
    nodes: int = setting(33, "Chebyshev nodes of a line; a wave needs three of them", small=17)
    bends: int = setting(21, "points of a line with exact second derivatives", small=5)
    depth: float = setting(0.01, "of a minimum that counts")


class Cut(NamedTuple):
    """What lines through networks of one kind say, each measure `[half_widths, networks, lines]`.

    Attributes:
        fine: measures at all points.
        coarse: measures at every second point.
        fields: measures of the dip and a random field of the spectrum of the rest.
        floors: noise floor of the lines, `[half_widths]`.
    """

    fine: bumpiness.Measures
    coarse: bumpiness.Measures
    fields: bumpiness.Measures
    floors: np.ndarray


class Result(NamedTuple):
    """Lines through networks.

    Attributes:
        half_widths: of the lines.
        kinds: a `Cut` for each kind of network.
    """

    half_widths: np.ndarray
    kinds: dict[str, Cut]


def run(settings):
    """Train, cut, measure, and measure the nulls."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    network_key, line_key, null_key = jax.random.split(jax.random.key(settings.seed), 3)
    kinds = {}
    for kind, of_kind in networks(network_key, C, settings).items():
        frames = lines(line_key, of_kind, settings)
        kinds[kind] = cut(null_key, C, frames, settings)
        print(f"cut {kind}: {len(frames)} lines at {len(settings.half_widths)} half-widths")
    return Result(np.array(settings.half_widths), kinds), {"data": train.fingerprint}


def cut(key, C, frames, settings):
    """Random lines at all scales, measured at two resolutions and beside their nulls."""
    options = {name: getattr(settings, name) for name in ("points", "nodes", "bends")}
    ladder = populations.zoom(C, frames, settings.half_widths, **options)
    measure = lambda lines: bumpiness.Measures(
        *(by_network(of, settings.networks) for of in bumpiness.measure_each(lines, depth=settings.depth))
    )
    keys = jax.random.split(key, len(ladder))
    field = lambda key, lines: nulls.random_field_each(key, lines, smooth=fits.unimodal_fit)
    each = [
        (measure(lines), measure(bumpiness.halved(lines)), measure(field(key, lines)))
        for key, lines in zip(keys, ladder, strict=True)
    ]
    stacked = [jax.tree.map(lambda *of: np.stack(of), *of) for of in zip(*each, strict=True)]
    return Cut(*stacked, np.array([lines.floor for lines in ladder]))


def of_grid(cut, measure):
    """At which half-widths a measure is the grid's: its median changes by more than `CHANGE`."""
    change = getattr(bumpiness.change(cut.fine, cut.coarse), measure)
    known = np.where(np.isnan(change), 0, change)
    return np.median(known.reshape(len(known), -1), 1) > CHANGE


def apart(cut, measure):
    """At which half-widths lines differ from their fields: the interval of the difference leaves 0 out."""
    with np.errstate(invalid="ignore"):  # of two infinite ones
        differences = getattr(cut.fine, measure) - getattr(cut.fields, measure)
    found = [nested(one) for one in differences]
    return np.array([one.low > 0 or one.high < 0 for one in found])


def table(result):
    """Measures at some scales, those of their nulls, and the verdicts."""
    decades = sorted({int(np.abs(np.log(result.half_widths / h)).argmin()) for h in (0.1, 1, 10, 100)})
    rows = []
    for kind, found in result.kinds.items():
        rows += [[], [kind, *(f"half-width {result.half_widths[i]:g}" for i in decades)]]
        for measure in scales.MEASURES:
            values, fields = getattr(found.fine, measure), getattr(found.fields, measure)
            grid, differ = of_grid(found, measure), apart(found, measure)
            rows.append([measure, *(f"{interval(values[i])}{' #' if grid[i] else '  '}" for i in decades)])
            told = lambda i, fields=fields, differ=differ: f"{interval(fields[i])}{' *' if differ[i] else '  '}"
            if not np.isnan(fields).all():
                rows.append(["", *map(told, decades)])
    head = "median over networks and lines (95 % interval over networks); below: of dips with random fields"
    marks = f"# changes by more than {CHANGE:.0%} at half the resolution: the grid's; * differs from the fields"
    return [head, marks, *common.columns(rows), "", *verdicts(result)]


def verdicts(result):
    """What is claimed of trained networks, judged."""
    half_widths, kinds = result.half_widths, result.kinds
    i = int(np.abs(np.log(half_widths / 0.316)).argmin())
    untrained, *trained = kinds
    found = []
    more = kinds[trained[0]].fine.chebyshev[i] > kinds[untrained].fine.chebyshev[i]
    claim = f"training roughens: share of lines that need more Chebyshev coefficients, half-width {half_widths[i]:g}"
    found.append(common.verdict(claim, np.mean(more), 0.75))
    for kind in trained:
        one = np.mean(kinds[kind].fine.minima[half_widths >= 1] == 1)
        claim = f"{kind}: share of lines with one deep minimum, half-widths of 1 and more"
        found.append(common.verdict(claim, one, 0.9))
        changes = of_grid(kinds[kind], "total_variation").any() or of_grid(kinds[kind], "depth").any()
        claim = f"{kind}: depth and total variation are no grid's (1 if they are)"
        found.append(common.verdict(claim, float(changes), high=0))
    return found


def draw(path):
    """Every measure against half-width."""
    result = results.load(path)
    figure, x = common.figure(16, 11.5), result.half_widths
    panels = figure.subplots(3, 4).ravel()
    for i, (kind, found) in enumerate(result.kinds.items()):
        for ax, (measure, (title, linear)) in zip(panels, scales.MEASURES.items(), strict=True):
            draw_measure(ax, x, kind, found, measure, f"C{i}", (3, 2, 1)[i])
            ax.set_title(title, fontsize=11)
            if "units of C" in title:
                ax.plot(x, found.floors, color=f"C{i}", lw=0.5)
            if linear:
                common.counts(ax) if linear == 1 else ax.set_yscale("symlog", linthresh=linear)
    common.log(*(ax.xaxis for ax in panels))
    for ax in panels:
        ax.set_xlim(x[0] / 1.5, x[-1] * 1.5)
        ax.grid(alpha=0.3)
    for ax in panels[-4:]:
        ax.set_xlabel("half-width; 1 = the length of the weights", fontsize=9)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=12)
    many, each = next(iter(result.kinds.values())).fine.depth.shape[1:]
    figure.suptitle(
        f"How bumpy C is, by scale: {each} random line{'s' * (each > 1)} through each of {many} networks of a kind, "
        "median and\n95 % interval over networks; dotted: of the line's own dip and a random field of the rest's "
        f"spectrum\nrings: changes by more than {CHANGE:.0%} at half the resolution, the grid's; "
        "triangles: infinite, or too few nodes to tell; thin: noise floor"
    )
    return common.save_figures(path, {"measures": figure})


def draw_measure(ax, x, kind, found, measure, colour, width):
    """A measure of one kind: medians with their intervals, rings where it is the grid's, those of the fields dotted."""
    each = [nested(draws) for draws in getattr(found.fine, measure)]
    median, low, high = (np.array([getattr(one, end) for one in each]) for end in ("median", "low", "high"))
    ax.plot(x, median, color=colour, label=kind, lw=width)  # the thinner over the thicker
    ax.fill_between(x, *np.where(np.isfinite([low, high]), [low, high], np.nan), color=colour, alpha=0.2, lw=0)
    ax.plot(x, [nested(draws).median for draws in getattr(found.fields, measure)], ":", color=colour)
    grid = of_grid(found, measure)
    ax.plot(x[grid], median[grid], "o", mfc="none", color=colour)
    endless = np.where(np.isinf(median), 0.95, np.nan)
    ax.plot(x, endless, "^", color=colour, transform=ax.get_xaxis_transform())


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
