"""The wrongness number going down, and which images are left to make it up.

Trains several networks at once by mini-batch gradient descent, Nielsen's way, and records C on training and
held-out images, the accuracy and the length of the gradient. The same network learns shuffled labels and shuffled
pixels: there the number goes down too, for there is no understanding in it. Then takes each network's costs image by
image: squaring makes big misses dominate.

    python experiments/learning.py                              the embedded digits
    python experiments/learning.py --data FOLDER --seeds 10     MNIST, as Nielsen 2015, chapter 1
    python experiments/learning.py --data FOLDER --seeds 10 --sizes 784 30 10
    python experiments/learning.py --batch 0 --epochs 500       each step a full pass over all images

Expect, with ten networks on MNIST, as best epoch's test accuracy, median (lowest to highest): 784-16-16-10 94.2 %
(93.8 to 94.6), 784-30-10 95.5 % (94.9 to 95.8), 784-100-10 87.0 % (77.6 to 97.0), where nine of ten never learn one
or two of the digits (jax 0.10). On the embedded digits, with five networks, their range on two versions of jax: C 0.055
(0.049 to 0.063) on training images, 0.15 (0.14 to 0.17) on held-out ones, held-out accuracy 90.5 % (89.5 to 91.1), the
worst 1 % of the images carry a third of the cost (29 to 35 %), of the absolute differences 17 % (15 to 19); shuffled
pixels are learned as well, to 0.061 (0.050 to 0.069), and 8,000 shuffled labels to 0.884 (0.881 to 0.892), below the
0.9 of knowing nothing. Half a minute on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import setting

from jaxcost import cost, data, descent, losses, network, plot, results, tails

PARTS = (0.01, 0.1)  # of the images, those with the largest costs


@dataclass(frozen=True)
class Settings(common.Trained):
    """What is learned, and how."""

    seeds: int = setting(5, "networks trained together; one is an anecdote", small=2)
    shuffled: int = setting(5, "of the networks, trained on shuffled labels and on shuffled pixels too", small=1)


class Worst(NamedTuple):
    """The images with the largest costs, the worst first.

    Attributes:
        x: the images, `[images, pixels]`.
        label: what each is.
        guess: what the network takes it for.
        cost: its squared differences, summed.
    """

    x: np.ndarray
    label: np.ndarray
    guess: np.ndarray
    cost: np.ndarray


class Result(NamedTuple):
    """Networks that learn, and which images are left to make up their costs.

    Attributes:
        run: of all networks, recorded once an epoch: "held_out", "accuracy", "accuracy_held_out", "gradient_norm".
        shuffled: C of those trained on spoilt images, `[networks, records]`, by what was shuffled.
        batch: images a step, 0 for all.
        shares: of the cost, those of the worst `PARTS` of the training images, `[networks, parts]`, by "squared
            differences" and "absolute differences".
        squared: the cost of each training image by the first network, `[images]`.
        absolute: the same of the sum of absolute differences.
        worst: of the training images.
    """

    run: descent.Run
    shuffled: dict[str, np.ndarray]
    batch: int
    shares: dict[str, np.ndarray]
    squared: np.ndarray
    absolute: np.ndarray
    worst: Worst


def run(settings):
    """Train, record, and look at single images."""
    train, held_out = common.images(settings)
    C, C_held_out = cost.Cost(train), cost.Cost(held_out)
    *keys, shuffle_key = jax.random.split(jax.random.key(settings.seed), settings.seeds + 1)
    keys = jnp.stack(keys)
    watch = {
        "held_out": C_held_out,
        "accuracy": lambda *params: cost.accuracy(C, params),
        "accuracy_held_out": lambda *params: cost.accuracy(C_held_out, params),
        "gradient_norm": lambda *params: descent.gradient_norm(C, params),
    }
    trained = common.train_many(keys, C, settings, records=settings.epochs, watch=watch)

    # the same networks on images in which there is less to understand
    spoilt = {}
    for name, images in shuffled(shuffle_key, train).items():
        some = common.train_many(keys[: settings.shuffled], cost.Cost(images), settings, records=settings.epochs)
        spoilt[name] = some.costs

    # each network image by image, and the worst images of the first
    Cs = {"squared differences": C, "absolute differences": cost.Cost(train, loss=losses.absolute)}
    each = [trained.network(i).params for i in range(settings.seeds)]
    costs = {name: [np.asarray(one.per_image(*params)) for params in each] for name, one in Cs.items()}
    share = lambda of: tails.share_of_largest(of, np.array(PARTS))
    shares = {name: np.stack([*map(share, of)]) for name, of in costs.items()}
    squared, absolute = (of[0] for of in costs.values())
    seen = worst(train, each[0], squared, 25)
    result = Result(trained, spoilt, settings.batch, shares, squared, absolute, seen)
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}


def shuffled(key, images):
    """The images with each other's labels, and with their pixels in one random order. Zhang et al. 2017, 1611.03530."""
    label_key, pixel_key = jax.random.split(key)
    return {
        "shuffled labels": data.Images(images.x, jax.random.permutation(label_key, images.y)),
        "shuffled pixels": data.Images(jax.random.permutation(pixel_key, images.x, axis=1), images.y),
    }


