"""Many slices at once, drawn or of given networks, all judged by one noise floor.

One slice is one draw. A `Population` holds many; `bumpiness.measure_each` measures each, and `statistics.summary` says
where the median lies.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcost import checks, cost, directions
from jaxcost.directions import Frame
from jaxcost.engine import coordinates, noise, quantities, sweep, trees
from jaxcost.engine.program import MEMORY
from jaxcost.measures.frequency import chebyshev_nodes

COMPARED, LARGEST = 16, 8  # points of one slice that are compared with float64, and of these the largest costs


class Population(NamedTuple):
    """C on the same grid of many slices.

    Attributes:
        axes: the coordinates along each direction.
        values: `[draws, ...]`.
        floor: rounding noise of the values, in units of C: the largest of all draws (`floor`).
        at_nodes: None, or C at Chebyshev nodes along the same axes, `[draws, ...]`.
        hessians: None, or exact Hessians in the slice on a coarser grid, `[draws, points, k, k]`.
        curvature_floor: rounding noise of these, the largest of all draws (`floors.of_curvature`).
        frames: None, or where each slice lies.
    """

    axes: tuple[np.ndarray, ...]
    values: np.ndarray
    floor: float
    at_nodes: np.ndarray | None = None
    hessians: np.ndarray | None = None
    curvature_floor: float = 0.0
    frames: tuple[Frame, ...] | None = None


def about(keys, params, k=1, **options) -> list[Frame]:
    """Random slices through one network, one a key.

    Args:
        keys: keys, `[draws]`, from `jax.random.split`.
        params: the network, a tuple of C's arguments.
        k: dimensions of a slice.
        **options: as of `directions.recipes`, and what these refuse.

    Returns:
        A list of `directions.Frame`s; their directions are recipes, so that a thousand take no memory.

    Raises:
        ValueError: these are no keys, or nothing in params moves.

    Example:
        >>> from jaxcost import network
        >>> frames = about(jax.random.split(jax.random.key(1), 3), network.init(jax.random.key(0)), 2)
        >>> len(frames), network.size(frames[0].at([0.1, 0.2]))
        (3, 13002)
    """
    trees.some(params, "params")
    return [Frame(params, directions.recipes(key, k, **options)) for key in checks.key("keys", keys, 1)]


def evaluate(C, frames, points, *, memory=MEMORY, progress=True) -> np.ndarray:
    """C at the same points of many slices: one program, compiled once.

    Args:
        C: a `cost.Cost`.
        frames: `directions.Frame`s, all of one structure: many directions through one network (`about`), or many
            networks.
        points: coordinates, `[m, k]`.
        memory: bytes to be taken beyond images and parameters.
        progress: show progress.

    Returns:
        `[draws, m]`.

    Raises:
        ValueError: there are no slices or no points, they do not fit each other, or the memory is too little.

    Example:
        >>> from jaxcost import cost, data, network
        >>> C, networks = cost.Cost(data.digits()[1]), [network.init(jax.random.key(i)) for i in (0, 1, 2)]
        >>> between = [Frame(networks[0], (directions.between(networks[0], end),)) for end in networks[1:]]
        >>> costs = evaluate(C, between, [[0.0], [1.0]])
        >>> bool(np.allclose(costs[:, 1], [C(*end) for end in networks[1:]]))
        True
    """
    return _over_frames(quantities.VALUES, C, frames, points, memory, progress)


def derivatives(C, frames, points, *, memory=MEMORY, progress=True) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, gradients and Hessians in the slice at the same points of many slices, as `slices.derivatives`.

    Args and errors as for `evaluate`.

    Returns:
        `[draws, m]`, `[draws, m, k]` and `[draws, m, k, k]`.
    """
    return _over_frames(quantities.DERIVATIVES, C, frames, points, memory, progress)


