"""The sum of squares is a choice: the same plane under five costs, and networks trained on one, judged by all.

From each of several starts one network is trained on each cost, and judged by every cost. Then the plane through the
first start and its networks of the quadratic cost and of cross-entropy is looked at under each cost: where do their
minima lie?

    python experiments/other_costs.py                  the embedded digits
    python experiments/other_costs.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect, on the embedded digits, medians of six starts on two versions of jax: trained on cross-entropy C is 0.83 of that
of networks trained on C itself (0.75 to 1.07), 0.06 against 0.07, and of 12 pairs lower in 10; those of softmax are the
best by their own cost alone; those of the absolute cost come to nothing (7 to 17 % right: from such starts all outputs
saturate at 0). On the plane the costs need not agree on which of both valleys is the lower one. A minute on two cores.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, directions, losses, network, plot, results, slices, statistics, trajectories


class Choice(NamedTuple):
    """A cost: what it is computed from, and a learning rate that suits it."""

    f: Callable
    loss: Callable
    rate: float


CHOICES = {
    "quadratic": Choice(network.feedforward, losses.quadratic, 1.5),  # Nielsen's 3, chapter 1, without his factor 1/2
    "absolute": Choice(network.feedforward, losses.absolute, 0.5),
    "cross-entropy": Choice(network.logits, losses.sigmoid_cross_entropy, 0.5),  # Nielsen's, chapter 3
    "softmax": Choice(network.logits, losses.softmax_cross_entropy, 0.5),
    "hinge": Choice(network.logits, losses.hinge, 0.1),
}
START, PLANE = "the start", ("quadratic", "cross-entropy")  # the networks that span the plane


@dataclass(frozen=True)
class Settings(common.Network):
    """How the networks learn, and how finely the plane is cut."""

    networks: int = setting(6, "starts, the same for each cost; one is an anecdote", small=2)
    batch: int = like("batch")
    epochs: int = like("epochs", default=20, why="enough for each cost to level off", small=2)
    points: int = setting(51, "grid points a side", small=15)


class Judged(NamedTuple):
    """The network of the first start.

    Attributes:
        costs: each cost at the network, by name.
        accuracy: its share of training images that are right.
        held_out: of held-out images likewise.
        coordinates: where it lies on the plane, or the point of the plane that is nearest, `[2]`.
        off: how far it lies from the plane.
    """

    costs: dict[str, float]
    accuracy: float
    held_out: float
    coordinates: np.ndarray
    off: float


class Many(NamedTuple):
    """The networks of all starts.

    Attributes:
        costs: each cost at these, `{name: [networks]}`.
        accuracy: share of training images that are right, `[networks]`.
        held_out: of held-out images likewise.
    """

    costs: dict[str, np.ndarray]
    accuracy: np.ndarray
    held_out: np.ndarray


class Result(NamedTuple):
    """Networks and the plane through three of them, under each cost.

    Attributes:
        networks: the starts and the networks, by the cost that these were trained on, `Many` each.
        judged: those of the first start, `Judged` each.
        planes: the same plane under each cost, a `Slice` each.
    """

    networks: dict[str, Many]
    judged: dict[str, Judged]
    planes: dict[str, slices.Slice]


def run(settings):
    """Train on each; judge by all; cut the plane."""
    train, held_out = common.images(settings)
    Cs = {name: cost.Cost(train, choice.f, choice.loss) for name, choice in CHOICES.items()}

    # from the same starts, with the images in the same orders
    keys, networks = jax.random.split(jax.random.key(settings.seed), settings.networks), {}
    for name, choice in CHOICES.items():
        print(f"{name}: ", end="")
        run = common.train_many(keys, Cs[name], settings, optimizer=optax.sgd(choice.rate), keep=True)
        each = [run.network(i) for i in range(settings.networks)]
        networks[START], networks[name] = [one.at(0) for one in each], [one.params for one in each]
    right = {"accuracy": Cs["quadratic"], "held_out": cost.Cost(held_out)}
    found = {
        name: Many(
            costs={other: np.array([float(C(*params)) for params in of]) for other, C in Cs.items()},
            **{kind: np.array([float(cost.accuracy(C, params)) for params in of]) for kind, C in right.items()},
        )
        for name, of in networks.items()
    }

    # where those of the first start lie on the plane through three of them
    first = {name: of[0] for name, of in networks.items()}
    u, v = directions.through(first[START], *(first[name] for name in PLANE))
    coordinates, off = trajectories.coordinates(list(first.values()), first[START], (u, v))
    judged = {
        name: Judged(
            costs={other: float(costs[0]) for other, costs in found[name].costs.items()},
            accuracy=float(found[name].accuracy[0]),
            held_out=float(found[name].held_out[0]),
            coordinates=here,
            off=float(away),
        )
        for name, here, away in zip(first, coordinates, off, strict=True)
    }

    # that plane, with a margin
    axes = common.around([judged[name].coordinates for name in (START, *PLANE)], settings.points, margin=0.4)
    planes = {name: slices.plane(C, first[START], u, v, *axes) for name, C in Cs.items()}
    return Result(found, judged, planes), {"data": train.fingerprint, "held_out": held_out.fingerprint}


def lowest(plane):
    """Coordinates of the lowest grid point, `[2]`."""
    i, j = np.unravel_index(np.nanargmin(plane.values), plane.values.shape)
    return np.array([plane.alphas[i], plane.betas[j]], np.float64)


def best(result, name):
    """By a cost, the networks of which cost are the best, and from how many starts: "hinge 5, softmax 1"."""
    names = list(result.planes)
    each = np.argmin([result.networks[other].costs[name] for other in names], 0)
    counts = {names[i]: int(np.sum(each == i)) for i in np.unique(each)}
    return ", ".join(f"{other} {count}" for other, count in sorted(counts.items(), key=lambda item: -item[1]))


def table(result):
    """All networks judged by each cost, the best by each, and the lowest point of the plane under each."""
    names = list(result.planes)
    rows = [["trained on", *names, "right", "held out right"]]
    for name, of in result.networks.items():
        costs = [common.median_of(of.costs[other]) for other in names]
        rows.append([name, *costs, *(common.median_of(share, ".1%") for share in (of.accuracy, of.held_out))])
    quadratic = lowest(result.planes["quadratic"])
    of_planes = [["cost", "best, starts", "lowest on the plane", "at", "from that of the quadratic"]]
    for name, plane in result.planes.items():
        here = lowest(plane)
        at, away = "{:.1f}, {:.1f}".format(*here), f"{np.linalg.norm(here - quadratic):.1f}"
        of_planes.append([name, best(result, name), f"{np.nanmin(plane.values):.4f}", at, away])
    ratio = statistics.summary(np.divide(*(result.networks[name].costs["quadratic"] for name in PLANE[::-1])))
    return [
        f"medians (lowest to highest) of {len(result.networks[START].accuracy)} networks each",
        *common.columns(rows),
        "",
        "by each cost the networks of which are the best, from how many starts; the plane of the first start:",
        *common.columns(of_planes),
        "off it: " + ", ".join(f"{name} {of.off:.1f}" for name, of in result.judged.items() if of.off > 0.05),
        "",
        common.verdict("C of networks trained on cross-entropy, over that of those trained on C itself", ratio, high=1),
    ]


def draw(path):
    """The plane under each cost; the judgements."""
    result = results.load(path)
    figure = common.figure(16, 8.2)
    *panels, last = figure.subplots(2, 3).ravel()
    for ax, (name, plane) in zip(panels, result.planes.items(), strict=True):
        plot.contour(ax, plane, filled=True)
        for other in (START, *PLANE):
            x, y = result.judged[other].coordinates
            ax.plot(x, y, "o", color="white", markeredgecolor="black", ms=6)
            right = x > np.mean(plane.alphas)
            ax.annotate(
                other, (x, y), (-6 if right else 6, 6), textcoords="offset points", color="white", fontsize=8,
                bbox={"facecolor": "black", "alpha": 0.6, "lw": 0, "pad": 1}, zorder=6, ha="right" if right else "left",
            )  # fmt: skip
        ax.plot(*lowest(plane), "*", color="tab:red", markeredgecolor="white", ms=14)
        ax.set(title=name, xlabel="α, length in the space of parameters", ylabel="β")
    draw_judged(last, result)
    figure.suptitle(
        f"One plane through the start and the networks trained on the {PLANE[0]} cost and on {PLANE[1]}, "
        "under five costs; star: lowest point of the grid",
        fontsize=12,
    )
    return common.save_figures(path, {"planes": figure})


def draw_judged(ax, result):
    """The median networks judged by each cost, against the best by it: costs of different units can be compared."""
    names = list(result.planes)
    ratio = np.array([[np.median(result.networks[name].costs[other]) for other in names] for name in names])
    ratio = ratio / ratio.min(0)
    ax.imshow(np.log10(ratio), cmap="Reds", vmin=0, vmax=1)
    for i, j in np.ndindex(ratio.shape):
        ax.text(j, i, f"{ratio[i, j]:.2g}", ha="center", va="center", color="white" if ratio[i, j] > 4 else "black")
    ax.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set(xlabel="judged by, each against its best", ylabel="trained on")
    starts = len(result.networks[START].accuracy)
    ax.set_title(f"Is each the best by its own cost? Medians of {starts} starts", fontsize=10)


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
