"""Directions whose weights are as long as the network's, neuron by neuron or layer by layer."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxcost import checks
from jaxcost.engine import trees

BIASES = ("zero", "vector", "entry")


def normalized(direction, params, axis, biases, kept=None) -> Any:
    """Weights scaled to length along all axes but `axis`, or all of them where it is None; biases by their rule.

    Args:
        direction: a tuple like `params`.
        params: the network.
        axis: as of `directions.filter_normalized`.
        biases: likewise.
        kept: paths of the leaves that are not held, or None for all.

    Raises:
        ValueError: as `directions.filter_normalized`.
    """
    checks.one_of("biases", biases, BIASES)
    fixed, direction = trees.some(params, "the parameters")[1], trees.fitted(direction, params, "the direction")
    trees.nonzero([direction])
    leaves = zip(trees.paths(direction), jax.tree.leaves(direction), strict=True)
    shapes = [leaf.shape for path, leaf in leaves if kept is None or path in kept]
    if biases == "zero" and not any(len(shape) > 1 for shape in shapes):
        found = f"parameters of {shapes}, vectors and numbers alone, count as biases: with biases='zero' nothing moves"
        raise ValueError(f"{found}. Expected biases='vector' or 'entry', or a direction as drawn (`gaussian`)")
    for shape in shapes:
        if axis is not None and len(shape) > 1 and not -len(shape) <= axis < len(shape):
            raise ValueError(f"axis={axis}, expected one of the {len(shape)} axes of a weight array of shape {shape}")
    return trees.join(fixed and fixed.zeros(), _scaled(axis, biases, direction, trees.moving(params)))


@partial(jax.jit, static_argnames=("axis", "biases"))
def _scaled(axis, biases, direction, params):
    def scaled(d, p):
        if d.ndim > 1:
            return _with_length(d, p, tuple(i for i in range(d.ndim) if axis is None or i != axis % d.ndim))
        if biases == "zero":
            return jnp.zeros_like(d)
        return _with_length(d, p, tuple(range(d.ndim)) if biases == "vector" else ())

    return jax.tree.map(scaled, direction, params)


def _with_length(d, p, axes):
    """D scaled to the length of p along `axes`; 0 where d is."""
    length = lambda a: jnp.sqrt(jnp.sum(a * a, axes, keepdims=True))
    return jnp.where(length(d) > 0, d * length(p) / jnp.where(length(d) > 0, length(d), 1), 0)
