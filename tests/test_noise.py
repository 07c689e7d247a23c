"""The promise of the noise floor: rounding makes minima on smooth slices, and none of them is counted."""

import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, data, descent, network, populations, slices
from jaxcost.data import Images
from jaxcost.directions import Frame
from jaxcost.engine import batching, noise, program
from jaxcost.engine import exact as wide
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


def test_of_the_false_minima_of_300_smooth_lines_none_is_above_the_floor(C, params):
    """If the floor is twice the error, what is deeper is a minimum in float64 too: Cohen-Steiner et al. 2007."""
    frames = populations.about(jax.random.split(jax.random.key(2), 150), params)  # of each of two networks
    made = functools.cache(lambda i: Frame(*frames[i].moving()))  # its direction is drawn once, for all half-widths
    false = []
    for lines in populations.zoom(C, frames, HALF_WIDTHS):
        raw, counted = ([count(values, floor) for values in lines.values] for floor in (0, lines.floor))
        true, errors = np.zeros(150, int), []
        for i in np.union1d(np.flatnonzero(raw), np.arange(0, 150, 15)):
            exactly = in_float64(C, made(i), lines.axes)
            true[i] = count(exactly)
            errors.append(np.abs(lines.values[i] - exactly).max())
        assert true.max() <= 1  # smooth they are
        assert (counted <= true).all()
        assert 2 * max(errors) < lines.floor < 20 * max(errors)
        false.append(np.maximum(np.subtract(raw, true), 0).sum())
    assert false[0] > 100
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


# models that round by themselves


SIZES = (8, 6, 3)


def layers(x, w, b, cast=lambda a: a):
    """A network of tanh whose every weighted input takes operands as `cast` leaves them."""
    for w_layer, b_layer in zip(w, b, strict=True):
        x = jnp.tanh((cast(w_layer) @ cast(x)).astype(w_layer.dtype) + b_layer)
    return x


CASTS = {
    "float16": lambda a: a.astype(jnp.float16),
    "bfloat16": lambda a: a.astype(jnp.bfloat16),
    "10 bits": lambda a: jax.lax.reduce_precision(a, 8, 10),
}


ROUNDED = {name: lambda x, w, b, cast=cast: layers(x, w, b, cast) for name, cast in CASTS.items()}


def problem(f=layers, dtype=np.float32, n=20):
    keys = jax.random.split(jax.random.key(7), 4)
    images = Images(jax.random.normal(keys[0], (n, SIZES[0])), jax.nn.one_hot(jnp.arange(n) % SIZES[-1], SIZES[-1]))
    origin, u = (tuple(jax.tree.map(lambda a: a.astype(dtype), network.init(key, SIZES))) for key in keys[1:3])
    return cost.Cost(images, f), Frame(origin, (u,))


def smooth_values(frame, points):
    """C without any rounding of its own, in numpy, in float64."""
    C, _ = problem()
    leaf = lambda p, d: np.float64(p) + np.multiply.outer(np.float64(points[:, 0]), np.float64(d))
    w, b = jax.tree.map(leaf, frame.origin, frame.directions[0])
    x = np.float64(C.images.x)
    for w_layer, b_layer in zip(w, b, strict=True):
        x = np.tanh(x @ w_layer.swapaxes(1, 2) + b_layer[:, None])
    return ((x - np.float64(C.images.y)) ** 2).sum(-1).mean(-1)


OTHERS = [pytest.param(narrow, marks=pytest.mark.slow) for narrow in ("float16", "10 bits")]


