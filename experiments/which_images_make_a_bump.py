"""A bump of C is a mean over thousands of images: which of them make it.

Trains the cheatsheet's 784-16-16-10 network, takes random lines through it, and of these the one with the deepest
local minimum beside that of the network itself. Between the bottom of that bump and its ridge, the pass that one must
climb to get out, C rises by the mean of the rises of the images: these are sorted, counted by class and drawn, and
the images are drawn anew, with replacement, to see whether the bump is one of these images alone.

    python experiments/which_images_make_a_bump.py                        the embedded digits
    python experiments/which_images_make_a_bump.py --data FOLDER          any four IDX files
    python experiments/which_images_make_a_bump.py --draw output/which_images_make_a_bump/which_images_make_a_bump.npz

Expect, on the embedded digits, 23 of 40 lines of half-width 16 with a bump, the deepest only 0.047 where C is 4.5. It
is what is left of much: 2,867 images rise by 6 times as much together and 4,001 fall by 5 times. Far from the trained
network outputs are 0 or 1, and most images rise by a whole number, of outputs that turn wrong. The tenth that rises
most carries 56 % of all rises; without 159 images, 2 %, the ridge is no higher than the bottom. The digit 4 adds most,
the digit 2 half of the depth the other way. The bump is no matter of these images alone: it is there in all of 400
resamples, 0.036 to 0.065 deep, and on held-out images, 0.059. With MNIST, 60,000 images, 15 of 40 lines have one, the
deepest 0.015 (0.012 to 0.018 resampled, 0.016 held out), where C is 5.4: half of the images do not move, 15 % rise, and
1 % of the images carry as much as the whole.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting

from jaxcost import cost, descent, network, plot, populations, results, slices
from jaxcost.measures import bumpiness

MOST = 20
PARTS = (0.01, 0.1)


@dataclass(frozen=True)
class Settings:
    """What is trained, where it is cut, and how often the images are drawn anew."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=1000)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the network, the order of the images and the lines")
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(30, "Nielsen's number of epochs", small=3)
    lines: int = setting(40, "random lines through the network, of which the bumpiest is taken", small=20)
    half_width: float = setting(16.0, "where lines have bumps; 1 is the length of each neuron's own weights")
    points: int = setting(161, "of each line, odd so that the network is one of them", small=81)
    line_points: int = setting(801, "of the line that is taken", small=201)
    resamples: int = setting(400, "of the images, with replacement", small=100)


def run(settings):
    """Train, look for a bump, and take it apart."""
    train, held_out = common.images(settings.data, settings.images)
    C = cost.Cost(train)
    init_key, batch_key, line_key, image_key = jax.random.split(jax.random.key(settings.seed), 4)
    steps = settings.epochs * (len(train) // settings.batch)
    trained = descent.descend(
        batch_key, C, network.init(init_key, settings.sizes), optax.sgd(settings.rate),
        steps=steps, batch=settings.batch, every=steps,
    )  # fmt: skip
    params = trained.params
    print(f"{len(train):,} images, C from {trained.costs[0]:.3f} to {trained.costs[-1]:.4f}")

    keys, draw_line = jax.random.split(line_key, settings.lines), populations.about(params)
    (there,) = populations.grids(keys, C, draw_line, [settings.half_width], points=settings.points)
    found = [bumpiness.local_minima(values, there.floor) for values in there.values]
    depths = np.array([0 if bump(minima) is None else minima.depths[bump(minima)] for minima in found])
    if not depths.any():
        raise SystemExit("no bump on any line: take more lines or a larger half-width")
    chosen = int(depths.argmax())
    print(
        f"{settings.lines} lines, {np.sum(depths > 0)} with a bump, the deepest {depths[chosen]:.3g} on line {chosen}"
    )

    _, (u,) = draw_line(keys[chosen])
    alphas = np.linspace(-settings.half_width, settings.half_width, settings.line_points)
    line = slices.line(C, params, u, alphas, per_class=True, per_image=True)
    minima = bumpiness.local_minima(line.values, line.floor)
    i = bump(minima)
    (bottom,), (ridge,) = minima.indices[i], minima.passes[i]
    rises = np.float64(line.per_image[ridge]) - line.per_image[bottom]

    valley = below(line.values, bottom, line.values[ridge])
    others = slices.line(cost.Cost(held_out), params, u, alphas)
    again = populations.bootstrap(image_key, line, settings.resamples)
    by_class = populations.measured(populations.classes(line))
    most = np.argsort(-rises, kind="stable")[:MOST]
    result = {
        "depths": depths,
        "line": line._replace(per_image=None),
        "minima": minima,
        "valley": valley,
        "bump": i,
        "rises": rises,
        "labels": cost.labels(train.y),
        "resampled": {
            "depths": np.array([depth_in(valley, values, again.floor) for values in again.values]),
            "floor": again.floor,
            "band": np.quantile(again.values - again.values[:, [bottom]], (0.025, 0.975), axis=0),
        },
        "held_out": {"line": others, "depth": depth_in(valley, others.values, others.floor)},
        "minima_by_class": by_class.minima,
        "most": {
            "x": train.x[most],
            "label": cost.labels(train.y)[most],
            "costs": line.per_image[[bottom, ridge]][:, most],
            "outputs": jnp.stack([outputs(train.x[most], params, u, alphas[at]) for at in (bottom, ridge)]),
        },
    }
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}, table(result)


