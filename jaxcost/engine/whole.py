"""A cost that is one number of the whole, and no mean over images: any function of the parameters.

It is a cost of one image that nobody sees: so all that asks for C, its derivatives or its slices takes it as any other,
and what is of single images is refused.
"""

import inspect
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxcost import checks


class Whole(NamedTuple):
    """What such a cost has in place of a network. Two of one function are equal, and compiled once.

    Attributes:
        function: `function(*params)`, one number; or `function(data, *params)`.
        reads: whether it takes data.
    """

    function: Callable
    reads: bool = False

    def __call__(self, x, *params) -> jax.Array:
        """The number.

        Raises:
            ValueError: it is none, or the function takes more parameters or fewer.
        """
        given = (x,) if self.reads else ()
        bound(self.function, given, params)
        return one_number("function(*params)", self.function(*given, *params))


def bound(f, before, params) -> None:
    """Make sure that a function takes so many parameters after what comes before them, as far as it tells.

    Raises:
        ValueError: it does not.

    Example:
        >>> bound(lambda p: 0.0, (), (1.0, 2.0))
        Traceback (most recent call last):
        ...
        ValueError: 2 parameters for f(p): too many positional arguments; expected C(*params), as many as f takes
    """
    try:
        signature = inspect.signature(f)
    except (TypeError, ValueError):  # it may keep it to itself
        return
    try:
        signature.bind(*before, *params)
    except TypeError as error:
        found = f"{len(params)} parameters for f{signature}: {error}"
        expected = "C(*params), as many as f takes" + (" beside the image" if before else "")
        raise ValueError(f"{found}; expected {expected}") from error


def one_number(name, value) -> jax.Array:
    """A real number, traced or not.

    Raises:
        ValueError: it is something else; names it.

    Example:
        >>> one_number("penalty(*params)", jnp.ones(3))
        Traceback (most recent call last):
        ...
        ValueError: penalty(*params) has shape (3,), expected one number: ()
    """
    value = checks.real(name, value)
    if jnp.shape(value) != ():
        raise ValueError(f"{name} has shape {jnp.shape(value)}, expected one number: ()")
    return jnp.asarray(value)


def is_whole(C) -> bool:
    """Whether a `cost.Cost` is one number of the whole (`cost.of`)."""
    return isinstance(C.f, Whole)


def of_images(C, what, instead="") -> None:
    """Make sure that C is a mean over images, where something of single ones is asked for.

    Args:
        C: a `cost.Cost`.
        what: is asked for.
        instead: what else would do.

    Raises:
        ValueError: it is one number of the whole.
    """
    if is_whole(C):
        found = "this cost is one number of the whole, not a mean over images: it has none for each image"
        raise ValueError(f"{what}: {found}; expected a cost.Cost of images{instead}")
