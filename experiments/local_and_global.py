"""A local minimum and the global one, in 1-D and in 2-D, and gradient descent step by step at three rates: on C itself.

The pictures of a first lesson, not on a toy. In 1-D: of some random lines far out through a trained network, the one
with the deepest second minimum, and balls that roll along it. In 2-D: the plane through three trained networks, and
balls that roll on it from everywhere. Then descent on a plane of C's steepest directions at a rate too small, a good
one and one too large, each step -rate * gradient, beside the classical bound 2 / lambda_max.

    python experiments/local_and_global.py                  the embedded digits
    python experiments/local_and_global.py --data FOLDER    any four IDX files

A slice is only a slice: a minimum there need not be one of C. Of each minimum the gradient in all dimensions is told,
and how low C comes from there by descent in all of them.

Expect, on the embedded digits (seed 0, jax 0.10), 11 of 31 balls on the line in its global minimum, C = 0.055, 11 in
local ones and 9 elsewhere. The deepest local one, at C = 4.08, is 0.021 deep; the gradient in all dimensions is 0.12
there, and 500 steps of descent in all of them come to 2.95: no minimum of C. The plane has three, by the networks, with
C = 0.050 to 0.055, 0.18 to 0.23 deep; 39, 39 and 66 of 144 balls roll there. The gradients there are 0.015 to 0.018,
and C comes to 0.040 to 0.043. On the planes of the three rates, about three networks, 2 / lambda_max is 51 to 104, in
all dimensions 44 to 55; rates of 1.00 of it come nearer to the minimum, of 1.02 go away. Two to four minutes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from balls import COLOURS, Ground, draw_basins, draw_line, ground, named, steps, valley
from common import setting

from jaxcost import cost, directions, plot, populations, results, slices, trajectories
from jaxcost.curvature import lanczos
from jaxcost.measures import critical, minima

SOME = 12  # steps of a rate beyond the bound that are drawn on the plane: more of them cannot be told apart


@dataclass(frozen=True)
class Settings(common.Trained):
    """Which slices, how many balls, which rates."""

    networks: int = setting(3, "trained networks; the first three span the plane")
    lines: int = setting(32, "random lines, of which the one with the deepest second minimum is shown", small=4)
    half_width: float = setting(32.0, "of the lines, far out: 1 is the length of each neuron's own weights")
    points: int = setting(241, "grid points of a line", small=81)
    side: int = setting(61, "grid points a side of a plane", small=21)
    balls: int = setting(31, "on the line, equally spaced", small=5)
    balls_a_side: int = setting(12, "on the plane, in rows and columns", small=4)
    rolled: int = setting(160, "steps of a ball, each a grid point long at most", small=20)
    freed: int = setting(500, "steps of descent in all dimensions from a minimum of a slice", small=20)
    told: int = setting(3, "minima of a slice that are looked at in all dimensions: the lowest, and the deepest others")
    steep: tuple = setting((1, 5), "which of C's steepest directions span the plane of the three rates")
    rise: float = setting(0.05, "of C by its Hessian, along each of them, at the start of the three rates")
    shares: tuple = setting((0.001, 0.5, 1.3), "the three rates, as shares of the bound 2 / lambda_max")
    steps: int = setting(40, "at each rate", small=12)


class Rate(NamedTuple):
    """Gradient descent at one rate.

    Attributes:
        share: of the bound.
        rate: itself.
        points: coordinates, `[steps + 1, 2]`.
        costs: C there.
    """

    share: float
    rate: float
    points: np.ndarray
    costs: np.ndarray


class Lesson(NamedTuple):
    """Gradient descent about one network.

    Attributes:
        slice_: the plane, a `Slice`.
        bottom: its minimum, `[2]`.
        lowest: C there.
        bends: the eigenvalues of its Hessian there, rising, `[2]`.
        whole: the largest eigenvalue of the Hessian in all dimensions there.
        rates: the three, a `Rate` each.
        tried: rates as shares of the bound, from close by the minimum, `[rates]`.
        farther: the distance from the minimum in the end over that at the start, of each.
    """

    slice_: slices.Slice
    bottom: np.ndarray
    lowest: float
    bends: np.ndarray
    whole: float
    rates: list[Rate]
    tried: np.ndarray
    farther: np.ndarray


class Result(NamedTuple):
    """Slices with minima, and descent.

    Attributes:
        line: in 1-D.
        near: the same line about its deepest local minimum, a finer `Slice`; None without one.
        plane: in 2-D.
        lessons: a `Lesson` for each network on whose plane there is a minimum; the first is drawn.
    """

    line: Ground
    near: slices.Slice | None
    plane: Ground
    lessons: list[Lesson]


def run(settings):
    """Train; a line, a plane, three rates."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    network_key, line_key, steep_key = jax.random.split(jax.random.key(settings.seed), 3)
    trained = common.train_many(jax.random.split(network_key, settings.networks), C, settings)
    networks = [trained.network(i).params for i in range(settings.networks)]

    # of the lines that with the deepest second minimum
    axis = np.linspace(-settings.half_width, settings.half_width, settings.points)
    frames = populations.about(jax.random.split(line_key, settings.lines), networks[0])
    many = populations.grid(C, frames, (axis,))
    second = [sorted([0.0, 0.0, *minima.local_minima(one, many.floor).depths])[-2] for one in many.values]
    line = slices.line(C, *flat(frames[int(np.argmax(second))]), axis)
    on_line = ground(C, line, np.linspace(*line.alphas[[0, -1]], settings.balls)[:, None], settings)
    part = valley(on_line)
    near = part and slices.line(C, *flat(line.frame), np.linspace(*part, settings.points))

    u, v = directions.through(*networks[:3])
    corners, _ = trajectories.coordinates(networks, networks[0], (u, v))
    axes = common.around(corners, settings.side, margin=0.35)
    rows = [np.linspace(*axis[[0, -1]], settings.balls_a_side + 2)[1:-1] for axis in axes]
    starts = np.stack(np.meshgrid(*rows, indexing="ij"), -1).reshape(-1, 2)
    on_plane = ground(C, slices.plane(C, networks[0], u, v, *axes), starts, settings)

    lessons = [lesson(steep_key, C, params, settings) for params in networks]
    if not any(lessons):
        raise ValueError(f"--rise {settings.rise}: no minimum on any of the planes, expected another rise")
    return Result(on_line, near, on_plane, list(filter(None, lessons))), {"data": train.fingerprint}


