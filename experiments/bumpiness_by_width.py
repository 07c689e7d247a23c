"""Are wider networks smoother, and is cross-entropy than the quadratic cost? Bosman et al.'s claims, put to the test.

Random lines, each through a new random network, for narrow to wide and shallow to deep ones with sigmoid, tanh and
ReLU hidden units, under both costs of the same outputs; then walks downhill from many starts, with C and the length of
its gradient all the way (Bosman, Engelbrecht & Helbig 2018 and 2020, arXiv 1901.02302; 2019, arXiv 1905.10268).

    python experiments/bumpiness_by_width.py                        the embedded digits
    python experiments/bumpiness_by_width.py --data FOLDER          any four IDX files
    python experiments/bumpiness_by_width.py --draw output/bumpiness_by_width/bumpiness_by_width.npz

Bosman et al. walk and sample the whole space; random lines see less of it, and are a test of their claims by other
means. Weights of N(0, 1/n) make networks of all widths alike in what a neuron gets, and filter-normalised directions
move each by as much.

Expect, on the embedded digits, row 16, "wider hidden layers, fewer local minima": not on random lines. At half-width 1
a line has one minimum or none, which tells whether it passes its valley's bottom, and no bumps. At 32 the minima deeper
than a hundredth of the range are as many at all widths, 1.1 to 1.4 a line for sigmoid, 1.8 to 2.4 for tanh and ReLU;
under cross-entropy, which grows without bound, there is one, the bowl. (Of shallower ones 601 points for 151 show twice
as many on lines of ReLU networks, up to 30; of the deeper ones hardly more: read the first count as "at least".)
"Deeper, sharper", here rougher: yes at half-width 32 for tanh and ReLU, relative roughness from 140 and 120 with one
hidden layer to 560 with four under the quadratic cost, no or hardly for sigmoid.

Row 15: walks stall high up, with the gradient a hundredth of what it was, under both costs, mostly where every image
gets the same answer. At width 2, 28 of 36 under the quadratic cost and 20 under cross-entropy; at width 32, 5 of 24 and
1 of 24 with sigmoid and tanh: fewer where wider, as claimed. But of ReLU networks of width 32 all 12 stall under the
quadratic cost, whose sigmoid outputs saturate (3 of 12 in 300 steps of rate 0.01), none under cross-entropy. More stall
under the quadratic cost with all three units, as claimed; its gradients, as |grad C| / C, are weaker with ReLU, 0.5
(0.03 to 0.8), and not to be told apart with sigmoid, 0.6 (0.5 to 1.01), and tanh, 0.9 (0.7 to 1.2). Minima and saddles
are not told apart: some that stall leave again.
"""

from dataclasses import dataclass
from functools import partial

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting
from jax.tree_util import Partial
from scipy import stats

from jaxcost import cost, descent, directions, network, plot, populations, results
from jaxcost.measures import bumpiness

UNITS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "ReLU": jax.nn.relu}
QUADRATIC, ENTROPY = "quadratic", "cross-entropy"
MEASURES = {
    "minima": "minima a line (mean)",
    "deep": "deeper than a hundredth\nof the range (mean)",
    "bowl": "share of variance that\na quadratic explains",
    "relative_roughness": "relative roughness",
    "information": "information content",
    "excess": "excess variation\nover range",
}
STALLED, HIGH = 0.01, 0.5  # of the gradient's length at the start; of the cost of the best constant answer
COUNTS, DEEP = ("minima", "deep"), 0.01
RESAMPLES, EVERY = 2000, 5


