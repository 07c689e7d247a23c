"""From which step on do two runs that see the images in different orders end in one valley.

Trains networks, and from some steps on each of them twice more to the end, in two new orders of the images. Frankle et
al. 2020 (arXiv 1912.05671) call a network stable from the step on from which the line between the two ends has no
barrier of the error above 2 points, and find small networks on MNIST stable from the start, larger ones early on.

    python experiments/forked_runs.py                     the embedded digits
    python experiments/forked_runs.py --data FOLDER       any four IDX files; the claim is of MNIST

A barrier is the largest excess on the line over the straight line between its end values: of C on the images learned,
and of the error on those held out, in points. A pair forks from one start; pairs have starts of their own.

Expect, medians of ten pairs, jax 0.10.2, seed 0 (and 0.12, seed 1): on MNIST, forked at the start, the barrier of the
error is 2.3 (2.6) points, 1.2 to 3.8, at step 300 of 60,000 0.6 (0.7), 0 to 2.1, at 1,000 0.04 (0), 0 to 0.18, and none
at 3,000; of C 0.05, 0.01 and less than 0.001 above ends at 0.09 to 0.10. So the order of the first thousand steps
decides, and the small network is one of those that are stable early on, and not from the start. On the embedded digits,
8,000 steps, 0.10.2, 0.7 points (0.02 to 4.0), 0.09 (0 to 0.7) and none. One minute on two cores, MNIST four.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import matplotlib
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, descent, network, plot, populations, results, statistics
from jaxcost.connectivity import paths
from jaxcost.directions import Frame, between

FRANKLE, STABLE = "Frankle et al. 2020", 2.0  # points of error below which they call a network stable


@dataclass(frozen=True)
class Settings(common.Trained):
    """Where runs fork, how many do, and how the lines between their ends are sampled."""

    epochs: int = like("epochs", default=10)
    forks: tuple = setting((0, 30, 100, 300, 1000, 3000), "steps after which runs fork, rising", small=(0, 200))
    pairs: int = setting(10, "starts, each forked at every such step", small=2)
    points: int = setting(25, "on each line", small=5)


class Forked(NamedTuple):
    """Pairs of runs that fork at one step.

    Attributes:
        step: at which they fork.
        apart: how far their ends lie apart, a Euclidean length, `[pairs]`.
        learned: C on the training images along the line between the ends, `[pairs, points]`.
        unseen: C on the held-out images.
        error: per cent of the held-out images that are wrong.
        floor: the largest rounding noise of C on the lines.
    """

    step: int
    apart: np.ndarray
    learned: np.ndarray
    unseen: np.ndarray
    error: np.ndarray
    floor: float


class Result(NamedTuple):
    """Runs that fork, by the step.

    Attributes:
        ts: along the lines, `[points]`.
        steps: of a whole run.
        forks: a `Forked` each, rising.
    """

    ts: np.ndarray
    steps: int
    forks: list[Forked]


def run(settings):
    """Train to each fork, from there twice to the end, and look along the lines between the two ends."""
    parts = common.images(settings)
    Cs, optimizer = tuple(map(cost.Cost, parts)), optax.sgd(settings.rate)
    steps = settings.epochs * (Cs[0].n // (settings.batch or Cs[0].n))
    forks = sorted(fork for fork in settings.forks if fork < steps)
    start_key, trunk_key, *fork_keys = jax.random.split(jax.random.key(settings.seed), 2 + len(forks))
    params = trunk = jax.vmap(lambda key: network.init(key, settings.sizes))(
        jax.random.split(start_key, settings.pairs)
    )
    keys, before, found = jax.random.split(trunk_key, settings.pairs), 0, []
    train = lambda keys, start, steps: descent.ensemble(
        keys, Cs[0], start, optimizer, steps=steps, batch=settings.batch or None, every=steps
    )
    for fork, key in zip(forks, fork_keys, strict=True):
        if fork > before:
            trunk = train(keys, trunk, fork - before)  # goes on where it stopped, in the order of images of then
            params, before = trunk.params, fork
        twice = jax.tree.map(lambda leaf: jnp.repeat(leaf, 2, axis=0), params)
        ends = train(jax.random.split(key, 2 * settings.pairs), twice, steps - fork)
        found.append(between_ends(Cs, fork, ends, settings.points))
        print(f"forked at step {fork:,}: C at the ends {common.median_of(ends.costs[:, -1])}")
    about = {"data": parts[0].fingerprint, "held_out": parts[1].fingerprint}
    return Result(np.linspace(0, 1, settings.points), steps, found), about


def between_ends(Cs, fork, ends, points):
    """The lines between the two networks of each pair, neighbours in an ensemble."""
    networks, ts = [ends.network(i).params for i in range(len(ends.costs))], np.linspace(0, 1, points)[:, None]
    frames = [Frame(a, (between(a, b),)) for a, b in zip(networks[::2], networks[1::2], strict=True)]
    apart = np.array([float(optax.tree.norm(frame.directions[0])) for frame in frames])
    learned, unseen = (populations.evaluate(C, frames, ts, progress=False) for C in Cs)
    wrong = [[100 - 100 * float(cost.accuracy(Cs[1], frame.at(t))) for t in ts] for frame in frames]
    return Forked(fork, apart, learned, unseen, np.array(wrong), populations.floor(Cs[0], frames, ts, learned))


def barriers(result, of):
    """The barrier of each pair by fork, of "learned", "unseen" or "error": a list of `[pairs]`."""
    return [np.array([paths.Path(result.ts, one, 0.0).barrier for one in getattr(fork, of)]) for fork in result.forks]


def table(result):
    """Barriers by the step of the fork, and the verdicts."""
    shown = lambda draws: str(statistics.summary(draws)).split(", ")[0] + ")"
    rows = [["forked at step", "ends apart", "C at the ends", "barrier of C", "held-out C", "held-out error, points"]]
    each = [barriers(result, of) for of in ("learned", "unseen", "error")]
    for fork, *found in zip(result.forks, *each, strict=True):
        ends = common.median_of(fork.learned[:, [0, -1]], ".2g")
        rows.append([fork.step, common.median_of(fork.apart), ends, *map(shown, found)])
    head = f"lines between the two ends after {result.steps:,} steps, medians of {len(each[0][0])} pairs and intervals"
    return [head, "", *common.columns(rows), "", *verdicts(result)]


def verdicts(result):
    """Whether runs are stable from the start, or from some step on."""
    errors = [statistics.summary(of) for of in barriers(result, "error")]
    learned = [np.maximum(of, fork.floor) for of, fork in zip(barriers(result, "learned"), result.forks, strict=True)]
    fall = statistics.summary(learned[-1] / learned[0])
    first, last = result.forks[0].step, result.forks[-1].step
    claim = "barrier of the held-out error, points: forked at step"
    return [
        common.verdict(f"{claim} {first:,}", errors[0], high=STABLE, whole=True, source=f"{FRANKLE}, small networks"),
        common.verdict(f"{claim} {last:,}", errors[-1], high=STABLE, whole=True, source=f"{FRANKLE}, larger ones"),
        common.verdict(f"barrier of C: forked at step {last:,} over step {first:,}", fall, high=0.5, whole=True),
    ]


def draw(path):
    """Barriers of C and of the error by the step of the fork, and the lines themselves."""
    result = results.load(path)
    figure = common.figure(15, 4.6)
    of_cost, of_error, lines = axes = figure.subplots(1, 3)
    steps = [fork.step for fork in result.forks]
    of = {name: list(map(statistics.summary, barriers(result, name))) for name in ("learned", "unseen", "error")}
    for name, label, marker in (("learned", "images learned", "o"), ("unseen", "held-out images", "s")):
        plot.medians(of_cost, steps, of[name], label, marker=marker)
    plot.medians(of_error, steps, of["error"], "held-out images", marker="s")
    of_error.axhline(STABLE, color="gray", ls="--", label="2 points: stable, as they call it")
    for fork, colour in zip(
        result.forks, matplotlib.colormaps["viridis"](np.linspace(0, 0.9, len(steps))), strict=True
    ):
        lines.plot(result.ts, np.median(fork.learned, 0), color=colour, label=f"step {fork.step:,}")
    for ax, title in ((of_cost, "Barrier of C"), (of_error, "Barrier of the error, points")):
        ax.set_xscale("symlog", linthresh=(first := min([step for step in steps if step] or [1])))
        ax.set_xlim(-first / 5, 1.3 * max(steps[-1], first))
        ax.set_xticks(steps, [f"{step:,}" for step in steps], fontsize=8)
        ax.xaxis.minorticks_off()
        ax.set(title=title, xlabel="step at which the two runs fork", ylim=(0, None))
    lines.set(
        title="C between the two ends, median of the pairs", xlabel="t, from one end to the other", ylim=(0, None)
    )
    common.tidy(axes)
    n = len(result.forks[0].apart)
    figure.suptitle(
        f"Two runs from one network, in two orders of the images: {n} pairs, {result.steps:,} steps; 95 % intervals"
    )
    return common.save_figures(path, {"barriers": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
