"""Curvature in PyTorch, as its published tools take it: double backward, curvlinops, PyHessian."""

import numpy as np
import torch
from peers import pytorch
from scipy.sparse.linalg import eigsh


class _Quadratic(torch.nn.Module):
    """The mean over images of the sum of squared differences, as the tools call a loss."""

    reduction = "mean"

    def forward(self, a, y):
        return pytorch.quadratic(a, y)


def double_backward(C, params):
    """H v by the gradient of (gradient . v), all images one batch."""
    model, (x, y) = pytorch.network(params), pytorch.tensors((C.images.x, C.images.y))
    weights = list(model.parameters())
    v = [torch.randn_like(p) for p in weights]

    def run():
        slopes = torch.autograd.grad(pytorch.quadratic(model(x), y), weights, create_graph=True)
        return torch.autograd.grad(sum((g * u).sum() for g, u in zip(slopes, v, strict=True)), weights)

    return run


def top(C, params, k, tolerance):
    """Functions that give the k highest eigenvalues, by the tool's name; those that are not installed are left out."""
    model, (x, y) = pytorch.network(params), pytorch.tensors((C.images.x, C.images.y))
    ways = {}
    try:
        from curvlinops import HessianLinearOperator

        weights = list(model.parameters())

        def by_curvlinops():
            H = HessianLinearOperator(model, _Quadratic(), weights, [(x, y)]).to_scipy()
            return eigsh(H, k=k, which="LA", tol=tolerance, v0=np.random.default_rng(0).normal(size=H.shape[0]))[0][
                ::-1
            ]

        ways[f"top {k}, curvlinops and scipy's eigsh"] = by_curvlinops
    except ImportError as error:
        print(f"curvlinops is left out: {error}")
    try:
        from pyhessian import hessian

        run = lambda: hessian(model, _Quadratic(), data=(x, y), cuda=False).eigenvalues(tol=tolerance, top_n=k)[0]
        ways[f"top {k}, PyHessian"] = run
    except ImportError as error:
        print(f"PyHessian is left out: {error}")
    return ways
