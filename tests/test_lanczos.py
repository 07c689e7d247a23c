"""Lanczos against dense matrices in float64: the whole spectrum, its ends, and how sure they are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, data, network, slices
from jaxcost.curvature import lanczos, moments, products

RNG = np.random.default_rng(0)
IMAGES = data.Images(
    RNG.uniform(size=(20, 6)).astype(np.float32), np.eye(3, dtype=np.float32)[RNG.integers(3, size=20)]
)


def dense(params):
    """Eigenvalues, rising, and eigenvectors of the Hessian of the mean of ten squared differences, in float64."""
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params)
        flat, unravel = ravel_pytree(params)

        def total(flat):
            a = np.asarray(IMAGES.x, np.float64)
            for w, b in zip(*unravel(flat), strict=True):
                a = 1 / (1 + jnp.exp(-(a @ w.T + b[None])))
            return ((a - np.asarray(IMAGES.y, np.float64)) ** 2).sum(1).mean()

        return np.linalg.eigh(np.asarray(jax.hessian(total)(flat)))


KEY = jax.random.key(0)
SPECTRA = {  # each of a symmetric matrix
    "spread": np.linspace(-1, 4, 40),
    "clustered": np.concatenate([1 + 1e-9 * np.arange(20), 2 + 1e-6 * np.arange(15), [-3, 0, 5, 5 + 1e-7, 9]]),
    "few": np.repeat([0.0, 1.0, 7.0], [30, 8, 2]),
    "many scales": np.logspace(-12, 3, 40),
    "zero": np.zeros(40),
    "all alike": np.full(40, -2.0),
}


def symmetric(eigenvalues, seed=0):
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(len(eigenvalues),) * 2))
    return (Q * eigenvalues) @ Q.T


def of_tridiagonal(found):
    """Eigenvalues of each, rising."""
    T = zip(found.diagonal, found.off_diagonal, strict=True)
    return np.array([np.linalg.eigvalsh(np.diag(d) + np.diag(o, 1) + np.diag(o, -1)) for d, o in T])


# any symmetric matrix


@pytest.mark.parametrize("name", SPECTRA)
def test_all_steps_give_the_whole_spectrum_and_no_ghost(name):
    A = symmetric(SPECTRA[name])
    n = len(A)
    found = lanczos.tridiagonal(lambda v: v @ A, np.random.default_rng(1).normal(size=(2, n)), n)
    size = max(np.abs(SPECTRA[name]).max(), 1)
    np.testing.assert_allclose(of_tridiagonal(found), np.tile(np.sort(SPECTRA[name]), (2, 1)), atol=1e-8 * size)
    for V, diagonal in zip(found.basis, found.diagonal, strict=True):
        np.testing.assert_allclose(V @ V.T, np.eye(n), atol=1e-13)
        np.testing.assert_allclose(np.diag(V @ A @ V.T), diagonal, atol=1e-12 * size)


def test_without_reorthogonalisation_ghosts_come_up():
    """The largest eigenvalue, far from the others, is found again and again by the plain form, and once by the full."""
    eigenvalues = np.append(np.linspace(0, 1, 199), 100)
    A, start = symmetric(eigenvalues), np.random.default_rng(1).normal(size=(1, 200))
    count = lambda times: (
        of_tridiagonal(lanczos.tridiagonal(lambda v: v @ A, start, 100, reorthogonalise=times)) > 50
    ).sum()
    assert count(0) > 1
    assert count(1) == count(2) == 1


@pytest.mark.parametrize("which", lanczos.WHICH)
@pytest.mark.parametrize("name", ["spread", "clustered", "few"])
def test_what_is_found_is_the_end_that_was_asked_for(which, name):
    eigenvalues = np.sort(SPECTRA[name])[::-1]
    A, k = symmetric(eigenvalues), 5
    ends = [i for pair in zip(range(40), range(40)[::-1], strict=True) for i in pair][:k]
    order = {"highest": np.arange(k), "lowest": np.arange(40)[-k:], "ends": np.sort(ends)}
    order["largest"] = np.sort(np.argsort(-np.abs(eigenvalues), kind="stable")[:k])
    found = lanczos.extreme(lambda v: v @ A, 40, k, np.random.default_rng(0), which=which, tolerance=1e-8, basis=15)
    values, vectors, residuals, _, used = found
    np.testing.assert_allclose(values, eigenvalues[order[which]], atol=2e-6)
    assert (np.diff(values) <= 1e-12).all()
    np.testing.assert_allclose(vectors @ vectors.T, np.eye(k), atol=1e-10)
    np.testing.assert_allclose(np.linalg.norm(vectors @ A - values[:, None] * vectors, axis=1), residuals, atol=1e-13)
    assert residuals.max() < 1e-6
    assert used < 300


@pytest.mark.parametrize("tolerance", [0.3, 1e-2, 1e-4])
def test_however_early_it_stops_there_is_an_eigenvalue_within_each_residual(tolerance):
    eigenvalues = np.append(np.random.default_rng(3).normal(size=190), np.linspace(3, 6, 10))
    A = symmetric(eigenvalues)
    found = lanczos.extreme(lambda v: v @ A, 200, 6, np.random.default_rng(0), tolerance=tolerance)
    values, _, residuals, errors, _ = found
    off = np.abs(eigenvalues[None] - values[:, None]).min(1)
    assert (off <= residuals + 1e-12).all()
    assert (residuals <= tolerance * values + 1e-9).all()
    assert (errors <= residuals).all()
    assert (off <= 2 * errors + 1e-12).all()  # an estimate


def test_it_stops_in_time_and_says_how_far_it_came():
    A = symmetric(np.linspace(0, 1, 300))
    *_, residuals, _, used = lanczos.extreme(lambda v: v @ A, 300, 3, np.random.default_rng(0), tolerance=0, most=50)
    assert used == 50
    assert residuals.max() > 1e-8


# of a cost


@pytest.mark.parametrize("which", ["highest", "ends"])
def test_of_a_network_they_are_those_of_the_dense_hessian(which):
    params = network.init(jax.random.key(1), (6, 4, 3))
    found = lanczos.top_eigenpairs(KEY, cost.Cost(IMAGES), params, 4, which=which)
    values, vectors = dense(params)
    places = [-1, -2, -3, -4] if which == "highest" else [-1, -2, 1, 0]
    np.testing.assert_allclose(found.values, values[places], rtol=1e-4)
    assert (found.residuals < 2e-3 * np.abs(found.values)).all()
    for i, place in enumerate(places):
        direction = found.direction(i)
        assert type(direction) is network.Params
        assert abs(np.dot(ravel_pytree(direction)[0], vectors[:, place])) == pytest.approx(1, abs=1e-4)


def test_of_the_gauss_newton_matrix_no_eigenvalue_is_negative():
    params = network.init(jax.random.key(1), (6, 4, 3))
    C = cost.Cost(IMAGES)
    G = products.ggn(C, params, progress=False).astype(np.float64)
    found = lanczos.top_eigenpairs(KEY, C, params, 3, which="ends", product=products.ggn_vps)
    np.testing.assert_allclose(found.values[:2], np.linalg.eigvalsh(G)[::-1][:2], rtol=1e-4)
    assert found.values[2] > -1e-5


def test_a_slice_along_an_eigenvector_bends_as_its_eigenvalue_says():
    params = network.init(jax.random.key(1), (6, 4, 3))
    C = cost.Cost(IMAGES)
    found = lanczos.top_eigenpairs(KEY, C, params, 2, which="ends", tolerance=1e-5)
    along = [found.direction(0), found.direction(1)]
    _, _, hessians = slices.derivatives(C, params, along, np.zeros((1, 2)))
    np.testing.assert_allclose(hessians[0], np.diag(found.values), atol=2e-5 * found.values[0])


def test_what_does_not_move_has_no_curvature():
    C = cost.Cost(IMAGES, f=lambda x, p: p["scale"] * p["act"](p["a"][:3]), loss=lambda a, y: a[0] ** 2 - a[1] ** 2)
    params = ({"a": jnp.ones(4), "act": jax.nn.relu, "scale": jnp.float32(2), "steps": jnp.array(7)},)
    found = lanczos.top_eigenpairs(KEY, C, params, 2, which="ends")
    assert [found.direction(i)[0]["steps"].item() for i in range(2)] == [0, 0]
    value = lambda p: p[4] ** 2 * (p[0] ** 2 - p[1] ** 2)
    H = np.asarray(jax.hessian(value)(jnp.array([1.0, 1, 1, 1, 2])))
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(H)[[-1, 0]], rtol=1e-4)


def test_what_is_no_number_of_eigenpairs_or_not_finite_is_said():
    C = cost.Cost(IMAGES, f=lambda x, p: p, loss=lambda a, y: a[0] * a[1])
    with pytest.raises(ValueError, match=r"^k=2, expected"):
        lanczos.top_eigenpairs(KEY, C, (jnp.ones(2),), 2)
    with pytest.raises(ValueError, match=r"^which='top', expected one of 'highest', 'lowest'"):
        lanczos.top_eigenpairs(KEY, C, (jnp.ones(2),), 1, which="top")
    with pytest.raises(ValueError, match="not finite"):
        lanczos.top_eigenpairs(KEY, cost.Cost(IMAGES), network.Params((jnp.full((3, 6), jnp.nan),), (jnp.ones(3),)), 1)


def test_the_share_is_that_of_the_squares():
    rng = np.random.default_rng(0)
    Q, _ = np.linalg.qr(rng.normal(size=(7, 3)))
    g = rng.normal(size=7)
    split = lambda a: {"a": a[..., :4].reshape(*a.shape[:-1], 2, 2), "b": a[..., 4:]}
    assert lanczos.share((split(g),), (split(Q.T),)) == pytest.approx(((Q.T @ g) ** 2).sum() / (g @ g))
    with pytest.raises(ValueError, match="the direction is 0"):
        lanczos.share((np.zeros(2),), (np.eye(2),))


def test_moments_leave_out_what_does_not_move_as_well():
    C = cost.Cost(IMAGES, f=lambda x, p: p["act"](p["a"]), loss=lambda a, y: 3 * a[0] ** 2 + a[0] * a[1])
    found = moments.moments(C, ({"a": jnp.ones(3), "act": jax.nn.relu, "steps": jnp.array(7)},))
    assert (found.n, found.trace, found.squares) == (3, pytest.approx(6), pytest.approx(38))
