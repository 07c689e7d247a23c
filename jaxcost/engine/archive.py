"""An .npz of arrays: written whole or not at all, as any other file, and read without trusting it.

A file may be cut off, damaged, or made by someone else. What it says of itself is checked before memory is taken for
it: that each member is an array, alone of its name, of a type without objects; and that its shape fits the bytes
that it has, and these the bytes of the file.
"""

import ast
import contextlib
import glob
import math
import os
import secrets
import zipfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from jaxcost import checks

try:
    import fcntl
except ImportError:  # Windows: what a killed process leaves behind stays there
    fcntl = None

HEADER = 10_000  # characters of an array's header at most, as numpy has it
DEFLATED = 1_032  # bytes that one byte of zip's compression can stand for at most
LARGEST = {"U": (4, 0x10FFFF), "b": (1, 1)}  # bytes of a letter, of a truth value, and the largest number in them
PART = 1 << 20  # bytes read together


def npz_path(name, value) -> Path:
    """A path that ends in .npz.

    Raises:
        ValueError: it is none, or does not end so.

    Example:
        >>> npz_path("resume_file", "points.txt")
        Traceback (most recent call last):
        ...
        ValueError: points.txt: expected a name that ends in .npz
    """
    path = checks.path(name, value)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: expected a name that ends in .npz")
    return path


def write(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Write arrays: to another name first, then renamed. What a killed process left of this path is removed.

    Raises:
        OSError: it failed; names the path, the number of bytes and the reason. The old file is as it was.
    """
    size = sum(array.nbytes for array in arrays.values())
    _whole(path, lambda file: np.savez_compressed(file, **arrays), f"{size:,} bytes before compression")


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file of any other form, likewise.

    Raises:
        OSError: likewise.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "new" / "plane.csv"
        >>> write_bytes(path, b"alpha,C"), path.read_bytes()
        (None, b'alpha,C')
    """
    _whole(path, lambda file: file.write(content), f"{len(content):,} bytes")


def read(path: Path, only: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The arrays of a file by their names.

    Args:
        path: the file.
        only: names of those that are wanted, if they are there; None for all.

    Raises:
        FileNotFoundError: there is no such file.
        PermissionError: it must not be read.
        ValueError: it is no .npz of arrays without objects, whole and undamaged; names what is wrong.
    """
    if not path.is_file():
        there = "a folder" if path.is_dir() else "no file" if path.exists() else "nothing"
        raise FileNotFoundError(f"{path}: expected a result file, found {there}")
    with path.open("rb") as file:
        try:
            return _read(file, None if only is None else set(only))
        except Exception as error:  # whatever the readers of zip and of numpy make of bytes that they do not expect
            found = str(error) or type(error).__name__
            raise ValueError(f"{path}: expected an .npz without pickle, found something else ({found})") from error


# -- writing --------------------------------------------------------------------------------------------


def _whole(path, fill, told):
    """Write a file by `fill(file)`, to another name first, then renamed; `told` is what is to be written."""
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_left_behind(path)
        with _claimed(part):
            with part.open("wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
    except OSError as error:
        why = f"{path}: expected to write {told}, found: {error.strerror or error}"
        raise OSError(*([error.errno] if error.errno else []), why) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


@contextlib.contextmanager
def _claimed(part):
    """Hold a file while it is written, so that nobody takes it for one that was left behind."""
    claimed = False
    while not claimed:
        with part.open("xb") as held:
            if fcntl is None:
                held.close()
            else:
                with contextlib.suppress(OSError):  # a file system without locks
                    fcntl.flock(held, fcntl.LOCK_EX)
            claimed = fcntl is None or os.fstat(held.fileno()).st_nlink > 0  # or it was removed before it was locked
            if claimed:
                yield


def _remove_left_behind(path):
    """Remove the unfinished files of this path that nobody writes to any more: a lock ends with its process."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.*.part") if fcntl else ():
        with contextlib.suppress(OSError), part.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()


# -- reading --------------------------------------------------------------------------------------------


def _read(file, only):
    with zipfile.ZipFile(file) as archive:
        members, size = archive.infolist(), os.fstat(file.fileno()).st_size
        names = [member.filename for member in members]
        if len(set(names)) < len(names) or not all(name.endswith(".npy") for name in names):
            raise ValueError(f"members {checks.shown(names)}, expected arrays, each of a name of its own")
        if sum(member.compress_size for member in members) > size:
            raise ValueError(f"members of more than the {size:,} bytes of the file")
        wanted = [member for member in members if only is None or member.filename[:-4] in only]
        return {member.filename[:-4]: _array(archive, member) for member in wanted}


def _array(archive, member):
    """One array, if it is what its header says; no memory is taken for what the file cannot hold."""
    if member.file_size > DEFLATED * member.compress_size:
        raise ValueError(f"{member.filename} of {member.file_size:,} bytes in {member.compress_size:,}")
    with archive.open(member) as stream:
        dtype, order, shape, length = _header(stream)
        bytes_ = dtype.itemsize * math.prod(shape)
        if length + bytes_ != member.file_size:
            found = f"{member.file_size - length:,} bytes for {dtype}{list(shape)}"
            raise ValueError(f"{member.filename} has {checks.shown(found)}, expected {bytes_:,}")
        array = np.empty(shape, dtype, order)
        into = array.reshape(-1, order="A").view(np.uint8)
        for start in range(0, bytes_, PART):
            here = into[start : start + PART]
            part = np.frombuffer(stream.read(len(here)), np.uint8)
            if len(part) < len(here):  # one byte alone would fill all of it
                raise ValueError(f"{member.filename} ends after {start + len(part):,} bytes, expected {bytes_:,}")
            here[:] = part
        if dtype.kind in LARGEST:
            width, largest = LARGEST[dtype.kind]
            if (into.view(f"{dtype.byteorder}u{width}") > largest).any():
                raise ValueError(f"{member.filename} has bytes that are no {dtype}")
        return array


def _header(stream):
    """Type, order and shape of an array, and the length of the header that tells them."""
    version = np.lib.format.read_magic(stream)
    width, encoding = {(1, 0): (2, "latin1"), (2, 0): (4, "latin1"), (3, 0): (4, "utf8")}[version]
    length = int.from_bytes(stream.read(width), "little")
    if length > HEADER:
        raise ValueError(f"a header of {length:,} characters, expected at most {HEADER:,}")
    told = ast.literal_eval(stream.read(length).decode(encoding))
    if not isinstance(told, dict) or set(told) != {"descr", "fortran_order", "shape"}:
        raise ValueError(f"a header {checks.shown(told)}, expected descr, fortran_order and shape")
    dtype, order, shape = np.lib.format.descr_to_dtype(told["descr"]), told["fortran_order"], told["shape"]
    if dtype.hasobject or not dtype.itemsize or dtype.subdtype:
        raise ValueError(f"an array of {dtype}, expected numbers, truth values or text")
    if type(order) is not bool or type(shape) is not tuple or not all(type(n) is int and n >= 0 for n in shape):
        raise ValueError(f"fortran_order {checks.shown(order)} and shape {checks.shown(shape)}, expected an array's")
    return dtype, "F" if order else "C", shape, np.lib.format.MAGIC_LEN + width + length
