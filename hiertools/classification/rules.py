"""Rules that rank classes by their probabilities and by what a hierarchy says of them.

Of classes that a rule ranks the same, the one of the higher logit comes first, then the first in
the order of the classes.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from hiertools.classification.mixing import Mixing
from hiertools.classification.nodes import Nodes
from hiertools.taxonomy import Taxonomy


@dataclass(frozen=True)
class Judged:
    """What a rule makes of b items: all b x C, float32.

    ranks: what classes are ranked by, HIGHER first; probabilities: what is reported of them, in
    rows that sum to 1; costs: expected distances, None for rules that have none.
    """

    ranks: Tensor
    probabilities: Tensor
    costs: Tensor | None = None


Judge = Callable[[Tensor, Tensor], Judged]  # of logits and of their probabilities


def judge(rule: str, taxonomy: Taxonomy, mixing: Mixing | None) -> Judge:
    """Return a rule: crm, hie, one that mixes (paper, restart), or else the likeliest class.

    The rule ancestor ranks classes as argmax does, but answers with a node.
    """
    if mixing is not None:
        return mixed(mixing)
    return {"crm": least_risk, "hie": with_parents}.get(rule, likeliest)(taxonomy)


def likeliest(taxonomy: Taxonomy) -> Judge:
    """Rank by probability."""
    return lambda logits, p: Judged(logits, p)


def mixed(mixing: Mixing) -> Judge:
    """Rank by M p, normalised."""
    matrix = torch.from_numpy(mixing.matrix.T.astype(np.float32).copy())
    return lambda logits, p: _by_score(p @ matrix)


def least_risk(taxonomy: Taxonomy) -> Judge:
    """Rank by the expected distance to the true class, the least first: sum over j of D_kj p_j.

    Conditional risk minimisation, Karthik et al. 2021 (arXiv:2104.00795).
    """
    distances = torch.from_numpy(taxonomy.distances.T.astype(np.float32).copy())

    def judge(logits: Tensor, p: Tensor) -> Judged:
        costs = p @ distances
        return Judged(-costs, p, costs)

    return judge


def with_parents(taxonomy: Taxonomy) -> Judge:
    """Rank by the probability of a class times that of its parent of least depth, normalised.

    After Jain et al. 2023 (arXiv:2302.00368), hierarchical ensembles: there another classifier
    gives the probabilities of parents, here they are sums over the classes at or below. A root has
    no parent, and the factor 1.
    """
    nodes = Nodes(taxonomy)
    parents = [taxonomy.parent(key) for key in taxonomy.classes]
    is_root = np.array([parent is None for parent in parents])
    rows = np.array([0 if parent is None else taxonomy.rows[parent] for parent in parents])

    def judge(logits: Tensor, p: Tensor) -> Judged:
        above = np.where(is_root, np.float32(1), nodes.sums(p.numpy())[:, rows])
        return _by_score(p * torch.from_numpy(above))

    return judge


def _by_score(scores: Tensor) -> Judged:
    """Return scores as probabilities, by which classes are ranked."""
    found = scores / scores.sum(1, keepdim=True)
    return Judged(found, found)
