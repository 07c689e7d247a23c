"""Eigenvectors of the Hessian are directions like any other: what their planes show, and what random planes hide.

Cuts planes through a trained home network: along eigenvectors, which Böttcher & Wheeler 2022 (arXiv 2208.13219) propose
since random planes miss saddles, along random directions, and along its path's own principal components. Splits the
gradient of several networks by step: Gur-Ari et al. 2018 (arXiv 1812.04754) find that it soon lies in the space of as
many top eigenvectors as there are classes, its share being close to 1. And maps where C is convex: Li et al. 2018
(arXiv 1712.09913), section 6, find negative eigenvalues below a hundredth of the positive ones where these look convex.

    python experiments/eigen_planes.py                          the embedded digits
    python experiments/eigen_planes.py --data FOLDER            any four IDX files

All planes have directions of length 1 at right angles, so that an axis is a distance of parameters, and the end of the
path as origin. Of the path a plane holds the squared distance from start to end within it, over that in the whole
space. Of C's fall it shows (C at the point nearest to the start - C at the end) / (C at the start - C at the end). The
gradient's share is sum_i (v_i . g)^2 / |g|^2. A plane looks convex where its own two-by-two Hessian is positive.

Expect, on the embedded digits, seeds 0 to 2, jax 0.10.2, 75 to 78 % of the gradient in the top 10 after the first epoch
(69 to 90), and 0.08 % of a random direction: most of it. Yet the plane of the top two at the end holds 0.010 to 0.015 %
of the path, random ones 0.001 to 0.1 %, and shows 0.04 to 0.6 % of C's fall; the path's own components hold 92 to 93 %
and show 13 to 15 %. Random planes are nearly at right angles to the top eigenvector, |cos| 0.003 to 0.013, and bend by
4e-5 to 3e-4, not 0.05 to 0.07. |lowest / highest| is 0.29 to 0.35 where the plane looks convex, a third of 441 points
(seed 0): not below 0.01, but less than 0.6 to 0.7 elsewhere; at five points dense matrices have both ends within 1e-4.
Nowhere is C convex. Three minutes on two cores.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import numpy as np
from common import setting

from jaxcost import cost, descent, directions, network, plot, results, slices, statistics, trajectories
from jaxcost.curvature import convexity, lanczos

K = 10  # eigenvectors in which the gradient is sought: as many as classes
TOP, RANDOM = "top two eigenvectors", "random, filter-normalised"


@dataclass(frozen=True)
class Settings(common.Trained):
    """Whose planes, how wide, and where eigenvalues are asked for."""

    networks: int = setting(6, "networks whose gradients are split, the fewest that give an interval", small=2)
    records: int = setting(240, "networks kept along each path beside the start", small=20)
    shares: int = setting(9, "records at which a gradient is split, some of which may coincide", small=3)
    near: float = setting(3.0, "half-width near the network; at 1 C is doubled along the top eigenvector")
    points: int = setting(41, "grid points a side of the planes", small=11)
    reach: float = setting(1.0, "half-width of the map of convexity, in lengths of the weights")
    grid: int = setting(21, "grid points a side of that map, each with a Lanczos run of its own", small=3)


class Plane(NamedTuple):
    """C on a plane through the end of a training path, along two directions of length 1 at right angles.

    Attributes:
        near: as far as C changes along the top eigenvector, a `Slice`.
        far: as far as the projected path goes.
        coordinates: of each step on the plane, `[steps, 2]`.
        off: distance of each step from it, `[steps]`.
        shown: C at the point of the plane that stands for the step, `[steps]`.
        curvatures: the least and the largest second derivative of C along its directions, at the end, `[2]`.
        holds: |cosine| of the highest, the second and the lowest eigenvector with the plane, `[3]`.
    """

    near: slices.Slice
    far: slices.Slice
    coordinates: np.ndarray
    off: np.ndarray
    shown: np.ndarray
    curvatures: np.ndarray
    holds: np.ndarray


class Result(NamedTuple):
    """A training path, planes through its end, gradients split, and a map of convexity.

    Attributes:
        costs: C at the recorded steps of the first network, whose are the planes, `[steps]`.
        values: its K highest eigenvalues at the end, falling, and the two lowest ones.
        planes: `Plane`s, by name.
        steps: at which gradients are split, `[records]`.
        shares: of each squared gradient, what lies in the K top eigenvectors, `[networks, records]`.
        null: the same of a random direction.
        surface: C on a filter-normalised random plane, a `Slice`.
        within: the least second derivative within it, on a coarser grid.
        whole: the ends of the whole Hessian's spectrum there, a `convexity.Convexity`.
    """

    costs: np.ndarray
    values: np.ndarray
    planes: dict[str, Plane]
    steps: np.ndarray
    shares: np.ndarray
    null: float
    surface: slices.Slice
    within: np.ndarray
    whole: convexity.Convexity


def run(settings):
    """Train, find eigenvectors, cut along them and elsewhere, split gradients, map convexity."""
    train, _ = common.images(settings)
    C = cost.Cost(train)
    train_key, key, random_key, filter_key, map_key = jax.random.split(jax.random.key(settings.seed), 5)
    keys = jax.random.split(train_key, settings.networks)
    trained = common.train_many(keys, C, settings, records=settings.records, keep=True)
    runs = [trained.network(i) for i in range(len(keys))]
    path, end, costs = runs[0].trajectory, runs[0].params, np.asarray(runs[0].costs)
    top = lanczos.top_eigenpairs(key, C, end, K)
    bottom = lanczos.top_eigenpairs(key, C, end, 2, which="lowest")
    seen = first, _, lowest = top.direction(0), top.direction(1), bottom.direction(1)
    pairs = {
        TOP: seen[:2],
        "bottom two": (lowest, bottom.direction(0)),
        "top and bottom": (first, lowest),
        "random": directions.random(random_key, end, 2, normalize=None),
        RANDOM: directions.random(filter_key, end, 2),
        "the path's components": trajectories.principal(path).directions,
    }
    near = np.linspace(-1, 1, settings.points) * settings.near * np.sqrt(2 * costs[-1] / top.values[0])
    planes = {name: cut(C, path, directions.orthonormal(*pair), near, seen) for name, pair in pairs.items()}
    records = np.unique(np.geomspace(1, len(trained.steps), settings.shares).astype(int) - 1)
    vectors = lambda params: lanczos.top_eigenpairs(key, C, params, K, tolerance=1e-2).vectors
    share = lambda params: lanczos.share(descent.gradient(C, params), vectors(params))
    shares = [[share(run.at(record)) for record in records] for run in runs]

    fine, coarse = (np.linspace(-settings.reach, settings.reach, n) for n in (settings.points, settings.grid))
    surface = slices.plane(C, end, *pairs[RANDOM], fine, fine)
    points = np.stack(np.meshgrid(coarse, coarse, indexing="ij"), -1).reshape(-1, 2)
    within = np.linalg.eigvalsh(slices.derivatives(C, *surface.frame, points)[2])[:, 0]
    whole = convexity.of_grid(map_key, C, surface.frame, (coarse, coarse))
    split = trained.steps[records], np.array(shares), K / network.size(end)
    mapped = surface, within.reshape(whole.lowest.shape), whole
    return Result(costs, np.append(top.values, bottom.values), planes, *split, *mapped), {"data": train.fingerprint}


def cut(C, path, pair, near, seen):
    """A plane through the end of a path, and what it has of the path, of C's fall and of the eigenvectors seen."""
    end = jax.tree.map(lambda leaf: leaf[-1], path)
    here, off = trajectories.coordinates(path, end, pair)
    far = 1.1 * np.abs(here).max() / near[-1] * near
    curvatures = np.linalg.eigvalsh(slices.derivatives(C, end, pair, np.zeros((1, 2)))[2][0])
    holds = np.array([np.hypot(*(float(directions.cosine(v, u)) for u in pair)) for v in seen])
    near, far = (slices.plane(C, end, *pair, axis, axis, progress=False) for axis in (near, far))
    return Plane(near, far, here, off, slices.evaluate(C, end, pair, here), curvatures, holds)


