"""Spectral densities against the dense spectrum, smoothed alike."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

from jaxcost import cost, data
from jaxcost.curvature import density

KEY = jax.random.key(0)
IMAGES = data.Images(np.zeros((1, 1), np.float32), np.zeros((1, 1), np.float32))
SPECTRUM = np.concatenate([np.random.default_rng(0).normal(0, 0.1, 190), np.linspace(1, 4, 10)])


def quadratic(eigenvalues, seed=0):
    """A cost whose Hessian has these eigenvalues, and parameters."""
    n = len(eigenvalues)
    Q, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))
    H = jnp.asarray((Q * eigenvalues) @ Q.T, jnp.float32)
    return cost.Cost(IMAGES, lambda x, p: p, lambda a, y: a @ H @ a / 2), (jnp.zeros(n),)


def smoothed(eigenvalues, x, width):
    return norm.pdf(x[:, None], eigenvalues, width).mean(1)


@pytest.mark.parametrize("times", [0, 2])
def test_the_area_between_it_and_the_dense_spectrum_falls_with_steps(times):
    C, params = quadratic(SPECTRUM)
    x, areas = np.linspace(-1, 5, 2000), []
    for steps in (5, 10, 40):
        found = density.spectral_density(KEY, C, params, steps=steps, probes=64, width=0.1, reorthogonalise=times)
        areas.append(np.trapezoid(np.abs(found.at(x)[0] - smoothed(SPECTRUM, x, 0.1)), x))
        assert np.trapezoid(found.at(x)[0], x) == pytest.approx(1, abs=1e-3)
    assert areas[0] > areas[1] > areas[2]
    assert areas[2] < 0.06


def test_as_many_steps_as_parameters_leave_the_error_of_the_probes_alone():
    C, params = quadratic(SPECTRUM[-20:])
    x = np.linspace(-1, 5, 50)
    found = density.spectral_density(KEY, C, params, steps=20, probes=200, width=0.3)
    value, error = found.at(x)
    off = (value - smoothed(SPECTRUM[-20:], x, 0.3)) / error
    assert np.abs(off).max() < 4
    assert 0.5 < np.sqrt((off**2).mean()) < 2


def test_moments_of_each_probe_are_those_of_its_direction():
    """Gauss quadrature: of m steps the powers up to 2 m - 1 are exact, v'H^j v."""
    C, params = quadratic(SPECTRUM[-20:])
    found = density.spectral_density(KEY, C, params, steps=4, probes=3)
    H = np.asarray(jax.hessian(lambda p: C(p))(*params), np.float64)
    v = np.asarray(jax.random.normal(KEY, (3, 20)), np.float64)
    v /= np.linalg.norm(v, axis=1, keepdims=True)
    for power in range(8):
        exact = np.einsum("pi,ij,pj->p", v, np.linalg.matrix_power(H, power), v)
        np.testing.assert_allclose((found.weights * found.nodes**power).sum(1), exact, rtol=1e-4)


def test_eigenvalues_above_a_number_are_counted_with_an_error():
    C, params = quadratic(SPECTRUM)
    counts = [
        density.spectral_density(key, C, params, steps=20, probes=16, width=0.01).above(0.7)
        for key in jax.random.split(KEY, 30)
    ]
    within = [abs(count - 10) <= 2 * error for count, error in counts]
    assert np.mean(within) > 0.8
    assert np.mean([count for count, _ in counts]) == pytest.approx(10, abs=1)


def test_the_width_is_told_and_one_eigenvalue_alone_has_one():
    C, params = quadratic(np.full(5, 2.0))
    found = density.spectral_density(KEY, C, params, steps=3, probes=2)
    assert found.width > 0
    assert found.at(2.0)[0] == pytest.approx(1 / (found.width * np.sqrt(2 * np.pi)), rel=1e-3)
    assert found.above(2 - 10 * found.width)[0] == pytest.approx(5, rel=1e-3)
    C, params = quadratic(SPECTRUM[-20:])
    found = density.spectral_density(KEY, C, params, steps=10, probes=4)
    assert found.width == pytest.approx(np.ptp(found.nodes) / 10)
