"""Minima and their tree against an independent flood, bowls without bumps, and all measures of known surfaces."""

import re

import numpy as np
import pytest
from scipy import ndimage, special

from jaxcost.measures import bumpiness, frequency, roughness, variation


def grid(n=41, half=1.0):
    axis = np.linspace(-half, half, n)
    return np.meshgrid(axis, axis, indexing="ij")


def flooded(values):
    """Depths by definition: at each level, the pools that do not touch the edge, found by labelling."""
    values = np.asarray(values, float)
    around = np.ones((3,) * values.ndim)
    inside = tuple(slice(1, -1) for _ in values.shape)
    edge = np.ones(values.shape, bool)
    edge[inside] = False
    edge |= np.isnan(values)
    levels = np.unique(values[np.isfinite(values)])
    depths = {}
    alive = {}  # birth point of each pool that is alive
    for level in levels:
        wet = (values <= level) | np.isnan(values)
        labels, count = ndimage.label(wet, around)
        open_ = set(labels[edge & wet])
        pools = {}
        for pool in range(1, count + 1):
            members = [i for i in alive if labels[np.unravel_index(i, values.shape)] == pool]
            if pool in open_:
                for i in members:
                    depths[i] = level - alive.pop(i)
                continue
            if not members:
                lowest = np.flatnonzero((labels == pool).ravel())[0]
                alive[lowest] = level
                continue
            oldest = min(members, key=lambda i: (alive[i], i))
            for i in members:
                if i != oldest:
                    depths[i] = level - alive.pop(i)
            pools[pool] = oldest
    return {i: depth for i, depth in depths.items() if depth > 0}


