"""Learning: from wherever (w, b) stands, go downhill. Any optax optimiser, whole batches or mini-batches.

Training runs in one `lax.scan`; what is recorded, and how often, is chosen beforehand. Floating leaves of the
parameters learn, all others stay.
"""

import warnings
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcost import cost
from jaxcost.engine import blocks, trees, watched


class Run(NamedTuple):
    """A training run; of an `ensemble` every array but `steps` has a first axis, one entry a network.

    Attributes:
        params: the parameters after the last step, a tuple of C's arguments.
        costs: C on the training images at the recorded steps, `[records]`; non-finite values are kept.
        trajectory: the parameters at the recorded steps, each leaf `[records, ...]`, or None.
        steps: the recorded steps, `[records]`: 0, every, 2 every, ...; of a run that goes on, counted from its start.
        watched: what else was recorded, by name, each `[records, ...]`.
        state: the optimiser's state after the last step; with it the run can go on.
    """

    params: Any
    costs: jax.Array
    trajectory: Any
    steps: jax.Array
    watched: dict[str, Any]
    state: Any = None

    @property
    def diverged(self) -> np.ndarray:
        """First recorded step with a non-finite cost, -1 if there is none; of an ensemble, one a network."""
        bad = ~np.isfinite(self.costs)
        return np.where(bad.any(-1), np.asarray(self.steps)[bad.argmax(-1)], -1)

    def network(self, i) -> "Run":
        """The run of network i of an ensemble."""
        return trees.pick(self._replace(steps=None), i)._replace(steps=self.steps)

    def at(self, record) -> Any:
        """The parameters at a record, 0 the start and -1 the end; of an ensemble those of all networks."""
        return trees.pick(self.trajectory, (slice(None),) * (np.ndim(self.costs) - 1) + (record,))


def gradient(C, params) -> Any:
    """The gradient of C with respect to all its arguments, a tuple like `params`; 0 where these do not move.

    Example:
        >>> from jaxcost import data, network
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> gradient(C, params).w[0].shape
        (16, 784)
    """
    fixed = trees.split(params)[1]
    return trees.join(fixed and fixed.zeros(), _gradient(*cost.split(C, params)))


def downhill(C, params) -> Any:
    """-grad C: of all directions of its length, the one along which C falls fastest."""
    fixed = trees.split(params)[1]
    return trees.join(fixed and fixed.zeros(), jax.tree.map(jnp.negative, _gradient(*cost.split(C, params))))


def gradient_norm(C, params) -> jax.Array:
    """Euclidean length of the gradient of C."""
    return optax.tree.norm(_gradient(*cost.split(C, params)))


@jax.jit
@blocks.in_full
def _gradient(C, params):
    return jax.grad(lambda params: C(*params))(params)


