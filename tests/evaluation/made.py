"""What the tests of evaluation share: a hierarchy, small sets, a plain oracle of rankings."""

from decimal import Decimal

import numpy as np

from hiertools.evaluation import classes, sets
from hiertools.evaluation.parts import Plan, Sides
from hiertools.evaluation.sets import Filters
from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.files.items import Items, encode, label_sets

ALL = Filters(Decimal(0), Decimal(1), ())

# street > car > wheel > hub, street > bus > wheel; street > wheel is needless; lamp stands alone
EDGES = [
    ("street", "car"), ("street", "bus"), ("street", "wheel"), ("car", "wheel"), ("bus", "wheel"),
    ("wheel", "hub"),
]  # fmt: skip
NAMES = ["lamp", "street", "car", "bus", "wheel", "hub"]


def hierarchy(edges=EDGES, names=NAMES):
    return Hierarchy(
        [Node(name, name) for name in names],
        [Edge(*edge) for edge in edges],
        [],
        [],
        {},
        {},
        {},
        "",
    )


TREE = [("street", "car"), ("street", "bus"), ("car", "wheel"), ("wheel", "hub")]


def items(rows, **more):
    """Return items of (id, labels); the image is what stands before the #."""
    names = [name for name, _ in rows]
    images = [name.partition("#")[0] for name in names]
    kind = np.array([name != image for name, image in zip(names, images, strict=True)], np.uint8)
    return Items(
        encode(names), encode(images), kind, label_sets(labels for _, labels in rows), **more
    )


def plan(**given):
    options = {
        "finds": ("children", "parents"), "exclude": ("self", "image"), "small": (1, 2, 5),
        "deep": (1, 3), "most": None, "only": None, "filters": ALL, "sample": None, "seed": 0,
        "resamples": 20, "order": "dfs", "listed": None, "orders": 5, "path_cost": 0,
    }  # fmt: skip
    return Plan(**{**options, **given})


def sides(queries, candidates, graph=None):
    graph = graph or hierarchy()
    known = classes.of_hierarchy(graph, [queries.labels, candidates.labels])
    left, right = (sets.select(table, known, ALL, "x") for table in (queries, candidates))
    return Sides(left, right.by_id(), known, graph)


class Oracle:
    """One query's ranking, judged by plain loops over lists and sets."""

    def __init__(self, direction, graph, query, scores, exclude):
        below, above = {}, {}
        for name in (node.id for node in graph.nodes):
            below[name] = _closure(name, {(e.parent, e.child) for e in graph.edges})
            above[name] = _closure(name, {(e.child, e.parent) for e in graph.edges})
        queries, candidates = direction.queries, direction.candidates
        self.own = queries.labels.of(query)
        known = [name for name in self.own if name in below]
        under = set().union(*(below[name] for name in known))
        over = set().union(*(above[name] for name in known))
        is_image = queries.kind[query] == 0
        self.support = under | set(known)
        self.listed = []
        for place in sorted(range(len(candidates)), key=lambda j: (-scores[j], j)):
            same_id = candidates.items.id[place] == queries.items.id[query]
            same_image = candidates.image[place] == queries.image[query]
            if same_id or (exclude == "image" and same_image):
                continue
            labels, image = set(candidates.labels.of(place)), candidates.kind[place] == 0
            if direction.find == "children":
                relevant = labels & (under | (set(known) if is_image else set()))
            else:
                relevant = labels & (over | (set(known) if image else set()))
            same = bool(labels & set(self.own)) if direction.find == "children" or image else None
            self.listed.append((bool(relevant), same, candidates.labels.of(place)))

    @property
    def relevant(self):
        return sum(relevant for relevant, _, _ in self.listed)

    def hits(self, k):
        return sum(relevant for relevant, _, _ in self.listed[:k])

    def right(self, k=None):
        return sum([same for _, same, _ in self.listed if same is not None][:k])

    def pool(self):
        return sum(same is not None for _, same, _ in self.listed)

    def weights(self, k=None):
        """Return the weight of each class among the first k."""
        found = {}
        for _, _, labels in self.listed[:k]:
            for label in labels:
                found[label] = found.get(label, 0) + 1 / len(labels)
        return found

    def pair(self, k, order):
        """Return h and r over the support in an order, others last."""
        support = [name for name in order if name in self.support]
        there, found = self.weights(), self.weights(k)
        total, all_found = sum(there.get(name, 0) for name in support), sum(found.values())
        h = [there.get(name, 0) / total for name in support]
        r = [found.get(name, 0) / all_found for name in support] if all_found else [0] * len(h)
        return [*h, 0.0], [*r, 1 - sum(r)]


def _closure(start, pairs):
    found, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        for a, b in pairs:
            if a == node and b not in found:
                found.add(b)
                waiting.append(b)
    return found
