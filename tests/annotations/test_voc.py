import pytest

from hiertools.annotations import voc
from hiertools.errors import UserError
from hiertools.files.inputs import Source


def bndbox(xmin, ymin, xmax, ymax):
    values = {"xmax": xmax, "xmin": xmin, "ymax": ymax, "ymin": ymin}  # the order of VOC 2012
    return "<bndbox>" + "".join(f"<{k}>{v}</{k}>" for k, v in values.items()) + "</bndbox>"


def thing(name, *box, inside=""):
    return f"<object>\n<name>{name}</name>\n{bndbox(*box)}\n{inside}</object>\n"


def part(name, *box):
    return f"<part>\n<name>{name}</name>\n{bndbox(*box)}\n</part>\n"


def xml(*things, filename="2008_000001.jpg", size=(100, 200)):
    width, height = size
    return (
        f"<annotation>\n<folder>VOC2012</folder>\n<filename>{filename}</filename>\n"
        f"<size>\n<width>{width}</width>\n<height>{height}</height>\n<depth>3</depth>\n</size>\n"
        + "".join(things)
        + "</annotation>\n"
    )


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / f"{name}.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def read(path, **options):
    return list(voc.read(Source(path), **options))


def boxes(path, **options):
    return [
        (image, label, tuple(corners))
        for batch in read(path, **options)
        for image, label, corners in zip(
            batch.images, batch.labels, batch.corners.tolist(), strict=True
        )
    ]


def refused(path, **options):
    with pytest.raises(UserError) as error:
        read(path, **options)
    return str(error.value)


def test_objects_and_their_parts_in_the_order_of_the_file_names(tmp_path):
    folder = write(
        tmp_path / "Annotations",
        b=xml(thing("dog", 1, 1, 100, 200), filename="b.jpg"),
        a=xml(
            thing("person", 11, 21, 60, 120, inside=part("head", 11, 21, 30, 40)),
            thing("chair", 1, 1, 1, 1),
            filename="a.jpg",
        ),
    )
    assert boxes(folder) == [
        ("a", "person", (100_000, 100_000, 600_000, 600_000)),
        ("a", "head", (100_000, 100_000, 300_000, 200_000)),
        ("a", "chair", (0, 0, 10_000, 5000)),
        ("b", "dog", (0, 0, 1_000_000, 1_000_000)),
    ]


def test_pixels_may_count_from_0(tmp_path):
    folder = write(tmp_path / "a", x=xml(thing("dog", 0, 0, 50, 100), thing("cat", 0.5, 0, 1, 1)))
    assert boxes(folder, one_based=False) == [
        ("2008_000001", "dog", (0, 0, 500_000, 500_000)),
        ("2008_000001", "cat", (5000, 0, 10_000, 5000)),
    ]
    assert boxes(folder)[0][2] == (-10_000, -5000, 500_000, 500_000)


def test_flags_are_those_of_the_object_for_its_parts_too(tmp_path):
    flagged = "<truncated>1</truncated><occluded> 1 </occluded>" + part("head", 1, 1, 5, 5)
    things = (thing("person", 1, 1, 9, 9, inside=flagged), thing("dog", 1, 1, 9, 9))
    (batch,) = read(write(tmp_path / "a", x=xml(*things)))
    assert {name: flag.tolist() for name, flag in batch.flags.items()} == {
        "occluded": [True, True, False],
        "truncated": [True, True, False],
    }


def test_an_image_without_objects_is_listed(tmp_path):
    (batch,) = read(write(tmp_path / "a", x=xml(filename="x.png"), y=xml(filename="d/y.jpg")))
    assert (batch.listed, len(batch.images), batch.corners.shape) == (["x", "d/y"], 0, (0, 4))


def test_one_file_is_an_image(tmp_path):
    folder = write(tmp_path / "a", x=xml(thing("dog", 1, 1, 9, 9)))
    assert boxes(folder / "x.xml") == boxes(folder)
    assert voc.sniff(Source(folder / "x.xml"))


def test_many_files_come_in_batches(tmp_path, monkeypatch):
    monkeypatch.setattr(voc, "BATCH_FILES", 3)
    files = {f"f{i}": xml(thing("dog", 1, 1, 9, 9), filename=f"{i}.jpg") for i in range(8)}
    folder = write(tmp_path / "a", **files)
    assert [len(batch.images) for batch in read(folder)] == [3, 3, 2]
    assert [image for image, _, _ in boxes(folder)] == [str(i) for i in range(8)]
    write(folder, g=files["f0"])
    assert refused(folder) == (
        f"{folder}/g.xml: is of the image '0', as {folder}/f0.xml is; mend its <filename>"
    )


