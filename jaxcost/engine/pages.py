"""What a page on planes of C carries: numbers, programs, pictures, and its own text, all in one.

The page itself is in the folder `page`: HTML, a style, and scripts that know nothing of any model.
"""

import base64
import json
import re
from importlib import metadata, resources

import jax
import jax.numpy as jnp
import matplotlib
import numpy as np

from jaxcost import checks
from jaxcost.engine import carried, coordinates, exact
from jaxcost.engine.javascript import Untranslated

CHECKED = 16  # points of a plane at which the page tests itself
SCRIPTS = ("scales", "costs", "ladder", "surface", "images", "walks", "files", "main", "events")  # in this order


def about(C, chosen, total, views, title, parameters) -> dict:
    """What live pages and ladders have alike.

    Args:
        C: a `cost.Cost` of the images of the page.
        chosen: which these are, of `total`.
        total: images of the cost that is shown; 0 where it is no mean over images.
        views: planes by name, `live.View`s with the note that is shown.
        title: of the page.
        parameters: how many there are.
    """
    labels, names, counts = classes(C)
    plain = lambda a: None if a is None else np.asarray(a, float).tolist()
    planes = [
        {
            "name": name, "note": view.note, "half_width": view.half_width, "middle": plain(view.middle),
            "marks": [[mark, plain(at)] for mark, at in view.marks.items()], "path": plain(view.path),
            "off": plain(view.off), "costs": plain(view.costs),
        }
        for name, view in views.items()
    ]  # fmt: skip
    colours = (255 * matplotlib.colormaps["viridis"](np.arange(256))[:, :3]).round().astype(int).tolist()
    return {
        "title": title, "version": metadata.version("jaxcost"), "colours": colours, "n": C.n, "total": total,
        "chosen": chosen.tolist(), "labels": labels, "names": names, "counts": counts, "planes": planes,
        "parameters": parameters, **_pictures(C.images.x),
    }  # fmt: skip


def classes(C) -> tuple[list | None, list | None, list]:
    """The class of each image, the names of all, and how many images each has; None and None where there are none."""
    try:
        count = checks.classes(C.images.y)
    except ValueError:
        return None, None, [C.n]
    labels = np.asarray(C.images.y)
    labels = labels.argmax(-1) if labels.ndim > 1 else labels
    if not count or labels.min() < 0:
        return None, None, [C.n]
    return labels.tolist(), [str(i) for i in range(count)], np.bincount(labels, minlength=count).tolist()


def _pictures(x):
    """Images as bytes, `[tall, wide, colours]` each; none where they are no pictures."""
    none = {"pixels": None, "shape": None}
    if not isinstance(x, jax.Array | np.ndarray) or not 2 <= x.ndim <= 4:
        return none
    side = round(x.shape[1] ** 0.5)
    shape = (side, side, 1) if x.ndim == 2 and side * side == x.shape[1] else (*x.shape[1:], 1)[:3]
    if len(shape) != 3 or shape[2] not in (1, 3) or min(shape[:2]) < 2:
        return none
    if jnp.issubdtype(x.dtype, jnp.integer) and x.dtype != jnp.uint8:  # tokens
        return none
    x = np.asarray(x, float)
    low, high = x.min(), x.max()
    pixels = (255 * (x - low) / ((high - low) or 1)).round().astype(np.uint8)
    return {"pixels": base64.b64encode(pixels.tobytes()).decode(), "shape": shape}


def lived(Cs, frames, views, most) -> dict:
    """The coefficients and the programs of a live page.

    Args:
        Cs: a `cost.Cost` of the floating leaves alone for each plane, of the images of the page.
        frames: `directions.Frame`s of these leaves.
        views: `live.View`s of the planes.
        most: bytes that they may take.

    Raises:
        Untranslated: the model is not to be had in a browser, or its numbers take more; says why.
    """
    C = Cs[0]
    needed = carried.size(C, frames[0].origin) * C.n * len(frames) * 8 * 4 / 3
    if needed > most:
        raise Untranslated(f"its numbers would take {needed / 1e6:,.1f} MB, more than {most / 1e6:,.1f}")
    made = carried.carried(C, frames)
    planes = [
        {"points": coded(point), "images": coded(image), "checks": _checked(*of)}
        for point, image, *of in zip(made.points, made.images, Cs, frames, views, strict=True)
    ]
    needed = sum(len(plane["points"]) + len(plane["images"]) for plane in planes)
    if needed > most:
        raise Untranslated(f"its numbers would take {needed / 1e6:,.1f} MB, more than {most / 1e6:,.1f}")
    return {
        "planes": planes, "cost": made.cost.source, "details": made.details.source, "driver": _asset("cost.js"),
        "worker": _asset("worker.js"), "of_point": coded(made.of_point), "of_images": coded(made.of_images),
    }  # fmt: skip


def _checked(C, frame, view):
    """Points of a plane at all scales, with C in float64."""
    random = np.random.default_rng(0)
    scales = view.half_width * 10 ** random.uniform(-3, 2, (CHECKED, 1))
    at = coordinates.points_on(frame, view.middle + scales * random.uniform(-1, 1, (CHECKED, 2)))
    values, _ = exact.values(C, frame, at)
    return np.column_stack([at, values])[np.isfinite(values)].tolist()


def coded(array, dtype=np.float64) -> str:
    """Numbers as text, little-endian as every browser has them.

    Example:
        >>> coded([1.0])
        'AAAAAAAA8D8='
    """
    return base64.b64encode(np.asarray(array, np.dtype(dtype).newbyteorder("<")).tobytes()).decode()


def text(told) -> bytes:
    """The page, all in one."""
    data = json.dumps(told, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    script = "\n".join(_asset(f"{name}.js") for name in SCRIPTS)
    title = told["title"].replace("&", "&amp;").replace("<", "&lt;")
    parts = {"style": _asset("page.css"), "script": script, "title": title, "data": data}
    return re.sub(r"@(style|script|title|data)@", lambda mark: parts[mark[1]], _asset("page.html")).encode()


def _asset(name):
    return resources.files("jaxcost").joinpath("page", name).read_text(encoding="utf-8")
