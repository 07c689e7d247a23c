"""Slices of C: lines, planes and grids of any dimension, exact over all images, each with its noise floor.

A slice is an affine map from coordinates to parameters, P(s) = origin + s_1 u + s_2 v. Every point is
computed from the origin, never from its neighbour. What is affine in the coordinates is computed once per
block of images (`hoist`, `sweep`). Matrix products have full float32 precision on every device.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcost.engine import noise, quantities, sweep


class Slice(NamedTuple):
    """C on a grid.

    Attributes:
        axes: the coordinates along each direction, `(alphas,)` or `(alphas, betas)` or more.
        values: `values[i, j]` is C at `(alphas[i], betas[j])`, in the parameters' type. Non-finite values are kept.
        floor: rounding noise of the values in units of C (`noise.floor`); no difference below it is evidence.
        norms: Euclidean length of each direction.
        cosines: `[k, k]`, the cosine of each pair of directions.
        nonfinite: number of values that are infinite or NaN.
        standard_error: None, or like values: how far C, a mean over n images, is from that over all images of their
            kind, sqrt(sum_x (C_x - C)^2 / (n (n - 1))). NaN where C is not finite, and for one image.
        per_class: None, or `[..., classes]`, the mean over the images of each class; NaN for a class without any.
        per_image: None, or `[..., n]`, the cost of each image; its mean along the last axis is C.
    """

    axes: tuple[np.ndarray, ...]
    values: np.ndarray
    floor: float
    norms: np.ndarray
    cosines: np.ndarray
    nonfinite: int
    standard_error: np.ndarray | None = None
    per_class: np.ndarray | None = None
    per_image: np.ndarray | None = None

    @property
    def alphas(self):
        """Coordinates along the first direction."""
        return self.axes[0]

    @property
    def betas(self):
        """Coordinates along the second direction."""
        return self.axes[1]


def line(C, origin, u, alphas, **options):
    """C along a line, `values[i] = C(origin + alphas[i] u)`.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments, as `Params` is.
        u: a direction, a tuple of the same structure.
        alphas: coordinates, `[points]`.
        **options: as of `grid`.

    Returns:
        A `Slice`.

    Raises:
        ValueError: as `grid`.

    Example:
        >>> from jaxcost import cost, data, directions, network
        >>> C = cost.Cost(data.digits()[1])
        >>> params = network.init(jax.random.key(0))
        >>> u = directions.filter_normalized(directions.gaussian(jax.random.key(1), params), params)
        >>> there = line(C, params, u, jnp.linspace(-1, 1, 5))
        >>> there.values.shape, bool(jnp.allclose(there.values[2], C(*params)))
        ((5,), True)
    """
    return grid(C, origin, (u,), (alphas,), **options)


def plane(C, origin, u, v, alphas, betas, **options):
    """C on a plane, `values[i, j] = C(origin + alphas[i] u + betas[j] v)`.

    Args and errors as for `line`; `v` is another direction, and `betas` the coordinates along it.

    Returns:
        A `Slice` with values `[len(alphas), len(betas)]`.

    Example:
        >>> from jaxcost import cost, data, directions, network
        >>> C = cost.Cost(data.digits()[1])
        >>> params = network.init(jax.random.key(0))
        >>> u, v = (directions.gaussian(jax.random.key(i), params) for i in (1, 2))
        >>> there = plane(C, params, u, v, jnp.linspace(-1, 1, 3), jnp.linspace(0, 1, 5), per_class=True)
        >>> there.values.shape, there.per_class.shape
        ((3, 5), (3, 5, 10))
    """
    return grid(C, origin, (u, v), (alphas, betas), **options)


def grid(
    C, origin, directions, axes, *,
    standard_error=False, per_class=False, per_image=False, memory=sweep.MEMORY, resume_file=None,
):  # fmt: skip
    """C on a grid of any dimension: `line` for k directions and k axes. Says what a long one takes, shows its progress.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: k tuples like it.
        axes: k lists of coordinates.
        standard_error: keep the standard error of C from its images; `per_class` and `per_image` keep it too.
        per_class: keep the mean cost of each class.
        per_image: keep the cost of each image.
        memory: bytes to be taken beyond images and parameters, and beyond what is kept.
        resume_file: path of an .npz for finished points: the same call takes up there what was stopped (`sweep`).

    Returns:
        A `Slice` whose `values[i1, ..., ik]` is C at `(axes[0][i1], ..., axes[k - 1][ik])`.

    Raises:
        ValueError: a direction does not fit the origin; an axis is not a non-empty list of numbers; the images have no
            classes; the memory is too little; or the file belongs to another slice.
    """
    origin, directions, axes = _checked(origin, directions, axes)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    options = {"memory": memory, "resume_file": resume_file}
    kept = {}
    if standard_error or per_class or per_image:
        detailed = quantities.Detailed(quantities.classes(C) if per_class else 0, per_image)
        kept = sweep.sweep(detailed, C, origin, directions, points, **options)
        values = kept.pop("values")
    else:
        values = sweep.sweep(quantities.VALUES, C, origin, directions, points, **options)
    shape = tuple(map(len, axes))
    gram = np.array([[optax.tree.vdot(u, v) for v in directions] for u in directions], np.float64)
    norms = np.sqrt(np.diag(gram))
    with np.errstate(invalid="ignore"):  # a direction of length 0 has no angle: NaN
        cosines = gram / np.outer(norms, norms)
    return Slice(
        axes=axes,
        values=values.reshape(shape),
        floor=noise.floor(C, origin, directions, points, values),
        norms=norms,
        cosines=cosines,
        nonfinite=int(np.sum(~np.isfinite(values))),
        **{name: of_points.reshape(shape + of_points.shape[1:]) for name, of_points in kept.items()},
    )


def evaluate(C, origin, directions, points, **options):
    """C at any points of a slice, with full matrix precision.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: k tuples like it; here and below.
        points: coordinates, `[m, k]`; here and below.
        **options: `memory` and `resume_file`, as of `grid`; here and below.

    Returns:
        `[m]`, a numpy array of the type of the parameters.

    Raises:
        ValueError: there are no points, or not of one coordinate a direction.
    """
    return sweep.sweep(quantities.VALUES, C, origin, directions, _points(origin, directions, points), **options)


def derivatives(C, origin, directions, points, **options):
    """C along a slice is a function of the coordinates: its value, gradient and Hessian there, by forward mode.

    Returns:
        `(values, gradients, hessians)`, numpy arrays `[m]`, `[m, k]` and `[m, k, k]`, per unit of coordinate.
    """
    return sweep.sweep(quantities.DERIVATIVES, C, origin, directions, _points(origin, directions, points), **options)


def plan(C, origin, directions, points, *, memory=sweep.MEMORY):
    """What `evaluate` will take, from the time of two points: a `sweep.Plan`.

    Example:
        >>> from jaxcost import cost, data, directions, network
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> u = directions.gaussian(jax.random.key(1), params)
        >>> print(plan(C, params, (u,), np.zeros((1_000_000, 1))))  # doctest: +ELLIPSIS
        1,000,000 points x 2,000 images: about ... MB, 2,000 images together
    """
    return sweep.plan(quantities.VALUES, C, origin, directions, _points(origin, directions, points), memory=memory)


def _points(origin, directions, points):
    """Points as an array of the parameters' type.

    Raises:
        ValueError: there are none, or not of one coordinate a direction.
    """
    points = np.asarray(points, jax.tree.leaves(origin)[0].dtype)
    if points.shape[1:] != (len(directions),) or not len(points):
        raise ValueError(f"points have shape {points.shape}, expected [m, {len(directions)}] with at least one point")
    return points


def _checked(origin, directions, axes):
    """The arguments of a grid, as tuples of arrays of one floating type.

    Raises:
        ValueError: they do not fit each other; says which and how.
    """
    origin = jax.tree.map(jnp.asarray, origin)
    shapes = jax.tree.map(jnp.shape, origin)
    for name, direction in zip("uvwxyz", directions, strict=False):
        found = jax.tree.map(jnp.shape, direction)
        if found != shapes or jax.tree.structure(direction) != jax.tree.structure(origin):
            raise ValueError(f"the direction {name} is like {found}, expected it to be like the origin, {shapes}")
    if len(axes) != len(directions):
        raise ValueError(f"found {len(axes)} axes and {len(directions)} directions, expected as many of each")
    types = {leaf.dtype for leaf in jax.tree.leaves(origin)}
    if len(types) > 1 or not jnp.issubdtype(next(iter(types)), jnp.floating):
        raise ValueError(f"the origin has the types {types}, expected one floating type")
    (dtype,) = types
    axes = tuple(np.asarray(axis, dtype) for axis in axes)
    for name, axis in zip(("alphas", "betas", *("axis",) * len(axes)), axes, strict=False):
        if axis.ndim != 1 or not len(axis) or not np.isfinite(axis).all():
            raise ValueError(f"{name} have shape {axis.shape}, expected a list of at least one finite number")
    return origin, tuple(jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), d) for d in directions), axes
