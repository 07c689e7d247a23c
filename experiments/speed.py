"""How fast is it? Each way of computing a plane side by side in one run, as ratios; and training.

Run it with nothing else running. Ways take turns, and each ratio is the median of the turns' ratios.

    python experiments/speed.py --data FOLDER            60,000 MNIST images, about 9 minutes
    python experiments/speed.py --data FOLDER --peer     and PyTorch: pip install torch loss-landscapes
    python experiments/speed.py                          the embedded digits

Expect, on MNIST and two cores, `slices.evaluate` to be 11 times faster than the jitted cost in `lax.map`, 64 to 69
times faster than the usual loop in JAX, and 25 times faster than loss-landscapes; a time a point that grows in
proportion to the images and not with the grid; and for other models gains from 2 (784-512-512-10) to 60 (784-10).
"""

import multiprocessing
import time
from dataclasses import dataclass
from pathlib import Path

import common
import jax
import numpy as np
import optax
from common import setting

from jaxcost import cost, descent, directions, network, results, slices

BATCH = 128  # the mini-batch that published tools fetch to the host one by one
PLANE, PLAIN = "values of the plane, slices.evaluate", "jitted C in lax.map"


@dataclass(frozen=True)
class Settings:
    """What is timed."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
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


def turns(ways, repeats, warm=True):
    """Seconds a point of each way, `{name: [repeats]}`; `ways[name]` is a function of points, and points."""
    for way, points in ways.values() if warm else ():
        way(points)  # compiles
    times = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (way, points) in ways.items():
            start = time.perf_counter()
            way(points)
            times[name].append((time.perf_counter() - start) / len(points))
    return {name: np.array(seconds) for name, seconds in times.items()}


def enough(way, points, seconds):
    """So many of the points that the way takes about so many seconds for them, at least two."""
    way(points[:2])
    start = time.perf_counter()
    way(points[:2])
    return points[: max(2, int(2 * seconds / (time.perf_counter() - start)))]


def moved(origin, uv, s):
    """The parameters at s."""
    return jax.tree.map(lambda p, *d: p + sum(a * b for a, b in zip(s, d, strict=True)), origin, *uv)


def usual_loop(C, origin, uv):
    """What published tools do, in JAX: a new model at each point, mini-batches, each cost fetched to the host."""
    batch_cost = jax.jit(lambda x, y, *params: cost.Cost(type(C.images)(x, y), C.f, C.loss)(*params))
    x, y = np.asarray(C.images.x), np.asarray(C.images.y)

    def run(points):
        values = []
        for s in points:
            params = moved(origin, uv, s)
            parts = [slice(i, i + BATCH) for i in range(0, len(x), BATCH)]
            values.append(sum(float(batch_cost(x[i], y[i], *params)) * len(x[i]) for i in parts) / len(x))
        return values

    return run


def plain(C, origin, uv):
    """The jitted cost in `lax.map`, nothing hoisted."""
    run = jax.jit(lambda C, origin, uv, points: jax.lax.map(lambda s: C(*moved(origin, uv, s)), points))
    return lambda points: np.asarray(run(C, origin, uv, points))


def plane(C, origin, uv):
    """`slices.evaluate`, which `slices.plane` calls."""
    return lambda points: slices.evaluate(C, origin, uv, points)


def grid(side):
    """The points of a plane, side x side of them, in an order that any first few sample."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    return np.random.default_rng(0).permutation(points)


def model(name, train):
    """C of a model by its name, its parameters and two directions."""
    keys = jax.random.split(jax.random.key(0), 3)
    axis = 0
    if name == "cnn":
        import flax.linen as nn

        class CNN(nn.Module):
            @nn.compact
            def __call__(self, x):
                x = nn.max_pool(nn.relu(nn.Conv(8, (3, 3))(x)), (2, 2), (2, 2))
                x = nn.max_pool(nn.relu(nn.Conv(16, (3, 3))(x)), (2, 2), (2, 2))
                return nn.Dense(10)(x.ravel())

        image = lambda x: x.reshape(28, 28, 1)
        C = cost.Cost(train, lambda x, p: CNN().apply(p, image(x)), cost.softmax_cross_entropy)
        origin, axis = (CNN().init(keys[0], image(train.x[0])),), -1
    else:
        C, origin = cost.Cost(train), network.init(keys[0], tuple(map(int, name.split("-"))))
    uv = tuple(directions.filter_normalized(directions.gaussian(key, origin), origin, axis=axis) for key in keys[1:])
    return C, origin, uv


