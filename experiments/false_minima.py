"""Rounding makes bumps: how many in which precision, and whether any is deeper than the noise floor.

Cuts one plane about a trained network at ever smaller half-widths, in float64, in float32, and with the operands of
the matrix products rounded as GPUs (TF32) and TPUs (bfloat16) do by default, and counts local minima with and
without the noise floor. Then 1,000 smooth random lines in float32, whose true minima float64 tells.

    python experiments/false_minima.py                    the embedded digits
    python experiments/false_minima.py --data FOLDER      MNIST
    python experiments/false_minima.py --images 0         all images, which takes longer

The floor of the imitated precisions is measured against the exact cost, as that of the others.

Expect, on 4,000 embedded digits and 41 x 41 points, no false minimum with the floor, in any precision, on the
planes and on the 1,000 lines. Without it

    half-width    float64  float32     TF32  bfloat16
    1 and 0.1           1        1        1         1
    0.01                1        1       37        98
    0.001               0        0      104        95
    0.0001              0        0      106        91
    0.00001             0        7       87        44

and 98 false ones on the lines beside 73 true ones. The floor has its price: of these it hides 13, too shallow for
float32, and on the planes that at half-width 0.01 in bfloat16. A flat bottom counts as one minimum. About 50 s on
two cores.
"""

from dataclasses import dataclass

import common
import jax
import jax.numpy as jnp
import numpy as np
import optax
from common import setting

from jaxcost import cost, descent, directions, network, populations, results, slices
from jaxcost.engine import noise
from jaxcost.engine.quantities import VALUES
from jaxcost.engine.sweep import sweeps
from jaxcost.measures import bumpiness


