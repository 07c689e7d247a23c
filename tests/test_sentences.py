"""Each verdict of the cheatsheet can fail: made-up results that fulfil its conditions, and others that break one."""

import sys
from pathlib import Path
from types import SimpleNamespace as Made

import numpy as np
import pytest

from jaxcost import network

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
sys.path[:0] = [str(EXPERIMENTS)] * (str(EXPERIMENTS) not in sys.path)
from sentences import of_choices, of_the_cost, of_the_surface, texts  # noqa: E402

SLICE = Made(values=np.array([[3.0, 1.0, 3.0]] * 3), alphas=np.arange(3.0), betas=np.arange(3.0))


def changed(made, **new):
    """A result with other attributes."""
    return Made(**{**vars(made), **new})


def guess(cost):
    """A guess that costs so much."""
    return Made(a=np.array([cost**0.5] + [0.0] * 9), y=np.zeros(10))


def total(costs, C):
    return Made(C=C, costs=np.array(costs))


F = "f(x ; w, b)   an image in: float32[4]; w and b fixed; a guess out: float32[10]"
OF_C = (
    "C(w, b)       a network in: float32[10, 4], float32[10]: 50 numbers; all 2 images fixed; one number out: float32[]"
)


def one_image():
    totals = total([3.0, 5.0], 4.0), total([0.1, 0.3], 0.2)
    return Made(guesses=tuple(map(guess, (0.0129, 0.9, 4.0, 0.1))), totals=totals, f=F, C=OF_C)


def learning():
    falls = lambda end: np.array([[3.0, 1.0, end], [2.5, 1.0, end]])
    shares = {"squared differences": np.array([[0.3, 0.9]] * 2), "absolute differences": np.array([[0.1, 0.7]] * 2)}
    shuffled = {"shuffled labels": falls(0.95), "shuffled pixels": falls(0.2)}
    run = Made(costs=falls(0.1), watched={"accuracy_held_out": falls(0.9)})
    return Made(run=run, shuffled=shuffled, shares=shares, worst=Made(cost=np.array([2.0, 1.0])))


def dials(n=13_002, still=0.2, correlation=1.0):
    before = Made(params=network.Params((np.zeros((1, n - 1)),), (np.zeros(1),)), turned=np.arange(9))
    many = Made(
        C=np.ones(2), still=np.array([0.1, still]), correlation=np.array([1, correlation]), shares=np.ones((2, 2))
    )
    return Made(before=before, networks={"before learning": many, "after learning": many})


def brute(levels=(2, 10), rate=1e3, n=13_002, descent=0.2, high=0.0):
    share, end = Made(high=high), Made(value=0.9)
    found = {"dials": n, "levels": levels, "evaluations_a_second": rate, "random": np.array([1.3, 2.0, 3.0])}
    return Made(**found, descent=np.array([3.0, 1.0, descent]), share=share, end=end)


def plane(half_width, depths):
    return Made(half_width=half_width, of_C=Made(count=len(depths), deepest=max(depths), depths=np.array(depths)))


def bowls(*ends):
    scales = np.array([0.04, 1.0])
    of = {"untrained": Made(scales=scales, parabolic=np.full((6, 2), 1.0))}
    for kind, end in zip(("trained, wide start", "trained, narrow start"), ends, strict=True):
        of[kind] = Made(scales=scales, parabolic=np.full((6, 2), end))
    return Made(kinds=of)


def depths(many, deep):
    """Lines with so many minima deeper than 0.001, and so many deeper than 0.01."""
    levels = np.array([1e-4, 1e-3, 1e-2, 1e-1])
    counts = np.zeros((6, 2, 4, 4)) + np.array([50.0, many, deep, 1.0])
    of = Made(floors=np.full((6, 2), 1e-4), counts=counts)
    return Made(levels=levels, kinds={kind: {"1": of, "100": of} for kind in bowls(1.0, 1.0).kinds})


def story(ends=(1.2, 1.5), many=8.0, deep=1.0):
    planes = Made(networks={"trained": Made(planes=[plane(0.03, [0.1]), plane(0.5, [0.4]), plane(32.0, [3.0, 0.1])])})
    return planes, bowls(*ends), depths(many, deep)


def ground(costs, ends, freed=(0.0, 0.0)):
    m = len(costs)
    about = {
        "costs": np.array(costs),
        "depths": np.full(m, 0.1),
        "slopes": np.full(m, 0.5),
        "freed": np.array(freed[:m]),
    }
    return Made(**about, ends=np.array(ends))


def rates(small=0.9, good=0.1, large=(1.0, 2.0, 1.0, 2.0), farther=(0.5, 0.9, 1.1)):
    paths = np.linspace(1, small, 4), np.linspace(1, good, 4), np.array(large)
    lesson = [Made(rate=i + 1.0, costs=of) for i, of in enumerate(paths)]
    about = {"bends": np.array([1.0, 2.0]), "whole": 2.0, "lowest": 0.1}
    return Made(**about, rates=lesson, tried=np.array([0.9, 1.0, 1.02]), farther=np.array(farther))


def lessons(**new):
    """Two networks, the second of which may be another."""
    return [Made(lessons=[rates(), rates(**new)])]


def downhill(end=0.5, best=0.03):
    costs, paths = np.array([[3.0, 0.4], [2.0, end]]), {"descent": Made(costs=np.array([3.0, 0.1]))}
    about = {"down": np.array([0.5, 0.5]), "best": np.array([0.02, best]), "fallen": np.array([-1e-3, 1e-3])}
    return Made(costs=costs, **about, along=-0.1, paths=paths)


