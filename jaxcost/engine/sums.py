"""Sums over images and over all else, of arrays whose image axis is last: exact, and fast on a CPU."""

from functools import partial

import jax
import jax.numpy as jnp

CHUNK = 500  # images whose costs are added up one after the other; as fast as all n, and 250 or 1,000 as exact

_product = partial(jnp.matmul, precision="highest")


def without_last(later, outputs) -> tuple[list, list]:
    """The program without the sums that end it, and what they would sum: left to `each` and `total`."""
    read = [v for op in later for v in op.inputs if isinstance(v, int)] + list(outputs)
    last = {op.outputs[0]: op for op in later if op.eqn.primitive.name == "reduce_sum"}
    last = {v: op.inputs[0] for v, op in last.items() if read.count(v) == 1 and v in outputs}
    summed = [last.get(v, v) if isinstance(v, int) else v for v in outputs]
    return [op for op in later if op.outputs[0] not in last], summed


def each(costs) -> jax.Array:
    """The sum over all axes but the images', by a product as in `total`."""
    flat = costs.reshape(-1, costs.shape[-1])
    return flat[0] if costs.ndim == 1 else _product(jnp.ones(len(flat), flat.dtype), flat)


def total(costs, counted) -> jax.Array:
    """The sum of `[..., n]` over the images that count, and over all else.

    Over the images first, which leaves next to nothing, and by a product: XLA's own sum draws what comes before it
    into its loop, and on a CPU computes it more slowly there. Where an image does not count its cost is replaced;
    multiplied by 0 a NaN would stay.
    """
    costs = costs if jnp.issubdtype(costs.dtype, jnp.inexact) else costs.astype(float)
    costs = jnp.where(jnp.broadcast_to(counted, costs.shape), costs, 0)
    return _in_chunks(costs).sum()


def _in_chunks(costs):
    """Sums of `[..., n]` over chunks of images, and over the rest, `[..., chunks]`.

    A product adds one number after the other: of 30,000 a sum is wrong by up to 2e-6 of itself, in chunks by 1e-7. The
    barrier keeps XLA from drawing what comes before into a loop over chunks, 3 times slower on jax 0.12; filled up to
    whole chunks, it does so on 0.10 in spite of it.
    """
    costs = jax.lax.optimization_barrier(costs)
    whole = costs.shape[-1] // CHUNK * CHUNK
    chunks = costs[..., :whole].reshape(*costs.shape[:-1], whole // CHUNK, CHUNK)
    parts = [chunks, costs[..., None, whole:]]
    return jnp.concatenate([_product(part, jnp.ones(part.shape[-1], costs.dtype)) for part in parts if part.size], -1)
