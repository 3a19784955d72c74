"""Rules that give each class some of the probability of the classes near it: p becomes M p.

Omega are the weights of every two classes, whose rows sum to 1: row i says how much class i takes
of the others (Muñoz Guerrero et al. 2025, eq. 6 and 8). So the rows of M sum to 1 too, but M p need
not: it is normalised.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from hiertools.losses.relations import omega

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Mixing:
    """A matrix M (C x C) for probabilities p: M p, normalised, are new ones.

    own: the share of the identity in M.
    """

    matrix: Matrix
    own: float

    @property
    def kept(self) -> float:
        """Return what is left of the probability of a class that was certain; the mean of all."""
        return float((np.diag(self.matrix) / self.matrix.sum(0)).mean())

    @property
    def least_gap(self) -> float:
        """Return the gap of the two largest p from which on the first class stays the first.

        With M = e I + R the score of k passes that of l only if p_l - p_k is less than
        sum over j of (R_kj - R_lj) p_j / e, which is at most the largest difference within a
        column of R, over e. At most 1, which no gap is above.
        """
        rest = self.matrix - self.own * np.eye(len(self.matrix))
        widest = float((rest.max(0) - rest.min(0)).max())
        return 1.0 if widest >= self.own else widest / self.own


def weights(distances: Matrix, decay: float) -> Matrix:
    """Return Omega, with the class itself among those that it takes of."""
    found: Matrix = omega(torch.from_numpy(distances), decay, with_self=True).numpy()
    return found


def refining(weights: Matrix, *, influence: float, steps: int) -> Mixing:
    """Return the inference of Muñoz Guerrero et al. 2025, eq. 8 to 11, as one matrix.

    s_i = p_i + b sum_j omega_ij p_j, then s / sum s, T times. That is linear but for the sums:
    M = ((I + b Omega) / (1 + b))^T. influence: b, which the paper calls alpha, as it does the decay
    of Omega; steps: T. As T grows all rows of M become the same, and M p uniform.
    """
    step = (np.eye(len(weights)) + influence * weights) / (1 + influence)
    return Mixing(np.linalg.matrix_power(step, steps), (1 + influence) ** -steps)


def walking(weights: Matrix, *, restart: float) -> Mixing:
    """Return random walks with restart: M = (1 - r) (I - r Omega)^-1.

    Tong, Faloutsos & Pan 2006. M is the sum over t of (1 - r) r^t Omega^t: after each step a walk
    goes on with the probability r, in [0, 1). However far walks go, p keeps the share 1 - r.
    """
    walks = np.linalg.inv(np.eye(len(weights)) - restart * weights)
    return Mixing(np.asarray((1 - restart) * walks, np.float64), 1 - restart)
