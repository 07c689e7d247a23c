"""A cost on planes as numbers and a program, to be carried to where there is no python.

On a slice the values at which a program is cut are affine in the coordinates (`affine`): their coefficients are
numbers, a few for each image, and what is left of the program is translated (`javascript`). Both are in float64, as
what C is compared with (`exact`).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost.engine import affine, batching, exact, javascript
from jaxcost.engine.affine import AFFINE
from jaxcost.engine.javascript import Script, Untranslated

CARRIED = 0  # what a value takes beside itself, for `affine.cut`: a page carries products however small they are


class Carried(NamedTuple):
    """What remains of a cost on planes.

    Attributes:
        cost: a `Script` of `point` and `image`, two vectors each: what moves, at the point or of the image there, and
            what does not. Its result is the cost of the image.
        details: of four vectors each, these and what moves of the two directions. Its results are the cost of the
            image, its outputs, and its derivatives along the directions.
        points: for each plane what moves of the point, `[3, size]`: at its origin and along the directions.
        images: for each plane what moves of the images, `[n, 3, size]`.
        of_point: what does not move of the point, `[size]`.
        of_images: and of the images, `[n, size]`.
    """

    cost: Script
    details: Script
    points: list[np.ndarray]
    images: list[np.ndarray]
    of_point: np.ndarray
    of_images: np.ndarray


def carried(C, frames) -> Carried:
    """Take a cost to pieces.

    Args:
        C: a `cost.Cost` of the floating leaves alone, of some images.
        frames: for each plane `(origin, directions)`, two directions like the origin (`directions.Frame.moving`).

    Raises:
        Untranslated: the program is not known here, rounds by itself, or nothing in it can be computed beforehand.
    """
    origin = frames[0][0]
    whole = exact.Widened.of(_cost_and_outputs, C, frames[0])
    notes = whole.notes(C, frames[0])
    if notes.narrowed or notes.kept:
        raise Untranslated(f"the model rounds by itself: {(notes.narrowed + notes.kept)[0]}")
    with jax.enable_x64(True):
        wide = partial(jax.tree.map, lambda leaf: jnp.asarray(leaf, jnp.float64))
        found = affine.cut(partial(whole, C), wide(origin), C.images, CARRIED)
        if found is None:
            raise Untranslated("nothing in the model can be computed beforehand")
        parts = _Parts.of(found)
        of_planes = [parts.numbers(found, wide(tuple(frame)), C.images) for frame in frames]
        programs = [javascript.translated(f, *parts.shapes(count)) for f, count in parts.functions(found)]
    points, images = ([of[name] for of in of_planes] for name in ("point", "image"))
    return Carried(*programs, points, images, of_planes[0]["of_point"], of_planes[0]["of_image"])


def size(C, origin) -> int:
    """Numbers that `carried` would keep of each image and plane; 0 where nothing is computed beforehand."""
    found = affine.cut(partial(_cost_and_outputs, C), origin, C.images, CARRIED)
    return 0 if found is None else 3 * sum(_Parts.of(found).sizes["image"])


def _cost_and_outputs(C, image, *params):
    a = C.output(image.x, *params)
    return C.of_output(a, image.y), jnp.ravel(a)


class _Parts(NamedTuple):
    """The values at the cut, by what they are of: `point`, `of_point`, `image`, `of_image`."""

    values: dict[str, list[int]]
    sizes: dict[str, list[int]]
    like: dict[int, jax.ShapeDtypeStruct]

    @classmethod
    def of(cls, found):
        """Of a program that is cut."""
        like = {}
        for op in found.program:
            pairs = (*zip(op.inputs, op.eqn.invars, strict=True), *zip(op.outputs, op.eqn.outvars, strict=True))
            like |= {v: jax.ShapeDtypeStruct(x.aval.shape, x.aval.dtype) for v, x in pairs if isinstance(v, int)}
        values = {"point": [], "of_point": [], "image": [], "of_image": []}
        for v in found.frontier:
            kind = found.kinds[v]
            what = "image" if kind.batched else "point"
            values[what if kind.word == AFFINE else f"of_{what}"].append(v)
        sizes = {name: [like[v].size for v in of] for name, of in values.items()}
        return cls(values, sizes, like)

    def numbers(self, found, frame, images):
        """The coefficients, the images first."""
        stacks = [jnp.stack(leaves) for leaves in zip(*map(jax.tree.leaves, (frame[0], *frame[1])), strict=True)]
        known = affine.coefficients(found, stacks, images)
        n, made = len(jax.tree.leaves(images)[0]), {}
        for name, moving in (("point", 3), ("of_point", 1), ("image", 3), ("of_image", 1)):
            batched = name.endswith("image")
            flat = [
                np.moveaxis(np.asarray(known[v]).reshape(moving, size, n if batched else 1), -1, 0)
                for v, size in zip(self.values[name], self.sizes[name], strict=True)
            ]
            made[name] = np.concatenate(flat or [np.zeros((n if batched else 1, moving, 0))], 2, dtype=np.float64)
        still = {name: made[name].reshape(len(made[name]), -1) for name in ("of_point", "of_image")}
        return {"point": made["point"][0], "image": made["image"], **still, "of_point": still["of_point"][0]}

    def shapes(self, count):
        """Shapes of the vectors of a point and of an image."""
        vector = lambda name: jax.ShapeDtypeStruct((sum(self.sizes[name]),), jnp.float64)
        return tuple(
            (vector(name), vector(f"of_{name}"), *(vector(name) for _ in range(count))) for name in ("point", "image")
        )

    def functions(self, found):
        """The cost of an image, and its cost, outputs and derivatives, as functions of the vectors."""

        def split(name, vector):
            edges = np.cumsum([0, *self.sizes[name]]).tolist()
            pairs = zip(self.values[name], edges[:-1], edges[1:], strict=True)
            return {
                v: vector[low:high].reshape(self.like[v].shape).astype(self.like[v].dtype) for v, low, high in pairs
            }

        def rest(moving, still):
            values = still | moving
            batching.run(found.later, values, {})
            return [values[v] if isinstance(v, int) else jnp.asarray(v.val) for v in found.outputs]

        moves = lambda point, image: split("point", point) | split("image", image)
        stays = lambda point, image: split("of_point", point) | split("of_image", image)

        def cost(point, image):
            return (rest(moves(point[0], image[0]), stays(point[1], image[1]))[0],)

        def details(point, image):
            still = stays(point[1], image[1])
            (c, outputs), along = jax.linearize(lambda moving: rest(moving, still), moves(point[0], image[0]))
            return c, outputs, *(along(moves(point[k], image[k]))[0] for k in (2, 3))

        return (cost, 0), (details, 2)
