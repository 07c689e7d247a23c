"""Coordinates: all points of a grid in reading order, of a type that does not round them, and checked."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost.directions import Frame
from jaxcost.engine import coordinates


def moving(*dtypes, k=1):
    """A frame of floating leaves of these types, as `Frame.moving` makes it."""
    leaves = tuple(jnp.ones(2, dtype) for dtype in dtypes)
    return Frame(leaves, (leaves,) * k)


@pytest.mark.parametrize("lengths", [(3,), (2, 3), (2, 1, 3)])
def test_points_of_a_grid_are_in_reading_order(lengths):
    axes = [np.arange(length) + 10 * i for i, length in enumerate(lengths)]
    np.testing.assert_array_equal(coordinates.product(axes), list(itertools.product(*axes)))


@pytest.mark.parametrize(
    ("dtypes", "expected"),
    [
        (["bfloat16"], np.float32),
        (["float16"], np.float32),
        (["bfloat16", "float32"], np.float32),
        (["float16", "bfloat16"], np.float32),
        (["float32", "float64"], np.float64),
        (["bfloat16", "float64"], np.float64),
    ],
)
def test_the_type_is_the_widest_of_the_leaves_and_float32_at_least(dtypes, expected, x64):
    for order in (dtypes, dtypes[::-1]):
        assert coordinates.dtype_of(moving(*order)) == expected
        third = coordinates.points_on(moving(*order), [[1 / 3]])
        assert third.dtype == expected
        assert third[0, 0] == expected(1 / 3)  # rounded to that type and no narrower one
        (axis,) = coordinates.axes_on(moving(*order), [[1 / 3]])
        assert axis[0] == third[0, 0]


@pytest.mark.parametrize("points", [np.zeros((0, 2)), np.zeros((3, 1)), np.zeros(2), [[1.0, 2.0, 3.0]], []])
def test_points_of_another_shape_are_refused(points):
    with pytest.raises(ValueError, match=r"points have shape .*, expected \[m, 2\] with at least one point"):
        coordinates.points_on(moving("float32", k=2), points)


def test_points_may_be_anything_that_numbers_are():
    np.testing.assert_array_equal(
        coordinates.points_on(moving("float32", k=2), [[1, 2], [np.inf, 4]]), [[1, 2], [np.inf, 4]]
    )


@pytest.mark.parametrize(
    ("axes", "found"),
    [
        ([[], [0.0]], r"alphas have shape \(0,\)"),
        ([[0.0], [[0.0]]], r"betas have shape \(1, 1\)"),
        ([[0.0], 1.0], r"betas have shape \(\)"),
        ([[np.nan], [0.0]], r"alphas have shape \(1,\)"),
        ([[0.0], [1.0, np.inf]], r"betas have shape \(2,\)"),
        ([[0.0]], "found 1 axes and 2 directions"),
        ([[0.0]] * 3, "found 3 axes and 2 directions"),
    ],
)
def test_axes_that_are_no_lists_of_finite_numbers_or_not_as_many_as_directions_are_refused(axes, found):
    with pytest.raises(ValueError, match=found):
        coordinates.axes_on(moving("float32", k=2), axes)
