"""Progress of what takes long: a bar on a terminal, and an off switch.

Bars are shown where standard error is a terminal, by the first of several processes. `progress=False` turns them off
for one call, the environment variable TQDM_DISABLE=1 for a whole process.
"""

import os

import jax
from tqdm import tqdm

from jaxcost import checks


def bar(total, what, unit, *, progress=True, initial=0) -> tqdm:
    """A progress bar that appears after two seconds and leaves nothing behind.

    Raises:
        ValueError: `total` or `initial` is no whole number, or `progress` not True or False.

    Example:
        >>> with bar(3, "points", "point", progress=False) as shown:
        ...     shown.update()
    """
    total, initial = checks.whole("total", total, 0), checks.whole("initial", initial, 0)
    # None: only on a terminal
    disable = None if wanted(progress) else True
    return tqdm(total=total, initial=initial, desc=what, unit=unit, delay=2, leave=False, disable=disable)


def wanted(progress=True) -> bool:
    """Whether this process should tell of its progress.

    Raises:
        ValueError: `progress` is not True or False.

    Example:
        >>> wanted(progress=False)
        False
    """
    off = os.environ.get("TQDM_DISABLE", "0").lower() not in ("", "0", "false")
    return checks.flag("progress", progress) and not off and jax.process_index() == 0
