"""A slice is C at origin + alpha u + beta v, computed twice: here, and by a loop in float64."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import cost, devices, directions, floors, losses, network, slices
from jaxcost.data import Images
from jaxcost.engine import program
from jaxcost.measures import minima


def problem(n=37, sizes=(12, 6, 4)):
    keys = jax.random.split(jax.random.key(0), 5)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (n,), 0, sizes[-1]), sizes[-1])
    params = network.init(keys[2], sizes)
    u, v = directions.random(keys[3], params, 2)
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
    plane = slices.plane(C, params, u, v, alphas, betas)
    assert plane.values.shape == (3, 5)
    for i in range(3):
        for j in range(5):
            assert plane.values[i, j] == pytest.approx(exact(C, params, (alphas[i], betas[j]), u, v), rel=2e-6)
    np.testing.assert_array_equal(plane.alphas, alphas)
    np.testing.assert_array_equal(plane.betas, betas)


def test_a_line_and_a_grid_of_three_directions():
    C, params, u, v = problem()
    alphas = jnp.array([-1.0, 0.0, 0.5, 4.0])  # need not be even
    line = slices.line(C, params, u, alphas)
    np.testing.assert_allclose(line.values, [exact(C, params, (a,), u) for a in alphas], rtol=2e-6)
    t = directions.gaussian(jax.random.key(9), params)
    box = slices.grid(C, params, (u, v, t), (alphas, alphas[:2], alphas[1:]))
    assert box.values.shape == (4, 2, 3)
    assert box.values[3, 0, 2] == pytest.approx(exact(C, params, (4.0, -1.0, 4.0), u, v, t), rel=2e-6)


@pytest.mark.parametrize(("tile", "block"), [(1, 36), (4, 1), (7, 10), (15, 8000), (1000, 5)])
def test_tiles_and_blocks_change_nothing_beyond_rounding(monkeypatch, tile, block):
    C, params, u, v = problem()
    whole = slices.plane(C, params, u, v, jnp.linspace(-1, 1, 3), jnp.linspace(-1, 1, 5)).values
    monkeypatch.setattr(program, "BUFFER", tile)
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
    line = slices.line(cost.Cost(C.images, f), tree, u, [-0.5, 0.0, 0.5])
    x, y = (np.asarray(a, np.float64) for a in (C.images.x, C.images.y))
    for alpha, value in zip(line.alphas, line.values, strict=True):
        kernel, out = (np.asarray(tree[0][k], np.float64) + alpha * np.asarray(u[0][k]) for k in ("kernel", "out"))
        assert value == pytest.approx(((np.tanh(x @ kernel) @ out - y) ** 2).sum(1).mean(), rel=1e-5)


def test_norms_and_cosines_are_stored():
    C, params, u, v = problem()
    plane = slices.plane(C, params, u, v, [0.0], [0.0])
    flat = [np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(d)]).astype(np.float64) for d in (u, v)]
    np.testing.assert_allclose(plane.norms, [np.linalg.norm(d) for d in flat], rtol=1e-5)
    assert plane.cosines[0, 1] == pytest.approx(
        flat[0] @ flat[1] / np.prod([np.linalg.norm(d) for d in flat]), abs=1e-6
    )
    np.testing.assert_allclose(np.diag(plane.cosines), 1, rtol=1e-6)


def test_the_floor_covers_the_error_at_every_point_and_is_not_much_more():
    C, params, u, v = problem(n=200)
    axis = jnp.linspace(-3, 3, 15)
    plane = slices.plane(C, params, u, v, axis, axis)
    errors = [
        abs(plane.values[i, j] - exact(C, params, (axis[i], axis[j]), u, v)) for i in range(15) for j in range(15)
    ]
    assert max(errors) < plane.floor < 40 * max(errors)


def test_rounding_makes_minima_on_smooth_lines_and_none_of_them_is_above_the_floor():
    C, params, _, _ = problem(n=200)
    raw, above = 0, 0
    for half_width in (1e-2, 1e-3, 1e-4, 1e-5):
        for i in range(10):
            u = directions.filter_normalized(directions.gaussian(jax.random.key(i), params), params)
            line = slices.line(C, params, u, jnp.linspace(half_width, 3 * half_width, 201))  # a monotone stretch
            raw += minima.local_minima(line.values).count
            above += minima.local_minima(line.values, line.floor).count
    assert raw > 20
    assert above == 0


def test_nonfinite_values_stay_and_are_counted():
    C, params, u, _ = problem()
    C = cost.Cost(C.images, loss=losses.cross_entropy)
    line = slices.line(C, params, u, [0.0, 1e3, 1e4])
    assert line.nonfinite == np.sum(~np.isfinite(line.values)) > 0
    assert np.isfinite(line.floor)
    diverged = jax.tree.map(lambda leaf: leaf * jnp.nan, params)
    line = slices.line(C, diverged, u, [1.0, 2.0])
    assert np.isnan(line.values).all()
    assert np.isnan(line.floor)


def test_derivatives_are_those_of_the_cost_along_the_slice(x64):
    C, params, u, v = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), problem())
    points = np.random.default_rng(0).normal(size=(19, 2))
    along = jax.jit(lambda s: C(*jax.tree.map(lambda p, a, b: p + s[0] * a + s[1] * b, params, u, v)))
    hessian = jax.jit(jax.hessian(along))
    values, gradients, hessians = slices.derivatives(C, params, (u, v), points)
    for s, value, g, H in zip(points, values, gradients, hessians, strict=True):
        assert value == pytest.approx(float(along(s)), rel=1e-12)
        central = [(along(s + e) - along(s - e)) / 2e-5 for e in 1e-5 * np.eye(2)]
        np.testing.assert_allclose(g, central, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(H, hessian(jnp.asarray(s)), rtol=1e-9, atol=1e-11)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda u: u._replace(w=u.w[:1]), r"direction 0 is like .*; expected it to be like the origin"),
        (lambda u: u._replace(b=(jnp.zeros(5), u.b[1])), r"direction 0 is like .*\.b\[0\] float32\[5\]"),
        (lambda u: tuple(u), r"direction 0 is like .*; expected it to be like the origin"),
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


def test_a_model_that_insists_on_float32_has_a_floor_too():
    def f(x, w):
        h, _ = jax.lax.scan(lambda h, w: (jnp.tanh(w @ h), None), jnp.ones(4, jnp.float32), w)
        return h * x.sum()

    C = cost.Cost(Images(jnp.ones((5, 2)), jnp.zeros((5, 4))), f)
    w = (jax.random.normal(jax.random.key(0), (3, 4, 4)),)
    line = slices.line(C, w, w, [0.0, 0.5, 1.0])
    assert 0 < line.floor < 1e-4


def test_the_floor_sees_the_noise_where_the_cost_is_largest():
    """Cross-entropy near saturation is noisy on a short stretch that few points of the line fall into."""
    keys = jax.random.split(jax.random.key(3), 4)
    y = jax.nn.one_hot(jnp.arange(4) % 3, 3)
    C = cost.Cost(Images(jax.random.normal(keys[0], (4, 6)), y), loss=losses.cross_entropy)
    params, u = (network.init(k, (6, 3)) for k in keys[1:3])
    with pytest.warns(UserWarning, match="by rounding alone they are not"):
        line = slices.line(C, params, u, jnp.linspace(-8, 8, 801))
    with jax.enable_x64(True):
        as64 = lambda tree: jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), tree)
        exact = [C(*jax.tree.map(lambda p, d, a=float(a): p + a * d, as64(params), as64(u))) for a in line.alphas[::8]]
    error = np.abs(line.values[::8] - np.array(exact))
    assert line.nonfinite > 0
    assert error[np.isfinite(error)].max() < 2 * line.floor  # an estimate; from 16 points alone it was 100 times less


# where a slice lies


@pytest.mark.parametrize("recipes", [False, True])
def test_a_slice_knows_where_it_lies(recipes):
    """C at the parameters of every grid point is the value there; far off a grid point it is `evaluate`'s."""
    C, params, *_ = problem()
    make = directions.recipes if recipes else lambda key, k: directions.random(key, params, k)
    along = make(jax.random.key(4), 3)
    axes = ([-1.0, 0.0, 0.7], [0.2, 3.0], [-0.4, 0.1])
    for found in (
        slices.line(C, params, along[0], axes[0]),
        slices.plane(C, params, *along[:2], *axes[:2]),
        slices.grid(C, params, along, axes),
    ):
        k = len(found.axes)
        assert found.frame.origin is params
        assert all(a is b for a, b in zip(found.frame.directions, along, strict=False))
        assert len(found.frame.directions) == k
        for index, value in np.ndenumerate(found.values):
            s = [axis[i] for axis, i in zip(found.axes, index, strict=True)]
            assert type(found.at(s)) is network.Params
            np.testing.assert_allclose(C(*found.at(s)), value, rtol=2e-6)
        s = np.full(k, 0.31)
        np.testing.assert_allclose(C(*found.at(s)), slices.evaluate(C, *found.frame, [s])[0], rtol=2e-6)


