"""Each recipe of examples/checkpoints runs, and sees the networks that its library saved; docs/checkpoints.md too."""

import re
import runpy
from itertools import pairwise
from pathlib import Path

import jax
import numpy as np
import pytest
from PIL import Image

from jaxcost import data

ROOT = Path(__file__).parents[1]
RECIPES = {  # script: what it needs, and its trained network
    "from_flax_linen": (["flax"], lambda session: session["variables"]),
    "from_flax_nnx": (["flax", "orbax.checkpoint"], lambda session: session["nnx"].state(session["model"])),
    "from_equinox": (["equinox"], lambda session: session["eqx"].filter(session["model"], session["eqx"].is_array)),
    "from_haiku": (["haiku"], lambda session: session["params"]),
    "from_orbax": (["orbax.checkpoint"], lambda session: session["params"]),
    "from_safetensors": (["safetensors.flax"], lambda session: session["params"]),
    "from_pytorch": (["torch"], lambda session: [p.detach().numpy() for p in session["model"].parameters()]),
}
STEP = {"from_pytorch": 0.01}  # Adam's rate: a number moves by hardly more in a step
PAGE = (ROOT / "docs" / "checkpoints.md").read_text()


def numbers(tree):
    """All floating numbers of a tree, in an order of their own: the libraries do not agree on one."""
    leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(tree) if hasattr(leaf, "dtype") or hasattr(leaf, "numpy")]
    return {leaf.shape: leaf for leaf in leaves if leaf.dtype.kind == "f"}


def run(name, tmp_path, monkeypatch):
    for library in RECIPES[name][0]:
        pytest.importorskip(library, reason=f"{library} is not installed")
    monkeypatch.chdir(tmp_path)
    return runpy.run_path(str(ROOT / "examples" / "checkpoints" / f"{name}.py"))


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_sees_the_path_that_was_saved(name, tmp_path, monkeypatch):
    session = run(name, tmp_path, monkeypatch)
    found, rate = session["found"], STEP.get(name, 0.003)
    assert len(found.costs) == len(found.off) == 9
    assert all(a > b for a, b in pairwise(found.costs))
    assert found.costs[0] == pytest.approx(np.log(10), abs=0.5)  # a guess among ten
    assert found.shown[-1] == pytest.approx(found.costs[-1], rel=1e-4)
    assert 0.9 < found.share.sum() <= 1
    # the last that was saved is one step of Adam from where training ended
    last, end = numbers(found.plane.frame.origin), numbers(RECIPES[name][1](session))
    assert last.keys() == end.keys()
    apart = np.concatenate([np.abs(last[shape] - end[shape]).ravel() for shape in last])
    assert 0.1 * rate < apart.max() < 2 * rate
    (figure,) = tmp_path.rglob("path.png")
    with Image.open(figure) as image:
        assert image.size == (1320, 600)


def test_outputs_agree_with_those_of_torch(tmp_path, monkeypatch):
    session = run("from_pytorch", tmp_path, monkeypatch)
    torch, C, (x, _) = session["torch"], session["C"], (session["x"], session["y"])
    for file in sorted(Path("output/pytorch").glob("*.pt")):
        session["model"].load_state_dict(torch.load(file, weights_only=True))
        theirs = session["model"](x).detach().numpy()
        ours = jax.vmap(C.output, (0, None, None))(C.images.x, *session["read"](file))
        np.testing.assert_allclose(ours, theirs, atol=1e-5)
        mean = torch.nn.functional.cross_entropy(torch.from_numpy(theirs), session["y"])
        assert float(C(*session["read"](file))) == pytest.approx(float(mean), rel=1e-5)


def test_every_recipe_is_known_short_and_on_the_page():
    scripts = {path.stem: path.read_text() for path in (ROOT / "examples" / "checkpoints").glob("*.py")}
    assert scripts.keys() == RECIPES.keys()
    for name, text in scripts.items():
        assert len(text.splitlines()) < 30
        assert f"(../examples/checkpoints/{name}.py)" in PAGE
    assert len(PAGE.splitlines()) <= 90


@pytest.mark.slow
def test_the_blocks_of_the_page_run_in_order(tmp_path, monkeypatch, capsys):
    some = [part[:500] for part in data.digits()]
    monkeypatch.setattr(data, "digits", lambda: some)
    monkeypatch.chdir(tmp_path)
    session, blocks = {}, re.findall(r"```python\n(.*?)```", PAGE, re.S)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, session)
    written = {path.name for path in (tmp_path / "output").iterdir()}
    assert written >= set(re.findall(r'"output/([\w.]+\.\w+)"', PAGE))
    assert re.search(r"C 2\.\d+ to \d\.\d+; two axes hold \d\d% of it; up to \d+\.\d off", capsys.readouterr().out)
