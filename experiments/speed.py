"""How fast is it? Each way of computing a plane side by side in one run, as ratios; and training.

Run it with nothing else running. Ways take turns, and each ratio is the median of the turns' ratios.

    python experiments/speed.py --data FOLDER            60,000 MNIST images, about 9 minutes
    python experiments/speed.py --data FOLDER --peer     and PyTorch: pip install torch loss-landscapes
    python experiments/speed.py                          the embedded digits

Expect, on MNIST and two cores, `slices.evaluate` to be 11 times faster than the jitted cost in `lax.map`, 64 to 69
times faster than the usual loop in JAX, and 25 times faster than loss-landscapes; a time a point that grows in
proportion to the images and not with the grid; and for other models gains from 2 (784-512-512-10) to 48 (784-10).
"""

import multiprocessing
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import like, setting
from peers import in_jax, timing

from jaxcost import descent, network, results, slices

PLANE, PLAIN = "values of the plane, slices.evaluate", "jitted C in lax.map"


@dataclass(frozen=True)
class Settings(common.Network):
    """What is timed."""

    rate: float = like("rate")
    points: int = setting(51, "grid points a side of the plane", small=11)
    repeats: int = setting(5, "turns, of which the median is taken", small=2)
    seconds: float = setting(2.0, "a turn of a way whose time a point does not depend on their number", small=0.05)
    grids: tuple = setting((11, 51, 201), "points a side, for the time a point", small=(5, 11))
    shares: tuple = setting((0.125, 0.25, 0.5, 1.0), "shares of the images, for the time a point", small=(0.5, 1.0))
    memory: tuple = setting((11, 101), "points a side, for the peak memory, each in a process of its own", small=(5,))
    models: tuple = setting(
        ("784-10", "784-30-10", "784-100-100-10", "784-512-512-10", "cnn"), "other models", small=("784-10",)
    )
    networks: int = setting(32, "trained together", small=4)
    peer: bool = setting(False, "measure PyTorch and loss-landscapes as well")


class Model(NamedTuple):
    """A plane of another model.

    Attributes:
        images: how many C takes.
        points: how many of the plane were timed.
        plain: seconds a point of the jitted C in `lax.map`, `[turns]`.
        plane: of `slices.evaluate`, `[turns]`.
    """

    images: int
    points: int
    plain: np.ndarray
    plane: np.ndarray


class Result(NamedTuple):
    """What was timed, in seconds.

    Attributes:
        images: how many C takes.
        points: grid points a side of the plane.
        sizes: of the network.
        ways: seconds a point of each way of computing the plane, `[turns]`.
        difference: the largest between the plane and the plain cost.
        grids: seconds a point by points a side, `[turns]`.
        shares: seconds a point by number of images, `[turns]`.
        memory: peak bytes beyond the images by points a side; NaN where the system does not tell.
        planned: bytes that XLA plans for the plane.
        models: other models.
        training: seconds of an epoch at batch 10, `[turns]`.
    """

    images: int
    points: int
    sizes: tuple
    ways: dict[str, np.ndarray]
    difference: float
    grids: dict[str, np.ndarray]
    shares: dict[str, np.ndarray]
    memory: dict[str, float]
    planned: int
    models: dict[str, Model]
    training: dict[str, np.ndarray]


def run(settings):
    """Time everything."""
    peer = None
    if settings.peer:
        from peers import pytorch as peer
    train, _ = common.images(settings)
    layers, repeats = "-".join(map(str, settings.sizes)), max(2, settings.repeats - 2)
    C, origin, uv = in_jax.model(layers, train)
    ways, difference = timed_ways(settings, C, origin, uv, peer)

    # whether the time a point depends on the grid, on the images, on the model
    grids = {f"{side}": timed_plane(C, origin, uv, in_jax.grid(side), repeats) for side in settings.grids}
    parts = [in_jax.model(layers, train[: int(share * C.n)]) for share in settings.shares]
    shares = {f"{part[0].n}": timed_plane(*part, in_jax.grid(settings.points), repeats) for part in parts}
    models = {}
    for name in settings.models:
        try:
            models[name] = timed_model(settings, name, train[:10_000] if name == "cnn" else train, repeats)
        except ImportError as error:
            print(f"{name} is left out: {error}")

    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = {f"{side}": pool.apply(peak, (settings, layers, side)) for side in settings.memory}
    planned = slices.plan(C, origin, uv, in_jax.grid(settings.points)).memory
    training = timed_training(settings, C, peer)
    return Result(
        C.n, settings.points, settings.sizes, ways, difference, grids, shares, memory, planned, models, training
    ), {"data": train.fingerprint}


