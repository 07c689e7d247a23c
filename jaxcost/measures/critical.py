"""Critical points of C on a slice, found on its exact gradient and Hessian and not guessed from pixels.

A grid says where to look. What is found there is judged by C alone, in float64 and against the rounding of C at that
very place: a finer grid finds more where a coarse one saw too little, and loses and makes none.
"""

from typing import NamedTuple

import numpy as np

from jaxcost import checks, cost, slices
from jaxcost.engine import exact, quantities
from jaxcost.measures import minima as grid_minima
from jaxcost.measures import newton

# lengths as shares of the slice along each axis
SAME_POINT = 1e-4  # two points as near as this are one
NEAREST, FARTHEST = 1e-5, 0.25  # how far along an eigenvector a rise is looked for
RUNGS = 10  # places along an eigenvector where it is looked for
EPS = np.finfo(np.float32).eps


class Critical(NamedTuple):
    """Critical points of C on a slice, the lowest first, each with what certifies it.

    Attributes:
        points: coordinates, `[m, k]`.
        values: C at these, `[m]`, in float64 as all that follows.
        kinds: `[m]`, number of negative eigenvalues: 0 a minimum on the slice, k a maximum, else a saddle.
        eigenvalues: of the exact Hessian in the slice, `[m, k]`, rising, per squared unit of coordinate.
        slopes: `[m]`, Euclidean norm of the exact gradient that is left, per unit of coordinate.
        steps: `[m]`, the longest component of the Newton step that is left, as a share of the slice's length.
        rises: `[m]`, how far C rises, or falls where the eigenvalue is negative, before it turns, on either side along
            each eigenvector: the least. At some place on the way it is more than the noise of C there.
        unseen: number of points where the gradient is 0 without such rises: too flat for the rounding of C, or rugged
            at a scale below that at which a rise could be seen. They are left out.
    """

    points: np.ndarray
    values: np.ndarray
    kinds: np.ndarray
    eigenvalues: np.ndarray
    slopes: np.ndarray
    steps: np.ndarray
    rises: np.ndarray
    unseen: int


def find(C, slice_, *, derivatives=None, steps=10) -> Critical:
    """The critical points of C on a slice: Newton's steps on the exact gradient g and Hessian H, s <- s - H^-1 g.

    They start at the grid points whose own step is no longer than a cell along each axis, one for each place to which
    these lead, and go in float64 (`newton.to_zeros`). The grid's own minima run downhill beside them
    (`newton.downhill`). Of those that come to one point one is kept. It counts if it is seen: along each eigenvector of
    H, on both sides, C must rise (or fall, where the eigenvalue is negative) by more than its noise there, four times
    the difference between its values as a slice computes them and those in float64 (`engine.noise`).

    Far from a trained network C is a staircase of single images, and has critical points below any resolution. What a
    grid leaves between its points is missed: read the number as "at least".

    Args:
        C: the `cost.Cost` of the slice.
        slice_: a `slices.Slice`, two points or more along each axis.
        derivatives: `slices.derivatives` at the points of the grid in reading order, if they are at hand.
        steps: number of Newton steps at most.

    Returns:
        `Critical`.

    Raises:
        ValueError: C is not the cost of this slice, an axis has a single point, or the derivatives are of others.

    Example:
        >>> from jaxcost import cost, data
        >>> one = data.Images(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))
        >>> C = cost.Cost(one, lambda x, p: (p * p - 1) ** 2 + 1, lambda a, y: a)  # a double well
        >>> line = slices.line(C, (np.float32(0.0),), (np.float32(1.0),), np.linspace(-2, 2, 40))
        >>> found = find(C, line)
        >>> (np.sort(found.points[:, 0]).round(3) + 0.0).tolist(), found.kinds.tolist()
        ([-1.0, 0.0, 1.0], [0, 0, 1])
    """
    slices.check(C, slice_)
    steps, window = checks.whole("steps", steps, 0, checks.MOST), _window(slice_)
    grid = window.into_cube(np.stack(np.meshgrid(*slice_.axes, indexing="ij"), -1).reshape(-1, len(slice_.axes)))
    points = window.from_cube(grid)
    given = slices.derivatives(C, *slice_.frame, points) if derivatives is None else _given(derivatives, slice_)
    on_grid = newton.at(lambda points: window.per_share(given), grid)
    own = newton.newton(on_grid)
    near = np.flatnonzero((np.abs(own) <= window.cell).all(1))  # NaN is not
    near = near[np.argsort(np.abs(own[near] / window.cell).max(1), kind="stable")]
    leads_to = np.round((grid + own)[near] / window.cell * 4)  # one start for each quarter of a cell
    near = near[np.unique(leads_to, axis=0, return_index=True)[1]]
    low = grid.reshape(*slice_.values.shape, -1)[tuple(grid_minima.local_minima(slice_.values).indices.T)]
    if not len(near) + len(low):
        return _certified(C, slice_, window, on_grid.chosen([]))
    derivatives = _exact(C, slice_, window, max(len(near), len(low)))
    zeros = newton.to_zeros(derivatives, grid[near], window.cell, steps=steps) if len(near) else on_grid.chosen([])
    ended, minimum = newton.downhill(derivatives, low, window.cell.min() / 2) if len(low) else (on_grid.chosen([]), [])
    found = newton.State(*map(np.concatenate, zip(zeros, ended.chosen(np.asarray(minimum, bool)), strict=True)))
    found = found.chosen(np.argsort(found.values, kind="stable"))
    return _certified(C, slice_, window, found.chosen(_first_of_each(found.points)))


