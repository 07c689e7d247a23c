"""Local minima of a slice, each with its depth and its basin, judged against the noise floor that they are given.

Depth first, count second: a number of minima is one of minima deeper than something, and below some depth it is the
grid's. Sees arrays only, and works in float64 on the host.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from jaxcost import checks

EDGES = "open", "wall"


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

        Raises:
            TypeError: `which` is one number.
            ValueError: it is neither, of another length or out of range, or has one of them twice.

        Example:
            >>> found = local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0]))
            >>> found.chosen([0]).indices.tolist()
            [[3]]
        """
        which = np.arange(self.count)[checks.chosen(which, self.count, "minima")]
        if len(np.unique(which)) < len(which):
            raise ValueError(f"minima[{which.tolist()}] has one of them twice, expected each once at most")
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

    def deeper_than(self, depths) -> np.ndarray:
        """Number of minima that are deeper than each of some depths: their persistence diagram, read from above.

        Args:
            depths: in units of the values, of any shape.

        Returns:
            Whole numbers, of that shape.

        Raises:
            ValueError: the depths are not finite numbers.

        Example:
            >>> local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0])).deeper_than([0.5, 1.5, 4.0]).tolist()
            [2, 1, 0]
        """
        return (self.depths > checks.numbers("depths", depths, finite=True)[..., None]).sum(-1)


def local_minima(values, floor=0.0, *, edge="open") -> Minima:
    """Local minima of a slice and their depths, by 0-dimensional persistence of the sublevel sets.

    Let water rise from below. Each basin is born at its lowest point and dies where its water first meets that
    of a lower one *or the edge of the grid*: what lies beyond is not known, so that a basin open to the edge
    is no minimum. depth = level of that meeting - lowest value. A minimum is counted if depth > floor.

    Neighbours are all points that touch, 2 in a line, 8 in a plane. Ties: equal neighbours are one basin, so a
    flat bottom is one minimum, at its first point in reading order; of two equally low basins that meet,
    the later in reading order dies. Where a value is not finite the edge is, +inf too, which may be made by rounding:
    a depth is never more than what was seen.

    Edelsbrunner, Letscher & Zomorodian 2002; here relative to the boundary of the grid. With `edge="wall"` it is not:
    the edge holds water, as in most other tools. Then basins open to the edge count, and the lowest one of all, which
    nothing ends, is infinitely deep.

    Args:
        values: an array of any dimension, the values on a grid.
        floor: noise of the values (`slices.Slice.floor`), in their units; not negative.
        edge: "open", water runs over it, or "wall".

    Returns:
        `Minima`.

    Raises:
        ValueError: the floor is negative or NaN, the values are no grid of numbers, or the edge is none of these.

    Example:
        >>> local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0])).depths.tolist()
        [3.0, 1.0]
        >>> local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0]), floor=1.5).indices.tolist()
        [[3]]
    """
    checks.number("floor", floor, 0)
    wall = checks.one_of("edge", edge, EDGES) == "wall"
    values = checks.numbers("values", values)
    if not values.ndim:
        raise ValueError(f"values={values}, expected those of a grid")
    # a frame one cell wide, below everything, is the edge; so is what is not finite
    level = np.pad(np.where(np.isfinite(values), values, -np.inf), 1, constant_values=-np.inf)
    flat, outside = level.ravel().tolist(), np.isneginf(level.ravel()).tolist()
    offsets, edge = _offsets(level.shape), 0  # the first point lies on it

    # union-find; a basin's root is its lowest point, the earlier of equals. Without the edge water meets nothing there
    parent = {} if wall else {edge: edge}

    def root(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    depths, into, passes, reached = {}, {}, {}, np.full(len(flat), edge)
    for i in np.argsort(level.ravel(), kind="stable").tolist():
        if outside[i]:
            parent |= {} if wall else {i: edge}
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
    for lowest in {root(i) for i in parent} - {edge}:  # of each part that walls enclose
        depths[lowest], into[lowest], passes[lowest] = np.inf, edge, lowest
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


def elsewhere(found, values) -> np.ndarray:
    """How deep the basins of some minima are in other values on the same grid, those of other images say.

    Each basin is taken with those that run over into it and with the points that touch these, all else as unknown. The
    depth is that of the deepest minimum whose bottom lies in the basin itself: 0 where the other values have none. A
    minimum of C, not of the images that it was found with, stands on others too.

    Args:
        found: `Minima`.
        values: like those that they are of.

    Returns:
        Depths, `[m]`, in units of the values.

    Raises:
        ValueError: these are no minima, or the values are not on the same grid.

    Example:
        >>> found = local_minima(np.array([3.0, 1.0, 2.0, 0.0, 5.0]))
        >>> elsewhere(found, np.array([3.0, 1.0, 0.5, 0.0, 5.0])).tolist()
        [3.0, 0.0]
    """
    checks.having("found", found, "basins", "indices", "parents")
    values = checks.numbers("values", values)
    if values.shape != found.basins.shape:
        raise ValueError(f"values of shape {values.shape}, expected those of the same grid, {found.basins.shape}")
    touching, inside = np.ones((3,) * values.ndim, bool), np.eye(found.count, dtype=bool)
    for i in reversed(range(found.count)):  # a parent stands before its children
        if found.parents[i] >= 0:
            inside[found.parents[i]] |= inside[i]
    depths = np.zeros(found.count)
    for i in range(found.count):
        within = ndimage.binary_dilation(np.isin(found.basins, np.flatnonzero(inside[i])), touching)
        there = local_minima(np.where(within, values, np.nan))
        depths[i] = there.depths[found.basins[tuple(there.indices.T)] == i].max(initial=0)
    return depths


def saddle_gap(values, floor=0.0) -> float:
    """Mean height of the first saddle above each minimum, the edge a wall: SMAD of Landscaper, arXiv 2602.07135.

    1/m sum_i (level at which the water of minimum i first meets another's - its lowest value), over the m leaves of the
    merge tree; its points here touch along diagonals too, those of Landscaper are neighbours in a graph of its own.

    Args:
        values: on a grid of any dimension.
        floor: minima that are no deeper do not count; 0 counts all, as there.

    Returns:
        A number in the units of the values; 0 where there is one minimum or none.

    Raises:
        ValueError: as `local_minima`.

    Example:
        >>> saddle_gap(np.array([3.0, 1.0, 2.0, 0.0, 5.0]))  # 2 - 1 and 2 - 0
        1.5
    """
    found = local_minima(values, floor, edge="wall")
    values = np.asarray(values, np.float64)
    level = lambda indices: values[tuple(indices.T)]
    first = np.where(np.isinf(found.depths), np.inf, level(found.passes))
    runs_over = found.parents >= 0
    np.minimum.at(first, found.parents[runs_over], level(found.passes)[runs_over])
    gaps = (first - level(found.indices))[np.isfinite(first)]
    return float(gaps.mean()) if len(gaps) else 0.0


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
