"""Verdicts on the sentences about what C is: one number, of very many dials.

Each function takes the results that its sentence stands on and returns a `Found`. Where several networks were trained a
check asks all of them, or the whole of the interval over them. Each check can fail.
"""

import re

import numpy as np
from common import median_of as several
from one_image_at_a_time import cost_of
from sentences.checks import SHRUG, Check, Found

from jaxcost import network

ANCIENT = 1.4e10  # years, the age of the universe
YEAR = 3.156e7  # seconds


def one_image(r):
    """The worked examples are as the cheatsheet says, and C is a mean."""
    costs, totals = [cost_of(guess) for guess in r.guesses], [float(total.C) for total in r.totals]
    off = max(abs(total.costs.mean(dtype=np.float64) / total.C - 1) for total in r.totals)
    examples = f"{costs[0]:.4f} and {costs[1]:.2f}"
    n = len(r.totals[-1].costs)
    return Found(
        f"{costs[0]:.4f} for a confident, correct guess, {costs[1]:.2f} for a total shrug. One image of the training "
        f"set costs {costs[2]:.2f} before learning and {costs[3]:.4f} after it; the mean over all {n:,} is C, "
        f"{totals[0]:.2f} before and {totals[1]:.3f} after, in this run.",
        [
            Check("the two worked examples come to 0.0129 and 0.90", examples, examples == "0.0129 and 0.90"),
            Check("C is the mean of all single costs to one part in 10,000, before learning and after",
                  f"off by {off:.0e} at most", bool(off < 1e-4)),
        ],
        {
            "one_image_at_a_time-steps": "Four guesses, a row each: ten outputs as bars, ten desired outputs, ten "
            "squared differences and their sum. The sums are " + ", ".join(f"{cost:.4f}" for cost in costs) + ".",
            "one_image_at_a_time-all": f"Histogram of the costs of {n:,} images. Before learning they lie about their "
            f"mean of {totals[0]:.2f}; afterwards {np.mean(r.totals[-1].costs < 0.1):.0%} are below 0.1, the largest "
            f"is {r.totals[-1].costs.max():.2g}, and the mean is {totals[1]:.3f}.",
        },
    )  # fmt: skip


def number_going_down(r):
    """C falls whatever is learned, shuffled labels and shuffled pixels too."""
    true, (labels, pixels) = r.run.costs, r.shuffled.values()
    fell = lambda costs: f"from {several(costs[:, 0])} to {several(costs[:, -1])}"
    held_out = several(np.asarray(r.run.watched["accuracy_held_out"])[:, -1], ".1%")
    below = lambda costs: bool((costs[:, -1] < SHRUG).all())
    ends = lambda costs: f"the highest ends at {costs[:, -1].max():.3g}"
    return Found(
        f"C falls {fell(true)}, median (lowest to highest) of {len(true)} networks. With its pixels shuffled, so that "
        f"nobody could read a digit, {fell(pixels)}; with its labels shuffled, so that there is nothing to understand, "
        f"{fell(labels)}.",
        [
            Check(f"each network ends below {SHRUG:g}, what a total shrug costs", ends(true), below(true)),
            Check(f"so does each that learns shuffled pixels, below {SHRUG:g}", ends(pixels), below(pixels)),
            Check("each that learns shuffled labels ends lower than any of them began",
                  f"{ends(labels)}, the lowest began at {labels[:, 0].min():.3g}",
                  bool(labels[:, -1].max() < labels[:, 0].min())),
        ],
        {
            "learning-curves": f"Curves by step. C on the training images falls {fell(true)}; with shuffled pixels it "
            f"comes to {several(pixels[:, -1])}, with shuffled labels to {several(labels[:, -1])}. The share of unseen "
            f"images that is right rises to {held_out}.",
        },
    )  # fmt: skip


