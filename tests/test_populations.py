"""Many slices at once are each of them alone, and one floor judges them all."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import cost, data, directions, floors, network, populations, slices
from jaxcost.data import Images
from jaxcost.directions import Frame
from jaxcost.measures import bumpiness

SIZES = (12, 6, 4)
KEYS = jax.random.split(jax.random.key(1), 4)


def problem(n=37, **options):
    keys = jax.random.split(jax.random.key(0), 3)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (n,), 0, SIZES[-1]), SIZES[-1])
    return cost.Cost(Images(jax.random.uniform(keys[0], (n, SIZES[0])), y), **options), network.init(keys[2], SIZES)


def as64(tree):
    return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)


def exact(C, params):
    """The cost in numpy, in float64."""
    a, y = as64((C.images.x, C.images.y))
    for w, b in zip(*as64(tuple(params)), strict=True):
        a = 1 / (1 + np.exp(-(a @ w.T + b)))
    return ((a - y) ** 2).sum(1).mean()


def exact_at_each(C, frame, points):
    """The cost in numpy, in float64, at points `[m, k]` of a frame of recipes."""
    trees = as64((frame.origin, *(one.of(frame.origin) for one in frame.directions)))
    move = lambda s: lambda p, *ds: p + sum(c * d for c, d in zip(np.float64(s), ds, strict=True))
    return [exact(C, jax.tree.map(move(s), *trees)) for s in points]


def exact_at(C, frame, s):
    """The same at one point."""
    return exact_at_each(C, frame, [s])[0]


def errors_of(C, population):
    """How far the values of lines are from those in float64."""
    points = np.float32(population.axes[0])[:, None]
    exactly = [exact_at_each(C, frame, points) for frame in population.frames]
    return np.abs(population.values - exactly)


# about one network


@pytest.mark.parametrize("k", [1, 2, 3])
def test_slices_about_a_network_go_through_it_in_other_directions_for_every_key(k):
    _, params = problem()
    frames = populations.about(KEYS[:2], params, k)
    drawn = [[one.of(params) for one in frame.directions] for frame in frames]
    for key, frame, along in zip(KEYS, frames, drawn, strict=False):
        assert frame.origin is params
        assert len(along) == k
        for found, expected in zip(along, directions.random(key, params, k), strict=True):
            np.testing.assert_array_equal(found.w[0], expected.w[0])
        for u in along:
            for d, p in zip(u.w, params.w, strict=True):
                np.testing.assert_allclose(np.linalg.norm(d, axis=1), np.linalg.norm(p, axis=1), rtol=1e-5)
            assert all(np.all(np.asarray(b) == 0) for b in u.b)
    all_of_them = [*drawn[0], *drawn[1]]
    for i in range(2 * k):
        for j in range(i):
            assert abs(directions.cosine(all_of_them[i], all_of_them[j])) < 0.6


def test_options_reach_the_directions():
    """The kernels of Flax are `[from, to]`: a neuron's weights are a column."""
    params = ({"kernel": jax.random.normal(KEYS[0], (5, 3)), "bias": jnp.array([1.0, 2.0, 3.0])},)
    frames = populations.about(KEYS, params, 2, axis=-1, biases="entry")
    for frame in frames:
        for recipe in frame.directions:
            (u,) = recipe.of(params)
            lengths = [np.linalg.norm(p["kernel"], axis=0) for p in (u, params[0])]
            np.testing.assert_allclose(*lengths, rtol=1e-5)
            np.testing.assert_allclose(np.abs(u["bias"]), [1, 2, 3], rtol=1e-5)
    (drawn,) = populations.about(KEYS[:1], params, normalize=None)
    (expected,) = directions.random(KEYS[0], params, normalize=None)
    np.testing.assert_array_equal(drawn.directions[0].of(params)[0]["kernel"], expected[0]["kernel"])


# at any points, on a grid, at several scales


