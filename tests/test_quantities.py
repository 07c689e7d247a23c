"""The make-up of C at each point, by class and by image, and its standard error: against loops in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import checks, cost, devices, losses, network, results, slices
from jaxcost.data import Images
from jaxcost.directions import Frame
from jaxcost.engine import quantities, sweep

N, CLASSES = 37, 4
POINTS = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
EVERYTHING = dict.fromkeys(("standard_error", "per_class", "per_image", "accuracy"), True)
SCALED, FIRST = lambda x, p: p * x, lambda a, y: a[0]  # costs that are known exactly: the image's number, scaled


def scaled(outputs):
    """A model whose outputs are all the image's number, scaled."""
    return lambda x, *p: jnp.repeat(sum(p) * x, outputs)


def label_squared(a, label):
    """The quadratic cost of a whole-numbered desired output."""
    return losses.quadratic(a, jax.nn.one_hot(label, CLASSES))


def problem(labels=None, block=None, whole=None, x=None):
    """A cost of 37 images, its origin and two directions; `whole` is the type of labels that are not one-hot."""
    keys = jax.random.split(jax.random.key(0), 5)
    labels = np.asarray(jax.random.randint(keys[1], (N,), 0, CLASSES)) if labels is None else labels
    x = jax.random.uniform(keys[0], (N, 12)) if x is None else jnp.asarray(x)
    y = jnp.asarray(labels, whole) if whole else jax.nn.one_hot(labels, CLASSES)
    C = cost.Cost(Images(x, y), loss=label_squared if whole else losses.quadratic, block=block)
    return C, labels, *(network.init(k, (12, 6, CLASSES)) for k in keys[2:])


def loop(C, labels, point, origin, *ds):
    """The cost of each image and whether it is guessed right, in numpy, in float64, image after image."""
    as64 = lambda leaf: np.asarray(leaf, np.float64)
    move = lambda p, *d: as64(p) + sum(float(s) * as64(a) for s, a in zip(point, d, strict=True))
    w, b = jax.tree.map(move, origin, *ds)
    costs, right = [], []
    for a, label in zip(as64(C.images.x), labels, strict=True):
        for w_layer, b_layer in zip(w, b, strict=True):
            a = 1 / (1 + np.exp(-(w_layer @ a + b_layer)))
        costs.append(((a - np.eye(CLASSES)[label]) ** 2).sum())
        right.append(a.argmax() == label)
    return np.array(costs), np.array(right)


def over_points(quantity, C, origin, *ds, points=POINTS):
    (found,) = sweep.over_points(quantity, (C,), Frame(origin, ds), points)
    return found


def detailed(C, *slice_, points=POINTS):
    return over_points(quantities.Detailed(checks.classes(C.images.y), True, True), C, *slice_, points=points)


def standard_error(costs):
    return costs.std(ddof=1) / np.sqrt(len(costs))


@pytest.mark.parametrize(
    ("block", "whole", "mesh"),
    [
        (None, None, None),
        (36, np.uint8, None),  # does not divide 37: some images are seen twice
        (10, np.int32, (2, 1)),  # nor does 2: a copy fills up a part
    ],
)
def test_class_means_image_costs_accuracy_and_standard_error_are_those_of_a_loop(block, whole, mesh):
    alone, labels, *slice_ = problem(block=block, whole=whole)
    C = devices.spread(alone, devices.mesh(*mesh)) if mesh else alone
    kept = detailed(C, *slice_)
    for i, point in enumerate(POINTS):
        costs, right = loop(alone, labels, point, *slice_)
        np.testing.assert_allclose(kept["values"][i], costs.mean(), rtol=2e-6)
        np.testing.assert_allclose(kept["per_image"][i], costs, rtol=1e-5)  # in the images' own order
        np.testing.assert_allclose(kept["standard_error"][i], standard_error(costs), rtol=1e-5)
        np.testing.assert_allclose(kept["accuracy"][i], right.mean(), rtol=1e-6)
        by_class = [costs[labels == label].mean() for label in range(CLASSES)]
        np.testing.assert_allclose(kept["per_class"][i], by_class, rtol=5e-6)
    assert len(set(kept["accuracy"].tolist())) > 1


