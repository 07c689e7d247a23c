"""Every sentence of the cheatsheet "What learning really means", each with its experiment: one offline page.

Runs the experiments one after the other and writes output/cheatsheet/index.html: sentence by sentence the
figure, the number, what it says, and the command that makes it. No server, no outside request.

    python experiments/cheatsheet.py                  the embedded digits
    python experiments/cheatsheet.py --small          seconds an experiment, to see that all works
    python experiments/cheatsheet.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST
    python experiments/cheatsheet.py --done output    the page from results that are there already, nothing run

Expect twelve sentences, most of the time of which is that of minima_by_depth.py and where_a_bowl_ends.py.
"""

import base64
import html
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import NamedTuple

import common
import numpy as np
from common import like, setting
from common import median_of as several
from minima_by_depth import at
from networks import KINDS, interval, nested
from one_image_at_a_time import cost_of
from other_costs import START

from jaxcost import network, results


@dataclass(frozen=True)
class Settings:
    """On what the experiments run."""

    data: str = like("data")
    sizes: tuple = like("sizes", why="the cheatsheet's network, of all experiments")
    done: str = setting("", "folder of results that are there already, one folder an experiment; run nothing")
    switches: str = setting("", "switches for each experiment, without their dashes", small="small")


class Seen(NamedTuple):
    """A sentence, and what its experiment says.

    Attributes:
        text: the sentence.
        script: the experiment.
        number: what it found, in a line.
        holds: whether the sentence is seen to be true.
        pictures: its figures by name, as the bytes of their files.
        command: that makes it again.
        printed: all that it printed; empty where it was not run.
    """

    text: str
    script: str
    number: str
    holds: bool
    pictures: dict[str, np.ndarray]
    command: str
    printed: str


class Result(NamedTuple):
    """The page.

    Attributes:
        sentences: a `Seen` each.
    """

    sentences: list[Seen]


def one_image(r):
    """The two worked examples are as the cheatsheet says, and C is a mean."""
    (confident, shrug), after = map(cost_of, r.guesses[:2]), r.totals[-1]
    number = f"{confident:.4f} for a confident, correct guess; {shrug:.2f} for a total shrug; "
    number += f"C = {after.C:.4f} of this run's network is the mean over {len(after.costs):,} images"
    right = f"{confident:.4f} {shrug:.2f}" == "0.0129 0.90"
    return number, right and np.isclose(after.costs.mean(), after.C, rtol=1e-4)


def number_going_down(r):
    """C falls whatever is learned, shuffled labels and shuffled pixels too."""
    runs = {"C falls": r.run.costs} | {f"with {name}": costs for name, costs in r.shuffled.items()}
    number = ", ".join(f"{name} from {several(costs[:, 0])} to {several(costs[:, -1])}" for name, costs in runs.items())
    return number, all((costs[:, -1] < costs[:, 0]).all() for costs in runs.values())


def signatures(r):
    """An image into f and ten numbers out, a network into C and one number out."""
    return f"{r.f}\n{r.C}", r.f.endswith("float32[10]") and r.C.endswith("float32[]")


def dials(r):
    """How many there are, and whether that is about 13,000."""
    n = network.size(r.before.params)
    before, after = (several(100 * of.shares[:, 0], ".0f") for of in r.networks.values())
    number = f"{n:,} dials; the steepest hundredth hold {before} % of the squared gradient before learning, "
    return number + f"{after} % after", round(n, -3) == 13_000


def brute_force(r):
    """Descent comes lower than random search with as much work."""
    number = f"10^{r.dials * np.log10(r.levels[0]):,.0f} networks at {r.levels[0]} levels a dial, "
    best, reached = r.random.min(), r.descent[-1]
    number += f"{r.evaluations_a_second:,.0f} evaluations a second; best of {len(r.random):,} random networks "
    return number + f"{best:.3g}, descent for the same work {reached:.3g}, in this run", reached < best


def bumpy(r):
    """Far out there is more than one minimum of C, though hardly one deep."""
    planes = r.networks["trained"].planes
    number = ", ".join(f"{plane.of_C.count} at half-width {plane.half_width:g}" for plane in planes)
    deepest = " and ".join(f"{depth:.2g}" for depth in planes[-1].of_C.depths[:2])
    number = f"minima of C found on this one plane about one trained network: {number}; the deepest there {deepest}"
    return number, planes[-1].of_C.count > 1


def scale(r):
    """The bowls about trained networks have an end."""
    trained = [kind for kind in r.kinds if kind != KINDS[0]]
    number = "; ".join(f"{kind}: {interval(r.kinds[kind].parabolic)}" for kind in trained)
    ends = all(np.isfinite(nested(r.kinds[kind].parabolic).median) for kind in trained)
    return f"a parabola explains 95 % of C along a line up to a half-width of, medians over networks: {number}", ends


def depth(r):
    """Lines far out have many minima, hardly one of them deep."""
    *_, of = r.kinds[KINDS[1]].values()
    deep, shallow = (of.counts[..., at(r.levels, depth)].mean((0, 1))[:3] for depth in (0.01, 1e-4))
    number = f"minima of a line, on the coarsest grid to the finest: {deep[0]:.1f} to {deep[-1]:.1f} deeper than 0.01, "
    number += f"{shallow[0]:.0f} to {shallow[-1]:.0f} deeper than 0.0001, which is the grid's number"
    return number, deep[-1] < 2 * deep[0] < shallow[-1]


def downhill(r):
    """Every start ends lower, and no random direction goes down as the gradient does."""
    lower, down, best = np.mean(r.costs[:, -1] < r.costs[:, 0]), *(several(100 * a, ".1f") for a in (r.down, r.best))
    number = f"{len(r.costs):,} random starts, {lower:.1%} of them ended lower; {down} % of random directions go down, "
    return number + f"the best by {best} % of what the gradient gives", lower == 1 and r.best.max() < 1


