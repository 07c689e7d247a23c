"""Many points in tiles: planned, announced, in bounded memory, and each as if it were alone."""

import re
import subprocess
import sys
import time
from types import SimpleNamespace

import jax
import numpy as np
import pytest

from jaxcost import cost, directions, network
from jaxcost.data import Images
from jaxcost.engine import quantities, sweep


def problem(n=37, sizes=(12, 6, 4), block=None):
    keys = jax.random.split(jax.random.key(0), 5)
    y = jax.nn.one_hot(jax.random.randint(keys[1], (n,), 0, sizes[-1]), sizes[-1])
    params = network.init(keys[2], sizes)
    uv = tuple(directions.filter_normalized(directions.gaussian(k, params), params) for k in keys[3:])
    return cost.Cost(Images(jax.random.uniform(keys[0], (n, sizes[0])), y), block=block), params, uv


def points(m, k=2):
    return np.random.default_rng(0).normal(size=(m, k)).astype(np.float32)


def exact(C, origin, ds, point):
    """The cost in numpy, in float64."""
    as64 = lambda leaf: np.asarray(leaf, np.float64)
    move = lambda p, *d: as64(p) + sum(float(s) * as64(a) for s, a in zip(point, d, strict=True))
    a = as64(C.images.x)
    for w, b in zip(*jax.tree.map(move, origin, *ds), strict=True):
        a = 1 / (1 + np.exp(-(a @ w.T + b)))
    return ((a - as64(C.images.y)) ** 2).sum(1).mean()


@pytest.fixture
def machine(monkeypatch):
    """A machine by arithmetic: a call for m points takes c + p m seconds, and gives each point's first coordinate."""
    clock = SimpleNamespace(now=0.0, c=0.0, p=1.0, calls=[], buffer=sweep.BUFFER, heard=lambda: None)
    monkeypatch.setattr(sweep, "time", SimpleNamespace(perf_counter=lambda: clock.now))

    def run(origin, directions, part):
        clock.heard()
        clock.calls.append(len(part))
        clock.now += clock.c + clock.p * len(part)
        return part[:, 0]

    one = jax.ShapeDtypeStruct((1,), np.float32)
    monkeypatch.setattr(sweep, "_program", lambda *_: sweep.Program(run, one, 30, clock.buffer, 5_000_000))
    clock.sweep = lambda m: sweep.sweep(None, SimpleNamespace(n=60, spread=None), (), (), points(m))
    clock.plan = lambda m: sweep.plan(None, SimpleNamespace(n=60, spread=None), (), (), points(m))
    return clock


SPEEDS = [(0.0, 1.0), (0.0, 1e-3), (2.0, 0.1), (40.0, 1.0), (1e-3, 1e-4), (0.5, 8.0)]  # c and p


@pytest.mark.parametrize(("c", "p"), SPEEDS)
@pytest.mark.parametrize("m", [17, 18, 300, 100_000])
def test_every_point_is_computed_once_in_its_place_and_no_tile_is_longer_than_it_should(machine, c, p, m):
    machine.c, machine.p = c, p
    np.testing.assert_array_equal(machine.sweep(m), points(m)[:, 0])
    assert sum(machine.calls) == m
    assert max(machine.calls) <= sweep.BUFFER
    longest = max(sweep.TILE, 20 * c)  # coefficients take a twentieth of the time at most, or tiles are of TILE seconds
    for call in machine.calls[2:]:
        assert call * p <= max(longest, p) * 1.01
    assert machine.calls[0] == min(2, m)
    assert machine.calls[1] * p <= max(2 * sweep.TILE, 3 * p)  # not known yet what is coefficients and what is points
    assert len(machine.calls) <= 3 + m / max(1, longest // p) + m / sweep.BUFFER  # nor are there more of them


@pytest.mark.parametrize(("c", "p"), SPEEDS)
@pytest.mark.parametrize("m", [300, 100_000])
def test_the_seconds_planned_are_those_it_then_takes(machine, c, p, m):
    machine.c, machine.p = c, p
    plan = machine.plan(m)
    assert (plan.points, plan.images, plan.block, plan.memory) == (m, 60, 30, 5_000_000)
    assert sum(machine.calls) <= m
    start = machine.now
    machine.sweep(m)
    assert plan.seconds == pytest.approx(machine.now - start, rel=0.05, abs=3 * c)  # abs: the two calls that are timed


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
    told = "36,000 points x 60 images: about 1 h 00 min and 5 MB, 30 images together\n"
    assert "".join(said) == told
    assert sum(machine.calls[: said.index(told)]) < 200


def test_a_real_evaluation_says_nothing_or_its_plan_by_its_length(monkeypatch, capsys):
    C, origin, uv = problem()
    sweep.sweep(quantities.VALUES, C, origin, uv, points(40))
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sweep, "LONG", 0)
    sweep.sweep(quantities.VALUES, C, origin, uv, points(40))
    told = r"40 points x 37 images: about \d+\.\d s and 0 MB, 37 images together\n"
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
    plan = sweep.Plan(points=2_601, images=60_000, block=15_000, tile=100, seconds=seconds, memory=1_234_567_890)
    assert str(plan) == f"2,601 points x 60,000 images: about {text} and 1,235 MB, 15,000 images together"


