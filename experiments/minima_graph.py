"""Many minima and the passes between them: barriers of all pairs, the tree of the lowest, and whether there is a star.

Trains many networks from different starts, joins all pairs by straight lines, as they are and with the hidden neurons
of the second renumbered to fit the first, and draws which basins become one at which cost. Sharma et al. 2024 (arXiv
2404.06498) look at C inside the simplex of several networks matched to each other. Lin et al. 2024 (arXiv 2404.06391)
and Sonthalia et al. 2024 (arXiv 2403.07968) find stars, networks with straight ways to all others, by searching for
them. Here it is asked whether one is among those that were trained; none is searched for.

    python experiments/minima_graph.py                   the embedded digits
    python experiments/minima_graph.py --data FOLDER     any four IDX files
    python experiments/minima_graph.py --sizes 784 128 128 10 --epochs 10      wider ones

A barrier is the largest excess of C on a line over the straight line between its end values; a pass is the highest C on
it. Inside a triangle the excess is over the plane through the values at its corners. Pairs share networks: intervals
are of medians over all pairs, the networks drawn anew.

Expect, on the embedded digits, jax 0.10.2, seed 0 (in brackets 0.12, seed 1): barriers of 0.80 (0.80) between networks
at C = 0.06, once matched of 0.31 (0.34), 0.40 (0.42) of what they were and not a tenth, intervals of 0.36 to 0.46.
Every pair has one, 0.14 at least, and from the star the highest is 0.39 (0.41), seven times C of the networks, where
the noise floor is 6e-7: none is a star. Inside triangles of three matched C is as far above its
corners as on their sides, 0.41 and 0.39, medians of 20: no more is hidden there. MNIST, 10 epochs: the same, 0.40
(0.36 to 0.44), the star's highest 0.40, four times C. Half a minute on two cores, four on MNIST.
"""

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import setting
from matplotlib.ticker import MaxNLocator

from jaxcost import cost, directions, plot, populations, resampling, results, scales, statistics
from jaxcost.connectivity import graph, symmetry

WHITE = {"facecolor": "white", "edgecolor": "none", "pad": 0.3}
WAYS = STRAIGHT, MATCHED = "as they are", "matched"
SHARMA, AINSWORTH = "Sharma et al. 2024", "Ainsworth et al. 2023"


@dataclass(frozen=True)
class Settings(common.Trained):
    """How many networks, and where C is looked at between them."""

    networks: int = setting(20, "190 pairs", small=4)
    points: int = setting(25, "on each line, as Ainsworth et al.", small=5)
    triangles: int = setting(20, "of three networks matched to each other, no two triangles the same", small=2)
    side: int = setting(11, "points along each side of a triangle", small=5)


class Result(NamedTuple):
    """Graphs of minima, and triangles.

    Attributes:
        learned: a `graph.Graph` on the training images, by name of the way.
        unseen: on held-out images.
        corners: the three networks of each triangle, `[triangles, 3]`.
        shares: of each corner at the points of a triangle, `[points, 3]`.
        inside: C there, `[triangles, points]`.
        floor: rounding noise of these.
    """

    learned: dict[str, graph.Graph]
    unseen: dict[str, graph.Graph]
    corners: np.ndarray
    shares: np.ndarray
    inside: np.ndarray
    floor: float


def run(settings):
    """Train, join all pairs in both ways, look into triangles."""
    parts = common.images(settings)
    C, C_unseen = map(cost.Cost, parts)
    keys = jax.random.split(jax.random.key(settings.seed), settings.networks)
    trained = common.train_many(keys, C, settings)
    networks = [trained.network(i).params for i in range(settings.networks)]
    matches = {STRAIGHT: None, MATCHED: symmetry.weight_matching}
    graphs = [
        {way: graph.straight(of, networks, settings.points, match=match) for way, match in matches.items()}
        for of in (C, C_unseen)
    ]
    corners = np.array(list(itertools.combinations(range(settings.networks), 3)))
    corners = np.random.default_rng(settings.seed).permutation(corners)[: settings.triangles]
    shares = np.array([(i, j) for i in range(settings.side) for j in range(settings.side - i)]) / (settings.side - 1)
    frames = [frame(*symmetry.match_many([networks[i] for i in three])) for three in corners]
    found = populations.evaluate(C, frames, shares)
    floor = populations.floor(C, frames, shares, found)
    shares = np.column_stack([1 - shares.sum(1), shares])
    result = Result(*graphs, corners, shares, found, floor)
    return result, {"data": parts[0].fingerprint, "held_out": parts[1].fingerprint}


