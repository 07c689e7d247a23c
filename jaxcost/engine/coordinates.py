"""Coordinates of points of a slice, as arrays: checked, of one type, a row a point."""

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcost import checks


def product(axes) -> np.ndarray:
    """All points of a grid in reading order, `[m, k]`, from its k axes.

    Example:
        >>> product(([0.0, 1.0], [5.0, 6.0])).tolist()
        [[0.0, 5.0], [0.0, 6.0], [1.0, 5.0], [1.0, 6.0]]
    """
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))


def dtype_of(moving) -> np.dtype:
    """The widest type of what moves, and no fewer bits than float32: coordinates are not rounded to a narrow leaf's."""
    return jnp.result_type(jnp.float32, *(leaf.dtype for leaf in jax.tree.leaves(moving.origin)))


def points_on(moving, points) -> np.ndarray:
    """Points as an array of the right type.

    Args:
        moving: the `directions.Frame` of the floating leaves.
        points: coordinates, `[m, k]`.

    Raises:
        ValueError: there are no points, or not of one coordinate a direction.
    """
    points, k = _typed("points", points, moving), len(moving.directions)
    if points.shape[1:] != (k,) or not len(points):
        raise ValueError(f"points have shape {points.shape}, expected [m, {k}] with at least one point")
    return points


def axes_on(moving, axes) -> tuple[np.ndarray, ...]:
    """Axes as arrays of the right type.

    Args:
        moving: the `directions.Frame` of the floating leaves.
        axes: k lists of coordinates.

    Raises:
        ValueError: they are not as many as directions, or one is no list of finite numbers.
    """
    k = len(moving.directions)
    try:
        number = len(axes)
    except TypeError as error:
        raise ValueError(f"axes={checks.shown(axes)}, expected a list of {k}, one a direction") from error
    if number != k or not k:
        raise ValueError(f"found {number} axes and {k} directions, expected as many of each, one or more")
    names = ("alphas", "betas", *("axis",) * len(axes))
    axes = tuple(_typed(name, axis, moving) for name, axis in zip(names, axes, strict=False))
    for name, axis in zip(names, axes, strict=False):
        if axis.ndim != 1 or not len(axis) or not np.isfinite(axis).all():
            raise ValueError(f"{name} have shape {axis.shape}, expected a list of at least one finite number")
    return axes


def _typed(name, numbers, moving):
    with np.errstate(over="ignore"):  # beyond the type: infinite, as it is where it is used
        return checks.numbers(name, numbers).astype(dtype_of(moving))


def lengths(directions) -> tuple[np.ndarray, np.ndarray]:
    """The Euclidean length of each of k directions, `[k]`, and the cosine of each pair, `[k, k]`.

    Example:
        >>> lengths([jnp.array([3.0, 4.0])])[0].tolist()
        [5.0]
    """
    gram = np.array([[optax.tree.vdot(u, v) for v in directions] for u in directions], np.float64)
    norms = np.sqrt(np.diag(gram))
    with np.errstate(invalid="ignore"):  # a direction of length 0 has no angle: NaN
        return norms, gram / np.outer(norms, norms)
