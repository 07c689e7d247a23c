"""How much the values of a slice go up and down. Arrays only, in float64 on the host.

Every measure takes values on a grid of any dimension and the noise floor to judge them by: a step that is no larger
than the floor counts as none.
"""

import numpy as np

from jaxcost import checks


def total_variation(values, floor=0.0) -> float:
    """Ups and downs together: sum_i |C_i+1 - C_i|, over turns of more than `floor`.

    Of a grid, the mean over all its lines along each axis, averaged over the axes. A turn back by no more than the
    floor is not followed: rounding noise of a line that rises adds nothing.

    Args:
        values: an array of any dimension, finite.
        floor: noise of the values, not negative.

    Returns:
        A number in the units of the values; of a line at least the largest value less the smallest one, or 0 if that
        is no more than the floor.

    Raises:
        ValueError: the values are not finite numbers on a grid, or the floor is negative.

    Example:
        >>> total_variation(np.array([0.0, 2.0, 1.0, 3.0])), total_variation(np.array([0.0, 2.0, 1.0, 3.0]), 1.5)
        (5.0, 3.0)
    """
    return _over_lines(lambda line: np.abs(np.diff(_turns(line, floor))).sum(), values, floor)


def excess_variation(values, floor=0.0) -> float:
    """Variation beyond what the ends ask for: total variation - |last - first|; 0 for a monotone line.

    A bowl has it too, twice the lesser of its two sides: it is 0 only where the line never turns. Of a grid as
    `total_variation`.

    Args:
        values: an array of any dimension, finite.
        floor: noise of the values, not negative.

    Returns:
        A number in the units of the values, not negative.

    Raises:
        ValueError: as `total_variation`.

    Example:
        >>> excess_variation(np.array([0.0, 2.0, 1.0, 3.0]))
        2.0
    """

    def of_line(line):
        turns = _turns(line, floor)
        return np.abs(np.diff(turns)).sum() - abs(turns[-1] - turns[0])

    return _over_lines(of_line, values, floor)


def largest_rise(values, floor=0.0) -> float:
    """How far a line climbs above a lower point that it has passed: max over i < j of C_j - C_i.

    0 where that is no more than the floor: such a line falls all the way, as far as can be told. Goodfellow, Vinyals &
    Saxe 2015 (arXiv 1412.6544) ask it of the straight line from the start of training to its end.

    Args:
        values: C along a line, `[points]`, finite.
        floor: noise of the values, not negative.

    Returns:
        A number in the units of the values, not negative.

    Raises:
        ValueError: the values are not finite numbers on a line, or the floor is negative.

    Example:
        >>> largest_rise(np.array([3.0, 1.0, 1.5, 0.0, 0.25])), largest_rise(np.array([3.0, 1.0, 0.0]))
        (0.5, 0.0)
    """
    values = checked(values, floor)
    if values.ndim != 1:
        raise ValueError(f"values of shape {values.shape}, expected those along a line, [points]")
    largest = float(np.max(values - np.minimum.accumulate(values)))
    return largest if largest > floor else 0.0


def information(values, floor=0.0) -> float:
    """Information content of the steps of a walk: 0 where each step goes as the last, at most 1.

    H(e) = -sum_{p != q} P[pq] log_6 P[pq] over the pairs of successive steps, each +, - or 0 where it is no larger
    than e; this is the largest H over the floor and those of E, E/2, E/4, ..., E/128 above it, with E the largest
    step. Of a grid, the mean over its lines. Vassilev, Fogarty & Miller 2000; these e after Malan & Engelbrecht 2009.
    Were e as large as one of many equal steps, noise would tell them apart.

    Args:
        values: C along a walk, `[steps]`, or on a grid, finite.
        floor: noise of the values, not negative.

    Returns:
        A number in [0, 1].

    Raises:
        ValueError: as `total_variation`.

    Example:
        >>> print(f"{information(np.array([0.0, 1.0, 0.0, 1.0, 0.0])):.3f}")  # +- and -+ in turn
        0.355
    """

    def of_line(line):
        steps = np.diff(line)
        sizes = np.abs(steps).max(initial=0) / 2.0 ** np.arange(8)
        return max(_entropy(steps, e) for e in (floor, *sizes[sizes > floor]))

    return _over_lines(of_line, values, floor)


def _entropy(steps, e):
    symbols = np.where(np.abs(steps) <= e, 0, np.sign(steps)).astype(int) + 1
    if len(symbols) < 2:
        return 0.0
    counts = np.bincount(3 * symbols[:-1] + symbols[1:], minlength=9).reshape(3, 3)
    share = counts[~np.eye(3, dtype=bool)] / (len(symbols) - 1)
    share = share[share > 0]
    return float(-np.sum(share * np.log(share)) / np.log(6) + 0.0)


def _over_lines(of_line, values, floor):
    """The mean of a measure over all lines of a grid along each axis, averaged over the axes."""
    values = checked(values, floor)
    along = [np.moveaxis(values, axis, -1).reshape(-1, size) for axis, size in enumerate(values.shape)]
    return float(np.mean([np.mean([of_line(line) for line in lines]) for lines in along]))


def _turns(line, floor):
    """The first value, the value of each turning point, and the last extreme; turns within the floor left out."""
    turns, last, sign = [], line[0], 0  # sign: +1 climbing to `last`, -1 falling to it, 0 not known yet
    low = high = line[0]
    for value in line.tolist():
        low, high = min(low, value), max(high, value)
        if sign == 0 and max(value - low, high - value) > floor:
            sign = 1 if value - low > floor else -1
            turns.append(low if sign > 0 else high)
            last = value
        elif sign * (value - last) > 0:
            last = value
        elif sign * (last - value) > floor:
            turns.append(last)
            last, sign = value, -sign
    return [*turns, last]


def checked(values, floor) -> np.ndarray:
    """The values in float64, for every measure that asks for finite ones.

    Args:
        values: numbers on a grid of any dimension.
        floor: noise of the values.

    Returns:
        An array like values.

    Raises:
        ValueError: they are not finite numbers on a grid, or the floor is negative or NaN.

    Example:
        >>> checked([1, 2], 0.0).tolist()
        [1.0, 2.0]
    """
    values, noise = checks.numbers("values", values), checks.numbers("floor", floor)
    if not values.ndim or not values.size or not np.isfinite(values).all():
        bad = np.sum(~np.isfinite(values))
        raise ValueError(f"values of shape {values.shape}, {bad} not finite; expected finite numbers on a grid")
    if noise.ndim or isinstance(floor, bool | np.bool_) or not noise >= 0:
        raise ValueError(f"floor={checks.shown(floor)}, expected a number that is not negative")
    return values
