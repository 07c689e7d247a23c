"""Products of the Hessian H of C, and of its Gauss-Newton matrix G, with directions; and both matrices whole.

    H = 1/n sum_x D2 C_x(p)                 C_x the cost of one image
    G = 1/n sum_x J' (D2 loss)(a) J         a = f(x ; p) the outputs, J their derivatives in p

G is H without the curvature of f: H = G + 1/n sum_x sum_i (D loss)_i D2 f_i. Where the loss is convex in the outputs,
as the quadratic one is, G has no negative eigenvalue. A penalty of the parameters adds its own second derivatives to
both.

All are over all images, on the parameter tree, for any model. Reading the images bounds a product, so that 16
directions together cost about half as much each as one alone (784-16-16-10).
"""

import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks, cost
from jaxcost.engine import blocks, dense, trees, whole
from jaxcost.engine import products as engine


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
    return _one(engine.HESSIAN, C, params, v)


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

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p, loss=lambda a, y: 3 * a[0] ** 2 + a[0] * a[1])
        >>> hvps(C, (jnp.ones(2),), (jnp.eye(2),))[0].round(4).tolist()
        [[6.0, 1.0], [1.0, 0.0]]
    """
    return _each(engine.HESSIAN, C, params, vs)


def ggn_vp(C, params, v) -> Any:
    """G v: of v what it does to the outputs, curved by the loss, and pulled back.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        v: a direction, a tuple like `params`.

    Returns:
        A direction. What does not move is 0 in it.

    Raises:
        ValueError: v is not like the parameters, or C is one number of the whole, which has no outputs.

    Reference:
        Schraudolph 2002, *Neural Computation* 14.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p**2, loss=lambda a, y: a[0] ** 2)
        >>> ggn_vp(C, (jnp.array([3.0, 1.0]),), (jnp.ones(2),))[0].round(3).tolist()  # (2 p) 2 (2 p), and H has 12 p^2
        [72.0, 0.0]
    """
    return _one(engine.GGN, C, params, v)


def ggn_vps(C, params, vs) -> Any:
    """G v for k directions at once. Args, results and errors as of `hvps`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p**2, loss=lambda a, y: a[0] ** 2)
        >>> ggn_vps(C, (jnp.array([3.0, 1.0]),), (jnp.eye(2),))[0].round(3).tolist()
        [[72.0, 0.0], [0.0, 0.0]]
    """
    return _each(engine.GGN, C, params, vs)


def hessian(C, params, *, progress=True) -> np.ndarray:
    """H whole, symmetric, `[n, n]`, in the order of `jax.flatten_util.ravel_pytree` of what moves in the parameters.

    The block of a dense layer that sees the images alone, found in the model's program, is made of one product of
    matrices for each pair of neurons. All else is by products, up to 64 columns at a time.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        progress: show progress.

    Returns:
        A numpy array of the parameters' type: of 13,002 parameters 0.68 GB in float32.

    Raises:
        ValueError: C is no cost of some images, or nothing moves in the parameters.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p, loss=lambda a, y: 3 * a[0] ** 2 + a[0] * a[1])
        >>> hessian(C, (jnp.ones(2),)).round(4).tolist()
        [[6.0, 1.0], [1.0, 0.0]]
    """
    return _whole(engine.HESSIAN, C, params, progress)


def ggn(C, params, *, progress=True) -> np.ndarray:
    """G whole. Args, results and errors as of `hessian`.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p**2, loss=lambda a, y: a[0] ** 2)
        >>> ggn(C, (jnp.array([3.0, 1.0]),)).round(3).tolist()
        [[72.0, 0.0], [0.0, 0.0]]
    """
    return _whole(engine.GGN, C, params, progress)


def on_arrays(C, params, product=hvps) -> tuple[Callable, int, Callable]:
    """Products as a function of flat directions, as what knows nothing of trees takes it.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.
        product: `hvps`, or `ggn_vps`.

    Returns:
        `(of_arrays, n, unravel)`: from directions `[k, n]` to products `[k, n]`, numpy arrays in float64, of the n
        numbers that move, in the order of `hessian`; and from such arrays to directions, leaves `[k, ...]`.

    Raises:
        ValueError: nothing moves in the parameters, or `product` is no function; and when called, if a product is not
            finite.

    Example:
        >>> import jax.numpy as jnp
        >>> from jaxcost import data
        >>> C = cost.Cost(data.digits()[1], f=lambda x, p: p, loss=lambda a, y: 3 * a[0] ** 2 + a[0] * a[1])
        >>> of_arrays, n, _ = on_arrays(C, (jnp.ones(2),))
        >>> of_arrays(np.eye(n)).round(4).tolist()
        [[6.0, 1.0], [1.0, 0.0]]
    """
    checks.function("product", product)
    C, moving = cost.split(C, params)
    _, fixed = trees.some(params, "the parameters")
    jax.eval_shape(C, *moving)  # lest what is wrong be said late
    leaves, structure = jax.tree.flatten(moving)
    starts = np.cumsum([0, *(leaf.size for leaf in leaves)])

    def directions(arrays):
        parts = [arrays[:, i:j] for i, j in itertools.pairwise(starts)]
        shaped = zip(parts, leaves, strict=True)
        return structure.unflatten([jnp.asarray(a.reshape(-1, *leaf.shape), leaf.dtype) for a, leaf in shaped])

    def of_arrays(arrays):
        found = jax.tree.leaves(product(C, moving, directions(np.asarray(arrays))))
        flat = np.concatenate([np.asarray(leaf, np.float64).reshape(len(arrays), -1) for leaf in found], 1)
        if not np.isfinite(flat).all():
            raise ValueError("a product is not finite at these parameters, expected some where C is smooth")
        return flat

    return of_arrays, int(starts[-1]), lambda arrays: trees.join(fixed and fixed.zeros(), directions(arrays))


def _whole(kind, C, params, progress):
    C, moving = _split(kind, C, params)
    trees.some(params, "the parameters")
    return dense.matrix(kind, C, moving, progress=progress)


def _split(kind, C, params):
    """`cost.split`, of a cost with outputs where these are asked for."""
    C, moving = cost.split(C, params)
    if kind == engine.GGN:
        whole.of_images(C, "the Gauss-Newton matrix")
    return C, moving


@blocks.in_full
def _one(kind, C, params, v):
    C, moving = _split(kind, C, params)
    fixed, v = trees.some(params, "the parameters")[1], trees.fitted(v, params, "v")
    return trees.join(fixed and fixed.zeros(), engine.of_direction(kind, C, moving, v))


@blocks.in_full
def _each(kind, C, params, vs):
    C, moving = _split(kind, C, params)
    _, fixed = trees.some(params, "the parameters")
    vs = trees.moving(vs)
    lengths = {leaf.shape[:1] for leaf in jax.tree.leaves(vs)}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        raise ValueError(f"vs are {trees.shapes(vs)}; expected as many for each leaf, one or more, its first axis")
    vs = jax.vmap(lambda v: trees.fitted(v, moving, "one of vs"))(vs)
    return trees.join(fixed and fixed.zeros(), engine.of_each(kind, C, moving, vs))
