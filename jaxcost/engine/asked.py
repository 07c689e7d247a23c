"""What is asked of a slice, checked before anything is compiled."""

from typing import Any

import numpy as np

from jaxcost import checks
from jaxcost.directions import Frame
from jaxcost.engine import coordinates
from jaxcost.engine.program import MEMORY


def frame(origin, directions) -> tuple[Frame, Frame]:
    """Where a slice lies, as it was given, and its floating leaves alone.

    Raises:
        ValueError: nothing in the origin moves; or a direction is not like it, 0 or not finite.
    """
    moving = Frame(origin, directions).moving()
    return Frame(origin, tuple(directions)), moving


def options(memory=MEMORY, resume_file=None, resume_elsewhere=False, progress=True) -> dict[str, Any]:
    """The options of an evaluation.

    Raises:
        ValueError: the memory is no whole number of bytes, the file no path, or a switch not True or False.

    Example:
        >>> options(memory=1e9)
        Traceback (most recent call last):
        ...
        ValueError: memory=1000000000.0, expected a whole number, 1 or more
    """
    resume_file = None if resume_file is None else checks.path("resume_file", resume_file)
    return {
        "memory": checks.whole("memory", memory), "resume_file": resume_file,
        "resume_elsewhere": checks.flag("resume_elsewhere", resume_elsewhere),
        "progress": checks.flag("progress", progress),
    }  # fmt: skip


def points(origin, directions, points) -> tuple[Frame, np.ndarray]:
    """The floating leaves of a slice, and points of it in the right type.

    Raises:
        ValueError: as `frame`; or there are no points, or not of one coordinate a direction.
    """
    _, moving = frame(origin, directions)
    return moving, coordinates.points_on(moving, points)


def axis(slice_, i) -> np.ndarray:
    """The coordinates of a slice along direction i.

    Raises:
        ValueError: it has not so many.
    """
    if len(slice_.axes) <= i:
        raise ValueError(f"a slice of {len(slice_.axes)} axes, expected {i + 1} or more")
    return slice_.axes[i]


def located(slice_) -> Frame:
    """Where a slice lies.

    Raises:
        ValueError: it does not know.
    """
    found = getattr(slice_, "frame", None)
    if not isinstance(found, Frame):
        found = checks.shown(found)
        raise ValueError(f"the slice does not know where it lies (frame={found}), expected one made by `slices`")
    return found
