"""The ends of the spectrum of the Hessian H of C, from products with directions alone."""

from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from scipy.sparse.linalg import LinearOperator, eigsh

from jaxcost import checks, cost
from jaxcost.curvature import products
from jaxcost.engine import trees


class Extremes(NamedTuple):
    """The lowest and the highest eigenvalue of H.

    Attributes:
        values: `[2]`, the lowest one first.
        directions: two directions of length 1, along which C curves so.
        residuals: `[2]`, |H v - lambda v|. Within so much of each value H has an eigenvalue, and the curvature v'Hv is
            that value.
    """

    values: np.ndarray
    directions: tuple[Any, Any]
    residuals: np.ndarray


def extremes(C, params, *, tolerance=1e-3) -> Extremes:
    """The lowest and the highest eigenvalue of the Hessian of C, by Lanczos: min and max of u'Hu over |u| = 1.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        tolerance: where to stop, as a share of the eigenvalues, in [0, 1); the residuals tell how far one came.

    Returns:
        `Extremes`. The method starts from the same direction each time.

    Raises:
        ValueError: there are fewer than three parameters, the tolerance is not in [0, 1), or C is not finite there.

    Reference:
        Lanczos 1950; here as in ARPACK, Lehoucq, Sorensen & Yang 1998.

    Example:
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p, loss=lambda a, y: 3 * a[0] ** 2 - a[1] ** 2)
        >>> extremes(C, (jnp.ones(5),)).values.round(4).tolist()
        [-2.0, 6.0]
    """
    C, moving = cost.split(C, params)
    tolerance = checks.number("tolerance", tolerance, 0, 1, below=True)
    flat, unravel = ravel_pytree(moving)
    if flat.size < 3:
        raise ValueError(f"{flat.size} parameters, expected three or more: of fewer take the whole Hessian")
    of_flat = lambda v: unravel(jnp.asarray(v.ravel(), flat.dtype))
    hvp = lambda v: trees.moving(products.hvp(C, moving, of_flat(v)))
    product = lambda v: np.asarray(ravel_pytree(hvp(v))[0], np.float64)
    H = LinearOperator((flat.size, flat.size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=flat.size)
    if not np.isfinite(product(start)).all():  # of which ARPACK says no more than its number -9
        raise ValueError("the Hessian of C is not finite at these parameters, expected some where C is smooth")
    values, vectors = eigsh(H, k=2, which="BE", tol=tolerance, v0=start)
    residuals = [np.linalg.norm(product(v) - value * v) for value, v in zip(values, vectors.T, strict=True)]
    whole = lambda v: trees.join(C.fixed and C.fixed.zeros(), of_flat(v))
    return Extremes(values, tuple(map(whole, vectors.T)), np.array(residuals))
