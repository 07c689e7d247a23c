"""The cost of one image, and C(w, b): a whole network in, one number for how wrong it is out.

Losses of outputs in (0, 1), for `f = network.feedforward`: `quadratic`, `absolute`, `cross_entropy`.
Losses of the weighted inputs z of the last layer, for `f = network.logits`: `sigmoid_cross_entropy` (the
same number as `cross_entropy`, finite where outputs saturate), `softmax_cross_entropy`, `hinge`.
Any function `loss(a, y) -> number` serves as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import optax
from jax.scipy.special import xlog1py, xlogy

from jaxcost import network
from jaxcost.data import Images
from jaxcost.engine import blocks

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


@partial(jax.tree_util.register_dataclass, data_fields=["images"], meta_fields=["f", "loss", "block", "spread"])
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
        spread: where the images lie if they are spread over devices (`devices.spread`).

    Raises:
        ValueError: `block` is no positive number of images.

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
    spread: blocks.Spread | None = None

    def __post_init__(self):
        if self.block is not None and self.block < 1:
            raise ValueError(f"block={self.block}, expected a positive number of images, or None")

    @property
    def n(self):
        """Number of images."""
        return len(self.images.x) if self.spread is None else sum(self.spread.counts)

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

    def bytes_of_one(self, *params):
        """Bytes of all intermediates of one image's cost, were each kept.

        Raises:
            ValueError: there are no images.
        """
        if not self.n:
            raise ValueError("C has no images, expected at least one")
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), self.images)
        return blocks.bytes_made(_of_one.trace(self, one, params).jaxpr.jaxpr)


def labels(y):
    """The class of each image, of labels `[n]` as they are, or of one-hot `[n, classes]`."""
    return y if y.ndim == 1 else y.argmax(-1)


def accuracy(C, *params):
    """Share of images whose largest output is the desired one, in [0, 1].

    Example:
        >>> from jaxcost import data, network
        >>> C = Cost(data.digits()[1], f=lambda x, p: p)  # always the same guess
        >>> print(f"{accuracy(C, jnp.eye(10)[7]):.4f}")  # 214 of the 2,000 held-out digits are a 7
        0.1070
    """
    return _accuracy(C, params)


def change(C, origin):
    """How far the outputs have moved from those of the origin, a `Cost` itself.

    D(w, b) = 1/n sum_x |f(x ; w, b) - f(x ; origin)|, a distance in function space, Euclidean in the outputs. Beside
    that in parameters it compares networks of different sizes. Evaluate it as any cost,
    `slices.evaluate(change(C, origin), origin, ...)`. At the origin itself it has no derivative.

    Args:
        C: a `Cost` whose images are on one device.
        origin: the network to compare with, a tuple of C's arguments.

    Raises:
        ValueError: the images are spread.

    Example:
        >>> from jaxcost import data, network
        >>> C = Cost(data.digits()[1], f=lambda x, p: p)
        >>> D = change(C, (jnp.zeros(10),))
        >>> print(f"{D(jnp.eye(10)[7]):.4f}")
        1.0000
    """
    if C.spread is not None:
        raise ValueError(f"images on {C.spread.mesh.size} devices, expected C as it was before `devices.spread`")
    return Cost(type(C.images)(C.images.x, _outputs(C, origin)), C.f, _distance, C.block)


def _distance(a, y):
    return jnp.linalg.norm(a - y)


@jax.jit
def _outputs(C, params):
    block = lambda images, new, params: jax.vmap(C.f, (0, *(None,) * len(params)))(images.x, *params)
    return blocks.in_order(_over_blocks(block, C, params), C.images, None)


@jax.jit
def _of_one(C, image, params):
    return C.of_one(image, *params)


@jax.jit
def _total(C, params):
    def block(images, new, params):
        costs = jax.vmap(C.of_one, (0, *(None,) * len(params)))(images, *params)
        return jnp.where(new, costs, 0).sum()

    return blocks.everywhere(_over_blocks(block, C, params).sum() / C.n, C.spread)


@jax.jit
def _per_image(C, params):
    block = lambda images, new, params: jax.vmap(C.of_one, (0, *(None,) * len(params)))(images, *params)
    return blocks.everywhere(blocks.in_order(_over_blocks(block, C, params), C.images, C.spread), C.spread)


@jax.jit
def _accuracy(C, params):
    def block(images, new, params):
        guess = jax.vmap(C.f, (0, *(None,) * len(params)))(images.x, *params)
        return jnp.where(new, guess.argmax(-1) == labels(images.y), False).sum()

    return blocks.everywhere(_over_blocks(block, C, params).sum() / C.n, C.spread)


def _over_blocks(f, C, params):
    """Stack `f(images, new, params)` over blocks of C's size, or of as many images as fit into MEMORY."""
    size = C.block or max(1, MEMORY // C.bytes_of_one(*params))
    return blocks.over_blocks(f, C.images, C.spread, size, params)
