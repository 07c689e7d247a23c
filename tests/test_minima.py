"""Minima and their tree against an independent flood."""

import numpy as np
import pytest
from scipy import ndimage

from jaxcost.measures import minima


def grid(n=41, half=1.0):
    axis = np.linspace(-half, half, n)
    return np.meshgrid(axis, axis, indexing="ij")


def flooded(values, wall=False):
    """Depths by definition: at each level, the pools that do not touch the edge, found by labelling."""
    values = np.asarray(values, float)
    around = np.ones((3,) * values.ndim)
    inside = tuple(slice(1, -1) for _ in values.shape)
    edge = np.full(values.shape, not wall)
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
    depths |= dict.fromkeys(alive, np.inf)
    return {i: depth for i, depth in depths.items() if depth > 0}


@pytest.mark.parametrize("shape", [(30,), (9, 14), (5, 6, 4)])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("ties", "wall"), [(False, False), (True, False), (True, True)])
def test_depths_are_those_of_a_flood(shape, seed, ties, wall):
    values = np.random.default_rng(seed).normal(size=shape)
    if ties:
        values = np.round(2 * values) / 2
    found = minima.local_minima(values, edge="wall" if wall else "open")
    expected = flooded(values, wall)
    flat = [int(np.ravel_multi_index(i, shape)) for i in found.indices]
    assert dict(zip(flat, found.depths, strict=True)) == pytest.approx(expected)
    assert list(found.depths) == sorted(found.depths, reverse=True)


def test_a_bowl_has_one_minimum_as_deep_as_its_lowest_rim():
    x, y = grid()
    found = minima.local_minima((x - 0.1) ** 2 + 2 * y**2)
    assert found.indices.tolist() == [[22, 20]]
    assert found.deepest == pytest.approx(0.9**2)


def test_a_slope_a_saddle_a_hill_and_a_plain_have_none():
    x, y = grid()
    for values in (x + 2 * y, x * y, -(x**2) - y**2, np.zeros_like(x), np.arange(9.0), np.ones((1, 1))):
        assert minima.local_minima(values).count == 0


def test_cosines_have_as_many_minima_as_periods_all_equally_deep():
    x, y = grid(81, 2.0)  # four periods a side
    found = minima.local_minima(-np.cos(2 * np.pi * x) - np.cos(2 * np.pi * y))
    assert found.count == 9  # 3 by 3: those at -2 and 2 lie on the edge
    # water leaves over the pass at height 0 between two of them
    np.testing.assert_allclose(found.depths, 2, atol=1e-12)


def test_the_shallower_of_two_wells_dies_at_the_pass_and_the_floor_is_strict():
    values = np.array([5.0, 0.0, 3.0, 1.0, 6.0])
    assert minima.local_minima(values).depths.tolist() == [5.0, 2.0]
    assert minima.local_minima(values, floor=2.0).indices.tolist() == [[1]]
    assert minima.local_minima(values, floor=1.999).count == 2
    assert minima.local_minima(values, floor=2.0).floor == 2.0


def test_a_flat_bottom_is_one_minimum_and_one_open_to_the_edge_is_none():
    values = np.full((6, 6), 1.0)
    values[2:4, 2:4] = 0
    assert minima.local_minima(values).indices.tolist() == [[2, 2]]
    values[3, 3:] = 0
    assert minima.local_minima(values).count == 0
    values[3, 5] = 0.5  # a sill: half the depth
    assert minima.local_minima(values).depths.tolist() == [0.5]


def test_noise_on_a_slope_to_the_edge_makes_no_minimum_above_the_noise():
    x, y = grid(101)
    noise = np.random.default_rng(0).uniform(-1, 1, x.shape) * 1e-3
    assert minima.local_minima(0.01 * (x + y) + noise).count > 0
    assert minima.local_minima(0.01 * (x + y) + noise, floor=2e-3).count == 0


def test_counts_do_not_depend_on_orientation_or_units():
    values = np.random.default_rng(1).normal(size=(12, 17))
    depths = minima.local_minima(values, 0.3).depths
    for turned in (values.T, values[::-1], values[:, ::-1], np.rot90(values)):
        np.testing.assert_allclose(minima.local_minima(turned, 0.3).depths, depths)
    np.testing.assert_allclose(minima.local_minima(7 * values + 3, 2.1).depths, 7 * depths)


def test_nothing_is_counted_beside_the_unknown_and_infinity_is_unknown():
    values = np.array([4.0, 1.0, 2.0, 0.0, np.nan, 5.0, 1.0, np.inf, 0.0, np.inf, 2.0, 1.5, 9.0])
    found = minima.local_minima(values)
    assert dict(zip(found.indices[:, 0].tolist(), found.depths.tolist(), strict=True)) == {
        1: 1.0, 11: 0.5,
    }  # fmt: skip


@pytest.mark.parametrize("floor", [-1.0, np.nan])
def test_a_floor_that_is_none_is_refused(floor):
    with pytest.raises(ValueError, match=f"^floor={floor}, expected a number in"):
        minima.local_minima(np.zeros((3, 3)), floor)


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
    found = minima.local_minima(values, floor)
    # ties: an earlier point is lower; what is unknown lies outside
    order = np.argsort(np.argsort(values, axis=None, kind="stable")).reshape(shape)
    order[~np.isfinite(values)] = -1
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
    found = minima.local_minima(values, 0.2)
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
    found = minima.local_minima(values)
    assert found.indices[:, 0].tolist() == [1, 5, 7, 3]
    assert found.depths.tolist() == [7, 4, 2, 1]  # the edge is reached at 7; what lies beyond it is not known
    assert found.parents.tolist() == [-1, 0, 0, 1]
    assert found.passes[:, 0].tolist() == [8, 2, 6, 4]
    assert found.basins.tolist() == [-1, 0, 0, 3, 1, 1, 0, 2, -1]
    above = minima.local_minima(values, 1.0)
    assert above.basins.tolist() == [-1, 0, 0, 1, 1, 1, 0, 2, -1]


