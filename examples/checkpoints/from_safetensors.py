"""Safetensors: arrays by name, on their principal plane."""

from pathlib import Path

import jax
import optax
from safetensors.flax import load_file, save_file  # which gives arrays of jax

from jaxcost import checkpoints, cost, data, figures, losses

folder = Path("output/safetensors")
folder.mkdir(parents=True, exist_ok=True)
first, second = jax.random.split(jax.random.key(0))
params = {"first": jax.random.normal(first, (16, 784)) / 28, "second": jax.random.normal(second, (10, 16)) / 4}
model = lambda x, p: p["second"] @ jax.nn.tanh(p["first"] @ x)
C = cost.Cost(data.digits()[0][:500], model, losses.softmax_cross_entropy)
adam = optax.adam(0.003)
state, slope = adam.init(params), jax.jit(jax.grad(C))
for step in range(41):  # your training
    if step % 5 == 0:
        save_file(params, folder / f"{step:04}.safetensors")
    updates, state = adam.update(slope(params), state)
    params = optax.apply_updates(params, updates)

found = checkpoints.principal(C, sorted(folder.glob("*.safetensors")), read=lambda file: (load_file(file),))
figures.save(folder / "path.png", figures.journey(found))
