"""From the start of training to its end in a straight line: the cost falls, but not always all the way.

Trains networks in three ways at several learning rates: from N(0, 1) weights, from narrow ones (divided by the root of
the number into a neuron), and from these with the rate lowered to 0, "cooled". Then takes C on the straight line from
each start to its end. Goodfellow, Vinyals & Saxe 2015 (arXiv 1412.6544): it meets no obstacle, and falls all the way.
Lucas et al. 2021 (arXiv 2104.11044): typically, not where the weights have moved far. Frankle 2020 (arXiv 2012.06898):
on modern networks, beyond MNIST, it stays high until near the end.

    python experiments/straight_line.py                         the embedded digits
    python experiments/straight_line.py --data FOLDER           any four IDX files
    python experiments/straight_line.py --rates 0.5 5 15        other learning rates

Expect, on the embedded digits, at the usual rate 1.5, 18 or 19 of 20 networks from N(0, 1) weights whose cost falls all
the way, and as many from narrow ones; at rate 5, 0 to 2 of each. Such counts hang on how sums are rounded; they are
those of two versions of jax. But the rises are small, 0.01 the largest, and each ends where training ends: the line
passes a lower point, about which learning at that rate has hopped. With the rate lowered to 0, all 20 fall all the way
from narrow weights, at rate 5 too, having moved 7.6 times their length; without, 5 of 20 that moved 8.1 times. And one
or two from N(0, 1) weights rise that moved 0.5. So distance alone does not tell. The fall is early on the line, half of
it done by 0.1 to 0.3: MNIST is the easy case. With all of MNIST, rates 1.5 and 5, the networks move farther and rise
more often, by 0.0053 at most: at rate 1.5 7 to 11 of 20 from N(0, 1) weights fall all the way, 1 to 3 from narrow ones,
20 if the rate is lowered to 0; at rate 5 3 to 5, 0 and 7 to 8, the largest rise of those last 5e-5. There too all rises
are at the end. About a minute on two cores, MNIST four.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, descent, directions, network, plot, populations, resampling, results, statistics
from jaxcost.measures import variation

NARROW = lambda n: n**-0.5
# the spread of the first weights, None for N(0, 1), and whether the rate is lowered
KINDS = {"N(0, 1)": (None, False), "narrow": (NARROW, False), "narrow, cooled": (NARROW, True)}
USUAL = common.Trained().rate


@dataclass(frozen=True)
class Settings(common.Network):
    """How many networks, how far they go."""

    images: int = like("images", small=500)
    seeds: int = setting(20, "networks, the same at each learning rate", small=6)
    rates: tuple = setting((0.5, 1.5, 3.0, 5.0), "about the usual 1.5, as far as all still learn", small=(5.0,))
    batch: int = like("batch")
    epochs: int = like("epochs", default=8, why="a quarter of Nielsen's: C is near its end by then", small=4)
    points: int = setting(101, "of the line, both ends among them", small=51)


class Lines(NamedTuple):
    """The straight lines of the networks that were trained in one way.

    Attributes:
        values: C, `[rates, networks, points]`.
        floor: noise floor of the values.
        moved: |end - start| / |start|, `[rates, networks]`.
    """

    values: np.ndarray
    floor: float
    moved: np.ndarray


class Result(NamedTuple):
    """C on straight lines through training.

    Attributes:
        rates: learning rates, as in the settings.
        axis: the points of each line, 0 the start and 1 the end.
        constant: the least C of one answer to all images.
        kinds: `Lines`, by the way of training.
    """

    rates: np.ndarray
    axis: np.ndarray
    constant: float
    kinds: dict[str, Lines]


def run(settings):
    """Train at every rate, and go straight from start to end."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    rates, axis = np.float32(settings.rates), np.linspace(0, 1, settings.points, dtype=np.float32)
    # one program trains at all rates; start and order of the images of a network are the same at each
    keys = jnp.tile(jax.random.split(jax.random.key(settings.seed), settings.seeds), len(rates))
    steps = settings.epochs * (C.n // (settings.batch or C.n))
    options = {"steps": steps, "batch": settings.batch or None, "every": steps, "keep": True}
    lowered = lambda rate: optax.sgd(optax.linear_schedule(rate, 0, steps))
    kinds = {}
    for kind, (scale, cooled) in KINDS.items():
        init = lambda key, scale=scale: network.init(key, settings.sizes, scale=scale)
        optimizer = lowered if cooled else optax.sgd
        trained = descent.ensemble(keys, C, init, optimizer, each=np.repeat(rates, settings.seeds), **options)
        # the line of each network, C on it, and how far it is from end to end
        ends = [[trained.network(i).at(record) for record in (0, -1)] for i in range(len(keys))]
        frames = [directions.Frame(start, (directions.between(start, end),)) for start, end in ends]
        lines = populations.grid(C, frames, [axis])
        moved = [float(optax.tree.norm(away) / optax.tree.norm(start)) for start, (away,) in frames]
        by_rate = lambda array: np.reshape(array, (len(rates), settings.seeds, *np.shape(array)[1:]))
        kinds[kind] = Lines(by_rate(lines.values), lines.floor, by_rate(moved))
        last = np.median(kinds[kind].values[..., -1], 1)
        print(f"{kind}: {len(keys)} networks, {steps:,} steps, C {', '.join(f'{one:.3f}' for one in last)} by rate")
    shares = jnp.asarray(np.mean(train.y, 0))  # of the classes: of all constant answers the best
    constant = float(cost.Cost(train, lambda x, a: a)(shares))
    return Result(np.array(settings.rates), axis, constant, kinds), {"data": train.fingerprint}


def rises(lines):
    """The largest rise of each line, `[rates, networks]`; 0 where it is within the noise floor."""
    return np.apply_along_axis(variation.largest_rise, -1, lines.values, lines.floor)


def falls(lines):
    """The share of lines without a rise, an `Interval` a rate."""
    return [statistics.proportion(np.sum(largest == 0), len(largest)) for largest in rises(lines)]


def halfway(axis, values, top):
    """From where on each line stays below the middle of `top` and its own end; NaN where it ends above `top`."""
    above = values > (top + values[..., -1:]) / 2
    first = np.where(above.any(-1), len(axis) - above[..., ::-1].argmax(-1), 0)
    return np.append(axis, np.nan)[first]


def half_of_the_fall(axis, lines):
    """From where on each line stays below the middle of its ends, `[rates, networks]`."""
    return halfway(axis, lines.values, lines.values[..., :1])


def table(result):
    """By kind and rate: how far, how low, how many fall all the way, how much the others rise, where they fall."""
    titles = "distance", "C at end", "fall all the way", "rise", "largest", "lowest", "half", "below", "floor"
    rows, median = [["", "rate", *titles]], lambda form, values: format(np.median(values), form)
    for kind, lines in result.kinds.items():
        largest, shares = rises(lines), falls(lines)
        lowest = result.axis[lines.values.argmin(-1)]
        half, below = half_of_the_fall(result.axis, lines), halfway(result.axis, lines.values, result.constant)
        for i, rate in enumerate(result.rates):
            row = [kind, rate, median(".2f", lines.moved[i]), median(".3f", lines.values[i, :, -1]), f"{shares[i]:.0%}"]
            row += [median(".1g", largest[i]), f"{largest[i].max():.1g}"]
            rows.append([*row, *(median(".2f", of[i]) for of in (lowest, half, below)), f"{lines.floor:.0e}"])
    return [
        "medians; distance: |end - start| / |start|; rise: the largest of a line, 0 below the floor; largest: of all;",
        "lowest: where on the line, 0 the start and 1 the end, C is; half: where half of the fall is done;",
        f"below: where half of that below {result.constant:.2f} is, the least C of one answer to all images",
        "",
        *common.columns(rows),
        "",
        *verdicts(result),
    ]


def verdicts(result):
    """What is claimed of these lines."""
    verdicts, usual, highest = [], np.abs(result.rates - USUAL).argmin(), result.rates.argmax()
    for kind, lines in result.kinds.items():
        shares, at = falls(lines), lambda i, kind=kind: f"{kind}, rate {result.rates[i]:g}"
        claim, whole = f"{at(usual)}: most lines fall all the way; share", {"whole": True}
        verdicts.append(common.verdict(claim, shares[usual], low=0.5, **whole, source="Goodfellow et al. 2015"))
        claim = f"{at(highest)}: less than half of the lines fall all the way; share"
        verdicts.append(common.verdict(claim, shares[highest], high=0.5, **whole, source="Lucas et al. 2021"))
    # a network learns at every rate and in every way, and all its lines are drawn together: [networks, 2, lines]
    pairs = np.array([(lines.moved, rises(lines)) for lines in result.kinds.values()])
    pairs = np.moveaxis(pairs, (3, 1), (0, 1)).reshape(pairs.shape[3], 2, -1)
    tau = lambda drawn: statistics.kendall(*np.moveaxis(drawn, 1, 0).reshape(2, -1)).value
    found = resampling.bootstrap(jax.random.key(0), lambda groups: np.array([*map(tau, groups[0])]), [pairs])
    claim = "the farther, the higher the rise; rank correlation"
    verdicts.append(common.verdict(claim, found, low=0, whole=True, source="Lucas et al. 2021"))
    for kind, lines in result.kinds.items():
        claim = f"{kind}, rate {result.rates[usual]:g}: MNIST is the easy case, half of the fall is done by"
        found = statistics.summary(half_of_the_fall(result.axis, lines)[usual])
        verdicts.append(common.verdict(claim, found, high=0.5, source="Frankle 2020"))
    return verdicts


def draw(path):
    """C along the lines; the largest rises and the share without one, against the distance."""
    result = results.load(path)
    return common.save_figures(path, {"lines": draw_lines(result), "rises": draw_rises(result)})


def draw_lines(result):
    """C along the straight lines, the median of the networks between their extremes: a panel a kind of training."""
    figure = common.figure(5 * len(result.kinds), 4.8)
    axes = figure.subplots(1, len(result.kinds), sharey=True, squeeze=False)[0]
    for ax, (kind, lines) in zip(axes, result.kinds.items(), strict=True):
        for rate, values, moved in zip(result.rates, lines.values, lines.moved, strict=True):
            plot.band(ax, result.axis, values, f"rate {rate:g}, distance {np.median(moved):.2g}")
        ax.axhline(result.constant, color="black", ls=":", lw=1, label="least C of one answer to all images")
        ax.set_title(f"{kind}; noise floor {lines.floor:.0e}")
        ax.set_xlabel("point of the straight line: 0 start, 1 end")
    common.log(axes[0].yaxis)
    common.tidy(axes, which="both")
    axes[0].set_ylabel("C")
    figure.suptitle(
        f"C on the straight line from start to end of training, {lines.moved.shape[1]} networks: median and extremes\n"
        "narrow: weights divided by the root of the number into a neuron; cooled: learning rate lowered to 0",
        fontsize=11,
    )
    return figure


def draw_rises(result):
    """The largest rise of each line, and the share of lines without, against the distance moved."""
    figure = common.figure(12, 4.8)
    left, right = axes = figure.subplots(1, 2)
    floor = max(lines.floor for lines in result.kinds.values())
    for marker, style, (kind, lines) in zip("os^", ("-", "--", ":"), result.kinds.items(), strict=True):
        for i, (moved, largest) in enumerate(zip(lines.moved, rises(lines), strict=True)):
            label = f"rate {result.rates[i]:g}" if marker == "o" else None
            left.plot(moved, np.maximum(largest, floor / 2), marker, color=f"C{i}", alpha=0.5, label=label)
        middles, (share, low, high) = np.median(lines.moved, 1), np.transpose(falls(lines))
        right.errorbar(middles, share, (share - low, high - share), fmt=style, color="gray", lw=1, capsize=3)
        right.scatter(middles, share, marker=marker, c=[f"C{i}" for i in range(len(share))], zorder=3)
        right.plot([], [], marker + style, color="gray", label=kind)
    left.axhspan(floor / 4, floor, color="gray", alpha=0.3, label=f"no rise above the noise floor, {floor:.0e}")
    left.set_ylim(floor / 4, 0.1)
    left.set(ylabel="largest rise of C on the line", title="The largest rise of each line")
    left.set_yscale("log")
    left.legend(fontsize=8, ncols=3, loc="upper left")
    right.set_ylim(-0.05, 1.05)
    right.set(
        ylabel="share of lines on which C falls all the way", title="How many fall all the way, with 95 % intervals"
    )
    for ax in axes:
        common.log(ax.xaxis)
        ax.set_xlabel("distance moved, |end - start| / |start|")
    common.tidy(axes)
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
