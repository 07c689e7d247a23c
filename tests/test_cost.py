"""C is the mean of the costs of single images, whatever the blocks, the loss or the model."""

import subprocess
import sys
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import cost, data, devices, losses, network, slices
from jaxcost.data import Images


def small(n=23, sizes=(7, 5, 4), seed=0):
    keys = jax.random.split(jax.random.key(seed), 3)
    labels = jax.random.randint(keys[1], (n,), 0, sizes[-1])
    images = Images(jax.random.uniform(keys[0], (n, sizes[0])), jax.nn.one_hot(labels, sizes[-1]))
    return images, network.init(keys[2], sizes)


def outputs(images, params):
    """The network's outputs in numpy, in float64."""
    a = np.asarray(images.x, np.float64)
    for w, b in zip(*params, strict=True):
        a = 1 / (1 + np.exp(-(a @ np.asarray(w, np.float64).T + np.asarray(b, np.float64))))
    return a


@pytest.mark.parametrize("sizes", [(7, 4), (7, 5, 4), (7, 6, 5, 4)])
def test_cost_is_the_mean_over_images_written_in_numpy(sizes):
    images, params = small(sizes=sizes)
    C = cost.Cost(images)
    of_each = ((outputs(images, params) - np.asarray(images.y)) ** 2).sum(1)
    np.testing.assert_allclose(C.per_image(*params), of_each, rtol=1e-5)
    np.testing.assert_allclose(C(*params), of_each.mean(), rtol=1e-6)


def test_any_loss_is_taken_image_by_image():
    images, params = small()
    C = cost.Cost(images, network.logits, lambda z, y: jnp.abs(z).max() + z @ y)
    a, y = outputs(images, params), np.asarray(images.y)
    z = np.log(a / (1 - a))
    of_each = np.abs(z).max(1) + (z * y).sum(1)
    np.testing.assert_allclose(C.per_image(*params), of_each, rtol=1e-5)
    np.testing.assert_allclose(C(*params), of_each.mean(), rtol=1e-5)


@pytest.mark.parametrize("block", [1, 5, 23, 100, *(pytest.param(block, marks=pytest.mark.slow) for block in (12, 22))])
def test_blocks_change_nothing(block, x64):
    images, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), small())
    whole, C = cost.Cost(images), cost.Cost(images, block=block)
    np.testing.assert_allclose(C(*params), whole(*params), rtol=1e-14)
    np.testing.assert_allclose(C.per_image(*params), whole.per_image(*params), rtol=1e-14)
    assert cost.accuracy(C, params) == cost.accuracy(whole, params)
    slope = jax.jit(lambda C: jax.grad(C, (0, 1))(*params))
    for a, b in zip(*(jax.tree.leaves(slope(c)) for c in (C, whole)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-14)


def test_an_image_that_is_not_finite_is_seen_once_whatever_the_blocks():
    images, params = small()
    C = cost.Cost(Images(images.x.at[20].set(jnp.nan), images.y), block=15)
    assert np.isnan(C(*params))
    assert np.flatnonzero(np.isnan(C.per_image(*params))).tolist() == [20]


@pytest.mark.parametrize("block", [None, 9])
def test_the_gradient_is_the_central_difference(block, x64):
    images, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), small())
    C = cost.Cost(images, block=block)
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    gradient, _ = jax.flatten_util.ravel_pytree(jax.jit(jax.grad(C, (0, 1)))(*params))
    for i in range(0, len(flat), 7):
        step = jnp.zeros_like(flat).at[i].set(1e-5)
        difference = (C(*unflatten(flat + step)) - C(*unflatten(flat - step))) / 2e-5
        np.testing.assert_allclose(gradient[i], difference, rtol=1e-6, atol=1e-11)


