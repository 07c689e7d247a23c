"""The cost surface in your hands: one offline page with six planes of C, computed exactly in the browser.

Trains three networks and writes output/live_surface/live_surface.html: random planes through the untrained, the
half-trained and the trained network, another random plane through the last, the plane of its training path with each
step's distance off it, and the plane through three trained networks. Drag, zoom, let a ball run downhill, cut a line,
take classes and images out, switch to float32 and see what rounding makes. Nothing is sent anywhere.

    python experiments/live_surface.py                  the embedded digits
    python experiments/live_surface.py --data FOLDER    any four IDX files
    python experiments/live_surface.py --ladder         the page of a model that a browser cannot compute

Expect a page of 4.4 MB that computes C over 1,000 of the 8,000 images, and that has tested itself against float64 when
it opens: a difference below 1e-13 of C at 96 points. Another 1,000 images of the kind would move C at the trained
network by about a fifth, which the page says too. About 10 s on two cores.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import common
import jax
import numpy as np
from common import setting

from jaxcost import cost, directions, live, plot, results, slices, trajectories


@dataclass(frozen=True)
class Settings(common.Trained):
    """Which networks, and over how many images the page takes C."""

    shown: int = setting(1000, "images of the page: six planes and the pictures fill its 5 MB", small=100)
    half_width: float = setting(2.0, "of the first view of a random plane, where the bowl is seen and its end")
    records: int = setting(40, "networks kept along the training path beside the start", small=10)
    side: int = setting(61, "points a side of the picture for those who cannot open the page", small=11)
    ladder: bool = setting(False, "a ladder of planes in place of C itself, as of a model that is not dense")
    zooms: tuple = setting(live.ZOOMS, "half-widths of a ladder", small=(0.5, 2.0))
    points: int = setting(21, "of these along each axis", small=5)


class Result(NamedTuple):
    """The page.

    Attributes:
        page: its bytes.
        written: what was written, a `live.Page`.
        costs: C at the origin of each plane, over all images, by name.
        still: the first view of the first plane, over all images.
    """

    page: np.ndarray
    written: live.Page
    costs: dict[str, float]
    still: slices.Slice


def run(settings):
    """Train, lay the planes, write the page."""
    train, _ = common.images(settings)
    C, keys = cost.Cost(train), jax.random.split(jax.random.key(settings.seed), 4)
    path = common.train(*jax.random.split(keys[0]), C, settings, records=settings.records)
    others = [common.train(*jax.random.split(key), C, settings).params for key in keys[1:3]]
    planes = views(keys[3], path, others, settings)
    sizes, of = "-".join(map(str, settings.sizes)), "" if settings.data else ", over handwritten digits"
    ladder = {"live": False if settings.ladder else None, "zooms": settings.zooms, "points": settings.points}
    page, written = written_page(C, planes, images=settings.shown, title=f"C(w, b) of {sizes}{of}", **ladder)
    costs = {name: float(C(*view.frame.origin)) for name, view in planes.items()}
    (origin, ways), axis = planes["trained"].frame, np.linspace(-1, 1, settings.side) * settings.half_width
    still = slices.plane(C, origin, *ways, axis, axis)
    return Result(page, written, costs, still), {"data": train.fingerprint}


def written_page(C, planes, **options):
    """The bytes of a page, and what `live.explorer` says of it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        written = live.explorer(file, C, planes, **options)
        return np.fromfile(file, np.uint8), written


def random_view(name, lies, half_width):
    """A random plane through a network."""
    note = f"A random plane through the {name} network; {common.LENGTH}."
    return live.View(lies, half_width, note=note, marks={name: (0, 0)})


def views(key, path, others, settings):
    """The planes by name."""
    one, another = jax.random.split(key)
    found = {}
    for name, record in reversed(common.stages(path.costs).items()):
        params = path.at(record)
        lies = directions.Frame(params, directions.random(one, params, 2))
        found[name] = random_view(name, lies, settings.half_width)
    end = path.params
    lies = directions.Frame(end, directions.random(another, end, 2))
    note = f"Another random plane through the trained network: what differs is the draw. {common.LENGTH}."
    found["trained, another draw"] = live.View(lies, settings.half_width, note=note, marks={"trained": (0, 0)})
    seen = trajectories.principal(path.trajectory)
    middle, half = around(seen.coordinates)
    note = "The plane on which the path of training varies most. The path is not in it, and C there is another."
    found["training path"] = live.View(
        directions.Frame(end, seen.directions), half, middle, note, {}, seen.coordinates, seen.off, path.costs
    )
    lies = directions.Frame(end, directions.through(end, *others))
    corners, _ = trajectories.coordinates([end, *others], *lies)
    middle, half = around(corners)
    note = "The plane through three networks trained from three starts, in lengths of parameter space."
    found["three networks"] = live.View(lies, half, middle, note, dict(zip("ABC", corners, strict=True)))
    return found


def around(points):
    """The middle of some points, and the half-width of a square that holds them."""
    low, high = points.min(0), points.max(0)
    return tuple((low + high) / 2), float(0.65 * (high - low).max())


def table(result):
    """The planes, and what the page is."""
    written = result.written
    how = "live: C is computed in the browser" if written.live else f"a ladder of planes, since {written.reason}"
    rows = [["plane", "C at its origin, all images"], *([name, c] for name, c in result.costs.items())]
    return [f"{how}; {written.images:,} images, {written.bytes / 1e6:.1f} MB", "", *common.columns(rows)]


def draw(path):
    """The page, beside the result, and a picture of its first view."""
    result, page = results.load(path), Path(path).with_suffix(".html")
    page.write_bytes(result.page.tobytes())
    figure = common.figure(6.6, 5.6)
    ax = figure.subplots()
    plot.contour(ax, result.still)
    ax.set(xlabel=f"α, {common.LENGTH}", ylabel="β", title="C on a random plane through a trained network, all images")
    return [page, *common.save_figures(path, {"trained": figure})]


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
