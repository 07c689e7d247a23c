"""How much a slice bends, and how far out it is a bowl.

Sees arrays only, and works in float64 on the host. Coordinates are measured in half-widths of the slice, so that
slices of all sizes can be compared.
"""

import itertools

import numpy as np

from jaxcost import checks
from jaxcost.measures import fits
from jaxcost.measures.variation import checked


def roughness(axes, values, floor=0.0) -> float:
    """Root of the mean squared second difference, in units of the values per squared half-width.

    R^2 = mean sum_jk D_jk^2, where D_jj = (C_i+1 - 2 C_i + C_i-1) / h_j^2 along axis j, D_jk is the mixed central
    difference, h_j the spacing in half-widths, and the mean runs over all points that have neighbours. For
    a quadratic it is the Frobenius norm of the Hessian, whichever way the grid is turned. Second differences within 4
    floors, which noise alone can make, count as 0. The discrete form of the thin-plate energy, Duchon 1977.

    Args:
        axes: the coordinates along each axis, equally spaced, three or more.
        values: `[len(axes[0]), ...]`, finite.
        floor: noise of the values, not negative.

    Returns:
        A number in units of the values per squared half-width.

    Raises:
        ValueError: the values are not finite, do not fit the axes, or these are not equally spaced.

    Example:
        >>> x = np.linspace(-2, 2, 41)
        >>> print(f"{roughness((x,), 3 * x**2):.3f}")  # C'' = 6 in coordinates, half-width 2: 6 * 2^2
        24.000
    """
    spacings, values = _spacings(axes, values)
    values = checked(values, floor)
    steps, squares = np.eye(values.ndim, dtype=int), 0.0
    at = lambda moves: values[tuple(slice(1 + move, (move - 1) or None) for move in moves)]  # inner points, moved
    bent = lambda difference: np.where(np.abs(difference) > 4 * floor, difference, 0)
    for e, h in zip(steps, spacings, strict=True):
        squares = squares + (bent(at(e) - 2 * at(0 * e) + at(-e)) / h**2) ** 2
    for (e, h), (f, g) in itertools.combinations(zip(steps, spacings, strict=True), 2):
        squares = squares + 2 * (bent(at(e + f) - at(e - f) - at(f - e) + at(-e - f)) / (4 * h * g)) ** 2
    return float(np.sqrt(np.mean(squares)))


def bowl(axes, values, floor=0.0) -> float:
    """Share of the variance of the values that the best quadratic explains, in [0, 1].

    1 - sum (C - q)^2 / sum (C - mean C)^2 with q the least-squares polynomial of degree 2 in all coordinates. 1 where
    no residual exceeds the floor. A bowl ends where this falls below 0.95 (`bowl_end`): it says how far a parabola will
    do for C. It is no test of convexity: of |x| it is 0.94, of x^4 0.92, and a line may bend down at half of its
    points and still have 0.95. `convex_to` says how far C is convex.

    Args:
        axes: the coordinates along each axis, in order.
        values: `[len(axes[0]), ...]`, finite.
        floor: noise of the values, not negative.

    Returns:
        A number; NaN where all values lie within the floor, and nothing can be said.

    Raises:
        ValueError: the values are not finite or do not fit the axes.

    Example:
        >>> x = np.linspace(-1, 1, 101)
        >>> bowl((x,), (x - 0.3) ** 2), round(bowl((x,), np.cos(4 * x)), 2)
        (1.0, 0.71)
    """
    axes, values = fits.fitting(axes, values)
    values = checked(values, floor)
    if np.ptp(values) <= floor:
        return np.nan
    residual = values - fits.quadratic_fit(axes, values)
    if np.abs(residual).max() <= floor:
        return 1.0
    return float(1 - np.sum(residual**2) / np.sum((values - values.mean()) ** 2))