def signatures(r):
    """An image into f and ten numbers out, a network into C and one number out."""
    into_f, out_of_f = (shapes(part) for part in r.f.split("out:"))
    into_C, out_of_C = (shapes(part) for part in r.C.split("out:"))
    n, dials, same = len(r.totals[-1].costs), sum(into_C), [cost_of(guess) for guess in r.guesses[2:]]
    return Found(
        f"Into f go {sum(into_f):,} numbers, one image, and {sum(out_of_f)} come out. Into C go {dials:,} numbers, a "
        f"whole network, and {sum(out_of_C)} comes out. The same image costs {same[0]:.2f} by one network and "
        f"{same[1]:.4f} by another.",
        [
            Check("f takes one image and gives ten numbers", f"{into_f} to {out_of_f}",
                  len(into_f) == 1 and out_of_f == [10]),
            Check("C takes all weights and biases, an array for each, and gives one number",
                  f"{into_C} to {out_of_C}", len(into_C) % 2 == 0 and f" {dials:,} numbers" in r.C and out_of_C == [1]),
            Check("of the same image two networks give different costs", f"{same[0]:.4f} and {same[1]:.4f}",
                  abs(same[0] - same[1]) > 1e-4),
        ],
        {},
        (
            (f"one image: {sum(into_f):,} numbers", "f(x ; w, b)", "w and b stay as they are",
             f"a guess, {sum(out_of_f)} numbers: {' '.join(f'{a:.2f}' for a in r.guesses[-1].a)}"),
            (f"a whole network: {dials:,} numbers", "C(w, b)", f"all {n:,} images stay as they are",
             f"how wrong it is, one number: {r.totals[-1].C:.3f}"),
        ),
    )  # fmt: skip


def shapes(text):
    """How many numbers each array holds of those that a signature names: "float32[16, 784]" is 12,544."""
    found = re.findall(r"float\d+\[([\d, ]*)\]", text)
    return [int(np.prod([int(n) for n in shape.split(",") if n])) for shape in found]


def dials(r):
    """How many there are, whether that is about 13,000, and whether they move C."""
    n, (before, after) = network.size(r.before.params), r.networks.values()
    still, true = max(of.still.max() for of in (before, after)), min(of.correlation.min() for of in (before, after))
    held = [several(100 * of.shares[:, 0], ".0f") for of in (before, after)]
    return Found(
        f"{n:,} dials. The steepest hundredth of them hold {held[0]} % of the squared gradient before learning and "
        f"{held[1]} % after, medians of {len(before.C)} networks; {several(100 * after.still, '.0f')} % do nothing.",
        [
            Check("they are 13,000 to the nearest thousand", f"{n:,}", round(n, -3) == 13_000),
            Check("in each network more than half of them move C", f"{still:.0%} do nothing at most",
                  bool(still < 0.5)),
            Check("turned one by one they change C as the gradient foretells: in each network the correlation is "
                  "0.999 or more", f"{true:.5f} at least", bool(true >= 0.999)),
        ],
        {
            "thirteen_thousand_dials-dials": f"All {n:,} weights and biases as coloured pixels, before and after "
            f"learning, and beside them how much C rises as each is turned up. The {r.before.params.w[0].size:,} of "
            "the first layer are drawn as images.",
            "thirteen_thousand_dials-slopes": f"Sizes of all {n:,} slopes in falling order, over many powers of ten; "
            f"and slopes measured by turning {len(r.before.turned)} dials against those foretold: the correlation is "
            f"{true:.4f} or more.",
        },
    )  # fmt: skip


def brute_force(r):
    """Trying all networks takes too long, and random search does not come near descent."""
    power = r.dials * np.log10(min(r.levels))
    years = power - np.log10(r.evaluations_a_second * YEAR)
    best, reached, draws = float(r.random.min()), float(r.descent[-1]), len(r.random)
    ahead = int(np.argmax(r.descent < best))
    return Found(
        f"With only {min(r.levels)} settings a dial there are 10^{power:,.0f} networks; at the "
        f"{r.evaluations_a_second:,.0f} evaluations a second of this machine they take 10^{years:,.0f} years. The best "
        f"of {draws:,} random networks has C = {best:.3g}; descent for the same work comes to {reached:.3g}, one run.",
        [
            Check("to try all takes longer than the universe is old, 10^10.1 years", f"10^{years:,.0f} years",
                  bool(years > np.log10(ANCIENT))),
            Check("descent comes lower than the best random network, for the same work",
                  f"{reached:.3g} and {best:.3g}", reached < best),
            Check("by the tail of the random draws, at the upper end of its 95 % interval, fewer than one in as many "
                  "draws again is as good as descent", f"a share of {r.share.high:.1g}",
                  bool(r.share.high < 1 / draws)),
        ],
        {
            "brute_force-race": f"Left: bars of powers of ten, 10^{power:,.0f} networks and more beside 10^80 atoms. "
            f"Middle: the best of random search creeps to {best:.3g}, descent is below it after {ahead} steps and "
            f"ends at {reached:.3g}. Right: the tail of the random networks ends at {r.end.value:.2g}.",
        },
    )  # fmt: skip
