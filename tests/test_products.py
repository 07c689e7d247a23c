"""Products of the Hessian are those of the dense one, on whatever tree."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, data, descent, devices, directions, losses, network
from jaxcost.curvature import products
from jaxcost.data import Images
from jaxcost.engine import affine, trees
from jaxcost.engine import dense as engine_dense
from jaxcost.engine import products as engine


def problem(dtype=jnp.float32, block=None):
    keys = jax.random.split(jax.random.key(0), 4)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (11,), 0, 3), 3)
    found = Images(jax.random.uniform(keys[0], (11, 4)), y), network.init(keys[2], (4, 3, 3))
    images, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), found)
    return cost.Cost(images, block=block), params


def dense(C, params):
    """H of the parameters flattened, and the function that puts them together again."""
    flat, unravel = ravel_pytree(params)
    return np.asarray(jax.jit(jax.hessian(lambda p: C(*unravel(p))))(flat)), unravel


@pytest.mark.parametrize("block", [None, 4])
def test_a_product_is_that_of_the_dense_hessian(block, x64):
    C, params = problem(jnp.float64, block)
    H, unravel = dense(C, params)
    vs = np.random.default_rng(0).normal(size=(3, len(H)))
    for v in vs:
        found = products.hvp(C, params, unravel(v))
        assert type(found) is network.Params
        np.testing.assert_allclose(ravel_pytree(found)[0], H @ v, rtol=1e-10, atol=1e-13)
    together = products.hvps(C, params, jax.vmap(unravel)(vs))
    assert [leaf.shape for leaf in jax.tree.leaves(together)] == [(3, *leaf.shape) for leaf in jax.tree.leaves(params)]
    np.testing.assert_allclose(jax.vmap(lambda v: ravel_pytree(v)[0])(together), vs @ H, rtol=1e-10, atol=1e-13)


def gauss_newton(C, params):
    """1/n sum J'HJ from the Jacobian of the outputs of each image and the Hessian of its loss, by autodiff."""
    flat, unravel = ravel_pytree(params)

    def of_one(x, y):
        outputs = lambda flat: C.f(x, *unravel(flat))
        J = jax.jacrev(outputs)(flat)
        return J.T @ jax.hessian(C.loss)(outputs(flat), y) @ J

    return np.asarray(jax.jit(lambda: jax.vmap(of_one)(C.images.x, C.images.y).mean(0))())


WIDE = 24  # pixels: of four nothing would be worth keeping apart
OTHERS = {  # each a network, and shapes of its parameters
    "transposed weights": (lambda x, w, u: jnp.tanh(jnp.tanh(x @ w) @ u), [(WIDE, 5), (5, 3)]),
    "weights turned round": (lambda x, w, u: jnp.tanh(u.T @ jnp.tanh(w.T @ x)), [(WIDE, 5), (5, 3)]),
    "weights used twice": (lambda x, w: jnp.tanh(w @ (w.T @ jnp.tanh(w @ x)))[:3], [(4, WIDE)]),
    "two layers see the image": (lambda x, w, u: jnp.tanh(w @ x) * jnp.sin(x @ u), [(3, WIDE), (WIDE, 3)]),
    "two images of one": (lambda x, w: jnp.tanh(w @ x[:12]) + w @ x[12:], [(3, 12)]),
    "linear": (lambda x, w, b: w @ x + b, [(3, WIDE), (3,)]),
    "scaled": (lambda x, w, s: jnp.tanh((s * w) @ (x - 0.5)), [(3, WIDE), ()]),
    "no image": (lambda x, w: jnp.tanh(w[0]) * w[1], [(2, 3)]),
    "few pixels": (lambda x, w, u: jnp.tanh(u @ jnp.tanh(w @ x[:3])), [(4, 3), (3, 4)]),
}

EVERY_DAY = "two layers see the image", "scaled", "no image"


