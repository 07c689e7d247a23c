"""A low training cost is not "good, period": the same networks on images that they have not seen.

The cost on training images and on held-out ones over the same plane; the gap between them by number of training
images; and networks trained on shuffled labels, which come to a low training cost and know nothing.

    python experiments/unseen_images.py                  the embedded digits and those held out
    python experiments/unseen_images.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST, with their test set

Expect, on the embedded digits, medians of six networks: 100 training images end at C = 0.005 and 0.69 on unseen ones,
8,000 at 0.070 and 0.16; 500 images with shuffled labels end at 0.16, 85 % of them right, and 10 % of the unseen ones,
which is chance. On the plane the training images' minimum is the network, the unseen ones' a shallow one beside it.
About 25 s on two cores.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting
from jax.tree_util import Partial

from jaxcost import cost, data, descent, directions, network, plot, results, slices


@dataclass(frozen=True)
class Settings:
    """How many images are learned, and for how long."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images of each part, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the networks, the order of the images, the shuffled labels and the plane")
    seeds: int = setting(6, "networks for each number of images; the fewest that give an interval", small=2)
    numbers: tuple = setting((100, 300, 1000, 3000), "training images; all of them come last", small=(100,))
    shuffled: int = setting(500, "images with shuffled labels, few enough to be learned by heart", small=100)
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    steps: int = setting(16000, "20 epochs of 8,000 images, for every number of images alike", small=600)
    half_width: float = setting(1.0, "of the plane: the length of each neuron's own weights")
    points: int = setting(41, "grid points a side", small=11)


def run(settings):
    """Train on more and more images; judge by those unseen."""
    train, held_out = common.images(settings.data, settings.images)
    key, shuffle_key, *plane_keys = jax.random.split(jax.random.key(settings.seed), 4)
    keys = jax.random.split(key, settings.seeds)
    mixed = jax.random.permutation(shuffle_key, len(train))  # classes may be stored one after the other
    numbers = [n for n in settings.numbers if n < len(train)] + [len(train)]
    runs = {}
    for n in numbers:
        runs[f"{n}"] = trained(keys, train[mixed[:n]], held_out, settings)
    some = train[mixed[: settings.shuffled]]
    wrong = data.Images(some.x, jax.random.permutation(shuffle_key, some.y))
    shuffled = trained(keys, wrong, held_out, settings)

    params = jax.tree.map(lambda leaf: leaf[0], runs[f"{numbers[0]}"].pop("params"))
    seen, unseen = cost.Cost(train[mixed[: numbers[0]]]), cost.Cost(held_out)
    axis = jnp.linspace(-settings.half_width, settings.half_width, settings.points)
    u, v = (directions.filter_normalized(directions.gaussian(k, params), params) for k in plane_keys)
    planes = {name: slices.plane(C, params, u, v, axis, axis) for name, C in (("seen", seen), ("unseen", unseen))}
    shuffled.pop("params")
    for of in runs.values():
        of.pop("params", None)
    result = {"runs": runs, "shuffled": shuffled, "shuffled_images": settings.shuffled, "planes": planes}
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}, table(result)


def trained(keys, seen, unseen, settings):
    """Cost and accuracy on both, by step, of several networks."""
    C, C_unseen = cost.Cost(seen), cost.Cost(unseen)
    run = descent.ensemble(
        keys, C, Partial(network.init, sizes=settings.sizes), optax.sgd(settings.rate),
        steps=settings.steps, batch=settings.batch, every=settings.steps // 20,
        watch={
            "unseen": C_unseen,
            "accuracy": Partial(cost.accuracy, C),
            "accuracy_unseen": Partial(cost.accuracy, C_unseen),
        },
    )  # fmt: skip
    return {"params": run.params, "steps": run.steps, "seen": run.costs} | run.watched


