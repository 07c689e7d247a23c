"""C is bumpy, not a tidy bowl: from which scale on? Every measure against half-width, over five decades.

Many random lines through the untrained, the half-trained and the trained network, over all training images. Beside
each measure stand its nulls: the quadratic with the value, gradient and Hessian of C at the network, sampled and
rounded alike, which has no bumps, and a Gaussian random field with the spectrum of the line.

    python experiments/bumpiness_by_scale.py                      the embedded digits
    python experiments/bumpiness_by_scale.py --data FOLDER        MNIST
    python experiments/bumpiness_by_scale.py --sizes 784 64 10    another network, to be compared in function space

Definitions: a bowl ends at the smallest half-width at which a quadratic explains less than 95 % of a line's variance;
nearby is a half-width of 0.01 to 0.1, far out 10 or more. In function space the same end is the mean distance of the
outputs from the network's own. Far out C is a staircase of single images, finer than any grid: counts are of the grid.

Expect, on the embedded digits, as medians of 20 lines: a bowl ends at a half-width of 1.12 about the trained network
(95 % interval 1.00 to 1.35), 1.66 half-way (1.52 to 1.90), 1.13 untrained (0.74 to 1.97, mostly of a slope); in
function space at 1.37 (1.29 to 1.54), 1.43 and 1.16; about a trained 784-64-10 (12 lines) at 1.56, there at 1.47. About
the trained 784-16-16-10 a quadratic explains 99.9 % at 0.1, 51 % at 10 and 36 % at 100, where a line has 5 minima. Its
random fields have 18, and six times its total variation: few high cliffs, not ripples. Training roughens: at 0.316
every line needs more Chebyshev coefficients than before, 14.5 against 6.5. With all of MNIST and 12 lines the trained
network's bowl ends at 1.25 (0.97 to 1.57), in function space at 1.39 (1.22 to 1.68). A minute on two cores, MNIST
three.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import like, setting

from jaxcost import cost, plot, populations, results, statistics
from jaxcost.measures import bumpiness, nulls, roughness

SURE = 0.001  # two-sided p-value from which on lines are told from their random fields


@dataclass(frozen=True)
class Settings(common.Trained):
    """What is cut, where and how finely."""

    images: int = like("images", small=500)
    half_widths: tuple = setting(
        (0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0),
        "1 is the length of each neuron's weights; half-decades",
        small=(0.01, 0.316, 3.16, 100.0),
    )
    lines: int = setting(20, "random lines through each network", small=8)
    points: int = setting(61, "grid points of a line, odd so that the network is one of them", small=31)
    nodes: int = setting(33, "Chebyshev nodes of a line; a wave needs three of them", small=17)
    bends: int = setting(11, "points of a line with exact second derivatives", small=5)


class Cut(NamedTuple):
    """What lines through one network say.

    Attributes:
        compared: measures of the lines and of their nulls, each `[lines, half_widths]`; p of lines against fields.
        floors: noise floor of the lines, `[half_widths]`.
        scales: half-widths at which bowls are looked for, more than those of the measures.
        bowls: share of a line's variance that a quadratic explains, `[lines, scales]`.
        moved: mean distance of the outputs at its ends from the network's own, `[lines, scales]`.
    """

    compared: nulls.Compared
    floors: np.ndarray
    scales: np.ndarray
    bowls: np.ndarray
    moved: np.ndarray


class Result(NamedTuple):
    """Lines through three networks.

    Attributes:
        half_widths: of the lines.
        networks: a `Cut` of each network.
    """

    half_widths: np.ndarray
    networks: dict[str, Cut]


def run(settings):
    """Train, cut, measure, and measure the nulls."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    init_key, batch_key, line_key, null_key = jax.random.split(jax.random.key(settings.seed), 4)
    trained = common.train(init_key, batch_key, C, settings, records=10 * settings.epochs)
    keys = jax.random.split(line_key, settings.lines)  # the same for all networks
    null_keys = jax.random.split(null_key, len(settings.half_widths))
    networks = {}
    for name, i in common.stages(trained.costs).items():
        networks[name] = cut(keys, null_keys, C, trained.at(i), settings)
        print(f"cut {name}, C = {trained.costs[i]:.4f}: {len(keys)} lines, {len(null_keys)} scales")
    return Result(np.array(settings.half_widths), networks), {"data": train.fingerprint}


