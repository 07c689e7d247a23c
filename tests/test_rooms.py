"""The rooms keep their order: values move one way, and nothing touches a device on import."""

import ast
import importlib
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import jaxcost

PACKAGE = Path(jaxcost.__file__).parent
FLOORS = re.findall(r"^    ([\w.]+)  ", jaxcost.__doc__, re.M)  # the one list of rooms, from the ground
GROUND = {
    "checks",
    "engine.idx",
    "losses",
    "statistics",
    "engine.trees",
    "engine.bars",
    "engine.blocks",
    "engine.sums",
    "engine.windows",
    "scales",
}  # import no other room, but the first
ARRAYS = {
    "measures.variation",
    "measures.fits",
    "measures.roughness",
    "measures.frequency",
    "measures.minima",
    "measures.bumpiness",
}
WINGS = sorted(folder.name for folder in PACKAGE.iterdir() if (folder / "__init__.py").exists())


def path_of(room):
    return PACKAGE / f"{room.replace('.', '/')}.py"


def rooms():
    """All modules of the package, in wings too."""
    here = [*PACKAGE.glob("*.py"), *(path for wing in WINGS for path in (PACKAGE / wing).rglob("*.py"))]
    files = (path.relative_to(PACKAGE).with_suffix("") for path in here if path.stem != "__init__")
    return {".".join(file.parts) for file in files}


def imports(room):
    """The rooms that a room imports, wherever in its text."""
    found = set()
    for node in ast.walk(ast.parse(path_of(room).read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jaxcost":
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith("jaxcost.")]
        for name in names:
            parts = name.split(".")[1:]
            found |= {".".join(parts[:n]) for n in (1, 2) if ".".join(parts[:n]) in rooms()}
    return found


def test_every_room_is_on_the_list_once():
    assert sorted(FLOORS) == sorted(rooms())


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_imports_only_rooms_of_lower_floors(room):
    found = imports(room)
    assert found <= set(FLOORS[: FLOORS.index(room)])
    assert "plot" not in found or room == "figures"
    if room == "plot":
        assert found == {"checks", "scales"}
    if room in GROUND:
        assert found <= {"checks"}
    if room in ARRAYS:
        assert found <= {"checks", *ARRAYS}


def test_the_engine_is_a_floor_below_the_cost():
    front = {room for room in FLOORS if FLOORS.index(room) >= FLOORS.index("cost")}
    for room in FLOORS:
        if room.startswith("engine."):
            assert not imports(room) & front


def test_what_the_test_of_the_order_reads_is_what_is_imported(tmp_path, monkeypatch):
    text = "import jaxcost.slices\nfrom jaxcost import cost\nfrom jaxcost.engine import hoist\n"
    text += "def f():\n    from jaxcost.measures.minima import local_minima\n"
    (tmp_path / "room.py").write_text(text)
    monkeypatch.setattr(sys.modules[__name__], "path_of", lambda room: tmp_path / "room.py")
    assert imports("room") == {"slices", "cost", "engine.hoist", "measures.minima"}


def test_the_package_and_its_wings_re_export_nothing():
    for folder in ("", *WINGS):
        body = ast.parse((PACKAGE / folder / "__init__.py").read_text()).body
        assert isinstance(body[0], ast.Expr)
        assert [type(node) for node in body[1:]] == ([ast.Assign] if not folder else [])  # the version


def test_the_version_is_that_of_the_distribution():
    assert f'\nversion = "{jaxcost.__version__}"\n' in (PACKAGE.parent / "pyproject.toml").read_text()
    assert (PACKAGE / "py.typed").exists()


@pytest.mark.parametrize("room", FLOORS)
def test_public_functions_say_what_they_do_and_what_they_return(room):
    module = importlib.import_module(f"jaxcost.{room}")
    own = {name: f for name, f in vars(module).items() if getattr(f, "__module__", "") == module.__name__}
    for name, f in own.items():
        if name.startswith("_") or isinstance(f, type) or not callable(f):
            continue
        assert inspect.getdoc(f), name
        assert "return" in getattr(inspect.unwrap(f), "__annotations__", {}), name


def test_importing_all_rooms_starts_no_device_and_loads_no_pyplot():
    code = (
        f"import sys, jax, importlib\nfor room in {FLOORS}: importlib.import_module('jaxcost.' + room)\n"
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("room", FLOORS)
def test_a_room_is_read_in_one_sitting(room):
    assert len(path_of(room).read_text().splitlines()) <= 300


@pytest.mark.parametrize("part", sorted(path.name for path in (PACKAGE / "page").iterdir()))
def test_a_part_of_the_live_page_is_too(part):
    assert len((PACKAGE / "page" / part).read_text().splitlines()) <= 300


def test_no_script_reaches_into_the_engine():
    for path in (PACKAGE.parent / "experiments").rglob("*.py"):
        assert "jaxcost.engine" not in path.read_text(), path.name
