"""What is affine along a slice is computed once: any model, any slice, the same numbers.

On a slice the parameters are affine in the coordinates s, P(s) = origin + sum_k s_k d_k. So is everything
that the model makes from them by linear operations, up to the first nonlinearity: for the first layer's
weighted input z(s) = z_0 + sum_k s_k z_k, where each z_k is a product with the images that no longer depends
on s. `split` traces a function of ONE image, finds these values, computes their coefficients for all images,
and leaves a residual that begins at the first nonlinearity.

The residual is evaluated operation by operation with the image axis LAST (`batching`).
"""

import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcost import directions as frames
from jaxcost.engine import derivatives, sums
from jaxcost.engine.batching import JOINTLY, flattened, image_last, linear, on_all_images

CONSTANT, AFFINE, GENERAL = "constant", "affine", "general"

PRODUCT = 1 / 8  # what a multiplication in a matrix product is taken to cost, in elementwise ones: a guess


class Kind(NamedTuple):
    """What is known of a value before any number is: one of the three words, and whether it has an image axis."""

    word: str
    batched: bool


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
    one = jax.tree.map(lambda leaf: leaf[0], data)
    closed, shapes = jax.make_jaxpr(f, return_shape=True)(one, *origin)
    structure = jax.tree.structure(shapes)
    plain = (origin, directions, data), _residual(partial(_plain, f), structure)
    if plainly or closed.effects:  # prints and callbacks must happen as the model says
        return plain
    program, inputs, outputs = flattened(closed)
    n_data = len(jax.tree.leaves(data))
    kinds = {v: Kind(CONSTANT, True) for v in inputs[:n_data]}
    kinds |= {v: Kind(AFFINE, False) for v in inputs[n_data:]}
    later = _classify(program, outputs, kinds, len(directions))
    needed = {v for values in (outputs, *(op.inputs for op in later)) for v in values if isinstance(v, int)}
    needed -= {v for op in later for v in op.outputs}
    if not any(kinds[v] == Kind(AFFINE, True) for v in needed):
        return plain

    values = dict(zip(inputs[:n_data], jax.tree.leaves(data), strict=True))
    axes = dict.fromkeys(inputs[:n_data], 0)  # where the image axis stands; values made here have it last
    stacks = [jnp.stack(leaves) for leaves in zip(*map(jax.tree.leaves, (origin, *directions)), strict=True)]
    values |= dict(zip(inputs[n_data:], stacks, strict=True))
    for op in program:
        if kinds[op.outputs[0]].word != GENERAL:
            _execute(op, values, axes, kinds)
    frontier = {v: image_last(values[v], axes.get(v)) for v in sorted(needed)}
    n = len(jax.tree.leaves(data)[0])
    rest = partial(_evaluated, later, outputs, {v: kinds[v] for v in frontier}, n)
    largest = _largest([c for v, c in frontier.items() if kinds[v].word == AFFINE and v not in inputs])
    residual = _residual(lambda s, coefficients: rest(s, coefficients["values"]), structure)._replace(sound=_sound)
    if len(outputs) == 1 and kinds.get(outputs[0], Kind(CONSTANT, False)).batched and derivatives.known(later):
        at_once = partial(_derived, later, outputs, {v: kinds[v] for v in frontier})
        residual = residual._replace(derivatives=at_once)
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
    for op in later:
        batched = any(axes.get(v) is not None for v in op.inputs if isinstance(v, int))
        arguments = [values[v] if isinstance(v, int) else v.val for v in op.inputs]
        image_axes = [axes.get(v) if isinstance(v, int) else None for v in op.inputs]
        for v, value in zip(op.outputs, on_all_images(op.eqn, arguments, image_axes), strict=True):
            values[v], axes[v] = value, -1 if batched else None
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


# -- the program ----------------------------------------------------------------------------------------


