"""Every measure of a slice at once, each judged against the noise floor that it is given.

A measure that changes with the grid is the grid's: take each at two resolutions at least (`halved`, `change`). Sees
arrays only, and works in float64 on the host.
"""

from typing import Any, NamedTuple

import numpy as np

from jaxcost import checks
from jaxcost.measures import fits, frequency, minima, roughness, variation


class Measures(NamedTuple):
    """Every measure of a slice; of many slices each is an array. NaN where what it needs was not given.

    Attributes:
        depth: depth of the deepest local minimum of the grid, in units of C, 0 without any (`minima.local_minima`).
        minima: number of those deeper than wanted, or than the floor.
        total_variation: in units of C (`variation.total_variation`).
        excess_variation: likewise, beyond what the ends ask for.
        roughness: in units of C per squared half-width (`roughness.roughness`).
        relative_roughness: the same over the standard deviation of the values; 6.6 of a parabola about its bottom.
        bowl: share of the variance that a quadratic explains (`roughness.bowl`).
        information: information content of the steps (`variation.information`).
        frequency: centre of the power spectrum, cycles a half-width (`frequency.mean_frequency`); 0.55 of a parabola.
        chebyshev: coefficients along each axis for a thousandth of the range (`frequency.chebyshev_number`).
        negative_curvature: share of the slice where C bends down (`roughness.negative_curvature`).
        curvature_ratio: the most negative curvature against the most positive one (`roughness.curvature_ratio`).
        bottoms: number of true minima on the slice (`critical.find`).
        saddles: number of true saddles.
        tops: number of true maxima.
    """

    depth: float
    minima: float
    total_variation: float
    excess_variation: float
    roughness: float
    relative_roughness: float
    bowl: float
    information: float
    frequency: float
    chebyshev: float
    negative_curvature: float
    curvature_ratio: float
    bottoms: float
    saddles: float
    tops: float


def measure(
    axes, values, floor=0.0, *, depth=0.0, at_nodes=None, hessians=None, curvature_floor=0.0, kinds=None
) -> Measures:
    """All measures of one slice. Where a value is not finite, those that need all values are NaN.

    Args:
        axes: the coordinates along each axis, equally spaced, three or more.
        values: C at these, `[len(axes[0]), ...]`.
        floor: noise of the values.
        depth: minima that are no deeper are not counted, nor those no deeper than the floor.
        at_nodes: C at `frequency.chebyshev_nodes` along the same axes, or None.
        hessians: exact Hessians in the slice at the points of the grid, `[..., k, k]`, or None.
        curvature_floor: noise of these (`floors.of_curvature`).
        kinds: `[m]`, the number of negative eigenvalues at each true critical point, or None.

    Returns:
        `Measures` of numbers.

    Raises:
        ValueError: a floor is negative or NaN, the values do not fit the axes, or these are not equally spaced; or what
            else is given does not fit.

    Example:
        >>> x = np.linspace(-1, 1, 121)
        >>> found = measure((x,), np.cos(3 * np.pi * x))
        >>> found.minima, round(found.depth, 6), round(found.total_variation, 6)
        (2.0, 2.0, 12.0)
    """
    (axes, values), depth = fits.fitting(axes, values), checks.number("depth", depth, 0)
    checks.number("curvature_floor", curvature_floor, 0)
    at_nodes, hessians, kinds = _others(values.ndim, at_nodes, hessians, kinds)
    counted = minima.local_minima(values, floor)
    nan = float("nan")
    found = dict.fromkeys(Measures._fields, nan)
    found |= {"depth": counted.deepest, "minima": float(counted.deeper_than(depth))}
    if np.isfinite(values).all():
        rough, spread = roughness.roughness(axes, values, floor), values.std()
        spacings = [2 / (len(axis) - 1) for axis in axes]  # in half-widths
        found |= {
            "total_variation": variation.total_variation(values, floor),
            "excess_variation": variation.excess_variation(values, floor),
            "roughness": rough,
            "relative_roughness": float(rough / spread) if np.ptp(values) > floor else nan,
            "bowl": roughness.bowl(axes, values, floor),
            "information": variation.information(values, floor),
            "frequency": frequency.mean_frequency(values, spacings, floor),
        }
    if at_nodes is not None and np.isfinite(at_nodes).all():
        found["chebyshev"] = frequency.chebyshev_number(at_nodes, floor=floor)
    if hessians is not None:
        found["negative_curvature"] = roughness.negative_curvature(hessians, curvature_floor)
        found["curvature_ratio"] = roughness.curvature_ratio(hessians, curvature_floor)
    if kinds is not None:
        found["bottoms"], found["tops"] = float(np.sum(kinds == 0)), float(np.sum(kinds == values.ndim))
        found["saddles"] = len(kinds) - found["bottoms"] - found["tops"]
    return Measures(**found)


