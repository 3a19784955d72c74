"""`hiertools evaluate retrieval`."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.class_options import (
    MU,
    OF_CLASSES,
    GalleryClasses,
    GalleryOption,
    Kappa,
    Mu,
    OracleQueryLabel,
    TopCategories,
    Weighting,
    WeightingOption,
)
from hiertools.commands.options import (
    BatchSize,
    Device,
    NoProvenance,
    Overwrite,
    Seed,
    Tags,
    parse_counts,
    parse_tags,
)
from hiertools.commands.queries import Kind
from hiertools.commands.query_points import By, Exclude
from hiertools.commands.taxonomies import Distance
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hiertools.commands.retrieval_inputs import Asked
    from hiertools.evaluation.retrieval_relevance import Worths
    from hiertools.evaluation.retrieval_sides import Tree
    from hiertools.files.json import Document
    from hiertools.files.metrics import Metrics
    from hiertools.files.provenance import Run
    from hiertools.taxonomy import Taxonomy


class Gain(StrEnum):
    """What a hit gains in nDCG, by the distance of its class from the query's."""

    inverse = "inverse"
    exp = "exp"
    height = "height"
    same = "same"


class Similarity(StrEnum):
    """How near a hit is in hierarchical precision."""

    height = "height"
    inverse = "inverse"


LEFT = ("without_truth", "without_ranking")  # of queries: not evaluated
DEPTH = ("depth", "classes", "queries", "map", "chance map", "ndcg", "chance ndcg")
KEYS = ("metric", "of", "k")  # of a row, beside its numbers


def evaluate_retrieval(
    searched: Annotated[
        Path,
        typer.Argument(
            metavar="INDEX|RESULTS",
            help="An index, which is searched by QUERIES; or results of earlier queries.",
            show_default=False,
        ),
    ],
    queries: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[QUERIES…]",
            help="Embeddings of the index's encoder. Their rankings are judged and not kept.",
            show_default=False,
        ),
    ] = None,
    hierarchy: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON|H5|-",
            help="The hierarchy of the classes, for metrics of how near hits are. Default: that of"
            " an index of classes.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="JSON|-", help="Where the metrics go.")
    ] = Path("metrics.json"),
    items: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="H5",
            help="With RESULTS: a file with the items that were searched, then files with the"
            " queries; may be given several times.",
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV|QRELS|-",
            help="What is relevant, where items do not say it: id and label of items, or TREC qrels"
            " with a grade for each query and hit.",
            show_default=False,
        ),
    ] = None,
    by: Annotated[
        By,
        typer.Option(
            help="With an index: what candidates are ranked by; weighted and hierarchical: by"
            " classes too."
        ),
    ] = By.cosine,
    weighting: WeightingOption = Weighting.additive,
    mu: Mu = MU,
    kappa: Kappa = 1.0,
    top_categories: TopCategories = 10,
    gallery_classes: GalleryOption = GalleryClasses.predicted,
    oracle_query_label: OracleQueryLabel = False,
    exclude: Annotated[
        Exclude | None,
        typer.Option(
            help="What is no candidate: the query, all of its image, or none. Default: what RESULTS"
            " leave out; else self, but none for qrels.",
            show_default=False,
        ),
    ] = None,
    only: Annotated[
        Kind | None,
        typer.Option(help="Take only candidates and queries that are whole images, or boxes."),
    ] = None,
    k: Annotated[
        str,
        typer.Option(
            "-k", metavar="N,…", help="Depths of precision, recall and hierarchical precision."
        ),
    ] = "1,5,10,100",
    ndcg_at: Annotated[
        str, typer.Option(metavar="N,…", help="Depths of nDCG, beside that of all candidates.")
    ] = "10,100",
    ahp_at: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Depth of average hierarchical precision."),
    ] = 250,
    gain: Annotated[
        Gain | None,
        typer.Option(
            help="What a hit gains in nDCG at the distance d of its class: 1/(1+d), exp(-A d),"
            " 1 - height of the lowest common ancestor, or 1 for the same class. Default: inverse,"
            " or same without a hierarchy.",
            show_default=False,
        ),
    ] = None,
    decay: Annotated[
        float, typer.Option(min=0, metavar="A", help="A of `exp`, in --gain exp.")
    ] = 0.3,
    similarity: Annotated[
        Similarity,
        typer.Option(
            help="How near a hit is in hierarchical precision: 1 - height of the lowest common"
            " ancestor, or 1/(1+d)."
        ),
    ] = Similarity.height,
    distance: Annotated[
        Distance | None,
        typer.Option(
            help="The distance d of classes. Default: what the hierarchy says.",
            show_default=False,
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS|CSV",
            help="Another run of the same queries, to tell how much this one is above it: its"
            " results, or the values that --values has written.",
            show_default=False,
        ),
    ] = None,
    values: Annotated[
        Path | None,
        typer.Option(
            metavar="CSV",
            help="Write the metrics of each query too, for --against and other programs.",
            show_default=False,
        ),
    ] = None,
    tag: Tags = None,
    resamples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Resamples of the queries for intervals.")
    ] = 1000,
    seed: Seed = 0,
    device: Device = "auto",
    batch_size: BatchSize = 128,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Judge rankings by the classes of hits, each metric beside chance.

    Says how soon items of the same class come, and of classes that are near to it in a hierarchy.
    With an index all of its items are ranked for each query, and no ranking is kept.
    """
    options = dict(locals())
    from hiertools.files import atomic, inputs
    from hiertools.files.metrics import write_metrics
    from hiertools.files.provenance import Run

    tags = parse_tags(tag)
    _check(options)
    inputs.check_stdin_once([searched, hierarchy, truth, against])
    for path in (output, values):
        if path is not None:
            atomic.check_writable(path, overwrite=overwrite)
    run = Run("evaluate retrieval", options, keep=not no_provenance)
    found, lines = _evaluate(run, {**options, "tags": tags})
    if values is not None:
        atomic.write_texts(values, lines, overwrite=overwrite)
    write_metrics(output, found, chain=run.chain(), overwrite=overwrite)
    _show(found)


# Options that are for an index, or for results: with their values when not given.
_OF_INDEX: dict[str, Any] = {"by": By.cosine, **OF_CLASSES, "device": "auto"}
_OF_RESULTS: dict[str, Any] = {"items": None}


def _check(given: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together."""
    if given["queries"]:
        wrong, why = _OF_RESULTS, "is for results; an index has the items itself"
    elif given["items"] or given["truth"]:
        wrong, why = _OF_INDEX, "is for an index; results are ranked already"
    else:
        raise UsageError("an index needs QUERIES…, and results need --items H5 or --truth FILE")
    for name, absent in wrong.items():
        if given[name] != absent:
            raise UsageError(f"--{name.replace('_', '-')} {why}")
    if given["decay"] != 0.3 and given["gain"] is not Gain.exp:
        raise UsageError("--decay is for --gain exp")
    if given["values"] is not None and given["values"] == given["output"]:
        raise UsageError("--values and --output name the same file")


