"""A quantity at points of a slice in float64: what C is, but for rounding."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost.engine.program import MEMORY, compiled
from jaxcost.engine.widened import widened


def in_float64(quantity, C, frame, most, *, memory=MEMORY) -> Callable:
    """A quantity as a function of points, in float64, what is affine hoisted: one program for all calls.

    It is the model's own program with every float that moves as float64 (`widened`), as for the noise floor.
    Derivatives are those of that program, not of rules that the model may have of its own.

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
    types = tuple(leaf.dtype for leaf in jax.tree.leaves((C.images, origin)))
    quantity = quantity._replace(of_one=_Widened(quantity.of_one, types, jax.config.jax_enable_x64))
    with jax.enable_x64(True):
        C, frame = replace(C, images=_wide(C.images)), (_wide(origin), _wide(tuple(directions)))
        program = compiled(quantity, (C,), frame, np.zeros((most, len(directions))), memory)
        on_slice = program.on((C,), frame)

    def run(points):
        with jax.enable_x64(True):
            tiles = [points[i : i + program.buffer] for i in range(0, len(points), program.buffer)]
            parts = [on_slice(tile)[0] for tile in tiles]
            return jax.tree.map(lambda *a: np.concatenate(a), *parts)

    return run


class _Widened(NamedTuple):
    """The numbers of one image: traced in the types of the model, among 64-bit ones or not, and run in float64."""

    of_one: Callable
    types: tuple
    x64: bool

    def __call__(self, C, image, *params):
        leaves, structure = jax.tree.flatten((image, params))
        shapes = [jax.ShapeDtypeStruct(leaf.shape, dtype) for leaf, dtype in zip(leaves, self.types, strict=True)]
        with jax.enable_x64(self.x64):
            of = lambda image, params: self.of_one(C, image, *params)
            closed, shape = jax.make_jaxpr(of, return_shape=True)(*structure.unflatten(shapes))
        still = len(jax.tree.leaves(image))
        results, _ = widened(closed, [i >= still for i in range(len(leaves))])(*leaves)
        return jax.tree.structure(shape).unflatten(results)


def _wide(tree):
    floating = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64) if floating(leaf) else leaf, tree)
