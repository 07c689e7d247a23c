"""Networks that are the same function: renumbered neurons are found, matched, and change nothing."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

from jaxcost import cost, data, network
from jaxcost.connectivity import orbit, symmetry
from jaxcost.data import Images
from jaxcost.engine import trees

N, PIXELS = 12, 36
X = np.random.default_rng(0).uniform(size=(N, PIXELS))


def conv(x, k):
    numbers = ("NHWC", "HWIO", "NHWC")
    return jax.lax.conv_general_dilated(x, k, (1, 1), "SAME", dimension_numbers=numbers)


def plain(x, p):
    return p["out"] @ jnp.tanh(p["in"] @ x + p["b"])


def scaled(x, p):  # a norm over all neurons, a scale of each, and softmax among them
    h = jax.nn.relu(p["in"] @ x + p["b"])
    h = h / jnp.sqrt(jnp.square(h).mean() + 1) * p["s"]
    return p["out"] @ (h * jax.nn.softmax(h))


def residual(x, p):  # a skip ties two layers
    h = jax.nn.sigmoid(p["in"] @ x)
    return p["out"] @ (h + jnp.tanh(p["mid"] @ h))


def convolved(x, p):
    y = jax.nn.relu(conv(x.reshape(1, 6, 6, 1), p["k"]) + p["b"][None, None, None])
    y = jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    return p["out"] @ jax.nn.relu(conv(y, p["k2"])).mean((0, 1, 2))


def flattened(x, p):  # places and channels become one axis, which this kit does not take apart again
    return p["out"] @ jax.nn.relu(conv(x.reshape(1, 6, 6, 1), p["k"])).reshape(-1)


def summed(x, p):  # in their order
    return p["out"] @ jnp.cumsum(jnp.tanh(p["in"] @ x))


def recurrent(x, p):
    h = jnp.tanh(p["in"] @ x)
    return p["out"] @ jnp.tanh(p["again"] @ jnp.tanh(p["again"] @ h))


MODELS = {  # with shapes, and the sizes of what can be renumbered
    "plain": (plain, {"in": (5, PIXELS), "b": (5,), "out": (3, 5)}, [5]),
    "scaled": (scaled, {"in": (5, PIXELS), "b": (5,), "s": (5,), "out": (3, 5)}, [5]),
    "residual": (residual, {"in": (5, PIXELS), "mid": (5, 5), "out": (3, 5)}, [5]),
    "convolved": (convolved, {"k": (3, 3, 1, 6), "b": (6,), "k2": (3, 3, 6, 5), "out": (3, 5)}, [6, 5]),
    "flattened": (flattened, {"k": (3, 3, 1, 6), "out": (3, 216)}, []),
    "in order": (summed, {"in": (5, PIXELS), "out": (3, 5)}, []),
    "recurrent": (recurrent, {"in": (4, PIXELS), "again": (4, 4), "out": (3, 4)}, [4]),
}


def problem(name, seed=0):
    f, shapes, sizes = MODELS[name]
    rng = np.random.default_rng(seed)
    params = ({key: jnp.asarray(rng.normal(size=shape)) for key, shape in shapes.items()},)
    return cost.Cost(Images(jnp.asarray(X), jnp.asarray(np.eye(3)[np.arange(N) % 3])), f), params, sizes


@pytest.mark.parametrize("name", MODELS)
def test_what_is_found_can_be_renumbered_and_nothing_is_missed(name, x64):
    C, params, sizes = problem(name)
    layers = symmetry.table(C, params)
    assert [layer.size for layer in layers] == sizes
    if not sizes:
        with pytest.raises(ValueError, match=r"layers=.., expected a list or tuple, one or more in it"):
            symmetry.activation_matching(C, params, params)
        return
    rng = np.random.default_rng(0)
    for _ in range(10):
        moved = symmetry.permute(params, [rng.permutation(layer.size) for layer in layers], layers)
        np.testing.assert_allclose(C.per_image(*moved), C.per_image(*params), rtol=1e-12)
    for layer in layers:  # in one of its places alone they may not be
        for path, axis in layer.axes:
            some = symmetry.Layer(layer.size, ((path, axis),))
            moved = symmetry.permute(params, [np.roll(np.arange(layer.size), 1)], [some])
            assert np.abs(C.per_image(*moved) - C.per_image(*params)).max() > 1e-3


@pytest.mark.parametrize("name", [name for name, (_, _, sizes) in MODELS.items() if sizes])
def test_both_matchings_undo_a_shuffle(name, x64):
    C, a, _ = problem(name)
    layers, rng = symmetry.table(C, a), np.random.default_rng(1)
    b = symmetry.permute(a, [rng.permutation(layer.size) for layer in layers], layers)
    for found in (symmetry.weight_matching(a, b, layers), symmetry.activation_matching(C, a, b)):
        for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(a), strict=True):
            np.testing.assert_array_equal(one, other)


def test_no_swap_of_two_neurons_of_a_layer_comes_nearer(x64):
    sizes = (PIXELS, 7, 6, 3)
    a, b = (
        jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), network.init(jax.random.key(i), sizes))
        for i in (0, 1)
    )
    found, layers = symmetry.weight_matching(a, b), symmetry.of_dense(a)
    distance = lambda p: sum(float(jnp.square(x - y).sum()) for x, y in zip(*map(jax.tree.leaves, (a, p)), strict=True))
    least = distance(found)
    assert least < distance(b)
    for i, layer in enumerate(layers):
        for j in range(layer.size):
            for k in range(j):
                orders = [np.arange(one.size) for one in layers]
                orders[i][[j, k]] = orders[i][[k, j]]
                assert distance(symmetry.permute(found, orders)) >= least


def test_the_orbit_is_the_same_function(x64):
    sizes = (PIXELS, 5, 4, 3)
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), network.init(jax.random.key(0), sizes))
    of = lambda f: lambda p: jax.vmap(lambda x: f(x, *p))(X)
    tanh, relu, sigmoid = of(network.mlp(jnp.tanh)), of(network.mlp(jax.nn.relu)), of(network.feedforward)
    for layer in (0, 1):
        np.testing.assert_allclose(tanh(orbit.flip(params, layer, [0, 2])), tanh(params), rtol=1e-12)
        moved = orbit.flip(params, layer, [1, 3], activation="sigmoid")
        np.testing.assert_allclose(sigmoid(moved), sigmoid(params), rtol=1e-12)
        factors = np.geomspace(0.1, 10, sizes[layer + 1])
        moved = orbit.rescale(params, layer, factors)
        np.testing.assert_allclose(relu(moved), relu(params), rtol=1e-11)
        np.testing.assert_array_equal(moved.w[layer], factors[:, None] * params.w[layer])
        for share in (-0.5, 0.3, 1.0):
            np.testing.assert_allclose(sigmoid(orbit.duplicate(params, layer, 2, share)), sigmoid(params), rtol=1e-12)


def test_along_a_duplicated_neuron_a_critical_point_stays_critical(x64):
    """Fukumizu & Amari 2000: gradient 0 for every share."""
    x = jnp.asarray(X[:, :2])
    y = jax.vmap(lambda x: network.mlp(jnp.tanh)(x, *network.init(jax.random.key(3), (2, 3, 3))))(x)
    C = cost.Cost(Images(x, y.astype(jnp.float64)), network.mlp(jnp.tanh))
    flat, unravel = jax.flatten_util.ravel_pytree(
        jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), network.init(jax.random.key(0), (2, 1, 3)))
    )
    value = lambda p: C(*unravel(p))
    slope, second = jax.jit(jax.grad(value)), jax.jit(jax.hessian(value))
    how = {"jac": slope, "hess": second, "method": "trust-exact", "options": {"gtol": 1e-13}}
    flat = jnp.asarray(optimize.minimize(jax.jit(value), flat, **how).x)
    assert np.abs(slope(flat)).max() < 1e-12
    for share in (-1.0, 0.0, 0.4, 2.0):
        larger = orbit.duplicate(unravel(flat), 0, 0, share)
        slopes = jax.grad(lambda p: C(*p))(larger)
        assert max(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(slopes)) < 1e-12


def test_what_is_no_order_or_not_alike_is_said():
    params = network.init(jax.random.key(0), (5, 3, 2))
    with pytest.raises(ValueError, match=r"orders\[0\] is .*, expected the numbers 0 to 2"):
        symmetry.permute(params, [[0, 0, 1]])
    with pytest.raises(ValueError, match="2 orders, expected one for each of 1 layers"):
        symmetry.permute(params, [[0, 1, 2], [0, 1]])
    with pytest.raises(ValueError, match=r"expected network\.Params"):
        symmetry.permute((params,), [[0, 1, 2]])
    with pytest.raises(ValueError, match="a network is like"):
        symmetry.weight_matching(params, network.init(jax.random.key(0), (5, 4, 2)))
    assert trees.paths(params) == [".w[0]", ".w[1]", ".b[0]", ".b[1]"]


def test_many_are_matched_to_one_and_to_each_other():
    rng = np.random.default_rng(0)
    a, other = (network.init(jax.random.key(i), (PIXELS, 6, 5, 3)) for i in (0, 1))
    shuffle = lambda params: symmetry.permute(params, [rng.permutation(6), rng.permutation(5)])
    shuffled = [shuffle(a) for _ in range(4)]
    for found in (symmetry.match_many(shuffled, a), symmetry.match_many(shuffled)):
        for one in found:
            jax.tree.map(np.testing.assert_array_equal, one, found[0])
    jax.tree.map(np.testing.assert_array_equal, symmetry.match_many(shuffled, a)[0], a)
    mixed = [a, shuffle(other), *(network.init(jax.random.key(i), (PIXELS, 6, 5, 3)) for i in (2, 3))]
    spread = lambda many: sum(
        float(np.var(np.stack(leaf), 0).sum()) for leaf in zip(*map(jax.tree.leaves, many), strict=True)
    )
    assert spread(symmetry.match_many(mixed)) < spread(mixed)


def test_a_hundred_shuffles_change_c_by_rounding_alone():
    """Row 30 of the published results, of the home network."""
    C, params, rng = cost.Cost(data.digits()[1]), network.init(jax.random.key(0)), np.random.default_rng(0)
    exact, eps = float(C(*params)), np.finfo(np.float32).eps
    for _ in range(100):
        moved = symmetry.permute(params, [rng.permutation(16), rng.permutation(16)])
        assert abs(float(C(*moved)) - exact) <= 8 * eps * exact
