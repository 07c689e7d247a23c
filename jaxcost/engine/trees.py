"""Which leaves of a parameter tree move: the floating ones. All others stay as they are.

Models of other libraries hold more than weights: counters, flags, random keys, even functions (an Equinox module
has its activation among its leaves). `split` takes the floating leaves out, so that everything behind it sees
numbers that can be moved, differentiated and compiled; `Fixed.join` puts the whole tree together again.
"""

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks

MOVES, STAYS, STATIC = "moves", "stays", "static"
ARRAYS = jax.Array | np.ndarray | np.generic | jax.ShapeDtypeStruct


@partial(
    jax.tree_util.register_dataclass, data_fields=["arrays"], meta_fields=["static", "kinds", "structure"]
)  # what is no array is part of the program
@dataclass(frozen=True, eq=False)
class Fixed:
    """What of a tree does not move, a pytree that can be passed to jitted functions.

    Attributes:
        arrays: the integer, boolean and key leaves.
        static: the leaves that are no arrays, such as functions; hashable.
        kinds: for each leaf of the tree, one of the three words above.
        structure: of the tree.
    """

    arrays: tuple
    static: tuple
    kinds: tuple[str, ...]
    structure: Any

    def join(self, moving) -> Any:
        """The whole tree, from its floating leaves (any tree of them, in their order).

        Raises:
            ValueError: they are not as many.
        """
        leaves, wanted = jax.tree.leaves(checks.tree("moving", moving)), self.kinds.count(MOVES)
        if len(leaves) != wanted:
            raise ValueError(f"{len(leaves)} floating leaves, {shapes(moving)}; expected {wanted}")
        sources = {MOVES: iter(leaves), STAYS: iter(self.arrays), STATIC: iter(self.static)}
        return self.structure.unflatten([next(sources[kind]) for kind in self.kinds])

    def zeros(self) -> "Fixed":
        """The same for a direction: numbers that do not move are 0 in it."""
        zero = lambda a: a if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else jnp.zeros_like(a)
        return Fixed(tuple(map(zero, self.arrays)), self.static, self.kinds, self.structure)


def split(tree, kept=None) -> tuple[Any, Fixed | None]:
    """The floating leaves of a tree, and the rest.

    Args:
        tree: any pytree.
        kept: the paths (`paths`) of those that shall move alone; None for all.

    Returns:
        `(moving, fixed)`. `moving` is the tree with None in place of all other leaves, its numbers jax arrays; where
        all leaves are floating it has the structure of the tree, and `fixed` is None.

    Raises:
        TypeError: a leaf is complex, or is neither an array of numbers nor hashable.
        ValueError: the tree is nested without end.

    Example:
        >>> moving, fixed = split({"weights": jnp.ones(2), "steps": jnp.array(3)})
        >>> moving["steps"] is None, fixed.join({"weights": jnp.zeros(2)})["steps"].item()
        (True, 3)
    """
    leaves, structure = jax.tree.flatten(checks.tree("the tree", tree))
    kinds = tuple(map(_kind, leaves))
    if kept is not None:
        held = lambda kind, path: STAYS if kind == MOVES and path not in kept else kind
        kinds = tuple(map(held, kinds, paths(tree)))
    of = lambda kind: tuple(leaf for leaf, its in zip(leaves, kinds, strict=True) if its == kind)
    moving = [_as_array(leaf) if kind == MOVES else None for leaf, kind in zip(leaves, kinds, strict=True)]
    if set(kinds) <= {MOVES}:
        return structure.unflatten(moving), None
    return structure.unflatten(moving), Fixed(tuple(map(jnp.asarray, of(STAYS))), of(STATIC), kinds, structure)


def paths(tree) -> list[str]:
    """Where each leaf of a tree is, as text: `.w[0]`."""
    return [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(tree)]


def kept(tree, only=None, without=None, *, name="only") -> list[str]:
    """The paths of the floating leaves of a tree that are chosen.

    Args:
        tree: any pytree.
        only: None for all; or text that is in the path, by whole names, a list of such texts, or a function of a path.
        without: None for none; or which of these are left out, likewise.
        name: what `only` is called where it was given, for errors.

    Raises:
        ValueError: none is left, or a text is in no path; names the paths.

    Example:
        >>> kept({"first": 1.0, "last": 2.0, "last_but_one": 3.0}, only="last")
        ["['last']"]
    """
    among = paths(moving(tree))
    chosen = among if only is None else _chosen(name, only, among)
    held = [] if without is None else _chosen("without", without, among)
    if not (left := [path for path in chosen if path not in held]):
        raise ValueError(f"none of {', '.join(among) or 'no leaves'} is kept, expected one or more")
    return left


def texts(name, which) -> tuple[str, ...] | None:
    """Text, or a list of texts, as a tuple; None as it is.

    Raises:
        ValueError: it is something else.
    """
    found = (which,) if isinstance(which, str) else which
    if which is not None and not (isinstance(found, list | tuple) and found and all(map(_is_text, found))):
        raise ValueError(f"{name}={checks.shown(which)}, expected text of a path, or a list of such texts")
    return None if which is None else tuple(found)


def _is_text(value):
    return isinstance(value, str) and bool(value)