@dataclass(frozen=True)
class Settings:
    """Which networks, and how many lines and walks."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(200, "few, since networks are many", small=100)
    sizes: tuple = setting((784, 16, 16, 10), "its depth is that of all widths, its width that of all depths")
    seed: int = setting(0, "makes the networks and the directions")
    hidden: tuple = setting(("sigmoid", "tanh", "ReLU"), "hidden units", small=("sigmoid",))
    widths: tuple = setting((2, 16, 64, 256), "neurons in each hidden layer", small=(2, 16))
    depths: tuple = setting((1, 2, 3, 4), "hidden layers", small=(2,))
    lines: int = setting(16, "random lines for each network, and as many networks", small=8)
    half_widths: tuple = setting((1.0, 32.0), "the first sees what is near; the verdicts are on the last")
    points: int = setting(151, "of each line", small=41)
    walk_widths: tuple = setting((2, 8, 32), "narrow enough to get stuck, wide enough not to", small=(2,))
    walks: int = setting(12, "starts, the same for both costs", small=6)
    steps: int = setting(200, "of each walk, all images a step", small=40)
    rate: float = setting(0.03, "of Adam, whose steps ask neither for the unit of C nor for the gradient's length")


def run(settings):
    """Lines, walks, verdicts."""
    train, _ = common.images(settings.data, settings.images)
    line_key, walk_key = jax.random.split(jax.random.key(settings.seed))
    line_keys = jax.random.split(line_key, settings.lines)
    walk_keys = jax.random.split(walk_key, settings.walks)
    optimizer = optax.adam(settings.rate)
    first, *inner, last = settings.sizes
    sizes = lambda width, depth: (first, *(width,) * depth, last)
    by_width = {width: sizes(width, len(inner)) for width in settings.widths}
    by_depth = {depth: sizes(inner[0], depth) for depth in settings.depths}
    result = {"constant": constant(train), "lines": {}, "walks": {}}
    for hidden in settings.hidden:
        for name, (f, loss) in costs(UNITS[hidden]).items():
            C = cost.Cost(train, f, loss)
            look = partial(lines, line_keys, C, half_widths=settings.half_widths, points=settings.points)
            seen = {size: look(size) for size in dict.fromkeys([*by_width.values(), *by_depth.values()])}
            result["lines"][f"{hidden}, {name}"] = {
                "width": {str(width): seen[size] for width, size in by_width.items()},
                "depth": {str(depth): seen[size] for depth, size in by_depth.items()},
            }
            result["walks"][f"{hidden}, {name}"] = {
                str(width): walked(walk_keys, C, sizes(width, len(inner)), optimizer, settings.steps)
                for width in settings.walk_widths
            }
            print(f"{hidden}, {name}: {len(seen)} networks, {settings.lines} lines, {settings.walks} walks")
    return result, {"data": train.fingerprint, "images": len(train)}, table(result)


def costs(s):
    """For hidden units s, the network and the loss for each cost: of the same sigmoid outputs."""
    return {
        QUADRATIC: (lambda x, w, b: jax.nn.sigmoid(logits(s, x, w, b)), cost.quadratic),
        ENTROPY: (partial(logits, s), cost.sigmoid_cross_entropy),
    }


def logits(s, x, w, b):
    """The last layer's weighted input, of a network with hidden units s: `network.logits` with another s."""
    *hidden, (w_last, b_last) = zip(w, b, strict=True)
    a = x
    for w_layer, b_layer in hidden:
        a = s(w_layer @ a + b_layer)
    return w_last @ a + b_last


def constant(train):
    """C of the best answer that does not look at the image, the share of each class, by cost."""
    p = np.asarray(train.y, np.float64).mean(0)
    return {QUADRATIC: float(np.sum(p * (1 - p))), ENTROPY: float(np.sum(stats.entropy([p, 1 - p])))}


def start(key, sizes):
    """A random network whose weighted inputs are of one size at all widths: weights of N(0, 1/n), n those from."""
    return network.init(key, sizes, scale=root)


def root(n):
    """1 / sqrt(n)."""
    return n**-0.5


def lines(keys, C, sizes, half_widths, points):
    """Measures along random lines, each through a new network, by half-width."""

    def draw(key):
        init_key, direction_key = jax.random.split(key)
        params = start(init_key, sizes)
        return params, (directions.filter_normalized(directions.gaussian(direction_key, params), params),)

    seen = {}
    for half_width, there in zip(
        half_widths, populations.grids(keys, C, draw, half_widths, points=points), strict=True
    ):
        found = populations.measured(there)
        heights = np.ptp(there.values, axis=1).astype(np.float64)
        excess = np.where(heights > there.floor, found.excess_variation / np.where(heights > 0, heights, 1), np.nan)
        least = np.maximum(there.floor, DEEP * heights)
        deep = [bumpiness.local_minima(values, f).count for values, f in zip(there.values, least, strict=True)]
        ours = {"deep": np.array(deep, float), "excess": excess, "floor": there.floor, "values": there.values}
        seen[f"{half_width:g}"] = {name: getattr(found, name) for name in MEASURES if name not in ours} | ours
    return seen


