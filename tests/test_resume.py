"""What is stopped goes on from its file: no bit is changed, no finished point is lost or computed again."""

import itertools
import json
import os
import platform
import random
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxcost import cost, losses, network, results
from jaxcost.data import Images
from jaxcost.directions import Frame
from jaxcost.engine import program, quantities, resume, sweep

LONG_RUN = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background of a shell ignore it
import jax, jax.numpy as jnp, numpy as np
from jaxcost import cost, losses, network, results, slices
from jaxcost.engine import program, resume, sweep
from jaxcost.data import Images

kept, out, file, pause = sys.argv[1:]
options, program.BUFFER = dict.fromkeys(kept.split(), True), 4
if file:
    sweep.KEEPING, options["resume_file"] = 1, file  # 200 tiles; a kill may well hit a save
    taken_up, run = resume.taken_up, program._run

    def told(*arguments):
        done, before = taken_up(*arguments)
        print(done, flush=True)
        return done, before

    def slowly(*arguments):
        part = run(*arguments)
        time.sleep(float(pause))
        print(len(arguments[-1]), flush=True)
        return part

    resume.taken_up, program._run = told, slowly

keys = jax.random.split(jax.random.key(0), 4)
scale = jax.random.uniform(keys[0], (12,))
f = lambda x, w, b: w[1] @ jax.nn.gelu(w[0] @ (x * scale) + b[0]) + b[1]  # closes over an array; has a custom rule
y = jax.nn.one_hot(jnp.arange(37) % 4, 4)
C = cost.Cost(Images(jax.random.normal(keys[1], (37, 12)), y), f, losses.softmax_cross_entropy, block=10)
C = (C, cost.Cost(C.images[:9], f, C.loss)) if kept else C  # all that can be kept, of two costs at once
origin, u, v = (network.init(key, (12, 6, 4)) for key in keys[1:])
results.save(out, slices.plane(C, origin, u, v, np.linspace(-1, 1, 40), np.linspace(-2, 1, 20), **options))
"""
POINTS, TILE, KILLS = 800, 4, 4


def start(*words, **environment):
    command = [sys.executable, "-W", "error", "-c", *words]
    environment = {**os.environ, **environment}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finished(process):
    output, error = process.communicate(timeout=120)
    assert process.returncode == 0, error
    return output


def killed_again_and_again(kept, folder, seed):
    """Kill a run KILLS times, then let it finish: its result, and (signal, first point, lengths of tiles) of each."""
    draw, kills = random.Random(seed), []
    words = LONG_RUN, kept, str(folder / f"{seed}.npz"), str(folder / f"{seed}-points.npz")
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "cache"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    for number in itertools.islice(
        itertools.cycle([signal.SIGINT, signal.SIGKILL, signal.SIGTERM][:: 1 - 2 * seed]), KILLS
    ):
        with start(*words, "0.03", **cache) as process:
            lines = [process.stdout.readline() for _ in range(draw.randint(1, 8))]  # where it began, and some tiles
            time.sleep(draw.uniform(0, 0.05))  # in a tile or in a save
            process.send_signal(number)
            lines += process.stdout.readlines()
            error = process.stderr.read()
        assert process.returncode == -number, error  # it died of this signal, and so unfinished
        assert not (folder / f"{seed}.npz").exists()
        first, *computed = map(int, lines)
        kills.append((number, first, computed))
    first, *computed = map(int, finished(start(*words, "0", **cache)).split())
    assert first + sum(computed) == POINTS
    kills.append((None, first, computed))
    return results.load(folder / f"{seed}.npz"), kills


def never_stopped(kept, folder, name):
    finished(start(LONG_RUN, kept, str(folder / f"{name}.npz"), "", ""))
    return results.load(folder / f"{name}.npz")


@pytest.mark.slow
def test_a_plane_killed_again_and_again_has_every_bit_of_one_that_never_stopped(tmp_path):
    chains = ["", "per_class per_image accuracy"]
    with ThreadPoolExecutor(2) as pool:
        broken = [pool.submit(killed_again_and_again, kept, tmp_path, i) for i, kept in enumerate(chains)]
        whole = [pool.submit(never_stopped, kept, tmp_path, f"whole{i}") for i, kept in enumerate(chains)]
    for (found, kills), exact in zip((job.result() for job in broken), (job.result() for job in whole), strict=True):
        assert bits(found) == bits(exact)
        for (number, first, computed), (_, later, _) in itertools.pairwise(kills):
            reached = first + sum(computed)
            assert first <= later <= reached + TILE  # TILE: it came between two lines of the script
            if len(computed) > 1:
                assert later >= first + computed[0]  # the first tile is kept before the second is begun
            if number == signal.SIGINT:
                assert later >= reached - TILE  # nothing is lost
        assert sum(0 < first < POINTS for _, first, _ in kills) > KILLS / 2
    plane, (one, other) = broken[0].result()[0], found
    assert plane.values.shape == one.accuracy.shape == other.accuracy.shape == (40, 20)
    assert one.per_class.shape == other.per_class.shape == (40, 20, 4)
    assert (one.per_image.shape, other.per_image.shape) == ((40, 20, 37), (40, 20, 9))
    assert sum(len(kills) - 1 for kills in (job.result()[1] for job in broken)) == 2 * KILLS
    assert not list(tmp_path.glob("*.part"))  # a save that was killed leaves one, which the next removes


IDENTITY = """
import json, sys
from dataclasses import dataclass
from functools import partial
junk = [object() for _ in range(int(sys.argv[1]))]  # moves what comes after
import jax, jax.numpy as jnp, numpy as np
from jaxcost import cost, losses, network
from jaxcost.engine import quantities, resume
from jaxcost.data import Images

