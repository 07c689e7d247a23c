"""How high is the barrier between two trained networks, by width, and once their hidden neurons are matched.

Trains pairs of networks of many widths, from different starts and in different orders, and looks at C on the straight
line between the two: as they are, with the hidden neurons of one renumbered to fit the other, and with a temperature.
Entezari et al. 2022 (arXiv 2110.06296) conjecture and Ainsworth et al. 2023 (arXiv 2209.04836) find that wide networks
once matched have next to no barrier. Zhan, Li & Wu 2025 (arXiv 2503.06001): it falls at a rate O(width^-1/2), which is
at least as fast, with a hump on the way. Ito et al. 2025 (arXiv 2510.08023): width alone connects, if the outputs have
the right temperature.

    python experiments/barrier_by_width.py                           the embedded digits, ReLU, cross-entropy, Adam
    python experiments/barrier_by_width.py --home --widths 4 8 16 32 64 128    sigmoids, squares, plain descent
    python experiments/barrier_by_width.py --data FOLDER             any four IDX files

A barrier is the largest excess of C on the line over the straight line between its end values. With a temperature, the
last layer's weights and biases are multiplied at each point, the ends too, by the one number that makes C least there.

Expect, on the embedded digits, jax 0.10.2, seed 0, medians of ten pairs: straight 1.7 at width 4, 3.4 at 8, falling to
0.66 (0.55 to 0.84) at 512; with weights matched 1.3 at 4 to 16 (0.6 to 1.8), 0.21 at 64 and 0.013 (0.012 to 0.015) at
512, on held-out images none from 256 on; activations matched do as well or better up to 64. So matching does away with
the barrier of wide networks, and not with that of width 16: as claimed. It falls faster than one over the root of the
width, as width^-1.32 (-1.40 to -1.18) from 16 on, straight as width^-0.42 (-0.49 to -0.36); no hump is seen, width 16
among them: medians from 4 to 16 do not differ. A temperature takes off a fifth to half at widths 8 to 32 and an eighth
(2 to 35 %) at 512: not confirmed. With --rate 0.003, which ends lower as well, it is half at width 128, 0.044 (0.027 to
0.057) for 0.082 (0.071 to 0.10), and no other at 16. Twenty minutes on two cores, half of them at width 512.

With --home --rate 1.5 --batch 10, widths 4 to 64, straight 0.56 to 0.85, with no trend from 16 on. Activations matched
it falls, 0.49 at width 8 to 0.18 (0.14 to 0.23) at 64; weights matched it rises again, 0.30 at 16 to 0.45 (0.34 to
0.57), presumably since most of a weight that starts as N(0, 1) stays what it was: a hump there is the matching's.
"""

from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, losses, network, plot, populations, resampling, results, slices, statistics
from jaxcost.connectivity import paths, symmetry
from jaxcost.directions import Frame, between

WAYS = STRAIGHT, WEIGHTS, ACTIVATIONS, TEMPERATURE = "straight", "weights matched", "activations matched", "temperature"
ZHAN, ITO, AINSWORTH = "Zhan, Li & Wu 2025", "Ito et al. 2025", "Entezari et al. 2022; Ainsworth et al. 2023"
SCALES = np.geomspace(0.25, 64, 41)  # by which the last layer is multiplied: one over a temperature


@dataclass(frozen=True)
class Settings(common.Trained):
    """How wide, how many pairs, and how they are trained."""

    sizes: tuple = like("sizes", why="its depth is that of all widths")
    widths: tuple = setting((4, 8, 16, 32, 64, 128, 256, 512), "hidden neurons a layer", small=(8, 16))
    pairs: int = setting(10, "of each width, no network in two of them", small=2)
    points: int = setting(25, "on each line", small=5)
    rate: float = like("rate", default=1e-3, why="of Adam; with --home 1.5 is Nielsen's", small=1e-2)
    batch: int = like("batch", default=100, why="images a step; with --home 10 is Nielsen's", small=10)
    home: bool = setting(False, "the cheatsheet's sigmoids, squares and descent in place of ReLU, cross-entropy, Adam")


class Lines(NamedTuple):
    """C on the straight lines between pairs of networks.

    Attributes:
        learned: C on the training images, `[pairs, points]`.
        unseen: C on held-out images.
        right: share of the held-out images that are right.
    """

    learned: np.ndarray
    unseen: np.ndarray
    right: np.ndarray


class Width(NamedTuple):
    """The networks of a width.

    Attributes:
        width: hidden neurons a layer.
        parameters: how many.
        lines: `Lines`, by the way in which the second network of a pair was changed.
        floor: the largest rounding noise of C on them.
    """

    width: int
    parameters: int
    lines: dict[str, Lines]
    floor: float


