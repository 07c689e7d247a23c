"""Blocks see each image once where it counts, and little memory; against numpy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import devices
from jaxcost.engine import blocks

SIZES = [(1, 1), (1, 9), (2, 1), (5, 2), (7, 7), (7, 8), (10, 9), (12, 4), (37, 10)]


def images(n):
    x = np.random.default_rng(n).integers(-50, 50, (n, 3)).astype(np.float32)  # whole numbers: sums are exact
    return {"x": jnp.asarray(x), "place": jnp.arange(n)}


@pytest.mark.parametrize(("n", "size"), SIZES)
def test_each_image_counts_once_in_blocks_of_the_size_asked_and_results_are_numpys(n, size):
    data, seen = images(n), []

    def f(block, new, twice):
        seen.append(len(new))
        counted = jnp.zeros(n, int).at[block["place"]].add(new)
        return counted, jnp.where(new[:, None], twice * block["x"], 0).sum(0), block["x"] ** 2

    @jax.jit
    def all_blocks(data):
        counted, sums, squares = blocks.over_blocks(f, data, None, size, jnp.float32(2))
        return counted, sums, blocks.in_order(squares, data, None)

    counted, sums, squares = all_blocks(data)
    np.testing.assert_array_equal(np.asarray(counted).sum(0), np.ones(n))
    assert max(seen) <= size
    assert len(counted) == -(-n // size)
    x = np.asarray(data["x"])
    np.testing.assert_array_equal(np.asarray(sums).sum(0), 2 * x.sum(0))
    np.testing.assert_array_equal(squares, x**2)
    assert blocks.own_images(n, None) is None


@pytest.mark.parametrize(("n", "size"), [(5, 9), (10, 3), (12, 4)])
def test_points_are_handed_on_whole(n, size):
    data, points = images(n), jnp.arange(4.0)
    f = lambda block, new, a, points: a + points * jnp.where(new, block["x"][:, 0], 0).sum()
    stacked = blocks.over_blocks(f, data, None, size, jnp.float32(0), points)
    np.testing.assert_array_equal(np.asarray(stacked).sum(0), np.arange(4) * np.asarray(data["x"])[:, 0].sum())


@pytest.mark.parametrize(("n", "size"), [(7, 7), (10, 3)])
def test_gradients_go_through_blocks(n, size, x64):
    x = np.random.default_rng(0).normal(size=(n, 3))

    def total(a):
        block = lambda block, new, a: jnp.where(new, jnp.tanh(block @ a), 0).sum()
        return blocks.over_blocks(block, jnp.asarray(x), None, size, a).sum()

    a = np.array([0.3, -0.2, 0.7])
    t = np.tanh(x @ a)
    np.testing.assert_allclose(jax.jit(jax.grad(total))(a), (1 - t**2) @ x, rtol=1e-12)
    hessian = (x.T * (-2 * t * (1 - t**2))) @ x
    np.testing.assert_allclose(jax.jit(jax.hessian(total))(a), hessian, rtol=1e-10, atol=1e-12)


def test_a_gradient_keeps_one_blocks_intermediates_not_all():
    def temporary(size):
        block = lambda block, new, a: jnp.where(new, jnp.tanh(block @ a).sum(-1), 0).sum()
        total = lambda a, x: blocks.over_blocks(block, x, None, size, a).sum()
        shapes = jnp.zeros((4, 64)), jnp.zeros((8192, 4))
        return jax.jit(jax.grad(total)).lower(*shapes).compile().memory_analysis().temp_size_in_bytes

    assert temporary(8192) >= 8192 * 64 * 4  # all images, 64 numbers each
    assert temporary(128) < temporary(8192) / 10


@pytest.mark.parametrize("counts", [(4,), (3, 2, 1), (1, 0, 2)])
def test_copies_that_fill_up_a_part_are_not_its_own(counts):
    length, parts = max(counts), len(counts)
    is_own = np.arange(length) < np.array(counts)[:, None]
    np.testing.assert_array_equal(
        blocks.own_images(length * parts, blocks.Spread(None, counts)), np.flatnonzero(is_own)
    )


@pytest.mark.parametrize("m", [1, 2, 3, 8])
def test_devices_share_out_what_need_not_divide_among_them(m):
    """On two devices, and on none: the rows of numpy, whole on every device."""
    rows, shared = np.arange(3.0 * m, dtype=np.float32).reshape(m, 3), np.float32([1, 2, 3])
    lengths = []

    def f(factor, rows):
        lengths.append(len(rows))
        return {"products": rows * factor[None], "sums": rows.sum(1)}

    for mesh in (None, devices.mesh(2), devices.mesh(1, 2)):
        found = jax.jit(lambda shared, rows, mesh=mesh: blocks.split_over(mesh, f, (shared,), (rows,)))(shared, rows)
        np.testing.assert_array_equal(found["products"], rows * shared)
        np.testing.assert_array_equal(found["sums"], rows.sum(1))
        assert found["sums"].sharding.is_fully_replicated
    assert lengths == [m, -(-m // 2), -(-m // 2)]


@pytest.mark.parametrize(
    ("f", "numbers"),
    [
        (lambda x: jnp.sin(x) * 2, 2 * 8),
        (lambda x: jax.jit(lambda x: jnp.sin(x) * 2)(x) + x, 3 * 8),  # a jit is what it holds
        (lambda x: jnp.sin(x).sum(), 8 + 1),
        (lambda x: jax.lax.scan(lambda c, _: (jnp.sin(c) * c, None), x, None, 100)[0], 2 * 8),  # once, not 100 times
        (lambda x: jax.jit(lambda x: jax.lax.scan(lambda c, _: (jnp.sin(c), None), x, None, 9)[0])(x) * x, 2 * 8),
    ],
)
def test_bytes_made_are_those_of_every_result_of_the_innermost_equations(f, numbers):
    assert blocks.bytes_made(jax.make_jaxpr(f)(jnp.zeros(8)).jaxpr) == 4 * numbers


def test_bytes_made_count_the_type_and_are_never_nothing(x64):
    double = lambda dtype: blocks.bytes_made(jax.make_jaxpr(lambda x: x + x)(jnp.zeros(8, dtype)).jaxpr)
    assert (double(jnp.float64), double(jnp.float32), double(jnp.int8)) == (64, 32, 8)
    assert blocks.bytes_made(jax.make_jaxpr(lambda x: x)(1.0).jaxpr) == 1