def held(plane):
    """Of the squared distance from start to end, what lies within the plane."""
    within = np.sum(plane.coordinates[0] ** 2)
    return float(within / (within + plane.off[0] ** 2))


def fall(result, plane):
    """Of C's fall, what the plane shows."""
    return float((plane.shown[0] - result.costs[-1]) / (result.costs[0] - result.costs[-1]))


def table(result):
    """What each plane holds and shows; the gradient's share by step; convexity; the verdicts."""
    rows = [["", "of the path", "start off it", "of C's fall", "C bends by", "to", "|cos| v1", "v2", "lowest"]]
    for name, plane in result.planes.items():
        told = f"{held(plane):.3%}", float(plane.off[0]), f"{fall(result, plane):.3%}", *map(float, plane.curvatures)
        rows.append([name, *told, *(f"{one:.3f}" for one in plane.holds)])
    chance = 2 * result.null / K  # of two directions of n
    rows.append(["expected of random ones", f"{chance:.3%}", "", "", "", "", *[f"{np.sqrt(chance):.3f}"] * 3])
    shares = [["step", f"gradient's share in the top {K}"]]
    shares += [[step, common.median_of(of, ".2f")] for step, of in zip(result.steps, result.shares.T, strict=True)]
    looks, ratio = result.within > 0, result.whole.ratio
    inside, outside = (ratio[chosen] if chosen.any() else np.array([np.nan]) for chosen in (looks, ~looks))
    late = statistics.summary(result.shares[:, result.steps >= result.steps[-1] / 30].mean(1))  # after epoch 1 of 30
    claim, li = "|lowest / highest| where it looks convex", {"source": "Li et al. 2018"}
    return [
        f"{K} highest and 2 lowest eigenvalues: " + " ".join(f"{one:.3g}" for one in result.values),
        "",
        *common.columns(rows),
        "",
        *common.columns(shares),
        f"a random direction: {result.null:.5f}",
        "",
        f"the plane looks convex at {looks.sum()} of {looks.size} points, C is at {(result.whole.lowest > 0).sum()}",
        f"|lowest / highest| eigenvalue: {common.median_of(inside)} where so, {common.median_of(outside)} elsewhere",
        "",
        common.verdict(f"gradient's share in the top {K}", late, low=0.9, whole=True, source="Gur-Ari et al. 2018"),
        common.verdict(claim, float(np.median(inside)), high=0.01, **li),
        common.verdict(f"{claim}, less that elsewhere", float(np.median(inside) - np.median(outside)), high=0, **li),
        common.verdict("share of the path that the random plane holds", held(result.planes[RANDOM]), high=0.01),
        common.verdict("share of C's fall on the plane of the top two", fall(result, result.planes[TOP]), low=0.5),
    ]