def peak(settings, side):
    """Bytes of main memory that a plane takes at its peak beyond what is held before it; NaN where it is not told."""
    status, forget = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not forget.exists():
        return np.nan
    told = lambda name: 1024 * int(status.read_text().split(name)[1].split()[0])
    train, _ = common.images(settings.data, settings.images)
    C, origin, uv = model("-".join(map(str, settings.sizes)), train)
    jax.block_until_ready(C(*origin))
    before = told("VmRSS:")
    forget.write_text("5")
    slices.evaluate(C, origin, uv, grid(side))
    return told("VmHWM:") - before


def training(settings, train, peer):
    """Seconds of an epoch at batch 10: one network, many together, and PyTorch."""
    params, optimizer = network.init(jax.random.key(0), settings.sizes), optax.sgd(1.5)
    C, steps = cost.Cost(train), len(train) // 10
    options = {"steps": steps, "batch": 10, "every": steps}
    key = jax.random.key(1)
    one = lambda _: jax.block_until_ready(descent.descend(key, C, params, optimizer, **options).costs)
    init = lambda key: network.init(key, settings.sizes)
    keys = jax.random.split(key, settings.networks)
    many = lambda _: jax.block_until_ready(descent.ensemble(keys, C, init, optimizer, **options).costs)
    ways = {"one network": (one, [0]), f"{settings.networks} networks together": (many, [0])}
    if peer:
        epoch = peer.epoch(np.asarray(train.x), np.asarray(train.y), jax.tree.map(np.asarray, params), 1.5, 10)
        ways["one network, PyTorch"] = (lambda _: epoch(), [0])
    return turns(ways, settings.repeats)


def timed_ways(settings, C, origin, uv, peer):
    """Every way of computing a plane, in turns."""
    points = grid(settings.points)
    axis = np.linspace(-1, 1, settings.points, dtype=np.float32)
    slow = {"usual loop, mini-batches of 128 fetched": usual_loop(C, origin, uv), PLAIN: plain(C, origin, uv)}
    others = {}
    if peer:
        x, y, params, *trees = jax.tree.map(np.asarray, (C.images.x, C.images.y, origin, *uv))
        slow["usual loop in PyTorch"] = peer.usual_loop(x, y, params, trees)
        side = min(11, settings.points)
        others["loss-landscapes, all images one batch"] = peer.random_plane(x, y, params, side), grid(side)
    others[PLANE] = plane(C, origin, uv), points
    others["slices.plane, with its noise floor"] = lambda _: slices.plane(C, origin, *uv, axis, axis), points
    ways = {name: (way, enough(way, points, settings.seconds)) for name, way in slow.items()}
    few = ways[PLAIN][1]
    difference = np.abs(slices.evaluate(C, origin, uv, few) - ways[PLAIN][0](few)).max()
    return turns(ways | others, settings.repeats), float(difference)


def timed_model(settings, name, train):
    """The plain way and the plane of another model, in turns; and how many points were enough."""
    C, origin, uv = model(name, train)
    points = grid(settings.points)
    slow = plain(C, origin, uv)
    planned = slices.plan(C, origin, uv, points).seconds  # compiles
    few = points[: max(20, int(10 * settings.seconds / planned * len(points)))]  # all, unless they take too long
    ways = {PLAIN: (slow, enough(slow, points, settings.seconds)), PLANE: (plane(C, origin, uv), few)}
    times = turns(ways, max(2, settings.repeats - 2))
    return {"times": times, "images": C.n, "points": len(few)}


def run(settings):
    """Time everything."""
    peer = None
    if settings.peer:
        from peers import pytorch as peer
    train, _ = common.images(settings.data, settings.images)
    layers = "-".join(map(str, settings.sizes))
    C, origin, uv = model(layers, train)
    times, difference = timed_ways(settings, C, origin, uv, peer)
    few = max(2, settings.repeats - 2)
    grids = {}
    for side in settings.grids:
        slices.plan(C, origin, uv, grid(side))  # compiles
        grids[str(side)] = turns({"": (plane(C, origin, uv), grid(side))}, few, warm=False)[""]
    shares = {}
    for share in settings.shares:
        part = model(layers, train[: int(share * len(train))])
        shares[str(part[0].n)] = turns({"": (plane(*part), grid(settings.points))}, few)[""]
    models = {}
    for name in settings.models:
        try:
            models[name] = timed_model(settings, name, train[:10_000] if name == "cnn" else train)
        except ImportError as error:
            print(f"{name} is left out: {error}")
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = {str(side): pool.apply(peak, (settings, side)) for side in settings.memory}
    result = {
        "images": len(train), "points": settings.points, "sizes": settings.sizes, "parameters": network.size(origin),
        "times": times, "difference": difference, "grids": grids, "shares": shares, "models": models, "memory": memory,
        "planned": slices.plan(C, origin, uv, grid(settings.points)).memory,
        "training": training(settings, train, peer), "networks": settings.networks,
    }  # fmt: skip
    return result, {"data": train.fingerprint}, table(result)


