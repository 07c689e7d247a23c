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

Nothing that a structure names is imported (`kinds`).
"""

import collections
import hashlib
import re
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np

from jaxcost import checks
from jaxcost.engine import kinds

PLAIN = (str, bool, int, float, type(None))
VALUES = (*PLAIN, np.generic, np.ndarray, jax.Array)
DEEPEST = 100  # levels of a result; python itself, which takes several calls a level, gives up at a few hundred
BITS = 14_000  # of a whole number, 4,200 digits: of longer ones python writes no text


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
    structure = _described(result, "result", 0, kept)
    return structure, dict(kept.values())


def rebuild(
    structure: Any,
    arrays: dict[str, np.ndarray],
    *,
    types: list | tuple = (),
    tree: Callable = lambda name, leaves: collections.OrderedDict(leaves),
    static: Callable = lambda text: text,
) -> Any:
    """The result of a structure: the inverse of `describe`.

    Args:
        structure: plain JSON, as from `describe`.
        arrays: the arrays that it names. One that it names twice is made read-only.
        types: a list or tuple of classes of NamedTuples that it may name.
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
    if not isinstance(types, list | tuple):
        raise TypeError(f"types={checks.shown(types)}, expected a list or tuple of classes of NamedTuples")
    for kind in types:
        if not (isinstance(kind, type) and kinds.is_namedtuple(kind)):
            raise TypeError(f"types holds {checks.shown(kind)}, expected classes of NamedTuples")
    file = _File(arrays, {}, {kind.__name__: kind for kind in types}, tree, static)
    try:
        return _rebuilt(structure, file)
    except RecursionError as error:
        raise ValueError(f"expected the structure of a result, at most {DEEPEST} deep, found a deeper one") from error
    except (TypeError, AttributeError) as error:
        raise ValueError(f"expected the structure of a result, found {checks.shown(structure)} ({error})") from error


def static_text(leaf: Any) -> str:
    """A leaf that is no value as text, the same in another process: no address, no enclosing function.

    Example:
        >>> static_text(jax.nn.relu), static_text(slice(2))
        ('relu', 'slice(None, 2, None)')
    """
    return getattr(leaf, "__name__", None) or re.sub(r"(?: at )?0x[0-9a-f]+", "", repr(leaf))


# the structure of a result


def _described(value, place, depth, kept):
    """The structure of a value so many levels deep; its arrays go into `kept`."""
    if depth > DEEPEST:
        raise TypeError(f"{place[:60]}... is more than {DEEPEST} levels deep, or holds itself; expected fewer")
    value = value.item() if isinstance(value, np.generic) else value
    if isinstance(value, int) and value.bit_length() > BITS:
        raise TypeError(f"{place} is a whole number of {value.bit_length():,} bits, expected at most {BITS:,}")
    if isinstance(value, PLAIN):
        return {"value": repr(value)} if isinstance(value, float) and not np.isfinite(value) else value
    if isinstance(value, np.ndarray | jax.Array):
        return _described_array(value, place, kept)
    inside = lambda step, item: _described(item, f"{place}/{step}", depth + 1, kept)
    kind = type(value)
    if kinds.is_namedtuple(kind):
        try:
            kinds.made(kind.__name__, kind._fields)
        except ValueError as error:  # a field of `namedtuple(rename=True)`
            raise TypeError(f"{place} is a {kind.__name__} that would not come back: {error}") from error
        fields = {name: inside(name, getattr(value, name)) for name in kind._fields}
        return {"type" if kinds.is_ours(kind) else "namedtuple": kind.__name__, "fields": fields}
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {"dict": {name: inside(name, item) for name, item in value.items()}}
    if kind in (tuple, list):
        return {kind.__name__: [inside(i, item) for i, item in enumerate(value)]}
    return _described_tree(value, place, depth, kept)


