"""Sums over images against numpy in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.engine import sums


def costs(*shape):
    return np.random.default_rng(0).uniform(size=shape).astype(np.float32) ** 2


@pytest.mark.parametrize("n", [1, 499, 501, 7919, 60_000], ids="{} images".format)
@pytest.mark.parametrize("shape", [(), (10,), (2, 3)], ids=repr)
def test_a_sum_of_many_numbers_is_as_exact_as_one_of_few(n, shape):
    """Chunks of 500 added one after the other, and a few such sums: an error of some roundings, not of n."""
    c, counted = costs(*shape, n), np.random.default_rng(1).uniform(size=n) < 0.9
    counted[0] = True
    exact = c.astype(np.float64)[..., counted].sum()
    assert abs(float(jax.jit(sums.total)(c, counted)) / exact - 1) < 4e-7
    np.testing.assert_allclose(sums.each(jnp.array(c)), c.astype(np.float64).reshape(-1, n).sum(0), rtol=1e-6)


def test_images_that_do_not_count_may_be_anything():
    c, counted = costs(10, 1_003), np.arange(1_003) < 1_000
    odd = c.copy()
    odd[:, 1_000:] = [np.nan, np.inf, -np.inf]
    assert sums.total(odd, counted) == sums.total(c, counted)
    assert jnp.isnan(sums.total(odd, np.ones(1_003, bool)))


def test_whole_numbers_and_decisions_are_counted():
    assert sums.total(jnp.array([True, False, True]), np.array([True, True, True])) == 2


def test_its_derivatives_are_sums_of_derivatives():
    c, counted = costs(4, 1_003), np.arange(1_003) % 2 == 0
    _, along = jax.jvp(lambda t: sums.total(jnp.sin(t * c), counted), (1.0,), (1.0,))
    np.testing.assert_allclose(along, (np.cos(c) * c).astype(np.float64)[:, counted].sum(), rtol=1e-6)
