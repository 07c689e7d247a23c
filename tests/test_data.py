"""The embedded digits, IDX files good and bad, and MNIST from a folder, a cache or a mirror."""

import contextlib
import gzip
import hashlib
import http.server
import re
import socketserver
import struct
import threading
import tracemalloc
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import data

TRAIN_X, TRAIN_Y = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_X, TEST_Y = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
PIXELS = {TRAIN_X: np.arange(120).reshape(6, 4, 5), TEST_X: np.arange(196, 256).reshape(3, 4, 5)}
LABELS = {TRAIN_Y: np.array([3, 1, 4, 1, 5, 9]), TEST_Y: np.array([2, 6, 5])}
ARRAYS = {name: (PIXELS | LABELS)[name] for name in (TRAIN_X, TRAIN_Y, TEST_X, TEST_Y)}


def header(*lengths):
    return struct.pack(f">4B{len(lengths)}I", 0, 0, 8, len(lengths), *lengths)


def idx(array):
    array = np.asarray(array, np.uint8)
    return header(*array.shape) + array.tobytes()


GOOD = {name: idx(array) for name, array in ARRAYS.items()}
SUMS = {name: hashlib.sha256(raw).hexdigest() for name, raw in GOOD.items()}


def write(folder, files=GOOD, pack=False):
    folder.mkdir(exist_ok=True)
    for name, raw in files.items():
        (folder / (f"{name}.gz" if pack else name)).write_bytes(gzip.compress(raw) if pack else raw)
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def assert_good(parts):
    for images, x, y in zip(parts, PIXELS.values(), LABELS.values(), strict=True):
        np.testing.assert_allclose(images.x, x.reshape(len(x), -1) / 255, rtol=1e-7)
        assert (np.argmax(images.y, 1) == y).all()


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "set")


# the embedded digits


@pytest.fixture(scope="module")
def digits():
    return data.digits()


@pytest.mark.parametrize(("part", "n"), [(0, 8000), (1, 2000)])
def test_digits_are_float32_rows_of_bytes_over_255_with_one_hot_labels(digits, part, n):
    x, y = np.asarray(digits[part].x), np.asarray(digits[part].y)
    assert (x.shape, x.dtype, y.shape, y.dtype) == ((n, 784), np.float32, (n, 10), np.float32)
    assert (x.min(), x.max()) == (0, 1)
    grey = x.astype(np.float64) * 255
    assert np.abs(grey - np.rint(grey)).max() < 1e-4
    assert (np.sort(y, 1) == np.eye(10)[9]).all()  # nine 0 and a 1 in each row


@pytest.mark.parametrize(
    ("part", "counts"),
    [
        (0, [801, 902, 793, 826, 784, 690, 811, 856, 755, 782]),
        (1, [200, 225, 198, 206, 196, 173, 203, 214, 189, 196]),
    ],
)
def test_digits_hold_these_numbers_of_each_class(digits, part, counts):
    assert np.asarray(digits[part].y).sum(0).tolist() == counts


def test_no_digit_occurs_twice_in_either_part_or_in_both(digits):
    assert len({row.tobytes() for part in digits for row in np.asarray(part.x)}) == 10_000


@pytest.mark.parametrize("part", [0, 1])
def test_every_prefix_of_the_digits_holds_each_class_in_proportion_to_within_one_image(digits, part):
    y = np.asarray(digits[part].y, np.float64)
    in_proportion = np.arange(1, len(y) + 1)[:, None] * y.mean(0)
    assert np.abs(y.cumsum(0) - in_proportion).max() < 1


