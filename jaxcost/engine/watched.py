"""Functions of the parameters that training records, as pytrees that a jitted function can take as arguments."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import jax

from jaxcost.engine import trees


def as_pytrees(watch: Mapping[str, Callable] | None, fixed, moving) -> dict[str, Callable]:
    """The functions to watch, each made one of `(fixed, moving)`, the two parts of the parameters (`trees.split`).

    What a plain function closes over, such as a `Cost` of held-out images, becomes an argument too: as a constant its
    images would be compiled into the program.

    Args:
        watch: functions of `*params`, by name, or None.
        fixed: what does not move.
        moving: the floating leaves.

    Raises:
        ValueError: one is no function.
    """
    return {name: _as_pytree(name, f, fixed, moving) for name, f in dict(watch or {}).items()}


def _as_pytree(name, f, fixed, moving):
    if not callable(f):
        raise ValueError(f"watch[{name!r}] is {f!r}, expected a function of *params")
    if hasattr(f, "fixed"):  # a `cost.Cost`
        return jax.tree_util.Partial(_of_cost, f)
    if not jax.tree_util.all_leaves([f]):  # another pytree, such as a `jax.tree_util.Partial`
        return jax.tree_util.Partial(_on_whole, f)
    # a new function each time: of one that it knows jax keeps the trace, with the arrays that it closed over then
    whole = lambda fixed, moving: _on_whole(f, fixed, moving)
    closed, shapes = jax.make_jaxpr(whole, return_shape=True)(fixed, moving)
    return jax.tree_util.Partial(_Traced(f, closed.jaxpr, jax.tree.structure(shapes)), closed.consts)


def _of_cost(C, fixed, moving):
    return replace(C, fixed=fixed)(*moving)


def _on_whole(f, fixed, moving):
    return f(*trees.join(fixed, moving))


class _Traced:
    """A traced function whose constants are arguments; equal to another of the same function and the same program."""

    def __init__(self, f, jaxpr, structure):
        self.f, self.jaxpr, self.structure = f, jaxpr, structure

    def __call__(self, constants, *arguments):
        return self.structure.unflatten(jax.core.eval_jaxpr(self.jaxpr, constants, *jax.tree.leaves(arguments)))

    def __eq__(self, other):
        if not isinstance(other, _Traced) or self.f is not other.f or str(self.jaxpr) != str(other.jaxpr):
            return False
        held, others = _held(self.jaxpr), _held(other.jaxpr)
        return len(held) == len(others) and all(a is b for a, b in zip(held, others, strict=True))

    def __hash__(self):
        return hash(self.f)


def _held(jaxpr):
    """The arrays that programs within a program hold, which are no arguments and not in its text."""
    found = []
    for eqn in jaxpr.eqns:
        for value in jax.tree.leaves(list(eqn.params.values())):
            if hasattr(value, "eqns"):
                found += [*getattr(value, "consts", ()), *_held(value)]
    return found
