"""Sharpness and convexity where the answer is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, data, directions, network
from jaxcost.curvature import convexity, sharpness

RNG = np.random.default_rng(0)
IMAGES = data.Images(
    RNG.uniform(size=(20, 6)).astype(np.float32), np.eye(3, dtype=np.float32)[RNG.integers(3, size=20)]
)
KEY = jax.random.key(0)


def bowl(curvatures):
    return cost.Cost(IMAGES, lambda x, p: p, lambda a, y: (jnp.asarray(curvatures) * a**2).sum() / 2)


@pytest.mark.parametrize("epsilon", [1e-3, 0.1])
def test_the_highest_cost_in_the_box_of_a_bowl_is_at_a_corner(epsilon):
    curvatures = np.array([4.0, 1.0, 0.25])
    p = np.array([0.0, 1.0, -3.0])
    found = sharpness.of_ball(bowl(curvatures), (jnp.asarray(p, jnp.float32),), epsilon)
    here = (curvatures * p**2).sum() / 2
    corner = (curvatures * (np.abs(p) + epsilon * (np.abs(p) + 1)) ** 2).sum() / 2
    assert found.highest == pytest.approx(corner, rel=1e-5)
    assert found.sharpness == pytest.approx(100 * (corner - here) / (1 + here), rel=1e-2)
    np.testing.assert_array_less(np.abs(np.asarray(found.at[0]) - p), epsilon * (np.abs(p) + 1) * (1 + 1e-3))


def test_of_a_network_it_is_no_less_than_what_random_points_of_the_box_say():
    C, params = cost.Cost(IMAGES), network.init(KEY, (6, 4, 3))
    found = sharpness.of_ball(C, params, 0.05)
    assert float(C(*found.at)) == pytest.approx(found.highest, rel=1e-5)
    signs = np.random.default_rng(1).choice([-0.05, 0.05], size=(50, network.size(params))).astype(np.float32)
    flat, unravel = ravel_pytree(params)
    corners = flat[None] + signs * (np.abs(flat) + 1)[None]
    assert found.highest > max(jax.jit(jax.vmap(lambda p: C(*unravel(p))))(corners))


def test_the_expected_one_of_a_bowl_is_half_its_trace_over_n():
    curvatures = np.linspace(0, 3, 50)
    found = [
        sharpness.expected(key, bowl(curvatures), (jnp.ones(50),), 0.5, draws=20) for key in jax.random.split(KEY, 20)
    ]
    off = [(one.value - 0.25 * curvatures.mean() / 2) / one.error for one in found]
    assert np.mean(np.abs(off) < 2) >= 0.8


def test_rescaled_relu_neurons_change_it_and_no_output():
    """Dinh et al. 2017: a in, 1 / a out."""
    C = cost.Cost(IMAGES, network.mlp(jax.nn.relu))
    params = network.init(KEY, (6, 4, 3))
    scaled = network.Params((50 * params.w[0], params.w[1] / 50), (50 * params.b[0], params.b[1]))
    assert float(C(*scaled)) == pytest.approx(float(C(*params)), rel=1e-5)
    sharp, flat = (sharpness.expected(KEY, C, one, 1.0).value for one in (params, scaled))
    assert abs(sharp / flat - 1) > 0.2


def test_the_ends_of_the_spectrum_over_a_plane_are_those_of_the_dense_hessian():
    C, params = cost.Cost(IMAGES), network.init(KEY, (6, 4, 3))
    u, v = directions.random(KEY, params, 2)
    axes = [np.array([-1.0, 0.0]), np.array([0.0, 0.5, 1.0])]
    found = convexity.of_grid(KEY, C, directions.Frame(params, (u, v)), axes, tolerance=1e-4, progress=False)
    unravel = ravel_pytree(params)[1]
    H = jax.jit(jax.hessian(lambda p: C(*unravel(p))))
    for i, j in np.ndindex(2, 3):
        at = directions.at(params, (u, v), [axes[0][i], axes[1][j]])
        values = np.linalg.eigvalsh(H(ravel_pytree(at)[0]))
        assert found.lowest[i, j] == pytest.approx(values[0], abs=1e-4)
        assert found.highest[i, j] == pytest.approx(values[-1], abs=1e-4)
        assert found.ratio[i, j] == pytest.approx(max(-values[0], 0) / values[-1], abs=1e-3)
    assert found.residuals.shape == (2, 3, 2)
