"""What the scripts in experiments/ share: settings as flags, one training, one output file, text, figures.

A script is a docstring with its command and the numbers to expect, and

    Settings         a frozen dataclass, each field made by `setting` with its reason; inherits Network or Trained
    Result           a NamedTuple, what is saved
    run(settings)    returns `(result, about)`: the result, and a dict of what is known about it, its data's fingerprint
    table(result)    returns the lines to print
    draw(path)       writes figures beside the result file, from that file alone, and returns their paths

    if __name__ == "__main__":
        common.main(__doc__, Settings, run, draw, table)

With --quiet it prints nothing but errors, with --format its figures are SVG or PDF. Compiled programs are kept, so that
it starts faster when it is run again.
"""

import argparse
import contextlib
import dataclasses
import functools
import io
import itertools
import math
import os
import platform
import sys
import time
from pathlib import Path

import jax
import matplotlib
import numpy as np
import optax
from matplotlib.figure import Figure

from jaxcost import data, descent, figures, network, results

NETWORKS = ("untrained", "half-trained", "trained")
LENGTH = "1 = the length of each neuron's own weights"  # of a filter-normalised direction, for labels
_sgd = functools.cache(optax.sgd)  # one object a rate, so that several runs are compiled once


def setting(default, why, small=None):
    """A field of a `Settings` dataclass: its default, why it is so, and its value with --small."""
    return dataclasses.field(default=default, metadata={"why": why, "small": small})


@dataclasses.dataclass(frozen=True)
class Network:
    """A network and the images over which its cost is taken: settings that all scripts have."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images of each part, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes all that is random: networks, the order of images, directions")


@dataclasses.dataclass(frozen=True)
class Trained(Network):
    """The same, trained Nielsen's way."""

    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "images a step, Nielsen's; 0 for all of them")
    epochs: int = setting(30, "passes over the images, Nielsen's", small=3)


def like(name, **new):
    """The setting of `Trained` of that name once more, with another `default`, `why` or `small`."""
    field = Trained.__dataclass_fields__[name]
    return setting(**{"default": field.default, **field.metadata, **new})


def main(doc, Settings, run, draw, table, arguments=None):
    """Run a script by the words of its command line, `arguments`, or by those of the process."""
    start = time.perf_counter()
    keep_compiled()
    name = Path(sys.modules[Settings.__module__].__file__).stem
    settings, flags = parse(doc, Settings, arguments)
    if flags.quiet:
        os.environ["TQDM_DISABLE"] = "1"  # of this process, and of those that it starts
    with contextlib.redirect_stdout(io.StringIO() if flags.quiet else sys.stdout):
        path = Path(flags.draw or Path(flags.output or Path("output") / name) / f"{name}.npz")
        if not flags.draw:
            result, about = run(settings)
            results.save(path, result, settings=dataclasses.asdict(settings), **about)
        with matplotlib.rc_context({"savefig.format": flags.format}):
            drawn = draw(path)
        if not flags.draw:
            print("", *table(results.load(path)), "", f"result  {path}", sep="\n")
        print(*(f"figure  {one}" for one in drawn), sep="\n")
        print(f"{time.perf_counter() - start:.1f} s")


def keep_compiled():
    """Keep compiled programs in the user's folder of caches, by machine: one may not run on another."""
    if jax.config.jax_compilation_cache_dir is None:
        caches = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        jax.config.update("jax_compilation_cache_dir", str(caches / "jaxcost" / platform.node()))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)  # many small ones are most of a start


