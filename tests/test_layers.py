"""C as a function of some layers is C, and its curvature the block of theirs."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, data, descent, directions, layers, network, slices
from jaxcost.curvature import estimates, lanczos, products
from jaxcost.data import Images

SIZES = (24, 3, 4, 3)


def problem():
    keys = jax.random.split(jax.random.key(0), 3)
    images = Images(jax.random.uniform(keys[0], (11, 24)), jax.nn.one_hot(jnp.arange(11) % 3, 3))
    images, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (images, network.init(keys[1], SIZES)))
    return cost.Cost(images), params


KEPT = {
    "first weights": (lambda path: path == ".w[0]", slice(0, 72)),
    "other weights": (lambda path: path in (".w[1]", ".w[2]"), slice(72, 96)),
    "all": (lambda path: True, slice(0, 106)),
    "last layer": (lambda path: path.endswith("[2]"), np.r_[84:96, 103:106]),
}


@pytest.mark.parametrize("name", KEPT)
def test_the_curvature_of_some_layers_is_their_block(name, x64):
    C, params = problem()
    flat, unravel = ravel_pytree(params)
    H = np.asarray(jax.jit(jax.hessian(lambda p: C(*unravel(p))))(flat))
    kept, which = KEPT[name]
    block = H[which][:, which]
    own, moving = layers.only(C, params, kept)
    assert own(*moving) == C(*params)
    np.testing.assert_allclose(products.hessian(own, moving, progress=False), block, rtol=1e-11, atol=1e-14)
    vs = np.random.default_rng(0).normal(size=(3, len(block)))
    found = products.on_arrays(own, moving)[0](vs)
    np.testing.assert_allclose(found, vs @ block, rtol=1e-10, atol=1e-13)
    values = lanczos.top_eigenpairs(jax.random.key(0), own, moving, 2, tolerance=1e-9).values
    np.testing.assert_allclose(values, np.linalg.eigvalsh(block)[:-3:-1], rtol=1e-9)
    trace = estimates.trace(jax.random.key(0), own, moving, probes=50)
    assert abs(trace.value - np.trace(block)) < 4 * trace.error


def test_slices_and_descent_move_them_alone():
    C, params = cost.Cost(data.digits()[1][:50]), network.init(jax.random.key(0), (784, 4, 3, 10))
    own, moving = layers.only(C, params, lambda path: path == ".w[1]")
    (u,) = directions.random(jax.random.key(1), moving, 1)
    line = slices.line(own, moving, u, np.linspace(-1, 1, 5))
    at = lambda s: params._replace(w=(params.w[0], params.w[1] + s * u.w[1], params.w[2]))
    np.testing.assert_allclose(line.values, [C(*at(s)) for s in np.linspace(-1, 1, 5)], rtol=1e-5)
    run = descent.descend(jax.random.key(0), own, moving, optax.sgd(0.1), steps=5, every=5)
    assert run.costs[-1] < run.costs[0]
    moved = jax.tree.map(lambda before, after: bool((before != after).any()), params, run.params)
    assert moved == network.Params(w=(False, True, False), b=(False, False, False))


def test_some_of_some_are_fewer_still(x64):
    C, params = problem()
    own, moving = layers.only(*layers.only(C, params, lambda path: "w" in path), lambda path: "[1]" in path)
    assert [leaf.shape for leaf in jax.tree.leaves(moving)] == [(4, 3)]
    assert own(*moving) == C(*params)


def test_texts_keep_what_a_function_of_the_path_keeps():
    C, params = cost.Cost(data.digits()[1][:5]), network.init(jax.random.key(0), (784, 2, 10))
    _, expected = layers.only(C, params, lambda path: path in (".w[1]", ".b[1]"))
    for texts in ("[1]", ["w[1]", ".b[1]"]):
        assert jax.tree.structure(layers.only(C, params, texts)[1]) == jax.tree.structure(expected)
    with pytest.raises(ValueError, match=r"kept='w\[2\]', expected text that is in one of \.w\[0\], "):
        layers.only(C, params, "w[2]")


def test_where_none_is_kept_the_paths_are_named():
    C, params = cost.Cost(data.digits()[1][:5]), network.init(jax.random.key(0), (784, 2, 10))
    with pytest.raises(ValueError, match=r"none of \.w\[0\], \.w\[1\], \.b\[0\], \.b\[1\] is kept"):
        layers.only(C, params, lambda path: False)
