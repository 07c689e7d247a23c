"""What is said of many draws holds with the confidence that it says: by tables, enumeration and simulation."""

import itertools
import math
import re
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from jaxcost import statistics

# medians


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
    found = [statistics.summary(sample(random), confidence) for _ in range(400)]
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
    found = statistics.summary(draws, confidence)
    assert (found.low, found.high) == (l, u)
    assert found.confidence == pytest.approx(sum(math.comb(n, i) for i in range(l, n - l + 1)) / 2**n)
    inside = lambda l: sum(math.comb(n, i) for i in range(l, n - l + 1)) / 2**n  # noqa: E741
    assert inside(l) >= confidence > inside(l + 1)


@pytest.mark.parametrize(("n", "confidence"), [(1, 0.95), (2, 0.95), (5, 0.95), (7, 0.99), (4, 0.9)])
def test_of_too_few_draws_the_interval_is_all_of_them_and_says_how_sure_it_is(n, confidence):
    found = statistics.summary(np.arange(float(n)), confidence)
    assert (found.low, found.high, found.draws) == (0, n - 1, n)
    assert found.median == (n - 1) / 2
    assert found.confidence == pytest.approx(1 - 2 ** (1 - n))  # not all on one side of the median
    assert found.confidence < confidence
    assert f"{found.confidence:.0%} sure" in str(found) or found.confidence >= 0.95


def test_a_twentieth_lies_beyond_each_end():
    found = statistics.summary(np.random.default_rng(0).permutation(10_000.0 - np.arange(10_000)))
    assert found.lower == pytest.approx(500, abs=2)
    assert found.upper == pytest.approx(9500, abs=2)
    for n in (1, 3, 30):
        found = statistics.summary(np.arange(float(n)))
        assert 0 <= found.lower <= found.median <= found.upper <= n - 1


def test_what_is_unknown_is_left_out():
    assert statistics.summary([np.nan, *np.arange(10.0), np.nan]) == statistics.summary(np.arange(10.0))
    nothing = statistics.summary([np.nan, np.nan])
    assert nothing.draws == 0
    assert np.isnan(nothing[:5]).all()


def test_infinite_draws_count_as_large():
    found = statistics.summary([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, np.inf, np.inf, np.inf])
    assert (found.median, found.low, found.high, found.lower, found.upper) == (5.5, 2, np.inf, 1, np.inf)
    found = statistics.summary(np.full(8, np.inf))
    assert (found.median, found.low, found.high) == (np.inf, np.inf, np.inf)


def test_order_and_units_change_nothing_else():
    draws = np.random.default_rng(0).lognormal(size=41)
    found = statistics.summary(draws)
    assert statistics.summary(draws[::-1]) == found
    np.testing.assert_allclose(statistics.summary(3 * draws + 1)[:5], 3 * np.array(found[:5]) + 1)


class Pair(NamedTuple):
    """Two measures, or two pairs of such."""

    first: object
    second: object


def test_a_named_tuple_of_draws_has_the_same_of_summaries_however_deep():
    one, two, three = np.random.default_rng(0).normal(size=(3, 30))
    found = statistics.summary(Pair(one, Pair(two, three)), 0.8)
    assert type(found) is type(found.second) is Pair
    assert found.first == statistics.summary(one, 0.8)
    assert found.second == (statistics.summary(two, 0.8), statistics.summary(three, 0.8))
    assert found.first != found.second.first


@pytest.mark.parametrize("draws", [3.0, np.zeros((4, 2))])
def test_draws_are_a_list(draws):
    with pytest.raises(ValueError, match=r"^draws=.*expected real numbers, a list of them$"):
        statistics.summary(draws)


@pytest.mark.parametrize("confidence", [95, 0, 1, -0.5, np.nan, "0.95", None, True])
def test_a_confidence_lies_between_0_and_1(confidence):
    intervals = (
        lambda: statistics.summary(np.arange(9.0), confidence),
        lambda: statistics.proportion(3, 9, confidence),
        lambda: statistics.kendall(np.arange(9), np.arange(9), confidence),
        lambda: statistics.draws_for(1.0, np.arange(9.0), confidence),
    )
    for interval in intervals:
        with pytest.raises(ValueError, match=r"^confidence=.*, expected a number in \(0, 1\)$"):
            interval()


def test_a_summary_says_itself_in_one_line():
    assert str(statistics.summary(np.arange(1.0, 11.0))) == "5.5 (2 to 9, 10 draws)"


