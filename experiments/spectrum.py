"""The spectrum of the Hessian: a bulk near zero, and few eigenvalues that stand out.

All eigenvalues of the Hessian H of C, of its Gauss-Newton part G and of the remainder H - G, of a network at the start,
half-way and trained, and of narrower trained ones. Sagun et al. 2017 (arXiv 1706.04454): most are near zero, and more
parameters only make these more. Papyan 2020 (arXiv 2008.11865): those that stand out come from G; held here to be so
where they are G's within 10 %. `outliers.py` counts them by classes.

    python experiments/spectrum.py                   the embedded digits
    python experiments/spectrum.py --data FOLDER     any four IDX files

H - G is what the curvature of the network makes without that of the loss; an eigenvalue of H stands out if it is above
all of H - G. It is near zero if it is less than a hundredth of the largest in size.

The images span fewer directions than they have pixels. Where the weights of the first layer turn to one in which no
image lies nothing changes, and H is exactly 0. So images and weights are turned into the span; these zeros are counted
without being computed, and all other eigenvalues stay as they are.

Expect, jax 0.10.2, seed 0, one network: 97 to 99 % near zero, and their number grows as parameters^1.0, on the embedded
digits, on MNIST and on Fashion-MNIST. Above all of H - G stand 6 eigenvalues untrained, 10 half-way, 19 trained; on
MNIST 6, 21 and 17, on Fashion-MNIST 6, 17 and 12: not as many as classes. The ten largest are those of G within 10 %
half-way on MNIST alone; else the intervals of the median ratio reach from 0.84 to 1.89, of trained networks from 0.96,
untrained from 0.44 to 1.31. Twenty to thirty minutes on two cores, nearly all of them LAPACK's.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import like, setting
from scipy.linalg import eigvalsh

from jaxcost import cost, data, network, results, statistics
from jaxcost.curvature import products

SAGUN, PAPYAN = "Sagun et al. 2017", "Papyan 2020"
PARTS = HESSIAN, GGN, REMAINDER = "H", "G", "H - G"
CLASSES = 10
NEAR = 0.01  # of the largest eigenvalue
SMALLEST = 1e-6  # of the largest: what is less is rounding


@dataclass(frozen=True)
class Settings(common.Trained):
    """Whose spectrum, over which images, and how many classes."""

    sizes: tuple = like("sizes", why="the cheatsheet's network, whose widths are changed", small=(784, 2, 2, 10))
    taken: int = setting(8000, "of the learned images, for all eigenvalues: as many as there are digits", small=60)
    widths: tuple = setting((2, 4, 8), "hidden neurons of narrower networks", small=(1,))
    records: int = setting(60, "of the training, among which half-way is found", small=6)


class Spectrum(NamedTuple):
    """All eigenvalues of a network's H, of G and of H - G.

    Attributes:
        cost: C over the images.
        parameters: how many there are.
        values: rising, by part, less the exact zeros of directions in which no image lies.
    """

    cost: float
    parameters: int
    values: dict[str, np.ndarray]


class Result(NamedTuple):
    """Spectra.

    Attributes:
        images: over which they are taken.
        stages: `Spectrum`, untrained to trained.
        widths: `Spectrum` of narrower trained networks, by hidden width.
    """

    images: int
    stages: dict[str, Spectrum]
    widths: dict[str, Spectrum]


def run(settings):
    """All eigenvalues of one network on its way, and of narrower ones."""
    train, _ = common.images(settings)
    keys = jax.random.split(jax.random.key(settings.seed))
    trained = lambda sizes: common.train(
        *keys, cost.Cost(train), replace(settings, sizes=sizes), records=settings.records
    )
    (first, *hidden, last), done, some = settings.sizes, trained(settings.sizes), train[: settings.taken]
    stages = {name: spectrum(some, done.at(record)) for name, record in common.stages(done.costs).items()}
    narrower = {str(width): (first, *(width,) * len(hidden), last) for width in settings.widths}
    widths = {name: spectrum(some, trained(sizes).params) for name, sizes in narrower.items()}
    return Result(len(some.x), stages, widths), {"data": train.fingerprint}


def spectrum(images, params):
    """All eigenvalues of the three parts."""
    C, turned = spanned(images, params)
    H, G = (of(C, turned) for of in (products.hessian, products.ggn))
    of_all = lambda A: eigvalsh(np.float64(A), overwrite_a=True, check_finite=False)
    values = {part: of_all(A) for part, A in zip(PARTS, (H, G, H - G), strict=True)}
    found = Spectrum(float(C(*turned)), network.size(params), values)
    print(f"{found.parameters:,} parameters at C = {found.cost:.3g}: {len(H):,} eigenvalues")
    return found


def spanned(images, params):
    """C and the same network with images and first weights turned into the span of the images."""
    _, lengths, span = np.linalg.svd(np.float64(images.x), full_matrices=False)
    span = span[lengths > 1e-6 * lengths[0]]
    turned = params._replace(w=(jnp.asarray(params.w[0] @ span.T, jnp.float32), *params.w[1:]))
    return cost.Cost(data.Images(jnp.asarray(images.x @ span.T, jnp.float32), images.y)), turned


def above(of):
    """Eigenvalues of H above all of H - G."""
    return int((of.values[HESSIAN] > of.values[REMAINDER][-1]).sum())


def near_zero(of):
    """How many eigenvalues of H are near zero, those of directions in which no image lies among them."""
    values = of.values[HESSIAN]
    return int((np.abs(values) < NEAR * np.abs(values).max()).sum()) + of.parameters - len(values)


def table(result):
    """Spectra, outliers by classes, and what becomes of the claims."""
    rows = [["", "C", "largest of H", "of G", "of H - G", "lowest of H", "near zero", "of", "above H - G"]]
    for name, of in {**result.stages, **{f"trained, width {w}": of for w, of in result.widths.items()}}.items():
        ends = [of.values[part][-1] for part in PARTS]
        rows.append([name, of.cost, *ends, of.values[HESSIAN][0], near_zero(of), of.parameters, above(of)])
    lines = [f"all eigenvalues over {result.images:,} images", *common.columns(rows)]
    return [*lines, "", *verdicts(result)]


def verdicts(result):
    """Row by row: a bulk near zero that grows, outliers as many as classes, and made by G."""
    trained = result.stages["trained"]
    near, n = np.transpose([[near_zero(of), of.parameters] for of in (*result.widths.values(), trained)])
    power = float(np.polyfit(np.log(n), np.log(near), 1)[0])
    lines = [
        common.verdict(
            "most eigenvalues are near zero; share, trained", float(near[-1] / n[-1]), low=0.9, source=SAGUN
        ),
        common.verdict("the number near zero grows with parameters; power", power, low=0.9, source=SAGUN),
    ]
    for name, of in result.stages.items():
        H, G = (of.values[part][::-1][:CLASSES] for part in PARTS[:2])
        claim = f"{name}: the largest eigenvalues are those of G; theirs over those of H"
        lines.append(common.verdict(claim, statistics.summary(G / H), 0.9, 1.1, whole=True, source=PAPYAN))
    return lines


def draw(path):
    """Histograms: a column a stage, a row a part, sizes on a logarithmic axis to both sides of 0."""
    result = results.load(path)
    figure = common.figure(15, 9)
    axes = figure.subplots(3, 3, sharex=True, sharey=True)
    most = 1.2 * max(np.abs(v).max() for of in result.stages.values() for v in of.values.values())
    size = most * np.logspace(np.log10(SMALLEST), 0, 49)
    edges, tallest = np.concatenate([-size[::-1], size]), []
    for column, (name, of) in zip(axes.T, result.stages.items(), strict=True):
        for ax, (part, values) in zip(column, of.values.items(), strict=True):
            tallest.append(ax.hist(values, edges, color="tab:blue")[0].max())
            ax.axvline(of.values[REMAINDER][-1], color="tab:red", lw=1)
            ax.set_xscale("symlog", linthresh=size[0], linscale=0.5)
            ax.set_xticks([*-(10.0 ** np.arange(0, -6, -2)), 0, *10.0 ** np.arange(-4, 1, 2)])
            inside = (np.abs(values) < size[0]).sum() + of.parameters - len(values)
            ax.set_title(f"{name}, {part}; {inside:,} of {of.parameters:,} nearer to 0 than {size[0]:.0e}", fontsize=10)
            common.counts(ax)
    axes[0, 0].set_ylim(top=2 * max(tallest))  # of all, whose axes are one
    for ax in axes[:, 0]:
        ax.set_ylabel("eigenvalues a bin")
    for ax in axes[-1]:
        ax.set_xlabel("eigenvalue, per unit of length squared")
    axes[0, 0].lines[0].set_label("largest eigenvalue of H - G")
    common.tidy(axes, loc="upper left")
    costs = ", ".join(f"{of.cost:.3g} {name}" for name, of in result.stages.items())
    figure.suptitle(f"All eigenvalues over {result.images:,} images; C is {costs}")
    return common.save_figures(path, {"parts": figure})


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
