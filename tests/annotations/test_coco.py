import json

import pytest

from hiertools.annotations import coco
from hiertools.box_table import as_items, read_table
from hiertools.errors import UserError
from hiertools.files.inputs import Source
from hiertools.files.items import decode


def image(key, file_name, width=100, height=200, **more):
    return {"id": key, "file_name": file_name, "width": width, "height": height, **more}


def box(image_id, category_id, bbox, **more):
    return {"image_id": image_id, "category_id": category_id, "bbox": bbox, **more}


def document(**changes):
    return {
        "info": {"year": 2017},
        "images": [image(7, "000000000007.jpg"), image(3, "train/1e10.png", 64, 640)],
        "categories": [{"id": 1, "name": "cat"}, {"id": 90, "name": "tail"}],
        "annotations": [
            box(3, 90, [1, 1, 2, 2], id=5, iscrowd=1),
            box(7, 1, [10, 20, 30, 40], id=6, iscrowd=0, segmentation=[[1, 2]]),
            box(3, 1, [0.5, 0, 63.5, 640], id=9),
        ],
        **changes,
    }


def write(tmp_path, content):
    path = tmp_path / "boxes.json"
    text = content if isinstance(content, str | bytes) else json.dumps(content)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(tmp_path, content, **options):
    (batch,) = coco.read(Source(write(tmp_path, content)), **options)
    return batch


def boxes(batch):
    columns = (batch.images, batch.labels, batch.corners.tolist())
    return [(i, label, tuple(c)) for i, label, c in zip(*columns, strict=True)]


def refused(tmp_path, content, **options):
    with pytest.raises(UserError) as error:
        read(tmp_path, content, **options)
    path, _, message = str(error.value).partition("boxes.json:")
    assert path == f"{tmp_path}/"
    return message.strip()


def test_boxes_in_their_order_with_names_flags_and_all_images(tmp_path):
    batch = read(tmp_path, document())
    assert boxes(batch) == [
        ("train/1e10", "tail", (15_625, 1562, 46_875, 4688)),
        ("000000000007", "cat", (100_000, 100_000, 400_000, 300_000)),
        ("train/1e10", "cat", (7812, 0, 1_000_000, 1_000_000)),
    ]
    assert {name: flag.tolist() for name, flag in batch.flags.items()} == {
        "group_of": [True, False, False]
    }
    assert batch.names == {"cat": "cat", "tail": "tail"}
    assert batch.listed == ["000000000007", "train/1e10"]


def test_nothing_in_a_file_is_nothing(tmp_path):
    batch = read(tmp_path, {"images": [], "categories": [], "annotations": []})
    assert (boxes(batch), batch.names, batch.listed) == ([], {}, [])
    assert batch.corners.shape == (0, 4)
    batch = read(tmp_path, document(annotations=[]))
    assert (boxes(batch), len(batch.listed)) == ([], 2)


def test_boxes_over_the_edge_are_read_as_they_are(tmp_path):
    batch = read(tmp_path, document(annotations=[box(7, 1, [-10, 190, 20, 30])]))
    assert batch.corners.tolist() == [[-100_000, 950_000, 100_000, 1_100_000]]


LVIS = [
    {"id": 1, "name": "bow_(weapon)", "synset": "bow.n.04"},
    {"id": 2, "name": "bow_(knot)", "synset": "bow.n.08"},
]


def test_lvis_classes_are_synsets_with_names(tmp_path):
    content = document(categories=LVIS, annotations=[box(7, 2, [0, 0, 9, 9])])
    batch = read(tmp_path, content)
    assert batch.labels.to_list() == ["bow.n.08"]
    assert batch.names == {"bow.n.04": "bow_(weapon)", "bow.n.08": "bow_(knot)"}
    assert read(tmp_path, content, label="name").labels.to_list() == ["bow_(knot)"]
    assert read(tmp_path, content, label="synset").labels.to_list() == ["bow.n.08"]


