"""Estimates from random probes lie about the truth as their stated errors say."""

import jax
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, data, network
from jaxcost.curvature import estimates, products

RNG = np.random.default_rng(0)
IMAGES = data.Images(
    RNG.uniform(size=(20, 6)).astype(np.float32), np.eye(3, dtype=np.float32)[RNG.integers(3, size=20)]
)
C, PARAMS = cost.Cost(IMAGES), network.init(jax.random.key(0), (6, 4, 3))
KEYS = jax.random.split(jax.random.key(1), 100)


@pytest.fixture(autouse=True)
def _all_probes_of_a_draw_at_once(monkeypatch):
    monkeypatch.setattr(estimates, "TOGETHER", 64)


@pytest.fixture(scope="module")
def H():
    flat, unravel = ravel_pytree(PARAMS)
    return np.asarray(jax.jit(jax.hessian(lambda p: C(*unravel(p))))(flat), np.float64)


@pytest.mark.parametrize(("estimate", "truth"), [(estimates.trace, np.trace), (estimates.frobenius, np.linalg.norm)])
def test_the_truth_lies_within_two_stated_errors_of_95_in_100_draws(estimate, truth, H):
    found = [estimate(key, C, PARAMS, probes=64) for key in KEYS]
    off = np.array([(one.value - truth(H)) / one.error for one in found])
    assert (np.abs(off) <= 2).sum() >= 90  # 95 expected; fewer than 90 once in 60 such tests
    assert abs(off.mean()) < 0.5
    assert {one.probes for one in found} == {64}


def test_so_does_each_entry_of_the_diagonal(H):
    found = [estimates.diagonal(key, C, PARAMS, probes=64) for key in KEYS]
    flat = lambda tree: np.asarray(ravel_pytree(tree)[0])
    off = np.array([(flat(one.value) - np.diag(H)) / flat(one.error) for one in found])
    assert np.mean(np.abs(off) <= 2) > 0.92
    assert type(found[0].value) is network.Params


def test_it_stops_at_the_error_that_is_wanted(monkeypatch):
    monkeypatch.setattr(estimates, "TOGETHER", 16)
    few = estimates.trace(KEYS[0], C, PARAMS, probes=10_000, error=1.0)
    more = estimates.trace(KEYS[0], C, PARAMS, probes=10_000, error=0.02)
    assert few.probes == 16
    assert 16 < more.probes < 10_000
    assert few.error <= 1.0
    assert 0.01 < more.error <= 0.02
    assert estimates.trace(KEYS[0], C, PARAMS, probes=32, error=1e-9).probes == 32
    assert estimates.frobenius(KEYS[0], C, PARAMS, probes=10_000, error=0.02).error <= 0.02
    diagonal = estimates.diagonal(KEYS[0], C, PARAMS, probes=10_000, error=0.02)
    assert np.sqrt(np.square(ravel_pytree(diagonal.error)[0]).mean()) <= 0.02


def test_of_a_multiple_of_one_the_trace_is_exact_and_so_it_says():
    flat = cost.Cost(IMAGES, lambda x, p: p, lambda a, y: (a**2).sum())
    found = estimates.trace(KEYS[0], flat, (np.ones(7, np.float32),), probes=2)
    assert (found.value, found.error) == (pytest.approx(14), pytest.approx(0, abs=1e-5))


def test_of_the_gauss_newton_matrix():
    G = products.ggn(C, PARAMS, progress=False)
    found = estimates.trace(KEYS[0], C, PARAMS, probes=400, product=products.ggn_vps)
    assert abs(found.value - np.trace(G)) < 4 * found.error
