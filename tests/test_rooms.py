"""The rooms keep their order: values move one way, and nothing touches a device on import."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import jaxcost

PACKAGE = Path(jaxcost.__file__).parent
ORDER = [
    "data",
    "network",
    "blocks",
    "cost",
    "devices",
    "descent",
    "directions",
    "hoist",
    "results",
    "resume",
    "quantities",
    "sweep",
    "noise",
    "slices",
    "critical",
    "variation",
    "bending",
    "waves",
    "bumpiness",
    "nulls",
    "populations",
    "plot",
    "experiment",
]
ALONE = {"blocks", "hoist", "variation", "waves", "plot"}  # import no other room
ARRAYS = {"variation", "bending", "waves"}  # what bumpiness may import: rooms that see arrays alone
ROOMS = sorted(PACKAGE.glob("*.py"))


def imports(path):
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "jaxcost":
            parts = node.module.split(".")
            found |= {parts[1]} if len(parts) > 1 else {alias.name for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[1] for alias in node.names if alias.name.startswith("jaxcost.")}
    return found


def test_every_room_has_a_place():
    assert {path.stem for path in ROOMS} == {*ORDER, "__init__"}


@pytest.mark.parametrize("room", ORDER)
def test_a_room_imports_only_rooms_above_it(room):
    found = imports(PACKAGE / f"{room}.py")
    assert found <= set(ORDER[: ORDER.index(room)])
    assert "plot" not in found
    if room in ALONE:
        assert not found
    if room in {*ARRAYS, "bumpiness"}:
        assert found <= ARRAYS


def test_the_package_re_exports_nothing_and_lists_its_rooms():
    tree = ast.parse((PACKAGE / "__init__.py").read_text())
    assert len(tree.body) == 1
    for room in ORDER:
        assert f"\n    {room} " in ast.get_docstring(tree, clean=False)


def test_importing_all_rooms_starts_no_device_and_loads_no_pyplot():
    code = (
        f"import sys, jax; from jaxcost import '.joinORDER}\n", {'
        "from jax._src import xla_bridge\n"
        "assert not xla_bridge.backends_are_initialized()\n"
        "assert 'matplotlib.pyplot' not in sys.modules\n"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("path", ROOMS, ids=lambda path: path.stem)
def test_a_room_is_read_in_one_sitting(path):
    assert len(path.read_text().splitlines()) <= 330
