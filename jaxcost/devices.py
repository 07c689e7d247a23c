"""Images, points or networks over the devices of a mesh, on one host or many; the mathematics does not change.

    C = devices.spread(C, devices.mesh())            every device holds a part of the images
    C = devices.spread(C, devices.mesh(points=4))    of eight devices, four share a part, and share out the points
    descent.ensemble(keys, ..., mesh=devices.mesh()) every device trains some of the networks

Everything that takes a C takes a spread one: C itself, its gradient, per-image costs, accuracy, training, slices. Sums
are taken on each device over its own images, and then over devices: rounding is all that differs. Numbers need not
divide: short parts are filled up with copies, which are not counted.

A billion parameters on 256 devices, by arithmetic; not tried. f takes 2 operations a parameter and image.

- Spread: a million images, 3,900 a device. Not spread: the parameters. Origin, u, v and the point P(s) are 4 GB each,
  16 GB a device in float32. If u and v are made anew at each point from their keys, 8 GB: a `directions.Recipe`
  gives the same numbers on every device.
- Moves: the origin, 4 GB to each device, once; of the directions two keys; one number for each point and block of
  images. (A gradient would move 4 GB.) So a plane asks next to nothing of the network between the devices.
- Costs: 2e9 x 3,900 = 7.8e12 operations a device and point, 0.26 s at 3e13 a second, so 11 minutes for 51 x 51 points.
  P(s) reads 12 GB for each point and block, 4 ms at 3 TB/s; with u and v made anew, at 200 operations a number, 13 ms.
  Both are little beside the images if a device takes many together, which the model's intermediates must allow.
- Hoisting saves little: the first of many layers.
"""

import zlib
from dataclasses import replace

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxcost import checks
from jaxcost.cost import Cost
from jaxcost.engine import whole
from jaxcost.engine.blocks import Spread


def mesh(images=None, points=1) -> Mesh:
    """Devices of all processes in rows, one for each part of the images; the devices of a row share out points.

    Args:
        images: number of rows; None for as many as there are devices for.
        points: devices in a row.

    Returns:
        A `jax.sharding.Mesh` with the axes "images" and "points".

    Raises:
        ValueError: there are not so many devices, or, of several processes, some would be left out.

    Example:
        >>> mesh(images=1).shape["points"]
        1
    """
    points = checks.whole("points", points)
    images = None if images is None else checks.whole("images", images)
    count = jax.device_count()
    rows = count // points if images is None else images
    used = rows * points
    if used < 1 or used > count or (jax.process_count() > 1 and used < count):
        raise ValueError(f"a mesh of images={images} x points={points}, expected one for {count} devices")
    devices = jax.devices()[:used]
    return jax.make_mesh((rows, points), ("images", "points"), axis_types=(AxisType.Auto,) * 2, devices=devices)


def spread(C, mesh) -> Cost:
    """C with its images spread over the rows of a mesh, as evenly as they divide.

    Where several processes take part, each calls this with its own images, and C is the mean over all of them; their
    numbers may differ. (If the mesh has one row, each holds all the images, the same ones.)

    Args:
        C: a `cost.Cost`, not spread.
        mesh: as from `mesh`.

    Returns:
        A `cost.Cost` whose `images` are arrays over the mesh, and whose `spread` says which of them are copies.

    Raises:
        ValueError: C is no cost of images, or is spread already; a process holds no images; the mesh is none of these,
            or a row of it belongs to several processes.

    Example:
        >>> from jaxcost import cost, data, network
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> everywhere = spread(C, mesh())
        >>> bool(abs(everywhere(*params) - C(*params)) < 1e-5)
        True
    """
    if not isinstance(C, Cost):
        raise ValueError(f"C={checks.shown(C)}, expected a cost.Cost")
    whole.of_images(C, "images to be spread")
    if not isinstance(mesh, Mesh) or mesh.axis_names != ("images", "points"):
        raise ValueError(f"mesh={checks.shown(mesh)}, expected one of devices.mesh")
    if C.spread is not None:
        size = C.spread.mesh.size
        raise ValueError(f"the images are spread already, over {size} devices, expected a C of images on one")
    owners = [sorted({device.process_index for device in row}) for row in mesh.devices]
    if len(owners) > 1 and max(map(len, owners)) > 1:
        raise ValueError(f"a row of the mesh belongs to several processes, of {owners}; expected one a row, or one row")
    owner = [of[0] for of in owners]
    held = np.array([[C.n, _sum(C.images)]])
    if jax.process_count() > 1:
        held = multihost_utils.process_allgather(held).reshape(-1, 2)
    numbers, sums = held.T
    if not numbers.all() or (len(owner) == 1 and len(set(sums)) > 1):
        expected = "at least one each" if not numbers.all() else "the same ones each, since the mesh has one row"
        raise ValueError(f"the processes hold {numbers.tolist()} images, expected {expected}")
    shares = {}  # for each row, which of its process' images
    for process in set(owner):
        rows = [row for row, of in enumerate(owner) if of == process]
        shares |= dict(zip(rows, np.array_split(np.arange(numbers[process]), len(rows)), strict=True))
    counts = tuple(len(shares[row]) for row in range(len(owner)))
    length, sharding = max(counts), NamedSharding(mesh, PartitionSpec("images"))

    def placed(leaf):
        leaf = np.asarray(leaf)
        # resize fills up a short share with copies of it, an empty one with image 0
        part = lambda index: leaf[np.resize(shares[(index[0].start or 0) // length], length)]
        return jax.make_array_from_callback((length * len(owner), *leaf.shape[1:]), sharding, part)

    return replace(C, images=jax.tree.map(placed, C.images), spread=Spread(mesh, counts))


def _sum(images):
    """A check sum of all arrays."""
    total = 0
    for leaf in jax.tree.leaves(images):
        total = zlib.crc32(np.ascontiguousarray(leaf).data, total) & 0x7FFFFFFF  # fits into an int32
    return total
