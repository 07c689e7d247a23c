"""Over devices and processes the mathematics does not change: everything against numpy in float64, or one device.

What is seen comes from processes of their own (`on_devices.py`): eight simulated devices in one process, two of them
in each of two processes, two in each of three. They run once, and every test reads what they saw.
"""

import functools
import os
import pickle
import socket
import subprocess
import sys
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import on_devices
import optax
import pytest
from on_devices import ALONG, ALPHAS, BATCH, BETAS, FEW, MANY, ODD, ORIGIN, SIZES, N

from jaxcost import cost, descent, devices, network, slices
from jaxcost.directions import Frame
from jaxcost.engine import trees

EPS = np.finfo(np.float32).eps
POINTS = np.float32(np.stack(np.meshgrid(ALPHAS, BETAS, indexing="ij"), -1)).reshape(-1, 2)
COUNTS = {  # the images of each part; a part that has fewer than another is filled up with copies
    ("eight", "8x1 of 1003"): (126, 126, 126, 125, 125, 125, 125, 125),
    ("eight", "4x2 of 1003"): (251, 251, 251, 250),
    ("eight", "3x2 of 1003"): (335, 334, 334),
    ("eight", "1x8 of 1003"): (1003,),
    ("eight", "8x1 of 5"): (1, 1, 1, 1, 1, 0, 0, 0),
    ("eight", "3x2 of 8"): (3, 3, 2),
    ("two", "4x1 of 1003"): (200, 200, 302, 301),
    ("two", "2x2 of 1003"): (400, 603),
    ("two", "1x4 of 1003"): (1003,),
    ("two", "4x1 of 5"): (1, 0, 2, 2),
    ("three", "6x1 of 1003"): (200, 200, 125, 125, 177, 176),
    ("three", "6x1 of 8"): (1, 0, 1, 1, 3, 2),
}
RUNS = {"eight": ("rows", "columns"), "two": ("processes",) * 2, "three": ("processes",) * 3}
SEE = {"eight": 1, "two": 2, "three": 3}  # processes that see the same: the two cases of eight devices are one
PLACES = [(where, i, name) for where, name in COUNTS for i in range(SEE[where])]
FULLY = [("eight", 0, f"{mesh} of 1003") for mesh in ("8x1", "4x2", "3x2", "1x8")]
FULLY += [("two", i, "4x1 of 1003") for i in (0, 1)]
named = functools.partial(pytest.mark.parametrize, "place", ids=lambda place: " ".join(map(str, place)))
everywhere, where_fully_seen, in_later_processes = named(PLACES), named(FULLY), named([p for p in PLACES if p[1]])
in_processes = pytest.mark.parametrize(
    ("where", "i"), [("two", 0), ("two", 1), ("three", 0), ("three", 1), ("three", 2)]
)


def together(commands, folder, limit, **environment):
    """Run commands side by side, and end them all as soon as one fails, or the time is over."""
    logs = [folder / f"{i}.log" for i in range(len(commands))]
    running, end = [], time.monotonic() + limit
    try:
        for command, log in zip(commands, logs, strict=True):
            with log.open("wb") as file:
                environ = os.environ | environment
                running.append(subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environ))
        while (codes := {process.poll() for process in running}) <= {None, 0} and None in codes:
            if time.monotonic() > end:
                break
            time.sleep(0.02)
        codes = [process.poll() for process in running]
    finally:
        for process in running:
            process.kill()
            process.wait()
    if any(code != 0 for code in codes):
        told = "\n".join(f"{log.name}:\n{log.read_text(errors='replace')[-5000:]}" for log in logs)
        pytest.fail(f"the processes ended with {codes} (None: not in {limit} s)\n{told}")


@pytest.fixture(scope="module")
def seen(tmp_path_factory):
    """What each process saw, of "eight" devices, or "two" or "three" processes; they run when it is first asked for."""
    done = {}

    def of(where):
        if where not in done:
            done[where] = None
            done[where] = started(where, tmp_path_factory.mktemp(where))
        if done[where] is None:
            pytest.fail("the processes failed already, for the first test that asked for them")
        return done[where]

    return of


