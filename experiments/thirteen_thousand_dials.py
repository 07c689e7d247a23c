"""Not two dials but 13,002: all of them in one picture, before and after learning, and which of them matter.

The cost C depends on every weight and bias. How much it changes when one of them is turned a little is its slope
along that dial; all slopes together are the gradient of C, which can be drawn as the dials themselves are.

    python experiments/thirteen_thousand_dials.py                  the embedded digits
    python experiments/thirteen_thousand_dials.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect, on the embedded digits: before learning the steepest 1 % of the dials hold 89 % of the squared gradient, most
of it in the last layer; afterwards 47 %, most of it in the first. About 15 % do nothing at all: their pixels are white
in every image. Dials turned one by one change C as the gradient foretells, correlation 1.0000. About 15 s.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import setting
from jax.flatten_util import ravel_pytree
from matplotlib.colors import TwoSlopeNorm

from jaxcost import cost, descent, network, results, tails


@dataclass(frozen=True)
class Settings(common.Trained):
    """Which network, and how far a dial is turned."""

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


class Result(NamedTuple):
    """One network, before learning and after.

    Attributes:
        before: at the start.
        after: at the end.
    """

    before: Dials
    after: Dials


def run(settings):
    """Train; the gradient before and after; turn some dials and measure."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    init_key, batch_key, dial_key = jax.random.split(jax.random.key(settings.seed), 3)
    trained = common.train(init_key, batch_key, C, settings)
    networks = trained.at(0), trained.params
    return Result(*(dials(dial_key, C, params, settings) for params in networks)), {"data": train.fingerprint}


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
    lines = []
    for name, of in (("before learning", result.before), ("after learning", result.after)):
        slopes = flat_slopes(of)
        total = np.sum(slopes**2)
        held = lambda part, slopes=slopes: f"{tails.share_of_largest(slopes**2, part):.1%}"
        agree = np.corrcoef(of.measured, slopes[np.asarray(of.turned)])[0, 1]
        lines += [
            f"{name}: C = {float(of.C):.4f}, {slopes.size:,} dials, gradient of length {total**0.5:.3g}",
            f"  the steepest 1% of the dials hold {held(0.01)} of its square, the steepest 10% {held(0.1)}",
            f"  {np.mean(slopes == 0):.1%} of the dials do nothing at all, most from pixels white in every image",
            f"  {len(of.turned)} dials turned: slope measured against gradient, correlation {agree:.4f}",
            "",
            *common.columns([
                ["", "dials", "of the squared gradient", "each"],
                *(
                    [layer, len(one), f"{np.sum(one**2.0) / total:.1%}", f"{np.mean(one**2.0) ** 0.5:.2g}"]
                    for layer, one in layers(of.slopes).items()
                ),
            ]),
            "",
        ]  # fmt: skip
    return lines[:-1]


def draw(path):
    """All dials and all slopes; and how unequal the slopes are."""
    result = results.load(path)
    return common.save_figures(path, {"dials": draw_dials(result), "slopes": draw_slopes(result)})


def draw_dials(result):
    """First-layer weights as images, other weights, biases; across: dials and slopes, before and after."""
    drawn = {
        "the dials,\nbefore learning": result.before.params,
        "the dials,\nafter learning": result.after.params,
        "how much C rises as each is turned up,\nbefore learning": result.before.slopes,
        "how much C rises as each is turned up,\nafter learning": result.after.slopes,
    }
    inner = len(result.before.params.w) - 1
    figure = common.figure(14, 9)
    panels = figure.subplots(inner + 2, 4, height_ratios=[5] + [2] * inner + [0.8], squeeze=False)
    for column, (title, tree) in zip(panels.T, drawn.items(), strict=True):
        for ax, (name, picture) in zip(column, pictures(tree), strict=True):
            far = np.nanquantile(np.abs(picture), 0.995) or 1.0
            shown = ax.imshow(picture, cmap="RdBu_r", norm=TwoSlopeNorm(0, -far, far), interpolation="nearest")
            ax.set_title(name, fontsize=8)
            ax.set_xticks([])
            ax.set_yticks([])
            bar = figure.colorbar(shown, ax=ax, shrink=0.8, pad=0.02, ticks=[-far, 0, far], format="%.1g")
            bar.ax.tick_params(labelsize="x-small")
        column[0].set_title(f"{title}\n{column[0].get_title()}", fontsize=10)
    count = network.size(result.before.params)
    figure.suptitle(f"All {count:,} dials of C, and all {count:,} slopes: red up, blue down, white none", fontsize=13)
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
