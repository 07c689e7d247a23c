"""A low training cost is not "good, period": the same networks on images that they have not seen.

The cost on training images and on held-out ones over the same plane; the gap between them by number of training
images; and networks trained on shuffled labels, which come to a low training cost and know nothing.

    python experiments/unseen_images.py                  the embedded digits and those held out
    python experiments/unseen_images.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST, with their test set

Expect, on the embedded digits, medians of six networks and their range on two versions of jax: 100 training images end
at C = 0.005 (0 to 0.010) and 0.69 (0.64 to 0.73) on unseen ones, 8,000 at 0.07 (0.06 to 0.08) and 0.15 (0.14 to 0.16);
500 images with shuffled labels, for each network anew, end at 0.16 to 0.17 (0.14 to 0.19), 85 % of them right, and 10
to 11 % (8 to 14) of the unseen ones, which is chance. On the plane the training images' minimum is the network, the
unseen ones' a shallow one beside it. Half a minute on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import like, setting
from jax.tree_util import Partial

from jaxcost import cost, data, directions, plot, results, slices


@dataclass(frozen=True)
class Settings(common.Network):
    """How many images are learned, and for how long."""

    rate: float = like("rate")
    batch: int = like("batch")
    seeds: int = setting(6, "networks for each number of images; the fewest that give an interval", small=2)
    numbers: tuple = setting((100, 300, 1000, 3000), "training images; all of them come last", small=(100,))
    shuffled: int = setting(500, "images with shuffled labels, few enough to be learned by heart", small=100)
    steps: int = setting(16000, "20 epochs of 8,000 images, for every number of images alike", small=600)
    half_width: float = setting(1.0, "of the plane: the length of each neuron's own weights")
    points: int = setting(41, "grid points a side", small=11)


class Learned(NamedTuple):
    """How some networks fare that learn the same images, by step, `[networks, records]` each.

    Attributes:
        images: how many they learn.
        seen: C on these.
        unseen: C on images that they have not seen.
        accuracy: share of the first that are right.
        accuracy_unseen: likewise of the others.
    """

    images: int
    seen: np.ndarray
    unseen: np.ndarray
    accuracy: np.ndarray
    accuracy_unseen: np.ndarray


class Result(NamedTuple):
    """Networks that learned more and more images, and what they make of others.

    Attributes:
        steps: the recorded steps, the same for all.
        runs: `Learned` for each number of images, rising.
        shuffled: `Learned` for images with shuffled labels.
        seen: C on the images that it learned over a plane about a network that learned the fewest, a `Slice`.
        unseen: C on images that it has not seen, over the same plane.
    """

    steps: np.ndarray
    runs: list[Learned]
    shuffled: Learned
    seen: slices.Slice
    unseen: slices.Slice


def run(settings):
    """Train on more and more images; judge by those unseen."""
    train, held_out = common.images(settings)
    train_key, order_key, label_key, plane_key = jax.random.split(jax.random.key(settings.seed), 4)
    keys = jax.random.split(train_key, settings.seeds)
    mixed = train[jax.random.permutation(order_key, len(train))]  # classes may be stored one after the other
    C_unseen = cost.Cost(held_out)

    # the first so many images, the same steps for all numbers
    numbers = [n for n in settings.numbers if n < len(train)] + [len(train)]
    trained = [learn(keys, cost.Cost(mixed[:n]), C_unseen, settings) for n in numbers]

    # some images whose labels say nothing, shuffled for each network anew
    some, by_heart = mixed[: settings.shuffled], []
    for i, key in enumerate(jax.random.split(label_key, settings.seeds)):
        wrong = data.Images(some.x, jax.random.permutation(key, some.y))
        by_heart.append(learn(keys[i : i + 1], cost.Cost(wrong), C_unseen, settings))

    # one plane about a network of the fewest images, under these and under the unseen ones
    params = trained[0].network(0).params
    u, v = directions.random(plane_key, params, 2)
    axis = np.linspace(-settings.half_width, settings.half_width, settings.points)
    Cs = cost.Cost(mixed[: numbers[0]]), C_unseen
    seen, unseen = slices.plane(Cs, params, u, v, axis, axis, accuracy=True)

    joined = lambda runs: jax.tree.map(lambda *arrays: np.concatenate(arrays), *[(r.costs, r.watched) for r in runs])
    of = lambda n, costs, watched: Learned(n, costs, **watched)
    runs = [of(n, *joined([run])) for run, n in zip(trained, numbers, strict=True)]
    result = Result(trained[0].steps, runs, of(len(some), *joined(by_heart)), seen, unseen)
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}


def learn(keys, C, C_unseen, settings):
    """Several networks, a key each, that learn the images of C; a `Run` that watches the others."""
    right = {"accuracy": Partial(share_right, C), "accuracy_unseen": Partial(share_right, C_unseen)}
    watch = {"unseen": C_unseen, **right}  # `Partial`s of one function, so that as many images are compiled once
    return common.train_many(keys, C, settings, steps=settings.steps, records=20, watch=watch)


def share_right(C, *params):
    """The share of the images of C that a network guesses right."""
    return cost.accuracy(C, params)


def lowest(plane):
    """Indices of the lowest grid point."""
    return np.unravel_index(np.nanargmin(plane.values), plane.values.shape)


def table(result):
    """Costs and accuracies on seen and unseen images, medians over networks; the gap; the plane."""
    rows = [["training images", "C, training", "C, unseen", "the gap", "right, training", "right, unseen"]]
    for of, name in (*((of, "") for of in result.runs), (result.shuffled, ", labels shuffled")):
        costs = [common.median_of(values[:, -1], ".3f") for values in (of.seen, of.unseen, of.unseen - of.seen)]
        shares = [common.median_of(values[:, -1], ".1%") for values in (of.accuracy, of.accuracy_unseen)]
        rows.append([f"{of.images:,}{name}", *costs, *shares])
    middle = tuple(size // 2 for size in result.seen.values.shape)
    at = lambda i: f"C on unseen images {result.unseen.values[i]:.3f}, {result.unseen.accuracy[i]:.1%} right"
    return [
        *common.columns(rows),
        "",
        f"chance: {0.1:.0%} right; medians (lowest to highest) of {len(result.shuffled.seen)} networks",
        f"on the plane: at the network {at(middle)}; at their lowest point {at(lowest(result.unseen))}",
    ]


def draw(path):
    """The two surfaces and their difference; the gap; learning by heart."""
    result = results.load(path)
    return common.save_figures(path, {"planes": draw_planes(result), "gap": draw_gap(result)})


def draw_planes(result):
    """C on training images and on unseen ones over one plane, in one colour scale, and their difference."""
    seen, unseen, n = result.seen, result.unseen, f"{result.runs[0].images:,}"
    difference = seen._replace(values=unseen.values - seen.values, floor=float(np.hypot(seen.floor, unseen.floor)))
    middle = tuple(size // 2 for size in seen.values.shape)
    figure = common.figure(15, 4.8)
    scale = plot.norm(np.stack([seen.values, unseen.values]))
    figure.get_layout_engine().set(wspace=0.05)  # the name of a bar is not that of the next axis
    *two, gap = figure.subplots(1, 3)
    for ax, plane, title in zip(two, (seen, unseen), (f"the {n} training images", "unseen images"), strict=True):
        plot.contour(ax, plane, filled=True, scale=scale)
        i, j = lowest(plane)
        ax.plot(plane.alphas[i], plane.betas[j], "*", color="tab:red", markeredgecolor="white", ms=12)
        at_network, at_lowest = (f"{plane.values[k]:.3g} ({plane.accuracy[k]:.0%} right)" for k in (middle, (i, j)))
        ax.set_title(f"C on {title}\nat the network {at_network}\nlowest (star) {at_lowest}", fontsize=10)
    plot.contour(gap, difference, filled=True, name="unseen C less training C")
    gap.set_title(f"their difference: the gap\nat the network {difference.values[middle]:.3g}", fontsize=10)
    for ax in (*two, gap):
        ax.set(xlabel="α", ylabel="β")
    figure.suptitle(f"One random plane through a network (+) trained on {n} images; {common.LENGTH}")
    return figure


def draw_gap(result):
    """Cost by number of images; cost and accuracy by step for shuffled labels."""
    figure = common.figure(14, 4.4)
    by_number, costs, right = axes = figure.subplots(1, 3)
    numbers = [of.images for of in result.runs]
    for name, label in (("seen", "training images"), ("unseen", "unseen images")):
        values = np.array([getattr(of, name)[:, -1] for of in result.runs]).T
        plot.band(by_number, numbers, values, label, marker="o")
    by_number.set(xscale="log", xlabel="number of training images", ylabel="C at the end")
    by_number.set_xticks(numbers, [f"{n:,}" for n in numbers])
    by_number.minorticks_off()
    by_number.set_title("More images, less of a gap")
    learned, by_heart = f"{numbers[-1]:,} images", f"{result.shuffled.images:,} with shuffled labels"
    for ax, names, label in ((costs, ("seen", "unseen"), "C"), (right, ("accuracy", "accuracy_unseen"), "share right")):
        for of, who, colour in ((result.runs[-1], learned, "tab:blue"), (result.shuffled, by_heart, "tab:red")):
            for name, style, which in zip(names, ("-", ":"), ("training", "unseen"), strict=True):
                plot.band(ax, result.steps, getattr(of, name), f"{who}, {which}", color=colour, ls=style)
        ax.set(xlabel="step", ylabel=label)
        ax.locator_params(axis="x", nbins=5)
    costs.set_title("The number goes down with wrong labels too")
    right.axhline(0.1, color="gray", lw=0.8, label="one in ten")
    right.set_title("... but it says nothing about unseen images")
    common.tidy(axes)
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
