"""Is a minimum that looks wider on random lines one that does better on unseen images.

Trains ReLU networks with small and large batches, with weight decay and without, and measures how wide C is about each:
how far one can go along random lines, to both sides, before C reaches a level. Li et al. 2018 (arXiv 1712.09913,
sections 3 and 4) find that widths of unnormalised lines mislead, since weight decay alone turns their order round, and
that those of filter-normalised ones go with the error on unseen images.

    python experiments/wide_and_narrow.py                 the embedded digits
    python experiments/wide_and_narrow.py --data FOLDER   any four IDX files, 10,000 images of each part

Their networks are convolutional, on CIFAR-10; these are small ones on digits. Raw lines are along N(0, 1) numbers, one
a parameter, divided by the root of how many there are, so that 1 is a Euclidean length of about 1.

Expect, medians of ten networks, jax 0.10.2, seed 0. On MNIST filter-normalised widths are 1.16 and 1.51 (batch 64,
without decay and with it), 0.86 and 0.97 (batch 2,500), and errors 4.8, 4.8, 5.9 and 5.7 %: small batches are wider and
better, as claimed, but decay widens and changes hardly an error. Raw lines: 48, 41, 32 and 32; decay narrows those of
the small batch, and no order turns round. Among networks of one training widths say nothing of errors, tau 0.02 (-0.20
to 0.23), at none of the levels. On the embedded digits all of this is the same. Five to eight minutes on two cores.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, descent, losses, network, plot, populations, results, statistics

LI = "Li et al. 2018"
KINDS = FILTER, RAW = "filter-normalised", "raw"
LEVELS = (0.25, 0.5, 1.0, 2.0)  # of C, at which widths are taken: a verdict should not hang on one of them
LEVEL = 0.5


@dataclass(frozen=True)
class Settings(common.Network):
    """Which networks, how they are trained, and how far one looks."""

    images: int = like(
        "images", default=10_000, why="of each part, so that a step of a large batch is a quarter of them"
    )
    sizes: tuple = like("sizes", default=(784, 64, 64, 10), why="a small one for their convolutional networks")
    networks: int = setting(10, "starts, the same for every training", small=5)
    lines: int = setting(10, "random lines through each network", small=2)
    batches: tuple = setting((64, 2500), "images a step, a small batch and a large one", small=(50, 500))
    decays: tuple = setting((0.0, 5e-4), "weight decay, off and theirs: times the squares of the weights, halved")
    epochs: tuple = setting((40, 400), "passes for each batch, enough for C below 0.05", small=(10, 100))
    rate: float = setting(0.03, "of descent with momentum 0.9; theirs is 0.1, with batch normalisation")
    half_widths: tuple = setting((3.0, 60.0), "of filter-normalised lines and of raw ones")
    points: int = setting(121, "on each line", small=31)


class Trained(NamedTuple):
    """Networks that were trained one way.

    Attributes:
        batch: images a step.
        decay: of the weights.
        costs: C on the training images, `[networks]`.
        errors: per cent of the held-out images that are wrong, `[networks]`.
        lengths: Euclidean lengths of all weights and biases, `[networks]`.
        lines: C along the lines by kind, `[networks, lines, points]`.
    """

    batch: int
    decay: float
    costs: np.ndarray
    errors: np.ndarray
    lengths: np.ndarray
    lines: dict[str, np.ndarray]


class Result(NamedTuple):
    """Networks by training, and lines through them.

    Attributes:
        trainings: a `Trained` each.
        axes: coordinates along the lines, by kind, `[points]`.
    """

    trainings: list[Trained]
    axes: dict[str, np.ndarray]


def run(settings):
    """Train each way from the same starts, and look along lines through each network."""
    train, held_out = common.images(settings)
    train_key, line_key = jax.random.split(jax.random.key(settings.seed))
    keys, axes, trainings = jax.random.split(train_key, settings.networks), {}, []
    for kind, half_width in zip(KINDS, settings.half_widths, strict=True):
        axes[kind] = np.linspace(-half_width, half_width, settings.points)
    optimizer, f, loss = optax.sgd(settings.rate, momentum=0.9), network.mlp(jax.nn.relu), losses.softmax_cross_entropy
    init = lambda key: network.init(key, settings.sizes, scale=lambda n: (2 / n) ** 0.5)
    C, C_held_out = cost.Cost(train, f, loss), cost.Cost(held_out, f, loss)
    ways = zip(settings.batches, settings.epochs, strict=True)
    for (batch, epochs), decay in itertools.product(ways, settings.decays):
        penalty = losses.weight_decay(decay / 2) if decay else None
        steps = epochs * (C.n // min(batch, C.n))
        options = {"steps": steps, "batch": min(batch, C.n), "every": steps}
        found = descent.ensemble(keys, cost.Cost(train, f, loss, penalty=penalty), init, optimizer, **options)
        each = [found.network(i).params for i in range(settings.networks)]
        trainings.append(looked_at(line_key, C, C_held_out, batch, decay, each, axes, settings.lines))
    return Result(trainings, axes), {"data": train.fingerprint, "held_out": held_out.fingerprint}


def looked_at(key, C, C_held_out, batch, decay, networks, axes, lines):
    """The networks of one training: costs, errors, and C along lines."""
    values, root = {}, network.size(networks[0]) ** 0.5
    for kind, axis in axes.items():
        options, unit = ({}, 1.0) if kind == FILTER else ({"normalize": None}, root)
        keys = [jax.random.split(jax.random.fold_in(key, i), lines) for i in range(len(networks))]
        pairs = zip(keys, networks, strict=True)
        frames = [frame for own, params in pairs for frame in populations.about(own, params, **options)]
        found = populations.evaluate(C, frames, axis[:, None] / unit, progress=False)
        values[kind] = found.reshape(len(networks), lines, -1)
    costs = np.array([float(C(*params)) for params in networks])
    errors = np.array([100 - 100 * float(cost.accuracy(C_held_out, params)) for params in networks])
    lengths = np.array([float(optax.tree.norm(params)) for params in networks])
    print(f"batch {batch}, decay {decay:g}: C {common.median_of(costs)}, error {common.median_of(errors)} %")
    return Trained(batch, decay, costs, errors, lengths, values)


def widths(axis, values, level):
    """How far C stays below a level to both sides of the middle, together, `[...]` for values `[..., points]`.

    Between grid points C is taken to be straight; a side that stays below it counts as long as it is.
    """
    middle = len(axis) // 2
    halves = (axis[middle:], values[..., middle:]), (-axis[middle::-1], values[..., middle::-1])
    return sum(reach(*half, level) for half in halves)


def reach(axis, values, level):
    """How far one half stays below the level, from the middle outward."""
    above = values >= level
    i = np.maximum(np.where(above.any(-1), above.argmax(-1), len(axis) - 1), 1)[..., None]
    low, high = (np.take_along_axis(values, at, -1)[..., 0] for at in (i - 1, i))
    share = np.clip((level - low) / np.where(high > low, high - low, 1), 0, 1)
    share = np.where(above.any(-1), share, 1) * (values[..., 0] < level)
    return axis[i[..., 0] - 1] + share * (axis[i[..., 0]] - axis[i[..., 0] - 1])


def of_networks(result, kind, level):
    """The width of each network, the median over its lines, by training: `[trainings, networks]`."""
    lines = np.stack([of.lines[kind] for of in result.trainings])
    return np.median(widths(result.axes[kind], lines, level), -1)


def name(of):
    """A training, in words."""
    return f"batch {of.batch}, decay {of.decay:g}"


def table(result):
    """Costs, errors and widths by training, and the verdicts."""
    rows = [["", "C", "length", "held-out error, %", *(f"width, {kind}, C < {LEVEL:g}" for kind in KINDS)]]
    found = [of_networks(result, kind, LEVEL) for kind in KINDS]
    for of, *each in zip(result.trainings, *found, strict=True):
        shown = [common.median_of(values) for values in (of.costs, of.lengths, of.errors, *each)]
        rows.append([name(of), *shown])
    within = [["tau of width and error", *(f"C < {level:g}" for level in LEVELS)]]
    for kind in KINDS:
        within += [[f"{kind}, {who}", *cells] for who, *cells in taus(result, kind)]
    n = len(result.trainings[0].costs)
    head = f"medians (lowest to highest) of {n} networks; a network's width is the median over its lines"
    by_training = common.columns(list(zip(*rows, strict=True)))
    return [head, "", *by_training, "", *common.columns(within), "", *verdicts(result)]


def taus(result, kind):
    """Kendall's tau of width and held-out error, by level: over all networks, and over those of each training."""
    errors = np.stack([of.errors for of in result.trainings])
    each = [of_networks(result, kind, level) for level in LEVELS]
    yield "all networks", *(f"{statistics.kendall(of.ravel(), errors.ravel()):.2f}" for of in each)
    for i, training in enumerate(result.trainings):
        yield name(training), *(f"{statistics.kendall(of[i], errors[i]):.2f}" for of in each)


