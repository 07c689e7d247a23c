"""What a result is made of, as plain JSON and numbered arrays, and the result made anew from these.

Each form of a value in JSON says by its names what it is:

    null, true, 1, 0.5, "text"                 itself
    {"value": "nan"}                           a number that JSON does not have
    {"array": "array0"}                        an array
    {"raw": "array0", "dtype": "bfloat16"}     an array of a type that numpy does not know, as unsigned integers
    {"key": "array0", "impl": "threefry2x32"}  typed keys of `jax.random`
    {"dict": {}}, {"list": []}, {"tuple": []}
    {"type": "Slice", "fields": {}}            a NamedTuple of this kit
    {"namedtuple": "Cut", "fields": {}}        any other NamedTuple
    {"tree": "MLP", "leaves": {}}              any other pytree, its leaves by their paths
    {"static": "relu"}                         a leaf that is no value, such as a function

Nothing that a structure names is imported: a name is looked up among the NamedTuples of this kit and those
that the caller gives, or becomes a new `collections.namedtuple`.
"""

import collections
import functools
import hashlib
import importlib
import pkgutil
import re
import sys
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

import jaxcost

PLAIN = (str, bool, int, float, type(None))
VALUES = (*PLAIN, np.generic, np.ndarray, jax.Array)


def describe(result: Any) -> tuple[Any, dict[str, np.ndarray]]:
    """The structure of a result, and its arrays by the names that the structure gives them; equal ones are kept once.

    Args:
        result: any nesting of NamedTuples, tuples, lists, dicts, other pytrees, arrays, keys, numbers, text and None.

    Returns:
        `(structure, arrays)`: plain JSON, and arrays of types that numpy knows.

    Raises:
        TypeError: something in the result cannot be described; names its place.

    Example:
        >>> structure, arrays = describe({"ones": np.ones(2), "more": np.ones(2)})
        >>> structure
        {'dict': {'ones': {'array': 'array0'}, 'more': {'array': 'array0'}}}
        >>> {name: array.tolist() for name, array in arrays.items()}
        {'array0': [1.0, 1.0]}
    """
    kept = {}
    structure = _described(result, "result", kept)
    return structure, dict(kept.values())


def rebuild(
    structure: Any,
    arrays: dict[str, np.ndarray],
    *,
    types: Iterable[type] = (),
    tree: Callable = lambda name, leaves: collections.OrderedDict(leaves),
    static: Callable = lambda text: text,
) -> Any:
    """The result of a structure: the inverse of `describe`.

    Args:
        structure: plain JSON, as from `describe`.
        arrays: the arrays that it names. One that it names twice is made read-only.
        types: classes of NamedTuples that it may name.
        tree: what to make of a pytree, a function of its type's name and its leaves, a dict by path in jax's order.
        static: what to make of a leaf that is no value, a function of its text.

    Returns:
        The result.

    Raises:
        ValueError: this is no structure of a result, or the fields of a NamedTuple are not those of its type.
        TypeError: `types` holds something that is no NamedTuple.

    Example:
        >>> rebuild(*describe({"a pair": (1, None), "of keys": jax.random.key(0)}))["a pair"]
        (1, None)
    """
    for kind in (types := tuple(types)):
        if not (isinstance(kind, type) and is_namedtuple(kind)):
            raise TypeError(f"types holds {kind!r}, expected classes of NamedTuples")
    file = _File(arrays, {}, {kind.__name__: kind for kind in types}, tree, static)
    try:
        return _rebuilt(structure, file)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"expected the structure of a result, found {structure} ({error})") from error


def filled(kind: type, fields: dict[str, Any]) -> Any:
    """A NamedTuple of these fields; one that is not among them has its default.

    Raises:
        ValueError: a field without a default is not among them, or one is among them that the type does not know.

    Example:
        >>> filled(collections.namedtuple("Cut", "depth width", defaults=[1.0]), {"depth": 0.5})
        Cut(depth=0.5, width=1.0)
    """
    lacking = [field for field in kind._fields if field not in {*fields, *kind._field_defaults}]
    unknown = [field for field in fields if field not in kind._fields]
    if lacking or unknown:
        found = " and ".join([f"no {field}" for field in lacking] + [f"an unknown {field}" for field in unknown])
        raise ValueError(f"expected the fields {', '.join(kind._fields)} of {kind.__name__}, found {found}")
    return kind(**fields)


