"""Progress of what takes long: a bar on a terminal, and an off switch.

Bars are shown where standard error is a terminal, by the first of several processes. `progress=False` turns them off
for one call, the environment variable TQDM_DISABLE=1 for a whole process.
"""

import os

import jax
from tqdm import tqdm


def bar(total, what, unit, *, progress=True, initial=0) -> tqdm:
    """A progress bar that appears after two seconds and leaves nothing behind.

    Example:
        >>> with bar(3, "points", "point", progress=False) as shown:
        ...     shown.update()
    """
    # None: only on a terminal
    disable = None if wanted(progress) else True
    return tqdm(total=total, initial=initial, desc=what, unit=unit, delay=2, leave=False, disable=disable)


def wanted(progress=True) -> bool:
    """Whether this process should tell of its progress.

    Example:
        >>> wanted(progress=False)
        False
    """
    off = os.environ.get("TQDM_DISABLE", "0").lower() not in ("", "0", "false")
    return progress and not off and jax.process_index() == 0
