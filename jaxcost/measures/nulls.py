"""What the measures of a slice would be if it were a bowl, or a random surface: a number means little without these.

A measure is set beside the same measure of two nulls. The quadratic has the value, gradient and Hessian of C at the
middle of the slice, is sampled at the same points and rounded alike: on a plane it may show the minima that a grid
makes of a valley. The Gaussian random field is a smooth part of the slice plus noise with the spectrum of what is left:
what it shows follows from these alone. Which smooth part is what is asked: a field about a parabola is no null for a
line through a minimum, since the dip itself then counts as noise. The null of a training path is a random walk.
"""

from typing import NamedTuple

import jax
import numpy as np
from scipy import fft, signal

from jaxcost import checks, populations, slices, statistics
from jaxcost.engine import trees
from jaxcost.measures import bumpiness, fits


class Compared(NamedTuple):
    """The measures of a slice beside those of its nulls.

    Attributes:
        measures: of the slice, `bumpiness.Measures`.
        taylor: of the quadratic of the same value, gradient and Hessian.
        random_fields: of Gaussian random fields of the same spectrum, each an array `[draws]`.
        p: how seldom the fields are as far out as the slice, two-sided, for each measure (`statistics.p_value`).
    """

    measures: bumpiness.Measures
    taylor: bumpiness.Measures
    random_fields: bumpiness.Measures
    p: bumpiness.Measures


class Walks(NamedTuple):
    """Shares of variance by component, `[k]`, of random walks that are like a training path in more and more.

    Attributes:
        equal_steps: as many steps, all of one length.
        own_lengths: as many steps, as long as the path's.
        with_drift: as many steps of one length, and the path's distance from start to end.
    """

    equal_steps: np.ndarray
    own_lengths: np.ndarray
    with_drift: np.ndarray


def taylor(key, slice_, value, gradient, hessian) -> np.ndarray:
    """C_0 + g s + s H s / 2 at the points of a slice, with its rounding noise.

    Args:
        key: a `jax.random.key`, for the noise.
        slice_: a `slices.Slice`, or anything with `axes`, `values` and `floor`: of the values only the type is taken.
        value: C at s = 0.
        gradient: the gradient there in the slice, `[k]`.
        hessian: the Hessian there in the slice, `[k, k]`.

    Returns:
        An array of the shape of the axes: rounded to the type of the values, with normal noise of an eighth of the
        floor, which is what the floor takes it to be (`engine.noise.floor`).

    Raises:
        ValueError: the key is none, or the numbers do not fit the slice.

    Example:
        >>> from types import SimpleNamespace
        >>> line = SimpleNamespace(axes=([-1.0, 0.0, 2.0],), values=np.zeros(3), floor=0.0)
        >>> taylor(jax.random.key(0), line, 5.0, [1.0], [[4.0]]).tolist()
        [6.0, 5.0, 15.0]
    """
    checks.key("key", key), checks.having("slice_", slice_, "axes", "values", "floor")
    value, k = checks.number("value", value), len(slice_.axes)
    gradient, hessian = (
        checks.numbers(name, given, ndim, finite=True)
        for ndim, (name, given) in enumerate((("gradient", gradient), ("hessian", hessian)), 1)
    )
    if gradient.shape != (k,) or hessian.shape != (k, k):
        raise ValueError(f"gradient {gradient.shape} and hessian {hessian.shape}, expected {(k,)} and {(k, k)}")
    s = np.stack(np.meshgrid(*map(np.float64, slice_.axes), indexing="ij"), -1)
    exact = value + s @ gradient + np.einsum("...i,ij,...j->...", s, hessian, s) / 2
    noise = np.asarray(jax.random.normal(key, exact.shape), np.float64) * slice_.floor / 8
    return (exact + noise).astype(slice_.values.dtype)


