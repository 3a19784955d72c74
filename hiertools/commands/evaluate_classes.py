"""`hiertools evaluate classes`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import (
    NoProvenance,
    Overwrite,
    Seed,
    Tags,
    parse_counts,
    parse_tags,
)
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.evaluation.class_checks import Check
    from hiertools.evaluation.class_evaluation import Plan
    from hiertools.files.metrics import Metrics
    from hiertools.files.provenance import Run


class Distance(StrEnum):
    """Distances of classes."""

    path = "path"
    height = "height"


NO_COUNTS = "--chance prior needs how many items there were in training: --counts"


class Chance(StrEnum):
    """How classes are drawn at random."""

    uniform = "uniform"
    prior = "prior"


def evaluate_classes(
    predictions: Annotated[
        Path | None,
        typer.Argument(
            metavar="PREDICTIONS",
            help="Predictions of hiertools classify; or of another program: JSON Lines with id and"
            " top, or CSV with id and label. May be left out for --reported.",
            show_default=False,
        ),
    ] = None,
    hierarchy: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON|H5", help="The hierarchy of the classes. Needed.", show_default=False
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|H5",
            help="What the items truly are: a table with id and label, or their embeddings."
            " [default: the labels in the predictions]",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="JSON|-", help="Where the metrics go.")
    ] = Path("metrics.json"),
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="PREDICTIONS",
            help="Predictions of another run for the same items, to tell how much these are above"
            " them, and how sure that is.",
            show_default=False,
        ),
    ] = None,
    counts: Annotated[
        Path | None,
        typer.Option(
            metavar="H5|CSV",
            help="How many items of each class there were in training: the model, or a table with"
            " class and count. [default: what the predictions say]",
            show_default=False,
        ),
    ] = None,
    distance: Annotated[
        Distance | None,
        typer.Option(
            help="How far apart classes are: fewest edges up from both to one node, or the height"
            " of their lowest common ancestor. [default: what the hierarchy says]",
            show_default=False,
        ),
    ] = None,
    top: Annotated[str, typer.Option(metavar="K,…", help="Accuracies among the first K.")] = "1,5",
    depths: Annotated[
        str, typer.Option(metavar="K,…", help="Mean distances of the first K.")
    ] = "1,5,20",
    chance: Annotated[
        Chance,
        typer.Option(
            help="What chance draws: different classes, all alike; or classes by their shares in"
            " training, each draw for itself."
        ),
    ] = Chance.uniform,
    bins: Annotated[
        int, typer.Option(min=1, metavar="N", help="Bins of classes by items in training.")
    ] = 3,
    edges: Annotated[
        str,
        typer.Option(
            metavar="N,…",
            help="Let bins begin at these numbers of items instead, such as 1000,2000.",
        ),
    ] = "",
    sanity: Annotated[
        bool,
        typer.Option("--sanity", help="Check what numbers are made of; exit with 3 if it fails."),
    ] = False,
    reported: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="For --sanity: a table with class, accuracy and perhaps items, whose numbers are"
            " checked for what cannot be.",
            show_default=False,
        ),
    ] = None,
    any_hierarchy: Annotated[
        bool,
        typer.Option(
            "--any-hierarchy",
            help="Judge predictions that were made with another hierarchy, if this one has their"
            " classes.",
        ),
    ] = False,
    max_bad: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Leave out up to so many items that have no prediction, no truth, or not one"
            " label.",
        ),
    ] = 0,
    resamples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Resamples of the items for intervals.")
    ] = 1000,
    seed: Seed = 0,
    tags: Tags = None,
    json: Annotated[
        bool,
        typer.Option("--json", help="Print the rows of metrics as one line of JSON, and no table."),
    ] = False,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Judge predicted classes, each metric beside chance.

    Says how often classes are right, and how far from right in the hierarchy the wrong ones are.
    """
    options = dict(locals())
    from hiertools.files import atomic, inputs
    from hiertools.files.metrics import write_metrics
    from hiertools.files.provenance import Run
    from hiertools.profiling import stage

    plan, named = _plan(options), parse_tags(tags)
    inputs.check_stdin_once([predictions, hierarchy, truth, against, counts, reported])
    run = Run("evaluate classes", options, keep=not no_provenance)
    if predictions is None:
        return _check_tables(run, plan, options)
    atomic.check_writable(output, overwrite=overwrite)
    found = _evaluate(run, plan, options)
    found.parameters.update({"tags": named} if named else {})
    with stage("writing"):
        write_metrics(output, found, chain=run.chain(), overwrite=overwrite)
    if json:
        _print(found)
    else:
        _show(found)
    _check([row["result"] for row in found.tables.get("sanity", [])])


