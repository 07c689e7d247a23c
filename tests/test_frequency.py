"""Frequencies of waves, against explicit Fourier sums and numpy's Chebyshev series."""

import itertools

import numpy as np
import pytest
from numpy.polynomial import chebyshev

from jaxcost.measures import frequency


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("shape", [(60,), (12, 15)])
def test_offset_sign_units_and_orientation_do_not_matter_and_spacing_does(shape):
    values = rng().normal(size=shape).cumsum(0)
    middle = frequency.mean_frequency(values)
    chebyshev_number = frequency.chebyshev_number(values, 0.5)
    for other in (values + 100, -values, 7 * values, np.flip(values), np.flip(values, 0)):
        assert frequency.chebyshev_number(other, 0.5) == chebyshev_number
    for other in (values + 100, -values, 7 * values):  # periodic Hann windows are a point askew: no flips
        assert frequency.mean_frequency(other) == pytest.approx(middle)
    assert frequency.mean_frequency(values.T) == pytest.approx(middle)
    assert frequency.mean_frequency(values, 0.2) == pytest.approx(middle / 0.2)


def test_what_does_not_vary_has_no_frequency():
    for values in (np.zeros(9), np.ones((4, 5)), [3.0], np.ones((1, 1, 1)), np.full(65, 0.1), np.full((3, 7), 0.1)):
        assert np.isnan(frequency.mean_frequency(values))


def test_a_slope_has_no_frequency_and_an_axis_without_variation_takes_no_part():
    x, line = np.linspace(0, 1, 60), rng().normal(size=60).cumsum()
    assert np.isnan(frequency.mean_frequency(0.1 + 3 * x))
    ridge = line[:, None] * np.ones(40) + 0.1
    assert frequency.mean_frequency(ridge) == pytest.approx(frequency.mean_frequency(line))


def test_noise_below_the_floor_has_no_frequency_and_leaves_that_of_the_other_axis():
    line, floor = rng().normal(size=60).cumsum(), 0.01
    noise = rng(1).uniform(-floor / 2, floor / 2, (60, 40))
    ridge = line[:, None] + noise
    assert np.isnan(frequency.mean_frequency(noise, 1.0, floor))
    assert np.isnan(frequency.mean_frequency(np.arange(60)[:, None] + 2 * np.arange(40) + noise, 1.0, floor))
    assert frequency.mean_frequency(ridge, 1.0, floor) == pytest.approx(frequency.mean_frequency(line), rel=1e-3)


