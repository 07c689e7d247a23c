"""The network f(x ; w, b) of the cheatsheet: layers of sigmoid neurons, written for one image."""

import itertools
from collections.abc import Callable
from functools import cache, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxcost import checks, losses
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
        ValueError: fewer than two sizes, or one that is not positive, or a standard deviation that is negative.

    Example:
        >>> size(init(jax.random.key(0)))
        13002
    """
    key = checks.key("key", key)
    sizes = sizes.tolist() if isinstance(sizes, np.ndarray) else sizes
    if not isinstance(sizes, tuple | list) or len(sizes) < 2:
        raise ValueError(f"sizes={checks.shown(sizes)}, expected two or more positive numbers of neurons")
    sizes = tuple(checks.whole(f"sizes[{i}]", size, 1, checks.MOST) for i, size in enumerate(sizes))
    return _init(key, sizes, None if scale is None else [_deviation(scale, n) for n in sizes[:-1]])


def _deviation(scale, n):
    found = checks.function("scale", scale)(n)
    return found if isinstance(found, jax.core.Tracer) else checks.number(f"scale({n})", found, 0)


@partial(jax.jit, static_argnames="sizes")
def _init(key, sizes, deviations):
    layers = list(itertools.pairwise(sizes))
    shapes = Params(tuple(jnp.zeros((to, from_)) for from_, to in layers), tuple(jnp.zeros(to) for _, to in layers))
    flat, unravel = ravel_pytree(shapes)
    w, b = unravel(jax.random.normal(key, flat.shape))  # one draw compiles sooner than one a leaf
    if deviations is not None:
        w = tuple(leaf * deviation for leaf, deviation in zip(w, deviations, strict=True))
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

    Raises:
        ValueError: the shapes of image, weights and biases do not fit each other; names the layer.

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

    Raises:
        ValueError: an activation is no function.

    Example:
        >>> f, p = mlp(jnp.tanh), init(jax.random.key(0), (784, 32, 10))
        >>> f(jnp.zeros(784), *p).shape, f is mlp(jnp.tanh)
        ((10,), True)
    """
    return _mlp(checks.function("hidden", hidden), output if output is None else checks.function("output", output))


@cache  # the same activations give the same function, so that what is compiled for it is found again
def _mlp(hidden, output):
    def f(x, w, b):
        z = _weighted_input(x, w, b, hidden)
        return z if output is None else output(z)

    f.gives = losses.INPUTS if output is None else losses.SHARES if output in (jax.nn.sigmoid, jax.nn.softmax) else None
    return f


feedforward.gives, logits.gives = losses.SHARES, losses.INPUTS  # what a loss may want


def _weighted_input(x, w, b, hidden):
    if not isinstance(w, tuple | list) or not isinstance(b, tuple | list) or len(w) != len(b) or not w:
        raise ValueError(f"parameters {trees.shapes({'w': w, 'b': b})}; expected lists w and b, one entry a layer")
    a = z = checks.real("x", x)
    for i, (w_layer, b_layer) in enumerate(zip(w, b, strict=True)):
        w_layer, b_layer = checks.real(f"w[{i}]", w_layer), checks.real(f"b[{i}]", b_layer)
        a = hidden(z) if i else a
        if a.ndim != 1 or w_layer.ndim != 2 or w_layer.shape != (*b_layer.shape, *a.shape):
            shapes = f"w {list(w_layer.shape)}, b {list(b_layer.shape)} and inputs {list(a.shape)}"
            raise ValueError(f"layer {i} has the shapes {shapes}, expected [to, from], [to] and [from]")
        z = w_layer @ a + b_layer
    return z


def checked(params) -> Params:
    """Parameters of dense layers, `Params`, that fit each other.

    Raises:
        ValueError: they are others; names them.

    Example:
        >>> checked(init(jax.random.key(0), (5, 3, 2))).w[1].shape
        (2, 3)
    """
    if not isinstance(params, Params):
        raise ValueError(f"parameters {checks.shown(params)}, expected network.Params")
    w, b = (
        tuple(jnp.asarray(checks.real(f"{name}[{i}]", leaf)) for i, leaf in enumerate(checks.listed(name, of)))
        for name, of in zip(Params._fields, params, strict=True)
    )
    shapes = [leaf.shape for leaf in w], [leaf.shape for leaf in b]
    to, before = [shape[:1] for shape in shapes[0]], [shape[1:] for shape in shapes[0]]
    fit = to == shapes[1] and before[1:] == shapes[1][:-1] and all(len(shape) == 2 for shape in shapes[0])
    if not fit or not all(jnp.issubdtype(leaf.dtype, jnp.floating) for leaf in (*w, *b)):
        found = trees.shapes(params)
        raise ValueError(f"parameters {found}, expected floating w [to, from] and b [to], layers that fit each other")
    return Params(w, b)


def size(params) -> int:
    """Number of floating numbers in any parameter tree, which is what may move; 13,002 for 784-16-16-10.

    Raises:
        ValueError: there are none.
    """
    return sum(leaf.size for leaf in jax.tree.leaves(trees.some(params, "the parameters")[0]))
