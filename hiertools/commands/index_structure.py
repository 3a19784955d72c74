"""The side of `hiertools index` that is for structures of FAISS, and for what they find."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hiertools.commands.class_options import MU
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    from hiertools.search.indexing import Draft


class Method(StrEnum):
    """Ways to search."""

    exact = "exact"
    flat = "flat"
    ivf = "ivf"
    hnsw = "hnsw"


class By(StrEnum):
    """What a structure is made for."""

    cosine = "cosine"
    distance = "distance"
    soft = "soft"


# Options of a structure and of its report, with the methods that have them.
_METHODS: dict[str, tuple[Any, tuple[str, ...]]] = {
    "by": (By.cosine, ("flat", "ivf", "hnsw")),
    "report": (0, ("flat", "ivf", "hnsw")),
    "lists": (None, ("ivf",)),
    "links": (32, ("hnsw",)),
    "build_ef": (100, ("hnsw",)),
    "seed": (0, ("ivf", "hnsw")),
}
_REPORT: dict[str, tuple[Any, tuple[str, ...]]] = {
    "json": (False, ("flat", "ivf", "hnsw")),
    "oversample": (4, ("flat", "ivf", "hnsw")),
    "probes": (16, ("ivf",)),
    "ef": (64, ("hnsw",)),
}


def check(options: dict[str, Any]) -> None:
    """Raise `UsageError` for options that do not go together or would do nothing."""
    method = options["method"].value
    if options["append"] and options["overwrite"]:
        raise UsageError("give one of --append and --overwrite")
    if options["append"] and method != "exact":
        raise UsageError("--append is for exact search; index everything anew for a structure")
    for name, (absent, methods) in {**_METHODS, **_REPORT}.items():
        if options[name] == absent or (name == "seed" and options["report"]):
            continue
        if method not in methods:
            raise UsageError(f"--method {method}: --{name.replace('_', '-')} does not apply")
        if name in _REPORT and not options["report"]:
            raise UsageError(f"without --report: --{name} does not apply")


def with_structure(draft: "Draft", output: Path, options: dict[str, Any]) -> "Draft":
    """Return the draft with the structure that is asked for."""
    from hiertools.search import indexing
    from hiertools.search.building import default_lists
    from hiertools.terminal import progress

    method, rows = options["method"], len(draft.items)
    parameters: dict[str, int] = {}
    if method is Method.ivf:
        parameters = {"lists": options["lists"] or default_lists(rows)}
        if parameters["lists"] > rows:
            raise UserError(f"--lists {options['lists']}: there are only {rows:,} items")
    elif method is Method.hnsw:
        parameters = {"links": options["links"], "ef": options["build_ef"]}
    with progress("building", rows) as tick:
        return indexing.with_structure(
            draft, str(output), method=method.value, by=options["by"].value,
            parameters=parameters, seed=options["seed"], tick=tick,
        )  # fmt: skip


def check_serves(by: By, task: str, name: Path) -> None:
    """Raise `UsageError` for a measure that an index of a task is not searched by."""
    if by is By.soft and task != "classes":
        raise UsageError(f"{name}: --by soft is for a model of classes, from `hiertools train`")
    if by is By.distance and task == "classes":
        raise UsageError(f"{name}: is of classes, which have cosine and soft, not --by distance")


def report(output: Path, options: dict[str, Any]) -> None:
    """Say how much of exact search the structure finds."""
    from hiertools.files import atomic, json
    from hiertools.files.index import read_index
    from hiertools.search import recall
    from hiertools.search.approximate import Effort
    from hiertools.terminal import say

    effort = Effort(options["oversample"], options["probes"], options["ef"])
    found = read_index(output)
    lines = recall.report(
        found, str(output), effort, queries=options["report"], seed=options["seed"], mu=MU
    )
    method = found.meta["method"]
    say(recall.table(lines, effort, method))
    if options["json"]:
        tried = {key: value for key, value in vars(effort).items() if method in _REPORT[key][1]}
        said = {"index": str(output), "method": method, **tried, "recall": lines}
        atomic.write_stdout(json.line(said))