def settle(C, slice_, minima) -> tuple[np.ndarray, np.ndarray]:
    """Let grid minima run downhill on the slice itself: which of them are minima of C, not of the grid alone.

    A narrow valley that runs askew to the grid looks like a string of minima, one wherever a grid point comes near
    its floor, and the finer the grid the more there are. From each grid point this goes downhill on the exact gradient
    and Hessian in float64 (`newton.downhill`), however far, as long as it stays on the slice. A minimum stays if it
    comes to a point of which C rises on all sides by more than its noise there (`find`), and if none before it in the
    list has come to the same one: a string keeps its deepest, if there is a minimum at the valley's bottom at all.

    Args:
        C: the `cost.Cost` of the slice.
        slice_: a `slices.Slice`.
        minima: `minima.Minima` of its values.

    Returns:
        `(coordinates, stays)`: coordinates where each ended, `[m, k]`, and whether it is a minimum and none before it
        in the list is the same one, `[m]`, a mask for `Minima.chosen`.

    Raises:
        ValueError: C is not the cost of this slice, or the minima are not of its grid.

    Example:
        >>> from jaxcost import cost, data
        >>> one = data.Images(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))
        >>> C = cost.Cost(one, lambda x, p: (p * p - 1) ** 2 + 1, lambda a, y: a)  # a double well
        >>> line = slices.line(C, (np.float32(0.0),), (np.float32(1.0),), np.linspace(-2, 2, 40))
        >>> coordinates, stays = settle(C, line, grid_minima.local_minima(line.values, line.floor))
        >>> np.sort(coordinates[:, 0]).round(2).tolist(), stays.tolist()
        ([-1.0, 1.0], [True, True])
    """
    slices.check(C, slice_), checks.having("minima", minima, "indices")
    indices, shape = np.asarray(minima.indices), slice_.values.shape
    if indices.shape[1:] != (len(shape),) or (indices < 0).any() or (indices >= shape).any():
        raise ValueError(f"minima at {indices.tolist()}, expected indices of a grid of shape {shape}")
    if not len(indices):
        return np.zeros((0, len(shape))), np.zeros(0, bool)
    window = _window(slice_)
    starts = np.stack([np.float64(axis)[i] for axis, i in zip(slice_.axes, indices.T, strict=True)], 1)
    derivatives = _exact(C, slice_, window, len(indices))
    ended, stays = newton.downhill(derivatives, window.into_cube(starts), window.cell.min() / 2)
    come = np.flatnonzero(stays)
    come = come[_first_of_each(ended.points[come])]
    _, seen = _rises(C, slice_, window, ended.chosen(come))
    stays[:] = False
    stays[come[seen]] = True
    return window.from_cube(ended.points), stays


def _given(derivatives, slice_):
    """Derivatives at the points of a slice, if they are that: most of their values are its own."""
    found = [checks.numbers("derivatives", one) for one in checks.listed("derivatives", derivatives)]
    values, k = np.float64(slice_.values).ravel(), slice_.values.ndim
    shapes, expected = [one.shape for one in found], [(len(values), *[k] * i) for i in range(3)]
    if shapes != expected:
        raise ValueError(f"derivatives of shapes {shapes}, expected {expected}")
    finite = np.isfinite(values)
    near = max(4 * slice_.floor, 1e-5 * np.abs(values[finite]).max(initial=0))  # as `slices.check` asks of one
    other = np.sum(~(np.abs(found[0][finite] - values[finite]) <= near))
    if other > finite.sum() / 2:
        raise ValueError(f"derivatives with {other} of {len(values)} values unlike the slice's, expected its own")
    return found


