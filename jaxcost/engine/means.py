"""What is said of all images, in blocks: the mean of their costs, each cost, each output, the share that is right.

A cost here is anything with the attributes of a `cost.Cost`, of the floating leaves alone.
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost.engine import blocks, quantities, trees


@jax.jit
def of_one(C, image, params) -> jax.Array:
    """The cost of one image, to be traced."""
    return C.of_one(image, *params)


@jax.jit
def total(C, params) -> jax.Array:
    """The mean of the costs of all images."""

    def block(images, new, params):
        return jnp.where(new, over_images(C.of_one, params)(images, *params), 0).sum()

    return blocks.replicated(_over_blocks(block, C, params).sum() / C.n, C.spread)


@jax.jit
def per_image(C, params) -> jax.Array:
    """The cost of each image, `[n]`."""
    block = lambda images, new, params: over_images(C.of_one, params)(images, *params)
    return blocks.replicated(blocks.in_order(_over_blocks(block, C, params), C.images, C.spread), C.spread)


@jax.jit
def outputs(C, params) -> jax.Array:
    """The outputs for each image, `[n, ...]`.

    Raises:
        ValueError: they are no array.
    """

    def output(x, *params):
        a = C.output(x, *params)
        if not isinstance(a, jax.Array | np.ndarray):
            raise ValueError(f"f gives {trees.shapes(a)}, expected an array of outputs")
        return a

    block = lambda images, new, params: over_images(output, params)(images.x, *params)
    return blocks.in_order(_over_blocks(block, C, params), C.images, None)


@partial(jax.jit, static_argnames="classes")
def right(C, params, classes) -> jax.Array:
    """The share of images that are right (`quantities.right`)."""
    of_image = lambda image, *params: quantities.right(C.output(image.x, *params), image.y, classes)
    block = lambda images, new, params: jnp.where(new, over_images(of_image, params)(images, *params), 0).sum()

    return blocks.replicated(_over_blocks(block, C, params).sum() / C.n, C.spread)


def over_images(f, params) -> Callable:
    """`f(image, *params)` for all images of a block."""
    return jax.vmap(f, (0, *(None,) * len(params)))


def _over_blocks(f, C, params):
    """Stack `f(images, new, params)` over blocks of C's size, or of as many images as fit into the memory."""
    size = C.block or max(1, blocks.MEMORY // C.bytes_of_one(*params))
    return blocks.over_blocks(f, C.images, C.spread, size, params)
