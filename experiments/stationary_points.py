"""Does the quadratic cost have more stationary points than cross-entropy, and weaker gradients? Walks downhill.

Adam, all images a step, from many random starts, for narrow to wide networks with sigmoid, tanh and ReLU hidden units,
under the quadratic cost and the cross-entropy of the same sigmoid outputs; C and the length of its gradient all the way
(Bosman, Engelbrecht & Helbig 2020, arXiv 1901.02302). `bumpiness_by_width.py` looks along random lines.

    python experiments/stationary_points.py                        the embedded digits
    python experiments/stationary_points.py --data FOLDER          any four IDX files
    python experiments/stationary_points.py --rate 0.01 --steps 300

Definitions: a walk stalls near a stationary point high up if at some record its gradient is shorter than a hundredth of
that at the start, which its rounding noise is far below, while C is more than half of that of the best constant answer,
where all images get the same. Minima and saddles are not told apart: some that stall leave again.

Expect, on the embedded digits, walks that stall under both costs, mostly where every image gets the same answer. At
width 2, 28 of 36 under the quadratic cost and 20 under cross-entropy; at width 32, 5 of 24 and 1 of 24 with sigmoid and
tanh: fewer where wider, as claimed. But of ReLU networks of width 32 all 12 stall under the quadratic cost, whose
sigmoid outputs saturate (2 of 12 in 300 steps of rate 0.01), none under cross-entropy. More stall under the quadratic
cost with all three units, as claimed; its gradients, as |grad C| / C, are weaker with ReLU, 0.5 (0.03 to 0.8), and not
to be told apart with sigmoid, 0.6 (0.5 to 1.01), and tanh, 0.9 (0.6 to 1.3). The same, to a walk or two, on two
versions of jax. A minute on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, descent, losses, network, plot, resampling, results, statistics

SOURCE = "Bosman et al. 2020"
UNITS = {"sigmoid": jax.nn.sigmoid, "tanh": jnp.tanh, "ReLU": jax.nn.relu}
QUADRATIC, ENTROPY = COSTS = "quadratic", "cross-entropy"
STALLED, HIGH = 0.01, 0.5  # of the gradient's length at the start; of the cost of the best constant answer
NARROW = lambda n: n**-0.5  # the spread of the first weights: what a neuron gets is of one size at all widths


@dataclass(frozen=True)
class Settings(common.Network):
    """Which networks, how many walks, and how far they go."""

    images: int = like("images", default=200, why="few of each part, since walks are many", small=100)
    sizes: tuple = like("sizes", why="its depth is that of all widths")
    hidden: tuple = setting(("sigmoid", "tanh", "ReLU"), "hidden units", small=("sigmoid",))
    widths: tuple = setting((2, 8, 32), "narrow enough to get stuck, wide enough not to", small=(2,))
    walks: int = setting(12, "starts, the same for both costs", small=6)
    steps: int = setting(200, "of each walk, all images a step", small=40)
    every: int = setting(5, "steps from record to record")
    rate: float = setting(0.03, "of Adam, whose steps ask neither for the unit of C nor for the gradient's length")


class Walks(NamedTuple):
    """Walks downhill, of networks of all widths.

    Attributes:
        costs: C over that of the best constant answer, `[widths, walks, records]`.
        slopes: length of the gradient over the same.
        floors: rounding noise of the slopes, `[widths]`.
    """

    costs: np.ndarray
    slopes: np.ndarray
    floors: np.ndarray


class Result(NamedTuple):
    """Walks by hidden units and cost.

    Attributes:
        widths: neurons in each hidden layer.
        steps: recorded, `[records]`.
        kinds: `Walks`, by hidden units and cost.
    """

    widths: np.ndarray
    steps: np.ndarray
    kinds: dict[str, Walks]


def run(settings):
    """Walk down from the same starts under both costs."""
    train, _ = common.images(settings)
    _, walk_key = jax.random.split(jax.random.key(settings.seed))  # the other is that of bumpiness_by_width.py
    keys, optimizer = jax.random.split(walk_key, settings.walks), optax.adam(settings.rate)
    first, *inner, last = settings.sizes
    kinds, best = {}, constants(train)
    for hidden in settings.hidden:
        for name, C in costs(train, UNITS[hidden]).items():
            found = []
            for width in settings.widths:
                sizes = (first, *(width,) * len(inner), last)
                steps, *walks = walk(keys, C, sizes, optimizer, settings)
                found.append([of / best[name] for of in walks])
            kinds[f"{hidden}, {name}"] = Walks(*map(np.stack, zip(*found, strict=True)))
            print(f"{hidden}, {name}: {len(settings.widths)} widths, {len(keys)} walks each")
    return Result(np.array(settings.widths), steps, kinds), {"data": train.fingerprint}


def costs(train, unit):
    """Both costs of networks with these hidden units, of the same sigmoid outputs."""
    entropy = cost.Cost(train, network.mlp(unit), losses.sigmoid_cross_entropy)
    return {QUADRATIC: cost.Cost(train, network.mlp(unit, jax.nn.sigmoid), losses.quadratic), ENTROPY: entropy}


def constants(train):
    """The least C of one answer to all images, by cost: under both the best such answer is the share of each class."""
    shares, C = jnp.asarray(np.mean(train.y, 0)), lambda loss: cost.Cost(train, lambda x, a: a, loss)
    return {QUADRATIC: float(C(losses.quadratic)(shares)), ENTROPY: float(C(losses.cross_entropy)(shares))}


def walk(keys, C, sizes, optimizer, settings):
    """The recorded steps, and C and the length of its gradient there, `[walks, records]`; noise of that length."""
    init = lambda key: network.init(key, sizes, scale=NARROW)
    slope = lambda *params: descent.gradient_norm(C, params)
    options = {"steps": settings.steps - settings.steps % settings.every, "every": settings.every}
    trained = descent.ensemble(keys, C, init, optimizer, **options, watch={"slope": slope})
    slopes = trained.watched["slope"]
    with jax.enable_x64(True):
        as_float64 = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
        exact = jax.jit(jax.vmap(descent.gradient_norm, (None, 0)))(as_float64(C), as_float64(trained.params))
    return trained.steps, trained.costs, slopes, np.abs(slopes[:, -1] - np.asarray(exact)).max()


def stalls(walks):
    """Which walks come, at some record, near a stationary point high up, and which are there at the end."""
    near = walks.slopes < STALLED * walks.slopes[..., :1]
    high = walks.costs > HIGH
    return (near & high).any(-1), (near & high)[..., -1]


def steepness(walks):
    """|grad C| / C, the median over each walk: what a gradient is worth, whatever the unit of C."""
    return np.median(walks.slopes / walks.costs, axis=-1)


def table(result):
    """Walks by units, cost and width, and what becomes of the claims."""
    rows = [["", "width", "stall", "still at the end", "walks", "C at the end", "|grad C| / C on the way"]]
    for name, walks in result.kinds.items():
        (stalled, stay), steep = stalls(walks), steepness(walks)
        for i, width in enumerate(result.widths):
            medians = statistics.summary(walks.costs[i, :, -1]), statistics.summary(steep[i])
            rows.append([name, width, stalled[i].sum(), stay[i].sum(), len(steep[i]), *medians])
    noise = max(np.max(walks.floors / walks.slopes[..., 0].min(1)) for walks in result.kinds.values())
    return [
        "walks that stall high up, those that still do at the end; C at the end over that of the best constant answer",
        f"(rounding noise of |grad C| at most {noise:.0e} of that at the start; a walk stalls at {STALLED})",
        *common.columns(rows),
        "",
        *verdicts(result),
    ]


def verdicts(result):
    """What is claimed of both costs and of width: all of an interval must be on the side of the claim."""
    claimed = lambda claim, found, **band: common.verdict(claim, found, **band, whole=True, source=SOURCE)
    interval = lambda statistic, groups: resampling.bootstrap(jax.random.key(0), statistic, groups)
    lines = []
    for hidden in dict.fromkeys(name.split(", ")[0] for name in result.kinds):
        pair = [result.kinds[f"{hidden}, {name}"] for name in COSTS]
        # walks of both costs from one start are drawn together
        both = np.stack([stalls(walks)[0] for walks in pair], -1).astype(float)
        more = lambda groups: np.mean([group[..., 0].mean(-1) - group[..., 1].mean(-1) for group in groups], 0)
        claim = f"{hidden}: more walks stall under the quadratic cost; difference of shares"
        lines.append(claimed(claim, interval(more, both), low=0.01))
        ratios = statistics.summary((steepness(pair[0]) / steepness(pair[1])).ravel())
        lines.append(claimed(f"{hidden}: weaker gradients under the quadratic cost; ratio", ratios, high=0.99))
    for name, walks in result.kinds.items():
        stalled, narrowest = stalls(walks)[0], result.widths.argmin()
        share = statistics.proportion(stalled[narrowest].sum(), stalled.shape[1])
        lines.append(claimed(f"{name}: walks stall in the narrowest network; share", share, low=0.01))
        fewer = interval(statistics.trend, stalled.astype(float))
        lines.append(claimed(f"{name}: wider, fewer walks stall; rank correlation", fewer, high=-0.01))
    return lines


def draw(path):
    """Bosman's clouds: C against the length of its gradient at all records of all walks."""
    result = results.load(path)
    figure = common.figure(max(9, 4 * len(result.widths) + 1), 2.9 * len(result.kinds) + 0.8)
    axes = figure.subplots(len(result.kinds), len(result.widths), squeeze=False, sharex=True, sharey=True)
    for row, (name, walks) in zip(axes, result.kinds.items(), strict=True):
        stalled, stay = stalls(walks)
        for i, ax in enumerate(row):
            c, slopes = walks.costs[i], walks.slopes[i]
            ax.axvspan(1e-9, STALLED * np.median(slopes[:, 0]), color="tab:red", alpha=0.08, lw=0)
            ax.axhline(HIGH, color="tab:red", lw=0.8)
            ax.plot(slopes.T, c.T, color="gray", lw=0.3, alpha=0.5)
            steps = np.broadcast_to(result.steps, c.shape)
            dots = ax.scatter(slopes, c, c=steps, s=5, cmap=plot.COLOURS, rasterized=True)
            counts = f"{stalled[i].sum()} of {len(c)} stall high, {stay[i].sum()} still do at the end"
            ax.set_title(f"{name}, width {result.widths[i]}:\n{counts}", fontsize=9)
        row[0].set_ylabel("C / best constant")
    axes[0, 0].set_xlim(1.2e-4, 9)
    common.log(axes[0, 0].xaxis, axes[0, 0].yaxis)
    common.tidy(axes)
    figure.supxlabel("|grad C| / best constant")
    figure.colorbar(dots, ax=axes, pad=0.01).set_label("step")
    floors = [walks.floors for walks in result.kinds.values()]
    figure.suptitle(
        "Walks downhill: C against the length of its gradient, both over the best constant answer's C\n"
        f"rounding noise of that length {np.min(floors):.0e} to {np.max(floors):.0e}\n"
        "above the red line: C over half of that; red: gradient below a hundredth of the start's",
        fontsize=11,
    )
    return common.save_figures(path, {"walks": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
