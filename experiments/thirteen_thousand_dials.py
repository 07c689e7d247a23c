"""Not two dials but 13,002: all of them in one picture, before and after learning, and which of them matter.

The cost C depends on every weight and bias. How much it changes when one of them is turned a little is its slope
along that dial; all slopes together are the gradient of C, which can be drawn as the dials themselves are.

    python experiments/thirteen_thousand_dials.py                  the embedded digits
    python experiments/thirteen_thousand_dials.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect, on the embedded digits, medians of eight networks and their range on two versions of jax: before learning the
steepest 1 % of the dials hold 91 % of the squared gradient (86 to 98), most of it in the last layer; afterwards 36 to
39 % (26 to 60), most of it in the first. About 15 % do nothing at all: their pixels are white in every image. Dials
turned one by one change C as the gradient foretells, correlation 1.0000. About 30 s on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import setting
from jax.flatten_util import ravel_pytree
from matplotlib.colors import Normalize, SymLogNorm

from jaxcost import cost, descent, network, plot, results, scales, tails

PARTS = (0.01, 0.1)  # of the dials, the steepest


@dataclass(frozen=True)
class Settings(common.Trained):
    """Which network, and how far a dial is turned."""

    networks: int = setting(8, "one is an anecdote; the first of them is drawn", small=2)
    turned: int = setting(300, "dials turned one by one, to see that the slopes are true", small=50)
    turn: float = setting(0.05, "how far, each to both sides: large beside rounding, small beside a weight of 1")


class Dials(NamedTuple):
    """A network's parameters, and what C does as they are turned.

    Attributes:
        params: the network.
        C: its cost.
        slopes: the gradient of C, like the parameters.
        turned: which were turned one by one, numbered in the order of the flat parameters, `[turned]`.
        measured: what C did then, per unit of the turn, `[turned]`.
    """

    params: network.Params
    C: float
    slopes: network.Params
    turned: np.ndarray
    measured: np.ndarray


class Many(NamedTuple):
    """What is told of several networks.

    Attributes:
        C: their costs, `[networks]`.
        length: of the gradient, `[networks]`.
        shares: of the squared gradient, that of the steepest `PARTS` of the dials, `[networks, parts]`.
        layers: that of each array of weights and biases, `{name: [networks]}`.
        still: share of the dials that do nothing, `[networks]`.
        correlation: of the slopes measured by turning dials with the gradient, `[networks]`.
    """

    C: np.ndarray
    length: np.ndarray
    shares: np.ndarray
    layers: dict[str, np.ndarray]
    still: np.ndarray
    correlation: np.ndarray


class Result(NamedTuple):
    """Networks before learning and after.

    Attributes:
        before: the first one at the start.
        after: at the end.
        networks: all of them, by "before learning" and "after learning".
    """

    before: Dials
    after: Dials
    networks: dict[str, Many]


def run(settings):
    """Train; the gradient before and after; turn some dials and measure."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    network_key, dial_key = jax.random.split(jax.random.key(settings.seed))
    trained = common.train_many(jax.random.split(network_key, settings.networks), C, settings, keep=True)
    keys = jax.random.split(dial_key, settings.networks)
    first, networks = [], {}
    for name, record in (("before learning", 0), ("after learning", -1)):
        each = [dials(key, C, trained.network(i).at(record), settings) for i, key in enumerate(keys)]
        first.append(each[0])
        told = Many(*zip(*map(tell, each), strict=True))
        by_layer = {layer: np.array([one[layer] for one in told.layers]) for layer in told.layers[0]}
        networks[name] = Many(*map(np.array, told._replace(layers=())))._replace(layers=by_layer)
    return Result(*first, networks), {"data": train.fingerprint}


