"""A minimum of the grid is one of C only if Newton's steps on the exact surface end in it; so all critical points."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from jaxcost import cost, network, slices
from jaxcost.data import Images
from jaxcost.measures import critical, minima, newton

ORIGIN, U, V = (jnp.zeros(2),), (jnp.array([1.0, 0.0]),), (jnp.array([0.0, 1.0]),)


@functools.cache
def analytic(surface):
    """A cost whose surface on the plane of U and V is a given function of the coordinates."""
    return cost.Cost(Images(jnp.ones((3, 2)), jnp.zeros((3, 1))), lambda x, p: surface(p), lambda a, y: a)


def _sum_of_terms(x, p):
    return x @ jnp.stack([jnp.ones_like(p[0]), p[0], p[1], p[0] ** 2, p[0] * p[1], p[1] ** 2, jnp.exp(p[0])])


def _output(a, y):
    return a


def terms(*coefficients):
    """The surface c0 + c1 a + c2 b + c3 a^2 + c4 a b + c5 b^2 + c6 exp(a); of all such there is one program."""
    x = np.pad(coefficients, (0, 7 - len(coefficients)))
    return cost.Cost(Images(jnp.asarray(x, jnp.float32)[None], jnp.zeros((1, 1))), _sum_of_terms, _output)


# grid minima


def settled(C, points=41):
    axis = jnp.linspace(-4, 4, points)
    plane = slices.plane(C, ORIGIN, U, V, axis, axis)
    counted = minima.local_minima(plane.values, plane.floor)
    return counted, *critical.settle(C, plane, counted)


def minima_at(*indices):
    """Grid minima at given indices, of which `settle` takes no more."""
    indices = np.array(indices)
    m = len(indices)
    return minima.Minima(indices, np.ones(m), 0.0, np.full(m, -1), indices, np.zeros(0))


def test_a_string_of_grid_minima_in_an_askew_valley_does_not_settle():
    valley = terms(0, 0.1, 0, 50 * 0.37**2, -100 * 0.37, 50)  # 50 (b - 0.37 a)^2 + 0.1 a
    for points in (21, 41):
        counted, _, stays = settled(valley, points)
        assert counted.count > points / 7
        assert not stays.any()


def test_true_minima_settle_where_they_are():
    bowl = terms(0.05 * 1.1**2, -0.11, 0, 50 * 0.37**2 + 0.05, -100 * 0.37, 50)  # the valley and 0.05 (a - 1.1)^2
    counted, points, stays = settled(bowl)
    assert counted.count > stays.sum() == 1
    np.testing.assert_allclose(points[stays][0], [1.1, 0.37 * 1.1], atol=2e-3)
    _, points, stays = settled(analytic(WAVES))
    # minima where 2 a + 1 and 2 b are odd multiples of pi: (-3.64, -0.5 and 2.64 + ...) by (+-pi/2) within 4
    true = [(x, y) for x in (np.pi * np.array([-3, -1, 1]) - 1) / 2 for y in (-np.pi / 2, np.pi / 2) if abs(x) < 4]
    assert stays.all()
    np.testing.assert_allclose(np.sort(points, axis=0), np.sort(true, axis=0), atol=1e-2)


def test_two_grid_minima_of_one_minimum_are_counted_once():
    C = terms(0.25, -1, 0, 1, 0, 1)  # (a - 0.5)^2 + b^2
    plane = slices.plane(C, ORIGIN, U, V, jnp.arange(-2.0, 4.0), jnp.arange(-2.0, 3.0))
    _, stays = critical.settle(C, plane, minima_at([2, 2], [3, 2]))
    assert stays.tolist() == [True, False]
    turned = slices.plane(C, ORIGIN, U, V, jnp.arange(3.0, -3.0, -1), jnp.arange(-2.0, 3.0))
    points, stays = critical.settle(C, turned, minima_at([2, 2]))
    np.testing.assert_allclose(points, [[0.5, 0]], atol=1e-3)  # axes may fall
    assert stays.all()
    points, stays = critical.settle(C, plane, minima.local_minima(np.zeros((6, 5))))
    assert points.shape == (0, 2)
    assert stays.shape == (0,)


def test_a_minimum_of_a_line_and_a_slope_almost_too_gentle_to_see():
    C = analytic(TILTED)
    line = slices.line(C, ORIGIN, U, np.linspace(-3, 3, 40))
    points, stays = critical.settle(C, line, minima.local_minima(line.values, line.floor))
    assert stays.all()
    np.testing.assert_allclose(np.sin(3 * points[:, 0]), 0.1, atol=1e-3)
    C = terms(1, 1e-6, 0, 1e-9)
    line = slices.line(C, ORIGIN, U, np.linspace(-1, 1, 5))
    assert not critical.settle(C, line, minima_at([2]))[1].any()


# the same at every resolution

RASTRIGIN = [
    0.0,
    *(sign * x for x in (0.994959, 1.989912, 2.984856) for sign in (-1, 1)),
]  # the roots of x + 10 pi sin(2 pi x)

KNOWN = {  # surface, half-width, minima
    "rosenbrock": (lambda p: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2, 2.0, [(1, 1)]),
    "himmelblau": (
        lambda p: (p[0] ** 2 + p[1] - 11) ** 2 + (p[0] + p[1] ** 2 - 7) ** 2,
        6.0,
        [(3, 2), (-2.805118, 3.131312), (-3.779310, -3.283186), (3.584428, -1.848127)],
    ),
    "rastrigin": (
        lambda p: 20 + (p**2 - 10 * jnp.cos(2 * jnp.pi * p)).sum(),
        2.6,
        [(x, y) for x in RASTRIGIN for y in RASTRIGIN],
    ),
    "banana": (
        lambda p: 2 + (0.3 * (p[0] - 0.7)) ** 2 + 30 * (p[1] - jnp.sin(2 * p[0])) ** 2,
        3.0,
        [(0.7, np.sin(1.4))],
    ),
}


@pytest.mark.parametrize("resolutions", [(21, 121), pytest.param((31, 41, 81, 161, 241), marks=pytest.mark.slow)])
@pytest.mark.parametrize("turn", [0.0, 0.5], ids=["straight", "turned"])
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "rosenbrock")) for name in KNOWN]
)
def test_a_finer_grid_neither_loses_nor_makes_a_minimum(name, turn, resolutions):
    f, half_width, true = KNOWN[name]
    C, (c, s) = analytic(f), (np.cos(turn), np.sin(turn))
    directions = [(jnp.array(d, jnp.float32),) for d in ((c, s), (-s, c))]
    true = np.array(true) @ np.array([(c, -s), (s, c)])
    true = true[(np.abs(true) < half_width).all(1)]
    for points in resolutions:
        axis = np.linspace(-half_width, half_width, points)
        plane = slices.plane(C, ORIGIN, *directions, axis, axis)
        ended, stays = critical.settle(C, plane, minima.local_minima(plane.values, plane.floor))
        found = critical.find(C, plane)
        for those in (ended[stays], found.points[found.kinds == 0]):
            assert len(those) == len(true)
            distances = np.linalg.norm(those[:, None] - true, axis=-1)
            assert max(distances.min(0).max(), distances.min(1).max()) < 1e-4


def test_the_stairs_of_a_model_that_rounds_inside_itself_are_no_minima():
    """Activations kept in float16: the grid sees hundreds of stairs, and float64 without them one bowl."""
    stairs = lambda p: jnp.sum((p - 0.3).astype(jnp.float16) ** 2).astype(jnp.float32)
    axis = np.linspace(-0.4, 1, 61)
    with pytest.warns(UserWarning, match="float16"):
        plane = slices.plane(analytic(stairs), ORIGIN, U, V, axis, axis)
    grid = minima.local_minima(plane.values)
    ended, stays = critical.settle(analytic(stairs), plane, grid)
    np.testing.assert_allclose(ended[stays], [[0.3, 0.3]], atol=1e-6)
    found = critical.find(analytic(stairs), plane)
    assert found.kinds.tolist() == [0]
    np.testing.assert_allclose(found.points, [[0.3, 0.3]], atol=1e-6)


# critical points


def surface(f, alphas, betas, directions=(U, V)):
    """The critical points of f on a plane, and their slice."""
    C = f if isinstance(f, cost.Cost) else analytic(f)
    plane = slices.plane(C, ORIGIN, *directions, alphas, betas)
    return critical.find(C, plane), plane


def sorted_by_coordinates(found):
    """Points and kinds, sorted by coordinates to a hundredth."""
    order = np.lexsort(np.round(found.points, 2).T)
    return found.points[order], found.kinds[order]


AXIS = np.linspace(-4, 4, 41)
WAVES = lambda p: jnp.cos(2 * p[0] + 1) + jnp.cos(2 * p[1])
CUBIC = lambda p: p[0] ** 3 / 3 - p[0] + p[1] ** 3 / 3 - 4 * p[1]
WELLS = lambda p: (p[0] ** 2 - 1) ** 2 + p[1] ** 2 + 0.3 * p[0]
TILTED = lambda p: jnp.cos(3 * p[0]) + 0.3 * p[0]
# of WAVES both sines vanish, and an even multiple of pi is a crest; of the others the roots of the gradient by hand
TRUE = {
    WAVES: [((i * np.pi - 1) / 2, j * np.pi / 2, 2 - i % 2 - j % 2) for i in range(-2, 3) for j in range(-2, 3)],
    CUBIC: [(a, b, (a < 0) + (b < 0)) for a in (-1.0, 1.0) for b in (-2.0, 2.0)],
    WELLS: [(a, 0.0, int(12 * a**2 < 4)) for a in np.roots([4, 0, -4, 0.3]).real],
}
EVERY = pytest.mark.parametrize("f", TRUE, ids=["waves", "cubic", "wells"])


def is_all_of(found, true, atol=1e-3):
    true = sorted(true, key=lambda t: tuple(np.round(t[:2][::-1], 2)))
    points, kinds = sorted_by_coordinates(found)
    np.testing.assert_allclose(points, [t[:2] for t in true], atol=atol)
    assert kinds.tolist() == [t[2] for t in true]


@EVERY
def test_all_critical_points_are_found_and_each_is_what_its_hessian_says(f):
    found, _ = surface(f, AXIS, AXIS)
    is_all_of(found, TRUE[f])
    assert found.unseen == 0
    assert (np.diff(found.values) >= 0).all()  # the lowest first


@EVERY
def test_the_certificate_is_true(f):
    found, _ = surface(f, AXIS, AXIS)
    with jax.enable_x64(True):
        points = jnp.asarray(found.points)
        three = jax.jit(lambda points: [jax.vmap(of)(points) for of in (f, jax.grad(f), jax.hessian(f))])
        values, g, H = map(np.asarray, three(points))
    np.testing.assert_allclose(found.values, values, rtol=1e-6, atol=1e-7)  # 0.3 is rounded in the one
    np.testing.assert_allclose(found.slopes, np.linalg.norm(g, axis=1), atol=1e-7)
    eigenvalues = np.linalg.eigvalsh(H)
    np.testing.assert_allclose(found.eigenvalues, eigenvalues, rtol=1e-7)
    np.testing.assert_array_equal(found.kinds, (eigenvalues < 0).sum(1))
    assert found.steps.max() <= newton.ARRIVED
    assert (found.rises > 4 * np.finfo(np.float32).eps * np.abs(found.values)).all()


@EVERY
@pytest.mark.parametrize(
    ("alphas", "betas", "scale"),
    [
        (AXIS[::-1], AXIS, (1, 1)),
        (AXIS, AXIS[::-1], (1, 1)),
        (AXIS, np.linspace(-4, 4, 71), (1, 1)),  # cells that are not square
        (AXIS, AXIS, (1, 100)),
        (AXIS, np.linspace(-4, 4, 71)[::-1], (0.01, -3)),
    ],
    ids=["alpha falls", "beta falls", "oblong cells", "another unit", "all of it"],
)
def test_critical_points_do_not_depend_on_orientation_cells_or_units(f, alphas, betas, scale):
    directions = (jnp.array([scale[0], 0.0]),), (jnp.array([0.0, scale[1]]),)
    found, _ = surface(f, np.divide(alphas, scale[0]), np.divide(betas, scale[1]), directions)
    is_all_of(found._replace(points=found.points * scale), TRUE[f])
    plain, _ = surface(f, AXIS, AXIS)
    by = lambda one: np.lexsort(np.round(one.points * (scale if one is found else (1, 1)), 2).T)
    curved = np.prod(found.eigenvalues, 1) / np.prod(scale) ** 2  # the determinant, in the units of the other
    np.testing.assert_allclose(curved[by(found)], np.prod(plain.eigenvalues, 1)[by(plain)], rtol=1e-3)


@pytest.mark.parametrize("points", [23, 60])
def test_each_point_is_listed_once_however_many_starts_run_into_it(points):
    axis = np.linspace(-4, 4, points)
    found, _ = surface(WAVES, axis, axis)
    is_all_of(found, TRUE[WAVES])
    apart = np.linalg.norm(found.points[:, None] - found.points, axis=-1) + 9 * np.eye(len(found.points))
    assert apart.min() > 1


def test_the_turned_plane_has_the_same_critical_points_turned():
    turn = np.array([[0.8, -0.6], [0.6, 0.8]])
    found, _ = surface(CUBIC, AXIS, AXIS, [(jnp.asarray(column, jnp.float32),) for column in turn.T])
    is_all_of(found._replace(points=found.points @ turn.T), TRUE[CUBIC])


def test_the_critical_points_of_a_line():
    C = analytic(TILTED)
    line = slices.line(C, ORIGIN, U, np.linspace(-3, 3, 40))
    found = critical.find(C, line)
    a = np.arcsin(0.1)
    true = np.array([(t + 2 * np.pi * i) / 3 for t in (a, np.pi - a) for i in range(-2, 2)])
    true = np.sort(true[np.abs(true) < 3])
    np.testing.assert_allclose(np.sort(found.points[:, 0]), true, atol=1e-4)
    np.testing.assert_allclose(found.eigenvalues[:, 0], -9 * np.cos(3 * found.points[:, 0]), rtol=1e-4)
    np.testing.assert_array_equal(found.kinds, np.cos(3 * found.points[:, 0]) > 0)
    assert found.points.shape == found.eigenvalues.shape == (len(true), 1)


@pytest.mark.parametrize(
    "coefficients",
    [
        (0, 1, 2),
        (1,),
        (0, 0, 0, 0, 0, 1, 1),  # exp(a) + b^2
        (0, 0, 10, 1),  # a^2 + 10 b, a channel
        (81, -18, 0, 1, 0, 1),  # (a - 9)^2 + b^2, whose minimum lies outside
    ],
    ids=["slope", "plateau", "exponential", "channel", "outside"],
)
def test_on_a_slope_and_on_a_plateau_are_none_and_none_has_shapes_too(coefficients):
    found, _ = surface(terms(*coefficients), AXIS, AXIS)
    shapes = [np.shape(part) for part in found[:-1]]
    assert shapes == [(0, 2), (0,), (0,), (0, 2), (0,), (0,), (0,)]
    assert found.unseen == 0


def test_a_bend_below_the_floor_is_unseen_and_the_same_bend_alone_is_seen():
    bend = 1e-10 * np.array([0.09 + 0.08, -0.6, 0.8, 1, 0, 2])  # (a - 0.3)^2 + 2 (b + 0.2)^2
    found, plane = surface(terms(*(bend + np.eye(6)[0])), AXIS, AXIS)
    assert np.ptp(plane.values) < plane.floor
    assert (len(found.points), found.unseen) == (0, 1)
    found, _ = surface(terms(*bend), AXIS, AXIS)
    is_all_of(found, [(0.3, -0.2, 0)])
    assert found.unseen == 0


def test_a_valley_too_flat_along_one_direction_only_is_unseen_too():
    found, plane = surface(terms(1.01, 0, -0.2, 1e-10, 0, 1), AXIS, AXIS)  # 1 + (b - 0.1)^2 + 1e-10 a^2
    assert np.ptp(plane.values) > 1e6 * plane.floor
    assert (len(found.points), found.unseen) == (0, 1)


def test_what_is_not_finite_is_no_critical_point_and_hides_none():
    found, plane = surface(lambda p: CUBIC(p) + jnp.where(p[0] + p[1] > 4.1, jnp.inf, 0.0), AXIS, AXIS)
    assert plane.nonfinite > 0
    is_all_of(found, TRUE[CUBIC])


def test_derivatives_at_hand_are_taken(monkeypatch):
    C = analytic(CUBIC)
    plane = slices.plane(C, ORIGIN, U, V, AXIS, AXIS)
    grid = np.stack(np.meshgrid(AXIS, AXIS, indexing="ij"), -1).reshape(-1, 2)
    at_hand = slices.derivatives(C, ORIGIN, (U, V), grid)
    asked, derivatives = [], slices.derivatives
    monkeypatch.setattr(slices, "derivatives", lambda *a: asked.append(len(a[-1])) or derivatives(*a))
    plain = critical.find(C, plane)
    whole = asked.copy()
    asked.clear()
    is_all_of(critical.find(C, plane, derivatives=at_hand), TRUE[CUBIC])
    assert asked == whole[1:]
    assert whole[0] == len(grid)
    is_all_of(plain, TRUE[CUBIC])


def test_derivatives_of_others_are_refused():
    C = analytic(CUBIC)
    plane = slices.plane(C, ORIGIN, U, V, AXIS, AXIS)
    grid = np.stack(np.meshgrid(AXIS, AXIS, indexing="ij"), -1).reshape(-1, 2)
    values, *others = slices.derivatives(C, ORIGIN, (U, V), grid)
    few = np.where(np.arange(len(values)) % 3 == 0, values + 1, values)  # a jump of C may lie at some
    critical.find(C, plane, derivatives=(few, *others))
    turned = values.reshape(plane.values.shape).T.ravel()
    for strange in (values + 0.5, 0 * values, np.full_like(values, np.nan), turned):
        with pytest.raises(ValueError, match=r"^derivatives with \d+ of \d+ values unlike the slice's, expected its"):
            critical.find(C, plane, derivatives=(strange, *others))
    with pytest.raises(ValueError, match=r"^derivatives of shapes"):
        critical.find(C, plane, derivatives=(values, *others[::-1]))


def test_the_cost_of_another_slice_is_refused():
    C = terms(0.25, -1, 0, 1, 0, 1)
    plane = slices.plane(C, ORIGIN, U, V, jnp.arange(-2.0, 4.0), jnp.arange(-2.0, 3.0))
    for instrument in (lambda C: critical.find(C, plane), lambda C: critical.settle(C, plane, minima_at([2, 2]))):
        instrument(C)
        with pytest.raises(ValueError, match="another cost"):
            instrument(terms(0.35, -1, 0, 1, 0, 1))


def network_plane():
    """A small network's plane, far enough out to be crumpled."""
    keys = jax.random.split(jax.random.key(4), 4)
    y = jax.nn.one_hot(jnp.arange(12) % 3, 3)
    C = cost.Cost(Images(jax.random.normal(keys[0], (12, 4)), y))
    origin, u, v = (network.init(key, (4, 5, 3)) for key in keys[1:])
    return C, origin, u, v


