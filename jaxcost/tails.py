"""What the few largest and the few lowest of many numbers say: who carries a total, and how low draws can go.

Sees arrays only, on the host.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy import stats

from jaxcost import checks


class Tail(NamedTuple):
    """The lowest draws of a measure, fitted by a generalised Pareto distribution (`lower_tail`).

    Attributes:
        threshold: t, above the tail.
        share: how many of all draws lie below it.
        shape: xi, negative where the tail has an end.
        scale: sigma, in units of the measure.
    """

    threshold: float
    share: float
    shape: float
    scale: float

    @property
    def end(self) -> float:
        """Where the tail ends, t + sigma / xi: no draw lies below. Minus infinity unless xi < 0."""
        return self.threshold + self.scale / self.shape if self.shape < 0 else -math.inf

    def log10_share(self, values) -> float | np.ndarray:
        """Power of ten of the share of all possible draws that are no larger than `values`, however small it is.

        Beyond the threshold the tail says nothing; there it is the share that lies below the threshold. Minus infinity
        below the end.

        Raises:
            ValueError: the values are no real numbers.
        """
        depths = np.maximum(self.threshold - checks.numbers("values", values), 0)
        found = stats.genpareto.logsf(depths, self.shape, 0, self.scale) / math.log(10) + math.log10(self.share)
        return found if np.ndim(values) else float(found)


def lower_tail(draws, share=0.05) -> Tail:
    """The lowest draws of a measure as a distribution, by which the tail goes on beyond the lowest of them.

    P(C <= c) = share (1 + xi (t - c) / sigma)^(-1 / xi) for c <= t, with t the quantile `share` of the draws; xi and
    sigma of the largest likelihood. Of most distributions the tail beyond a far threshold has this form, Pickands 1975.
    What lies far below all draws is extrapolated, and means little without an interval (`resampling.bootstrap`).

    Args:
        draws: a measure, `[draws]`, finite.
        share: of the draws, in (0, 1), that the tail is fitted to; a twentieth of some hundreds or more.

    Returns:
        `Tail`.

    Raises:
        ValueError: the share is not in (0, 1), the draws are not a list of finite numbers, or fewer than 5 different
            ones lie in the tail.

    Example:
        >>> draws = 2 + np.linspace(0, 1, 20001) ** 0.5  # the share (c - 2)^2 lies below c
        >>> tail = lower_tail(draws)
        >>> print(f"ends at {tail.end:.1f}; 10^{tail.log10_share(2.05):.1f} lie below 2.05")
        ends at 2.0; 10^-2.6 lie below 2.05
    """
    share = checks.number("share", share, 0, 1, above=True, below=True)
    draws = checks.numbers("draws", draws, 1, finite=True)
    threshold = np.quantile(draws, share) if len(draws) else math.nan
    depths = threshold - draws[draws < threshold]
    if len(np.unique(depths)) < 5:
        raise ValueError(
            f"{len(np.unique(depths))} different draws below {threshold:g}, expected 5 or more in the tail"
        )
    shape, _, scale = stats.genpareto.fit(depths, floc=0)
    return Tail(float(threshold), float(share), float(shape), float(scale))


def share_of_largest(values, part) -> float | np.ndarray:
    """Share of the total that the largest `part` of the values holds; by all parts it is a curve. Lorenz 1905.

    sum of the k largest / sum of all, with k = part n, to the nearest whole number and at least 1.

    Args:
        values: `[n]`, not negative.
        part: in (0, 1], or an array of such.

    Returns:
        A number in (0, 1], or an array like `part`.

    Raises:
        ValueError: the values are no list, one is negative or not finite, or all are 0; or a part is not in (0, 1].

    Example:
        >>> share_of_largest([1, 1, 1, 1, 6], 0.2)
        0.6
    """
    largest = np.sort(checks.numbers("values", values, 1, finite=True))[::-1]
    if not (largest >= 0).all() or not largest.sum() > 0:
        found = f"{largest[-1]} to {largest[0]}" if len(largest) else "no length"
        raise ValueError(f"values of {found}, expected none negative and some above 0")
    parts = checks.numbers("part", part)
    if not ((parts > 0) & (parts <= 1)).all():
        raise ValueError(f"part={checks.shown(part)}, expected a number in (0, 1], or an array of such")
    held = np.cumsum(largest) / largest.sum()
    found = held[np.maximum(1, np.round(parts * len(largest))).astype(int) - 1]
    return found if np.ndim(part) else float(found)