def _described_array(value, place, kept):
    """The name of an array, which is kept once however often an equal one occurs."""
    form, more = "array", {}
    try:
        if jax.dtypes.issubdtype(value.dtype, jax.dtypes.prng_key):
            form, more, value = "key", {"impl": str(jax.random.key_impl(value))}, jax.random.key_data(value)
        array = np.asarray(value)
    except (TypeError, RuntimeError) as error:  # deleted, or traced, or on other hosts too
        why = str(error).partition("\n")[0]
        raise TypeError(f"{place} is an array, expected one whose numbers are here, found {why}") from error
    if _beyond_numpy(array.dtype.name) is not None:
        form, more, array = "raw", {"dtype": array.dtype.name}, array.view(f"u{array.dtype.itemsize}")
    masked = isinstance(value, np.ma.MaskedArray)
    if masked or not _comes_back(array.dtype):
        what = f"{'a masked' if masked else 'an'} array of {array.dtype}"
        raise TypeError(f"{place} is {what}, expected numbers, truth values, text or keys")
    flat = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
    mark = (array.dtype, array.shape, hashlib.sha256(flat).digest())
    name, _ = kept.setdefault(mark, (f"array{len(kept)}", array))
    return {form: name, **more}


def _comes_back(dtype):
    """Whether an .npy keeps a type: numbers, text, and records of these."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a type that it does not keep
        again = np.lib.format.descr_to_dtype(np.lib.format.dtype_to_descr(dtype))
    return not dtype.hasobject and dtype.itemsize > 0 and again == dtype


def _described_tree(value, place, depth, kept):
    """A pytree by its leaves, each under its path; a function alone by its text, as it is in one."""
    name = type(value).__name__
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a generator, which is a leaf and refused below
            leaves = [(jax.tree_util.keystr(path), leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(value)]
    except (ValueError, RecursionError, SystemError) as error:  # keys that have no order; or it holds itself
        raise TypeError(f"{place} is a {name} that is no pytree: {error}") from error
    if len(leaves) == 1 and leaves[0][1] is value:
        if callable(value) and not isinstance(value, type):
            return {"static": static_text(value)}
        raise TypeError(f"{place} is a {name}, expected a NamedTuple, dict, list, array or another pytree")
    if len(dict(leaves)) < len(leaves):
        raise TypeError(f"{place} is a {name} with two leaves of one path, among {', '.join(dict(leaves))}")

    def form(path, leaf):
        known = isinstance(leaf, VALUES)
        return _described(leaf, place + path, depth + 1, kept) if known else {"static": static_text(leaf)}

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
            kind = kinds.named(form, name, tuple(fields), file.types)
            return kinds.filled(kind, {field: again(item) for field, item in fields.items()})
        case [("leaves", dict(leaves)), ("tree", str(name))]:
            return file.tree(name, {path: again(leaf) for path, leaf in leaves.items()})
        case [("static", str(name))]:
            return file.static(name)
    raise ValueError(f"expected the structure of a result, found {checks.shown(text)}")


def _array(name, file, *, dtype=None, impl=None):
    """An array of the file. A second use makes it read-only, lest a number written in one place change another."""
    mark = (name, dtype, impl)
    if mark in file.made and impl is None:
        file.made[mark].flags.writeable = False
    if mark in file.made:
        return file.made[mark]
    if name not in file.arrays:
        raise ValueError(f"expected an array {name}, found {checks.shown(sorted(file.arrays))}")
    array = file.arrays[name]
    if dtype is not None:
        kind = _beyond_numpy(dtype)
        if kind is None or array.dtype != f"u{kind.itemsize}":
            raise ValueError(f"expected a type of ml_dtypes as unsigned integers, found {dtype} as {array.dtype}")
        array = array.view(kind).copy()  # its own memory, should the unsigned integers be a result too
    if impl is not None:
        try:
            array = jax.random.wrap_key_data(jnp.array(array), impl=impl)
        except Exception as error:  # of a kind that jax does not know, or no numbers of that kind
            raise ValueError(f"expected numbers of a key, found {checks.shown(array)} of {impl} ({error})") from error
    file.made[mark] = array
    return array


def _beyond_numpy(name):
    """The type of this name that numpy does not know but jax does, such as bfloat16; None if there is none."""
    kind = getattr(ml_dtypes, name, None)
    return np.dtype(kind) if isinstance(kind, type) and issubclass(kind, np.generic) else None
