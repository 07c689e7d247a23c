"""Measures on functions whose answer is known in closed form, and against an independent flood."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from jaxcost import bumpiness


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


def test_chosen_keeps_the_floor():
    found = bumpiness.local_minima(np.array([5.0, 0.0, 3.0, 1.0, 6.0]), 0.1)
    assert found.chosen(np.array([False, True])).indices.tolist() == [[3]]
    assert found.chosen(np.array([False, True])).floor == 0.1
    assert found.chosen(np.zeros(2, bool)).deepest == 0


@pytest.mark.parametrize("floor", [-1.0, np.nan])
def test_a_floor_that_is_none_is_refused(floor):
    with pytest.raises(ValueError, match="floor="):
        bumpiness.local_minima(np.zeros((3, 3)), floor)
    with pytest.raises(ValueError, match="floor="):
        bumpiness.total_variation(np.zeros(3), floor)


def test_variation_of_known_lines():
    x = np.linspace(0, 1, 4001)
    assert bumpiness.total_variation(np.sin(2 * np.pi * 3 * x)) == pytest.approx(12, rel=1e-5)
    assert bumpiness.excess_variation(np.sin(2 * np.pi * 3 * x)) == pytest.approx(12, rel=1e-5)
    assert bumpiness.excess_variation(np.exp(3 * x)) == 0
    assert bumpiness.excess_variation(-(x**3)) == 0
    assert bumpiness.excess_variation((x - 0.25) ** 2) == pytest.approx(2 * 0.25**2, rel=1e-6)
    assert bumpiness.total_variation(np.array([7.0])) == 0


@pytest.mark.parametrize("seed", range(5))
def test_without_a_floor_variation_is_the_sum_of_the_steps(seed):
    values = np.random.default_rng(seed).normal(size=50)
    steps = sum(abs(b - a) for a, b in itertools.pairwise(values.tolist()))
    assert bumpiness.total_variation(values) == pytest.approx(steps)
    assert bumpiness.excess_variation(values) == pytest.approx(steps - abs(values[-1] - values[0]))


def test_noise_below_the_floor_adds_no_variation():
    x = np.linspace(0, 1, 1001)
    noise = np.random.default_rng(0).uniform(-1e-3, 1e-3, x.shape)
    for rising in (x, -x):
        assert bumpiness.excess_variation(rising + noise) > 0.05
        assert bumpiness.excess_variation(rising + noise, floor=2e-3) == 0
        assert bumpiness.total_variation(rising + noise, floor=2e-3) == pytest.approx(1, abs=4e-3)
    wave = np.sin(2 * np.pi * x)
    assert bumpiness.total_variation(wave + noise, 2e-3) == pytest.approx(4, abs=0.02)
    assert bumpiness.total_variation(noise, 2.1e-3) == 0


@pytest.mark.parametrize("values", [np.zeros((2, 2)), np.array([]), np.array([1.0, np.nan])])
def test_variation_is_of_one_finite_line(values):
    with pytest.raises(ValueError, match="expected one line of finite numbers"):
        bumpiness.excess_variation(values)
