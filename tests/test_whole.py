"""Any pure function of the parameters as a cost, through every door, against closed forms worked out by hand.

A quantum circuit, the residuals of a differential equation, batch statistics: each is one number of the whole.
"""

import base64
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxcost import cost, descent, devices, layers, live, populations, results, slices
from jaxcost.connectivity import band, curves, paths, symmetry
from jaxcost.curvature import density, estimates, lanczos, moments, products, sharpness
from jaxcost.measures import bumpiness, critical, minima
from jaxcost.measures import images as images_of

KEY, AXIS = jax.random.key(0), np.linspace(-2, 2, 9)
NO_IMAGES = "this cost is one number of the whole, not a mean over images: it has none for each image; expected"


# a quantum circuit of two qubits


def rotation_y(t):
    return jnp.array([[jnp.cos(t / 2), -jnp.sin(t / 2)], [jnp.sin(t / 2), jnp.cos(t / 2)]]).astype(complex)


def rotation_z(t):
    return jnp.diag(jnp.exp(jnp.array([-0.5j, 0.5j]) * t))


def energy(p):
    """<ZZ + X1 / 2> after rotations of both qubits and a CNOT, by state vectors of complex numbers."""
    z, x = jnp.diag(jnp.array([1, -1])), jnp.array([[0, 1], [1, 0]])
    state = jnp.kron(rotation_z(p[2]) @ rotation_y(p[0]), rotation_y(p[1]))[:, 0]
    state = jnp.eye(4, dtype=state.dtype)[jnp.array([0, 1, 3, 2])] @ state
    hamiltonian = (jnp.kron(z, z) + jnp.kron(x, jnp.eye(2)) / 2).astype(state.dtype)
    return jnp.vdot(state, hamiltonian @ state).real


def by_hand(a, b, c):
    """ZZ is turned by the CNOT into Z of the second qubit alone, X1 into X1 X2: cos b + sin a sin b cos c / 2."""
    return np.cos(b) + np.sin(a) * np.sin(b) * np.cos(c) / 2


def hessian_by_hand(a, b, c):
    sa, ca, sb, cb, sc, cc = np.sin(a), np.cos(a), np.sin(b), np.cos(b), np.sin(c), np.cos(c)
    aa, ab, ac = -sa * sb * cc, ca * cb * cc, -ca * sb * sc
    bb, bc, cc_ = -2 * cb - sa * sb * cc, -sa * cb * sc, -sa * sb * cc
    return np.array([[aa, ab, ac], [ab, bb, bc], [ac, bc, cc_]]) / 2


ANGLES = (jnp.array([0.3, 0.7, 0.2]),)
AXES = (jnp.array([1.0, 0.0]),), (jnp.array([0.0, 1.0]),)
U, V = ((jnp.array([1.0, 0.0, 0.5]),), (jnp.array([0.0, 1.0, -0.25]),))


def test_the_energy_of_a_circuit_on_a_plane_is_the_closed_form():
    plane = slices.plane(energy, ANGLES, U, V, AXIS, AXIS, progress=False)
    a, b = np.meshgrid(AXIS, AXIS, indexing="ij")
    expected = by_hand(0.3 + a, 0.7 + b, 0.2 + a / 2 - b / 4)
    np.testing.assert_allclose(plane.values, expected, atol=2e-6)
    assert np.abs(plane.values - expected).max() < plane.floor < 1e-5
    slices.check(energy, plane)
    with pytest.raises(ValueError, match="a slice of another cost"):
        slices.check(lambda p: energy(p) + 1, plane)
    for one in (cost.of(energy), energy):
        np.testing.assert_allclose(slices.evaluate(one, *plane.frame, [[0.0, 0.0]]), by_hand(0.3, 0.7, 0.2), rtol=1e-6)


