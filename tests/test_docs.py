"""Every page's code runs in order in a session of its own, and every link, file and name in it is there."""

import re
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import pytest

import jaxcost
from jaxcost import cost, data, directions, network, results

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [*sorted(ROOT.glob("*.md")), *sorted(DOCS.glob("*.md"))]
TUTORIALS = [path for path in PAGES if re.match(r"\d", path.name)]
ELSEWHERE = {"checkpoints.md"}  # run by test_examples
PRINTED = {  # what each page says when it is run, of 1,000 images and of all
    "1-first-slice.md": [
        r"C 2\.\d+ before, 0\.\d+ after; accuracy 0\.9\d+\n",
        r"1 minimum deeper than 0\.01, noise floor \de-0\d\none corner has C = \d\.\d\d\n",
        r"'jax':",
    ],
    "2-is-that-bump-real.md": [
        r"\d+ minima in all, \d+ deeper than the noise floor of \de-0\d\n",
        r"deeper than 0\.1: 1 of 21 x 21 points, 1 of 41 x 41\n",
        r"[1-4] of the [1-4] deepest are minima of C on the plane\n",
        r"depth [23]\.\d+ ± 0\.0\d+, on held-out images [23]\.",
        r"length of its gradient in all dimensions \d\.\d+",
    ],
    "3-many-slices.md": [
        r"\(24, 61\) noise floor \de-0\d\ndepth: changes by 0% at half the resolution\n",
        r"total_variation: median \d+\.?\d* \(.* to .*\), between networks .*; as if independent .*, 24 draws\)\n",
        r"minima: 1 of C, 1 of its null\n",
    ],
    "4-my-own-model.md": [r"^2\.3\d\n\[2\.3\d? .*\] accuracy 0\.9\d\n"],
    "5-long-runs.md": [
        r"2,001 points x {n:,} images: about [\d.]+ s and \d+ MB",
        r"\(2001, 10\) C ± 0\.0\d+ at most\n",
        r"(\d\.\d{4}) and \1\n",
    ],
    "6-curvature.md": [r"trace \d.* ± .*\n\d+\.\d ± \d+\.\d above 0\.1\n\(170, 170\)", r"noise floor \de-0\d of \["],
    "7-valleys.md": [r"barrier (\S+), matched (\S+), bent (\S+), floor \de-0\d"],
    "8-live-page.md": [r"True 1000 [1-4]\.\d MB"],
    "9-any-cost.md": [
        r"lowest -1\.00, noise floor \de-0\d\n\[\[ 0\.838 -0\.142\]\n \[-0\.142  0\.838\]\]\n",
        r"C \d\.\d+, with weight decay \d\.\d+\n0\.0 0\.0\nC [3-5]\.\d\d\n",
        r"\(20, 784\) \(20, 10\) C \d\.\d\d\nC \d\.\d\d, right 0\.\d\d",
    ],
}


def code(path, kind="python"):
    return re.findall(rf"```{kind}\n(.*?)```", path.read_text(), re.S)


def prose(path):
    """A page without its code."""
    return re.sub(r"```.*?```", "", path.read_text(), flags=re.S)


@pytest.fixture
def session(tmp_path, monkeypatch):
    """A function that runs the blocks of a page on the first n images."""

    def run(path, n):
        parts = [part[:n] for part in data.digits()]
        monkeypatch.setattr(data, "digits", lambda: parts)
        monkeypatch.chdir(tmp_path)
        names = {}
        for block in code(path):
            exec(block, names)
        plt.close("all")
        return names

    return run


# some with the first digits every day, all of them with all digits
RUNS = [pytest.param(page, 1000, id=page.stem) for page in TUTORIALS if page.name[0] in "1489"]
RUNS += [pytest.param(page, 8000, id=f"{page.stem}, all digits", marks=pytest.mark.slow) for page in TUTORIALS]


@pytest.mark.parametrize(("page", "n"), RUNS)
def test_a_page_runs_in_order_and_says_what_it_should(page, n, session, capsys):
    session(page, n)
    said = capsys.readouterr().out
    for pattern in PRINTED[page.name]:
        assert re.search(pattern.replace("{n:,}", f"{n:,}"), said), said
    if page.name == "7-valleys.md":
        straight, matched, bent = map(float, re.search(PRINTED[page.name][0], said).groups())
        assert straight > matched > 0.1 > bent


def test_the_page_of_own_models_runs_with_flax_too(session, capsys):
    pytest.importorskip("flax.linen", reason="flax is not installed")
    page = DOCS / "4-my-own-model.md"
    names = session(page, 100)
    (block,) = code(page, "py")
    capsys.readouterr()
    exec(block, names)
    assert re.fullmatch(r"[2-3]\.\d\d\n", capsys.readouterr().out)


