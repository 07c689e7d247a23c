"""One operation of a traced program, written for one image, on all images at once, the image axis LAST.

Values are `[features, images]`. A plain vmap of the whole program would move the image axis to the front wherever a
bias is added, a transposition a layer.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

ELEMENTWISE = {  # in several operands, all of the shape of the result
    "add", "sub", "add_any", "mul", "div", "rem", "max", "min", "pow", "atan2", "nextafter", "and", "or",
    "xor", "eq", "ne", "lt", "le", "gt", "ge", "select_n",
}  # fmt: skip


def on_all_images(eqn, arguments, image_axes) -> list:
    """One operation on all images: their image axes are `image_axes` (None: no such axis), the result's is last."""
    call = partial(_bind, eqn)
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
    return jax.vmap(call, image_axes, -1)(*arguments)


def _bind(eqn, *arguments):
    out = eqn.primitive.bind(*arguments, **eqn.primitive.get_bind_params(eqn.params))
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
