"""A traced program of one image as JavaScript, so that a browser computes the same numbers.

The program is written for one image and some values of the point, such as the weights there. What depends on the
point alone is computed once a point, the rest once an image. Every value is a typed array in row-major order, and
every loop is written out with its length; an elementwise operation whose result is read once has no array of its own,
it stands where it is read.
"""

import itertools
import math
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost.engine.batching import INLINED, flattened
from jaxcost.engine.loops import MOVED, REDUCED, ROUND, Value, along, concatenation, nested, product, reduction
from jaxcost.engine.widened import RULES

UNARY = {
    "neg": "-{}", "abs": "Math.abs({})", "sign": "Math.sign({})", "exp": "Math.exp({})", "exp2": "Math.pow(2,{})",
    "log": "Math.log({})", "log1p": "Math.log1p({})", "expm1": "Math.expm1({})", "tanh": "Math.tanh({})",
    "sqrt": "Math.sqrt({})", "rsqrt": "1/Math.sqrt({})", "cbrt": "Math.cbrt({})", "sin": "Math.sin({})",
    "cos": "Math.cos({})", "tan": "Math.tan({})", "atan": "Math.atan({})", "sinh": "Math.sinh({})",
    "cosh": "Math.cosh({})", "floor": "Math.floor({})", "ceil": "Math.ceil({})", "logistic": "1/(1+Math.exp(-{}))",
    "square": "square({})", "one_minus_square": "1-square({})", "log2": "Math.log2({})", "asin": "Math.asin({})",
    "acos": "Math.acos({})", "asinh": "Math.asinh({})", "acosh": "Math.acosh({})", "atanh": "Math.atanh({})",
    "is_finite": "Number.isFinite({})?1:0",
}  # fmt: skip
BINARY = {
    "add": "{}+{}", "add_any": "{}+{}", "sub": "{}-{}", "mul": "{}*{}", "div": "{}/{}", "max": "Math.max({},{})",
    "min": "Math.min({},{})", "rem": "{}%{}", "pow": "Math.pow({},{})", "atan2": "Math.atan2({},{})",
    "eq": "{}==={}?1:0", "ne": "{}!=={}?1:0", "lt": "{}<{}?1:0", "le": "{}<={}?1:0", "gt": "{}>{}?1:0",
    "ge": "{}>={}?1:0",
}  # fmt: skip
LOGICAL = {"and": "{}&{}", "or": "{}|{}", "xor": "{}^{}", "not": "1-{}"}  # of truth values
SAME = {"reshape", "squeeze", "expand_dims", "copy", "copy_p", "stop_gradient"}  # the same numbers in the same order
IN_TURN = {*UNARY, *BINARY, *LOGICAL, *REDUCED, "integer_pow", "select_n", "clamp"}
MOST = 1_000_000  # numbers of one value: more is no program for a page


class Script(NamedTuple):
    """A function for one image as text.

    Attributes:
        source: the body of a JavaScript function of `A`, the constructor of its arrays. It returns an object: `point`
            and `image`, arrays to be filled in with the values of each; `atPoint()` and `atImage()`, which compute;
            and `results`, arrays.
        shapes: of the results.
    """

    source: str
    shapes: tuple[tuple[int, ...], ...]


class Untranslated(ValueError):
    """The program does something that is not known here; says what."""


def translated(f: Callable, point: tuple, image: tuple) -> Script:
    """What f says of one image, as JavaScript.

    Args:
        f: a function `f(point, image)` that gives a tuple of arrays.
        point: arrays, or shapes and types, of what belongs to a point.
        image: of what belongs to an image.

    Raises:
        Untranslated: f has an operation that is not known, or prints.

    Example:
        >>> square = lambda point, image: (jnp.tanh(point[0] @ image[0]),)
        >>> made = translated(square, (jnp.ones((2, 3)),), (jnp.ones(3),))
        >>> made.shapes, "Math.tanh" in made.source
        (((2,),), True)
    """
    closed = jax.make_jaxpr(f)(point, image)
    if closed.effects:
        raise Untranslated("the program prints, or calls back")
    program, inputs, outputs = flattened(closed, INLINED | RULES)
    count, shapes = len(jax.tree.leaves(point)), [v.aval.shape for v in closed.jaxpr.invars]
    text = _Text(outputs, program)
    for i, (v, shape) in enumerate(zip(inputs, shapes, strict=True)):
        kind, number = ("point", i) if i < count else ("image", i - count)
        text.given(v, f"{kind}[{number}]", shape, of_image=kind == "image")
    for op in text.living:
        _write(text, op)
    results = [text.stored(v) for v in outputs]
    sizes = [math.prod(shape) for shape in shapes]
    lines = [
        "const square = x => x*x;",
        f"const point = {sizes[:count]}.map(n => new A(n)), image = {sizes[count:]}.map(n => new A(n));",
        *text.declared,
        *(["function atPoint() {", *text.at_point, "}", "function atImage() {", *text.at_image, "}"]),
        f"return {{point, image, atPoint, atImage, results: [{', '.join(results)}]}};",
    ]
    return Script("\n".join(lines), tuple(tuple(v.aval.shape) for v in closed.jaxpr.outvars))


