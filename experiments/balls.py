"""Balls that roll on a slice of C: down its exact gradient, to the minima that they find.

A ball on a slice feels the slice alone. Where it stops is a minimum of the slice, and whether it is one of C the
gradient in all dimensions tells.
"""

from functools import partial
from typing import NamedTuple

import common
import jax
import numpy as np
import optax

from jaxcost import descent, plot, slices
from jaxcost.measures import critical, minima

COLOURS = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00"  # Okabe and Ito's; of minima, the lowest first


class Ground(NamedTuple):
    """A slice with its minima, and balls that roll on it.

    Attributes:
        slice_: the `Slice`.
        points: its minima, coordinates `[m, k]`: the lowest first, the others by their depth.
        costs: C there, `[m]`.
        depths: how far C must rise before one can leave, `[m]`.
        slopes: length of the gradient in all dimensions at the first of these, `[told]`.
        freed: C after descent in all dimensions from the first of these, `[told]`.
        paths: of the balls, `[balls, steps + 1, k]`.
        ends: the minimum at which each ball stops, `[balls]`; -1 for none of these.
    """

    slice_: slices.Slice
    points: np.ndarray
    costs: np.ndarray
    depths: np.ndarray
    slopes: np.ndarray
    freed: np.ndarray
    paths: np.ndarray
    ends: np.ndarray


def ground(C, slice_, starts, settings):
    """The minima of a slice, in the slice and in all dimensions, and where balls from some starts stop."""
    found = minima.local_minima(slice_.values, slice_.floor)
    points, stays = critical.settle(C, slice_, found)
    points, depths = points[stays], found.depths[stays]
    costs = slices.evaluate(C, *slice_.frame, points) if len(points) else np.zeros(0)
    order = np.lexsort((-depths, costs > costs.min(initial=np.inf)))
    points, depths, costs = points[order], depths[order], costs[order]
    there = [slice_.at(point) for point in points[: settings.told]]
    slopes = np.array([float(descent.gradient_norm(C, params)) for params in there])
    key, down = jax.random.key(0), optax.sgd(settings.rate)  # over all images, so that the key is of no account
    options = {"steps": settings.freed, "every": settings.freed}
    freed = [float(descent.descend(key, C, params, down, **options).costs[-1]) for params in there]
    cell = np.array([np.ptp(axis) / (len(axis) - 1) for axis in slice_.axes])
    paths = roll(C, slice_.frame, starts, cell.min(), settings.rolled)
    away = np.abs((paths[:, -1, None] - points) / cell).max(-1)  # in cells, of each ball from each minimum
    ends = np.where(away.min(1, initial=np.inf) < 1, away.argmin(1) if len(points) else -1, -1)
    return Ground(slice_, points, costs, depths, slopes, np.array(freed), paths, ends)


