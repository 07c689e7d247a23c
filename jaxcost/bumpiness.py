"""Numbers from the values of a slice, each judged against the noise floor that it is given.

Sees arrays only, and works in float64 on the host.
"""

import itertools
from typing import NamedTuple

import numpy as np


class Minima(NamedTuple):
    """Local minima of a slice, the deepest first.

    Attributes:
        indices: `[m, k]`, grid indices of each.
        depths: `[m]`, in units of the values: how far C must rise before one can leave (`local_minima`).
        floor: no minimum is shallower.
    """

    indices: np.ndarray
    depths: np.ndarray
    floor: float

    def chosen(self, which):
        """Some of the minima, as `Minima`; `which` is a mask or an array of places in the list."""
        return Minima(self.indices[which], self.depths[which], self.floor)

    @property
    def count(self):
        """Number of minima."""
        return len(self.depths)

    @property
    def deepest(self):
        """The largest depth, 0 if there are no minima."""
        return float(self.depths.max(initial=0.0))


def local_minima(values, floor=0.0):
    """Local minima of a slice and their depths, by 0-dimensional persistence of the sublevel sets.

    Let water rise from below. Each basin is born at its lowest point and dies where its water first meets that
    of a lower one *or the edge of the grid*: what lies beyond is not known, so that a basin open to the edge
    is no minimum. depth = level of that meeting - lowest value. A minimum is counted if depth > floor.

    Neighbours are all points that touch, 2 in a line, 8 in a plane. Ties: equal neighbours are one basin, so a
    flat bottom is one minimum, at its first point in reading order; of two equally low basins that meet,
    the later in reading order dies. NaN and -inf are treated as the edge: next to the unknown nothing is
    counted. +inf is a wall, and a basin that it encloses is infinitely deep.

    Edelsbrunner, Letscher & Zomorodian 2002; here relative to the boundary of the grid.

    Args:
        values: an array of any dimension, the values on a grid.
        floor: noise of the values (`slices.Slice.floor`), in their units; not negative.

    Returns:
        `Minima`.

    Raises:
        ValueError: the floor is negative or NaN.

    Example:
        >>> local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0])).depths.tolist()
        [3.0, 1.0]
        >>> local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0]), floor=1.5).indices.tolist()
        [[3]]
    """
    if not floor >= 0:
        raise ValueError(f"floor={floor}, expected a number that is not negative")
    values = np.asarray(values, np.float64)
    # a frame one cell wide, below everything, is the edge; so is each NaN
    level = np.pad(np.where(np.isnan(values), -np.inf, values), 1, constant_values=-np.inf)
    edge = int(np.flatnonzero(np.isneginf(level.ravel()))[0])
    flat, outside = level.ravel().tolist(), np.isneginf(level.ravel()).tolist()
    offsets = _offsets(level.shape)

    parent = {edge: edge}  # union-find; a basin's root is its lowest point, the earlier of equals

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    depths = {}
    for i in np.argsort(level.ravel(), kind="stable").tolist():
        if outside[i]:
            parent[i] = edge
            continue
        basins = {root(i + o) for o in offsets if i + o in parent}
        if not basins:
            parent[i] = i
            continue
        oldest = min(basins, key=lambda r: (flat[r], r))
        parent[i] = oldest
        for basin in basins - {oldest}:
            parent[basin] = oldest
            depths[basin] = flat[i] - flat[basin]
    kept = sorted((i for i in depths if depths[i] > floor), key=lambda i: (-depths[i], i))
    indices = np.stack(np.unravel_index(np.array(kept, int), level.shape), -1) - 1
    return Minima(indices, np.array([depths[i] for i in kept], np.float64), float(floor))


def _offsets(shape):
    """Steps to all touching points of a raveled grid."""
    strides = np.cumprod((1, *shape[:0:-1]))[::-1]
    moves = itertools.product((-1, 0, 1), repeat=len(shape))
    return [int(np.dot(move, strides)) for move in moves if any(move)]


def total_variation(values, floor=0.0):
    """Ups and downs of a line together: sum_i |C_i+1 - C_i|, over turns of more than `floor`.

    A turn back by no more than the floor is not followed: rounding noise of a line that rises adds nothing.

    Args:
        values: a line, `[points]`, finite.
        floor: noise of the values, not negative.

    Returns:
        A number in the units of the values, at least the largest value less the smallest one, or 0 if that
        is no more than the floor.

    Raises:
        ValueError: the values are not one finite line, or the floor is negative.

    Example:
        >>> total_variation(np.array([0.0, 2.0, 1.0, 3.0])), total_variation(np.array([0.0, 2.0, 1.0, 3.0]), 1.5)
        (5.0, 3.0)
    """
    return float(np.abs(np.diff(_turns(values, floor))).sum())


def excess_variation(values, floor=0.0):
    """Variation beyond what the ends ask for: total variation - |last - first|; 0 for a monotone line.

    A bowl has it too, twice the lesser of its two sides: it is 0 only where the line never turns.

    Args:
        values: a line, `[points]`, finite.
        floor: noise of the values, not negative.

    Raises:
        ValueError: the values are not one finite line, or the floor is negative.

    Example:
        >>> excess_variation(np.array([0.0, 2.0, 1.0, 3.0]))
        2.0
    """
    turns = _turns(values, floor)
    return float(np.abs(np.diff(turns)).sum() - abs(turns[-1] - turns[0]))


def _turns(values, floor):
    """The first value, the value of each turning point, and the last extreme; turns within the floor left out."""
    values = np.asarray(values, np.float64)
    if values.ndim != 1 or not len(values) or not np.isfinite(values).all():
        raise ValueError(f"values of shape {values.shape}, expected one line of finite numbers")
    if not floor >= 0:
        raise ValueError(f"floor={floor}, expected a number that is not negative")
    turns, last, way = [], values[0], 0  # way: +1 climbing to `last`, -1 falling to it, 0 not known yet
    low = high = values[0]
    for value in values.tolist():
        low, high = min(low, value), max(high, value)
        if way == 0 and max(value - low, high - value) > floor:
            way = 1 if value - low > floor else -1
            turns.append(low if way > 0 else high)
            last = value
        elif way * (value - last) > 0:
            last = value
        elif way * (last - value) > floor:
            turns.append(last)
            last, way = value, -way
    return [*turns, last]