def _others(k, at_nodes, hessians, kinds):
    """What was taken of a slice of k axes beside the values, if it is that; None stays."""
    given = {"at_nodes": at_nodes, "hessians": hessians, "kinds": kinds}
    found = [None if value is None else checks.numbers(name, value) for name, value in given.items()]
    at_nodes, hessians, kinds = found
    if at_nodes is not None and (at_nodes.ndim != k or not at_nodes.size):
        raise ValueError(f"at_nodes of shape {at_nodes.shape}, expected {k} axes")
    if hessians is not None and hessians.shape[-2:] != (k, k):
        raise ValueError(f"hessians of shape {hessians.shape}, expected [..., {k}, {k}]")
    if kinds is not None and (kinds.ndim != 1 or not np.isin(kinds, np.arange(k + 1)).all()):
        raise ValueError(f"kinds={checks.shown(kinds)}, expected a list of whole numbers, 0 to {k}")
    return found


def measure_each(population, **options) -> Measures:
    """All measures of every draw of a population.

    Args:
        population: a `populations.Population`, or anything with `axes`, `values` `[draws, ...]`, `floor`, `at_nodes`
            and `hessians`, these two None or one entry a draw, and `curvature_floor`.
        **options: as of `measure`, the same for all draws; they go before what the population holds.

    Returns:
        `Measures` of arrays `[draws]`.

    Raises:
        ValueError: as `measure`; or there are no draws, or not as many of all.

    Example:
        >>> from types import SimpleNamespace
        >>> x = np.linspace(-1, 1, 121)
        >>> waves = np.stack([np.cos(3 * np.pi * x), np.cos(5 * np.pi * x)])
        >>> lines = SimpleNamespace(axes=(x,), values=waves, floor=0.0, at_nodes=None, hessians=None, curvature_floor=0)
        >>> measure_each(lines).minima
        array([2., 4.])
    """
    drawn, found = _drawn(population), []
    for i, values in enumerate(drawn.pop("values")):
        given = {name: results[i] for name, results in drawn.items()} | {"curvature_floor": population.curvature_floor}
        found.append(measure(population.axes, values, population.floor, **given | options))
    return Measures(*map(np.array, zip(*found, strict=True)))


def _drawn(population):
    """What a population holds of each draw: its values, and what else was taken, each an array `[draws, ...]`."""
    checks.having("population", population, "axes", "values", "floor", "curvature_floor")
    given = {name: getattr(population, name, None) for name in ("values", "at_nodes", "hessians")}
    found = {name: checks.numbers(name, results) for name, results in given.items() if results is not None}
    draws = {results.shape[:1] for results in found.values()}
    if len(draws) > 1 or draws & {(), (0,)}:
        shapes = {name: results.shape for name, results in found.items()}
        raise ValueError(f"a population of shapes {shapes}, expected one draw or more, as many of all")
    return found


def halved(population) -> Any:
    """The same draws on every second point of each axis: what half the resolution would have shown.

    No value is computed anew. What was taken at other points, `at_nodes` and `hessians`, is left out.

    Args:
        population: a `populations.Population`, or a NamedTuple like it.

    Returns:
        One like it.

    Raises:
        ValueError: an axis has an even number of points, so that its last would be lost; or the values do not fit the
            axes, or there are none.

    Example:
        >>> from jaxcost.populations import Population
        >>> halved(Population((np.arange(5.0),), np.arange(10.0).reshape(2, 5), 0.0)).values.tolist()
        [[0.0, 2.0, 4.0], [5.0, 7.0, 9.0]]
    """
    drawn = _drawn(checks.having("population", population, "_replace"))
    fits.fitting(population.axes, drawn["values"][0])
    sizes = [len(axis) for axis in population.axes]
    if not all(size % 2 for size in sizes):
        raise ValueError(f"axes of {sizes} points, expected odd numbers, so that both ends stay")
    every = (slice(None), *(slice(None, None, 2),) * len(sizes))
    axes, values = tuple(np.asarray(axis)[::2] for axis in population.axes), np.asarray(population.values)[every]
    return population._replace(axes=axes, values=values, at_nodes=None, hessians=None)


def change(fine, coarse) -> Measures:
    """By how much each measure changes from one resolution to another, as a share: |coarse - fine| / |fine|.

    Args:
        fine: `Measures` of draws.
        coarse: the same of the same draws at another resolution.

    Returns:
        `Measures` of arrays like theirs; 0 where both are alike, NaN where one is not known.

    Raises:
        ValueError: these are no `Measures`, or not of as many draws.

    Example:
        >>> x = np.linspace(-1, 1, 121)
        >>> both = [measure((x[::k],), np.sign(np.sin(40 * x[::k]))) for k in (1, 2)]  # cliffs: roughness is the grid's
        >>> found = change(*both)
        >>> print(f"{found.total_variation:.2f} {found.roughness:.2f}")
        0.00 0.64
    """
    for name, one in (("fine", fine), ("coarse", coarse)):
        checks.having(name, one, *Measures._fields)

    def share(a, b):
        a, b = checks.numbers("fine", a), checks.numbers("coarse", b)
        if a.shape != b.shape:
            raise ValueError(f"fine of {a.shape} draws and coarse of {b.shape}, expected them alike")
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(a == b, 0.0, np.abs(b - a) / np.abs(a))[()]

    return Measures(*map(share, fine, coarse))
