"""Many slices at once are each of them alone, and what is said of them holds with the confidence that it says."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxcost import cost, data, directions, network, populations, slices
from jaxcost.data import Images
from jaxcost.engine import sweep
from jaxcost.measures import bumpiness

SIZES = (12, 6, 4)


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


def moved(origin, along, s):
    return jax.tree.map(
        lambda p, *d: p + sum(c * a for c, a in zip(np.float64(s), d, strict=True)), *as64((origin, *along))
    )


KEYS = jax.random.split(jax.random.key(1), 4)


# the grids


@pytest.mark.parametrize("k", [1, 2])
def test_grids_are_the_slices_one_at_a_time_at_every_scale(k):
    C, params = problem()
    draw, scales, points = populations.about(params, k), [1e-3, 0.7, 20.0], 9
    found = populations.grids(KEYS, C, draw, scales, points=points)
    assert len(found) == 3
    for half_width, population in zip(scales, found, strict=True):
        assert population.values.shape == (4, *(points,) * k)
        assert population.at_nodes is population.hessians is None
        np.testing.assert_allclose(population.axes, [np.linspace(-half_width, half_width, points)] * k)
        for key, values in zip(KEYS, population.values, strict=True):
            alone = slices.grid(C, *draw(key), population.axes)
            np.testing.assert_allclose(values, alone.values, rtol=1e-6)
            assert values.dtype == alone.values.dtype == np.float32


def test_at_the_nodes_and_with_bends_they_are_what_slices_say():
    C, params = problem()
    draw = populations.about(params, 2)
    found = populations.grids(KEYS[:2], C, draw, [0.5, 3.0], points=4, nodes=5, bends=3)
    for half_width, population in zip([0.5, 3.0], found, strict=True):
        assert population.values.shape == (2, 4, 4)
        assert population.at_nodes.shape == (2, 5, 5)
        assert population.hessians.shape == (2, 9, 2, 2)
        by_hand = half_width * np.cos(np.pi * (2 * np.arange(5)[::-1] + 1) / 10)  # the roots of T_5
        nodes = np.stack(np.meshgrid(by_hand, by_hand, indexing="ij"), -1).reshape(-1, 2)
        coarse = np.linspace(-half_width, half_width, 3)
        bends = np.stack(np.meshgrid(coarse, coarse, indexing="ij"), -1).reshape(-1, 2)
        for i, key in enumerate(KEYS[:2]):
            np.testing.assert_allclose(population.at_nodes[i].ravel(), slices.evaluate(C, *draw(key), nodes), rtol=1e-6)
            expected = slices.derivatives(C, *draw(key), bends)[2]
            np.testing.assert_allclose(population.hessians[i], expected, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(
                population.values[i], slices.grid(C, *draw(key), population.axes).values, rtol=1e-6
            )


def test_a_chebyshev_number_of_a_population_is_that_of_its_lines():
    """C along one weight of a linear model is a parabola: three coefficients."""
    C = cost.Cost(Images(jnp.ones((5, 1)), jnp.zeros((5, 1))), lambda x, w: w * x)
    draw = lambda key: ((jnp.ones(1),), ((jax.random.normal(key, (1,)),),))
    (found,) = populations.grids(KEYS, C, draw, [2.0], points=11, nodes=17, bends=3)
    measured = populations.measured(found)
    assert measured.chebyshev.tolist() == [3, 3, 3, 3]
    np.testing.assert_allclose(measured.bowl, 1)
    assert measured.negative_curvature.tolist() == [0] * 4
    slopes = [draw(key)[1][0][0][0] for key in KEYS]
    np.testing.assert_allclose(found.hessians[:, :, 0, 0], np.square(slopes)[:, None] * [[2, 2, 2]], rtol=1e-5)


@pytest.mark.parametrize("draws", [1, 3, 40])
def test_the_floor_is_no_less_than_the_largest_error_against_float64(draws):
    C, params = problem(n=60)
    keys, draw = jax.random.split(jax.random.key(5), draws), populations.about(params)
    for population in populations.grids(keys, C, draw, [1e-3, 1.0, 30.0], points=21):
        errors = [
            abs(exact(C, moved(*draw(key), [np.float32(s)])) - values[i])
            for key, values in zip(keys, population.values, strict=True)
            for i, s in enumerate(population.axes[0])
        ]
        assert max(errors) <= population.floor < 40 * max(errors)


def test_the_floor_of_digits_is_no_less_either():
    train = data.digits()[0][:100]
    C, params = cost.Cost(train), network.init(jax.random.key(0))
    keys, draw = jax.random.split(jax.random.key(5), 20), populations.about(params)
    (population,) = populations.grids(keys, C, draw, [0.5], points=11)
    errors = [
        abs(exact(C, moved(*draw(key), [np.float32(s)])) - values[i])
        for key, values in zip(keys, population.values, strict=True)
        for i, s in enumerate(population.axes[0])
    ]
    assert max(errors) <= population.floor < 40 * max(errors)


@pytest.mark.parametrize("draws", [16, 64])
def test_noise_in_the_middle_of_lines_is_found_though_each_is_compared_at_few_points(draws):
    big = lambda p: 1e4 * jnp.exp(-((10 * p) ** 2))  # added and taken away again: what is left is rounded coarsely
    f = lambda x, p: (p * p + big(p) * x) - big(p) * x
    C = cost.Cost(Images(jnp.ones(2), jnp.zeros(2)), f, lambda a, y: a)
    draw = lambda key: ((jnp.zeros(()),), ((jnp.ones(()),),))
    (lines,) = populations.grids(jax.random.split(jax.random.key(0), draws), C, draw, [1.0], points=101)
    error = np.abs(lines.values - lines.axes[0] ** 2).max()
    assert error > 1e-4
    assert lines.floor > error


def test_one_floor_judges_all_that_of_the_worst():
    """One slice of costs a million times the others': its noise is theirs too."""
    C = cost.Cost(Images(jnp.ones((7, 1)), jnp.zeros((7, 1))), lambda x, w: x * w + 0.1)
    sizes = iter([1.0, 1e3, 1.0])
    draw = lambda key: ((jnp.full(1, next(sizes)),), ((jnp.ones(1),),))
    (found,) = populations.grids(KEYS[:3], C, draw, [0.1], points=5)
    assert found.floor >= np.finfo(np.float32).eps * 1e6
    assert found.floor < 1e2 * np.finfo(np.float32).eps * 1e6


