"""The sum of squares is a choice: the same plane under five costs, and networks trained on one, judged by all.

From one start one network is trained on each cost. Each is judged by every cost. Then the plane through the start and
the networks of the quadratic cost and of cross-entropy is looked at under each cost: where do their minima lie?

    python experiments/other_costs.py                  the embedded digits
    python experiments/other_costs.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect, on the embedded digits: of the five networks the one trained on cross-entropy is the best also by the quadratic
cost (0.073 against 0.078 of the network trained on that), by absolute error and by hinge; that of the absolute cost
comes to nothing (14 % right: from this start all its outputs saturate at 0). The lowest points of the plane under the
five costs lie a few steps apart. About 25 s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting

from jaxcost import cost, descent, directions, network, plot, results, slices


class Choice(NamedTuple):
    """A cost: what it is called, what it is computed from, and a learning rate that suits it."""

    name: str
    f: Callable
    loss: Callable
    rate: float


CHOICES = (
    Choice("quadratic", network.feedforward, cost.quadratic, 1.5),  # Nielsen's 3, chapter 1, without his factor 1/2
    Choice("absolute", network.feedforward, cost.absolute, 0.5),
    Choice("cross-entropy", network.logits, cost.sigmoid_cross_entropy, 0.5),  # Nielsen's, chapter 3
    Choice("softmax", network.logits, cost.softmax_cross_entropy, 0.5),
    Choice("hinge", network.logits, cost.hinge, 0.1),
)
PLANE = ("quadratic", "cross-entropy")  # whose networks span the plane, with the start


@dataclass(frozen=True)
class Settings:
    """How the networks learn, and how finely the plane is cut."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images of each part, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the start and the order of the images, the same for all costs")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(20, "enough for each cost to level off", small=2)
    points: int = setting(51, "grid points a side", small=15)


def run(settings):
    """Train on each; judge by all; cut the plane."""
    train, held_out = common.images(settings.data, settings.images)
    costs = {choice.name: cost.Cost(train, choice.f, choice.loss) for choice in CHOICES}
    init_key, batch_key = jax.random.split(jax.random.key(settings.seed))
    start = network.init(init_key, settings.sizes)
    steps = settings.epochs * (len(train) // settings.batch)
    networks = {
        choice.name: descent.descend(
            batch_key, costs[choice.name], start, optax.sgd(choice.rate), steps=steps, batch=settings.batch, every=steps
        ).params
        for choice in CHOICES
    }
    judged = {
        name: {
            "costs": {other: float(C(*params)) for other, C in costs.items()},
            "accuracy": float(cost.accuracy(cost.Cost(train), *params)),
            "held_out": float(cost.accuracy(cost.Cost(held_out), *params)),
        }
        for name, params in ({"the start": start} | networks).items()
    }
    u, v = directions.through(start, *(networks[name] for name in PLANE))
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), start, *networks.values())
    places, off = directions.coordinates(stacked, start, (u, v))
    corners = places[[0, *(1 + list(networks).index(name) for name in PLANE)]]
    low, high = corners.min(0), corners.max(0)
    margin = 0.4 * (high - low).max()
    axes = [np.linspace(a - margin, b + margin, settings.points) for a, b in zip(low, high, strict=True)]
    planes = {name: slices.plane(C, start, u, v, *axes) for name, C in costs.items()}
    result = {"judged": judged, "places": places, "off": off, "names": ["the start", *networks], "planes": planes}
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}, table(result)


def lowest(plane):
    """Coordinates of the lowest grid point."""
    i, j = np.unravel_index(np.nanargmin(plane.values), plane.values.shape)
    return float(plane.alphas[i]), float(plane.betas[j])


def table(result):
    """Rows: trained on; columns: judged by."""
    names = list(result["planes"])
    width = max(map(len, names)) + 2  # of a column
    lines = [f"{'trained on':<{width}}" + "".join(f"{name:>{width}}" for name in [*names, "accuracy", "held out"])]
    for name, judged in result["judged"].items():
        numbers = [f"{judged['costs'][other]:.4f}" for other in names]
        shares = [f"{judged[which]:.1%}" for which in ("accuracy", "held_out")]
        lines.append(f"{name:<{width}}" + "".join(f"{number:>{width}}" for number in [*numbers, *shares]))
    best = {other: min(names, key=lambda name: result["judged"][name]["costs"][other]) for other in names}
    lines += ["", *(f"lowest {other}: the network trained on {name}" for other, name in best.items())]
    lines += ["", "lowest point of the plane, and how far that of the quadratic cost is from it:"]
    base = np.array(lowest(result["planes"]["quadratic"]))
    for name, plane in result["planes"].items():
        there = np.array(lowest(plane))
        lines.append(f"{name:<{width}}({there[0]:6.1f}, {there[1]:6.1f}){np.linalg.norm(there - base):10.1f}")
    return lines


def draw(path):
    """The plane under each cost; the judgements."""
    result = results.load(path)
    figure = common.figure(16, 7.6)
    *panels, last = figure.subplots(2, 3).ravel()
    shown = ["the start", *PLANE]
    for ax, (name, plane) in zip(panels, result["planes"].items(), strict=True):
        plot.contour(ax, plane)
        for other in shown:
            x, y = result["places"][result["names"].index(other)]
            ax.plot(x, y, "o", color="white", markeredgecolor="black", ms=6)
            right = x > np.mean(plane.alphas)
            ax.annotate(
                other, (x, y), (-6 if right else 6, 6), textcoords="offset points", color="white", fontsize=8,
                ha="right" if right else "left",
            )  # fmt: skip
        ax.plot(*lowest(plane), "*", color="tab:red", markeredgecolor="white", ms=14)
        ax.set_title(name)
    names = list(result["planes"])
    # each column against its best, so that costs of different units can be compared
    ratio = np.array([[result["judged"][name]["costs"][other] for other in names] for name in names])
    ratio = ratio / ratio.min(0)
    last.imshow(np.log10(ratio), cmap="Reds", vmin=0, vmax=1)
    for i, j in np.ndindex(ratio.shape):
        last.text(j, i, f"{ratio[i, j]:.2g}", ha="center", va="center", color="white" if ratio[i, j] > 4 else "black")
    last.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=8)
    last.set_yticks(range(len(names)), names, fontsize=8)
    last.set_xlabel("judged by, each against its best")
    last.set_ylabel("trained on")
    last.set_title("Is each the best by its own cost?")
    figure.suptitle(
        f"One plane through the start and the networks trained on the {PLANE[0]} cost and on {PLANE[1]}, "
        "under five costs; star: lowest point",
        fontsize=12,
    )
    return common.save_figures(path, {"planes": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
