"""Ups and downs of lines in closed form, against a search over all choices of turning points, judged by a floor."""

import itertools
import re

import numpy as np
import pytest

from jaxcost.measures import variation

MEASURES = (variation.total_variation, variation.excess_variation, variation.information)
VARIATIONS = MEASURES[:2]


def rng(seed=0):
    return np.random.default_rng(seed)


def best_turns(line, floor):
    """The points i_1 < i_2 < ... with the largest sum of |C_i' - C_i| - floor over its swings (Łochowski 2008)."""
    best = [(0.0, (i,)) for i in range(len(line))]
    for j in range(len(line)):
        for i in range(j):
            gain = abs(line[j] - line[i]) - floor
            if gain > 0 and best[i][0] + gain > best[j][0]:
                best[j] = best[i][0] + gain, (*best[i][1], j)
    return line[list(max(best)[1])]


def entropies(line):
    """H(e) of a walk as Vassilev, Fogarty & Miller write it, for the e of Malan & Engelbrecht."""
    steps = [b - a for a, b in itertools.pairwise(line.tolist())]
    found = {}
    largest = max(map(abs, steps))
    for e in [0.0, *(largest / 2**k for k in range(8))]:
        symbols = [0 if abs(step) <= e else 1 if step > 0 else -1 for step in steps]
        pairs = list(itertools.pairwise(symbols))
        shares = [pairs.count((p, q)) / len(pairs) for p, q in itertools.product((-1, 0, 1), repeat=2) if p != q]
        found[e] = -sum(share * np.emath.logn(6, share) for share in shares if share)
    return found


def test_variation_of_known_lines():
    x = np.linspace(0, 1, 4001)
    assert variation.total_variation(np.sin(2 * np.pi * 3 * x)) == pytest.approx(12, rel=1e-5)
    assert variation.excess_variation(np.sin(2 * np.pi * 3 * x)) == pytest.approx(12, rel=1e-5)
    assert variation.excess_variation(np.exp(3 * x)) == 0
    assert variation.excess_variation(-(x**3)) == 0
    assert variation.excess_variation((x - 0.25) ** 2) == pytest.approx(2 * 0.25**2, rel=1e-6)
    assert variation.total_variation([0, 2, 1, 3]) == 5


@pytest.mark.parametrize("seed", range(5))
def test_without_a_floor_variation_is_the_sum_of_the_steps(seed):
    values = rng(seed).normal(size=50)
    steps = sum(abs(b - a) for a, b in itertools.pairwise(values.tolist()))
    assert variation.total_variation(values) == pytest.approx(steps)
    assert variation.excess_variation(values) == pytest.approx(steps - abs(values[-1] - values[0]))


@pytest.mark.parametrize("floor", [0.1, 0.7, 1.5, 4.0])
@pytest.mark.parametrize("seed", range(6))
def test_with_a_floor_it_is_that_of_the_best_turning_points(seed, floor):
    line = rng(seed).normal(size=40).cumsum() * 0.5 + rng(seed + 50).normal(size=40)
    turns = best_turns(line, floor)
    total = np.abs(np.diff(turns)).sum()
    assert variation.total_variation(line, floor) == pytest.approx(total)
    assert variation.excess_variation(line, floor) == pytest.approx(total - abs(turns[-1] - turns[0]))


def test_it_falls_as_the_floor_rises_and_spans_the_range_until_the_floor_does():
    line = rng().normal(size=200).cumsum()
    totals = [variation.total_variation(line, floor) for floor in np.linspace(0, np.ptp(line), 40, endpoint=False)]
    assert all(a >= b for a, b in itertools.pairwise(totals))
    assert totals[-1] == pytest.approx(np.ptp(line))
    assert variation.total_variation(line, np.ptp(line)) == variation.excess_variation(line, np.ptp(line)) == 0