def test_recipes_make_the_same_slice_as_their_directions():
    C, params, *_ = problem()
    options = {"axis": -1, "biases": "vector"}
    along, made = (
        directions.random(jax.random.key(4), params, 2, **options),
        directions.recipes(jax.random.key(4), 2, **options),
    )
    axis, points = [-1.0, 0.5], [[0.3, 0.1]]
    one, other = (slices.plane(C, params, *of, axis, axis, standard_error=True) for of in (along, made))
    for a, b in zip(one[:-1], other[:-1], strict=True):
        np.testing.assert_equal(a, b)
    for f in (slices.evaluate, slices.derivatives):
        np.testing.assert_equal(f(C, params, along, points), f(C, params, made, points))
    assert floors.of_values(C, params, along, points, [2.0]) == floors.of_values(C, params, made, points, [2.0])
    with pytest.raises(ValueError, match="vectors and numbers alone"):  # not silently 0
        slices.line(
            cost.Cost(C.images, lambda x, a: a), (jnp.ones(4),), directions.recipes(jax.random.key(0))[0], [0.0]
        )


def test_it_is_checked_that_a_cost_is_that_of_a_slice():
    C, params, u, v = problem()
    plane = slices.plane(C, params, u, v, np.linspace(-1, 1, 4), np.linspace(-1, 1, 3))
    slices.check(C, plane)
    slices.check(cost.Cost(C.images, block=5), plane)
    others = [cost.Cost(C.images[:30]), cost.Cost(C.images, loss=losses.absolute), cost.Cost(C.images, network.logits)]
    for other in others:
        with pytest.raises(ValueError, match="a slice of another cost, or of other images"):
            slices.check(other, plane)
    moved = plane._replace(frame=directions.Frame(params, (v, u)))
    with pytest.raises(ValueError, match="a slice of another cost, or of other images"):
        slices.check(C, moved)
    with pytest.raises(ValueError, match="does not know where it lies"):
        slices.check(C, plane._replace(frame=None))


