"""What other programs read is what the slice holds: by readers written here, and by VTK's own where it is installed."""

import re
from pathlib import Path

import numpy as np
import pytest

from jaxcost import exports
from jaxcost.slices import Slice


def slice_of(values, axes, **more):
    k = len(axes)
    return Slice(axes, values, 2e-7, np.arange(1.0, k + 1), np.eye(k), int((~np.isfinite(values)).sum()), **more)


@pytest.fixture
def plane():
    """Not square, not symmetric, with numbers that have no short form, and two that are not finite."""
    random = np.random.default_rng(0)
    values = random.uniform(0, 9, (4, 3)).astype(np.float32)
    values[1, 2], values[3, 0] = np.nan, np.inf
    axes = np.array([-1.0, -0.1, 0.3, 1 / 3]), np.array([0.0, 0.5, 2.0], np.float32)
    return slice_of(values, axes, standard_error=random.uniform(size=(4, 3)), per_class=np.ones((4, 3, 2)))


# CSV


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_table_has_each_point_once_with_the_very_numbers(k, tmp_path):
    values = np.random.default_rng(1).uniform(size=(2, 3, 4)[:k])
    axes = tuple(np.linspace(-1, 1, n) / 3 for n in values.shape)
    exports.to_csv(tmp_path / "a.csv", slice_of(values, axes))
    head, directions, names, *rows = (tmp_path / "a.csv").read_text().splitlines()
    assert re.fullmatch(
        rf"# C at {values.size} points, noise floor 2e-07, 0 not finite; jaxcost \S+, jax \S+, \S+", head
    )
    assert directions.startswith("# lengths of the directions 1")
    assert names == ("alpha,C", "alpha,beta,C", "s1,s2,s3,C")[k - 1]
    found = {tuple(map(float, row.split(",")[:-1])): float(row.split(",")[-1]) for row in rows}
    assert found == {tuple(a[i] for a, i in zip(axes, at, strict=True)): values[at] for at in np.ndindex(values.shape)}


def test_a_table_keeps_what_is_not_finite_and_what_else_is_one_number_a_point(plane, tmp_path):
    exports.to_csv(tmp_path / "a.csv", plane)
    found = np.genfromtxt(tmp_path / "a.csv", delimiter=",", names=True, skip_header=2)
    assert found.dtype.names == ("alpha", "beta", "C", "standard_error")
    np.testing.assert_array_equal(found["C"].astype(np.float32).reshape(4, 3), plane.values)
    np.testing.assert_array_equal(found["standard_error"].reshape(4, 3), plane.standard_error)
    assert "2 not finite" in (tmp_path / "a.csv").read_text()
    assert re.search(r",nan,.*\n", (tmp_path / "a.csv").read_text())


# VTK


def parsed(path):
    """A structured grid as the definition of the legacy format has it: its points and numbers, in the file's order."""
    title, *lines = path.read_text().splitlines()
    assert title == "# vtk DataFile Version 3.0"
    assert len(lines[0]) < 256
    words = iter(" ".join(lines[1:]).split())
    take = lambda n: [next(words) for _ in range(n)]
    assert take(4) == ["ASCII", "DATASET", "STRUCTURED_GRID", "DIMENSIONS"]
    dimensions = tuple(map(int, take(3)))
    n = int(np.prod(dimensions))
    assert take(3) == ["POINTS", str(n), "double"]
    points = np.array(take(3 * n), float).reshape(n, 3)
    assert take(2) == ["POINT_DATA", str(n)]
    scalars = {}
    for word in words:
        name, kind, one = take(3)
        assert (word, one, take(2)) == ("SCALARS", "1", ["LOOKUP_TABLE", "default"])
        scalars[name] = np.array(take(n), {"float": np.float32, "double": float, "int": int}[kind])
    return dimensions, points, scalars


def by_vtk(path):
    """The same by VTK's own reader."""
    legacy = pytest.importorskip("vtkmodules.vtkIOLegacy", reason="vtk is not installed")
    from vtkmodules.util.numpy_support import vtk_to_numpy

    reader = legacy.vtkStructuredGridReader()
    reader.SetFileName(str(path))
    reader.ReadAllScalarsOn()
    reader.Update()
    grid = reader.GetOutput()
    extent, data = grid.GetExtent(), grid.GetPointData()
    arrays = {data.GetArrayName(i): vtk_to_numpy(data.GetArray(i)) for i in range(data.GetNumberOfArrays())}
    return (
        tuple(b - a + 1 for a, b in zip(extent[::2], extent[1::2], strict=True)),
        vtk_to_numpy(grid.GetPoints().GetData()),
        arrays,
    )


def by_meshio(path):
    """The same by meshio, which has a reader of its own."""
    meshio = pytest.importorskip("meshio", reason="meshio is not installed")
    found = meshio.read(path)
    n, first = len(found.points), sorted(found.cells[0].data[0])
    return (first[2], n // first[2], 1), found.points, {name: of.ravel() for name, of in found.point_data.items()}


@pytest.mark.parametrize("reader", [parsed, by_vtk, by_meshio])
def test_a_surface_stands_where_the_plane_has_it(reader, plane, tmp_path):
    exports.to_vtk(tmp_path / "a.vtk", plane, height=0.5)
    dimensions, points, scalars = reader(tmp_path / "a.vtk")
    assert dimensions == (4, 3, 1)
    assert set(scalars) == {"C", "standard_error", "finite"}
    assert scalars["C"].dtype == np.float32
    top = plane.values[np.isfinite(plane.values)].max()
    for j in range(3):
        for i in range(4):  # the first coordinate changes first
            at, C = i + 4 * j, plane.values[i, j]
            height = 0.5 * np.float64(C if np.isfinite(C) else top)
            np.testing.assert_array_equal(points[at], [plane.alphas[i], plane.betas[j], height])
            np.testing.assert_array_equal(scalars["C"][at], C)
            assert scalars["finite"][at] == np.isfinite(C)
            assert scalars["standard_error"][at] == plane.standard_error[i, j]


def test_a_plane_of_nothing_finite_is_flat(plane, tmp_path):
    exports.to_vtk(tmp_path / "a.vtk", plane._replace(values=np.full((4, 3), np.nan)))
    _, points, scalars = parsed(tmp_path / "a.vtk")
    assert not points[:, 2].any()
    assert not scalars["finite"].any()


# files


def test_a_file_is_written_whole_or_not_at_all(plane, tmp_path, monkeypatch):
    path = tmp_path / "new" / "a.csv"
    exports.to_csv(path, plane)
    before = path.read_bytes()

    def full(self, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(
        OSError, match=r"a\.csv: expected to write [\d,]+ bytes, found: No space left on device"
    ) as caught:
        exports.to_csv(path, plane._replace(values=2 * plane.values))
    assert caught.value.errno == 28
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["a.csv"]


def test_what_cannot_be_written_is_refused(plane, tmp_path):
    line = slice_of(np.ones(3), (np.arange(3.0),))
    for call, message in (
        (lambda: exports.to_csv(tmp_path / "a.txt", plane), r"expected one that ends in \.csv"),
        (lambda: exports.to_vtk(tmp_path / "a.vtk", line), r"values \[3\], expected a Slice of 2 axes"),
        (lambda: exports.to_vtk(tmp_path / "a.vtk", plane, height=np.nan), "height=nan, expected a number"),
        (lambda: exports.to_csv(tmp_path / "a.csv", plane.values), "expected something with axes, values"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"a\.csv: expected to write .* found: (Not a directory|File exists)"):
        exports.to_csv(tmp_path / "file" / "a.csv", plane)