def _classify(program, outputs, kinds, k):
    """Fill in `kinds` and return the operations left for the residual.

    An affine value with an image axis costs k + 1 numbers an element to carry to every point. It is carried
    only where computing it again from what it is made of would cost more.
    """
    again = {}  # the cheaper of carrying and computing again, for each affine value with an image axis
    recomputed = set()
    for op in program:
        of = [kinds[v] if isinstance(v, int) else Kind(CONSTANT, False) for v in op.inputs]
        kind = Kind(_word(op.eqn, of), any(kind.batched for kind in of))
        for v, var in zip(op.outputs, op.eqn.outvars, strict=True):
            kinds[v] = kind
            if kind == Kind(AFFINE, True):
                carry = (k + 1) * var.aval.size
                compute = _work(op.eqn) + sum(again.get(v, 0) for v in op.inputs if isinstance(v, int))
                again[v] = min(carry, compute)
                if compute <= carry:
                    recomputed.add(id(op))
    wanted, later = {v for v in outputs if isinstance(v, int)}, []
    for op in reversed(program):
        if wanted & set(op.outputs) and (kinds[op.outputs[0]].word == GENERAL or id(op) in recomputed):
            later.append(op)
            wanted |= {v for v in op.inputs if isinstance(v, int)}
    return later[::-1]


def _word(eqn, kinds):
    """Constant, affine or general: what the operation makes of operands of these kinds."""
    affine = {i for i, kind in enumerate(kinds) if kind.word == AFFINE}
    if not affine:
        return GENERAL if any(kind.word == GENERAL for kind in kinds) else CONSTANT
    if any(kind.word == GENERAL for kind in kinds):
        return GENERAL
    name = eqn.primitive.name
    read = [eqn.invars[i] for i in affine]
    if any(not jnp.issubdtype(v.aval.dtype, jnp.floating) or v.aval.dtype.itemsize < 4 for v in (*read, *eqn.outvars)):
        return GENERAL  # whole numbers; and a type of few bits, which rounds so much that it makes a staircase
    if name == "gather" and eqn.params["fill_value"] not in (None, 0):
        return GENERAL  # what is filled in is a constant, and not linear in the operand
    return AFFINE if linear(eqn, affine) else GENERAL


def _work(eqn):
    """Work of one operation for one image, in elementwise multiplications."""
    size = max(v.aval.size for v in eqn.outvars)
    if eqn.primitive.name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return size * (1 + PRODUCT * math.prod(eqn.invars[0].aval.shape[i] for i in contracted))
    if eqn.primitive.name == "conv_general_dilated":
        kernel = eqn.invars[1].aval
        to = kernel.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
        return size * (1 + PRODUCT * kernel.size / to)
    return max(size, *(v.aval.size for v in eqn.invars))


def _execute(op, values, axes, kinds):
    """Compute one constant or affine value; affine ones are stacks `[k + 1, ...]` of their coefficients."""
    arguments = [values[v] if isinstance(v, int) else v.val for v in op.inputs]
    image_axes = [axes.get(v) if isinstance(v, int) else None for v in op.inputs]
    call = lambda *arguments: on_all_images(op.eqn, arguments, image_axes)
    if kinds[op.outputs[0]].word == AFFINE:
        arguments, stacked = _stacks(op, arguments, kinds)
        call = jax.vmap(call, stacked)
    for v, value in zip(op.outputs, call(*arguments), strict=True):
        values[v] = value
        if kinds[v].batched:
            axes[v] = -1


def _stacks(op, arguments, kinds):
    """The operands, and for vmap which of them are stacks.

    A constant that is added to something affine is itself affine, with coefficients c, 0, ..., 0.
    """
    affine = [isinstance(v, int) and kinds[v].word == AFFINE for v in op.inputs]
    depth = next(len(a) for a, yes in zip(arguments, affine, strict=True) if yes)
    name = op.eqn.primitive.name
    jointly = range(len(arguments))[JOINTLY[name]] if name in JOINTLY else ()
    out = []
    for i, (argument, yes) in enumerate(zip(arguments, affine, strict=True)):
        if not yes and i in jointly:
            argument = jnp.asarray(argument)
            argument = jnp.concatenate([argument[None], jnp.zeros((depth - 1, *argument.shape), argument.dtype)])
            affine[i] = True
        out.append(argument)
    return out, [0 if yes else None for yes in affine]