def test_it_is_checked_where_values_are_finite():
    C, params, u, _ = problem()
    C = cost.Cost(C.images, loss=losses.cross_entropy)
    line = slices.line(C, params, u, [0.0, 1e3, 1e4, 2e4, 3e4])
    assert not np.isfinite(line.values[2])
    slices.check(C, line)
    slices.check(C, line._replace(values=np.full(5, np.inf)))  # nothing to go by
    with pytest.raises(ValueError, match="a slice of another cost, or of other images"):
        slices.check(cost.Cost(C.images[:30], loss=losses.cross_entropy), line)


def test_the_floor_of_values_that_were_computed_anyhow():
    C, params, u, v = problem()
    plane = slices.plane(C, params, u, v, np.linspace(-1, 1, 6), np.linspace(-2, 0, 5))
    points = np.stack(np.meshgrid(*plane.axes, indexing="ij"), -1).reshape(-1, 2)
    assert floors.of_values(C, *plane.frame, points, plane.values.ravel()) == plane.floor > 0
    expected = np.array([exact(C, params, s, u, v) for s in points])
    off = floors.of_values(C, *plane.frame, points, (expected + 0.01).astype(np.float32))
    assert off == pytest.approx(0.04, rel=1e-3)  # 4 times the largest error
    with pytest.warns(UserWarning, match="by rounding alone they are not"):
        assert np.isnan(floors.of_values(C, *plane.frame, points, np.full(30, np.nan)))


