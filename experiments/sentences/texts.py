"""The sentences of the cheatsheet as its page tells them: no number that an experiment finds stands here.

Formulas are HTML; all else is plain text.
"""

from collections.abc import Callable
from typing import NamedTuple

from sentences import of_choices, of_the_cost, of_the_surface


class Text(NamedTuple):
    """A sentence, in words.

    Attributes:
        anchor: its name in links.
        question: what it answers.
        says: the sentence itself, as the cheatsheet has it.
        formula: in HTML; empty where there is none.
        look: what to look at in the picture.
        follows: what follows.
        wrong: the misconception that it corrects, and what is right.
    """

    anchor: str
    question: str
    says: str
    formula: str
    look: str
    follows: str
    wrong: str


class Sentence(NamedTuple):
    """A sentence and where it is seen.

    Attributes:
        text: its words.
        scripts: the experiments, in the order in which their results are judged.
        figures: of these, the one to show first; the others are folded.
        judge: makes a `checks.Found` of the results.
    """

    text: Text
    scripts: tuple[str, ...]
    figures: tuple[str, ...]
    judge: Callable


SENTENCES = (
    Sentence(
        Text(
            anchor="one-image",
            question="What does one image cost, and what do all of them?",
            says=(
                "Write the desired output as ten numbers, one-hot. Subtract, square, sum: the cost of one image. "
                "Average over the training set: the total cost."
            ),
            formula=(
                "C<sub>x</sub> = (a<sub>0</sub> − y<sub>0</sub>)<sup>2</sup> + … + (a<sub>9</sub> − "
                "y<sub>9</sub>)<sup>2</sup><br>C = (C<sub>1</sub> + … + C<sub>n</sub>) / n, the mean over all n "
                "images"
            ),
            look=(
                "Each row from left to right: the image, the ten outputs a, the ten desired outputs y, the ten "
                "squared differences, their sum. The last two rows are the same image, before and after learning."
            ),
            follows=(
                "Being sure and right costs nearly nothing, being unsure of all ten costs 0.9, being sure and wrong "
                "about 2."
            ),
            wrong="“The cost counts the errors.” No: a right guess that is not sure costs something too.",
        ),
        scripts=("one_image_at_a_time",),
        figures=("one_image_at_a_time-steps", "one_image_at_a_time-all"),
        judge=of_the_cost.one_image,
    ),
    Sentence(
        Text(
            anchor="number-going-down",
            question="What happens when a network learns?",
            says=(
                "The cost is one number for how wrong the network is. Learning makes it small, by adjusting weights "
                "and biases."
            ),
            formula="learning: look for (w, b) with small C(w, b)",
            look="Left: C by step, for the true images and for two kinds of spoilt ones. All of them go down.",
            follows=(
                "C alone does not tell whether something was understood: it goes down as well where there is nothing "
                "to understand. Images that were not learned tell it, in the last sentence below."
            ),
            wrong="“It has understood what a digit is.” No: learning is a number going down, understood or not.",
        ),
        scripts=("learning",),
        figures=("learning-curves",),
        judge=of_the_cost.number_going_down,
    ),
    Sentence(
        Text(
            anchor="two-boxes",
            question="What goes into the network, and what into the cost?",
            says="The network takes an image; the cost takes a whole network.",
            formula=(
                "f(x ; w, b): for one network, a function of the image<br>C(w, b): for fixed images, a function of "
                "the network"
            ),
            look="The two boxes: what goes in, what stays as it is, what comes out.",
            follows=(
                "While it learns the images stay as they are and the network changes: C is a surface over all networks."
            ),
            wrong=(
                "“C is a function of the image”, and “the cost is what the network puts out”. Neither: the image goes "
                "into f, and the ten numbers that come out are a guess."
            ),
        ),
        scripts=("one_image_at_a_time",),
        figures=(),
        judge=of_the_cost.signatures,
    ),
    Sentence(
        Text(
            anchor="dials",
            question="How many dials are there to turn?",
            says="Not two dials to turn: about 13,000.",
            formula="dials = the sum over all layers of (numbers that come in + 1) × neurons",
            look="Each coloured pixel is a weight, a bias or its slope: how much C rises if this one is turned up.",
            follows=(
                "A picture of C with two axes shows only a slice of it. The gradient has as many numbers as "
                "there are dials."
            ),
            wrong=(
                "“The landscape has two directions, as in the pictures.” No: it has one for each dial, and few of "
                "them matter much."
            ),
        ),
        scripts=("thirteen_thousand_dials",),
        figures=("thirteen_thousand_dials-dials", "thirteen_thousand_dials-slopes"),
        judge=of_the_cost.dials,
    ),
    Sentence(
        Text(
            anchor="brute-force",
            question="Why not try all networks and take the best?",
            says="Brute force is impossible.",
            formula="k settings of each of N dials: k<sup>N</sup> networks",
            look="Middle: how low random search and descent have come after as many evaluations of C.",
            follows="One has to know which way is down from where one stands, and need not know anything else.",
            wrong="“A faster computer would do.” No: the number of networks has thousands of digits.",
        ),
        scripts=("brute_force",),
        figures=("brute_force-race",),
        judge=of_the_cost.brute_force,
    ),
    Sentence(
        Text(
            anchor="bowl-and-bumps",
            question="Is C a bowl, or is it bumpy?",
            says="C is bumpy and complicated, not a tidy bowl.",
            formula=(
                "P(α, β) = (w, b) + α u + β v: a plane through the network (w, b) along two random directions u and v"
            ),
            look=(
                "Both at once: a bowl nearby, rugged far out. A half-width says how far the picture reaches from the "
                "network in its middle to its edge; 1 means that there the weights of each neuron have changed by as "
                "much as their own length. Look at the small half-width first, then at the large one."
            ),
            follows=(
                "A sentence on the bumps of C means nothing without its scale, and a number of bumps nothing without "
                "their depth: how far C must rise before one can leave. Far out nearly all are so shallow that their "
                "number depends on how finely one looks."
            ),
            wrong="“C is one tidy bowl”, and “C is full of deep holes in which learning is lost”. Neither.",
        ),
        scripts=("bumpy_planes", "where_a_bowl_ends", "minima_by_depth"),
        figures=("near-and-far", "bumpy_planes-planes", "where_a_bowl_ends-bowls", "minima_by_depth-minima"),
        judge=of_the_surface.bowl_and_bumps,
    ),
    Sentence(
        Text(
            anchor="local-and-global",
            question="Where does a ball stop that rolls downhill?",
            says="A local minimum is lower than all that is near. The global one is the lowest of all.",
            formula="at a minimum grad C = 0, and C rises on all sides",
            look=(
                "The colour of a path tells in which minimum it ends. All starts of one colour are that minimum's "
                "basin."
            ),
            follows=(
                "Where one ends depends on where one starts. But a ball on a slice feels two dials only: set free in "
                "all dimensions, one that was caught on the line rolls on."
            ),
            wrong=(
                "“A minimum in a picture is a minimum of C.” Not yet: for that the gradient must be 0 along all "
                "dials. And “global” is the lowest on this slice here, not the lowest of all networks."
            ),
        ),
        scripts=("local_and_global",),
        figures=("local_and_global-basins", "local_and_global-line"),
        judge=of_the_surface.local_and_global,
    ),
    Sentence(
        Text(
            anchor="downhill",
            question="How does one find the way down?",
            says="Find the downhill direction from wherever you stand.",
            formula="downhill = −grad C(w, b)",
            look=(
                "Above, left: many networks from random starts, all going down. Above, right: what a short step "
                "changes along random directions, and along the gradient."
            ),
            follows=(
                "The gradient can be had anywhere, at the price of some evaluations of C; no luck with the start is "
                "needed."
            ),
            wrong=(
                "“One needs a lucky start”, and “any direction that goes down will do”. Neither: half of the random "
                "directions go down, but hardly."
            ),
        ),
        scripts=("downhill_from_anywhere",),
        figures=("downhill_from_anywhere-downhill",),
        judge=of_the_surface.downhill,
    ),
    Sentence(
        Text(
            anchor="three-rates",
            question="How long should a step be?",
            says="Go a small step downhill, look again, and go on.",
            formula=(
                "(w, b) ← (w, b) − η grad C(w, b), with the rate η; near a minimum it arrives if η &lt; 2 / λ, where "
                "λ is the sharpest curvature of C there"
            ),
            look=(
                "The dots are the steps, from the circle on, and the star is the minimum. Compare the three rates, "
                "then C by step."
            ),
            follows=(
                "A rate too small wastes steps, one too large jumps over the valley. Where the limit lies the "
                "curvature tells."
            ),
            wrong="“A larger rate is a faster one.” No: beyond a limit C goes up instead of down.",
        ),
        scripts=("local_and_global",),
        figures=("local_and_global-rates",),
        judge=of_the_surface.rates,
    ),
    Sentence(
        Text(
            anchor="other-costs",
            question="Must it be the sum of squares?",
            says="The sum of squares is a choice; other cost functions exist.",
            formula="Σ |a − y|, or −Σ (y ln a + (1 − y) ln (1 − a)), or others",
            look="Where the star lies, the lowest point of the plane, under each cost.",
            follows="What is lowest depends on the cost. To compare networks one has to say by which.",
            wrong="“The task itself gives the cost.” No: someone chose it.",
        ),
        scripts=("other_costs",),
        figures=("other_costs-planes",),
        judge=of_choices.other_costs,
    ),
    Sentence(
        Text(
            anchor="big-misses",
            question="Which images make up the cost?",
            says="Squaring makes big misses dominate.",
            formula="twice as far off costs four times as much: (2 d)<sup>2</sup> = 4 d<sup>2</sup>",
            look="Left, below: how much of the cost the worst images carry, squared and not. Right: these images.",
            follows="After learning C tells of few images, those that are still wrong.",
            wrong=(
                "“C is what a typical image costs.” No: it is a mean, most images cost nearly nothing, and few a lot."
            ),
        ),
        scripts=("learning",),
        figures=("learning-images",),
        judge=of_choices.big_misses,
    ),
    Sentence(
        Text(
            anchor="unseen-images",
            question="Is a network with a low cost a good one?",
            says="A low training cost is not “good, period”: it says nothing about unseen images.",
            formula="the gap = C on unseen images − C on training images",
            look=(
                "Left: C on training images and on unseen ones, by how many were learned. Right: what happens with "
                "wrong labels."
            ),
            follows="Judge a network by images that it has not learned.",
            wrong="“Its cost is low, so it is good.” No: it may know nothing but the images that it learned.",
        ),
        scripts=("unseen_images",),
        figures=("unseen_images-gap", "unseen_images-planes"),
        judge=of_choices.unseen,
    ),
)
