"""Which leaves of a tree move, and that the rest comes back as it was."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.engine import trees

KEY = jax.random.key(7)
MOVES = {
    "a python float": 2.5,
    "float32": np.float32([1, 2]),
    "a numpy number": np.float64(3.5),
    "bfloat16": jnp.ones((2, 3), jnp.bfloat16),
    "float16": np.ones(3, np.float16),
    "float8": jnp.ones(2, jnp.float8_e4m3fn),
}
STAYS = {"a key": KEY, "int32": np.int32([4, 5]), "uint8": jnp.uint8([6]), "bool": np.array([True, False])}
STATIC = {"an int": 3, "a bool": True, "a string": "text", "a function": jnp.tanh, "a type": np.float32, "bytes": b"b"}


@partial(jax.tree_util.register_dataclass, data_fields=["weights", "steps"], meta_fields=["name"])
@dataclass(frozen=True)
class Layer:
    """A module as other libraries have them."""

    weights: object
    steps: object
    name: str


def mixed():
    """A tree of every kind, two of them in a module."""
    return (MOVES | STAYS | STATIC, [Layer(np.ones((3, 2), np.float32), np.int32(9), "first"), None])


def values(leaf):
    """A leaf as numbers that can be compared, whatever it is."""
    if isinstance(leaf, jax.Array) and jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        leaf = jax.random.key_data(leaf)
    return np.asarray(leaf).tolist() if isinstance(leaf, jax.Array | np.ndarray | np.generic | float) else leaf


def test_floating_leaves_move_and_all_others_stay():
    moving, fixed = trees.split(mixed())
    (found, (layer, nothing)), stays = moving, list(STAYS)
    assert {name for name, leaf in found.items() if leaf is not None} == set(MOVES)
    assert all(isinstance(leaf, jax.Array) for leaf in jax.tree.leaves(moving))
    assert layer.weights.shape == (3, 2)
    assert (layer.steps, layer.name, nothing) == (None, "first", None)
    arrays = dict(zip([*sorted(stays), "steps"], fixed.arrays, strict=True))  # in the order of the tree
    assert all(values(arrays[name]) == values(leaf) for name, leaf in STAYS.items())
    assert arrays["steps"] == 9
    assert list(fixed.static) == [STATIC[name] for name in sorted(STATIC)]


def test_what_was_split_is_joined_again():
    tree = mixed()
    moving, fixed = trees.split(tree)
    again = fixed.join(moving)
    assert jax.tree.structure(again) == jax.tree.structure(tree)
    for found, leaf in zip(jax.tree.leaves(again), jax.tree.leaves(tree), strict=True):
        assert values(found) == values(leaf)
        if isinstance(leaf, jax.Array | np.ndarray):
            assert found.dtype == leaf.dtype
    twice = jax.tree.map(lambda leaf: 2 * leaf, moving)
    assert values(fixed.join(twice)[0]["a python float"]) == 5.0
    assert values(fixed.join(jax.tree.leaves(twice))[1][0].weights) == [[2.0, 2.0]] * 3  # a list of them will do


def test_a_weak_number_gets_a_type_of_its_own():
    """In a slice it has one, P(s) being a sum of arrays; so it has at the origin."""
    moving, _ = trees.split([2.5, jnp.asarray(2.5), np.float32(2.5)])
    assert [(leaf * jnp.ones(2, jnp.bfloat16)).dtype for leaf in moving] == [jnp.float32] * 3


def test_where_all_leaves_move_nothing_is_fixed():
    tree = {"w": np.ones(2), "b": [jnp.zeros(3), None]}
    moving, fixed = trees.split(tree)
    assert fixed is None
    assert jax.tree.structure(moving) == jax.tree.structure(tree)
    assert trees.join(fixed, moving) is moving


def test_in_a_direction_what_does_not_move_is_0_if_it_is_a_number():
    moving, fixed = trees.split(mixed())
    direction = fixed.zeros().join(moving)
    assert jax.tree.structure(direction) == jax.tree.structure(mixed())
    found, (layer, _) = direction
    assert [values(found[name]) for name in ("int32", "uint8", "bool")] == [[0, 0], [0], [False, False]]
    assert layer.steps == 0
    assert values(found["a key"]) == values(KEY)
    assert {name: found[name] for name in STATIC} == STATIC
    again, _ = trees.split(direction)
    assert jax.tree.map(values, again) == jax.tree.map(values, moving)


@pytest.mark.parametrize("leaf", [1j, np.complex64(1j), np.ones(2, complex), jnp.ones(2, jnp.complex64)])
def test_complex_numbers_are_refused(leaf):
    with pytest.raises(TypeError, match=r"a leaf of type complex.*, expected real numbers"):
        trees.split({"w": np.ones(2), "z": leaf})


def test_a_leaf_that_is_neither_an_array_nor_hashable_is_named():
    with pytest.raises(TypeError, match="a leaf of type bytearray, expected an array or something hashable"):
        trees.split({"w": np.ones(2), "z": bytearray(2)})


def test_a_jitted_function_sees_what_is_no_array_as_a_part_of_the_program():
    traces = []

    @jax.jit
    def of(fixed, moving):
        tree = fixed.join(moving)
        traces.append(tree["act"])
        return tree["act"](tree["w"]).sum() * tree["times"] + tree["steps"]

    def result(w=1.0, act=jnp.sin, times=2, steps=3):
        moving, fixed = trees.split(
            {"w": np.full(4, w, np.float32), "act": act, "times": times, "steps": np.int32(steps)}
        )
        return float(of(fixed, moving))

    assert result() == pytest.approx(8 * np.sin(1) + 3)
    assert result(w=0.5, steps=4) == pytest.approx(8 * np.sin(0.5) + 4)  # arrays are arguments
    assert len(traces) == 1
    assert result(act=jnp.cos) == pytest.approx(8 * np.cos(1) + 3)
    assert result(times=3) == pytest.approx(12 * np.sin(1) + 3)
    assert traces == [jnp.sin, jnp.cos, jnp.sin]
    result(), result(act=jnp.cos, w=2.0)
    assert len(traces) == 3


def test_under_vmap_each_has_its_own_arrays_and_the_same_functions():
    trees_of = lambda i: {"w": jnp.ones(2) * i, "steps": i.astype(int), "act": jnp.tanh}
    moving, fixed = jax.vmap(lambda i: trees.split(trees_of(i)))(jnp.arange(3.0))
    assert fixed.static == (jnp.tanh,)
    of_two = trees.join(trees.pick(fixed, 2), trees.pick(moving, 2))
    assert (of_two["w"].tolist(), of_two["steps"], of_two["act"]) == ([2.0, 2.0], 2, jnp.tanh)


# trees that are like others


def test_a_direction_takes_structure_and_types_of_what_it_moves():
    like = {"w": jnp.ones((2, 3), jnp.bfloat16), "scale": 1.0, "steps": jnp.array(3), "act": jnp.tanh}
    found = trees.fitted(
        {"w": np.full((2, 3), 0.5), "scale": np.float32(2), "steps": jnp.array(0), "act": jnp.sin}, like, "u"
    )
    assert jax.tree.structure(found) == jax.tree.structure(trees.moving(like))
    assert [(leaf.dtype, leaf.shape) for leaf in jax.tree.leaves(found)] == [(jnp.float32, ()), (jnp.bfloat16, (2, 3))]
    assert values(found["w"]) == [[0.5] * 3] * 2


@pytest.mark.parametrize(
    "other",
    [
        {"w": np.ones((3, 2)), "steps": jnp.array(0)},
        {"w": np.ones((2, 3)), "steps": jnp.array(0.0)},  # moves
        {"w": np.ones((2, 3), int), "steps": jnp.array(0)},  # does not
        {"w": np.ones((2, 3))},
        {"v": np.ones((2, 3)), "steps": jnp.array(0)},
        [np.ones((2, 3)), jnp.array(0)],
        {"w": np.ones((2, 3)), "steps": 0},
    ],
)
def test_a_direction_that_is_not_like_the_origin_is_refused_and_both_are_named(other):
    like = {"w": np.ones((2, 3), np.float32), "steps": jnp.array(3)}
    with pytest.raises(ValueError, match=r"u is like .*; expected it to be like the origin, .*\['w'\] float32\[2, 3\]"):
        trees.fitted(other, like, "u")


def test_shapes_are_told_by_the_paths():
    tree = {"a": np.ones((2, 3), np.float32), "b": [len, 1.5, np.float32]}
    assert (
        trees.shapes(tree) == "['a'] float32[2, 3], ['b'][0] builtin_function_or_method, ['b'][1] float, ['b'][2] type"
    )
    assert trees.shapes(()) == "nothing"


def test_entries_are_picked_from_arrays_alone():
    tree = {"w": np.arange(3), "key": jax.random.split(KEY, 3), **STATIC}
    picked = trees.pick(tree, 1)
    assert (picked["w"], values(picked["key"])) == (1, values(tree["key"][1]))
    assert {name: picked[name] for name in STATIC} == STATIC
