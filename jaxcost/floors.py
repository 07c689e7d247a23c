"""Rounding noise of what was computed along a slice, in whatever way: no difference below it is evidence of anything.

A `slices.Slice` and a `populations.Population` have the floor of their values already. `engine.noise` tells how it is
measured, against the model's own program in float64.
"""

import numpy as np

from jaxcost import checks, cost
from jaxcost.engine import asked, noise


def of_values(C, origin, directions, points, values) -> float:
    """Rounding noise of values of C that were computed at points of a slice, in whatever way, in units of C.

    floor = max(4 max_i |values_i - C64(P(s_i))|, eps max_i |values_i|)

    where i runs over 32 of the points, those of the largest costs and those that lie off their neighbours among them,
    and C64 is the plain cost in float64. A `Slice` has its own already.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: k tuples like it.
        points: coordinates, `[m, k]`.
        values: `[m]`.

    Returns:
        A number; NaN if none of the values is finite.

    Raises:
        ValueError: C is no cost, a direction does not fit the origin, or the values are not as many as the points.
    """
    moving, points = asked.points(origin, directions, points)
    if checks.numbers("values", values, 1).shape != points.shape[:1]:
        raise ValueError(f"{len(values)} values at {len(points)} points, expected as many of each")
    values = np.asarray(values) * np.ones((), np.float32)  # whole numbers too
    return noise.floor(cost.split(C, origin)[0], moving, points, values)


def of_curvature(C, origin, directions, points, hessians) -> float:
    """Rounding noise of exact Hessians in a slice, per squared unit of coordinate: no eigenvalue below it has a sign.

    floor = max(4 max_i |H_i - H64(s_i)|, eps max_i |H_i|)

    in the spectral norm, over 24 of the points, those of the longest Hessians among them, with H64 that of the plain
    cost in float64.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: k tuples like it.
        points: coordinates, `[m, k]`.
        hessians: `[m, k, k]`, as `slices.derivatives` gives them.

    Returns:
        A number; NaN if none of the Hessians is finite.

    Raises:
        ValueError: C is no cost, a direction does not fit the origin, or the Hessians do not fit the points.

    Example:
        >>> from jaxcost import cost, data, slices
        >>> one = data.Images(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))
        >>> C, line = cost.Cost(one, lambda x, p: p**2, lambda a, y: a), ((np.float32(0.1),), ((np.float32(1.0),),))
        >>> points = np.array([[0.0], [1.0]])
        >>> bool(of_curvature(C, *line, points, slices.derivatives(C, *line, points)[2]) < 1e-6)  # of curvatures of 2
        True
    """
    moving, points = asked.points(origin, directions, points)
    hessians, k = checks.numbers("hessians", hessians, 3).astype(np.result_type(hessians, np.float32)), points.shape[1]
    if hessians.shape != (len(points), k, k):
        raise ValueError(f"hessians of shape {hessians.shape}, expected {(len(points), k, k)}, one a point")
    return noise.curvature_floor(cost.split(C, origin)[0], moving, points, hessians)