@jax.custom_jvp
def own(x):
    return jnp.sin(x)
own.defjvp(lambda x, t: (jnp.sin(x[0]), t[0]))
scale, p = jnp.arange(12.0), network.init(jax.random.key(0), (12, 6, 4))
images = Images(jnp.ones((5, 12)), jax.nn.one_hot(jnp.arange(5) % 4, 4))
told = {}
points = np.ones((3, 2), np.float32)
every = quantities.VALUES, quantities.DERIVATIVES, quantities.Detailed(4, True, True)
for h, some in ((jax.nn.relu, every[1:2]), (jax.nn.gelu, every[2:]), (own, every), (jax.jit(jnp.tanh), every[:1])):
    f = lambda x, w, b, h=h: w[1] @ jax.checkpoint(h)(w[0] @ (x * scale) + b[0])
    for quantity in some:
        C = cost.Cost(images, f, losses.softmax_cross_entropy)
        told[f"{h} {quantity}"] = resume.identity(quantity, (C,), (p, (p, p)), points, 5, 16)

@partial(jax.tree_util.register_dataclass, data_fields=["w"], meta_fields=["act"])
@dataclass(frozen=True)
class Layer:
    w: object
    act: object
tree = (Layer(jnp.ones((4, 12)), jnp.tanh), {"steps": jnp.array(3), "act": jnp.cos})  # two functions, one a leaf
C = cost.Cost(images, lambda x, layer, more: more["act"](layer.act(layer.w @ x)) * more["steps"])
C, tree = cost.split(C, tree)
told["tree"] = resume.identity(quantities.VALUES, (C,), (tree, (tree,)), points[:, :1], 5, 16)
print(json.dumps(list(told.values())))
"""


@pytest.mark.slow
def test_an_equal_model_in_another_process_is_the_same():
    one, other = [start(IDENTITY, junk, PYTHONHASHSEED=junk) for junk in ("1", "54321")]
    one, other = json.loads(finished(one)), json.loads(finished(other))
    assert one == other
    assert len({what["model"] for what in one}) == 4 + 1
    assert len({what["quantity"] for what in one}) == 3
    assert len({what["program"] for what in one}) == len(one) == 6 + 1


# -- in this process ------------------------------------------------------------------------------------

SCALE, SHIFT = np.linspace(0.5, 1, 24, dtype=np.float32).reshape(2, 12)
NEXT = lambda array: np.nextafter(array, np.float32(2))  # the last bit of each number differs


def model(scale=SCALE, shift=SHIFT, network=network.feedforward):
    """A network that closes over an array, and over one more within a jit."""
    return lambda x, w, b: jax.jit(lambda x: network(x + shift, w, b))(x * scale)


MODEL = model()
DETAILED = quantities.Detailed(4, True, True)


def bits(tree):
    return [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves(tree)]


def settings(**changes):
    """The arguments of `sweep.over_points`, of a small problem; those of the cost may be changed as well."""
    keys = jax.random.split(jax.random.key(0), 5)
    images = Images(jax.random.uniform(keys[0], (37, 12)), jax.nn.one_hot(jnp.arange(37) % 4, 4))
    of_cost = {"images": images, "f": MODEL, "loss": losses.quadratic, "block": 10}
    of_cost |= {name: changes.pop(name) for name in list(changes) if name in of_cost}
    origin, u, v = (network.init(key, (12, 6, 4)) for key in keys[2:])
    frame = Frame(changes.pop("origin", origin), changes.pop("directions", (u, v)))
    points = np.random.default_rng(0).normal(size=(40, 2)).astype(np.float32)
    given = {"quantity": quantities.VALUES, "Cs": (cost.Cost(**of_cost),), "frame": frame, "points": points}
    return given | changes


def two_costs():
    """That of the small problem, and another of fewer images."""
    (C,) = settings()["Cs"]
    return C, cost.Cost(C.images[::-1][:9], MODEL)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "points.npz"


@pytest.fixture
def computed(monkeypatch):
    """How many points each call computed; `stop_after` calls, it is interrupted as by Ctrl-C."""
    run, calls = program._run, []
    told = SimpleNamespace(calls=calls, stop_after=None)

    def counted(*arguments):
        if told.stop_after == len(calls):
            raise KeyboardInterrupt
        calls.append(len(arguments[-1]))
        return run(*arguments)

    monkeypatch.setattr(program, "_run", counted)
    monkeypatch.setattr(program, "BUFFER", 4)
    return told


STOPPED = {
    "values, by the first tile": (quantities.VALUES, settings()["Cs"], 1),
    "values, by the last": (quantities.VALUES, settings()["Cs"], 5),
    "derivatives": (quantities.DERIVATIVES, settings()["Cs"], 2),
    "two costs": (quantities.VALUES, two_costs(), 2),
    "all of two costs": (DETAILED, two_costs(), 3),
}


@pytest.mark.parametrize("which", STOPPED)
def test_ctrl_c_keeps_every_finished_point_and_only_the_others_are_computed_later(which, file, computed, monkeypatch):
    quantity, Cs, stop_after = STOPPED[which]
    given = settings(quantity=quantity, Cs=Cs)
    whole = sweep.over_points(**given)
    monkeypatch.setattr(sweep, "KEEPING", 1e-9)  # after the first save no other is due, but for the stop
    computed.calls.clear()
    computed.stop_after = stop_after
    with pytest.raises(KeyboardInterrupt):
        sweep.over_points(**given, resume_file=file)
    finished = sum(computed.calls)
    assert len(computed.calls) == stop_after
    kept = results.load(file)
    assert kept["done"] == finished
    for values, exact in zip(kept["values"], jax.tree.leaves(whole), strict=True):
        np.testing.assert_array_equal(values[:finished], exact[:finished])
    computed.stop_after = None
    again = sweep.over_points(**given, resume_file=file)
    assert bits(again) == bits(whole)
    assert sum(computed.calls) == 40


def test_a_finished_file_gives_its_results_and_nothing_is_computed(file, computed):
    whole = sweep.over_points(**settings(quantity=DETAILED), resume_file=str(file))
    computed.stop_after = len(computed.calls)
    assert bits(sweep.over_points(**settings(quantity=DETAILED), resume_file=file)) == bits(whole)
    assert list(file.parent.iterdir()) == [file]


@pytest.fixture
def unfinished(file, computed):
    """A file of 10 points of 40."""
    computed.stop_after = 3
    with pytest.raises(KeyboardInterrupt):
        sweep.over_points(**settings(), resume_file=file)
    computed.stop_after = None
    computed.calls.clear()
    return file


@pytest.fixture
def uncompiled(unfinished, monkeypatch):
    """The same file, before evaluations that are refused and not even compiled."""
    one = jax.ShapeDtypeStruct((1,), np.float32)
    stub = lambda quantity, Cs, *_, calls: program.Program(None, (one,) * len(Cs), Cs[0].block, 4, 0)
    monkeypatch.setattr(sweep, "compiled", stub)
    return unfinished


def moved(tree):
    return jax.tree.map(lambda leaf: leaf.at[(0,) * leaf.ndim].add(1e-6), tree)


NAMES = list(resume.identity(**settings(), block=10, buffer=4))
DIFFERENT = {  # what is named, and the change, given the settings before
    "another pixel": ("images", lambda s: {"images": moved(s["Cs"][0].images)}),
    "images in another order": ("images", lambda s: {"images": s["Cs"][0].images[::-1]}),
    "another loss": ("model", lambda s: {"loss": losses.absolute}),
    "another network": ("model", lambda s: {"f": model(network=network.logits)}),
    "another array closed over": ("model", lambda s: {"f": model(scale=NEXT(SCALE))}),
    "another array of jax": ("model", lambda s: {"f": model(scale=jnp.asarray(NEXT(SCALE)))}),
    "another array within": ("model", lambda s: {"f": model(shift=NEXT(SHIFT))}),
    "another origin": ("origin", lambda s: {"origin": moved(s["frame"].origin)}),
    "another direction": (
        "directions",
        lambda s: {"directions": (s["frame"].directions[0], moved(s["frame"].directions[1]))},
    ),
    "directions in another order": ("directions", lambda s: {"directions": s["frame"].directions[::-1]}),
    "another point": ("points", lambda s: {"points": s["points"] + 1e-6}),
    "fewer points": ("points", lambda s: {"points": s["points"][:30]}),
    "derivatives": ("quantity", lambda s: {"quantity": quantities.DERIVATIVES}),
    "classes": ("quantity", lambda s: {"quantity": quantities.Detailed(4, False)}),
}


@pytest.mark.parametrize("what", DIFFERENT)
def test_a_file_of_other_settings_is_refused_and_names_what_differs_and_nothing_else(what, uncompiled):
    name, change = DIFFERENT[what]
    changed, before = settings(**change(settings())), uncompiled.read_bytes()
    with pytest.raises(ValueError, match="belongs to other settings; different are ") as error:
        sweep.over_points(**changed, resume_file=uncompiled)
    assert str(error.value).startswith(f"{uncompiled}: ")
    differing = str(error.value).split("different are ")[1]
    assert {found for found in NAMES if f"{found} (" in differing} == {name}
    assert uncompiled.read_bytes() == before


def test_all_that_differs_is_named(uncompiled):
    changed = settings(block=20, loss=losses.absolute, points=settings()["points"] + 1)
    with pytest.raises(
        ValueError, match=r"settings; different are block \(10, expected 20\), model \(\w{8}, .*, points \("
    ):
        sweep.over_points(**changed, resume_file=uncompiled)


def test_another_cost_beside_the_first_is_another_evaluation(uncompiled):
    with pytest.raises(ValueError, match=r"different are images \(\w{8}, expected \w{8}\), model \(\w{8}, [^,]*$"):
        sweep.over_points(**settings(Cs=two_costs()), resume_file=uncompiled)
    one, other = (resume.identity(**settings(Cs=Cs), block=10, buffer=16) for Cs in (two_costs(), two_costs()[::-1]))
    assert {name for name in one if one[name] != other[name]} == {"images"}  # their order is the results'


def test_what_does_not_move_is_a_part_of_the_model():
    """Numbers and keys, which the program takes as arguments, and functions."""

    def f(x, w, b, more):
        return w[1] @ more["act"](w[0] @ x * more["steps"]) + jax.random.normal(more["key"])

    def identity(steps=3, key=0, act=jnp.tanh):
        more = {"steps": jnp.array(steps), "key": jax.random.key(key), "act": act}
        C, origin = cost.split(settings(f=f)["Cs"][0], (*settings()["frame"].origin, more))
        given = settings(Cs=(C,), origin=origin, directions=(origin,), points=np.ones((3, 1), np.float32))
        return resume.identity(**given, block=10, buffer=4)

    assert (one := identity()) == identity()
    for other in (identity(steps=4), identity(key=1), identity(act=jnp.sin)):
        assert {name for name in one if other[name] != one[name]} == {"model", "program"}


def sloped(slope, wrap=lambda f: f):
    """A network with an activation that says itself what its derivative is, wherever it stands."""

    @jax.custom_jvp
    def act(x):
        return jnp.tanh(x)

    act.defjvp(lambda x, v: (act(*x), slope(*x) * v[0]))
    return lambda x, w, b: w[1] @ wrap(act)(w[0] @ x + b[0]) + b[1]


RIGHT, WRONG = (lambda x: 1 - jnp.tanh(x) ** 2), (lambda x: 0.5 * (1 - jnp.tanh(x) ** 2))
WRAPS = {
    "bare": lambda f: f,
    "in a jit": jax.jit,
    "in a checkpoint": jax.checkpoint,
    "in a loop": lambda f: lambda x: jax.lax.scan(lambda x, _: (f(x), None), x, None, length=2)[0],
    "in a branch": lambda f: lambda x: jax.lax.cond(x.sum() > 0, f, jnp.sin, x),
}


def of_sloped(slope, quantity=quantities.DERIVATIVES, wrap=WRAPS["bare"]):
    """Along a line, which takes fewer derivatives to trace."""
    given = settings(f=sloped(slope, wrap), quantity=quantity, points=np.ones((40, 1), np.float32))
    frame = given.pop("frame")
    return resume.identity(**given, frame=Frame(frame.origin, frame.directions[:1]), block=10, buffer=4)


@pytest.mark.parametrize("wrap", WRAPS.values(), ids=WRAPS)
def test_another_rule_for_a_derivative_is_another_evaluation(wrap):
    one, other = (of_sloped(slope, wrap=wrap) for slope in (RIGHT, WRONG))
    assert {name for name in one if one[name] != other[name]} == {"program"}


@pytest.mark.parametrize("quantity", [quantities.VALUES, DETAILED], ids=["values", "detailed"])
def test_it_is_none_where_no_derivatives_are_taken_nor_is_the_same_rule_made_anew(quantity):
    assert of_sloped(RIGHT, quantity) == of_sloped(WRONG, quantity)
    assert of_sloped(RIGHT) == of_sloped(RIGHT)


def test_derivatives_by_an_older_rule_are_not_taken_for_those_of_a_newer_one(file):
    found = np.arange(40.0), np.ones((40, 1)), np.ones((40, 1, 1))
    resume.keep(file, of_sloped(WRONG), [], 40, found)
    with pytest.raises(ValueError, match=r"different are program \(\w{8}, expected \w{8}\)$"):
        resume.taken_up(file, of_sloped(RIGHT), jax.tree.map(np.zeros_like, found))
    into = jax.tree.map(np.zeros_like, found)
    assert resume.taken_up(file, of_sloped(WRONG), into) == (40, [])
    assert bits(into) == bits(found)


def test_another_rule_backwards_is_another_evaluation_too():
    """Of a quantity of one's own, the slope along the first direction, by reverse mode."""

    def sloped(factor):
        act = jax.custom_vjp(jnp.tanh)
        act.defvjp(lambda x: (jnp.tanh(x), x), lambda x, v: (factor * v,))
        return lambda x, w, b: w[1] @ act(w[0] @ x + b[0]) + b[1]

    slope = lambda block, new, images, s: jax.grad(lambda s: block.total(s, new))(s)[0]
    quantity = quantities.VALUES._replace(of_block=slope)
    one, again, other = (
        resume.identity(**settings(f=sloped(factor), quantity=quantity), block=10, buffer=4) for factor in (1, 1, 2)
    )
    assert one == again
    assert {name for name in one if one[name] != other[name]} == {"program"}


