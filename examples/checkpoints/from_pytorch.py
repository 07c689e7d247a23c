"""PyTorch: state dicts by way of numpy. Torch's weights are [to, from], as here: nothing is transposed."""

from pathlib import Path

import numpy as np
import torch

from jaxcost import checkpoints, cost, data, figures, losses, network

folder = Path("output/pytorch")
folder.mkdir(parents=True, exist_ok=True)
train = data.digits()[0][:500]
x, y = (torch.from_numpy(np.array(part)) for part in (train.x, train.y))
model = torch.nn.Sequential(torch.nn.Linear(784, 16), torch.nn.Sigmoid(), torch.nn.Linear(16, 10))
adam = torch.optim.Adam(model.parameters(), lr=0.01)
for step in range(41):  # your training
    adam.zero_grad()
    torch.nn.functional.cross_entropy(model(x), y).backward()
    if step % 5 == 0:
        torch.save(model.state_dict(), folder / f"{step:04}.pt")
    adam.step()

numbers = lambda file: [leaf.numpy() for leaf in torch.load(file, weights_only=True).values()]
read = lambda file: network.Params(tuple(numbers(file)[::2]), tuple(numbers(file)[1::2]))  # weight, bias, weight, bias
C = cost.Cost(train, network.logits, losses.softmax_cross_entropy)
found = checkpoints.principal(C, sorted(folder.glob("*.pt")), read=read)
figures.save(folder / "path.png", figures.journey(found))