def static_text(leaf: Any) -> str:
    """A leaf that is no value as text, the same in another process: no address, no enclosing function.

    Example:
        >>> static_text(jax.nn.relu), static_text(slice(2))
        ('relu', 'slice(None, 2, None)')
    """
    return getattr(leaf, "__name__", None) or re.sub(r"(?: at )?0x[0-9a-f]+", "", repr(leaf))


def is_namedtuple(kind: type) -> bool:
    """Whether a class is a NamedTuple.

    Example:
        >>> is_namedtuple(tuple), is_namedtuple(collections.namedtuple("Cut", "depth"))
        (False, True)
    """
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


# the structure of a result


def _described(value, place, kept):
    """The structure of a value; its arrays go into `kept`."""
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, PLAIN):
        return {"value": repr(value)} if isinstance(value, float) and not np.isfinite(value) else value
    if isinstance(value, np.ndarray | jax.Array):
        return _described_array(value, place, kept)
    kind = type(value)
    if is_namedtuple(kind):
        try:
            _made(kind.__name__, kind._fields)
        except ValueError as error:  # a field of `namedtuple(rename=True)`
            raise TypeError(f"{place} is a {kind.__name__} that would not come back: {error}") from error
        fields = {name: _described(getattr(value, name), f"{place}/{name}", kept) for name in kind._fields}
        return {"type" if _ours(kind) else "namedtuple": kind.__name__, "fields": fields}
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"dict": {name: _described(item, f"{place}/{name}", kept) for name, item in value.items()}}
    if kind in (tuple, list):
        return {kind.__name__: [_described(item, f"{place}/{i}", kept) for i, item in enumerate(value)]}
    return _described_tree(value, place, kept)


def _described_array(value, place, kept):
    """The name of an array, which is kept once however often an equal one occurs."""
    form, more = "array", {}
    if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
        form, more, value = "key", {"impl": str(jax.random.key_impl(value))}, jax.random.key_data(value)
    array = np.asarray(value)
    if _beyond_numpy(array.dtype.name) is not None:
        form, more, array = "raw", {"dtype": array.dtype.name}, array.view(f"u{array.dtype.itemsize}")
    if array.dtype.type.__module__ != "numpy" or array.dtype.hasobject:
        raise TypeError(f"{place} is an array of {array.dtype}, expected numbers, truth values, text or keys")
    mark = (array.dtype, array.shape, hashlib.sha256(array.tobytes()).digest())
    name, _ = kept.setdefault(mark, (f"array{len(kept)}", array))
    return {form: name, **more}


def _described_tree(value, place, kept):
    """A pytree by its leaves, each under its path."""
    name = type(value).__name__
    try:
        leaves = [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(value)]
    except ValueError as error:  # a dict whose keys have no order
        raise TypeError(f"{place} is a {name} that is no pytree: {error}") from error
    if len(leaves) == 1 and leaves[0][1] is value:
        raise TypeError(f"{place} is a {name}, expected a NamedTuple, dict, list, array or another pytree")
    if len(dict(leaves)) < len(leaves):
        raise TypeError(f"{place} is a {name} with two leaves of one path, among {', '.join(dict(leaves))}")
    form = lambda path, x: _described(x, place + path, kept) if isinstance(x, VALUES) else {"static": static_text(x)}
    return {"tree": name, "leaves": {path: form(path, leaf) for path, leaf in leaves}}


# the result of a structure


class _File(NamedTuple):
    """What a structure is rebuilt from and with."""

    arrays: dict[str, np.ndarray]
    made: dict[tuple, Any]  # of the arrays, so far
    types: dict[str, type]
    tree: Callable
    static: Callable


