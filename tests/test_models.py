"""Models as users hold them, through every door: what is floating moves, the rest stays.

Each holder is a tuple of arguments of f, in whatever form a library gives them. All that the kit says of it is compared
with the plain evaluation of the model, image by image, at parameters moved leaf by leaf. A holder skips where its
library is absent.
"""

import base64
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, descent, directions, live, losses, network, populations, results, slices, trajectories
from jaxcost.connectivity import curves, paths, symmetry
from jaxcost.data import Images
from jaxcost.directions import Frame
from jaxcost.engine import hoist
from jaxcost.measures import bumpiness, critical, minima

N, FROM, TO = 6, 3, 3
KEYS = jax.random.split(jax.random.key(3), 3)


class Holder(NamedTuple):
    """A model as a user holds it.

    Attributes:
        f: the model for one image.
        make: a function of a key, a tuple of f's arguments after the image.
        axis: which axis of its weight arrays counts neurons.
    """

    f: Callable
    make: Callable
    axis: int = 0


# the holders


@cache
def nnx_class():
    nnx = pytest.importorskip("flax.nnx", reason="flax is not installed")

    class Model(nnx.Module):
        """Weights, running means, a flag, a counter, and the keys and counters of its generators."""

        def __init__(self, rngs):
            self.first = nnx.Linear(FROM, 4, rngs=rngs)
            self.norm = nnx.BatchNorm(4, use_running_average=True, rngs=rngs)
            self.drop = nnx.Dropout(0.5, deterministic=True, rngs=rngs)
            self.out = nnx.Linear(4, TO, rngs=rngs)
            self.power = nnx.Variable(jnp.array(2))

        def __call__(self, x):
            return self.out(self.drop(jnp.tanh(self.norm(self.first(x))))) ** self.power[...]

    return Model


def nnx_module():
    Model = nnx_class()
    from flax import nnx

    return Holder(lambda x, model: model(x), lambda key: (Model(nnx.Rngs(key)),), axis=-1)


def nnx_state():
    Model = nnx_class()
    from flax import nnx

    graph = nnx.graphdef(Model(nnx.Rngs(0)))
    make = lambda key: (nnx.state(Model(nnx.Rngs(key))),)
    return Holder(lambda x, state: nnx.merge(graph, state)(x), make, axis=-1)


def linen_variables():
    nn = pytest.importorskip("flax.linen", reason="flax is not installed")

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.BatchNorm(use_running_average=True)(nn.Dense(4)(x))
            return nn.Dense(TO)(nn.LayerNorm()(jnp.tanh(x)))

    model = Model()
    return Holder(lambda x, p: model.apply(p, x), lambda key: (model.init(key, jnp.zeros(FROM)),), axis=-1)


def equinox_module():
    """Whole: its activation and its settings are leaves, and so is the rate of its dropout, a Python float."""
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")

    def make(key):
        first, second = jax.random.split(key)
        layers = [
            eqx.nn.Linear(FROM, 4, key=first), eqx.nn.LayerNorm(4), eqx.nn.Lambda(jnp.tanh),
            eqx.nn.Dropout(0.5, inference=True), eqx.nn.Linear(4, TO, key=second),
        ]  # fmt: skip
        return (eqx.nn.Sequential(layers),)

    return Holder(lambda x, model: model(x), make)


def equinox_partition():
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")
    model = lambda key: eqx.nn.MLP(FROM, TO, 4, 1, activation=jnp.tanh, key=key)
    static = eqx.partition(model(KEYS[0]), eqx.is_array)[1]
    make = lambda key: (eqx.partition(model(key), eqx.is_array)[0],)
    return Holder(lambda x, arrays: eqx.combine(arrays, static)(x), make)


def haiku_params():
    hk = pytest.importorskip("haiku", reason="haiku is not installed")
    model = hk.without_apply_rng(hk.transform(lambda x: hk.Linear(TO)(jnp.tanh(hk.Linear(4)(x)))))
    return Holder(lambda x, p: model.apply(p, x), lambda key: (model.init(key, jnp.zeros(FROM)),), axis=-1)


