"""What a function says of all images, as a rest of something affine in the parameters.

    f(x ; p) = rest(front(p))

For a network `front` is the products of its first layer with the images, and `rest` is all that follows. Derivatives of
f are those of `rest` between `front` and its transpose, which serve many directions each as one product.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcost.engine import affine
from jaxcost.engine.affine import AFFINE, Kind
from jaxcost.engine.batching import flattened, of_all, run


class Composed(NamedTuple):
    """A function of the parameters that says something of each image.

    Attributes:
        front: `front(params, vs)`, where each leaf of vs has a first axis `[k]`: a dict of arrays, `[k + 1, ...]`, the
            values at the parameters and how these move along each direction.
        pull: `pull(cotangents)`, from a dict of `[k, ...]` to k directions: the transpose of `front`.
        still: a dict of what the rest needs beside, the same for all parameters.
        rest: `rest(values, still)`, what f says, a pytree of arrays `[..., n]`.
        batched: names of those values, and of what is still, that have an image axis, the last.
    """

    front: Callable
    pull: Callable
    still: dict
    rest: Callable
    batched: set


def cut(f, params, data) -> affine.Cut | None:
    """Where to cut f, as `affine.cut`; None also where convolutions are, slower with the image axis last."""
    found = affine.cut(f, params, data)
    convolved = found and any(op.eqn.primitive.name == "conv_general_dilated" for op in found.program)
    return None if convolved else found


def numbers(found) -> int:
    """How many numbers an image `front` makes."""
    sizes = {v: var.aval.size for op in found.earlier for v, var in zip(op.outputs, op.eqn.outvars, strict=True)}
    return sum(sizes[v] for v in found.frontier if found.kinds[v] == Kind(AFFINE, True))


def composed(found, params, data) -> Composed:
    """The two parts of a function.

    Args:
        found: where to cut it.
        params: a tuple of floating arrays.
        data: a pytree of arrays `[n, ...]`.

    Example:
        >>> x, w = jnp.linspace(-1, 1, 60).reshape(3, 20), (jnp.ones(20),)
        >>> f = lambda x, w: jnp.tanh(w @ x)
        >>> parts = composed(cut(f, w, x), w, x)
        >>> values = parts.front(w, (jnp.zeros((0, 20)),))  # along no direction
        >>> at_w = {v: value[0] for v, value in values.items()}
        >>> bool(jnp.allclose(parts.rest(at_w, parts.still), jnp.tanh(x @ w[0])))
        True
    """
    moving = [v for v in found.frontier if found.kinds[v].word == AFFINE]
    batched = {v for v in found.frontier if found.kinds[v].batched}

    def coefficients(params, vs):
        join = lambda p, v: jnp.concatenate([p[None], v])
        return affine.coefficients(found, jax.tree.leaves(jax.tree.map(join, params, vs)), data)

    def front(params, vs):
        found_values = coefficients(params, vs)
        return {v: found_values[v] for v in moving}

    none = jax.tree.map(lambda leaf: leaf[None][:0], params)

    def pull(cotangents):
        alone = lambda params: {v: stack[0] for v, stack in front(params, none).items()}
        _, of_one = jax.vjp(alone, params)
        return jax.vmap(lambda one: of_one(one)[0])(cotangents)

    def rest(values, still):
        own = still | values
        axes = dict.fromkeys(batched, -1)
        length = next(own[v].shape[-1] for v in batched)
        run(found.later, own, axes)
        return found.structure.unflatten([of_all(own, axes, v, length) for v in found.outputs])

    constants = coefficients(params, none)
    still = {v: constants[v] for v in found.frontier if v not in moving}
    return Composed(front, pull, still, rest, batched)


def on_all(f, *arguments) -> Any:
    """What f says of each image, where the arguments, and so the results, are arrays `[..., n]`."""
    leaves, structure = jax.tree.flatten(arguments)
    shapes = [jax.ShapeDtypeStruct(leaf.shape[:-1], leaf.dtype) for leaf in leaves]
    closed, shape = jax.make_jaxpr(f, return_shape=True)(*structure.unflatten(shapes))
    if closed.effects:
        return jax.vmap(f, -1, -1)(*arguments)
    program, inputs, outputs = flattened(closed)
    values, axes = dict(zip(inputs, leaves, strict=True)), dict.fromkeys(inputs, -1)
    run(program, values, axes)
    n = leaves[0].shape[-1]
    return jax.tree.structure(shape).unflatten([of_all(values, axes, v, n) for v in outputs])
