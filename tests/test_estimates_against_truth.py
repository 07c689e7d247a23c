"""What the script that holds estimates against the truth computes and judges, by numpy and by results made by hand."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from jaxcost.curvature import density, estimates, lanczos

sys.path[:0] = [str(Path(__file__).parents[1] / "experiments")]
against = importlib.import_module("estimates_against_truth")

VALUES = np.array([-0.4, *np.zeros(20), 0.001, 0.3, 0.5, 1.0])  # 0.05 is the level: four are beyond it
PROBES, DRAWS = np.array([4, 8, 16, 32]), 400
SETTINGS = against.Settings(probes=(2, 4, 64), steps=(3, 5), tolerances=(0.1, 0.01))


def test_errors_are_those_of_all_numbers_and_a_wrong_one_that_states_none_is_not_covered():
    found = estimates.Estimate({"a": np.array([[1.0, 2.0]]), "b": 5.0}, {"a": np.array([[0.4, 0.0]]), "b": 1.0}, 4)
    actual, stated, covered = against.errors(found, np.array([2.0, 2.5, 4.0]))  # off by 1, 0.5 and 1
    size = np.sqrt(4 + 6.25 + 16)
    assert (actual, stated) == pytest.approx((1.5 / size, np.sqrt(1.16) / size))
    assert covered == pytest.approx(1 / 3)
    assert against.errors(estimates.Estimate(9.0, 0.6, 4), 10.0) == pytest.approx((0.1, 0.06, 1))


def test_two_errors_hold_the_mean_of_normal_numbers_as_often_as_expected():
    drawn = np.random.default_rng(0).normal(size=(100_000, 4))
    off, error = np.abs(drawn.mean(1)), drawn.std(1, ddof=1) / 2
    assert against.expected(4) == pytest.approx(np.mean(off <= 2 * error), abs=0.005)
    assert against.expected(10_000) == pytest.approx(0.9545, abs=1e-3)


def areas_of(nodes, monkeypatch, times="2"):
    """Of densities that have these nodes in equal parts."""
    made = lambda k, C, params, probes, width, **_: density.Density(
        np.tile(nodes, (probes, 1)), np.full((probes, len(nodes)), 1 / len(nodes)), width, len(VALUES)
    )
    monkeypatch.setattr(density, "spectral_density", made)
    return against.densities(range(3), None, None, VALUES, times, SETTINGS)


def test_a_density_of_the_exact_eigenvalues_leaves_no_area(monkeypatch):
    areas, counts = areas_of(VALUES, monkeypatch)
    assert areas.whole.shape == areas.actual.shape == (2, 2, 3)  # no density has 64 probes
    np.testing.assert_allclose([areas.whole, areas.actual, areas.stated], 0, atol=1e-12)
    np.testing.assert_allclose(counts.actual, 0, atol=1e-12)
    assert areas_of(VALUES, monkeypatch, "0")[0].steps.tolist() == [5]


def test_one_of_nothing_but_the_bulk_leaves_the_area_of_all_that_is_beyond_the_level(monkeypatch):
    areas, counts = areas_of(np.zeros(3), monkeypatch)
    np.testing.assert_allclose(areas.actual, 1, atol=1e-3)
    np.testing.assert_allclose(areas.whole, 2 * 4 / len(VALUES), atol=3e-3)
    np.testing.assert_allclose(counts.actual, 1, atol=1e-4)  # none of three is found


@pytest.mark.parametrize("missed", [False, True])
def test_an_eigenvalue_that_was_missed_is_told_from_one_that_is_off(missed, monkeypatch):
    values = np.arange(1.0, 21.0)
    found = np.delete(values, 12)[:-11:-1] if missed else values[:-11:-1]  # 13 is the eighth from the top
    stated = np.full(10, 0.01)
    made = lambda *_, tolerance: SimpleNamespace(values=found + 0.015, errors=stated, products=30)
    monkeypatch.setattr(lanczos, "top_eigenpairs", made)
    each = against.highest(range(2), None, None, values, SETTINGS)
    nearest, ordered = each[against.NEAREST], each[against.ORDERED]
    np.testing.assert_array_equal(nearest.covered, 1)
    np.testing.assert_array_equal(ordered.covered, 0.7 if missed else 1)
    np.testing.assert_allclose(nearest.actual, 0.015 / np.sqrt(np.mean(found**2)))
    off = np.repeat([0.015, 0.985 if missed else 0.015], [7, 3])
    np.testing.assert_allclose(ordered.actual, np.sqrt(np.mean(off**2) / np.mean(values[10:] ** 2)))


def result_of(times_stated=1.0, power=-0.5, area=0.1, expected=0.1, plain=0.1, share=1.0):
    """Estimates that are off by normal numbers, and areas and shares as they are told."""
    rng, spread = np.random.default_rng(1), PROBES[:, None] ** power
    actual, freedom = rng.normal(size=(len(PROBES), DRAWS)) * spread, PROBES[:, None] - 1
    stated = times_stated * spread * np.sqrt(rng.chisquare(freedom, actual.shape) / freedom)
    of = against.Errors(PROBES, np.abs(actual), stated, np.abs(actual) <= 2 * stated)
    searched = of._replace(covered=np.full((4, DRAWS), share))
    first, last = np.full((4, 5), 0.8), np.full((4, 5), area)
    make = lambda actual: against.Areas(np.array([5, 80]), PROBES, actual / 100, actual, np.full((2, 4, 5), expected))
    areas = {"2": make(np.stack([first, last])), "0": make(np.stack([first, np.full((4, 5), plain)]))}
    kinds = {"trace": of, against.NEAREST: searched, against.ORDERED: searched}
    return against.Result(5, VALUES, kinds, areas)


CLAIMS = ["lies on", "more steps", "standard error says", "no reortho", "stated over", "falls as", "as t says"]
SHARES = ["nearest", "by rank"]


@pytest.mark.parametrize(
    ("made", "fail"),
    [
        ({}, []),
        ({"times_stated": 0.1}, ["stated over", "as t says"]),
        ({"times_stated": 2.0}, ["stated over"]),
        ({"power": -0.2}, ["falls as"]),
        ({"area": 0.5, "plain": 0.5}, ["lies on", "more steps", "standard error says"]),
        ({"expected": 0.05}, ["standard error says"]),
        ({"plain": 0.15}, ["no reortho"]),
        ({"share": 0.85}, SHARES),
    ],
)
def test_each_verdict_holds_where_it_should_and_can_fail(made, fail):
    lines = against.verdicts(result_of(**made))
    assert len(lines) == len(CLAIMS) + len(SHARES)
    told = [line for line in lines if line.startswith("not confirmed")]
    assert len(told) == len(fail)
    assert all(words in line for words, line in zip(fail, told, strict=True))


def test_the_table_tells_every_number_of_probes_and_draws_and_all_verdicts():
    result = result_of()
    lines = against.table(result)
    assert lines[-9:] == against.verdicts(result)
    (row,) = [line.split() for line in lines if line.startswith("trace ") and line.split()[1] == "16"]
    of = result.estimates["trace"]
    assert float(row[2]) == pytest.approx(np.sqrt(np.mean(of.actual[2] ** 2)), rel=0.01)
    assert float(row[3]) == pytest.approx(np.sqrt(np.mean(of.stated[2] ** 2)), rel=0.01)
    assert row[4:] == [f"{of.covered[2].mean():.1%}", "93.6%", "400"]
    assert any("2 times" in line and "0.100 (0.100)" in line and line.endswith("0.001") for line in lines)
