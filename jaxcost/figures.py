"""Whole figures, drawn from results alone, and files of them: PNG, SVG and PDF, and GIF for what moves.

Imported only by scripts, as `plot` is. Figures are matplotlib's own, to be changed before they are written; the same
figure gives the same bytes, for no file tells its version or its time. Files are written whole or not at all.
"""

import io
import os
from collections.abc import Iterable

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image  # which comes with matplotlib

from jaxcost import checks, plot, scales
from jaxcost.engine import archive

UNTOLD = {  # what would differ from one version or moment to the next
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
FINEST = 2400  # dots an inch: what printers have
PIXELS = 10_000  # along a side of what moves
MOST = 50  # pictures a second: a GIF counts hundredths of it, and programs slow down what is shown for less than two


def journey(found, name="C") -> Figure:
    """Networks on a plane, and beside it, of each, the true C, the one shown, and the distance off.

    On a principal plane they are a path, from a square to a star; larger dots lie further off the plane. On a plane
    through three they are points with their numbers.

    Args:
        found: a `checkpoints.Journey`.
        name: of what is drawn, with its unit if it has one.

    Raises:
        ValueError: this is none.
    """
    checks.having("found", found, "plane", "coordinates", "off", "costs", "shown")
    costs, shown, off = (checks.numbers(of, getattr(found, of), 1) for of in ("costs", "shown", "off"))
    coordinates, share = checks.numbers("coordinates", found.coordinates, 2), getattr(found, "share", None)
    if coordinates.shape != (len(costs), 2) or not costs.shape == shown.shape == off.shape:
        raise ValueError(
            f"coordinates {list(coordinates.shape)} of {len(costs)} costs, expected [steps, 2] and [steps]"
        )
    figure = Figure(figsize=(11, 5), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.15, 1))
    ax, (top, bottom) = left.subplots(), right.subplots(2, 1, sharex=True)
    plot.contour(ax, found.plane, filled=True, name=name)
    if share is None:
        ax.plot(*coordinates.T, "o", color="tab:red", markeredgecolor="white")
        for i, at in enumerate(coordinates):
            text = {"color": "white", "path_effects": plot.EDGE, "xytext": (5, 5), "textcoords": "offset points"}
            ax.annotate(str(i), at, **text)
        ax.set(xlabel="α", ylabel="β")
    else:
        plot.trajectory(ax, coordinates, off)
        ax.set(**{f"{x}label": f"component {i + 1}, {share[i]:.1%}" for i, x in enumerate("xy")})
    line = "" if share is None else "-"
    top.plot(costs, f"{line}o", markersize=4, label="true")
    top.plot(shown, f"{2 * line}x", markersize=4, label="shown, at its point of the plane")
    bottom.plot(off, f"{line}o", color="tab:red", markersize=4)
    low, high, logarithmic = scales.span([*costs, *shown])
    if logarithmic:
        top.set_yscale("log")
        top.set_yticks(scales.levels(low, high, True, most=6))
        top.yaxis.set_major_formatter("{x:g}")
        top.minorticks_off()
    top.set(ylabel=name)
    top.legend(fontsize="small")
    bottom.set(xlabel="network", ylabel="distance off the plane", ylim=(0, None))
    bottom.xaxis.get_major_locator().set_params(integer=True)
    for one in (top, bottom):
        one.grid(alpha=0.3)
    return figure


def save(path: str | os.PathLike, figure, *, dpi=120) -> None:
    """Write a figure as PNG, SVG or PDF, by the ending of the path.

    Args:
        path: the file, ending in .png, .svg or .pdf; its folder is made.
        figure: of matplotlib.
        dpi: dots an inch, of a PNG and of what is painted in the others.

    Raises:
        ValueError: the path ends otherwise, this is no figure, or dpi is no whole number from 1 to 2400.
        OSError: it cannot be written; names the path, the number of bytes and the reason. An old file stays.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> path = Path(tempfile.mkdtemp()) / "empty.svg"
        >>> save(path, Figure(figsize=(2, 1)))
        >>> path.read_text()[:5]
        '<?xml'
    """
    path, figure = checks.path("path", path), _figure(figure)
    checks.one_of("the ending of path", path.suffix, tuple(UNTOLD))
    dpi, file = checks.whole("dpi", dpi, 1, FINEST), io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "jaxcost"}):  # else its names are drawn by chance
        figure.savefig(file, format=path.suffix[1:], dpi=dpi, metadata=UNTOLD[path.suffix])
    archive.write_bytes(path, file.getvalue())


def gif(path: str | os.PathLike, draw, frames, *, fps=10, size=(6, 5), dpi=100) -> None:
    """Write what moves, such as a zoom or a path that is walked, as a GIF that runs over and over.

    A zoom is planes of falling half-widths, `frames=[slices.plane(C, *place, h * axis, h * axis) for h in half_widths]`
    with `draw=lambda figure, plane: plot.contour(figure.subplots(), plane)`. Of a path the frames are numbers of steps.

    Args:
        path: the file, ending in .gif; its folder is made.
        draw: `draw(figure, frame)` draws a frame on an empty figure.
        frames: one or more, of whatever kind `draw` takes.
        fps: frames a second, 1 to 50; their time is rounded to a hundredth of a second.
        size: width and height of the figure, inches.
        dpi: dots an inch.

    Raises:
        ValueError: the path ends otherwise, there are no frames, or another argument is not what it should be.
        OSError: it cannot be written; names the path, the number of bytes and the reason. An old file stays.

    Example:
        >>> import tempfile
        >>> path = tempfile.mkdtemp() + "/walk.gif"
        >>> gif(path, lambda figure, i: figure.subplots().plot(range(i)), range(1, 4), size=(2, 1))
        >>> with Image.open(path) as moving:
        ...     moving.n_frames
        3
    """
    path, draw = checks.path("path", path), checks.function("draw", draw)
    checks.one_of("the ending of path", path.suffix, (".gif",))
    fps, dpi = checks.number("fps", fps, 1, MOST), checks.whole("dpi", dpi, 1, FINEST)
    size = checks.numbers("size", size, 1, finite=True)
    if size.shape != (2,) or not (size > 0).all() or not (size * dpi < PIXELS).all():
        raise ValueError(f"size={size.tolist()} at {dpi} dots an inch, expected width and height in inches")
    # an array of no axes has the method of an iterable, and is none
    if not isinstance(frames, Iterable) or isinstance(frames, str | bytes | dict) or getattr(frames, "shape", 1) == ():
        raise ValueError(f"frames={checks.shown(frames)}, expected a list or another iterable of them")
    pictures = []
    for frame in frames:
        figure = Figure(figsize=tuple(size), dpi=dpi, layout="constrained")
        canvas = FigureCanvasAgg(figure)
        draw(figure, frame)
        canvas.draw()
        pictures.append(Image.fromarray(np.array(canvas.buffer_rgba())).convert("RGB").quantize())
    if not pictures:
        raise ValueError("0 frames, expected one or more")
    file = io.BytesIO()
    more = {"save_all": True, "append_images": pictures[1:], "duration": 10 * round(100 / fps), "loop": 0}
    pictures[0].save(file, format="gif", **more)
    archive.write_bytes(path, file.getvalue())


def _figure(figure):
    if not isinstance(figure, Figure):
        raise ValueError(f"figure={checks.shown(figure)}, expected a Figure of matplotlib")
    return figure
