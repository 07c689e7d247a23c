"""What `speed.py --curvature` times, of a trained network: products with the Hessian, top eigenpairs, all of it.

With --peer, PyTorch's double backward, and curvlinops and PyHessian, given the same network, images and tolerance:
pip install torch curvlinops-for-pytorch pyhessian.
"""

import resource
import time
from typing import NamedTuple

import common
import jax
import numpy as np
import optax
from peers import in_jax, timing
from scipy.linalg import eigvalsh
from scipy.sparse.linalg import LinearOperator, eigsh

from jaxcost import cost, descent
from jaxcost.curvature import lanczos, products

TOP, TOLERANCE, TOGETHER, ROW = 10, 1e-3, 16, 8
EPOCHS, BATCH = 3, 10  # of training: PyHessian wants the largest eigenvalues, which at the start are the lowest
ONE, SIXTEEN, PLAIN = "H v, products.hvp", f"{TOGETHER} at once, products.hvps", "H v, jvp of grad"
OURS = f"top {TOP}, lanczos.top_eigenpairs"


class Curvature(NamedTuple):
    """What was timed, in seconds.

    Attributes:
        images: how many C takes.
        sizes: of the network.
        products: seconds a product by its way, `[turns]`.
        others: of other models, each by "ours" and "plain", seconds a product, `[turns]`.
        top: seconds of the top eigenpairs by way, `[turns]`.
        found: their values by way, falling, `[k]`.
        whole: seconds of the dense Hessian, by images, compiling it included; and of all of its eigenvalues in float64.
        peak: bytes of main memory of this process at its peak, all included.
    """

    images: int
    sizes: tuple
    products: dict[str, np.ndarray]
    others: dict[str, dict[str, np.ndarray]]
    top: dict[str, np.ndarray]
    found: dict[str, np.ndarray]
    whole: dict[str, float]
    peak: float


def run(settings):
    """Time everything about curvature."""
    train, _ = common.images(settings)
    C, start, _ = in_jax.model("-".join(map(str, settings.sizes)), train)
    steps = EPOCHS * C.n // BATCH
    training = {"steps": steps, "batch": BATCH, "every": steps}
    params = descent.descend(jax.random.key(1), C, start, optax.sgd(settings.rate), **training).params
    top = {OURS: lambda: lanczos.top_eigenpairs(jax.random.key(0), C, params, TOP, tolerance=TOLERANCE).values}
    top[f"top {TOP}, scipy's eigsh on products.hvp"] = lambda: _eigsh(C, params)
    ways = ways_of(C, params)
    if settings.peer:
        from peers import torch_curvature

        ways |= {"H v, PyTorch's double backward": in_a_row(torch_curvature.double_backward(C, params))}
        top |= torch_curvature.top(C, params, TOP, TOLERANCE)
    seconds = timing.turns(ways, settings.repeats)
    others = {}
    for name in settings.models:
        try:
            model = in_jax.model(name, train[:1_000] if name == "cnn" else train)[:2]
        except ImportError as error:
            print(f"{name} is left out: {error}")
            continue
        some = {key: way for key, way in ways_of(*model, row=2).items() if key in (ONE, PLAIN)}
        others[name] = timing.turns(some, max(2, settings.repeats - 2))
    found = {}
    tops = {name: (lambda _, way=way, name=name: found.update({name: way()}), [0]) for name, way in top.items()}
    times = timing.turns(tops, max(2, settings.repeats - 2))
    whole = {}
    for part in sorted({min(8_000, C.n), C.n}):
        start = time.perf_counter()
        H = products.hessian(cost.Cost(train[:part], C.f, C.loss), params, progress=False)
        whole[f"{part}"] = time.perf_counter() - start
    if settings.eigenvalues:
        start = time.perf_counter()
        eigvalsh(np.float64(H), overwrite_a=True, check_finite=False)
        whole["all eigenvalues"] = time.perf_counter() - start
    peak = 1024.0 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    values = {name: np.asarray(of) for name, of in found.items()}
    return Curvature(C.n, settings.sizes, seconds, others, times, values, whole, peak), {"data": train.fingerprint}


