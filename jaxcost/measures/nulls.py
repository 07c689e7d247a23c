"""What the measures of a slice would be if it were a bowl, or a random surface: a number means little without these.

A measure is set beside the same measure of two nulls. The quadratic has the value, gradient and Hessian of C at the
middle of the slice, is sampled at the same points and rounded alike: it has no bumps, so that any it shows are the
instrument's. The Gaussian random field is the slice's own best quadratic plus noise with the spectrum of what is
left: what it shows follows from the spectrum alone.
"""

from typing import NamedTuple

import jax
import numpy as np
from scipy import fft, signal

from jaxcost.measures import bumpiness, roughness


class Compared(NamedTuple):
    """The measures of a slice beside those of its nulls.

    Attributes:
        measures: of the slice, `bumpiness.Measures`.
        quadratic: of the quadratic of the same value, gradient and Hessian.
        fields: of Gaussian random fields of the same spectrum, each an array `[draws]`.
        p: how seldom the fields are as far out as the slice, two-sided, for each measure (`p_value`).
    """

    measures: bumpiness.Measures
    quadratic: bumpiness.Measures
    fields: bumpiness.Measures
    p: bumpiness.Measures


def quadratic(key, there, value, gradient, hessian):
    """C_0 + g s + s H s / 2 at the points of a slice, with its rounding noise.

    Args:
        key: a `jax.random.key`, for the noise.
        there: a `slices.Slice`, or anything with `axes`, `values` and `floor`: of the values only the type is taken.
        value: C at s = 0.
        gradient: the gradient there in the slice, `[k]`.
        hessian: the Hessian there in the slice, `[k, k]`.

    Returns:
        An array like `there.values`: rounded to their type, with normal noise of an eighth of the floor, which is
        what the floor takes it to be (`noise.floor`).
    """
    s = np.stack(np.meshgrid(*map(np.float64, there.axes), indexing="ij"), -1)
    exact = float(value) + s @ np.float64(gradient) + np.einsum("...i,ij,...j->...", s, np.float64(hessian), s) / 2
    noise = np.asarray(jax.random.normal(key, exact.shape), np.float64) * there.floor / 8
    return (exact + noise).astype(there.values.dtype)


def fields(key, there, draws):
    """Gaussian random fields with the spectrum of a slice: its best quadratic, and noise like what is left of it.

    What is left, r, is the slice less its quadratic. Its power spectrum, under a Hann window so that edges do not leak
    into all frequencies, is given independent N(0, 1) amplitudes on a grid twice as long, of which a half is kept: so
    no field is periodic. The window also blurs: where r has but a wave or two, the fields are somewhat rougher than it,
    and a small p-value of roughness there is the null's own. A surrogate in the sense of Theiler et al. 1992,
    *Physica D* 58, for grids of any dimension.

    Args:
        key: a `jax.random.key`.
        there: a `slices.Slice`, or anything with `axes` and finite `values`.
        draws: how many.

    Returns:
        `[draws, ...]`, float64.

    Raises:
        ValueError: a value is not finite.
    """
    nonfinite = np.sum(~np.isfinite(there.values))
    if nonfinite:
        raise ValueError(f"{nonfinite} of {np.size(there.values)} values are not finite, expected none: no spectrum")
    smooth = roughness.quadratic_fit(there.axes, there.values)
    shape, axes = smooth.shape, range(-smooth.ndim, 0)
    window = np.prod(np.meshgrid(*[signal.windows.hann(n, sym=False) for n in shape], indexing="ij"), 0)
    double = [2 * n for n in shape]
    power = np.abs(fft.fftn(window * (there.values - smooth), double)) ** 2 / np.sum(window**2)
    noise = np.asarray(jax.random.normal(key, (draws, *double)), np.float64)
    waves = fft.ifftn(fft.fftn(noise, axes=axes) * np.sqrt(power), axes=axes).real
    return smooth + waves[(slice(None), *map(slice, shape))]


def p_value(observed, null):
    """How seldom a null is as far out as what was observed, two-sided.

    p = min(1, 2 (1 + #{null beyond it}) / (1 + draws)), on the side where there are fewer; ties count as beyond.
    Davison & Hinkley 1997, section 4.2. It is never 0: with 99 draws at least 0.02.

    Args:
        observed: a number.
        null: the same measure of draws from the null, `[draws]`; NaN are left out.

    Example:
        >>> p_value(10.0, np.arange(10.0)), p_value(4.5, np.arange(10.0))
        (0.18181818181818182, 1.0)
    """
    null = np.asarray(null, np.float64)
    null = null[~np.isnan(null)]
    if np.isnan(observed) or not len(null):
        return float("nan")
    beyond = min(np.sum(null >= observed), np.sum(null <= observed))
    return float(min(1.0, 2 * (1 + beyond) / (1 + len(null))))


def compare(key, there, derivatives, draws=99):
    """The measures of the values of a slice beside those of its nulls.

    Args:
        key: a `jax.random.key`.
        there: a `slices.Slice` with finite values.
        derivatives: `(value, gradient, hessian)` of C in the slice at s = 0, as one entry of `slices.derivatives`.
        draws: number of random fields; the smallest p-value is 2 / (1 + draws).

    Returns:
        `Compared`; measures that take more than values are NaN.

    Raises:
        ValueError: a value is not finite.
    """
    bowl_key, field_key = jax.random.split(key)
    of = lambda values: bumpiness.measure(there.axes, values, there.floor)
    observed, bowl = of(there.values), of(quadratic(bowl_key, there, *derivatives))
    measured = [of(values) for values in fields(field_key, there, draws)]
    random = bumpiness.Measures(*map(np.array, zip(*measured, strict=True)))
    p = bumpiness.Measures(*map(p_value, observed, random))
    return Compared(observed, bowl, random, p)
