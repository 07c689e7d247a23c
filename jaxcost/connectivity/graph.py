"""Many minima and the passes between them: barriers of all pairs, the tree of the lowest, which merge at what cost.

Each pair is joined by a straight line, so that a pass is the highest C on it; over others there may be lower ones.
"""

import itertools
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.sparse.csgraph import minimum_spanning_tree
from scipy.spatial.distance import squareform

from jaxcost import checks, populations
from jaxcost.directions import Frame, between


class Graph(NamedTuple):
    """C along the straight lines between all pairs of n networks.

    Attributes:
        ts: from the first of a pair to the second, 0 to 1, `[points]`.
        costs: C of each network, `[n]`.
        pairs: numbers of the two networks, the lower one first, `[n (n - 1) / 2, 2]`.
        along: C along each line, `[n (n - 1) / 2, points]`.
        floor: rounding noise of these.
    """

    ts: np.ndarray
    costs: np.ndarray
    pairs: np.ndarray
    along: np.ndarray
    floor: float

    @property
    def barriers(self) -> np.ndarray:
        """The largest excess of C over the straight line between the end values, `[n, n]`, 0 on the diagonal."""
        straight = self.along[:, :1] * (1 - self.ts) + self.along[:, -1:] * self.ts
        return squareform((self.along - straight).max(1))

    @property
    def passes(self) -> np.ndarray:
        """The highest C on the way, `[n, n]`; on the diagonal that of the network."""
        return squareform(self.along.max(1)) + np.diag(self.costs)

    @property
    def star(self) -> int:
        """The network whose highest barrier to another one is the lowest."""
        return int(self.barriers.max(1).argmin())


def straight(C, networks, points=25, *, match=None, **options) -> Graph:
    """C along the straight lines between all pairs of networks.

    Args:
        C: a `cost.Cost`.
        networks: two or more tuples of C's arguments.
        points: on each line, its ends included.
        match: None, or a function of the two networks of a pair that gives the second one so that it fits the first,
            such as `symmetry.weight_matching`.
        **options: as of `populations.grid`.

    Returns:
        A `Graph`.

    Raises:
        ValueError: there are fewer than two networks, or two are not alike, or the same.

    Example:
        >>> import jax
        >>> from jaxcost import cost, data, network
        >>> C, networks = cost.Cost(data.digits()[1]), [network.init(jax.random.key(i)) for i in range(3)]
        >>> straight(C, networks, 5, progress=False).barriers.shape
        (3, 3)
    """
    networks = list(checks.listed("networks", networks))
    if len(networks) < 2:
        raise ValueError(f"{len(networks)} networks, expected two or more")
    ts = np.linspace(0, 1, checks.whole("points", points, 3, checks.MOST))
    pairs = np.array(list(itertools.combinations(range(len(networks)), 2)))
    fitted = (lambda a, b: b) if match is None else checks.function("match", match)
    frames = [Frame(networks[i], (between(networks[i], fitted(networks[i], networks[j])),)) for i, j in pairs]
    found = populations.grid(C, frames, (ts,), **options)
    costs = np.empty(len(networks), found.values.dtype)
    costs[pairs[:, 0]], costs[pairs[:, 1]] = found.values[:, 0], found.values[:, -1]
    return Graph(ts, costs, pairs, found.values, found.floor)


def spanning_tree(weights) -> np.ndarray:
    """The tree that joins all networks by the lowest passes: of all trees the one with the least sum of weights.

    Between any two networks the largest weight on its way is the least on any way over others.

    Args:
        weights: of each pair, such as `Graph.passes`, `[n, n]`, symmetric; the diagonal does not count.

    Returns:
        The edges, the lightest first, `[n - 1, 2]`.

    Example:
        >>> spanning_tree([[0, 1, 5], [1, 0, 2], [5, 2, 0]]).tolist()
        [[0, 1], [1, 2]]
    """
    weights = _symmetric(weights)
    ranks = np.argsort(np.argsort(weights, axis=None)).reshape(weights.shape) + 1.0  # scipy takes 0 for no edge
    tree = minimum_spanning_tree(np.triu(np.maximum(ranks, ranks.T), 1)).tocoo()
    edges = np.sort(np.stack([tree.row, tree.col], 1), 1)
    return edges[np.argsort(weights[edges[:, 0], edges[:, 1]], kind="stable")]


def merges(passes) -> np.ndarray:
    """At which cost the basins of networks become one: a disconnectivity diagram, as `scipy.cluster.hierarchy` has it.

    Args:
        passes: the highest C on the way between each two, such as `Graph.passes`, `[n, n]`, symmetric.

    Returns:
        `[n - 1, 4]`: the two that merge, n + k being what merge k made, at which cost, and how many these are then.

    Reference:
        Becker & Karplus 1997, *Journal of Chemical Physics* 106.

    Example:
        >>> merges([[0, 1, 5], [1, 0, 2], [5, 2, 0]]).tolist()
        [[0.0, 1.0, 1.0, 2.0], [2.0, 3.0, 2.0, 3.0]]
    """
    return linkage(squareform(_symmetric(passes), checks=False), "single")


def _symmetric(weights):
    weights = np.array(checks.numbers("weights", weights, 2, finite=True), np.float64)
    if weights.shape[0] != weights.shape[1] or len(weights) < 2 or not np.allclose(weights, weights.T):
        raise ValueError(f"weights {checks.shown(weights)}, expected a symmetric matrix of two or more networks")
    np.fill_diagonal(weights, 0)
    return weights
