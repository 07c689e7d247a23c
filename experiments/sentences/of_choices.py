"""Verdicts on the sentences about what is chosen: the cost itself, its squares, the images.

Each function takes the results that its sentence stands on and returns a `Found`, as in `of_the_cost`.
"""

import numpy as np
from common import median_of as several
from other_costs import START, lowest
from sentences.checks import Check, Found

from jaxcost import statistics

CHANCE = 0.1  # of ten digits


def other_costs(r):
    """Networks learn as well by another cost, and costs do not agree on which networks are the best."""
    names, right = list(r.planes), {name: r.networks[name].held_out for name in r.planes}
    squares, others = right["quadratic"], [name for name in names if name not in ("quadratic", START)]
    medians = {by: [float(np.median(r.networks[name].costs[by])) for name in names] for by in names}
    best = {by: names[int(np.argmin(of))] for by, of in medians.items()}
    as_well = [name for name in others if np.median(right[name]) >= squares.min()]
    lows = [(name, lowest(plane)) for name, plane in r.planes.items()]
    told = "; ".join(f"{name} {several(of, '.1%')}" for name, of in right.items())
    return Found(
        f"Right on unseen images, median (lowest to highest) of {len(squares)} networks trained on each cost: {told}.",
        [
            Check("trained on another cost, at the median of its networks, as many unseen images are right as by the "
                  "worst network of the sum of squares, or more", ", ".join(as_well) or "by none", bool(as_well)),
            Check("the choice matters: not all costs call the networks of the same cost the best, by their medians",
                  "; ".join(f"{by}: {name}" for by, name in best.items()), len(set(best.values())) > 1),
        ],
        {
            "other_costs-planes": f"The same plane under {len(names)} costs, their lowest points as stars: "
            + ", ".join(f"{name} at {x:.0f}, {y:.0f}" for name, (x, y) in lows) + "; and a table in which the networks "
            "of each cost are judged by each.",
        },
    )  # fmt: skip


def big_misses(r):
    """The worst images carry most of C, and a larger share of the squares than of the absolute differences."""
    squared, absolute = (r.shares[f"{kind} differences"] for kind in ("squared", "absolute"))
    told = lambda shares: [several(100 * of, ".0f") for of in shares.T]
    (first, tenth), (first_of, tenth_of) = told(squared), told(absolute)
    return Found(
        f"The worst 1 % of the training images carry {first} % of C, the worst 10 % {tenth} %, median (lowest to "
        f"highest) of {len(squared)} networks. Of the sum of absolute differences the worst 1 % carry {first_of} %, "
        f"the worst 10 % {tenth_of} %.",
        [
            Check("big misses dominate: in each network the worst 10 % of the images carry more than half of C, more "
                  "than all others together", f"{squared[:, 1].min():.0%} at least", bool(squared[:, 1].min() > 0.5)),
            Check("it is the squaring: in each network the worst 1 % carry more of C than in any network of the "
                  "absolute differences", f"{squared[:, 0].min():.1%} at least, {absolute[:, 0].max():.1%} at most",
                  bool(squared[:, 0].min() > absolute[:, 0].max())),
        ],
        {
            "learning-images": f"Left: a histogram of the costs of single images, and how fast their shares add up: "
            f"the worst 10 % carry {tenth} % of C. Right: the {len(r.worst.cost)} worst images with label, guess and "
            f"cost, from {r.worst.cost.max():.2f} down to {r.worst.cost.min():.2f}.",
        },
    )  # fmt: skip


def unseen(r):
    """C is lower on the images that were learned, and what is learned by heart helps with no others."""
    ends = lambda values: np.asarray(values)[:, -1]
    gaps, heart = [ends(of.unseen) - ends(of.seen) for of in r.runs], r.shuffled
    right, guessed = ends(heart.accuracy), ends(heart.accuracy_unseen)
    known, lies = several(guessed, ".0%"), statistics.summary(guessed)
    few, many, middle = r.runs[0], r.runs[-1], tuple(size // 2 for size in r.seen.values.shape)
    told = "; ".join(f"{of.images:,} images: {several(ends(of.seen), '.3f')}, unseen {several(ends(of.unseen), '.2f')}"
                     for of in (few, many))  # fmt: skip
    return Found(
        f"C after learning, median (lowest to highest) of {len(right)} networks: {told}. {heart.images:,} images with "
        f"shuffled labels: C = {several(ends(heart.seen), '.2f')}, {several(right, '.0%')} of them right, and {known} "
        f"of the unseen ones, chance being {CHANCE:.0%}.",
        [
            Check("for each number of images, in each network, C is higher on unseen images than on those learned",
                  f"by {min(gap.min() for gap in gaps):.2g} at least", all((gap > 0).all() for gap in gaps)),
            Check("with shuffled labels each network gets more than half of its training images right",
                  f"{right.min():.0%} at least", bool(right.min() > 0.5)),
            Check("and knows nothing of others: chance, 10 %, lies in the interval of its share of unseen ones right",
                  known, bool(max(lies.low, guessed.min()) <= CHANCE <= min(lies.high, guessed.max()))),
        ],
        {
            "unseen_images-gap": f"Left: C by number of training images. On {few.images:,} it ends at "
            f"{np.median(ends(few.seen)):.3f} and at {np.median(ends(few.unseen)):.2f} unseen; on {many.images:,} at "
            f"{np.median(ends(many.seen)):.2f} and {np.median(ends(many.unseen)):.2f}. Right: with shuffled labels the "
            f"share of training images right climbs to {np.median(right):.0%}, that of unseen ones stays at {known}.",
            "unseen_images-planes": "C on the training images, on unseen ones, and their difference, over one plane. "
            f"At the network, in the middle, {r.seen.values[middle]:.3f}, {r.unseen.values[middle]:.3f} and "
            f"{r.unseen.values[middle] - r.seen.values[middle]:.3f}.",
        },
    )  # fmt: skip
