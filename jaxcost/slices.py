"""Slices of C: lines, planes and grids of any dimension, exact over all images, each with its noise floor.

A slice is an affine map from coordinates to parameters, P(s) = origin + s_1 u + s_2 v. Every point is
computed from the origin, never from its neighbour. What is affine in the coordinates is computed once per
block of images (`hoist`), blocks of images outside, points inside: the other way round the blocks would
be read from memory again at every point. Matrix products have full float32 precision on every device.
"""

import math
import warnings
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from tqdm import tqdm

from jaxcost import cost, hoist

BLOCK = 8_000  # images: of 3,000 to 60,000 the fastest on jax 0.12, within 10 % of it on 0.10 (784-16-16-10, two cores)
SMALL_TILE = 16  # points of `derivatives`, few enough that padding to it costs little
TILE = (
    1_000  # points between two looks at the progress bar; many enough that computing the coefficients is a small part
)


class Slice(NamedTuple):
    """C on a grid.

    Attributes:
        axes: the coordinates along each direction, `(alphas,)` or `(alphas, betas)` or more.
        values: `values[i, j]` is C at `(alphas[i], betas[j])`, in the parameters' type. Non-finite values are kept.
        floor: rounding noise of the values in units of C (`noise_floor`); no difference below it is evidence.
        norms: Euclidean length of each direction.
        cosines: `[k, k]`, the cosine of each pair of directions.
        nonfinite: number of values that are infinite or NaN.
    """

    axes: tuple[np.ndarray, ...]
    values: np.ndarray
    floor: float
    norms: np.ndarray
    cosines: np.ndarray
    nonfinite: int

    @property
    def alphas(self):
        """Coordinates along the first direction."""
        return self.axes[0]

    @property
    def betas(self):
        """Coordinates along the second direction."""
        return self.axes[1]


def line(C, origin, u, alphas):
    """C along a line, `values[i] = C(origin + alphas[i] u)`.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments, as `Params` is.
        u: a direction, a tuple of the same structure.
        alphas: coordinates, `[points]`.

    Returns:
        A `Slice`.

    Raises:
        ValueError: a direction does not fit the origin, or an axis is not a non-empty list of numbers.

    Example:
        >>> from jaxcost import data, directions, network
        >>> C = cost.Cost(data.digits()[1])
        >>> params = network.init(jax.random.key(0))
        >>> u = directions.filter_normalized(directions.gaussian(jax.random.key(1), params), params)
        >>> there = line(C, params, u, jnp.linspace(-1, 1, 5))
        >>> there.values.shape, bool(jnp.allclose(there.values[2], C(*params)))
        ((5,), True)
    """
    return grid(C, origin, (u,), (alphas,))


def plane(C, origin, u, v, alphas, betas):
    """C on a plane, `values[i, j] = C(origin + alphas[i] u + betas[j] v)`.

    Args and errors as for `line`; `v` is another direction, and `betas` the coordinates along it.

    Returns:
        A `Slice` with values `[len(alphas), len(betas)]`.

    Example:
        >>> from jaxcost import data, directions, network
        >>> C = cost.Cost(data.digits()[1])
        >>> params = network.init(jax.random.key(0))
        >>> u, v = (directions.gaussian(jax.random.key(i), params) for i in (1, 2))
        >>> plane(C, params, u, v, jnp.linspace(-1, 1, 3), jnp.linspace(0, 1, 5)).values.shape
        (3, 5)
    """
    return grid(C, origin, (u, v), (alphas, betas))


def grid(C, origin, directions, axes):
    """C on a grid of any dimension: `line` for k directions and k axes. Shows a progress bar after 2 s.

    Returns:
        A `Slice` whose `values[i1, ..., ik]` is C at `(axes[0][i1], ..., axes[k - 1][ik])`.

    Raises:
        ValueError: a direction does not fit the origin, or an axis is not a non-empty list of numbers.
    """
    origin, directions, axes = _checked(origin, directions, axes)
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(axes))
    values = evaluate(C, origin, directions, points)
    gram = np.array([[optax.tree.vdot(u, v) for v in directions] for u in directions], np.float64)
    norms = np.sqrt(np.diag(gram))
    with np.errstate(invalid="ignore"):  # a direction of length 0 has no angle: NaN
        cosines = gram / np.outer(norms, norms)
    return Slice(
        axes=axes,
        values=values.reshape([len(axis) for axis in axes]),
        floor=noise_floor(C, origin, directions, points, values),
        norms=norms,
        cosines=cosines,
        nonfinite=int(np.sum(~np.isfinite(values))),
    )


def evaluate(C, origin, directions, points):
    """C at any points of a slice, with full matrix precision.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: k tuples like it; here and below.
        points: coordinates, `[m, k]`; here and below.

    Returns:
        `[m]`, a numpy array of the type of the parameters.

    Raises:
        ValueError: there are no points, or not of one coordinate a direction.
    """
    tiles = max(1, math.ceil(len(points) / TILE))
    return _in_tiles(_values, C, origin, directions, points, math.ceil(len(points) / tiles))


