"""Bowls without bumps, all measures of known surfaces, and every measure of every draw."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from jaxcost import populations
from jaxcost.measures import bumpiness, frequency, minima, roughness, variation


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
    np.testing.assert_allclose(turned[:12], found[:12])


def test_measure_is_each_of_its_measures():
    axes = (np.linspace(-3, 3, 31), np.linspace(0, 1, 21))
    values, floor = np.random.default_rng(0).normal(size=(31, 21)).cumsum(0), 0.7
    nodes = frequency.chebyshev_nodes(33)
    at_nodes = 20 * np.cos(5 * nodes)[:, None] + np.random.default_rng(1).normal(size=(33, 25)) * floor / 8
    found = bumpiness.measure(axes, values, floor, at_nodes=at_nodes)
    counted = minima.local_minima(values, floor)
    assert (found.minima, found.depth) == (counted.count, counted.deepest)
    assert found.total_variation == variation.total_variation(values, floor)
    assert found.excess_variation == variation.excess_variation(values, floor)
    assert found.information == variation.information(values, floor)
    assert found.roughness == roughness.roughness(axes, values, floor)
    assert found.relative_roughness == pytest.approx(found.roughness / np.std(values))
    assert found.chebyshev == frequency.chebyshev_number(at_nodes, floor=floor) < frequency.chebyshev_number(at_nodes)
    assert found.bowl == roughness.bowl(axes, values, floor)
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
    assert (found.minima, found.negative_curvature, found.bottoms) == (1, 0, 1)


@pytest.mark.parametrize("shape", [(41,), (11, 14), (5, 6, 7)])
def test_within_the_floor_there_is_neither_bump_nor_share(shape):
    axes = [np.linspace(-1, 1, n) for n in shape]
    noise = np.random.default_rng(0).uniform(0, 1e-3, shape)
    for values, floor in ((noise, 1e-3), (np.full(shape, 0.5), 0.0)):
        found = bumpiness.measure(axes, values, floor)
        assert found[:5] == (0, 0, 0, 0, 0)
        assert found.information == 0
        for unknown in (found.relative_roughness, found.bowl, found.frequency):
            assert np.isnan(unknown)


def test_an_axis_of_noise_alone_tells_no_frequency():
    x, y = np.linspace(-1, 1, 61), np.linspace(-1, 1, 41)
    noise, floor = np.random.default_rng(0).uniform(-5e-4, 5e-4, (61, 41)), 1e-3
    found = bumpiness.measure((x, y), np.cos(7 * x)[:, None] + noise, floor)
    line = bumpiness.measure((x,), np.cos(7 * x), floor)
    assert found.frequency == pytest.approx(line.frequency, rel=1e-2)
    slope = bumpiness.measure((x, y), 6e-4 * (x[:, None] / 2 + y / 2), 1e-3)  # each line within the floor
    assert np.isnan(slope.frequency)
    slope = bumpiness.measure((x, y), 4e-4 * (x[:, None] + y), 1e-3)  # the slice is not
    assert slope.relative_roughness == 0
    assert np.isnan(slope.frequency)


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


@pytest.mark.parametrize("floor", [-1.0, np.nan])
def test_a_floor_that_is_none_is_refused(floor):
    with pytest.raises(ValueError, match=f"^floor={floor}, expected a number in"):
        bumpiness.measure((np.arange(3.0),), np.zeros(3), floor)


# many draws


def many():
    """Three random planes with values at nodes and Hessians."""
    draws = np.random.default_rng(0)
    axes = np.linspace(-1, 1, 7), np.linspace(0, 5, 6)
    at_nodes = np.cos(np.array([1, 4, 7])[:, None, None] * frequency.chebyshev_nodes(17)[:, None]) * np.ones(18)
    hessians = draws.normal(size=(3, 4, 2, 2))
    hessians += hessians.swapaxes(-1, -2)
    values = draws.normal(size=(3, 7, 6))
    return SimpleNamespace(
        axes=axes, values=values, floor=0.3, at_nodes=at_nodes, hessians=hessians, curvature_floor=0.4
    )


def test_each_draw_of_a_population_is_measured_as_if_it_were_alone():
    population = many()
    found = bumpiness.measure_each(population)
    for i in range(3):
        of_one = bumpiness.measure(
            population.axes,
            population.values[i],
            population.floor,
            at_nodes=population.at_nodes[i],
            hessians=population.hessians[i],
            curvature_floor=population.curvature_floor,
        )
        np.testing.assert_equal([part[i] for part in found], list(of_one))
    assert not np.isnan(found[:12]).any()
    assert len(set(found.total_variation)) == len(set(found.curvature_ratio)) == len(set(found.chebyshev)) == 3
    assert np.isnan(found.bottoms).all()


def test_options_hold_for_all_draws_and_what_a_population_lacks_is_unknown():
    population = many()
    found = bumpiness.measure_each(population)
    assert bumpiness.measure_each(population, kinds=[0, 0, 1]).bottoms.tolist() == [2] * 3
    assert np.isnan(bumpiness.measure_each(population, at_nodes=None).chebyshev).all()
    population.at_nodes = population.hessians = None
    bare = bumpiness.measure_each(population)
    assert np.isnan([bare.chebyshev, bare.negative_curvature, bare.curvature_ratio]).all()
    np.testing.assert_array_equal(bare.total_variation, found.total_variation)


# the same at two resolutions


def test_half_the_resolution_is_every_second_point_of_each_axis():
    population = populations.Population((np.arange(5.0), np.arange(7.0)), np.arange(105.0).reshape(3, 5, 7), 0.1)
    found = bumpiness.halved(population._replace(at_nodes=np.ones(3), hessians=np.ones(3)))
    assert [axis.tolist() for axis in found.axes] == [[0, 2, 4], [0, 2, 4, 6]]
    np.testing.assert_array_equal(found.values, population.values[:, ::2, ::2])
    assert found.at_nodes is found.hessians is None
    with pytest.raises(ValueError, match=r"axes of \[3, 4\] points, expected odd numbers"):
        bumpiness.halved(found._replace(axes=(np.arange(3.0), np.arange(4.0)), values=np.zeros((2, 3, 4))))


def test_what_the_grid_makes_changes_with_it_and_what_is_of_the_line_does_not():
    x = np.linspace(-1, 1, 2001)
    smooth, stairs = np.cos(5 * x), np.round(8 * np.cos(5 * x)) / 8
    lines = populations.Population((x,), np.stack([smooth, stairs]), 0.0)
    found = bumpiness.change(bumpiness.measure_each(lines), bumpiness.measure_each(bumpiness.halved(lines)))
    assert max(found.total_variation.max(), found.depth.max(), found.minima.max(), found.bowl.max()) < 1e-2
    assert found.roughness[0] < 1e-3
    assert found.roughness[1] == pytest.approx(
        1 - 2**-1.5, rel=0.02
    )  # of steps it grows as the points to the power 1.5
    nothing = bumpiness.measure((x,), 0 * x)
    assert bumpiness.change(nothing, nothing).depth == 0
    assert np.isnan(bumpiness.change(nothing, nothing).bowl)
    assert bumpiness.change(nothing, nothing._replace(minima=1.0)).minima == np.inf


def test_minima_are_counted_deeper_than_is_wanted_and_never_within_the_floor():
    x = np.linspace(-1, 1, 401)
    values = x**2 + 0.02 * np.cos(40 * x)
    depths = minima.local_minima(values).depths
    for depth in (0.0, 0.01, 0.03):
        assert bumpiness.measure((x,), values, depth=depth).minima == np.sum(depths > depth)
    assert bumpiness.measure((x,), values, 0.03, depth=0.01).minima == np.sum(depths > 0.03)


def test_curvature_within_its_floor_bends_neither_up_nor_down():
    x = np.linspace(-1, 1, 5)
    hessians = np.array([3.0, -0.1, 0.1, -2.0, np.nan])[:, None, None]
    measure = lambda floor: bumpiness.measure((x,), x**2, hessians=hessians, curvature_floor=floor)
    assert measure(0.0).negative_curvature == 0.5
    assert measure(0.2).negative_curvature == 0.25
    assert np.isnan(measure(2.5).negative_curvature)  # of most it is not known
    assert measure(2.5).curvature_ratio == 0
    assert measure(0.0).curvature_ratio == measure(1.0).curvature_ratio == pytest.approx(2 / 3)