def test_a_draw_may_make_a_new_network_for_every_key():
    C, _ = problem()

    def draw(key):
        mine, way = jax.random.split(key)
        return populations.about(network.init(mine, SIZES))(way)

    (found,) = populations.grids(KEYS, C, draw, [1.0], points=3)
    for key, values in zip(KEYS, found.values, strict=True):
        origin, _ = draw(key)
        assert values[1] == pytest.approx(exact(C, origin), rel=1e-6)
    assert len(set(found.values[:, 1].tolist())) == 4


@pytest.mark.parametrize("k", [1, 2, 3])
def test_slices_about_a_network_go_through_it_along_other_ways_for_every_key(k):
    _, params = problem()
    origin, along = populations.about(params, k)(KEYS[0])
    assert origin is params
    assert len(along) == k
    for u in along:
        for d, p in zip(u.w, params.w, strict=True):
            np.testing.assert_allclose(np.linalg.norm(d, axis=1), np.linalg.norm(p, axis=1), rtol=1e-5)
        assert all(np.all(np.asarray(b) == 0) for b in u.b)
    _, others = populations.about(params, k)(KEYS[1])
    ways = [*along, *others]
    for i in range(2 * k):
        for j in range(i):
            assert abs(directions.cosine(ways[i], ways[j])) < 0.6


def test_float64_networks_have_float64_populations(x64):
    C, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), problem())
    (found,) = populations.grids(KEYS, C, populations.about(params), [1.0], points=5, nodes=3, bends=2)
    assert {found.values.dtype, found.at_nodes.dtype, found.hessians.dtype} == {np.dtype(np.float64)}
    assert found.floor < 1e-13


def test_all_slices_are_one_program():
    traces = []

    def f(x, w, b):
        traces.append(x)
        return network.feedforward(x, w, b)

    C, params = problem(f=f)
    populations.grids(KEYS[:1], C, populations.about(params), [1.0], points=5)
    once = len(traces)
    populations.grids(KEYS[1:], C, populations.about(params), [2.0], points=5)
    # the floor compares another number of points a slice, and so is compiled anew; the slices are not
    assert 0 < len(traces) - once < once
    twice = len(traces)
    populations.grids(KEYS[:3], C, populations.about(params), [9.0], points=5)
    assert len(traces) == twice


