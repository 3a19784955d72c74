"""What a loss of classes gets: the outputs for a batch, and what the hierarchy says of classes.

Everything is of the whole batch, over all ranks: a rank takes its share of the loss by dividing it
by their number. All tensors of floats have one type; classes go by their order in the taxonomy.

A member of `losses/classes/` may have more than its function `loss`, and who trains looks for it:

- `class_embeddings(similarities)`: the fixed unit vectors of the classes, [C, d]. The embeddings
  then have their dimension, and they are the rows of the classifier, which does not learn;
- an option `average` that is not 0: `Outputs.averages` is wanted, and is kept between the steps by
  `prototypes.moved`.
"""

from dataclasses import dataclass

from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Relations:
    """What the hierarchy says of every two classes. Made once, by `relations.of`.

    distances: 0 on the diagonal; similarities: 1 on the diagonal; related: which attract each
    other, not a class itself; joins: edges from the root down to where the ways to two classes
    part, and on the diagonal to the class itself.
    """

    distances: Float[Tensor, "C C"]
    similarities: Float[Tensor, "C C"]
    related: Bool[Tensor, "C C"]
    joins: Int[Tensor, "C C"]


@dataclass(frozen=True)
class Outputs:
    """A batch of b items and what a model says of them.

    embeddings: as the model makes them, of any length; logits: of the classes; labels: the place
    of each item's class; rows: those of the classifier; averages: moving averages of the classes'
    prototypes, a row of zeros for a class that was never seen, or None if none are kept.
    """

    embeddings: Float[Tensor, "b d"]
    logits: Float[Tensor, "b C"]
    labels: Int[Tensor, " b"]
    rows: Float[Tensor, "C d"]
    relations: Relations
    averages: Float[Tensor, "C d"] | None
