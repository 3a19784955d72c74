"""Hierarchies: laws of orders, descendants, cycles and outlines, against plain searches."""

import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.errors import UserError
from hiertools.files.hierarchy import Edge, Hierarchy, Node
from hiertools.hierarchy import (
    at_or_above,
    children_of,
    depth_first_order,
    forest,
    outline,
    parents_of,
    path_costs,
    reachable,
    topological,
    transitive_reduction,
    without_cycles,
)

many = settings(deadline=None, max_examples=100)
nodes = st.sampled_from("abcdefg")
edge_lists = st.lists(st.tuples(nodes, nodes), unique=True, max_size=20)


def dag(edges, ids=None):
    """Make a hierarchy of its edges."""
    order = topological(ids or sorted({end for edge in edges for end in edge}), edges)
    return Hierarchy(
        [Node(key, key) for key in order], [Edge(*edge) for edge in edges], [], [], {}, {}, {}, ""
    )


@st.composite
def dags(draw):
    """Random DAGs of up to seven nodes, in any order of their ids."""
    ids = draw(st.permutations("abcdefg"))[: draw(st.integers(0, 7))]
    places = [(i, j) for j in range(len(ids)) for i in range(j)]
    chosen = draw(st.lists(st.sampled_from(places), unique=True)) if places else []
    return dag([(ids[i], ids[j]) for i, j in chosen], ids)


def paths_from(edges, start):
    """Return what can be reached, by going on until nothing new comes."""
    found = {child for parent, child in edges if parent == start}
    while more := {child for parent, child in edges if parent in found} - found:
        found |= more
    return found


def has_cycle(edges):
    return any(node in paths_from(edges, node) for edge in edges for node in edge)


@many
@given(dags())
def test_children_and_parents_are_each_other_turned_round(hierarchy):
    children, parents = children_of(hierarchy), parents_of(hierarchy)
    assert list(children) == list(parents) == [node.id for node in hierarchy.nodes]
    down = {(p, c) for p, found in children.items() for c in found}
    up = {(p, c) for c, found in parents.items() for p in found}
    assert down == up == {(edge.parent, edge.child) for edge in hierarchy.edges}
    assert all(found == sorted(found) for found in (*children.values(), *parents.values()))


@many
@given(edge_lists)
def test_reachable_is_what_a_plain_search_finds(edges):
    graph = {node: [c for p, c in edges if p == node] for node in "abcdefg"}
    for node in graph:
        assert reachable(graph, node) == paths_from(edges, node)


@many
@given(dags())
def test_descendants_and_ancestors_agree(hierarchy):
    children, parents = children_of(hierarchy), parents_of(hierarchy)
    below = {(a, b) for a in children for b in reachable(children, a)}
    above = {(a, b) for b in parents for a in reachable(parents, b)}
    assert below == above
    assert all(a != b for a, b in below)


@many
@given(dags())
def test_topological_puts_parents_first_and_then_goes_by_id(hierarchy):
    ids = [node.id for node in hierarchy.nodes]
    edges = [(edge.parent, edge.child) for edge in hierarchy.edges]
    order = topological(ids, edges)
    assert sorted(order) == sorted(ids)
    assert all(order.index(parent) < order.index(child) for parent, child in edges)
    assert topological(reversed(ids), reversed(edges)) == order
    assert all(one < other or (one, other) in edges for one, other in pairwise(order))


@many
@given(edge_lists)
def test_without_cycles_keeps_each_edge_that_closes_none_with_stronger_ones(edges):
    kept = []
    for parent, child in edges:
        closes = parent == child or parent in paths_from(kept, child)
        if not closes:
            kept.append((parent, child))
    found = without_cycles(edges)
    assert [edge for edge, keep in zip(edges, found, strict=True) if keep] == kept


@many
@given(edge_lists)
def test_without_cycles_leaves_no_cycle_and_drops_nothing_in_vain(edges):
    found = without_cycles(edges)
    kept = [edge for edge, keep in zip(edges, found, strict=True) if keep]
    assert not has_cycle(kept)
    for place, (edge, keep) in enumerate(zip(edges, found, strict=True)):
        if not keep:
            stronger = [
                edge for edge, keep in zip(edges[:place], found[:place], strict=True) if keep
            ]
            assert has_cycle([*stronger, edge])
    if edges and edges[0][0] != edges[0][1]:
        assert found[0]
    if not has_cycle(edges):
        assert all(found)


