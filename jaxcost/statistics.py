"""What many draws say: medians and shares with their intervals, trends, and tests against nulls.

One slice or one training run is one draw, and a claim rests on many. Sees arrays only, on the host.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxcost import checks


class Summary(NamedTuple):
    """What many draws of a measure say.

    Attributes:
        median: of the draws.
        low: the interval in which the median of all possible draws lies with the wanted confidence, from
            order statistics, whatever the distribution; where the draws are too few for that, their lowest.
        high: its other end.
        lower: a twentieth of the draws lie below.
        upper: a twentieth lie above.
        draws: how many; those for which the measure is NaN are left out.
        confidence: with which the interval holds that median; less than was wanted where the draws are too few.
    """

    median: float
    low: float
    high: float
    lower: float
    upper: float
    draws: int
    confidence: float

    def __str__(self):
        surely = f", {self.confidence:.0%} sure" if self.draws and self.confidence < 0.95 else ""
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g}, {self.draws} draws{surely})"


class Interval(NamedTuple):
    """A number found on draws, and the interval in which that of all possible draws lies.

    Attributes:
        value: the number; a format is that of each number, two decimals unless told otherwise.
        low: the lower end.
        high: the upper end.

    Example:
        >>> found = Interval(0.52, 0.31, 0.7)
        >>> str(found), f"{found:.0%}"
        ('0.52 (0.31 to 0.70)', '52% (31% to 70%)')
    """

    value: float
    low: float
    high: float

    def __str__(self):
        return format(self)

    def __format__(self, spec):
        value, low, high = (format(number, spec or ".2f") for number in self)
        return f"{value} ({low} to {high})"


def summary(draws, confidence=0.95) -> Summary | tuple:
    """The median of a measure, and the interval in which it lies.

    Between the order statistics l and u with P(l <= B < u) >= confidence for B ~ Binomial(draws, 1/2): exact for any
    continuous distribution, wider than asked for with few draws. Conover 1999, section 3.2. Draws that come in groups,
    such as lines in networks, are no such draws: `resampling.nested`.

    Args:
        draws: a measure, `[draws]`, or a NamedTuple of such however deep, as `bumpiness.Measures` is.
        confidence: in (0, 1).

    Returns:
        A `Summary`; of a NamedTuple the same NamedTuple of summaries.

    Raises:
        ValueError: the draws are not a list of numbers, or the confidence is not in (0, 1).

    Example:
        >>> print(summary(np.arange(1.0, 101.0)))
        50.5 (40 to 61, 100 draws)
        >>> print(summary(np.arange(5.0)))
        2 (0 to 4, 5 draws, 94% sure)
    """
    confidence = _confidence(confidence)
    if isinstance(draws, tuple) and hasattr(draws, "_fields"):
        return type(draws)(*(summary(one, confidence) for one in draws))
    draws = checks.numbers("draws", draws, 1)
    known = np.sort(draws[~np.isnan(draws)])
    n = len(known)
    if not n:
        return Summary(*[math.nan] * 5, 0, 0.0)
    below = max(1, int(stats.binom.ppf((1 - confidence) / 2, n, 0.5)))  # P(B < below) <= (1 - confidence) / 2
    below = min(below, (n + 1) // 2)
    low, high = known[below - 1], known[n - below]
    lower, upper = np.quantile(known, (0.05, 0.95), method="closest_observation")
    held = max(0.0, 1 - 2 * float(stats.binom.cdf(below - 1, n, 0.5)))
    return Summary(float(np.median(known)), float(low), float(high), float(lower), float(upper), n, held)


def _confidence(value):
    return checks.number("confidence", value, 0, 1, above=True, below=True)


def draws_for(width, draws, confidence=0.95) -> int:
    """How many draws are needed for an interval of the median of a wanted width, judged by some draws.

    The interval narrows as one over the root of their number: n (found / wanted)^2, an estimate.

    Args:
        width: wanted, high - low, in the units of the measure.
        draws: some draws of the measure, `[draws]`, enough for a finite interval, six at least.
        confidence: of the interval.

    Returns:
        A number of draws.

    Raises:
        ValueError: the width is not positive, or next to nothing; or the draws are no list of numbers, or too few.

    Example:
        >>> draws_for(10.5, np.arange(1.0, 101.0))
        400
    """
    found, width = summary(checks.numbers("draws", draws, 1), confidence), checks.number("width", width, 0, above=True)
    if not found.high - found.low < 1e100 * width or found.confidence < confidence:  # infinite or NaN, too
        raise ValueError(f"width={width} and {found.draws} draws, expected a positive width and more draws")
    return max(1, math.ceil(found.draws * ((found.high - found.low) / width) ** 2))


def proportion(successes, n, confidence=0.95) -> Interval:
    """The share successes / n, with its exact binomial interval.

    At its lower end so many successes or more, at its upper end so many or fewer have a probability of
    (1 - confidence) / 2. Clopper & Pearson 1934; it holds at least as often as it says, mostly more often.

    Args:
        successes: a whole number, 0 to n.
        n: number of trials, 1 or more.
        confidence: in (0, 1).

    Returns:
        `Interval`.

    Raises:
        ValueError: these are no such numbers.

    Example:
        >>> print(proportion(18, 20))
        0.90 (0.68 to 0.99)
    """
    n, successes = checks.whole("n", n, most=checks.MOST), checks.whole("successes", successes, 0)
    if successes > n:
        raise ValueError(f"{successes} successes of {n}, expected 0 to n")
    low, high = stats.binomtest(successes, n).proportion_ci(_confidence(confidence))
    return Interval(float(successes / n), float(low), float(high))


def trend(groups) -> np.ndarray:
    """Spearman's rank correlation of draws with the number of their group: whether they rise from group to group.

    rho = sum (r - mean r)(g - mean g) / sqrt(sum (r - mean r)^2 sum (g - mean g)^2), with r the ranks of all draws
    together and g those of the groups' numbers, equals sharing their mean rank. Spearman 1904. A statistic for
    `resampling.bootstrap`.

    Args:
        groups: a list of arrays `[..., draws]`, in order; the draws along the last axis.

    Returns:
        `[...]`, each in [-1, 1]; 0 where all draws are alike.

    Raises:
        ValueError: the groups are no list of arrays, differ in more than the last axis, or one has no draws.

    Example:
        >>> float(trend([np.array([1.0, 2.0]), np.array([3.0, 4.0])]).round(3))  # less than 1, for ties within groups
        0.894
    """
    groups = [checks.numbers("a group", group) for group in checks.listed("groups", groups)]
    alike = len({group.shape[:-1] for group in groups}) == 1 and all(group.ndim and group.size for group in groups)
    if not alike:
        shapes = [group.shape for group in groups]
        raise ValueError(f"groups of shapes {shapes}, expected [..., draws], one or more each")
    numbers = np.repeat(np.arange(len(groups)), [group.shape[-1] for group in groups])
    r, g = (stats.rankdata(a, axis=-1) for a in (np.concatenate(groups, -1), numbers))
    r, g = r - r.mean(-1, keepdims=True), g - g.mean()
    return r @ g / np.maximum(np.sqrt((r**2).sum(-1) * (g**2).sum()), 1e-12)


def kendall(x, y, confidence=0.95) -> Interval:
    """Kendall's rank correlation tau-b of pairs, with its interval.

    The interval is arctanh(tau) -+ z sqrt(0.437 / (n - 4)), taken back by tanh, with z the normal quantile. Fieller,
    Hartley & Pearson 1957: for pairs that monotone functions make normal, n of 10 or more and |tau| below 0.8 or so. A
    perfect correlation has no width, which says that the pairs are too few.

    Args:
        x: `[n]`, more than 4.
        y: `[n]`, paired with x.
        confidence: in (0, 1).

    Returns:
        `Interval`; NaN where x or y is NaN somewhere or the same everywhere.

    Raises:
        ValueError: the numbers are not paired, or too few.

    Example:
        >>> print(kendall(np.arange(20), np.arange(20) % 7))
        0.25 (-0.07 to 0.52)
    """
    x, y, confidence = checks.numbers("x", x, 1), checks.numbers("y", y, 1), _confidence(confidence)
    if x.shape != y.shape or len(x) < 5:
        raise ValueError(f"x of shape {x.shape} and y of shape {y.shape}, expected 5 or more numbers in each")
    tau = float(stats.kendalltau(x, y).statistic)
    off = stats.norm.ppf((1 + confidence) / 2) * math.sqrt(0.437 / (len(x) - 4))
    with np.errstate(divide="ignore"):  # of a perfect one
        middle = np.arctanh(tau)
    return Interval(tau, float(np.tanh(middle - off)), float(np.tanh(middle + off)))


def mann_whitney(a, b) -> float | np.ndarray:
    """How surely one sample tends to be larger than another: the two-sided p-value of their ranks.

    U = #{a_i > b_j} + #{a_i = b_j} / 2 against its distribution were both samples of one kind; exact where a sample has
    8 draws or fewer and no two are equal, else normal with the correction for ties. Mann & Whitney 1947.

    Args:
        a: `[draws]`, or `[draws, m]` for m tests; NaN are left out.
        b: likewise, of any number of draws.

    Returns:
        The p-value, or `[m]`; 1 where all draws are alike, NaN where a sample is empty.

    Raises:
        ValueError: a and b are no such numbers, or have not as many columns.

    Example:
        >>> p = mann_whitney(np.arange(5.0), 2.5 + np.arange(5.0))
        >>> print(f"{p:.4f}")  # U = 3: 2 x 7 of the 252 orders
        0.0556
    """
    a, b = checks.numbers("a", a), checks.numbers("b", b)
    if a.ndim not in (1, 2) or a.ndim != b.ndim or a.shape[1:] != b.shape[1:]:
        raise ValueError(f"a of shape {a.shape} and b of shape {b.shape}, expected [draws] or [draws, m] of both")
    if a.ndim == 2:
        return np.array([mann_whitney(*columns) for columns in zip(a.T, b.T, strict=True)])
    a, b = a[~np.isnan(a)], b[~np.isnan(b)]
    if not len(a) or not len(b):
        return math.nan
    if (a == a[0]).all() and (b == a[0]).all():  # the releases of scipy disagree about these
        return 1.0
    return float(stats.mannwhitneyu(a, b).pvalue)


def p_value(observed, null) -> float:
    """How seldom a null is as far out as what was observed, two-sided.

    p = min(1, 2 (1 + #{null beyond it}) / (1 + draws)), on the side where there are fewer; ties count as beyond.
    Davison & Hinkley 1997, section 4.2. It is never 0: with 99 draws at least 0.02.

    Args:
        observed: a number.
        null: the same measure of draws from the null, `[draws]`; NaN are left out.

    Returns:
        A number in (0, 1]; NaN where the observed one is NaN or all draws are.

    Raises:
        ValueError: these are no numbers.

    Example:
        >>> p_value(10.0, np.arange(10.0)), p_value(4.5, np.arange(10.0))
        (0.18181818181818182, 1.0)
    """
    observed, null = checks.numbers("observed", observed, 0), checks.numbers("null", null, 1)
    null = null[~np.isnan(null)]
    if np.isnan(observed) or not len(null):
        return math.nan
    beyond = min(np.sum(null >= observed), np.sum(null <= observed))
    return float(min(1.0, 2 * (1 + beyond) / (1 + len(null))))
