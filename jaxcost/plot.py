"""Figures, drawn on axes that the caller gives, from results alone. Imported only by scripts."""

import copy

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LightSource, LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import ScalarFormatter
from scipy.cluster.hierarchy import leaves_list
from scipy.interpolate import RegularGridInterpolator

from jaxcost import checks, scales

COLOURS = "viridis"  # perceptually uniform, and falls in lightness in print as C does
ROOM = 0.1  # from a label to the next, as a share of a plane
GROUND = 0.3  # how far below a surface its level lines lie, as a share of its height
EDGE = [withStroke(linewidth=2, foreground="black")]  # white is seen on light ground too


def norm(values) -> Normalize:
    """A colour scale over the finite values, logarithmic where `scales.span` says so.

    Raises:
        ValueError: the values are no numbers.
    """
    low, high, logarithmic = scales.span(values)
    return LogNorm(low, high) if logarithmic else Normalize(low, high)


def contour(ax, plane, minima=None, grid_only=None, *, filled=False, bar=True, name="C", scale=None) -> None:
    """A plane as colour and level lines, alpha to the right and beta up, minima as dots, the origin as a cross.

    The lines lie at the round numbers of `scales.levels`, of which the bar shows some. The noise floor is told at the
    bar where it is more than a hundredth of what lies between two lines; else no eye sees it.

    Args:
        ax: matplotlib axes.
        plane: a `slices.Slice` of two axes. Non-finite values are left white.
        minima: a `minima.Minima` to mark in red, or None.
        grid_only: another, to mark in white: those that `critical.settle` found to be none of C.
        filled: one colour between two level lines, which carry their values, in place of one a point.
        bar: draw a colour bar, as tall as the plane.
        name: of what is drawn, with its unit if it has one, for the bar.
        scale: a `norm` to share between planes, or None for one of this plane's own.

    Raises:
        ValueError: the plane is no slice of two axes, or another argument is not what it should be; here and below.
    """
    values, ax, bar, filled = _values(plane, 2), _axes(ax, name), checks.flag("bar", bar), checks.flag("filled", filled)
    for which, marked in (("minima", minima), ("grid_only", grid_only)):
        if marked is not None and not (hasattr(marked, "indices") and hasattr(marked, "passes")):
            raise ValueError(f"{which}={checks.shown(marked)}, expected None or a Minima")
    if not isinstance(scale, Normalize | None) or not (scale is None or scale.scaled()):
        raise ValueError(f"scale={checks.shown(scale)}, expected None or a norm with both ends")
    values = np.where(np.isfinite(values), values, np.nan)
    # one of its own: a bar forgets its ticks when another plane is drawn by the same one
    scale = norm(values) if scale is None else copy.deepcopy(scale)
    levels, points = _levels(scale), (plane.alphas, plane.betas, values.T)
    low, high, _ = scales.span(values)
    crossed = levels[(levels > low) & (levels < high)] if min(values.shape) > 1 else []
    style = {"norm": scale, "cmap": COLOURS}
    if filled and len(crossed):
        drawn = ax.contourf(*points, [scale.vmin, *levels, scale.vmax], **style)
        _label(ax, ax.contour(*points, crossed, colors="white", linewidths=0.8, linestyles="-"), plane.axes)
    else:
        drawn = ax.pcolormesh(*points, **style, shading="nearest", rasterized=True)
        if len(crossed):
            ax.contour(*points, crossed, colors="white", linewidths=0.4, alpha=0.6, linestyles="-")
    size = 6 if sum(marked.count for marked in (grid_only, minima) if marked is not None) < 10 else 3.5
    for marked, colour in ((grid_only, "white"), (minima, "tab:red")):
        if marked is not None and marked.count:
            i, j = marked.indices.T
            ax.plot(
                plane.alphas[i], plane.betas[j], "o", markersize=size,
                markerfacecolor=colour, markeredgecolor="black" if colour == "white" else "white", markeredgewidth=0.5,
            )  # fmt: skip
    # longer than a dot is wide, and over it
    ax.plot(0, 0, "+", color="white", markersize=11, markeredgewidth=1.2, path_effects=EDGE, zorder=4)
    ax.set_aspect("equal")
    _ticks(ax, *plane.axes)
    if bar:
        seen = 100 * plane.floor > np.min(np.diff(levels), initial=np.inf)
        told = filter(None, (name, f"± noise floor {plane.floor:.1g}" if seen else None))
        few = scales.levels(scale.vmin, scale.vmax, isinstance(scale, LogNorm), most=6)
        colour_bar(ax, drawn, ", ".join(told), few)


