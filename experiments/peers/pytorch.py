"""What `speed.py --peer` measures the kit against, in PyTorch; needs `pip install torch loss-landscapes`.

Written as the published tools and tutorials write it. Both count the same images and the same cost.
"""

import copy

import loss_landscapes
import loss_landscapes.metrics
import torch

BATCH = 128


def network(params):
    """The sigmoid network with these weights and biases."""
    layers = []
    for w, b in zip(*params, strict=True):
        layer = torch.nn.Linear(w.shape[1], w.shape[0])
        layer.weight.data, layer.bias.data = torch.tensor(w), torch.tensor(b)
        layers += [layer, torch.nn.Sigmoid()]
    return torch.nn.Sequential(*layers)


def quadratic(a, y):
    """The mean over images of the sum of squared differences."""
    return ((a - y) ** 2).sum(1).mean()


def usual_loop(x, y, params, uv):
    """The mean cost at each point: a deep copy of the model moved there, mini-batches, `.item()` for each."""
    model = network(params)
    data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y)), BATCH)
    flat = [[torch.tensor(leaf) for pair in zip(*d, strict=True) for leaf in pair] for d in uv]

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


def random_plane(x, y, params, side):
    """The package loss-landscapes' own plane of side x side points, the whole set as one batch."""
    metric = loss_landscapes.metrics.Loss(quadratic, torch.tensor(x), torch.tensor(y))
    model = network(params)

    @torch.no_grad()
    def run(_):
        return loss_landscapes.random_plane(model, metric, 1, side, "filter", deepcopy_model=True)

    return run


def epoch(x, y, params, rate, batch):
    """One epoch of stochastic gradient descent."""
    x, y = torch.tensor(x), torch.tensor(y)
    model = network(params)
    optimizer = torch.optim.SGD(model.parameters(), lr=rate)

    def run():
        order = torch.randperm(len(x))
        for i in range(0, len(x) - batch + 1, batch):
            chosen = order[i : i + batch]
            optimizer.zero_grad()
            quadratic(model(x[chosen]), y[chosen]).backward()
            optimizer.step()

    return run
