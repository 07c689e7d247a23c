"""C is bumpy, not a tidy bowl: from which scale on? Every measure against half-width, over five decades.

Many random lines through the untrained, the half-trained and the trained network, over all training images. Beside
each measure stand its nulls: the quadratic with the value, gradient and Hessian of C at the network, sampled and
rounded alike, which has no bumps, and a Gaussian random field with the spectrum of the line.

    python experiments/bumpiness_by_scale.py                      the embedded digits
    python experiments/bumpiness_by_scale.py --data FOLDER        MNIST
    python experiments/bumpiness_by_scale.py --sizes 784 64 10    another network, to be compared in function space

Definitions: a bowl ends at the smallest half-width at which a quadratic explains less than 95 % of a line's variance;
nearby is a half-width of 0.01 to 0.1, far out one of 10 or more. In function space the same end is the mean change of
the outputs there, over all images and both ends of the line. Far out C is a staircase of single images, finer than
any grid: what is counted there is of the grid.

Expect, on the embedded digits, as medians of 20 lines: a bowl ends at a half-width of 1.12 about the trained
network (95 % interval 1.00 to 1.35), 1.66 half-way (1.52 to 1.90), 1.13 untrained (0.74 to 1.97, there mostly of a
slope); in function space where the outputs have changed by 1.37 (1.29 to 1.54), 1.43 and 1.16. About a trained
784-64-10 (12 lines) it ends farther out, at 1.56 (1.37 to 1.82), but in function space at about the same, 1.47
(1.37 to 1.62). About the trained 784-16-16-10 a quadratic explains 99.9 % at a half-width of 0.1, 51 % at 10 and 36
% at 100, where a line has 5 minima. Its random fields have 18, and six times its total variation: what C does far out
is few high cliffs, not ripples. Training roughens: at half-width 0.316 every line needs more Chebyshev coefficients
than before, 14.5 against 6.5. The quadratics have no bumps. With MNIST, 60,000 images and 12 lines, the trained
network's bowl ends at 1.25 (0.97 to 1.57), in function space at 1.39 (1.22 to 1.68). That takes three minutes, the
digits one, on two cores.

The information content of random walks through the whole space is 0.6 to 0.8 for all networks and step sizes: such a
walk turns at every step, and on a mere slope has 0.80 (0.72 to 0.87 of nine in ten). It says nothing of C.
"""

from dataclasses import dataclass

import common
import jax
import numpy as np
from bumpy_planes import NETWORKS, halfway, train_recorded
from common import setting
from matplotlib.ticker import NullFormatter
from scipy import stats

from jaxcost import cost, network, plot, populations, results
from jaxcost.engine import quantities, sweep
from jaxcost.measures import nulls, roughness, variation
from jaxcost.measures.bumpiness import Measures
from jaxcost.measures.frequency import chebyshev_nodes

SHOWN = tuple(name for name in Measures._fields if name not in ("bottoms", "saddles", "tops"))
SURE = 0.001  # two-sided p-value from which on a slice is told from its random fields
NEAR, FAR = (0.01, 0.1), 10.0


