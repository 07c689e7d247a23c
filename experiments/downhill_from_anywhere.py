"""Downhill from wherever you stand: many random starts, many random directions, three ways down.

A thousand networks start at random and go downhill together: how many reach which cost? At a start, which share of
random directions goes down, and how far beside the gradient's? And gradient descent, momentum and Adam from one
start, on one plane, with their distance off it.

    python experiments/downhill_from_anywhere.py                  2,000 of the embedded digits
    python experiments/downhill_from_anywhere.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect every one of the 1,000 networks below where it started, and below C = 1, after 600 steps; half of the random
directions going down, the best of 1,000 by a fortieth of what the gradient gives for the same length; and three ways
that end in different places, momentum here on a plateau where several digits are never learned. About 40 s.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting
from jax.tree_util import Partial

from jaxcost import cost, descent, directions, network, plot, results, slices

TOGETHER = 50  # images taken together while all networks are judged at once, which bounds the memory


@dataclass(frozen=True)
class Settings:
    """How many starts, and how they go down."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(2000, "take only so many images, 0 for all; all networks learn them", small=200)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes all networks, orders and directions")
    starts: int = setting(1000, "networks trained together", small=20)
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    steps: int = setting(600, "of each of the networks", small=100)
    directions: int = setting(1000, "random directions at one start", small=100)
    path_steps: int = setting(4000, "of each of the three ways down, a multiple of 50", small=200)
    points: int = setting(41, "grid points a side of the plane of the three ways", small=11)


def ways(settings):
    """Three optimisers: gradient descent and momentum of one effective rate, and Adam at its usual rate times ten."""
    return {
        "descent": optax.sgd(settings.rate),
        "momentum": optax.sgd(settings.rate / 10, momentum=0.9),
        "Adam": optax.adam(1e-2),
    }


def run(settings):
    """All starts; all directions; three ways."""
    train, _ = common.images(settings.data)
    mixed = jax.random.permutation(jax.random.key(settings.seed), len(train))  # classes may be stored in turn
    train = train[mixed[: settings.images or None]]
    C = cost.Cost(train)
    start_keys, direction_key, path_key = jax.random.split(jax.random.key(settings.seed), 3)
    run = descent.ensemble(
        jax.random.split(start_keys, settings.starts), cost.Cost(train, block=TOGETHER),
        Partial(network.init, sizes=settings.sizes), optax.sgd(settings.rate),
        steps=settings.steps, batch=settings.batch, every=settings.steps // 5,
    )  # fmt: skip
    start = network.init(path_key, settings.sizes)
    slope = descent.gradient(C, start)
    length = float(descent.gradient_norm(C, *start))
    step = 0.1  # long beside rounding, short beside the starts' length of 114
    keys = jax.random.split(direction_key, settings.directions)
    fallen = np.asarray(falls(C, start, keys, step))
    unit = jax.tree.map(lambda leaf: -leaf / length, slope)
    along = float(slices.evaluate(C, start, (unit,), [[step]])[0] - C(*start))

    paths = {}
    for name, optimizer in ways(settings).items():
        paths[name] = descent.descend(
            path_key, C, start, optimizer,
            steps=settings.path_steps, batch=settings.batch, every=settings.path_steps // 50, keep=True,
        )  # fmt: skip
    joined = jax.tree.map(lambda *leaves: jnp.concatenate(leaves), *(path.trajectory for path in paths.values()))
    principal = directions.principal(joined)
    origin = jax.tree.map(lambda leaf: leaf[-1], joined)
    low, high = principal.coordinates.min(0), principal.coordinates.max(0)
    margin = 0.15 * (high - low).max()
    axes = [np.linspace(a - margin, b + margin, settings.points) for a, b in zip(low, high, strict=True)]
    result = {
        "costs": run.costs,
        "steps": run.steps,
        "fallen": fallen,
        "along": along,
        "step": step,
        "slope": length,
        "plane": slices.plane(C, origin, *principal.directions, *axes),
        "share": principal.share,
        "places": np.split(principal.coordinates, len(paths)),
        "off": np.split(principal.off, len(paths)),
        "paths": {name: {"costs": path.costs, "steps": path.steps} for name, path in paths.items()},
    }
    return result, {"data": train.fingerprint}, table(result)


@jax.jit
def falls(C, params, keys, step):
    """How much C changes by a step along a random direction, one a key."""

    def change(key):
        way = directions.gaussian(key, params)
        scale = step / jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(way)))
        return C(*jax.tree.map(lambda p, d: p + scale * d, params, way)) - C(*params)

    return jax.lax.map(change, keys)


