"""Critical points of C on a slice, found on its exact gradient and Hessian and not guessed from pixels."""

import numpy as np

from jaxcost import slices


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