def draw(path):
    """The planes near and far; the gradient's share and the map of convexity."""
    result = results.load(path)
    return common.save_figures(path, {"planes": draw_planes(result), "hessian": draw_hessian(result)})


def draw_planes(result):
    """Each plane near the network, all in one colour scale, and below as far as the projected path goes."""
    figure = common.figure(3.2 * len(result.planes), 6.4)
    axes = figure.subplots(2, len(result.planes))
    scale = plot.norm(np.stack([plane.near.values for plane in result.planes.values()]))
    for (near, far), (name, plane) in zip(axes.T, result.planes.items(), strict=True):
        plot.contour(near, plane.near, filled=True, scale=scale)
        near.set_title(f"{name}\nC bends by {plane.curvatures[0]:.1g} to {plane.curvatures[1]:.1g}", fontsize=10)
        plot.contour(far, plane.far, filled=True)
        plot.trajectory(far, plane.coordinates[::-4][::-1], plane.off[::-4][::-1])
        far.set_title(f"{held(plane):.2g} of the squared way,\n{fall(result, plane):.2g} of C's fall", fontsize=10)
        far.set_xlabel("distance along the first")
    axes[0, 0].set_ylabel("near it, one colour scale\n\ndistance along the second", fontsize=10)
    axes[1, 0].set_ylabel("as far as the path goes, own scales\n\ndistance along the second", fontsize=10)
    figure.suptitle(
        "C on planes through one trained network (+); axes are distances of parameters; along the top eigenvector C "
        f"doubles at {np.sqrt(2 * result.costs[-1] / result.values[0]):.2g}.\nRed: the training path projected, square "
        f"to star, larger dots further off; it starts {np.linalg.norm([*plane.coordinates[0], plane.off[0]]):.3g} away"
    )
    return figure


def draw_hessian(result):
    """The gradient's share by step; a plane, its least curvature, and |lowest / highest| of the whole Hessian."""
    figure = common.figure(19, 4.6)
    ax, surface, *maps = figure.subplots(1, 4)
    steps = np.arange(len(result.steps))
    plot.band(ax, steps, result.shares, f"{len(result.shares)} networks, median and extremes", marker="o")
    ax.axhline(result.null, color="gray", ls="--", label=f"a random direction, {result.null:.2g}")
    ax.set_xticks(steps, [f"{step:,}" for step in result.steps], rotation=45)
    ax.set(xlabel="step", ylabel="share of the squared gradient", ylim=(-0.02, 1.02))
    ax.set_title(f"The gradient's share in the {K} top eigenvectors", fontsize=10)
    common.tidy(ax, loc="lower center")
    plot.contour(surface, result.surface, filled=True)
    surface.set_title(f"C, α and β: {common.LENGTH}", fontsize=9)
    most = np.abs(result.within).max()
    within = result.within, "RdBu", -most, most, "least second derivative", "in the plane, red where not convex"
    whole = result.whole.ratio, "magma_r", 0, None, "|lowest / highest| eigenvalue", "of the Hessian, 0 where convex"
    for ax, (values, colours, low, high, name, where) in zip(maps, (within, whole), strict=True):
        mesh = ax.pcolormesh(*result.whole.axes, values.T, cmap=colours, vmin=low, vmax=high)
        plot.colour_bar(ax, mesh, name)
        ax.set_title(f"{name[0].upper()}{name[1:]}\n{where}", fontsize=10)
    for ax in (surface, *maps):
        ax.set(xlabel="α", ylabel="β", aspect="equal")
    figure.suptitle("Top eigenvectors hold most of the gradient; where a filter-normalised random plane looks convex")
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
