"""How `speed.py` takes time and memory, and how time grows."""

import time
from pathlib import Path

import common
import numpy as np


def turns(ways, repeats, warm=True):
    """Seconds a point of each way, `{name: [repeats]}`; `ways[name]` is a function of points, and points."""
    for way, points in ways.values() if warm else ():
        way(points)  # compiles
    times = {name: [] for name in ways}
    for _ in range(repeats):
        for name, (way, points) in ways.items():
            start = time.perf_counter()
            way(points)
            times[name].append((time.perf_counter() - start) / len(points))
    return {name: np.array(seconds) for name, seconds in times.items()}


def enough(way, points, seconds):
    """So many of the points that the way takes about so many seconds for them, at least two."""
    way(points[:2])
    start = time.perf_counter()
    way(points[:2])
    return points[: max(2, int(2 * seconds / (time.perf_counter() - start)))]


def peak(way):
    """Bytes of main memory that `way()` takes at its peak beyond what is held before it; NaN where it is not told."""
    status, forget = Path("/proc/self/status"), Path("/proc/self/clear_refs")
    if not forget.exists():
        return np.nan
    told = lambda name: 1024 * int(status.read_text().split(name)[1].split()[0])
    before = told("VmRSS:")
    forget.write_text("5")
    way()
    return told("VmHWM:") - before


def exponent(shares):
    """The power p of the least-squares fit, time a point ~ images^p; NaN of one number of images."""
    images, seconds = np.log([int(n) for n in shares]), np.log([np.median(s) for s in shares.values()])
    return np.polyfit(images, seconds, 1)[0] if len(shares) > 1 else np.nan


def dots(ax, ways, each, images):
    """Milliseconds of each way, seconds `[turns]` by name, as dots on a logarithmic axis."""
    ms = {name: 1e3 * np.median(seconds) for name, seconds in ways.items()}
    ax.plot(list(ms.values()), list(ms), "o")
    for name, value in ms.items():
        ax.annotate(f"{value:.3g} ms", (value, name), (8, -4), textcoords="offset points")
    common.log(ax.xaxis)
    ax.set_xlim(min(ms.values()) / 1.5, 3 * max(ms.values()))
    ax.set_ylim(len(ms) - 0.5, -0.5)
    ax.set_xlabel(f"milliseconds {each}, {images:,} images, logarithmic")
    common.tidy(ax)
