"""What is drawn anew holds with the confidence that it says: by enumeration and simulation."""

import itertools
from typing import NamedTuple

import jax
import numpy as np
import pytest
from scipy import stats

from jaxcost import resampling, statistics

# the bootstrap

KEY = jax.random.key(0)
mean = lambda groups: groups[0].mean(-1)
difference = lambda groups: groups[1].mean(-1) - groups[0].mean(-1)


@pytest.mark.parametrize("statistic", [lambda groups: groups[0].mean(-1), lambda groups: np.median(groups[0], -1)])
@pytest.mark.parametrize("confidence", [0.46, 0.78])  # the ends then lie between two steps
def test_a_bootstrap_of_few_draws_is_that_of_all_their_resamples(statistic, confidence):
    group = np.array([0.0, 1.0, 10.0, 11.5])
    every = np.sort(statistic([np.array(list(itertools.product(group, repeat=4)))]))  # all 256, equally likely
    low, high = np.quantile(every, ((1 - confidence) / 2, (1 + confidence) / 2), method="inverted_cdf")
    found = resampling.bootstrap(KEY, statistic, [group], confidence=confidence, resamples=20_000)
    assert found == pytest.approx((statistic([group]), low, high))


def test_groups_are_resampled_each_within_itself_and_draws_stay_whole():
    alike = [np.full(4, 1.0), np.full(7, 3.0)]
    assert resampling.bootstrap(KEY, difference, alike) == (2, 2, 2)
    pairs = np.random.default_rng(0).normal(size=(9, 1)) + np.array([0.0, 5.0])
    within = lambda groups: (groups[0][..., 1] - groups[0][..., 0]).mean(-1)
    assert resampling.bootstrap(KEY, within, [pairs]) == pytest.approx((5, 5, 5))


def test_a_statistic_sees_resamples_first_and_then_the_groups_as_they_are():
    seen = []

    def statistic(groups):
        seen.append(groups)
        return groups[0].mean(-1)

    groups = [np.arange(3.0), np.ones((5, 2))]
    resampling.bootstrap(KEY, statistic, groups, resamples=7)
    drawn, plain = seen
    assert [group.shape for group in drawn] == [(7, 3), (7, 5, 2)]
    assert [group.shape for group in plain] == [(1, 3), (1, 5, 2)]
    np.testing.assert_array_equal(plain[0], groups[:1])
    assert set(drawn[0].ravel()) == {0, 1, 2}


def test_the_key_decides():
    group = [np.random.default_rng(0).normal(size=30)]
    first, again, other = (resampling.bootstrap(jax.random.key(i), mean, group) for i in (0, 0, 1))
    assert first == again
    assert first != other
    assert first == pytest.approx(other, abs=0.05)


@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_a_mean_lies_in_its_interval_as_often_as_it_says_and_no_oftener(confidence):
    random, n, times = np.random.default_rng(1), 50, 400
    found = [
        resampling.bootstrap(jax.random.key(i), mean, [random.normal(size=n)], confidence=confidence, resamples=400)
        for i in range(times)
    ]
    covered = np.mean([one.low <= 0 <= one.high for one in found])
    allowed = 3 * np.sqrt(confidence * (1 - confidence) / times)
    assert covered == pytest.approx(confidence, abs=allowed + 0.01)  # of 50 draws it is a little narrow
    width = np.mean([one.high - one.low for one in found])
    assert width == pytest.approx(2 * stats.norm.ppf((1 + confidence) / 2) / np.sqrt(n), rel=0.05)


@pytest.mark.parametrize("groups", [[], [np.ones(3), np.zeros(0)]])
def test_a_group_without_draws_is_refused(groups):
    with pytest.raises(ValueError, match=r"^groups.*, expected (one draw|a list or tuple, one) or more in (each|it)$"):
        resampling.bootstrap(KEY, mean, groups)


def test_rows_of_an_array_are_groups_and_a_list_of_numbers_is_none():
    table = np.random.default_rng(0).normal(size=(4, 16))
    assert resampling.bootstrap(KEY, mean, table) == resampling.bootstrap(KEY, mean, list(table))
    with pytest.raises(ValueError, match=r"^groups=float64\[16\], expected a list or tuple, one or more in it$"):
        resampling.bootstrap(KEY, mean, table[0])


@pytest.mark.parametrize("statistic", [lambda groups: groups[0].mean(0), lambda groups: groups[0].mean(-1)[:0]])
def test_a_statistic_that_is_not_one_number_a_resample_is_refused(statistic):
    with pytest.raises(ValueError, match=r"^the statistic gives .*, expected one of each$"):
        resampling.bootstrap(KEY, statistic, [np.arange(5.0)])
    with pytest.raises(ValueError, match=r"^what the statistic gives=None, expected real numbers"):
        resampling.bootstrap(KEY, lambda groups: None, [np.arange(5.0)])