def timed_plane(C, origin, uv, points, repeats):
    """Seconds a point of `slices.evaluate` alone, `[repeats]`."""
    slices.plan(C, origin, uv, points)  # compiles
    return timing.turns({PLANE: (partial(slices.evaluate, C, origin, uv), points)}, repeats, warm=False)[PLANE]


def timed_ways(settings, C, origin, uv, peer):
    """Every way of computing a plane, in turns."""
    points, axis = in_jax.grid(settings.points), np.linspace(-1, 1, settings.points, dtype=np.float32)
    loop = f"usual loop, mini-batches of {in_jax.BATCH} fetched"
    slow = {loop: in_jax.usual_loop(C, origin, uv), PLAIN: in_jax.plain(C, origin, uv)}
    others = {}
    if peer:
        slow["usual loop in PyTorch"], side = peer.usual_loop(C, origin, uv), min(11, settings.points)
        others["loss-landscapes, all images one batch"] = peer.random_plane(C, origin, side), in_jax.grid(side)
    others[PLANE] = partial(slices.evaluate, C, origin, uv), points
    others["slices.plane, with its noise floor"] = lambda _: slices.plane(C, origin, *uv, axis, axis), points
    ways = {name: (way, timing.enough(way, points, settings.seconds)) for name, way in slow.items()}
    some = ways[PLAIN][1]
    difference = np.abs(slices.evaluate(C, origin, uv, some) - ways[PLAIN][0](some)).max()
    return timing.turns(ways | others, settings.repeats), float(difference)


def timed_model(settings, name, train, repeats):
    """The plain way and the plane of another model, in turns."""
    C, origin, uv = in_jax.model(name, train)
    points = in_jax.grid(settings.points)
    slow, fast = in_jax.plain(C, origin, uv), partial(slices.evaluate, C, origin, uv)
    planned = slices.plan(C, origin, uv, points).seconds  # compiles
    some = points[: max(20, int(10 * settings.seconds / planned * len(points)))]  # all, unless they take too long
    ways = {PLAIN: (slow, timing.enough(slow, points, settings.seconds)), PLANE: (fast, some)}
    return Model(C.n, len(some), *timing.turns(ways, repeats).values())