class Result(NamedTuple):
    """Barriers by width.

    Attributes:
        ts: along the lines, `[points]`.
        widths: a `Width` each, rising.
    """

    ts: np.ndarray
    widths: list[Width]


def run(settings):
    """Train pairs of each width, and look along the lines between the two in each of the `WAYS`."""
    parts = common.images(settings)
    relu = network.mlp(jax.nn.relu), losses.softmax_cross_entropy
    Cs = tuple(cost.Cost(of, *((network.feedforward, losses.quadratic) if settings.home else relu)) for of in parts)
    adam = None if settings.home else optax.adam(settings.rate)
    widths = [of_width(settings, Cs, adam, width) for width in sorted(settings.widths)]
    about = {"data": parts[0].fingerprint, "held_out": parts[1].fingerprint}
    return Result(np.linspace(0, 1, settings.points), widths), about


def of_width(settings, Cs, optimizer, width):
    """Lines between networks of one width."""
    inputs, *hidden, outputs = settings.sizes
    keys = jax.random.split(jax.random.fold_in(jax.random.key(settings.seed), width), 2 * settings.pairs)
    sized = replace(settings, sizes=(inputs, *[width] * len(hidden), outputs))
    scale = None if settings.home else lambda n: n**-0.5  # the home network's own start is N(0, 1)
    trained = common.train_many(keys, Cs[0], sized, scale=scale, optimizer=optimizer)
    pairs = [tuple(trained.network(i + one).params for one in (0, 1)) for i in range(0, len(keys), 2)]
    of_both = partial(symmetry.activation_matching, Cs[0])
    matches = {STRAIGHT: lambda a, b: b, WEIGHTS: symmetry.weight_matching, ACTIVATIONS: of_both}
    lines, floors, ts = {}, [], np.linspace(0, 1, settings.points)[:, None]
    for way, match in matches.items():
        frames = [Frame(a, (between(a, match(a, b)),)) for a, b in pairs]
        learned, unseen = (populations.evaluate(C, frames, ts, progress=False) for C in Cs)
        right = [[float(cost.accuracy(Cs[1], frame.at(t))) for t in ts] for frame in frames]
        lines[way] = Lines(learned, unseen, np.array(right))
        floors.append(populations.floor(Cs[0], frames, ts, learned))
    unknown = np.full_like(lines[STRAIGHT].unseen, np.nan)  # learned by heart, the best scale is no good for others
    lines[TEMPERATURE] = Lines(np.array([scaled(Cs[0], *pair, settings.points) for pair in pairs]), unknown, unknown)
    return Width(width, network.size(pairs[0]) // 2, lines, max(floors))


def scaled(C, a, b, points):
    """C on the line from a to b, the last layer of each network times what makes it least."""
    found = []
    for t in np.linspace(0, 1, points):
        here = jax.tree.map(lambda x, y, t=t: ((1 - t) * x + t * y).astype(x.dtype), a, b)
        last = jax.tree.map(jnp.zeros_like, here)
        last = network.Params((*last.w[:-1], here.w[-1]), (*last.b[:-1], here.b[-1]))
        found.append(slices.evaluate(C, here, (last,), SCALES[:, None] - 1, progress=False).min())
    return np.array(found)


def barriers(result, way, part="learned"):
    """The largest excess of C on each line, of "right" that of the error in points, by width: a list of `[pairs]`."""
    of_lines = [getattr(of.lines[way], part) for of in result.widths]
    of_lines = [100 * (1 - of) for of in of_lines] if part == "right" else of_lines
    return [np.array([paths.Path(result.ts, one, 0.0).barrier for one in of]) for of in of_lines]


def slope(result, way, least=16):
    """Of the logarithm of a barrier against that of the width, from a width on, by least squares: an `Interval`."""
    known = [of for of in result.widths if of.width >= least]
    known = known if len(known) > 1 else result.widths
    x = np.log([of.width for of in known])
    x = (x - x.mean()) / np.square(x - x.mean()).sum()
    groups = [np.maximum(one, of.floor) for one, of in zip(barriers(result, way)[-len(known) :], known, strict=True)]
    fitted = lambda drawn: sum(weight * np.log(np.median(one, -1)) for weight, one in zip(x, drawn, strict=True))
    return resampling.bootstrap(jax.random.key(0), fitted, groups, levels=1)


def hump(result, way):
    """Two widths, the narrower first, where the median barrier rises most, the factor, and p times all such pairs."""
    of, widths = barriers(result, way), [one.width for one in result.widths]
    medians = [max(float(np.median(one)), width.floor) for one, width in zip(of, result.widths, strict=True)]
    pairs = [(medians[j] / medians[i], i, j) for j in range(len(of)) for i in range(j)]
    rise, i, j = max(pairs)
    return widths[i], widths[j], rise, len(pairs) * statistics.mann_whitney(of[i], of[j])


def table(result):
    """Barriers by width in each way, on learned and on held-out images; slopes; the verdicts."""
    shown = lambda draws: str(statistics.summary(draws)).split(", ")[0] + ")"
    ends = lambda of: common.median_of(of.lines[STRAIGHT].learned[:, [0, -1]], ".2g")
    rows, columns = [["width", "parameters", "C of the ends", *WAYS]], [barriers(result, way) for way in WAYS]
    for i, of in enumerate(result.widths):
        rows.append([of.width, of.parameters, ends(of), *(shown(one[i]) for one in columns)])
    held = [["width", "held-out C: straight", WEIGHTS, "errors, points: straight", WEIGHTS]]
    columns = [barriers(result, way, part) for part in ("unseen", "right") for way in (STRAIGHT, WEIGHTS)]
    held += [[of.width, *(shown(one[i]) for one in columns)] for i, of in enumerate(result.widths)]
    return [
        f"barriers of C on the learned images, medians of {len(columns[0][0])} pairs and their intervals",
        *common.columns(rows),
        "",
        "on held-out images",
        *common.columns(held),
        "",
        *verdicts(result),
    ]


def verdicts(result):
    """What is claimed of width, of matching, of the hump and of temperature."""
    widest = result.widths[-1]
    straight = np.maximum(barriers(result, STRAIGHT)[-1], widest.floor)
    share = lambda way: statistics.summary(barriers(result, way)[-1] / straight)
    narrow, wide, rise, p = hump(result, WEIGHTS)
    home = int(np.argmin([abs(of.width - 16) for of in result.widths]))
    own = statistics.summary(barriers(result, WEIGHTS)[home])
    rise, fast = rise if p < 0.05 else 1.0, {"high": -0.5, "source": ZHAN}  # none that is not sure
    return [
        common.verdict(f"width {widest.width}: matched over straight", share(WEIGHTS), high=0.1, source=AINSWORTH),
        common.verdict("log barrier, matched, by log width from 16 on", slope(result, WEIGHTS), **fast),
        common.verdict("the same, straight", slope(result, STRAIGHT), high=-0.1, whole=True),
        common.verdict(f"hump: matched, width {wide} over {narrow} (p {min(p, 1):.2g})", rise, low=1.25, source=ZHAN),
        common.verdict(f"width {result.widths[home].width} keeps a barrier when matched", own, low=0.01, whole=True),
        common.verdict(f"width {widest.width}: temperature over straight", share(TEMPERATURE), high=0.1, source=ITO),
    ]


def draw(path):
    """Barriers by width, on learned and held-out images, and the held-out error."""
    result = results.load(path)
    figure = common.figure(15, 4.8)
    axes = figure.subplots(1, 3)
    widths, floors = ([getattr(of, name) for of in result.widths] for name in ("width", "floor"))
    for way, marker in zip(WAYS, "osDv", strict=True):
        for ax, part in zip(axes, Lines._fields, strict=True):
            if way != TEMPERATURE or part == "learned":
                found = map(np.maximum, barriers(result, way, part), floors)
                plot.medians(ax, widths, list(map(statistics.summary, found)), way, marker=marker, ms=5)
    last = max(floors[-1], np.median(barriers(result, WEIGHTS)[-1])) * np.sqrt(widths[-1])
    axes[0].plot(widths, last / np.sqrt(widths), ":", color="gray", label="1 / √width")
    titles = "Barrier of C, learned images", "Barrier of C, held-out images", "Barrier of the held-out error, points"
    for ax, title in zip(axes, titles, strict=True):
        ax.set(xlabel="hidden neurons a layer", title=title)
        common.log(*((ax.xaxis, ax.yaxis) if ax is not axes[2] else (ax.xaxis,)))
        ax.set_ylim(bottom=max(ax.get_ylim()[0], 1e-3 * ax.get_ylim()[1]))  # what is lower is none
        ax.set_xticks(widths, widths)
        ax.xaxis.minorticks_off()
    common.tidy(axes)
    figure.suptitle(
        "The straight line between two trained networks: medians over pairs with 95 % intervals; off the bottom: none"
    )
    return common.save_figures(path, {"widths": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
