"""A traced program, run with every float that moves as float64: what it would say if nothing were rounded.

A model traced again in float64 would be another program: its random numbers would be others and so would its
constants, and where it says `astype(jnp.float16)` it would round as before. Here the program that was traced, with the
model's own types, is run operation by operation:

- What does not depend on the arguments that move is computed as it stands, in its own type: images cast to few bits,
  random draws, masks. It is the same at all points of a slice, and no noise along it.
- What does is computed in float64. Conversions to a narrower type leave it as it is.
- Conversion to whole numbers, `round`, `floor` and `sign` are part of the function, stairs that are meant, and stay.
- What can not be had in float64 (a callback, a pattern of bits, a kernel written for one type) is computed in its own
  type, and said to be.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
from jax import lax
from jax.extend import core, source_info_util

from jaxcost.engine.batching import INLINED, bind, flattened

RULES = {"custom_jvp_call", "custom_vjp_call"}  # programs with rules for derivatives, which nobody asks for here
OWN_TYPE = {"random_gamma", "rng_uniform", "nextafter"}  # would be other numbers in another type
OF_TWO = {  # hold a program that makes one number of two
    "reduce", "reduce_window", "scatter", "scatter-add", "scatter-sub", "scatter-mul", "scatter-min", "scatter-max",
}  # fmt: skip
MOVED = str(Path(__file__).parents[1] / "directions.py:")  # where parameters are given their type at a point


@jax.tree_util.register_static
@dataclass(frozen=True)
class Notes:
    """What is to be said of a program, a part of its structure: it costs nothing to hand on.

    Attributes:
        narrowed: where the program rounds what moves to a narrower type, a line each.
        kept: where what moves is not computed in float64, a line each.
    """

    narrowed: tuple[str, ...]
    kept: tuple[str, ...]


def widened(closed, moving) -> Callable:
    """The program in float64.

    Args:
        closed: a closed jaxpr.
        moving: for each of its arguments, whether it moves.

    Returns:
        `run(*arguments) -> (results, notes)`, to be traced where float64 is enabled. Arguments may be wider than the
        program says: what does not move is then narrowed where an operation takes it.

    Example:
        >>> f = lambda s: s.astype(jnp.float16).astype(jnp.float32) * 2
        >>> closed = jax.make_jaxpr(f)(jnp.float32(0))
        >>> with jax.enable_x64(True):
        ...     (exact,), notes = widened(closed, [True])(jnp.float64(0.1))
        >>> float(f(jnp.float32(0.1))), float(exact)
        (0.199951171875, 0.2)
        >>> notes.narrowed[0].split(" (")[0]
        'convert_element_type makes float16 of float32'
    """

    def run(*arguments):
        said = {"narrowed": [], "kept": []}
        results, _ = _run(said, closed, arguments, moving)
        return results, Notes(**{name: tuple(dict.fromkeys(lines)) for name, lines in said.items()})

    return run


def _run(said, closed, arguments, moving):
    """The results of a program, those that move as float64, and of each whether it moves."""
    closed = closed if hasattr(closed, "consts") else core.ClosedJaxpr(closed, ())
    program, inputs, outputs = flattened(closed, INLINED | RULES)
    values = dict(zip(inputs, arguments, strict=True))
    moves = {v for v, yes in zip(inputs, moving, strict=True) if yes}
    value = lambda v: values[v] if isinstance(v, int) else _literal(v)
    for op in _living(program, outputs):
        given = [value(v) for v in op.inputs]
        if moves.isdisjoint(v for v in op.inputs if isinstance(v, int)):
            found = _as_it_stands(op.eqn, given)
        else:
            found = _in_float64(said, op.eqn, given, [isinstance(v, int) and v in moves for v in op.inputs])
            moves |= set(op.outputs)
        values |= dict(zip(op.outputs, found, strict=True))
    yes = [isinstance(v, int) and v in moves for v in outputs]
    return [_wide(value(v)) if moved else value(v) for v, moved in zip(outputs, yes, strict=True)], yes


def _living(program, outputs):
    """The operations that the results depend on, and those that do something: what nobody reads rounds nothing."""
    wanted, living = {v for v in outputs if isinstance(v, int)}, []
    for op in reversed(program):
        if op.eqn.effects or not wanted.isdisjoint(op.outputs):
            living.append(op)
            wanted |= {v for v in op.inputs if isinstance(v, int)}
    return living[::-1]


def _as_it_stands(eqn, given):
    return bind(eqn, *(_in(a, v.aval.dtype) for a, v in zip(given, eqn.invars, strict=True)))


def _in_float64(said, eqn, given, moving):
    """One operation of what moves."""
    name, params = eqn.primitive.name, eqn.params
    if name in WHOLE:
        return WHOLE[name](said, eqn, given, moving)
    floats = [v.aval.dtype for v, yes in zip(eqn.invars, moving, strict=True) if yes and _is_float(v.aval.dtype)]
    said["narrowed"] += _narrowing(eqn, floats)
    if name == "reduce_precision":
        return [_wide(given[0])]
    known = name in OF_TWO or not list(core.jaxprs_in_params(params))
    expected = [(v.aval.shape, _wide_type(v.aval.dtype)) for v in eqn.outvars]
    try:
        possible = known and name not in OWN_TYPE and not eqn.effects
        found = bind(eqn, *map(_wide, given), **_wide_params(params)) if possible else []
    except (TypeError, ValueError, NotImplementedError):
        found = []
    if [(a.shape, a.dtype) for a in found] == expected:
        return found
    if floats and eqn.outvars:
        said["kept"].append(f"{name} in {_widest(floats)}{_where(eqn)}")
    return list(map(_wide, _as_it_stands(eqn, given)))


def _narrowing(eqn, floats):
    """What the operation rounds to a type of fewer bits, as a line; none if it does not."""
    name, params = eqn.primitive.name, eqn.params
    if not floats or list(core.jaxprs_in_params(params)):
        return []
    given, bits = _widest(floats), lambda dtype: jnp.finfo(dtype).nmant
    made = [v.aval.dtype for v in eqn.outvars if _is_float(v.aval.dtype) and bits(v.aval.dtype) < bits(given)]
    of = [f"makes {dtype} of {given}" for dtype in made]
    if name == "reduce_precision" and params["mantissa_bits"] < bits(given):
        of.append(f"leaves {params['mantissa_bits']} bits of {given}'s {bits(given)}")
    if isinstance(params.get("precision"), ALGORITHMS) and "F64" not in str(params["precision"]):
        of.append(f"computes by {params['precision']}")
    return [f"{name} {line}{_where(eqn)}" for line in of]


def _where(eqn):
    """File and line of the model, where known."""
    place = source_info_util.summarize(eqn.source_info)
    if place.startswith(MOVED):
        return " (the parameters' own type)"
    place = place.split("/")[-1].split(" ")[0]
    return f" ({place})" if ":" in place else ""


# -- programs within ------------------------------------------------------------------------------------


def _scan(said, eqn, given, moving):
    """Everything that is carried moves if anything does."""
    params = eqn.params
    body = params["jaxpr"]
    inner = getattr(body, "jaxpr", body)
    same_rank = lambda outer, within: [a.aval.ndim == b.aval.ndim for a, b in zip(outer, within, strict=True)]
    carried = sum(same_rank(eqn.outvars, inner.outvars))
    consts = sum(same_rank(eqn.invars, inner.invars)) - carried
    flags = [yes or consts <= i < consts + carried for i, yes in enumerate(moving)]

    def step(carry, x):
        found, _ = _run(said, body, (*given[:consts], *carry, *x), flags)
        return list(map(_wide, found[:carried])), found[carried:]

    carry, rest = list(map(_wide, given[consts : consts + carried])), given[consts + carried :]
    carry, stacked = lax.scan(step, carry, rest, params["length"], params["reverse"], params["unroll"])
    return carry + stacked


def _while(said, eqn, given, moving):
    """Everything that is carried moves if anything does."""
    params = eqn.params
    n_cond, n_body = params["cond_nconsts"], params["body_nconsts"]
    first = n_cond + n_body
    of_cond, of_body, carry = given[:n_cond], given[n_cond:first], list(map(_wide, given[first:]))
    everything = [True] * len(carry)

    def goes_on(carry):
        return _run(said, params["cond_jaxpr"], (*of_cond, *carry), moving[:n_cond] + everything)[0][0]

    def step(carry):
        found, _ = _run(said, params["body_jaxpr"], (*of_body, *carry), moving[n_cond:first] + everything)
        return list(map(_wide, found))

    return lax.while_loop(goes_on, step, carry)


def _cond(said, eqn, given, moving):
    branch = lambda program: lambda *given: list(map(_wide, _run(said, program, given, moving[1:])[0]))
    return lax.switch(given[0], [branch(program) for program in eqn.params["branches"]], *given[1:])


def _linear_solve(said, eqn, given, moving):
    """By the solver that it was given."""
    lengths, program = eqn.params["const_lengths"], eqn.params["jaxprs"].solve
    start = lengths.matvec + lengths.vecmat
    used = [*range(start, start + lengths.solve), *range(sum(lengths), len(given))]
    return list(map(_wide, _run(said, program, [given[i] for i in used], [moving[i] for i in used])[0]))


WHOLE = {"scan": _scan, "while": _while, "cond": _cond, "custom_linear_solve": _linear_solve}


# -- types ----------------------------------------------------------------------------------------------


ALGORITHMS = lax.DotAlgorithm, lax.DotAlgorithmPreset


def _is_float(dtype):
    return jnp.issubdtype(dtype, jnp.floating)


def _widest(dtypes):
    return max(dtypes, key=lambda dtype: jnp.finfo(dtype).nmant)


def _wide_type(dtype):
    if _is_float(dtype):
        return jnp.dtype(jnp.float64)
    return jnp.dtype(jnp.complex128) if jnp.issubdtype(dtype, jnp.complexfloating) else dtype


def _wide(value):
    return _in(value, _wide_type(value.dtype))


def _in(value, dtype):
    return value if value.dtype == dtype else lax.convert_element_type(value, dtype)


def _wide_params(params):
    """The types among them as float64, products by all bits, and what makes one number of two (`OF_TWO`) likewise."""
    made = {}
    for name, value in params.items():
        if isinstance(value, jnp.dtype):
            made[name] = _wide_type(value)
        if isinstance(value, ALGORITHMS):
            made[name] = lax.Precision.HIGHEST
        if isinstance(value, core.Jaxpr | core.ClosedJaxpr):
            made[name] = _wide_program(value)
    return made


def _wide_program(program):
    """A program of numbers that all move."""
    numbers = getattr(program, "jaxpr", program).invars
    shapes = [jax.ShapeDtypeStruct(v.aval.shape, _wide_type(v.aval.dtype)) for v in numbers]
    run = lambda *numbers: _run({"narrowed": [], "kept": []}, program, numbers, [True] * len(numbers))[0]
    made = jax.make_jaxpr(run)(*shapes)
    return made if isinstance(program, core.ClosedJaxpr) else made.jaxpr


def _literal(v):
    """A number written in the program, or what the model closes over."""
    return v.val if isinstance(v.val, jax.Array) else jnp.asarray(v.val, v.aval.dtype)