class _Window(NamedTuple):
    """The slice as the unit cube."""

    low: np.ndarray
    length: np.ndarray
    cell: np.ndarray  # as a share of the length

    def into_cube(self, points):
        return (points - self.low) / self.length

    def from_cube(self, points):
        return self.low + points * self.length

    def per_share(self, derivatives):
        """Values, gradients and Hessians per unit of coordinate, made those per length of the slice."""
        values, gradients, hessians = (np.asarray(a, np.float64) for a in derivatives)
        return values, gradients * self.length, hessians * self.length[:, None] * self.length


def _window(slice_):
    axes = [np.float64(axis) for axis in slice_.axes]
    length = np.array([np.ptp(axis) for axis in axes])
    if not (length > 0).all():
        raise ValueError(
            f"axes of {[len(axis) for axis in axes]} points, expected two different ones or more along each"
        )
    low, widest = (np.array([of(axis) for axis in axes]) for of in (np.min, lambda axis: np.abs(np.diff(axis)).max()))
    return _Window(low, length, widest / length)


def _exact(C, slice_, window, most):
    """Values and derivatives at points of the unit cube, in float64, for `most` points at once: one program."""
    run = _in_float64(quantities.DERIVATIVES, C, slice_, most)
    return lambda points: window.per_share(run(window.from_cube(points)))


def _in_float64(quantity, C, slice_, most):
    C, _ = cost.split(C, slice_.frame.origin)
    return exact.in_float64(quantity, C, slice_.frame.moving(), most)


def _first_of_each(points):
    """A mask: those to which none before them is the same."""
    alike = (np.abs(points[:, None] - points[None]) <= SAME_POINT).all(-1)
    return ~np.tril(alike, -1).any(1)


def _certified(C, slice_, window, found):
    rises, seen = _rises(C, slice_, window, found)
    unseen, found = int(np.sum(~seen)), found.chosen(seen)
    eigenvalues = np.linalg.eigvalsh(found.hessians / window.length[:, None] / window.length)
    return Critical(
        points=window.from_cube(found.points),
        values=found.values,
        kinds=(eigenvalues < 0).sum(1),
        eigenvalues=eigenvalues,
        slopes=np.linalg.norm(found.gradients / window.length, axis=1),
        steps=np.abs(newton.newton(found)).max(1, initial=0),
        rises=rises[seen],
        unseen=unseen,
    )


def _rises(C, slice_, window, found):
    """How far C rises or falls along the eigenvectors before it turns, the least, `[m]`; and whether that is seen."""
    m, k = found.points.shape
    if not m:
        return np.zeros(0), np.zeros(0, bool)
    sizes, vectors = np.linalg.eigh(found.hessians)  # vectors[m, :, j]
    # from where the Hessian foretells 4 roundings of the value itself
    nearest = np.sqrt(8 * EPS * np.abs(found.values)[:, None] / np.maximum(np.abs(sizes), np.finfo(np.float64).tiny))
    nearest = np.clip(nearest, NEAREST, FARTHEST / 2)
    rungs = nearest * (FARTHEST / nearest) ** np.linspace(0, 1, RUNGS)[:, None, None]  # [rung, m, j]
    moves = np.einsum("rmj,mij->mjri", rungs, vectors)
    along = found.points[:, None, None, None] + np.stack([moves, -moves], 1)  # [m, side, j, rung, k]
    points = window.from_cube(np.concatenate([found.points, along.reshape(-1, k)]))
    shown = np.float64(slices.evaluate(C, *slice_.frame, points, progress=False))
    true = _in_float64(quantities.VALUES, C, slice_, len(points))(points)
    middle, there, shown = true[:m, None, None, None], *(a[m:].reshape(along.shape[:-1]) for a in (true, shown))
    with np.errstate(invalid="ignore"):  # what is not finite turns
        rise = (there - middle) * np.sign(sizes)[:, None, :, None]
        up = np.logical_and.accumulate(np.diff(rise, axis=-1, prepend=0) > 0, -1) & np.isfinite(rise)
        floor = np.maximum(4 * np.maximum.accumulate(np.abs(shown - there), -1), EPS * np.abs(there))
        seen = (up & (rise > floor)).any(-1).all((1, 2))
    return np.where(up, rise, 0).max(-1).min((1, 2)), seen
