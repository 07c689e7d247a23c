"""Brute force is impossible: count the settings of the dials, and let random search race against descent.

Each of the 13,002 dials may stand at 2, 10 or 256 levels: so many networks there are, beside the atoms of the
universe and what this machine evaluates in a second. Then random search and gradient descent get the same number of
evaluations of C; and the tail of random search is extrapolated to the cost that descent reached.

    python experiments/brute_force.py                  the embedded digits
    python experiments/brute_force.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect 10^3,914, 10^13,002 and 10^31,312 networks beside 10^80 atoms and some 10^10 evaluations a year. On the embedded
digits the best of 6,000 random networks has C = 1.26, which descent passes within 22 steps; 2,000 steps, the same
number of evaluations, bring it to 0.17 (0.16 to 0.18 from four other starts). By the tail of the random draws that cost
is never found: the tail ends at 0.97 (95 %: about 0.5 to 1.25). The network is there all the same: random draws do not
hint at what descent finds. About a minute on two cores.
"""

import math
import time
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, descent, network, resampling, results, statistics, tails

ATOMS = 80  # power of ten, the usual estimate for the observable universe
YEAR = 3.156e7  # seconds
GRADIENT = 3  # what a value with its gradient is taken to cost, in evaluations of C: forward, and back twice as dear


@dataclass(frozen=True)
class Settings(common.Network):
    """How many evaluations, of what."""

    rate: float = like("rate")
    levels: tuple = setting((2, 10, 256), "settings of one dial: on or off, a decimal digit, a byte")
    draws: int = setting(6000, "evaluations of C, for random search and for descent alike", small=300)
    tail: float = setting(0.05, "lowest share of the draws that the tail is fitted to")
    resamples: int = setting(200, "of the draws, for the interval", small=20)


class Result(NamedTuple):
    """A race, and what the loser could hope for.

    Attributes:
        dials: number of parameters.
        levels: at how many each may stand.
        evaluations_a_second: of C, of random networks one after the other.
        random: C of random networks, `[draws]`.
        descent: C by step of gradient descent over all images, `[steps + 1]`.
        tail: the lowest of the random networks.
        share: of all random networks, those no worse than what descent reached, by that tail; 0 if it ends above.
        end: the lowest C that it has, 0 if it has no end above that.
    """

    dials: int
    levels: tuple
    evaluations_a_second: float
    random: np.ndarray
    descent: np.ndarray
    tail: tails.Tail
    share: statistics.Interval
    end: statistics.Interval


