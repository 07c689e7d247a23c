"""Intervals by drawing anew: of draws that are alike, and of draws in groups, such as lines in networks.

Lines through one network are alike in what that network is. Taken for draws from all networks they make an interval
that is too narrow, however many they are. Sees arrays only, on the host.
"""

import math
from typing import NamedTuple

import jax
import numpy as np
from scipy import stats

from jaxcost import checks
from jaxcost.statistics import Interval

RESAMPLES = 2000  # the ends of a bootstrap interval are then its 50th value from below and from above


class Nested(NamedTuple):
    """What draws in groups say of a measure.

    Attributes:
        median: of all draws.
        low: the interval in which the median over all possible groups and draws lies (`nested`).
        high: its other end.
        lowest: the smallest median of a group.
        highest: the largest one.
        between: the share of the variance that lies between groups, with its interval (`shared`): near 1, a group's
            draws say the same, and only more groups tell more.
        groups: how many.
        draws: in all groups together, NaN left out.
    """

    median: float
    low: float
    high: float
    lowest: float
    highest: float
    between: Interval
    groups: int
    draws: int

    def __str__(self):
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g})"


def bootstrap(key, statistic, groups, *, confidence=0.95, resamples=RESAMPLES, levels=1) -> Interval:
    """A statistic of groups of draws, with its interval by resampling within each group.

    Each group is drawn anew from itself, with replacement, and as many; the interval holds the middle share
    `confidence` of the statistic of all that. Efron 1979; the interval by percentiles as in Efron & Tibshirani 1993,
    chapter 13. With few draws, ten say, it holds less often than it says. With two levels a draw is itself a group,
    whose own are then drawn anew as well: Davison & Hinkley 1997, section 3.8, where it is the first of two ways, and
    somewhat too wide.

    Args:
        key: a `jax.random.key`; it seeds the generator of numpy that draws.
        statistic: a function of the list of groups, each `[resamples, draws, ...]`, that gives `[resamples]`.
        groups: a list of arrays `[draws, ...]`, or an array `[groups, draws, ...]`; what one draw holds along further
            axes stays together.
        confidence: in (0, 1).
        resamples: how often the groups are drawn anew.
        levels: how many leading axes are drawn anew, one after the other.

    Returns:
        `Interval`; its value is that of the groups as they are.

    Raises:
        ValueError: there is no group, or one without draws, or with fewer axes than levels; the statistic does not give
            one number of each resample; or something else is not what it should be.

    Example:
        >>> mean = lambda groups: groups[0].mean(-1)
        >>> print(f"{bootstrap(jax.random.key(0), mean, [np.arange(101.0)]):.0f}")  # normal theory: 44.3 to 55.7
        50 (44 to 56)
    """
    checks.key("key", key), checks.function("statistic", statistic)
    checks.number("confidence", confidence, 0, 1, above=True, below=True)
    resamples, levels = checks.whole("resamples", resamples, most=checks.MOST), checks.whole("levels", levels)
    rows = [*groups] if isinstance(groups, jax.Array | np.ndarray) and groups.ndim > 1 else groups
    groups = [checks.numbers("a group", group) for group in checks.listed("groups", rows)]
    if not all(group.ndim >= levels and group.size for group in groups):
        raise ValueError(f"groups of shapes {[group.shape for group in groups]}, expected one draw or more in each")
    random = np.random.default_rng(np.asarray(jax.random.key_data(key)).ravel())
    tail = (1 - confidence) / 2
    of = lambda groups: checks.numbers("what the statistic gives", statistic(groups), 1)
    drawn = of([_anew(random, group, resamples, levels) for group in groups])
    value = of([group[None] for group in groups])
    if len(value) != 1 or not 0 < len(drawn) <= resamples:
        raise ValueError(f"the statistic gives {len(drawn)} numbers of {resamples} resamples, expected one of each")
    low, high = np.quantile(drawn, (tail, 1 - tail), method="inverted_cdf")  # one of them: some may be infinite
    return Interval(float(value[0]), float(low), float(high))


def _anew(random, group, resamples, levels):
    """The group drawn anew, `[resamples, ...]`: its draws, and then the draws of each of these, and so on."""
    index = ()
    for level in range(levels):
        index = tuple(i[..., None] for i in index)
        index += (random.integers(group.shape[level], size=(resamples, *group.shape[: level + 1])),)
    return group[index]


