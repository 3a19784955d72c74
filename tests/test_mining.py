from collections import Counter
from decimal import Decimal
from fractions import Fraction
from unittest import mock

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools import mining, pairing
from hiertools.box_table import BoxTable, in_shard
from hiertools.errors import UserError
from hiertools.files import counts as counts_file
from hiertools.files.hierarchy import read_hierarchy, write_hierarchy
from hiertools.files.items import decode
from hiertools.files.pairs import read_pairs, write_pairs

pytestmark = pytest.mark.usefixtures("one_thread")

GRID = 100_000  # ten steps a side: equal areas and exact overlaps are common
WHOLE = (0, 0, 10, 10)
OVERLAPS = [Decimal(text) for text in ("0", "0.333333", "0.5", "0.75", "0.8", "1")]

lightly = settings(deadline=None, max_examples=60)


def no_tick(done):
    pass


def table_of(images, *, flags=True):
    """A table of `{image: [(label, corners on the grid, group_of), …]}`."""
    boxes = [(i, n, *box) for i, rows in enumerate(images.values()) for n, box in enumerate(rows)]
    labels = list(dict.fromkeys(box[2] for box in boxes))
    sizes = [len(rows) for rows in images.values()]
    groups = np.array([box[4] for box in boxes], bool)
    return BoxTable(
        images=list(images),
        labels=labels,
        image=np.array([box[0] for box in boxes], np.uint32),
        label=np.array([labels.index(box[2]) for box in boxes], np.uint32),
        place=np.array([box[1] for box in boxes], np.uint32),
        corners=np.array([box[3] for box in boxes], np.int32).reshape(-1, 4) * GRID,
        flags={"group_of": groups} if flags else {},
        first=np.concatenate([[0], np.cumsum(np.array(sizes, np.int64))]),
        names={},
        outside=0,
        source={"format": "openimages", "files": ["boxes.csv"]},
    )


def area(corners):
    x0, y0, x1, y1 = corners
    return max(x1 - x0, 0) * max(y1 - y0, 0)


def holds(parent, child, overlap):
    """The definition, in plain Python."""
    shared = area((*map(max, parent[:2], child[:2]), *map(min, parent[2:], child[2:])))
    small = area(child)
    return area(parent) > small > 0 and shared >= Fraction(overlap) * small


def takes_part(box, min_area, group_of):
    _, corners, group = box
    return (
        area(corners) > 0
        and Fraction(area(corners), 100) >= Fraction(min_area)
        and (group_of or not group)
    )


def pairs_of(rows, overlap):
    n = range(len(rows))
    return [(p, c) for p in n for c in n if holds(rows[p][1], rows[c][1], overlap)]


def count_by_loops(images, overlap, min_area=0, group_of=True):
    """Boxes by label, pairs of boxes by labels, parents with at least one child by labels."""
    boxes, frequency, holders = Counter(), Counter(), Counter()
    for all_rows in images.values():
        rows = [box for box in all_rows if takes_part(box, min_area, group_of)]
        boxes.update(label for label, _, _ in rows)
        found = [(p, rows[p][0], rows[c][0]) for p, c in pairs_of(rows, overlap)]
        frequency.update((parent, child) for _, parent, child in found)
        holders.update((parent, child) for _, parent, child in set(found))
    return boxes, frequency, holders


def count(images, overlap="0.8", min_area="0", group_of=True, include_image=False, **more):
    rules = mining.Rules(Decimal(overlap), Decimal(min_area), group_of, include_image)
    part = more.pop("part", (0, 1))
    return mining.count(table_of(images, **more), rules, part=part, tick=no_tick)


def counts_of(boxes, pairs):
    """Counts made by hand: pairs are {(parent, child): (frequency, holders)}."""
    return counts_file.Counts(
        boxes=Counter(boxes),
        frequency=Counter({key: frequency for key, (frequency, _) in pairs.items()}),
        holders=Counter({key: holders for key, (_, holders) in pairs.items()}),
        names={},
        statistics=Counter(images=1, boxes=sum(boxes.values())),
        source={"format": "openimages", "files": ["boxes.csv"]},
        parameters={},
        shards=[(0, 1)],
    )


def mine(counts, freq=1, prop="0"):
    return mining.mine(counts, freq=freq, prop=Decimal(prop))


def edges(hierarchy):
    return [(edge.parent, edge.child) for edge in hierarchy.edges]


