"""Mining real annotations, where they are beside the project: ../shared/data."""

import json
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from hiertools import mining
from hiertools.box_table import read_table
from hiertools.files.inputs import Source

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
COCO_TRAIN = "coco_tiny/annotations/instances_train2017.json"
COCO_VAL = "coco_tiny/annotations/instances_val2017.json"
LVIS = "lvis/lvis_val_100.json"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is not there")


def mined(*names, freq, prop, format="auto"):
    paths = [DATA / name for name in names]
    for path in paths:
        if not path.exists():
            pytest.skip(f"{path} is not there")
    sources = [Source(path) for path in paths]
    table = read_table(sources, format, only=None, shard=(0, 1), tick=lambda done: None)
    rules = mining.Rules(Decimal("0.8"), Decimal("0"), True, False)
    counts = mining.count(table, rules, part=(0, 1), tick=lambda done: None)
    return mining.mine(counts, freq=freq, prop=Decimal(prop))


def edges(hierarchy):
    return sorted((edge.parent, edge.child, edge.frequency) for edge in hierarchy.edges)


def read_about(hierarchy):
    return {key: count for key, count in hierarchy.statistics.items() if count}


def test_openimages_has_no_frequent_pair_of_classes():
    hierarchy = mined("openimages/train-annotations-bbox.csv", freq=50, prop="0.1")
    crossing = [edge for edge in hierarchy.dropped if edge.parent != edge.child]
    assert hierarchy.edges == []
    assert max(edge.frequency for edge in crossing) == 46
    assert read_about(hierarchy) == {"images": 10_079, "boxes": 13_134}


@pytest.mark.parametrize(("name", "boxes", "found"), [(COCO_TRAIN, 705, 4), (COCO_VAL, 815, 10)])
def test_coco(name, boxes, found):
    hierarchy = mined(name, freq=5, prop="0.05")
    assert len(hierarchy.edges) == found
    assert read_about(hierarchy) == {"images": 80, "boxes": boxes}


def test_parts_of_cars():
    hierarchy = mined(
        "carparts/annotations.json", freq=20, prop="0.05", format="coco:skip=_background_"
    )
    assert edges(hierarchy) == [
        ("front_bumper", "front_left_light", 106),
        ("front_bumper", "front_right_light", 85),
        ("front_left_door", "left_mirror", 112),
        ("front_right_door", "right_mirror", 86),
        ("trunk", "back_left_light", 26),
    ]
    assert read_about(hierarchy) == {"images": 400, "boxes": 3073}
    assert "_background_" not in {node.id for node in hierarchy.nodes}


def test_lvis_has_synsets():
    hierarchy = mined(LVIS, freq=5, prop="0.05")
    assert len(hierarchy.edges) == 13
    assert ("drawer.n.01", "knob.n.02", 6) in edges(hierarchy)
    assert {node.id: node.name for node in hierarchy.nodes}["knob.n.02"] == "knob"
    assert read_about(hierarchy) == {"images": 100, "boxes": 977}


@pytest.mark.parametrize("name", [COCO_TRAIN, COCO_VAL, LVIS])
def test_counts_by_plain_loops_over_the_json(name):
    hierarchy = mined(name, freq=1, prop="0")
    found = {
        (edge.parent, edge.child): (edge.frequency, edge.holders)
        for edge in [*hierarchy.edges, *hierarchy.dropped]
    }
    assert found == counted_by_loops(json.loads((DATA / name).read_text()))


def counted_by_loops(document):
    sides = {image["id"]: (image["width"], image["height"]) for image in document["images"]}
    labels = {c["id"]: c.get("synset", c["name"]) for c in document["categories"]}
    images = {}
    for box in document["annotations"]:
        x, y, width, height = (Fraction(str(value)) for value in box["bbox"])
        w, h = sides[box["image_id"]]
        corners = [(x, w), (y, h), (x + width, w), (y + height, h)]
        millionths = [min(max(round(c * 10**6 / side), 0), 10**6) for c, side in corners]
        images.setdefault(box["image_id"], []).append((labels[box["category_id"]], millionths))
    frequency, holders = Counter(), Counter()
    for boxes in images.values():
        for parent, outer in boxes:
            held = Counter(child for child, inner in boxes if holds(outer, inner))
            frequency.update({(parent, child): n for child, n in held.items()})
            holders.update((parent, child) for child in held)
    return {pair: (n, holders[pair]) for pair, n in frequency.items()}


def area(x0, y0, x1, y1):
    return max(x1 - x0, 0) * max(y1 - y0, 0)


def holds(outer, inner):
    shared = area(*map(max, outer[:2], inner[:2]), *map(min, outer[2:], inner[2:]))
    return area(*outer) > area(*inner) > 0 and 10 * shared >= 8 * area(*inner)
