"""A minimum of the grid is one of C only if Newton's steps on the exact surface end in it."""

import jax.numpy as jnp
import numpy as np

from jaxcost import bumpiness, cost, critical, slices
from jaxcost.data import Images


def analytic(surface):
    """A cost whose surface on the plane of u and v is a given function of the coordinates."""
    C = cost.Cost(Images(jnp.ones((3, 2)), jnp.zeros((3, 1))), lambda x, p: surface(p), lambda a, y: a)
    return C, (jnp.zeros(2),), (jnp.array([1.0, 0.0]),), (jnp.array([0.0, 1.0]),)


def found(surface, points=41, half_width=4.0):
    C, origin, u, v = analytic(surface)
    axis = jnp.linspace(-half_width, half_width, points)
    there = slices.plane(C, origin, u, v, axis, axis)
    minima = bumpiness.local_minima(there.values, there.floor)
    return minima, *critical.settle(C, origin, (u, v), there, minima.indices)


def test_a_string_of_grid_minima_in_an_askew_valley_does_not_settle():
    valley = lambda p: 50 * (p[1] - 0.37 * p[0]) ** 2 + 0.1 * p[0]
    for points in (21, 41, 81):
        minima, _, stays = found(valley, points)
        assert minima.count > 3
        assert not stays.any()


def test_true_minima_settle_where_they_are():
    minima, points, stays = found(lambda p: 50 * (p[1] - 0.37 * p[0]) ** 2 + 0.05 * (p[0] - 1.1) ** 2)
    assert minima.count > stays.sum() == 1
    np.testing.assert_allclose(points[stays][0], [1.1, 0.37 * 1.1], atol=2e-3)
    minima, points, stays = found(lambda p: jnp.cos(2 * p[0] + 1) + jnp.cos(2 * p[1]), 61)
    # minima where 2 p0 + 1 and 2 p1 are odd multiples of pi: (-3.64, -0.5 and 2.64 + ...) by (+-pi/2) within 4
    true = [(x, y) for x in (np.pi * np.array([-3, -1, 1]) - 1) / 2 for y in (-np.pi / 2, np.pi / 2) if abs(x) < 4]
    assert stays.all()
    np.testing.assert_allclose(np.sort(points, axis=0), np.sort(true, axis=0), atol=1e-2)


def test_two_grid_minima_of_one_minimum_are_counted_once():
    C, origin, u, v = analytic(lambda p: (p[0] - 0.5) ** 2 + p[1] ** 2)
    there = slices.plane(C, origin, u, v, jnp.arange(-2.0, 4.0), jnp.arange(-2.0, 3.0))
    _, stays = critical.settle(C, origin, (u, v), there, np.array([[2, 2], [3, 2]]))
    assert stays.tolist() == [True, False]
    turned = slices.plane(C, origin, u, v, jnp.arange(3.0, -3.0, -1), jnp.arange(-2.0, 3.0))
    points, stays = critical.settle(C, origin, (u, v), turned, np.array([[2, 2]]))
    np.testing.assert_allclose(points, [[0.5, 0]], atol=1e-3)  # axes may fall
    assert stays.all()
    _, none = critical.settle(C, origin, (u, v), there, np.zeros((0, 2), int))
    assert none.shape == (0,)


def test_a_minimum_of_a_line_and_a_slope_almost_too_gentle_to_see():
    C, origin, u, _ = analytic(lambda p: jnp.cos(3 * p[0]) + 0.01 * p[0])
    there = slices.line(C, origin, u, jnp.linspace(-4, 4, 30))
    minima = bumpiness.local_minima(there.values, there.floor)
    points, stays = critical.settle(C, origin, (u,), there, minima.indices)
    assert stays.all()
    np.testing.assert_allclose(np.sin(3 * points[:, 0]), 0.01 / 3, atol=1e-3)
    C, origin, u, _ = analytic(lambda p: 1 + 1e-6 * p[0] + 1e-9 * p[0] ** 2)
    there = slices.line(C, origin, u, jnp.linspace(-1, 1, 5))
    assert not critical.settle(C, origin, (u,), there, np.array([[2]]))[1].any()