@dataclass(frozen=True)
class Settings:
    """What is cut, where and how finely."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(0, "take only so many images, 0 for all", small=500)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the network, the order of the images, the lines and the nulls")
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(30, "Nielsen's number of epochs", small=5)
    half_widths: tuple = setting(
        (0.001, 0.00316, 0.01, 0.0316, 0.1, 0.316, 1.0, 3.16, 10.0, 31.6, 100.0),
        "1 is the length of each neuron's weights; half-decades",
        small=(0.01, 0.316, 3.16, 100.0),
    )
    lines: int = setting(20, "random lines through each network", small=8)
    points: int = setting(61, "grid points of a line, odd so that the network is one of them", small=31)
    nodes: int = setting(33, "Chebyshev nodes of a line; a wave needs three of them", small=17)
    bends: int = setting(11, "points of a line with exact second derivatives", small=5)
    walks: int = setting(
        8, "random walks through the whole space, of each step size; nothing is hoisted there", small=2
    )
    steps: int = setting(50, "of a walk", small=20)
    step_sizes: tuple = setting((0.01, 0.1, 1.0), "length of a step, 1 is the length of all parameters", small=(0.1,))


def run(settings):
    """Train, cut, measure, and measure the nulls."""
    train, _ = common.images(settings.data, settings.images)
    C = cost.Cost(train)
    init_key, batch_key, line_key, null_key = jax.random.split(jax.random.key(settings.seed), 4)
    start = network.init(init_key, settings.sizes)
    print(f"{len(train):,} images, {'-'.join(map(str, settings.sizes))}, {network.size(start):,} parameters")
    trained = train_recorded(batch_key, C, start, settings)
    records = dict(zip(NETWORKS, (0, halfway(trained.costs), -1), strict=True))
    keys = jax.random.split(line_key, settings.lines)  # the same for all networks
    result = {"half_widths": np.array(settings.half_widths), "sizes": list(settings.sizes), "networks": {}}
    for name, record in records.items():
        params = jax.tree.map(lambda leaf, i=record: leaf[i], trained.trajectory)
        result["networks"][name] = {"cost": float(trained.costs[record])} | by_scale(
            C, params, keys, null_key, settings
        )
        print(
            f"cut {name}, C = {trained.costs[record]:.4f}: {settings.lines} lines, {len(settings.half_widths)} scales"
        )
    return result, {"data": train.fingerprint, "images": len(train)}, table(result)


def by_scale(C, params, keys, null_key, settings):
    """The measures of lines and of their nulls, `[lines, half_widths]`, and the noise floors.

    At scales between the half-widths too, the bowl shares and the change of the outputs, `[lines, scales]`.
    """
    draw, half_widths = populations.about(params), settings.half_widths
    drawn = [draw(key) for key in keys]
    numbers = {"points": settings.points, "nodes": settings.nodes, "bends": settings.bends}
    ladder = populations.grids(keys, C, draw, half_widths, **numbers)
    middle = sweep.sweeps(quantities.DERIVATIVES, C, drawn, np.zeros((1, 1), np.float32))
    middle = [of_lines[:, 0] for of_lines in middle]
    parts = [bowls(lines, above) for lines, above in zip(ladder, (0, *half_widths), strict=False)]
    scales = np.concatenate([at for at, _ in parts])
    ends = np.concatenate([-scales, scales])[:, None].astype(np.float32)
    change = sweep.sweeps(quantities.VALUES, cost.change(C, params), drawn, ends)
    measures, quadratics, fields = [], [], []
    for key, lines in zip(jax.random.split(null_key, len(ladder)), ladder, strict=True):
        measures.append(populations.measured(lines))
        quadratics.append(populations.measured(quadratic(key, lines, middle)))
        fields.append(populations.measured(field(key, lines)))
    together = lambda found: Measures(*(np.stack(one, 1) for one in zip(*found, strict=True)))
    return {
        "measures": together(measures),
        "quadratic": together(quadratics),
        "fields": together(fields),
        "scales": scales,
        "bowls": np.concatenate([shares for _, shares in parts], 1),
        "change": change.reshape(len(keys), 2, -1).mean(1),
        "floors": np.array([lines.floor for lines in ladder]),
        "walks": {f"{size:g}": walked(null_key, C, params, size, ladder, settings) for size in settings.step_sizes},
    }


def bowls(lines, above):
    """How much of lines, and of their middle parts, a quadratic explains: the parts' half-widths, and the shares.

    From 0.4 of the lines' half-width on and `above` another; no point is evaluated anew.
    """
    (axis,) = lines.axes
    middle = len(axis) // 2
    reaches = [m for m in range(middle, middle // 3, -max(1, middle // 10))[::-1] if axis[middle + m] > above]
    part = lambda values, m: values[middle - m : middle + m + 1]
    shares = [[roughness.bowl((part(axis, m),), part(v, m), lines.floor) for m in reaches] for v in lines.values]
    return axis[[middle + m for m in reaches]], np.array(shares)


def walked(key, C, params, size, ladder, settings):
    """Information content of random walks, `[walks]`, judged by the floor of the lines nearest in scale."""
    reach = size * settings.steps**0.5  # about as far as a walk gets
    lines = min(ladder, key=lambda lines: abs(np.log(lines.axes[0][-1] / reach)))
    values = populations.walks(jax.random.split(key, settings.walks), C, params, settings.steps, size)
    return np.array([variation.information(walk, lines.floor) for walk in values])


def quadratic(key, lines, middle):
    """Of each line the quadratic of the same value, gradient and Hessian at the network, a `Population` like lines."""
    (axis,) = lines.axes
    nodes = axis[-1] * chebyshev_nodes(lines.at_nodes.shape[1])
    on_both = lines._replace(axes=(np.concatenate([axis, nodes]),))
    keys = jax.random.split(key, len(lines.values))
    values = np.stack([nulls.quadratic(k, on_both, *m) for k, *m in zip(keys, *middle, strict=True)])
    return lines._replace(values=values[:, : len(axis)], at_nodes=values[:, len(axis) :], hessians=middle[2][:, None])


def field(key, lines):
    """Of each line one Gaussian random field of its spectrum, a `Population`."""
    keys = jax.random.split(key, len(lines.values))
    drawn = [nulls.fields(k, lines._replace(values=v), 1)[0] for k, v in zip(keys, lines.values, strict=True)]
    return lines._replace(values=np.stack(drawn), at_nodes=None, hessians=None)


def bowl_ends(result, name):
    """Where each line's bowl ends, `[lines]`: as a half-width, and as the mean change of the outputs there."""
    found = result["networks"][name]
    ends = roughness.bowl_end(found["scales"], found["bowls"])
    at = lambda end, change: np.exp(np.interp(np.log(end), np.log(found["scales"]), np.log(change)))
    changes = [at(*both) if np.isfinite(both[0]) else np.inf for both in zip(ends, found["change"], strict=True)]
    return ends, np.array(changes)


