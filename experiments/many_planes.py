"""How many deep minima a random plane has: one plane through each of many networks, at several resolutions.

A plane is one draw, and a number of minima on it is one of minima deeper than something. Through each of many networks,
untrained and trained from wide and from narrow starts, one random plane is sampled, at a half-width where C about them
is a bowl and far out. Minima are counted by depth at three resolutions; those of the finest that are deep are sent
downhill on C itself, so that a valley askew to the grid counts once; and each has its standard error over images.

    python experiments/many_planes.py                  the embedded digits
    python experiments/many_planes.py --data FOLDER    any four IDX files

Expect, on the embedded digits, 8 networks of a kind: one minimum deeper than 0.1 on every plane about a trained one,
at every half-width and resolution. Deeper than 0.01 there is one up to half-width 8 (seldom a second), and at 32 their
number is the grid's: 3.4, 6.6 and 15.6 at 21, 41 and 81 points a side from wide starts, 2.6, 4.6 and 8.5 from narrow
ones. Nine of ten of them are minima of C on the plane, and 4.9 (2.8 to 7.0) and 3.8 (2.4 to 5.2) stand on held-out
images: read it as "at least". Five minutes on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import like, setting
from networks import KINDS, Networks, mean, networks

from jaxcost import cost, directions, plot, results, slices
from jaxcost.measures import critical, images, minima

GRIDS = (4, 2, 1)  # every so manieth point along each axis


@dataclass(frozen=True)
class Settings(Networks):
    """Which planes, how finely, and how deep."""

    images: int = like("images", small=500)
    half_widths: tuple = setting((2.0, 8.0, 32.0), "1 is the length of each neuron's weights", small=(2.0, 32.0))
    points: int = setting(81, "a side of the finest grid, 8 n + 1", small=25)
    depths: tuple = setting((0.001, 0.01, 0.1), "at which minima are counted; the middle one is deep")


class Planes(NamedTuple):
    """Planes of one half-width through networks of one kind.

    Attributes:
        counts: minima deeper than each depth, `[networks, grids, depths]`.
        of_C: deep minima of the finest grid that are minima of C, `[networks]`.
        sure: of these, those deeper than twice their standard error over images.
        stand: those that are so on held-out images, between the same points.
        gaps: SMAD of the finest grid, `[networks]` (`minima.saddle_gap`).
        example: the plane of the first network.
        example_minima: its deep minima of C.
    """

    counts: np.ndarray
    of_C: np.ndarray
    sure: np.ndarray
    stand: np.ndarray
    gaps: np.ndarray
    example: slices.Slice
    example_minima: minima.Minima


class Result(NamedTuple):
    """Planes through networks.

    Attributes:
        depths: at which minima are counted.
        kinds: `Planes` by kind of network and half-width.
    """

    depths: np.ndarray
    kinds: dict[str, dict[str, Planes]]


def run(settings):
    """Train, cut, count."""
    Cs = tuple(map(cost.Cost, common.images(settings)))
    network_key, plane_key = jax.random.split(jax.random.key(settings.seed))
    kinds = {}
    for kind, of_kind in networks(network_key, Cs[0], settings).items():
        keys, kinds[kind] = jax.random.split(plane_key, len(of_kind)), {}
        for half_width in settings.half_widths:
            found = [cut(Cs, *one, half_width, settings) for one in zip(of_kind, keys, strict=True)]
            *numbers, planes, counted = zip(*found, strict=True)
            kinds[kind][f"{half_width:g}"] = Planes(*map(np.array, numbers), planes[0], counted[0])
        print(f"cut {kind}: {len(of_kind)} planes at {len(settings.half_widths)} half-widths")
    return Result(np.array(settings.depths), kinds), {"data": Cs[0].images.fingerprint}


def cut(Cs, params, key, half_width, settings):
    """One plane: its minima by depth and resolution, and what C and its images say of the deep ones."""
    axis = np.linspace(-half_width, half_width, settings.points)
    plane = slices.plane(Cs[0], params, *directions.recipes(key, 2), axis, axis, progress=False)
    counts = [minima.local_minima(plane.values[::k, ::k], plane.floor).deeper_than(settings.depths) for k in GRIDS]
    deep = minima.local_minima(plane.values, max(plane.floor, settings.depths[1]))
    _, stays = critical.settle(Cs[0], plane, deep)
    of_C = deep.chosen(stays)
    sure, stand = (images.depths(C, plane, of_C).sure().sum() for C in Cs)
    return counts, of_C.count, sure, stand, minima.saddle_gap(plane.values), plane, of_C


def table(result):
    """Minima by depth and resolution, and what is left of the deep ones."""
    rows = []
    for kind, by_width in result.kinds.items():
        heads = [f"deeper than {depth:g}" for depth in result.depths]
        rows += [[], [kind, "grid", *heads, "deep ones of C", "sure", "stand", "SMAD"]]
        for half_width, of in by_width.items():
            for i, step in enumerate(GRIDS):
                points = (len(of.example.alphas) - 1) // step + 1
                row = [f"half-width {half_width}" if i == 0 else "", f"{points} x {points}"]
                row += [mean(of.counts[:, i, j, None]) for j in range(len(result.depths))]
                last = step == GRIDS[-1]
                rows.append(row + last * [mean(one[:, None]) for one in (of.of_C, of.sure, of.stand, of.gaps)])
    head = "minima of a plane: mean over networks, one plane each, and its 95 % interval"
    return [head, *common.columns(rows), "", *verdicts(result)]


def verdicts(result):
    """What is claimed of planes about trained networks."""
    found = []
    for kind in KINDS[1:]:
        planes = list(result.kinds[kind].values())
        one = np.mean([(of.counts[..., 2] == 1).all(1) for of in planes])
        claim = f"{kind}: share of planes with one minimum deeper than {result.depths[2]:g} at every resolution"
        found.append(common.verdict(claim, one, 0.9))
        claim = f"{kind}: deep minima of C on a plane far out that stand on held-out images, mean"
        found.append(common.verdict(claim, planes[-1].stand.mean(), 2))
        times = planes[-1].counts[:, 2, 1].mean() / max(planes[-1].counts[:, 1, 1].mean(), 1e-9)
        claim = (
            f"{kind}: far out the number deeper than {result.depths[1]:g} is the grid's: twice as fine, times as many"
        )
        found.append(common.verdict(claim, times, 1.5))
    return found


def draw(path):
    """One plane of each kind far out, and the number of deep minima of all planes by half-width and resolution."""
    result = results.load(path)
    figure = common.figure(5 * len(result.kinds), 8.6)
    axes = figure.subplots(2, len(result.kinds), squeeze=False)
    for above, below, (kind, by_width) in zip(*axes, result.kinds.items(), strict=True):
        half_width, far = list(by_width.items())[-1]
        plot.contour(above, far.example, far.example_minima)
        above.set_title(f"{kind}, half-width {half_width}:\n{far.of_C[0]} minima of C deeper than {result.depths[1]:g}")
        above.set_xlabel(f"α, {common.LENGTH}")
        widths = [float(name) for name in by_width]
        for i, step in enumerate(GRIDS):
            points = (len(far.example.alphas) - 1) // step + 1
            counts = np.array([of.counts[:, i, 1] for of in by_width.values()])
            below.plot(widths, counts.mean(1), "o-", label=f"{points} × {points} points, all of the grid")
        of_C = np.array([of.of_C for of in by_width.values()])
        below.plot(widths, of_C.mean(1), "ks--", mfc="none", label="minima of C among the last")
        below.plot(widths, of_C, "k_", ms=5, alpha=0.5)
        below.set_xscale("log")
        common.log(below.xaxis)
        common.counts(below)
        below.set_xlabel("half-width of the plane")
    axes[0, 0].set_ylabel("β")
    axes[1, 0].set_ylabel(f"minima deeper than {result.depths[1]:g}, mean over networks")
    common.tidy(axes[1])
    figure.suptitle(
        f"Deep minima on random planes, one through each of {len(far.of_C)} networks of a kind\n"
        "above: the first plane, minima of C in red; below: dashes are single planes"
    )
    return common.save_figures(path, {"planes": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
