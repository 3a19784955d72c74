"""The best of many, with ties in order."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Places = NDArray[np.int64]


def best(ranks: Tensor, logits: Tensor, k: int) -> Places:
    """Return the places of the k highest of each row, the highest first (b x k).

    Of equal ranks the higher logit comes first, then the first place. ranks, logits: b x C; k: at
    most C.
    """
    values, places = ranks.topk(min(k + 1, ranks.shape[1]))
    found = places[:, :k].numpy()
    tied = (values[:, 1:] == values[:, :-1]).any(1).nonzero()[:, 0]
    if len(tied):
        found[tied.numpy()] = _in_order(ranks[tied], logits[tied], values[tied, k - 1], k)
    return found


def _in_order(ranks: Tensor, logits: Tensor, least: Tensor, k: int) -> Places:
    """Return the same for rows with ties. least: the k-th rank of each row."""
    most = int((ranks >= least[:, None]).sum(1).max())
    values, places = ranks.topk(most)
    keys = places, -logits.gather(1, places), -values
    order = np.lexsort([key.numpy() for key in keys], axis=1)
    return np.take_along_axis(places.numpy(), order, 1)[:, :k]


def softmax(logits: Tensor, temperature: float | None) -> Tensor:
    """Return the probabilities of logits (b x C), divided by a temperature if there is one."""
    return torch.softmax(logits if temperature is None else logits / temperature, 1)
