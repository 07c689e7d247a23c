"""A page in which one moves on the cost surface: one file, offline, with C computed in the browser, exactly.

On a plane the parameters are affine in two coordinates, and what the model makes of them up to its first nonlinearity
is a few numbers for each image (`engine.hoist`). A page carries these, and the rest of the model as a short program: so
it has C at any point and any zoom, for dense networks of any activation and cost. Where that is not to be had, for
convolutions, too large a layer, a penalty or a cost that is no mean over images, it carries planes at many zooms in its
place, and says so.
"""

from dataclasses import replace
from typing import NamedTuple

import jax
import numpy as np

from jaxcost import checks, cost, network, slices
from jaxcost.directions import Frame
from jaxcost.engine import asked, pages, whole
from jaxcost.engine.javascript import Untranslated

MOST = 5_000_000  # bytes of a page: what can be sent by mail, and opens at once
ZOOMS = tuple(float(x) for x in 10 ** np.linspace(-3, 2, 17))  # half-widths of a ladder, each twice the one before


class View(NamedTuple):
    """A plane to move on, and what is to be seen on it.

    Attributes:
        frame: where it lies, a `directions.Frame` of two directions, or `(origin, directions)`.
        half_width: of the first view, in units of the directions.
        middle: of the first view.
        note: a sentence on the plane.
        marks: None, or points by name, `{"trained": (0, 0)}`.
        path: None, or a training path on it, `[steps, 2]`.
        off: None, or how far each of its steps lies off the plane, `[steps]`.
        costs: None, or C of each of its steps, there and not on the plane, `[steps]`.
    """

    frame: Frame
    half_width: float = 1.0
    middle: tuple[float, float] = (0.0, 0.0)
    note: str = ""
    marks: dict[str, tuple[float, float]] | None = None
    path: np.ndarray | None = None
    off: np.ndarray | None = None
    costs: np.ndarray | None = None


class Page(NamedTuple):
    """What was written.

    Attributes:
        live: whether C is computed in the browser; if not, the page has a ladder of planes.
        reason: why it is not; empty where it is.
        images: over how many images C is taken there.
        bytes: of the file.
    """

    live: bool
    reason: str
    images: int
    bytes: int


def explorer(
    path, C, planes, *, images=1000, live=None, zooms=ZOOMS, points=21, title="C, a cost surface", most=MOST,
    progress=True,
) -> Page:  # fmt: skip
    """Write a page on planes of C, to be opened in any browser.

    Args:
        path: the file, ending in .html; its folder is made.
        C: a `cost.Cost`.
        planes: a plane `Slice`, a `View`, `(origin, directions)`; or a dict of several by name, of parameters alike.
        images: C is taken over so many of C's images, evenly spread over them; all, if there are fewer. That is
            another C: the page gives its standard error at each point, and C over all images at each origin.
        live: True: computed in the browser, or an error; False: a ladder; None: live wherever it can be.
        zooms: half-widths of the planes of a ladder, rising; about the middle of the view. Not for a live page.
        points: of these along each axis.
        title: of the page.
        most: bytes of the page at most. Pictures of the images are left out where they do not fit.
        progress: show it, where planes are made.

    Returns:
        A `Page`.

    Raises:
        ValueError: an argument is none of these; C's images are spread over devices; or `live=True`, and the model is
            not to be had in a browser, or the page would be too large.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from jaxcost import data, directions
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> lies = params, directions.random(jax.random.key(1), params, 2)
        >>> found = explorer(tempfile.mkdtemp() + "/surface.html", C, lies)
        >>> found.live, found.images, found.bytes < 5_000_000
        (True, 1000, True)
    """
    path = checks.path("path", path)
    if path.suffix != ".html":
        raise ValueError(f"path={str(path)!r}, expected one that ends in .html")
    C = cost.checked(C)
    if C.spread is not None:
        raise ValueError(f"images on {C.spread.mesh.size} devices, expected C as it was before `devices.spread`")
    images, most = checks.whole("images", images), checks.whole("most", most)
    live = live if live is None else checks.flag("live", live)
    if not isinstance(title, str):
        raise ValueError(f"title={checks.shown(title)}, expected text")
    zooms, points, progress = _rising(zooms), checks.whole("points", points, 2), checks.flag("progress", progress)
    views = {name: _viewed(f"planes[{name!r}]", one) for name, one in _named(planes).items()}
    views = {name: view._replace(note=_note(C, view)) for name, view in views.items()}
    chosen = np.unique(np.linspace(0, C.n - 1, min(images, C.n)).round().astype(int))
    some = replace(C, images=jax.tree.map(lambda leaf: leaf[chosen], C.images), block=None)
    parameters = network.size(next(iter(views.values())).frame.origin)
    told = pages.about(some, chosen, 0 if whole.is_whole(C) else C.n, views, title, parameters)
    made, reason = _lived(some, views, most) if live is not False else ({}, "it was asked for")
    if reason and live:
        raise ValueError(f"live=True, and {reason}; expected dense layers, fewer images or planes, or live=None")
    made = made or {"planes": [_ladder(some, view, zooms, points, progress) for view in views.values()]}
    of_planes = [one | more for one, more in zip(told["planes"], made["planes"], strict=True)]
    told |= made | {"planes": of_planes, "live": not reason, "reason": reason}
    text = pages.text(told)
    if len(text) > most:
        text = pages.text(told | {"pixels": None})
    if len(text) > most:
        raise ValueError(f"most={most:,} bytes, and the page would be {len(text):,}; expected fewer images or planes")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return Page(not reason, reason, len(chosen), len(text))


