"""What leaves a network as it is leaves what it should: shuffles of hidden neurons, rescaled ReLU neurons."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import cost, directions, losses, network, slices
from jaxcost.curvature import lanczos, products
from jaxcost.data import Images

SIZES, N = (24, 5, 4, 3), 20
SHUFFLES = 100


def problem(f=network.feedforward, loss=losses.quadratic):
    keys = jax.random.split(jax.random.key(0), 2)
    images = Images(jax.random.uniform(keys[0], (N, 24)), jax.nn.one_hot(jnp.arange(N) % 3, 3))
    double = lambda tree: jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), tree)
    return cost.Cost(double(images), f, loss), double(network.init(keys[1], SIZES, scale=lambda n: n**-0.5))


def shuffled(params, rng):
    """The same network, its hidden neurons in another order."""
    w, b = list(params.w), list(params.b)
    for layer in range(len(w) - 1):
        order = rng.permutation(len(b[layer]))
        w[layer], b[layer], w[layer + 1] = w[layer][order], b[layer][order], w[layer + 1][:, order]
    return network.Params(tuple(w), tuple(b))


def rescaled(tree, a):
    """Weights and biases into each first hidden neuron times its own a, weights out of it by 1 / a."""
    w, b = tree
    return network.Params((w[0] * a[:, None], w[1] / a[None], *w[2:]), (b[0] * a, *b[1:]))


def test_shuffled_neurons_change_neither_the_cost_nor_the_spectrum(x64):
    C, params = problem()
    rng, before = np.random.default_rng(0), C.per_image(*params)
    values = np.linalg.eigvalsh(products.hessian(C, params, progress=False))
    for i in range(SHUFFLES):
        moved = shuffled(params, rng)
        np.testing.assert_allclose(C.per_image(*moved), before, rtol=1e-13)
        if i < 3:
            H = products.hessian(C, moved, progress=False)
            np.testing.assert_allclose(np.linalg.eigvalsh(H), values, atol=1e-13 * np.abs(values).max())
    found = lanczos.top_eigenpairs(jax.random.key(0), C, moved, 3, tolerance=1e-9).values
    np.testing.assert_allclose(found, values[:-4:-1], rtol=1e-9)


@pytest.mark.parametrize("whole", [products.hessian, products.ggn])
def test_rescaled_relu_neurons_stretch_the_curvature(whole, x64):
    C, params = problem(network.mlp(jax.nn.relu), losses.softmax_cross_entropy)
    a = np.array([100.0, 0.01, 3.0, 1.0, 0.3])
    moved = rescaled(params, a)
    np.testing.assert_allclose(C.per_image(*moved), C.per_image(*params), rtol=1e-12)
    A, B = (whole(C, one, progress=False) for one in (params, moved))
    ones = jax.tree.map(jnp.ones_like, params)
    stretch = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(rescaled(ones, a))])
    np.testing.assert_allclose(B * np.outer(stretch, stretch), A, atol=1e-11 * np.abs(A).max())
    highest = np.linalg.eigvalsh(A)[-1], np.linalg.eigvalsh(B)[-1]
    assert highest[1] > 100 * highest[0]  # the network is the same: sharpness is not of it alone


def test_a_filter_normalised_slice_is_that_of_the_rescaled_relu_network_and_a_raw_one_is_not(x64):
    """A whole layer by one factor, as in Dinh et al. 2017; of sigmoid neurons none of this holds."""
    C, params = problem(network.mlp(jax.nn.relu))
    moved, axis = rescaled(params, np.full(5, 8.0)), np.linspace(-1, 1, 9)
    draw = lambda origin, **how: directions.random(jax.random.key(1), origin, 1, **how)[0]
    values = lambda origin, d: slices.line(C, origin, d, axis, progress=False).values
    np.testing.assert_allclose(values(moved, draw(moved)), values(params, draw(params)), rtol=1e-10)
    raw = draw(params, normalize=None)
    assert np.abs(values(moved, raw) - values(params, raw)).max() > 0.01
    sigmoid, _ = problem()
    assert abs(float(sigmoid(*moved)) - float(sigmoid(*params))) > 1e-3
