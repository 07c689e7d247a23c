"""C is bumpy, not a tidy bowl: tell at which scale.

Trains the cheatsheet's 784-16-16-10 network and cuts its cost surface along two random directions, about the
untrained, the half-trained and the trained network, at half-widths from 0.01 to 32, over all training images.

    python experiments/bumpy_planes.py                        the embedded digits
    python experiments/bumpy_planes.py --data FOLDER          any four IDX files, MNIST or Fashion-MNIST
    python experiments/bumpy_planes.py --draw output/bumpy_planes/bumpy_planes.npz

Expect, on the embedded digits (one run, jax 0.10), one minimum about the trained network at every half-width from 0.01
to 8, deeper than 0.01 from 0.125 on; at 32 two are deep, at half the resolution too, and 18 shallower, with 2 of the
grid alone. The untrained network lies on a slope, with one or two deep minima from half-width 2 on. How such numbers
hang on the grid, and on the network, many_planes.py tells. A minute or two on two cores.
"""

import textwrap
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import setting

from jaxcost import cost, directions, plot, results, slices
from jaxcost.measures import critical, minima, variation


@dataclass(frozen=True)
class Settings(common.Trained):
    """What is cut, where and how finely."""

    half_widths: tuple = setting(
        (0.01, 0.03, 0.125, 0.5, 2.0, 8.0, 32.0), "1 is the length of the weights", small=(0.03, 2.0, 32.0)
    )
    points: int = setting(61, "grid points a side, odd so that the network is one of them", small=21)
    line_points: int = setting(801, "points of the line, which spans the second largest half-width", small=101)
    depth: float = setting(0.01, "of a minimum that counts first, a hundredth of what knowing nothing costs, 0.9")


class Plane(NamedTuple):
    """A plane about a network, and its minima deeper than the noise floor.

    Attributes:
        half_width: of both axes.
        slice_: the plane itself, a `Slice`.
        of_C: the minima that are minima of C, `Minima`.
        of_grid: those of the grid alone, which run downhill into another one or away, along the exact gradient.
        deep: number of minima of C that are deeper than wanted.
        deep_at_half: number of minima as deep on every second point.
    """

    half_width: float
    slice_: slices.Slice
    of_C: minima.Minima
    of_grid: minima.Minima
    deep: int
    deep_at_half: int


class Surroundings(NamedTuple):
    """What C is like about one network.

    Attributes:
        cost: C at the network.
        accuracy: its share of images that are right.
        planes: along the same two directions, a `Plane` for each half-width.
        line: a finer `Slice` along the first of them.
        line_minima: `Minima` of the line, deeper than its noise floor.
    """

    cost: float
    accuracy: float
    planes: list[Plane]
    line: slices.Slice
    line_minima: minima.Minima


class Result(NamedTuple):
    """The training, and what C is like along it.

    Attributes:
        costs: C at the recorded steps, `[records]`.
        steps: these steps.
        networks: `Surroundings` of the untrained, the half-trained and the trained network, by name.
    """

    costs: np.ndarray
    steps: np.ndarray
    networks: dict[str, Surroundings]


def run(settings):
    """Train, cut, count."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    init_key, batch_key, direction_key = jax.random.split(jax.random.key(settings.seed), 3)
    trained = common.train(init_key, batch_key, C, settings, records=10 * settings.epochs)

    # the same random numbers for all three networks, each time scaled to the lengths of its own weights
    networks = {}
    for name, record in common.stages(trained.costs).items():
        params = trained.at(record)
        u, v = directions.random(direction_key, params, 2)
        planes = [cut(C, params, u, v, half_width, settings) for half_width in settings.half_widths]
        reach = sorted(settings.half_widths)[-2:][0]
        line = slices.line(C, params, u, np.linspace(-reach, reach, settings.line_points))
        networks[name] = Surroundings(
            cost=float(trained.costs[record]),
            accuracy=float(cost.accuracy(C, params)),
            planes=planes,
            line=line,
            line_minima=minima.local_minima(line.values, line.floor),
        )
        print(f"cut {name}: {len(planes)} planes, {sum(plane.slice_.values.size for plane in planes):,} points")
    return Result(trained.costs, trained.steps, networks), {"data": train.fingerprint, "images": len(train)}


def cut(C, params, u, v, half_width, settings):
    """One plane, its minima told apart by whether they stay when they go downhill on C itself."""
    axis = np.linspace(-half_width, half_width, settings.points)
    plane = slices.plane(C, params, u, v, axis, axis)
    found = minima.local_minima(plane.values, plane.floor)
    _, stays = critical.settle(C, plane, found)
    of_C, at_half = found.chosen(stays), minima.local_minima(plane.values[::2, ::2], plane.floor)
    deep = (int(one.deeper_than(settings.depth)) for one in (of_C, at_half))
    return Plane(half_width, plane, of_C, found.chosen(~stays), *deep)


def table(result):
    """Minima, the deepest one's depth and the floor, by half-width and network; then the networks themselves."""
    networks = result.networks.values()
    rows = [
        ["half-width"] + [cell for name in result.networks for cell in (name, "at half", "all", "deepest", "floor")]
    ]
    for planes in zip(*(network.planes for network in networks), strict=True):
        rows.append([f"{planes[0].half_width:g}"])
        for plane in planes:
            depth = f"{plane.of_C.deepest:.2g}" if plane.of_C.count else ""
            every = f"{plane.of_C.count} + {plane.of_grid.count}"
            rows[-1] += [plane.deep, plane.deep_at_half, every, depth, f"{plane.slice_.floor:.0e}"]
    of_networks = [["", "C", "right", "minima on a line", "its excess variation"]]
    for name, network in result.networks.items():
        excess = variation.excess_variation(network.line.values, network.line.floor)
        of_networks.append([name, network.cost, f"{network.accuracy:.1%}", network.line_minima.count, excess])
    return [
        "deep minima of C; grid minima as deep at half the resolution; all deeper than the noise floor, of C + of",
        "the grid alone; depth of the deepest; noise floor",
        "",
        *common.columns(rows),
        "",
        *common.columns(of_networks),
    ]