def bump(minima):
    """The deepest local minimum of a line beside that in whose basin its middle lies; its place or None."""
    own = minima.basins[len(minima.basins) // 2]
    return next((i for i in range(minima.count) if i != own), None)


def below(values, bottom, level):
    """The valley about the bottom of a line: a mask of the points around it, up to where C reaches a level."""
    walls, points = np.flatnonzero(values >= level), np.arange(len(values))
    return (points > walls[walls < bottom].max(initial=-1)) & (points < walls[walls > bottom].min(initial=len(values)))


def depth_in(valley, values, floor):
    """Depth of the deepest local minimum whose bottom lies in a valley, a mask; 0 if there is none."""
    minima = bumpiness.local_minima(values, floor)
    return minima.depths[valley[minima.indices[:, 0]]].max(initial=0.0)


def outputs(x, params, u, alpha):
    """The outputs for some images of the network at a point of the line."""
    there = jax.tree.map(lambda p, d: p + alpha * d, params, u)
    return jax.vmap(network.feedforward, (0, None, None))(x, *there)


def carried(rises, part):
    """The rises of the images that rise most, over the height of the bump: more than 1 where others fall."""
    most = np.sort(rises)[::-1][: max(1, round(part * len(rises)))]
    return most[most > 0].sum() / rises.sum()


def needed(rises):
    """How many images, those that rise most first, must go for the ridge to be no higher than the bottom."""
    return int(np.argmax(np.cumsum(np.sort(rises)[::-1]) >= rises.sum())) + 1


def table(result):
    """The bump, who makes it, and whether other images make it too."""
    line, minima, i, rises = result["line"], result["minima"], result["bump"], result["rises"]
    (bottom,), (ridge,) = minima.indices[i], minima.passes[i]
    resampled = result["resampled"]["depths"]
    low, high = np.quantile(resampled, (0.025, 0.975))
    there, seen = np.mean(resampled > 0), result["held_out"]["depth"] / minima.depths[i]
    lines = [
        f"lines with a bump       {np.sum(result['depths'] > 0)} of {len(result['depths'])}",
        f"bottom of the deepest   C = {line.values[bottom]:.4f} at {line.alphas[bottom]:.3f}",
        f"its ridge               C = {line.values[ridge]:.4f} at {line.alphas[ridge]:.3f}",
        f"depth of the bump       {minima.depths[i]:.4f}, noise floor {minima.floor:.0e}",
        f"mean rise of the images {rises.mean():.4f}",
        f"rise, fall, stay        {np.sum(rises > minima.floor):,}, {np.sum(rises < -minima.floor):,}, "
        f"{np.sum(np.abs(rises) <= minima.floor):,} of {len(rises):,} images",
        f"rises, falls alone      {carried(rises, 1):.2f}, {1 - carried(rises, 1):.2f} of the depth",
        *(
            f"the {part:>3.0%} that rise most  {carried(rises, part):.2f} of the depth, "
            f"{carried(rises, part) / carried(rises, 1):.1%} of all rises"
            for part in PARTS
        ),
        f"without the {needed(rises):,} that rise most ({needed(rises) / len(rises):.1%}) the ridge is no higher "
        "than the bottom",
        f"images drawn anew       the bump is there in {there:.1%} of {len(resampled)} draws, depth {low:.4f} to "
        f"{high:.4f} in 95 % of them",
        f"held-out images         the bump is {result['held_out']['depth']:.4f} deep, noise floor "
        f"{result['held_out']['line'].floor:.0e}",
        "",
        "class   images   mean rise   share of the depth   minima of its own cost along the line",
    ]
    for label, own in enumerate(result["minima_by_class"]):
        of_class = rises[result["labels"] == label]
        lines.append(
            f"{label:>5}{len(of_class):>9,}{of_class.mean():>12.4f}{of_class.sum() / rises.sum():>21.2f}{own:>18.0f}"
        )
    return [
        *lines,
        "",
        common.verdict("share of draws of the images in which the bump is there", there, 0.95),
        common.verdict("depth of the bump on held-out images, over that on training images", seen, 0.1),
        common.verdict(
            "a tenth of the images carries more than half of all rises", carried(rises, 0.1) / carried(rises, 1), 0.5
        ),
    ]


def draw(path):
    """The line with its classes; who rises; the images that rise most."""
    result = results.load(path)
    return common.save_figures(
        path, {"line": draw_line(result), "rises": draw_rises(result), "images": draw_images(result)}
    )


def mark(ax, result):
    """Bottom and ridge as thin lines."""
    i, alphas = result["bump"], result["line"].alphas
    for (at,), style, name in (
        (result["minima"].indices[i], "-", "bottom"),
        (result["minima"].passes[i], "--", "ridge"),
    ):
        ax.axvline(alphas[at], color="black", lw=0.7, ls=style, label=name)


def draw_line(result):
    """C along the line and about the bump, seen from its bottom, and the same by class."""
    line, minima, i, n = result["line"], result["minima"], result["bump"], len(result["rises"])
    (bottom,), alphas, depth = minima.indices[i], line.alphas, minima.depths[i]
    figure = common.figure(14, 9)
    (whole, near), (classes, parts) = figure.subplots(2, 2)
    whole.plot(alphas, line.values, lw=1, label=f"C, noise floor {line.floor:.0e}")
    inside = minima.indices[:, 0]
    whole.plot(alphas[inside], line.values[inside], "o", color="tab:red", ms=4, label="minima deeper than the floor")
    whole.set_title(f"C along the line: {minima.count} minima")
    near.fill_between(
        alphas, *result["resampled"]["band"], color="tab:blue", alpha=0.25, lw=0, label="95 % of resamples"
    )
    for there, name in ((line, "training images"), (result["held_out"]["line"], "held-out images")):
        near.plot(alphas, there.values - there.values[bottom], lw=1, label=name)
    near.set_title(f"The bump, {depth:.2g} deep")
    for label, values in enumerate(line.per_class.T):
        share = np.sum(result["labels"] == label) / n
        classes.plot(alphas, values, color=f"C{label}", lw=1, label=f"{label}")
        parts.plot(alphas, share * (values - values[bottom]), color=f"C{label}", lw=1)
    parts.plot(alphas, line.values - line.values[bottom], color="black", lw=1.5)
    classes.set_title("Mean cost of the images of each class")
    parts.set_title("What each class adds to the bump; black: all together")
    (valley,) = np.nonzero(result["valley"])
    margin = len(valley) // 3
    for ax in (near, parts):
        ax.set_xlim(alphas[max(0, valley[0] - margin)], alphas[min(len(alphas) - 1, valley[-1] + margin)])
        ax.set_ylabel("C, less that at the bottom")
    near.set_ylim(-depth, 2 * depth)
    parts.set_ylim(-2 * depth, 2 * depth)
    for ax in (whole, classes):
        ax.set_ylabel("C")
    for ax in (whole, near, classes, parts):
        mark(ax, result)
        ax.set_xlabel("α, 1 = the length of each neuron's own weights; 0 is the trained network")
        ax.grid(alpha=0.3)
    for ax in (whole, near):
        ax.legend(fontsize=8)
    classes.legend(fontsize=8, ncols=2)
    return figure


def draw_rises(result):
    """Sorted rises added up, their histogram, and the share of each class."""
    rises = result["rises"]
    figure = common.figure(14, 4.4)
    left, middle, right = figure.subplots(1, 3)
    share = np.arange(1, len(rises) + 1) / len(rises)
    left.plot(share, np.cumsum(np.sort(rises)[::-1]) / rises.sum())
    left.axhline(1, color="black", lw=0.8)
    for part in PARTS:
        left.plot(part, carried(rises, part), "o", color="tab:blue")
        left.annotate(
            f"{part:.0%} of the images: {carried(rises, part):.0%}", (part, carried(rises, part)), (8, -4),
            textcoords="offset points",
        )  # fmt: skip
    left.set_xlabel("share of the images, those that rise most first")
    left.set_ylabel("their rises added up, over the depth of the bump")
    left.set_title(f"{np.mean(rises > 0):.0%} of the images rise, {np.mean(rises < 0):.0%} fall")
    middle.hist(rises, 80)
    middle.axvline(rises.mean(), color="black", lw=1)
    middle.set_yscale("log")
    middle.set_xlabel("rise of one image's cost, bottom to ridge")
    middle.set_ylabel("images")
    middle.set_title(f"black: their mean, the depth {rises.mean():.3g}")
    labels = np.arange(len(result["minima_by_class"]))
    up, down = (
        [rises[(result["labels"] == label) & (np.sign(rises) == sign)].sum() / rises.sum() for label in labels]
        for sign in (1, -1)
    )
    right.bar(labels, up, color="tab:red", label="those that rise")
    right.bar(labels, down, color="tab:blue", label="those that fall")
    right.plot(labels, np.add(up, down), "D", color="black", label="together")
    right.axhline(0, color="black", lw=0.8)
    right.set_xticks(labels)
    right.set_xlabel("class")
    right.set_ylabel("share of the depth")
    right.set_title("Which digits rise")
    right.legend(fontsize=8)
    for ax in (left, middle, right):
        ax.grid(alpha=0.3)
    return figure


def draw_images(result):
    """The images that rise most, with their costs and guesses at the bottom and on the ridge."""
    most = result["most"]
    figure = common.figure(12, 7.5)
    for k, ax in enumerate(figure.subplots(4, MOST // 4).flat):
        low, high = most["costs"][:, k]
        before, after = ("".join(map(str, np.flatnonzero(a > 0.5))) or "none" for a in most["outputs"][:, k])
        plot.image(ax, most["x"][k], f"{most['label'][k]}: {low:.2f} → {high:.2f}\n{before} → {after}")
    figure.suptitle(
        f"The {MOST} images that rise most: label, cost at the bottom → on the ridge; below, the outputs over 1/2"
    )
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
