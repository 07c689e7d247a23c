"""Every measure of a slice at once, each judged against the noise floor that it is given.

Sees arrays only, and works in float64 on the host.
"""

from typing import NamedTuple

import numpy as np

from jaxcost.measures import frequency, minima, roughness, variation


class Measures(NamedTuple):
    """Every measure of a slice; of many slices each is an array. NaN where what it needs was not given.

    Attributes:
        minima: number of local minima of the grid deeper than the floor (`minima.local_minima`).
        depth: depth of the deepest, in units of C, 0 without any.
        total_variation: in units of C (`variation.total_variation`).
        excess_variation: likewise, beyond what the ends ask for.
        roughness: in units of C per squared half-width (`roughness.roughness`).
        relative_roughness: the same over the standard deviation of the values; 6.6 of a parabola about its bottom.
        bowl: share of the variance that a quadratic explains (`roughness.bowl`).
        information: information content of the steps (`variation.information`).
        correlation_length: in half-widths (`frequency.correlation_length`), averaged over the axes.
        frequency: centre of the power spectrum, cycles a half-width (`frequency.mean_frequency`).
        chebyshev: coefficients along each axis for a thousandth of the range (`frequency.chebyshev_number`).
        negative_curvature: share of the slice where C bends down (`roughness.negative_curvature`).
        curvature_ratio: the most negative curvature against the most positive one (`roughness.curvature_ratio`).
        bottoms: number of true minima on the slice (`critical.find`).
        saddles: number of true saddles.
        tops: number of true maxima.
    """

    minima: float
    depth: float
    total_variation: float
    excess_variation: float
    roughness: float
    relative_roughness: float
    bowl: float
    information: float
    correlation_length: float
    frequency: float
    chebyshev: float
    negative_curvature: float
    curvature_ratio: float
    bottoms: float
    saddles: float
    tops: float


def measure(axes, values, floor=0.0, *, at_nodes=None, hessians=None, kinds=None) -> Measures:
    """All measures of one slice. Where a value is not finite, those that need all values are NaN.

    Args:
        axes: the coordinates along each axis, equally spaced, three or more.
        values: C at these, `[len(axes[0]), ...]`.
        floor: noise of the values.
        at_nodes: C at `frequency.chebyshev_nodes` along the same axes, or None.
        hessians: exact Hessians in the slice at the points of the grid, `[..., k, k]`, or None.
        kinds: `[m]`, the number of negative eigenvalues at each true critical point, or None.

    Returns:
        `Measures` of numbers.

    Raises:
        ValueError: the floor is negative or NaN, the values do not fit the axes, or these are not equally spaced.

    Example:
        >>> x = np.linspace(-1, 1, 121)
        >>> found = measure((x,), np.cos(3 * np.pi * x))
        >>> found.minima, round(found.depth, 6), round(found.total_variation, 6)
        (2.0, 2.0, 12.0)
    """
    values = np.asarray(values, np.float64)
    counted = minima.local_minima(values, floor)
    nan = float("nan")
    found = dict.fromkeys(Measures._fields, nan)
    found |= {"minima": float(counted.count), "depth": counted.deepest}
    if np.isfinite(values).all():
        spacings = [2 / (len(axis) - 1) for axis in axes]  # in half-widths
        rough, spread = roughness.roughness(axes, values, floor), values.std()
        lengths = frequency.correlation_length(values, spacings, floor)
        lengths = lengths[~np.isnan(lengths)]  # along an axis where there is noise alone there is none
        found |= {
            "total_variation": variation.total_variation(values, floor),
            "excess_variation": variation.excess_variation(values, floor),
            "roughness": rough,
            "relative_roughness": float(rough / spread) if np.ptp(values) > floor else nan,
            "bowl": roughness.bowl(axes, values, floor),
            "information": variation.information(values, floor),
            "correlation_length": float(lengths.mean()) if len(lengths) else nan,
            "frequency": frequency.mean_frequency(values, spacings, floor),
        }
    if at_nodes is not None and np.isfinite(at_nodes).all():
        found["chebyshev"] = frequency.chebyshev_number(at_nodes, floor=floor)
    if hessians is not None:
        found["negative_curvature"] = roughness.negative_curvature(hessians)
        found["curvature_ratio"] = roughness.curvature_ratio(hessians)
    if kinds is not None:
        kinds, k = np.asarray(kinds), values.ndim
        found["bottoms"], found["tops"] = float(np.sum(kinds == 0)), float(np.sum(kinds == k))
        found["saddles"] = len(kinds) - found["bottoms"] - found["tops"]
    return Measures(**found)


def measure_each(population, **options) -> Measures:
    """All measures of every draw of a population.

    Args:
        population: a `populations.Population`, or anything with `axes`, `values` `[draws, ...]`, `floor`, `at_nodes`
            and `hessians`, these two None or one entry a draw.
        **options: as of `measure`, the same for all draws; they go before what the population holds.

    Returns:
        `Measures` of arrays `[draws]`.

    Raises:
        ValueError: as `measure`.

    Example:
        >>> from types import SimpleNamespace
        >>> x = np.linspace(-1, 1, 121)
        >>> waves = np.stack([np.cos(3 * np.pi * x), np.cos(5 * np.pi * x)])
        >>> measure_each(SimpleNamespace(axes=(x,), values=waves, floor=0.0, at_nodes=None, hessians=None)).minima
        array([2., 4.])
    """
    found = []
    for i, values in enumerate(population.values):
        given = {
            name: None if getattr(population, name) is None else getattr(population, name)[i]
            for name in ("at_nodes", "hessians")
        }
        found.append(measure(population.axes, values, population.floor, **given | options))
    return Measures(*map(np.array, zip(*found, strict=True)))
