"""What a caller gives, checked: a refusal names the argument, what was found and what was expected."""

import math
import operator
import os
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

DEEPEST = 100  # levels of a tree; jax loses count of the interpreter's at 500 or so
MOST = 2**31 - 1  # of what is counted in 32 bits


def whole(name, value, least=1, most=None) -> int:
    """A whole number, at least `least`, and `most` at most; None for no end. A float is none, however round.

    Raises:
        ValueError: it is something else; names it.

    Example:
        >>> whole("steps", np.int64(3))
        3
        >>> whole("steps", 1e2)
        Traceback (most recent call last):
        ...
        ValueError: steps=100.0, expected a whole number, 1 or more
    """
    try:
        found = None if isinstance(value, bool | np.bool_) or np.ndim(value) else operator.index(value)
    except (TypeError, ValueError, RecursionError):
        found = None
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    if found is None or not low <= found <= high:
        ends = "" if least is None else f", {least} or more" if most is None else f", {least} to {most}"
        raise ValueError(f"{name}={shown(value)}, expected a whole number{ends}")
    return found


def number(name, value, low=-math.inf, high=math.inf, *, above=False, below=False) -> float:
    """A finite number in [low, high]; with `above` larger than low, with `below` smaller than high.

    Raises:
        ValueError: it is something else; names it.

    Example:
        >>> number("confidence", 95, 0, 1, above=True, below=True)
        Traceback (most recent call last):
        ...
        ValueError: confidence=95, expected a number in (0, 1)
    """
    try:
        found = math.nan if isinstance(value, str | bytes | bool | np.bool_) or np.ndim(value) else float(value)
    except (TypeError, ValueError, OverflowError, RecursionError):
        found = math.nan
    if not math.isfinite(found) or not low <= found <= high or (above and found == low) or (below and found == high):
        left, right = "(" if above or low == -math.inf else "[", ")" if below or high == math.inf else "]"
        raise ValueError(f"{name}={shown(value)}, expected a number in {left}{low:g}, {high:g}{right}")
    return found


def numbers(name, value, ndim=None, *, finite=False) -> np.ndarray:
    """Real numbers as a float64 array, of a number of axes if one is wanted.

    Raises:
        ValueError: it is something else; names it.

    Example:
        >>> numbers("draws", [1, 2], 1).tolist()
        [1.0, 2.0]
    """
    try:
        array = np.asarray(None if isinstance(value, bool) or hasattr(value, "_fields") else value)
        found = array.astype(np.float64) if _is_real(array) else None
    except (TypeError, ValueError, OverflowError, RecursionError):  # ragged, or not to be made an array of
        found = None
    shape = {None: "", 0: ", one alone", 1: ", a list of them", 2: ", a table of them"}.get(ndim, f", of {ndim} axes")
    if found is None or (ndim is not None and found.ndim != ndim):
        raise ValueError(f"{name}={shown(value)}, expected real numbers{shape}")
    if finite and not np.isfinite(found).all():
        bad = np.sum(~np.isfinite(found))
        raise ValueError(f"{name} of shape {found.shape}, {bad} not finite; expected all finite")
    return found


def real(name, value) -> Any:
    """Real numbers as they are, an array of numpy or jax, traced or not; anything else as `numbers` makes it.

    Raises:
        ValueError: it is something else; names it.

    Example:
        >>> real("a", jnp.arange(3)).dtype.name
        'int32'
    """
    if not isinstance(value, jax.Array | np.ndarray | np.generic):
        return numbers(name, value)
    if not _is_real(value):
        raise ValueError(f"{name}={shown(value)}, expected real numbers")
    return value


def one_of(name, value, allowed) -> Any:
    """One of some values.

    Raises:
        ValueError: it is none of them; names them.
    """
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise ValueError(f"{name}={shown(value)}, expected one of {', '.join(map(repr, allowed))}")
    return value


