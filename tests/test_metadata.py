"""Metadata as it is published: columns by name, ids as items are called, coordinates checked."""

import gzip

import numpy as np
import pytest

from hiertools import metadata
from hiertools.errors import UserError
from hiertools.files.inputs import Source

LEVELS = ["country", "region", "sub-region", "city"]


def read(tmp_path, text, *, like=None, levels=LEVELS, name="m.csv"):
    path = tmp_path / name
    path.write_text(text)
    [rows] = metadata.read(Source(path), levels, like=like)
    labels = {level: column.to_list() for level, column in rows.labels.items()}
    return rows, rows.id.to_list(), labels


FORMATS = {
    "osv5m": (
        "id,latitude,longitude,thumb_original_url,country,sequence,region,sub-region,city,unique_city\n"
        "860133474581133,-31.9,117.7,u,NA,s,Western Australia,,Cunderdin,c\n",
        "860133474581133",
        {
            "country": ["NA"], "region": ["Western Australia"], "sub-region": [""],
            "city": ["Cunderdin"],
        },
    ),
    "mini": (
        "image_id,longitude,latitude,city,area,region,country\n15,117.7,-31.9,C,A,W,AU\n",
        "15",
        {"country": ["AU"], "region": ["W"], "sub-region": ["A"], "city": ["C"]},
    ),
    "mp16": (
        "IMG_ID,LAT,LON,S3_Label\ne1/55/4763369508.jpg,-31.9,117.7,0\n", "e1/55/4763369508", {}
    ),
    "mp16-pro": (
        "IMG_ID,LAT,LON,neighbourhood,city,county,state,region,country,continent\n"
        "e1_55_4763369508.jpg,-31.9,117.7,n,Perth,Shire,WA,Oceania,Australia,O\n",
        "e1/55/4763369508",
        {"country": ["Australia"], "region": ["WA"], "sub-region": ["Shire"], "city": ["Perth"]},
    ),
    "im2gps3k": (
        "IMG_ID,AUTHOR,LAT,LON\n1000_e6_1125_7@N00.jpg,7@N00,-31.9,117.7\n",
        "1000_e6_1125_7@N00",
        {},
    ),
    "geoclip": ("IMG_FILE,LAT,LON\na/b.JPG,-31.9,117.7\n", "a/b", {}),
    "pigeon": ("image,lat,lng\nx.png,-31.9,117.7\n", "x", {}),
}  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_columns_are_found_by_name(tmp_path, name):
    text, key, labels = FORMATS[name]
    rows, ids, found = read(tmp_path, text)
    assert (ids, found) == ([key], labels)
    np.testing.assert_array_equal(rows.latitude, [-31.9])
    np.testing.assert_array_equal(rows.longitude, [117.7])


def test_yfcc_has_tabs_and_no_header(tmp_path):
    fields = [["0", f"{n}", *"cdefghijkl", "117.7", "-31.9", "o"] for n in (3478, 17)]
    text = "".join("\t".join(line) + "\n" for line in fields)
    rows, ids, labels = read(tmp_path, text, name="info.txt")
    assert (ids, labels) == (["3478", "17"], {})
    np.testing.assert_array_equal(rows.latitude, [-31.9] * 2)
    with pytest.raises(UserError, match=r"info.txt:3: has 2 fields, not 14"):
        read(tmp_path, text + "a\tb\n", name="info.txt")


@pytest.mark.parametrize(
    ("like", "key"),
    [
        (None, "e1/55/47"),
        ("e1_55_47.jpg", "e1_55_47.jpg"),
        ("e1_55_47", "e1_55_47"),
        ("e1/55/9.png", "e1/55/47.jpg"),
    ],
)
@pytest.mark.parametrize("written", ["e1/55/47.jpg", "e1_55_47.jpg"])
def test_ids_are_spelled_as_the_items_are(tmp_path, like, key, written):
    assert read(tmp_path, f"IMG_ID,LAT,LON\n{written},1,2\n", like=like)[1] == [key]


def test_ids_stay_text(tmp_path):
    text = "id,class\n" + "".join(f"{key},a\n" for key in ("007", "1e10", "NA", "nan"))
    rows, ids, labels = read(tmp_path, text, levels=["class"])
    assert (ids, labels) == (["007", "1e10", "NA", "nan"], {"class": ["a"] * 4})
    assert rows.latitude is None


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("b,91,10", r"m.csv:3: latitude is 91, not in \[-90, 90\]; are .* swapped\?"),
        ("b,91,100", r"m.csv:3: latitude is 91, not in \[-90, 90\]$"),
        ("b,10,-180.5", r"m.csv:3: longitude is -180.5, not in \[-180, 180\]"),
        ("b,,10", "m.csv:3: latitude of 'b' is not a number"),
        ("b,1,nan", "m.csv:3: longitude of 'b' is not a number"),
        (",1,2", "m.csv:3: the id is empty"),
    ],
)
def test_a_bad_row_is_named(tmp_path, row, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, f"id,latitude,longitude\na,1,2\n{row}\n")


@pytest.mark.parametrize(
    ("header", "message"),
    [("name,lat,lon", "no column of ids"), ("id,lat", "only one of latitude and longitude")],
)
def test_a_file_without_needed_columns_is_refused(tmp_path, header, message):
    with pytest.raises(UserError, match=message):
        read(tmp_path, f"{header}\n{header}\n")


def test_gzip_is_unpacked(tmp_path):
    path = tmp_path / "m.csv.gz"
    path.write_bytes(gzip.compress(b"id,city\na,b\n"))
    assert metadata.has_levels(Source(path), LEVELS) == ["city"]


def test_json_is_no_metadata(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"images": [' + "1, " * 1000 + "2]}")
    with pytest.raises(UserError, match=r"a\.json: is JSON; a CSV file is needed$"):
        metadata.columns_of(Source(path), ["country"])
