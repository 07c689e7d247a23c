"""Any quantity of C at many points of a slice: planned beforehand, in tiles, to be stopped and taken up again.

The arrangement is the fastest of those measured on two CPU cores with 60,000 images, on jax 0.10 and 0.12:

- Blocks of images outside, points inside: a block's coefficients (`hoist`) and intermediates stay in the cache for
  all points of a tile. The other way round they come from memory again at every point.
- 7,500 images a block. On one machine 15,000 were the fastest of 500 to 60,000 for 784-16-16-10, on another 60,000, and
  there 7,500 were 1.3 times as fast as 15,000 for 784-10, 1.15 for 784-30-10. Fewer where the model would make more
  than 64 MB of them: for a CNN 100 images are 1.5 to 2 times as fast as 1,600.
- One point at a time. Many together, by vmap, fall out of the cache.
- The image axis last; the sum over images, a product with ones, before that over outputs (`hoist`).

What did not pay: a partial sum shared by the points of a row; images kept as uint8, since only the coefficients see
them; several XLA CPU devices, faster on jax 0.10 alone.
"""

import math
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from tqdm import tqdm

from jaxcost.engine import blocks, hoist, resume

MEMORY = 1 << 30  # bytes beyond images and parameters; what an ordinary machine has to spare
BLOCK, CACHE = 7_500, 64 << 20  # images, and bytes of intermediates, on a CPU, see above; elsewhere memory bounds them
BUFFER = 16_384  # points a tile at most; beside so many the coefficients cost little
FEW = 16  # so many points are one tile, and not timed beforehand
TILE = 5.0  # seconds a tile, which is what is lost when a process is killed
LONG = 10.0  # seconds from which on an evaluation is announced
KEEPING = 1 / 20  # share of the time that writing the finished points may take


class Plan(NamedTuple):
    """What an evaluation will take.

    Attributes:
        points: how many.
        images: how many.
        block: images taken together.
        tile: points from one save to the next at most.
        seconds: for all points, from the time of a few; compiling not included.
        memory: bytes on each device beyond images and parameters, as XLA plans them.
    """

    points: int
    images: int
    block: int
    tile: int
    seconds: float
    memory: int

    def __str__(self):
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        short = f"{minutes} min {seconds:02} s" if minutes else f"{self.seconds:.1f} s"
        took = f"{hours} h {minutes:02} min" if hours else short
        return (
            f"{self.points:,} points x {self.images:,} images: about {took} and {self.memory / 1e6:,.0f} MB, "
            f"{self.block:,} images together"
        )


class Program(NamedTuple):
    """A compiled evaluation: `run(origin, directions, points)`, at most `buffer` points `[m, k]`, gives `[m, ...]`."""

    run: Callable
    results: object  # shapes and types of one point's results, [1, ...]
    block: int
    buffer: int
    memory: int


def plan(quantity, C, origin, directions, points, *, memory=MEMORY):
    """Time a few points, and say how long all will take and how much memory.

    Args:
        quantity: what to compute, as in `quantities`.
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: k tuples like it.
        points: coordinates, `[m, k]`.
        memory: bytes that may be taken on each device beyond images and parameters.

    Returns:
        A `Plan`.

    Raises:
        ValueError: not even one image at a time fits into the memory.
    """

    def seconds(few):
        start = time.perf_counter()
        program.run(origin, directions, np.resize(points, (few, points.shape[1])))
        return time.perf_counter() - start

    with jax.default_matmul_precision("highest"):
        program = _program(quantity, C, origin, directions, len(points), memory)
        return _planned(program, C, len(points), seconds)