def test_on_a_network_they_are_the_zeros_of_the_gradient_in_float64_and_all_of_them():
    C, origin, u, v = network_plane()
    axis = np.linspace(-3, 3, 61)
    found = critical.find(C, slices.plane(C, origin, u, v, axis, axis))
    assert len(found.points) >= 5
    assert set(found.kinds.tolist()) == {0, 1, 2}
    with jax.enable_x64(True):
        as64 = lambda tree: jax.tree.map(lambda leaf: jnp.asarray(np.asarray(leaf), jnp.float64), tree)
        C, origin, u, v = map(as64, (C, origin, u, v))
        along = lambda s: C(*jax.tree.map(lambda p, a, b: p + s[0] * a + s[1] * b, origin, u, v))
        g, H = jax.jit(jax.grad(along)), jax.jit(jax.hessian(along))
        gradients, hessians = (np.array([f(jnp.array(s)) for s in found.points]) for f in (g, H))
        true = []
        for s in itertools.product(axis[::6], axis[::6]):
            ended = optimize.root(lambda s: np.asarray(g(s)), s, jac=lambda s: np.asarray(H(s)), tol=1e-12)
            inside = np.abs(ended.x).max() < 3 and np.linalg.norm(ended.fun) < 1e-10
            if inside and not any(np.linalg.norm(ended.x - other) < 1e-4 for other in true):
                true.append(ended.x)
    np.testing.assert_allclose(np.linalg.norm(gradients, axis=1), found.slopes, atol=1e-8)
    assert np.abs(np.linalg.solve(hessians, gradients[..., None])).max() < 1e-6
    np.testing.assert_allclose(found.eigenvalues, np.linalg.eigvalsh(hessians), rtol=1e-6, atol=1e-9)
    distances = np.linalg.norm(np.array(true)[:, None] - found.points, axis=-1)
    assert (distances.min(0) < 1e-3).all()  # none that is none
    assert (distances.min(1) < 1e-3).all()  # and none is missed
