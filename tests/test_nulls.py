"""A bowl comes out as a bowl, a random surface as a random surface, and p-values are what they say."""

import functools
from types import SimpleNamespace

import jax
import numpy as np
import pytest
from scipy import stats

from jaxcost.measures import bumpiness, nulls


def slice_of(values, floor=0.0, half_width=1.0):
    values = np.asarray(values)
    axes = tuple(np.linspace(-half_width, half_width, n) for n in values.shape)
    return SimpleNamespace(axes=axes, values=values, floor=floor)


def waves(shape, seed=0, power=2.0):
    """A Gaussian random field: cosines of random phases and amplitudes that fall as a power of the frequency."""
    random = np.random.default_rng(seed)
    s = np.stack(np.meshgrid(*[np.linspace(0, 1, n) for n in shape], indexing="ij"))
    values = np.zeros(shape)
    for _ in range(200):
        frequency = random.normal(size=len(shape)) * 6
        size = random.normal() / (1 + frequency @ frequency) ** (power / 2)
        values += size * np.cos(2 * np.pi * np.tensordot(frequency, s, 1) + random.uniform(0, 2 * np.pi))
    return values


def cosines(n):
    """The orthonormal DCT-II as a matrix, by its definition."""
    k, i = np.indices((n, n))
    matrix = np.cos(np.pi * k * (2 * i + 1) / (2 * n)) * np.sqrt(2 / n)
    matrix[0] /= np.sqrt(2)
    return matrix


def quadratic_part(axes, values):
    """The least-squares polynomial of degree 2, by the pseudoinverse."""
    grids = np.meshgrid(*axes, indexing="ij")
    rows = [np.ones_like(values), *grids, *[a * b for i, a in enumerate(grids) for b in grids[i:]]]
    matrix = np.stack([row.ravel() for row in rows], 1)
    return (matrix @ np.linalg.pinv(matrix) @ values.ravel()).reshape(values.shape)


# the quadratic


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_quadratic_has_the_value_the_gradient_and_the_hessian(k):
    random = np.random.default_rng(k)
    there = slice_of(np.zeros((5, 6, 7)[:k]), half_width=3.0)
    value, g, H = random.normal(), random.normal(size=k), random.normal(size=(k, k))
    H = H + H.T
    found = nulls.quadratic(jax.random.key(0), there, value, g, H)
    for i in np.ndindex(found.shape):
        s = np.array([axis[j] for axis, j in zip(there.axes, i, strict=True)])
        assert found[i] == pytest.approx(value + g @ s + s @ H @ s / 2, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_it_is_rounded_as_the_values_are(kind):
    there = slice_of(np.zeros((7, 9), kind))
    found = nulls.quadratic(jax.random.key(0), there, np.float32(0.1), np.ones(2, kind), np.eye(2, dtype=kind) / 3)
    assert found.dtype == kind
    assert found.shape == (7, 9)


def test_its_noise_is_normal_and_an_eighth_of_the_floor():
    there = slice_of(np.zeros((100, 100)), floor=0.4)
    args = 2.0, np.array([1.0, -1.0]), np.eye(2)
    noise = nulls.quadratic(jax.random.key(1), there, *args) - nulls.quadratic(
        jax.random.key(2), slice_of(there.values), *args
    )
    assert noise.std() == pytest.approx(0.05, rel=0.03)
    assert abs(noise.mean()) < 4 * 0.05 / 100
    assert stats.kstest(noise.ravel() / 0.05, "norm").pvalue > 1e-3
    again, other = (nulls.quadratic(jax.random.key(i), there, *args) for i in (1, 3))
    np.testing.assert_array_equal(again, nulls.quadratic(jax.random.key(1), there, *args))
    assert np.corrcoef((again - other).ravel(), noise.ravel())[0, 1] == pytest.approx(0.5**0.5, abs=0.05)


# random fields


@pytest.mark.parametrize("shape", [(48,), (9, 12), (4, 5, 6)])
def test_the_fields_are_about_the_quadratic_and_have_the_variance_of_the_rest_under_the_window(shape):
    there = slice_of(waves(shape) + sum(np.indices(shape)) / 10, half_width=2.0)
    smooth = quadratic_part(there.axes, there.values)
    found = nulls.fields(jax.random.key(0), there, 400)
    assert found.shape == (400, *shape)
    window = functools.reduce(np.multiply, np.ix_(*[np.sin(np.pi * np.arange(n) / n) ** 2 for n in shape]))
    variance = np.average((there.values - smooth) ** 2, weights=window**2)  # Parseval
    np.testing.assert_allclose(np.mean((found - smooth) ** 2), variance, rtol=0.15)
    spread = found.std(0) / np.sqrt(400)
    assert (np.abs(found.mean(0) - smooth) < 5 * spread).all()
    middle = tuple(n // 2 for n in shape)
    assert stats.kstest(stats.zscore(found[(slice(None), *middle)]), "norm").pvalue > 1e-3


@pytest.mark.parametrize("cycles", [6, 15])
def test_the_fields_of_a_wave_are_waves_as_long(cycles):
    x = np.linspace(0, 1, 120, endpoint=False)
    found = nulls.fields(jax.random.key(0), slice_of(np.cos(2 * np.pi * cycles * x + 1)), 200)
    power = np.mean(np.abs(np.fft.rfft(found * np.hanning(120))) ** 2, 0)
    assert power.argmax() == cycles
    assert power[cycles - 4 : cycles + 5].sum() > 0.95 * power.sum()


def test_a_quadratic_has_itself_for_a_field_and_the_key_decides():
    a, b = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 11), indexing="ij")
    bowl = slice_of(3 + a - b + a**2 - 4 * a * b)
    np.testing.assert_allclose(nulls.fields(jax.random.key(0), bowl, 3), [bowl.values] * 3, atol=1e-12)
    there = slice_of(waves((9, 11)))
    first, again, other = (nulls.fields(jax.random.key(i), there, 2) for i in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).min() > 0
    assert np.abs(first[0] - first[1]).max() > 0.1 * np.ptp(there.values)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_has_no_spectrum(bad):
    values = waves((5, 8))
    values[1, 2] = values[3, 3] = bad
    with pytest.raises(ValueError, match="2 of 40 values are not finite"):
        nulls.fields(jax.random.key(0), slice_of(values), 2)
    with pytest.raises(ValueError, match="2 of 40 values are not finite"):
        nulls.compare(jax.random.key(0), slice_of(values), (0.0, np.zeros(2), np.eye(2)), draws=2)