@pytest.mark.parametrize(
    ("keys", "half_widths"), [(KEYS[:0], [1.0]), (KEYS, []), (KEYS, [0.0, 1.0]), (KEYS, [-1.0]), (KEYS, [np.nan])]
)
def test_a_population_needs_keys_and_positive_half_widths(keys, half_widths):
    C, params = problem()
    with pytest.raises(ValueError, match=f"{len(keys)} keys and half-widths .*expected some keys and positive"):
        populations.grids(keys, C, populations.about(params), half_widths)


def test_memory_that_is_too_little_is_refused():
    C, params = problem()
    with pytest.raises(ValueError, match="memory=100 bytes"):
        populations.grids(KEYS, C, populations.about(params), [1.0], points=5, memory=100)


def test_measured_is_each_slice_measured():
    C, params = problem()
    (found,) = populations.grids(KEYS, C, populations.about(params, 2), [30.0], points=7, nodes=9, bends=4)
    measured = populations.measured(found)
    for i in range(4):
        of_one = bumpiness.measure(
            found.axes, found.values[i], found.floor, at_nodes=found.at_nodes[i], hessians=found.hessians[i]
        )
        np.testing.assert_equal([part[i] for part in measured], list(of_one))
    assert np.isnan(measured.bottoms).all()
    assert populations.measured(found, kinds=[0, 0, 1]).bottoms.tolist() == [2] * 4
    assert np.isnan(populations.measured(found, at_nodes=None).chebyshev).all()
    bare = populations.measured(found._replace(at_nodes=None, hessians=None))
    assert np.isnan([bare.chebyshev, bare.negative_curvature, bare.curvature_ratio]).all()
    np.testing.assert_array_equal(bare.total_variation, measured.total_variation)


# other images


@pytest.fixture(scope="module")
def plane():
    C, params = problem(n=150)
    axis = np.linspace(-1, 1, 9)  # 81 points: more than ROWS
    _, (u, v) = populations.about(params, 2)(KEYS[0])
    return slices.plane(C, params, u, v, axis, axis, per_image=True, per_class=True)