def bowls(axis, values, floor=0.0, *, least=0.4, parts=7) -> tuple[np.ndarray, np.ndarray]:
    """`bowl` of a line and of its middle parts, without a further value: shares at several half-widths.

    Args:
        axis: the coordinates along the line, an odd number, equally spaced about their middle.
        values: C there, `[points]`, or `[draws, points]` of many lines; finite.
        floor: noise of the values, not negative.
        least: half-width of the smallest part, as a share of the line's.
        parts: how many, the line itself among them; fewer where the points are few.

    Returns:
        `(half_widths, shares)` as `bowl_end` takes them: `[m]`, rising, and `[m]` or `[draws, m]`.

    Raises:
        ValueError: the number of points is even or 1, they are not equally spaced, or the values are not finite or do
            not fit.

    Example:
        >>> x = np.linspace(-2, 2, 41)
        >>> half_widths, shares = bowls(x, np.cos(2 * x), least=0.5, parts=3)
        >>> half_widths.tolist(), shares.round(2).tolist()
        ([1.0, 1.5, 2.0], [0.99, 0.93, 0.69])
    """
    axis, values = checks.numbers("axis", axis, 1, finite=True), checked(values, floor)
    least, parts = checks.number("least", least, 0, 1), checks.whole("parts", parts, most=checks.MOST)
    if len(axis) % 2 == 0:
        raise ValueError(f"{len(axis)} points, expected an odd number, one of them in the middle")
    if values.ndim not in (1, 2) or values.shape[-1] != len(axis):
        raise ValueError(f"{len(axis)} points and values of shape {values.shape}, expected a value, or draws, of each")
    _even(axis)
    middle, parts = len(axis) // 2, min(parts, len(axis))  # more give the same
    smallest = max(1, least * middle) if parts > 1 else middle
    reaches = np.unique(np.linspace(smallest, middle, parts).round().astype(int))
    part = lambda array, m: array[..., middle - m : middle + m + 1]
    share = lambda line: [bowl((part(axis, m),), part(line, m), floor) for m in reaches]
    return np.abs(axis[middle + reaches] - axis[middle]), np.apply_along_axis(share, -1, values)


def bowl_end(half_widths, shares, least=0.95) -> float | np.ndarray:
    """The half-width at which a bowl ends: the smallest at which a quadratic explains less than `least`.

    Args:
        half_widths: rising, `[m]`.
        shares: `bowl` at each, `[m]`, or `[draws, m]`; NaN, nothing to be said, counts as a bowl.
        least: share of the variance.

    Returns:
        Between two half-widths by their logarithms; infinite if the bowl goes on, the smallest half-width if
        it is none from the start. A number, or one a draw.

    Raises:
        ValueError: the half-widths are not positive and rising, or the shares are infinite or do not fit them.

    Example:
        >>> print(f"{bowl_end([0.1, 1, 10], [1.0, 1.0, 0.9]):.2f}")
        3.16
    """
    half_widths, shares = checks.numbers("half_widths", half_widths, 1, finite=True), checks.numbers("shares", shares)
    checks.number("least", least, 0, 1)
    if shares.ndim not in (1, 2) or shares.shape[-1:] != half_widths.shape or not half_widths.size:
        raise ValueError(f"{len(half_widths)} half-widths, shares of shape {shares.shape}, expected one a half-width")
    if not (np.diff(half_widths, prepend=0) > 0).all():
        raise ValueError(f"half_widths={half_widths}, expected positive ones that rise")
    if np.isinf(shares).any():
        raise ValueError(f"shares of which {np.isinf(shares).sum()} are infinite, expected 1 at most, or NaN")
    shares = np.where(np.isnan(shares), 1.0, shares)
    if shares.ndim > 1:
        return np.array([bowl_end(half_widths, row, least) for row in shares])
    below = np.flatnonzero(shares < least)
    if not len(below):
        return np.inf
    i = below[0]
    if i == 0:
        return float(half_widths[0])
    part = (shares[i - 1] - least) / (shares[i - 1] - shares[i])
    low, high = np.log(half_widths[i - 1]), np.log(half_widths[i])
    return float(np.exp(low + part * (high - low)))


def convex_to(axis, second, floor=0.0) -> float | np.ndarray:
    """How far a line is convex about its middle: the least |s| at which C'' < -floor.

    Beside `bowl_end`, how far it is a parabola: a line that flattens out is convex no longer than up to where it begins
    to, however well a parabola still fits. Where a second derivative is not finite it is not known to be convex.

    Args:
        axis: the coordinates, `[points]`, in order, one of them 0, on both sides of it.
        second: exact second derivatives there, `[points]`, or `[draws, points]`.
        floor: noise of these (`floors.of_curvature`), not negative.

    Returns:
        A distance, where a straight line between two points reaches -floor; infinite if the line is convex all along.
        A number, or one a draw.

    Raises:
        ValueError: the axis is in no order, has no 0 between others, or does not fit; or the floor is negative.

    Example:
        >>> x = np.linspace(-2, 2, 401)
        >>> print(f"{convex_to(x, 12 * x**2 - 12 * x**4):.2f}")
        1.00
    """
    axis, second = checks.numbers("axis", axis, 1, finite=True), checks.numbers("second", second)
    checks.number("floor", floor, 0)
    if second.ndim not in (1, 2) or second.shape[-1] != len(axis) or not (axis[1:-1] == 0).any():
        raise ValueError(
            f"axis of {len(axis)} points and second of shape {second.shape}, expected them alike, one at 0"
        )
    fits.fitting((axis,), axis)  # in order
    if second.ndim > 1:
        return np.array([convex_to(axis, row, floor) for row in second])
    ends = []
    for side in (axis >= 0, axis <= 0):
        s, above = np.abs(axis[side]), second[side] + floor
        s, above = s[order := np.argsort(s)], above[order]
        down = np.flatnonzero(~(above >= 0))  # NaN too
        if not len(down):
            ends.append(np.inf)
            continue
        i = down[0]
        part = above[i - 1] / (above[i - 1] - above[i]) if i and np.isfinite(above[i]) else 0.0
        ends.append(s[max(i - 1, 0)] + part * (s[i] - s[max(i - 1, 0)]))
    return float(min(ends))