@dataclass(frozen=True)
class Settings:
    """What is cut, where and how finely."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    images: int = setting(4000, "take only so many images, 0 for all; nothing is hoisted of the imitated", small=500)
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network")
    seed: int = setting(0, "makes the network, the order of the images and the directions")
    rate: float = setting(1.5, "Nielsen's learning rate 3, for a cost without his factor 1/2")
    batch: int = setting(10, "Nielsen's mini-batch")
    epochs: int = setting(30, "Nielsen's number of epochs")
    half_widths: tuple = setting(
        (1.0, 0.1, 0.01, 0.001, 0.0001, 0.00001), "1 is the length of each neuron's weights", small=(1.0, 0.001)
    )
    points: int = setting(41, "grid points a side of the plane", small=21)
    shown: float = setting(0.0001, "half-width of the line that is drawn")
    shown_points: int = setting(201, "its points", small=51)
    lines: int = setting(1000, "random lines", small=50)
    line_half_width: float = setting(0.001, "so near that C is smooth")
    line_points: int = setting(101, "points of each")
    line_images: int = setting(500, "images of theirs, few for speed")


def rounded(bits):
    """`network.feedforward` with all operands of its matrix products rounded to so many bits after the first."""
    less = lambda a: jax.lax.reduce_precision(a, exponent_bits=8, mantissa_bits=bits)

    def feedforward(x, w, b):
        a = x
        for weights, biases in zip(w, b, strict=True):
            a = jax.nn.sigmoid(less(weights) @ less(a) + biases)
        return a

    return feedforward


NETWORKS = {
    "float64": network.feedforward,
    "float32": network.feedforward,
    "TF32": rounded(10),
    "bfloat16": rounded(7),
}


def run(settings):
    """Train; count on planes and on lines."""
    train, _ = common.images(settings.data, settings.images)
    C = cost.Cost(train)
    init_key, batch_key, u_key, v_key, line_key = jax.random.split(jax.random.key(settings.seed), 5)
    start = network.init(init_key, settings.sizes)
    print(f"{len(train):,} images, {'-'.join(map(str, settings.sizes))}, {network.size(start):,} parameters")
    steps = settings.epochs * (len(train) // settings.batch)
    trained = descent.descend(
        batch_key, C, start, optax.sgd(settings.rate), steps=steps, batch=settings.batch, every=steps
    )
    params = trained.params
    print(f"trained for {steps:,} steps: C = {trained.costs[-1]:.4f}")

    u, v = (directions.filter_normalized(directions.gaussian(k, params), params) for k in (u_key, v_key))
    axis = np.linspace(-1, 1, settings.points)
    square = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
    alphas = settings.shown * np.linspace(-1, 1, settings.shown_points)
    planes, shown = {}, {}
    for name in NETWORKS:
        planes[name] = [
            {
                "all": bumpiness.local_minima(values.reshape(len(axis), -1)).count,
                "deeper": bumpiness.local_minima(values.reshape(len(axis), -1), floor).count,
                "floor": floor,
            }
            for values, floor in (in_precision(name, C, params, (u, v), h * square) for h in settings.half_widths)
        ]
        shown[name] = dict(zip(("values", "floor"), in_precision(name, C, params, (u,), alphas[:, None]), strict=True))
        print(f"cut in {name}: {len(planes[name])} planes, {len(planes[name]) * len(square):,} points")
    result = {
        "cost": float(trained.costs[-1]),
        "half_widths": list(settings.half_widths),
        "points": settings.points,
        "planes": planes,
        "alphas": alphas,
        "shown": shown,
        "lines": on_lines(cost.Cost(train[: settings.line_images]), params, line_key, settings),
    }
    return result, {"data": train.fingerprint, "images": len(train)}, table(result)


def in_precision(name, C, origin, along, points):
    """C at points of a slice as one precision has it, and its noise floor against the exact cost."""
    with jax.enable_x64(name == "float64"):
        dtype = np.float64 if name == "float64" else np.float32
        origin, along = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (origin, along))
        points = points.astype(dtype)
        values = slices.evaluate(cost.Cost(C.images, NETWORKS[name]), origin, along, points)
        return values, noise.floor(C, origin, along, points, values)


def on_lines(C, params, key, settings):
    """Minima of random lines in float32, with and without the floor, and in float64, `[lines]` each."""
    draw, keys = populations.about(params), jax.random.split(key, settings.lines)
    (lines,) = populations.grids(keys, C, draw, [settings.line_half_width], points=settings.line_points)
    drawn = [jax.tree.map(np.asarray, draw(key)) for key in keys]  # outside of x64, where keys give other numbers
    with jax.enable_x64(True):
        as64 = jax.tree.map(lambda leaf: jnp.asarray(leaf, np.float64), drawn)
        exact = sweeps(VALUES, C, as64, lines.axes[0][:, None])
    count = lambda values, floor=0.0: np.array([bumpiness.local_minima(one, floor).count for one in values])
    return {
        "all": count(lines.values),
        "deeper": count(lines.values, lines.floor),
        "true": count(exact),
        "floor": lines.floor,
        "half_width": settings.line_half_width,
        "images": C.n,
    }


def false(lines, kind):
    """`(false, missed)` minima of all lines together: those beyond the true number on a line, and those short of it."""
    beyond = lines[kind] - lines["true"]
    return int(np.maximum(beyond, 0).sum()), int(np.maximum(-beyond, 0).sum())


def false_on_planes(result, kind):
    """Minima of the planes of all other precisions beyond those that float64 has."""
    planes = result["planes"]
    return sum(
        max(0, one[kind] - exact[kind])
        for name in planes
        for one, exact in zip(planes[name], planes["float64"], strict=True)
    )


def table(result):
    """Minima by half-width and precision, those of the lines, and the verdicts."""
    points, planes, lines = result["points"], result["planes"], result["lines"]
    said = [
        f"local minima of a {points} x {points} plane, all of the grid -> deeper than the noise floor (floor)",
        "",
        "half-width" + "".join(f"{name:>26}" for name in planes),
    ]
    for i, half_width in enumerate(result["half_widths"]):
        cells = [f"{p[i]['all']} -> {p[i]['deeper']}  ({p[i]['floor']:.0e})" for p in planes.values()]
        said.append(f"{half_width:>10g}" + "".join(f"{cell:>26}" for cell in cells))
    said += [
        "",
        f"{len(lines['true']):,} random lines, half-width {lines['half_width']:g}, float32, {lines['images']} images: "
        f"{lines['true'].sum()} minima in float64",
    ]
    for kind, how in (("all", "without the floor"), ("deeper", f"with the floor, {lines['floor']:.0e}")):
        found, missed = false(lines, kind)
        said.append(f"  {how:24} {lines[kind].sum():>4} counted, {found} false, {missed} of the true ones missed")
    return [
        *said,
        "",
        common.verdict("false minima deeper than the floor, all planes", false_on_planes(result, "deeper"), high=0.0),
        common.verdict("false minima deeper than the floor, all lines", false(lines, "deeper")[0], high=0.0),
        common.verdict("rounding makes bumps: false minima of all planes", false_on_planes(result, "all"), low=1.0),
    ]


def draw(path):
    """Minima by half-width, without and with the floor, and a line in each precision."""
    return common.save_figures(path, {"precisions": draw_precisions(results.load(path))})


def draw_precisions(result):
    """Above, counts by half-width; below, the same line in each precision, the floor as a band."""
    figure = common.figure(14, 8)
    top, bottom = figure.subfigures(2, 1, height_ratios=(1.1, 1))
    left, right = top.subplots(1, 2, sharey=True)
    for i, (name, planes) in enumerate(result["planes"].items()):
        style = {"color": f"C{i}", "lw": (7, 4.5, 2.5, 1)[i]}  # the thinner over the thicker: all are seen
        for ax, kind in ((left, "all"), (right, "deeper")):
            ax.plot(result["half_widths"], [plane[kind] for plane in planes], "o-", label=name, **style)
    for ax, title in (
        (left, "without the floor: all local minima of the grid"),
        (right, f"deeper than the noise floor: {false_on_planes(result, 'deeper')} false ones"),
    ):
        ax.set_xscale("log")
        ax.set_yscale("symlog", linthresh=1)
        ax.set_ylim(-0.2, 300)
        ax.set_yticks([0, 1, 10, 100], ["0", "1", "10", "100"])
        ax.set_xlabel("half-width of the plane")
        ax.set_title(title)
        ax.grid(alpha=0.3)
    left.set_ylabel("local minima")
    left.legend()
    exact = result["shown"]["float64"]["values"]
    middle = exact[len(exact) // 2]
    for ax, (i, (name, shown)) in zip(bottom.subplots(1, 4), enumerate(result["shown"].items()), strict=True):
        ax.fill_between(
            result["alphas"], exact - middle - shown["floor"], exact - middle + shown["floor"],
            color="gray", alpha=0.25, lw=0, label="± noise floor",
        )  # fmt: skip
        ax.plot(result["alphas"], np.float64(shown["values"]) - middle, color=f"C{i}", lw=0.8, label=name)
        if i:
            ax.plot(result["alphas"], exact - middle, color="black", lw=0.8, ls="--", label="float64")
        ax.set_title(f"{name}, floor {shown['floor']:.0e}", fontsize=10)
        ax.set_xlabel("α")
        ax.locator_params(axis="x", nbins=3)
        ax.ticklabel_format(scilimits=(0, 0))
        ax.legend(fontsize=8, loc="upper left")
        ax.grid(alpha=0.3)
    bottom.axes[0].set_ylabel("C less its value in the middle")
    points = result["points"]
    top.suptitle(f"Rounding makes bumps: one {points} × {points} plane about a trained network, by precision")
    bottom.suptitle("One line in each precision: what rounding adds lies within the noise floor; mind the scales")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