def started(where, folder):
    """Run processes, and read what each of them saw."""
    environment = {"JAX_PLATFORMS": "cpu", "JAX_NUMPY_RANK_PROMOTION": "raise", "JAX_NUM_CPU_DEVICES": "8"}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = (
        "1"  # each compiles all programs for itself, which is most of the time
    )
    joined = lambda i: ()
    if where != "eight":
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{free.getsockname()[1]}"
        joined = lambda i: (address, str(len(RUNS[where])), str(i))
        environment |= {"JAX_NUM_CPU_DEVICES": "2", "no_proxy": "127.0.0.1"}
    folders, python = [folder / str(i) for i in range(len(RUNS[where]))], (sys.executable, "-W", "error")
    for each in folders:
        each.mkdir()
    script = Path(on_devices.__file__)
    commands = [(*python, script, case, folders[i], *joined(i)) for i, case in enumerate(RUNS[where])]
    together(commands, folder, on_devices.LIMIT + 10, **environment)
    kept = [pickle.loads((each / "kept.pickle").read_bytes()) for each in folders]
    return kept if where != "eight" else [kept[0] | kept[1]]


@pytest.fixture
def look(place, seen):
    """What one process saw of one C, and the images that it is the mean of."""
    where, i, name = place
    return seen(where)[i][name], on_devices.images(range(int(name.split()[-1])))


@pytest.fixture(scope="module")
def alone():
    """The same training on one device: a run with mini-batches, and eleven networks."""
    C = cost.Cost(on_devices.images(range(N)))
    with jax.default_device(jax.local_devices(backend="cpu")[0]):
        return on_devices.trained(C, BATCH), on_devices.raised(11, C)


def exact(params, images):
    """The costs of all images, in numpy, in float64; and what each layer made of them."""
    w, b, x, y = jax.tree.map(np.float64, (*params, images.x, images.y))
    a, more = [x[:, : SIZES[0]]], x[:, SIZES[0] :]
    for w_layer, b_layer in zip(w, b, strict=True):
        a.append(1 / (1 + np.exp(-(a[-1] @ w_layer.T + b_layer))))
    return ((a[-1] + (more if more.size else 0) - y) ** 2).sum(1), a


def exact_gradient(params, images):
    """The gradient of the mean, by backpropagation."""
    a, slopes = exact(params, images)[1], []
    slope = 2 * (a[-1] - images.y) / len(images)
    for layer in reversed(range(len(params.w))):
        slope = slope * a[layer + 1] * (1 - a[layer + 1])
        slopes.append((slope.T @ a[layer], slope.sum(0)))
        slope = slope @ np.float64(params.w[layer])
    return network.Params(*zip(*slopes[::-1], strict=True))


def exact_accuracy(params, images):
    """The share of images whose largest output is the desired one."""
    return (exact(params, images)[1][-1].argmax(1) == images.y.argmax(1)).mean()


def network_at(s):
    """The network at a point of the plane, in float64."""
    move = lambda p, u, v: np.float64(p) + s[0] * np.float64(u) + s[1] * np.float64(v)
    return jax.tree.map(move, ORIGIN, *ALONG)


def at_points(images, points):
    """The cost of each image at each of these points of the plane, `[points, n]`."""
    return np.stack([exact(network_at(s), images)[0] for s in np.float64(points)])


@functools.cache
def on_the_plane(images):
    """The cost of each image at each point of the grid, `[35, n]`."""
    return at_points(images, POINTS)


def slope(s, images):
    """The gradient of C along the plane."""
    gradient = jax.tree.leaves(exact_gradient(network_at(s), images))
    return np.array([sum(map(np.vdot, gradient, jax.tree.leaves(u))) for u in ALONG])


def close(found, expected, rtol=1e-6):
    """Alike to rounding, leaf by leaf, on the scale of the largest number of a leaf."""
    found, expected = jax.tree.leaves(found), jax.tree.leaves(expected)
    for one, other in zip(found, expected, strict=True):
        finite = np.asarray(other)[np.isfinite(other)]
        scale = np.abs(finite).max(initial=0)
        np.testing.assert_allclose(one, other, rtol=0, atol=rtol * scale)


