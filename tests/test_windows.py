"""Convolutions and pools of all images against those of each image by itself, as XLA has them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcost.engine import batching, windows

N = 7
CONVOLUTIONS = {
    "same": {"window_strides": (1, 1), "padding": "SAME"},
    "valid, strides": {"window_strides": (2, 3), "padding": "VALID"},
    "padded unevenly, dilated": {"window_strides": (1, 2), "padding": ((2, 0), (1, 3)), "rhs_dilation": (2, 1)},
    "cut at the edge": {"window_strides": (1, 1), "padding": ((-1, 2), (0, -1))},
    "channels first": {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": ("NCHW", "OIHW", "NCHW")},
    "channels elsewhere": {"window_strides": (1, 1), "padding": "SAME", "dimension_numbers": ("HNWC", "IHOW", "WCHN")},
}
POOLS = {
    "halves": ((1, 2, 2, 1), (1, 2, 2, 1), "VALID", {}),
    "overlapping, padded": ((1, 3, 2, 1), (1, 2, 1, 1), "SAME", {}),
    "dilated": ((1, 2, 2, 1), (1, 1, 2, 1), ((0, 0), (1, 0), (2, 1), (0, 0)), {"window_dilation": (1, 2, 3, 1)}),
}


@pytest.fixture(autouse=True)
def sliced(monkeypatch):
    """On any version of jax."""
    monkeypatch.setattr(windows, "PAYS", True)


def at_once(f, x, *others):
    """By the operation of all images, which must not be left as it is."""
    eqn = next(e for e in jax.make_jaxpr(f)(x[0], *others).eqns if e.primitive.name.startswith(("conv_", "reduce_w")))
    arguments, axes = [jnp.moveaxis(x, 0, -1), *others], [-1, *(None,) * len(others)]
    assert windows.pays(eqn, axes)
    (found,) = batching.on_all_images(eqn, arguments, axes)
    return jnp.moveaxis(found, -1, 0)


def shape(spec, sizes):
    return tuple(sizes[letter] for letter in spec)


@pytest.mark.parametrize("name", CONVOLUTIONS)
def test_a_convolution_is_that_of_each_image(name):
    options = {"dimension_numbers": ("NHWC", "HWIO", "NHWC")} | CONVOLUTIONS[name]
    of, by, _ = options["dimension_numbers"]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, *shape(of, {"N": 2, "H": 9, "W": 8, "C": 3}))).astype(np.float32)
    kernel = rng.normal(size=shape(by, {"H": 3, "W": 2, "I": 3, "O": 5})).astype(np.float32)
    f = lambda x, kernel: lax.conv_general_dilated(x, kernel, precision="highest", **options)
    each = jnp.stack([f(one, kernel) for one in x])
    np.testing.assert_allclose(at_once(f, x, kernel), each, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.int32])
@pytest.mark.parametrize("combine", [lax.max, lax.min, lax.add], ids=["max", "min", "sum"])
@pytest.mark.parametrize("name", POOLS)
def test_a_pool_is_that_of_each_image(name, combine, kind):
    window, strides, padding, options = POOLS[name]
    x = (10 * np.random.default_rng(0).normal(size=(N, 2, 9, 8, 3))).astype(kind)
    limits = (-np.inf, np.inf) if kind == np.float32 else (np.iinfo(kind).min, np.iinfo(kind).max)
    start = kind({lax.max: limits[0], lax.min: limits[1], lax.add: 0}[combine])
    f = lambda x: lax.reduce_window(x, start, combine, window, strides, padding, **options)
    np.testing.assert_allclose(at_once(f, x), jnp.stack([f(one) for one in x]), rtol=1e-6, atol=1e-5)


def test_what_it_does_not_know_is_left_as_it_is():
    x, kernel = jnp.ones((4, 4, 4)), jnp.ones((3, 3, 1, 4))
    spec = ("NHWC", "HWIO", "NHWC")
    groups = lambda x, k: lax.conv_general_dilated(
        x[None], k, (1, 1), "SAME", dimension_numbers=spec, feature_group_count=4
    )
    spread = lambda x, k: lax.conv_general_dilated(
        x[None, ..., :1], k, (1, 1), ((1, 1), (1, 1)), dimension_numbers=spec, lhs_dilation=(2, 2)
    )
    for f in (groups, spread):
        eqn = next(e for e in jax.make_jaxpr(f)(x, kernel).eqns if e.primitive.name == "conv_general_dilated")
        assert not windows.pays(eqn, [-1, None])
    assert not windows.pays(jax.make_jaxpr(jnp.sin)(x).eqns[0], [-1])
