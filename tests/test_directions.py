"""Directions are what they say: norms, angles, projections."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import directions, network


@pytest.fixture(scope="module")
def params():
    return network.init(jax.random.key(0), (30, 8, 4))


@pytest.fixture
def u(params):
    return directions.gaussian(jax.random.key(1), params)


def flat(tree):
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])


def test_gaussian_directions_are_standard_normal_and_all_but_orthogonal():
    params = network.init(jax.random.key(0))
    drawn = np.stack([flat(directions.gaussian(jax.random.key(i), params)) for i in range(8)])
    assert abs(drawn.mean()) < 4 / np.sqrt(drawn.size)
    assert abs(drawn.std() - 1) < 4 / np.sqrt(2 * drawn.size)
    gram = np.corrcoef(drawn)
    assert abs(gram[~np.eye(8, dtype=bool)]).max() < 5 / np.sqrt(13002)


def test_every_row_of_a_filter_normalised_direction_is_as_long_as_the_networks(params, u):
    d = directions.filter_normalized(u, params)
    for d_w, u_w, w in zip(d.w, u.w, params.w, strict=True):
        for row, drawn, weights in zip(*(np.asarray(a, np.float64) for a in (d_w, u_w, w)), strict=True):
            assert np.linalg.norm(row) == pytest.approx(np.linalg.norm(weights), rel=1e-5)
            assert row @ drawn == pytest.approx(np.linalg.norm(row) * np.linalg.norm(drawn), rel=1e-5)  # its direction


def test_the_axis_of_neurons_may_be_the_last_and_kernels_of_any_rank(params):
    tree = ({"conv": jnp.asarray(np.ones((3, 3, 2, 5)) * np.arange(1, 6), jnp.float32), "dense": params.w[0].T},)
    drawn = directions.gaussian(jax.random.key(2), tree)
    (d,) = directions.filter_normalized(drawn, tree, axis=-1)
    with pytest.raises(ValueError, match="axis=2, expected one of the 2 axes"):
        directions.filter_normalized(drawn, tree, axis=2)
    for j in range(5):
        assert np.linalg.norm(d["conv"][..., j]) == pytest.approx((j + 1) * np.sqrt(18), rel=1e-5)
    np.testing.assert_allclose(np.linalg.norm(d["dense"], axis=0), np.linalg.norm(tree[0]["dense"], axis=0), rtol=1e-5)


@pytest.mark.parametrize("normalize", [directions.filter_normalized, directions.layer_normalized])
def test_the_rule_for_biases(normalize, params, u):
    for b in normalize(u, params).b:
        assert not np.any(b)
    for b, p in zip(normalize(u, params, biases="vector").b, params.b, strict=True):
        assert np.linalg.norm(b) == pytest.approx(np.linalg.norm(p), rel=1e-5)
    for b, p in zip(normalize(u, params, biases="entry").b, params.b, strict=True):
        np.testing.assert_allclose(np.abs(b), np.abs(p), rtol=1e-5)
    with pytest.raises(ValueError, match="expected one of 'zero', 'vector', 'entry'"):
        normalize(u, params, biases="keep")


def test_layer_normalised_directions_are_as_long_as_the_layers_and_point_as_drawn(params, u):
    for d, drawn, w in zip(directions.layer_normalized(u, params).w, u.w, params.w, strict=True):
        np.testing.assert_allclose(d, drawn * np.linalg.norm(w) / np.linalg.norm(drawn), rtol=1e-5)


def test_a_neuron_without_weights_gets_none_and_no_nan(params, u):
    dead = params._replace(w=(params.w[0].at[3].set(0), params.w[1]))
    assert not np.any(directions.filter_normalized(u, dead).w[0][3])
    still = u._replace(w=(u.w[0].at[3].set(0), u.w[1]))
    assert not np.any(directions.filter_normalized(still, params).w[0][3])
    assert np.isfinite(flat(directions.filter_normalized(still, params, biases="entry"))).all()


@pytest.mark.parametrize("tilt", [1.0, 1e-3])
def test_an_orthonormal_pair_spans_the_same_plane(params, u, tilt):
    v = jax.tree.map(lambda a, b: a + tilt * b, u, directions.gaussian(jax.random.key(2), params))
    e, f = map(flat, directions.orthonormal(u, v))
    np.testing.assert_allclose([e @ e, f @ f, e @ f], [1, 1, 0], atol=2e-6)
    residual = np.linalg.lstsq(np.stack([e, f], 1), np.stack([flat(u), flat(v)], 1), rcond=None)[1]
    assert (residual < 1e-8 * (flat(v) @ flat(v))).all()


def test_parallel_directions_span_no_plane(params, u):
    with pytest.raises(ValueError, match="span no plane"):
        directions.orthonormal(u, jax.tree.map(lambda a: -2 * a, u))
    with pytest.raises(ValueError, match="span no plane"):
        directions.orthonormal(u, jax.tree.map(jnp.zeros_like, u))
    with pytest.raises(ValueError, match="span no plane"):
        directions.through(params, u, u)


def test_between_and_through_pass_through_their_networks(params):
    a, b, c = params, network.init(jax.random.key(1), (30, 8, 4)), network.init(jax.random.key(2), (30, 8, 4))
    np.testing.assert_allclose(flat(a) + flat(directions.between(a, b)), flat(b), rtol=1e-5, atol=1e-6)
    uv = directions.through(a, b, c)
    three = jax.tree.map(lambda *leaves: jnp.stack(leaves), a, b, c)
    here, off = directions.coordinates(three, a, uv)
    assert off.max() < 1e-4
    np.testing.assert_allclose(here[0], 0, atol=1e-6)
    np.testing.assert_allclose(here[1], [np.linalg.norm(flat(b) - flat(a)), 0], atol=1e-4)
    assert np.hypot(*here[2]) == pytest.approx(np.linalg.norm(flat(c) - flat(a)), rel=1e-5)


def test_cosine_is_of_the_whole_vectors(params, u):
    v = directions.gaussian(jax.random.key(9), params)
    assert directions.cosine(u, v) == pytest.approx(
        flat(u) @ flat(v) / np.linalg.norm(flat(u)) / np.linalg.norm(flat(v)), abs=1e-6
    )


def test_coordinates_on_oblique_directions_are_least_squares(params, u):
    v = jax.tree.map(lambda a, b: 0.9 * a + b, u, directions.gaussian(jax.random.key(2), params))
    points = np.array([[0.0, 0.0], [1.0, -2.0], [0.3, 5.0]])
    beside = directions.gaussian(jax.random.key(4), params)
    n, basis = flat(beside), np.stack([flat(u), flat(v)], 1)
    n -= basis @ np.linalg.lstsq(basis, n, rcond=None)[0]
    rows = flat(params) + points @ basis.T + np.outer([0, 1, 2], n)
    trajectory = jax.vmap(jax.flatten_util.ravel_pytree(params)[1])(jnp.asarray(rows, jnp.float32))
    here, off = directions.coordinates(trajectory, params, (u, v))
    np.testing.assert_allclose(here, points, atol=1e-4)
    np.testing.assert_allclose(off, np.array([0, 1, 2]) * np.linalg.norm(n), rtol=1e-4, atol=1e-4)


def test_principal_components_of_an_ellipse_are_its_axes(params):
    e, f = map(flat, directions.orthonormal(*(directions.gaussian(jax.random.key(i), params) for i in (1, 2))))
    turn = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    rows = flat(params) + 5 * np.outer(np.cos(turn), e) + 2 * np.outer(np.sin(turn), f)
    trajectory = jax.vmap(jax.flatten_util.ravel_pytree(params)[1])(jnp.asarray(rows, jnp.float32))
    found = directions.principal(trajectory)
    np.testing.assert_allclose(found.share, [25 / 29, 4 / 29], rtol=1e-4)
    assert abs(flat(found.directions[0]) @ e) == pytest.approx(1, abs=1e-4)
    assert abs(flat(found.directions[1]) @ f) == pytest.approx(1, abs=1e-4)
    assert found.off.max() < 1e-4
    np.testing.assert_allclose(found.coordinates[-1], 0, atol=1e-5)


def test_principal_components_agree_with_the_covariance_matrix_and_off_with_pythagoras(params):
    rows = np.cumsum(np.random.default_rng(0).normal(size=(12, network.size(params))), axis=0)
    trajectory = jax.vmap(jax.flatten_util.ravel_pytree(params)[1])(jnp.asarray(rows, jnp.float32))
    found = directions.principal(trajectory, k=3)
    values = np.linalg.eigvalsh(np.cov(rows.T))[::-1]
    np.testing.assert_allclose(found.share, values[:3] / values.sum(), rtol=1e-4)
    away = rows - rows[-1]
    np.testing.assert_allclose((found.coordinates**2).sum(1) + found.off**2, (away**2).sum(1), rtol=1e-4, atol=1e-3)


def test_a_trajectory_too_short_or_too_straight_is_refused(params):
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf + 1]), params)
    with pytest.raises(ValueError, match="k=2 directions of 2 steps, expected 1 to 1"):
        directions.principal(two)
    straight = jax.tree.map(lambda leaf: jnp.stack([leaf * 0 + i for i in range(5)]), params)
    with pytest.raises(ValueError, match="do not vary along 2 directions"):
        directions.principal(straight)
