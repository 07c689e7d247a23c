"""Not two dials but 13,002: all of them in one picture, before and after learning, and which of them matter.

The cost C depends on every weight and bias. How much it changes when one of them is turned a little is its slope
along that dial; all slopes together are the gradient of C, which can be drawn as the dials themselves are.

    python experiments/thirteen_thousand_dials.py                  the embedded digits
    python experiments/thirteen_thousand_dials.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect, on the embedded digits: before learning the steepest 1 % of the dials hold 89 % of the squared gradient, most
of it in the last layer; afterwards 48 %, most of it in the first. About 14 % do nothing at all: their pixels are white
in every image. Dials turned one by one change C as the gradient foretells, correlation 1.0000. About 15 s.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting
from jax.flatten_util import ravel_pytree
from matplotlib.colors import TwoSlopeNorm

from jaxcost import cost, descent, network, results


@dataclass(frozen=True)
class Settings:
    """Which network, and how far a dial is turned."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the network and the order of the images, and chooses the dials to turn")
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(30, "Nielsen's number of epochs", small=3)
    turned: int = setting(300, "dials turned one by one, to see that the slopes are true", small=50)
    turn: float = setting(0.05, "how far, each to both sides: large beside rounding, small beside a weight of 1")


def run(settings):
    """Train; the gradient before and after; turn some dials and measure."""
    train, _ = common.images(settings.data, settings.images)
    C = cost.Cost(train)
    init_key, batch_key, dial_key = jax.random.split(jax.random.key(settings.seed), 3)
    start = network.init(init_key, settings.sizes)
    steps = settings.epochs * (len(train) // settings.batch)
    trained = descent.descend(
        batch_key, C, start, optax.sgd(settings.rate), steps=steps, batch=settings.batch, every=steps
    ).params
    result = {"image": settings.sizes[0], "networks": {}}
    for name, params in (("before learning", start), ("after learning", trained)):
        slopes = descent.gradient(C, params)
        # most dials hardly matter: turn the steepest half of them, and as many at random
        flat, _ = ravel_pytree(slopes)
        steepest = jnp.argsort(-jnp.abs(flat))[: settings.turned // 2]
        others = jax.random.choice(dial_key, flat.size, (settings.turned - len(steepest),), replace=False)
        dials = jnp.concatenate([steepest, others])
        result["networks"][name] = {
            "params": params,
            "cost": C(*params),
            "slopes": slopes,
            "dials": dials,
            "measured": turned(C, params, dials, settings.turn),
        }
    return result, {"data": train.fingerprint}, table(result)


@jax.jit
def turned(C, params, dials, by):
    """(C with a dial turned up - C with it turned down) / twice the turn, for each of some dials."""
    flat, unravel = ravel_pytree(params)
    at = lambda i, by: C(*unravel(flat.at[i].add(by)))
    return jax.lax.map(lambda i: (at(i, by) - at(i, -by)) / (2 * by), dials)


def by_layer(slopes):
    """Squared slopes of each array of weights and biases, by name."""
    names = [f"{kind}{i + 1}" for kind in ("w", "b") for i in range(len(slopes.w))]
    arrays = [np.ravel(leaf).astype(np.float64) for leaf in (*slopes.w, *slopes.b)]
    return {name: array**2 for name, array in zip(names, arrays, strict=True)}


def table(result):
    """Which dials matter: shares of the squared gradient, and whether the slopes are true."""
    lines = []
    for name, of in result["networks"].items():
        layers = by_layer(of["slopes"])
        squares = np.sort(np.concatenate(list(layers.values())))[::-1]
        flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(of["slopes"])])
        measured, foretold = np.asarray(of["measured"]), flat[np.asarray(of["dials"])]
        held = lambda part, squares=squares: squares[: int(part * squares.size)].sum() / squares.sum()
        length = squares.sum() ** 0.5
        lines += [
            f"{name}: C = {float(of['cost']):.4f}, {squares.size:,} dials, gradient of length {length:.3g}",
            f"  the steepest   1% of the dials hold {held(0.01):6.1%} of its square",
            f"  the steepest  10% of the dials hold {held(0.1):6.1%}",
            f"  dials that do nothing at all: {np.mean(squares == 0):.1%}, most from pixels white in every image",
            f"  {len(measured)} dials turned: slope measured against gradient, correlation "
            f"{np.corrcoef(measured, foretold)[0, 1]:.4f}",
        ]
        for layer, square in layers.items():
            share, each = square.sum() / squares.sum(), square.mean() ** 0.5
            lines.append(f"  {layer:<3}{square.size:>7,} dials {share:>7.1%} of the squared gradient, {each:.2g} each")
        lines.append("")
    return lines[:-1]


