"""What the scripts about curvature compute and judge, against dense matrices in numpy and results made by hand."""

import importlib
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, network
from jaxcost.data import Images

sys.path[:0] = [str(Path(__file__).parents[1] / "experiments")]
spectrum, outliers, eigen_planes, sharp_and_flat = map(
    importlib.import_module, ("spectrum", "outliers", "eigen_planes", "sharp_and_flat")
)
RNG = np.random.default_rng(0)
N, PIXELS, CLASSES = 9, 24, 3  # fewer images than pixels: they span nine directions


def problem():
    labels = RNG.permutation(np.arange(N) % CLASSES)
    images = Images(*(jnp.asarray(a, jnp.float32) for a in (RNG.uniform(size=(N, PIXELS)), np.eye(CLASSES)[labels])))
    return images, network.init(jax.random.key(0), (PIXELS, 4, CLASSES))


def parts(images, params):
    """H and G by autodiff in float64, and the outputs' derivatives of each image, `[n, classes, parameters]`."""
    with jax.enable_x64(True):
        flat, unravel = ravel_pytree(jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params))
        x, y = (np.asarray(a, np.float64) for a in (images.x, images.y))

        def outputs(flat):
            a = x
            for w, b in zip(*unravel(flat), strict=True):
                a = 1 / (1 + jnp.exp(-(a @ w.T + b[None])))
            return a

        H = np.asarray(jax.hessian(lambda flat: ((outputs(flat) - y) ** 2).sum(1).mean())(flat))
        J = np.asarray(jax.jacobian(outputs)(flat))
    return H, 2 * np.einsum("nip,niq->pq", J, J) / len(x), J


@pytest.mark.slow
def test_the_spectra_are_those_of_the_dense_matrices_and_as_many_zeros_as_the_images_leave():
    images, params = problem()
    H, G, _ = parts(images, params)
    found = spectrum.spectrum(images, params)
    assert found.parameters == len(H)
    unseen = 4 * (PIXELS - N)
    for part, A in zip(spectrum.PARTS, (H, G, H - G), strict=True):
        assert len(found.values[part]) == len(H) - unseen
        whole = np.sort(np.append(found.values[part], np.zeros(unseen)))
        np.testing.assert_allclose(whole, np.linalg.eigvalsh(A), atol=1e-6 * np.abs(H).max())
    values = np.linalg.eigvalsh(H)
    assert spectrum.near_zero(found) == (np.abs(values) < 0.01 * np.abs(values).max()).sum()
    assert spectrum.above(found) == (values > np.linalg.eigvalsh(H - G)[-1]).sum()


@pytest.mark.parametrize(
    ("near", "expected"),
    [(lambda n: n - 20, "holds holds"), (lambda n: n // 2, "not holds"), (lambda n: 20, "not not")],
)
def test_a_bulk_is_near_zero_and_grows_or_is_not_confirmed(near, expected):
    def of(n):
        H = np.sort(np.append(np.linspace(-0.01, 0.01, near(n)), np.linspace(1, 2, n - near(n))))
        return spectrum.Spectrum(0.1, n, {"H": H, "G": 2 * H, "H - G": np.linspace(-1, 1, n)})

    result = spectrum.Result(5, {"trained": of(400)}, {"2": of(50), "4": of(120)})
    assert [line.split()[0] for line in spectrum.verdicts(result)] == [*expected.split(), "not"]


@pytest.mark.slow
def test_class_means_are_those_of_the_outputs_derivatives():
    images, params = problem()
    H, G, J = parts(images, params)
    y = np.asarray(images.y)
    means = [J[y[:, c] == 1].mean(0) for c in range(CLASSES)]
    part = sum(2 * y[:, c].mean() * m.T @ m for c, m in enumerate(means))
    M = outliers.class_means(cost.Cost(images), params)
    assert M.shape == (CLASSES**2, len(H))
    np.testing.assert_allclose(M.T @ M, part, atol=1e-6 * np.abs(part).max())
    values, errors, nulls = outliers.highest(jax.random.key(0), images, params, 4)
    expected = np.linalg.eigvalsh(H)[:-5:-1]
    assert (np.abs(values - expected) < 0.01 * expected + errors).all()
    np.testing.assert_allclose(nulls, [np.linalg.eigvalsh(A)[-1] for A in (H - G, H - part)], rtol=0.01)


@pytest.mark.parametrize(("more", "expected"), [(0, "holds"), (-1, "holds"), (3, "not")])
def test_outliers_are_counted_above_each_null_and_as_many_as_classes_are_told_from_others(more, expected):
    classes = np.arange(4, 8)
    values = np.array([[[9.0] * (c + more) + [1.0] * (20 - c - more)] * 3 for c in classes])
    nulls = np.full((4, 3, 2), 2.0)
    nulls[..., 1] = 10
    stage = outliers.Outliers(values, 0 * values, nulls)
    assert outliers.counts(stage)[..., 0].tolist() == [[c + more] * 3 for c in classes]
    assert not outliers.counts(stage)[..., 1].any()
    lines = outliers.verdicts(outliers.Result(5, classes, {"trained": stage}))
    assert [line.split()[0] for line in lines] == [expected, "holds", "not", "not"]


def test_what_a_plane_holds_and_shows_is_what_its_definitions_say():
    coordinates, off = np.array([[3.0, 4.0], [0.0, 0.0]]), np.array([12.0, 0.0])
    plane = eigen_planes.Plane(None, None, coordinates, off, np.array([0.9, 0.1]), np.ones(2), np.ones(3))
    result = eigen_planes.Result(np.array([2.1, 0.1]), np.ones(3), {}, *[None] * 6)
    assert eigen_planes.held(plane) == pytest.approx(25 / 169)
    assert eigen_planes.fall(result, plane) == pytest.approx(0.4)


def test_the_first_record_below_the_target_is_found_or_the_last_one():
    assert sharp_and_flat.first_at(np.array([3.0, 1.0, 0.5, 0.7]), 1.0) == 1
    assert sharp_and_flat.first_at(np.array([3.0, 2.0]), 1.0) == 1
