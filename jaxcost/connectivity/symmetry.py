"""Other networks that are the same function: hidden neurons renumbered so that one fits another.

Two networks may differ in little but how their hidden neurons are numbered. Renumber those of one so that it lies as
near as possible to the other, before a path between the two is judged.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import linear_sum_assignment

from jaxcost import checks, cost, network
from jaxcost.engine import axes, batching, blocks, trees, whole


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
        A `Layer` for each set of neurons, in the order in which the model reads them. Where an operation that this kit
        does not know may tell them apart they are left out.

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
    layer = lambda i: ((f".w[{i}]", 0), (f".w[{i + 1}]", 1), (f".b[{i}]", 0))
    return tuple(Layer(len(b), layer(i)) for i, b in enumerate(network.checked(params).b[:-1]))


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
    if len(checks.listed("orders", orders)) != len(layers):
        raise ValueError(f"{len(orders)} orders, expected one for each of {len(layers)} layers")
    orders = [checks.numbers(f"orders[{i}]", order, 1) for i, order in enumerate(orders)]
    for i, (order, layer) in enumerate(zip(orders, layers, strict=True)):
        if sorted(order.tolist()) != list(range(layer.size)):
            raise ValueError(f"orders[{i}] is {checks.shown(order)}, expected the numbers 0 to {layer.size - 1}")
    return _put(params, _renumbered(leaves, [order.astype(int) for order in orders], layers))


def weight_matching(a, b, layers=None, *, sweeps=100) -> Any:
    """The network b with its hidden neurons renumbered to fit a, so that the sum of a . P b over all weights is large.

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
            best = _best(likeness)
            gain = likeness[np.arange(layer.size), best].sum() - likeness[np.arange(layer.size), orders[i]].sum()
            if gain > 1e-9 * np.abs(likeness).sum():
                orders[i], better = best, True
        if not better:
            break
    return _put(b, _renumbered(of_b, orders, layers))


def match_many(networks, to=None, layers=None, *, rounds=20) -> list:
    """Many networks with their hidden neurons renumbered to fit one, or each other.

    Args:
        networks: two or more tuples of C's arguments.
        to: the network that each is to fit; None: each in turn is fitted to the mean of the others, until none changes.
        layers: as of `table`; None for built-in networks.
        rounds: over all networks, after which it stops in any case.

    Returns:
        As many tuples, the same functions.

    Raises:
        ValueError: there are fewer than two, or as `weight_matching`.

    Reference:
        Ainsworth, Hayase & Srinivasa 2023 (arXiv 2209.04836), algorithm 3.

    Example:
        >>> a = network.init(jax.random.key(0))
        >>> shuffled = [permute(a, [np.random.default_rng(i).permutation(16)] * 2) for i in range(3)]
        >>> one, two, three = match_many(shuffled)
        >>> bool((one.w[0] == two.w[0]).all() and (two.w[1] == three.w[1]).all())
        True
    """
    networks, rounds = list(checks.listed("networks", networks)), checks.whole("rounds", rounds)
    if len(networks) < 2:
        raise ValueError(f"{len(networks)} networks, expected two or more")
    if to is not None:
        return [weight_matching(to, one, layers) for one in networks]
    same = lambda one, other: all(map(np.array_equal, *map(jax.tree.leaves, (trees.moving(one), trees.moving(other)))))
    for _ in range(rounds):
        before = list(networks)
        for i, one in enumerate(networks):
            networks[i] = weight_matching(_mean(networks[:i] + networks[i + 1 :]), one, layers)
        if all(map(same, before, networks)):
            break
    return networks


def _mean(networks):
    """The mean of networks that are alike."""
    first, fixed = trees.split(networks[0])
    moving = [first, *(trees.fitted(one, networks[0], "a network", "the first") for one in networks[1:])]
    mean = lambda *leaves: jnp.asarray(np.mean([np.float64(leaf) for leaf in leaves], 0), leaves[0].dtype)
    return trees.join(fixed, jax.tree.map(mean, *moving))


def activation_matching(C, a, b) -> Any:
    """The network b with its hidden neurons renumbered so that they answer C's images like those of a.

    What is matched is what the next layer reads. Layers that the model does not read by a product keep their order.

    Args:
        C: a `cost.Cost`, whose images the neurons answer.
        a: a tuple of C's arguments.
        b: another like it.

    Returns:
        A tuple like b, the same function.

    Raises:
        ValueError: the two are not alike or not finite, or nothing in them can be renumbered.

    Reference:
        Ainsworth, Hayase & Srinivasa 2023 (arXiv 2209.04836), section 3.1.

    Example:
        >>> from jaxcost import data
        >>> C, a = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> b = permute(a, [np.random.default_rng(i).permutation(16) for i in range(2)])
        >>> bool((activation_matching(C, a, b).w[0] == a.w[0]).all())
        True
    """
    whole.of_images(cost.checked(C), "answers to images")
    layers = table(C, a)
    _, (_, of_b) = _fitted(layers, a, b)
    C, moving = cost.split(C, a)
    likeness = _likeness(C, moving, trees.moving(b))
    orders = [_best(np.asarray(one, np.float64)) for one in likeness]
    return _put(b, _renumbered(of_b, orders, layers))


def _best(likeness):
    """The order of the columns that makes the sum along the diagonal largest."""
    if not np.isfinite(likeness).all():
        raise ValueError("the products of the two networks are not finite, expected networks that are")
    return linear_sum_assignment(likeness, maximize=True)[1]


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
    layers = of_dense(networks[0]) if layers is None else layers
    for i, layer in enumerate(checks.listed("layers", layers)):
        checks.having(f"layers[{i}]", layer, "size", "axes")
    each = [
        {path: np.asarray(leaf, np.float64) for path, leaf in zip(trees.paths(one), jax.tree.leaves(one), strict=True)}
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
