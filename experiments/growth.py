"""How does the time of a slice grow? Time a point against points, images, width, directions and devices.

Run it with nothing else running. The ways of a sweep take turns. The exponent p of time a point ~ x^p is fitted to the
medians, by least squares in logarithms; beside it is the range of the exponents fitted to each turn alone.

    python experiments/growth.py --data FOLDER      60,000 MNIST images
    python experiments/growth.py                    the embedded digits

Expect of a point of `slices.evaluate`; in brackets what 60,000 images showed on two shared cores, jax 0.10.2, in nine
minutes with --repeats 3 --seconds 5, where in its three turns it lay:

- against the points of a grid: p about 0 (-0.12 to -0.08). A small grid is dearer, since it pays for its coefficients.
- against images: p about 1 (0.90 to 0.92): less, since a point costs something whatever their number.
- against the width of 784-w-w-10: p between 1 and 2 (1.62 to 1.68). The first layer is hoisted. What is left an image,
  w (w + 10) multiplications and 2 w + 10 sigmoids, grows with w where it is small, with its square where it is large.
- against directions: p well below 1 (0.11 to 0.18). Each adds one multiplication a neuron of the first layer and image.
- against simulated devices: p about 0 or a little below (-0.12 to 0). All of them, and processes, share the cores of
  this machine, which one device uses already for what is large enough to be shared out.
"""

import contextlib
import os
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import common
import jax
import numpy as np
from common import setting
from peers import in_jax, spread, timing

from jaxcost import directions, results, slices


@dataclass(frozen=True)
class Settings(common.Network):
    """What grows, and how far."""

    points: int = setting(51, "grid points a side of the plane, where these do not grow", small=9)
    repeats: int = setting(5, "turns, of which the median is taken", small=2)
    seconds: float = setting(10.0, "a turn of a way, about: it takes fewer points if need be, but 20", small=0.02)
    grids: tuple = setting((11, 51, 201), "points a side", small=(5, 11))
    shares: tuple = setting((0.125, 0.25, 0.5, 1.0), "shares of the images", small=(0.5, 1.0))
    widths: tuple = setting((16, 64, 256, 1024), "neurons of each of two hidden layers", small=(4, 8))
    directions: tuple = setting((1, 2, 4, 8), "dimensions of the slice, at random points", small=(1, 2))
    devices: tuple = setting((1, 2, 4, 8), "simulated devices of one process", small=(1, 2))
    processes: int = setting(2, "real processes of one device each, below 2 for none", small=0)
    limit: float = setting(300.0, "seconds after which a process that does not answer is ended")


class Sweep(NamedTuple):
    """Times of several ways, which differ in one number x.

    Attributes:
        x: what grows, `[ways]`.
        points: how many were timed, `[ways]`.
        seconds: a point, `[ways, turns]`.
    """

    x: np.ndarray
    points: np.ndarray
    seconds: np.ndarray


class Result(NamedTuple):
    """What was timed.

    Attributes:
        sizes: of the network, where its width does not grow.
        images: how many, where these do not grow.
        cores: of this machine.
        points: by points of the grid.
        shares: by images.
        widths: by w.
        multiplications: a point and image by w, of all layers but the first.
        directions: by their number.
        devices: by their number, simulated in one process.
        processes: by their number, of one device each; empty if there are none.
        difference: the largest between the mean of C on one device and spread.
    """

    sizes: tuple
    images: int
    cores: int
    points: Sweep
    shares: Sweep
    widths: Sweep
    multiplications: np.ndarray
    directions: Sweep
    devices: Sweep
    processes: Sweep
    difference: float


GROWING = {  # field of the result: its name, the exponent to expect, and the ways through which its line is drawn
    "points": ("points of the grid", 0, [-1]),
    "shares": ("images", 1, [-1]),
    "widths": ("width w of two hidden layers", "multiplications", [-1]),
    "directions": ("directions k", "the fit", slice(None)),
    "devices": ("simulated devices", 0, [0]),
}


