"""A quantity at points of a slice in float64: what C is, but for rounding."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost.engine.program import MEMORY, compiled


def in_float64(quantity, C, frame, most, *, memory=MEMORY) -> Callable:
    """A quantity as a function of points, in float64, what is affine hoisted: one program for all calls.

    A model that does not run in float64 is evaluated as it is, with a warning.

    Args:
        quantity: what to compute, as in `quantities`.
        C: a `cost.Cost` of the floating leaves alone.
        frame: `(origin, directions)`, the directions like the origin (`directions.Frame.moving`).
        most: points that are often asked for at once.
        memory: bytes that may be taken on each device beyond images and parameters.

    Returns:
        A function of points `[m, k]` that gives a pytree of numpy arrays `[m, ...]`.
    """
    origin, directions = frame
    points = np.zeros((most, len(directions)))
    with jax.enable_x64(True):
        wide = lambda tree: jax.tree.map(_widened, tree)
        C64, frame64 = replace(C, images=wide(C.images)), (wide(origin), wide(tuple(directions)))
        try:
            program = compiled(quantity, (C64,), frame64, points, memory)
        except TypeError as error:
            warnings.warn(f"the model does not run in float64, it is judged in float32: {error}", stacklevel=3)
            C64, frame64, program = C, frame, None
    if program is None:
        program = compiled(quantity, (C,), frame, points.astype(np.float32), memory)
    is64 = C64 is not C

    def run(points):
        with jax.enable_x64(is64):
            tiles = [points[i : i + program.buffer] for i in range(0, len(points), program.buffer)]
            parts = [program.run((C64,), frame64, tile)[0] for tile in tiles]
            return jax.tree.map(lambda *a: np.concatenate(a), *parts)

    return run


def _widened(leaf):
    leaf = jnp.asarray(leaf)
    return leaf.astype(jnp.float64) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
