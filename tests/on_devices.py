"""What `test_devices.py` runs in processes of their own. Each pickles what it saw, and judges nothing.

    python -W error on_devices.py CASE FOLDER [ADDRESS NUMBER PROCESS]

Images, networks and points are made here, an image from its number alone: a process makes only its own.
"""

import faulthandler
import itertools
import pickle
import re
import sys
from functools import cache, partial
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import optax

from jaxcost import checks, cost, descent, devices, network, slices
from jaxcost.data import Images
from jaxcost.engine import blocks, program, quantities, sweep

LIMIT = 120  # seconds until a process that hangs says where, and ends
SIZES, N = (12, 6, 4), 1003  # 17 x 59 images: no number of devices here divides them
ALPHAS, BETAS = np.linspace(-1, 1, 7), np.linspace(-0.5, 2, 5)  # 35 points: neither 2 nor 8 divides them
FEW = np.array([[0.0, 0.0], [1.0, -0.5], [-0.3, 0.7]])  # fewer points than devices
MANY = np.random.default_rng(10_000).normal(size=(300, 2))  # more than one tile
ODD = (1e15, np.inf, np.nan)  # outputs that come near to nothing desired
CUTS = {2: (0, 400, N), 3: (0, 400, 650, N)}  # where the images of each process end
FEW_CUTS = {2: (0, 1, 5), 3: (0, 1, 3, 8)}  # one image for the two devices of the first
BATCH, STEPS, EVERY, NETWORKS = 10, 20, 10, 11
SGD = optax.sgd(0.5)


@cache
def images(numbers, odd=None):
    """The images of these numbers; `odd` is one of them and what is added to its right output (`network_of`)."""
    made = [np.random.default_rng(i) for i in numbers]
    x = np.array([rng.random(SIZES[0], np.float32) for rng in made])
    y = np.eye(SIZES[-1], dtype=np.float32)[[rng.integers(SIZES[-1]) for rng in made]]
    if odd is not None:
        number, more = odd
        added = np.where((np.array(numbers) == number)[:, None] & (y == 1), np.float32(more), np.float32(0))
        x = np.concatenate([x, added], 1)
    return Images(x, y)


def network_of(odd):
    """The model of `images`; beyond the pixels of odd ones lies what is added to the outputs."""
    return network.feedforward if odd is None else _network_of_odd


def _network_of_odd(x, w, b):
    return network.feedforward(x[: SIZES[0]], w, b) + x[SIZES[0] :]


def params(seed, scale):
    """A network, or a direction."""
    rng = np.random.default_rng(seed)
    draw = lambda *shape: np.float32(scale * rng.normal(size=shape))
    return network.Params(tuple(map(draw, SIZES[1:], SIZES)), tuple(map(draw, SIZES[1:])))


ORIGIN, ALONG = params(10_001, 1.0), (params(10_002, 0.3), params(10_003, 0.3))


def plane(C, path=None):
    """C on the plane, with all that can be kept of it."""
    kept = dict.fromkeys(("per_class", "per_image", "accuracy"), True)
    return slices.plane(C, ORIGIN, *ALONG, ALPHAS, BETAS, **kept, resume_file=path)


def looked_at(C, fully=True, bent=False):
    """What is asked of a spread C, and where its images lie; derivatives, dear to compile, where they are wanted."""
    row = lambda shard: (shard.index[0].start or 0) // len(shard.data)
    kept = {
        "counts": C.spread.counts,
        "shards": [(shard.device.id, row(shard), np.asarray(shard.data)) for shard in C.images.x.addressable_shards],
        "C": C(*ORIGIN),
        "gradient": descent.gradient(C, ORIGIN),
        "per_image": C.per_image(*ORIGIN),
        "plane": plane(C),
    }
    if fully:
        kept["accuracy"] = cost.accuracy(C, ORIGIN)
        kept["values"] = slices.evaluate(C, ORIGIN, ALONG, FEW)
    if bent:
        kept["derivatives"] = slices.derivatives(C, ORIGIN, ALONG, FEW)
    return kept


def with_an_odd_one(spread_out):
    """`spread_out(odd)` where the odd image is one that fills up a part as well: its number, and C for each oddity."""
    counts = spread_out(None).spread.counts
    short = int(np.argmin(counts))
    number = sum(counts[:short]) if counts[short] else 0
    each = [spread_out((number, value)) for value in ODD]
    return number, [{"C": C(*ORIGIN), "per_image": C.per_image(*ORIGIN), "plane": plane(C)} for C in each]


