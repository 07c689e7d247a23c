"""Is there a valley between two trained networks where the straight line between them goes over a mountain.

Joins pairs of networks, trained from different starts and in different orders, by the straight line; by the straight
line to the same network with its hidden neurons renumbered (Ainsworth et al. 2023, arXiv 2209.04836); by a quadratic
Bezier curve and a chain of two lines, fitted (Garipov et al. 2018, arXiv 1802.10026); and by a nudged elastic band
(Draxler et al. 2018, arXiv 1803.00885), whose highest network should come to lie near a saddle.

    python experiments/valley_between_minima.py                 the cheatsheet's network, the embedded digits
    python experiments/valley_between_minima.py --relu --sizes 784 512 512 512 10 --pairs 3    Ainsworth et al.'s
    python experiments/valley_between_minima.py --data FOLDER   any four IDX files

A barrier is the largest excess of C over the straight line between its end values. All that is said of C is over all
images, at points between those that were fitted as well; the fits see a few images a step.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, directions, losses, network, plot, results, slices, statistics, trajectories
from jaxcost.connectivity import band, curves, paths, symmetry

WAYS = STRAIGHT, MATCHED, BEZIER, CHAIN, BAND = "straight", "matched", "Bezier", "chain", "band"
AINSWORTH, GARIPOV, DRAXLER = "Ainsworth et al. 2023", "Garipov et al. 2018", "Draxler et al. 2018"


@dataclass(frozen=True)
class Settings(common.Trained):
    """Which networks, and how paths between them are fitted."""

    relu: bool = setting(False, "ReLU, cross-entropy and Adam, as Ainsworth et al., at rate 0.001, 500 images a step")
    pairs: int = setting(6, "no network in two of them, the fewest that give an interval", small=1)
    points: int = setting(49, "on each path; the published have 25 to 61", small=9)
    steps: int = setting(8000, "of a fit, ten passes over the digits: beyond it C falls by a few hundredths", small=100)
    taken: int = setting(100, "images a step of a fit")
    pace: float = setting(0.01, "rate of Adam in fits")
    pivots: int = setting(7, "of the band at first; more come where C rises between two", small=2)
    grid: int = setting(41, "points a side of the planes", small=7)


class Profile(NamedTuple):
    """C along one path.

    Attributes:
        ts: from 0 to 1, `[points]`.
        learned: C on the training images.
        unseen: C on held-out images.
        right: share of the held-out images that are right.
        floor: rounding noise of `learned`.
    """

    ts: np.ndarray
    learned: np.ndarray
    unseen: np.ndarray
    right: np.ndarray
    floor: float


class Result(NamedTuple):
    """Paths between pairs of networks, and two planes.

    Attributes:
        profiles: for each pair a `Profile` by name of the way.
        apart: distance of the two of each pair, and of the first from the second matched to it, `[pairs, 2]`.
        passes: of the highest network of each band, a `band.Pass`.
        slopes: length of the gradient at the two ends, `[pairs, 2]`.
        bend: of the first pair the plane of its Bezier curve, a `slices.Slice`.
        curve: and the curve on it, a `curves.Plane`.
        shuffled: the plane through both and the second matched, a `slices.Slice`.
        three: coordinates of these on it, `[3, 2]`.
    """

    profiles: list[dict[str, Profile]]
    apart: np.ndarray
    passes: list[band.Pass]
    slopes: np.ndarray
    bend: slices.Slice
    curve: curves.Plane
    shuffled: slices.Slice
    three: np.ndarray


def run(settings):
    """Train pairs, join each in all `WAYS`, certify the passes, cut planes."""
    parts = common.images(settings)
    relu = network.mlp(jax.nn.relu), losses.softmax_cross_entropy
    Cs = tuple(cost.Cost(of, *(relu if settings.relu else (network.feedforward, losses.quadratic))) for of in parts)
    options = {"optimizer": optax.adam(settings.rate), "scale": lambda n: n**-0.5} if settings.relu else {}
    train_key, key = jax.random.split(jax.random.key(settings.seed))
    trained = common.train_many(jax.random.split(train_key, 2 * settings.pairs), Cs[0], settings, **options)
    pairs = [[trained.network(2 * i + one).params for one in (0, 1)] for i in range(settings.pairs)]
    profiles, passes, planes = [], [], []
    for i, (a, b) in enumerate(pairs):
        joined, curve, band_ = join(settings, jax.random.fold_in(key, i), Cs, a, b)
        profiles.append(joined)
        passes.append(band.certify(key, Cs[0], band_.highest))
        print(f"pair {i}: " + ", ".join(f"{way} {barrier(one):.3g}" for way, one in joined.items()))
        planes = planes or [*cut(settings, Cs[0], a, b, curve)]
    length = lambda x, y: float(optax.tree.norm(optax.tree.sub(y, x)))
    apart = np.array([[length(a, b), length(a, symmetry.weight_matching(a, b))] for a, b in pairs])
    slopes = np.array([[float(descent.gradient_norm(Cs[0], one)) for one in pair] for pair in pairs])
    result = Result(profiles, apart, passes, slopes, *planes)
    return result, {"data": parts[0].fingerprint, "held_out": parts[1].fingerprint}


def join(settings, key, Cs, a, b):
    """C along each way from a to b; the Bezier curve and the band themselves."""
    adam = optax.adam(settings.pace)
    fitted = {"optimizer": adam, "steps": settings.steps, "batch": settings.taken}
    keys, found = jax.random.split(key, 3), {}
    for way, other in ((STRAIGHT, b), (MATCHED, symmetry.weight_matching(a, b))):
        found[way] = paths.linear(Cs, a, other, settings.points, accuracy=True, progress=False)
    made = {fit: fit(key, Cs[0], a, b, **fitted) for fit, key in zip((curves.bezier, curves.chain), keys, strict=False)}
    fitted["steps"] = max(1, settings.steps // 16)
    relaxed = band.nudged(keys[2], Cs[0], a, b, pivots=settings.pivots, **fitted)
    ways = {BEZIER: made[curves.bezier], CHAIN: made[curves.chain], BAND: relaxed.chain}
    for way, curve in ways.items():
        found[way] = curves.evaluate(Cs, curve, np.linspace(0, 1, settings.points), accuracy=True, progress=False)
    profiles = {
        way: Profile(learned.ts, learned.costs, unseen.costs, unseen.accuracy, learned.floor)
        for way, (learned, unseen) in found.items()
    }
    return profiles, made[curves.bezier], relaxed
