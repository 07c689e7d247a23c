"""What training records beside C: any function of the parameters, whose images are arguments of the program."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, descent, network
from jaxcost.data import Images
from jaxcost.engine import trees, watched

SIZES = (6, 5, 4)
PARAMS = network.init(jax.random.key(0), SIZES)


def images(n, seed=1):
    rng = np.random.default_rng(seed)
    return Images(rng.random((n, 6), np.float32), np.eye(4, dtype=np.float32)[rng.integers(4, size=n)])


def exact(n, seed=1):
    """C and the accuracy in numpy, in float64."""
    w, b = jax.tree.map(np.float64, tuple(PARAMS))
    a, y = np.float64(images(n, seed).x), images(n, seed).y
    for w_layer, b_layer in zip(w, b, strict=True):
        a = 1 / (1 + np.exp(-(a @ w_layer.T + b_layer)))
    return ((a - y) ** 2).sum(1).mean(), (a.argmax(1) == y.argmax(1)).mean()


def as_argument(watch, params=tuple(PARAMS)):
    """What is watched, and the program that takes it as an argument."""
    moving, fixed = trees.split(params)
    functions = watched.as_pytrees(watch, fixed, moving)
    closed = jax.make_jaxpr(lambda functions, *parts: {name: f(*parts) for name, f in functions.items()})(
        functions, fixed, moving
    )
    return {name: f(fixed, moving) for name, f in functions.items()}, closed


def held(jaxpr):
    """Numbers that a program holds as constants, those of all programs within it."""
    count = sum(np.size(c) for c in getattr(jaxpr, "consts", ()))
    inner = [p for eqn in jaxpr.eqns for p in jax.tree.leaves(list(eqn.params.values())) if hasattr(p, "eqns")]
    return count + sum(map(held, inner))


C = cost.Cost(images(300))
WATCH = {
    "a cost": C,
    "a lambda": lambda *p: C(*p),
    "a lambda of its names": lambda w, b: C(w, b),
    "a partial pytree": jax.tree_util.Partial(lambda C, *p: C(*p), C),
    "a partial of python": functools.partial(lambda C, *p: C(*p), C),
    "one of images": lambda *p: C.per_image(*p).mean(),
}


@pytest.mark.parametrize("name", WATCH)
def test_images_are_arguments_and_the_number_is_numpys(name):
    seen, closed = as_argument({"it": WATCH[name]})
    np.testing.assert_allclose(seen["it"], exact(300)[0], rtol=1e-5)
    assert held(closed) < C.images.x.size
    assert any(var.aval.shape == (300, 6) for var in closed.jaxpr.invars)


def test_several_numbers_come_in_the_structure_that_the_function_gives_them():
    f = lambda *p: {"both": (C(*p), cost.accuracy(C, p)), "nothing": None, "bias": p[1][0]}
    seen, closed = as_argument({"it": f})
    np.testing.assert_allclose(seen["it"]["both"], exact(300), rtol=1e-5)
    np.testing.assert_array_equal(seen["it"]["bias"], PARAMS.b[0])
    assert seen["it"]["nothing"] is None
    assert held(closed) < C.images.x.size


def test_what_does_not_move_reaches_the_function_as_it_is():
    params = ({"w": jnp.ones(3), "steps": jnp.array(4), "act": jnp.tanh, "key": jax.random.key(3), "times": 2},)
    f = lambda p: p["act"](p["w"]).sum() * p["steps"] * p["times"] + jax.random.normal(p["key"])
    seen, _ = as_argument({"it": f}, params)
    np.testing.assert_allclose(seen["it"], 24 * np.tanh(1) + jax.random.normal(jax.random.key(3)), rtol=1e-6)


@pytest.mark.parametrize("wrong", [3, "accuracy", None])
def test_what_is_no_function_is_named(wrong):
    with pytest.raises(ValueError, match=r"watch\['it'\] is .*, expected a function of \*params"):
        watched.as_pytrees({"it": wrong}, None, PARAMS)


def test_nothing_to_watch_is_nothing():
    assert watched.as_pytrees(None, None, PARAMS) == watched.as_pytrees({}, None, PARAMS) == {}


# compiled once


@pytest.fixture
def program():
    """A jitted function of what is watched, and how often it was traced."""

    @jax.jit
    def run(functions, moving):
        run.traces.append(len(functions))
        return {name: f(None, moving) for name, f in functions.items()}

    run.traces = []
    return lambda watch, moving=tuple(PARAMS): run(watched.as_pytrees(watch, None, moving), moving), run.traces


def test_one_function_is_compiled_once_and_another_once_more(program):
    run, traces = program
    f, g = lambda *p: C(*p), lambda *p: 2 * C(*p)
    twice = jax.tree.map(lambda leaf: 2 * leaf, tuple(PARAMS))
    assert run({"it": f})["it"] != run({"it": f}, twice)["it"]
    assert len(traces) == 1
    np.testing.assert_allclose(run({"it": g})["it"], 2 * exact(300)[0], rtol=1e-5)
    run({"it": f})
    assert len(traces) == 2


@pytest.mark.parametrize("within", ["plain", "jit", "scan"])
def test_a_function_that_closes_over_other_numbers_by_now_gives_theirs(within, program):
    """As a function of a notebook does, whose variable is given another value."""
    run, _ = program
    scale = 1.0

    def f(*p):
        of_bias = lambda b: (b * scale).sum()
        if within == "jit":
            return jax.jit(of_bias)(p[1][0])
        if within == "scan":
            return jax.lax.scan(lambda total, b: (total + b * scale, None), 0.0, p[1][0])[0]
        return of_bias(p[1][0])

    for scale in (1.0, 2.0, np.float32(3), np.full(1, 4, np.float32)[0], jnp.array(5.0), jnp.array(6.0)):
        np.testing.assert_allclose(run({"it": f})["it"], float(scale) * np.float64(PARAMS.b[0]).sum(), rtol=1e-5)


def test_other_images_of_as_many_are_other_arguments_of_one_program(program):
    (run, traces), f = program, lambda *p: held_out(*p)
    for seed in (1, 2, 3):
        held_out = cost.Cost(images(20, seed))
        np.testing.assert_allclose(run({"it": f})["it"], exact(20, seed)[0], rtol=1e-5)
    assert len(traces) == 1


def test_training_takes_a_lambda_and_is_compiled_once_for_it():
    optimizer, f = optax.sgd(0.1), lambda *p: {"cost": C(*p), "accuracy": cost.accuracy(C, p)}
    train = lambda key: descent.descend(jax.random.key(key), C, PARAMS, optimizer, steps=2, batch=5, watch={"it": f})
    run, before = train(0), descent._descend._cache_size()
    np.testing.assert_allclose([run.watched["it"]["cost"][0], run.watched["it"]["accuracy"][0]], exact(300), rtol=1e-5)
    np.testing.assert_array_equal(run.watched["it"]["cost"], run.costs)
    train(1)
    assert descent._descend._cache_size() == before