def parse(doc, Settings, arguments=None):
    """The settings that a command line asks for, and the flags that all scripts have."""
    small = "--small" in (sys.argv[1:] if arguments is None else arguments)
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=doc, allow_abbrev=False, formatter_class=layout)
    parser.add_argument("--small", action="store_true", help="a run of seconds, to see that all works")
    parser.add_argument("--quiet", action="store_true", help="print nothing, show no progress")
    parser.add_argument("--draw", metavar="FILE", help="draw a saved result again, and compute nothing")
    parser.add_argument("--format", choices=("png", "svg", "pdf"), default="png", help="of the figures (png)")
    parser.add_argument("--output", metavar="FOLDER", help="where result and figures go")
    for field in dataclasses.fields(Settings):
        flag, why = f"--{field.name.replace('_', '-')}", field.metadata["why"].replace("%", "%%")
        many = isinstance(field.default, tuple)
        kind = type(field.default[0] if many else field.default)
        if kind is bool:
            parser.add_argument(flag, action="store_true", help=f"{why} (off)")
            continue
        own = field.metadata["small"]
        default = own if small and own is not None else field.default
        shown = (" ".join(map(str, default)) if many else repr(default)).replace("%", "%%")
        options = {"type": kind, "nargs": "+" if many else None, "metavar": kind.__name__.upper()}
        parser.add_argument(flag, default=default, help=f"{why} ({shown})", **options)
    flags = parser.parse_args(arguments)
    values = {field.name: getattr(flags, field.name) for field in dataclasses.fields(Settings)}
    return Settings(**{name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}), flags


def images(settings):
    """`(train, held_out)` from the folder `settings.data`, or the embedded digits; of each the first `.images`."""
    parts = data.load(settings.data) if settings.data else data.digits()
    return tuple(part[: settings.images or None] for part in parts)


def train(init_key, batch_key, C, settings, **options):
    """Train one network from `network.init(init_key, settings.sizes)` on, its parameters kept; returns a `descent.Run`.

    `batch_key` makes the order of the images. Options are those of `descent.descend`; else it is descent at the rate of
    the settings for their epochs. In place of `every`, `records` says how often the run is recorded beside the start,
    else once; steps beyond a multiple of it are left out.
    """
    start = network.init(init_key, settings.sizes)
    return _told(descent.descend(batch_key, C, start, **_options(C, settings, **{"keep": True} | options)), C, settings)


def train_many(keys, C, settings, *, scale=None, **options):
    """Train a network a key, all at once: `train` by `descent.ensemble`, from weights of this scale, none kept."""
    init = lambda key: network.init(key, settings.sizes, scale=scale)
    return _told(descent.ensemble(keys, C, init, **_options(C, settings, **options)), C, settings)