def _lived(C, views, most):
    """What a live page carries; or nothing, and the reason why it is not to be had."""
    if whole.is_whole(C) or C.penalty is not None:
        kind = "C is one number of the whole, not a mean over images" if whole.is_whole(C) else "C has a penalty"
        return {}, f"{kind}, and a live page computes what is of images"
    Cs = [cost.split(C, view.frame.origin)[0] for view in views.values()]
    frames = [view.frame.moving() for view in views.values()]
    shapes = lambda frame: [(leaf.shape, leaf.dtype) for leaf in jax.tree.leaves(frame.origin)]
    if any(shapes(frame) != shapes(frames[0]) for frame in frames):
        raise ValueError(f"planes of parameters {list(map(shapes, frames))}, expected those of one network")
    try:
        return pages.lived(Cs, frames, list(views.values()), most), ""
    except Untranslated as error:
        return {}, str(error)


def _ladder(C, view, zooms, points, progress):
    """Planes at all zooms, of each class where there are any."""
    classes, rungs = pages.classes(C)[1], []
    for zoom in zooms:
        axes = [middle + np.linspace(-zoom, zoom, points) for middle in view.middle]
        lies = view.frame.origin, *view.frame.directions
        found = slices.plane(C, *lies, *axes, per_class=classes is not None, progress=progress)
        values = found.values[..., None] if classes is None else found.per_class
        floor = found.floor if np.isfinite(found.floor) else 0.0
        rung = {"halfWidth": float(zoom), "side": points, "floor": floor}
        rungs.append(rung | {"values": pages.coded(values, np.float32)})
    return {"rungs": rungs}


def _note(C, view):
    """The sentence on a plane, and C at its origin over all images: that of a page is over some."""
    over = "" if whole.is_whole(C) else f" over all {C.n:,} images"
    return f"{view.note} C{over} is {float(C(*view.frame.origin)):.4g} at (0, 0).".strip()


# -- what was asked -------------------------------------------------------------------------------------


def _named(planes):
    """The planes by name."""
    if not isinstance(planes, dict):
        return {"plane": planes}
    if not planes or not all(isinstance(name, str) and name for name in planes):
        raise ValueError(f"planes={checks.shown(planes)}, expected one or more by name")
    return planes


def _viewed(name, plane):
    """A plane in any of its forms as a `View` that is checked."""
    if isinstance(plane, slices.Slice):
        middle = tuple(float(axis[0] + axis[-1]) / 2 for axis in plane.axes)
        plane = View(asked.located(plane), max(float(np.ptp(axis)) / 2 for axis in plane.axes) or 1.0, middle)
    view = plane if isinstance(plane, View) else View(plane)
    if not isinstance(view.frame, tuple) or len(view.frame) != 2:
        raise ValueError(f"{name}={checks.shown(plane)}, expected a plane Slice, a View or (origin, directions)")
    frame, _ = asked.frame(*view.frame)
    if len(frame.directions) != 2:
        raise ValueError(f"{name} has {len(frame.directions)} directions, expected 2")
    marks = {} if view.marks is None else view.marks
    if not isinstance(marks, dict) or not all(isinstance(one, str) for one in (view.note, *marks)):
        raise ValueError(
            f"{name}: marks={checks.shown(marks)}, note={checks.shown(view.note)}, expected names and text"
        )
    for what, value in (("middle", view.middle), *marks.items()):
        if checks.numbers(f"{name}: {what}", value, 1, finite=True).shape != (2,):
            raise ValueError(f"{name}: {what}={checks.shown(value)}, expected two coordinates")
    width = checks.number(f"{name}: half_width", view.half_width, 0, above=True)
    path = None if view.path is None else checks.numbers(f"{name}: path", view.path, 2, finite=True)
    if path is not None and (path.shape[1] != 2 or not len(path)):
        raise ValueError(f"{name}: path {list(path.shape)}, expected [steps, 2]")
    for what, of in (("off", view.off), ("costs", view.costs)):
        if of is not None and checks.numbers(f"{name}: {what}", of, 1, finite=True).shape != np.shape(path)[:1]:
            raise ValueError(f"{name}: {what} {list(np.shape(of))}, expected a number for each step of the path")
    return view._replace(frame=frame, half_width=width, marks=marks, path=path)


def _rising(zooms):
    """Half-widths of a ladder."""
    zooms = checks.numbers("zooms", zooms, 1, finite=True)
    if not len(zooms) or not (zooms > 0).all() or not (np.diff(zooms) > 0).all():
        raise ValueError(f"zooms={checks.shown(zooms)}, expected rising half-widths")
    return zooms
