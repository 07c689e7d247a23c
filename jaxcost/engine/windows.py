"""Convolutions and pools of all images, with the image axis last, as products and maxima of shifted slices.

On a CPU XLA's own convolutions reach half of the speed of its matrix products, and its pools take as long again. So a
point of a CNN of two layers takes two thirds of the time on jax 0.12. On 0.10 it takes more: there XLA draws what
comes before into each slice, and no barrier keeps it from that. There, and on other devices, all is left as it is.
"""

import itertools
import math
from functools import reduce

import jax
import jax.numpy as jnp
from jax import lax

POOLS = {"reduce_window_max": lax.max, "reduce_window_min": lax.min, "reduce_window_sum": lax.add}
LARGEST = 64  # offsets of a window, each of which is a slice
PAYS = jax.__version_info__ >= (0, 12)


def pays(eqn, image_axes) -> bool:
    """Whether an operation is a convolution or a pool that is faster so, here.

    Args:
        eqn: the equation, of one image.
        image_axes: of its operands, None for those without.
    """
    here = PAYS and jax.default_backend() == "cpu"
    if not here or [axis is None for axis in image_axes] not in ([False], [False, True]):
        return False
    params, pools = eqn.params, eqn.primitive.name in POOLS
    if pools and max(params["base_dilation"]) == 1 and math.prod(params["window_dimensions"]) <= LARGEST:
        return True
    return eqn.primitive.name == "conv_general_dilated" and _plain_convolution(eqn)


def of_all_images(eqn, x, *kernel) -> jax.Array:
    """The convolution or the pool of all images, `[..., n]` to `[..., n]`."""
    name = eqn.primitive.name
    return _pooled(name, x, eqn.params) if name in POOLS else _convolved(x, *kernel, eqn.params)


def _plain_convolution(eqn):
    """Neither in groups nor transposed, and all its numbers of one type."""
    params, types = eqn.params, {v.aval.dtype for v in (*eqn.invars, *eqn.outvars)}
    groups, dilation = (params["feature_group_count"], params["batch_group_count"]), params["lhs_dilation"]
    spatial = [eqn.invars[1].aval.shape[i] for i in params["dimension_numbers"].rhs_spec[2:]]
    return groups == (1, 1) and set(dilation) <= {1} and len(types) == 1 and math.prod(spatial) <= LARGEST


def _shifted(x, first, window, strides, dilation):
    """What a window sees of axes `first`, `first + 1`, ... at each of its offsets, in reading order."""
    sizes = x.shape[first : first + len(window)]
    out = [(n - (w - 1) * d - 1) // s + 1 for n, w, s, d in zip(sizes, window, strides, dilation, strict=True)]
    x = lax.optimization_barrier(x)  # otherwise XLA computes what comes before again for each slice
    for offset in itertools.product(*map(range, window)):
        start, limit, stride = [0] * x.ndim, list(x.shape), [1] * x.ndim
        for i, at in enumerate(offset):
            start[first + i], stride[first + i] = at * dilation[i], strides[i]
            limit[first + i] = start[first + i] + (out[i] - 1) * strides[i] + 1
        yield lax.slice(x, start, limit, stride)


def _pooled(name, x, params):
    """The largest, the least or the sum over each window."""
    least = -jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).min
    most = jnp.inf if jnp.issubdtype(x.dtype, jnp.floating) else jnp.iinfo(x.dtype).max
    empty = {"reduce_window_max": least, "reduce_window_min": most, "reduce_window_sum": 0}[name]
    x = lax.pad(x, jnp.array(empty, x.dtype), [(*of, 0) for of in (*params["padding"], (0, 0))])
    window, strides, dilation = (params[f"window_{of}"] for of in ("dimensions", "strides", "dilation"))
    return reduce(POOLS[name], _shifted(x, 0, window, strides, dilation))


def _convolved(x, kernel, params):
    """A product of the kernel with all that its window sees: `[out, in x window] @ [in x window, places x images]`."""
    spec, (strides, dilation) = params["dimension_numbers"], (params["window_strides"], params["rhs_dilation"])
    batch, channels, *places = spec.lhs_spec
    x = jnp.transpose(x, (channels, batch, *places, x.ndim - 1))
    x = lax.pad(x, jnp.zeros((), x.dtype), [(0, 0, 0)] * 2 + [(*of, 0) for of in params["padding"]] + [(0, 0, 0)])
    to, of, *window = spec.rhs_spec
    kernel = jnp.transpose(kernel, (to, *window, of))
    seen = list(_shifted(x, 2, kernel.shape[1:-1], strides, dilation))
    columns = jnp.concatenate(seen).reshape(math.prod(kernel.shape[1:]), -1)
    options = {"precision": params["precision"], "preferred_element_type": params["preferred_element_type"]}
    y = jnp.matmul(kernel.reshape(len(kernel), -1), columns, **options).reshape(len(kernel), *seen[0].shape[1:])
    batch, channels, *places = spec.out_spec
    order = [0] * (y.ndim - 1)
    for axis, place in enumerate((channels, batch, *places)):
        order[place] = axis
    return jnp.transpose(y, (*order, y.ndim - 1))
