"""What `speed.py --peer` measures the kit against, in PyTorch; needs `pip install torch loss-landscapes`.

Written as the published tools and tutorials write it. Both count the same images and the same cost.
"""

import copy

import jax
import loss_landscapes
import loss_landscapes.metrics
import numpy as np
import torch

BATCH = 128


def tensors(tree):
    """The arrays of a pytree as tensors."""
    return jax.tree.map(lambda leaf: torch.tensor(np.asarray(leaf)), tree)


def network(params):
    """The sigmoid network with these weights and biases."""
    layers = []
    for w, b in zip(*tensors(params), strict=True):
        layer = torch.nn.Linear(w.shape[1], w.shape[0])
        layer.weight.data, layer.bias.data = w, b
        layers += [layer, torch.nn.Sigmoid()]
    return torch.nn.Sequential(*layers)


def quadratic(a, y):
    """The mean over images of the sum of squared differences."""
    return ((a - y) ** 2).sum(1).mean()


def usual_loop(C, origin, uv):
    """The mean cost at each point: a deep copy of the model moved there, mini-batches, `.item()` for each."""
    model, (x, y) = network(origin), tensors((C.images.x, C.images.y))
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), BATCH)
    flat = [[leaf for pair in zip(*d, strict=True) for leaf in pair] for d in tensors(uv)]

    @torch.no_grad()
    def run(points):
        values = []
        for alpha, beta in points.tolist():
            moved = copy.deepcopy(model)
            for p, a, b in zip(moved.parameters(), *flat, strict=True):
                p += alpha * a + beta * b
            total = sum(quadratic(moved(xs), ys).item() * len(xs) for xs, ys in data)
            values.append(total / len(x))
        return values

    return run


def random_plane(C, origin, side):
    """The package loss-landscapes' own plane of side x side points, the whole set as one batch."""
    metric = loss_landscapes.metrics.Loss(quadratic, *tensors((C.images.x, C.images.y)))
    model = network(origin)

    @torch.no_grad()
    def run(_):
        return loss_landscapes.random_plane(model, metric, 1, side, "filter", deepcopy_model=True)

    return run


def epoch(C, params, rate, batch):
    """One epoch of stochastic gradient descent."""
    model, (x, y) = network(params), tensors((C.images.x, C.images.y))
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)

    def run(_):
        order = torch.randperm(len(x))
        for i in range(0, len(x) - batch + 1, batch):
            chosen = order[i : i + batch]
            optimizer.zero_grad()
            quadratic(model(x[chosen]), y[chosen]).backward()
            optimizer.step()

    return run