# p-values


@pytest.mark.parametrize("draws", [9, 99])
def test_p_is_uniform_under_the_null(draws):
    random = np.random.default_rng(0)
    p = np.array([nulls.p_value(x[0], x[1:]) for x in random.normal(size=(4000, draws + 1))])
    step = 2 / (draws + 1)
    assert set(np.round(p / step, 9)) == set(range(1, (draws + 1) // 2 + 1))  # 2, 4, ... of 100
    assert stats.kstest(p - step * random.uniform(size=len(p)), "uniform").pvalue > 1e-3
    for alpha in (step, 0.2, 0.5):
        assert np.mean(p <= alpha + 1e-12) <= alpha + 4 * np.sqrt(alpha / len(p))


def test_p_with_ties_is_never_too_small():
    random = np.random.default_rng(1)
    p = np.array([nulls.p_value(x[0], x[1:]) for x in random.poisson(0.7, size=(4000, 40))])
    for alpha in (0.05, 0.1, 0.2, 0.5):
        assert np.mean(p <= alpha) <= alpha + 4 * np.sqrt(alpha / len(p))


def test_p_at_its_ends():
    null = np.arange(99.0)
    assert nulls.p_value(1e9, null) == nulls.p_value(-1e9, null) == pytest.approx(0.02)
    assert nulls.p_value(49.0, null) == 1
    assert nulls.p_value(3.0, np.full(50, 3.0)) == 1
    assert nulls.p_value(0.0, np.zeros(50)) == 1
    assert nulls.p_value(98.0, null) == pytest.approx(2 * 2 / 100)  # the tie counts as beyond
    assert nulls.p_value(np.inf, null) == pytest.approx(0.02)
    assert nulls.p_value(np.inf, np.full(9, np.inf)) == 1


def test_p_leaves_out_what_is_unknown():
    null = np.array([np.nan, *np.arange(9.0), np.nan])
    assert nulls.p_value(100.0, null) == pytest.approx(0.2)
    assert np.isnan(nulls.p_value(np.nan, null))
    assert np.isnan(nulls.p_value(1.0, np.full(3, np.nan)))
    assert np.isnan(nulls.p_value(1.0, np.array([])))


def test_p_has_no_side_and_no_unit():
    random = np.random.default_rng(2)
    for x in random.normal(size=(50, 30)):
        p = nulls.p_value(x[0], x[1:])
        assert p == nulls.p_value(-x[0], -x[1:]) == nulls.p_value(7 * x[0] + 1, 7 * x[1:] + 1)


# all measures beside their nulls


FROM_VALUES = [name for name in bumpiness.Measures._fields[: bumpiness.Measures._fields.index("chebyshev")]]
REST = [name for name in bumpiness.Measures._fields if name not in FROM_VALUES]


def test_compare_measures_the_slice_its_quadratic_and_its_fields():
    there = slice_of(waves((17, 15), seed=1), floor=1e-4)
    derivatives = 0.3, np.array([0.1, 0.2]), np.array([[2.0, 0.3], [0.3, 1.0]])
    key = jax.random.key(5)
    found = nulls.compare(key, there, derivatives, draws=9)
    of = lambda values: bumpiness.measure(there.axes, values, there.floor)
    np.testing.assert_equal(found.measures, of(there.values))
    exact = slice_of(there.values, 0.0)
    plain = of(nulls.quadratic(key, exact, *derivatives))
    assert found.quadratic.minima == plain.minima == 1
    assert found.quadratic.total_variation == pytest.approx(plain.total_variation, rel=1e-2)
    for name in FROM_VALUES:
        drawn = getattr(found.fields, name)
        assert drawn.shape == (9,)
        assert getattr(found.p, name) == nulls.p_value(getattr(found.measures, name), drawn)
        assert 0 < getattr(found.p, name) <= 1
    assert len(set(found.fields.total_variation)) == 9  # each another field
    assert all(np.isnan(getattr(found.p, name)) and np.isnan(getattr(found.measures, name)) for name in REST)
    np.testing.assert_equal(nulls.compare(key, there, derivatives, draws=9), found)


def small_p(field, shape, slices, draws):
    """For each measure the share of slices, each a draw of a field, whose p is at most a tenth."""
    small = []
    for seed in range(slices):
        there = slice_of(field(shape, seed), floor=1e-6)
        found = nulls.compare(jax.random.key(seed), there, (0.0, np.zeros(len(shape)), np.eye(len(shape))), draws)
        small.append([getattr(found.p, name) <= 0.1 for name in FROM_VALUES])
    return dict(zip(FROM_VALUES, np.mean(small, 0).tolist(), strict=True))


def mirrored(shape, seed):
    """A Gaussian random field that goes on beyond its edges as in a mirror: cosines of normal amplitudes."""
    k = np.linalg.norm(np.indices(shape), axis=0)
    field = np.random.default_rng(seed).normal(size=shape) / (1 + (k / 4) ** 4)
    for axis, n in enumerate(shape):
        field = np.moveaxis(np.tensordot(cosines(n).T, field, (1, axis)), 0, axis)
    return field


BIASED = pytest.mark.xfail(reason="a small plane holds a wave or two, which the window blurs: its fields are too rough")


@pytest.mark.parametrize(("shape", "slices"), [((101,), 25), pytest.param((13, 14), 8, marks=BIASED)])
def test_a_gaussian_field_is_seldom_far_out_among_its_own_kind(shape, slices):
    share = small_p(mirrored, shape, slices, draws=39)
    assert np.mean(list(share.values())) < 0.2, share
    assert max(share.values()) < 0.5, share


def test_what_no_gaussian_field_has_is_told_apart():
    """One narrow dent on a parabola: its spectrum is broad, and fields of that are bumpy all over."""
    x = np.linspace(-1, 1, 201)
    there = slice_of(x**2 - 0.5 * np.exp(-(((x - 0.4) / 0.02) ** 2)), floor=1e-6)
    found = nulls.compare(jax.random.key(0), there, (0.0, np.zeros(1), 2 * np.eye(1)))
    assert found.measures.minima == 2
    assert found.p.minima == pytest.approx(0.02)
    assert np.median(found.fields.minima) > 10


@pytest.mark.parametrize(("shape", "bowls"), [((101,), 60), ((13, 13), 25)])
def test_a_bowl_comes_out_as_a_bowl_without_a_bump(shape, bowls):
    k = len(shape)
    inside = 0
    for seed in range(bowls):
        random = np.random.default_rng(seed)
        turn = np.linalg.qr(random.normal(size=(k, k)))[0]
        H = turn @ np.diag(10 ** random.uniform(-0.5, 0.5, k)) @ turn.T * 10 ** random.uniform(-6, 1)
        bottom = random.uniform(-1.3, 1.3, k)
        s = np.stack(np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij"), -1) - bottom
        values = 1 + np.einsum("...i,ij,...j->...", s, H, s) / 2
        floor = 2 * np.finfo(np.float32).eps * values.max()
        noise = random.normal(size=shape) * floor / 8
        there = slice_of((values + noise).astype(np.float32), floor)
        found = nulls.compare(jax.random.key(seed), there, (1 + bottom @ H @ bottom / 2, -H @ bottom, H), draws=2)
        true = bumpiness.local_minima(values).count
        assert true <= 1
        assert found.quadratic.minima <= true
        assert found.measures.minima <= true
        if np.ptp(values) > 1e3 * floor:
            assert found.quadratic.bowl > 0.999
            inside += found.quadratic.minima
    assert inside > bowls / 4
