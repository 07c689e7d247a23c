"""A refined line has the minima of a line sampled everywhere, and few points."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import cost, slices
from jaxcost.data import Images
from jaxcost.measures import minima, refinement


def line_of(f, points=41, half_width=1.0):
    C = cost.Cost(Images(jnp.ones((1, 1)), jnp.zeros((1, 1))), lambda x, p: f(p, jnp), lambda a, y: a)
    return C, slices.line(C, (jnp.zeros(()),), (jnp.ones(()),), np.linspace(-half_width, half_width, points))


def dents(p, np, at=(-0.713, 0.2291, 0.611), wide=0.004):
    """Narrow dents in a bowl, each wider than the cells between which it shows in the slopes alone."""
    return p**2 - sum(0.1 * np.exp(-(((p - s) / wide) ** 2)) for s in at)


@pytest.mark.parametrize("points", [101, pytest.param(201, marks=pytest.mark.slow), 401])
def test_all_minima_of_a_depth_are_found_at_every_resolution_and_at_their_depth(points):
    C, line = line_of(dents, points)
    found, unresolved = refinement.refine(C, line, 0.02)
    fine = np.linspace(-1, 1, 200_001)
    expected = minima.local_minima(dents(fine, np), 0.02)
    counted = minima.local_minima(found.values, 0.02)
    assert unresolved == 0
    assert counted.count == expected.count == 4
    np.testing.assert_allclose(counted.depths, expected.depths, atol=0.01)
    assert len(found.alphas) < points * 2 + 200  # where nothing is, nothing is added but the middles
    assert (np.diff(found.alphas) > 0).all()


def test_what_is_smooth_is_looked_at_once():
    C, line = line_of(lambda p, np: np.cos(3 * p), 41)
    found, unresolved = refinement.refine(C, line, 1e-3)
    assert (len(found.alphas), unresolved) == (81, 0)
    np.testing.assert_allclose(found.values, np.cos(3 * np.float64(found.alphas)), atol=1e-6)


def test_what_is_still_in_doubt_is_said():
    C, line = line_of(lambda p, np: np.cos(900 * p), 41)
    found, unresolved = refinement.refine(C, line, 0.01, most=100)
    assert unresolved > 0.5
    assert 81 <= len(found.alphas) <= 141
    whole, unresolved = refinement.refine(*line_of(lambda p, np: np.cos(900 * p), 901), 0.5)
    assert unresolved == 0
    assert minima.local_minima(whole.values, 0.5).count == pytest.approx(900 / np.pi, abs=1)


def test_beside_the_unknown_the_rest_is_refined():
    C, line = line_of(lambda p, np: np.where(p > 0.9, np.inf, dents(p, np)), 201)
    found, _ = refinement.refine(C, line, 0.02)
    assert minima.local_minima(found.values, 0.02).count == 4
    assert found.nonfinite > line.nonfinite > 0


def test_other_slices_and_depths_within_the_noise_are_refused():
    C, line = line_of(dents)
    plane = slices.plane(C, *(a for a in ((jnp.zeros(()),), (jnp.ones(()),), (-jnp.ones(()),))), [0.0, 1.0], [0.0, 1.0])
    with pytest.raises(ValueError, match="a slice of 2 axes, expected a line"):
        refinement.refine(C, plane, 0.1)
    with pytest.raises(ValueError, match="depth="):
        refinement.refine(C, line, line.floor / 2)
    with pytest.raises(ValueError, match="another cost"):
        refinement.refine(line_of(lambda p, np: p**4 + 1)[0], line, 0.1)
