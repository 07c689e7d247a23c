"""The lowest pass between two networks, by a nudged elastic band whose highest network comes to lie on a saddle.

A band is a chain of lines (`curves.Curve`) between two fixed ends. Each network between ("pivot") moves downhill, but
for the part of the gradient along the band, and all are kept equally far apart. Where C between two pivots rises far
above both a pivot is inserted.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from jaxcost import checks, descent, slices
from jaxcost.connectivity.curves import Curve, evaluate, parts
from jaxcost.connectivity.paths import ends
from jaxcost.curvature import lanczos
from jaxcost.engine import blocks, trained, trees

BETWEEN = 8  # of so many parts of each line between two pivots C is looked at where one ends


class Pass(NamedTuple):
    """What is known of a network that may be a saddle.

    Attributes:
        cost: C there.
        slope: length of its gradient.
        values: the two lowest eigenvalues of its Hessian, rising; of a pass one is negative and the slope 0.
        residuals: of these.
    """

    cost: float
    slope: float
    values: np.ndarray
    residuals: np.ndarray


def nudged(key, C, a, b, optimizer=None, *, pivots=5, cycles=4, steps=500, batch=None, most=30, excess=0.2) -> Curve:
    """Relax a band between two networks.

    Args:
        key: a `jax.random.key`: of the images of each step; unused without `batch`.
        C: a `cost.Cost`.
        a: a tuple of C's arguments.
        b: another like it.
        optimizer: an optax optimiser; None for `optax.adam(0.01)`.
        pivots: to begin with, on the line between the ends.
        cycles: of relaxing and inserting; after the last one none is inserted.
        steps: downhill in each.
        batch: images a step, the same for all pivots; None for all.
        most: pivots in the end at most.
        excess: a pivot is inserted where C rises above the line between two neighbours by this share of the highest
            less the lowest cost on the band.

    Returns:
        A `curves.Curve` of the kind "chain", its ts and costs at the pivots and at seven points between each two.

    Raises:
        ValueError: the networks are not alike or the same, or a number is out of its range.

    Reference:
        Jónsson, Mills & Jacobsen 1998; of networks, and inserting pivots, Draxler et al. 2018 (arXiv 1803.00885).

    Example:
        >>> from jaxcost import cost
        >>> from jaxcost.data import Images
        >>> nothing = Images(jnp.zeros((2, 1)), jnp.zeros((2, 1)))
        >>> C = cost.Cost(nothing, lambda x, p: p, lambda a, y: (a[0] ** 2 - 1) ** 2)
        >>> band = nudged(jax.random.key(0), C, (jnp.array([-1.0]),), (jnp.array([1.0]),), steps=50, cycles=1)
        >>> round(band.barrier, 3)
        1.0
    """
    C, first, last, fixed = ends(C, a, b)
    key, excess = checks.key("key", key), checks.number("excess", excess, 0, above=True)
    cycles, steps = (checks.whole(name, n, 1, checks.MOST) for name, n in (("cycles", cycles), ("steps", steps)))
    pivots = checks.whole("pivots", pivots, 1, checks.MOST)
    most = checks.whole("most", most, pivots, checks.MOST)
    batch = trained.batch_of(C, batch)
    optimizer = optax.adam(0.01) if optimizer is None else trained.optimizer(optimizer)
    (x, unravel), (y, _) = ravel_pytree(first), ravel_pytree(last)
    t = jnp.linspace(0, 1, pivots + 2, dtype=x.dtype)[:, None]
    nodes = (1 - t) * x[None] + t * y[None]
    for cycle, own in enumerate(jax.random.split(key, cycles)):
        nodes, losses = _relaxed(optimizer, steps, batch, own, C, first, nodes)
        ts = np.linspace(0, 1, (len(nodes) - 1) * BETWEEN + 1)
        chain = Curve("chain", jax.vmap(unravel)(nodes), ts, np.zeros(len(ts)), 0.0, np.asarray(losses))
        if cycle < cycles - 1:
            costs = [slices.evaluate(C, *frame, points, progress=False) for frame, points in parts(chain, ts)]
            more = _inserted(np.concatenate(costs), np.asarray(nodes), excess, most + 2)
            nodes = jnp.asarray(more, nodes.dtype)
    path = evaluate(C, chain, ts, progress=False)
    return chain._replace(nodes=trees.join(fixed, chain.nodes), costs=path.costs, floor=path.floor)


def certify(key, C, params) -> Pass:
    """Is a network a saddle of C? Its slope, and the two lowest eigenvalues of its Hessian.

    Args:
        key: a `jax.random.key`: of the direction that Lanczos starts from.
        C: a `cost.Cost`.
        params: a tuple of C's arguments.

    Returns:
        A `Pass`.

    Example:
        >>> from jaxcost import cost
        >>> from jaxcost.data import Images
        >>> saddle = lambda a, y: a[1] ** 2 - a[0] ** 2 + (a[2:] ** 2).sum()
        >>> C = cost.Cost(Images(jnp.zeros((2, 1)), jnp.zeros((2, 1))), lambda x, p: p, saddle)
        >>> found = certify(jax.random.key(0), C, (jnp.zeros(5),))
        >>> found.slope, found.values.round(3).tolist()
        (0.0, [-2.0, 2.0])
    """
    found = lanczos.top_eigenpairs(key, C, params, 2, which="lowest")
    slope = float(descent.gradient_norm(C, params))
    return Pass(float(C(*params)), slope, found.values[::-1], found.residuals[::-1])


@partial(jax.jit, static_argnames=("optimizer", "steps", "batch"))
@blocks.in_full
def _relaxed(optimizer, steps, batch, key, C, like, nodes):
    """Steps of all pivots downhill across the band, `[pivots + 2, n]`, flat networks like one."""
    _, unravel = ravel_pytree(like)

    def step(state, key):
        nodes, kept = state
        some = trained.drawn(key, C, batch)
        value_and_slope = jax.value_and_grad(lambda flat: some(*unravel(flat)))
        each = jax.lax.map if batch is None else lambda f, xs: jax.vmap(f)(xs)
        costs, slopes = each(value_and_slope, nodes)
        across = _across(nodes, costs, slopes)
        moves, kept = optimizer.update(across, kept, nodes[1:-1])
        moved = jnp.concatenate([nodes[:1], optax.apply_updates(nodes[1:-1], moves), nodes[-1:]])
        return (_spread(moved), kept), costs[1:-1].mean()

    state = nodes, optimizer.init(nodes[1:-1])
    (nodes, _), losses = jax.lax.scan(step, state, jax.random.split(key, steps))
    return nodes, losses


def _across(nodes, costs, slopes):
    """The gradients of the pivots without their part along the band; that is taken towards the higher neighbour."""
    ahead, behind = nodes[2:] - nodes[1:-1], nodes[1:-1] - nodes[:-2]
    along = jnp.where((costs[2:] > costs[:-2])[:, None], ahead, behind)
    along = along / jnp.maximum(jnp.linalg.norm(along, axis=1, keepdims=True), 1e-30)
    slopes = slopes[1:-1]
    return slopes - (slopes * along).sum(1, keepdims=True) * along


def _spread(nodes):
    """Pivots equally far apart on the same chain of lines."""
    lengths = jnp.linalg.norm(jnp.diff(nodes, axis=0), axis=1)
    so_far = jnp.concatenate([jnp.zeros(1, nodes.dtype), jnp.cumsum(lengths)])
    wanted = jnp.linspace(0, 1, len(nodes), dtype=nodes.dtype) * so_far[-1]
    i = jnp.clip(jnp.searchsorted(so_far, wanted, side="right") - 1, 0, len(nodes) - 2)
    share = (wanted - so_far[i]) / jnp.maximum(lengths[i], 1e-30)
    placed = nodes[i] + share[:, None] * (nodes[i + 1] - nodes[i])
    return jnp.concatenate([nodes[:1], placed[1:-1], nodes[-1:]])


def _inserted(costs, nodes, excess, most):
    """The nodes `[m, n]`, and new ones where C between two of them rises most."""
    share, found = np.linspace(0, 1, BETWEEN + 1), []
    for i in range(len(nodes) - 1):
        own = costs[i * BETWEEN : (i + 1) * BETWEEN + 1]
        above = own - (own[0] * (1 - share) + own[-1] * share)
        found.append((above.max(), i, share[above.argmax()]))
    highest = sorted((one for one in found if one[0] > excess * np.ptp(costs)), reverse=True)[: most - len(nodes)]
    for _, i, at in sorted(highest, key=lambda one: -one[1]):  # the last first: others keep theirs
        nodes = np.insert(nodes, i + 1, (1 - at) * nodes[i] + at * nodes[i + 1], axis=0)
    return nodes
