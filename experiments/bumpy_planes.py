"""C is bumpy, not a tidy bowl: tell at which scale.

Trains the cheatsheet's 784-16-16-10 network and cuts its cost surface along two random directions, about the
untrained, the half-trained and the trained network, at half-widths from 0.01 to 32, over all training images.

    python experiments/bumpy_planes.py                        the embedded digits
    python experiments/bumpy_planes.py --data FOLDER          any four IDX files, MNIST or Fashion-MNIST
    python experiments/bumpy_planes.py --draw output/bumpy_planes/bumpy_planes.npz

Expect, on the embedded digits, one minimum about the trained network from half-width 0.125 to 8, and dozens at
32; the untrained network lies on a slope, with a few minima from half-width 2 on. At 32 up to two thirds of the grid's
minima turn out to be the grid's alone. About 50 s on two cores; with MNIST, 60,000 images, about 4 minutes.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting

from jaxcost import cost, descent, directions, network, plot, results, slices
from jaxcost.measures import bumpiness, critical, variation

NETWORKS = ("untrained", "half-trained", "trained")


@dataclass(frozen=True)
class Settings:
    """What is cut, where and how finely."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the network, the order of the images and the directions")
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(30, "Nielsen's number of epochs", small=3)
    half_widths: tuple = setting(
        (0.01, 0.03, 0.125, 0.5, 2.0, 8.0, 32.0), "1 is the length of the weights", small=(0.03, 2.0, 32.0)
    )
    points: int = setting(61, "grid points a side, odd so that the network is one of them", small=21)
    line_points: int = setting(801, "points of the line, which spans the second largest half-width", small=101)


def run(settings):
    """Train, cut, count."""
    train, _ = common.images(settings.data, settings.images)
    C = cost.Cost(train)
    init_key, batch_key, *direction_keys = jax.random.split(jax.random.key(settings.seed), 4)
    start = network.init(init_key, settings.sizes)
    print(f"{len(train):,} images, {'-'.join(map(str, settings.sizes))}, {network.size(start):,} parameters")
    trained = train_recorded(batch_key, C, start, settings)
    half = halfway(trained.costs)
    networks = {
        name: jax.tree.map(lambda leaf, i=i: leaf[i], trained.trajectory)
        for name, i in zip(NETWORKS, (0, half, -1), strict=True)
    }
    print(f"trained for {trained.steps[-1]:,} steps: C from {trained.costs[0]:.3f} to {trained.costs[-1]:.4f}")

    result = {"costs": trained.costs, "steps": trained.steps, "half": half, "networks": {}}
    for name, params in networks.items():
        u, v = (directions.filter_normalized(directions.gaussian(k, params), params) for k in direction_keys)
        ladder = {}
        for half_width in settings.half_widths:
            axis = jnp.linspace(-half_width, half_width, settings.points)
            plane = slices.plane(C, params, u, v, axis, axis)
            minima = bumpiness.local_minima(plane.values, plane.floor)
            _, stays = critical.settle(C, params, (u, v), plane, minima.indices)
            ladder[f"{half_width:g}"] = {
                "plane": plane,
                "minima": minima.chosen(stays),
                "grid_only": minima.chosen(~stays),
            }
        reach = sorted(settings.half_widths)[-2:][0]
        line = slices.line(C, params, u, jnp.linspace(-reach, reach, settings.line_points))
        result["networks"][name] = {
            "params": params,
            "accuracy": float(cost.accuracy(C, *params)),
            "ladder": ladder,
            "line": line,
            "line_minima": bumpiness.local_minima(line.values, line.floor),
            "line_excess": variation.excess_variation(line.values, line.floor),
        }
        print(f"cut {name}: {len(ladder)} planes, {sum(s['plane'].values.size for s in ladder.values()):,} points")
    return result, {"data": train.fingerprint, "images": len(train)}, table(result)