def test_a_swing_as_large_as_the_floor_is_none():
    line = np.array([0.0, 3.0, 2.0, 5.0])
    assert variation.total_variation(line, 0.999) == 7
    assert variation.total_variation(line, 1.0) == 5
    assert variation.total_variation(line, 5.0) == 0


def test_noise_below_the_floor_adds_no_variation():
    x = np.linspace(0, 1, 1001)
    noise = rng().uniform(-1e-3, 1e-3, x.shape)
    for rising in (x, -x):
        assert variation.excess_variation(rising + noise) > 0.05
        assert variation.excess_variation(rising + noise, floor=2e-3) == 0
        assert variation.total_variation(rising + noise, floor=2e-3) == pytest.approx(1, abs=4e-3)
    wave = np.sin(2 * np.pi * x)
    assert variation.total_variation(wave + noise, 2e-3) == pytest.approx(4, abs=0.02)
    assert variation.excess_variation(wave + noise, 2e-3) == pytest.approx(4, abs=0.02)
    assert variation.total_variation(noise, 2.1e-3) == 0


def test_of_a_grid_it_is_the_mean_over_lines_and_axes():
    x, y, z = np.linspace(0, 1, 301), np.linspace(0, 1, 201), np.linspace(0, 1, 5)
    plane = np.sin(4 * np.pi * x)[:, None] + y**2  # 8 along x, 1 along y
    assert variation.total_variation(plane) == pytest.approx((8 + 1) / 2, rel=1e-3)
    assert variation.excess_variation(plane) == pytest.approx((8 + 0) / 2, rel=1e-3)
    assert variation.total_variation(x[::10, None, None] + 2 * y[::20, None] + 3 * z) == pytest.approx(2)
    amplitudes = np.linspace(0, 2, 5)  # lines along x unlike each other; along z they rise by 2 |sin|
    sheet = np.sin(4 * np.pi * x)[:, None] * amplitudes
    assert variation.total_variation(sheet) == pytest.approx((8 * 1 + 2 * 2 / np.pi) / 2, rel=1e-2)


@pytest.mark.parametrize("shape", [(40,), (9, 14), (5, 4, 6)])
@pytest.mark.parametrize("floor", [0.0, 0.4])
@pytest.mark.parametrize("measure", MEASURES)
def test_neither_offset_nor_sign_nor_orientation_matters_and_units_do_as_they_should(measure, floor, shape):
    values = rng().normal(size=shape)
    found, power = measure(values, floor), measure in VARIATIONS
    for turned in (values + 100, -values, values.T, np.flip(values), np.flip(values, 0)):
        assert measure(turned, floor) == pytest.approx(found)
    assert measure(7 * values, 7 * floor) == pytest.approx(7**power * found)


@pytest.mark.parametrize("size", [2, 3, 12, 60])
@pytest.mark.parametrize("seed", range(4))
def test_information_is_the_largest_entropy_of_the_pairs_of_steps(seed, size):
    line = rng(seed).normal(size=size)
    if seed % 2:
        line = np.round(line)  # steps of 0 and of equal size
    else:
        line[-1] += 50 * seed  # one step as large as a hundred others
    if size < 3:
        assert variation.information(line) == 0  # one step is no pair
        return
    found = entropies(line)
    assert variation.information(line) == pytest.approx(max(found.values()))
    for floor in list(found):
        expected = max(value for e, value in found.items() if e >= floor)
        assert variation.information(line, floor) == pytest.approx(expected)


def test_information_of_known_walks_lies_between_0_and_1():
    assert variation.information(np.arange(30.0)) == variation.information(-2.0 * np.arange(9)) == 0
    zigzag = np.arange(102) % 2
    assert variation.information(zigzag) == pytest.approx(np.emath.logn(6, 2))  # two of the six pairs, each half
    symbols = [0, 1, -1, 0, -1, 1, 0]  # each of the six pairs once
    assert variation.information(np.cumsum([0, *symbols])) == pytest.approx(1)
    for seed in range(20):
        assert 0 <= variation.information(rng(seed).normal(size=(6, 30))) <= 1
    grid = np.cumsum([0, *symbols])[:, None] + np.zeros(9)  # nothing happens along the other axis
    assert variation.information(grid) == pytest.approx(1 / 2)


