"""Verdicts on the sentences about how C looks, and about going downhill on it.

Each function takes the results that its sentence stands on and returns a `Found`, as in `of_the_cost`.
"""

import jax
import numpy as np
from common import median_of as several
from local_and_global import seen
from minima_by_depth import at
from networks import KINDS, nested
from sentences.checks import DEEP, Check, Found

from jaxcost import resampling, statistics


def mean_count(of, levels, depth):
    """The mean number of minima of a refined line deeper than a depth, with its 95 % interval over networks."""
    draws, mean = of.counts[..., -1, at(levels, depth)], lambda groups: groups[0].mean((1, 2))
    return resampling.bootstrap(jax.random.key(0), mean, [draws], levels=2)


def grids(of, levels, depth):
    """The mean number of minima of a line deeper than a depth, grid by grid."""
    return ", ".join(f"{one:.1f}" for one in of.counts[..., at(levels, depth)].mean((0, 1)))


def bowl_and_bumps(planes, bowls, depths):
    """Nearby a bowl, which has an end; far out many minima, hardly one of them deep."""
    names = [kind for kind in bowls.kinds if kind != KINDS[0]]
    ends = [statistics.Interval(*nested(bowls.kinds[kind].parabolic)[:3]) for kind in names]
    tried = min(bowls.kinds[kind].scales[0] for kind in names)
    widest = {kind: list(depths.kinds[kind].items())[-1] for kind in names}
    noise = 10 * max(of.floors.max() for _, of in widest.values())
    many, deep = ([mean_count(of, depths.levels, depth) for _, of in widest.values()] for depth in (noise, DEEP))
    far, first = next(iter(widest.values()))
    short = [kind.removeprefix("trained, ") for kind in names]
    told = lambda found, form: ", ".join(f"{one:{form}} for {kind}s" for kind, one in zip(short, found, strict=True))
    near_plane, far_plane = near_and_far(planes)
    return Found(
        f"Nearby, a parabola explains 95 % of C along a random line up to a half-width of {told(ends, '.2f')}. Far "
        f"out, at half-width {far}, a line has {told(many, '.1f')} minima deeper than {noise:.1g}, which is ten times "
        f"the rounding noise, but only {told(deep, '.1f')} deeper than {DEEP:g}. All about trained networks, with 95 % "
        "intervals over these.",
        [
            Check("nearby a bowl: for each kind of trained networks the whole interval of that half-width is above "
                  f"{tried:.2g}, the smallest at which a parabola was tried", told(ends, ".2f"),
                  all(end.low > tried for end in ends)),
            Check("the bowl ends: none of these intervals is without an upper end", told(ends, ".2f"),
                  all(np.isfinite(end.high) for end in ends)),
            Check(f"rugged far out: a line has more than one minimum deeper than {noise:.1g} on average, by the whole "
                  "interval", told(many, ".1f"), all(count.low > 1 for count in many)),
            Check(f"but not with deep holes: fewer than two deeper than {DEEP:g} on average, by the whole interval",
                  told(deep, ".1f"), all(count.high < 2 for count in deep)),
        ],
        {
            "near-and-far": "C in colour on one random plane through a trained network, twice. At half-width "
            f"{near_plane.half_width:g} there {count(near_plane)}; at half-width {far_plane.half_width:g}, of which "
            f"the first is a dot in the middle, there {count(far_plane)}: one {far_plane.of_C.deepest:.2g} deep, the "
            f"next {far_plane.of_C.depths[1:].max(initial=0):.2g}.",
            "bumpy_planes-planes": f"Small planes through three networks at {len(planes.networks['trained'].planes)} "
            "half-widths; about the trained one they have these numbers of minima: "
            + ", ".join(f"{plane.of_C.count} at {plane.half_width:g}" for plane in planes.networks["trained"].planes)
            + ".",
            "where_a_bowl_ends-bowls": "Curves that fall: how much of a line a parabola explains, by half-width. They "
            f"pass below 95 % at {told(ends, '.2f')}.",
            "minima_by_depth-minima": "Lines, and beside them the number of minima by depth. A line has of those "
            f"deeper than {noise:.1g} {grids(first, depths.levels, noise)}, on coarser to finer grids and refined; of "
            f"those deeper than {DEEP:g} {grids(first, depths.levels, DEEP)}.",
        },
    )  # fmt: skip


def near_and_far(planes):
    """The trained network's plane where its bowl is as large as the picture, and the widest one."""
    each = sorted(planes.networks["trained"].planes, key=lambda plane: plane.half_width)
    return next((plane for plane in each if plane.half_width >= 0.5), each[0]), each[-1]


def count(plane):
    """How many minima a plane has, in words."""
    return "is one minimum" if plane.of_C.count == 1 else f"are {plane.of_C.count} minima"