def test_every_digit_is_one_of_the_first_10000_training_images_of_mnist(digits, mnist_folder):
    def unpacked(name):
        plain = mnist_folder / name
        return plain.read_bytes() if plain.exists() else gzip.decompress((mnist_folder / f"{name}.gz").read_bytes())

    rows = np.frombuffer(unpacked(TRAIN_X), np.uint8, offset=16).reshape(-1, 784)[:10_000]
    labels = np.frombuffer(unpacked(TRAIN_Y), np.uint8, offset=8)[:10_000]
    ours = [
        (np.rint(row * 255).astype(np.uint8).tobytes(), label)
        for part in digits
        for row, label in zip(np.asarray(part.x), np.argmax(part.y, 1).tolist(), strict=True)
    ]
    assert sorted(ours) == sorted((row.tobytes(), label) for row, label in zip(rows, labels.tolist(), strict=True))


# fingerprints


def test_the_fingerprints_of_the_digits_never_change(digits):
    assert [part.fingerprint for part in digits] == [
        "90f7fd4282e671348a543fc4e728bc9d7b73a80ff365321df9f9e7ebf590313e",
        "7186d6d4587e4b1ab96a1ecdaaf420e55a18e2388e3829aebe4df918ee3a2b01",
    ]
    assert [part.fingerprint for part in data.digits()] == [part.fingerprint for part in digits]


@pytest.mark.parametrize(
    "change",
    [
        lambda x, y: (x.at[1, 2].add(2**-20), y),
        lambda x, y: (x, y.at[1].set(y[0])),
        lambda x, y: (x[::-1], y[::-1]),
        lambda x, y: (x[:-1], y[:-1]),
        lambda x, y: (x.reshape(3, 2, 2), y),
        lambda x, y: (x.astype(jnp.float16), y),
        lambda x, y: (y, x),
    ],
    ids=["a pixel", "a label", "the order", "the number", "the shape", "the type", "the roles"],
)
def test_the_fingerprint_changes_with(change):
    x, y = jnp.arange(12.0).reshape(3, 4) / 16, jnp.eye(3)
    assert data.Images(*change(x, y)).fingerprint != data.Images(x, y).fingerprint
    assert data.Images(x + 0, y + 0).fingerprint == data.Images(x, y).fingerprint


# Images, one_hot and labels


@pytest.mark.parametrize("which", [slice(1, 4), slice(None, None, 2), np.array([4, 0]), np.arange(6) % 3 == 0])
def test_a_choice_of_images_is_images_with_their_own_labels(folder, which):
    train, _ = data.load(folder)
    chosen = train[which]
    assert isinstance(chosen, data.Images)
    assert len(chosen) == len(PIXELS[TRAIN_X][which])
    np.testing.assert_array_equal(chosen.x, np.asarray(train.x)[which])
    assert (np.argmax(chosen.y, 1) == LABELS[TRAIN_Y][which]).all()


@pytest.mark.parametrize("index", [0, -1, np.int64(3)])
def test_one_index_is_no_choice_of_images(folder, index):
    train, _ = data.load(folder)
    with pytest.raises(TypeError, match=rf"one of {len(train)} and no set of them, expected images\[\[{index}\]\]"):
        train[index]


@pytest.mark.parametrize(
    "which",
    [[0, 3], [-1, 0], [], np.array([5]), np.s_[:2], np.s_[::-2], np.s_[9:], [True] + 5 * [False], np.arange(6) > 3],
)
def test_images_are_chosen_as_numpy_chooses(folder, which):
    train, _ = data.load(folder)
    x, y = np.asarray(train.x), np.asarray(train.y)
    for given in (which, jnp.asarray(which)) if isinstance(which, np.ndarray) else (which,):
        found = train[given]
        np.testing.assert_array_equal(found.x, x[which])
        np.testing.assert_array_equal(found.y, y[which])


@pytest.mark.parametrize(
    "which", [[6], [-7], np.array([0, 99]), [True] * 5, np.ones(7, bool), [0.0], "text", None, [[0]], True, np.s_[:1.5]]
)
def test_no_index_is_taken_for_another(folder, which):
    train, _ = data.load(folder)
    with pytest.raises(ValueError, match=r"images\[.*\] of 6, expected a slice, a mask \[6\] or .* from -6 to 5"):
        train[which]
    if isinstance(which, np.ndarray):
        with pytest.raises(ValueError, match="of 6, expected a slice"):
            train[jnp.asarray(which)]