def table(result):
    """Who reaches what; who goes down; where the three ways end."""
    final, fallen = np.asarray(result["costs"])[:, -1], result["fallen"]
    levels = (1.0, 0.5, 0.3, 0.2, 0.1)
    down = fallen < 0
    lines = [f"{len(final):,} random starts after {int(result['steps'][-1]):,} steps:"]
    lines += [f"  C below {level:<4} {np.mean(final < level):6.1%}" for level in levels]
    lines += [
        f"  lowest {final.min():.3f}, median {np.median(final):.3f}, highest {final.max():.3f}; all went down: "
        f"{np.mean(final < np.asarray(result['costs'])[:, 0]):.1%}",
        "",
        f"{len(fallen):,} random directions at one start, a step of length {result['step']:g}:",
        f"  {down.mean():.1%} go down, the best by {-fallen.min():.2e}",
        f"  the gradient goes down by {-result['along']:.2e}, {result['along'] / fallen.min():.0f} times as far",
        "",
        f"three ways from one start; two principal directions hold {np.sum(result['share']):.1%} of their variance:",
    ]
    for (name, path), off in zip(result["paths"].items(), result["off"], strict=True):
        lines.append(f"  {name:<10} C {float(path['costs'][-1]):.4f}, at most {off.max():.1f} off the plane")
    return lines


def draw(path):
    """The starts' costs; the directions' falls; the three ways."""
    result = results.load(path)
    figure = common.figure(15, 8.4)
    (starts, final, falls), (plane, costs, off) = figure.subplots(2, 3)
    of_starts = np.asarray(result["costs"])
    for quantiles, alpha in (((0, 1), 0.15), ((0.05, 0.95), 0.25), ((0.25, 0.75), 0.4)):
        low, high = np.quantile(of_starts, quantiles, axis=0)
        label = "all" if alpha == 0.15 else f"{quantiles[1] - quantiles[0]:.0%} of them"
        starts.fill_between(result["steps"], low, high, color="tab:blue", alpha=alpha, lw=0, label=label)
    starts.plot(result["steps"], np.median(of_starts, 0), color="black", label="median")
    starts.set_yscale("log")
    for formatter in (starts.yaxis.set_major_formatter, starts.yaxis.set_minor_formatter):
        formatter("{x:g}")
    starts.set_xlabel("step")
    starts.set_ylabel("C")
    starts.set_title(f"{len(of_starts):,} random starts, all downhill")
    starts.legend(fontsize=8)
    for values, label, colour in (
        (of_starts[:, 0], "at the start", "tab:gray"),
        (of_starts[:, -1], "at the end", "tab:blue"),
    ):
        final.hist(np.log10(values), 40, color=colour, label=label)
    ticks = [0.1, 0.2, 0.5, 1, 2, 5]
    final.set_xticks(np.log10(ticks), [f"{tick:g}" for tick in ticks])
    final.set_xlabel("C, logarithmic")
    final.set_ylabel("networks")
    final.set_title("How many reach which cost")
    final.legend(fontsize=8)
    falls.hist(1e3 * result["fallen"], 40, color="tab:gray", label="random directions")
    falls.axvline(1e3 * result["along"], color="tab:red", label="the gradient, downhill")
    falls.axvline(0, color="black", lw=0.8)
    falls.set_xlabel(f"change of C in thousandths, by a step of length {result['step']:g}")
    falls.set_ylabel("directions")
    falls.set_title(f"{np.mean(result['fallen'] < 0):.0%} of random directions go down, a little")
    falls.legend(fontsize=8)
    plot.contour(plane, result["plane"])
    styles = zip(
        result["paths"].items(), result["places"], result["off"], ("white", "tab:orange", "tab:red"), strict=True
    )
    for (name, of), places, away, colour in styles:
        plane.plot(*places.T, ".-", color=colour, ms=3, lw=1, label=name)
        dark = "black" if colour == "white" else colour
        costs.plot(of["steps"], of["costs"], color=dark, label=name)
        off.plot(of["steps"], away, color=dark, label=name)
    plane.plot(*result["places"][0][0], "*", color="white", markeredgecolor="black", ms=12)
    plane.legend(fontsize=8, facecolor="gray", labelcolor="white")
    plane.set_title(f"Three ways from one start (star); the plane holds {np.sum(result['share']):.0%}", fontsize=10)
    costs.set_yscale("log")
    costs.set_title("Their true costs")
    costs.set_ylabel("C")
    off.set_title("Their distance off that plane")
    off.set_ylabel("length in the space of parameters")
    for ax in (costs, off):
        ax.set_xlabel("step")
        ax.legend(fontsize=8)
        ax.grid(alpha=0.3)
    return common.save_figures(path, {"downhill": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
