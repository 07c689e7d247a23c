"""A slice is C at origin + alpha u + beta v, computed twice: here, and by a loop in float64."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import cost, directions, network, slices
from jaxcost.data import Images
from jaxcost.engine import sweep
from jaxcost.measures import bumpiness


def problem(n=37, sizes=(12, 6, 4)):
    keys = jax.random.split(jax.random.key(0), 5)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (n,), 0, sizes[-1]), sizes[-1])
    params = network.init(keys[2], sizes)
    u, v = (directions.filter_normalized(directions.gaussian(k, params), params) for k in keys[3:])
    return cost.Cost(Images(jax.random.uniform(keys[0], (n, sizes[0])), y)), params, u, v


def exact(C, origin, point, *ds):
    """The cost in numpy, in float64, image after image."""
    as64 = lambda leaf: np.asarray(leaf, np.float64)
    move = lambda p, *d: as64(p) + sum(float(s) * as64(a) for s, a in zip(point, d, strict=True))
    w, b = jax.tree.map(move, origin, *ds)
    total = 0.0
    for x, y in zip(as64(C.images.x), as64(C.images.y), strict=True):
        for w_layer, b_layer in zip(w, b, strict=True):
            x = 1 / (1 + np.exp(-(w_layer @ x + b_layer)))
        total += ((x - y) ** 2).sum()
    return total / len(C.images)


def test_a_plane_is_the_cost_at_each_point_alpha_first():
    C, params, u, v = problem()
    alphas, betas = jnp.linspace(-2, 1, 3), jnp.linspace(0, 3, 5)
    there = slices.plane(C, params, u, v, alphas, betas)
    assert there.values.shape == (3, 5)
    for i in range(3):
        for j in range(5):
            assert there.values[i, j] == pytest.approx(exact(C, params, (alphas[i], betas[j]), u, v), rel=2e-6)
    np.testing.assert_array_equal(there.alphas, alphas)
    np.testing.assert_array_equal(there.betas, betas)


def test_a_line_and_a_grid_of_three_directions():
    C, params, u, v = problem()
    alphas = jnp.array([-1.0, 0.0, 0.5, 4.0])  # need not be even
    there = slices.line(C, params, u, alphas)
    np.testing.assert_allclose(there.values, [exact(C, params, (a,), u) for a in alphas], rtol=2e-6)
    t = directions.gaussian(jax.random.key(9), params)
    box = slices.grid(C, params, (u, v, t), (alphas, alphas[:2], alphas[1:]))
    assert box.values.shape == (4, 2, 3)
    assert box.values[3, 0, 2] == pytest.approx(exact(C, params, (4.0, -1.0, 4.0), u, v, t), rel=2e-6)


@pytest.mark.parametrize("tile", [1, 4, 7, 15, 1000])
@pytest.mark.parametrize("block", [1, 10, 36, 8000])
def test_tiles_and_blocks_change_nothing_beyond_rounding(monkeypatch, tile, block):
    C, params, u, v = problem()
    whole = slices.plane(C, params, u, v, jnp.linspace(-1, 1, 3), jnp.linspace(-1, 1, 5)).values
    monkeypatch.setattr(sweep, "BUFFER", tile)
    cut = cost.Cost(C.images, block=block)
    parts = slices.plane(cut, params, u, v, jnp.linspace(-1, 1, 3), jnp.linspace(-1, 1, 5)).values
    np.testing.assert_allclose(parts, whole, rtol=1e-6)


def test_a_point_does_not_depend_on_its_neighbours():
    C, params, u, v = problem()
    axis = jnp.linspace(-1, 1, 5)
    whole = slices.plane(C, params, u, v, axis, axis).values
    np.testing.assert_allclose(whole[1::2, ::2], slices.plane(C, params, u, v, axis[1::2], axis[::2]).values, rtol=1e-6)


def test_a_models_own_parameter_tree_works_as_well():
    C, *_ = problem()
    f = lambda x, p: jnp.tanh(x @ p["kernel"]) @ p["out"]
    tree = ({"kernel": jnp.ones((12, 3)) / 5, "out": jnp.ones((3, 4))},)
    u = directions.gaussian(jax.random.key(1), tree)
    there = slices.line(cost.Cost(C.images, f), tree, u, [-0.5, 0.0, 0.5])
    x, y = (np.asarray(a, np.float64) for a in (C.images.x, C.images.y))
    for alpha, value in zip(there.alphas, there.values, strict=True):
        kernel, out = (np.asarray(tree[0][k], np.float64) + alpha * np.asarray(u[0][k]) for k in ("kernel", "out"))
        assert value == pytest.approx(((np.tanh(x @ kernel) @ out - y) ** 2).sum(1).mean(), rel=1e-5)


def test_norms_and_cosines_are_stored():
    C, params, u, v = problem()
    there = slices.plane(C, params, u, v, [0.0], [0.0])
    flat = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(d)]).astype(np.float64) for d in (u, v)]
    np.testing.assert_allclose(there.norms, [np.linalg.norm(d) for d in flat], rtol=1e-5)
    assert there.cosines[0, 1] == pytest.approx(
        flat[0] @ flat[1] / np.prod([np.linalg.norm(d) for d in flat]), abs=1e-6
    )
    np.testing.assert_allclose(np.diag(there.cosines), 1, rtol=1e-6)


def test_the_floor_covers_the_error_at_every_point_and_is_not_much_more():
    C, params, u, v = problem(n=200)
    axis = jnp.linspace(-3, 3, 15)
    there = slices.plane(C, params, u, v, axis, axis)
    errors = [
        abs(there.values[i, j] - exact(C, params, (axis[i], axis[j]), u, v)) for i in range(15) for j in range(15)
    ]
    assert max(errors) < there.floor < 40 * max(errors)


def test_rounding_makes_minima_on_smooth_lines_and_none_of_them_is_above_the_floor():
    C, params, _, _ = problem(n=200)
    raw, above = 0, 0
    for half_width in (1e-2, 1e-3, 1e-4, 1e-5):
        for i in range(10):
            u = directions.filter_normalized(directions.gaussian(jax.random.key(i), params), params)
            there = slices.line(C, params, u, jnp.linspace(half_width, 3 * half_width, 201))  # a monotone stretch
            raw += bumpiness.local_minima(there.values).count
            above += bumpiness.local_minima(there.values, there.floor).count
    assert raw > 20
    assert above == 0


def test_nonfinite_values_stay_and_are_counted():
    C, params, u, _ = problem()
    C = cost.Cost(C.images, loss=cost.cross_entropy)
    there = slices.line(C, params, u, [0.0, 1e3, 1e4])
    assert there.nonfinite == np.sum(~np.isfinite(there.values)) > 0
    assert np.isfinite(there.floor)
    huge = jax.tree.map(lambda leaf: leaf * jnp.inf, u)
    assert np.isnan(slices.line(C, params, huge, [1.0, 2.0]).floor)


def test_derivatives_are_those_of_the_cost_along_the_slice(x64):
    C, params, u, v = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), problem())
    points = np.random.default_rng(0).normal(size=(19, 2))
    along = lambda s: C(*jax.tree.map(lambda p, a, b: p + s[0] * a + s[1] * b, params, u, v))
    values, gradients, hessians = slices.derivatives(C, params, (u, v), points)
    for s, value, g, H in zip(points, values, gradients, hessians, strict=True):
        assert value == pytest.approx(float(along(s)), rel=1e-12)
        central = [(along(s + e) - along(s - e)) / 2e-5 for e in 1e-5 * np.eye(2)]
        np.testing.assert_allclose(g, central, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(H, jax.hessian(along)(jnp.asarray(s)), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda u: u._replace(w=u.w[:1]), "direction u is like"),
        (lambda u: u._replace(b=(jnp.zeros(5), u.b[1])), r"direction u is like .*\(5,\)"),
        (lambda u: tuple(u), "direction u is like"),
    ],
)
def test_a_direction_that_does_not_fit_is_named(change, message):
    C, params, u, _ = problem()
    with pytest.raises(ValueError, match=message):
        slices.line(C, params, change(u), [0.0])


@pytest.mark.parametrize("axis", [[], [[1.0]], [np.nan], 3.0])
def test_an_axis_that_is_none_is_named(axis):
    C, params, u, v = problem()
    with pytest.raises(ValueError, match="alphas have shape"):
        slices.line(C, params, u, axis)
    with pytest.raises(ValueError, match="betas have shape"):
        slices.plane(C, params, u, v, [0.0], axis)
    with pytest.raises(ValueError, match="1 axes and 2 directions"):
        slices.grid(C, params, (u, v), ([0.0],))


def test_points_that_are_none_are_named():
    C, params, u, v = problem()
    for f in (slices.evaluate, slices.derivatives):
        with pytest.raises(ValueError, match=r"shape \(0, 2\), expected \[m, 2\]"):
            f(C, params, (u, v), np.zeros((0, 2)))
        with pytest.raises(ValueError, match=r"shape \(3,\), expected \[m, 1\]"):
            f(C, params, (u,), np.zeros(3))


def test_a_second_slice_is_not_traced_again():
    traces = []

    def f(x, w, b):
        traces.append(x)
        return network.feedforward(x, w, b)

    C, params, u, v = problem()
    C = cost.Cost(C.images, f)
    slices.plane(C, params, u, v, jnp.linspace(-1, 1, 4), jnp.linspace(-1, 1, 4))
    once = len(traces)
    C = cost.Cost(Images(C.images.x + 1, C.images.y), f)
    slices.plane(C, jax.tree.map(jnp.negative, params), v, u, jnp.linspace(-9, 1, 4), jnp.linspace(0, 1, 4))
    assert len(traces) == once > 0


def test_full_precision_is_asked_of_every_product():
    C, params, u, v = problem()
    text = []
    seen = lambda x, w, b: (
        text.append(jax.config.jax_default_matmul_precision),
        network.feedforward(x, w, b),
    )[1]
    slices.plane(cost.Cost(C.images, seen), params, u, v, [0.0], [0.0, 1.0])
    assert "highest" in text


def test_images_may_be_any_pytree_with_x_and_y():
    class Pair(NamedTuple):
        x: jax.Array
        y: jax.Array

    C, params, u, _ = problem()
    pair = cost.Cost(Pair(C.images.x, C.images.y))
    np.testing.assert_allclose(
        slices.line(pair, params, u, [0.0, 1.0]).values, slices.line(C, params, u, [0.0, 1.0]).values, rtol=1e-6
    )


def test_a_convolution_has_a_floor_though_it_takes_one_type_only():
    conv = lambda x, k: jax.lax.conv_general_dilated(
        x[None], k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    images = Images(jax.random.normal(jax.random.key(0), (9, 6, 6, 1)), jax.nn.one_hot(jnp.arange(9) % 3, 3))
    C = cost.Cost(images, lambda x, k: jnp.tanh(conv(x, k)).mean((0, 1, 2)))
    k = (jax.random.normal(jax.random.key(1), (3, 3, 1, 3)),)
    assert 0 < slices.line(C, k, k, [0.0, 0.5, 1.0]).floor < 1e-5


def test_a_model_that_insists_on_float32_has_a_floor_too_and_says_so():
    def f(x, w):
        h, _ = jax.lax.scan(lambda h, w: (jnp.tanh(w @ h), None), jnp.ones(4, jnp.float32), w)
        return h * x.sum()

    C = cost.Cost(Images(jnp.ones((5, 2)), jnp.zeros((5, 4))), f)
    w = (jax.random.normal(jax.random.key(0), (3, 4, 4)),)
    with pytest.warns(UserWarning, match="does not run in float64"):
        there = slices.line(C, w, w, [0.0, 0.5, 1.0])
    assert 0 < there.floor < 1e-4


def test_the_floor_sees_the_noise_where_the_cost_is_largest():
    """Cross-entropy near saturation is noisy on a short stretch that few points of the line fall into."""
    keys = jax.random.split(jax.random.key(3), 4)
    y = jax.nn.one_hot(jnp.arange(4) % 3, 3)
    C = cost.Cost(Images(jax.random.normal(keys[0], (4, 6)), y), loss=cost.cross_entropy)
    params, u = (network.init(k, (6, 3)) for k in keys[1:3])
    there = slices.line(C, params, u, jnp.linspace(-8, 8, 801))
    with jax.enable_x64(True):
        as64 = lambda tree: jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), tree)
        exact = [C(*jax.tree.map(lambda p, d, a=float(a): p + a * d, as64(params), as64(u))) for a in there.alphas[::8]]
    error = np.abs(there.values[::8] - np.array(exact))
    assert there.nonfinite > 0
    assert error[np.isfinite(error)].max() < 2 * there.floor  # an estimate; from 16 points alone it was 100 times less
