"""A band finds the saddle of surfaces whose saddle is known, and a graph of minima has the passes of its tree."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, network
from jaxcost.connectivity import band
from jaxcost.data import Images

NOTHING = Images(jnp.zeros((4, 1)), jnp.zeros((4, 1)))
KEY = jax.random.key(0)


def valley(a, y):
    """Minima at (-1, 0) and (1, 0), and between them a valley over a pass at (0, 1) of height 1."""
    return (a[0] ** 2 - 1) ** 2 + 5 * (a[1] - 1 + a[0] ** 2) ** 2


ENDS = (jnp.array([-1.0, 0.0]),), (jnp.array([1.0, 0.0]),)


@pytest.mark.parametrize(("pivots", "cycles"), [(3, 3), (9, 1)])
def test_its_highest_network_lies_on_the_saddle_and_that_is_certified(pivots, cycles):
    C = cost.Cost(NOTHING, lambda x, p: p, valley)
    found = band.nudged(KEY, C, *ENDS, optax.adam(0.01), pivots=pivots, cycles=cycles, steps=600)
    np.testing.assert_allclose(found.highest[0], [0, 1], atol=0.05)
    assert found.barrier == pytest.approx(1, abs=0.03)
    straight = [(1 - t) * ENDS[0][0] + t * ENDS[1][0] for t in np.linspace(0, 1, 9)]
    assert max(valley(p, None) for p in straight) > 5
    told = band.certify(KEY, C, (jnp.array([0.0, 1.0, 0.0]),))
    np.testing.assert_allclose(told.values, [-4, 0], atol=1e-4)
    assert told.slope == pytest.approx(0, abs=1e-5)
    assert found.ts[0] == 0
    assert found.ts[-1] == 1
    assert (np.diff(found.ts) > 0).all()
    nodes = np.asarray(found.nodes[0])
    np.testing.assert_allclose(found.costs[:: band.BETWEEN], [valley(node, None) for node in nodes], atol=1e-5)
    assert found.losses[-50:].mean() < found.losses[:50].mean()
    lengths = np.linalg.norm(np.diff(nodes, axis=0), axis=1)
    np.testing.assert_allclose(lengths, lengths.mean(), rtol=0.05)


def test_pivots_are_inserted_where_c_rises_between_two():
    C = cost.Cost(NOTHING, lambda x, p: p, valley)
    found = band.nudged(KEY, C, *ENDS, optax.adam(0.01), pivots=2, cycles=3, steps=300)
    assert 4 < len(found.nodes[0]) <= 32
    few = band.nudged(KEY, C, *ENDS, optax.adam(0.01), pivots=2, cycles=3, steps=300, most=3)
    assert len(few.nodes[0]) == 5


def test_of_networks_it_is_lower_than_the_line_and_its_ends_stay():
    rng = np.random.default_rng(0)
    images = Images(jnp.asarray(rng.uniform(size=(40, 8)), jnp.float32), jax.nn.one_hot(jnp.arange(40) % 3, 3))
    C = cost.Cost(images)
    a, b = (network.init(jax.random.key(i), (8, 4, 3)) for i in (0, 1))
    found = band.nudged(KEY, C, a, b, steps=200, cycles=1, batch=20)
    for one, end in ((found.node(0), a), (found.node(-1), b)):
        jax.tree.map(np.testing.assert_array_equal, one, end)
    line = [float(C(*jax.tree.map(lambda x, y, t=t: (1 - t) * x + t * y, a, b))) for t in np.linspace(0, 1, 9)]
    assert found.costs.mean() < np.mean(line)
    with pytest.raises(ValueError, match="a and b are the same network"):
        band.nudged(KEY, C, a, a)
