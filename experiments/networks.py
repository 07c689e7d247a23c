"""The networks that several experiments cut: many of each kind, since one network is one draw.

Lines come in networks, and an interval over lines of one network is no interval of networks (`resampling.nested`).
"""

from dataclasses import dataclass

import common
import jax
import numpy as np
from common import setting

from jaxcost import populations, resampling, statistics

STARTS = {"wide": None, "narrow": lambda n: n**-0.5}  # Nielsen's N(0, 1), and divided by the root of what a neuron gets
KINDS = "untrained", "trained, wide start", "trained, narrow start"


@dataclass(frozen=True)
class Networks(common.Trained):
    """How many networks of each kind, and how many lines through each."""

    networks: int = setting(8, "of each kind, for intervals are over networks", small=2)
    lines: int = setting(4, "random lines through each network", small=1)


def networks(key, C, settings):
    """The networks by kind: wide ones before and after learning, narrow ones after it. `{kind: [params, ...]}`."""
    keys, found = jax.random.split(key, settings.networks), {}
    for start, scale in STARTS.items():
        run = common.train_many(keys, C, settings, scale=scale, keep=True)
        each = [run.network(i) for i in range(settings.networks)]
        if start == "wide":
            found[KINDS[0]] = [one.at(0) for one in each]
        found[f"trained, {start} start"] = [one.params for one in each]
    return found


def lines(key, networks, settings):
    """Random lines through each of some networks, `settings.lines` each, a list of frames network by network."""
    keys = jax.random.split(key, (len(networks), settings.lines))
    return [frame for params, own in zip(networks, keys, strict=True) for frame in populations.about(own, params)]


def nested(draws):
    """The median over networks and lines of `[networks, lines]`, with the interval over networks."""
    return resampling.nested(jax.random.key(0), draws)


def interval(draws, form=".3g"):
    """The same in words: "1.12 (1.00 to 1.35)"."""
    found = nested(draws)
    return f"{statistics.Interval(found.median, found.low, found.high):{form}}" if found.draws else "-"


def mean(draws):
    """The mean over networks and lines of `[networks, lines]`, of counts, with its interval over networks."""
    found = resampling.bootstrap(jax.random.key(0), lambda groups: groups[0].mean((1, 2)), [draws], levels=2)
    return f"{found:.1f}"


def by_network(draws, number):
    """`[networks * lines, ...]` as `[networks, lines, ...]`."""
    return np.reshape(draws, (number, -1, *np.shape(draws)[1:]))
