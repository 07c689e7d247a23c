"""Other networks that are the same function: neurons renumbered, and what an activation lets one change.

Two networks may differ in nothing but how their hidden neurons are numbered. `matched` renumbers those of one so that it
lies as near as possible to another, before a path between the two is judged.

    permute         neurons in another order: C stays, for any activation
    flip            of an odd activation such as tanh: the signs into and out of a neuron; of the sigmoid, for which
                    s(-z) = 1 - s(z), with a correction of the next layer's biases
    rescale         of a positively homogeneous one such as relu: times a into a neuron, over a out of it
    duplicate       a neuron twice, its outgoing weights shared between the two: a line of networks, all the same
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment

from jaxcost import checks, cost, network
from jaxcost.engine import axes, batching, blocks, trees


class Layer(NamedTuple):
    """Hidden neurons that can be renumbered, and where they are.

    Attributes:
        size: how many there are.
        axes: the arrays and the axis of each along which they are numbered, `((path, axis), ...)`, a path as text such
            as `.w[0]`.
    """

    size: int
    axes: tuple[tuple[str, int], ...]


def table(C, params) -> tuple[Layer, ...]:
    """The hidden layers of a model, found in its program.

    Args:
        C: a `cost.Cost`.
        params: a tuple of C's arguments.

    Returns:
        A `Layer` for each set of neurons, that a product reads, in the order in which the model does. Where an operation that
        this kit does not know may tell neurons apart they are left out.

    Example:
        >>> from jaxcost import data
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> table(C, params)[0]
        Layer(size=16, axes=(('.w[0]', 0), ('.w[1]', 1), ('.b[0]', 0)))
    """
    C, moving = cost.split(C, params)
    names = trees.paths(moving)
    found = axes.find(C.output, jax.tree.map(lambda leaf: leaf[0], C.images.x), moving).neurons
    return tuple(Layer(one.size, tuple((names[leaf], axis) for leaf, axis in one.axes)) for one in found)


def of_dense(params) -> tuple[Layer, ...]:
    """The hidden layers of the built-in networks, from the shapes alone.

    Args:
        params: `network.Params`.

    Raises:
        ValueError: they are others.

    Example:
        >>> [layer.size for layer in of_dense(network.init(jax.random.key(0), (784, 30, 20, 10)))]
        [30, 20]
    """
    if not isinstance(params, network.Params):
        found = checks.shown(params)
        raise ValueError(f"parameters {found}, expected network.Params; of others give layers, as of symmetry.table")
    layer = lambda i: ((f".w[{i}]", 0), (f".w[{i + 1}]", 1), (f".b[{i}]", 0))
    return tuple(Layer(len(b), layer(i)) for i, b in enumerate(params.b[:-1]))


def permute(params, orders, layers=None) -> Any:
    """The same network with the neurons of each layer in another order.

    Args:
        params: a tuple of C's arguments.
        orders: for each layer the old numbers of its neurons in their new order, `[size]`.
        layers: as of `table`; None for a built-in network.

    Raises:
        ValueError: an order is no order of so many, or the layers are not these parameters'.

    Example:
        >>> from jaxcost import data
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> other = permute(params, [np.arange(16)[::-1], np.roll(np.arange(16), 3)])
        >>> abs(float(C(*other) - C(*params))) < 1e-6, bool((other.w[0] == params.w[0]).all())
        (True, False)
    """
    layers, (leaves,) = _fitted(layers, params)
    if len(orders) != len(layers):
        raise ValueError(f"{len(orders)} orders, expected one for each of {len(layers)} layers")
    for i, (order, layer) in enumerate(zip(orders, layers, strict=True)):
        if sorted(np.ravel(order).tolist()) != list(range(layer.size)):
            raise ValueError(f"orders[{i}] is {checks.shown(order)}, expected the numbers 0 to {layer.size - 1}")
    return _put(params, _renumbered(leaves, orders, layers))


def weight_matching(a, b, layers=None, *, sweeps=100) -> Any:
    """b with its hidden neurons renumbered to fit a: sum of a . P b over all weights, as large as can be found.

    Layer by layer the best order is found, given those of the others, until none improves. That is no proof that there
    is no better one.

    Args:
        a: a tuple of C's arguments.
        b: another like it.
        layers: as of `table`; None for a built-in network.
        sweeps: over the layers, after which it stops in any case.

    Returns:
        A tuple like b, the same function.

    Raises:
        ValueError: the two are not alike, or the layers are not theirs.

    Reference:
        Ainsworth, Hayase & Srinivasa 2023 (arXiv 2209.04836), algorithm 1.

    Example:
        >>> a = network.init(jax.random.key(0))
        >>> b = permute(a, [np.random.default_rng(i).permutation(16) for i in range(2)])
        >>> bool((weight_matching(a, b).w[0] == a.w[0]).all())
        True
    """
    layers, (of_a, of_b) = _fitted(layers, a, b)
    orders = [np.arange(layer.size) for layer in layers]
    for _ in range(checks.whole("sweeps", sweeps)):
        better = False
        for i, layer in enumerate(layers):
            likeness = np.zeros((layer.size, layer.size))
            for path, axis in layer.axes:
                others = [(order, one) for j, (order, one) in enumerate(zip(orders, layers, strict=True)) if j != i]
                moved = _renumbered({path: of_b[path]}, *zip(*others, strict=True)) if others else of_b
                rows = [np.moveaxis(leaf, axis, 0).reshape(layer.size, -1) for leaf in (of_a[path], moved[path])]
                likeness += rows[0] @ rows[1].T
            best = linear_sum_assignment(likeness, maximize=True)[1]
            gain = likeness[np.arange(layer.size), best].sum() - likeness[np.arange(layer.size), orders[i]].sum()
            if gain > 1e-9 * np.abs(likeness).sum():
                orders[i], better = best, True
        if not better:
            break
    return _put(b, _renumbered(of_b, orders, layers))


def activation_matching(C, a, b) -> Any:
    """b with its hidden neurons renumbered so that they answer C's images like a's: sum over images of a_i . a_j.

    What is matched is what the next layer reads. Layers that the model does not read by a product keep their order.

    Args:
        C: a `cost.Cost`, whose images the neurons answer.
        a: a tuple of C's arguments.
        b: another like it.

    Returns:
        A tuple like b, the same function.

    Raises:
        ValueError: the two are not alike.

    Reference:
        Ainsworth, Hayase & Srinivasa 2023 (arXiv 2209.04836), section 3.1.

    Example:
        >>> from jaxcost import data
        >>> C, a = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> b = permute(a, [np.random.default_rng(i).permutation(16) for i in range(2)])
        >>> bool((activation_matching(C, a, b).w[0] == a.w[0]).all())
        True
    """
    layers = table(C, a)
    _, (_, of_b) = _fitted(layers, a, b)
    C, moving = cost.split(C, a)
    likeness = _likeness(C, moving, trees.moving(b))
    orders = [linear_sum_assignment(np.asarray(one, np.float64), maximize=True)[1] for one in likeness]
    return _put(b, _renumbered(of_b, orders, layers))


@blocks.in_full
@jax.jit
def _likeness(C, a, b):
    """For each layer the sum over images of what a neuron of a times what one of b gives, `[size, size]`."""

    def of_block(images, new, both):
        answers = [_answers(C, params, images, new) for params in both]
        return [one @ other.T for one, other in zip(*answers, strict=True)]

    size = C.block or max(1, blocks.MEMORY // (2 * C.bytes_of_one(*a)))
    return blocks.sum_over_blocks(of_block, C.images, C.spread, size, (a, b))


def _answers(C, params, images, new):
    """What each neuron of each layer gives, `[size, places x images]`; 0 for images that do not count."""
    found = axes.find(C.output, jax.tree.map(lambda leaf: leaf[0], images.x), params)
    values = dict(zip(found.image, jax.tree.leaves(images.x), strict=True))
    image_axes = dict.fromkeys(values, 0)
    values |= dict(zip(found.params, jax.tree.leaves(params), strict=True))
    batching.run(found.program, values, image_axes)
    answers = []
    for size, _, reads in found.neurons:
        v, axis = reads[0]
        of_all = jnp.moveaxis(batching.of_all(values, image_axes, v, len(new)), axis, 0).reshape(size, -1, len(new))
        answers.append(jnp.where(new[None, None], of_all, 0).reshape(size, -1))
    return answers


def _fitted(layers, *networks):
    """The layers, and the arrays of each network by path, in float64."""
    first = trees.moving(networks[0])
    moving = [first, *(trees.fitted(one, networks[0], "a network", "the first") for one in networks[1:])]
    layers = of_dense(networks[0]) if layers is None else tuple(layers)
    each = [
        {path: np.asarray(leaf) for path, leaf in zip(trees.paths(one), jax.tree.leaves(one), strict=True)}
        for one in moving
    ]
    for layer in layers:
        for path, axis in layer.axes:
            shape = np.shape(each[0].get(path, np.zeros(())))
            if axis >= len(shape) or shape[axis] != layer.size:
                raise ValueError(f"{path} has the shape {list(shape)}, expected {layer.size} along axis {axis}")
    return layers, each


def _renumbered(leaves, orders, layers):
    """Arrays by path, with the neurons of each layer in a new order."""
    leaves = dict(leaves)
    for order, layer in zip(orders, layers, strict=True):
        for path, axis in layer.axes:
            if path in leaves:
                leaves[path] = np.take(leaves[path], order, axis)
    return leaves


def _put(params, leaves):
    """A network whose arrays are these."""
    moving, fixed = trees.split(params)
    put = [
        jnp.asarray(leaves[path], leaf.dtype)
        for path, leaf in zip(trees.paths(moving), jax.tree.leaves(moving), strict=True)
    ]
    return trees.join(fixed, jax.tree.structure(moving).unflatten(put))


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
        >>> from jaxcost import data
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> abs(float(C(*flip(params, 0, [2, 5], activation="sigmoid")) - C(*params))) < 1e-6
        True
    """
    checks.one_of("activation", activation, ("tanh", "sigmoid"))
    (w, b), i, chosen = _hidden(params, layer, neurons)
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
    """The same function by one hidden neuron more: a neuron twice, and the weights out of it shared out between the two.

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
    if not isinstance(params, network.Params):
        raise ValueError(f"parameters {checks.shown(params)}, expected network.Params")
    i = checks.whole("layer", layer, 0, len(params.w) - 2)
    chosen = [checks.whole("neurons", one, 0, len(params.b[i]) - 1) for one in neurons]
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"neurons {chosen}, expected each once")
    return (
        ([jnp.asarray(leaf) for leaf in params.w], [jnp.asarray(leaf) for leaf in params.b]),
        i,
        np.array(chosen, int),
    )