@everywhere
def test_every_image_lies_in_one_part(place, look):
    assert look[0]["counts"] == COUNTS[place[0], place[2]]
    assert sum(look[0]["counts"]) == len(look[1])


@everywhere
def test_the_cost_is_the_mean_over_all_images(look):
    close(look[0]["C"], exact(ORIGIN, look[1])[0].mean())


@everywhere
def test_the_gradient_is_that_of_the_mean_over_all_images(look):
    close(look[0]["gradient"], exact_gradient(ORIGIN, look[1]))


@everywhere
def test_costs_of_images_come_in_the_order_of_the_images(look):
    close(look[0]["per_image"], exact(ORIGIN, look[1])[0])


@everywhere
def test_the_values_of_a_plane(look):
    close(look[0]["plane"].values, on_the_plane(look[1]).mean(1).reshape(7, 5))


@everywhere
@pytest.mark.filterwarnings("ignore:.*(Mean of empty|invalid value):RuntimeWarning")
def test_the_means_of_the_classes_on_a_plane(look):
    costs, label = on_the_plane(look[1]), look[1].y.argmax(1)
    means = np.stack([costs[:, label == k].mean(1) for k in range(SIZES[-1])], -1)
    close(look[0]["plane"].per_class, means.reshape(7, 5, -1))


@everywhere
def test_the_standard_error_on_a_plane(look):
    error = on_the_plane(look[1]).std(1, ddof=1) / np.sqrt(len(look[1]))
    close(look[0]["plane"].standard_error, error.reshape(7, 5))


@everywhere
def test_the_accuracy_on_a_plane(look):
    accuracy = [exact_accuracy(network_at(s), look[1]) for s in np.float64(POINTS)]
    close(look[0]["plane"].accuracy, np.reshape(accuracy, (7, 5)))


@everywhere
def test_the_costs_of_images_on_a_plane(look):
    close(look[0]["plane"].per_image, on_the_plane(look[1]).reshape(7, 5, -1))


@everywhere
def test_the_floor_covers_the_error_of_a_plane_and_is_not_much_more(look):
    values = look[0]["plane"].values
    error = np.abs(values.ravel() - on_the_plane(look[1]).mean(1)).max()
    assert error < look[0]["plane"].floor < 40 * max(error, EPS * values.max())


@in_later_processes
def test_every_process_sees_the_very_same(place, seen):
    where, i, name = place
    first, here = seen(where)[0][name], seen(where)[i][name]
    for key in {*first} - {"shards"}:
        jax.tree.map(np.testing.assert_array_equal, here[key], first[key])


@where_fully_seen
def test_the_accuracy_is_the_share_of_all_images(look):
    assert look[0]["accuracy"] == pytest.approx(exact_accuracy(ORIGIN, look[1]), rel=1e-6)


@where_fully_seen
def test_fewer_points_than_devices(look):
    close(look[0]["values"], at_points(look[1], np.float32(FEW)).mean(1))


@named([place for place in FULLY if place[2][:3] in ("3x2", "4x1")])
def test_derivatives_along_a_plane(look):
    values, gradients, hessians = look[0]["derivatives"]
    points = np.float64(np.float32(FEW))
    close(values, at_points(look[1], points).mean(1))
    close(gradients, np.stack([slope(s, look[1]) for s in points]))
    bent = lambda s: [(slope(s + e, look[1]) - slope(s - e, look[1])) / 2e-5 for e in 1e-5 * np.eye(2)]
    close(hessians, np.array([bent(s) for s in points]))


@pytest.mark.parametrize(("where", "name"), COUNTS)
def test_every_device_holds_the_images_of_its_part_and_no_others(where, name, seen):
    counts, points = COUNTS[where, name], int(name[2])
    shards = [shard for kept in seen(where) for shard in kept[name]["shards"]]
    assert len({device for device, _, _ in shards}) == len(shards)  # no two shards on one device
    assert sorted(row for _, row, _ in shards) == sorted(list(range(len(counts))) * points)
    parts = np.split(on_devices.images(range(sum(counts))).x, np.cumsum(counts)[:-1])
    for _, row, held in shards:
        assert len(held) == max(counts)
        np.testing.assert_array_equal(held[: len(parts[row])], parts[row])