@pytest.mark.parametrize("shape", [(30,), (9, 14), (5, 6, 4)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", [False, True])
def test_depths_are_those_of_a_flood(shape, seed, ties):
    values = np.random.default_rng(seed).normal(size=shape)
    if ties:
        values = np.round(2 * values) / 2
    found = bumpiness.local_minima(values)
    expected = flooded(values)
    places = [int(np.ravel_multi_index(i, shape)) for i in found.indices]
    assert dict(zip(places, found.depths, strict=True)) == pytest.approx(expected)
    assert list(found.depths) == sorted(found.depths, reverse=True)


def test_a_bowl_has_one_minimum_as_deep_as_its_lowest_rim():
    x, y = grid()
    found = bumpiness.local_minima((x - 0.1) ** 2 + 2 * y**2)
    assert found.indices.tolist() == [[22, 20]]
    assert found.deepest == pytest.approx(0.9**2)


def test_a_slope_a_saddle_a_hill_and_a_plain_have_none():
    x, y = grid()
    for values in (x + 2 * y, x * y, -(x**2) - y**2, np.zeros_like(x), np.arange(9.0), np.ones((1, 1))):
        assert bumpiness.local_minima(values).count == 0


def test_cosines_have_as_many_minima_as_periods_all_equally_deep():
    x, y = grid(81, 2.0)  # four periods a side
    found = bumpiness.local_minima(-np.cos(2 * np.pi * x) - np.cos(2 * np.pi * y))
    assert found.count == 9  # 3 by 3: those at -2 and 2 lie on the edge
    # water leaves over the pass at height 0 between two of them
    np.testing.assert_allclose(found.depths, 2, atol=1e-12)


def test_the_shallower_of_two_wells_dies_at_the_pass_and_the_floor_is_strict():
    values = np.array([5.0, 0.0, 3.0, 1.0, 6.0])
    assert bumpiness.local_minima(values).depths.tolist() == [5.0, 2.0]
    assert bumpiness.local_minima(values, floor=2.0).indices.tolist() == [[1]]
    assert bumpiness.local_minima(values, floor=1.999).count == 2
    assert bumpiness.local_minima(values, floor=2.0).floor == 2.0


def test_a_flat_bottom_is_one_minimum_and_one_open_to_the_edge_is_none():
    values = np.full((6, 6), 1.0)
    values[2:4, 2:4] = 0
    assert bumpiness.local_minima(values).indices.tolist() == [[2, 2]]
    values[3, 3:] = 0
    assert bumpiness.local_minima(values).count == 0
    values[3, 5] = 0.5  # a sill: half the depth
    assert bumpiness.local_minima(values).depths.tolist() == [0.5]


def test_noise_on_a_slope_to_the_edge_makes_no_minimum_above_the_noise():
    x, y = grid(101)
    noise = np.random.default_rng(0).uniform(-1, 1, x.shape) * 1e-3
    assert bumpiness.local_minima(0.01 * (x + y) + noise).count > 0
    assert bumpiness.local_minima(0.01 * (x + y) + noise, floor=2e-3).count == 0


def test_counts_do_not_depend_on_orientation_or_units():
    values = np.random.default_rng(1).normal(size=(12, 17))
    depths = bumpiness.local_minima(values, 0.3).depths
    for turned in (values.T, values[::-1], values[:, ::-1], np.rot90(values)):
        np.testing.assert_allclose(bumpiness.local_minima(turned, 0.3).depths, depths)
    np.testing.assert_allclose(bumpiness.local_minima(7 * values + 3, 2.1).depths, 7 * depths)


def test_nothing_is_counted_beside_the_unknown_and_infinity_is_a_wall():
    values = np.array([4.0, 1.0, 2.0, 0.0, np.nan, 5.0, 1.0, np.inf, 0.0, np.inf, 2.0, 1.5, 9.0])
    found = bumpiness.local_minima(values)
    assert dict(zip(found.indices[:, 0].tolist(), found.depths.tolist(), strict=True)) == {
        1: 1.0, 6: 4.0, 8: np.inf, 11: 7.5,
    }  # fmt: skip


@pytest.mark.parametrize("floor", [-1.0, np.nan])
def test_a_floor_that_is_none_is_refused(floor):
    message = f"^floor={floor}, expected a number that is not negative$"
    with pytest.raises(ValueError, match=message):
        bumpiness.local_minima(np.zeros((3, 3)), floor)
    with pytest.raises(ValueError, match=message):
        bumpiness.measure((np.arange(3.0),), np.zeros(3), floor)


def rugged(shape, seed, kind):
    """Random values: all different, with ties, or with unknown points and walls."""
    draws = np.random.default_rng(seed)
    values = draws.normal(size=shape)
    if kind == "ties":
        values = np.round(2 * values) / 2
    if kind == "unknown":
        values[draws.random(shape) < 0.04] = np.nan
        values[draws.random(shape) < 0.02] = -np.inf
        values[draws.random(shape) < 0.1] = np.inf
    return values


def pool(order, level, at):
    """The pool around a point when all below a level is under water, and whether it is open; `order` is -1 outside."""
    labels, _ = ndimage.label(np.pad(order < level, 1, constant_values=True), np.ones((3,) * order.ndim))
    outside = np.pad(order < 0, 1, constant_values=True)
    label = labels[tuple(np.add(at, 1))]
    inside = (slice(1, -1),) * order.ndim
    return (labels == label)[inside], label in labels[outside]


@pytest.mark.parametrize("shape", [(60,), (11, 14), (8, 9, 7)])
@pytest.mark.parametrize("kind", ["different", "ties", "unknown"])
@pytest.mark.parametrize("floor", [0.0, 0.6])
@pytest.mark.parametrize("seed", range(3))
def test_the_tree_is_that_of_a_flood_stopped_at_each_pass(shape, kind, floor, seed):
    values = rugged(shape, seed, kind)
    found = bumpiness.local_minima(values, floor)
    # ties: an earlier point is lower; what is unknown lies outside
    order = np.argsort(np.argsort(values, axis=None, kind="stable")).reshape(shape)
    order[np.isnan(values) | np.isneginf(values)] = -1
    at = [tuple(i) for i in found.indices]
    inside = {i: {i} for i in range(found.count)}  # each with all that run over into it
    for i in reversed(range(found.count)):
        for j in range(found.count):
            if found.parents[j] == i:
                inside[i] |= inside[j]
    for i, over in enumerate(map(tuple, found.passes)):
        assert values[over] == pytest.approx(values[at[i]] + found.depths[i])
        assert found.basins[at[i]] == i
        water, is_open = pool(order, order[over], at[i])
        assert not is_open
        assert order[at[i]] == order[water].min()
        np.testing.assert_array_equal(np.isin(found.basins, list(inside[i])), water)
        beyond, is_open = pool(order, order[over] + 1, at[i])
        if is_open:
            assert found.parents[i] == -1
        else:
            assert at[found.parents[i]] == np.unravel_index(np.where(beyond, order, order.size).argmin(), shape)
    assert found.count > 2 or floor or kind == "unknown"


@pytest.mark.parametrize("shape", [(60,), (11, 14), (8, 9, 7)])
@pytest.mark.parametrize("seed", range(3))
def test_parents_are_lower_and_deeper_and_what_runs_off_the_edge_belongs_to_it(shape, seed):
    values = rugged(shape, seed, "different")
    found = bumpiness.local_minima(values, 0.2)
    lowest = values[tuple(found.indices.T)]
    for i, parent in enumerate(found.parents):
        assert -1 <= parent < i  # a forest, its roots before its leaves
        if parent >= 0:
            assert lowest[parent] < lowest[i]
            assert found.depths[parent] > found.depths[i]
        assert lowest[i] == values[found.basins == i].min()
    edge = np.ones(shape, bool)
    edge[(slice(1, -1),) * len(shape)] = False
    assert (found.basins[edge] == -1).all()
    assert found.basins.shape == shape


def test_the_tree_of_a_line_in_full():
    values = np.array([9.0, 0.0, 5.0, 2.0, 3.0, 1.0, 6.0, 4.0, 7.0])
    found = bumpiness.local_minima(values)
    assert found.indices[:, 0].tolist() == [1, 5, 7, 3]
    assert found.depths.tolist() == [7, 4, 2, 1]  # the edge is reached at 7; what lies beyond it is not known
    assert found.parents.tolist() == [-1, 0, 0, 1]
    assert found.passes[:, 0].tolist() == [8, 2, 6, 4]
    assert found.basins.tolist() == [-1, 0, 0, 3, 1, 1, 0, 2, -1]
    above = bumpiness.local_minima(values, 1.0)
    assert above.basins.tolist() == [-1, 0, 0, 1, 1, 1, 0, 2, -1]


@pytest.mark.parametrize("shape", [(80,), (12, 17), (8, 9, 7)])
@pytest.mark.parametrize("kind", ["different", "ties", "unknown"])
@pytest.mark.parametrize("low", [0.0, 0.3])
@pytest.mark.parametrize("high", [0.5, 1.0, 1e9])
def test_choosing_the_deeper_minima_is_raising_the_floor(shape, kind, low, high):
    values = rugged(shape, 7, kind)
    found = bumpiness.local_minima(values, low)
    above = bumpiness.local_minima(values, high)
    for which in (found.depths > high, np.flatnonzero(found.depths > high)):
        chosen = found.chosen(which)
        for name in ("indices", "depths", "parents", "passes", "basins"):
            np.testing.assert_array_equal(getattr(chosen, name), getattr(above, name))
            assert getattr(chosen, name).shape == getattr(above, name).shape
        assert chosen.floor == low


def test_basins_of_those_not_chosen_fall_to_those_they_run_over_into():
    values = np.array([9.0, 0.0, 5.0, 2.0, 3.0, 1.0, 6.0, 4.0, 7.0])
    found = bumpiness.local_minima(values)  # 3 runs over into 1, 1 and 2 into 0, 0 over the edge
    without_1 = found.chosen(np.array([True, False, True, True]))
    assert without_1.parents.tolist() == [-1, 0, 0]
    assert without_1.basins.tolist() == [-1, 0, 0, 2, 0, 0, 0, 1, -1]
    without_0 = found.chosen([3, 1])  # in that order
    assert without_0.indices[:, 0].tolist() == [3, 5]
    assert without_0.depths.tolist() == [1, 4]
    assert without_0.passes[:, 0].tolist() == [4, 2]
    assert without_0.parents.tolist() == [1, -1]
    assert without_0.basins.tolist() == [-1, -1, -1, 0, 1, 1, -1, -1, -1]
    none = found.chosen(np.zeros(4, bool))
    assert none.count == none.deepest == 0
    assert (none.basins == -1).all()
    assert none.indices.shape == none.passes.shape == (0, 1)


def test_noise_below_the_floor_moves_no_count_and_no_depth_by_more_than_the_floor():
    x, y = grid(121)
    values, floor = np.cos(7 * x) + np.cos(5 * y) + 0.1 * x - 0.07 * y, 0.1
    clean = bumpiness.local_minima(values, floor)
    noise = np.random.default_rng(0).uniform(-floor / 2, floor / 2, values.shape)
    found = bumpiness.local_minima(values + noise, floor)
    assert bumpiness.local_minima(values + noise).count > 2 * clean.count
    assert found.count == clean.count == 4
    np.testing.assert_allclose(found.depths, clean.depths, atol=floor)


def ends(values, axis):
    """The first and the last of each line along an axis."""
    return values.take(0, axis), values.take(-1, axis)


@pytest.mark.parametrize("k", [1, 2])
def test_a_bowl_comes_out_as_a_bowl(k):
    draws, counts = np.random.default_rng(k), []
    points = {1: (101,), 2: (21, 24)}[k]
    # where |H_jk| <= H_jj, per cell, the eight around a point hold all its Voronoi neighbours in the metric of H
    # (Selling): one lower than they is the lowest of all. Valleys more askew than that seem to have more.
    axes = [np.linspace(-1, 1, n) for n in points]
    s = np.stack(np.meshgrid(*axes, indexing="ij"), -1)
    for _ in range(60):
        hessian = np.diag(10.0 ** draws.uniform(-2, 2, k) / [1, 10 ** draws.uniform(0, 1)][:k])
        cell = 2 / (np.array(points) - 1)
        askew = draws.uniform(-1, 1) * np.min(np.diag(hessian) * cell**2) / np.prod(cell)
        if k == 2:
            hessian[0, 1] = hessian[1, 0] = askew
        away = s - draws.uniform(-1.3, 1.3, k)
        exact = 10 ** draws.uniform(-1, 2) + np.einsum("...i,ij,...j->...", away, hessian, away) / 2
        rounded = exact.astype(np.float32)
        floor = 4 * np.finfo(np.float32).eps * np.abs(exact).max()
        found = bumpiness.measure(axes, rounded, floor)
        counts.append(found.minima)
        assert found.minima <= 1
        assert found.bowl == 1 or (np.isnan(found.bowl) and np.ptp(exact) < 2 * floor)
        own = [2 * np.mean(np.minimum(*ends(exact, axis)) - exact.min(axis)) for axis in range(k)]
        assert abs(found.excess_variation - np.mean(own)) <= 2 * floor  # twice its lesser side, and no more
        lowest = exact.min() if found.minima else np.inf
        assert found.depth <= max(0, np.min([np.min(ends(exact, axis)) for axis in range(k)]) - lowest) + floor
    assert 12 < sum(counts) < 60  # some have their bottom beyond the edge


def test_all_measures_of_a_wave_on_a_line():
    x = np.linspace(-2, 2, 2001)
    k = 1.5 * np.pi  # three half-waves each half-width of 2
    nodes = 2 * frequency.chebyshev_nodes(65)
    found = bumpiness.measure(
        (x,),
        np.cos(k * x),
        1e-9,
        at_nodes=np.cos(k * nodes),
        hessians=-(k**2) * np.cos(k * x)[:, None, None],
        kinds=[1, 0, 1, 0, 1],
    )
    assert not np.isnan(found).any()
    assert (found.minima, found.bottoms, found.saddles, found.tops) == (2, 2, 0, 3)
    assert found.depth == pytest.approx(2, rel=1e-5)
    assert found.total_variation == found.excess_variation == pytest.approx(12, rel=1e-4)
    assert found.roughness == pytest.approx((2 * k) ** 2 / np.sqrt(2), rel=1e-2)  # in half-widths
    assert found.relative_roughness == pytest.approx((2 * k) ** 2, rel=1e-2)
    assert found.negative_curvature == pytest.approx(1 / 2, abs=1e-3)
    assert found.curvature_ratio == pytest.approx(1)
    assert found.frequency == pytest.approx(1.5, rel=0.1)  # waves a half-width
    assert 0.1 < found.correlation_length < np.arccos(np.exp(-1)) / (2 * k)
    bessel = 2 * np.abs(special.jv(np.arange(0, 60, 2), 3 * np.pi))  # cos z x = J_0 + 2 sum (-1)^n J_2n(z) T_2n
    assert found.chebyshev == 2 * np.flatnonzero(np.cumsum(bessel[::-1])[::-1] > 1e-3 * 2)[-1] + 1
    assert 0 < found.information < 0.2
    assert found.bowl == pytest.approx(roughness.bowl((x,), np.cos(k * x)))


def test_all_measures_of_waves_on_a_plane():
    x, y = np.linspace(-1, 1, 121), np.linspace(-3, 3, 91)
    f, g = lambda x: np.cos(3 * np.pi * x), lambda y: np.cos(np.pi * y)  # both three half-waves a half-width
    values = f(x)[:, None] + g(y)
    hessians = np.zeros((121, 91, 2, 2))
    hessians[..., 0, 0] = (-9 * np.pi**2 * f(x))[:, None]
    hessians[..., 1, 1] = -(np.pi**2) * g(y)
    nodes = frequency.chebyshev_nodes(65)
    kinds = [0] * 4 + [1] * 4 + [2]  # within half a wave of the middle
    at_nodes = f(nodes)[:, None] + g(3 * nodes)
    found = bumpiness.measure((x, y), values, 1e-9, at_nodes=at_nodes, hessians=hessians, kinds=kinds)
    assert not np.isnan(found).any()
    assert all(isinstance(number, float) for number in found)
    assert (found.minima, found.bottoms, found.saddles, found.tops) == (4, 4, 4, 1)
    assert found.depth == pytest.approx(2, rel=1e-2)
    assert found.total_variation == found.excess_variation == pytest.approx(12, rel=1e-2)
    assert found.roughness == pytest.approx(9 * np.pi**2, rel=0.05)
    assert found.relative_roughness == pytest.approx(found.roughness / np.std(values))
    assert found.negative_curvature == pytest.approx(3 / 4, abs=0.01)  # not where both bend up
    assert found.curvature_ratio == pytest.approx(1)
    assert found.frequency == pytest.approx(1.5, rel=0.1)
    assert found.bowl < 0.1
    line = bumpiness.measure((x,), f(x), 1e-9, at_nodes=f(nodes))
    assert found.information == pytest.approx(line.information, rel=0.3)
    assert found.chebyshev == pytest.approx(line.chebyshev, abs=2)
    turned = bumpiness.measure((y, x), values.T, 1e-9, at_nodes=at_nodes.T, hessians=hessians[..., ::-1, ::-1])
    np.testing.assert_allclose(turned[:13], found[:13])


def test_measure_is_each_of_its_measures():
    axes = (np.linspace(-3, 3, 31), np.linspace(0, 1, 21))
    values, floor = np.random.default_rng(0).normal(size=(31, 21)).cumsum(0), 0.7
    nodes = frequency.chebyshev_nodes(33)
    at_nodes = 20 * np.cos(5 * nodes)[:, None] + np.random.default_rng(1).normal(size=(33, 25)) * floor / 8
    found = bumpiness.measure(axes, values, floor, at_nodes=at_nodes)
    minima = bumpiness.local_minima(values, floor)
    assert (found.minima, found.depth) == (minima.count, minima.deepest)
    assert found.total_variation == variation.total_variation(values, floor)
    assert found.excess_variation == variation.excess_variation(values, floor)
    assert found.information == variation.information(values, floor)
    assert found.roughness == roughness.roughness(axes, values, floor)
    assert found.relative_roughness == pytest.approx(found.roughness / np.std(values))
    assert found.chebyshev == frequency.chebyshev_number(at_nodes, floor=floor) < frequency.chebyshev_number(at_nodes)
    assert found.bowl == roughness.bowl(axes, values, floor)
    assert found.correlation_length == pytest.approx(
        np.mean(frequency.correlation_length(values, [2 / 30, 2 / 20], floor))
    )
    assert found.frequency == frequency.mean_frequency(values, [2 / 30, 2 / 20], floor)


GIVEN = ("chebyshev", "negative_curvature", "curvature_ratio", "bottoms", "saddles", "tops")


def test_measures_of_what_was_not_given_are_unknown():
    x = np.linspace(-1, 1, 31)
    found = bumpiness.measure((x,), np.cos(9 * x))
    assert {name for name, value in found._asdict().items() if np.isnan(value)} == set(GIVEN)
    with_kinds = bumpiness.measure((x,), np.cos(9 * x), kinds=np.zeros(0, int))
    assert with_kinds[-3:] == (0, 0, 0)
    unresolved = bumpiness.measure((x,), np.cos(9 * x), at_nodes=[1.0, np.nan, 2.0])
    assert np.isnan(unresolved.chebyshev)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_beside_the_unknown_only_minima_curvature_and_critical_points_are_told(bad):
    x = np.linspace(-1, 1, 31)
    values = x**2
    values[3] = bad
    hessians = np.full((31, 1, 1), 2.0)
    hessians[3] = np.nan
    found = bumpiness.measure((x,), values, at_nodes=[0.5, 0.0, 0.5, 0.1], hessians=hessians, kinds=[0])
    known = {name for name, value in found._asdict().items() if not np.isnan(value)}
    assert known == {"minima", "depth", *GIVEN}
    assert (found.minima, found.negative_curvature, found.bottoms) == (2 if bad == np.inf else 1, 0, 1)  # a wall


@pytest.mark.parametrize("shape", [(41,), (11, 14), (5, 6, 7)])
def test_within_the_floor_there_is_neither_bump_nor_length_nor_share(shape):
    axes = [np.linspace(-1, 1, n) for n in shape]
    noise = np.random.default_rng(0).uniform(0, 1e-3, shape)
    for values, floor in ((noise, 1e-3), (np.full(shape, 0.5), 0.0)):
        found = bumpiness.measure(axes, values, floor)
        assert found[:5] == (0, 0, 0, 0, 0)
        assert found.information == 0
        for unknown in (found.relative_roughness, found.bowl, found.correlation_length, found.frequency):
            assert np.isnan(unknown)


def test_an_axis_of_noise_alone_tells_neither_length_nor_frequency():
    x, y = np.linspace(-1, 1, 61), np.linspace(-1, 1, 41)
    noise, floor = np.random.default_rng(0).uniform(-5e-4, 5e-4, (61, 41)), 1e-3
    found = bumpiness.measure((x, y), np.cos(7 * x)[:, None] + noise, floor)
    line = bumpiness.measure((x,), np.cos(7 * x), floor)
    assert found.correlation_length == pytest.approx(line.correlation_length, rel=1e-2)
    assert found.frequency == pytest.approx(line.frequency, rel=1e-2)
    slope = bumpiness.measure((x, y), 6e-4 * (x[:, None] / 2 + y / 2), 1e-3)  # each line within the floor
    assert np.isnan((slope.correlation_length, slope.frequency)).all()
    slope = bumpiness.measure((x, y), 4e-4 * (x[:, None] + y), 1e-3)  # the slice is not
    assert slope.relative_roughness == 0
    assert np.isnan((slope.correlation_length, slope.frequency)).all()


def test_measures_do_not_depend_on_units_or_on_the_size_of_the_slice():
    draws = np.random.default_rng(3)
    axes, values = (np.linspace(-1, 1, 25),) * 2, draws.normal(size=(25, 25)).cumsum(0).cumsum(1)
    found = bumpiness.measure(axes, values, 0.5)._asdict()
    wider = bumpiness.measure([1e4 * axis for axis in axes], values, 0.5)._asdict()
    np.testing.assert_allclose(list(wider.values()), list(found.values()))
    dearer = bumpiness.measure(axes, 7 * values + 5, 3.5)._asdict()
    for name in ("depth", "total_variation", "excess_variation", "roughness"):
        found[name] *= 7
    np.testing.assert_allclose(list(dearer.values()), list(found.values()))


@pytest.mark.parametrize(
    ("axes", "values", "message"),
    [
        (
            ([0.0, 1.0, 2.0],),
            np.zeros((3, 3)),
            "axes of the lengths (3,) and values of shape (3, 3), expected them alike",
        ),
        (([0.0, 1.0],), np.zeros(2), "an axis of 2 points, spaced [1.], expected 3 or more, even"),
        (([0.0, 1.0, 3.0],), np.zeros(3), "an axis of 3 points, spaced [1. 2.], expected 3 or more, even"),
    ],
)
def test_axes_that_do_not_do_are_refused(axes, values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        bumpiness.measure(axes, values)
