"""Where on a slice C is convex: the extreme eigenvalues of its whole Hessian at each point, not those in the slice."""

from typing import NamedTuple

import jax
import numpy as np

from jaxcost import checks
from jaxcost.curvature import lanczos, products
from jaxcost.engine import bars, coordinates


class Convexity(NamedTuple):
    """The ends of the spectrum at each point of a grid.

    Attributes:
        axes: the coordinates along each direction.
        lowest: the lowest eigenvalue at each point, an array of the grid's shape.
        highest: the highest.
        residuals: of both, `[..., 2]`, the lowest first: so near each there is an eigenvalue.
    """

    axes: tuple[np.ndarray, ...]
    lowest: np.ndarray
    highest: np.ndarray
    residuals: np.ndarray

    @property
    def ratio(self) -> np.ndarray:
        """|lowest / highest| where the lowest is negative, otherwise 0: small where C is nearly convex."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(self.lowest < 0, np.abs(self.lowest / self.highest), 0.0)


def of_grid(key, C, frame, axes, *, tolerance=1e-2, product=products.hvps, progress=True) -> Convexity:
    """The lowest and the highest eigenvalue of the Hessian at each point of a grid.

    Args:
        key: a `jax.random.key`: of the directions that Lanczos starts from.
        C: a `cost.Cost`.
        frame: where the slice lies, a `directions.Frame`, such as a slice's own.
        axes: as many lists of coordinates as directions.
        tolerance: as of `lanczos.top_eigenpairs`.
        product: likewise.
        progress: show progress.

    Returns:
        A `Convexity`.

    Raises:
        ValueError: an axis is none, the frame is none, or the products are not finite.

    Reference:
        Li et al. 2018 (arXiv 1712.09913), section 6, whose figure shows the ratio.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import cost, data
        >>> from jaxcost.directions import Frame
        >>> f = lambda x, p: p
        >>> C = cost.Cost(data.digits()[1], f, loss=lambda a, y: a[0] ** 4 - a[0] ** 2 + a[1] ** 2 + a[2] ** 2)
        >>> along = Frame((jnp.zeros(3),), ((jnp.array([1.0, 0.0, 0.0]),),))
        >>> of_grid(jax.random.key(0), C, along, [[0.0, 1.0]], progress=False).ratio.round(3).tolist()
        [1.0, 0.0]
    """
    checks.key("key", key)
    checks.having("frame", frame, "origin", "directions", "moving")
    axes = coordinates.axes_on(frame.moving(), axes)
    points = coordinates.product(axes)
    ends, residuals = [], []
    with bars.bar(len(points), "convexity", "point", progress=progress) as bar:
        for own, s in zip(jax.random.split(key, len(points)), points, strict=True):
            options = {"which": "ends", "tolerance": tolerance, "product": product}
            found = lanczos.top_eigenpairs(own, C, frame.at(s), 2, **options)
            ends.append(found.values[::-1])
            residuals.append(found.residuals[::-1])
            bar.update()
    shape = tuple(map(len, axes))
    lowest, highest = np.array(ends).T.reshape(2, *shape)
    return Convexity(axes, lowest, highest, np.array(residuals).reshape(*shape, 2))