ELSEWHERE = {  # what is named, and the change
    "another block": ("block", {"block": 20}),
    "another version": ("versions", {"versions": {"jax": "0.1"}}),
    "another device": ("device", {"cores": 999}),
}


@pytest.mark.parametrize("what", ELSEWHERE)
def test_what_was_begun_elsewhere_is_gone_on_with_if_one_asks_for_it(what, unfinished, computed, monkeypatch):
    name, change = ELSEWHERE[what]
    whole = sweep.over_points(**settings())
    computed.calls.clear()
    if what == "another version":
        here = results.here()
        monkeypatch.setattr(results, "here", lambda: here | {"versions": here["versions"] | change["versions"]})
    if what == "another device":
        monkeypatch.setattr(resume, "_cores", lambda: change["cores"])
    given, before = settings(**change if name == "block" else {}), unfinished.read_bytes()
    with pytest.raises(ValueError, match=rf"begun elsewhere, .* resume_elsewhere=True .* Different are {name} \("):
        sweep.over_points(**given, resume_file=unfinished)
    assert not computed.calls
    assert unfinished.read_bytes() == before
    found = sweep.over_points(**given, resume_file=unfinished, resume_elsewhere=True)
    np.testing.assert_array_equal(found[0][:10], whole[0][:10])
    np.testing.assert_allclose(found, whole, rtol=1e-6)
    assert sum(computed.calls) == 30
    assert bits(sweep.over_points(**given, resume_file=unfinished)) == bits(found)  # it belongs here now
    (told,) = results.provenance(unfinished)["before"]
    assert (set(told), told["done"]) == ({"done", name}, 10)


