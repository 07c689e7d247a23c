"""Coordinates are least squares, and principal components those of the covariance matrix."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import directions, network, trajectories


@pytest.fixture(scope="module")
def params():
    return network.init(jax.random.key(0), (30, 8, 4))


def flat(tree):
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])


def stacked(rows, params):
    """A trajectory, each leaf `[steps, ...]`, from one row of numbers a step."""
    return jax.vmap(jax.flatten_util.ravel_pytree(params)[1])(jnp.asarray(rows, jnp.float32))


def listed(rows, params):
    """The same as a list of networks."""
    return [jax.flatten_util.ravel_pytree(params)[1](jnp.asarray(row, jnp.float32)) for row in rows]


# coordinates


def test_coordinates_on_oblique_directions_are_least_squares(params):
    u, other, beside = (directions.gaussian(jax.random.key(i), params) for i in (1, 2, 4))
    v = jax.tree.map(lambda a, b: 0.9 * a + b, u, other)
    points = np.array([[0.0, 0.0], [1.0, -2.0], [0.3, 5.0]])
    n, basis = flat(beside), np.stack([flat(u), flat(v)], 1)
    n -= basis @ np.linalg.lstsq(basis, n, rcond=None)[0]
    rows = flat(params) + points @ basis.T + np.outer([0, 1, 2], n)
    for made in (stacked, listed):
        here, off = trajectories.coordinates(made(rows, params), params, (u, v))
        assert here.dtype == off.dtype == np.float64
        np.testing.assert_allclose(here, points, atol=1e-4)
        np.testing.assert_allclose(off, np.array([0, 1, 2]) * np.linalg.norm(n), rtol=1e-4, atol=1e-4)


def test_coordinates_of_the_points_of_a_frame_are_those_that_it_was_given(params):
    frame = directions.Frame(params, directions.random(jax.random.key(1), params, 3))
    points = np.random.default_rng(0).normal(size=(4, 3))
    here, off = trajectories.coordinates([frame.at(s) for s in points], *frame)
    np.testing.assert_allclose(here, points, atol=1e-5)
    assert off.max() < 1e-4


# principal components


def test_principal_components_of_an_ellipse_are_its_axes(params):
    e, f = map(flat, directions.orthonormal(*(directions.gaussian(jax.random.key(i), params) for i in (1, 2))))
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    rows = flat(params) + 5 * np.outer(np.cos(turn), e) + 2 * np.outer(np.sin(turn), f)
    found = trajectories.principal(stacked(rows, params))
    np.testing.assert_allclose(found.share, [25 / 29, 4 / 29], rtol=1e-4)
    assert abs(flat(found.directions[0]) @ e) == pytest.approx(1, abs=1e-4)
    assert abs(flat(found.directions[1]) @ f) == pytest.approx(1, abs=1e-4)
    assert found.off.max() < 1e-4
    np.testing.assert_allclose(found.coordinates[-1], 0, atol=1e-5)


def test_they_agree_with_the_covariance_matrix_and_off_with_pythagoras(params):
    rows = np.cumsum(np.random.default_rng(0).normal(size=(12, network.size(params))), axis=0)
    found = trajectories.principal(stacked(rows, params), k=3)
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    np.testing.assert_allclose(found.share, values[:3] / values.sum(), rtol=1e-4)
    away = rows - rows[-1]
    np.testing.assert_allclose((found.coordinates**2).sum(1) + found.off**2, (away**2).sum(1), rtol=1e-4, atol=1e-3)


def test_a_list_of_networks_is_the_trajectory_stacked(params):
    rows = np.cumsum(np.random.default_rng(0).normal(size=(7, network.size(params))), axis=0)
    one, other = (trajectories.principal(made(rows, params)) for made in (stacked, listed))
    assert type(one.directions[0]) is network.Params
    for a, b in zip(*map(jax.tree.leaves, (one, other)), strict=True):
        np.testing.assert_array_equal(a, b)


def test_only_floating_leaves_move_along_them():
    """Counters, flags, keys and functions of the last step stay, and are 0 in a direction where they are numbers."""
    steps = np.random.default_rng(0).normal(size=(6, 3))
    network_at = lambda i: {"w": jnp.asarray(steps[i]), "c": float(i % 3), "step": jnp.array(i), "act": jnp.tanh}
    found = trajectories.principal([network_at(i) for i in range(6)])
    matrix = np.concatenate([np.arange(6)[:, None] % 3, steps], 1)  # in the order of the names: c, w
    values = np.linalg.eigvalsh(np.cov(matrix.T))[::-1]
    np.testing.assert_allclose(found.share, values[:2] / values.sum(), rtol=1e-4)
    for direction in found.directions:
        assert direction["step"] == 0
        assert direction["act"] is jnp.tanh
    here, off = trajectories.coordinates([network_at(i) for i in range(6)], network_at(5), found.directions)
    np.testing.assert_allclose(here, found.coordinates, atol=1e-6)
    np.testing.assert_allclose(off, found.off, atol=1e-6)


def test_a_trajectory_too_short_or_too_straight_is_refused(params):
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 1]), params)
    with pytest.raises(ValueError, match="k=2 directions of 2 steps, expected 1 to 1"):
        trajectories.principal(two)
    straight = jax.tree.map(lambda leaf: jnp.stack([leaf * 0 + i for i in range(5)]), params)
    with pytest.raises(ValueError, match="do not vary along 2 directions"):
        trajectories.principal(straight)


def test_what_is_no_trajectory_is_refused(params):
    several = [params, network.init(jax.random.key(1), (30, 8, 4))]
    ragged = params._replace(b=(params.b[0][:3], params.b[1]))
    for refused in (tuple(several), params, ragged, {}, (0.5,)):
        with pytest.raises(ValueError, match=r"leaves of the lengths .*, expected one number of steps"):
            trajectories.principal(refused)
        with pytest.raises(ValueError, match=r"leaves of the lengths .*, expected one number of steps"):
            trajectories.coordinates(refused, params, (params,))
    with pytest.raises(ValueError, match="a list of 2 networks of 2 structures, expected one"):
        trajectories.principal([params, tuple(params)])
    with pytest.raises(ValueError, match="a list of 0 networks"):
        trajectories.principal([])


def test_networks_and_directions_of_other_shapes_are_refused_and_never_broadcast(params):
    """A row of biases would be seen by each neuron, a network of one as one of many."""
    u, v = (directions.gaussian(jax.random.key(i), params) for i in (1, 2))
    steps = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 1, 2 * leaf]), params)
    row = params._replace(b=(params.b[0][:1], params.b[1]))
    for trajectory, origin, along, message in (
        (steps, row, (u, v), "direction 0 is like .*; expected it to be like the origin"),
        (steps, params, (u, row), "direction 1 is like .*; expected it to be like the origin"),
        (steps, tuple(params), (u, v), "direction 0 is like"),
        (jax.tree.map(lambda leaf: leaf[..., :1], steps), params, (u, v), "a network is like"),
        ([params, row], params, (u, v), "network 1 is like .*; expected it to be like network 0"),
        (steps, params, (u, jax.tree.map(lambda leaf: -2 * leaf, u)), "2 directions span 1 dimensions, expected indep"),
        (steps, params, (u, jax.tree.map(jnp.zeros_like, u)), "2 directions span 0 dimensions, expected indep"),
        (steps, params, (), r"directions=\(\), expected a list of one or more"),
        (steps, params, u, "direction 0 is like"),
    ):
        with pytest.raises(ValueError, match=message):
            trajectories.coordinates(trajectory, origin, along)


def test_a_network_that_is_not_finite_lies_nowhere_and_moves_no_other(params):
    u, v = (directions.gaussian(jax.random.key(i), params) for i in (1, 2))
    points = np.array([[0.5, 1.0], [2.0, -1.0], [0.0, 3.0], [1.0, 1.0]])
    steps = [directions.at(params, (u, v), s) for s in points]
    steps[1] = steps[1]._replace(b=(steps[1].b[0], steps[1].b[1].at[0].set(jnp.nan)))
    here, off = trajectories.coordinates(steps, params, (u, v))
    assert np.isnan(here[1]).all()
    assert np.isnan(off[1])
    np.testing.assert_allclose(here[[0, 2, 3]], points[[0, 2, 3]], atol=1e-5)
    assert off[[0, 2, 3]].max() < 1e-4
    with pytest.raises(ValueError, match="step 1 of 4 is not finite, expected those before"):
        trajectories.principal(steps)
