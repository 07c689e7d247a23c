"""The cost of one image, and C(w, b): a whole network in, one number for how wrong it is out.

Losses of outputs in (0, 1), for `f = network.feedforward`: `quadratic`, `absolute`, `cross_entropy`.
Losses of the weighted inputs z of the last layer, for `f = network.logits`: `sigmoid_cross_entropy` (the
same number as `cross_entropy`, finite where outputs saturate), `softmax_cross_entropy`, `hinge`.
Any function `loss(a, y) -> number` serves as well.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax.extend import core
from jax.scipy.special import xlog1py, xlogy

from jaxcost import network
from jaxcost.data import Images

MEMORY = 256 << 20  # bytes for all intermediates of one block of images, were each kept


def quadratic(a, y):
    """Ten squared differences, summed: C_x = sum_j (a_j - y_j)^2, with no factor 1/2.

    Nielsen 2015, equation (6), for one image; his has a factor 1/2, so his learning rate 3 is 1.5 here.

    Args:
        a: outputs, `[10]`.
        y: desired outputs, `[10]`.

    Example:
        A confident and correct guess at a "3", and a total shrug, of which one big miss carries 0.81:

        >>> y = jnp.zeros(10).at[3].set(1)
        >>> a = jnp.array([0.02, 0.01, 0.05, 0.92, 0.03, 0.04, 0.01, 0.02, 0.01, 0.02])
        >>> print(f"{quadratic(a, y):.4f}")
        0.0129
        >>> shrug = jnp.full(10, 0.1)
        >>> print(f"{quadratic(shrug, y):.2f} {(shrug[3] - y[3]) ** 2:.2f}")
        0.90 0.81
    """
    _alike(a, y)
    return optax.squared_error(a, y).sum()


def absolute(a, y):
    """Ten distances, summed: C_x = sum_j |a_j - y_j|.

    Example:
        >>> print(f"{absolute(jnp.array([0.2, 0.9]), jnp.array([0.0, 1.0])):.1f}")
        0.3
    """
    _alike(a, y)
    return jnp.abs(a - y).sum()


def cross_entropy(a, y):
    """C_x = -sum_j [y_j ln a_j + (1 - y_j) ln(1 - a_j)] for sigmoid outputs. Nielsen 2015, equation (63).

    Infinite where an output has rounded to the wrong one of 0 and 1, in float32 from a weighted input of 17
    on; `sigmoid_cross_entropy` stays finite.

    Example:
        >>> print(f"{cross_entropy(jnp.array([0.5, 0.5]), jnp.array([0.0, 1.0])):.4f}")  # 2 ln 2
        1.3863
    """
    _alike(a, y)
    return -(xlogy(y, a) + xlog1py(1 - y, -a)).sum()


def sigmoid_cross_entropy(z, y):
    """`cross_entropy` of the outputs s(z), computed from z itself.

    Example:
        >>> print(f"{sigmoid_cross_entropy(jnp.array([100.0]), jnp.array([0.0])):.0f}")
        100
    """
    _alike(z, y)
    return optax.sigmoid_binary_cross_entropy(z, y).sum()


def softmax_cross_entropy(z, y):
    """C_x = -sum_j y_j ln p_j with p = softmax(z). Nielsen 2015, equation (80), the log-likelihood cost.

    Example:
        >>> print(f"{softmax_cross_entropy(jnp.zeros(10), jnp.eye(10)[3]):.4f}")  # ln 10
        2.3026
    """
    _alike(z, y)
    return optax.softmax_cross_entropy(z, y)


def hinge(z, y):
    """One class against the rest: C_x = sum_j max(0, 1 - (2 y_j - 1) z_j).

    Example:
        >>> print(f"{hinge(jnp.array([2.0, -0.5]), jnp.array([1.0, 0.0])):.1f}")
        0.5
    """
    _alike(z, y)
    return optax.hinge_loss(z, 2 * y - 1).sum()


def _alike(a, y):
    """Refuse to broadcast labels against outputs.

    Raises:
        ValueError: the shapes differ.
    """
    if jnp.shape(a) != jnp.shape(y):
        raise ValueError(f"outputs have shape {jnp.shape(a)} and desired outputs {jnp.shape(y)}, expected one shape")


@partial(jax.tree_util.register_dataclass, data_fields=["images"], meta_fields=["f", "loss", "block"])
@dataclass(frozen=True, eq=False)
class Cost:
    """C(w, b) = 1/n sum_x loss(f(x ; w, b), y): pure, jitted, differentiable to any order.

    Pass C to your own jitted functions as an *argument*, `jax.jit(lambda C, p: C(*p))(C, p)`: a function that
    closes over C, `jax.jit(C)` included, compiles the images into its program.

    Attributes:
        images: `Images`, or anything with `x` and `y` that is a pytree of arrays `[n, ...]`.
        f: the network for one image, `f(x, *params)`.
        loss: cost of one image, `loss(a, y)`, one number.
        block: images taken together, which bounds the memory; None chooses from the sizes of the model's
            intermediates. It changes no number beyond rounding.

    Example:
        >>> from jaxcost import data, network
        >>> train, _ = data.digits()
        >>> C = Cost(train)
        >>> w, b = network.init(jax.random.key(0))
        >>> C.per_image(w, b).shape
        (8000,)
        >>> bool(jnp.allclose(C(w, b), C.per_image(w, b).mean()))
        True
        >>> jax.grad(C, (0, 1))(w, b)[0][0].shape
        (16, 784)
    """

    images: Images
    f: Callable = field(default=network.feedforward)
    loss: Callable = field(default=quadratic)
    block: int | None = None

    def __call__(self, *params):
        """Total cost, a scalar."""
        return _total(self, params)

    def per_image(self, *params):
        """The cost of each image, `[n]`; its mean is C."""
        return _per_image(self, params)

    def of_one(self, image, *params):
        """The cost of one image, given as `Images` without the leading axis.

        Raises:
            ValueError: the loss is not one number.
        """
        c = self.loss(self.f(image.x, *params), image.y)
        if jnp.shape(c) != ():
            raise ValueError(f"loss(f(x), y) has shape {jnp.shape(c)}, expected one number for one image: ()")
        return c


def accuracy(C, *params):
    """Share of images whose largest output is the desired one, in [0, 1].

    Example:
        >>> from jaxcost import data, network
        >>> C = Cost(data.digits()[1], f=lambda x, p: p)  # always the same guess
        >>> print(f"{accuracy(C, jnp.eye(10)[7]):.4f}")  # 214 of the 2,000 held-out digits are a 7
        0.1070
    """
    return _accuracy(C, params)


@jax.jit
def _total(C, params):
    def block(images, new):
        costs = jax.vmap(C.of_one, (0, *(None,) * len(params)))(images, *params)
        return jnp.where(new, costs, 0).sum()

    return map_blocks(block, C, params).sum() / len(C.images.x)


@jax.jit
def _per_image(C, params):
    costs = jax.vmap(C.of_one, (0, *(None,) * len(params)))
    return _in_order(map_blocks(lambda images, new: costs(images, *params), C, params), len(C.images.x))


@jax.jit
def _accuracy(C, params):
    def block(images, new):
        guess = jax.vmap(C.f, (0, *(None,) * len(params)))(images.x, *params)
        label = images.y if images.y.ndim == 1 else images.y.argmax(-1)  # labels as they are, or one-hot
        return jnp.where(new, guess.argmax(-1) == label, False).sum()

    return map_blocks(block, C, params).sum() / len(C.images.x)


def map_blocks(f, C, params, most=None):
    """Stack `f(images, new)` over blocks of C's images; the program holds one block's intermediates at a time.

    All blocks have one size. Where it does not divide the number of images, the last block begins earlier
    and sees some images again; the mask `new` is False for those.

    Args:
        f: a function of `Images` `[block, ...]` and of the mask `[block]`.
        C: a `Cost`.
        params: what C is called with; only shapes matter.
        most: the largest block wanted, in images; None for as many as MEMORY holds.

    Returns:
        The results of f, stacked along a new first axis, one entry a block.
    """
    n = len(C.images.x)
    if C.block is not None and C.block < 1:
        raise ValueError(f"block={C.block}, expected a positive number of images, or None")
    blocks = math.ceil(n / min(C.block or _block(C, params), most or n))
    size = math.ceil(n / blocks)
    if blocks == 1:  # no loop: nothing to bound, and XLA sees the images whole
        return jax.tree.map(lambda leaf: leaf[None], f(C.images, jnp.ones(n, bool)))

    def step(_, i):
        start = jnp.minimum(i * size, n - size)
        images = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, start, size), C.images)
        return None, f(images, start + jnp.arange(size) >= i * size)

    # without the checkpoint a gradient would keep every block's intermediates, a copy of the images among them
    return jax.lax.scan(jax.checkpoint(step, prevent_cse=False), None, jnp.arange(blocks))[1]


def _in_order(blocks, n):
    """Per-image results of `map_blocks`, `[blocks, size]`, as `[n]`, each image once."""
    last = n - (blocks.shape[0] - 1) * blocks.shape[1]
    return jnp.concatenate([blocks[:-1].ravel(), blocks[-1, blocks.shape[1] - last :]])


def _block(C, params):
    """Images that fit together into MEMORY, from the sizes of all intermediates of one image's cost.

    Raises:
        ValueError: there are no images.
    """
    if len(C.images.x) == 0:
        raise ValueError("C has no images, expected at least one")
    one = jax.tree.map(lambda leaf: leaf[0], C.images)
    return max(1, MEMORY // _bytes(jax.make_jaxpr(C.of_one)(one, *params).jaxpr))


def _bytes(jaxpr):
    """Bytes made by all equations of a jaxpr; of an equation that holds jaxprs, by theirs, loops counted once."""
    total = 0
    for eqn in jaxpr.eqns:
        inner = list(core.jaxprs_in_params(eqn.params))
        total += sum(map(_bytes, inner)) or sum(v.aval.size * v.aval.dtype.itemsize for v in eqn.outvars)
    return max(1, total)
