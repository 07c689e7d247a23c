"""Images and their desired outputs: arrays of one's own, the embedded digits, any set of four IDX files, MNIST.

Every file is checked against its own header before anything is returned; nothing is loaded in part.
"""

import gzip
import hashlib
import math
import os
import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks
from jaxcost.engine import idx

DEFLATE = 1032  # the most bytes that one gzipped byte can unpack to (zlib, "Maximum Compression Factor")
LIMIT = 1 << 31  # bytes; no set of four IDX files that we know holds a quarter of this
MIRRORS = (
    "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "https://ossci-datasets.s3.amazonaws.com/mnist/",
)
MNIST = {  # SHA-256 of the unpacked bytes; a .gz depends on who packed it
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class Images:
    """Images and their desired outputs, a pytree.

    Attributes:
        x: float32 `[n, 784]`, pixels in [0, 1], 0 background; or any `[n, ...]` that a user's model reads.
        y: float32 `[n, 10]`, the desired outputs, one-hot; or any `[n, ...]` that a user's loss reads.

    Example:
        >>> train, held_out = digits()
        >>> train.x.shape, train.y.shape, len(held_out)
        ((8000, 784), (8000, 10), 2000)
        >>> len(train[:100])
        100
    """

    x: jax.Array
    y: jax.Array

    def __len__(self) -> int:
        return len(jax.tree.leaves(self)[0])

    def __getitem__(self, which) -> "Images":
        """The chosen images, as `Images`; `which` is a slice, a mask or an array of indices, negative from the end.

        Raises:
            TypeError: it is one number.
            ValueError: it is none of these, or an index is out of range, which jax takes for another one.
        """
        which = checks.chosen(which, len(self), "images")
        return jax.tree.map(lambda leaf: leaf[which], self)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of shapes, types and bytes: two sets with the same fingerprint are the same set."""
        digest = hashlib.sha256()
        for array in (np.asarray(self.x), np.asarray(self.y)):
            digest.update(f"{array.dtype}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array))
        return digest.hexdigest()


def images(x, y, classes=None, *, flat=False) -> Images:
    """Images of one's own arrays, checked.

    Args:
        x: `[n, ...]`: bytes, pixels grey `[n, h, w]` or in colour `[n, h, w, 3]`, become float32 in [0, 1], x / 255;
            all else stays as it is, floats and the whole numbers of a sequence `[n, T]`.
        y: `[n, ...]`: desired outputs, or whole labels.
        classes: None to leave labels as they are; or how many there are: labels become one-hot, `[n, ..., classes]`, as
            the losses of this kit want them.
        flat: lay each image out as one row, `[n, pixels]`, as the network of this kit reads them.

    Returns:
        `Images`.

    Raises:
        ValueError: they are no arrays of numbers, are not as many, none, or not finite; or a label is not a whole
            number, is negative or not below `classes`.

    Example:
        >>> colour = np.full((2, 4, 4, 3), 255, np.uint8)
        >>> made = images(colour, [3, 7], classes=10, flat=True)
        >>> made.x.shape, float(made.x.max()), made.y.shape
        ((2, 48), 1.0, (2, 10))
    """
    flat, x, y = checks.flag("flat", flat), _array("x", x), _array("y", y)
    if len(x) != len(y):
        raise ValueError(f"x {list(x.shape)} and y {list(y.shape)}, expected as many images as desired outputs")
    if x.dtype == np.uint8:
        x = x.astype(np.float32) / np.float32(255)
    y = one_hot(y, classes) if classes is not None else y.astype(np.int32) if y.dtype.kind in "bu" else y
    return Images(jnp.asarray(x.reshape(len(x), -1) if flat else x), jnp.asarray(y))


def _array(name, value):
    """Finite real numbers as a numpy array with an axis of images."""
    if not hasattr(value, "dtype"):
        checks.numbers(name, value)
        value = np.asarray(value)
    found = np.asarray(checks.real(name, value))
    if not found.ndim or not found.size:
        raise ValueError(f"{name} of shape {list(found.shape)}, expected [n, ...], one image or more")
    bad = 0 if found.dtype.kind in "biu" else np.sum(~np.isfinite(found))
    if bad:
        raise ValueError(f"{name} of shape {list(found.shape)}, {bad} not finite; expected all finite")
    return found


def one_hot(labels, classes=10) -> jax.Array:
    """Desired outputs: a 1 at the label and 0 elsewhere, float32 `[n, classes]`.

    Raises:
        ValueError: labels are not integers, or one is negative or not below `classes`.

    Example:
        >>> one_hot([3], classes=5).tolist()
        [[0.0, 0.0, 0.0, 1.0, 0.0]]
    """
    classes = checks.whole("classes", classes, 1, checks.MOST)
    checks.numbers("labels", labels)
    labels = np.asarray(labels)
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"labels are {labels.dtype}, expected integers")
    if labels.size and not 0 <= labels.min() <= labels.max() < classes:
        raise ValueError(f"labels lie in {labels.min()} to {labels.max()}, expected 0 to {classes - 1}")
    return jnp.asarray(labels[..., None] == np.arange(classes), jnp.float32)


def labels(y) -> jax.Array:
    """The class of each image, of labels `[n]` as they are, or of one-hot `[n, classes]`.

    Raises:
        ValueError: y is neither.

    Example:
        >>> labels(one_hot([3, 7])).tolist()
        [3, 7]
    """
    checks.classes(y)
    return y if y.ndim == 1 else y.argmax(-1)


def read_idx(path, ndim, sha256=None) -> np.ndarray:
    """Read one IDX file of unsigned bytes, gzipped or plain (told by its first bytes, not its name).

    The file is four bytes 0, 0, 8 (unsigned byte) and the number of axes, then each axis' length as a
    big-endian 32-bit integer, then exactly the product of the lengths in bytes. Never unpacks more than
    its header promises, nor trusts a promise that the file is too small to hold.

    Args:
        path: the file.
        ndim: number of axes expected: 3 for images, 1 for labels.
        sha256: expected SHA-256 of the unpacked bytes, or None.

    Returns:
        A uint8 numpy array.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not what is expected; the message names it, what was expected and what
            was found.
    """
    path, ndim = checks.path("path", path), checks.whole("ndim", ndim, 1, 255)
    if not isinstance(sha256, str | None):
        raise ValueError(f"sha256={checks.shown(sha256)}, expected text or None")
    if path.is_dir():
        raise ValueError(f"{path}: expected an IDX file, found a directory")
    if not path.exists():
        raise FileNotFoundError(f"{path}: expected an IDX file, found nothing")
    with path.open("rb") as file:
        gzipped = file.read(2) == b"\x1f\x8b"
    room = min(LIMIT, path.stat().st_size * (DEFLATE if gzipped else 1))
    try:
        with gzip.open(path) if gzipped else path.open("rb") as file:
            header = file.read(4 + 4 * ndim)
            shape = idx.shape(path, header, ndim, room)
            body = file.read(math.prod(shape) + 1)  # the byte too many also makes gzip check its sum
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ValueError(f"{path}: expected a whole gzip file, found a damaged one ({error})") from error
    if len(body) != math.prod(shape):
        found = "more" if len(body) > math.prod(shape) else f"{len(body):,}"
        raise ValueError(f"{path}: expected {math.prod(shape):,} bytes after the header, found {found}")
    if sha256 is not None and (found := hashlib.sha256(header + body).hexdigest()) != sha256:
        raise ValueError(f"{path}: expected SHA-256 {sha256} of the unpacked bytes, found {found}")
    return np.frombuffer(body, np.uint8).reshape(shape)


def load(folder, classes=10) -> tuple[Images, Images]:
    """Load any data set in the four-file IDX form: MNIST, Fashion-MNIST, KMNIST and others.

    Args:
        folder: holds `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-images-idx3-ubyte` and
            `t10k-labels-idx1-ubyte`, each plain or with the ending .gz; the plain file is preferred.
        classes: labels lie below this.

    Returns:
        `(train, test)`, two `Images`.

    Raises:
        FileNotFoundError: the folder or one of its files is missing.
        ValueError: a file is malformed, or two files do not belong together.
    """
    return _load(checks.path("folder", folder), "train", "t10k", checks.whole("classes", classes))


def digits() -> tuple[Images, Images]:
    """The handwritten digits inside the package, no network needed.

    They are the first 10,000 training images of MNIST, split here: the second part is *held out*, and is
    not MNIST's test set. Origin and licence: `digits/NOTICE.md`.

    Returns:
        `(train, held_out)`, `Images` of 8,000 and 2,000, each class in both in the same proportion.

    Example:
        >>> train, held_out = digits()
        >>> train.y.sum(0).astype(int).tolist()
        [801, 902, 793, 826, 784, 690, 811, 856, 755, 782]
    """
    with resources.as_file(resources.files("jaxcost") / "digits") as folder:
        return _load(folder, "train", "held-out")


def mnist(folder=None, *, mirrors=MIRRORS, timeout=30.0) -> tuple[Images, Images]:
    """MNIST, 60,000 training and 10,000 test images, its bytes verified.

    Looks in `folder` if it is given; else in the folder that the environment variable `JAXCOST_MNIST`
    names, if set; else in the cache, `$XDG_CACHE_HOME/jaxcost/mnist`, downloading there what is missing.

    Args:
        folder: holds the four files.
        mirrors: addresses of folders of the four files as .gz, tried in order.
        timeout: seconds to wait for a mirror.

    Returns:
        `(train, test)`, two `Images`.

    Raises:
        FileNotFoundError: a named folder lacks a file.
        ValueError: a file is not MNIST's.
        ConnectionError: no mirror gave a file that is MNIST's.
    """
    timeout = checks.number("timeout", timeout, 0, above=True)
    if not isinstance(mirrors, tuple | list) or not all(isinstance(mirror, str) for mirror in mirrors):
        raise ValueError(f"mirrors={checks.shown(mirrors)}, expected a list of addresses")
    folder = os.environ.get("JAXCOST_MNIST") if folder is None else checks.path("folder", folder)
    if not folder:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "jaxcost" / "mnist"
        for name in MNIST:
            if not (folder / f"{name}.gz").exists():
                is_it = lambda path, name=name: read_idx(path, 3 if "idx3" in name else 1, MNIST[name])
                idx.fetched(f"{name}.gz", folder, mirrors, timeout, is_it)
    return _load(folder, "train", "t10k", sums=MNIST)


def _load(folder, train, test, classes=10, sums=None):
    parts, sizes = zip(*(_pair(Path(folder), part, classes, sums or {}) for part in (train, test)), strict=True)
    if sizes[0] != sizes[1]:
        raise ValueError(f"{folder}: expected two parts of one image size, found {sizes[0]} and {sizes[1]} pixels")
    return parts


def _pair(folder, part, classes, sums):
    """The images and labels of one part, as `Images`."""
    names = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
    paths = [idx.found(folder, name) for name in names]
    pixels, labels = (
        read_idx(path, ndim, sums.get(name)) for path, name, ndim in zip(paths, names, (3, 1), strict=True)
    )
    if len(pixels) != len(labels):
        raise ValueError(f"{paths[1]}: expected {len(pixels):,} labels, one an image, found {len(labels):,}")
    if labels.max() >= classes:
        raise ValueError(f"{paths[1]}: expected labels 0 to {classes - 1}, found {labels.max()}")
    x = pixels.reshape(len(pixels), -1).astype(np.float32) / np.float32(255)
    return Images(jnp.asarray(x), one_hot(labels, classes)), pixels.shape[1:]
