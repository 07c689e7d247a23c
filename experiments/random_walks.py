"""What the information content of random walks says of C: next to nothing.

Malan & Engelbrecht 2009 tell rugged surfaces from smooth ones by the information content of random walks (Vassilev,
Fogarty & Miller 2000; `measures.variation.information`). Here walks go through the whole space of parameters, in
Gaussian directions, from several networks untrained, half-trained and trained. Beside them stand walks on a mere
slope, whose steps are as often up as down, and independent.

    python experiments/random_walks.py                      the embedded digits
    python experiments/random_walks.py --data FOLDER        any four IDX files

Expect, on the embedded digits, on two versions of jax, 0.77 to 0.82 for all networks and step sizes, medians over six
networks of four walks of 50 steps, and on a slope 0.80 (0.72 to 0.87 of nine in ten); but at steps of 0.1, which climb
out of a valley, 0.70 to 0.71 (0.68 to 0.73) about half-trained networks and 0.65 to 0.67 (0.62 to 0.72) about trained
ones. Such a walk turns at every step, whatever the surface: the straight lines of `bumpiness_by_scale.py` tell more. A
minute and a half on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import setting
from networks import nested

from jaxcost import cost, plot, populations, results, statistics
from jaxcost.measures import variation

SLOPES = 1000  # walks on a mere slope


@dataclass(frozen=True)
class Settings(common.Trained):
    """How many walks, how far they go."""

    networks: int = setting(6, "for intervals are over networks", small=2)
    walks: int = setting(4, "of each step size from each network; nothing is hoisted there", small=3)
    steps: int = setting(50, "of a walk", small=20)
    step_sizes: tuple = setting((0.01, 0.1, 1.0), "length of a step, 1 is that of all parameters", small=(0.1, 1.0))


class Result(NamedTuple):
    """Information content of random walks.

    Attributes:
        step_sizes: of the walks.
        slope: of walks on a mere slope, `[walks]`.
        networks: of untrained, half-trained and trained ones, `[step_sizes, networks, walks]`.
    """

    step_sizes: np.ndarray
    slope: np.ndarray
    networks: dict[str, np.ndarray]


def run(settings):
    """Train, walk, and walk on a slope."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    network_key, walk_key, slope_key = jax.random.split(jax.random.key(settings.seed), 3)
    keys = jax.random.split(network_key, settings.networks)
    run = common.train_many(keys, C, settings, records=10 * settings.epochs, keep=True)
    trained = [run.network(i) for i in range(settings.networks)]
    keys, networks = jax.random.split(walk_key, (settings.networks, 2, settings.walks)), {}
    for name in common.NETWORKS:
        stages = [one.at(common.stages(one.costs)[name]) for one in trained]
        both = [*zip(keys, stages, strict=True)]
        networks[name] = np.array([[walked(*one, C, size, settings) for one in both] for size in settings.step_sizes])
        print(f"{name}: {networks[name].size} walks")
    # along a slope each step of such a walk is a normal number
    steps = np.asarray(jax.random.normal(slope_key, (SLOPES, settings.steps + 1)))
    slope = np.array([variation.information(walk) for walk in np.cumsum(steps, 1)])
    return Result(np.array(settings.step_sizes), slope, networks), {"data": train.fingerprint}


def walked(keys, params, C, size, settings):
    """Information content of some random walks from a network, judged by the noise floor of lines about as long."""
    line_keys, walk_keys = keys
    reach = size * settings.steps**0.5  # about as far as a walk gets
    (lines,) = populations.zoom(C, populations.about(line_keys, params), [reach], points=11)
    walks = populations.walks(walk_keys, C, params, settings.steps, size)
    return np.array([variation.information(walk, lines.floor) for walk in walks])


def table(result):
    """Medians by network and step size, and whether they are other than on a slope."""
    slope = statistics.summary(result.slope)
    found = {name: [*map(nested, of_sizes)] for name, of_sizes in result.networks.items()}
    rows = [["information content, median (95 % over networks)", *(f"steps of {size:g}" for size in result.step_sizes)]]
    rows += [[name, *of_sizes] for name, of_sizes in found.items()]
    band = f"on a mere slope {slope.median:.2f}, nine in ten walks {slope.lower:.2f} to {slope.upper:.2f}"
    lines = [*common.columns(rows), band, ""]
    for name, of_sizes in found.items():
        for size, one in zip(result.step_sizes, of_sizes, strict=True):
            claim = f"{name}, steps of {size:g}: as on a mere slope"
            lines.append(common.verdict(claim, one, slope.lower, slope.upper))
    return lines


def draw(path):
    """Information content against the size of a step, beside that on a slope."""
    result = results.load(path)
    slope, figure = statistics.summary(result.slope), common.figure(7, 4.6)
    ax = figure.subplots()
    for name, of_sizes in result.networks.items():
        plot.medians(ax, result.step_sizes, [*map(nested, of_sizes)], name, marker="o")
    ax.axhspan(slope.lower, slope.upper, color="gray", alpha=0.2, lw=0, label="on a mere slope, nine in ten walks")
    ax.axhline(slope.median, color="gray", ls="--", lw=1)
    ax.set_ylim(0, 1)
    ax.set(xlabel="length of a step, 1 = the length of all parameters", ylabel="information content")
    common.log(ax.xaxis)
    common.tidy(ax, loc="lower right")
    _, networks, walks = next(iter(result.networks.values())).shape
    ax.set_title(f"Random walks, {walks} from each of {networks} networks: medians, with 95 % intervals", fontsize=11)
    return common.save_figures(path, {"information": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
