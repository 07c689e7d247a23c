"""What is affine along a slice is computed once: any model, any slice, the same numbers.

On a slice the parameters are affine in the coordinates s, P(s) = origin + sum_k s_k d_k. So is everything
that the model makes from them by linear operations, up to the first nonlinearity: for the first layer's
weighted input z(s) = z_0 + sum_k s_k z_k, where each z_k is a product with the images that no longer depends
on s. `split` traces a function of ONE image, finds these values, computes their coefficients for all images,
and leaves a residual that begins at the first nonlinearity.

The residual is evaluated operation by operation with the image axis LAST (`batching`).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcost import directions as frames
from jaxcost.engine import affine, derivatives, sums
from jaxcost.engine.affine import AFFINE
from jaxcost.engine.batching import run


class Residual(NamedTuple):
    """What is left to be done at each point s, `[k]`, given the coefficients; differentiable in s.

    Attributes:
        each: `each(s, coefficients)`, the results for each image, a pytree of `[n]`.
        total: `total(s, coefficients, counted)`, their sums over the images where the mask `counted`, `[n]`, is True.
        derivatives: `derivatives(s, coefficients, counted)`, of one number an image: its sum as in `total`, with
            gradient `[k]` and Hessian `[k, k]`.
        sound: `sound(s, coefficients)`, whether nothing that was split is infinite or NaN or can have become so. Where
            it is False these results are not to be taken: split again, plainly.
        hoisted: whether the coefficients hold anything computed beforehand, or just what was given.
    """

    each: Callable
    total: Callable
    derivatives: Callable
    sound: Callable = lambda s, coefficients: jnp.bool_(True)
    hoisted: bool = False


def split(f, origin, directions, data, *, plainly=False) -> tuple[object, Residual]:
    """Split what f says of each image along a slice into coefficients, computed here, and the rest.

    Args:
        f: a number for one image, or a pytree of numbers, `f(one, *params)`, where `one` is `data` without its first
            axes.
        origin: tuple of the parameters at s = 0, floating arrays.
        directions: k tuples like `origin`.
        data: a pytree of arrays `[n, ...]`.
        plainly: compute nothing beforehand.

    Returns:
        `(coefficients, residual)`, a pytree of arrays and pure functions such that
        `residual.each(s, coefficients)[i] = f(data[i], *P(s))` wherever `residual.sound(s, coefficients)`. Where
        nothing that depends on the images is worth computing beforehand, they are the plain `vmap` of f.

    Example:
        >>> x = jnp.arange(6.0).reshape(3, 2)
        >>> f = lambda x, w: jnp.tanh(w @ x)
        >>> w, u = (jnp.array([1.0, -1.0]),), (jnp.array([0.5, 0.5]),)
        >>> coefficients, residual = split(f, w, (u,), x)
        >>> s = jnp.array([2.0])
        >>> bool(jnp.allclose(residual.each(s, coefficients), jax.vmap(lambda x: f(x, w[0] + 2 * u[0]))(x)))
        True
    """
    found = None if plainly else affine.cut(f, origin, data, len(directions))
    if found is None:
        one = jax.tree.map(lambda leaf: leaf[0], data)
        structure = jax.tree.structure(jax.eval_shape(f, one, *origin))
        return (origin, directions, data), _residual(partial(_plain, f), structure)
    stacks = [jnp.stack(leaves) for leaves in zip(*map(jax.tree.leaves, (origin, *directions)), strict=True)]
    frontier = affine.coefficients(found, stacks, data)
    n, kinds = len(jax.tree.leaves(data)[0]), {v: found.kinds[v] for v in frontier}
    rest = partial(_evaluated, found.later, found.outputs, kinds, n)
    largest = _largest([c for v, c in frontier.items() if kinds[v].word == AFFINE and v not in found.params])
    residual = _residual(lambda s, coefficients: rest(s, coefficients["values"]), found.structure)
    residual = residual._replace(sound=_sound)
    one_number = len(found.outputs) == 1 and isinstance(found.outputs[0], int)
    if one_number and found.kinds[found.outputs[0]].batched and derivatives.known(found.later):
        residual = residual._replace(derivatives=partial(_derived, found.later, found.outputs, kinds))
    return {"values": frontier, "largest": largest}, residual._replace(hoisted=True)


def _residual(evaluated, structure):
    """From `evaluated(s, coefficients)`, a list of `[..., n]`, yet to be summed over the axes before the last."""
    whole = lambda results: structure.unflatten(results)
    each = lambda s, coefficients: whole([sums.each(costs) for costs in evaluated(s, coefficients)])
    summed = lambda counted, results: whole([sums.total(costs, counted) for costs in results])
    total = lambda s, coefficients, counted: summed(counted, evaluated(s, coefficients))
    nested = lambda s, coefficients, counted: derivatives.nested(lambda s: total(s, coefficients, counted), s)
    return Residual(each, total, nested)


def _largest(stacks):
    """The largest coefficients, `[k + 1]`, in the narrowest of their types; NaN or infinite if one is.

    Where nothing moves, a value is infinite everywhere or nowhere, split or not, and does not count.
    """
    moving = [jnp.where((c[1:] != 0).any(0, keepdims=True), jnp.abs(c), 0).reshape(len(c), -1) for c in stacks]
    narrowest = min((c.dtype for c in stacks), key=lambda dtype: dtype.itemsize)
    return jnp.stack([c.max(1, initial=0).astype(narrowest) for c in moving]).max(0)


def _sound(s, coefficients):
    """Split, 0 times infinity is NaN where the model itself may be finite, and sums may overflow: not within bounds."""
    largest = coefficients["largest"]
    return largest[0] + (jnp.abs(s) * largest[1:]).sum() < jnp.finfo(largest.dtype).max / 2


def _plain(f, s, coefficients):
    """Nothing hoisted: the parameters at s, and f at every image."""
    origin, directions, data = coefficients
    params = jax.tree.map(lambda *leaves: frames.moved_leaf(s, leaves), origin, *directions)
    return jax.tree.leaves(jax.vmap(f, (0, *(None,) * len(params)))(data, *params))


def _evaluated(later, outputs, kinds, n, s, coefficients):
    """Run what is left of the program at s: for each result `[..., n]`, to be summed over all axes but the last."""
    later, outputs = sums.without_last(later, outputs)
    values = {v: frames.moved_leaf(s, c) if kinds[v].word == AFFINE else c for v, c in coefficients.items()}
    axes = {v: -1 for v in kinds if kinds[v].batched}
    run(later, values, axes)
    found = [(values[v], axes.get(v)) if isinstance(v, int) else (jnp.asarray(v.val), None) for v in outputs]
    for_all = lambda value: jnp.broadcast_to(value.sum() if value.ndim else value, n)
    return [value if axis is not None else for_all(value) for value, axis in found]


def _derived(later, outputs, kinds, s, coefficients, counted):
    """Value, gradient and Hessian of the one result of a program, summed."""
    coefficients = coefficients["values"]
    moving = {v: c for v, c in coefficients.items() if kinds[v].word == AFFINE}
    values = coefficients | {v: frames.moved_leaf(s, c) for v, c in moving.items()}
    tangents = {v: tuple(c[1:].astype(values[v].dtype)) for v, c in moving.items()}
    axes = {v: -1 for v in kinds if kinds[v].batched}
    later, (output,) = sums.without_last(later, outputs)
    return derivatives.in_one_pass(later, output, values, tangents, axes, counted)
