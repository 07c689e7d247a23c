"""How sharp a minimum is, by three measures of the field; the largest eigenvalue is `lanczos.top_eigenpairs`'.

None is invariant: rescaling neurons of a ReLU network changes each of them and no output (Dinh et al. 2017, arXiv
1703.04933).
"""

from typing import Any, NamedTuple

import jax
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.optimize import minimize

from jaxcost import checks, cost, directions
from jaxcost.curvature.estimates import Estimate
from jaxcost.engine import trees


class Sharpest(NamedTuple):
    """The highest cost found near some parameters.

    Attributes:
        sharpness: 100 (highest - C) / (1 + C), in percent.
        highest: that cost.
        at: where, a tuple like the parameters.
    """

    sharpness: float
    highest: float
    at: Any


def of_ball(C, params, epsilon=1e-3, *, steps=10) -> Sharpest:
    """The highest cost in a box about the parameters, by L-BFGS-B from its middle.

        max { C(p + y) : |y_i| <= epsilon (|p_i| + 1) }

    It is a lower bound: a maximiser may miss the highest.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        epsilon: size of the box, positive.
        steps: of L-BFGS-B.

    Returns:
        A `Sharpest`.

    Raises:
        ValueError: a number is out of its range, or C is not finite there.

    Reference:
        Keskar et al. 2017 (arXiv 1609.04836), metric 2.1 with A the identity; their steps are 10.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p, loss=lambda a, y: (a**2).sum())
        >>> found = of_ball(C, (jnp.array([1.0, 0.0]),), 0.5)
        >>> round(found.highest, 3), round(found.sharpness, 1)  # 2^2 + 0.5^2 at the corner, in place of 1
        (4.25, 162.5)
    """
    epsilon = checks.number("epsilon", epsilon, 0, above=True)
    steps = checks.whole("steps", steps, 1, checks.MOST)
    C, moving = cost.split(C, params)
    _, fixed = trees.some(params, "the parameters")
    flat, unravel = ravel_pytree(moving)
    start = np.asarray(flat, np.float64)
    here = float(C(*moving))
    if not np.isfinite(here):
        raise ValueError(f"C is {here} at these parameters, expected a finite cost")

    def falling(y):
        value, slope = _value_and_gradient(C, unravel((start + y).astype(flat.dtype)))
        value = float(value)  # where C is not finite the line search turns back
        return (-value if np.isfinite(value) else np.inf), -np.nan_to_num(np.asarray(ravel_pytree(slope)[0], float))

    # a point to the side, lest a gradient of exactly 0 at a minimum leave it there
    size = epsilon * (np.abs(start) + 1)
    begin = 1e-3 * size * np.random.default_rng(0).choice([-1, 1], start.size)
    found = minimize(
        falling, begin, jac=True, method="L-BFGS-B", bounds=np.stack([-size, size], 1), options={"maxiter": steps}
    )
    highest = max(-float(found.fun), here)
    at = trees.join(fixed, unravel((start + found.x).astype(flat.dtype)))
    return Sharpest(100 * (highest - here) / (1 + here), highest, at)


def expected(key, C, params, radius, *, draws=100) -> Estimate:
    """How much higher C is on average at random points around: E[C(p + radius u)] - C(p), u normal.

    u has independent entries N(0, 1 / n), so that its length is about 1.

    Args:
        key: a `jax.random.key`.
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        radius: positive, in units of the parameters.
        draws: two or more.

    Returns:
        An `Estimate`.

    Raises:
        ValueError: a number is out of its range.

    Reference:
        Neyshabur et al. 2017 (arXiv 1706.08947), whose noise is of each parameter.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p, loss=lambda a, y: (a**2).sum())
        >>> found = expected(jax.random.key(0), C, (jnp.zeros(50),), 2.0)  # 4 times the mean of |u|^2
        >>> abs(found.value - 4) < 3 * found.error
        True
    """
    radius = checks.number("radius", radius, 0, above=True)
    draws = checks.whole("draws", draws, 2, checks.MOST)
    C, moving = cost.split(C, params)
    trees.some(params, "the parameters")
    n = sum(leaf.size for leaf in jax.tree.leaves(moving))
    at = lambda key: C(*directions.at(moving, (directions.gaussian(key, moving),), [radius / np.sqrt(n)]))
    higher = np.array([at(own) for own in jax.random.split(checks.key("key", key), draws)], np.float64) - float(
        C(*moving)
    )
    return Estimate(float(higher.mean()), float(higher.std(ddof=1) / np.sqrt(draws)), draws)


@jax.jit
def _value_and_gradient(C, params):
    return jax.value_and_grad(lambda params: C(*params))(params)
