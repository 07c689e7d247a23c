"""How fast is it? Each way of computing a plane side by side in one run, as ratios; and training.

Run it with nothing else running. Ways take turns, and each ratio is the median of the turns' ratios.

    python experiments/speed.py --data FOLDER            60,000 MNIST images, about 9 minutes
    python experiments/speed.py --data FOLDER --peer     and PyTorch: pip install torch loss-landscapes
    python experiments/speed.py --data FOLDER --curvature  products with the Hessian, eigenpairs, all of it, instead
    python experiments/speed.py --data FOLDER --connectivity  lines between all pairs of networks, matching, instead
    python experiments/speed.py                          the embedded digits

Expect, on MNIST and two cores, `slices.evaluate` to be 11 to 20 times faster than the jitted cost in `lax.map`, and 63
to 139 times faster than the usual loop in JAX; derivatives to cost 6 to 9 values; and for other models gains from 1.3
(a CNN on jax 0.10) to 71 (784-10). How times grow is the question of `growth.py`.
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
from peers import curved, in_jax, joined, timing

from jaxcost import cost, descent, floors, network, populations, results, slices

BOTH, DERIVED = "plane and held-out, errors, accuracy, floors", "value, gradient, Hessian"
WINGS = {"curvature": curved, "connectivity": joined}
PLANE, PLAIN = "values of the plane, slices.evaluate", "jitted C in lax.map"


@dataclass(frozen=True)
class Settings(common.Network):
    """What is timed."""

    rate: float = like("rate")
    points: int = setting(51, "grid points a side of the plane", small=11)
    repeats: int = setting(5, "turns, of which the median is taken", small=2)
    seconds: float = setting(2.0, "a turn of a way whose time a point does not depend on their number", small=0.05)
    few: tuple = setting((8, 16), "points a side of short calls", small=(4,))
    derived: int = setting(12, "points a side, for derivatives", small=4)
    lines: int = setting(100, "random lines of 101 points over 10,000 images", small=2)
    memory: tuple = setting((11, 101), "points a side, for the peak memory, each in a process of its own", small=(5,))
    models: tuple = setting(
        ("784-10", "784-30-10", "784-100-100-10", "784-512-512-10", "cnn"), "other models", small=("784-10",)
    )
    networks: int = setting(32, "trained together", small=4)
    peer: bool = setting(False, "measure PyTorch and its tools as well")
    curvature: bool = setting(False, "time what the wing `curvature` does, and nothing else")
    connectivity: bool = setting(False, "time what the wing `connectivity` does, and nothing else")
    minima: int = setting(20, "networks, all pairs of which are joined: 190 lines", small=3)
    eigenvalues: bool = setting(False, "and all eigenvalues of the dense Hessian, minutes of LAPACK")


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
        error: the largest of the plane against float64, at the points that its floor compares, over the largest cost.
        lines: seconds of random lines with their noise floor, `[turns]`, and how many lines.
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
    error: float
    lines: tuple[np.ndarray, int]
    memory: dict[str, float]
    planned: int
    models: dict[str, Model]
    training: dict[str, np.ndarray]


def run(settings):
    """Time everything."""
    for name, wing in WINGS.items():
        if getattr(settings, name):
            return wing.run(settings)
    if settings.peer:
        from peers import pytorch
    peer = pytorch if settings.peer else None
    train, held_out = common.images(settings)
    layers, repeats = "-".join(map(str, settings.sizes)), max(2, settings.repeats - 2)
    C, origin, uv = in_jax.model(layers, train)
    ways, difference, error = timed_ways(settings, C, origin, uv, held_out, peer)
    lines = timed_lines(settings, layers, train[:10_000], repeats), settings.lines
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
        C.n, settings.points, settings.sizes, ways, difference, error, lines, memory, planned, models, training
    ), {"data": train.fingerprint}


def timed_ways(settings, C, origin, uv, held_out, peer):
    """Every way of computing a plane, and other numbers of it, in turns."""
    points, axis = in_jax.grid(settings.points), np.linspace(-1, 1, settings.points, dtype=np.float32)
    loop = f"usual loop, mini-batches of {in_jax.BATCH} fetched"
    slow = {loop: in_jax.usual_loop(C, origin, uv), PLAIN: in_jax.plain(C, origin, uv)}
    others = {}
    if peer:
        slow["usual loop in PyTorch"], side = peer.usual_loop(C, origin, uv), min(11, settings.points)
        others["loss-landscapes, all images one batch"] = peer.random_plane(C, origin, side), in_jax.grid(side)
    others[PLANE] = partial(slices.evaluate, C, origin, uv), points
    of_plane = lambda C, **options: slices.plane(C, origin, *uv, axis, axis, **options)
    others["slices.plane, with its noise floor"] = lambda _: of_plane(C), points
    both = {"standard_error": True, "accuracy": True}
    others[BOTH] = lambda _: of_plane((C, cost.Cost(held_out)), **both), points
    for side in settings.few:
        others[f"values of {side**2} points"] = partial(slices.evaluate, C, origin, uv), in_jax.grid(side)
    others[DERIVED] = partial(slices.derivatives, C, origin, uv), in_jax.grid(settings.derived)
    ways = {name: (way, timing.enough(way, points, settings.seconds)) for name, way in slow.items()}
    some = ways[PLAIN][1]
    difference = np.abs(slices.evaluate(C, origin, uv, some) - ways[PLAIN][0](some)).max()
    values = slices.evaluate(C, origin, uv, points)
    error = floors.of_values(C, origin, uv, points, values) / 4 / values.max()  # a floor is four times the largest
    return timing.turns(ways | others, settings.repeats), float(difference), float(error)


def timed_lines(settings, layers, some, repeats):
    """Seconds of random lines through one network with their noise floor."""
    C, origin, _ = in_jax.model(layers, some)
    frames = populations.about(jax.random.split(jax.random.key(2), settings.lines), origin)
    way = lambda frames: populations.grid(C, frames, (np.linspace(-1, 1, 101),))
    return len(frames) * timing.turns({"lines": (way, frames)}, repeats)["lines"]


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
    if wing := wing_of(result):
        return wing.table(result)
    ms = lambda seconds: common.median_of(1e3 * seconds, ".2f")
    times = lambda seconds, others: common.median_of(seconds / others, ".1f")
    best, one, side = result.ways[PLANE], result.training["one network"], result.points
    sections = {
        "way, ms a point, the plane is faster by": [[k, ms(s), times(s, best)] for k, s in result.ways.items()],
        "lines of 101 points over 10,000 images, seconds": [
            [result.lines[1], common.median_of(result.lines[0], ".1f")]
        ],
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
        f"largest error of the plane against float64, in largest costs: {result.error:.1e}",
        f"XLA plans {result.planned / 1e6:.2g} MB a plane",
    ]


def draw(path):
    """Milliseconds a point of each way."""
    result = results.load(path)
    wing = wing_of(result)
    ways = wing.ways(result) if wing else (result.ways, "a point")
    figure = common.figure(9, 0.4 * len(ways[0]) + 1)
    timing.dots(figure.subplots(), *ways, result.images)
    return common.save_figures(path, {type(result).__name__.lower() if wing else "ways": figure})


def wing_of(result):
    """The wing whose times these are, or None."""
    return next((wing for name, wing in WINGS.items() if type(result).__name__.lower() == name), None)


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
