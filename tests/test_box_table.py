import gc
import random
import zlib
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.box_table import as_items, in_shard, missing_images, read_table
from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.inputs import Source
from hiertools.files.items import decode

pytestmark = pytest.mark.usefixtures("one_thread")

HEADER = "ImageID,LabelName,XMin,YMin,XMax,YMax,IsGroupOf,IsOccluded\n"
IDS = ["000000000000002f", "1e10", "007", "nan", "null", "é", "日本/x", "-1", "+7", "0x1f", "NaN"]

lightly = settings(deadline=None, max_examples=40)


def line(image, label, corners=(0, 0, 1, 1), group=0, occluded=0):
    return ",".join(map(str, (image, label, *corners, group, occluded))) + "\n"


def write(path, lines):
    path.write_text(HEADER + "".join(lines), encoding="utf-8")
    return path


def read(*paths, format="auto", only=None, shard=(0, 1), chunk_bytes=csv.CHUNK_BYTES):
    with mock.patch.object(csv, "CHUNK_BYTES", chunk_bytes):
        sources = [Source(Path(path)) for path in paths]
        return read_table(sources, format, only=only, shard=shard, tick=lambda done: None)


def boxes_of(table):
    """Every box as image, N, label, corners in millionths."""
    return [
        (
            table.images[table.image[row]],
            int(table.place[row]),
            table.labels[table.label[row]],
            tuple(table.corners[row].tolist()),
        )
        for row in range(len(table))
    ]


def grouped(rows):
    """What a table of rows (image, label, corners) should have, by a plain loop."""
    by_image = {}
    for image, label, corners in rows:
        by_image.setdefault(image, []).append((label, corners))
    return [
        (image, place, label, tuple(round(c * 1_000_000) for c in corners))
        for image, boxes in by_image.items()
        for place, (label, corners) in enumerate(boxes)
    ]