@pytest.mark.parametrize(
    "second",
    [
        {"id": 2, "name": "bow_(knot)"},
        {"id": 2, "name": "bow_(knot)", "synset": None},
        {"id": 2, "name": "bow_(knot)", "synset": "bow.n.04"},
    ],
)
def test_classes_are_names_unless_each_has_its_own_synset(tmp_path, second):
    content = document(categories=[LVIS[0], second], annotations=[box(7, 1, [0, 0, 9, 9])])
    assert read(tmp_path, content).labels.to_list() == ["bow_(weapon)"]


def test_a_synset_that_was_asked_for_must_be_there(tmp_path):
    content = document(annotations=[])
    assert refused(tmp_path, content, label="synset") == "categories[0]: no key 'synset'"
    assert "option label=mid is not auto, name or synset" in refused(tmp_path, content, label="mid")


def test_lvis_v1_has_urls_for_file_names(tmp_path):
    url = "http://images.cocodataset.org/train2017/000000391895.jpg?size=full"
    images = [{"id": 1, "coco_url": url, "width": 10, "height": 10}]
    batch = read(tmp_path, document(images=images, annotations=[box(1, 1, [0, 0, 1, 1])]))
    assert batch.listed == ["000000391895"]
    both = [image(1, "mine.jpg", coco_url=url)]
    assert read(tmp_path, document(images=both, annotations=[])).listed == ["mine"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd.jpg", "../x.jpg", "a/../../x.jpg", "a\\..\\..\\x.jpg", "", ".", "x\0.jpg"]
)
def test_a_path_that_leaves_the_images_is_refused(tmp_path, path):
    content = document(images=[image(7, "fine.jpg"), image(8, path)], annotations=[])
    message = refused(tmp_path, content)
    assert message.startswith("images[1]: the image path")
    assert message.endswith("leaves the folder of the images")


def test_folders_and_only_the_last_suffix_of_a_file_name(tmp_path):
    images = [image(1, "a/b.c/x.tar.jpg"), image(2, "a\\y.png"), image(3, "./z.jpg")]
    assert read(tmp_path, document(images=images, annotations=[])).listed == [
        "a/b.c/x.tar", "a/y", "z",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [image(7, "x.jpg"), image(7, "y.jpg")]}, "images: the id 7 is there twice"),
        ({"images": [image(7, "x.jpg"), image(3, "x.png")]}, "images: the file name 'x' is there"),
        ({"categories": [{"id": 1, "name": "a"}] * 2}, "categories: the id 1 is there twice"),
        (
            {"annotations": [box(7, 1, [0, 0, 1, 1], id=4), box(3, 1, [0, 0, 1, 1], id=4)]},
            "annotations: the id 4 is there twice",
        ),
        ({"annotations": [box(8, 1, [0, 0, 1, 1])]}, "annotations[0].image_id is not in the file"),
        ({"annotations": [box("7", 1, [0] * 4)]}, "annotations[0].image_id is not in the file"),
        ({"annotations": [box(7, 2, [0, 0, 1, 1])]}, "annotations[0].category_id is not in the"),
        ({"annotations": [box(None, 1, [0] * 4)]}, "annotations[0].image_id is not an id"),
        ({"annotations": [box(7, 1.0, [0] * 4)]}, "annotations[0].category_id is not an id"),
        ({"annotations": [box(True, 1, [0] * 4)]}, "annotations[0].image_id is not an id"),
        ({"annotations": [box(7, 1, [0, 0, 1, 1], id=[4])]}, "annotations[0].id is not an id"),
        ({"annotations": [box(7, 1, [0, 0, 1])]}, "annotations[0].bbox has not 4 numbers"),
        ({"annotations": [box(7, 1, [0, 0, 1, "x"])]}, "annotations[0].h is not a finite number"),
        ({"annotations": [box(7, 1, [None, 0, 1, 1])]}, "annotations[0].x is not a finite number"),
        ({"annotations": [box(7, 1, [0, False, 1, 1])]}, "annotations[0].y is not a finite"),
        ({"annotations": [box(7, 1, None)]}, "annotations[0].bbox is not a list"),
        ({"annotations": [{"image_id": 7, "category_id": 1}]}, "annotations[0]: no key 'bbox'"),
        ({"annotations": [[1, 2]]}, "annotations[0] is not an object"),
        ({"annotations": {}}, "annotations is not a list"),
        ({"images": [image(1, "x.jpg", width=0)]}, "images[0] has no width and height of 1 to"),
        ({"images": [image(1, "x.jpg", height=2**31)]}, "images[0] has no width and height of 1"),
        ({"images": [image(1, "x.jpg", width=10**400)]}, "images[0] has no width and height of 1"),
        ({"images": [image(1, "x.jpg", width=9.5)]}, "images[0].width is not a whole number"),
        ({"images": [image(1, "x.jpg", height=-5)]}, "images[0].height is not a whole number"),
        ({"images": [image(1, None)]}, "images[0].file_name is not text"),
        ({"images": [{"id": 1, "width": 9, "height": 9}]}, "images[0]: no key 'file_name'"),
        ({"categories": [{"id": 1, "name": ""}]}, "categories[0].name is empty"),
        ({"categories": [{"id": 1}]}, "categories[0]: no key 'name'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(tmp_path, changes, message):
    if "annotations" not in changes:
        changes = {**changes, "annotations": []}
    assert refused(tmp_path, document(**changes)).startswith(message)


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_missing_key_is_named(tmp_path, key):
    content = {name: value for name, value in document().items() if name != key}
    assert refused(tmp_path, content) == f"no key '{key}'"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity"])
def test_nan_is_refused_with_its_line(tmp_path, value):
    text = json.dumps(document(), indent=1)
    line = text[: text.index("63.5")].count("\n") + 1
    message = refused(tmp_path, text.replace("63.5", value))
    assert message == f"{line}: {value} is not a number; JSON has none".removeprefix(" ")


def test_a_number_too_large_is_not_finite(tmp_path):
    text = json.dumps(document()).replace("63.5", "1e999")
    assert refused(tmp_path, text) == "annotations[2].w is not a finite number"


def test_json_that_is_cut_off_is_refused_with_its_line(tmp_path):
    text = json.dumps(document(), indent=1)
    message = refused(tmp_path, text[: text.index("63.5") + 1])
    assert message.startswith(f"{text[: text.index('63.5')].count(chr(10)) + 1}: not JSON: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"images": [], "images": []}', 'the key "images" is there twice'),
        ('{"images": ' + "[" * 100_000, "JSON nested too deeply to be meant"),
        ("[]", "the document is not an object"),
        (b'{"images": "\xff"}', "1: is not UTF-8 text"),
    ],
)
def test_other_damage(tmp_path, text, message):
    assert refused(tmp_path, text) == message