@pytest.mark.parametrize("narrow", ["bfloat16", "bfloat16 parameters", *OTHERS])
def test_of_a_model_that_rounds_by_itself_the_floor_is_that_of_its_stairs_and_it_is_said(narrow):
    """Stairs make minima on a smooth line; none is deeper than the floor."""
    if narrow in CASTS:
        C, frame = problem(ROUNDED[narrow])
        said = narrow.split()[0]
    else:
        C, frame = problem(dtype=jnp.bfloat16)
        said = r"convert_element_type makes bfloat16 of float32 \(the parameters' own type\)"
    points = np.linspace(-0.01, 0.01, 101, dtype=np.float32)[:, None]
    values = slices.evaluate(C, *frame, points)
    with pytest.warns(UserWarning, match=f"rounds what moves along a slice, .*{said}"):
        floor = noise.floor(C, frame.moving(), points, values)
    exactly = smooth_values(frame, points)
    assert count(values) > 5 > 1 >= count(exactly)
    assert count(values, floor) <= count(exactly)
    # casting the images is no rounding of what moves, and so no part of it: of the rest it is a fair estimate
    assert 1e-5 < floor < 40 * np.abs(values - exactly).max()


def test_each_place_is_named_and_once_however_many_slices_are_judged():
    C, frame = problem(ROUNDED["bfloat16"])
    points = np.linspace(-0.01, 0.01, 101, dtype=np.float32)[:, None]
    values = slices.evaluate(C, *frame, points)
    found = [noise.compare(C, frame.moving(), points, values, first=3 * i) for i in range(2)]
    with pytest.warns(UserWarning, match=r"makes bfloat16 of float32 \(test_noise.py:\d") as said:
        assert noise.judge(found) == max(one.floor for one in found)
    assert len(said) == 1


def dropping(x, w, b):
    """With a key of its own: the same mask and noise at every point."""
    key = jax.random.key(3)
    x = jnp.where(jax.random.bernoulli(key, 0.5, x.shape), 2 * x, 0) + 0.1 * jax.random.normal(key, x.shape)
    return layers(x, w, b)


def insisting(x, w, b):
    """Takes no numbers but float32: the carry of a loop is."""
    return jax.lax.fori_loop(0, 3, lambda i, h: jnp.tanh(h * i), jnp.ones(3, jnp.float32)) + layers(x, w, b)


@pytest.mark.parametrize("f", [dropping, pytest.param(insisting, marks=pytest.mark.slow)])
def test_models_that_draw_and_models_of_one_type_have_a_small_floor(f):
    C, frame = problem(f)
    points = np.linspace(-1, 1, 30, dtype=np.float32)[:, None]
    values = slices.evaluate(C, *frame, points)
    assert 0 < noise.floor(C, frame.moving(), points, values) < 2e-6


# noise on a short stretch


@pytest.mark.parametrize("k", [1, 2])
def test_noise_on_any_short_stretch_of_a_smooth_slice_is_seen(k, monkeypatch):
    """A hundred times the rounding on eight points of hundreds, anywhere; and no noise where there is none."""
    C, frame = problem()
    frame = frame._replace(directions=(*frame.directions, problem(n=3)[1].origin)[:k])
    axes = (np.linspace(-0.1, 0.1, {1: 401, 2: 31}[k]),) * k
    points = np.float32(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, k))
    values, floor = slices.evaluate(C, *frame, points), lambda v: noise.floor(C, frame.moving(), points, v)
    sound = floor(values)
    rng, missed, missed_before = np.random.default_rng(0), 0, 0
    for _ in range(8):
        start, step = rng.integers(0, len(values) - 8 * 31), rng.choice([1, 31])
        at = start + step * np.arange(8)
        noisy = values.copy()
        noisy[at] += 100 * sound / 8 * rng.normal(size=8).astype(np.float32)
        off = np.abs(noisy - values).max()
        missed += not floor(noisy) > 2 * off  # the difference of two of them
        with monkeypatch.context() as without:
            without.setattr(noise, "_uneven", lambda *_: [])
            missed_before += not floor(noisy) > 2 * off
    assert missed == 0
    assert missed_before > 4
    with monkeypatch.context() as without:
        without.setattr(noise, "_uneven", lambda *_: [])
        assert sound < 3 * floor(values)


