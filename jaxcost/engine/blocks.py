"""A function of images, over all of them in blocks: bounded memory, full precision, on one device or many.

Images are cut into blocks of one size. Where it does not divide their number, the last block begins earlier and sees
some images again. On a mesh (`devices`) every device goes through the blocks of its own part; parts have one length,
and the shorter ones are filled up with copies. The mask `new` tells a function which images of its block to count.

All that the kit computes of images passes through `over_blocks`, and here is its one rule of precision: matrix products
and convolutions are computed with all bits of their operands, also where a device would use fewer by default (TF32 on
GPUs, bfloat16 on TPUs), for values, gradients, training and slices alike. What a model asks for itself it gets.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.extend import core
from jax.sharding import Mesh, NamedSharding, PartitionSpec

MEMORY = 256 << 20  # bytes for all intermediates of one block of images, were each kept
PRECISION = "highest"


def in_full(f) -> Callable:
    """A function within which products have full precision, the rules of a model's own derivatives among them."""

    @functools.wraps(f)
    def wrapped(*args, **kwargs):
        with jax.default_matmul_precision(PRECISION):
            return f(*args, **kwargs)

    return wrapped


class Spread(NamedTuple):
    """Where images lie that are spread over devices (`devices.spread`).

    Attributes:
        mesh: devices along the axes "images" and "points".
        counts: the number of images in each part, one part a row of the mesh; after them come copies.
    """

    mesh: Mesh
    counts: tuple[int, ...]


def over_blocks(f, images, spread, size, arguments, points=None, own=None) -> Any:
    """Stack `f(block of images, new, arguments)`; the program holds one block's intermediates at a time.

    Args:
        f: a function of `Images` `[block, ...]`, of the mask `new` `[block]`, and of `arguments`; and of `points` and
            the block's `own` where there are any.
        images: a pytree of arrays `[n, ...]`.
        spread: a `Spread`, or None if they lie on one device.
        size: the largest block wanted, in images.
        arguments: a pytree of arrays, the same on every device.
        points: None, or an array `[p, ...]`, p a multiple of the mesh's points: each device sees its share.
        own: None, or what these blocks have returned before, without points: each sees its own again.

    Returns:
        The results of f, stacked along a new first axis, one entry a block; with `points`, what f returns for its
        share stands along the second axis, joined.
    """
    with jax.default_matmul_precision(PRECISION):
        return _over_blocks(f, images, spread, size, arguments, points, own)


def sum_over_blocks(f, images, spread, size, arguments) -> Any:
    """The sum of `f(block of images, new, arguments)` over blocks, whole on every device; args as of `over_blocks`.

    The program holds one block's results, and not those of all.
    """
    with jax.default_matmul_precision(PRECISION):
        total = _over_blocks(f, images, spread, size, arguments, None, None, scan=_sum)
        return replicated(jax.tree.map(lambda leaf: leaf.sum(0), total), spread)


def _over_blocks(f, images, spread, size, arguments, points, own, scan=None):
    scan, rest = scan or _stack, (arguments,) if points is None else (arguments, points)
    if spread is None:
        return scan(*_cut(f, images, None, size, own, rest))
    split = PartitionSpec("images") if points is None else PartitionSpec("images", "points")
    of_rest = (PartitionSpec(), PartitionSpec("points"))[: len(rest)]
    specs = (PartitionSpec("images"), PartitionSpec("images"), of_rest)
    counts = jnp.array(spread.counts)

    def on_device(images, own, rest):
        return scan(*_cut(f, images, counts[jax.lax.axis_index("images")], size, own, rest))

    # check_vma: it would ask models to declare what varies over the mesh
    mapped = jax.shard_map(on_device, mesh=spread.mesh, in_specs=specs, out_specs=split, check_vma=False)
    return mapped(images, own, rest)


def _cut(f, images, count, size, own, rest):
    """How many blocks one device has, and f of one of them; the first `count` images are its own, None for all."""
    n = len(jax.tree.leaves(images)[0])
    blocks = math.ceil(n / min(size, n))
    size = math.ceil(n / blocks)
    own_of = lambda i: () if own is None else (jax.tree.map(lambda leaf: leaf[i], own),)

    def block(i):
        start = jnp.minimum(i * size, n - size)
        part = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size), images)
        index = start + jnp.arange(size)
        new = index >= i * size
        return f(part, new if count is None else new & (index < count), *rest, *own_of(i))

    def only():  # no loop: nothing to bound, and XLA sees the images whole
        new = jnp.ones(n, bool) if count is None else jnp.arange(n) < count
        return f(images, new, *rest, *own_of(0))

    return blocks, lambda i: only() if blocks == 1 else block(i)


