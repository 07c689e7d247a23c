"""Operations that move numbers, or sum them up, as loops of JavaScript: of an element of the result, i0, i1, ..."""

import itertools
import math
import re
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

ROUND = "$F"  # stands before the brackets of each result that is rounded to float32, or not
PAIRED = 16
REDUCED = {
    "reduce_sum": ("0", "{}+{}"), "reduce_prod": ("1", "{}*{}"), "reduce_max": ("-Infinity", "Math.max({},{})"),
    "reduce_min": ("Infinity", "Math.min({},{})"), "reduce_or": ("0", "{}|{}"), "reduce_and": ("1", "{}&{}"),
}  # fmt: skip


class Value(NamedTuple):
    """How a value is read: `read(i)` is the text of its element at the text i, of the place in row-major order.

    Attributes:
        read: the function.
        shape: of the value.
        of_image: whether it is another for each image.
        name: of its array; None where it has none of its own.
    """

    read: Callable[[str], str]
    shape: tuple[int, ...]
    of_image: bool
    name: str | None


def _strides(shape):
    return [math.prod(shape[axis + 1 :]) for axis in range(len(shape))]


def _place(indices, strides, offset=0):
    """The text of a place in an array: the sum of indices times strides."""
    terms = [f"{i}*{stride}" if stride != 1 else i for i, stride in zip(indices, strides, strict=True) if stride]
    return "+".join(terms + ([str(offset)] if offset or not terms else []))


def nested(shape, body) -> str:
    """Loops i0, i1, ... over a shape; in the body `[i]` is the place in an array of that shape."""
    indices = [f"i{axis}" for axis in range(len(shape))]
    heads = "".join(f"for (let {i}=0;{i}<{n};{i}++) " for i, n in zip(indices, shape, strict=True))
    return heads + "{" + body.replace("[i]", f"[{_place(indices, _strides(shape))}]") + "}"


def along(given, axes) -> str:
    """An element of what is broadcast, its axes being these of the result."""
    strides = [0 if n == 1 else stride for n, stride in zip(given.shape, _strides(given.shape), strict=True)]
    return given.read(_place([f"i{axis}" for axis in axes], strides))


def _broadcast(eqn, operands):
    return [along(operands[0], eqn.params["broadcast_dimensions"])]


def _transposed(eqn, operands):
    strides = _strides(operands[0].shape)
    indices = [f"i{axis}" for axis in range(len(strides))]
    return [operands[0].read(_place(indices, [strides[axis] for axis in eqn.params["permutation"]]))]


def _cut_out(shape, strides, starts, operand):
    own = _strides(operand.shape)
    offset = sum(start * stride for start, stride in zip(starts, own, strict=True))
    indices = [f"i{axis}" for axis in range(len(shape))]
    return operand.read(_place(indices, [a * b for a, b in zip(own, strides, strict=True)], offset))


def _slice(eqn, operands):
    shape, starts = eqn.outvars[0].aval.shape, eqn.params["start_indices"]
    return [_cut_out(shape, eqn.params["strides"] or [1] * len(shape), starts, operands[0])]


def _split(eqn, operands):
    axis, sizes = eqn.params["axis"], eqn.params["sizes"]
    firsts = np.cumsum([0, *sizes[:-1]]).tolist()
    zero = [0] * len(operands[0].shape)
    starts = [[*zero[:axis], first, *zero[axis + 1 :]] for first in firsts]
    return [_cut_out(v.aval.shape, [1] * len(zero), at, operands[0]) for v, at in zip(eqn.outvars, starts, strict=True)]


MOVED = {
    "broadcast_in_dim": _broadcast, "transpose": _transposed, "slice": _slice, "split": _split,
}  # fmt: skip


def concatenation(shape, axis, operands) -> list[str]:
    """The operands one after the other along an axis; `{out}` is the array of the result, here and below."""
    lines, first, strides = [], 0, _strides(shape)
    for given in operands:
        indices = [f"i{i}" for i in range(len(given.shape))]
        out = _place(indices, strides, first * strides[axis])
        lines.append(nested(given.shape, f"{{out}}[{out}]={given.read(_place(indices, _strides(given.shape)))};"))
        first += given.shape[axis]
    return lines


def reduction(eqn, given) -> list[str]:
    """Sums, products and extremes over axes."""
    start, pattern = REDUCED[eqn.primitive.name]
    axes, strides = eqn.params["axes"], _strides(given.shape)
    shape = eqn.outvars[0].aval.shape
    names = [f"k{axis}" if axis in axes else None for axis in range(len(strides))]
    rest = iter(f"i{i}" for i in range(len(shape)))
    indices = [name or next(rest) for name in names]
    inner = "".join(f"for (let k{axis}=0;k{axis}<{given.shape[axis]};k{axis}++) " for axis in axes)
    step = f"s={ROUND}({pattern.format('s', given.read(f'({_place(indices, strides)})'))});"
    return [nested(shape, f"let s={start};{inner}{step}{{out}}[i]=s;")]


def product(eqn, a, b) -> list[str]:
    """A product of matrices, vectors or stacks of them."""
    ((of_a, of_b), (batch_a, batch_b)) = eqn.params["dimension_numbers"]
    free = lambda value, *axes: [axis for axis in range(len(value.shape)) if axis not in itertools.chain(*axes)]
    free_a, free_b = free(a, of_a, batch_a), free(b, of_b, batch_b)
    names_a = dict(zip([*batch_a, *free_a], itertools.count(), strict=False))
    names_b = dict(zip(batch_b, itertools.count(), strict=False))
    names_b |= dict(zip(free_b, itertools.count(len(names_a)), strict=False))
    place = lambda value, names, contracted: _place(
        [f"i{names[axis]}" if axis in names else f"k{contracted.index(axis)}" for axis in range(len(value.shape))],
        _strides(value.shape),
    )
    factors = a.read(f"({place(a, names_a, of_a)})"), b.read(f"({place(b, names_b, of_b)})")
    term = f"{ROUND}({factors[0]}*{factors[1]})"
    lengths = [a.shape[axis] for axis in of_a]
    if len(lengths) == 1:
        return [nested(eqn.outvars[0].aval.shape, f"let s=0;{_summed(term, *lengths)}{{out}}[i]=s;")]
    inner = "".join(f"for (let k{j}=0;k{j}<{n};k{j}++) " for j, n in enumerate(lengths))
    return [nested(eqn.outvars[0].aval.shape, f"let s=0;{inner}s={ROUND}(s+{term});{{out}}[i]=s;")]


def _summed(term, n):
    """The sum of a term over k0 = 0 ... n - 1: sixteen at a time in pairs, which need not wait for each other."""

    def pairs(terms):
        if len(terms) == 1:
            return terms[0]
        half = len(terms) // 2
        return f"{ROUND}({pairs(terms[:half])}+{pairs(terms[half:])})"

    at = lambda first, count: pairs([re.sub(r"\bk0\b", first.format(j), term) for j in range(count)])
    whole, text = n - n % PAIRED, ""
    if whole == PAIRED:
        text += f"s={at('{}', PAIRED)};"
    elif whole:
        text += f"for (let k=0;k<{whole};k+={PAIRED}) s={ROUND}(s+{at('(k+{})', PAIRED)});"
    return text + (f"s={ROUND}(s+{at(f'({whole}+{{}})', n % PAIRED)});" if n % PAIRED else "")