def test_an_evaluation_of_another_meaning_is_refused_elsewhere_too(uncompiled, monkeypatch):
    here = results.here()
    monkeypatch.setattr(results, "here", lambda: here | {"versions": here["versions"] | {"jax": "0.1"}})
    with pytest.raises(
        ValueError, match=r"different are model \(.*, versions \(.*the same model may be traced otherwise"
    ):
        sweep.over_points(**settings(loss=losses.absolute), resume_file=uncompiled, resume_elsewhere=True)
    with pytest.raises(ValueError, match="resume_elsewhere=1, expected True or False"):
        sweep.over_points(**settings(), resume_file=uncompiled, resume_elsewhere=1)


def test_the_kernel_and_the_name_of_the_host_are_no_part_of_an_evaluation(monkeypatch):
    before = resume.identity(**settings(), block=10, buffer=4)
    for name in ("platform", "release", "version", "node"):
        monkeypatch.setattr(platform, name, lambda *_, **__: "another")
    assert resume.identity(**settings(), block=10, buffer=4) == before


def test_the_same_settings_made_anew_are_no_others(unfinished, computed):
    anew = settings(f=model(jnp.asarray(SCALE), SHIFT.copy()))
    assert bits(sweep.over_points(**anew, resume_file=unfinished)) == bits(sweep.over_points(**settings()))
    assert sum(computed.calls) == 40 - 10 + 40


