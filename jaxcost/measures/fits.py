"""Smooth parts of a slice: the quadratic nearest to it, the one dip nearest to it.

Sees arrays only, and works in float64 on the host.
"""

import itertools

import numpy as np
from scipy import optimize

from jaxcost import checks
from jaxcost.measures.variation import checked


def quadratic_fit(axes, values) -> np.ndarray:
    """The least-squares polynomial q of degree 2 in the coordinates, at the points of the grid: min sum (C - q)^2.

    Args:
        axes: the coordinates along each axis, in order.
        values: `[len(axes[0]), ...]`, finite.

    Returns:
        An array like values, float64.

    Raises:
        ValueError: the values are not finite, or do not fit the axes.

    Example:
        >>> x = np.linspace(-1, 1, 3)
        >>> quadratic_fit((x,), 2 + x**2).round(6).tolist()
        [3.0, 2.0, 3.0]
    """
    axes, values = fitting(axes, values)
    values = checked(values, 0.0)
    middle = [(axis - np.mean(axis)) / (np.ptp(axis) or 1) for axis in axes]  # one point alone has no extent
    grids = [grid.ravel() for grid in np.meshgrid(*middle, indexing="ij")]
    squares = [a * b for a, b in itertools.combinations_with_replacement(grids, 2)]
    columns = np.stack([np.ones_like(grids[0]), *grids, *squares], 1)
    weights = np.linalg.lstsq(columns, values.ravel(), rcond=None)[0]
    return (columns @ weights).reshape(values.shape)


def unimodal_fit(axes, values) -> np.ndarray:
    """The least-squares function along a line that falls to the lowest value and rises from it: its one dip.

    min sum (C - q)^2 with q falling up to argmin C and rising after, by isotonic regression of either side (Barlow et
    al. 1972): what a line through a minimum is but for its other ups and downs.

    Args:
        axes: the coordinates, in order, of a line one list.
        values: `[points]`, finite.

    Returns:
        An array like values, float64.

    Raises:
        ValueError: the values are not finite ones along a line, or do not fit the axes.

    Example:
        >>> unimodal_fit(([0, 1, 2, 3, 4],), [3.0, 1.0, 2.0, 0.0, 5.0]).tolist()
        [3.0, 1.5, 1.5, 0.0, 5.0]
    """
    values = checked(fitting(axes, values)[1], 0.0)
    if values.ndim != 1:
        raise ValueError(f"values of shape {values.shape}, expected those along a line, [points]")
    lowest = int(values.argmin())
    left, right = values[:lowest], values[lowest + 1 :]
    fall = optimize.isotonic_regression(left, increasing=False).x if len(left) else left
    rise = optimize.isotonic_regression(right).x if len(right) else right
    return np.concatenate([fall, values[lowest : lowest + 1], rise])


def fitting(axes, values) -> tuple[list[np.ndarray], np.ndarray]:
    """Axes and the values on their grid, in float64, if they fit each other.

    Raises:
        ValueError: they do not, or the axes are no list of lists of finite numbers in order, rising or falling.
    """
    axes = [checks.numbers("an axis", axis, 1, finite=True) for axis in checks.listed("axes", axes)]
    values, shape = checks.numbers("values", values), tuple(map(len, axes))
    for axis in axes:
        gaps = np.diff(axis)
        if not len(axis) or not ((gaps > 0).all() or (gaps < 0).all()):
            raise ValueError(f"an axis of {len(axis)} points, spaced {np.unique(gaps)[:3]}, expected some in order")
    if shape != values.shape:
        raise ValueError(f"axes of the lengths {shape} and values of shape {values.shape}, expected them alike")
    return axes, values
