"""Look at a network's cost surface and believe what you see.

A network is f(x ; w, b), image in, ten numbers out; its cost is C(w, b), a whole network in, one number for
how wrong it is out. Here C is a pure, jitted, differentiable function over *all* images, and the rooms below
are the instruments to look at it. Import the rooms themselves, `from jaxcost import cost, slices`:

    data         images and desired outputs: embedded digits, IDX files, MNIST
    network      the 784-16-16-10 network, its parameters
    blocks       a function of images over all of them, in blocks, on one device or many
    cost         costs of one image, and C(w, b)
    devices      images, points or networks over the devices of a mesh
    descent      gradient, downhill, training in a scan, ensembles
    directions   random, normalised, orthonormal, principal directions
    hoist        what is affine along a slice is computed once
    results      one result, one file
    resume       an evaluation that was stopped is taken up again
    quantities   what is computed at each point: C, its derivatives, its make-up
    sweep        C at many points of a slice: planned, in tiles
    noise        how much of a slice is rounding
    slices       lines, planes and grids of C, with their noise floor
    critical     critical points of C on a slice, exact; which minima of a grid are minima of C
    variation    how much the values go up and down
    bending      how much they bend, and how far out a slice is a bowl
    waves        how fast they change: correlation, spectrum, Chebyshev
    bumpiness    minima with their depth and basins; every measure of a slice
    nulls        the same measures of a bowl and of a random surface
    populations  many slices, and what can be said of all: medians, intervals
    plot         figures, drawn on given axes
    experiment   what the scripts in experiments/ share
"""