@pytest.mark.parametrize("block", [None, 9])
def test_jvp_hessian_and_vmap_over_networks(block, x64):
    images, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), small(sizes=(3, 2, 2)))
    C = cost.Cost(images, block=block)
    flat, unflatten = jax.flatten_util.ravel_pytree(params)
    hessian = jax.jit(jax.hessian(C, (0, 1)))(*params)
    dense = jax.jit(jax.hessian(lambda p: C(*unflatten(p))))(flat)
    np.testing.assert_allclose(hessian[0][0][0][0].reshape(6, 6), dense[:6, :6], rtol=1e-9, atol=1e-13)
    direction, step = jax.tree.map(jnp.ones_like, params), jax.jit(jax.grad(lambda p: C(*unflatten(p))))
    _, slope = jax.jit(partial(jax.jvp, C))(tuple(params), tuple(direction))
    np.testing.assert_allclose(slope, step(flat).sum(), rtol=1e-10)
    column = (step(flat.at[0].add(1e-5)) - step(flat.at[0].add(-1e-5))) / 2e-5
    np.testing.assert_allclose(dense[0], column, rtol=1e-5, atol=1e-9)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf, -leaf]), params)
    alone = [C(*jax.tree.map(lambda leaf, k=k: k * leaf, params)) for k in (1, 2, -1)]
    np.testing.assert_allclose(jax.vmap(C)(*many), alone, rtol=1e-12)


def test_accuracy_counts_the_largest_output():
    images = Images(jnp.eye(4), jnp.eye(4))
    shift = jnp.roll(jnp.eye(4), 1, axis=0).at[0].set(jnp.eye(4)[0])
    C = cost.Cost(images, f=lambda x, m: m @ x, block=3)
    assert cost.accuracy(C, (jnp.eye(4),)) == 1
    assert cost.accuracy(C, (shift,)) == np.mean([np.argmax(shift[:, i]) == i for i in range(4)])


def test_accuracy_takes_labels_as_they_are():
    images, params = small()
    labels = cost.Cost(Images(images.x, images.y.argmax(-1)), network.logits, lambda z, y: -z[y])
    expected = np.mean(outputs(images, params).argmax(1) == np.asarray(images.y).argmax(1))
    assert 0 < expected < 1
    for C in (labels, cost.Cost(images)):
        np.testing.assert_allclose(cost.accuracy(C, params), expected, rtol=1e-6)


def test_new_images_and_new_parameters_are_not_traced_again():
    traces = []

    def f(x, w, b):
        traces.append(x)
        return network.feedforward(x, w, b)

    images, params = small()
    C = cost.Cost(images, f)
    C(*params)
    once = len(traces)
    cost.Cost(Images(images.x + 1, images.y), f)(*jax.tree.map(jnp.negative, params))
    assert len(traces) == once > 0


def test_a_user_may_bring_images_of_any_shape_and_one_parameter_tree():
    x = jax.random.normal(jax.random.key(0), (9, 4, 4, 1))
    y = jax.random.normal(jax.random.key(1), (9,))
    tree = {"k": jnp.full((4, 4, 1), 0.1), "c": jnp.float32(0.5)}
    C = cost.Cost(Images(x, y), lambda x, p: (x * p["k"]).sum() + p["c"], lambda a, y: (a - y) ** 2)
    expected = np.mean([(0.1 * float(xi.sum()) + 0.5 - float(yi)) ** 2 for xi, yi in zip(x, y, strict=True)])
    np.testing.assert_allclose(C(tree), expected, rtol=1e-5)


# what does not move


def counted():
    """A cost whose parameters hold a counter, a flag and a function beside a floating number."""
    f = lambda x, p, act: jnp.where(p["on"], act(p["w"] * x[: p["to"].size]), 0)
    C = cost.Cost(Images(jnp.arange(12.0).reshape(3, 4), jnp.zeros((3, 2))), f)
    return C, ({"w": jnp.array(0.5), "on": jnp.array(True), "to": jnp.arange(2)}, jnp.square)


def test_what_is_no_floating_array_is_passed_to_the_model_as_it_is():
    C, params = counted()
    x = np.arange(12.0).reshape(3, 4)[:, :2]
    of_each = ((0.5 * x) ** 4).sum(1)
    np.testing.assert_allclose(C.per_image(*params), of_each)
    np.testing.assert_allclose(C(*params), of_each.mean())
    assert C({**params[0], "on": jnp.array(False)}, jnp.square) == 0
    np.testing.assert_allclose(C(params[0], jnp.negative), ((0.5 * x) ** 2).sum(1).mean())


