"""From the start of training to its end in a straight line: the cost falls, but not always all the way.

Trains networks from N(0, 1) weights, from narrow ones, and from these with a learning rate lowered to 0, and takes C at
101 points of the straight line from each start to its end. Goodfellow, Vinyals & Saxe 2015 (arXiv 1412.6544): it
falls all the way. Lucas et al. 2021 (arXiv 2104.11044): not where the weights have moved far. Frankle 2020 (arXiv
2012.06898): on large networks it stays high until near the end.

    python experiments/straight_line.py                         the embedded digits
    python experiments/straight_line.py --data FOLDER           any four IDX files
    python experiments/straight_line.py --rates 0.5 5 15        other learning rates

Expect, on the embedded digits, at the usual rate 1.5, 18 of 20 networks from N(0, 1) weights whose cost falls all the
way, and 19 from narrow ones; at rate 5, 3 and 0. But the rises are small, at most 0.007, and each ends where training
ends: the line passes a lower place, about which learning at that rate has hopped. With the rate lowered to 0, all 20
fall all the way from narrow weights, at rate 5 too, having moved 7.6 times their length; without, 3 of 20 that moved
8.1 times. And networks from N(0, 1) weights rise that moved 0.5. So distance alone does not tell. The fall is early
on the line, half of it done by 0.1 to 0.3: MNIST is the easy case. With all of MNIST, rates 1.5 and 5, the networks
move farther and rise more often, though by 0.005 at most: at rate 1.5 11 of 20 from N(0, 1) weights fall all the way, 1
from narrow ones, 20 if the rate is lowered to 0; at rate 5 3, 1 and 12, those last rises 3e-5 at most. There too all
rises are at the end. About a minute on two cores, MNIST four.
"""

from dataclasses import dataclass

import common
import jax
import numpy as np
import optax
from common import setting
from jax.tree_util import Partial
from scipy import stats

from jaxcost import cost, descent, directions, network, plot, populations, results
from jaxcost.engine import noise, quantities, sweep

WIDE = {"fall all the way": 21}  # columns of the table
USUAL = 1.5  # Nielsen's learning rate 3, for a cost without his factor 1/2
NARROW = lambda n: n**-0.5
# the start, and whether the rate is lowered
KINDS = {"N(0, 1)": (None, False), "narrow": (NARROW, False), "narrow, cooled": (NARROW, True)}