@pytest.mark.parametrize("k", [1, 2])
def test_every_slice_is_the_one_at_a_time(k):
    C, params = problem()
    frames = populations.about(KEYS[:3], params, k, biases="vector")
    points = np.random.default_rng(0).normal(size=(6, k))
    axes = [[-1.0, 0.3, 2.0], [0.0, 0.5]][:k]
    values, (costs, gradients, hessians), grids = (
        f(C, frames, points)
        for f in (populations.evaluate, populations.derivatives, lambda *_: populations.grid(C, frames, axes))
    )
    assert values.shape == costs.shape == (3, 6)
    assert gradients.shape == (3, 6, k)
    assert hessians.shape == (3, 6, k, k)
    assert grids.frames == tuple(frames)
    for i, frame in enumerate(frames):
        np.testing.assert_allclose(values[i], exact_at_each(C, frame, points), rtol=2e-6)
        alone = slices.grid(C, *frame, axes)
        np.testing.assert_array_equal(grids.values[i], alone.values)
        for axis, expected in zip(grids.axes, alone.axes, strict=True):
            np.testing.assert_array_equal(axis, expected)
    for found, expected in zip(
        (costs[0], gradients[0], hessians[0]), slices.derivatives(C, *frames[0], points), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    on_grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, k)
    assert populations.floor(C, frames, on_grid, grids.values.reshape(3, -1)) == grids.floor > 0
    (only,) = [populations.floor(C, frames[:1], on_grid, grids.values[:1].reshape(1, -1))]
    assert only == floors.of_values(C, *frames[0], on_grid, grids.values[0].ravel())


def test_zoomed_slices_are_those_one_at_a_time_at_every_scale():
    C, params = problem()
    scales, points = [1e-3, 0.7, 20.0], 9
    frames = populations.about(KEYS, params, 2)
    found = populations.zoom(C, frames, scales, points=points)
    assert len(found) == 3
    for half_width, population in zip(scales, found, strict=True):
        assert population.values.shape == (4, points, points)
        assert population.at_nodes is population.hessians is None
        assert population.frames == tuple(frames)
        np.testing.assert_allclose(population.axes, [np.linspace(-half_width, half_width, points)] * 2)
        for frame, values in zip(frames, population.values, strict=True):
            alone = slices.grid(C, *frame, population.axes)
            np.testing.assert_allclose(values, alone.values, rtol=1e-6)
            assert values.dtype == alone.values.dtype == np.float32


