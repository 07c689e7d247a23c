"""The README is short, its code runs, and its commands are the ones that are tested."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from jaxcost import data

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
CI = (ROOT / ".ci" / "run").read_text()
TEST_COMMAND = 'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest'
PICTURE_COMMAND = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/python experiments/bumpy_planes.py"


def test_it_is_read_in_one_sitting():
    assert len(README.splitlines()) <= 150


@pytest.mark.parametrize("n", [1000, pytest.param(8000, marks=pytest.mark.slow)])  # the second is all there are
def test_its_ten_lines_train_a_network_and_draw_a_plane_with_one_minimum(n, tmp_path, monkeypatch, capsys):
    parts = [part[:n] for part in data.digits()]
    monkeypatch.setattr(data, "digits", lambda: parts)
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"```python\n(.*?)```", README, re.S)
    _, lines = block.split("\n\n")
    assert len(lines.splitlines()) == 10
    plt.close("all")
    exec(block, {})
    plt.close("all")
    assert re.search(r"C 0\.\d+, 1 minimum deeper than 0\.01, noise floor \de-0\d\n", capsys.readouterr().out)
    assert (tmp_path / "plane.png").stat().st_size > 10_000


def test_ci_calls_its_two_commands_word_for_word():
    (commands,) = re.findall(r"```\n(python3 .*?)```", README, re.S)
    assert commands.splitlines() == [PICTURE_COMMAND, TEST_COMMAND]
    assert f"\n{TEST_COMMAND}\n" in CI
    assert f"\n{TEST_COMMAND}\n" in (ROOT / "CONTRIBUTING.md").read_text()


def test_hoisting_is_explained_in_three_sentences():
    section = README.split("## Why it is fast: hoisting\n")[1]
    explained = " ".join(section.strip().split("\n\n")[0].split())
    assert len(re.findall(r"\.(?= |$)", explained)) == 3
