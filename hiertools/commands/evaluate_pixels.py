"""`hiertools evaluate pixels`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import NoProvenance, Overwrite, Seed, Tags, parse_tags

if TYPE_CHECKING:
    from hiertools.files.masks import Mask
    from hiertools.files.metrics import Metrics
    from hiertools.files.provenance import Run


class Protocol(StrEnum):
    """How positives are counted."""

    both = "both"
    strict = "strict"
    released = "released"


class Overlap(StrEnum):
    """What the intersection over union is of."""

    mask = "mask"
    box = "box"


KEYS = ("metric", "of")


def evaluate_pixels(
    predictions: Annotated[
        Path,
        typer.Argument(
            metavar="PREDICTIONS|-",
            help="Masks in rank order of each query, from rerank --masks or of another program.",
            show_default=False,
        ),
    ],
    truth: Annotated[
        Path,
        typer.Option(metavar="MASKS|-", help="True masks, each with a level.", show_default=False),
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="JSON|-", help="Where the metrics go.")
    ] = Path("metrics.json"),
    protocol: Annotated[
        Protocol,
        typer.Option(
            help="Count all positives (strict), or as the released code does those that were found."
        ),
    ] = Protocol.both,
    iou: Annotated[
        Overlap, typer.Option(help="Compare the masks, or the boxes about them.")
    ] = Overlap.mask,
    tag: Tags = None,
    resamples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Resamples of the queries for intervals.")
    ] = 1000,
    seed: Seed = 0,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Judge where in images the object of a query was found: mIoU, and mAP@50:5:95.

    The setups easy, medium and hard are those of Revisited Oxford and Paris.
    """
    options = dict(locals())
    from hiertools.files import atomic, inputs
    from hiertools.files.metrics import write_metrics
    from hiertools.files.provenance import Run
    from hiertools.profiling import stage

    tags = parse_tags(tag)
    inputs.check_stdin_once([predictions, truth])
    atomic.check_writable(output, overwrite=overwrite)
    run = Run("evaluate pixels", options, keep=not no_provenance)
    found = _evaluate(run, {**options, "tags": tags})
    with stage("writing"):
        write_metrics(output, found, chain=run.chain(), overwrite=overwrite)
    _show(found)


def _evaluate(run: "Run", given: dict[str, Any]) -> "Metrics":
    from hiertools.evaluation import pixels, retrieval_report
    from hiertools.files.metrics import Metrics
    from hiertools.profiling import work

    with work("reading"):
        predicted, true = (_masks(run, given[name]) for name in ("predictions", "truth"))
    names = (str(given["predictions"]), str(given["truth"]))
    with work("judging") as done:
        compared = pixels.compare(predicted, true, overlap=given["iou"].value, names=names)
        done(len(predicted))
    chosen = given["protocol"]
    protocols = pixels.PROTOCOLS if chosen is Protocol.both else (chosen.value,)
    found = pixels.columns(compared, protocols=protocols)
    resamples = retrieval_report.Resamples(given["resamples"], given["seed"])
    with work("metrics"):
        rows = list(retrieval_report.metric_rows(found, None, resamples))
    asked = {mask.query for mask in predicted}
    counts = {
        "queries": len(compared),
        "without_predictions": len(compared.keys() - asked),
        "without_truth": len(asked - compared.keys()),
        "masks": len(predicted),
    }
    about = {"iou": given["iou"].value, "thresholds": "50:5:95", "tags": given["tags"]}
    return Metrics("pixels", about, counts, rows, {"left_out": retrieval_report.left_out(found)})


def _masks(run: "Run", path: Path) -> "list[Mask]":
    from hiertools.files.inputs import Source
    from hiertools.files.masks import read_masks

    source = Source(path)
    header, found = read_masks(source)
    run.add_input(path, source.digest(), header.get("provenance"))
    return found


def _show(found: "Metrics") -> None:
    from hiertools.terminal import cell, say, table

    number = found.counts
    text = f"{number['queries']:,} queries, {number['masks']:,} predicted masks"
    if number["without_predictions"]:
        text += f"; {number['without_predictions']:,} queries have none, which count 0"
    if number["without_truth"]:
        text += f"; {number['without_truth']:,} queries are not in the truth"
    say(text)
    rows = [
        (
            *(cell(row[key]) for key in KEYS), f"{row['value']:.4f}",
            f"{row['low']:.4f} to {row['high']:.4f}" if "low" in row else "", cell(row["queries"]),
        )
        for row in found.metrics
    ]  # fmt: skip
    say(table((*KEYS, "value", "95 %", "queries"), rows, texts=KEYS))