def summaries(draws):
    """The summary of each column of `[lines, scales]`."""
    return [populations.summary(column) for column in draws.T]


def p_values(slices, fields):
    """How surely the lines differ from their random fields at each scale: Mann & Whitney 1947, two-sided."""
    known = lambda a: a[~np.isnan(a)]
    return np.array(
        [
            stats.mannwhitneyu(known(a), known(b)).pvalue if len(known(a)) and len(known(b)) else np.nan
            for a, b in zip(slices.T, fields.T, strict=True)
        ]
    )


def table(result):
    """Measures and nulls at some scales, the ends of the bowls, and the verdicts."""
    half_widths, networks = result["half_widths"], result["networks"]
    decades = sorted({int(np.abs(np.log(half_widths / h)).argmin()) for h in (0.01, 0.1, 1, 10, 100)})
    lines = ["median over lines (95 % interval); below: of their quadratics | of their random fields, * p < 0.001"]
    for name, found in networks.items():
        lines += ["", f"{name:20}" + "".join(f"{f'half-width {half_widths[i]:g}':>32}" for i in decades)]
        for measure in SHOWN:
            of_lines, of_bowls, of_fields = (
                getattr(found[kind], measure) for kind in ("measures", "quadratic", "fields")
            )
            said, below = f"{measure:20}", " " * 20
            p = p_values(of_lines, of_fields)
            for i in decades:
                one = populations.summary(of_lines[:, i])
                nulled = [populations.summary(of[:, i]).median for of in (of_bowls, of_fields)]
                said += f"{f'{one.median:.3g} ({one.low:.3g} to {one.high:.3g})':>32}"
                shown = " | ".join("-" if np.isnan(m) else f"{m:.3g}" for m in nulled)
                below += f"{shown + ('*' if p[i] < SURE else ' '):>32}"
            lines += [said, below]
    lines += ["", "where a bowl ends      as a half-width                          as a change of the outputs"]
    for name in networks:
        ends = [str(populations.summary(draws)) for draws in bowl_ends(result, name)]
        lines.append(f"  {name:20} {ends[0]:40} {ends[1]}")
    lines += ["", "information content of random walks through the whole space, by the length of a step"]
    for name, found in networks.items():
        walks = (f"{size}: {populations.summary(information)}" for size, information in found["walks"].items())
        lines.append(f"  {name:20} {'; '.join(walks)}")
    return [*lines, "", *verdicts(result)]


