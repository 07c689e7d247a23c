"""Smooth parts of a slice: the quadratic nearest to it, the one dip nearest to it.

Sees arrays only, and works in float64 on the host.
"""

import itertools

import numpy as np
from scipy import optimize

from jaxcost.measures.variation import checked


def quadratic_fit(axes, values) -> np.ndarray:
    """The least-squares polynomial q of degree 2 in the coordinates, at the points of the grid: min sum (C - q)^2.

    Args:
        axes: the coordinates along each axis.
        values: `[len(axes[0]), ...]`, finite.

    Returns:
        An array like values, float64.

    Raises:
        ValueError: the values do not fit the axes.

    Example:
        >>> x = np.linspace(-1, 1, 3)
        >>> quadratic_fit((x,), 2 + x**2).round(6).tolist()
        [3.0, 2.0, 3.0]
    """
    fitting(axes, values)
    middle = [(axis - np.mean(axis)) / (np.ptp(axis) or 1) for axis in map(np.float64, axes)]
    grids = [grid.ravel() for grid in np.meshgrid(*middle, indexing="ij")]
    squares = [a * b for a, b in itertools.combinations_with_replacement(grids, 2)]
    columns = np.stack([np.ones_like(grids[0]), *grids, *squares], 1)
    weights = np.linalg.lstsq(columns, np.ravel(values).astype(np.float64), rcond=None)[0]
    return (columns @ weights).reshape(np.shape(values))


def unimodal_fit(axes, values) -> np.ndarray:
    """The least-squares function along a line that falls to the lowest value and rises from it: its one dip.

    min sum (C - q)^2 with q falling up to argmin C and rising after, by isotonic regression of either side (Barlow et
    al. 1972): what a line through a minimum is but for its other ups and downs.

    Args:
        axes: the coordinates, of a line one list.
        values: `[points]`, finite.

    Returns:
        An array like values, float64.

    Raises:
        ValueError: the values are not finite ones along a line, or do not fit the axes.

    Example:
        >>> unimodal_fit(([0, 1, 2, 3, 4],), [3.0, 1.0, 2.0, 0.0, 5.0]).tolist()
        [3.0, 1.5, 1.5, 0.0, 5.0]
    """
    fitting(axes, values)
    values = checked(values, 0.0)
    if values.ndim != 1:
        raise ValueError(f"values of shape {values.shape}, expected those along a line, [points]")
    lowest = int(values.argmin())
    left, right = values[:lowest], values[lowest + 1 :]
    fall = optimize.isotonic_regression(left, increasing=False).x if len(left) else left
    rise = optimize.isotonic_regression(right).x if len(right) else right
    return np.concatenate([fall, values[lowest : lowest + 1], rise])


def fitting(axes, values) -> None:
    """Make sure that values lie on the grid of some axes.

    Raises:
        ValueError: they do not.
    """
    shape = tuple(map(len, axes))
    if shape != np.shape(values):
        raise ValueError(f"axes of the lengths {shape} and values of shape {np.shape(values)}, expected them alike")
