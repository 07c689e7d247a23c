"""A result comes back as it was saved, or is refused by name; nothing in a file is ever executed."""

import collections
import dataclasses
import datetime
import importlib
import inspect
import io
import json
import math
import pkgutil
import platform
import random
import subprocess
import sys
import traceback
import tracemalloc
import warnings
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest

import jaxcost
from jaxcost import cost, data, descent, directions, losses, network, results, slices
from jaxcost.measures import minima


class Cut(NamedTuple):
    """A result of an experiment, no type of the kit."""

    depth: float
    frame: Any
    note: str = "none"


class Old(NamedTuple):
    """Of the name and the fields of a type that the kit has no more."""

    value: float


def same(a, b):
    """Whether b is what should come back for a."""
    if isinstance(a, jax.Array) and jax.dtypes.issubdtype(a.dtype, jax.dtypes.prng_key):
        return a.dtype == b.dtype and np.array_equal(*map(jax.random.key_data, (a, b)))
    if isinstance(a, np.ndarray | jax.Array):
        a = np.asarray(a)
        return (
            isinstance(b, np.ndarray)
            and (a.dtype, a.shape) == (b.dtype, b.shape)
            and np.array_equal(a, b, equal_nan=a.dtype.kind in "fc")
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[name], b[name]) for name in a)
    if isinstance(a, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    return repr(a) == repr(b)  # tells -0.0 from 0.0, and NaN is NaN


def alike(a, b):
    """Whether b is a tree of the same structure, its leaves of the same classes and with the same content."""
    host = lambda x: (
        np.asarray(x) if isinstance(x, jax.Array) and not jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key) else x
    )
    return jax.tree.structure(a) == jax.tree.structure(b) and all(
        type(x) is type(y) and same(host(x), host(y))
        for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "result.npz"


def through_a_file(path, value):
    results.save(path, value)
    return results.load(path)


# what comes back


def params(scale=1.0):
    return network.init(jax.random.key(0), sizes=(3, 2, 1), scale=lambda n: scale)


def a_slice():
    return slices.Slice(
        axes=(np.linspace(-1, 1, 3, dtype=np.float32), np.arange(2, dtype=np.float32)),
        values=np.array([[1, np.nan], [np.inf, 2], [3, 4]], np.float32),
        floor=1e-7,
        norms=np.array([1.0, 2.0]),
        cosines=np.eye(2),
        nonfinite=2,
    )


def a_run(trajectory=True):
    return descent.Run(
        params=params(),
        costs=jnp.array([1.0, 0.5, jnp.nan]),
        trajectory=jax.tree.map(lambda leaf: jnp.stack([leaf] * 3), params()) if trajectory else None,
        steps=jnp.arange(3),
        watched={"held_out": jnp.ones(3), "layers": {"first": (jnp.zeros((3, 2)),), "none": None}},
    )


RESULTS = {
    "Params": params,
    "Slice": a_slice,
    "Slice without a floor": lambda: a_slice()._replace(floor=math.nan),
    "Minima": lambda: minima.local_minima(np.random.default_rng(0).normal(size=(9, 9)), 1e-7),
    "no Minima": lambda: minima.local_minima(np.zeros((3, 3))),
    "Run": a_run,
    "Run without a trajectory": lambda: a_run(trajectory=False),
    "Frame": lambda: directions.Frame(params(), (params(2.0), params(3.0))),
    "Recipe": lambda: directions.recipes(jax.random.key(1), 2),
    "keys": lambda: [jax.random.key(0), jax.random.split(jax.random.key(1, impl="rbg"), (2, 3)), jax.random.PRNGKey(3)],
    "a dict of results": lambda: {"line": a_slice(), "run": a_run(), "seeds": [0, 1], "note": "two"},
    "a tuple": lambda: (params(), 1, "a"),
    "a list": lambda: [params(), 1, "a"],
    "tuples in lists in tuples": lambda: ([(), ([1], (2,))], {"a": [], "b": {}, "c": ()}),
    "a dict out of order": lambda: {"b": 1, "a": np.ones(2), "": 3, "json": np.zeros(1), "result": 4},
    "dicts that look like descriptions": lambda: {
        "value": "nan",
        "array": {"array": "result"},
        "type": {"fields": 1},
    },
}


@pytest.mark.parametrize("make", RESULTS.values(), ids=RESULTS)
def test_a_result_comes_back_as_it_was(path, make):
    value = make()
    assert same(value, through_a_file(path, value))


def kinds():
    """Every result type in the kit, in wings too, those that are yet to be written too."""
    names = [room.name for room in pkgutil.walk_packages(jaxcost.__path__, "jaxcost.")]
    rooms = [importlib.import_module(name) for name in names if not name.startswith("jaxcost.digits")]
    members = [
        value for room in rooms for value in vars(room).values() if getattr(value, "__module__", "") == room.__name__
    ]
    return [
        kind
        for kind in members
        if inspect.isclass(kind) and issubclass(kind, tuple) and not kind.__name__.startswith("_")
    ]


def test_no_two_result_types_share_a_name():
    found = [kind.__name__ for kind in kinds()]
    assert {"Slice", "Run", "Minima", "Plan"} <= set(found)  # of the front and of both wings
    assert [name for name, count in collections.Counter(found).items() if count > 1] == []


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_result_type_of_the_kit_comes_back(path, kind):
    value = kind(*({"field": np.arange(i), "of": (i, None)} for i, _ in enumerate(kind._fields)))
    assert same(value, through_a_file(path, value))
    form = structure_in(path)
    assert (form["type"], list(form["fields"])) == (kind.__name__, list(kind._fields))


def structure_in(path):
    with np.load(path) as file:
        return json.loads(str(file["json"]))["structure"]


def test_a_type_is_found_in_a_new_process_wherever_it_lives_and_nothing_is_drawn(path):
    results.save(path, {"minima": minima.local_minima(np.zeros(3)), "one": 1})
    results.save(path.with_name("plain.npz"), {"one": 1})
    code = (
        "import sys\nfrom jaxcost import results\n"
        f"results.load({str(path.with_name('plain.npz'))!r})\n"
        "assert 'jaxcost.measures.minima' not in sys.modules\n"  # only when a file holds a name
        f"found = results.load({str(path)!r})['minima']\n"
        "assert type(found) is sys.modules['jaxcost.measures.minima'].Minima\n"
        "assert 'jaxcost.plot' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


PLAIN = [
    None,
    True,
    False,
    0,
    -1,
    2**70,
    0.1,
    -0.0,
    5e-324,
    1.7976931348623157e308,
    math.inf,
    -math.inf,
    math.nan,
]
TEXT = ["", "naïve Σ 数 \U0001f600", "two\nlines\0\\\"'", "nan", "\ud800"]


@pytest.mark.parametrize("value", PLAIN + TEXT, ids=ascii)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: {"a": (v, [v])}], ids=["alone", "inside"])
def test_a_plain_value_comes_back_with_its_type(path, value, wrap):
    assert same(wrap(value), through_a_file(path, wrap(value)))


@pytest.mark.parametrize(
    ("scalar", "number"),
    [
        (np.float32(0.1), 0.10000000149011612),
        (np.float64(-0.0), -0.0),
        (np.float16(np.nan), math.nan),
        (np.float32(-np.inf), -math.inf),
        (np.int64(-3), -3),
        (np.uint8(255), 255),
        (np.bool_(True), True),
        (np.str_("a"), "a"),
    ],
)
def test_a_numpy_scalar_comes_back_as_a_python_number(path, scalar, number):
    assert same(number, through_a_file(path, scalar))


NUMBERS = ["?", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "c8", "c16", "U3", ">f4"]


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (5,), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", NUMBERS)
def test_an_array_comes_back_with_its_shape_and_type(path, dtype, shape):
    array = np.arange(math.prod(shape)).astype(dtype).reshape(shape)
    assert same(array, through_a_file(path, array))


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3).T, np.arange(10.0)[::-3], np.array([1, np.nan, -np.inf])]
)
def test_an_array_comes_back_however_it_lies_in_memory(path, array):
    assert same(array, through_a_file(path, {"a": array})["a"])


BEYOND_NUMPY = ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4", "uint4"]


