"""Every sentence of the cheatsheet "What learning really means", each with its experiment: one offline page.

Runs the experiments one after the other and writes output/cheatsheet/index.html: sentence by sentence the
figure, the number, what it says, and the command that makes it. No server, no outside request.

    python experiments/cheatsheet.py                  the embedded digits
    python experiments/cheatsheet.py --small          seconds an experiment, to see that all works
    python experiments/cheatsheet.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST
    python experiments/cheatsheet.py --done output    the page from results that are there already, nothing run

Expect eleven sentences, all seen to hold on the embedded digits, in under four minutes on two cores; one minute with
--small.
"""

import base64
import html
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import bumpiness_by_scale
import common
import numpy as np
from common import setting
from one_image_at_a_time import cost_of

from jaxcost import populations, results


@dataclass(frozen=True)
class Settings:
    """On what the experiments run."""

    data: str = setting("", "folder of four IDX files; empty for the embedded digits")
    done: str = setting("", "folder of results that are there already, one folder an experiment; run nothing")
    sizes: tuple = setting((784, 16, 16, 10), "the cheatsheet's network, of all experiments")
    switches: str = setting("", "switches for each experiment, without their dashes", small="small")


class Sentence(NamedTuple):
    """A sentence of the cheatsheet, and the experiment that shows it.

    Attributes:
        text: the sentence.
        script: its common.
        figures: which of its figures.
        number: of the result, the number in a line; what must hold is said by `holds`.
        holds: of the result, whether the sentence is seen to be true.
    """

    text: str
    script: str
    figures: tuple[str, ...]
    number: Callable
    holds: Callable


def ends(costs):
    """Cost at the first record and at the last, medians over the networks."""
    costs = np.atleast_2d(costs)
    return np.median(costs[:, 0]), np.median(costs[:, -1])


def fell(costs):
    """The same in words."""
    return "{:.3g} to {:.3g}".format(*ends(costs))


def worst(result, part, which="costs"):
    """Share of the cost that the worst images carry."""
    ordered = np.sort(result[which])[::-1]
    return ordered[: max(1, round(part * len(ordered)))].sum() / ordered.sum()


def bowl_end(result, name):
    """Median half-width at which the lines through a network cease to be bowls."""
    return populations.summary(bumpiness_by_scale.bowl_ends(result, name)[0])


def lower(result):
    """Share of the starts that ended lower than they began."""
    return np.mean(result["costs"][:, -1] < result["costs"][:, 0])


def last(of, name):
    """Median over the networks at the last step."""
    return float(np.median(np.asarray(of[name])[:, -1]))