def half(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    "damage",
    [
        half,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_text("not ours"),
        lambda path: np.savez(path, values=np.ones(40)),
        lambda path: results.save(path, {"done": 40, "values": [np.ones(40)]}),
        lambda path: results.save(path, {"done": 1}, settings=results.provenance(path)["settings"]),
        lambda path: results.save(
            path, {"done": 1, "values": [np.ones(3)]}, settings=results.provenance(path)["settings"]
        ),
    ],
    ids=["half", "empty", "text", "foreign", "another result", "no values", "other values"],
)
def test_a_file_that_is_damaged_or_not_ours_is_named_and_left_as_it_is(damage, unfinished, computed):
    damage(unfinished)
    before = unfinished.read_bytes()
    with pytest.raises(ValueError, match=f"^{re.escape(str(unfinished))}: "):
        sweep.over_points(**settings(), resume_file=unfinished)
    assert not computed.calls
    assert unfinished.read_bytes() == before


@pytest.mark.parametrize("done", [-1, 41, 2**70, 2.5, 10.0, True, "10", None, [10], np.array([10])], ids=str)
def test_a_number_of_finished_points_that_there_cannot_be_is_damage(done, unfinished, computed):
    kept, told = results.load(unfinished), results.provenance(unfinished)
    results.save(unfinished, kept | {"done": done}, settings=told["settings"])
    with pytest.raises(ValueError, match=rf"^{re.escape(str(unfinished))}: .*expected"):
        sweep.over_points(**settings(), resume_file=unfinished)
    assert not computed.calls


