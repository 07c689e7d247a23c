"""What a random line knows of the curvature: the mean, exactly, and of saddles more or less.

For u uniform on the unit sphere in n dimensions and H the Hessian of C, the curvature u'Hu of C along u has the mean
tr(H) / n and the variance 2 (n |H|^2 - tr(H)^2) / (n^2 (n + 2)), |H| the Frobenius norm. Takes both exactly, column by
column of H, and beside them the second derivatives of C along random lines, the Hessians in random planes, and the
extreme eigenvalues of H by Lanczos, of untrained and trained 784-16-16-10 networks. Böttcher & Wheeler 2022
(arXiv 2208.13219): random slices show the mean curvature, and seldom the saddle on which a network lies.

    python experiments/curvature_of_random_lines.py                        six networks, 300 of the embedded digits
    python experiments/curvature_of_random_lines.py --taken 8000           all of them, many minutes
    python experiments/curvature_of_random_lines.py --data FOLDER          any four IDX files

Expect, on the embedded digits, with six networks of 1,000 lines each, as the median: mean over the lines 1.43e-4
untrained and 4.99e-5 trained, trace / n 1.47e-4 and 4.97e-5, 0.4 and 0.9 standard errors off for the six together; the
standard deviation 1.85e-4 and 2.96e-5, exactly 1.87e-4 and 2.97e-5. All have directions that curve down, the lowest
eigenvalue -0.39 and -0.054, a thousand times the mean. The second claim hangs on the network: of random planes 48 % (5
to 67) and 13 % (0.2 to 27) show the saddle, the fewer the larger the mean is beside the standard deviation, and that is
not seldom. About 60 s on two cores.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting
from jax.flatten_util import ravel_pytree
from jax.tree_util import Partial
from scipy.sparse.linalg import LinearOperator, eigsh
from tqdm import tqdm

from jaxcost import cost, descent, directions, network, populations, results
from jaxcost.engine import quantities, sweep

CHUNK = 128  # columns of the Hessian taken together


@dataclass(frozen=True)
class Settings:
    """Whose curvature, over which images, along how many lines."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "learn only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the networks, the order of the images and the directions")
    seeds: int = setting(6, "networks; one is an anecdote, six the fewest with an interval", small=2)
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(30, "Nielsen's number of epochs", small=3)
    taken: int = setting(300, "of the learned images, over which C is curved: 13,002 columns of H take time", small=30)
    planes: int = setting(500, "random planes; their two directions each are the lines", small=50)
    compared: int = setting(12, "planes whose curvatures are taken in float64 too, for the noise floor")


def run(settings):
    """Train, and take all curvatures at both ends."""
    train, _ = common.images(settings.data, settings.images)
    learned, C = cost.Cost(train), cost.Cost(train[: settings.taken])
    network_key, line_key = jax.random.split(jax.random.key(settings.seed))
    steps = settings.epochs * (len(train) // settings.batch)
    trained = descent.ensemble(
        jax.random.split(network_key, settings.seeds), learned, Partial(network.init, sizes=settings.sizes),
        optax.sgd(settings.rate), steps=steps, batch=settings.batch, every=steps, keep=True,
    )  # fmt: skip
    at = lambda i, j: jax.tree.map(lambda leaf: leaf[i, j], trained.trajectory)
    networks = {"untrained": [], "trained": []}
    for key, i in zip(jax.random.split(line_key, settings.seeds), range(settings.seeds), strict=True):
        ways = [unit(one, at(i, 0)) for one in jax.random.split(key, 2 * settings.planes)]
        pairs = list(zip(ways[::2], ways[1::2], strict=True))
        for name, j in (("untrained", 0), ("trained", -1)):
            networks[name].append(curvatures(C, at(i, j), pairs, settings.compared))
            print(f"network {i}, {name}: {len(ways):,} lines, {C.n:,} images")
    result = {"parameters": network.size(at(0, 0)), "images": C.n, "networks": networks}
    return result, {"data": train.fingerprint}, table(result)


@jax.jit
def unit(key, params):
    """A direction of length 1, uniform on the sphere."""
    u = directions.gaussian(key, params)
    return optax.tree.scale(1 / optax.tree.norm(u), u)


def curvatures(C, params, pairs, compared):
    """Along random lines and in random planes; of the whole Hessian its trace, norm and ends."""
    in_planes = in_slices(C, params, pairs)
    with jax.enable_x64(True):
        as64 = lambda tree: jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), tree)
        exact = in_slices(as64(C), as64(params), as64(pairs[:compared]))
    trace, squares = whole(C, params)
    ends, vectors = ends_of(C, params)
    left = np.array([product(C, params, v) for v in vectors.T]) - ends[:, None] * vectors.T
    return {
        "cost": float(C(*params)),
        "slope": float(descent.gradient_norm(C, *params)),
        "lines": np.diagonal(in_planes, axis1=1, axis2=2).ravel(),
        "planes": np.linalg.eigvalsh(in_planes),
        "floor": float(4 * np.abs(in_planes[:compared] - exact).max()),
        "trace": trace,
        "squares": squares,
        "ends": ends,
        "left": np.linalg.norm(left, axis=1),
    }