@pytest.mark.parametrize("shape", [(80,), (12, 17), (8, 9, 7)])
@pytest.mark.parametrize("kind", ["different", "ties", "unknown"])
@pytest.mark.parametrize("low", [0.0, 0.3])
@pytest.mark.parametrize("high", [0.5, 1.0, 1e9])
def test_choosing_the_deeper_minima_is_raising_the_floor(shape, kind, low, high):
    values = rugged(shape, 7, kind)
    found = minima.local_minima(values, low)
    above = minima.local_minima(values, high)
    for which in (found.depths > high, np.flatnonzero(found.depths > high)):
        chosen = found.chosen(which)
        for name in ("indices", "depths", "parents", "passes", "basins"):
            np.testing.assert_array_equal(getattr(chosen, name), getattr(above, name))
            assert getattr(chosen, name).shape == getattr(above, name).shape
        assert chosen.floor == low


def test_basins_of_those_not_chosen_fall_to_those_they_run_over_into():
    values = np.array([9.0, 0.0, 5.0, 2.0, 3.0, 1.0, 6.0, 4.0, 7.0])
    found = minima.local_minima(values)  # 3 runs over into 1, 1 and 2 into 0, 0 over the edge
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
    clean = minima.local_minima(values, floor)
    noise = np.random.default_rng(0).uniform(-floor / 2, floor / 2, values.shape)
    found = minima.local_minima(values + noise, floor)
    assert minima.local_minima(values + noise).count > 2 * clean.count
    assert found.count == clean.count == 4
    np.testing.assert_allclose(found.depths, clean.depths, atol=floor)


def merge_tree_gaps(values):
    """Height of the first node above each leaf of the merge tree of sublevel sets, by labelling at each level."""
    around, first, leaves = np.ones((3,) * values.ndim), {}, []
    for level in np.unique(values):
        labels, count = ndimage.label(values <= level, around)
        for pool in range(1, count + 1):
            inside = [i for i in leaves if labels[np.unravel_index(i, values.shape)] == pool]
            if not inside:
                leaves.append(int(np.flatnonzero((labels == pool).ravel())[0]))
            if len(inside) > 1:
                first |= {i: level for i in inside if i not in first}
    return [first[i] - values.ravel()[i] for i in leaves if i in first]


@pytest.mark.parametrize("shape", [(40,), (9, 14), (5, 6, 4)])
def test_the_gap_to_the_first_saddle_is_that_of_the_merge_tree(shape):
    values = np.random.default_rng(0).normal(size=shape)
    assert minima.saddle_gap(values) == pytest.approx(np.mean(merge_tree_gaps(values)))


def test_the_gap_of_a_landscape_of_one_minimum_is_nothing_and_noise_does_not_count_above_the_floor():
    a, b = grid(121)
    assert minima.saddle_gap(a**2 + b**2) == 0
    wells = (a**2 - 0.25) ** 2 + b**2
    noisy = wells + 1e-3 * np.random.default_rng(0).normal(size=a.shape)
    assert minima.saddle_gap(wells) == pytest.approx(0.25**2, rel=1e-3)
    assert minima.saddle_gap(noisy) < 0.1 * minima.saddle_gap(noisy, 0.02)
    assert minima.saddle_gap(noisy, 0.02) == pytest.approx(0.25**2, rel=0.1)


def test_the_number_by_depth_is_that_of_each_floor():
    values = np.random.default_rng(0).normal(size=(12, 15))
    levels = np.array([[0.0, 0.1], [0.5, 2.0]])
    expected = [[minima.local_minima(values, level).count for level in row] for row in levels]
    assert minima.local_minima(values).deeper_than(levels).tolist() == expected


def test_a_minimum_stands_elsewhere_as_deep_as_the_other_values_have_it_there():
    a, b = grid(61)
    both = (a**2 - 0.25) ** 2 + b**2
    found = minima.local_minima(both)
    moved = np.roll(both, 1, 0)  # the same wells a point aside, within the old ones
    np.testing.assert_allclose(minima.elsewhere(found, both), found.depths)
    np.testing.assert_allclose(minima.elsewhere(found, moved), found.depths, rtol=0.35)
    for well in (-0.5, 0.5):  # now the other one is a slope
        depths = minima.elsewhere(found, (a - well) ** 2 + b**2)
        there = [a[tuple(i)] * well > 0 for i in found.indices]
        assert ((depths > 0.01) == there).all()
    with pytest.raises(ValueError, match="same grid"):
        minima.elsewhere(found, both[1:])


@pytest.mark.parametrize("which", [True, None, [0, 99], [True], ["a"], [0.5], np.eye(2), "text"])
def test_only_what_chooses_some_of_the_minima_is_taken(which):
    found = minima.local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0]))
    with pytest.raises(ValueError, match=r"^minima\[.*\] of 2, expected a slice, a mask \[2\] or a list of indices"):
        found.chosen(which)
    with pytest.raises(TypeError, match=r"expected minima\[\[1\]\]$"):
        found.chosen(1)
    with pytest.raises(ValueError, match=r"^minima\[\[0, 0\]\] has one of them twice, expected each once at most$"):
        found.chosen([0, -2])


@pytest.mark.parametrize("depths", [np.nan, np.inf, 1j, True, "text", None, [0.1, np.nan]])
def test_depths_are_finite_numbers(depths):
    found = minima.local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0]))
    with pytest.raises(ValueError, match=r"^depths.*expected"):
        found.deeper_than(depths)
