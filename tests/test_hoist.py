"""The split evaluation is the plain one, for any model; what is affine is not computed again."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcost import cost, losses, network, slices
from jaxcost.data import Images
from jaxcost.directions import Frame
from jaxcost.engine import hoist

N = 6  # images; enough, since each is computed alone
COUNTED = np.array([True, False, True, True, False, True])


def normal(seed, *shape):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape))


def mlp(activation, sizes=(5, 4, 3, 2)):
    def f(x, w, b):
        for i, (w_layer, b_layer) in enumerate(zip(w, b, strict=True)):
            x = w_layer @ x + b_layer
            x = activation(x) if i < len(w) - 1 else x
        return x

    layers = list(enumerate(itertools.pairwise(sizes)))
    w, b = (
        tuple(normal(10 + i, *shape(*size)) for i, size in layers) for shape in (lambda n, m: (m, n), lambda n, m: (m,))
    )
    return f, (w, b), normal(1, N, sizes[0])


def cnn(x, p):
    conv = lambda x, k: lax.conv_general_dilated(
        x[None], k, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )[0]
    x = jax.nn.relu(conv(x, p["k1"]) + p["b1"].reshape(1, 1, -1))
    x = lax.reduce_window(x, -jnp.inf, lax.max, (2, 2, 1), (2, 2, 1), "VALID")
    x = jax.nn.gelu(conv(x, p["k2"]))
    return x.mean((0, 1)) @ p["head"]


def attention(x, p):
    h = p["embed"][x] + p["place"]
    q, k, v = h @ p["q"], h @ p["k"], h @ p["v"]
    a = jax.nn.softmax(q @ k.T / jnp.sqrt(q.shape[-1]).astype(q.dtype), -1)
    h = h + a @ v
    return (h.mean(0) @ p["embed"].T)[:3]  # the embedding again: shared weights


def weight_norm(x, p):
    return jnp.tanh((p["v"] * (p["g"] / jnp.linalg.norm(p["v"], axis=1))[:, None]) @ x)


def twice(x, p):
    return jnp.tanh(p["w"] @ jnp.tanh(p["w"] @ x + p["b"]) - p["b"])


def looped(x, p):
    h = p["in"] @ x
    h, _ = lax.scan(lambda h, w: (jnp.tanh(w @ h), None), h, p["layers"])
    return h


def linear_shapes(x, p):
    """Every linear operation on parameters that has a rule."""
    h = (p["w"] * 3.0) @ x - x[:4]
    h = jnp.concatenate([h, -h[::-1], jnp.zeros(2, h.dtype)])
    h = jnp.pad(h.reshape(2, 5).T, ((1, 0), (0, 1)))
    h = jnp.where(jnp.arange(18).reshape(6, 3) % 4 == 0, h, 2.0)
    h = jnp.cumsum(h, 0)[1:].sum(1) / (1 + x[0] ** 2) + lax.dynamic_slice(h.ravel(), (3,), (5,))
    return jnp.sin(jnp.broadcast_to(h.astype(h.dtype), (2, 5)).ravel()[jnp.array([0, 3, 8])])


def remat(x, p):
    return jax.checkpoint(lambda p, x: jnp.tanh(jax.jit(jnp.matmul)(p["w"], x)))(p, x)


MODELS = {
    "cnn": (cnn, {"k1": (3, 3, 1, 4), "b1": (4,), "k2": (3, 3, 4, 3), "head": (3, 2)}, (8, 8, 1)),
    "weight_norm": (weight_norm, {"v": (3, 5), "g": (3,)}, (5,)),
    "twice": (twice, {"w": (5, 5), "b": (5,)}, (5,)),
    "looped": (looped, {"in": (4, 5), "layers": (3, 4, 4)}, (5,)),
    "linear_shapes": (linear_shapes, {"w": (4, 5)}, (5,)),
    "remat": (remat, {"w": (4, 5)}, (5,)),
    "attention": (attention, {"embed": (9, 4), "place": (6, 4), "q": (4, 3), "k": (4, 3), "v": (4, 4)}, None),
}


def model(name):
    f, shapes, image = MODELS[name]
    params = ({k: normal(i, *shape) for i, (k, shape) in enumerate(shapes.items())},)
    x = normal(99, N, *image) if image else jnp.asarray(np.random.default_rng(99).integers(0, 9, (N, 6)))
    return f, params, x


def drawn(params, data, k, dtype):
    """The parameters and images in a type, and k directions."""
    cast = lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    params, data = jax.tree.map(cast, (params, data))
    leaves, structure = jax.tree.flatten(params)
    along = lambda j: [normal(100 * j + i, *leaf.shape).astype(dtype) for i, leaf in enumerate(leaves)]
    return params, [structure.unflatten(along(j)) for j in range(1, k + 1)], data


def plainly(f, s, params, directions, data):
    """`f` of each image at P(s), nothing split."""
    move = lambda p, *d: p + sum(a * b for a, b in zip(s, d, strict=True))
    return jax.vmap(f, (0, *(None,) * len(params)))(data, *jax.tree.map(move, params, *directions))


def check(f, params, data, tolerance, k=2, dtype=jnp.float64):
    """At three points what is split gives the numbers of each image, and their sums, of what is not."""
    arguments, points = drawn(params, data, k, dtype), normal(7, 3, k).astype(dtype)

    @jax.jit
    def both(params, directions, data):
        coefficients, residual = hoist.split(f, params, directions, data)
        at = lambda s: (residual.each(s, coefficients), residual.total(s, coefficients, COUNTED))
        return jax.lax.map(at, points), jax.vmap(lambda s: plainly(f, s, params, directions, data))(points)

    (each, total), expected = both(*arguments)
    assert jax.tree.structure(each) == jax.tree.structure(expected)
    for costs, summed, plain in zip(*map(jax.tree.leaves, (each, total, expected)), strict=True):
        assert costs.shape == (3, N)
        assert costs.dtype == plain.dtype
        exact, scale = np.float64(plain), np.abs(plain).max()
        np.testing.assert_allclose(costs, exact, rtol=tolerance, atol=tolerance * scale)
        np.testing.assert_allclose(summed, exact[:, COUNTED].sum(1), rtol=tolerance, atol=tolerance * N * scale)


LOSSES = [losses.quadratic, losses.absolute, losses.sigmoid_cross_entropy, losses.softmax_cross_entropy, losses.hinge]
ACTIVATIONS = [jax.nn.sigmoid, jnp.tanh, jax.nn.relu, jax.nn.gelu]


@pytest.mark.parametrize("sizes", [(5, 3), pytest.param((5, 4, 3), marks=pytest.mark.slow), (5, 4, 4, 4, 3)])
def test_every_loss_of_every_activation_at_every_depth_all_at_once(sizes, x64):
    """Each of the twenty outputs is that of its own model, though they share the first layer's weighted input."""
    y = jax.nn.one_hot(jnp.arange(N) % 3, 3)
    models = [mlp(activation, sizes) for activation in ACTIVATIONS]
    _, params, x = models[0]
    every = lambda image, *p: [[loss(f(image[0], *p), image[1]) for loss in LOSSES] for f, _, _ in models]
    check(every, params, (x, y), 1e-12)


