"""Brute force is impossible: count the settings of the dials, and let random search race against descent.

Each of the 13,002 dials may stand at 2, 10 or 256 levels: so many networks there are, beside the atoms of the
universe and what this machine evaluates in a second. Then random search and gradient descent get the same number of
evaluations of C; and the tail of random search is extrapolated to the cost that descent reached.

    python experiments/brute_force.py                  the embedded digits
    python experiments/brute_force.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect 10^3,914, 10^13,002 and 10^31,312 networks beside 10^80 atoms and some 10^10 evaluations a year. On the embedded
digits the best of 6,000 random networks has C = 1.26, which descent passes after 22 steps; 2,000 steps, the same
number of evaluations, bring it to 0.17. By the tail of the random draws that cost is never found: the tail ends
at 0.97 (95 %: 0.51 to 1.25). The network is there all the same: random draws do not hint at what descent finds.
"""

import math
import time
from dataclasses import dataclass

import common
import jax
import numpy as np
import optax
from common import setting
from scipy import stats

from jaxcost import cost, descent, network, results

ATOMS = 80  # power of ten, the usual estimate for the observable universe
YEAR = 3.156e7  # seconds
GRADIENT = 3  # what a value with its gradient is taken to cost, in evaluations of C: forward, and back twice as dear