ODD_PLACES = [("eight", name) for name in ("8x1 of 1003", "3x2 of 1003", "8x1 of 5")]
ODD_PLACES += [("two", "4x1 of 1003"), ("three", "6x1 of 1003")]


@pytest.mark.parametrize(("where", "name"), ODD_PLACES)
@pytest.mark.parametrize("value", ODD)
def test_an_image_that_fills_up_other_parts_too_is_counted_once(where, name, value, seen):
    n = int(name.split()[-1])
    for kept in seen(where):
        number, each = kept["odd"][name]
        here = each[ODD.index(value)]
        costs, images = on_the_plane(on_devices.images(range(n))), on_devices.images(range(n), (number, value))
        others, label = np.arange(n) != number, images.y.argmax(1)
        at_origin, odd = exact(ORIGIN, images)[0], on_the_plane(images)[:, number]
        close(here["C"], at_origin.mean())
        close(here["per_image"][number], at_origin[number])
        close(here["per_image"][others], at_origin[others])
        plane = here["plane"]
        close(plane.values, on_the_plane(images).mean(1).reshape(7, 5))
        assert plane.nonfinite == (0 if np.isfinite(value) else 35)
        close(plane.per_image[..., number], odd.reshape(7, 5))
        close(plane.per_image[..., others], costs[:, others].reshape(7, 5, -1))
        for k in set(label):
            of_class = odd / (label == k).sum() if k == label[number] else costs[:, label == k].mean(1)
            close(plane.per_class[..., k], of_class.reshape(7, 5))


@pytest.mark.parametrize(("where", "i"), [("eight", 0), ("two", 0), ("two", 1)])
def test_training_with_mini_batches_is_that_of_one_device(where, i, seen, alone):
    run = seen(where)[i]["mini-batches"]
    assert run.steps.tolist() == [0, 10, 20]
    close(run, alone[0], 2e-6)
    last = exact(run.params, on_devices.images(range(N)))[0]
    close(run.watched["per_image"][-1], last)
    close(run.costs[-1], last.mean())
    assert run.costs[-1] < run.costs[0] - 0.1


def test_training_with_whole_batches_goes_down_the_gradient(seen):
    run, images = seen("eight")[0]["whole batches"], on_devices.images(range(N))
    params = jax.tree.map(np.float64, ORIGIN)
    for step in range(21):
        record, rest = divmod(step, 10)
        if not rest:
            costs = exact(params, images)[0]
            at = jax.tree.map(lambda leaf, k=record: leaf[k], (run.trajectory, run.costs, run.watched))
            watched = {"accuracy": exact_accuracy(params, images), "per_image": costs}
            close(at, (params, costs.mean(), watched), 2e-6)
        params = jax.tree.map(lambda p, g: p - 0.5 * g, params, exact_gradient(params, images))


@pytest.mark.parametrize(("where", "i", "number"), [("eight", 0, 11), ("eight", 0, 3), ("two", 0, 5), ("two", 1, 5)])
def test_every_network_of_an_ensemble_over_devices_is_that_of_one_device(where, i, number, seen, alone):
    run = seen(where)[i][f"{number} networks"]
    assert run.steps.tolist() == [0, 10, 20]
    close(run._replace(steps=()), jax.tree.map(lambda leaf: leaf[:number], alone[1]._replace(steps=())), 2e-6)
    np.testing.assert_array_equal(run.watched["again"], run.costs)
    images = on_devices.images(range(N))
    for k in range(number):
        params = jax.tree.map(lambda leaf, k=k: leaf[k], run.params)
        close(run.costs[k, -1], exact(params, images)[0].mean())


