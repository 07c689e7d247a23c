"""Where networks lie on a slice: coordinates, principal components of a training path, and the distance off."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxcost import checks
from jaxcost.engine import trees


class Principal(NamedTuple):
    """Principal components of a trajectory.

    Attributes:
        directions: k orthonormal directions, the one along which the trajectory varies most first.
        share: `[k]`, share of the trajectory's variance along each.
        coordinates: `[steps, k]`, the steps projected, seen from the last step.
        off: `[steps]`, distance of each step from the plane through the last step.
    """

    directions: tuple[Any, ...]
    share: np.ndarray
    coordinates: np.ndarray
    off: np.ndarray


def principal(trajectory, k=2) -> Principal:
    """The k directions along which a trajectory varies most, by singular value decomposition.

    Steps are centred on their mean to find the directions, and then seen from the last one, which is where
    a plane of the surface is centred; `off` is how far each step lies from that plane. Li et al. 2018
    (arXiv 1712.09913), section 7. Compare `share` with that of a random walk: two components of one hold most
    of its variance too (Antognini & Sohl-Dickstein 2018, arXiv 1806.08805).

    Args:
        trajectory: the parameters at each step, each leaf `[steps, ...]`, as in `descent.Run`; or a list of them.
        k: number of directions, fewer than steps.

    Returns:
        A `Principal`.

    Raises:
        ValueError: there are not more than k steps, or they do not vary; a step is not finite; or these are no steps at
            all.
    """
    trajectory, k = _stacked(trajectory), checks.whole("k", k)
    matrix = _matrix(trajectory)
    if k >= len(matrix):
        raise ValueError(f"k={k} directions of {len(matrix)} steps, expected 1 to {len(matrix) - 1}")
    if not np.isfinite(matrix).all():
        first = np.flatnonzero(~np.isfinite(matrix).all(1))[0]
        raise ValueError(f"step {first} of {len(matrix)} is not finite, expected those before training diverged")
    _, s, rows = np.linalg.svd(matrix - matrix.mean(0), full_matrices=False)
    if not s[k - 1] > 1e-6 * s[0]:
        raise ValueError(f"the steps do not vary along {k} directions, expected singular values above 0: {s[:k]}")
    last = trees.pick(trajectory, -1)
    moving, fixed = trees.split(last)
    flat, unravel = ravel_pytree(moving)
    whole = lambda row: trees.join(fixed and fixed.zeros(), unravel(jnp.asarray(row, flat.dtype)))
    directions = tuple(map(whole, rows[:k]))
    here, off = coordinates(trajectory, last, directions)
    return Principal(directions, s[:k] ** 2 / np.sum(s**2), here, off)


def coordinates(trajectory, origin, directions) -> tuple[np.ndarray, np.ndarray]:
    """Where networks lie on a slice: least-squares coordinates, and their distance from it.

    Args:
        trajectory: networks, each leaf `[steps, ...]`, or a list of them.
        origin: tuple of parameters.
        directions: k tuples like it, neither orthogonal nor of length 1 by need, but independent.

    Returns:
        `(coordinates, off)`, `[steps, k]` and `[steps]`, float64; NaN of a network that is not finite.

    Raises:
        ValueError: the networks or directions are not like the origin; or the directions are not independent, or not
            finite.

    Example:
        >>> steps = (jnp.array([[1.0, 2.0, 5.0]]),)
        >>> axes = (jnp.array([2.0, 0.0, 0.0]),), (jnp.array([0.0, 1.0, 0.0]),)
        >>> here, off = coordinates(steps, (jnp.zeros(3),), axes)
        >>> here.round(6).tolist(), off.round(6).tolist()
        ([[0.5, 2.0]], [5.0])
    """
    trajectory = _stacked(trajectory)
    trees.some(origin, "the origin")
    if not isinstance(directions, list | tuple) or not directions:
        raise ValueError(f"directions={checks.shown(directions)}, expected a list of one or more")
    alike = {f"direction {i}": direction for i, direction in enumerate(directions)}
    for name, tree in (alike | {"a network": trees.pick(trajectory, 0)}).items():
        trees.fitted(tree, origin, name)
    basis = np.stack([_vector(direction) for direction in directions], 1)
    away = _matrix(trajectory) - _vector(origin)
    finite = np.isfinite(away).all(1)
    rank = (
        np.linalg.matrix_rank(basis / np.linalg.norm(basis, axis=0))
        if np.isfinite(basis).all() and basis.any(0).all()
        else 0
    )
    if rank < basis.shape[1]:
        raise ValueError(f"{basis.shape[1]} directions span {rank} dimensions, expected independent ones, all finite")
    here = np.full((len(away), basis.shape[1]), np.nan)
    here[finite] = np.linalg.lstsq(basis, away[finite].T, rcond=None)[0].T
    return here, np.linalg.norm(away - here @ basis.T, axis=1)


def _vector(tree):
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(trees.moving(tree))])


def _matrix(trajectory):
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(trees.moving(trajectory))]
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], 1)


def _stacked(trajectory):
    """A trajectory as one tree, each array with a first axis of the steps.

    Raises:
        ValueError: it is a list of trees that are not alike, or its leaves have no common first axis.
    """
    if isinstance(checks.tree("the trajectory", trajectory), list):
        structures = {jax.tree.structure(one) for one in trajectory}
        if len(structures) != 1:
            raise ValueError(f"a list of {len(trajectory)} networks of {len(structures)} structures, expected one")
        for i, one in enumerate(trajectory):
            trees.fitted(one, trajectory[0], f"network {i}", "network 0")
        stack = lambda *leaves: jnp.stack(leaves) if isinstance(leaves[0], float | trees.ARRAYS) else leaves[0]
        trajectory = jax.tree.map(stack, *trajectory)
    lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(trees.moving(trajectory))}
    if len(lengths) != 1 or lengths == {()}:
        raise ValueError(
            f"leaves of the lengths {sorted(lengths)}, expected one number of steps, the first axis of each"
        )
    return trajectory