def walked(keys, C, sizes, optimizer, steps):
    """C and the length of its gradient on walks downhill, `[walks, records]`, and the rounding noise of that length."""
    trained = descent.ensemble(
        keys, C, Partial(start, sizes=sizes), optimizer,
        steps=steps, every=EVERY, watch={"slope": Partial(descent.gradient_norm, C)},
    )  # fmt: skip
    slopes = trained.watched["slope"]
    with jax.enable_x64(True):
        C, params = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), (C, trained.params))
        exact = jax.jit(jax.vmap(lambda C, params: descent.gradient_norm(C, *params), (None, 0)))(C, params)
    return {"costs": trained.costs, "slopes": slopes, "floor": np.abs(slopes[:, -1] - np.asarray(exact)).max()}


def stalls(walk, constant):
    """Which walks come, at some record, near a stationary point high up, and which of these are there at the end.

    Near: the gradient is shorter than a hundredth of that at the start, which its rounding noise is far below.
    High: C is more than half of that of the best constant answer. Minima and saddles are not told apart.
    """
    near = walk["slopes"] < STALLED * walk["slopes"][:, :1]
    high = walk["costs"] > HIGH * constant
    return (near & high).any(1), (near & high)[:, -1]


def steepness(walk):
    """|grad C| / C, the median over a walk: what a gradient is worth, whatever the unit of C."""
    return np.median(walk["slopes"] / walk["costs"], axis=1)


def interval(statistic, groups):
    """A statistic of several groups of draws, with its interval by bootstrap within the groups (Efron 1979).

    Returns:
        `(value, low, high)`, 95 % between the ends.
    """
    rng = np.random.default_rng(0)
    again = [group[rng.integers(len(group), size=(RESAMPLES, len(group)))] for group in groups]
    low, high = np.quantile(statistic(again), (0.025, 0.975))
    return float(statistic([group[None] for group in groups])[0]), float(low), float(high)


def order(groups):
    """Spearman's rank correlation of draws `[resamples, draws]` with the place of their group; 0 if all are alike."""
    place = np.repeat(np.arange(len(groups)), [group.shape[1] for group in groups])
    ranks, places = (stats.rankdata(a, axis=-1) for a in (np.concatenate(groups, 1), place))
    ranks, places = ranks - ranks.mean(-1, keepdims=True), places - places.mean()
    return ranks @ places / np.maximum(np.sqrt((ranks**2).sum(-1) * (places**2).sum()), 1e-12)


def mean(groups):
    """The mean of one group of draws."""
    return groups[0].mean(-1)


def drawn(cuts, half_width, measure):
    """The draws of a measure by width or depth, without those for which nothing can be said."""
    return [cut[half_width][measure][~np.isnan(cut[half_width][measure])] for cut in cuts.values()]


def said(found):
    """A value with its interval."""
    return "{:.2f} ({:.2f} to {:.2f})".format(*found)


def table(result):
    """Measures by width and by depth, walks, and what becomes of the claims."""
    rows = []
    for along in ("width", "depth"):
        for half_width in half_widths(result):
            cuts = next(iter(result["lines"].values()))[along]
            count = len(next(iter(cuts.values()))[half_width]["minima"])
            rows += [f"{count} lines of half-width {half_width} each, by {along}"]
            rows += [f"{'':<46}" + "".join(f"{place:>9}" for place in cuts)]
            for name, cuts in result["lines"].items():
                for measure in MEASURES:
                    middle, word = (np.mean, "mean") if measure in COUNTS else (np.median, "median")
                    values = [middle(draws) for draws in drawn(cuts[along], half_width, measure)]
                    rows += [f"{name:<23}{word + ' ' + measure:<23}" + "".join(f"{value:>9.3g}" for value in values)]
            rows += [""]
    rows += [
        "walks that stall high (and still do at the end), C at the end over that of the best constant answer, "
        "|grad C| / C on the way"
    ]
    noise = max(np.max(walk["floor"] / walk["slopes"][:, 0]) for of in result["walks"].values() for walk in of.values())
    rows += [f"(rounding noise of |grad C| at most {noise:.0e} of that at the start; short is {STALLED})"]
    for name, walks in result["walks"].items():
        for width, walk in walks.items():
            high = result["constant"][name.split(", ")[1]]
            stalled, stay = stalls(walk, high)
            rows += [
                f"{name:<23}width {width:>3}: {stalled.sum():>2} ({stay.sum():>2}) of {len(stalled)}   "
                f"{populations.summary(walk['costs'][:, -1] / high)}   {populations.summary(steepness(walk))}"
            ]
    return [*rows, "", *verdicts(result)]


def half_widths(result):
    """The half-widths, as they are named in the result."""
    return list(next(iter(next(iter(result["lines"].values()))["width"].values())))


