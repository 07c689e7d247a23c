"""Malformed calls, generated: one table of valid calls, and each of their arguments spoilt in turn, in every way.

A call must be refused by a line of the kit that says `raise`, with a message of what was given and what is expected; or
it stands in the list of what is legal. Nothing else may happen: no number, no error of Python or of another library.
"""

import ast
import functools
import importlib
import re
import struct
import types
import warnings
import zlib
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree
from matplotlib.figure import Figure

import jaxcost
from jaxcost import (
    checkpoints,
    checks,
    cost,
    data,
    descent,
    devices,
    directions,
    layers,
    losses,
    network,
    populations,
    results,
    slices,
    statistics,
    tails,
)
from jaxcost.connectivity import curves, paths, symmetry
from jaxcost.curvature import density, lanczos
from jaxcost.engine import bars, coordinates, trees
from jaxcost.measures import bumpiness, minima
from jaxcost.measures import images as images_of

VARIATIONS = ("total_variation", "excess_variation", "largest_rise", "information", "checked")
PACKAGE = Path(jaxcost.__file__).parent
ROOMS = re.findall(r"^    ([\w.]+)  ", jaxcost.__doc__, re.M)
# called by the kit alone, and so is the engine
INNER = {"checks.shown", "directions.moved_leaf", "losses.fit", "measures.newton"}
EVERY = 40  # of all calls so many are one of the quick test's


# the valid calls


