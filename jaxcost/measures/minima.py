"""Local minima of a slice, each with its depth and its basin, judged against the noise floor that they are given.

Sees arrays only, and works in float64 on the host.
"""

import itertools
from typing import NamedTuple

import numpy as np


class Minima(NamedTuple):
    """Local minima of a slice, the deepest first, and the tree in which they merge as water rises.

    Attributes:
        indices: `[m, k]`, grid indices of each.
        depths: `[m]`, in units of the values: how far C must rise before one can leave (`local_minima`).
        floor: no minimum is shallower.
        parents: `[m]`, the minimum into whose basin each runs over when it is full; -1 for what lies beyond the edge.
        passes: `[m, k]`, grid indices of the point over which it runs.
        basins: like the values, the minimum in whose basin each point lies; -1 in that of the edge. What lies above
            a pass is the deeper one's, so that a basin hangs together only with those that run over into it.
    """

    indices: np.ndarray
    depths: np.ndarray
    floor: float
    parents: np.ndarray
    passes: np.ndarray
    basins: np.ndarray

    def chosen(self, which) -> "Minima":
        """Some of the minima. The basins of the others fall to those that they run over into.

        Args:
            which: a mask `[m]`, or positions in the list of minima.

        Returns:
            `Minima`, in the order of `which`.

        Example:
            >>> found = local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0]))
            >>> found.chosen([0]).indices.tolist()
            [[3]]
        """
        which = np.arange(self.count)[which]
        new = np.full(self.count + 1, -1)  # the last entry is that of the edge, -1
        new[which] = np.arange(len(which))
        heir = np.array([_heir(i, self.parents, new) for i in range(self.count)] + [-1], int)
        parents = heir[self.parents[which]]
        return Minima(
            self.indices[which], self.depths[which], self.floor, parents, self.passes[which], heir[self.basins]
        )

    @property
    def count(self) -> int:
        """Number of minima."""
        return len(self.depths)

    @property
    def deepest(self) -> float:
        """The largest depth, 0 if there are no minima."""
        return float(self.depths.max(initial=0.0))


def local_minima(values, floor=0.0) -> Minima:
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

    depths, into, passes, reached = {}, {}, {}, np.full(len(flat), edge)
    for i in np.argsort(level.ravel(), kind="stable").tolist():
        if outside[i]:
            parent[i] = edge
            continue
        basins = {root(i + o) for o in offsets if i + o in parent}
        if not basins:
            parent[i] = reached[i] = i
            continue
        oldest = min(basins, key=lambda r: (flat[r], r))
        parent[i] = reached[i] = oldest
        for basin in basins - {oldest}:
            parent[basin] = oldest
            depths[basin], into[basin], passes[basin] = flat[i] - flat[basin], oldest, i
    kept = sorted((i for i in depths if depths[i] > floor), key=lambda i: (-depths[i], i))
    number = {i: position for position, i in enumerate(kept)} | {edge: -1}

    def owner(i):
        """The counted minimum that a basin belongs to: its own, or that which it ran over into."""
        while i not in number:
            i = into[i]
        return number[i]

    grid_indices = lambda points: np.stack(np.unravel_index(np.array(points, int), level.shape), -1) - 1
    inside = (slice(1, -1),) * level.ndim
    owners = {i: owner(i) for i in set(reached.tolist())}
    return Minima(
        indices=grid_indices(kept),
        depths=np.array([depths[i] for i in kept], np.float64),
        floor=float(floor),
        parents=np.array([owner(into[i]) for i in kept], int),
        passes=grid_indices([passes[i] for i in kept]),
        basins=np.array([owners[i] for i in reached.tolist()]).reshape(level.shape)[inside],
    )


def _heir(i, parents, new):
    """The new number of minimum i, or of the first one up the tree that has one; -1 for the edge."""
    while i >= 0 and new[i] < 0:
        i = parents[i]
    return new[i]


def _offsets(shape):
    """Steps to all touching points of a raveled grid."""
    strides = np.cumprod((1, *shape[:0:-1]))[::-1]
    moves = itertools.product((-1, 0, 1), repeat=len(shape))
    return [int(np.dot(move, strides)) for move in moves if any(move)]