@pytest.mark.parametrize("n", [16, 45])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_power_is_that_of_explicit_fourier_sums(n, axis):
    values, h = rng(n).normal(size=(n, n + 1)), 0.3
    lines = np.moveaxis(values, axis, -1)
    m = lines.shape[-1]
    i = np.arange(m)
    left = [line - np.polynomial.Polynomial.fit(i, line, 1)(i) for line in lines]
    window = np.sin(np.pi * i / m) ** 2
    frequencies = np.arange(1, m // 2 + 1) / (m * h)
    sums = np.exp(-2j * np.pi * np.outer(frequencies, i * h)) @ (window * left).T
    power = np.mean(np.abs(sums) ** 2, 1) * h / np.sum(window**2)
    power[frequencies < 0.5 / h * (1 - 1e-9)] *= 2  # both signs; the Nyquist frequency has but one
    found = frequency.power_spectrum(values, h, axis)
    np.testing.assert_allclose(found[0], frequencies)
    np.testing.assert_allclose(found[1], power, atol=1e-12)


@pytest.mark.parametrize("cycles", [5, 12, 40])
def test_a_sine_has_its_frequency_and_its_power(cycles):
    x = np.linspace(0, 2, 400, endpoint=False)
    values = 3 * np.sin(2 * np.pi * cycles * x) + 100 - 7 * x
    frequencies, power = frequency.power_spectrum(values, x[1])
    assert frequencies[power.argmax()] == pytest.approx(cycles)
    assert np.sum(power) * frequencies[0] == pytest.approx(3**2 / 2, rel=0.02)  # Parseval: the mean square
    assert frequency.mean_frequency(values, x[1]) == pytest.approx(cycles, rel=0.01)
    sheet = values[:, None] + np.sin(2 * np.pi * 20 * x)
    assert frequency.mean_frequency(sheet, x[1]) == pytest.approx((cycles + 20) / 2, rel=0.01)
    cells = sheet * np.ones((400, 400))
    assert frequency.mean_frequency(cells, (x[1], 2 * x[1])) == pytest.approx((cycles + 10) / 2, rel=0.01)


def test_white_noise_is_flat_and_its_power_is_its_variance():
    frequencies, power = frequency.power_spectrum(2 * rng().normal(size=(4000, 64)), 0.5)
    middle = power[1:-1]  # the trend is gone from the first, the last has one sign only
    np.testing.assert_allclose(middle, 2 * 2**2 * 0.5, rtol=0.1)
    assert np.sum(middle) * frequencies[0] == pytest.approx(2**2 * len(middle) / 32, rel=0.02)


def test_nodes_are_numpys_at_a_half_width():
    for n in (1, 2, 7, 64):
        np.testing.assert_allclose(frequency.chebyshev_nodes(n, 3.0), 3 * chebyshev.chebpts1(n), atol=1e-15)


@pytest.mark.parametrize("n", [1, 2, 9, 32])
def test_coefficients_are_those_of_numpys_interpolation(n):
    f = lambda x: np.exp(x) * np.cos(9 * x)
    expected = chebyshev.chebinterpolate(f, n - 1)
    np.testing.assert_allclose(frequency.chebyshev_coefficients(f(frequency.chebyshev_nodes(n))), expected, atol=1e-13)


@pytest.mark.parametrize("shape", [(6, 9), (4, 5, 3)])
def test_series_of_a_grid_goes_through_its_values(shape):
    values = rng().normal(size=shape)
    found = frequency.chebyshev_coefficients(values)
    nodes = np.meshgrid(*map(frequency.chebyshev_nodes, shape), indexing="ij")
    evaluate = {2: chebyshev.chebval2d, 3: chebyshev.chebval3d}[len(shape)]
    np.testing.assert_allclose(evaluate(*nodes, found), values, atol=1e-12)


CURVES = [
    lambda x: np.cos(20 * x + 1),
    lambda x: 1 / (1 + 8 * x**2),
    lambda x: 5 + np.exp(3 * x),
    lambda x: np.tanh(5 * x) - x,
    lambda x: np.exp(-40 * (x - 0.2) ** 2),
]


@pytest.mark.parametrize("accuracy", [1e-2, 1e-3, 1e-6])
@pytest.mark.parametrize("curve", CURVES)
def test_so_many_coefficients_describe_the_line_to_the_accuracy_and_not_many_fewer(curve, accuracy):
    n = 129
    number = frequency.chebyshev_number(curve(frequency.chebyshev_nodes(n)), accuracy)
    series = chebyshev.chebinterpolate(curve, n - 1)
    dense = np.linspace(-1, 1, 5001)
    allowed = accuracy * np.ptp(curve(dense))
    error = lambda kept: np.abs(chebyshev.chebval(dense, series[: int(kept)]) - curve(dense)).max()
    assert 4 < number < 97
    assert error(number) <= allowed * 1.01 + 1e-13
    assert error(number - 4) > allowed  # the bound is not far from the error
    tail = np.abs(series[int(number) - 1 :]).sum()
    assert tail > accuracy * np.ptp(curve(frequency.chebyshev_nodes(n)))  # one fewer would break the bound


def test_so_many_coefficients_along_each_axis_describe_the_plane():
    surface = lambda x, y: np.cos(4 * x + 3 * y) + np.exp(-3 * y**2) * x
    x, y = frequency.chebyshev_nodes(33), frequency.chebyshev_nodes(40)
    values = surface(x[:, None], y)
    number = int(frequency.chebyshev_number(values, 1e-3))
    series = chebyshev.chebfit(x, chebyshev.chebfit(y, values.T, 39).T, 32)
    dense = np.linspace(-1, 1, 201)
    error = lambda kept: np.abs(
        chebyshev.chebgrid2d(dense, dense, series[:kept, :kept]) - surface(dense[:, None], dense)
    ).max()
    assert error(number) <= 1e-3 * np.ptp(values)
    assert error(number - 4) > 1e-3 * np.ptp(values)
    assert frequency.chebyshev_number(values.T, 1e-3) == frequency.chebyshev_number(values[::-1], 1e-3) == number


@pytest.mark.parametrize("degree", range(1, 12))
def test_a_polynomial_needs_one_more_than_its_degree(degree):
    x = frequency.chebyshev_nodes(17)
    line = chebyshev.chebval(x, np.eye(degree + 1)[degree])
    assert frequency.chebyshev_number(line) == degree + 1
    assert frequency.chebyshev_number(line[:, None] + x) == max(degree, 1) + 1
    assert frequency.chebyshev_number(np.stack([line] * 17)) == degree + 1


def test_what_three_quarters_of_the_nodes_do_not_resolve_needs_infinitely_many():
    x = frequency.chebyshev_nodes(16)
    t = lambda degree: chebyshev.chebval(x, np.eye(16)[degree])
    assert frequency.chebyshev_number(t(11)) == 12
    assert frequency.chebyshev_number(t(12)) == np.inf
    assert frequency.chebyshev_number(t(12)[:, None] * np.ones(40)) == np.inf  # the fewer nodes decide
    assert frequency.chebyshev_number(np.cos(60 * x)) == np.inf
    assert frequency.chebyshev_number(rng().normal(size=200)) == np.inf


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_noise_below_the_floor_does_not_raise_it(k, seed):
    x, y = frequency.chebyshev_nodes(65), frequency.chebyshev_nodes(40)
    values, floor = np.cos(9 * x) if k == 1 else np.cos(9 * x)[:, None] * np.exp(y), 1e-3
    noise = rng(seed).normal(size=values.shape) * floor / 8  # as `noise.floor` takes it to be
    number = frequency.chebyshev_number(values)
    assert frequency.chebyshev_number(values + 4 * noise) > number + 3
    assert frequency.chebyshev_number(values + noise, floor=floor) <= number
    assert frequency.chebyshev_number(values + noise, floor=floor) >= number - 2
    assert frequency.chebyshev_number(noise, floor=floor) == 1


def test_coefficients_count_from_the_floor_on():
    x, floor = frequency.chebyshev_nodes(32), 0.01
    wiggle = np.cos(9 * np.arccos(x))  # T_9
    limit = floor * np.sqrt(2 / 32)
    assert frequency.chebyshev_number(x + 0.99 * limit * wiggle, 1e-9, floor) == 2
    assert frequency.chebyshev_number(x + 1.01 * limit * wiggle, 1e-9, floor) == 10
    plane = lambda size: np.stack([x + size * wiggle] * 32)
    assert frequency.chebyshev_number(plane(0.99 * floor * 2 / 32), 1e-9, floor) == 2
    assert frequency.chebyshev_number(plane(1.01 * floor * 2 / 32), 1e-9, floor) == 10


def test_what_is_flat_needs_one():
    assert frequency.chebyshev_number(np.zeros(9)) == 1
    assert frequency.chebyshev_number(np.full((16, 16), 0.1), floor=1e-9) == 1
    assert frequency.chebyshev_number(np.full(65, 0.1)) == frequency.chebyshev_number([3.0]) == 1
    wave = 0.4 * np.cos(9 * np.arccos(frequency.chebyshev_nodes(65)))
    assert frequency.chebyshev_number(wave, floor=0.7) == 10
    assert frequency.chebyshev_number(wave, floor=0.8) == 1
    numbers = [frequency.chebyshev_number(np.cos(k * frequency.chebyshev_nodes(129))) for k in (1, 5, 20, 60)]
    assert all(a < b for a, b in itertools.pairwise(numbers))
