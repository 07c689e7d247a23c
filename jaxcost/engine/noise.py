"""How much of a slice is rounding: its numbers against the cost in float64.

The cost in float64 is the very program of the model, run with every float that moves as float64 (`widened`): with its
own random numbers and constants, and without the roundings of its own, to float16 or bfloat16 on the way. Of such a
model the floor is that of its stairs, and it is said where they come from. Of many images what is affine is hoisted in
float64 too, and that is compared with the plain cost image by image (`exact`): so a wrong hoist passes nowhere.
"""

import math
import warnings
from typing import NamedTuple

import numpy as np

from jaxcost import checks
from jaxcost.engine import coordinates, exact
from jaxcost.engine.widened import Notes

SHOWN = 3  # places named in a warning
REACH = 3  # neighbours on each side: a polynomial through six follows a smooth slice, and noise stands out


class Comparison(NamedTuple):
    """What the comparison of some points of a slice with float64 has shown.

    Attributes:
        floor: the noise floor; NaN if none of the numbers is finite.
        notes: what the model rounds by itself.
        nonfinite: how many numbers of the slice are infinite or NaN.
        of: how many of these were compared.
        by_rounding: and how many of those are finite in float64.
        hidden: how many are finite here alone.
    """

    floor: float
    notes: Notes
    nonfinite: int
    of: int
    by_rounding: int
    hidden: int


def floor(C, frame, points, values, *, shape=None, count=16, largest=8, first=0) -> float:
    """Rounding noise of a slice, estimated, in units of C: no dent shallower than this is evidence of anything.

    floor = max(4 max_i |values_i - C64(P(s_i))|, eps max_i |values_i|)

    where i runs over `count` of the slice's own points, over the `largest` with the largest costs and as many that lie
    farthest from what their neighbours say, C64 is the plain cost in float64, and eps is the spacing of the values'
    type at 1. Why 4: the largest of 16 normal deviates is about 2 standard deviations in size, so the floor is about 8,
    and the difference of two values, each off by noise, exceeds 8 about once in 10^8 pairs. The second term is the
    analytic estimate, the rounding of the mean itself, for a slice that agrees with float64 by chance.

    What neighbours say is the polynomial through the six nearest along an axis, on lines, however their points lie, and
    on grids. So noise on a short stretch is found wherever the slice is otherwise smooth from point to point; where it
    is not, far out, its own bumps stand out as much.

    Warns if the model itself rounds what moves to a narrower type; if something in it is not computed in float64; and
    if values are infinite or NaN by rounding alone, which no floor tells.

    Args:
        C: a `cost.Cost` of the floating leaves alone.
        frame: `(origin, directions)`, the directions like the origin (`directions.Frame.moving`).
        points: coordinates, `[m, k]`.
        values: C at the points, `[m]`, as it was computed.
        shape: of the grid that the first of the points make in reading order; by default that of all points where they
            are a grid, in whatever order.
        count: number of points to compare, spread evenly over those with finite values by the golden ratio.
        largest: number of points with the largest costs to compare, one or more, and of those off their neighbours.
        first: where in the golden sequence to begin: slices judged together should not compare the same points.

    Returns:
        A number; NaN if none of the values is finite.
    """
    return judge([compare(C, frame, points, values, shape=shape, count=count, largest=largest, first=first)])


def curvature_floor(C, frame, points, hessians, *, count=16, largest=8, first=0) -> float:
    """Rounding noise of exact Hessians in a slice, per unit of coordinate squared: no eigenvalue below it has a sign.

    floor = max(4 max_i |H_i - H64(s_i)|, eps max_i |H_i|)

    in the spectral norm, which bounds what noise does to any eigenvalue (Weyl 1912), where i runs over `count` of the
    points and the `largest` with the longest Hessians, and H64 is the Hessian of the plain cost in float64, by forward
    mode.

    Args:
        C: as of `floor`, and so all else.
        frame: as of `floor`.
        points: coordinates, `[m, k]`.
        hessians: `[m, k, k]`, as they were computed.
        count: as of `floor`.
        largest: number of points with the longest Hessians to compare, one or more.
        first: as of `floor`.

    Returns:
        A number; NaN if none of the Hessians is finite.
    """
    return judge([compare(C, frame, points, hessians, count=count, largest=largest, first=first)])


