"""Trace and Frobenius norm are those of the dense Hessian, and what follows from them is what directions see."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, network
from jaxcost.curvature import moments
from jaxcost.data import Images


def problem(dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(0), 4)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (11,), 0, 3), 3)
    found = Images(jax.random.uniform(keys[0], (11, 4)), y), network.init(keys[2], (4, 3, 3))
    images, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), found)
    return cost.Cost(images), params


def dense(C, params):
    flat, unravel = ravel_pytree(params)
    return np.asarray(jax.jit(jax.hessian(lambda p: C(*unravel(p))))(flat), np.float64)


@pytest.mark.parametrize("columns", [1, 5, 27, 128])
def test_they_are_those_of_the_dense_hessian(columns, x64):
    C, params = problem(jnp.float64)
    H = dense(C, params)
    found = moments.moments(C, params, columns=columns, progress=False)
    assert found.n == len(H) == 27
    assert found.trace == pytest.approx(np.trace(H), rel=1e-10)
    assert found.squares == pytest.approx(np.linalg.norm(H) ** 2, rel=1e-10)
    eigenvalues = np.linalg.eigvalsh(H)
    assert found.trace == pytest.approx(eigenvalues.sum(), rel=1e-9)
    assert found.squares == pytest.approx(np.square(eigenvalues).sum(), rel=1e-9)


def test_mean_and_deviation_are_those_of_the_curvature_along_random_directions():
    C, params = problem()
    H, draws = dense(C, params), 200_000
    u = np.random.default_rng(0).normal(size=(draws, len(H)))
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    curvatures = np.einsum("ij,ij->i", u @ H, u)
    found = moments.moments(C, params, progress=False)
    assert found.mean == pytest.approx(curvatures.mean(), abs=5 * curvatures.std() / np.sqrt(draws))
    assert found.deviation == pytest.approx(curvatures.std(), rel=0.02)


@pytest.mark.parametrize("eigenvalues", [[2.0, 0.0], [1.0, -1.0], [5.0, 3.0, -2.0], [4.0]])
def test_the_deviation_is_that_of_a_beta_distribution(eigenvalues):
    """Of two eigenvalues u'Hu is b + (a - b) cos^2, of deviation |a - b| / sqrt(8); of one there is none."""
    eigenvalues = np.array(eigenvalues)
    found = moments.Moments(len(eigenvalues), eigenvalues.sum(), np.square(eigenvalues).sum())
    assert found.mean == pytest.approx(eigenvalues.mean())
    if len(eigenvalues) <= 2:
        assert found.deviation == pytest.approx(np.ptp(eigenvalues) / np.sqrt(8))
    u = np.random.default_rng(0).normal(size=(100_000, len(eigenvalues)))
    curvatures = (u**2 @ eigenvalues) / (u**2).sum(1)
    assert found.deviation == pytest.approx(curvatures.std(), rel=0.02, abs=1e-12)


@pytest.mark.parametrize("n", [3, 7, 20])
@pytest.mark.parametrize("curvature", [0.1, 0.3, 1.3])
def test_where_all_directions_curve_alike_rounding_does_not_make_the_deviation_nan(n, curvature):
    C = cost.Cost(Images(jnp.ones((2, 1)), jnp.zeros(2)), lambda x, p: p, lambda a, y: curvature * a @ a / 2)
    found = moments.moments(C, (jnp.ones(n),), progress=False)
    assert found.mean == pytest.approx(curvature, rel=1e-5)
    assert 0 <= found.deviation < 1e-3 * curvature


def test_only_floating_leaves_are_counted():
    f = lambda x, p: 3 * p["act"](p["w"]) + 2 * p["w"] * p["c"] + p["steps"]
    C = cost.Cost(Images(jnp.ones((2, 1)), jnp.ones(2)), f, lambda a, y: a)
    params = ({"w": 1.5, "c": jnp.array(0.5), "steps": jnp.array(3), "key": jax.random.key(0), "act": jnp.square},)
    found = moments.moments(C, params, progress=False)  # H = [[0, 2], [2, 6]]
    assert (found.n, found.trace, found.squares) == (2, 6, 44)