def draw(path):
    """The planes, one of them in 3-D, the lines, and the number of minima by half-width."""
    networks = results.load(path).networks
    depth = results.provenance(path)["settings"]["depth"]
    figures = {"planes": draw_planes(networks, depth), "surface": draw_surface(networks)}
    return common.save_figures(path, figures | {"lines": draw_lines(networks, depth)})


def draw_planes(networks, depth):
    """All planes: one network after the other downwards, half-widths to the right."""
    columns = len(networks["trained"].planes)
    width = 2.6 * columns + 0.8
    figure = common.figure(width, 7.4)
    axes = figure.subplots(len(networks), columns, squeeze=False)
    for of_network, (name, network) in zip(axes, networks.items(), strict=True):
        for ax, plane in zip(of_network, network.planes, strict=True):
            plot.contour(ax, plane.slice_, plane.of_C, plane.of_grid)
            shallow, of_grid = plane.of_C.count - plane.deep, plane.of_grid.count
            others = ((shallow, "shallower"), (of_grid, "of the grid alone"))
            others = ", ".join(f"{count} {which}" for count, which in others if count)
            ax.set_title(f"half-width {plane.half_width:g}\n{in_words(plane)}\n{others}".strip(), fontsize=8)
            ax.tick_params(labelsize="x-small")
        of_network[0].set_ylabel(f"{name}, C = {network.cost:.3g}\n\nβ", fontsize=11)
    for ax in axes[-1]:
        ax.set_xlabel("α")
    points = len(network.planes[0].slice_.alphas)
    floor = max(plane.slice_.floor for network in networks.values() for plane in network.planes)
    caption = (
        f"C(w, b) over all images on a random plane through three networks, {points} × {points} points a panel. "
        f"α, β: lengths of the filter-normalised directions, {common.LENGTH}; cross: the network; red: minima deeper "
        f"than the noise floor, at most {floor:.0e}; white: of the grid alone, not of C. Deep: by more than {depth:g}"
    )
    figure.suptitle(textwrap.fill(caption, round(10 * width)), fontsize=12)
    return figure


def in_words(plane):
    """One line on the deep minima of a plane."""
    if not plane.deep:
        return "no deep minimum"
    return f"{plane.deep} deep minim{'um' if plane.deep == 1 else 'a'}, deepest {plane.of_C.deepest:.2g}"


def draw_surface(networks):
    """The trained network's plane at the second largest half-width, in 3-D."""
    planes = sorted(networks["trained"].planes, key=lambda plane: plane.half_width)
    *finer, plane = planes[:-1] or planes
    figure = common.figure(8, 6.5)
    ax = figure.add_subplot(projection="3d", elev=28)
    plot.surface(ax, plane.slice_, *(one.slice_ for one in finer))
    ax.set_title(f"C about the trained network, half-width {plane.half_width:g}: {in_words(plane)}")
    return figure


def draw_lines(networks, depth):
    """The cost along one random line through each network, and minima of the planes by half-width."""
    figure = common.figure(12, 4.6)
    left, right = figure.subplots(1, 2)
    thick = zip((3.5, 2.2, 1), ("s", "o", "^"), networks.items(), strict=True)  # the thinner over the thicker
    for width, marker, (name, network) in thick:
        plot.line(left, network.line, name, lw=1)
        planes = sorted(network.planes, key=lambda plane: plane.half_width)
        widths = [plane.half_width for plane in planes]
        style = {"lw": width, "marker": marker, "ms": 2 * width + 3}
        (drawn,) = right.plot(widths, [plane.deep for plane in planes], "-", label=name, **style)
        every = [plane.of_C.count + plane.of_grid.count for plane in planes]
        right.plot(widths, every, ":", color=drawn.get_color(), lw=width)
    right.plot([], [], ":", color="gray", label="all that the grid shows above the noise floor")
    common.log(left.yaxis, right.xaxis)
    common.counts(right)
    left.set_xlabel(f"α, {common.LENGTH}")
    left.set_title("C along one random line through each network")
    right.set_xlabel("half-width of the plane")
    right.set_ylabel(f"minima deeper than {depth:g}")
    right.set_title("Deep minima on the planes, by half-width")
    common.tidy([left, right])
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