def test_real_seconds_are_within_a_factor_of_three_of_those_planned(monkeypatch):
    monkeypatch.setattr(sweep, "TILE", 0.1)  # else so short an evaluation is timed whole
    C, origin, uv = problem(n=4000, sizes=(12, 16, 4))
    ratios = []
    for _ in range(3):  # a machine with other things to do may be late once
        plan = sweep.plan(quantities.VALUES, C, origin, uv, points(5000))
        start = time.perf_counter()
        sweep.sweep(quantities.VALUES, C, origin, uv, points(5000))
        ratios.append((time.perf_counter() - start) / plan.seconds)
        if 1 / 3 < ratios[-1] < 3:
            return
    pytest.fail(f"took {ratios} times the seconds planned")


def test_the_block_shrinks_with_the_memory_and_the_values_do_not_change():
    C, origin, uv = problem(n=3001)
    plans = [sweep.plan(quantities.VALUES, C, origin, uv, points(20), memory=m) for m in (1 << 30, 200_000, 40_000)]
    blocks = [plan.block for plan in plans]
    assert blocks[0] == 3001 > blocks[1] > 2 * blocks[2] > 2
    for memory, plan in zip((1 << 30, 200_000, 40_000), plans, strict=True):
        assert 0 < plan.memory <= memory
        values = sweep.sweep(quantities.VALUES, C, origin, uv, points(20), memory=memory)
        np.testing.assert_allclose(values, [exact(C, origin, uv, s) for s in points(20)], rtol=2e-6)


def test_the_memory_planned_is_what_xla_says_of_a_block_that_size():
    C, origin, uv = problem(n=3001, block=1000)
    plan = sweep.plan(quantities.VALUES, C, origin, uv, points(20))
    with jax.default_matmul_precision("highest"):
        cards = jax.ShapeDtypeStruct((1, 64, 2), np.float32)  # the power of four from 20 on
        lowered = sweep._at_points.lower(quantities.VALUES, 1000, C, origin, uv, cards, 0)
    analysis = lowered.compile().memory_analysis()
    assert plan.memory == analysis.temp_size_in_bytes + analysis.output_size_in_bytes
    assert 3 * 6 * 1000 * 4 <= plan.memory < 3 * 3 * 6 * 1000 * 4  # the first layer's three coefficients, and some


@pytest.mark.parametrize(("block", "images"), [(None, 1), (37, 37)])
def test_memory_that_is_too_little_for_an_image_or_for_the_block_asked_is_refused_with_what_it_takes(block, images):
    C, origin, uv = problem(block=block)
    with pytest.raises(ValueError, match=f"memory=100 bytes, expected .* for {images} images together") as error:
        sweep.sweep(quantities.VALUES, C, origin, uv, points(20), memory=100)
    least = int(str(error.value).split("expected ")[1].split(" for")[0].replace(",", ""))
    assert least > 100


def test_memory_does_not_grow_with_the_number_of_points():
    C, origin, uv = problem()
    few, many = (sweep.plan(quantities.VALUES, C, origin, uv, points(m)).memory for m in (1_000, 100_000))
    assert many - few <= 4 * (sweep.BUFFER - 1_000)  # a tile's values themselves


