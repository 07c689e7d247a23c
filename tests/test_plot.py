"""Figures show what the results hold."""

import io

import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import image
from matplotlib.colors import LogNorm, Normalize, to_hex
from matplotlib.figure import Figure

from jaxcost import plot, scales, slices, statistics
from jaxcost.connectivity import curves, graph
from jaxcost.measures import bumpiness, minima


def plane(values, floor=0.0):
    values = np.asarray(values, np.float32)
    axes = (np.linspace(-1, 1, values.shape[0]), np.linspace(-2, 2, values.shape[1]))
    return slices.Slice(axes, values, floor, np.ones(2), np.eye(2), int(np.sum(~np.isfinite(values))))


def test_alpha_runs_to_the_right_beta_up_and_minima_lie_where_they_are():
    alphas, betas = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-2, 2, 17), indexing="ij")
    there = plane((alphas - 0.5) ** 2 + (betas + 1) ** 2)
    ax = Figure().subplots()
    plot.contour(ax, there, minima.local_minima(there.values))
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


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("values", [np.full((3, 4), np.nan), np.ones((3, 4)), np.diag([np.inf] * 4), [[1.0, 2.0]]])
def test_odd_planes_are_drawn_too(values, filled):
    with np.errstate(invalid="ignore"):
        figure = Figure()
        plot.contour(figure.subplots(), plane(values), filled=filled)
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
    ends = {line.get_marker(): tuple(map(float, np.ravel(line.get_data()))) for line in right.lines}
    assert (ends["s"], ends["*"]) == ((0, 1), (2, 3))  # start and end
    assert len(set(right.collections[0].get_sizes())) == 2


def ink_at_the_edge(figure):
    """Whether a picture of a figure, saved as scripts save theirs, has ink on its outermost pixels."""
    file = io.BytesIO()
    figure.savefig(file, dpi=120, format="png")
    file.seek(0)
    pixels = image.imread(file)[..., :3]
    return min(edge.min() for edge in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1])) < 1


@pytest.mark.parametrize(("floor", "told"), [(1.23e-7, False), (0.0, False), (0.04, True)])
def test_the_floor_is_told_at_the_colour_bar_where_it_is_seen_and_nowhere_without_a_bar(floor, told):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    there = plane(np.arange(12.0).reshape(3, 4), floor)
    plot.contour(left, there, name="C, per image")
    (bar,) = left.child_axes
    assert bar.get_ylabel() == "C, per image" + ", ± noise floor 0.04" * told
    plot.contour(right, there, bar=False)
    assert not right.child_axes
    assert right.get_xlabel() == left.get_xlabel() == ""
    figure.savefig("/dev/null", format="png")


FUNNEL = np.abs(np.linspace(-1, 1, 41))[:, None] + np.abs(np.linspace(-1, 1, 31)) + 0.02


@pytest.mark.parametrize("filled", [False, True])
@pytest.mark.parametrize("values", [FUNNEL**2, FUNNEL])
def test_the_colour_bar_spans_the_values_on_either_scale_at_few_round_numbers(values, filled):
    figure = Figure()
    ax = figure.subplots()
    plot.contour(ax, plane(values, 1e-6), filled=filled)
    figure.savefig("/dev/null", format="png")
    (bar,) = ax.child_axes
    np.testing.assert_allclose(bar.get_ylim(), np.float32([values.min(), values.max()]), rtol=1e-6)
    shown = [tick.get_text() for tick in bar.get_yticklabels() if tick.get_text()]
    assert 2 < len(shown) <= 6
    assert all(len(text.replace("0", "").replace(".", "")) <= 2 for text in shown)


