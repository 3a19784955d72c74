"""Where items are placed in a hierarchy of entities, and what is no such place."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from hiertools.errors import UserError

LIMITS = {"latitude": 90.0, "longitude": 180.0}
SLACK = 1e-9  # by which rounding may take a probability beyond the one before it


@dataclass(frozen=True)
class Step:
    """An entity with its probability, in [0, 1], and its centroid in degrees if there is one.

    level: its name, such as `city`; key: of the entity; name: as people write it.
    """

    level: str
    key: str
    name: str
    probability: float
    latitude: float | None = None
    longitude: float | None = None


@dataclass(frozen=True)
class Prediction:
    """Where an item is placed.

    top: entities that end a path, best first; path: the best path, from the top, named levels
    only; latitude, longitude: degrees, None without coordinates; level: the deepest level that is
    sure enough; confidence: the probability of the path there. A prediction of another program has
    an id and coordinates alone: no top, no path, level None.
    """

    id: str
    top: list[Step]
    path: list[Step]
    latitude: float | None
    longitude: float | None
    confidence: float | None
    level: str | None

    @property
    def depth(self) -> int:
        """Return how many levels of the path have a name."""
        return len(self.path)


Placed = tuple[str, Prediction]  # where a prediction stands in its file, and the prediction


def checked(
    predictions: Iterable[Placed], name: str, levels: list[str] | None
) -> Iterator[Prediction]:
    """Yield predictions. Raises `UserError` at the first that is none.

    levels: from the top; None for predictions of another program. No item comes twice.
    """
    known: set[str] = set()
    for place, prediction in predictions:
        problem = _problem(prediction, levels)
        if prediction.id in known:
            problem = f"the item {prediction.id!r} is there twice"
        if problem:
            raise UserError(f"{name}: {place}: {problem}")
        known.add(prediction.id)
        yield prediction


def _problem(found: Prediction, levels: list[str] | None) -> str:
    places: list[Prediction | Step] = [found, *found.top, *found.path]
    for each in places:
        if problem := _problem_of_place(each.latitude, each.longitude):
            return problem
    if levels is None:
        return "" if found.latitude is not None else "has no latitude and longitude"
    for step in (*found.top, *found.path):
        if not 0 <= step.probability <= 1:
            return f"the probability of {step.key!r} is not from 0 to 1"
        if step.level not in levels:
            return f"{step.level!r} is not one of the levels {', '.join(levels)}"
    keys = [step.key for step in found.top]
    if len(set(keys)) != len(keys):
        return f"{next(key for key in keys if keys.count(key) > 1)!r} is there twice"
    for before, after in pairwise(found.top):
        if after.probability > before.probability + SLACK:
            return f"{after.key!r} is more probable than the one before"
    return _problem_of_path(found, levels)


def _problem_of_place(latitude: float | None, longitude: float | None) -> str:
    if (latitude is None) != (longitude is None):
        return "has one of latitude and longitude"
    for (name, limit), value in zip(LIMITS.items(), (latitude, longitude), strict=True):
        if value is not None and not -limit <= value <= limit:
            return f"the {name} {value} is not in [{-limit:g}, {limit:g}]"
    return ""


def _problem_of_path(found: Prediction, levels: list[str]) -> str:
    places = [levels.index(step.level) for step in found.path]
    if not places or any(b <= a for a, b in pairwise(places)):
        return "the path is not one from the top, a level after another"
    sure = [step.probability for step in found.path if step.level == found.level]
    if sure != [found.confidence]:
        return f"the confidence is not the probability of the path at {found.level!r}"
    return ""
