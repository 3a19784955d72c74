"""How alike classes are, as inner products: what makes probabilities a part of a vector.

p^T K q, with K the similarities 1 / (1 + d) of classes, is the inner product of K^1/2 p and
K^1/2 q if K is positive semi-definite. That is so for trees, and for most directed acyclic graphs;
of others the negative eigenvalues are taken for 0, which gives the nearest such matrix (Higham
1988, Computing a nearest symmetric positive semidefinite matrix).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hiertools.files.json import Document

ROUNDING = 1e-9  # of an eigenvalue: as much below 0 is 0
DIGITS = 6  # of an eigenvalue in a file: what does not depend on the machine

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Kernel:
    """root: the symmetric K^1/2 (classes x classes); least: the least eigenvalue of K; error: the
    largest difference of a similarity from that of root x root, 0 if no eigenvalue is below 0.
    """

    root: Matrix
    least: float
    error: float

    @property
    def is_clipped(self) -> bool:
        """Return whether similarities had to be changed."""
        return self.least < -ROUNDING

    def document(self) -> Document:
        """Return what a file says of it."""
        return {
            "least_eigenvalue": round(self.least, DIGITS),
            "largest_error": float(f"{self.error:.{DIGITS}g}"),
        }


def kernel(similarities: Matrix) -> Kernel:
    """Return the kernel of symmetric similarities (classes x classes)."""
    values, vectors = np.linalg.eigh(similarities)
    least = float(values[0])
    root = (vectors * np.sqrt(values.clip(min=0))) @ vectors.T
    error = float(np.abs(root @ root - similarities).max()) if least < -ROUNDING else 0.0
    return Kernel(root, least, error)


def warning(kernel: Document) -> str | None:
    """Return what has to be said if similarities were changed, of what a file says of a kernel."""
    if not kernel["largest_error"]:
        return None
    return (
        "the similarities of these classes are no inner products (least eigenvalue"
        f" {kernel['least_eigenvalue']:.4g}): soft weighting takes the nearest that are, off by up"
        f" to {kernel['largest_error']:.3g}"
    )
