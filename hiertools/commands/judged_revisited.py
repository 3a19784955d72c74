"""What `hiertools evaluate retrieval --protocol revisited` does."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.commands.options import parse_counts
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiertools.commands.judged_retrieval import Written
    from hiertools.evaluation.retrieval_columns import Column
    from hiertools.files.ground_truth import GroundTruth
    from hiertools.files.metrics import Metrics
    from hiertools.files.provenance import Run

# Options that the protocol has no use for, as they are when not given.
NOT_OF_PROTOCOL: dict[str, Any] = {
    "queries": None, "hierarchy": None, "items": None, "exclude": None, "only": None,
    "ndcg_at": "10,100", "ahp_at": 250, "gain": None, "decay": 0.3, "similarity": "height",
    "distance": None, "qrels": None,
}  # fmt: skip
KS = "1,5,10"
EVERY_KS = "1,5,10,100"  # of -k if it was not given


def evaluate(run: "Run", given: dict[str, Any]) -> "tuple[Metrics, list[Written]]":
    """Return the metrics of the setups, and what else goes into files."""
    from hiertools.evaluation import retrieval_report, retrieval_values
    from hiertools.files import ground_truth
    from hiertools.files.inputs import Source
    from hiertools.files.metrics import Metrics
    from hiertools.profiling import work

    for name, absent in NOT_OF_PROTOCOL.items():
        if given[name] != absent:
            option = "QUERIES" if name == "queries" else f"--{name.replace('_', '-')}"
            raise UsageError(f"--protocol revisited: {option} does not apply")
    if given["truth"] is None:
        raise UsageError("--protocol revisited needs --truth gnd_*.pkl, or the same as JSON")
    source = Source(given["truth"])
    truth = ground_truth.read_ground_truth(source)
    run.add_input(given["truth"], source.digest())
    ks = parse_counts(KS if given["k"] == EVERY_KS else given["k"], "-k")
    found = _columns(run, given["searched"], truth, ks)
    resamples = retrieval_report.Resamples(given["resamples"], given["seed"])
    other = given["against"] and _other(run, given["against"], truth, ks)
    with work("metrics"):
        rows = list(retrieval_report.metric_rows(found, other, resamples))
    counts = {"queries": len(truth.queries), "candidates": len(truth.images)}
    about = {"protocol": "revisited", "ties": "as ranked", "tags": given["tags"]}
    left = retrieval_report.left_out(found)
    made = Metrics("retrieval", about, counts, rows, {"depths": [], "left_out": left})
    values = retrieval_values.texts(truth.queries, found)
    return made, [(given["values"], values)] if given["values"] is not None else []


def _columns(run: "Run", path: Path, truth: "GroundTruth", ks: "tuple[int, ...]") -> "list[Column]":
    from hiertools.evaluation import revisited
    from hiertools.files.inputs import Source
    from hiertools.files.results import read_results
    from hiertools.profiling import work

    source = Source(path)
    header, rankings = read_results(source)
    with work("reading"):
        hits = {ranking.query: ranking.ids for ranking in rankings}
    run.add_input(path, source.digest(), header.get("provenance"))
    if not hits:
        raise UserError(f"{path}: has no queries")
    places = revisited.places_of(truth, hits, str(path))
    with work("judging") as done:
        found = revisited.columns(truth, places, ks=ks)
        done(len(places))
    return found


def _other(
    run: "Run", path: Path, truth: "GroundTruth", ks: "tuple[int, ...]"
) -> "dict[str, NDArray[np.float64]]":
    """Return the metrics of another run by label."""
    from hiertools.evaluation import retrieval_values
    from hiertools.files.inputs import Source

    source = Source(path)
    if retrieval_values.are_values(source):
        values = retrieval_values.read(source, truth.queries)
        run.add_input(path, source.digest())
        return values
    return {column.label: column.values for column in _columns(run, path, truth, ks)}
