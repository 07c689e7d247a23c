"""What is right comes back as it was given, and what is not is named on one line."""

import functools
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import checks

KEYS = jax.random.split(jax.random.key(0), 3)


@pytest.mark.parametrize("value", [3, np.int8(3), np.array(3), jnp.array(3)])
def test_whole_numbers_of_any_kind_are_whole(value):
    assert checks.whole("n", value, 1, 5) == 3
    assert type(checks.whole("n", value)) is int


@pytest.mark.parametrize(
    ("least", "most", "ends"),
    [(1, None, ", 1 or more"), (0, 5, ", 0 to 5"), (None, None, ""), (-2, None, ", -2 or more")],
)
def test_the_ends_are_told(least, most, ends):
    with pytest.raises(ValueError, match=f"^n=1.5, expected a whole number{ends}$"):
        checks.whole("n", 1.5, least, most)
    assert checks.whole("n", 3, least, most) == 3
    for value in (least if least is None else least - 1, most if most is None else most + 1):
        if value is not None:
            with pytest.raises(ValueError, match=f"^n={value}, expected a whole number{ends}$"):
                checks.whole("n", value, least, most)


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), jnp.array(0.5), np.int64(1)])
def test_numbers_are_numbers(value):
    assert checks.number("share", value, 0, 1) == float(value)


@pytest.mark.parametrize(
    "value", [[[1, 2], [3, 4]], np.ones((2, 2), np.float16), jnp.ones((2, 2), jnp.bfloat16), np.eye(2, dtype=bool)]
)
def test_real_numbers_are_float64_or_as_they_are(value):
    found = checks.numbers("values", value, 2)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, np.asarray(value, np.float64))
    assert isinstance(value, list) or checks.real("values", value) is value


def test_traced_numbers_are_real_and_complex_ones_are_not():
    jax.eval_shape(lambda a: checks.real("a", a), jnp.ones(3))
    for spoilt in (jnp.ones(3, complex), KEYS):
        with pytest.raises(ValueError, match=r"a=.*\[3\], expected real numbers"):
            jax.eval_shape(lambda a: checks.real("a", a), spoilt)


def test_keys_are_one_or_many_and_never_plain_numbers():
    assert checks.key("key", KEYS[0]) is not None
    assert checks.key("keys", KEYS, 1) is KEYS
    jax.eval_shape(lambda key: checks.key("key", key), KEYS[0])
    for value, ndim in ((KEYS, 0), (KEYS[0], 1), (KEYS[:0], 1), (jax.random.PRNGKey(0), 0), (0, 0), ([KEYS[0]], 1)):
        with pytest.raises(
            ValueError, match=r"key=.*, expected (a jax.random.key|keys of jax.random.split, one or more)$"
        ):
            checks.key("key", value, ndim)


def test_functions_have_a_hash():
    assert checks.function("f", jnp.tanh) is jnp.tanh

    class Nameless:
        __hash__ = None
        __call__ = len

    with pytest.raises(ValueError, match=r"f=.* has no hash, expected a function that has one"):
        checks.function("f", Nameless())


def test_a_path_is_text_or_a_path():
    assert checks.path("path", "a/b") == checks.path("path", Path("a") / "b") == Path("a/b")


def test_a_tree_may_be_deep_but_not_without_end():
    tree = functools.reduce(lambda inner, i: [(inner,), {"a": inner}][i % 2], range(checks.DEEPEST - 1), 1.0)
    assert checks.tree("params", tree) is tree
    with pytest.raises(ValueError, match=r"params=.*, expected a tree of 100 levels at most"):
        checks.tree("params", [tree])
    endless = []
    endless += [endless, endless]
    with pytest.raises(ValueError, match=r"params=.*, expected a tree of 100 levels at most"):
        checks.tree("params", endless)


class Silent:
    """Something that does not say what it is."""

    def __repr__(self):
        raise RuntimeError


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("two\nlines", r"'two\nlines'"),
        (np.ones((2, 3)), "float64[2, 3]"),
        (jnp.ones(2, jnp.bfloat16), "bfloat16[2]"),
        (Silent(), "a Silent"),
        ("x" * 100, "'" + "x" * 76 + "..."),
        (np.float32, "<class 'numpy.float32'>"),
        (None, "None"),
    ],
    ids=["lines", "array", "bfloat16", "silent", "long", "type", "None"],
)
def test_values_are_shown_on_one_short_line(value, text):
    assert checks.shown(value) == text


def test_what_is_nested_without_end_is_shown_too():
    deep = functools.reduce(lambda inner, _: [inner], range(5000), 1)
    assert checks.shown(deep) in ("a list", "[" * 77 + "...")  # of one Python and of a later one