def cut(keys, null_keys, C, params, settings):
    """Random lines through a network, one a key, at all scales, measured beside their nulls."""
    frames = populations.about(keys, params)
    options = {name: getattr(settings, name) for name in ("points", "nodes", "bends")}
    ladder = populations.zoom(C, frames, settings.half_widths, **options)
    found = [compared(key, C, lines) for key, lines in zip(null_keys, ladder, strict=True)]
    # a bowl ends between two half-widths, so that middle parts of the lines are looked at too
    parts = [roughness.bowls(*lines.axes, lines.values, lines.floor) for lines in ladder]
    scales, bowls = (np.concatenate(of, -1) for of in zip(*parts, strict=True))
    scales, bowls = scales[order := np.argsort(scales)], bowls[:, order]
    # the same ends in function space
    ends = np.concatenate([-scales, scales])[:, None]
    moved = populations.evaluate(cost.output_distance(C, params), frames, ends).reshape(len(keys), 2, -1).mean(1)
    by_scale = jax.tree.map(lambda *of: np.stack(of, -1), *found)
    return Cut(by_scale, np.array([lines.floor for lines in ladder]), scales, bowls, moved)


def compared(key, C, lines):
    """The measures of lines beside those of their nulls, which are not set beside each other: one key will do."""
    each = lines, nulls.taylor_each(key, C, lines), nulls.random_field_each(key, lines)
    measures, taylor, random_fields = map(bumpiness.measure_each, each)
    p = bumpiness.Measures(*map(statistics.mann_whitney, measures, random_fields))
    return nulls.Compared(measures, taylor, random_fields, p)


def bowl_ends(result, name):
    """Where each line's bowl ends, `[lines]`: as a half-width, and as the distance of the outputs there."""
    found = result.networks[name]
    ends = roughness.bowl_end(found.scales, found.bowls)
    at = lambda end, moved: np.exp(np.interp(np.log(end), np.log(found.scales), np.log(moved)))
    return ends, np.array([at(*of) if np.isfinite(of[0]) else np.inf for of in zip(ends, found.moved, strict=True)])


def summaries(draws):
    """The summary of each column of `[lines, scales]`."""
    return [statistics.summary(column) for column in draws.T]


def table(result):
    """Measures and nulls at some scales, the ends of the bowls, and the verdicts."""
    decades = sorted({int(np.abs(np.log(result.half_widths / h)).argmin()) for h in (0.01, 0.1, 1, 10, 100)})
    rows, told = [], lambda one: f"{one.median:.3g}" if one.draws else "-"
    for name, found in result.networks.items():
        rows += [[], [name, *(f"half-width {result.half_widths[i]:g}" for i in decades)]]
        for measure in plot.MEASURES:
            lines, *both, p = (getattr(of, measure)[..., decades] for of in found.compared)
            rows.append([measure, *(f"{statistics.Interval(*one[:3]):.3g}" for one in summaries(lines))])
            stars, both = ("*" if one < SURE else " " for one in p), [summaries(null) for null in both]
            rows.append(["", *(f"{told(a)} | {told(b)}{star}" for a, b, star in zip(*both, stars, strict=True))])
    ends = [["where a bowl ends", "as a half-width", "as a distance of the outputs"]]
    ends += [[name, *map(statistics.summary, bowl_ends(result, name))] for name in result.networks]
    head = f"median over lines (95 % interval); below: of their quadratics | of their random fields, * p < {SURE}"
    return [head, *common.columns(rows), "", *common.columns(ends), "", *verdicts(result)]


def verdicts(result):
    """What is claimed of a trained network, judged; and whether the instrument makes bumps of its own."""
    half_widths, networks = result.half_widths, result.networks
    found, untrained = (networks[name].compared.measures for name in ("trained", "untrained"))
    i = int(np.abs(np.log(half_widths / 0.316)).argmin())
    claim = f"training roughens: share of lines that need more Chebyshev coefficients, half-width {half_widths[i]:g}"
    lines = [common.verdict(claim, np.mean(found.chebyshev[:, i] > untrained.chebyshev[:, i]), 0.75)]
    beyond_one = sum(np.maximum(one.compared.taylor.minima - 1, 0).sum() for one in networks.values())
    lines.append(common.verdict("minima of all quadratics beyond the one that each may have", beyond_one, high=0))
    near, far = (half_widths >= 0.01) & (half_widths <= 0.1), half_widths >= 10
    if near.any():
        least = statistics.summary(found.bowl[:, near].min(1))
        lines.append(common.verdict("trained, a bowl nearby: least bowl share", least, 0.95))
    if far.any():
        most, minima = (statistics.summary(of[:, far].max(1)) for of in (found.bowl, found.minima))
        lines.append(common.verdict("trained, no bowl far out: largest bowl share", most, high=0.95))
        lines.append(common.verdict("trained, bumpy far out: most minima of the grid on a line", minima, 2))
    return lines


