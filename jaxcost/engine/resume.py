"""An evaluation that was stopped is taken up again from one file: its finished points, and what they belong to."""

import hashlib
import os
import platform
import re
import tempfile
from pathlib import Path

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxcost import results
from jaxcost.engine import archive, program

ROUNDING = ("block", "buffer", "mesh", "versions", "device")  # of an identity: what rounds the last bit, and no more


def identity(quantity, Cs, frame, points, block, buffer) -> dict:
    """All that the values of an evaluation depend on, by name; arrays and programs by their SHA-256.

    Of a program it knows what is traced and the arrays closed over, not what a callback does in it.

    Returns:
        A dict of plain values. Two evaluations with the same one give the same bits; two that differ in no more than
        what rounds them (`ROUNDING`), the same numbers.
    """
    spread, versions = Cs[0].spread, results.here()["versions"]
    return {
        "images": _joined(_of_parts(C.images) for C in Cs),
        "model": _joined(_of_model(C, frame[0]) for C in Cs),
        "quantity": _without_addresses(repr(quantity)),
        "program": _joined(_of_program(program.of_two(quantity, C, frame, points)) for C in Cs),
        "origin": _of_arrays(frame[0]),
        "directions": _of_arrays(frame[1]),
        "points": _of_arrays(points),
        "block": block,
        "buffer": buffer,
        "mesh": None if spread is None else [dict(spread.mesh.shape), [list(C.spread.counts) for C in Cs]],
        "versions": {name: versions[name] for name in ("jaxcost", "jax", "jaxlib")},
        "device": _device(),
    }


def taken_up(path, identity, into, elsewhere=False) -> tuple[int, list]:
    """Fill in what a file holds of an evaluation; and make sure that it can be written, if there is more to come.

    Args:
        path: the file; there need be none yet.
        identity: of the evaluation that is to go on.
        into: a pytree of numpy arrays, `[points, ...]`, written to.
        elsewhere: go on also where it was begun on another machine, with other versions or other blocks.

    Returns:
        The number of its finished points, 0 without a file; and where some of them were computed elsewhere, a list of
        what was different there.

    Raises:
        ValueError: the path does not end in .npz; or the file is damaged, or belongs to another evaluation, or to
            another machine and `elsewhere` is False; names all that differs.
        OSError: it cannot be read or written.
    """
    path = archive.npz_path("resume_file", path)
    done, before, wrong = 0, [], None
    if jax.process_index() == 0:
        try:
            if path.exists():
                done, before = _read(path, identity, into, elsewhere)
            if done < len(jax.tree.leaves(into)[0]):
                _try_to_write(path)
        except (ValueError, OSError) as error:
            done, wrong = -1, error
    if jax.process_count() > 1:
        done, found = multihost_utils.broadcast_one_to_all((np.array(done), into))
        jax.tree.map(lambda whole, part: np.copyto(whole, part), into, found)
    if done < 0:
        raise wrong or ValueError(f"{path}: belongs to other settings, as the first process says, or cannot be used")
    return int(done), before


def keep(path, identity, before, done, values) -> None:
    """Write the finished points, whole or not at all. Of several processes, the first writes."""
    if jax.process_index() == 0:
        results.save(path, {"done": done, "values": jax.tree.leaves(values)}, settings=identity, before=before)