def _levels(scale):
    """The round levels of a colour scale."""
    return scales.levels(scale.vmin, scale.vmax, isinstance(scale, LogNorm), funnel=True)


def _ticks(ax, *axes):
    for axis, along in zip((ax.xaxis, ax.yaxis), axes, strict=True):
        axis.set_ticks(scales.ticks(along.min(), along.max()))
        axis.set_major_formatter("{x:g}")


def _label(ax, lines, axes):
    """Write their values at level lines, the highest first, where there is room."""
    ends, kept = np.array([[axis.min(), axis.max()] for axis in axes]).T, []
    for text in sorted(ax.clabel(lines, fontsize=7, fmt="%g", inline=False), key=lambda one: -float(one.get_text())):
        text.set(path_effects=EDGE, color="white")
        at = (text.get_position() - ends[0]) / (ends[1] - ends[0])
        if all(np.linalg.norm(at - other) > ROOM for other in kept) and np.abs(at - 0.5).max() < 0.5 - ROOM / 2:
            kept.append(at)
        else:
            text.remove()


def colour_bar(ax, drawn, name, ticks=None) -> None:
    """A colour bar with its name, that hangs on its axes: as tall as they are, whatever their shape.

    Args:
        ax: matplotlib axes.
        drawn: what is drawn there in colours, such as an image or a mesh.
        name: of what the colours are, with its unit if it has one; or None.
        ticks: numbers to label, `[ticks]`, or None for matplotlib's.
    """
    _axes(ax, name)
    ticks = None if ticks is None else checks.numbers("ticks", ticks, 1, finite=True)
    if not isinstance(drawn, ScalarMappable):
        raise ValueError(f"drawn={checks.shown(drawn)}, expected what matplotlib draws in colours")
    own = ax.figure.colorbar(drawn, cax=ax.inset_axes([1.03, 0, 0.05, 1]), spacing="proportional")
    if ticks is not None:
        own.set_ticks(ticks)
    # of equal steps all with as many digits
    plain = type(drawn.norm) is Normalize
    own.ax.yaxis.set_major_formatter(ScalarFormatter(useOffset=False) if plain else "{x:g}")
    own.ax.minorticks_off()
    own.ax.tick_params(labelsize="x-small")
    own.set_label(name or "", fontsize="small", rotation=0 if len(name or "") == 1 else 90)


def surface(ax, plane, *finer, name="C") -> None:
    """A plane as a lit 3-D surface over its level lines, on axes made with `projection="3d"`.

    Args:
        ax: such axes.
        plane: a `slices.Slice` of two axes.
        finer: smaller planes of the same directions about the same origin, whose points are drawn where they lie.
        name: of what is drawn, with its unit if it has one.
    """
    ax = _axes(ax, name)
    if not hasattr(ax, "plot_surface"):
        raise ValueError(f"ax={checks.shown(ax)}, expected axes made with projection='3d'")
    planes = [(one, _values(one, 2)) for one in (plane, *finer)]
    if min(min(values.shape) for _, values in planes) < 2:
        raise ValueError("a plane of one point along an axis, expected two or more along both")
    alphas, betas, values = _joined(planes)
    scale = norm(plane.values)
    levels = _levels(scale)
    span = (scale.vmax - scale.vmin) or 1.0
    slopes = np.gradient(values / span, alphas / np.ptp(alphas), betas / np.ptp(betas))
    normals = np.stack([-slopes[0], -slopes[1], np.ones_like(values)], -1)
    light = LightSource(200, 50).shade_normals(normals / np.linalg.norm(normals, axis=-1, keepdims=True))
    colours = colormaps[COLOURS](scale(values))
    colours[..., :3] *= 0.55 + 0.45 * light[..., None]
    x, y = np.meshgrid(alphas, betas, indexing="ij")
    # every point, or the funnel is cut off
    ax.plot_surface(x, y, values, facecolors=colours, rstride=1, cstride=1, linewidth=0, antialiased=False, shade=False)
    ground = scale.vmin - GROUND * span
    if len(levels):
        ax.contour(x, y, values, levels, zdir="z", offset=ground, cmap=COLOURS, norm=scale, linewidths=1)
    ax.set(xlabel="α", ylabel="β", zlabel=name, zlim=(ground, scale.vmin + span))
    _ticks(ax, alphas, betas)
    ax.set_zticks(scales.levels(scale.vmin, scale.vmax, most=6))