def frame(a, b, c):
    """The plane through three networks: a is the origin, coordinates are the shares of b and c."""
    return directions.Frame(a, (directions.between(a, b), directions.between(a, c)))


def excesses(result):
    """Of each triangle the largest excess of C inside, and the largest on its sides."""
    at = lambda share: result.inside[:, result.shares[:, share] == 1]
    corners = np.concatenate([at(i) for i in range(3)], 1)
    above = result.inside - corners @ result.shares.T
    sides = (result.shares == 0).any(1)
    return above.max(1), above[:, sides].max(1)


def over_networks(of_pairs):
    """The median over all pairs of `[n, n]` numbers, with its interval by drawing the networks anew."""

    def medians(groups):
        drawn = groups[0].astype(int)
        drawn = drawn[(drawn != drawn[:, :1]).any(1)]  # one network alone has no pairs
        different = drawn[:, :, None] != drawn[:, None]
        return np.nanmedian(np.where(different, of_pairs[drawn[:, :, None], drawn[:, None]], np.nan), (1, 2))

    return resampling.bootstrap(jax.random.key(0), medians, [np.arange(len(of_pairs))])


def table(result):
    """Barriers as they are and matched; trees, stars and triangles; the verdicts."""
    rows = [["", *WAYS, "held-out: as they are", "matched"]]
    graphs = [of[way] for of in (result.learned, result.unseen) for way in WAYS]
    off = [one.barriers[np.triu_indices(len(one.costs), 1)] for one in graphs]
    rows.append(["barriers of all pairs", *map(common.median_of, off)])
    rows.append(["their median's interval", *(f"{over_networks(one.barriers):.3g}" for one in graphs)])
    trees = [[one.barriers[i, j] for i, j in graph.spanning_tree(one.barriers)] for one in graphs]
    rows.append(["in the tree of the lowest", *map(common.median_of, trees)])
    stars = [one.barriers[one.star][np.arange(len(one.costs)) != one.star] for one in graphs]
    rows.append(["from the star", *map(common.median_of, stars)])
    rows.append(["C of the networks", *(common.median_of(one.costs) for one in graphs)])
    inside, sides = map(common.median_of, excesses(result))
    floor = max([result.floor, *(one.floor for one in graphs)])
    return [
        f"{len(graphs[0].costs)} networks, {len(off[0])} pairs; noise floor {floor:.0e}",
        *common.columns(rows),
        "",
        f"{len(result.corners)} triangles of matched networks: C is above the plane of its corners by {inside} inside,",
        f"by {sides} on the sides",
        "",
        *verdicts(result),
    ]


def verdicts(result):
    """What is claimed of matching, of stars, and of the inside of triangles."""
    plain, matched = (result.learned[way] for way in WAYS)
    apart = ~np.eye(len(plain.costs), dtype=bool)
    lower = over_networks(np.divide(matched.barriers, plain.barriers, out=np.zeros_like(plain.barriers), where=apart))
    inside = statistics.summary(np.divide(*excesses(result)))
    star, floor = matched.barriers[matched.star].max(), 2 * matched.floor
    ends = np.median(matched.costs)
    return [
        common.verdict("barrier of a pair, matched over as it is", lower, high=0.1, source=AINSWORTH),
        common.verdict("one of them is a star: its highest barrier, within twice the noise floor", star, high=floor),
        common.verdict("the same over C of the networks", star / ends, high=0.05),
        common.verdict("inside triangles over on their sides", inside, high=1.05, source=SHARMA),
    ]


def draw(path):
    """All barriers, which basins merge at which cost, and two triangles."""
    result = results.load(path)
    return common.save_figures(path, {"graph": draw_graph(result), "triangles": draw_triangles(result)})


