"""Many points in tiles: planned, announced, in bounded memory, and each as if it were alone."""

import itertools
import math
import random
import re
import subprocess
import sys
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxcost import cost, directions, network
from jaxcost.data import Images
from jaxcost.directions import Frame
from jaxcost.engine import program, quantities, sweep

QUANTITIES = {
    "values": quantities.VALUES,
    "derivatives": quantities.DERIVATIVES,
    "detailed": quantities.Detailed(4, True, True),
}


def problem(n=37, sizes=(12, 6, 4), block=None):
    keys = jax.random.split(jax.random.key(0), 5)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (n,), 0, sizes[-1]), sizes[-1])
    params = network.init(keys[2], sizes)
    uv = tuple(directions.filter_normalized(directions.gaussian(k, params), params) for k in keys[3:])
    return cost.Cost(Images(jax.random.uniform(keys[0], (n, sizes[0])), y), block=block), Frame(params, uv)


def over_points(quantity, C, frame, points, **options):
    """Of one cost alone."""
    (found,) = sweep.over_points(quantity, (C,), frame, points, **options)
    return found


def points(m, k=2):
    return np.random.default_rng(0).normal(size=(m, k)).astype(np.float32)


def exact(C, frame, point):
    """The cost in numpy, in float64."""
    origin, ds = frame
    as64 = lambda leaf: np.asarray(leaf, np.float64)
    move = lambda p, *d: as64(p) + sum(float(s) * as64(a) for s, a in zip(point, d, strict=True))
    a = as64(C.images.x)
    for w, b in zip(*jax.tree.map(move, origin, *ds), strict=True):
        a = 1 / (1 + np.exp(-(a @ w.T + b)))
    return ((a - as64(C.images.y)) ** 2).sum(1).mean()


@pytest.fixture
def machine(monkeypatch):
    """A machine by arithmetic: a call for m points takes c + p m seconds, and gives each point's first coordinate."""
    clock = SimpleNamespace(now=0.0, c=0.0, p=1.0, calls=[], buffer=program.BUFFER, numbers=1, heard=lambda: None)
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    monkeypatch.setattr(sweep, "time", SimpleNamespace(perf_counter=lambda: clock.now))

    def run(part):
        clock.heard()
        clock.calls.append(len(part))
        clock.now += clock.c + clock.p * len(part)
        return (part[:, 0] if clock.numbers == 1 else np.repeat(part[:, :1], clock.numbers, 1),)

    def compiled(*_, calls):
        one = jax.ShapeDtypeStruct((1, *(clock.numbers,) * (clock.numbers > 1)), np.float32)
        return program.Program(lambda Cs, frame: run, (one,), block=30, buffer=clock.buffer, memory=5_000_000)

    monkeypatch.setattr(sweep, "compiled", compiled)
    Cs, frame = (SimpleNamespace(n=60, spread=None),), Frame((), ())
    clock.sweep = lambda m, quantity=None, **options: sweep.over_points(quantity, Cs, frame, points(m), **options)[0]
    clock.plan = lambda m: sweep.plan(None, Cs, frame, points(m))
    return clock


SPEEDS = [(0.0, 1.0), (0.0, 1e-3), (2.0, 0.1), (40.0, 1.0), (1e-3, 1e-4), (0.5, 8.0)]  # c and p


