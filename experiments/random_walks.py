"""What the information content of random walks says of C: next to nothing.

Malan & Engelbrecht 2009 tell rugged surfaces from smooth ones by the information content of random walks (Vassilev,
Fogarty & Miller 2000; `measures.variation.information`). Here walks go through the whole space of parameters, in
Gaussian directions, from the untrained, the half-trained and the trained network. Beside them stand walks on a mere
slope, whose steps are as often up as down, and independent.

    python experiments/random_walks.py                      the embedded digits
    python experiments/random_walks.py --data FOLDER        any four IDX files

Expect, on the embedded digits, 0.76 to 0.81 for all networks and step sizes, medians of 8 walks of 50 steps, and on a
slope 0.80 (0.72 to 0.87 of nine in ten); but 0.64 (0.54 to 0.76) about the trained network at steps of 0.1, which climb
out of its valley. Such a walk turns at every step, whatever the surface: the straight lines of `bumpiness_by_scale.py`
tell more. Half a minute on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import setting

from jaxcost import cost, plot, populations, results, statistics
from jaxcost.measures import variation

SLOPES = 1000  # walks on a mere slope


@dataclass(frozen=True)
class Settings(common.Trained):
    """How many walks, how far they go."""

    walks: int = setting(8, "of each step size from each network; nothing is hoisted there", small=6)
    steps: int = setting(50, "of a walk", small=20)
    step_sizes: tuple = setting((0.01, 0.1, 1.0), "length of a step, 1 is that of all parameters", small=(0.1, 1.0))


class Result(NamedTuple):
    """Information content of random walks.

    Attributes:
        step_sizes: of the walks.
        slope: of walks on a mere slope, `[walks]`.
        networks: by network, `[step_sizes, walks]`.
    """

    step_sizes: np.ndarray
    slope: np.ndarray
    networks: dict[str, np.ndarray]


def run(settings):
    """Train, walk, and walk on a slope."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    # the third key makes the lines of bumpiness_by_scale.py, which trains the same network
    init_key, batch_key, _, walk_key = jax.random.split(jax.random.key(settings.seed), 4)
    trained = common.train(init_key, batch_key, C, settings, records=10 * settings.epochs)
    keys = jax.random.split(walk_key, settings.walks)
    networks = {}
    for name, i in common.stages(trained.costs).items():
        networks[name] = np.stack([walked(keys, C, trained.at(i), size, settings) for size in settings.step_sizes])
        print(f"{name}, C = {trained.costs[i]:.4f}: {len(settings.step_sizes)} times {len(keys)} walks")
    # along a slope each step of such a walk is a normal number
    steps = np.asarray(jax.random.normal(jax.random.fold_in(walk_key, 0), (SLOPES, settings.steps + 1)))
    slope = np.array([variation.information(walk) for walk in np.cumsum(steps, 1)])
    return Result(np.array(settings.step_sizes), slope, networks), {"data": train.fingerprint}


def walked(keys, C, params, size, settings):
    """Information content of random walks, one a key, judged by the noise floor of lines about as long."""
    reach = size * settings.steps**0.5  # about as far as a walk gets
    (lines,) = populations.zoom(C, populations.about(keys, params), [reach], points=11)
    walks = populations.walks(keys, C, params, settings.steps, size)
    return np.array([variation.information(walk, lines.floor) for walk in walks])


def table(result):
    """Medians by network and step size, and whether they are other than on a slope."""
    slope = statistics.summary(result.slope)
    rows = [["information content, median (95 % interval)", *(f"steps of {size:g}" for size in result.step_sizes)]]
    rows += [[name, *map(statistics.summary, of_sizes)] for name, of_sizes in result.networks.items()]
    band = f"on a mere slope {slope.median:.2f}, nine in ten walks {slope.lower:.2f} to {slope.upper:.2f}"
    lines = [*common.columns(rows), band, ""]
    for name, of_sizes in result.networks.items():
        for size, found in zip(result.step_sizes, map(statistics.summary, of_sizes), strict=True):
            claim = f"{name}, steps of {size:g}: as on a mere slope"
            lines.append(common.verdict(claim, found, slope.lower, slope.upper))
    return lines


def draw(path):
    """Information content against the size of a step, beside that on a slope."""
    result = results.load(path)
    slope, figure = statistics.summary(result.slope), common.figure(7, 4.6)
    ax = figure.subplots()
    for name, of_sizes in result.networks.items():
        plot.medians(ax, result.step_sizes, [*map(statistics.summary, of_sizes)], name, marker="o")
    ax.axhspan(slope.lower, slope.upper, color="gray", alpha=0.2, lw=0, label="on a mere slope, nine in ten walks")
    ax.axhline(slope.median, color="gray", ls="--", lw=1)
    ax.set_ylim(0, 1)
    ax.set(xlabel="length of a step, 1 = the length of all parameters", ylabel="information content")
    common.log(ax.xaxis)
    common.tidy(ax, loc="lower right")
    walks = next(iter(result.networks.values())).shape[1]
    ax.set_title(f"Random walks through the whole space: medians of {walks}, with 95 % intervals")
    return common.save_figures(path, {"information": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
