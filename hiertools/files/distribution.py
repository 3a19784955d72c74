"""Distributions over labels: a JSON object of weights, or the labels of results' hits."""

import re
from collections import Counter
from math import fsum
from pathlib import Path

from hiertools.errors import UserError
from hiertools.files import inputs, json, results
from hiertools.files.inputs import Source

Distribution = dict[str, float]

RESULTS_WITHOUT_HEADER = re.compile(rb'\s*\{\s*"(?:query"\s*:\s*"|hits"\s*:\s*\[)')


def read_distribution(path: Path) -> Distribution:
    """Return the weights of labels, brought to a sum of 1; `-` is standard input.

    Results give the labels of their hits, each hit the same weight. Raises `UserError` for a
    weight that is negative or not finite, for none above 0, and for a hit without a label.
    """
    with inputs.spooled(path) as copy:
        source = Source(copy)
        weights = _labels_of_hits(source) if _is_results(source) else _weights(source)
        most = max(weights.values(), default=0)
        if most == 0:
            raise UserError(f"{source.name}: has no weight above 0; there is nothing to compare")
    scaled = {label: weight / most for label, weight in weights.items()}  # their sum is finite
    total = fsum(scaled.values())
    return {label: weight / total for label, weight in scaled.items()}


def _is_results(source: Source) -> bool:
    return (
        source.head.startswith(inputs.HDF5_MAGIC)
        or json.kind_of(source) == results.KIND
        or RESULTS_WITHOUT_HEADER.match(source.head) is not None
    )


def _weights(source: Source) -> Distribution:
    if kind := json.kind_of(source):
        raise UserError(f"{source.name}: is a {kind} file; weights by label or results are needed")
    fields = json.Fields(json.loads(source.text(), source.name), source.name)
    weights = {label: fields.number(label) for label in fields.document}
    for label, weight in weights.items():
        if weight < 0:
            raise UserError(f"{source.name}: {label} is {weight:g}; a weight is at least 0")
    return weights


def _labels_of_hits(source: Source) -> Distribution:
    counts: Counter[str] = Counter()
    for ranking in results.read_results(source)[1]:
        for hit, label in zip(ranking.ids, ranking.labels, strict=True):
            if label is None:
                raise UserError(
                    f"{source.name}: hit {hit!r} of query {ranking.query!r} has no label to count"
                )
            counts[label] += 1
    return {label: float(count) for label, count in counts.items()}