def local_and_global(r):
    """There are several minima, balls stop in others than the lowest, and on a line that is no minimum of C."""
    line, plane = r.line, r.plane
    C, fell, depth, slope = 0.0, 0.0, 0.0, 0.0
    if len(line.costs) > 1:
        C, depth, slope = (float(of[1]) for of in (line.costs, line.depths, line.slopes))
        fell = C - float(line.freed[1])
    lowest = [int(np.sum(of.ends == 0)) for of in (line, plane)]
    other = [int(np.sum(of.ends > 0)) for of in (line, plane)]
    return Found(
        f"Of {len(plane.ends)} balls on the plane {lowest[1]} roll to the lowest minimum, C = "
        f"{plane.costs.min(initial=np.inf):.3g}, and {other[1]} stop in another one. Of {len(line.ends)} on the line "
        f"{lowest[0]} roll to the lowest, C = {line.costs.min(initial=np.inf):.3g}, and {other[0]} stop in another "
        f"one, the highest at C = {line.costs[line.ends[line.ends > 0]].max(initial=0):.3g}. In all dimensions the "
        f"gradient has the length {', '.join(f'{slope:.2g}' for slope in plane.slopes)} at minima of the plane, "
        f"{slope:.2g} at the line's deepest local one. One plane, and of some random lines that with "
        "the deepest second minimum.",
        [
            Check("on the line and on the plane C has two or more minima, each confirmed by exact derivatives",
                  f"{len(line.costs)} and {len(plane.costs)}", min(len(line.costs), len(plane.costs)) > 1),
            Check("on both some balls stop in another minimum than the lowest",
                  " and ".join(map(str, other)), min(other) > 0),
            Check("freed from the line, a ball in its deepest local minimum falls by more than the depth that held it",
                  f"by {fell:.2g}, held by {depth:.2g}", fell > depth),
        ],
        {
            "local_and_global-basins": f"Level lines of C on a plane with {len(plane.costs)} minima, and the paths of "
            f"{len(plane.ends)} balls in the colour of the minimum where they stop: "
            + ", ".join(f"{int(np.sum(plane.ends == i))} at C = {C:.3g}" for i, C in enumerate(plane.costs)) + ".",
            "local_and_global-line": f"C on a line: one deep valley down to {line.costs.min(initial=np.inf):.2g} and "
            f"wide plateaus; enlarged beside it a shallow valley, {depth:.2g} deep, in which balls are caught.",
        },
    )  # fmt: skip


def downhill(r):
    """Every start ends lower, and no random direction goes down nearly as the gradient does."""
    lower = r.costs[:, -1] < r.costs[:, 0]
    share = statistics.proportion(int(lower.sum()), len(lower))
    down, best = (several(100 * of, ".1f") for of in (r.down, r.best))
    ends = several(r.costs[:, -1])
    return Found(
        f"{lower.sum():,} of {len(lower):,} random starts end lower, at C = {ends}. At each of {len(r.down)} starts "
        f"{down} % of {len(r.fallen)} random directions go down, the best by {best} % of what the gradient gives for "
        "the same length.",
        [
            Check(f"each of the {len(lower):,} networks ends lower than it started", f"{share:.1%} of them",
                  bool(lower.all())),
            Check("at each start the best random direction falls less than half as far as the gradient, so that two "
                  "such steps would not replace one", f"{r.best.max():.1%} at most", bool(r.best.max() < 0.5)),
        ],
        {
            "downhill_from_anywhere-downhill": f"Six panels. Above: C of {len(lower):,} networks falls by step and "
            f"ends at {ends}; by a short step along random directions C changes by {r.fallen.min():.1e} to "
            f"{r.fallen.max():.1e}, along the gradient by {r.along:.1e}. Below: optimisers on a plane, from one start: "
            + ", ".join(f"{name} to C = {path.costs[-1]:.3f}" for name, path in r.paths.items()) + ".",
        },
    )  # fmt: skip


def rates(r):
    """Too small a rate crawls, a good one arrives, too large a one goes up; and the bound is where it should be."""
    small, good, large = r.lessons[0].rates
    n, m = len(small.costs) - 1, len(r.lessons)
    left = [[float((of.costs[-1] - one.lowest) / (of.costs[0] - one.lowest)) for of in one.rates] for one in r.lessons]
    crawls, arrives, _ = np.transpose(left)
    rises = [int(np.sum(np.diff(one.rates[-1].costs) > 0)) for one in r.lessons]
    nearer, farther = np.transpose([seen(one) for one in r.lessons])
    bounds = [[2 / one.bends[-1], 2 / one.whole] for one in r.lessons]
    here, everywhere = (several(of) for of in np.transpose(bounds))
    steps = lambda of: ", ".join(f"{C:.3g}" for C in of.costs[:5])
    return Found(
        f"C by step, about the first of {m} networks. Rate {small.rate:.3g}: {steps(small)} ... Rate {good.rate:.3g}: "
        f"{steps(good)} ... Rate {large.rate:.3g}: {steps(large)} ... The bound 2 / λ of these planes is {here}; seen "
        f"close by the minimum, descent comes nearer up to {nearer.min():.2f} of it and goes away at "
        f"{farther.max():.2f}. In all dimensions the bound is {everywhere} there.",
        [
            Check(f"too small: about each network half of the fall or more is still left after {n} steps",
                  f"{crawls.min():.0%} at least", bool(crawls.min() >= 0.5)),
            Check(f"good: about each network less than a hundredth is left after {n} steps",
                  f"{np.abs(arrives).max():.1%} at most", bool(np.abs(arrives).max() < 0.01)),
            Check("too large: about each network C rises at a third of the steps or more",
                  f"at {min(rises)} of {n} at least", min(rises) >= n / 3),
            Check("about each network the largest rate that comes nearer to the minimum is 2 / λ to 5 %",
                  f"{nearer.min():.2f} to {nearer.max():.2f} of it", bool(np.abs(nearer - 1).max() <= 0.05 + 1e-9)),
        ],
        {
            "local_and_global-rates": "Three planes with the steps of descent as dots, and C by step: "
            + "; ".join(f"rate {of.rate:.3g} from {of.costs[0]:.3g} to {of.costs[-1]:.3g} in {n} steps, "
                        f"{of.costs.max():.2g} at most" for of in (small, good, large)) + ".",
        },
    )  # fmt: skip
