"""The network is the textbook's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import network


def by_hand(x, w, b):
    a = np.asarray(x, np.float64)
    for w_layer, b_layer in zip(w, b, strict=True):
        z = [sum(row[i] * a[i] for i in range(len(a))) + bias for row, bias in zip(w_layer, b_layer, strict=True)]
        a = np.array([1 / (1 + np.exp(-z_j)) for z_j in np.asarray(z, np.float64)])
    return a


@pytest.mark.parametrize("sizes", [(5, 3), (4, 3, 2), (6, 5, 4, 3), (3, 2, 2, 2, 2)])
def test_feedforward_is_the_equation_neuron_by_neuron(sizes):
    w, b = network.init(jax.random.key(1), sizes)
    x = jax.random.uniform(jax.random.key(2), sizes[:1])
    w_numbers, b_numbers = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (w, b))
    np.testing.assert_allclose(network.feedforward(x, w, b), by_hand(x, w_numbers, b_numbers), rtol=2e-6)


def test_the_logits_are_what_the_last_sigmoid_sees():
    w, b = network.init(jax.random.key(1), (6, 5, 4))
    x = jnp.ones(6)
    a = np.asarray(network.feedforward(x, w, b), np.float64)
    np.testing.assert_allclose(network.logits(x, w, b), np.log(a / (1 - a)), rtol=1e-4)


def test_the_cheatsheets_network_has_13002_parameters_in_the_written_order():
    params = network.init(jax.random.key(0))
    assert [leaf.shape for leaf in params.w] == [(16, 784), (16, 16), (10, 16)]
    assert [leaf.shape for leaf in params.b] == [(16,), (16,), (10,)]
    assert network.size(params) == 784 * 16 + 16 + 16 * 16 + 16 + 16 * 10 + 10 == 13002
    assert [leaf.ndim for leaf in jax.tree.leaves(params)] == [2, 2, 2, 1, 1, 1]


def test_numbers_are_standard_normal_and_a_key_gives_them_again():
    params = network.init(jax.random.key(3))
    numbers = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])
    assert abs(numbers.mean()) < 4 / np.sqrt(13002)
    assert abs(numbers.std() - 1) < 4 / np.sqrt(2 * 13002)
    for a, b in zip(*map(jax.tree.leaves, (params, network.init(jax.random.key(3)))), strict=True):
        np.testing.assert_array_equal(a, b)
    assert not np.array_equal(params.w[0], network.init(jax.random.key(4)).w[0])


def test_scale_sets_the_deviation_of_the_weights_alone():
    params = network.init(jax.random.key(0), (10_000, 20, 10), scale=lambda n: n**-0.5)
    assert abs(float(params.w[0].std()) * 100 - 1) < 0.02
    np.testing.assert_array_equal(params.b[0], network.init(jax.random.key(0), (10_000, 20, 10)).b[0])


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((), r"sizes=\(\), expected two or more"),
        ((784,), r"sizes=\(784,\), expected two or more"),
        ((784, 0, 10), r"sizes\[1\]=0, expected a whole number, 1"),
        ((784, 16.0, 10), r"sizes\[1\]=16.0, expected a whole number, 1"),
    ],
)
def test_bad_sizes_are_named(sizes, message):
    with pytest.raises(ValueError, match=message):
        network.init(jax.random.key(0), sizes)


@pytest.mark.parametrize("scale", [lambda n: -1.0, lambda n: jnp.nan, lambda n: None])
def test_a_standard_deviation_is_a_number_that_is_not_negative(scale):
    with pytest.raises(ValueError, match=r"scale\(5\)=.*, expected a number in \[0, inf\)"):
        network.init(jax.random.key(0), (5, 3), scale=scale)


def test_shapes_that_do_not_fit_are_named_by_their_layer():
    w, b = network.init(jax.random.key(0), (6, 5, 4))
    for f in (network.feedforward, network.logits, network.mlp(jnp.tanh)):
        for x, w_given, b_given, found in (
            (jnp.ones(7), w, b, r"layer 0 has the shapes w \[5, 6\], b \[5\] and inputs \[7\]"),
            (jnp.ones(6), w, (b[0], b[0]), r"layer 1 has the shapes w \[4, 5\], b \[5\] and inputs \[5\]"),
            (jnp.ones(6), (w[0], w[0]), b, r"layer 1 has the shapes w \[5, 6\], b \[4\] and inputs \[5\]"),
            (jnp.ones(6), w, (b[0], jnp.ones(())), r"layer 1 .* b \[\] "),
            (jnp.ones((6, 1)), w, b, r"layer 0 .* inputs \[6, 1\]"),
            (jnp.ones(6), w, b[:1], "one entry a layer"),
        ):
            with pytest.raises(ValueError, match=found):
                jax.eval_shape(f, x, w_given, b_given)


# other activations


def layers(x, w, b, hidden, output):
    """A network of dense layers in numpy, in float64."""
    a = np.asarray(x, np.float64)
    *inner, (w_last, b_last) = [
        (np.asarray(w_layer, np.float64), np.asarray(b_layer, np.float64))
        for w_layer, b_layer in zip(w, b, strict=True)
    ]
    for w_layer, b_layer in inner:
        a = hidden(w_layer @ a + b_layer)
    return output(w_last @ a + b_last)


ACTIVATIONS = {
    "sigmoid": (jax.nn.sigmoid, lambda z: 1 / (1 + np.exp(-z))),
    "tanh": (jnp.tanh, np.tanh),
    "relu": (jax.nn.relu, lambda z: np.maximum(z, 0)),
}


@pytest.mark.parametrize("sizes", [(6, 4), (6, 5, 4), (6, 5, 3, 4)])
@pytest.mark.parametrize("hidden", ACTIVATIONS)
def test_mlp_is_the_network_of_these_activations(hidden, sizes):
    w, b = network.init(jax.random.key(1), sizes)
    x = jax.random.normal(jax.random.key(2), sizes[:1])
    of_jax, of_numpy = ACTIVATIONS[hidden]
    plain = layers(x, w, b, of_numpy, lambda z: z)
    np.testing.assert_allclose(network.mlp(of_jax)(x, w, b), plain, rtol=1e-5, atol=1e-6)
    squashed = layers(x, w, b, of_numpy, np.tanh)
    np.testing.assert_allclose(network.mlp(of_jax, jnp.tanh)(x, w, b), squashed, rtol=1e-5, atol=1e-6)


def test_mlp_of_sigmoids_is_the_cheatsheets_network():
    w, b = network.init(jax.random.key(1), (6, 5, 4))
    x = jnp.linspace(-1, 1, 6)
    f = network.mlp(jax.nn.sigmoid, jax.nn.sigmoid)
    np.testing.assert_array_equal(f(x, w, b), network.feedforward(x, w, b))
    np.testing.assert_array_equal(network.mlp()(x, w, b), network.logits(x, w, b))


def test_the_same_activations_give_the_same_function_so_that_nothing_is_compiled_twice():
    assert network.mlp(jnp.tanh) is network.mlp(jnp.tanh) is network.mlp(hidden=jnp.tanh)
    assert network.mlp() is network.mlp(jax.nn.sigmoid, output=None)
    assert network.mlp(jnp.tanh, jnp.tanh) is network.mlp(jnp.tanh, jnp.tanh)
    assert len({network.mlp(), network.mlp(jnp.tanh), network.mlp(jnp.tanh, jnp.tanh)}) == 3


def test_the_size_of_any_tree_is_the_number_of_its_floating_numbers():
    tree = ({"w": jnp.ones((3, 4)), "steps": jnp.arange(5), "key": jax.random.key(0)}, 0.5, [jnp.ones(2)], jnp.tanh)
    assert network.size(tree) == 3 * 4 + 1 + 2
