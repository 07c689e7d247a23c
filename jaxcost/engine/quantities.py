"""What `sweep` computes at each point of a slice: C itself, its derivatives, or C with its make-up.

Of each block of images a quantity takes what can be combined, and `combined` makes the whole of it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcost import cost
from jaxcost.engine import blocks


class Quantity(NamedTuple):
    """What to compute at each point; anything hashable with these two functions. Equal ones are compiled once.

    Attributes:
        of_block: `of_block(residual, images, new, s)` for one block of images and coordinates s, a pytree of arrays.
            `residual(s)` is the costs of its images, `residual(s, new)` the sum of the new ones.
        combined: `combined(stacked, C)`, the results `[points, ...]` from those of all blocks, `[blocks, points, ...]`.
    """

    of_block: Callable
    combined: Callable


def _sums(stacked, C):
    """Means over all images, from sums over blocks."""
    return jax.tree.map(lambda a: a.sum(0) / C.n, stacked)


def _of_values(residual, images, new, s):
    return residual(s, new)


def _of_derivatives(residual, images, new, s):
    """Value, gradient and Hessian of the sum, entry by entry: 1.8 times faster here than by vmap over the entries."""
    total = lambda s: residual(s, new)
    along = lambda f, v: lambda s: jax.jvp(f, (s,), (v,))[1]
    units = jnp.eye(len(s), dtype=s.dtype)
    gradient = [along(total, e)(s) for e in units]
    upper = {(i, j): along(along(total, units[i]), units[j])(s) for j in range(len(s)) for i in range(j + 1)}
    hessian = [[upper[min(i, j), max(i, j)] for j in range(len(s))] for i in range(len(s))]
    return total(s), jnp.array(gradient), jnp.array(hessian)


VALUES = Quantity(_of_values, _sums)
DERIVATIVES = Quantity(_of_derivatives, _sums)


class Detailed(NamedTuple):
    """C with its standard error, and what else is asked for: a `Quantity`.

    Attributes:
        classes: number of classes, or 0 to keep none.
        per_image: keep the cost of each image.
    """

    classes: int
    per_image: bool

    def of_block(self, residual, images, new, s):
        """Number, mean and sum of squared deviations of the new images; sums by class."""
        costs = residual(s)
        number, ones = new.sum().astype(costs.dtype), jnp.ones(len(costs), costs.dtype)
        mean = (jnp.where(new, costs, 0) @ ones) / jnp.maximum(number, 1)
        deviation = jnp.where(new, costs - mean, 0)
        kept = {"moments": (number, mean, deviation @ deviation)}
        if self.classes:
            labels = jnp.where(new, cost.labels(images.y), -1)
            kept["per_class"] = jax.lax.map(
                lambda label: jnp.where(labels == label, costs, 0) @ ones, jnp.arange(self.classes)
            )
        return kept | ({"per_image": costs} if self.per_image else {})

    def combined(self, stacked, C):
        """Chan, Golub & LeVeque 1983: deviations from block means, and of block means from the whole."""
        number, mean, deviations = stacked["moments"]
        values = (number * mean).sum(0) / C.n
        squared = (deviations + number * (mean - values[None]) ** 2).sum(0)
        kept = {"values": values, "standard_error": jnp.sqrt(squared / (C.n - 1) / C.n)}
        if self.classes:
            labels, places = cost.labels(C.images.y), blocks.places(len(C.images.y), C.spread)
            labels = labels if places is None else labels[places]
            count = jnp.bincount(jnp.where(labels < 0, self.classes, labels), length=self.classes)  # -1: of no class
            kept["per_class"] = stacked["per_class"].sum(0) / count[None]
        if self.per_image:
            by_image = jnp.swapaxes(stacked["per_image"], 1, 2)
            kept["per_image"] = blocks.in_order(by_image, C.images, C.spread).T
        return kept


def classes(C):
    """Number of classes, of one-hot or whole-numbered desired outputs.

    Raises:
        ValueError: they are neither.
    """
    y = C.images.y
    if y.ndim == 2 and jnp.issubdtype(y.dtype, jnp.floating):
        return y.shape[1]
    if y.ndim == 1 and jnp.issubdtype(y.dtype, jnp.integer):
        return int(y.max()) + 1
    raise ValueError(
        f"per_class of outputs {y.dtype}{list(y.shape)}, expected one-hot [n, classes] or whole labels [n]"
    )