@functools.cache
def things():
    """Images of six pixels, a 6-4-3 network, directions, slices and what else the calls take."""
    keys = jax.random.split(jax.random.key(0), 8)
    x, labels = jax.random.uniform(keys[0], (12, 6)), np.arange(12) % 3
    C = cost.Cost(data.Images(x, data.one_hot(labels, 3)))
    networks = [jax.tree.map(np.asarray, network.init(key, (6, 4, 3))) for key in keys[:5]]
    params, other, third, u, v = networks
    stacked = lambda *trees: jax.tree.map(lambda *leaves: np.stack(leaves), *trees)
    random, axis, line_axis = np.random.default_rng(0), np.linspace(-1, 1, 5), np.linspace(-1, 1, 9)

    def slice_of(axes, *along):
        shape, k = tuple(map(len, axes)), len(axes)
        values, per_image, per_class = (random.uniform(size=(*shape, *more)) for more in ((), (12,), (3,)))
        at = np.array([axis[np.abs(axis).argmin()] for axis in axes])
        values[tuple(n // 2 for n in shape)] = C(*directions.at(params, along, at))  # as `slices.check` asks
        frame = directions.Frame(params, along)
        return slices.Slice(axes, values, 1e-7, np.ones(k), np.eye(k), 0, values, per_class, per_image, values, frame)

    plane, line, sgd = slice_of((axis, axis), u, v), slice_of((line_axis,), u), optax.sgd(0.1)
    frames = [directions.Frame(params, (u,)), directions.Frame(other, (v,))]
    population = populations.Population((line_axis,), random.uniform(size=(2, 9)), 1e-7, frames=tuple(frames))
    run = descent.Run(params, np.ones(2), stacked(params, other), np.arange(2), {}, sgd.init(params))
    starts = stacked(params, other)
    many = descent.Run(starts, np.ones((2, 2)), stacked(starts, starts), np.arange(2), {}, sgd.init(params))
    return types.SimpleNamespace(
        key=keys[6], keys=keys[:2], images=C.images, C=C, params=params, other=other, third=third, u=u, v=v, axis=axis,
        plane=plane, line=line, frames=frames, path=stacked(*networks), starts=starts, sgd=sgd, run=run, many=many,
        population=population, measures=bumpiness.Measures(*np.ones((15, 2))),
        minima=minima.local_minima(plane.values, plane.floor),
        pairs=lanczos.Eigenpairs(np.ones(2), orthonormal(starts), np.ones(2), np.ones(2), 3),
        density=density.Density(np.ones((2, 3)), np.ones((2, 3)) / 3, 0.1, 43), layers=symmetry.of_dense(params),
        journey=checkpoints.Journey(plane, np.ones((3, 2)), *np.ones((3, 3)), np.ones(2)),
        curve=curves.Curve("bezier", stacked(params, third, other), axis[2:], np.ones(3), 1e-7, np.ones(2)),
    )  # fmt: skip


def orthonormal(stack):
    """Directions of length 1 at right angles, their leaves stacked, that span what these do."""
    flat = np.concatenate([leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(stack)], 1)
    _, unravel = ravel_pytree(jax.tree.map(lambda leaf: leaf[0], stack))
    return jax.tree.map(np.asarray, jax.vmap(unravel)(np.linalg.qr(flat.T)[0].T))


def write(folder):
    """The files that the calls read: four in the IDX form, and a result."""
    for part, n in (("train", 3), ("t10k", 2)):
        images, labels = (folder / f"{part}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
        images.write_bytes(struct.pack(">4B3I", 0, 0, 8, 3, n, 1, 6) + bytes(range(6 * n)))
        labels.write_bytes(struct.pack(">4BI", 0, 0, 8, 1, n) + bytes(range(n)))
    results.save(folder / "saved.npz", things().params)


EXTREME = functools.partial(lanczos.extreme, lambda v: v @ np.diag([1.0, 2.0, 3.0]), rng=np.random.default_rng(0))


def calls(folder):
    """The table: of each public function its name (and a word that tells a row from others), what it takes, and itself
    where the name does not say.
    """
    t = things()
    key, keys, C, params, u, v, axis, images = t.key, t.keys, t.C, t.params, t.u, t.v, t.axis, t.images
    (w, b), x, y, a = params, images.x[0], images.y[0], jnp.array([0.2, 0.3, 0.9])
    points, wave, draws = np.zeros((3, 2)), np.cos(np.arange(9.0)), np.linspace(0, 1, 200) ** 0.5
    ax, solid = Figure().subplots(), Figure().add_subplot(projection="3d")
    memory = {"memory": 1 << 30, "progress": False}
    slice_, line, frames = (
        {"origin": params, "directions": (u, v)},
        {"axes": (t.line.axes[0],), "values": wave},
        t.frames,
    )
    training = {"C": C, "optimizer": t.sgd, "steps": 2, "batch": 5, "every": 1, "watch": {"C": C}, "keep": True}
    ends, passes = {"C": C, "a": params, "b": t.other, "optimizer": t.sgd}, np.ones((3, 3)) - np.eye(3)
    half_widths, moving = np.arange(1.0, 4), t.plane.frame.moving()
    of = dict  # the arguments of a call
    return [
        ("checks.whole", of(value=3), functools.partial(checks.whole, "n", least=1, most=5)),
        ("checks.number", of(value=0.5), functools.partial(checks.number, "share", low=0, high=1)),
        ("checks.numbers", of(value=wave), functools.partial(checks.numbers, "draws", ndim=1, finite=True)),
        ("checks.real", of(value=a), functools.partial(checks.real, "a")),
        ("checks.one_of", of(value="zero"), functools.partial(checks.one_of, "biases", allowed=("zero", "entry"))),
        ("checks.flag", of(value=False), functools.partial(checks.flag, "progress")),
        ("checks.function", of(value=len), functools.partial(checks.function, "f")),
        ("checks.listed", of(value=[1, 2]), functools.partial(checks.listed, "groups")),
        ("checks.having", of(value=t.plane), lambda value: checks.having("slice_", value, "axes", "frame")),
        ("checks.key", of(value=key), functools.partial(checks.key, "key")),
        ("checks.key many", of(value=keys), functools.partial(checks.key, "keys", ndim=1)),
        ("checks.chosen", of(which=[0, 3]), functools.partial(checks.chosen, n=12, name="images")),
        ("checks.images", of(value=images)),
        ("checks.classes", of(y=images.y)),
        ("checks.path", of(value="file"), functools.partial(checks.path, "path")),
        ("checks.tree", of(value=params), functools.partial(checks.tree, "params")),
        ("data.Images.__getitem__", of(which=[0, 3]), images.__getitem__),
        ("data.images", of(x=np.ones((3, 2)), y=[0, 2, 1], classes=3, flat=True)),
        ("data.one_hot", of(labels=[0, 2], classes=3)),
        ("data.labels", of(y=images.y)),
        ("data.read_idx", of(path=folder / "train-images-idx3-ubyte", ndim=3, sha256=None)),
        ("data.load", of(folder=folder, classes=10)),
        ("data.mnist", of(folder=folder, mirrors=("nowhere",), timeout=1.0)),
        *((f"losses.{loss}", of(a=a, y=y)) for loss in ("quadratic", "absolute", "cross_entropy")),
        *((f"losses.{loss}", of(z=a, y=y)) for loss in ("sigmoid_cross_entropy", "softmax_cross_entropy", "hinge")),
        ("losses.weight_decay", of(rate=0.1, biases=False)),
        ("statistics.summary", of(draws=draws, confidence=0.95)),
        ("statistics.draws_for", of(width=0.1, draws=draws, confidence=0.95)),
        ("statistics.proportion", of(successes=2, n=9, confidence=0.95)),
        ("statistics.trend", of(groups=[draws, draws + 1])),
        ("statistics.kendall", of(x=wave, y=wave[::-1], confidence=0.95)),
        ("statistics.mann_whitney", of(a=wave, b=draws)),
        ("statistics.p_value", of(observed=0.5, null=draws)),
        ("resampling.bootstrap", of(key=key, statistic=lambda g: g[0].mean(-1), groups=[draws], levels=1)),
        ("resampling.nested", of(key=key, draws=[draws, draws + 1], confidence=0.95)),
        ("resampling.shared", of(draws=[draws, draws + 1], confidence=0.95)),
        ("tails.lower_tail", of(draws=draws, share=0.05)),
        ("tails.Tail.log10_share", of(values=0.01), tails.Tail(0.2, 0.05, -0.5, 0.1).log10_share),
        ("tails.share_of_largest", of(values=draws, part=0.1)),
        ("engine.trees.fitted", of(tree=u, like=params), functools.partial(trees.fitted, name="u")),
        ("engine.trees.pick", of(index=1), functools.partial(trees.pick, t.path)),
        ("engine.coordinates.points_on", of(points=points), functools.partial(coordinates.points_on, moving)),
        ("engine.coordinates.axes_on", of(axes=(axis, axis)), functools.partial(coordinates.axes_on, moving)),
        ("engine.bars.bar", of(total=3, progress=False, initial=0), lambda **its: bars.bar(what="", unit="", **its)),
        ("network.init", of(key=key, sizes=(6, 4, 3), scale=lambda n: n**-0.5)),
        ("network.feedforward", of(x=x, w=w, b=b)),
        ("network.logits", of(x=x, w=w, b=b)),
        ("network.mlp", of(hidden=jnp.tanh, output=jnp.tanh)),
        ("network.mlp made", of(x=x, w=w, b=b), network.mlp(jnp.tanh)),
        ("network.size", of(params=params)),
        ("network.checked", of(params=params)),
        ("directions.Frame.at", of(s=[0.1, 0.2]), directions.Frame(params, (u, v)).at),
        ("directions.Recipe.of", of(params=params), directions.recipes(key)[0].of),
        ("directions.at", of(**slice_, s=[0.1, 0.2])),
        (
            "directions.random",
            of(key=key, params=params, k=2, normalize="filter", axis=0, biases="zero"),
        ),
        ("directions.recipes", of(key=key, k=2, normalize="filter", axis=0, biases="zero", only="w", without=["b"])),
        ("directions.gaussian", of(key=key, params=params)),
        (
            "directions.gaussian held",
            of(only=["w", ".b[1]"], without="w[1]"),
            functools.partial(directions.gaussian, key, params),
        ),
        ("directions.held", of(direction=u, only="w", without=["w[1]"])),
        ("directions.filter_normalized", of(direction=u, params=params, axis=0, biases="zero")),
        ("directions.layer_normalized", of(direction=u, params=params, biases="zero")),
        ("directions.orthonormal", of(u=u, v=v)),
        ("directions.cosine", of(u=u, v=v)),
        ("directions.between", of(a=params, b=t.other)),
        ("directions.through", of(a=params, b=t.other, c=t.third)),
        ("trajectories.principal", of(trajectory=t.path, k=2)),
        ("trajectories.principal list", of(trajectory=[params, t.other, u, v], k=2)),
        ("trajectories.coordinates", of(trajectory=t.path, **slice_)),
        ("cost.Cost", of(images=images, f=C.f, loss=C.loss, block=5, spread=None, fixed=None, penalty=None)),
        ("cost.of", of(function=lambda data, p: (data @ p).sum(), data=np.ones((3, 2)))),
        ("cost.Cost.__call__", of(w=w, b=b), lambda w, b: C(w, b)),
        ("cost.Cost.per_image", of(w=w, b=b), lambda w, b: C.per_image(w, b)),
        ("cost.Cost.output", of(x=x, w=w, b=b), lambda x, w, b: C.output(x, w, b)),
        ("cost.Cost.bytes_of_one", of(w=w, b=b), lambda w, b: C.bytes_of_one(w, b)),
        ("cost.checked", of(C=C)),
        ("cost.split", of(C=C, params=params)),
        ("layers.only by text", of(kept=["w[0]", "b"]), lambda kept: layers.only(C, params, kept)),
        ("layers.only", of(C=C, params=params, kept=lambda path: "[0]" in path)),
        ("cost.accuracy", of(C=C, params=params)),
        ("cost.output_distance", of(C=C, origin=params)),
        ("devices.mesh", of(images=1, points=1)),
        ("devices.spread", of(C=C, mesh=devices.mesh())),
        ("descent.gradient", of(C=C, params=params)),
        ("descent.downhill", of(C=C, params=params)),
        ("descent.gradient_norm", of(C=C, params=params)),
        ("descent.descend", of(key=key, params=params, **training)),
        ("descent.descend on", of(key=key, C=C, params=t.run, optimizer=t.sgd, steps=2)),
        ("descent.ensemble", of(keys=keys, init=t.starts, mesh=None, **training)),
        ("descent.ensemble each", of(keys=keys, C=C, init=t.many, optimizer=optax.sgd, steps=2, each=jnp.ones(2))),
        ("descent.Run.network", of(i=1), t.many.network),
        ("descent.Run.at", of(record=1), t.run.at),
        ("slices.line", of(C=C, origin=params, u=u, alphas=axis)),
        ("slices.plane", of(C=C, origin=params, u=u, v=v, alphas=axis, betas=axis)),
        (
            "slices.grid",
            of(C=(C, C), **slice_, axes=(axis, axis), standard_error=True, per_class=True, per_image=True)
            | of(accuracy=True, resume_file=None, **memory),
        ),
        ("slices.evaluate", of(C=C, **slice_, points=points, resume_file=None, **memory)),
        ("slices.derivatives", of(C=C, **slice_, points=points, **memory)),
        ("floors.of_values", of(C=C, **slice_, points=points, values=np.ones(3))),
        ("floors.of_curvature", of(C=C, **slice_, points=points, hessians=np.ones((3, 2, 2)))),
        ("slices.plan", of(C=C, **slice_, points=points, derivatives=True, memory=1 << 30)),
        ("slices.plan of all", of(C=C, **slice_, points=points, per_class=True, per_image=True, accuracy=True)),
        ("slices.check", of(C=C, slice_=t.plane)),
        ("slices.Slice.at", of(s=[0.1, 0.2]), t.plane.at),
        *((f"measures.variation.{name}", of(values=wave, floor=0.1)) for name in VARIATIONS),
        ("measures.fits.quadratic_fit", line),
        ("measures.fits.unimodal_fit", line),
        ("measures.fits.fitting", line),
        ("measures.roughness.roughness", of(**line, floor=0.1)),
        ("measures.roughness.bowl", of(**line, floor=0.1)),
        ("measures.roughness.bowls", of(axis=t.line.axes[0], values=wave, floor=0.1, least=0.4, parts=7)),
        ("measures.roughness.bowl_end", of(half_widths=half_widths, shares=np.array([1, 0.9, 0.5]), least=0.95)),
        ("measures.roughness.convex_to", of(axis=t.line.axes[0], second=wave, floor=0.1)),
        ("measures.roughness.negative_curvature", of(hessians=np.ones((4, 2, 2)), floor=0.0)),
        ("measures.roughness.curvature_ratio", of(hessians=np.ones((4, 2, 2)), floor=0.0)),
        ("measures.frequency.power_spectrum", of(values=wave, spacing=0.5, axis=-1)),
        ("measures.frequency.mean_frequency", of(values=wave, spacing=0.5, floor=0.1)),
        ("measures.frequency.chebyshev_nodes", of(n=5, half_width=0.5)),
        ("measures.frequency.chebyshev_coefficients", of(values=wave)),
        ("measures.frequency.chebyshev_number", of(values=wave, accuracy=1e-3, floor=0.1)),
        ("measures.minima.local_minima", of(values=wave, floor=0.1, edge="open")),
        ("measures.minima.Minima.chosen", of(which=[0]), t.minima.chosen),
        ("measures.minima.Minima.deeper_than", of(depths=[0.1, 0.2]), t.minima.deeper_than),
        ("measures.images.Depths.sure", of(errors=2.0), images_of.Depths(wave, wave, 9).sure),
        ("measures.minima.elsewhere", of(found=t.minima, values=t.plane.values)),
        ("measures.minima.saddle_gap", of(values=wave, floor=0.1)),
        ("measures.bumpiness.measure", of(**line, floor=0.1, at_nodes=wave, hessians=np.ones((9, 1, 1)), kinds=[0, 1])),
        ("measures.bumpiness.measure_each", of(population=t.population)),
        ("measures.bumpiness.change", of(fine=t.measures, coarse=t.measures)),
        ("measures.bumpiness.halved", of(population=t.population)),
        ("populations.about", of(keys=keys, params=params, k=2, normalize="filter")),
        ("populations.evaluate", of(C=C, frames=frames, points=points[:, :1], **memory)),
        ("populations.derivatives", of(C=C, frames=frames, points=points[:, :1], **memory)),
        ("populations.floor", of(C=C, frames=frames, points=points[:, :1], values=np.ones((2, 3)), shape=(3,))),
        (
            "populations.curvature_floor",
            of(C=C, frames=frames, points=points[:, :1], hessians=np.ones((2, 3, 1, 1))),
        ),
        ("populations.grid", of(C=C, frames=frames, axes=(axis,), **memory)),
        ("populations.zoom", of(C=C, frames=frames, half_widths=[0.5, 1.0], points=5, nodes=5, bends=3, **memory)),
        ("populations.walks", of(keys=keys, C=C, params=params, steps=2, size=0.1)),
        ("measures.images.bootstrap", of(key=key, slice_=t.line, draws=3)),
        ("measures.images.by_class", of(slice_=t.line)),
        ("measures.images.depths", of(C=C, slice_=t.plane, found=t.minima)),
        ("measures.refinement.refine", of(C=C, line=t.line, depth=0.1, most=100)),
        ("measures.critical.find", of(C=C, slice_=t.line, derivatives=None, steps=2)),
        ("measures.critical.settle", of(C=C, slice_=t.plane, minima=t.minima)),
        ("measures.nulls.taylor", of(key=key, slice_=t.line, value=1.0, gradient=[1.0], hessian=[[2.0]])),
        ("measures.nulls.random_fields", of(key=key, slice_=t.line, draws=2)),
        ("measures.nulls.compare", of(key=key, C=C, slice_=t.line, draws=2)),
        ("measures.nulls.random_field_each", of(key=key, population=t.population)),
        ("measures.nulls.walk_shares", of(squares=np.ones(9), drift=0.1, k=3)),
        ("measures.nulls.path_walks", of(path=t.path, k=3)),
        ("curvature.products.hvp", of(C=C, params=params, v=v)),
        ("curvature.products.hvps", of(C=C, params=params, vs=t.starts)),
        ("curvature.products.ggn_vp", of(C=C, params=params, v=v)),
        ("curvature.products.ggn_vps", of(C=C, params=params, vs=t.starts)),
        ("curvature.products.hessian", of(C=C, params=params, progress=False)),
        ("curvature.products.ggn", of(C=C, params=params, progress=False)),
        ("curvature.products.on_arrays", of(C=C, params=params)),
        ("curvature.moments.moments", of(C=C, params=params, columns=50, progress=False)),
        ("curvature.lanczos.top_eigenpairs", of(key=key, C=C, params=params, k=2, which="ends", tolerance=1e-3)),
        ("curvature.lanczos.top_eigenpairs more", of(key=key, C=C, params=params, k=2, basis=9, most=20)),
        ("curvature.lanczos.tridiagonal", of(product=lambda v: np.eye(3)[:1] * v, starts=np.ones((1, 3)), steps=2)),
        ("curvature.lanczos.share", of(direction=v, vectors=t.pairs.vectors)),
        ("curvature.lanczos.extreme", of(n=3, k=1, which="lowest", tolerance=0.1, basis=2, most=9), EXTREME),
        ("curvature.lanczos.Eigenpairs.direction", of(i=0), t.pairs.direction),
        ("curvature.density.spectral_density", of(key=key, C=C, params=params, steps=2, probes=2, width=0.1)),
        ("curvature.density.Density.at", of(x=np.ones(3)), t.density.at),
        ("curvature.density.Density.above", of(x=0.5), t.density.above),
        ("curvature.estimates.trace", of(key=key, C=C, params=params, probes=2, error=None)),
        ("curvature.estimates.frobenius", of(key=key, C=C, params=params, probes=2, error=1.0)),
        ("curvature.estimates.diagonal", of(key=key, C=C, params=params, probes=2)),
        ("curvature.sharpness.of_ball", of(C=C, params=params, epsilon=1e-3, steps=2)),
        ("curvature.sharpness.expected", of(key=key, C=C, params=params, radius=0.1, draws=2)),
        ("curvature.convexity.of_grid", of(key=key, C=C, frame=frames[0], axes=([0.0, 1.0],), progress=False)),
        ("connectivity.paths.linear", of(C=C, a=params, b=t.other, points=3, accuracy=True, **memory)),
        ("connectivity.paths.ends", of(C=C, a=params, b=t.other)),
        ("connectivity.paths.node", of(i=1), functools.partial(paths.node, t.curve.nodes)),
        ("connectivity.symmetry.table", of(C=C, params=params)),
        ("connectivity.symmetry.of_dense", of(params=params)),
        ("connectivity.symmetry.permute", of(params=params, orders=[np.arange(4)[::-1]], layers=t.layers)),
        ("connectivity.symmetry.weight_matching", of(a=params, b=t.other, layers=t.layers, sweeps=3)),
        ("connectivity.symmetry.match_many", of(networks=[params, t.other, t.third], to=None, rounds=2)),
        ("connectivity.symmetry.activation_matching", of(C=C, a=params, b=t.other)),
        ("connectivity.orbit.flip", of(params=params, layer=0, neurons=[1, 2], activation="tanh")),
        ("connectivity.orbit.rescale", of(params=params, layer=0, factors=np.arange(1.0, 5))),
        ("connectivity.orbit.duplicate", of(params=params, layer=0, neuron=1, share=0.3)),
        ("connectivity.curves.bezier", of(key=key, **ends, steps=2, batch=3, points=3)),
        ("connectivity.curves.chain", of(key=key, **ends, bends=2, steps=2, batch=3, points=4)),
        ("connectivity.curves.evaluate", of(C=C, curve=t.curve, ts=[0.0, 0.5, 1.0], accuracy=True)),
        ("connectivity.curves.plane", of(curve=t.curve)),
        ("connectivity.curves.parts", of(curve=t.curve, ts=[0.0, 0.5, 1.0])),
        ("connectivity.curves.Curve.at", of(t=0.5), t.curve.at),
        ("connectivity.curves.Curve.node", of(i=1), t.curve.node),
        ("connectivity.band.nudged", of(key=key, **ends, pivots=2, cycles=2, steps=2, batch=3, most=4, excess=0.2)),
        ("connectivity.band.certify", of(key=key, C=C, params=params)),
        ("connectivity.graph.straight", of(C=C, networks=[params, t.other, t.third], points=3, match=None, **memory)),
        ("connectivity.graph.spanning_tree", of(weights=passes)),
        ("connectivity.graph.merges", of(passes=passes)),
        (
            "live.explorer",
            of(path=folder / "page.html", C=C, planes={"a": t.plane}, images=9, live=None, zooms=(0.5, 1.0), points=2)
            | of(title="C", most=5_000_000, progress=False),
        ),
        ("checkpoints.gathered", of(networks=[params, t.other, t.third], read=None)),
        ("checkpoints.gathered stacked", of(networks=t.path, read=None)),
        ("checkpoints.gathered by name", of(networks=[0, 1, 2], read=lambda i: (params, t.other, t.third)[i])),
        *(
            (f"checkpoints.{name}", of(C=C, networks=[params, t.other, t.third], points=2, margin=0.1, progress=False))
            for name in ("principal", "through")
        ),
        ("exports.to_csv", of(path=folder / "plane.csv", slice_=t.plane)),
        ("exports.to_vtk", of(path=folder / "plane.vtk", plane=t.plane, height=0.5)),
        ("results.save", of(path=folder / "new.npz", result=params, settings={"seed": 0}, note="text")),
        ("results.load", of(path=folder / "saved.npz", like=None, types=())),
        ("results.provenance", of(path=folder / "saved.npz")),
        ("plot.norm", of(values=wave)),
        (
            "plot.contour",
            of(ax=ax, plane=t.plane, minima=t.minima, grid_only=None, filled=True, bar=False, name="C", scale=None),
        ),
        ("plot.colour_bar", of(ax=ax, drawn=ax.imshow(np.ones((2, 2))), name="C", ticks=np.array([0.0, 0.5, 1.0]))),
        ("plot.surface", of(ax=solid, plane=t.plane, name="C")),
        ("scales.span", of(values=wave)),
        ("scales.levels", of(low=0.5, high=2.0, logarithmic=True, funnel=True, most=6)),
        ("scales.ticks", of(low=-1.5, high=2.0)),
        ("plot.line", of(ax=ax, slice_=t.line, label="C")),
        ("plot.band", of(ax=ax, steps=np.arange(9), values=wave, label="C")),
        ("plot.medians", of(ax=ax, x=[0, 1], summaries=[statistics.Interval(1.0, 0.5, 2.0)] * 2, label="C")),
        ("plot.trajectory", of(ax=ax, coordinates=np.ones((3, 2)), off=np.ones(3))),
        ("plot.curve", of(ax=ax, plane=curves.plane(t.curve), label="C")),
        ("plot.disconnectivity", of(ax=ax, costs=np.zeros(3), merges=[[0, 1, 1, 2], [2, 3, 2, 3]])),
        ("figures.journey", of(found=t.journey, name="C")),
        ("figures.save", of(path=folder / "new.png", figure=ax.figure, dpi=20)),
        (
            "figures.gif",
            of(path=folder / "new.gif", draw=lambda *_: None, frames=[0, 1], fps=10, size=(1, 1), dpi=20),
        ),
        ("plot.image", of(ax=ax, x=np.ones(9), title="text")),
    ]  # fmt: skip


def function(name):
    """What a row of the table is about: `room.function`, or `room.Class.method`."""
    *rooms, last = name.split(" ")[0].split(".")
    for n in (1, 2):
        room = ".".join(rooms[:n])
        if room in ROOMS:
            return functools.reduce(getattr, [*rooms[n:], last], importlib.import_module(f"jaxcost.{room}"))
    raise LookupError(name)


# the ways to spoil an argument


def deep():
    """A list in a list in a list, 2,000 of them."""
    return functools.reduce(lambda inner, _: [inner], range(2000), 1.0)


ANYTHING = {
    "None": lambda: None,
    "text": lambda: "text",
    "no text": lambda: "",
    "bytes": lambda: b"bytes",
    "NaN": lambda: np.nan,
    "infinity": lambda: np.inf,
    "-1": lambda: -1,
    "0": lambda: 0,
    "1.5": lambda: 1.5,
    "1e2": lambda: 1e2,
    "True": lambda: True,
    "[]": lambda: [],
    "()": lambda: (),
    "{}": lambda: {},
    "ragged": lambda: [[1.0, 2.0], [3.0]],
    "complex": lambda: 1j,
    "object": lambda: object(),
    "of four axes": lambda: np.ones((2, 3, 4, 5)),
    "texts": lambda: np.array(["a", "b"]),
    "deep": deep,
    "lambda": lambda: lambda *_: None,
    "huge": lambda: 10**30,
    "array of NaN": lambda: np.full(3, np.nan),
    "array of complex": lambda: np.ones(3, complex),
    "old key": lambda: np.array([0, 1], np.uint32),
    "key": lambda: jax.random.key(0),
    "keys": lambda: jax.random.split(jax.random.key(0), 3),
    "C": lambda: things().C,
    "params": lambda: things().params,
}
IN_A_LIST = ("None", "text", "NaN", "1.5", "-1", "object", "deep", "huge", "[]", "key", "of four axes")


def is_array(value):
    return isinstance(value, jax.Array | np.ndarray) and np.ndim(value) and jnp.issubdtype(value.dtype, jnp.number)


def of_array(array):
    """An array spoilt in ways of its own."""
    first = np.arange(array.size).reshape(array.shape) == 0
    return {
        "transposed": lambda: array.T if array.ndim > 1 else array[:, None],
        "one fewer": lambda: array[:-1],
        "one more": lambda: np.concatenate([array, array[:1]]),
        "none of it": lambda: array[:0],
        "an axis more": lambda: array[None],
        "an axis fewer": lambda: array[0],
        "NaN in it": lambda: np.where(first, np.nan, array),
        "all 0": lambda: np.zeros_like(array),
        "as text": lambda: array.astype(str),
        "as complex": lambda: array.astype(complex),
        "as objects": lambda: array.astype(object),
        "rounded": lambda: array.astype(int),
    }


def of_tree(tree):
    """A tuple with arrays within, such as parameters, with another first leaf, or made something else."""
    (first, *others), structure = jax.tree.flatten(tree)
    leaves = {
        "of another shape": lambda: first[..., :-1],
        "with an axis more": lambda: first[None],
        "of integers": lambda: first.astype(int),
        "of complex": lambda: first.astype(complex),
        "of text": lambda: "text",
        "None": lambda: None,
        "of NaN": lambda: np.full_like(first, np.nan),
        "a number": lambda: 1.0,
        "of objects": lambda: np.asarray(first).astype(object),
        "deep": deep,
    }
    with_leaf = lambda leaf: lambda: jax.tree.unflatten(structure, [leaf(), *others])
    return {f"leaf {name}": with_leaf(leaf) for name, leaf in leaves.items()} | {
        "all leaves 0": lambda: jax.tree.map(lambda leaf: leaf * 0, tree),
        "as a list": lambda: list(tree),
        "as a dict": lambda: dict(enumerate(tree)),
    }


def of_sequence(value):
    """A list or plain tuple with fewer or more entries, or another first one."""
    kind = type(value)
    with_first = lambda name: lambda: kind([ANYTHING[name](), *value[1:]])
    return {f"the first {name}": with_first(name) for name in IN_A_LIST} | {
        "one fewer": lambda: kind(value[:-1]),
        "one more": lambda: kind([*value, value[0]]),
        "the first alone": lambda: value[0],
    }


def of_result(value):
    """A result without what it may do without."""
    optional = [name for name, default in getattr(value, "_field_defaults", {}).items() if default is None]
    without = lambda name: lambda: value._replace(**{name: None})
    return {f"without {name}": without(name) for name in optional if getattr(value, name) is not None}


def spoilt(value):
    """All that a value is spoilt to, by name, each made when it is asked for."""
    plain = type(value) in (list, tuple) and len(value) > 0
    leaves = jax.tree.leaves(value) if isinstance(value, network.Params) or plain else []
    a_tree = isinstance(value, tuple) and leaves and all(map(is_array, leaves)) and not isinstance(value[0], cost.Cost)
    return (
        ANYTHING
        | (of_array(np.asarray(value)) if is_array(value) else {})
        | (of_tree(value) if a_tree else {})
        | (of_sequence(value) if plain else {})
        | of_result(value)
    )


def raised_by_the_kit(error):
    """Whether a line of the kit that says `raise` raised it, and its message tells what was expected."""
    trace = error.__traceback__
    while trace.tb_next is not None:
        trace = trace.tb_next
    path, text = Path(trace.tb_frame.f_code.co_filename), str(error)
    ours = PACKAGE in path.parents and trace.tb_lineno in lines_that_raise(path)
    return ours and isinstance(error, ValueError | TypeError | FileNotFoundError) and "expected" in text.lower()


@functools.cache
def lines_that_raise(path):
    found = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Raise)]
    return {line for node in found for line in range(node.lineno, node.end_lineno + 1)}


# what is legal: arguments, as `room.function argument`, and ways to spoil them that are none

TREE = "params, leaf of NaN, all leaves 0, "  # a network may have diverged, and be 0
ANY_TREE = (
    TREE + "of four axes, C, leaf of another shape, leaf with an axis more, leaf of text, leaf None, leaf a number, "
)
ANY_TREE += "leaf of integers, as a list, as a dict, "
NUMBERS = "old key, one fewer, one more, all 0, rounded, "
GRID = NUMBERS + "of four axes, an axis more, "
FEW = "NaN in it, all 0, rounded, "
NONFINITE = "array of NaN, " + FEW
LEGAL = [
    (r"(?!cost.Cost).* C", "C"),
    (r".* (keep|progress|bar|filled|logarithmic|funnel|standard_error|per_class|per_image)|checks.flag value", "True"),
    (r"(slices|connectivity).* (accuracy|derivatives)", "True"),
    (
        r".* (batch|watch|resume_file|spread|fixed|scale|grid_only|output|label|off)|plot.* (title|minima|name|ticks)",
        "None",
    ),
    (r"live.explorer (images|points|most)", "huge"),  # as many as there are; and of a page without a ladder
    (r"live.explorer live", "None, True"),
    (r"live.explorer zooms", "one fewer"),
    (r"devices.mesh images|descent.ensemble mesh|cost.Cost block", "None"),
    (r".* key|checks.key value", "key"),
    (r"checks.key many value", "keys"),
    (r".* memory|cost.Cost block|engine.bars.bar (total|initial)|directions.recipes axis|scales.levels most", "huge"),
    (r"engine.bars.bar (total|initial)", "0"),
    (r".* watch", "{}"),
    (r".* (label|title)|plot.* name", "text, no text"),
    # what moves, any cost, a penalty
    (r"directions.(\w+|gaussian held) (only|without)|cost.Cost penalty|cost.of data|data.images classes", "None"),
    (r"directions.(random|gaussian held|held) without|cost.Cost penalty|cost.of function", "lambda"),
    (r"cost.(checked|split) C|layers.only C|connectivity.paths.ends C", "lambda"),
    (r"directions.recipes (only|without)", "text"),
    (r"directions.recipes without", "the first text"),
    (r"directions.(random|recipes|held) without|directions.gaussian held only", "one more, the first alone"),
    (r"directions.gaussian held only|layers.only by text kept", "one fewer"),
    (r"layers.only by text kept", "one more, the first alone"),
    (r"directions.held direction", TREE + "leaf of another shape, leaf with an axis more, leaf a number"),
    (r"cost.Cost penalty|cost.of function", "C"),
    (r"cost.of data", GRID + NONFINITE + "NaN, infinity, -1, 0, 1.5, 1e2, True, [], (), {}, ragged, complex"),
    (r"cost.of data", "array of complex, key, keys, C, params, transposed, none of it, an axis fewer, as complex"),
    (r"data.images flat|losses.weight_decay biases", "True"),
    (r"data.images x", "all 0, rounded"),
    (r"losses.weight_decay rate", "0, 1.5, 1e2, huge"),
    # numbers
    (r"checks.number value|measures.frequency.chebyshev_nodes n|directions.(random|recipes) k", "0"),
    (r"curvature.lanczos.top_eigenpairs tolerance|data.one_hot labels", "0"),
    (r"directions.\w+ axis|measures.frequency.power_spectrum axis", "-1, 0"),
    (r"descent.Run.\w+ \w+|engine.trees.pick index", "-1, 0"),
    (r"engine.trees.pick index", "None, True, [], (), old key"),  # as of an array of numpy
    (r"measures.* floor", "0, 1.5, 1e2"),
    (r"measures.(variation|frequency|roughness.(roughness|bowls?)\b).* floor", "infinity"),
    (r"measures.(minima.\w+|roughness.(convex_to|negative_curvature|curvature_ratio)) floor", "huge"),
    (r"measures.* spacing|measures.frequency.chebyshev_(nodes half_width|number accuracy)", "1.5, 1e2"),
    (r"measures.frequency.(power_spectrum spacing|chebyshev_nodes half_width|chebyshev_number accuracy)", "huge"),
    # lists of numbers
    (r"measures.(variation|frequency).* values", NUMBERS),
    (r"measures.(variation.(?!largest)|frequency.).* values", GRID),
    (r"measures.(variation.(?!largest)|frequency.(?!power)).* values", "transposed"),
    (r"checks.numbers value", NUMBERS + "[], (), none of it"),
    (r"(checks.real|plot.norm|scales.span) values?", GRID + NONFINITE + "transposed, an axis fewer, none of it"),
    (
        r"(checks.real|plot.norm|scales.span|tails.Tail.log10_share) values?",
        "NaN, infinity, -1, 0, 1.5, 1e2, [], (), array of NaN",
    ),
    (r"tails.Tail.log10_share values", "of four axes, old key"),
    (r"tails.\w+ (draws|values)", "one fewer, one more"),
    (r"tails.share_of_largest (values)", "old key, rounded"),
    (r"tails.share_of_largest part", "[], (), of four axes"),
    (r"losses.* [ayz]", NONFINITE),
    (r"slices.* (alphas|betas)", NUMBERS),
    (r"(slices.grid|engine.coordinates.axes_on) axes", "ragged, leaf of another shape, leaf of integers, all leaves 0"),
    (r"(slices.grid|engine.coordinates.axes_on) axes|.* directions", "as a list"),
    (r"(slices.[\w ]+|engine.coordinates.points_on) points", "all 0, rounded"),
    (r"(slices.[\w ]+|engine.coordinates.points_on) points", "one fewer, one more, NaN in it"),
    (r"floors.of_\w+ (points|values|hessians)", "NaN in it, all 0, rounded"),  # with a warning
    (r"floors.of_values values", "array of NaN"),
    (r"directions.*at s|slices.Slice.at s|plot.medians x", "old key, the first NaN, the first 1.5, the first -1"),
    (r"plot.(band|trajectory) (steps|values|coordinates|off)", "NaN in it, all 0, rounded"),
    (r"plot.band values", "an axis more"),
    (r"plot.colour_bar ticks", NUMBERS + "[], (), none of it"),
    (r"scales.(levels|ticks) (low|high)", "1.5"),
    (r"scales.(levels|ticks) high", "1e2, huge"),
    (r"scales.ticks (low|high)", "-1, 0"),
    (r"plot.trajectory off", "array of NaN"),
    (r"plot.image x", "old key, NaN in it, all 0, rounded"),
    # images, classes, choices
    (r"checks.chosen which|data.Images.__getitem__ which", "[], (), old key, one fewer, one more, the first -1"),
    (r"(checks.classes|data.labels) y", "old key, one fewer, one more, none of it, rounded"),
    (r"data.one_hot labels", "old key, one fewer, one more, the first alone"),
    (r"slices.grid C|network.init sizes", "one fewer, one more"),
    (r"slices.grid C", "the first alone"),
    (r"checks.path value", "text"),
    (r"checks.listed value", "ragged, deep, params, one fewer, one more"),
    (r"checks.listed value", ", ".join(f"the first {name}" for name in IN_A_LIST)),
    (r"checks.having value", "without standard_error, without per_class, without per_image, without accuracy"),
    (r"directions.(random|recipes) normalize", "None"),
    (r"checks.function value|cost.Cost (f|loss)|network.mlp (hidden|output)", "lambda, C"),
    # paths between networks
    (r"connectivity.symmetry.\w+ layers|connectivity.symmetry.match_many to|connectivity.graph.straight match", "None"),
    (r"connectivity.symmetry.match_many to", "params"),
    (r"connectivity.(curves|band).* optimizer", "None"),
    (r"connectivity.band.nudged excess", "1.5, 1e2, huge"),
    (r"connectivity.(symmetry.table|band.certify) params", "leaf of integers"),
    (r"connectivity.curves.(evaluate|parts) ts", "old key, one fewer"),
    (r"connectivity.(curves.Curve.at t|\w+.[\w.]*node i)", "0"),
    (r"connectivity.[\w.]*node i", "-1"),
    (r"connectivity.graph.straight networks", "one fewer"),
    (r"connectivity.graph.\w+ (weights|passes)", "transposed, all 0, rounded"),
    (r"connectivity.\w+.\w+ (a|b)", "all leaves 0"),
    (r"connectivity.\w+.\w+ a|connectivity.symmetry.\w*matching b", "params"),
    (r"network.checked params|connectivity.(symmetry.(of_dense|permute)|orbit.\w+) params", "leaf of another shape"),
    (r"connectivity.symmetry.(weight_matching layers|match_many networks)", "one more"),
    (r"connectivity.symmetry.match_many networks", "one fewer"),
    (r"connectivity.symmetry.\w+ (sweeps|rounds)", "huge"),
    (r"connectivity.orbit.\w+ (layer|neuron|share)", "0"),
    (r"connectivity.orbit.\w+ share", "-1, 1.5, 1e2, huge"),
    (r"connectivity.orbit.flip neurons", "one fewer"),
    (r"connectivity.orbit.rescale factors", "rounded"),
    (r"plot.disconnectivity costs", "all 0, rounded"),
    # networks and directions
    (r"(network|cost.Cost).* (w|b)", "leaf of integers, leaf of NaN, all leaves 0, as a list"),
    (r"(network|cost.Cost).* x", "NaN in it, all 0, rounded"),
    (r"(?!checks|connectivity.band|curvature.([lde]|sharpness.of_)).* (params|origin|tree|like)", TREE),
    (r"curvature.(lanczos|density|estimates|sharpness.of_ball).* params", "params, all leaves 0"),
    (r"connectivity.band.certify params", "params, all leaves 0"),
    (r"(cost|descent|curvature.(?!products.(hvp|ggn_vp))).* params", "leaf of integers"),
    (r"curvature.lanczos.(top_eigenpairs more|extreme) basis", "None"),
    (r"curvature.lanczos.(top_eigenpairs more|extreme) most", "huge"),
    (r"curvature.lanczos.tridiagonal starts", "one more, rounded"),
    (r"curvature.lanczos.extreme tolerance", "0"),
    (r"curvature.lanczos.Eigenpairs.direction i", "0"),
    (r"curvature.density.Density.at x", NONFINITE + GRID + "transposed, -1, 0, 1.5, 1e2, [], ()"),
    (r"curvature.density.Density.at x", "NaN, infinity, none of it, an axis fewer"),
    (r"curvature.density.Density.above x", "-1, 0, 1.5, 1e2, huge"),
    (r"curvature.* (width|error|epsilon|radius)", "1.5, 1e2, huge"),
    (r"curvature.* (width|error)", "None"),
    (r"cost.output_distance origin", "leaf of integers"),
    (
        r"(cost.split|layers.only) params",
        "leaf of another shape, leaf with an axis more, leaf of text, leaf None, leaf a number",
    ),
    (r"cost.split params", "()"),
    (r"layers.only params", "leaf of integers"),
    (r"directions.(Recipe.of|random|gaussian) params|network.size params", ANY_TREE),
    (r"(directions.gaussian|network.size) params", "NaN, infinity, 1.5, 1e2, ragged, array of NaN"),
    (r"checks.tree value", ANY_TREE + ", ".join({*ANYTHING} - {"deep"}) + ", leaf of complex, leaf of objects"),
    (r"directions.* (direction|u|v)|slices.* (u|v)|curvature.lanczos.share direction", "params"),
    (r"directions.cosine (u|v)|directions.between (a|b)|curvature.products.(hvp|ggn_vp) v", TREE),
    (r"directions.through (a|b|c)", "all leaves 0"),
    (r"directions.through a", "params"),
    (r"curvature.products.(hvps|ggn_vps) vs|trajectories.coordinates trajectory", "leaf of NaN, all leaves 0"),
    (r"trajectories.coordinates directions", "one fewer"),
    (
        r"trajectories.principal trajectory",
        "leaf of another shape, leaf of integers, leaf of text, leaf None, as a dict",
    ),
    (r"trajectories.principal.* trajectory", "C"),
    (r"trajectories.principal list trajectory", "one fewer, one more"),
    (r"descent.ensemble init", "leaf of integers, leaf of NaN, all leaves 0"),
    (r"descent.ensemble each each", "old key, NaN in it, all 0, rounded"),
    # slices and what else the kit gives
    (r"(plot|slices.check|measures.(?!images)).* (plane|slice_|line)", "without per_class, without per_image"),
    (r"(plot|slices.check|measures).* (plane|slice_|line)", "without standard_error, without accuracy"),
    (r"measures.images.(bootstrap|depths) slice_", "without per_class"),
    (r"measures.images.(by_class|depths) slice_", "without per_image"),
    (r"(plot|measures.(images.[^d]|nulls.[^c])).* (plane|slice_)", "without frame"),
    (r"measures.* population", "without frames"),
    (r"results.save (result|note|settings)", "None, {}"),
    (r"results.save (result|note)", "text, no text, -1, 0, 1.5, 1e2, True, [], (), ragged, huge"),
    (r"results.save result", ANY_TREE + "NaN, infinity, texts, lambda, array of NaN, array of complex"),
    (r"results.save result", "old key, key, keys, leaf of complex"),
    (r"results.load like|data.read_idx sha256", "None"),
    (r"results.load types", "[], ()"),
    # pictures of checkpoints, and files
    (r"checkpoints.gathered( stacked)? read", "None"),
    (r"checkpoints.gathered networks", "one fewer, one more"),
    (r"checkpoints.gathered stacked networks", "leaf of another shape, leaf of integers, leaf of text, leaf None"),
    (r"checkpoints.gathered stacked networks", "leaf of NaN, all leaves 0"),
    (r"checkpoints.gathered by name networks", "one fewer, one more, the first -1"),
    (r"checkpoints.(principal|through) networks", "one more"),
    (r"checkpoints.(principal|through) margin", "0, 1.5, 1e2, huge"),
    (r"exports.* (plane|slice_)", "without standard_error, without per_class, without per_image, without accuracy"),
    (r"exports.* (plane|slice_)", "without frame"),
    (r"exports.to_vtk height", "-1, 0, 1.5, 1e2, huge"),
    (r"figures.journey found", "without share"),
    (r"figures.journey name", "None, text, no text"),
    (r"figures.gif draw", "lambda"),
    (r"figures.gif frames", "ragged, of four axes, texts, deep, array of NaN, array of complex, old key, keys, params"),
    (r"figures.gif frames", ", ".join(f"the first {name}" for name in IN_A_LIST) + ", one fewer, one more"),
    (r"figures.gif fps", "1.5"),
    (r"figures.gif size", "the first 1.5"),
    # draws
    (r"statistics.(summary draws|mann_whitney [ab]|p_value null)", "[], (), array of NaN, old key, none of it"),
    (r"statistics.(summary draws|draws_for draws|kendall [xy]|mann_whitney [ab]|p_value null)", FEW),
    (r"statistics.(summary|draws_for|trend|mann_whitney|p_value) (draws|groups|a|b|null)", "one fewer, one more"),
    (r"statistics.p_value observed", "NaN, infinity, -1, 0, 1.5, 1e2"),
    (r"statistics.draws_for width", "1.5, 1e2, huge"),
    (r"statistics.proportion successes", "0"),
    (r"(statistics.trend|resampling.bootstrap) groups", "ragged, one more"),
    (r"resampling.(nested|shared) draws", "one fewer, one more"),
    # populations
    (r"populations.about params", ANY_TREE + "NaN, infinity, 1.5, 1e2, ragged, array of NaN"),
    (r"populations.about normalize", "None"),
    (r"populations.about k", "0"),
    (r"populations.(about|walks) keys", "keys"),
    (r"populations.(evaluate|derivatives|grid|zoom) frames", "one fewer, one more"),
    (r"populations.\w+ points", "NaN in it, all 0, rounded"),
    (r"populations.(evaluate|derivatives) points", "one fewer, one more"),
    (r"populations.(floor values|curvature_floor hessians)", "NaN in it, all 0"),
    (r"populations.floor shape", "None"),
    (r"populations.grid axes", "leaf of another shape, leaf of integers, all leaves 0, as a list"),
    (r"populations.zoom half_widths", "the first 1.5, one fewer, one more"),
    (r"populations.zoom (nodes|bends)", "0"),
    (r"populations.walks size", "1.5, 1e2, huge"),
    (r"populations.walks params", "leaf of integers"),
    # measures
    (r"measures.(fits|roughness|bumpiness).* axes", "as a list"),
    (r"measures.(fits|roughness|bumpiness|minima).* values", "all 0, rounded"),
    (r"measures.(fits.fitting|bumpiness.measure|minima.\w+) values", "NaN in it"),
    (r"measures.minima.(local_minima|saddle_gap) values", GRID + "[], (), array of NaN, none of it"),
    (r"measures.minima.\w+ values", "transposed"),
    (r"measures.minima.Minima.\w+ (which|depths)", "[], (), old key, the first -1, one fewer"),
    (r"measures.minima.Minima.deeper_than depths", "-1, 0, 1.5, 1e2, of four axes, the first 1.5, one more"),
    (r"measures.minima.Minima.deeper_than depths", "the first alone"),
    (r"measures.images.Depths.sure errors", "0, 1.5, 1e2, huge"),
    (r"measures.roughness.bowls values", "all 0, rounded"),
    (r"measures.roughness.(bowls values|bowl_end shares|convex_to second)", "an axis more"),
    (r"measures.roughness.(bowls|bowl_end) least", "0"),
    (r"measures.roughness.bowl_end half_widths", "rounded"),
    (r"measures.roughness.(bowl_end shares|convex_to second)", FEW),
    (r"measures.roughness.bowl_end shares", "array of NaN"),
    (r"measures.(roughness|bumpiness).* hessians", "one fewer, one more, none of it, an axis more, an axis fewer"),
    (r"measures.(roughness|bumpiness).* hessians|measures.bumpiness.measure at_nodes", FEW),
    (r"measures.bumpiness.measure (at_nodes|hessians|kinds)|measures.critical.find derivatives", "None"),
    (r"measures.bumpiness.measure (at_nodes|kinds)", "old key, one fewer, one more"),
    (r"measures.bumpiness.measure at_nodes", "array of NaN"),
    (r"measures.bumpiness.measure kinds", "[], ()"),
    (r"measures.(refinement.refine depth|nulls.(taylor value|walk_shares drift))", "1.5, 1e2, huge"),
    (r"measures.nulls.(taylor value|walk_shares drift)", "-1, 0"),
    (r"measures.refinement.refine most|measures.critical.find steps", "0"),
    (r"measures.refinement.refine most", "huge"),
    (r"measures.nulls.taylor gradient", "the first 1.5, the first -1"),
    (r"measures.nulls.walk_shares squares", "one fewer, one more, all 0, rounded"),
    (
        r"measures.nulls.path_walks path",
        "C, leaf of another shape, leaf of integers, leaf of text, leaf None, as a list",
    ),
    (r"measures.nulls.path_walks path", "as a dict"),
]
READ = [f"the first {name}" for name in IN_A_LIST if name != "-1"]
THEIRS = [  # ends in the caller's own function, or in the network of the world
    (r"descent.ensemble each each", "of four axes, transposed"),
    (r"checkpoints.gathered by name networks", ", ".join(["ragged", "deep", "params", *READ])),
    (r"data.mnist folder", "None"),
]


def listed(table, name, argument, how):
    return any(re.fullmatch(one, f"{name} {argument}") and how in ways.split(", ") for one, ways in table)


def outcomes(folder, wanted):
    """Each wanted call, and what became of it: nothing, or an exception."""
    write(folder)
    for name, arguments, *given in calls(folder):
        call = given[0] if given else function(name)
        for argument, valid in arguments.items():
            for how, make in spoilt(valid).items():
                if listed(THEIRS, name, argument, how) or not wanted(name, argument, how):
                    continue
                try:
                    call(**{**arguments, argument: make()})
                except Exception as error:
                    yield (name, argument, how), error
                else:
                    yield (name, argument, how), None


def one_in(every):
    """A predicate: some calls, always the same ones, and none that is legal."""
    chosen = lambda call: zlib.crc32(repr(call).encode()) % every == 0
    return lambda *call: chosen(call) and not listed(LEGAL, *call)


def refused(found):
    """Which calls were not refused as they should be, told one a line."""
    return [(*call, repr(error)[:200]) for call, error in found if error is None or not raised_by_the_kit(error)]


def test_some_of_all_malformed_calls_are_refused_by_the_kit_itself(tmp_path):
    found = list(outcomes(tmp_path, one_in(EVERY)))
    assert len(found) > 150
    assert refused(found) == []


@pytest.mark.slow
def test_the_calls_that_are_spoilt_are_valid(tmp_path):
    write(tmp_path)
    for name, arguments, *given in calls(tmp_path):
        if name != "data.mnist":  # of the world
            (given[0] if given else function(name))(**arguments)


@pytest.mark.slow
def test_all_malformed_calls_are_refused_by_the_kit_itself(tmp_path):
    found = list(outcomes(tmp_path, one_in(1)))
    assert len(found) > 12_000
    assert refused(found) == []


@pytest.mark.slow
def test_what_is_called_legal_is_so(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a network that has diverged
        found = list(outcomes(tmp_path, lambda *call: listed(LEGAL, *call)))
    assert [(*call, repr(error)[:200]) for call, error in found if error is not None] == []
    matched = {
        (one, how)
        for call, _ in found
        for one, ways in LEGAL
        for how in ways.split(", ")
        if listed([(one, how)], *call)
    }
    told = {(one, how) for one, ways in LEGAL for how in ways.split(", ") if how}
    assert told - matched == set()  # nothing is listed that is not among the calls


def test_the_valid_calls_name_every_public_function_of_the_rooms_in_front():
    named = {name.split(" ")[0] for name, *_ in calls(Path())}
    for room in ROOMS:
        if room in INNER or room.startswith("engine."):
            continue
        module = importlib.import_module(f"jaxcost.{room}")
        own = {
            f"{room}.{name}": one
            for name, one in vars(module).items()
            if getattr(one, "__module__", "") == module.__name__
        }
        functions = {name for name, one in own.items() if callable(one) and not isinstance(one, type)}
        public = {name for name in functions if not name.split(".")[-1].startswith("_")}
        takes = {name for name in public if own[name].__code__.co_argcount + own[name].__code__.co_kwonlyargcount}
        assert takes - INNER <= named


def test_the_judge_tells_the_kits_own_errors_from_others():
    """A line of the kit at which Python refuses something is no refusal of the kit's; nor is an error of jax."""
    for call, ours in (
        (lambda: checks.whole("n", 0), True),
        (lambda: data.load("nowhere"), True),
        (lambda: losses.quadratic(), False),
        (lambda: coordinates.dtype_of(3), False),  # within the kit, which has no word of its own for it
        (lambda: jnp.ones(3) @ jnp.ones(4), False),
        (lambda: int("text"), False),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            call()
        assert raised_by_the_kit(caught.value) == ours
