"""What the scripts in experiments/ share: settings as flags, images by folder, one output file, figures.

A script is `Settings` (a frozen dataclass, each field made by `setting` with its reason), `run(settings)`
which returns a result and what to say of it, `draw(path)` which makes the figures from the file alone, and

    if __name__ == "__main__":
        common.main(__doc__, Settings, run, draw)
"""

import argparse
import dataclasses
import math
import sys
import time
from pathlib import Path

from matplotlib.figure import Figure

from jaxcost import data, results


def setting(default, why, small=None):
    """A field of a `Settings` dataclass: its default, why it is so, and its value with --small."""
    return dataclasses.field(default=default, metadata={"why": why, "small": small})


def main(doc, Settings, run, draw, arguments=None):
    """Run a script: `--small`, `--draw FILE`, `--output FOLDER` and a flag for each setting.

    Args:
        doc: the script's docstring.
        Settings: its settings.
        run: `run(settings)` returns `(result, about, table)`: what to save, what is known about it, and
            lines to print at the end.
        draw: `draw(path)` writes figures beside the result file and returns their paths.
        arguments: words of the command line; None for the process' own.
    """
    start = time.perf_counter()
    name = Path(sys.modules[Settings.__module__].__file__).stem
    settings, flags = parse(doc, Settings, arguments)
    if flags.draw:
        path = Path(flags.draw)
    else:
        path = Path(flags.output or Path("output") / name) / f"{name}.npz"
        result, about, table = run(settings)
        results.save(path, result, settings=dataclasses.asdict(settings), **about)
    figures = draw(path)
    if not flags.draw:
        print("\n" + "\n".join(table))
        print(f"\nresult  {path}")
    print("\n".join(f"figure  {figure}" for figure in figures))
    print(f"{time.perf_counter() - start:.1f} s")


def parse(doc, Settings, arguments=None):
    """The settings that a command line asks for, and the flags that all scripts have."""
    small = "--small" in (sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(
        description=doc, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--small", action="store_true", help="a run of seconds, to see that all works")
    parser.add_argument("--draw", metavar="FILE", help="draw a saved result again, and compute nothing")
    parser.add_argument("--output", metavar="FOLDER", help="where result and figures go")
    for field in dataclasses.fields(Settings):
        many = isinstance(field.default, tuple)
        kind = type(field.default[0] if many else field.default)
        if kind is bool:
            parser.add_argument(
                f"--{field.name.replace('_', '-')}", action="store_true", help=f"{field.metadata['why']} (off)"
            )
            continue
        default = field.default
        if small and field.metadata["small"] is not None:
            default = field.metadata["small"]
        shown = " ".join(map(str, default)) if many else repr(default)
        parser.add_argument(
            f"--{field.name.replace('_', '-')}",
            type=kind,
            nargs="+" if many else None,
            default=default,
            metavar=kind.__name__.upper(),
            help=f"{field.metadata['why']} ({shown})".replace("%", "%%"),
        )
    flags = parser.parse_args(arguments)
    values = {field.name: getattr(flags, field.name) for field in dataclasses.fields(Settings)}
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return Settings(**values), flags


def images(folder, count=0):
    """`(train, held_out)` from a folder of IDX files, or the embedded digits; the first `count` of each, or all."""
    parts = data.load(folder) if folder else data.digits()
    return tuple(part[:count] if count else part for part in parts)


def verdict(claim, found, low=-math.inf, high=math.inf):
    """One line on a published claim: what was found, the band in which it should lie, and whether it does.

    Args:
        claim: what is claimed, and by whom.
        found: a `populations.Summary`, whose median is judged, or a number.
        low: lower end of the band.
        high: upper end.

    Example:
        >>> print(verdict("row 1, accuracy in percent", 95.5, 94.5, 95.8))
        PASS  row 1, accuracy in percent: 95.5, expected 94.5 to 95.8
    """
    middle = getattr(found, "median", found)
    said = str(found) if hasattr(found, "median") else f"{found:.3g}"
    if high == math.inf:
        band = f"at least {low:.3g}"
    else:
        band = f"at most {high:.3g}" if low == -math.inf else f"{low:.3g} to {high:.3g}"
    return f"{'PASS' if low <= middle <= high else 'FAIL'}  {claim}: {said}, expected {band}"


def save_figures(path, figures):
    """Write figures beside a result file, `{name: figure}` as `stem-name.png`, and return their paths."""
    path = Path(path)
    paths = []
    for name, figure in figures.items():
        paths.append(path.with_name(f"{path.stem}-{name}.png"))
        # no version in the file: the same result gives the same bytes
        figure.savefig(paths[-1], dpi=120, metadata={"Software": None})
    return paths


def figure(width, height):
    """An empty figure, inches; no pyplot, no global state."""
    return Figure(figsize=(width, height), layout="constrained")