def test_means_over_images_and_over_classes_by_their_size_are_the_values():
    C, labels, *slice_ = problem(block=10)
    kept = detailed(C, *slice_)
    plain = over_points(quantities.VALUES, C, *slice_)
    sizes = np.bincount(labels, minlength=CLASSES)
    np.testing.assert_allclose(kept["per_image"].mean(-1), plain, rtol=1e-6)
    np.testing.assert_allclose(kept["per_class"] @ sizes / N, plain, rtol=1e-6)
    np.testing.assert_allclose(kept["values"], plain, rtol=1e-6)


def test_a_class_without_images_is_nan_and_the_others_are_not_touched():
    labels = np.arange(N) % 2 * 3  # 0 and 3
    C, _, *slice_ = problem(labels, block=10)
    kept = detailed(C, *slice_)["per_class"]
    assert np.isnan(kept[:, 1:3]).all()
    costs, _ = loop(C, labels, POINTS[0], *slice_)
    np.testing.assert_allclose(kept[0, ::3], [costs[labels == 0].mean(), costs[labels == 3].mean()], rtol=5e-6)


@pytest.mark.parametrize("where", [0, 27, 36])  # in one block; in the last, and seen twice; last
def test_an_image_that_is_not_finite_spoils_its_class_and_the_whole_and_nothing_else(where):
    sound, labels, *slice_ = problem(block=10)
    C, *_ = problem(block=10, x=np.asarray(sound.images.x).copy() * np.where(np.arange(N) == where, np.nan, 1)[:, None])
    kept = detailed(C, *slice_)
    others, other_classes = np.arange(N) != where, np.arange(CLASSES) != labels[where]
    for i, point in enumerate(POINTS):
        costs, _ = loop(sound, labels, point, *slice_)
        np.testing.assert_allclose(kept["per_image"][i, others], costs[others], rtol=1e-5)
        by_class = np.array([costs[labels == label].mean() for label in range(CLASSES)])
        np.testing.assert_allclose(kept["per_class"][i, other_classes], by_class[other_classes], rtol=5e-6)
    for name, spoilt in (("values", ...), ("standard_error", ...), ("per_image", np.s_[:, where])):
        assert np.isnan(kept[name][spoilt]).all()
    assert np.isnan(kept["per_class"][:, labels[where]]).all()


def test_an_infinite_cost_is_an_infinite_mean_and_has_no_standard_error():
    x = jnp.arange(1.0, 7.0)[:, None].at[2].set(3e38)
    C = cost.Cost(Images(x, jax.nn.one_hot(jnp.arange(6) % 2, 2)), scaled(2), FIRST, block=4)
    kept = detailed(C, (jnp.zeros(1),), (jnp.ones(1),), points=np.array([[2.0], [4.0]], np.float32))
    np.testing.assert_array_equal(kept["per_image"], np.outer([2, 4], [1, 2, np.inf, 4, 5, 6]))
    np.testing.assert_array_equal(kept["per_class"], [[np.inf, 8], [np.inf, 16]])
    np.testing.assert_array_equal(kept["values"], [np.inf, np.inf])
    assert np.isnan(kept["standard_error"]).all()


def test_one_image_has_a_cost_and_no_standard_error():
    C = cost.Cost(Images(jnp.full((1, 1), 3.0), jnp.eye(2)[1:]), scaled(2), FIRST)
    found = slices.line(C, (jnp.ones(1),), (jnp.ones(1),), [0.0, 1.0], **EVERYTHING)
    np.testing.assert_array_equal(found.accuracy, [0, 0])  # of equal outputs the first is the largest
    np.testing.assert_array_equal(found.values, [3, 6])
    np.testing.assert_array_equal(found.per_image, [[3], [6]])
    np.testing.assert_array_equal(found.per_class, [[np.nan, 3], [np.nan, 6]])
    assert np.isnan(found.standard_error).all()


