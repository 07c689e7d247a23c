"""A training path on the plane of its two principal components, and how wrong that picture is.

Trains ten networks and finds the principal components of each path. Li et al. 2018 (arXiv 1712.09913), section 7: two
of them hold 40 to 90 % of the path's variance. So do two of a random walk (Antognini & Sohl-Dickstein 2018, arXiv
1806.08805), which is why its share stands beside: exactly, in a space of high dimension, where steps are at right
angles. Of the first path the picture is drawn, and beside it what it hides: at each step the true cost, the cost at the
point of the plane that stands for it, and the distance from the plane.

    python experiments/training_path.py                         the embedded digits
    python experiments/training_path.py --data FOLDER           any four IDX files
    python experiments/training_path.py --rate 0.15             another learning rate

Expect, on the embedded digits, 90.4 % of the variance on two axes (90.2 to 90.7, 10 paths), a little above the band.
That says next to nothing: 76.0 % of a random walk, and 88.5 % of one with the path's drift, its distance from start to
end. The picture shows the start at C = 0.60, and it is 2.71; the path leaves it 19 off the plane, of 77 to the end, and
in the last fifth nearly all of the distance to the end is off the plane. With MNIST, 60,000 images, 86.8 % (86.3 to
87.0), 84.7 % of a walk with its drift, and the start at 0.50 instead of 2.72. About 25 s on two cores, MNIST 80.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting
from jax.tree_util import Partial

from jaxcost import cost, descent, directions, network, plot, populations, results, slices

COMPONENTS = 10  # of which shares are told


@dataclass(frozen=True)
class Settings:
    """Whose paths, and how they are seen."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the networks and the order of the images")
    seeds: int = setting(10, "paths; one is an anecdote", small=3)
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(30, "Nielsen's number of epochs", small=3)
    records: int = setting(80, "networks kept along each path beside the start", small=20)
    points: int = setting(81, "grid points a side of the plane", small=31)


