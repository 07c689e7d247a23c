"""Do large batches find sharp minima that generalise worse, and what is sharpness, if rescaling changes it.

Trains ReLU networks from the same starts with small to large batches by Adam, and takes each at its first record with a
training cost at or below one target: with cross-entropy sharpness falls with C itself. Keskar et al. 2017 (arXiv
1609.04836) find that large batches, a tenth of the images, end at far sharper points, and at worse held-out accuracy.
Then the neurons of a layer are rescaled: their weights and bias times a, the weights out of them over a. No output of a
ReLU network changes, and any sharpness can be had (Dinh et al. 2017, arXiv 1703.04933).

    python experiments/sharp_and_flat.py                     the embedded digits
    python experiments/sharp_and_flat.py --data FOLDER       any four IDX files
    python experiments/sharp_and_flat.py --target 0.05       at another training cost

Measures of sharpness. Box: 100 (highest C - C) / (1 + C) over |y_i| <= epsilon (|p_i| + 1), by 10 steps of L-BFGS-B, as
theirs, a lower bound. Eigenvalue: the highest one of the Hessian. Expected: the mean rise of C at random points 1 away.
Ratios are of networks from one start, that of the largest batch over that of the smallest.

Expect, on the embedded digits, jax 0.10.2, medians of ten starts: batch 400 over batch 16 is 1.6 (1.2 to 2.6) and 1.0
(0.8 to 2.2) by the two boxes, 1.9 (1.4 to 2.1) by eigenvalue, 2.0 (1.6 to 2.6) by expected rise. Sharper, but nowhere
near ten times. Held-out accuracy is 0.9 points lower (0.25 to 1.25), as claimed, and of networks of all batches
together the sharper have more errors, tau 0.3 to 0.6. Rescaled by 64 the small batch's networks are hundreds to
thousands of times as sharp as the large batch's, and no image's cost changes at all. With --seed 1 --target 0.05 the
ratios are 1.2 to 1.9, the difference 0.7 points (0.5 to 1.1). Three to four minutes on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, losses, network, results, statistics
from jaxcost.connectivity import orbit
from jaxcost.curvature import lanczos, sharpness

KESKAR, DINH = "Keskar et al. 2017", "Dinh et al. 2017"
MEASURES = ("box, epsilon 0.001", "box, epsilon 0.0005", "highest eigenvalue", "expected rise")


@dataclass(frozen=True)
class Settings(common.Network):
    """Which networks, how they are trained, and how they are rescaled."""

    images: int = like("images", default=4000, why="of each part, since large batches need many passes")
    sizes: tuple = like("sizes", default=(784, 64, 64, 10), why="a small one for their five layers of 512")
    networks: int = setting(10, "starts, the same for all batches", small=3)
    batches: tuple = setting((16, 80, 400), "images a step, the last a tenth as theirs, rising", small=(10, 100))
    epochs: tuple = setting((30, 50, 120), "passes for each, enough to reach the target", small=(10, 40))
    rate: float = setting(1e-3, "of Adam, theirs too; one for all batches", small=1e-2)
    target: float = setting(0.01, "training cost at which networks are compared", small=0.3)
    factors: tuple = setting((0.25, 4.0, 16.0, 64.0), "a: powers of two, so that no rounding comes in", small=(4.0,))
    rescaled: int = setting(3, "networks of the smallest batch that are rescaled", small=1)


class Networks(NamedTuple):
    """Networks trained with one batch, at the target.

    Attributes:
        batch: images a step.
        steps: that each took, `[networks]`; here and below.
        costs: C on the training images.
        right: share of these that are right.
        unseen: share of held-out ones that are right.
        sharpness: by measure, in the order of `MEASURES`, `[networks, measures]`.
    """

    batch: int
    steps: np.ndarray
    costs: np.ndarray
    right: np.ndarray
    unseen: np.ndarray
    sharpness: np.ndarray


class Result(NamedTuple):
    """Networks by batch, and some of them rescaled.

    Attributes:
        target: training cost at which they were taken, or at the end if they did not come so far.
        batches: `Networks`, the batches rising.
        factors: of the rescaling, rising, 1 among them.
        rescaled: sharpness of the first networks of the smallest batch, `[networks, factors, measures]`.
        change: the largest change of any image's cost by the rescaling.
    """

    target: float
    batches: list[Networks]
    factors: np.ndarray
    rescaled: np.ndarray
    change: float


def run(settings):
    """Train with each batch from the same starts, measure, rescale."""
    train, held_out = common.images(settings)
    C, C_unseen = (cost.Cost(of, network.mlp(jax.nn.relu), losses.softmax_cross_entropy) for of in (train, held_out))
    train_key, key = jax.random.split(jax.random.key(settings.seed))
    keys = jax.random.split(train_key, settings.networks)
    batches, optimizer = [], optax.adam(settings.rate)
    for batch, epochs in sorted(zip(settings.batches, settings.epochs, strict=True)):
        options = {
            "steps": epochs * (C.n // batch),
            "records": max(settings.epochs),
            "keep": True,
            "optimizer": optimizer,
        }
        trained = common.train_many(keys, C, Batch(settings, batch), scale=lambda n: n**-0.5, **options)
        there = [first_at(costs, settings.target) for costs in np.asarray(trained.costs)]
        reached = [trained.network(i).at(record) for i, record in enumerate(there)]
        shares = [[float(cost.accuracy(one, params)) for params in reached] for one in (C, C_unseen)]
        sharp = np.array([measures(key, C, params) for params in reached])
        costs = np.array([float(C(*params)) for params in reached])
        batches.append(Networks(batch, np.asarray(trained.steps)[there], costs, *map(np.array, shares), sharp))
        if len(batches) == 1:
            flat = reached[: settings.rescaled]
        print(f"batch {batch}: {len(reached)} networks measured")
    factors, change = np.array(sorted({1.0, *settings.factors})), 0.0
    rescaled = np.zeros((len(flat), len(factors), len(MEASURES)))
    for i, params in enumerate(flat):
        for j, a in enumerate(factors):
            moved = orbit.rescale(params, 0, np.full(len(params.b[0]), a))
            change = max(change, float(np.abs(C.per_image(*moved) - C.per_image(*params)).max()))
            rescaled[i, j] = measures(key, C, moved)
    result = Result(settings.target, batches, factors, rescaled, change)
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}


class Batch(NamedTuple):
    """The settings that `common.train_many` asks for, of one batch."""

    of: Settings
    batch: int
    sizes = property(lambda self: self.of.sizes)


def first_at(costs, target):
    """The first record at or below the target, or the last one."""
    below = np.flatnonzero(costs <= target)
    return int(below[0]) if len(below) else len(costs) - 1


def measures(key, C, params):
    """Sharpness, in the order of `MEASURES`."""
    boxes = [sharpness.of_ball(C, params, epsilon).sharpness for epsilon in (1e-3, 5e-4)]
    highest = float(lanczos.top_eigenpairs(key, C, params, 1, tolerance=1e-2).values[0])
    return [*boxes, highest, sharpness.expected(key, C, params, 1.0, draws=50).value]


def ratios(result):
    """Sharpness of the largest batch over that of the smallest, from the same starts, `[networks, measures]`."""
    return result.batches[-1].sharpness / result.batches[0].sharpness


def table(result):
    """Networks and sharpness by batch; ratios; the rescaled ones; the verdicts."""
    rows = [["batch", "reach it", "steps", "C", "right", "held-out right", *MEASURES]]
    for of in result.batches:
        reach = f"{np.sum(of.costs <= result.target)} of {len(of.costs)}"
        shares = (common.median_of(share, ".1%") for share in (of.right, of.unseen))
        sharp = map(common.median_of, of.sharpness.T)
        rows.append([of.batch, reach, f"{np.median(of.steps):,.0f}", common.median_of(of.costs), *shares, *sharp])
    again = [["a", *MEASURES]]
    relative = result.rescaled / result.rescaled[:, list(result.factors).index(1)][:, None]
    again += [
        [f"{a:g}", *map(common.median_of, of.T)] for a, of in zip(result.factors, relative.swapaxes(0, 1), strict=True)
    ]
    return [
        f"networks at their first record with C at or below {result.target:g}; medians and extremes",
        *common.columns(list(zip(*rows, strict=True))),
        "",
        f"{len(result.rescaled)} networks of the smallest batch, rescaled: sharpness over that of a = 1;",
        f"the cost of no image changes by more than {result.change:.0e}",
        *common.columns(again),
        "",
        *verdicts(result),
    ]


def verdicts(result):
    """What is claimed of large batches, of held-out accuracy, and of rescaling."""
    small, large = result.batches[0], result.batches[-1]
    lines = []
    for name, of in zip(MEASURES, ratios(result).T, strict=True):
        claim = f"{name}: batch {large.batch} over batch {small.batch}"
        lines.append(common.verdict(claim, statistics.summary(of), low=10, source=KESKAR))
    worse = statistics.summary(100 * (large.unseen - small.unseen))
    lines.append(
        common.verdict("large batch, worse on held-out images; points", worse, high=-0.01, whole=True, source=KESKAR)
    )
    error, sharp = (np.concatenate([getattr(of, name) for of in result.batches]) for name in ("unseen", "sharpness"))
    for name, of in zip(MEASURES, sharp.T, strict=True):
        tau = statistics.kendall(of, 1 - error)
        lines.append(
            common.verdict(f"{name}: sharper, more held-out errors; tau", tau, low=0.01, whole=True, source=KESKAR)
        )
    most = result.rescaled.max(1) / np.median(large.sharpness, 0)
    for name, of in zip(MEASURES, most.T, strict=True):
        claim = f"{name}: small batch rescaled over large batch"
        lines.append(common.verdict(claim, float(np.median(of)), low=1, source=DINH))
    return lines


def draw(path):
    """Sharpness by batch and against held-out error, and by factor of the rescaling."""
    result = results.load(path)
    figure, again = common.figure(15, 8), common.figure(15, 4.2)
    axes = figure.subplots(2, len(MEASURES), sharey="col"), again.subplots(1, len(MEASURES))
    for m, (name, by_batch, by_error, ax) in enumerate(zip(MEASURES, *axes[0], axes[1], strict=True)):
        of, names = np.array([one.sharpness[:, m] for one in result.batches]), [one.batch for one in result.batches]
        by_batch.plot(names, of, color="gray", lw=0.6)
        for batch, one, row in zip(names, result.batches, of, strict=True):
            by_batch.plot(np.full(len(row), batch), row, "o", ms=5)
            by_error.plot(100 * (1 - one.unseen), row, "o", ms=5, label=f"batch {batch}")
        middle = np.median(of, 1)
        by_batch.plot(names, np.where(middle > 0, middle, np.nan), "D-", color="black", ms=6, label="median")
        ratio = statistics.summary(ratios(result)[:, m])
        told = f"batch {names[-1]} over {names[0]}: {ratio.median:.2g} ({ratio.low:.2g} to {ratio.high:.2g})"
        told += f"\n{np.sum(of <= 0)} of {of.size} not above 0, not drawn" if np.any(of <= 0) else ""
        by_batch.set_title(f"{name}\n{told}", fontsize=10)
        ax.plot(result.factors, result.rescaled[..., m].T, "o-", color="tab:blue", ms=4)
        ax.axhline(np.median(of[-1]), color="black", ls="--", label=f"batch {names[-1]}, median, not rescaled")
        ax.set_title(name, fontsize=10)
        for one, at, label in ((by_batch, names, "images a step"), (ax, result.factors, "a")):
            one.set(xscale="log", xlabel=label)
            one.set_xticks(at, [f"{x:g}" for x in at])
            one.xaxis.minorticks_off()
        by_error.set_xlabel("held-out error, %")
        common.log(by_batch.yaxis, ax.yaxis)
    for ax in (*axes[0][:, 0], axes[1][0]):
        ax.set_ylabel("sharpness")
    common.tidy([*axes[0].ravel(), *axes[1]])
    figure.suptitle(f"Sharpness at a training cost of {result.target:g}; a thin line joins networks from one start")
    few = f"{len(result.rescaled)} network{'s' * (len(result.rescaled) > 1)} of batch {names[0]}"
    again.suptitle(
        f"{few}, weights and biases of one layer times a, the next layer's weights over a: no output changes"
    )
    return common.save_figures(path, {"sharpness": figure, "rescaled": again})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
