"""Cross-entropy alone, which knows of no hierarchy: what the other losses are compared with.

Muñoz Guerrero et al. 2025, "Leveraging ImageNet's Hierarchical Structure for Enhanced Image
Classification and Retrieval", eq. 3.
"""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from hiertools.losses.outputs import Outputs


def loss(outputs: Outputs) -> Float[Tensor, ""]:
    """Return the mean of -log p of the items' classes; 0 of no items."""
    total = functional.cross_entropy(outputs.logits, outputs.labels, reduction="sum")
    return total / max(1, len(outputs.labels))
