"""One rule of precision for all that is computed of images: read from the programs themselves.

On a CPU all products are full, whatever is asked for, so that no number here could tell. What a GPU or a TPU is told
stands in the program: the precision of every matrix product and convolution.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax
from jax.extend import core

from jaxcost import cost, descent, network, populations
from jaxcost.curvature import moments, products
from jaxcost.data import Images
from jaxcost.engine import exact, program, quantities

N, SIDE, CLASSES = 7, 6, 3
SGD = optax.sgd(0.1)
HIGHEST = (lax.Precision.HIGHEST,) * 2


def cnn(x, w, b):
    """A convolution, and a dense layer written as an einsum within a jit and a checkpoint."""
    x = lax.conv_general_dilated(
        x[None, ..., None], w["kernel"], (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    x = jax.nn.gelu(x[0] + b["kernel"].reshape(1, 1, -1))
    dense = jax.checkpoint(lambda x, w: jax.jit(partial(jnp.einsum, "hwc,hwco->o"))(x, w))
    return jnp.tanh(dense(x, w["dense"]))


def draw(*shape):
    return jnp.asarray(np.random.default_rng(len(shape)).normal(size=shape), jnp.float32)


MODELS = {
    "home": (network.feedforward, (SIDE**2,), tuple(network.init(jax.random.key(0), (SIDE**2, 5, 4, CLASSES)))),
    "cnn": (
        cnn,
        (SIDE, SIDE),
        ({"kernel": draw(3, 3, 1, 2), "dense": draw(SIDE, SIDE, 2, CLASSES)}, {"kernel": draw(2)}),
    ),
}


def asked(f, *arguments):
    """The precision of every matrix product and convolution in the program of f, and in all programs within it."""
    found = []

    def walk(jaxpr):
        for eqn in jaxpr.eqns:
            if eqn.primitive.name in ("dot_general", "conv_general_dilated"):
                found.append(eqn.params["precision"])
            for inner in core.jaxprs_in_params(eqn.params):
                walk(inner)

    walk(jax.make_jaxpr(f)(*arguments).jaxpr)
    return found


def trained(C, params, batch=None, optimizer=SGD):
    options = {"optimizer": optimizer, "records": 2, "batch": batch, "every": 1, "keep": True}
    watch = {"again": jax.tree_util.Partial(lambda C, fixed, moving: C(*moving), C)}
    train = lambda C, params, state: descent._descend(jax.random.key(0), C, params, state, None, 0, watch, **options)
    return asked(train, C, params, optimizer.init(params))


def trained_together(C, params):
    options = {"optimizer": optax.sgd, "records": 2, "batch": 3, "every": 1, "keep": False}
    many = jax.tree.map(lambda leaf: jnp.stack([leaf] * 2), params)
    keys, rates = jax.random.split(jax.random.key(0), 2), jnp.array([0.1, 0.2])
    state = jax.vmap(lambda p, rate: optax.sgd(rate).init(p))(many, rates)
    train = lambda *arguments: descent._ensemble(keys, *arguments, None, state, rates, 0, {}, None, **options)
    return asked(train, C, many)


def swept(C, params, quantity=quantities.VALUES):
    """In blocks of four images, of which one is seen twice."""
    points = jax.ShapeDtypeStruct((1, 16, 1), np.float32)
    at_points = lambda C, params, points: program._all_points(quantity, 4, (C,), (params, (params,)), None, points, 3)
    return asked(at_points, C, params, points)


def distances(C, params):
    """Of outputs from those of the parameters, whose own program is among them."""
    D = jax.eval_shape(cost.output_distance, C, params)
    return asked(cost.output_distance, C, params) + swept(D, params) + asked(lambda D, p: D(*p), D, params)


def in_float64(C, params, of):
    model = exact._Model(of, (np.float32,) * (1 + 2 * len(jax.tree.leaves(params))), False)
    with jax.enable_x64(True):
        params = jax.tree.map(lambda leaf: leaf.astype(np.float64), params)
        return exact._at_each(model, C, (params, (params,)), np.ones((3, 1)), 4, 3, False)[0]


IN_TURN = lambda f: lambda C, params: asked(f, C, params)
KEYS = jax.random.split(jax.random.key(0), 2)
COMPUTED = {
    "C": IN_TURN(lambda C, p: C(*p)),
    "costs of images": IN_TURN(lambda C, p: C.per_image(*p)),
    "gradient of C": IN_TURN(lambda C, p: jax.grad(C, (0, 1))(*p)),
    "gradient of the cost of an image": IN_TURN(lambda C, p: jax.grad(lambda p: C.per_image(*p)[2])(p)),
    "Hessian of C": IN_TURN(lambda C, p: jax.hessian(lambda w: C(w, p[1]))(p[0])),
    "vmap of C": IN_TURN(lambda C, p: jax.vmap(lambda s: C(*jax.tree.map(lambda a: s * a, p)))(jnp.ones(3))),
    "descent.gradient": IN_TURN(descent.gradient),
    "descent.downhill": IN_TURN(descent.downhill),
    "descent.gradient_norm": IN_TURN(descent.gradient_norm),
    "accuracy": IN_TURN(cost.accuracy),
    "distances of outputs": distances,
    "training": trained,
    "training with mini-batches": partial(trained, batch=3),
    "training that searches": partial(trained, optimizer=optax.lbfgs()),
    "an ensemble": trained_together,
    "a slice": swept,
    "a slice with its make-up": partial(swept, quantity=quantities.Detailed(CLASSES, True, True)),
    "derivatives along a slice": partial(swept, quantity=quantities.DERIVATIVES),
    "the noise floor": IN_TURN(partial(in_float64, of=exact._cost)),
    "the noise floor of curvature": IN_TURN(partial(in_float64, of=exact._hessian)),
    "random walks": IN_TURN(lambda C, p: populations._walks(KEYS, C, p, 0.1, 2)),
    "a product with the Hessian": IN_TURN(lambda C, p: products.hvp(C, p, p)),
    "products with the Hessian": IN_TURN(
        lambda C, p: products.hvps(C, p, jax.tree.map(lambda a: jnp.stack([a, a]), p))
    ),
    "all columns of the Hessian": IN_TURN(lambda C, p: moments._of_columns(C, p, 0, 2)),
}


def problem(name, f=None):
    model, shape, params = MODELS[name]
    return cost.Cost(
        Images(draw(N, *shape), jax.nn.one_hot(np.arange(N) % CLASSES, CLASSES)), f or model, block=4
    ), params


@pytest.mark.parametrize("what", COMPUTED)
@pytest.mark.parametrize("name", MODELS)
def test_all_products_of_images_are_full_where_the_default_is_not(name, what):
    C, params = problem(name)
    with jax.default_matmul_precision("bfloat16"):
        found = COMPUTED[what](C, params)
    assert len(found) >= len(jax.tree.leaves(params)) // 2  # its layers
    assert set(found) == {HIGHEST}


@pytest.mark.parametrize("setting", [None, "default", "tensorfloat32"])
def test_whatever_the_default_of_the_process_is(setting):
    before = jax.config.jax_default_matmul_precision
    jax.config.update("jax_default_matmul_precision", setting)
    try:
        C, params = problem("cnn")
        for what in ("C", "gradient of C", "training with mini-batches", "a slice"):
            assert set(COMPUTED[what](C, params)) == {HIGHEST}
    finally:
        jax.config.update("jax_default_matmul_precision", before)


@pytest.mark.parametrize("what", ["C", "gradient of C", "accuracy", "training", "a slice", "derivatives along a slice"])
def test_what_a_model_asks_for_itself_it_gets(what):
    """Of its first layer by an argument, of its second for a stretch of its code; of its third it says nothing."""

    def f(x, w, b):
        x = jnp.tanh(jnp.matmul(w[0], x, precision="default") + b[0])
        with jax.default_matmul_precision("tensorfloat32"):
            x = jnp.tanh(w[1] @ x + b[1])
        return w[2] @ x + b[2]

    found = COMPUTED[what](*problem("home", f))
    assert set(found) == {HIGHEST, (lax.Precision.DEFAULT,) * 2, (lax.Precision.HIGH,) * 2}


OWN = ["descent.gradient", "training with mini-batches", "gradient of C", "a product with the Hessian"]


@pytest.mark.parametrize(
    ("rule", "what"),
    # under a `custom_vjp` a gradient that is not the kit's own, nor taken within it, is the user's to ask for
    [("jvp", what) for what in (*OWN, "derivatives along a slice")] + [("vjp", what) for what in OWN[:2]],
)
def test_rules_of_a_models_own_derivatives_are_no_exception(rule, what):
    @jax.custom_jvp
    def by_jvp(w, x):
        return w @ x

    @by_jvp.defjvp
    def _(primals, tangents):
        return primals[0] @ primals[1], tangents[0] @ primals[1] + primals[0] @ tangents[1]

    @jax.custom_vjp
    def by_vjp(w, x):
        return w @ x

    by_vjp.defvjp(lambda w, x: (w @ x, (w, x)), lambda kept, slope: (jnp.outer(slope, kept[1]), slope @ kept[0]))
    layer = {"jvp": by_jvp, "vjp": by_vjp}[rule]
    f = lambda x, w, b: layer(w[2], jnp.tanh(layer(w[1], jnp.tanh(layer(w[0], x)))))
    with jax.default_matmul_precision("bfloat16"):
        found = COMPUTED[what](*problem("home", f))
    assert set(found) == {HIGHEST}