class _Text:
    """The lines of a program, while it is written."""

    def __init__(self, outputs, program):
        wanted, living = {v for v in outputs if isinstance(v, int)}, []
        for op in reversed(program):
            if not wanted.isdisjoint(op.outputs):
                living.append(op)
                wanted |= {v for v in op.inputs if isinstance(v, int)}
        self.living = living[::-1]
        self.uses = Counter(v for op in self.living for v in op.inputs if isinstance(v, int))
        self.uses.update({v: 2 for v in outputs if isinstance(v, int)})
        in_turn = [op for op in self.living if op.eqn.primitive.name in IN_TURN]
        self.read_in_turn = {v for op in in_turn for v in op.inputs if isinstance(v, int)}  # each element once
        self.values, self.declared, self.at_point, self.at_image = {}, [], [], []
        self.names = (f"t{i}" for i in itertools.count())

    def given(self, v, name, shape, *, of_image):
        """An array that the caller fills in; a short name of its own is faster to read."""
        short = next(self.names)
        self.declared.append(f"const {short} = {name};")
        self.values[v] = _array(short, shape, of_image)

    def operand(self, v):
        """A value, or a literal."""
        if isinstance(v, int):
            return self.values[v]
        array = np.asarray(v.val)
        if array.dtype.kind not in "fiub":
            raise Untranslated(f"numbers of type {array.dtype}")
        if array.size and (array == array.flat[0]).all():
            number = _number(array.flat[0])
            return Value(lambda i: number, array.shape, False, None)
        return _array(self.constant(array), array.shape, False)

    def constant(self, array):
        name = next(self.names)
        self.declared.append(f"const {name} = A.from([{','.join(map(_number, array.ravel()))}]);")
        return name

    def made(self, v, shape, of_image, lines):
        """A new array for a value, filled in by lines that name it `{out}`."""
        if math.prod(shape) > MOST:
            raise Untranslated(f"a value of {math.prod(shape):,} numbers")
        name = next(self.names)
        self.declared.append(f"const {name} = new A({math.prod(shape)});")
        (self.at_image if of_image else self.at_point).extend(line.replace("{out}", name) for line in lines)
        self.values[v] = _array(name, shape, of_image)

    def stored(self, v):
        """The name of the array that holds a result."""
        value = self.operand(v)
        if value.name is None:
            fresh = object()
            self.made(fresh, value.shape, value.of_image, [_filled(value.shape, value.read)])
            value = self.values[fresh]
        return value.name


def _array(name, shape, of_image):
    size = math.prod(shape)
    return Value(lambda i: f"{name}[{'0' if size == 1 else i}]", tuple(shape), of_image, name)


def _number(x):
    x = x.item() if hasattr(x, "item") else x
    if isinstance(x, float) and not math.isfinite(x):
        return "NaN" if math.isnan(x) else "Infinity" if x > 0 else "-Infinity"
    return f"({x!r})" if x < 0 else repr(int(x) if isinstance(x, bool) else x)


def _filled(shape, read):
    """Each element in turn."""
    size = math.prod(shape)
    return f"for (let i=0;i<{size};i++) {{out}}[i]={read('i')};" if size != 1 else f"{{out}}[0]={read('0')};"


# -- one operation --------------------------------------------------------------------------------------


def _write(text, op):
    name, operands = op.eqn.primitive.name, [text.operand(v) for v in op.inputs]
    of_image = any(value.of_image for value in operands)
    for var in op.eqn.outvars:
        if var.aval.dtype.kind not in "fiub":
            raise Untranslated(f"{name} of {var.aval.dtype}")
    v, shape = op.outputs[0], tuple(op.eqn.outvars[0].aval.shape)
    if name in SAME or (name == "convert_element_type" and not _truncates(op.eqn)):
        text.values[v] = operands[0]._replace(shape=shape)
    elif name == "broadcast_in_dim" and math.prod(operands[0].shape) == 1:
        text.values[v] = operands[0]._replace(shape=shape)
        if operands[0].name is not None:  # an array of one number, whatever the index
            text.values[v] = Value(lambda i: f"{operands[0].name}[0]", shape, of_image, None)
    elif name == "slice" and len(shape) == 1 and op.eqn.params["strides"] in (None, (1,)):
        text.values[v] = _stretch(operands[0], op.eqn.params["start_indices"][0], shape)
    elif (expression := _elementwise(op.eqn)) is not None:
        _write_elementwise(text, v, shape, of_image, expression, operands)
    elif name in MOVED:
        for out, var, read in zip(op.outputs, op.eqn.outvars, MOVED[name](op.eqn, operands), strict=True):
            body = f"{{out}}[i]={read};"
            text.made(out, var.aval.shape, of_image, [nested(var.aval.shape, body)])
    elif name in REDUCED:
        text.made(v, shape, of_image, reduction(op.eqn, operands[0]))
    elif name == "dot_general":
        text.made(v, shape, of_image, product(op.eqn, *operands))
    elif name in PICKED and _of_vector(op.eqn):
        vector, index = text.stored(op.inputs[0]), operands[1]
        text.made(v, shape, of_image, [_filled(shape, lambda i: PICKED[name](op.eqn, vector, index, i))])
    elif name == "concatenate":
        text.made(v, shape, of_image, concatenation(shape, op.eqn.params["dimension"], operands))
    elif name == "stack":
        axis = op.eqn.params["axis"]
        with_axis = [given._replace(shape=(*shape[:axis], 1, *shape[axis + 1 :])) for given in operands]
        text.made(v, shape, of_image, concatenation(shape, axis, with_axis))
    elif name == "iota":
        array = np.asarray(jax.lax.broadcasted_iota(jnp.int32, shape, op.eqn.params["dimension"]))
        text.values[v] = _array(text.constant(array), shape, False)
    else:
        raise Untranslated(f"the operation {name}")


