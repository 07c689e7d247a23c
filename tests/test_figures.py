"""Whole figures show the numbers that they are given, and their files are what their names say."""

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from jaxcost import figures, plot
from jaxcost.checkpoints import Journey
from jaxcost.slices import Slice

AXIS = np.linspace(-2, 2, 9)


def bowl(half_width=1.0):
    axes = (half_width * AXIS, half_width * AXIS)
    a, b = np.meshgrid(*axes, indexing="ij")
    return Slice(axes, a**2 + 0.5 * b**2 + 0.01, 1e-7, np.ones(2), np.eye(2), 0)


@pytest.fixture
def found():
    coordinates = np.array([[1.5, -1.0], [1.0, 0.5], [0.2, 0.4], [0.0, 0.0]])
    costs, shown = np.array([3.0, 1.0, 0.1, 0.01]), np.array([2.5, 1.1, 0.2, 0.01])
    return Journey(bowl(), coordinates, np.array([0.7, 0.4, 0.1, 0.0]), costs, shown, np.array([0.8, 0.15]))


def drawn(figure):
    figure.canvas.draw()
    return figure


# a journey


def test_a_journey_shows_path_costs_and_distances(found):
    figure = drawn(figures.journey(found))
    plane, top, bottom = figure.axes
    lines = {line.get_label(): line.get_ydata() for line in top.lines}
    np.testing.assert_array_equal(lines["true"], found.costs)
    np.testing.assert_array_equal(lines["shown, at its point of the plane"], found.shown)
    np.testing.assert_array_equal(bottom.lines[0].get_ydata(), found.off)
    assert top.get_yscale() == "log"
    assert plane.get_xlabel() == "component 1, 80.0%"
    assert any(np.array_equal(line.get_xydata(), found.coordinates) for line in plane.lines)


def test_one_through_three_names_its_axes_as_any_plane_and_costs_alike_are_not_logarithmic(found):
    figure = drawn(figures.journey(found._replace(share=None, costs=np.array([3, 2, 2, 1.0]), shown=np.full(4, 2.0))))
    assert [figure.axes[0].get_xlabel(), figure.axes[0].get_ylabel()] == ["α", "β"]
    assert figure.axes[1].get_yscale() == "linear"
    texts = {text.get_text(): tuple(text.xy) for text in figure.axes[0].texts if hasattr(text, "xy")}
    assert texts == {str(i): tuple(at) for i, at in enumerate(found.coordinates)}
    assert not any(line.get_linestyle() != "None" for ax in figure.axes[:3] for line in ax.lines)
    with pytest.raises(ValueError, match="expected something with plane, coordinates"):
        figures.journey(found.plane)
    with pytest.raises(ValueError, match=r"coordinates \[4, 2\] of 3 costs, expected \[steps, 2\] and \[steps\]"):
        figures.journey(found._replace(costs=found.costs[:3]))


# files of figures


@pytest.mark.parametrize(("ending", "begins"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_a_figure_is_what_its_name_says_and_the_same_to_the_byte(ending, begins, found, tmp_path):
    paths = [tmp_path / "new" / f"{name}.{ending}" for name in "ab"]
    for path in paths:
        figures.save(path, figures.journey(found))
    first, second = (path.read_bytes() for path in paths)
    assert first.startswith(begins)
    assert first == second
    assert b"matplotlib.org" not in first


def test_dots_an_inch_are_as_asked_for(found, tmp_path):
    figures.save(tmp_path / "a.png", Figure(figsize=(3, 2)), dpi=50)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (150, 100)


# what moves


def colours(path):
    """Each picture of a GIF, as RGB, and how long it is shown."""
    with Image.open(path) as image:
        assert (image.format, image.info["loop"]) == ("GIF", 0)
        for i in range(image.n_frames):
            image.seek(i)
            yield np.asarray(image.convert("RGB"), int), image.info["duration"]


def test_a_zoom_has_its_planes_one_after_the_other(tmp_path):
    planes = [bowl(width) for width in (4.0, 1.0, 0.25)]
    draw = lambda figure, plane: plot.contour(figure.subplots(), plane)
    figures.gif(tmp_path / "zoom.gif", draw, iter(planes), fps=4, size=(3, 2.5), dpi=60)
    told = list(colours(tmp_path / "zoom.gif"))
    assert [time for _, time in told] == [250] * 3
    for (picture, _), plane in zip(told, planes, strict=True):
        alone = Figure(figsize=(3, 2.5), dpi=60, layout="constrained")
        draw(alone, plane)
        figures.save(tmp_path / "alone.png", alone, dpi=60)
        with Image.open(tmp_path / "alone.png") as image:
            expected = np.asarray(image.convert("RGB"), int)
        assert picture.shape == expected.shape == (150, 180, 3)
        assert np.abs(picture - expected).mean() < 4  # of 255: a GIF has 256 colours


def test_a_path_is_walked(found, tmp_path):
    def draw(figure, n):
        ax = figure.subplots()
        plot.contour(ax, found.plane, bar=False)
        plot.trajectory(ax, found.coordinates[:n], found.off[:n])

    figures.gif(tmp_path / "walk.gif", draw, range(1, 5), size=(2, 2), dpi=50)
    pictures = [picture for picture, _ in colours(tmp_path / "walk.gif")]
    assert len(pictures) == 4
    assert all(np.abs(a - b).max() > 50 for a, b in pairwise(pictures))


def test_one_picture_is_one_frame(tmp_path):
    figures.gif(tmp_path / "one.gif", lambda figure, _: figure.subplots(), [0], size=(1, 1))
    with Image.open(tmp_path / "one.gif") as image:
        assert image.n_frames == 1


# what is refused


def test_what_cannot_be_drawn_or_written_is_refused(tmp_path, monkeypatch):
    gif = lambda **more: figures.gif(**{"path": tmp_path / "a.gif", "draw": lambda *_: None, "frames": [1]} | more)
    for call, message in (
        (lambda: figures.save(tmp_path / "a.jpg", Figure()), r"'\.jpg', expected one of '\.png', '\.svg', '\.pdf'"),
        (lambda: figures.save(tmp_path / "a.png", None), "expected a Figure of matplotlib"),
        (lambda: gif(path=tmp_path / "a.mp4"), r"'\.mp4', expected one of '\.gif'"),
        (lambda: gif(frames=[]), "0 frames, expected one or more"),
        (lambda: gif(frames="abc"), "expected a list or another iterable"),
        (lambda: gif(fps=100), r"fps=100, expected a number in \[1, 50\]"),
        (lambda: gif(size=(0, 1)), "expected width and height in inches"),
        (lambda: gif(draw=None), "draw=None, expected a function"),
    ):
        with pytest.raises(ValueError, match=message):
            call()

    def full(self, *_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    for call in (gif, lambda: figures.save(tmp_path / "a.png", Figure())):
        with pytest.raises(OSError, match=re.compile(r"a\.(gif|png): expected to write .* found: No space left")):
            call()
    assert not list(tmp_path.iterdir())