def in_slices(C, params, pairs):
    """The Hessian of C in each plane, at the network, `[planes, 2, 2]`."""
    here = np.zeros((1, 2), jax.tree.leaves(params)[0].dtype)
    return sweep.sweeps(quantities.DERIVATIVES, C, [(params, pair) for pair in pairs], here)[2][:, 0]


def whole(C, params):
    """tr(H) and |H|^2, from all columns of H."""
    chunks = range(0, network.size(params), CHUNK)
    parts = [_of_columns(C, params, i) for i in tqdm(chunks, desc="columns of H", delay=2, leave=False)]
    return np.array(parts, np.float64).sum(0).tolist()


@jax.jit
def _of_columns(C, params, first):
    units = jax.nn.one_hot(first + jnp.arange(CHUNK), network.size(params))  # past the last column: zeros
    columns = jax.vmap(product, (None, None, 0))(C, params, units)
    return (columns * units).sum(), (columns * columns).sum()


@jax.jit
def product(C, params, v):
    """H v, the derivative of the gradient along v, of flat parameters."""
    flat, unravel = ravel_pytree(params)
    slope = jax.grad(lambda flat: C(*unravel(flat)))
    with jax.default_matmul_precision("highest"):
        return jax.jvp(slope, (flat,), (jnp.asarray(v, flat.dtype),))[1]


def ends_of(C, params):
    """The lowest and the highest eigenvalue of H, and their vectors, by Lanczos."""
    n = network.size(params)
    H = LinearOperator((n, n), matvec=lambda v: np.asarray(product(C, params, v.ravel()), np.float64), dtype=float)
    return eigsh(H, k=2, which="BE", tol=1e-3, v0=np.random.default_rng(0).normal(size=n))


def expected(cut, n):
    """Mean and standard deviation of u'Hu over all directions u of length 1."""
    return cut["trace"] / n, np.sqrt(2 * (n * cut["squares"] - cut["trace"] ** 2) / (n**2 * (n + 2)))


def bent_down(cut):
    """Which lines curve down, and which planes are saddles, both by more than the noise floor."""
    low, high = cut["planes"].T
    return cut["lines"] < -cut["floor"], (low < -cut["floor"]) & (high > cut["floor"])


def table(result):
    """Random lines beside the whole Hessian, and the verdicts."""
    networks, n = result["networks"], result["parameters"]
    rows = {
        "C": lambda cut: cut["cost"],
        "|grad C|": lambda cut: cut["slope"],
        "mean over random lines": lambda cut: cut["lines"].mean(),
        "trace of H / n, exact": lambda cut: expected(cut, n)[0],
        "standard deviation over lines": lambda cut: cut["lines"].std(ddof=1),
        "the same, exact": lambda cut: expected(cut, n)[1],
        "mean / standard deviation, exact": lambda cut: np.divide(*expected(cut, n)),
        "noise floor of a curvature": lambda cut: cut["floor"],
        "percent of lines that curve down": lambda cut: 100 * bent_down(cut)[0].mean(),
        "percent of planes that are saddles": lambda cut: 100 * bent_down(cut)[1].mean(),
        "lowest over random lines": lambda cut: cut["lines"].min(),
        "lowest eigenvalue of H": lambda cut: cut["ends"][0],
        "its error at most": lambda cut: cut["left"][0],
        "highest over random lines": lambda cut: cut["lines"].max(),
        "highest eigenvalue of H": lambda cut: cut["ends"][1],
    }
    lines = [f"{'median (lowest to highest network)':36}" + "".join(f"{name:>38}" for name in networks)]
    for name, of in rows.items():
        found = [np.array([of(cut) for cut in cuts]) for cuts in networks.values()]
        lines.append(f"{name:36}" + "".join(f"{spread(values):>38}" for values in found))
    lines.append("")
    for name, cuts in networks.items():
        together = abs(sum(off(cut, n) for cut in cuts)) / np.sqrt(len(cuts))  # each network has lines of its own
        claim = f"row 17, {len(cuts)} networks, {name}: mean curvatures less trace / n, in standard errors"
        lines.append(common.verdict(claim, together, high=2))
    for name, cuts in networks.items():
        claim = f"row 17, {name}: highest of the networks' lowest eigenvalues, below 0 at saddles"
        lines.append(common.verdict(claim, max(cut["ends"][0] + cut["left"][0] for cut in cuts), high=0))
        shown = populations.summary([100 * bent_down(cut)[1].mean() for cut in cuts])
        lines.append(common.verdict(f"row 17, {name}: percent of random planes that show it, seldom", shown, high=5))
    return lines