def test_without_cycles_by_hand():
    assert without_cycles([]) == []
    assert without_cycles([("a", "a")]) == [False]
    assert without_cycles([("a", "b"), ("b", "a")]) == [True, False]
    edges = [("a", "b"), ("b", "c"), ("c", "a"), ("a", "c"), ("c", "b"), ("x", "a"), ("c", "y")]
    assert without_cycles(edges) == [True, True, False, True, False, True, True]


def test_a_long_chain_and_its_cycle_take_no_recursion():
    chain = [(f"{i:05}", f"{i + 1:05}") for i in range(3000)]
    assert topological([f"{i:05}" for i in range(3001)], chain)[-1] == "03000"
    assert without_cycles(chain) == [True] * 3000
    assert without_cycles([*chain, ("03000", "00000")]) == [True] * 3000 + [False]
    assert len(list(outline(dag(chain[:500])))) == 501


@many
@given(dags())
def test_an_outline_shows_every_node_and_unfolds_it_once(hierarchy):
    lines = list(outline(hierarchy))
    children, parents = children_of(hierarchy), parents_of(hierarchy)
    unfolded = [node for _, _, node, again in lines if not again and children[node]]
    assert {node for _, _, node, _ in lines} == set(children)
    assert sorted(unfolded) == sorted(node for node in children if children[node])
    assert [node for depth, _, node, _ in lines if depth == 0] == [
        n for n in parents if not parents[n]
    ]
    seen = set()
    for _, _, node, again in lines:
        assert again == (node in seen and bool(children[node]))
        seen.add(node)


@many
@given(dags())
def test_an_outline_has_each_edge_that_no_longer_way_makes_needless(hierarchy):
    lines = list(outline(hierarchy))
    children = children_of(hierarchy)
    shown = [(edge.parent, edge.child) for _, edge, _, _ in lines if edge]
    needed = [
        (p, c)
        for p, found in children.items()
        for c in found
        if not any(c in reachable(children, other) for other in found)
    ]
    assert sorted(shown) == sorted(needed)
    above = {}
    for depth, edge, node, _ in lines:
        assert (edge is None) == (depth == 0)
        if edge:
            assert (edge.parent, edge.child) == (above[depth - 1], node)
        above[depth] = node


def test_an_outline_by_hand():
    edges = [("car", "door"), ("car", "handle"), ("door", "handle"), ("house", "door")]
    lines = [(depth, node, again) for depth, _, node, again in outline(dag(edges))]
    assert lines == [
        (0, "car", False),
        (1, "door", False),
        (2, "handle", False),
        (0, "house", False),
        (1, "door", True),
    ]


def test_an_outline_of_a_dag_with_a_billion_paths_ends_soon():
    layers = [[f"{layer:02}{side}" for side in "ab"] for layer in range(31)]
    edges = [(p, c) for above, below in pairwise(layers) for p in above for c in below]
    start = time.process_time()
    lines = list(outline(dag(edges)))
    assert time.process_time() - start < 1
    assert len(lines) == 2 + len(edges)


def ends(hierarchy):
    return [(edge.parent, edge.child) for edge in hierarchy.edges]


@many
@given(dags())
def test_a_reduction_reaches_the_same_with_no_edge_to_spare(hierarchy):
    reduced = transitive_reduction(hierarchy)
    kept = ends(reduced)
    assert reduced.nodes == hierarchy.nodes
    assert kept == [edge for edge in ends(hierarchy) if edge in kept]
    for node in children_of(hierarchy):
        assert paths_from(kept, node) == paths_from(ends(hierarchy), node)
    for parent, child in kept:
        assert child not in paths_from([e for e in kept if e != (parent, child)], parent)


def met_first(children, nodes):
    """Walk down by recursion, and keep the first visits."""
    found = {}
    for node in sorted(nodes):
        found |= {node: None} | met_first(children, children[node])
    return dict.fromkeys(found)


@many
@given(dags(), st.lists(st.sampled_from("abcdefgxyz"), unique=True))
def test_a_depth_first_order_is_that_of_first_visits(hierarchy, labels):
    parents = parents_of(hierarchy)
    walk = list(met_first(children_of(hierarchy), [n for n in parents if not parents[n]]))
    assert depth_first_order(hierarchy, parents) == walk
    expected = [node for node in walk if node in labels]
    expected += sorted(label for label in labels if label not in parents)
    assert depth_first_order(hierarchy, labels) == expected


