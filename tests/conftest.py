"""Strict everywhere: warnings are errors (pyproject.toml), ranks are not promoted, two devices are simulated.

Most of the tests' time is compiling, and half of it is saved by not optimising, and by XLA's older and quicker way of
making code. What rounding does is tested both ways: with JAX_DISABLE_MOST_OPTIMIZATIONS=0 the programs are those of any
user, and so `.ci/run` tests them again.
"""

import gc
import os
from pathlib import Path

os.environ.setdefault("JAX_NUM_CPU_DEVICES", "2")  # before jax is imported by anyone
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
os.environ.setdefault("JAX_ENABLE_COMPILATION_CACHE", "0")  # which scripts switch on, in the user's own folder

import jax
import pytest

HASTE = {  # flags of XLA by release of jax: one that a release lacks ends the process, so that others have none
    (0, 10): "--xla_cpu_use_fusion_emitters=false --xla_cpu_parallel_codegen_split_count=1",
    (0, 12): "--xla_cpu_parallel_codegen_split_count=1",
}
if os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "1" and jax.__version_info__[:2] in HASTE:
    os.environ.setdefault("XLA_FLAGS", HASTE[jax.__version_info__[:2]])
jax.config.update("jax_numpy_rank_promotion", "raise")
gc.set_threshold(200_000, 20, 100)  # traced programs are many small objects, and seldom garbage

ROOT = Path(__file__).parents[1]
LONGEST = "test_experiments", "test_devices", "test_critical", "test_slices"


@pytest.fixture
def x64():
    """64-bit numbers, for derivatives and exact comparisons."""
    with jax.enable_x64(True):
        yield


@pytest.fixture(scope="session")
def mnist_folder():
    """The folder of MNIST's four files named by JAXCOST_MNIST or lying beside this checkout."""
    folder = Path(os.environ.get("JAXCOST_MNIST") or ROOT.parent / "shared" / "data" / "mnist")
    if not folder.is_dir():
        pytest.skip("MNIST is not here: name its folder in JAXCOST_MNIST")
    return folder


def pytest_collection_modifyitems(items):
    """The longest files first, lest one worker wait for the other at the end.

    Tests of "two" or "three" real processes are slow; those of eight simulated devices are not.
    """
    items.sort(key=lambda item: item.path.stem not in LONGEST)
    for item in items:
        if item.path.stem == "test_devices" and hasattr(item, "callspec"):
            where = [value[0] if isinstance(value, tuple) else value for value in item.callspec.params.values()]
            if "two" in where or "three" in where:
                item.add_marker(pytest.mark.slow)