@pytest.mark.parametrize("wrong", [3, 1.5, b"points.npz", ["points.npz"], "points.txt", "points\0.npz", ""], ids=repr)
def test_a_file_that_is_no_path_to_an_npz_is_refused_before_anything_is_computed(wrong, computed):
    with pytest.raises(ValueError, match=r"resume_file=.*, expected a path|expected a name that ends in \.npz"):
        sweep.over_points(**settings(), resume_file=wrong)
    assert not computed.calls


def test_where_nothing_can_be_written_it_is_said_before_anything_is_computed(file, computed):
    file.write_text("no folder")
    with pytest.raises(OSError, match=r"more\.npz: expected a folder to write to, found: "):
        sweep.over_points(**settings(), resume_file=file / "more.npz")
    (file.parent / "folder.npz").mkdir()
    with pytest.raises(FileNotFoundError, match=r"folder\.npz: expected a result file, found a folder"):
        sweep.over_points(**settings(), resume_file=file.parent / "folder.npz")
    assert not computed.calls


@pytest.fixture
def vanishing(tmp_path, computed, monkeypatch):
    """A file whose folder turns into a file when the second tile is computed."""
    file, run = tmp_path / "folder" / "points.npz", program._run

    def vanish(*arguments):
        if len(computed.calls) == 1 and file.exists():
            file.unlink()
            file.parent.rmdir()
            file.parent.write_text("")
        return run(*arguments)

    monkeypatch.setattr(program, "_run", vanish)
    monkeypatch.setattr(sweep, "KEEPING", 1e12)  # a save after every tile
    return file