def verdicts(result):
    """Rows 15 and 16, each claim told by the far end of its interval."""
    *_, far = half_widths(result)
    rows = []
    for name, cuts in result["lines"].items():
        found = interval(order, drawn(cuts["width"], far, "deep"))
        rows += [verdict(f"row 16, {name}: wider, fewer minima; rank correlation", found, high=-0.01)]
    for name, cuts in result["lines"].items():
        found = interval(order, drawn(cuts["depth"], far, "relative_roughness"))
        rows += [verdict(f"row 16, {name}: deeper, rougher; rank correlation", found, low=0.01)]
    for hidden in dict.fromkeys(name.split(", ")[0] for name in result["walks"]):
        both = [
            np.stack([stalls(walk, result["constant"][name])[0] for name, walk in pair.items()], 1)
            for pair in paired(result, hidden)
        ]
        more = lambda groups: np.mean([group[..., 0].mean(-1) - group[..., 1].mean(-1) for group in groups], 0)
        found = interval(more, [group.astype(float) for group in both])
        rows += [
            verdict(
                f"row 15, {hidden}: more walks stall under the quadratic cost; difference of shares", found, low=0.01
            )
        ]
        ratio = np.concatenate(
            [steepness(pair[QUADRATIC]) / steepness(pair[ENTROPY]) for pair in paired(result, hidden)]
        )
        of = populations.summary(ratio)
        found = of.median, of.low, of.high
        rows += [
            verdict(
                f"row 15, {hidden}: weaker gradients under the quadratic cost; ratio of |grad C| / C", found, high=0.99
            )
        ]
    for name, walks in result["walks"].items():
        high = result["constant"][name.split(", ")[1]]
        found = interval(order, [stalls(walk, high)[0].astype(float) for walk in walks.values()])
        some = interval(mean, [stalls(walks[min(walks, key=int)], high)[0].astype(float)])
        rows += [verdict(f"row 15, {name}: walks stall in the narrowest network; share", some, low=0.01)]
        rows += [verdict(f"row 15, {name}: wider, fewer walks stall; rank correlation", found, high=-0.01)]
    return rows


def paired(result, hidden):
    """The walks under both costs, from the same starts, by width."""
    names = QUADRATIC, ENTROPY
    walks = [result["walks"][f"{hidden}, {name}"] for name in names]
    return [dict(zip(names, pair, strict=True)) for pair in zip(*(of.values() for of in walks), strict=True)]


def verdict(claim, found, **band):
    """A verdict on `(value, low, high)`: it is the end of the interval next to the band's edge that must lie in it."""
    end = found[1] if "low" in band else found[2]
    return common.verdict(f"{claim} {said(found)}, its {'lower' if 'low' in band else 'upper'} end", end, **band)


def draw(path):
    """Measures against width and against depth; some of the lines; the walks."""
    result = results.load(path)
    figures = {along: draw_measures(result, along) for along in ("width", "depth")}
    return common.save_figures(path, figures | {"lines": draw_lines(result), "walks": draw_walks(result)})


def draw_measures(result, along):
    """Each measure against width or depth: a column a hidden unit, a colour a cost, dashed near and solid far."""
    units = list(dict.fromkeys(name.split(", ")[0] for name in result["lines"]))
    near, *_, far = half_widths(result)
    figure = common.figure(max(9, 4 * len(units) + 1), 14)
    axes = figure.subplots(len(MEASURES), len(units), squeeze=False, sharex=True, sharey="row")
    floors = []
    for column, hidden in zip(axes.T, units, strict=True):
        column[0].set_title(f"{hidden} hidden units")
        for name, colour in ((QUADRATIC, "tab:blue"), (ENTROPY, "tab:orange")):
            cuts = result["lines"][f"{hidden}, {name}"][along]
            x = [int(place) for place in cuts]
            for half_width, style in ((near, "--"), (far, "-")):
                floors += [cut[half_width]["floor"] / np.ptp(cut[half_width]["values"]) for cut in cuts.values()]
                for ax, measure in zip(column, MEASURES, strict=True):
                    draws = drawn(cuts, half_width, measure)
                    if measure in COUNTS:
                        middle = [interval(mean, [one]) for one in draws]
                        found = [populations.Summary(m, low, high, low, high, len(draws)) for m, low, high in middle]
                    else:
                        found = [populations.summary(one) for one in draws]
                    plot.medians(  # of counts the means, their medians are mostly 1
                        ax,
                        x,
                        found,
                        f"{name}, half-width {half_width}",
                        marker="o",
                        ms=3,
                        color=colour,
                        linestyle=style,
                    )
        column[-1].set_xlabel("neurons in each hidden layer" if along == "width" else "hidden layers")
        if along == "width":
            column[-1].set_xscale("log", base=2)
            column[-1].set_xticks(x, x)
        else:
            column[-1].set_xticks(x)
    for ax, label in zip(axes[:, 0], MEASURES.values(), strict=True):
        ax.set_ylabel(label)
    for ax in axes[: len(COUNTS), 0]:
        ax.set_yscale("symlog", linthresh=1)
        ax.set_ylim(bottom=0)
        ax.set_yticks([0, 1, 2, 5, 10, 20, 50], [0, 1, 2, 5, 10, 20, 50])
    axes[list(MEASURES).index("relative_roughness"), 0].set_yscale("log")
    for ax in axes.flat:
        ax.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7, handlelength=4)
    figure.suptitle(
        f"Random lines through new random networks, by {along}, with 95 % intervals\n"
        f"(medians, of the minima means; noise floor {min(floors):.0e} to {max(floors):.0e} of the range of C)"
    )
    return figure


