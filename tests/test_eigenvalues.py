"""The ends of the spectrum against the dense Hessian in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, data, network
from jaxcost.curvature import eigenvalues, moments

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


@pytest.mark.parametrize("seed", range(3))
def test_the_ends_are_those_of_the_dense_hessian(seed):
    params = network.init(jax.random.key(seed), (6, 4, 3))
    found = eigenvalues.extremes(cost.Cost(IMAGES), params)
    values, vectors = dense(params)
    np.testing.assert_allclose(found.values, values[[0, -1]], rtol=1e-4)
    assert (found.residuals < 2e-3 * np.abs(found.values)).all()
    for direction, column in zip(found.directions, vectors.T[[0, -1]], strict=True):
        assert abs(np.dot(ravel_pytree(direction)[0], column)) == pytest.approx(1, abs=1e-4)


def test_there_is_an_eigenvalue_within_the_residual_of_each_end_however_early_it_stops():
    params = network.init(jax.random.key(3), (6, 4, 3))
    found = eigenvalues.extremes(cost.Cost(IMAGES), params, tolerance=0.5)
    for value, residual in zip(found.values, found.residuals, strict=True):
        assert np.abs(dense(params)[0] - value).min() <= residual + 1e-6


def test_what_does_not_move_has_no_curvature():
    C = cost.Cost(IMAGES, f=lambda x, p: p["scale"] * p["act"](p["a"][:3]), loss=lambda a, y: a[0] ** 2 - a[1] ** 2)
    params = ({"a": jnp.ones(4), "act": jax.nn.relu, "scale": jnp.float32(2), "steps": jnp.array(7)},)
    found = eigenvalues.extremes(C, params)
    assert [direction[0]["steps"].item() for direction in found.directions] == [0, 0]
    assert found.values[0] < 0 < found.values[1]
    value = lambda p: p[4] ** 2 * (p[0] ** 2 - p[1] ** 2)
    H = np.asarray(jax.hessian(value)(jnp.array([1.0, 1, 1, 1, 2])))
    np.testing.assert_allclose(found.values, np.linalg.eigvalsh(H)[[0, -1]], rtol=1e-4)


def test_of_two_parameters_the_whole_hessian_is_to_be_taken():
    C = cost.Cost(IMAGES, f=lambda x, p: p, loss=lambda a, y: a[0] * a[1])
    with pytest.raises(ValueError, match="2 parameters, expected three or more"):
        eigenvalues.extremes(C, (jnp.ones(2),))


def test_moments_leave_out_what_does_not_move_as_well():
    C = cost.Cost(IMAGES, f=lambda x, p: p["act"](p["a"]), loss=lambda a, y: 3 * a[0] ** 2 + a[0] * a[1])
    found = moments.moments(C, ({"a": jnp.ones(3), "act": jax.nn.relu, "steps": jnp.array(7)},))
    assert (found.n, found.trace, found.squares) == (3, pytest.approx(6), pytest.approx(38))