def plain_dict():
    """A counter, a mask, a key, text and nothing beside the weights."""

    def make(key):
        w, c = jax.random.split(key)
        p = {"w": jax.random.normal(w, (TO, FROM)), "c": jax.random.normal(c, (TO,)), "steps": jnp.arange(3)}
        return (p | {"mask": jnp.array([True, False, True]), "key": key, "is": "a model", "no": None},)

    noise = lambda p: jax.random.uniform(p["key"], (TO,), jnp.float32)
    f = lambda x, p: jnp.where(p["mask"], jnp.tanh(p["w"] @ x + p["c"]), 0.1) * p["steps"][2] + noise(p)
    return Holder(f, make)


def list_of_layers():
    def make(key):
        first, second = jax.random.split(key)
        return ([jax.random.normal(first, (4, FROM)), jax.random.normal(second, (TO, 4))],)

    return Holder(lambda x, layers: layers[1] @ jnp.tanh(layers[0] @ x), make)


def several_arguments():
    """Python's own numbers among them: a float moves, an int stays."""
    make = lambda key: (0.5, jax.random.normal(key, (TO, FROM)), 2, np.float32(0.25))
    return Holder(lambda x, scale, w, power, shift: scale * (jnp.tanh(w @ x) + shift) ** power, make)


HOLDERS = [
    nnx_module, nnx_state, linen_variables, equinox_module, equinox_partition, haiku_params, plain_dict, list_of_layers,
    several_arguments,
]  # fmt: skip


NO_HIDDEN = ("plain_dict", "several_arguments")  # layers


class Given(NamedTuple):
    """A holder with its cost, two networks, directions through the first, and the plain gradient by its numbers."""

    f: Callable
    make: Callable
    options: dict
    C: cost.Cost
    origin: Any
    other: Any
    u: Any
    v: Any
    flat: jax.Array
    slope: Callable


# one holder of a library and one of none are enough for every day; those of flax have tests of their own below
EVERY_DAY = (equinox_module, plain_dict)
slow_ones = [
    pytest.param(make, marks=() if make in EVERY_DAY else pytest.mark.slow, id=make.__name__) for make in HOLDERS
]


@pytest.fixture(scope="module", params=slow_ones)
def given(request):
    f, make, axis = request.param()
    labels = jnp.arange(N) % TO
    images = Images(jax.random.normal(jax.random.key(1), (N, FROM)), jax.nn.one_hot(labels, TO))
    origin = make(KEYS[0])
    uv = directions.random(jax.random.key(2), origin, 2, axis=axis, biases="entry")
    C = cost.Cost(images, f, losses.softmax_cross_entropy)
    flat, slope = jnp.asarray(numbers(origin), jnp.float32), jax.jit(jax.grad(lambda p: by_numbers(C, origin, p)))
    return Given(f, make, {"axis": axis, "biases": "entry"}, C, origin, make(KEYS[1]), *uv, flat, slope)


# the plain evaluation


def moves(leaf):
    return isinstance(leaf, float) or jnp.issubdtype(getattr(leaf, "dtype", int), jnp.floating)


def numbers(tree):
    """What of a tree moves, flat, in float64."""
    return np.concatenate([np.ravel(np.asarray(leaf, np.float64)) for leaf in jax.tree.leaves(tree) if moves(leaf)])


def rest(tree):
    """What does not, as it is to be compared."""
    kept = [leaf for leaf in jax.tree.leaves(tree) if not moves(leaf)]
    is_key = lambda leaf: jnp.issubdtype(getattr(leaf, "dtype", int), jax.dtypes.prng_key)
    kept = [jax.random.key_data(leaf) if is_key(leaf) else leaf for leaf in kept]
    return [leaf.tolist() if isinstance(leaf, jax.Array | np.ndarray) else leaf for leaf in kept]


def with_numbers(tree, flat):
    """The tree with other numbers in its floating leaves."""
    leaves, structure = jax.tree.flatten(tree)
    made, i = [], 0
    for leaf in leaves:
        size = np.size(leaf) if moves(leaf) else 0
        made.append(jnp.asarray(flat[i : i + size], jnp.float32).reshape(np.shape(leaf)) if moves(leaf) else leaf)
        i += size
    return structure.unflatten(made)


def moved(origin, along, s):
    """The parameters at coordinates s, leaf by leaf."""
    return with_numbers(origin, numbers(origin) + sum(c * numbers(d) for c, d in zip(s, along, strict=True)))


