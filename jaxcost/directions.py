"""Directions to look along, for any parameter tree, that are what they say.

A direction is a tuple of the same structure as the parameters. Leaves of one axis or none count as biases
(also the scales of normalisation layers); all others as weights.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

BIASES = ("zero", "vector", "entry")


class Principal(NamedTuple):
    """Principal components of a trajectory.

    Attributes:
        directions: k orthonormal directions, the one along which the trajectory varies most first.
        share: `[k]`, share of the trajectory's variance along each.
        coordinates: `[steps, k]`, the steps projected, seen from the last step.
        off: `[steps]`, distance of each step from the plane through the last step.
    """

    directions: tuple[Any, ...]
    share: np.ndarray
    coordinates: np.ndarray
    off: np.ndarray


@jax.jit
def gaussian(key, params):
    """A direction of independent N(0, 1) numbers, uniform over all directions once normalised.

    Example:
        >>> from jaxcost import network
        >>> u = gaussian(jax.random.key(1), network.init(jax.random.key(0)))
        >>> print(f"{optax.tree.norm(u):.0f}")  # about the root of 13,002
        113
    """
    flat, unravel = ravel_pytree(params)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))


def filter_normalized(direction, params, *, axis=0, biases="zero"):
    """Give the direction's weights into each neuron the length of the network's: d_i <- d_i |w_i| / |d_i|.

    Li et al. 2018 (arXiv 1712.09913), section 4. Their reason is that rescaling the neurons of a ReLU
    network leaves its function alone, so that raw lengths mean nothing. For *sigmoid* networks, this kit's own
    among them, that argument does not hold; there it is a convention that puts all neurons on one
    scale, so that a coordinate of 1 moves each by as much as its weights are long.

    Args:
        direction: tuple like `params`.
        params: the network.
        axis: which axis of a weight array counts neurons: 0 for weights `[to, from]`, as here; -1 for
            the kernels `[..., from, to]` of Flax and others.
        biases: "zero" leaves biases where they are, as Li et al. do in their published commands; "vector"
            gives each bias vector the length of the network's; "entry" each single bias its size.

    Returns:
        A direction. Where a neuron's weights are all 0, so is the direction.

    Raises:
        ValueError: `biases` is none of these, or a weight array has no such axis.

    Example:
        >>> from jaxcost import network
        >>> params = network.init(jax.random.key(0))
        >>> u = filter_normalized(gaussian(jax.random.key(1), params), params)
        >>> rows = [jnp.linalg.norm(p.w[0], axis=1) for p in (u, params)]
        >>> bool(jnp.allclose(*rows)), float(jnp.abs(u.b[0]).max())
        (True, 0.0)
    """
    return _normalized(direction, params, axis, biases)


def layer_normalized(direction, params, *, biases="zero"):
    """Give each weight array of the direction the length of the network's: d_l <- d_l |w_l| / |d_l|.

    Args:
        direction: tuple like `params`.
        params: the network.
        biases: as in `filter_normalized`.

    Raises:
        ValueError: `biases` is none of these.
    """
    return _normalized(direction, params, None, biases)


@partial(jax.jit, static_argnames=("axis", "biases"))
def _normalized(direction, params, axis, biases):
    """Weights scaled to length along all axes but `axis`, biases by their rule."""
    if biases not in BIASES:
        raise ValueError(f"biases={biases!r}, expected one of {', '.join(map(repr, BIASES))}")

    def scaled(d, p):
        if axis is not None and d.ndim > 1 and not -d.ndim <= axis < d.ndim:
            raise ValueError(f"axis={axis}, expected one of the {d.ndim} axes of a weight array of shape {d.shape}")
        if d.ndim > 1:
            return _with_length(d, p, tuple(i for i in range(d.ndim) if axis is None or i != axis % d.ndim))
        if biases == "zero":
            return jnp.zeros_like(d)
        return _with_length(d, p, tuple(range(d.ndim)) if biases == "vector" else ())

    return jax.tree.map(scaled, direction, params)


def _with_length(d, p, axes):
    """D scaled to the length of p along `axes`; 0 where d is."""
    length = lambda a: jnp.sqrt(jnp.sum(a * a, axes, keepdims=True))
    return jnp.where(length(d) > 0, d * length(p) / jnp.where(length(d) > 0, length(d), 1), 0)


def orthonormal(u, v):
    """Two directions of length 1 at right angles that span the plane of u and v (Gram-Schmidt, done twice).

    Note that they are no longer filter-normalised.

    Raises:
        ValueError: u and v are parallel, or one is 0.

    Example:
        >>> e, f = orthonormal((jnp.array([3.0, 0.0]),), (jnp.array([1.0, 1.0]),))
        >>> e[0].tolist(), f[0].tolist()
        ([1.0, 0.0], [0.0, 1.0])
    """
    unit = lambda a: optax.tree.scale(1 / optax.tree.norm(a), a)
    e, f = unit(u), v
    for _ in range(2):  # once more removes the rounding that the first time leaves where v is nearly parallel
        f = optax.tree.sub(f, optax.tree.scale(optax.tree.vdot(f, e), e))
    if not optax.tree.norm(f) > 1e-5 * optax.tree.norm(v):
        raise ValueError("u and v are parallel or of length 0: they span no plane")
    return e, unit(f)


def cosine(u, v):
    """Cosine of the angle between two directions, taken over all parameters.

    Example:
        >>> print(f"{cosine((jnp.array([1.0, 0.0]),), (jnp.array([1.0, 1.0]),)):.4f}")
        0.7071
    """
    return optax.tree.vdot(u, v) / (optax.tree.norm(u) * optax.tree.norm(v))


def between(a, b):
    """From network a to network b, `b - a`: with origin a, coordinate 0 is a and 1 is b.

    Goodfellow et al. 2015 (arXiv 1412.6544).
    """
    return optax.tree.sub(b, a)


def through(a, b, c):
    """An orthonormal basis of the plane through three networks; a is the origin, b lies along the first.

    Garipov et al. 2018 (arXiv 1802.10026).

    Returns:
        `(u, v)`; where a, b and c lie on it is `coordinates`.

    Raises:
        ValueError: the three lie on one line.
    """
    return orthonormal(between(a, b), between(a, c))


def principal(trajectory, k=2):
    """The k directions along which a trajectory varies most, by singular value decomposition.

    Steps are centred on their mean to find the directions, and then seen from the last one, which is where
    a plane of the surface is centred; `off` is how far each step lies from that plane. Li et al. 2018
    (arXiv 1712.09913), section 7. Compare `share` with that of a random walk: two components of one hold most
    of its variance too (Antognini & Sohl-Dickstein 2018, arXiv 1806.08805).

    Args:
        trajectory: the parameters at each step, each leaf `[steps, ...]`, as in `descent.Run`.
        k: number of directions, fewer than steps.

    Returns:
        A `Principal`.

    Raises:
        ValueError: there are not more than k steps, or they do not vary.
    """
    matrix = _matrix(trajectory)
    if not 1 <= k < len(matrix):
        raise ValueError(f"k={k} directions of {len(matrix)} steps, expected 1 to {len(matrix) - 1}")
    _, s, rows = np.linalg.svd(matrix - matrix.mean(0), full_matrices=False)
    if not s[k - 1] > 1e-6 * s[0]:
        raise ValueError(f"the steps do not vary along {k} directions: singular values {s[:k]}")
    last = jax.tree.map(lambda leaf: leaf[-1], trajectory)
    flat, unravel = ravel_pytree(last)
    directions = tuple(unravel(jnp.asarray(row, flat.dtype)) for row in rows[:k])
    here, off = coordinates(trajectory, last, directions)
    return Principal(directions, s[:k] ** 2 / np.sum(s**2), here, off)


def coordinates(trajectory, origin, directions):
    """Where networks lie on a slice: least-squares coordinates, and their distance from it.

    Args:
        trajectory: networks, each leaf `[steps, ...]`.
        origin: tuple of parameters.
        directions: k tuples like it, neither orthogonal nor of length 1 by need, but independent.

    Returns:
        `(coordinates, off)`, `[steps, k]` and `[steps]`, float64.

    Example:
        >>> steps = (jnp.array([[1.0, 2.0, 5.0]]),)
        >>> axes = (jnp.array([2.0, 0.0, 0.0]),), (jnp.array([0.0, 1.0, 0.0]),)
        >>> here, off = coordinates(steps, (jnp.zeros(3),), axes)
        >>> here.round(6).tolist(), off.round(6).tolist()
        ([[0.5, 2.0]], [5.0])
    """
    basis = np.stack([_vector(direction) for direction in directions], 1)
    away = _matrix(trajectory) - _vector(origin)
    here = np.linalg.lstsq(basis, away.T, rcond=None)[0].T
    return here, np.linalg.norm(away - here @ basis.T, axis=1)


def _vector(tree):
    return np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in jax.tree.leaves(tree)])


def _matrix(trajectory):
    leaves = [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(trajectory)]
    return np.concatenate([leaf.reshape(len(leaf), -1) for leaf in leaves], 1)