def trained(C, batch):
    """A training run, all recorded."""
    watch = {"accuracy": lambda *p: cost.accuracy(C, p), "per_image": lambda *p: C.per_image(*p)}
    options = {"steps": STEPS, "batch": batch, "every": EVERY, "watch": watch, "keep": True}
    return descent.descend(jax.random.key(7), C, ORIGIN, SGD, **options)


def raised(number, C, mesh=None):
    """The first so many of eleven networks."""
    keys, init = jax.random.split(jax.random.key(8), NETWORKS)[:number], lambda key: network.init(key, SIZES)
    watch = {"accuracy": lambda *p: cost.accuracy(C, p), "again": C}
    options = {"steps": STEPS, "batch": BATCH, "every": EVERY, "watch": watch, "keep": True, "mesh": mesh}
    return descent.ensemble(keys, C, init, SGD, **options)


def counted(numbers, stop=None):
    """`program._run`, which notes how many points each tile has, and is interrupted in the tile of this number."""
    original = program._run

    def run(*args):
        if args[3] == np.float64:  # for the noise floor
            return original(*args)
        numbers.append(len(args[-1]))
        if len(numbers) == stop:
            raise KeyboardInterrupt
        return original(*args)

    return run


def stopped(C, path):
    """The plane, stopped in its second tile, taken up, and read back; and the points of the tiles of each."""
    original, seen = program._run, {"planes": [], "tiles": []}
    for stop in (2, None, None):
        seen["tiles"].append([])
        program._run = counted(seen["tiles"][-1], stop)
        try:
            seen["planes"].append(plane(C, path))
        except KeyboardInterrupt:
            seen["planes"].append("interrupted")
        finally:
            program._run = original
    return seen | {"file": path.exists()}


def by_another_clock(C, step):
    """C at many points, by a clock that shows so many seconds more at each look; and the points of the tiles."""
    original, watch, ticks, tiles = program._run, sweep.time, itertools.count(), []
    program._run = counted(tiles)
    sweep.time = SimpleNamespace(perf_counter=lambda: step * next(ticks))
    try:
        return {"values": slices.evaluate(C, ORIGIN, ALONG, MANY), "tiles": tiles}
    finally:
        program._run, sweep.time = original, watch


def refused(f, *args):
    """What a ValueError says."""
    try:
        f(*args)
    except ValueError as error:
        return str(error)
    return "nothing was refused"


def moved(f, *args):
    """The collectives of a compiled program, each with its name and the bytes of its result."""
    names = "all-gather|all-reduce|all-to-all|reduce-scatter|collective-permute|collective-broadcast"
    found = re.findall(rf"= (.+?) ({names})(?:-start)?\(", f.lower(*args).compile().as_text())
    width = {"pred": 1, "f32": 4, "s32": 4, "u32": 4}
    size = lambda kind, axes: width[kind] * int(np.prod([int(n) for n in axes.split(",") if n], dtype=int))
    return [(name, sum(size(*shape) for shape in re.findall(r"(\w+)\[([\d,]*)\]", shapes))) for shapes, name in found]


def over_eight(mesh, n, block=None, odd=None):
    """C of the first n images over a mesh of some of eight devices."""
    return devices.spread(cost.Cost(images(range(n), odd), network_of(odd), block=block), devices.mesh(*mesh))


def rows(folder):
    """Eight devices, most of them with images of their own."""
    C = over_eight((8, 1), N)
    kept = {
        "8x1 of 1003": looked_at(C),
        "3x2 of 1003": looked_at(over_eight((3, 2), N, 50), bent=True),
        "8x1 of 5": looked_at(over_eight((8, 1), 5), fully=False),
        "3x2 of 8": looked_at(over_eight((3, 2), 8, 2), fully=False),
        "odd": {
            "8x1 of 1003": with_an_odd_one(lambda odd: over_eight((8, 1), N, None, odd)),
            "3x2 of 1003": with_an_odd_one(lambda odd: over_eight((3, 2), N, 50, odd)),
            "8x1 of 5": with_an_odd_one(lambda odd: over_eight((8, 1), 5, None, odd)),
        },
    }
    moving = lambda s: C(*jax.tree.map(lambda p, d: p + s * d, ORIGIN, ALONG[0]))
    kept["vmap"] = jax.vmap(moving)(np.float32(ALPHAS))
    kept["second"] = jax.jvp(lambda params: descent.gradient(C, params), (ORIGIN,), (ALONG[0],))[1]
    with jax.enable_x64(True):
        as64 = partial(jax.tree.map, np.float64)
        C = devices.spread(cost.Cost(as64(images(range(N))), block=50), devices.mesh(3, 2))
        at, along = as64(ORIGIN), as64(ALONG)
        kept["64"] = {"C": C(*at), "gradient": descent.gradient(C, at), "values": slices.evaluate(C, at, along, FEW)}
    return kept