def test_at_the_nodes_and_with_bends_they_are_what_slices_say():
    C, params = problem()
    frames = populations.about(KEYS[:2], params, 2)
    found = populations.zoom(C, frames, [0.5, 3.0], points=4, nodes=5, bends=3)
    for half_width, population in zip([0.5, 3.0], found, strict=True):
        assert population.values.shape == (2, 4, 4)
        assert population.at_nodes.shape == (2, 5, 5)
        assert population.hessians.shape == (2, 9, 2, 2)
        by_hand = half_width * np.cos(np.pi * (2 * np.arange(5)[::-1] + 1) / 10)  # the roots of T_5
        nodes = np.stack(np.meshgrid(by_hand, by_hand, indexing="ij"), -1).reshape(-1, 2)
        coarse = np.linspace(-half_width, half_width, 3)
        bends = np.stack(np.meshgrid(coarse, coarse, indexing="ij"), -1).reshape(-1, 2)
        for i, frame in enumerate(frames):
            np.testing.assert_allclose(population.at_nodes[i].ravel(), slices.evaluate(C, *frame, nodes), rtol=1e-6)
            expected = slices.derivatives(C, *frame, bends)[2]
            np.testing.assert_allclose(population.hessians[i], expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(population.values[i], slices.grid(C, *frame, population.axes).values, rtol=1e-6)


def test_a_population_is_measured_by_its_nodes_and_hessians_too():
    """C along one weight of a linear model is a parabola: three coefficients, and it bends upwards."""
    C = cost.Cost(Images(jnp.ones((5, 1)), jnp.zeros((5, 1))), lambda x, w: w * x)
    slopes = np.array([0.5, -1.0, 2.0])
    frames = [Frame((jnp.ones(1),), ((jnp.full(1, slope),),)) for slope in slopes]
    (found,) = populations.zoom(C, frames, [2.0], points=11, nodes=17, bends=3)
    measured = bumpiness.measure_each(found)
    assert measured.chebyshev.tolist() == [3, 3, 3]
    np.testing.assert_allclose(measured.bowl, 1)
    assert measured.negative_curvature.tolist() == [0] * 3
    np.testing.assert_allclose(found.hessians[:, :, 0, 0], np.square(slopes)[:, None] * [[2, 2, 2]], rtol=1e-5)


# one floor


@pytest.mark.parametrize("draws", [1, 3, 40])
def test_the_floor_is_no_less_than_the_largest_error_against_float64(draws):
    C, params = problem(n=60)
    frames = populations.about(jax.random.split(jax.random.key(5), draws), params)
    for population in populations.zoom(C, frames, [1e-3, 1.0, 30.0], points=21):
        error = errors_of(C, population).max()
        assert error <= population.floor < 40 * error


def test_the_floor_of_digits_is_no_less_either():
    C, params = cost.Cost(data.digits()[0][:100]), network.init(jax.random.key(0))
    frames = populations.about(jax.random.split(jax.random.key(5), 20), params)
    (population,) = populations.zoom(C, frames, [0.5], points=11)
    error = errors_of(C, population).max()
    assert error <= population.floor < 40 * error


@pytest.mark.parametrize("draws", [16, 64])
def test_noise_in_the_middle_of_lines_is_found_though_each_is_compared_at_few_points(draws):
    big = lambda p: 1e4 * jnp.exp(-((10 * p) ** 2))  # added and taken away again: what is left is rounded coarsely
    f = lambda x, p: (p * p + big(p) * x) - big(p) * x
    C = cost.Cost(Images(jnp.ones(2), jnp.zeros(2)), f, lambda a, y: a)
    (lines,) = populations.zoom(C, [Frame((jnp.zeros(()),), ((jnp.ones(()),),))] * draws, [1.0], points=101)
    error = np.abs(lines.values - lines.axes[0] ** 2).max()
    assert error > 1e-4
    assert lines.floor > error


def test_one_floor_judges_all_that_of_the_worst():
    """One slice of costs a million times the others': its noise is theirs too."""
    C = cost.Cost(Images(jnp.ones((7, 1)), jnp.zeros((7, 1))), lambda x, w: x * w + 0.1)
    frames = [Frame((jnp.full(1, size),), ((jnp.ones(1),),)) for size in (1.0, 1e3, 1.0)]
    (found,) = populations.zoom(C, frames, [0.1], points=5)
    assert found.floor >= np.finfo(np.float32).eps * 1e6
    assert found.floor < 1e2 * np.finfo(np.float32).eps * 1e6
    assert found.floor == max(populations.zoom(C, [frame], [0.1], points=5)[0].floor for frame in frames)


def test_where_nothing_is_finite_there_is_no_noise():
    C, params = problem()
    frames = populations.about(KEYS[:2], params)
    some = np.array([[np.nan, np.nan], [exact_at(C, frames[1], [0]), np.inf]], np.float32)
    with pytest.warns(UserWarning, match="by rounding alone they are not"):
        assert populations.floor(C, frames, [[0.0], [1.0]], np.full((2, 2), np.nan)) == 0
    with pytest.warns(UserWarning, match="of 3 points .* and 3 are finite there"):
        assert 0 < populations.floor(C, frames, [[0.0], [1.0]], some) < 1e-5


@pytest.mark.parametrize("draws", [2, 40])
def test_the_floor_of_curvature_is_no_less_than_the_largest_error_against_float64(draws):
    C, params = problem(n=60)
    frames = populations.about(jax.random.split(jax.random.key(5), draws), params)
    for population in populations.zoom(C, frames, [0.1, 30.0], points=3, bends=5):
        h, errors = 1e-3, []
        for i in range(0, draws, 7):
            axis = population.axes[0][-1] * np.linspace(-1, 1, 5).astype(np.float32)
            below, middle, above = (exact_at_each(C, frames[i], np.float64(axis)[:, None] + by) for by in (-h, 0, h))
            seconds = (np.array(above) - 2 * np.array(middle) + below) / h**2
            for second, found in zip(seconds, population.hessians[i], strict=True):
                errors.append(abs(found[0, 0] - second))
        assert population.curvature_floor > 0
        assert max(errors) < population.curvature_floor + 1e-4 * np.abs(population.hessians).max() + 1e-7
    assert populations.zoom(C, frames[:2], [0.1], points=3)[0].curvature_floor == 0


# many networks


def test_each_slice_may_have_a_network_of_its_own():
    C, _ = problem()
    networks = [network.init(key, SIZES) for key in KEYS]
    frames = [populations.about(KEYS[:1], one)[0] for one in networks]
    (found,) = populations.zoom(C, frames, [1.0], points=3)
    for one, values, frame in zip(networks, found.values, found.frames, strict=True):
        assert values[1] == pytest.approx(exact(C, one), rel=1e-6)
        assert values[2] == pytest.approx(exact_at(C, frame, [1.0]), rel=1e-5)
        np.testing.assert_allclose(C(*frame.at([1.0])), values[2], rtol=1e-5)
    assert len(set(found.values[:, 1].tolist())) == 4
    lines = [Frame(networks[0], (directions.between(networks[0], end),)) for end in networks[1:]]
    ends = populations.evaluate(C, lines, [[0.0], [1.0]])
    np.testing.assert_allclose(ends[:, 0], exact(C, networks[0]), rtol=1e-6)
    np.testing.assert_allclose(ends[:, 1], [exact(C, end) for end in networks[1:]], rtol=1e-5)


def test_networks_may_differ_in_what_does_not_move():
    """Each has a counter, a key and a flag of its own, and one program serves them all."""
    traces = []

    def f(x, p):
        traces.append(x)
        return jnp.where(p["flag"], p["w"] * x * p["count"] + jax.random.uniform(p["key"], dtype=jnp.float32), 0)

    C = cost.Cost(Images(jnp.arange(6.0).reshape(3, 2), jnp.zeros((3, 2))), f)
    origin = lambda i: ({"w": jnp.array(0.5 + i), "count": jnp.array(i), "flag": jnp.array(i != 1), "key": KEYS[i]},)
    frames = [Frame(origin(i), directions.recipes(KEYS[i], normalize=None)) for i in range(3)]
    found = populations.evaluate(C, frames, [[0.0], [2.0]])
    once = len(traces)
    np.testing.assert_array_equal(populations.evaluate(C, frames[::-1], [[0.0], [2.0]]), found[::-1])
    assert len(traces) == once
    x = np.arange(6.0).reshape(3, 2)
    for i, (frame, values) in enumerate(zip(frames, found, strict=True)):
        d = frame.directions[0].of(frame.origin)[0]["w"]
        for s, value in zip((0.0, 2.0), values, strict=True):
            a = np.float64(0.5 + i + s * d) * x * i + float(jax.random.uniform(KEYS[i]))
            np.testing.assert_allclose(value, 0 if i == 1 else (a**2).sum(1).mean(), rtol=1e-5)
            np.testing.assert_allclose(C(*frame.at([s])), value, rtol=1e-5)
    assert populations.floor(C, frames, [[0.0], [2.0]], found) < 1e-6 * found.max()


def test_float64_networks_have_float64_populations(x64):
    C, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), problem())
    (found,) = populations.zoom(C, populations.about(KEYS[:2], params), [1.0], points=5, nodes=3, bends=2)
    assert {found.values.dtype, found.at_nodes.dtype, found.hessians.dtype} == {np.dtype(np.float64)}
    assert found.floor < 1e-13


