"""One result, one file: numbered arrays and one JSON text, in an .npz without pickle.

The text holds the result's structure (`engine.structure` tells how) and where it comes from: settings, versions,
device, time, and whatever the caller adds, such as the fingerprint of the images. A result type is stored by its
name alone, so that it may move to another room, and may gain fields that have defaults: older files still load.

A slice knows where it lies, and its file too: the origin and the directions are arrays of the file, each distinct
array once, however many slices share it. For a large model, random directions are better kept as
`directions.Recipe`s, small NamedTuples like any other, from which they are made anew with the origin.
"""

import copy
import datetime
import json
import math
import os
import platform
from importlib import metadata
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks
from jaxcost.engine import archive, kinds, structure

FORMAT = 1
PARTS = {"format": int, "structure": object, "provenance": dict}  # of the text, and their types


def save(path: str | os.PathLike, result: Any, *, settings: dict | None = None, **about: Any) -> None:
    """Write a result to `path`, whole or not at all: to a temporary name first, then renamed.

    Equal arrays (in type, shape and bytes) are written once. Of a pytree that is no NamedTuple, tuple, list or dict
    with text for keys, the leaves are written, each under its path; functions among them as text.

    Args:
        path: the file, ending in .npz; its folder is made.
        result: any nesting of NamedTuples (`Slice`, `Run`, your own), tuples, lists, dicts, other pytrees (Flax and
            Equinox modules), arrays, keys, numbers, text and None.
        settings: a dict of what the result was made with.
        **about: more to know about it, such as `data=images.fingerprint`; plain values.

    Raises:
        ValueError: the path does not end in .npz; settings hold a number that is not finite; or `about` says again
            what is told anyway, such as `versions`.
        TypeError: something in the result or in the settings cannot be saved; names its place.
        OSError: it cannot be written; names the path, the number of bytes and the reason. An old file stays.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxcost import network
        >>> path = Path(tempfile.mkdtemp()) / "params.npz"
        >>> save(path, network.init(jax.random.key(0), sizes=(3, 2)), settings={"seed": 0})
        >>> load(path).w[0].shape, provenance(path)["settings"]
        ((2, 3), {'seed': 0})
    """
    path, told = archive.npz_path("path", path), here()
    if again := set(about) & set(told):
        raise ValueError(f"{', '.join(sorted(again))} given, expected other names than {', '.join(told)}")
    described, arrays = structure.describe(result)
    if not isinstance(settings, dict | None):
        raise TypeError(f"settings={checks.shown(settings)}, expected a dict")
    about = {name: _plain(value, name, 0) for name, value in {**about, "settings": settings or {}}.items()}
    text = {"format": FORMAT, "structure": described, "provenance": {**about, **told}}
    archive.write(path, {**arrays, "json": np.array(json.dumps(text, allow_nan=False))})


def load(path: str | os.PathLike, like: Any = None, types: list | tuple = ()) -> Any:
    """Read a result back, as it was saved; arrays come back as numpy arrays.

    Args:
        path: the file.
        like: a result of the structure, shapes and types that is expected, or None to take what is there. A pytree
            that is no NamedTuple, tuple, list or dict comes back as what it is here, arrays of jax as arrays of jax,
            and takes from here what is no value: its functions and its fixed settings. Arrays may be given as
            `jax.ShapeDtypeStruct`s. Without `like`, such a pytree comes back as a dict from path to leaf.
        types: classes of NamedTuples that are not this kit's, to come back as such, `(Result, Cut)`. One that is
            given neither here nor in `like` comes back as a `collections.namedtuple` of its name and fields.

    Returns:
        The result. An array that occurs more than once in it is one array in memory, and read-only.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it must not be read.
        ValueError: it is not a result of this kit, is damaged, lacks a field that has no default, has a field that its
            type does not know, or differs from what is expected; names what and where.
        TypeError: `types` holds something that is no NamedTuple.

    Example:
        >>> import collections, tempfile
        >>> from pathlib import Path
        >>> Cut = collections.namedtuple("Cut", "depth of")
        >>> path = Path(tempfile.mkdtemp()) / "cut.npz"
        >>> save(path, Cut(0.5, {"seeds": [3, 4]}))
        >>> load(path)
        Cut(depth=0.5, of={'seeds': [3, 4]})
        >>> isinstance(load(path), Cut), isinstance(load(path, types=(Cut,)), Cut)
        (False, True)
    """
    path = checks.path("path", path)
    arrays = archive.read(path)
    described = _text(path, arrays)["structure"]
    del arrays["json"]
    try:
        checks.tree("like", like)
        if like is None:
            return structure.rebuild(described, arrays, types=types)
        return _fitted(structure.rebuild(described, arrays, types=types, tree=_Tree, static=_Static), like, "")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def provenance(path: str | os.PathLike) -> dict:
    """What a file says of its origin: a dict with `settings`, `versions`, `device`, `made` and more.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it must not be read.
        ValueError: it is not a result of this kit.
    """
    path = checks.path("path", path)
    return _text(path, archive.read(path, only=["json"]))["provenance"]


def here() -> dict:
    """Versions, device and time of this process, as a dict."""
    packages = ("jaxcost", "jax", "jaxlib", "numpy", "optax")
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in packages},
        "device": f"{jax.device_count()} x {jax.devices()[0].device_kind}, {platform.platform()}",
        "made": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _version(name):
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:  # run from a checkout that is not installed
        return "not installed"


