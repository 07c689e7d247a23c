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


@pytest.mark.parametrize("sizes", [(), (784,), (784, 0, 10)])
def test_bad_sizes_are_named(sizes):
    with pytest.raises(ValueError, match="expected two or more positive numbers"):
        network.init(jax.random.key(0), sizes)