def test_all_slices_are_one_program():
    traces = []

    def f(x, w, b):
        traces.append(x)
        return network.feedforward(x, w, b)

    C, params = problem(f=f)
    lines = lambda keys, scale: populations.zoom(C, populations.about(keys, params), [scale], points=5)
    lines(KEYS[:1], 1.0)
    once = len(traces)
    lines(KEYS[1:], 2.0)
    # the floor compares another number of points a slice, and so is compiled anew; the slices are not
    assert 0 < len(traces) - once < once
    twice = len(traces)
    lines(KEYS[:3], 9.0)
    assert len(traces) == twice


# errors


@pytest.mark.parametrize("half_widths", [[], [0.0, 1.0], [-1.0], [np.nan]])
def test_half_widths_are_positive(half_widths):
    C, params = problem()
    with pytest.raises(ValueError, match=r"^half_widths.*expected (some, all positive|all finite)$"):
        populations.zoom(C, populations.about(KEYS, params), half_widths)


def test_there_are_slices_and_all_have_as_many_directions():
    C, params = problem()
    calls = (
        partial(populations.evaluate, points=[[0.0, 0.0]]),
        partial(populations.derivatives, points=[[0.0, 0.0]]),
        partial(populations.grid, axes=([0.0], [0.0])),
        partial(populations.zoom, half_widths=[1.0]),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"^frames=\[\], expected a list or tuple, one or more"):
            call(C, [])
        for k in (1, 3):  # a coordinate too many, or too few
            mixed = populations.about(KEYS[:2], params, 2) + populations.about(KEYS[2:], params, k)
            with pytest.raises(ValueError, match=r"4 slices of \[\d, \d\] directions, expected one or more, all of as"):
                call(C, mixed)
    with pytest.raises(ValueError, match=r"points have shape \(1, 1\), expected \[m, 2\]"):
        populations.evaluate(C, populations.about(KEYS, params, 2), [[0.0]])
    with pytest.raises(ValueError, match="direction 0 is like"):
        populations.evaluate(C, [Frame(params, (params._replace(b=()),))], [[0.0]])


