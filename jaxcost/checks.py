"""What a caller gives, checked: a refusal names the argument, what was found and what was expected."""

import math
import operator
from typing import Any

import numpy as np


def whole(name, value, least=1) -> int:
    """A whole number, at least `least`. A float is none, however round.

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
        found = operator.index(value)
    except TypeError:
        found = None
    if found is None or isinstance(value, bool | np.bool_) or found < least:
        raise ValueError(f"{name}={shown(value)}, expected a whole number, {least} or more")
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
        found = math.nan if isinstance(value, str | bytes | bool | np.bool_) else float(value)
    except (TypeError, ValueError, OverflowError):
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
        array = np.asarray(value)
        found = None if array.dtype.kind not in "fiub" and array.dtype.name != "bfloat16" else array.astype(np.float64)
    except (TypeError, ValueError, OverflowError):  # ragged, or not to be made an array of
        found = None
    shape = {None: "", 0: ", one alone", 1: ", a list of them", 2: ", a table of them"}.get(ndim, f", of {ndim} axes")
    if found is None or (ndim is not None and found.ndim != ndim):
        raise ValueError(f"{name}={shown(value)}, expected real numbers{shape}")
    if finite and not np.isfinite(found).all():
        raise ValueError(
            f"{name} of shape {found.shape}, {np.sum(~np.isfinite(found))} not finite; expected all finite"
        )
    return found


def one_of(name, value, allowed) -> Any:
    """One of some values.

    Raises:
        ValueError: it is none of them; names them.

    Example:
        >>> one_of("biases", "none", ("zero", "entry"))
        Traceback (most recent call last):
        ...
        ValueError: biases='none', expected one of 'zero', 'entry'
    """
    if not any(type(value) is type(one) and value == one for one in allowed):
        raise ValueError(f"{name}={shown(value)}, expected one of {', '.join(map(repr, allowed))}")
    return value


def shown(value) -> str:
    """A value for an error message, on one line: of an array its type and shape, of anything long its beginning."""
    if hasattr(value, "dtype") and np.ndim(value):
        return f"{value.dtype}{list(np.shape(value))}"
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else f"{text[:77]}..."