def test_the_interval_of_a_trend_tells_one_from_none():
    random, misses = np.random.default_rng(0), 0
    for i in range(60):
        none = resampling.bootstrap(
            jax.random.key(i), statistics.trend, list(random.normal(size=(4, 16))), resamples=200
        )
        misses += not none.low <= 0 <= none.high
    assert 0 < misses <= 10  # 3 of 60, a few more with so few draws
    found = resampling.bootstrap(KEY, statistics.trend, [random.normal(size=16) + i for i in range(4)])
    assert 0.5 < found.low < found.value < found.high < 1


# draws in groups


def in_groups(random, between, groups=8, draws=6):
    """Normal draws of variance 1 about 0, of which a share lies between groups."""
    return np.sqrt(between) * random.normal(size=(groups, 1)) + np.sqrt(1 - between) * random.normal(
        size=(groups, draws)
    )


def test_two_levels_draw_groups_and_then_draws_of_each():
    table, seen = np.arange(12.0).reshape(3, 4), []
    resampling.bootstrap(KEY, lambda groups: seen.append(groups[0]) or groups[0].mean((1, 2)), [table], levels=2)
    drawn = seen[0]
    assert drawn.shape == (resampling.RESAMPLES, 3, 4)
    assert (drawn // 4 == drawn[..., :1] // 4).all()  # what stands in one group is of one group
    assert len({tuple(row) for row in drawn[:, 0] % 4}) == 4**4  # and all ways to draw from it occur
    assert len({tuple(row) for row in drawn[..., 0] // 4}) == 3**3


@pytest.mark.parametrize("between", [0.0, 0.5, 1.0])
def test_the_median_lies_in_the_nested_interval_as_often_as_it_says_whether_groups_differ_or_not(between):
    random, times = np.random.default_rng(7), 120
    found = [resampling.nested(jax.random.key(i), in_groups(random, between)) for i in range(times)]
    covered = np.mean([one.low <= 0 <= one.high for one in found])
    assert covered > 0.95 - 3 * np.sqrt(0.95 * 0.05 / times) - 0.02
    if between == 1:  # lines taken for draws from all networks would hold it far less often
        random = np.random.default_rng(7)
        flat = [statistics.summary(in_groups(random, between).ravel()) for _ in range(times)]
        assert np.mean([one.low <= 0 <= one.high for one in flat]) < covered - 0.1


@pytest.mark.parametrize("between", [0.0, 0.6])
def test_the_share_between_groups_lies_in_its_interval_as_often_as_it_says(between):
    random, times = np.random.default_rng(3), 400
    found = [resampling.shared(in_groups(random, between)) for _ in range(times)]
    assert np.mean([one.low <= between <= one.high for one in found]) > 0.91  # of ranks, not of the draws themselves
    assert np.mean([one.value for one in found]) == pytest.approx(between, abs=0.1)


def test_the_share_between_groups_is_that_of_the_analysis_of_variance():
    draws = np.random.default_rng(0).permutation(24).reshape(6, 4) + 1.0  # their own ranks
    F, _ = stats.f_oneway(*draws)
    assert resampling.shared(draws).value == pytest.approx((F - 1) / (F + 3))
    assert resampling.shared(np.exp(draws)) == resampling.shared(draws)  # of ranks
    assert np.isnan(resampling.shared(np.ones((3, 3)))).all()
    assert np.isnan(resampling.shared(np.ones((3, 1)))).all()
    assert resampling.shared(np.arange(4.0)[:, None] * np.ones(3)) == pytest.approx((1, 1, 1))


class Pair(NamedTuple):
    """Two measures."""

    first: object
    second: object


def test_of_a_named_tuple_each_and_what_is_unknown_is_left_out():
    draws = in_groups(np.random.default_rng(0), 0.5)
    found = resampling.nested(KEY, Pair(draws, Pair(draws, 2 * draws)))
    assert found.first == found.second.first == resampling.nested(KEY, draws)
    np.testing.assert_allclose(found.second.second[:5], 2 * np.array(found.first[:5]))
    assert (found.first.groups, found.first.draws) == (8, 48)
    assert found.first.median == np.median(draws)
    holed = draws.copy()
    holed[2], holed[3, 1] = np.nan, np.nan
    found = resampling.nested(KEY, holed)
    assert (found.groups, found.draws, found.median) == (7, 41, np.nanmedian(holed))
    assert np.isfinite(found[:5]).all()
    nothing = resampling.nested(KEY, np.full((3, 2), np.nan))
    assert nothing.draws == 0
    assert np.isnan(nothing.median)


@pytest.mark.parametrize("draws", [np.zeros(5), 3.0, np.zeros((2, 2, 2)), [[1, 2], [3]], "text", None])
def test_nested_draws_are_a_table(draws):
    for f in (lambda: resampling.nested(KEY, draws), lambda: resampling.shared(draws)):
        with pytest.raises(ValueError, match=r"^draws=.*expected real numbers, a table of them$"):
            f()