def table(result):
    """Costs and accuracies on seen and unseen images, medians over networks."""
    columns = ("seen", "unseen", "accuracy", "accuracy_unseen")
    titles = ("C, training", "C, unseen", "right, training", "right, unseen")
    lines = [f"{'training images':<22}" + "".join(f"{title:>30}" for title in titles)]
    rows = {f"{int(n):,}": of for n, of in result["runs"].items()}
    rows[f"{result['shuffled_images']:,}, labels shuffled"] = result["shuffled"]
    for name, of in rows.items():
        ends = [np.asarray(of[column])[:, -1] for column in columns]
        said = [f"{np.median(end):.3f} ({end.min():.3f} to {end.max():.3f})" for end in ends]
        lines.append(f"{name:<22}" + "".join(f"{text:>30}" for text in said))
    gaps = {n: np.asarray(of["unseen"])[:, -1] - np.asarray(of["seen"])[:, -1] for n, of in result["runs"].items()}
    lines += ["", "gap, C on unseen images less C on training images, median:"]
    lines += [f"{int(n):>8,} images {np.median(gap):8.3f}" for n, gap in gaps.items()]
    return [
        *lines,
        "",
        f"chance: {0.1:.0%} right; medians (lowest to highest) of {len(next(iter(gaps.values())))} networks",
    ]


def draw(path):
    """The two surfaces and their difference; the gap; learning by heart."""
    result = results.load(path)
    return common.save_figures(path, {"planes": draw_planes(result), "gap": draw_gap(result)})


def draw_planes(result):
    """C on training images and on unseen ones over one plane, in one colour scale, and their difference."""
    seen, unseen = result["planes"]["seen"], result["planes"]["unseen"]
    difference = seen._replace(values=unseen.values - seen.values, floor=float(np.hypot(seen.floor, unseen.floor)))
    figure = common.figure(15, 4.8)
    scale = plot.norm(np.stack([seen.values, unseen.values]))
    n = next(iter(result["runs"]))
    titles = (f"C on the {n} training images", "C on unseen images", "their difference: the gap")
    for ax, plane, title in zip(figure.subplots(1, 3), (seen, unseen, difference), titles, strict=True):
        plot.contour(ax, plane, scale=None if plane is difference else scale)
        here = plane.values[len(plane.alphas) // 2, len(plane.betas) // 2]
        lowest = ""
        if plane is not difference:
            i, j = np.unravel_index(np.argmin(plane.values), plane.values.shape)
            ax.plot(plane.alphas[i], plane.betas[j], "*", color="tab:red", markeredgecolor="white", ms=12)
            lowest = f", lowest (star) {plane.values.min():.3f}"
        ax.set_title(f"{title}\nat the network {here:.3f}{lowest}", fontsize=10)
        ax.set_xlabel("α")
    figure.suptitle(
        f"One random plane through a network (+) trained on {n} images; 1 = the length of each neuron's weights"
    )
    return figure


def draw_gap(result):
    """Cost by number of images; cost and accuracy by step for shuffled labels."""
    figure = common.figure(14, 4.4)
    by_number, costs, right = figure.subplots(1, 3)
    numbers = [int(n) for n in result["runs"]]
    for name, label in (("seen", "training images"), ("unseen", "unseen images")):
        values = np.array([np.asarray(of[name])[:, -1] for of in result["runs"].values()]).T
        plot.band(by_number, numbers, values, label, marker="o")
    by_number.set_xscale("log")
    by_number.set_xticks(numbers, [f"{n:,}" for n in numbers])
    by_number.minorticks_off()
    by_number.set_xlabel("number of training images")
    by_number.set_ylabel("C at the end")
    by_number.set_title("More images, less of a gap")
    most = result["runs"][str(numbers[-1])]
    for ax, pairs, label in ((costs, ("seen", "unseen"), "C"), (right, ("accuracy", "accuracy_unseen"), "share right")):
        learned = f"{numbers[-1]:,} images"
        by_heart = f"{result['shuffled_images']:,} with shuffled labels"
        for of, said, colour in ((most, learned, "tab:blue"), (result["shuffled"], by_heart, "tab:red")):
            for name, style, which in zip(pairs, ("-", ":"), ("training", "unseen"), strict=True):
                plot.band(ax, of["steps"], of[name], f"{said}, {which}", color=colour, ls=style)
        ax.set_xlabel("step")
        ax.locator_params(axis="x", nbins=5)
        ax.set_ylabel(label)
        ax.legend(fontsize=8)
    costs.set_title("The number goes down with wrong labels too")
    right.axhline(0.1, color="gray", lw=0.8)
    right.set_title("... but it says nothing about unseen images")
    by_number.legend(fontsize=8)
    for ax in (by_number, costs, right):
        ax.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
