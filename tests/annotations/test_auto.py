import gzip
import json

import h5py
import numpy as np
import pytest

from hiertools import plugins
from hiertools.box_table import read_table
from hiertools.errors import UsageError, UserError
from hiertools.files.inputs import Source

OPENIMAGES = "ImageID,LabelName,XMin,XMax,YMin,YMax\nx,dog,0,0.5,0,1\n"
COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "x.jpg", "width": 2, "height": 4}],
        "categories": [{"id": 1, "name": "dog"}],
        "annotations": [{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 4]}],
    }
)
VOC = (
    "<annotation><filename>x.jpg</filename><size><width>2</width><height>4</height></size><object>"
    "<name>dog</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>1</xmax><ymax>4</ymax></bndbox>"
    "</object></annotation>"
)
TEXTS = {"coco": COCO, "openimages": OPENIMAGES, "voc": VOC}


def read(*paths, format="auto"):
    sources = [Source(path) for path in paths]
    return read_table(sources, format, only=None, shard=(0, 1), tick=lambda done: None)


def refused(*paths, format="auto"):
    with pytest.raises(UserError) as error:
        read(*paths, format=format)
    assert error.value.exit_code == 3
    return str(error.value)


def test_there_is_a_text_here_for_every_format():
    assert TEXTS.keys() == plugins.members(plugins.ANNOTATIONS).keys()


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("packed", [False, True])
def test_each_format_is_found_plain_and_packed_and_says_the_same(tmp_path, name, packed):
    path = tmp_path / "anything"
    path.write_bytes(gzip.compress(TEXTS[name].encode()) if packed else TEXTS[name].encode())
    for format in ("auto", name):
        table = read(path, format=format)
        assert (table.images, table.labels) == (["x"], ["dog"])
        assert table.corners.tolist() == [[0, 0, 500_000, 1_000_000]]
        assert table.source == {"format": name, "files": [str(path)]}


def test_a_folder_of_xml_is_found(tmp_path):
    (tmp_path / "x.xml").write_text(VOC)
    assert read(tmp_path).source["format"] == "voc"


def test_each_of_several_inputs_is_looked_at(tmp_path):
    paths = [tmp_path / name for name in TEXTS]
    for path in paths:
        path.write_text(TEXTS[path.name])
    table = read(*paths)
    assert table.source["format"] == "coco+openimages+voc"
    assert (table.images, table.place.tolist()) == (["x"], [0, 1, 2])


@pytest.mark.parametrize("format", ["auto", "coco", "openimages", "voc"])
@pytest.mark.parametrize("kind", ["hierarchy", "embeddings", "results"])
def test_our_own_json_is_refused_by_its_kind(tmp_path, format, kind):
    path = tmp_path / "ours.json"
    path.write_text(json.dumps({"kind": kind, "version": 1, "images": []}))
    message = refused(path, format=format)
    if format == "auto":
        assert message == f"{path}: is a {kind} file; annotations are needed"
    else:
        assert message == f"{path}: has no annotations of the format {format}"


def test_hdf5_is_refused(tmp_path):
    path = tmp_path / "pairs.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    assert refused(path) == f"{path}: is an HDF5 file; annotations are needed"
    for format in TEXTS:
        assert refused(path, format=format).startswith((f"{path}:1: ", f"{path}: is HDF5; "))


@pytest.mark.parametrize("text", ["[1, 2]", "label,name\n", "\x00\x01", "\n\n"])
def test_what_is_none_of_the_formats_is_refused(tmp_path, text):
    path = tmp_path / "x"
    path.write_text(text)
    assert refused(path) == (
        f"{path}: none of the formats coco, openimages, voc; name it with --format"
    )


def test_a_folder_without_annotations_is_refused(tmp_path):
    (tmp_path / "x.json").write_text(COCO)
    assert refused(tmp_path).startswith(f"{tmp_path}: none of the formats")
    for format in TEXTS:
        assert refused(tmp_path, format=format) == (
            f"{tmp_path}: has no annotations of the format {format}"
        )


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("yolo", "no format 'yolo'; there are coco, openimages, voc"),
        ("coco:skip", "format 'coco:skip' is not written as coco[:label=…][,skip=…]"),
        ("coco:skips=x", "format coco has no option 'skips'; did you mean skip?"),
        ("openimages:skip=x", "format openimages has no option 'skip'; it has none"),
        ("voc:one_based=maybe", "option one_based=maybe is not a bool"),
    ],
)
def test_a_wrong_format_or_option_is_wrong_usage(tmp_path, spec, message):
    path = tmp_path / "x"
    path.write_text(COCO)
    with pytest.raises(UsageError) as error:
        read(path, format=spec)
    assert str(error.value) == message


def test_options_reach_the_format(tmp_path):
    path = tmp_path / "x"
    path.write_text(COCO)
    assert len(read(path, format="coco:skip=dog")) == 0
    path.write_text(VOC)
    assert read(path, format="voc:one_based=false").corners.tolist() == [
        [500_000, 250_000, 500_000, 1_000_000]
    ]