@pytest.mark.parametrize(
    ("where", "name"), [("eight", "4x2 of 1003"), ("two", "4x1 of 1003"), ("three", "6x1 of 1003")]
)
def test_a_plane_that_was_stopped_goes_on_from_its_file(where, name, seen):
    for kept in seen(where):
        (stopped, resumed, read_back), whole = kept["stopped"]["planes"], kept[name]["plane"]
        first, then, last = kept["stopped"]["tiles"]
        assert stopped == "interrupted"
        assert first[0] == 2  # finished; the second tile was stopped
        assert sum(then) == 35 - 2
        assert last == []  # all is in the file
        jax.tree.map(np.testing.assert_array_equal, read_back, resumed)
        if where == "eight":
            jax.tree.map(np.testing.assert_array_equal, resumed, whole)
        # between processes, the order of a sum depends on the place of the point in its tile
        close(resumed._replace(floor=0), whole._replace(floor=0), 2e-7)


@in_processes
def test_the_first_process_alone_writes_the_file_and_needs_it(where, i, seen):
    assert seen(where)[i]["stopped"]["file"] == (i == 0)


@pytest.mark.slow
def test_a_file_of_another_mesh_is_refused(seen):
    """By eight devices in another mesh, or one device; by all processes, though the first alone reads the file."""
    assert [told.split("mesh")[1] for told in seen("eight")[0]["other meshes"]] == [
        f" ([{{'images': 4, 'points': 2}}, [[251, 251, 251, 250]]], expected {mesh})"
        for mesh in (
            "[{'images': 8, 'points': 1}, [[126, 126, 126, 125, 125, 125, 125, 125]]]",
            "[{'images': 1, 'points': 8}, [[1003]]]",
            "None",
        )
    ]
    first, second = (kept["other meshes"][0] for kept in seen("two"))
    assert "mesh ([{'images': 4, 'points': 1}, [[200, 200, 302, 301]]], expected [{'images': 2, 'points': 2}" in first
    assert "belongs to other settings, as the first process says" in second


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.slow
def test_processes_whose_clocks_differ_compute_the_same_tiles(i, seen):
    here, first = seen("two")[i]["clocks"], seen("two")[0]["clocks"]
    assert here["tiles"] == first["tiles"]
    assert len(here["tiles"]) > 2
    close(here["values"], at_points(on_devices.images(range(N)), np.float32(MANY)).mean(1))


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.slow
def test_whole_labels_on_several_processes(i, seen):
    classes, accuracy = seen("two")[i]["labels"]
    images = on_devices.images(range(N))
    assert classes == SIZES[-1]
    assert accuracy == pytest.approx(exact_accuracy(ORIGIN, images), rel=1e-6)


def test_a_spread_cost_is_vmapped_and_differentiated_twice(seen):
    kept, images = seen("eight")[0], on_devices.images(range(N))
    points = np.stack([np.float32(ALPHAS), np.zeros(7)], 1)
    close(kept["vmap"], at_points(images, points).mean(1))
    gradient = lambda s: exact_gradient(network_at((s, 0.0)), images)
    close(kept["second"], jax.tree.map(lambda a, b: (a - b) / 2e-5, gradient(1e-5), gradient(-1e-5)))


def test_in_float64_nothing_differs_in_twelve_places(seen):
    kept, images = seen("eight")[0]["64"], on_devices.images(range(N))
    close(kept["C"], exact(ORIGIN, images)[0].mean(), 1e-12)
    close(kept["gradient"], exact_gradient(ORIGIN, images), 1e-12)
    close(kept["values"], at_points(images, FEW).mean(1), 1e-12)


def test_no_program_moves_the_images(seen):
    """Bytes that the compiled programs of 251 images a device, 16 numbers each, move between the devices."""
    moved = {name: sum(size for _, size in all) for name, all in seen("eight")[0]["moved"].items()}
    assert moved["all images"] >= 4 * 1003 * 16  # what is looked for is found where it is
    assert 4 <= moved["C"] <= 4 * 4  # a sum a part
    assert moved["plane"] <= 4 * 32 * 4  # a number a point and part
    parameters = 4 * sum(leaf.size for leaf in jax.tree.leaves(ORIGIN))
    assert parameters <= moved["gradient"] <= parameters + 16
    assert moved["mini-batches"] <= 4 * 16 * BATCH + 64


