"""What `.ci/run` asks of the package as it is installed from its wheel: all of it is there, and it works.

python -W error of_the_wheel.py FOLDER    the folder of the checkout, which must not be the one that is imported
"""

import importlib
import re
import sys
import tempfile
from pathlib import Path

import jax

import jaxcost
from jaxcost import cost, data, directions, live, network

PACKAGE, CHECKOUT = Path(jaxcost.__file__).parent, Path(sys.argv[1]).resolve()
assert "site-packages" in PACKAGE.parts
assert CHECKOUT / "jaxcost" != PACKAGE

for room in re.findall(r"^    ([\w.]+)  ", jaxcost.__doc__, re.M):
    importlib.import_module(f"jaxcost.{room}")

kept = [path for path in (CHECKOUT / "jaxcost").rglob("*") if path.is_file() and "__pycache__" not in path.parts]
missing = [path for path in kept if not (PACKAGE / path.relative_to(CHECKOUT / "jaxcost")).exists()]
assert not missing, missing

C, params = cost.Cost(data.digits()[0][:100]), network.init(jax.random.key(0))
with tempfile.TemporaryDirectory() as folder:
    lies = params, directions.random(jax.random.key(1), params, 2)
    page = live.explorer(f"{folder}/page.html", C, {"a plane": lies}, progress=False)
    assert page.live
    assert "</html>" in Path(folder, "page.html").read_text()

print(f"jaxcost {jaxcost.__version__} of the wheel: {len(kept)} files, all rooms, a live page of {page.bytes:,} bytes")
