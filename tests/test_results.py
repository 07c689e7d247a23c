"""A result comes back as it was saved, or is refused by name; nothing in a file is ever executed."""

import collections
import datetime
import importlib
import inspect
import json
import math
import pkgutil
import platform
import zipfile

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxcost
from jaxcost import cost, data, descent, directions, network, results, slices
from jaxcost.measures import bumpiness

Foreign = collections.namedtuple("Foreign", "x")


def same(a, b):
    """Whether b is what should come back for a."""
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
    "Minima": lambda: bumpiness.local_minima(np.random.default_rng(0).normal(size=(9, 9)), 1e-7),
    "no Minima": lambda: bumpiness.local_minima(np.zeros((3, 3))),
    "Run": a_run,
    "Run without a trajectory": lambda: a_run(trajectory=False),
    "Principal": lambda: directions.Principal(
        (params(), params(2.0)), np.array([0.9, 0.1]), np.zeros((5, 2)), np.arange(5.0)
    ),
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
    """Every result type in the kit, those that are yet to be written too."""
    rooms = [importlib.import_module(f"jaxcost.{room.name}") for room in pkgutil.iter_modules(jaxcost.__path__)]
    members = [
        value for room in rooms for value in vars(room).values() if getattr(value, "__module__", "") == room.__name__
    ]
    return [kind for kind in members if inspect.isclass(kind) and issubclass(kind, tuple)]


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_result_type_of_the_kit_comes_back(path, kind):
    value = kind(*({"field": np.arange(i), "of": (i, None)} for i, _ in enumerate(kind._fields)))
    assert same(value, through_a_file(path, value))


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


@pytest.mark.parametrize("dtype", ["bfloat16", "float8_e4m3fn", "float8_e5m2", "int4"])
def test_numbers_that_numpy_does_not_know_come_back_or_are_refused(path, dtype):
    array = jnp.array([1, 2, -3], dtype)
    try:
        results.save(path, {"a": array})
    except TypeError as error:
        assert f"result/a is an array of {dtype}" in str(error)  # noqa: PT017
    else:
        assert same(array, results.load(path)["a"])


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


UNSAVEABLE = [
    (
        "a function",
        lambda: {"a": [1, {"b": len}]},
        r"^result/a/1/b is a builtin_function_or_method, expected",
    ),
    (
        "a key",
        lambda: params()._replace(b=jax.random.key(0)),
        r"^result/b is an array of key<fry>, .*save a seed",
    ),
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
        "a foreign NamedTuple",
        lambda: {"x": Foreign(1)},
        "^result/x is a Foreign, expected a result of this kit",
    ),
    ("keys that are no strings", lambda: {"x": {1: 2}}, r"^result/x has the keys \[1\], expected strings"),
    ("a set", lambda: {"x": {1, 2}}, "^result/x is a set, expected"),
    ("a complex number", lambda: [1j], "^result/0 is a complex, expected"),
    (
        "images",
        lambda: {"images": data.Images(np.ones((1, 2)), np.ones((1, 1)))},
        "^result/images is a Images",
    ),
    ("a type", lambda: [slices.Slice], "^result/0 is a type"),
]


@pytest.mark.parametrize(("make", "message"), [case[1:] for case in UNSAVEABLE], ids=[c[0] for c in UNSAVEABLE])
def test_what_cannot_be_saved_is_named_by_its_place_and_nothing_is_written(path, make, message):
    with pytest.raises(TypeError, match=message):
        results.save(path, make())
    assert not list(path.parent.iterdir())


def test_settings_that_are_no_plain_values_are_refused_and_nothing_is_written(path):
    with pytest.raises(TypeError):
        results.save(path, 1, settings={"loss": cost.quadratic})
    assert not list(path.parent.iterdir())


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
        with pytest.raises(OSError, match="too large"):
            results.save(path, {"a": "new", "noise": noise})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    results.save(path, {"a": "new", "noise": noise})  # as it would have been
    assert path.stat().st_size > 400_000


def test_a_save_replaces_the_old_file(path):
    results.save(path, {"a": "old"})
    assert through_a_file(path, {"a": "new"}) == {"a": "new"}
    assert list(path.parent.iterdir()) == [path]


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
    ("a zip of no arrays", zip_of_text, ValueError, NOT_OURS + "no such text"),
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
        typed("jaxcost.slices.Slice", ["axes"]),
        ValueError,
        "jaxcost.slices.Slice has the fields .*axes",
    ),
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
    [(case[1], case[2]) for case in BAD if case[3].startswith(("expected a result file", NOT_OURS, NO_NPZ))],
)
def test_a_bad_file_has_no_provenance(path, make, error):
    make(path)
    with pytest.raises(error, match="expected"):
        results.provenance(path)


def test_loading_a_file_imports_nothing_from_beside_it(path, monkeypatch):
    (path.parent / "jaxcost_evil.py").write_text("raise SystemExit('imported')")
    (path.parent / "evil.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(path.parent)
    for name in ("evil.X", "jaxcost_evil.X", "jaxcost.evil.X"):
        typed(name)(path)
        with pytest.raises(ValueError, match=NO_TYPE + name):
            results.load(path)


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
