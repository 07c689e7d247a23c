"""The sum of squares is a choice: the same plane under five costs, and networks trained on one, judged by all.

From one start one network is trained on each cost. Each is judged by every cost. Then the plane through the start and
the networks of the quadratic cost and of cross-entropy is looked at under each cost: where do their minima lie?

    python experiments/other_costs.py                  the embedded digits
    python experiments/other_costs.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect, on the embedded digits: of the five networks the one trained on cross-entropy is the best also by the quadratic
cost (0.073 against 0.078 of the network trained on that), by absolute error and by hinge; that of the absolute cost
comes to nothing (14 % right: from this start all its outputs saturate at 0). The lowest points of the plane under the
other costs lie 2.5 to 12 from that under the quadratic, which is 70 from the start. About 25 s.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, directions, losses, network, plot, results, slices, trajectories


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

    batch: int = like("batch")
    epochs: int = like("epochs", default=20, why="enough for each cost to level off", small=2)
    points: int = setting(51, "grid points a side", small=15)


class Judged(NamedTuple):
    """One network.

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


class Result(NamedTuple):
    """Networks and the plane through three of them, under each cost.

    Attributes:
        judged: the start and the networks, by the cost that each was trained on, `Judged` each.
        planes: the same plane under each cost, a `Slice` each.
    """

    judged: dict[str, Judged]
    planes: dict[str, slices.Slice]


def run(settings):
    """Train on each; judge by all; cut the plane."""
    train, held_out = common.images(settings)
    Cs = {name: cost.Cost(train, choice.f, choice.loss) for name, choice in CHOICES.items()}

    # from one start, with the images in one order
    keys = jax.random.split(jax.random.key(settings.seed))
    networks = {START: network.init(keys[0], settings.sizes)}
    for name, choice in CHOICES.items():
        print(f"{name}: ", end="")
        networks[name] = common.train(*keys, Cs[name], settings, optimizer=optax.sgd(choice.rate), keep=False).params

    # where all of them lie on the plane through three of them
    start = networks[START]
    u, v = directions.through(start, *(networks[name] for name in PLANE))
    coordinates, off = trajectories.coordinates(list(networks.values()), start, (u, v))
    judged = {
        name: Judged(
            costs={other: float(C(*params)) for other, C in Cs.items()},
            accuracy=float(cost.accuracy(Cs["quadratic"], params)),
            held_out=float(cost.accuracy(cost.Cost(held_out), params)),
            coordinates=here,
            off=float(away),
        )
        for (name, params), here, away in zip(networks.items(), coordinates, off, strict=True)
    }

    # that plane, with a margin
    axes = common.around([judged[name].coordinates for name in (START, *PLANE)], settings.points, margin=0.4)
    planes = {name: slices.plane(C, start, u, v, *axes) for name, C in Cs.items()}
    return Result(judged, planes), {"data": train.fingerprint, "held_out": held_out.fingerprint}


def lowest(plane):
    """Coordinates of the lowest grid point, `[2]`."""
    i, j = np.unravel_index(np.nanargmin(plane.values), plane.values.shape)
    return np.array([plane.alphas[i], plane.betas[j]], np.float64)


def table(result):
    """Each network judged by each cost, the best by each, and the lowest point of the plane under each."""
    names = list(result.planes)
    rows = [["trained on", *names, "right", "held out right", "off the plane"]]
    for name, of in result.judged.items():
        rows.append([name, *(f"{of.costs[other]:.4f}" for other in names), f"{of.accuracy:.1%}", f"{of.held_out:.1%}"])
        rows[-1].append(f"{of.off:.1f}")
    quadratic, of_planes = (
        lowest(result.planes["quadratic"]),
        [["cost", "the best network's", "lowest", "at", "from it"]],
    )
    for name, plane in result.planes.items():
        best, here = min(names, key=lambda other: result.judged[other].costs[name]), lowest(plane)
        at, away = "{:.1f}, {:.1f}".format(*here), f"{np.linalg.norm(here - quadratic):.1f}"
        of_planes.append([name, best, f"{np.nanmin(plane.values):.4f}", at, away])
    return [
        *common.columns(rows),
        "",
        "which network is the best by each cost; the lowest point of the plane, and how far it is from that of the "
        "quadratic cost:",
        *common.columns(of_planes),
    ]


def draw(path):
    """The plane under each cost; the judgements."""
    result = results.load(path)
    figure = common.figure(16, 8.2)
    *panels, last = figure.subplots(2, 3).ravel()
    for ax, (name, plane) in zip(panels, result.planes.items(), strict=True):
        plot.contour(ax, plane)
        for other in (START, *PLANE):
            x, y = result.judged[other].coordinates
            ax.plot(x, y, "o", color="white", markeredgecolor="black", ms=6)
            right = x > np.mean(plane.alphas)
            ax.annotate(
                other, (x, y), (-6 if right else 6, 6), textcoords="offset points", color="white", fontsize=8,
                ha="right" if right else "left",
            )  # fmt: skip
        ax.plot(*lowest(plane), "*", color="tab:red", markeredgecolor="white", ms=14)
        ax.set(title=name, xlabel="α, length in the space of parameters", ylabel="β")
    draw_judged(last, result)
    figure.suptitle(
        f"One plane through the start and the networks trained on the {PLANE[0]} cost and on {PLANE[1]}, "
        "under five costs; star: lowest point",
        fontsize=12,
    )
    return common.save_figures(path, {"planes": figure})


def draw_judged(ax, result):
    """Each network judged by each cost, against the best by it, so that costs of different units can be compared."""
    names = list(result.planes)
    ratio = np.array([[result.judged[name].costs[other] for other in names] for name in names])
    ratio = ratio / ratio.min(0)
    ax.imshow(np.log10(ratio), cmap="Reds", vmin=0, vmax=1)
    for i, j in np.ndindex(ratio.shape):
        ax.text(j, i, f"{ratio[i, j]:.2g}", ha="center", va="center", color="white" if ratio[i, j] > 4 else "black")
    ax.set_xticks(range(len(names)), names, rotation=20, ha="right", fontsize=8)
    ax.set_yticks(range(len(names)), names, fontsize=8)
    ax.set(xlabel="judged by, each against its best", ylabel="trained on", title="Is each the best by its own cost?")


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