def run(settings):
    """Train, find the plane, compare what it shows with what is true."""
    train, _ = common.images(settings.data, settings.images)
    C = cost.Cost(train)
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    every = settings.epochs * (len(train) // settings.batch) // settings.records
    trained = descent.ensemble(
        keys, C, Partial(network.init, sizes=settings.sizes), optax.sgd(settings.rate),
        steps=settings.records * every, batch=settings.batch, every=every, keep=True,
    )  # fmt: skip
    reached = np.median(trained.costs[:, -1])
    print(f"{settings.seeds} paths of {settings.records} stretches of {every} steps, C {reached:.4f}")
    paths = [jax.tree.map(lambda leaf, i=i: leaf[i], trained.trajectory) for i in range(settings.seeds)]
    walks = [nulls(path) for path in paths]
    result = {
        "steps": trained.steps,
        "costs": trained.costs,
        "shares": np.array([directions.principal(path, COMPONENTS).share for path in paths]),
        "walks": {name: np.stack([of[name] for of in walks]) for name in walks[0]},
        "picture": picture(C, paths[0], settings.points),
    }
    return result, {"data": train.fingerprint}, table(result)


def walk(squares, drift=0.0):
    """Shares of variance by component of a walk of steps at right angles, as random ones are in high dimension.

    The products of its points are x_i . x_j = sum of the squared lengths of the first min(i, j) steps, and i j drift^2
    more where each step also goes as far as `drift` one and the same way. Those of the centred points have the
    components' variances as eigenvalues.

    Args:
        squares: squared length of each step, `[steps]`.
        drift: length of what all steps have in common.
    """
    i, far = np.arange(len(squares) + 1), np.concatenate([[0], np.cumsum(squares)])
    products = np.minimum(far[:, None], far) + drift**2 * np.outer(i, i)
    centre = np.eye(len(i)) - 1 / len(i)
    variances = np.linalg.eigvalsh(centre @ products @ centre)[::-1]
    return variances[:COMPONENTS] / variances.sum()


def nulls(path):
    """Random walks that have the path's number of steps; also its lengths; or also its distance from start to end."""
    points = np.concatenate([np.float64(leaf).reshape(len(leaf), -1) for leaf in jax.tree.leaves(path)], 1)
    squares = np.square(np.diff(points, axis=0)).sum(1)
    steps, way = len(squares), np.square(points[-1] - points[0]).sum()
    # for steps d of such a walk, sum |d|^2 = steps (drift^2 + noise) and |sum d|^2 = steps^2 drift^2 + steps noise
    drift = np.sqrt(max(way - squares.sum(), 0) / (steps**2 - steps))
    noise = squares.mean() - drift**2
    return {
        "of one length": walk(np.ones(steps)),
        "as long as the path's": walk(squares),
        "of one length, with the path's drift": walk(np.full(steps, noise), drift),
    }


def picture(C, path, points):
    """The plane of the two components with the path upon it, and C where the plane has its steps."""
    seen = directions.principal(path, 2)
    end = jax.tree.map(lambda leaf: leaf[-1], path)
    low, high = seen.coordinates.min(0), seen.coordinates.max(0)
    half = 0.6 * (high - low).max()  # a square with a margin
    axes = [jnp.linspace(-half, half, points) + middle for middle in (low + high) / 2]
    return {
        "plane": slices.plane(C, end, *seen.directions, *axes),
        "coordinates": seen.coordinates,
        "shown": slices.evaluate(C, end, seen.directions, seen.coordinates),
        "off": seen.off,
        "moved": np.linalg.norm(seen.coordinates, axis=1),
    }


def table(result):
    """The shares beside a random walk's, the picture's cost beside the true one, and the verdict."""
    lines = ["share of the variance in percent, by component, medians", ""]
    lines.append(f"{'':58}" + "".join(f"{i + 1:>7}" for i in range(6)) + f"{'1 + 2':>9}")
    walks = {f"random walk, steps {name}": of for name, of in result["walks"].items()}
    for name, of in {"training": result["shares"], **walks}.items():
        middle = "".join(f"{one:>7.2f}" for one in 100 * np.median(of, 0)[:6])
        lines.append(f"{name:58}{middle}{np.median(of_two(of)):>9.2f}")
    share = of_two(result["shares"])
    seen, costs = result["picture"], np.asarray(result["costs"])[0]
    lines += ["", "the first path: the picture's cost beside the true one", ""]
    lines.append(f"{'step':>8}{'true C':>10}{'shown C':>10}{'ratio':>8}{'off the plane':>15}{'from the end':>14}")
    for i in np.unique(np.geomspace(1, len(costs), 9).astype(int) - 1):
        lines.append(
            f"{result['steps'][i]:>8,}{costs[i]:>10.4f}{seen['shown'][i]:>10.4f}{seen['shown'][i] / costs[i]:>8.2f}"
            f"{seen['off'][i]:>15.2f}{np.hypot(seen['off'][i], seen['moved'][i]):>14.2f}"
        )
    low, middle, high = np.quantile(seen["shown"] / costs, (0, 0.5, 1))
    lines.append(f"ratio over all steps: {low:.2f} to {high:.2f}, median {middle:.2f}")
    lines += ["", common.verdict("row 12, percent of variance on two axes", populations.summary(share), 40, 90)]
    for name, of in walks.items():
        more = populations.summary(share - of_two(of))
        lines.append(common.verdict(f"row 12, percent more than a {name}", more, low=0))
    return lines


def of_two(shares):
    """Percent of the variance along the first two components of each path."""
    return 100 * shares[:, :2].sum(1)


def draw(path):
    """The path on its plane with what the plane hides; the shares beside a random walk's."""
    result = results.load(path)
    return common.save_figures(path, {"path": draw_path(result), "shares": draw_shares(result)})


def draw_path(result):
    """The first path on its plane; by step, the true cost, the one shown, and the distance from the plane."""
    seen, costs, steps = result["picture"], result["costs"][0], result["steps"]
    figure = common.figure(13, 6)
    left, right = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    ax = left.subplots()
    plot.contour(ax, seen["plane"])
    plot.trajectory(ax, seen["coordinates"], seen["off"])
    some = len(steps) // 8
    for i, name in ((0, "start"), (some, f"step {steps[some]:,}"), (-1, "end")):
        ax.annotate(
            name, seen["coordinates"][i], (0, -40), textcoords="offset points", color="white", ha="center",
            arrowprops={"arrowstyle": "-", "color": "white", "lw": 0.8},
        )  # fmt: skip
    ax.locator_params(nbins=6)
    ax.set_xlabel(f"first component, {result['shares'][0, 0]:.1%} of the variance")
    ax.set_ylabel(f"second component, {result['shares'][0, 1]:.1%}")
    ax.set_title("C on the plane, through the end; larger dots: further off the plane", fontsize=10)
    top, bottom = right.subplots(2, 1, sharex=True)
    top.plot(steps, costs, label="true C of the step")
    top.plot(steps, seen["shown"], label="C shown: at its place on the plane")
    top.set_yscale("log")
    ratio = seen["shown"] / costs
    floor = f"noise floor {seen['plane'].floor:.0e}"
    top.set_title(f"The picture's C is {ratio.min():.2g} to {ratio.max():.2g} times the true one; {floor}", fontsize=10)
    bottom.plot(steps, np.hypot(seen["off"], seen["moved"]), color="black", label="distance from the end")
    bottom.plot(steps, seen["off"], color="tab:red", label="of it, off the plane")
    bottom.set_title(f"Up to {seen['off'].max():.2g} off the plane", fontsize=10)
    bottom.set_xlabel("step")
    bottom.set_ylabel("Euclidean distance")
    for ax in (top, bottom):
        ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    figure.suptitle("A training path on the plane of its two principal components, and what the plane hides")
    return figure


def draw_shares(result):
    """The share of each component: of the paths the median between the extremes, beside random walks."""
    figure = common.figure(7, 4.6)
    ax = figure.subplots()
    components = np.arange(1, COMPONENTS + 1)
    plot.band(ax, components, result["shares"], "training, median and extremes", marker="o")
    for marker, (name, shares) in zip("s^v", result["walks"].items(), strict=True):
        plot.band(ax, components, shares, f"random walk, steps {name}", marker=marker, ls="--")
    ax.set_yscale("log")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.set_xlabel("principal component")
    ax.set_ylabel("share of the path's variance")
    ax.set_title(f"{len(result['shares'])} training paths beside random walks of {len(result['steps']) - 1} steps")
    ax.grid(alpha=0.3, which="both")
    ax.legend()
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