def of_24_pixels(f, loss=losses.quadratic, dtype=jnp.float32):
    keys = jax.random.split(jax.random.key(5), 2)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (11,), 0, 3), 3, dtype=dtype)
    return cost.Cost(Images(jax.random.uniform(keys[0], (11, WIDE), dtype), y), f, loss, block=4)


@pytest.mark.parametrize(
    ("name", "loss"),
    [pytest.param(name, losses.quadratic, marks=[pytest.mark.slow] * (name not in EVERY_DAY)) for name in OTHERS]
    + [("transposed weights", losses.softmax_cross_entropy)],
)
def test_both_matrices_and_their_products_are_those_of_autodiff(name, loss, x64):
    f, shapes = OTHERS[name]
    C = of_24_pixels(f, loss, jnp.float64)
    keys = jax.random.split(jax.random.key(3), len(shapes))
    params = tuple(jax.random.normal(key, shape) for key, shape in zip(keys, shapes, strict=True))
    H, unravel = dense(C, params)
    vs = np.random.default_rng(0).normal(size=(2, len(H)))
    for whole, together, expected in (
        (products.hessian, products.hvps, H),
        (products.ggn, products.ggn_vps, gauss_newton(C, params)),
    ):
        found = whole(C, params, progress=False)
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-12)
        assert (found == found.T).all()
        flat = jax.vmap(lambda v: ravel_pytree(v)[0])(together(C, params, jax.vmap(unravel)(vs)))
        np.testing.assert_allclose(flat, vs @ expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("name", "to"),
    [
        ("transposed weights", 5),
        ("weights turned round", 5),
        ("linear", 3),
        ("weights used twice", None),
        ("scaled", None),
    ],
)
def test_a_layer_that_sees_the_image_alone_is_found(name, to):
    f, shapes = OTHERS[name]
    C = of_24_pixels(f)
    found = affine.cut(C.of_one, tuple(map(jnp.ones, shapes)), C.images)
    layer = found and engine_dense._first_layer(found)
    assert (layer and layer.to) == to


@pytest.mark.slow
def test_chunks_change_nothing_but_rounding(monkeypatch, x64):
    """Of 11 images 3 at a time, of which one is seen twice; and columns of blocks that do not divide the weights."""
    C, params = of_24_pixels(network.feedforward, dtype=jnp.float64), network.init(jax.random.key(0), (WIDE, 4, 3))
    C, params = replace(C, block=None), jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
    assert affine.cut(C.of_one, params, C.images)
    expected = [f(C, params, progress=False) for f in (products.hessian, products.ggn)]
    monkeypatch.setattr(engine, "CHUNK", 3)
    monkeypatch.setattr(engine_dense, "SMALLEST", 5)
    jax.clear_caches()
    for f, whole in zip((products.hessian, products.ggn), expected, strict=True):
        found = f(C, params, progress=False)
        np.testing.assert_allclose(found, whole, rtol=1e-11, atol=1e-14)
        assert (found == found.T).all()
    jax.clear_caches()


def test_over_two_devices_they_are_those_of_one(x64):
    """Eleven images in parts of six and five: one of them is a copy that must not count."""
    C, params = of_24_pixels(network.feedforward, dtype=jnp.float64), network.init(jax.random.key(0), (WIDE, 4, 3))
    params = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), params)
    spread = devices.spread(C, devices.mesh(images=2))
    vs = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf + 1]), params)
    for f in (products.hvps, products.ggn_vps):
        for found, expected in zip(*(jax.tree.leaves(f(one, params, vs)) for one in (spread, C)), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)
    for f in (products.hessian, products.ggn):
        whole, expected = (f(one, params, progress=False) for one in (spread, C))
        np.testing.assert_allclose(whole, expected, rtol=1e-11, atol=1e-14)


