"""What of a slice is C's, and what its images': others of the same kind, the classes, how sure a depth is.

The noise floor is rounding. C itself is a mean over n images, and with n others it would be another one: a minimum is
one of C only if its depth is more than the images make by chance, and if it stands on images that it was not found on.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks, cost
from jaxcost.engine import asked, whole
from jaxcost.populations import Population

ROWS = 64  # points taken together in a bootstrap, whose products are in float64


class Depths(NamedTuple):
    """How deep minima are, as means over images.

    Attributes:
        depths: `[m]`, 1/n sum_x d_x with d_x = C_x(pass) - C_x(bottom), in units of C.
        errors: `[m]`, their standard errors, sqrt(sum_x (d_x - depth)^2 / (n (n - 1))): paired, since what an image
            costs at both points is not counted. Smaller than the standard error of C itself.
        images: n.
    """

    depths: np.ndarray
    errors: np.ndarray
    images: int

    def sure(self, errors=2.0) -> np.ndarray:
        """Which are deeper than so many of their standard errors, a mask `[m]`.

        Raises:
            ValueError: `errors` is no number, or negative.
        """
        return self.depths > checks.number("errors", errors, 0) * self.errors


def depths(C, slice_, found) -> Depths:
    """How deep the minima of a slice are on the images of C, each with its standard error over these.

    On the images that the minima were found on, bottom and pass were chosen by these very costs, and the depth is
    somewhat too large; on others, by C of held-out images say, it is not.

    Args:
        C: a `cost.Cost` of the model of the slice, of the same images or of others.
        slice_: a `slices.Slice` that knows where it lies.
        found: `minima.Minima` of its values.

    Returns:
        `Depths`, one a minimum.

    Raises:
        ValueError: C is no cost, the slice does not know where it lies, or the minima are not of its grid.

    Example:
        >>> from jaxcost import cost, data, slices
        >>> from jaxcost.measures import minima
        >>> x = np.array([[0.9], [1.1]], np.float32)
        >>> C = cost.Cost(data.Images(x, 0 * x), lambda x, p: (p * p - x[0]) ** 2, lambda a, y: a)  # a double well
        >>> line = slices.line(C, (np.float32(0.0),), (np.float32(1.0),), np.linspace(-2, 2, 41))
        >>> found = depths(C, line, minima.local_minima(line.values, line.floor))
        >>> print(f"{found.depths[1]:.2f} ({found.errors[1]:.2f})")  # 1 at the pass on average, 0.81 and 1.21
        1.00 (0.20)
    """
    C, _ = cost.checked(C), asked.located(slice_)
    whole.of_images(C, "depths of images")
    checks.having("found", found, "basins", "indices", "passes")
    if found.basins.shape != slice_.values.shape:
        raise ValueError(f"minima of a grid {found.basins.shape}, expected those of the slice, {slice_.values.shape}")
    at = lambda index: [axis[i] for axis, i in zip(slice_.axes, index, strict=True)]
    costs = lambda index: np.float64(C.per_image(*slice_.at(at(index))))
    differences = [costs(over) - costs(at) for at, over in zip(found.indices, found.passes, strict=True)]
    spread = [d.std(ddof=1) / math.sqrt(len(d)) if len(d) > 1 else math.nan for d in differences]
    return Depths(np.array([d.mean() for d in differences]), np.array(spread), C.n)


def bootstrap(key, slice_, draws) -> Population:
    """A slice as it would be with other images of the same kind: these drawn anew, with replacement.

    C_b(s) = 1/n sum_x m_bx C_x(s), where m_bx is how often draw b has image x. No network is evaluated. Efron 1979.

    Args:
        key: a `jax.random.key`.
        slice_: a `slices.Slice` with `per_image`.
        draws: how many.

    Returns:
        A `Population`, its floor larger by sqrt(2): the variance of a mean of images drawn twice or not at all. NaN
        where an image is drawn whose cost is not finite.

    Raises:
        ValueError: the key or the number of draws is none, this is no slice, or it has no per-image costs.

    Example:
        >>> from jaxcost import cost, data, directions, network, slices
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> (u,) = directions.random(jax.random.key(1), params)
        >>> line = slices.line(C, params, u, np.linspace(-1, 1, 5), per_image=True)
        >>> again = bootstrap(jax.random.key(2), line, 200)
        >>> bool(np.allclose(again.values.std(0), line.standard_error, rtol=0.3))
        True
    """
    checks.key("key", key)
    per_image, draws = _kept(slice_, "per_image"), checks.whole("draws", draws, most=checks.MOST)
    n = per_image.shape[-1]
    times = lambda key: np.asarray(jnp.bincount(jax.random.randint(key, n, 0, n), length=n), np.float64)
    drawn = np.stack([times(one) for one in jax.random.split(key, draws)])
    costs = per_image.reshape(-1, n)
    values = np.concatenate([_means(drawn, costs[i : i + ROWS]) for i in range(0, len(costs), ROWS)], 1)
    return Population(slice_.axes, values.reshape(draws, *slice_.values.shape), slice_.floor * math.sqrt(2))


def _means(times, costs):
    """Mean costs of images drawn so many times, `[draws, points]`; NaN where a cost that is drawn is not finite."""
    finite = np.isfinite(costs)
    means = times @ np.where(finite, costs, 0).astype(np.float64).T / times.shape[1]
    return np.where(times @ ~finite.T > 0, np.nan, means)


def by_class(slice_) -> Population:
    """The mean costs of the classes along a slice, a population of one draw a class.

    The floor is larger by the root of the number of classes: rounding averages out over fewer images.

    Raises:
        ValueError: this is no slice, or it has no per-class costs.
    """
    values = np.moveaxis(_kept(slice_, "per_class"), -1, 0)
    return Population(slice_.axes, values, slice_.floor * math.sqrt(len(values)))


def _kept(slice_, name):
    """The costs of each image or class at the points of a slice, `[..., n]`."""
    checks.having("slice_", slice_, "axes", "values", "floor")
    found, shape = (getattr(one, "shape", None) for one in (getattr(slice_, name, None), slice_.values))
    if not found or found[:-1] != shape:
        has = f"{name} of shape {found} for values of shape {shape}" if found else f"no {name.replace('_', '-')} costs"
        raise ValueError(f"the slice has {has}, expected one made with {name}=True")
    return getattr(slice_, name)
