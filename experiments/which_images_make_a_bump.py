"""A bump of C is a mean over thousands of images: which of them make it.

Takes random lines through several trained networks, and of each network the deepest local minimum of these beside that
of the network itself: a bump. Between its bottom and its ridge, the pass that one must climb to get out, C rises by the
mean of the rises of the images. So it has a standard error, and it has one on images that were held out. Of the
deepest of all the rises are sorted, counted by class and drawn.

    python experiments/which_images_make_a_bump.py                  the embedded digits
    python experiments/which_images_make_a_bump.py --data FOLDER    any four IDX files

Expect, on two versions of jax, with MNIST, 60,000 images, 4 to 5 % of the lines of half-width 16 with a bump deeper
than 0.01 (1 to 11), none deeper than 0.1; the deepest of each of eight networks 0.005 to 0.033, 2.6 to 13 times its
standard error, and there on held-out images too, 0.010 and 0.015 deep on average (0.007 to 0.022); nine tenths of all
rises are those of a tenth of the images. The 8,000 embedded digits show as many, 2 to 5 % (0 to 11), but are too few to
be sure: on held-out ones 0.006 and 0.003 on average (-0.003 to 0.014). About 40 s on two cores, MNIST four minutes.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import setting
from networks import Networks, by_network, lines

from jaxcost import cost, data, network, plot, populations, resampling, results, slices
from jaxcost.measures import images, minima

DEPTH = 0.01  # of a bump that counts, about a hundredth of what knowing nothing costs, 0.9
MOST = 20  # images that are drawn
PARTS = (0.01, 0.1)  # of the images, those that rise most


@dataclass(frozen=True)
class Settings(Networks):
    """What is trained, and where it is cut."""

    lines: int = setting(20, "random lines through each network; that with the deepest bump is taken", small=5)
    half_width: float = setting(16.0, "where lines have bumps; 1 is the length of each neuron's own weights")
    points: int = setting(161, "of each line, odd so that the network is one of them")
    line_points: int = setting(801, "of the lines that are taken", small=201)


class Bumps(NamedTuple):
    """The deepest bump of each network, `[networks]`; NaN where it has none.

    Attributes:
        depths: by how much C rises from its bottom to its ridge.
        errors: standard errors of these over the images.
        held_out: how much C of held-out images rises from the same bottom to the same ridge.
        held_out_errors: standard errors of these.
        tenths: share of all rises that the tenth of the images that rises most carries.
    """

    depths: np.ndarray
    errors: np.ndarray
    held_out: np.ndarray
    held_out_errors: np.ndarray
    tenths: np.ndarray


class Shown(NamedTuple):
    """Some images, their labels, and their costs and outputs at the bottom and on the ridge, `[2, images, ...]`."""

    x: np.ndarray
    labels: np.ndarray
    costs: np.ndarray
    outputs: np.ndarray


class Result(NamedTuple):
    """The deepest bumps of some lines, and what the deepest of all is made of.

    Attributes:
        depths: the deepest bump of each line, 0 where there is none, `[networks, lines]`.
        bumps: the deepest of each network.
        line: the line with the deepest, a finer `Slice` with the mean cost of each class. Where no line has any, that
            with the deepest minimum of a network itself, which stands for the bump in all that follows.
        held_out: the same line over held-out images.
        errors: standard error of C less that at the bottom, over the images, `[points]`.
        bump: of the minima of that line the bump alone, `Minima`.
        rises: of the cost of each image, from its bottom to its ridge, `[n]`; their mean is the depth of the bump.
        labels: the class of each image, `[n]`.
        most: the images that rise most.
    """

    depths: np.ndarray
    bumps: Bumps
    line: slices.Slice
    held_out: slices.Slice
    errors: np.ndarray
    bump: minima.Minima
    rises: np.ndarray
    labels: np.ndarray
    most: Shown


def run(settings):
    """Train, look for bumps, and take the deepest apart."""
    train, held_out = common.images(settings)
    C, _ = Cs = cost.Cost(train), cost.Cost(held_out)
    network_key, line_key = jax.random.split(jax.random.key(settings.seed))
    trained = common.train_many(jax.random.split(network_key, settings.networks), C, settings)

    # many lines through each, and of these the one with the deepest bump
    frames = lines(line_key, [trained.network(i).params for i in range(settings.networks)], settings)
    axis, fine = (np.linspace(-1, 1, n) * settings.half_width for n in (settings.points, settings.line_points))
    coarse = populations.grid(C, frames, (axis,))
    found = [minima.local_minima(values, coarse.floor) for values in coarse.values]
    depths = by_network([bump_of(one).deepest for one in found], settings.networks)
    deepest = depths if depths.any() else by_network([one.deepest for one in found], settings.networks)
    if not deepest.any():
        raise SystemExit("no minimum on any line: take more lines, a larger half-width or more epochs")
    chosen = [frames[settings.lines * i + one.argmax()] for i, one in enumerate(deepest)]
    bumps = Bumps(*np.transpose([judged(Cs, frame, fine) for frame in chosen]))

    # the deepest of all, over all images one by one, and over images that were held out
    frame = chosen[deepest.max(1).argmax()]
    line, unseen = slices.line(Cs, frame.origin, *frame.directions, fine, per_class=True, per_image=True)
    found = minima.local_minima(line.values, line.floor)
    bump = bump_of(found) if bump_of(found).count else found.chosen([0])
    ends, labels = [bump.indices[0, 0], bump.passes[0, 0]], np.asarray(data.labels(train.y))
    costs, above = np.float64(line.per_image[ends]), line.per_image - line.per_image[ends[:1]]
    rises, errors = costs[1] - costs[0], above.std(1, ddof=1) / len(train) ** 0.5
    which = np.argsort(-rises, kind="stable")[:MOST]
    outputs = [jax.vmap(network.feedforward, (0, None, None))(train.x[which], *line.at(line.alphas[[i]])) for i in ends]
    most = Shown(train.x[which], labels[which], costs[:, which], jnp.stack(outputs))
    line, unseen = (slice_._replace(per_image=None) for slice_ in (line, unseen))
    result = Result(depths, bumps, line, unseen, errors, bump, rises, labels, most)
    return result, {"data": train.fingerprint, "held_out": held_out.fingerprint}


def judged(Cs, frame, axis):
    """What the images say of the deepest bump of a line, in the order of `Bumps`."""
    line = slices.line(Cs[0], frame.origin, *frame.directions, axis, progress=False)
    bump = bump_of(minima.local_minima(line.values, line.floor))
    if not bump.count:
        return [np.nan] * len(Bumps._fields)
    seen, unseen = (images.depths(C, line, bump) for C in Cs)
    low, high = (np.float64(Cs[0].per_image(*line.at(line.alphas[at[0]]))) for at in (bump.indices, bump.passes))
    tenth = carried(high - low, 0.1) / carried(high - low)
    return [seen.depths[0], seen.errors[0], unseen.depths[0], unseen.errors[0], tenth]


def bump_of(found):
    """Of the minima of a line the deepest beside that in whose basin its middle, the network, lies, or none."""
    own = found.basins[len(found.basins) // 2]
    return found.chosen([i for i in range(found.count) if i != own][:1])


def carried(rises, part=1.0):
    """The rises of the images that rise most, over the height of the bump: more than 1 where others fall."""
    most = np.sort(rises)[::-1][: max(1, round(part * len(rises)))]
    return most[most > 0].sum() / rises.sum()


def table(result):
    """Bumps by depth, the deepest of each network, who makes the deepest of all, and the verdicts."""
    line, bump, bumps, rises = result.line, result.bump, result.bumps, result.rises
    # by drawing networks anew, with two levels their lines too
    mean = lambda groups: groups[0].reshape(len(groups[0]), -1).mean(1)
    interval = lambda draws, levels=1: resampling.bootstrap(jax.random.key(0), mean, [1.0 * draws], levels=levels)
    rows, known = [["a bump on a line", "lines", "share (95 % over networks)"]], bumps.depths > 0  # of no bump NaN
    for depth in (0.1, DEPTH, DEPTH / 10, 0):
        there, name = result.depths > depth, f"deeper than {depth or 'the noise floor'}"
        rows.append([name, f"{there.sum()} of {there.size}", f"{interval(there, 2):.0%}"])
    rows += [[], ["the deepest of each network", "depth", "its error", "held out", "its error", "a tenth carries"]]
    for i in np.flatnonzero(known):
        rows.append([f"{i}", *(f"{of[i]:.4f}" for of in bumps[:-1]), f"{bumps.tenths[i]:.0%}"])
    bottom, ridge = (f"C = {line.values[i]:.4f} at {line.alphas[i]:.3f}" for (i,) in (bump.indices[0], bump.passes[0]))
    told = [
        *common.columns(rows),
        "",
        "the deepest of all" if known.any() else "no bump on any line; the deepest minimum, a network's own",
        f"from {bottom} to {ridge}; noise floor {line.floor:.0e}",
        *(f"the {part:>4.0%} of the images that rise most  {carried(rises, part):.2f} of it" for part in (*PARTS, 1.0)),
    ]
    if not known.any():
        return told
    deep, unseen, tenth = result.depths > DEPTH, 1000 * bumps.held_out[known], bumps.tenths[known]
    judge = lambda claim, found, **band: common.verdict(claim, found, **band, whole=True)
    return [
        *told,
        "",
        judge(f"share of lines with a bump deeper than {DEPTH}", interval(deep, 2), high=0.2),
        judge("the networks' deepest: mean depth on held-out images, thousandths", interval(unseen), low=0),
        judge("the same: mean share of the rises that a tenth of the images carries", interval(tenth), low=0.5),
    ]


def draw(path):
    """The line and what each class adds; the images that rise most."""
    result = results.load(path)
    return common.save_figures(path, {"bump": draw_bump(result), "images": draw_images(result.most)})


def draw_bump(result):
    """C along the line; about the bump, seen from its bottom; what each class adds there, and what each image."""
    line, alphas, depth, errors = result.line, result.line.alphas, result.bump.deepest, result.errors
    (bottom,), (ridge,), rises = result.bump.indices[0], result.bump.passes[0], result.rises
    above = lambda values: values - values[bottom]
    figure = common.figure(14, 9)
    (whole, near), (parts, sums) = axes = figure.subplots(2, 2)
    whole.plot(alphas, line.values, lw=1, label=f"C, noise floor {line.floor:.0e}")
    count = minima.local_minima(line.values, DEPTH).count
    whole.set(title=f"C along the line: minima deeper than {DEPTH}: {count}", ylabel="C")
    band = above(line.values) - 2 * errors, above(line.values) + 2 * errors
    near.fill_between(alphas, *band, color="tab:blue", alpha=0.25, lw=0, label="± 2 standard errors")
    near.plot(alphas, above(line.values), lw=1, label="training images")
    near.plot(alphas, above(result.held_out.values), lw=1, label="held-out images")
    near.set_title(f"{'The bump' if result.depths.any() else 'No bump: the minimum'}, {depth:.2g} deep")
    for label, values in enumerate(line.per_class.T):
        parts.plot(alphas, np.mean(result.labels == label) * above(values), color=f"C{label}", lw=1, label=f"{label}")
    parts.plot(alphas, above(line.values), color="black", lw=1.5, label="all")
    parts.set_title("What each class adds to it")
    valley = alphas[(result.bump.basins == 0) | (np.arange(len(alphas)) == ridge)]
    ends = np.clip(common.around(valley[:, None], 2, margin=0.4)[0], alphas[0], alphas[-1])
    for ax, deep in ((near, -1), (parts, -2)):
        ax.set(xlim=ends, ylim=(deep * depth, 2 * depth), ylabel="C, less that at the bottom")
    for ax in (whole, near, parts):
        ax.axvline(alphas[bottom], color="black", lw=0.7, label="bottom" if ax is near else None)
        ax.axvline(alphas[ridge], color="black", lw=0.7, ls="--", label="ridge" if ax is near else None)
        ax.set_xlabel(f"α, {common.LENGTH}")
    parts.legend(fontsize=8, ncols=3)
    sums.plot(np.arange(1, len(rises) + 1) / len(rises), np.cumsum(np.sort(rises)[::-1]) / rises.sum())
    for part in PARTS:
        sums.plot(part, carried(rises, part), "o", label=f"{part:.0%} of the images: {carried(rises, part):.2g}")
    sums.axhline(1, color="black", lw=0.8)
    sums.set(xlabel="share of the images, those that rise most first", ylabel="their rises added up, 1 = the depth")
    sums.set_title(f"{np.mean(rises > 0):.0%} of the images rise, {np.mean(rises < 0):.0%} fall")
    common.tidy(axes)
    return figure


def draw_images(most):
    """The images that rise most, with their costs and guesses at the bottom and on the ridge."""
    figure = common.figure(9, 7.5)
    for k, ax in enumerate(figure.subplots(4, MOST // 4).flat):
        low, high = most.costs[:, k]
        before, after = (" ".join(map(str, np.flatnonzero(a > 0.5))) or "none" for a in most.outputs[:, k])
        plot.image(ax, most.x[k], f"{most.labels[k]}: {low:.2f} → {high:.2f}\n{before} → {after}")
    figure.suptitle("The images that rise most\nlabel: cost, bottom → ridge; below, the digits whose outputs pass 1/2")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
