"""How fast is a plane? Each way of computing it, side by side in one run, as ratios.

Run it with nothing else running. The ways take turns, and each ratio is the median of the turns' ratios.

    python experiments/speed.py --data FOLDER       60,000 MNIST images
    python experiments/speed.py                     the embedded digits

Expect, on MNIST and two cores, `slices.plane` to be 7 (jax 0.10) to 10 (jax 0.12) times faster than the jitted cost in
`lax.map`, and 40 to 50 times faster than the usual loop.
"""

import time
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import cost, directions, experiment, network, results, slices
from jaxcost.experiment import setting

BATCH = 128  # the mini-batch that published tools fetch to the host one by one


@dataclass(frozen=True)
class Settings:
    """What is timed."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    points: int = setting(51, "grid points a side of the plane", small=11)
    plain_points: int = setting(
        20, "points for the slower ways, whose time a point does not depend on their number", small=5
    )
    repeats: int = setting(5, "turns, of which the median is taken", small=2)


def moved(origin, directions, s):
    """The parameters at s."""
    return jax.tree.map(lambda p, *d: p + sum(a * b for a, b in zip(s, d, strict=True)), origin, *directions)


def usual_loop(C, origin, directions, points):
    """What published tools do: a new model at each point, mini-batches, each cost fetched to the host."""
    batch_cost = jax.jit(lambda x, y, *params: cost.Cost(type(C.images)(x, y), C.f, C.loss)(*params))
    x, y = np.asarray(C.images.x), np.asarray(C.images.y)

    def run(points):
        values = []
        for s in points:
            params = moved(origin, directions, s)
            total = 0.0
            for i in range(0, len(x), BATCH):
                part = slice(i, i + BATCH)
                total += float(batch_cost(x[part], y[part], *params)) * len(x[part])
            values.append(total / len(x))
        return values

    return run, points[:2]


def plain(C, origin, directions, points):
    """The jitted cost in `lax.map`, nothing hoisted."""

    @jax.jit
    def run(C, origin, directions, points):
        return jax.lax.map(lambda s: C(*moved(origin, directions, s)), points)

    return lambda points: run(C, origin, directions, points).block_until_ready(), points


def hoisted(C, origin, directions, points):
    """`slices.evaluate`, which `line` and `plane` call."""
    return lambda points: slices.evaluate(C, origin, directions, points), points


def run(settings):
    """Time the three ways in turn."""
    train, _ = experiment.images(settings.data, settings.images)
    C = cost.Cost(train)
    keys = jax.random.split(jax.random.key(0), 3)
    origin = network.init(keys[0], settings.sizes)
    uv = tuple(directions.filter_normalized(directions.gaussian(key, origin), origin) for key in keys[1:])
    axis = np.linspace(-1, 1, settings.points, dtype=np.float32)
    points = jnp.asarray(np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2))
    few = points[:: max(1, len(points) // settings.plain_points)][: settings.plain_points]
    ways = {
        "usual loop, mini-batches of 128 fetched to the host": usual_loop(C, origin, uv, few),
        "jitted C in lax.map": plain(C, origin, uv, few),
        "slices.plane": hoisted(C, origin, uv, points),
    }
    values = {name: np.asarray(way(here)) for name, (way, here) in ways.items()}  # compiles
    exact = values["jitted C in lax.map"]
    times = {name: [] for name in ways}
    for _ in range(settings.repeats):
        for name, (way, here) in ways.items():
            start = time.perf_counter()
            way(here)
            times[name].append((time.perf_counter() - start) / len(here))
    few_again = slices.evaluate(C, origin, uv, few)
    result = {
        "images": len(train),
        "points": settings.points,
        "sizes": settings.sizes,
        "times": {name: np.array(seconds) for name, seconds in times.items()},
        "difference": float(np.abs(few_again - exact).max()),
    }
    return result, {"data": train.fingerprint}, table(result)


def table(result):
    """Milliseconds a point, and how many times faster the plane is."""
    best = result["times"]["slices.plane"]
    layers = "-".join(map(str, result["sizes"]))
    lines = [
        f"{layers}, {result['images']:,} images, a {result['points']} x {result['points']} plane, "
        f"median of {len(best)} (lowest to highest)",
        f"{'way':<54}{'ms a point':>28}{'slices.plane is faster by':>28}",
    ]
    for name, seconds in result["times"].items():
        ms, ratio = 1e3 * seconds, seconds / best
        lines.append(
            f"{name:<54}{f'{np.median(ms):.2f} ({ms.min():.2f} to {ms.max():.2f})':>28}"
            f"{f'{np.median(ratio):.1f} ({ratio.min():.1f} to {ratio.max():.1f})':>28}"
        )
    return [*lines, f"largest difference between the last two: {result['difference']:.1e}"]


def draw(path):
    """Milliseconds a point, each way a bar."""
    result = results.load(path)
    figure = experiment.figure(9, 2.6)
    ax = figure.subplots()
    names = list(result["times"])
    ms = [1e3 * np.median(result["times"][name]) for name in names]
    bars = ax.barh(names, ms)
    ax.bar_label(bars, [f"{value:.2f} ms" for value in ms], padding=3)
    ax.set_xlim(right=1.2 * max(ms))
    ax.invert_yaxis()
    ax.set_xlabel(f"milliseconds a point, {result['images']:,} images")
    return experiment.save_figures(path, {"ways": figure})


if __name__ == "__main__":
    experiment.main(__doc__, Settings, run, draw)