def test_a_standard_error_far_smaller_than_the_costs_is_not_lost_in_rounding():
    """The mean of squares less the square of the mean is 0, or several times too large, here."""
    rng, n = np.random.default_rng(0), 5003
    x = (0.1 * rng.normal(size=n) + np.linspace(0, 0.1, n)).astype(np.float32)[:, None]  # block means differ
    C = cost.Cost(Images(jnp.asarray(x), jnp.zeros((n, 2))), lambda x, p: p * x, lambda a, y: 1e3 + a[0], block=600)
    points = np.array([[1.0], [-2.0]], np.float32)
    kept = over_points(quantities.Detailed(), C, (jnp.zeros(1),), (jnp.ones(1),), points=points)
    assert set(kept) == {"values", "standard_error"}
    costs = 1e3 + points.astype(np.float64) * x[:, 0]
    naive = np.float32((costs.astype(np.float32) ** 2).mean(1)) - np.float32(costs.astype(np.float32).mean(1)) ** 2
    exact = [standard_error(c) for c in costs]
    assert (np.abs(np.sqrt(np.maximum(0, naive) / n) / exact - 1) > 0.5).all()
    np.testing.assert_allclose(kept["standard_error"], exact, rtol=1e-3)
    np.testing.assert_allclose(kept["values"], costs.mean(1), rtol=1e-6)


@pytest.mark.parametrize("block", [None, 5])
def test_images_keep_their_own_order(block):
    x = np.random.default_rng(1).permutation(17).astype(np.float32)
    C = cost.Cost(Images(jnp.asarray(x)[:, None], jnp.zeros((17, 2))), SCALED, FIRST, block)
    points = np.array([[1.0], [2.0], [-4.0]], np.float32)
    kept = over_points(quantities.Detailed(0, True), C, (jnp.zeros(1),), (jnp.ones(1),), points=points)
    np.testing.assert_array_equal(kept["per_image"], points * x)


@pytest.mark.parametrize("k", [1, 3])
def test_shapes_are_the_grids_and_then_classes_or_images_and_a_file_keeps_them(k, tmp_path):
    y = jax.nn.one_hot(jnp.arange(6) % 3, 3)
    C = cost.Cost(Images(jnp.arange(6.0)[:, None], y), scaled(3), FIRST)
    origin, unit = (jnp.zeros(1),) * k, np.eye(k, dtype=np.float32)
    ds = [tuple(jnp.full(1, number) for number in row) for row in unit]
    axes = [np.arange(1.0, 3.0 + j, dtype=np.float32) for j in range(k)]
    found = slices.grid(C, origin, ds, axes, **EVERYTHING)
    total = sum(np.meshgrid(*axes, indexing="ij"))  # every cost is this times the image's number
    np.testing.assert_array_equal(found.per_image, total[..., None] * np.arange(6))
    np.testing.assert_array_equal(found.per_class, total[..., None] * [1.5, 2.5, 3.5])
    np.testing.assert_allclose(found.standard_error, total * standard_error(np.arange(6.0)), rtol=1e-6)
    np.testing.assert_array_equal(found.values, 2.5 * total)
    results.save(tmp_path / "found.npz", found)
    again = results.load(tmp_path / "found.npz", like=found)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(again), strict=True):
        assert np.asarray(a).tobytes() == np.asarray(b).tobytes()


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ({}, set()),
        ({"standard_error": True}, {"standard_error"}),
        ({"per_class": True}, {"standard_error", "per_class"}),
        ({"per_image": True}, {"standard_error", "per_image"}),
        ({"accuracy": True}, {"standard_error", "accuracy"}),
    ],
)
def test_what_was_not_asked_for_is_not_kept(options, kept):
    C = cost.Cost(Images(jnp.arange(6.0)[:, None], jnp.arange(6) % 3), scaled(3), FIRST)
    found = slices.line(C, (jnp.zeros(1),), (jnp.ones(1),), [1.0, 2.0], **options)
    assert {name for name in EVERYTHING if getattr(found, name) is not None} == kept
    np.testing.assert_array_equal(found.values, [2.5, 5.0])


@pytest.mark.parametrize(
    "y",
    [
        np.zeros((6, 3), int),
        np.zeros(6, np.float32),
        np.zeros((6, 3, 2), np.float32),
        np.full((6, 2), 0.5, np.float32),
        np.eye(6)[::-1] * 2,
        np.where(np.eye(6), 1, -1),
        np.where(np.eye(6), 1, np.nan),
    ],
)
@pytest.mark.parametrize("asked", ["per_class", "accuracy"])
def test_desired_outputs_that_are_no_classes_are_refused(y, asked):
    C = cost.Cost(Images(jnp.arange(6.0)[:, None], jnp.asarray(y)), SCALED, FIRST)
    refused = r"expected (one-hot \[n, classes\] or whole labels \[n\]|one output a class)"
    with pytest.raises(ValueError, match=refused):
        slices.line(C, (jnp.zeros(1),), (jnp.ones(1),), [1.0], **{asked: True})