def roll(C, frame, starts, length, steps):
    """Paths of steepest descent, each step so long at most, and half as long where the slope has turned round."""
    paths, lengths, before = [np.float64(starts)], np.full((len(starts), 1), length), 0.0
    for _ in range(steps):
        _, slopes, _ = slices.derivatives(C, *frame, paths[-1], progress=False)
        way = slopes / np.maximum(np.linalg.norm(slopes, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        turned = (way * before).sum(1, keepdims=True) < 0
        lengths = np.minimum(np.where(turned, 0.5, 1.2) * lengths, length)
        paths.append(paths[-1] - lengths * way)
        before = way
    return np.stack(paths, 1)


def steps(C, frame, start, rates, number):
    """Gradient descent from one start at several rates: points `[rates, steps + 1, k]` and C there."""
    points, costs = [np.tile(start, (len(rates), 1))], []
    for _ in range(number + 1):
        values, slopes, _ = slices.derivatives(C, *frame, points[-1], progress=False)
        costs.append(values)
        points.append(points[-1] - rates[:, None] * slopes)
    return np.stack(points[:-1], 1), np.stack(costs, 1)


def valley(of):
    """The part of a line about its deepest local minimum that lies at most a little higher than its pass, or None."""
    if len(of.costs) < 2:
        return None
    alphas, outside = of.slice_.alphas, of.slice_.values > of.costs[1] + 1.1 * of.depths[1]
    low = of.slice_.values < of.costs[1] - of.depths[1] / 2
    before, after = (alphas[(outside | low) & side] for side in (alphas < of.points[1, 0], alphas > of.points[1, 0]))
    return before.max(initial=alphas[0]), after.min(initial=alphas[-1])


def named(i):
    """A minimum in words."""
    return f"local minimum {i}" if i else "global minimum"


def coloured(i):
    """The colour of a minimum, the lowest first; gray for none of those that are told."""
    return COLOURS[i] if 0 <= i < len(COLOURS) else "gray"


def draw_line(of, near):
    """C on the line with the balls where they start; and its deepest local minimum near, with those that are caught."""
    figure = common.figure(12, 5.4)
    axes = left, right = figure.subplots(1, 2, width_ratios=(1.4, 1))
    for ax, line in zip(axes, (of.slice_, near or of.slice_), strict=True):
        plot.line(ax, line, lw=1.2, color="black")
        at = partial(np.interp, xp=line.alphas, fp=line.values)
        for path, end in zip(of.paths[..., 0], of.ends, strict=True):
            if line.alphas[0] <= path.min() and path.max() <= line.alphas[-1]:
                ax.plot(path, at(path), color=coloured(end), lw=3, alpha=0.6)
                ax.plot(path[0], at(path[0]), "o", ms=7, color=coloured(end), mec="white")
        for i in range(len(of.costs[: 2 if near else 1])):
            label = f"{named(i)}, C = {of.costs[i]:.3g}"
            if line.alphas[0] <= of.points[i, 0] <= line.alphas[-1]:
                ax.plot(of.points[i], of.costs[i], "*v"[i], ms=14, color=COLOURS[i], mec="black", label=label)
        ax.set_xlabel(f"α, {common.LENGTH}" if ax is left else "α")
    left.set_title(f"{np.sum(of.ends == 0)} of {len(of.ends)} balls (dots) roll to the global minimum", fontsize=11)
    right.set_title(f"about the local minimum: {of.depths[1]:.2g} deep" if near else "no second minimum", fontsize=11)
    common.tidy(axes)
    figure.suptitle("C on a random line far out through a trained network: balls that roll, and balls that are caught")
    return figure


def draw_basins(of):
    """Level lines of C on the plane, and the path of each ball in the colour of the minimum that it comes to."""
    figure = common.figure(9, 8.6)
    ax = figure.subplots()
    alphas, betas = of.slice_.axes
    levels = np.geomspace(of.slice_.values.min(), of.slice_.values.max(), 14)
    lines = ax.contour(alphas, betas, of.slice_.values.T, levels, colors="gray", linewidths=0.8)
    ax.clabel(lines, fmt="%.2g", fontsize=8)
    for path, end in zip(of.paths, of.ends, strict=True):
        ax.plot(*path.T, color=coloured(end), lw=1.3)
        ax.plot(*path[0], "o", color=coloured(end), ms=4)
    for i, (point, C) in enumerate(zip(of.points, of.costs, strict=True)):
        label = f"{named(i)}, C = {C:.3g}: {np.sum(of.ends == i)} balls"
        ax.plot(*point, "*v"[i > 0], ms=16, color=coloured(i), mec="black", label=label)
    ax.set(xlim=alphas[[0, -1]], ylim=betas[[0, -1]], aspect="equal")
    ax.set(xlabel="α, length in the space of parameters", ylabel="β")
    figure.legend(loc="outside lower center", ncols=2, fontsize=10)
    ax.set_title(f"C on the plane through three trained networks, and where {len(of.ends)} balls roll to")
    return figure
