"""The README's code runs, and its commands are the ones that are tested."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TEST_COMMAND = 'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest'


def test_the_code_blocks_run_in_order_in_one_session(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    session = {}
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 3
    for block in blocks:
        exec(block, session)
    said = capsys.readouterr().out
    assert re.search(r"C 0\.\d+, accuracy 0\.9\d+, 1 minimum, floor \de-0\d", said)
    assert "'jax':" in said


def test_ci_calls_the_readmes_test_command_word_for_word():
    assert f"\n{TEST_COMMAND}\n" in README
    assert f"\n{TEST_COMMAND}\n" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)]+)\)|`((?:experiments|jaxcost)/[\w/.]+)`", README))
def test_every_file_that_it_names_is_there(path):
    assert (ROOT / (path[0] or path[1])).exists()


def test_every_room_and_experiment_is_on_the_map():
    for room in (ROOT / "jaxcost").glob("[a-z]*.py"):
        assert f"| `{room.stem}` |" in README
    for script in (ROOT / "experiments").glob("*.py"):
        assert f"| `experiments/{script.name}` |" in README
