"""A bump of C is a mean over thousands of images: which of them make it.

Trains the cheatsheet's 784-16-16-10 network, takes random lines through it, and of these the one with the deepest
local minimum beside that of the network itself. Between the bottom of that bump and its ridge, the pass that one must
climb to get out, C rises by the mean of the rises of the images: these are sorted, counted by class and drawn, and
the images are drawn anew, with replacement, to see whether the bump is one of these images alone.

    python experiments/which_images_make_a_bump.py                  the embedded digits
    python experiments/which_images_make_a_bump.py --data FOLDER    any four IDX files

Expect, on the embedded digits, 23 of 40 lines of half-width 16 with a bump, the deepest only 0.047 where C is 4.5: what
is left of 2,867 images that rise by 6 times as much together and 4,001 that fall by 5 times. The tenth that rises most
carries 56 % of all rises; without 159 images, 2 %, the ridge is no higher than the bottom. It is there in all of 400
resamples, 0.036 to 0.065 deep, and on held-out images, 0.059. With MNIST, 60,000 images, 15 of 40 lines have one, the
deepest 0.015 (0.012 to 0.018 resampled, 0.016 held out).
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import setting

from jaxcost import cost, data, network, plot, populations, results, slices
from jaxcost.measures import images, minima

MOST = 20  # images that are drawn
PARTS = (0.01, 0.1)  # of the images, those that rise most


@dataclass(frozen=True)
class Settings(common.Trained):
    """What is trained, where it is cut, and how often the images are drawn anew."""

    lines: int = setting(40, "random lines through the network, of which the bumpiest is taken")
    half_width: float = setting(16.0, "where lines have bumps; 1 is the length of each neuron's own weights")
    points: int = setting(161, "of each line, odd so that the network is one of them")
    line_points: int = setting(801, "of the line that is taken", small=201)
    resamples: int = setting(400, "of the images, with replacement", small=100)


class Shown(NamedTuple):
    """Some images, their labels, and their costs and outputs at the bottom and on the ridge, `[2, images, ...]`."""

    x: np.ndarray
    labels: np.ndarray
    costs: np.ndarray
    outputs: np.ndarray


class Result(NamedTuple):
    """The deepest bump of some lines, and what it is made of.

    Attributes:
        depths: the deepest bump of each line, 0 where there is none, `[lines]`.
        line: the line with the deepest, a finer `Slice` with the mean cost of each class.
        held_out: the same line over held-out images.
        bump: of the minima of that line the bump alone, `Minima`.
        rises: of the cost of each image, from its bottom to its ridge, `[n]`; their mean is the depth of the bump.
        labels: the class of each image, `[n]`.
        resampled: depth of the bump for images drawn anew, 0 where it is not there, `[resamples]`.
        band: the middle 95 % of their costs along the line, less that at the bottom, `[2, points]`.
        class_minima: number of minima of the mean cost of each class, `[classes]`.
        most: the images that rise most.
    """

    depths: np.ndarray
    line: slices.Slice
    held_out: slices.Slice
    bump: minima.Minima
    rises: np.ndarray
    labels: np.ndarray
    resampled: np.ndarray
    band: np.ndarray
    class_minima: np.ndarray
    most: Shown


def run(settings):
    """Train, look for a bump, and take it apart."""
    train, held_out = common.images(settings)
    C = cost.Cost(train)
    init_key, batch_key, line_key, image_key = jax.random.split(jax.random.key(settings.seed), 4)
    params = common.train(init_key, batch_key, C, settings).params

    # many lines, and of these the one with the deepest bump
    frames = populations.about(jax.random.split(line_key, settings.lines), params)
    axis = lambda points: np.linspace(-settings.half_width, settings.half_width, points)
    lines = populations.grid(C, frames, (axis(settings.points),))
    depths = np.array([bump_of(minima.local_minima(values, lines.floor)).deepest for values in lines.values])
    if not depths.any():
        raise SystemExit("no bump on any line: take more lines or a larger half-width")

    # that line, finer, over all images one by one, and over images that were held out
    Cs, axes = (C, cost.Cost(held_out)), (axis(settings.line_points),)
    line, unseen = slices.grid(Cs, *frames[depths.argmax()], axes, per_class=True, per_image=True)
    bump = bump_of(minima.local_minima(line.values, line.floor))
    ends = [bump.indices[0, 0], bump.passes[0, 0]]
    costs, labels = np.float64(line.per_image[ends]), np.asarray(data.labels(train.y))
    rises = costs[1] - costs[0]
    which = np.argsort(-rises, kind="stable")[:MOST]
    outputs = [jax.vmap(network.feedforward, (0, None, None))(train.x[which], *line.at(line.alphas[[i]])) for i in ends]
    most = Shown(train.x[which], labels[which], costs[:, which], jnp.stack(outputs))

    # the same line over images drawn anew, and over those of one class
    again, by_class = images.bootstrap(image_key, line, settings.resamples), images.by_class(line)
    resampled = np.array([depth_in(bump, values, again.floor) for values in again.values])
    band = np.quantile(again.values - again.values[:, ends[:1]], (0.025, 0.975), axis=0)
    own = np.array([minima.local_minima(values, by_class.floor).count for values in by_class.values])
    line, unseen = (slice_._replace(per_image=None) for slice_ in (line, unseen))
    result = Result(depths, line, unseen, bump, rises, labels, resampled, band, own, most)
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}


def bump_of(found):
    """Of the minima of a line the deepest beside that in whose basin its middle, the network, lies, or none."""
    own = found.basins[len(found.basins) // 2]
    return found.chosen([i for i in range(found.count) if i != own][:1])


def depth_in(bump, values, floor):
    """Depth of the deepest local minimum whose bottom lies in the valley of a bump; 0 if there is none."""
    found = minima.local_minima(values, floor)
    return found.depths[bump.basins[found.indices[:, 0]] == 0].max(initial=0.0)


def carried(rises, part=1.0):
    """The rises of the images that rise most, over the height of the bump: more than 1 where others fall."""
    most = np.sort(rises)[::-1][: max(1, round(part * len(rises)))]
    return most[most > 0].sum() / rises.sum()


def table(result):
    """The bump, who makes it, and whether other images make it too."""
    line, bump, rises, n = result.line, result.bump, result.rises, len(result.rises)
    bottom, ridge = (f"C = {line.values[i]:.4f} at {line.alphas[i]:.3f}" for (i,) in (bump.indices[0], bump.passes[0]))
    up, down = np.sum(rises > line.floor), np.sum(rises < -line.floor)
    needed = int(np.argmax(np.cumsum(np.sort(rises)[::-1]) >= rises.sum())) + 1
    share = lambda part: carried(rises, part) / carried(rises)
    present, (low, high) = np.mean(result.resampled > 0), np.quantile(result.resampled, (0.025, 0.975))
    unseen = depth_in(bump, result.held_out.values, result.held_out.floor)
    rows = [["class", "images", "mean rise", "share of the depth", "minima of its own cost along the line"]]
    for label, own in enumerate(result.class_minima):
        of_class, all_of_it = rises[result.labels == label], rises[result.labels == label].sum()
        mean = all_of_it / max(1, len(of_class))
        rows.append([label, len(of_class), f"{mean:.4f}", f"{all_of_it / rises.sum():.2f}", own])
    return [
        f"lines with a bump       {np.sum(result.depths > 0)} of {len(result.depths)}; the deepest:",
        f"bottom, ridge           {bottom}, {ridge}",
        f"depth of the bump       {bump.deepest:.4f}, mean rise of an image {rises.mean():.4f}, floor {line.floor:.0e}",
        f"rise, fall, stay        {up:,}, {down:,}, {n - up - down:,} of {n:,} images",
        f"rises, falls alone      {carried(rises):.2f}, {1 - carried(rises):.2f} of the depth",
        *(f"the {p:>3.0%} that rise most  {carried(rises, p):.2f} of it, {share(p):.1%} of all rises" for p in PARTS),
        f"without the {needed:,} that rise most ({needed / n:.1%}) the ridge is no higher than the bottom",
        f"images drawn anew       the bump is there in {present:.1%} of {len(result.resampled)} draws, in 95 % of them "
        f"{low:.4f} to {high:.4f} deep",
        f"held-out images         the bump is {unseen:.4f} deep, noise floor {result.held_out.floor:.0e}",
        "",
        *common.columns(rows),
        "",
        common.verdict("share of draws of the images in which the bump is there", present, low=0.95),
        common.verdict("depth of the bump on held-out images over that on training images", unseen / bump.deepest, 0.1),
        common.verdict("share of all rises that the tenth of the images that rises most carries", share(0.1), 0.5),
    ]


def draw(path):
    """The line with its classes; who rises; the images that rise most."""
    result = results.load(path)
    figures = {"line": draw_line(result), "rises": draw_rises(result), "images": draw_images(result.most)}
    return common.save_figures(path, figures)


def draw_line(result):
    """C along the line and about the bump, seen from its bottom, and the same by class."""
    line, alphas, depth = result.line, result.line.alphas, result.bump.deepest
    (bottom,), (ridge,) = result.bump.indices[0], result.bump.passes[0]
    above = lambda values: values - values[bottom]
    figure = common.figure(14, 9)
    axes = (whole, near), (classes, parts) = figure.subplots(2, 2)
    whole.plot(alphas, line.values, lw=1, label=f"C, noise floor {line.floor:.0e}")
    lowest = minima.local_minima(line.values, line.floor).indices[:, 0]
    whole.plot(alphas[lowest], line.values[lowest], "o", color="tab:red", ms=4, label="minima deeper than the floor")
    whole.set(title=f"C along the line: {len(lowest)} minima", ylabel="C")
    near.fill_between(alphas, *result.band, color="tab:blue", alpha=0.25, lw=0, label="95 % of resamples")
    near.plot(alphas, above(line.values), lw=1, label="training images")
    near.plot(alphas, above(result.held_out.values), lw=1, label="held-out images")
    near.set(title=f"The bump, {depth:.2g} deep")
    for label, values in enumerate(line.per_class.T):
        classes.plot(alphas, values, color=f"C{label}", lw=1, label=f"{label}")
        parts.plot(alphas, np.mean(result.labels == label) * above(values), color=f"C{label}", lw=1)
    classes.set(title="Mean cost of the images of each class", ylabel="C")
    classes.legend(fontsize=8, ncols=2)
    parts.plot(alphas, above(line.values), color="black", lw=1.5)
    parts.set(title="What each class adds to the bump; black: all together")
    valley = alphas[(result.bump.basins == 0) | (np.arange(len(alphas)) == ridge)]
    ends = np.clip(common.around(valley[:, None], 2, margin=0.4)[0], alphas[0], alphas[-1])
    for ax, deep in ((near, -1), (parts, -2)):
        ax.set(xlim=ends, ylim=(deep * depth, 2 * depth), ylabel="C, less that at the bottom")
    for ax in (whole, near, classes, parts):
        ax.axvline(alphas[bottom], color="black", lw=0.7, label="bottom" if ax is near else None)
        ax.axvline(alphas[ridge], color="black", lw=0.7, ls="--", label="ridge" if ax is near else None)
        ax.set_xlabel(f"α, {common.LENGTH}; 0 is the trained network")
    common.tidy(axes)
    return figure


def draw_rises(result):
    """Sorted rises added up, their histogram, and the share of each class."""
    rises, labels = result.rises, np.arange(len(result.class_minima))
    figure = common.figure(14, 4.4)
    left, middle, right = axes = figure.subplots(1, 3)
    left.plot(np.arange(1, len(rises) + 1) / len(rises), np.cumsum(np.sort(rises)[::-1]) / rises.sum())
    left.axhline(1, color="black", lw=0.8)
    for part in PARTS:
        left.plot(part, carried(rises, part), "o", label=f"{part:.0%} of the images: {carried(rises, part):.0%}")
    left.set(xlabel="share of the images, those that rise most first", ylabel="rises added up, over the bump's depth")
    left.set_title(f"{np.mean(rises > 0):.0%} of the images rise, {np.mean(rises < 0):.0%} fall")
    middle.hist(rises, 80)
    middle.axvline(rises.mean(), color="black", lw=1)
    common.log(middle.yaxis)
    middle.set(xlabel="rise of one image's cost, bottom to ridge", ylabel="images", title="black: their mean")
    shares = lambda rises: np.array([rises[result.labels == label].sum() for label in labels]) / result.rises.sum()
    right.bar(labels, shares(np.maximum(rises, 0)), color="tab:red", label="those that rise")
    right.bar(labels, shares(np.minimum(rises, 0)), color="tab:blue", label="those that fall")
    right.plot(labels, shares(rises), "D", color="black", label="together")
    right.axhline(0, color="black", lw=0.8)
    right.set(xlabel="class", ylabel="share of the depth", xticks=labels, title="Which classes rise")
    common.tidy(axes)
    return figure


def draw_images(most):
    """The images that rise most, with their costs and guesses at the bottom and on the ridge."""
    figure = common.figure(8, 7.5)
    for k, ax in enumerate(figure.subplots(4, MOST // 4).flat):
        low, high = most.costs[:, k]
        before, after = ("".join(map(str, np.flatnonzero(a > 0.5))) or "none" for a in most.outputs[:, k])
        plot.image(ax, most.x[k], f"{most.labels[k]}: {low:.2f} → {high:.2f}\n{before} → {after}")
    figure.suptitle("The images that rise most\nlabel: cost at the bottom → on the ridge; below, the outputs over 1/2")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
