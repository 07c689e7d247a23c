"""Which axes of a model's parameters may be renumbered together: found in its program.

A hidden layer's neurons are an axis of the weights into them, of their biases, and of the weights out of them. Renumber
all of these alike, and the outputs stay. So the program of one image is followed operation by operation, and axes that
run together are tied. What an operation does not treat alike all along an axis, such as a slice or a sort, is tied to
the outputs, which keep their places; so is what this room does not know.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax

from jaxcost.engine import batching

INLINED = batching.INLINED | {"custom_jvp_call", "custom_vjp_call", "custom_vjp_call_jaxpr"}
UNARY = {
    "neg", "sign", "floor", "ceil", "round", "is_finite", "exp", "exp2", "expm1", "log", "log1p", "sin", "cos", "tan",
    "tanh", "sinh", "cosh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "logistic", "erf", "erfc", "erf_inv",
    "sqrt", "rsqrt", "cbrt", "square", "integer_pow", "abs", "not", "convert_element_type", "reduce_precision",
    "stop_gradient", "copy", "copy_p", "optimization_barrier", "clamp",
}  # fmt: skip
POINTWISE = batching.ELEMENTWISE | UNARY
REDUCTIONS = {"reduce_sum", "reduce_max", "reduce_min", "reduce_prod", "reduce_and", "reduce_or"}
POOLS = {"reduce_window_sum", "reduce_window_max", "reduce_window_min", "reduce_window"}
FIXED = "fixed"


class Neurons(NamedTuple):
    """Neurons that may be renumbered.

    Attributes:
        size: how many.
        axes: where they are: pairs of a leaf of the parameters, by its place, and its axis.
        reads: where they are read: pairs of a value of the program, by its number, and its axis.
    """

    size: int
    axes: tuple[tuple[int, int], ...]
    reads: tuple[tuple[int, int], ...]


class Found(NamedTuple):
    """A program, and what of it may be renumbered.

    Attributes:
        program: all operations, in order.
        image: the numbers of the values that are given of the image.
        params: of the parameters' leaves.
        neurons: one entry for each set of neurons, in the order in which the program reads them.
    """

    program: list
    image: list[int]
    params: list[int]
    neurons: list[Neurons]


def find(f: Callable, one: Any, params: tuple) -> Found:
    """What of the parameters may be renumbered without changing the outputs.

    Args:
        f: the network of one image, `f(x, *params)`.
        one: an image, of which the shape counts.
        params: a tuple of floating arrays, whose shapes count.
    """
    program, inputs, outputs = batching.flattened(jax.make_jaxpr(f)(one, *params), INLINED)
    n = len(jax.tree.leaves(one))
    image, leaves, sizes = inputs[:n], inputs[n:], {}
    ties = _Ties()
    for v, leaf in zip(inputs, jax.tree.leaves((one, *params)), strict=True):
        sizes |= {(v, axis): size for axis, size in enumerate(leaf.shape)}
    for op in program:
        for v, var in zip(op.outputs, op.eqn.outvars, strict=True):
            sizes |= {(v, axis): size for axis, size in enumerate(var.aval.shape)}
    fixed = [node for node in sizes if node[0] in {*image, *(v for v in outputs if isinstance(v, int))}]
    for node in fixed:
        ties.tie(node, FIXED)
    reads = {}
    for op in program:
        for one_node, other in _tied(op):
            ties.tie(one_node, other)
        if op.eqn.primitive.name in ("dot_general", "conv_general_dilated"):
            for node in _contracted(op):
                reads.setdefault(node, len(reads))
    places = {v: i for i, v in enumerate(leaves)}
    groups = {}
    for node in sizes:
        groups.setdefault(ties.root(node), []).append(node)
    found = []
    for root, nodes in groups.items():
        own = tuple((places[v], axis) for v, axis in nodes if v in places and sizes[v, axis] > 1)
        read = [node for node in nodes if node in reads and node[0] not in places]
        if root != ties.root(FIXED) and len(own) > 1:
            found.append((min(map(reads.get, read), default=len(reads)), sizes[nodes[0]], own, tuple(read)))
    neurons = [Neurons(size, own, read) for _, size, own, read in sorted(found)]
    return Found(program, image, leaves, neurons)


class _Ties:
    """Sets of things that are tied, by their members' chains to a root."""

    def __init__(self):
        self.up = {}

    def root(self, node):
        while node in self.up:
            node = self.up[node]
        return node

    def tie(self, one, other):
        one, other = self.root(one), self.root(other)
        if one != other:
            self.up[one] = other


