"""What `hiertools evaluate retrieval` does: a case, its rankings, all the numbers."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.commands.options import parse_counts
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.commands.retrieval_inputs import Asked
    from hiertools.evaluation.retrieval import Outcome
    from hiertools.evaluation.retrieval_case import Case
    from hiertools.evaluation.retrieval_columns import Wanted
    from hiertools.evaluation.retrieval_relevance import Worths
    from hiertools.evaluation.retrieval_sides import Tree
    from hiertools.files.json import Document
    from hiertools.files.metrics import Metrics
    from hiertools.files.provenance import Run
    from hiertools.taxonomy import Taxonomy

Written = tuple[Path, Iterator[str]]


def evaluate(run: "Run", given: dict[str, Any]) -> "tuple[Metrics, list[Written]]":
    """Return the metrics, and what else goes into files."""
    from hiertools.commands import retrieval_inputs
    from hiertools.evaluation import (
        retrieval,
        retrieval_qrels,
        retrieval_report,
        retrieval_sides,
        retrieval_values,
    )
    from hiertools.evaluation.retrieval_columns import Wanted
    from hiertools.profiling import work
    from hiertools.terminal import warn

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
        why = f" that {given['truth']} knows; ids must be the same" if given["truth"] else ""
        raise UserError(f"{asked.names[0]}: has no queries to evaluate{why}")
    sides = retrieval_sides.Sides(asked.queries, asked.table.take(asked.rows), asked.names, exclude)
    taxonomy = None
    if asked.grades is not None:
        name = str(given["truth"])
        case = retrieval_sides.by_grade(sides, asked.grades, name, whole=asked.whole)
        _say_own(case, exclude)
    else:
        case, taxonomy = retrieval_sides.by_class(sides, tree, how)
    outcome = asked.judge(case, wanted)
    if asked.about.get("oracle_query_label"):
        warn("the classes of queries are their true labels: this is no result of a model")
    _say_depths(wanted, outcome)
    path = given["against"]
    other = path and retrieval_inputs.other_run(run, path, asked, case, wanted)
    resamples = retrieval_report.Resamples(given["resamples"], given["seed"])
    about = {
        **asked.about,
        **_about(given, exclude, taxonomy, how, outcome.cut, graded=case.classes == ()),
    }
    with work("metrics"):
        found = retrieval.metrics(
            case, outcome.columns, other, taxonomy, resamples, about, asked.counts
        )
    lines = {
        "values": retrieval_values.texts(case.names, outcome.columns),
        "qrels": retrieval_qrels.texts(case),
    }
    return found, [(given[name], lines[name]) for name in lines if given[name] is not None]


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
_OF_TREE: dict[str, Any] = {"gain": None, "similarity": "height", "distance": None}


def _worths(given: dict[str, Any], *, graded: bool, tree: bool) -> "Worths":
    """Return how distances count. Raises `UsageError` for options that need what is not there."""
    from hiertools.evaluation import retrieval_relevance

    if graded and given["hierarchy"]:
        raise UsageError("--hierarchy is for classes; qrels judge single hits")
    for name, absent in _OF_TREE.items():
        if given[name] != absent and (
            graded or (given[name] != retrieval_relevance.SAME_CLASS and not tree)
        ):
            why = "does not apply: grades are the gains" if graded else "needs --hierarchy"
            raise UsageError(f"--{name} {why}")
    default = retrieval_relevance.INVERSE if tree else retrieval_relevance.SAME_CLASS
    return retrieval_relevance.Worths(
        str(given["gain"] or default), given["decay"], str(given["similarity"]),
        given["distance"] and str(given["distance"]),
    )  # fmt: skip


EXCLUDES = ("none", "self", "image")  # the less, the sooner


def _exclude(wanted: str | None, asked: "Asked") -> str:
    """Return what is no candidate: no less than what results left out."""
    before = asked.left_out if asked.left_out in EXCLUDES else "none"
    default = "self" if asked.grades is None else "none"
    chosen = str(wanted or max(default, before, key=EXCLUDES.index))
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


def _say_own(case: "Case", exclude: str) -> None:
    """Say if queries may find themselves, which nobody would judge."""
    from hiertools.terminal import say

    own = int((case.gallery.places(case.ids) >= 0).sum())
    if exclude == "none" and own:
        say(f"{own:,} queries are candidates of themselves; --exclude self leaves them out")


def _say_depths(wanted: "Wanted", outcome: "Outcome") -> None:
    """Say which depths are beyond what there is to judge."""
    from hiertools.terminal import say

    judged = {column.name.get("k") for column in outcome.columns}
    lost = sorted({*wanted.hits, *wanted.gains} - judged)
    if lost:
        what = "candidates" if outcome.cut is None else "hits"
        say(f"there are not so many {what}: not judged at {', '.join(f'{k:,}' for k in lost)}")
