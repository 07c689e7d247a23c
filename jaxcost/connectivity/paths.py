"""From one network to another in a straight line: the barrier between them.

barrier = max_t [C(P(t)) - ((1 - t) C(a) + t C(b))],   P(t) = (1 - t) a + t b,   0 <= t <= 1
"""

from typing import Any, NamedTuple

import jax
import numpy as np

from jaxcost import checks, cost, slices
from jaxcost.directions import between
from jaxcost.engine import trees


class Path(NamedTuple):
    """C along a path between two networks.

    Attributes:
        ts: from 0, the first network, to 1, the second, `[points]`.
        costs: C there, `[points]`.
        floor: rounding noise of the costs; a barrier below twice of it is none.
        accuracy: None, or the share of images that are right, `[points]`.
    """

    ts: np.ndarray
    costs: np.ndarray
    floor: float
    accuracy: np.ndarray | None = None

    @property
    def excess(self) -> np.ndarray:
        """C less the straight line between its end values, `[points]`."""
        first, last = self.costs[0], self.costs[-1]
        return self.costs - ((1 - self.ts) * first + self.ts * last)

    @property
    def barrier(self) -> float:
        """The largest excess; 0 where C is nowhere above the straight line between its end values."""
        return float(self.excess.max())


def linear(C, a, b, points=25, *, accuracy=False, **options) -> Path | tuple[Path, ...]:
    """C along the straight line from a to b.

    Args:
        C: a `cost.Cost`; or a tuple of several of one model, such as those of training and of held-out images.
        a: a tuple of C's arguments.
        b: another like it.
        points: on the line, its ends included.
        accuracy: keep the share of images that are right as well.
        **options: as of `slices.grid`.

    Returns:
        A `Path`; of several costs a tuple of them, from one pass.

    Raises:
        ValueError: the networks are not alike or the same, or there are fewer than three points.

    Reference:
        Frankle et al. 2020 (arXiv 1912.05671), whose error barrier is this with the mean of the two ends in place of
        the line between them; the line is that of Entezari et al. 2022 (arXiv 2110.06296).

    Example:
        >>> import jax
        >>> from jaxcost import cost, data, network
        >>> C, keys = cost.Cost(data.digits()[1]), jax.random.split(jax.random.key(0))
        >>> path = linear(C, *map(network.init, keys), progress=False)
        >>> path.costs.shape, path.barrier >= 0
        ((25,), True)
    """
    ts = np.linspace(0, 1, checks.whole("points", points, 3, checks.MOST))
    found = slices.line(C, a, between(a, b), ts, accuracy=accuracy, **options)
    made = [Path(ts, one.values, one.floor, one.accuracy) for one in (found if isinstance(C, tuple) else (found,))]
    return tuple(made) if isinstance(C, tuple) else made[0]


def ends(C, a, b) -> tuple:
    """What a path between two networks starts from.

    Args:
        C: a `cost.Cost`.
        a: a tuple of C's arguments.
        b: another like it.

    Returns:
        `(C, a, b, fixed)`: C of the floating leaves alone, those of both networks, and what does not move, or None.

    Raises:
        ValueError: the two are not alike, the same, or not finite.

    Example:
        >>> from jaxcost import data, network
        >>> C, keys = cost.Cost(data.digits()[1]), jax.random.split(jax.random.key(0))
        >>> ends(C, *map(network.init, keys))[3] is None
        True
    """
    C, start = cost.split(C, a)
    end, fixed = trees.fitted(b, a, "b", "a"), trees.split(a)[1]
    leaves = [list(map(np.asarray, jax.tree.leaves(one))) for one in (start, end)]
    if not all(np.isfinite(leaf).all() for one in leaves for leaf in one):
        raise ValueError("a or b is not finite, expected two networks that are")
    if all(map(np.array_equal, *leaves)):
        raise ValueError("a and b are the same network, expected two")
    return C, start, end, fixed


def node(nodes, i) -> Any:
    """Network i of several whose leaves have a first axis, such as `curves.Curve.nodes`; -1 is the last.

    Raises:
        ValueError: there is no such network.

    Example:
        >>> node((np.arange(6.0).reshape(3, 2),), -1)[0].tolist()
        [4.0, 5.0]
    """
    moving, fixed = trees.some(nodes, "nodes")
    n = len(jax.tree.leaves(moving)[0])
    return trees.join(fixed, trees.pick(moving, checks.whole("i", i, -n, n - 1)))
