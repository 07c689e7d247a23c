"""Models of other libraries are hoisted as they are; these skip where the library is absent."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import cost, directions, slices
from jaxcost.data import Images
from jaxcost.engine import hoist

N, SIDE, CLASSES = 11, 12, 4


def linen():
    nn = pytest.importorskip("flax.linen", reason="flax is not installed")

    class CNN(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.max_pool(nn.relu(nn.Conv(4, (3, 3))(x)), (2, 2), (2, 2))
            x = nn.avg_pool(nn.relu(nn.Conv(6, (3, 3), padding="VALID")(x)), (2, 2), (2, 2))
            return nn.Dense(CLASSES)(nn.LayerNorm()(x.ravel()))

    model = CNN()
    params = model.init(jax.random.key(0), jnp.zeros((SIDE, SIDE, 1)))
    return (lambda x, p: model.apply(p, x)), params


def nnx():
    nnx = pytest.importorskip("flax.nnx", reason="flax is not installed")

    class CNN(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(1, 5, (3, 3), rngs=rngs)
            self.out = nnx.Linear(5 * (SIDE // 2) ** 2, CLASSES, rngs=rngs)

        def __call__(self, x):
            return self.out(nnx.max_pool(nnx.relu(self.conv(x)), (2, 2), (2, 2)).ravel())

    graph, state = nnx.split(CNN(nnx.Rngs(0)))
    pure = jax.tree.map(lambda leaf: leaf, state)
    return (lambda x, p: nnx.merge(graph, p)(x)), pure


def equinox():
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")
    model = eqx.nn.MLP(SIDE * SIDE, CLASSES, 16, 2, activation=jnp.tanh, key=jax.random.key(0))
    params, static = eqx.partition(model, eqx.is_array)
    return (lambda x, p: eqx.combine(p, static)(x.ravel())), params


@pytest.fixture(params=[linen, nnx, equinox], ids=lambda make: make.__name__)
def model(request):
    f, params = request.param()
    x = jax.random.normal(jax.random.key(1), (N, SIDE, SIDE, 1))
    y = jax.nn.one_hot(jnp.arange(N) % CLASSES, CLASSES)
    return cost.Cost(Images(x, y), f, cost.softmax_cross_entropy), (params,)


def test_a_plane_in_float64_is_the_plain_one(model, x64):
    C, origin = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), model)
    uv = [directions.gaussian(jax.random.key(i), origin) for i in (2, 3)]
    points = np.random.default_rng(0).normal(size=(5, 2))
    move = lambda s: jax.tree.map(lambda p, a, b: p + s[0] * a + s[1] * b, origin, *uv)
    plain = [C(*move(s)) for s in points]
    np.testing.assert_allclose(slices.evaluate(C, origin, uv, points), plain, rtol=1e-12)
    _, gradients, hessians = slices.derivatives(C, origin, uv, points[:1])
    along = lambda s: C(*move(s))
    np.testing.assert_allclose(gradients[0], jax.grad(along)(points[0]), rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(hessians[0], jax.hessian(along)(points[0]), rtol=1e-8, atol=1e-10)


def test_something_is_hoisted(model):
    C, origin = model
    u = directions.gaussian(jax.random.key(2), origin)
    coefficients, _ = jax.eval_shape(lambda: (hoist.split(C.of_one, origin, (u,), C.images)[0], 0))
    assert isinstance(coefficients, dict)  # and not the plain evaluation's own arguments
    assert any(leaf.shape[0] == 2 and leaf.shape[-1] == N for leaf in jax.tree.leaves(coefficients))


def test_directions_of_kernels_are_normalised_by_their_last_axis():
    _, params = linen()
    u = directions.filter_normalized(directions.gaussian(jax.random.key(2), params), params, axis=-1)
    for name in ("Conv_0", "Conv_1", "Dense_0"):
        of = lambda tree, name=name: np.asarray(tree["params"][name]["kernel"]).reshape(
            -1, tree["params"][name]["kernel"].shape[-1]
        )
        np.testing.assert_allclose(np.linalg.norm(of(u), axis=0), np.linalg.norm(of(params), axis=0), rtol=1e-5)
