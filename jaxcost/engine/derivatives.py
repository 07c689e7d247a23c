"""Value, gradient and Hessian along a slice of a sum over images, in one pass over the operations.

With tangents v_i of all values along the k coordinates, by forward mode, and the adjoints l of the sum, by reverse
mode, each operation f adds its own second derivatives,

    C_ij = sum_f  l_f . D2 f[v_i, v_j]

and none are carried on. So operations that are linear add nothing, a product with moving weights W of moving inputs a
adds (W_i^T l) . a_j + (W_j^T l) . a_i, and no value is computed twice (Griewank & Walther 2008, chapter 5).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcost.engine import sums
from jaxcost.engine.batching import BILINEAR, ELEMENTWISE, JOINTLY, Operation, linear, on_all_images

OTHER = {  # have derivatives of both modes
    "logistic", "tanh", "exp", "exp2", "expm1", "log", "log1p", "sqrt", "rsqrt", "cbrt", "square", "integer_pow", "abs",
    "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh", "erf", "erfc", "erf_inv",
    "sign", "floor", "ceil", "round", "clamp", "reduce_max", "reduce_min", "custom_jvp_call", "stop_gradient",
}  # fmt: skip
KNOWN = {*JOINTLY, *BILINEAR, *ELEMENTWISE, *OTHER}


def nested(total, s) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Value, gradient and Hessian of any function of coordinates, by forward mode in forward mode, entry by entry.

    Example:
        >>> value, gradient, hessian = nested(lambda s: s[0] ** 2 * s[1], jnp.array([3.0, 2.0]))
        >>> float(value), gradient.tolist(), hessian.tolist()
        (18.0, [12.0, 9.0], [[4.0, 6.0], [6.0, 0.0]])
    """
    along = lambda f, v: lambda s: jax.jvp(f, (s,), (v,))[1]
    units = jnp.eye(len(s), dtype=s.dtype)
    gradient = [along(total, e)(s) for e in units]
    upper = {(i, j): along(along(total, units[i]), units[j])(s) for i, j in _pairs(len(s))}
    return total(s), jnp.array(gradient), _symmetric(upper, len(s))


def known(later) -> bool:
    """Whether all operations of a program are such that `in_one_pass` knows them."""
    return all(op.eqn.primitive.name in KNOWN or not any(map(_floating, op.eqn.outvars)) for op in later)