def nested(key, draws, *, confidence=0.95) -> Nested | tuple:
    """The median of a measure over groups of draws, and the interval in which that of all groups lies.

    By `bootstrap` on two levels: groups drawn anew, and then the draws of each. For normal groups and draws, 8 groups
    of 6, the interval of 95 % held the median in 93 to 99 % of 1,000 trials, whether groups differ or not; that of
    `statistics.summary`, which takes all draws for alike, in 74 % where groups differ alone.

    Args:
        key: a `jax.random.key`.
        draws: a measure, `[groups, draws]`, or a NamedTuple of such however deep; NaN are left out.
        confidence: in (0, 1).

    Returns:
        A `Nested`; of a NamedTuple the same NamedTuple of these.

    Raises:
        ValueError: the draws are not a table of numbers.

    Example:
        >>> lines = np.arange(8.0)[:, None] + 0.1 * np.arange(6)  # networks differ by more than their lines
        >>> found = nested(jax.random.key(0), lines)
        >>> print(found, f"{found.between:.2f}")
        3.75 (1.4 to 6.1) 0.98 (0.96 to 1.00)
    """
    checks.key("key", key), checks.number("confidence", confidence, 0, 1, above=True, below=True)
    if isinstance(draws, tuple) and hasattr(draws, "_fields"):
        return type(draws)(*(nested(key, one, confidence=confidence) for one in draws))
    draws = checks.numbers("draws", draws, 2)
    known = draws[~np.isnan(draws).all(1)] if draws.size else draws
    if not known.size:
        return Nested(*[math.nan] * 5, Interval(*[math.nan] * 3), 0, 0)
    found = bootstrap(key, lambda groups: _median(groups[0]), [known], confidence=confidence, levels=2)
    of_groups = [float(np.nanmedian(group)) for group in known]
    number = int(np.sum(~np.isnan(draws)))
    return Nested(*found, min(of_groups), max(of_groups), shared(known, confidence), len(known), number)


def _median(drawn):
    """Medians of `[resamples, groups, draws]`, NaN left out; where one has drawn nothing else, of all others."""
    flat = drawn.reshape(len(drawn), -1)
    known = flat[~np.isnan(flat).all(1)]
    return np.nanmedian(known, axis=1)


def shared(draws, confidence=0.95) -> Interval:
    """The share of the variance of ranks that lies between groups, the intraclass correlation, with its interval.

    (B - W) / (B + (k - 1) W), with B and W the mean squares between and within groups of k draws; the interval from
    that of B / W as F-distributed. ICC(1, 1) of Shrout & Fleiss 1979; of the ranks, so that neither the unit nor
    a few large draws decide. Below 0 where groups differ less than draws within one.

    Args:
        draws: `[groups, draws]`, two or more of both.
        confidence: in (0, 1).

    Returns:
        `Interval`; NaN where draws are NaN, fewer, or all alike.

    Raises:
        ValueError: the draws are not a table of numbers.

    Example:
        >>> print(shared([[1, 2, 3], [11, 12, 13], [21, 22, 23]]))
        0.90 (0.48 to 1.00)
    """
    draws = checks.numbers("draws", draws, 2)
    checks.number("confidence", confidence, 0, 1, above=True, below=True)
    (n, k), unknown = draws.shape, Interval(*[math.nan] * 3)
    if min(n, k) < 2 or np.isnan(draws).any():
        return unknown
    ranks = stats.rankdata(draws).reshape(n, k)
    between = k * np.var(ranks.mean(1), ddof=1)
    within = np.var(ranks, axis=1, ddof=1).mean()
    if between + within == 0:
        return unknown
    free, tail = (n - 1, n * (k - 1)), (1 - confidence) / 2
    ratio = between / within if within else math.inf
    share = lambda F: (F - 1) / (F + k - 1) if math.isfinite(F) else 1.0
    ends = [float(stats.f.ppf(1 - tail, *of)) for of in (free, free[::-1])]
    return Interval(*(float(share(F)) for F in (ratio, ratio / ends[0], ratio * ends[1])))
