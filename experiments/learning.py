"""The wrongness number going down, and which images are left to make it up.

Trains several networks at once by mini-batch gradient descent, Nielsen's way, and records C on training and
held-out images, the accuracy and the length of the gradient. The same network learns shuffled labels and shuffled
pixels: there the number goes down too, for there is no understanding in it. Then takes the first network's costs image
by image: squaring makes big misses dominate.

    python experiments/learning.py                              the embedded digits
    python experiments/learning.py --data FOLDER --seeds 10     MNIST, as Nielsen 2015, chapter 1
    python experiments/learning.py --data FOLDER --seeds 10 --sizes 784 30 10
    python experiments/learning.py --batch 0 --epochs 500       each step a full pass over all images

Expect, with ten networks on MNIST, as best epoch's test accuracy, median (lowest to highest): 784-16-16-10 94.2 %
(93.8 to 94.6), 784-30-10 95.5 % (94.9 to 95.8), 784-100-10 87.0 % (77.6 to 97.0), where nine of ten never learn one
or two of the digits. On the embedded digits, with five networks: C 0.055 on training images, 0.15 on held-out ones,
held-out accuracy 90.5 %, the worst 1 % of the images carry a third of the first network's cost; shuffled pixels are
learned as well, to 0.05, and 8,000 shuffled labels to 0.885, below the 0.9 of knowing nothing.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting
from jax.tree_util import Partial

from jaxcost import cost, data, descent, network, plot, results

WORST = 25


@dataclass(frozen=True)
class Settings:
    """What is learned, and how."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images of each part, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the networks and the order of the images")
    seeds: int = setting(5, "networks trained together; one is an anecdote", small=2)
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "images a step, Nielsen's; 0 for all of them")
    epochs: int = setting(30, "passes over the images, Nielsen's", small=3)
    shuffled: int = setting(2, "of the networks, trained on shuffled labels and on shuffled pixels too", small=1)


def run(settings):
    """Train, record, and look at single images."""
    train, held_out = common.images(settings.data, settings.images)
    C, C_held_out = cost.Cost(train), cost.Cost(held_out)
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    init = Partial(network.init, sizes=settings.sizes)
    print(f"{len(train):,} images, {'-'.join(map(str, settings.sizes))}, {settings.seeds} networks")
    per_epoch = len(train) // (settings.batch or len(train))
    trained = descent.ensemble(
        keys, C, init, optax.sgd(settings.rate),
        steps=settings.epochs * per_epoch, batch=settings.batch or None, every=per_epoch,
        watch={
            "held_out": C_held_out,
            "accuracy": Partial(cost.accuracy, C),
            "accuracy_held_out": Partial(cost.accuracy, C_held_out),
            "gradient_norm": Partial(descent.gradient_norm, C),
        },
    )  # fmt: skip
    others = {
        name: descent.ensemble(
            keys[: settings.shuffled], cost.Cost(images), init, optax.sgd(settings.rate),
            steps=settings.epochs * per_epoch, batch=settings.batch or None, every=per_epoch,
        ).costs
        for name, images in shuffled(jax.random.fold_in(jax.random.key(settings.seed), 1), train).items()
    }  # fmt: skip
    first = jax.tree.map(lambda leaf: leaf[0], trained.params)
    costs = np.asarray(C.per_image(*first))
    worst = np.argsort(-costs, kind="stable")[:WORST]
    guesses = jax.vmap(network.feedforward, (0, None, None))(train.x[worst], *first)
    result = {
        "run": trained,
        "shuffled": others,
        "batch": settings.batch,
        "costs": costs,
        "absolute": np.asarray(cost.Cost(train, loss=cost.absolute).per_image(*first)),
        "worst": {
            "x": train.x[worst],
            "label": jnp.argmax(train.y[worst], -1),
            "guess": jnp.argmax(guesses, -1),
            "cost": costs[worst],
        },
    }
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}, table(result)


def shuffled(key, images):
    """The images with each other's labels, and with their pixels in one random order. Zhang et al. 2017, 1611.03530."""
    label_key, pixel_key = jax.random.split(key)
    return {
        "shuffled labels": data.Images(images.x, jax.random.permutation(label_key, images.y)),
        "shuffled pixels": data.Images(jax.random.permutation(pixel_key, images.x, axis=1), images.y),
    }


def share(costs, part):
    """Share of the total that the worst `part` of the images carries."""
    worst = np.sort(costs)[::-1][: max(1, round(part * len(costs)))]
    return worst.sum() / costs.sum()


def spread(values):
    """Median and extremes over the networks."""
    return f"{np.median(values):.4f} ({np.min(values):.4f} to {np.max(values):.4f})"


