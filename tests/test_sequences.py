"""Sequences: whole tokens in, a cost a sequence, labels of any shape; each against plain numpy or image by image."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, data, descent, directions, live, losses, slices
from jaxcost.curvature import products

N, T, TOKENS, D = 12, 5, 7, 4
AXIS = np.linspace(-0.5, 0.5, 5)


def recurrent(x, p):
    """Tokens `[T]` in, outputs `[T, TOKENS]`: h <- tanh(W h + e_x), by a scan."""

    def step(h, token):
        h = jnp.tanh(p["W"] @ h + p["embed"][token])
        return h, p["out"] @ h

    return jax.lax.scan(step, jnp.zeros(D), x)[1]


def attention(x, p):
    """One head that sees the tokens before, written out."""
    h = p["embed"][x]
    scores = (h @ p["W"]) @ h.T / 2
    seen = jnp.where(jnp.tril(jnp.ones((T, T), bool)), scores, -1e9)
    return (h + jax.nn.softmax(seen) @ h) @ p["out"].T


def token_loss(a, y):
    return optax.softmax_cross_entropy_with_integer_labels(a, y).mean()


def sequences(f, of_image=False):
    keys = jax.random.split(jax.random.key(0), 5)
    x = jax.random.randint(keys[0], (N, T), 0, TOKENS)
    y = x[:, 0] if of_image else jnp.roll(x, -1, 1)
    shapes = {"W": (D, D), "embed": (TOKENS, D), "out": (TOKENS, D)}
    p = {name: jax.random.normal(key, shape) for key, (name, shape) in zip(keys[1:], shapes.items(), strict=False)}
    model = (lambda x, p: f(x, p)[-1]) if of_image else f
    return cost.Cost(data.images(x, y), model, token_loss), (p,)


def by_hand(C, p):
    """Costs and shares of right positions, one sequence after the other, in float64."""
    costs, shares, outputs = [], [], jax.jit(C.f)
    for x, y in zip(np.asarray(C.images.x), np.asarray(C.images.y), strict=True):
        a = np.atleast_2d(np.asarray(outputs(x, p), np.float64))
        of_positions = np.log(np.exp(a).sum(1)) - a[np.arange(len(a)), np.atleast_1d(y)]
        costs.append(of_positions.mean())
        shares.append((a.argmax(1) == y).mean())
    return np.array(costs), np.array(shares)


@pytest.mark.parametrize("of_image", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize("f", [recurrent, attention])
def test_a_model_of_sequences_is_looked_at_as_any_other(f, of_image):
    C, (p,) = sequences(f, of_image)
    costs, shares = by_hand(C, p)
    np.testing.assert_allclose(C.per_image(p), costs, rtol=1e-5)
    np.testing.assert_allclose(cost.accuracy(C, (p,)), shares.mean(), rtol=1e-6)
    (u,) = directions.random(jax.random.key(1), (p,))
    line = slices.line(C, (p,), u, AXIS, accuracy=True, per_image=True)
    for i, s in enumerate(AXIS):
        at = jax.tree.map(lambda a, d, s=s: a + s * d, p, u[0])
        costs, shares = by_hand(C, at)
        np.testing.assert_allclose(line.per_image[i], costs, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(line.accuracy[i], shares.mean(), rtol=1e-6)
    assert 0 < line.floor < 1e-4
    _, slopes, bends = slices.derivatives(C, (p,), (u,), [[0.0]])
    moved = lambda s: jax.tree.map(lambda a, d: a + s * d, p, u[0])
    plain = lambda s: jax.vmap(lambda x, y: token_loss(C.f(x, moved(s)), y))(C.images.x, C.images.y).mean()
    np.testing.assert_allclose(slopes[0, 0], jax.jit(jax.grad(plain))(0.0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(bends[0, 0, 0], jax.jit(jax.grad(jax.grad(plain)))(0.0), rtol=1e-3, atol=1e-4)
    v = products.hvp(C, (p,), u)
    np.testing.assert_allclose(optax.tree.vdot(v, u), bends[0, 0, 0], rtol=1e-3, atol=1e-4)
    run = descent.descend(jax.random.key(0), C, (p,), optax.adam(0.03), steps=50, batch=4, every=50)
    assert run.costs[1] < run.costs[0]


def test_classes_are_those_of_sequences_with_one_label_each():
    C, (p,) = sequences(recurrent, of_image=True)
    (u,) = (directions.gaussian(jax.random.key(1), (p,)),)
    line = slices.line(C, (p,), u, [0.0], per_class=True)
    costs, y = by_hand(C, p)[0], np.asarray(C.images.y)
    expected = [costs[y == k].mean() if (y == k).any() else np.nan for k in range(y.max() + 1)]
    np.testing.assert_allclose(line.per_class[0], expected, rtol=1e-5)
    of_positions, (p,) = sequences(recurrent)
    with pytest.raises(ValueError, match=r"classes of desired outputs int32\[12, 5\].*, expected one-hot"):
        slices.line(of_positions, (p,), u, [0.0], per_class=True)


@pytest.mark.parametrize("block", [None, 5])
def test_accuracy_is_the_share_of_right_positions_of_one_hot_outputs_too(block):
    C, (p,) = sequences(attention)
    hot = data.images(C.images.x, C.images.y, classes=TOKENS)
    assert hot.y.shape == (N, T, TOKENS)
    likewise = cost.Cost(hot, C.f, lambda a, y: losses.softmax_cross_entropy(a, y).mean(), block=block)
    np.testing.assert_allclose(cost.accuracy(likewise, (p,)), by_hand(C, p)[1].mean(), rtol=1e-6)
    np.testing.assert_allclose(likewise(p), C(p), rtol=1e-6)
    padded = cost.Cost(data.Images(C.images.x, C.images.y.at[:, -1].set(-1)), C.f, lambda a, y: a.sum())
    a = np.stack([np.asarray(C.f(x, p)) for x in C.images.x]).argmax(-1)
    expected = (a[:, :-1] == np.asarray(C.images.y)[:, :-1]).sum() / (N * T)  # a label below 0 is never right
    np.testing.assert_allclose(cost.accuracy(padded, (p,)), expected, rtol=1e-6)


def test_outputs_that_fit_no_labels_are_refused():
    C, (p,) = sequences(attention)
    for f in (lambda x, p: attention(x, p)[-1], lambda x, p: attention(x, p)[:, :3], lambda x, p: 0.0):
        with pytest.raises(ValueError, match="expected one output a class"):
            cost.accuracy(cost.Cost(C.images, f, lambda a, y: 0.0), (p,))


def test_tokens_are_no_pictures_on_a_page(tmp_path):
    C, origin = sequences(attention)
    u, v = directions.random(jax.random.key(1), origin, 2)
    x = jnp.tile(C.images.x[:, :4], (1, 4))  # 16 numbers, as of 4 x 4 pixels
    C = cost.Cost(data.Images(x, C.images.y), lambda x, p: attention(x[:T], p), token_loss)
    live.explorer(tmp_path / "page.html", C, (origin, (u, v)), zooms=(1.0,), points=3, progress=False)
    assert '"pixels": null' in (tmp_path / "page.html").read_text().replace('":null', '": null')
