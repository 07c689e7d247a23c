"""A cost with a penalty of its parameters: C plus it, wherever one looks, and what was hoisted before still is."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, data, descent, devices, layers, live, losses, network, slices
from jaxcost.curvature import products
from jaxcost.data import Images
from jaxcost.engine import hoist, program, quantities

RATE = 0.05


def problem(**options):
    """40 images of 5 pixels in 3 classes, a 5-4-3 network, and C with a penalty and without."""
    keys = jax.random.split(jax.random.key(0), 4)
    images = Images(jax.random.normal(keys[0], (40, 5)), data.one_hot(np.arange(40) % 3, 3))
    params, u = network.init(keys[1], (5, 4, 3)), network.init(keys[2], (5, 4, 3))
    C = cost.Cost(images, **options)
    return C, cost.Cost(images, penalty=losses.weight_decay(RATE), **options), params, u


def squares(params):
    """The sum of the squares of all weights, without the biases, in float64."""
    return sum(float((np.asarray(w, float) ** 2).sum()) for w in params.w)


@pytest.mark.parametrize("block", [None, 7])
def test_it_is_added_once_to_the_mean_and_to_each_image(block):
    C, penalised, params, _ = problem(block=block)
    np.testing.assert_allclose(penalised(*params), C(*params) + RATE * squares(params), rtol=1e-6)
    of_each = C.per_image(*params) + RATE * squares(params)
    np.testing.assert_allclose(penalised.per_image(*params), of_each, rtol=1e-5)
    assert cost.accuracy(penalised, params) == cost.accuracy(C, params)
    assert cost.output_distance(penalised, params)(*params) == 0


@pytest.mark.parametrize("block", [None, pytest.param(7, marks=pytest.mark.slow)])
def test_along_a_slice_it_is_the_parabola_of_the_weights(block):
    C, penalised, params, u = problem(block=block)
    axis = np.linspace(-1, 1, 5)
    kept = dict(per_class=True, per_image=True, accuracy=True)
    plain, line = (slices.line(one, params, u, axis, **kept) for one in (C, penalised))
    parabola = np.array([RATE * squares(jax.tree.map(lambda p, d, s=s: p + s * d, params, u)) for s in axis])
    np.testing.assert_allclose(line.values, plain.values + parabola, rtol=1e-5)
    np.testing.assert_allclose(line.per_image, plain.per_image + parabola[:, None], rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(line.per_class, plain.per_class + parabola[:, None], rtol=1e-5)
    np.testing.assert_allclose(line.standard_error, plain.standard_error, rtol=1e-4)
    np.testing.assert_array_equal(line.accuracy, plain.accuracy)
    assert np.abs(line.values - plain.values - parabola).max() < line.floor + plain.floor < 1e-4
    plain, found = (slices.derivatives(one, params, (u,), axis[:, None]) for one in (C, penalised))
    np.testing.assert_allclose(found[2] - plain[2], np.full((5, 1, 1), 2 * RATE * squares(u)), rtol=1e-3)
    slope = [2 * RATE * sum(float(((p + s * d) * d).sum()) for p, d in zip(params.w, u.w, strict=True)) for s in axis]
    np.testing.assert_allclose((found[1] - plain[1])[:, 0], slope, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("quantity", [quantities.VALUES, quantities.DERIVATIVES])
def test_what_was_hoisted_before_still_is(quantity):
    """The coefficients of the first layer's weighted inputs, and no product with the images after them."""
    C, penalised, params, u = problem()
    for one in (C, penalised):
        coefficients, residual = hoist.split(one.of_one, params, (u,), one.images)
        assert residual.hoisted
        assert (2, 4, 40) in [c.shape for c in coefficients["values"].values()]
        rest = jax.make_jaxpr(residual.total)(jnp.zeros(1), coefficients, jnp.ones(40, bool))
        assert not {"f32[5,40]", "f32[40,5]"} & set(re.findall(r"f32\[[0-9,]+\]", str(rest)))  # images are not in it
        plainly = hoist.split(one.of_one, params, (u,), one.images, plainly=True)
        assert "f32[40,5]" in str(jax.make_jaxpr(plainly[1].total)(jnp.zeros(1), plainly[0], jnp.ones(40, bool)))
    found = program.compiled(quantity, (penalised,), (params, (u,)), np.zeros((3, 1), np.float32), 1 << 30)
    plain = program.compiled(quantity, (C,), (params, (u,)), np.zeros((3, 1), np.float32), 1 << 30)
    assert found.block == plain.block  # nor does the penalty make blocks of images smaller


