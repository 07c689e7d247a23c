"""The whole matrix of second derivatives: all its columns by products, but for the weights of the first layer.

These are most of a network's parameters, and meet nothing but the images. With z = W x the second derivatives of the
cost of one image in W are h_ij x_a x_b, where h is the second derivative in z, a small matrix. Their sums over images
are one product of matrices for each pair of neurons (i, j), far less work than all columns, and symmetric in a and b.
Whether a program has such weights is read from the program itself.
"""

import math
from functools import partial
from itertools import pairwise
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost.engine import affine, bars, batching, blocks, products
from jaxcost.engine.affine import CONSTANT, Kind

COLUMNS = 64  # products together, at most
BLOCK = 7_500  # images of one product of matrices on a CPU, where intermediates stay in its cache
PARTS, SMALLEST = 4, 64  # a symmetric product is made of so many columns of blocks, none with fewer columns


def matrix(kind, C, params, *, progress=True) -> np.ndarray:
    """The Hessian of C or its Gauss-Newton matrix, `[n, n]`, in the order of `ravel_pytree`, of the parameters' type.

    Args:
        kind: as of `products.of_each`.
        C: a `cost.Cost` of the floating leaves alone.
        params: these.
        progress: show progress.
    """
    leaves = jax.tree.leaves(params)
    n = sum(leaf.size for leaf in leaves)
    H = np.zeros((n, n), np.result_type(*(leaf.dtype for leaf in leaves)))
    found = affine.cut(products.of_one(kind, C), params, C.images)
    layer = found and _first_layer(found)
    known = np.zeros(n, bool)
    if layer is not None:
        before = sum(leaf.size for leaf in leaves[: layer.leaf])
        known[before : before + leaves[layer.leaf].size] = True
    rest = np.flatnonzero(~known)
    pairs = 0 if layer is None else layer.to * (layer.to + 1) // 2
    with bars.bar(len(rest) + pairs, "columns and blocks", "column", progress=progress) as bar:
        _columns(kind, C, params, H, rest, bar)
        if layer is not None:
            _first_block(kind, C, params, H, before, layer, bar)
            _penalised(C, params, H, np.flatnonzero(known))
    return H


# -- columns by products --------------------------------------------------------------------------------


def _columns(kind, C, params, H, which, bar):
    """Fill in these columns, and their rows."""
    together = max(1, math.ceil(len(which) / max(1, math.ceil(len(which) / COLUMNS))))  # in even parts
    for first in range(0, len(which), together):
        some = which[first : first + together]
        padded = np.pad(some, (0, together - len(some)), mode="edge")  # one program
        found = products.of_each(kind, C, params, units(params, padded))
        flat = np.concatenate([np.asarray(leaf).reshape(together, -1) for leaf in jax.tree.leaves(found)], 1)
        H[some] = flat[: len(some)]
        bar.update(len(some))
    whole = H[which]
    whole[:, which] = (whole[:, which] + whole[:, which].T) / 2  # equal but for rounding
    H[which] = whole
    H[:, which] = whole.T


@jax.jit
def units(params, which) -> Any:
    """Directions along single parameters, by their places in the flat order; 0 where there is no such place."""
    leaves, structure = jax.tree.flatten(params)
    starts = np.cumsum([0, *(leaf.size for leaf in leaves)])
    unit = lambda leaf, start: jax.nn.one_hot(which - start, leaf.size, dtype=leaf.dtype).reshape(-1, *leaf.shape)
    return structure.unflatten(map(unit, leaves, starts[:-1].tolist()))


# -- the first layer's own block ------------------------------------------------------------------------


class _Layer(NamedTuple):
    """Weights that meet the images alone.

    Attributes:
        leaf: their place among the leaves of the parameters.
        operation: the place in the program of their product with what comes of an image.
        image: the number of the value that is multiplied.
        to: how many neurons there are.
        rows: whether the weights are `[to, from]`, and not `[from, to]`.
    """

    leaf: int
    operation: int
    image: int
    to: int
    rows: bool


def _first_layer(found):
    """The largest such weights of a program, or None."""
    layers = [_layer(found, place) for place in range(len(found.program))]
    sizes = {layer: found.program[layer.operation].eqn.invars for layer in layers if layer is not None}
    return max(sizes, key=lambda layer: max(v.aval.size for v in sizes[layer]), default=None)