@pytest.mark.parametrize(
    ("name", "k"), [*((name, 1 + i % 3) for i, name in enumerate(MODELS)), ("linear_shapes", 1), ("linear_shapes", 3)]
)
def test_models_that_nobody_wrote_for_this_kit(name, k, x64):
    f, params, x = model(name)
    check(lambda x, p: (f(x, p) ** 2).sum(), params, x, 1e-12, k)


@pytest.mark.parametrize("name", MODELS)
def test_in_float32_to_rounding(name):
    f, params, x = model(name)
    check(lambda x, p: (f(x, p) ** 2).sum(), params, x, 2e-5, dtype=jnp.float32)


@pytest.mark.parametrize("name", [pytest.param("cnn", marks=pytest.mark.slow), "attention", "linear_shapes"])
def test_gradient_and_hessian_in_the_coordinates_go_through(name, x64):
    f, params, x = model(name)
    one = lambda x, p: jnp.sin(f(x, p)).sum()

    def split(s, params, directions, data):
        coefficients, residual = hoist.split(one, params, directions, data)
        return residual.each(s, coefficients).sum()

    plain = lambda s, *arguments: plainly(one, s, *arguments).sum()
    twice = lambda f: jax.jacfwd(lambda *arguments: (jax.grad(f)(*arguments),) * 2, has_aux=True)  # Hessian, gradient
    both = jax.jit(lambda *arguments: (twice(split)(*arguments), twice(plain)(*arguments)))
    found, exact = both(jnp.array([0.3, -0.2]), *drawn(params, x, 2, jnp.float64))
    for derivative, of_plain in zip(found, exact, strict=True):
        np.testing.assert_allclose(derivative, of_plain, rtol=1e-8, atol=1e-10)