def reasons(hierarchy):
    return {(edge.parent, edge.child): edge.reason for edge in hierarchy.dropped}


grid = st.integers(0, 10)
any_box = st.tuples(
    st.sampled_from("abc"),
    st.one_of(
        st.tuples(grid, grid, grid, grid).map(
            lambda c: (min(c[0], c[2]), min(c[1], c[3]), max(c[0], c[2]), max(c[1], c[3]))
        ),
        st.tuples(grid, grid, grid, grid),  # many of them have no area
        st.just(WHOLE),
    ),
    st.booleans(),
)
any_images = st.dictionaries(
    st.sampled_from(["007", "1e10", "nan", "é", "x"]), st.lists(any_box, max_size=7), max_size=4
)


@lightly
@given(
    images=any_images,
    overlap=st.sampled_from(OVERLAPS),
    min_area=st.sampled_from(["0", "0.01", "0.12", "0.25", "1"]),
    group_of=st.booleans(),
    block_rows=st.sampled_from([1, 2, 5, pairing.BLOCK_ROWS]),
    dense_cells=st.sampled_from([0, pairing.DENSE_CELLS]),
)
def test_counts_are_those_of_plain_loops(
    images, overlap, min_area, group_of, block_rows, dense_cells
):
    with mock.patch.multiple(pairing, BLOCK_ROWS=block_rows, DENSE_CELLS=dense_cells):
        found = count(images, overlap, min_area, group_of)

    boxes, frequency, holders = count_by_loops(images, overlap, min_area, group_of)
    assert (found.boxes, found.frequency, found.holders) == (boxes, frequency, holders)
    every = [box for rows in images.values() for box in rows]
    flat = sum(area(corners) == 0 for _, corners, _ in every)
    small = sum(area(corners) > 0 and not takes_part((0, corners, 0), min_area, True)
                for _, corners, _ in every)  # fmt: skip
    assert found.statistics == {
        "images": len(images),
        "boxes": len(every),
        "outside": 0,
        "no_area": flat,
        "below_min_area": small,
        "groups": len(every) - flat - small - boxes.total(),
    }


@lightly
@given(
    images=any_images,
    overlap=st.sampled_from(OVERLAPS),
    freq=st.integers(1, 4),
    prop=st.sampled_from(["0", "0.25", "0.333333", "0.5", "1"]),
)
def test_kept_and_dropped_by_the_definitions(images, overlap, freq, prop):
    hierarchy = mine(count(images, overlap), freq, prop)

    boxes, frequency, holders = count_by_loops(images, overlap)
    wanted = {}
    for parent, child in frequency:
        share = Fraction(holders[parent, child], boxes[parent])
        if parent == child:
            wanted[parent, child] = "same-class"
        elif frequency[parent, child] < freq:
            wanted[parent, child] = "frequency"
        elif share < Fraction(prop):
            wanted[parent, child] = "proportion"
    found = reasons(hierarchy)
    assert {key: reason for key, reason in found.items() if reason != "cycle"} == wanted
    cyclic = {key for key, reason in found.items() if reason == "cycle"}
    assert set(edges(hierarchy)) | cyclic == set(frequency) - set(wanted)
    for edge in [*hierarchy.edges, *hierarchy.dropped]:
        key = (edge.parent, edge.child)
        assert (edge.frequency, edge.holders) == (frequency[key], holders[key])
        assert edge.proportion == holders[key] / boxes[edge.parent]
    assert {node.id: node.count for node in hierarchy.nodes} == boxes
    parents = {parent for parent, _ in edges(hierarchy)}
    assert sorted(hierarchy.leaves) == sorted(set(boxes) - parents)
    assert len(found) == len(hierarchy.dropped)


@lightly
@given(images=any_images, overlap=st.sampled_from(OVERLAPS), total=st.integers(1, 4))
def test_shards_put_together_are_one_run(tmp_path_factory, images, overlap, total):
    folder = tmp_path_factory.mktemp("shards")
    parts = []
    for i in range(total):
        mine_only = {image: rows for image, rows in images.items() if in_shard(image, (i, total))}
        part = count(mine_only, overlap, include_image=True, part=(i, total))
        path = folder / f"{i}.json"
        counts_file.write_counts(path, part, chain=[], overwrite=False)
        parts.append((str(path), counts_file.read_counts(path)))
    merged = counts_file.merge(parts[::-1], {}, whole=True)
    whole = counts_file.merge([("all", count(images, overlap, include_image=True))], {}, whole=True)

    written = []
    for name, counts in (("merged", merged), ("whole", whole)):
        write_hierarchy(folder / name, mine(counts, 1, "0.5"), chain=[], overwrite=False)
        written.append((folder / name).read_bytes())
    assert written[0] == written[1]
    assert sorted(merged.shards) == [(i, total) for i in range(total)]