@pytest.mark.parametrize("shape", [(), (0, 2), (2, 3)], ids=str)
@pytest.mark.parametrize("dtype", BEYOND_NUMPY)
def test_numbers_that_numpy_does_not_know_come_back_with_their_type(path, dtype, shape):
    array = np.arange(math.prod(shape)).reshape(shape).astype(getattr(ml_dtypes, dtype))
    back = through_a_file(path, {"a": array, "on the device": jnp.asarray(array), "turned": array.T})
    for there, again in zip((array, array, array.T), back.values(), strict=True):
        assert (type(again), again.dtype, again.shape) == (np.ndarray, there.dtype, there.shape)
        assert again.tobytes() == there.tobytes()
    with np.load(path, allow_pickle=False) as file:  # as anyone reads it
        assert all(file[name].dtype.kind in "uU" for name in file.files)


def test_keys_come_back_as_keys_and_go_on_as_they_would_have(path):
    key, old = jax.random.key(7, impl="rbg"), jax.random.PRNGKey(7)
    back = through_a_file(path, {"key": key, "old": old})
    assert back["key"].dtype == key.dtype != jax.random.key(7).dtype
    assert jax.random.normal(back["key"], 3).tolist() == jax.random.normal(key, 3).tolist()
    assert isinstance(back["old"], np.ndarray)
    assert back["old"].tolist() == [0, 7]


@pytest.mark.parametrize(
    "value",
    [
        {"a/b": np.zeros(1), "a": {"b": np.ones(1)}},
        {"a/0": np.zeros(1), "a": [np.ones(1)]},
        {"x": np.zeros(1), "x.npy": np.ones(1)},
        {"x\0y": np.zeros(1), "x\0z": np.ones(1)},
        {"../x": np.zeros(1), "..": {"x": np.ones(1)}},
    ],
    ids=lambda value: ascii(list(value)),
)
def test_no_two_names_are_taken_for_one_another(path, value):
    assert same(value, through_a_file(path, value))


def test_numpy_reads_the_whole_file_without_pickle(path):
    results.save(path, RESULTS["a dict of results"]())
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    assert not any(array.dtype.hasobject for array in arrays.values())
    json.loads(str(arrays.pop("json")))
    # slice: 2 axes, values, norms, cosines; run: 2 networks of 4 arrays, costs, steps, 2 watched
    assert len(arrays) == 5 + 2 * 4 + 4


def test_the_text_is_strict_json_whatever_the_numbers(path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    results.save(path, {"a": math.nan, "b": [math.inf, -math.inf, np.float32("nan")]})
    with np.load(path) as file:
        json.loads(str(file["json"]), parse_constant=refuse)


def test_the_folder_is_made_and_the_path_may_be_text(tmp_path):
    results.save(str(tmp_path / "a" / "b" / "c.npz"), 1)
    assert results.load(str(tmp_path / "a" / "b" / "c.npz")) == 1


# what is refused


class Twin(int):
    """Keys of a dict that differ and look the same."""

    def __repr__(self):
        return "twin"


def holding_itself(value, put):
    put(value)
    return value


def deep(levels):
    value = 1.0
    for _ in range(levels):
        value = [value]
    return value


def given_away():
    array = jnp.ones(3)
    array.delete()
    return array


UNSAVEABLE = [
    ("an object array", lambda: [np.array([None, 1])], r"^result/0 is an array of object, expected numbers"),
    (
        "objects in a record",
        lambda: (np.zeros(2, [("a", object)]),),
        r"^result/0 is an array of .*, expected numbers",
    ),
    (
        "numpy's own text",
        lambda: [np.array(["a"], np.dtypes.StringDType())],
        r"^result/0 is an array of .*, expected",
    ),
    (
        "a NamedTuple that would not come back",
        lambda: {"x": collections.namedtuple("Odd", "class x", rename=True)(1, 2)},
        "^result/x is a Odd that would not come back",
    ),
    ("keys that have no order", lambda: {"x": {1: 2, "a": 3}}, "^result/x is a dict that is no pytree"),
    (
        "two leaves of one path",
        lambda: {"x": {Twin(0): np.zeros(1), Twin(1): np.ones(1)}},
        r"^result/x is a dict with two leaves of one path, among \[twin\]",
    ),
    ("objects in a tree", lambda: {2: np.array([None])}, r"^result\[2\] is an array of object, expected numbers"),
    ("a set", lambda: {"x": {1, 2}}, "^result/x is a set, expected"),
    ("a complex number", lambda: [1j], "^result/0 is a complex, expected"),
    ("a type", lambda: [slices.Slice], "^result/0 is a type"),
    ("what holds itself", lambda: holding_itself([], lambda x: x.append(x)), r"^result/0/0/.* holds itself; expected"),
    ("a dict in itself", lambda: holding_itself({}, lambda x: x.update(a=x)), r"^result/a/a/.* holds itself; expected"),
    ("a tree in itself", lambda: [holding_itself({}, lambda x: x.update({1: x}))], "^result/0 is a dict that is no py"),
    ("what is too deep", lambda: deep(2_000), r"^result/0/0/.* more than 100 levels deep"),
    ("what is too deep to come back", lambda: deep(101), r"^result/0/0/.* more than 100 levels deep"),
    ("a tree that is too deep", lambda: {"x": {1: deep(100_000)}}, "^result/x is a dict that is no pytree"),
    ("a masked array", lambda: [np.ma.array([1, 2], mask=[0, 1])], "^result/0 is a masked array of int64, expected"),
    (
        "a record of what numpy does not know",
        lambda: {"x": np.zeros(2, [("a", ml_dtypes.bfloat16)])},
        r"^result/x is an array of .*bfloat16.*, expected",
    ),
    ("an array of no bytes", lambda: {"x": np.zeros(3, "V0")}, r"^result/x is an array of .*V0, expected"),
    ("a very long number", lambda: {"x": 10**5000}, "^result/x is a whole number of 16,610 bits, expected at most"),
    ("an array that was given away", lambda: {"x": given_away()}, "^result/x is an array, .* found Array has been de"),
    ("a generator", lambda: {"x": (i for i in range(3))}, "^result/x is a generator, expected"),
    (
        "letters that python takes for others",
        lambda: [collections.namedtuple("L", "\ufb01")(1)],
        "^result/0 is a L that would not come back",
    ),
    ("a date", lambda: [np.datetime64("2020-01-01")], "^result/0 is a date, expected"),
    ("bytes", lambda: [b"a"], "^result/0 is a bytes, expected"),
]


@pytest.mark.parametrize(("make", "message"), [case[1:] for case in UNSAVEABLE], ids=[c[0] for c in UNSAVEABLE])
def test_what_cannot_be_saved_is_named_by_its_place_and_nothing_is_written(path, make, message):
    with pytest.raises(TypeError, match=message):
        results.save(path, make())
    assert not list(path.parent.iterdir())


def test_what_is_as_deep_as_can_be_saved_comes_back(path):
    assert same(deep(100), through_a_file(path, deep(100)))


UNTOLD = [
    ({"settings": {"loss": losses.quadratic}}, TypeError, r"^settings\['loss'\] is <function quadratic"),
    ({"settings": {"a": [{"b": math.inf}]}}, ValueError, r"^settings\['a'\]\[0\]\['b'\] is inf, expected a finite"),
    ({"settings": {"a": np.float32("nan")}}, ValueError, r"^settings\['a'\] is nan, expected a finite number"),
    ({"settings": {1: 2, "1": 3}}, TypeError, r"^settings is \{1: 2, '1': 3\}, expected .* text for keys"),
    ({"settings": {"a": {(1, 2): 2}}}, TypeError, r"^settings\['a'\] is \{\(1, 2\): 2\}, expected"),
    ({"settings": {"a": np.zeros(2)}}, TypeError, r"^settings\['a'\] is float64\[2\], expected plain values"),
    ({"settings": {"a": {1}}}, TypeError, r"^settings\['a'\] is \{1\}, expected plain values"),
    ({"settings": {"a": 10**5000}}, ValueError, r"^settings\['a'\] has 16,610 bits, expected at most"),
    ({"settings": {"a": deep(2_000)}}, TypeError, r"^settings\['a'\]\[0\]\[0\].* is nested 100 deep, expected"),
    ({"settings": holding_itself({}, lambda x: x.update(a=x))}, TypeError, r"^settings\['a'\].* is nested 100 deep"),
    ({"settings": [1]}, TypeError, r"^settings=\[1\], expected a dict"),
    ({"data": len}, TypeError, "^data is <built-in function len>, expected plain values"),
    ({"data": math.nan}, ValueError, "^data is nan, expected a finite number"),
    ({"made": "today"}, ValueError, "^made given, expected other names than versions, device, made"),
    ({"versions": 3, "device": 4}, ValueError, "^device, versions given, expected other names than"),
]


@pytest.mark.parametrize(("told", "error", "message"), UNTOLD, ids=[case[2][:20] for case in UNTOLD])
def test_settings_that_are_no_plain_values_are_named_and_nothing_is_written(path, told, error, message):
    with pytest.raises(error, match=message):
        results.save(path, 1, **told)
    assert not list(path.parent.iterdir())


def test_a_number_of_numpy_is_a_plain_value_in_settings(path):
    results.save(path, 1, settings={"a": np.float32(1.5), "b": [np.int64(3), (np.bool_(True),)]})
    assert results.provenance(path)["settings"] == {"a": 1.5, "b": [3, [True]]}


@pytest.mark.parametrize("wrong", [None, 3, b"result.npz", ["result.npz"], "result\0.npz"], ids=ascii)
@pytest.mark.parametrize(
    "call", [lambda path: results.save(path, 1), results.load, results.provenance], ids=["save", "load", "provenance"]
)
def test_what_is_no_path_is_refused(call, wrong):
    with pytest.raises(ValueError, match=r"^path=.*, expected a path$"):
        call(wrong)


@pytest.mark.parametrize("name", ["result", "result.npy", "npz", "result.npz.part"])
def test_a_name_that_does_not_end_in_npz_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f"{name}: expected a name that ends in .npz"):
        results.save(tmp_path / name, 1)
    assert not list(tmp_path.iterdir())