def test_half_the_width_takes_four_times_the_draws():
    draws = np.random.default_rng(0).lognormal(size=200)
    found = statistics.summary(draws)
    width = found.high - found.low
    assert statistics.draws_for(width, draws) == 200
    for part in (2, 3, 10):
        assert statistics.draws_for(width / part, draws) == pytest.approx(200 * part**2, abs=1)
    assert statistics.draws_for(1e9, draws) == 1
    assert statistics.draws_for(width, draws, confidence=0.99) > 200 > statistics.draws_for(width, draws, 0.5)


def test_so_many_draws_have_such_an_interval():
    random = np.random.default_rng(1)
    wanted = 0.2
    n = statistics.draws_for(wanted, random.exponential(size=400))
    widths = [(one := statistics.summary(random.exponential(size=n))).high - one.low for _ in range(200)]
    assert np.median(widths) == pytest.approx(wanted, rel=0.25)


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
def test_a_width_that_is_none_is_refused(width):
    with pytest.raises(ValueError, match=f"width={width}, expected a number in"):
        statistics.draws_for(width, np.arange(10.0))


@pytest.mark.parametrize("draws", [np.arange(5.0), np.full(20, np.nan), [1, 2, 3, 4, 5, 6, *[np.inf] * 6]])
def test_draws_that_tell_no_interval_tell_no_number(draws):
    with pytest.raises(ValueError, match="expected a positive width and more draws"):
        statistics.draws_for(1.0, draws)


# intervals


def test_an_interval_says_itself_with_the_decimals_that_are_wanted():
    found = statistics.Interval(0.52, 0.314, 0.7)
    assert str(found) == f"{found}" == "0.52 (0.31 to 0.70)"
    assert f"{found:.0%}" == "52% (31% to 70%)"
    assert found == (0.52, 0.314, 0.7)


def chances(n, p):
    """The chance of each number of successes, summed by hand."""
    return np.array([math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1)])


@pytest.mark.parametrize("confidence", [0.8, 0.95])
@pytest.mark.parametrize("n", [1, 6, 25])
def test_at_the_ends_of_a_share_so_many_successes_are_just_too_seldom(n, confidence):
    for k in range(n + 1):
        found = statistics.proportion(k, n, confidence)
        assert found.value == k / n
        assert found.low <= found.value <= found.high
        assert (found.low, chances(n, found.low)[k:].sum()) == pytest.approx(
            (0, 1) if k == 0 else (found.low, (1 - confidence) / 2)
        )
        assert (found.high, chances(n, found.high)[: k + 1].sum()) == pytest.approx(
            (1, 1) if k == n else (found.high, (1 - confidence) / 2)
        )


@pytest.mark.parametrize("n", [5, 20])
def test_a_share_lies_in_its_interval_at_least_as_often_as_it_says_and_no_smaller_confidence_would_do(n):
    covers = lambda found, p: np.array([one.low <= p <= one.high for one in found])
    exact, loose = ([statistics.proportion(k, n, c) for k in range(n + 1)] for c in (0.95, 0.8))
    ps = np.linspace(0.005, 0.995, 199)
    assert min(chances(n, p) @ covers(exact, p) for p in ps) >= 0.95
    assert min(chances(n, p) @ covers(loose, p) for p in ps) < 0.95


@pytest.mark.parametrize(("successes", "n"), [(-1, 5), (6, 5), (0, 0), (math.nan, 5)])
def test_a_share_is_of_trials(successes, n):
    with pytest.raises(ValueError, match=r"^(successes|n)=.*whole number|successes of 5, expected 0 to n$"):
        statistics.proportion(successes, n)


# trends


@pytest.mark.parametrize("sizes", [(5, 5), (3, 8, 4), (2, 1, 6, 9)])
@pytest.mark.parametrize("rounded", [False, True])
def test_a_trend_is_spearmans_correlation_with_the_number_of_the_group(sizes, rounded):
    random = np.random.default_rng(len(sizes))
    groups = [random.normal(i / 2, size=(6, n)) for i, n in enumerate(sizes)]
    if rounded:
        groups = [np.round(group) for group in groups]
    found = statistics.trend(groups)
    numbers = np.repeat(np.arange(len(sizes)), sizes)
    for i in range(6):
        row = np.concatenate([group[i] for group in groups])
        assert found[i] == pytest.approx(stats.spearmanr(row, numbers).statistic)
        assert statistics.trend([group[i] for group in groups]) == pytest.approx(found[i])  # of one sample


