"""Downhill from wherever you stand: many random starts, many random directions, three optimisers.

A thousand networks start at random and go downhill together: how many reach which cost? At some starts, which share of
random directions goes down, and how far beside the gradient's? And gradient descent, momentum and Adam from one
start, on one plane, with their distance off it.

    python experiments/downhill_from_anywhere.py                  2,000 of the embedded digits
    python experiments/downhill_from_anywhere.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect every one of the 1,000 networks below where it started, and below C = 1, after 600 steps; half of the random
directions going down, 48 to 52 % at each of eight starts, the best of 400 by 2.7 % of what the gradient gives for the
same length (1.9 to 3.6); and three optimisers that end in different places. The same on two versions of jax. A minute.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import like, setting
from scipy.interpolate import RegularGridInterpolator

from jaxcost import cost, descent, directions, network, plot, populations, results, slices, statistics, trajectories

TOGETHER = 50  # images taken together while all networks are judged at once, which bounds the memory
STEP = 0.1  # length of a step along a direction: long beside rounding, short beside the starts' length of 114
SOME = 50  # of the directions at a start, whose noise floor is taken for that of all
LEVELS = (1.0, 0.5, 0.3, 0.2, 0.1)


@dataclass(frozen=True)
class Settings(common.Network):
    """How many starts, and how they go down."""

    images: int = like("images", default=2000, small=200)  # all networks learn them
    rate: float = like("rate")
    batch: int = like("batch")
    starts: int = setting(1000, "networks trained together", small=20)
    steps: int = setting(600, "of each of the networks", small=100)
    looked: int = setting(8, "starts at which directions are looked along; the first is drawn", small=2)
    directions: int = setting(400, "random directions at each of these", small=50)
    path_steps: int = setting(4000, "of each of the three optimisers", small=200)
    points: int = setting(41, "grid points a side of the plane of the three paths", small=11)


class Path(NamedTuple):
    """The path of one optimiser, at its recorded steps.

    Attributes:
        costs: C, `[records]`.
        steps: the steps.
        coordinates: on the plane, `[records, 2]`.
        off: distance off the plane, `[records]`.
    """

    costs: np.ndarray
    steps: np.ndarray
    coordinates: np.ndarray
    off: np.ndarray


class Result(NamedTuple):
    """Starts, directions and paths.

    Attributes:
        costs: C of the networks trained from random starts, `[starts, records]`.
        steps: the recorded steps of these.
        fallen: how C changes by a step of length `STEP` along random directions from the first start, `[directions]`.
        along: by a step as long along the gradient, downhill.
        floor: rounding noise of these changes, at all starts.
        down: share of the directions that go down, `[looked]`.
        best: fall along the best of them over that along the gradient, `[looked]`.
        plane: a `Slice` of the plane that holds most of the three paths from one start.
        share: of the paths' variance along its two directions, `[2]`.
        paths: `Path` by optimiser.
    """

    costs: np.ndarray
    steps: np.ndarray
    fallen: np.ndarray
    along: float
    floor: float
    down: np.ndarray
    best: np.ndarray
    plane: slices.Slice
    share: np.ndarray
    paths: dict[str, Path]


def run(settings):
    """All starts; all directions; three optimisers."""
    train, _ = common.images(replace(settings, images=0))
    keys = jax.random.split(jax.random.key(settings.seed), 6)
    order_key, start_key, look_key, direction_key, init_key, batch_key = keys
    mixed = jax.random.permutation(order_key, len(train))  # classes may be stored in turn
    train = train[mixed[: settings.images or None]]
    C = cost.Cost(train)

    # many random starts, downhill together
    keys = jax.random.split(start_key, settings.starts)
    many = common.train_many(keys, cost.Cost(train, block=TOGETHER), settings, steps=settings.steps, records=5)

    # some starts: a step along the gradient, and one along each of many random directions
    keys = zip(*(jax.random.split(key, settings.looked) for key in (look_key, direction_key)), strict=True)
    changes, floors = zip(*(look(*both, C, settings) for both in keys), strict=True)
    along, fallen = np.array(changes)[:, 0], np.array(changes)[:, 1:]
    down, best = np.mean(fallen < 0, 1), fallen.min(1) / along

    # three optimisers from one start, on the plane that holds most of their paths
    runs = {}
    for name, optimizer in optimizers(settings.rate).items():
        print(f"{name}: ", end="")
        options = {"steps": settings.path_steps, "records": 50, "optimizer": optimizer}
        runs[name] = common.train(init_key, batch_key, C, settings, **options)
    together = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(one.trajectory for one in runs.values()))
    principal = trajectories.principal(together)
    axes = common.around(principal.coordinates, settings.points)
    plane = slices.plane(C, list(runs.values())[-1].params, *principal.directions, *axes)  # seen from the last step
    placed = zip(runs.items(), *(np.split(a, len(runs)) for a in (principal.coordinates, principal.off)), strict=True)
    paths = {name: Path(one.costs, one.steps, coordinates, off) for (name, one), coordinates, off in placed}
    of_starts = fallen[0], float(along[0]), max(floors), down, best
    result = Result(many.costs, many.steps, *of_starts, plane, principal.share, paths)
    return result, {"data": train.fingerprint}


def look(start_key, direction_key, C, settings):
    """How C changes by a step along the gradient, downhill, and along random directions at a start; their noise."""
    start = network.init(start_key, settings.sizes)
    random = [directions.gaussian(key, start) for key in jax.random.split(direction_key, settings.directions)]
    frames = [directions.Frame(start, (unit(u),)) for u in (descent.downhill(C, start), *random)]
    points = [[0.0], [STEP]]
    values = populations.evaluate(C, frames, points)
    return values[:, 1] - values[:, 0], populations.floor(C, frames[:SOME], points, values[:SOME])


def optimizers(rate):
    """Gradient descent and momentum of one effective rate, and Adam at its usual rate times ten."""
    return {"descent": optax.sgd(rate), "momentum": optax.sgd(rate / 10, momentum=0.9), "Adam": optax.adam(1e-2)}


@jax.jit
def unit(u):
    """A direction of length 1."""
    return optax.tree.scale(1 / optax.tree.norm(u), u)


def table(result):
    """Who reaches what; who goes down; where the three optimisers end."""
    final, n = result.costs[:, -1], len(result.costs)
    lower, percent = final < result.costs[:, 0], lambda shares, form: common.median_of(100 * shares, form)
    return [
        f"{n:,} random starts after {result.steps[-1]:,} steps:",
        *(f"  C below {level:<4} {np.mean(final < level):6.1%}" for level in LEVELS),
        f"  C at the end {common.median_of(final, '.3f')}",
        f"  lower than at the start {statistics.proportion(lower.sum(), n):.1%}",
        "",
        f"{len(result.fallen):,} random directions at each of {len(result.down)} starts, a step of length {STEP:g}, "
        f"floor {result.floor:.0e}; medians (lowest to highest)",
        f"  {percent(result.down, '.1f')} percent go down",
        f"  the best by {percent(result.best, '.2f')} percent of what the gradient gives",
        "",
        f"three optimisers from one start; two principal directions hold {result.share.sum():.1%} of their variance:",
        *(f"  {name:<10} C {p.costs[-1]:.4f}, at most {p.off.max():.1f} off it" for name, p in result.paths.items()),
        "",
        common.verdict("share of random starts that end lower", lower.mean(), low=1.0),
        common.verdict("highest fall along the best random direction over the gradient's", result.best.max(), high=1.0),
    ]


def draw(path):
    """The starts' costs; the directions' falls; the three paths."""
    result = results.load(path)
    figure = common.figure(15, 8.4)
    figure.get_layout_engine().set(wspace=0.05)  # the name of a bar is not that of the next axis
    above, below = figure.subplots(2, 3)
    draw_random(*above, result)
    draw_paths(*below, result)
    common.tidy([*above, *below[1:]])
    return common.save_figures(path, {"downhill": figure})


def draw_random(starts, final, falls, result):
    """Random starts by step, and at the end; random directions beside the gradient."""
    for (low, high), alpha, label in (((0, 1), 0.15, "all"), ((0.05, 0.95), 0.25, "90%"), ((0.25, 0.75), 0.4, "50%")):
        band = np.quantile(result.costs, (low, high), axis=0)
        starts.fill_between(result.steps, *band, color="tab:blue", alpha=alpha, lw=0, label=f"{label} of them")
    starts.plot(result.steps, np.median(result.costs, 0), color="black", label="median")
    common.log(starts.yaxis)
    ends = result.costs[:, [0, -1]]
    lower = np.sum(ends[:, 1] < ends[:, 0])
    starts.set(xlabel="step", ylabel="C", title=f"{lower:,} of {len(ends):,} random starts end lower")
    bins = np.geomspace(ends.min(), ends.max(), 60)
    final.hist(ends[:, 0], bins, color="tab:gray", label="at the start")
    final.hist(ends[:, 1], bins, color="tab:blue", label="at the end")
    common.log(final.xaxis)
    final.set(xlabel="C", ylabel="networks", title="How many reach which cost")
    falls.hist(1e3 * result.fallen, 40, color="tab:gray", label="random directions")
    falls.axvline(1e3 * result.along, color="tab:red", label="the gradient, downhill")
    falls.axvline(0, color="black", lw=0.8)
    falls.set(xlabel=f"change of C in thousandths, by a step of length {STEP:g}", ylabel="directions")
    falls.set_title(f"{np.mean(result.fallen < 0):.0%} of random directions go down")


def draw_paths(plane, costs, off, result):
    """Three paths on their plane, and by step their true costs and their distance off that plane."""
    plot.contour(plane, result.plane, filled=True)
    for (name, of), colour in zip(result.paths.items(), ("white", "tab:orange", "tab:red"), strict=True):
        plane.plot(*of.coordinates.T, ".-", color=colour, ms=3, lw=1, label=name)
        dark = "black" if colour == "white" else colour
        costs.plot(of.steps, of.costs, color=dark, label=name)
        off.plot(of.steps, of.off, color=dark, label=name)
    plane.plot(*of.coordinates[0], "s", color="white", markeredgecolor="black", ms=8)
    plane.legend(fontsize=8, facecolor="gray", labelcolor="white")
    seen = RegularGridInterpolator(result.plane.axes, result.plane.values)(of.coordinates[0]).item()
    plane.set(xlabel="first principal direction", ylabel="second")
    hidden = f"the start (square) lies {of.off[0]:.2g} off: its C is {of.costs[0]:.2g}, shown {seen:.2g}"
    plane.set_title(f"The plane holds {result.share.sum():.0%} of three paths;\n{hidden}", fontsize=10)
    common.log(costs.yaxis)
    costs.set(xlabel="step", ylabel="C", title="Their true costs")
    off.set(xlabel="step", ylabel="length in the space of parameters", title="Their distance off that plane")


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