def products(f, *arguments):
    """Sizes of the contracted axes of all matrix products in a program."""
    sizes = []

    def walk(jaxpr):
        for eqn in jaxpr.eqns:
            if eqn.primitive.name == "dot_general":
                sizes.append(eqn.invars[0].aval.shape[eqn.params["dimension_numbers"][0][0][0]])
            for inner in jax.extend.core.jaxprs_in_params(eqn.params):
                walk(inner)

    walk(jax.make_jaxpr(f)(*arguments).jaxpr)
    return sizes


def test_the_first_layer_is_not_in_the_residual_and_images_are_last():
    params = tuple(network.init(jax.random.key(0)))
    images = normal(1, N, 784), jax.nn.one_hot(jnp.arange(N), 10)
    one = lambda image, *p: losses.quadratic(network.feedforward(image[0], *p), image[1])
    coefficients, residual = hoist.split(one, params, [params, params], images)
    assert sorted(products(residual.each, jnp.zeros(2), coefficients)) == [10, 16, 16]  # 10: the sum over outputs
    shapes = {leaf.shape for leaf in jax.tree.leaves(coefficients)}
    assert (3, 16, N) in shapes
    assert (10, N) in shapes
    assert not any(784 in shape for shape in shapes)


def test_a_linear_model_keeps_nothing_but_its_output():
    f, params, x = mlp(None, (50, 3))
    coefficients, residual = hoist.split(lambda x, *p: jnp.exp(f(x, *p)).sum(), params, [params], x)
    assert products(residual.each, jnp.zeros(1), coefficients) == [3]  # the sum over outputs


def test_what_is_cheap_to_make_again_is_not_carried():
    """A product with two inputs costs less than reading k + 1 coefficients: nothing is worth hoisting."""
    f, params, x = mlp(jnp.tanh, (2, 8, 1))
    coefficients, _ = hoist.split(lambda x, *p: f(x, *p).sum(), params, [params, params], x)
    assert sum(leaf.size for leaf in jax.tree.leaves(coefficients)) == 3 * network.size(params) + x.size


@pytest.mark.parametrize(
    "f",
    [
        lambda x, w: jnp.sin(w.sum()) * x.sum(),  # nothing affine meets an image
        lambda x, w: x.sum(),  # no parameter at all
        lambda x, w: (w @ x).sum(),  # affine to the end
        lambda x, w: jnp.float64(3.0),  # no image either
        lambda x, w: w[0, 0],
        lambda x, w: jnp.argmax(w @ x).astype(float),  # leaves the reals
        lambda x, w: jnp.tanh(  # three cases, of which one is constant
            lax.select_n((x[:3] > 0).astype(int) + (x[:3] > 1), w @ x, w[:, 0], jnp.ones(3, w.dtype))
        ).sum(),
        lambda x, w: jnp.tanh(jnp.take(w @ x, jnp.array([0, 9]), mode="fill", fill_value=0.5)).sum(),
        lambda x, w: jnp.tanh(jnp.take(w @ x, jnp.array([0, 2]))).sum(),
        lambda x, w: jnp.where((w @ x)[0] > 0, (w @ x)[1], x[0]),  # an affine predicate
    ],
)
def test_the_odd_cases(f, x64):
    check(f, (normal(0, 3, 40),), normal(1, N, 40), 1e-12)


def test_a_model_that_prints_is_evaluated_plainly_and_prints(capfd):
    def f(x, w):
        jax.debug.print("seen")
        return jnp.tanh(w @ x).sum()

    w, x = (normal(0, 3, 40),), normal(1, N, 40)
    coefficients, residual = hoist.split(f, w, (w,), x)
    np.testing.assert_allclose(
        residual.each(jnp.ones(1), coefficients), np.tanh(2 * x @ w[0].T).sum(1), rtol=1e-4, atol=1e-5
    )
    jax.effects_barrier()
    assert "seen" in capfd.readouterr().out