def draw(path):
    """Every measure against half-width, and where the bowls end."""
    result = results.load(path)
    return common.save_figures(path, {"measures": draw_measures(result), "bowls": draw_bowls(result)})


def draw_measures(result):
    """A panel a measure, and one for the distance of the outputs; the last one holds the legend."""
    figure, x = common.figure(19, 11.5), result.half_widths
    *panels, last, words = axes = figure.subplots(3, 5).ravel()
    for i, (name, found) in enumerate(result.networks.items()):
        for ax, (measure, (title, linear)) in zip(panels, plot.MEASURES.items(), strict=True):
            draw_measure(ax, x, name, *(getattr(of, measure) for of in found.compared))
            ax.set_title(title, fontsize=11)
            if "units of C" in title:
                ax.plot(x, found.floors, color=f"C{i}", lw=0.5)
            if linear:
                common.counts(ax) if linear == 1 else ax.set_yscale("symlog", linthresh=linear)
        plot.medians(last, found.scales, summaries(found.moved), name, lw=1.5)
        end = statistics.summary(bowl_ends(result, name)[0])
        for ax in axes[:-1]:
            ax.axvline(end.median, color=f"C{i}", ls="--", lw=0.8)  # infinite where a bowl goes on beyond the picture
    last.set_title("mean distance of the outputs at the ends", fontsize=11)
    common.log(last.yaxis, *(ax.xaxis for ax in axes[:-1]))
    for ax in axes[:-1]:
        ax.set_xlim(x[0] / 1.5, x[-1] * 1.5)
        ax.grid(alpha=0.3)
    figure.supxlabel(f"half-width of the line, {common.LENGTH}")
    words.set_axis_off()
    words.legend(*panels[0].get_legend_handles_labels(), loc="center", fontsize=12, frameon=False)
    figure.suptitle(
        f"How bumpy C is, by scale, on {len(found.moved)} random lines through each of three networks: median and 95 % "
        f"interval\ndotted: of random fields of the same spectra; dots: differs from them, p < {SURE}; triangles: "
        "infinite, or too few nodes to tell\nthin: noise floor; dashed: median end of a bowl"
    )
    return figure


def draw_measure(ax, x, name, lines, taylor, fields, p):
    """A measure of one network: medians with their intervals, dots where surely not its fields', theirs dotted."""
    found = summaries(lines)
    median = np.array([one.median for one in found])
    colour = plot.medians(ax, x, found, name, lw=1.5).get_color()
    ax.plot(x, [one.median for one in summaries(fields)], ":", color=colour)
    ax.plot(x[p < SURE], median[p < SURE], ".", color=colour)
    endless = np.where(np.isinf(median), 0.95, np.nan)
    ax.plot(x, endless, "^", color=colour, transform=ax.get_xaxis_transform())


def draw_bowls(result):
    """How much of a line a quadratic explains, by half-width and by the distance of the outputs."""
    figure = common.figure(12, 4.8)
    left, right = axes = figure.subplots(1, 2, sharey=True)
    for i, (name, found) in enumerate(result.networks.items()):
        for ax, x, ends in zip(axes, (found.scales, np.median(found.moved, 0)), bowl_ends(result, name), strict=True):
            end = statistics.summary(ends)
            plot.medians(ax, x, summaries(found.bowls), f"{name}, ends at {statistics.Interval(*end[:3])}")
            ax.axvspan(*np.clip((end.low, end.high), x[0], x[-1]), color=f"C{i}", alpha=0.15, lw=0)
            ax.axvline(end.median, color=f"C{i}", lw=0.8)
    for ax, label in ((left, f"half-width, {common.LENGTH}"), (right, "mean distance of the outputs")):
        ax.axhline(0.95, color="black", ls=":", lw=1)
        common.log(ax.xaxis)
        ax.set_xlabel(label)
    common.tidy(axes, loc="lower left")
    left.set_ylabel("share of a line's variance that a quadratic explains")
    figure.suptitle(
        "Where a bowl ends: a quadratic explains less than 95 % (dotted); uprights: median end and its interval\n"
        f"{len(found.moved)} random lines a network, 95 % intervals; 1 where no residual exceeds the noise floor",
        fontsize=11,
    )
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
