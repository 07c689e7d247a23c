"""Training is the written recursion, its record is complete, and an ensemble is its members."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, descent, network, results
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


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] * (name != "adam")) for name in OPTIMIZERS]
)
def test_a_full_batch_run_is_a_python_loop_over_optax(problem, name):
    C, params = problem
    optimizer = OPTIMIZERS[name]
    run = descent.descend(jax.random.key(1), C, params, optimizer, steps=12, every=3, keep=True)
    state, costs, kept = optimizer.init(params), [], []
    gradient, update = jax.jit(jax.grad(lambda p: C(*p))), jax.jit(optimizer.update)
    for step in range(13):
        if step % 3 == 0:
            costs.append(float(C(*params)))
            kept.append(params)
        if step < 12:
            updates, state = update(gradient(params), state, params)
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
    gradient = jax.grad(lambda p: C(*p))(params)
    close(descent.gradient(C, params), gradient)
    close(down, jax.tree.map(jnp.negative, gradient))
    length = float(optax.tree.norm(down))
    np.testing.assert_allclose(descent.gradient_norm(C, params), length, rtol=1e-6)
    fall = jax.jit(lambda along: jax.jvp(lambda p: C(*p), (params,), (along,))[1])
    steepest = fall(down)
    np.testing.assert_allclose(steepest, -(length**2), rtol=1e-5)
    for i in range(20):
        other = optax.tree.random_like(jax.random.key(i), params)
        other = optax.tree.scale(length / optax.tree.norm(other), other)
        assert fall(other) > steepest


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
    watch = {"held_out": cost.Cost(C.images[:9]), "accuracy": lambda *p: cost.accuracy(C, p)}
    many = descent.ensemble(keys, C, init, OPTIMIZERS["momentum"], watch=watch, **settings)
    assert many.costs.shape == (3, 3)
    assert many.steps.tolist() == [0, 10, 20]
    for i, key in enumerate(keys):
        init_key, key = jax.random.split(key)
        alone = descent.descend(key, C, init(init_key), OPTIMIZERS["momentum"], watch=watch, **settings)
        close(many.network(i), alone, rtol=1e-4)


def test_what_is_watched_is_seen_at_every_record(problem):
    C, params = problem
    held_out = cost.Cost(C.images[:5])
    run = descent.descend(
        jax.random.key(0), C, params, OPTIMIZERS["adam"], steps=6, every=2, keep=True,
        watch={
            "held_out": held_out, "by a function": lambda *p: {"cost": held_out(*p), "right": cost.accuracy(C, p)},
            "partial": jax.tree_util.Partial(cost.output_distance(C, params)), "each": held_out.per_image,
            "size": lambda w, b: jnp.abs(w[0]).max(), "one": lambda w, b: 1,
        },
    )  # fmt: skip
    assert run.watched["one"].tolist() == [1] * 4
    for i in range(4):
        w, b = run.at(i)
        seen = jax.tree.map(lambda leaf, i=i: leaf[i], run.watched)
        np.testing.assert_allclose(seen["held_out"], held_out(w, b), rtol=1e-6)
        np.testing.assert_allclose(seen["each"], held_out.per_image(w, b), rtol=1e-5)
        np.testing.assert_allclose(seen["by a function"]["cost"], held_out(w, b), rtol=1e-6)
        assert seen["by a function"]["right"] == cost.accuracy(C, (w, b))
        np.testing.assert_allclose(seen["partial"], cost.output_distance(C, params)(w, b), rtol=1e-5, atol=1e-6)
        assert seen["size"] == jnp.abs(w[0]).max()


def test_a_watched_function_is_told_from_another_that_closes_over_other_images(problem):
    C, params = problem
    for images in (C.images[:5], C.images[5:10]):
        C_watched = cost.Cost(images)
        watch = {"of": lambda *p, C_watched=C_watched: C_watched(*p), "closed": lambda *p: C_watched(*p)}  # noqa: B023
        run = descent.descend(jax.random.key(0), C, params, OPTIMIZERS["sgd"], steps=1, watch=watch)
        for name in watch:
            np.testing.assert_allclose(run.watched[name][0], C_watched(*params), rtol=1e-6)


def test_the_parameters_at_a_record_are_those_of_the_trajectory(problem):
    C, params = problem
    settings = {"steps": 4, "every": 2, "keep": True}
    run = descent.descend(jax.random.key(0), C, params, OPTIMIZERS["sgd"], **settings)
    for i in (0, 1, 2, -1):
        assert type(run.at(i)) is network.Params
        np.testing.assert_allclose(C(*run.at(i)), run.costs[i], rtol=1e-6)
    close(run.at(0), params, rtol=0)
    close(run.at(-1), run.params, rtol=0)
    starts = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), params)
    many = descent.ensemble(jax.random.split(jax.random.key(0)), C, starts, OPTIMIZERS["sgd"], **settings)
    close(many.at(0), starts, rtol=0)
    for i in (0, 1):
        close(many.network(i).at(1), jax.tree.map(lambda leaf, i=i: leaf[i], many.at(1)), rtol=0)
        np.testing.assert_allclose(C(*many.network(i).at(1)), many.costs[i, 1], rtol=1e-6)


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
        ({"steps": 0}, "steps=0, expected a whole number, 1 to"),
        ({"steps": 1e2}, "steps=100.0, expected a whole number"),
        ({"steps": 10, "every": 0}, "every=0, expected a whole number, 1 to"),
        ({"steps": 10, "batch": 24}, "batch=24, expected a whole number, 1 to 23"),
        ({"steps": 10, "batch": True}, "batch=True, expected a whole number, 1 to 23"),
        ({"steps": 10, "keep": "no"}, "keep='no', expected True or False"),
        ({"steps": 10, "watch": {"c": 3}}, r"watch\['c'\] is 3"),
        ({"steps": 10, "watch": [3]}, r"watch=\[3\], expected functions by name"),
    ],
)
def test_bad_settings_are_named(problem, settings, message):
    C, params = problem
    with pytest.raises(ValueError, match=message):
        descent.descend(jax.random.key(0), C, params, OPTIMIZERS["sgd"], **settings)
    with pytest.raises(ValueError, match=message):
        descent.ensemble(jax.random.split(jax.random.key(0)), C, lambda key: params, OPTIMIZERS["sgd"], **settings)


# runs that go on


def same(a, b):
    """Bit for bit."""
    for x, y in zip(*map(jax.tree.leaves, (a, b)), strict=True):
        np.testing.assert_array_equal(x, y)


def read(run, folder):
    """The run, written to a file and read back without a template."""
    results.save(folder / "run.npz", run)
    return results.load(folder / "run.npz")


@pytest.mark.parametrize(
    ("name", "batch"), [pytest.param("momentum", 5, marks=pytest.mark.slow), ("adam", 5), ("adam", None)]
)
def test_a_run_in_parts_is_the_run_in_one_bit_for_bit(problem, name, batch, tmp_path):
    """Four batches make an epoch here, so that parts of three steps begin in the middle of one."""
    C, params = problem
    watch = {"accuracy": lambda *p: cost.accuracy(C, p)}
    go = lambda start, steps: descent.descend(
        jax.random.key(1), C, start, OPTIMIZERS[name], steps=steps, batch=batch, keep=True, watch=watch
    )
    recorded = lambda run: (run.costs, run.trajectory, run.watched)
    whole, run = go(params, 12), params
    for first in (0, 3, 6, 9):
        run = go(read(run, tmp_path) if first == 6 else run, 3)
        assert run.steps.tolist() == list(range(first, first + 4))
        same(recorded(run), jax.tree.map(lambda a, first=first: a[first : first + 4], recorded(whole)))
    same((run.params, run.state), (whole.params, whole.state))


def test_an_ensemble_goes_on_too_and_so_does_one_network_of_it(problem, tmp_path):
    """Three batches make an epoch here, and each half has four."""
    C, _ = problem
    init, keys, rates = lambda key: network.init(key, (7, 5, 4)), jax.random.split(jax.random.key(5), 3), (0.01, 0.1, 1)
    settings = {"batch": 7, "keep": True}
    go = lambda start, steps: descent.ensemble(
        keys, C, start, momentum_of, steps=steps, each=jnp.array(rates), **settings
    )
    whole, half = go(init, 8), go(init, 4)
    for rest in (go(half, 4), go(read(half, tmp_path), 4)):
        assert rest.steps.tolist() == [4, 5, 6, 7, 8]
        same((rest.params, rest.state), (whole.params, whole.state))
        same((rest.costs, rest.trajectory), jax.tree.map(lambda a: a[:, 4:], (whole.costs, whole.trajectory)))
    key, optimizer = jax.random.split(keys[1])[1], momentum_of(rates[1])
    close(descent.descend(key, C, half.network(1), optimizer, steps=4, **settings), rest.network(1), rtol=1e-4)


def momentum_of(rate):
    return optax.sgd(rate, 0.9)


def test_a_run_goes_on_only_with_an_optimiser_of_its_own_kind(problem):
    C, params = problem
    run = descent.descend(jax.random.key(1), C, params, OPTIMIZERS["momentum"], steps=2)
    with pytest.raises(ValueError, match=r"the run's optimiser has a state of .*, expected one of int32\[\], "):
        descent.descend(jax.random.key(1), C, run, OPTIMIZERS["adam"], steps=2)
    keys = jax.random.split(jax.random.key(0), 3)
    many = descent.ensemble(keys, C, lambda key: params, OPTIMIZERS["sgd"], steps=2)
    with pytest.raises(ValueError, match=r"starts of the lengths \[\(3,\)\], expected one entry for each of 2 keys"):
        descent.ensemble(keys[:2], C, many, OPTIMIZERS["sgd"], steps=2)


def test_what_cannot_go_on_and_what_a_run_does_not_have_is_named(problem):
    """Jax would take record 99 for the last one, and a network for an ensemble of its layers' rows."""
    C, params = problem
    key, sgd, keys = jax.random.key(1), OPTIMIZERS["sgd"], jax.random.split(jax.random.key(0), 3)
    run = descent.descend(key, C, params, sgd, steps=2, keep=True)
    many = descent.ensemble(keys, C, lambda key: params, sgd, steps=2)
    for refused, message in (
        (lambda: descent.descend(key, C, many, sgd, steps=2), "expected that of one network"),
        (lambda: descent.ensemble(keys, C, run, sgd, steps=2), "expected that of an ensemble"),
        (lambda: descent.descend(key, C, run._replace(state=None), sgd, steps=2), "with its optimiser's state"),
        (
            lambda: descent.descend(key, C, params, optax.sgd, steps=2),
            "optimizer=<function sgd .*, expected one of optax",
        ),
        (lambda: descent.ensemble(keys, C, params, lambda r: r, steps=2, each=jnp.ones(3)), "starts of the lengths"),
        (lambda: run.at(3), "index .*, expected one within each"),
        (lambda: run.at(-4), "index .*, expected one within each"),
        (lambda: many.network(3), "index 3 of .*, expected one within each"),
        (lambda: run.network(0), "expected that of an ensemble"),
        (lambda: many.at(0), "expected one trained with keep=True"),
    ):
        with pytest.raises(ValueError, match=message):
            refused()


