"""The network f(x ; w, b) of the cheatsheet: layers of sigmoid neurons, written for one image."""

import itertools
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxcost.engine import trees


class Params(NamedTuple):
    """Everything that learning may adjust, flattened in this order.

    Attributes:
        w: weight matrices, one a layer, each `[to, from]`: row j holds the weights into neuron j.
        b: bias vectors, one a layer, each `[to]`.
    """

    w: tuple[jax.Array, ...]
    b: tuple[jax.Array, ...]


def init(key, sizes=(784, 16, 16, 10), *, scale=None) -> Params:
    """Draw a random network.

    Args:
        key: a `jax.random.key`.
        sizes: number of neurons in each layer, the input first; 784-16-16-10 is the cheatsheet's network.
        scale: standard deviation of the weights into a neuron, a function of the number of neurons they come
            from. None is N(0, 1) for all, as in Nielsen 2015, chapter 1; his chapter 3 prefers
            `lambda n: n ** -0.5`. Biases are always N(0, 1).

    Returns:
        `Params`, of jax's default type, float32.

    Raises:
        ValueError: fewer than two sizes, or one that is not positive.

    Example:
        >>> size(init(jax.random.key(0)))
        13002
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes are {tuple(sizes)}, expected two or more positive numbers of neurons")
    return _init(key, tuple(sizes), scale)


@partial(jax.jit, static_argnames=("sizes", "scale"))
def _init(key, sizes, scale):
    layers = list(itertools.pairwise(sizes))
    shapes = Params(tuple(jnp.zeros((to, from_)) for from_, to in layers), tuple(jnp.zeros(to) for _, to in layers))
    flat, unravel = ravel_pytree(shapes)
    w, b = unravel(jax.random.normal(key, flat.shape))  # one draw compiles sooner than one a leaf
    if scale:
        w = tuple(leaf * scale(from_) for leaf, (from_, _) in zip(w, layers, strict=True))
    return Params(w, b)


def feedforward(x, w, b) -> jax.Array:
    """The output of the network for one image: a' = s(w a + b), layer by layer, a = x at first.

    s is the sigmoid, s(z) = 1 / (1 + exp(-z)). Nielsen 2015, equation (25).

    Args:
        x: one image, `[784]`.
        w: weight matrices, `[to, from]` each.
        b: bias vectors, `[to]` each.

    Returns:
        The guess, `[10]`, each number in (0, 1).

    Example:
        >>> p = init(jax.random.key(0))
        >>> feedforward(jnp.zeros(784), *p).shape
        (10,)
    """
    return jax.nn.sigmoid(logits(x, w, b))


def logits(x, w, b) -> jax.Array:
    """The last layer's weighted input z, before its sigmoid: the outputs that cross-entropies want, `[10]`."""
    return _weighted_input(x, w, b, jax.nn.sigmoid)


def mlp(hidden=jax.nn.sigmoid, output=None) -> Callable:
    """A network of dense layers with any activations, `f(x, w, b)` for one image.

    a' = hidden(w a + b) layer by layer; of the last layer output(w a + b), or the weighted input itself.

    Args:
        hidden: activation of the hidden layers, such as `jnp.tanh` or `jax.nn.relu`.
        output: activation of the last layer; None for none, as cross-entropies of weighted inputs want it.

    Returns:
        A function for `cost.Cost`. `mlp(jax.nn.sigmoid, jax.nn.sigmoid)` computes what `feedforward` does.

    Example:
        >>> f, p = mlp(jnp.tanh), init(jax.random.key(0), (784, 32, 10))
        >>> f(jnp.zeros(784), *p).shape, f is mlp(jnp.tanh)
        ((10,), True)
    """
    return _mlp(hidden, output)


@cache  # the same activations give the same function, so that what is compiled for it is found again
def _mlp(hidden, output):
    def f(x, w, b):
        z = _weighted_input(x, w, b, hidden)
        return z if output is None else output(z)

    return f


def _weighted_input(x, w, b, hidden):
    *layers, (w_last, b_last) = zip(w, b, strict=True)
    a = x
    for w_layer, b_layer in layers:
        a = hidden(w_layer @ a + b_layer)
    return w_last @ a + b_last


def size(params) -> int:
    """Number of floating numbers in any parameter tree, which is what may move; 13,002 for 784-16-16-10."""
    return sum(leaf.size for leaf in jax.tree.leaves(trees.moving(params)))