def test_a_real_process_does_not_grow_with_the_number_of_points():
    code = """
import resource, sys
import jax, jax.numpy as jnp, numpy as np
from jaxcost import cost, network
from jaxcost.engine import quantities, sweep
from jaxcost.data import Images
C = cost.Cost(Images(jnp.ones((500, 12)), jnp.ones((500, 4))))
p = network.init(jax.random.key(0), (12, 16, 4))
for m in (1_000, 100_000):  # 500 images, 16 neurons, 100,000 points at once would take 3 GB
    sweep.sweep(quantities.VALUES, C, p, (p,), np.linspace(0, 1, m, dtype=np.float32)[:, None])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024))
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    few, many = map(int, ran.stdout.split())
    assert many - few < 100e6


def bits(tree):
    return [leaf.tobytes() for leaf in jax.tree.leaves(tree)]


@pytest.fixture(params=["values", "derivatives", "detailed"])
def compute(request, monkeypatch):
    """A quantity at points, by a program of 16 points at most, `tile` points at a time."""
    quantity = {
        "values": quantities.VALUES,
        "derivatives": quantities.DERIVATIVES,
        "detailed": quantities.Detailed(4, True),
    }[request.param]
    C, origin, uv = problem(block=10)
    clock, run = SimpleNamespace(now=0.0), sweep._run

    def timed(*arguments):
        compute.calls.append(len(arguments[-1]))
        clock.now += len(arguments[-1])  # a second a point: tiles of TILE points
        return run(*arguments)

    monkeypatch.setattr(sweep, "_run", timed)
    monkeypatch.setattr(sweep, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(sweep, "BUFFER", 16)

    def compute(points, tile=16):
        monkeypatch.setattr(sweep, "TILE", tile)
        compute.calls = []
        return sweep.sweep(quantity, C, origin, uv, points)

    return compute


def test_tiles_change_no_bit_and_each_point_is_computed_as_if_it_were_alone(compute, monkeypatch):
    whole = compute(points(40))
    for tile in (1, 3, 7):
        assert bits(compute(points(40), tile)) == bits(whole)
        assert max(compute.calls[2:]) == tile
    monkeypatch.setattr(sweep, "FEW", 40)
    assert bits(compute(points(40))) == bits(whole)
    assert compute.calls == [16, 16, 8]
    order = np.random.default_rng(1).permutation(40)
    assert bits(compute(points(40)[order])) == bits(jax.tree.map(lambda a: a[order], whole))
    for i in (0, 1, 17, 39):
        assert bits(compute(points(40)[i : i + 1])) == bits(jax.tree.map(lambda a, i=i: a[i : i + 1], whole))


def test_a_small_memory_finds_a_block_that_fits_though_smaller_ones_do_not():
    """Smaller blocks are more blocks, whose results are held."""
    C, origin, uv = problem(n=3001)
    assert sweep.plan(quantities.VALUES, C, origin, uv, points(20), memory=20_000).memory <= 20_000
    with pytest.raises(ValueError, match="memory=20,000 bytes"):
        sweep.plan(quantities.VALUES, cost.Cost(C.images, block=1), origin, uv, points(20), memory=20_000)


# several slices


def several(count=3, n=37):
    C, _, _ = problem(n)
    made = []
    for key in jax.random.split(jax.random.key(7), count):
        keys = jax.random.split(key, 3)
        made.append((network.init(keys[0], (12, 6, 4)), tuple(network.init(k, (12, 6, 4)) for k in keys[1:])))
    return C, made


@pytest.mark.parametrize("buffer", [None, 16])
@pytest.mark.parametrize(
    "quantity",
    [quantities.VALUES, quantities.DERIVATIVES, quantities.Detailed(4, True)],
    ids=["values", "derivatives", "detailed"],
)
def test_several_slices_are_each_of_them_alone_bit_for_bit(quantity, buffer, monkeypatch):
    if buffer:  # several tiles a slice
        monkeypatch.setattr(sweep, "BUFFER", buffer)
    C, made = several()
    found = sweep.sweeps(quantity, C, made, points(40))
    for i, (origin, ds) in enumerate(made):
        alone = sweep.sweep(quantity, C, origin, ds, points(40))
        assert bits(alone) == bits(jax.tree.map(lambda a, i=i: a[i], found))
        assert jax.tree.structure(alone) == jax.tree.structure(found)
    assert {leaf.shape[:2] for leaf in jax.tree.leaves(found)} == {(3, 40)}
    assert len(set(bits(jax.tree.map(lambda a: list(a), jax.tree.leaves(found)[0])))) == 3


def test_several_slices_are_the_cost_of_their_own_networks():
    C, made = several()
    for (origin, ds), values in zip(made, sweep.sweeps(quantities.VALUES, C, made, points(5)), strict=True):
        np.testing.assert_allclose(values, [exact(C, origin, ds, s) for s in points(5)], rtol=2e-6)


def test_several_slices_are_traced_and_compiled_once():
    traces = []

    def f(x, w, b):
        traces.append(x)
        return network.feedforward(x, w, b)

    C, made = several(9)
    counted = cost.Cost(C.images, f)
    sweep.sweeps(quantities.VALUES, counted, made[:1], points(40))
    once, compiled = len(traces), sweep._at_points._cache_size()
    sweep.sweeps(quantities.VALUES, counted, made, points(40))
    assert len(traces) == once > 0
    assert sweep._at_points._cache_size() == compiled


def test_several_slices_keep_to_the_memory_too():
    C, made = several(n=3001)
    whole = sweep.sweeps(quantities.VALUES, C, made, points(20))
    np.testing.assert_allclose(sweep.sweeps(quantities.VALUES, C, made, points(20), memory=40_000), whole, rtol=2e-6)
    with pytest.raises(ValueError, match="memory=100 bytes, expected"):
        sweep.sweeps(quantities.VALUES, C, made, points(20), memory=100)