def test_split_leaves_a_function_of_the_floating_leaves_that_jax_can_differentiate():
    C, params = counted()
    moving_C, moving = cost.split(C, params)
    assert [leaf.shape for leaf in jax.tree.leaves(moving)] == [()]
    assert moving_C(*moving) == C(*params)
    x = np.arange(12.0).reshape(3, 4)[:, :2]
    slope = jax.grad(moving_C)(*moving)["w"]
    np.testing.assert_allclose(slope, (4 * 0.5**3 * x**4).sum(1).mean(), rtol=1e-6)
    again, same = cost.split(moving_C, moving)
    assert again(*same) == C(*params)


def test_split_leaves_all_as_it_was_where_all_moves():
    images, params = small()
    C = cost.Cost(images)
    same, moving = cost.split(C, params)
    assert same is C
    assert type(moving) is network.Params


# errors


def test_errors_come_at_trace_time_and_say_what_to_do():
    images, params = small()
    with pytest.raises(ValueError, match=r"shape \(4,\), expected one number"):
        cost.Cost(images, loss=lambda a, y: a - y)(*params)
    with pytest.raises(ValueError, match="no images"):
        cost.Cost(images[:0])(*params)
    with pytest.raises(ValueError, match=r"outputs have shape \(4,\) and desired outputs \(\)"):
        cost.Cost(Images(images.x, images.y.argmax(-1)))(*params)


def test_a_block_is_a_positive_number_of_images():
    images, params = small()
    for block in (0, -5):
        with pytest.raises(ValueError, match=f"block={block}, expected a whole number, 1 or more"):
            cost.Cost(images, block=block)(*params)


@pytest.mark.parametrize("block", [None, 1, 9])
def test_without_images_there_is_no_cost(block):
    images, params = small()
    C = cost.Cost(images[:0], block=block)
    for ask in (
        lambda: C(*params),
        lambda: C.per_image(*params),
        lambda: cost.accuracy(C, params),
        lambda: cost.output_distance(C, params),
        lambda: slices.line(C, params, params, [0.0]),
    ):
        with pytest.raises(ValueError, match="C has no images, expected at least one"):
            ask()


@pytest.mark.parametrize(
    "cut",
    [
        lambda x, y: (x, y[:-1]),  # with blocks late images would get the labels of others
        lambda x, y: (x[:-1], y),
        lambda x, y: ({"pixels": x, "mask": x[1:]}, y),
        lambda x, y: (x, y[0, 0]),
        lambda x, y: (list(range(3)), y),
        lambda x, y: (np.full(len(y), "text"), y),
    ],
)
def test_x_and_y_are_of_as_many_images(cut):
    images, _ = small()
    with pytest.raises(ValueError, match=r"images of .*; expected arrays, the first axis of each one of the images"):
        cost.Cost(Images(*cut(images.x, images.y)))


@pytest.mark.parametrize("images", [None, {"x": 1, "y": 2}, (np.ones((3, 2)), np.ones((3, 1))), np.ones((3, 2))])
def test_what_is_no_set_of_images_is_named(images):
    with pytest.raises(ValueError, match=r"images=.*, expected data.Images, or another pytree with x and y"):
        cost.Cost(images)


def test_images_may_be_trees_and_are_as_many_as_their_leaves_are_long():
    """Of a dict the length is the number of its names."""
    images, params = small()
    halves = Images({"left": images.x[:, :3], "right": images.x[:, 3:]}, images.y)
    C = cost.Cost(halves, lambda x, w, b: network.feedforward(jnp.concatenate([x["left"], x["right"]]), w, b), block=9)
    assert C.n == len(halves) == 23
    np.testing.assert_allclose(C(*params), cost.Cost(images)(*params), rtol=1e-6)


