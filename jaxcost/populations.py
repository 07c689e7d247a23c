"""The same slice many times - other directions, networks, images or classes - and what can be said of all of them.

One slice is one draw. A `Population` holds many, judged by one noise floor, that of the worst; `measured` measures
each, and `summary` says where the median lies.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from jaxcost import directions
from jaxcost.engine import noise, quantities, sweep
from jaxcost.measures import bumpiness, frequency

ROWS = 64  # points taken together in a bootstrap, whose products are in float64


class Population(NamedTuple):
    """C on the same grid of many slices.

    Attributes:
        axes: the coordinates along each direction.
        values: `[draws, ...]`.
        floor: rounding noise of the values, in units of C: the largest of all draws (`noise.floor`).
        at_nodes: None, or C at Chebyshev nodes along the same axes, `[draws, ...]`.
        hessians: None, or exact Hessians in the slice on a coarser grid, `[draws, points, k, k]`.
    """

    axes: tuple[np.ndarray, ...]
    values: np.ndarray
    floor: float
    at_nodes: np.ndarray | None = None
    hessians: np.ndarray | None = None


class Summary(NamedTuple):
    """What many draws of a measure say.

    Attributes:
        median: of the draws.
        low: the interval in which the median of all possible draws lies with the wanted confidence, from
            order statistics, whatever the distribution; infinite where the draws are too few to tell.
        high: its other end.
        lower: a twentieth of the draws lie below.
        upper: a twentieth lie above.
        draws: how many; those for which the measure is NaN are left out.
    """

    median: float
    low: float
    high: float
    lower: float
    upper: float
    draws: int

    def __str__(self):
        return f"{self.median:.3g} ({self.low:.3g} to {self.high:.3g}, {self.draws} draws)"


def about(params, k=1):
    """Random slices through one network: a function of a key, `(params, k filter-normalised Gaussian directions)`."""
    return partial(_about, params, k)


def _about(params, k, key):
    keys = jax.random.split(key, k)
    return params, tuple(directions.filter_normalized(directions.gaussian(key, params), params) for key in keys)


def grids(keys, C, draw, half_widths, *, points=101, nodes=0, bends=0, memory=sweep.MEMORY):
    """C on many slices, each at several scales: what is affine along a slice is computed once for all its scales.

    Args:
        keys: keys, `[draws]`, from `jax.random.split`.
        C: a `cost.Cost`.
        draw: `draw(key)` gives `(origin, directions)`, all of one structure, such as `about(params)`.
        half_widths: the scales, positive; the axes run from -half_width to half_width.
        points: grid points along each axis.
        nodes: Chebyshev nodes along each axis; 0 for none.
        bends: points along each axis at which exact Hessians are taken, each 3 to 20 times as dear as a value; 0 for
            none.
        memory: bytes to be taken beyond images and parameters.

    Returns:
        A `Population` for each half-width, as a list.

    Raises:
        ValueError: there are no keys, a half-width is not positive, or the memory is too little.

    Example:
        >>> from jaxcost import cost, data, network
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> lines, = grids(jax.random.split(jax.random.key(1), 3), C, about(params), [0.5], points=11)
        >>> lines.values.shape
        (3, 11)
    """
    if not len(keys) or not len(half_widths) or not min(half_widths) > 0:
        raise ValueError(f"{len(keys)} keys and half-widths {half_widths}, expected some keys and positive half-widths")
    drawn = [draw(key) for key in keys]
    k, dtype = len(drawn[0][1]), jax.tree.leaves(drawn[0][0])[0].dtype
    product = lambda axis: np.stack(np.meshgrid(*[axis] * k, indexing="ij"), -1).reshape(-1, k)
    units = [product(axis) for axis in (np.linspace(-1, 1, points), frequency.chebyshev_nodes(nodes)) if len(axis)]
    there = np.concatenate([half_width * unit for half_width in half_widths for unit in units]).astype(dtype)
    values = sweep.sweeps(quantities.VALUES, C, drawn, there, memory=memory)
    curved = [None] * len(half_widths)
    if bends:
        some = product(np.linspace(-1, 1, bends))
        at = np.concatenate([half_width * some for half_width in half_widths]).astype(dtype)
        hessians = sweep.sweeps(quantities.DERIVATIVES, C, drawn, at, memory=memory)[2]
        curved = np.split(hessians, len(half_widths), axis=1)
    # together the draws are compared with float64 at no fewer points than one slice is
    shared = {"count": math.ceil(16 / len(keys)), "largest": math.ceil(8 / len(keys))}
    populations = []
    parts = np.split(np.arange(len(there)), len(half_widths))
    for half_width, part, bent in zip(half_widths, parts, curved, strict=True):
        floors = [
            noise.floor(C, origin, along, there[part], of_slice[part], first=i * shared["count"], **shared)
            for i, ((origin, along), of_slice) in enumerate(zip(drawn, values, strict=True))
        ]
        grid, rest = part[: points**k], part[points**k :]
        axes = (half_width * np.linspace(-1, 1, points),) * k
        at_nodes = values[:, rest].reshape(-1, *(nodes,) * k) if nodes else None
        on_grid = values[:, grid].reshape(-1, *(points,) * k)
        populations.append(Population(axes, on_grid, float(np.nanmax([*floors, 0])), at_nodes, bent))
    return populations


def bootstrap(key, there, draws):
    """A slice as it would be with other images of the same kind: these drawn anew, with replacement.

    C_b(s) = 1/n sum_x m_bx C_x(s), where m_bx is how often draw b has image x. No network is evaluated. Efron 1979.

    Args:
        key: a `jax.random.key`.
        there: a `slices.Slice` with `per_image`.
        draws: how many.

    Returns:
        A `Population`, its floor larger by sqrt(2): the variance of a mean of images drawn twice or not at all. NaN
        where an image is drawn whose cost is not finite.

    Raises:
        ValueError: the slice has no per-image costs.

    Example:
        >>> from jaxcost import cost, data, directions, network, slices
        >>> C, params = cost.Cost(data.digits()[1]), network.init(jax.random.key(0))
        >>> u = directions.gaussian(jax.random.key(1), params)
        >>> line = slices.line(C, params, u, np.linspace(-1, 1, 5), per_image=True)
        >>> again = bootstrap(jax.random.key(2), line, 200)
        >>> bool(np.allclose(again.values.std(0), line.standard_error, rtol=0.3))
        True
    """
    if there.per_image is None:
        raise ValueError("the slice has no per-image costs, expected one made with per_image=True")
    n = there.per_image.shape[-1]
    times = lambda key: np.asarray(jnp.bincount(jax.random.randint(key, n, 0, n), length=n), np.float64)
    drawn = np.stack([times(one) for one in jax.random.split(key, draws)])
    costs = there.per_image.reshape(-1, n)
    values = np.concatenate([_means(drawn, costs[i : i + ROWS]) for i in range(0, len(costs), ROWS)], 1)
    return Population(there.axes, values.reshape(draws, *there.values.shape), there.floor * math.sqrt(2))


def _means(times, costs):
    """Mean costs of images drawn so many times, `[draws, points]`; NaN where a cost that is drawn is not finite."""
    finite = np.isfinite(costs)
    means = times @ np.where(finite, costs, 0).astype(np.float64).T / times.shape[1]
    return np.where(times @ ~finite.T > 0, np.nan, means)


def classes(there):
    """The mean costs of the classes along a slice, a population of one draw a class.

    The floor is larger by the root of the number of classes: rounding averages out over fewer images.

    Raises:
        ValueError: the slice has no per-class costs.
    """
    if there.per_class is None:
        raise ValueError("the slice has no per-class costs, expected one made with per_class=True")
    values = np.moveaxis(there.per_class, -1, 0)
    return Population(there.axes, values, there.floor * math.sqrt(len(values)))


def walks(keys, C, params, steps, size):
    """C along random walks through the whole space of parameters, for `variation.information`.

    Each step goes in a Gaussian direction, as far as `size` times the length of the network. Nothing is affine in
    the coordinates of a slice here: each step is a plain evaluation of C.

    Args:
        keys: keys, `[walks]`.
        C: a `cost.Cost`.
        params: where all walks start, a tuple of C's arguments.
        steps: number of steps.
        size: length of a step against that of the parameters.

    Returns:
        `[walks, steps + 1]`.
    """
    return np.asarray(_walks(keys, C, params, size, steps))


@partial(jax.jit, static_argnames="steps")
def _walks(keys, C, params, size, steps):
    length = jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(params)))

    def step(here, key):
        way = directions.gaussian(key, here)
        scale = size * length / jnp.sqrt(sum(jnp.vdot(leaf, leaf) for leaf in jax.tree.leaves(way)))
        there = jax.tree.map(lambda p, d: p + scale * d, here, way)
        return there, C(*there)

    walk = lambda key: jax.lax.scan(step, params, jax.random.split(key, steps))[1]
    with jax.default_matmul_precision("highest"):
        values = jax.lax.map(walk, keys)
        return jnp.concatenate([jnp.full((len(keys), 1), C(*params)), values], 1)


def measured(population, **options):
    """Every measure of every draw, `bumpiness.Measures` of arrays `[draws]`.

    Args:
        population: a `Population`.
        **options: as of `bumpiness.measure`, the same for all.
    """
    found = []
    for i, values in enumerate(population.values):
        nodes = None if population.at_nodes is None else population.at_nodes[i]
        hessians = None if population.hessians is None else population.hessians[i]
        given = {"at_nodes": nodes, "hessians": hessians} | options
        found.append(bumpiness.measure(population.axes, values, population.floor, **given))
    return bumpiness.Measures(*map(np.array, zip(*found, strict=True)))


def summary(draws, confidence=0.95):
    """The median of a measure, and the interval in which it lies.

    Between the order statistics l and u with P(l <= B < u) >= confidence for B ~ Binomial(draws, 1/2): exact for any
    continuous distribution, wider than asked for with few draws. Conover 1999, section 3.2.

    Args:
        draws: a measure, `[draws]`; or `bumpiness.Measures` of such, for `Measures` of summaries.
        confidence: in (0, 1).

    Returns:
        A `Summary`.

    Example:
        >>> print(summary(np.arange(1.0, 101.0)))
        50.5 (40 to 61, 100 draws)
    """
    if isinstance(draws, bumpiness.Measures):
        return bumpiness.Measures(*(summary(one, confidence) for one in draws))
    known = np.sort(np.asarray(draws, np.float64))
    known = known[~np.isnan(known)]
    n = len(known)
    if not n:
        return Summary(*[math.nan] * 5, 0)
    below = int(stats.binom.ppf((1 - confidence) / 2, n, 0.5))  # P(B < below) <= (1 - confidence) / 2
    low, high = (known[below - 1], known[n - below]) if below > 0 else (-math.inf, math.inf)
    lower, upper = np.quantile(known, (0.05, 0.95), method="closest_observation")
    return Summary(float(np.median(known)), float(low), float(high), float(lower), float(upper), n)


def draws_for(width, draws, confidence=0.95):
    """How many draws are needed for an interval of the median of a wanted width, judged by some draws.

    The interval narrows as one over the root of the number: n (found / wanted)^2. An estimate, the better the more
    draws it is judged by.

    Args:
        width: wanted, high - low, in the units of the measure.
        draws: some draws of the measure, enough for a finite interval, six at least.
        confidence: of the interval.

    Raises:
        ValueError: the width is not positive, or the draws are too few.

    Example:
        >>> draws_for(10.5, np.arange(1.0, 101.0))
        400
    """
    found = summary(draws, confidence)
    if not width > 0 or not math.isfinite(found.high - found.low):
        raise ValueError(f"width={width} and {found.draws} draws, expected a positive width and more draws")
    return max(1, math.ceil(found.draws * ((found.high - found.low) / width) ** 2))
