"""Flax Linen: variables in msgpack files, on their principal plane."""

from pathlib import Path

import flax.linen as nn
import jax
import optax
from flax import serialization

from jaxcost import checkpoints, cost, data, figures, losses

folder = Path("output/flax_linen")
folder.mkdir(parents=True, exist_ok=True)
model = nn.Sequential([nn.Dense(16), nn.tanh, nn.Dense(10)])
train = data.digits()[0][:500]
variables = model.init(jax.random.key(0), train.x[0])
C = cost.Cost(train, lambda x, p: model.apply(p, x), losses.softmax_cross_entropy)
adam = optax.adam(0.003)
state, slope = adam.init(variables), jax.jit(jax.grad(C))
for step in range(41):  # your training
    if step % 5 == 0:
        (folder / f"{step:04}.msgpack").write_bytes(serialization.to_bytes(variables))
    updates, state = adam.update(slope(variables), state)
    variables = optax.apply_updates(variables, updates)

read = lambda file: (serialization.from_bytes(variables, file.read_bytes()),)
found = checkpoints.principal(C, sorted(folder.glob("*.msgpack")), read=read)
figures.save(folder / "path.png", figures.journey(found))