# many at once


def test_each_network_may_have_a_rate_and_a_decay_of_its_own(problem):
    C, _ = problem
    init, keys = lambda key: network.init(key, (7, 5, 4)), jax.random.split(jax.random.key(5))
    each = {"rate": jnp.array([0.3, 0.1]), "decay": jnp.array([0.0, 0.5])}
    optimizer = lambda one: optax.adamw(one["rate"], weight_decay=one["decay"])
    settings = {"steps": 8, "batch": 5, "every": 4}
    many = descent.ensemble(keys, C, init, optimizer, each=each, **settings)
    for i, (rate, decay) in enumerate(zip(each["rate"].tolist(), each["decay"].tolist(), strict=True)):
        init_key, key = jax.random.split(keys[i])
        alone = descent.descend(key, C, init(init_key), optax.adamw(rate, weight_decay=decay), **settings)
        close((many.network(i).costs, many.network(i).params), (alone.costs, alone.params), rtol=1e-4)


def test_networks_may_start_from_given_parameters(problem):
    C, params = problem
    starts = jax.tree.map(lambda leaf: np.stack([leaf, 0.5 * leaf, leaf + 1]), params)
    keys = jax.random.split(jax.random.key(5), 3)
    many = descent.ensemble(keys, C, starts, OPTIMIZERS["adam"], steps=6, batch=5, every=3)
    for i, key in enumerate(keys):
        start = jax.tree.map(lambda leaf, i=i: leaf[i], starts)
        alone = descent.descend(jax.random.split(key)[1], C, start, OPTIMIZERS["adam"], steps=6, batch=5, every=3)
        close(many.network(i), alone, rtol=1e-4)


