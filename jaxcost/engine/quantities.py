"""What `sweep` computes at each point of a slice: C itself, its derivatives, or C with its make-up.

A quantity names the numbers that it needs of one image, takes of each block of images what can be combined, and makes
the whole of it.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcost import checks, data
from jaxcost.engine import blocks, whole


class Quantity(NamedTuple):
    """What to compute at each point; anything hashable with these functions. Equal ones are compiled once.

    Attributes:
        of_one: `of_one(C, image, *params)`, a number for one image or a pytree of numbers.
        of_block: `of_block(block, new, images, s)` for one block of images and coordinates s, a pytree of arrays.
            `block.each(s)` are the numbers of its images, `block.total(s, new)` their sums over the new ones, and
            `block.derivatives(s, new)` these with gradient and Hessian.
        combined: `combined(stacked, C)`, the results `[points, ...]` from those of all blocks, `[blocks, points, ...]`.
        sound: `sound(found)`, whether what `of_block` has found may be taken; else it is computed again, not hoisted.
        passes: how many times as much it makes on the way as C itself; so much smaller are the blocks.
    """

    of_one: Callable
    of_block: Callable
    combined: Callable
    sound: Callable = lambda found: jnp.bool_(True)
    passes: int = 1


def cost_of_one(C, image, *params) -> jax.Array:
    """The cost of one image."""
    return C.of_one(image, *params)


def _means(stacked, C):
    """Means over all images, from sums over blocks."""
    return jax.tree.map(lambda a: a.sum(0) / C.n, stacked)


def _of_values(block, new, images, s):
    return block.total(s, new)


def _of_derivatives(block, new, images, s):
    return block.derivatives(s, new)


def _all_finite(found):
    """Adjoints may meet 0 times infinity where the model is finite: a branch not taken, whose slope is infinite."""
    return jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(found)]).all()


VALUES = Quantity(cost_of_one, _of_values, _means)
DERIVATIVES = Quantity(cost_of_one, _of_derivatives, _means, _all_finite, 6)


class Detailed(NamedTuple):
    """C with its standard error, and what else is asked for: a `Quantity`.

    Attributes:
        classes: number of classes, or 0 to keep none.
        per_image: keep the cost of each image.
        accuracy: number of classes, or 0: keep the share of images whose largest output is the desired one (`right`).
    """

    classes: int = 0
    per_image: bool = False
    accuracy: int = 0
    passes = 1

    def of_one(self, C, image, *params):
        """The cost of one image, and whether its largest output is the desired one."""
        a = C.output(image.x, *params)  # once for both: a program traced twice would be computed twice
        found = {"cost": C.penalised(C.of_output(a, image.y), *params)}
        if self.accuracy:
            found["right"] = right(a, image.y, self.accuracy)
        return found

    def of_block(self, block, new, images, s):
        """Number, mean and sum of squared deviations of the new images; sums by class; how many are right."""
        found = block.each(s)
        costs = found["cost"]
        number, ones = new.sum().astype(costs.dtype), jnp.ones(len(costs), costs.dtype)
        mean = (jnp.where(new, costs, 0) @ ones) / jnp.maximum(number, 1)
        deviation = jnp.where(new, costs - mean, 0)
        kept = {"moments": (number, mean, deviation @ deviation)}
        if self.classes:
            labels = jnp.where(new, data.labels(images.y), -1)
            kept["per_class"] = jax.lax.map(
                lambda label: jnp.where(labels == label, costs, 0) @ ones, jnp.arange(self.classes)
            )
        if self.accuracy:
            kept["accuracy"] = jnp.where(new, found["right"], 0).sum()
        return kept | ({"per_image": costs} if self.per_image else {})

    def sound(self, found):
        """Always."""
        return jnp.bool_(True)

    def combined(self, stacked, C):
        """Chan, Golub & LeVeque 1983: deviations from block means, and of block means from the whole."""
        number, mean, deviations = stacked["moments"]
        values = (number * mean).sum(0) / C.n
        squared = (deviations + number * (mean - values[None]) ** 2).sum(0)
        kept = {"values": values, "standard_error": jnp.sqrt(squared / (C.n - 1) / C.n)}
        if self.classes:
            labels, own = data.labels(C.images.y), blocks.own_images(len(C.images.y), C.spread)
            labels = labels if own is None else labels[own]
            count = jnp.bincount(jnp.where(labels < 0, self.classes, labels), length=self.classes)  # -1: of no class
            kept["per_class"] = stacked["per_class"].sum(0) / count[None]
        if self.accuracy:
            kept["accuracy"] = stacked["accuracy"].sum(0) / C.n
        if self.per_image:
            by_image = jnp.swapaxes(stacked["per_image"], 1, 2)
            kept["per_image"] = blocks.in_order(by_image, C.images, C.spread).T
        return kept


def detailed(Cs, standard_error=False, per_class=False, per_image=False, accuracy=False) -> Quantity | Detailed:
    """C alone, or with what else is asked for.

    Raises:
        ValueError: something is not True or False, or C is no mean over images, or the desired outputs are no classes,
            where these are asked for.

    Example:
        >>> detailed((), per_image=True)
        Detailed(classes=0, per_image=True, accuracy=0)
    """
    given = {"standard_error": standard_error, "per_class": per_class, "per_image": per_image, "accuracy": accuracy}
    wanted = [name for name, flag in given.items() if checks.flag(name, flag)]
    if not wanted:
        return VALUES
    for C in Cs:
        whole.of_images(C, ", ".join(wanted))
    by_class = max(checks.classes(C.images.y) for C in Cs) if per_class else 0
    return Detailed(by_class, bool(per_image), max(classes(C.images.y) for C in Cs) if accuracy else 0)


def classes(y) -> int:
    """How many outputs desired ones ask for: one-hot `[n, ..., classes]`, or whole labels `[n, ...]` of any shape.

    Raises:
        ValueError: they are neither.

    Example:
        >>> classes(jnp.array([[0, 4, 1], [2, 2, 0]]))  # two sequences of three labels each
        5
    """
    y = checks.real("desired outputs", y)
    rows = y.reshape(-1, y.shape[-1]) if y.ndim > 2 else y
    if y.ndim < 2 or not jnp.issubdtype(y.dtype, jnp.integer):
        return checks.classes(rows)
    if isinstance(y, jax.core.Tracer) or not y.size:
        return 0
    try:
        checks.classes(rows)
    except ValueError:
        return int(y.max()) + 1
    return 1  # labels or one-hot, as the outputs will tell


def right(a, y, classes=1) -> jax.Array:
    """Whether the largest output for one image is the desired one; of several positions the share of those where it is.

    Of equal outputs the first counts. NaN is never right, nor is a label below 0.

    Args:
        a: outputs, `[..., classes]`.
        y: the desired ones, one-hot like the outputs, or whole labels `[...]`.
        classes: how many labels there are.

    Raises:
        ValueError: the outputs are no list of numbers, not as many as the desired ones, or fewer than classes.

    Example:
        >>> [bool(right(jnp.array(a), 1)) for a in ([0.1, 0.9], [0.5, 0.5], [jnp.nan, 0.9])]
        [True, False, False]
        >>> float(right(jnp.eye(2), jnp.array([0, 0])))
        0.5
    """
    a, y = checks.real("outputs", a), jnp.asarray(y)
    labels = a.ndim > 0 and y.shape == a.shape[:-1] and jnp.issubdtype(y.dtype, jnp.integer)
    hot = a.ndim > 0 and y.shape == a.shape and classes in (0, 1, a.shape[-1])
    if not (labels or hot) or a.shape[-1] < max(1, classes):
        of = f"desired outputs {y.shape}" if y.ndim else f"labels of {classes} classes"
        raise ValueError(f"outputs have shape {a.shape}, for {of}; expected one output a class")
    found = (a.argmax(-1) == (y if labels else y.argmax(-1))) & ~jnp.isnan(a).any(-1)
    return found if not found.ndim else found.mean()