def test_second_derivatives_have_twice_the_rate_on_the_diagonal_of_the_weights(x64):
    C, penalised, params, _ = problem()
    C, penalised, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (C, penalised, params))
    flat, unravel = ravel_pytree(params)
    more = np.diag(2 * RATE * np.concatenate([np.ones(32), np.zeros(7)]))
    dense = jax.hessian(lambda flat: penalised(*unravel(flat)))(flat)
    for matrix in (products.hessian, products.ggn):
        found, plain = (matrix(one, params, progress=False) for one in (penalised, C))
        np.testing.assert_allclose(found, plain + more, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(products.hessian(penalised, params, progress=False), dense, rtol=1e-9, atol=1e-12)
    v = unravel(jnp.arange(39.0))
    for product, matrix in ((products.hvp, products.hessian), (products.ggn_vp, products.ggn)):
        along = ravel_pytree(product(penalised, params, v))[0]
        np.testing.assert_allclose(along, matrix(penalised, params, progress=False) @ np.arange(39.0), rtol=1e-9)


def test_any_function_of_the_parameters_penalises_second_derivatives_across_leaves_too(x64):
    C, _, params, _ = problem()
    across = lambda w, b: (w[0].sum() * w[1].sum()) ** 2 + jnp.exp(b[0]).sum()
    penalised = cost.Cost(C.images, penalty=across)
    penalised, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (penalised, params))
    flat, unravel = ravel_pytree(params)
    dense = jax.hessian(lambda flat: penalised(*unravel(flat)))(flat)
    np.testing.assert_allclose(products.hessian(penalised, params, progress=False), dense, rtol=1e-8, atol=1e-9)


def test_training_with_it_is_training_with_decayed_weights():
    """One step of descent on C + rate |w|^2 is one on C from weights shrunk by 1 - 2 rate step."""
    C, penalised, params, _ = problem()
    step = 0.3
    run = descent.descend(jax.random.key(0), penalised, params, optax.sgd(step), steps=1)
    slope = descent.gradient(C, params)
    w = [(1 - 2 * RATE * step) * w - step * d for w, d in zip(params.w, slope.w, strict=True)]
    for found, expected in zip(run.params.w, w, strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    batches = descent.descend(jax.random.key(0), penalised, params, optax.sgd(step), steps=20, batch=8, every=20)
    assert batches.costs[1] < batches.costs[0]


def test_layers_that_are_held_are_part_of_it_and_images_may_be_spread():
    _, penalised, params, _ = problem()
    own, moving = layers.only(penalised, params, ".w[1]")
    np.testing.assert_allclose(own(*moving), penalised(*params), rtol=1e-6)
    H = products.hessian(penalised, params, progress=False)
    np.testing.assert_allclose(products.hessian(own, moving, progress=False), H[20:32, 20:32], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(devices.spread(penalised, devices.mesh())(*params), penalised(*params), rtol=1e-6)


def test_a_page_of_it_is_a_ladder_and_says_why(tmp_path):
    _, penalised, params, u = problem()
    lies = params, (u, jax.tree.map(jnp.ones_like, u))
    page = live.explorer(tmp_path / "page.html", penalised, lies, zooms=(1.0,), points=3, progress=False)
    assert (page.live, page.reason[:15]) == (False, "C has a penalty")


def test_weights_are_arrays_of_two_axes_or_more_of_any_tree():
    tree = {"kernel": jnp.full((2, 3), 2.0), "scale": jnp.ones(3), "steps": jnp.ones((2, 2), int), "act": jnp.tanh}
    assert losses.weight_decay(0.5)(tree, 3.0) == 0.5 * 24
    assert losses.weight_decay(0.5, biases=True)(tree, 3.0) == 0.5 * (24 + 3 + 9)
    assert losses.weight_decay(0.5) == losses.weight_decay(0.5) != losses.weight_decay(0.1)


def test_what_is_no_penalty_is_named():
    C, _, params, _ = problem()
    for ask, message in (
        (lambda: cost.Cost(C.images, penalty=0.1), "penalty=0.1, expected a function"),
        (lambda: cost.Cost(C.images, penalty=lambda w, b: b[0])(*params), r"penalty\(\*params\) has shape \(4,\), exp"),
        (lambda: losses.weight_decay(-1), r"rate=-1, expected a number in \[0, inf\)"),
        (lambda: losses.weight_decay(0.1)(jnp.ones(3)), "expected weights, or biases=True"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()
