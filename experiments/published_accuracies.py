"""Do the accuracies that others have published come out, and from how many starts.

Trains networks by the settings of a book, a film, a course and a repository, each from several starts, and sets the
accuracies on images that were not learned beside the published ones, most of which are of one run.

    python experiments/published_accuracies.py --data FOLDER      MNIST, which all of them are of
    python experiments/published_accuracies.py                    the embedded digits: fewer images, lower accuracies

Nielsen's networks learn the first 50,000 of the 60,000 images; the film's and the course's are taken to do so as well.
By number of images he judges them by the last 10,000, and else by the test set. His rates are halved where his cost has
a factor 1/2, and his lambda / 2n is the rate of a weight decay. A number is confirmed if the median lies within a point
of it, two after one epoch.

Expect, on MNIST, five starts, seed 0, jax 0.10.2: all numbers of the cross-entropy are confirmed, by number of images
all nine within half a point; 784-30-10 with squares 95.2 % (86.2 to 95.4). Not confirmed: 96 % of 784-16-16-10, 93.9
(93.6 to 94.3); 784-60-10 from N(0, 1) weights 96.16 (86.7 to 96.2), whose 97.2 % come out from narrow ones, 97.1 (97.0
to 97.3); and 784-100-10, 87.5 (67.0 to 96.7), some of which never learn a digit. Cross-entropy is at 97 % after 3 (3 to
4) epochs, squares after 5 (4 to 5), a difference that five starts are too few for. Fifteen minutes on two cores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import like, setting
from jax.tree_util import Partial

from jaxcost import cost, descent, losses, network, plot, results, statistics

NIELSEN, FILM, COURSE, ROY = "Nielsen 2015", "3Blue1Brown 2017", "a course page", "royxlead, exp1_convergence"
BY_NUMBER = {100: 69.09, 200: 76.37, 500: 85.29, 1000: 88.85, 2000: 91.27, 5000: 93.24, 10_000: 94.89, 20_000: 95.85,
             50_000: 95.97}  # images learned: per cent of the validation images, his fig/more_data.json  # fmt: skip
GOOD = 97  # per cent, at which two costs are compared
MEAN, DEVIATION = 0.1307, 0.3081  # of MNIST's pixels, by which the repository normalises them
BEST, FIRST, LAST, REACHED = "best epoch", "first epoch", "last epoch", f"epochs to {GOOD} %"
MEASURES = {
    BEST: lambda right: right.max(1),
    FIRST: lambda right: right[:, 1],
    LAST: lambda right: right[:, -1],
    REACHED: lambda right: np.where((right >= GOOD).any(1), (right >= GOOD).argmax(1), right.shape[1]),  # or one more
}
narrow = lambda key, sizes: network.init(key, sizes, scale=lambda n: n**-0.5)
entropy = {"f": network.logits, "loss": losses.sigmoid_cross_entropy, "decay": 5e-5}  # lambda 5 of 50,000 images


def xavier(key, sizes):
    """Uniform weights of variance 2 / (from + to), and biases of zero."""
    draw, b = jax.nn.initializers.glorot_uniform(in_axis=1, out_axis=0), tuple(jnp.zeros(to) for to in sizes[1:])
    keys = jax.random.split(key, len(b))
    w = tuple(draw(key, (to, from_)) for key, from_, to in zip(keys, sizes[:-1], sizes[1:], strict=True))
    return network.Params(w, b)


def normalised(output):
    """A ReLU network of normalised pixels."""
    return lambda x, w, b: network.mlp(jax.nn.relu, output)((x - MEAN) / DEVIATION, w, b)


class Recipe(NamedTuple):
    """How a network is trained: neurons, rate, network, cost of one image, start, weight decay, momentum, batch."""

    sizes: tuple
    rate: float = 1.5
    f: Callable = network.feedforward
    loss: Callable = losses.quadratic
    init: Callable = network.init
    decay: float = 0.0
    momentum: float | None = None
    batch: int = 10


ROYS = {"sizes": (784, 128, 64, 10), "rate": 0.01, "init": xavier, "momentum": 0.9, "batch": 64}
RECIPES = {
    "784-16-16-10": Recipe((784, 16, 16, 10)),
    "784-30-10": Recipe((784, 30, 10)),
    "784-30-10, rate 100": Recipe((784, 30, 10), rate=50.0),
    "784-60-10": Recipe((784, 60, 10)),
    "784-60-10, narrow start": Recipe((784, 60, 10), init=narrow),
    "784-100-10": Recipe((784, 100, 10)),
    "784-30-10, cross-entropy": Recipe((784, 30, 10), 0.1, **entropy),
    "784-30-10, cross-entropy, narrow start": Recipe((784, 30, 10), 0.1, init=narrow, **entropy),
    "784-100-10, cross-entropy": Recipe((784, 100, 10), 0.1, **entropy),
    "784-100-10, cross-entropy, narrow start": Recipe((784, 100, 10), 0.1, init=narrow, **entropy),
    "784-128-64-10, squares": Recipe(f=normalised(jax.nn.softmax), **ROYS),
    "784-128-64-10, cross-entropy": Recipe(f=normalised(None), loss=losses.softmax_cross_entropy, **ROYS),
}
CLAIMS = (  # who, of which recipe, which measure, what is published
    (FILM, "784-16-16-10", BEST, 96.0),
    (NIELSEN, "784-30-10", BEST, 95.42),
    (NIELSEN, "784-30-10, rate 100", LAST, 10.0),
    (COURSE, "784-60-10", BEST, 97.2),
    (COURSE, "784-60-10, narrow start", BEST, 97.2),
    (NIELSEN, "784-100-10", BEST, 96.59),
    (NIELSEN, "784-30-10, cross-entropy", FIRST, 86.43),
    (NIELSEN, "784-30-10, cross-entropy", LAST, 96.37),
    (NIELSEN, "784-30-10, cross-entropy, narrow start", FIRST, 92.70),
    (NIELSEN, "784-30-10, cross-entropy, narrow start", LAST, 96.50),
    (NIELSEN, "784-100-10, cross-entropy", FIRST, 89.94),
    (NIELSEN, "784-100-10, cross-entropy", LAST, 97.42),
    (NIELSEN, "784-100-10, cross-entropy, narrow start", FIRST, 92.95),
    (NIELSEN, "784-100-10, cross-entropy, narrow start", LAST, 97.81),
    (ROY, "784-128-64-10, squares", REACHED, 5.0),
    (ROY, "784-128-64-10, cross-entropy", REACHED, 4.0),
)


@dataclass(frozen=True)
class Settings:
    """How many starts, and for how long."""

    data: str = like("data")
    images: int = like("images")
    seed: int = like("seed")
    seeds: int = setting(5, "starts of each recipe; 784-100-10 fails from some, as the book warns", small=2)
    epochs: int = setting(30, "Nielsen's and the repository's", small=2)
    steps: int = setting(150_000, "Nielsen's, for every number of images", small=200)


class Result(NamedTuple):
    """Accuracies on images that were not learned, per cent.

    Attributes:
        images: how many there are to learn from, the validation images among them.
        recipes: by recipe, after each epoch and at the start, `[seeds, epochs + 1]`.
        numbers: of images learned, rising, `[numbers]`.
        by_number: with each of them at the end, `[numbers, seeds]`.
    """

    images: int
    recipes: dict[str, np.ndarray]
    numbers: np.ndarray
    by_number: np.ndarray


def run(settings):
    """Train by each recipe, and by number of images."""
    train, test = common.images(settings)
    most = len(train) * 5 // 6
    part, validation, right = train[:most], train[most:], {}
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    for name, recipe in RECIPES.items():
        of = train if recipe.momentum else part
        per_epoch = len(of) // recipe.batch
        right[name] = learn(keys, recipe, of, test, settings.epochs * per_epoch, per_epoch)
        print(f"{name}: {common.median_of(right[name][:, -1], '.2f')} % after {settings.epochs} epochs")
    recipe, numbers, by_number = Recipe((784, 30, 10), 0.5, **entropy), [n for n in BY_NUMBER if n <= most], []
    for n in numbers:
        by_number.append(learn(keys, recipe, part[:n], validation, settings.steps, settings.steps)[:, -1])
        print(f"{n:,} images: {common.median_of(by_number[-1], '.2f')} % after {settings.steps:,} steps")
    about = {"data": train.fingerprint, "held_out": test.fingerprint}
    return Result(len(train), right, np.array(numbers), np.array(by_number)), about


def learn(keys, recipe, images, others, steps, every):
    """The accuracies of networks trained by a recipe, on other images, per cent, `[networks, records]`."""
    penalty = losses.weight_decay(recipe.decay) if recipe.decay else None
    C, C_others = (cost.Cost(of, recipe.f, recipe.loss, penalty=penalty) for of in (images, others))
    options = {"batch": recipe.batch, "steps": steps, "every": every, "watch": {"right": Partial(share, C_others)}}
    start = lambda key: recipe.init(key, recipe.sizes)
    found = descent.ensemble(keys, C, start, optax.sgd(recipe.rate, momentum=recipe.momentum), **options)
    return 100 * np.asarray(found.watched["right"])


def share(C, *params):
    """The share of the images of C that a network guesses right."""
    return cost.accuracy(C, params)


def table(result):
    """Each published number beside ours, and the verdicts where the images are as many as MNIST's."""
    rows = [["", "measured at", "published", "here"]]
    for who, name, measure, published in CLAIMS:
        here = common.median_of(MEASURES[measure](result.recipes[name]), ".4g")
        rows.append([f"{name} ({who})", measure, f"{published:.4g}", here])
    for n, right in zip(result.numbers, result.by_number, strict=True):
        steps = "last step"
        rows.append([f"{n:,} images ({NIELSEN})", steps, f"{BY_NUMBER[n]:.4g}", common.median_of(right, ".4g")])
    of = result.recipes["784-30-10"]
    head = [f"per cent right of images that were not learned, median (lowest to highest) of {len(of)} starts", ""]
    told = (
        verdicts(result) if result.images == 60_000 else [f"{result.images:,} images, not MNIST's 60,000: no verdicts"]
    )
    return [*head, *common.columns(rows), "", *told]