def test_a_depth_first_order_by_hand():
    edges = [("street", "car"), ("car", "wheel"), ("street", "bus"), ("bus", "wheel")]
    hierarchy = dag([*edges, ("house", "door"), ("bus", "door")])
    assert depth_first_order(hierarchy, ["others", *parents_of(hierarchy), "cat"]) == [
        "house", "door", "street", "bus", "wheel", "car", "cat", "others",
    ]  # fmt: skip


@many
@given(dags(), st.sets(st.sampled_from("abcdefgxyz")))
def test_what_is_at_or_above_labels(hierarchy, labels):
    nodes = [node.id for node in hierarchy.nodes]
    expected = {node for node in nodes if ({node} | paths_from(ends(hierarchy), node)) & labels}
    assert at_or_above(hierarchy, labels) == [node for node in nodes if node in expected]


@many
@given(dags(), st.lists(st.sampled_from("abcdefgxyz"), unique=True))
def test_a_forest_is_the_reduction_at_or_above_labels_or_is_refused(hierarchy, labels):
    parents = parents_of(transitive_reduction(hierarchy))
    nodes = at_or_above(hierarchy, labels)
    if any(len(parents[node]) > 1 for node in nodes):
        with pytest.raises(UserError, match=r"is no tree: '\w' has \d parents, .*--ground path"):
            forest(hierarchy, labels)
        return
    found, parent = forest(hierarchy, labels)
    assert found == nodes + sorted(set(labels) - parents.keys())
    above = [[found[place]] if place >= 0 else [] for place in parent]
    assert above == [parents.get(node, []) for node in found]
    assert all(place < row for row, place in enumerate(parent))


def test_a_forest_by_hand():
    edges = [("street", "car"), ("street", "wheel"), ("car", "wheel"), ("house", "door")]
    nodes, parent = forest(dag(edges), ["wheel", "others"])
    assert (nodes, parent.tolist()) == (["street", "car", "wheel", "others"], [-1, 0, 1, -1])
    shared = dag([*edges, ("bus", "wheel")])
    with pytest.raises(UserError) as error:
        forest(shared, ["door", "wheel"])
    assert str(error.value) == (
        "the hierarchy is no tree: 'wheel' has 2 parents, such as 'bus' and 'car'; measure along"
        " its paths (--ground path)"
    )
    assert forest(shared, ["door"])[0] == ["house", "door"]


def plain_path(edges, one, other):
    """Return the path distance by trying every number of steps up from both."""

    def above(start):
        steps, found = {start: 0}, [start]
        for node in found:
            for parent in [p for p, c in edges if c == node]:
                if parent not in steps:
                    steps[parent] = steps[node] + 1
                    found.append(parent)
        return steps

    up, other_up = above(one), above(other)
    return min(up[node] + other_up[node] for node in up.keys() & other_up.keys())


@many
@given(dags(), st.lists(st.sampled_from("abcdefgxyz"), unique=True, min_size=1))
def test_path_costs_go_up_to_a_common_ancestor(hierarchy, labels):
    parents = parents_of(hierarchy)
    roots = [node for node in {*parents, *labels} if not parents.get(node)]
    rooted = [*ends(hierarchy), *(("", root) for root in roots)]
    expected = [[plain_path(rooted, one, other) for other in labels] for one in labels]
    costs = path_costs(hierarchy, labels)
    assert costs.shape == (len(labels), len(labels))
    np.testing.assert_array_equal(costs, np.reshape(expected, costs.shape))


def test_path_costs_by_hand():
    edges = [("car", "door"), ("car", "handle"), ("door", "handle"), ("house", "door")]
    labels = ["car", "door", "handle", "house", "others"]
    costs = path_costs(dag(edges), labels)
    assert costs.tolist() == [
        [0, 1, 1, 2, 2],
        [1, 0, 1, 1, 3],
        [1, 1, 0, 2, 3],
        [2, 1, 2, 0, 2],
        [2, 3, 3, 2, 0],
    ]


def test_a_thousand_classes_take_no_more_than_seconds():
    edges = [(f"{child // 3:04}", f"{child:04}") for child in range(1, 1500)]
    hierarchy = dag(edges)
    start = time.process_time()
    assert path_costs(hierarchy, [f"{i:04}" for i in range(1000, 1500)]).max() == 14
    assert len(forest(hierarchy, [f"{i:04}" for i in range(1500)])[0]) == 1500
    assert time.process_time() - start < 6
