"""Roughness of polynomials, whose derivatives and best quadratics are known, and of tables of eigenvalues."""

import itertools
import re

import numpy as np
import pytest
from scipy import optimize

from jaxcost.measures import fits, roughness


def rng(seed=0):
    return np.random.default_rng(seed)


def grid(axes):
    return np.stack(np.meshgrid(*axes, indexing="ij"), -1)


def axes_of(k, halves=(1.0, 1.0, 1.0), points=(21, 16, 9)):
    return [np.linspace(-half, half, n) for half, n in zip(halves[:k], points[:k], strict=True)]


def quadratic(axes, hessian, gradient=0.0):
    s = grid(axes)
    return np.einsum("...i,ij,...j->...", s, hessian, s) / 2 + s @ np.broadcast_to(gradient, s.shape[-1])


def symmetric(k, seed=0):
    a = rng(seed).normal(size=(k, k))
    return a + a.T


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_roughness_of_a_quadratic_is_the_norm_of_its_hessian_in_half_widths(k, seed):
    halves = np.array([0.5, 3.0, 20.0])
    axes, hessian = axes_of(k, halves), symmetric(k, seed)
    expected = np.linalg.norm(halves[:k, None] * hessian * halves[:k])
    values = 5 + quadratic(axes, hessian, rng(seed).normal(size=k))
    assert roughness.roughness(axes, values) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_roughness_of_any_plane_and_line_is_that_of_its_differences(seed):
    values = rng(seed).normal(size=(9, 14))
    x, y = np.linspace(0, 3, 9), np.linspace(5, -1, 14)
    h, g = 2 / 8, 2 / 13
    xx = np.diff(values, 2, axis=0)[:, 1:-1] / h**2
    yy = np.diff(values, 2, axis=1)[1:-1] / g**2
    xy = np.gradient(np.gradient(values, h, axis=0), g, axis=1)[1:-1, 1:-1]  # central within
    expected = np.sqrt(np.mean(xx**2 + yy**2 + 2 * xy**2))
    assert roughness.roughness((x, y), values) == pytest.approx(expected)
    line = roughness.roughness((x,), values[:, 0])
    assert line == pytest.approx(np.sqrt(np.mean((np.diff(values[:, 0], 2) / h**2) ** 2)))


@pytest.mark.parametrize("angle", [0.3, np.pi / 4, 1.2])
def test_roughness_is_the_same_however_the_plane_is_turned(angle):
    axes = [np.linspace(-4, 4, 121)] * 2
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    hessian = np.diag([3.0, -0.5])
    expected = roughness.roughness(axes, quadratic(axes, hessian))
    assert roughness.roughness(axes, quadratic(axes, turn @ hessian @ turn.T)) == pytest.approx(expected, rel=1e-9)
    hill = lambda s: np.exp(-((s / [0.6, 1.1]) ** 2).sum(-1))  # has died away before it reaches the edge
    expected = roughness.roughness(axes, hill(grid(axes)))
    assert roughness.roughness(axes, hill(grid(axes) @ turn)) == pytest.approx(expected, rel=0.01)


def test_roughness_of_a_wave_tends_to_the_root_mean_square_of_its_second_derivative():
    x = np.linspace(0, 4, 4001)
    assert roughness.roughness((x,), np.sin(2 * np.pi * x)) == pytest.approx(
        (2 * np.pi * 2) ** 2 / np.sqrt(2), rel=1e-3
    )


@pytest.mark.parametrize("floor", [0.0, 0.1])
@pytest.mark.parametrize("k", [1, 2, 3])
def test_neither_offset_slope_orientation_nor_coordinates_matter_to_roughness_and_units_do(k, floor):
    axes = axes_of(k)
    values = rng(k).normal(size=[*map(len, axes)])
    found = roughness.roughness(axes, values, floor)
    for other in (values + 3, values + grid(axes).sum(-1), -values, np.flip(values), np.flip(values, 0)):
        assert roughness.roughness(axes, other, floor) == pytest.approx(found)
    assert roughness.roughness(axes[::-1], values.T, floor) == pytest.approx(found)
    assert roughness.roughness([5 * axis + 7 for axis in axes], values, floor) == pytest.approx(found)
    assert roughness.roughness([axis[::-1] for axis in axes], values, floor) == pytest.approx(found)
    assert roughness.roughness(axes, 7 * values, 7 * floor) == pytest.approx(7 * found)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_noise_within_the_floor_is_not_rough_even_on_a_slope(k):
    axes = axes_of(k)
    noise = rng(k).uniform(-1e-3, 1e-3, [*map(len, axes)])
    slope = grid(axes).sum(-1)
    assert roughness.roughness(axes, slope + noise) > 0.1
    assert roughness.roughness(axes, slope + noise, 1e-3) == 0


