"""How much of a slice is rounding: its values against the plain cost in float64."""

import math
import warnings
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import directions as frames
from jaxcost.engine import blocks


def floor(C, frame, points, values, *, count=16, largest=8, first=0) -> float:
    """Rounding noise of a slice, estimated, in units of C: no dent shallower than this is evidence of anything.

    floor = max(4 max_i |values_i - C64(P(s_i))|, eps max_i |values_i|)

    where i runs over `count` of the slice's own points and the `largest` with the largest costs, C64 is the plain cost
    in float64, nothing hoisted, and eps is the spacing of the values' type at 1. Why 4: the largest of 16 normal
    deviates is about 2 standard deviations in size, so the floor is about 8, and the difference of two values, each off
    by noise, exceeds 8 about once in 10^8 pairs. The second term is the analytic estimate, the rounding of the mean
    itself, for a slice that agrees with float64 by chance. A model that insists on float32 is compared with its own
    plain cost in float32, with a warning.

    Args:
        C: a `cost.Cost` of the floating leaves alone.
        frame: `(origin, directions)`, the directions like the origin (`directions.Frame.moving`).
        points: coordinates, `[m, k]`.
        values: C at the points, `[m]`, as it was computed.
        count: number of points to compare, spread evenly over those with finite values by the golden ratio.
        largest: number of points with the largest costs to compare, one or more.
        first: where in the golden sequence to begin: slices judged together should not compare the same points.

    Returns:
        A number; NaN if none of the values is finite.
    """
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return math.nan
    golden = (math.sqrt(5) - 1) / 2
    evenly = finite[((first + np.arange(min(count, len(finite)))) * golden % 1 * len(finite)).astype(int)]
    highest = finite[np.argsort(np.abs(values[finite]))[-largest:]]
    chosen = np.unique([*evenly, *highest])
    chosen = np.pad(chosen, (0, count + largest - len(chosen)), mode="edge")  # one number of points compiles once
    origin, directions = frame
    # intermediates are twice as long in float64
    size = C.block or max(1, blocks.MEMORY // (2 * C.bytes_of_one(*origin)))
    with jax.enable_x64(True):
        as64 = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
        try:
            exact = _plain(C, as64(origin), as64(directions), as64(points[chosen]), size)
        except TypeError as error:
            warnings.warn(f"the model does not run in float64, its noise is measured in float32: {error}", stacklevel=2)
            exact = _plain(C, origin, directions, points[chosen], size)
    error = np.abs(values[chosen] - np.asarray(exact))
    largest_error = error[np.isfinite(error)].max(initial=0)
    return float(max(4 * largest_error, np.finfo(values.dtype).eps * np.abs(values[finite]).max()))


@partial(jax.jit, static_argnames="size")
def _plain(C, origin, directions, points, size):
    """C at points of a slice, nothing hoisted, images in the type of the points. Points inside blocks of images."""

    def of_block(images, new, arguments):
        origin, directions, points = arguments
        cast = lambda leaf: leaf.astype(points.dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
        images = jax.tree.map(cast, images)

        def at(s):
            params = jax.tree.map(lambda leaf, *d: frames.moved_leaf(s, (leaf, *d)), origin, *directions)
            costs = jax.vmap(C.of_one, (0, *(None,) * len(params)))(images, *params)
            return jnp.where(new, costs, 0) @ jnp.ones(len(costs), costs.dtype)

        return jax.lax.map(at, points)

    sums = blocks.over_blocks(of_block, C.images, C.spread, size, (origin, directions, points))
    return blocks.replicated(sums.sum(0) / C.n, C.spread)