def test_a_bootstrap_is_the_mean_over_images_drawn_with_replacement(plane, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("a network was evaluated")

    for name in ("sweep", "sweeps", "_program"):
        monkeypatch.setattr(sweep, name, never)
    monkeypatch.setattr(cost, "_total", never)
    key, draws = jax.random.key(3), 12
    found = populations.bootstrap(key, plane, draws)
    assert found.values.shape == (draws, 9, 9)
    for one, values in zip(jax.random.split(key, draws), found.values, strict=True):
        chosen = np.asarray(jax.random.randint(one, (150,), 0, 150))
        np.testing.assert_allclose(values, plane.per_image[..., chosen].astype(np.float64).mean(-1), rtol=1e-12)
    assert found.floor == pytest.approx(plane.floor * 2**0.5)
    assert found.axes is plane.axes


def test_its_mean_is_the_slice_and_its_spread_the_standard_error(plane):
    draws = 2000
    values = populations.bootstrap(jax.random.key(4), plane, draws).values
    error = plane.standard_error * np.sqrt(149 / 150)  # the bootstrap divides by n
    assert (np.abs(values.mean(0) - plane.values) < 5 * error / np.sqrt(draws)).all()
    np.testing.assert_allclose(values.std(0), error, rtol=5 / np.sqrt(2 * draws))
    away = (values - plane.values) / error
    assert stats.kstest(away[:, 0, 0], "norm").pvalue > 1e-3  # and normal, for so many images
    together = np.corrcoef(away[:, 4, 4], away[:, 4, 5])[0, 1]
    by_image = plane.per_image.astype(np.float64)
    assert together == pytest.approx(np.corrcoef(by_image[4, 4], by_image[4, 5])[0, 1], abs=0.05)  # one draw a surface


def test_a_bootstrap_of_a_line_and_of_one_image():
    C, params = problem(n=1)
    there = slices.line(C, params, params, [0.0, 1.0, 2.0], per_image=True)
    again = populations.bootstrap(jax.random.key(0), there, 5)
    np.testing.assert_allclose(again.values, [there.values] * 5, rtol=1e-6)


def test_only_the_draws_that_have_an_image_of_infinite_cost_are_unknown():
    costs = np.arange(12, dtype=np.float32).reshape(3, 4)
    costs[1, 2] = np.inf
    there = slices.Slice((np.arange(3.0),), costs.mean(1), 0.0, np.ones(1), np.eye(1), 1, per_image=costs)
    again = populations.bootstrap(jax.random.key(0), there, 2000)
    assert np.isfinite(again.values[:, [0, 2]]).all()
    assert np.isnan(again.values[:, 1]).mean() == pytest.approx(1 - 0.75**4, abs=0.04)  # the image is drawn at all
    without = again.values[~np.isnan(again.values[:, 1])]
    np.testing.assert_allclose(without[:, 1] - without[:, 0], 4)  # the other three images cost 4 more there


def test_classes_are_a_population_of_one_draw_a_class(plane):
    C, _ = problem(n=150)
    found = populations.classes(plane)
    assert found.values.shape == (4, 9, 9)
    label = np.asarray(C.images.y).argmax(1)
    for i, values in enumerate(found.values):
        np.testing.assert_allclose(values, plane.per_image[..., label == i].mean(-1), rtol=1e-5)
    assert found.floor == pytest.approx(2 * plane.floor)
    assert populations.measured(found).minima.shape == (4,)


def test_a_class_without_images_is_left_out():
    C, params = problem()
    C = cost.Cost(C.images[np.asarray(C.images.y).argmax(1) != 2])
    there = slices.line(C, params, params, np.linspace(-1, 1, 7), per_class=True)
    found = populations.classes(there)
    assert np.isnan(found.values[2]).all()
    assert populations.summary(populations.measured(found).total_variation).draws == 3


def test_what_a_slice_has_not_kept_is_named():
    C, params = problem()
    there = slices.line(C, params, params, [0.0, 1.0])
    with pytest.raises(ValueError, match="no per-image costs, expected one made with per_image=True"):
        populations.bootstrap(jax.random.key(0), there, 5)
    with pytest.raises(ValueError, match="no per-class costs, expected one made with per_class=True"):
        populations.classes(there)


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
            way = as64(directions.gaussian(one, params))
            far = np.sqrt(sum(np.sum(leaf**2) for leaf in jax.tree.leaves(way)))
            here = jax.tree.map(lambda p, d, far=far: p + size * length * d / far, here, way)
            assert value == pytest.approx(exact(C, here), rel=1e-5)
    np.testing.assert_array_equal(populations.walks(KEYS, C, params, steps, size), found)
    assert len(set(found[:, 1].tolist())) == 4


def test_each_step_is_as_long_as_it_says_and_the_ways_are_all_directions():
    """A cost that is the squared distance from the start tells where the walk is."""
    start = (jnp.arange(1.0, 31.0), jnp.full((6, 5), 2.0))
    away = lambda x, a, b: jnp.sum((a - start[0]) ** 2) + jnp.sum((b - start[1]) ** 2)
    C = cost.Cost(Images(jnp.ones((2, 1)), jnp.zeros((2, 1))), away, lambda a, y: a)
    length = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in start))
    far = np.sqrt(populations.walks(jax.random.split(jax.random.key(0), 400), C, start, 9, 0.02)) / (0.02 * length)
    np.testing.assert_allclose(far[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(far[:, 1], 1, rtol=1e-5)
    np.testing.assert_allclose((far**2).mean(0), np.arange(10), rtol=0.1)  # at right angles in the mean


# what many draws say


def lists_of(n):
    """Distributions and their medians: skewed, heavy in the tails, bimodal."""
    return {
        "exponential": (lambda random: random.exponential(size=n), np.log(2)),
        "lognormal": (lambda random: random.lognormal(0, 2, size=n), 1.0),
        "cauchy": (lambda random: random.standard_cauchy(size=n), 0.0),
        "bimodal": (
            lambda random: random.normal(np.where(random.uniform(size=n) < 0.7, 0, 9)),
            stats.norm.ppf(0.5 / 0.7),
        ),
    }


@pytest.mark.parametrize("n", [6, 7, 15, 60])
@pytest.mark.parametrize("kind", lists_of(1))
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_the_median_lies_in_the_interval_as_often_as_it_says(n, kind, confidence):
    sample, median = lists_of(n)[kind]
    random = np.random.default_rng(n)
    found = [populations.summary(sample(random), confidence) for _ in range(400)]
    covered = np.mean([one.low <= median <= one.high for one in found])
    assert covered >= confidence - 3 * np.sqrt(confidence * (1 - confidence) / 400)
    assert all(one.low <= one.median <= one.high and one.draws == n for one in found)


# Conover 1999, table A3: which of the rising draws bound the median
@pytest.mark.parametrize(
    ("n", "confidence", "l", "u"),
    [(6, 0.95, 1, 6), (8, 0.95, 1, 8), (9, 0.95, 2, 8), (10, 0.95, 2, 9), (20, 0.95, 6, 15), (25, 0.95, 8, 18),
     (50, 0.95, 18, 33), (100, 0.95, 40, 61), (10, 0.99, 1, 10), (8, 0.99, 1, 8), (5, 0.9, 1, 5), (20, 0.9, 6, 15)],
)  # fmt: skip
def test_the_interval_is_that_of_the_tables_and_the_narrowest(n, confidence, l, u):  # noqa: E741
    draws = np.random.default_rng(0).permutation(np.arange(1.0, n + 1))
    found = populations.summary(draws, confidence)
    assert (found.low, found.high) == (l, u)
    inside = lambda l: sum(math.comb(n, i) for i in range(l, n - l + 1)) / 2**n  # noqa: E741
    assert inside(l) >= confidence > inside(l + 1)


@pytest.mark.parametrize(("n", "confidence"), [(1, 0.95), (2, 0.95), (5, 0.95), (7, 0.99), (4, 0.9)])
def test_too_few_draws_tell_no_interval(n, confidence):
    found = populations.summary(np.arange(float(n)), confidence)
    assert (found.low, found.high, found.draws) == (-math.inf, math.inf, n)
    assert found.median == (n - 1) / 2


def test_a_twentieth_lies_beyond_each_end():
    found = populations.summary(np.random.default_rng(0).permutation(10_000.0 - np.arange(10_000)))
    assert found.lower == pytest.approx(500, abs=2)
    assert found.upper == pytest.approx(9500, abs=2)
    for n in (1, 3, 30):
        found = populations.summary(np.arange(float(n)))
        assert 0 <= found.lower <= found.median <= found.upper <= n - 1


def test_what_is_unknown_is_left_out():
    assert populations.summary([np.nan, *np.arange(10.0), np.nan]) == populations.summary(np.arange(10.0))
    nothing = populations.summary([np.nan, np.nan])
    assert nothing.draws == 0
    assert np.isnan(nothing[:-1]).all()


def test_infinite_draws_count_as_large():
    found = populations.summary([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, np.inf, np.inf, np.inf])
    assert (found.median, found.low, found.high, found.lower, found.upper) == (5.5, 2, np.inf, 1, np.inf)
    found = populations.summary(np.full(8, np.inf))
    assert (found.median, found.low, found.high) == (np.inf, np.inf, np.inf)


def test_order_and_units_change_nothing_else():
    draws = np.random.default_rng(0).lognormal(size=41)
    found = populations.summary(draws)
    assert populations.summary(draws[::-1]) == found
    np.testing.assert_allclose(populations.summary(3 * draws + 1)[:-1], 3 * np.array(found[:-1]) + 1)


def test_measures_have_measures_of_summaries():
    random = np.random.default_rng(0)
    measures = bumpiness.Measures(*random.normal(size=(len(bumpiness.Measures._fields), 30)))
    found = populations.summary(measures, 0.8)
    assert type(found) is bumpiness.Measures
    for name in bumpiness.Measures._fields:
        assert getattr(found, name) == populations.summary(getattr(measures, name), 0.8)


def test_a_summary_says_itself_in_one_line():
    assert str(populations.summary(np.arange(1.0, 11.0))) == "5.5 (2 to 9, 10 draws)"


def test_half_the_width_takes_four_times_the_draws():
    draws = np.random.default_rng(0).lognormal(size=200)
    found = populations.summary(draws)
    width = found.high - found.low
    assert populations.draws_for(width, draws) == 200
    for part in (2, 3, 10):
        assert populations.draws_for(width / part, draws) == pytest.approx(200 * part**2, abs=1)
    assert populations.draws_for(1e9, draws) == 1
    assert populations.draws_for(width, draws, confidence=0.99) > 200 > populations.draws_for(width, draws, 0.5)


def test_so_many_draws_have_such_an_interval():
    random = np.random.default_rng(1)
    wanted = 0.2
    n = populations.draws_for(wanted, random.exponential(size=400))
    widths = [(one := populations.summary(random.exponential(size=n))).high - one.low for _ in range(200)]
    assert np.median(widths) == pytest.approx(wanted, rel=0.25)


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ValueError, match=f"width={width} and 10 draws, expected a positive width"):
        populations.draws_for(width, np.arange(10.0))


@pytest.mark.parametrize("draws", [np.arange(5.0), np.full(20, np.nan), [1, 2, 3, 4, 5, 6, *[np.inf] * 6]])
def test_draws_that_tell_no_interval_tell_no_number(draws):
    with pytest.raises(ValueError, match="expected a positive width and more draws"):
        populations.draws_for(1.0, draws)
