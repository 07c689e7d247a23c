"""How deep the bumps of C are, and whether they are of C, of the grid, of rounding or of the images.

A number of minima means little by itself: the finer a line is sampled, the more it has, and each shallower one may be
the grid's, or these images'. Random lines through many networks are sampled at several resolutions, and refined
wherever exact derivatives show that something lies between two points. Each minimum is counted by its depth; its depth
is a mean over images and has a standard error; and the same line over held-out images tells whether it is there too.

    python experiments/minima_by_depth.py                  the embedded digits
    python experiments/minima_by_depth.py --data FOLDER    any four IDX files

Definitions: the depth of a minimum is how far C must rise before one can leave it. It is sure if it is more than twice
its standard error over the images, paired between bottom and pass; it stands if C of held-out images rises from the
same bottom to the same pass by more than twice its error there. SMAD is the mean gap from a minimum to the first saddle
above it, all minima of the grid counted (Landscaper, arXiv 2602.07135).

Expect, on the embedded digits, 16 lines in 8 networks of a kind: about trained networks one minimum deeper than 0.01
at every half-width up to 100 and at every resolution, and once in 16 lines a second one. Deeper than 0.0001 there are
4, 22, 96 and 51 at half-width 100 (61, 241, 961 points, refined): their number is the grid's. Of those shallower than
0.01 a tenth to a sixth are sure, and 12 of 351 stand on held-out images, where 8 would by chance. SMAD falls from 0.9
to 0.03 as the grid is refined. Three to five minutes on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import like, setting
from networks import KINDS, Networks, by_network, interval, lines, mean, networks

from jaxcost import cost, results, slices
from jaxcost.measures import images, minima, refinement


@dataclass(frozen=True)
class Settings(Networks):
    """Which lines, how finely, and how deep."""

    images: int = like("images", small=500)
    lines: int = setting(2, "random lines through each network", small=1)
    half_widths: tuple = setting((1.0, 10.0, 100.0), "1 is the length of each neuron's weights", small=(100.0,))
    points: int = setting(961, "of the finest grid, 16 n + 1", small=241)
    depth: float = setting(0.01, "of a minimum that counts, a hundredth of what knowing nothing costs, 0.9")
    levels: int = setting(49, "depths from a millionth to 1 at which minima are counted")


class Lines(NamedTuple):
    """Lines of one half-width through networks of one kind, `[networks, lines, ...]`.

    Attributes:
        counts: minima deeper than each level, `[networks, lines, grids, levels]`: of every 16th and every 4th point,
            of all points, refined.
        gaps: SMAD, `[networks, lines, grids]`.
        floors: noise floor of each line.
        added: points of the refined line.
        unresolved: share of it that is still in doubt.
        depths: of the minima of the refined line, the deepest first, as many as there is room for; NaN for none.
        errors: standard errors of these.
        held_out: the same depths on held-out images.
        held_out_errors: standard errors of these.
        example: the first line refined, coordinates and C, `[2, points]`.
    """

    counts: np.ndarray
    gaps: np.ndarray
    floors: np.ndarray
    added: np.ndarray
    unresolved: np.ndarray
    depths: np.ndarray
    errors: np.ndarray
    held_out: np.ndarray
    held_out_errors: np.ndarray
    example: np.ndarray


class Result(NamedTuple):
    """Lines through networks.

    Attributes:
        levels: depths at which minima are counted.
        kinds: `Lines` by kind of network and half-width.
    """

    levels: np.ndarray
    kinds: dict[str, dict[str, Lines]]


GRIDS, MOST = (16, 4, 1), 12  # every so manieth point; minima of a line that are kept


def run(settings):
    """Train, cut, count."""
    Cs = tuple(map(cost.Cost, common.images(settings)))
    network_key, line_key = jax.random.split(jax.random.key(settings.seed))
    levels, kinds = np.logspace(-6, 0, settings.levels), {}
    for kind, of_kind in networks(network_key, Cs[0], settings).items():
        frames, kinds[kind] = lines(line_key, of_kind, settings), {}
        for half_width in settings.half_widths:
            found = [cut(Cs, frame, half_width, levels, settings) for frame in frames]
            *each, examples = zip(*found, strict=True)
            kinds[kind][f"{half_width:g}"] = Lines(*(by_network(of, len(of_kind)) for of in each), examples[0])
        print(f"cut {kind}: {len(frames)} lines at {len(settings.half_widths)} half-widths")
    return Result(levels, kinds), {"data": Cs[0].images.fingerprint}


def cut(Cs, frame, half_width, levels, settings):
    """One line: its minima by depth at all resolutions, and what its images say of the deepest."""
    axis = np.linspace(-half_width, half_width, settings.points)
    line, _ = slices.line(Cs, frame.origin, *frame.directions, axis, progress=False)
    parts = [line.values[::step] for step in GRIDS]
    coarse = line._replace(axes=(line.alphas[:: GRIDS[1]],), values=parts[1])
    refined, unresolved = refinement.refine(Cs[0], coarse, max(settings.depth, 2 * line.floor))
    parts.append(refined.values)
    counted = [minima.local_minima(part, line.floor) for part in parts]
    found = counted[-1]
    found = found.chosen(range(min(found.count, MOST)))
    room = lambda of: np.pad(of, (0, MOST - len(of)), constant_values=np.nan)
    seen, unseen = (images.depths(C, refined, found) for C in Cs)
    counts, gaps = [one.deeper_than(levels) for one in counted], [minima.saddle_gap(part) for part in parts]
    about = line.floor, len(refined.alphas), unresolved
    depths = map(room, (seen.depths, seen.errors, unseen.depths, unseen.errors))
    return np.stack(counts), gaps, *about, *depths, np.stack([refined.alphas, refined.values])


def at(levels, depth):
    """The place of the level that is nearest to a depth."""
    return int(np.abs(np.log(levels / depth)).argmin())


def judged(of, low, high):
    """How many minima lie between two depths, how many of these are sure, and how many stand on held-out images."""
    between = (of.depths > low) & (of.depths <= high)
    sure, stands = of.depths > 2 * of.errors, of.held_out > 2 * of.held_out_errors
    return [int(np.sum(between & which)) for which in (True, sure, stands)]


def table(result):
    """Minima by depth and resolution, and what the images say of them."""
    depths = [1e-4, 1e-3, 1e-2, 1e-1]
    names = ["every 16th point", "every 4th", "all points", "refined"]
    lines_ = ["minima of a line by depth: mean over lines and networks, its 95 % interval over networks"]
    for kind, by_width in result.kinds.items():
        rows = [[], [kind, "grid", *(f"deeper than {depth:g}" for depth in depths), "SMAD", "floor"]]
        for half_width, of in by_width.items():
            for i, name in enumerate(names):
                counts = [mean(of.counts[..., i, at(result.levels, depth)]) for depth in depths]
                gap, floor = interval(of.gaps[..., i], ".2g"), f"{of.floors.max():.0e}"
                rows.append([f"half-width {half_width}" if i == 0 else "", name, *counts, gap, floor if i == 0 else ""])
        lines_ += common.columns(rows)
    rows = [
        [],
        ["the deepest minima of each refined line", "0.1 or more", "sure", "stand", "below 0.01", "sure", "stand"],
    ]
    for kind, by_width in result.kinds.items():
        for half_width, of in by_width.items():
            rows.append([f"{kind}, half-width {half_width}", *judged(of, 0.1, np.inf), *judged(of, 0, 0.01)])
    return [*lines_, *common.columns(rows), "", *verdicts(result)]


def verdicts(result):
    """What is claimed of the widest lines through trained networks."""
    found = []
    for kind, by_width in result.kinds.items():
        if kind == KINDS[0]:
            continue
        half_width, of = list(by_width.items())[-1]
        deep, shallow = (of.counts[..., at(result.levels, depth)] for depth in (0.01, 1e-4))
        claim = f"{kind}, half-width {half_width}: "
        same = np.mean(deep[..., 1] == deep[..., 3])
        found.append(common.verdict(claim + "share of lines with as many minima deeper than 0.01 refined", same, 0.9))
        ratio = shallow[..., 2].mean() / max(shallow[..., 0].mean(), 1e-9)
        found.append(common.verdict(claim + "minima deeper than 0.0001, 16 times the points: times as many", ratio, 4))
        many, sure, _ = judged(of, 0, 0.01)
        found.append(
            common.verdict(claim + "share of minima shallower than 0.01 that are sure", sure / max(many, 1), high=0.5)
        )
    return found


def draw(path):
    """For each kind a line, its minima by depth at all resolutions, and their depths against their errors."""
    result = results.load(path)
    figure = common.figure(15, 3.6 * len(result.kinds) + 0.8)
    axes = figure.subplots(len(result.kinds), 3, squeeze=False)
    for (left, middle, right), (kind, by_width) in zip(axes, result.kinds.items(), strict=True):
        half_width, of = list(by_width.items())[-1]
        left.plot(*of.example, lw=0.8)
        left.set_title(f"{kind}: C on one random line", fontsize=10)
        left.set_ylabel("C")
        draw_counts(middle, result.levels, of)
        middle.set_title(
            f"{np.prod(of.floors.shape)} lines in {len(of.floors)} networks, half-width {half_width}", fontsize=10
        )
        for name, one in by_width.items():
            right.loglog(one.depths.ravel(), one.errors.ravel(), ".", ms=4, label=f"half-width {name}")
        right.plot((1e-6, 4), (5e-7, 2), "k--", lw=0.8, label="half of the depth: above it not sure")
        right.set_xlim(1e-5, 10)
        right.set_ylim(1e-6, 0.1)
        right.set_ylabel("standard error over images")
        right.set_title("the deepest minima of each line", fontsize=10)
    for ax, label in zip(axes[-1], (f"α, {common.LENGTH}", "depth, units of C", "depth, units of C"), strict=True):
        ax.set_xlabel(label)
    common.tidy(axes)
    figure.suptitle(
        "How deep are the bumps, and whose are they? Left: a line. Middle: minima by depth at four resolutions; where\n"
        "the curves part the number is the grid's. Right: their depths, and what the choice of images makes by chance"
    )
    return common.save_figures(path, {"minima": figure})


def draw_counts(ax, levels, of):
    """The mean number of minima deeper than a depth, by resolution; a band from the lowest to the highest network."""
    names = ["every 16th point", "every 4th point", "all points", "refined by exact derivatives"]
    for i, name in enumerate(names):
        counts = of.counts[..., i, :].mean(1)
        ax.plot(levels, counts.mean(0), label=name, color=f"C{i}", lw=1.5)
        ax.fill_between(levels, counts.min(0), counts.max(0), color=f"C{i}", alpha=0.15, lw=0)
    ax.axvline(np.median(of.floors), color="black", ls=":", lw=1, label="noise floor")
    ax.axvline(0.01, color="black", lw=0.6, label="0.01")
    common.log(ax.xaxis)
    common.counts(ax)
    ax.set_ylabel("minima deeper than that")


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