def test_a_save_that_fails_half_way_leaves_the_old_file_and_no_other(path):
    resource = pytest.importorskip("resource")  # not on Windows
    results.save(path, {"a": "old"})
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    noise = np.random.default_rng(0).random(100_000)  # 800 kB that do not compress
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, hard))  # a disk that is full half way
    try:
        with pytest.raises(OSError, match=r"result\.npz: expected to write 80\d,\d{3} bytes .*, found: File too large"):
            results.save(path, {"a": "new", "noise": noise})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    results.save(path, {"a": "new", "noise": noise})  # as it would have been
    assert path.stat().st_size > 400_000


def test_where_nothing_can_be_written_the_path_and_the_reason_are_named(tmp_path):
    (tmp_path / "file").write_text("")
    (tmp_path / "folder.npz").mkdir()
    for path, error in ((tmp_path / "file" / "a.npz", FileExistsError), (tmp_path / "folder.npz", IsADirectoryError)):
        with pytest.raises(error, match=rf"{path.name}: expected to write [\d,]+ bytes before compression, found: "):
            results.save(path, 1)
    assert sorted(child.name for child in tmp_path.iterdir()) == ["file", "folder.npz"]


def test_what_a_killed_save_left_is_removed_by_the_next_and_what_is_being_written_is_not(path):
    """As it is written, a file is locked; the lock ends with its process, however that ends."""
    fcntl = pytest.importorskip("fcntl")  # not on Windows
    left, alive, other = (path.with_name(name) for name in ("result.npz.0.part", "result.npz.1.part", "r.npz.0.part"))
    for part in (left, alive, other):
        part.write_text("half")
    with alive.open("r+b") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        results.save(path, 1)
        assert sorted(path.parent.iterdir()) == sorted([path, alive, other])
    results.save(path, 2)
    assert sorted(path.parent.iterdir()) == sorted([path, other])


def test_two_who_write_one_path_at_once_each_leave_it_whole(path):
    value = {"a": np.arange(3000.0)}
    with ThreadPoolExecutor(2) as pool:
        for saved in [pool.submit(results.save, path, value) for _ in range(20)]:
            saved.result()
    assert same(value, results.load(path))
    assert list(path.parent.iterdir()) == [path]


def test_a_save_replaces_the_old_file(path):
    results.save(path, {"a": "old"})
    assert through_a_file(path, {"a": "new"}) == {"a": "new"}
    assert list(path.parent.iterdir()) == [path]


# types of yesterday, of tomorrow and of others


def test_a_file_that_names_the_rooms_of_yesterday_still_loads(path):
    """As files were written while a type's name told its room, and a slice did not know where it lies."""
    fields = {
        "axes": {"tuple": [{"array": "array0"}]},
        "values": {"array": "array1"},
        "floor": {"value": "nan"},
        "norms": {"array": "array2"},
        "cosines": {"array": "array3"},
        "nonfinite": 0,
        "standard_error": None,
    }
    old = {
        "slice": {"type": "jaxcost.slices.Slice", "fields": fields},
        "minima": {"type": "jaxcost.bumpiness.Minima", "fields": dict.fromkeys(minima.Minima._fields, 1)},
    }
    arrays = {"array0": np.arange(3.0), "array1": np.ones(3), "array2": np.ones(1), "array3": np.eye(1)}
    holding({"dict": old}, **arrays)(path)
    expected = slices.Slice(
        (arrays["array0"],), arrays["array1"], math.nan, arrays["array2"], arrays["array3"], nonfinite=0
    )
    found = results.load(path)
    assert same(expected, found["slice"])
    assert found["slice"].frame is None
    assert same(minima.Minima(*[1] * len(minima.Minima._fields)), found["minima"])
    template = {"slice": expected, "minima": found["minima"]}
    assert same(template, results.load(path, like=template))
    lying = {**template, "slice": expected._replace(frame=directions.Frame((1.0,), ()))}
    with pytest.raises(ValueError, match=r"expected the structure .*Frame.* at \['slice'\]\.frame, found .*None"):
        results.load(path, like=lying)


def test_a_type_that_is_gone_comes_back_as_one_that_is_given(path):
    typed("jaxcost.bending.Old", ["value"])(path)
    assert same(Old(0), results.load(path, types=[Old]))


def test_a_foreign_namedtuple_comes_back_with_its_name_and_fields_or_as_its_class(path):
    cut = Cut(0.5, {"values": np.ones(3)}, "deep")
    results.save(path, {"cuts": [cut, cut._replace(depth=1.0)]})
    found, other = results.load(path)["cuts"]
    assert (type(found).__name__, found._fields) == ("Cut", Cut._fields)
    assert not isinstance(found, Cut)
    assert same(tuple(cut), tuple(found))
    assert (found.depth, found.note) == (0.5, "deep")
    assert type(found) is type(other) is type(results.load(path)["cuts"][0])  # of one structure, as jax sees it
    assert same(cut, results.load(path, types=(Cut, Old))["cuts"][0])
    assert same(cut, results.load(path, types=[Cut])["cuts"][0])
    assert same(cut, results.load(path, like={"cuts": [cut, cut]})["cuts"][0])
    results.save(path, found)  # once more
    assert same(cut, results.load(path, types=(Cut,)))


def test_a_foreign_namedtuple_may_be_called_as_one_of_the_kit(path):
    mine = collections.namedtuple("Slice", "where")(3)
    found = through_a_file(path, (mine, a_slice()))
    assert found[0].where == 3
    assert isinstance(found[1], slices.Slice)
    assert same((mine, a_slice()), results.load(path, like=(mine, a_slice())))


def test_a_private_namedtuple_comes_back_too(path):
    private = collections.namedtuple("_State", "x")
    found = through_a_file(path, private(1))
    assert (type(found).__name__, found.x) == ("_State", 1)
    assert same(private(1), results.load(path, types=(private,)))