def floor(C, frames, points, values, *, shape=None) -> float:
    """Rounding noise of the values of many slices, judged together: that of the worst (`floors.of_values`).

    Together they are compared with float64 at no fewer points than one slice is, and each at some.

    Args:
        C: a `cost.Cost`.
        frames: as in `evaluate`.
        points: coordinates, `[m, k]`.
        values: `[draws, m]`, C as it was computed there.
        shape: of the grid that the first of the points make in reading order; None to look for one.

    Returns:
        A number in units of C; 0 where no value is finite.

    Raises:
        ValueError: there are no slices or no points, or they do not fit each other, the values or the shape.
    """
    return _judged(C, *_computed(frames, points, "values", values, 2), shape=shape)


def curvature_floor(C, frames, points, hessians) -> float:
    """Rounding noise of exact Hessians in many slices, judged together (`floors.of_curvature`).

    Of more than two dozen slices those with the largest Hessians are compared with float64, and some of the others.

    Args:
        C: a `cost.Cost`.
        frames: as in `evaluate`.
        points: coordinates, `[m, k]`.
        hessians: `[draws, m, k, k]`, as `derivatives` computed them there. Errors as of `floor`.

    Returns:
        A number in units of C per squared unit of coordinate; 0 where no Hessian is finite.
    """
    frames, points, hessians = _computed(frames, points, "hessians", hessians, 4)
    size = np.abs(np.nan_to_num(hessians, posinf=0, neginf=0)).max((1, 2, 3))
    evenly = np.linspace(0, len(frames) - 1, COMPARED).astype(int)
    some = np.unique([*evenly, *np.argsort(size)[-LARGEST:]])
    return _judged(C, [frames[i] for i in some], points, hessians[some])


def _computed(frames, points, name, results, ndim):
    """Slices, points, and what was computed there, if they fit each other."""
    moving = _first(frames).moving()
    points, _ = coordinates.points_on(moving, points), checks.numbers(name, results, ndim)
    shape, results = (len(frames), len(points), *(points.shape[1],) * (ndim - 2)), np.asarray(results)
    if results.shape != shape or not np.issubdtype(results.dtype, np.floating):
        raise ValueError(f"{name} {checks.shown(results)}, expected floating numbers of shape {shape}")
    return frames, points, results


def _judged(C, frames, points, results, **options):
    """The floor of values, or of Hessians: each slice is compared with float64 at some points, together at as many."""
    count, largest = (math.ceil(number / len(frames)) for number in (COMPARED, LARGEST))
    found = noise.compare_each(_makers(C, frames), points, results, count=count, largest=largest, **options)
    return float(np.nanmax([noise.judge(found), 0]))


def grid(C, frames, axes, **options) -> Population:
    """C on the same grid of many slices.

    Args:
        C: a `cost.Cost`.
        frames: as in `evaluate`.
        axes: k lists of coordinates.
        **options: `memory` and `progress`, as of `evaluate`.

    Returns:
        A `Population`, with `values[draw, i1, ..., ik]`.

    Raises:
        ValueError: as `evaluate`, or an axis is no list of finite numbers.
    """
    axes = coordinates.axes_on(_first(frames).moving(), axes)
    points = coordinates.product(axes)
    values = evaluate(C, frames, points, **options)
    return Population(axes, values.reshape(-1, *map(len, axes)), floor(C, frames, points, values), frames=tuple(frames))


