"""Trace, Frobenius norm and diagonal of the Hessian H of C from random probes, each with its standard error.

With z of independent signs, +1 or -1, E[z'Hz] = tr(H), E[|Hz|^2] = |H|^2 and E[z * Hz] = diag(H).

The standard error is itself an estimate: of few probes two of it hold the truth less often than in 95 of 100 draws, as
often as Student's t says for the diagonal (86 with 4 probes), more seldom for the Frobenius norm, whose squares are
skewed. `experiments/estimates_against_truth.py` holds each against dense matrices.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcost import checks
from jaxcost.curvature import products

TOGETHER = 16  # probes whose products are taken together
FEWEST = 16  # probes after which an error is first believed


class Estimate(NamedTuple):
    """What random probes say.

    Attributes:
        value: a number, or directions like the parameters.
        error: its standard error, likewise.
        probes: how many it took.
    """

    value: Any
    error: Any
    probes: int


def trace(key, C, params, *, probes=100, error=None, product=products.hvps) -> Estimate:
    """The sum of the eigenvalues of H, by Hutchinson's estimate.

    Args:
        key: a `jax.random.key`: of the probes.
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        probes: random directions, two or more; the most there are where an error is given.
        error: stop at this standard error, in units of the trace; None to take all probes. An error that is looked at
            again and again is believed from 16 probes on.
        product: `products.hvps`, or `products.ggn_vps` for the Gauss-Newton matrix.

    Returns:
        An `Estimate`.

    Raises:
        ValueError: a number is out of its range, or the products are not finite.

    Reference:
        Hutchinson 1989, *Communications in Statistics* 18.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import cost, data
        >>> f = lambda x, p: p
        >>> C = cost.Cost(data.digits()[1], f, loss=lambda a, y: 3 * a[0] ** 2 + a[1] ** 2)
        >>> round(trace(jax.random.key(0), C, (jnp.ones(2),), probes=4).value, 3)  # of a diagonal matrix exact
        8.0
    """
    return _number(key, C, params, probes, error, product, lambda z, Hz: (z * Hz).sum(1))


def frobenius(key, C, params, *, probes=100, error=None, product=products.hvps) -> Estimate:
    """The root of the sum of the squares of the eigenvalues of H, from the mean of |Hz|^2.

    Args and errors as of `trace`; the root is of the mean, and its error follows from that of the mean.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import cost, data
        >>> f = lambda x, p: p
        >>> C = cost.Cost(data.digits()[1], f, loss=lambda a, y: 3 * a[0] ** 2 + 4 * a[1] ** 2)
        >>> round(frobenius(jax.random.key(0), C, (jnp.ones(2),), probes=4).value, 3)
        10.0
    """
    root = lambda mean, error: (np.sqrt(mean), error / (2 * np.sqrt(mean)) if mean > 0 else error)
    return _number(key, C, params, probes, error, product, lambda z, Hz: (Hz * Hz).sum(1), root)


def diagonal(key, C, params, *, probes=100, error=None, product=products.hvps) -> Estimate:
    """The diagonal of H, its second derivatives along single parameters.

    Args and errors as of `trace`; `error` is that of the mean square over all parameters.

    Returns:
        An `Estimate` whose value and error are directions, like the parameters.

    Reference:
        Bekas, Kokiopoulou & Saad 2007, *Applied Numerical Mathematics* 57.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import cost, data
        >>> f = lambda x, p: p
        >>> C = cost.Cost(data.digits()[1], f, loss=lambda a, y: 3 * a[0] ** 2 + a[1] ** 2)
        >>> diagonal(jax.random.key(0), C, (jnp.ones(2),), probes=4).value[0].round(2).tolist()
        [6.0, 2.0]
    """
    unravel = products.on_arrays(C, params, product)[2]
    mean, error, count = _means(key, C, params, probes, error, product, lambda z, Hz: z * Hz)
    value, of_value = (jax.tree.map(lambda leaf: leaf[0], unravel(a[None])) for a in (mean, error))
    return Estimate(value, of_value, count)


def _number(key, C, params, probes, error, product, of_probe, told=lambda mean, error: (mean, error)):
    each = lambda z, Hz: of_probe(z, Hz)[:, None]
    mean, found, count = _means(key, C, params, probes, error, product, each, told=told)
    return Estimate(*(float(a) for a in told(mean[0], found[0])), count)


def _means(key, C, params, probes, error, product, of_probe, told=lambda mean, error: (mean, error)):
    """Mean and standard error of what each probe says, `[numbers]`, and how many were taken."""
    of_arrays, n, _ = products.on_arrays(C, params, product)
    probes = checks.whole("probes", probes, 2, checks.MOST)
    if error is not None:
        error = checks.number("error", error, 0, above=True)
    key, count, mean, squares = checks.key("key", key), 0, 0.0, 0.0
    while count < probes:
        key, own = jax.random.split(key)
        z = np.asarray(jax.random.rademacher(own, (min(TOGETHER, probes - count), n)), np.float64)
        found = of_probe(z, of_arrays(z))
        # the running mean and sum of squared differences, which lose no digits (Chan, Golub & LeVeque 1983)
        new, both = found.mean(0), count + len(z)
        squares = squares + ((found - new) ** 2).sum(0) + (new - mean) ** 2 * count * len(z) / both
        mean, count = mean + (new - mean) * len(z) / both, both
        of_mean = np.sqrt(squares / ((count - 1) * count)) if count > 1 else np.full_like(mean, np.inf)
        reached = np.sqrt(np.mean(np.square(told(mean, of_mean)[1]))) if mean.size > 1 else told(mean[0], of_mean[0])[1]
        if error is not None and count >= FEWEST and reached <= error:
            break
    return mean, of_mean, count