def test_a_foreign_field_that_is_missing_has_its_default_or_is_named(path):
    named("Cut", ["depth", "frame"])(path)
    assert same(Cut(0, 0, "none"), results.load(path, types=(Cut,)))
    assert same(Cut(0, 0, "none"), results.load(path, like=Cut(1, 1, "text")))
    named("Cut", ["depth", "note"])(path)
    for how in ({"types": (Cut,)}, {"like": Cut(1, 1)}):
        with pytest.raises(ValueError, match="expected the fields depth, frame, note of Cut, found no frame"):
            results.load(path, **how)
    named("Cut", ["depth", "frame", "width"])(path)
    for how in ({"types": (Cut,)}, {"like": Cut(1, 1)}):
        with pytest.raises(ValueError, match=r"expected the fields .* of Cut, found an unknown width"):
            results.load(path, **how)


@pytest.mark.parametrize("wrong", [int, tuple, 3, "Cut", Cut(1, 2)])
def test_types_that_are_no_namedtuples_are_refused(path, wrong):
    results.save(path, 1)
    with pytest.raises(TypeError, match=r"types holds .*, expected classes of NamedTuples"):
        results.load(path, types=[Cut, wrong])


def test_an_optimiser_goes_on_from_its_state_in_a_file(path):
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.inject_hyperparams(optax.adam)(0.1))
    gradient, update = params(0.1), jax.jit(optimizer.update)
    _, state = update(gradient, optimizer.init(params()), params())
    results.save(path, state)
    plain = results.load(path)
    assert type(plain[1]).__name__ == type(state[1]).__name__
    assert float(plain[1].hyperparams["learning_rate"]) == np.float32(0.1)
    again = results.load(path, like=optimizer.init(params()))
    assert jax.tree.structure(again) == jax.tree.structure(state)
    assert alike(*(update(gradient, one, params()) for one in (state, again)))


# equal arrays


def test_an_array_that_occurs_often_is_written_once(path):
    large = np.random.default_rng(0).normal(size=20_000)  # 160 kB that do not compress
    results.save(path, {"one": large})
    once = path.stat().st_size
    frames = [directions.Frame((jnp.asarray(large, np.float32), large), (i, large.copy())) for i in range(20)]
    value = {"frames": frames, "turned": large.reshape(2, -1), "line": large[::-1][::-1]}
    results.save(path, value)
    assert path.stat().st_size < once * 2.6 + 5_000  # float64 in two shapes, and float32 of half the size
    assert same(value, results.load(path))


@pytest.mark.parametrize(
    "arrays",
    [
        (np.zeros(3), np.zeros(3, np.int64)),
        (np.zeros(4), np.zeros((2, 2))),
        (np.zeros(0), np.zeros((0, 2))),
        (np.array(0.0), np.array(-0.0)),
        (np.array([1], ">i2"), np.array([256], "<i2")),
        (np.array(["a"]), np.array(["a", ""])[:1].astype("U2")),
        (np.arange(6).reshape(2, 3), np.arange(6).reshape(2, 3, order="F")),
        (np.zeros(2, np.uint16), np.zeros(2, ml_dtypes.bfloat16)),
        (np.zeros(2, ml_dtypes.int4), np.zeros(2, ml_dtypes.uint4)),
        (jax.random.PRNGKey(0), jax.random.key(0)),
        (np.zeros(1, "M8[s]"), np.zeros(1, "M8[D]")),
    ],
    ids=str,
)
def test_arrays_that_differ_in_type_shape_or_bytes_are_not_taken_for_one_another(path, arrays):
    found = through_a_file(path, [*arrays, *arrays])
    for there, again in zip([*arrays, *arrays], found, strict=True):
        assert same(there, again)
        if isinstance(there, np.ndarray):
            assert there.tobytes() == again.tobytes()


def test_writing_into_what_came_back_changes_no_other_part_of_it(path):
    found = through_a_file(path, {"a": np.ones(3), "b": np.ones(3), "c": np.zeros(3)})
    found["c"][0] = 5
    with pytest.raises(ValueError, match="read-only"):
        found["a"][0] = 5
    raw, brain = through_a_file(path, [np.zeros(2, np.uint16), np.zeros(2, ml_dtypes.bfloat16)])
    raw[0] = 1
    assert brain[0] == 0


# any pytree


def relu(x):
    return jax.nn.relu(x)


@jax.tree_util.register_dataclass
@dataclasses.dataclass
class Model:
    """A pytree of many kinds of leaves, with a setting that is none."""

    weight: Any
    scale: Any
    count: Any
    name: Any
    key: Any
    activation: Any
    inner: Any
    width: int = dataclasses.field(default=4, metadata={"static": True})


def a_model(seed=0, activation=relu, **others):
    fill = lambda shape: jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)
    leaves = {
        "weight": fill((4, 3)),
        "scale": np.float32(seed),
        "count": seed,
        "name": "ab" * seed,
        "key": jax.random.key(seed),
        "activation": activation,
        "inner": {3: [fill(2), np.full(2, seed, ml_dtypes.bfloat16)], 1: Cut(float(seed), None, math.nan)},
    }
    return Model(**leaves | others)


def test_a_pytree_comes_back_as_a_dict_of_its_leaves_without_a_template(path):
    model = a_model(1)
    found = through_a_file(path, {"model": model})["model"]
    expected = {
        ".weight": model.weight,
        ".scale": 1.0,
        ".count": 1,
        ".name": "ab",
        ".key": model.key,
        ".activation": "relu",
        ".inner[1].depth": 1.0,
        ".inner[1].note": math.nan,
        ".inner[3][0]": model.inner[3][0],
        ".inner[3][1]": model.inner[3][1],
    }
    assert isinstance(found, dict)
    assert same(expected, dict(found))
    order = lambda tree: [np.shape(leaf) for leaf in jax.tree.leaves(tree)]
    assert order(found) == order(model)  # as jax takes them


def test_a_function_and_a_text_are_told_apart(path):
    results.save(path, a_model(name="relu"))
    for wrong, message in (
        (a_model(name=relu), r"expected the type function at \.name, found text"),
        (a_model(name="", activation="relu"), r"expected the type text at \.activation, found relu, which is no value"),
    ):
        with pytest.raises(ValueError, match=message):
            results.load(path, like=wrong)


def test_a_pytree_comes_back_as_its_template_with_the_values_of_the_file(path):
    saved, template = a_model(1), a_model(2, width=8)
    results.save(path, [saved, saved])
    for found in results.load(path, like=[template, template]):
        assert found.width == 8  # what is no leaf is the template's
        assert found.activation is relu
        assert alike(dataclasses.replace(saved, width=8), found)
    assert alike(template, a_model(2, width=8))  # untouched


def test_shapes_will_do_for_a_template(path):
    saved = (jnp.ones(3), jax.random.key(1), {1: jnp.arange(2)})
    results.save(path, saved)
    found = results.load(path, like=jax.eval_shape(lambda: saved))
    assert same(saved[:2], found[:2])
    assert isinstance(found[2][1], jax.Array)
    assert found[2][1].tolist() == [0, 1]


DIFFERENT = [
    (a_model(weight=jnp.ones((4, 2))), r"expected the shape \(4, 2\) at \['m'\]\.weight, found \(4, 3\)"),
    (a_model(weight=jnp.ones((4, 3), "bfloat16")), r"the type bfloat16 at \['m'\]\.weight, found float32"),
    (a_model(weight=None), r"expected no leaf at \['m'\]\.weight of a Model, found one"),
    (a_model(weight=[1]), r"expected a leaf at \['m'\]\.weight\[0\] of a Model, found none"),
    (a_model(scale=np.float32(1), count=1.0), r"the type float64 at \['m'\]\.count, found int64"),
    (a_model(name=1), r"expected the type int64 at \['m'\]\.name, found text"),
    (a_model(key=jax.random.key(0, impl="rbg")), r"expected the type key<rbg> at \['m'\]\.key, found key<fry>"),
    (a_model(key=jnp.zeros(2, "uint32")), r"expected the shape \(2,\) at \['m'\]\.key, found \(\)"),
    (a_model(activation=jax.nn.gelu), r"expected gelu at \['m'\]\.activation, found relu"),
    (a_model(activation=jnp.ones(())), r"expected the type float32 at \['m'\]\.activation, found relu"),
    (a_model(count=relu), r"expected the type function at \['m'\]\.count, found int64"),
    (a_model(inner={1: a_model().inner[1]}), r"expected no leaf at \['m'\]\.inner\[3\]\[0\] of a Model, found one"),
    ({1: a_model()}, r"expected a dict at \['m'\], found a Model"),
    (jnp.ones(3), r"expected a ArrayImpl at \['m'\], found a Model"),
    (None, r"expected a NoneType at \['m'\], found a Model"),
]


