"""Bent paths between two networks, fitted so that C is low all along: quadratic Bezier curves and chains of lines.

    bezier      P(t) = (1 - t)^2 a + 2 t (1 - t) bend + t^2 b
    chain       lines from a over the bends to b, each taking as much of t

The bends minimise the mean of C(P(t)) over uniform t, by steps downhill at random t on random images. A Bezier
curve lies in the plane of its three networks, a chain in lines: C along both is that of slices, over all images.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcost import checks, cost, directions, floors, slices, trajectories
from jaxcost.connectivity.paths import Path, ends, node
from jaxcost.directions import Frame, between
from jaxcost.engine import blocks, trained, trees

BATCH = 128  # images a step, Garipov et al.'s
JUDGED = 4  # lines of a chain, the highest ones, from which its noise floor is taken


class Curve(NamedTuple):
    """A fitted path.

    Attributes:
        kind: "bezier" or "chain".
        nodes: a, the bends and b: a tuple of C's arguments whose leaves have a first axis `[bends + 2]`.
        ts: from 0 to 1, `[points]`.
        costs: C there over all images, `[points]`.
        floor: rounding noise of these.
        losses: C on each step's images at its t, `[steps]`; of a band the mean over its pivots.
    """

    kind: str
    nodes: Any
    ts: np.ndarray
    costs: np.ndarray
    floor: float
    losses: np.ndarray

    def at(self, t) -> Any:
        """The network at t, from 0 to 1."""
        t = checks.number("t", t, 0, 1)
        moving, fixed = trees.split(self.nodes)
        return trees.join(fixed, _at(self.kind, moving, t))

    def node(self, i) -> Any:
        """Network i of the nodes: 0 is a, -1 is b."""
        return node(self.nodes, i)

    @property
    def highest(self) -> Any:
        """Of the networks at ts the one with the highest cost."""
        return self.at(self.ts[self.costs.argmax()])

    @property
    def barrier(self) -> float:
        """The largest excess of C over the straight line between its end values."""
        return Path(self.ts, self.costs, self.floor).barrier


class Plane(NamedTuple):
    """The plane of a curve.

    Attributes:
        frame: origin a, directions of length 1 at right angles: the first towards b, the second to the bend's side.
        nodes: coordinates of a, the bend and b, `[3, 2]`.
        path: of the curve at its ts, `[points, 2]`.
    """

    frame: Frame
    nodes: np.ndarray
    path: np.ndarray


def bezier(key, C, a, b, optimizer=None, *, steps=2_000, batch=BATCH, points=25) -> Curve:
    """A quadratic Bezier curve from a to b, fitted from the middle of the straight line on.

    Args:
        key: a `jax.random.key`: of t and of the images of each step.
        C: a `cost.Cost`.
        a: a tuple of C's arguments.
        b: another like it.
        optimizer: an optax optimiser; None for `optax.adam(0.01)`.
        steps: downhill.
        batch: images a step, drawn anew each time; None for all, as are 128 where there are no more, or no images.
        points: at which C is taken over all images afterwards, the ends included.

    Returns:
        A `Curve`.

    Raises:
        ValueError: the networks are not alike or the same, or a number is out of its range.

    Reference:
        Garipov et al. 2018 (arXiv 1802.10026).

    Example:
        >>> from jaxcost import data, network
        >>> C, keys = cost.Cost(data.digits()[1]), jax.random.split(jax.random.key(0))
        >>> a, b = map(network.init, keys)
        >>> curve = bezier(jax.random.key(1), C, a, b, steps=200)
        >>> bool(curve.costs[12] < C(*curve.at(0.0))), bool(np.allclose(curve.costs[12], C(*curve.at(0.5)), rtol=1e-4))
        (True, True)
    """
    return _curve("bezier", 1, key, C, a, b, optimizer, steps, batch, points)


def chain(key, C, a, b, optimizer=None, *, bends=1, steps=2_000, batch=BATCH, points=25) -> Curve:
    """A chain of lines from a to b over `bends` bends, fitted likewise. Args, results and errors as of `bezier`.

    Example:
        >>> from jaxcost import data, network
        >>> C, keys = cost.Cost(data.digits()[1]), jax.random.split(jax.random.key(0))
        >>> curve = chain(jax.random.key(1), C, *map(network.init, keys), bends=2, steps=100, points=10)
        >>> bool(np.allclose(curve.costs[3], C(*curve.node(1)), rtol=1e-4))
        True
    """
    return _curve("chain", checks.whole("bends", bends, 1, checks.MOST), key, C, a, b, optimizer, steps, batch, points)


def evaluate(C, curve, ts, *, accuracy=False, **options) -> Path | tuple[Path, ...]:
    """C along a curve, such as on held-out images.

    Args:
        C: a `cost.Cost`, or a tuple of several of one model.
        curve: a `Curve`.
        ts: from 0 to 1, rising.
        accuracy: find the share of images that are right as well.
        **options: as of `slices.evaluate`.

    Returns:
        A `Path`, with its noise floor; of several costs a tuple of them.

    Raises:
        ValueError: it is no curve of C's parameters, or ts are not such numbers.
    """
    checks.flag("accuracy", accuracy)
    Cs, held, made = C if isinstance(C, tuple) else (C,), parts(curve, ts), []
    found = [slices.evaluate(Cs, *frame, points, **options) for frame, points in held]
    for one, of_parts in zip(Cs, zip(*found, strict=True), strict=True):
        right = np.array([float(cost.accuracy(one, curve.at(t))) for t in ts]) if accuracy else None
        highest = sorted(range(len(held)), key=lambda i, of=of_parts: -of[i].max())[:JUDGED]
        floor = max(floors.of_values(one, *held[i][0], held[i][1], of_parts[i]) for i in highest)
        made.append(Path(np.array(ts, np.float64), np.concatenate(of_parts), floor, right))
    return tuple(made) if isinstance(C, tuple) else made[0]


def plane(curve) -> Plane:
    """The plane through the ends and the bend of a curve, for `slices.plane` and to draw the curve on.

    Args:
        curve: a `Curve` of one bend.

    Returns:
        A `Plane`.

    Raises:
        ValueError: the curve has more bends than one, or its three networks lie on a line.

    Example:
        >>> from jaxcost import data, network
        >>> C, keys = cost.Cost(data.digits()[1]), jax.random.split(jax.random.key(0))
        >>> found = plane(bezier(jax.random.key(1), C, *map(network.init, keys), steps=100))
        >>> found.nodes.shape, found.path.shape, [round(float(x)) for x in found.nodes[2]]
        ((3, 2), (25, 2), [161, 0])
    """
    checks.having("curve", curve, "kind", "nodes", "ts")
    if (count := _count(curve)) != 3:
        raise ValueError(f"a curve of {count - 2} bends, expected one bend, so that it lies in a plane")
    a, bend, b = map(curve.node, range(3))
    frame = Frame(a, directions.through(a, b, bend))
    nodes, _ = trajectories.coordinates(curve.nodes, *frame)
    return Plane(frame, nodes, np.stack([_weights(curve.kind, 3, t) for t in curve.ts]) @ nodes)


def parts(curve, ts) -> list[tuple[Frame, np.ndarray]]:
    """Slices that hold a curve: one plane, or the lines of a chain.

    Args:
        curve: a `Curve`.
        ts: from 0 to 1, rising.

    Returns:
        For each slice its frame, and coordinates of the curve on it, `[points, k]`; all together as many as ts.

    Raises:
        ValueError: it is no curve, or ts are not such numbers.

    Example:
        >>> chain = Curve("chain", (jnp.array([[0.0], [1.0], [3.0]]),), np.ones(1), np.ones(1), 0.0, np.ones(1))
        >>> [points.tolist() for _, points in parts(chain, [0.25, 0.5, 1.0])]
        [[[0.5]], [[0.0], [1.0]]]
    """
    checks.having("curve", curve, "kind", "nodes")
    ts = np.asarray(checks.numbers("ts", ts, 1, finite=True), np.float64)
    if not len(ts) or not (np.diff(ts, prepend=0) >= 0).all() or ts[-1] > 1:
        raise ValueError(f"ts {checks.shown(ts)}, expected rising numbers from 0 to 1")
    nodes = [curve.node(i) for i in range(_count(curve))]
    if curve.kind == "bezier":
        a, bend, b = nodes
        return [(Frame(a, (between(a, bend), between(a, b))), np.stack([2 * ts * (1 - ts), ts**2], 1))]
    lines = len(nodes) - 1
    which = np.minimum((ts * lines).astype(int), lines - 1)
    of_line = lambda i: Frame(nodes[i], (between(nodes[i], nodes[i + 1]),))
    return [(of_line(i), (ts[which == i] * lines - i)[:, None]) for i in np.unique(which)]


def _count(curve):
    return len(jax.tree.leaves(trees.moving(curve.nodes))[0])


def _weights(kind, n, t):
    """Of each of n nodes at t: P(t) = sum_i weight_i node_i."""
    if kind == "bezier":
        return jnp.stack([(1 - t) ** 2, 2 * t * (1 - t), t**2])
    return jnp.maximum(0, 1 - jnp.abs(t * (n - 1) - jnp.arange(n)))


def _at(kind, nodes, t):
    """The network at t of nodes whose leaves are `[bends + 2, ...]`."""
    weights = _weights(kind, len(jax.tree.leaves(nodes)[0]), jnp.asarray(t))
    return jax.tree.map(lambda leaf: jnp.tensordot(weights.astype(leaf.dtype), leaf, 1), nodes)


def _curve(kind, bends, key, C, a, b, optimizer, steps, batch, points):
    moving_C, start, end, fixed = ends(C, a, b)
    key, steps = checks.key("key", key), checks.whole("steps", steps, 1, checks.MOST)
    points = checks.whole("points", points, 3, checks.MOST)
    batch = trained.batch_of(moving_C, batch, usual=BATCH)
    optimizer = optax.adam(0.01) if optimizer is None else trained.optimizer(optimizer)
    weights = np.linspace(0, 1, bends + 2)[1:-1]
    line = lambda x, y: jnp.stack([((1 - s) * x + s * y).astype(x.dtype) for s in weights])
    inner, losses = _fit(kind, optimizer, steps, batch, key, moving_C, start, end, jax.tree.map(line, start, end))
    nodes = trees.join(fixed, _nodes(start, inner, end))
    ts = np.linspace(0, 1, points)
    curve = Curve(kind, nodes, ts, np.zeros(points), 0.0, np.asarray(losses))
    path = evaluate(C, curve, ts, progress=False)
    return curve._replace(costs=path.costs, floor=path.floor)


def _nodes(start, inner, end):
    return jax.tree.map(lambda x, bends, y: jnp.concatenate([x[None], bends, y[None]]), start, inner, end)


@partial(jax.jit, static_argnames=("kind", "optimizer", "steps", "batch"))
@blocks.in_full
def _fit(kind, optimizer, steps, batch, key, C, start, end, inner):
    """Steps downhill with the bends; the cost at each."""

    def loss(inner, t, some):
        return some(*_at(kind, _nodes(start, inner, end), t))

    def step(state, key):
        inner, kept = state
        of_t, of_images = jax.random.split(key)
        some = trained.drawn(of_images, C, batch)
        value, slope = jax.value_and_grad(loss)(inner, jax.random.uniform(of_t), some)
        moves, kept = optimizer.update(slope, kept, inner)
        return (optax.apply_updates(inner, moves), kept), value

    (inner, _), losses = jax.lax.scan(step, (inner, optimizer.init(inner)), jax.random.split(key, steps))
    return inner, losses
