"""The promise of the noise floor: rounding makes minima on smooth slices, and none of them is counted."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, data, descent, network, populations, slices
from jaxcost.data import Images
from jaxcost.directions import Frame
from jaxcost.engine import noise
from jaxcost.measures import minima

HALF_WIDTHS = [1e-4, 1e-3, 1e-2]


@pytest.fixture(scope="module")
def C():
    return cost.Cost(data.digits()[0][:100])


@pytest.fixture(scope="module", params=["random", pytest.param("trained", marks=pytest.mark.slow)])
def params(request, C):
    start = network.init(jax.random.key(0))
    if request.param == "random":
        return start
    run = descent.descend(jax.random.key(1), C, start, optax.sgd(3.0), steps=500, batch=10, every=500)
    assert run.costs[-1] < 0.5 * run.costs[0]
    return run.params


def exact(C, origin, directions, points):
    """C at points `[m, k]` of a slice, in numpy, in float64."""
    as64 = lambda leaf: np.asarray(leaf, np.float64)
    x, y = as64(C.images.x), as64(C.images.y)
    (w, b), (w0, b0) = jax.tree.map(as64, (tuple(origin), (origin.w[0], origin.b[0])))
    moves = [jax.tree.map(as64, tuple(direction)) for direction in directions]
    first = x @ w0.T + b0, np.stack([x @ dw[0].T + db[0] for dw, db in moves])
    s, sigmoid = np.float64(points), lambda z: 1 / (1 + np.exp(-z))
    moved = lambda leaf, along: leaf + np.tensordot(s, np.stack(along), 1)  # of all points at once
    a = sigmoid(moved(*first))
    for i in range(1, len(w)):
        w_i, b_i = moved(w[i], [dw[i] for dw, _ in moves]), moved(b[i], [db[i] for _, db in moves])
        a = sigmoid(a @ w_i.swapaxes(1, 2) + b_i[:, None])
    return ((a - y) ** 2).sum(-1).mean(-1)


def in_float64(C, frame, axes):
    """The values of a grid in float64, at the coordinates as they are in float32."""
    points = np.stack(np.meshgrid(*np.float32(axes), indexing="ij"), -1)
    return exact(C, *frame.moving(), points.reshape(-1, len(axes))).reshape(points.shape[:-1])


def count(values, floor=0.0):
    return minima.local_minima(values, floor).count


def test_of_the_false_minima_of_500_smooth_lines_none_is_above_the_floor(C, params):
    """If the floor is twice the error, what is deeper is a minimum in float64 too: Cohen-Steiner et al. 2007."""
    frames = populations.about(jax.random.split(jax.random.key(2), 250), params)  # of each of two networks
    false = []
    for lines in populations.zoom(C, frames, HALF_WIDTHS):
        raw, counted = ([count(values, floor) for values in lines.values] for floor in (0, lines.floor))
        true, errors = np.zeros(250, int), []
        for i in np.union1d(np.flatnonzero(raw), np.arange(0, 250, 25)):
            exactly = in_float64(C, frames[i], lines.axes)
            true[i] = count(exactly)
            errors.append(np.abs(lines.values[i] - exactly).max())
        assert true.max() <= 1  # smooth they are
        assert (counted <= true).all()
        assert 2 * max(errors) < lines.floor < 20 * max(errors)
        false.append(np.maximum(np.subtract(raw, true), 0).sum())
    assert false[0] > 150
    assert false[0] > false[1] > false[2]


@pytest.mark.parametrize(("k", "points", "half_widths"), [(1, 101, [1e-5, 1e-4]), (2, 21, [1e-6, 1e-5])])
def test_with_its_own_floor_no_line_and_no_plane_has_a_minimum_that_float64_has_not(C, params, k, points, half_widths):
    false, draws = 0, 15
    for frame in populations.about(jax.random.split(jax.random.key(3), draws), params, k):
        for half_width in half_widths:
            found = slices.grid(C, *frame, (np.linspace(-half_width, half_width, points),) * k)
            true = count(in_float64(C, frame, found.axes))
            assert count(found.values, found.floor) <= true <= 1
            false += max(0, count(found.values) - true)
    assert false > draws / 2


# which points are compared


def wave():
    """C(p) = 3 + sin(9 p), exact enough to be known, along a line of 40 points."""
    images = Images(jnp.ones((2, 1)), jnp.zeros((2, 1)))
    points = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    C = cost.Cost(images, lambda x, p: 3 + jnp.sin(9 * p), lambda a, y: a)
    return C, (Frame((jnp.zeros(()),), ((jnp.ones(()),),)), points), 3 + np.sin(9 * points[:, 0])


def compared(**options):
    """The places at which an error is seen, found by making one at each."""
    C, at, values = wave()
    assert noise.floor(C, *at, values, **options) < 1e-4
    seen = []
    for i in range(len(values)):
        wrong = values.copy()
        wrong[i] -= 1e-3  # downward: no value becomes one of the largest
        if noise.floor(C, *at, wrong, **options) > 1e-3:
            seen.append(i)
            assert noise.floor(C, *at, wrong, **options) == pytest.approx(4e-3, rel=1e-2)
    return seen, np.argsort(values)[::-1].tolist()


@pytest.mark.parametrize("largest", [1, 3, 8])
def test_the_largest_costs_are_compared_as_many_as_asked(largest):
    seen, falling = compared(count=1, largest=largest)
    assert len(seen) <= 1 + largest
    assert set(falling[:largest]) <= set(seen)


def test_as_many_are_spread_over_the_points_as_asked_and_eight_are_the_largest_by_default():
    seen, falling = compared()
    rest = np.array(sorted(set(seen) - set(falling[:8])))
    assert set(falling[:8]) <= set(seen)
    assert 16 - 8 <= len(rest) <= 16
    gaps = np.diff([-1, *sorted(seen), 40])
    assert gaps.max() <= 2 * 40 / 16  # evenly: no gap of twice the mean


def test_slices_judged_together_are_compared_at_other_points_each():
    """Four points of each of four slices are the sixteen of one, so that together they are spread as evenly."""
    parts = [set(compared(count=4, largest=1, first=4 * i)[0]) for i in range(4)]
    (whole, falling), (first, *_) = compared(count=16, largest=1), parts
    assert set.union(*parts) == set(whole)
    assert sum(map(len, parts)) >= len(whole)
    assert all(len(part & first - {falling[0]}) <= 1 for part in parts[1:])


def test_points_that_are_not_finite_are_not_compared_and_fewer_than_asked_do():
    C, at, values = wave()
    some = values.copy()
    some[3:] = np.inf
    assert noise.floor(C, *at, some) < 1e-4
    assert math.isnan(noise.floor(C, *at, np.full_like(values, np.nan), largest=2))