def run(settings):
    """Time everything."""
    train, _ = common.images(settings)
    layers, plane = "-".join(map(str, settings.sizes)), in_jax.grid(settings.points)
    C, origin, uv = in_jax.model(layers, train)
    whole, some = way(settings, C, origin, uv, plane)
    points = timed(settings, "grids", {side**2: (whole, in_jax.grid(side)) for side in settings.grids})
    parts = [train[: max(1, int(share * C.n))] for share in settings.shares]
    ways = {len(part): way(settings, *in_jax.model(layers, part), plane) for part in parts}
    shares = timed(settings, "images", ways)
    wide = {w: in_jax.model(f"{train.x.shape[1]}-{w}-{w}-{train.y.shape[1]}", train) for w in settings.widths}
    widths = timed(settings, "widths", {w: way(settings, *model, plane) for w, model in wide.items()})
    multiplications = np.array([sum(leaf.size for leaf in model[1].w[1:]) for model in wide.values()])
    along = directions.random(jax.random.key(settings.seed), origin, max(settings.directions))
    draw = lambda k: np.random.default_rng(settings.seed).uniform(-1, 1, (len(plane), k)).astype(np.float32)
    ways = {k: way(settings, C, origin, along[:k], draw(k)) for k in settings.directions}
    by_directions = timed(settings, "directions", ways)
    devices, processes, means = timed_spread(settings, some)
    difference = float(np.abs(np.array(means) - whole(some).mean(dtype=float)).max())
    sweeps = points, shares, widths, multiplications, by_directions, devices, processes
    return Result(settings.sizes, C.n, os.cpu_count(), *sweeps, difference), {"data": train.fingerprint}


def way(settings, C, origin, along, points):
    """`slices.evaluate`, and so many of the points that it takes about so many seconds."""
    planned = slices.plan(C, origin, along, points).seconds
    some = points[: max(20, int(settings.seconds / planned * len(points)))]
    return partial(slices.evaluate, C, origin, along, progress=False), some


def timed(settings, name, ways):
    """A `Sweep` of ways in turns, `{x: (function of points, points)}`."""
    print(f"{name}: {settings.repeats} turns of {' + '.join(f'{len(points):,}' for _, points in ways.values())} points")
    seconds = timing.turns(ways, settings.repeats)
    return Sweep(*map(np.array, (list(ways), [len(points) for _, points in ways.values()], list(seconds.values()))))


def timed_spread(settings, points):
    """A `Sweep` over simulated devices, and one over processes, in turns with each other; and each mean that was found.

    Each way has processes of its own, which wait while others have their turn.
    """
    own = {"data": settings.data, "images": settings.images, "sizes": settings.sizes}
    task = own | {"side": settings.points, "points": len(points)}
    simulated, real = [(n, 1) for n in settings.devices], [(1, settings.processes)] * (settings.processes > 1)
    means, at_once = [], lambda group: lambda _: means.extend(spread.ask(group, settings.limit))
    with contextlib.ExitStack() as stack:
        groups = {key: stack.enter_context(spread.started(task, *key)) for key in simulated + real}
        found = timed(settings, "devices", {key: (at_once(group), points) for key, group in groups.items()})
    n, (x, timed_points, seconds) = len(simulated), found._replace(x=found.x.prod(1))
    return Sweep(x[:n], timed_points[:n], seconds[:n]), Sweep(x[n:], timed_points[n:], seconds[n:]), means


def exponents(sweep):
    """The power p of time a point ~ x^p, fitted to the medians, and to each turn alone; NaN of one x."""
    fitted = lambda seconds: float(timing.exponent(dict(zip(sweep.x.tolist(), seconds, strict=True))))
    return fitted(sweep.seconds), [fitted(turn[:, None]) for turn in sweep.seconds.T]


def shown(sweep):
    """The exponent and its range: "0.97 (0.95 to 1.01)"."""
    p, each = exponents(sweep)
    return f"{p:.2f} ({min(each):.2f} to {max(each):.2f})"


def expected(result, name):
    """The exponent to expect, in words, and numbers in proportion to the time a point, `[ways]`."""
    (_, p, _), sweep = GROWING[name], getattr(result, name)
    if p == "multiplications":
        return (
            f"{exponents(sweep._replace(seconds=result.multiplications[:, None]))[0]:.2f}, as {p}",
            result.multiplications,
        )
    return str(p), np.float64(sweep.x) ** (np.nan_to_num(exponents(sweep)[0]) if p == "the fit" else p)