def verdicts(result):
    """What is claimed of a trained network, judged; and whether the instrument makes bumps of its own."""
    half_widths, networks = result["half_widths"], result["networks"]
    near, far = (half_widths >= NEAR[0]) & (half_widths <= NEAR[1]), half_widths >= FAR
    found, untrained = networks["trained"]["measures"], networks["untrained"]["measures"]
    beyond_one = sum(np.maximum(networks[name]["quadratic"].minima - 1, 0).sum() for name in networks)
    i = int(np.abs(np.log(half_widths / 0.316)).argmin())
    more = float(np.mean(found.chebyshev[:, i] > untrained.chebyshev[:, i]))
    lines = [
        common.verdict(
            f"training roughens: share of lines that need more Chebyshev coefficients, half-width {half_widths[i]:g}",
            more, 0.75,
        ),
        common.verdict("minima of all quadratics beyond the one that each may have", float(beyond_one), high=0.0),
    ]  # fmt: skip
    if near.any():
        least = populations.summary(found.bowl[:, near].min(1))
        claim = f"trained, a bowl nearby: least bowl share, half-width {NEAR[0]} to {NEAR[1]}"
        lines.append(common.verdict(claim, least, 0.95))
    if far.any():
        most, minima = (populations.summary(of[:, far].max(1)) for of in (found.bowl, found.minima))
        claim = f"trained, half-width {FAR:g} and more"
        lines.append(common.verdict(f"{claim}, no bowl: largest bowl share", most, high=0.95))
        lines.append(common.verdict(f"{claim}, bumpy: most minima of the grid on a line", minima, 2))
    return lines


def draw(path):
    """Every measure against half-width, and where the bowls end."""
    result = results.load(path)
    return common.save_figures(path, {"measures": draw_measures(result), "bowls": draw_bowls(result)})


PANELS = {  # title, and scale: a name, or from where on a logarithmic scale goes linearly to 0
    "minima": ("local minima of a line", 1),
    "depth": ("depth of the deepest, units of C", 1e-6),
    "total_variation": ("total variation, units of C", "log"),
    "excess_variation": ("excess variation, units of C", 1e-6),
    "roughness": ("roughness, C per squared half-width", 1e-5),
    "relative_roughness": ("relative roughness (a parabola: 6.5)", 1),
    "bowl": ("share of variance of the best quadratic", "linear"),
    "information": ("information content of the steps", "linear"),
    "correlation_length": ("correlation length, half-widths", "linear"),
    "frequency": ("mean frequency, cycles a half-width", "linear"),
    "chebyshev": ("Chebyshev coefficients for 0.1 %", "linear"),
    "negative_curvature": ("share that bends down", "linear"),
    "curvature_ratio": ("curvature ratio, down : up", 0.1),
}


