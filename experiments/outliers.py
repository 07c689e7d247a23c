"""How many eigenvalues of the Hessian stand out: as many as there are classes, it is said.

Networks learn the first 2 to 10 classes alone. Of each the highest eigenvalues of the Hessian H of C by Lanczos, at the
start, half-way and trained. Gur-Ari et al. 2018 (arXiv 1812.04754) and Papyan 2020 (arXiv 2008.11865): as many stand
out as there are classes. Sagun et al. 2017 (arXiv 1706.04454): these depend on the data.

    python experiments/outliers.py                   the embedded digits
    python experiments/outliers.py --data FOLDER     any four IDX files

Definitions: an outlier is an eigenvalue of H above the largest one of a null, of which there are two. "The remainder":
H - G, G the Gauss-Newton matrix: what the curvature of the network makes without that of the loss. "No class means": H
without the part of G that the means over classes make of the derivatives of each output in the parameters (Papyan:
they make the outliers). That part has at most the rank of the classes squared: the count may be anything up to there.

Expect, jax 0.10.2, seed 0, five networks of each number of classes: the count follows the classes, rank correlation
0.67, 0.96 and 0.79 (untrained, half-trained, trained) on the embedded digits, 0.62, 0.82 and 0.59 on MNIST, 0.61, 0.75
and 0.49 on Fashion-MNIST. It is theirs, or one fewer, in 33, 64 and 49 % of the networks, on MNIST 33, 13 and 40 %, on
Fashion-MNIST 31, 11 and 29 %, half-trained ones having more on both: not confirmed. Nor do class means make them:
without these an eigenvalue stays so large that of ten classes 2 to 7 stand above it untrained, 1 to 6 half-trained and
1 or 2 trained. So the count hangs on null, stage and images. Three minutes on two cores.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import common
import jax
import numpy as np
from common import like, setting

from jaxcost import cost, data, resampling, results, statistics
from jaxcost.curvature import lanczos, products

SOURCE = "Gur-Ari et al. 2018; Papyan 2020"
NULLS = ("the remainder", "no class means")
COLORS = ("tab:red", "tab:orange")  # of these


@dataclass(frozen=True)
class Settings(common.Trained):
    """How many classes and networks, and the images over which C is curved."""

    sizes: tuple = like("sizes", why="the cheatsheet's network, of whose outputs the first are taken")
    classes: tuple = setting((2, 3, 4, 5, 6, 7, 8, 9, 10), "how many are learned", small=(2, 3))
    networks: int = setting(5, "for each number of classes; one is an anecdote", small=2)
    counted: int = setting(2000, "of the learned images, for the eigenvalues", small=100)
    top: int = setting(30, "highest eigenvalues, more than outliers", small=12)
    records: int = setting(60, "of the training, among which half-way is found", small=6)


class Outliers(NamedTuple):
    """The highest eigenvalues, by number of classes and network.

    Attributes:
        values: of H, falling, `[classes, networks, top]`.
        errors: how far these may be off, likewise.
        nulls: the largest eigenvalue of each of NULLS, `[classes, networks, 2]`.
    """

    values: np.ndarray
    errors: np.ndarray
    nulls: np.ndarray


class Result(NamedTuple):
    """Eigenvalues by stage.

    Attributes:
        images: over which they are taken, at most.
        classes: how many were learned.
        stages: `Outliers`, untrained to trained.
    """

    images: int
    classes: np.ndarray
    stages: dict[str, Outliers]


def run(settings):
    """Networks of each number of classes, and their highest eigenvalues at three stages."""
    train, _ = common.images(settings)
    key, each = jax.random.key(settings.seed), {name: [] for name in common.NETWORKS}
    for classes in settings.classes:
        for name, of in of_classes(jax.random.fold_in(key, classes), train, classes, settings).items():
            each[name].append(of)
    stages = {name: Outliers(*map(np.array, zip(*row, strict=True))) for name, row in each.items()}
    return Result(settings.counted, np.array(settings.classes), stages), {"data": train.fingerprint}


def of_classes(key, train, classes, settings):
    """Of networks that learn the first classes alone, at each stage what `Outliers` has."""
    chosen = train[np.asarray(data.labels(train.y)) < classes]
    chosen, keys = data.Images(chosen.x, chosen.y[:, :classes]), jax.random.split(key, settings.networks)
    own = replace(settings, sizes=(*settings.sizes[:-1], classes))
    many = common.train_many(keys, cost.Cost(chosen), own, records=settings.records, keep=True)
    runs, found = [many.network(i) for i in range(settings.networks)], {}
    for name in common.NETWORKS:
        params = [one.at(common.stages(one.costs)[name]) for one in runs]
        rows = [highest(k, chosen[: settings.counted], p, settings.top) for k, p in zip(keys, params, strict=True)]
        found[name] = list(map(np.array, zip(*rows, strict=True)))
    return found


def highest(key, images, params, top):
    """The highest eigenvalues of H, how far they may be off, and the largest of each null."""
    C = cost.Cost(images)
    found = lanczos.top_eigenpairs(key, C, params, top, tolerance=0.01)
    (H, n, _), (G, _, _) = (products.on_arrays(C, params, of) for of in (products.hvps, products.ggn_vps))
    M, rng = class_means(C, params), np.random.default_rng(0)
    nulls = lambda v: H(v) - G(v), lambda v: H(v) - (v @ M.T) @ M
    return found.values, found.residuals, [lanczos.extreme(of, n, 1, rng, tolerance=0.01)[0][0] for of in nulls]


def class_means(C, params):
    """M, such that M'M is what G has of the class means of the outputs' derivatives, `[classes^2, n]`."""
    y = np.asarray(C.images.y)  # one-hot; the quadratic loss has the second derivative 2 in each output
    rows = [np.float64(leaf).reshape(y.shape[1] ** 2, -1) for leaf in jax.tree.leaves(derivatives(C, params))]
    return np.concatenate(rows, 1) * np.sqrt(np.repeat(2 * y.mean(0), y.shape[1]))[:, None]


@jax.jit
def derivatives(C, params):
    """Those of each output in the parameters, their means over each class, leaves `[classes, outputs, ...]`."""
    x, y = C.images.x, C.images.y
    return jax.jacrev(lambda params: (y / y.sum(0)[None]).T @ jax.vmap(lambda x: C.f(x, *params))(x))(params)


def counts(of):
    """Outliers above each null, `[classes, networks, 2]`."""
    return (of.values[..., None, :] > of.nulls[..., None]).sum(-1)


def table(result):
    """Outliers by classes, and what becomes of the claims."""
    lines = []
    for i, null in enumerate(NULLS):
        rows = [[f"outliers above {null}", *(f"{c} classes" for c in result.classes)]]
        rows += [[name, *(" ".join(map(str, one)) for one in counts(of)[..., i])] for name, of in result.stages.items()]
        lines += [*common.columns(rows), ""]
    top = max(of.values.shape[2] for of in result.stages.values())
    cut = sum(int((counts(of) == top).sum()) for of in result.stages.values())
    return [*lines, f"counts that are cut off at the {top} eigenvalues asked for: {cut}", "", *verdicts(result)]


def verdicts(result):
    """Stage by stage and null by null: are there as many as classes, and more of more."""
    lines = []
    for name, of in result.stages.items():
        for i, null in enumerate(NULLS):
            found = counts(of)[..., i]
            right = int(np.isin(found - result.classes[:, None], (-1, 0)).sum())
            claim = f"{name}: as many outliers as classes or one fewer, above {null}; share of networks"
            share = statistics.proportion(right, found.size)
            lines.append(common.verdict(claim, share, low=0.5, source=SOURCE))
            tau = resampling.bootstrap(jax.random.key(0), statistics.trend, found.astype(float))
            claim = f"{name}: more classes, more outliers above {null}; rank correlation"
            lines.append(common.verdict(claim, tau, low=0.5, source=SOURCE))
    return lines


def draw(path):
    """By number of classes above the eigenvalues, below how many are outliers; a column a stage."""
    result = results.load(path)
    figure = common.figure(15, 8)
    axes = figure.subplots(2, 3, sharex=True, sharey="row")
    for (top, bottom), (name, of) in zip(axes.T, result.stages.items(), strict=True):
        networks = of.values.shape[1]
        x = result.classes[:, None] + 0.7 * (np.arange(networks) + 0.5) / networks - 0.35  # side by side
        outlying = of.values > of.nulls[..., :1]
        for which, color in ((outlying, "tab:blue"), (~outlying, "lightgray")):
            for i in range(of.values.shape[2]):
                top.plot(x, np.where(which, of.values, np.nan)[..., i], ".", color=color, ms=3)
        bottom.plot(result.classes, result.classes, "k-", lw=1, label="as many as classes")
        bottom.plot(result.classes, result.classes - 1, "k:", lw=1, label="one fewer")
        for i, (null, color) in enumerate(zip(NULLS, COLORS, strict=True)):
            top.plot(x.ravel(), of.nulls[..., i].ravel(), "_", color=color, ms=5, label=f"largest of {null}")
            bottom.plot(x.ravel(), counts(of)[..., i].ravel(), "os"[i], color=color, ms=4, label=f"above {null}")
        top.set_title(f"{name}, {networks} networks each")
        top.set_yscale("log")
        bottom.set_xlabel("classes that are learned")
        bottom.set_xticks(result.classes)
        bottom.yaxis.get_major_locator().set_params(integer=True)
    top.plot([], [], ".", color="tab:blue", label="of H, above the remainder")
    top.plot([], [], ".", color="lightgray", label="of H, others")
    axes[0, 0].set_ylabel("eigenvalue")
    axes[1, 0].set_ylabel("outliers")
    for row in axes:
        row[-1].legend(fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        for ax in row:
            ax.grid(alpha=0.3)
    figure.suptitle(f"The {of.values.shape[2]} highest eigenvalues of the Hessian over {result.images:,} images")
    return common.save_figures(path, {"by-classes": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
