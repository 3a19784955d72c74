"""Pairs of boxes to counts, counts to a hierarchy.

After "Learning Visual Hierarchies in Hyperbolic Space for Image Retrieval" (arXiv:2411.17490),
supplement, section 1. All of it is integer arithmetic: corners in millionths, thresholds as exact
decimals, so that every engine counts the same.
"""

from collections import Counter
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from hiertools.box_table import BoxTable, as_items
from hiertools.boxes import MILLION
from hiertools.errors import UserError
from hiertools.files.counts import Counts
from hiertools.files.hierarchy import Dropped, Edge, Hierarchy, Node
from hiertools.files.items import Items
from hiertools.files.json import Document
from hiertools.files.pairs import Pairs
from hiertools.hierarchy import topological, without_cycles
from hiertools.pairing import count_labels, pairs
from hiertools.terminal import Tick

IMAGE = "image"
DISTANCE = "path"

Rows = NDArray[np.int64]
Key = tuple[str, str]


@dataclass(frozen=True)
class Rules:
    """Which boxes are counted, and how; the parameters of counts.

    overlap: least share of a child's area inside its parent; min_area: least share of the image;
    group_of: boxes that stand for a group too; include_image: the full image is a parent too.
    """

    overlap: Decimal
    min_area: Decimal
    group_of: bool
    include_image: bool

    def document(self) -> Document:
        """Return the rules as counts record them."""
        return {
            "overlap": str(self.overlap),
            "min_area": str(self.min_area),
            "group_of": self.group_of,
            "include_image": self.include_image,
        }

    def check(self, counts: Counts, name: str) -> None:
        """Raise `UserError` if counts were made by other rules."""
        for rule, value in self.document().items():
            if counts.parameters.get(rule) != value:
                raise UserError(
                    f"{name}: was counted with {rule} {counts.parameters.get(rule)}, not {value};"
                    " give the options that it was counted with"
                )


