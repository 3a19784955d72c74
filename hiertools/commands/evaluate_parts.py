"""`hiertools evaluate parts`."""

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import (
    BatchSize,
    By,
    Device,
    MaxArea,
    MinArea,
    NoProvenance,
    Overwrite,
    ParentScore,
    Seed,
    parse_counts,
)
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.evaluation.distributions import Ground
    from hiertools.evaluation.judging import Judge
    from hiertools.evaluation.outcome import Outcome
    from hiertools.evaluation.parts import Plan
    from hiertools.files.hierarchy import Hierarchy
    from hiertools.files.json import Document
    from hiertools.files.metrics import Metrics
    from hiertools.files.pairs import Pairs
    from hiertools.files.provenance import Run


class Finds(StrEnum):
    """What is looked for."""

    children = "children"
    parents = "parents"
    both = "both"


class Excluded(StrEnum):
    """What of a query is no candidate."""

    self_ = "self"
    image = "image"


ORDERS = ("dfs", "name", "frequency")
FLAGS = ("occluded", "truncated", "group_of", "depiction")
KEYS = ("metric", "find", "of", "exclude", "k")  # of a row, beside its numbers
SHOWN_CLASSES = 50


def evaluate_parts(
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
        typer.Option(metavar="JSON|H5|-", help="The hierarchy or entities.", show_default=False),
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
        list[Path] | None,
        typer.Option(
            metavar="CSV",
            help="With RESULTS made elsewhere: id, image and label of items, as in --items; may be"
            " given several times.",
        ),
    ] = None,
    find: Annotated[
        Finds, typer.Option(help="Judge the search for parts, for wholes, or for both.")
    ] = Finds.both,
    by: Annotated[
        By | None,
        typer.Option(
            help="What candidates are ranked by. Default: angle, or cosine without a model.",
            show_default=False,
        ),
    ] = None,
    parent_score: Annotated[
        ParentScore, typer.Option(help="The angle by which parents are ranked.")
    ] = ParentScore.ext,
    exclude: Annotated[
        Excluded | None,
        typer.Option(
            help="What is no candidate: the query itself, or all of its image. Default: each in"
            " turn.",
            show_default=False,
        ),
    ] = None,
    k: Annotated[
        str, typer.Option("-k", metavar="N,…", help="Depths of precision for the same class.")
    ] = "5,10,50,100",
    recall_at: Annotated[
        str,
        typer.Option(
            metavar="N,…",
            help="Depths of hierarchical recall and of class distributions. Default:"
            " 150000,200000,250000 where there are more candidates, else 5, 10, 25 and 50 % of"
            " them.",
            show_default=False,
        ),
    ] = "",
    sample: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Take only N random queries of each kind.", show_default=False
        ),
    ] = None,
    seed: Seed = 0,
    min_area: MinArea = Decimal("0"),
    max_area: MaxArea = Decimal("1"),
    no_occluded: Annotated[
        bool, typer.Option("--no-occluded", help="Leave out occluded boxes.")
    ] = False,
    no_truncated: Annotated[
        bool, typer.Option("--no-truncated", help="Leave out boxes that the image cuts off.")
    ] = False,
    no_group_of: Annotated[
        bool, typer.Option("--no-group-of", help="Leave out boxes of groups.")
    ] = False,
    no_depiction: Annotated[
        bool, typer.Option("--no-depiction", help="Leave out boxes of depictions.")
    ] = False,
    resamples: Annotated[
        int, typer.Option(min=1, metavar="N", help="Resamples of the queries for intervals.")
    ] = 1000,
    order: Annotated[
        str,
        typer.Option(
            metavar="dfs|name|frequency|FILE",
            help="Order of the classes for the distance of distributions: depth first, by name, by"
            " how many candidates there are, or the lines of FILE.",
        ),
    ] = "dfs",
    orders: Annotated[
        int, typer.Option(min=1, metavar="N", help="Random orders that the order is compared to.")
    ] = 200,
    path_cost: Annotated[
        int,
        typer.Option(
            min=0,
            metavar="N",
            help="Solve the transport along paths too, for N random queries of each kind.",
        ),
    ] = 0,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="H5",
            help="Compare the radii of these pairs too, from hiertools mine-hierarchy --pairs.",
        ),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON",
            help="Metrics of another run, whose values are shown beside these.",
            show_default=False,
        ),
    ] = None,
    device: Device = "auto",
    batch_size: BatchSize = 64,
    overwrite: Overwrite = False,
    no_provenance: NoProvenance = False,
) -> None:
    """Judge the search for parts and wholes, each metric beside chance.

    Ranks all candidates for each query, and keeps no ranking. Says how often hits are of the same
    class, or below or above it in the hierarchy, how far the classes of the hits are from those
    that there are to find, and whether general things lie nearer to the origin than special ones.
    """
    options = dict(locals())
    from hiertools.files import atomic, inputs
    from hiertools.files.metrics import read_metrics, write_metrics
    from hiertools.files.provenance import Run
    from hiertools.files.trees import read_tree
    from hiertools.profiling import stage

    _check(options)
    inputs.check_stdin_once([searched, hierarchy, *(truth or [])])
    atomic.check_writable(output, overwrite=overwrite)
    run = Run("evaluate parts", options, keep=not no_provenance)
    assert hierarchy is not None
    source = inputs.Source(hierarchy)
    graph = read_tree(source)
    run.add_input(hierarchy, source.digest(), graph.chain)
    other = read_metrics(against) if against else None
    judge = _index if queries else _results
    found = judge(run, graph, options)
    with stage("writing"):
        write_metrics(output, found, chain=run.chain(), overwrite=overwrite)
    _show(found, other)


