"""Critical points of C on a slice, found on its exact gradient and Hessian and not guessed from pixels."""

from typing import NamedTuple

import numpy as np

from jaxcost import slices

# lengths along each axis, in grid cells
ARRIVED = 1e-3  # a Newton step as short as this has arrived
SAME_POINT = 0.1  # two points as near as this are one
FARTHEST = 2.0  # a point farther than this from its start is given up


class Critical(NamedTuple):
    """Critical points of C on a slice, the lowest first, each with what certifies it.

    Attributes:
        points: coordinates, `[m, k]`.
        values: C at these, `[m]`.
        kinds: `[m]`, number of negative eigenvalues: 0 a minimum on the slice, k a maximum, else a saddle.
        eigenvalues: of the exact Hessian in the slice, `[m, k]`, rising, per squared unit of coordinate.
        slopes: `[m]`, Euclidean norm of the exact gradient that is left, per unit of coordinate.
        steps: `[m]`, the longest component of the Newton step that is left, in grid cells; at most `ARRIVED`.
        rises: `[m]`, the least that C was seen to rise, or fall where the eigenvalue is negative, on both sides along
            each eigenvector; more than the floor.
        unseen: number of points that Newton's steps came to without such rises: too flat for the noise floor, or
            rugged at a scale below that at which a rise could be seen. They are left out.
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

    They start at every grid point whose own step is no longer than a cell along each axis, and are cut to one cell.
    Those that stray from their start by more than two cells, or off the grid, are dropped, and of those that come to
    one point one is kept. It counts only if it is seen: along each eigenvector of H, on both sides, where H foretells
    a rise of 4 floors, C must have risen by more than the floor (or fallen, where the eigenvalue is negative), and that
    within one cell. Far from a trained network C is a staircase of single images, and has critical points below any
    resolution. What a grid leaves between its points is missed: read the number as "at least".

    Args:
        C: the `cost.Cost` of the slice.
        slice_: a `slices.Slice`, two points or more along each axis.
        derivatives: `slices.derivatives` at the points of the grid in reading order, if they are at hand.
        steps: number of Newton steps at most.

    Returns:
        `Critical`.

    Raises:
        ValueError: C is not the cost of this slice.

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
    axes = [np.asarray(axis, np.float64) for axis in slice_.axes]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    cell = np.array([np.abs(np.diff(axis)).max() for axis in axes])
    low, high = grid.min(0), grid.max(0)

    state = _state(grid, cell, derivatives or slices.derivatives(C, *slice_.frame, grid))
    state = state.chosen((np.abs(state.newton) <= 1).all(1))
    starts, arrived = state.points, []
    for _ in range(steps + 1):
        near = (np.abs(state.newton) <= ARRIVED).all(1)
        arrived.append(state.chosen(near))
        moved, starts = (state.points - cell * np.clip(state.newton, -1, 1))[~near], starts[~near]
        inside = (low <= moved) & (moved <= high) & (np.abs(moved - starts) <= FARTHEST * cell)
        inside = inside.all(1)  # NaN is outside
        if not inside.any():
            break
        moved, starts = moved[inside], starts[inside]
        state = _state(moved, cell, slices.derivatives(C, *slice_.frame, moved))
    found = _State(*map(np.concatenate, zip(*arrived, strict=True)))
    found = found.chosen(np.argsort(found.values, kind="stable"))
    alike = (np.abs(found.points[:, None] - found.points[None]) <= SAME_POINT * cell).all(-1)
    found = found.chosen(~np.tril(alike, -1).any(1))  # none before it is the same
    rises = _rises(C, slice_, found, cell)
    seen = rises > slice_.floor
    unseen, found = int(np.sum(~seen)), found.chosen(seen)
    eigenvalues = np.linalg.eigvalsh(found.hessians / cell[:, None] / cell)
    return Critical(
        points=found.points,
        values=found.values,
        kinds=(eigenvalues < 0).sum(1),
        eigenvalues=eigenvalues,
        slopes=np.linalg.norm(found.gradients / cell, axis=1),
        steps=np.abs(found.newton).max(1, initial=0),
        rises=rises[seen],
        unseen=unseen,
    )


class _State(NamedTuple):
    """Points under way, `[m, ...]`: C, its derivatives and H^-1 g, coordinates in units of cells but for the points."""

    points: np.ndarray
    values: np.ndarray
    gradients: np.ndarray
    hessians: np.ndarray
    newton: np.ndarray

    def chosen(self, which):
        return _State(*(a[which] for a in self))


def _state(points, cell, derivatives):
    """Points with C, g, H and H^-1 g in float64, coordinates in units of cells; NaN where there is no such step."""
    values, gradients, hessians = derivatives
    values, gradients = np.asarray(values, np.float64), gradients * cell
    hessians = hessians * cell[:, None] * cell
    eigenvalues, vectors = np.linalg.eigh(np.where(np.isfinite(hessians), hessians, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        newton = np.einsum("mij,mj,mkj,mk->mi", vectors, 1 / eigenvalues, vectors, gradients)
    sound = np.isfinite(hessians).all((1, 2)) & np.isfinite(gradients).all(1)
    return _State(points, values, gradients, hessians, np.where(sound[:, None], newton, np.nan))


def _rises(C, slice_, found, cell):
    """The least rise of C along the eigenvectors, or fall along those of negative eigenvalues, `[m]`.

    Where the Hessian foretells 4 floors; 0 where it does not within a cell.
    """
    if not len(found.points):
        return np.zeros(0)
    eigenvalues, vectors = np.linalg.eigh(found.hessians)  # vectors[m, :, j]
    far = np.sqrt(8 * slice_.floor / np.maximum(np.abs(eigenvalues), np.finfo(np.float64).tiny))
    moves = np.minimum(far, 1)[:, None, :] * vectors * cell[:, None]
    beside = found.points[:, None, None] + np.stack([moves, -moves], 1).swapaxes(2, 3)  # [m, side, j, k]
    values = slices.evaluate(C, *slice_.frame, beside.reshape(-1, len(cell))).reshape(beside.shape[:3])
    middle = slices.evaluate(C, *slice_.frame, found.points)[:, None, None]
    rises = (values.astype(np.float64) - middle) * np.sign(eigenvalues)[:, None]
    return np.where((far <= 1)[:, None], rises, 0).min((1, 2))


def settle(C, slice_, minima, *, steps=20) -> tuple[np.ndarray, np.ndarray]:
    """Let grid minima run downhill on the slice itself: which of them are minima of C, not of the grid alone.

    A narrow valley that runs askew to the grid looks like a string of minima, one wherever a grid point comes near
    its floor, and the finer the grid the more there are. From each grid point this takes Newton steps on the
    exact gradient g and Hessian H, |H|^-1 g with |H| by its eigenvalues' sizes, at most half a cell along each
    eigenvector. A minimum stays if it comes, within its neighbours' coordinates, to a point where H is positive
    definite and the fall that is still to be had, g H^-1 g / 2, is within the noise floor.

    Args:
        C: the `cost.Cost` of the slice.
        slice_: a `slices.Slice`.
        minima: `minima.Minima` of its values.
        steps: number of Newton steps.

    Returns:
        `(coordinates, stays)`: coordinates after the last step, `[m, k]`, and whether it is a minimum and
        none before it in the list is the same one, `[m]`, a mask for `Minima.chosen`.

    Raises:
        ValueError: C is not the cost of this slice.

    Example:
        >>> from jaxcost import cost, data
        >>> from jaxcost.measures import minima
        >>> one = data.Images(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))
        >>> C = cost.Cost(one, lambda x, p: (p * p - 1) ** 2 + 1, lambda a, y: a)  # a double well
        >>> line = slices.line(C, (np.float32(0.0),), (np.float32(1.0),), np.linspace(-2, 2, 40))
        >>> coordinates, stays = settle(C, line, minima.local_minima(line.values, line.floor))
        >>> np.sort(coordinates[:, 0]).round(2).tolist(), stays.tolist()
        ([-1.0, 1.0], [True, True])
    """
    slices.check(C, slice_)
    before, start, after = (
        np.stack([axis[i + d] for axis, i in zip(slice_.axes, minima.indices.T, strict=True)], 1).astype(np.float64)
        for d in (-1, 0, 1)
    )
    low, high = np.minimum(before, after), np.maximum(before, after)
    cell = (high - low) / 2
    points, stays, moving = start.copy(), np.zeros(len(start), bool), np.arange(len(start))
    for _ in range(steps + 1):
        if not len(moving):
            break
        _, g, H = slices.derivatives(C, *slice_.frame, points[moving])
        finite = np.isfinite(g).all(1) & np.isfinite(H).all((1, 2))
        moving, g, H = moving[finite], g[finite] * cell[moving[finite]], H[finite]
        eigenvalues, vectors = np.linalg.eigh(H * cell[moving, :, None] * cell[moving, None, :])
        slopes = np.einsum("mij,mi->mj", vectors, g)  # along the eigenvectors
        convex = eigenvalues.min(1, initial=np.inf) > 0
        fall_left = (slopes**2 / np.where(eigenvalues > 0, eigenvalues, 1)).sum(1) / 2
        arrived = convex & (fall_left <= slice_.floor)
        steep = np.maximum(np.abs(eigenvalues), np.maximum(2 * np.abs(slopes), np.finfo(np.float64).tiny))
        stays[moving[arrived]] = True
        moving, step = moving[~arrived], np.einsum("mij,mj->mi", vectors, slopes / steep)[~arrived]
        points[moving] -= cell[moving] * step
        moving = moving[((low <= points) & (points <= high)).all(1)[moving]]
    for i in np.flatnonzero(stays):  # of grid minima that ran into one, the first speaks for it
        same = (np.abs(points[:i] - points[i]) < cell[i] / 2).all(1)
        stays[i] = not (same & stays[:i]).any()
    return points, stays