def test_a_python_number_among_stacked_starts_is_that_of_all():
    """As Equinox leaves it, which stacks the arrays of its modules alone."""
    C = cost.Cost(Images(jnp.ones((2, 1)), jnp.zeros((2, 1))), lambda x, p: p["w"] * p["c"] ** p["n"] * x)
    starts = ({"w": jnp.array([1.0, 2.0, 3.0]), "c": 0.5, "n": 2},)
    many = descent.ensemble(jax.random.split(jax.random.key(0), 3), C, starts, optax.sgd(0.1), steps=1)
    np.testing.assert_allclose(many.costs[:, 0], np.array([1, 4, 9]) / 16, rtol=1e-6)
    w, c = np.array([1.0, 2.0, 3.0]), 0.5
    np.testing.assert_allclose(many.params[0]["w"], w - 0.1 * 2 * w * c**4, rtol=1e-6)
    np.testing.assert_allclose(many.params[0]["c"], c - 0.1 * 4 * w**2 * c**3, rtol=1e-6)


def test_starts_and_entries_must_be_as_many_as_the_keys(problem):
    C, params = problem
    starts = jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), params)
    keys = jax.random.split(jax.random.key(5), 3)
    with pytest.raises(ValueError, match=r"starts of the lengths \[\(3,\)\], expected one entry for each of 2 keys"):
        descent.ensemble(keys[:2], C, starts, OPTIMIZERS["sgd"], steps=1)
    with pytest.raises(ValueError, match=r"each of the lengths \[\(2,\)\], expected one entry for each of 3 keys"):
        descent.ensemble(keys, C, starts, momentum_of, steps=1, each=jnp.ones(2))
    with pytest.raises(ValueError, match=r"each of the lengths \[\(\)\], expected one entry for each of 3 keys"):
        descent.ensemble(keys, C, starts, momentum_of, steps=1, each=0.5)


