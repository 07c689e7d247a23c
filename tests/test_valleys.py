"""What the scripts about valleys compute of their own, by numpy."""

import importlib
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxcost import cost, data, losses, network
from jaxcost.connectivity import graph

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
sys.path[:0] = [str(EXPERIMENTS)] * (str(EXPERIMENTS) not in sys.path)
by_width, of_graph, valley = map(importlib.import_module, ("barrier_by_width", "minima_graph", "valley_between_minima"))
SIZES = (784, 3, 10)


def softmax_cost(images, w, b, scale):
    """Cross-entropy in float64, the last layer times a scale."""
    a = np.maximum(np.float64(images.x) @ np.float64(w[0]).T + np.float64(b[0]), 0)
    z = scale * (a @ np.float64(w[1]).T + np.float64(b[1]))
    return (np.log(np.exp(z).sum(1)) - (z * np.float64(images.y)).sum(1)).mean()


def test_a_temperature_is_the_best_of_the_last_layers_scales():
    some = data.digits()[0][:50]
    C = cost.Cost(some, network.mlp(jax.nn.relu), losses.softmax_cross_entropy)
    a, b = (network.init(jax.random.key(i), SIZES, scale=lambda n: n**-0.5) for i in (0, 1))
    found = by_width.scaled(C, a, b, 3)
    for i, t in enumerate((0, 0.5, 1)):
        w, b_ = jax.tree.map(lambda x, y, t=t: (1 - t) * x + t * y, a, b)
        assert found[i] == pytest.approx(min(softmax_cost(some, w, b_, scale) for scale in by_width.SCALES), rel=1e-5)


def lines_of(*barriers):
    """A result whose medians of barriers are these, at widths 16, 32, ...; ends are 0."""
    draws = np.array([0.9, 1, 1.1])
    of = lambda height: np.stack([0 * draws, height * draws, 0 * draws], 1)
    lines = lambda height: dict.fromkeys(by_width.WAYS, by_width.Lines(of(height), of(height), 1 - of(height) / 100))
    widths = [by_width.Width(16 * 2**i, 0, lines(height), 1e-9) for i, height in enumerate(barriers)]
    return by_width.Result(np.array([0, 0.5, 1]), widths)


def test_slopes_and_humps_are_those_of_the_medians():
    falling = lines_of(*(16 * 2.0 ** np.arange(4)) ** -0.5)
    found = by_width.slope(falling, by_width.WEIGHTS)
    assert found.value == pytest.approx(-0.5)
    assert found.low < -0.5 < found.high
    assert by_width.hump(falling, by_width.WEIGHTS)[2] == pytest.approx(0.5**0.5)  # never up
    low, high, rise, _ = by_width.hump(lines_of(3, 1, 2, 0.5), by_width.WEIGHTS)
    assert (low, high, rise) == (32, 64, pytest.approx(2))
    np.testing.assert_allclose(by_width.barriers(falling, by_width.STRAIGHT, "right")[0], [0.225, 0.25, 0.275])


def test_inside_a_triangle_the_excess_is_over_the_plane_of_its_corners():
    shares = np.array([(i, j, 4 - i - j) for i in range(5) for j in range(5 - i)]) / 4
    plane = shares @ [1.0, 2.0, 3.0]
    bump, side = shares.prod(1), shares[:, 0] * shares[:, 1]
    inside = np.stack([plane, plane + bump, plane + side])
    result = of_graph.Result({}, {}, np.zeros((3, 3), int), shares, inside, 0.0)
    above, on_sides = of_graph.excesses(result)
    np.testing.assert_allclose(above, [0, bump.max(), side.max()], atol=1e-12)
    np.testing.assert_allclose(on_sides, [0, 0, 0.25], atol=1e-12)


def test_a_median_over_pairs_has_an_interval_over_networks():
    rng = np.random.default_rng(0)
    own = rng.normal(size=12)  # what a network does to all of its pairs
    pairs = own[:, None] + own
    found = of_graph.over_networks(pairs)
    assert found.value == np.median(pairs[np.triu_indices(12, 1)])
    naive = 2 * np.std(pairs[np.triu_indices(12, 1)]) / np.sqrt(66)
    assert found.high - found.low > 3 * naive


def test_a_tree_is_drawn_as_it_hangs():
    edges = graph.spanning_tree([[0, 1, 9, 9], [1, 0, 2, 3], [9, 2, 0, 9], [9, 3, 9, 0]])
    at = of_graph.placed(edges, 1)
    assert {i: place[1] for i, place in at.items()} == {1: 0, 0: -1, 2: -1, 3: -1}
    assert len({tuple(place) for place in at.values()}) == 4


def test_the_worse_end_is_that_with_the_higher_cost():
    profile = valley.Profile(np.array([1.0, 4.0, 2.0]), np.zeros(3), np.ones(3), 0.0)
    assert valley.worse(profile) == 2
    assert valley.barrier(profile) == 2.5