@pytest.mark.parametrize(("template", "message"), DIFFERENT, ids=[message[-30:] for _, message in DIFFERENT])
def test_the_first_difference_from_a_tree_is_named(path, template, message):
    results.save(path, {"m": a_model()})
    with pytest.raises(ValueError, match=message) as refused:
        results.load(path, like={"m": template})
    assert str(refused.value).startswith(f"{path}: ")


def test_a_template_that_is_a_tree_where_the_file_has_none_is_refused(path):
    for value in (jnp.ones(3), {"weight": 1}, [1], Cut(1, 2), None, "text"):
        results.save(path, {"m": value})
        with pytest.raises(ValueError, match=r"expected the structure .* at \['m'\], found"):
            results.load(path, like={"m": a_model()})


def test_dicts_with_numbers_for_keys_and_dicts_of_other_kinds_come_back_by_a_template(path):
    ordered = collections.OrderedDict(b=jnp.ones(2), a=jnp.zeros(3))
    value = {"layers": {10: jnp.ones(2), 2: {"w": jnp.zeros(3)}}, "ordered": ordered, "empty": a_model(weight=None)}
    results.save(path, value)
    assert list(results.load(path)["layers"]) == ["[2]['w']", "[10]"]
    assert list(results.load(path)["ordered"]) == ["b", "a"]
    found = results.load(path, like=value)
    assert jax.tree.structure(found) == jax.tree.structure(value)
    assert type(found["ordered"]) is collections.OrderedDict
    np.testing.assert_array_equal(found["layers"][10], np.ones(2))


def test_a_function_with_arrays_bound_comes_back_by_a_template(path):
    results.save(path, jax.tree_util.Partial(jnp.add, jnp.ones(2)))
    found = results.load(path, like=jax.tree_util.Partial(jnp.add, jnp.zeros(2)))
    assert found(1.0).tolist() == [2.0, 2.0]


def test_a_function_in_a_dict_a_list_or_a_tuple_is_kept_as_in_a_module(path):
    model = {"act": relu, "layers": [(np.ones(2), jnp.tanh)], "cut": Cut(0.5, jax.nn.gelu)}
    found = through_a_file(path, model)
    assert (found["act"], found["layers"][0][1], found["cut"].frame) == ("relu", "tanh", "gelu")
    again = results.load(path, like=model)
    assert again["act"] is relu
    assert again["layers"][0][1] is jnp.tanh
    assert again["cut"].frame is jax.nn.gelu
    with pytest.raises(ValueError, match=r"expected gelu at \['act'\], found relu, which is no value"):
        results.load(path, like=model | {"act": jax.nn.gelu})


def test_images_and_a_cost_come_back_by_a_template(path):
    images, other = (data.Images(np.full((2, 3), i, "f4"), np.eye(2, dtype="f4")) for i in range(2))
    results.save(path, images)
    assert results.load(path, like=other).fingerprint == images.fingerprint != other.fingerprint


@pytest.mark.parametrize("draw", [lambda key: directions.random(key, params()), directions.recipes])
def test_a_slice_comes_back_with_the_place_where_it_lies(path, draw):
    images = data.Images(np.random.default_rng(0).random((5, 3), np.float32), np.ones((5, 1), np.float32))
    C = cost.Cost(images)
    line = slices.line(C, params(), *draw(jax.random.key(1)), [-1.0, 0.5], progress=False)
    results.save(path, [line, line])
    found, _ = results.load(path)
    assert found.alphas.tolist() == [-1.0, 0.5]
    (u,) = directions.random(jax.random.key(1), params())
    for alpha, value in zip(found.alphas, found.values, strict=True):
        moved = jax.tree.map(lambda p, d: np.asarray(p) + alpha * np.asarray(d), params(), u)  # noqa: B023
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6), found.at([alpha]), moved)
        np.testing.assert_allclose(C(*found.at([alpha])), value, rtol=1e-5)


def test_a_slice_through_a_model_comes_back_by_a_template(path):
    frame = directions.Frame((a_model(1),), directions.recipes(jax.random.key(2), 2))
    plane = a_slice()._replace(frame=frame)
    results.save(path, {"planes": [plane, plane], "note": "two"})
    like = {"planes": [plane._replace(frame=frame._replace(origin=(a_model(3),)))] * 2, "note": "-"}
    found = results.load(path, like=like)["planes"][1]
    assert alike(plane.at([0.5, -1.0]), found.at([0.5, -1.0]))
    free = results.load(path)["planes"][0].frame
    np.testing.assert_array_equal(free.at([0.5, -1.0])[0][".weight"], plane.at([0.5, -1.0])[0].weight)


# models of others


def flax_module():
    nnx = pytest.importorskip("flax.nnx", reason="flax is not installed")

    class Network(nnx.Module):
        def __init__(self, rngs):
            self.first = nnx.Linear(3, 4, rngs=rngs)
            self.norm = nnx.BatchNorm(4, rngs=rngs)
            self.drop = nnx.Dropout(0.5, rngs=rngs)
            self.rngs = rngs

        def __call__(self, x):
            return self.drop(self.norm(self.first(x)))

    return Network, nnx.Rngs


def test_a_flax_module_goes_on_as_it_would_have(path):
    Network, Rngs = flax_module()
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 3)), jnp.float32)
    model = Network(Rngs(0))
    model(x)  # its averages move and its keys count
    template = Network(Rngs(1))
    results.save(path, {"model": model})
    found = results.load(path, like={"model": template})["model"]
    assert isinstance(found, Network)
    for _ in range(2):
        np.testing.assert_array_equal(found(x), model(x))
    np.testing.assert_array_equal(template.norm.mean[...], np.zeros(4))  # untouched
    assert all(path.startswith(".") for path in results.load(path)["model"])
    template.first = type(template.first)(3, 5, rngs=Rngs(0))
    with pytest.raises(ValueError, match=r"expected the shape \(5,\) at \['model'\]\.first\.bias\S*, found \(4,\)"):
        results.load(path, like={"model": template})
    with pytest.raises(ValueError, match=r"expected a BatchNorm at \['model'\], found a Network"):
        results.load(path, like={"model": template.norm})


def test_a_flax_state_and_params_come_back(path):
    nnx = pytest.importorskip("flax.nnx", reason="flax is not installed")
    linen = pytest.importorskip("flax.linen")
    core = pytest.importorskip("flax.core")
    Network, Rngs = flax_module()
    state, other = (nnx.state(Network(Rngs(seed))) for seed in range(2))
    variables = linen.Dense(4).init(jax.random.key(0), jnp.ones(3))
    value = {"state": state, "variables": variables, "frozen": core.freeze(variables)}
    results.save(path, value)
    assert alike(jax.tree.map(np.asarray, variables), results.load(path)["variables"])
    found = results.load(path, like={**value, "state": other})
    assert alike(value | {"variables": jax.tree.map(np.asarray, variables)}, found)


def test_an_equinox_module_comes_back_with_its_functions(path):
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")
    model, other = (eqx.nn.MLP(3, 2, 4, 2, jax.nn.tanh, key=jax.random.key(seed)) for seed in range(2))
    moving, rest = eqx.partition(model, eqx.is_array)
    results.save(path, (model, moving, rest))
    found = results.load(path, like=(other, *eqx.partition(other, eqx.is_array)))
    x = jnp.ones(3)
    assert found[0](x).tolist() == model(x).tolist() != other(x).tolist()
    assert eqx.combine(*found[1:])(x).tolist() == model(x).tolist()
    assert found[0].activation is other.activation
    assert jax.tree.structure(eqx.filter(found[0], eqx.is_array)) == jax.tree.structure(moving)
    assert results.load(path)[0][".activation"] == "tanh"
    with pytest.raises(ValueError, match=r"expected relu at \[0\]\.activation, found tanh"):
        results.load(path, like=(eqx.nn.MLP(3, 2, 4, 2, jax.nn.relu, key=jax.random.key(0)), moving, rest))


