"""Learning: from wherever (w, b) stands, go downhill. Any optax optimiser, whole batches or mini-batches.

Training runs in one `lax.scan`; what is recorded, and how often, is chosen beforehand. Floating leaves of the
parameters learn, all others stay.
"""

import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax

from jaxcost import checks, cost
from jaxcost.engine import blocks, trained, trees, watched


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
        """The run of network i of an ensemble.

        Raises:
            ValueError: it is not of an ensemble, or has no such network.
        """
        if np.ndim(self.costs) != 2:
            raise ValueError(
                f"a run with costs {np.shape(self.costs)}, expected that of an ensemble, [networks, records]"
            )
        return trees.pick(self._replace(steps=None), checks.whole("i", i, None))._replace(steps=self.steps)

    def at(self, record) -> Any:
        """The parameters at a record, 0 the start and -1 the end; of an ensemble those of all networks.

        Raises:
            ValueError: the run has no trajectory, or no such record.
        """
        if self.trajectory is None:
            raise ValueError("the run has no trajectory (None), expected one trained with keep=True")
        record = checks.whole("record", record, None)
        return trees.pick(self.trajectory, (slice(None),) * (np.ndim(self.costs) - 1) + (record,))


def gradient(C, params) -> Any:
    """The gradient of C with respect to all its arguments, a tuple like `params`; 0 where these do not move.

    Raises:
        ValueError: C is no cost of some images, the parameters are no tuple, or nothing moves in them.

    Example:
        >>> from jaxcost import data, network
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> gradient(C, params).w[0].shape
        (16, 784)
    """
    return _slope(C, params, lambda leaf: leaf)


def downhill(C, params) -> Any:
    """-grad C: of all directions of its length, the one along which C falls fastest. Errors as of `gradient`."""
    return _slope(C, params, jnp.negative)


def gradient_norm(C, params) -> jax.Array:
    """Euclidean length of the gradient of C. Errors as of `gradient`."""
    return optax.tree.norm(trees.moving(gradient(C, params)))


def _slope(C, params, of_leaf):
    C, moving = cost.split(C, params)
    fixed = trees.some(params, "the parameters")[1]
    return trees.join(fixed and fixed.zeros(), jax.tree.map(of_leaf, _gradient(C, moving)))


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
        ValueError: `steps` is not a multiple of `every`; there are no `batch` images; something else is not what it
            should be; or a `Run` is that of an ensemble, or of another optimiser.

    Example:
        >>> from jaxcost import data, network
        >>> C, key = cost.Cost(data.digits()[1]), jax.random.key(0)
        >>> run = descend(key, C, network.init(key), optax.sgd(1.5), steps=200, batch=10, every=100)
        >>> run.steps.tolist(), bool(run.costs[-1] < run.costs[0])
        ([0, 100, 200], True)
        >>> descend(key, C, run, optax.sgd(1.5), steps=100, batch=10, every=100).steps.tolist()
        [200, 300]
    """
    key, optimizer = checks.key("key", key), trained.optimizer(optimizer)
    static = _static(C, steps, batch, every, watch, keep) | {"optimizer": optimizer}
    params, state, first = _resumed(params, 1)
    C, (moving, _) = cost.split(C, params)[0], _parts(C, params)
    state = optimizer.init(moving) if state is None else trained.like(state, jax.eval_shape(optimizer.init, moving))
    run = _descend(key, C, moving, state, None, first, watched.as_pytrees(watch, C.fixed, moving), **static)
    return _reported(trained.whole(C.fixed, run))


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
    keys, C = checks.key("keys", keys, 1), cost.checked(C)
    of_one = lambda entry: trained.optimizer(optimizer if each is None else optimizer(entry))
    checks.function("optimizer", optimizer) if each is not None else trained.optimizer(optimizer)
    static = _static(C, steps, batch, every, watch, keep) | {"optimizer": optimizer}
    if mesh is not None and (C.spread is not None or not isinstance(mesh, jax.sharding.Mesh)):
        over = 1 if C.spread is None else C.spread.mesh.size
        found = f"mesh={checks.shown(mesh)} and images spread over {over} devices"
        raise ValueError(f"{found}, expected a Mesh, and images on one where networks are shared out")
    init_keys, keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
    init, state, first = _resumed(init, 2)
    shared = lambda leaf: jnp.full(len(keys), leaf) if isinstance(leaf, float) else leaf  # a setting of all
    given = lambda tree: _parts(C, jax.tree.map(shared, checks.tree("init", tree)))
    moving, fixed = jax.vmap(lambda key: _parts(C, init(key)))(init_keys) if callable(init) else given(init)
    trained.as_many(len(keys), {"starts": moving, "each": trees.split(each) and each})
    initial = jax.vmap(lambda p, entry: of_one(entry).init(p), (0, None if each is None else 0))
    state = initial(moving, each) if state is None else trained.like(state, jax.eval_shape(initial, moving, each))
    watch = watched.as_pytrees(watch, trees.pick(fixed, 0), trees.pick(moving, 0))
    run = _ensemble(keys, C, moving, fixed, state, each, first, watch, mesh, **static)
    return _reported(trained.whole(fixed, run._replace(steps=run.steps[0])))


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
    n, own = C.n, blocks.own_images(len(jax.tree.leaves(C.images)[0]), C.spread)
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


def _parts(C, params):
    """What of the parameters of a C moves, and what does not."""
    return cost.split(C, params)[1], trees.some(params, "the parameters")[1]


def _resumed(start, ndim):
    """Where to start, and of a run that goes on the optimiser's state and the number of its last step."""
    if not isinstance(start, Run):
        return start, None, 0
    steps = checks.numbers("the run's steps", start.steps, 1, finite=True)
    if np.ndim(start.costs) != ndim or start.state is None or not len(steps):
        found = f"a run with costs {np.shape(start.costs)}, {len(steps)} steps and a state {start.state is not None}"
        raise ValueError(
            f"{found}, expected that of {('one network', 'an ensemble')[ndim - 1]}, with its optimiser's state"
        )
    return start.params, start.state, int(steps[-1])


def _static(C, steps, batch, every, watch, keep):
    """What is part of the program, checked."""
    batch = trained.batch_of(cost.checked(C), batch)
    steps, every = checks.whole("steps", steps, 1, checks.MOST), checks.whole("every", every, 1, checks.MOST)
    if steps % every:
        raise ValueError(f"steps={steps} and every={every}, expected steps to be a multiple of every")
    if not isinstance(watch, Mapping | None):
        raise ValueError(f"watch={checks.shown(watch)}, expected functions by name, in a dict, or None")
    return {"records": steps // every, "batch": batch, "every": every, "keep": checks.flag("keep", keep)}


def _reported(run):
    """The run itself, with a warning if a cost is not finite."""
    diverged = run.diverged
    if (diverged >= 0).any():
        which = "" if diverged.ndim == 0 else f" in {(diverged >= 0).sum()} of {diverged.size} networks"
        first = diverged[diverged >= 0].min()
        warnings.warn(f"the cost is not finite from step {first} on{which}; it is kept so", RuntimeWarning, 3)
    return run