def off(cut, n):
    """Mean over the lines less trace / n, in standard errors."""
    middle, deviation = expected(cut, n)
    return (cut["lines"].mean() - middle) / (deviation / np.sqrt(len(cut["lines"])))


def spread(values):
    """The median over the networks, and the extremes."""
    return f"{np.median(values):.3g} ({values.min():.3g} to {values.max():.3g})"


def draw(path):
    """The curvatures of random lines, and where the ends of the spectrum lie beside them."""
    return common.save_figures(path, {"curvatures": draw_curvatures(results.load(path))})


def draw_curvatures(result):
    """A histogram of one network each, with its extreme eigenvalues below; the share of saddles over all networks."""
    networks, n = result["networks"], result["parameters"]
    figure = common.figure(16, 7)
    left, right = figure.subfigures(1, 2, width_ratios=(2.2, 1))
    top, bottom = left.subplots(2, len(networks), height_ratios=(3, 1))
    for above, below, (name, (cut, *_)) in zip(top, bottom, networks.items(), strict=True):
        draw_lines(above, cut, n)
        down, saddles = bent_down(cut)
        curve = f"{down.mean():.1%} of the lines curve down, {saddles.mean():.1%} of the planes are saddles"
        above.set_title(f"{name}: {curve}", fontsize=10)
        draw_ends(below, cut)
    ax = right.subplots()
    for marker, (name, cuts) in zip("os", networks.items(), strict=True):
        steep = [np.divide(*expected(cut, n)) for cut in cuts]
        ax.plot(steep, [100 * bent_down(cut)[1].mean() for cut in cuts], marker, label=name)
    ax.set_xlabel("trace / n, in standard deviations of all lines")
    ax.set_ylabel("percent of random planes that are saddles")
    ax.set_ylim(bottom=-2)
    down = [cut["ends"][0] + cut["left"][0] < 0 for cuts in networks.values() for cut in cuts]
    ax.set_title(f"{sum(down)} of these {len(down)} networks have negative eigenvalues", fontsize=10)
    ax.grid(alpha=0.3)
    ax.legend()
    figure.suptitle(
        f"Second derivatives of C along {len(cut['lines']):,} random lines through networks of {n:,} parameters, "
        f"over {result['images']:,} images; at the left the first network"
    )
    return figure


def draw_lines(ax, cut, n):
    """The curvatures of random lines, their mean and what it should be."""
    curved, (middle, deviation) = cut["lines"], expected(cut, n)
    mean, twice = curved.mean(), 2 * deviation / np.sqrt(len(curved))
    ax.hist(curved, 50, color="tab:blue", alpha=0.6)
    ax.axvspan(
        mean - twice, mean + twice, color="tab:orange", alpha=0.5, lw=0,
        label=f"mean of the lines ± 2 standard errors, {mean:.3g} ± {twice:.1g}",
    )  # fmt: skip
    ax.axvline(middle, color="black", lw=1, label=f"trace / n of the whole Hessian, {middle:.3g}")
    ax.axvspan(-cut["floor"], cut["floor"], color="gray", label=f"noise floor, ±{cut['floor']:.0e}")
    ax.ticklabel_format(axis="x", scilimits=(0, 0))
    ax.set_ylim(top=1.35 * ax.get_ylim()[1])  # room for the legend
    ax.set_xlabel("curvature of C along a random line")
    ax.set_ylabel("lines")
    ax.legend(fontsize=8, loc="upper right")


def draw_ends(ax, cut):
    """The same curvatures as strokes, between the extreme eigenvalues."""
    said = {"textcoords": "offset points", "ha": "center", "fontsize": 8}
    ax.plot(cut["lines"], np.zeros_like(cut["lines"]), "|", markersize=16, alpha=0.3)
    ax.annotate("all random lines", (cut["lines"].mean(), 0), (0, -20), **said)
    for end, which in zip(cut["ends"], ("lowest", "highest"), strict=True):
        ax.plot(end, 0, "D", color="tab:red")
        ax.annotate(f"{which} eigenvalue\n{end:.3g}", (end, 0), (0, 9), **said)
    ax.axvline(0, color="black", lw=0.5)
    ax.set_xscale("symlog", linthresh=1e-4)
    ax.set_xlim(-50, 50)
    ax.set_xticks([-1, -1e-2, -1e-4, 0, 1e-4, 1e-2, 1], ["-1", "-0.01", "-0.0001", "0", "0.0001", "0.01", "1"])
    ax.set_ylim(-1, 1.6)
    ax.set_yticks([])
    ax.set_xlabel("curvature of C, linear up to ±0.0001 and logarithmic beyond")


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
