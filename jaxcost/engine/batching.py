"""A traced program as a list of operations, and one of them, written for one image, on all images at once.

The image axis is LAST, values are `[features, images]`. A plain vmap of the whole program would move the image axis to
the front wherever a bias is added, a transposition a layer.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core

from jaxcost.engine import windows

INLINED = {"jit", "pjit", "closed_call", "core_call", "checkpoint", "remat", "remat2"}
ELEMENTWISE = {  # in several operands, all of the shape of the result
    "add", "sub", "add_any", "mul", "div", "rem", "max", "min", "pow", "atan2", "nextafter", "and", "or",
    "xor", "eq", "ne", "lt", "le", "gt", "ge", "select_n",
}  # fmt: skip

FIRST, BOTH = slice(1), slice(2)
JOINTLY = {  # linear in these operands together, were all others constant
    "add": BOTH, "sub": BOTH, "add_any": BOTH, "pad": BOTH, "neg": FIRST, "div": FIRST, "copy": FIRST, "copy_p": FIRST,
    "reshape": FIRST, "squeeze": FIRST, "expand_dims": FIRST, "broadcast_in_dim": FIRST, "transpose": FIRST,
    "reduce_sum": FIRST, "cumsum": FIRST, "rev": FIRST, "slice": FIRST, "dynamic_slice": FIRST, "gather": FIRST,
    "split": FIRST, "convert_element_type": FIRST, "concatenate": slice(None), "select_n": slice(1, None),
}  # fmt: skip
BILINEAR = {"mul", "dot_general", "conv_general_dilated"}  # linear in each of two operands


class Operation(NamedTuple):
    """One equation of the flat program; values are numbered, literals are kept as they are."""

    eqn: core.JaxprEqn
    inputs: tuple
    outputs: tuple[int, ...]


def flattened(closed, inlined=INLINED) -> tuple[list[Operation], list[int], tuple]:
    """The jaxpr as one list of operations: nested jits inlined, every value with a number of its own.

    Args:
        closed: a closed jaxpr.
        inlined: names of the primitives in whose place the operations of their own programs stand.

    Returns:
        `(program, inputs, outputs)`; an output is the number of a value, or a literal.
    """
    program, count = [], iter(range(1 << 60))

    def run(jaxpr, consts, arguments):
        literals = [core.Literal(array, jax.typeof(array)) for array in consts]  # as if written in the program
        names = dict(zip(jaxpr.constvars, literals, strict=True))
        names |= dict(zip(jaxpr.invars, arguments, strict=True))
        for eqn in jaxpr.eqns:
            inputs = tuple(v if isinstance(v, core.Literal) else names[v] for v in eqn.invars)
            if eqn.primitive.name in inlined:
                inner = eqn.params.get("jaxpr", eqn.params.get("call_jaxpr"))
                outputs = run(getattr(inner, "jaxpr", inner), getattr(inner, "consts", ()), inputs)
            else:
                outputs = tuple(next(count) for _ in eqn.outvars)
                program.append(Operation(eqn, inputs, outputs))
            names |= dict(zip(eqn.outvars, outputs, strict=True))
        return tuple(v if isinstance(v, core.Literal) else names[v] for v in jaxpr.outvars)

    inputs = [next(count) for _ in closed.jaxpr.invars]
    return program, inputs, run(closed.jaxpr, closed.consts, inputs)


def on_all_images(eqn, arguments, image_axes) -> list:
    """One operation on all images: their image axes are `image_axes` (None: no such axis), the result's is last."""
    call = partial(bind, eqn)
    if all(axis is None for axis in image_axes):
        return call(*arguments)
    n = next(a.shape[axis] for a, axis in zip(arguments, image_axes, strict=True) if axis is not None)
    name, params = eqn.primitive.name, eqn.params
    shape = (*eqn.outvars[0].aval.shape, n)
    if name in ELEMENTWISE:
        return call(*map(partial(_broadcast, shape), arguments, image_axes))
    if name == "reshape":
        return [image_last(arguments[0], image_axes[0]).reshape(shape)]
    if name == "broadcast_in_dim":
        axes = (*params["broadcast_dimensions"], len(shape) - 1)
        return [lax.broadcast_in_dim(image_last(arguments[0], image_axes[0]), shape, axes)]
    if windows.pays(eqn, image_axes):
        return [windows.of_all_images(eqn, image_last(arguments[0], image_axes[0]), *arguments[1:])]
    return jax.vmap(call, image_axes, -1)(*arguments)


def run(program, values, axes) -> None:
    """All operations of a program on all images.

    Args:
        program: the operations.
        values: by number, of what they begin with; what they make is filled in.
        axes: the image axes of those values that have one, by number; -1 is filled in.
    """
    for op in program:
        arguments = [values[v] if isinstance(v, int) else v.val for v in op.inputs]
        image_axes = [axes.get(v) if isinstance(v, int) else None for v in op.inputs]
        values |= dict(zip(op.outputs, on_all_images(op.eqn, arguments, image_axes), strict=True))
        if any(axis is not None for axis in image_axes):
            axes |= dict.fromkeys(op.outputs, -1)


def of_all(values, axes, v, n) -> jax.Array:
    """A result of a program that was `run` on n images, a number or a literal, the image axis last."""
    if isinstance(v, int) and axes.get(v) is not None:
        return image_last(values[v], axes[v])
    value = values[v] if isinstance(v, int) else jnp.asarray(v.val)
    return jnp.broadcast_to(value[..., None], (*value.shape, n))


def linear(eqn, operands) -> bool:
    """Whether an operation is linear in these of its operands, by their places, together; all others constant."""
    name, count = eqn.primitive.name, len(eqn.invars)
    jointly = name in JOINTLY and set(operands) <= set(range(count)[JOINTLY[name]])
    return jointly or (name in BILINEAR and len(operands) == 1)


def bind(eqn, *arguments, **params) -> list:
    """One operation, with other parameters where they are given."""
    out = eqn.primitive.bind(*arguments, **eqn.primitive.get_bind_params(eqn.params | params))
    return out if eqn.primitive.multiple_results else [out]


def _broadcast(shape, argument, image_axis):
    """An operand of an elementwise operation, broadcast along the new last axis if it has none."""
    if image_axis is None:
        argument = jnp.asarray(argument)
        argument = argument[..., None] if argument.ndim == len(shape) - 1 else argument
    return jnp.broadcast_to(image_last(argument, image_axis), shape)


def image_last(argument, image_axis) -> jax.Array:
    """An operand with its image axis last; as it is if it has none."""
    return jnp.moveaxis(argument, image_axis, -1) if image_axis is not None else argument
