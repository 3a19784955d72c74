"""`hiertools classify`."""

import math
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import BatchSize, NoProvenance, Overwrite, Seed
from hiertools.errors import UsageError

if TYPE_CHECKING:
    from hiertools.classification.calibration import Calibration
    from hiertools.classification.classifier import Classifier
    from hiertools.classification.covering import Coverage
    from hiertools.classification.logits import Outputs
    from hiertools.classification.mixing import Mixing
    from hiertools.commands.classify_inputs import Known
    from hiertools.files.class_predictions import ClassPrediction
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run

SHOWN = 3  # classes of an order
LEAST_KEPT = 0.5  # of the probability of a certain class; with less a rule says more than an image


class Rule(StrEnum):
    """Ways to choose a class."""

    argmax = "argmax"
    paper = "paper"
    crm = "crm"
    restart = "restart"
    hie = "hie"
    ancestor = "ancestor"


class Distance(StrEnum):
    """Distances of classes."""

    path = "path"
    height = "height"


def classify(
    outputs: Annotated[
        Path,
        typer.Argument(
            metavar="EMBEDDINGS|LOGITS",
            help="Embeddings of the model's encoder; or logits, of hiertools embed --logits or made"
            " elsewhere (.npy, .safetensors, .parquet).",
            show_default=False,
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(
            metavar="H5",
            help="From hiertools train classes: its head, its classes and their hierarchy.",
            show_default=False,
        ),
    ] = None,
    hierarchy: Annotated[
        Path | None,
        typer.Option(
            metavar="TREE|-",
            help="What the classes of logits are kinds of; with a model in place of its own.",
            show_default=False,
        ),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST|-",
            help="The classes of logits made elsewhere, one a line in their order. [default: the"
            " leaves of the hierarchy in theirs]",
            show_default=False,
        ),
    ] = None,
    allow_absent: Annotated[
        bool,
        typer.Option("--allow-absent", help="Let leaves of the hierarchy be no classes of LIST."),
    ] = False,
    ids: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST|-",
            help="The ids of logits made elsewhere, one a line.",
            show_default=False,
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which tensor or column to take, where the file has several.",
            show_default=False,
        ),
    ] = None,
    probabilities: Annotated[
        bool,
        typer.Option("--probabilities", help="The rows are probabilities, not logits."),
    ] = False,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="JSONL|-", help="Where the predictions go.")
    ] = Path("predictions.jsonl"),
    k: Annotated[int, typer.Option("-k", min=1, metavar="N", help="Classes for each item.")] = 20,
    rule: Annotated[Rule, typer.Option(help="How to choose a class, or a node above.")] = (
        Rule.argmax
    ),
    steps: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="T",
            help="Rule paper: how often probabilities are refined. [default: 1]",
            show_default=False,
        ),
    ] = None,
    decay: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="A",
            help="Rules paper and restart: how fast weights fall with the distance of classes."
            " [default: 0.3]",
            show_default=False,
        ),
    ] = None,
    influence: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="B",
            help="Rule paper: how much a class takes of the others. [default: 0.3]",
            show_default=False,
        ),
    ] = None,
    restart: Annotated[
        float | None,
        typer.Option(
            min=0,
            metavar="R",
            help="Rule restart: the probability, below 1, that a walk goes on after a step."
            " [default: 0.3]",
            show_default=False,
        ),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="P",
            help="Rule ancestor: the probability that a node must be above. [default: 0.5, or what"
            " --calibrate finds]",
            show_default=False,
        ),
    ] = None,
    distance: Annotated[
        Distance | None,
        typer.Option(
            help="Rules paper, restart and crm: the distance of classes. [default: that of the"
            " hierarchy]",
            show_default=False,
        ),
    ] = None,
    calibrate: Annotated[
        Path | None,
        typer.Option(
            metavar="HELDOUT",
            help="Other items, in the same kind of file, whose class is known: learn a temperature"
            " of them, and for the rule ancestor a threshold.",
            show_default=False,
        ),
    ] = None,
    calibrate_ids: Annotated[
        Path | None,
        typer.Option(
            metavar="LIST", help="The ids of HELDOUT, if it has none.", show_default=False
        ),
    ] = None,
    calibrate_labels: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="The classes of HELDOUT, by id and label, if it has none.",
            show_default=False,
        ),
    ] = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            min=0,
            max=1,
            metavar="SHARE",
            help="Rule ancestor with --calibrate: how often nodes are to be right. [default: 0.9]",
            show_default=False,
        ),
    ] = None,
    batch_size: BatchSize = 4096,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Choose a class for each item, by what a hierarchy says of the classes.

    Takes embeddings and a model, or the logits of any classifier with its classes and a hierarchy
    of them.
    """
    options = dict(locals())
    from hiertools.commands import classify_inputs
    from hiertools.files import atomic, inputs
    from hiertools.files.provenance import Run
    from hiertools.terminal import say

    settings = _settings(options)
    inputs.check_stdin_once([outputs, hierarchy, classes, ids, calibrate_ids, calibrate_labels])
    atomic.check_writable(output, overwrite=overwrite)
    run = Run("classify", options, keep=not no_provenance)
    known = classify_inputs.known(run, options)
    found = classify_inputs.outputs(run, known, outputs, ids, options)
    if model is None and classes is None:
        size, shown = len(known.taxonomy.classes), ", ".join(known.taxonomy.classes[:SHOWN])
        name = "standard input" if hierarchy == inputs.STDIN else hierarchy
        more = ", …" if size > SHOWN else ""
        say(f"the {size:,} classes are the leaves of {name}, in their order: {shown}{more}")
    settings |= _learned(run, known, found, settings, options)
    classifier = _classifier(known, settings, k)
    header = _header(known, settings, k)
    _write(classifier, found, header, run, options)


# What a rule is given: as it is if not given, and the rules that take it.
_SETTINGS: dict[str, tuple[float | None, tuple[Rule, ...]]] = {
    "steps": (1, (Rule.paper,)),
    "decay": (0.3, (Rule.paper, Rule.restart)),
    "influence": (0.3, (Rule.paper,)),
    "restart": (0.3, (Rule.restart,)),
    "threshold": (0.5, (Rule.ancestor,)),
    "coverage": (0.9, (Rule.ancestor,)),
    "distance": (None, (Rule.paper, Rule.restart, Rule.crm)),
}


def _settings(given: dict[str, Any]) -> dict[str, Any]:
    """Return the rule and what it is given. Raises `UsageError` for what it does not take."""
    rule = given["rule"]
    found: dict[str, Any] = {"rule": rule.value}
    for name, (absent, rules) in _SETTINGS.items():
        if rule in rules:
            found[name] = absent if given[name] is None else given[name]
        elif given[name] is not None:
            raise UsageError(f"--{name} is for --rule {_either(rules)}, not {rule.value}")
    for name in ("decay", "influence"):
        if found.get(name) == math.inf:
            raise UsageError(f"--{name} {found[name]} is not a finite number")
    if found.get("restart", 0) >= 1:
        raise UsageError(
            f"--restart {found['restart']:g}: a walk that never ends; give less than 1"
        )
    if given["calibrate"] is None:
        for name in ("calibrate_ids", "calibrate_labels", "coverage"):
            if given[name] is not None:
                raise UsageError(f"--{name.replace('_', '-')} is for --calibrate HELDOUT")
    if given["coverage"] is not None and given["threshold"] is not None:
        raise UsageError(
            "--coverage finds a threshold, and --threshold gives one; take one of them"
        )
    if given["coverage"] in (0, 1):
        raise UsageError(f"--coverage {given['coverage']:g}: give a share between 0 and 1")
    if given["calibrate"] is None or given["threshold"] is not None:
        found.pop("coverage", None)
    return found


def _either(rules: tuple[Rule, ...]) -> str:
    *others, last = (rule.value for rule in rules)
    return f"{', '.join(others)} or {last}" if others else last


def _learned(
    run: "Run", known: "Known", asked: "Outputs", settings: dict[str, Any], options: dict[str, Any]
) -> dict[str, Any]:
    """Return the temperature, None without --calibrate, and what else held-out items say."""
    from hiertools.classification import calibration, covering
    from hiertools.classification.nodes import Nodes
    from hiertools.commands import classify_inputs

    if options["calibrate"] is None:
        return {"temperature": None}
    logits, truth = classify_inputs.held_out(run, known, asked, options)
    if "coverage" not in settings:
        found = calibration.calibrate(logits, truth)
        _say_calibration(found, options["calibrate"])
        return {"temperature": found.temperature, "calibration": found.document()}
    found, covered = covering.learn(
        Nodes(known.taxonomy), logits, truth, coverage=settings["coverage"], seed=options["seed"]
    )
    _say_calibration(found, options["calibrate"])
    _say_covered(covered, settings["coverage"])
    about = {**found.document(), **covered.document()}
    return {
        "temperature": found.temperature, "threshold": covered.threshold, "calibration": about
    }  # fmt: skip


def _say_calibration(found: "Calibration", name: Path) -> None:
    from hiertools.terminal import say, warn

    say(
        f"temperature {found.temperature:.4g} (of {found.items:,} items of {name}): negative"
        f" log-likelihood {found.nll[0]:.4f} to {found.nll[1]:.4f}, calibration error"
        f" {found.ece[0]:.4f} to {found.ece[1]:.4f}"
    )
    if found.at_bound:
        warn("the best temperature is beyond those that are looked at; are the labels right?")


def _say_covered(found: "Coverage", coverage: float) -> None:
    from hiertools.terminal import say, warn

    say(
        f"threshold {found.threshold:.4g} for a coverage of {coverage:g}: {found.covered:.4f} of"
        f" {found.covering_items:,} other items"
    )
    if found.threshold >= 1:
        warn("the threshold is 1, by which all items get the root: hold out more items")


def _mixing(known: "Known", settings: dict[str, Any]) -> "Mixing | None":
    """Return the matrix of the rules paper and restart, and say what it does."""
    from hiertools.classification import mixing
    from hiertools.terminal import say, warn

    rule = settings["rule"]
    if rule not in (Rule.paper, Rule.restart):
        return None
    weights = mixing.weights(known.taxonomy.distances, settings["decay"])
    if rule == Rule.paper:
        found = mixing.refining(weights, influence=settings["influence"], steps=settings["steps"])
    else:
        found = mixing.walking(weights, restart=settings["restart"])
    if found.least_gap < 1:
        say(
            f"--rule {rule}: the first class of an item can change only where the two largest"
            f" probabilities are less than {found.least_gap:.3f} apart"
        )
    if found.kept < LEAST_KEPT:
        warn(
            f"only {found.kept:.3f} of the probability of a class that is certain stays with it;"
            f" with so large {_lessened(rule)} all classes become alike"
        )
    return found


def _lessened(rule: str) -> str:
    return "--steps and --influence" if rule == Rule.paper else "--restart"


def _classifier(known: "Known", settings: dict[str, Any], k: int) -> "Classifier":
    from hiertools.classification.classifier import Classifier

    return Classifier(
        known.taxonomy,
        settings["rule"],
        _mixing(known, settings),
        temperature=settings["temperature"],
        threshold=settings.get("threshold"),
        k=k,
    )


def _header(known: "Known", settings: dict[str, Any], k: int) -> "Document":
    """Return what the predictions say of how they were made."""
    from hiertools.files.model import digest_of

    found: Document = {"model": None if known.model is None else digest_of(known.model)}
    if known.model is not None:
        found["counts"] = known.model.meta["counts"]
    found |= {"taxonomy": known.taxonomy.digest, "classes": known.taxonomy.classes}
    if "distance" in settings:
        settings = {**settings, "distance": known.taxonomy.distance}
    return {**found, **settings, "k": k}


def _write(
    classifier: "Classifier",
    asked: "Outputs",
    header: "Document",
    run: "Run",
    options: dict[str, Any],
) -> None:
    from hiertools.files import atomic
    from hiertools.files.class_predictions import write_class_predictions
    from hiertools.files.items import decode
    from hiertools.terminal import progress, say

    table, output = asked.items, options["output"]

    def predictions() -> Iterator["ClassPrediction"]:
        with progress("classifying", len(table)) as tick:
            for rows, logits in asked.blocks(options["batch_size"]):
                ids = [decode(table.id[row]) for row in rows]
                labels = None if table.labels is None else [table.labels.of(row) for row in rows]
                yield from classifier.predictions(logits, ids, labels)
                tick(len(rows))

    write_class_predictions(
        output, header, predictions(), chain=run.chain(), overwrite=options["overwrite"]
    )
    name = "standard output" if output == atomic.STDOUT else output
    say(f"{name}: {len(table):,} predictions by {header['rule']}")