def verdicts(result):
    """Whether medians lie near what is published, and in its order."""
    lines, right = [], result.recipes
    for who, name, measure, published in CLAIMS:
        found, within = MEASURES[measure](right[name]), {FIRST: 2.0, LAST: 1.0, BEST: 1.0, REACHED: 1.0}[measure]
        within = 3.0 if "rate 100" in name else within  # about chance
        claim, band = f"{name}, {measure}", (published - within, published + within)
        lines.append(common.verdict(claim, float(np.median(found)), *band, source=who))
    for n, found in zip(result.numbers, result.by_number, strict=True):
        band = BY_NUMBER[n] - 1, BY_NUMBER[n] + 1
        lines.append(common.verdict(f"{n:,} images", float(np.median(found)), *band, source=NIELSEN))
    order = statistics.kendall(np.median(result.by_number, 1), [BY_NUMBER[n] for n in result.numbers])
    lines.append(
        common.verdict("more images, more right, in the published order: tau", order.value, 1.0, source=NIELSEN)
    )
    squares, entropies = (MEASURES[REACHED](right[f"784-128-64-10, {of}"]) for of in ("squares", "cross-entropy"))
    sooner = statistics.summary(squares - entropies)
    claim = f"squares need more epochs than cross-entropy to {GOOD} %: how many more"
    return [*lines, common.verdict(claim, sooner, low=0.01, whole=True, source=ROY)]