def flag(name, value) -> bool:
    """True or False: of anything else Python would make one of them.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, bool | np.bool_):
        raise ValueError(f"{name}={shown(value)}, expected True or False")
    return bool(value)


def function(name, value) -> Any:
    """Something to call, that can be told from others by its hash, as jax does.

    Raises:
        ValueError: it is something else.
    """
    if not callable(value):
        raise ValueError(f"{name}={shown(value)}, expected a function")
    try:
        hash(value)
    except TypeError as error:
        raise ValueError(f"{name}={shown(value)} has no hash, expected a function that has one") from error
    return value


def listed(name, value) -> list | tuple:
    """A list or tuple of one thing or more.

    Raises:
        ValueError: it is something else, or empty.
    """
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(f"{name}={shown(value)}, expected a list or tuple, one or more in it")
    return value


def having(name, value, *attributes) -> Any:
    """A result of the kit, or what stands for one: anything with these attributes, none of them None.

    Raises:
        ValueError: it has them not.
    """
    missing = [one for one in attributes if isinstance(value, type) or getattr(value, one, None) is None]
    if missing:
        raise ValueError(f"{name}={shown(value)}, expected something with {', '.join(missing)}")
    return value


def key(name, value, ndim=0) -> jax.Array:
    """A `jax.random.key`, or an array of keys with so many axes, none of length 0.

    Raises:
        ValueError: it is something else, an old key of plain numbers among them.

    Example:
        >>> key("key", 0)
        Traceback (most recent call last):
        ...
        ValueError: key=0, expected a jax.random.key
    """
    kind = "a jax.random.key" if not ndim else "keys of jax.random.split, one or more"
    is_key = isinstance(value, jax.Array) and jnp.issubdtype(value.dtype, jax.dtypes.prng_key)
    if not is_key or value.ndim != ndim or 0 in value.shape:
        raise ValueError(f"{name}={shown(value)}, expected {kind}")
    return value


def chosen(which, n, name) -> Any:
    """What chooses some of n things, a slice, a mask or a list of indices, if it would of an array of numpy.

    Jax takes an index out of range for another one.

    Raises:
        TypeError: it is one number.
        ValueError: it is none of these, a mask of another length, or an index is out of range.

    Example:
        >>> chosen([0, 99], 12, "images")
        Traceback (most recent call last):
        ...
        ValueError: images[[0, 99]] of 12, expected a slice, a mask [12] or a list of indices from -12 to 11
    """
    if isinstance(which, int | np.integer) and not isinstance(which, bool):
        raise TypeError(f"{name}[{which}] is one of {n} and no set of them, expected {name}[[{which}]]")
    if isinstance(which, jax.core.Tracer):
        return which
    try:
        found = np.arange(n)[np.asarray(which) if isinstance(which, jax.Array) else which].ndim
    except (IndexError, TypeError, ValueError, RecursionError):
        found = None
    if found != 1:
        expected = f"a slice, a mask [{n}] or a list of indices from {-n} to {n - 1}"
        raise ValueError(f"{name}[{shown(which)}] of {n}, expected {expected}")
    return np.asarray(which, None if which else int) if isinstance(which, list) else which


def images(value) -> Any:
    """Images: x and y, each an array or a tree of them, of as many images.

    Raises:
        ValueError: they are something else.
    """
    if not hasattr(value, "x") or not hasattr(value, "y"):
        raise ValueError(f"images={shown(value)}, expected data.Images, or another pytree with x and y")
    leaves = jax.tree.leaves(tree("images", (value.x, value.y)))
    numbers = lambda leaf: isinstance(leaf, np.ndarray) and (_is_real(leaf) or leaf.dtype.kind == "c")
    arrays = all(isinstance(leaf, jax.Array | jax.ShapeDtypeStruct) or numbers(leaf) for leaf in leaves)
    if not arrays or len({leaf.shape[:1] for leaf in leaves} - {()}) != 1 or not all(leaf.shape for leaf in leaves):
        shapes = ", ".join(map(shown, leaves))
        raise ValueError(f"images of {shapes or 'nothing'}; expected arrays, the first axis of each one of the images")
    return value


def classes(y) -> int:
    """Number of classes of desired outputs, one-hot `[n, classes]` or labels `[n]`: one more than the largest label.

    A label below 0 is of no class. Of images over several processes each sees to the rows that it holds; of traced
    ones only the shape is known, and of their labels 0 classes.

    Raises:
        ValueError: they are neither.

    Example:
        >>> classes(np.eye(3)), classes(np.array([3, 7]))
        (3, 8)
    """
    y = real("desired outputs", y)
    traced = isinstance(y, jax.core.Tracer)
    if y.ndim == 1 and jnp.issubdtype(y.dtype, jnp.integer):
        return 0 if traced or not len(y) else int(y.max()) + 1
    parts = [] if traced else [part.data for part in y.addressable_shards] if isinstance(y, jax.Array) else [y]
    ones = lambda rows: (((rows == 1).sum(1) == 1) & ((rows != 0).sum(1) == 1)).all()
    if y.ndim != 2 or not all(ones(np.asarray(part)) for part in parts):
        rows = ", its rows not one 1 and else 0" if y.ndim == 2 else ""
        expected = "one-hot [n, classes] or whole labels [n]"
        raise ValueError(f"classes of desired outputs {y.dtype}{list(y.shape)}{rows}, expected {expected}")
    return y.shape[1]


def path(name, value) -> Path:
    """The path of a file or folder, from text or a path.

    Raises:
        ValueError: it is something else, or empty.
    """
    if not isinstance(value, str | os.PathLike) or not str(value) or "\0" in str(value):
        raise ValueError(f"{name}={shown(value)}, expected a path")
    return Path(value)


def tree(name, value) -> Any:
    """A tree of lists, tuples and dicts that is not nested without end.

    Raises:
        ValueError: it is.

    Example:
        >>> tree("params", ([1.0], {"b": 2.0}))
        ([1.0], {'b': 2.0})
    """
    level = [value]
    for _ in range(DEEPEST):
        nodes = {id(node): node for node in level if isinstance(node, list | tuple | dict)}.values()
        level = [child for node in nodes for child in (node.values() if isinstance(node, dict) else node)]
        if not level:
            return value
    raise ValueError(f"{name}={shown(value)}, expected a tree of {DEEPEST} levels at most")


def shown(value) -> str:
    """A value for an error message, on one line: of an array its type and shape, of anything long its beginning."""
    try:
        if isinstance(value, jax.Array | np.ndarray) and value.ndim:
            return f"{value.dtype}{list(value.shape)}"
        text = " ".join(repr(value).split())
    except Exception:  # what is nested too deep, or cannot say what it is
        text = f"a {type(value).__name__}"
    return text if len(text) <= 80 else f"{text[:77]}..."


def _is_real(array):
    kinds = jnp.floating, jnp.integer, jnp.bool_
    return any(jnp.issubdtype(array.dtype, kind) for kind in kinds)