def draw_measures(result):
    """A panel a measure: medians with their intervals, and the fields' medians dotted."""
    half_widths, networks = result["half_widths"], result["networks"]
    figure = common.figure(19, 11.5)
    axes = figure.subplots(3, 5).ravel()
    for ax, (measure, (title, scale)) in zip(axes, PANELS.items(), strict=False):
        ax.set_xscale("log")
        ax.set_yscale(**({"value": scale} if isinstance(scale, str) else {"value": "symlog", "linthresh": scale}))
        for i, (name, found) in enumerate(networks.items()):
            of_lines, fields = getattr(found["measures"], measure), getattr(found["fields"], measure)
            points = summaries(of_lines)
            colour = plot.medians(ax, half_widths, points, name, lw=1.5).get_color()
            ax.plot(half_widths, [populations.summary(column).median for column in fields.T], ":", color=colour)
            sure = p_values(of_lines, fields) < SURE
            ax.plot(half_widths[sure], [p.median for p, s in zip(points, sure, strict=True) if s], ".", color=colour)
            endless = [h for h, p in zip(half_widths, points, strict=True) if np.isinf(p.median)]
            ax.plot(endless, [0.97 - 0.05 * i] * len(endless), "^", color=colour, transform=ax.get_xaxis_transform())
            if "units of C" in title:
                ax.plot(half_widths, found["floors"], color=colour, lw=0.5)
        mark_ends(ax, result)
        ax.set_title(title, fontsize=11)
    last, words = axes[len(PANELS) :]
    last.set_xscale("log")
    last.set_yscale("log")
    for name, found in networks.items():
        plot.medians(last, found["scales"], summaries(found["change"]), name, lw=1.5)
    mark_ends(last, result)
    last.set_title("mean change of the outputs at the ends", fontsize=11)
    for ax in axes[: len(PANELS) + 1]:
        ax.grid(alpha=0.3)
        ax.set_xlim(half_widths[0] / 1.5, half_widths[-1] * 1.5)
        ax.yaxis.set_minor_formatter(NullFormatter())
        if ax.get_yscale() == "symlog" and ax.get_ylim()[1] < 100:
            ax.yaxis.set_major_formatter("{x:g}")
        ax.tick_params(labelsize=9)
    for ax in axes[-6:-1]:
        ax.set_xlabel("half-width of the line")
    words.set_axis_off()
    for kind, label in (
        (":", "random fields of the same spectra"),
        (".", f"differs from its fields, p < {SURE}"),
        ("^", "infinite; of Chebyshev: too few nodes"),
        ("-", "thin: noise floor"),
        ("--", "median end of a bowl"),
    ):
        axes[0].plot([], [], kind, color="gray", lw=0.5 if kind == "-" else 1.5, label=label)
    words.legend(*axes[0].get_legend_handles_labels(), loc="center", fontsize=10, frameon=False).set_in_layout(False)
    end = populations.summary(bowl_ends(result, "trained")[0])
    figure.suptitle(
        f"How bumpy C is, by scale: about the trained network a bowl up to a half-width of {end.median:.2g}\n"
        f"{len(found['change'])} random lines through each of three networks {'-'.join(map(str, result['sizes']))}, "
        "median and 95 % interval; 1 = the length of each neuron's weights; nothing below the noise floor counts",
        fontsize=13,
    )
    return figure


def mark_ends(ax, result):
    """Where the bowls end, in the colours of the networks' curves."""
    for i, name in enumerate(result["networks"]):
        end = populations.summary(bowl_ends(result, name)[0])
        if np.isfinite(end.median):  # else the bowl goes on beyond the picture
            ax.axvline(end.median, color=f"C{i}", ls="--", lw=0.8)


def draw_bowls(result):
    """How much of a line a quadratic explains, by half-width and by the change of the outputs."""
    networks = result["networks"]
    figure = common.figure(12, 4.8)
    left, right = figure.subplots(1, 2, sharey=True)
    for i, (name, found) in enumerate(networks.items()):
        shares, changes = summaries(found["bowls"]), [s.median for s in summaries(found["change"])]
        for ax, x, ends in zip((left, right), (found["scales"], changes), bowl_ends(result, name), strict=True):
            end = populations.summary(ends)
            plot.medians(ax, x, shares, f"{name}, ends at {end.median:.2f} ({end.low:.2f} to {end.high:.2f})")
            if np.isfinite(end.median):
                ax.axvspan(*np.clip((end.low, end.high), x[0], x[-1]), color=f"C{i}", alpha=0.15, lw=0)
                ax.axvline(end.median, color=f"C{i}", lw=0.8)
    for ax, label in (
        (left, "half-width, 1 = the length of each neuron's weights"),
        (right, "mean change of the outputs"),
    ):
        ax.axhline(0.95, color="black", ls=":", lw=1)
        ax.set_xscale("log")
        ax.set_xlabel(label)
        ax.grid(alpha=0.3)
        ax.legend(loc="lower left", fontsize=9)
    left.set_ylabel("share of a line's variance that a quadratic explains")
    figure.suptitle(
        "Where a bowl ends: a quadratic explains less than 95 % (dotted); uprights: median end and its interval\n"
        f"{len(found['change'])} random lines a network, 95 % intervals; where no residual exceeds the noise floor "
        f"({max(f['floors'].max() for f in networks.values()):.0e} at most) the share is 1",
        fontsize=11,
    )
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