def _layer(found, place):
    op = found.program[place]
    if op.eqn.primitive.name != "dot_general" or not all(isinstance(v, int) for v in op.inputs):
        return None
    (contracted, batch), shapes = op.eqn.params["dimension_numbers"], [v.aval.shape for v in op.eqn.invars]
    if len(contracted[0]) != 1 or batch[0]:
        return None
    for w in (0, 1):
        weights, turned = _untransposed(found, op.inputs[w])
        image, axis = op.inputs[1 - w], contracted[w][0]
        vector = found.kinds[image] == Kind(CONSTANT, True) and len(shapes[1 - w]) == 1
        if weights in found.params and vector and len(shapes[w]) == 2:
            return _Layer(found.params.index(weights), place, image, shapes[w][1 - axis], (axis == 1) != turned)
    return None


def _untransposed(found, v):
    """The value that v is the transpose of, and True; or v itself, and False. None where others read it too."""
    reads = [read for op in found.program for read in op.inputs if isinstance(read, int)] + list(found.outputs)
    if reads.count(v) != 1:
        return None, False
    for op in found.program:
        if op.outputs == (v,) and op.eqn.primitive.name == "transpose":
            before, turned = _untransposed(found, op.inputs[0])
            return before, turned != (op.eqn.params["permutation"] == (1, 0))
    return v, False


def _first_block(kind, C, params, H, before, layer, bar):
    """Fill in the block of the first layer's weights."""
    count = jax.tree.leaves(params)[layer.leaf].size // layer.to
    block = C.block or (min(BLOCK, C.n) if jax.default_backend() == "cpu" else C.n)
    place = lambda i: slice(before + i * count, before + (i + 1) * count) if layer.rows else slice(
        before + i, before + layer.to * count, layer.to
    )  # fmt: skip
    edges = _edges(count)
    for i in range(layer.to):
        of_row = np.asarray(_row_of_blocks(kind, layer, block, C, params, i))
        for j in range(i, layer.to):
            product = of_row[j].copy()
            for low, high in pairwise(edges):
                corner = product[low:high, low:high]
                product[low:high, low:high] = (corner + corner.T) / 2  # equal but for rounding
                product[low:high, high:] = product[high:, low:high].T
            H[place(i), place(j)] = product
            H[place(j), place(i)] = product
        bar.update(layer.to - i)


def _penalised(C, params, H, which):
    """Add the penalty's part of these columns, within their own block; it is in all others already."""
    for some in np.array_split(which, math.ceil(len(which) / COLUMNS)) if C.penalty is not None else ():
        found = products.of_penalty(C, params, units(params, some))
        flat = np.concatenate([np.asarray(leaf).reshape(len(some), -1) for leaf in jax.tree.leaves(found)], 1)
        H[np.ix_(some, which)] += flat[:, which]


def _edges(count):
    """Where the columns of blocks of a symmetric matrix begin, and the last ends."""
    parts = max(1, min(PARTS, count // SMALLEST))
    return [round(count * part / parts) for part in range(parts + 1)]


@partial(jax.jit, static_argnames=("kind", "layer", "size"))
def _row_of_blocks(kind, layer, size, C, params, i):
    """The blocks of neuron i with j = i, i + 1, ..., `[to, from, from]`; of each the blocks below its diagonal."""
    of_block = partial(_of_block, kind, layer, C)
    total = blocks.sum_over_blocks(of_block, C.images, C.spread, size, (params, i))
    return total / C.n


def _of_block(kind, layer, C, images, new, arguments):
    params, i = arguments
    found = affine.cut(products.of_one(kind, C), params, images)
    op = found.program[layer.operation]
    values = dict(zip(found.data, jax.tree.leaves(images), strict=True))
    axes = dict.fromkeys(found.data, 0)
    values |= dict(zip(found.params, jax.tree.leaves(params), strict=True))
    batching.run(found.program[: layer.operation + 1], values, axes)
    x, z = (batching.image_last(values[v], axes[v]) for v in (layer.image, op.outputs[0]))

    def rest(z):
        own, own_axes = values | {op.outputs[0]: z}, dict(axes)
        batching.run(found.program[layer.operation + 1 :], own, own_axes)
        return found.structure.unflatten([batching.of_all(own, own_axes, v, len(new)) for v in found.outputs])

    second = products.second(kind, C, rest, z, products.image_last(images.y), new)
    h = second(jnp.broadcast_to(jax.nn.one_hot(i, layer.to, dtype=z.dtype)[:, None], z.shape))
    edges = _edges(len(x))

    def put(j, of_row):
        weighted = x * h[j][None]
        for low, high in pairwise(edges):
            of_row = of_row.at[j, low:, low:high].set(jnp.matmul(x[low:], weighted[low:high].T))
        return of_row

    return jax.lax.fori_loop(i, layer.to, put, jnp.zeros((layer.to, len(x), len(x)), x.dtype))