def _read(path, identity, into, elsewhere):
    told, leaves = results.provenance(path), jax.tree.leaves(into)
    found, before = told.get("settings"), told.get("before", [])
    if not isinstance(found, dict) or not isinstance(before, list):
        raise ValueError(f"{path}: expected the finished points of an evaluation, found another result")
    names = [name for name in sorted({*found, *identity}) if found.get(name) != identity.get(name)]
    if {"model", "quantity"} & set(names):
        names = [name for name in names if name != "program"]  # it is made of them
    said = lambda names: ", ".join(
        f"{name} ({_short(found.get(name))}, expected {_short(identity.get(name))})" for name in names
    )
    if set(names) - set(ROUNDING):
        note = ""
        if "versions" in names and {"model", "program"} & set(names):
            note = "; by other versions the same model may be traced otherwise"
        raise ValueError(f"{path}: belongs to other settings; different are {said(names)}{note}")
    if names and not elsewhere:
        raise ValueError(
            f"{path}: begun elsewhere, by what may round the last bits otherwise; with resume_elsewhere=True it goes "
            f"on all the same. Different are {said(names)}"
        )
    kept = results.load(path, like={"done": 0, "values": leaves})
    done = kept["done"]
    if not 0 <= done <= len(leaves[0]):
        raise ValueError(f"{path}: {done:,} points finished, expected 0 to {len(leaves[0]):,}")
    for whole, part in zip(leaves, kept["values"], strict=True):
        whole[...] = part
    return done, [*before, {"done": done, **{name: found[name] for name in names}}] if names else before


def _try_to_write(path):
    """Make sure of the folder before hours are spent."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise OSError(error.errno, f"{path}: expected a folder to write to, found: {error.strerror}") from error


def _short(value):
    """A digest cut to what one compares by eye."""
    return value[:8] if isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) else value


def _of_arrays(tree):
    digest = hashlib.sha256(_without_addresses(jax.tree.structure(tree)).encode())
    for leaf in jax.tree.leaves(tree):
        if jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
            leaf = jax.random.key_data(leaf)
        leaf = np.asarray(leaf)
        digest.update(f"{leaf.dtype}{leaf.shape}".encode())
        digest.update(np.ascontiguousarray(leaf))
    return digest.hexdigest()


def _of_parts(images):
    """Of arrays that may lie on several processes: of each process' part, and then of these."""
    leaves = [leaf for leaf in jax.tree.leaves(images)]
    if all(getattr(leaf, "is_fully_addressable", True) for leaf in leaves):
        return _of_arrays(leaves)
    parts = [[shard.data for shard in leaf.addressable_shards] for leaf in leaves]
    mine = np.frombuffer(bytes.fromhex(_of_arrays(parts)), np.uint8)
    return _of_arrays([multihost_utils.process_allgather(mine)])


def _of_program(closed):
    """Of a traced function: its text without addresses, and all arrays in it, which the text may leave out."""
    arrays = []

    def walk(value):
        if hasattr(value, "eqns"):  # a jaxpr, closed or not
            arrays.extend(getattr(value, "consts", ()))
            for eqn in value.eqns:
                walk([getattr(v, "val", None) for v in eqn.invars])
                walk(list(eqn.params.values()))
        elif isinstance(value, list | tuple | dict):
            for item in value.values() if isinstance(value, dict) else value:
                walk(item)
        elif hasattr(value, "dtype") and np.ndim(value):
            arrays.append(value)

    walk(closed)
    return hashlib.sha256((_without_addresses(closed) + _of_arrays(arrays)).encode()).hexdigest()


def _of_model(C, origin):
    """Of the traced cost of one image."""
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), C.images)
    return _of_program(jax.make_jaxpr(C.of_one)(one, *origin))


def _joined(digests):
    """One digest of one or several; of one it is that."""
    digests = list(digests)
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()


def _without_addresses(text):
    return re.sub(r"(?: at )?0x[0-9a-f]+", "", str(text))


def _device():
    """The kind of device; of a CPU what sums are cut and rounded by: its make, its library of mathematics, its cores.

    The kernel is not among it, nor the name of the host.
    """
    device = jax.devices()[0]
    if device.platform != "cpu":
        return device.device_kind
    return f"{platform.machine()}, {_processor()}, {' '.join(platform.libc_ver())}, {_cores()} cores"


def _processor():
    """The make of the CPU, by which XLA chooses its instructions."""
    try:
        told = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.M)
    except OSError:  # not Linux
        told = None
    return told[1] if told else platform.processor()


def _cores():
    """Cores that this process may use: sums are cut among them, and rounded so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