def _evaluate(run: "Run", given: dict[str, Any]) -> "tuple[Metrics, Iterator[str]]":
    """Return the metrics, and the lines of a table of those of each query."""
    from hiertools.commands import retrieval_inputs
    from hiertools.evaluation import retrieval, retrieval_report, retrieval_sides, retrieval_values
    from hiertools.evaluation.retrieval_columns import Wanted

    wanted = Wanted(
        parse_counts(given["k"], "-k"), parse_counts(given["ndcg_at"], "--ndcg-at"), given["ahp_at"]
    )
    tree = _tree(run, given["hierarchy"])
    made = retrieval_inputs.of_index if given["queries"] else retrieval_inputs.of_results
    asked = made(run, given)
    tree = tree or asked.tree
    how = _worths(given, graded=asked.grades is not None, tree=tree is not None)
    exclude = _exclude(given["exclude"], asked)
    if not len(asked.queries):
        raise UserError(f"{asked.names[0]}: has no queries to evaluate")
    sides = retrieval_sides.Sides(asked.queries, asked.table.take(asked.rows), asked.names, exclude)
    taxonomy = None
    if asked.grades is not None:
        name = str(given["truth"])
        case = retrieval_sides.by_grade(sides, asked.grades, name, whole=asked.whole)
    else:
        case, taxonomy = retrieval_sides.by_class(sides, tree, how)
    outcome = asked.judge(case, wanted)
    path = given["against"]
    other = path and retrieval_inputs.other_run(run, path, asked, case, wanted)
    resamples = retrieval_report.Resamples(given["resamples"], given["seed"])
    about = {
        **asked.about,
        **_about(given, exclude, taxonomy, how, outcome.cut, graded=case.classes == ()),
    }
    found = retrieval.metrics(
        case, outcome.columns, other, taxonomy, resamples, about, asked.counts
    )
    return found, retrieval_values.texts(case, outcome.columns)


