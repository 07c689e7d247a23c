"""Any quantity of C at many points of a slice: planned beforehand, in tiles, to be stopped and taken up again."""

import math
import os
import re
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcost import checks
from jaxcost.engine import bars, resume
from jaxcost.engine.program import MEMORY, compiled

UNTIMED = 16  # so many points are one tile, and not timed beforehand
RUN = 0.5  # seconds of a run that is timed beforehand, about
GROWTH, HELPS = 5, 1.5  # a run is followed by one so many times as long, until a point takes so many times less no more
TILE = 5.0  # seconds a tile, which is what is lost when a process is killed
LONG, LARGE = 10.0, 1 << 30  # seconds, and bytes of results, from which on an evaluation is announced
LIMITS = (  # where a host, and a container, say how much memory they have
    ("/proc/meminfo", r"^MemAvailable: +(\d+) kB", 1024),
    ("/sys/fs/cgroup/memory.max", r"^(\d+)", 1),
)
KEEPING = 1 / 20  # share of the time that writing the finished points may take


class Plan(NamedTuple):
    """What an evaluation will take.

    Attributes:
        points: how many.
        images: how many.
        block: images taken together.
        tile: points from one save to the next at most.
        seconds: for all points, at the rate of the longest run that was timed; compiling not included.
        memory: bytes on each device beyond images and parameters, as XLA plans them.
        kept: bytes of the results, on the host.
    """

    points: int
    images: int
    block: int
    tile: int
    seconds: float
    memory: int
    kept: int = 0

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        short = f"{minutes} min {seconds:02} s" if minutes else f"{self.seconds:.1f} s"
        took = f"{hours} h {minutes:02} min" if hours else short
        return (
            f"{self.points:,} points x {self.images:,} images: about {took} and {self.memory / 1e6:,.0f} MB "
            f"beside results of {self.kept / 1e6:,.0f} MB, {self.block:,} images together"
        )