def draw(path):
    """Published numbers among ours; by number of images; by epoch, where they differ by cost or by start."""
    result = results.load(path)
    figure = common.figure(15, 5.5)
    points, by_number, by_epoch = axes = figure.subplots(1, 3, width_ratios=(1.3, 1, 1))
    shown = [claim for claim in CLAIMS if claim[2] != REACHED and claim[3] > 50]  # that of chance would hide the others
    for row, (_, name, measure, published) in enumerate(shown):
        here = MEASURES[measure](result.recipes[name])
        points.plot(here, np.full(len(here), row), "o", color="tab:blue", alpha=0.6, label="" if row else "one start")
        points.plot(published, row, "D", color="tab:red", mfc="none", ms=9, label="" if row else "published, of MNIST")
    points.set_yticks(range(len(shown)), [f"{name}\n{measure}" for _, name, measure, _ in shown], fontsize=7)
    points.invert_yaxis()
    points.set(xlabel="right, % of images that were not learned")
    plot.band(by_number, result.numbers, result.by_number.T, "here", marker="o")
    by_number.plot(*zip(*BY_NUMBER.items(), strict=True), "D", color="tab:red", mfc="none", ms=9, label="Nielsen 2015")
    by_number.set_xscale("log")
    by_number.set_xticks(few := (100, 1000, 10_000), [f"{n:,}" for n in few])
    by_number.set(xlabel="number of images learned", ylabel="right, %", title="More images, 784-30-10, cross-entropy")
    for name, colour in (("squares", "tab:blue"), ("cross-entropy", "tab:orange")):
        right = result.recipes[f"784-128-64-10, {name}"]
        plot.band(by_epoch, np.arange(right.shape[1])[1:], right[:, 1:], name, color=colour)
    by_epoch.axhline(GOOD, color="gray", lw=0.8)
    by_epoch.set(xlabel="epoch", ylabel="right, %", title="Two costs, 784-128-64-10")
    by_epoch.locator_params(axis="x", nbins=6, integer=True)
    common.tidy(axes)
    n = len(result.recipes["784-30-10"])
    figure.suptitle(f"Published accuracies (red) and ours, from {n} starts each; {result.images:,} images")
    return common.save_figures(path, {"accuracies": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