@lightly
@given(
    images=any_images,
    overlap=st.sampled_from(OVERLAPS),
    min_area=st.sampled_from(["0", "0.01", "0.12", "1"]),
    flags=st.booleans(),
    block_rows=st.sampled_from([1, 3, pairing.BLOCK_ROWS]),
)
def test_training_pairs_are_those_of_plain_loops(images, overlap, min_area, flags, block_rows):
    with mock.patch.object(pairing, "BLOCK_ROWS", block_rows):
        table = table_of(images, flags=flags)
        found = mining.training_pairs(
            table, overlap=overlap, min_area=Decimal(min_area), tick=no_tick
        )

    wanted, groups = [], 0
    for image, rows in images.items():
        big = [n for n, box in enumerate(rows) if takes_part(box, min_area, True)]
        wanted += [(image, f"{image}#{n}") for n in big]
        for p, c in pairs_of([rows[n] for n in big], overlap):
            if flags and rows[big[c]][2]:
                groups += 1
            else:
                wanted.append((f"{image}#{big[p]}", f"{image}#{big[c]}"))
    ids = [decode(i) for i in found.items.id]
    pairs = [(ids[p], ids[c]) for p, c in zip(found.parent, found.child, strict=True)]
    assert sorted(pairs) == sorted(wanted)
    assert list(zip(found.parent, found.child, strict=True)) == sorted(
        zip(found.parent, found.child, strict=True)
    )
    every = [
        each for i, rows in images.items() for each in (i, *(f"{i}#{n}" for n in range(len(rows))))
    ]
    used = {end for pair in wanted for end in pair}
    assert ids == [each for each in every if each in used]
    assert found.meta["left_out"]["group_pairs"] == groups
    assert found.meta["left_out"]["no_area"] == sum(
        area(corners) == 0 for rows in images.values() for _, corners, _ in rows
    )
    assert (found.meta["overlap"], found.meta["min_area"]) == (str(overlap), min_area)


def test_items_of_pairs_keep_labels_boxes_and_flags_in_a_file(tmp_path):
    images = {
        "1": [("p", (0, 0, 8, 8), False), ("c", (0, 0, 4, 4), True), ("d", (9, 9, 9, 9), False)],
        "2": [("c", (0, 0, 0, 1), False)],
    }
    pairs = mining.training_pairs(
        table_of(images), overlap=Decimal("0.8"), min_area=Decimal("0.01"), tick=no_tick
    )
    write_pairs(tmp_path / "pairs.h5", pairs, chain=[], overwrite=False)
    read = read_pairs(tmp_path / "pairs.h5")
    items = read.items

    assert [decode(i) for i in items.id] == ["1", "1#0", "1#1"]
    assert items.kind.tolist() == [0, 1, 1]
    assert [items.labels.of(i) for i in range(3)] == [["p", "c", "d"], ["p"], ["c"]]
    assert items.box.tolist() == [[0, 0, 1, 1], [0, 0, 0.8, 0.8], [0, 0, 0.4, 0.4]]
    assert items.group_of.tolist() == [False, False, True]
    assert (read.parent.tolist(), read.child.tolist()) == ([0, 0], [1, 2])
    assert read.meta["left_out"] == {
        "below_min_area": 0, "group_pairs": 1, "groups": 0, "no_area": 2,
    }  # fmt: skip


def test_threads_make_no_difference():
    rng = np.random.default_rng(0)
    images = {
        str(i): [
            (
                "abcde"[rng.integers(5)],
                tuple(np.sort(rng.integers(0, 11, (2, 2)), axis=0).flat),
                False,
            )
            for _ in range(rng.integers(20))
        ]
        for i in range(200)
    }
    found = []
    for threads in {1, numba.config.NUMBA_NUM_THREADS}:
        numba.set_num_threads(threads)
        found.append(count(images))
    numba.set_num_threads(1)
    assert found[0] == found[-1]
    assert found[0].frequency == count_by_loops(images, "0.8")[1]