@pytest.mark.parametrize(("c", "p"), SPEEDS)
@pytest.mark.parametrize("m", [17, 18, 300, 100_000])
def test_every_point_is_computed_once_in_its_place_and_no_tile_is_longer_than_it_should(machine, c, p, m):
    machine.c, machine.p = c, p
    np.testing.assert_array_equal(machine.sweep(m), points(m)[:, 0])
    assert sum(machine.calls) == m
    assert max(machine.calls) <= program.BUFFER
    longest = max(sweep.TILE, 20 * c)  # coefficients take a twentieth of the time at most, or tiles are of TILE seconds
    assert machine.calls[0] == min(2, m)
    for before, call in itertools.pairwise(machine.calls):  # nothing is begun whose length is not known from the last
        assert c + call * p <= max(5 * (c + before * p), longest + c) * 1.01
    for call in machine.calls[7:]:
        assert call * p <= max(longest, 2 * p) * 1.01
    assert len(machine.calls) <= 8 + m / max(1, longest // p) + m / program.BUFFER  # nor are there more of them


@pytest.mark.parametrize(("c", "p"), SPEEDS)
@pytest.mark.parametrize("m", [300, 100_000])
def test_the_seconds_planned_are_those_it_then_takes(machine, c, p, m):
    machine.c, machine.p = c, p
    plan = machine.plan(m)
    assert (plan.points, plan.images, plan.block, plan.memory, plan.kept) == (m, 60, 30, 5_000_000, 4 * m)
    assert sum(machine.calls) <= m
    start, machine.calls[:] = machine.now, []
    machine.sweep(m)
    took = machine.now - start
    assert plan.seconds <= 1.05 * took
    assert plan.seconds >= 0.95 * (took - c * len(machine.calls[:6]))  # of the calls that are timed


LOADS = {  # the mean of factors from 1 to 5, and one for each call
    "none": (1, lambda draw: itertools.repeat(1)),
    "always": (5, lambda draw: itertools.repeat(5)),
    "at first": (1, lambda draw: itertools.chain([5], itertools.repeat(1))),
    "later": (5, lambda draw: itertools.chain([1], itertools.repeat(5))),
    "by turns": (3, lambda draw: itertools.cycle([5, 1])),
    "by other turns": (3, lambda draw: itertools.cycle([1, 5])),
    "any": (3, lambda draw: iter(lambda: draw.uniform(1, 5), None)),
    "now and then": (1.4, lambda draw: iter(lambda: draw.choice([5] + [1] * 9), None)),
    "mostly": (4, lambda draw: iter(lambda: draw.choice([5, 5, 5, 1]), None)),
}
DRAWN = {"any", "now and then", "mostly"}


@pytest.mark.parametrize("load", LOADS)
def test_on_a_loaded_machine_the_seconds_planned_are_no_fewer_than_measured_and_within_a_factor_of_three(load):
    """Of the seconds that it takes under the mean load; two times of three where the loads are drawn."""
    (mean, factors), kept = LOADS[load], (jax.ShapeDtypeStruct((1,), np.float32),)
    made, Cs = program.Program(None, kept, 30, program.BUFFER, 0), (SimpleNamespace(n=60, spread=None),)
    for c, p in [(0.0, 1.0), (0.0, 1e-3), (2.0, 0.1), (0.1, 0.01), (1e-3, 1e-4), (0.5, 8.0)]:
        ratios = []
        for m, seed in itertools.product((300, 100_000), range(30)):
            loads, calls = factors(random.Random(seed)), []

            def timed(count, loads=loads, calls=calls, c=c, p=p):
                calls.append((count, next(loads) * (c + p * count)))
                return calls[-1][1]

            plan = sweep._planned(made, Cs, m, timed)
            most = max(count for count, _ in calls)
            assert plan.seconds >= 0.999 * m * np.mean([took for count, took in calls if count == most]) / most
            alone = m * p + math.ceil(m / max(1, max(sweep.TILE, 20 * c) // p)) * c
            ratios.append(plan.seconds / alone)
        within = [1 / 3 <= ratio / mean <= 3 for ratio in ratios]
        assert np.mean(within) >= (2 / 3 if load in DRAWN else 1)
        assert 0.9 <= min(ratios) <= max(ratios) <= 15  # no load, and the largest while the coefficients had most of it


@pytest.mark.parametrize("m", [1, 2, 3, 4, 5, 16])
@pytest.mark.parametrize("buffer", [1, 2, 3, 4, 100])
def test_few_points_can_be_planned_too(machine, m, buffer):
    machine.c, machine.p, machine.buffer = 0.0, 0.5, buffer
    assert machine.plan(m).seconds == pytest.approx(m * 0.5)


@pytest.mark.parametrize("m", [1, 2, 3, 15, 16])
def test_few_points_are_one_tile(machine, m):
    np.testing.assert_array_equal(machine.sweep(m), points(m)[:, 0])
    assert machine.calls == [m]


@pytest.mark.parametrize("buffer", [1, 2, 3, 5, 16])
def test_no_tile_is_larger_than_the_buffer(machine, buffer):
    machine.buffer, machine.p = buffer, 1e-6
    np.testing.assert_array_equal(machine.sweep(50), points(50)[:, 0])
    assert max(machine.calls) <= buffer


def test_a_long_evaluation_is_announced_before_it_is_made_and_a_short_one_is_not(machine, capsys):
    said = []
    machine.heard = lambda: said.append(capsys.readouterr().err)
    machine.p = 0.1
    machine.sweep(90)
    assert capsys.readouterr().err == "".join(said) == ""
    machine.calls.clear()
    said.clear()
    machine.sweep(36_000)
    told = "36,000 points x 60 images: about 1 h 00 min and 5 MB beside results of 0 MB, 30 images together\n"
    assert "".join(said) == told
    assert sum(machine.calls[: said.index(told)]) < 200


def test_large_results_are_announced_too_and_refused_before_they_are_computed_where_they_do_not_fit(
    machine, capsys, monkeypatch
):
    machine.p, machine.numbers = 1e-4, 1_000
    monkeypatch.setattr(sweep, "LARGE", 399_999)
    machine.sweep(100)
    assert "beside results of 0 MB" in capsys.readouterr().err
    machine.sweep(99)
    assert not capsys.readouterr().err
    assert machine.plan(100).kept == 400_000
    monkeypatch.setattr(sweep, "_free", lambda: 400_000)
    machine.calls.clear()
    with pytest.raises(ValueError, match=r"results of 404,000 bytes at 101 points, expected no more than the 400,000 "):
        machine.sweep(101)
    with pytest.raises(ValueError, match=r"evaluate fewer points at a time or without per_image=True$"):
        machine.sweep(101, quantities.Detailed(per_image=True))
    with pytest.raises(ValueError, match=r"results of 404,000 bytes at 101 points, .* fewer points at a time$"):
        sweep.over_frames(None, [lambda: (None, None)], points(101))
    assert not machine.calls


def test_the_memory_that_is_free_is_the_least_that_the_machine_and_its_container_say(tmp_path, monkeypatch):
    host, container = tmp_path / "meminfo", tmp_path / "memory.max"
    patterns = [limit[1:] for limit in sweep.LIMITS]
    monkeypatch.setattr(sweep, "LIMITS", [(host, *patterns[0]), (container, *patterns[1])])
    host.write_text("MemTotal:       16000 kB\nMemFree:          100 kB\nMemAvailable:    8000 kB\n")
    assert sweep._free() == 8_192_000
    container.write_text("max\n")
    assert sweep._free() == 8_192_000
    container.write_text("4096000\n")
    assert sweep._free() == 4_096_000
    monkeypatch.setattr(sweep, "LIMITS", [])
    assert sweep._free() > 1 << 28  # of all memory


@pytest.mark.parametrize("off", ["progress=False", "TQDM_DISABLE=1"])
def test_a_long_evaluation_that_should_say_nothing_says_nothing(off, machine, capsys, monkeypatch):
    if off == "TQDM_DISABLE=1":
        monkeypatch.setenv("TQDM_DISABLE", "1")
    np.testing.assert_array_equal(machine.sweep(36_000, progress=off != "progress=False"), points(36_000)[:, 0])
    assert machine.now > sweep.LONG
    assert capsys.readouterr().err == ""


def test_a_real_evaluation_says_nothing_or_its_plan_by_its_length(monkeypatch, capsys):
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
    C, frame = problem()
    over_points(quantities.VALUES, C, frame, points(40))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sweep, "LONG", 0)
    over_points(quantities.VALUES, C, frame, points(40))
    told = r"40 points x 37 images: about \d+\.\d s and 0 MB beside results of 0 MB, 37 images together\n"
    assert re.fullmatch(told, capsys.readouterr().err)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.24, "0.2 s"),
        (9.6, "9.6 s"),
        (59.4, "59.4 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3599.4, "59 min 59 s"),
        (3599.6, "1 h 00 min"),
        (7980, "2 h 13 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_a_plan_says_hours_and_minutes_as_one_says_them(seconds, text):
    given = {"points": 2_601, "images": 60_000, "block": 15_000, "tile": 100, "memory": 1_234_567_890}
    plan = sweep.Plan(seconds=seconds, kept=4 * 2_601 * 60_000, **given)
    told = f"about {text} and 1,235 MB beside results of 624 MB, 15,000 images together"
    assert str(plan) == f"2,601 points x 60,000 images: {told}"


def test_the_block_shrinks_with_the_memory_and_the_values_do_not_change():
    C, frame = problem(n=3001)
    plans = [sweep.plan(quantities.VALUES, (C,), frame, points(20), memory=m) for m in (1 << 30, 200_000, 40_000)]
    blocks = [plan.block for plan in plans]
    assert blocks[0] == 3001 > blocks[1] > 2 * blocks[2] > 2
    for memory, plan in zip((1 << 30, 200_000, 40_000), plans, strict=True):
        assert 0 < plan.memory <= memory
        values = over_points(quantities.VALUES, C, frame, points(20), memory=memory)
        np.testing.assert_allclose(values, [exact(C, frame, s) for s in points(20)], rtol=2e-6)


def test_the_memory_planned_is_what_xla_says_of_a_block_that_size():
    C, frame = problem(n=3001, block=1000)
    plan = sweep.plan(quantities.VALUES, (C,), frame, points(20))
    shares = jax.ShapeDtypeStruct((1, 64, 2), np.float32)  # the power of four from 20 on
    lowered = program._at_points().lower(quantities.VALUES, 1000, (C,), frame, None, shares, 0)
    analysis = lowered.compile().memory_analysis()
    assert plan.memory == analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    assert 3 * 6 * 1000 * 4 <= plan.memory < 3 * 3 * 6 * 1000 * 4  # the first layer's three coefficients, and some


@pytest.mark.parametrize(("block", "images"), [(None, 1), (37, 37)])
def test_memory_that_is_too_little_for_an_image_or_for_the_block_asked_is_refused_with_what_it_takes(block, images):
    C, frame = problem(block=block)
    with pytest.raises(ValueError, match=f"memory=100 bytes, expected .* for {images} images together") as error:
        over_points(quantities.VALUES, C, frame, points(20), memory=100)
    least = int(str(error.value).split("expected ")[1].split(" for")[0].replace(",", ""))
    assert least > 100


@pytest.mark.parametrize("memory", [0, -1, 1.5, 1e9, math.nan, math.inf, True, None, "1 GB"], ids=repr)
def test_memory_that_is_no_whole_number_is_refused(memory):
    C, frame = problem()
    for call in (sweep.plan, sweep.over_points):
        with pytest.raises(ValueError, match=f"memory={memory!r}, expected a whole number, 1 or more"):
            call(quantities.VALUES, (C,), frame, points(20), memory=memory)
    with pytest.raises(ValueError, match="expected a whole number, 1 or more"):
        over_frames(quantities.VALUES, C, [frame], points(20), memory=memory)


def test_what_is_kept_of_each_image_is_planned_and_computed_within_the_memory():
    C, frame = problem(n=3001)
    plan = sweep.plan(quantities.Detailed(4, True, True), (C,), frame, points(20), memory=200_000)
    assert plan.memory <= 200_000
    assert plan.kept == 20 * 4 * (1 + 1 + 4 + 1 + 3001)  # C, its standard error, of each class, accuracy, of each image


def test_memory_does_not_grow_with_the_number_of_points():
    C, frame = problem()
    few, many = (sweep.plan(quantities.VALUES, (C,), frame, points(m)).memory for m in (1_000, 100_000))
    assert many - few <= 5 * (program.BUFFER - 1_000)  # a tile's values, and whether each is sound


def test_programs_are_of_few_lengths():
    """So that few are compiled: powers of four from 16 points to a tile of the largest."""
    C, frame = problem(n=3)
    for m, length in ((1, 16), (16, 16), (17, 64), (64, 64), (10**6, 16_384)):
        made = program.compiled(quantities.VALUES, (C,), frame, np.zeros((m, 2), np.float32), program.MEMORY)
        assert made.buffer == length


@pytest.mark.slow
def test_a_real_process_does_not_grow_with_the_number_of_points():
    code = """
import resource, sys
import jax, jax.numpy as jnp, numpy as np
from jaxcost import cost, network, slices
from jaxcost.data import Images
C = cost.Cost(Images(jnp.ones((500, 12)), jnp.ones((500, 4))))
p = network.init(jax.random.key(0), (12, 16, 4))
for m in (1_000, 100_000):  # 500 images, 16 neurons, 100,000 points at once would take 3 GB
    slices.evaluate(C, p, (p,), np.linspace(0, 1, m)[:, None])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    few, many = map(int, ran.stdout.split())
    assert many - few < 100e6


def bits(tree):
    return [leaf.tobytes() for leaf in jax.tree.leaves(tree)]


@pytest.fixture
def clocked(monkeypatch):
    """A program of 16 points at most, by a clock on which a point takes a second: tiles of TILE points."""
    clock, run = SimpleNamespace(now=0.0, calls=[]), program._run

    def timed(*arguments):
        clock.calls.append(len(arguments[-1]))
        clock.now += len(arguments[-1])
        return run(*arguments)

    monkeypatch.setattr(program, "_run", timed)
    monkeypatch.setattr(sweep, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(program, "BUFFER", 16)
    return clock


@pytest.fixture(params=QUANTITIES)
def compute(request, clocked, monkeypatch):
    """A quantity of one cost, `tile` points at a time."""
    C, frame = problem(block=10)

    def compute(points, tile=16):
        monkeypatch.setattr(sweep, "TILE", tile)
        clocked.calls.clear()
        return over_points(QUANTITIES[request.param], C, frame, points)

    return compute


def test_tiles_change_no_bit_and_each_point_is_computed_as_if_it_were_alone(compute, clocked, monkeypatch):
    whole = compute(points(40))
    for tile in (1, 3, 7):
        assert bits(compute(points(40), tile)) == bits(whole)
        assert max(clocked.calls[2:]) == max(tile, 2)
    monkeypatch.setattr(sweep, "UNTIMED", 40)
    assert bits(compute(points(40))) == bits(whole)
    assert clocked.calls == [16, 16, 8]
    order = np.random.default_rng(1).permutation(40)
    assert bits(compute(points(40)[order])) == bits(jax.tree.map(lambda a: a[order], whole))
    for i in (0, 1, 17, 39):
        assert bits(compute(points(40)[i : i + 1])) == bits(jax.tree.map(lambda a, i=i: a[i : i + 1], whole))


def test_the_seconds_planned_of_a_real_program_are_those_it_then_takes(clocked):
    C, frame = problem(block=10)
    plan = sweep.plan(quantities.VALUES, (C,), frame, points(100))
    assert plan.seconds == pytest.approx(100)
    start = clocked.now
    over_points(quantities.VALUES, C, frame, points(100))
    assert clocked.now - start == 100


@pytest.mark.slow
def test_a_small_memory_finds_a_block_that_fits_though_smaller_ones_do_not():
    """Smaller blocks are more blocks, whose results are held."""
    C, frame = problem(n=3001)
    assert sweep.plan(quantities.VALUES, (C,), frame, points(20), memory=20_000).memory <= 20_000
    with pytest.raises(ValueError, match="memory=20,000 bytes"):
        sweep.plan(quantities.VALUES, (cost.Cost(C.images, block=1),), frame, points(20), memory=20_000)


# several costs of one model


def test_several_costs_are_those_of_numpy_in_their_order_and_keep_to_the_memory():
    Cs, frame = tuple(problem(n)[0] for n in (37, 50, 5)), problem()[1]
    assert sweep.plan(quantities.VALUES, Cs, frame, points(20), memory=20_000).memory <= 20_000
    found = sweep.over_points(quantities.VALUES, Cs, frame, points(20), memory=20_000)
    assert isinstance(found, tuple)
    np.testing.assert_allclose(found, [[exact(C, frame, s) for s in points(20)] for C in Cs], rtol=2e-6)


@pytest.mark.slow
def test_derivatives_of_several_costs_are_each_its_own(x64):
    """Along a line, against differences of the cost in numpy."""
    (C, frame), few, e = problem(block=10), problem(5)[0], np.array([1e-4])
    frame = Frame(frame.origin, frame.directions[:1])
    Cs, frame = jax.tree.map(lambda leaf: leaf.astype(float), ((C, few), frame))
    found = sweep.over_points(quantities.DERIVATIVES, Cs, frame, points(3, 1).astype(float))
    for C, (values, gradients, hessians) in zip(Cs, found, strict=True):
        for i, s in enumerate(points(3, 1).astype(float)):
            before, here, after = (exact(C, frame, s + move) for move in (-e, 0 * e, e))
            np.testing.assert_allclose(values[i], here, rtol=1e-12)
            np.testing.assert_allclose(gradients[i], (after - before) / 2e-4, rtol=1e-5, atol=1e-7)
            np.testing.assert_allclose(hessians[i, 0, 0], (after - 2 * here + before) / 1e-8, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_the_make_up_of_several_costs_is_each_its_own():
    Cs, frame = (problem(block=10)[0], problem(5)[0]), problem()[1]
    found = sweep.over_points(quantities.Detailed(4, True, True), Cs, frame, points(3))
    for C, kept in zip(Cs, found, strict=True):
        labels = np.argmax(C.images.y, 1)
        for i, s in enumerate(points(3)):
            costs = [exact(cost.Cost(C.images[j : j + 1]), frame, s) for j in range(C.n)]
            np.testing.assert_allclose(kept["per_image"][i], costs, rtol=1e-5)
            of_class = [
                np.mean([c for c, at in zip(costs, labels, strict=True) if at == k] or [np.nan]) for k in range(4)
            ]
            np.testing.assert_allclose(kept["per_class"][i], of_class, rtol=1e-5)
        assert kept["accuracy"].shape == (3,)


def test_several_costs_may_differ_in_what_they_make_of_the_outputs():
    (C, frame), odd = problem(), lambda a, y: (a * y).sum()
    Cs = C, cost.Cost(C.images, loss=odd)
    quadratic, other = sweep.over_points(quantities.VALUES, Cs, frame, points(3))
    np.testing.assert_allclose(quadratic, [exact(C, frame, s) for s in points(3)], rtol=2e-6)
    np.testing.assert_allclose(other, [Cs[1](*frame.at(s)) for s in points(3)], rtol=2e-6)


def test_the_smallest_block_asked_is_that_of_all_costs():
    C, frame = problem(n=37)
    Cs = C, cost.Cost(C.images, block=20), cost.Cost(C.images, block=9)
    plan = sweep.plan(quantities.VALUES, Cs, frame, points(20))
    assert (plan.block, plan.images) == (9, 3 * 37)


# several slices


def several(count=3, n=37):
    """A cost, and frames of other networks and directions."""
    made = []
    for key in jax.random.split(jax.random.key(7), count):
        keys = jax.random.split(key, 3)
        made.append(Frame(network.init(keys[0], (12, 6, 4)), tuple(network.init(k, (12, 6, 4)) for k in keys[1:])))
    return problem(n)[0], made


def over_frames(quantity, C, made, points, **options):
    return sweep.over_frames(quantity, [lambda frame=frame: (C, frame) for frame in made], points, **options)


@pytest.mark.parametrize(
    ("quantity", "buffer"), [("values", None), ("values", 16), ("derivatives", 16), ("detailed", 16)]
)
def test_several_slices_are_each_of_them_alone_bit_for_bit(quantity, buffer, monkeypatch):
    if buffer:  # several tiles a slice
        monkeypatch.setattr(program, "BUFFER", buffer)
    (C, made), quantity = several(), QUANTITIES[quantity]
    found = over_frames(quantity, C, made, points(40))
    for i, frame in enumerate(made):
        alone = over_points(quantity, C, frame, points(40))
        assert bits(alone) == bits(jax.tree.map(lambda a, i=i: a[i], found))
        assert jax.tree.structure(alone) == jax.tree.structure(found)
    assert {leaf.shape[:2] for leaf in jax.tree.leaves(found)} == {(3, 40)}
    assert len(set(bits(jax.tree.map(lambda a: list(a), jax.tree.leaves(found)[0])))) == 3


def test_several_slices_are_the_cost_of_their_own_networks():
    C, made = several()
    for frame, values in zip(made, over_frames(quantities.VALUES, C, made, points(5)), strict=True):
        np.testing.assert_allclose(values, [exact(C, frame, s) for s in points(5)], rtol=2e-6)


def test_a_slice_is_made_when_its_turn_comes_and_may_have_a_cost_of_its_own():
    C, made = several()
    Cs, heard = [C, cost.Cost(C.images[::-1]), cost.Cost(Images(C.images.x / 2, C.images.y))], []

    def maker(i):
        def make():
            heard.append(i)
            return Cs[i], made[i]

        return make

    found = sweep.over_frames(quantities.VALUES, [maker(i) for i in range(3)], points(5))
    assert heard == [0, 1, 2]  # each once
    for C_i, frame, values in zip(Cs, made, found, strict=True):
        np.testing.assert_allclose(values, [exact(C_i, frame, s) for s in points(5)], rtol=2e-6)


@pytest.mark.parametrize("block", [None, 10])
@pytest.mark.parametrize("name", QUANTITIES)
def test_coefficients_are_computed_once_for_all_tiles_and_change_nothing_but_the_last_bits(name, block, monkeypatch):
    quantity, seen, beforehand = QUANTITIES[name], [], program._beforehand
    C, frame = problem(block=block)
    again = over_points(quantity, C, frame, points(50))

    class Counted:
        trace = beforehand.trace

        def __call__(self, *arguments):
            seen.append(beforehand(*arguments))
            return seen[-1]

    monkeypatch.setattr(program, "_beforehand", Counted())
    monkeypatch.setattr(program, "LONG", 0)
    monkeypatch.setattr(program, "BUFFER", 16)
    once = over_points(quantity, C, frame, points(50))
    (coefficients,) = seen
    assert {a.shape[-2:] for a in jax.tree.leaves(coefficients)} >= {(6, 37 if block is None else 10)}
    close = lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    jax.tree.map(close, once, again)
    values = jax.tree.leaves(once["values"] if isinstance(once, dict) else once)[0]
    np.testing.assert_allclose(values, [exact(C, frame, s) for s in points(50)], rtol=2e-6)


def test_coefficients_that_take_more_than_half_of_the_memory_are_not_kept(monkeypatch):
    monkeypatch.setattr(program, "LONG", 0)
    C, frame = problem(n=3001)
    kept = 3 * 4 * 3001 * (6 + 1)  # three coefficients of six weighted inputs each, and of less the outputs desired
    for memory, keeping in ((1 << 30, True), (kept, False)):
        made = program.compiled(quantities.VALUES, (C,), frame, points(50), memory)
        run = made.on((C,), frame)
        assert (run.args[-1] is not None) == keeping
        np.testing.assert_allclose(run(points(5))[0], [exact(C, frame, s) for s in points(5)], rtol=2e-6)


def test_a_program_that_was_planned_is_not_traced_again_to_run_for_any_number_of_slices():
    traces = []

    def f(x, w, b):
        traces.append(x)
        return network.feedforward(x, w, b)

    C, made = several(9)
    counted = cost.Cost(C.images, f)
    program.compiled(quantities.VALUES, (counted,), made[0], points(40), program.MEMORY)
    once = len(traces)
    over_points(quantities.VALUES, counted, made[0], points(40))
    compiled = program._at_points()._cache_size()
    over_frames(quantities.VALUES, counted, made, points(40))
    assert len(traces) == once > 0
    assert program._at_points()._cache_size() == compiled


@pytest.mark.slow
def test_several_slices_keep_to_the_memory_too():
    C, made = several(n=3001)
    whole = over_frames(quantities.VALUES, C, made, points(20))
    np.testing.assert_allclose(over_frames(quantities.VALUES, C, made, points(20), memory=40_000), whole, rtol=2e-6)
    with pytest.raises(ValueError, match="memory=100 bytes, expected"):
        over_frames(quantities.VALUES, C, made, points(20), memory=100)
