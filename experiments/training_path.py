"""A training path on the plane of its two principal components, and how wrong that picture is.

Trains ten networks and finds the principal components of each path. Li et al. 2018 (arXiv 1712.09913), section 7: two
of them hold 40 to 90 % of the path's variance. So do two of a random walk (Antognini & Sohl-Dickstein 2018, arXiv
1806.08805), which is why its share stands beside: exactly, in a space of high dimension, where steps are at right
angles. Of the first path the picture is drawn, and beside it what it hides: at each step the true cost, the cost at the
point of the plane that stands for it, and the distance from the plane.

    python experiments/training_path.py                         the embedded digits
    python experiments/training_path.py --data FOLDER           any four IDX files
    python experiments/training_path.py --rate 0.15             another learning rate

Expect, on the embedded digits, with two versions of jax, 90.4 % of the variance on two axes (90.2 to 90.7, 10 paths), a
little above the band. That says next to nothing: 76.0 % of a random walk, and 88.4 to 88.5 % of one with the path's
drift, its distance from start to end. The picture of the first path shows the start at C = 0.6, and it is 2.71; the
path leaves it 19 off the plane, of 77 to the end, and in the last fifth nearly all of the distance to the end is off
the plane. With MNIST, 60,000 images, 86.7 to 86.8 % (86.1 to 87.2), 84.7 % of a walk with its drift, and the start at
0.4 to 0.5 instead of 2.72. About 25 s on two cores, MNIST 80.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import setting

from jaxcost import checkpoints, cost, plot, results, statistics, trajectories
from jaxcost.measures import nulls

COMPONENTS = 10  # of which shares are told
WALKS = {  # the random walks of `nulls.Walks`, in words
    "equal_steps": "random walk, steps of one length",
    "own_lengths": "random walk, steps as long as the path's",
    "with_drift": "random walk, steps of one length, with the path's drift",
}


@dataclass(frozen=True)
class Settings(common.Trained):
    """Whose paths, and how they are seen."""

    seeds: int = setting(10, "paths; one is an anecdote", small=3)
    records: int = setting(80, "networks kept along each path beside the start", small=20)
    points: int = setting(81, "grid points a side of the plane", small=31)


class Result(NamedTuple):
    """Training paths, what their components hold, and the picture of one.

    Attributes:
        steps: recorded, `[steps]`.
        costs: C at these, `[paths, steps]`.
        shares: share of each path's variance by component, `[paths, components]`.
        walks: the same of random walks like the paths, each `[paths, components]`.
        picture: of the first path.
    """

    steps: np.ndarray
    costs: np.ndarray
    shares: np.ndarray
    walks: nulls.Walks
    picture: checkpoints.Journey


def run(settings):
    """Train, find the components, compare what they show with what is true."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    trained = common.train_many(keys, C, settings, records=settings.records, keep=True)
    paths = [trained.network(i).trajectory for i in range(settings.seeds)]
    # the shares of the paths' own components, and of walks with as many steps
    shares = np.stack([trajectories.principal(path, COMPONENTS).share for path in paths])
    walks = nulls.Walks(*map(np.stack, zip(*(nulls.path_walks(path, COMPONENTS) for path in paths), strict=True)))
    picture = checkpoints.principal(C, paths[0], points=settings.points)
    result = Result(trained.steps, trained.costs, shares, walks, picture)
    return result, {"data": train.fingerprint}


def of_two(shares):
    """Percent of the variance along the first two components of each path."""
    return 100 * shares[:, :2].sum(1)