def timed_training(settings, C, peer):
    """Seconds of an epoch at batch 10: one network, many together, and PyTorch."""
    key, optimizer = jax.random.key(1), optax.sgd(settings.rate)
    keys, init = jax.random.split(key, settings.networks), lambda key: network.init(key, settings.sizes)
    params, options = init(key), {"steps": C.n // 10, "batch": 10, "every": C.n // 10}
    one = lambda _: jax.block_until_ready(descent.descend(key, C, params, optimizer, **options).costs)
    many = lambda _: jax.block_until_ready(descent.ensemble(keys, C, init, optimizer, **options).costs)
    ways = {"one network": (one, [0]), f"{settings.networks} networks together": (many, [0])}
    if peer:
        ways["one network, PyTorch"] = (peer.epoch(C, params, settings.rate, 10), [0])
    return timing.turns(ways, settings.repeats)


def peak(settings, layers, side):
    """Bytes of main memory that a plane takes beyond the images."""
    C, origin, uv = in_jax.model(layers, common.images(settings)[0])
    jax.block_until_ready(C(*origin))
    return timing.peak(lambda: slices.evaluate(C, origin, uv, in_jax.grid(side)))


def table(result):
    """Milliseconds a point and how many times faster the plane is; memory; training."""
    ms = lambda seconds: common.median_of(1e3 * seconds, ".2f")
    times = lambda seconds, others: common.median_of(seconds / others, ".1f")
    best, one, side = result.ways[PLANE], result.training["one network"], result.points
    sections = {
        "way, ms a point, the plane is faster by": [[k, ms(s), times(s, best)] for k, s in result.ways.items()],
        "points a side, ms a point": [[k, ms(s)] for k, s in result.grids.items()],
        "images, ms a point": [[f"{int(k):,}", ms(s)] for k, s in result.shares.items()],
        "points a side, peak MB beyond the images": [[k, f"{b / 1e6:.0f}"] for k, b in result.memory.items()],
        "model, images, points, plain ms a point, plane ms a point, faster by": [
            [k, m.images, m.points, ms(m.plain), ms(m.plane), times(m.plain, m.plane)] for k, m in result.models.items()
        ],
        "an epoch at batch 10, seconds, times one network": [
            [k, common.median_of(s, ".3f"), times(s, one)] for k, s in result.training.items()
        ],
    }
    return [
        f"{'-'.join(map(str, result.sizes))}, {result.images:,} images, a {side} x {side} plane, "
        f"median of {len(best)} (lowest to highest)",
        *(line for head, rows in sections.items() for line in ("", *common.columns([head.split(", "), *rows]))),
        "",
        f"largest difference between the plane and the plain cost: {result.difference:.1e}",
        f"time a point ~ images^{timing.exponent(result.shares):.2f}; XLA plans {result.planned / 1e6:.2g} MB a plane",
    ]


def draw(path):
    """Milliseconds a point of each way; and against the points of the grid, and the images."""
    result = results.load(path)
    ways, scaling = common.figure(9, 0.4 * len(result.ways) + 1), common.figure(9, 3.6)
    draw_ways(ways.subplots(), result)
    draw_scaling(*scaling.subplots(1, 2), result)
    return common.save_figures(path, {"ways": ways, "scaling": scaling})


def draw_ways(ax, result):
    """Milliseconds a point of each way."""
    ms = {name: 1e3 * np.median(seconds) for name, seconds in result.ways.items()}
    ax.plot(list(ms.values()), list(ms), "o")
    for name, value in ms.items():
        ax.annotate(f"{value:.3g} ms", (value, name), (8, -4), textcoords="offset points")
    common.log(ax.xaxis)
    ax.set_xlim(min(ms.values()) / 1.5, 3 * max(ms.values()))
    ax.set_ylim(len(ms) - 0.5, -0.5)
    ax.set_xlabel(f"milliseconds a point, {result.images:,} images, logarithmic")
    common.tidy(ax)


def draw_scaling(left, right, result):
    """Milliseconds a point against the points of the grid, and against the images."""
    for ax, times, power in ((left, result.grids, 2), (right, result.shares, 1)):
        x = np.array([int(n) ** power for n in times])
        low, middle, high = 1e3 * np.quantile(list(times.values()), (0, 0.5, 1), axis=1)
        ax.errorbar(x, middle, (middle - low, high - middle), marker="o", capsize=3, label="median, lowest, highest")
        ax.set_ylim(0, 1.15 * high.max())
        ax.set_ylabel("milliseconds a point")
    left.set_xscale("log")
    left.set_xticks([int(side) ** 2 for side in result.grids], [f"{side} x {side}" for side in result.grids])
    left.minorticks_off()
    left.set_xlabel(f"points of the grid, {result.images:,} images")
    right.plot([0, x[-1]], [0, middle[-1]], ":", color="0.5", label="proportional")
    right.set_xlim(0)
    fit = f"fit ~ images^{timing.exponent(result.shares):.2f}"
    right.set_xlabel(f"images, {result.points} x {result.points} points; {fit}")
    common.tidy(left, loc="upper right")
    common.tidy(right, loc="upper left")


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