def test_no_boxes_make_no_pairs():
    for images in ({}, {"a": []}, {"a": [("x", (1, 1, 1, 1), False)]}):
        pairs = mining.training_pairs(
            table_of(images), overlap=Decimal("0.8"), min_area=Decimal("0"), tick=no_tick
        )
        assert (len(pairs.parent), len(pairs.items)) == (0, 0)
        found = count(images)
        assert (found.boxes, found.frequency) == (Counter(), Counter())
        assert mine(found).nodes == []


@pytest.mark.parametrize(
    ("width", "overlap", "kept"),
    [
        (8, "0.8", True),  # 4 of 5 columns: exactly 0.8
        (8, "0.800001", False),
        (8, "0.799999", True),
        (7, "0.8", False),
    ],
)
def test_the_overlap_is_exact_at_its_border(width, overlap, kept):
    # the child covers columns 4 to 9, the parent the first `width` of all ten
    images = {"1": [("p", (0, 0, width, 10), False), ("c", (4, 0, 9, 10), False)]}
    assert count(images, overlap).frequency == ({("p", "c"): 1} if kept else {})


def test_thirds_are_exact():
    images = {"1": [("p", (0, 0, 5, 10), False), ("c", (4, 0, 7, 10), False)]}  # 1 of 3 columns
    assert count(images, "0.333333").frequency == {("p", "c"): 1}
    assert count(images, "0.333334").frequency == {}


def test_boxes_of_one_area_hold_each_other_never():
    box = (1, 1, 5, 5)
    images = {"1": [("p", box, False), ("c", box, False), ("d", (1, 1, 9, 3), False)]}
    assert count(images, "0").frequency == {}


def test_a_millionth_is_enough_for_a_parent():
    table = table_of({"1": [("p", WHOLE, False), ("c", WHOLE, False)]})
    table.corners[1] = (1, 0, 1_000_000, 1_000_000)
    rules = mining.Rules(Decimal(1), Decimal(0), True, False)
    found = mining.count(table, rules, part=(0, 1), tick=no_tick)
    assert found.frequency == {("p", "c"): 1}


@pytest.mark.parametrize(
    ("freq", "prop", "reason"),
    [
        (2, "0.1", None),
        (3, "0.1", "frequency"),
        (2, "0.100001", "proportion"),
        (3, "0.100001", "frequency"),
        (1, "0", None),
    ],
)
def test_thresholds_are_exact_at_their_borders(freq, prop, reason):
    # one of ten parents holds two children
    images = {str(i): [("p", WHOLE, False)] for i in range(10)}
    images["3"] = [*images["3"], ("c", (0, 0, 1, 1), False), ("c", (5, 5, 6, 6), False)]
    hierarchy = mine(count(images), freq, prop)
    edge = [*hierarchy.edges, *hierarchy.dropped][0]
    assert (edge.parent, edge.child, edge.frequency, edge.holders) == ("p", "c", 2, 1)
    assert edge.proportion == 0.1
    assert reasons(hierarchy) == ({("p", "c"): reason} if reason else {})


@pytest.mark.parametrize(("min_area", "left"), [("0.04", 2), ("0.040001", 1), ("0", 3)])
def test_min_area_is_exact_at_its_border(min_area, left):
    images = {"1": [(n, (0, 0, side, side), False) for n, side in (("a", 1), ("b", 2), ("c", 3))]}
    found = count(images, min_area=min_area)
    assert found.boxes.total() == left
    assert found.statistics["below_min_area"] == 3 - left


def test_groups_can_be_left_out_where_the_annotations_tell_them():
    images = {"1": [("p", WHOLE, False), ("c", (0, 0, 1, 1), True), ("c", (2, 2, 3, 3), False)]}
    assert count(images).frequency == {("p", "c"): 2}
    found = count(images, group_of=False)
    assert (found.frequency, found.statistics["groups"]) == ({("p", "c"): 1}, 1)
    with pytest.raises(UserError, match="do not say which boxes are groups"):
        count(images, group_of=False, flags=False)