def verdicts(result):
    """Whether widths go with errors, between trainings and among the networks of one."""
    lines, errors = [], np.stack([of.errors for of in result.trainings])
    batches, decays = ([*dict.fromkeys(getattr(of, which) for of in result.trainings)] for which in ("batch", "decay"))
    for kind in KINDS:
        found = of_networks(result, kind, LEVEL)
        claim = f"{kind}: of two trainings the wider has fewer errors, share of pairs"
        lines.append(common.verdict(claim, agreeing(np.median(found, 1), np.median(errors, 1)), 0.99, source=LI))
        for decay, small, large in zip(decays, found, found[-len(decays) :], strict=False):
            turned = kind == RAW and decay > 0
            way, band = ("narrower", {"high": -0.01}) if turned else ("wider", {"low": 0.01})
            claim = f"{kind}, decay {decay:g}: batch {batches[0]} {way}, widths less those of batch {batches[-1]}"
            lines.append(common.verdict(claim, statistics.summary(small - large), whole=True, source=LI, **band))
    centred = lambda of: (of - np.median(of, 1, keepdims=True)).ravel()
    for level in LEVELS:
        tau = statistics.kendall(centred(of_networks(result, FILTER, level)), centred(errors))
        claim = f"among networks of one training, wider at C < {level:g}, fewer errors; tau"
        lines.append(common.verdict(claim, tau, high=-0.01, whole=True))
    return lines