@pytest.mark.parametrize("order", ["as they lie", "shuffled", "unevenly", "twice", "the first of more"])
def test_neighbours_are_those_on_the_slice_however_the_points_are_given(order):
    rng, axis = np.random.default_rng(1), np.linspace(-1, 1, 15)
    points, shape = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2), None
    if order == "shuffled":
        points = rng.permutation(points)
    if order == "unevenly":
        points = np.sort(rng.uniform(-1, 1, (60, 1)), 0)
    if order == "twice":
        points = rng.permutation(np.repeat(np.linspace(-1, 1, 40), 2)[:, None])
    if order == "the first of more":
        points, shape = np.concatenate([points, rng.uniform(-1, 1, (9, 2))]), (15, 15)
    values, each = np.exp(points.sum(1)), np.unique(points, axis=0, return_index=True)[1]
    for i in rng.choice(each[np.abs(points[each]).max(1) < 0.5], 9):
        off = values + 0.01 * (np.arange(len(points)) == i)
        assert i in noise._uneven(np.float32(points), off, shape, 3)


def test_where_there_are_no_neighbours_none_are_found():
    rng = np.random.default_rng(2)
    assert len(noise._uneven(rng.normal(size=(50, 2)), rng.normal(size=50), None, 8)) == 0  # scattered
    assert len(noise._uneven(np.arange(2.0)[:, None], rng.normal(size=2), None, 8)) == 0
    assert len(noise._uneven(np.arange(9.0)[:, None], np.arange(9.0), None, 8)) == 0  # exactly straight
    values = np.where(np.arange(30) == 12, np.inf, np.sin(np.arange(30.0)))
    assert not set(noise._uneven(np.arange(30.0)[:, None], values, None, 8)) & set(range(9, 16))


# infinite by rounding


def test_what_is_infinite_by_rounding_alone_is_said():
    """log(1 - sigmoid) is -inf in float32 from 17 on, in float64 from 37 on."""
    C = cost.Cost(
        Images(jnp.ones((2, 1)), jnp.zeros((2, 1))), lambda x, p: p, lambda a, y: -jnp.log(1 - jax.nn.sigmoid(a))
    )
    frame = Frame((jnp.zeros(()),), ((jnp.ones(()),),))
    find = lambda to: (
        np.linspace(0, to, 31, dtype=np.float32)[:, None],
        slices.evaluate(C, *frame, np.linspace(0, to, 31)[:, None]),
    )
    points, values = find(30)
    m = np.isinf(values).sum()
    assert m > 4
    with pytest.warns(
        UserWarning, match=f"of {m} points that are infinite or NaN 4 were .* 4 are finite there: by rou"
    ):
        assert 0 < noise.floor(C, frame, points, values) < 30
    with pytest.warns(UserWarning, match="4 are finite there"):
        assert math.isnan(noise.floor(C, frame, points, np.full_like(values, np.nan)))
    points, values = find(2000)  # all but the first are far beyond float64 too
    assert 0 < noise.floor(C, frame, points, values) < 1e-6


def test_what_is_finite_by_rounding_alone_is_said_too():
    C = cost.Cost(Images(jnp.ones((2, 1)), jnp.zeros((2, 1))), lambda x, p: jnp.sqrt(p), lambda a, y: a)
    frame = Frame((jnp.float32(1),), ((jnp.float32(-1),),))
    points = np.float32([[0.0], [0.5], [1 + 1e-6]])
    values = np.float32([1, np.sqrt(0.5), 0])
    with pytest.warns(UserWarning, match="1 of the points that were compared are finite here"):
        noise.floor(C, frame, points, values)


# curvature


def bowl_of(dtype=np.float32):
    """C = mean over images of (x . p)^2 / 2 + sum of cos(p): its Hessian is known."""
    x = np.random.default_rng(0).normal(size=(30, 4)).astype(dtype)
    f = lambda x, p: jnp.dot(x, p) ** 2 / 2 + jnp.cos(p).sum()
    return cost.Cost(Images(jnp.asarray(x), jnp.zeros((30, 1))), f, lambda a, y: a), np.float64(x)


