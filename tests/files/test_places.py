"""Tables of places: columns by name, text as it stands, faults by their line."""

import gzip

import pytest

from hiertools.errors import UserError
from hiertools.files import csv
from hiertools.files.inputs import Source
from hiertools.files.places import read_places

HEADER = "lat,lon,name,admin1,admin2,cc\n"


@pytest.fixture
def read(tmp_path, monkeypatch):
    def run(text, size=1 << 24):
        path = tmp_path / "places.csv"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        monkeypatch.setattr(csv, "CHUNK_BYTES", size)
        return read_places(Source(path))

    return run


@pytest.mark.parametrize("size", [1, 7, 1 << 24])
def test_columns_are_found_by_name_and_text_stays_text(read, size):
    text = "\ufeffmore,cc,name,lat,lon,admin2,admin1\r\n" + (
        '1,NA,"Walvis Bay, Erongo",-22.9575,14.50528,,007\r\n?,XK,Priština,42.7,21.2,nan,NULL\r\n'
    )
    for data in (text.encode(), gzip.compress(text.encode())):
        found = read(data, size)
        assert len(found) == 2
        assert found.latitude.tolist() == [-22.9575, 42.7]
        assert found.longitude.tolist() == [14.50528, 21.2]
        assert {level: names.to_list() for level, names in found.names.items()} == {
            "country": ["NA", "XK"],
            "region": ["007", "NULL"],
            "sub-region": ["", "nan"],
            "city": ["Walvis Bay, Erongo", "Priština"],
        }
        assert list(found.names) == ["country", "region", "sub-region", "city"]


@pytest.mark.parametrize("column", HEADER.strip().split(","))
def test_a_missing_column_is_one_line(read, column):
    kept = [name for name in HEADER.strip().split(",") if name != column]
    with pytest.raises(UserError, match=rf"places\.csv:1: no column '{column}'; the columns are"):
        read(",".join(kept) + "\n" + "1,1,a,b,c\n")


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("91,0,a,b,c,AT", r":3: lat is '91', not a number in \[-90, 90\]"),
        ("0,180.5,a,b,c,AT", r":3: lon is '180.5', not a number in \[-180, 180\]"),
        ("0,,a,b,c,AT", ":3: lon is '', not a number"),
        ("nan,0,a,b,c,AT", ":3: lat is 'nan', not a number"),
        ("x,0,a,b,c,AT", ":3: lat is 'x', not a number"),
        ("0,inf,a,b,c,AT", ":3: lon is 'inf', not a number"),
        ("0,0,a,b,c", ":3: has 5 fields, the header 6"),
    ],
)
def test_a_line_that_is_no_place_is_named(read, line, what):
    with pytest.raises(UserError, match=what):
        read(f"{HEADER}0,0,a,b,c,AT\n{line}\n0,0,a,b,c,AT\n")


def test_a_table_without_places_is_refused(read):
    with pytest.raises(UserError, match="has no places below its header"):
        read(HEADER)
    with pytest.raises(UserError, match="is empty"):
        read("")