@pytest.mark.parametrize("shape", [(9, 9), (30, 5), (5, 30)])
def test_a_colour_bar_is_as_tall_as_its_axes_and_nothing_is_cut(shape):
    figure = Figure(layout="constrained")
    ax = figure.subplots()
    values = 1e4 + np.add.outer(np.arange(shape[0]), np.arange(shape[1]))
    axes = tuple(np.arange(float(n)) for n in shape)
    there = slices.Slice(axes, values, 0.0, np.ones(2), np.eye(2), 0)
    plot.contour(ax, there, name="a name, and its unit")
    ax.set_title("a plane")
    assert not ink_at_the_edge(figure)
    (bar,) = ax.child_axes
    assert bar.get_window_extent().height == pytest.approx(ax.get_window_extent().height)
    figure.text(0.97, 0.5, "a text that is cut")
    assert ink_at_the_edge(figure)


def test_level_lines_lie_at_the_same_costs_on_planes_of_one_scale_and_filled_ones_say_which():
    figure = Figure()
    left, right = figure.subplots(1, 2)
    scale = plot.norm(FUNNEL)
    plot.contour(left, plane(FUNNEL), scale=scale)
    plot.contour(right, plane(FUNNEL / 2 + 0.5), scale=scale, filled=True)
    one, other = (ax.collections[-1].levels for ax in (left, right))
    assert set(other) <= set(one)
    assert min(one) < 0.1  # in the funnel too, which equal steps leave out
    said = {float(text.get_text()) for text in right.texts}
    assert said
    assert said <= set(other)
    assert (scale.vmin, scale.vmax) == (FUNNEL.min(), FUNNEL.max())
    figure.savefig("/dev/null", format="png")
    for ax in (left, right):  # a second plane of a scale leaves the first one's bar as it is
        (bar,) = ax.child_axes
        assert "0.5" in [tick.get_text() for tick in bar.get_yticklabels()]


def test_the_origin_is_seen_beside_a_minimum():
    ax = Figure().subplots()
    there = plane(FUNNEL)
    plot.contour(ax, there, minima.local_minima(there.values))
    (dot,), (cross,) = ([line for line in ax.lines if line.get_marker() == marker] for marker in "o+")
    assert tuple(map(float, np.ravel(dot.get_data()))) == (0, 0)
    assert cross.get_markersize() > 1.5 * dot.get_markersize()
    assert cross.get_zorder() > dot.get_zorder()


def test_a_surface_holds_the_points_of_finer_planes_and_its_level_lines_lie_below():
    figure = Figure()
    ax = figure.add_subplot(projection="3d")
    cut = lambda reach: (np.linspace(-reach, reach, 5), np.linspace(-reach, reach, 5))
    values = lambda axes: np.hypot(*np.meshgrid(*axes, indexing="ij"))
    coarse, fine = (slices.Slice(axes, values(axes), 0.0, np.ones(2), np.eye(2), 0) for axes in map(cut, (4.0, 1.0)))
    plot.surface(ax, coarse, fine, name="cost")
    faces, *lines = ax.collections
    assert len(faces._faces) == 8 * 8  # five points and four new ones between them
    assert {face[:, 2].max() for face in faces._faces} >= {np.hypot(0.5, 0.5)}  # a value of the finer plane
    assert len({tuple(colour) for colour in faces.get_facecolor()}) > 8  # lit
    assert ax.get_zlim()[0] < 0 < ax.get_zlim()[1]
    assert lines
    assert ax.get_zlabel() == "cost"
    figure.savefig("/dev/null", format="png")
    with pytest.raises(ValueError, match="one point along an axis"):
        plot.surface(ax, plane([[1.0, 2.0]]))


def summaries(*rows):
    return [statistics.Summary(*row, np.nan, np.nan, 9, 0.95) for row in rows]


def heights(collection, x):
    """Lowest and highest edge of a band at x."""
    ends = [v[:, 1] for v in (p.vertices[p.vertices[:, 0] == x] for p in collection.get_paths()) if len(v)]
    return (min(map(np.min, ends)), max(map(np.max, ends))) if ends else None