@pytest.mark.slow
def test_the_dense_matrices_of_the_home_network_are_their_products():
    """13,002 columns over real digits: 50 random products, by plain forward mode over reverse mode in float64."""
    C, params = cost.Cost(data.digits()[0][:2000]), network.init(jax.random.key(0))
    vs = np.random.default_rng(0).normal(size=(50, network.size(params)))
    with jax.enable_x64(True):
        C64, params64 = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float64), (C, params))
        _, unravel64 = ravel_pytree(params64)
        along = lambda v: jax.jvp(lambda p: jax.grad(lambda q: C64(*q))(p), (params64,), (unravel64(v),))[1]
        exact = np.asarray(jax.jit(lambda vs: jax.lax.map(lambda v: ravel_pytree(along(v))[0], vs))(vs))
    H = products.hessian(C, params, progress=False)
    assert (H == H.T).all()
    assert np.abs(vs @ H - exact).max() < 1e-5 * np.abs(exact).max()


def test_it_is_how_the_gradient_changes_along_the_direction(x64):
    C, params = problem(jnp.float64)
    v = directions.random(jax.random.key(1), params)[0]
    after, before = (descent.gradient(C, directions.at(params, (v,), [s])) for s in (1e-5, -1e-5))
    change = jax.tree.map(lambda a, b: (a - b) / 2e-5, after, before)
    for found, expected in zip(*map(jax.tree.leaves, (products.hvp(C, params, v), change)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)


def test_float32_is_as_near_as_float32_is():
    C, params = problem()
    H, unravel = dense(C, params)
    v = np.random.default_rng(0).normal(size=len(H)).astype(np.float32)
    np.testing.assert_allclose(ravel_pytree(products.hvp(C, params, unravel(v)))[0], H @ v, rtol=1e-4, atol=1e-5)


def test_what_does_not_move_is_0_and_numbers_keep_their_types():
    """C = 3 w^2 + 2 w c, so that H = [[6, 2], [2, 0]] on (c, w) turned round: a counter, a key and a function stay."""
    f = lambda x, p: p["act"](p["w"]) * 3 * p["power"] / p["power"] + 2 * p["w"] * p["c"].astype(jnp.float32)
    C = cost.Cost(Images(jnp.ones((2, 1)), jnp.ones(2)), f, lambda a, y: a)
    params = (
        {
            "w": 1.5,
            "c": jnp.array(0.5, jnp.bfloat16),
            "power": jnp.array(3),
            "key": jax.random.key(0),
            "act": jnp.square,
        },
    )
    v = (params[0] | {"w": 1.0, "c": 0.25},)
    (found,) = products.hvp(C, params, v)
    assert (found["w"], found["c"], found["power"], found["act"]) == (6.5, 2, 0, jnp.square)
    assert found["c"].dtype == jnp.bfloat16
    moving_C, moving = cost.split(C, params)
    again = products.hvp(moving_C, moving, trees.moving(v))
    assert jax.tree.structure(again) == jax.tree.structure(moving)
    assert (again[0]["w"], again[0]["c"]) == (6.5, 2)
    vs = (params[0] | {"w": np.array([1.0, 0.0]), "c": np.array([0.0, 1.0])},)
    (found,) = products.hvps(C, params, vs)
    assert found["w"].tolist() == [6, 2]
    assert found["c"].tolist() == [2, 0]
    assert (found["power"], found["act"]) == (0, jnp.square)


def test_a_direction_that_is_not_like_the_parameters_is_named():
    C, params = problem()
    with pytest.raises(ValueError, match=r"^v is like .*; expected it to be like"):
        products.hvp(C, params, params._replace(b=params.b[:1]))
    with pytest.raises(ValueError, match=r"^v is like .*; expected it to be like"):
        products.hvp(C, params, jax.tree.map(lambda leaf: leaf[:1], params))
    several = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), params)
    with pytest.raises(ValueError, match=r"^one of vs is like .*; expected it to be like"):
        products.hvps(C, params, several._replace(b=several.b[:1]))
    with pytest.raises(ValueError, match=r"^one of vs is like .*; expected it to be like"):
        products.hvps(C, params, jax.tree.map(lambda leaf: leaf[:, :1], several))
