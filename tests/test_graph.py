"""Graphs of minima: barriers are those of numpy, trees have the lowest passes, basins merge where they do."""

import itertools

import jax
import numpy as np
import pytest

from jaxcost import cost, data, network
from jaxcost.connectivity import graph, symmetry

SIZES = (784, 3, 10)
TRAIN, _ = data.digits()
C = cost.Cost(TRAIN[:40])
NETWORKS = [network.init(jax.random.key(i), SIZES, scale=lambda n: n**-0.5) for i in range(4)]
RNG = np.random.default_rng(0)


def costs_of(params):
    """C in numpy, float64."""
    a = np.float64(C.images.x)
    for w, b in zip(*params, strict=True):
        a = 1 / (1 + np.exp(-(a @ np.float64(w).T + np.float64(b))))
    return ((a - np.float64(C.images.y)) ** 2).sum(1).mean()


@pytest.mark.parametrize("match", [None, symmetry.weight_matching])
def test_barriers_and_passes_of_all_pairs_are_those_of_numpy(match):
    found = graph.straight(C, NETWORKS, 7, match=match, progress=False)
    for i, j in itertools.combinations(range(4), 2):
        a, b = NETWORKS[i], NETWORKS[j] if match is None else match(NETWORKS[i], NETWORKS[j])
        along = [costs_of(jax.tree.map(lambda x, y, t=t: (1 - t) * x + t * y, a, b)) for t in found.ts]
        straight = along[0] + found.ts * (along[-1] - along[0])
        assert found.barriers[i, j] == found.barriers[j, i] == pytest.approx((along - straight).max(), abs=1e-5)
        assert found.passes[i, j] == found.passes[j, i] == pytest.approx(max(along), abs=1e-5)
    np.testing.assert_allclose(np.diag(found.passes), [costs_of(one) for one in NETWORKS], rtol=1e-5)
    np.testing.assert_array_equal(np.diag(found.barriers), 0)
    assert found.star == np.argmin([row.max() for row in found.barriers])
    assert 0 < found.floor < 1e-5


def weights(n):
    return (lambda m: np.triu(m, 1) + np.triu(m, 1).T)(RNG.uniform(size=(n, n)))


def minimax(passes):
    """The lowest pass over any way between each two, by going over one more network after another."""
    best = passes.copy()
    for k in range(len(best)):
        best = np.minimum(best, np.maximum(best[:, k : k + 1], best[k : k + 1]))
    return best


@pytest.mark.parametrize("n", [2, 3, 9])
def test_the_tree_joins_all_by_the_lowest_passes(n):
    given = weights(n)
    edges = graph.spanning_tree(given)
    assert edges.shape == (n - 1, 2)
    in_tree = np.full((n, n), np.inf)
    in_tree[edges[:, 0], edges[:, 1]] = in_tree[edges[:, 1], edges[:, 0]] = given[edges[:, 0], edges[:, 1]]
    off = ~np.eye(n, dtype=bool)
    np.testing.assert_array_equal(minimax(in_tree)[off], minimax(np.where(off, given, 0))[off])
    assert (np.diff(given[edges[:, 0], edges[:, 1]]) >= 0).all()
    if n == 3:  # of three edges the two lightest
        assert given[edges[:, 0], edges[:, 1]].sum() == given[np.triu_indices(3, 1)].sum() - given.max()


def test_a_tree_of_equal_and_of_no_weights_joins_all_too():
    for given in (np.zeros((4, 4)), np.ones((4, 4)) - np.eye(4)):
        assert len(graph.spanning_tree(given)) == 3


@pytest.mark.parametrize("n", [2, 8])
def test_basins_are_one_from_their_lowest_pass_on(n):
    passes = weights(n)
    merges, best = graph.merges(passes), minimax(passes)
    for level in np.append(merges[:, 2], 0.5):
        joined = [{i} for i in range(n)]
        for i, j, at, count in merges:
            joined.append(joined[int(i)] | joined[int(j)])
            assert len(joined[-1]) == count
            assert at == pytest.approx(min(best[a, b] for a in joined[int(i)] for b in joined[int(j)]))
        one = [basin for basin, at in zip(joined, [0] * n + list(merges[:, 2]), strict=True) if at <= level]
        for i, j in itertools.combinations(range(n), 2):
            assert (best[i, j] <= level) == any({i, j} <= basin for basin in one)


def test_what_is_no_graph_is_said():
    with pytest.raises(ValueError, match="1 networks, expected two or more"):
        graph.straight(C, NETWORKS[:1])
    with pytest.raises(ValueError, match="expected a symmetric matrix"):
        graph.merges([[0, 1], [2, 0]])
    with pytest.raises(ValueError, match="expected a symmetric matrix"):
        graph.spanning_tree([[0.0]])
