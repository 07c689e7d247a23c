"""Training is the written recursion, its record is complete, and an ensemble is its members."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, descent, network
from jaxcost.data import Images

OPTIMIZERS = {"sgd": optax.sgd(0.5), "momentum": optax.sgd(0.1, 0.9), "adam": optax.adam(0.01)}
SEARCHING = {"lbfgs": optax.lbfgs(), "polyak": optax.polyak_sgd(max_learning_rate=0.5)}  # want the cost as well


@pytest.fixture(scope="module")
def problem():
    keys = jax.random.split(jax.random.key(0), 3)
    labels = jax.random.randint(keys[1], (23,), 0, 4)
    C = cost.Cost(Images(jax.random.uniform(keys[0], (23, 7)), jax.nn.one_hot(labels, 4)))
    return C, network.init(keys[2], (7, 5, 4))


def close(a, b, **tolerance):
    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        np.testing.assert_allclose(x, y, **({"rtol": 1e-5, "atol": 1e-6} | tolerance))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_full_batch_run_is_a_python_loop_over_optax(problem, name):
    C, params = problem
    optimizer = OPTIMIZERS[name]
    run = descent.descend(jax.random.key(1), C, params, optimizer, steps=12, every=3, keep=True)
    state, costs, kept = optimizer.init(params), [], []
    for step in range(13):
        if step % 3 == 0:
            costs.append(float(C(*params)))
            kept.append(params)
        if step < 12:
            updates, state = optimizer.update(jax.grad(lambda p: C(*p))(params), state, params)
            params = optax.apply_updates(params, updates)
    assert run.steps.tolist() == [0, 3, 6, 9, 12]
    np.testing.assert_allclose(run.costs, costs, rtol=1e-5)
    close(run.trajectory, jax.tree.map(lambda *leaves: jnp.stack(leaves), *kept))
    close(run.params, params)
    assert run.diverged == -1


@pytest.mark.parametrize("name", SEARCHING)
def test_optimizers_that_want_the_cost_itself_get_it(problem, name):
    C, params = problem
    run = descent.descend(jax.random.key(1), C, params, SEARCHING[name], steps=15, every=5)
    assert (np.diff(run.costs) < 0).all()


def test_downhill_falls_faster_than_any_other_direction_of_its_length(problem):
    C, params = problem
    down = descent.downhill(C, params)
    close(down, jax.tree.map(jnp.negative, jax.grad(lambda p: C(*p))(params)))
    length = float(optax.tree.norm(down))
    np.testing.assert_allclose(descent.gradient_norm(C, *params), length, rtol=1e-6)
    _, steepest = jax.jvp(lambda p: C(*p), (params,), (down,))
    np.testing.assert_allclose(steepest, -(length**2), rtol=1e-5)
    for i in range(20):
        other = optax.tree.random_like(jax.random.key(i), params)
        other = optax.tree.scale(length / optax.tree.norm(other), other)
        assert jax.jvp(lambda p: C(*p), (params,), (other,))[1] > steepest


def test_an_epoch_goes_through_each_image_once_in_an_order_of_its_own():
    """A cost whose gradient tells which images were in the batch: each image has a parameter of its own."""
    n, batch = 12, 4
    images = Images(jnp.eye(n), jnp.zeros((n, 1)))
    C = cost.Cost(images, lambda x, p: x @ p, lambda a, y: a)
    run = descent.descend(
        jax.random.key(0), C, (jnp.zeros(n),), optax.sgd(1.0), steps=9, batch=batch, every=1, keep=True
    )
    moved = np.diff(np.asarray(run.trajectory[0]), axis=0) != 0
    assert (moved.sum(1) == batch).all()
    epochs = moved.reshape(3, 3, n)
    assert (epochs.sum(1) == 1).all()  # without replacement
    assert not (epochs[0] == epochs[1]).all()
    assert not (epochs[1] == epochs[2]).all()


def test_the_images_that_fill_no_batch_sit_an_epoch_out_but_not_always_the_same_ones():
    n = 11
    C = cost.Cost(Images(jnp.eye(n), jnp.zeros((n, 1))), lambda x, p: x @ p, lambda a, y: a)
    run = descent.descend(jax.random.key(0), C, (jnp.zeros(n),), optax.sgd(1.0), steps=40, batch=4, every=2, keep=True)
    moved = np.diff(np.asarray(run.trajectory[0]), axis=0) != 0
    assert (moved.sum(1) == 8).all()
    assert moved.any(0).all()


def test_a_run_is_its_keys(problem):
    C, params = problem
    go = lambda seed: descent.descend(jax.random.key(seed), C, params, OPTIMIZERS["sgd"], steps=10, batch=5, every=10)
    np.testing.assert_array_equal(go(1).costs, go(1).costs)
    assert go(1).costs[-1] != go(2).costs[-1]


def test_a_network_of_an_ensemble_is_the_one_trained_alone(problem):
    C, _ = problem
    init = lambda key: network.init(key, (7, 5, 4))
    keys = jax.random.split(jax.random.key(5), 3)
    settings = {"steps": 20, "batch": 5, "every": 10, "keep": True}
    watch = {"held_out": cost.Cost(C.images[:9]), "accuracy": jax.tree_util.Partial(cost.accuracy, C)}
    many = descent.ensemble(keys, C, init, OPTIMIZERS["momentum"], watch=watch, **settings)
    assert many.costs.shape == (3, 3)
    assert many.steps.tolist() == [0, 10, 20]
    for i, key in enumerate(keys):
        init_key, key = jax.random.split(key)
        alone = descent.descend(key, C, init(init_key), OPTIMIZERS["momentum"], watch=watch, **settings)
        close(
            jax.tree.map(lambda leaf, i=i: leaf[i], many._replace(steps=None)),
            alone._replace(steps=None),
            rtol=1e-4,
        )


def test_what_is_watched_is_seen_at_every_record(problem):
    C, params = problem
    held_out = cost.Cost(C.images[:5])
    run = descent.descend(
        jax.random.key(0), C, params, OPTIMIZERS["adam"], steps=6, every=2, keep=True,
        watch={"held_out": held_out, "size": lambda w, b: jnp.abs(w[0]).max(), "one": lambda w, b: 1},
    )  # fmt: skip
    for i in range(4):
        w, b = jax.tree.map(lambda leaf, i=i: leaf[i], run.trajectory)
        np.testing.assert_allclose(run.watched["held_out"][i], held_out(w, b), rtol=1e-6)
        assert run.watched["size"][i] == jnp.abs(w[0]).max()


def test_divergence_is_kept_and_reported():
    C = cost.Cost(Images(jnp.ones((4, 1)), jnp.zeros((4, 1))), lambda x, p: x * p)
    with pytest.warns(RuntimeWarning, match="not finite from step 10 on"):
        run = descent.descend(jax.random.key(0), C, (jnp.ones(1),), optax.sgd(50.0), steps=60, every=10)
    # each step multiplies p by 1 - 2 * 50, so that C passes 3.4e38 at step 10: log(1.8e19) / log(99) = 9.6
    assert run.diverged == 10
    assert not np.isfinite(run.costs[1:]).any()
    assert np.isfinite(run.costs[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 10, "every": 3}, "multiple of every"),
        ({"steps": 0}, "multiple of every"),
        ({"steps": 10, "every": 0}, "multiple of every"),
        ({"steps": 10, "batch": 24}, "expected 1 to 23"),
        ({"steps": 10, "batch": 0}, "expected 1 to 23"),
        ({"steps": 10, "watch": {"c": 3}}, r"watch\['c'\] is 3"),
    ],
)
def test_bad_settings_are_named(problem, settings, message):
    C, params = problem
    with pytest.raises(ValueError, match=message):
        descent.descend(jax.random.key(0), C, params, OPTIMIZERS["sgd"], **settings)
    with pytest.raises(ValueError, match=message):
        descent.ensemble(jax.random.split(jax.random.key(0)), C, lambda key: params, OPTIMIZERS["sgd"], **settings)
