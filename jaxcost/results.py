"""One result, one file: numbered arrays and one JSON text, in an .npz without pickle.

The text holds the result's structure and where it comes from: settings, versions, device, time, and whatever
the caller adds, such as the fingerprint of the images.
"""

import datetime
import importlib
import json
import os
import platform
import zipfile
import zlib
from importlib import metadata
from pathlib import Path

import jax
import numpy as np

FORMAT = 1
DAMAGE = (ValueError, TypeError, AttributeError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
PLAIN = (str, bool, int, float, type(None))


def save(path, result, *, settings=None, **about):
    """Write a result to `path`, whole or not at all: to a temporary name first, then renamed.

    Args:
        path: the file, ending in .npz; its folder is made.
        result: any nesting of the kit's result types (`Slice`, `Run`, `Params`, ...), tuples, lists, dicts
            with string keys, arrays, numbers, strings and None.
        settings: a dict of what the result was made with.
        **about: more to know about it, such as `data=images.fingerprint`; plain values.

    Raises:
        ValueError: the path does not end in .npz, or settings hold a number that is not finite.
        TypeError: something in the result cannot be saved; names its place.

    Example:
        >>> import tempfile, jaxcost.bumpiness as bumpiness
        >>> path = Path(tempfile.mkdtemp()) / "minima.npz"
        >>> save(path, bumpiness.local_minima(np.array([2.0, 0.0, 1.0])), settings={"seed": 0})
        >>> load(path).depths.tolist(), provenance(path)["settings"]
        ([1.0], {'seed': 0})
    """
    path = Path(path)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: expected a name that ends in .npz")
    arrays = {}
    text = {
        "format": FORMAT,
        "structure": _described(result, "result", arrays),
        "provenance": {**about, "settings": settings or {}, **here()},
    }
    arrays["json"] = np.array(json.dumps(text, allow_nan=False))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            np.savez_compressed(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load(path, like=None):
    """Read a result back, as it was saved; arrays come back as numpy arrays.

    Args:
        path: the file.
        like: a result of the structure, shapes and types that is expected, or None to take what is there.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a result of this kit, or differs from what is expected; names what and where.
    """
    arrays = _read(path)
    structure = _text(path, arrays)["structure"]
    try:
        found = _rebuilt(path, structure, arrays)
    except (TypeError, AttributeError) as error:
        raise ValueError(f"{path}: expected the structure of a result, found {structure} ({error})") from error
    if like is not None:
        _compare(path, found, like)
    return found


def provenance(path):
    """What a file says of its origin: a dict with `settings`, `versions`, `device`, `made` and more.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not a result of this kit.
    """
    return _text(path, _read(path))["provenance"]


def here():
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


def _described(value, place, arrays):
    """The structure of a value as plain JSON; arrays go into `arrays`, numbered, so that no two names collide."""
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, PLAIN):
        return {"value": repr(value)} if isinstance(value, float) and not np.isfinite(value) else value
    if isinstance(value, np.ndarray | jax.Array):
        if value.dtype.type.__module__ != "numpy" or value.dtype.hasobject:
            raise TypeError(f"{place} is an array of {value.dtype}, expected numbers; save a seed, not a key")
        name = f"array{len(arrays)}"
        arrays[name] = np.asarray(value)
        return {"array": name}
    if isinstance(value, dict):
        if not all(isinstance(name, str) for name in value):
            raise TypeError(f"{place} has the keys {list(value)}, expected strings")
        return {"dict": {name: _described(item, f"{place}/{name}", arrays) for name, item in value.items()}}
    if hasattr(value, "_fields") and type(value).__module__.startswith("jaxcost."):
        fields = {name: _described(getattr(value, name), f"{place}/{name}", arrays) for name in value._fields}
        return {"type": f"{type(value).__module__}.{type(value).__name__}", "fields": fields}
    if type(value) in (tuple, list):
        items = [_described(item, f"{place}/{i}", arrays) for i, item in enumerate(value)]
        return {type(value).__name__: items}
    raise TypeError(f"{place} is a {type(value).__name__}, expected a result of this kit, a dict, list or array")


def _rebuilt(path, text, arrays):
    """A value from its structure."""
    if not isinstance(text, dict):
        return text
    again = lambda item: _rebuilt(path, item, arrays)
    match text:
        case {"value": ("nan" | "inf" | "-inf") as number}:
            return float(number)
        case {"array": place}:
            if place not in arrays:
                raise ValueError(f"{path}: expected an array {place}, found {sorted(arrays)}")
            return arrays[place]
        case {"dict": items}:
            return {name: again(item) for name, item in items.items()}
        case {"tuple": items}:
            return tuple(map(again, items))
        case {"list": list(items)}:
            return list(map(again, items))
        case {"type": name, "fields": fields}:
            kind = _kind(path, name)
            if set(kind._fields) != set(fields):
                raise ValueError(f"{path}: {name} has the fields {kind._fields}, the file {tuple(fields)}")
            return kind(**{field: again(item) for field, item in fields.items()})
    raise ValueError(f"{path}: expected the structure of a result, found {text}")


def _kind(path, name):
    """A result type of this kit by its name; nothing else is ever imported or called."""
    module, _, attribute = name.rpartition(".")
    room = module.removeprefix("jaxcost.")
    ours = module.startswith("jaxcost.") and room.isidentifier() and Path(__file__).with_name(f"{room}.py").exists()
    kind = getattr(importlib.import_module(module), attribute, None) if ours else None
    if not (isinstance(kind, type) and issubclass(kind, tuple) and hasattr(kind, "_fields")):
        raise ValueError(f"{path}: expected a result type of this kit, found {name}")
    return kind


def _read(path):
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: expected a result file, found {'a folder' if path.exists() else 'nothing'}")
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            return dict(file)
    except DAMAGE as error:
        raise ValueError(f"{path}: expected an .npz without pickle, found something else ({error})") from error


def _text(path, arrays):
    try:
        text = json.loads(str(arrays["json"]))
        if text["format"] == FORMAT and {"structure", "provenance"} <= set(text):
            return text
        found = f"format {text['format']}"
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        found = f"no such text ({error!r})"
    raise ValueError(f"{path}: expected a result of this kit, format {FORMAT}, found {found}")


def _compare(path, found, like):
    """Raise ValueError naming the first difference in structure, shape or type."""
    found_leaves, found_structure = jax.tree_util.tree_flatten_with_path(found)
    leaves, structure = jax.tree_util.tree_flatten_with_path(like)
    if found_structure != structure:
        raise ValueError(f"{path}: expected the structure {structure}, found {found_structure}")
    for (place, a), (_, b) in zip(found_leaves, leaves, strict=True):
        kind = lambda x: "text" if isinstance(x, str) else np.asarray(x).dtype
        for what, value in (("shape", np.shape), ("type", kind)):
            if value(a) != value(b):
                where = jax.tree_util.keystr(place)
                raise ValueError(f"{path}: expected the {what} {value(b)} at {where}, found {value(a)}")
