"""Equinox: modules by their leaves, on their principal plane."""

from pathlib import Path

import equinox as eqx
import jax
import optax

from jaxcost import checkpoints, cost, data, figures, losses

folder = Path("output/equinox")
folder.mkdir(parents=True, exist_ok=True)
model = eqx.nn.MLP(784, 10, 16, 1, activation=jax.nn.tanh, key=jax.random.key(0))
C = cost.Cost(data.digits()[0][:500], lambda x, model: model(x), losses.softmax_cross_entropy)
adam = optax.adam(0.003)
state, slope = adam.init(eqx.filter(model, eqx.is_array)), eqx.filter_jit(eqx.filter_grad(lambda model: C(model)))
for step in range(41):  # your training
    if step % 5 == 0:
        eqx.tree_serialise_leaves(folder / f"{step:04}.eqx", model)
    updates, state = adam.update(slope(model), state)
    model = eqx.apply_updates(model, updates)

read = lambda file: (eqx.tree_deserialise_leaves(file, model),)
found = checkpoints.principal(C, sorted(folder.glob("*.eqx")), read=read)
figures.save(folder / "path.png", figures.journey(found))