@dataclass(frozen=True)
class Settings:
    """How many evaluations, of what."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes all networks")
    levels: tuple = setting((2, 10, 256), "settings of one dial: on or off, a decimal digit, a byte")
    draws: int = setting(6000, "evaluations of C, for random search and for descent alike", small=600)
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    tail: float = setting(0.05, "lowest share of the draws that the tail is fitted to")
    resamples: int = setting(200, "of the draws, for the interval", small=50)


def run(settings):
    """Count, race, extrapolate."""
    train, _ = common.images(settings.data, settings.images)
    C = cost.Cost(train)
    key, start_key = jax.random.split(jax.random.key(settings.seed))
    keys = jax.random.split(key, settings.draws)
    search(C, keys[:2], settings.sizes)  # compiles
    begin = time.perf_counter()
    found = np.asarray(search(C, keys, settings.sizes), np.float64)
    rate = settings.draws / (time.perf_counter() - begin)
    steps = settings.draws // GRADIENT
    start = network.init(start_key, settings.sizes)
    descended = descent.descend(start_key, C, start, optax.sgd(settings.rate), steps=steps)
    reached = float(descended.costs[-1])
    rng = np.random.default_rng(settings.seed)
    again = [rng.choice(found, len(found)) for _ in range(settings.resamples)]
    result = {
        "dials": network.size(start),
        "levels": settings.levels,
        "evaluations_a_second": rate,
        "random": found,
        "descent": descended.costs,
        "tail": settings.tail,
        "extrapolated": extrapolated(found, reached, settings.tail),
        "again": np.array([extrapolated(draws, reached, settings.tail) for draws in again]),
    }
    return result, {"data": train.fingerprint}, table(result)


def search(C, keys, sizes):
    """C of a random network, one a key."""
    return _search(C, keys, tuple(sizes))


_search = jax.jit(
    lambda C, keys, sizes: jax.lax.map(lambda key: C(*network.init(key, sizes)), keys), static_argnames="sizes"
)


def extrapolated(draws, target, tail):
    """Power of ten of the number of random draws until C <= target, by the tail of the draws; and where the tail ends.

    The depths below the threshold t, the `tail` quantile, are fitted by a generalised Pareto distribution (Pickands
    1975), P(C <= c) = tail (1 + xi (t - c) / sigma)^(-1/xi). If xi < 0 it ends at t + sigma / xi: nothing is below.
    """
    threshold = np.quantile(draws, tail)
    if target >= threshold:
        return -math.log10(np.mean(draws <= target)), -math.inf
    xi, _, sigma = stats.genpareto.fit(threshold - draws[draws < threshold], floc=0)
    power = -stats.genpareto.logsf(threshold - target, xi, 0, sigma) / math.log(10) - math.log10(tail)
    return float(power), float(threshold + sigma / xi) if xi < 0 else -math.inf


def said(power):
    """A power of ten in words."""
    return "never" if math.isinf(power) else f"10^{power:,.0f}" if power > 6 else f"{10**power:,.0f}"


def table(result):
    """The number of settings; the race; the extrapolation."""
    rate, dials = result["evaluations_a_second"], result["dials"]
    year = math.log10(rate * YEAR)
    lines = [f"{rate:,.0f} evaluations of C a second here: 10^{year:.1f} a year. Atoms of the universe: 10^{ATOMS}", ""]
    lines.append(f"{'levels a dial':>14}{'networks':>16}{'years to try all':>22}")
    for levels in result["levels"]:
        power = dials * math.log10(levels)
        lines.append(f"{levels:>14}{f'10^{power:,.0f}':>16}{f'10^{power - year:,.0f}':>22}")
    found, descended = result["random"], np.asarray(result["descent"])
    (low, low_end), (high, high_end) = np.quantile(result["again"], (0.025, 0.975), 0, method="closest_observation")
    needed, end = result["extrapolated"]
    return [
        *lines,
        "",
        f"{len(found):,} evaluations of C, or {len(descended) - 1:,} steps of descent at {GRADIENT} evaluations each:",
        f"  best of random search  {found.min():.4f}   (median of all {np.median(found):.4f})",
        f"  descent                {descended[-1]:.4f}   (from {descended[0]:.4f})",
        f"  descent is below the best of random search after {int(np.argmax(descended < found.min()))} steps",
        f"  random draws needed for the cost that descent reached, by their lowest {result['tail']:.0%}: "
        f"{said(needed)} (95 %: {said(low)} to {said(high)})",
        f"  that tail ends at C = {end:.3g} (95 %: {low_end:.3g} to {high_end:.3g})",
    ]


def draw(path):
    """Powers of ten; the race; the tail."""
    result = results.load(path)
    figure = common.figure(14, 4.4)
    counts, race, tail = figure.subplots(1, 3)
    names = [f"{levels} levels a dial" for levels in result["levels"]]
    powers = [result["dials"] * math.log10(levels) for levels in result["levels"]]
    year = math.log10(result["evaluations_a_second"] * YEAR)
    names, powers = [*names, "atoms of the universe", "evaluations here, a year"], [*powers, ATOMS, year]
    counts.barh(names, powers, color=["tab:blue"] * len(result["levels"]) + ["tab:gray"] * 2)
    for i, power in enumerate(powers):
        counts.annotate(f"10^{power:,.0f}", (power, i), (4, -4), textcoords="offset points")
    counts.set_xscale("log")
    counts.set_xlim(1, 50 * max(powers))
    counts.invert_yaxis()
    counts.set_xlabel("power of ten (itself on a logarithmic axis)")
    counts.set_title(f"Networks with {result['dials']:,} dials")

    found, descended = result["random"], np.asarray(result["descent"])
    race.plot(np.arange(1, len(found) + 1), np.minimum.accumulate(found), label="best of random search so far")
    race.plot(GRADIENT * np.arange(len(descended)) + 1, descended, label="gradient descent")
    race.set_xscale("log")
    race.set_yscale("log")
    for formatter in (race.yaxis.set_major_formatter, race.yaxis.set_minor_formatter):
        formatter("{x:g}")
    race.set_xlabel("evaluations of C, a gradient counted as three")
    race.set_ylabel("C")
    race.set_title("The same number of evaluations")
    race.legend()

    ordered = np.sort(found)
    tail.plot(ordered, np.arange(1, len(found) + 1) / len(found), label="random networks")
    tail.axvline(descended[-1], color="tab:orange", label=f"descent reached {descended[-1]:.3g}")
    threshold = np.quantile(found, result["tail"])
    xi, _, sigma = stats.genpareto.fit(threshold - found[found < threshold], floc=0)
    c = np.linspace(min(descended[-1], found.min()), threshold, 500)
    fitted = result["tail"] * stats.genpareto.sf(threshold - c, xi, 0, sigma)
    tail.plot(c[fitted > 1e-12], fitted[fitted > 1e-12], ":", color="black", label="fitted to the lowest tail")
    tail.set_yscale("log")
    tail.set_ylim(1e-12, 2)
    tail.set_xlabel("C")
    tail.set_ylabel("share of random networks with no larger C")
    tail.set_title(f"Random draws needed, by their tail: {said(result['extrapolated'][0])}")
    tail.legend(fontsize=8)
    return common.save_figures(path, {"race": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