def test_steps_within_the_floor_tell_nothing_nor_does_noise_below_it_on_equal_steps():
    noise = rng().uniform(-1, 1, 100)
    assert variation.information(noise) > 0.5
    assert variation.information(noise, 2.0) == 0
    assert variation.information(np.linspace(0, 1, 100)) == 0
    assert variation.information(10 * np.arange(100) + noise, 2.0) == 0
    zigzag = np.arange(100) % 2
    assert variation.information(100 * zigzag + noise, 2.0) == variation.information(zigzag)


@pytest.mark.parametrize("measure", MEASURES)
def test_what_cannot_vary_does_not(measure):
    for values in ([7.0], np.full(9, 0.1), np.full((3, 4), -2.0), np.zeros((1, 1, 1)), np.ones((1, 5))):
        assert measure(values) == measure(values, 0.5) == 0
    assert measure([[0.0, 1.0, 0.0, 1.0]]) == pytest.approx(measure([0.0, 1.0, 0.0, 1.0]) / 2)  # one-point axis: 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.array([]), "values of shape (0,), 0 not finite; expected finite numbers on a grid"),
        (np.zeros((3, 0)), "values of shape (3, 0), 0 not finite; expected finite numbers on a grid"),
        (3.0, "values of shape (), 0 not finite; expected finite numbers on a grid"),
        (np.array([1, np.nan, -np.inf]), "values of shape (3,), 2 not finite; expected finite numbers on a grid"),
    ],
)
@pytest.mark.parametrize("measure", MEASURES)
def test_values_that_are_no_finite_grid_are_refused(measure, values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        measure(values)


@pytest.mark.parametrize("floor", [-1.0, np.nan])
@pytest.mark.parametrize("measure", MEASURES)
def test_a_floor_that_is_none_is_refused(measure, floor):
    with pytest.raises(ValueError, match=f"^floor={floor}, expected a number that is not negative$"):
        measure(np.zeros(3), floor)


def test_checked_values_are_float64_and_otherwise_as_they_were():
    found = variation.checked(np.float32([[1, 2], [3, 4]]), 0.0)
    assert found.dtype == np.float64
    assert found.tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize("seed", range(5))
def test_the_largest_rise_is_that_of_all_pairs_of_points(seed):
    values = rng(seed).normal(size=40) - np.linspace(0, 3, 40)
    pairs = [b - a for a, b in itertools.combinations(values.tolist(), 2)]
    assert variation.largest_rise(values) == pytest.approx(max(pairs))
    assert variation.largest_rise(values, 0.99 * max(pairs)) == pytest.approx(max(pairs))
    assert variation.largest_rise(values, 1.01 * max(pairs)) == 0


def test_a_line_that_falls_all_the_way_does_not_rise_and_one_that_climbs_rises_from_end_to_end():
    x = np.linspace(0, 1, 101)
    assert variation.largest_rise(np.exp(-3 * x)) == 0
    assert variation.largest_rise(np.ones(5)) == variation.largest_rise([7.0]) == 0
    assert variation.largest_rise(np.exp(3 * x)) == pytest.approx(np.exp(3) - 1)
    assert variation.largest_rise((x - 0.6) ** 2) == pytest.approx(0.4**2)  # the bottom and what lies behind it


def test_only_a_line_has_a_largest_rise():
    with pytest.raises(ValueError, match=r"shape \(2, 3\), expected those along a line"):
        variation.largest_rise(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="floor=-1"):
        variation.largest_rise(np.zeros(3), -1)
    with pytest.raises(ValueError, match="1 not finite"):
        variation.largest_rise([0, np.nan])
