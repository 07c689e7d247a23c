"""Every experiment runs small, from the command line, and draws the same picture from its file alone."""

import base64
import importlib
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib import image

from jaxcost import results

ROOT = Path(__file__).parents[1]
# the cheatsheet runs the others, and is tested below on what they left
EXPERIMENTS = sorted(path.stem for path in (ROOT / "experiments").glob("*.py") if path.stem != "cheatsheet")


def command(name, *words, cwd):
    path = ROOT / "experiments" / f"{name}.py"
    run = subprocess.run([sys.executable, "-W", "error", path, *words], cwd=cwd, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Each experiment's small run, once: its folder and what it said."""
    done = {}

    def go(name):
        if name not in done:
            folder = tmp_path_factory.mktemp(name)
            start = time.perf_counter()
            said = command(name, "--small", cwd=folder)
            done[name] = folder / "output" / name, said, time.perf_counter() - start
        return done[name]

    return go


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_small_takes_seconds_and_writes_one_result_and_figures(ran, name):
    folder, said, seconds = ran(name)
    assert [path.name for path in folder.glob("*.npz")] == [f"{name}.npz"]
    assert len(list(folder.glob("*.png"))) == said.count("figure  ") > 0
    assert seconds < 60  # 10 on a quiet machine; the clock of a busy one proves nothing
    assert results.provenance(folder / f"{name}.npz")["settings"]["sizes"] == [784, 16, 16, 10]


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_draw_makes_the_same_pictures_from_the_file_alone(ran, name, tmp_path, monkeypatch):
    folder, _, _ = ran(name)
    (tmp_path / f"{name}.npz").write_bytes((folder / f"{name}.npz").read_bytes())
    monkeypatch.syspath_prepend(ROOT / "experiments")
    importlib.import_module(name).draw(tmp_path / f"{name}.npz")
    for path in folder.glob("*.png"):
        assert (tmp_path / path.name).read_bytes() == path.read_bytes()


def test_bumpy_planes_finds_one_minimum_about_a_trained_network(ran):
    folder, said, _ = ran("bumpy_planes")
    assert "13,002 parameters" in said
    result = results.load(folder / "bumpy_planes.npz")
    assert list(result["networks"]) == ["untrained", "half-trained", "trained"]
    costs = result["costs"]
    assert costs[0] > costs[result["half"]] > costs[-1]
    trained = result["networks"]["trained"]["ladder"]
    assert list(trained) == ["0.03", "2", "32"]
    assert trained["2"]["minima"].count == 1
    for cut in result["networks"].values():
        for step in cut["ladder"].values():
            assert step["plane"].floor > 0
            assert (step["minima"].depths > step["plane"].floor).all()
            middle = step["plane"].values[10, 10]
            np.testing.assert_allclose(middle, trained_cost(result, cut), rtol=1e-5)


def trained_cost(result, cut):
    """C at the network itself, from the saved parameters, in numpy."""
    from jaxcost import data

    train = data.digits()[0][:1000]
    a = np.asarray(train.x, np.float64)
    for w, b in zip(*cut["params"], strict=True):
        a = 1 / (1 + np.exp(-(a @ w.T + b)))
    return ((a - np.asarray(train.y)) ** 2).sum(1).mean()


def test_learning_makes_the_number_go_down_and_tells_who_carries_it(ran):
    folder, said, _ = ran("learning")
    result = results.load(folder / "learning.npz")
    assert result["run"].costs.shape[0] == 2
    assert (result["run"].costs[:, -1] < 0.5 * result["run"].costs[:, 0]).all()
    np.testing.assert_allclose(result["costs"].mean(), result["run"].costs[0, -1], rtol=1e-5)
    np.testing.assert_allclose(result["worst"]["cost"], np.sort(result["costs"])[::-1][:25])
    worst = np.sort(result["costs"])[::-1][:100].sum() / result["costs"].sum()
    assert f"worst  10%: {worst:.1%} of the squared" in said


@pytest.fixture(scope="module")
def page(ran, tmp_path_factory):
    """The cheatsheet's page of the small runs, and what its making said."""
    folder = tmp_path_factory.mktemp("cheatsheet")
    for name in EXPERIMENTS:
        if f'"{name}"' in (ROOT / "experiments" / "cheatsheet.py").read_text():
            (folder / name).symlink_to(ran(name)[0])
    said = command("cheatsheet", "--small", "--done", folder, cwd=folder)
    return folder / "output" / "cheatsheet" / "index.html", said


def test_the_cheatsheet_is_one_page_that_asks_nobody_for_anything(page):
    path, said = page
    text = path.read_text()
    assert text.count("<section>") == said.count("SEEN ") == 11
    for number in ("0.0129", "0.90", "13,002 dials", "10^3,914", "float32[784]"):
        assert number in text
    assert not re.search(r"(src|href)=\"(?!data:image/png;base64,)|https?:|<script|<link|@import|url\(", text)
    for picture in re.findall(r"base64,([^\"]+)", text):
        assert base64.b64decode(picture).startswith(b"\x89PNG")


def test_the_cheatsheet_is_drawn_again_from_its_file_alone(page, tmp_path):
    path, _ = page
    (tmp_path / "cheatsheet.npz").write_bytes(path.with_name("cheatsheet.npz").read_bytes())
    command("cheatsheet", "--draw", tmp_path / "cheatsheet.npz", cwd=tmp_path)
    assert (tmp_path / "index.html").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("width", [400, 1200])
def test_the_cheatsheet_is_shown_by_a_browser(page, width, tmp_path):
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no chromium on this machine")
    shot = tmp_path / "shot.png"
    subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}/profile",
         f"--window-size={width},900", f"--screenshot={shot}", page[0].as_uri()],
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    shown = image.imread(shot)
    assert shown.shape[1] >= width  # some give a narrow window more
    assert shown[..., :3].std() > 0.05  # text and pictures, not an empty page


def test_a_folder_that_is_not_there_is_named():
    with pytest.raises(AssertionError, match="expected a folder of four IDX files"):
        command("learning", "--small", "--data", "nowhere", cwd=ROOT)
