"""The side of `hiertools query` that ranks the items of an index of classes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.commands import class_options, query_effort
from hiertools.commands.query_points import OF_POINTS, By, Look
from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.files.index import Index
    from hiertools.search.class_scores import ClassRequest, ClassScorer

BY = (By.cosine, By.weighted, By.hierarchical)


def look_at_classes(found: "Index", name: Path, options: dict[str, Any]) -> Look:
    """Return how items are ranked by their points and their classes, or by the cosine alone.

    Raises `UsageError` for options that do not apply.
    """
    from hiertools.search.ranking import PointView
    from hiertools.search.scores import Measure

    by = options["by"] or By.cosine
    if by not in BY:
        raise UsageError(f"{name} is an index of classes: --by is one of {', '.join(BY)}")
    for option, absent in OF_POINTS.items():
        if options[option] != absent:
            raise UsageError(
                f"{name} is an index of classes: --{option.replace('_', '-')} does not apply"
            )
    request = class_options.class_request(by.value, options)
    effort = query_effort.effort(found, name, _wanted(by, request), options)
    if request is None:
        measure = Measure(by.value, "children", "ext", found.meta["geometry"], found.meta["c"])
        view = PointView(found, str(name), measure, approximate=effort is not None)
        return Look(view, effort, None, {"by": by.value})
    scorer = _scorer(found, name, request, approximate=effort is not None)
    _say(scorer, request)
    return Look(scorer, effort, None, {"by": by.value, **class_options.header(request)})


def _wanted(by: By, request: "ClassRequest | None") -> str:
    """Return what a structure would have to be for, in words."""
    if request is None:
        return by.value
    weighting = request.weighing.weighting
    return f"{weighting} weighting" if by is By.weighted else f"{by.value} ranking"


def _scorer(
    found: "Index", name: Path, request: "ClassRequest", *, approximate: bool
) -> "ClassScorer":
    from hiertools.search import folding
    from hiertools.search.class_scores import ClassScorer

    structure = None
    if approximate:
        structure = folding.structure_of(found, str(name), mu=request.weighing.mu)
    return ClassScorer(found, str(name), request, structure=structure)


def _say(scorer: "ClassScorer", request: "ClassRequest") -> None:
    """Say what the user may not expect."""
    from hiertools.search import class_kernel
    from hiertools.terminal import say

    classes, categories = len(scorer.taxonomy.classes), request.weighing.categories
    if categories is not None and categories > classes:
        say(f"--top-categories {categories}: there are {classes:,} classes; all are taken")
    if scorer.unlabelled:
        say(
            f"{scorer.unlabelled:,} items have no label that is a class; for these the predicted"
            " class is taken"
        )
    if request.weighing.weighting == "soft":
        problem = class_kernel.warning(scorer.kernel.document())
        if problem:
            say(problem)
