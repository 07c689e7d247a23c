"""A line as fine as it must be: points are added wherever exact derivatives show that something lies between two."""

import numpy as np

from jaxcost import checks, slices

EPS = np.finfo(np.float32).eps
SHARE = 1 / 4  # of the depth: a minimum of it shows as at least twice this, above the line between two points


def refine(C, line, depth, *, most=20_000) -> tuple[slices.Slice, float]:
    """Add points to a line until no minimum as deep as `depth` can hide between two, as far as derivatives tell.

    Between two points with the exact values C_0, C_1 and slopes C'_0, C'_1 along the line, h apart, a smooth line goes
    by their cubic, whose middle is (C_0 + C_1) / 2 + h (C'_0 - C'_1) / 8. Where C itself differs from it there by more
    than a quarter of the depth, both halves are looked at in the same way. What lies between two points that neither
    their values and slopes nor the middle betray is missed.

    Args:
        C: the `cost.Cost` of the line.
        line: a `slices.Slice` of one axis.
        depth: in units of C, more than the line's noise floor.
        most: points that may be added; the deepest doubts go first.

    Returns:
        `(refined, unresolved)`: a `Slice` with all points, no longer equally spaced, the minima of which are those of
        the line down to this depth; and the share of the line's length that is still in doubt.

    Raises:
        ValueError: C is not the cost of this line, the slice is no line, or the depth is within its noise floor.

    Example:
        >>> from jaxcost import cost, data
        >>> from jaxcost.measures import minima
        >>> one = data.Images(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))
        >>> C = cost.Cost(one, lambda x, p: p**2 + (p - 0.33) ** 2 / ((p - 0.33) ** 2 + 1e-5), lambda a, y: a)
        >>> line = slices.line(C, (np.float32(0.0),), (np.float32(1.0),), np.linspace(-1, 1, 21))
        >>> minima.local_minima(line.values).count, minima.local_minima(refine(C, line, 0.01)[0].values).count
        (1, 2)
    """
    slices.check(C, line)
    if line.values.ndim != 1:
        raise ValueError(f"a slice of {line.values.ndim} axes, expected a line")
    checks.number("depth", depth, line.floor, above=True)
    most = checks.whole("most", most, 0)
    known = _at(C, line, np.sort(np.float64(line.alphas)))
    left, right, unresolved, added = known[:, :-1], known[:, 1:], 0.0, 0
    while left.shape[1]:
        h = right[0] - left[0]
        middle = _at(C, line, (left[0] + right[0]) / 2)
        known, added = np.concatenate([known, middle], 1), added + len(h)
        with np.errstate(invalid="ignore"):  # beside what is not finite nothing will ever be settled
            doubt = np.abs(middle[1] - (left[1] + right[1]) / 2 - h * (left[2] - right[2]) / 8)
        split = (doubt > SHARE * depth) & (h > 8 * EPS * np.abs(known[0]).max())
        over = np.flatnonzero(split)[np.argsort(-doubt[split], kind="stable")[max(0, most - added) // 2 :]]
        unresolved += h[over].sum()
        split[over] = False
        parts = (left[:, split], middle[:, split], right[:, split])
        left, right = (np.concatenate(pair, 1) for pair in (parts[:2], parts[1:]))
    s, first = np.unique(known[0].astype(line.alphas.dtype), return_index=True)
    values = known[1, first].astype(line.values.dtype)
    kept = dict(standard_error=None, per_class=None, per_image=None, accuracy=None)
    refined = line._replace(axes=(s,), values=values, nonfinite=int(np.sum(~np.isfinite(values))), **kept)
    return refined, float(unresolved / np.ptp(known[0]))


def _at(C, line, s):
    """Coordinates, values and slopes, `[3, points]`."""
    values, slopes, _ = slices.derivatives(C, *line.frame, s[:, None], progress=False)
    return np.stack([s, np.float64(values), np.float64(slopes)[:, 0]])
