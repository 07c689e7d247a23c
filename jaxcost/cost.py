"""C(w, b): a whole network in, one number for how wrong it is out."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks, losses, network
from jaxcost.data import Images
from jaxcost.engine import blocks, quantities, trees


@dataclass(frozen=True, eq=False)
class Cost:
    """C(w, b) = 1/n sum_x loss(f(x ; w, b), y): pure, jitted, differentiable to any order.

    Pass C to your own jitted functions as an *argument*, `jax.jit(lambda C, p: C(*p))(C, p)`: a function that
    closes over C, `jax.jit(C)` included, compiles the images into its program.

    One rule of precision: C, its derivatives, training and slices take full float32 products on every device, also
    where it would use fewer bits by default (`engine.blocks`). A model that asks for a precision itself keeps it. (One
    gap: jax traces the backward rule of a `jax.custom_vjp` after C has returned, so that in your own `jax.grad(C)` of
    such a model the rule's products have the default precision; in `descent.gradient` and in training they are full.)

    Attributes:
        images: `Images`, or anything with `x` and `y` that is a pytree of arrays `[n, ...]`.
        f: the network for one image, `f(x, *params)`. The parameters are any trees, whole Flax or Equinox modules among
            them; what is no floating array in them (counters, keys, functions) is passed to f as it is.
        loss: cost of one image, `loss(a, y)`, one number.
        block: images taken together, which bounds the memory; None chooses from the sizes of the model's
            intermediates. It changes no number beyond rounding.
        spread: where the images lie if they are spread over devices (`devices.spread`).
        fixed: what of the parameters does not move, where C is a function of the rest alone (`split`).

    Raises:
        ValueError: the images have not all as many x as y; `f` or `loss` is no function, or the loss wants other
            outputs than one of the kit's networks gives (`losses`); `block` is no positive number of images.

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
    loss: Callable = field(default=losses.quadratic)
    block: int | None = None
    spread: blocks.Spread | None = None
    fixed: trees.Fixed | None = None

    def __post_init__(self):
        checks.images(self.images)
        losses.fit(checks.function("f", self.f), checks.function("loss", self.loss))
        if self.block is not None:
            checks.whole("block", self.block)
        for name, kind in (("spread", blocks.Spread), ("fixed", trees.Fixed)):
            if not isinstance(getattr(self, name), kind | None):
                raise ValueError(f"{name}={checks.shown(getattr(self, name))}, expected None or a {kind.__name__}")

    @property
    def n(self) -> int:
        """Number of images."""
        return len(jax.tree.leaves(self.images)[0]) if self.spread is None else sum(self.spread.counts)

    @blocks.in_full
    def __call__(self, *params) -> jax.Array:
        """Total cost, a scalar."""
        return _total(*split(self, params))

    @blocks.in_full
    def per_image(self, *params) -> jax.Array:
        """The cost of each image, `[n]`; its mean is C."""
        return _per_image(*split(self, params))

    def output(self, x, *params) -> Any:
        """f(x ; w, b), the network's guess for one image.

        Raises:
            ValueError: there are more parameters than f takes, or fewer.
        """
        params = trees.join(self.fixed, params)
        _bound(self.f, x, params)
        return self.f(x, *params)

    def of_one(self, image, *params) -> jax.Array:
        """The cost of one image, given as `Images` without the leading axis.

        Raises:
            ValueError: the loss is not one number.
        """
        return self.of_output(self.output(image.x, *params), image.y)

    def of_output(self, a, y) -> jax.Array:
        """The cost of one image, from the network's guess for it.

        Raises:
            ValueError: the loss is not one number.
        """
        c = checks.real("loss(f(x), y)", self.loss(a, y))
        if jnp.shape(c) != ():
            raise ValueError(f"loss(f(x), y) has shape {jnp.shape(c)}, expected one number for one image: ()")
        return c

    def bytes_of_one(self, *params) -> int:
        """Bytes of all intermediates of one image's cost, were each kept."""
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), self.images)
        C, moving = split(self, params)
        return blocks.bytes_made(_of_one.trace(C, one, moving).jaxpr.jaxpr)


def _flattened(C):
    return (C.images, C.fixed), (C.f, C.loss, C.block, C.spread)  # leaves, and what is part of programs


def _unflattened(meta, data):
    """A C of any leaves: jax puts tracers, shapes and nothing at all there, which the constructor would refuse."""
    C = object.__new__(Cost)
    (C.__dict__["images"], C.__dict__["fixed"]), of = data, ("f", "loss", "block", "spread")
    C.__dict__.update(zip(of, meta, strict=True))
    return C


_keyed = lambda C: (
    tuple(zip(map(jax.tree_util.GetAttrKey, ("images", "fixed")), _flattened(C)[0], strict=True)),
    _flattened(C)[1],
)
jax.tree_util.register_pytree_with_keys(Cost, _keyed, _unflattened, _flattened)


def checked(C, name="C") -> Cost:
    """C itself, if it is a cost of some images.

    Raises:
        ValueError: it is no `Cost`, or has no images.

    Example:
        >>> checked(lambda *params: 0.0)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: C=<function <lambda> at 0x...>, expected a cost.Cost
    """
    if not isinstance(C, Cost):
        raise ValueError(f"{name}={checks.shown(C)}, expected a cost.Cost")
    if not C.n:
        raise ValueError(f"{name} has no images, expected at least one")
    return C


