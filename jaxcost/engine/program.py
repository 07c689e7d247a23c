"""A quantity at the points of a slice as one compiled program that fits into the memory.

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
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.extend import core

from jaxcost import checks
from jaxcost.engine import blocks, hoist

MEMORY = 1 << 30  # bytes beyond images and parameters; what an ordinary machine has to spare
BLOCK, CACHE = 7_500, 64 << 20  # images, and bytes of intermediates, on a CPU, see above; elsewhere memory bounds them
BUFFER = 16_384  # points a tile at most; beside so many the coefficients cost little
FEWEST = 16  # points of the smallest program


class Program(NamedTuple):
    """A compiled evaluation.

    Attributes:
        run: `run(Cs, frame, points)`, at most `buffer` points `[m, k]`, gives for each cost a pytree of numpy arrays
            `[m, ...]`.
        results: shapes and types of one point's results, `[1, ...]`.
        block: images taken together.
        buffer: the most points of one call.
        memory: bytes on each device beyond images and parameters.
    """

    run: Callable
    results: Any
    block: int
    buffer: int
    memory: int


def compiled(quantity, Cs, frame, points, memory) -> Program:
    """Choose the number of images a block and of points a call by the memory, and compile.

    Args:
        quantity: what to compute, as in `quantities`.
        Cs: a tuple of costs of one model, each a `cost.Cost` of the floating leaves alone.
        frame: `(origin, directions)`, the k directions like the origin (`directions.Frame.moving`).
        points: coordinates, `[m, k]`.
        memory: bytes that may be taken on each device beyond images and parameters.

    Raises:
        ValueError: `memory` is no whole number, or not even one image at a time fits into it.
    """
    checks.whole("memory", memory)
    (m, k), dtype = points.shape, points.dtype
    # devices that share out the points
    sharing = 1 if Cs[0].spread is None else Cs[0].spread.mesh.shape["points"]
    asked = min((C.block for C in Cs if C.block), default=None)
    block = asked or min(_guess(C, frame[0], k, memory) for C in Cs)
    # few lengths, so few compilations
    rows = math.ceil(min(BUFFER, 4 ** math.ceil(math.log(max(m, FEWEST), 4))) / sharing)

    def traced(block, rows):
        points = jax.ShapeDtypeStruct((sharing, rows, k), dtype)
        # a plain tuple, and every argument, as in `_run`: otherwise it would be compiled a second time there
        return _at_points.trace(quantity, block, Cs, tuple(frame), points, 0, False)

    def needed(block, rows):
        used = traced(block, rows).lower().compile().memory_analysis()
        return used.temp_size_in_bytes + used.output_size_in_bytes if used else 0

    one = jax.tree.map(lambda a: jax.ShapeDtypeStruct((1, *a.shape[1:]), a.dtype), traced(block, rows).out_info[0])
    of_one = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(one))
    rows = max(1, min(rows, memory // (4 * of_one * sharing)))
    while (used := needed(block, rows)) > memory:
        # fewer images a block need less, but more blocks hold more results; half of one or the other, whichever helps
        halves = {(block if asked else math.ceil(block / 2), rows), (block, math.ceil(rows / 2))}
        least, choice = min((needed(*half), half) for half in halves)
        if least >= used:
            raise ValueError(f"memory={memory:,} bytes, expected {used:,} for {block} images together, the least found")
        block, rows = choice
    run = partial(_run, quantity, block, (sharing, rows, k), dtype)
    return Program(run, one, min(block, max(C.n for C in Cs)), sharing * rows, used)


def of_two(quantity, C, frame, points) -> core.ClosedJaxpr:
    """The quantity of two images at one point, traced: what is computed, however blocks and tiles are cut.

    It is traced as it is compiled, so that all it is made of is in it: the model, its loss, the rules of its own
    derivatives where the quantity takes derivatives, and the arrays closed over.
    """

    def at_point(images, frame, point):
        here = replace(C, images=images, block=None, spread=None)
        return _at_points.__wrapped__(quantity, 2, (here,), frame, point, 1, False)

    two = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((2, *leaf.shape[1:]), leaf.dtype), C.images)
    point = jax.ShapeDtypeStruct((1, 1, points.shape[1]), points.dtype)
    shapes = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype), tuple(frame))
    return jax.make_jaxpr(at_point)(two, shapes, point)


def _guess(C, origin, k, memory):
    """Images that fit into the memory, or a CPU's cache, were all their intermediates and their coefficients kept."""
    most, held = (BLOCK, min(memory, CACHE)) if jax.default_backend() == "cpu" else (C.n, memory)
    return max(1, min(most, held // ((k + 1) * C.bytes_of_one(*origin))))


def _run(quantity, block, shape, dtype, Cs, frame, points):
    """The results of a tile, as numpy arrays; where what was split may not be sound, those of the plain evaluation."""
    sharing, rows, k = shape

    def results(points, plainly):
        padded = np.zeros((rows * sharing, k), dtype)
        padded[: len(points)] = points
        shares = padded.reshape(rows, sharing, k).swapaxes(0, 1)  # one point after the other: all devices end together
        count = math.ceil(len(points) / sharing)
        found = _at_points(quantity, block, Cs, tuple(frame), shares, count, plainly)
        return jax.tree.map(lambda a: np.asarray(a)[: len(points)], found)

    found, sound = results(points, False)
    if sound.all():
        return found
    again = np.flatnonzero(~sound)
    plain, _ = results(points[again], True)
    found = jax.tree.map(np.array, found)  # to be written to
    jax.tree.map(lambda whole, part: whole.__setitem__(again, part), found, plain)
    return found


@partial(jax.jit, static_argnames=("quantity", "block", "plainly"))
def _at_points(quantity, block, Cs, frame, points, count, plainly=False):
    """The quantity of each cost at the first `count` points of each row of `[sharing, rows, k]`, one after the other.

    The number is an argument and not a shape, so that tiles of all lengths, and none to be timed, are one program.
    And whether what was split is sound at each point (`hoist.Residual`); with `plainly` nothing is, and all is.
    """
    in_turn = lambda a: a.reshape(*points.shape[:2], *a.shape[1:]).swapaxes(0, 1).reshape(a.shape)

    def of(C):
        of_block = partial(_of_block, quantity, C, plainly)
        stacked, sound = blocks.over_blocks(of_block, C.images, C.spread, block, (*frame, count), points)
        whole = quantity.combined(stacked, C), sound.all(0)
        return jax.tree.map(in_turn, blocks.replicated(whole, C.spread))

    found, sound = zip(*map(of, Cs), strict=True)
    return found, jnp.stack(sound).all(0)


def _of_block(quantity, C, plainly, images, new, arguments, points):
    """The quantity of one block of images at all points of a row, `[rows, ...]`, and whether it is sound there."""
    origin, directions, count = arguments
    of_one = partial(quantity.of_one, C)
    coefficients, residual = hoist.split(of_one, origin, directions, images, plainly=plainly)
    each = lambda s: residual.each(s, coefficients)
    total = lambda s, new: residual.total(s, coefficients, new)
    block = hoist.Residual(each, total)
    at = lambda s: (quantity.of_block(block, new, images, s), residual.sound(s, coefficients))
    (points,) = points
    empty = jax.tree.map(lambda a: jnp.zeros((len(points), *a.shape), a.dtype), jax.eval_shape(at, points[0]))
    put = lambda i, kept: jax.tree.map(lambda rows, row: rows.at[i].set(row), kept, at(points[i]))
    return jax.lax.fori_loop(0, count, put, empty)
