"""Look at a network's cost surface and believe what you see.

A network is f(x ; w, b), image in, ten numbers out; its cost is C(w, b), a whole network in, one number for
how wrong it is out. Here C is a pure, jitted, differentiable function over *all* images, and the rooms below
are the instruments to look at it. Import the rooms themselves: `from jaxcost import cost, slices`,
`from jaxcost.measures import minima`.

The rooms by floors, from the ground: each imports only rooms above it in this list.

    checks                 what a caller gives, checked
    engine.idx             headers of IDX files, and files fetched
    data                   images and desired outputs: embedded digits, IDX files, MNIST
    losses                 the cost of one image
    statistics             medians and intervals, tests, how many draws are needed
    resampling             intervals by drawing anew, of draws in groups too
    tails                  what the few largest and the few lowest of many numbers say
    engine.trees           which leaves of a parameter tree move
    engine.lengths         directions whose weights are as long as the network's
    network                the 784-16-16-10 network, its parameters
    directions             random, normalised, orthonormal directions; P(s) = origin + sum_k s_k d_k
    trajectories           where networks lie on a slice; principal components of a training path
    engine.bars            progress, and its off switch
    engine.blocks          a function of images over all of them: blocks, devices, precision
    engine.windows         convolutions and pools of all images, of slices
    engine.batching        one operation of a traced program on all images
    engine.axes            which axes of the parameters can be renumbered together
    engine.affine          which values of a program are affine in the parameters, and where it is cut
    engine.widened         a traced program, run with every float as float64
    engine.sums            sums over images, exact and fast
    engine.derivatives     value, gradient and Hessian of a sum in one pass
    engine.composed        a function of all images as a rest of something affine
    engine.hoist           what is affine along a slice is computed once
    engine.archive         an .npz written whole, and read without trusting it
    engine.kinds           the NamedTuples that a file may name
    engine.structure       results as JSON and arrays
    results                one result, one file
    engine.whole           a cost that is one number of the whole, and no mean over images
    engine.quantities      what is computed at each point: C, its derivatives, its make-up
    engine.coordinates     points of a slice, as arrays
    engine.program         a quantity at the points of a slice, compiled within the memory
    engine.asked           what is asked of a slice, checked
    engine.exact           a quantity at points of a slice, in float64
    engine.loops           operations that move and sum numbers, as loops of JavaScript
    engine.javascript      a traced program of one image as JavaScript
    engine.carried         a cost on planes as numbers and such a program
    engine.pages           what a page on planes of C carries
    engine.resume          an evaluation that was stopped is taken up again
    engine.sweep           a quantity at many points: planned, in tiles, to be taken up again
    engine.noise           how much of a slice is rounding
    engine.watched         what training records
    engine.trained         what training starts from, and leaves
    engine.means           C and what else is said of all images
    engine.products        products of the second derivatives of C with directions
    engine.dense           the whole matrix of these second derivatives
    cost                   C(w, b), accuracy, the distance of outputs
    layers                 C as a function of some layers alone
    devices                images, points or networks over the devices of a mesh
    descent                gradient, downhill, training in a scan, ensembles
    floors                 rounding noise of values and of curvatures along a slice
    slices                 lines, planes and grids of C, with their noise floor
    measures.variation     how much the values of a slice go up and down
    measures.fits          smooth parts of a slice: its quadratic, its dip
    measures.roughness     how much they bend, and how far out a slice is a bowl
    measures.frequency     how fast they change: spectrum, Chebyshev
    measures.minima        local minima with depth, basins and merge tree
    measures.bumpiness     every measure of a slice at once
    populations            many slices: drawn, of given networks
    measures.images        what of a slice is C's, what its images': resampled, by class, how sure a depth is
    measures.refinement    a line as fine as it must be
    measures.newton        Newton's steps from many points at once
    measures.critical      critical points of C on a slice; which minima of a grid are minima of C
    measures.nulls         the same measures of a bowl, of random surfaces and random walks
    curvature.products     products of the Hessian and the Gauss-Newton matrix with directions; both whole
    curvature.moments      trace and Frobenius norm of the Hessian, exactly
    curvature.estimates    these and its diagonal, from random probes
    curvature.lanczos      eigenpairs at the ends of its spectrum
    curvature.density      how many of its eigenvalues lie where
    curvature.sharpness    how much C rises around a minimum
    curvature.convexity    where on a slice C is convex
    connectivity.paths     the straight line between two networks, and its barrier
    connectivity.symmetry  hidden neurons renumbered so that one network fits another
    connectivity.orbit     other networks that are the same function: signs, scales, a neuron twice
    connectivity.curves    Bezier curves and chains between two networks
    connectivity.band      the lowest pass between two networks
    connectivity.graph     many minima, the passes between them, and what tree they make
    checkpoints            saved networks on the plane that shows most of them, or through three
    live                   a page in which one moves on C, offline and exact
    scales                 round levels and ticks of a figure, and where it needs decades
    exports                slices for other programs: CSV, and VTK for ParaView
    plot                   figures, drawn on given axes
    figures                whole figures, and files of them: PNG, SVG, PDF, moving GIF
"""

__version__ = "0.2.0"