@pytest.mark.parametrize("k", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_the_floor_of_curvature_covers_its_error_and_is_not_much_more(k):
    C, x = bowl_of()
    rng = np.random.default_rng(k)
    origin, *along = rng.normal(size=(3, 4)).astype(np.float32)
    along, points = np.stack(along[:k]), rng.normal(size=(50, k)).astype(np.float32)
    frame = Frame((jnp.asarray(origin),), tuple((jnp.asarray(d),) for d in along))
    _, _, hessians = slices.derivatives(C, *frame, points)
    p = np.float64(origin) + points @ np.float64(along)
    exactly = np.einsum("ai,mij,bj->mab", along, x.T @ x / 30 - np.cos(p)[:, :, None] * np.eye(4), np.float64(along))
    error = np.linalg.norm(hessians - exactly, 2, (1, 2)).max()
    floor = noise.curvature_floor(C, frame, points, hessians)
    assert error < floor < 40 * error
    assert floor < 1e-4 * np.abs(exactly).max()
    assert noise.curvature_floor(C, frame, points, hessians + np.float32(0.1)) == pytest.approx(0.4 * k, rel=1e-3)
    some = hessians.copy()
    some[3:] = np.nan
    with pytest.warns(UserWarning, match="of 47 points that are infinite or NaN 4 were compared"):
        assert noise.curvature_floor(C, frame, points, some) < 40 * error
    with pytest.warns(UserWarning, match="4 are finite"):
        assert math.isnan(noise.curvature_floor(C, frame, points, np.full_like(hessians, np.nan)))


def test_rules_of_a_models_own_derivatives_hold_in_float64_too():
    """A rule that says twice the slope: the floor is that of the Hessian by the rule, as it is computed."""

    @jax.custom_jvp
    def sine(p):
        return jnp.sin(p)

    sine.defjvp(lambda primals, tangents: (sine(*primals), 2 * jnp.cos(primals[0]) * tangents[0]))
    C = cost.Cost(Images(jnp.ones((3, 1)), jnp.zeros((3, 1))), lambda x, p: sine(p).sum(), lambda a, y: a)
    frame, points = Frame((jnp.ones(2),), ((jnp.ones(2),),)), np.linspace(0, 1, 9, dtype=np.float32)[:, None]
    _, slopes, hessians = slices.derivatives(C, *frame, points)
    np.testing.assert_allclose(slopes[:, 0], 4 * np.cos(1 + points[:, 0]), rtol=1e-5)
    assert 0 < noise.curvature_floor(C, frame, points, hessians) < 1e-5


# which points are compared


def wave():
    """C(p) = 3 + sin(9 p), exact enough to be known, along a line of 40 points."""
    images = Images(jnp.ones((2, 1)), jnp.zeros((2, 1)))
    points = np.linspace(-1, 1, 40, dtype=np.float32)[:, None]
    C = cost.Cost(images, lambda x, p: 3 + jnp.sin(9 * p), lambda a, y: a)
    return C, (Frame((jnp.zeros(()),), ((jnp.ones(()),),)), points), 3 + np.sin(9 * points[:, 0])


@pytest.fixture
def alone(monkeypatch):
    """Without the points that are off their neighbours, which would see each of the errors made here."""
    monkeypatch.setattr(noise, "_uneven", lambda *_: [])


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
def test_the_largest_costs_are_compared_as_many_as_asked(largest, alone):
    seen, falling = compared(count=1, largest=largest)
    assert len(seen) <= 1 + largest
    assert set(falling[:largest]) <= set(seen)


def test_as_many_are_spread_over_the_points_as_asked_and_eight_are_the_largest_by_default(alone):
    seen, falling = compared()
    rest = np.array(sorted(set(seen) - set(falling[:8])))
    assert set(falling[:8]) <= set(seen)
    assert 16 - 8 <= len(rest) <= 16
    gaps = np.diff([-1, *sorted(seen), 40])
    assert gaps.max() <= 2 * 40 / 16  # evenly: no gap of twice the mean


def test_slices_judged_together_are_compared_at_other_points_each(alone):
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
    with pytest.warns(UserWarning, match="of 37 points"):
        assert noise.floor(C, *at, some) < 1e-4


# -- hoisted in float64 ---------------------------------------------------------------------------------


def a_plane(C):
    params = network.init(jax.random.key(0))
    frame = Frame(params, tuple(network.init(key) for key in jax.random.split(jax.random.key(1))))
    return Frame(*frame.moving()), np.random.default_rng(0).normal(size=(32, 2)).astype(np.float32)


def test_what_is_hoisted_in_float64_is_the_plain_cost_and_the_notes_are_those_of_the_program(C, monkeypatch):
    """Against numpy in float64, to its own rounding."""
    frame, points = a_plane(C)
    plain, notes = wide.values(C, frame, points)
    monkeypatch.setattr(program, "LONG", 0)
    called, of = [], wide.in_float64
    monkeypatch.setattr(wide, "in_float64", lambda *arguments: called.append(1) or of(*arguments))
    hoisted, its_notes = wide.values(C, frame, points)
    assert called
    assert notes == its_notes
    np.testing.assert_allclose(hoisted, exact(C, *frame, points), rtol=1e-13)
    np.testing.assert_allclose(hoisted, plain, rtol=1e-13)


def test_a_wrong_hoist_is_seen_by_the_floor(C, monkeypatch):
    """Where a nonlinearity is taken for linear, values are wrong, and the floor tells by how much."""
    C = cost.Cost(C.images, lambda x, *p: network.feedforward(x, *p))  # whose programs are those of no other test
    frame, points = a_plane(C)
    monkeypatch.setattr(program, "LONG", 0)
    monkeypatch.setitem(batching.JOINTLY, "logistic", batching.FIRST)
    origin, directions = frame
    wrong, plain = slices.evaluate(C, origin, directions, points), jax.jit(C)
    right = [plain(*frame.at(s)) for s in points]
    assert np.abs(wrong - right).max() > 1e-3 * np.abs(right).max()
    np.testing.assert_allclose(wide.values(C, frame, points)[0], right, rtol=1e-5)
    floor = noise.floor(C, frame, points, wrong)
    assert floor > np.abs(wrong - right).max()


def test_an_image_that_is_not_finite_is_the_same_hoisted_or_not(monkeypatch):
    x = np.array([[1.0, 0.0], [np.inf, 0.0], [0.0, np.nan]], np.float32)
    C = cost.Cost(
        Images(x[:, :, None], np.zeros(3, np.float32)), lambda x, w: jnp.tanh(w @ x[:, 0]), lambda a, y: a.sum()
    )
    points, values = np.linspace(-1, 1, 30, dtype=np.float32)[:, None], {}
    frame = Frame((np.ones((2, 2), np.float32),), ((np.ones((2, 2), np.float32),),))
    for long in (0, np.inf):
        monkeypatch.setattr(program, "LONG", long)
        values[long] = wide.values(C, frame, points)[0]
    np.testing.assert_array_equal(values[0], values[np.inf])


def test_slices_compared_together_are_compared_with_their_own_networks():
    """Each of several slices of another network, noise put into one alone, and that is where it is found."""
    C = cost.Cost(data.digits()[0][:50])
    networks = [network.init(key) for key in jax.random.split(jax.random.key(7), 6)]
    frames = [populations.about(jax.random.split(jax.random.key(8), 1), one)[0].moving() for one in networks]
    points = np.linspace(-1, 1, 9, dtype=np.float32)[:, None]
    exactly = np.stack([exact(C, *frame, points) for frame in frames])
    off = np.zeros_like(exactly)
    off[4] = 0.01
    found = noise.compare_each([lambda f=f: (C, f) for f in frames], points, exactly + off, count=1, largest=1)
    np.testing.assert_allclose([one.floor for one in found], 4 * off.max(1), atol=1e-12)