def columns(folder):
    """Eight devices, some of which share their images and deal out the points; training; what is moved."""
    C, S = cost.Cost(images(range(N))), over_eight((4, 2), N, 37)
    apart, whole = over_eight((8, 1), N), over_eight((1, 8), N)
    kept = {"4x2 of 1003": looked_at(S), "1x8 of 1003": looked_at(whole)}
    kept["stopped"] = stopped(S, folder / "plane.npz")
    kept["other meshes"] = [refused(plane, other, folder / "plane.npz") for other in (apart, whole, C)]
    kept["mini-batches"], kept["whole batches"] = trained(S, BATCH), trained(apart, None)
    kept["11 networks"], kept["3 networks"] = raised(11, C, devices.mesh()), raised(3, C, devices.mesh(3, 2))
    points, key = jax.ShapeDtypeStruct((2, 16, 2), np.float32), jax.random.key(0)
    kept["moved"] = {
        "all images": moved(jax.jit(lambda C: blocks.replicated(C.images, C.spread)), S),
        "C": moved(jax.jit(lambda C: C(*ORIGIN)), S),
        "gradient": moved(jax.jit(lambda C: descent.gradient(C, ORIGIN)), S),
        "plane": moved(program._at_points(), quantities.VALUES, 37, (S,), (ORIGIN, ALONG), None, points, 16),
        "mini-batches": moved(descent._descend, key, S, ORIGIN, SGD.init(ORIGIN), None, 0, {}, SGD, 1, BATCH, 1, False),
    }
    return kept


def processes(folder):
    """One of several processes, with images of its own."""
    here, number = jax.process_index(), jax.process_count()

    def over(points, cuts=CUTS, odd=None):
        own = images(range(*cuts[number][here : here + 2]), odd)
        return devices.spread(cost.Cost(own, network_of(odd)), devices.mesh(points=points))

    S, everything, size = over(1), cost.Cost(images(range(N))), 2 * number
    kept = {
        f"{size}x1 of 1003": looked_at(S, fully=number == 2, bent=number == 2),
        f"{size}x1 of {FEW_CUTS[number][-1]}": looked_at(over(1, FEW_CUTS), fully=False),
        "odd": {f"{size}x1 of 1003": with_an_odd_one(lambda odd: over(1, CUTS, odd))},
        "stopped": stopped(S, folder / "plane.npz"),
        "few": refused(devices.mesh, 1),
        "none": refused(devices.spread, cost.Cost(everything.images[: N * here]), devices.mesh()),
    }
    if number == 3:
        return kept | {"astride": refused(over, 3)}
    own, loss = images(range(*CUTS[2][here : here + 2])), optax.softmax_cross_entropy_with_integer_labels
    labels = devices.spread(cost.Cost(Images(own.x, own.y.argmax(-1)), network.logits, loss), devices.mesh())
    return kept | {
        "2x2 of 1003": looked_at(over(2), fully=False),
        "1x4 of 1003": looked_at(devices.spread(everything, devices.mesh(points=4)), fully=False),
        "other meshes": [refused(plane, over(2), folder / "plane.npz")],
        "different": refused(over, 4),
        "as many others": refused(over, 4, ((), (), (0, 400, 800))),
        "clocks": by_another_clock(S, 0.1 * (here + 1)),
        "labels": (checks.classes(labels.images.y), cost.accuracy(labels, ORIGIN)),
        "mini-batches": trained(S, BATCH),
        "5 networks": raised(5, everything, devices.mesh()),
    }


def main(case, folder, *joined):
    """Run a case."""
    faulthandler.dump_traceback_later(LIMIT, exit=True)
    if case == "columns":  # small as all is, coefficients are kept wherever there is more than one tile
        program.LONG = 0
    if joined:
        address, number, process = joined
        jax.distributed.initialize(address, int(number), int(process), coordinator_bind_address=address)
    kept = {"rows": rows, "columns": columns, "processes": processes}[case](Path(folder))
    plain = jax.tree.map(lambda leaf: np.asarray(leaf) if isinstance(leaf, jax.Array) else leaf, kept)
    Path(folder, "kept.pickle").write_bytes(pickle.dumps(plain))


if __name__ == "__main__":
    main(*sys.argv[1:])
