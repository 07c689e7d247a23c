"""Which leaves of a parameter tree move: the floating ones. All others stay as they are.

Models of other libraries hold more than weights: counters, flags, random keys, even functions (an Equinox module
has its activation among its leaves). `split` takes the floating leaves out, so that everything behind it sees
numbers that can be moved, differentiated and compiled; `Fixed.join` puts the whole tree together again.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

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
        """The whole tree, from its floating leaves (any tree of them, in their order)."""
        sources = {MOVES: iter(jax.tree.leaves(moving)), STAYS: iter(self.arrays), STATIC: iter(self.static)}
        return self.structure.unflatten([next(sources[kind]) for kind in self.kinds])

    def zeros(self) -> "Fixed":
        """The same for a direction: numbers that do not move are 0 in it."""
        zero = lambda a: a if jnp.issubdtype(a.dtype, jax.dtypes.prng_key) else jnp.zeros_like(a)
        return Fixed(tuple(map(zero, self.arrays)), self.static, self.kinds, self.structure)


def split(tree) -> tuple[Any, Fixed | None]:
    """The floating leaves of a tree, and the rest.

    Returns:
        `(moving, fixed)`. `moving` is the tree with None in place of all other leaves, its numbers jax arrays; where
        all leaves are floating it has the structure of the tree, and `fixed` is None.

    Raises:
        TypeError: a leaf is complex, or is neither an array nor hashable.

    Example:
        >>> moving, fixed = split({"weights": jnp.ones(2), "steps": jnp.array(3)})
        >>> moving["steps"] is None, fixed.join({"weights": jnp.zeros(2)})["steps"].item()
        (True, 3)
    """
    leaves, structure = jax.tree.flatten(tree)
    kinds = tuple(map(_kind, leaves))
    of = lambda kind: tuple(leaf for leaf, its in zip(leaves, kinds, strict=True) if its == kind)
    moving = [_as_array(leaf) if kind == MOVES else None for leaf, kind in zip(leaves, kinds, strict=True)]
    if set(kinds) <= {MOVES}:
        return structure.unflatten(moving), None
    return structure.unflatten(moving), Fixed(tuple(map(jnp.asarray, of(STAYS))), of(STATIC), kinds, structure)


def join(fixed, moving) -> Any:
    """`fixed.join(moving)`, or `moving` itself where nothing is fixed."""
    return moving if fixed is None else fixed.join(moving)


def moving(tree) -> Any:
    """The floating leaves of a tree alone: `split(tree)[0]`."""
    return split(tree)[0]


def pick(tree, index) -> Any:
    """`leaf[index]` of every array; leaves that are no arrays stay."""
    return jax.tree.map(lambda leaf: leaf[index] if isinstance(leaf, ARRAYS) else leaf, tree)


def shapes(tree) -> str:
    """Shapes and types of a tree's leaves by their paths, for error messages."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    kind = lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if isinstance(leaf, ARRAYS) else type(leaf).__name__
    return ", ".join(f"{jax.tree_util.keystr(path)} {kind(leaf)}" for path, leaf in leaves) or "nothing"


def fitted(tree, like, name) -> Any:
    """The floating leaves of a tree, in the structure and of the types of those of another.

    Raises:
        ValueError: the two are not alike; names both.
    """
    (found, fixed), (expected, expected_fixed) = split(tree), split(like)
    leaves, wanted = map(jax.tree_util.tree_leaves_with_path, (found, expected))
    alike = lambda leaves, fixed: ([(path, jnp.shape(leaf)) for path, leaf in leaves], fixed and fixed.kinds)
    if alike(leaves, fixed) != alike(wanted, expected_fixed):
        raise ValueError(f"{name} is like {shapes(tree)}; expected it to be like the origin, {shapes(like)}")
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
    kind = lambda of: isinstance(leaf, ARRAYS) and jnp.issubdtype(leaf.dtype, of)
    if isinstance(leaf, complex) or kind(jnp.complexfloating):
        found = getattr(leaf, "dtype", "complex")
        raise TypeError(f"a leaf of type {found}, expected real numbers: move real and imaginary parts apart")
    if isinstance(leaf, ARRAYS):
        return MOVES if kind(jnp.floating) else STAYS
    try:
        hash(leaf)
    except TypeError as error:
        raise TypeError(f"a leaf of type {type(leaf).__name__}, expected an array or something hashable") from error
    return STATIC
