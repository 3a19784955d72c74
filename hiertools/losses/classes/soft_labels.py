"""Cross-entropy with labels that give the near classes a share, the more the nearer they are.

Soft labels of Bertinetto et al. 2020, "Making Better Mistakes" (arXiv:1912.09393), section 3.2:
y_k = exp(-beta d(c, k)) / sum over j of exp(-beta d(c, j)). Their d is the height of the lowest
common ancestor as a share of the greatest, in [0, 1]. Here d is a share of the greatest distance
too, whichever distance the hierarchy has, so that their beta, of 4 to 30, means the same.
"""

from jaxtyping import Float
from torch import Tensor

from hiertools.losses import given
from hiertools.losses.outputs import Outputs
from hiertools.losses.relations import kernel


def loss(outputs: Outputs, *, beta: float = 10.0) -> Float[Tensor, ""]:
    """Return the mean over the items of the cross-entropy with their soft labels; 0 of no items.

    beta: how fast a class's share falls with its distance; with inf this is cross-entropy, with 0
    all classes have the same share.
    """
    given.at_least_0(beta=beta)
    distances = outputs.relations.distances
    shares = kernel(distances[outputs.labels] / distances.max().clamp(min=1e-6), beta)
    shares = shares / shares.sum(1, keepdim=True)
    return -(shares * outputs.logits.log_softmax(1)).sum() / max(1, len(outputs.labels))