def in_one_pass(later, output, values, tangents, axes, counted) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Value, gradient `[k]` and Hessian `[k, k]` of a sum over images, and over all else.

    Args:
        later: the operations that are left, all `known`.
        output: the number of the value that is summed, which has an image axis.
        values: of what the operations begin with, by number, image axes last.
        tangents: of those that move, tuples of k derivatives of the shape of the value; their second ones are 0.
        axes: by number, -1 for values with an image axis.
        counted: the images that count, a mask `[n]`.
    """
    k = len(next(iter(tangents.values())))
    steps, values, tangents = _forward(later, values, tangents, axes, k)
    summed = partial(sums.total, counted=counted)
    total, pull = jax.vjp(summed, values[output])
    if output not in tangents:
        return total, jnp.zeros(k, total.dtype), jnp.zeros((k, k), total.dtype)
    gradient = jnp.stack([summed(entry) for entry in tangents[output]])
    products = _backward(steps, values, tangents, {output: pull(jnp.ones_like(total))[0]}, k)
    entry = lambda ij: sum((_sum(a) for (place, _), a in products.items() if place == ij), start=jnp.zeros_like(total))
    return total, gradient, _symmetric({ij: entry(ij) for ij in _pairs(k)}, k)


def _forward(later, values, tangents, axes, k):
    """All operations as they stand, and all values with their tangents."""
    values, tangents, axes, steps = dict(values), dict(tangents), dict(axes), []
    for op in later:
        arguments = [values[v] if isinstance(v, int) else v.val for v in op.inputs]
        image_axes = [axes.get(v) if isinstance(v, int) else None for v in op.inputs]
        moving = [i for i, v in enumerate(op.inputs) if isinstance(v, int) and v in tangents]
        step = _Step(op, moving, arguments, image_axes)
        for v, value in zip(op.outputs, step.call(*step.moved), strict=True):
            values[v], axes[v] = value, None if all(axis is None for axis in image_axes) else -1
        if step.out:
            along = [jax.jvp(step.active, step.moved, step.of(tangents, i))[1] for i in range(k)]
            tangents |= dict(zip(step.out, zip(*along, strict=True), strict=True))
        steps.append(step)
    return steps, values, tangents


def _backward(steps, values, tangents, adjoints, k):
    """What all second derivatives add to the Hessian, by the place in it and by shape, yet to be summed.

    So all of one shape are added up in one loop.
    """
    made, products = {v for step in steps for v in step.op.outputs}, {}
    for step in reversed(steps):
        if not any(v in adjoints for v in step.out):
            continue
        of_results = tuple(adjoints.get(v, jnp.zeros_like(values[v])) for v in step.out)
        for ij, product in step.second(tangents, of_results, k):
            products[ij, product.shape] = products.get((ij, product.shape), 0) + product
        for v, entry in step.back(of_results, made):
            adjoints[v] = adjoints[v] + entry if v in adjoints else entry
    return products


class _Step(NamedTuple):
    """One operation where it stands, as a function of those of its operands that move.

    Attributes:
        op: the operation.
        moving: the places of these operands.
        arguments: all operands.
        axes: their image axes.
    """

    op: Operation
    moving: list
    arguments: list
    axes: list

    @property
    def moved(self):
        """The values of the operands that move."""
        return tuple(self.arguments[i] for i in self.moving)

    @property
    def floats(self):
        """The places of the results that can have derivatives."""
        return [i for i, v in enumerate(self.op.eqn.outvars) if self.moving and _floating(v)]

    @property
    def out(self):
        """Their numbers."""
        return [self.op.outputs[i] for i in self.floats]

    def call(self, *moved):
        """All results, of the operands that move."""
        arguments = list(self.arguments)
        for i, value in zip(self.moving, moved, strict=True):
            arguments[i] = value
        return on_all_images(self.op.eqn, arguments, self.axes)

    def active(self, *moved):
        """Its floating results."""
        found = self.call(*moved)
        return tuple(found[i] for i in self.floats)

    def of(self, tangents, i):
        """The tangents along one coordinate of what moves."""
        return tuple(tangents[self.op.inputs[place]][i] for place in self.moving)

    def back(self, of_results, made):
        """Adjoints of those operands that operations before have made, from those of the results."""
        wanted = [place for place, i in enumerate(self.moving) if self.op.inputs[i] in made]
        if not wanted:
            return []
        with_these = lambda *some: self.active(*_replaced(self.moved, wanted, some))
        _, pull = jax.vjp(with_these, *(self.moved[place] for place in wanted))
        return [(self.op.inputs[self.moving[p]], entry) for p, entry in zip(wanted, pull(of_results), strict=True)]

    def second(self, tangents, of_results, k):
        """What its second derivatives add to the Hessian: pairs of a place in it and an array to be summed."""
        if linear(self.op.eqn, self.moving):
            return []
        along = [self.of(tangents, i) for i in range(k)]
        if self.op.eqn.primitive.name in BILINEAR and self.op.inputs[0] != self.op.inputs[1]:
            with_image = 0 if self.axes[0] is not None else 1
            put = lambda moves, b: self.active(*((b, moves[1]) if with_image == 0 else (moves[0], b)))
            pull = lambda moves: jax.linear_transpose(partial(put, moves), self.moved[with_image])(of_results)[0]
            pulled = [pull(moves) for moves in along]
            product = lambda i, j: pulled[i] * along[j][with_image]
            return [(ij, product(*ij) + product(*ij[::-1])) for ij in _pairs(k)]
        first = lambda i: lambda *moved: jax.jvp(self.active, moved, along[i])[1]
        entry = lambda i, j: jax.jvp(first(i), self.moved, along[j])[1]
        return [(ij, a * b) for ij in _pairs(k) for a, b in zip(of_results, entry(*ij), strict=True)]


def _pairs(k):
    return [(i, j) for j in range(k) for i in range(j + 1)]


def _sum(a):
    return sums.total(a, jnp.ones(a.shape[-1], bool)) if a.ndim else a


def _replaced(values, places, new):
    values = list(values)
    for place, value in zip(places, new, strict=True):
        values[place] = value
    return values


def _symmetric(upper, k):
    return jnp.array([[upper[min(i, j), max(i, j)] for j in range(k)] for i in range(k)])


def _floating(v):
    return jnp.issubdtype(v.aval.dtype, jnp.floating)
