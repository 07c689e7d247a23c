"""Haiku: its parameters are dicts of arrays, which this kit's own files hold as they are."""

from pathlib import Path

import haiku as hk
import jax
import optax

from jaxcost import checkpoints, cost, data, figures, losses, results

folder = Path("output/haiku")
model = hk.without_apply_rng(hk.transform(lambda x: hk.nets.MLP([16, 10], activation=jax.nn.tanh)(x)))
train = data.digits()[0][:500]
params = model.init(jax.random.key(0), train.x[0])
C = cost.Cost(train, lambda x, p: model.apply(p, x), losses.softmax_cross_entropy)
adam = optax.adam(0.003)
state, slope = adam.init(params), jax.jit(jax.grad(C))
for step in range(41):  # your training
    if step % 5 == 0:
        results.save(folder / f"{step:04}.npz", params)
    updates, state = adam.update(slope(params), state)
    params = optax.apply_updates(params, updates)

read = lambda file: (results.load(file),)
found = checkpoints.principal(C, sorted(folder.glob("*.npz")), read=read)
figures.save(folder / "path.png", figures.journey(found))