def test_its_derivatives_are_those_worked_out_by_hand():
    expected = hessian_by_hand(0.3, 0.7, 0.2)
    np.testing.assert_allclose(products.hessian(energy, ANGLES, progress=False), expected, atol=1e-6)
    np.testing.assert_allclose(products.hvp(energy, ANGLES, U)[0], expected @ np.array(U[0]), atol=1e-6)
    along = np.stack([U[0], V[0]])
    value, _, bent = slices.derivatives(energy, ANGLES, (U, V), [[0.0, 0.0]])
    np.testing.assert_allclose(bent[0], along @ expected @ along.T, atol=1e-6)
    np.testing.assert_allclose(value[0], by_hand(0.3, 0.7, 0.2), rtol=1e-6)
    eigenvalues = np.linalg.eigvalsh(expected)
    largest = eigenvalues[:0:-1]
    np.testing.assert_allclose(lanczos.top_eigenpairs(KEY, energy, ANGLES, 2).values, largest, atol=1e-5)
    found = moments.moments(energy, ANGLES, progress=False)
    np.testing.assert_allclose([found.trace, found.squares], [eigenvalues.sum(), (eigenvalues**2).sum()], rtol=1e-5)
    assert abs(estimates.trace(KEY, energy, ANGLES, probes=50).value - eigenvalues.sum()) < 1
    assert density.spectral_density(KEY, energy, ANGLES, steps=2, probes=2).nodes.shape == (2, 2)
    assert sharpness.of_ball(energy, ANGLES, epsilon=1e-2, steps=3).sharpness > 0


def test_descent_finds_the_ground_state():
    """The lowest of cos b + sin a sin b cos c / 2 is -sqrt(1 + 1/4): amplitudes add as the sides of a right angle."""
    run = descent.descend(KEY, energy, ANGLES, optax.adam(0.1), steps=200, every=100, watch={"again": energy})
    np.testing.assert_allclose(run.costs[-1], -np.sqrt(1.25), atol=1e-3)
    np.testing.assert_array_equal(run.costs, run.watched["again"])
    keys, start = jax.random.split(KEY, 2), lambda key: (jax.random.normal(key, (3,)),)
    many = descent.ensemble(keys, energy, start, optax.adam(0.1), steps=200, every=200)
    np.testing.assert_allclose(many.costs[:, -1], -np.sqrt(1.25), atol=1e-2)
    with pytest.raises(ValueError, match=f"batch=1: {NO_IMAGES} a cost.Cost of images, or batch=None"):
        descent.descend(KEY, energy, ANGLES, optax.adam(0.1), steps=1, batch=1)


def test_paths_populations_and_measures_take_it():
    other = (ANGLES[0] + 1,)
    path = paths.linear(energy, ANGLES, other, points=5, progress=False)
    np.testing.assert_allclose(path.costs, [by_hand(0.3 + t, 0.7 + t, 0.2 + t) for t in path.ts], atol=1e-6)
    curve = curves.bezier(KEY, energy, ANGLES, other, steps=3, points=3)
    np.testing.assert_allclose(curve.costs[[0, -1]], path.costs[[0, -1]], atol=1e-6)
    nudged = band.nudged(KEY, energy, ANGLES, other, steps=3, cycles=1)
    np.testing.assert_allclose(nudged.costs[0], path.costs[0], atol=1e-6)
    frames = populations.about(jax.random.split(KEY, 2), ANGLES, normalize=None)
    found = populations.grid(energy, frames, (AXIS,), progress=False)
    expected = [[by_hand(*np.array(one.at([s])[0])) for s in AXIS] for one in frames]
    np.testing.assert_allclose(found.values, expected, atol=2e-6)
    measured = bumpiness.measure((AXIS,), found.values[0], found.floor)
    assert measured.minima == minima.local_minima(found.values[0], found.floor).count


def test_critical_points_are_those_of_the_function():
    rosenbrock = lambda p: (1 - p[0]) ** 2 + 100 * (p[1] - p[0] ** 2) ** 2
    plane = slices.plane(rosenbrock, (jnp.array([0.5, 0.2]),), *AXES, AXIS, AXIS, progress=False)
    (point,) = critical.find(rosenbrock, plane).points
    np.testing.assert_allclose(point, [0.5, 0.8], atol=1e-6)  # its minimum is at (1, 1)


# a differential equation


NODES = jnp.linspace(0, 1, 9)


def residual(p):
    """Of u'' + u = 1 with u(0) = u(1) = 0, squared, mean over points: u = x (1 - x) (p_0 + p_1 x), quadratic in p."""
    u = lambda x: x * (1 - x) * (p[0] + p[1] * x)
    bent = jax.vmap(jax.grad(jax.grad(u)))(NODES)
    return jnp.mean((bent + jax.vmap(u)(NODES) - 1) ** 2)


