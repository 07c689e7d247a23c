"""What `speed.py --connectivity` times: straight lines between all pairs of networks, and the matching of two."""

from functools import partial
from typing import NamedTuple

import common
import jax
import numpy as np
from peers import in_jax, timing

from jaxcost import network, populations, slices
from jaxcost.connectivity import graph, symmetry
from jaxcost.directions import Frame, between

POINTS = 25  # on each line
LINES, PLAIN = "all lines, graph.straight", "jitted C in lax.map"
LARGE = (784, 512, 512, 512, 10)


class Connectivity(NamedTuple):
    """What was timed, in seconds.

    Attributes:
        images: how many C takes.
        sizes: of the networks.
        pairs: lines between them, of `POINTS` points.
        lines: seconds a point by way, `[turns]`.
        matched: seconds of the matching of two networks by what, `[turns]`.
    """

    images: int
    sizes: tuple
    pairs: int
    lines: dict[str, np.ndarray]
    matched: dict[str, np.ndarray]


def run(settings):
    """Time everything about connectivity, of untrained networks: none of it hangs on what they have learned."""
    train, _ = common.images(settings)
    C, first, _ = in_jax.model("-".join(map(str, settings.sizes)), train)
    networks = [network.init(key, settings.sizes) for key in jax.random.split(jax.random.key(1), settings.minima)]
    ends = first, networks[0]
    ts = np.linspace(0, 1, POINTS, dtype=np.float32)[:, None]
    pairs = settings.minima * (settings.minima - 1) // 2
    plain, along = in_jax.plain(C, ends[0], (between(*ends),)), (between(*ends),)
    all_lines = lambda _: graph.straight(C, networks, POINTS, progress=False)
    ways = {
        PLAIN: (plain, timing.enough(plain, ts, settings.seconds)),
        "one line, slices.evaluate": (partial(slices.evaluate, C, ends[0], along), ts),
        "ten lines, populations.evaluate": (lambda _: populations.evaluate(C, frames(networks), ts), [0] * 10 * POINTS),
        LINES: (all_lines, [0] * pairs * POINTS),
    }
    lines = timing.turns(ways, settings.repeats)
    large = [network.init(jax.random.key(i), LARGE) for i in range(2)]
    matching = {
        f"weights, {'-'.join(map(str, of))}": lambda _, two=two: symmetry.weight_matching(*two)
        for of, two in ((settings.sizes, ends), (LARGE, large))
    }
    matching["activations, the first of these"] = lambda _: symmetry.activation_matching(C, *ends)
    matched = timing.turns({name: (way, [0]) for name, way in matching.items()}, settings.repeats)
    return Connectivity(C.n, settings.sizes, pairs, lines, matched), {"data": train.fingerprint}


def frames(networks):
    """Ten lines between networks, some of them twice if there are few."""
    return [Frame(networks[0], (between(networks[0], networks[1 + i % (len(networks) - 1)]),)) for i in range(10)]


def table(result):
    """Milliseconds a point and ratios; seconds of all lines; of matchings."""
    best, plain = result.lines[LINES], result.lines[PLAIN]
    rows = [["way", "ms a point", f"faster than {PLAIN}"]]
    for name, seconds in result.lines.items():
        rows.append([name, common.median_of(1e3 * seconds, ".2f"), common.median_of(plain / seconds, ".1f")])
    matched = [["matching", "seconds"], *([name, common.median_of(s, ".2g")] for name, s in result.matched.items())]
    points = result.pairs * POINTS
    return [
        f"{'-'.join(map(str, result.sizes))}, {result.images:,} images, median of {len(best)} (lowest to highest)",
        "",
        *common.columns(rows),
        "",
        f"{result.pairs} lines of {POINTS} points with their noise floor: {common.median_of(points * best, '.1f')} s",
        "",
        *common.columns(matched),
    ]


def ways(result):
    """What is drawn: seconds by way, and of what."""
    return result.lines, "a point"