@in_processes
def test_a_mesh_that_leaves_processes_out_is_refused(where, i, seen):
    devices = {"two": 4, "three": 6}[where]
    assert seen(where)[i]["few"] == f"a mesh of images=1 x points=1, expected one for {devices} devices"


@in_processes
def test_a_process_without_images_is_refused_by_all(where, i, seen):
    numbers = {"two": [0, 1003], "three": [0, 1003, 1003]}[where]
    assert seen(where)[i]["none"] == f"the processes hold {numbers} images, expected at least one each"


@pytest.mark.parametrize("i", [0, 1])
@pytest.mark.slow
def test_processes_with_different_images_are_refused_if_the_mesh_has_one_row(i, seen):
    told = "the processes hold [400, 603] images, expected the same ones each, since the mesh has one row"
    assert seen("two")[i]["different"] == told
    assert seen("two")[i]["as many others"] == told.replace("603", "400")


@pytest.mark.parametrize("i", [0, 1, 2])
@pytest.mark.slow
def test_a_row_across_processes_is_refused_where_there_are_several_rows(i, seen):
    assert seen("three")[i]["astride"].startswith("a row of the mesh belongs to several processes")


@pytest.mark.parametrize(
    ("images", "points"),
    [(10**6, 1), (None, 10**6), (0, 1), (-1, 1), (None, 0), (1, -2), (-1, -1), (1.0, 1), (None, True)],
)
def test_a_mesh_of_a_wrong_number_of_devices_is_named(images, points):
    with pytest.raises(ValueError, match=rf"(images={images}|points={points}), expected "):
        devices.mesh(images, points)


def test_images_are_spread_once_and_either_images_or_networks():
    C = cost.Cost(on_devices.images(range(10)))
    S = devices.spread(C, devices.mesh())
    with pytest.raises(ValueError, match="spread already"):
        devices.spread(S, devices.mesh())
    with pytest.raises(ValueError, match="where networks are shared out"):
        on_devices.raised(2, S, devices.mesh())
    with pytest.raises(ValueError, match=r"hold \[0\] images, expected"):
        devices.spread(cost.Cost(C.images[:0]), devices.mesh())


def test_a_spread_cost_knows_how_many_images_there_are():
    S = devices.spread(cost.Cost(on_devices.images(range(5))), devices.mesh(1))
    assert S.n == 5
    with pytest.raises(ValueError, match="batch=6, expected a whole number, 1 to 5"):
        descent.descend(jax.random.key(0), S, ORIGIN, on_devices.SGD, steps=1, batch=6)


# a tree of which not all moves, on the two devices of this process


def mixed(seed, which=(2, 0, 3, 1), steps=3):
    """A model's parameters that hold whole numbers and truths that it reads, a key, and a function."""
    rng, key = np.random.default_rng(seed), jax.random.key(5)
    draw = lambda *shape: jnp.asarray(rng.normal(size=shape), jnp.float32)
    fixed = {"which": jnp.array(which), "off": np.arange(12) % 5 == 0, "key": key, "act": jnp.tanh, "times": 2}
    return ({"w": draw(4, 12), "b": draw(4), "steps": jnp.array(steps), **fixed},)


def mixed_model(x, p):
    z = p["w"] @ jnp.where(p["off"], 0, x) + p["b"] * p["steps"]
    return p["act"](z)[p["which"]] * p["times"] + jax.random.normal(p["key"], (4,))


def mixed_in_numpy(p, images):
    """The cost of each image, in float64."""
    w, b, x = np.float64(p["w"]), np.float64(p["b"]), np.where(p["off"], 0, np.float64(images.x))
    noise = np.float64(jax.random.normal(jax.random.key(5), (4,)))
    a = np.tanh(x @ w.T + b * int(p["steps"]))[:, np.asarray(p["which"])] * 2 + noise
    return ((a - images.y) ** 2).sum(1)


