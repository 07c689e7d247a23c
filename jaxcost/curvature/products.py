"""Products of the Hessian H of C with directions, over all images, on the parameter tree."""

from typing import Any

import jax

from jaxcost import cost
from jaxcost.engine import blocks, trees


def hvp(C, params, v) -> Any:
    """H v, the derivative of the gradient of C along v.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        v: a direction, a tuple like `params`.

    Returns:
        A direction. What does not move is 0 in it.

    Raises:
        ValueError: v is not like the parameters.

    Reference:
        Pearlmutter 1994, *Neural Computation* 6.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p, loss=lambda a, y: 3 * a[0] ** 2 + a[0] * a[1])
        >>> hvp(C, (jnp.ones(2),), (jnp.array([1.0, 0.0]),))[0].round(4).tolist()
        [6.0, 1.0]
    """
    C, moving = cost.split(C, params)
    fixed, v = trees.some(params, "the parameters")[1], trees.fitted(v, params, "v")
    return trees.join(fixed and fixed.zeros(), _hvp(C, moving, v))


def hvps(C, params, vs) -> Any:
    """H v for k directions at once.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        vs: directions, a tuple like `params` whose floating leaves have a first axis `[k]`.

    Returns:
        A tuple like `vs`.

    Raises:
        ValueError: they are not like the parameters.
    """
    C, moving = cost.split(C, params)
    _, fixed = trees.some(params, "the parameters")
    vs = trees.moving(vs)
    lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(vs)}
    if len(lengths) != 1 or lengths == {()}:
        raise ValueError(f"vs are {trees.shapes(vs)}; expected as many for each leaf, its first axis")
    vs = jax.vmap(lambda v: trees.fitted(v, moving, "one of vs"))(vs)
    return trees.join(fixed and fixed.zeros(), _hvps(C, moving, vs))


@jax.jit
@blocks.in_full
def _hvp(C, params, v):
    return jax.jvp(lambda params: jax.grad(lambda params: C(*params))(params), (params,), (v,))[1]


@jax.jit
@blocks.in_full
def _hvps(C, params, vs):
    return jax.vmap(_hvp, (None, None, 0))(C, params, vs)
