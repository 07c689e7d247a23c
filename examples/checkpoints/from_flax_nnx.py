"""Flax NNX: the state of a module, kept by Orbax as Flax advises, on its principal plane."""

from pathlib import Path

import jax
import optax
import orbax.checkpoint as ocp
from flax import nnx

from jaxcost import checkpoints, cost, data, figures, losses

folder = Path("output/flax_nnx").resolve()
rngs = nnx.Rngs(0)
model = nnx.Sequential(nnx.Linear(784, 16, rngs=rngs), nnx.tanh, nnx.Linear(16, 10, rngs=rngs))
graph, state = nnx.split(model)
C = cost.Cost(data.digits()[0][:500], lambda x, p: nnx.merge(graph, p)(x), losses.softmax_cross_entropy)
optimizer = nnx.Optimizer(model, optax.adam(0.003), wrt=nnx.Param)
with ocp.StandardCheckpointer() as keeper:
    for step in range(41):  # your training
        if step % 5 == 0:
            keeper.save(folder / f"{step:04}", nnx.state(model), force=True)
        optimizer.update(model, jax.grad(C)(nnx.state(model)))
    keeper.wait_until_finished()
    read = lambda place: (keeper.restore(place, state),)
    found = checkpoints.principal(C, sorted(folder.glob("[0-9]*")), read=read)
figures.save(folder / "path.png", figures.journey(found))
