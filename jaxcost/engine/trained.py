"""What training starts from and what it leaves, of one network and of many: optimisers, their states, whole trees."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks
from jaxcost.engine.whole import is_whole, of_images


def optimizer(value) -> Any:
    """An optimiser, if it is one.

    Raises:
        ValueError: it is none, such as `optax.sgd` without a rate.
    """
    if not callable(getattr(value, "init", None)) or not callable(getattr(value, "update", None)):
        raise ValueError(f"optimizer={checks.shown(value)}, expected one of optax, with init and update")
    return value


def whole(fixed, run) -> Any:
    """The run with whole parameters; in the trajectory what does not move is repeated along the records."""
    if fixed is None:
        return run
    networks, records = jnp.shape(run.costs)[:-1], jnp.shape(run.costs)[-1]
    again = lambda a: jnp.broadcast_to(
        jnp.expand_dims(a, len(networks)), (*networks, records, *a.shape[len(networks) :])
    )
    trajectory = run.trajectory
    if trajectory is not None:
        trajectory = replace(fixed, arrays=tuple(map(again, fixed.arrays))).join(trajectory)
    return run._replace(params=fixed.join(run.params), trajectory=trajectory)


def like(state, expected) -> Any:
    """An optimiser's state, perhaps read from a file, in the structure that the optimiser wants.

    Raises:
        ValueError: it is the state of another optimiser, or of another network.
    """
    leaves, wanted = jax.tree.leaves(checks.tree("state", state)), jax.tree.leaves(expected)
    of = lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if hasattr(leaf, "shape") else type(leaf).__name__
    shapes = lambda leaves: ", ".join(map(of, leaves)) or "nothing"
    if shapes(leaves) != shapes(wanted):
        raise ValueError(f"the run's optimiser has a state of {shapes(leaves)}, expected one of {shapes(wanted)}")
    return jax.tree.structure(expected).unflatten(map(jnp.asarray, leaves))


def as_many(number, given) -> None:
    """Make sure that each pytree has a first axis of one entry a network.

    Args:
        number: of networks.
        given: pytrees by name, or None.

    Raises:
        ValueError: one has not.
    """
    for name, tree in given.items():
        lengths = {np.shape(leaf)[:1] for leaf in jax.tree.leaves(tree)}
        if tree is not None and lengths != {(number,)}:
            raise ValueError(f"{name} of the lengths {sorted(lengths)}, expected one entry for each of {number} keys")


def batch_of(C, batch, usual=None) -> int | None:
    """Images a step, or None for all, as is a default, `usual`, where there are no more images, or none.

    Raises:
        ValueError: C has not so many, or none at all.
    """
    if batch is None or (batch is usual and (is_whole(C) or C.n <= usual)):
        return None
    of_images(C, f"batch={checks.shown(batch)}", ", or batch=None")
    return checks.whole("batch", batch, 1, C.n)


def drawn(key, C, batch) -> Any:
    """C over so many images, each drawn from all of them; C itself where `batch` is None."""
    if batch is None:
        return C
    which = jax.random.randint(key, (batch,), 0, C.n)
    return replace(C, images=jax.tree.map(lambda leaf: leaf[which], C.images), block=None)