@pytest.mark.parametrize(
    "y",
    [
        np.full((2, 3), 1 / 3),
        np.ones((2, 3)),
        np.zeros((2, 3)),
        2 * np.eye(3),
        np.where(np.eye(3), 1, np.nan),
        [0.0, 1.0],
        3,
    ],
)
def test_desired_outputs_that_are_no_classes_have_no_labels(y):
    with pytest.raises(ValueError, match=r"expected one-hot \[n, classes\] or whole labels \[n\]"):
        data.labels(jnp.asarray(y))


def test_images_are_a_pytree_of_x_and_y(folder):
    train, _ = data.load(folder)
    x, y = jax.tree.leaves(train)
    assert x is train.x
    assert y is train.y
    doubled = jax.jit(lambda images: jax.tree.map(lambda leaf: 2 * leaf, images))(train)
    assert isinstance(doubled, data.Images)
    np.testing.assert_array_equal(doubled.x, 2 * train.x)


@pytest.mark.parametrize("labels", [[3], [0, 4, 2, 2], np.arange(5, dtype=np.uint8), np.zeros(0, int)])
def test_one_hot_is_a_row_of_the_unit_matrix_for_each_label(labels):
    y = data.one_hot(labels, classes=5)
    assert y.dtype == jnp.float32
    np.testing.assert_array_equal(y, [[float(j == label) for j in range(5)] for label in labels] or np.zeros((0, 5)))


@pytest.mark.parametrize(
    ("labels", "classes", "message"),
    [
        ([-1, 3], 10, "lie in -1 to 3, expected 0 to 9"),
        ([0, 10], 10, "lie in 0 to 10, expected 0 to 9"),
        ([5], 5, "lie in 5 to 5, expected 0 to 4"),
    ],
)
def test_one_hot_refuses_a_label_outside_the_classes(labels, classes, message):
    with pytest.raises(ValueError, match=message):
        data.one_hot(labels, classes)


@pytest.mark.parametrize("labels", [[3], [0, 4, 2, 2], np.arange(5, dtype=np.uint8)])
def test_labels_undo_one_hot_and_take_labels_as_they_are(labels):
    assert data.labels(data.one_hot(labels, classes=5)).tolist() == list(labels)
    assert data.labels(np.asarray(labels)).tolist() == list(labels)
    assert data.labels(jnp.asarray(labels)).tolist() == list(labels)


# four good files


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "gzipped"])
def test_load_gives_bytes_over_255_and_labels(tmp_path, pack):
    train, test = data.load(write(tmp_path / "set", pack=pack))
    assert_good((train, test))
    assert (train.x.dtype, train.y.dtype, train.y.shape, test.y.shape) == (
        jnp.float32,
        jnp.float32,
        (6, 10),
        (3, 10),
    )


def test_load_takes_a_folder_as_text_and_any_number_of_classes(folder):
    train, test = data.load(str(folder), classes=12)
    assert_good((train, test))
    assert (train.y.shape, test.y.shape) == ((6, 12), (3, 12))


def test_the_plain_file_is_preferred_to_the_gzipped(folder):
    write(folder, {name: idx(np.zeros_like(array)) for name, array in ARRAYS.items()}, pack=True)
    assert_good(data.load(folder))


def test_gzip_is_told_by_the_first_bytes_and_not_by_the_name(folder):
    (folder / TRAIN_X).write_bytes(gzip.compress(GOOD[TRAIN_X]))
    (folder / TRAIN_Y).rename(folder / f"{TRAIN_Y}.gz")
    assert_good(data.load(folder))


# malformed files


def put(name, raw):
    """What takes a folder of four good files and puts other bytes in the place of one."""
    return lambda folder: (folder / name).write_bytes(raw)


def put_gz(name, raw):
    """The same with a .gz in the place of the plain file."""

    def build(folder):
        (folder / name).unlink()
        (folder / f"{name}.gz").write_bytes(raw)

    return build


