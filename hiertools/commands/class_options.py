"""Options of ranking by classes: declared once for every command that ranks so."""

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.files.json import Document
    from hiertools.search.class_scores import ClassRequest


class Weighting(StrEnum):
    """How classes count."""

    additive = "additive"
    power = "power"
    soft = "soft"


class GalleryClasses(StrEnum):
    """What says which class an item is of."""

    predicted = "predicted"
    labels = "labels"


WeightingOption = Annotated[
    Weighting, typer.Option("--weighting", help="Classes: how they count beside the cosine.")
]
Mu = Annotated[
    float,
    typer.Option(
        min=0, metavar="X", help="Classes: how much they count, by additive and soft weighting."
    ),
]
Kappa = Annotated[
    float,
    typer.Option(min=0, metavar="X", help="Classes: how much they count, by power weighting."),
]
TopCategories = Annotated[
    int,
    typer.Option(
        min=1, metavar="N", help="Classes: how many come first, the nearest to the query's."
    ),
]
GalleryOption = Annotated[
    GalleryClasses,
    typer.Option(
        "--gallery-classes",
        help="Classes: of items, the predicted ones, or their labels where these are classes.",
    ),
]
OracleQueryLabel = Annotated[
    bool,
    typer.Option(
        "--oracle-query-label",
        help="Classes: take each query's true label for its class. Such results are marked.",
    ),
]

WEIGHTED, HIERARCHICAL = "weighted", "hierarchical"
BY_CLASSES = (WEIGHTED, HIERARCHICAL)
MU = 0.25

# Options of ranking by classes, as they are when not given.
OF_CLASSES: dict[str, Any] = {
    "weighting": Weighting.additive, "mu": MU, "kappa": 1.0, "top_categories": 10,
    "gallery_classes": GalleryClasses.predicted, "oracle_query_label": False,
}  # fmt: skip
_WEIGHTINGS = {
    "mu": (Weighting.additive, Weighting.soft),
    "kappa": (Weighting.power,),
    "gallery_classes": (Weighting.additive, Weighting.power),
}


def class_request(by: str, options: dict[str, Any]) -> "ClassRequest | None":
    """Return how classes count, None if they do not. Raises `UsageError` for idle options."""
    from hiertools.search.class_costs import Weighing
    from hiertools.search.class_scores import ClassRequest

    given = [name for name, absent in OF_CLASSES.items() if options[name] != absent]
    if by not in BY_CLASSES:
        _refuse(f"--by {by}", given)
        return None
    weighting = options["weighting"]
    _refuse(
        f"--weighting {weighting.value}",
        [name for name in given if weighting not in _WEIGHTINGS.get(name, (weighting,))],
    )
    if by == WEIGHTED:
        _refuse(f"--by {by}", [name for name in given if name == "top_categories"])
    for name in ("mu", "kappa"):
        if not math.isfinite(options[name]):
            raise UsageError(f"--{name} {options[name]} is no number")
    categories = options["top_categories"] if by == HIERARCHICAL else None
    weighing = Weighing(weighting.value, options["mu"], options["kappa"], categories)
    gallery = options["gallery_classes"].value
    return ClassRequest(weighing, gallery, options["oracle_query_label"])


def _refuse(why: str, names: list[str]) -> None:
    if names:
        raise UsageError(f"{why}: --{names[0].replace('_', '-')} does not apply")


def header(request: "ClassRequest") -> "Document":
    """Return what an output says of how classes counted."""
    weighing = request.weighing
    said: Document = {"weighting": weighing.weighting}
    if weighing.weighting == Weighting.power:
        said["kappa"] = weighing.kappa
    else:
        said["mu"] = weighing.mu
    if weighing.categories is not None:
        said["top_categories"] = weighing.categories
    said["gallery_classes"] = request.gallery
    return said | ({"oracle_query_label": True} if request.oracle else {})