def table(result):
    """Milliseconds a point of each sweep, and the exponents."""
    cells = lambda of: [[f"{x:,}", int(m), common.median_of(1e3 * s, ".3f")] for x, m, s in zip(*of, strict=True)]
    rows = {name: cells(getattr(result, name)) for name in GROWING}
    heads = {name: [title, "points timed", "ms a point"] for name, (title, *_) in GROWING.items()}
    heads["widths"].append("multiplications a point and image")
    rows["widths"] = [[*row, int(m)] for row, m in zip(rows["widths"], result.multiplications, strict=True)]
    rows["devices"] += [[f"{x} processes of one device", *more] for x, *more in cells(result.processes)]
    fits = [[GROWING[name][0], shown(getattr(result, name)), expected(result, name)[0]] for name in GROWING]
    return [
        f"{'-'.join(map(str, result.sizes))}, {result.images:,} images, {result.cores} cores, "
        f"median of {result.points.seconds.shape[1]} turns (lowest to highest)",
        *(line for name in GROWING for line in ("", *common.columns([heads[name], *rows[name]]))),
        "",
        *common.columns([["time a point ~ x^p", "p (each turn alone)", "expected"], *fits]),
        "",
        f"largest difference between the mean of C on one device and spread: {result.difference:.1e}",
    ]


def draw(path):
    """Milliseconds a point against each thing that grows, both logarithmic, with what to expect dotted."""
    result = results.load(path)
    figure = common.figure(9, 6.2)
    figure.get_layout_engine().set(h_pad=0.1)
    *axes, last = figure.subplots(2, 3).ravel()
    for ax, name in zip(axes, GROWING, strict=True):
        draw_sweep(ax, result, name)
    for ax in axes[::3]:
        ax.set_ylabel("milliseconds a point")
    common.tidy(axes, loc="upper left")
    last.axis("off")
    words = (
        f"{'-'.join(map(str, result.sizes))},\n{result.images:,} images, {result.cores} cores.\n\n"
        f"Marks: medians of {result.points.seconds.shape[1]} turns.\nBars: lowest to highest.\n\n"
        "Time a point ~ x^p. p is fitted\nto the medians, and in brackets\nto each turn alone.\n\n"
        "Dotted: what to expect. All\ndevices share the cores."
    )
    last.text(0.0, 0.98, words, va="top", transform=last.transAxes, linespacing=1.4)
    return common.save_figures(path, {"exponents": figure})


def draw_sweep(ax, result, name):
    """Medians, lowest and highest of one sweep, and a dotted line of the exponent to expect."""
    (title, _, through), sweep = GROWING[name], getattr(result, name)
    more = [(result.processes, "s", "real processes")] * (name == "devices" and len(result.processes.x) > 0)
    for one, marker, label in [(sweep, "o", None), *more]:
        low, middle, high = 1e3 * np.quantile(one.seconds, (0, 0.5, 1), axis=1)
        ax.errorbar(one.x, middle, (middle - low, high - middle), marker=marker, capsize=3, label=label)
    why, shape = expected(result, name)
    scale = np.exp(np.mean(np.log(1e3 * np.median(sweep.seconds, 1) / shape)[through]))
    ax.plot(sweep.x, scale * shape, ":", color="0.4", label=f"p = {why}" if why[0].isdigit() else why)
    ax.set_title(f"p = {shown(sweep)}", fontsize=10)
    ax.set_xlabel(title)
    common.log(ax.xaxis, ax.yaxis)
    every = 1e3 * np.concatenate([one.seconds.ravel() for one in (sweep, *(of for of, _, _ in more))])
    ax.set(xlim=(sweep.x.min() / 1.4, sweep.x.max() * 1.4), ylim=(every.min() / 3, every.max() * 4))
    ax.set_xticks(sweep.x, [f"{x:,}" for x in sweep.x])
    ax.xaxis.minorticks_off()


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
