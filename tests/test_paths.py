"""Paths between networks: C along them is C there, barriers are what their definition says, and bent ones go around."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, data, network
from jaxcost.connectivity import curves, paths
from jaxcost.data import Images

SIZES = (784, 4, 3, 10)
TRAIN, HELD = (part[:60] for part in data.digits())
A, B = (network.init(jax.random.key(i), SIZES, scale=lambda n: n**-0.5) for i in (0, 1))


def ring():
    """A cost whose bottom is the unit circle: between two opposite points of it a hill of height 1."""
    images = Images(jnp.zeros((4, 1)), jnp.zeros((4, 1)))
    return cost.Cost(images, lambda x, p: p, lambda a, y: ((a**2).sum() - 1) ** 2)


def test_a_straight_path_is_c_there_and_its_barrier_what_the_definition_says():
    both = cost.Cost(TRAIN), cost.Cost(HELD)
    found = paths.linear(both, A, B, 9, accuracy=True, progress=False)
    for C, path in zip(both, found, strict=True):
        mix = lambda t: jax.tree.map(lambda x, y: (1 - t) * x + t * y, A, B)
        expected = np.array([float(C(*mix(t))) for t in path.ts])
        np.testing.assert_allclose(path.costs, expected, rtol=1e-5)
        np.testing.assert_allclose(path.accuracy, [float(cost.accuracy(C, mix(t))) for t in path.ts], atol=1e-6)
        straight = expected[0] + path.ts * (expected[-1] - expected[0])
        assert path.barrier == pytest.approx((expected - straight).max(), abs=1e-5)
        assert 0 < path.floor < 1e-5


@pytest.mark.parametrize(("height", "barrier"), [(2.0, 1.75), (0.0, 0.0)])
def test_a_barrier_is_over_the_line_between_the_ends(height, barrier):
    path = paths.Path(np.array([0, 0.5, 1]), np.array([0.0, height, 0.5]), 0.0)
    assert path.barrier == barrier


@pytest.mark.parametrize("fit", [curves.bezier, curves.chain])
def test_a_bent_path_goes_around_a_hill(fit):
    C, a, b = ring(), (jnp.array([1.0, 0.0]),), (jnp.array([-1.0, 0.1]),)
    straight = paths.linear(C, a, b, progress=False)
    assert straight.barrier > 0.9
    curve = fit(jax.random.key(0), C, a, b, optax.adam(0.03), steps=1500, batch=None)
    assert curve.barrier < 0.35
    assert curve.losses[-100:].mean() < 0.6 * curve.losses[:100].mean()  # as random t make them
    bend = curve.node(1)[0]
    assert np.linalg.norm(bend) > 1


@pytest.mark.parametrize("kind", ["bezier", "chain"])
def test_c_along_a_curve_is_c_at_its_networks(kind):
    C = cost.Cost(TRAIN)
    options = {} if kind == "bezier" else {"bends": 2}
    curve = getattr(curves, kind)(jax.random.key(0), C, A, B, steps=20, batch=16, points=13, **options)
    nodes = [
        [np.asarray(leaf[i], np.float64) for leaf in jax.tree.leaves(curve.nodes)] for i in range(3 + (kind == "chain"))
    ]
    for one, end in ((nodes[0], A), (nodes[-1], B)):
        for x, y in zip(one, jax.tree.leaves(end), strict=True):
            np.testing.assert_array_equal(np.float32(x), y)
    for t, value in zip(curve.ts, curve.costs, strict=True):
        if kind == "bezier":
            expected = [(1 - t) ** 2 * x + 2 * t * (1 - t) * y + t**2 * z for x, y, z in zip(*nodes, strict=True)]
        else:
            i = min(int(3 * t), 2)
            expected = [x + (3 * t - i) * (y - x) for x, y in zip(nodes[i], nodes[i + 1], strict=True)]
        at = curve.at(t)
        for x, y in zip(jax.tree.leaves(at), expected, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5)
        assert value == pytest.approx(float(C(*at)), rel=1e-5)
    held = curves.evaluate((C, cost.Cost(HELD)), curve, curve.ts, progress=False)
    np.testing.assert_allclose(held[0].costs, curve.costs, rtol=1e-6)
    assert held[1].costs[0] == pytest.approx(float(cost.Cost(HELD)(*A)), rel=1e-5)


def test_a_fit_is_better_than_the_line_and_the_same_again():
    C = cost.Cost(TRAIN)
    one, two = (curves.bezier(jax.random.key(0), C, A, B, steps=150, batch=32) for _ in range(2))
    np.testing.assert_array_equal(one.costs, two.costs)
    assert one.costs.mean() < paths.linear(C, A, B, progress=False).costs.mean()


def test_networks_that_are_not_alike_are_named():
    C = cost.Cost(TRAIN)
    other = network.init(jax.random.key(0), (784, 5, 3, 10))
    for call in (lambda: paths.linear(C, A, other), lambda: curves.bezier(jax.random.key(0), C, A, other)):
        with pytest.raises(ValueError, match="b is like"):
            call()


def test_where_there_are_fewer_images_than_in_a_batch_all_are_taken():
    images = data.images(np.eye(6), np.arange(6) % 3, classes=3)
    C, keys = cost.Cost(images), jax.random.split(jax.random.key(0))
    a, b = (network.init(key, (6, 3, 3)) for key in keys)
    usual, all_of_them = (curves.bezier(keys[0], C, a, b, steps=5, points=5, **o) for o in ({}, {"batch": None}))
    np.testing.assert_array_equal(usual.costs, all_of_them.costs)
    with pytest.raises(ValueError, match="batch=7, expected a whole number, 1 to 6"):
        curves.bezier(keys[0], C, a, b, batch=7)