SENTENCES = (
    Sentence(
        "Write the desired output as ten numbers, one-hot. Subtract, square, sum: the cost of one image. "
        "Average over the training set: the total cost.",
        "one_image_at_a_time",
        ("steps", "all"),
        lambda r: f"{cost_of(r['cards'][0]):.4f} for a confident, correct guess; "
        f"{cost_of(r['cards'][1]):.2f} for a total shrug; "
        f"C = {float(r['totals']['after learning']):.4f} is the mean over {len(r['costs']['after learning']):,} images",
        lambda r: f"{cost_of(r['cards'][0]):.4f} {cost_of(r['cards'][1]):.2f}" == "0.0129 0.90"
        and np.isclose(np.mean(r["costs"]["after learning"]), r["totals"]["after learning"], rtol=1e-4),
    ),
    Sentence(
        "The cost is one number for how wrong the network is. Learning makes it small: no understanding, "
        "just a number going down.",
        "learning",
        ("curves",),
        lambda r: f"C falls from {fell(r['run'].costs)}; "
        + ", ".join(f"with {name} from {fell(costs)}" for name, costs in r["shuffled"].items()),
        lambda r: all(np.less(*ends(costs)[::-1]) for costs in (r["run"].costs, *r["shuffled"].values())),
    ),
    Sentence(
        "The network takes an image; the cost takes a whole network. C is not a function of the image, and the cost is "
        "not the output.",
        "one_image_at_a_time",
        (),
        lambda r: "\n".join(r["signatures"].values()),
        lambda r: r["signatures"]["C"].endswith("float32[]") and r["signatures"]["f"].endswith("float32[10]"),
    ),
    Sentence(
        "Not two dials to turn: about 13,000.",
        "thirteen_thousand_dials",
        ("dials", "slopes"),
        lambda r: "{:,} dials; the steepest hundredth hold {:.0%} of the squared gradient before learning, {:.0%} after"
        "".format(*dials(r)),
        lambda r: dials(r)[0] == 13_002,
    ),
    Sentence(
        "Brute force is impossible.",
        "brute_force",
        ("race",),
        lambda r: f"10^{r['dials'] * np.log10(r['levels'][0]):,.0f} networks at {r['levels'][0]} levels a dial, "
        f"{r['evaluations_a_second']:,.0f} evaluations a second; best of {len(r['random']):,} random networks "
        f"{r['random'].min():.3g}, descent for the same work {float(r['descent'][-1]):.3g}",
        lambda r: float(r["descent"][-1]) < r["random"].min(),
    ),
    Sentence(
        "C is bumpy and complicated, not a tidy bowl.",
        "bumpy_planes",
        ("planes",),
        lambda r: "minima on a random plane about the trained network: "
        + ", ".join(f"{s['minima'].count} at half-width {w}" for w, s in r["networks"]["trained"]["ladder"].items()),
        lambda r: list(r["networks"]["trained"]["ladder"].values())[-1]["minima"].count > 1,
    ),
    Sentence(
        "... but at which scale?",
        "bumpiness_by_scale",
        ("bowls",),
        lambda r: "a quadratic explains 95 % of C along a line up to a half-width of "
        + ", ".join(f"{bowl_end(r, name)} ({name})" for name in r["networks"]),
        lambda r: np.isfinite(bowl_end(r, "trained").median),
    ),
    Sentence(
        "Find the downhill direction from wherever you stand.",
        "downhill_from_anywhere",
        ("downhill",),
        lambda r: f"{len(r['costs']):,} random starts, {lower(r):.1%} of them ended lower; "
        f"{np.mean(r['fallen'] < 0):.0%} of random directions go down, the best by "
        f"{r['fallen'].min() / r['along']:.1%} of what the gradient gives",
        lambda r: lower(r) == 1 and r["along"] < r["fallen"].min(),
    ),
    Sentence(
        "The sum of squares is a choice; other cost functions exist.",
        "other_costs",
        ("planes",),
        lambda r: "accuracy on unseen images: "
        + ", ".join(f"{name} {judged['held_out']:.1%}" for name, judged in r["judged"].items() if name != "the start"),
        lambda r: len(r["planes"]) == 5,
    ),
    Sentence(
        "Squaring makes big misses dominate.",
        "learning",
        ("images",),
        lambda r: f"the worst 1 % of the images carry {worst(r, 0.01):.0%} of C, the worst 10 % {worst(r, 0.1):.0%}; "
        f"of absolute differences {worst(r, 0.01, 'absolute'):.0%} and {worst(r, 0.1, 'absolute'):.0%}",
        lambda r: worst(r, 0.01) > worst(r, 0.01, "absolute"),
    ),
    Sentence(
        "A low training cost is not “good, period”: it says nothing about unseen images.",
        "unseen_images",
        ("planes", "gap"),
        lambda r: f"shuffled labels: C = {last(r['shuffled'], 'seen'):.2f} on training images, "
        f"{last(r['shuffled'], 'accuracy_unseen'):.0%} of the unseen ones right; true labels: C = "
        + ", ".join(
            f"{last(of, 'seen'):.3f} and {last(of, 'unseen'):.2f} unseen ({n} images)" for n, of in r["runs"].items()
        ),
        lambda r: all(last(of, "seen") < last(of, "unseen") for of in r["runs"].values()),
    ),
)  # fmt: skip


