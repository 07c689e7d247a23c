"""A quantity at the points of a slice as one compiled program that fits into the memory.

The arrangement is the fastest of those measured on two CPU cores with 60,000 images, on jax 0.10 and 0.12:

- Blocks of images outside, points inside: a block's coefficients (`hoist`) and intermediates stay in the cache for
  all points of a tile. The other way round they come from memory again at every point.
- What is the same at all points, the coefficients, takes as long as 40 to 70 points (784-16-16-10). Where that is long
  and they fit into half of the memory, they are computed once for all tiles.
- 30,000 images a block: XLA shares out only large operations to the cores, and at 3,750 a point takes twice as long.
  Fewer where the model would make more than 64 MB of them: 7,500 are the fastest for 784-100-100-10, and for a CNN 100
  are 1.5 to 2 times as fast as 1,600. Sums over so many images are in chunks (`sums`).
- Vectors as wide as the processor has them, AVX-512 above all: 15 to 20 % less time.
- One point at a time. Many together, by vmap, fall out of the cache.
- The image axis last; the sum over images, a product with ones, before that over outputs (`hoist`).

What did not pay: a partial sum shared by the points of a row; images kept as uint8, since only the coefficients see
them; several XLA CPU devices, faster on jax 0.10 alone.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from jaxcost import checks
from jaxcost.engine import blocks, hoist

MEMORY = 1 << 30  # bytes beyond images and parameters; what an ordinary machine has to spare
BLOCK, CACHE = 30_000, 64 << 20  # images, and bytes of intermediates, on a CPU, see above; elsewhere memory bounds them
BUFFER = 16_384  # points a tile at most; beside so many the coefficients cost little
FEWEST = 16  # points of the smallest program
LONG = 1e9  # multiplications, from which on coefficients are worth a program of their own, which takes 0.2 s to compile


class Program(NamedTuple):
    """A compiled evaluation.

    Attributes:
        on: `on(Cs, frame)` computes what is the same at all points, and gives `run(points)`: at most `buffer` points
            `[m, k]`, for each cost a pytree of numpy arrays `[m, ...]`.
        results: shapes and types of one point's results, `[1, ...]`.
        block: images taken together.
        buffer: the most points of one call.
        memory: bytes on each device beyond images and parameters.
    """

    on: Callable
    results: Any
    block: int
    buffer: int
    memory: int


def compiled(quantity, Cs, frame, points, memory, *, calls=2) -> Program:
    """Choose the number of images a block and of points a call by the memory, and compile.

    Args:
        quantity: what to compute, as in `quantities`.
        Cs: a tuple of costs of one model, each a `cost.Cost` of the floating leaves alone.
        frame: `(origin, directions)`, the k directions like the origin (`directions.Frame.moving`).
        points: coordinates, `[m, k]`.
        memory: bytes that may be taken on each device beyond images and parameters.
        calls: of `run` for each frame, one or more. Of one, nothing is worth keeping for the next.

    Raises:
        ValueError: `memory` is no whole number, or not even one image at a time fits into it.
    """
    checks.whole("memory", memory)
    (m, k), dtype = points.shape, points.dtype
    # devices that share out the points
    sharing = 1 if Cs[0].spread is None else Cs[0].spread.mesh.shape["points"]
    asked = min((C.block for C in Cs if C.block), default=None)
    block = asked or min(_guess(C, frame[0], (k + 1) * quantity.passes, memory) for C in Cs)
    # few lengths, so few compilations
    rows = math.ceil(min(BUFFER, 4 ** math.ceil(math.log(max(m, FEWEST), 4))) / sharing)

    beforehand = lambda block: _beforehand.trace(quantity, block, Cs, tuple(frame))

    def traced(block, rows, kept):
        points = jax.ShapeDtypeStruct((sharing, rows, k), dtype)
        # a plain tuple, and every argument, as in `_run`: otherwise it would be compiled a second time there
        return _at_points().trace(quantity, block, Cs, tuple(frame), kept, points, 0, False)

    def needed(block, rows, keeping):
        """Bytes on each device; infinitely many where what would be kept is too much to be worth it."""
        if not keeping:
            return sum(_used(traced(block, rows, None)))
        temporary, kept = _used(beforehand(block))
        if kept > memory // 2:
            return math.inf
        return kept + max(temporary, sum(_used(traced(block, rows, beforehand(block).out_info))))

    one = traced(block, rows, None).out_info[0]
    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape[1:]), a.dtype), one)
    of_one = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
    rows = max(1, min(rows, memory // (4 * of_one * sharing)))
    for keeping in (True, False) if calls > 1 and work(Cs, frame) >= LONG else (False,):
        chosen, used = _fitting(partial(needed, keeping=keeping), block, rows, memory, asked is not None)
        if used <= memory:
            break
    else:
        least = f"{used:,} for {chosen[0]} images together, the least found"
        raise ValueError(f"memory={memory:,} bytes, expected {least}")
    block, rows = chosen
    on = partial(_on, quantity, block, (sharing, rows, k), dtype, keeping)
    return Program(on, one, min(block, max(C.n for C in Cs)), sharing * rows, used)


def work(Cs, frame) -> int:
    """Multiplications that the coefficients take, about: one of each parameter with each image."""
    size = sum(leaf.size for leaf in jax.tree.leaves(frame[0]))
    return sum(C.n for C in Cs) * (len(frame[1]) + 1) * size


def _fitting(needed, block, rows, memory, asked):
    """So many images a block and points a call that `needed(block, rows)` fits, or the least found; and what it is."""
    while (used := needed(block, rows)) > memory:
        # fewer images a block need less, but more blocks hold more results; half of one or the other, whichever helps
        halves = {(block if asked else math.ceil(block / 2), rows), (block, math.ceil(rows / 2))}
        least, choice = min((needed(*half), half) for half in halves)
        if least >= used:
            break
        block, rows = choice
    return (block, rows), used


def _used(traced):
    """Bytes on each device of a traced program, as XLA plans them: temporary ones, and its results."""
    used = traced.lower().compile().memory_analysis()
    return (used.temp_size_in_bytes, used.output_size_in_bytes) if used else (0, 0)


def of_two(quantity, C, frame, points) -> core.ClosedJaxpr:
    """The quantity of two images at one point, traced: what is computed, however blocks and tiles are cut.

    It is traced as it is compiled, so that all it is made of is in it: the model, its loss, the rules of its own
    derivatives where the quantity takes derivatives, and the arrays closed over.
    """

    def at_point(images, frame, point):
        here = replace(C, images=images, block=None, spread=None)
        return _all_points(quantity, 2, (here,), frame, None, point, 1, False)

    two = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((2, *leaf.shape[1:]), leaf.dtype), C.images)
    point = jax.ShapeDtypeStruct((1, 1, points.shape[1]), points.dtype)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tuple(frame))
    return jax.make_jaxpr(at_point)(two, shapes, point)


def _guess(C, origin, times, memory):
    """Images that fit into the memory, or a CPU's cache, were all kept that is made of them so many times."""
    most, held = (BLOCK, min(memory, CACHE)) if jax.default_backend() == "cpu" else (C.n, memory)
    return max(1, min(most, held // (times * C.bytes_of_one(*origin))))


def _on(quantity, block, shape, dtype, keeping, Cs, frame):
    """`run(points)` of a `Program`; what it keeps is computed when this returns."""
    kept = jax.block_until_ready(_beforehand(quantity, block, Cs, tuple(frame))) if keeping else None
    return partial(_run, quantity, block, shape, dtype, Cs, tuple(frame), kept)


def _run(quantity, block, shape, dtype, Cs, frame, kept, points):
    """The results of a tile, as numpy arrays; where what was split may not be sound, those of the plain evaluation."""
    sharing, rows, k = shape

    def results(points, plainly):
        padded = np.zeros((rows * sharing, k), dtype)
        padded[: len(points)] = points
        shares = padded.reshape(rows, sharing, k).swapaxes(0, 1)  # one point after the other: all devices end together
        count = math.ceil(len(points) / sharing)
        found = _at_points()(quantity, block, Cs, frame, None if plainly else kept, shares, count, plainly)
        return jax.tree.map(lambda a: np.asarray(a)[: len(points)], found)

    found, sound = results(points, False)
    if sound.all():
        return found
    again = np.flatnonzero(~sound)
    plain, _ = results(points[again], True)
    found = jax.tree.map(np.array, found)  # to be written to
    jax.tree.map(lambda whole, part: whole.__setitem__(again, part), found, plain)
    return found


@partial(jax.jit, static_argnames=("quantity", "block"))
def _beforehand(quantity, block, Cs, frame):
    """What is the same at all points: for each cost the coefficients of its blocks, or None where there are none."""

    def of(C):
        def of_block(images, new, frame):
            coefficients, residual = hoist.split(partial(quantity.of_one, C), *frame, images)
            return coefficients if residual.hoisted else None

        return blocks.over_blocks(of_block, C.images, C.spread, block, frame)

    return tuple(map(of, Cs))


@cache
def _at_points():
    """`_all_points`, compiled for this backend: by default XLA leaves half of a vector of AVX-512 empty."""
    options = {"xla_cpu_prefer_vector_width": 512} if jax.default_backend() == "cpu" else None
    return jax.jit(_all_points, static_argnames=("quantity", "block", "plainly"), compiler_options=options)


def _all_points(quantity, block, Cs, frame, kept, points, count, plainly=False):
    """The quantity of each cost at the first `count` points of each row of `[sharing, rows, k]`, one after the other.

    The number is an argument and not a shape, so that tiles of all lengths, and none to be timed, are one program.
    And whether what was split is sound at each point (`hoist.Residual`); with `plainly` nothing is, and all is.
    What is `kept` (`_beforehand`) is not computed again.
    """
    in_turn = lambda a: a.reshape(*points.shape[:2], *a.shape[1:]).swapaxes(0, 1).reshape(a.shape)

    def of(C, kept):
        of_block = partial(_of_block, quantity, C, plainly)
        stacked, sound = blocks.over_blocks(of_block, C.images, C.spread, block, (*frame, count), points, kept)
        whole = quantity.combined(stacked, C), sound.all(0)
        return jax.tree.map(in_turn, blocks.replicated(whole, C.spread))

    found, sound = zip(*map(of, Cs, kept or [None] * len(Cs)), strict=True)
    return found, jnp.stack(sound).all(0)


def _of_block(quantity, C, plainly, images, new, arguments, points, kept=None):
    """The quantity of one block of images at all points of a row, `[rows, ...]`, and whether it is sound there."""
    origin, directions, count = arguments
    of_one = partial(quantity.of_one, C)
    coefficients, residual = hoist.split(of_one, origin, directions, images, plainly=plainly)
    coefficients = coefficients if kept is None else kept  # those from `split` are then not computed
    each = lambda s: residual.each(s, coefficients)
    total, derivatives = (lambda s, new, f=f: f(s, coefficients, new) for f in (residual.total, residual.derivatives))
    block = hoist.Residual(each, total, derivatives)

    def at(s):
        found = quantity.of_block(block, new, images, s)
        return found, residual.sound(s, coefficients) & quantity.sound(found)

    (points,) = points
    empty = jax.tree.map(lambda a: jnp.zeros((len(points), *a.shape), a.dtype), jax.eval_shape(at, points[0]))
    put = lambda i, kept: jax.tree.map(lambda rows, row: rows.at[i].set(row), kept, at(points[i]))
    return jax.lax.fori_loop(0, count, put, empty)
