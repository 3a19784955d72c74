"""Points with more numbers beside each, which are put together for those that are asked for."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Chosen = NDArray[Any] | slice


class Columns(Protocol):
    """Rows of float32 that can be chosen: an array, or what computes or fetches them."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any, /) -> Any: ...


class Beside:
    """n rows: those of several columns beside each other. Nothing is copied but what is chosen."""

    def __init__(self, *columns: Columns) -> None:
        self._columns = columns

    def __len__(self) -> int:
        return len(self._columns[0])

    def __getitem__(self, rows: Chosen) -> Vectors:
        """Return some rows, as float32."""
        parts = [np.asarray(column[rows], np.float32) for column in self._columns]
        return np.concatenate(parts, axis=1)