# several costs, and what else is kept


def test_several_costs_give_the_slices_of_each_from_one_call():
    C, params, u, v = problem()
    Cs = (C, cost.Cost(C.images[5:30], block=7))
    axes, options = ([-1.0, 0.3, 2.0], [0.0, 0.5]), {"per_class": True, "per_image": True, "accuracy": True}
    together = slices.plane(Cs, params, u, v, *axes, **options)
    assert type(together) is tuple
    for C, found in zip(Cs, together, strict=True):
        alone = slices.plane(C, params, u, v, *axes, **options)
        for name, a, b in zip(alone._fields, found, alone, strict=True):
            for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True) if name != "floor" else ():
                np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)
        assert found.floor == pytest.approx(alone.floor, rel=0.9)  # noise itself: each is off by its own rounding
        slices.check(C, found)


def test_several_costs_in_every_call():
    C, params, u, v = problem()
    Cs, points = (C, cost.Cost(C.images[:9])), [[0.0, 0.0], [0.4, -0.3]]
    lines = slices.line(Cs, params, u, [0.0, 0.4])
    values = slices.evaluate(Cs, params, (u, v), points)
    bent = slices.derivatives(Cs, params, (u,), [[0.0]])
    for C, line, of, (value, gradient, hessian) in zip(Cs, lines, values, bent, strict=True):
        np.testing.assert_allclose(line.values[0], exact(C, params, ()), rtol=2e-6)
        np.testing.assert_allclose(of, [exact(C, params, s, u, v) for s in points], rtol=2e-6)
        below, here, above = (exact(C, params, (s,), u) for s in (-1e-3, 0, 1e-3))
        np.testing.assert_allclose(value, [here], rtol=2e-6)
        np.testing.assert_allclose(gradient, [[(above - below) / 2e-3]], rtol=1e-3, atol=1e-5)
        np.testing.assert_allclose(hessian, [[[(above - 2 * here + below) / 1e-6]]], rtol=1e-3, atol=1e-4)
    (only,) = slices.line((C,), params, u, [0.0, 0.4])
    np.testing.assert_array_equal(only.values, slices.line(C, params, u, [0.0, 0.4]).values)
    assert slices.plan(Cs, params, (u, v), points).images == 37 + 9


def test_the_accuracy_of_every_point_is_kept_if_asked_for():
    C, params, u, v = problem()
    axes = np.linspace(-3, 3, 4), np.linspace(-2, 2, 3)
    plane = slices.plane(C, params, u, v, *axes, accuracy=True)
    for (i, j), found in np.ndenumerate(plane.accuracy):
        np.testing.assert_allclose(found, cost.accuracy(C, plane.at((axes[0][i], axes[1][j]))), rtol=1e-6)
    assert len(np.unique(plane.accuracy)) > 2
    assert plane.per_class is plane.per_image is None
    whole = cost.Cost(Images(C.images.x, C.images.y.argmax(-1)), loss=lambda a, y: -a[y])
    np.testing.assert_array_equal(slices.plane(whole, params, u, v, *axes, accuracy=True).accuracy, plane.accuracy)
    plain = slices.plane(C, params, u, v, *axes)
    assert plain.accuracy is plain.standard_error is None
    np.testing.assert_allclose(plain.values, plane.values, rtol=1e-6)


# trees of all types