def test_a_second_difference_of_four_floors_is_none_and_a_larger_one_counts_whole():
    x, f = np.arange(3.0), 0.25
    assert roughness.roughness((x,), [f, -f, f], f) == 0  # what noise can do at worst
    assert roughness.roughness((x,), [f, -1.1 * f, f], f) == pytest.approx(4.2 * f)
    corners = np.array([[f, 0, -f], [0, 0, 0], [-f, 0, f]])
    assert roughness.roughness((x, x), corners, f) == 0
    assert roughness.roughness((x, x), 1.1 * corners, f) == pytest.approx(np.sqrt(2) * 4.4 * f / 4)


def test_noise_below_the_floor_leaves_the_roughness_of_a_well_sampled_bowl():
    axes = [np.linspace(-1, 1, 21)] * 2
    bowl = quadratic(axes, np.diag([2.0, 1.0]))
    noise = rng().normal(size=bowl.shape) * 1e-4 / 8
    assert roughness.roughness(axes, bowl + noise, 1e-4) == pytest.approx(roughness.roughness(axes, bowl), rel=1e-2)


def test_axes_as_even_as_float32_can_be_are_even():
    for middle in (0, 1e2, 1e3):
        x = np.float32(middle) + np.linspace(-1, 1, 101, dtype=np.float32)
        assert roughness.roughness((x,), np.linspace(-1, 1, 101) ** 2) == pytest.approx(2)
    with pytest.raises(ValueError, match="expected 3 or more, even"):
        roughness.roughness((1e-8 * np.array([0, 1, 1.1]),), np.zeros(3))  # however small


