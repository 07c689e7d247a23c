"""Figures, drawn on axes that the caller gives, from results alone. Imported only by scripts."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm, Normalize
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from scipy.cluster.hierarchy import leaves_list

from jaxcost import checks

COLOURS = "viridis"  # perceptually uniform, and falls in lightness in print as C does
MEASURES = {  # titles, and for those that span decades up to where a logarithmic axis of them is linear
    "depth": ("depth of the deepest minimum, units of C", 1e-6),
    "minima": ("local minima deeper than 0.01", 1),
    "total_variation": ("total variation, units of C", 1e-6),
    "excess_variation": ("excess variation, units of C", 1e-6),
    "roughness": ("roughness, C per squared half-width", 1e-5),
    "relative_roughness": ("relative roughness (a parabola: 6.5)", 1),
    "bowl": ("share of variance of the best quadratic", None),
    "information": ("information content of the steps", None),
    "frequency": ("mean frequency, cycles a half-width (a parabola: 0.55)", None),
    "chebyshev": ("Chebyshev coefficients for 0.1 %", None),
    "negative_curvature": ("share that bends down", None),
    "curvature_ratio": ("curvature ratio, down : up", 0.1),
}
LOG_FROM = 20  # ratio of largest to smallest cost from which a linear scale may hide the low ground


def norm(values) -> Normalize:
    """A colour scale over the finite values.

    Logarithmic where they span more than a factor of LOG_FROM and most of them lie in the lower half of it.

    Raises:
        ValueError: the values are no numbers.
    """
    values = checks.numbers("values", values)
    finite = values[np.isfinite(values)]
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    wide = low > 0 and high / low > LOG_FROM and np.median(finite) < high / 2
    return LogNorm(low, high) if wide else Normalize(low, high)


def contour(ax, plane, minima=None, grid_only=None, *, bar=True, scale=None) -> None:
    """A plane as colour and level lines, alpha to the right and beta up, minima as dots, the origin as a cross.

    Args:
        ax: matplotlib axes.
        plane: a `slices.Slice` of two axes. Non-finite values are left white.
        minima: a `minima.Minima` to mark in red, or None.
        grid_only: another, to mark in white: those that `critical.settle` found to be none of C.
        bar: draw a colour bar, in units of C.
        scale: a `norm` to share between planes, or None for one of this plane's own.

    Raises:
        ValueError: the plane is no slice of two axes, or another argument is not what it should be; here and below.
    """
    values, ax, bar = _values(plane, 2), _axes(ax), checks.flag("bar", bar)
    for name, marked in (("minima", minima), ("grid_only", grid_only)):
        if marked is not None and not (hasattr(marked, "indices") and hasattr(marked, "passes")):
            raise ValueError(f"{name}={checks.shown(marked)}, expected None or a Minima")
    if not isinstance(scale, Normalize | None):
        raise ValueError(f"scale={checks.shown(scale)}, expected None or a norm")
    values = np.where(np.isfinite(values), values, np.nan)
    scale = scale or norm(values)
    mesh = ax.pcolormesh(
        plane.alphas, plane.betas, values.T, norm=scale, cmap=COLOURS, shading="nearest", rasterized=True
    )
    if min(values.shape) > 1 and scale.vmax > scale.vmin:
        steps = np.geomspace if isinstance(scale, LogNorm) else np.linspace
        levels = steps(scale.vmin, scale.vmax, 10)[1:-1]
        ax.contour(plane.alphas, plane.betas, values.T, levels, colors="white", linewidths=0.4, alpha=0.6)
    ax.plot(0, 0, "+", color="white", markersize=7, markeredgewidth=1.2)
    size = 6 if sum(marked.count for marked in (grid_only, minima) if marked is not None) < 10 else 3.5
    for marked, colour in ((grid_only, "white"), (minima, "tab:red")):
        if marked is not None and marked.count:
            i, j = marked.indices.T
            ax.plot(
                plane.alphas[i], plane.betas[j], "o", markersize=size,
                markerfacecolor=colour, markeredgecolor="black" if colour == "white" else "white", markeredgewidth=0.5,
            )  # fmt: skip
    ax.set_aspect("equal")
    for axis, along in ((ax.xaxis, plane.alphas), (ax.yaxis, plane.betas)):
        middle = abs(along[0] + along[-1]) < 0.1 * abs(along[-1] - along[0])
        axis.set_major_locator(MaxNLocator(3 if middle else 5, symmetric=middle))
    if bar:
        drawn = ax.figure.colorbar(mesh, ax=ax, shrink=0.85, pad=0.02)
        drawn.ax.tick_params(labelsize="x-small")
        # the noise floor, too thin for a band
        drawn.ax.set_xlabel(f"±{plane.floor:.0e}", fontsize="x-small", loc="left")
        if isinstance(scale, LogNorm):
            drawn.ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            drawn.ax.yaxis.set_major_formatter("{x:g}")
            drawn.ax.yaxis.set_minor_formatter(NullFormatter())
        else:
            drawn.ax.yaxis.set_major_locator(MaxNLocator(4))
            drawn.ax.yaxis.get_major_formatter().set_useOffset(False)


def surface(ax, plane) -> None:
    """A plane as a 3-D surface, on axes made with `projection="3d"`."""
    values, ax = _values(plane, 2), _axes(ax)
    if not hasattr(ax, "plot_surface"):
        raise ValueError(f"ax={checks.shown(ax)}, expected axes made with projection='3d'")
    alphas, betas = np.meshgrid(plane.alphas, plane.betas, indexing="ij")
    values = np.where(np.isfinite(values), values, np.nan)
    ax.plot_surface(
        alphas,
        betas,
        values,
        cmap=COLOURS,
        norm=norm(values),
        rcount=200,
        ccount=200,
        linewidth=0,
        antialiased=True,
    )
    ax.set_xlabel("α")
    ax.set_ylabel("β")
    ax.set_zlabel("C")


def line(ax, slice_, label=None, **style) -> None:
    """C along a line, with its noise floor as a band (seldom wide enough to see)."""
    values, ax = _values(slice_, 1), _axes(ax, label)
    (drawn,) = ax.plot(slice_.alphas, values, label=label, **style)
    ax.fill_between(
        slice_.alphas,
        values - slice_.floor,
        values + slice_.floor,
        color=drawn.get_color(),
        alpha=0.3,
        lw=0,
    )
    ax.set_xlabel("α")
    ax.set_ylabel("C")


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
    """A training path over a plane: `coordinates` `[steps, 2]`, each step as large as its distance `off` the plane."""
    ax, coordinates = _axes(ax), checks.numbers("coordinates", coordinates, 2)
    off = None if off is None else checks.numbers("off", off, 1)
    if coordinates.shape[1] != 2 or not len(coordinates) or (off is not None and len(off) != len(coordinates)):
        found = f"{list(coordinates.shape)}, off {None if off is None else list(off.shape)}"
        raise ValueError(f"coordinates {found}, expected [steps, 2] and None or [steps]")
    ax.plot(*coordinates.T, color="white", lw=0.8)
    size = 10 if off is None else 4 + 60 * off / max(off.max(), 1e-12)
    ax.scatter(*coordinates.T, s=size, color="tab:red", edgecolors="white", linewidths=0.5, zorder=3)


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