def worst(images, params, costs, number):
    """The `number` images of the largest costs."""
    first = np.argsort(-costs, kind="stable")[:number]
    guesses = jax.vmap(network.feedforward, (0, None, None))(images.x[first], *params)
    return Worst(images.x[first], data.labels(images.y[first]), guesses.argmax(-1), costs[first])


def table(result):
    """What was reached, with its spread, and who carries the cost."""
    run, watched = result.run, result.run.watched
    last = lambda values: common.median_of(np.asarray(values)[:, -1], ".4f")
    lines = [f"{len(run.costs)} networks after {run.steps[-1]:,} steps, median (lowest to highest)", ""]
    lines += common.columns([
        ["", "training images", "held-out images"],
        ["C", last(run.costs), last(watched["held_out"])],
        ["accuracy", last(watched["accuracy"]), last(watched["accuracy_held_out"])],
        ["accuracy, best epoch", "", common.median_of(np.max(watched["accuracy_held_out"], 1), ".4f")],
        ["length of the gradient", last(watched["gradient_norm"])],
        *([f"C, {name}", last(costs)] for name, costs in result.shuffled.items()),
    ])  # fmt: skip
    lines += [f"network {i}: cost not finite from step {s} on" for i, s in enumerate(run.diverged) if s >= 0]

    lines += ["", "share of a network's cost that its worst images carry, likewise", ""]
    return lines + common.columns([
        ["", *result.shares],
        *(
            [f"worst {part:.0%}", *(common.median_of(of[:, i], ".1%") for of in result.shares.values())]
            for i, part in enumerate(PARTS)
        ),
    ])  # fmt: skip


def draw(path):
    """The number going down; the costs of single images; the worst of them."""
    result = results.load(path)
    return common.save_figures(path, {"curves": draw_curves(result), "images": draw_images(result)})


def draw_curves(result):
    """C, accuracy and the gradient by step: the median of the networks between their extremes."""
    run, watched = result.run, result.run.watched
    figure = common.figure(13, 4)
    left, middle, right = figure.subplots(1, 3)
    for ax, training, held_out in (
        (left, run.costs, watched["held_out"]),
        (middle, watched["accuracy"], watched["accuracy_held_out"]),
    ):
        plot.band(ax, run.steps, training, "training images")
        plot.band(ax, run.steps, held_out, "held-out images")
    for (name, costs), colour in zip(result.shuffled.items(), ("tab:red", "tab:green"), strict=True):
        plot.band(left, run.steps, costs, f"training images, {name}", color=colour)
    plot.band(right, run.steps, watched["gradient_norm"])
    common.log(left.yaxis, right.yaxis)
    left.set_title("C, the wrongness number")
    middle.set_ylim(0, 1)
    middle.set_title("accuracy: share of images guessed right")
    right.set_title("|grad C|, over all training images")
    for ax in (left, middle, right):
        ax.set_xlabel(f"step, {result.batch or 'all'} images each")
        ax.locator_params(axis="x", nbins=4)
    common.tidy((left, middle, right), which="both")
    figure.suptitle(f"{len(run.costs)} networks from different starts: median, lowest and highest")
    return figure


def draw_images(result):
    """Which images make up C: histogram, share of the worst, and the worst themselves."""
    costs, worst = result.squared, result.worst
    figure = common.figure(13, 7)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
    top, bottom = left.subplots(2, 1)
    top.hist(costs, np.geomspace(max(costs.min(), 1e-8), costs.max(), 60))
    top.axvline(costs.mean(), color="black", lw=1)
    top.set_title(f"black line: their mean, C = {costs.mean():.4f}", fontsize=10)
    common.log(top.xaxis, top.yaxis)
    top.set_xlabel("cost of one image, sum of ten squared differences")
    top.set_ylabel("images")

    parts = np.arange(1, len(costs) + 1) / len(costs)
    for name, values in (("squared differences", costs), ("absolute differences", result.absolute)):
        bottom.plot(parts, tails.share_of_largest(values, parts), label=name)
    for part in PARTS:
        share = tails.share_of_largest(costs, part)
        bottom.plot(part, share, "o", color="tab:blue")
        label = f"worst {part:.0%}: {share:.0%}"
        bottom.annotate(label, (part, share), (-8, 3), textcoords="offset points", ha="right")
    common.log(bottom.xaxis)
    bottom.set_ylim(top=1.12)
    bottom.set_xlabel("share of the images, the worst first")
    bottom.set_ylabel("share of the total cost")
    common.tidy((top, bottom), loc="upper left")

    panels = right.subplots(5, 5).flat
    for ax in panels:
        ax.set_axis_off()
    for ax, x, label, guess, one in zip(right.axes, *worst, strict=False):
        plot.image(ax, x, f"{label} taken for {guess}\ncost {one:.2f}")
    left.suptitle("Squaring makes big misses dominate: the first network")
    right.suptitle(f"The {len(worst.x)} worst training images: label, guess, cost")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
