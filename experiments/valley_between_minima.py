"""Two trained networks: a mountain on the straight line between them, and what valleys lead around it.

Joins pairs of networks, trained from different starts and in different orders, by the straight line; by the straight
line to the same network with its hidden neurons renumbered (Ainsworth et al. 2023, arXiv 2209.04836); by a quadratic
Bezier curve and a chain of two lines, fitted (Garipov et al. 2018, arXiv 1802.10026); and by a nudged elastic band
(Draxler et al. 2018, arXiv 1803.00885), whose highest network should come to lie near a saddle.

    python experiments/valley_between_minima.py                 the cheatsheet's network, the embedded digits
    python experiments/valley_between_minima.py --relu --rate 0.001 --batch 500 --sizes 784 512 512 512 10   theirs
    python experiments/valley_between_minima.py --data FOLDER   any four IDX files

A barrier is the largest excess of C, of all images, over the straight line between its end values.

Expect, on the embedded digits, medians of six pairs, jax 0.10.2, seed 0 (in brackets 0.12, seed 1): a barrier of 0.79
(0.77) between networks at C = 0.05, once matched 28 to 66 % of it, not a tenth. The highest C on a Bezier curve is 1.00
to 1.04 times that of the worse end, as claimed, on a chain 1.08 (1.06); on held-out images they have barriers of 0.02
and 0.05. The pass of a band is 1.4 (1.8) times the mean of its ends, lower than the line but not flat; no certified
saddle: the gradient is two to three times that at the ends, two eigenvalues or more negative. Three to four minutes on
two cores. Three pairs of theirs, --epochs 100 --steps 1500: 1.6, matched 4 to 8 % of it, on held-out images none, as
claimed.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import setting

from jaxcost import cost, descent, directions, losses, network, plot, results, slices, statistics, trajectories
from jaxcost.connectivity import band, curves, paths, symmetry

WAYS = STRAIGHT, MATCHED, BEZIER, CHAIN, BAND = "straight", "matched", "Bezier", "chain", "band"
FITS = curves.bezier, curves.chain
AINSWORTH, GARIPOV, DRAXLER = "Ainsworth et al. 2023", "Garipov et al. 2018", "Draxler et al. 2018"


@dataclass(frozen=True)
class Settings(common.Trained):
    """Which networks, and how paths between them are fitted."""

    relu: bool = setting(False, "ReLU, cross-entropy and Adam, as Ainsworth et al.")
    pairs: int = setting(6, "no network in two of them, the fewest that give an interval", small=1)
    points: int = setting(49, "on each path, twice as fine as Ainsworth et al.'s 25", small=9)
    steps: int = setting(24_000, "of a fit, as many as of training; 8,000 leave a barrier of 0.01", small=100)
    taken: int = setting(100, "images a step of a fit")
    pace: float = setting(0.01, "rate of Adam in fits; of a band it falls to 0, else noise lifts the pass")
    pivots: int = setting(7, "of the band at first; more come where C rises between two", small=2)
    grid: int = setting(41, "points a side of the planes", small=7)


class Profile(NamedTuple):
    """C along one path.

    Attributes:
        learned: C on the training images, at even steps, `[points]`.
        unseen: C on held-out images.
        right: share of the held-out images that are right.
        floor: rounding noise of `learned`.
    """

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
    profiles, passes, apart, slopes, planes = [], [], [], [], None
    for i, (a, b) in enumerate(pairs):
        matched, joined = symmetry.weight_matching(a, b), join(settings, jax.random.fold_in(key, i), Cs[0], a, b)
        profiles.append(along(settings, Cs, a, {STRAIGHT: b, MATCHED: matched}, joined))
        passes.append(band.certify(key, Cs[0], joined[BAND].highest))
        apart.append([float(optax.tree.norm(directions.between(a, one))) for one in (b, matched)])
        slopes.append([float(descent.gradient_norm(Cs[0], one)) for one in (a, b)])
        planes = planes or cut(settings, Cs[0], a, b, matched, joined[BEZIER])
        print(f"pair {i}: " + ", ".join(f"{way} {barrier(one):.3g}" for way, one in profiles[-1].items()))
    result = Result(profiles, np.array(apart), passes, np.array(slopes), *planes)
    return result, {"data": parts[0].fingerprint, "held_out": parts[1].fingerprint}


def join(settings, key, C, a, b):
    """A Bezier curve, a chain and a band from a to b, by name."""
    keys, fitted = jax.random.split(key, 3), {"batch": settings.taken, "steps": settings.steps}
    adam = optax.adam(settings.pace)
    curve, chain = (fit(own, C, a, b, adam, **fitted) for fit, own in zip(FITS, keys[:2], strict=True))
    fitted |= {"pivots": settings.pivots, "steps": max(1, settings.steps // 12)}  # in each of four cycles
    falling = optax.adam(optax.cosine_decay_schedule(settings.pace, fitted["steps"]))
    return {BEZIER: curve, CHAIN: chain, BAND: band.nudged(keys[2], C, a, b, falling, **fitted)}


def along(settings, Cs, a, ends, joined):
    """A `Profile` by way: straight lines from a to each of the ends, and what was fitted."""
    ts, common_ = np.linspace(0, 1, settings.points), {"accuracy": True, "progress": False}
    found = {way: paths.linear(Cs, a, end, settings.points, **common_) for way, end in ends.items()}
    found |= {way: curves.evaluate(Cs, curve, ts, **common_) for way, curve in joined.items()}
    profile = lambda learned, unseen: Profile(learned.costs, unseen.costs, unseen.accuracy, learned.floor)
    return {way: profile(*both) for way, both in found.items()}


def cut(settings, C, a, b, matched, curve):
    """The plane of a curve, and that through both networks and the second matched."""
    bend = curves.plane(curve)
    frame = directions.Frame(a, directions.through(a, b, matched))
    three, _ = trajectories.coordinates([a, b, matched], *frame)
    around = lambda seen: common.around(seen, settings.grid, 0.2)
    sliced = lambda frame, seen: slices.plane(C, frame.origin, *frame.directions, *around(seen), progress=False)
    return sliced(bend.frame, np.concatenate([bend.nodes, bend.path])), bend, sliced(frame, three), three


def barrier(profile, part="learned"):
    """The largest excess of C over the straight line between its end values."""
    costs = getattr(profile, part)
    return paths.Path(np.linspace(0, 1, len(costs)), costs, profile.floor).barrier


def table(result):
    """Barriers and highest costs by way; passes; the verdicts."""
    numbers = {
        "barrier": barrier,
        "highest C": lambda one: one.learned.max(),
        "over worse end": worse,
        "held-out barrier": lambda one: barrier(one, "unseen"),
        "worst error": lambda one: 100 * (1 - one.right.min()),
        "worse end's": lambda one: 100 * (1 - one.right[[0, -1]].min()),
    }
    of = lambda number, way: common.median_of([number(one[way]) for one in result.profiles])
    rows = [["", *numbers], *([way, *(of(number, way) for number in numbers.values())] for way in WAYS)]
    seen = [["pass", "C", "C of the ends", "slope", "of the ends", "lowest eigenvalues", ""]]
    for i, (one, slopes) in enumerate(zip(result.passes, result.slopes, strict=True)):
        ends = result.profiles[i][STRAIGHT].learned[[0, -1]].mean()
        seen.append([i, one.cost, float(ends), one.slope, float(slopes.mean()), *map(float, one.values)])
    apart, matched = map(common.median_of, result.apart.T)
    floor = max(one.floor for of in result.profiles for one in of.values())
    return [
        f"{len(result.profiles)} pairs, medians and extremes; errors in percent; noise floor {floor:.0e}",
        *common.columns(rows),
        "",
        f"the two are {apart} apart, after matching {matched}",
        "",
        *common.columns(seen),
        "",
        *verdicts(result),
    ]


def worse(profile):
    """The highest cost over that of the worse end."""
    return float(profile.learned.max() / profile.learned[[0, -1]].max())


def verdicts(result):
    """What is claimed of lines, matching, curves, chains and bands."""
    of = lambda f, way: statistics.summary([f(one[way]) for one in result.profiles])
    share = lambda way: statistics.summary([barrier(one[way]) / barrier(one[STRAIGHT]) for one in result.profiles])
    ends = np.array([one[STRAIGHT].learned[[0, -1]].mean() for one in result.profiles])
    saddle = statistics.summary([one.cost for one in result.passes] / ends)
    flat = statistics.summary([one.slope for one in result.passes] / result.slopes.mean(1))
    return [
        common.verdict("straight: highest over worse end", of(worse, STRAIGHT), low=2, whole=True, source=GARIPOV),
        common.verdict("Bezier: highest over worse end", of(worse, BEZIER), high=1.05, source=GARIPOV),
        common.verdict("chain: highest over worse end", of(worse, CHAIN), high=1.05, source=GARIPOV),
        common.verdict("band: flat, pass over the mean of the ends", saddle, high=1.1, source=DRAXLER),
        common.verdict("band: barrier over that of the line", share(BAND), high=0.1, source=DRAXLER),
        common.verdict("band: slope at the pass over that of the ends", flat, high=1),
        common.verdict("matched: barrier over that of the line", share(MATCHED), high=0.1, source=AINSWORTH),
    ]


def draw(path):
    """C along all ways, and the planes of the first pair."""
    result = results.load(path)
    return common.save_figures(path, {"paths": draw_paths(result), "planes": draw_planes(result)})


def draw_paths(result):
    """C and the held-out error along each way: median and extremes of the pairs."""
    figure = common.figure(15, 4.6)
    axes = figure.subplots(1, 3)
    for way in WAYS:
        of = [one[way] for one in result.profiles]
        each = [(one.learned, one.unseen, 100 * (1 - one.right)) for one in of]
        for ax, values in zip(axes, np.transpose(each, (1, 0, 2)), strict=True):
            plot.band(ax, np.linspace(0, 1, values.shape[1]), values, way)
    for ax, title in zip(axes, ("C, learned images", "C, held-out images", "Held-out error, percent"), strict=True):
        ax.set(xlabel="t, from one network to the other", title=title)
        common.log(ax.yaxis)
    common.tidy(axes)
    figure.suptitle(f"Ways between two trained networks: median and extremes over pairs: {len(result.profiles)}")
    return figure


def draw_planes(result):
    """The plane of the Bezier curve, and that of both networks and the second one matched."""
    figure = common.figure(13, 6.2)
    bend, shuffled = figure.subplots(1, 2)
    plot.contour(bend, result.bend, filled=True)
    plot.curve(bend, result.curve, "Bezier curve")
    bend.legend(fontsize=8)
    bend.set_title("Through both networks and the bend of a curve")
    plot.contour(shuffled, result.shuffled, filled=True)
    a, b, matched = result.three
    for end, style, name in ((b, "--", "to the second"), (matched, "-", "to the second, its neurons renumbered")):
        shuffled.plot(*np.transpose([a, end]), style, marker="o", color="tab:red", markeredgecolor="white", label=name)
    shuffled.legend(fontsize=8)
    shuffled.set_title("Through both networks and the second one matched")
    for ax in (bend, shuffled):
        ax.set(xlabel="distance along the line to the second", ylabel="distance from that line")
    figure.suptitle("C on planes through the first pair; + is the first network")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
