"""Critical points of C on a slice, found on its exact gradient and Hessian and not guessed from pixels."""

from typing import NamedTuple

import numpy as np

from jaxcost import slices

NEAR, SAME, STRAY = 1e-3, 0.1, 2  # grid cells: a step that has arrived, two points that are one, a start left behind


class Critical(NamedTuple):
    """Critical points of C on a slice, the lowest first, each with what certifies it.

    Attributes:
        points: coordinates, `[m, k]`.
        values: C there, `[m]`.
        kinds: `[m]`, number of negative eigenvalues: 0 a minimum on the slice, k a maximum, else a saddle.
        eigenvalues: of the exact Hessian in the slice, `[m, k]`, rising, per squared unit of coordinate.
        slopes: `[m]`, Euclidean norm of the exact gradient that is left, per unit of coordinate.
        steps: `[m]`, the longest component of the Newton step that is left, in grid cells; at most NEAR.
        rises: `[m]`, the least that C was seen to rise, or fall where the eigenvalue is negative, on both sides along
            each eigenvector; more than the floor.
        unseen: number of places that Newton's steps came to without such rises: too flat for the noise floor, or
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


def points(C, origin, directions, there, *, derivatives=None, steps=10):
    """The critical points of C on a slice: Newton's steps on the exact gradient g and Hessian H, s <- s - H^-1 g.

    They start at every grid point whose own step is no longer than a cell along each axis, and are cut to one cell.
    Those that stray from their start by more than two cells, or off the grid, are dropped, and of those that come to
    one place one is kept. It counts only if it is seen: along each eigenvector of H, on both sides, where H foretells
    a rise of 4 floors, C must have risen by more than the floor (or fallen, where the eigenvalue is negative), and that
    within one cell. Far from a trained network C is a staircase of single images, and has critical points below any
    resolution. What a grid leaves between its points is missed: read the number as "at least".

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: the k directions of the slice.
        there: the `Slice` of these, two points or more along each axis.
        derivatives: `slices.derivatives` at the points of the grid in reading order, if they are at hand.
        steps: number of Newton steps at most.

    Returns:
        `Critical`.

    Raises:
        ValueError: as `slices.derivatives`.
    """
    axes = [np.asarray(axis, np.float64) for axis in there.axes]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    cell = np.array([np.abs(np.diff(axis)).max() for axis in axes])
    low, high = grid.min(0), grid.max(0)
    at = lambda s: _State(s, *_in_cells(cell, *slices.derivatives(C, origin, directions, s)))

    here = _State(grid, *_in_cells(cell, *(derivatives or slices.derivatives(C, origin, directions, grid))))
    here = here.chosen((np.abs(here.ways) <= 1).all(1))
    starts, arrived = here.points, []
    for _ in range(steps + 1):
        near = (np.abs(here.ways) <= NEAR).all(1)
        arrived.append(here.chosen(near))
        s, starts = (here.points - cell * np.clip(here.ways, -1, 1))[~near], starts[~near]
        inside = ((low <= s) & (s <= high) & (np.abs(s - starts) <= STRAY * cell)).all(1)  # NaN is outside
        if not inside.any():
            break
        here, starts = at(s[inside]), starts[inside]
    found = _State(*map(np.concatenate, zip(*arrived, strict=True)))
    found = found.chosen(np.argsort(found.values, kind="stable"))
    alike = (np.abs(found.points[:, None] - found.points[None]) <= SAME * cell).all(-1)
    found = found.chosen(~np.tril(alike, -1).any(1))  # none before it is the same
    rises = _rises(C, origin, directions, found, cell, there.floor)
    seen = rises > there.floor
    unseen, found = int(np.sum(~seen)), found.chosen(seen)
    eigenvalues = np.linalg.eigvalsh(found.hessians / cell[:, None] / cell)
    return Critical(
        points=found.points,
        values=found.values,
        kinds=(eigenvalues < 0).sum(1),
        eigenvalues=eigenvalues,
        slopes=np.linalg.norm(found.slopes / cell, axis=1),
        steps=np.abs(found.ways).max(1, initial=0),
        rises=rises[seen],
        unseen=unseen,
    )


def _rises(C, origin, directions, found, cell, floor):
    """The least rise of C along the eigenvectors, or fall along those of negative eigenvalues, `[m]`.

    Where the Hessian foretells 4 floors; 0 where it does not within a cell.
    """
    if not len(found.points):
        return np.zeros(0)
    sizes, vectors = np.linalg.eigh(found.hessians)  # vectors[m, :, j]
    far = np.sqrt(8 * floor / np.maximum(np.abs(sizes), np.finfo(np.float64).tiny))
    moves = np.minimum(far, 1)[:, None, :] * vectors * cell[:, None]
    points = found.points[:, None, None] + np.stack([moves, -moves], 1).swapaxes(2, 3)  # [m, side, j, k]
    values = slices.evaluate(C, origin, directions, points.reshape(-1, len(cell))).reshape(points.shape[:3])
    at = slices.evaluate(C, origin, directions, found.points)[:, None, None]
    rises = (values.astype(np.float64) - at) * np.sign(sizes)[:, None]
    return np.where((far <= 1)[:, None], rises, 0).min((1, 2))


class _State(NamedTuple):
    """Points under way, `[m, ...]`: C, its derivatives and H^-1 g, coordinates in units of cells but for the points."""

    points: np.ndarray
    values: np.ndarray
    slopes: np.ndarray
    hessians: np.ndarray
    ways: np.ndarray

    def chosen(self, which):
        return _State(*(a[which] for a in self))


def _in_cells(cell, values, slopes, hessians):
    """C, gradient, Hessian and H^-1 g in float64, coordinates in units of cells; NaN where there is no such step."""
    values, slopes = np.asarray(values, np.float64), slopes * cell
    hessians = hessians * cell[:, None] * cell
    sizes, vectors = np.linalg.eigh(np.where(np.isfinite(hessians), hessians, 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        ways = np.einsum("mij,mj,mkj,mk->mi", vectors, 1 / sizes, vectors, slopes)
    sound = np.isfinite(hessians).all((1, 2)) & np.isfinite(slopes).all(1)
    return values, slopes, hessians, np.where(sound[:, None], ways, np.nan)


def settle(C, origin, directions, there, indices, *, steps=20):
    """Let grid minima run downhill on the slice itself: which of them are minima of C, not of the grid alone.

    A narrow valley that runs askew to the grid looks like a string of minima, one wherever a grid point comes near
    its floor, and the finer the grid the more there are. From each grid point this takes Newton steps on the
    exact gradient g and Hessian H, |H|^-1 g with |H| by its eigenvalues' sizes, at most half a cell along each
    eigenvector. A minimum stays if it comes, within its neighbours' coordinates, to a point where H is positive
    definite and the fall that is still to be had, g H^-1 g / 2, is within the noise floor.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: the directions of the slice.
        there: the `Slice` of these.
        indices: grid indices `[m, k]`, none on the edge, as in `bumpiness.Minima`.
        steps: number of Newton steps.

    Returns:
        `(points, stays)`: coordinates after the last step, `[m, k]`, and whether it is a minimum and
        none before it in the list is the same one, `[m]`.
    """
    before, start, after = (
        np.stack([axis[i + d] for axis, i in zip(there.axes, indices.T, strict=True)], 1).astype(np.float64)
        for d in (-1, 0, 1)
    )
    low, high = np.minimum(before, after), np.maximum(before, after)
    cell = (high - low) / 2
    points, stays, moving = start.copy(), np.zeros(len(start), bool), np.arange(len(start))
    for _ in range(steps + 1):
        if not len(moving):
            break
        _, g, H = slices.derivatives(C, origin, directions, points[moving])
        finite = np.isfinite(g).all(1) & np.isfinite(H).all((1, 2))
        moving, g, H = moving[finite], g[finite] * cell[moving[finite]], H[finite]
        sizes, vectors = np.linalg.eigh(H * cell[moving, :, None] * cell[moving, None, :])
        slopes = np.einsum("mij,mi->mj", vectors, g)
        convex = sizes.min(1, initial=np.inf) > 0
        there_yet = convex & ((slopes**2 / np.where(sizes > 0, sizes, 1)).sum(1) / 2 <= there.floor)
        steep = np.maximum(np.abs(sizes), np.maximum(2 * np.abs(slopes), np.finfo(np.float64).tiny))
        stays[moving[there_yet]] = True
        moving, fall = moving[~there_yet], np.einsum("mij,mj->mi", vectors, slopes / steep)[~there_yet]
        points[moving] -= cell[moving] * fall
        moving = moving[((low <= points) & (points <= high)).all(1)[moving]]
    for i in np.flatnonzero(stays):  # of grid minima that ran into one, the first speaks for it
        same = (np.abs(points[:i] - points[i]) < cell[i] / 2).all(1)
        stays[i] = not (same & stays[:i]).any()
    return points, stays
