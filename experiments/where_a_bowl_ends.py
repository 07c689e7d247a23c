"""Where the bowl about a network ends, by two definitions, for many networks.

A bowl is a parabola, or it is convex: the two are not the same. A line that flattens out may be a parabola to within
5 % of its variance and bend down at half of its points; |x| is convex for ever, and no parabola. Random lines through
networks, untrained and trained from wide and from narrow starts, over all training images, are asked both.

    python experiments/where_a_bowl_ends.py                      the embedded digits
    python experiments/where_a_bowl_ends.py --data FOLDER        MNIST
    python experiments/where_a_bowl_ends.py --sizes 784 64 10    other networks, to be compared in function space

Definitions: parabolic up to the smallest half-width at which a quadratic explains less than 95 % of the line's
variance; convex up to the smallest distance from the network at which the exact second derivative along the line is
below minus its noise floor. In function space the same ends are mean distances of the outputs from the network's own.

Expect, on the embedded digits, as medians over 8 networks of a kind, 4 lines each, with 95 % intervals over networks:
trained from wide starts, parabolic up to 1.21 (1.10 to 1.39) and convex up to 0.46 (0.40 to 0.52); from narrow ones
1.57 (1.34 to 1.69) and 0.48 (0.45 to 0.54); untrained, mostly on a slope, 1.2 (0.9 to 1.5) and 0.25 (0 to 0.35). The
outputs have then moved by 1.43, 1.51 and 1.13, and by 0.60, 0.48 and 0.33. So nearly half of the points of what counts
as a parabola bend down. Two to three minutes on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import like, setting
from networks import Networks, by_network, interval, lines, nested, networks

from jaxcost import cost, populations, results, statistics
from jaxcost.measures import roughness


@dataclass(frozen=True)
class Settings(Networks):
    """What is cut, where and how finely."""

    images: int = like("images", small=500)
    half_widths: tuple = setting(
        (0.1, 0.316, 1.0, 3.16, 10.0), "1 is the length of each neuron's weights", small=(0.316, 3.16)
    )
    points: int = setting(61, "grid points of a line, odd so that the network is one of them", small=31)
    bends: int = setting(61, "points of a line with exact second derivatives, odd too", small=21)


class Ends(NamedTuple):
    """Lines through networks of one kind.

    Attributes:
        scales: half-widths at which a parabola is tried.
        shares: of a line's variance that the parabola explains, `[networks, lines, scales]`.
        moved: mean distance of the outputs from the network's own at -s and s, `[networks, lines, scales]`.
        parabolic: half-width up to which each line is a parabola, `[networks, lines]`; infinite where it goes on.
        convex: distance up to which each line is convex.
        down: share of the points of the line up to `parabolic` that bend down all the same.
    """

    scales: np.ndarray
    shares: np.ndarray
    moved: np.ndarray
    parabolic: np.ndarray
    convex: np.ndarray
    down: np.ndarray


class Result(NamedTuple):
    """Where bowls end.

    Attributes:
        kinds: `Ends` for each kind of network.
    """

    kinds: dict[str, Ends]


def run(settings):
    """Train, cut, and look for the ends."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    network_key, line_key = jax.random.split(jax.random.key(settings.seed))
    kinds = {}
    for kind, of_kind in networks(network_key, C, settings).items():
        kinds[kind] = ends(C, of_kind, lines(line_key, of_kind, settings), settings)
        print(f"cut {kind}: {settings.lines} lines in each of {len(of_kind)} networks")
    return Result(kinds), {"data": train.fingerprint}


def ends(C, of_kind, frames, settings):
    """The ends of the bowls of random lines."""
    ladder = populations.zoom(C, frames, settings.half_widths, points=settings.points, bends=settings.bends)
    # middle parts of the lines are tried too, so that an end is found between two half-widths
    parts = [roughness.bowls(*lines.axes, lines.values, lines.floor) for lines in ladder]
    scales, shares = (np.concatenate(of, -1) for of in zip(*parts, strict=True))
    scales, shares = scales[order := np.argsort(scales)], shares[:, order]
    parabolic = roughness.bowl_end(scales, shares)
    second = [lines.hessians[..., 0, 0] for lines in ladder]
    axes = [half_width * np.linspace(-1, 1, settings.bends) for half_width in settings.half_widths]
    floors = [lines.curvature_floor for lines in ladder]
    convex = np.min([roughness.convex_to(*of) for of in zip(axes, second, floors, strict=True)], 0)
    # of the smallest line that reaches as far as the parabola
    down = []
    for i, end in enumerate(np.minimum(parabolic, settings.half_widths[-1])):
        j = int(np.searchsorted(settings.half_widths, end))
        within = np.abs(axes[j]) <= end
        down.append(np.mean(second[j][i, within] < -floors[j]))
    reach = np.concatenate([-scales, scales])[:, None]
    distance = lambda i, params: populations.evaluate(
        cost.output_distance(C, params), frames[i * settings.lines : (i + 1) * settings.lines], reach
    )
    per_network = [distance(i, params) for i, params in enumerate(of_kind)]
    moved = np.concatenate(per_network).reshape(len(frames), 2, -1).mean(1)
    return Ends(scales, *(by_network(of, len(of_kind)) for of in (shares, moved, parabolic, convex, np.array(down))))