def _rebuilt(text, file):
    """A value from its structure."""
    if isinstance(text, PLAIN):
        return text
    again = lambda item: _rebuilt(item, file)
    match sorted(text.items()) if isinstance(text, dict) else None:
        case [("value", ("nan" | "inf" | "-inf") as number)]:
            return float(number)
        case [("array", str(name))]:
            return _array(name, file)
        case [("dtype", str(dtype)), ("raw", str(name))]:
            return _array(name, file, dtype=dtype)
        case [("impl", str(impl)), ("key", str(name))]:
            return _array(name, file, impl=impl)
        case [("dict", dict(items))]:
            return {name: again(item) for name, item in items.items()}
        case [("list", list(items))]:
            return [again(item) for item in items]
        case [("tuple", list(items))]:
            return tuple(again(item) for item in items)
        case [("fields", dict(fields)), (("type" | "namedtuple") as form, str(name))]:
            kind = _class(form, name, tuple(fields), file.types)
            return filled(kind, {field: again(item) for field, item in fields.items()})
        case [("leaves", dict(leaves)), ("tree", str(name))]:
            return file.tree(name, {path: again(leaf) for path, leaf in leaves.items()})
        case [("static", str(name))]:
            return file.static(name)
    raise ValueError(f"expected the structure of a result, found {text}")


def _array(name, file, *, dtype=None, impl=None):
    """An array of the file. A second use makes it read-only, lest a number written in one place change another."""
    mark = (name, dtype, impl)
    if mark in file.made and impl is None:
        file.made[mark].flags.writeable = False
    if mark in file.made:
        return file.made[mark]
    if name not in file.arrays:
        raise ValueError(f"expected an array {name}, found {sorted(file.arrays)}")
    array = file.arrays[name]
    if dtype is not None:
        kind = _beyond_numpy(dtype)
        if kind is None or array.dtype != f"u{kind.itemsize}":
            raise ValueError(f"expected a type of ml_dtypes as unsigned integers, found {dtype} as {array.dtype}")
        array = array.view(kind).copy()  # its own memory, should the unsigned integers be a result too
    if impl is not None:
        array = jax.random.wrap_key_data(jnp.array(array), impl=impl)
    file.made[mark] = array
    return array


def _beyond_numpy(name):
    """The type of this name that numpy does not know but jax does, such as bfloat16; None if there is none."""
    kind = getattr(ml_dtypes, name, None)
    return np.dtype(kind) if isinstance(kind, type) and issubclass(kind, np.generic) else None


def _class(form, name, fields, types):
    """The NamedTuple of a name. Older files name the room before it, where it may no longer be."""
    last = name.rpartition(".")[2] if name.startswith("jaxcost.") else name
    if last in types:
        return types[last]
    if form == "namedtuple":
        return _made(name, fields)
    if last not in _kit():
        raise ValueError(f"expected a result type of this kit, found {name}; `types` may give one of that name")
    return _kit()[last]


@functools.cache
def _made(name, fields):
    """A new NamedTuple, the same one for the same name and fields, so that results of two files are alike."""
    try:
        return collections.namedtuple(name, fields, module="a_file")  # no room of the kit: it may be saved again
    except ValueError as error:
        raise ValueError(f"expected a NamedTuple, found {name} of the fields {fields}: {error}") from error


@functools.cache
def _kit():
    """The public NamedTuples of all rooms but `plot`, by name; imports the rooms when a file names the first."""
    rooms = [room.name for room in pkgutil.walk_packages(jaxcost.__path__, "jaxcost.") if room.name != "jaxcost.plot"]
    members = [member for room in rooms for member in vars(importlib.import_module(room)).values()]
    return {kind.__name__: kind for kind in members if isinstance(kind, type) and is_namedtuple(kind) and _ours(kind)}


def _ours(kind):
    """Whether a NamedTuple is a public one of a room of this kit, to be found there by its name."""
    room, name = sys.modules.get(kind.__module__), kind.__name__
    return kind.__module__.startswith("jaxcost.") and name[:1] != "_" and getattr(room, name, None) is kind
