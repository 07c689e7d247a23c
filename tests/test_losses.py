"""Each loss is its formula, in numpy and in float64, and its slope the one that textbooks derive."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit, softmax

from jaxcost import losses

LOSSES = {  # what each should be, written out in numpy
    losses.quadratic: lambda a, y: ((a - y) ** 2).sum(),
    losses.absolute: lambda a, y: abs(a - y).sum(),
    losses.cross_entropy: lambda a, y: -(y * np.log(a) + (1 - y) * np.log(1 - a)).sum(),
    losses.sigmoid_cross_entropy: lambda z, y: (np.log(1 + np.exp(-z)) * y + np.log(1 + np.exp(z)) * (1 - y)).sum(),
    losses.softmax_cross_entropy: lambda z, y: np.log(np.exp(z).sum()) - (z * y).sum(),
    losses.hinge: lambda z, y: np.maximum(0, 1 - (2 * y - 1) * z).sum(),
}
SLOPES = {  # by the outputs, as in Nielsen 2015, chapters 2 and 3, without his factor 1/2
    losses.quadratic: lambda a, y: 2 * (a - y),
    losses.absolute: lambda a, y: np.sign(a - y),
    losses.cross_entropy: lambda a, y: (a - y) / (a * (1 - a)),
    losses.sigmoid_cross_entropy: lambda z, y: expit(z) - y,
    losses.softmax_cross_entropy: lambda z, y: softmax(z) - y,
    losses.hinge: lambda z, y: np.where((2 * y - 1) * z < 1, 1 - 2 * y, 0),
}


@pytest.mark.parametrize("loss", LOSSES)
def test_a_loss_is_its_formula_and_its_slope_the_textbooks(loss, x64):
    random = np.random.default_rng(0)
    for label in range(5):
        z, y = random.normal(0, 2, 5), np.eye(5)[label]
        a = expit(z) if loss in (losses.quadratic, losses.absolute, losses.cross_entropy) else z
        assert loss(jnp.asarray(a), jnp.asarray(y)) == pytest.approx(LOSSES[loss](a, y), rel=1e-12)
        np.testing.assert_allclose(jax.grad(loss)(jnp.asarray(a), jnp.asarray(y)), SLOPES[loss](a, y), rtol=1e-10)


@pytest.mark.parametrize("loss", LOSSES)
def test_no_loss_is_negative_and_a_right_answer_costs_nothing_or_next_to_nothing(loss):
    y = jnp.eye(4)[1]
    right = jnp.where(y > 0, 30.0, -30.0) if loss in tuple(LOSSES)[3:] else y
    assert 0 <= loss(right, y) < 1e-6
    assert loss(right, jnp.eye(4)[2]) > 1


def test_cross_entropy_agrees_with_itself_from_logits_and_is_infinite_only_where_it_must():
    z, y = jnp.array([-3.0, 0.5, 4.0]), jnp.array([0.0, 1.0, 0.0])
    of_outputs = losses.cross_entropy(jax.nn.sigmoid(z), y)
    np.testing.assert_allclose(of_outputs, losses.sigmoid_cross_entropy(z, y), rtol=1e-5)
    assert losses.cross_entropy(jnp.array([0.0, 1.0]), jnp.array([0.0, 1.0])) == 0
    assert losses.cross_entropy(jnp.array([1.0]), jnp.array([0.0])) == jnp.inf
    far = jnp.array([1000.0, -1000.0])
    np.testing.assert_allclose(losses.sigmoid_cross_entropy(far, jnp.array([0.0, 1.0])), 2000)
    np.testing.assert_allclose(losses.softmax_cross_entropy(far, jnp.array([0.0, 1.0])), 2000)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("y", [np.int32(2), np.zeros(1, np.float32), np.zeros((4, 1), np.float32)])
def test_labels_are_not_broadcast_against_outputs(loss, y):
    with pytest.raises(ValueError, match=r"outputs have shape \(4,\) and desired outputs \(.*\), expected one shape"):
        loss(jnp.full(4, 0.5), y)