def seen_of_mixed(C, mesh=None):
    """All that is asked of a C of a mixed tree; floating leaves alone, in which nothing else differs."""
    (origin, u, v), points = (mixed(seed) for seed in (1, 2, 3)), [[0.0, 0.0], [0.3, -0.1], [-1.0, 0.5]]
    options = {"steps": 4, "batch": 5, "every": 2, "watch": {"accuracy": lambda *p: cost.accuracy(C, p)}}
    run = descent.descend(jax.random.key(1), C, origin, on_devices.SGD, keep=True, **options)
    kept = {
        "C": C(*origin),
        "per_image": C.per_image(*origin),
        "accuracy": cost.accuracy(C, origin),
        "gradient": descent.gradient(C, origin),
        "values": slices.evaluate(C, origin, (u, v), points),
        "run": (run.params, run.trajectory, run.costs, run.watched),
    }
    return jax.tree.map(np.asarray, trees.moving(kept))


def test_a_tree_of_which_not_all_moves_gives_over_devices_the_numbers_of_one():
    alone = cost.Cost(on_devices.images(range(23)), mixed_model)
    spread, here = devices.spread(alone, devices.mesh(2)), seen_of_mixed(alone)
    close(seen_of_mixed(spread), here, 2e-6)
    frame = Frame(mixed(1), (mixed(2), mixed(3)))
    close(here["per_image"], mixed_in_numpy(mixed(1)[0], alone.images))
    close(here["values"][1], mixed_in_numpy(frame.at([0.3, -0.1])[0], alone.images).mean())
    sharing = devices.spread(alone, devices.mesh(1, 2))
    close(slices.evaluate(sharing, *frame, [[0.0, 0.0], [0.3, -0.1], [-1.0, 0.5]]), here["values"])
    for other in ({"which": (0, 1, 2, 3)}, {"steps": 4}):  # what does not move is read, and not another time's
        (params,) = mixed(1, **other)
        close(spread(params), mixed_in_numpy(params, alone.images).mean())


def test_networks_of_which_not_all_moves_are_shared_out():
    """Each with whole numbers of its own, three over two devices."""
    C = cost.Cost(on_devices.images(range(23)), mixed_model)
    keys, rates = jax.random.split(jax.random.key(2), 3), jnp.array([0.1, 0.2, 0.3])

    def init(key):
        (params,) = mixed(1)
        which = jax.random.permutation(key, 4)
        return ({**params, "w": params["w"] + jax.random.normal(key, (4, 12)), "which": which},)

    options = {"steps": 4, "batch": 5, "every": 2, "each": rates}
    one, two = (descent.ensemble(keys, C, init, optax.sgd, mesh=mesh, **options) for mesh in (None, devices.mesh()))
    close(trees.moving(two._replace(steps=())), trees.moving(one._replace(steps=())), 2e-6)
    assert len({tuple(which) for which in two.params[0]["which"].tolist()}) > 1
    for i in range(3):
        (params,) = two.network(i).params
        assert (params["act"], params["times"]) == (jnp.tanh, 2)
        np.testing.assert_array_equal(params["which"], one.params[0]["which"][i])
        close(two.costs[i, -1], mixed_in_numpy(params, C.images).mean(), 2e-6)


def test_a_process_that_fails_ends_the_others_and_its_words_are_shown(tmp_path):
    start = time.monotonic()
    commands = [[sys.executable, "-c", code] for code in ("import time; time.sleep(60)", "raise KeyError('this')")]
    with pytest.raises(pytest.fail.Exception, match=r"(?s)ended with \[None, 1\].*KeyError: 'this'"):
        together(commands, tmp_path, 60)
    assert time.monotonic() - start < 30


def test_a_process_that_hangs_is_ended(tmp_path):
    start = time.monotonic()
    with pytest.raises(pytest.fail.Exception, match=r"ended with \[None\] .*not in 0.5 s"):
        together([[sys.executable, "-c", "import time; time.sleep(60)"]], tmp_path, 0.5)
    assert time.monotonic() - start < 30