# what does not move


def test_only_floating_leaves_learn_and_all_others_stay():
    """Numbers of bfloat16 keep their type; a counter, a key and a function stay, in the trajectory at every record."""
    keys = jax.random.split(jax.random.key(0), 3)
    C = cost.Cost(
        Images(jax.random.normal(keys[0], (9, 3)), jnp.zeros(9)),
        lambda x, p: p["act"](p["w"] @ x) * p["power"] + p["c"].astype(jnp.float32) + jax.random.uniform(p["key"]),
        lambda a, y: (a - y) ** 2,
    )
    make = lambda key: (
        {
            "w": jax.random.normal(key, (3,)), "c": jnp.array(1.0, jnp.bfloat16), "power": jnp.array(2), "key": key,
            "act": jnp.tanh,
        },
    )  # fmt: skip
    start = make(keys[1])
    slope = jax.grad(lambda w, c: C({**start[0], "w": w, "c": c}), (0, 1))(start[0]["w"], start[0]["c"])
    (found,) = descent.gradient(C, start)
    close((found["w"], found["c"]), slope)
    assert (found["power"], found["act"]) == (0, jnp.tanh)
    of_moving, moving = descent.gradient(*cost.split(C, start)), cost.split(C, start)[1]
    assert jax.tree.structure(of_moving) == jax.tree.structure(moving)
    (down,) = descent.downhill(C, start)
    close((down["w"], down["c"]), jax.tree.map(jnp.negative, slope))
    run = descent.descend(keys[2], C, start, optax.sgd(0.1), steps=2, keep=True, watch={"again": C})
    same(run.watched["again"], run.costs)
    assert run.params[0]["c"].dtype == jnp.bfloat16
    for (params,), value in zip(map(run.at, range(3)), run.costs, strict=True):
        assert (params["power"], params["act"]) == (2, jnp.tanh)
        same(jax.random.key_data(params["key"]), jax.random.key_data(keys[1]))
        np.testing.assert_allclose(C(params), value, rtol=1e-5)
    close(run.at(1)[0]["w"], start[0]["w"] - 0.1 * slope[0])
    many = descent.ensemble(jax.random.split(keys[2]), C, make, optax.sgd(0.1), steps=2, keep=True, watch={"again": C})
    same(many.watched["again"], many.costs)
    for i, key in enumerate(jax.random.split(keys[2])):
        one = many.network(i)
        same(jax.random.key_data(one.params[0]["key"]), jax.random.key_data(jax.random.split(key)[0]))
        for record in (0, 2):
            np.testing.assert_allclose(C(*one.at(record)), one.costs[record], rtol=1e-5)
