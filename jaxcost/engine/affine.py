"""Which values of a traced program are affine in the parameters, and where the program is best cut.

The program says something of ONE image. Everything that it makes from the parameters by linear operations, up to the
first nonlinearity, is affine in them: for the first layer the weighted input. Cut there it is a rest of something that
is affine, and what is affine can be computed once for a slice (`hoist`), or for many directions at once (`composed`).
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxcost.engine.batching import JOINTLY, flattened, image_last, linear, on_all_images

CONSTANT, AFFINE, GENERAL = "constant", "affine", "general"

PRODUCT = 1 / 8  # what a multiplication in a matrix product is taken to cost, in elementwise ones: a guess


class Kind(NamedTuple):
    """What is known of a value before any number is: one of the three words, and whether it has an image axis."""

    word: str
    batched: bool


class Cut(NamedTuple):
    """A program, cut where it is no longer affine.

    Attributes:
        program: all operations, in order.
        data: the numbers of the values that are given of one image.
        params: of the parameters.
        outputs: of the results, or literals.
        structure: of the results, a pytree's.
        kinds: what is known of each value.
        later: the operations that are left.
        frontier: the numbers of the values that these begin with.
    """

    program: list
    data: list
    params: list
    outputs: tuple
    structure: Any
    kinds: dict
    later: list
    frontier: list

    @property
    def earlier(self) -> list:
        """The operations up to there: what is affine, and what does not depend on the parameters."""
        return [op for op in self.program if self.kinds[op.outputs[0]].word != GENERAL]


def cut(f, params, data, carried=1) -> Cut | None:
    """Cut what f says of one image.

    Args:
        f: a number for one image, or a pytree of numbers, `f(one, *params)`, where `one` is `data` without its first
            axes.
        params: a tuple of floating arrays.
        data: a pytree of arrays `[n, ...]`, of which the shapes count.
        carried: numbers to be kept for each element that is affine, beside itself; where computing it again is less
            work than reading so many, it is.

    Returns:
        A `Cut`; None where nothing that depends on the images is worth keeping apart, or the program prints.

    Example:
        >>> x, w = jnp.ones((3, 20)), jnp.ones((2, 20))
        >>> found = cut(lambda x, w: jnp.tanh(w @ x), (w,), x)
        >>> [op.eqn.primitive.name for op in found.later]
        ['tanh']
    """
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), data)
    closed, shapes = jax.make_jaxpr(f, return_shape=True)(one, *params)
    if closed.effects:  # prints and callbacks must happen as the model says
        return None
    program, inputs, outputs = flattened(closed)
    of_data, of_params = inputs[: len(jax.tree.leaves(data))], inputs[len(jax.tree.leaves(data)) :]
    kinds = dict.fromkeys(of_data, Kind(CONSTANT, True)) | dict.fromkeys(of_params, Kind(AFFINE, False))
    later = _classify(program, outputs, kinds, carried)
    needed = {v for values in (outputs, *(op.inputs for op in later)) for v in values if isinstance(v, int)}
    needed -= {v for op in later for v in op.outputs}
    if not any(kinds[v] == Kind(AFFINE, True) for v in needed):
        return None
    return Cut(program, of_data, of_params, outputs, jax.tree.structure(shapes), kinds, later, sorted(needed))


def coefficients(found, stacks, data) -> dict:
    """The values at the cut, by number, image axes last: of those that are affine all coefficients, `[k + 1, ...]`.

    Args:
        found: a `Cut`.
        stacks: the leaves of the parameters, each `[k + 1, ...]`: where they begin, and k directions.
        data: all images, as those that the program was cut for.
    """
    values = dict(zip(found.data, jax.tree.leaves(data), strict=True)) | dict(zip(found.params, stacks, strict=True))
    axes = dict.fromkeys(found.data, 0)  # where the image axis stands; values made here have it last
    for op in found.earlier:
        _execute(op, values, axes, found.kinds)
    return {v: image_last(values[v], axes.get(v)) for v in found.frontier}


def _classify(program, outputs, kinds, k):
    """Fill in `kinds` and return the operations left for the residual.

    An affine value with an image axis costs k + 1 numbers an element to carry to every point. It is carried
    only where computing it again from what it is made of would cost more.
    """
    again = {}  # the cheaper of carrying and computing again, for each affine value with an image axis
    recomputed = set()
    for op in program:
        of = [kinds[v] if isinstance(v, int) else Kind(CONSTANT, False) for v in op.inputs]
        kind = Kind(_word(op.eqn, of), any(kind.batched for kind in of))
        for v, var in zip(op.outputs, op.eqn.outvars, strict=True):
            kinds[v] = kind
            if kind == Kind(AFFINE, True):
                carry = (k + 1) * var.aval.size
                compute = _work(op.eqn) + sum(again.get(v, 0) for v in op.inputs if isinstance(v, int))
                again[v] = min(carry, compute)
                if compute <= carry:
                    recomputed.add(id(op))
    wanted, later = {v for v in outputs if isinstance(v, int)}, []
    for op in reversed(program):
        if wanted & set(op.outputs) and (kinds[op.outputs[0]].word == GENERAL or id(op) in recomputed):
            later.append(op)
            wanted |= {v for v in op.inputs if isinstance(v, int)}
    return later[::-1]


def _word(eqn, kinds):
    """Constant, affine or general: what the operation makes of operands of these kinds."""
    affine = {i for i, kind in enumerate(kinds) if kind.word == AFFINE}
    if not affine:
        return GENERAL if any(kind.word == GENERAL for kind in kinds) else CONSTANT
    if any(kind.word == GENERAL for kind in kinds):
        return GENERAL
    name = eqn.primitive.name
    read = [eqn.invars[i] for i in affine]
    if any(not jnp.issubdtype(v.aval.dtype, jnp.floating) or v.aval.dtype.itemsize < 4 for v in (*read, *eqn.outvars)):
        return GENERAL  # whole numbers; and a type of few bits, which rounds so much that it makes a staircase
    if name == "gather" and eqn.params["fill_value"] not in (None, 0):
        return GENERAL  # what is filled in is a constant, and not linear in the operand
    return AFFINE if linear(eqn, affine) else GENERAL


def _work(eqn):
    """Work of one operation for one image, in elementwise multiplications."""
    size = max(v.aval.size for v in eqn.outvars)
    if eqn.primitive.name == "dot_general":
        (contracted, _), _ = eqn.params["dimension_numbers"]
        return size * (1 + PRODUCT * math.prod(eqn.invars[0].aval.shape[i] for i in contracted))
    if eqn.primitive.name == "conv_general_dilated":
        kernel = eqn.invars[1].aval
        to = kernel.shape[eqn.params["dimension_numbers"].rhs_spec[0]]
        return size * (1 + PRODUCT * kernel.size / to)
    return max(size, *(v.aval.size for v in eqn.invars))


def _execute(op, values, axes, kinds):
    """Compute one constant or affine value; affine ones are stacks `[k + 1, ...]` of their coefficients."""
    arguments = [values[v] if isinstance(v, int) else v.val for v in op.inputs]
    image_axes = [axes.get(v) if isinstance(v, int) else None for v in op.inputs]
    call = lambda *arguments: on_all_images(op.eqn, arguments, image_axes)
    if kinds[op.outputs[0]].word == AFFINE:
        arguments, stacked = _stacks(op, arguments, kinds)
        call = jax.vmap(call, stacked)
    for v, value in zip(op.outputs, call(*arguments), strict=True):
        values[v] = value
        if kinds[v].batched:
            axes[v] = -1


def _stacks(op, arguments, kinds):
    """The operands, and for vmap which of them are stacks.

    A constant that is added to something affine is itself affine, with coefficients c, 0, ..., 0.
    """
    affine = [isinstance(v, int) and kinds[v].word == AFFINE for v in op.inputs]
    depth = next(len(a) for a, yes in zip(arguments, affine, strict=True) if yes)
    name = op.eqn.primitive.name
    jointly = range(len(arguments))[JOINTLY[name]] if name in JOINTLY else ()
    out = []
    for i, (argument, yes) in enumerate(zip(arguments, affine, strict=True)):
        if not yes and i in jointly:
            argument = jnp.asarray(argument)
            argument = jnp.concatenate([argument[None], jnp.zeros((depth - 1, *argument.shape), argument.dtype)])
            affine[i] = True
        out.append(argument)
    return out, [0 if yes else None for yes in affine]
