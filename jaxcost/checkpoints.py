"""From checkpoints to a picture: networks saved along the way, on the plane that shows most of it or through three.

A picture of a path is a plane with the path's shadow on it: C at the point of the plane that stands for a network is
not the network's own. So both are told of each, and how far off the plane it lies.
"""

import os
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxcost import checks, cost, directions, slices, trajectories
from jaxcost.engine import trees
from jaxcost.slices import Slice

POINTS = 41  # along each axis: a picture of a few hundred pixels shows no more of a smooth plane
MARGIN = 0.1  # around what is shown, as a share of its larger extent


class Journey(NamedTuple):
    """Networks on a plane, and what the plane hides of them.

    Attributes:
        plane: C on the plane, a `Slice`.
        coordinates: of each network on it, `[steps, 2]`.
        off: distance of each network from the plane, `[steps]`.
        costs: C of each network itself, `[steps]`.
        shown: C at the point of the plane that stands for it, `[steps]`.
        share: of the networks' variance along each axis of the plane, `[2]`; None where these are no components.
    """

    plane: Slice
    coordinates: np.ndarray
    off: np.ndarray
    costs: np.ndarray
    shown: np.ndarray
    share: np.ndarray | None = None


def gathered(networks, read=None) -> list[Any]:
    """Networks, one after the other, as a list of tuples of C's arguments that are alike.

    Args:
        networks: an iterable of networks, each a tuple of C's arguments: `(tree,)` of one tree. Or one tuple of all of
            them, each leaf `[steps, ...]`, as of `descent.Run`.
        read: None, or a function that makes such a tuple of each of `networks`: of a file, of a step number.

    Returns:
        A list of them, `[steps]`.

    Raises:
        ValueError: these are none, or one is not like the first; names which, the leaf, and what was expected. What
            `read` raises is raised, with a note of which network it was.

    Example:
        >>> len(gathered(({"w": jnp.full(3, float(i))},) for i in range(5)))
        5
        >>> gathered(["first", "second"], read=lambda name: (np.ones(len(name)),))
        Traceback (most recent call last):
        ...
        ValueError: network 1 (second) has float64[6] at [0], expected float64[5] as network 0 (first) has
    """
    if read is None and isinstance(networks, tuple):
        leaves = {jnp.shape(leaf)[:1] for leaf in jax.tree.leaves(trees.some(networks, "the networks")[0])}
        if len(leaves) != 1 or () in leaves:
            expected = "expected one number of steps, the first axis of each; or a list of networks"
            raise ValueError(f"leaves {trees.shapes(networks)}; {expected}")
        return [trees.pick(networks, i) for i in range(leaves.pop()[0])]
    if not isinstance(networks, Iterable) or isinstance(networks, str | bytes | dict | np.ndarray | jax.Array):
        raise ValueError(f"networks={checks.shown(networks)}, expected a list or another iterable of them")
    read = None if read is None else checks.function("read", read)
    found, names = [], []
    for i, one in enumerate(networks):
        names.append(f"network {i}" if read is None else f"network {i} ({_name(one)})")
        try:
            found.append(one if read is None else read(one))
        except Exception as error:
            error.add_note(f"while reading {names[-1]}")  # a library need not say of which file it speaks
            raise
        _alike(found, names)
    if not found:
        raise ValueError("0 networks, expected one or more")
    return found


def principal(C, networks, *, read=None, points=POINTS, margin=MARGIN, progress=True) -> Journey:
    """Networks on the plane along which they vary most, through the last of them (`trajectories.principal`).

    Li et al. 2018 (arXiv 1712.09913), section 7. Two components of a random walk hold most of its variance too:
    `measures.nulls.path_walks` tells how much of it. Files are read one after the other, but what they hold is kept,
    and takes a few times its memory in float64.

    Args:
        C: a `cost.Cost`.
        networks: three or more, as of `gathered`, in the order in which they were passed.
        read: None, or what makes a network of each of these, likewise.
        points: along each axis of the plane, a square around the path.
        margin: around the path, as a share of its larger extent on the plane.
        progress: show progress.

    Returns:
        A `Journey`.

    Raises:
        ValueError: as `gathered` and `trajectories.principal`; or another argument is not what it should be.

    Example:
        >>> from jaxcost import data, descent, network
        >>> import optax
        >>> C, params = cost.Cost(data.digits()[1][:100]), network.init(jax.random.key(0))
        >>> run = descent.descend(jax.random.key(1), C, params, optax.sgd(1.5), steps=40, every=10, keep=True)
        >>> found = principal(C, [run.at(i) for i in range(5)], points=9)
        >>> found.plane.values.shape, found.coordinates.shape, bool(np.allclose(found.costs, run.costs))
        ((9, 9), (5, 2), True)
        >>> bool(np.isclose(found.shown[-1], found.costs[-1])), bool(found.off[-1] < 1e-6)  # the plane's origin
        (True, True)
    """
    found = _several(C, networks, read)
    seen = trajectories.principal(found)
    where = seen.coordinates, seen.off
    return _journey(C, found, (found[-1], seen.directions), where, points, margin, progress)._replace(share=seen.share)