def test_the_residual_of_a_differential_equation_has_the_hessian_of_its_least_squares():
    """u = (x - x^2) p_0 + (x^2 - x^3) p_1, so u'' + u = (x - x^2 - 2) p_0 + (x^2 - x^3 + 2 - 6 x) p_1."""
    x = np.array(NODES, float)
    A = np.stack([x - x**2 - 2, x**2 - x**3 + 2 - 6 * x], 1)
    H = 2 * A.T @ A / len(x)
    p = (jnp.array([0.4, -0.3]),)
    np.testing.assert_allclose(products.hessian(residual, p, progress=False), H, rtol=1e-5)
    lowest = np.linalg.lstsq(A, np.ones(len(x)), rcond=None)[0]
    plane = slices.plane(residual, (jnp.asarray(lowest, jnp.float32),), *AXES, AXIS, AXIS, progress=False)
    expected = [[np.mean((A @ (lowest + np.array([a, b])) - 1) ** 2) for b in AXIS] for a in AXIS]
    np.testing.assert_allclose(plane.values, expected, rtol=1e-5, atol=1e-6)
    found = critical.find(residual, plane)
    np.testing.assert_allclose(found.points, [[0, 0]], atol=1e-5)
    np.testing.assert_allclose(found.eigenvalues, [np.linalg.eigvalsh(H)], rtol=1e-4)


def test_a_network_that_solves_a_differential_equation_is_looked_at_layer_by_layer():
    """Of u' = -u, u(0) = 1, by a network of one hidden layer: derivatives in x are taken within the cost."""

    def informed(p):
        u = lambda x: 1 + x * (p["out"] @ jnp.tanh(p["in"] * x + p["shift"]))
        return jnp.mean((jax.vmap(jax.grad(u))(NODES) + jax.vmap(u)(NODES)) ** 2)

    keys = jax.random.split(KEY, 3)
    p = ({name: jax.random.normal(key, (6,)) for name, key in zip(("in", "out", "shift"), keys, strict=True)},)
    run = descent.descend(KEY, informed, p, optax.adam(0.02), steps=1500, every=1500)
    assert run.costs[-1] < 1e-3
    u = lambda x: 1 + x * (run.params[0]["out"] @ jnp.tanh(run.params[0]["in"] * x + run.params[0]["shift"]))
    np.testing.assert_allclose(u(0.5), np.exp(-0.5), atol=0.02)
    outer = layers.only(informed, run.params, lambda path: "out" in path)
    H = products.hessian(*outer, progress=False)
    h = lambda x: np.tanh(np.array(run.params[0]["in"]) * x + np.array(run.params[0]["shift"]))
    slope = lambda x: h(x) + x * (1 - h(x) ** 2) * np.array(run.params[0]["in"])
    A = np.stack([slope(x) + x * h(x) for x in np.array(NODES, float)])  # linear in the outer weights
    np.testing.assert_allclose(H, 2 * A.T @ A / len(NODES), rtol=1e-4, atol=1e-5)


# data that the function reads; batch statistics


def test_data_are_an_argument_and_not_compiled_in():
    x = jnp.arange(12.0).reshape(4, 3) / 10
    traces = []

    def spread(x, w):
        traces.append(x)
        return jnp.var(jnp.tanh(x @ w))

    w = jnp.array([0.1, -0.2, 0.3])
    C = cost.of(spread, x)
    np.testing.assert_allclose(C(w), np.tanh(np.array(x) @ np.array(w)).var(), rtol=1e-5)
    once = len(traces)
    np.testing.assert_allclose(cost.of(spread, 2 * x)(w), np.tanh(2 * np.array(x) @ np.array(w)).var(), rtol=1e-5)
    assert len(traces) == once > 0
    line = slices.line(C, (w,), (jnp.ones(3),), AXIS)
    expected = [np.tanh(np.array(x) @ (np.array(w) + s)).var() for s in AXIS]
    np.testing.assert_allclose(line.values, expected, rtol=1e-5)
    np.testing.assert_allclose(
        products.hessian(C, (w,), progress=False), jax.hessian(lambda w: jnp.var(jnp.tanh(x @ w)))(w), atol=1e-5
    )


def test_the_same_function_is_compiled_once():
    traces = []

    def squares(p):
        traces.append(p)
        return (p**2).sum()

    for k in range(3):
        slices.line(squares, (jnp.ones(2) * k,), (jnp.ones(2),), [0.0, 1.0])
        if not k:
            once = len(traces)
    assert len(traces) == once > 0
    assert jax.tree.structure(cost.of(squares)) == jax.tree.structure(cost.of(squares))