def plan(quantity, Cs, frame, points, *, memory=MEMORY) -> Plan:
    """Time a few points, and say how long all will take, and how much memory they and their results.

    Args and errors as for `program.compiled`.
    """
    program = compiled(quantity, Cs, frame, points, memory, calls=len(points) // UNTIMED + 1)
    before, run = _seconds(program.on, Cs, frame)
    timed = lambda count: _seconds(run, np.resize(points, (count, points.shape[1])))[0]
    planned = _planned(program, Cs, len(points), timed)
    return planned._replace(seconds=before + planned.seconds)


def over_points(
    quantity, Cs, frame, points, *, memory=MEMORY, resume_file=None, resume_elsewhere=False, progress=True
) -> tuple:
    """A quantity at each of the points. Says beforehand what a long evaluation takes.

    Args and errors as for `program.compiled`, and:
        resume_file: path of an .npz that keeps the finished points, or None. Written after tiles, so seldom that it
            takes a twentieth of the time at most, and on Ctrl-C. Points found in it are not computed again; each point
            is computed as if it were alone, so that a stop changes no bit of the results. (Spread over several
            processes, the last bit may change: their sums depend on a point's place in its tile.) Where it can no
            longer be written, as on a full disk, a warning says so and the evaluation goes on.
        resume_elsewhere: go on also with a file that was begun on another machine, with other versions or other blocks:
            numbers of the same meaning, whose last bits may be those of either.
        progress: show progress, and announce what is long or large (`bars`).

    Returns:
        A tuple, for each cost a pytree of numpy arrays `[m, ...]`.

    Raises:
        ValueError: the results do not fit into the memory of this machine; or what `resume.taken_up` raises.
    """
    checks.flag("resume_elsewhere", resume_elsewhere)
    program = compiled(quantity, Cs, frame, points, memory, calls=len(points) // UNTIMED + 1)
    _refuse_too_large(quantity, program, len(points))
    results = jax.tree.map(lambda a: np.zeros((len(points), *a.shape[1:]), a.dtype), program.results)
    keep, done = None, 0
    if resume_file is not None:
        identity = resume.identity(quantity, Cs, frame, points, program.block, program.buffer)
        done, before = resume.taken_up(resume_file, identity, results, resume_elsewhere)
        keep = partial(resume.keep, resume_file, identity, before)
    with bars.bar(len(points), "slice", "point", progress=progress, initial=done) as bar:
        run = program.on(Cs, frame) if done < len(points) else None
        under_way = _UnderWay(run, points, results, keep, done, done)
        try:
            for count in _tiles(under_way, program, Cs, progress):
                under_way.compute(count)
                bar.update(under_way.done - bar.n)
        except BaseException as stopped:  # Ctrl-C above all, which nothing must hide
            if failed := under_way.keep_all():
                stopped.add_note(failed)
            raise
    if failed := under_way.keep_all():  # the values are there, with or without their file
        warnings.warn(failed, RuntimeWarning, stacklevel=3)
    return results


def over_frames(quantity, slices, points, *, memory=MEMORY, progress=True) -> Any:
    """A quantity at the same points of several slices, `[slices, m, ...]`: one program, compiled once.

    Args:
        quantity: what to compute.
        slices: a list of functions, each of which makes `(C, frame)` when its turn comes, as in `program.compiled` and
            all of one structure.
        points: coordinates, `[m, k]`.
        memory: bytes that may be taken on each device beyond images and parameters, and beyond the results.
        progress: show progress.

    Returns:
        A pytree of numpy arrays.

    Raises:
        ValueError: not even one image at a time fits into the memory, or the results not into that of this machine.
    """
    program, results = None, []
    with bars.bar(len(slices), "slices", "slice", progress=progress) as bar:
        for make in slices:
            C, frame = make()
            if program is None:
                program = compiled(quantity, (C,), frame, points, memory, calls=1)
                _refuse_too_large(quantity, program, len(slices) * len(points))
            run = program.on((C,), frame)
            parts = [run(points[i : i + program.buffer])[0] for i in range(0, len(points), program.buffer)]
            results.append(jax.tree.map(lambda *a: np.concatenate(a), *parts))
            bar.update()
    return jax.tree.map(lambda *a: np.stack(a), *results)


@dataclass
class _UnderWay:
    """An evaluation under way: its first `done` points are computed, its first `kept` are in the file."""

    run: Callable | None
    points: np.ndarray
    results: Any
    keep: Callable | None
    done: int
    kept: int
    due: float = 0.0  # when the file may be written again
    failed: str | None = None  # why the last time it could not be

    def compute(self, count):
        """Compute the next so many points, and return the seconds that it took."""
        part = slice(self.done, self.done + count)
        took, found = _seconds(self.run, self.points[part])
        jax.tree.map(lambda whole, new: whole[part].__setitem__(..., new), self.results, found)
        self.done = min(self.done + count, len(self.points))
        if time.perf_counter() >= self.due:
            took_keeping, failed = _seconds(self.keep_all)
            self.due = time.perf_counter() + took_keeping / KEEPING
            if failed and not self.failed:
                warnings.warn(f"{failed}; it goes on without", RuntimeWarning, stacklevel=4)
            self.failed = failed
        return took

    def keep_all(self):
        """Write the finished points, if there are new ones and a file to keep them; return what hinders it, or None."""
        if self.keep is not None and self.kept < self.done:
            try:
                self.keep(self.done, self.results)
            except Exception as error:  # full, gone, forbidden: no reason to lose what is computed
                return f"{self.done - self.kept:,} finished points are not kept: {error}"
            self.kept = self.done
        return None


def _seconds(f, *arguments):
    """How long a call takes, and what it returns."""
    start = time.perf_counter()
    result = f(*arguments)
    return time.perf_counter() - start, result


def _tiles(under_way, program, Cs, progress):
    """How many points to compute next, again and again; the first are timed, and what is long is announced."""
    m = len(under_way.points)
    tile = program.buffer
    if m - under_way.done > UNTIMED:
        planned = _planned(program, Cs, m - under_way.done, under_way.compute)
        tile = planned.tile
        if (planned.seconds > LONG or planned.kept > LARGE) and bars.wanted(progress):
            print(planned, file=sys.stderr, flush=True)
    while under_way.done < m:
        yield tile


def _planned(program, Cs, m, timed):
    """From the time of some points, which `timed(count)` computes.

    A call takes c + p m seconds for m points, c for the coefficients. On a machine with other work each takes longer,
    one more than the other, and their differences may be anything. So the rate of the longest is what is planned, and
    the differences, taken for no less than the share that its growth leaves them, only choose the tile.
    """
    spread = Cs[0].spread
    several = spread is not None and len({d.process_index for d in spread.mesh.devices.flat}) > 1
    # all processes must cut the same tiles
    agreed = lambda took: float(multihost_utils.broadcast_one_to_all(np.array(took))) if several else took
    runs = _runs(program.buffer, m, lambda count: max(agreed(timed(count)), 1e-9))
    longest = max(runs)
    took = sum(runs[longest]) / len(runs[longest])
    rate = took / longest
    least, fewer = min(((min(times), count) for count, times in runs.items() if count < longest), default=(0.0, 0))
    point = float(np.clip((took - least) / (longest - fewer), rate / HELPS, rate))
    coefficients = took - longest * point
    tile = max(TILE, 20 * coefficients) / point
    tile = int(np.clip(tile, max(1, longest // GROWTH), program.buffer))
    return Plan(m, sum(C.n for C in Cs), program.block, tile, m * rate, program.memory, _bytes(program, m))


def _runs(buffer, m, timed):
    """Seconds of runs by their number of points, `m` in all at most: of more and more, and of the most twice.

    More are taken while a run is short, and while a point of it takes much less than of the shorter ones: so long the
    coefficients have a large share in it.
    """
    runs, count, left, shorter = {}, min(2, buffer, m), m, math.inf
    while True:
        took = timed(count)
        left -= count
        times = runs.setdefault(count, [])
        times.append(took)
        least = min(times)
        helped = least / count < shorter / HELPS
        more = min(max(int(count * RUN / least), GROWTH * count if helped else 0), left, buffer)
        if more > count:
            count, shorter = more, min(shorter, least / count)
        # once more, but for a long run: it has had its share of any load, unless its points took longer than before
        elif left < count or len(times) > 1 or (took > TILE and least / count <= shorter):
            return runs


def _bytes(program, m):
    """Bytes of the results of m points."""
    return m * sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(program.results))


def _refuse_too_large(quantity, program, m):
    """Refuse results that do not fit, before hours are spent on them.

    Raises:
        ValueError: names the bytes, and what to leave out.
    """
    needed, free = _bytes(program, m), _free()
    if needed > free:
        without = " or without per_image=True" if getattr(quantity, "per_image", False) else ""
        raise ValueError(
            f"results of {needed:,} bytes at {m:,} points, expected no more than the {free:,} that are free here: "
            f"evaluate fewer points at a time{without}"
        )


def _free():
    """Bytes of memory that this process may take: what is free, or of a host that does not say, all that it has."""
    limits = []
    for path, pattern, unit in LIMITS:
        try:
            told = re.search(pattern, Path(path).read_text(), re.M)
        except OSError:  # not here
            told = None
        limits += [int(told[1]) * unit] if told else []
    if not limits and hasattr(os, "sysconf"):
        limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    return min(limits, default=math.inf)