@pytest.mark.parametrize(
    "first",
    [jnp.array(3), jnp.array(True), jnp.ones(2, jnp.bfloat16), jax.random.key(0), 2, jnp.tanh],
    ids=["counter", "flag", "bfloat16", "key", "int", "function"],
)
def test_coordinates_keep_their_precision_whatever_the_first_leaf(first):
    """0.3, 0.5 and 0.7 are 0, 0 and 0, or True, or rounded to 8 bits, in the type of such a leaf."""
    C, *_ = problem()
    C = cost.Cost(C.images, lambda x, p: jnp.tanh(p["z"][:, :12] @ x))
    params = ({"a": first, "z": jax.random.normal(jax.random.key(1), (4, 12))},)
    u = (params[0] | {"z": jax.random.normal(jax.random.key(2), (4, 12))},)
    alphas = [0.3, 0.5, 0.7]
    line = slices.line(C, params, u, alphas)
    assert line.alphas.dtype == np.float32
    np.testing.assert_array_equal(line.alphas, np.float32(alphas))
    x, y, w, d = (np.asarray(a, np.float64) for a in (C.images.x, C.images.y, params[0]["z"], u[0]["z"]))
    expected = [((np.tanh(x @ (w + alpha * d).T) - y) ** 2).sum(1).mean() for alpha in alphas]
    np.testing.assert_allclose(line.values, expected, rtol=1e-5)
    np.testing.assert_allclose(slices.evaluate(C, *line.frame, np.reshape(alphas, (3, 1))), expected, rtol=1e-5)
    assert len({float(C(*line.at([alpha]))) for alpha in alphas}) == 3


def test_costs_over_different_meshes_are_refused():
    C, params, u, _ = problem()
    spread = devices.spread(C, devices.mesh())
    with pytest.raises(ValueError, match="2 costs over 2 meshes, expected one or more over the same devices"):
        slices.line((C, spread), params, u, [0.0])
    with pytest.raises(ValueError, match="0 costs over 0 meshes"):
        slices.line((), params, u, [0.0])


@pytest.mark.parametrize("spoil", [0.0, np.nan])
def test_a_direction_that_leads_nowhere_is_no_slice(spoil):
    """It would be a constant plane, or one of NaN."""
    C, params, u, _ = problem()
    v = jax.tree.map(lambda leaf: leaf * spoil, u)
    points = np.zeros((2, 2))
    for ask in (
        lambda: slices.plane(C, params, u, v, [0.0, 1.0], [0.0, 1.0]),
        lambda: slices.evaluate(C, params, (u, v), points),
        lambda: slices.derivatives(C, params, (u, v), points),
        lambda: floors.of_values(C, params, (u, v), points, np.ones(2)),
        lambda: slices.plan(C, params, (u, v), points),
    ):
        with pytest.raises(ValueError, match=f"direction 1 has the largest entry {spoil}, expected one that is finite"):
            ask()


def test_what_is_asked_of_a_slice_is_checked_before_anything_is_compiled(monkeypatch):
    C, params, u, _ = problem()
    monkeypatch.setattr(program, "compiled", None)
    monkeypatch.setattr(slices.sweep, "compiled", None)
    for options, message in (
        ({"memory": 1e9}, "memory=1000000000.0, expected a whole number, 1 or more"),
        ({"memory": np.nan}, "memory=nan, expected a whole number, 1 or more"),
        ({"memory": 0}, "memory=0, expected a whole number, 1 or more"),
        ({"progress": "no"}, "progress='no', expected True or False"),
        ({"resume_file": 3}, "resume_file=3, expected a path"),
    ):
        for ask in (
            lambda options=options: slices.line(C, params, u, [0.0], **options),
            lambda options=options: slices.evaluate(C, params, (u,), [[0.0]], **options),
            lambda options=options: slices.derivatives(C, params, (u,), [[0.0]], **options),
        ):
            with pytest.raises(ValueError, match=message):
                ask()
    with pytest.raises(ValueError, match="accuracy='yes', expected True or False"):
        slices.line(C, params, u, [0.0], accuracy="yes")


def test_a_line_has_no_second_axis():
    line = slices.Slice((np.zeros(3),), np.zeros(3), 0.0, np.ones(1), np.eye(1), 0)
    with pytest.raises(ValueError, match="a slice of 1 axes, expected 2 or more"):
        _ = line.betas
    with pytest.raises(ValueError, match=r"does not know where it lies \(frame=None\), expected one made by `slices`"):
        line.at([0.0])