def compare(C, frame, points, results, **options) -> Comparison:
    """Compare some points of a slice with float64: values `[m]` as `floor` does, Hessians as `curvature_floor`."""
    (found,) = compare_each([lambda: (C, frame)], points, [results], **options)
    return found


def compare_each(slices, points, results, *, shape=None, count=16, largest=8, first=0) -> list[Comparison]:
    """`compare` of several slices of one structure, of few points several together.

    Args:
        slices: functions, each of which makes `(C, frame)` of a slice when its turn comes.
        points: coordinates, `[m, k]`, the same on each.
        results: of each slice, `[slices, m]`, or `[slices, m, k, k]`.
        shape: as of `floor`.
        count: as of `floor`, for each slice.
        largest: likewise.
        first: as of `floor`; the golden sequence goes on from slice to slice.
    """
    results = np.asarray(results)
    of_values = results.ndim == 2
    choices = [
        _choice(points, of_slice, shape, count, largest, first + i * count) for i, of_slice in enumerate(results)
    ]
    # one number of points compiles once, and another where there is something else to see
    most = count + largest * (2 if of_values else 1)
    most += math.ceil(largest / 2) if any(len(choice.rest) for choice in choices) else 0
    padded = np.stack([np.pad(one.chosen, (0, most - len(one.chosen)), mode="edge") for one in choices])
    together = min(max(1, exact.GROUP // most), len(slices)) if of_values else 1
    found = []
    for i in range(0, len(slices), together):
        part = np.minimum(i + np.arange(together), len(slices) - 1)  # the last again and again: one program for all
        made, at = [slices[j]() for j in part], points[padded[part]]
        wide = exact.values_of_each(made, at) if of_values else [exact.hessians(*made[0], at[0])]
        of = zip(choices[i : i + together], results[i : i + together], wide, strict=False)
        found += [_compared(choice, of_slice, *told) for choice, of_slice, told in of]
    return found


class _Choice(NamedTuple):
    """Positions of points to compare, of those among them that are not finite, and of all such in the slice."""

    chosen: np.ndarray
    some: np.ndarray
    rest: np.ndarray


def _choice(points, results, shape, count, largest, first):
    sizes = _sizes(results)
    finite, rest = np.flatnonzero(np.isfinite(sizes)), np.flatnonzero(~np.isfinite(sizes))
    golden = (math.sqrt(5) - 1) / 2
    evenly = finite[((first + np.arange(min(count, len(finite)))) * golden % 1 * len(finite)).astype(int)]
    highest = finite[np.argsort(sizes[finite])[-largest:]]
    uneven = _uneven(points, results, shape, largest) if results.ndim == 1 else []
    some = rest[np.linspace(0, len(rest) - 1, min(len(rest), math.ceil(largest / 2))).astype(int)]
    return _Choice(np.unique([*evenly, *highest, *uneven, *some]).astype(int), some, rest)


def _compared(choice, results, wide, notes):
    """What float64 shows of the points that were chosen."""
    chosen, some, rest = choice
    sizes, wide = _sizes(results), wide[: len(chosen)]
    finite = np.flatnonzero(np.isfinite(sizes))
    with np.errstate(invalid="ignore"):  # infinity less infinity
        error = _sizes(results[chosen] - wide)
    largest_error = error[np.isfinite(error)].max(initial=0)
    least = np.finfo(results.dtype).eps * sizes[finite].max(initial=0)
    known = np.isfinite(_sizes(wide))
    return Comparison(
        floor=float(max(4 * largest_error, least)) if len(finite) else math.nan,
        notes=notes,
        nonfinite=len(rest),
        of=len(some),
        by_rounding=int(known[np.isin(chosen, some)].sum()) if len(some) else 0,
        hidden=int((~known)[np.isin(chosen, finite)].sum()),
    )


def _sizes(results):
    """How large each value is, and each matrix."""
    return np.abs(results) if results.ndim == 1 else _spectral_norm(results)


def judge(found) -> float:
    """The largest floor of some comparisons, NaN where none has one. Warns, once of each, of what they have shown."""
    for notes in dict.fromkeys(one.notes for one in found):
        if notes.narrowed:
            _warn(
                "the model rounds what moves along a slice, which makes stairs of it: "
                f"{_listed(notes.narrowed)}. The floor is that of these stairs, against the same program without"
            )
        if notes.kept:
            _warn(f"not computed in float64, so that its rounding is not in the floor: {_listed(notes.kept)}")
    total = lambda name: sum(getattr(one, name) for one in found)
    if total("by_rounding"):
        _warn(
            f"of {total('nonfinite')} points that are infinite or NaN {total('of')} were compared with float64, and "
            f"{total('by_rounding')} are finite there: by rounding alone they are not"
        )
    if total("hidden"):
        _warn(f"{total('hidden')} of the points that were compared are finite here, and in float64 infinite or NaN")
    return max((one.floor for one in found if not math.isnan(one.floor)), default=math.nan)


def _warn(text):
    warnings.warn(text, stacklevel=4)


def _listed(lines):
    return "; ".join(lines[:SHOWN]) + (f"; and {len(lines) - SHOWN} more" if len(lines) > SHOWN else "")


# -- where to look --------------------------------------------------------------------------------------


def _uneven(points, values, shape, number):
    """Positions of the points that lie farthest from what their neighbours say, at most so many."""
    order = _grid(points, shape)
    if order is None:
        return []
    values = np.where(np.isfinite(values), values, np.nan).astype(np.float64)[order]
    off = np.max([_off_neighbours(points[order, axis], values, axis) for axis in range(order.ndim)], 0).ravel()
    farthest = np.argsort(off, kind="stable")[-number:]
    return order.ravel()[farthest[off[farthest] > 0]]


def _grid(points, shape):
    """Positions of the points on a grid, an array of its shape; None if they make none."""
    if shape is not None:
        shape = [checks.whole("shape", length) for length in checks.listed("shape", shape)]
        if len(shape) != points.shape[1] or math.prod(shape) > len(points):
            raise ValueError(f"shape={tuple(shape)} of {points.shape} points, expected a grid of some of them")
        return np.arange(math.prod(shape)).reshape(shape)
    if points.shape[1] == 1:
        return np.unique(points, return_index=True)[1]
    order = np.lexsort(points.T[::-1])
    axes = [np.unique(column) for column in points.T]
    if math.prod(map(len, axes)) != len(points) or (points[order] != coordinates.product(axes)).any():
        return None
    return order.reshape(*map(len, axes))


def _off_neighbours(x, values, axis):
    """How far each value lies from the polynomial through its six neighbours along an axis, in units of their noise.

    Were all of them off by noise of size 1, so would be this. 0 at the ends and beside what is not finite.
    """
    x, values = (np.moveaxis(a, axis, 0).astype(np.float64) for a in (x, values))
    n, reach = len(values), min(REACH, (len(values) - 1) // 2)
    beside = [step for step in range(-reach, reach + 1) if step]
    at = lambda a, step: a[reach + step : n - reach + step]
    with np.errstate(divide="ignore", invalid="ignore"):  # a grid may have the same point twice
        share = lambda i: math.prod((at(x, 0) - at(x, j)) / (at(x, i) - at(x, j)) for j in beside if j != i)
        shares = {i: share(i) for i in beside}  # Lagrange's
        off = at(values, 0) - sum(share * at(values, i) for i, share in shares.items())
        off = off / np.sqrt(1 + sum(share**2 for share in shares.values()))
    found = np.zeros(values.shape)
    found[reach : n - reach] = np.nan_to_num(np.abs(off), posinf=0) if reach else 0
    return np.moveaxis(found, 0, axis)


def _spectral_norm(matrices):
    """The largest singular value of each, NaN where an entry is not finite."""
    known = np.isfinite(matrices).all((1, 2))
    norms = np.linalg.norm(np.where(known[:, None, None], matrices, 0), 2, (1, 2))
    return np.where(known, norms, np.nan)
