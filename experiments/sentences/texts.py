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
        wrong: the misconception that it corrects.
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
            "one-image",
            "What does one image cost, and what do all of them?",
            "Write the desired output as ten numbers, one-hot. Subtract, square, sum: the cost of one image. Average "
            "over the training set: the total cost.",
            "C<sub>x</sub> = (a<sub>0</sub> − y<sub>0</sub>)<sup>2</sup> + … + (a<sub>9</sub> − y<sub>9</sub>)<sup>2</sup>"
            "<br>C = (C<sub>1</sub> + … + C<sub>n</sub>) / n, the mean over all n images",
            "Each row from left to right: the image, the ten outputs a, the ten desired outputs y, the ten squared "
            "differences, their sum. The last two rows are the same image, before and after learning.",
            "Being sure and right costs nearly nothing, being unsure costs 0.9, being sure and wrong costs up to 2 or more.",
            "The cost does not count errors. A right guess that is not sure costs as well.",
        ),
        ("one_image_at_a_time",),
        ("one_image_at_a_time-steps", "one_image_at_a_time-all"),
        of_the_cost.one_image,
    ),
    Sentence(
        Text(
            "number-going-down",
            "What happens when a network learns?",
            "The cost is one number for how wrong the network is. Learning makes it small, by adjusting weights and biases.",
            "learning: look for (w, b) with small C(w, b)",
            "Left: C by step, for the true images and for two kinds of spoilt ones. All of them go down.",
            "That the number goes down does not tell that something was understood: it goes down as well where there "
            "is nothing to understand.",
            "Learning is no understanding. It is a number going down.",
        ),
        ("learning",),
        ("learning-curves",),
        of_the_cost.number_going_down,
    ),
    Sentence(
        Text(
            "two-boxes",
            "What goes into the network, and what into the cost?",
            "The network takes an image; the cost takes a whole network.",
            "f(x ; w, b): for one network, a function of the image<br>C(w, b): for fixed images, a function of the network",
            "The two boxes: what goes in, what stays as it is, what comes out.",
            "While it learns the images stay as they are and the network changes: C is a surface over all networks.",
            "C is not a function of the image, and the cost is not the output of the network.",
        ),
        ("one_image_at_a_time",),
        (),
        of_the_cost.signatures,
    ),
    Sentence(
        Text(
            "dials",
            "How many dials are there to turn?",
            "Not two dials to turn: about 13,000.",
            "dials = the sum over all layers of (numbers that come in + 1) × neurons",
            "Each coloured pixel is a weight, a bias or its slope: how much C rises if this one is turned up.",
            "No picture of C with two axes shows more than a slice of it. The gradient has as many numbers as there are dials.",
            "The hilly landscape of the textbooks has two dials. This one has thousands, and few of them matter much.",
        ),
        ("thirteen_thousand_dials",),
        ("thirteen_thousand_dials-dials", "thirteen_thousand_dials-slopes"),
        of_the_cost.dials,
    ),
    Sentence(
        Text(
            "brute-force",
            "Why not try all networks and take the best?",
            "Brute force is impossible.",
            "k settings of each of N dials: k<sup>N</sup> networks",
            "Middle: how low random search and descent have come after as many evaluations of C.",
            "One has to know which way is down from where one stands, and need not know anything else.",
            "A faster computer does not help: the number of networks has thousands of digits.",
        ),
        ("brute_force",),
        ("brute_force-race",),
        of_the_cost.brute_force,
    ),
    Sentence(
        Text(
            "bowl-and-bumps",
            "Is C a bowl, or is it bumpy?",
            "C is bumpy and complicated, not a tidy bowl.",
            "P(α, β) = (w, b) + α u + β v: a plane through the network (w, b) along two random directions u and v",
            "Both at once: a bowl nearby, rugged far out. A half-width says how far the picture reaches from the "
            "network in its middle to its edge; 1 means that there the weights of each neuron have changed by as much "
            "as their own length. Look at the small half-width first, then at the large one.",
            "A sentence on the bumps of C means nothing without its scale, and a number of bumps nothing without their "
            "depth: how far C must rise before one can leave. Far out nearly all are so shallow that their number "
            "depends on how finely one looks.",
            "Neither is C one tidy bowl, nor is it full of deep holes in which learning is lost.",
        ),
        ("bumpy_planes", "where_a_bowl_ends", "minima_by_depth"),
        ("near-and-far", "bumpy_planes-planes", "where_a_bowl_ends-bowls", "minima_by_depth-minima"),
        of_the_surface.bowl_and_bumps,
    ),
    Sentence(
        Text(
            "local-and-global",
            "Where does a ball stop that rolls downhill?",
            "A local minimum is lower than all that is near. The global one is the lowest of all.",
            "at a minimum grad C = 0, and C rises on all sides",
            "The colour of a path tells in which minimum it ends. All starts of one colour are that minimum's basin.",
            "Where one ends depends on where one starts. But a ball on a slice feels two dials only: set free in all "
            "dimensions, one that was caught on the line rolls on.",
            "A minimum on a line or a plane is not yet a minimum of C: there the gradient must be 0 along all dials. "
            "And “global” here is the lowest on this slice, not the lowest of all networks.",
        ),
        ("local_and_global",),
        ("local_and_global-basins", "local_and_global-line"),
        of_the_surface.local_and_global,
    ),
    Sentence(
        Text(
            "downhill",
            "How does one find the way down?",
            "Find the downhill direction from wherever you stand.",
            "downhill = −grad C(w, b)",
            "Above, left: many networks from random starts, all going down. Above, right: what a short step changes "
            "along random directions, and along the gradient.",
            "The gradient can be had anywhere, at the price of some evaluations of C; no luck with the start is needed.",
            "One needs no map of the surface. And a random direction is no substitute for the gradient: half of them "
            "go down, but hardly.",
        ),
        ("downhill_from_anywhere",),
        ("downhill_from_anywhere-downhill",),
        of_the_surface.downhill,
    ),
    Sentence(
        Text(
            "three-rates",
            "How long should a step be?",
            "Go a small step downhill, look again, and go on.",
            "(w, b) ← (w, b) − η grad C(w, b), with the rate η; near a minimum it arrives if η &lt; 2 / λ, "
            "where λ is the sharpest curvature of C there",
            "The dots are the steps, from the circle on, and the star is the minimum. Compare the three rates, then C by step.",
            "A rate too small wastes steps, one too large jumps over the valley. Where the limit lies the curvature tells.",
            "A larger rate is not a faster one, and C need not fall at each step.",
        ),
        ("local_and_global",),
        ("local_and_global-rates",),
        of_the_surface.rates,
    ),
    Sentence(
        Text(
            "other-costs",
            "Must it be the sum of squares?",
            "The sum of squares is a choice; other cost functions exist.",
            "Σ |a − y|, or −Σ (y ln a + (1 − y) ln (1 − a)), or others",
            "The same plane under each cost: the valleys are not in the same places.",
            "What is lowest depends on the cost. To compare networks one has to say by which.",
            "The cost is not given by the task: someone chose it.",
        ),
        ("other_costs",),
        ("other_costs-planes",),
        of_choices.other_costs,
    ),
    Sentence(
        Text(
            "big-misses",
            "Which images make up the cost?",
            "Squaring makes big misses dominate.",
            "twice as far off costs four times as much: (2 d)<sup>2</sup> = 4 d<sup>2</sup>",
            "Left, below: how much of the cost the worst images carry, squared and not. Right: these images.",
            "After learning C tells of few images, those that are still wrong.",
            "C is a mean, but no typical image costs that much: most cost nearly nothing, some a lot.",
        ),
        ("learning",),
        ("learning-images",),
        of_choices.big_misses,
    ),
    Sentence(
        Text(
            "unseen-images",
            "Is a network with a low cost a good one?",
            "A low training cost is not “good, period”: it says nothing about unseen images.",
            "the gap = C on unseen images − C on training images",
            "Left: C on training images and on unseen ones, by how many were learned. Right: what happens with wrong labels.",
            "Judge a network by images that it has not learned.",
            "A network that has learned all its images may have learned nothing but these.",
        ),
        ("unseen_images",),
        ("unseen_images-gap", "unseen_images-planes"),
        of_choices.unseen,
    ),
)