# what is of images is refused


def refusals():
    C, other = cost.of(energy), (ANGLES[0] + 1,)
    plane = slices.plane(C, ANGLES, U, V, AXIS, AXIS, progress=False)
    found = minima.local_minima(plane.values, plane.floor)
    return {
        "per_image": lambda: C.per_image(*ANGLES),
        "per_image, accuracy": lambda: slices.line(energy, ANGLES, U, AXIS, per_image=True, accuracy=True),
        "standard_error": lambda: slices.line((C, C), ANGLES, U, AXIS, standard_error=True),
        "per_class": lambda: slices.plan(energy, ANGLES, (U,), [[0.0]], per_class=True),
        "accuracy": lambda: cost.accuracy(energy, ANGLES),
        "outputs": lambda: cost.output_distance(energy, ANGLES),
        "the Gauss-Newton matrix": lambda: products.ggn(energy, ANGLES),
        "answers to images": lambda: symmetry.activation_matching(energy, ANGLES, other),
        "images to be spread": lambda: devices.spread(C, devices.mesh()),
        "depths of images": lambda: images_of.depths(energy, plane, found),
        "batch=100": lambda: curves.chain(KEY, energy, ANGLES, other, steps=3, batch=100),
    }


def test_what_is_of_single_images_is_refused_in_a_sentence():
    for what, ask in refusals().items():
        with pytest.raises(ValueError, match=f"^{re.escape(what)}: {NO_IMAGES} a cost.Cost of images"):
            ask()


def test_what_is_no_function_of_the_parameters_is_refused():
    for ask, message in (
        (lambda: cost.of(3.0), "function=3.0, expected a function"),
        (lambda: cost.of(energy, "text"), "data='text', expected a pytree of arrays"),
        (
            lambda: cost.of(lambda p: p)(jnp.ones(3)),
            r"function\(\*params\) has shape \(3,\), expected one number",
        ),
        (lambda: cost.of(lambda p: 1j * p)(1.0), r"function\(\*params\)=.*, expected real numbers"),
        (lambda: cost.of(energy)(*ANGLES, *ANGLES), r"2 parameters for f\(p\).*; expected C\(\*params\)"),
        (lambda: slices.line(dict, ANGLES, U, AXIS), "C=<class 'dict'>, expected a cost.Cost, or a function"),
    ):
        with pytest.raises(ValueError, match=message):
            ask()


# pages and files


def test_a_page_is_a_ladder_without_classes_and_says_why(tmp_path):
    lies = ANGLES, (U, V)
    page = live.explorer(tmp_path / "page.html", energy, lies, zooms=(0.5, 1.0), points=3, progress=False)
    assert not page.live
    assert page.reason.startswith("C is one number of the whole, not a mean over images")
    told = re.search(
        r'<script type="application/json" id="data">(.*?)</script>', (tmp_path / "page.html").read_text(), re.S
    )
    told = json.loads(told[1])
    assert (told["total"], told["names"], told["labels"], told["pixels"]) == (0, None, None, None)
    assert told["planes"][0]["note"] == f"C is {by_hand(0.3, 0.7, 0.2):.4g} at (0, 0)."
    values = np.frombuffer(base64.b64decode(told["planes"][0]["rungs"][1]["values"]), np.float32)
    np.testing.assert_allclose(values[0], by_hand(0.3 - 1, 0.7 - 1, 0.2 - 0.25), rtol=1e-5)
    with pytest.raises(ValueError, match="live=True, and C is one number of the whole"):
        live.explorer(tmp_path / "page.html", energy, lies, live=True)


def test_its_slices_are_kept_and_taken_up_again(tmp_path):
    line = slices.line(energy, ANGLES, U, AXIS, resume_file=tmp_path / "points.npz")
    again = slices.line(energy, ANGLES, U, AXIS, resume_file=tmp_path / "points.npz")
    np.testing.assert_array_equal(again.values, line.values)
    with pytest.raises(ValueError, match="different are model"):
        slices.line(lambda p: 2 * energy(p), ANGLES, U, AXIS, resume_file=tmp_path / "points.npz")
    results.save(tmp_path / "line.npz", line)
    loaded = results.load(tmp_path / "line.npz")
    np.testing.assert_array_equal(loaded.values, line.values)
    slices.check(energy, loaded)
