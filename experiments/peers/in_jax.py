"""What `speed.py` measures the kit against, in JAX: C at points of a plane as everyone writes it; and the models."""

import jax
import numpy as np

from jaxcost import cost, directions, losses, network

BATCH = 128  # the mini-batch that published tools fetch to the host one by one


def usual_loop(C, origin, uv):
    """What published tools do: a new model at each point, mini-batches, each cost fetched to the host."""
    batch_cost = jax.jit(lambda x, y, *params: cost.Cost(type(C.images)(x, y), C.f, C.loss)(*params))
    x, y = np.asarray(C.images.x), np.asarray(C.images.y)

    def run(points):
        values = []
        for s in points:
            params = moved(origin, uv, s)
            parts = [slice(i, i + BATCH) for i in range(0, len(x), BATCH)]
            values.append(sum(float(batch_cost(x[i], y[i], *params)) * len(x[i]) for i in parts) / len(x))
        return values

    return run


def plain(C, origin, uv):
    """The jitted cost in `lax.map`, nothing hoisted."""
    run = jax.jit(lambda C, origin, uv, points: jax.lax.map(lambda s: C(*moved(origin, uv, s)), points))
    return lambda points: np.asarray(run(C, origin, uv, points))


def moved(origin, uv, s):
    """The parameters at s."""
    return jax.tree.map(lambda p, *d: p + sum(a * b for a, b in zip(s, d, strict=True)), origin, *uv)


def grid(side):
    """The points of a plane, side x side of them, in an order that any first of them sample."""
    axis = np.linspace(-1, 1, side, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    return np.random.default_rng(0).permutation(points)


def model(name, train):
    """C of a model by its name, such as "784-30-10" or "cnn", its parameters, and two directions."""
    key, direction_key = jax.random.split(jax.random.key(0))
    if name == "cnn":
        (C, origin), axis = cnn(key, train), -1
    else:
        C, origin, axis = cost.Cost(train), network.init(key, tuple(map(int, name.split("-")))), 0
    return C, origin, directions.random(direction_key, origin, 2, axis=axis)


def cnn(key, train):
    """Two convolutions of 8 and 16 channels, in Flax."""
    import flax.linen as nn

    class CNN(nn.Module):
        @nn.compact
        def __call__(self, x):
            x = nn.max_pool(nn.relu(nn.Conv(8, (3, 3))(x)), (2, 2), (2, 2))
            x = nn.max_pool(nn.relu(nn.Conv(16, (3, 3))(x)), (2, 2), (2, 2))
            return nn.Dense(10)(x.ravel())

    image = lambda x: x.reshape(28, 28, 1)
    C = cost.Cost(train, lambda x, p: CNN().apply(p, image(x)), losses.softmax_cross_entropy)
    return C, (CNN().init(key, image(train.x[0])),)
