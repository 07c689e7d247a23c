"""The header of an IDX file, checked; and a file fetched from the first of some mirrors that has the right one."""

import http.client
import math
import os
import struct
import urllib.request
from collections.abc import Callable
from pathlib import Path


def shape(path, header, ndim, room) -> tuple[int, ...]:
    """The lengths of the axes that the header promises, each checked.

    Args:
        path: of the file.
        header: its first 4 + 4 ndim bytes.
        ndim: number of axes expected.
        room: elements that the file can hold at most.

    Raises:
        ValueError: it is no header of such a file; says what was expected and what was found.
    """
    if len(header) < 4 + 4 * ndim:
        raise ValueError(f"{path}: expected a header of {4 + 4 * ndim} bytes, found {len(header)} bytes in all")
    magic = bytes([0, 0, 8, ndim])
    if header[:4] != magic:
        raise ValueError(f"{path}: expected the magic number {magic.hex()}, found {header[:4].hex()}")
    lengths = struct.unpack(f">{ndim}I", header[4:])
    if 0 in lengths:
        raise ValueError(f"{path}: expected at least one element, found the lengths {lengths}")
    if math.prod(lengths) > room:
        raise ValueError(
            f"{path}: expected lengths whose product is at most {room:,}, all that this file may hold, "
            f"found {lengths}, a promise of {math.prod(lengths):,} bytes"
        )
    return lengths


def fetched(name, folder, mirrors, timeout, accepted: Callable) -> None:
    """Fetch `name` into `folder` from the first mirror whose file is accepted.

    Args:
        name: of the file.
        folder: is made.
        mirrors: addresses of folders.
        timeout: seconds to wait for one.
        accepted: `accepted(path)`, raises ValueError if the file is not what is wanted.

    Raises:
        ConnectionError: no mirror has it; says what each gave.
    """
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{name}.{os.getpid()}.part"
    failures = []
    for mirror in mirrors:
        try:
            with urllib.request.urlopen(mirror + name, timeout=timeout) as answer:
                part.write_bytes(answer.read(1 << 24))  # MNIST's largest file is 10 MB
            accepted(part)
            part.replace(folder / name)
            return
        except (OSError, ValueError, http.client.HTTPException) as error:
            failures.append(f"{mirror}{name}: {error}")
        finally:
            part.unlink(missing_ok=True)
    raise ConnectionError(
        f"could not download {name}. Tried: {'; '.join(failures) or 'no mirror'}. Put MNIST's four files into a "
        f"folder and name it in JAXCOST_MNIST, or use jaxcost.data.digits(), which needs no network."
    )


def found(folder, name) -> Path:
    """A file of this name in a folder, plain or else gzipped.

    Raises:
        FileNotFoundError: there is none; says what is there.
    """
    if not folder.is_dir():
        there = "a file" if folder.exists() else "nothing"
        raise FileNotFoundError(f"{folder}: expected a folder of four IDX files, found {there}")
    for path in (folder / name, folder / f"{name}.gz"):
        if path.exists():
            return path
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:8]) or "an empty folder"
    raise FileNotFoundError(f"{folder}: expected {name} or {name}.gz, found {there}")