def descend(key, C, params, optimizer, *, steps, batch=None, every=1, watch=None, keep=False) -> Run:
    """Train one network.

    Mini-batches are drawn without replacement: each epoch goes through a new order of the images, and
    the `n % batch` last ones of an order sit that epoch out.

    Args:
        key: a `jax.random.key`, for the order of the images; unused without `batch`.
        C: a `cost.Cost`, all training images.
        params: where to start, a tuple of C's arguments; or a `Run`, to go on where it ended, with the optimiser's
            state and the order of the images of then. With the same key and the same other arguments a run in two
            parts is the run in one.
        optimizer: an optax optimiser. One object used for several runs is compiled once.
        steps: number of steps, a multiple of `every`.
        batch: images a step, 1 to n; None takes all.
        every: record at the start, after each so many steps, and so at the end.
        watch: what to record beside C, by name, such as `{"held_out": Cost(held_out), "accuracy": lambda *p:
            cost.accuracy(C, p)}`: functions of `*params` that give arrays.
        keep: record the parameters too, as `trajectory`.

    Returns:
        A `Run`. A cost that ceases to be finite is kept there, and a RuntimeWarning tells from which step on.

    Raises:
        ValueError: `steps` is not a multiple of `every`, or there are no `batch` images.

    Example:
        >>> from jaxcost import data, network
        >>> C, key = cost.Cost(data.digits()[1]), jax.random.key(0)
        >>> run = descend(key, C, network.init(key), optax.sgd(1.5), steps=200, batch=10, every=100)
        >>> run.steps.tolist(), bool(run.costs[-1] < run.costs[0])
        ([0, 100, 200], True)
        >>> descend(key, C, run, optax.sgd(1.5), steps=100, batch=10, every=100).steps.tolist()
        [200, 300]
    """
    _check(C, steps, batch, every)
    params, state, first = (
        (params.params, params.state, int(params.steps[-1])) if _is_run(params) else (params, None, 0)
    )
    C, moving = cost.split(C, params)
    state = optimizer.init(moving) if state is None else _like(state, jax.eval_shape(optimizer.init, moving))
    static = {"optimizer": optimizer, "records": steps // every, "batch": batch, "every": every, "keep": keep}
    run = _descend(key, C, moving, state, None, first, watched.as_pytrees(watch, C.fixed, moving), **static)
    return _reported(_whole(C.fixed, run))


def ensemble(
    keys, C, init, optimizer, *, steps, batch=None, every=1, watch=None, keep=False, each=None, mesh=None
) -> Run:
    """Train many networks at once, one a key, by vmap; C's images are shared.

    Network i is the one that `descend` gives, up to rounding, from `init_key, key = jax.random.split(keys[i])`.

    Args:
        keys: keys, `[networks]`, from `jax.random.split`.
        C: a `cost.Cost`.
        init: `init(key)` gives the parameters to start from; or the parameters of all networks, each array with a first
            axis `[networks]`; or the `Run` of an ensemble, to go on where it ended.
        optimizer: as in `descend`, and so are the other arguments.
        steps: number of steps.
        batch: images a step; each network draws its own.
        every: record at every so many steps.
        watch: what to record beside C.
        keep: record the parameters too.
        each: None, or what differs from network to network, a pytree of arrays `[networks, ...]`. Then `optimizer` is a
            function of one network's entry: `lambda rate: optax.sgd(rate)` for `each=rates`, or
            `lambda one: optax.adamw(one["rate"], weight_decay=one["decay"])`. One function object is compiled once.
        mesh: devices that share out the networks (`devices.mesh`); None for one device.

    Returns:
        A `Run` whose arrays have a first axis `[networks]`.

    Raises:
        ValueError: as `descend`; starts, entries and keys are not as many; or there is a mesh and the images are spread
            as well.

    Example:
        >>> from jaxcost import data, network
        >>> C, keys = cost.Cost(data.digits()[1]), jax.random.split(jax.random.key(0), 3)
        >>> ensemble(keys, C, network.init, optax.sgd(1.5), steps=20, batch=10, every=10).costs.shape
        (3, 3)
    """
    _check(C, steps, batch, every)
    if mesh is not None and C.spread is not None:
        size = C.spread.mesh.size
        raise ValueError(
            f"the images are spread over {size} devices, expected them on one where networks are shared out"
        )
    init_keys, keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    first, state = 0, None
    if _is_run(init):
        (moving, fixed), state, first = trees.split(init.params), init.state, int(init.steps[-1])
    else:
        shared = lambda leaf: jnp.full(len(keys), leaf) if isinstance(leaf, float) else leaf  # a setting of all
        make = lambda key: trees.split(init(key))
        moving, fixed = jax.vmap(make)(init_keys) if callable(init) else trees.split(jax.tree.map(shared, init))
    _as_many(len(keys), {"starts": moving, "each": each})
    of_one = (lambda entry: optimizer) if each is None else optimizer
    initial = jax.vmap(lambda p, entry: of_one(entry).init(p), (0, None if each is None else 0))
    state = initial(moving, each) if state is None else _like(state, jax.eval_shape(initial, moving, each))
    static = {"optimizer": optimizer, "records": steps // every, "batch": batch, "every": every, "keep": keep}
    watch = watched.as_pytrees(watch, trees.pick(fixed, 0), trees.pick(moving, 0))
    run = _ensemble(keys, C, moving, fixed, state, each, first, watch, mesh, **static)
    return _reported(_whole(fixed, run._replace(steps=run.steps[0])))


@partial(jax.jit, static_argnames=("mesh", "optimizer", "records", "batch", "every", "keep"))
def _ensemble(keys, C, params, fixed, state, each, first, watch, mesh, **static):
    def one(C, watch, first, key, params, fixed, state, entry):
        return _descend(key, replace(C, fixed=fixed), params, state, entry, first, watch, **static)

    many = jax.vmap(one, (None, None, None, 0, 0, 0, 0, 0))
    return blocks.split_over(mesh, many, (C, watch, first), (keys, params, fixed, state, each))


@partial(jax.jit, static_argnames=("optimizer", "records", "batch", "every", "keep"))
@blocks.in_full
def _descend(key, C, params, state, entry, first, watch, optimizer, records, batch, every, keep):
    """Train from step `first` on; where there is an entry, the optimiser is a function of it."""
    n, own = C.n, blocks.own_images(len(C.images.x), C.spread)
    optimizer = optax.with_extra_args_support(optimizer if entry is None else optimizer(entry))
    per_epoch = n // (batch or n)
    # epochs count from 0 at the very start, so that a run that goes on finds the order of the images of then
    shuffled = lambda epoch: jax.random.permutation(jax.random.fold_in(key, epoch), n)

    def step(carry, t):
        params, state, order = carry
        images = C.images
        if batch:
            # t is the same for all networks of an ensemble, so that the sort stays one in `per_epoch` steps
            epoch, i = t // per_epoch, t % per_epoch
            order = jax.lax.cond(i == 0, lambda: shuffled(epoch), lambda: order)
            chosen = jax.lax.dynamic_slice_in_dim(order, i * batch, batch)
            chosen = chosen if own is None else own[chosen]
            images = jax.tree.map(lambda leaf: leaf[chosen], images)
        here = lambda params: replace(C, images=images, spread=None if batch else C.spread)(*params)
        value, slope = jax.value_and_grad(here)(params)
        updates, state = optimizer.update(slope, state, params, value=value, grad=slope, value_fn=here)
        params = jax.tree.map(lambda p, update: p + update.astype(p.dtype), params, updates)
        return (params, state, order), None

    def record(params):
        seen = {name: jax.tree.map(jnp.asarray, f(C.fixed, params)) for name, f in watch.items()}
        return C(*params), seen, params if keep else None

    def stretch(carry, r):
        carry, _ = jax.lax.scan(step, carry, first + r * every + jnp.arange(every))
        return carry, record(carry[0])

    start = (params, state, shuffled(first // per_epoch) if batch else None)
    (params, state, _), later = jax.lax.scan(stretch, start, jnp.arange(records))
    costs, seen, trajectory = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), record(start[0]), later)
    return Run(params, costs, trajectory, first + every * jnp.arange(records + 1), seen, state)


def _is_run(value):
    return isinstance(value, Run)


def _whole(fixed, run):
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


def _like(state, expected):
    """An optimiser's state, perhaps read from a file, in the structure that the optimiser wants.

    Raises:
        ValueError: it is the state of another optimiser, or of another network.
    """
    leaves, wanted = jax.tree.leaves(state), jax.tree.leaves(expected)
    shapes = lambda leaves: [jnp.shape(leaf) for leaf in leaves]
    if shapes(leaves) != shapes(wanted):
        raise ValueError(f"the run's optimiser has a state of the shapes {shapes(leaves)}, this one {shapes(wanted)}")
    return jax.tree.structure(expected).unflatten(map(jnp.asarray, leaves))


def _as_many(number, given):
    """Raise ValueError unless each pytree has a first axis of one entry a network."""
    for name, tree in given.items():
        lengths = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(tree)}
        if lengths - {(number,)}:
            raise ValueError(f"{name} of the lengths {sorted(lengths)}, expected one entry for each of {number} keys")


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