def other_costs(r):
    """Networks learn by other costs, if not by each."""
    number = ", ".join(f"{name} {several(r.networks[name].held_out, '.1%')}" for name in r.planes)
    learned = [name for name in r.planes if r.networks[name].held_out.min() > r.networks[START].held_out.max()]
    return f"accuracy on unseen images: {number}", len(learned) > 1


def big_misses(r):
    """The worst images carry more of the squares than of the absolute differences."""
    squared, absolute = (r.shares[f"{kind} differences"] for kind in ("squared", "absolute"))
    worst = [[several(100 * share, ".0f") for share in of.T] for of in (squared, absolute)]
    number = "the worst 1 % of the images carry {} % of C, the worst 10 % {} %; ".format(*worst[0])
    return number + "of absolute differences {} % and {} %".format(*worst[1]), (squared > absolute).all()


def unseen(r):
    """C is lower on the images that were learned than on others."""
    last = lambda of: np.median(of, 0)[-1]
    number = f"shuffled labels: C = {last(r.shuffled.seen):.2f} on training images, "
    number += f"{last(r.shuffled.accuracy_unseen):.0%} of the unseen ones right; true labels: C = "
    number += ", ".join(f"{last(of.seen):.3f} and {last(of.unseen):.2f} unseen ({of.images:,} images)" for of in r.runs)
    return number, all(last(of.seen) < last(of.unseen) for of in r.runs)


# each sentence, its experiment, which of its figures, and a function of its result: the number, and whether it is seen
SENTENCES = (
    ("Write the desired output as ten numbers, one-hot. Subtract, square, sum: the cost of one image. "
     "Average over the training set: the total cost.", "one_image_at_a_time", ("steps", "all"), one_image),
    ("The cost is one number for how wrong the network is. Learning makes it small: no understanding, just a number "
     "going down.", "learning", ("curves",), number_going_down),
    ("The network takes an image; the cost takes a whole network. C is not a function of the image, and the cost is "
     "not the output.", "one_image_at_a_time", (), signatures),
    ("Not two dials to turn: about 13,000.", "thirteen_thousand_dials", ("dials", "slopes"), dials),
    ("Brute force is impossible.", "brute_force", ("race",), brute_force),
    ("C is bumpy and complicated, not a tidy bowl.", "bumpy_planes", ("planes",), bumpy),
    ("... but at which scale?", "where_a_bowl_ends", ("bowls",), scale),
    ("... and how deep are the bumps?", "minima_by_depth", ("minima",), depth),
    ("Find the downhill direction from wherever you stand.", "downhill_from_anywhere", ("downhill",), downhill),
    ("The sum of squares is a choice; other cost functions exist.", "other_costs", ("planes",), other_costs),
    ("Squaring makes big misses dominate.", "learning", ("images",), big_misses),
    ("A low training cost is not “good, period”: it says nothing about unseen images.",
     "unseen_images", ("planes", "gap"), unseen),
)  # fmt: skip


def run(settings):
    """Run all experiments, or find what they left, and take what the page shows."""
    folder = Path(settings.done or "output")
    words = ["--data", settings.data] * bool(settings.data) + [f"--{switch}" for switch in settings.switches.split()]
    words += ["--sizes", *map(str, settings.sizes)] * (settings.sizes != Settings.sizes)
    seen, printed = [], {}
    for text, script, figures, look in SENTENCES:
        if not settings.done and script not in printed:
            print(f"{script} ...", flush=True)
            path = Path(__file__).with_name(f"{script}.py")
            done = subprocess.run([sys.executable, path, *words], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{script} failed:\n{done.stderr}")
            printed[script] = done.stdout
        saved = folder / script / f"{script}.npz"
        number, holds = look(results.load(saved))
        pictures = {name: np.fromfile(saved.with_name(f"{script}-{name}.png"), np.uint8) for name in figures}
        command = " ".join(["python", f"experiments/{script}.py", *words])
        seen.append(Seen(text, script, number, bool(holds), pictures, command, printed.get(script, "")))
    return Result(seen), {}


def table(result):
    """Each sentence, whether it is seen to hold, and its number."""
    lines = []
    for one in result.sentences:
        seen, number = "SEEN" if one.holds else "NOT SEEN", one.number.replace("\n", f"\n{'':<9}")
        lines += [f"{seen:<9}{one.text}", f"{'':<9}{number}", ""]
    return lines[:-1]


def draw(path):
    """The page, beside the result."""
    sections = [section(i, one) for i, one in enumerate(results.load(path).sentences, 1)]
    template = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
    page = Path(path).with_name("index.html")
    page.write_text(template.substitute(sections="\n".join(sections)), encoding="utf-8")
    return [page]


def section(i, one):
    """A sentence on the page."""
    told = html.escape
    pictures = "".join(
        f'<div class="picture"><img alt="{told(one.script)}: {told(name)}" '
        f'src="data:image/png;base64,{base64.b64encode(picture.tobytes()).decode()}"></div>'
        for name, picture in one.pictures.items()
    )
    verdict = '<b class="seen">Seen.</b>' if one.holds else '<b class="not">Not seen here.</b>'
    details = f"<details><summary>all its numbers</summary><pre>{told(one.printed)}</pre></details>"
    return (
        f'<section><h2>{i}. {told(one.text)}</h2><p class="number">{verdict} {told(one.number)}</p>{pictures}'
        f"<p><code>{told(one.command)}</code></p>{details if one.printed else ''}</section>"
    )


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
