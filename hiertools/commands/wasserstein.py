"""`hiertools wasserstein`."""

from collections import Counter
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hiertools.commands.options import Overwrite, Seed
from hiertools.errors import UsageError, UserError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from hiertools.files.distribution import Distribution
    from hiertools.files.hierarchy import Hierarchy

ORDERS = ("name", "dfs", "frequency")


class Ground(Enum):
    """What it costs to move weight from one class to another."""

    index = "index"
    tree = "tree"
    path = "path"


def wasserstein(
    a: Annotated[
        Path,
        typer.Argument(
            metavar="A", help="A JSON object of weights by label, or results; - for standard input."
        ),
    ],
    b: Annotated[Path, typer.Argument(metavar="B", help="What to compare A with, in either form.")],
    hierarchy: Annotated[
        Path | None,
        typer.Option(
            metavar="JSON|H5|-", help="The hierarchy or entities that labels are nodes of."
        ),
    ] = None,
    ground: Annotated[
        Ground,
        typer.Option(
            metavar="index|tree|path",
            help="Measure how far classes are apart in their order, in a tree, or along the paths"
            " of any hierarchy.",
        ),
    ] = Ground.index,
    order: Annotated[
        str,
        typer.Option(
            metavar="name|dfs|frequency|FILE",
            help="Order of the classes: by name, depth first, by falling weight in A, or the lines"
            " of FILE. Default: dfs with --hierarchy, else name.",
        ),
    ] = "",
    orders: Annotated[
        int,
        typer.Option(min=1, help="Random orders in the sensitivity band of --ground index."),
    ] = 200,
    seed: Seed = 0,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="JSON|-", help="Where the distance goes."),
    ] = Path("-"),
    overwrite: Overwrite = False,
) -> None:
    """Compare two distributions over classes by optimal transport.

    The distance is the least work that makes one of the other: weight times how far it moves.
    Weights are normalised to a sum of 1. Results count as the labels of their hits.
    """
    from hiertools.files import atomic, inputs, json
    from hiertools.files.distribution import read_distribution
    from hiertools.files.trees import read_tree

    if hierarchy is None:
        for option, value in (("ground", ground.value), ("order", order)):
            if value in ("tree", "path", "dfs"):
                raise UsageError(f"--{option} {value} needs --hierarchy")
    order = order or ("dfs" if hierarchy else "name")
    listed = None if order in ORDERS else Path(order)
    inputs.check_stdin_once([a, b, hierarchy, listed])
    atomic.check_writable(output, overwrite=overwrite)
    graph = read_tree(hierarchy) if hierarchy else None
    pair = [read_distribution(path) for path in (a, b)]
    if graph:
        pair = [_with_others(*each, graph) for each in zip((a, b), pair, strict=True)]
    labels = _listed(listed, pair, graph) if listed else _ordered(order, pair, graph)
    if graph and ground is not Ground.index:
        moved = [label for label in labels if any(weights.get(label) for weights in pair)]
        measure = _along_tree if ground is Ground.tree else _along_paths
        distance, more = measure(moved, pair, graph)
    else:
        distance, more = _along_order(labels, pair, orders, seed, others_last=graph is not None)
    about = {"ground": ground.value, "order": order, "labels": labels}
    json.write(output, {"distance": distance, **about, **more}, overwrite=overwrite)


def _with_others(path: Path, weights: "Distribution", graph: "Hierarchy") -> "Distribution":
    """Put the weight of labels that are no node into `others`, and say so."""
    from hiertools.metrics.transport import OTHERS
    from hiertools.terminal import say

    nodes = {node.id for node in graph.nodes}
    outside = [label for label in weights if label not in nodes]
    if not outside:
        return weights
    if OTHERS in nodes:
        raise UserError(
            f"{path}: {outside[0]!r} is not in the hierarchy, and cannot count as {OTHERS!r},"
            " because that is a class of it"
        )
    found = {label: weight for label, weight in weights.items() if label in nodes}
    found[OTHERS] = sum(weights[label] for label in outside)
    say(
        f"{path}: labels outside of the hierarchy: {len(outside):,}; {found[OTHERS]:.3g} of the"
        f" weight counts as {OTHERS!r}"
    )
    return found


def _ordered(order: str, pair: "list[Distribution]", graph: "Hierarchy | None") -> list[str]:
    """Return the labels of both distributions in an order."""
    from hiertools.hierarchy import depth_first_order

    labels = _all_labels(pair)
    if order == "frequency":
        labels.sort(key=lambda label: -pair[0].get(label, 0))
    elif order == "dfs" and graph:
        labels = depth_first_order(graph, labels)
    return _others_last(labels) if graph else labels


def _listed(path: Path, pair: "list[Distribution]", graph: "Hierarchy | None") -> list[str]:
    """Return the classes that a file lists."""
    from hiertools.files import inputs
    from hiertools.metrics.transport import OTHERS

    lines, _ = inputs.lines(path)
    twice = [label for label, times in Counter(lines).items() if times > 1]
    missing = [label for label in _all_labels(pair) if label not in lines]
    if graph and OTHERS in missing:
        missing.remove(OTHERS)
        lines.append(OTHERS)
    for labels, what in ((twice, "is there twice"), (missing, "is not there; list every class")):
        if labels:
            raise UserError(f"{path}: {labels[0]!r} {what}")
    return _others_last(lines) if graph else lines


def _all_labels(pair: "list[Distribution]") -> list[str]:
    return sorted({label for weights in pair for label in weights})


def _others_last(labels: list[str]) -> list[str]:
    from hiertools.metrics.transport import OTHERS

    return sorted(labels, key=lambda label: label == OTHERS)


def _along_order(
    labels: list[str], pair: "list[Distribution]", orders: int, seed: int, *, others_last: bool
) -> tuple[float, dict[str, Any]]:
    import numpy as np

    from hiertools.metrics import transport

    h, r = _arrays(labels, pair)
    band = transport.sensitivity_band(
        h,
        r,
        orders,
        np.random.default_rng(seed),
        others_last=others_last and labels[-1] == transport.OTHERS,
    )
    named = dict(zip(("min", "median", "max"), band, strict=True))
    distance = float(transport.index_distance(h, r))
    return distance, {"sensitivity": {"orders": orders, **named}}


def _along_tree(
    labels: list[str], pair: "list[Distribution]", graph: "Hierarchy"
) -> tuple[float, dict[str, Any]]:
    import numpy as np

    from hiertools.hierarchy import forest
    from hiertools.metrics.transport import tree_distance

    nodes, parent = forest(graph, labels)
    h, r = _arrays(nodes, pair)
    return float(tree_distance(h, r, parent, np.ones(len(nodes)))), {}


def _along_paths(
    labels: list[str], pair: "list[Distribution]", graph: "Hierarchy"
) -> tuple[float, dict[str, Any]]:
    from hiertools.hierarchy import at_or_above, parents_of, path_costs
    from hiertools.metrics.transport import transport_cost
    from hiertools.terminal import say

    h, r = _arrays(labels, pair)
    cost = transport_cost(h, r, path_costs(graph, labels))
    parents = parents_of(graph)
    several = [node for node in at_or_above(graph, labels) if len(parents[node]) > 1]
    if not several:
        return cost, {}
    say(
        f"{several[0]!r} has several parents: this is a transport cost and no distance, because"
        " the triangle inequality can fail"
    )
    return cost, {"cost": True}


def _arrays(labels: list[str], pair: "list[Distribution]") -> "list[NDArray[np.float64]]":
    import numpy as np

    return [np.array([weights.get(label, 0.0) for label in labels]) for weights in pair]
