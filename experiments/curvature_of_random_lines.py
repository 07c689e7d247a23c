"""What a random line knows of the curvature: the mean, exactly, and of saddles more or less.

For u uniform on the unit sphere in n dimensions and H the Hessian of C, the curvature u'Hu of C along u has the mean
tr(H) / n and the variance 2 (n |H|^2 - tr(H)^2) / (n^2 (n + 2)), |H| the Frobenius norm. Takes both exactly, beside
them the second derivatives of C along random lines, the Hessians in random planes, and the extreme eigenvalues of H,
untrained and trained. Böttcher & Wheeler 2022 (arXiv 2208.13219): random slices seldom show the network's saddle.

    python experiments/curvature_of_random_lines.py                        six networks, 300 of the embedded digits
    python experiments/curvature_of_random_lines.py --taken 8000           all of them, many minutes
    python experiments/curvature_of_random_lines.py --data FOLDER          any four IDX files

Expect, on the embedded digits, medians of six networks of 1,000 lines each on two versions of jax: mean over the lines
1.4e-4 untrained and 5 to 6e-5 trained, as trace / n, from which all six together are 0.3 to 0.9 standard errors off;
standard deviation 1.9e-4 and 3 to 4e-5, as exactly. All have directions that curve down, lowest eigenvalue -0.39 and
-0.05 to -0.07, a thousand times the mean. The second claim hangs on the network: of random planes 40 % (17 to 59) and
12 % (3 to 21), means over networks, show the saddle, of one network's 0.2 to 67 %, the fewer the larger its mean is
beside the standard deviation: not seldom. A minute and a half on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from common import like, setting

from jaxcost import cost, descent, directions, network, populations, resampling, results
from jaxcost.curvature import lanczos, moments

SOURCE = "Böttcher & Wheeler 2022"


@dataclass(frozen=True)
class Settings(common.Trained):
    """Whose curvature, over which images, along how many lines."""

    images: int = like("images", why="learn only so many images of each part, 0 for all")
    seeds: int = setting(6, "networks; one is an anecdote, intervals are over these", small=2)
    taken: int = setting(300, "of the learned images, over which C is curved: 13,002 columns of H take time", small=30)
    planes: int = setting(500, "random planes; their two directions each are the lines", small=50)
    compared: int = setting(12, "planes whose curvatures are taken in float64 too, for the noise floor")


class Curvatures(NamedTuple):
    """How C is curved about a network; of several networks each is an array with a first axis of these.

    Attributes:
        cost: C there.
        slope: length of the gradient.
        lines: curvature along each random line, `[2 planes]`.
        planes: both eigenvalues of the Hessian in each random plane, `[planes, 2]`.
        floor: noise floor of these.
        mean: of the curvature over all directions of length 1, exactly: trace / n.
        deviation: its standard deviation, exactly.
        ends: lowest and highest eigenvalue of the whole Hessian, `[2]`.
        errors: how far these may be off, `[2]`.
    """

    cost: np.ndarray
    slope: np.ndarray
    lines: np.ndarray
    planes: np.ndarray
    floor: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    ends: np.ndarray
    errors: np.ndarray


class Result(NamedTuple):
    """Curvatures of networks before and after training.

    Attributes:
        parameters: how many a network has.
        images: how many C is the mean over.
        networks: `Curvatures` of all networks, by "untrained" and "trained".
    """

    parameters: int
    images: int
    networks: dict[str, Curvatures]


def run(settings):
    """Train, and take all curvatures at both ends."""
    train, _ = common.images(settings)
    learned, C = cost.Cost(train), cost.Cost(train[: settings.taken])
    network_key, line_key = jax.random.split(jax.random.key(settings.seed))
    trained = common.train_many(jax.random.split(network_key, settings.seeds), learned, settings, keep=True)
    found = {"untrained": [], "trained": []}
    for i, key in enumerate(jax.random.split(line_key, settings.seeds)):
        keys, network_i = jax.random.split(key, 2 * settings.planes), trained.network(i)
        for record, (name, cuts) in zip((0, -1), found.items(), strict=True):
            cuts.append(curvatures(keys, C, network_i.at(record), settings.compared))
            print(f"network {i}, {name}: {len(keys):,} lines, {C.n:,} images")
    networks = {name: Curvatures(*map(np.array, zip(*cuts, strict=True))) for name, cuts in found.items()}
    return Result(network.size(network_i.params), C.n, networks), {"data": train.fingerprint}


def curvatures(keys, C, params, compared):
    """Along random lines, one a key, and in the planes of two each; of the whole Hessian its moments and ends."""
    lines = [unit(key, params) for key in keys]
    frames = [directions.Frame(params, pair) for pair in zip(lines[::2], lines[1::2], strict=True)]
    hessians = in_planes(C, frames)
    # the noise floor, as that of values: four times the largest difference to float64
    with jax.enable_x64(True):
        as_float64 = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
        exact = in_planes(as_float64(C), as_float64(frames[:compared]))
    floor = float(4 * np.abs(hessians[:compared] - exact).max())
    here, whole = (float(C(*params)), float(descent.gradient_norm(C, params))), moments.moments(C, params)
    ends = lanczos.top_eigenpairs(keys[0], C, params, 2, which="ends")
    curved = np.diagonal(hessians, axis1=1, axis2=2).ravel(), np.linalg.eigvalsh(hessians)
    return Curvatures(*here, *curved, floor, whole.mean, whole.deviation, ends.values[::-1], ends.residuals[::-1])


@jax.jit
def unit(key, params):
    """A direction of length 1, uniform on the sphere."""
    u = directions.gaussian(key, params)
    return optax.tree.scale(1 / optax.tree.norm(u), u)


def in_planes(C, frames):
    """The Hessian of C in each plane, at the network, `[planes, 2, 2]`."""
    return populations.derivatives(C, frames, np.zeros((1, 2)))[2][:, 0]


def bent_down(cuts):
    """Which lines curve down, and which planes are saddles, both by more than the noise floor."""
    low, high = np.moveaxis(cuts.planes, -1, 0)
    floor = cuts.floor[:, None]
    return cuts.lines < -floor, (low < -floor) & (high > floor)


def shown_by_planes(cuts):
    """Percent of random planes that are saddles, the mean over networks, with its interval over these."""
    mean = lambda groups: groups[0].mean((1, 2))
    return resampling.bootstrap(jax.random.key(0), mean, [100.0 * bent_down(cuts)[1]], levels=2)


def rows(cuts):
    """What is told of networks, by its name, `[networks]` each."""
    down, saddles = bent_down(cuts)
    return {
        "C": cuts.cost,
        "|grad C|": cuts.slope,
        "mean over random lines": cuts.lines.mean(1),
        "trace of H / n, exact": cuts.mean,
        "standard deviation over lines": cuts.lines.std(1, ddof=1),
        "the same, exact": cuts.deviation,
        "mean / standard deviation, exact": cuts.mean / cuts.deviation,
        "noise floor of a curvature": cuts.floor,
        "percent of lines that curve down": 100 * down.mean(1),
        "percent of planes that are saddles": 100 * saddles.mean(1),
        "lowest over random lines": cuts.lines.min(1),
        "lowest eigenvalue of H": cuts.ends[:, 0],
        "its error at most": cuts.errors[:, 0],
        "highest over random lines": cuts.lines.max(1),
        "highest eigenvalue of H": cuts.ends[:, 1],
    }


def table(result):
    """Random lines beside the whole Hessian, and the verdicts."""
    found = [rows(cuts) for cuts in result.networks.values()]
    lines = [["median (lowest to highest network)", *result.networks]]
    lines += [[name, *(common.median_of(of[name]) for of in found)] for name in found[0]]
    return [*common.columns(lines), "", *verdicts(result)]


def verdicts(result):
    """What is claimed of random lines and planes."""
    lines = []
    for name, cuts in result.networks.items():
        # each network has lines of its own, so that the errors of their means are independent
        off = (cuts.lines.mean(1) - cuts.mean) / (cuts.deviation / np.sqrt(cuts.lines.shape[1]))
        together = abs(off.sum()) / np.sqrt(len(off))
        highest = np.max(cuts.ends[:, 0] + cuts.errors[:, 0])
        claim = f"{len(off)} networks, {name}: mean curvatures less trace / n, in standard errors"
        lines.append(common.verdict(claim, together, high=2, source=SOURCE))
        claim = f"{name}: highest of the networks' lowest eigenvalues, below 0 at saddles"
        lines.append(common.verdict(claim, highest, high=0, source=SOURCE))
        claim = f"{name}: percent of random planes that show the saddle, mean over networks, seldom"
        lines.append(common.verdict(claim, shown_by_planes(cuts), high=5, source=SOURCE))
    return lines


def draw(path):
    """A histogram of one network each, with its extreme eigenvalues below; the share of saddles over all networks."""
    result = results.load(path)
    figure = common.figure(16, 7)
    left, right = figure.subfigures(1, 2, width_ratios=(2.2, 1))
    top, bottom = left.subplots(2, len(result.networks), height_ratios=(3, 1))
    ax = right.subplots()
    for above, below, marker, (name, cuts) in zip(top, bottom, "os", result.networks.items(), strict=True):
        down, saddles = bent_down(cuts)
        first = Curvatures(*(of[0] for of in cuts))
        draw_lines(above, first)
        curve = f"{down[0].mean():.1%} of the lines curve down, {saddles[0].mean():.1%} of the planes are saddles"
        above.set_title(f"{name}: {curve}", fontsize=10)
        draw_ends(below, first)
        ax.plot(cuts.mean / cuts.deviation, 100 * saddles.mean(1), marker, label=name)
    ax.set(xlabel="trace / n, in standard deviations of all lines", ylabel="percent of random planes that are saddles")
    ax.set_ylim(bottom=-2)
    negative = np.concatenate([np.sum(cuts.ends + cuts.errors < 0, 1) > 0 for cuts in result.networks.values()])
    ax.set_title(f"{negative.sum()} of these {negative.size} networks have negative eigenvalues", fontsize=10)
    common.tidy(ax)
    figure.suptitle(
        f"Second derivatives of C along {cuts.lines.shape[1]:,} random lines through networks of "
        f"{result.parameters:,} parameters, over {result.images:,} images; at the left the first network"
    )
    return common.save_figures(path, {"curvatures": figure})


def draw_lines(ax, cut):
    """The curvatures of random lines, their mean and what it should be."""
    mean, twice = cut.lines.mean(), 2 * cut.deviation / np.sqrt(len(cut.lines))
    label = f"mean of the lines ± 2 standard errors, {mean:.3g} ± {twice:.1g}"
    ax.hist(cut.lines, 50, color="tab:blue", alpha=0.6)
    ax.axvspan(mean - twice, mean + twice, color="tab:orange", alpha=0.5, lw=0, label=label)
    ax.axvline(cut.mean, color="black", lw=1, label=f"trace / n of the whole Hessian, {cut.mean:.3g}")
    ax.axvspan(-cut.floor, cut.floor, color="gray", label=f"noise floor, ±{cut.floor:.0e}")
    ax.ticklabel_format(axis="x", scilimits=(0, 0))
    ax.set_ylim(top=1.35 * ax.get_ylim()[1])  # room for the legend
    ax.set(xlabel="curvature of C along a random line", ylabel="lines")
    ax.legend(fontsize=8, loc="upper right")


def draw_ends(ax, cut):
    """The same curvatures as strokes, between the extreme eigenvalues."""
    text = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
    ax.plot(cut.lines, np.zeros_like(cut.lines), "|", markersize=16, alpha=0.3)
    ax.annotate("all random lines", (cut.lines.mean(), 0), (0, -20), **text)
    for end, name in zip(cut.ends, ("lowest", "highest"), strict=True):
        ax.plot(end, 0, "D", color="tab:red")
        ax.annotate(f"{name} eigenvalue\n{end:.3g}", (end, 0), (0, 9), **text)
    ax.axvline(0, color="black", lw=0.5)
    ax.set_xscale("symlog", linthresh=1e-4)
    ax.set_xlim(-50, 50)
    ax.set_xticks([-1, -1e-2, -1e-4, 0, 1e-4, 1e-2, 1], ["-1", "-0.01", "-0.0001", "0", "0.0001", "0.01", "1"])
    ax.set_ylim(-1, 1.6)
    ax.set_yticks([])
    ax.set_xlabel("curvature of C, linear up to ±0.0001 and logarithmic beyond")


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