@pytest.mark.parametrize(
    ("axes", "values", "message"),
    [
        (([0.0, 1.0],), np.zeros(2), "an axis of 2 points, spaced [1.], expected 3 or more, even"),
        (([0.0],), np.zeros(1), "an axis of 1 points, spaced [], expected 3 or more, even"),
        (([0.0, 1.0, 3.0],), np.zeros(3), "an axis of 3 points, spaced [1. 2.], expected 3 or more, even"),
        (([2.0, 2.0, 2.0],), np.zeros(3), "an axis of 3 points, spaced [0.], expected some in order"),
        (
            ([0.0, 1.0, 2.0],),
            np.zeros((3, 3)),
            "axes of the lengths (3,) and values of shape (3, 3), expected them alike",
        ),
        (([0.0, 1.0, 2.0],), np.zeros(4), "axes of the lengths (3,) and values of shape (4,), expected them alike"),
        (
            ([0.0, 1.0, 2.0],),
            [0.0, np.inf, 1.0],
            "values of shape (3,), 1 not finite; expected finite numbers on a grid",
        ),
    ],
)
def test_axes_and_values_that_do_not_do_are_refused(axes, values, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        roughness.roughness(axes, values)


@pytest.mark.parametrize("floor", [-1.0, np.nan])
@pytest.mark.parametrize("measure", [roughness.roughness, roughness.bowl])
def test_a_floor_that_is_none_is_refused(measure, floor):
    with pytest.raises(ValueError, match=f"^floor={floor}, expected a number that is not negative$"):
        measure((np.arange(3.0),), np.arange(3.0), floor)


@pytest.mark.parametrize("measure", [fits.quadratic_fit, roughness.bowl])
def test_a_bowl_must_fit_its_axes_and_be_finite(measure):
    with pytest.raises(ValueError, match=r"^axes of the lengths \(3,\) and values of shape \(4,\), expected them "):
        measure((np.arange(3.0),), np.arange(4.0))
    with pytest.raises(ValueError, match=r"^axes of the lengths \(3, 2\) and values of shape \(2, 3\), expected them "):
        measure((np.arange(3.0), np.arange(2.0)), np.arange(6.0).reshape(2, 3))
    with pytest.raises(ValueError, match=r"^values of shape \(2,\), 1 not finite; expected finite numbers on a grid$"):
        roughness.bowl((np.arange(2.0),), [0.0, np.nan])


@pytest.mark.parametrize("k", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_quadratic_is_a_bowl_whichever_way_it_bends_wherever_it_lies(k, seed):
    axes, values = axes_of(k), quadratic(axes_of(k), symmetric(k, seed), rng(seed).normal(size=k))
    for size, middle in ((1, 0), (1e-5, 3), (1e5, -7)):
        placed = [size * axis + middle for axis in axes]
        assert roughness.bowl(placed, values) == 1
        np.testing.assert_allclose(fits.quadratic_fit(placed, values), values, atol=1e-8)


def test_shares_known_from_legendre_polynomials():
    x = np.linspace(-1, 1, 2001)
    y = np.linspace(-1, 1, 401)
    assert roughness.bowl((x,), x**3) == pytest.approx(21 / 25, abs=2e-3)  # its best quadratic is 3/5 x
    assert roughness.bowl((x,), x**4) == pytest.approx(1 - (64 / 11025) / (16 / 225), abs=2e-3)  # 1/5 - 9/25 - ...
    assert roughness.bowl((y, y), y[:, None] ** 2 * y) == pytest.approx(5 / 9, abs=5e-3)  # y / 3
    assert roughness.bowl((y, y), y[:, None] * y + 0 * y) == 1


@pytest.mark.parametrize("seed", range(3))
def test_the_best_quadratic_is_that_of_polyfit_and_leaves_nothing_quadratic(seed):
    x, y = np.linspace(3, 8, 30), np.linspace(-1, 0, 12)
    line = rng(seed).normal(size=30)
    fit = np.polynomial.Polynomial.fit(x, line, 2)(x)
    np.testing.assert_allclose(fits.quadratic_fit((x,), line), fit, atol=1e-10)
    assert roughness.bowl((x,), line) == pytest.approx(np.var(fit) / np.var(line))
    plane = rng(seed).normal(size=(30, 12))
    left = plane - fits.quadratic_fit((x, y), plane)
    for i, j in itertools.product(range(3), range(3)):
        if i + j <= 2:
            assert abs(np.sum(left * (x - 5.5)[:, None] ** i * y**j)) < 1e-9
    assert roughness.bowl((x, y), plane) == pytest.approx(1 - np.var(left) / np.var(plane))
    assert 0 <= roughness.bowl((x, y), plane) <= 0.2


def test_neither_units_offset_orientation_nor_coordinates_matter_to_the_share():
    axes = axes_of(2)
    values = rng().normal(size=(21, 16)) + quadratic(axes, 5 * np.eye(2))
    for floor in (0.0, 0.5):
        found = roughness.bowl(axes, values, floor)
        assert 0.1 < found < 0.99
        for turned in (values + 9, -values, np.flip(values), np.flip(values, 1)):
            assert roughness.bowl(axes, turned, floor) == pytest.approx(found)
        assert roughness.bowl(axes[::-1], values.T, floor) == pytest.approx(found)
        assert roughness.bowl([3 * axes[0] + 1, axes[1][::-1]], values, floor) == pytest.approx(found)
        assert roughness.bowl(axes, 7 * values, 7 * floor) == pytest.approx(found)


@pytest.mark.parametrize("k", [1, 2])
def test_a_bowl_with_noise_below_the_floor_is_a_bowl_and_noise_alone_says_nothing(k):
    axes = axes_of(k)
    noise = rng().uniform(-0.5e-3, 0.5e-3, [*map(len, axes)])
    shallow = quadratic(axes, 4e-3 * np.eye(k))
    assert roughness.bowl(axes, shallow + noise) < 0.99
    assert roughness.bowl(axes, shallow + noise, 1e-3) == 1
    assert np.isnan(roughness.bowl(axes, noise, 1e-3))
    assert np.isnan(roughness.bowl(axes, np.full(noise.shape, 0.1)))


def test_one_point_axes_take_no_part():
    x = np.linspace(-1, 1, 30)
    assert roughness.bowl((x, [2.0]), x[:, None] ** 3) == pytest.approx(roughness.bowl((x,), x**3))
    assert np.isnan(roughness.bowl(([2.0],), [3.0]))
    assert roughness.bowl(([2.0, 4.0],), [3.0, 5.0]) == 1


def test_the_shares_of_a_lines_middle_parts_are_those_of_the_parts_cut_out():
    x = 3 + np.linspace(-2, 2, 81)
    lines = np.stack([np.cos(3 * x), x**2, np.exp(x)])
    half_widths, shares = roughness.bowls(x, lines, 1e-9, least=0.25, parts=4)
    np.testing.assert_allclose(half_widths, [0.5, 1.0, 1.5, 2.0])
    for h, column in zip(half_widths, shares.T, strict=True):
        inside = np.abs(x - 3) < h + 1e-9
        of_fit = [np.polyval(np.polyfit(x[inside] - 3, line[inside], 2), x[inside] - 3) for line in lines]
        left = [np.var(line[inside] - q) / np.var(line[inside]) for line, q in zip(lines, of_fit, strict=True)]
        np.testing.assert_allclose(column, 1 - np.array(left), atol=1e-9)
    np.testing.assert_array_equal(roughness.bowls(x, lines[0], 1e-9, least=0.25, parts=4)[1], shares[0])


def test_of_few_points_there_are_few_parts_and_an_even_number_has_no_middle():
    x = np.linspace(-1, 1, 5)
    half_widths, shares = roughness.bowls(x, np.cos(x))
    np.testing.assert_allclose(half_widths, [0.5, 1.0])
    assert shares.shape == (2,)
    with pytest.raises(ValueError, match="6 points, expected an odd number"):
        roughness.bowls(np.linspace(-1, 1, 6), np.zeros(6))


def test_a_bowl_ends_between_half_widths_by_their_logarithms():
    widths = [0.01, 0.1, 1.0, 10.0]
    assert roughness.bowl_end(widths, [1, 1, 1, 0.8]) == pytest.approx(10**0.25)
    assert roughness.bowl_end(widths, [1, 0.95, 0.85, 1]) == pytest.approx(0.1)
    assert roughness.bowl_end(widths, [1, 0.95, 1, 1]) == np.inf  # 0.95 itself is a bowl
    assert roughness.bowl_end(widths, [1, 0.9, 1, 0.9]) == pytest.approx(10**-1.5)  # the first end
    assert roughness.bowl_end(widths, [1, 1, 0.8, 0.2], least=0.5) == pytest.approx(10**0.5)
    assert roughness.bowl_end(widths, [1, 1, 1, 1]) == np.inf
    assert roughness.bowl_end(widths, [0.5, 1, 1, 1]) == 0.01


def test_where_nothing_can_be_said_a_bowl_goes_on_and_draws_end_each_for_itself():
    widths = np.array([0.01, 0.1, 1.0])
    assert roughness.bowl_end(widths, [np.nan, np.nan, 0.9]) == pytest.approx(10**-0.5)
    assert roughness.bowl_end(widths, [np.nan] * 3) == np.inf
    assert roughness.bowl_end(widths, [1.0, np.nan, 1.0]) == np.inf
    shares = np.array([[1, 1, 0.9], [1, 1, 1], [0, 1, 1], [np.nan, 0.9, np.nan]])
    np.testing.assert_allclose(roughness.bowl_end(widths, shares), [10**-0.5, np.inf, 0.01, 10**-1.5])
    np.testing.assert_allclose(roughness.bowl_end(widths, shares, 0.01), [np.inf, np.inf, 0.01, np.inf])
    assert roughness.bowl_end(widths, np.ones((0, 3))).shape == (0,)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_curvature_is_that_of_known_eigenvalues_whichever_way_they_point(k):
    draws = rng(k)
    sizes = draws.uniform(0.1, 2, (10, k))
    sizes[:3, 0] *= -1  # three of ten bend down somewhere
    sizes[0, 0], sizes[9, -1] = -3, 4
    turns = np.linalg.qr(draws.normal(size=(10, k, k)))[0]
    hessians = np.einsum("mij,mj,mkj->mik", turns, sizes, turns)
    assert roughness.negative_curvature(hessians) == pytest.approx(0.3)
    assert roughness.negative_curvature(hessians.reshape(2, 5, k, k)) == pytest.approx(0.3)
    assert roughness.curvature_ratio(hessians) == pytest.approx(3 / 4)
    assert roughness.curvature_ratio(hessians.reshape(2, 5, k, k)) == pytest.approx(3 / 4)
    assert roughness.curvature_ratio(-hessians) == pytest.approx(4 / 3)
    assert roughness.curvature_ratio(100 * hessians) == pytest.approx(3 / 4)
    sharper = np.concatenate([100 * hessians, 1e3 * np.tile(np.eye(k), (10, 1, 1))])  # of half of them it is sure
    assert roughness.negative_curvature(sharper, 299) == pytest.approx(0.05)
    assert roughness.negative_curvature(sharper, 301) == 0
    assert np.isnan(roughness.negative_curvature(100 * hessians, 301))


def test_a_curvature_as_negative_as_the_floor_is_none():
    assert roughness.negative_curvature([[[-1.0]], [[0.0]], [[1.0]]], 1.0) == 0
    assert roughness.negative_curvature([[[-1.0]], [[0.0]], [[1.0]]]) == pytest.approx(1 / 3)


def test_hessians_that_are_not_finite_are_left_out():
    hessians = np.array([np.diag([1.0, -2.0]), np.full((2, 2), np.nan), np.eye(2), np.diag([np.inf, -9.0])])
    assert roughness.negative_curvature(hessians) == 0.5
    assert roughness.curvature_ratio(hessians) == 2
    for none in (hessians[[1, 3]], np.zeros((0, 2, 2))):
        assert np.isnan(roughness.negative_curvature(none))
        assert np.isnan(roughness.curvature_ratio(none))


def test_ratios_at_the_ends_of_their_range():
    assert roughness.curvature_ratio([np.eye(2), 3 * np.eye(2)]) == 0
    assert roughness.curvature_ratio([-np.eye(2)]) == np.inf
    assert np.isnan(roughness.curvature_ratio(np.zeros((4, 2, 2))))
    assert roughness.curvature_ratio([np.diag([2.0, -2.0])]) == 1


# convex about the middle


def test_a_line_is_convex_up_to_where_its_second_derivative_changes_sign():
    x = np.linspace(-3, 3, 601)
    for second, end in (
        (1 - x**2, 1),
        (np.cos(x), np.pi / 2),
        (1 - (x / 2) ** 3, 2),
        (np.ones_like(x), np.inf),
        (-1 - x**2, 0),
    ):
        assert roughness.convex_to(x, second) == pytest.approx(end, abs=1e-4)
        assert roughness.convex_to(x[::-1], second[::-1]) == pytest.approx(end, abs=1e-4)  # axes may fall
    both = roughness.convex_to(x, np.stack([1 - x**2, np.cos(x)]))
    np.testing.assert_allclose(both, [1, np.pi / 2], atol=1e-4)


def test_what_is_within_the_floor_does_not_end_it_and_what_is_unknown_does():
    x = np.linspace(-1, 1, 21)
    noisy = 0.1 * np.where(np.arange(21) % 2, 1, -1)
    assert roughness.convex_to(x, noisy, 0.2) == np.inf
    assert roughness.convex_to(x, noisy) < 0.1
    holed = np.ones(21)
    holed[15] = np.nan
    assert roughness.convex_to(x, holed) == pytest.approx(x[14])
    with pytest.raises(ValueError, match="expected them alike, one at 0"):
        roughness.convex_to(x + 0.01, noisy)


def test_a_parabola_may_fit_what_is_not_convex_and_fail_for_what_is():
    x = np.linspace(-1, 1, 2001)
    share = lambda values: roughness.bowl((x,), values)
    assert share(np.abs(x)) == pytest.approx(0.9375, abs=1e-3)  # 15/16
    assert share(x**4) == pytest.approx(45 / 49, abs=1e-3)
    flattening = 1 - np.exp(-((1.2 * x) ** 2))
    assert share(flattening) > 0.95
    assert roughness.convex_to(x, np.gradient(np.gradient(flattening, x), x)) < 0.6


# smooth parts


@pytest.mark.parametrize("seed", range(4))
def test_the_dip_is_the_nearest_of_all_that_fall_and_rise(seed):
    values = np.random.default_rng(seed).normal(size=24).cumsum()
    found, lowest = fits.unimodal_fit((np.arange(24),), values), values.argmin()
    assert (np.diff(found[: lowest + 1]) <= 0).all()
    assert (np.diff(found[lowest:]) >= 0).all()
    falls = np.where(np.arange(23) < lowest, -1, 1)
    least = optimize.minimize(
        lambda q: np.sum((q - values) ** 2), values.mean() + 0.1 * np.abs(np.arange(24) - lowest),
        jac=lambda q: 2 * (q - values), method="SLSQP", options={"maxiter": 500, "ftol": 1e-12},
        constraints={"type": "ineq", "fun": lambda q: falls * np.diff(q)},
    )  # fmt: skip
    assert np.sum((found - values) ** 2) == pytest.approx(least.fun, rel=1e-4)
    np.testing.assert_allclose(found, least.x, atol=1e-2)


def test_one_dip_is_its_own_and_a_plane_has_none():
    x = np.linspace(-1, 1, 41)
    for dip in (x**2, np.abs(x), 1 - np.exp(-9 * x**2), -x, x):
        np.testing.assert_array_equal(fits.unimodal_fit((x,), dip), dip)
    with pytest.raises(ValueError, match="expected those along a line"):
        fits.unimodal_fit((x, x), np.zeros((41, 41)))