# Options that are for an index, or for results: with their values when not given.
_OF_INDEX = {
    "by": None, "parent_score": ParentScore.ext, "pairs": None, "device": "auto",
}  # fmt: skip
_OF_RESULTS: dict[str, Any] = {"items": None, "truth": None}


def _check(given: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together."""
    if given["hierarchy"] is None:
        raise UsageError("name the hierarchy of the classes: --hierarchy JSON")
    if given["queries"]:
        wrong, why = _OF_RESULTS, "is for results; an index has the items itself"
    elif given["items"] or given["truth"]:
        wrong, why = _OF_INDEX, "is for an index; results are ranked already"
    else:
        raise UsageError("an index needs QUERIES…, and results need --items H5 or --truth CSV")
    for name, absent in wrong.items():
        if given[name] != absent:
            raise UsageError(f"--{name.replace('_', '-')} {why}")
    if given["parent_score"] is not ParentScore.ext and (
        given["find"] is Finds.children or given["by"] not in (None, By.angle)
    ):
        raise UsageError("--parent-score is for parents that are ranked by angle")


def _plan(run: "Run", given: dict[str, Any], *, header: "Document", most: int | None) -> "Plan":
    """Return what to evaluate. header: of results, {} for an index."""
    from hiertools.evaluation.parts import Plan
    from hiertools.evaluation.sets import Filters
    from hiertools.files import inputs

    flags = tuple(flag for flag in FLAGS if given[f"no_{flag}"])
    listed = None
    if given["order"] not in ORDERS:
        path = Path(given["order"])
        listed = tuple(run.used(path, inputs.lines(path)))
    recall_at = given["recall_at"]
    return Plan(
        finds=_finds(given["find"], header, results=not given["queries"]),
        exclude=_exclude(given["exclude"], header),
        small=parse_counts(given["k"], "-k"),
        deep=parse_counts(recall_at, "--recall-at") if recall_at else None,
        most=most,
        only=header.get("only") if header.get("only") in ("image", "box") else None,
        filters=Filters(given["min_area"], given["max_area"], flags),
        sample=given["sample"],
        seed=given["seed"],
        resamples=given["resamples"],
        order=given["order"],
        listed=listed,
        orders=given["orders"],
        path_cost=given["path_cost"],
    )


def _finds(find: Finds, header: "Document", *, results: bool) -> tuple[str, ...]:
    """Return the directions of search: of results, the one that they were made for."""
    known = header.get("find")
    if find is Finds.both:
        if results and known is None:
            raise UsageError("the results do not say what was looked for; give --find")
        return (known,) if known else ("children", "parents")
    if known not in (None, find.value):
        raise UsageError(f"--find {find.value}: the results are of a search for {known}")
    return (find.value,)


def _exclude(exclude: Excluded | None, header: "Document") -> tuple[str, ...]:
    """Return what is no candidate, each in turn: no less than what results left out."""
    all_of_image = header.get("exclude") == "image"
    if exclude is None:
        return ("image",) if all_of_image else ("self", "image")
    if all_of_image and exclude is Excluded.self_:
        raise UsageError("--exclude self: the results leave out all of a query's image")
    return (exclude.value,)


def _index(run: "Run", graph: "Hierarchy", given: dict[str, Any]) -> "Metrics":
    """Evaluate an index, searched by embeddings."""
    from dataclasses import replace

    import numpy as np

    from hiertools.embedding import choose_device
    from hiertools.evaluation import parts, report, streaming
    from hiertools.evaluation.report import Radii
    from hiertools.files import inputs, items
    from hiertools.files.embeddings import read_embeddings
    from hiertools.files.index import read_index
    from hiertools.profiling import work
    from hiertools.search.placing import check_fit
    from hiertools.search.scores import Measure

    chosen = choose_device(given["device"])
    path = given["searched"]
    index = read_index(path)
    run.add_input(path, inputs.digest_file(path), index.chain)
    by = given["by"] or (By.cosine if index.meta["task"] == "plain" else By.angle)
    if given["parent_score"] is not ParentScore.ext and by is not By.angle:
        raise UsageError("--parent-score is for parents that are ranked by angle")
    files = [read_embeddings(each) for each in given["queries"]]
    for each, found in zip(given["queries"], files, strict=True):
        run.add_input(each, inputs.digest_file(each), found.chain)
        check_fit(found.meta, found.vectors.shape[1], str(each), index.meta, str(path))
    plan, pairs = _plan(run, given, header={}, most=None), _pairs(run, given["pairs"])
    names = [str(each) for each in given["queries"]]
    table = items.concatenate([found.items for found in files])
    both = parts.sides(graph, table, index.items, (", ".join(names), str(path)), plan)
    with work("placing"):
        points = streaming.place(files, names, index, both.queries)
    both = replace(both, queries=replace(both.queries, rows=np.arange(len(points))))
    measure = Measure(
        by.value, "children", given["parent_score"].value, index.meta["geometry"], index.meta["c"]
    )
    streamed = streaming.Streamed(index, points, measure, chosen, given["batch_size"])
    outcomes = parts.outcomes(both, plan, streamed.search)
    radii = Radii(
        queries=streaming.radii(points, both.queries.rows, measure),
        candidates=streaming.radii(index.points, both.candidates.rows, measure),
        pairs=pairs,
    )
    about = {"by": by.value, "parent_score": given["parent_score"].value}
    with work("metrics"):
        return report.metrics(both, plan, outcomes, radii, about)


def _pairs(run: "Run", path: Path | None) -> "Pairs | None":
    from hiertools.files import inputs
    from hiertools.files.pairs import read_pairs

    if path is None:
        return None
    found = read_pairs(path)
    run.add_input(path, inputs.digest_file(path), found.chain)
    return found


def _results(run: "Run", graph: "Hierarchy", given: dict[str, Any]) -> "Metrics":
    """Evaluate results of earlier queries."""
    from hiertools.commands import item_tables
    from hiertools.evaluation import outcome, parts, rankings, report, truth
    from hiertools.files.inputs import Source
    from hiertools.files.results import read_results
    from hiertools.profiling import work
    from hiertools.terminal import progress

    path = given["searched"]
    paths = [*(given["items"] or []), *(given["truth"] or [])]
    tables = [item_tables.items_of(run, each) for each in given["items"] or []]
    tables += [run.used(each, truth.read(each)) for each in given["truth"] or []]
    source = Source(path)
    header, found = read_results(source)
    with work("reading"):
        hits = rankings.read(found, tables[0], str(path))
    run.add_input(path, source.digest(), header.get("provenance"))
    most = max((len(rows) for rows in hits.values()), default=0)
    if not most:
        raise UserError(f"{path}: has no hits")
    plan = _plan(run, given, header=header, most=most)
    queries = rankings.queries_of(list(hits), tables, str(path))
    both = parts.sides(graph, queries, tables[0], (str(path), str(paths[0])), plan)

    def search(judge: "Judge", ground: "Ground") -> "Outcome":
        direction = judge.direction
        places = rankings.places(hits, direction.queries, direction.candidates, len(tables[0]))
        with progress(f"judging {direction.find}", len(places)) as tick:
            return outcome.of_places(
                judge, ground, places, batch_size=given["batch_size"], tick=tick
            )

    about: Document = {key: header[key] for key in ("by", "parent_score") if key in header}
    outcomes = parts.outcomes(both, plan, search)
    with work("metrics"):
        return report.metrics(both, plan, outcomes, None, about)


def _show(found: "Metrics", other: "Metrics | None") -> None:
    """Show the metrics, beside those of another run; and the frequent classes if more is wanted."""
    from hiertools.terminal import cell, say, table

    number = found.counts
    say(
        f"{number['query_images']:,} images and {number['query_boxes']:,} boxes as queries,"
        f" {number['candidate_images']:,} images and {number['candidate_boxes']:,} boxes as"
        " candidates"
    )
    columns = (*KEYS, "value", "95 %", *(["against"] if other else []), "chance", "queries")
    before = {_key(row): row["value"] for row in other.metrics} if other else None
    rows = _without_repeats(_cells(row, before) for row in found.metrics)
    say(table(columns, rows, texts=KEYS[:4]))
    classes = found.tables["classes"][:SHOWN_CLASSES]
    cells = [tuple(map(cell, row.values())) for row in classes]
    say(table(tuple(classes[0]), cells, texts=("class",)), level=2)


def _without_repeats(rows: Iterable[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return rows, those that differ in what is excluded alone as one."""
    found: dict[tuple[str, ...], list[str]] = {}
    for metric, find, of, exclude, *numbers in rows:
        found.setdefault((metric, find, of, *numbers), []).append(exclude)
    return [(*key[:3], ", ".join(exclude), *key[3:]) for key, exclude in found.items()]


def _key(row: "Document") -> tuple[Any, ...]:
    """Return what a row is called, in any run."""
    return tuple(row.get(key, "") for key in KEYS)


def _cells(row: "Document", before: dict[tuple[Any, ...], float] | None) -> tuple[str, ...]:
    from hiertools.terminal import cell

    interval = f"{row['low']:.4f} to {row['high']:.4f}" if "low" in row else ""
    numbers = [f"{row['value']:.4f}", interval]
    if before is not None:
        numbers.append(f"{before[_key(row)]:.4f}" if _key(row) in before else "")
    return (*map(cell, _key(row)), *numbers, f"{row['chance']:.4f}", cell(row["queries"]))