@pytest.mark.parametrize("loss", [losses.sigmoid_cross_entropy, losses.softmax_cross_entropy, losses.hinge])
def test_a_loss_of_weighted_inputs_is_not_given_outputs_nor_the_other_way_round(loss):
    images, _ = small()
    for f in (network.feedforward, network.mlp(jnp.tanh, jax.nn.sigmoid), network.mlp(jax.nn.relu, jax.nn.softmax)):
        with pytest.raises(ValueError, match=rf"loss={loss.__name__} of weighted inputs, .* expected f=network.logits"):
            cost.Cost(images, f, loss)
        cost.Cost(images, f, losses.cross_entropy)
    for f in (network.logits, network.mlp(jnp.tanh)):
        with pytest.raises(ValueError, match=r"loss=cross_entropy of outputs in .* expected f=network.feedforward"):
            cost.Cost(images, f, losses.cross_entropy)
        cost.Cost(images, f, loss)
        cost.Cost(images, f, losses.quadratic)
    cost.Cost(images, network.mlp(jnp.tanh, jax.nn.relu), loss)  # of whose outputs the kit knows nothing
    cost.Cost(images, lambda x, w, b: network.feedforward(x, w, b), loss)


def test_parameters_that_f_does_not_take_are_named():
    images, params = small()
    C, one = cost.Cost(images), cost.Cost(images, lambda x, p: p @ x, lambda a, y: a[0])
    for ask, message in (
        (lambda: C(params), r"1 parameters for f\(x, w, b\).*; expected C\(\*params\)"),
        (lambda: C(*params, 1.0), r"3 parameters for f\(x, w, b\).*; expected C\(\*params\)"),
        (lambda: cost.accuracy(one, params.w[0]), r"parameters float32\[5, 7\], expected a tuple of C's arguments"),
        (lambda: cost.accuracy(one, {"p": params.w[0]}), "expected a tuple of C's arguments"),
        (lambda: slices.line(one, [params.w[0]], [params.w[0]], [0.0]), "expected a tuple of C's arguments"),
        (lambda: cost.accuracy("C", params), "C='C', expected a cost.Cost, or a function of the parameters"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


@pytest.mark.parametrize("c", [1j, "text", None, [1.0]])
def test_a_loss_is_a_real_number(c):
    images, params = small()
    with pytest.raises(ValueError, match=r"expected (real numbers|one number)"):
        cost.Cost(images, loss=lambda a, y: c)(*params)


def test_a_cost_is_a_pytree_of_anything():
    """Jax puts what it likes in the place of leaves, which the constructor would refuse."""
    images, params = small()
    C = cost.Cost(images, network.logits, losses.hinge, block=9)
    of = jax.tree.map(lambda leaf: leaf.shape[1:], C)
    assert (of.images.x, of.f, of.loss, of.block) == ((7,), network.logits, losses.hinge, 9)
    assert jax.tree.structure(jax.tree.map(lambda leaf: None, C)) != jax.tree.structure(C)
    one = jax.tree.map(lambda leaf: leaf[0], C)
    assert (one.images.x.shape, one.images.y.shape) == ((7,), (4,))
    two = jax.tree.map(lambda *leaves: jnp.stack(leaves), C, C)
    np.testing.assert_allclose(jax.vmap(lambda C: C(*params))(two), [C(*params)] * 2, rtol=1e-6)
    only_x = jax.tree.map(lambda leaf: 0 if leaf.shape[-1] == 7 else None, C)
    many = jax.tree.unflatten(jax.tree.structure(C), [jnp.stack([images.x] * 2), images.y])
    np.testing.assert_allclose(jax.vmap(lambda C: C(*params), (only_x,))(many), [C(*params)] * 2, rtol=1e-6)
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(C)]
    assert names == [".images.x", ".images.y"]


# sizes as they are used

MEMORY = """
import resource
import jax, jax.numpy as jnp
from jaxcost import cost, network
from jaxcost.data import Images
x = jnp.ones((60_000, 784)).block_until_ready()
C = cost.Cost(Images(x, jnp.ones((60_000, 10))))
first = cost.Cost(Images(x[:100], C.images.y[:100]))  # the compiler's own memory
networks = [network.init(jax.random.key(0), sizes) for sizes in [(784, 16, 16, 10), (784, 512, 512, 10)]]
for c in (first, C):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for params in networks:
        jax.block_until_ready((c(*params), c.per_image(*params), jax.grad(c, (0, 1))(*params)))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""


@pytest.mark.slow
def test_sixty_thousand_images_take_at_most_300_mb_beyond_their_own():
    run = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    assert float(run.stdout) < 300


def test_the_embedded_digits_cost_what_numpy_says():
    _, held_out = data.digits()
    params = network.init(jax.random.key(5))
    expected = ((outputs(held_out, params) - np.asarray(held_out.y)) ** 2).sum(1).mean()
    np.testing.assert_allclose(cost.Cost(held_out)(*params), expected, rtol=1e-6)


# distance in function space


@pytest.mark.parametrize("block", [None, 7, *(pytest.param(block, marks=pytest.mark.slow) for block in (1, 23))])
def test_the_output_distance_is_the_mean_distance_of_the_outputs(block):
    images, params = small()
    _, other = small(seed=5)
    D = cost.output_distance(cost.Cost(images, block=block), params)
    apart = np.linalg.norm(outputs(images, other) - outputs(images, params), axis=1)
    np.testing.assert_allclose(D.per_image(*other), apart, rtol=1e-5)
    np.testing.assert_allclose(D(*other), apart.mean(), rtol=1e-6)
    assert D.block == block


def test_it_is_nothing_at_the_origin_symmetric_and_no_longer_by_way_of_a_third():
    images, params = small()
    C, nets = cost.Cost(images), [params, small(seed=5)[1], small(seed=6)[1]]
    D = np.array([[cost.output_distance(C, a)(*b) for b in nets] for a in nets])
    np.testing.assert_allclose(np.diag(D), 0, atol=1e-6)
    np.testing.assert_allclose(D, D.T, rtol=1e-5, atol=1e-6)
    for i, j, k in np.ndindex(3, 3, 3):
        assert D[i, k] <= D[i, j] + D[j, k] + 1e-6


def test_it_is_one_of_split_parameters_too():
    C, params = counted()
    moving_C, moving = cost.split(C, params)
    other = jax.tree.map(lambda leaf: 2 * leaf, moving)
    D = cost.output_distance(moving_C, moving)
    assert D(*moving) == 0
    x = np.arange(12.0).reshape(3, 4)[:, :2]
    np.testing.assert_allclose(D(*other), np.linalg.norm(x**2 - (0.5 * x) ** 2, axis=1).mean(), rtol=1e-6)


def test_it_knows_nothing_of_labels_or_losses():
    images, params = small()
    _, other = small(seed=5)
    expected = cost.output_distance(cost.Cost(images), params)(*other)
    relabelled = cost.Cost(Images(images.x, images.y.argmax(-1)), loss=lambda a, y: a[y])
    assert cost.output_distance(relabelled, params)(*other) == expected


def test_along_a_slice_it_starts_at_nothing_and_is_as_long_as_the_slope_near_it():
    images, params = small()
    _, u = small(seed=5)
    near = 1e-3
    line = slices.line(cost.output_distance(cost.Cost(images), params), params, u, [0.0, near, 3 * near])
    assert line.values[0] <= line.floor
    moved = jax.tree.map(lambda p, d: np.float64(p) + near * np.float64(d), tuple(params), tuple(u))
    apart = np.linalg.norm(outputs(images, moved) - outputs(images, params), axis=1).mean()
    np.testing.assert_allclose(line.values[1], apart, rtol=1e-3)
    np.testing.assert_allclose(line.values[2], 3 * apart, rtol=1e-2)


def test_images_that_are_spread_are_refused():
    images, params = small()
    spread = devices.spread(cost.Cost(images), devices.mesh())
    with pytest.raises(ValueError, match=r"images on \d devices, expected C as it was before `devices.spread`"):
        cost.output_distance(spread, params)