@lightly
@given(images=any_images, group_of=st.booleans())
def test_the_full_image_holds_every_box_that_takes_part(images, group_of):
    without = count(images, group_of=group_of)
    found = count(images, group_of=group_of, include_image=True)

    kept = {
        image: [label for label, *box in rows if takes_part((label, *box), 0, group_of)]
        for image, rows in images.items()
    }
    assert found.boxes == without.boxes + Counter({"image": len(images)})
    image_pairs = {key[1]: n for key, n in found.frequency.items() if key[0] == "image"}
    assert image_pairs == Counter(label for labels in kept.values() for label in labels)
    for label in image_pairs:
        assert found.holders["image", label] == sum(label in labels for labels in kept.values())
    rest = {key: n for key, n in found.frequency.items() if key[0] != "image"}
    assert rest == without.frequency
    hierarchy = mine(found)
    assert {n.id: n.name for n in hierarchy.nodes}["image"] == "full image"


def test_a_class_that_is_called_image_stands_in_the_way_of_the_full_image():
    images = {"1": [("image", WHOLE, False)]}
    assert count(images).boxes == {"image": 1}
    with pytest.raises(UserError, match="a class has the id 'image'"):
        count(images, include_image=True)


def test_two_classes_that_hold_each_other_keep_the_stronger_edge():
    counts = counts_of({"a": 10, "b": 10}, {("a", "b"): (9, 5), ("b", "a"): (5, 4)})
    hierarchy = mine(counts)
    assert edges(hierarchy) == [("a", "b")]
    assert reasons(hierarchy) == {("b", "a"): "cycle"}


@pytest.mark.parametrize(
    ("pairs", "lost"),
    [
        ({("a", "b"): (9, 5), ("b", "c"): (9, 4), ("c", "a"): (9, 3)}, ("c", "a")),  # proportion
        ({("a", "b"): (9, 5), ("b", "c"): (8, 5), ("c", "a"): (9, 5)}, ("b", "c")),  # frequency
        ({("a", "b"): (9, 5), ("b", "c"): (9, 5), ("c", "a"): (9, 5)}, ("a", "b")),  # name
        ({("a", "b"): (9, 5), ("b", "c"): (1, 5), ("c", "a"): (9, 4)}, ("c", "a")),  # in this order
    ],
)
def test_a_cycle_of_three_loses_its_weakest_edge(pairs, lost):
    hierarchy = mine(counts_of(dict.fromkeys("abc", 10), pairs))
    assert reasons(hierarchy) == {lost: "cycle"}
    assert sorted(edges(hierarchy)) == sorted(set(pairs) - {lost})