def plain(given, params):
    """Outputs and costs of each image: the model called on one after the other, the loss in numpy."""
    z = np.stack([np.asarray(given.f(x, *params), np.float64) for x in given.C.images.x])
    costs = np.log(np.exp(z).sum(1)) - (z * np.asarray(given.C.images.y)).sum(1)
    return z, costs


def by_numbers(C, origin, flat):
    """C as a function of the floating numbers alone, for derivatives: `vmap` over the images, and no more."""
    params = with_numbers(origin, flat)
    z = jax.vmap(lambda x: C.f(x, *params))(C.images.x)
    return (jax.nn.logsumexp(z, axis=1) - (z * C.images.y).sum(1)).mean()


def alike(found, origin):
    """Of the same structure and types, and what does not move is the same."""
    assert jax.tree.structure(found) == jax.tree.structure(origin)
    assert rest(found) == rest(origin)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(origin), strict=True):
        if moves(b):
            assert (np.shape(a), jnp.asarray(a).dtype) == (np.shape(b), jnp.float32)


# through every door


def test_the_cost_is_that_of_the_model_called_image_by_image(given):
    C, before = given.C, (numbers(given.origin), rest(given.origin))
    for params in (given.origin, given.other, moved(given.origin, (given.u,), [0.7])):
        z, costs = plain(given, params)
        np.testing.assert_allclose(C.per_image(*params), costs, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(C(*params), costs.mean(), rtol=1e-5)
        right = z.argmax(1) == np.asarray(C.images.y).argmax(1)
        np.testing.assert_allclose(cost.accuracy(C, params), right.mean(), rtol=1e-6)
    assert network.size(given.origin) == len(before[0])
    np.testing.assert_array_equal(numbers(given.origin), before[0])  # the user's own model is as it was
    assert rest(given.origin) == before[1]


def test_gradients_are_those_of_the_floating_numbers(given):
    C, origin, slope = given.C, given.origin, given.slope(given.flat)
    for tree, expected in ((descent.gradient(C, origin), slope), (descent.downhill(C, origin), -slope)):
        assert jax.tree.structure(tree) == jax.tree.structure(origin)
        np.testing.assert_allclose(numbers(tree), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(descent.gradient_norm(C, origin), np.linalg.norm(slope), rtol=1e-4)
    if all(isinstance(leaf, jax.Array) and moves(leaf) for leaf in jax.tree.leaves(origin)):
        by_jax = jax.grad(C, tuple(range(len(origin))))(*origin)
        np.testing.assert_allclose(numbers(by_jax), slope, rtol=1e-4, atol=1e-6)


def test_directions_have_its_structure_and_are_made_of_its_floating_numbers(given):
    origin, other = given.origin, given.other
    u, v = (directions.gaussian(key, origin) for key in KEYS[:2])
    e, f = directions.orthonormal(u, v)
    for direction in (u, given.u, given.v, directions.between(origin, other), e, f):
        assert jax.tree.structure(direction) == jax.tree.structure(origin)
    np.testing.assert_allclose(numbers(directions.between(origin, other)), numbers(other) - numbers(origin), atol=1e-6)
    gram = np.array([[numbers(a) @ numbers(b) for b in (e, f)] for a in (e, f)])
    np.testing.assert_allclose(gram, np.eye(2), atol=1e-5)
    np.testing.assert_allclose(directions.cosine(e, f), 0, atol=1e-5)
    for d, p in zip(jax.tree.leaves(given.u), jax.tree.leaves(origin), strict=True):
        if moves(p):  # each neuron's weights as long as the network's own, and so each bias
            along = tuple(i for i in range(d.ndim) if d.ndim > 1 and i != given.options["axis"] % d.ndim)
            lengths = [np.sqrt((np.asarray(a, np.float64) ** 2).sum(along)) for a in (d, p)]
            np.testing.assert_allclose(*lengths, rtol=1e-5)
    for s in ([0.3, -2.0], [0.0, 0.0]):
        found = Frame(origin, (u, given.v)).at(s)
        alike(found, origin)
        np.testing.assert_allclose(numbers(found), numbers(moved(origin, (u, given.v), s)), rtol=1e-5, atol=1e-6)
    arrived = directions.at(origin, (directions.between(origin, other),), [1.0])
    np.testing.assert_allclose(numbers(arrived), numbers(other), atol=1e-6)
    here, off = trajectories.coordinates([origin, found, other], origin, (directions.between(origin, other), u))
    np.testing.assert_allclose(here[[0, 2]], [[0, 0], [1, 0]], atol=1e-5)
    assert off[2] < 1e-4
    principal = trajectories.principal([origin, other, given.make(KEYS[2])])
    np.testing.assert_allclose(principal.share.sum(), 1, rtol=1e-5)  # three networks lie in one plane
    alike(directions.at(origin, principal.directions, [0.1, 0.2]), origin)


def test_slices_are_the_cost_at_the_moved_parameters(given):
    C, (u, v), axis = given.C, (given.u, given.v), np.linspace(-0.4, 0.4, 5)  # variances stay positive
    plane = slices.plane(C, given.origin, u, v, axis, axis, accuracy=True)
    for i, j in ((0, 0), (2, 2), (3, 1)):
        s = (axis[i], axis[j])
        z, costs = plain(given, moved(given.origin, (u, v), s))
        assert plane.values[i, j] == pytest.approx(costs.mean(), rel=1e-5)
        assert plane.standard_error[i, j] == pytest.approx(costs.std(ddof=1) / np.sqrt(N), rel=1e-4)
        assert plane.accuracy[i, j] == pytest.approx(np.mean(z.argmax(1) == np.asarray(C.images.y).argmax(1)))
        alike(plane.at(s), given.origin)
        assert plane.values[i, j] == pytest.approx(float(C(*plane.at(s))), rel=1e-5)
    assert 0 < plane.floor < 1e-5
    slices.check(C, plane)
    line = slices.line(C, given.origin, directions.between(given.origin, given.other), [0.0, 1.0])
    end = with_numbers(given.origin, numbers(given.other))  # what does not move is that of the origin
    expected = [plain(given, params)[1].mean() for params in (given.origin, end)]
    np.testing.assert_allclose(line.values, expected, rtol=1e-5)
    measured = bumpiness.measure(plane.axes, plane.values, plane.floor)
    assert measured.minima == minima.local_minima(plane.values, plane.floor).count


def test_derivatives_and_critical_points_are_those_of_the_plain_evaluation(given):
    C, along = given.C, jnp.asarray(numbers(given.u), jnp.float32)
    on_line = lambda s: by_numbers(C, given.origin, given.flat + s * along)
    by_s = lambda f: lambda s: jax.jvp(f, (s,), (jnp.ones_like(s),))
    exact = jax.jit(jax.vmap(lambda s: (*by_s(on_line)(s), by_s(lambda s: by_s(on_line)(s)[1])(s)[1])))
    line = slices.line(C, given.origin, given.u, np.linspace(-0.8, 0.8, 9))
    derivatives = slices.derivatives(C, *line.frame, line.alphas[:, None])
    for found, expected in zip(derivatives, exact(line.alphas), strict=True):
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-3, atol=1e-4)
    found = critical.find(C, line, derivatives=derivatives)
    _, slopes, bends = exact(found.points[:, 0])
    np.testing.assert_allclose(slopes, 0, atol=1e-3 * np.abs(derivatives[2]).max())
    np.testing.assert_array_equal(found.kinds, bends < 0)
    assert len(found.points) + found.unseen >= minima.local_minima(line.values, line.floor).count


def test_training_moves_the_floating_numbers_alone_and_goes_on(given, tmp_path):
    C, origin, optimizer = given.C, given.origin, optax.sgd(0.1, 0.9)
    path, velocity = [given.flat], 0
    for _ in range(4):
        velocity = given.slope(path[-1]) + 0.9 * velocity
        path.append(path[-1] - 0.1 * velocity)
    watch = {"accuracy": lambda *p: cost.accuracy(C, p), "again": C}
    go = lambda start: descent.descend(KEYS[0], C, start, optimizer, steps=2, keep=True, watch=watch)
    first = go(origin)
    results.save(tmp_path / "run.npz", first)
    for run, since in ((first, 0), (go(first), 2), (go(results.load(tmp_path / "run.npz", like=first)), 2)):
        for i in range(3):
            alike(run.at(i), origin)
            np.testing.assert_allclose(numbers(run.at(i)), path[since + i], rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(run.costs[i], plain(given, run.at(i))[1].mean(), rtol=1e-5)
            np.testing.assert_allclose(run.watched["accuracy"][i], cost.accuracy(C, run.at(i)), rtol=1e-6)
        alike(run.params, origin)
        np.testing.assert_array_equal(numbers(run.params), numbers(run.at(2)))
        np.testing.assert_allclose(run.watched["again"], run.costs, rtol=1e-6)


def test_networks_of_an_ensemble_are_whole_models(given):
    C, optimizer = given.C, optax.sgd(0.1)
    go = lambda start: descent.ensemble(KEYS, C, start, optimizer, steps=2, keep=True, watch={"again": C})
    many = go(given.make)
    rest_of = [rest(given.make(jax.random.split(key)[0])) for key in KEYS]
    for run in (many, go(many)):
        for i in range(3):
            one = run.network(i)
            assert rest(one.params) == rest_of[i]
            for record in (0, 2):
                np.testing.assert_allclose(one.costs[record], plain(given, one.at(record))[1].mean(), rtol=1e-5)
            np.testing.assert_allclose(C(*one.params), one.costs[-1], rtol=1e-5)
        np.testing.assert_array_equal(run.watched["again"], run.costs)
    np.testing.assert_array_equal(go(many).costs[:, 0], many.costs[:, -1])


def test_populations_of_models(given):
    C, options = given.C, given.options
    frames = populations.about(KEYS, given.origin, **options)
    (found,) = populations.zoom(C, frames, [0.5], points=3)
    for key, frame, values in zip(KEYS, frames, found.values, strict=True):
        along = directions.random(key, given.origin, **options)
        for s, value in zip((-0.5, 0.0, 0.5), values, strict=True):
            assert value == pytest.approx(plain(given, moved(given.origin, along, [s]))[1].mean(), rel=1e-5)
        alike(frame.at([0.5]), given.origin)
    assert 0 < found.floor < 1e-5
    networks = [given.make(key) for key in KEYS]
    apart = [Frame(one, directions.recipes(key, **options)) for one, key in zip(networks, KEYS, strict=True)]
    values = populations.evaluate(C, apart, [[0.0], [0.5]])
    for one, frame, of_one in zip(networks, apart, values, strict=True):
        assert of_one[0] == pytest.approx(plain(given, one)[1].mean(), rel=1e-5)
        assert of_one[1] == pytest.approx(float(C(*frame.at([0.5]))), rel=1e-5)


def test_hidden_neurons_of_a_model_are_found_and_matched(given):
    C, a, b = given.C, given.origin, given.other
    layers = symmetry.table(C, a)
    assert [layer.size for layer in layers] == ([] if given.make.__qualname__.startswith(NO_HIDDEN) else [4])
    if layers:
        order = [np.array([2, 0, 3, 1])]
        shuffled = symmetry.permute(a, order, layers)
        alike(shuffled, a)
        np.testing.assert_allclose(plain(given, shuffled)[1], plain(given, a)[1], rtol=1e-5)
        assert np.abs(numbers(shuffled) - numbers(a)).max() > 0.1
        for found in (symmetry.weight_matching(a, shuffled, layers), symmetry.activation_matching(C, a, shuffled)):
            np.testing.assert_array_equal(numbers(found), numbers(a))
        b = symmetry.weight_matching(a, b, layers)
    path = paths.linear(C, a, b, 3, progress=False)
    middle = with_numbers(a, (numbers(a) + numbers(b)) / 2)
    assert path.costs[1] == pytest.approx(plain(given, middle)[1].mean(), rel=1e-5)
    curve = curves.bezier(KEYS[0], C, a, b, steps=3, batch=None, points=3)
    alike(curve.at(0.3), a)
    assert curve.costs[1] == pytest.approx(plain(given, curve.at(0.5))[1].mean(), rel=1e-5)


def test_models_and_their_slices_are_written_and_read_back(given, tmp_path):
    C, origin, path = given.C, given.origin, tmp_path / "result.npz"
    results.save(path, origin)
    again = results.load(path, like=given.other if rest(given.other) == rest(origin) else origin)
    alike(again, origin)
    np.testing.assert_array_equal(numbers(again), numbers(origin))
    assert C(*again) == C(*origin)
    axis, (recipe,) = np.linspace(-0.4, 0.4, 5), directions.recipes(KEYS[0], **given.options)
    plane = slices.plane(C, origin, given.u, recipe, axis, axis, accuracy=True)
    results.save(path, plane)
    again = results.load(path, like=plane)
    slices.check(C, again)
    found = slices.grid(C, *again.frame, again.axes, accuracy=True)
    for values in (again, found):
        np.testing.assert_array_equal(values.values, plane.values)
        np.testing.assert_array_equal(values.accuracy, plane.accuracy)
    alike(again.at([0.2, 0.3]), origin)


# through the doors of the libraries


def test_equinox_differentiates_a_cost_as_it_is():
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")
    given = equinox_module()
    (model,), images = given.make(KEYS[0]), Images(jnp.ones((N, FROM)), jax.nn.one_hot(jnp.arange(N) % TO, TO))
    C = cost.Cost(images, given.f, losses.softmax_cross_entropy)
    value, slope = eqx.filter_jit(eqx.filter_value_and_grad(lambda model, C: C(model)))(model, C)
    (found,) = descent.gradient(C, (model,))
    np.testing.assert_allclose(value, C(model), rtol=1e-6)
    for i in (0, 1, 4):
        np.testing.assert_allclose(slope.layers[i].weight, found.layers[i].weight, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(slope.layers[i].bias, found.layers[i].bias, rtol=1e-5, atol=1e-7)
    models = eqx.filter_vmap(lambda key: given.make(key)[0])(KEYS)  # an ensemble in its own way
    run = descent.ensemble(KEYS, C, (models,), optax.sgd(0.1), steps=1)
    np.testing.assert_allclose(run.costs[:, 0], [C(*given.make(key)) for key in KEYS], rtol=1e-5)


def test_nnx_differentiates_a_cost_and_a_dropout_that_is_on_draws_the_same_mask_each_time():
    given = nnx_module()
    from flax import nnx

    (model,), images = given.make(KEYS[0]), Images(jnp.ones((N, FROM)), jax.nn.one_hot(jnp.arange(N) % TO, TO))
    C = cost.Cost(images, given.f, losses.softmax_cross_entropy)
    slope = nnx.grad(lambda model: C(model))(model)
    found = nnx.state(descent.gradient(C, (model,))[0], nnx.Param)
    for a, b in zip(*map(jax.tree.leaves, (slope, found)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)
    still = float(C(model))
    model.drop.deterministic = False
    assert C(model) == C(model) != still
    (u,) = directions.random(KEYS[0], (model,), axis=-1)
    line = slices.line(C, (model,), u, [0.0, 1.0])
    assert line.values[0] == pytest.approx(float(C(model)), rel=1e-5)
    assert line.values[1] == pytest.approx(float(C(*line.at([1.0]))), rel=1e-5)


# what is hoisted of larger models


SIDE, CLASSES = 12, 4


def linen_cnn():
    nn = pytest.importorskip("flax.linen", reason="flax is not installed")

    class CNN(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.max_pool(nn.relu(nn.Conv(4, (3, 3))(x)), (2, 2), (2, 2))
            x = nn.avg_pool(nn.relu(nn.Conv(6, (3, 3), padding="VALID")(x)), (2, 2), (2, 2))
            return nn.Dense(CLASSES)(nn.LayerNorm()(x.ravel()))

    model = CNN()
    return (lambda x, p: model.apply(p, x)), jax.jit(model.init)(jax.random.key(0), jnp.zeros((SIDE, SIDE, 1)))


def nnx_cnn():
    nnx = pytest.importorskip("flax.nnx", reason="flax is not installed")

    class CNN(nnx.Module):
        def __init__(self, rngs):
            self.conv = nnx.Conv(1, 5, (3, 3), rngs=rngs)
            self.out = nnx.Linear(5 * (SIDE // 2) ** 2, CLASSES, rngs=rngs)

        def __call__(self, x):
            return self.out(nnx.max_pool(nnx.relu(self.conv(x)), (2, 2), (2, 2)).ravel())

    return (lambda x, model: model(x)), CNN(nnx.Rngs(0))


def equinox_mlp():
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")
    model = eqx.nn.MLP(SIDE * SIDE, CLASSES, 16, 2, activation=jnp.tanh, key=jax.random.key(0))
    return (lambda x, model: model(x.ravel())), model


# one with convolutions and one without are enough for every day
@pytest.fixture(
    scope="module",
    params=[pytest.param(linen_cnn, marks=pytest.mark.slow), nnx_cnn, equinox_mlp],
    ids=lambda make: make.__name__,
)
def model(request):
    f, params = request.param()
    x = jax.random.normal(jax.random.key(1), (11, SIDE, SIDE, 1))
    y = jax.nn.one_hot(jnp.arange(11) % CLASSES, CLASSES)
    return cost.Cost(Images(x, y), f, losses.softmax_cross_entropy), (params,)


def test_a_plane_in_float64_is_the_plain_one(model, x64):
    as64 = lambda leaf: jnp.asarray(leaf, jnp.float64) if moves(leaf) else leaf
    C, origin = jax.tree.map(as64, model)
    uv = [directions.gaussian(jax.random.key(i), origin) for i in (2, 3)]
    points = np.random.default_rng(0).normal(size=(5, 2))
    move = lambda s: jax.tree.map(lambda p, a, b: p + s[0] * a + s[1] * b if moves(p) else p, origin, *uv)
    along = jax.jit(lambda s: C(*move(s)))
    np.testing.assert_allclose(slices.evaluate(C, origin, uv, points), [along(s) for s in points], rtol=1e-12)
    _, gradients, hessians = slices.derivatives(C, origin, uv[:1], points[:1, :1])
    slope = jax.grad(lambda s: along(jnp.stack([s, 0.0])))
    for found, f in ((gradients, slope), (hessians, jax.grad(slope))):
        np.testing.assert_allclose(found.ravel(), jax.jit(f)(points[0, 0]), rtol=1e-8, atol=1e-10)


def test_something_is_hoisted(model):
    C, params = model
    C, origin = cost.split(C, params)
    u = directions.gaussian(jax.random.key(2), origin)
    coefficients, _ = jax.eval_shape(lambda: (hoist.split(C.of_one, origin, (u,), C.images)[0], 0))
    assert isinstance(coefficients, dict)  # and not the plain evaluation's own arguments
    assert any(leaf.shape[0] == 2 and leaf.shape[-1] == 11 for leaf in jax.tree.leaves(coefficients))


def test_a_page_is_live_of_dense_layers_and_else_a_ladder(model, tmp_path):
    C, origin = model
    uv = tuple(directions.gaussian(jax.random.key(i), origin) for i in (2, 3))
    page = live.explorer(tmp_path / "page.html", C, (origin, uv), zooms=[0.5], points=2, progress=False)
    moving_C, moving = cost.split(C, origin)
    one = jax.tree.map(lambda leaf: leaf[0], C.images)
    convolves = "conv_general_dilated" in str(jax.make_jaxpr(moving_C.of_one)(one, *moving))
    assert (page.live, page.images) == (not convolves, 11)
    assert page.reason == ("the operation reduce_window_max" if convolves else "")
    (told,) = json.loads(re.search(r'id="data">(.*?)</script>', (tmp_path / "page.html").read_text(), re.S)[1])[
        "planes"
    ]
    corner = float(C(*Frame(origin, uv).at([0.5, -0.5])))
    if convolves:
        per_class = np.frombuffer(base64.b64decode(told["rungs"][0]["values"]), "<f4").reshape(2, 2, -1)[1, 0]
        shares = np.bincount(np.asarray(C.images.y).argmax(1)) / 11
        assert per_class @ shares == pytest.approx(corner, rel=1e-5)
    else:
        assert len(told["checks"]) == 16


def test_directions_of_kernels_are_normalised_by_their_last_axis():
    _, params = linen_cnn()
    (u,) = directions.random(jax.random.key(2), params, axis=-1)
    for name in ("Conv_0", "Conv_1", "Dense_0"):
        of = lambda tree, name=name: np.asarray(tree["params"][name]["kernel"]).reshape(
            -1, tree["params"][name]["kernel"].shape[-1]
        )
        np.testing.assert_allclose(np.linalg.norm(of(u), axis=0), np.linalg.norm(of(params), axis=0), rtol=1e-5)


# batch normalisation and dropout


def normalised_network():
    """Dense, BatchNorm, Dropout, Dense of Flax; images, and variables whose running statistics are not 0 and 1."""
    nn = pytest.importorskip("flax.linen", reason="flax is not installed")

    class Model(nn.Module):
        @nn.compact
        def __call__(self, x, frozen):
            x = nn.BatchNorm(use_running_average=frozen)(nn.Dense(4)(x))
            return nn.Dense(TO)(nn.Dropout(0.5, deterministic=True)(jnp.tanh(x)))

    model, x = Model(), jax.random.normal(KEYS[0], (N, FROM))
    variables = model.init(KEYS[1], x, True)
    _, moved = model.apply(variables, 3 * x + 1, False, mutable=["batch_stats"])
    return model, Images(x, jax.nn.one_hot(jnp.arange(N) % TO, TO)), variables | moved


def by_layers(variables, images, frozen):
    """The mean cost in numpy, in float64; the statistics those that are kept, or of these very images."""
    p, kept = (
        jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables[name]) for name in ("params", "batch_stats")
    )
    x = np.asarray(images.x, np.float64) @ p["Dense_0"]["kernel"] + p["Dense_0"]["bias"]
    mean, var = (kept["BatchNorm_0"][name] for name in ("mean", "var")) if frozen else (x.mean(0), x.var(0))
    x = (x - mean) / np.sqrt(var + 1e-5) * p["BatchNorm_0"]["scale"] + p["BatchNorm_0"]["bias"]
    z = np.tanh(x) @ p["Dense_1"]["kernel"] + p["Dense_1"]["bias"]
    return (np.log(np.exp(z).sum(1)) - (z * np.asarray(images.y)).sum(1)).mean()


def test_with_frozen_statistics_a_model_is_one_of_single_images_and_they_do_not_move():
    model, images, variables = normalised_network()
    C = cost.Cost(images, lambda x, p: model.apply(p, x, True), losses.softmax_cross_entropy)
    (u,) = directions.random(KEYS[2], (variables,), axis=-1, biases="entry", without="batch_stats")
    assert not any(leaf.any() for leaf in jax.tree.leaves(u[0]["batch_stats"]))
    line = slices.line(C, (variables,), u, np.linspace(-1, 1, 5), accuracy=True)
    at = lambda s: by_layers(jax.tree.map(lambda p, d: p + s * d, variables, u[0]), images, frozen=True)
    np.testing.assert_allclose(line.values, [at(s) for s in line.alphas], rtol=1e-5)


def test_with_batch_statistics_it_is_one_number_of_the_whole():
    model, images, variables = normalised_network()

    def whole(images, p):
        z, _ = model.apply(p, images.x, False, mutable=["batch_stats"])
        return jax.vmap(losses.softmax_cross_entropy)(z, images.y).mean()

    C = cost.of(whole, images)
    np.testing.assert_allclose(C(variables), by_layers(variables, images, frozen=False), rtol=1e-5)
    assert abs(C(variables) - by_layers(variables, images, frozen=True)) > 0.01
    (u,) = directions.random(KEYS[2], (variables,), axis=-1, biases="entry", without="batch_stats")
    line = slices.line(C, (variables,), u, np.linspace(-1, 1, 5))
    at = lambda s: by_layers(jax.tree.map(lambda p, d: p + s * d, variables, u[0]), images, frozen=False)
    np.testing.assert_allclose(line.values, [at(s) for s in line.alphas], rtol=1e-5)
    _, slope, bend = slices.derivatives(C, (variables,), (u,), [[0.0]])
    step = 1e-4
    np.testing.assert_allclose(slope[0, 0], (at(step) - at(-step)) / (2 * step), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(bend[0, 0, 0], (at(step) + at(-step) - 2 * at(0)) / step**2, rtol=1e-2, atol=1e-3)
    run = descent.descend(KEYS[0], C, (variables,), optax.adam(0.05), steps=20, every=20)
    assert run.costs[1] < run.costs[0]