def split(C, params) -> tuple[Cost, Any]:
    """C as a function of the floating leaves of its parameters alone, and these leaves.

    Returns:
        `(C, moving)` with C(*moving) the same number. Where all leaves are floating both are as they were given.

    Raises:
        ValueError: C is no `Cost`, or has no images; or the parameters are no tuple.
        TypeError: a leaf is complex, or is neither an array of numbers nor hashable.

    Example:
        >>> from jaxcost import data
        >>> C = Cost(data.digits()[1], f=lambda x, p: p["scale"] * x[: p["outputs"]])
        >>> moving_C, moving = split(C, ({"scale": jnp.array(2.0), "outputs": 10},))
        >>> moving[0]["outputs"] is None, bool(moving_C(*moving) == C({"scale": jnp.array(2.0), "outputs": 10}))
        (True, True)
    """
    C = checked(C)
    if not isinstance(params, tuple):
        raise ValueError(f"parameters {checks.shown(params)}, expected a tuple of C's arguments: (p,) of one")
    moving, fixed = trees.split(params)
    return (C if fixed is None else replace(C, fixed=fixed)), moving


def accuracy(C, params) -> jax.Array:
    """Share of images whose largest output is the desired one, in [0, 1].

    Of equal outputs the first counts as the largest. An image with an output that is NaN counts as wrong.

    Args:
        C: a `Cost` of one-hot desired outputs, or of labels.
        params: a tuple of C's arguments.

    Raises:
        ValueError: the desired outputs are neither, or there is not one output a class.

    Example:
        >>> from jaxcost import data, network
        >>> C = Cost(data.digits()[1], f=lambda x, p: p)  # always the same guess
        >>> print(f"{accuracy(C, (jnp.eye(10)[7],)):.4f}")  # 214 of the 2,000 held-out digits are a 7
        0.1070
    """
    C, moving = split(C, params)
    return _accuracy(C, moving, checks.classes(C.images.y))


def output_distance(C, origin) -> Cost:
    """How far the outputs have moved from those of the origin, a `Cost` itself.

    D(w, b) = 1/n sum_x |f(x ; w, b) - f(x ; origin)|, a distance in function space, Euclidean in the outputs. Beside
    that in parameters it compares networks of different sizes. Evaluate it as any cost,
    `slices.evaluate(output_distance(C, origin), origin, ...)`. At the origin itself it has no derivative.

    Args:
        C: a `Cost` whose images are on one device.
        origin: the network to compare with, a tuple of C's arguments.

    Raises:
        ValueError: the images are spread.

    Example:
        >>> from jaxcost import data, network
        >>> C = Cost(data.digits()[1], f=lambda x, p: p)
        >>> D = output_distance(C, (jnp.zeros(10),))
        >>> print(f"{D(jnp.eye(10)[7]):.4f}")
        1.0000
    """
    if checked(C).spread is not None:
        raise ValueError(f"images on {C.spread.mesh.size} devices, expected C as it was before `devices.spread`")
    return replace(C, images=Images(C.images.x, _outputs(*split(C, origin))), loss=_distance)


def _distance(a, y):
    return jnp.linalg.norm(a - y)


def _bound(f, x, params):
    """Raise ValueError unless f takes an image and so many parameters, as far as it tells."""
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # a function of C may keep it to itself
        return
    try:
        signature.bind(x, *params)
    except TypeError as error:
        found = f"{len(params)} parameters for f{signature}: {error}"
        raise ValueError(f"{found}; expected C(*params), as many as f takes beside the image") from error


def _over_images(f, params):
    """`f(image, *params)` for all images of a block."""
    return jax.vmap(f, (0, *(None,) * len(params)))


@jax.jit
def _outputs(C, params):
    def output(x, *params):
        a = C.output(x, *params)
        if not isinstance(a, jax.Array | np.ndarray):
            raise ValueError(f"f gives {trees.shapes(a)}, expected an array of outputs")
        return a

    block = lambda images, new, params: _over_images(output, params)(images.x, *params)
    return blocks.in_order(_over_blocks(block, C, params), C.images, None)


@jax.jit
def _of_one(C, image, params):
    return C.of_one(image, *params)


@jax.jit
def _total(C, params):
    def block(images, new, params):
        return jnp.where(new, _over_images(C.of_one, params)(images, *params), 0).sum()

    return blocks.replicated(_over_blocks(block, C, params).sum() / C.n, C.spread)


@jax.jit
def _per_image(C, params):
    block = lambda images, new, params: _over_images(C.of_one, params)(images, *params)
    return blocks.replicated(blocks.in_order(_over_blocks(block, C, params), C.images, C.spread), C.spread)


@partial(jax.jit, static_argnames="classes")
def _accuracy(C, params, classes):
    right = lambda image, *params: quantities.right(C.output(image.x, *params), image.y, classes)
    block = lambda images, new, params: jnp.where(new, _over_images(right, params)(images, *params), False).sum()

    return blocks.replicated(_over_blocks(block, C, params).sum() / C.n, C.spread)


def _over_blocks(f, C, params):
    """Stack `f(images, new, params)` over blocks of C's size, or of as many images as fit into the memory."""
    size = C.block or max(1, blocks.MEMORY // C.bytes_of_one(*params))
    return blocks.over_blocks(f, C.images, C.spread, size, params)