def _plain(value, place, depth):
    """Settings as they are written: plain values, lists, and dicts with text for keys."""
    value = value.item() if isinstance(value, np.generic) else value
    inside = lambda step, item: _plain(item, f"{place}[{step!r}]", depth + 1)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{place} is {value}, expected a finite number")
    if isinstance(value, int) and value.bit_length() > structure.BITS:
        raise ValueError(f"{place} has {value.bit_length():,} bits, expected at most {structure.BITS:,}")
    if isinstance(value, structure.PLAIN):
        return value
    if depth < structure.DEEPEST and isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return {name: inside(name, item) for name, item in value.items()}
    if depth < structure.DEEPEST and isinstance(value, list | tuple):
        return [inside(i, item) for i, item in enumerate(value)]
    what = f"nested {depth} deep" if depth == structure.DEEPEST else checks.shown(value)
    raise TypeError(f"{place[:60]} is {what}, expected plain values, lists, and dicts with text for keys")


def _text(path, arrays):
    """What a file says of itself, as a dict of its three parts."""
    found, array = "no such text", arrays.get("json")
    if array is not None and array.dtype.kind == "U" and not array.shape:
        try:
            reading = {"parse_float": _number, "parse_constant": _number, "object_pairs_hook": _distinct}
            text = json.loads(str(array), **reading)
            found = f"format {checks.shown(text['format'])}"
            lacking = [name for name, kind in PARTS.items() if not isinstance(text[name], kind)]
            if not lacking and text["format"] == FORMAT and text["format"] is not True:
                return text
            found = f"{found}, {', '.join(lacking)} of another type" if lacking else found
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            found = f"no such text ({checks.shown(error)})"
    raise ValueError(f"{path}: expected a result of this kit, format {FORMAT}, found {found}")


def _number(text):
    """A number that JSON has; python reads more, among them 1e999."""
    if not math.isfinite(float(text)):
        raise ValueError(f"{text}, which is no number of JSON")
    return float(text)


def _distinct(pairs):
    """A dict, if no name occurs twice."""
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError(f"a name twice among {checks.shown([name for name, _ in pairs])}")
    return found


# a template


class _Tree(NamedTuple):
    """A pytree that waits for its template."""

    name: str
    leaves: dict[str, Any]


class _Static(NamedTuple):
    """A leaf that is no value and waits for its template."""

    text: str


def _fitted(found, like, place):
    """What was found, made what the template is; raises ValueError that names the first difference from it."""
    inside = lambda step, item, one: _fitted(item, one, f"{place}{step}")
    names = type(found).__name__, type(like).__name__
    if isinstance(found, _Static):
        known = isinstance(like, structure.VALUES)
        expected = f"the type {_type(like)}" if known else structure.static_text(like)
        if known or expected != found.text:
            raise ValueError(f"expected {expected} at {place}, found {found.text}, which is no value")
        return like
    if isinstance(found, _Tree):
        return _fitted_tree(found, like, place)
    if all(map(kinds.is_namedtuple, (type(found), type(like)))) and names[0] == names[1]:
        fields = kinds.filled(type(like), found._asdict())._asdict()
        return type(like)(**{name: inside(f".{name}", item, getattr(like, name)) for name, item in fields.items()})
    if isinstance(found, dict) and isinstance(like, dict) and set(found) == set(like):
        again = {} if type(like) is dict else copy.copy(like)  # such as an OrderedDict
        again.update({name: inside(f"[{name!r}]", item, like[name]) for name, item in found.items()})
        return again
    if type(found) in (tuple, list) and type(found) is type(like) and len(found) == len(like):
        return type(found)(inside(f"[{i}]", *pair) for i, pair in enumerate(zip(found, like, strict=True)))
    for what, of in (("structure", jax.tree.structure), ("shape", np.shape), ("type", _type)):
        if of(found) != of(like):
            raise ValueError(f"expected the {what} {of(like)} at {place or 'the top'}, found {of(found)}")
    return found


def _fitted_tree(found, like, place):
    """A pytree of the template's own type, its values those of the file."""
    if type(like).__name__ != found.name:
        raise ValueError(f"expected a {type(like).__name__} at {place or 'the top'}, found a {found.name}")
    leaves, tree = jax.tree_util.tree_flatten_with_path(like)
    likes = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    for path in [*likes, *found.leaves]:
        if path not in found.leaves or path not in likes:
            expected = ("a leaf", "none") if path in likes else ("no leaf", "one")
            raise ValueError(f"expected {expected[0]} at {place}{path} of a {found.name}, found {expected[1]}")
    return tree.unflatten(
        _as(_fitted(found.leaves[path], leaf, f"{place}{path}"), leaf) for path, leaf in likes.items()
    )


def _as(value, like):
    """A value as the template has it: a number of numpy, or an array of numpy or of jax."""
    if isinstance(like, np.generic):
        return like.dtype.type(value)
    return jnp.asarray(value) if isinstance(value, np.ndarray) and not isinstance(like, np.ndarray) else value


def _type(value):
    if isinstance(value, str):
        return "text"
    value = value.item() if isinstance(value, np.generic) else value  # as it is saved
    plain = isinstance(value, structure.PLAIN)
    return np.asarray(value).dtype if plain else getattr(value, "dtype", type(value).__name__)