def derivatives(C, origin, directions, points):
    """C along a slice is a function of the coordinates: its value, gradient and Hessian there, by forward mode.

    Returns:
        `(values, gradients, hessians)`, numpy arrays `[m]`, `[m, k]` and `[m, k, k]`, per unit of coordinate.
    """
    return _in_tiles(_derivatives, C, origin, directions, points, SMALL_TILE)


def _in_tiles(f, C, origin, directions, points, size):
    """Evaluate f at tiles of points of one size, compiled once, and join the results. Shows a progress bar."""
    points = np.asarray(points, jax.tree.leaves(origin)[0].dtype)
    if points.shape[1:] != (len(directions),) or not len(points):
        raise ValueError(f"points have shape {points.shape}, expected [m, {len(directions)}] with at least one point")
    tiles = math.ceil(len(points) / size)
    padded = np.pad(points, ((0, tiles * size - len(points)), (0, 0)), mode="edge")
    results = []
    with jax.default_matmul_precision("highest"):
        for tile in tqdm(np.split(padded, tiles), desc="slice", unit="tile", delay=2, leave=False, disable=None):
            result = _at_points(f, C, origin, directions, jnp.asarray(tile))
            results.append(jax.tree.map(np.asarray, result))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[: len(points)], *results)


@partial(jax.jit, static_argnums=0)
def _at_points(f, C, origin, directions, points):
    """The mean over the images of `f(total, s)` at each point s, where `total` sums the costs of a block."""

    def block(images, new):
        coefficients, residual = hoist.split(C.of_one, origin, directions, images)
        total = lambda s: jnp.where(new, residual(s, coefficients), 0).sum()
        return jax.lax.map(partial(f, total), points)

    sums = cost.map_blocks(block, C, origin, BLOCK)
    return jax.tree.map(lambda a: a.sum(0) / len(C.images.x), sums)


def _values(total, s):
    return total(s)


def _derivatives(total, s):
    """Value, gradient and Hessian of `total`, each order made once."""

    def first(s):
        gradient, value = jax.jacfwd(lambda s: (total(s),) * 2, has_aux=True)(s)
        return gradient, (value, gradient)

    hessian, (value, gradient) = jax.jacfwd(first, has_aux=True)(s)
    return value, gradient, hessian


def noise_floor(C, origin, directions, points, values, *, count=16):
    """Rounding noise of a slice, estimated, in units of C: no dent shallower than this is evidence of anything.

    floor = max(4 max_i |values_i - C64(P(s_i))|, eps max_i |values_i|)

    where i runs over `count` of the slice's own points and the eight with the largest costs, C64 is the plain cost in
    float64, nothing hoisted, and eps is the spacing of the values' type at 1. Why 4: the largest of 16 normal deviates
    is about 2 standard deviations in size, so the floor is about 8, and the difference of two values, each off by
    noise, exceeds 8 about once in 10^8 pairs. A model that insists on float32 is compared with its own plain cost in
    float32, with a warning.

    Args:
        C: a `cost.Cost`.
        origin: tuple of C's arguments.
        directions: as in `evaluate`.
        points: likewise.
        values: C there, as it was computed.
        count: number of points to compare, spread evenly over those with finite values by the golden ratio.

    Returns:
        A number; NaN if none of the values is finite.
    """
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return math.nan
    golden = (math.sqrt(5) - 1) / 2
    spread = finite[(np.arange(min(count, len(finite))) * golden % 1 * len(finite)).astype(int)]
    largest = finite[np.argsort(np.abs(values[finite]))[-8:]]
    chosen = np.unique([*spread, *largest])
    chosen = np.pad(chosen, (0, count + 8 - len(chosen)), mode="edge")  # one number of points compiles once
    with jax.enable_x64(True), jax.default_matmul_precision("highest"):
        as64 = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
        try:
            exact = _plain(C, as64(origin), as64(directions), as64(points[chosen]))
        except TypeError as error:
            warnings.warn(f"the model does not run in float64, its noise is measured in float32: {error}", stacklevel=2)
            exact = _plain(C, origin, directions, points[chosen])
    error = np.abs(values[chosen] - np.asarray(exact))
    largest_error = error[np.isfinite(error)].max(initial=0)
    return float(max(4 * largest_error, np.finfo(values.dtype).eps * np.abs(values[finite]).max()))


@jax.jit
def _plain(C, origin, directions, points):
    """C at points of a slice, nothing hoisted, images in the type of the points."""
    cast = lambda leaf: leaf.astype(points.dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    as_points = lambda tree: jax.tree.map(cast, tree)
    exact = cost.Cost(C.images, lambda x, *p: C.f(as_points(x), *p), lambda a, y: C.loss(a, as_points(y)), C.block)

    def at(s):
        move = lambda leaf, *d: leaf + sum(a * b for a, b in zip(s, d, strict=True))
        return exact(*jax.tree.map(move, origin, *directions))

    return jax.lax.map(at, points)


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
