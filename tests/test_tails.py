"""A tail is the distribution that its draws come from, and the largest values hold what they hold."""

import math
import re

import numpy as np
import pytest
from scipy import stats

from jaxcost import tails

# the lowest draws


def draws_of(shape, n=40_000, seed=0):
    """Draws of which the lowest twentieth is generalised Pareto below 3, of scale 0.5; the others lie above."""
    random = np.random.default_rng(seed)
    depth = 0.5 * np.expm1(-shape * np.log(random.uniform(size=n // 20))) / shape  # the inverse of its survival
    return random.permutation(np.concatenate([3 - depth, random.uniform(3, 5, size=n - n // 20)]))


@pytest.mark.parametrize("shape", [-0.5, -0.25, 0.1, 0.4])
def test_shape_and_scale_are_those_that_the_draws_come_from(shape):
    tail = tails.lower_tail(draws_of(shape))
    assert tail.threshold == pytest.approx(3, abs=0.01)
    assert tail.shape == pytest.approx(shape, abs=4 * (1 + shape) / math.sqrt(2000))  # its standard error, Smith 1987
    assert tail.scale == pytest.approx(0.5, abs=4 * 0.5 * math.sqrt(2 * (1 + shape) / 2000))


def test_a_tail_with_an_end_ends_there_and_one_without_nowhere():
    tail = tails.lower_tail(draws_of(-0.25))
    assert tail.end == pytest.approx(3 - 0.5 / 0.25, abs=0.3)
    assert tail.log10_share(tail.end - 0.01) == -math.inf
    assert tail.log10_share(tail.end + 0.01) > -math.inf
    assert tails.lower_tail(draws_of(0.4)).end == -math.inf


@pytest.mark.parametrize("shape", [-0.3, 0.2])
def test_the_share_below_is_that_of_the_formula(shape):
    tail = tails.Tail(threshold=2.0, share=0.1, shape=shape, scale=0.7)
    values = np.array([2.0, 1.9, 1.2, 0.5])
    survival = 0.1 * (1 + shape * (2.0 - values) / 0.7) ** (-1 / shape)
    np.testing.assert_allclose(tail.log10_share(values), np.log10(survival))
    assert tail.log10_share(1.2) == pytest.approx(math.log10(survival[2]))
    assert isinstance(tail.log10_share(1.2), float)


def test_an_exponential_tail_is_that_without_a_shape():
    tail = tails.Tail(0.0, 0.05, 0.0, 2.0)
    assert tail.log10_share(-2000.0) == pytest.approx(math.log10(0.05) - 1000 / math.log(10))  # far below any float
    assert tail.end == -math.inf


def test_beyond_the_threshold_a_tail_says_its_share():
    tail = tails.lower_tail(draws_of(0.1), share=0.05)
    np.testing.assert_allclose(tail.log10_share([tail.threshold, 4.0, math.inf]), math.log10(0.05))


def test_a_tail_of_some_draws_tells_how_many_others_lie_far_below():
    tail = tails.lower_tail(stats.norm.rvs(size=40_000, random_state=1))
    assert tail.log10_share(stats.norm.ppf(1e-4)) == pytest.approx(-4, abs=0.3)


def test_order_and_units_change_nothing_else():
    draws = draws_of(-0.25, 4000)
    tail, other = tails.lower_tail(draws), tails.lower_tail(1000 * draws[::-1] + 7)
    np.testing.assert_allclose(other, (1000 * tail.threshold + 7, 0.05, tail.shape, 1000 * tail.scale), rtol=1e-2)


@pytest.mark.parametrize(
    ("draws", "share", "message"),
    [
        (np.arange(99.0), 0.0, "share=0.0, expected a number in (0, 1)"),
        (np.arange(99.0), 5.0, "share=5.0, expected a number in (0, 1)"),
        (np.arange(40.0), 0.1, "4 different draws below 3.9, expected 5 or more in the tail"),
        (np.append(np.arange(99.0), np.nan), 0.5, "draws of shape (100,), 1 not finite; expected all finite"),
        ([], 0.5, "0 different draws below nan, expected 5 or more in the tail"),
        (np.ones(99), 0.1, "0 different draws below 1, expected 5 or more in the tail"),
    ],
)
def test_a_tail_wants_draws(draws, share, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        tails.lower_tail(draws, share)


# the largest values


def test_the_largest_hold_what_a_count_of_them_says():
    values = np.random.default_rng(0).lognormal(size=200)
    rising = sorted(values.tolist())
    for part, k in ((0.01, 2), (0.1, 20), (0.5, 100), (1.0, 200), (0.001, 1)):
        held = tails.share_of_largest(values, part)
        assert held == pytest.approx(math.fsum(rising[-k:]) / math.fsum(rising))
        assert isinstance(held, float)


def test_the_shares_of_all_parts_are_a_curve_above_the_diagonal():
    values, parts = np.random.default_rng(1).exponential(size=1000), np.arange(1, 1001) / 1000
    curve = tails.share_of_largest(values, parts)
    assert curve.shape == (1000,)
    assert (np.diff(curve) > 0).all()
    assert (np.diff(curve, 2) < 0).all()
    assert curve[-1] == pytest.approx(1)
    # of exponential draws the largest share p holds p - p ln p
    np.testing.assert_allclose(curve, parts - parts * np.log(parts), atol=0.05)
    np.testing.assert_allclose(tails.share_of_largest(np.ones(1000), parts), parts)


@pytest.mark.parametrize("values", [[1.0, -1.0], [0.0, 0.0], [], [1.0, np.nan], [1.0, np.inf]])
def test_shares_want_a_total_of_parts(values):
    with pytest.raises(ValueError, match=r"expected none negative and some above 0|not finite; expected all finite"):
        tails.share_of_largest(values, 0.5)


@pytest.mark.parametrize("part", [0, -0.1, 1.5, np.nan, [0.5, 2], "half"])
def test_a_part_is_no_more_than_all(part):
    with pytest.raises(ValueError, match=r"part=.*, expected "):
        tails.share_of_largest(np.arange(9.0), part)
