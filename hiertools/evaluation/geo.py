"""Evaluation of places: from the truth and the answers to all the numbers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from hiertools.errors import UsageError, UserError
from hiertools.evaluation import geo_osv5m, geo_tables
from hiertools.evaluation.geo_answers import Answers
from hiertools.evaluation.geo_case import SHUFFLES, Case, Codes, Floats
from hiertools.evaluation.geo_metrics import metric_rows
from hiertools.evaluation.geo_osv5m import Namer
from hiertools.evaluation.geo_tables import Slices
from hiertools.evaluation.geo_training import Training
from hiertools.evaluation.geo_truth import Truth
from hiertools.files.json import Document
from hiertools.files.metrics import Metrics
from hiertools.metrics import geo
from hiertools.places import EARTH_RADIUS_KM, unit_vectors
from hiertools.terminal import say

SLICES = ("country", "continent", "count", "island")
RULE = "distance < radius"


@dataclass(frozen=True)
class Plan:
    """What is evaluated, and how.

    protocol: entity, osv5m or osv5m-fixed; slices: of SLICES; at_least: items of a country that
    has a row.
    """

    protocol: str
    slices: tuple[str, ...]
    at_least: int
    resamples: int
    seed: int


def evaluate(
    truth: Truth,
    answers: Answers,
    other: Answers | None,
    training: Training | None,
    namer: Namer | None,
    plan: Plan,
) -> Metrics:
    """Return the metrics and the tables.

    answers: to all items of the truth; other: of the run that they are compared with; namer: for
    the protocols of OpenStreetView-5M. Raises `UserError` if there is nothing to compare.
    """
    case = _case(truth, answers, training, namer, plan)
    if not case.levels:
        foreign = answers.sureness is None
        what = (
            "the predictions have no entities" if foreign else "the truth has none of their levels"
        )
        say(f"{what}: only distances are judged")
    against = _case(truth, other, training, namer, plan) if other is not None else None
    rows = list(metric_rows(case, against, resamples=plan.resamples, seed=plan.seed))
    if not rows:
        raise UserError(
            f"{truth.name}: has neither coordinates nor labels that the predictions could be"
            " compared with"
        )
    tables = {
        "slices": list(_slices(case, truth, training, plan)),
        "reported": list(geo_tables.reported_rows(case)),
        "reliability": list(geo_tables.reliability_rows(case)),
    }
    tables = {name: found for name, found in tables.items() if found}
    return Metrics("geo", _parameters(case, truth, plan), _counts(case), rows, tables)


def _case(
    truth: Truth, answers: Answers, training: Training | None, namer: Namer | None, plan: Plan
) -> Case:
    """Return the items and answers with the codes of the protocol."""
    place = _vectors(truth.latitude, truth.longitude)
    found = _vectors(answers.latitude, answers.longitude)
    if namer is not None:
        code, answer = _osv5m(truth, answers, namer, fixed=plan.protocol == "osv5m-fixed")
        return Case(geo_osv5m.LEVELS, code, answer, place, found, None, None, None)
    if answers.sureness is None or not truth.levels:
        nothing = np.zeros((len(truth), 0), np.int64)
        return Case((), nothing, nothing, place, found, None, None, None)
    most, known = (training.most, training.known(truth.code)) if training else (None, None)
    return Case(truth.levels, truth.code, answers.code, place, found, answers.sureness, most, known)


def _vectors(latitude: Floats | None, longitude: Floats | None) -> Floats | None:
    """Return coordinates as unit vectors, None if there are none at all."""
    if latitude is None or longitude is None or np.isnan(latitude).all():
        return None
    return unit_vectors(latitude, longitude)


def _osv5m(truth: Truth, answers: Answers, namer: Namer, *, fixed: bool) -> tuple[Codes, Codes]:
    """Return codes of the labels of the truth, and of the places that answers are in."""
    if np.isnan(answers.latitude).any():
        raise UsageError("the protocols of OpenStreetView-5M need coordinates in all predictions")
    assert truth.texts is not None
    names = namer(answers.latitude, answers.longitude)
    found = [geo_osv5m.answer_of_names(each) for each in names]
    return geo_osv5m.codes(truth.texts, found, fixed=fixed)


def _slices(case: Case, truth: Truth, training: Training | None, plan: Plan) -> Iterator[Document]:
    for by in plan.slices:
        slices = _parts(by, truth, training, plan)
        few, outside = geo_tables.left_out(slices)
        if few:
            say(f"{few:,} parts by {by} have less than {plan.at_least} items and no row")
        if outside:
            say(f"{outside:,} items have no {by} and are in no part")
        yield from geo_tables.slice_rows(case, slices)


def _parts(by: str, truth: Truth, training: Training | None, plan: Plan) -> Slices:
    """Return the parts that items fall into."""
    from hiertools import countries

    if by == "count":
        assert training is not None
        return geo_tables.of_counts(by, training.counts(truth.code))
    if by == "country":
        return geo_tables.of_texts(by, truth.country, at_least=plan.at_least)
    islands = {True: "island", False: "with land neighbours"}
    of: Callable[[str], str | None] = (
        countries.continent if by == "continent" else lambda cc: islands[countries.is_island(cc)]
    )
    named = {cc: of(cc) for cc in truth.country if cc is not None}
    texts = [None if cc is None else named[cc] for cc in truth.country]
    return geo_tables.of_texts(by, texts, at_least=1)


def _parameters(case: Case, truth: Truth, plan: Plan) -> Document:
    found: Document = {"protocol": plan.protocol, "levels": list(case.levels)}
    if case.km is not None:
        found |= {
            "radius_km": EARTH_RADIUS_KM, "recall": RULE, "geoscore_km": geo.GEOSCORE_KM,
            "shuffles": SHUFFLES,
        }  # fmt: skip
    if truth.built:
        found["built"] = list(truth.built)
    return {
        **found, "slices": list(plan.slices), "min_items": plan.at_least,
        "resamples": plan.resamples, "seed": plan.seed,
    }  # fmt: skip


def _counts(case: Case) -> Document:
    labelled = {f"with_{name}": len(case.labelled(i)) for i, name in enumerate(case.levels)}
    return {"items": len(case), "with_distance": len(case.placed), **labelled}
