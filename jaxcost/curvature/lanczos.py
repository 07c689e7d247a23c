"""Eigenpairs at the ends of the spectrum of the Hessian H of C, by Lanczos with full reorthogonalisation, done twice.

Lanczos builds an orthonormal basis V of the directions v, Hv, H Hv, ... and takes the eigenvalues of V'HV, the Ritz
values, for those of H: at the ends of the spectrum soon very good ones. In the arithmetic of a computer the basis does
not stay orthonormal by itself. Then values that were found come up again, as ghosts. Taking away what each new vector
has of all others, twice, keeps it orthonormal to rounding ("twice is enough", Parlett 1980), and there are none.
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcost import checks
from jaxcost.curvature import products
from jaxcost.engine import trees

WHICH = ("highest", "lowest", "largest", "ends")
BASIS = 40  # vectors that are kept at least
GUARDS = 2  # further values that must be found: without them 4 and 36 of 300 draws miss one (`Eigenpairs.errors`)
TINY = 1e-10  # of the largest Ritz value: a new vector so short is rounding


class Eigenpairs(NamedTuple):
    """Eigenvalues, falling, and what is known of them.

    Attributes:
        values: `[k]`.
        vectors: directions of length 1, orthogonal to each other: a tuple like the parameters whose leaves have a first
            axis `[k]`; `direction(i)` is one of them, to make a slice along.
        residuals: |H v - value v|, `[k]`. So near each value there is an eigenvalue of H.
        errors: how far each value is from that, `[k]`: residual^2 / gap, gap being the distance from the nearest other
            Ritz value, or the residual itself where that is less. An estimate, since the gap is one. It does not tell
            that a higher one did not come up, as in 1 of 300 draws of ten values to 0.001 and in 4 to 0.01.
        products: of H with one direction, how many it took. The residuals took none: H v is known for all of the basis.
    """

    values: np.ndarray
    vectors: Any
    residuals: np.ndarray
    errors: np.ndarray
    products: int

    def direction(self, i) -> Any:
        """Eigenvector i, a tuple like the parameters."""
        vectors, fixed = trees.split(self.vectors)
        return trees.join(fixed, trees.pick(vectors, checks.whole("i", i, 0, len(self.values) - 1)))


class Tridiagonal(NamedTuple):
    """Of each of p starts the tridiagonal matrix V'HV.

    Attributes:
        diagonal: `[p, m]`.
        off_diagonal: `[p, m - 1]`.
        basis: V', orthonormal rows, `[p, m, n]`.
    """

    diagonal: np.ndarray
    off_diagonal: np.ndarray
    basis: np.ndarray


def top_eigenpairs(
    key, C, params, k, *, which="highest", tolerance=1e-3, basis=None, most=2_000, product=products.hvps
) -> Eigenpairs:
    """The first k eigenpairs from one end of the spectrum, or from both.

    Args:
        key: a `jax.random.key`: of the direction to start from.
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        k: how many, fewer than parameters.
        which: "highest" or "lowest" eigenvalues, the "largest" in size, or of both "ends" in turn: k / 2 from each, of
            an odd k one more of the highest.
        tolerance: stop when each residual is this share of its eigenvalue, or rounding.
        basis: most vectors kept, more than k; None for 2 k + 20, or 40. With more there are fewer products.
        most: products after which it stops in any case; the residuals tell how far it came.
        product: `products.hvps`, or `products.ggn_vps` for the Gauss-Newton matrix.

    Returns:
        `Eigenpairs`. An eigenvalue that occurs several times may be found less often.

    Raises:
        ValueError: `which` is another word, a number is out of its range, or the products are not finite.

    Reference:
        Lanczos 1950; restarted as in Wu & Simon 2000, *SIAM Journal on Matrix Analysis and Applications* 22.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import cost, data
        >>> f = lambda x, p: p
        >>> C = cost.Cost(data.digits()[1], f, loss=lambda a, y: 3 * a[0] ** 2 - a[1] ** 2)
        >>> found = top_eigenpairs(jax.random.key(0), C, (jnp.ones(5),), 2, which="ends")
        >>> found.values.round(3).tolist()
        [6.0, -2.0]
    """
    of_arrays, n, unravel = products.on_arrays(C, params, product)
    rng = np.random.default_rng(np.asarray(jax.random.key_data(checks.key("key", key))).ravel())
    options = {"which": which, "tolerance": tolerance, "basis": basis, "most": most}
    values, vectors, residuals, errors, used = extreme(of_arrays, n, k, rng, **options)
    return Eigenpairs(values, unravel(vectors), residuals, errors, used)


def extreme(product, n, k, rng, *, which="highest", tolerance=1e-3, basis=None, most=2_000) -> tuple:
    """The same of any symmetric matrix.

    Args:
        product: from directions `[p, n]` to products `[p, n]`, in numpy.
        n: size of the matrix.
        k: how many eigenpairs.
        rng: a numpy generator: of the directions to start from.
        which: as of `top_eigenpairs`.
        tolerance: likewise.
        basis: likewise.
        most: likewise.

    Returns:
        `(values [k], vectors [k, n], residuals [k], errors [k], products)`.

    Raises:
        ValueError: `which` is another word, or a number is out of its range.

    Example:
        >>> A = np.diag(np.arange(10.0))
        >>> values, *_ = extreme(lambda v: v @ A, 10, 3, np.random.default_rng(0))
        >>> values.round(3).tolist()
        [9.0, 8.0, 7.0]
    """
    checks.one_of("which", which, WHICH)
    n = checks.whole("n", n, 1, checks.MOST)
    k, tolerance = checks.whole("k", k, 1, max(1, n - 1)), checks.number("tolerance", tolerance, 0, 1, below=True)
    basis = max(BASIS, 2 * k + 20) if basis is None else checks.whole("basis", basis, k + 1, checks.MOST)
    most, m = checks.whole("most", most, k + 1), min(n, basis)
    V, HV, T = np.zeros((1, m + 1, n)), np.zeros((m, n)), np.zeros((m, m))
    V[0, 0], aim = _unit(rng.normal(size=n)), max(k, min(k + GUARDS, m - 1))
    j = used = 0
    lost = False  # whether a direction was lost in an invariant subspace: others may hold more of the same eigenvalues
    while True:
        HV[j] = _products(product, V[:, j])[0]
        h, w = _orthogonalised(HV[None, j], V, j, 2)
        T[: j + 1, j] = T[j, : j + 1] = h[0]
        j, used, length = j + 1, used + 1, _lengths(w[0])
        ritz, S = np.linalg.eigh(T[:j, :j])
        chosen = _chosen(ritz, which, min(aim, j))
        size = np.abs(ritz).max()
        least = np.maximum(tolerance * np.abs(ritz[chosen]), TINY * size)
        reached = j >= aim and (length * np.abs(S[-1, chosen]) <= least).all() and not (lost and j < m)
        if reached or j == n or used >= most:
            break
        if length <= TINY * size:
            lost, w = True, _orthogonal(rng.normal(size=(1, n)), V[:, :j])
        if j == m:  # begin anew with the best of what there is
            kept = _chosen(ritz, which, k + (m - k) // 2)
            V[0, : len(kept)], HV[: len(kept)] = S[:, kept].T @ V[0, :m], S[:, kept].T @ HV
            T[:] = np.diag(np.pad(ritz[kept], (0, m - len(kept))))
            j = len(kept)
        V[0, j] = _unit(w[0])
    chosen = chosen[:k]
    order = chosen[np.argsort(-ritz[chosen])]
    values, vectors = ritz[order], S[:, order].T @ V[0, :j]
    residuals = np.linalg.norm(S[:, order].T @ HV[:j] - values[:, None] * vectors, axis=1)
    apart = np.abs(ritz[None] - values[:, None])
    apart[np.arange(len(order)), order] = np.inf
    gap = apart.min(1, initial=np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        errors = np.where(gap > residuals, residuals**2 / gap, residuals)
    return values, vectors, residuals, errors, used


def tridiagonal(product, starts, steps, *, reorthogonalise=2) -> Tridiagonal:
    """Lanczos from several directions side by side, their products taken together.

    Args:
        product: from directions `[p, n]` to products `[p, n]`, in numpy, symmetric.
        starts: directions, `[p, n]`.
        steps: m, at most n.
        reorthogonalise: how often each new vector is made orthogonal to all others: 0, the plain form, to the last two
            alone; 1; or 2.

    Returns:
        A `Tridiagonal`. Where a start lies in an invariant subspace it goes on with a random direction, and a 0 stands
        in the off-diagonal.

    Raises:
        ValueError: the starts are no directions, or a number is out of its range.

    Example:
        >>> A = np.diag([1.0, 2.0, 5.0])
        >>> found = tridiagonal(lambda v: v @ A, np.ones((1, 3)), 3)
        >>> T = np.diag(found.diagonal[0]) + np.diag(found.off_diagonal[0], 1) + np.diag(found.off_diagonal[0], -1)
        >>> np.linalg.eigvalsh(T).round(6).tolist()
        [1.0, 2.0, 5.0]
    """
    checks.function("product", product)
    starts = np.array(checks.numbers("starts", starts, 2, finite=True), np.float64)
    p, n = starts.shape
    if not (p and starts.any(1).all()):
        raise ValueError(f"starts {checks.shown(starts)}, expected one direction or more, none of them 0")
    steps = checks.whole("steps", steps, 1, n)
    times = checks.whole("reorthogonalise", reorthogonalise, 0, 2)
    V, diagonal, off = np.zeros((p, steps, n)), np.zeros((p, steps)), np.zeros((p, steps))
    V[:, 0] = _unit(starts)
    for j in range(steps):
        h, w = _orthogonalised(_products(product, V[:, j]), V, j, times)
        diagonal[:, j], off[:, j] = h[:, -1], _lengths(w)
        if j + 1 < steps:
            ended = off[:, j] <= TINY * np.abs(diagonal).max(1)
            if ended.any():
                more = np.random.default_rng(j).normal(size=(p, n))
                w[ended] = _orthogonal(more, V[:, : j + 1])[ended]
                off[ended, j] = 0
            V[:, j + 1] = _unit(w)
    return Tridiagonal(diagonal, off[:, :-1], V)


def share(direction, vectors) -> float:
    """How much of the square of a direction lies in the space of some eigenvectors: sum_i (v_i . g)^2 / |g|^2.

    Args:
        direction: a tuple like the parameters, such as the gradient.
        vectors: as of `Eigenpairs`: orthonormal, leaves `[k, ...]`.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: the two do not fit each other, the direction is 0, or the vectors are not orthonormal.

    Reference:
        Gur-Ari, Roberts & Dyer 2018 (arXiv 1812.04754), of the gradient.

    Example:
        >>> share((np.array([3.0, 4.0]),), (np.array([[0.0, 1.0]]),))
        0.64
    """
    vectors = trees.moving(vectors)
    if not all(leaf.ndim for leaf in jax.tree.leaves(vectors)):
        raise ValueError(f"vectors are {trees.shapes(vectors)}; expected as many for each leaf, its first axis")
    one = jax.tree.map(lambda leaf: leaf[0], vectors)
    leaves = jax.tree.leaves(trees.fitted(direction, one, "the direction", "each of the vectors"))
    g = np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in leaves])
    V = np.concatenate([np.asarray(v, np.float64).reshape(len(v), -1) for v in jax.tree.leaves(vectors)], 1)
    if not (g**2).sum() > 0:
        raise ValueError("the direction is 0 or not finite, expected one that leads somewhere")
    if not np.abs(V @ V.T - np.eye(len(V))).max(initial=0) < 1e-3:
        raise ValueError("the vectors are not orthonormal, expected eigenvectors as of top_eigenpairs")
    return float(((V @ g) ** 2).sum() / (g**2).sum())


def _products(product, some):
    found = np.asarray(product(some), np.float64)
    if found.shape != some.shape:
        raise ValueError(f"products of shape {found.shape}, expected that of the directions, {some.shape}")
    return found


# Sums are numpy's own and not its BLAS's, whose threads wait busily for more while jax would use the cores: ten
# eigenpairs of 13,002 parameters over 60,000 images take 1.9 seconds, and took 2.7 with it (two cores).
def _orthogonalised(w, V, j, times):
    """Products `[p, n]` of vectors j less what they have of those so far: coefficients `[p, j + 1]`, rest `[p, n]`."""
    w, h = np.array(w), np.zeros((len(V), j + 1))
    for which in [slice(0, j + 1)] * times or [slice(max(0, j - 1), j + 1)]:
        part = _parts(V[:, which], w)
        w -= np.einsum("pj,pjn->pn", part, V[:, which])
        h[:, which] += part
    return h, w


def _orthogonal(w, V):
    """Directions `[p, n]` less what they have of bases `[p, j, n]`."""
    for _ in range(2):
        w = w - np.einsum("pj,pjn->pn", _parts(V, w), V)
    return w


def _parts(V, w):
    return np.einsum("pjn,pn->pj", V, w)


def _lengths(w):
    return np.sqrt(np.einsum("...n,...n->...", w, w))


def _unit(w):
    return w / _lengths(w)[..., None]


def _chosen(ritz, which, k):
    """The places of k Ritz values, which are rising."""
    if which == "highest":
        return np.arange(len(ritz))[::-1][:k]
    if which == "lowest":
        return np.arange(len(ritz))[:k]
    if which == "largest":
        return np.argsort(-np.abs(ritz), kind="stable")[:k]
    both = [i for pair in zip(range(len(ritz))[::-1], range(len(ritz)), strict=True) for i in pair]
    return np.array(list(dict.fromkeys(both))[:k])
