"""Scenes: the truth by design, boxes that mining finds it in, figures that fill their boxes."""

from collections import Counter
from decimal import Decimal

import numpy as np
import pytest
from PIL import Image, ImageDraw

from hiertools import mining
from hiertools.box_table import read_table
from hiertools.files.inputs import Source
from hiertools.scenes import (
    anatomy,
    annotations,
    design,
    drawing,
    kinds,
    layout,
    outlines,
)
from hiertools.scenes.boxes import area, shared
from hiertools.scenes.pen import Pen

TRAINING = 320  # images, of the 400 that the command makes
FREQ, PROP = 50, Decimal("0.1")


def ignore(done):
    pass


def mined(tmp_path, seed, images):
    """Mine the boxes of scenes, without pixels, with the thresholds of the command."""
    path = tmp_path / "boxes.csv"
    scenes = [layout.scene(seed, number) for number in range(images)]
    lines = [annotations.line(s.id, box) for s in scenes for box in annotations.annotations(s)]
    path.write_text("\n".join([annotations.HEADER, *lines, ""]))
    table = read_table([Source(path)], "openimages", only=None, shard=(0, 1), tick=ignore)
    rules = mining.Rules(Decimal("0.8"), Decimal("0"), True, False)
    counts = mining.count(table, rules, part=(0, 1), tick=ignore)
    return mining.mine(counts, freq=FREQ, prop=PROP)


@pytest.mark.parametrize("seed", range(8))
def test_mining_finds_the_truth_with_room_to_spare(tmp_path, seed):
    found = mined(tmp_path, seed, TRAINING)

    assert {(e.parent, e.child) for e in found.edges} == set(design.edges())
    assert min(edge.frequency for edge in found.edges) >= 80
    assert min(edge.proportion for edge in found.edges) >= 0.2
    false = [edge for edge in found.dropped if edge.reason != "same-class"]
    assert false != []  # pictures in which nothing is in front of anything would be too easy
    assert all(edge.frequency <= 30 or edge.proportion <= 0.05 for edge in false)


def test_as_few_images_as_the_help_says_are_enough(tmp_path):
    found = mined(tmp_path, 0, 200)  # what 250 images leave for training
    assert {(e.parent, e.child) for e in found.edges} == set(design.edges())


def test_the_truth_is_the_closure_of_the_parts():
    assert design.within("Wheel") == {"Hub"}
    assert design.within("House") == {"Window", "Pane", "Door", "Handle"}
    assert design.within("Cupboard") == {"Door", "Drawer", "Handle"}
    room = {
        "Cupboard",
        "Door",
        "Drawer",
        "Handle",
        "Window",
        "Pane",
        "Lamp",
        "Bulb",
        "Ball",
    }
    assert design.within("Room") == room
    assert ("/x/street", "/x/pane") in design.edges()
    assert ("/x/park", "/x/pane") not in design.edges()


def test_the_truth_has_all_classes_parents_first_and_their_counts():
    truth = design.truth({"/x/hub": 7}, parameters={"seed": 1}, statistics={"images": 2})

    place = {node.id: row for row, node in enumerate(truth.nodes)}
    assert {node.name for node in truth.nodes} == set(design.PARTS)
    assert all(place[edge.parent] < place[edge.child] for edge in truth.edges)
    assert [(edge.parent, edge.child) for edge in truth.edges] != []
    assert {edge.frequency for edge in truth.edges} == {None}
    assert truth.nodes[place["/x/hub"]].count == 7
    assert truth.nodes[place["/x/car"]].count == 0
    leaves = {"ball", "flower", "pane", "handle", "hub", "hat", "apple", "bulb"}
    assert set(truth.leaves) == {f"/x/{name}" for name in leaves}
    assert truth.leaves == sorted(truth.leaves, key=place.__getitem__)
    assert truth.parameters == {"seed": 1}
    assert truth.statistics == {"images": 2}


def test_what_is_put_into_scenes_is_what_the_design_says():
    """The anatomies and kinds draw what `PARTS` declares, or the truth would not be true."""
    rng = np.random.default_rng(0)
    for name, grown in anatomy.OBJECTS.items():
        if name in design.PARTS:
            shown = [p.name for _ in range(9) for p in grown.parts(rng, grown.aspect[0])]
            assert set(shown) == set(design.PARTS[name])
    for name, kind in kinds.KINDS.items():
        wanted = {design.GROUPS.get(w.name, w.name) for w in kind.wanted} - {"Poster"}
        assert wanted == set(design.PARTS[name])


def test_a_scene_depends_on_its_seed_and_number_alone():
    assert layout.scene(3, 5) == layout.scene(3, 5)
    assert layout.scene(3, 5).things != layout.scene(3, 15).things
    assert layout.scene(3, 5).things != layout.scene(4, 5).things


def test_any_run_of_scenes_is_mixed():
    found = Counter(layout.scene(0, number).kind for number in range(30, 40))
    assert found == {"Street": 4, "Park": 3, "Room": 3}


