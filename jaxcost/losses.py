"""The cost of one image: outputs a and desired outputs y in, one number out.

Of outputs in (0, 1), for `f = network.feedforward`: `quadratic`, `absolute`, `cross_entropy`.
Of the weighted inputs z of the last layer, for `f = network.logits`: `sigmoid_cross_entropy` (the same number as
`cross_entropy`, finite where outputs saturate), `softmax_cross_entropy`, `hinge`. `cost.Cost` refuses one of these for
the other's network.
Any function `loss(a, y) -> number` serves as well.

And a cost of the parameters themselves, `weight_decay`, for `cost.Cost(images, penalty=...)`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jax.scipy.special import xlog1py, xlogy

from jaxcost import checks

SHARES, INPUTS = "outputs in (0, 1)", "weighted inputs"  # what a loss may want, and the kit's networks give


def quadratic(a, y) -> jax.Array:
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
    a, y = _alike(a, y)
    return optax.squared_error(a, y).sum()


def absolute(a, y) -> jax.Array:
    """Ten distances, summed: C_x = sum_j |a_j - y_j|.

    Example:
        >>> print(f"{absolute(jnp.array([0.2, 0.9]), jnp.array([0.0, 1.0])):.1f}")
        0.3
    """
    a, y = _alike(a, y)
    return jnp.abs(a - y).sum()


def cross_entropy(a, y) -> jax.Array:
    """C_x = -sum_j [y_j ln a_j + (1 - y_j) ln(1 - a_j)] for sigmoid outputs. Nielsen 2015, equation (63).

    Infinite where an output has rounded to the wrong one of 0 and 1, in float32 from a weighted input of 17
    on; `sigmoid_cross_entropy` stays finite.

    Example:
        >>> print(f"{cross_entropy(jnp.array([0.5, 0.5]), jnp.array([0.0, 1.0])):.4f}")  # 2 ln 2
        1.3863
    """
    a, y = _alike(a, y)
    return -(xlogy(y, a) + xlog1py(1 - y, -a)).sum()


def sigmoid_cross_entropy(z, y) -> jax.Array:
    """`cross_entropy` of the outputs s(z), computed from z itself.

    Example:
        >>> print(f"{sigmoid_cross_entropy(jnp.array([100.0]), jnp.array([0.0])):.0f}")
        100
    """
    z, y = _alike(z, y)
    return optax.sigmoid_binary_cross_entropy(z, y).sum()


def softmax_cross_entropy(z, y) -> jax.Array:
    """C_x = -sum_j y_j ln p_j with p = softmax(z). Nielsen 2015, equation (80), the log-likelihood cost.

    Example:
        >>> print(f"{softmax_cross_entropy(jnp.zeros(10), jnp.eye(10)[3]):.4f}")  # ln 10
        2.3026
    """
    z, y = _alike(z, y)
    if not jnp.ndim(z):
        raise ValueError("one output without an axis of classes, expected a list of them, [classes]")
    return optax.softmax_cross_entropy(z, y)


def hinge(z, y) -> jax.Array:
    """One class against the rest: C_x = sum_j max(0, 1 - (2 y_j - 1) z_j).

    Example:
        >>> print(f"{hinge(jnp.array([2.0, -0.5]), jnp.array([1.0, 0.0])):.1f}")
        0.5
    """
    z, y = _alike(z, y)
    return optax.hinge_loss(z, 2 * y - 1).sum()


def weight_decay(rate, *, biases=False) -> Callable:
    """A penalty of large weights: rate * sum_i w_i^2, with no factor 1/2, added to C once.

    Nielsen 2015, equation (85), whose rate is lambda / 2n; his leaves out biases as well.

    Args:
        rate: 0 or more.
        biases: sum over biases too, which are the floating arrays of one axis or none.

    Returns:
        `penalty(*params)`, of any parameter trees. Two of one rate are equal, and compiled once.

    Raises:
        ValueError: the rate is negative or not finite, or `biases` is not True or False; and when called, if there is
            nothing to sum over.

    Example:
        >>> w, b = jnp.array([[3.0, 4.0]]), jnp.array([1.0])
        >>> print(f"{weight_decay(0.1)(w, b):.1f} {weight_decay(0.1, biases=True)(w, b):.1f}")
        2.5 2.6
    """
    return _Decay(checks.number("rate", rate, 0), checks.flag("biases", biases))


@dataclass(frozen=True)
class _Decay:
    rate: float
    biases: bool

    def __call__(self, *params):
        floating = lambda leaf: jnp.issubdtype(getattr(leaf, "dtype", type(leaf)), jnp.floating)
        leaves = [jnp.asarray(leaf) for leaf in jax.tree.leaves(params) if floating(leaf)]
        kept = [leaf for leaf in leaves if self.biases or leaf.ndim > 1]
        if not kept:
            raise ValueError(
                f"{len(leaves)} floating arrays, none of two axes or more; expected weights, or biases=True"
            )
        return self.rate * sum(jnp.sum(leaf * leaf) for leaf in kept)


cross_entropy.wants = SHARES
sigmoid_cross_entropy.wants = softmax_cross_entropy.wants = hinge.wants = INPUTS


def fit(f, loss) -> None:
    """Make sure that a loss does not want other outputs than one of the kit's networks gives.

    Raises:
        ValueError: it does, as a softmax of sigmoids would be.

    Example:
        >>> from jaxcost import network
        >>> fit(network.feedforward, hinge)
        Traceback (most recent call last):
        ...
        ValueError: loss=hinge of weighted inputs, and f gives outputs in (0, 1); expected f=network.logits
    """
    gives, wants = getattr(f, "gives", None), getattr(loss, "wants", None)
    if (gives, wants) in ((SHARES, INPUTS), (INPUTS, SHARES)):
        right = "logits" if wants == INPUTS else "feedforward"
        raise ValueError(f"loss={loss.__name__} of {wants}, and f gives {gives}; expected f=network.{right}")


def _alike(a, y):
    """The outputs and the desired ones; labels are not broadcast against outputs.

    Raises:
        ValueError: they are no numbers, or the shapes differ.
    """
    a, y = (jnp.asarray(checks.real(name, value)) for name, value in (("outputs", a), ("desired outputs", y)))
    if jnp.shape(a) != jnp.shape(y):
        raise ValueError(f"outputs have shape {jnp.shape(a)} and desired outputs {jnp.shape(y)}, expected one shape")
    return (value if jnp.issubdtype(value.dtype, jnp.floating) else value.astype(float) for value in (a, y))