COORDINATES = np.array([0.7, -0.4])
# Models of (image, w) in jax, and all images at once in numpy; w is [3, 40], so that w @ x is worth hoisting.
SUMMED = {
    "ends in a sum over outputs": (lambda x, w: (jnp.tanh(w @ x) ** 2).sum(), lambda z, x, w: (np.tanh(z) ** 2).sum(1)),
    "ends in a sum over two axes": (
        lambda x, w: jnp.sin(jnp.outer(w @ x, jnp.arange(4.0))).sum(),
        lambda z, x, w: np.sin(z[:, :, None] * np.arange(4)).sum((1, 2)),
    ),
    "a sum of whole numbers": (lambda x, w: (w @ x > 0).sum(), lambda z, x, w: (z > 0).sum(1)),
    "sums, and goes on": (lambda x, w: jnp.exp(-jnp.tanh(w @ x).sum()), lambda z, x, w: np.exp(-np.tanh(z).sum(1))),
    "a maximum": (lambda x, w: jnp.tanh(w @ x).max(), lambda z, x, w: np.tanh(z).max(1)),
    "log-sum-exp": (
        lambda x, w: jax.nn.logsumexp(w @ x),
        lambda z, x, w: np.log(np.exp(z - z.max(1, keepdims=True)).sum(1)) + z.max(1),
    ),
    "one output": (lambda x, w: jnp.tanh((w @ x)[1]), lambda z, x, w: np.tanh(z[:, 1])),
    "an affine sum": (lambda x, w: (w @ x).sum(), lambda z, x, w: z.sum(1)),
    "an affine output": (lambda x, w: (w @ x)[2] * 2, lambda z, x, w: 2 * z[:, 2]),
    "no parameter": (lambda x, w: jnp.sin(x).sum(), lambda z, x, w: np.sin(x).sum(1)),
    "no image": (lambda x, w: jnp.sin(w).sum(), lambda z, x, w: np.full(N, np.sin(w).sum())),
    "neither": (lambda x, w: jnp.float64(3), lambda z, x, w: np.full(N, 3.0)),
}
X = np.random.default_rng(3).normal(size=(N, 40))
W, *ALONG = np.random.default_rng(4).normal(size=(3, 3, 40)) / 6
AT = W + COORDINATES[0] * ALONG[0] + COORDINATES[1] * ALONG[1]


def summed(f, images, s, *mask):
    """The residual at s of a model of (image, w)."""
    as_jax = lambda tree: jax.tree.map(jnp.asarray, tree)
    coefficients, residual = hoist.split(f, as_jax((W,)), as_jax([(d,) for d in ALONG]), jnp.asarray(images))
    return residual.total(s, coefficients, *mask) if mask else residual.each(s, coefficients)