def sweep(quantity, C, origin, directions, points, *, memory=MEMORY, resume_file=None):
    """A quantity at each of the points, `[m, ...]`, numpy arrays. Says beforehand what a long one takes.

    Args and errors as for `plan`, and:
        resume_file: path of an .npz that keeps the finished points, or None. Written after tiles, so seldom that it
            takes a twentieth of the time at most, and on Ctrl-C. Points found in it are not computed again; each point
            is computed as if it were alone, so that a stop changes no bit of the results. (Spread over several
            processes, the last bit may change: their sums depend on a point's place in its tile.)
    """
    with jax.default_matmul_precision("highest"):
        program = _program(quantity, C, origin, directions, len(points), memory)
        results = jax.tree.map(lambda a: np.zeros((len(points), *a.shape[1:]), a.dtype), program.results)
        done, keep = 0, lambda done, results: None
        if resume_file is not None:
            identity = resume.identity(quantity, C, origin, directions, points, program.block, program.buffer)
            done = resume.taken_up(resume_file, identity, results)
            keep = partial(resume.keep, resume_file, identity)
        first = jax.process_index() == 0
        shown = {"desc": "slice", "unit": "point", "delay": 2, "leave": False, "disable": None if first else True}
        bar = tqdm(total=len(points), initial=done, **shown)
        kept, due = done, 0.0

        def seconds(few):
            """Compute the next few points, and how long that took."""
            nonlocal done, kept, due
            start = time.perf_counter()
            part = program.run(origin, directions, points[done : done + few])
            jax.tree.map(lambda whole, part: whole[done : done + few].__setitem__(..., part), results, part)
            took = time.perf_counter() - start
            done = min(done + few, len(points))
            bar.update(done - bar.n)
            if time.perf_counter() >= due:
                start = time.perf_counter()
                keep(done, results)
                kept, due = done, time.perf_counter() + (time.perf_counter() - start) / KEEPING
            return took

        try:
            tile = program.buffer
            if len(points) - done > FEW:
                planned = _planned(program, C, len(points) - done, seconds)
                tile = planned.tile
                if planned.seconds > LONG and first:
                    print(planned, file=sys.stderr, flush=True)
            while done < len(points):
                seconds(tile)
        finally:  # the end, or Ctrl-C
            bar.close()
            if kept < done:
                keep(done, results)
    return results


def sweeps(quantity, C, several, points, *, memory=MEMORY):
    """A quantity at the same points of several slices, `[slices, m, ...]`: one program, compiled once.

    Args:
        quantity: what to compute.
        C: a `cost.Cost`.
        several: a list of `(origin, directions)`, all of one structure.
        points: coordinates, `[m, k]`.
        memory: bytes that may be taken on each device beyond images and parameters, and beyond the results.

    Returns:
        Numpy arrays.

    Raises:
        ValueError: not even one image at a time fits into the memory.
    """
    with jax.default_matmul_precision("highest"):
        program = _program(quantity, C, *several[0], len(points), memory)
        tiles = [points[i : i + program.buffer] for i in range(0, len(points), program.buffer)]
        results = []
        for origin, directions in tqdm(several, desc="slices", unit="slice", delay=2, leave=False):
            parts = [program.run(origin, directions, tile) for tile in tiles]
            results.append(jax.tree.map(lambda *a: np.concatenate(a), *parts))
    return jax.tree.map(lambda *a: np.stack(a), *results)


def _planned(program, C, m, seconds):
    """From the time of two points, and of more, but of no more than are sure to take a tile's time.

    A call takes c + p m seconds for m points, c for the coefficients; two points alone would not tell these apart.
    """
    several = C.spread is not None and len({d.process_index for d in C.spread.mesh.devices.flat}) > 1
    # all processes must cut the same tiles
    agreed = lambda took: float(multihost_utils.broadcast_one_to_all(np.array(took))) if several else took
    few = min(2, program.buffer)
    first = agreed(seconds(few))
    coefficients, point, tile = 0.0, first / few, program.buffer
    more = min(max(int(TILE * few / first), few + 1), m - few, program.buffer)
    if more > few:
        then = agreed(seconds(more))
        point = max(then - first, 1e-6 * then) / (more - few)
        coefficients = max(0.0, first - few * point)
        tile = int(np.clip(max(TILE, 20 * coefficients) / point, 1, program.buffer))
    return Plan(m, C.n, program.block, tile, math.ceil(m / tile) * coefficients + m * point, program.memory)