def flat(frame):
    """The origin and the directions of a line or plane, one after the other."""
    return frame.origin, *frame.directions


def lesson(key, C, params, settings):
    """Descent on a plane of steep directions, at three rates, and at more close by its minimum; None if it has none."""
    first, last = settings.steep
    top = lanczos.top_eigenpairs(key, C, params, last, tolerance=0.02)
    reach = np.sqrt(2 * settings.rise / np.abs(top.values[[first - 1, last - 1]]))
    axes = [1.6 * r * np.linspace(-1, 1, settings.side) for r in reach]
    plane = slices.plane(C, params, top.direction(first - 1), top.direction(last - 1), *axes)
    points, stays = critical.settle(C, plane, minima.local_minima(plane.values, plane.floor))
    if not stays.any():
        return None
    bottom = points[stays][0]
    bends = np.linalg.eigvalsh(slices.derivatives(C, *plane.frame, bottom[None])[2][0])
    whole = lanczos.top_eigenpairs(key, C, plane.at(bottom), 1).values[0]
    bound, tried = 2 / bends[-1], np.linspace(0.9, 1.1, 11)
    paths, costs = steps(C, plane.frame, bottom + reach * (0.4, 0.9), np.array(settings.shares) * bound, settings.steps)
    rates = [Rate(share, share * bound, *of) for share, *of in zip(settings.shares, paths, costs, strict=True)]
    close, _ = steps(C, plane.frame, bottom + 0.01 * reach, tried * bound, 2 * settings.steps)
    away = np.linalg.norm(close - bottom, axis=-1)
    lowest = float(slices.evaluate(C, *plane.frame, bottom[None])[0])
    return Lesson(plane, bottom, lowest, bends, float(whole), rates, tried, away[:, -1] / away[:, 0])