def zoom(C, frames, half_widths, *, points=101, nodes=0, bends=0, **options) -> list[Population]:
    """C on many slices, each at several scales: what is affine along a slice is computed once for all its scales.

    Args:
        C: a `cost.Cost`.
        frames: as in `evaluate`.
        half_widths: the scales, positive; the axes run from -half_width to half_width.
        points: grid points along each axis.
        nodes: Chebyshev nodes along each axis; 0 for none.
        bends: points along each axis for exact Hessians, each 3 to 20 times as dear as a value; 0 for none.
        **options: `memory` and `progress`, as of `evaluate`.

    Returns:
        A `Population` for each half-width, as a list.

    Raises:
        ValueError: as `evaluate`, or a half-width is not positive, or a number of points no whole number.

    Example:
        >>> from jaxcost import cost, data, network
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> lines, = zoom(C, about(jax.random.split(jax.random.key(1), 3), params), [0.5], points=11)
        >>> lines.values.shape
        (3, 11)
    """
    half_widths = checks.numbers("half_widths", half_widths, 1, finite=True)
    if not half_widths.size or not half_widths.min() > 0:
        raise ValueError(f"half_widths={half_widths}, expected some, all positive")
    points = checks.whole("points", points, 2, checks.MOST)
    nodes, bends = (checks.whole(name, n, 0, checks.MOST) for name, n in (("nodes", nodes), ("bends", bends)))
    k = len(_first(frames).directions)
    dtype = coordinates.dtype_of(frames[0].moving())
    scaled = lambda unit: [(half_width * coordinates.product([unit] * k)).astype(dtype) for half_width in half_widths]
    units = (np.linspace(-1, 1, points), chebyshev_nodes(nodes))
    parts = [np.concatenate(both) for both in zip(*map(scaled, units), strict=True)]
    values = np.split(evaluate(C, frames, np.concatenate(parts), **options), len(half_widths), axis=1)
    hessians, floors = [None] * len(half_widths), [0.0] * len(half_widths)
    if bends:
        some = scaled(np.linspace(-1, 1, bends))
        hessians = np.split(derivatives(C, frames, np.concatenate(some), **options)[2], len(half_widths), axis=1)
        floors = [curvature_floor(C, frames, *of_scale) for of_scale in zip(some, hessians, strict=True)]
    of_scales = zip(half_widths, parts, values, hessians, floors, strict=True)
    return [
        Population(
            axes=(half_width * np.linspace(-1, 1, points),) * k,
            values=of_scale[:, : points**k].reshape(-1, *(points,) * k),
            floor=floor(C, frames, part, of_scale, shape=(points,) * k),
            at_nodes=of_scale[:, points**k :].reshape(-1, *(nodes,) * k) if nodes else None,
            hessians=bent,
            curvature_floor=bent_floor,
            frames=tuple(frames),
        )
        for half_width, part, of_scale, bent, bent_floor in of_scales
    ]


def walks(keys, C, params, steps, size) -> np.ndarray:
    """C along random walks through the whole space of parameters, for `variation.information`.

    Each step goes in a Gaussian direction, as far as `size` times the length of the network: a plain evaluation of C.

    Args:
        keys: keys, `[walks]`.
        C: a `cost.Cost`.
        params: where all walks start, a tuple of C's arguments.
        steps: number of steps.
        size: length of a step against that of the parameters.

    Returns:
        `[walks, steps + 1]`.

    Raises:
        ValueError: these are no keys, no cost and its parameters, no number of steps, or the size is not positive.
    """
    checks.key("keys", keys, 1)
    size, steps = checks.number("size", size, 0, above=True), checks.whole("steps", steps, most=checks.MOST)
    return np.asarray(_walks(keys, *cost.split(C, params), size, steps))


@partial(jax.jit, static_argnames="steps")
def _walks(keys, C, params, size, steps):
    length = optax.tree.norm(params)

    def step(here, key):
        u = directions.gaussian(key, here)
        scale = size * length / optax.tree.norm(u)
        here = jax.tree.map(lambda *leaves: directions.moved_leaf((scale,), leaves), here, u)
        return here, C(*here)

    walk = lambda key: jax.lax.scan(step, params, jax.random.split(key, steps))[1]
    return jnp.concatenate([jnp.full((len(keys), 1), C(*params)), jax.lax.map(walk, keys)], 1)


def _first(frames):
    given = [checks.having("a frame", one, "origin", "directions", "moving") for one in checks.listed("frames", frames)]
    found = {len(checks.listed("directions", frame.directions)) for frame in given}
    if len(found) != 1:
        raise ValueError(f"{len(frames)} slices of {sorted(found)} directions, expected one or more, all of as many")
    return frames[0]


def _over_frames(quantity, C, frames, points, memory, progress):
    cost.checked(C)
    points = coordinates.points_on(_first(frames).moving(), points)
    return sweep.over_frames(quantity, _makers(C, frames), points, memory=memory, progress=progress)


def _makers(C, frames):
    """Functions that make the cost of each slice, and where it lies, when its turn comes."""
    return [lambda frame=frame: (cost.split(C, frame.origin)[0], frame.moving()) for frame in frames]
