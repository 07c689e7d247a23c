"""A traced program in float64 is the model in float64, but for what it says of types and draws by itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxcost.engine.widened import widened

RNG = np.random.default_rng(0)
S, X = RNG.normal(size=3), np.array([-1.5, 0.5, 1.0])
M = RNG.integers(-3, 4, (3, 3)) / 2  # halves, as those of X: what does not move is exact in few bits
D = M @ M.T + 3 * np.eye(3)
KERNEL = RNG.integers(-3, 4, (2, 2, 1, 2)) / 2


def in_float64(f, s, x, narrow=np.float32):
    """The results of a program that was traced with few bits, run in float64, and what is said of it."""
    said = []
    closed = jax.make_jaxpr(f)(narrow(s), narrow(x))

    def run(s, x):
        results, notes = widened(closed, [True, False])(s, x)
        said.append(notes)
        return results

    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.jit(run)(np.float64(s), narrow(x))), said[0]


def again(f, s, x):
    """The model traced again, all its arguments in float64."""
    with jax.enable_x64(True):
        return jax.tree.map(np.asarray, jax.tree.leaves(jax.jit(f)(np.float64(s), np.float64(x))))


def conv(x, kernel):
    kernel = jnp.asarray(kernel, x.dtype)
    return lax.conv_general_dilated(x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC"))


@jax.custom_jvp
def by_jvp(x):
    return jnp.sin(x)


@jax.custom_vjp
def by_vjp(x):
    return jnp.sin(x)


by_jvp.defjvp(lambda primals, tangents: (jnp.sin(primals[0]), tangents[0] * jnp.cos(primals[0])))
by_vjp.defvjp(lambda x: (jnp.sin(x), x), lambda x, slope: (slope * jnp.cos(x),))


def arithmetic(s, x):
    powers = jnp.abs(s) ** 0.5 + s**3 + 2.0**s + jnp.cbrt(s) + jnp.mod(s, 0.25) + jnp.logaddexp(s, x)
    stairs = jnp.floor(3 * s) + jnp.round(3 * s) + jnp.sign(s) + (3 * s).astype(int) * s + jnp.sum(s > 0) * 1.5
    special = jax.scipy.special.gammaln(jnp.abs(s) + 1) + jax.scipy.special.erf(s) + jax.scipy.special.i0(s)
    chosen = jnp.where(s > 0, s, x) + jnp.clip(s, -0.5, 0.5) + jax.nn.one_hot(jnp.argmax(s), 3) * s
    return powers, stairs, special, chosen, jnp.any(x > s), jnp.linalg.norm(s), jnp.std(s), jnp.median(s)


def activations(s, x):
    functions = jax.nn.relu, jax.nn.softplus, jax.nn.silu, jax.nn.elu, jax.nn.softmax, jax.nn.log_softmax, jnp.tanh
    return [f(s * x) for f in functions], jax.nn.logsumexp(s), jax.nn.sigmoid(M @ s + x)


def indices(s, x):
    written = s.at[1].multiply(3.0) + s.at[0].max(2.0) + s.at[1].min(x[0]) + s.at[2].set(1.0)
    taken = s[jnp.array([0, 2, 2])] + jnp.take(s, jnp.array([5, 1, 0]), mode="fill", fill_value=0.5)
    moved = lax.dynamic_slice(s, (1,), (2,)), lax.dynamic_update_slice(x, s[:1], (2,)), jnp.pad(s, 1)
    return x.at[jnp.array([0, 2])].add(s[:2]), written, taken, moved, jnp.sort(s), jnp.argsort(s), lax.top_k(s, 2)


def sums(s, x):
    window = lambda start, f: lax.reduce_window(jnp.outer(s, x), start, f, (2, 2), (1, 1), "VALID")
    running = jnp.cumsum(s) + jnp.cumprod(s) + lax.cumlogsumexp(s) + lax.associative_scan(jnp.add, s)
    own = lax.reduce(jnp.abs(s), np.zeros((), s.dtype)[()], lambda a, b: jnp.hypot(a, b), (0,))
    images = jnp.tanh(conv(jnp.outer(s, x)[None, :, :, None], KERNEL))
    return window(-jnp.inf, lax.max), window(0.0, lax.add), running, own, images, jnp.abs(jnp.fft.fft(s)), s @ s


def loops(s, x):
    scanned = lax.scan(lambda c, y: (jnp.tanh(c + y), c * y), s, jnp.stack([x, s, x]), reverse=True)
    counted = lax.scan(lambda c, _: ((c[0] + s.sum(), c[1] + 1), c[1]), (jnp.zeros(()), 0), None, 4, unroll=2)
    while_small = lax.while_loop(lambda c: c.sum() < 50, lambda c: c * 1.5 + jnp.abs(x), jnp.abs(s) + 1)
    chosen = lax.cond(s[0] > 0, lambda a, b: a * b, lambda a, b: a - b, s, x)
    switched = lax.switch(jnp.argmax(s), [lambda a: x, lambda a: a, lambda a: 2 * a], s)
    several = lambda c: lax.fori_loop(0, jnp.argmax(x) + 2, lambda i, c: jnp.sin(c) * i + x, c)
    nested = lax.scan(lambda c, y: (lax.cond(c[0] > 0, several, lambda c: c * y, c), None), s, jnp.stack([x, x]))
    return scanned, counted, while_small, chosen, switched, nested[0], lax.map(lambda a: a * s, x)


def called(s, x):
    inner = jax.jit(lambda s: jax.checkpoint(lambda s: jnp.sin(s) * x)(s))(s)
    return inner, by_jvp(s), by_vjp(s), jax.vmap(lambda a: jnp.dot(a * s, x))(s), lax.stop_gradient(s), s, x, 3.0


def differentiated(s, x):
    """Of what was differentiated before it was traced the rules of the derivatives are part."""
    f = lambda s: by_jvp(s) * jax.nn.relu(s) + jnp.linalg.norm(s) + lax.scan(lambda c, y: (jnp.tanh(c * y), c), s, s)[0]
    looped = lambda s: lax.while_loop(lambda c: c.sum() < 50, lambda c: lax.cond(x[0] > 0, jnp.sin, jnp.exp, c), s)
    return jax.jacfwd(jax.jacfwd(f))(s), jax.grad(lambda s: (by_vjp(s) * x).sum())(s), jax.jvp(looped, (s,), (x,))


def linear_algebra(s, x):
    a = jnp.asarray(D, s.dtype) + jnp.diag(s)
    solved = jax.jvp(lambda a: jnp.linalg.solve(a, x), (a,), (jnp.diag(x),))
    return solved, jnp.linalg.inv(a), jnp.linalg.slogdet(a), jnp.linalg.cholesky(a), jnp.linalg.eigvalsh(a)


OTHERS = activations, arithmetic, differentiated, linear_algebra, sums
SLOW = [pytest.param(f, marks=pytest.mark.slow) for f in OTHERS]


@pytest.mark.parametrize("f", [indices, loops, called, *SLOW], ids=lambda f: f.__name__)
def test_it_is_the_model_in_float64(f):
    found, notes = in_float64(f, S, X)
    assert notes.narrowed == notes.kept == ()
    for a, b in zip(found, again(f, S, X), strict=True):
        assert a.dtype.itemsize <= b.dtype.itemsize
        np.testing.assert_allclose(a, b, rtol=1e-13, atol=1e-14)


# models that round by themselves

HALF, BRAIN, SINGLE = jnp.float16, jnp.bfloat16, jnp.float32


def whole_cast(s, x):
    return jnp.tanh(s.astype(HALF) * x.astype(HALF)).astype(SINGLE) * s


def narrow_products(s, x):
    y = jnp.dot(s.astype(BRAIN), M.astype(BRAIN), preferred_element_type=SINGLE)
    return jnp.dot(y, x, preferred_element_type=BRAIN).astype(SINGLE)


def fewer_bits(s, x):
    return lax.reduce_precision(s, 8, 7) @ lax.reduce_precision(x, 8, 7)


def within_programs(s, x):
    """In a loop, a branch, a jit and a rule; and a carry of few bits."""
    step = jax.jit(lambda c, y: lax.cond(y > 0, lambda c: c.astype(HALF).astype(SINGLE), lambda c: 2 * c, c))
    scanned = lax.scan(lambda c, y: (step(c, y), None), s, x)[0]
    return lax.fori_loop(0, 3, lambda i, c: c * x.astype(HALF), s.astype(HALF)).astype(SINGLE) + scanned


ROUNDING = {  # the model; the same without its rounding, in numpy; what is said of it
    whole_cast: (lambda s, x: np.tanh(s * x) * s, ["convert_element_type makes float16 of float32"]),
    narrow_products: (
        lambda s, x: s @ M @ x,
        ["convert_element_type makes bfloat16 of float32", "dot_general makes bfloat16 of float32"],
    ),
    fewer_bits: (lambda s, x: s @ x, ["reduce_precision leaves 7 bits of float32's 23"]),
    within_programs: (lambda s, x: s * x**3 + 2 * s, ["convert_element_type makes float16 of float32"]),
}


@pytest.mark.parametrize("f", ROUNDING, ids=lambda f: f.__name__)
def test_what_a_model_rounds_by_itself_is_not_rounded_and_is_said(f):
    exact, lines = ROUNDING[f]
    s = S + 1e-5  # between the steps of few bits
    (found,), notes = in_float64(f, s, X)
    np.testing.assert_allclose(found, exact(s, X), rtol=1e-14)
    assert np.abs(np.asarray(f(SINGLE(s), SINGLE(X))) - exact(s, X)).max() > 1e-5  # the model itself does round
    assert sorted({line.split(" (")[0] for line in notes.narrowed}) == lines
    assert all("test_widened.py:" in line for line in notes.narrowed)
    assert notes.kept == ()


def test_what_does_not_move_stays_as_the_model_has_it():
    """Images of few bits are another function of the weights, and smooth: no noise of a slice."""
    x = X + 1e-5
    (found,), notes = in_float64(lambda s, x: s @ x.astype(HALF).astype(SINGLE), S, x)
    np.testing.assert_allclose(found, S @ np.float64(np.float16(np.float32(x))), rtol=1e-14)
    assert notes.narrowed == notes.kept == ()


def test_what_nobody_reads_rounds_nothing():
    (found,), notes = in_float64(lambda s, x: (s.astype(HALF), jnp.sin(s) * x)[1], S, X)
    np.testing.assert_allclose(found, np.sin(S) * X, rtol=1e-14)
    assert notes.narrowed == notes.kept == ()


def test_stairs_that_are_meant_stay_and_are_not_called_rounding():
    f = lambda s, x: (jnp.round(s * 127).astype(jnp.int8) * x, jnp.floor(s), jnp.sign(s), s > 0)
    found, notes = in_float64(f, S, X)
    for a, b in zip(found, (np.round(S * 127) * X, np.floor(S), np.sign(S), S > 0), strict=True):
        np.testing.assert_array_equal(a, b)
    assert notes.narrowed == notes.kept == ()


def drawn(s, x):
    """Random numbers from a key of its own, and from one that goes through a loop."""
    key = jax.random.key(3)
    kept = jnp.where(jax.random.bernoulli(key, 0.5, (3,)), s, 0)
    noise = jax.random.normal(key, (3,)) + jax.random.uniform(key, (3,), minval=-1)
    step = lambda key, y: (jax.random.split(key)[0], jax.random.normal(key, (3,)) * y)
    return kept, noise, lax.scan(step, key, s)[1]


@pytest.mark.slow
def test_a_model_that_draws_has_the_same_draws():
    found, notes = in_float64(drawn, S, X)
    for a, b in zip(found, drawn(SINGLE(S), SINGLE(X)), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    assert notes.narrowed == notes.kept == ()


def test_what_knows_one_type_only_is_computed_in_it_and_said_to_be():
    """A callback, and a pattern of bits; and one insists on float32 in words alone, and is computed in float64."""
    sine = lambda s: jax.pure_callback(np.sin, jax.ShapeDtypeStruct((3,), SINGLE), s, vmap_method="expand_dims")
    bits = lambda s: lax.bitcast_convert_type(s, jnp.int32) % 256
    insisting = lambda s: lax.scan(lambda h, a: (jnp.tanh(h * a), None), jnp.ones(3, SINGLE), s)[0]
    (by_sine, by_bits, plain), notes = in_float64(lambda s, x: (sine(s), bits(s), insisting(s)), S, X)
    assert by_sine.dtype == np.float64
    np.testing.assert_array_equal(by_sine, np.sin(np.float32(S)))
    np.testing.assert_array_equal(by_bits, np.float32(S).view(np.int32) % 256)
    np.testing.assert_allclose(plain, np.tanh(S[2] * np.tanh(S[1] * np.tanh(S[0]))) * np.ones(3), rtol=1e-14)
    kept = [line.split(" (")[0] for line in notes.kept]
    assert kept == ["pure_callback in float32", "bitcast_convert_type in float32"]


def test_a_program_of_64_bits_that_insists_on_32_is_one_that_rounds(x64):
    closed = jax.make_jaxpr(lambda s: jnp.sin(s.astype(SINGLE)))(S)
    (found,), notes = widened(closed, [True])(S)
    np.testing.assert_allclose(found, np.sin(S), rtol=1e-14)
    assert notes.narrowed[0].startswith("convert_element_type makes float32 of float64 (test_widened.py:")


@pytest.mark.parametrize("narrow", ["bfloat16", "float16"])
def test_parameters_of_few_bits_move_in_float64(narrow):
    f = lambda s, x: jnp.tanh(s * x) + 1
    (found,), notes = in_float64(f, S, X, jnp.dtype(narrow).type)
    np.testing.assert_allclose(found, np.tanh(S * X) + 1, rtol=1e-14)
    assert notes.narrowed == ()
