"""How fast the values of a slice vary along it: spectrum, Chebyshev coefficients.

Sees arrays only, and works in float64 on the host.
"""

import numpy as np
from scipy import fft, signal

from jaxcost import checks
from jaxcost.measures.variation import checked

RESOLVED = 3 / 4  # share of the nodes that coefficients may need: those beyond the nodes fold back onto the last ones


def power_spectrum(values, spacing=1.0, axis=-1) -> tuple[np.ndarray, np.ndarray]:
    """Power of the values along lines by frequency: a periodogram, each line freed of its trend, under a Hann window.

    P(f_j) = 2 h |sum_l w_l r_l exp(-2 pi i f_j l h)|^2 / sum_l w_l^2 at f_j = j / (n h), with r the line of n points
    less its least-squares straight line, w the window and h the spacing; without the 2 at the Nyquist frequency.

    Args:
        values: an array of any dimension, finite.
        spacing: of the points along the axis, positive.
        axis: along which the lines run; the spectra of all lines are averaged.

    Returns:
        `(frequencies, power)`: cycles per unit of spacing, 0 left out, and squared units of the values per that.

    Raises:
        ValueError: the values are not finite numbers on a grid, with two or more along the axis; there is no such axis;
            or the spacing is not positive.

    Example:
        >>> x = np.linspace(0, 1, 200, endpoint=False)
        >>> frequencies, power = power_spectrum(np.sin(2 * np.pi * 12 * x), x[1])
        >>> print(f"{frequencies[power.argmax()]:.0f}")
        12
    """
    values, axis = checked(values, 0.0), checks.whole("axis", axis, None)
    if not -values.ndim <= axis < values.ndim or values.shape[axis] < 2:
        raise ValueError(f"axis={axis} of values {list(values.shape)}, expected one with two points or more")
    spacing = checks.number("spacing", spacing, 0, above=True)
    frequencies, power = signal.periodogram(values, 1 / spacing, "hann", detrend="linear", axis=axis)
    power = np.moveaxis(power, axis, -1).reshape(-1, len(frequencies)).mean(0)
    return frequencies[1:], power[1:]


def mean_frequency(values, spacing=1.0, floor=0.0) -> float:
    """The centre of the power spectrum, sum f P(f) / sum P(f), averaged over the axes.

    P is the `power_spectrum` of all lines along an axis.

    Args:
        values: an array of any dimension, finite.
        spacing: of the points; one for all axes, or one an axis.
        floor: noise of the values; lines that leave their trend by no more are left out, and so are axes without
            others.

    Returns:
        Cycles per unit of spacing; NaN where all lines are left out.

    Raises:
        ValueError: the values are not finite numbers on a grid; the floor is negative; or the spacings are not
            positive, one for all or one an axis.

    Example:
        >>> x = np.linspace(0, 1, 200, endpoint=False)
        >>> print(f"{mean_frequency(np.sin(2 * np.pi * 12 * x), x[1]):.1f}")
        12.0
    """
    values, spacing, centres = checked(values, floor), checks.numbers("spacing", spacing, finite=True), []
    if spacing.shape not in ((), (values.ndim,)) or not (spacing > 0).all():
        raise ValueError(f"spacing={checks.shown(spacing)}, expected positive ones, one for all axes or one an axis")
    for axis, h in enumerate(np.broadcast_to(spacing, values.ndim)):
        lines = _lines(values, axis)
        rounding = 1e-12 * np.abs(lines).max(-1)
        lines = lines[np.abs(signal.detrend(lines)).max(-1) > np.maximum(floor, rounding)]
        if len(lines):
            frequencies, power = power_spectrum(lines, h)
            centres.append(np.sum(frequencies * power) / power.sum())
    return float(np.mean(centres)) if centres else np.nan


def _lines(values, axis):
    """The lines of a grid along an axis, `[lines, points]`."""
    return np.moveaxis(values, axis, -1).reshape(-1, values.shape[axis])


def chebyshev_nodes(n, half_width=1.0) -> np.ndarray:
    """The n roots of the Chebyshev polynomial T_n, rising, times a half-width: where to sample for `chebyshev_number`.

    x_i = -half_width cos(pi (i + 1/2) / n).

    Args:
        n: how many.
        half_width: they lie between -half_width and half_width, positive.

    Returns:
        `[n]`.

    Raises:
        ValueError: n is no whole number, or the half-width is not positive.

    Example:
        >>> chebyshev_nodes(2).round(4).tolist()
        [-0.7071, 0.7071]
    """
    n, half_width = checks.whole("n", n, 0, checks.MOST), checks.number("half_width", half_width, 0, above=True)
    return -half_width * np.cos(np.pi * (np.arange(n) + 0.5) / n)


def chebyshev_coefficients(values) -> np.ndarray:
    """Coefficients of the Chebyshev series through the values at `chebyshev_nodes` along every axis.

    Args:
        values: C at the nodes, an array of any dimension, finite.

    Returns:
        An array like values, c with C(s) = sum_ij... c_ij... T_i(s_1) T_j(s_2) ... at all nodes.

    Raises:
        ValueError: the values are not finite numbers on a grid.

    Example:
        >>> x = chebyshev_nodes(5)
        >>> np.abs(chebyshev_coefficients(4 * x**3 - 3 * x)).round(9).tolist()  # T_3
        [0.0, 0.0, 0.0, 1.0, 0.0]
    """
    values = checked(values, 0.0)
    found = fft.dctn(np.flip(values), type=2)  # the nodes rise, cos falls
    for axis, n in enumerate(values.shape):
        found = np.moveaxis(found, axis, 0) / n
        found[0] /= 2
        found = np.moveaxis(found, 0, axis)
    return found


def chebyshev_number(values, accuracy=1e-3, floor=0.0) -> float:
    """How many Chebyshev coefficients along each axis describe the slice to an accuracy: a length of bumpiness.

    The smallest N such that all coefficients with an index of N or more add up to at most accuracy (max C - min C),
    which bounds the error of leaving them out. Coefficients that noise alone can make, up to floor sqrt(2/n)
    along each axis, count as 0; values within the floor need one. Trefethen 2013, *Approximation Theory and
    Approximation Practice*, chapters 4 and 8.

    Args:
        values: C at `chebyshev_nodes` along every axis, finite.
        accuracy: share of the range of the values.
        floor: noise of the values.

    Returns:
        A whole number as a float; infinite where it exceeds three quarters of the nodes, too few to tell.

    Raises:
        ValueError: the values are not finite numbers on a grid, the accuracy is not positive, or the floor is negative.

    Example:
        >>> x = chebyshev_nodes(65)
        >>> chebyshev_number(np.cos(20 * x)), chebyshev_number(x**2)
        (27.0, 3.0)
    """
    values, accuracy = checked(values, floor), checks.number("accuracy", accuracy, 0, above=True)
    found = np.abs(chebyshev_coefficients(values))
    n = min(found.shape)
    found[found <= floor * np.prod([(2 / m) ** 0.5 for m in found.shape])] = 0
    allowed = accuracy * np.ptp(values)
    order = np.max(np.indices(found.shape), axis=0)  # leaving out all from N on, along any axis
    tail = np.cumsum(np.bincount(order.ravel(), found.ravel())[::-1])[::-1]
    needed = np.flatnonzero(tail > allowed)
    number = 1 + int(needed[-1]) if len(needed) and np.ptp(values) > floor else 0
    return float(max(1, number)) if number <= RESOLVED * n else np.inf
