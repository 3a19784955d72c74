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
    equal = values[:, 1:] == values[:, :-1]
    found = places[:, :k].numpy().copy()
    tied = equal.any(1).nonzero()[:, 0]
    if len(tied):
        found[tied.numpy()] = _in_order(values[tied, :k], places[tied, :k], logits, tied)
    # where those left out are as good as the last one, all that are have to be looked at
    open_ended = equal[:, k - 1 :].any(1).nonzero()[:, 0]
    if len(open_ended):
        least = values[open_ended, k - 1 : k]
        most = int((ranks[open_ended] >= least).sum(1).max())
        whole = _in_order(*ranks[open_ended].topk(most), logits, open_ended)
        found[open_ended.numpy()] = whole[:, :k]
    return found


def _in_order(values: Tensor, places: Tensor, logits: Tensor, rows: Tensor) -> Places:
    """Return the places of some rows in order: by value, then by logit, then by place."""
    keys = places, -logits[rows[:, None], places], -values
    order = np.lexsort([key.numpy() for key in keys], axis=1)
    return np.take_along_axis(places.numpy(), order, 1)


def softmax(logits: Tensor, temperature: float | None) -> Tensor:
    """Return the probabilities of logits (b x C), divided by a temperature if there is one."""
    return torch.softmax(logits if temperature is None else logits / temperature, 1)
