"""Look at a network's cost surface and believe what you see.

A network is f(x ; w, b), image in, ten numbers out; its cost is C(w, b), a whole network in, one number for
how wrong it is out. Here C is a pure, jitted, differentiable function over *all* images, and the rooms below
are the instruments to look at it. Import the rooms themselves, `from jaxcost import cost, slices`:

    data         images and desired outputs: embedded digits, IDX files, MNIST
    network      the 784-16-16-10 network, its parameters
    cost         costs of one image, and C(w, b)
    descent      gradient, downhill, training in a scan, ensembles
    directions   random, normalised, orthonormal, principal directions
    hoist        what is affine along a slice is computed once
    slices       lines, planes and grids of C, with their noise floor
    critical     which minima of a grid are minima of C
    bumpiness    numbers from a slice: minima with their depth, variation
    results      one result, one file
    plot         figures, drawn on given axes
    experiment   what the scripts in experiments/ share
"""