def test_medians_are_joined_and_their_intervals_a_band_of_the_same_colour():
    ax = Figure().subplots()
    drawn = plot.medians(ax, [1, 10, 100], summaries((2, 1, 4), (3, 2.5, 3.5), (7, 5, 9)), "a label", color="tab:green")
    (line,) = ax.lines
    assert drawn is line
    np.testing.assert_array_equal(line.get_data(), [[1, 10, 100], [2, 3, 7]])
    assert (line.get_label(), line.get_color()) == ("a label", "tab:green")
    (shade,) = ax.collections
    assert [heights(shade, x) for x in (1, 10, 100)] == [(1, 4), (2.5, 3.5), (5, 9)]
    assert to_hex(shade.get_facecolor()[0]) == to_hex("tab:green")
    assert shade.get_facecolor()[0][3] < 0.5


def test_an_interval_that_is_not_known_leaves_the_band_open():
    ax = Figure().subplots()
    rows = (2, 1, 4), (3, 2, 4), (3, -np.inf, np.inf), (4, 3, 5), (4, 2, 5), (np.nan, np.nan, np.nan), (5, 4, np.inf)
    plot.medians(ax, np.arange(7), summaries(*rows))
    (shade,) = ax.collections
    assert [heights(shade, x) is not None for x in range(7)] == [True, True, False, True, True, False, False]
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [2, 3, 3, 4, 4, np.nan, 5])
    ax.figure.savefig("/dev/null", format="png")
    assert ax.get_ylim()[1] < 10


def test_numbers_whose_intervals_are_not_known_are_drawn_without_a_band():
    figure = Figure()
    ax = figure.subplots()
    plot.medians(ax, [1.0, 2.0], [statistics.Interval(value, -np.inf, np.inf) for value in (1.0, 1.5)])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [1, 1.5])
    assert not any(len(path.vertices) for path in ax.collections[0].get_paths())
    ax.set_xscale("log")
    figure.savefig("/dev/null", format="png")


def test_numbers_that_are_no_medians_are_drawn_with_their_intervals_as_well():
    ax = Figure().subplots()
    plot.medians(ax, [1, 2], [statistics.Interval(0.5, 0.25, 0.75), statistics.Interval(1.0, 0.5, 2.0)])
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [0.5, 1.0])
    assert [heights(ax.collections[0], x) for x in (1, 2)] == [(0.25, 0.75), (0.5, 2.0)]


def test_every_measure_of_a_slice_alone_has_a_title_and_critical_points_have_none():
    assert tuple(scales.MEASURES) == bumpiness.Measures._fields[:-3]
    assert bumpiness.Measures._fields[-3:] == ("bottoms", "saddles", "tops")


def test_basins_are_joined_at_the_cost_at_which_they_merge():
    costs = [0.1, 0.3, 0.2]
    passes = np.array([[0.1, 0.9, 2.0], [0.9, 0.3, 1.5], [2.0, 1.5, 0.2]])
    ax = Figure().subplots()
    plot.disconnectivity(ax, costs, graph.merges(passes))
    *forks, ends = ax.lines
    heights = sorted(max(fork.get_ydata()) for fork in forks)
    assert heights == [0.9, 1.5]
    lowest = sorted(y for fork in forks for y in fork.get_ydata()[[0, -1]])
    assert lowest == [0.1, 0.2, 0.3, 0.9]  # each network, and the basin that two of them made
    assert sorted(ends.get_ydata()) == [0.1, 0.2, 0.3]
    assert [label.get_text() for label in ax.get_xticklabels()] == [str(i) for i in np.argsort(ends.get_xdata())]


def test_a_curve_is_drawn_from_end_to_end_with_its_bend():
    nodes, path = np.array([[0.0, 0.0], [1.0, 3.0], [2.0, 0.0]]), np.array([[0.0, 0.0], [1.0, 1.5], [2.0, 0.0]])
    ax = Figure().subplots()
    plot.curve(ax, curves.Plane(None, nodes, path), "curve")
    drawn, straight, bend, ends = (np.transpose(line.get_data()) for line in ax.lines)
    np.testing.assert_array_equal(drawn, path)
    np.testing.assert_array_equal(bend, nodes[1:2])
    for both in (straight, ends):
        np.testing.assert_array_equal(both, nodes[[0, 2]])