def test_proportions_are_compared_as_fractions():
    # b > a is a third less a bit that floats do not have
    boxes = {"a": 3 * 10**15, "b": 10**16}
    pairs = {("a", "b"): (10**15, 10**15), ("b", "a"): (10**16, (10**16) // 3)}
    assert pairs["a", "b"][1] / boxes["a"] == pairs["b", "a"][1] / boxes["b"]
    assert edges(mine(counts_of(boxes, pairs))) == [("a", "b")]


def test_two_cycles_that_share_their_weakest_edge_lose_only_that():
    pairs = {
        ("a", "b"): (9, 1),
        ("b", "c"): (9, 5), ("c", "a"): (9, 6),
        ("b", "d"): (9, 7), ("d", "a"): (9, 8),
    }  # fmt: skip
    hierarchy = mine(counts_of(dict.fromkeys("abcd", 10), pairs))
    assert reasons(hierarchy) == {("a", "b"): "cycle"}


def test_two_cycles_that_share_a_stronger_edge_lose_one_each():
    pairs = {
        ("a", "b"): (9, 9),
        ("b", "c"): (9, 5), ("c", "a"): (9, 2),
        ("b", "d"): (9, 3), ("d", "a"): (9, 8),
    }  # fmt: skip
    hierarchy = mine(counts_of(dict.fromkeys("abcd", 10), pairs))
    assert reasons(hierarchy) == {("c", "a"): "cycle", ("b", "d"): "cycle"}


def test_an_edge_that_was_too_rare_closes_no_cycle():
    pairs = {("a", "b"): (9, 5), ("b", "a"): (2, 9), ("c", "b"): (9, 1)}
    hierarchy = mine(counts_of(dict.fromkeys("abc", 10), pairs), freq=3, prop="0.2")
    assert edges(hierarchy) == [("a", "b")]
    assert reasons(hierarchy) == {("b", "a"): "frequency", ("c", "b"): "proportion"}


def reaches(graph_edges, start, end):
    found, waiting = set(), [start]
    while waiting:
        node = waiting.pop()
        for parent, child in graph_edges:
            if parent == node and child not in found:
                found.add(child)
                waiting.append(child)
    return end in found


class_pair = st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef"))


@lightly
@given(st.dictionaries(class_pair, st.tuples(st.integers(4, 6), st.integers(1, 4)), max_size=20))
def test_what_cycles_lose_is_weakest_and_no_more_than_needed(pairs):
    """Together these three have one answer only."""
    hierarchy = mine(counts_of(dict.fromkeys("abcdef", 10), pairs))
    kept = edges(hierarchy)
    assert not any(reaches(kept, node, node) for node in "abcdef")

    def strength(key):
        return pairs[key][1], pairs[key][0], key

    for parent, child in (key for key, reason in reasons(hierarchy).items() if reason == "cycle"):
        stronger = [key for key in kept if strength(key) > strength((parent, child))]
        assert reaches(stronger, child, parent)
    place = {node.id: row for row, node in enumerate(hierarchy.nodes)}
    assert all(place[parent] < place[child] for parent, child in kept)


def test_nodes_stand_in_a_fixed_order_and_parents_first(tmp_path):
    pairs = {("z", "a"): (9, 9), ("a", "m"): (9, 9), ("b", "m"): (9, 9)}
    hierarchy = mine(counts_of(dict.fromkeys("mzab", 10), pairs))
    assert [node.id for node in hierarchy.nodes] == ["b", "z", "a", "m"]
    assert edges(hierarchy) == [("b", "m"), ("z", "a"), ("a", "m")]
    assert hierarchy.leaves == ["m"]
    write_hierarchy(tmp_path / "h.json", hierarchy, chain=[], overwrite=False)
    assert read_hierarchy(tmp_path / "h.json") == hierarchy


def test_the_report_counts_what_was_read_kept_and_left_out():
    images = {
        "1": [("p", WHOLE, False), ("c", (0, 0, 5, 5), False), ("c", (1, 1, 1, 2), False)],
        "2": [("p", WHOLE, False), ("q", (0, 0, 6, 6), True), ("c", (0, 0, 1, 1), False)],
    }
    hierarchy = mine(count(images, min_area="0.02", group_of=False))
    assert mining.report(hierarchy) == [
        "2 images, 6 boxes (1 have no area, 1 are below --min-area, 1 are groups), 2 classes",
        "1 of 1 pairs of classes kept",
    ]


def test_the_report_of_an_empty_result_says_why():
    pairs = {("p", "c"): (40, 2), ("p", "d"): (30, 4), ("p", "p"): (90, 9)}
    hierarchy = mine(counts_of({"p": 10, "c": 9, "d": 9}, pairs), freq=50, prop="0.5")
    assert mining.report(hierarchy)[1:] == [
        "0 of 3 pairs of classes kept; dropped: frequency 2, same-class 1",
        "the most frequent: p > c, frequency 40, proportion 0.200; --freq is 50, --prop 0.5",
        "the most consistent: p > d, frequency 30, proportion 0.400; --freq is 50, --prop 0.5",
    ]
    alone = mine(counts_of({"p": 10}, {("p", "p"): (90, 9)}))
    assert mining.report(alone)[-1] == (
        "no box lies in a box of another class: there is no hierarchy to find"
    )


def test_counts_of_other_rules_are_refused():
    rules = mining.Rules(Decimal("0.8"), Decimal("0"), True, False)
    counts = count({"1": [("p", WHOLE, False)]})
    rules.check(counts, "counts.json")
    for name, value in (("overlap", Decimal("0.7")), ("min_area", Decimal("0.1"))):
        other = mining.Rules(**{**vars(rules), name: value})
        with pytest.raises(UserError, match=f"counts.json: was counted with {name}"):
            other.check(counts, "counts.json")
    for name in ("group_of", "include_image"):
        other = mining.Rules(**{**vars(rules), name: not getattr(rules, name)})
        with pytest.raises(UserError, match=f"was counted with {name}"):
            other.check(counts, "counts.json")


def test_blocks_are_whole_images_and_tick_every_box():
    images = {str(i): [("p", WHOLE, False), ("c", (0, 0, 1, 1), False)][: i % 3] for i in range(12)}
    ticks, blocks = [], []
    with mock.patch.object(pairing, "BLOCK_ROWS", 3):
        table = table_of(images)
        for block in pairing.pairs(table, overlap=Decimal("0.8"), tick=ticks.append):
            blocks.append(len(block.parent))
    assert sum(ticks) == len(table)
    assert max(ticks) <= 3
    assert len(ticks) > 3
    assert sum(blocks) == 4