def _chosen(name, which, among):
    """The paths that texts are in, or that a function is true of."""
    if callable(which):
        return [path for path in among if which(path)]
    found = []
    for text in texts(name, which):
        # `last` is not in `last_but_one`
        ends = [r"(?<!\w)" if re.match(r"\w", text) else "", r"(?!\w)" if re.search(r"\w$", text) else ""]
        matched = [path for path in among if re.search(re.escape(text).join(ends), path)]
        if not matched:
            raise ValueError(f"{name}={text!r}, expected text that is in one of {', '.join(among)}")
        found += matched
    return found


def join(fixed, moving) -> Any:
    """`fixed.join(moving)`, or `moving` itself where nothing is fixed."""
    return moving if fixed is None else fixed.join(moving)


def moving(tree) -> Any:
    """The floating leaves of a tree alone: `split(tree)[0]`."""
    return split(tree)[0]


def some(tree, name) -> tuple[Any, Fixed | None]:
    """What `split` gives, of a tree in which something moves.

    Raises:
        ValueError: nothing does.
    """
    moving, fixed = split(tree)
    if not jax.tree.leaves(moving):
        raise ValueError(f"nothing moves in {name}, {shapes(tree)}; expected floating arrays")
    return moving, fixed


def nonzero(directions) -> None:
    """Make sure that each of several directions leads somewhere; of traced ones nothing is known.

    Raises:
        ValueError: a direction is 0, or holds NaN or infinity.

    Example:
        >>> nonzero([{"w": jnp.array([1.0, -2.0]), "b": 0.5}, {"w": jnp.zeros(2), "b": 0.0}])
        Traceback (most recent call last):
        ...
        ValueError: direction 1 has the largest entry 0.0, expected one that is finite and not 0
    """
    found = _largest([moving(direction) for direction in directions])
    for i, size in enumerate([] if isinstance(found, jax.core.Tracer) else found.tolist()):
        if not 0 < size < np.inf:
            raise ValueError(f"direction {i} has the largest entry {size}, expected one that is finite and not 0")


@jax.jit
def _largest(trees):
    of_leaf = lambda leaf: jnp.max(jnp.abs(leaf.astype(float)), initial=0)
    return jnp.array([jnp.max(jnp.array([of_leaf(leaf) for leaf in jax.tree.leaves(tree)])) for tree in trees])


def pick(tree, index) -> Any:
    """`leaf[index]` of every array; leaves that are no arrays stay.

    Raises:
        ValueError: the index is out of range, for which jax would take another, or none.
    """
    arrays = [leaf for leaf in jax.tree.leaves(checks.tree("the tree", tree)) if isinstance(leaf, ARRAYS)]
    try:
        for leaf in arrays:
            np.broadcast_to(False, leaf.shape)[index]
    except (IndexError, TypeError, ValueError) as error:
        raise ValueError(f"index {checks.shown(index)} of {shapes(tree)}, expected one within each") from error
    return jax.tree.map(lambda leaf: leaf[index] if isinstance(leaf, ARRAYS) else leaf, tree)


def shapes(tree) -> str:
    """Shapes and types of a tree's leaves by their paths, for error messages.

    Raises:
        ValueError: the tree is nested without end.
    """
    leaves = jax.tree_util.tree_leaves_with_path(checks.tree("the tree", tree))
    kind = lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if isinstance(leaf, ARRAYS) else type(leaf).__name__
    return ", ".join(f"{jax.tree_util.keystr(path)} {kind(leaf)}" for path, leaf in leaves) or "nothing"


def fitted(tree, like, name, of="the origin") -> Any:
    """The floating leaves of a tree, in the structure and of the types of those of another, of the name `of`.

    Raises:
        ValueError: the two are not alike; names both.
    """
    (found, fixed), (expected, expected_fixed) = split(tree), split(like)
    leaves, wanted = map(jax.tree_util.tree_leaves_with_path, (found, expected))
    alike = lambda leaves, fixed: ([(path, jnp.shape(leaf)) for path, leaf in leaves], fixed and fixed.kinds)
    if alike(leaves, fixed) != alike(wanted, expected_fixed):
        raise ValueError(f"{name} is like {shapes(tree)}; expected it to be like {of}, {shapes(like)}")
    values = [leaf.astype(at.dtype) for (_, leaf), (_, at) in zip(leaves, wanted, strict=True)]
    return jax.tree.structure(expected).unflatten(values)


def _as_array(leaf):
    """A leaf as an array of a type of its own; weak, as a python float is, it would take that of what it meets."""
    if isinstance(leaf, jax.Array) and not jax.typeof(leaf).weak_type:
        return leaf
    return jnp.asarray(leaf, jnp.result_type(leaf))


def _kind(leaf):
    if isinstance(leaf, float):
        return MOVES
    if isinstance(leaf, ARRAYS):
        of = lambda *kinds: any(jnp.issubdtype(leaf.dtype, kind) for kind in kinds)
        if of(jnp.floating):
            return MOVES
        if of(jnp.integer, jnp.bool_, jax.dtypes.prng_key):
            return STAYS
        advice = ": move real and imaginary parts apart" if of(jnp.complexfloating) else ""
        raise TypeError(f"a leaf of type {leaf.dtype}, expected real numbers{advice}")
    if isinstance(leaf, complex):
        raise TypeError("a leaf of type complex, expected real numbers: move real and imaginary parts apart")
    try:
        hash(leaf)
    except TypeError as error:
        raise TypeError(f"a leaf of type {type(leaf).__name__}, expected an array or something hashable") from error
    return STATIC