def test_trends_at_their_ends():
    rising = [np.full((1, 3), float(i)) for i in range(4)]
    assert statistics.trend(rising) == pytest.approx([1])
    assert statistics.trend(rising[::-1]) == pytest.approx([-1])
    assert statistics.trend([10**group for group in rising]) == pytest.approx([1])  # of ranks only
    assert statistics.trend([np.ones((2, 3)), np.ones((2, 5))]).tolist() == [0, 0]
    assert statistics.trend([np.arange(6.0)[None]]).tolist() == [0]  # one group


# rank correlation


def tau_b(x, y):
    """Kendall's tau-b, the pairs counted."""
    signs = np.array(
        [(np.sign(c - a), np.sign(d - b)) for (a, b), (c, d) in itertools.combinations(zip(x, y, strict=True), 2)]
    )
    return np.sum(signs[:, 0] * signs[:, 1]) / np.sqrt(np.prod(np.sum(signs**2, 0)))


@pytest.mark.parametrize("seed", range(4))
def test_kendalls_correlation_is_that_of_the_pairs(seed):
    random = np.random.default_rng(seed)
    x, y = random.normal(size=(2, 25))
    if seed % 2:
        x, y = np.round(x), np.round(y)
    found = statistics.kendall(x, y)
    assert found.value == pytest.approx(tau_b(x, y))
    assert found.low < found.value < found.high
    assert statistics.kendall(y, np.exp(x)) == pytest.approx(found)  # neither order nor scale matters
    assert statistics.kendall(x, -y) == pytest.approx((-found.value, -found.high, -found.low))


@pytest.mark.parametrize("correlation", [0.0, 0.7])
@pytest.mark.parametrize("confidence", [0.5, 0.95])
def test_kendalls_of_normal_pairs_lies_in_its_interval_as_often_as_it_says(correlation, confidence):
    true = 2 / np.pi * np.arcsin(correlation)  # Greiner's relation
    covariance, times = [[1, correlation], [correlation, 1]], 1000
    pairs = np.random.default_rng(0).multivariate_normal([0, 0], covariance, size=(times, 40))
    found = [statistics.kendall(*one.T, confidence) for one in pairs]
    covered = np.mean([one.low <= true <= one.high for one in found])
    assert covered == pytest.approx(confidence, abs=3 * np.sqrt(confidence * (1 - confidence) / times) + 0.01)


def test_kendalls_at_its_ends():
    x = np.arange(9.0)
    assert statistics.kendall(x, x**3) == (1, 1, 1)
    assert statistics.kendall(x, -x) == (-1, -1, -1)
    assert np.isnan(statistics.kendall(x, np.ones(9))).all()
    assert np.isnan(statistics.kendall(x, [np.nan, *x[1:]])).all()
    with pytest.raises(ValueError, match=r"^x of shape \(9,\) and y of shape \(4,\), expected 5 or"):
        statistics.kendall(x, x[:4])
    with pytest.raises(ValueError, match=r"^y=float64\[9, 1\], expected real numbers, a list of them"):
        statistics.kendall(x, x[:, None])
    with pytest.raises(ValueError, match="expected 5 or more numbers in each"):
        statistics.kendall(x[:4], x[:4])


# two samples


def counted(a, b):
    """U by its definition."""
    return sum((x > y) + (x == y) / 2 for x in a for y in b)


@pytest.mark.parametrize("seed", range(6))
def test_mann_and_whitneys_p_is_that_of_all_ways_to_deal_the_ranks(seed):
    random = np.random.default_rng(seed)
    values, n = random.normal(size=10), 4
    values[:n] += seed / 2
    every = [
        counted(values[list(first)], np.delete(values, list(first))) for first in itertools.combinations(range(10), n)
    ]
    u = counted(values[:n], values[n:])
    p = min(1, 2 * min(np.mean(np.array(every) >= u), np.mean(np.array(every) <= u)))
    assert statistics.mann_whitney(values[:n], values[n:]) == pytest.approx(p)
    assert statistics.mann_whitney(values[n:], values[:n]) == pytest.approx(p)


def test_with_ties_it_is_about_that_of_shuffled_draws():
    random = np.random.default_rng(0)
    a, b = random.poisson(1.0, 25), random.poisson(1.7, 30)
    shuffled = random.permuted(np.tile(np.concatenate([a, b]), (4000, 1)), axis=1)
    ranks = stats.rankdata(shuffled, axis=1)[:, :25].sum(1)
    own = stats.rankdata(np.concatenate([a, b]))[:25].sum()
    p = 2 * min(np.mean(ranks <= own), np.mean(ranks >= own))
    assert 0.001 < p < 0.5
    assert statistics.mann_whitney(a, b) == pytest.approx(p, rel=0.15, abs=0.005)