def tell(of):
    """What is told of one network, in the order of `Many`."""
    squares, turned = flat_slopes(of) ** 2, flat_slopes(of)[np.asarray(of.turned)]
    by_layer = {name: np.sum(one**2.0) / squares.sum() for name, one in layers(of.slopes).items()}
    shares, still = tails.share_of_largest(squares, np.array(PARTS)), np.mean(squares == 0)
    return float(of.C), squares.sum() ** 0.5, shares, by_layer, still, np.corrcoef(of.measured, turned)[0, 1]


def dials(key, C, params, settings):
    """The gradient at a network, and some of its dials turned: half of them the steepest, for most hardly matter."""
    slopes = descent.gradient(C, params)
    flat, _ = ravel_pytree(slopes)
    steepest = jnp.argsort(-jnp.abs(flat))[: settings.turned // 2]
    others = jax.random.choice(key, flat.size, (min(settings.turned - len(steepest), flat.size),), replace=False)
    turned = jnp.concatenate([steepest, others])
    return Dials(params, C(*params), slopes, turned, turn(C, params, turned, settings.turn))


@jax.jit
def turn(C, params, turned, by):
    """(C with a dial turned up - C with it turned down) / twice the turn, for each of some dials."""
    flat, unravel = ravel_pytree(params)
    at = lambda i, by: C(*unravel(flat.at[i].add(by)))
    return jax.lax.map(lambda i: (at(i, by) - at(i, -by)) / (2 * by), turned)


def layers(tree):
    """The arrays of weights and biases by name, flat and in the order of the flat parameters."""
    return {f"{kind}{i}": np.ravel(leaf) for kind, of in tree._asdict().items() for i, leaf in enumerate(of, 1)}


def flat_slopes(of):
    """All slopes of a network, `[dials]`."""
    return np.concatenate(list(layers(of.slopes).values())).astype(np.float64)


def table(result):
    """Which dials matter: shares of the squared gradient, and whether the slopes are true."""
    before, after = result.networks.values()
    sizes = {name: len(one) for name, one in layers(result.before.slopes).items()}
    held = zip(PARTS, before.shares.T, after.shares.T, strict=True)
    found = [
        ("C", ".4f", before.C, after.C),
        ("length of the gradient", ".3g", before.length, after.length),
        *((f"of its square the steepest {part:.0%} hold", ".1%", *both) for part, *both in held),
        *((f"the {size:,} of {name}", ".1%", before.layers[name], after.layers[name]) for name, size in sizes.items()),
        ("dials that do nothing, most from pixels white in every image", ".1%", before.still, after.still),
        ("slope measured against gradient, correlation", ".4f", before.correlation, after.correlation),
    ]
    rows = [[f"median (lowest to highest) of {len(before.C)} networks", *result.networks]]
    rows += [[name, *(common.median_of(values, form) for values in both)] for name, form, *both in found]
    fewer = np.mean(after.shares[:, 0] < before.shares[:, 0])
    lowest = min(before.correlation.min(), after.correlation.min())
    return [
        f"{sum(sizes.values()):,} dials, of each network {len(result.before.turned)} turned",
        "",
        *common.columns(rows),
        "",
        common.verdict("share of networks whose steepest hundredth holds less after learning", fewer, low=1),
        common.verdict("lowest correlation of slopes measured and foretold, all networks", lowest, low=0.999),
    ]


def draw(path):
    """All dials and all slopes; and how unequal the slopes are."""
    result = results.load(path)
    return common.save_figures(path, {"dials": draw_dials(result), "slopes": draw_slopes(result)})


def draw_dials(result):
    """First-layer weights as images, other weights, biases; across: dials and slopes, before and after."""
    dials, slopes, stages = "the dials", "how much C rises as each is turned up", (result.before, result.after)
    names = [f"{what},\n{when} learning" for what in (dials, slopes) for when in ("before", "after")]
    columns = [*(pictures(of.params) for of in stages), *(pictures(of.slopes) for of in stages)]
    inner = len(result.before.params.w) - 1
    figure = common.figure(14, 9)
    panels = figure.subplots(inner + 2, 4, height_ratios=[5] + [2] * inner + [0.8], squeeze=False)
    for c, (column, title) in enumerate(zip(panels.T, names, strict=True)):
        both = columns[c // 2 * 2 : c // 2 * 2 + 2]  # one scale before and after
        for ax, (name, picture), *pair in zip(column, columns[c], *both, strict=True):
            far = max(np.nanquantile(np.abs(one), 0.995) for _, one in pair) or 1.0
            norm = Normalize(-far, far) if c < 2 else SymLogNorm(far / 1000, vmin=-far, vmax=far)
            shown = ax.imshow(picture, cmap="RdBu_r", norm=norm, interpolation="nearest")
            ax.set_title(name, fontsize=8)
            ax.set(xticks=[], yticks=[])
            ends = scales.ticks(-far, far)
            if c % 2:
                plot.colour_bar(ax, shown, *(("dial", ends) if c < 2 else ("slope", np.unique([ends, ends / 100]))))
        column[0].set_title(f"{title}\n{column[0].get_title()}", fontsize=10)
    count = network.size(result.before.params)
    figure.suptitle(
        f"All {count:,} dials of C, and all {count:,} slopes: red up, blue down, white none\n"
        "one scale before and after; that of the slopes is logarithmic down to a thousandth of its end"
    )
    return figure


def pictures(tree):
    """Each array of weights and all biases as arrays to draw, with their titles."""
    pixels, widest = tree.w[0].shape[1], max(map(len, tree.b))
    biases = np.stack([np.pad(b, (0, widest - len(b)), constant_values=np.nan) for b in tree.b])
    arrays = [mosaic(tree.w[0]) if round(pixels**0.5) ** 2 == pixels else tree.w[0], *tree.w[1:], biases]
    titles = [f"w{i}: {' x '.join(map(str, w.shape))}" for i, w in enumerate(tree.w, 1)]
    return list(zip([*titles, "b, a row a layer"], arrays, strict=True))


def mosaic(w):
    """The weights into each neuron as a square image, side by side and below each other with a gap between."""
    side, across = round(w.shape[1] ** 0.5), int(np.ceil(len(w) ** 0.5))
    tiles = np.full((int(np.ceil(len(w) / across)) * across, side + 2, side + 2), np.nan)
    tiles[: len(w), 1:-1, 1:-1] = w.reshape(len(w), side, side)
    return np.block([[*row] for row in tiles.reshape(-1, across, *tiles.shape[1:])])


def draw_slopes(result):
    """The slopes in order of size; and what turning dials did to C, against what the gradient foretold."""
    figure = common.figure(12, 4.6)
    left, right = figure.subplots(1, 2)
    for name, of in (("before learning", result.before), ("after learning", result.after)):
        slopes = flat_slopes(of)
        sizes = np.sort(np.abs(slopes))[::-1]
        left.plot(np.arange(1, len(sizes) + 1), np.where(sizes > 0, sizes, np.nan), label=name)
        foretold = slopes[np.asarray(of.turned)] / sizes[0]
        right.plot(foretold, of.measured / sizes[0], "o", ms=3, alpha=0.6, label=f"{name}, 1 = {sizes[0]:.2g}")
    common.log(left.xaxis)
    left.set_yscale("log")
    left.set_xlabel("dials, the steepest first")
    left.set_ylim(bottom=1e-8)
    left.set_ylabel("size of the slope of C along the dial")
    left.set_title("Few dials matter much (dials that do nothing are left out)")
    low, high = right.get_xlim()
    right.plot((low, high), (low, high), ":", color="gray", label="equal")
    right.set_xlabel("slope foretold by the gradient, against the steepest")
    right.set_ylabel("slope measured by turning the dial, likewise")
    right.set_title("Turned one by one: the gradient tells the truth")
    common.tidy((left, right))
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
