"""C as a function of some layers of a network alone, all others held as they are.

What comes out is a cost and its parameters like any other: its Hessian is the block of these layers, its eigenpairs
are theirs, and a slice or a descent moves them alone.
"""

from dataclasses import replace
from typing import Any

from jaxcost import cost
from jaxcost.cost import Cost
from jaxcost.engine import trees


def only(C, params, kept) -> tuple[Cost, Any]:
    """C as a function of some leaves of its parameters alone, and these leaves.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        kept: says of the path of each floating leaf, as text such as `.w[0]`, whether it moves, `kept(path)`; or text
            that is in the path of what moves, by whole names, or a list of such texts.

    Returns:
        `(C, moving)` with C(*moving) the same number; `moving` has None in place of what is held.

    Raises:
        ValueError: none is kept, or `kept` is none of these; names the paths.

    Example:
        >>> import jax
        >>> from jaxcost import data, network
        >>> from jaxcost.curvature import products
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> last = only(C, params, (".w[2]", ".b[2]"))
        >>> products.hessian(*last, progress=False).shape
        (170, 170)
    """
    if kept is None:
        raise ValueError("kept=None, expected text of a path, a list of such texts, or a function of a path")
    C, moving = cost.split(C, params)
    found = trees.kept(moving, kept, name="kept")
    moving, fixed = trees.split(trees.join(C.fixed, moving), found)
    return replace(C, fixed=fixed), moving
