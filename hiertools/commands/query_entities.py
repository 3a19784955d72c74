"""The side of `hiertools query` that is for an index of entities."""

from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.commands.queries import batches
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.commands.queries import Batch
    from hiertools.files.entity_index import EntityIndex
    from hiertools.files.json import Document
    from hiertools.files.placements import Prediction
    from hiertools.files.provenance import Run
    from hiertools.search.placements import Answerer, Question


class Way(StrEnum):
    """Ways to search among entities."""

    beam = "beam"
    flat = "flat"
    exact = "exact"


class Score(StrEnum):
    """What paths are ranked by."""

    energy = "energy"
    distance = "distance"
    ip = "ip"
    log_probability = "log-probability"
    last = "last"


class Locate(StrEnum):
    """Ways to say where an item is."""

    centroid = "centroid"
    expected_km = "expected-km"
    geoscore = "geoscore"


# Options that are for an index of entities, as they are when not given.
OF_ENTITIES: dict[str, Any] = {
    "method": Way.beam, "beam": 10, "score": None, "threshold": 0.5, "locate": Locate.centroid,
}  # fmt: skip


def query_entities(run: "Run", options: dict[str, Any], bad: list[str]) -> None:
    """Write predictions of an index of entities."""
    from hiertools.files import atomic, inputs
    from hiertools.files.entity_index import read_entity_index
    from hiertools.search.placements import Answerer

    index, output = options["index"], options["output"] or Path("predictions.jsonl")
    atomic.check_writable(output, overwrite=options["overwrite"])
    _check(options)
    found, sha256 = read_entity_index(index), inputs.digest_file(index)
    run.add_input(index, sha256, found.chain)
    if found.items.latitude is None and options["locate"] is not Locate.centroid:
        raise UserError(f"{index}: its entities have no coordinates; leave out --locate")
    question = _question(found, options)
    answerer = Answerer(found, question)
    _say_temperature(found, index, question, answerer)
    asked = batches(run, found.meta, index, options, bad)
    header = {"index": sha256, **_header(found, question, answerer)}
    _write(answerer, asked, output, header, run, overwrite=options["overwrite"])


def _check(options: dict[str, Any]) -> None:
    """Raise `UsageError` for options that would do nothing."""
    method = options["method"]
    for name, methods in {"beam": (Way.beam,), "score": (Way.beam, Way.exact)}.items():
        if options[name] != OF_ENTITIES[name] and method not in methods:
            raise UsageError(f"--method {method.value}: --{name} does not apply")


def _question(found: "EntityIndex", options: dict[str, Any]) -> "Question":
    from hiertools.search.placements import Question, default_score

    score = options["score"]
    return Question(
        method=options["method"].value,
        by=default_score(found) if score is None else score.value,
        beam=options["beam"],
        k=options["k"] or 20,
        threshold=options["threshold"],
        locate=options["locate"].value,
        device=options["device"],
        batch_size=options["batch_size"],
    )


def _say_temperature(
    found: "EntityIndex", index: Path, question: "Question", answerer: "Answerer"
) -> None:
    from hiertools.terminal import say

    if answerer.temperature is None and found.meta["temperature"] is not None:
        of = found.meta["calibration"]["score"]
        say(f"{index} was calibrated for paths by {of}; the probabilities of others are raw")
    beam = (found.meta["calibration"] or {}).get("beam")
    if answerer.temperature is not None and (question.method, question.beam) != ("beam", beam):
        say(f"{index} was calibrated for a beam of {beam}; probabilities fit that search best")


def _header(found: "EntityIndex", question: "Question", answerer: "Answerer") -> "Document":
    """Return what the predictions say of the question."""
    said: Document = {"entities": found.meta["entities"], "levels": found.levels}
    said |= {"method": question.method, "score": question.by}
    if question.method == "beam":
        said["beam"] = question.beam
    said |= {"k": question.k, "temperature": answerer.temperature}
    return {**said, "threshold": question.threshold, "locate": question.locate}


def _write(
    answerer: "Answerer",
    asked: Iterator["Batch"],
    output: Path,
    header: "Document",
    run: "Run",
    *,
    overwrite: bool,
) -> None:
    from hiertools import profiling
    from hiertools.files import atomic
    from hiertools.files.predictions import write_predictions
    from hiertools.terminal import progress, say

    done = 0

    def predictions() -> Iterator["Prediction"]:
        nonlocal done
        with progress("searching", None) as tick, profiling.work("query") as step:
            for batch in asked:
                for part in answerer.predictions(
                    batch.items, batch.vectors, batch.rows, batch.name
                ):
                    done += len(part)
                    tick(len(part))
                    with profiling.stage("writing"):
                        yield from part
                    step(len(part))

    write_predictions(output, header, predictions(), chain=run.chain(), overwrite=overwrite)
    name = "standard output" if output == atomic.STDOUT else output
    say(f"{name}: {done:,} predictions")
