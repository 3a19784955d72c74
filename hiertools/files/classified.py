"""What class an item was given, and what is no such answer."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hiertools.errors import UserError

SLACK = 1e-6  # by which rounding may take a probability beyond the one before it
ANCESTOR = "ancestor"  # the rule whose node need not be a class


@dataclass(frozen=True)
class ClassPrediction:
    """The classes of an item, and the node of the hierarchy that it was given.

    top: classes, best first; probabilities: of these, in [0, 1], None if a file made elsewhere has
    none; costs: expected distances of these, None for rules that have none; path: nodes from the
    root to the predicted one, which is the last; names, path_probabilities: of these, the latter
    the sum over the classes at or below; labels: the true ones, None if they are not known. Without
    a header a file has no paths: they are empty then.
    """

    id: str
    top: list[str]
    probabilities: list[float] | None
    costs: list[float] | None = None
    path: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    path_probabilities: list[float] = field(default_factory=list)
    labels: list[str] | None = None

    @property
    def depth(self) -> int | None:
        """Return the fewest edges from a root to the predicted node, None without a path."""
        return len(self.path) - 1 if self.path else None


Placed = tuple[str, ClassPrediction]  # where it stands in its file, and the prediction


def checked(
    predictions: Iterable[Placed], name: str, *, classes: Iterable[str] | None, rule: str | None
) -> Iterator[ClassPrediction]:
    """Yield predictions. Raises `UserError` at the first that is none; no item comes twice.

    classes, rule: of the file's header; None for predictions of another program.
    """
    known = None if classes is None else set(classes)
    seen: set[str] = set()
    for place, prediction in predictions:
        problem = _problem_of_top(prediction, known)
        if not problem and known is not None:
            problem = _problem_of_order(prediction) or _problem_of_path(prediction, rule)
        if prediction.id in seen:
            problem = f"the item {prediction.id!r} is there twice"
        if problem:
            raise UserError(f"{name}: {place}: {problem}")
        seen.add(prediction.id)
        yield prediction


def _problem_of_top(found: ClassPrediction, known: set[str] | None) -> str:
    top, probabilities, costs = found.top, found.probabilities, found.costs
    if not top:
        return "has no classes"
    for values in (probabilities, costs):
        if values is not None and len(values) != len(top):
            return "some of its classes have no probability or no cost"
    if len(set(top)) != len(top):
        return f"the class {next(key for key in top if top.count(key) > 1)!r} is there twice"
    if known is not None and not known.issuperset(top):
        foreign = next(key for key in top if key not in known)
        return f"{foreign!r} is not one of the {len(known):,} classes"
    if problem := _problem_of_range(top, probabilities or []):
        return problem
    if costs is not None and not all(0 <= cost < float("inf") for cost in costs):
        return "a cost is not a number of at least 0"
    return ""


def _problem_of_range(keys: list[str], probabilities: list[float]) -> str:
    for key, probability in zip(keys, probabilities, strict=False):
        if not 0 <= probability <= 1:
            return f"the probability of {key!r} is not from 0 to 1"
    return ""


def _problem_of_order(found: ClassPrediction) -> str:
    """Say where the top is not in the order of its rule: by cost if there is one."""
    if found.probabilities is None:
        return "its classes have no probabilities"
    if found.costs is not None:
        falls = _first_rise([-cost for cost in found.costs])
        return f"{found.top[falls]!r} has a lower cost than the one before" if falls else ""
    rise = _first_rise(found.probabilities)
    return f"{found.top[rise]!r} is more probable than the one before" if rise else ""


def _first_rise(values: list[float]) -> int:
    """Return the first place whose value is above that of the place before, 0 if there is none."""
    if sorted(values, reverse=True) == values:
        return 0
    return next(i for i in range(1, len(values)) if values[i] > values[i - 1])


def _problem_of_path(found: ClassPrediction, rule: str | None) -> str:
    path, probabilities = found.path, found.path_probabilities
    if not path:
        return "has no path"
    if not len(path) == len(found.names) == len(probabilities):
        return f"{len(path)} nodes, {len(found.names)} names, {len(probabilities)} probabilities"
    if len(set(path)) != len(path):
        return "a node is in the path twice"
    if problem := _problem_of_range(path, probabilities):
        return problem
    for place in range(1, len(path)):
        if probabilities[place] > probabilities[place - 1] + SLACK:
            return f"{path[place]!r} is more probable than the node above it"
    if rule != ANCESTOR and path[-1] != found.top[0]:
        return f"the path ends at {path[-1]!r}, not at the class {found.top[0]!r}"
    return ""