def _joined(planes):
    """Planes about one origin as one grid of all their points, on it the smallest that is there, straight between."""
    every = [np.sort(np.concatenate([one.axes[k] for one, _ in planes])) for k in (0, 1)]
    # a point of two planes is one, though rounding parts them
    alphas, betas = axes = [along[np.diff(along, prepend=-np.inf) > 1e-9 * np.ptp(along)] for along in every]
    joined = np.empty((len(alphas), len(betas)))
    for one, values in sorted(planes, key=lambda of: -np.ptp(of[0].alphas)):
        i, j = ((all_ >= own.min()) & (all_ <= own.max()) for all_, own in zip(axes, one.axes, strict=True))
        at = np.stack(np.meshgrid(alphas[i], betas[j], indexing="ij"), -1)
        joined[np.ix_(i, j)] = RegularGridInterpolator(one.axes, np.where(np.isfinite(values), values, np.nan))(at)
    return alphas, betas, joined


def line(ax, slice_, label=None, **style) -> None:
    """C along a line, with its noise floor as a band (seldom wide enough to see)."""
    values, ax = _values(slice_, 1), _axes(ax, label)
    (drawn,) = ax.plot(slice_.alphas, values, label=label, **style)
    band = values - slice_.floor, values + slice_.floor
    ax.fill_between(slice_.alphas, *band, color=drawn.get_color(), alpha=0.3, lw=0)
    ax.set(xlabel="α", ylabel="C")


def band(ax, steps, values, label=None, **style) -> None:
    """A quantity by step: one curve, or of an ensemble `[networks, records]` the median between its extremes."""
    steps, values = checks.numbers("steps", steps, 1), np.atleast_2d(checks.numbers("values", values))
    if values.ndim != 2 or values.shape[1] != len(steps) or not len(values):
        raise ValueError(f"values {list(values.shape)} at {len(steps)} steps, expected [steps] or [networks, steps]")
    ax = _axes(ax, label)
    (drawn,) = ax.plot(steps, np.median(values, 0), label=label, **style)
    if len(values) > 1:
        ax.fill_between(steps, values.min(0), values.max(0), color=drawn.get_color(), alpha=0.2, lw=0)


def medians(ax, x, summaries, label=None, **style) -> Line2D:
    """A measure against something: medians joined, and as a band the interval of each.

    The summaries are `statistics.Summary`s, or `statistics.Interval`s of other numbers than medians.
    """
    ax, x = _axes(ax, label), checks.numbers("x", x, 1)
    known = isinstance(summaries, list | tuple) and all(isinstance(one, tuple) for one in summaries)
    if not known or len(summaries) != len(x) or not len(x):
        raise ValueError(f"summaries={checks.shown(summaries)} at {len(x)} x, expected a list of as many")
    middle, low, high = checks.numbers("summaries", [one[:3] for one in summaries], 2).T
    (drawn,) = ax.plot(x, middle, label=label, **style)
    known = np.isfinite(low) & np.isfinite(high)
    ax.fill_between(x, low, high, where=known, color=drawn.get_color(), alpha=0.2, lw=0)
    return drawn