def exact_accuracy(labels, a):
    """The share of images whose outputs have no NaN and are largest at the label, the first of equal ones."""
    return np.mean(
        [not np.isnan(row).any() and int(np.argmax(row)) == label for row, label in zip(a, labels, strict=True)]
    )


@pytest.mark.parametrize("whole", [None, np.int32])
def test_outputs_that_are_not_a_number_are_never_right_and_of_equal_ones_the_first_counts(whole):
    """A network that has diverged would else be right about all images of class 0."""
    a = np.random.default_rng(0).integers(0, 3, (40, 3)).astype(np.float32)  # many equal
    a[::4, 1], a[1::8, 0], a[3] = np.nan, np.inf, np.nan
    labels = np.arange(40) % 3
    y = jnp.asarray(labels, whole) if whole else jax.nn.one_hot(labels, 3)
    C = cost.Cost(Images(jnp.asarray(a), y), SCALED, lambda a, y: a[0], block=7)
    expected = exact_accuracy(labels, a)
    naive = np.mean(a.argmax(1) == labels)
    assert expected < naive
    np.testing.assert_allclose(cost.accuracy(C, (jnp.ones(3),)), expected)
    found = slices.line(C, (jnp.zeros(3),), (jnp.ones(3),), [1.0, 2.0], accuracy=True)
    np.testing.assert_allclose(found.accuracy, expected)
    nothing = cost.accuracy(C, (jnp.full(3, jnp.nan),))
    assert nothing == 0


@pytest.mark.parametrize("y", [jnp.arange(6) % 3, jnp.eye(6)[:, :3].at[3:, 0].set(1)])
@pytest.mark.parametrize("outputs", [1, 2])
def test_accuracy_asks_for_an_output_a_class(y, outputs):
    C = cost.Cost(Images(jnp.arange(6.0)[:, None], y), scaled(outputs), FIRST)
    for ask in (
        lambda: cost.accuracy(C, (jnp.ones(1),)),
        lambda: slices.line(C, (jnp.zeros(1),), (jnp.ones(1),), [1.0], accuracy=True),
    ):
        with pytest.raises(
            ValueError, match=rf"outputs have shape \({outputs},\), for .*; expected one output a class"
        ):
            ask()
    C = cost.Cost(Images(jnp.arange(6.0)[:, None], y), lambda x, p: (p * x)[0], lambda a, y: a)
    with pytest.raises(ValueError, match=r"outputs have shape \(\), for"):
        cost.accuracy(C, (jnp.ones(1),))


def test_labels_below_zero_are_in_no_class_and_never_right():
    f = lambda x, p: jnp.concatenate([x, 3 - x]) * p  # guesses class 0 above 1.5, and class 1 below
    C = cost.Cost(Images(jnp.arange(6.0)[:, None], jnp.array([-1, 0, 1, -1, 0, 1])), f, lambda a, y: a[0])
    found = slices.line(C, (jnp.zeros(1),), (jnp.ones(1),), [1.0, -1.0], per_class=True, accuracy=True)
    np.testing.assert_allclose(found.per_class, [[2.5, 3.5], [-2.5, -3.5]])
    np.testing.assert_allclose(found.values, [2.5, -2.5])
    np.testing.assert_allclose(found.accuracy, [1 / 6, 3 / 6])  # image 4; images 1, 2 and 5


def test_what_accuracy_adds_is_not_the_network_again():
    """A program that calls f twice for one image would compute it twice."""
    calls, C, *slice_ = [], *problem()[:1], *problem()[2:]

    def f(x, w, b):
        calls.append(x)
        return network.feedforward(x, w, b)

    image = jax.tree.map(lambda leaf: leaf[0], C.images)
    quantities.Detailed(accuracy=True).of_one(cost.Cost(C.images, f), image, *slice_[0])
    assert len(calls) == 1