def test_haiku_params_come_back(path):
    haiku = pytest.importorskip("haiku", reason="haiku is not installed")
    model = haiku.without_apply_rng(haiku.transform(lambda x: haiku.nets.MLP([3, 2])(x)))
    weights = model.init(jax.random.key(0), jnp.ones((1, 4)))
    found = through_a_file(path, {"origin": (weights,)})
    assert alike({"origin": (jax.tree.map(np.asarray, weights),)}, found)
    x = jnp.ones((1, 4))
    assert model.apply(found["origin"][0], x).tolist() == model.apply(weights, x).tolist()


# where it comes from


def test_provenance_tells_settings_versions_device_time_and_what_is_added(path):
    before = datetime.datetime.now(datetime.UTC).replace(microsecond=0)
    settings = {"seed": 3, "rate": 1.5, "sizes": (784, 10), "data": "", "batch": None, "keep": True}
    results.save(path, a_slice(), settings=settings, data="fingerprint", counts=[1, 2])
    told = results.provenance(path)
    assert told["settings"] == settings | {"sizes": [784, 10]}
    assert (told["data"], told["counts"]) == ("fingerprint", [1, 2])
    assert {"jaxcost", "jaxlib", "optax"} < set(told["versions"])
    assert told["versions"]["python"] == platform.python_version()
    assert (told["versions"]["jax"], told["versions"]["numpy"]) == (jax.__version__, np.__version__)
    assert told["device"].startswith(f"{len(jax.devices())} x {jax.devices()[0].device_kind}")
    made = datetime.datetime.fromisoformat(told["made"])
    assert before <= made <= datetime.datetime.now(datetime.UTC)


def test_without_settings_provenance_has_none(path):
    results.save(path, 1)
    assert results.provenance(path)["settings"] == {}


# what is expected of a file


LIKE = [
    ({"a": np.ones(3)}, {"a": np.zeros(3)}, None),
    ({"a": jnp.ones(3)}, {"a": np.zeros(3, np.float32)}, None),
    ({"a": 1, "b": "four"}, {"b": "fifteen", "a": 2}, None),
    ({"a": np.ones(3)}, {"b": np.ones(3)}, r"expected the structure .*'b'.*, found .*'a'"),
    ({"a": np.ones(3)}, {"a": np.ones(3), "b": 1}, r"expected the structure .*'b'.*, found .*'a'"),
    ([np.ones(3)], (np.ones(3),), r"expected the structure .*\(\*,\).*, found .*\[\*\]"),
    ((1, 2), network.Params(1, 2), "expected the structure .*Params.*, found"),
    ({"a": None}, {"a": np.ones(3)}, "expected the structure .*, found .*None"),
    ({"a": np.ones(3)}, {"a": np.ones(4)}, r"expected the shape \(4,\) at \['a'\], found \(3,\)"),
    ({"a": np.ones(1)}, {"a": np.ones(())}, r"expected the shape \(\) at \['a'\], found \(1,\)"),
    ({"a": np.ones(3)}, {"a": np.ones(3, "f4")}, r"expected the type float32 at \['a'\], found float64"),
    ({"a": 1}, {"a": 1.0}, r"expected the type float64 at \['a'\], found int64"),
    ([1, np.ones(3), np.ones(3)], [1, np.ones(4), np.ones(5)], r"the shape \(4,\) at \[1\], found \(3,\)"),
]


@pytest.mark.parametrize(("saved", "like", "message"), LIKE)
def test_a_file_is_like_what_is_expected_or_the_first_difference_is_named(path, saved, like, message):
    results.save(path, saved)
    if message is None:
        assert same(saved, results.load(path, like=like))
    else:
        with pytest.raises(ValueError, match=message) as refused:
            results.load(path, like=like)
        assert str(refused.value).startswith(f"{path}: ")


def test_the_place_of_a_difference_in_a_result_is_its_field(path):
    results.save(path, params())
    wider = params()._replace(b=(jnp.ones(2), jnp.ones(7)))
    with pytest.raises(ValueError, match=r"expected the shape \(7,\) at \.b\[1\], found \(1,\)"):
        results.load(path, like=wider)


# bad files


def text(structure, **changes):
    """The JSON text of a file of this structure."""
    return json.dumps({"format": 1, "structure": structure, "provenance": {}} | changes)


def npz(**arrays):
    return lambda path: np.savez(path, **arrays)


def holding(structure, **arrays):
    return npz(json=np.array(text(structure)), **arrays)


def typed(name, fields=()):
    return holding({"type": name, "fields": dict.fromkeys(fields, 0)})


def named(name, fields=()):
    return holding({"namedtuple": name, "fields": dict.fromkeys(fields, 0)})


def raw(content):
    return lambda path: path.write_bytes(content)


def cut(path):
    results.save(path, a_run())
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def bare_npy(path):
    with path.open("wb") as file:
        np.save(file, np.ones(3))


def noise_in_the_stream(path):
    results.save(path, {"a": np.arange(1000)})
    with zipfile.ZipFile(path) as archive:
        start = archive.infolist()[0].header_offset + 100
    content = bytearray(path.read_bytes())
    content[start : start + 50] = bytes([0xFF]) * 50
    path.write_bytes(content)


