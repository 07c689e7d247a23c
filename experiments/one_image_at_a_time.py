"""The cost of one image in five steps, and the total cost: the mean over all of them.

One image, ten outputs of the network, ten desired outputs, ten squared differences, their sum. First the cheatsheet's
two worked examples, 0.0129 for a confident and correct guess and 0.90 for a total shrug; then one image of the training
set before and after learning; then all of them.

    python experiments/one_image_at_a_time.py                  the embedded digits
    python experiments/one_image_at_a_time.py --image 4321     another image
    python experiments/one_image_at_a_time.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST

Expect 0.0129 and 0.9000, and on the embedded digits a 4 whose cost falls from 4.7305 to nearly nothing while the mean
of all 8,000, which is C, falls from 3.5917 to 0.08 (jax 0.10) or 0.07 (0.12). It is one run, whose end hangs on
rounding: of 26 others, with both versions, C ended at 0.047 to 0.075. About 10 s.
"""

from dataclasses import dataclass
from typing import NamedTuple

import common
import jax
import jax.numpy as jnp
import numpy as np
from common import setting

from jaxcost import cost, network, plot, results

CONFIDENT = (0.02, 0.01, 0.05, 0.92, 0.03, 0.04, 0.01, 0.02, 0.01, 0.02)  # the cheatsheet's guess at a 3
SHRUG = (0.1,) * 10


@dataclass(frozen=True)
class Settings(common.Trained):
    """Which image, and how the network learns."""

    image: int = setting(250, "which image of the training set to look at, from 0")


class Guess(NamedTuple):
    """What a network makes of one image.

    Attributes:
        name: of which image, by which network.
        a: outputs, `[10]`.
        y: desired outputs, `[10]`.
        x: the image, `[pixels]`; None for the cheatsheet's worked examples.
    """

    name: str
    a: np.ndarray
    y: np.ndarray
    x: np.ndarray | None = None


class Total(NamedTuple):
    """A network's costs.

    Attributes:
        name: which network.
        C: its total cost.
        costs: of each image, `[images]`.
    """

    name: str
    C: float
    costs: np.ndarray


class Result(NamedTuple):
    """Single guesses, and all images together.

    Attributes:
        guesses: two worked examples, and one image before and after learning.
        totals: over all images, before and after learning.
        f: what goes into the network, and what comes out.
        C: what goes into its cost, and what comes out.
    """

    guesses: tuple[Guess, ...]
    totals: tuple[Total, ...]
    f: str
    C: str


def run(settings):
    """Train; look at one image before and after, and at the costs of all."""
    train, _ = common.images(settings)
    if not 0 <= settings.image < len(train):
        raise ValueError(f"--image {settings.image}, expected 0 to {len(train) - 1}")
    C = cost.Cost(train)
    trained = common.train(*jax.random.split(jax.random.key(settings.seed)), C, settings)
    networks = {"before learning": trained.at(0), "after learning": trained.params}

    x, y, three = train.x[settings.image], train.y[settings.image], jnp.eye(10)[3]
    examples = (
        Guess("worked example: confident, correct", jnp.array(CONFIDENT), three),
        Guess("worked example: total shrug", jnp.array(SHRUG), three),
    )
    of_x = (Guess(f"this image, {name}", network.feedforward(x, *p), y, x) for name, p in networks.items())
    totals = tuple(Total(name, float(C(*p)), np.asarray(C.per_image(*p))) for name, p in networks.items())
    return Result((*examples, *of_x), totals, *signatures(C, x, trained.params)), {"data": train.fingerprint}


def signatures(C, x, params):
    """What goes into f and into C, and what comes out, in types and shapes."""
    shapes = lambda tree: ", ".join(f"{leaf.dtype}{list(leaf.shape)}" for leaf in jax.tree.leaves(tree))
    out = jax.eval_shape(network.feedforward, x, *params)
    number = jax.eval_shape(lambda C, params: C(*params), C, params)
    return (
        f"f(x ; w, b)   an image in: {shapes(x)}; w and b fixed; a guess out: {shapes(out)}",
        f"C(w, b)       a network in: {shapes(params)}: {network.size(params):,} numbers; "
        f"all {C.n:,} images fixed; one number out: {shapes(number)}",
    )