def through(C, networks, *, read=None, points=POINTS, margin=MARGIN, progress=True) -> Journey:
    """The plane through three networks, as Garipov et al. 2018 (arXiv 1802.10026); more may be given, to lie off it.

    The first is the origin, the second lies on the first axis, and a unit of coordinate is one of Euclidean distance.

    Args as for `principal`; the plane is that of the first three networks.

    Returns:
        A `Journey`, its coordinates those of all networks.

    Raises:
        ValueError: the first three lie on one line; or as `principal`.

    Example:
        >>> from jaxcost import data, network
        >>> C, keys = cost.Cost(data.digits()[1][:100]), jax.random.split(jax.random.key(0), 3)
        >>> found = through(C, map(network.init, keys), points=5)
        >>> bool((found.coordinates[0] == 0).all()), bool(abs(found.coordinates[1, 1]) < 1e-4)
        (True, True)
        >>> bool(np.allclose(found.shown, found.costs, rtol=1e-4))
        True
    """
    found = _several(C, networks, read)
    lies = found[0], directions.through(*found[:3])
    return _journey(C, found, lies, trajectories.coordinates(found, *lies), points, margin, progress)


def _name(one):
    """What is read, in words."""
    return one if isinstance(one, str | os.PathLike) else checks.shown(one)


def _several(C, networks, read):
    """The networks, if they are arguments of C and three or more."""
    cost.checked(C)
    found = gathered(networks, read)
    if len(found) < 3:
        raise ValueError(f"{len(found)} networks, expected 3 or more")
    cost.split(C, found[0])
    return found


def _journey(C, found, lies, where, points, margin, progress):
    """What there is to see of networks on a plane on which they lie at known coordinates."""
    points, progress = checks.whole("points", points, 2, checks.MOST), checks.flag("progress", progress)
    margin = checks.number("margin", margin, 0)
    (coordinates, off), (origin, along) = where, lies
    if not np.isfinite(coordinates).all():
        raise ValueError(f"network {np.isnan(off).argmax()} is not finite, expected those before training diverged")
    plane = slices.plane(C, origin, *along, *_square(coordinates, points, margin), progress=progress)
    costs = np.array([np.asarray(C(*one)) for one in found])
    shown = slices.evaluate(C, *plane.frame, coordinates, progress=progress)
    return Journey(plane, coordinates, off, costs, shown)


def _square(coordinates, points, margin):
    """The two axes of a square around coordinates `[n, 2]`."""
    low, high = coordinates.min(0), coordinates.max(0)
    half = (high - low).max() / 2
    low, high = (low + high) / 2 - half, (low + high) / 2 + half
    beyond = margin * (high - low).max()
    return list(np.linspace(low - beyond, high + beyond, points).T)


def _alike(found, names):
    """Refuse the last of several networks if it is not like the first."""
    one, first = found[-1], found[0]
    if not isinstance(one, tuple):
        raise ValueError(f"{names[-1]} is {checks.shown(one)}, expected a tuple of C's arguments: (p,) of one")
    trees.some(first, names[0])
    has, wanted = _leaves(one), _leaves(first)
    for place in [*wanted, *has]:
        if has.get(place, ("nothing",))[:-1] != wanted.get(place, ("nothing",))[:-1]:
            told, expected = (of.get(place, ("nothing",))[-1] for of in (has, wanted))
            raise ValueError(f"{names[-1]} has {told} at {place}, expected {expected} as {names[0]} has")
    if jax.tree.structure(one) != jax.tree.structure(first):
        raise ValueError(
            f"{names[-1]} is a tree of other types than {names[0]}, expected one: made anew by other code?"
        )


def _leaves(tree):
    """By the path of each leaf: whether it moves, its shape, and both in words."""
    fixed = trees.split(tree)[1]
    leaves = jax.tree.leaves(tree)
    kinds = [trees.MOVES] * len(leaves) if fixed is None else fixed.kinds
    words = lambda leaf: f"{leaf.dtype}{list(leaf.shape)}" if hasattr(leaf, "dtype") else type(leaf).__name__
    told = [
        (kind, jnp.shape(leaf) if kind != trees.STATIC else (), words(leaf))
        for kind, leaf in zip(kinds, leaves, strict=True)
    ]
    return dict(zip(trees.paths(tree), told, strict=True))