def draw_lines(result):
    """Some of the lines: of the narrowest and the widest network, over the cost of the best constant answer."""
    *_, far = half_widths(result)
    figure = common.figure(13, 2.4 * len(result["lines"]) + 0.8)
    axes = figure.subplots(len(result["lines"]), 2, squeeze=False, sharex=True)
    for row, (name, cuts) in zip(axes, result["lines"].items(), strict=True):
        high = result["constant"][name.split(", ")[1]]
        for ax, place in zip(row, (min(cuts["width"], key=int), max(cuts["width"], key=int)), strict=True):
            cut = cuts["width"][place][far]
            alphas = np.linspace(-float(far), float(far), cut["values"].shape[1])
            ax.plot(alphas, cut["values"][:5].T / high, lw=0.9)
            ax.set_title(f"{name}, width {place}: floor {cut['floor'] / high:.0e}", fontsize=9)
            ax.grid(alpha=0.3)
        row[0].set_ylabel("C / best constant")
    for ax in axes[-1]:
        ax.set_xlabel("α, 1 = the length of each neuron's own weights")
    figure.suptitle("C along five random lines, over the cost of the best constant answer")
    return figure


def draw_walks(result):
    """Bosman's clouds: C against the length of its gradient at all records of all walks."""
    widths = list(next(iter(result["walks"].values())))
    figure = common.figure(max(9, 4 * len(widths) + 1), 2.9 * len(result["walks"]) + 0.8)
    axes = figure.subplots(len(result["walks"]), len(widths), squeeze=False, sharex=True, sharey=True)
    for row, (name, walks) in zip(axes, result["walks"].items(), strict=True):
        high = result["constant"][name.split(", ")[1]]
        for ax, (width, walk) in zip(row, walks.items(), strict=True):
            c, slopes = walk["costs"] / high, walk["slopes"] / high
            ax.axvspan(1e-9, STALLED * np.median(slopes[:, 0]), color="tab:red", alpha=0.08, lw=0)
            ax.plot(slopes.T, c.T, color="gray", lw=0.3, alpha=0.5)
            when = np.broadcast_to(EVERY * np.arange(c.shape[1]), c.shape)
            dots = ax.scatter(slopes, c, c=when, s=5, cmap=plot.COLOURS, rasterized=True)
            ax.axhline(HIGH, color="tab:red", lw=0.8)
            ax.set_xscale("log")
            ax.set_yscale("log")
            ax.set_xlim(1e-4, 10)
            stalled, stay = map(np.sum, stalls(walk, high))
            ax.set_title(
                f"{name}, width {width}:\n{stalled} of {len(c)} stall high, {stay} still do at the end", fontsize=9
            )
            ax.grid(alpha=0.3)
        row[0].set_ylabel("C / best constant")
    for ax in axes[-1]:
        ax.set_xlabel("|grad C| / best constant")
    bar = figure.colorbar(dots, ax=axes, shrink=0.4, pad=0.01)
    bar.set_label("step")
    floors = [
        walk["floor"] / result["constant"][name.split(", ")[1]]
        for name, of in result["walks"].items()
        for walk in of.values()
    ]
    figure.suptitle(
        f"Walks downhill: C against the length of its gradient, rounding noise {min(floors):.0e} to {max(floors):.0e}\n"
        "Above the red line: C over half of the best constant answer's; red: gradient below a hundredth of the start's"
    )
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