def table(result):
    """What was reached, with its spread, and who carries the cost."""
    trained = result["run"]
    watched = trained.watched
    lines = [
        f"{len(trained.costs)} networks after {trained.steps[-1]:,} steps, median (lowest to highest)",
        f"  C, training images        {spread(trained.costs[:, -1])}",
        f"  C, held-out images        {spread(watched['held_out'][:, -1])}",
        f"  accuracy, training        {spread(watched['accuracy'][:, -1])}",
        f"  accuracy, held out        {spread(watched['accuracy_held_out'][:, -1])}",
        f"  the same, best epoch      {spread(np.max(watched['accuracy_held_out'], 1))}",
        f"  length of the gradient    {spread(watched['gradient_norm'][:, -1])}",
        *(
            f"  C, {name:<23}{spread(costs[:, -1])}, from {spread(costs[:, 0])}"
            for name, costs in result["shuffled"].items()
        ),
        "share of the first network's cost that its worst images carry",
    ]
    for part in (0.01, 0.1):
        lines.append(
            f"  worst {part:>4.0%}: {share(result['costs'], part):.1%} of the squared differences, "
            f"{share(result['absolute'], part):.1%} of the absolute ones"
        )
    diverged = trained.diverged
    lines += [f"network {i}: cost not finite from step {s} on" for i, s in enumerate(diverged) if s >= 0]
    return lines


def draw(path):
    """The number going down; the costs of single images; the worst of them."""
    result = results.load(path)
    return common.save_figures(path, {"curves": draw_curves(result), "images": draw_images(result)})


def draw_curves(result):
    """C, accuracy and the gradient by step: the median of the networks between their extremes."""
    trained, watched = result["run"], result["run"].watched
    figure = common.figure(13, 4)
    left, middle, right = figure.subplots(1, 3)
    for ax, held_out, training in (
        (left, watched["held_out"], trained.costs),
        (middle, watched["accuracy_held_out"], watched["accuracy"]),
    ):
        plot.band(ax, trained.steps, training, "training images")
        plot.band(ax, trained.steps, held_out, "held-out images")
        ax.legend()
    for (name, costs), colour in zip(result["shuffled"].items(), ("tab:red", "tab:green"), strict=True):
        plot.band(left, trained.steps, costs, f"training images, {name}", color=colour)
    left.legend(fontsize=8)
    plot.band(right, trained.steps, watched["gradient_norm"])
    left.set_yscale("log")
    left.set_title("C, the wrongness number")
    middle.set_ylim(0, 1)
    middle.set_title("accuracy: share of images guessed right")
    right.set_yscale("log")
    right.set_title("|grad C|, over all training images")
    each = f"{result['batch']} images" if result["batch"] else "all images"
    for ax in (left, middle, right):
        ax.set_xlabel(f"step, {each} each")
        ax.locator_params(axis="x", nbins=4)
        ax.grid(alpha=0.3, which="both")
    figure.suptitle(f"{len(trained.costs)} networks from different starts: median, lowest and highest")
    return figure


def draw_images(result):
    """Which images make up C: histogram, share of the worst, and the worst themselves."""
    costs, worst = result["costs"], result["worst"]
    figure = common.figure(13, 7)
    left, right = figure.subfigures(1, 2, width_ratios=(1, 1.1))
    top, bottom = left.subplots(2, 1)
    top.hist(costs, np.geomspace(max(costs.min(), 1e-8), costs.max(), 60))
    top.axvline(costs.mean(), color="black", lw=1)
    top.set_title(f"black line: their mean, C = {costs.mean():.4f}", fontsize=10)
    top.set_xscale("log")
    top.set_yscale("log")
    top.set_xlabel("cost of one image, sum of ten squared differences")
    top.set_ylabel("images")
    part = np.arange(1, len(costs) + 1) / len(costs)
    for name, values in (("squared differences", costs), ("absolute differences", result["absolute"])):
        bottom.plot(part, np.cumsum(np.sort(values)[::-1]) / values.sum(), label=name)
    for p in (0.01, 0.1):
        bottom.plot(p, share(costs, p), "o", color="tab:blue")
        bottom.annotate(
            f"worst {p:.0%}: {share(costs, p):.0%}",
            (p, share(costs, p)),
            (6, -14),
            textcoords="offset points",
        )
    bottom.set_xscale("log")
    bottom.set_xlabel("share of the images, the worst first")
    bottom.set_ylabel("share of the total cost")
    bottom.legend(loc="upper left")
    for ax in (top, bottom):
        ax.grid(alpha=0.3)
    for i, ax in enumerate(right.subplots(5, 5).flat):
        title = f"{worst['label'][i]} taken for {worst['guess'][i]}\ncost {worst['cost'][i]:.2f}"
        plot.image(ax, worst["x"][i], title)
    left.suptitle("Squaring makes big misses dominate")
    right.suptitle(f"The {WORST} worst training images: label, guess, cost")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
