"""Value, gradient and Hessian in one pass, against `jax.hessian` of the plain sum in float64."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcost import cost, network, slices
from jaxcost.data import Images
from jaxcost.engine import derivatives, hoist

K, N, IN, OUT = 3, 13, 60, 4


@jax.custom_jvp
def straight_through(z):
    """Stairs with the slope of a line."""
    return jnp.round(3 * z) / 3


straight_through.defjvp(lambda primals, tangents: (straight_through(*primals), jnp.cos(primals[0]) * tangents[0]))


def softmax(z, x):
    return -jax.nn.log_softmax(z)[0]


def normalized(z, x):
    return jnp.sum(((z - z.mean()) / jnp.sqrt(z.var() + 0.1)) ** 3)


ENDS = {  # of a program that begins with a weighted input z and the image x
    "sigmoid": lambda z, x: jax.nn.sigmoid(z).sum(),
    "tanh": lambda z, x: jnp.tanh(z) @ z,
    "product with itself": lambda z, x: (z * z * x[:OUT]).sum(),
    "cube": lambda z, x: (z**3).sum(),
    "exp and log": lambda z, x: jnp.log(1 + jnp.exp(z).sum()) * jnp.log1p(z[0] ** 2) + jnp.expm1(z[1]),
    "roots": lambda z, x: (jnp.sqrt(z**2 + 1) + lax.rsqrt(z**2 + 2) + jnp.cbrt(z + 9)).sum(),
    "sines": lambda z, x: (jnp.sin(z) * jnp.cos(z) + jnp.arctan(z) + jnp.tan(0.1 * z) + jnp.sinh(z)).sum(),
    "error function": lambda z, x: (jax.scipy.special.erf(z) * z).sum(),
    "gelu": lambda z, x: jax.nn.gelu(z).sum(),
    "relu": lambda z, x: (jax.nn.relu(z) ** 2).sum(),
    "softplus": lambda z, x: jax.nn.softplus(z).sum(),
    "maximum": lambda z, x: (jnp.maximum(z, x[:OUT]) * jnp.minimum(z[::-1], 0.3)).sum(),
    "largest": lambda z, x: z.max() ** 2 + z.min() * z.sum(),
    "where": lambda z, x: jnp.where(z > 0, jnp.sin(z), z**2).sum(),
    "clipped": lambda z, x: (jnp.clip(z, -1, 1) ** 2).sum(),
    "absolute and sign": lambda z, x: (jnp.abs(z) * jnp.sign(z) * z).sum(),
    "division": lambda z, x: (z / (2 + z[0] ** 2)).sum(),
    "power": lambda z, x: ((z**2 + 1) ** 1.5).sum(),
    "power of two that move": lambda z, x: jnp.power(z[0] ** 2 + 1, jnp.sin(z[1])),
    "angle": lambda z, x: jnp.arctan2(z[0], 2 + z[1] ** 2),
    "softmax": softmax,
    "normalized": normalized,
    "outer product": lambda z, x: jnp.sin(jnp.outer(z, z)).sum(),
    "slices joined": lambda z, x: (jnp.concatenate([z[1:], z[:1] ** 2, x]) ** 2)[::2].sum(),
    "cumulative": lambda z, x: (jnp.cumsum(z) ** 2).sum(),
    "a rule of its own": lambda z, x: straight_through(z) @ jnp.cos(z),
    "decided": lambda z, x: jnp.where(jnp.argmax(z) == 1, z.sum() ** 2, z[0] ** 3),
}


def problem(end):
    """A first layer, whose z is hoisted, and after it a second one whose weights move too, and one normalized."""
    keys = jax.random.split(jax.random.key(0), 6)
    shapes = (OUT, IN), (OUT,), (OUT, OUT), (OUT, OUT)
    draw = lambda key, scale: tuple(
        scale * jax.random.normal(k, shape, jnp.float64)
        for k, shape in zip(jax.random.split(key, 4), shapes, strict=True)
    )

    def f(x, w, b, v, u):
        z = w @ x + b
        hidden = jnp.tanh(v @ jnp.sin(z))
        return end((u / jnp.sqrt((u**2).sum())) @ hidden + z, x)

    return f, draw(keys[0], 0.2), tuple(draw(key, 0.1) for key in keys[1 : 1 + K]), jax.random.normal(keys[5], (N, IN))


def split(f, origin, directions, x):
    coefficients, residual = hoist.split(f, origin, directions, x)
    assert residual.hoisted
    assert residual.derivatives.func is hoist._derived  # in one pass
    return lambda s, counted: jax.jit(residual.derivatives)(s, coefficients, counted)


SOME = "softmax", "product with itself", "a rule of its own"
TOGETHER = {"some": lambda z, x: sum(ENDS[name](z, x) for name in SOME)}


@pytest.mark.parametrize("name", [*TOGETHER, *(pytest.param(name, marks=pytest.mark.slow) for name in ENDS)])
def test_the_hessian_is_that_of_the_plain_sum(name):
    with jax.enable_x64(True):
        f, origin, directions, x = problem((ENDS | TOGETHER)[name])
        s, counted = jnp.array([0.3, -0.7, 0.2]), np.arange(N) != 4
        at = lambda s: jax.tree.map(
            lambda p, *d: p + sum(a * b for a, b in zip(s, d, strict=True)), origin, *directions
        )
        plain = lambda s: jax.vmap(lambda x: f(x, *at(s)))(x[counted]).sum()
        found = split(f, origin, directions, x)(s, counted)
        exact = jax.jit(lambda s: (plain(s), jax.jacfwd(plain)(s), jax.jacfwd(jax.jacfwd(plain))(s)))(s)
        for one, other in zip(found, exact, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10)
        assert name == "decided" or np.abs(exact[2]).min() > 1e-6  # there is something to be wrong about


def test_a_model_it_does_not_know_is_derived_entry_by_entry_with_the_same_numbers():
    def loop(z, x):
        return lax.fori_loop(0, 3, lambda _, a: jnp.sin(a) * a, z).sum()

    with jax.enable_x64(True):
        f, origin, directions, x = problem(loop)
        coefficients, residual = hoist.split(f, origin, directions, x)
        s, counted = jnp.array([0.3, -0.7, 0.2]), np.ones(N, bool)
        at = lambda s: jax.tree.map(
            lambda p, *d: p + sum(a * b for a, b in zip(s, d, strict=True)), origin, *directions
        )
        plain = lambda s: jax.vmap(lambda x: f(x, *at(s)))(x).sum()
        value, gradient, hessian = jax.jit(residual.derivatives)(s, coefficients, counted)
        of_plain = jax.jit(lambda s: (plain(s), jax.jacfwd(plain)(s), jax.jacfwd(jax.jacfwd(plain))(s)))(s)
        for one, other in zip((value, gradient, hessian), of_plain, strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10)


def test_a_branch_not_taken_whose_slope_is_infinite_adds_nothing():
    """Adjoints alone would say NaN there: 0 times infinity."""
    roots = lambda a, y: jnp.where(a > 0, jnp.sqrt(jnp.maximum(a, 0)), a**2).sum()
    x = jnp.concatenate([jnp.array([[1.0], [-2.0]]), jnp.zeros((2, IN - 1))], 1)
    C = cost.Cost(Images(x, jnp.zeros((2, 1))), lambda x, w: w @ x, roots)
    origin, u = (jnp.ones((1, IN)),), (jnp.ones((1, IN)),)
    at_once = split(lambda x, w: roots(w @ x, 0), origin, (u,), x)(jnp.ones(1), np.ones(2, bool))
    assert jnp.isnan(at_once[2]).all()
    values, gradients, hessians = slices.derivatives(C, origin, (u,), [[1.0], [3.0]])
    w = np.array([2.0, 4.0])  # C = (sqrt(w) + 4 w^2) / 2
    np.testing.assert_allclose(values, (np.sqrt(w) + 4 * w**2) / 2, rtol=1e-6)
    np.testing.assert_allclose(gradients[:, 0], (0.5 / np.sqrt(w) + 8 * w) / 2, rtol=1e-6)
    np.testing.assert_allclose(hessians[:, 0, 0], (-0.25 * w**-1.5 + 8) / 2, rtol=1e-6)


def test_one_pass_makes_eight_products_a_layer_of_a_plane_and_forward_mode_in_forward_mode_more():
    sizes, x = (60, 5, 4), jnp.ones((3, 60))
    f = lambda x, w, b: (network.feedforward(x, w, b) ** 2).sum()
    made = [network.init(key, sizes) for key in jax.random.split(jax.random.key(1), 3)]
    coefficients, residual = hoist.split(f, made[0], made[1:], x)

    def products(of):
        compiled = jax.jit(of).lower(jnp.ones(2), coefficients, np.ones(3, bool)).compile()
        return len(re.findall(r"= f32\[[45],3\]\S+ dot\(", compiled.as_text()))

    total = residual.total
    nested = lambda s, given, counted: derivatives.nested(lambda s: total(s, given, counted), s)
    assert products(residual.derivatives) == 8 < products(nested)
