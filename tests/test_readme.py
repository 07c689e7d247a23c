"""The README's code runs, and its commands are the ones that are tested."""

import re
import socket
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from jaxcost import cost, data, directions, network, results

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
TEST_COMMAND = 'python3 -m venv .venv && .venv/bin/pip install -e ".[test]" && .venv/bin/python -m pytest'


@pytest.mark.parametrize("n", [1000, pytest.param(8000, marks=pytest.mark.slow)])  # the second is all there are
def test_the_code_blocks_run_in_order_in_one_session(n, tmp_path, monkeypatch, capsys):
    parts = [part[:n] for part in data.digits()]
    monkeypatch.setattr(data, "digits", lambda: parts)
    monkeypatch.chdir(tmp_path)
    session = {}
    blocks = re.findall(r"```python\n(.*?)```", README, re.S)
    assert len(blocks) == 7
    for block in blocks:
        exec(block, session)
    said = capsys.readouterr().out
    first, second = (
        r"C 0\.\d+, accuracy 0\.9\d+\n1 minimum deeper than 0\.01, ",
        r"noise floor \de-0\d; one corner has C = \d\.\d\d",
    )
    assert re.search(first + second, said)
    assert "'jax':" in said
    assert re.search(r"trace .* ± .*, \d+\.\d ± \d+\.\d above 0\.1\n\(170, 170\)", said)
    straight, matched, bent = map(float, re.search(r"barrier (\S+), matched (\S+), bent (\S+), floor", said).groups())
    assert straight > matched > 0.1 > bent
    assert re.search(r"True 1000 [1-4]\.\d MB", said)
    assert re.search(rf"2,001 points x {n:,} images: about [\d.]+ s and \d+ MB", said)


def test_the_launch_on_several_hosts_gives_the_plane_of_one(tmp_path):
    (tmp_path / "on_hosts.py").write_text(re.search(r"```py\n(.*?)```", README, re.S)[1])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "-W", "error", "on_hosts.py", address, "2"]
    hosts = [subprocess.Popen([*command, str(i)], cwd=tmp_path, stderr=subprocess.PIPE, text=True) for i in (0, 1)]
    try:
        for host in hosts:
            _, said = host.communicate(timeout=100)
            assert host.returncode == 0, said
    finally:
        for host in hosts:
            host.kill()
            host.communicate()
    there = results.load(tmp_path / "output" / "plane.npz")
    params = network.init(jax.random.key(0))
    u, v = directions.random(jax.random.key(1), params, 2)
    C, move = cost.Cost(data.digits()[0]), lambda p, a, b: p - a + 0.5 * b
    assert there.values[0, 15] == pytest.approx(float(C(*jax.tree.map(move, params, u, v))), rel=1e-6)


def test_ci_calls_the_readmes_test_command_word_for_word():
    assert f"\n{TEST_COMMAND}\n" in README
    assert f"\n{TEST_COMMAND}\n" in (ROOT / ".ci" / "run").read_text()


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)]+)\)|`((?:experiments|jaxcost)/[\w/.]+)`", README))
def test_every_file_that_it_names_is_there(path):
    assert (ROOT / (path[0] or path[1])).exists()


def test_every_front_door_and_experiment_is_on_the_map():
    for room in (*(ROOT / "jaxcost").glob("[a-z]*.py"), *(ROOT / "jaxcost").glob("[cm]*/[a-z]*.py")):
        assert f"`{room.stem}`" in README
    for script in (ROOT / "experiments").glob("*.py"):
        assert script.stem in ("balls", "common", "networks") or f"| `experiments/{script.name}` |" in README
