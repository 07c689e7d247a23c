"""Directions to look along, for any parameter tree, that are what they say; and the points that they lead to.

A direction is a tuple of the same structure as the parameters. Their floating leaves move; in a direction all other
leaves are 0 where they are numbers, and otherwise as they are. Leaves of one axis or none count as biases (also the
scales of normalisation layers); all others as weights.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxcost import checks
from jaxcost.engine import trees
from jaxcost.engine.lengths import BIASES, normalized

NORMS = ("filter", "layer", None)


class Frame(NamedTuple):
    """Where a slice lies: an origin and k directions, P(s) = origin + sum_k s_k d_k.

    Attributes:
        origin: the parameters at s = 0, a tuple of C's arguments.
        directions: k tuples like it, or `Recipe`s for them.
    """

    origin: Any
    directions: tuple[Any, ...]

    def at(self, s) -> Any:
        """The parameters at coordinates s, `[k]`, a tuple like the origin."""
        return at(self.origin, self.directions, s)

    def moving(self) -> "Frame":
        """The floating leaves alone, all directions made.

        Raises:
            ValueError: nothing in the origin moves; or a direction is not like it, 0 or not finite.
        """
        origin, _ = trees.some(self.origin, "the origin")
        if not isinstance(self.directions, list | tuple):
            raise ValueError(f"directions={checks.shown(self.directions)}, expected a list of them")
        made = [d.of(self.origin) if isinstance(d, Recipe) else d for d in self.directions]
        made = [trees.fitted(d, self.origin, f"direction {i}") for i, d in enumerate(made)]
        trees.nonzero(made)
        return Frame(origin, tuple(made))


class Recipe(NamedTuple):
    """What a random direction is made of. It takes no memory, and gives the same direction again and again.

    Attributes:
        key: a `jax.random.key`.
        normalize: "filter", "layer" or None.
        axis: as in `filter_normalized`.
        biases: likewise.
        only: None, or texts of what it moves, as in `held`; and `without`, of what it does not.
    """

    key: jax.Array
    normalize: str | None
    axis: int
    biases: str
    only: Any = None
    without: Any = None

    def of(self, params) -> Any:
        """The direction itself."""
        direction = gaussian(self.key, params, only=self.only, without=self.without)
        if self.normalize is None:
            return direction
        axis, kept = self.axis if self.normalize == "filter" else None, trees.kept(params, self.only, self.without)
        return normalized(direction, params, axis, self.biases, kept)


def at(origin, directions, s) -> Any:
    """P(s) = origin + sum_k s_k d_k, the parameters at coordinates s: floating leaves move, the rest stays.

    Args:
        origin: a tuple of C's arguments.
        directions: k tuples like it, or `Recipe`s for them.
        s: coordinates, `[k]`.

    Returns:
        A tuple like the origin, its leaves of the same types.

    Raises:
        ValueError: there are not as many coordinates as directions, or a direction is none (`Frame.moving`).

    Example:
        >>> at((jnp.zeros(2),), [(jnp.array([1.0, 0.0]),), (jnp.array([0.0, 1.0]),)], [2.0, 3.0])[0].tolist()
        [2.0, 3.0]
    """
    frame = Frame(origin, directions).moving()
    dtype = jnp.result_type(jnp.float32, *jax.tree.leaves(frame.origin))  # as where slices are computed
    s = jnp.asarray(checks.real("coordinates", s), dtype)
    if s.shape != (len(directions),):
        raise ValueError(f"coordinates of shape {s.shape}, expected one a direction, [{len(directions)}]")
    moved = jax.tree.map(lambda p, *d: moved_leaf(s, (p, *d)), frame.origin, *frame.directions)
    return trees.join(trees.split(origin)[1], moved)


def moved_leaf(s, c) -> jax.Array:
    """c_0 + sum_k s_k c_k, written out so that it fuses into the operation that reads it; of the type of c_0."""
    total = c[0]
    for k in range(len(c) - 1):
        total = total + s[k] * c[k + 1]
    return total.astype(c[0].dtype)


def random(key, params, k=1, *, normalize="filter", axis=0, biases="zero", only=None, without=None) -> tuple:
    """K random directions: independent N(0, 1) numbers, then normalised.

    Args:
        key: a `jax.random.key`.
        params: the network, a tuple of C's arguments.
        k: how many.
        normalize: "filter" (Li et al. 2018), "layer", or None to leave them as drawn.
        axis: as in `filter_normalized`: 0 for weights `[to, from]`, -1 for the kernels of Flax and Haiku.
        biases: "zero", "vector" or "entry", likewise.
        only: None, or which leaves move alone, as in `held`: all others are held, and 0 in the directions.
        without: None, or which leaves are held.

    Returns:
        A tuple of k directions, each a tuple like `params`.

    Raises:
        ValueError: an option is none of these, or nothing is left to move.

    Example:
        >>> from jaxcost import network
        >>> params = network.init(jax.random.key(0))
        >>> u, v = random(jax.random.key(1), params, 2)
        >>> bool(jnp.allclose(jnp.linalg.norm(u.w[0], axis=1), jnp.linalg.norm(params.w[0], axis=1)))
        True
    """
    made = recipes(key, k, normalize=normalize, axis=axis, biases=biases)
    return tuple(one._replace(only=only, without=without).of(params) for one in made)


def recipes(key, k=1, *, normalize="filter", axis=0, biases="zero", only=None, without=None) -> tuple[Recipe, ...]:
    """What `random` makes its directions of; they can stand in place of directions wherever a slice is made.

    A slice then keeps a few numbers in place of trees, from which one version of jax makes the same directions. So
    `only` and `without` are texts here, and no functions.

    Example:
        >>> params, key = (jnp.ones((2, 3)),), jax.random.key(1)
        >>> bool((recipes(key)[0].of(params)[0] == random(key, params)[0][0]).all())
        True
    """
    key, k = checks.key("key", key), checks.whole("k", k, 0, checks.MOST)
    checks.one_of("normalize", normalize, NORMS), checks.one_of("biases", biases, BIASES)
    axis = checks.whole("axis", axis, None)
    only, without = trees.texts("only", only), trees.texts("without", without)
    return tuple(Recipe(one, normalize, axis, biases, only, without) for one in jax.random.split(key, k))


def gaussian(key, params, *, only=None, without=None) -> Any:
    """A direction of independent N(0, 1) numbers, uniform over all directions once normalised; some leaves held.

    Args and errors as of `random`. What moves is the same, whatever is held.

    Example:
        >>> print(f"{optax.tree.norm(gaussian(jax.random.key(1), (jnp.zeros(10_000),))):.0f}")  # about the root
        99
    """
    return held(_direction(partial(_gaussian, checks.key("key", key)), params), only=only, without=without)


def held(direction, *, only=None, without=None) -> Any:
    """The direction with 0 in all leaves that are held: frozen layers do not move along it.

    Args:
        direction: a tuple like the parameters.
        only: None, or which floating leaves move alone, by their paths as of `layers.only`, such as `.w[0]`: text that
            is in the path, by whole names, a list of such texts, or a function, `only(path)`.
        without: None, or which of these are held, likewise.

    Raises:
        ValueError: nothing is left to move, or a text is in no path; names the paths.

    Example:
        >>> held((jnp.ones(2), {"last": jnp.ones(1)}), without="last")[1]["last"].tolist()
        [0.0]
    """
    if only is None and without is None:
        return direction
    (moving, fixed), kept = trees.some(direction, "the direction"), trees.kept(direction, only, without)
    leaves = zip(trees.paths(moving), jax.tree.leaves(moving), strict=True)
    put = [leaf if path in kept else jnp.zeros_like(leaf) for path, leaf in leaves]
    return trees.join(fixed, jax.tree.structure(moving).unflatten(put))


@jax.jit
def _gaussian(key, params):
    flat, unravel = ravel_pytree(params)
    return unravel(jax.random.normal(key, flat.shape, flat.dtype))


def filter_normalized(direction, params, *, axis=0, biases="zero") -> Any:
    """Give the direction's weights into each neuron the length of the network's: d_i <- d_i |w_i| / |d_i|.

    Li et al. 2018 (arXiv 1712.09913), section 4. Their reason is that rescaling the neurons of a ReLU network leaves
    its function alone, so that raw lengths mean nothing. For *sigmoid* networks, this kit's own among them, that does
    not hold; there it is a convention that puts all neurons on one scale: a coordinate of 1 moves each by as much as
    its weights are long.

    Args:
        direction: tuple like `params`.
        params: the network.
        axis: which axis of a weight array counts neurons: 0 for weights `[to, from]`, as here; -1 for the kernels
            `[..., from, to]` of Flax and others.
        biases: "zero" leaves biases where they are, as Li et al. do in their published commands; "vector" gives each
            bias vector the length of the network's; "entry" each single bias its size.

    Returns:
        A direction. Where a neuron's weights are all 0, so is the direction.

    Raises:
        ValueError: the direction is not like the network, 0 or not finite; `biases` is none of these; a weight array
            has no such axis, or there are none, only vectors and numbers, so that `biases="zero"` would leave nothing.

    Example:
        >>> w, b = filter_normalized((jnp.array([[3.0, 4.0]]), jnp.ones(1)), (jnp.array([[0.0, 10.0]]), jnp.ones(1)))
        >>> w.tolist(), b.tolist()
        ([[6.0, 8.0]], [0.0])
    """
    return normalized(direction, params, checks.whole("axis", axis, None), biases)


def layer_normalized(direction, params, *, biases="zero") -> Any:
    """Give each weight array of the direction the length of the network's: d_l <- d_l |w_l| / |d_l|.

    Args and errors as for `filter_normalized`.
    """
    return normalized(direction, params, None, biases)


def orthonormal(u, v) -> tuple[Any, Any]:
    """Two directions of length 1 at right angles that span the plane of u and v: no longer filter-normalised.

    Raises:
        ValueError: u and v are parallel, one is 0 or not finite, or they are not alike.

    Example:
        >>> e, f = orthonormal((jnp.array([3.0, 0.0]),), (jnp.array([1.0, 1.0]),))
        >>> e[0].tolist(), f[0].tolist()
        ([1.0, 0.0], [0.0, 1.0])
    """
    v, (u, fixed) = trees.fitted(v, u, "v", "u"), trees.some(u, "u")
    unit = lambda a: optax.tree.scale(1 / optax.tree.norm(a), a)
    e, f = unit(u), v
    for _ in range(2):  # once more removes the rounding that the first time leaves where v is nearly parallel
        f = optax.tree.sub(f, optax.tree.scale(optax.tree.vdot(f, e), e))
    if not optax.tree.norm(f) > 1e-5 * optax.tree.norm(v):
        raise ValueError("u and v are parallel, of length 0 or not finite: they span no plane, expected two that do")
    return trees.join(fixed, e), trees.join(fixed, unit(f))


def cosine(u, v) -> jax.Array:
    """Cosine of the angle between two directions that are alike, over all parameters; NaN where one has length 0.

    Example:
        >>> print(f"{cosine((jnp.array([1.0, 0.0]),), (jnp.array([1.0, 1.0]),)):.4f}")
        0.7071
    """
    v, (u, _) = trees.fitted(v, u, "v", "u"), trees.some(u, "u")
    return optax.tree.vdot(u, v) / (optax.tree.norm(u) * optax.tree.norm(v))


def between(a, b) -> Any:
    """From network a to network b, `b - a`, as Goodfellow et al. 2015 (arXiv 1412.6544): 0 is a and 1 is b.

    Raises:
        ValueError: b is not like a.
    """
    return _direction(partial(jax.tree.map, jnp.subtract, trees.fitted(b, a, "b")), a)


def through(a, b, c) -> tuple[Any, Any]:
    """An orthonormal basis of the plane through three networks, as Garipov et al. 2018 (arXiv 1802.10026).

    Returns:
        `(u, v)`, for the origin a; b lies along u, and where c lies `trajectories.coordinates` says.

    Raises:
        ValueError: the three lie on one line, or are not alike.
    """
    return orthonormal(between(a, b), between(a, c))


def _direction(make, params):
    """A direction from a function of the floating leaves of the parameters."""
    moving, fixed = trees.some(params, "the parameters")
    return trees.join(None if fixed is None else fixed.zeros(), make(moving))