def run(settings):
    """Race, and extrapolate."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    search_key, start_key, resample_key = jax.random.split(jax.random.key(settings.seed), 3)
    keys = jax.random.split(search_key, settings.draws)
    compiled = search.lower(C, keys, settings.sizes).compile()
    begin = time.perf_counter()
    found = np.asarray(compiled(C, keys), np.float64)
    rate = settings.draws / (time.perf_counter() - begin)

    start = network.init(start_key, settings.sizes)
    steps = settings.draws // GRADIENT  # over all images, so that the key of their order is of no account
    descended = descent.descend(start_key, C, start, optax.sgd(settings.rate), steps=steps).costs

    reached = float(descended[-1])
    tail = partial(tails.lower_tail, share=settings.tail)
    interval = lambda of: resampling.bootstrap(
        resample_key, lambda groups: np.array(list(map(of, groups[0]))), [found], resamples=settings.resamples
    )
    share = interval(lambda draws: share_below(tail(draws), draws, reached))
    end = interval(lambda draws: max(0.0, tail(draws).end))
    dials = network.size(start)
    result = Result(dials, settings.levels, rate, found, descended, tail(found), share, end)
    return result, {"data": train.fingerprint}


@partial(jax.jit, static_argnames="sizes")
def search(C, keys, sizes):
    """C of a random network, one a key."""
    return jax.lax.map(lambda key: C(*network.init(key, sizes)), keys)


def share_below(tail, draws, value):
    """Share of random networks no worse than a value: by the tail, or by the draws where these tell."""
    return 10 ** tail.log10_share(value) if value < tail.threshold else np.mean(draws <= value)


def table(result):
    """The number of settings; the race; the extrapolation."""
    found, descended = result.random, np.asarray(result.descent)
    year = math.log10(result.evaluations_a_second * YEAR)
    powers = [(levels, result.dials * math.log10(levels)) for levels in result.levels]
    share, ahead = result.share, descended < found.min()
    draws = f"{numeral(share.value)} (95 %: {numeral(share.high)} to {numeral(share.low)})"
    return [
        f"{result.evaluations_a_second:,.0f} evaluations of C a second here: 10^{year:.1f} a year. "
        f"Atoms of the universe: 10^{ATOMS}",
        "",
        *common.columns([
            ["levels a dial", "networks", "years to try all"],
            *([levels, f"10^{power:,.0f}", f"10^{power - year:,.0f}"] for levels, power in powers),
        ]),
        "",
        f"{len(found):,} evaluations of C, or {len(descended) - 1:,} steps of descent at {GRADIENT} evaluations each",
        "",
        *common.columns([
            ["", "C reached", "to compare with"],
            ["random search", f"{found.min():.4f}", f"median of all {np.median(found):.4f}"],
            ["descent", f"{descended[-1]:.4f}", f"at the start {descended[0]:.4f}"],
        ]),
        "",
        f"descent is below the best of random search after {np.argmax(ahead)} steps" if ahead.any()
        else "descent does not come below the best of random search",
        f"random draws needed for the cost that descent reached, by their lowest {result.tail.share:.0%}: {draws}",
        f"that tail ends at C = {result.end.value:.3g} (95 %: {result.end.low:.3g} to {result.end.high:.3g})",
    ]  # fmt: skip


def numeral(share):
    """How many draws there are to one of these, for a share of them."""
    if not share:
        return "never"
    return f"{1 / share:,.0f}" if share > 1e-6 else f"10^{-math.log10(share):,.0f}"


def draw(path):
    """Powers of ten; the race; the tail."""
    result = results.load(path)
    figure = common.figure(14, 4.4)
    left, middle, right = figure.subplots(1, 3)
    draw_powers(left, result)
    draw_race(middle, result.random, result.descent)
    draw_tail(right, result)
    common.tidy((middle, right))
    return common.save_figures(path, {"race": figure})


def draw_powers(ax, result):
    """Numbers of networks, of atoms and of evaluations a year, as powers of ten."""
    year = math.log10(result.evaluations_a_second * YEAR)
    powers = {f"{levels} levels a dial": result.dials * math.log10(levels) for levels in result.levels}
    powers |= {"atoms of the universe": ATOMS, "evaluations here, a year": year}
    colours = ["tab:blue"] * len(result.levels) + ["tab:gray"] * 2
    ax.barh(list(powers), list(powers.values()), color=colours)
    for name, power in powers.items():
        raised = f"{power:,.0f}".replace(",", "{,}")  # no room after the comma
        ax.annotate(f"$10^{{{raised}}}$", (power, name), (4, 0), textcoords="offset points", va="center")
    ax.set_xscale("log")
    ax.set_xlim(1, 50 * max(powers.values()))
    ax.set_xticks([1, 100, 10_000], ["1", "100", "10,000"])
    ax.invert_yaxis()
    ax.set_xlabel("power of ten (itself on a logarithmic axis)")
    ax.set_title(f"Networks with {result.dials:,} dials")


def draw_race(ax, found, descended):
    """The lowest C so far against evaluations."""
    ax.plot(np.arange(1, len(found) + 1), np.minimum.accumulate(found), label="best of random search so far")
    ax.plot(GRADIENT * np.arange(len(descended)) + 1, descended, label="gradient descent")
    common.log(ax.xaxis, ax.yaxis)
    ax.set_xlabel("evaluations of C, a gradient counted as three")
    ax.set_ylabel("C")
    ax.set_title("The same number of evaluations")


def draw_tail(ax, result):
    """The share of random networks below each C, and how the lowest of them go on."""
    found, reached = np.sort(result.random), result.descent[-1]
    ax.plot(found, np.arange(1, len(found) + 1) / len(found), label="random networks")
    ax.axvline(reached, color="tab:orange", label=f"descent reached {reached:.3g}")
    c = np.linspace(min(reached, found.min()), result.tail.threshold, 500)
    fitted = 10 ** result.tail.log10_share(c)
    ax.plot(c[fitted > 1e-12], fitted[fitted > 1e-12], ":", color="black", label="fitted to the lowest tail")
    ax.set_yscale("log")
    ax.set_ylim(1e-12, 2)
    ax.set_xlabel("C")
    ax.set_ylabel("share of random networks with no larger C")
    ax.set_title(f"Random draws needed, by their tail: {numeral(result.share.value)}", fontsize=11)


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