def test_a_file_that_can_no_longer_be_written_costs_no_finished_value(vanishing, computed):
    whole = sweep.over_points(**settings())
    computed.calls.clear()
    with pytest.warns(RuntimeWarning, match=r"finished points are not kept: .*points\.npz: expected to write") as told:
        found = sweep.over_points(**settings(), resume_file=vanishing)
    assert bits(found) == bits(whole)
    assert ["it goes on without" in str(one.message) for one in told] == [True, False]  # once under way, and at the end


def test_ctrl_c_is_not_hidden_by_a_file_that_can_no_longer_be_written(vanishing, computed):
    computed.stop_after = 4
    with pytest.warns(RuntimeWarning, match="it goes on without"), pytest.raises(KeyboardInterrupt) as stopped:
        sweep.over_points(**settings(), resume_file=vanishing)
    (note,) = stopped.value.__notes__
    assert re.match(r"\d+ finished points are not kept: .*points\.npz: expected to write [\d,]+ bytes", note)


@pytest.mark.parametrize("saving", [0.01, 3.0, 50.0])
@pytest.mark.parametrize("tile", [0.2, 1.0, 7.0])
def test_saving_takes_a_twentieth_of_the_time_and_a_kill_loses_no_more_than_twenty_saves_take(
    saving, tile, file, monkeypatch
):
    """Beside the first save and the last; on a clock of our own, on which a tile and a save take as long as we say."""
    clock, spent, kept, finished = SimpleNamespace(now=0.0), [], [0.0], 4000 * tile

    def run(*arguments):
        clock.now += tile * len(arguments[-1]) / 4
        return (np.zeros(len(arguments[-1]), np.float32),)

    def keep(*_):
        clock.now += saving
        spent.append(saving)
        kept.append(clock.now)

    one = jax.ShapeDtypeStruct((1,), np.float32)
    monkeypatch.setattr(sweep, "time", SimpleNamespace(perf_counter=lambda: clock.now))
    monkeypatch.setattr(sweep, "compiled", lambda *_, calls: program.Program(lambda Cs, frame: run, (one,), 10, 4, 0))
    monkeypatch.setattr(resume, "keep", keep)
    sweep.over_points(**settings(points=np.zeros((16_000, 2), np.float32)), resume_file=file)
    assert sum(spent) <= finished / 20 + 2 * saving
    assert max(later - earlier for earlier, later in itertools.pairwise(kept)) <= 21 * saving + 2 * tile


def test_quantities_of_one_name_and_other_code_are_others():
    def identity(factor):
        times = lambda block, new, images, s: factor * block.total(s, new)
        quantity = quantities.VALUES._replace(of_block=times)
        return resume.identity(**settings(quantity=quantity), block=10, buffer=16)

    one, again, other = map(identity, (1, 1, 2))
    assert one == again
    assert {name for name in NAMES if one[name] != other[name]} == {"program"}


def test_a_model_that_closes_over_a_random_key_is_resumed(file):
    noisy = lambda x, w, b: network.feedforward(x, w, b) + jax.random.normal(jax.random.key(3), (4,))
    key = jax.random.key(3)
    closed = lambda x, w, b: network.feedforward(x, w, b) + jax.random.normal(key, (4,))
    found = sweep.over_points(**settings(f=closed), resume_file=file)
    np.testing.assert_array_equal(found, sweep.over_points(**settings(f=noisy)))


def test_a_file_of_another_kind_is_refused_before_anything_is_computed(file, computed):
    with pytest.raises(ValueError, match=r"points\.txt: expected a name that ends in \.npz"):
        sweep.over_points(**settings(), resume_file=file.with_name("points.txt"))
    assert not computed.calls
