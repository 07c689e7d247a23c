"""Products of the second derivatives of C with directions, over all images.

The products with the images are one for all directions (`composed`), and those of all images at once, where they fit
into the memory: a block of images would have to be copied first. They bound the time, for one direction nine tenths of
it. What follows goes by chunks of images, and direction by direction, so that its intermediates stay in a CPU's cache.
To keep what hangs on the parameters alone from one product to the next would save an eighth, and is not done.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxcost.engine import blocks, composed

HESSIAN, GGN = "hessian", "ggn"
PASSES = 6  # times as much as C makes of one image is made on the way
CHUNK = 7_500  # images together on a CPU; half or twice as many take 1.1 times as long


@partial(jax.jit, static_argnames="kind")
def of_each(kind, C, params, vs) -> Any:
    """Products of the Hessian, or of the Gauss-Newton matrix, with k directions.

    Args:
        kind: HESSIAN or GGN.
        C: a `cost.Cost` of the floating leaves alone.
        params: these.
        vs: directions like them, each leaf with a first axis `[k]`.

    Returns:
        Like `vs`.
    """
    found = composed.cut(of_one(kind, C), params, C.images)
    of_block = partial(_plainly, kind, C) if found is None else partial(_composed, kind, C, found)
    size = C.block or _size(C, found, params, len(jax.tree.leaves(vs)[0]))
    total = blocks.sum_over_blocks(of_block, C.images, C.spread, size, (params, vs))
    means = jax.tree.map(lambda leaf: leaf / C.n, total)
    return means if C.penalty is None else jax.tree.map(jnp.add, means, of_penalty(C, params, vs))


@jax.jit
def of_penalty(C, params, vs) -> Any:
    """Products of the Hessian of C's penalty with k directions, which are once and not of the images. Like `vs`."""
    along = jax.linearize(jax.grad(lambda params: C.penalised(0.0, *params)), params)[1]
    return jax.lax.map(along, vs)


@partial(jax.jit, static_argnames="kind")
def of_direction(kind, C, params, v) -> Any:
    """The product with one direction, like the parameters."""
    found = of_each(kind, C, params, jax.tree.map(lambda leaf: leaf[None], v))
    return jax.tree.map(lambda leaf: leaf[0], found)


def _size(C, found, params, k):
    """Images together: so many that what is kept of them fits into the memory."""
    bytes_of_one = C.bytes_of_one(*params)
    if found is None:  # as many as C itself takes; of a CNN a fourth of them takes 2.5 times as long
        return max(1, blocks.MEMORY // bytes_of_one)
    kept = (2 * k + 2) * composed.numbers(found) * max(leaf.dtype.itemsize for leaf in jax.tree.leaves(params))
    chunk = CHUNK if jax.default_backend() == "cpu" else C.n
    return max(1, blocks.MEMORY // kept) if chunk < C.n else max(1, blocks.MEMORY // (kept + PASSES * bytes_of_one))


def of_one(kind, C) -> Callable:
    """What is to be derived, of one image: its cost without the penalty, or the outputs."""
    return C.of_image if kind == HESSIAN else lambda image, *params: C.output(image.x, *params)


def _plainly(kind, C, images, new, arguments):
    """The sum over a block of images, nothing cut."""
    params, vs = arguments
    each = lambda params: jax.vmap(of_one(kind, C), (0, *(None,) * len(params)), -1)(images, *params)
    return _along(second(kind, C, each, params, image_last(images.y), new), vs)


def _composed(kind, C, found, images, new, arguments):
    """The sum over a block of images, chunk by chunk between the products with all of them."""
    params, vs = arguments
    parts = composed.composed(found, params, images)
    stacks = parts.front(params, vs)
    split = lambda values: [{v: a for v, a in values.items() if (v in parts.batched) == yes} for yes in (True, False)]
    values, shared = split({v: stack[0] for v, stack in stacks.items()})
    moved, shared_moved = split({v: stack[1:] for v, stack in stacks.items()})
    still, shared_still = split(parts.still)

    def of_chunk(values, moved, still, targets, new):
        f = lambda values: parts.rest(values, still | shared_still)
        return split(_along(second(kind, C, f, values | shared, targets, new), moved | shared_moved))

    chunk = CHUNK if jax.default_backend() == "cpu" else len(new)
    own, summed = _over_chunks(of_chunk, (values, moved, still, image_last(images.y), new), chunk)
    return parts.pull(own | summed)


def _over_chunks(f, given, size):
    """`f(*chunk of what is given)` of all images, the last axis: its first result put together, its second added up."""
    n = given[-1].shape[-1]
    count = math.ceil(n / size)
    size = math.ceil(n / count)
    if count == 1:
        return f(*given)

    def chunk(i):
        start = jnp.minimum(i * size, n - size)
        *part, new = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size, -1), given)
        return start, f(*part, new & (start + jnp.arange(size) >= i * size))

    def add(i, total):
        (whole, summed), (start, (own, more)) = total, chunk(i)
        # what was seen before is 0 now
        before = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size, -1), whole)
        put = lambda leaf, old, new: jax.lax.dynamic_update_slice_in_dim(leaf, old + new, start, -1)
        return jax.tree.map(put, whole, before, own), jax.tree.map(jnp.add, summed, more)

    own, summed = jax.eval_shape(lambda: chunk(0)[1])
    zeros = lambda leaf: jnp.zeros(leaf.shape, leaf.dtype)
    whole = jax.tree.map(lambda leaf: jnp.zeros((*leaf.shape[:-1], n), leaf.dtype), own)
    return jax.lax.fori_loop(0, count, add, (whole, jax.tree.map(zeros, summed)))


def image_last(tree) -> Any:
    """Every array with its first axis last."""
    return jax.tree.map(lambda leaf: jnp.moveaxis(leaf, 0, -1), tree)


def second(kind, C, f, values, targets, new) -> Callable:
    """The second derivative of a sum over images, as a linear function of how the values move that f is taken at.

    Args:
        kind: as of `of_each`.
        C: the cost.
        f: what is said of each image at these values, the image axis last: its cost, or the outputs (`of_one`).
        values: a pytree.
        targets: of the images, their axis last (`image_last`).
        new: the images that count.
    """
    counted = lambda costs: jnp.where(new, costs, 0).sum()
    if kind == HESSIAN:
        return jax.linearize(jax.grad(lambda values: counted(f(values))), values)[1]
    a, push = jax.linearize(f, values)
    _, pull = jax.vjp(f, values)
    _, curved = jax.linearize(jax.grad(lambda a: counted(composed.on_all(C.of_output, a, targets))), a)
    return lambda v: pull(curved(push(v)))[0]


def _along(second, vs):
    """Of each of k directions; of one without a loop."""
    if len(jax.tree.leaves(vs)[0]) == 1:
        return jax.tree.map(lambda leaf: leaf[None], second(jax.tree.map(lambda leaf: leaf[0], vs)))
    return jax.lax.map(second, vs)