def test_skipped_categories_leave_no_boxes_and_change_no_ids(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps(document()))

    def ids(spec):
        table = read_table([Source(path)], spec, only=None, shard=(0, 1), tick=lambda n: None)
        boxes = as_items(table).take(as_items(table).kind == 1)
        return [(decode(i), boxes.labels.of(n)[0]) for n, i in enumerate(boxes.id)]

    whole = ids("coco")
    assert ids("coco:skip=tail") == [pair for pair in whole if pair[1] != "tail"] != whole
    assert ids("coco:skip=tail+cat") == []
    with pytest.raises(UserError) as error:
        ids("coco:skip=tail+cats")
    assert str(error.value) == (
        f"{path}: no category has the name 'cats' of skip=tail+cats; did you mean cat?"
    )
    with pytest.raises(UserError, match=r"no category has the name 'xyz' of skip=xyz$"):
        ids("coco:skip=xyz")


def test_ids_may_be_text_and_numbers_side_by_side(tmp_path):
    images = [image("7", "text.jpg"), image(7, "number.jpg")]
    annotations = [box("7", 1, [0, 0, 1, 1]), box(7, 1, [0, 0, 1, 1], id=None)]
    batch = read(tmp_path, document(images=images, annotations=annotations))
    assert batch.images.to_list() == ["text", "number"]


@pytest.mark.parametrize(
    ("text", "found"),
    [('\n {"images"', True), (b"\xef\xbb\xbf{", True), ("[{", False), ("ImageID,x", False)],
)
def test_what_is_taken_for_this_format(tmp_path, text, found):
    assert coco.sniff(Source(write(tmp_path, text))) is found


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    text = b"\xef\xbb\xbf" + json.dumps(document()).encode()
    assert boxes(read(tmp_path, text)) == boxes(read(tmp_path, document()))
