"""Learning: from wherever (w, b) stands, go downhill. Any optax optimiser, whole batches or mini-batches.

Training runs in one `lax.scan`; what is recorded, and how often, is chosen beforehand.
"""

import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcost.cost import Cost
from jaxcost.engine import blocks


class Run(NamedTuple):
    """A training run; of an `ensemble` every array but `steps` has a first axis, one entry a network.

    Attributes:
        params: the parameters after the last step, a tuple of C's arguments.
        costs: C on the training images at the recorded steps, `[records]`; non-finite values are kept.
        trajectory: the parameters at the recorded steps, each leaf `[records, ...]`, or None.
        steps: the recorded steps, `[records]`: 0, every, 2 every, ...
        watched: what else was recorded, by name, each `[records, ...]`.
    """

    params: Any
    costs: jax.Array
    trajectory: Any
    steps: jax.Array
    watched: dict[str, Any]

    @property
    def diverged(self):
        """First recorded step with a non-finite cost, -1 if there is none; of an ensemble, one a network."""
        bad = ~np.isfinite(self.costs)
        return np.where(bad.any(-1), np.asarray(self.steps)[bad.argmax(-1)], -1)


def gradient(C, params):
    """The gradient of C with respect to all its arguments, a tuple like `params`.

    Example:
        >>> from jaxcost import data, network
        >>> C, params = Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> gradient(C, params).w[0].shape
        (16, 784)
    """
    return _gradient(C, params)


def downhill(C, params):
    """-grad C: of all directions of its length, the one along which C falls fastest."""
    return jax.tree.map(jnp.negative, _gradient(C, params))


@jax.jit
def _gradient(C, params):
    return jax.grad(lambda params: C(*params))(params)


def gradient_norm(C, *params):
    """Euclidean length of the gradient of C. Takes its arguments as C does, so that it can be watched."""
    return jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(gradient(C, params))))


