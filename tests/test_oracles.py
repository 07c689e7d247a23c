"""Products, Lanczos and estimates against other libraries, where these are installed: matfree, curvlinops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from jaxcost import cost, network
from jaxcost.curvature import density, estimates, lanczos, products
from jaxcost.data import Images

SIZES, N = (24, 5, 4, 3), 40


def problem(dtype):
    keys = jax.random.split(jax.random.key(0), 2)
    found = Images(jax.random.uniform(keys[0], (N, 24)), jax.nn.one_hot(jnp.arange(N) % 3, 3))
    images, params = jax.tree.map(lambda leaf: jnp.asarray(leaf, dtype), (found, network.init(keys[1], SIZES)))
    return cost.Cost(images), params


def autodiff(C, params):
    """A function of flat directions, by forward over reverse mode."""
    flat, unravel = ravel_pytree(params)
    slope = jax.grad(lambda flat: C(*unravel(flat)))
    return lambda v: jax.jvp(slope, (flat,), (v,))[1], len(flat)


@pytest.fixture
def promotion():
    """The libraries add vectors to matrices as numpy does; here it is an error."""
    with jax.numpy_rank_promotion("allow"), jax.numpy_dtype_promotion("standard"):
        yield


@pytest.mark.usefixtures("promotion")
def test_lanczos_is_that_of_matfree(x64):
    decomp = pytest.importorskip("matfree.decomp")
    C, params = problem(jnp.float64)
    along, n = autodiff(C, params)
    start = np.random.default_rng(0).normal(size=n)
    theirs = jax.jit(lambda v: decomp.tridiag_sym(20, reortho="full")(along, v))(jnp.asarray(start))
    T = np.asarray(theirs.J_small)
    ours = lanczos.tridiagonal(products.on_arrays(C, params)[0], start[None], 20)
    np.testing.assert_allclose(ours.diagonal[0], np.diagonal(T), rtol=1e-6, atol=1e-10)
    np.testing.assert_allclose(ours.off_diagonal[0], np.diagonal(T, 1), rtol=1e-6, atol=1e-10)
    vectors = np.abs(np.sum(ours.basis[0] * np.asarray(theirs.Q_tall), 1))
    np.testing.assert_allclose(vectors, 1, atol=1e-6)


@pytest.mark.usefixtures("promotion")
def test_trace_and_counts_of_eigenvalues_are_those_of_matfree(x64):
    funm = pytest.importorskip("matfree.funm")
    decomp, stochtrace = (pytest.importorskip(f"matfree.{room}") for room in ("decomp", "stochtrace"))
    C, params = problem(jnp.float64)
    along, n = autodiff(C, params)
    signs, normal = (of(jnp.zeros(n), num=400) for of in (stochtrace.sampler_signs, stochtrace.sampler_normal))
    of = stochtrace.estimator_monte_carlo_mean_and_sem(stochtrace.monte_carlo_trace(), sampler=signs)
    mean, sem = jax.jit(lambda key: of(along, key))(jax.random.key(1))
    ours = estimates.trace(jax.random.key(0), C, params, probes=400)
    assert abs(ours.value - mean) < 4 * np.hypot(ours.error, sem)
    assert ours.error == pytest.approx(float(sem), rel=0.2)  # each of 400 probes knows it to 4 %
    # the sum of a smooth function of all eigenvalues, as the density counts them
    width, level = 0.02, 0.05
    smooth = lambda x: jax.scipy.stats.norm.cdf((x - level) / width)
    integrand = funm.monte_carlo_funm_sym(funm.dense_funm_sym_eigh(smooth), decomp.tridiag_sym(30, reortho="full"))
    of = stochtrace.estimator_monte_carlo_mean_and_sem(integrand, sampler=normal)
    mean, sem = jax.jit(lambda key: of(along, key))(jax.random.key(2))
    found = density.spectral_density(jax.random.key(3), C, params, steps=30, probes=400, width=width)
    count, error = found.above(level)
    assert abs(count - mean) < 4 * np.hypot(error, sem)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")  # of torch about itself
@pytest.mark.parametrize("kind", ["hessian", "ggn"])
def test_products_are_those_of_curvlinops(kind):
    curvlinops, torch = pytest.importorskip("curvlinops"), pytest.importorskip("torch")
    C, params = problem(jnp.float32)
    layers = []
    for w, b in zip(*params, strict=True):
        layer = torch.nn.Linear(*w.shape[::-1])
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(np.array(w)))
            layer.bias.copy_(torch.tensor(np.array(b)))
        layers += [layer, torch.nn.Sigmoid()]
    model, (x, y) = (
        torch.nn.Sequential(*layers).double(),
        (torch.tensor(np.array(a)).double() for a in (C.images.x, C.images.y)),
    )
    weights = [layers[i].weight for i in (0, 2, 4)] + [layers[i].bias for i in (0, 2, 4)]  # in the order of Params
    of = {"hessian": curvlinops.HessianLinearOperator, "ggn": curvlinops.GGNLinearOperator}[kind]
    loss = torch.nn.MSELoss(reduction="mean")  # the mean over the three outputs too
    A = of(model, loss, weights, [(x, y)]).to_scipy()
    vs = np.random.default_rng(0).normal(size=(5, A.shape[0]))
    theirs = 3 * np.stack([A @ v for v in vs])
    product = {"hessian": products.hvps, "ggn": products.ggn_vps}[kind]
    ours = products.on_arrays(C, params, product)[0](vs)
    np.testing.assert_allclose(ours, theirs, atol=2e-6 * np.abs(theirs).max())
