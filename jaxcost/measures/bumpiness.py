"""How bumpy a slice is, in numbers, each judged against the noise floor that it is given.

Sees arrays only, and works in float64 on the host. `local_minima` counts bumps; `measure` takes every measure of the
kit at once.
"""

import itertools
from typing import NamedTuple

import numpy as np

from jaxcost.measures import frequency, roughness, variation


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

    def chosen(self, which):
        """Some of the minima, as `Minima`; `which` is a mask or an array of places in the list.

        The basins of the others fall to those that they run over into.
        """
        which = np.arange(self.count)[which]
        new = np.full(self.count + 1, -1)  # the last place is that of the edge, -1
        new[which] = np.arange(len(which))
        heir = np.array([_heir(i, self.parents, new) for i in range(self.count)] + [-1], int)
        parents = heir[self.parents[which]]
        return Minima(
            self.indices[which], self.depths[which], self.floor, parents, self.passes[which], heir[self.basins]
        )

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
    place = {i: number for number, i in enumerate(kept)} | {edge: -1}

    def owner(i):
        """The counted minimum that a basin belongs to: its own, or that which it ran over into."""
        while i not in place:
            i = into[i]
        return place[i]

    on_grid = lambda places: np.stack(np.unravel_index(np.array(places, int), level.shape), -1) - 1
    inside = (slice(1, -1),) * level.ndim
    owners = {i: owner(i) for i in set(reached.tolist())}
    return Minima(
        indices=on_grid(kept),
        depths=np.array([depths[i] for i in kept], np.float64),
        floor=float(floor),
        parents=np.array([owner(into[i]) for i in kept], int),
        passes=on_grid([passes[i] for i in kept]),
        basins=np.array([owners[i] for i in reached.tolist()]).reshape(level.shape)[inside],
    )


def _heir(i, parents, new):
    """The new place of minimum i, or of the first one up the tree that has one; -1 for the edge."""
    while i >= 0 and new[i] < 0:
        i = parents[i]
    return new[i]


def _offsets(shape):
    """Steps to all touching points of a raveled grid."""
    strides = np.cumprod((1, *shape[:0:-1]))[::-1]
    moves = itertools.product((-1, 0, 1), repeat=len(shape))
    return [int(np.dot(move, strides)) for move in moves if any(move)]


class Measures(NamedTuple):
    """Every measure of a slice; of many slices each is an array. NaN where what it needs was not given.

    Attributes:
        minima: number of local minima of the grid deeper than the floor (`local_minima`).
        depth: depth of the deepest, in units of C, 0 without any.
        total_variation: in units of C (`variation.total_variation`).
        excess_variation: likewise, beyond what the ends ask for.
        roughness: in units of C per squared half-width (`roughness.roughness`).
        relative_roughness: the same over the standard deviation of the values; 6.6 of a parabola about its bottom.
        bowl: share of the variance that a quadratic explains (`roughness.bowl`).
        information: information content of the steps (`variation.information`).
        correlation_length: in half-widths (`frequency.correlation_length`), averaged over the axes.
        frequency: centre of the power spectrum, cycles a half-width (`frequency.mean_frequency`).
        chebyshev: coefficients along each axis for a thousandth of the range (`frequency.chebyshev_number`).
        negative_curvature: share of the slice where C bends down (`roughness.negative_curvature`).
        curvature_ratio: the most negative curvature against the most positive one.
        bottoms: number of true minima on the slice (`critical.points`), and so on.
        saddles: number of true saddles.
        tops: number of true maxima.
    """

    minima: float
    depth: float
    total_variation: float
    excess_variation: float
    roughness: float
    relative_roughness: float
    bowl: float
    information: float
    correlation_length: float
    frequency: float
    chebyshev: float
    negative_curvature: float
    curvature_ratio: float
    bottoms: float
    saddles: float
    tops: float


def measure(axes, values, floor=0.0, *, at_nodes=None, hessians=None, kinds=None):
    """All measures of one slice. Where a value is not finite, those that need all values are NaN.

    Args:
        axes: the coordinates along each axis, equally spaced, three or more.
        values: C there.
        floor: noise of the values.
        at_nodes: C at `frequency.chebyshev_nodes` along the same axes, or None.
        hessians: exact Hessians in the slice at the points of the grid, `[..., k, k]`, or None.
        kinds: `[m]`, the number of negative eigenvalues at each true critical point, or None.

    Returns:
        `Measures`.

    Example:
        >>> x = np.linspace(-1, 1, 121)
        >>> found = measure((x,), np.cos(3 * np.pi * x))
        >>> found.minima, round(found.depth, 6), round(found.total_variation, 6)
        (2.0, 2.0, 12.0)
    """
    values = np.asarray(values, np.float64)
    minima = local_minima(values, floor)
    nan = float("nan")
    found = dict.fromkeys(Measures._fields, nan)
    found |= {"minima": float(minima.count), "depth": minima.deepest}
    if np.isfinite(values).all():
        spacings = [2 / (len(axis) - 1) for axis in axes]  # in half-widths
        rough, spread = roughness.roughness(axes, values, floor), values.std()
        lengths = frequency.correlation_length(values, spacings, floor)
        lengths = lengths[~np.isnan(lengths)]  # along an axis where there is noise alone there is none
        found |= {
            "total_variation": variation.total_variation(values, floor),
            "excess_variation": variation.excess_variation(values, floor),
            "roughness": rough,
            "relative_roughness": float(rough / spread) if np.ptp(values) > floor else nan,
            "bowl": roughness.bowl(axes, values, floor),
            "information": variation.information(values, floor),
            "correlation_length": float(lengths.mean()) if len(lengths) else nan,
            "frequency": frequency.mean_frequency(values, spacings, floor),
        }
    if at_nodes is not None and np.isfinite(at_nodes).all():
        found["chebyshev"] = frequency.chebyshev_number(at_nodes, floor=floor)
    if hessians is not None:
        found["negative_curvature"] = roughness.negative_curvature(hessians)
        found["curvature_ratio"] = roughness.curvature_ratio(hessians)
    if kinds is not None:
        kinds, k = np.asarray(kinds), values.ndim
        found["bottoms"], found["tops"] = float(np.sum(kinds == 0)), float(np.sum(kinds == k))
        found["saddles"] = len(kinds) - found["bottoms"] - found["tops"]
    return Measures(**found)