def dials(result):
    """Number of dials, and the share of the squared gradient in the steepest hundredth, before and after."""
    shares = []
    for of in result["networks"].values():
        flat = np.concatenate([np.ravel(leaf) for leaf in (*of["slopes"].w, *of["slopes"].b)]).astype(np.float64)
        squares = np.sort(flat**2)[::-1]
        shares.append(squares[: squares.size // 100].sum() / squares.sum())
    return flat.size, *shares


def run(settings):
    """Run all experiments, or find what they left, and take what the page shows."""
    folder = Path(settings.done or "output")
    words = ["--data", settings.data] * bool(settings.data) + [f"--{switch}" for switch in settings.switches.split()]
    rows, said = [], {}
    for sentence in SENTENCES:
        if not settings.done and sentence.script not in said:
            print(f"{sentence.script} ...", flush=True)
            script = Path(__file__).with_name(f"{sentence.script}.py")
            done = subprocess.run([sys.executable, script, *words], capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{sentence.script} failed:\n{done.stderr}")
            said[sentence.script] = done.stdout
        place = folder / sentence.script / f"{sentence.script}.npz"
        result = results.load(place)
        pictures = {
            name: np.frombuffer(place.with_name(f"{sentence.script}-{name}.png").read_bytes(), np.uint8)
            for name in sentence.figures
        }
        rows.append(
            {
                "text": sentence.text,
                "script": sentence.script,
                "number": sentence.number(result),
                "holds": bool(sentence.holds(result)),
                "pictures": pictures,
                "command": " ".join(["python", f"experiments/{sentence.script}.py", *words]),
                "said": said.get(sentence.script, ""),
            }
        )
    return rows, {}, table(rows)


def table(rows):
    """A line a sentence, and its number."""
    lines = []
    for row in rows:
        lines += [f"{'SEEN' if row['holds'] else 'NOT SEEN':<9}{row['text']}", f"{'':<9}{row['number']}", ""]
    return lines[:-1]


STYLE = """
body { font: 17px/1.5 Georgia, serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #222; background: #fff }
h1 { font-size: 1.7rem; line-height: 1.2 } h2 { font-size: 1.25rem; margin: 0 0 .4rem; line-height: 1.3 }
section { border-top: 1px solid #ccc; padding: 1.4rem 0 }
img { width: 100%; height: auto; margin: .6rem 0 } .number { white-space: pre-line; overflow-wrap: anywhere }
.seen { color: #176117 } .not { color: #a01010 }
pre { font-size: .72rem; overflow-x: auto; background: #f4f4f4; padding: .6rem }
code { font-size: .8rem; overflow-wrap: anywhere } summary { cursor: pointer; font-size: .85rem }
@media (max-width: 40rem) { .picture { overflow-x: auto } .picture img { min-width: 40rem } }
"""


def draw(path):
    """The page, beside the result."""
    rows, told = results.load(path), html.escape
    sections = []
    for i, row in enumerate(rows, 1):
        pictures = "".join(
            f'<div class="picture"><img alt="{told(row["script"])}: {told(name)}" '
            f'src="data:image/png;base64,{base64.b64encode(picture.tobytes()).decode()}"></div>'
            for name, picture in row["pictures"].items()
        )
        verdict = '<b class="seen">Seen.</b>' if row["holds"] else '<b class="not">Not seen here.</b>'
        said = (
            f"<details><summary>all its numbers</summary><pre>{told(row['said'])}</pre></details>"
            if row["said"]
            else ""
        )
        sections.append(
            f'<section><h2>{i}. {told(row["text"])}</h2><p class="number">{verdict} {told(row["number"])}</p>'
            f"{pictures}<p><code>{told(row['command'])}</code></p>{said}</section>"
        )
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>What learning really means</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{STYLE}</style></head><body>'
        "<h1>What learning really means, sentence by sentence</h1>"
        "<p>A network is f(x ; w, b): an image in, ten numbers out. Its cost is C(w, b): "
        "a whole network in, one number for how wrong it is out. Each sentence below stands with "
        "the experiment that shows it, its number, and the command that makes it again.</p>"
        f"{''.join(sections)}</body></html>"
    )
    target = Path(path).with_name("index.html")
    target.write_text(page, encoding="utf-8")
    return [target]


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw)
