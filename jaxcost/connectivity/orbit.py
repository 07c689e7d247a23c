"""Other networks that are the same function, by what an activation lets one change.

    flip            of an odd activation such as tanh: the signs into and out of a neuron; of the sigmoid, for which
                    s(-z) = 1 - s(z), with a correction of the next layer's biases
    rescale         of a positively homogeneous one such as relu: times a into a neuron, over a out of it
    duplicate       a neuron twice, the weights out of it shared: a line of networks, all the same

Renumbered neurons, which any activation allows, are `symmetry.permute`'s.
"""

import jax.numpy as jnp
import numpy as np

from jaxcost import checks, network


def flip(params, layer, neurons, *, activation="tanh") -> network.Params:
    """The same network with the signs into and out of some hidden neurons changed.

    tanh(-z) = -tanh(z). For the sigmoid s(-z) = 1 - s(z), so that what a neuron gave more is taken from the biases
    that follow: b' = b + w, w the weights out of it before.

    Args:
        params: `network.Params`.
        layer: the hidden layer, 0 the first.
        neurons: their numbers, each once.
        activation: of that layer, "tanh" or "sigmoid".

    Raises:
        ValueError: there is no such layer, neuron or activation.

    Example:
        >>> import jax
        >>> from jaxcost import cost, data
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> abs(float(C(*flip(params, 0, [2, 5], activation="sigmoid")) - C(*params))) < 1e-6
        True
    """
    checks.one_of("activation", activation, ("tanh", "sigmoid"))
    (w, b), i, chosen = _hidden(params, layer, checks.listed("neurons", neurons))
    signs = jnp.ones_like(b[i]).at[chosen].set(-1)
    if activation == "sigmoid":
        b[i + 1] = b[i + 1] + w[i + 1][:, chosen].sum(1)
    w[i], b[i], w[i + 1] = w[i] * signs[:, None], b[i] * signs, w[i + 1] * signs[None]
    return network.Params(tuple(w), tuple(b))


def rescale(params, layer, factors) -> network.Params:
    """The same network of relu neurons with weights into each times its factor, and out of it over it.

    relu(a z) = a relu(z) for positive a. Sharpness changes with it, and so does every slice along directions that do
    not scale as the weights do (Dinh et al. 2017, arXiv 1703.04933).

    Args:
        params: `network.Params`.
        layer: the hidden layer, 0 the first.
        factors: positive, one a neuron.

    Raises:
        ValueError: there is no such layer, or a factor is not positive.

    Example:
        >>> import jax
        >>> f = network.mlp(jax.nn.relu)
        >>> params, x = network.init(jax.random.key(0), (5, 3, 2)), jnp.ones(5)
        >>> bool(jnp.allclose(f(x, *rescale(params, 0, [2.0, 4.0, 0.5])), f(x, *params), rtol=1e-5))
        True
    """
    (w, b), i, _ = _hidden(params, layer, [])
    factors = np.asarray(checks.numbers("factors", factors, 1, finite=True))
    if factors.shape != b[i].shape or not (factors > 0).all():
        raise ValueError(f"factors {checks.shown(factors)}, expected {len(b[i])} positive numbers")
    factors = jnp.asarray(factors, w[i].dtype)
    w[i], b[i], w[i + 1] = w[i] * factors[:, None], b[i] * factors, w[i + 1] / factors[None]
    return network.Params(tuple(w), tuple(b))


def duplicate(params, layer, neuron, share) -> network.Params:
    """The same function by one hidden neuron more: a neuron twice, and the weights out of it shared between the two.

    At a critical point of the smaller network's cost that of the larger one is critical for every share: a line.

    Args:
        params: `network.Params`.
        layer: the hidden layer, 0 the first.
        neuron: its number.
        share: of the weights out of it that the first keeps; the second, the layer's last, has the rest.

    Raises:
        ValueError: there is no such layer or neuron, or the share is not finite.

    Reference:
        Fukumizu & Amari 2000, *Neural Networks* 13.

    Example:
        >>> import jax
        >>> params = network.init(jax.random.key(0), (5, 3, 2))
        >>> [leaf.shape for leaf in duplicate(params, 0, 1, 0.3).w]
        [(4, 5), (2, 4)]
    """
    (w, b), i, (j,) = _hidden(params, layer, [neuron])
    share = checks.number("share", share)
    out = w[i + 1][:, j]
    w[i], b[i] = jnp.concatenate([w[i], w[i][None, j]]), jnp.append(b[i], b[i][j])
    w[i + 1] = jnp.concatenate([w[i + 1].at[:, j].set(share * out), (1 - share) * out[:, None]], 1)
    return network.Params(tuple(w), tuple(b))


def _hidden(params, layer, neurons):
    """Weights and biases as lists, the number of a hidden layer, and those of some of its neurons."""
    w, b = network.checked(params)
    i = checks.whole("layer", layer, 0, len(w) - 2)
    chosen = [checks.whole("neurons", one, 0, len(b[i]) - 1) for one in neurons]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"neurons {chosen}, expected each once")
    return (list(w), list(b)), i, np.array(chosen, int)