def ways_of(C, params, row=ROW):
    """Products in this kit, and as everyone writes them; of one direction so many in a row."""
    draw = lambda key, leaf: jax.random.normal(key, (TOGETHER, *leaf.shape), leaf.dtype)
    vs = jax.tree.map(lambda leaf: draw(jax.random.key(leaf.size), leaf), params)
    v = jax.tree.map(lambda leaf: leaf[0], vs)
    along = lambda C, p, v: jax.jvp(lambda p: jax.grad(lambda p: C(*p))(p), (p,), (v,))[1]
    plain, many = jax.jit(along), jax.jit(jax.vmap(along, (None, None, 0)))
    together = lambda way: (lambda _: jax.block_until_ready(way()), [0] * TOGETHER)
    return {
        PLAIN: in_a_row(lambda: jax.block_until_ready(plain(C, params, v)), row),
        f"{TOGETHER} by vmap of that": together(lambda: many(C, params, vs)),
        ONE: in_a_row(lambda: jax.block_until_ready(products.hvp(C, params, v)), row),
        SIXTEEN: together(lambda: products.hvps(C, params, vs)),
        "G v, products.ggn_vp": in_a_row(lambda: jax.block_until_ready(products.ggn_vp(C, params, v)), row),
        f"{TOGETHER} at once, products.ggn_vps": together(lambda: products.ggn_vps(C, params, vs)),
    }


def in_a_row(way, row=ROW):
    """One product after another, as a method takes them: the first after another way takes up to 1.5 times as long."""
    return lambda points: [way() for _ in points], [0] * row


def _eigsh(C, params):
    of_arrays, n, _ = products.on_arrays(C, params)
    H = LinearOperator((n, n), matvec=lambda v: of_arrays(v.reshape(1, -1))[0], dtype=np.float64)
    values = eigsh(H, k=TOP, which="LA", tol=TOLERANCE, v0=np.random.default_rng(0).normal(size=n))[0]
    return values[::-1]


def table(result):
    """Milliseconds a product and ratios; seconds of eigenpairs; the dense Hessian."""
    ms = lambda seconds: common.median_of(1e3 * seconds, ".1f")
    times = lambda others, seconds: common.median_of(others / seconds, ".2f")
    ways, best = result.products, result.top[OURS]
    away = lambda name: np.abs(np.sort(result.found[name]) / np.sort(result.found[OURS]) - 1).max()
    sections = {
        f"product; ms each; times {ONE}; times {SIXTEEN}": [
            [name, ms(s), times(s, ways[ONE]), times(s, ways[SIXTEEN])] for name, s in ways.items()
        ],
        "model; ms a product; plain; faster by": [
            [name, ms(s[ONE]), ms(s[PLAIN]), times(s[PLAIN], s[ONE])] for name, s in result.others.items()
        ],
        f"top {TOP} to {TOLERANCE:g}; seconds; times ours; largest relative difference": [
            [name, common.median_of(s, ".2f"), times(s, best), f"{away(name):.0e}"] for name, s in result.top.items()
        ],
        "dense Hessian of images; seconds": [
            [f"{int(n):,}" if n.isdigit() else n, f"{s:.1f}"] for n, s in result.whole.items()
        ],
    }
    return [
        f"{'-'.join(map(str, result.sizes))}, {result.images:,} images, median of {len(ways[ONE])} (lowest to highest)",
        *(line for head, rows in sections.items() for line in ("", *common.columns([head.split("; "), *rows]))),
        "",
        f"main memory of the process at its peak: {result.peak / 1e9:.1f} GB",
    ]


def ways(result):
    """What is drawn: seconds by way, and of what."""
    return result.products, "a product"