def test_ids_are_unique_hex_digits_and_some_look_like_numbers():
    ids = [layout.scene(0, number).id for number in range(100)]

    assert len(set(ids)) == 100
    assert all(len(id) == 16 and set(id) <= set("0123456789abcdef") for id in ids)
    assert "000000000000002f" in ids
    assert "0000000000000007" in ids


def test_boxes_are_in_the_picture_and_parts_in_their_wholes():
    for number in range(60):
        scene = layout.scene(1, number)
        for thing in (each for top in scene.things for each in top.all()):
            assert thing.visible == shared(thing.visible, scene.picture)
            assert area(thing.visible) > 0
            for part in thing.parts:
                inside = area(shared(part.visible, thing.visible))
                assert inside == pytest.approx(area(part.visible))


def test_flags_say_what_is_so():
    scenes = [layout.scene(0, number) for number in range(120)]
    found = [box for scene in scenes for box in annotations.annotations(scene)]
    share = Counter(flag for _, _, flags in found for flag in flags)

    assert all(0 < share[flag] < 0.1 * len(found) for flag in share)
    assert set(share) == {"occluded", "truncated", "group_of", "depiction", "inside"}
    assert {label for label, _, flags in found if "group_of" in flags} == {"/x/flower"}
    assert {label for label, _, flags in found if "inside" in flags} == {"/x/room"}
    things = [(t, scene) for scene in scenes for top in scene.things for t in top.all()]
    for thing, scene in things:
        cut = shared(thing.box, scene.picture) != thing.box
        assert ("truncated" in thing.flags) == cut


def test_an_occluded_thing_has_another_before_it():
    for number in range(40):
        things = layout.scene(2, number).things
        for row, thing in enumerate(things):
            covers = [area(shared(t.visible, thing.visible)) for t in things[row + 1 :]]
            covered = max(covers, default=0) / area(thing.visible)
            assert ("occluded" in thing.flags) == (covered > layout.OCCLUDED)
            assert covered <= outlines.COVERED_MOST + 1e-9


def test_a_line_is_what_openimages_has():
    box = ("/x/car", (0.25, 0.5, 0.75, 1.0), frozenset({"truncated"}))
    line = annotations.line("000000000000002f", box)
    assert dict(zip(annotations.HEADER.split(","), line.split(","), strict=True)) == {
        "ImageID": "000000000000002f",
        "Source": "rendered",
        "LabelName": "/x/car",
        "Confidence": "1",
        "XMin": "0.250000",
        "XMax": "0.750000",
        "YMin": "0.500000",
        "YMax": "1.000000",
        "IsOccluded": "0",
        "IsTruncated": "1",
        "IsGroupOf": "0",
        "IsDepiction": "0",
        "IsInside": "0",
    }


def test_every_figure_fills_its_box_and_stays_in_it():
    """Drawn alone on a blank canvas, with its parts, a thing reaches to all sides of its box."""
    side, seen = 512, set()
    for number in range(60):
        for top in layout.scene(0, number).things:
            for thing in top.all():
                if "truncated" in thing.flags or thing.name in seen:
                    continue
                image = Image.new("RGB", (side, side), (255, 0, 255))
                drawing.draw_thing(ImageDraw.Draw(image, "RGBA"), thing, side)
                changed = (np.asarray(image) != (255, 0, 255)).any(axis=2)
                rows, columns = (
                    np.flatnonzero(changed.any(1)),
                    np.flatnonzero(changed.any(0)),
                )
                drawn = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
                box = np.array(thing.box) * side
                np.testing.assert_allclose(drawn, box, atol=1.01, err_msg=thing.name)
                seen.add(thing.name)
    assert seen >= set(design.PARTS) - set(kinds.KINDS)


def test_a_pen_that_is_mirrored_swaps_left_and_right():
    image = Image.new("L", (10, 10))
    Pen(ImageDraw.Draw(image), (0, 0, 10, 10), mirrored=True).block(0, 0, 0.3, 1, (255,))
    assert (np.asarray(image)[0] > 0).tolist() == [False] * 7 + [True] * 3


def test_drawing_gives_the_same_pixels_each_time():
    scene = layout.scene(0, 2)
    first, second = drawing.draw(scene, 64), drawing.draw(scene, 64)

    assert first.size == (64, 64)
    assert first.mode == "RGB"
    assert first.tobytes() == second.tobytes()
    assert first.tobytes() != drawing.draw(layout.scene(0, 12), 64).tobytes()


def test_around_the_picture_is_paper():
    scene = next(s for s in (layout.scene(0, n) for n in range(20)) if min(s.picture[:2]) > 0.02)
    pixels = np.asarray(drawing.draw(scene, 256), np.float64)
    edge = int(scene.picture[0] * 256)
    assert pixels[:, : edge - 1].std(axis=(0, 1)).max() < 6  # the noise alone
