"""`hiertools evaluate geo`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import NoProvenance, Overwrite, Seed
from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.evaluation.geo import Plan
    from hiertools.files.metrics import Metrics
    from hiertools.files.provenance import Run


class Protocol(StrEnum):
    """What an answer is compared by."""

    entity = "entity"
    osv5m = "osv5m"
    osv5m_fixed = "osv5m-fixed"


def evaluate_geo(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS",
            help="Predictions of hiertools query; or of another program: JSON Lines or CSV with id,"
            " latitude and longitude.",
            show_default=False,
        ),
    ],
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|H5",
            help="Where the items truly are: a table as for hiertools build-entities, or what that"
            " command made of one.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="JSON|-", help="Where the metrics go.")
    ] = Path("metrics.json"),
    entities: Annotated[
        Path | None,
        typer.Option(
            metavar="H5",
            help="The entities of the training, for coverage, the most frequent answer and --slices"
            " count.",
            show_default=False,
        ),
    ] = None,
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="Compare entities; or names of places as the code of OpenStreetView-5M does, with"
            " its defects or without."
        ),
    ] = Protocol.entity,
    places: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="The gazetteer that names predicted coordinates, for the protocols of"
            " OpenStreetView-5M.",
            show_default=False,
        ),
    ] = None,
    slices: Annotated[
        str,
        typer.Option(
            metavar="NAME,…",
            help="Metrics of parts of the items too: by country, continent, island, or count, how"
            " many items of the true entity there were in training.",
        ),
    ] = "",
    min_items: Annotated[
        int, typer.Option(min=1, metavar="N", help="Items that a country needs for a row.")
    ] = 10,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Predictions of another run for the same items, to tell how much these are above"
            " them; or metrics, whose values are shown beside these.",
            show_default=False,
        ),
    ] = None,
    max_bad: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Leave out up to so many items that have no prediction, or no truth.",
        ),
    ] = 0,
    resamples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Resamples of the items for intervals.")
    ] = 1000,
    seed: Seed = 0,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print the rows of metrics as one line of JSON, and no table."),
    ] = False,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Judge predictions of places, each metric beside chance.

    Says how often country, region and city are right, how far away the predicted coordinates are,
    and how far the confidences can be trusted.
    """
    options = dict(locals())
    from hiertools.files import atomic, inputs
    from hiertools.files.metrics import write_metrics
    from hiertools.files.provenance import Run
    from hiertools.profiling import stage

    plan = _plan(options)
    inputs.check_stdin_once([predictions, truth, places, against])
    atomic.check_writable(output, overwrite=overwrite)
    run = Run("evaluate geo", options, keep=not no_provenance)
    found = _evaluate(run, plan, options)
    with stage("writing"):
        write_metrics(output, found, chain=run.chain(), overwrite=overwrite)
    if json:
        _print(found)
    else:
        _show(found)


def _plan(given: dict[str, Any]) -> "Plan":
    """Return what to evaluate. Raises `UsageError` for options that do not go together."""
    from hiertools.evaluation.geo import SLICES, Plan

    protocol, slices = given["protocol"], given["slices"]
    if given["truth"] is None:
        raise UsageError("name where the items truly are: --truth CSV|H5")
    if protocol is Protocol.entity and given["places"]:
        raise UsageError("--places is for --protocol osv5m and osv5m-fixed")
    if protocol is not Protocol.entity and not given["places"]:
        raise UsageError(f"--protocol {protocol.value} needs a gazetteer: --places CSV")
    wanted = tuple(word.strip() for word in slices.split(",")) if slices else ()
    for word in wanted:
        if word not in SLICES:
            raise UsageError(f"--slices {slices}: there is no {word!r}, only {', '.join(SLICES)}")
    if "count" in wanted and not given["entities"]:
        raise UsageError("--slices count needs the entities of the training: --entities H5")
    if given["json"] and given["output"] == Path("-"):
        raise UsageError("--json and -o - both print to standard output; give one of them")
    return Plan(protocol.value, wanted, given["min_items"], given["resamples"], given["seed"])


def _evaluate(run: "Run", plan: "Plan", given: dict[str, Any]) -> "Metrics":
    from dataclasses import replace

    from hiertools.commands import geo_inputs
    from hiertools.evaluation import geo, geo_answers, geo_metrics, geo_training
    from hiertools.files.inputs import Source
    from hiertools.files.metrics import Metrics
    from hiertools.profiling import work

    opened = geo_inputs.open_predictions(Source(given["predictions"]))
    known = geo_inputs.training_entities(run, given["entities"], opened)
    levels = opened.levels or (tuple(known.levels) if known else ())
    truth = geo_inputs.true_places(run, given["truth"], levels, opened.first.id, plan.protocol)
    geo_inputs.check_parts(plan, truth)
    with work("reading"):
        answers = geo_inputs.align(opened, truth)
    run.add_input(given["predictions"], opened.source.digest(), opened.header.get("provenance"))
    names = opened.name, truth.name
    rows = geo_answers.complete(answers, truth.id, names, given["max_bad"])
    left_out = {"without_prediction": len(truth) - len(rows), "without_truth": len(answers.unknown)}
    truth, answers = truth.take(rows), answers.take(rows)
    training = geo_training.training_of(known, truth) if known else None
    namer = geo_inputs.namer(run, given["places"]) if given["places"] else None
    other = geo_inputs.other(run, given["against"], truth) if given["against"] else None
    beside = None if isinstance(other, Metrics) else other
    with work("judging") as done:
        found = geo.evaluate(truth, answers, beside, training, namer, plan)
        done(len(truth))
    if isinstance(other, Metrics):
        found = replace(found, metrics=geo_metrics.beside(found.metrics, other.metrics))
    return replace(found, counts={**found.counts, **left_out})


def _print(found: "Metrics") -> None:
    from hiertools.files.atomic import write_stdout
    from hiertools.files.json import line

    write_stdout(line({"task": found.task, "counts": found.counts, "metrics": found.metrics}))


def _show(found: "Metrics") -> None:
    """Show the metrics and the tables beside them."""
    from hiertools import terminal
    from hiertools.evaluation import geo_text

    for line in geo_text.lines(found, whole=terminal.is_verbose()):
        terminal.say(line)
