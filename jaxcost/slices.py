"""Slices of C: lines, planes and grids of any dimension, exact over all images, each with its noise floor.

A slice is an affine map from coordinates to parameters, P(s) = origin + s_1 u + s_2 v (`directions.at`). Every point is
computed from the origin, never from its neighbour. What is affine in the coordinates is computed once per
block of images (`engine.hoist`). Matrix products have full float32 precision on every device.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxcost import checks, cost
from jaxcost.directions import Frame
from jaxcost.engine import asked, coordinates, noise, quantities, sweep
from jaxcost.engine.program import MEMORY


class Slice(NamedTuple):
    """C on a grid.

    Attributes:
        axes: the coordinates along each direction, `(alphas,)` or `(alphas, betas)` or more.
        values: `values[i, j]` is C at `(alphas[i], betas[j])`, in the type of the model's cost. Non-finite values are
            kept.
        floor: rounding noise of the values in units of C (`engine.noise`); no difference below it is evidence.
        norms: Euclidean length of each direction.
        cosines: `[k, k]`, the cosine of each pair of directions.
        nonfinite: number of values that are infinite or NaN.
        standard_error: None, or like values: how far C, a mean over n images, is from that over all images of their
            kind, sqrt(sum_x (C_x - C)^2 / (n (n - 1))). NaN where C is not finite, and for one image.
        per_class: None, or `[..., classes]`, the mean over the images of each class; NaN for a class without any.
        per_image: None, or `[..., n]`, the cost of each image; its mean along the last axis is C.
        accuracy: None, or like values: the share of images whose largest output is the desired one.
        frame: where the slice lies: origin and directions, as they were given.
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
    accuracy: np.ndarray | None = None
    frame: Frame | None = None

    @property
    def alphas(self) -> np.ndarray:
        """Coordinates along the first direction."""
        return self.axes[0]

    @property
    def betas(self) -> np.ndarray:
        """Coordinates along the second direction."""
        return asked.axis(self, 1)

    def at(self, s) -> Any:
        """The parameters at coordinates s, `[k]`: a tuple of C's arguments."""
        return asked.located(self).at(s)


def line(C, origin, u, alphas, **options) -> Slice:
    """C along a line, `values[i] = C(origin + alphas[i] u)`.

    Args:
        C: a `cost.Cost`, a function of the parameters, or several, as of `grid`.
        origin: tuple of C's arguments, as `Params` is.
        u: a direction, a tuple of the same structure.
        alphas: coordinates, `[points]`.
        **options: as of `grid`.

    Raises:
        ValueError: as `grid`.

    Example:
        >>> import jax
        >>> from jaxcost import cost, data, directions, network
        >>> C = cost.Cost(data.digits()[1])
        >>> params = network.init(jax.random.key(0))
        >>> (u,) = directions.random(jax.random.key(1), params)
        >>> found = line(C, params, u, np.linspace(-1, 1, 5))
        >>> found.values.shape, bool(np.allclose(found.values[2], C(*params)))
        ((5,), True)
        >>> bool(np.allclose(found.values[4], C(*found.at([1.0]))))
        True
    """
    return grid(C, origin, (u,), (alphas,), **options)


def plane(C, origin, u, v, alphas, betas, **options) -> Slice:
    """C on a plane, `values[i, j] = C(origin + alphas[i] u + betas[j] v)`.

    Args and errors as for `line`; `v` is another direction, and `betas` the coordinates along it.

    Example:
        >>> import jax
        >>> from jaxcost import cost, data, directions, network
        >>> train, held_out = data.digits()
        >>> params = network.init(jax.random.key(0))
        >>> u, v = directions.random(jax.random.key(1), params, 2)
        >>> axis, Cs = np.linspace(-1, 1, 3), (cost.Cost(train), cost.Cost(held_out))
        >>> seen, unseen = plane(Cs, params, u, v, axis, axis, per_class=True, accuracy=True)
        >>> unseen.values.shape, unseen.per_class.shape, unseen.accuracy.shape
        ((3, 3), (3, 3, 10), (3, 3))
    """
    return grid(C, origin, (u, v), (alphas, betas), **options)


