"""Slices for other programs: CSV for tables, VTK's legacy text for ParaView.

Files are written whole or not at all. Numbers are written so that they are read back as they were; NaN and infinity
as `nan` and `inf`, which numpy, pandas and VTK read.
"""

import os

import numpy as np

from jaxcost import checks, results
from jaxcost.engine import archive

NAMES = ("alpha", "beta")  # of the coordinates of a line and of a plane; others are s1, s2, s3
WRITTEN = {"float32": "float", "float64": "double"}  # types of numbers, as VTK calls them


def to_csv(path: str | os.PathLike, slice_) -> None:
    """Write a slice as a table, one point a row: its coordinates, C, and what else is one number a point.

    The rows are in the order of `values.ravel()`: the last coordinate changes first. Two lines beginning with # say
    what it is, then come the names: `pandas.read_csv(path, comment="#")`, or
    `numpy.genfromtxt(path, delimiter=",", names=True, skip_header=2)`.

    Args:
        path: the file, ending in .csv; its folder is made.
        slice_: a `slices.Slice` of any number of axes.

    Raises:
        ValueError: the path does not end so, or this is no slice.
        OSError: it cannot be written; names the path, the number of bytes and the reason. An old file stays.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxcost import slices
        >>> path = Path(tempfile.mkdtemp()) / "line.csv"
        >>> axes, values = (np.array([0.0, 0.5]),), np.array([0.25, np.nan], np.float32)
        >>> to_csv(path, slices.Slice(axes, values, 1e-7, np.ones(1), np.eye(1), 1))
        >>> print(path.read_text())  # doctest: +ELLIPSIS
        # C at 2 points, noise floor 1e-07, 1 not finite; jaxcost ..., jax ..., ...
        # lengths of the directions 1, cosines 1
        alpha,C
        0.0,0.25
        0.5,nan
        <BLANKLINE>
    """
    path, values, axes = _path(path, ".csv"), *_of(slice_)
    names = NAMES[: len(axes)] if len(axes) <= len(NAMES) else [f"s{i + 1}" for i in range(len(axes))]
    grids = np.meshgrid(*axes, indexing="ij")
    columns = dict(zip(names, grids, strict=True)) | {"C": values} | _more(slice_, values.shape)
    cosines = "; ".join(" ".join(f"{one:.6g}" for one in row) for row in np.atleast_2d(slice_.cosines))
    lengths = " ".join(f"{one:.6g}" for one in np.ravel(slice_.norms))
    head = [f"# {_told(slice_)}", f"# lengths of the directions {lengths}, cosines {cosines}", ",".join(columns)]
    rows = [",".join(row) for row in zip(*map(_texts, columns.values()), strict=True)]
    archive.write_bytes(path, "\n".join([*head, *rows, ""]).encode())


def to_vtk(path: str | os.PathLike, plane, *, height=1.0) -> None:
    """Write a plane as a surface for ParaView and others: a structured grid in VTK's legacy text, version 3.0.

    A point of it is (alpha, beta, height * C), with C as a number of its own, and what else is one number a point.
    Where C is not finite, the point stands as high as the highest of the others; its C is what it is, and `finite` is
    0 there and else 1: in ParaView, Threshold by `finite` cuts such points out.

    Args:
        path: the file, ending in .vtk; its folder is made.
        plane: a `slices.Slice` of two axes.
        height: how high a unit of C is drawn, in units of the coordinates; 0 for a flat sheet.

    Raises:
        ValueError: the path does not end so, this is no plane, or the height is no finite number.
        OSError: it cannot be written; names the path, the number of bytes and the reason. An old file stays.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from jaxcost import slices
        >>> path, axis = Path(tempfile.mkdtemp()) / "plane.vtk", np.array([0.0, 1.0])
        >>> to_vtk(path, slices.Slice((axis, axis), np.eye(2), 1e-7, np.ones(2), np.eye(2), 0))
        >>> path.read_text().splitlines()[2:8]
        ['ASCII', 'DATASET STRUCTURED_GRID', 'DIMENSIONS 2 2 1', 'POINTS 4 double', '0.0 0.0 1.0', '1.0 0.0 0.0']
    """
    path, values, axes = _path(path, ".vtk"), *_of(plane, 2)
    height = checks.number("height", height)
    finite = np.isfinite(values)
    top = values[finite].max() if finite.any() else 0.0
    z = height * np.where(finite, values, top).astype(np.float64)
    # VTK's first coordinate changes first
    points = [_texts(grid.T) for grid in (*np.meshgrid(*axes, indexing="ij"), z)]
    n = values.size
    head = f"DIMENSIONS {len(axes[0])} {len(axes[1])} 1\nPOINTS {n} double"
    title = _told(plane)[:255]  # VTK reads 256 characters
    lines = ["# vtk DataFile Version 3.0", title, "ASCII", "DATASET STRUCTURED_GRID", head]
    lines += [*map(" ".join, zip(*points, strict=True)), f"POINT_DATA {n}"]
    for name, of in ({"C": values} | _more(plane, values.shape)).items():
        kind = WRITTEN.get(of.dtype.name, "float")
        lines += [f"SCALARS {name} {kind} 1", "LOOKUP_TABLE default", *_texts(of.T)]
    lines += ["SCALARS finite int 1", "LOOKUP_TABLE default", *map(str, finite.T.ravel().astype(int)), ""]
    archive.write_bytes(path, "\n".join(lines).encode("ascii", "replace"))


def _path(path, ending):
    """A path of this ending."""
    path = checks.path("path", path)
    if path.suffix != ending:
        raise ValueError(f"path={str(path)!r}, expected one that ends in {ending}")
    return path


def _of(slice_, k=None):
    """Values and axes of a slice, of k axes if so many are wanted."""
    checks.having("slice_", slice_, "axes", "values", "floor", "norms", "cosines")
    axes, values = slice_.axes, np.asarray(slice_.values)
    if not isinstance(axes, tuple) or values.shape != tuple(map(len, axes)) or k not in (None, len(axes)):
        wanted = "" if k is None else f" of {k} axes"
        raise ValueError(f"a {type(slice_).__name__} of values {list(values.shape)}, expected a Slice{wanted}")
    checks.numbers("values", values)
    return values, axes


def _more(slice_, shape):
    """What else of a slice is one number a point, by name."""
    known = {name: getattr(slice_, name, None) for name in ("standard_error", "accuracy")}
    return {name: np.asarray(of) for name, of in known.items() if of is not None and np.shape(of) == shape}


def _texts(array):
    """Each number as the shortest text that is read back as it."""
    return list(map(str, array.ravel()))


def _told(slice_):
    """What a file says of itself, on one line."""
    here, n = results.here(), np.size(slice_.values)
    versions = ", ".join(f"{name} {here['versions'][name]}" for name in ("jaxcost", "jax"))
    missing = n - np.isfinite(slice_.values).sum()
    return f"C at {n:,} points, noise floor {slice_.floor:.3g}, {missing} not finite; {versions}, {here['made']}"
