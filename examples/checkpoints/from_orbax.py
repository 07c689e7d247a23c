"""Orbax: the steps of a checkpoint manager, on their principal plane; any pytree will do."""

import tempfile

import jax
import optax
import orbax.checkpoint as ocp

from jaxcost import checkpoints, cost, data, figures, losses

first, second = jax.random.split(jax.random.key(0))
params = {"first": jax.random.normal(first, (16, 784)) / 28, "second": jax.random.normal(second, (10, 16)) / 4}
model = lambda x, p: p["second"] @ jax.nn.tanh(p["first"] @ x)
C = cost.Cost(data.digits()[0][:500], model, losses.softmax_cross_entropy)
adam = optax.adam(0.003)
state, slope = adam.init(params), jax.jit(jax.grad(C))
with ocp.CheckpointManager(tempfile.mkdtemp()) as manager:
    for step in range(41):  # your training
        if step % 5 == 0:
            manager.save(step, args=ocp.args.StandardSave(params))
        updates, state = adam.update(slope(params), state)
        params = optax.apply_updates(params, updates)
    manager.wait_until_finished()
    read = lambda step: (manager.restore(step, args=ocp.args.StandardRestore(params)),)
    found = checkpoints.principal(C, sorted(manager.all_steps()), read=read)
figures.save("output/orbax/path.png", figures.journey(found))