def random_fields(key, slice_, draws, *, smooth=fits.quadratic_fit) -> np.ndarray:
    """Gaussian random fields with the spectrum of a slice: its smooth part, and noise like what is left of it.

    What is left, r, is the slice less its smooth part. Of a line through a minimum take the dip for this, `smooth =
    fits.unimodal_fit`: one dip on a flat line then has itself for a field, and about a parabola some ten minima.
    Its power spectrum, under a Hann window so that edges do not leak
    into all frequencies, is given independent N(0, 1) amplitudes on a grid twice as long, of which a half is kept: so
    no field is periodic. The window also blurs: where r has but a wave or two, the fields are somewhat rougher than it,
    and a small p-value of roughness there is the null's own. A surrogate in the sense of Theiler et al. 1992,
    *Physica D* 58, for grids of any dimension.

    Args:
        key: a `jax.random.key`.
        slice_: a `slices.Slice`, or anything with `axes` and finite `values`.
        draws: how many.
        smooth: the smooth part, a function of axes and values that gives an array like values.

    Returns:
        `[draws, ...]`, float64.

    Raises:
        ValueError: a value is not finite, the key or the number of draws is none, or the smooth part is not like the
            values.

    Example:
        >>> from types import SimpleNamespace
        >>> x = np.linspace(-1, 1, 41)
        >>> line = SimpleNamespace(axes=(x,), values=x**2 + 0.1 * np.sin(20 * x))
        >>> random_fields(jax.random.key(0), line, 3).shape
        (3, 41)
    """
    checks.key("key", key), checks.function("smooth", smooth), checks.having("slice_", slice_, "axes", "values")
    draws = checks.whole("draws", draws, most=checks.MOST)
    nonfinite = np.sum(~np.isfinite(fits.fitting(slice_.axes, slice_.values)[1]))
    if nonfinite:
        raise ValueError(f"{nonfinite} of {np.size(slice_.values)} values are not finite, expected none: no spectrum")
    smooth = checks.numbers("the smooth part", smooth(slice_.axes, slice_.values), finite=True)
    shape, axes = np.shape(slice_.values), range(-smooth.ndim, 0)
    if smooth.shape != shape:
        raise ValueError(f"a smooth part of shape {smooth.shape}, expected that of the values, {shape}")
    window = np.prod(np.meshgrid(*[signal.windows.hann(n, sym=False) for n in shape], indexing="ij"), 0)
    double = [2 * n for n in shape]
    power = np.abs(fft.fftn(window * (slice_.values - smooth), double)) ** 2 / np.sum(window**2)
    noise = np.asarray(jax.random.normal(key, (draws, *double)), np.float64)
    waves = fft.ifftn(fft.fftn(noise, axes=axes) * np.sqrt(power), axes=axes).real
    return smooth + waves[(slice(None), *map(slice, shape))]


def compare(key, C, slice_, draws=99, *, smooth=fits.quadratic_fit) -> Compared:
    """The measures of the values of a slice beside those of its nulls.

    Args:
        key: a `jax.random.key`.
        C: the `cost.Cost` of the slice; its derivatives are taken at s = 0.
        slice_: a `slices.Slice` with finite values.
        draws: number of random fields; the smallest p-value is 2 / (1 + draws).
        smooth: as of `random_fields`.

    Returns:
        `Compared`; measures that take more than values are NaN.

    Raises:
        ValueError: C is not the cost of this slice, or as `random_fields`.

    Example:
        >>> from jaxcost import cost, data
        >>> one = data.Images(np.ones((1, 1), np.float32), np.zeros((1, 1), np.float32))
        >>> C = cost.Cost(one, lambda x, p: (p * p - 1) ** 2, lambda a, y: a)  # a double well
        >>> line = slices.line(C, (np.float32(0.0),), (np.float32(1.0),), np.linspace(-2, 2, 40))
        >>> compared = compare(jax.random.key(0), C, line, draws=9)
        >>> compared.measures.minima, compared.taylor.minima, compared.random_fields.minima.shape
        (2.0, 0.0, (9,))
    """
    checks.key("key", key), slices.check(C, slice_)
    taylor_key, field_key = jax.random.split(key)
    (value,), (gradient,), (hessian,) = slices.derivatives(C, *slice_.frame, np.zeros((1, slice_.values.ndim)))
    of = lambda values: bumpiness.measure(slice_.axes, values, slice_.floor)
    fields = [of(values) for values in random_fields(field_key, slice_, draws, smooth=smooth)]
    fields = bumpiness.Measures(*map(np.array, zip(*fields, strict=True)))
    measures = of(slice_.values)
    return Compared(
        measures=measures,
        taylor=of(taylor(taylor_key, slice_, value, gradient, hessian)),
        random_fields=fields,
        p=bumpiness.Measures(*map(statistics.p_value, measures, fields)),
    )


