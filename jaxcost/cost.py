"""C(w, b): a whole network in, one number for how wrong it is out."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks, losses, network
from jaxcost.data import Images
from jaxcost.engine import blocks, means, quantities, trees, whole


@dataclass(frozen=True, eq=False)
class Cost:
    """C(w, b) = 1/n sum_x loss(f(x ; w, b), y) [+ penalty(w, b)]: pure, jitted, differentiable to any order.

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
        penalty: None, or a pure function of the parameters that is added, `penalty(*params)`, one number, such as
            `losses.weight_decay`. The cost of each image has it too, so that their mean is C.

    Raises:
        ValueError: the images have not all as many x as y; `f`, `loss` or `penalty` is no function, or the loss wants
            other outputs than one of the kit's networks gives (`losses`); `block` is no positive number of images.

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
    penalty: Callable | None = None

    def __post_init__(self):
        checks.images(self.images)
        losses.fit(checks.function("f", self.f), checks.function("loss", self.loss))
        if self.block is not None:
            checks.whole("block", self.block)
        if self.penalty is not None:
            checks.function("penalty", self.penalty)
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
        return means.total(*split(self, params))

    @blocks.in_full
    def per_image(self, *params) -> jax.Array:
        """The cost of each image, `[n]`; its mean is C.

        Raises:
            ValueError: C is one number of the whole (`of`).
        """
        whole.of_images(self, "per_image")
        return means.per_image(*split(self, params))

    def output(self, x, *params) -> Any:
        """f(x ; w, b), the network's guess for one image.

        Raises:
            ValueError: there are more parameters than f takes, or fewer.
        """
        params = trees.join(self.fixed, params)
        whole.bound(self.f, (x,), params)
        return self.f(x, *params)

    def of_one(self, image, *params) -> jax.Array:
        """The cost of one image, given as `Images` without the leading axis.

        Raises:
            ValueError: the loss, or the penalty, is not one number.
        """
        return self.penalised(self.of_image(image, *params), *params)

    def of_image(self, image, *params) -> jax.Array:
        """The cost of one image without the penalty. Errors as of `of_one`."""
        return self.of_output(self.output(image.x, *params), image.y)

    def penalised(self, c, *params) -> jax.Array:
        """The cost of an image with the penalty, from that without. Errors as of `of_one`."""
        if self.penalty is None:
            return c
        return c + whole.one_number("penalty(*params)", self.penalty(*trees.join(self.fixed, params)))

    def of_output(self, a, y) -> jax.Array:
        """The cost of one image, from the network's guess for it.

        Raises:
            ValueError: the loss is not one number.
        """
        return whole.one_number("loss(f(x), y)", self.loss(a, y))

    def bytes_of_one(self, *params) -> int:
        """Bytes of all intermediates of one image's cost, were each kept."""
        one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), self.images)
        C, moving = split(replace(self, penalty=None), params)  # which is made once for all images
        return blocks.bytes_made(means.of_one.trace(C, one, moving).jaxpr.jaxpr)


def _flattened(C):
    return (C.images, C.fixed), (C.f, C.loss, C.block, C.spread, C.penalty)  # leaves, and what is part of programs


def _unflattened(meta, data):
    """A C of any leaves: jax puts tracers, shapes and nothing at all there, which the constructor would refuse."""
    C = object.__new__(Cost)
    (C.__dict__["images"], C.__dict__["fixed"]), of = data, ("f", "loss", "block", "spread", "penalty")
    C.__dict__.update(zip(of, meta, strict=True))
    return C


_keyed = lambda C: (
    tuple(zip(map(jax.tree_util.GetAttrKey, ("images", "fixed")), _flattened(C)[0], strict=True)),
    _flattened(C)[1],
)
jax.tree_util.register_pytree_with_keys(Cost, _keyed, _unflattened, _flattened)