def select(
    table: BoxTable, *, min_area: Decimal, group_of: bool
) -> tuple[NDArray[np.bool_], Counter[str]]:
    """Return the boxes that take part, and how many were left out for what."""
    areas = table.areas()
    flat = areas == 0
    least = Fraction(min_area) * MILLION**2
    small = ~flat & (areas < -(-least.numerator // least.denominator))
    groups = np.zeros(len(table), bool)
    if not group_of:
        if "group_of" not in table.flags:
            raise UserError("the annotations do not say which boxes are groups (IsGroupOf)")
        groups = ~flat & ~small & table.flags["group_of"]
    left_out = {"no_area": flat, "below_min_area": small, "groups": groups}
    return ~(flat | small | groups), Counter({k: int(v.sum()) for k, v in left_out.items()})


def training_pairs(table: BoxTable, *, overlap: Decimal, min_area: Decimal, tick: Tick) -> Pairs:
    """Return the pairs within images that training uses.

    The full image holds every box; a box holds the boxes that are its children. Left out are
    boxes of less than `min_area` of the image, and pairs of two boxes whose child is a group
    (supplement, section 2.1).
    """
    kept, left_out = select(table, min_area=min_area, group_of=True)
    left_out["group_pairs"] = 0
    items = as_items(table)
    group_of = table.flags.get("group_of", np.zeros(len(table), bool))[kept]
    rows = np.flatnonzero(kept)
    kept_table = table.keep(kept)
    parents = [table.first[kept_table.image] + kept_table.image]
    children = [rows + kept_table.image + 1]
    for block in pairs(kept_table, overlap=overlap, tick=tick):
        single = ~group_of[block.child]
        left_out["group_pairs"] += int((~single).sum())
        for found, side in ((parents, block.parent), (children, block.child)):
            boxes = rows[side[single]]
            found.append(boxes + table.image[boxes] + 1)
    meta = {
        "source": table.source,
        "overlap": str(overlap),
        "min_area": str(min_area),
        "left_out": dict(sorted(left_out.items())),
    }
    return _of_used_items(np.concatenate(parents), np.concatenate(children), items, meta)


def _of_used_items(parent: Rows, child: Rows, items: Items, meta: Document) -> Pairs:
    """Return pairs by parent and child, over the items that take part in any."""
    used = np.zeros(len(items), bool)
    used[parent] = used[child] = True
    renumbered = np.cumsum(used) - 1
    order = np.lexsort((child, parent))
    return Pairs(renumbered[parent[order]], renumbered[child[order]], items.take(used), meta)


def count(table: BoxTable, rules: Rules, *, part: tuple[int, int], tick: Tick) -> Counts:
    """Count the boxes of every class and the pairs of every two classes.

    With `rules.include_image` the full image is a parent with the id `image`; it holds every box.
    part: the shard that the table is of how many.
    """
    kept, statistics = select(table, min_area=rules.min_area, group_of=rules.group_of)
    statistics.update(images=len(table.images), boxes=len(table), outside=table.outside)
    table = table.keep(kept)
    size = len(table.labels)
    found = count_labels(table, overlap=rules.overlap, tick=tick)
    parents, children = ([table.labels[i] for i in side] for side in (found.parent, found.child))
    keys = list(zip(parents, children, strict=True))
    boxes = np.bincount(table.label, minlength=size)
    counts = Counts(
        boxes=Counter({table.labels[i]: int(n) for i, n in enumerate(boxes) if n}),
        frequency=Counter(dict(zip(keys, found.frequency.tolist(), strict=True))),
        holders=Counter(dict(zip(keys, found.holders.tolist(), strict=True))),
        names={label: table.names[label] for label in table.labels if label in table.names},
        statistics=statistics,
        source=table.source,
        parameters=rules.document(),
        shards=[part],
    )
    if rules.include_image:
        _add_image(counts, table)
    return counts


def _add_image(counts: Counts, table: BoxTable) -> None:
    """Count the full image as a parent of every box."""
    if IMAGE in table.labels:
        raise UserError(f"a class has the id '{IMAGE}', which --include-image needs for itself")
    in_images = np.unique(table.image.astype(np.int64) * len(table.labels) + table.label)
    images = np.bincount(in_images % len(table.labels), minlength=len(table.labels))
    boxes = dict(counts.boxes)
    counts.boxes[IMAGE] = len(table.images)
    counts.names[IMAGE] = "full image"
    for code, label in enumerate(table.labels):
        if label in boxes:
            counts.frequency[IMAGE, label] = boxes[label]
            counts.holders[IMAGE, label] = int(images[code])


def mine(counts: Counts, *, freq: int, prop: Decimal) -> Hierarchy:
    """Keep the pairs that are frequent and consistent, and make a DAG of them.

    freq: least number of box pairs; prop: least share of the parent's boxes that hold a child.
    """
    candidates: list[Edge] = []
    dropped: list[Dropped] = []
    least = Fraction(prop)
    for (parent, child), frequency in sorted(counts.frequency.items()):
        holders, boxes = counts.holders[parent, child], counts.boxes[parent]
        edge = (parent, child, frequency, holders, holders / boxes)
        if parent == child:
            dropped.append(Dropped(*edge, "same-class"))
        elif frequency < freq:
            dropped.append(Dropped(*edge, "frequency"))
        elif holders * least.denominator < boxes * least.numerator:
            dropped.append(Dropped(*edge, "proportion"))
        else:
            candidates.append(Edge(*edge))
    candidates.sort(key=lambda edge: _strength(counts, edge), reverse=True)
    kept = without_cycles([(edge.parent, edge.child) for edge in candidates])
    edges = [edge for edge, keep in zip(candidates, kept, strict=True) if keep]
    cyclic = [edge for edge, keep in zip(candidates, kept, strict=True) if not keep]
    dropped += [Dropped(**vars(edge), reason="cycle") for edge in cyclic]
    return _assemble(counts, edges, dropped, {"freq": freq, "prop": str(prop)})


def _strength(counts: Counts, edge: Edge) -> tuple[Fraction, int, Key]:
    key = (edge.parent, edge.child)
    share = Fraction(counts.holders[key], counts.boxes[edge.parent])
    return share, counts.frequency[key], key


def _assemble(
    counts: Counts, edges: list[Edge], dropped: list[Dropped], thresholds: Document
) -> Hierarchy:
    order = topological(counts.boxes, [(edge.parent, edge.child) for edge in edges])
    place = {label: row for row, label in enumerate(order)}
    parents = {edge.parent for edge in edges}
    return Hierarchy(
        nodes=[
            Node(label, counts.names.get(label, label), None, counts.boxes[label])
            for label in order
        ],
        edges=sorted(edges, key=lambda edge: (place[edge.parent], place[edge.child])),
        leaves=[label for label in order if label not in parents],
        dropped=sorted(dropped, key=lambda edge: (edge.parent, edge.child)),
        source=counts.source,
        parameters={**counts.parameters, **thresholds},
        statistics=dict(sorted(counts.statistics.items())),
        distance=DISTANCE,
    )


def report(hierarchy: Hierarchy) -> list[str]:
    """Return lines that say what was mined and, if that is little, why."""
    about = hierarchy.statistics
    counted = ", ".join(
        f"{about[key]:,} {what}"
        for key, what in (
            ("outside", "reached over the edge and were clipped"),
            ("no_area", "have no area"),
            ("below_min_area", "are below --min-area"),
            ("groups", "are groups"),
        )
        if about.get(key)
    )
    lines = [
        f"{about.get('images', 0):,} images, {about.get('boxes', 0):,} boxes"
        + (f" ({counted})" if counted else "")
        + f", {len(hierarchy.nodes):,} classes"
    ]
    reasons = Counter(edge.reason for edge in hierarchy.dropped)
    total = len(hierarchy.edges) + len(hierarchy.dropped)
    dropped = ", ".join(f"{reason} {n:,}" for reason, n in sorted(reasons.items()))
    lines.append(
        f"{len(hierarchy.edges):,} of {total:,} pairs of classes kept"
        + (f"; dropped: {dropped}" if dropped else "")
    )
    if not hierarchy.edges:
        lines += _why_empty(hierarchy)
    return lines


def _why_empty(hierarchy: Hierarchy) -> list[str]:
    crossing = [edge for edge in hierarchy.dropped if edge.reason != "same-class"]
    if not crossing:
        return ["no box lies in a box of another class: there is no hierarchy to find"]
    names = {node.id: node.name for node in hierarchy.nodes}
    thresholds = hierarchy.parameters
    return [
        f"the {what}: {names[edge.parent]} > {names[edge.child]}, frequency {edge.frequency},"
        f" proportion {edge.proportion:.3f}; --freq is {thresholds['freq']}, --prop"
        f" {thresholds['prop']}"
        for what, edge in (
            ("most frequent", max(crossing, key=lambda e: e.frequency or 0)),
            (
                "most consistent",
                max(crossing, key=lambda e: (e.proportion or 0, e.frequency)),
            ),
        )
    ]