def draw(path):
    """All dials and all slopes; and how unequal the slopes are."""
    result = results.load(path)
    return common.save_figures(path, {"dials": draw_dials(result), "slopes": draw_slopes(result)})


def mosaic(w):
    """The weights into each neuron as an image, in rows and columns with a gap between."""
    side, columns = round(w.shape[1] ** 0.5), int(np.ceil(len(w) ** 0.5))
    tiles = np.full((int(np.ceil(len(w) / columns)) * columns, side + 2, w.shape[1] // side + 2), np.nan)
    tiles[: len(w), 1:-1, 1:-1] = w.reshape(len(w), side, -1)
    return np.block([[*row] for row in tiles.reshape(-1, columns, *tiles.shape[1:])])


def draw_dials(result):
    """Rows: first-layer weights as images, other weights, biases; columns: dials and slopes, before and after."""
    columns = [(name, what) for what in ("params", "slopes") for name in result["networks"]]
    first = result["networks"]["before learning"]["params"]
    rows = len(first.w) + 1
    figure = common.figure(14, 9)
    axes = figure.subplots(rows, len(columns), height_ratios=[5] + [2] * (rows - 2) + [0.8], squeeze=False)
    for column, (name, what) in zip(axes.T, columns, strict=True):
        dials = result["networks"][name][what]
        square = round(result["image"] ** 0.5) ** 2 == result["image"]
        pictures = [mosaic(dials.w[0]) if square else dials.w[0], *dials.w[1:]]
        widest = max(map(len, dials.b))
        pictures.append(np.stack([np.pad(b, (0, widest - len(b)), constant_values=np.nan) for b in dials.b]))
        titles = [f"w{i + 1}: {' x '.join(map(str, w.shape))}" for i, w in enumerate(dials.w)] + ["b, a row a layer"]
        for ax, picture, title in zip(column, pictures, titles, strict=True):
            far = np.nanquantile(np.abs(picture), 0.995) or 1.0
            drawn = ax.imshow(picture, cmap="RdBu_r", norm=TwoSlopeNorm(0, -far, far), interpolation="nearest")
            ax.set_title(title, fontsize=8)
            ax.set_xticks([])
            ax.set_yticks([])
            ax.set_anchor("W")
            bar = figure.colorbar(drawn, ax=ax, shrink=0.8, pad=0.02, ticks=[-far, 0, far], format="%.1g")
            bar.ax.tick_params(labelsize="x-small")
        kind = "the dials" if what == "params" else "how much C rises as each is turned up"
        column[0].set_title(f"{kind},\n{name}\n{titles[0]}", fontsize=10)
    count = network.size(first)
    figure.suptitle(f"All {count:,} dials of C, and all {count:,} slopes: red up, blue down, white none", fontsize=13)
    return figure


def draw_slopes(result):
    """The slopes in order of size; and what turning dials did to C, against what the gradient foretold."""
    figure = common.figure(12, 4.6)
    left, right = figure.subplots(1, 2)
    for name, of in result["networks"].items():
        flat = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(of["slopes"])])
        sizes = np.sort(np.abs(flat))[::-1]
        left.plot(np.arange(1, len(sizes) + 1), np.where(sizes > 0, sizes, np.nan), label=name)
        steepest = sizes[0]
        foretold = flat[np.asarray(of["dials"])] / steepest
        right.plot(foretold, of["measured"] / steepest, "o", ms=3, alpha=0.6, label=f"{name}, 1 = {steepest:.2g}")
    left.set_xscale("log")
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
    for ax in (left, right):
        ax.grid(alpha=0.3)
        ax.legend()
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