def _plan(given: dict[str, Any]) -> "Plan":
    """Return what to evaluate. Raises `UsageError` for options that do not go together."""
    from hiertools.evaluation.class_evaluation import Plan

    if given["hierarchy"] is None:
        raise UsageError("name the hierarchy of the classes: --hierarchy JSON")
    if given["reported"] and not given["sanity"]:
        raise UsageError("--reported is for --sanity")
    if given["predictions"] is None:
        if not given["reported"]:
            raise UsageError("name predictions to judge, or a table to check: --sanity --reported")
        for name in ("truth", "against"):
            if given[name]:
                raise UsageError(f"--{name} needs predictions")
    if given["predictions"] is None and given["chance"] is Chance.prior and not given["counts"]:
        raise UsageError(NO_COUNTS)
    if given["json"] and given["output"] == Path("-"):
        raise UsageError("--json and -o - both print to standard output; give one of them")
    return Plan(
        parse_counts(given["top"], "--top"),
        parse_counts(given["depths"], "--depths"),
        given["chance"].value,
        given["bins"],
        parse_counts(given["edges"], "--edges") if given["edges"] else (),
        nodes=False,
        sanity=given["sanity"],
        resamples=given["resamples"],
        seed=given["seed"],
    )


def _evaluate(run: "Run", plan: "Plan", given: dict[str, Any]) -> "Metrics":
    from dataclasses import replace

    from hiertools.commands import judged_classes as read
    from hiertools.evaluation import class_evaluation, class_truth
    from hiertools.files.classified import ANCESTOR
    from hiertools.profiling import work

    found = read.predictions(run, given["predictions"])
    files = [found, *([read.predictions(run, given["against"])] if given["against"] else ())]
    tree = read.hierarchy(run, given["hierarchy"])
    for each in files:
        read.check_tree(each, tree, str(given["hierarchy"]), any_hierarchy=given["any_hierarchy"])
    truth = read.truth(run, given["truth"], found)
    judged = class_truth.judged(
        found.answers, truth, tree, name=found.name, max_bad=given["max_bad"]
    )
    classes = found.classes or tree.leaves
    labels = [judged.label, *(each.answers.names for each in files)]
    ground = read.ground(tree, classes, labels, given["distance"] and given["distance"].value)
    sizes = read.sizes(run, given["counts"], found, classes)
    if given["chance"] is Chance.prior and sizes is None:
        raise UsageError(NO_COUNTS)
    reported = read.reported(run, given["reported"])
    other = read.other(files[1], judged) if given["against"] else None
    nodes = any(read.rule(each) == ANCESTOR for each in files)
    with work("judging") as done:
        made = class_evaluation.evaluate(
            ground, judged, other, sizes, reported, replace(plan, nodes=nodes)
        )
        done(made.counts["items"])
    about = {"rule": read.rule(found)} if read.rule(found) else {}
    return replace(made, parameters={**about, **made.parameters})


def _check_tables(run: "Run", plan: "Plan", given: dict[str, Any]) -> None:
    """Check a reported table, and counts, without predictions. Nothing is written."""
    from hiertools.commands import judged_classes as read
    from hiertools.evaluation import class_evaluation
    from hiertools.terminal import say

    tree = read.hierarchy(run, given["hierarchy"])
    ground = read.ground(tree, tree.leaves, [], given["distance"] and given["distance"].value)
    sizes = read.sizes(run, given["counts"], None, tree.leaves)
    reported = read.reported(run, given["reported"])
    checks: list[Check] = class_evaluation.check_alone(ground, sizes, reported, plan)
    for each in checks:
        say(f"sanity: {each.result}: {each.text}")
    _check([each.result for each in checks])


def _check(results: list[str]) -> None:
    """Raise `UserError` if a check failed."""
    failed = results.count("failed")
    if failed:
        raise UserError(f"{failed} of {len(results)} checks failed; see the lines above")


def _print(found: "Metrics") -> None:
    from hiertools.files.atomic import write_stdout
    from hiertools.files.json import line

    write_stdout(line({"task": found.task, "counts": found.counts, "metrics": found.metrics}))


def _show(found: "Metrics") -> None:
    """Show the metrics and the tables beside them."""
    from hiertools import terminal
    from hiertools.evaluation import class_text

    for line in class_text.lines(found, whole=terminal.is_verbose()):
        terminal.say(line)