@pytest.mark.parametrize("name", SUMMED)
def test_the_sum_over_counted_images_is_numpys_whatever_the_model_ends_in(name, x64):
    f, in_numpy = SUMMED[name]
    both = jax.jit(lambda s, mask: (summed(f, X, s), summed(f, X, s, mask)))
    costs = in_numpy(X @ AT.T, X, AT)
    for mask in (COUNTED, ~COUNTED, np.ones(N, bool), np.zeros(N, bool)):
        by_image, total = both(COORDINATES, mask)
        np.testing.assert_allclose(by_image, costs, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(total, costs[mask].sum(), rtol=1e-12, atol=1e-12)


def many_at_once(x, w):
    """All of the above as one model of many outputs, among them truths, constants and one sum twice."""
    total = (jnp.tanh(w @ x) ** 2).sum()
    odd = {
        "the sum": total,
        "the sum again": total,
        "of the sum": jnp.exp(-total),
        "a truth": (w @ x)[0] > 0,
        "a truth of no image": w.sum() > 0,
        "a truth of nothing": jnp.bool_(True),
        "a python number": 2.5,
        "a python truth": True,
        "nothing": None,
        "an image's number": x[0],
        "a parameter": w[1, 2],
    }
    return {name: f(x, w) for name, (f, _) in SUMMED.items()}, odd


def many_in_numpy(z, x, w):
    total, ones = (np.tanh(z) ** 2).sum(1), np.ones(N)
    odd = {
        "the sum": total,
        "the sum again": total,
        "of the sum": np.exp(-total),
        "a truth": z[:, 0] > 0,
        "a truth of no image": ones * w.sum() > 0,
        "a truth of nothing": ones > 0,
        "a python number": 2.5 * ones,
        "a python truth": ones > 0,
        "nothing": None,
        "an image's number": x[:, 0],
        "a parameter": ones * w[1, 2],
    }
    return {name: f(z, x, w) for name, (_, f) in SUMMED.items()}, odd


@pytest.mark.parametrize("plain", [False, True])
def test_each_of_many_outputs_is_its_own(plain, x64):
    printing = lambda x, w: (jax.debug.callback(lambda: None), many_at_once(x, w))[1]  # effects: nothing is hoisted
    f = printing if plain else many_at_once
    both = jax.jit(lambda s, mask: (summed(f, X, s), summed(f, X, s, mask)))
    each, total = both(COORDINATES, COUNTED)
    expected = many_in_numpy(X @ AT.T, X, AT)
    assert jax.tree.structure(each) == jax.tree.structure(total) == jax.tree.structure(expected)
    assert each[1]["a truth"].dtype == each[1]["a python truth"].dtype == bool  # and not numbers
    for by_image, summed_up, costs in zip(*map(jax.tree.leaves, (each, total, expected)), strict=True):
        assert by_image.shape == (N,)
        np.testing.assert_allclose(by_image, costs, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(summed_up, costs[COUNTED].sum(), rtol=1e-12, atol=1e-12)


def test_a_sum_that_no_image_enters_is_not_made_for_each_of_them():
    params, x = (jnp.asarray(W, jnp.float32),), jnp.asarray(X, jnp.float32)
    f = lambda x, w: {"cost": jnp.tanh(w @ x).sum(), "norm": (w**2).sum()}
    coefficients, residual = hoist.split(f, params, [params], x)
    jaxpr = jax.make_jaxpr(residual.each)(jnp.ones(1), coefficients).jaxpr
    assert max(var.aval.size for eqn in jaxpr.eqns for var in eqn.outvars) <= max(W.size, 3 * N)


def test_what_a_model_closes_over_may_be_traced_itself(x64):
    """Arrays within a jit, under vmap and differentiated, of which one is an output as it is."""
    scales, number = np.array([0.5, 2.0]), 3

    @jax.jit
    def found(scales, number):
        def at(scale, s):
            f = lambda x, w: {"cost": jnp.tanh(w @ (scale * x)).sum() * number, "scale": scale, "number": number}
            return summed(f, X, s, COUNTED)

        slope = jax.grad(lambda scale: at(scale, COORDINATES)["cost"])
        return jax.vmap(lambda scale: (at(scale, COORDINATES), slope(scale)))(scales)

    totals, slopes = found(scales, number)
    z = X[COUNTED] @ AT.T
    for i, scale in enumerate(scales):
        t = np.tanh(scale * z)
        np.testing.assert_allclose(totals["cost"][i], number * t.sum(), rtol=1e-12)
        np.testing.assert_allclose(slopes[i], number * (z * (1 - t**2)).sum(), rtol=1e-12)
    np.testing.assert_allclose(totals["scale"], COUNTED.sum() * scales)
    np.testing.assert_array_equal(totals["number"], [COUNTED.sum() * number] * 2)


@pytest.mark.parametrize("narrow", ["bfloat16", "float16"])
def test_beside_a_narrow_leaf_the_others_are_hoisted_and_coordinates_keep_their_bits(narrow):
    """Its numbers are those of the type at P(s), a staircase; those of the float32 leaf are a straight line."""
    rng, s = np.random.default_rng(5), np.float32([0.30078125 + 2**-12, -0.7])  # bfloat16 has 2**-9 at best there
    draw = lambda: {"n": rng.normal(size=(4, 40)).astype(narrow), "w": rng.normal(size=(3, 40)).astype(np.float32)}
    origin, *along = draw(), draw(), draw()
    f = lambda x, p: jnp.tanh(p["w"] @ x).sum() + jnp.tanh(p["n"].astype(jnp.float32) @ x).sum()
    x = np.float32(X / 6)
    as_jax = lambda tree: jax.tree.map(jnp.asarray, tree)
    coefficients, residual = hoist.split(f, (as_jax(origin),), [(as_jax(d),) for d in along], jnp.asarray(x))
    of_float32 = origin["w"] + sum(np.float64(a) * d["w"] for a, d in zip(s, along, strict=True))
    of_narrow = sum((a * np.float32(d["n"]) for a, d in zip(s, along, strict=True)), np.float32(origin["n"]))
    of_narrow = np.float64(of_narrow.astype(narrow))
    expected = np.tanh(x @ of_float32.T).sum(1) + np.tanh(x @ of_narrow.T).sum(1)
    np.testing.assert_allclose(residual.each(jnp.asarray(s), coefficients), expected, rtol=2e-6, atol=2e-6)
    assert sorted(products(residual.each, jnp.asarray(s), coefficients)) == [40]  # the narrow leaf's own
    assert any(leaf.shape == (3, 3, N) for leaf in jax.tree.leaves(coefficients))  # the other's coefficients


@pytest.mark.parametrize("name", ["ends in a sum over outputs", "log-sum-exp", "one output", "an affine sum"])
def test_an_image_that_does_not_count_may_be_anything(name, x64):
    f, in_numpy = SUMMED[name]

    @jax.jit
    def value_gradient_hessian(images):
        of_s = lambda s: summed(f, images, s, COUNTED)
        forward = jax.jacfwd(of_s)
        return [d(jnp.asarray(COORDINATES)) for d in (of_s, forward, jax.jacfwd(forward))]

    sound = value_gradient_hessian(X)
    np.testing.assert_allclose(sound[0], in_numpy(X @ AT.T, X, AT)[COUNTED].sum(), rtol=1e-12)
    for wrong in (np.nan, np.inf, -np.inf):
        found = value_gradient_hessian(np.where(COUNTED[:, None], X, wrong))
        for with_wrong, without in zip(found, sound, strict=True):
            np.testing.assert_allclose(with_wrong, without, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("gradient", [jax.grad, jax.jacfwd])
def test_gradient_and_hessian_of_the_sum_over_counted_images_are_numpys(gradient, x64):
    """Of sum_ij tanh(z_ij(s))^2 with z(s) = z_0 + sum_k s_k z_k, by hand."""
    f, _ = SUMMED["ends in a sum over outputs"]
    t = np.tanh(X[COUNTED] @ AT.T)
    along = [X[COUNTED] @ d.T for d in ALONG]
    first, second = 2 * t * (1 - t**2), 2 * (1 - t**2) * (1 - 3 * t**2)
    slope = gradient(lambda s: summed(f, X, s, COUNTED))
    found, twice = jax.jit(lambda s: (slope(s), jax.jacfwd(slope)(s)))(COORDINATES)
    np.testing.assert_allclose(found, [(first * z).sum() for z in along], rtol=1e-12)
    np.testing.assert_allclose(twice, [[(second * a * b).sum() for b in along] for a in along], rtol=1e-10)


# infinite coefficients


def darkened():
    """Images [9, 40], some with a black pixel, positive weights [3, 40], and a direction."""
    rng = np.random.default_rng(6)
    x = rng.uniform(0.5, 1, (9, 40)) * (rng.uniform(size=(9, 40)) < 0.98)
    return np.float32(x), np.float32(rng.uniform(0.1, 0.2, (3, 40))), np.float32(rng.normal(size=(3, 40)) / 30)


def clipped(x, w):
    """A logarithm of black pixels: its products with positive weights are -inf, with those of a direction anything."""
    z = w @ jnp.log(x) / 4
    return jnp.where(z < -1, -1, z)


def replaced(x, w):
    """Where NaN never comes, but would be swallowed if it came: the wrong number would be finite."""
    z = w @ jnp.log(x)
    return jnp.tanh(jnp.where(jnp.isnan(z), 7.0, jnp.maximum(z, -1)))


def brightened(x, w):
    """Pixels of 1e30 and weights of 1e-20 make 1e10, scaled down. Along a long direction they would overflow."""
    return jnp.tanh(w @ (x * jnp.float32(1e30)) * jnp.float32(1e-10))


def masked(x, w):
    """Of each image one output is impossible, as of a mask."""
    z = jnp.where(jnp.arange(3) == (x[0] > 0.7), -jnp.inf, w @ x)
    return jax.nn.softmax(z)


IN_NUMPY = {
    clipped: lambda x, w: np.maximum(np.log(x) @ w.T / 4, -1),
    replaced: lambda x, w: np.tanh(np.maximum(np.log(x) @ w.T, -1)),
    brightened: lambda x, w: np.tanh(x * np.float64(np.float32(1e30)) @ w.T * 1e-10),
}


def through_slices(f):
    """A model's cost, the frame, five coordinates, and in numpy the outputs and costs of all images there."""
    (x, w, d), s = darkened(), np.float32([-0.5, -0.25, 0, 0.3, 1])
    if f is brightened:
        w, d, s = w * np.float32(1e-20), d * np.float32(1e10), s * np.float32(1e-30)
    y = np.eye(3, dtype=np.float32)[np.arange(9) % 3]
    with np.errstate(divide="ignore"):
        outputs = np.stack([IN_NUMPY[f](np.float64(x), np.float64(w) + np.float64(a) * np.float64(d)) for a in s])
    C = cost.Cost(Images(jnp.asarray(x), jnp.asarray(y)), f, block=4)
    return C, Frame((jnp.asarray(w),), ((jnp.asarray(d),),)), s, outputs, ((outputs - y) ** 2).sum(-1)


@pytest.mark.parametrize(
    "f", [replaced, *(pytest.param(f, marks=pytest.mark.slow) for f in (clipped, brightened))], ids=lambda f: f.__name__
)
def test_where_coefficients_are_infinite_slices_are_the_plain_cost(f):
    """Values, what they are made of, and many at once: C is finite, and so is the slice, and the same."""
    C, frame, s, outputs, costs = through_slices(f)
    assert np.isfinite(costs).all()
    np.testing.assert_allclose(slices.evaluate(C, *frame, s[:, None]), costs.mean(1), rtol=1e-5)
    line = slices.line(C, frame.origin, *frame.directions, s, per_image=True, accuracy=True)
    np.testing.assert_allclose(line.per_image, costs, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(line.accuracy, (outputs.argmax(-1) == np.arange(9) % 3).mean(1), rtol=1e-6)
    assert line.floor < 1e-5


def test_derivatives_are_plain_where_coefficients_are_infinite():
    C, frame, s, *_ = through_slices(clipped)
    along = lambda a: C(frame.origin[0] + a * frame.directions[0][0])
    plain = jax.jit(jax.vmap(lambda a: (along(a), jax.jacfwd(along)(a), jax.jacfwd(jax.jacfwd(along))(a))))(s)
    assert np.isfinite(plain).all()
    assert (np.abs(plain[1]) > 0.01).all()
    for found, expected in zip(slices.derivatives(C, *frame, s[:, None]), plain, strict=True):
        np.testing.assert_allclose(found.ravel(), expected, rtol=1e-4, atol=1e-6)


def test_what_is_nan_in_the_model_itself_stays_nan():
    x, w, d = map(jnp.asarray, darkened())
    C = cost.Cost(Images(x, x[:, :3]), lambda x, w: jnp.sqrt(w @ jnp.log(x) - 1))
    assert np.isnan(slices.evaluate(C, (w,), ((d,),), [[0.0], [1.0]])).all()


def test_split_says_where_it_is_not_to_be_taken():
    """Where coefficients are infinite or would overflow, and no sooner: within bounds, and with a mask, it is sound."""
    x, w, d = map(jnp.asarray, darkened())

    @functools.partial(jax.jit, static_argnums=(0, 1))
    def compiled(f, plainly, s, x, w, d):
        coefficients, residual = hoist.split(lambda x, w: f(x, w).sum(), (w,), ((d,),), x, plainly=plainly)
        return residual.sound(s, coefficients), residual.each(s, coefficients)

    def sound(f, s, x=x, w=w, d=d, plainly=False):
        yes, values = compiled(f, plainly, jnp.float32([s]), x, w, d)
        return bool(yes), np.asarray(values)

    for f in (clipped, replaced):
        yes, values = sound(f, 0.5)
        assert not yes
        plain = jax.vmap(lambda x: f(x, w + 0.5 * d).sum())(x)  # noqa: B023
        np.testing.assert_allclose(sound(f, 0.5, plainly=True)[1], plain, rtol=1e-5)
        assert sound(f, 0.5, plainly=True)[0]
        assert not np.allclose(values, plain, equal_nan=True)  # the split numbers are wrong indeed
    yes, values = sound(masked, 0.5)
    assert yes
    np.testing.assert_allclose(values, jax.vmap(lambda x: masked(x, w + 0.5 * d).sum())(x), rtol=1e-5)
    dots = lambda x, w: jnp.tanh(w @ x)
    assert sound(dots, 1e30)[0]
    assert not sound(dots, 3e38, d=10 * d)[0]
    assert not sound(dots, 0.0, d=d * 1e38 * 1e3)[0]
    assert sound(dots, 0.0, w=w * 1e36)[0]
    assert not sound(dots, 0.0, w=w * 1e38)[0]
    assert not sound(dots, np.nan)[0]
