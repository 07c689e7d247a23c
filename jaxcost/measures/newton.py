"""Newton's steps from many points at once, for functions of a few coordinates: downhill, and to where the slope is 0.

Sees arrays and a function alone. All of it is in the unit cube, so that a length is a share of the window.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

ARRIVED = 1e-9  # a Newton step as short as this has arrived
LONGEST = 0.1  # step downhill
SHORTEST = 1e-9  # step downhill that is still tried
EPS = np.finfo(np.float64).eps


class State(NamedTuple):
    """Points with what is known of the function there, each `[m, ...]`."""

    points: np.ndarray
    values: np.ndarray
    gradients: np.ndarray
    hessians: np.ndarray

    def chosen(self, which) -> "State":
        """Some of the points."""
        return State(*(a[which] for a in self))


def at(derivatives, points) -> State:
    """The state at points.

    Args:
        derivatives: `derivatives(points)`, values, gradients and Hessians.
        points: `[m, k]`.
    """
    return State(*(np.array(a, np.float64) for a in (points, *derivatives(points))))  # copies, to be written to


def newton(state) -> np.ndarray:
    """Newton's step to where the gradient is 0, -H^-1 g, `[m, k]`; NaN where there is none.

    Example:
        >>> newton(State(np.zeros((1, 1)), np.zeros(1), np.array([[2.0]]), np.array([[[4.0]]]))).tolist()
        [[-0.5]]
    """
    sizes, vectors, slopes = _along_eigenvectors(state)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(_sound(state)[:, None], -np.einsum("mij,mj->mi", vectors, slopes / sizes), np.nan)


def arrived(state) -> np.ndarray:
    """Where Newton's step is at most `ARRIVED` along each axis, or foretells a change of C within its rounding."""
    step = newton(state)
    change = np.abs(np.einsum("mi,mi->m", step, state.gradients)) / 2
    return (np.abs(step) <= ARRIVED).all(1) | (change <= 4 * EPS * np.abs(state.values))  # NaN has not


def to_zeros(derivatives: Callable, points, cell, *, steps=10) -> State:
    """Newton's steps from each point to where the gradient is 0, each cut to a cell along every axis.

    A point is given up where it strays from its start by more than two cells, or out of the unit cube.

    Args:
        derivatives: as of `at`.
        points: `[m, k]`.
        cell: `[k]`.
        steps: how many at most.

    Returns:
        The `State` of those that arrived.

    Example:
        >>> cubic = lambda s: (s[:, 0] ** 3 / 3 - s[:, 0] / 4, s**2 - 1 / 4, 2 * s[..., None])
        >>> to_zeros(cubic, np.array([[0.55]]), np.array([0.1])).points.round(6).tolist()
        [[0.5]]
    """
    starts, found, state = points, [], at(derivatives, points)
    for i in range(steps + 1):
        there = arrived(state)
        found.append(state.chosen(there))
        moved = (state.points + np.clip(newton(state), -cell, cell))[~there]
        starts = starts[~there]
        inside = ((moved >= 0) & (moved <= 1) & (np.abs(moved - starts) <= 2 * cell)).all(1)  # NaN is not
        if i == steps or not inside.any():
            break
        starts, state = starts[inside], at(derivatives, moved[inside])
    return State(*map(np.concatenate, zip(*found, strict=True)))


def downhill(derivatives: Callable, points, radius, *, steps=100) -> tuple[State, np.ndarray]:
    """From each point down to a minimum, by Newton's steps within a trust region.

    A step is -(|H| + mu I)^-1 g, with |H| by its eigenvalues' sizes and mu the least with which it is no longer than
    the radius; it is taken if the function falls. The radius doubles where the fall is nearly as foretold, and shrinks
    to a quarter where it is not, or where the step would leave the unit cube. Nocedal & Wright 2006, chapter 4.

    Args:
        derivatives: as of `at`.
        points: `[m, k]`.
        radius: of the first step.
        steps: how many at most.

    Returns:
        `(state, arrived)`, where each point ended, and whether that is a minimum: a mask `[m]`.

    Example:
        >>> bowl = lambda s: (((s - 0.3) ** 2).sum(1), 2 * (s - 0.3), np.broadcast_to(2 * np.eye(1), (len(s), 1, 1)))
        >>> state, found = downhill(bowl, np.array([[0.9]]), 0.1)
        >>> state.points.round(6).tolist(), found.tolist()
        ([[0.3]], [True])
    """
    state = at(derivatives, points)
    radii, minimum = np.full(len(points), float(radius)), np.zeros(len(points), bool)
    going = _sound(state)
    for _ in range(steps + 1):
        now = state.chosen(going)
        sizes = _along_eigenvectors(now)[0]
        minimum[going] = (sizes > 0).all(1) & arrived(now)
        going &= ~minimum & (radii > SHORTEST)
        if not going.any():
            break
        now = state.chosen(going)
        step, foretold = _within(now, radii[going])
        trial = now.points + step
        inside = ((trial >= 0) & (trial <= 1)).all(1)
        then = at(derivatives, np.where(inside[:, None], trial, now.points))
        fall = np.where(inside & _sound(then), now.values - then.values, -np.inf)
        for whole, new in zip(state, then, strict=True):
            whole[np.flatnonzero(going)[fall > 0]] = new[fall > 0]
        ratio = fall / np.maximum(foretold, np.finfo(np.float64).tiny)
        factor = np.where(ratio < 0.25, 0.25, np.where(ratio > 0.75, 2.0, 1.0))
        radii[going] = np.minimum(radii[going] * factor, LONGEST)
    return state, minimum


def _sound(state):
    finite = np.isfinite(state.hessians).all((1, 2)) & np.isfinite(state.gradients).all(1)
    return finite & np.isfinite(state.values)


def _along_eigenvectors(state):
    """Eigenvalues `[m, k]`, eigenvectors `[m, :, k]`, and the slopes along these."""
    sizes, vectors = np.linalg.eigh(np.where(np.isfinite(state.hessians), state.hessians, 0))
    return sizes, vectors, np.einsum("mij,mi->mj", vectors, state.gradients)


def _within(state, radii):
    """The step of `downhill`, and the fall that it foretells."""
    sizes, vectors, slopes = _along_eigenvectors(state)
    bent = np.maximum(np.abs(sizes), np.finfo(np.float64).tiny)
    low, high = np.zeros(len(radii)), np.linalg.norm(slopes, axis=1) / radii
    length = lambda mu: np.linalg.norm(slopes / (bent + mu[:, None]), axis=1)
    whole = length(low) <= radii
    for _ in range(60):  # halving; the length falls as mu rises
        mu = (low + high) / 2
        longer = length(mu) > radii
        low, high = np.where(longer, mu, low), np.where(longer, high, mu)
    step = -slopes / (bent + np.where(whole, 0, high)[:, None])
    foretold = -(slopes * step + sizes * step**2 / 2).sum(1)
    return np.einsum("mij,mj->mi", vectors, step), foretold
