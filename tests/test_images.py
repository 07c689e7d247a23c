"""What is of the images: others drawn anew, classes, and depths with their errors, against sums in numpy."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxcost import cost, directions, network, slices, statistics
from jaxcost.data import Images
from jaxcost.engine import means, sweep
from jaxcost.measures import bumpiness, images, minima

SIZES = (12, 6, 4)
KEYS = jax.random.split(jax.random.key(1), 4)


def problem(n=37, seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (n,), 0, SIZES[-1]), SIZES[-1])
    return cost.Cost(Images(jax.random.uniform(keys[0], (n, SIZES[0])), y)), network.init(keys[2], SIZES)


# other images


@pytest.fixture(scope="module")
def plane():
    C, params = problem(n=150)
    axis = np.linspace(-1, 1, 9)  # 81 points: more than ROWS
    u, v = directions.random(KEYS[0], params, 2)
    return slices.plane(C, params, u, v, axis, axis, per_image=True, per_class=True)


def test_a_bootstrap_is_the_mean_over_images_drawn_with_replacement(plane, monkeypatch):
    def never(*arguments, **options):
        raise AssertionError("a network was evaluated")

    for module, name in ((sweep, "over_points"), (sweep, "over_frames"), (sweep, "compiled"), (means, "total")):
        monkeypatch.setattr(module, name, never)
    key, draws = jax.random.key(3), 12
    found = images.bootstrap(key, plane, draws)
    assert found.values.shape == (draws, 9, 9)
    for one, values in zip(jax.random.split(key, draws), found.values, strict=True):
        chosen = np.asarray(jax.random.randint(one, (150,), 0, 150))
        np.testing.assert_allclose(values, plane.per_image[..., chosen].astype(np.float64).mean(-1), rtol=1e-12)
    assert found.floor == pytest.approx(plane.floor * 2**0.5)
    assert found.axes is plane.axes


def test_its_mean_is_the_slice_and_its_spread_the_standard_error(plane):
    draws = 2000
    values = images.bootstrap(jax.random.key(4), plane, draws).values
    error = plane.standard_error * np.sqrt(149 / 150)  # the bootstrap divides by n
    assert (np.abs(values.mean(0) - plane.values) < 5 * error / np.sqrt(draws)).all()
    np.testing.assert_allclose(values.std(0), error, rtol=5 / np.sqrt(2 * draws))
    away = (values - plane.values) / error
    assert stats.kstest(away[:, 0, 0], "norm").pvalue > 1e-3  # and normal, for so many images
    together = np.corrcoef(away[:, 4, 4], away[:, 4, 5])[0, 1]
    by_image = plane.per_image.astype(np.float64)
    assert together == pytest.approx(np.corrcoef(by_image[4, 4], by_image[4, 5])[0, 1], abs=0.05)  # one draw a surface


def test_a_bootstrap_of_a_line_and_of_one_image():
    C, params = problem(n=1)
    line = slices.line(C, params, params, [0.0, 1.0, 2.0], per_image=True)
    again = images.bootstrap(jax.random.key(0), line, 5)
    np.testing.assert_allclose(again.values, [line.values] * 5, rtol=1e-6)


def test_only_the_draws_that_have_an_image_of_infinite_cost_are_unknown():
    costs = np.arange(12, dtype=np.float32).reshape(3, 4)
    costs[1, 2] = np.inf
    line = slices.Slice((np.arange(3.0),), costs.mean(1), 0.0, np.ones(1), np.eye(1), 1, per_image=costs)
    again = images.bootstrap(jax.random.key(0), line, 2000)
    assert np.isfinite(again.values[:, [0, 2]]).all()
    assert np.isnan(again.values[:, 1]).mean() == pytest.approx(1 - 0.75**4, abs=0.04)  # the image is drawn at all
    without = again.values[~np.isnan(again.values[:, 1])]
    np.testing.assert_allclose(without[:, 1] - without[:, 0], 4)  # the other three images cost 4 more at that point


def test_the_classes_are_a_population_of_one_draw_a_class(plane):
    C, _ = problem(n=150)
    found = images.by_class(plane)
    assert found.values.shape == (4, 9, 9)
    label = np.asarray(C.images.y).argmax(1)
    for i, values in enumerate(found.values):
        np.testing.assert_allclose(values, plane.per_image[..., label == i].mean(-1), rtol=1e-5)
    assert found.floor == pytest.approx(2 * plane.floor)
    assert bumpiness.measure_each(found).minima.shape == (4,)


def test_a_class_without_images_is_left_out():
    C, params = problem()
    C = cost.Cost(C.images[np.asarray(C.images.y).argmax(1) != 2])
    line = slices.line(C, params, params, np.linspace(-1, 1, 7), per_class=True)
    found = images.by_class(line)
    assert np.isnan(found.values[2]).all()
    assert statistics.summary(bumpiness.measure_each(found).total_variation).draws == 3


def test_what_a_slice_has_not_kept_is_named():
    C, params = problem()
    line = slices.line(C, params, params, [0.0, 1.0])
    with pytest.raises(ValueError, match="no per-image costs, expected one made with per_image=True"):
        images.bootstrap(jax.random.key(0), line, 5)
    with pytest.raises(ValueError, match="no per-class costs, expected one made with per_class=True"):
        images.by_class(line)


# how sure a depth is


def well(x, p):
    return (p * p - 1) ** 2 + x[0] * p


def output(a, y):
    return a


def wells(tilts):
    """Double wells, one an image, each tilted by its own number: a line whose two minima have known depths by image."""
    x = jnp.asarray(tilts, jnp.float32)[:, None]
    return cost.Cost(Images(x, 0 * x), well, output)


def line_of(C):
    return slices.line(C, (jnp.zeros(()),), (jnp.ones(()),), np.linspace(-2, 2, 41))


def test_a_depth_is_the_mean_over_images_and_its_error_that_of_their_differences():
    tilts = np.random.default_rng(0).normal(0.1, 0.5, size=200)
    line = line_of(wells(tilts))
    found = minima.local_minima(line.values, line.floor)
    depths = images.depths(wells(tilts), line, found)
    np.testing.assert_allclose(depths.depths, found.depths, atol=1e-5)
    for i in range(found.count):
        bottom, over = line.alphas[found.indices[i, 0]], line.alphas[found.passes[i, 0]]
        f = lambda p: (p * p - 1) ** 2 + tilts * p
        differences = f(np.float64(over)) - f(np.float64(bottom))
        assert depths.errors[i] == pytest.approx(differences.std(ddof=1) / np.sqrt(200), rel=1e-5)
    assert depths.images == 200
    assert depths.sure().all()
    assert not depths.sure(1e3).any()


def test_the_error_is_how_far_depths_between_the_same_points_differ_from_sample_to_sample():
    random = np.random.default_rng(1)
    sample = lambda: random.normal(0.2, 1.0, size=50)
    first = sample()
    line = line_of(wells(first))
    found = minima.local_minima(line.values, line.floor)
    depths = images.depths(wells(first), line, found)
    others = np.array([images.depths(wells(sample()), line, found).depths for _ in range(200)])
    np.testing.assert_allclose(others.std(0), depths.errors, rtol=0.25)


def test_most_of_what_an_image_costs_is_in_both_and_not_counted():
    C, params = problem(n=150)
    (u,) = directions.random(KEYS[0], params)
    line = slices.line(C, params, u, np.linspace(-9, 9, 301), standard_error=True)
    found = minima.local_minima(line.values, line.floor)
    assert found.count
    depths = images.depths(C, line, found)
    unpaired = np.sqrt(2) * line.standard_error.max()
    assert (depths.errors < unpaired).all()
    assert np.isnan(images.depths(cost.Cost(C.images[:1]), line, found).errors).all()


def test_minima_of_another_grid_are_refused():
    C = wells([0.0, 0.1])
    line = line_of(C)
    with pytest.raises(ValueError, match=r"^minima of a grid \(40,\), expected those of the slice, \(41,\)$"):
        images.depths(C, line, minima.local_minima(line.values[1:]))
    with pytest.raises(ValueError, match="the slice does not know where it lies"):
        images.depths(C, line._replace(frame=None), minima.local_minima(line.values))


def test_what_is_no_slice_and_no_number_of_errors_is_refused():
    C, params = problem()
    line = slices.line(C, params, params, [0.0, 1.0], per_image=True, per_class=True)
    kinds = {"per_image": partial(images.bootstrap, jax.random.key(0), draws=2), "per_class": images.by_class}
    for name, of in kinds.items():
        with pytest.raises(ValueError, match=f"^the slice has no {name.replace('_', '-')} costs, expected"):
            of(slice_=images.by_class(line))
        with pytest.raises(ValueError, match=r"^slice_=<class .*Slice'>, expected something with axes"):
            of(slice_=slices.Slice)
        fewer = line._replace(**{name: getattr(line, name)[:1]})
        with pytest.raises(ValueError, match=rf"^the slice has {name} of shape \(1, .* for values of shape \(2,\)"):
            of(slice_=fewer)
    found = images.Depths(np.ones(3), np.ones(3), 5)
    assert found.sure(0).all()
    for errors in (-1, np.nan, True, 1j, "text", [1, 2]):
        with pytest.raises(ValueError, match=r"^errors=.*, expected a number in \[0, inf\)$"):
            found.sure(errors)