def of(values, digits=2):
    """The median, lowest and highest."""
    return f"{np.median(values):.{digits}f} ({np.min(values):.{digits}f} to {np.max(values):.{digits}f})"


def exponent(shares):
    """The power p of the least-squares fit, time a point ~ images^p; NaN of one number of images."""
    if len(shares) < 2:
        return np.nan
    return np.polyfit(np.log([int(n) for n in shares]), np.log([np.median(s) for s in shares.values()]), 1)[0]


def table(result):
    """Milliseconds a point and how many times faster the plane is; memory; training."""
    best = result["times"][PLANE]
    layers, side = "-".join(map(str, result["sizes"])), result["points"]
    lines = [
        f"{layers}, {result['images']:,} images, a {side} x {side} plane, median of {len(best)} (lowest to highest)",
        f"{'way':<42}{'ms a point':>28}{'the plane is faster by':>28}",
    ]
    for name, seconds in result["times"].items():
        lines.append(f"{name:<42}{of(1e3 * seconds):>28}{of(seconds / best, 1):>28}")
    lines.append(f"largest difference between the plane and the plain cost: {result['difference']:.1e}")
    lines += ["", f"{'points a side':<42}{'ms a point':>28}"]
    lines += [f"{side:<42}{of(1e3 * seconds):>28}" for side, seconds in result["grids"].items()]
    lines += ["", f"{'images':<42}{'ms a point':>28}"]
    lines += [f"{int(n):<42,}{of(1e3 * seconds):>28}" for n, seconds in result["shares"].items()]
    lines.append(f"time a point ~ images^{exponent(result['shares']):.2f}")
    lines += ["", f"{'points a side':<42}{'peak MB beyond the images':>28}  (XLA plans {result['planned'] / 1e6:.0f})"]
    lines += [f"{side:<42}{held / 1e6:>28.0f}" for side, held in result["memory"].items()]
    lines += ["", f"{'model':<18}{'images':>10}{'points':>10}{'plain, ms a point':>26}{'plane':>26}{'faster by':>22}"]
    for name, of_model in result["models"].items():
        slow, fast = of_model["times"][PLAIN], of_model["times"][PLANE]
        lines.append(
            f"{name:<18}{of_model['images']:>10,}{of_model['points']:>10,}{of(1e3 * slow):>26}{of(1e3 * fast):>26}"
            f"{of(slow / fast, 1):>22}"
        )
    one = result["training"]["one network"]
    lines += ["", f"{'an epoch at batch 10':<42}{'seconds':>28}{'times one network':>28}"]
    for name, seconds in result["training"].items():
        lines.append(f"{name:<42}{of(seconds, 3):>28}{of(seconds / one, 1):>28}")
    return lines


def draw(path):
    """Milliseconds a point of each way; and against the points of the grid, and the images."""
    result = results.load(path)
    ways = common.figure(9, 0.4 * len(result["times"]) + 1)
    ax = ways.subplots()
    ms = {name: 1e3 * np.median(seconds) for name, seconds in result["times"].items()}
    ax.plot(list(ms.values()), list(ms), "o")
    for name, value in ms.items():
        ax.annotate(f"{value:.3g} ms", (value, name), (8, -4), textcoords="offset points")
    ax.set_xscale("log")
    ax.set_xlim(min(ms.values()) / 1.5, 3 * max(ms.values()))
    ax.margins(y=0.1)
    ax.grid(axis="y", color="0.9")
    ax.invert_yaxis()
    ax.set_xlabel(f"milliseconds a point, {result['images']:,} images, logarithmic")

    scaling = common.figure(9, 3.6)
    for ax, times, square in zip(scaling.subplots(1, 2), (result["grids"], result["shares"]), (2, 1), strict=True):
        x = np.array([int(n) ** square for n in times])
        low, middle, high = 1e3 * np.array([[f(s) for s in times.values()] for f in (np.min, np.median, np.max)])
        ax.errorbar(x, middle, (middle - low, high - middle), marker="o", capsize=3, label="median, lowest, highest")
        ax.set_ylim(0, 1.15 * high.max())
        ax.set_ylabel("milliseconds a point")
        if square == 2:
            ax.set_xscale("log")
            ax.set_xticks(x, [f"{n} x {n}" for n in times])
            ax.minorticks_off()
            ax.set_xlabel(f"points of the grid, {result['images']:,} images")
        else:
            ax.plot([0, x[-1]], [0, middle[-1]], ":", color="0.5", label="proportional")
            ax.set_xlim(0)
            ax.set_xlabel(f"images, {result['points']} x {result['points']} points; fit ~ images^{exponent(times):.2f}")
        ax.legend(loc="upper right" if square == 2 else "upper left")
    return common.save_figures(path, {"ways": ways, "scaling": scaling})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
