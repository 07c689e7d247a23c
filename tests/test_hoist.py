"""The split evaluation is the plain one, for any model; what is affine is not computed again."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcost import cost, network
from jaxcost.engine import hoist

N = 6  # images; enough, since each is computed alone


def normal(seed, *shape):
    return jax.random.normal(jax.random.key(seed), shape)


def mlp(activation, sizes=(5, 4, 3, 2)):
    def f(x, w, b):
        for i, (w_layer, b_layer) in enumerate(zip(w, b, strict=True)):
            x = w_layer @ x + b_layer
            x = activation(x) if i < len(w) - 1 else x
        return x

    return f, tuple(network.init(jax.random.key(0), sizes)), normal(1, N, sizes[0])


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
    x = normal(99, N, *image) if image else jax.random.randint(jax.random.key(99), (N, 6), 0, 9)
    return f, params, x


def check(f, params, data, tolerance, k=2, dtype=jnp.float64):
    cast = lambda leaf: leaf.astype(dtype) if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf
    params, data = jax.tree.map(cast, (params, data))
    leaves, structure = jax.tree.flatten(params)
    directions = [
        structure.unflatten([normal(100 * j + i, *leaf.shape).astype(dtype) for i, leaf in enumerate(leaves)])
        for j in range(1, k + 1)
    ]
    plain = lambda s: jax.vmap(f, (0, *(None,) * len(params)))(
        data,
        *jax.tree.map(lambda p, *d: p + sum(a * b for a, b in zip(s, d, strict=True)), params, *directions),
    )
    points = normal(7, 3, k).astype(dtype)

    @jax.jit
    def split(params, directions, data):
        coefficients, residual = hoist.split(f, params, directions, data)
        return jax.lax.map(lambda s: residual(s, coefficients), points)

    expected = np.asarray(jax.jit(jax.vmap(plain))(points))
    found = split(params, directions, data)
    assert found.shape == (3, N)
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance * np.abs(expected).max())
    return params, directions, data, plain


LOSSES = [cost.quadratic, cost.absolute, cost.sigmoid_cross_entropy, cost.softmax_cross_entropy, cost.hinge]
ACTIVATIONS = [jax.nn.sigmoid, jnp.tanh, jax.nn.relu, jax.nn.gelu]
DEPTHS = [(5, 3), (5, 4, 3), (5, 4, 3, 3), (5, 4, 4, 4, 4, 3)]


@pytest.mark.parametrize(
    ("loss", "activation", "sizes"),
    # every loss and every activation at every depth, not every pair
    sorted(
        {(loss, (depth + loss) % 4, depth) for loss in range(5) for depth in range(4)}
        | {((2 * depth + activation) % 5, activation, depth) for activation in range(4) for depth in range(1, 4)}
    ),
)
def test_every_loss_activation_and_depth(loss, activation, sizes, x64):
    loss, activation, sizes = LOSSES[loss], ACTIVATIONS[activation], DEPTHS[sizes]
    f, params, x = mlp(activation, sizes)
    y = jax.nn.one_hot(jnp.arange(N) % 3, 3)
    check(lambda image, *p: loss(f(image[0], *p), image[1]), params, (x, y), 1e-12)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_models_that_nobody_wrote_for_this_kit(name, k, x64):
    f, params, x = model(name)
    check(lambda x, p: (f(x, p) ** 2).sum(), params, x, 1e-12, k)


@pytest.mark.parametrize("name", MODELS)
def test_in_float32_to_rounding(name):
    f, params, x = model(name)
    check(lambda x, p: (f(x, p) ** 2).sum(), params, x, 2e-5, dtype=jnp.float32)


@pytest.mark.parametrize("name", ["cnn", "attention", "twice", "linear_shapes"])
def test_gradient_and_hessian_in_the_coordinates_go_through(name, x64):
    f, params, x = model(name)
    one = lambda x, p: jnp.sin(f(x, p)).sum()
    params, directions, data, plain = check(one, params, x, 1e-12)

    def split(s):
        coefficients, residual = hoist.split(one, params, directions, data)
        return residual(s, coefficients).sum()

    s = jnp.array([0.3, -0.2])
    for derivative in (jax.grad, jax.hessian):
        exact = jax.jit(derivative(lambda s: plain(s).sum()))(s)
        np.testing.assert_allclose(jax.jit(derivative(split))(s), exact, rtol=1e-8, atol=1e-10)


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
    one = lambda image, *p: cost.quadratic(network.feedforward(image[0], *p), image[1])
    coefficients, residual = hoist.split(one, params, [params, params], images)
    assert sorted(products(residual, jnp.zeros(2), coefficients)) == [10, 16, 16]  # 10: the sum over outputs
    shapes = {leaf.shape for leaf in jax.tree.leaves(coefficients)}
    assert (3, 16, N) in shapes
    assert (10, N) in shapes
    assert not any(784 in shape for shape in shapes)


def test_a_linear_model_keeps_nothing_but_its_output():
    f, params, x = mlp(None, (50, 3))
    coefficients, residual = hoist.split(lambda x, *p: jnp.exp(f(x, *p)).sum(), params, [params], x)
    assert products(residual, jnp.zeros(1), coefficients) == [3]  # the sum over outputs


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
        residual(jnp.ones(1), coefficients), np.tanh(2 * x @ w[0].T).sum(1), rtol=1e-4, atol=1e-5
    )
    jax.effects_barrier()
    assert "seen" in capfd.readouterr().out


COUNTED = np.array([True, False, True, True, False, True])
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
    return residual(s, coefficients, *mask)


@pytest.mark.parametrize("name", SUMMED)
@pytest.mark.parametrize("plain", [False, True])
def test_the_sum_over_counted_images_is_numpys_whatever_the_model_ends_in(name, plain, x64):
    f, in_numpy = SUMMED[name]
    printing = lambda x, w: (jax.debug.callback(lambda: None), f(x, w))[1]  # effects: nothing is hoisted
    chosen = printing if plain else f
    both = jax.jit(lambda s, mask: (summed(chosen, X, s), summed(chosen, X, s, mask)))
    costs = in_numpy(X @ AT.T, X, AT)
    for mask in (COUNTED, ~COUNTED, np.ones(N, bool), np.zeros(N, bool)):
        by_image, total = both(COORDINATES, mask)
        np.testing.assert_allclose(by_image, costs, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(total, costs[mask].sum(), rtol=1e-12, atol=1e-12)


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


@pytest.mark.parametrize("name", ["cnn", "attention", "linear_shapes"])
def test_the_sum_over_counted_images_of_models_that_nobody_wrote_for_this_kit(name):
    f, params, x = model(name)
    one = lambda x, p: (f(x, p) ** 2).sum()

    @jax.jit
    def both(params, x):
        coefficients, residual = hoist.split(one, params, (params,), x)
        twice = jax.tree.map(lambda leaf: 2 * leaf, params)
        return residual(jnp.ones(1), coefficients, COUNTED), jax.vmap(one, (0, None))(x, *twice)

    total, costs = both(params, x)
    np.testing.assert_allclose(total, np.asarray(costs, np.float64)[COUNTED].sum(), rtol=1e-5)