def grid(
    C, origin, directions, axes, *, standard_error=False, per_class=False, per_image=False, accuracy=False,
    memory=MEMORY, resume_file=None, resume_elsewhere=False, progress=True,
) -> Slice | tuple[Slice, ...]:  # fmt: skip
    """C on a grid of any dimension k. Says beforehand how long a long one takes, and shows its progress.

    Args:
        C: a `cost.Cost`, or a function of the parameters (`cost.of`); or a tuple of several, as of unseen images too.
        origin: tuple of C's arguments. Its floating leaves move, all others stay.
        directions: k tuples like it, or `directions.Recipe`s.
        axes: k lists of coordinates.
        standard_error: keep the standard error of C from its images; all options below keep it too.
        per_class: keep the mean cost of each class.
        per_image: keep the cost of each image.
        accuracy: keep the share of images whose largest output is the desired one.
        memory: bytes to be taken beyond images and parameters, and beyond what is kept.
        resume_file: path of an .npz for finished points: the same call takes up there what was stopped.
        resume_elsewhere: go on also with a file begun on another machine, with other versions or blocks; the last bits
            may then be those of either.
        progress: show progress, and say how long a long evaluation takes.

    Returns:
        A `Slice` whose `values[i1, ..., ik]` is C at `(axes[0][i1], ..., axes[k - 1][ik])`; of several costs a tuple of
        them, from one pass over the points.

    Raises:
        ValueError: a direction does not fit the origin, is 0 or not finite; an axis is not a non-empty list of numbers;
            the images have no classes; the memory is too little; or the file belongs to another slice.
    """
    options = asked.options(memory, resume_file, resume_elsewhere, progress)
    frame, moving = asked.frame(origin, directions)
    axes = coordinates.axes_on(moving, axes)
    points = coordinates.product(axes)
    Cs = _costs(C, origin)
    quantity = quantities.detailed(Cs, standard_error, per_class, per_image, accuracy)
    found = sweep.over_points(quantity, Cs, moving, points, **options)
    norms, cosines = coordinates.lengths(moving.directions)
    shape = tuple(map(len, axes))
    slices = []
    for one, kept in zip(Cs, found, strict=True):
        kept = dict(kept) if isinstance(kept, dict) else {"values": kept}
        values = kept.pop("values")
        slices.append(
            Slice(
                axes=axes,
                values=values.reshape(shape),
                floor=noise.floor(one, moving, points, values, shape=shape),
                norms=norms,
                cosines=cosines,
                nonfinite=int(np.sum(~np.isfinite(values))),
                frame=frame,
                **{name: of_points.reshape(shape + of_points.shape[1:]) for name, of_points in kept.items()},
            )
        )
    return _as_given(C, slices)


def evaluate(C, origin, directions, points, **options) -> np.ndarray:
    """C at any points of a slice, with full matrix precision.

    Args:
        C: a `cost.Cost`, or a tuple of several, here and below.
        origin: tuple of C's arguments; of a `Slice` origin and directions are `*slice.frame`.
        directions: k tuples like it, here and below.
        points: coordinates, `[m, k]`, here and below.
        **options: `memory`, `resume_file`, `resume_elsewhere` and `progress`, as of `grid`; here and below.

    Returns:
        `[m]`, a numpy array; of several costs a tuple of them.

    Raises:
        ValueError: there are no points, or not of one coordinate a direction.

    Example:
        >>> import jax
        >>> from jaxcost import cost, data, directions, network
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> found = line(C, params, *directions.random(jax.random.key(1), params), [0.0, 1.0])
        >>> bool(np.allclose(evaluate(C, *found.frame, [[1.0]])[0], found.values[1]))
        True
    """
    return _over_points(quantities.VALUES, C, origin, directions, points, options)