def test_columns_are_tested_each_for_itself_and_nan_left_out():
    random = np.random.default_rng(1)
    a, b = random.normal(size=(9, 3)), random.normal((0, 1, 5), size=(12, 3))
    a[2, 1] = b[:3, 1] = b[:, 0] = np.nan
    found = statistics.mann_whitney(a, b)
    assert found.shape == (3,)
    assert np.isnan(found[0])
    assert found[1] == stats.mannwhitneyu(np.delete(a[:, 1], 2), b[3:, 1]).pvalue
    assert found[2] == statistics.mann_whitney(a[:, 2], b[:, 2]) < 1e-3
    assert statistics.mann_whitney(np.ones(20), np.ones(30)) == 1  # all alike
    assert statistics.mann_whitney([np.inf] * 3, [np.inf]) == 1


def test_samples_of_one_kind_are_seldom_told_apart():
    a, b = np.random.default_rng(2).normal(size=(2, 15, 2000))
    p = statistics.mann_whitney(a, b)
    for alpha in (0.01, 0.1, 0.5):
        assert np.mean(p <= alpha) == pytest.approx(alpha, abs=4 * np.sqrt(alpha / 2000))


@pytest.mark.parametrize(("a", "b"), [(np.ones((4, 2)), np.ones((4, 3))), (np.ones(4), np.ones((4, 1))), (1.0, 2.0)])
def test_samples_must_have_as_many_columns(a, b):
    message = f"a of shape {np.shape(a)} and b of shape {np.shape(b)}, expected [draws] or [draws, m] of both"
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        statistics.mann_whitney(a, b)


# p-values


@pytest.mark.parametrize("draws", [9, 99])
def test_p_is_uniform_under_the_null(draws):
    random = np.random.default_rng(0)
    p = np.array([statistics.p_value(x[0], x[1:]) for x in random.normal(size=(4000, draws + 1))])
    step = 2 / (draws + 1)
    assert set(np.round(p / step, 9)) == set(range(1, (draws + 1) // 2 + 1))  # 2, 4, ... of 100
    assert stats.kstest(p - step * random.uniform(size=len(p)), "uniform").pvalue > 1e-3
    for alpha in (step, 0.2, 0.5):
        assert np.mean(p <= alpha + 1e-12) <= alpha + 4 * np.sqrt(alpha / len(p))


def test_p_with_ties_is_never_too_small():
    random = np.random.default_rng(1)
    p = np.array([statistics.p_value(x[0], x[1:]) for x in random.poisson(0.7, size=(4000, 40))])
    for alpha in (0.05, 0.1, 0.2, 0.5):
        assert np.mean(p <= alpha) <= alpha + 4 * np.sqrt(alpha / len(p))


def test_p_at_its_ends():
    null = np.arange(99.0)
    assert statistics.p_value(1e9, null) == statistics.p_value(-1e9, null) == pytest.approx(0.02)
    assert statistics.p_value(49.0, null) == 1
    assert statistics.p_value(3.0, np.full(50, 3.0)) == 1
    assert statistics.p_value(0.0, np.zeros(50)) == 1
    assert statistics.p_value(98.0, null) == pytest.approx(2 * 2 / 100)  # the tie counts as beyond
    assert statistics.p_value(np.inf, null) == pytest.approx(0.02)
    assert statistics.p_value(np.inf, np.full(9, np.inf)) == 1


def test_p_leaves_out_what_is_unknown():
    null = np.array([np.nan, *np.arange(9.0), np.nan])
    assert statistics.p_value(100.0, null) == pytest.approx(0.2)
    assert np.isnan(statistics.p_value(np.nan, null))
    assert np.isnan(statistics.p_value(1.0, np.full(3, np.nan)))
    assert np.isnan(statistics.p_value(1.0, np.array([])))


def test_p_has_no_side_and_no_unit():
    random = np.random.default_rng(2)
    for x in random.normal(size=(50, 30)):
        p = statistics.p_value(x[0], x[1:])
        assert p == statistics.p_value(-x[0], -x[1:]) == statistics.p_value(7 * x[0] + 1, 7 * x[1:] + 1)