def test_all_code_that_is_not_run_as_it_stands_is_run_by_another_test():
    rest = {page.name for page in PAGES if code(page, "py")}
    assert rest == {"4-my-own-model.md", "5-long-runs.md"}
    assert {page.name for page in PAGES if code(page)} == {*PRINTED, *ELSEWHERE, "README.md"}


@pytest.mark.slow
def test_the_launch_on_several_hosts_gives_the_plane_of_one(tmp_path):
    (tmp_path / "on_hosts.py").write_text(code(DOCS / "5-long-runs.md", "py")[0])
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


# length


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda path: path.stem)
def test_a_tutorial_has_ninety_lines_at_most_and_prose_between_its_steps(page):
    text = page.read_text()
    assert len(text.splitlines()) <= 90
    assert not re.search(r"```\n\s*```", text)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_lines_are_short_but_in_tables(page):
    commands = re.findall(r"^```\n(.*?)^```$", page.read_text(), re.S | re.M)
    for line in page.read_text().splitlines():
        assert len(line) <= 120 or line.startswith("|") or any(line in block for block in commands), line


# links, files and names


def slugs(path):
    """The anchors of a page, as GitHub makes them of its headings."""
    headings = re.findall(r"^#+ (.*)$", prose(path), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_links_lead_to_files_and_headings_that_are_there(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", prose(page)):
        assert "://" not in link
        name, _, anchor = link.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), link
        assert not anchor or anchor in slugs(there), link


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_files_that_it_names_are_there(page):
    for name in re.findall(r"`((?:experiments|jaxcost|docs|tests|\.ci)/[\w/.-]+)`", page.read_text()):
        assert (ROOT / name).exists(), name
    for script in re.findall(r"(?:`|experiments/)(\w+\.py)\b", prose(page)):
        assert (ROOT / "experiments" / script).exists() or (ROOT / "tests" / script).exists(), script


def test_every_page_is_on_the_map():
    for page in DOCS.glob("*.md"):
        assert f"](docs/{page.name})" in (ROOT / "README.md").read_text()


def test_every_picture_is_shown():
    shown = {link.split("/")[-1] for page in PAGES for link in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", page.read_text())}
    assert shown == {path.name for path in DOCS.rglob("*.png")}


def test_every_front_door_and_experiment_is_in_its_table():
    rooms, scripts = ((DOCS / name).read_text() for name in ("rooms.md", "experiments.md"))
    for room in (*(ROOT / "jaxcost").glob("[a-z]*.py"), *(ROOT / "jaxcost").glob("[cm]*/[a-z]*.py")):
        assert f"`{room.stem}`" in rooms
    for script in (ROOT / "experiments").glob("*.py"):
        assert script.stem in ("balls", "common", "networks") or f"| `experiments/{script.name}` |" in scripts


def test_the_table_of_claims_names_the_script_of_each():
    rows = [line for line in (DOCS / "claims.md").read_text().splitlines() if line.startswith("| ")]
    rows = [row.split(" | ") for row in rows if "| --- |" not in row and "| verdict |" not in row]
    assert len(rows) > 20
    for row in rows:
        assert len(row) == 4
        assert re.search(r"`\w+\.py`|^the same \|$", row[3])


# the package's own data


def test_the_reference_is_made_by_one_command():
    (command,) = re.findall(r"^.*-m pdoc .*$", (ROOT / "CONTRIBUTING.md").read_text(), re.M)
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text()
    assert "-W error" in command


def test_versions_are_those_of_the_package():
    assert f"\nversion: {jaxcost.__version__}\n" in (ROOT / "CITATION.cff").read_text()
    assert f"version = {{{jaxcost.__version__}}}" in (ROOT / "README.md").read_text()
    assert f"\n## {jaxcost.__version__}, " in (ROOT / "CHANGELOG.md").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == jaxcost.__version__
    assert project["authors"][0]["name"] in (ROOT / "CITATION.cff").read_text()


def test_ordinary_machines_test_the_oldest_versions_that_are_allowed_and_every_python_that_is_named():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / ".github" / "workflows" / "ci.yml").read_text()
    pairs = re.findall(r'\{ python: "([\d.]+)", jax: "([^"]+)"', text)
    (jax_,) = [need.removeprefix("jax>=") for need in project["dependencies"] if need.startswith("jax>=")]
    assert f"jaxlib>={jax_}" in project["dependencies"]
    assert (project["requires-python"].removeprefix(">="), f"jax=={jax_}") in pairs
    named = {name.split(" :: ")[-1] for name in project["classifiers"] if "Python :: 3." in name}
    assert {python for python, _ in pairs} == named
    for version in named:
        assert version in re.search(r"for version in (.*);", (ROOT / ".ci" / "run").read_text())[1].split()