def trajectory(ax, coordinates, off=None) -> None:
    """A training path over a plane: `coordinates` `[steps, 2]`, each step as large as its distance `off` the plane.

    A square is its start, a star its end.
    """
    ax, coordinates = _axes(ax), checks.numbers("coordinates", coordinates, 2)
    off = None if off is None else checks.numbers("off", off, 1)
    if coordinates.shape[1] != 2 or not len(coordinates) or (off is not None and len(off) != len(coordinates)):
        found = f"{list(coordinates.shape)}, off {None if off is None else list(off.shape)}"
        raise ValueError(f"coordinates {found}, expected [steps, 2] and None or [steps]")
    ax.plot(*coordinates.T, color="white", lw=0.8, path_effects=EDGE)
    size = 10 if off is None else 4 + 60 * off / max(off.max(), 1e-12)
    ax.scatter(*coordinates.T, s=size, color="tab:red", edgecolors="white", linewidths=0.5, zorder=3)
    for at, marker, size in ((coordinates[0], "s", 6), (coordinates[-1], "*", 11)):
        ax.plot(*at, marker, markersize=size, color="white", markeredgecolor="black", markeredgewidth=0.8, zorder=5)


def curve(ax, plane, label=None) -> None:
    """A curve between two networks over its plane, `curves.Plane`: the ends as dots, the bend as a cross."""
    ax = _axes(ax, label)
    checks.having("plane", plane, "nodes", "path")
    nodes, path = (checks.numbers(name, getattr(plane, name), 2) for name in ("nodes", "path"))
    ax.plot(*path.T, color="tab:red", lw=1.8, label=label)
    ax.plot(*nodes[[0, -1]].T, color="white", lw=0.8, ls="--")
    ax.plot(*nodes[1:-1].T, "x", color="tab:red", markersize=7, markeredgewidth=1.8)
    ax.plot(*nodes[[0, -1]].T, "o", color="tab:red", markersize=7, markeredgecolor="white")


def disconnectivity(ax, costs, merges) -> None:
    """Which basins become one at which cost: each network a line up from its C, joined where `graph.merges` says.

    Args:
        ax: matplotlib axes; C is upward.
        costs: C of each network, `[n]`.
        merges: of these, `[n - 1, 4]`.
    """
    ax, costs = _axes(ax), checks.numbers("costs", costs, 1, finite=True)
    merges = checks.numbers("merges", merges, 2, finite=True)
    n = len(costs)
    if merges.shape != (n - 1, 4) or n < 2:
        raise ValueError(f"merges {list(merges.shape)} of {n} networks, expected [n - 1, 4], n 2 or more")
    order = leaves_list(merges)
    x, top = np.empty(2 * n - 1), np.concatenate([costs, merges[:, 2]])
    x[order] = np.arange(n)
    for k, (i, j) in enumerate(merges[:, :2].astype(int)):
        x[n + k] = (x[i] + x[j]) / 2
        ax.plot([x[i], x[i], x[j], x[j]], [top[i], top[n + k], top[n + k], top[j]], color="tab:blue", lw=1.2)
    ax.plot(x[:n], costs, "o", color="tab:blue", markersize=4)
    ax.set_xticks(np.arange(n), order, fontsize="x-small")
    ax.set(xlabel="network", ylabel="C")


def image(ax, x, title="", **style) -> None:
    """One image `[pixels]`, square, black on white, with a title."""
    ax, x = _axes(ax, title), checks.numbers("x", x, 1)
    side = round(len(x) ** 0.5)
    if not side or len(x) % side:
        raise ValueError(f"x of {len(x)} pixels, expected as many as fill rows of {side}")
    ax.imshow(np.reshape(x, (side, -1)), cmap="gray_r", vmin=0, vmax=1, interpolation="nearest")
    ax.set_title(title, fontsize="x-small", **style)
    ax.set_axis_off()


def _axes(ax, text=None):
    if not isinstance(text, str | None):
        raise ValueError(f"label or title {checks.shown(text)}, expected text")
    if not isinstance(ax, Axes):
        raise ValueError(f"ax={checks.shown(ax)}, expected axes of matplotlib, one alone")
    return ax


def _values(slice_, k):
    """The values of a slice of k axes."""
    axes, values = getattr(slice_, "axes", None), getattr(slice_, "values", None)
    if not isinstance(axes, tuple) or len(axes) != k or np.shape(values) != tuple(map(len, axes)):
        found = type(slice_).__name__ if not isinstance(axes, tuple) else f"a slice of {len(axes)} axes"
        raise ValueError(f"{found}, expected a Slice of {k} with a value at each point")
    return checks.numbers("values", values, k)