def test_names_that_look_like_numbers_stay_text(tmp_path):
    folder = write(tmp_path / "a", x=xml(thing("1e10", 1, 1, 9, 9), filename="007.jpg"))
    assert [(image, label) for image, label, _ in boxes(folder)] == [("007", "1e10")]


DOG = thing("dog", 1, 2, 3, 4)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        (xml(thing("dog", "nan", 2, 3, 4)), 11, "<bndbox/xmin> is 'nan', not a number"),
        (xml(DOG, thing("dog", 1, 2, "inf", 4)), 15, "<bndbox/xmax> is 'inf', not a number"),
        (xml(thing("dog", 1, "2px", 3, 4)), 11, "<bndbox/ymin> is '2px', not a number"),
        (xml(thing("dog", 1, 2, 3, "")), 9, "<object> has no <bndbox/ymax>"),
        (xml(thing("", 1, 2, 3, 4)), 9, "<object> has no <name>"),
        (xml(thing("a", 1, 2, 3, 4, inside="<part>\n</part>")), 12, "<part> has no <name>"),
        (
            xml(thing("a", 1, 2, 3, 4, inside=part("b", 1, 2, "x", 4))),
            14,
            "<bndbox/xmax> is 'x', not a number",
        ),
        (xml(DOG, filename=" "), 1, "<annotation> has no <filename>"),
        (xml(DOG, size=(0, 9)), 5, "<size/width> is 0; the size of the image is needed"),
        (xml(DOG, size=(9, -1)), 6, "<size/height> is -1; the size of the image is needed"),
        (xml(DOG, size=(9, "?")), 6, "<size/height> is '?', not a number"),
        (xml(DOG, size=("1e30", 9)), 5, "<size/width> is 1e+30; the size of the image is needed"),
        (xml(DOG).replace("size>", "sighs>"), 1, "<annotation> has no <size/width>"),
        (xml(DOG)[:-20], 12, "not XML: "),
        (xml(DOG).replace("</name>", ""), 12, "not XML: "),
        ("ImageID,XMin\n", 1, "not XML: "),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path, text, line, message):
    folder = write(tmp_path / "a", fine=xml(filename="fine.jpg"), x=text)
    assert refused(folder).startswith(f"{folder}/x.xml:{line}: {message}")


@pytest.mark.parametrize(
    "kind", ['<!DOCTYPE a [<!ENTITY x "y">]>', '<!DOCTYPE a SYSTEM "file:///etc/passwd">']
)
def test_a_document_type_is_refused(tmp_path, kind):
    folder = write(tmp_path / "a", x=f"<?xml version='1.0'?>{kind}{xml(DOG)}")
    assert refused(folder) == f"{folder}/x.xml: XML with a document type is not read"


@pytest.mark.parametrize("filename", ["/x.jpg", "../x.jpg", "a\\..\\..\\x.jpg"])
def test_a_path_that_leaves_the_images_is_refused(tmp_path, filename):
    folder = write(tmp_path / "a", x=xml(DOG, filename=filename))
    assert refused(folder).startswith(f"{folder}/x.xml: the image path ")
    assert refused(folder).endswith("leaves the folder of the images")


def test_a_folder_without_xml_is_refused(tmp_path):
    folder = write(tmp_path / "a")
    (folder / "x.txt").write_text("x")
    assert refused(folder) == f"{folder}: no XML files in this folder"
    assert not voc.sniff(Source(folder))


def test_latin_1_and_byte_order_marks_are_read(tmp_path):
    text = xml(thing("café", 1, 1, 9, 9))
    latin = b"<?xml version='1.0' encoding='ISO-8859-1'?>" + text.encode("latin-1")
    folder = write(tmp_path / "a", x=latin)
    assert boxes(folder)[0][1] == "café"
    write(folder, x=b"\xef\xbb\xbf" + text.encode())
    assert boxes(folder)[0][1] == "café"
    assert voc.sniff(Source(folder / "x.xml"))
    assert voc.sniff(Source(folder))