def _tied(op):
    """Pairs of axes that an operation ties, each `(value, axis)`, or FIXED."""
    name, params, out = op.eqn.primitive.name, op.eqn.params, op.outputs[0]
    shapes = [v.aval.shape for v in op.eqn.invars]
    of = lambda i, axis: (op.inputs[i], axis) if isinstance(op.inputs[i], int) else FIXED  # numbers in the program stay
    along = lambda i, axes: [(of(i, axis), (out, to)) for axis, to in axes]
    if name in POINTWISE:
        result = op.eqn.outvars[0].aval.shape
        alike = lambda shape: [(axis, axis) for axis, size in enumerate(shape) if size == result[axis]]
        whole = [(i, shape) for i, shape in enumerate(shapes) if len(shape) == len(result)]  # others are numbers
        return [pair for i, shape in whole for pair in along(i, alike(shape))]
    if name == "transpose":
        return along(0, [(axis, to) for to, axis in enumerate(params["permutation"])])
    if name == "broadcast_in_dim":
        result = op.eqn.outvars[0].aval.shape
        pairs = enumerate(params["broadcast_dimensions"])
        return along(0, [(axis, to) for axis, to in pairs if shapes[0][axis] == result[to]])
    if name in REDUCTIONS:
        return along(0, [(axis, to) for to, axis in enumerate(_others(shapes[0], params["axes"]))])
    if name in ("reshape", "squeeze", "expand_dims"):
        here, there = ([a for a, size in enumerate(s) if size > 1] for s in (shapes[0], op.eqn.outvars[0].aval.shape))
        if [shapes[0][a] for a in here] == [op.eqn.outvars[0].aval.shape[a] for a in there]:
            return along(0, zip(here, there, strict=True))
    if name == "dot_general":
        (left, right), (left_batch, right_batch) = params["dimension_numbers"]
        pairs = [(of(0, a), of(1, b)) for a, b in zip(left, right, strict=True)]
        pairs += [(of(0, a), of(1, b)) for a, b in zip(left_batch, right_batch, strict=True)]
        free = [*((0, a) for a in left_batch), *((0, a) for a in _others(shapes[0], (*left, *left_batch)))]
        free += [(1, a) for a in _others(shapes[1], (*right, *right_batch))]
        return pairs + [(of(i, axis), (out, to)) for to, (i, axis) in enumerate(free)]
    if name == "conv_general_dilated" and params["feature_group_count"] == params["batch_group_count"] == 1:
        numbers = params["dimension_numbers"]
        lhs, rhs, result = numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec
        pairs = [(of(0, lhs[1]), of(1, rhs[1])), (of(1, rhs[0]), (out, result[1])), (of(0, lhs[0]), (out, result[0]))]
        spatial = [*(of(0, a) for a in lhs[2:]), *(of(1, a) for a in rhs[2:]), *((out, a) for a in result[2:])]
        return pairs + [(node, FIXED) for node in spatial]
    if name in POOLS:
        result = op.eqn.outvars[0].aval.shape
        whole = [a for a, window in enumerate(params["window_dimensions"]) if window == 1 and shapes[0][a] == result[a]]
        mixed = [node for a in _others(shapes[0], whole) for node in (of(0, a), (out, a))]
        return along(0, [(a, a) for a in whole]) + [(node, FIXED) for node in mixed]
    mixed = [of(i, axis) for i, shape in enumerate(shapes) for axis in range(len(shape))]
    mixed += [(v, a) for v, var in zip(op.outputs, op.eqn.outvars, strict=True) for a in range(len(var.aval.shape))]
    return [(node, FIXED) for node in mixed]


def _others(shape, axes):
    return [axis for axis in range(len(shape)) if axis not in axes]


def _contracted(op):
    """The axes that a product sums over, of the values that it multiplies."""
    if op.eqn.primitive.name == "dot_general":
        pairs = enumerate(op.eqn.params["dimension_numbers"][0])
        return [(op.inputs[i], axis) for i, axes in pairs for axis in axes if isinstance(op.inputs[i], int)]
    numbers = op.eqn.params["dimension_numbers"]
    pairs = [(0, numbers.lhs_spec[1]), (1, numbers.rhs_spec[1])]
    return [(op.inputs[i], axis) for i, axis in pairs if isinstance(op.inputs[i], int)]