def in_function_space(found, end):
    """The mean distance of the outputs where each line's bowl ends, `[networks, lines]`."""
    at = lambda end, moved: np.interp(end, [0, *found.scales], [0, *moved])
    flat = zip(end.ravel(), found.moved.reshape(-1, len(found.scales)), strict=True)
    return np.reshape([at(*of) if np.isfinite(of[0]) else np.inf for of in flat], end.shape)


def table(result):
    """Where bowls end by both definitions, as half-widths and as distances of the outputs."""
    rows = [
        ["where a bowl ends", "parabolic up to", "outputs moved", "convex up to", "outputs moved", "bends down within"]
    ]
    for kind, found in result.kinds.items():
        both = [(interval(end), interval(in_function_space(found, end))) for end in (found.parabolic, found.convex)]
        rows.append([kind, *both[0], *both[1], interval(found.down, ".0%")])
    shared = [["share of the variance that lies between networks", "parabolic", "convex"]]
    for kind, found in result.kinds.items():
        shared.append([kind, *(f"{nested(end).between:.2f}" for end in (found.parabolic, found.convex))])
    head = "median over networks and lines, and its 95 % interval over networks"
    return [head, *common.columns(rows), "", *common.columns(shared), "", *verdicts(result)]


def verdicts(result):
    """What is claimed of trained networks, judged."""
    found = []
    for kind, of in list(result.kinds.items())[1:]:
        parabolic, convex = (statistics.Interval(*nested(end)[:3]) for end in (of.parabolic, of.convex))
        found.append(common.verdict(f"{kind}: a bowl nearby, parabolic at least up to", parabolic, 0.1, whole=True))
        found.append(common.verdict(f"{kind}: it ends, parabolic at most up to", parabolic, high=10, whole=True))
        found.append(common.verdict(f"{kind}: it ends, convex at most up to", convex, high=10, whole=True))
        sooner = np.mean(of.convex < of.parabolic)
        found.append(common.verdict(f"{kind}: share of lines that bend down before a parabola fails", sooner, 0.5))
    return found


def draw(path):
    """How much of a line a quadratic explains, by half-width and by the distance of the outputs, and both ends."""
    result = results.load(path)
    figure = common.figure(13, 5.2)
    left, right = axes = figure.subplots(1, 2, sharey=True)
    half_widths = results.provenance(path)["settings"]["half_widths"]
    for i, (kind, found) in enumerate(result.kinds.items()):
        whole = np.isin(found.scales, half_widths)
        shares = [nested(found.shares[..., j]) for j in range(len(found.scales))]
        median, low, high = (np.array([getattr(one, end) for one in shares]) for end in ("median", "low", "high"))
        for ax, x, place in (
            (left, found.scales, lambda end: end),
            (right, np.median(found.moved, (0, 1)), lambda end, found=found: in_function_space(found, end)),
        ):
            words = (
                f"{kind}: parabolic to {interval(place(found.parabolic))}, convex to {interval(place(found.convex))}"
            )
            ax.plot(x, median, color=f"C{i}", lw=1.5, label=words)
            ax.plot(x[whole], median[whole], "os^"[i], color=f"C{i}", ms=5)
            ax.fill_between(x, low, high, color=f"C{i}", alpha=0.15, lw=0)
            for end, style in ((found.parabolic, "-"), (found.convex, "--")):
                ax.axvline(nested(place(end)).median, color=f"C{i}", ls=style, lw=0.9)
    for ax, label in ((left, f"half-width, {common.LENGTH}"), (right, "mean distance of the outputs")):
        ax.axhline(0.95, color="black", ls=":", lw=1)
        common.log(ax.xaxis)
        ax.set_xlabel(label)
    common.tidy(axes, loc="lower left")
    left.set_ylabel("share of a line's variance that a parabola explains")
    many, each = found.parabolic.shape
    figure.suptitle(
        "Where a bowl ends. Uprights: a parabola explains less than 95 % (full), the line bends down (dashed)\n"
        f"{each} random line{'s' * (each > 1)} through each of {many} networks of a kind; "
        "medians with 95 % intervals over networks\n"
        "marks: whole lines; between two, the middle part of the next, which has fewer points: hence a small step",
        fontsize=11,
    )
    return common.save_figures(path, {"bowls": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