def _elementwise(eqn):
    """A pattern of the operation's text, or None if it is none that goes element by element."""
    name, floats = eqn.primitive.name, jnp.issubdtype(eqn.outvars[0].aval.dtype, jnp.floating)
    rounded = lambda pattern: f"{ROUND}({pattern})" if floats else f"({pattern})"
    if name in ("div", "pow") and not floats:
        raise Untranslated(f"{name} of whole numbers")
    if name in UNARY or name in BINARY:
        return rounded((UNARY | BINARY)[name])
    if name in LOGICAL and eqn.outvars[0].aval.dtype.kind == "b":
        return f"({LOGICAL[name]})"
    if name == "integer_pow":
        return rounded("square({})" if eqn.params["y"] == 2 else f"Math.pow({{}},{eqn.params['y']})")
    if name == "select_n" and len(eqn.invars) == 3:
        return "({0}?{2}:{1})"
    if name == "clamp":
        return "Math.min(Math.max({1},{0}),{2})"
    if name == "convert_element_type":
        return "({}!==0?1:0)" if eqn.outvars[0].aval.dtype.kind == "b" else "Math.trunc({})"
    return None


def _of_vector(eqn):
    """Whether single numbers of a vector are taken, or one part of it: a label's output, above all."""
    if eqn.invars[0].aval.ndim != 1:
        return False
    if eqn.primitive.name == "dynamic_slice":
        return True
    of = eqn.params["dimension_numbers"]
    return (of.collapsed_slice_dims, of.start_index_map, of.offset_dims) == ((0,), (0,), ())


def _gathered(eqn, vector, index, i):
    """Beyond its ends a number is what jax fills in, or the nearest."""
    at, n, mode = index.read(i), eqn.invars[0].aval.size, str(eqn.params["mode"])
    if "FILL" in mode:
        filled = eqn.params["fill_value"]
        return f"({at}>=0&&{at}<{n}?{vector}[{at}]:{_number(np.nan if filled is None else filled)})"
    return f"{vector}[Math.min(Math.max({at},0),{n - 1})]"


def _part(eqn, vector, index, i):
    most = eqn.invars[0].aval.size - eqn.outvars[0].aval.size
    return f"{vector}[Math.min(Math.max({index.read('0')},0),{most})+{i}]"


PICKED = {"gather": _gathered, "dynamic_slice": _part}


def _stretch(vector, start, shape):
    """A part of a vector, read in its place; of one number, whatever the index."""
    place = lambda i: str(start) if shape == (1,) else f"{i}+{start}"
    return Value(lambda i: vector.read(place(i)), shape, vector.of_image, None)


def _truncates(eqn):
    """Whether a conversion makes other numbers: whole ones, or truth values."""
    given, made = eqn.invars[0].aval.dtype.kind, eqn.outvars[0].aval.dtype.kind
    return given != made and (made == "b" or (given == "f" and made in "iu"))


def _write_elementwise(text, v, shape, of_image, pattern, operands):
    """Where it is read once, by something of the same part of the program, it stands there."""
    for k, given in enumerate(operands):
        if math.prod(given.shape) not in (1, math.prod(shape)):  # of length 1 along some axes
            fresh = object()
            text.made(fresh, shape, given.of_image, [nested(shape, f"{{out}}[i]={along(given, range(len(shape)))};")])
            operands[k] = text.values[fresh]
    read = lambda i: pattern.format(*(value.read(i) for value in operands))
    if text.uses[v] == 1 and of_image and v in text.read_in_turn:
        text.values[v] = Value(read, shape, of_image, None)
    else:
        text.made(v, shape, of_image, [_filled(shape, read)])
