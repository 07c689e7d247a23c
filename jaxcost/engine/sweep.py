"""Any quantity of C at many points of a slice: planned beforehand, in tiles, to be stopped and taken up again."""

import math
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcost.engine import bars, resume
from jaxcost.engine.program import MEMORY, Program, compiled

UNTIMED = 16  # so many points are one tile, and not timed beforehand
TILE = 5.0  # seconds a tile, which is what is lost when a process is killed
LONG = 10.0  # seconds from which on an evaluation is announced
KEEPING = 1 / 20  # share of the time that writing the finished points may take


class Plan(NamedTuple):
    """What an evaluation will take.

    Attributes:
        points: how many.
        images: how many.
        block: images taken together.
        tile: points from one save to the next at most.
        seconds: for all points, from the time of a few; compiling not included.
        memory: bytes on each device beyond images and parameters, as XLA plans them.
    """

    points: int
    images: int
    block: int
    tile: int
    seconds: float
    memory: int

    def __str__(self) -> str:
        minutes, seconds = divmod(round(self.seconds), 60)
        hours, minutes = divmod(minutes, 60)
        short = f"{minutes} min {seconds:02} s" if minutes else f"{self.seconds:.1f} s"
        took = f"{hours} h {minutes:02} min" if hours else short
        return (
            f"{self.points:,} points x {self.images:,} images: about {took} and {self.memory / 1e6:,.0f} MB, "
            f"{self.block:,} images together"
        )


def plan(quantity, Cs, frame, points, *, memory=MEMORY) -> Plan:
    """Time a few points, and say how long all will take and how much memory.

    Args and errors as for `program.compiled`.
    """
    program = compiled(quantity, Cs, frame, points, memory)
    timed = lambda count: _seconds(program.run, Cs, frame, np.resize(points, (count, points.shape[1])))[0]
    return _planned(program, Cs, len(points), timed)


def over_points(quantity, Cs, frame, points, *, memory=MEMORY, resume_file=None, progress=True) -> tuple:
    """A quantity at each of the points. Says beforehand what a long evaluation takes.

    Args and errors as for `program.compiled`, and:
        resume_file: path of an .npz that keeps the finished points, or None. Written after tiles, so seldom that it
            takes a twentieth of the time at most, and on Ctrl-C. Points found in it are not computed again; each point
            is computed as if it were alone, so that a stop changes no bit of the results. (Spread over several
            processes, the last bit may change: their sums depend on a point's place in its tile.)
        progress: show progress, and announce what is long (`bars`).

    Returns:
        A tuple, for each cost a pytree of numpy arrays `[m, ...]`.
    """
    program = compiled(quantity, Cs, frame, points, memory)
    results = jax.tree.map(lambda a: np.zeros((len(points), *a.shape[1:]), a.dtype), program.results)
    keep, done = None, 0
    if resume_file is not None:
        identity = resume.identity(quantity, Cs, frame, points, program.block, program.buffer)
        keep = partial(resume.keep, resume_file, identity)
        done = resume.taken_up(resume_file, identity, results)
    with bars.bar(len(points), "slice", "point", progress=progress, initial=done) as bar:
        under_way = _UnderWay(program, Cs, frame, points, results, keep, done, done)
        try:
            for count in _tiles(under_way, progress):
                under_way.compute(count)
                bar.update(under_way.done - bar.n)
        finally:  # the end, or Ctrl-C
            under_way.keep_all()
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
        ValueError: not even one image at a time fits into the memory.
    """
    program, results = None, []
    with bars.bar(len(slices), "slices", "slice", progress=progress) as bar:
        for make in slices:
            C, frame = make()
            program = program or compiled(quantity, (C,), frame, points, memory)
            tiles = [points[i : i + program.buffer] for i in range(0, len(points), program.buffer)]
            parts = [program.run((C,), frame, tile)[0] for tile in tiles]
            results.append(jax.tree.map(lambda *a: np.concatenate(a), *parts))
            bar.update()
    return jax.tree.map(lambda *a: np.stack(a), *results)


@dataclass
class _UnderWay:
    """An evaluation under way: its first `done` points are computed, its first `kept` are in the file."""

    program: Program
    Cs: tuple
    frame: Any
    points: np.ndarray
    results: Any
    keep: Callable | None
    done: int
    kept: int
    due: float = 0.0  # when the file may be written again

    def compute(self, count):
        """Compute the next so many points, and return the seconds that it took."""
        part = slice(self.done, self.done + count)
        took, found = _seconds(self.program.run, self.Cs, self.frame, self.points[part])
        jax.tree.map(lambda whole, new: whole[part].__setitem__(..., new), self.results, found)
        self.done = min(self.done + count, len(self.points))
        if time.perf_counter() >= self.due:
            took_keeping, _ = _seconds(self.keep_all)
            self.due = time.perf_counter() + took_keeping / KEEPING
        return took

    def keep_all(self):
        """Write the finished points, if there are new ones and a file to keep them."""
        if self.keep is not None and self.kept < self.done:
            self.keep(self.done, self.results)
            self.kept = self.done


def _seconds(f, *arguments):
    """How long a call takes, and what it returns."""
    start = time.perf_counter()
    result = f(*arguments)
    return time.perf_counter() - start, result


def _tiles(under_way, progress):
    """How many points to compute next, again and again; the first are timed, and what is long is announced."""
    m = len(under_way.points)
    tile = under_way.program.buffer
    if m - under_way.done > UNTIMED:
        planned = _planned(under_way.program, under_way.Cs, m - under_way.done, under_way.compute)
        tile = planned.tile
        if planned.seconds > LONG and bars.wanted(progress):
            print(planned, file=sys.stderr, flush=True)
    while under_way.done < m:
        yield tile


def _planned(program, Cs, m, timed):
    """From the time of two points, and of more, but of no more than are sure to take a tile's time.

    A call takes c + p m seconds for m points, c for the coefficients; two points alone would not tell these apart.
    `timed(count)` computes so many points and returns the seconds.
    """
    spread = Cs[0].spread
    several = spread is not None and len({d.process_index for d in spread.mesh.devices.flat}) > 1
    # all processes must cut the same tiles
    agreed = lambda took: float(multihost_utils.broadcast_one_to_all(np.array(took))) if several else took
    two = min(2, program.buffer)
    first = agreed(timed(two))
    coefficients, point, tile = 0.0, first / two, program.buffer
    more = min(max(int(TILE * two / first), two + 1), m - two, program.buffer)
    if more > two:
        then = agreed(timed(more))
        point = max(then - first, 1e-6 * then) / (more - two)
        coefficients = max(0.0, first - two * point)
        tile = int(np.clip(max(TILE, 20 * coefficients) / point, 1, program.buffer))
    seconds = math.ceil(m / tile) * coefficients + m * point
    return Plan(m, sum(C.n for C in Cs), program.block, tile, seconds, program.memory)