def of(function, data=None) -> Cost:
    """C(p) = function(p): any pure function of the parameters that gives one number, in place of a mean over images.

    The energy of a quantum circuit, the residuals of a differential equation, a model with batch statistics: slices,
    directions, measures, critical points, the Hessian, paths and training take it as any cost; what is of single images
    (`per_image`, classes, accuracy, standard errors, mini-batches, the Gauss-Newton matrix) is refused. Where a cost is
    asked for the function itself may stand in its place: `slices.line(energy, (p,), u, alphas)`.

    Args:
        function: `function(*params)`, one real number; with data `function(data, *params)`. One function object is
            compiled once.
        data: None, or a pytree of arrays that the function reads. What a function closes over is compiled into its
            program; data are not, and what is linear in them and the parameters is computed once for a slice.

    Returns:
        A `Cost`.

    Raises:
        ValueError: it is no function, or data are no arrays; and when called, if it does not give one real number.

    Example:
        >>> C = of(lambda p: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2)  # Rosenbrock's
        >>> print(C(jnp.array([1.0, 1.0])), C(jnp.zeros(2)))
        0.0 1.0
    """
    checks.function("function", function)
    try:
        x = jax.tree.map(lambda leaf: jnp.asarray(leaf)[None], checks.tree("data", data))
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"data={checks.shown(data)}, expected a pytree of arrays") from error
    y = np.zeros((1, 0), np.float32)
    return Cost(Images(y if data is None else x, y), whole.Whole(function, data is not None), _as_it_is)


def _as_it_is(a, y):
    return a


def checked(C, name="C") -> Cost:
    """C itself, if it is a cost of some images; of a plain function of the parameters the cost that it is (`of`).

    Raises:
        ValueError: it is neither, or has no images.

    Example:
        >>> checked(3.0)
        Traceback (most recent call last):
        ...
        ValueError: C=3.0, expected a cost.Cost, or a function of the parameters
    """
    if not isinstance(C, Cost):
        if not callable(C) or isinstance(C, type):
            raise ValueError(f"{name}={checks.shown(C)}, expected a cost.Cost, or a function of the parameters")
        return of(C)
    if not C.n:
        raise ValueError(f"{name} has no images, expected at least one")
    return C


def split(C, params) -> tuple[Cost, Any]:
    """C as a function of the floating leaves of its parameters alone, and these leaves.

    Returns:
        `(C, moving)` with C(*moving) the same number. Where all leaves are floating both are as they were given.

    Raises:
        ValueError: C is no cost (`checked`), or has no images; or the parameters are no tuple.
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

    Of equal outputs the first counts as the largest. An image with an output that is NaN counts as wrong. Of a sequence
    with a label a position it is the share of the positions that are right, all of them counted: a label below 0, as
    padding has, is never right.

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
    whole.of_images(C, "accuracy")
    return means.right(C, moving, quantities.classes(C.images.y))


def output_distance(C, origin) -> Cost:
    """How far the outputs have moved from those of the origin, a `Cost` itself.

    D(w, b) = 1/n sum_x |f(x ; w, b) - f(x ; origin)|, a distance in function space, Euclidean in the outputs. Beside
    that in parameters it compares networks of different sizes. Evaluate it as any cost,
    `slices.evaluate(output_distance(C, origin), origin, ...)`. At the origin itself it has no derivative.

    Args:
        C: a `Cost` whose images are on one device.
        origin: the network to compare with, a tuple of C's arguments.

    Raises:
        ValueError: the images are spread, or C is one number of the whole.

    Example:
        >>> from jaxcost import data, network
        >>> C = Cost(data.digits()[1], f=lambda x, p: p)
        >>> D = output_distance(C, (jnp.zeros(10),))
        >>> print(f"{D(jnp.eye(10)[7]):.4f}")
        1.0000
    """
    C = checked(C)
    whole.of_images(C, "outputs")
    if C.spread is not None:
        raise ValueError(f"images on {C.spread.mesh.size} devices, expected C as it was before `devices.spread`")
    return replace(C, images=Images(C.images.x, means.outputs(*split(C, origin))), loss=_distance, penalty=None)


def _distance(a, y):
    return jnp.linalg.norm(a - y)
