"""A path of checkpoints is seen as what it is: coordinates, distances and costs against plain linear algebra."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import checkpoints, cost, data, descent, live, network, results
from jaxcost.data import Images

SIZES = (6, 5, 3)


@pytest.fixture(scope="module")
def C():
    x, labels = jax.random.uniform(jax.random.key(0), (12, 6)), np.arange(12) % 3
    return cost.Cost(Images(x, data.one_hot(labels, 3)))


@pytest.fixture(scope="module")
def run(C):
    """A run whose path is no straight line."""
    params = network.init(jax.random.key(1), SIZES)
    return descent.descend(jax.random.key(2), C, params, optax.sgd(3.0), steps=60, every=10, batch=3, keep=True)


def flat(tree):
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree)])


def plainly(C, params):
    """C without the kit: the mean over images of squared differences, in float64."""
    total = 0.0
    for a, y in zip(*(np.asarray(part, np.float64) for part in (C.images.x, C.images.y)), strict=True):
        for w, b in zip(*params, strict=True):
            a = 1 / (1 + np.exp(-(np.asarray(w, np.float64) @ a + np.asarray(b, np.float64))))
        total += ((a - y) ** 2).sum()
    return total / len(C.images.x)


def at(found, s):
    """The parameters at a point of a plane, one after the other."""
    origin, (u, v) = found.plane.frame
    return jax.tree.map(lambda p, a, b: np.float64(p) + s[0] * np.float64(a) + s[1] * np.float64(b), origin, u, v)


# the principal plane


def test_a_path_on_its_principal_plane_agrees_with_the_covariance_matrix_and_with_plain_costs(C, run):
    steps = [run.at(i) for i in range(7)]
    found = checkpoints.principal(C, steps, points=5)
    rows = np.stack([flat(step) for step in steps])
    values, vectors = np.linalg.eigh(np.cov(rows.T))
    basis, away = vectors[:, [-1, -2]], rows - rows[-1]
    np.testing.assert_allclose(found.share, values[[-1, -2]] / values.sum(), rtol=1e-4)
    np.testing.assert_allclose(np.abs(found.coordinates), np.abs(away @ basis), atol=1e-3)
    off = np.linalg.norm(away - away @ basis @ basis.T, axis=1)
    np.testing.assert_allclose(found.off, off, atol=1e-3)
    assert off.max() > 0.1
    np.testing.assert_allclose(found.costs, [plainly(C, step) for step in steps], rtol=1e-5)
    np.testing.assert_allclose(found.shown, [plainly(C, at(found, s)) for s in found.coordinates], rtol=1e-5)
    np.testing.assert_allclose(
        found.plane.values[1, 3],
        plainly(C, at(found, [a[i] for a, i in zip(found.plane.axes, (1, 3), strict=True)])),
        rtol=1e-5,
    )


def test_the_plane_is_a_square_around_the_path_with_its_margin(C, run):
    found = checkpoints.principal(C, run.trajectory, points=11, margin=0.25)
    low, high = found.coordinates.min(0), found.coordinates.max(0)
    for axis, a, b in zip(found.plane.axes, low, high, strict=True):
        assert np.ptp(axis) == pytest.approx(1.5 * (high - low).max(), rel=1e-5)
        assert (axis[0] + axis[-1]) / 2 == pytest.approx((a + b) / 2, abs=1e-5)
    assert found.plane.values.shape == (11, 11)


def test_lists_generators_stacked_runs_and_files_give_the_same(C, run, tmp_path):
    steps = [run.at(i) for i in range(7)]
    for i, step in enumerate(steps):
        results.save(tmp_path / f"{i}.npz", step)
    told = [checkpoints.principal(C, given, points=3, read=read) for given, read in (
        (steps, None), (iter(steps), None), ((one for one in steps), None), (run.trajectory, None),
        (sorted(tmp_path.glob("*.npz")), results.load), (tuple(range(7)), lambda i: steps[i]),
    )]  # fmt: skip
    for other in told[1:]:
        for name in ("coordinates", "off", "costs", "shown", "share"):
            np.testing.assert_array_equal(getattr(other, name), getattr(told[0], name))
        np.testing.assert_array_equal(other.plane.values, told[0].plane.values)


def test_files_are_read_one_after_the_other_and_none_after_one_that_does_not_fit(run):
    asked = []

    def read(i):
        asked.append(i)
        return run.at(i) if i < 2 else network.init(jax.random.key(0), (6, 4, 3))

    with pytest.raises(ValueError, match=r"network 2 \(2\) has float32\[4, 6\] at \[?0?\]?\.?w\[0\], expected float32"):
        checkpoints.gathered(iter(range(5)), read)
    assert asked == [0, 1, 2]


def test_what_reading_raises_is_told_with_its_file(run, tmp_path):
    (tmp_path / "b.npz").write_bytes(b"no archive")
    results.save(tmp_path / "a.npz", run.at(0))
    with pytest.raises(ValueError, match="without pickle") as caught:
        checkpoints.gathered(sorted(tmp_path.glob("*.npz")), results.load)
    assert caught.value.__notes__ == [f"while reading network 1 ({tmp_path / 'b.npz'})"]


def test_counters_and_functions_stay_and_a_python_float_moves(C):
    rows = np.random.default_rng(0).normal(size=(5, 3, 6))
    make = lambda i: (
        {"w": jnp.asarray(rows[i], jnp.float32), "scale": 1.0 + i, "step": jnp.array(i), "act": jnp.tanh},
    )
    own = cost.Cost(C.images, lambda x, p: p["act"](p["w"] @ x) * p["scale"])
    found = checkpoints.principal(own, map(make, range(5)), points=3)
    matrix = np.concatenate([1.0 + np.arange(5)[:, None], rows.reshape(5, -1)], 1)
    values = np.linalg.eigvalsh(np.cov(matrix.T))[::-1]
    np.testing.assert_allclose(found.share, values[:2] / values.sum(), rtol=1e-4)
    outputs = np.tanh(np.einsum("sij,nj->sni", rows, np.asarray(C.images.x))) * (1.0 + np.arange(5))[:, None, None]
    np.testing.assert_allclose(found.costs, ((outputs - np.asarray(C.images.y)) ** 2).sum(-1).mean(-1), rtol=1e-4)


# through three


def test_a_plane_through_three_holds_all_three_and_measures_distances(C):
    networks = [network.init(key, SIZES) for key in jax.random.split(jax.random.key(3), 4)]
    found = checkpoints.through(C, networks, points=5)
    a, b, c, d = map(flat, networks)
    np.testing.assert_allclose(found.coordinates[0], 0, atol=1e-6)
    np.testing.assert_allclose(found.coordinates[1], [np.linalg.norm(b - a), 0], atol=1e-4)
    for (i, p), (j, q) in (((0, a), (2, c)), ((1, b), (2, c))):
        apart = np.linalg.norm(found.coordinates[i] - found.coordinates[j])
        assert apart == pytest.approx(np.linalg.norm(p - q), rel=1e-5)
    q, _ = np.linalg.qr(np.stack([b - a, c - a], 1))
    assert found.off[:3].max() < 1e-4
    assert found.off[3] == pytest.approx(np.linalg.norm(d - a - q @ (q.T @ (d - a))), rel=1e-5)
    assert found.share is None
    np.testing.assert_allclose(found.costs, [plainly(C, one) for one in networks], rtol=1e-5)
    np.testing.assert_allclose(found.shown[:3], found.costs[:3], rtol=1e-5)
    assert abs(found.shown[3] - found.costs[3]) > 1e-3


# what is refused


TWO = np.ones(2)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ([], "0 networks, expected one or more"),
        ([({"w": TWO},)] * 2, "2 networks, expected 3 or more"),
        ([{"w": TWO}], "network 0 is {'w': .*, expected a tuple of C's arguments"),
        ([({"w": TWO},), ({"v": TWO},)], r"network 1 has nothing at \[0\]\['w'\], expected float64\[2\] as network 0"),
        ([({"w": TWO},), ({"w": TWO, "v": 1.0},)], r"has float at \[0\]\['v'\], expected nothing as network 0 has"),
        ([({"w": TWO},), ({"w": TWO.astype(int)},)], r"1 has int64\[2\] at \[0\]\['w'\], expected float64\[2\] as"),
        ([(TWO,), (TWO[:, None],)], r"network 1 has float64\[2, 1\] at \[0\], expected float64\[2\] as network 0 has"),
        ([({"steps": 3},)], "nothing moves in network 0"),
        ([([TWO],), ((TWO,),)], "network 1 is a tree of other types than network 0"),
        ("files", "networks='files', expected a list or another iterable"),
        ((np.ones(3), np.ones(4)), "expected one number of steps"),
    ],
)
def test_what_is_no_path_is_refused_by_the_first_that_differs(C, networks, message):
    with pytest.raises(ValueError, match=message):
        checkpoints.principal(C, networks)


def test_networks_that_diverged_or_lie_on_a_line_are_refused(C, run):
    steps = [run.at(i) for i in range(4)]
    broken = jax.tree.map(lambda leaf: leaf * jnp.nan, steps[1])
    with pytest.raises(ValueError, match="step 1 of 4 is not finite"):
        checkpoints.principal(C, [steps[0], broken, *steps[2:]])
    with pytest.raises(ValueError, match="network 3 is not finite"):
        checkpoints.through(C, [*steps[:3], broken])
    straight = [jax.tree.map(lambda leaf, i=i: leaf + i, steps[0]) for i in range(4)]
    with pytest.raises(ValueError, match="do not vary along 2 directions"):
        checkpoints.principal(C, straight)
    with pytest.raises(ValueError, match="span no plane"):
        checkpoints.through(C, straight)


# what becomes of it


def test_a_journey_is_kept_in_a_file_and_goes_on_a_live_page(C, run, tmp_path):
    found = checkpoints.principal(C, run.trajectory, points=5)
    results.save(tmp_path / "journey.npz", found)
    again = results.load(tmp_path / "journey.npz")
    assert type(again) is checkpoints.Journey
    np.testing.assert_array_equal(again.coordinates, found.coordinates)
    np.testing.assert_array_equal(again.plane.values, found.plane.values)
    view = live.View(found.plane.frame, path=found.coordinates, off=found.off, costs=found.costs)
    assert live.explorer(tmp_path / "path.html", C, view, progress=False).live