def agreeing(width, error):
    """The share of pairs of which the wider one has fewer errors."""
    pairs = itertools.combinations(zip(width, error, strict=True), 2)
    return float(np.mean([(a - b) * (c - d) < 0 for (a, c), (b, d) in pairs]))


def draw(path):
    """C along lines by training, of both kinds, and the errors against the widths."""
    result = results.load(path)
    figure = common.figure(15, 8.5)
    axes = figure.subplots(2, 2, width_ratios=(1.4, 1))
    for (along, against), kind in zip(axes, KINDS, strict=True):
        axis, found = result.axes[kind], of_networks(result, kind, LEVEL)
        for of, width, colour in zip(
            result.trainings, found, ("tab:blue", "tab:cyan", "tab:red", "tab:orange"), strict=False
        ):
            lines = of.lines[kind].reshape(-1, len(axis))
            plot.band(along, axis, lines, name(of), color=colour)
            against.plot(width, of.errors, "o", color=colour, label=name(of))
        along.axhline(LEVEL, color="gray", lw=0.8)
        along.set(
            ylim=(0, 3),
            xlabel=f"coordinate on a {kind} line",
            ylabel="C",
            title=f"{kind}: median, lowest, highest line",
        )
        against.set(
            xlabel=f"width: how far C < {LEVEL:g}, {kind}", ylabel="held-out error, %", title="a point is a network"
        )
    common.tidy(axes)
    figure.suptitle("How wide C is about networks of four trainings, and how many unseen images they get wrong")
    return common.save_figures(path, {"widths": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