def table(result):
    """The shares beside those of random walks, the picture's cost beside the true one, and the verdicts."""
    rows = [["", *range(1, 7), "1 + 2"]]
    named = {"training": result.shares} | {WALKS[name]: shares for name, shares in result.walks._asdict().items()}
    for name, shares in named.items():
        rows.append([name, *(f"{one:.2f}" for one in [*100 * np.median(shares, 0)[:6], np.median(of_two(shares))])])
    seen, costs = result.picture, result.costs[0]
    from_end, ratio = np.hypot(seen.off, np.linalg.norm(seen.coordinates, axis=1)), seen.shown / costs
    steps = [["step", "true C", "shown C", "ratio", "off the plane", "from the end"]]
    for i in np.unique(np.geomspace(1, len(costs), 9).astype(int) - 1):
        told = f"{costs[i]:.4f}", f"{seen.shown[i]:.4f}", f"{ratio[i]:.2f}", f"{seen.off[i]:.2f}", f"{from_end[i]:.2f}"
        steps.append([result.steps[i], *told])
    found = statistics.summary(of_two(result.shares))
    more = {name: statistics.summary(of_two(result.shares) - of_two(shares)) for name, shares in named.items()}
    return [
        "share of the variance in percent, by component, medians",
        *common.columns(rows),
        "",
        "the first path: the picture's cost beside the true one",
        *common.columns(steps),
        f"ratio over all steps: {ratio.min():.2f} to {ratio.max():.2f}, median {np.median(ratio):.2f}",
        "",
        common.verdict("percent of variance on two axes", found, 40, 90, source="Li et al. 2018"),
        *(common.verdict(f"percent more than of a {name}", more[name], low=0) for name in WALKS.values()),
    ]


def draw(path):
    """The path on its plane with what the plane hides; the shares beside those of random walks."""
    result = results.load(path)
    return common.save_figures(path, {"path": draw_path(result), "shares": draw_shares(result)})


def draw_path(result):
    """The first path on its plane; by step, the true cost, the one shown, and the distance from the plane."""
    seen, costs, steps = result.picture, result.costs[0], result.steps
    figure = common.figure(13, 6)
    left, right = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    ax = left.subplots()
    plot.contour(ax, seen.plane, filled=True)
    plot.trajectory(ax, seen.coordinates, seen.off)
    early = len(steps) // 8
    ax.annotate(
        f"step {steps[early]:,}", seen.coordinates[early], (0, -40), textcoords="offset points", color="white",
        ha="center", arrowprops={"arrowstyle": "-", "color": "white", "lw": 0.8}, path_effects=plot.EDGE,
    )  # fmt: skip
    ax.set_xlabel(f"first component, {result.shares[0, 0]:.1%} of the variance")
    ax.set_ylabel(f"second component, {result.shares[0, 1]:.1%}")
    ax.set_title("C on the plane, from start (square) to end (star); larger dots: further off", fontsize=10)
    # what the plane hides: its cost is not that of the path, which is not on it
    top, bottom = right.subplots(2, 1, sharex=True)
    top.plot(steps, costs, label="true C of the step")
    top.plot(steps, seen.shown, label="C shown: at its point of the plane")
    common.log(top.yaxis)
    ratio = seen.shown / costs
    floor = f"noise floor {seen.plane.floor:.0e}"
    top.set_title(f"The picture's C is {ratio.min():.2g} to {ratio.max():.2g} times the true one; {floor}", fontsize=10)
    from_end = np.hypot(seen.off, np.linalg.norm(seen.coordinates, axis=1))
    bottom.plot(steps, from_end, color="black", label="distance from the end")
    bottom.plot(steps, seen.off, color="tab:red", label="of it, off the plane")
    bottom.set_title(f"Up to {seen.off.max():.2g} off the plane", fontsize=10)
    bottom.set(xlabel="step", ylabel="Euclidean distance")
    top.set_ylabel("C")
    common.tidy((top, bottom))
    figure.suptitle("A training path on the plane of its two principal components, and what the plane hides")
    return figure


def draw_shares(result):
    """The share of each component: of the paths the median between the extremes, beside random walks."""
    figure = common.figure(7, 4.6)
    ax = figure.subplots()
    components = np.arange(1, COMPONENTS + 1)
    plot.band(ax, components, result.shares, "training, median and extremes", marker="o")
    for marker, (name, shares) in zip("s^v", result.walks._asdict().items(), strict=True):
        plot.band(ax, components, shares, WALKS[name], marker=marker, ls="--")
    common.log(ax.yaxis)
    common.tidy(ax, which="both")
    ax.set(xlabel="principal component", ylabel="share of the path's variance")
    ax.set_title(f"{len(result.shares)} training paths beside random walks of {len(result.steps) - 1} steps")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
