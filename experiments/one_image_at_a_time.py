"""The cost of one image in five steps, and the total cost: the mean over all of them.

One image, ten outputs of the network, ten desired outputs, ten squared differences, their sum. First the cheatsheet's
two worked examples, 0.0129 for a confident and correct guess and 0.90 for a total shrug; then one image of the training
set before and after learning; then all of them.

    python experiments/one_image_at_a_time.py                  the embedded digits
    python experiments/one_image_at_a_time.py --image 4321     another image
    python experiments/one_image_at_a_time.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect 0.0129 and 0.9000, and on the embedded digits a 4 whose cost falls from 4.7305 to 0.0014 while the mean of all
8,000, which is C, falls from 3.5917 to 0.0769. About 10 s.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting

from jaxcost import cost, descent, network, plot, results

CONFIDENT = (0.02, 0.01, 0.05, 0.92, 0.03, 0.04, 0.01, 0.02, 0.01, 0.02)  # the cheatsheet's guess at a 3
SHRUG = (0.1,) * 10


@dataclass(frozen=True)
class Settings:
    """Which image, and how the network learns."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the network and the order of the images")
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(30, "Nielsen's number of epochs", small=3)
    image: int = setting(250, "which image of the training set to look at, from 0")


def run(settings):
    """Train; look at one image before and after, and at the costs of all."""
    train, _ = common.images(settings.data, settings.images)
    if not 0 <= settings.image < len(train):
        raise ValueError(f"--image {settings.image}, expected 0 to {len(train) - 1}")
    C = cost.Cost(train)
    init_key, batch_key = jax.random.split(jax.random.key(settings.seed))
    start = network.init(init_key, settings.sizes)
    steps = settings.epochs * (len(train) // settings.batch)
    trained = descent.descend(
        batch_key, C, start, optax.sgd(settings.rate), steps=steps, batch=settings.batch, every=steps
    ).params
    x, y = train.x[settings.image], train.y[settings.image]
    three = jnp.eye(10)[3]
    result = {
        "x": x,
        "cards": [
            {"name": "worked example: confident, correct", "a": jnp.array(CONFIDENT), "y": three},
            {"name": "worked example: total shrug", "a": jnp.array(SHRUG), "y": three},
            {"name": "this image, before learning", "a": network.feedforward(x, *start), "y": y},
            {"name": "this image, after learning", "a": network.feedforward(x, *trained), "y": y},
        ],
        "costs": {"before learning": C.per_image(*start), "after learning": C.per_image(*trained)},
        "totals": {"before learning": C(*start), "after learning": C(*trained)},
        "signatures": signatures(C, x, start),
        "image": settings.image,
    }
    return result, {"data": train.fingerprint}, table(result)


def signatures(C, x, params):
    """What goes into f and into C, and what comes out, in types and shapes."""
    said = lambda tree: ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(tree))
    out = jax.eval_shape(network.feedforward, x, *params)
    number = jax.eval_shape(lambda C, params: C(*params), C, params)
    return {
        "f": f"f(x ; w, b)   an image in: {said(x)}; w and b fixed; a guess out: {said(out)}",
        "C": f"C(w, b)       a network in: {said(params)}: {network.size(params):,} numbers; "
        f"all {C.n:,} images fixed; one number out: {said(number)}",
    }


def cost_of(card):
    """The sum of ten squared differences, in numpy."""
    return float(np.sum((np.asarray(card["a"], np.float64) - card["y"]) ** 2))


def table(result):
    """The cost of each card, the means, and the two signatures."""
    lines = [f"{'cost of one image, the sum of ten squared differences':<60}{'C_x':>8}"]
    lines += [f"{card['name']:<60}{cost_of(card):>8.4f}" for card in result["cards"]]
    lines += ["", f"{'total cost, the mean over all images':<60}{'C':>8}"]
    for name, total in result["totals"].items():
        costs = np.asarray(result["costs"][name], np.float64)
        lines.append(f"{name:<60}{float(total):>8.4f}   (mean of the {len(costs):,} costs: {costs.mean():.4f})")
    return [*lines, "", *result["signatures"].values()]


def draw(path):
    """The five steps, and the costs of all images."""
    result = results.load(path)
    return common.save_figures(path, {"steps": draw_steps(result), "all": draw_all(result)})


def draw_steps(result):
    """A row a guess: image, outputs, desired outputs, squared differences, their sum."""
    figure = common.figure(12, 9)
    rows = figure.subplots(len(result["cards"]), 5, width_ratios=(1, 1.5, 1.5, 1.5, 1))
    digits = np.arange(10)
    for row, card in zip(rows, result["cards"], strict=True):
        a, y = np.asarray(card["a"], np.float64), np.asarray(card["y"], np.float64)
        if "image" in card["name"]:
            plot.image(row[0], result["x"])
        else:
            row[0].set_axis_off()
            row[0].text(0.5, 0.5, f"a “{y.argmax()}”", ha="center", va="center", fontsize=20)
        row[0].set_title(card["name"].replace(": ", ":\n").replace(", ", ",\n"), fontsize=9)
        for ax, values, colour in zip(row[1:4], (a, y, (a - y) ** 2), ("tab:blue", "tab:gray", "tab:red"), strict=True):
            ax.bar(digits, values, color=colour)
            ax.set_ylim(0, 1.12)
            ax.set_xticks(digits)
            ax.tick_params(labelsize="x-small")
            ax.spines[["top", "right"]].set_visible(False)
        worst = int(((a - y) ** 2).argmax())
        share = (a - y)[worst] ** 2
        row[3].annotate(f"{share:.2g}", (worst, share), (0, 2), textcoords="offset points", ha="center", fontsize=8)
        row[4].set_axis_off()
        row[4].text(0.5, 0.5, f"{cost_of(card):.4f}", ha="center", va="center", fontsize=20)
    titles = ("", "2  ten outputs a", "3  desired outputs y", "4  (a - y)², ten of them", "5  their sum, C_x")
    for ax, title in zip(rows[0][1:], titles[1:], strict=True):
        ax.set_title(title, fontsize=10)
    figure.suptitle("The cost of one image in five steps (1: the image)", fontsize=13)
    return figure


def draw_all(result):
    """How the costs of all images are spread, and their mean, which is C."""
    figure = common.figure(9, 4.2)
    ax = figure.subplots()
    largest = max(np.max(costs) for costs in result["costs"].values())
    bins = np.linspace(0, largest, 80)
    for (name, costs), colour in zip(result["costs"].items(), ("tab:gray", "tab:blue"), strict=True):
        total = float(result["totals"][name])
        ax.hist(costs, bins, color=colour, alpha=0.6, label=f"{name}: C = {total:.4f}")
        ax.axvline(total, color=colour, lw=2)
    ax.set_yscale("log")
    ax.set_xlabel("cost of one image, C_x (vertical lines: the mean over all images, C)")
    ax.set_ylabel("images, logarithmic")
    ax.set_title(f"The costs of all {len(costs):,} images, and their mean")
    ax.legend()
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