def table(result):
    """The minima of both slices, in the slice and in all dimensions; the balls; C at each step of the three rates."""
    lines, found = [], []
    for name, of in (("line", result.line), ("plane", result.plane)):
        told, last = range(len(of.slopes)), len(of.costs)
        rows = [
            [f"minima of the {name}", "C", "depth", "|grad C|, all dimensions", "C, freed", "balls that stop there"]
        ]
        each = zip(told, of.costs, of.depths, of.slopes, of.freed, strict=False)
        rows += [[named(i), *map(float, numbers), int(np.sum(of.ends == i))] for i, *numbers in each]
        rows.append([f"{last - len(told)} shallower", *[""] * 4, int(np.sum(of.ends >= len(told)))])
        rows.append(["none of these", *[""] * 4, int(np.sum(of.ends < 0))])
        lines += [*common.columns(rows), ""]
        found.append(common.verdict(f"minima of the {name}", last, 2))
    first = result.lessons[0].rates
    listed = [i for i in range(len(first[0].costs)) if i < 10 or i % 10 == 0]
    rows = [["share of the bound", *(f"{one.share:g}" for one in first)], ["rate", *(one.rate for one in first)]]
    rows += [[f"C after {i} steps", *(f"{one.costs[i]:.4f}" for one in first)] for i in listed]
    bounds = [["network", "2 / lambda of the plane", "in all dimensions", "nearer up to", "away from"]]
    bounds += [[str(i), float(2 / of.bends[-1]), 2 / of.whole, *seen(of)] for i, of in enumerate(result.lessons)]
    nearer = [seen(of)[0] for of in result.lessons]
    for end, share in (("lowest", min(nearer)), ("highest", max(nearer))):
        claim = f"largest rate that comes nearer, as a share of the bound, the {end} of {len(nearer)} networks"
        found.append(common.verdict(claim, share, 0.95, 1.05))
    return [*lines, *common.columns(rows), "", *common.columns(bounds), "", *found]


def seen(of):
    """Of the rates tried the largest that comes nearer to the minimum, and the smallest that does not."""
    nearer = of.farther < 1
    return float(of.tried[nearer].max(initial=0.0)), float(of.tried[~nearer].min(initial=np.inf))


def draw(path):
    """The line and a ball in a local minimum; balls from everywhere; three rates."""
    result = results.load(path)
    figures = {
        "line": draw_line(result.line, result.near),
        "basins": draw_basins(result.plane),
        "rates": draw_rates(result.lessons[0]),
    }
    return common.save_figures(path, figures)


def draw_rates(of):
    """The steps of each rate on the plane, and C by step."""
    figure = common.figure(11, 9)
    *panels, last = figure.subplots(2, 2).ravel()
    for ax, one, colour in zip(panels, of.rates, COLOURS, strict=False):
        drawn = min(SOME if one.share > 1 else np.inf, len(one.costs) - 1)
        plot.contour(ax, of.slice_, bar=False)
        ax.plot(*one.points[: drawn + 1].T, ".-", color="white", lw=1, ms=7)
        ax.plot(*one.points[0], "o", color="white", mec="black", ms=9)
        ax.plot(*of.bottom, "*", color="tab:red", mec="white", ms=14)
        ax.set(xlim=of.slice_.alphas[[0, -1]], ylim=of.slice_.betas[[0, -1]], aspect="auto")
        ax.set(xlabel="α, length in the space of parameters", ylabel="β")
        ax.set_title(f"rate {one.rate:.3g}, {one.share:g} of the bound 2 / λ: the first {drawn} steps", fontsize=11)
        last.plot(one.costs, ".-", color=colour, label=f"rate {one.rate:.3g}")
    common.log(last.yaxis)
    last.set(xlabel="step", ylabel="C")
    last.set_title("C after each step")
    common.tidy(last)
    figure.suptitle("Gradient descent step by step: each step is -rate x gradient (circle: start; star: the minimum)")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
