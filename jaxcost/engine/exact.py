"""A quantity at points of a slice in float64: what C is, but for rounding.

It is the model's own program with every float that moves as float64 (`widened`).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import directions as frames
from jaxcost.engine import blocks, hoist, program, quantities
from jaxcost.engine.program import MEMORY, compiled
from jaxcost.engine.widened import Notes, widened

BLOCK = 2_000  # images together at most: in float64 they stay in a CPU's cache for all points, twice as fast as 60,000
GROUP = 12  # networks whose products with the images are one: half the time of one after the other, and no less of 24
PLAIN, SOME = 4, 2_000  # of what is hoisted, so many points are compared with the plain cost, of about so many images
APART = 1e-6  # of the largest cost of an image: more than rounding in float64, less than would be seen in float32


def values(C, frame, points) -> tuple[np.ndarray, Notes]:
    """C at a few points of a slice, `[m]`, and what is to be said of its program.

    Of many images what is affine is hoisted, 3 times faster; and the cost of each of some images, at some of the
    points, is compared with the plain one. Where one is another, nothing is hoisted.

    Args:
        C: a `cost.Cost` of the floating leaves alone.
        frame: `(origin, directions)`, the directions like the origin (`directions.Frame.moving`).
        points: coordinates, `[m, k]`.
    """
    if _few(points) or program.work((C,), frame) < program.LONG or not _hoists_well(C, frame, points):
        return _plainly(_cost, C, frame, points)
    of_one = Widened.of(quantities.cost_of_one, C, frame)
    return in_float64(quantities.VALUES, C, frame, len(points))(points), of_one.notes(C, frame)


def values_of_each(slices, points) -> list[tuple[np.ndarray, Notes]]:
    """`values` of several slices, each at its own points: where these are few, of all slices together.

    Args:
        slices: pairs `(C, frame)` as in `values`, all of one structure.
        points: coordinates, `[slices, m, k]`.
    """
    (C, _), frames = slices[0], [frame for _, frame in slices]
    if len(slices) == 1 or C.fixed is not None or not _few(points[0]):  # what is fixed may be another in each
        return [values(*one, at) for one, at in zip(slices, points, strict=True)]
    again = [frame for frame in frames for _ in points[0]]
    stacked = jax.tree.map(lambda *leaves: np.stack(leaves), *map(tuple, again))
    found, notes = _plainly(_cost, C, stacked, points.reshape(-1, points.shape[2]), each=True)
    return [(of_slice, notes) for of_slice in found.reshape(points.shape[:2])]


def hessians(C, frame, points) -> tuple[np.ndarray, Notes]:
    """Its Hessians there, `[m, k, k]`, by forward mode twice, nothing hoisted. Args and results as of `values`."""
    return _plainly(_hessian, C, frame, points)


def _few(points):
    """Whether so few that nothing is worth hoisting, which takes as long as a plain point for each direction."""
    m, k = points.shape
    return m <= 2 * (k + 1)


def in_float64(quantity, C, frame, most, *, memory=MEMORY) -> Callable:
    """A quantity as a function of points, in float64, what is affine hoisted: one program for all calls.

    Derivatives are those of that program, not of rules that the model may have of its own.

    Args:
        quantity: what to compute, as in `quantities`.
        C: a `cost.Cost` of the floating leaves alone.
        frame: `(origin, directions)`, the directions like the origin (`directions.Frame.moving`).
        most: points that are often asked for at once.
        memory: bytes that may be taken on each device beyond images and parameters.

    Returns:
        A function of points `[m, k]` that gives a pytree of numpy arrays `[m, ...]`.
    """
    quantity = quantity._replace(of_one=Widened.of(quantity.of_one, C, frame))
    with jax.enable_x64(True):
        frame = _wide(tuple(frame))
        made = compiled(quantity, (C,), frame, np.zeros((most, len(frame[1]))), memory)
        on_slice = made.on((C,), frame)

    def run(points):
        with jax.enable_x64(True):
            tiles = [points[i : i + made.buffer] for i in range(0, len(points), made.buffer)]
            parts = [on_slice(tile)[0] for tile in tiles]
            return jax.tree.map(lambda *a: np.concatenate(a), *parts)

    return run


class Widened(NamedTuple):
    """The numbers of one image: traced in the types of the model, among 64-bit ones or not, and run in float64."""

    of_one: Callable
    types: tuple
    x64: bool

    @classmethod
    def of(cls, of_one, C, frame):
        """Of the types of C and a frame."""
        return cls(
            of_one, tuple(leaf.dtype for leaf in jax.tree.leaves((C.images, frame[0]))), jax.config.jax_enable_x64
        )

    def run(self, C, image, *params):
        """The numbers of one image, and notes."""
        leaves, structure = jax.tree.flatten((image, params))
        shapes = [jax.ShapeDtypeStruct(leaf.shape, dtype) for leaf, dtype in zip(leaves, self.types, strict=True)]
        with jax.enable_x64(self.x64):
            of = lambda image, params: self.of_one(C, image, *params)
            closed, shape = jax.make_jaxpr(of, return_shape=True)(*structure.unflatten(shapes))
        still = len(jax.tree.leaves(image))
        results, notes = widened(closed, [i >= still for i in range(len(leaves))])(*leaves)
        return jax.tree.structure(shape).unflatten(results), notes

    def __call__(self, C, image, *params):
        """The numbers alone."""
        return self.run(C, image, *params)[0]

    def notes(self, C, frame):
        """What is to be said of the program; nothing is computed."""
        with jax.enable_x64(True):
            one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), C.images)
            return jax.eval_shape(partial(self.run, C), one, *_wide(frame[0]))[1]


def _hoists_well(C, frame, points):
    """Whether what is hoisted is what the plain program says, of each of some images at some of the points."""
    some = points[:: max(1, len(points) // PLAIN)]
    skip = max(1, len(jax.tree.leaves(C.images)[0]) // SOME)
    size = C.block or max(1, blocks.MEMORY // (2 * C.bytes_of_one(*frame[0])))
    of_one = Widened.of(quantities.cost_of_one, C, frame)
    with jax.enable_x64(True):
        apart, largest = map(
            np.asarray, _apart(of_one, skip, size, C, _wide(tuple(frame)), np.asarray(some, np.float64))
        )
    return bool(apart.max() <= APART * largest.max())


@partial(jax.jit, static_argnames=("of_one", "skip", "size"))
def _apart(of_one, skip, size, C, frame, points):
    """How far hoisted costs of images lie from plain ones, and the largest of these, `[blocks, points]`."""

    def of_block(images, new, arguments):
        (origin, directions), points = arguments
        some = jax.tree.map(lambda leaf: leaf[::skip], images)
        splits = [hoist.split(partial(of_one, C), origin, directions, some, plainly=yes) for yes in (False, True)]

        def at(s):
            one, other = (residual.each(s, coefficients) for coefficients, residual in splits)
            alike = (one == other) | (jnp.isnan(one) & jnp.isnan(other)) | ~splits[0][1].sound(s, splits[0][0])
            finite = jnp.where(jnp.isfinite(other), jnp.abs(other), 0)
            return jnp.where(alike, 0, jnp.abs(one - other)).max(), finite.max()

        return jax.lax.map(at, points)

    found = blocks.over_blocks(of_block, C.images, C.spread, size, (frame, points))
    return blocks.replicated(found, C.spread)


def _wide(tree):
    floating = lambda leaf: jnp.issubdtype(leaf.dtype, jnp.floating)
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64) if floating(leaf) else leaf, tree)


# -- nothing hoisted ------------------------------------------------------------------------------------


def _plainly(of, C, frame, points, each=False):
    """What `of` says of C at points of a slice, in float64, nothing hoisted, and notes of the program.

    With `each` every point has a frame of its own, stacked along first axes.
    """
    origin = jax.tree.map(lambda leaf: leaf[0], frame[0]) if each else frame[0]
    group = min(GROUP if of is _cost else 1, len(points))
    bytes_of_one = 2 * C.bytes_of_one(*origin)  # float64 is twice as long
    size = C.block or max(1, min(BLOCK, blocks.MEMORY // (group * bytes_of_one)))
    types = tuple(leaf.dtype for leaf in jax.tree.leaves((points, *frame)))
    model = _Model(of, types, jax.config.jax_enable_x64)
    with jax.enable_x64(True):
        points, *frame = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (points, *frame))
        results, notes = _at_each(model, C, tuple(frame), points, size, group, each)
        return np.asarray(results), notes


class _Model(NamedTuple):
    """How the program of one image is traced: of what function, of which types of numbers, among 64-bit ones or not."""

    of: Callable
    types: tuple
    x64: bool

    def traced(self, C, one, origin, directions, s):
        """The jaxpr, whose first argument is the coordinates."""
        leaves, structure = jax.tree.flatten((s, origin, directions))
        shapes = [jax.ShapeDtypeStruct(leaf.shape, dtype) for leaf, dtype in zip(leaves, self.types, strict=True)]
        s, origin, directions = structure.unflatten(shapes)
        with jax.enable_x64(self.x64):
            return jax.make_jaxpr(partial(self.of, C))(s, one, origin, directions)


@partial(jax.jit, static_argnames=("model", "size", "group", "each"))
def _at_each(model, C, frame, points, size, group, each):
    """What a program says of each image, in float64, its mean at each point. Points inside blocks of images."""
    found = []

    def of_block(images, new, arguments):
        frame, points = arguments
        one, first = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), (images, frame))
        closed = model.traced(C, one, *(first if each else frame), points[0])
        run = widened(closed, [i == 0 for i in range(len(closed.jaxpr.invars))])
        wide = lambda leaf: leaf.astype(points.dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
        images = jax.tree.map(wide, images)  # once for all points

        def of_one(image, s, frame):
            (result,), notes = run(*jax.tree.leaves((s, image, *frame)))
            found.append(notes)
            return result.astype(points.dtype)

        def at(s, frame):
            of_images = jax.vmap(of_one, (0, None, None))(images, s, frame)
            counted = jnp.where(new.reshape(-1, *(1,) * (of_images.ndim - 1)), of_images, 0)
            return jnp.tensordot(jnp.ones(len(of_images), points.dtype), counted, 1)

        if each:
            return jax.lax.map(lambda pair: at(*pair), (points, frame), batch_size=group)
        return jax.lax.map(lambda s: at(s, frame), points, batch_size=group)

    sums = blocks.over_blocks(of_block, C.images, C.spread, size, (frame, points))
    return blocks.replicated(sums.sum(0) / C.n, C.spread), found[0]


def _cost(C, s, image, origin, directions):
    return C.of_one(image, *jax.tree.map(lambda *leaves: frames.moved_leaf(s, leaves), origin, *directions))


def _hessian(C, s, image, origin, directions):
    """By forward mode twice, the rules of the model's own derivatives among it."""
    along = lambda s: _cost(C, s, image, origin, directions)
    return jax.jacfwd(jax.jacfwd(along))(s)