def derivatives(C, origin, directions, points, **options) -> tuple:
    """C along a slice is a function of the coordinates: its value, gradient and Hessian there.

    By forward mode once and reverse mode once, together (`engine.derivatives`); of a model with operations that do not
    allow it, a loop among them, or where that is not finite, by forward mode in forward mode.

    Returns:
        `(values, gradients, hessians)`, numpy arrays `[m]`, `[m, k]` and `[m, k, k]`, per unit of coordinate; of
        several costs a tuple of these.
    """
    return _over_points(quantities.DERIVATIVES, C, origin, directions, points, options)


def _over_points(quantity, C, origin, directions, points, options):
    options, (moving, points) = asked.options(**options), asked.points(origin, directions, points)
    return _as_given(C, sweep.over_points(quantity, _costs(C, origin), moving, points, **options))


def plan(
    C, origin, directions, points, *, derivatives=False, standard_error=False, per_class=False, per_image=False,
    accuracy=False, memory=MEMORY,
) -> sweep.Plan:  # fmt: skip
    """What `evaluate` will take, `derivatives`, or `grid` with these options, from the time of a few points.

    Returns:
        A `sweep.Plan`: seconds, bytes of memory, and bytes of the results that are kept.

    Example:
        >>> import jax
        >>> from jaxcost import cost, data, directions, network
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> u = directions.gaussian(jax.random.key(1), params)
        >>> print(plan(C, params, (u,), np.zeros((1_000_000, 1))))  # doctest: +ELLIPSIS
        1,000,000 points x 2,000 images: about ... MB, 2,000 images together
    """
    memory, (moving, points) = asked.options(memory)["memory"], asked.points(origin, directions, points)
    detailed = standard_error, per_class, per_image, accuracy
    if checks.flag("derivatives", derivatives) and any(detailed):
        raise ValueError("derivatives=True with what `grid` keeps, expected one or the other")
    Cs = _costs(C, origin)
    quantity = quantities.DERIVATIVES if derivatives else quantities.detailed(Cs, *detailed)
    return sweep.plan(quantity, Cs, moving, points, memory=memory)


def check(C, slice_) -> None:
    """Make sure that C is the cost that a slice shows, by its value at one point of the grid.

    Raises:
        ValueError: the slice does not know where it lies, or C has another value there.

    Example:
        >>> import jax
        >>> from jaxcost import cost, data, directions, network
        >>> (train, held_out), params = data.digits(), network.init(jax.random.key(0))
        >>> found = line(cost.Cost(train), params, *directions.random(jax.random.key(1), params), [0.0, 1.0])
        >>> check(cost.Cost(train), found)
        >>> check(cost.Cost(held_out), found)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ...
        ValueError: C is 2.7... at [0.0], and the slice 2.7...: a slice of another cost, or of other images
    """
    C, _ = cost.checked(C), asked.located(slice_)
    finite = np.argwhere(np.isfinite(slice_.values))
    if not len(finite):
        return
    middle = (np.array(slice_.values.shape) - 1) / 2
    index = tuple(finite[np.abs(finite - middle).sum(1).argmin()])
    s = [axis[i] for axis, i in zip(slice_.axes, index, strict=True)]
    found, shown = float(C(*slice_.at(s))), float(slice_.values[index])
    largest = np.abs(slice_.values[np.isfinite(slice_.values)]).max()
    if not abs(found - shown) <= max(4 * slice_.floor, 1e-5 * largest):
        raise ValueError(
            f"C is {found:.6g} at {[float(a) for a in s]}, and the slice {shown:.6g}: a slice of another cost, or of "
            "other images"
        )


def _costs(C, origin):
    """One or several costs of the floating leaves of their parameters, as a tuple.

    Raises:
        ValueError: there are none, or their images are spread over different meshes.
    """
    Cs = tuple(cost.split(one, origin)[0] for one in (C if isinstance(C, tuple) else (C,)))
    meshes = {one.spread and one.spread.mesh for one in Cs}
    if len(meshes) != 1:
        raise ValueError(f"{len(Cs)} costs over {len(meshes)} meshes, expected one or more over the same devices")
    return Cs


def _as_given(C, found):
    """The results of one cost alone, those of several as a tuple."""
    return tuple(found) if isinstance(C, tuple) else found[0]