def _program(quantity, C, origin, directions, m, memory):
    """Choose the block and the buffer by the memory, and compile."""
    k, dealt = len(directions), 1 if C.spread is None else C.spread.mesh.shape["points"]
    dtype = jax.tree.leaves(origin)[0].dtype
    block = C.block or _guess(C, origin, k, memory)
    rows = math.ceil(min(BUFFER, 4 ** math.ceil(math.log(max(m, FEW), 4))) / dealt)  # few lengths, so few compilations

    def traced(block, rows):
        points = jax.ShapeDtypeStruct((dealt, rows, k), dtype)
        return _at_points.trace(quantity, block, C, origin, directions, points, 0)

    def needed(block, rows):
        used = traced(block, rows).lower().compile().memory_analysis()
        return used.temp_size_in_bytes + used.output_size_in_bytes if used else 0

    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape[1:]), a.dtype), traced(block, rows).out_info)
    of_one = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
    rows = max(1, min(rows, memory // (4 * of_one * dealt)))
    while (used := needed(block, rows)) > memory:
        # fewer images a block need less, but more blocks hold more results; half of one or the other, whichever helps
        halves = {(block if C.block else math.ceil(block / 2), rows), (block, math.ceil(rows / 2))}
        least, choice = min((needed(*half), half) for half in halves)
        if least >= used:
            raise ValueError(f"memory={memory:,} bytes, expected {used:,} for {block} images together, the least found")
        block, rows = choice
    run = partial(_run, quantity, block, C, (dealt, rows, k), dtype)
    return Program(run, one, min(block, C.n), dealt * rows, used)


def _guess(C, origin, k, memory):
    """Images that fit into the memory, or a CPU's cache, were all their intermediates and their coefficients kept."""
    most, held = (BLOCK, min(memory, CACHE)) if jax.default_backend() == "cpu" else (C.n, memory)
    return max(1, min(most, held // ((k + 1) * C.bytes_of_one(*origin))))


def _run(quantity, block, C, shape, dtype, origin, directions, points):
    """The results of a tile, as numpy arrays."""
    dealt, rows, k = shape
    padded = np.zeros((rows * dealt, k), dtype)
    padded[: len(points)] = points
    cards = padded.reshape(rows, dealt, k).swapaxes(0, 1)  # dealt one after the other: all devices end together
    result = _at_points(quantity, block, C, origin, directions, cards, math.ceil(len(points) / dealt))
    return jax.tree.map(lambda a: np.asarray(a)[: len(points)], result)


@partial(jax.jit, static_argnames=("quantity", "block"))
def _at_points(quantity, block, C, origin, directions, points, count):
    """The quantity at the first `count` points of each row of `[dealt, rows, k]`, as `[rows * dealt, ...]`.

    The number is an argument and not a shape, so that tiles of all lengths, and none to be timed, are one program.
    """

    def of_block(images, new, arguments, points):
        origin, directions, count = arguments
        coefficients, residual = hoist.split(C.of_one, origin, directions, images)
        at = lambda s: quantity.of_block(lambda s, *new: residual(s, coefficients, *new), images, new, s)
        (points,) = points
        empty = jax.tree.map(lambda a: jnp.zeros((len(points), *a.shape), a.dtype), jax.eval_shape(at, points[0]))
        put = lambda i, kept: jax.tree.map(lambda rows, row: rows.at[i].set(row), kept, at(points[i]))
        return jax.lax.fori_loop(0, count, put, empty)

    stacked = blocks.over_blocks(of_block, C.images, C.spread, block, (origin, directions, count), points)
    result = blocks.everywhere(quantity.combined(stacked, C), C.spread)
    in_turn = lambda a: a.reshape(*points.shape[:2], *a.shape[1:]).swapaxes(0, 1).reshape(a.shape)
    return jax.tree.map(in_turn, result)