def _options(C, settings, records=1, steps=None, optimizer=None, **more):
    steps = settings.epochs * (C.n // (settings.batch or C.n)) if steps is None else steps
    every = max(1, steps // records)
    own = {"steps": steps - steps % every, "batch": settings.batch or None, "every": every}
    return {**own, "optimizer": optimizer or _sgd(settings.rate), **more}


def _told(run, C, settings):
    costs, layers = np.atleast_2d(run.costs), "-".join(map(str, settings.sizes))
    (first, last), many = np.median(costs[:, [0, -1]], 0), f", medians of {len(costs):,}" if len(costs) > 1 else ""
    size = f"{network.size(run.params) // len(costs):,} parameters, {C.n:,} images"
    print(f"{layers}, {size}: C {first:.3f} to {last:.4f} in {run.steps[-1]:,} steps{many}")
    return run


def halfway(costs):
    """Index of the first record at which C is half of its way down, on a logarithmic scale."""
    return int(np.argmax(np.asarray(costs) <= np.sqrt(costs[0] * costs[-1])))


def stages(costs):
    """The records of the three NETWORKS of a run, `{name: index}`, for `run.at(index)` and `costs[index]`."""
    return dict(zip(NETWORKS, (0, halfway(costs), len(costs) - 1), strict=True))


def median_of(values, form=".3g"):
    """Median and extremes: "0.055 (0.052 to 0.061)"."""
    return f"{np.median(values):{form}} ({np.min(values):{form}} to {np.max(values):{form}})"


def columns(rows):
    """Rows of cells as lines: the first column to the left, others to the right; 3 digits of floats, 1,000 of ints."""
    shown = lambda cell: format(cell, "," if isinstance(cell, int) else ".3g" if isinstance(cell, float) else "")
    rows = [[shown(cell.item() if hasattr(cell, "item") else cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in itertools.zip_longest(*rows, fillvalue="")]
    aligned = lambda i, cell: cell.rjust(widths[i]) if i else cell.ljust(widths[i])
    return ["  ".join(aligned(i, cell) for i, cell in enumerate(row)).rstrip() for row in rows]


def verdict(claim, found, low=-math.inf, high=math.inf, *, source=None, whole=False):
    """One line on a claim: whether it holds, what was found, and the band in which it should lie, its ends included.

    `found` is a `statistics.Summary`, whose median is judged, a `statistics.Interval`, whose value is, or a number;
    `whole`: all of its interval must lie in the band. `source` is who claims it, authors and year; None: this kit.
    """
    if not low <= high or (low, high) == (-math.inf, math.inf):
        raise ValueError(f"the band {low} to {high}, expected one that some numbers are in and some are not")
    if whole and not hasattr(found, "low"):
        raise TypeError(f"{found!r} has no interval, expected a Summary or an Interval")
    value = getattr(found, "median", getattr(found, "value", found)) if hasattr(found, "low") else found
    holds = all(low <= one <= high for one in ((found.low, value, found.high) if whole else (value,)))  # NaN never
    band = f"{low:.3g} to {high:.3g}" if low > -math.inf else f"at most {high:.3g}"
    band = f"at least {low:.3g}" if high == math.inf else band
    head = f"{'holds' if holds else 'not confirmed':<14}{claim}{f' ({source})' if source else ''}"
    return f"{head}: {f'{found:.3g}' if value is found else found}, expected {'all of it ' if whole else ''}{band}"


def figure(width, height):
    """An empty figure, inches; no pyplot, no global state."""
    return Figure(figsize=(width, height), layout="constrained")


def save_figures(path, named):
    """Write figures beside a result file, `{name: figure}` as `stem-name.png`, and return their paths.

    Their format is the one asked for by --format, and else png.
    """
    ending = matplotlib.rcParams["savefig.format"]
    paths = {name: Path(path).with_name(f"{Path(path).stem}-{name}.{ending}") for name in named}
    for name, one in named.items():
        figures.save(paths[name], one)
    return list(paths.values())


def tidy(axes, *, loc="best", which="major"):
    """A faint grid on one or several axes, and a legend where something has a label and there is none yet."""
    for ax in np.ravel(axes):
        ax.grid(alpha=0.3, which=which)
        if ax.get_legend_handles_labels()[1] and ax.get_legend() is None:
            ax.legend(fontsize=8, loc=loc)


def log(*axes):
    """Make axes logarithmic, with plain numbers 0.1 0.2 0.5 1, fewer on long ones: `log(ax.xaxis, ax.yaxis)`."""
    decades = lambda axis: np.diff(np.log10(axis.get_view_interval()))[0]
    digits = lambda axis: ("123456789", "2357", "25", "")[np.searchsorted((0.5, 1, 3), decades(axis))]
    plain = lambda axis, x, _: f"{x:g}" if f"{x:e}"[0] in digits(axis) else ""
    for axis in axes:
        getattr(axis.axes, f"set_{axis.axis_name}scale")("log")
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(functools.partial(plain, axis))
        axis.set_tick_params(which="minor", pad=5)  # labels as far out as those of the longer ticks


def counts(ax):
    """Make the upward axis one of counts: linear from 0 to 1 and logarithmic beyond, with plain numbers."""
    ax.set_yscale("symlog", linthresh=1)
    ax.update_datalim([(0, 0)], updatex=False)  # a margin of what is shown, from 0
    ax.autoscale_view(scalex=False)  # in the new scale, also where limits were asked for before
    ax.set_ylim(bottom=-0.1)
    ax.yaxis.set_major_formatter("{x:g}")


def around(coordinates, points, margin=0.15):
    """The two axes of a plane about `coordinates` `[n, 2]`, with a margin, as a share of their larger extent."""
    low, high = np.min(coordinates, 0), np.max(coordinates, 0)
    return list(np.linspace(low - margin * (high - low).max(), high + margin * (high - low).max(), points).T)