@dataclass(frozen=True)
class Settings:
    """How many networks, how far they go."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=500)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the networks and the order of the images")
    seeds: int = setting(20, "networks trained together at each learning rate", small=6)
    rates: tuple = setting((0.5, 1.5, 3.0, 5.0), "about Nielsen's 1.5, as far as all still learn", small=(5.0,))
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(8, "a quarter of Nielsen's: C is near its end, and 240 networks take a minute", small=4)
    points: int = setting(101, "of the line, both ends among them", small=51)


def run(settings):
    """Train at every rate, and go straight from start to end."""
    train, _ = common.images(settings.data, settings.images)
    C = cost.Cost(train)
    keys = jax.random.split(jax.random.key(settings.seed), settings.seeds)
    steps = settings.epochs * (len(train) // settings.batch)
    kinds = {}
    for kind, (scale, cooled) in KINDS.items():
        init = Partial(network.init, sizes=settings.sizes, scale=scale)
        kinds[kind] = {}
        for rate in settings.rates:
            optimizer = optax.sgd(optax.linear_schedule(rate, 0, steps) if cooled else rate)
            trained = descent.ensemble(
                keys, C, init, optimizer, steps=steps, batch=settings.batch, every=steps, keep=True
            )
            kinds[kind][f"{rate:g}"] = straight(C, trained.trajectory, settings.points)
            print(f"{kind}, rate {rate:g}: {settings.seeds} networks, C {np.median(trained.costs[:, -1]):.3f}")
    usual = f"{min(settings.rates, key=lambda rate: abs(rate - USUAL)):g}"
    result = {"shrug": shrug(train.y), "usual": usual, "kinds": kinds}
    return result, {"data": train.fingerprint}, table(result)


def straight(C, trajectories, points):
    """C on the straight line from the first to the last record of each network, and how far apart these are."""
    starts, ends = (jax.tree.map(lambda leaf, j=j: leaf[:, j], trajectories) for j in (0, -1))
    count = len(jax.tree.leaves(starts)[0])
    of = lambda tree, i: jax.tree.map(lambda leaf: leaf[i], tree)
    several = [(of(starts, i), (directions.between(of(starts, i), of(ends, i)),)) for i in range(count)]
    axis = np.linspace(0, 1, points, dtype=np.float32)
    there = axis[:, None]
    values = sweep.sweeps(quantities.VALUES, C, several, there)
    floors = [
        noise.floor(C, *line, there, of_line, count=2, largest=1)  # 60 points of 20 lines, beside 24 of one slice
        for line, of_line in zip(several, values, strict=True)
    ]
    moved = [float(optax.tree.norm(way) / optax.tree.norm(start)) for start, (way,) in several]
    return {"there": populations.Population((axis,), values, max(floors)), "moved": np.array(moved)}


def shrug(y):
    """The least cost of a network that says the same of every image: sum_j p_j (1 - p_j), p_j the share of class j."""
    p = np.asarray(y, np.float64).mean(0)
    return float((p * (1 - p)).sum())


def rises(there):
    """The largest rise of each line, max over i < j of C_j - C_i; 0 where it is no larger than the noise floor."""
    largest = (there.values - np.minimum.accumulate(there.values, 1)).max(1)
    return np.where(largest > there.floor, largest, 0)


def halfway(there, top):
    """From where on each line stays below the middle of `top` and its own end; NaN where it ends above `top`."""
    (axis,), values = there.axes, there.values
    above = values > (top + values[:, -1:]) / 2
    last = len(axis) - 1 - above[:, ::-1].argmax(1)
    return np.where(values[:, -1] < np.ravel(top), axis[np.minimum(last + 1, len(axis) - 1)], np.nan)


def falls(there):
    """The share of lines without a rise, with its exact binomial interval of 95 % (Clopper & Pearson 1934)."""
    straight_down = rises(there) == 0
    low, high = stats.binomtest(int(straight_down.sum()), len(straight_down)).proportion_ci()
    return straight_down.mean(), low, high


def correlation(lines):
    """Kendall's of distance and largest rise over all networks, its interval by Fieller, Hartley & Pearson 1957."""
    moved, largest = (
        np.concatenate(of) for of in zip(*[(line["moved"], rises(line["there"])) for line in lines], strict=True)
    )
    tau, off = stats.kendalltau(moved, largest).statistic, 1.96 * np.sqrt(0.437 / (len(moved) - 4))
    with np.errstate(divide="ignore"):  # of a perfect one
        return tau, np.tanh(np.arctanh(tau) - off), np.tanh(np.arctanh(tau) + off)


def table(result):
    """By start and rate: how far, how low, how many fall all the way, how much the others rise, where they fall."""
    said = {
        "distance": lambda line: f"{np.median(line['moved']):.2f}",
        "C at end": lambda line: f"{np.median(line['there'].values[:, -1]):.3f}",
        "fall all the way": lambda line: "{:.0%} ({:.0%} to {:.0%})".format(*falls(line["there"])),
        "rise": lambda line: f"{np.median(rises(line['there'])):.1g}",
        "largest": lambda line: f"{rises(line['there']).max():.1g}",
        "lowest": lambda line: f"{np.median(line['there'].axes[0][line['there'].values.argmin(1)]):.2f}",
        "half": lambda line: f"{np.median(halfway(line['there'], line['there'].values[:, :1])):.2f}",
        "below": lambda line: f"{np.median(halfway(line['there'], result['shrug'])):.2f}",
        "floor": lambda line: f"{line['there'].floor:.0e}",
    }
    row = lambda kind, rate, cells: f"{kind:15}{rate:>5}" + "".join(f"{c:>{WIDE.get(n, 9)}}" for n, c in cells.items())
    lines = [
        "medians; distance: |end - start| / |start|; rise: the largest of a line, 0 below the floor; largest: of all;",
        "lowest: where on the line, 0 the start and 1 the end, C is; half: where half of the fall is done;",
        f"below: where half of that below {result['shrug']:.2f} is, the least C of one answer to all images",
        "",
        row("", "rate", {name: name for name in said}),
    ]
    for kind, of_rate in result["kinds"].items():
        lines += [row(kind, rate, {name: of(line) for name, of in said.items()}) for rate, line in of_rate.items()]
    return [*lines, "", *verdicts(result)]