def draw_graph(result):
    """Above as they are, below matched: barriers, the tree of the lowest, the disconnectivity diagram."""
    figure = common.figure(15, 9)
    most = result.learned[STRAIGHT].barriers.max()
    for axes, way in zip(figure.subplots(2, 3), WAYS, strict=True):
        of = result.learned[way]
        mesh = axes[0].imshow(of.barriers, vmin=0, vmax=most, cmap=plot.COLOURS)
        plot.colour_bar(axes[0], mesh, "barrier of C")
        axes[0].set(xlabel="network", ylabel="network", title=f"{way}: barriers of C")
        for axis in (axes[0].xaxis, axes[0].yaxis):
            axis.set_major_locator(MaxNLocator(integer=True))
        draw_tree(axes[1], of)
        plot.disconnectivity(axes[2], of.costs, graph.merges(of.passes))
        axes[2].set_title("at which C basins become one, by straight lines")
    high = max(ax.get_ylim()[1] for ax in figure.axes if ax.get_ylabel() == "C")
    for ax in figure.axes:
        if ax.get_ylabel() == "C":
            ax.set_ylim(0, high)
            common.tidy(ax)
    figure.suptitle(f"{len(of.costs)} trained networks and the straight lines between all pairs")
    return figure


def draw_tree(ax, of):
    """The tree of the lowest barriers, hung from the star; at each edge its barrier."""
    edges = graph.spanning_tree(of.barriers)
    at = placed(edges, of.star)
    for i, j in edges:
        lower, upper = sorted((at[i], at[j]), key=lambda one: one[1])
        ax.plot(*np.transpose([lower, upper]), color="tab:blue", lw=1, zorder=0)
        ax.annotate(
            f"{of.barriers[i, j]:.2f}", lower, (0, 9), textcoords="offset points", fontsize=7, ha="center", bbox=WHITE
        )
    for i, here in at.items():
        ax.plot(*here, "o", color="tab:orange" if i == of.star else "lightgray", ms=13)
        ax.annotate(i, here, fontsize=7, ha="center", va="center")
    ax.set_title("tree of the lowest barriers,\nfrom the star, whose highest is the lowest", fontsize=10)
    ax.set_axis_off()
    ax.margins(0.08)


def placed(edges, root):
    """Where each network of a tree is drawn: as far down as from the root, in the middle above what hangs from it."""
    beside = lambda one: [int(i + j - one) for i, j in edges if one in (i, j)]
    at, ends = {}, itertools.count()

    def place(one, above, down):
        xs = [place(i, one, down + 1) for i in beside(one) if i != above]
        at[one] = np.array([np.mean(xs) if xs else next(ends), -down])
        return at[one][0]

    place(root, None, 0)
    return at


def draw_triangles(result):
    """C inside the triangle with the largest excess, the middle one and the least."""
    order = np.argsort(excesses(result)[0])
    picked = order[[0, len(order) // 2, -1]]
    figure = common.figure(14, 4.4)
    x, y = result.shares[:, 1] + result.shares[:, 2] / 2, result.shares[:, 2] * np.sqrt(3) / 2
    low, high = result.inside[picked].min(), result.inside[picked].max()
    levels = [low, *scales.levels(low, high, most=16), high]
    for ax, i in zip(figure.subplots(1, 3), picked, strict=True):
        mesh = ax.tricontourf(x, y, result.inside[i], levels, cmap=plot.COLOURS)
        inside, sides = (of[i] for of in excesses(result))
        names = ", ".join(map(str, result.corners[i]))
        ax.set_title(f"networks {names}: {inside:.2g} above their plane,\n{sides:.2g} on the sides", fontsize=10)
        for name, corner in zip(result.corners[i], ((0, 0), (1, 0), (0.5, 0.87)), strict=True):
            ax.annotate(name, corner, (0, 4 if corner[1] else -14), textcoords="offset points", ha="center")
        ax.set_axis_off()
        ax.set(aspect="equal", ylim=(-0.1, 1))
    ticks = scales.levels(low, high, most=6)
    figure.colorbar(mesh, ax=figure.axes, label="C", spacing="proportional", ticks=ticks, format="{x:g}")
    figure.suptitle("C inside triangles of three matched networks: least, middle and largest excess")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
