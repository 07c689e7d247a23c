"""Numbers of figures are few and round."""

import numpy as np
import pytest

from jaxcost import scales


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (-1, 1, (-1, 0, 1)),
        (-0.03, 0.03, (-0.03, 0, 0.03)),
        (np.linspace(-0.03, 0.03, 7)[0], np.float32(0.03), (-0.03, 0, 0.03)),
        (-0.125, 0.125, (-0.1, 0, 0.1)),
        (-32, 32, (-30, 0, 30)),
        (-27, 97, (-20, 0, 20, 40, 60, 80)),
        (3, 3, (3,)),
        (0, 1e-9, (0, 2e-10, 4e-10, 6e-10, 8e-10, 1e-9)),
    ],
)
def test_ticks_are_round_and_0_is_one_of_them_where_it_is_in_the_middle(low, high, expected):
    np.testing.assert_allclose(scales.ticks(low, high), expected, rtol=1e-9)


@pytest.mark.parametrize("logarithmic", [False, True])
@pytest.mark.parametrize("most", [6, 12])
@pytest.mark.parametrize(("low", "high"), [(0.3, 5.2), (0.0769, 0.0773), (4e-4, 3.8), (1e-9, 1e9), (1, 1 + 1e-6)])
def test_levels_are_round_and_inside_and_not_too_many(low, high, most, logarithmic):
    found = scales.levels(low, high, logarithmic, most=most)
    assert np.all((found > low) & (found < high) & np.isfinite(found))
    assert len(found) <= most
    if not logarithmic:
        steps = np.diff(found)
        np.testing.assert_allclose(steps, steps[0], rtol=1e-6)
        assert f"{steps[0]:.0e}"[0] in "125"
        assert len(found) >= most / 3
    elif high > 10 * low:
        assert len(found) >= 3


def test_a_deep_funnel_has_levels_below_the_first_of_equal_steps():
    plain, deep = (scales.levels(0.01, 6, funnel=funnel, most=6) for funnel in (False, True))
    np.testing.assert_array_equal(plain, [1, 2, 3, 4, 5])
    np.testing.assert_array_equal(deep, [0.02, 0.05, 0.1, 0.2, 0.5, *plain])
    np.testing.assert_array_equal(scales.levels(-3, 6, funnel=True, most=6), [-2, 0, 2, 4])  # of no decades
    assert len(scales.levels(2, 2)) == 0


def test_a_number_is_not_below_itself():
    assert 0.3 not in scales.levels(0.3, 2, True)
    np.testing.assert_array_equal(scales.levels(0.25, 0.55, most=6), [0.3, 0.35, 0.4, 0.45, 0.5])


def test_a_span_is_of_the_finite_values_and_has_decades_where_most_of_them_lie_low():
    assert scales.span([1.0, np.nan, 3.0, np.inf]) == (1, 3, False)
    assert scales.span([np.nan]) == (0, 1, False)
    assert scales.span(np.geomspace(1e-3, 1, 50))[2]
    assert not scales.span([1e-3, *np.linspace(1, 2, 50)])[2]  # a single funnel in high ground
    assert not scales.span(np.linspace(-1, 9, 50))[2]
