"""How a figure shows numbers: round levels, round ticks, where decades are, titles of measures. Numbers in and out."""

import numpy as np

from jaxcost import checks

MEASURES = {  # titles, and for those that span decades up to where a logarithmic axis of them is linear
    "depth": ("depth of the deepest minimum, units of C", 1e-6),
    "minima": ("local minima deeper than 0.01", 1),
    "total_variation": ("total variation, units of C", 1e-6),
    "excess_variation": ("excess variation, units of C", 1e-6),
    "roughness": ("roughness, C per squared half-width", 1e-5),
    "relative_roughness": ("relative roughness (a parabola: 6.5)", 1),
    "bowl": ("share of variance of the best quadratic", None),
    "information": ("information content of the steps", None),
    "frequency": ("mean frequency, cycles a half-width (a parabola: 0.55)", None),
    "chebyshev": ("Chebyshev coefficients for 0.1 %", None),
    "negative_curvature": ("share that bends down", None),
    "curvature_ratio": ("curvature ratio, down : up", 0.1),
}
LOG_FROM = 4  # ratio of largest to smallest cost from which equal steps may hide the low ground
DIGITS = (
    (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8),
    (1, 1.5, 2, 3, 5, 7),
    (1, 2, 5),
    (1, 3),
    (1,),
)  # of rungs, the finest first


def span(values) -> tuple[float, float, bool]:
    """The least and the largest of the finite values, 0 and 1 without any, and whether a logarithmic scale shows more.

    It does where they span more than a factor of LOG_FROM and most of them lie in the lower half of it.

    Raises:
        ValueError: the values are no numbers.
    """
    values = checks.numbers("values", values)
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return low, high, bool(low > 0 and high / low > LOG_FROM and np.median(finite) < high / 2)


def levels(low, high, logarithmic=False, *, funnel=False, most=12) -> np.ndarray:
    """Round numbers between two, both left out: multiples of 1, 2 or 5 times a power of ten, or rungs of each decade.

    Args:
        low: the lowest value.
        high: the highest.
        logarithmic: rungs, which need a low above 0.
        funnel: rungs go on below the first of equal steps, where the lowest is LOG_FROM times smaller than the highest:
            else a deep funnel has no level.
        most: how many at most, and as many again in a funnel.

    Raises:
        ValueError: a value is not finite, `low` is above `high` or not above 0 where it must be, or `most` no count.

    Example:
        >>> levels(0.05, 5.2, most=6), levels(0.05, 3, True, most=6)
        (array([1., 2., 3., 4., 5.]), array([0.1, 0.2, 0.5, 1. , 2. ]))
    """
    logarithmic, funnel = checks.flag("logarithmic", logarithmic), checks.flag("funnel", funnel)
    most = checks.whole("most", most)
    low = checks.number("low", low, 0, above=True) if logarithmic else checks.number("low", low)
    high = checks.number("high", high, low)
    if low == high:
        return np.empty(0)
    if logarithmic:
        return _rungs(low, high, most)
    every = _multiples(low, high, most)
    every = every[(every > low) & (every < high)]
    deep = funnel and 0 < low < high / LOG_FROM and len(every)
    return np.concatenate([_rungs(low, every[0], most), every]) if deep else every


def ticks(low, high) -> np.ndarray:
    """A few round numbers from `low` to `high`: 0 and one to each side of it about a middle of 0, else up to seven.

    Raises:
        ValueError: a value is not finite, or `low` is above `high`.

    Example:
        >>> ticks(-0.125, 0.125), ticks(-75, 8)
        (array([-0.1,  0. ,  0.1]), array([-60., -40., -20.,   0.]))
    """
    low = checks.number("low", low)
    high = checks.number("high", high, low)
    if low == high:
        return np.array([low])
    if abs(low + high) >= 0.1 * (high - low):
        return _multiples(low, high, 7)
    digit, power = f"{min(-low, high) * (1 + 1e-6):e}".split("e")  # a half-width of 0.03 is 0.03, however it is rounded
    side = float(f"{digit[0]}e{power}")
    return np.array([-side, 0.0, side])


def _multiples(low, high, most):
    """The multiples of a round step from low to high, at most so many."""
    rough = (high - low) / most
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * next(digit for digit in (1, 2, 5, 10) if digit * power >= rough * (1 - 1e-9))
    return _plain(step * np.arange(np.ceil(low / step - 1e-9), np.floor(high / step + 1e-9) + 1))


def _rungs(low, high, most):
    """The finest rungs between low and high that are at most so many; every so many powers of ten where decades are."""
    powers = np.arange(np.floor(np.log10(low)), np.ceil(np.log10(high)) + 1)
    for digits in DIGITS:
        rungs = _plain(np.outer(10.0**powers, digits).ravel())
        rungs = rungs[(rungs > low) & (rungs < high)]
        if len(rungs) <= most:
            return rungs
    return rungs[:: -(-len(rungs) // most)]


def _plain(numbers):
    """0.3 in place of 0.30000000000000004, which is above 0.3, and 0 in place of -0."""
    return np.array([float(f"{number:.12g}") for number in numbers]) + 0.0