corner = st.integers(0, 10).map(lambda n: n / 10)
row = st.tuples(
    st.sampled_from(IDS), st.sampled_from(IDS[:4]), st.tuples(corner, corner, corner, corner)
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@lightly
@given(rows=st.lists(row, max_size=30), chunk_bytes=st.integers(1, 400))
def test_rows_are_grouped_by_image_over_any_batches(folder, rows, chunk_bytes):
    path = write(folder / "boxes.csv", [line(*each) for each in rows])
    table = read(path, chunk_bytes=chunk_bytes)

    assert boxes_of(table) == grouped(rows)
    assert table.images == list(dict.fromkeys(image for image, _, _ in rows))
    assert table.labels == list(dict.fromkeys(label for _, label, _ in rows))
    assert table.first.tolist() == [
        sum(image in table.images[:i] for image, _, _ in rows) for i in range(len(table.images) + 1)
    ]


@lightly
@given(rows=st.lists(row, max_size=30), total=st.integers(1, 5))
def test_shards_part_the_images_and_leave_their_boxes_as_they_are(folder, rows, total):
    path = write(folder / "boxes.csv", [line(*each) for each in rows])
    shards = [read(path, shard=(i, total)) for i in range(total)]

    images = [image for shard in shards for image in shard.images]
    assert sorted(images) == sorted({image for image, _, _ in rows})
    assert sorted(box for shard in shards for box in boxes_of(shard)) == sorted(grouped(rows))


@lightly
@given(rows=st.lists(row, max_size=30), only=st.sets(st.sampled_from([*IDS, "absent"])))
def test_a_list_takes_images_whole_and_counts_those_that_are_missing(folder, rows, only):
    path = write(folder / "boxes.csv", [line(*each) for each in rows])
    table = read(path, only=only)

    assert boxes_of(table) == [box for box in grouped(rows) if box[0] in only]
    there = {image for image, _, _ in rows} & only
    if only and not there:
        with pytest.raises(UserError, match="none of the listed images is in the annotations"):
            missing_images(table, only, (0, 1))
    else:
        assert missing_images(table, only, (0, 1)) == len(only) - len(there)


def test_a_shard_may_have_none_of_the_listed_images_when_others_have_them(tmp_path):
    path = write(tmp_path / "boxes.csv", [line("a", "x")])
    only = {"a", *(f"absent{i}" for i in range(20))}
    other = 1 - next(i for i in (0, 1) if in_shard("a", (i, 2)))
    missing = [missing_images(read(path, only=only, shard=(i, 2)), only, (i, 2)) for i in (0, 1)]
    assert sum(missing) == 20
    assert missing[other] > 0
    assert missing_images(read(path), None, (0, 1)) == 0


def test_the_shard_of_an_image_is_that_of_its_crc():
    for image in IDS:
        assert in_shard(image, (0, 1))
        found = [i for i in range(7) if in_shard(image, (i, 7))]
        assert found == [zlib.crc32(image.encode()) % 7]


def test_boxes_are_numbered_before_any_filter_and_over_files(tmp_path):
    one = write(tmp_path / "one.csv", [line("a", "x"), line("b", "x"), line("a", "flat", (0,) * 4)])
    two = write(tmp_path / "two.csv", [line("a", "y"), line("c", "x"), line("b", "y")])
    table = read(one, two)
    numbers = [(image, place, label) for image, place, label, _ in boxes_of(table)]
    assert numbers == [
        ("a", 0, "x"), ("a", 1, "flat"), ("a", 2, "y"), ("b", 0, "x"), ("b", 1, "y"), ("c", 0, "x"),
    ]  # fmt: skip
    kept = table.keep(table.areas() > 0)
    assert [(i, n) for i, n, _, _ in boxes_of(kept)] == [
        ("a", 0), ("a", 2), ("b", 0), ("b", 1), ("c", 0),
    ]  # fmt: skip
    assert kept.images == ["a", "b", "c"]
    assert kept.first.tolist() == [0, 2, 4, 5]
    assert table.source == {"format": "openimages", "files": [str(one), str(two)]}


def test_an_image_whose_boxes_are_all_left_out_stays(tmp_path):
    path = write(tmp_path / "boxes.csv", [line("a", "x", (0,) * 4), line("b", "x")])
    table = read(path)
    kept = table.keep(table.areas() > 0)
    assert (kept.images, kept.first.tolist(), len(kept)) == (["a", "b"], [0, 0, 1], 1)
    assert [decode(i) for i in as_items(kept).id] == ["a", "b", "b#0"]
    none = table.keep(np.zeros(2, bool))
    assert (none.first.tolist(), len(none)) == ([0, 0, 0], 0)
    assert table.keep(np.ones(2, bool)) is table


def test_codes_hold_over_many_batches(tmp_path):
    """polars forgets the codes of categories as soon as no series has them."""
    rng = random.Random(0)
    rows = [
        (f"image{rng.randrange(300)}", f"label{rng.randrange(200)}", (0, 0, 1, 1))
        for _ in range(2000)
    ]
    path = write(tmp_path / "boxes.csv", [line(*each) for each in rows])
    collected = []

    def tick(done):
        collected.append(done)
        gc.collect(0)

    with mock.patch.object(csv, "CHUNK_BYTES", 500):
        table = read_table([Source(path)], "auto", only=None, shard=(0, 1), tick=tick)
    assert len(collected) > 50
    assert sum(collected) == len(rows)
    assert boxes_of(table) == grouped(rows)


def test_a_first_input_without_boxes_does_not_confuse_the_codes(tmp_path):
    empty = tmp_path / "empty.json"
    empty.write_text('{"images": [], "categories": [], "annotations": []}')
    rows = [(f"i{i}", f"l{i % 7}", (0, 0, 1, 1)) for i in range(50)]
    path = write(tmp_path / "boxes.csv", [line(*each) for each in rows])
    table = read(empty, path, chunk_bytes=60)
    assert boxes_of(table) == grouped(rows)
    assert table.source["format"] == "coco+openimages"


def test_flags_go_with_their_boxes_and_are_not_set_where_an_input_has_none(tmp_path):
    lines = [
        line("a", "x", group=1),
        line("b", "y", occluded=1),
        line("a", "z", group=-1, occluded=1),
    ]
    path = write(tmp_path / "boxes.csv", lines)
    table = read(path)
    assert [label for _, _, label, _ in boxes_of(table)] == ["x", "z", "y"]
    assert sorted(table.flags) == ["group_of", "occluded"]
    assert table.flags["group_of"].tolist() == [True, False, False]
    assert table.flags["occluded"].tolist() == [False, True, True]
    plain = tmp_path / "plain.csv"
    plain.write_text("ImageID,LabelName,XMin,YMin,XMax,YMax,IsOccluded\nc,x,0,0,1,1,0\n")
    both = read(path, plain)
    assert sorted(both.flags) == ["group_of", "occluded"]
    assert both.flags["group_of"].tolist() == [True, False, False, False]
    assert both.flags["occluded"].tolist() == [False, True, True, False]
    assert sorted(read(plain).flags) == ["occluded"]


def test_boxes_over_the_edge_are_clipped_and_counted_where_they_are_wanted(tmp_path):
    lines = [
        line("a", "x", (-0.5, 0, 0.5, 1)),
        line("b", "x", (0, 0, 1.000001, 2)),
        line("b", "x", (0, 0, 1.0000001, 1)),  # at the edge, once in millionths
    ]
    path = write(tmp_path / "boxes.csv", lines)
    table = read(path)
    assert table.outside == 2
    assert table.corners.tolist() == [
        [0, 0, 500_000, 1_000_000],
        *[[0, 0, 1_000_000, 1_000_000]] * 2,
    ]
    assert read(path, only={"b"}).outside == 1


def test_areas_are_in_millionths_of_millionths_and_never_negative(tmp_path):
    corners = [
        (0, 0, 1, 1),
        (0.25, 0.5, 0.5, 0.75),
        (0.5, 0, 0.2, 1),
        (0.5, 0.5, 0.2, 0.2),
        (0, 0, 0, 1),
    ]
    path = write(tmp_path / "boxes.csv", [line("a", "x", each) for each in corners])
    assert read(path).areas().tolist() == [10**12, 250_000 * 250_000, 0, 0, 0]


def test_items_are_images_each_with_its_boxes_behind_it(tmp_path):
    lines = [
        line("ä", "y", (0, 0, 0.5, 0.25), group=1),
        line("007", "x"),
        line("ä", "x"),
        line("ä", "y", (0.1, 0.2, 0.3, 0.4)),
    ]
    items = as_items(read(write(tmp_path / "boxes.csv", lines)))
    assert [decode(i) for i in items.id] == ["ä", "ä#0", "ä#1", "ä#2", "007", "007#0"]
    assert [decode(i) for i in items.image] == ["ä"] * 4 + ["007"] * 2
    assert items.kind.tolist() == [0, 1, 1, 1, 0, 1]
    assert [items.labels.of(i) for i in range(6)] == [
        ["y", "x"], ["y"], ["x"], ["y"], ["x"], ["x"],
    ]  # fmt: skip
    assert items.box.tolist() == [
        [0, 0, 1, 1], [0, 0, 0.5, 0.25], [0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4],
        [0, 0, 1, 1], [0, 0, 1, 1],
    ]  # fmt: skip
    assert items.group_of.tolist() == [False, True, False, False, False, False]
    assert items.occluded.tolist() == [False] * 6
    assert items.depiction is None


@lightly
@given(rows=st.lists(row, max_size=25))
def test_items_by_a_plain_loop(folder, rows):
    table = read(write(folder / "boxes.csv", [line(*each) for each in rows]))
    items = as_items(table)
    wanted = []
    for image in dict.fromkeys(image for image, _, _ in rows):
        boxes = [(n, label, c) for i, n, label, c in grouped(rows) if i == image]
        labels = list(dict.fromkeys(label for _, label, _ in boxes))
        wanted.append((image, image, labels, [0, 0, 1, 1]))
        wanted += [(f"{image}#{n}", image, [b], [x / 1_000_000 for x in c]) for n, b, c in boxes]
    found = [
        (decode(items.id[i]), decode(items.image[i]), items.labels.of(i), items.box[i].tolist())
        for i in range(len(items))
    ]
    assert found == wanted


def test_an_image_that_is_named_like_a_box_is_refused(tmp_path):
    table = read(write(tmp_path / "boxes.csv", [line("a", "x"), line("a#0", "x")]))
    with pytest.raises(UserError, match=r"the id 'a#0' is there twice"):
        as_items(table)


def test_an_input_that_is_named_twice_is_refused(tmp_path):
    path = write(tmp_path / "boxes.csv", [line("a", "x")])
    same = tmp_path / "same.csv"
    same.symlink_to(path)
    with pytest.raises(UserError, match=r"same\.csv: is named twice; its boxes would count twice"):
        read(path, same)


def test_options_of_the_format_are_part_of_the_source(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": [], "annotations": [], "categories": []}')
    assert read(path, format="coco:label=name").source["options"] == "label=name"
    assert "options" not in read(path, format="coco").source


def test_names_come_from_every_input(tmp_path):
    for number in (1, 2):
        (tmp_path / f"{number}.json").write_text(
            '{"images": [], "annotations": [], "categories": '
            f'[{{"id": 1, "name": "n{number}", "synset": "s{number}.n.01"}}]}}'
        )
    table = read(tmp_path / "1.json", tmp_path / "2.json")
    assert table.names == {"s1.n.01": "n1", "s2.n.01": "n2"}
    assert table.source["format"] == "coco"