def negative_curvature(hessians, floor=0.0) -> float:
    """Share of the points where C bends down along some direction of the slice: smallest eigenvalue < -floor.

    Li et al. 2018 (arXiv 1712.09913), section 6, look at it over a plane, there of the whole Hessian.

    Args:
        hessians: exact Hessians in the slice, `[..., k, k]`; points with a non-finite one are left out.
        floor: noise of the eigenvalues (`floors.of_curvature`), not negative.

    Returns:
        A number in [0, 1]; NaN where no Hessian is finite, and where more than half of the smallest eigenvalues are
        within the floor: what bends less than it is noisy bends neither up nor down.

    Example:
        >>> print(f"{negative_curvature(np.array([np.eye(2), np.diag([1.0, -0.1])])):.2f}")
        0.50
        >>> negative_curvature(np.array([np.eye(2), np.diag([1.0, -0.1])]), floor=2.0)
        nan
    """
    checks.number("floor", floor, 0)
    lowest = _eigenvalues(hessians)[:, 0]
    known = len(lowest) and np.mean(np.abs(lowest) < floor) <= 0.5
    return float(np.mean(lowest < -floor)) if known else np.nan


def curvature_ratio(hessians, floor=0.0) -> float:
    """The most negative curvature of the slice against the most positive: max(0, -min lambda) / max(0, max lambda).

    Args:
        hessians: exact Hessians in the slice, `[..., k, k]`; points with a non-finite one are left out.
        floor: noise of the eigenvalues, not negative; those within it count as 0.

    Returns:
        A number: 0 where C is convex on the slice, 1 where it bends down as sharply as up, infinite where it only bends
        down, NaN where it does not bend at all.

    Example:
        >>> curvature_ratio(np.array([np.eye(2), np.diag([4.0, -1.0])]))
        0.25
    """
    checks.number("floor", floor, 0)
    sizes = _eigenvalues(hessians)
    if not sizes.size:
        return np.nan
    down, up = (size if size > floor else 0.0 for size in (-sizes.min(), sizes.max()))
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.divide(down, up))


def _eigenvalues(hessians):
    """Eigenvalues `[points, k]`, rising, of the finite Hessians."""
    hessians = checks.numbers("hessians", hessians)
    if hessians.ndim < 2 or hessians.shape[-1] != hessians.shape[-2] or not hessians.shape[-1]:
        raise ValueError(f"hessians of shape {hessians.shape}, expected [..., k, k]")
    hessians = hessians.reshape(-1, *hessians.shape[-2:])
    return np.linalg.eigvalsh(hessians[np.isfinite(hessians).all((1, 2))])


def _spacings(axes, values):
    """Spacing along each axis in half-widths, and the values.

    Raises:
        ValueError: an axis is not of three or more equally spaced coordinates, or the values do not fit.
    """
    axes, values = fits.fitting(axes, values)
    for axis in axes:
        _even(axis)
    return [2 / (len(axis) - 1) for axis in axes], values


def _even(axis):
    """Make sure that an axis is of three or more equally spaced coordinates."""
    gaps = np.diff(axis)
    rounding = 4 * np.finfo(np.float32).eps * np.abs(axis).max()  # far from 0 no spacing is more even than that
    if len(axis) < 3 or not np.allclose(gaps, gaps.mean(), 1e-3, rounding) or gaps[0] == 0:
        raise ValueError(f"an axis of {len(axis)} points, spaced {np.unique(gaps)[:3]}, expected 3 or more, even")
