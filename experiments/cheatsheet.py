"""Every sentence of the cheatsheet "What learning really means", each with its experiment: one offline page.

Runs the experiments one after the other and writes output/cheatsheet/index.html. Sentence by sentence it has the
question, the formula, one picture and what to look at, the number, what decides whether the sentence is seen, what
follows, and the misconception that it corrects. No server, no outside request.

    python experiments/cheatsheet.py                  the embedded digits
    python experiments/cheatsheet.py --small          seconds an experiment, to see that all works
    python experiments/cheatsheet.py --data FOLDER    any four IDX files, MNIST or Fashion-MNIST
    python experiments/cheatsheet.py --done output    the page from results that are there already, nothing run

Expect twelve sentences, all of them seen on the embedded digits (seed 0, jax 0.10). A sentence is seen if each of the
conditions below it holds; a small run of a small network leaves several unseen. Ten to fifteen minutes on two cores.
"""

import base64
import html
import io
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import NamedTuple

import common
import numpy as np
from common import like, setting
from live_surface import random_view, written_page
from sentences import of_the_surface
from sentences.checks import Check
from sentences.texts import SENTENCES, Text

from jaxcost import cost, plot, results


@dataclass(frozen=True)
class Settings:
    """On what the experiments run."""

    data: str = like("data")
    sizes: tuple = like("sizes", why="the cheatsheet's network, of all experiments")
    done: str = setting("", "folder of results that are there already, one folder an experiment; run nothing")
    switches: str = setting("", "switches for each experiment, without their dashes", small="small")


class Picture(NamedTuple):
    """A figure.

    Attributes:
        name: of the figure.
        alt: what is seen in it.
        file: its bytes.
    """

    name: str
    alt: str
    file: np.ndarray


class Seen(NamedTuple):
    """A sentence, and what its experiments say.

    Attributes:
        text: its words.
        number: what was found, in a line.
        checks: what decides, `Check`s.
        pictures: the first is shown, the others are folded.
        boxes: in place of a picture.
        commands: that make it again, with what they printed; empty where they were not run.
        live: a page that shows the plane as it is moved through, the bytes of its text; empty without one.
    """

    text: Text
    number: str
    checks: list[Check]
    pictures: list[Picture]
    boxes: tuple[tuple[str, str, str, str], ...]
    commands: dict[str, str]
    live: np.ndarray


class Result(NamedTuple):
    """The page.

    Attributes:
        sentences: a `Seen` each.
    """

    sentences: list[Seen]


def told(text):
    """Text as HTML, 10^3 as a power."""
    return re.sub(r"10\^(-?\d[\d,.]*\d|\d)", r"10<sup>\1</sup>", html.escape(text))


def holds(one):
    """Whether a sentence is seen: all that decides holds."""
    return all(check.holds for check in one.checks)


def run(settings):
    """Run all experiments, or find what they left, and take what the page shows."""
    folder = Path(settings.done or "output")
    words = ["--data", settings.data] * bool(settings.data) + [f"--{switch}" for switch in settings.switches.split()]
    words += ["--sizes", *map(str, settings.sizes)] * (settings.sizes != Settings.sizes)
    scripts = list(dict.fromkeys(script for sentence in SENTENCES for script in sentence.scripts))
    printed = {script: "" for script in scripts} if settings.done else run_all(scripts, words)
    saved = {script: folder / script / f"{script}.npz" for script in scripts}
    loaded = {script: results.load(path) for script, path in saved.items()}

    seen = []
    for text, names, figures, judge in SENTENCES:
        found = judge(*(loaded[name] for name in names))
        pictures = [Picture(name, found.alts[name], picture(name, folder, loaded)) for name in figures]
        commands = {" ".join(["python", f"experiments/{name}.py", *words]): printed[name] for name in names}
        page = np.empty(0, np.uint8)
        if "near-and-far" in figures:
            page = live_page(loaded["bumpy_planes"], results.provenance(saved["bumpy_planes"])["settings"])
        seen.append(Seen(text, found.number, found.checks, pictures, found.boxes, commands, page))
    return Result(seen), {}