def descend(key, C, params, optimizer, *, steps, batch=None, every=1, watch=None, keep=False):
    """Train one network.

    Mini-batches are drawn without replacement: each epoch goes through a new order of the images, and
    the `n % batch` last ones of an order sit that epoch out.

    Args:
        key: a `jax.random.key`, for the order of the images; unused without `batch`.
        C: a `cost.Cost`, all training images.
        params: where to start, a tuple of C's arguments.
        optimizer: an optax optimiser. One object used for several runs is compiled once.
        steps: number of steps, a multiple of `every`.
        batch: images a step, 1 to n; None takes all.
        every: record at step 0, at each multiple of this, and so at the last step.
        watch: what to record beside C, by name: functions of `*params` that are pytrees, such as
            `{"held_out": Cost(held_out), "accuracy": jax.tree_util.Partial(cost.accuracy, C)}`.
        keep: record the parameters too, as `trajectory`.

    Returns:
        A `Run`. A cost that ceases to be finite is kept there, and a RuntimeWarning tells from which step on.

    Raises:
        ValueError: `steps` is not a multiple of `every`, or there are no `batch` images.

    Example:
        >>> import optax
        >>> from jaxcost import data, network
        >>> C, key = Cost(data.digits()[1]), jax.random.key(0)
        >>> run = descend(key, C, network.init(key), optax.sgd(1.5), steps=200, batch=10, every=100)
        >>> run.steps.tolist(), bool(run.costs[-1] < run.costs[0])
        ([0, 100, 200], True)
    """
    _check(C, steps, batch, every)
    run = _descend(key, C, params, _watched(watch), optimizer, steps // every, batch, every, keep)
    return _reported(run)


def ensemble(keys, C, init, optimizer, *, steps, batch=None, every=1, watch=None, keep=False, mesh=None):
    """Train many networks at once, one a key, by vmap; C's images are shared.

    Network i is the one that `descend` gives, up to rounding, from `init_key, key = jax.random.split(keys[i])`.

    Args:
        keys: keys, `[networks]`, from `jax.random.split`.
        C: a `cost.Cost`.
        init: `init(key)` gives the parameters to start from.
        optimizer: as in `descend`, and so are the other arguments.
        steps: number of steps.
        batch: images a step; each network draws its own.
        every: record at every so many steps.
        watch: what to record beside C.
        keep: record the parameters too.
        mesh: devices over which the networks are dealt (`devices.mesh`); None for one device.

    Returns:
        A `Run` whose arrays have a first axis `[networks]`.

    Raises:
        ValueError: as `descend`, or there is a mesh and the images are spread as well.

    Example:
        >>> import optax
        >>> from jaxcost import data, network
        >>> C, keys = Cost(data.digits()[1]), jax.random.split(jax.random.key(0), 3)
        >>> ensemble(keys, C, network.init, optax.sgd(1.5), steps=20, batch=10, every=10).costs.shape
        (3, 3)
    """
    _check(C, steps, batch, every)
    if mesh is not None and C.spread is not None:
        size = C.spread.mesh.size
        raise ValueError(f"the images are spread over {size} devices, expected them on one where networks are dealt")
    init_keys, keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    static = {"optimizer": optimizer, "records": steps // every, "batch": batch, "every": every, "keep": keep}
    run = _ensemble(keys, C, jax.vmap(init)(init_keys), _watched(watch), mesh, **static)
    return _reported(run._replace(steps=run.steps[0]))


@partial(jax.jit, static_argnames=("mesh", "optimizer", "records", "batch", "every", "keep"))
def _ensemble(keys, C, params, watch, mesh, **static):
    each = lambda C, watch, key, params: _descend(key, C, params, watch, **static)
    return blocks.dealt(jax.vmap(each, (None, None, 0, 0)), mesh, (C, watch), (keys, params))


@partial(jax.jit, static_argnames=("optimizer", "records", "batch", "every", "keep"))
def _descend(key, C, params, watch, optimizer, records, batch, every, keep):
    n, places = C.n, blocks.places(len(C.images.x), C.spread)
    optimizer = optax.with_extra_args_support(optimizer)
    per_epoch = n // (batch or n)

    def step(carry, t):
        params, state, order = carry
        images = C.images
        if batch:
            # t is the same for all networks of an ensemble, so that the sort stays one in `per_epoch` steps
            epoch, i = t // per_epoch, t % per_epoch
            shuffled = lambda: jax.random.permutation(jax.random.fold_in(key, epoch), n)
            order = jax.lax.cond(i == 0, shuffled, lambda: order)
            chosen = jax.lax.dynamic_slice_in_dim(order, i * batch, batch)
            chosen = chosen if places is None else places[chosen]
            images = jax.tree.map(lambda leaf: leaf[chosen], images)
        here = lambda params: Cost(images, C.f, C.loss, C.block, None if batch else C.spread)(*params)
        value, slope = jax.value_and_grad(here)(params)
        updates, state = optimizer.update(slope, state, params, value=value, grad=slope, value_fn=here)
        params = jax.tree.map(lambda p, update: p + update.astype(p.dtype), params, updates)
        return (params, state, order), None

    def record(params):
        watched = {name: jax.tree.map(jnp.asarray, f(*params)) for name, f in watch.items()}
        return C(*params), watched, params if keep else None

    def stretch(carry, r):
        carry, _ = jax.lax.scan(step, carry, r * every + jnp.arange(every))
        return carry, record(carry[0])

    start = (params, optimizer.init(params), jnp.arange(n) if batch else None)
    (params, *_), later = jax.lax.scan(stretch, start, jnp.arange(records))
    first = record(start[0])
    costs, watched, trajectory = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, later)
    return Run(params, costs, trajectory, every * jnp.arange(records + 1), watched)


def _watched(watch: Mapping[str, Callable] | None):
    """The functions to watch, each made a pytree where it is not one already, so that jit can take it.

    Raises:
        ValueError: one is no function.
    """
    watch = dict(watch or {})
    for name, f in watch.items():
        if not callable(f):
            raise ValueError(f"watch[{name!r}] is {f!r}, expected a function of *params")
        if jax.tree_util.all_leaves([f]):  # a bare function: a leaf that jit would refuse
            watch[name] = jax.tree_util.Partial(f)
    return watch


def _check(C, steps, batch, every):
    if every < 1 or steps < 1 or steps % every:
        raise ValueError(f"steps={steps} and every={every}, expected steps to be a positive multiple of every")
    if batch is not None and not 1 <= batch <= C.n:
        raise ValueError(f"batch={batch}, expected 1 to {C.n}, the number of images, or None for all")


def _reported(run):
    """The run itself, with a warning if a cost is not finite."""
    diverged = run.diverged
    if (diverged >= 0).any():
        which = "" if diverged.ndim == 0 else f" in {(diverged >= 0).sum()} of {diverged.size} networks"
        first = diverged[diverged >= 0].min()
        warnings.warn(f"the cost is not finite from step {first} on{which}; it is kept so", RuntimeWarning, 3)
    return run
