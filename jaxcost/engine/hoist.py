"""What is affine along a slice is computed once: any model, any slice, the same numbers.

On a slice the parameters are affine in the coordinates s, P(s) = origin + sum_k s_k d_k. So is everything
that the model makes from them by linear operations, up to the first nonlinearity: for the first layer's
weighted input z(s) = z_0 + sum_k s_k z_k, where each z_k is a product with the images that no longer depends
on s. `split` traces the cost of ONE image, finds these values, computes their coefficients for all images,
and leaves a residual that begins at the first nonlinearity.

The residual is evaluated operation by operation with the image axis LAST, `[features, images]`. A plain vmap
would move the image axis to the front wherever a bias is added, a transposition a layer.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

CONSTANT, AFFINE, GENERAL = "constant", "affine", "general"

# Which operands may be affine, together; all others must be constant.
FIRST, BOTH = slice(1), slice(2)
JOINTLY = {
    "add": BOTH, "sub": BOTH, "add_any": BOTH, "pad": BOTH, "neg": FIRST, "div": FIRST, "copy": FIRST, "copy_p": FIRST,
    "reshape": FIRST, "squeeze": FIRST, "expand_dims": FIRST, "broadcast_in_dim": FIRST, "transpose": FIRST,
    "reduce_sum": FIRST, "cumsum": FIRST, "rev": FIRST, "slice": FIRST, "dynamic_slice": FIRST, "gather": FIRST,
    "split": FIRST, "convert_element_type": FIRST, "concatenate": slice(None), "select_n": slice(1, None),
}  # fmt: skip
BILINEAR = {"mul", "dot_general", "conv_general_dilated"}  # linear in each of two operands: one may be affine
ELEMENTWISE = {  # in several operands, all of the shape of the result
    "add", "sub", "add_any", "mul", "div", "rem", "max", "min", "pow", "atan2", "nextafter", "and", "or",
    "xor", "eq", "ne", "lt", "le", "gt", "ge", "select_n",
}  # fmt: skip
INLINED = {"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat"}
PRODUCT = 1 / 8  # what a multiplication in a matrix product is taken to cost, in elementwise ones: a guess


class Operation(NamedTuple):
    """One equation of the flat program; values are numbered, literals are kept as they are."""

    eqn: core.JaxprEqn
    inputs: tuple
    outputs: tuple[int, ...]


class Kind(NamedTuple):
    """What is known of a value before any number is: one of the three words, and whether it has an image axis."""

    word: str
    batched: bool


def split(f, origin, directions, data):
    """Split the per-image costs along a slice into coefficients, computed here, and the rest.

    Args:
        f: the cost of one image, `f(one, *params)`, where `one` is `data` without its first axes.
        origin: tuple of the parameters at s = 0.
        directions: k tuples like `origin`.
        data: a pytree of arrays `[n, ...]`.

    Returns:
        `(coefficients, residual)`, a pytree of arrays and a pure function such that
        `residual(s, coefficients)[i] = f(data[i], *P(s))` for coordinates s of shape `[k]`, and
        `residual(s, coefficients, counted)` is the sum of these over the images for which the mask `counted`,
        `[n]`, is True. Differentiable in s. Where nothing that depends on the images is worth computing
        beforehand, the residual is the plain `vmap` of f.

    Example:
        >>> x = jnp.arange(6.0).reshape(3, 2)
        >>> f = lambda x, w: jnp.tanh(w @ x)
        >>> w, u = (jnp.array([1.0, -1.0]),), (jnp.array([0.5, 0.5]),)
        >>> coefficients, residual = split(f, w, (u,), x)
        >>> s = jnp.array([2.0])
        >>> bool(jnp.allclose(residual(s, coefficients), jax.vmap(lambda x: f(x, w[0] + 2 * u[0]))(x)))
        True
    """
    one = jax.tree.map(lambda leaf: leaf[0], data)
    closed = jax.make_jaxpr(f)(one, *origin)
    if closed.effects:  # prints and callbacks must happen as the model says
        return (origin, directions, data), partial(_plain, f)
    program, inputs, output = _flatten(closed)
    n_data = len(jax.tree.leaves(data))
    kinds = {v: Kind(CONSTANT, True) for v in inputs[:n_data]}
    kinds |= {v: Kind(AFFINE, False) for v in inputs[n_data:]}
    later = _classify(program, output, kinds, len(directions))
    needed = {v for values in ((output,), *(op.inputs for op in later)) for v in values if isinstance(v, int)}
    needed -= {v for op in later for v in op.outputs}
    if not any(kinds[v] == Kind(AFFINE, True) for v in needed):
        return (origin, directions, data), partial(_plain, f)

    values = dict(zip(inputs[:n_data], jax.tree.leaves(data), strict=True))
    axes = dict.fromkeys(inputs[:n_data], 0)  # where the image axis stands; values made here have it last
    stacks = [jnp.stack(leaves) for leaves in zip(*map(jax.tree.leaves, (origin, *directions)), strict=True)]
    values |= dict(zip(inputs[n_data:], stacks, strict=True))
    for op in program:
        if kinds[op.outputs[0]].word != GENERAL:
            _execute(op, values, axes, kinds)
    frontier = {v: _image_last(values[v], axes.get(v)) for v in sorted(needed)}
    return frontier, partial(_residual, later, output, {v: kinds[v] for v in frontier})


def _plain(f, s, coefficients, counted=None):
    """Nothing hoisted: the parameters at s, and f at every image."""
    origin, directions, data = coefficients
    params = jax.tree.map(lambda *leaves: _at(s, leaves), origin, *directions)
    costs = jax.vmap(f, (0, *(None,) * len(params)))(data, *params)
    return costs if counted is None else _summed(costs, counted)


def _residual(later, output, kinds, s, coefficients, counted=None):
    """Run what is left of the program at s."""
    # f often ends in a sum over outputs; it is left to `_summed`, or done by a product as there
    ends_in_sum = bool(later) and later[-1].eqn.primitive.name == "reduce_sum"
    output, later = (later[-1].inputs[0], later[:-1]) if ends_in_sum else (output, later)
    values = {v: _at(s, c) if kinds[v].word == AFFINE else c for v, c in coefficients.items()}
    axes = {v: -1 for v in kinds if kinds[v].batched}
    for op in later:
        batched = any(axes.get(v) is not None for v in op.inputs if isinstance(v, int))
        arguments = [values[v] if isinstance(v, int) else v.val for v in op.inputs]
        places = [axes.get(v) if isinstance(v, int) else None for v in op.inputs]
        for v, value in zip(op.outputs, _image_last_call(op.eqn, arguments, places), strict=True):
            values[v], axes[v] = value, -1 if batched else None
    costs = values[output]
    if counted is not None:
        return _summed(costs, counted)
    flat = costs.reshape(-1, costs.shape[-1])
    return _product(jnp.ones(len(flat), flat.dtype), flat) if ends_in_sum else costs


def _summed(costs, counted):
    """The sum of `[..., n]` over the images that count, and over all else.

    Over the images first, which leaves next to nothing, and by a product: XLA's own sum draws what comes before it
    into its loop, and on a CPU computes it more slowly there. Where an image does not count its cost is replaced;
    multiplied by 0 a NaN would stay.
    """
    costs = jnp.where(jnp.broadcast_to(counted, costs.shape), costs, 0)
    return _product(costs, jnp.ones(len(counted), costs.dtype)).sum()


_product = partial(jnp.matmul, precision="highest")


def _at(s, c):
    """c_0 + sum_k s_k c_k, written out so that it fuses into the operation that reads it."""
    total = c[0]
    for k in range(len(c) - 1):
        total = total + s[k].astype(total.dtype) * c[k + 1]
    return total


# -- the program ----------------------------------------------------------------------------------------


def _flatten(closed):
    """The jaxpr as one list of operations: nested jits inlined, every value with a number of its own."""
    program, count = [], iter(range(1 << 60))

    def run(jaxpr, consts, arguments):
        literals = [core.Literal(array, jax.typeof(array)) for array in consts]  # as if written in the program
        names = dict(zip(jaxpr.constvars, literals, strict=True))
        names |= dict(zip(jaxpr.invars, arguments, strict=True))
        for eqn in jaxpr.eqns:
            inputs = tuple(v if isinstance(v, core.Literal) else names[v] for v in eqn.invars)
            if eqn.primitive.name in INLINED:
                inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
                outputs = run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), inputs)
            else:
                outputs = tuple(next(count) for _ in eqn.outvars)
                program.append(Operation(eqn, inputs, outputs))
            names |= dict(zip(eqn.outvars, outputs, strict=True))
        return tuple(v if isinstance(v, core.Literal) else names[v] for v in jaxpr.outvars)

    inputs = [next(count) for _ in closed.jaxpr.invars]
    (output,) = run(closed.jaxpr, closed.consts, inputs)
    return program, inputs, output


def _classify(program, output, kinds, k):
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
    wanted, later = {output} if isinstance(output, int) else set(), []
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
    if any(not jnp.issubdtype(v.aval.dtype, jnp.floating) for v in eqn.outvars):
        return GENERAL
    if name == "gather" and eqn.params["fill_value"] not in (None, 0):
        return GENERAL  # what is filled in is a constant, and not linear in the operand
    if name in JOINTLY and affine <= set(range(len(kinds))[JOINTLY[name]]):
        return AFFINE
    return AFFINE if name in BILINEAR and len(affine) == 1 else GENERAL


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


# -- evaluation with the image axis last ----------------------------------------------------------------


def _execute(op, values, axes, kinds):
    """Compute one constant or affine value; affine ones are stacks `[k + 1, ...]` of their coefficients."""
    arguments = [values[v] if isinstance(v, int) else v.val for v in op.inputs]
    places = [axes.get(v) if isinstance(v, int) else None for v in op.inputs]
    call = lambda *arguments: _image_last_call(op.eqn, arguments, places)
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


def _image_last_call(eqn, arguments, places):
    """One operation on all images: image axes stand at `places` (None: no such axis), the result's is last."""
    call = partial(_bind, eqn)
    if all(place is None for place in places):
        return call(*arguments)
    n = next(a.shape[place] for a, place in zip(arguments, places, strict=True) if place is not None)
    name, params = eqn.primitive.name, eqn.params
    shape = (*eqn.outvars[0].aval.shape, n)
    if name in ELEMENTWISE:
        return call(*map(partial(_spread, shape), arguments, places))
    if name == "reshape":
        return [_image_last(arguments[0], places[0]).reshape(shape)]
    if name == "broadcast_in_dim":
        axes = (*params["broadcast_dimensions"], len(shape) - 1)
        return [lax.broadcast_in_dim(_image_last(arguments[0], places[0]), shape, axes)]
    return jax.vmap(call, places, -1)(*arguments)


def _bind(eqn, *arguments):
    out = eqn.primitive.bind(*arguments, **eqn.primitive.get_bind_params(eqn.params))
    return out if eqn.primitive.multiple_results else [out]


def _spread(shape, argument, place):
    """An operand of an elementwise operation, broadcast along the new last axis if it has none."""
    if place is None:
        argument = jnp.asarray(argument)
        argument = argument[..., None] if argument.ndim == len(shape) - 1 else argument
    return jnp.broadcast_to(_image_last(argument, place), shape)


def _image_last(argument, place):
    return jnp.moveaxis(argument, place, -1) if place is not None else argument