def test_memory_that_is_too_little_is_refused():
    C, params = problem()
    for call in (partial(populations.zoom, half_widths=[1.0]), partial(populations.grid, axes=([0.0],))):
        with pytest.raises(ValueError, match="memory=100 bytes"):
            call(C, populations.about(KEYS, params), memory=100)


# walks


def test_a_walk_is_the_cost_of_networks_a_step_apart():
    C, params = problem()
    steps, size = 6, 0.3
    found = populations.walks(KEYS, C, params, steps, size)
    assert found.shape == (4, steps + 1)
    length = np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(as64(params))))
    for key, walk in zip(KEYS, found, strict=True):
        here = as64(params)
        assert walk[0] == pytest.approx(exact(C, here), rel=1e-6)
        for one, value in zip(jax.random.split(key, steps), walk[1:], strict=True):
            u = as64(directions.gaussian(one, params))
            far = np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(u)))
            here = jax.tree.map(lambda p, d, far=far: p + size * length * d / far, here, u)
            assert value == pytest.approx(exact(C, here), rel=1e-5)
    np.testing.assert_array_equal(populations.walks(KEYS, C, params, steps, size), found)
    assert len(set(found[:, 1].tolist())) == 4


def test_each_step_is_as_long_as_it_says_and_goes_in_any_direction():
    """A cost that is the squared distance from the start tells where the walk is."""
    start = (jnp.arange(1.0, 31.0), jnp.full((6, 5), 2.0))
    away = lambda x, a, b: jnp.sum((a - start[0]) ** 2) + jnp.sum((b - start[1]) ** 2)
    C = cost.Cost(Images(jnp.ones((2, 1)), jnp.zeros((2, 1))), away, lambda a, y: a)
    length = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in start))
    far = np.sqrt(populations.walks(jax.random.split(jax.random.key(0), 400), C, start, 9, 0.02)) / (0.02 * length)
    np.testing.assert_allclose(far[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(far[:, 1], 1, rtol=1e-5)
    np.testing.assert_allclose((far**2).mean(0), np.arange(10), rtol=0.1)  # at right angles in the mean


def test_numbers_keep_their_types_on_a_walk_and_what_is_none_stays():
    """The cost is the distance walked; of steps as long as the network little is lost in bfloat16."""
    start = ({"a": jnp.ones((20, 10)), "b": jnp.full(50, 2, jnp.bfloat16), "steps": jnp.array(3), "act": jnp.square},)
    away = lambda x, p: p["act"](p["a"] - 1).sum() + p["act"](p["b"].astype(jnp.float32) - 2).sum() + p["steps"]
    C = cost.Cost(Images(jnp.ones((2, 1)), jnp.zeros((2, 1))), away, lambda a, y: a)
    found = populations.walks(KEYS, C, start, 1, 1.0)
    np.testing.assert_allclose(found, [[3, 3 + 20 * 10 + 50 * 4]] * 4, rtol=0.02)