def random_field_each(key, population, *, smooth=fits.quadratic_fit) -> populations.Population:
    """Of each draw of a population one Gaussian random field of its spectrum (`random_fields`).

    Args:
        key: a `jax.random.key`.
        population: a `populations.Population` with finite values.
        smooth: as of `random_fields`.

    Returns:
        A `Population` of values alone, float64, on the same axes.

    Raises:
        ValueError: as `random_fields`, or this is no population.

    Example:
        >>> x = np.linspace(-1, 1, 41)
        >>> lines = populations.Population((x,), np.stack([np.sin(9 * x), np.sin(20 * x)]), 0.0)
        >>> random_field_each(jax.random.key(0), lines).values.shape
        (2, 41)
    """
    checks.key("key", key), checks.having("population", population, "axes", "values", "_replace")
    keys = jax.random.split(key, len(population.values))
    fields = [
        random_fields(one, population._replace(values=values), 1, smooth=smooth)[0]
        for one, values in zip(keys, population.values, strict=True)
    ]
    return population._replace(values=np.stack(fields), at_nodes=None, hessians=None, frames=None)


def walk_shares(squares, drift=0.0, k=10) -> np.ndarray:
    """Shares of variance by component of a walk of steps at right angles, as random ones are in high dimension.

    The products of its points are x_i . x_j = sum of the squared lengths of the first min(i, j) steps, and i j drift^2
    more where each step also goes as far as `drift` in one direction. Those of the centred points have the
    components' variances as eigenvalues. Antognini & Sohl-Dickstein 2018, arXiv 1806.08805.

    Args:
        squares: squared length of each step, `[steps]`.
        drift: length of what all steps have in common.
        k: number of components, steps at most.

    Returns:
        `[k]`, falling; all components together have 1.

    Raises:
        ValueError: there are fewer steps than components, all of length 0, or a square is negative.

    Example:
        >>> walk_shares(np.ones(100), k=3).round(2).tolist()  # about 6 / (pi i)^2
        [0.61, 0.15, 0.07]
    """
    squares, drift = checks.numbers("squares", squares, 1, finite=True), checks.number("drift", drift)
    steps, k = len(squares), checks.whole("k", k)
    if not k <= steps or (squares < 0).any() or not np.sum(squares) + abs(drift) > 0:
        raise ValueError(f"k={k} components of {steps} steps, expected 1 to {steps}, and some step that is not 0")
    i, far = np.arange(steps + 1), np.concatenate([[0], np.cumsum(squares)])
    products = np.minimum(far[:, None], far) + drift**2 * np.outer(i, i)
    centre = np.eye(len(i)) - 1 / len(i)
    variances = np.linalg.eigvalsh(centre @ products @ centre)[::-1]
    return variances[:k] / variances.sum()


def path_walks(path, k=10) -> Walks:
    """What share of variance the components of random walks have that are like a training path (`walk_shares`).

    For the steps d of a walk with drift and else at right angles, sum |d|^2 = steps (drift^2 + noise) and |sum d|^2 =
    steps^2 drift^2 + steps noise, both as of the path.

    Args:
        path: the parameters at each step, each leaf `[steps + 1, ...]`, as `descent.Run.trajectory` of one network.
        k: number of components, steps at most.

    Returns:
        `Walks`, to be set beside the `share` of the path's own principal components.

    Raises:
        ValueError: there are not two steps or more, fewer steps than components, or all of length 0; or the path is not
            finite.

    Example:
        >>> straight = (np.arange(50.0)[:, None] * np.ones(3),)
        >>> walks = path_walks(straight, 2)
        >>> walks.equal_steps.round(2).tolist(), (walks.with_drift.round(2) + 0.0).tolist()
        ([0.61, 0.15], [1.0, 0.0])
    """
    leaves = [np.float64(leaf) for leaf in jax.tree.leaves(trees.some(checks.tree("path", path), "path")[0])]
    if len({leaf.shape[:1] for leaf in leaves}) != 1 or not leaves[0].ndim or not leaves[0].size:
        raise ValueError(
            f"path of shapes {[leaf.shape for leaf in leaves]}, expected one first axis, that of the steps"
        )
    points = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], 1)
    squares = checks.numbers("the path's steps", np.square(np.diff(points, axis=0)).sum(1), finite=True)
    steps, distance = len(squares), np.square(points[-1] - points[0]).sum()
    if steps < 2:
        raise ValueError(f"a path of {len(points)} points, expected 3 or more")
    drift = np.sqrt(max(distance - squares.sum(), 0) / (steps**2 - steps))
    noise = squares.mean() - drift**2
    return Walks(
        equal_steps=walk_shares(np.ones(steps), k=k),
        own_lengths=walk_shares(squares, k=k),
        with_drift=walk_shares(np.full(steps, noise), drift, k),
    )
