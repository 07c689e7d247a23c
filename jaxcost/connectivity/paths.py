"""From one network to another in a straight line: the barrier between them.

barrier = max_t [C(P(t)) - ((1 - t) C(a) + t C(b))],   P(t) = (1 - t) a + t b,   0 <= t <= 1
"""

from typing import NamedTuple

import numpy as np

from jaxcost import checks, slices
from jaxcost.directions import between


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
    ts = np.linspace(0, 1, checks.whole("points", points, 3))
    found = slices.line(C, a, between(a, b), ts, accuracy=accuracy, **options)
    made = [Path(ts, one.values, one.floor, one.accuracy) for one in (found if isinstance(C, tuple) else (found,))]
    return tuple(made) if isinstance(C, tuple) else made[0]