def emptied(folder):
    for name in GOOD:
        (folder / name).unlink()


def missing(folder):
    emptied(folder)
    folder.rmdir()


def replaced_by_a_file(folder):
    missing(folder)
    folder.write_bytes(GOOD[TRAIN_X])


def replaced_by_a_directory(folder):
    (folder / TRAIN_X).unlink()
    (folder / TRAIN_X).mkdir()


X, GZ = GOOD[TRAIN_X], gzip.compress(GOOD[TRAIN_X], mtime=0)
IS_DAMAGED = r"train-images-idx3-ubyte\.gz: expected a whole gzip file, found a damaged one \(.+\)"
MOST = r"train-images-idx3-ubyte(\.gz)?: expected lengths whose product is at most [\d,]+, .*, "
PAGE = b"<!doctype html><title>404 Not Found</title>"

# what is wrong, how to make it, the exception, what the message says after the folder
MALFORMED = [
    (
        "images with the magic number of floats",
        put(TRAIN_X, X[:2] + b"\x0d" + X[3:]),
        ValueError,
        "train-images-idx3-ubyte: expected the magic number 00000803, found 00000d03",
    ),
    (
        "images where labels should be",
        put(TRAIN_Y, X),
        ValueError,
        "train-labels-idx1-ubyte: expected the magic number 00000801, found 00000803",
    ),
    (
        "a text file",
        put(TRAIN_X, PAGE),
        ValueError,
        "train-images-idx3-ubyte: expected the magic number 00000803, found 3c21646f",
    ),
    (
        "an empty file",
        put(TRAIN_X, b""),
        ValueError,
        "train-images-idx3-ubyte: expected a header of 16 bytes, found 0 bytes in all",
    ),
    (
        "a short header",
        put(TRAIN_X, X[:10]),
        ValueError,
        "train-images-idx3-ubyte: expected a header of 16 bytes, found 10 bytes in all",
    ),
    (
        "a file short of one byte",
        put(TRAIN_X, X[:-1]),
        ValueError,
        "train-images-idx3-ubyte: expected 120 bytes after the header, found 119",
    ),
    (
        "a file of one byte too many",
        put(TRAIN_X, X + b"\0"),
        ValueError,
        "train-images-idx3-ubyte: expected 120 bytes after the header, found more",
    ),
    (
        "a gzipped file short of one byte",
        put_gz(TRAIN_X, gzip.compress(X[:-1])),
        ValueError,
        r"train-images-idx3-ubyte\.gz: expected 120 bytes after the header, found 119",
    ),
    (
        "fewer images in the header than in the file",
        put(TRAIN_X, header(5, 4, 5) + X[16:]),
        ValueError,
        "train-images-idx3-ubyte: expected 100 bytes after the header, found more",
    ),
    (
        "more images in the header than in the file",
        put(TRAIN_X, header(60_000, 28, 28) + X[16:]),
        ValueError,
        MOST + r"found \(60000, 28, 28\), a promise of 47,040,000 bytes",
    ),
    (
        "lengths whose product is 0 in 64 bits",
        put(TRAIN_X, header(2**31, 2**31, 4) + X[16:]),
        ValueError,
        MOST + r"found \(2147483648, 2147483648, 4\), a promise of 18,446,744,073,709,551,616 bytes",
    ),
    (
        "no images",
        put(TRAIN_X, header(0, 4, 5)),
        ValueError,
        r"train-images-idx3-ubyte: expected at least one element, found the lengths \(0, 4, 5\)",
    ),
    (
        "images of no pixels",
        put(TRAIN_X, header(6, 0, 5)),
        ValueError,
        r"train-images-idx3-ubyte: expected at least one element, found the lengths \(6, 0, 5\)",
    ),
    (
        "a label above 9",
        put(TRAIN_Y, idx([3, 1, 4, 1, 5, 10])),
        ValueError,
        "train-labels-idx1-ubyte: expected labels 0 to 9, found 10",
    ),
    (
        "fewer labels than images",
        put(TRAIN_Y, idx([3, 1, 4, 1, 5])),
        ValueError,
        "train-labels-idx1-ubyte: expected 6 labels, one an image, found 5",
    ),
    (
        "more labels than images",
        put(TRAIN_Y, idx([3, 1, 4, 1, 5, 9, 2])),
        ValueError,
        "train-labels-idx1-ubyte: expected 6 labels, one an image, found 7",
    ),
    (
        "test images of another size",
        put(TEST_X, idx(np.zeros((3, 2, 5)))),
        ValueError,
        ": expected two parts of one image size, found .+ and .+",
    ),
    (
        "test images of another shape with as many pixels",
        put(TEST_X, idx(np.zeros((3, 5, 4)))),
        ValueError,
        ": expected two parts of one image size, found .+ and .+",
    ),
    ("a gzip file cut in half", put_gz(TRAIN_X, GZ[: len(GZ) // 2]), ValueError, IS_DAMAGED),
    ("a gzip file short of one byte", put_gz(TRAIN_X, GZ[:-1]), ValueError, IS_DAMAGED),
    ("a gzip file of two bytes", put_gz(TRAIN_X, GZ[:2]), ValueError, IS_DAMAGED),
    (
        "a gzip file with a wrong CRC",
        put_gz(TRAIN_X, GZ[:-8] + bytes([GZ[-8] ^ 1]) + GZ[-7:]),
        ValueError,
        IS_DAMAGED,
    ),
    ("a gzip file whose stream is noise", put_gz(TRAIN_X, GZ[:10] + b"\xff" * 99), ValueError, IS_DAMAGED),
    ("a gzip file with text after its end", put_gz(TRAIN_X, GZ + PAGE), ValueError, IS_DAMAGED),
    (
        "a gzip bomb by its header, which promises 4 GiB",
        put_gz(TRAIN_X, gzip.compress(header(2**16, 2**8, 2**8))),
        ValueError,
        MOST + r"found \(65536, 256, 256\), a promise of 4,294,967,296 bytes",
    ),
    (
        "a gzip bomb by its content, 64 MiB behind an honest look",
        lambda folder: put_gz(TRAIN_X, gzip.compress(X + bytes(1 << 26)))(folder),
        ValueError,
        r"train-images-idx3-ubyte\.gz: expected 120 bytes after the header, found more",
    ),
    (
        "a directory where a file should be",
        replaced_by_a_directory,
        ValueError,
        "train-images-idx3-ubyte: expected an IDX file, found a directory",
    ),
    (
        "a folder that lacks one file",
        lambda folder: (folder / TEST_Y).unlink(),
        FileNotFoundError,
        r": expected t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte\.gz, found t10k-images-",
    ),
    (
        "an empty folder",
        emptied,
        FileNotFoundError,
        r": expected train-images-idx3-ubyte or train-images-idx3-ubyte\.gz, found an empty folder",
    ),
    ("no folder", missing, FileNotFoundError, ": expected a folder of four IDX files, found nothing"),
    (
        "a file where the folder should be",
        replaced_by_a_file,
        FileNotFoundError,
        ": expected a folder of four IDX files, found a file",
    ),
]


@pytest.mark.parametrize(("build", "error", "message"), [case[1:] for case in MALFORMED], ids=[c[0] for c in MALFORMED])
def test_a_malformed_set_is_refused_by_name_and_in_little_memory(folder, build, error, message):
    build(folder)
    tracemalloc.start()
    try:
        with pytest.raises(error, match=f"^{re.escape(str(folder))}/?{message}"):
            data.load(folder)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("classes", [5, 9])
def test_a_label_not_below_classes_is_refused(folder, classes):
    with pytest.raises(ValueError, match=f"{TRAIN_Y}: expected labels 0 to {classes - 1}, found 9"):
        data.load(folder, classes=classes)


def test_no_file_may_promise_more_than_the_limit(folder, monkeypatch):
    monkeypatch.setattr(data, "LIMIT", 119)
    with pytest.raises(ValueError, match=r"at most 119, .*, found \(6, 4, 5\), a promise of 120 bytes"):
        data.load(folder)


@pytest.mark.parametrize("pack", [False, True], ids=["plain", "gzipped"])
def test_the_sum_of_a_file_is_that_of_its_unpacked_bytes(tmp_path, pack):
    path = write(tmp_path / "set", pack=pack) / (f"{TRAIN_X}.gz" if pack else TRAIN_X)
    np.testing.assert_array_equal(data.read_idx(path, 3, SUMS[TRAIN_X]), PIXELS[TRAIN_X])
    with pytest.raises(ValueError, match=f"{path.name}: expected SHA-256 {SUMS[TRAIN_Y]} .*, found {SUMS[TRAIN_X]}"):
        data.read_idx(path, 3, SUMS[TRAIN_Y])


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: expected an IDX file, found nothing"):
        data.read_idx(tmp_path / "nowhere", 1)


# mnist: the real one


def test_mnist_is_60000_and_10000_verified_images(mnist_folder):
    loaded, verified = data.load(mnist_folder), data.mnist(mnist_folder)
    assert [len(part) for part in loaded] == [60_000, 10_000]
    for a, b in zip(loaded, verified, strict=True):
        assert jnp.array_equal(a.x, b.x)
        assert jnp.array_equal(a.y, b.y)


# mnist: a small stand-in of four files, looked for as the real ones are


@pytest.fixture
def cache(monkeypatch, tmp_path):
    """An empty cache, and sums that call the four good files MNIST."""
    monkeypatch.setattr(data, "MNIST", SUMS)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("JAXCOST_MNIST", raising=False)
    return tmp_path / "cache" / "jaxcost" / "mnist"


@pytest.fixture
def mirror(tmp_path):
    return write(tmp_path / "mirror", pack=True)


@contextlib.contextmanager
def serving(handler):
    """The address of a server on this machine."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def folder_over_http(folder, asked):
    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            asked.append(self.path)

    return serving(partial(Handler, directory=folder))


def same_reply_to_all(reply):
    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while self.rfile.readline().strip():
                pass
            self.wfile.write(reply)

    return serving(Handler)


ALL_GZ = sorted(f"{name}.gz" for name in GOOD)


def test_mnist_is_downloaded_once_verified_and_kept(cache, mirror):
    asked = []
    with folder_over_http(mirror, asked) as address:
        assert_good(data.mnist(mirrors=(address,)))
        assert sorted(asked) == [f"/{name}" for name in ALL_GZ]
        assert_good(data.mnist(mirrors=(address,)))
        assert len(asked) == 4
    assert_good(data.mnist(mirrors=(address,)))  # the server has gone
    assert names(cache) == ALL_GZ
    assert all((cache / name).read_bytes() == (mirror / name).read_bytes() for name in ALL_GZ)


def test_mnist_may_come_from_a_file_address(cache, mirror):
    assert_good(data.mnist(mirrors=(f"{mirror.as_uri()}/",)))
    assert names(cache) == ALL_GZ


def test_only_what_the_cache_lacks_is_downloaded(cache, mirror):
    data.mnist(mirrors=(f"{mirror.as_uri()}/",))
    (cache / f"{TEST_X}.gz").unlink()
    asked = []
    with folder_over_http(mirror, asked) as address:
        assert_good(data.mnist(mirrors=(address,)))
    assert asked == [f"/{TEST_X}.gz"]


def test_the_cache_is_in_the_home_folder_by_default(cache, mirror, monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    data.mnist(mirrors=(f"{mirror.as_uri()}/",))
    assert names(tmp_path / ".cache" / "jaxcost" / "mnist") == ALL_GZ


OTHER = gzip.compress(idx(PIXELS[TRAIN_X] + 1))
CORRUPTED = {
    "another set's file": OTHER,
    "half a gzip file": GZ[: len(GZ) // 2],
    "a web page": PAGE,
    "nothing": b"",
    "a bomb": gzip.compress(header(2**16, 2**8, 2**8)),
}


@pytest.mark.parametrize("raw", CORRUPTED.values(), ids=CORRUPTED)
def test_a_mirror_with_a_wrong_file_is_passed_over(cache, mirror, tmp_path, raw):
    wrong = write(tmp_path / "wrong", pack=True)
    (wrong / f"{TRAIN_X}.gz").write_bytes(raw)
    asked = []
    with folder_over_http(wrong, asked) as address:
        assert_good(data.mnist(mirrors=(address, f"{mirror.as_uri()}/")))
    assert f"/{TRAIN_X}.gz" in asked
    assert names(cache) == ALL_GZ
    assert (cache / f"{TRAIN_X}.gz").read_bytes() == (mirror / f"{TRAIN_X}.gz").read_bytes()


OK = b"HTTP/1.1 200 OK\r\n"
REPLIES = {
    "nothing": b"",
    "no HTTP": b"220 mail ready\r\n\r\n",
    "not found": b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n",
    "less than it said": OK + b"Content-Length: 9999\r\n\r\n" + GZ,
    "half a chunk": OK + b"Transfer-Encoding: chunked\r\n\r\nff\r\n" + GZ[:9],
    "itself as the way on": b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n",
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_a_mirror_is_passed_over_that_answers(cache, mirror, reply):
    with same_reply_to_all(reply) as address:
        assert_good(data.mnist(mirrors=(address, f"{mirror.as_uri()}/"), timeout=10))
    assert names(cache) == ALL_GZ


@pytest.mark.parametrize("address", ["http://127.0.0.1:1/", "file:///nowhere/", "nonsense/", "http://two words/"])
def test_a_mirror_is_passed_over_that_cannot_be_reached(cache, mirror, address):
    assert_good(data.mnist(mirrors=(address, f"{mirror.as_uri()}/"), timeout=10))
    assert names(cache) == ALL_GZ


def test_without_a_mirror_the_way_out_is_named_and_nothing_is_left(cache, tmp_path):
    wrong = write(tmp_path / "wrong", {name: PAGE for name in GOOD}, pack=True)
    mirrors = (f"{wrong.as_uri()}/", f"{tmp_path.as_uri()}/nowhere/")
    with pytest.raises(ConnectionError, match=f"could not download {TRAIN_X}.gz") as failed:
        data.mnist(mirrors=mirrors)
    message = str(failed.value)
    assert all(mirror in message for mirror in mirrors)
    assert "JAXCOST_MNIST" in message
    assert "digits()" in message
    assert names(cache) == []


def test_a_download_that_stops_half_way_leaves_only_verified_files(cache, mirror):
    (mirror / f"{TEST_X}.gz").write_bytes(OTHER)
    with pytest.raises(ConnectionError, match=f"could not download {TEST_X}.gz.*expected SHA-256"):
        data.mnist(mirrors=(f"{mirror.as_uri()}/",))
    for path in cache.iterdir():
        assert hashlib.sha256(gzip.decompress(path.read_bytes())).hexdigest() == SUMS[path.name.removesuffix(".gz")]
    assert names(cache) == [f"{TRAIN_X}.gz", f"{TRAIN_Y}.gz"]


def test_a_file_that_was_damaged_in_the_cache_is_refused(cache, mirror):
    data.mnist(mirrors=(f"{mirror.as_uri()}/",))
    (cache / f"{TRAIN_X}.gz").write_bytes(OTHER)
    with pytest.raises(ValueError, match=f"{TRAIN_X}.gz: expected SHA-256"):
        data.mnist(mirrors=(f"{mirror.as_uri()}/",))


def test_the_environment_names_a_folder_and_nothing_is_downloaded(cache, folder, monkeypatch):
    monkeypatch.setenv("JAXCOST_MNIST", str(folder))
    assert_good(data.mnist(mirrors=()))
    assert not cache.exists()
    (folder / TEST_Y).unlink()
    with pytest.raises(FileNotFoundError, match=f"{folder}: expected {TEST_Y}"):
        data.mnist()
    assert not cache.exists()


def test_a_folder_that_is_given_comes_before_the_environment(cache, folder, monkeypatch, tmp_path):
    monkeypatch.setenv("JAXCOST_MNIST", str(tmp_path / "nowhere"))
    assert_good(data.mnist(folder))
    with pytest.raises(FileNotFoundError, match="nowhere: expected a folder"):
        data.mnist()


@pytest.mark.parametrize("name", GOOD)
def test_a_folder_of_files_that_are_not_mnist_is_refused(cache, folder, name):
    (folder / name).write_bytes(idx(ARRAYS[name][::-1]))
    data.load(folder)  # a good set, but another
    with pytest.raises(ValueError, match=f"{name}: expected SHA-256 {SUMS[name]} of the unpacked bytes, found"):
        data.mnist(folder)


# arrays of one's own


def test_images_of_ones_own_are_the_same_numbers_in_the_right_types():
    random = np.random.default_rng(0)
    grey, colour = (random.integers(0, 256, shape, dtype=np.uint8) for shape in ((5, 4, 3), (5, 4, 4, 3)))
    for x in (grey, colour, jnp.asarray(colour)):
        made = data.images(x, np.arange(5), classes=6)
        assert made.x.dtype == made.y.dtype == jnp.float32
        np.testing.assert_allclose(made.x, np.asarray(x) / 255, rtol=1e-6)
        np.testing.assert_array_equal(made.y, np.eye(6)[:5])
    np.testing.assert_array_equal(
        data.images(grey, range(5), flat=True).x, data.images(grey, range(5)).x.reshape(5, 12)
    )
    tokens, labels = random.integers(0, 9, (5, 7)), random.integers(0, 3, (5, 7)).astype(np.uint8)
    made = data.images(tokens, labels)
    assert made.x.dtype == made.y.dtype == jnp.int32
    np.testing.assert_array_equal(made.x, tokens)
    np.testing.assert_array_equal(made.y, labels)
    assert data.images(tokens, labels, classes=3).y.shape == (5, 7, 3)
    floats = data.images(random.normal(size=(5, 2)), [0.5, 1.0, 2.0, 3.0, 4.0])
    assert floats.x.dtype == floats.y.dtype == jnp.float32


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"x": np.ones((4, 2))}, r"x \[4, 2\] and y \[3\], expected as many images as desired outputs"),
        ({"x": [[1.0, np.nan], [0.0, 0.0], [0.0, 0.0]]}, r"x of shape \[3, 2\], 1 not finite; expected all finite"),
        ({"x": np.ones((0, 2)), "y": []}, r"x of shape \[0, 2\], expected \[n, ...\], one image or more"),
        ({"x": np.ones((3, 2), complex)}, r"x=complex128\[3, 2\], expected real numbers"),
        ({"x": [["a"], ["b"], ["c"]]}, "x=.*, expected real numbers"),
        ({"x": [[1.0], [1.0, 2.0], [3.0]]}, "x=.*, expected real numbers"),
        ({"x": 3.0}, r"x of shape \[\], expected \[n, ...\]"),
        ({"y": [0.0, 1.0, 2.0], "classes": 3}, "labels are float64, expected integers"),
        ({"y": [0, 1, 3], "classes": 3}, "labels lie in 0 to 3, expected 0 to 2"),
        ({"y": [0, np.inf, 3.0]}, r"y of shape \[3\], 1 not finite"),
        ({"classes": 2.5}, "classes=2.5, expected a whole number"),
        ({"flat": 1}, "flat=1, expected True or False"),
    ],
)
def test_arrays_that_are_no_images_are_named(given, message):
    with pytest.raises(ValueError, match=message):
        data.images(**{"x": np.ones((3, 2), np.float32), "y": [0, 1, 2]} | given)
