"""An evaluation that was stopped is taken up again from one file: its finished points, and what they belong to."""

import hashlib
import os
import re
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils

from jaxcost import results
from jaxcost.engine import hoist


def identity(quantity, Cs, frame, points, block, buffer) -> dict:
    """All that the values of an evaluation depend on, by name; arrays and programs by their SHA-256.

    Of a model it knows the traced program and the arrays closed over, not what a callback does in it.

    Returns:
        A dict of plain values. Two evaluations with the same one give the same bits.
    """
    here, origin, spread = results.here(), frame[0], Cs[0].spread
    return {
        "images": _joined(_of_parts(C.images) for C in Cs),
        "model": _joined(_of_model(C, origin) for C in Cs),
        "origin": _of_arrays(origin),
        "directions": _of_arrays(frame[1]),
        "points": _of_arrays(points),
        "quantity": _of_quantity(quantity, Cs[0], origin, points[0]),
        "block": block,
        "buffer": buffer,
        "mesh": None if spread is None else [dict(spread.mesh.shape), [list(C.spread.counts) for C in Cs]],
        "versions": here["versions"],
        "device": f"{here['device']}, {_cores()} cores",
    }


def taken_up(path, identity, into) -> int:
    """Fill in what a file holds of an evaluation, and return the number of its finished points; 0 without a file.

    Args:
        path: the file.
        identity: of the evaluation that is to go on.
        into: a pytree of numpy arrays, `[points, ...]`, written to.

    Raises:
        ValueError: the path does not end in .npz, or the file belongs to another evaluation; names all that differs.
    """
    if Path(path).suffix != ".npz":
        raise ValueError(f"{path}: expected a name that ends in .npz")
    done, wrong = 0, ""
    if jax.process_index() == 0 and os.path.exists(path):
        try:
            done = _read(path, identity, into)
        except ValueError as error:
            done, wrong = -1, str(error)
    if jax.process_count() > 1:
        done, found = multihost_utils.broadcast_one_to_all((np.array(done), into))
        jax.tree.map(lambda whole, part: np.copyto(whole, part), into, found)
    if done < 0:
        raise ValueError(wrong or f"{path}: belongs to other settings, as the first process says")
    return int(done)


def keep(path, identity, done, values) -> None:
    """Write the finished points, whole or not at all. Of several processes, the first writes."""
    if jax.process_index() == 0:
        results.save(path, {"done": done, "values": jax.tree.leaves(values)}, settings=identity)


def _read(path, identity, into):
    found = results.provenance(path)["settings"]
    differ = [
        f"{name} ({_short(found.get(name))}, expected {_short(identity.get(name))})"
        for name in sorted({*found, *identity})
        if found.get(name) != identity.get(name)
    ]
    if differ:
        raise ValueError(f"{path}: belongs to other settings; different are {', '.join(differ)}")
    leaves = jax.tree.leaves(into)
    kept = results.load(path, like={"done": 0, "values": leaves})
    for whole, part in zip(leaves, kept["values"], strict=True):
        whole[...] = part
    return kept["done"]


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
    """Of a traced function: its text without addresses, and the arrays that it closed over."""
    arrays = []

    def walk(value):
        if hasattr(value, "eqns"):  # a jaxpr, closed or not
            arrays.extend(getattr(value, "consts", ()))
            for eqn in value.eqns:
                walk(list(eqn.params.values()))
        elif isinstance(value, list | tuple):
            for item in value:
                walk(item)

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


def _of_quantity(quantity, C, origin, s):
    """Of what it makes of two images, whose numbers stand in for the model's, and of its name."""
    two = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((2, *leaf.shape[1:]), leaf.dtype), C.images)
    one = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape[1:], leaf.dtype), C.images)
    wanted = jax.eval_shape(lambda image, origin: quantity.of_one(C, image, *origin), one, origin)

    def of_two(images, s):
        each = lambda s: jax.tree.map(lambda a: (s.sum() * jnp.ones(2)).astype(a.dtype), wanted)
        total = lambda s, new: jax.tree.map(jnp.sum, each(s))
        of_block = quantity.of_block(hoist.Residual(each, total), jnp.ones(2, bool), images, s)
        stacked = jax.tree.map(lambda leaf: leaf[None, None], of_block)
        return quantity.combined(stacked, replace(C, images=images, spread=None))

    return f"{_without_addresses(repr(quantity))} {_of_program(jax.make_jaxpr(of_two)(two, s))[:8]}"


def _without_addresses(text):
    return re.sub(r"(?: at )?0x[0-9a-f]+", "", str(text))


def _cores():
    """Cores that this process may use: sums are cut among them, and rounded so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