def train_recorded(key, C, start, settings):
    """The training run, its parameters recorded about ten times an epoch."""
    per_epoch = C.n // settings.batch
    every = next(k for k in range(max(1, per_epoch // 10), 0, -1) if per_epoch % k == 0)
    return descent.descend(
        key, C, start, optax.sgd(settings.rate),
        steps=settings.epochs * per_epoch, batch=settings.batch, every=every, keep=True,
    )  # fmt: skip


def halfway(costs):
    """Index of the first record at which C is half of its way down, on a logarithmic scale."""
    return int(np.argmax(np.asarray(costs) <= np.sqrt(costs[0] * costs[-1])))


def table(result):
    """Minima, the deepest one's depth and the floor, by half-width and network."""
    lines = [
        "minima deeper than the noise floor + those of the grid alone, depth of the deepest, noise floor",
        "",
    ]
    lines += ["half-width" + "".join(f"{name:>30}" for name in result["networks"])]
    for width in result["networks"][NETWORKS[0]]["ladder"]:
        row = f"{width:>10}"
        for cut in result["networks"].values():
            minima, grid_only = cut["ladder"][width]["minima"], cut["ladder"][width]["grid_only"]
            depth = f"{minima.deepest:.2g}" if minima.count else ""
            row += f"{minima.count:>8} + {grid_only.count:<3}{depth:>8} {minima.floor:>7.0e}"
        lines.append(row)
    ends = [f"{name} {result['costs'][i]:.4f}" for name, i in zip(NETWORKS, (0, result["half"], -1), strict=True)]
    return [*lines, "", f"C: {', '.join(ends)}"]


def draw(path):
    """The planes, one of them in 3-D, the lines, and the number of minima by half-width."""
    result = results.load(path)
    return common.save_figures(
        path, {"planes": draw_planes(result), "surface": draw_surface(result), "lines": draw_lines(result)}
    )


def draw_planes(result):
    """All planes: a row a network, a column a half-width."""
    networks = result["networks"]
    widths = list(networks[NETWORKS[0]]["ladder"])
    figure = common.figure(2.6 * len(widths) + 0.8, 9.3)
    axes = figure.subplots(len(networks), len(widths), squeeze=False)
    for row, (name, cut) in zip(axes, networks.items(), strict=True):
        for ax, (width, step) in zip(row, cut["ladder"].items(), strict=True):
            plot.contour(ax, step["plane"], step["minima"], step["grid_only"])
            floor = f"floor {step['plane'].floor:.0e}, {step['grid_only'].count} of the grid alone"
            ax.set_title(f"half-width {width}\n{said(step['minima'])}\n{floor}", fontsize=8)
            ax.tick_params(labelsize="x-small")
        i = {"untrained": 0, "half-trained": result["half"], "trained": -1}[name]
        row[0].set_ylabel(f"{name}, C = {result['costs'][i]:.3g}\n\nβ", fontsize=11)
    for ax in axes[-1]:
        ax.set_xlabel("α")
    points = len(step["plane"].alphas)
    figure.suptitle(
        f"C(w, b) over all images on a random plane through three networks, {points} × {points} points a panel\n"
        "α, β: lengths of the filter-normalised directions, 1 = the length of each neuron's own weights; "
        "+ the network; red: minima deeper than the noise floor; white: minima of the grid alone, not of C",
        fontsize=12,
    )
    return figure


def said(minima):
    """One line on the minima of a panel."""
    if not minima.count:
        return "no minimum"
    return f"{minima.count} minim{'um' if minima.count == 1 else 'a'}, deepest {minima.deepest:.2g}"


def draw_surface(result):
    """The trained network's plane at the second largest half-width, in 3-D."""
    width, step = list(result["networks"]["trained"]["ladder"].items())[-2:][0]
    figure = common.figure(8, 6.5)
    ax = figure.add_subplot(projection="3d")
    plot.surface(ax, step["plane"])
    ax.set_title(f"C about the trained network, half-width {width}: {said(step['minima'])}")
    ax.set_box_aspect(None, zoom=0.9)
    return figure


def draw_lines(result):
    """The cost along one random line through each network, and minima of the planes by half-width."""
    figure = common.figure(12, 4.6)
    left, right = figure.subplots(1, 2)
    for name, cut in result["networks"].items():
        plot.line(left, cut["line"], f"{name}: {said(cut['line_minima'])}", lw=1)
        ladder = cut["ladder"]
        widths, steps = list(map(float, ladder)), ladder.values()
        (drawn,) = right.plot(widths, [s["minima"].count for s in steps], "o-", label=name)
        on_grid = [s["minima"].count + s["grid_only"].count for s in steps]
        right.plot(widths, on_grid, ":", color=drawn.get_color())
    right.plot([], [], ":", color="gray", label="those of the grid alone added")
    left.set_yscale("log")
    left.set_xlabel("α, 1 = the length of each neuron's own weights")
    left.set_title("C along one random line through each network")
    right.set_xscale("log")
    right.set_yscale("symlog", linthresh=1)
    right.set_ylim(bottom=-0.1)
    right.yaxis.set_major_formatter("{x:g}")
    right.set_xlabel("half-width of the plane")
    right.set_ylabel("minima deeper than the noise floor")
    right.set_title("Minima on the planes, by half-width")
    for ax, place in ((left, "center right"), (right, "upper left")):
        ax.legend(fontsize=8, loc=place)
        ax.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