def _stack(blocks, block):
    """The results of all blocks, along a new first axis."""
    if blocks == 1:
        return jax.tree.map(lambda leaf: leaf[None], block(0))
    # without the checkpoint a gradient would keep every block's intermediates, a copy of the images among them
    step = jax.checkpoint(lambda _, i: (None, block(i)), prevent_cse=False)
    return jax.lax.scan(step, None, jnp.arange(blocks))[1]


def _sum(blocks, block):
    """Their sum, along a first axis of length 1."""
    if blocks == 1:
        return jax.tree.map(lambda leaf: leaf[None], block(0))
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), jax.eval_shape(block, 0))
    total = jax.lax.fori_loop(0, blocks, lambda i, total: jax.tree.map(jnp.add, total, block(i)), zeros)
    return jax.tree.map(lambda leaf: leaf[None], total)


def in_order(stacked, images, spread) -> jax.Array:
    """Per-image results of `over_blocks`, `[blocks, size, ...]`, as `[n, ...]`, each image once."""
    parts = 1 if spread is None else len(spread.counts)
    length = len(jax.tree.leaves(images)[0]) // parts
    stacked = stacked.reshape(parts, -1, *stacked.shape[1:])
    last = length - (stacked.shape[1] - 1) * stacked.shape[2]
    before = stacked[:, :-1].reshape(parts, length - last, *stacked.shape[3:])
    whole = jnp.concatenate([before, stacked[:, -1, stacked.shape[2] - last :]], 1)
    counts = (length,) if spread is None else spread.counts
    return jnp.concatenate([part[:count] for part, count in zip(whole, counts, strict=True)])


def own_images(length, spread) -> jax.Array | None:
    """Where each image stands in arrays of this length, copies left out: `[n]`; None for 0, 1, 2, ..."""
    if spread is None:
        return None
    part = length // len(spread.counts)
    return jnp.concatenate([i * part + jnp.arange(count) for i, count in enumerate(spread.counts)])


def split_over(mesh, f, shared, split) -> Any:
    """`f(*shared, *split)`, where every device of a mesh computes its share along the first axis of `split`.

    Args:
        mesh: a mesh, or None for one device.
        f: its results have that axis too.
        shared: a tuple of pytrees, the same on every device.
        split: a tuple of pytrees of arrays `[m, ...]`. m need not divide: some of the last are computed twice.

    Returns:
        The results, `[m, ...]`, whole on every device.
    """
    if mesh is None:
        return f(*shared, *split)
    m = len(jax.tree.leaves(split)[0])
    which = jnp.minimum(jnp.arange(math.ceil(m / mesh.size) * mesh.size), m - 1)
    on_device = jax.shard_map(
        lambda shared, split: f(*shared, *split), mesh=mesh, in_specs=(PartitionSpec(), PartitionSpec(mesh.axis_names)),
        out_specs=PartitionSpec(mesh.axis_names), check_vma=False,
    )  # fmt: skip
    results = on_device(shared, jax.tree.map(lambda leaf: leaf[which], split))
    return replicated(jax.tree.map(lambda leaf: leaf[:m], results), Spread(mesh, ()))


def replicated(tree, spread) -> Any:
    """Results of `over_blocks`, summed or put in order, whole on every device."""
    if spread is None:
        return tree
    return jax.lax.with_sharding_constraint(tree, NamedSharding(spread.mesh, PartitionSpec()))


def bytes_made(jaxpr) -> int:
    """Bytes made by all equations of a jaxpr; of an equation that holds jaxprs, by theirs, loops counted once."""
    total = 0
    for eqn in jaxpr.eqns:
        inner = list(core.jaxprs_in_params(eqn.params))
        total += sum(map(bytes_made, inner)) or sum(v.aval.size * v.aval.dtype.itemsize for v in eqn.outvars)
    return max(1, total)
