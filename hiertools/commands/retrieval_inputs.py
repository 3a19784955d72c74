"""What `hiertools evaluate retrieval` reads: an index with queries, or results; and the truth."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiertools.evaluation.retrieval import Outcome
    from hiertools.evaluation.retrieval_case import Case
    from hiertools.evaluation.retrieval_columns import Wanted
    from hiertools.evaluation.retrieval_sides import Tree
    from hiertools.evaluation.retrieval_streaming import Score
    from hiertools.evaluation.retrieval_truth import Grades
    from hiertools.files.index import Index
    from hiertools.files.items import Items
    from hiertools.files.json import Document
    from hiertools.files.provenance import Run
    from hiertools.files.rankings import Ranking

    Rows = NDArray[np.int64]
    Judge = Callable[[Case, Wanted], Outcome]


KINDS = ("image", "box")  # of hits that results may have alone


@dataclass(frozen=True)
class Asked:
    """Queries, what was searched for them, and what judges the rankings of a case of both.

    table: all that was searched, of which `rows` are candidates; names: of the files of queries and
    candidates; grades: what is relevant, None where classes say it; left_out: what of a query
    results leave out; whole: whether all candidates are known; tree: what an index has of its
    classes; about: how the rankings were made; counts: what is not evaluated.
    """

    queries: "Items"
    table: "Items"
    rows: "Rows"
    names: tuple[str, str]
    grades: "Grades | None"
    judge: "Judge"
    left_out: str | None
    whole: bool
    tree: "Tree | None"
    about: "Document"
    counts: "Document"


def of_index(run: "Run", given: dict[str, Any]) -> Asked:
    """Return the queries of an index."""
    from hiertools.evaluation import retrieval, retrieval_streaming
    from hiertools.files import inputs, items
    from hiertools.files.embeddings import read_embeddings
    from hiertools.files.index import read_index
    from hiertools.search.placing import check_fit

    path, paths = given["searched"], given["queries"]
    index = read_index(path)
    run.add_input(path, inputs.digest_file(path), index.chain)
    files = [read_embeddings(each) for each in paths]
    for each, found in zip(paths, files, strict=True):
        run.add_input(each, inputs.digest_file(each), found.chain)
        check_fit(found.meta, found.vectors.shape[1], str(each), index.meta, str(path))
    score, about = _score(index, str(path), given)
    grades, tables = _truth(run, given["truth"], [index.items, *(each.items for each in files)])
    names = [str(each) for each in paths]
    queries, rows = items.concatenate(tables[1:]), _of_kind(tables[0], given["only"], str(path))
    asked, counts = _judged(queries, _of_kind(queries, given["only"], ", ".join(names)), grades)
    of_files = retrieval_streaming.Files(files, names, asked)

    def judge(case: "Case", wanted: "Wanted") -> "Outcome":
        scored = score(rows[case.gallery.rows])
        return retrieval.of_scores(
            case, lambda block: of_files.scores(block, scored), wanted, given["batch_size"]
        )

    return Asked(
        queries.take(asked), tables[0], rows, (", ".join(names), str(path)), grades, judge,
        None, True, _tree_of(index, str(path)), about, counts,
    )  # fmt: skip


def _score(
    index: "Index", name: str, given: dict[str, Any]
) -> "tuple[Callable[[Rows], Score], Document]":
    """Return what makes, of rows of an index, a function that scores them; and how it does so."""
    from hiertools.commands import class_options
    from hiertools.embedding import choose_device
    from hiertools.evaluation import retrieval_streaming
    from hiertools.search.class_scores import ClassScorer
    from hiertools.search.scores import Measure
    from hiertools.terminal import say

    by, about = given["by"].value, {"by": given["by"].value}
    request = class_options.class_request(by, given)
    if request is None:
        device = choose_device(given["device"])
        measure = Measure(by, "children", "ext", index.meta["geometry"], index.meta["c"])
        return lambda rows: retrieval_streaming.by_measure(index, rows, measure, device), about
    scorer = ClassScorer(index, name, request)
    if scorer.unlabelled:
        say(f"{scorer.unlabelled:,} items have no label that is a class: the predicted one counts")
    about |= class_options.header(request)
    return lambda rows: retrieval_streaming.by_classes(scorer, rows), about


def _tree_of(index: "Index", name: str) -> "Tree | None":
    """Return the hierarchy that travels in an index of classes."""
    from hiertools.evaluation.retrieval_sides import Tree
    from hiertools.search import class_scores

    if index.meta["task"] != class_scores.TASK:
        return None
    return Tree(class_scores.taxonomy_of(index, name).hierarchy, name)


def of_results(run: "Run", given: dict[str, Any]) -> Asked:
    """Return the queries of earlier results."""
    from hiertools.commands import item_tables
    from hiertools.evaluation import rankings, retrieval
    from hiertools.files import json
    from hiertools.files.inputs import Source
    from hiertools.files.results import read_results
    from hiertools.profiling import work

    path, listed = given["searched"], given["items"] or []
    grades, tables = _truth(
        run, given["truth"], [item_tables.items_of(run, each) for each in listed]
    )
    source = Source(path)
    header, made = read_results(source)
    found: Iterable[Ranking] = made
    with work("reading"):
        if not tables:
            assert grades is not None
            found = list(made)
            tables = [_mentioned([*found, *_others(given["against"])], grades)]
        hits = rankings.read(found, tables[0], str(path))
    run.add_input(path, source.digest(), header.get("provenance"))
    if not hits:
        raise UserError(f"{path}: has no queries")
    names = list(hits)
    queries = _named(names) if grades else rankings.queries_of(names, tables, str(path))
    hit_kind = header.get("only") if header.get("only") in KINDS else None
    rows = _of_kind(tables[0], given["only"] or hit_kind, str(path))
    asked, counts = _judged(queries, _of_kind(queries, given["only"], str(path)), grades)

    def judge(case: "Case", wanted: "Wanted") -> "Outcome":
        places = retrieval.places_of(case, hits, rows, len(tables[0]))
        ranked = retrieval.rankings(case, places, header.get("k", 0))
        return retrieval.of_rankings(case, ranked, wanted, given["batch_size"])

    where = str(listed[0] if listed else given["truth"])
    about = {key: header[key] for key in header if key not in (*json.HEADER, "index", "exclude")}
    return Asked(
        queries.take(asked), tables[0], rows, (str(path), where), grades, judge,
        header.get("exclude"), bool(listed) or grades is None, None, about, counts,
    )  # fmt: skip


def other_run(
    run: "Run", path: Path, asked: Asked, case: "Case", wanted: "Wanted"
) -> "dict[str, NDArray[np.float64]]":
    """Return the metrics of another run by label, NaN for queries that it lacks."""
    import numpy as np

    from hiertools.evaluation import rankings, retrieval, retrieval_values
    from hiertools.files.inputs import Source
    from hiertools.files.results import read_results
    from hiertools.profiling import work
    from hiertools.terminal import say

    source = Source(path)
    if retrieval_values.are_values(source):
        values = retrieval_values.read(source, case.names)
        say(f"{path}: says nothing of its gain, its exclusion and its depth; they must be as here")
        run.add_input(path, source.digest())
        return values
    header, found = read_results(source)
    with work("reading"):
        hits = rankings.read(found, asked.table, str(path))
    run.add_input(path, source.digest(), header.get("provenance"))
    lacking = np.array([name not in hits for name in case.names])
    if lacking.all():
        raise UserError(f"{path}: has none of the queries; is it of the same ones?")
    places = retrieval.places_of(case, hits, asked.rows, len(asked.table))
    made = retrieval.rankings(case, places, header.get("k", 0))
    columns = retrieval.of_rankings(case, made, wanted, 256).columns
    return {each.label: np.where(lacking, np.nan, each.values) for each in columns}


def _truth(
    run: "Run", path: Path | None, tables: "list[Items]"
) -> "tuple[Grades | None, list[Items]]":
    """Return grades of hits, and tables of items with their classes."""
    from hiertools.evaluation import retrieval_truth

    if path is None:
        return None, tables
    found = retrieval_truth.read(path, tables)
    run.add_input(path, found.sha256)
    return found.grades, found.tables


def _of_kind(table: "Items", only: str | None, name: str) -> "Rows":
    """Return the rows of the items of a kind, of all without one."""
    import numpy as np

    from hiertools.search import choosing

    if only is None:
        return np.arange(len(table))
    return np.flatnonzero(choosing.of_kind(table, str(only), name))


def _judged(queries: "Items", rows: "Rows", grades: "Grades | None") -> "tuple[Rows, Document]":
    """Return the rows of queries that somebody has judged, and how many are not evaluated."""
    import numpy as np

    from hiertools.files import items

    if grades is None:
        return rows, {}
    names = [items.decode(key) for key in queries.id[rows]]
    known = np.array([name in grades for name in names], np.bool_)
    counts = {
        "without_truth": int((~known).sum()),
        "without_ranking": len(grades.keys() - set(names)),
    }
    return rows[known], counts


def _others(path: Path | None) -> "Iterable[Ranking]":
    """Return the rankings of another run, none for a table of values."""
    from hiertools.evaluation import retrieval_values
    from hiertools.files.inputs import Source
    from hiertools.files.results import read_results

    if path is None or retrieval_values.are_values(source := Source(path)):
        return ()
    return read_results(source)[1]


def _mentioned(rankings: "Iterable[Ranking]", grades: "Grades") -> "Items":
    """Return all items that rankings or grades name."""
    ids = {key for ranking in rankings for key in ranking.ids}
    return _named(sorted(ids.union(*grades.values())))


def _named(names: list[str]) -> "Items":
    from hiertools.files import items

    return items.Items(items.encode(names))
