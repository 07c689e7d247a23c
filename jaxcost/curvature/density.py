"""How many eigenvalues of the Hessian H of C lie where: its spectral density, by stochastic Lanczos quadrature.

    density(x) = 1/n sum_i N(x ; lambda_i, width)     lambda_i the n eigenvalues, N a normal density

For a random direction v of length 1, sum_i (v . u_i)^2 N(x ; lambda_i) has this mean; and Lanczos started from v gives
nodes and weights that integrate any polynomial up to degree 2 steps - 1 exactly against (v . u_i)^2 (Gauss quadrature).
"""

from typing import NamedTuple

import jax
import numpy as np
from scipy.linalg import eigh_tridiagonal
from scipy.special import ndtr

from jaxcost import checks
from jaxcost.curvature import lanczos, products

TOGETHER = 16  # probes whose products are taken together
ALIKE = 1e-5  # of the largest node: nodes that differ by less differ by rounding


class Density(NamedTuple):
    """A spectral density, known from several random directions.

    Attributes:
        nodes: `[probes, steps]`.
        weights: `[probes, steps]`, of each probe 1 together.
        width: standard deviation of the normal density that each node is drawn as.
        n: number of eigenvalues.
    """

    nodes: np.ndarray
    weights: np.ndarray
    width: float
    n: int

    def at(self, x) -> tuple[np.ndarray, np.ndarray]:
        """The density at each x, and its standard error over the probes, two arrays like x."""
        x = np.asarray(checks.real("x", x), np.float64)
        off = (x[..., None, None] - self.nodes) / self.width
        return self._mean((self.weights * np.exp(-(off**2) / 2)).sum(-1) / (self.width * np.sqrt(2 * np.pi)))

    def above(self, x) -> tuple[float, float]:
        """How many eigenvalues are above x, each smoothed as in the density; and the standard error of that."""
        x = checks.number("x", x)
        found, error = self._mean((self.weights * ndtr((self.nodes - x) / self.width)).sum(-1))
        return float(self.n * found), float(self.n * error)

    def _mean(self, each):
        """Mean and standard error over the probes, the last axis."""
        return each.mean(-1), each.std(-1, ddof=1) / np.sqrt(each.shape[-1])


def spectral_density(
    key, C, params, *, steps=80, probes=16, width=None, reorthogonalise=2, product=products.hvps
) -> Density:
    """The spectral density of the Hessian of C.

    Args:
        key: a `jax.random.key`: of the probes.
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        steps: of Lanczos, at most as many as parameters. Each probe takes so many products.
        probes: random directions, two or more.
        width: of the normal density that smooths, positive; None for (largest - smallest node) / steps, about the
            distance between nodes. Less than that shows the nodes and not the density.
        reorthogonalise: as of `lanczos.tridiagonal`. Without, ghosts come up; their weights are right together.
        product: `products.hvps`, or `products.ggn_vps` for the Gauss-Newton matrix.

    Returns:
        A `Density`. What is told of it beside, its standard error, is that of the probes; what `steps` and `width` do
        is not in it.

    Raises:
        ValueError: a number is out of its range, or the products are not finite.

    Reference:
        Golub & Welsch 1969; of networks Ghorbani, Krishnan & Xiao 2019 (arXiv 1901.10159).

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import cost, data
        >>> f = lambda x, p: p
        >>> C = cost.Cost(data.digits()[1], f, loss=lambda a, y: 3 * a[0] ** 2 + (a[1:] ** 2).sum())
        >>> found = spectral_density(jax.random.key(0), C, (jnp.ones(9),), steps=2, probes=200, width=0.1)
        >>> count, error = found.above(4)  # one eigenvalue is 6, eight are 2
        >>> abs(count - 1) < 3 * error
        True
    """
    of_arrays, n, _ = products.on_arrays(C, params, product)
    steps, probes = checks.whole("steps", steps, 1, n), checks.whole("probes", probes, 2, checks.MOST)
    if width is not None:
        width = checks.number("width", width, 0, above=True)
    starts = np.asarray(jax.random.normal(checks.key("key", key), (probes, n)), np.float64)
    nodes, weights = [], []
    for first in range(0, probes, TOGETHER):
        some = starts[first : first + TOGETHER]
        found = lanczos.tridiagonal(of_arrays, some, steps, reorthogonalise=reorthogonalise)
        for diagonal, off_diagonal in zip(found.diagonal, found.off_diagonal, strict=True):
            theta, S = eigh_tridiagonal(diagonal, off_diagonal)
            nodes.append(theta)
            weights.append(S[0] ** 2)
    nodes = np.array(nodes)
    spread, size = np.ptp(nodes), np.abs(nodes).max()
    spread = spread if spread > ALIKE * size else size or 1.0  # of one eigenvalue alone any width will do
    return Density(nodes, np.array(weights), spread / steps if width is None else width, n)
