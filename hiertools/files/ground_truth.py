"""Ground truth of Revisited Oxford and Paris: `gnd_*.pkl`, or the same as JSON.

Both hold `{imlist: names of images, qimlist: names of queries, gnd: [{easy, hard, junk: places in
imlist, bbx?: x0, y0, x1, y1}…]}`, as Radenovic et al., CVPR 2018, published it.
"""

import io
import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hiertools.errors import UserError
from hiertools.files import json
from hiertools.files.inputs import Source

LISTS = ("easy", "hard", "junk")
MOST_BYTES = 1 << 28  # of a pickle: a thousand times what is published


@dataclass(frozen=True)
class Judged:
    """Places of images that are easy, hard, or neither right nor wrong for a query."""

    easy: NDArray[np.int64]
    hard: NDArray[np.int64]
    junk: NDArray[np.int64]


@dataclass(frozen=True)
class GroundTruth:
    """Names of images and of queries, and what is judged of each query."""

    images: list[str]
    queries: list[str]
    judged: list[Judged]


class _Refusing(pickle.Unpickler):
    """Reads containers, texts and numbers; whatever would be looked up, or run, is refused."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")

    def persistent_load(self, pid: Any) -> Any:
        raise pickle.UnpicklingError("it names an object elsewhere")


def read_ground_truth(source: Source) -> GroundTruth:
    """Read a ground truth. Nothing that a pickle holds is run.

    Raises `UserError` for one that is not plain lists of names and places.
    """
    name = source.name
    if source.head.lstrip()[:1] == b"{":
        return _checked(json.loads(source.text(), name), name)
    data = source.read(MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise UserError(f"{name}: is larger than any ground truth")
    try:
        found = _Refusing(io.BytesIO(data)).load()
    except Exception as error:  # a damaged pickle raises nearly anything
        reason = " ".join(str(error).split())
        raise UserError(
            f"{name}: is no ground truth of plain lists ({reason}), and was not run; give the"
            " published gnd_*.pkl, or the same as JSON"
        ) from None
    return _checked(found, name)


def _checked(found: Any, name: str) -> GroundTruth:
    if not isinstance(found, dict) or not {"imlist", "qimlist", "gnd"} <= found.keys():
        raise UserError(f"{name}: is no ground truth: imlist, qimlist and gnd are needed")
    images, queries = (_names(found[key], f"{name}: {key}") for key in ("imlist", "qimlist"))
    cases = found["gnd"]
    if not isinstance(cases, list) or len(cases) != len(queries):
        raise UserError(f"{name}: gnd is not a list with an entry for each of {len(queries):,}")
    judged = [_judged(case, len(images), f"{name}: gnd[{i}]") for i, case in enumerate(cases)]
    return GroundTruth(images, queries, judged)


def _names(found: Any, name: str) -> list[str]:
    if not isinstance(found, list) or not all(isinstance(text, str) and text for text in found):
        raise UserError(f"{name} is not a list of names")
    if len(set(found)) != len(found):
        raise UserError(f"{name} has a name twice")
    return found


def _judged(case: Any, images: int, name: str) -> Judged:
    if not isinstance(case, dict) or not set(LISTS) <= case.keys():
        raise UserError(f"{name} does not have {', '.join(LISTS)}")
    places = [_places(case[key], images, f"{name}.{key}") for key in LISTS]
    every = np.concatenate(places)
    if len(np.unique(every)) != len(every):
        raise UserError(f"{name} has an image twice")
    return Judged(*places)


def _places(found: Any, images: int, name: str) -> NDArray[np.int64]:
    whole = isinstance(found, list) and all(type(place) is int for place in found)
    if not whole or any(not 0 <= place < images for place in found):
        raise UserError(f"{name} is not a list of places in imlist")
    return np.array(found, np.int64)