def verdicts(result):
    """Rows 9 and 10."""
    lines, usual = [], result["usual"]
    for kind, of_rate in result["kinds"].items():
        for row, rate, band in (("9", usual, {"low": 0.95}), ("10", list(of_rate)[-1], {"high": 0.5})):
            share, low, high = falls(of_rate[rate]["there"])
            claim = f"row {row}, {kind}, rate {rate}: share that falls all the way ({low:.2f} to {high:.2f})"
            lines.append(common.verdict(claim, share, **band))
    tau, low, high = correlation([line for of_rate in result["kinds"].values() for line in of_rate.values()])
    claim = f"row 10: rank correlation of rise and distance {tau:.2f} ({low:.2f} to {high:.2f}), lower end"
    lines.append(common.verdict(claim, low, low=0))
    for kind, of_rate in result["kinds"].items():
        there = of_rate[usual]["there"]
        found = populations.summary(halfway(there, there.values[:, :1]))
        claim = f"row 10, {kind}, rate {usual}: MNIST is the easy case, half of the fall is done by"
        lines.append(common.verdict(claim, found, high=0.5))
    return lines


def draw(path):
    """C along the lines; the largest rises and the share without one, against the distance."""
    result = results.load(path)
    return common.save_figures(path, {"lines": draw_lines(result), "rises": draw_rises(result)})


def draw_lines(result):
    """C along the straight lines, the median of the networks between their extremes: a panel a kind of training."""
    kinds = result["kinds"]
    figure = common.figure(5 * len(kinds), 4.8)
    for ax, (kind, of_rate) in zip(figure.subplots(1, len(kinds), sharey=True), kinds.items(), strict=True):
        for i, (rate, line) in enumerate(of_rate.items()):
            said = f"rate {rate}, distance {np.median(line['moved']):.2g}"
            plot.band(ax, *line["there"].axes, line["there"].values, said, color=f"C{i}")
        ax.axhline(result["shrug"], color="black", ls=":", lw=1, label="least C of one answer to all images")
        ax.set_title(f"{kind}; noise floor {max(line['there'].floor for line in of_rate.values()):.0e}")
        ax.set_yscale("log")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("place on the straight line: 0 start, 1 end")
        ax.grid(alpha=0.3, which="both")
        ax.legend(fontsize=8)
    figure.axes[0].set_ylabel("C")
    networks = len(line["moved"])
    figure.suptitle(
        f"C on the straight line from start to end of training, {networks} networks: median, lowest, highest\n"
        "narrow: weights divided by the root of the number into a neuron; cooled: learning rate lowered to 0",
        fontsize=11,
    )
    return figure


def draw_rises(result):
    """The largest rise of each line, and the share of lines without, against the distance moved."""
    figure = common.figure(12, 4.8)
    left, right = figure.subplots(1, 2)
    floor = max(line["there"].floor for of_rate in result["kinds"].values() for line in of_rate.values())
    for marker, style, (kind, of_rate) in zip("os^", ("-", "--", ":"), result["kinds"].items(), strict=True):
        for i, (rate, line) in enumerate(of_rate.items()):
            largest = np.maximum(rises(line["there"]), floor / 2)
            says = f"rate {rate}" if marker == "o" else None
            left.plot(line["moved"], largest, marker, color=f"C{i}", alpha=0.5, label=says)
        middles = [np.median(line["moved"]) for line in of_rate.values()]
        share, low, high = np.array([falls(line["there"]) for line in of_rate.values()]).T
        ends = [share - low, high - share]
        right.errorbar(middles, share, ends, fmt=style, color="gray", lw=1, capsize=3)
        right.plot([], [], marker + style, color="gray", label=kind)
        for i, middle in enumerate(middles):
            right.plot(middle, share[i], marker, color=f"C{i}", zorder=3)
    left.axhspan(floor / 4, floor, color="gray", alpha=0.3, label=f"no rise above the noise floor, {floor:.0e}")
    left.set_yscale("log")
    left.set_ylim(floor / 4, 0.1)
    left.set_ylabel("largest rise of C on the line")
    left.set_title("The largest rise of each line")
    left.legend(fontsize=8, ncols=3, loc="upper left")
    right.set_ylim(-0.05, 1.05)
    right.set_ylabel("share of lines on which C falls all the way")
    right.set_title("How many fall all the way, with 95 % intervals")
    right.legend(fontsize=8)
    for ax in (left, right):
        ax.set_xscale("log")
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("distance moved, |end - start| / |start|")
        ax.grid(alpha=0.3)
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