def cost_of(guess):
    """The sum of ten squared differences, in numpy."""
    return float(np.sum((np.asarray(guess.a, np.float64) - guess.y) ** 2))


def table(result):
    """The cost of each guess, the means, and the two signatures."""
    four = lambda number: f"{number:.4f}"
    return [
        *common.columns([
            ["cost of one image, the sum of ten squared differences", "C_x"],
            *([guess.name, four(cost_of(guess))] for guess in result.guesses),
        ]),
        "",
        *common.columns([
            ["total cost", "C", "the mean of", "single costs"],
            *([t.name, four(t.C), four(t.costs.mean(dtype=np.float64)), len(t.costs)] for t in result.totals),
        ]),
        "",
        result.f,
        result.C,
    ]  # fmt: skip


def draw(path):
    """One image in five steps; all images."""
    result = results.load(path)
    return common.save_figures(path, {"steps": draw_steps(result.guesses), "all": draw_all(result.totals)})


def draw_steps(guesses):
    """A row a guess: image, outputs, desired outputs, squared differences, their sum."""
    figure = common.figure(12, 9)
    panels = figure.subplots(len(guesses), 5, width_ratios=(1, 1.5, 1.5, 1.5, 1))
    digits = np.arange(10)
    for row, guess in zip(panels, guesses, strict=True):
        a, y = np.asarray(guess.a, np.float64), np.asarray(guess.y, np.float64)
        if guess.x is not None:
            plot.image(row[0], guess.x)
        else:
            row[0].set_axis_off()
            row[0].text(0.5, 0.5, f"a “{y.argmax()}”", ha="center", va="center", fontsize=20)
        row[0].set_title(guess.name.replace(": ", ":\n").replace(", ", ",\n"), fontsize=9)

        squares = (a - y) ** 2
        for ax, values, colour in zip(row[1:4], (a, y, squares), ("tab:blue", "tab:gray", "tab:red"), strict=True):
            ax.bar(digits, values, color=colour)
            ax.set_ylim(0, 1.12)
            ax.set_xticks(digits)
            ax.tick_params(labelsize="x-small")
            ax.spines[["top", "right"]].set_visible(False)
        worst, most = int(squares.argmax()), squares.max()
        row[3].annotate(f"{most:.2g}", (worst, most), (0, 2), textcoords="offset points", ha="center", fontsize=8)
        row[4].set_axis_off()
        row[4].text(0.5, 0.5, f"{cost_of(guess):.4f}", ha="center", va="center", fontsize=20)
    titles = ("2  ten outputs a", "3  desired outputs y", "4  (a - y)², ten of them", "5  their sum, C_x")
    for ax, title in zip(panels[0][1:], titles, strict=True):
        ax.set_title(title, fontsize=10)
    figure.suptitle("The cost of one image in five steps (1: the image)", fontsize=13)
    return figure


def draw_all(totals):
    """How the costs of all images are spread, and their mean, which is C."""
    figure = common.figure(9, 4.2)
    ax = figure.subplots()
    bins = np.linspace(0, max(np.max(total.costs) for total in totals), 80)
    for (name, C, costs), colour in zip(totals, ("tab:gray", "tab:blue"), strict=True):
        ax.hist(costs, bins, color=colour, alpha=0.6, label=f"{name}: C = {C:.4f}")
        ax.axvline(C, color=colour, lw=2)
    common.log(ax.yaxis)
    ax.set_xlabel("cost of one image, C_x (vertical lines: the mean over all images, C)")
    ax.set_ylabel("images, logarithmic")
    ax.set_title(f"The costs of all {len(costs):,} images, and their mean")
    common.tidy(ax)
    return figure


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