def _tree(run: "Run", path: Path | None) -> "Tree | None":
    from hiertools.evaluation.retrieval_sides import Tree
    from hiertools.files.inputs import Source
    from hiertools.files.trees import read_tree

    if path is None:
        return None
    source = Source(path)
    found = read_tree(source)
    run.add_input(path, source.digest(), found.chain)
    return Tree(found, source.name)


# Options that need a hierarchy of classes: with their values when not given.
_OF_TREE: dict[str, Any] = {"gain": None, "similarity": Similarity.height, "distance": None}


def _worths(given: dict[str, Any], *, graded: bool, tree: bool) -> "Worths":
    """Return how distances count. Raises `UsageError` for options that need what is not there."""
    from hiertools.evaluation.retrieval_relevance import Worths

    if graded and given["hierarchy"]:
        raise UsageError("--hierarchy is for classes; qrels judge single hits")
    for name, absent in _OF_TREE.items():
        if given[name] != absent and (graded or (given[name] is not Gain.same and not tree)):
            why = "does not apply: grades are the gains" if graded else "needs --hierarchy"
            raise UsageError(f"--{name} {why}")
    gain = given["gain"] or (Gain.inverse if tree else Gain.same)
    distance = given["distance"]
    return Worths(
        gain.value, given["decay"], given["similarity"].value, distance and distance.value
    )


EXCLUDES = ("none", "self", "image")  # the less, the sooner


def _exclude(wanted: Exclude | None, asked: "Asked") -> str:
    """Return what is no candidate: no less than what results left out."""
    before = asked.left_out or "none"
    default = "self" if asked.grades is None else "none"
    chosen = wanted.value if wanted else max(default, before, key=EXCLUDES.index)
    if EXCLUDES.index(chosen) < EXCLUDES.index(before):
        raise UsageError(f"--exclude {chosen}: the results leave out {before} already")
    return chosen


def _about(
    given: dict[str, Any],
    exclude: str,
    tree: "Taxonomy | None",
    how: "Worths",
    cut: int | None,
    *,
    graded: bool,
) -> "Document":
    """Return what the numbers need to be understood."""
    found: Document = {"exclude": exclude, "discount": "1/log2(1+rank)", "ties": "score, id"}
    found["ideal"] = "all candidates"
    found["gain"] = "grade" if graded else how.gain
    if how.gain == "exp":
        found["decay"] = how.decay
    if tree is not None:
        found |= {"distance": tree.distance, "similarity": how.similarity}
    if cut is not None:
        found["cut"] = cut
    return {**found, "tags": given["tags"]}


def _show(found: "Metrics") -> None:
    """Show the metrics, and if more is wanted those of each depth."""
    from hiertools.terminal import cell, say, table

    number = found.counts
    left = (f", {number[key]:,} {key.replace('_', ' ')}" for key in LEFT if number.get(key))
    say(f"{number['queries']:,} queries{''.join(left)}; {number['candidates']:,} candidates")
    if "cut" in found.parameters:
        say(
            f"rankings are cut at {found.parameters['cut']:,} hits: average precision counts those,"
            " of all that there are to find, and there is no nDCG of all candidates"
        )
    compared = any("against" in row for row in found.metrics)
    beside = ("against", "difference", "p") if compared else ()
    columns = (*KEYS, "value", "95 %", *beside, "chance", "adjusted", "queries")
    say(table(columns, [_cells(row, beside) for row in found.metrics], texts=KEYS[:2]))
    depths = [_of_depth(row) for row in found.tables["depths"]]
    if depths:
        say(table(DEPTH, depths, texts=()), level=2)
    for row in found.tables["left_out"]:
        name = " ".join(cell(row[key]) for key in KEYS if key in row)
        say(f"{name}: nothing is relevant to {row['queries']:,} queries, left out", level=2)


def _of_depth(row: "Document") -> tuple[str, ...]:
    return tuple(_number(row.get(key, "")) for key in DEPTH)


def _cells(row: "Document", beside: tuple[str, ...]) -> tuple[str, ...]:
    from hiertools.terminal import cell

    interval = f"{row['low']:.4f} to {row['high']:.4f}" if "low" in row else ""
    numbers = (_number(row.get(key, "")) for key in (*beside, "chance", "adjusted"))
    keys = (cell(row.get(key, "")) for key in KEYS)
    return (*keys, f"{row['value']:.4f}", interval, *numbers, cell(row["queries"]))


def _number(value: object) -> str:
    from hiertools.terminal import cell

    return f"{value:.4f}" if isinstance(value, float) else cell(value)
