"""How hard a query looks: exact search, or the options of approximate search."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.files.index import Index
    from hiertools.files.json import Document
    from hiertools.search.approximate import Effort

# Options of approximate search: when not given, and the methods that have them.
EFFORT: dict[str, tuple[int, tuple[str, ...]]] = {
    "oversample": (4, ("flat", "ivf", "hnsw")),
    "probes": (16, ("ivf",)),
    "ef": (64, ("hnsw",)),
}
SERVES = {"cosine": ("cosine", "angle"), "distance": ("distance",), "soft": ("soft weighting",)}


def effort(found: "Index", name: Path, wanted: str, options: dict[str, Any]) -> "Effort | None":
    """Return how to search through the structure, None for exact search.

    wanted: what hits are ranked by. Raises `UsageError` for options that would do nothing and
    `UserError` for a structure that is for something else.
    """
    from hiertools.search.approximate import Effort

    method = "exact" if options["exact"] else found.meta["method"]
    for option, (absent, methods) in EFFORT.items():
        if options[option] != absent and method not in methods:
            raise UsageError(f"{name} is searched by {method}: --{option} does not apply")
    if method == "exact":
        return None
    served = SERVES[found.meta["by"]]
    if wanted not in served:
        made = " and ".join(served if found.meta["task"] != "classes" else served[:1])
        raise UserError(f"{name}: its structure is for {made}, not {wanted}; give --exact")
    return Effort(*(options[option] for option in EFFORT))


def header(found: "Index", effort: "Effort | None") -> "Document":
    """Return what the results say of it."""
    if effort is None:
        return {"method": "exact"}
    method = found.meta["method"]
    tried = {option for option, (_, methods) in EFFORT.items() if method in methods}
    return {
        "method": method,
        **{option: getattr(effort, option) for option in EFFORT if option in tried},
    }