def choices(right=0.9, own=0.1):
    names = ("quadratic", "cross-entropy")
    of = lambda first, second, right: Made(
        costs={"quadratic": np.full(3, first), "cross-entropy": np.full(3, second)}, held_out=np.array([right] * 3)
    )
    networks = {"the start": of(3.0, 3.0, 0.1), "quadratic": of(0.1, 0.2, 0.9), "cross-entropy": of(0.2, own, right)}
    return Made(networks=networks, planes=dict.fromkeys(names, SLICE))


def unseen(gap=0.2, learned=0.8, known=(0.08, 0.11, 0.1, 0.12, 0.09, 0.1)):
    row = lambda *ends: np.array([[3.0, end] for end in ends])
    of = lambda images: Made(images=images, seen=row(*[0.1] * 6), unseen=row(*[0.1 + gap] * 6))
    heart = changed(of(50), accuracy=row(*[learned] * 6), accuracy_unseen=row(*known))
    return Made(runs=[of(100), of(1000)], shuffled=heart, seen=SLICE, unseen=SLICE)


LINE, PLANE = ground([0.1, 4.0], [0, 1, -1]), ground([0.1, 0.2], [0, 1, 1])
LEARNED = learning()
spoilt = lambda name, end: {**LEARNED.shuffled, name: np.array([[3.0, 0.1], [2.5, end]])}
squared = lambda *worst: {**LEARNED.shares, "squared differences": np.array([[0.3, 0.9], worst])}

# of each function: results of which all holds, and such that break its first condition, its second, ...
CASES = {
    of_the_cost.one_image: [
        [one_image()],
        [changed(one_image(), guesses=tuple(map(guess, (0.0229, 0.9, 4.0, 0.1))))],
        [changed(one_image(), totals=(total([3.0, 5.0], 4.1), total([0.1, 0.3], 0.2)))],
    ],
    of_the_cost.number_going_down: [
        [LEARNED],
        [changed(LEARNED, run=changed(LEARNED.run, costs=np.array([[3.0, 0.1], [2.5, 0.95]])))],
        [changed(LEARNED, shuffled=spoilt("shuffled pixels", 0.95))],
        [changed(LEARNED, shuffled=spoilt("shuffled labels", 2.6))],
    ],
    of_the_cost.signatures: [
        [one_image()],
        [changed(one_image(), f=F.replace("[10]", "[9]"))],
        [changed(one_image(), C=OF_C.replace("float32[]", "float32[2]"))],
        [changed(one_image(), guesses=tuple(map(guess, (0.0129, 0.9, 4.0, 4.0))))],
    ],
    of_the_cost.dials: [[dials()], [dials(n=6442)], [dials(still=0.6)], [dials(correlation=0.9)]],
    of_the_cost.brute_force: [[brute()], [brute(n=9)], [brute(descent=1.4)], [brute(high=0.5)]],
    of_the_surface.bowl_and_bumps: [
        story(),
        story(ends=(1.2, 0.03)),
        story(ends=(1.2, np.inf)),
        story(many=1.0),
        story(deep=2.5),
    ],
    of_the_surface.local_and_global: [
        [Made(line=LINE, plane=PLANE)],
        [Made(line=LINE, plane=ground([0.1], [0, 1, 1]))],
        [Made(line=LINE, plane=ground([0.1, 0.2], [0, 0, -1]))],
        [Made(line=ground([0.1, 4.0], [0, 1, -1], freed=(0.1, 3.95)), plane=PLANE)],
    ],
    of_the_surface.downhill: [[downhill()], [downhill(end=2.1)], [downhill(best=0.6)]],
    of_the_surface.rates: [
        lessons(),
        lessons(small=0.3),
        lessons(good=0.2),
        lessons(large=(1.0, 0.5, 0.4, 0.3)),
        lessons(farther=(1.1, 1.1, 1.1)),
    ],
    of_choices.other_costs: [[choices()], [choices(right=0.8)], [choices(own=0.3)]],
    of_choices.big_misses: [
        [LEARNED],
        [changed(LEARNED, shares=squared(0.3, 0.45))],
        [changed(LEARNED, shares=squared(0.02, 0.9))],
    ],
    of_choices.unseen: [
        [unseen()],
        [unseen(gap=-0.01)],
        [unseen(learned=0.4)],
        [unseen(known=np.linspace(0.2, 0.3, 6))],
    ],
}


@pytest.mark.parametrize("judge", CASES, ids=lambda judge: judge.__name__)
def test_a_verdict_holds_and_each_of_its_conditions_can_fail_alone(judge):
    fulfilled, *broken = CASES[judge]
    found = judge(*fulfilled)
    assert [check.holds for check in found.checks] == [True] * len(found.checks) == [True] * len(broken)
    for i, results in enumerate(broken):
        checks = judge(*results).checks
        assert [check.holds for check in checks] == [j != i for j in range(len(checks))]
    assert all(type(check.holds) is bool for check in found.checks)  # a result file keeps it as such


def test_each_sentence_has_a_verdict_that_is_tested_and_a_text_without_gaps():
    assert {sentence.judge for sentence in texts.SENTENCES} == set(CASES)
    anchors = [sentence.text.anchor for sentence in texts.SENTENCES]
    assert len(set(anchors)) == len(anchors)
    for text, scripts, _, _ in texts.SENTENCES:
        assert all(text)
        assert all((EXPERIMENTS / f"{name}.py").is_file() for name in scripts)


def test_a_share_of_two_percent_is_no_domination():
    """As of a network that learned nothing, of which the worst hundredth of the images carry little more than that."""
    shares = {name: np.array([[0.02, 0.15]] * 2) for name in LEARNED.shares}
    assert not any(check.holds for check in of_choices.big_misses(changed(LEARNED, shares=shares)).checks)
