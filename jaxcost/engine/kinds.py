"""The NamedTuples that a file may name: those of this kit, those that the caller gives, and new ones.

Nothing that a file names is imported: a name is looked up among classes that are here, or becomes a new
`collections.namedtuple`.
"""

import collections
import functools
import importlib
import pkgutil
import sys
from typing import Any

import jaxcost


def is_namedtuple(kind: type) -> bool:
    """Whether a class is a NamedTuple.

    Example:
        >>> is_namedtuple(tuple), is_namedtuple(collections.namedtuple("Cut", "depth"))
        (False, True)
    """
    return issubclass(kind, tuple) and hasattr(kind, "_fields")


def is_ours(kind: type) -> bool:
    """Whether a NamedTuple is a public one of a room of this kit, to be found there by its name."""
    room, name = sys.modules.get(kind.__module__), kind.__name__
    return kind.__module__.startswith("jaxcost.") and name[:1] != "_" and getattr(room, name, None) is kind


def named(form: str, name: str, fields: tuple[str, ...], types: dict[str, type]) -> type:
    """The NamedTuple of a name.

    Args:
        form: "type" for one of this kit, "namedtuple" for any other.
        name: its name. Older files name the room before it, where it may no longer be.
        fields: of a new one.
        types: classes by their names, which come before all others.

    Raises:
        ValueError: there is none of this name in this kit, or it cannot be the name of one.

    Example:
        >>> named("namedtuple", "Cut", ("depth",), {})(0.5)
        Cut(depth=0.5)
    """
    last = name.rpartition(".")[2] if name.startswith("jaxcost.") else name
    if last in types:
        return types[last]
    if form == "namedtuple":
        return made(name, fields)
    if last not in _kit():
        raise ValueError(f"expected a result type of this kit, found {name}; `types` may give one of that name")
    return _kit()[last]


@functools.cache
def made(name: str, fields: tuple[str, ...]) -> type:
    """A new NamedTuple, the same one for the same name and fields, so that results of two files are alike.

    Raises:
        ValueError: these are no name and fields of one.
    """
    try:
        kind = collections.namedtuple(name, fields, module="a_file")  # no room of the kit: it may be saved again
        kind(**dict.fromkeys(fields))
        return kind
    except (ValueError, SyntaxError, TypeError) as error:  # the last two: of letters that python takes for others
        raise ValueError(f"expected a NamedTuple, found {name} of the fields {fields}: {error}") from error


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


@functools.cache
def _kit():
    """The public NamedTuples of all rooms that do not draw, by name; imports them when a file names the first."""
    every = [room.name for room in pkgutil.walk_packages(jaxcost.__path__, "jaxcost.")]
    rooms = [room for room in every if room not in ("jaxcost.plot", "jaxcost.figures")]
    members = [member for room in rooms for member in vars(importlib.import_module(room)).values()]
    return {kind.__name__: kind for kind in members if isinstance(kind, type) and is_namedtuple(kind) and is_ours(kind)}
