"""Figures show what the results hold."""

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure

from jaxcost import bumpiness, plot, slices


def plane(values, floor=0.0):
    values = np.asarray(values, np.float32)
    axes = (np.linspace(-1, 1, values.shape[0]), np.linspace(-2, 2, values.shape[1]))
    return slices.Slice(axes, values, floor, np.ones(2), np.eye(2), int(np.sum(~np.isfinite(values))))


def test_alpha_runs_to_the_right_beta_up_and_minima_lie_where_they_are():
    alphas, betas = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-2, 2, 17), indexing="ij")
    there = plane((alphas - 0.5) ** 2 + (betas + 1) ** 2)
    ax = Figure().subplots()
    plot.contour(ax, there, bumpiness.local_minima(there.values))
    (mesh,) = [c for c in ax.collections if type(c).__name__ == "QuadMesh"]
    assert mesh.get_array().shape == (17, 9)
    np.testing.assert_allclose(mesh.get_array(), there.values.T)
    dots = [line for line in ax.lines if line.get_marker() == "o"]
    assert [tuple(map(float, np.ravel(line.get_data()))) for line in dots] == [(0.5, -1.0)]
    assert ax.get_aspect() == 1


def test_the_colour_scale_is_logarithmic_only_where_the_low_ground_would_be_lost():
    assert isinstance(plot.norm(np.geomspace(1e-3, 1, 50)), LogNorm)
    for values in (np.linspace(1, 5, 50), np.array([1e-3, *np.linspace(1, 2, 50)]), np.linspace(-1, 9, 50)):
        assert type(plot.norm(values)) is Normalize
    scale = plot.norm(np.array([1.0, np.nan, 3.0, np.inf]))
    assert (scale.vmin, scale.vmax) == (1, 3)


@pytest.mark.filterwarnings("ignore:.*(constant|No contour levels)")
@pytest.mark.parametrize("values", [np.full((3, 4), np.nan), np.ones((3, 4)), np.diag([np.inf] * 4), [[1.0, 2.0]]])
def test_odd_planes_are_drawn_too(values):
    with np.errstate(invalid="ignore"):
        figure = Figure()
        plot.contour(figure.subplots(), plane(values))
        figure.savefig("/dev/null", format="png")


def test_a_line_has_its_floor_as_a_band_and_a_surface_its_values():
    figure = Figure()
    there = slices.Slice((np.arange(4.0),), np.array([1.0, 2.0, 0.0, 3.0]), 0.25, np.ones(1), np.eye(1), 0)
    ax = figure.add_subplot(1, 2, 1)
    plot.line(ax, there, "C")
    low, high = (f(ax.collections[0].get_paths()[0].vertices[:, 1]) for f in (np.min, np.max))
    assert (low, high) == (-0.25, 3.25)
    ax = figure.add_subplot(1, 2, 2, projection="3d")
    plot.surface(ax, plane(np.arange(12.0).reshape(3, 4)))
    assert ax.get_zlim()[0] <= 0
    assert ax.get_zlim()[1] >= 11
    figure.savefig("/dev/null", format="png")


def test_a_band_spans_the_networks_and_one_network_has_none():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    plot.band(left, [0, 1], np.array([[1.0, 2.0], [3.0, 4.0], [8.0, 9.0]]))
    np.testing.assert_allclose(left.lines[0].get_ydata(), [3, 4])
    assert len(left.collections) == 1
    plot.band(right, [0, 1], np.array([1.0, 2.0]))
    assert not right.collections


def test_images_are_drawn_row_by_row_and_paths_at_their_coordinates():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    plot.image(left, jnp.arange(9.0) / 9, "a digit")
    np.testing.assert_allclose(left.images[0].get_array()[1], [3 / 9, 4 / 9, 5 / 9])
    plot.trajectory(right, np.array([[0.0, 1.0], [2.0, 3.0]]), np.array([0.0, 1.0]))
    np.testing.assert_allclose(right.collections[0].get_offsets(), [[0, 1], [2, 3]])
    assert len(set(right.collections[0].get_sizes())) == 2