def zip_of_text(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("json", text(1))


KEY = np.zeros(2, np.uint32)
NOT_OURS = "expected a result of this kit, format 1, found "
NO_NPZ = "expected an .npz without pickle, found "
NO_TYPE = "expected a result type of this kit, found "
BAD = [
    ("nothing there", lambda path: None, FileNotFoundError, "expected a result file, found nothing"),
    ("a folder", lambda path: path.mkdir(), FileNotFoundError, "expected a result file, found a folder"),
    ("an empty file", raw(b""), ValueError, NO_NPZ),
    ("a text file", raw(b"a result\n"), ValueError, NO_NPZ),
    ("a pickle", raw(b"\x80\x04K\x01."), ValueError, NO_NPZ),
    ("half a file", cut, ValueError, NO_NPZ),
    ("noise in a compressed array", noise_in_the_stream, ValueError, NO_NPZ),
    ("a bare .npy", bare_npy, ValueError, NO_NPZ),
    ("a pickled array", holding({"array": "a"}, a=np.array([None])), ValueError, NO_NPZ),
    ("a zip of no arrays", zip_of_text, ValueError, NO_NPZ + r".*\['json'\], expected arrays"),
    ("no json", npz(a=np.ones(3)), ValueError, NOT_OURS + "no such text"),
    ("text that is no json", npz(json=np.array("{")), ValueError, NOT_OURS + "no such text"),
    ("numbers for json", npz(json=np.ones(3)), ValueError, NOT_OURS + "no such text"),
    ("json that is no dict", npz(json=np.array("[1]")), ValueError, NOT_OURS + "no such text"),
    ("a later format", npz(json=np.array(text(1, format=2))), ValueError, NOT_OURS + "format 2"),
    (
        "no structure",
        npz(json=np.array('{"format": 1, "provenance": {}}')),
        ValueError,
        "expected a result of this kit",
    ),
    (
        "an array that is not there",
        holding({"array": "a"}, b=np.ones(3)),
        ValueError,
        "expected an array a, found .*'b'",
    ),
    ("os.system", typed("os.system"), ValueError, NO_TYPE + "os.system"),
    ("slices.Slice", typed("slices.Slice", slices.Slice._fields), ValueError, NO_TYPE + "slices.Slice"),
    ("jaxcost.os.path", typed("jaxcost.os.path"), ValueError, NO_TYPE + "jaxcost.os.path"),
    ("jaxcost.data.os", typed("jaxcost.data.os"), ValueError, NO_TYPE + "jaxcost.data.os"),
    ("jaxcost.data.mnist", typed("jaxcost.data.mnist"), ValueError, NO_TYPE + "jaxcost.data.mnist"),
    ("jaxcost.cost.Cost", typed("jaxcost.cost.Cost", ["images"]), ValueError, NO_TYPE + "jaxcost.cost.Cost"),
    ("jaxcost.slices.None", typed("jaxcost.slices.None"), ValueError, NO_TYPE + "jaxcost.slices.None"),
    ("jaxcost", typed("jaxcost"), ValueError, NO_TYPE + "jaxcost"),
    ("no name", typed(""), ValueError, NO_TYPE),
    (
        "a room in another folder",
        typed("jaxcost.digits/make.main"),
        ValueError,
        NO_TYPE + "jaxcost.digits/make.main",
    ),
    ("a room above", typed("jaxcost.../x.Y"), ValueError, NO_TYPE),
    ("a type that is a number", typed(3), ValueError, "expected"),
    (
        "too few fields",
        typed("Slice", ["axes", "values", "floor", "norms", "cosines"]),
        ValueError,
        "expected the fields axes, .* of Slice, found no nonfinite$",
    ),
    (
        "a field too many",
        typed("jaxcost.network.Params", ["w", "b", "c"]),
        ValueError,
        "expected the fields w, b of Params, found an unknown c$",
    ),
    ("a room moved into a folder", typed("jaxcost.a/b.Params.x"), ValueError, NO_TYPE + "jaxcost.a/b.Params.x"),
    ("a type of the kit that is gone", typed("Gone"), ValueError, NO_TYPE + "Gone"),
    ("a type of the kit that is private", typed("_File"), ValueError, NO_TYPE + "_File"),
    ("a name that is no word", named("a b"), ValueError, "expected a NamedTuple, found a b of .* valid identifiers"),
    ("a name of the language", named("class"), ValueError, "expected a NamedTuple, found class of .* a keyword"),
    ("a name of another room", named("os.system"), ValueError, "expected a NamedTuple, found os.system of"),
    ("no name of a NamedTuple", named(""), ValueError, "expected a NamedTuple, found  of"),
    ("a field that is no word", named("A", ["x): print(1"]), ValueError, "expected a NamedTuple, found A of .*print"),
    ("a field of the language", named("A", ["def"]), ValueError, "expected a NamedTuple, found A of .* a keyword"),
    ("a private field", named("A", ["_x"]), ValueError, "expected a NamedTuple, found A of .* an underscore"),
    ("a method as a field", named("A", ["__class__"]), ValueError, "expected a NamedTuple, found A of"),
    ("a key of no kind", holding({"impl": "none", "key": "a"}, a=KEY), ValueError, "unrecognized PRNG implementation"),
    (
        "half a key",
        holding({"impl": "rbg", "key": "a"}, a=KEY),
        ValueError,
        r"expected numbers of a key, found uint32\[2\] of rbg",
    ),
    ("a type of no numbers", holding({"dtype": "finfo", "raw": "a"}, a=KEY), ValueError, "found finfo as uint32"),
    ("a type of other numbers", holding({"dtype": "int4", "raw": "a"}, a=KEY), ValueError, "found int4 as uint32"),
    ("leaves that are a list", holding({"tree": "MLP", "leaves": [1]}), ValueError, "expected the structure"),
    ("a list of pairs", holding([["array", "a"]], a=KEY), ValueError, "expected the structure"),
    ("more than a form has", holding({"array": "a", "unit": "m"}, a=KEY), ValueError, "expected the structure"),
    (
        "fields that are a number",
        holding({"type": "jaxcost.network.Params", "fields": 3}),
        ValueError,
        "expected",
    ),
    (
        "an unknown description",
        holding({"set": [1]}),
        ValueError,
        "expected the structure of a result, found",
    ),
    ("a dict that is a number", holding({"dict": 3}), ValueError, "expected"),
    ("a list that is text", holding({"list": "abc"}), ValueError, "expected"),
    ("a tuple that is a number", holding({"tuple": 3}), ValueError, "expected"),
    ("a value that is no number", holding({"value": "one"}), ValueError, "expected"),
    ("an array's name that is a list", holding({"array": ["a"]}), ValueError, "expected"),
]


@pytest.mark.parametrize(("make", "error", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_a_bad_file_is_refused_by_name(path, make, error, message):
    make(path)
    with pytest.raises(error, match=message) as refused:
        results.load(path)
    assert str(refused.value).startswith(f"{path}: ")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (case[1], case[2])
        for case in BAD
        if case[3].startswith(("expected a result file", NOT_OURS, NO_NPZ))
        and case[0] not in ("noise in a compressed array", "a pickled array")  # where the text is whole
    ],
)
def test_a_bad_file_has_no_provenance(path, make, error):
    make(path)
    with pytest.raises(error, match="expected"):
        results.provenance(path)


# files made to be bad


VALID = {
    "values": np.arange(6.0).reshape(2, 3),
    "turned": np.arange(6, dtype="i2").reshape(2, 3).T,
    "more": ("text", None, [True, 2**40], 0.5),
    "key": jax.random.PRNGKey(0),
}


def judged(path, content, expected):
    """Whether a file of this content is refused by the kit's own error, or loads as what is expected."""
    path.write_bytes(content)
    try:
        found = results.load(path)
    except ValueError as error:
        where = traceback.extract_tb(error.__traceback__)[-1].filename
        own = str(error).startswith(f"{path}: expected") and where.startswith(str(Path(jaxcost.__file__).parent))
        return "refused" if own else f"{where}: {error}"
    return "the same" if same(expected, found) else f"another: {found!r:.60}"


def of_array(array):
    file = io.BytesIO()
    np.save(file, np.asarray(array))
    return file.getvalue()


SIX = np.arange(6.0).tobytes()


def of_header(descr="<f8", order=False, shape=(6,), body=SIX, more=""):
    """An .npy that says this of itself."""
    text = f"{{'descr': {descr!r}, 'fortran_order': {order!r}, 'shape': {shape!r}, {more}}}\n".encode("latin1")
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + body


def of_text(text):
    return of_array(np.array(text if isinstance(text, str) else json.dumps(text)))


def zipped(*members, method=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of two members of one name
        with zipfile.ZipFile(file, "w", method) as archive:
            for name, content in members:
                archive.writestr(name, content)
    return file.getvalue()


ONE = {"format": 1, "structure": {"array": "array0"}, "provenance": {"settings": {}}}
GOOD = ("array0.npy", of_array(np.arange(6.0))), ("json.npy", of_text(ONE))
WHOLE = zipped(*GOOD)


def of_member(array):
    return zipped(("array0.npy", array), GOOD[1])


def of_structure(structure):
    return zipped(GOOD[0], ("json.npy", of_text(ONE | {"structure": structure})))


def of_json(text):
    return zipped(GOOD[0], ("json.npy", of_text(text)))


def changed(mark, offset, width, number):
    """The whole file, with a number in a record of the zip changed: PK12 lists a member, PK56 ends the file."""
    content, at = bytearray(WHOLE), WHOLE.index(mark) + offset
    content[at : at + width] = number.to_bytes(width, "little")
    return bytes(content)


LISTED, END = b"PK\x01\x02", b"PK\x05\x06"
NESTED = '{"format": 1, "structure": %s, "provenance": {}}'
REFUSED = {
    # an array that says of itself what cannot be
    "a shape of terabytes": of_member(of_header(shape=(10**12,))),
    "a shape beyond numbers": of_member(of_header(shape=(2**40, 2**40))),
    "a shape of none of too many": of_member(of_header(shape=(0, 2**70), body=b"")),
    "a body too long": of_member(of_header(body=bytes(56))),
    "a body too short": of_member(of_header(body=bytes(40))),
    "no body": of_member(of_header(body=b"")),
    "a negative shape": of_member(of_header(shape=(-6,))),
    "two negatives": of_member(of_header(shape=(-2, -3))),
    "a shape of truth values": of_member(of_header(shape=(True, 6))),
    "a shape of fractions": of_member(of_header(shape=(6.0,))),
    "a shape that is a list": of_member(of_header(shape=[6])),
    "a shape that is a number": of_member(of_header(shape=6)),
    "a hundred axes": of_member(of_header(shape=(1,) * 100, body=bytes(8))),
    "objects": of_member(of_header("|O", body=b"\x80\x04N.")),
    "objects in a record": of_member(of_header([("a", "|O")])),
    "a type that is none": of_member(of_header("<f99")),
    "a number for a type": of_member(of_header(8)),
    "no type": of_member(of_header(None)),
    "a type of no bytes": of_member(of_header("|V0", shape=(10**9,), body=b"")),
    "text of no letters": of_member(of_header("<U0", shape=(10**9,), body=b"")),
    "very wide text": of_member(of_header("<U1000000000", shape=(1,))),
    "a type of several": of_member(of_header(("<f8", (2,)), shape=(3,))),
    "letters that are none": of_member(of_header("<U1", shape=(1,), body=b"\xff" * 4)),
    "truth values that are none": of_member(of_header("|b1", shape=(2,), body=b"\x01\x02")),
    "an order that is text": of_member(of_header(order="C")),
    "more in the header": of_member(of_header(more="'x': 1, ")),
    "a header of code": of_member(of_header().replace(b"False", b"print")),
    "a header that is cut": of_member(of_header()[:30]),
    "a deep header": of_member(b"\x93NUMPY\x01\x00" + (9_000).to_bytes(2, "little") + b"(" * 9_000),
    "a header longer than the file": of_member(b"\x93NUMPY\x02\x00" + (2**31).to_bytes(4, "little") + b"{}"),
    "a later version": of_member(of_header().replace(b"\x01\x00", b"\x09\x00", 1)),
    "a pickle for an array": of_member(b"\x80\x04K\x01."),
    "nothing for an array": of_member(b""),
    # members and their list
    "a member twice": zipped(GOOD[0], *GOOD),
    "the text twice": zipped(*GOOD, GOOD[1]),
    "a member that is no array": zipped(*GOOD, ("read.me", b"hello")),
    "a folder": zipped(("folder/", b""), *GOOD),
    "no members": zipped(),
    "no text": zipped(GOOD[0]),
    "declared larger": changed(LISTED, 24, 4, 2**31),
    "declared smaller": changed(LISTED, 24, 4, 7),
    "declared larger than the file": changed(LISTED, 20, 4, 2**31),
    "another sum": changed(LISTED, 16, 4, 7),
    "an unknown method": changed(LISTED, 10, 2, 99),
    "encrypted": changed(LISTED, 8, 2, 1),
    "of a version to come": changed(LISTED, 6, 2, 99),
    "beyond the file": changed(LISTED, 42, 4, 2**31),
    "a list longer than the file": changed(END, 12, 4, 2**31),
    "a list beyond the file": changed(END, 16, 4, 2**31),
    "zeros": bytes(1000),
    "an array alone": GOOD[0][1],
    # the text
    "NaN": of_json(NESTED % "NaN"),
    "Infinity": of_json(NESTED % '{"list": [Infinity]}'),
    "a number too large": of_json(NESTED % "1e999"),
    "a number too long": of_json(NESTED % ("1" * 10_000)),
    "a name twice": of_json('{"format": 1, "structure": 1, "structure": 2, "provenance": {}}'),
    "a name twice inside": of_json(NESTED % '{"dict": {"a": 1, "a": 2}}'),
    "a deep list": of_json(NESTED % ("[" * 100_000 + "]" * 100_000)),
    "a deep result": of_json(NESTED % ('{"list": [' * 3_000 + "]}" * 3_000)),
    "no text at all": of_json(""),
    "null": of_json("null"),
    "no provenance": of_json({"format": 1, "structure": 1}),
    "a list for provenance": of_json(ONE | {"provenance": []}),
    "null for provenance": of_json(ONE | {"provenance": None}),
    "true for a format": of_json(ONE | {"format": True}),
    "text for a format": of_json(ONE | {"format": "1"}),
    "a list for a format": of_json(ONE | {"format": [1]}),
    "text of letters that are none": zipped(GOOD[0], ("json.npy", of_header("<U1", shape=(), body=b"\xff" * 4))),
    "bytes for text": zipped(GOOD[0], ("json.npy", of_array(np.array(b"{}")))),
    "two texts": zipped(GOOD[0], ("json.npy", of_array(np.array(["{}", "{}"])))),
    # what it says of the result
    "the text as an array": of_structure({"array": "json"}),
    "a type without a name": of_structure({"raw": "array0", "dtype": "__doc__"}),
    "numbers that are no key": of_structure({"key": "array0", "impl": "threefry2x32"}),
    "two letters that are one": of_structure({"namedtuple": "A", "fields": {"\ufb01": 1, "fi": 2}}),
    "a letter that is two": of_structure({"namedtuple": "A", "fields": {"\ufb01": 1}}),
    "a field of the machinery": of_structure({"namedtuple": "A", "fields": {"_cls": 1}}),
    "a long description": of_structure({"set": ["x" * 100] * 10_000}),
}
HARMLESS = {
    "kept as it is": zipped(*GOOD, method=zipfile.ZIP_STORED),
    "bz2": zipped(*GOOD, method=zipfile.ZIP_BZIP2),
    "a long comment": WHOLE[:-2] + (65_535).to_bytes(2, "little") + b"x" * 65_535,
    "a comment that is cut": WHOLE[:-2] + (65_535).to_bytes(2, "little"),
    "something before it": b"#!/bin/sh\n" + WHOLE,
    "another number of members": changed(END, 10, 2, 9_999),
}


def test_a_file_made_to_be_bad_is_refused_in_our_own_words(path):
    found = {name: judged(path, content, None) for name, content in REFUSED.items()}
    assert {name: told for name, told in found.items() if told != "refused"} == {}


def test_a_file_that_is_odd_and_whole_comes_back(path):
    found = {name: judged(path, content, np.arange(6.0)) for name, content in HARMLESS.items()}
    assert set(found.values()) == {"the same"}


def test_a_file_cut_off_anywhere_is_refused_and_one_of_other_bits_is_or_comes_back(path):
    draw = random.Random(0)
    results.save(path, VALID)
    whole = path.read_bytes()
    cut = {judged(path, whole[:length], VALID) for length in range(0, len(whole), 7)}
    assert cut == {"refused"}
    found = collections.Counter()
    for at in draw.sample(range(8 * len(whole)), 300):
        content = bytearray(whole)
        content[at // 8] ^= 1 << at % 8
        found[judged(path, bytes(content), VALID)] += 1
    assert set(found) == {"refused", "the same"}
    assert found["refused"] > found["the same"]  # such as a bit of the time at which a member was written


def test_no_memory_is_taken_for_what_a_file_says_and_does_not_hold(path):
    """A gigabyte that is declared, in the header and in the list of members, in a file of some hundred bytes."""
    shape = 2**30 - len(of_header("|u1", shape=(2**30,), body=b""))
    content = bytearray(zipped(("array0.npy", of_header("|u1", shape=(shape,), body=b"")), GOOD[1]))
    at = content.index(LISTED) + 24
    content[at : at + 4] = (2**30).to_bytes(4, "little")
    tracemalloc.start()
    told = judged(path, bytes(content), None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == "refused"
    assert peak < 10e6


def test_a_file_that_must_not_be_read_says_so(path, monkeypatch):
    results.save(path, 1)

    def forbidden(self, *_):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", forbidden)  # whoever may read everything
    for call in (results.load, results.provenance):
        with pytest.raises(PermissionError, match=r"Permission denied: '.*result\.npz'"):
            call(path)


def test_a_link_to_itself_is_no_file(path):
    path.symlink_to(path)
    with pytest.raises(FileNotFoundError, match=r"result\.npz: expected a result file, found nothing"):
        results.load(path)


def test_loading_a_file_imports_nothing_from_beside_it(path, monkeypatch):
    (path.parent / "jaxcost_evil.py").write_text("raise SystemExit('imported')")
    (path.parent / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(path.parent)
    for name in ("evil", "evil.X", "jaxcost_evil.X", "jaxcost.evil.X"):
        typed(name)(path)
        with pytest.raises(ValueError, match=NO_TYPE + name):
            results.load(path)
    holding({"tree": "evil.X", "leaves": {"evil": {"static": "evil.X"}}})(path)
    assert results.load(path) == {"evil": "evil.X"}
    named("evil", ["x"])(path)
    assert results.load(path) == (0,)
    assert "evil" not in sys.modules


def test_one_damaged_byte_changes_nothing_or_is_refused(path):
    value = {"a": np.arange(50.0), "s": (1, "x")}
    results.save(path, value)
    content = path.read_bytes()
    for i in range(len(content)):
        path.write_bytes(content[:i] + bytes([content[i] ^ 0xFF]) + content[i + 1 :])
        try:
            assert same(value, results.load(path)), f"byte {i}"
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