def run_all(scripts, words):
    """Run the experiments one after the other, each with these words; what each printed, by name."""
    printed = {}
    for i, script in enumerate(scripts, 1):
        print(f"{i} of {len(scripts)}  {script} ...", flush=True)
        start = time.perf_counter()
        command = [sys.executable, Path(__file__).with_name(f"{script}.py"), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{script} failed:\n{done.stderr}")
        print(f"{i} of {len(scripts)}  {script} {time.perf_counter() - start:.0f} s", flush=True)
        printed[script] = done.stdout
    return printed


def live_page(planes, settings):
    """A page on which one moves through the random planes of bumpy_planes.py, as bytes; of its result and settings."""
    train, _ = common.images(SimpleNamespace(**settings))
    lies = {name: planes.networks[name].planes[0].slice_.frame for name in reversed(common.NETWORKS)}
    found = {name: random_view(name, frame, half_width=2.0) for name, frame in lies.items()}
    page, _ = written_page(cost.Cost(train), found, title="C(w, b): nearby, and far out")
    return page


def picture(name, folder, loaded):
    """The bytes of a figure: that which its experiment left, or that of the two planes."""
    if name != "near-and-far":
        script = name.rpartition("-")[0]
        return np.fromfile(folder / script / f"{name}.png", np.uint8)
    figure, file = common.figure(11, 5.4), io.BytesIO()
    for ax, plane in zip(figure.subplots(1, 2), of_the_surface.near_and_far(loaded["bumpy_planes"]), strict=True):
        plot.contour(ax, plane.slice_, plane.of_C)
        ax.set_title(
            f"half-width {plane.half_width:g}: {plane.of_C.count} minim{'um' if plane.of_C.count == 1 else 'a'}"
        )
        ax.set(xlabel=f"α, {common.LENGTH}", ylabel="β")
    figure.suptitle("C on one random plane through a trained network (cross), near and far; red: minima of C")
    figure.savefig(file, dpi=120, metadata={"Software": None})
    return np.frombuffer(file.getvalue(), np.uint8)


def table(result):
    """Each sentence, whether it is seen to hold, its number, and what decides."""
    lines = []
    for one in result.sentences:
        lines += [f"{'SEEN' if holds(one) else 'NOT SEEN':<9}{one.text.says}", f"{'':<9}{one.number}"]
        lines += [f"{'':<9}{'holds' if c.holds else 'fails':<6}{c.rule}: {c.found}" for c in one.checks] + [""]
    return lines[:-1]


def draw(path):
    """The page, beside the result."""
    sentences = results.load(path).sentences
    mark = lambda one: '<span class="seen">seen</span>' if holds(one) else '<span class="not">not seen here</span>'
    contents = [f'<li><a href="#{one.text.anchor}">{told(one.text.question)}</a> {mark(one)}</li>' for one in sentences]
    sections = [section(i, one) for i, one in enumerate(sentences, 1)]
    template = Template(Path(__file__).with_suffix(".html").read_text(encoding="utf-8"))
    count = f"{sum(holds(one) for one in sentences)} of {len(sentences)}"
    page = Path(path).with_name("index.html")
    page.write_text(
        template.substitute(count=count, contents="\n".join(contents), sections="\n".join(sections)), encoding="utf-8"
    )
    return [page]


def section(i, one):
    """A sentence on the page."""
    text, shown, folded = one.text, "".join(map(image, one.pictures[:1])), one.pictures[1:]
    if live := bytes(one.live).decode():
        title = "C on planes through a trained network, to be moved through"
        without = "<noscript><p>It moves by JavaScript. Without it, the same planes are pictures below.</p></noscript>"
        shown, folded = f'<iframe title="{title}" srcdoc="{html.escape(live)}"></iframe>{without}', one.pictures
    looked = f"<p><b>Look at:</b> {told(text.look)}</p>"
    verdict = '<b class="seen">Seen.</b>' if holds(one) else '<b class="not">Not seen here.</b>'
    return f"""<section id="{text.anchor}"><h2>{i}. {told(text.question)}</h2>
<blockquote>{told(text.says)}</blockquote>
<p class="formula">{text.formula}</p>
{"".join(map(box, one.boxes))}{shown}
{looked}
<p><b>Found:</b> {told(one.number)}</p>
<div class="verdict">{verdict} It counts as seen if<ul>{"".join(map(condition, one.checks))}</ul></div>
<p><b>What {"follows" if holds(one) else "would follow"}:</b> {told(text.follows)}</p>
<p><b>A misconception:</b> {told(text.wrong)}</p>
{f"<details><summary>More pictures ({len(folded)})</summary>{''.join(map(image, folded))}</details>" if folded else ""}
<details><summary>The commands that make it again</summary>{"".join(map(command, one.commands.items()))}</details>
</section>"""


def condition(check):
    """One condition of a verdict: whether it holds, what it is, and what was found."""
    mark = '<span class="seen">holds</span>' if check.holds else '<span class="not">fails</span>'
    return f"<li>{mark}: {told(check.rule)}: <b>{told(check.found)}</b></li>"


def box(parts):
    """What goes into a box, what stays fixed, and what comes out."""
    into, name, fixed, out = map(told, parts)
    arrow = '<span class="arrow" aria-hidden="true">→</span>'
    inside = f'<span class="box"><b>{name}</b><br>{fixed}</span>'
    return f'<div class="boxes"><span>{into}</span>{arrow}{inside}{arrow}<span>{out}</span></div>'


def image(one):
    """A picture that a click enlarges."""
    file = base64.b64encode(one.file.tobytes()).decode()
    shown = f'<img alt="{html.escape(one.alt)}" src="data:image/png;base64,{file}">'
    return f'<button type="button" class="picture" title="Enlarge">{shown}</button>'


def command(made):
    """A command and what it printed."""
    words, printed = map(html.escape, made)
    return f"<p><code>{words}</code></p>{f'<pre tabindex=0>{printed}</pre>' if printed else ''}"


if __name__ == "__main__":
    common.main(__doc__, Settings, run, draw, table)
