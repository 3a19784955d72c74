"""`hiertools geocode`: names of the nearest place behind the rows of a CSV."""

import contextlib
import csv
import gzip
import io
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

PLACES = """lat,lon,name,admin1,admin2,cc
48.20849,16.37208,Vienna,Vienna,"Wien, Stadt",AT
-22.55941,17.08323,Windhoek,Khomas,,NA
-16.78113,-179.98813,Somosomo,Northern,,FJ
78.22334,15.64689,Longyearbyen,Svalbard,,SJ
"""
NEW = ["country", "region", "sub-region", "city", "distance_km"]


@pytest.fixture
def geocode(hier, tmp_path):
    """Run the command on text; return what is done, and its rows as dictionaries."""
    (tmp_path / "places.csv").write_text(PLACES)

    def run(text, *options, where="-"):
        data = text if isinstance(text, bytes) else text.encode()
        if where != "-":
            (tmp_path / where).write_bytes(data)
        stdin = data if where == "-" else b""
        done = hier("geocode", where, "--places", "places.csv", *options, stdin=stdin, cwd=tmp_path)
        return done, list(csv.DictReader(io.StringIO(done.stdout, newline="")))

    return run


@pytest.mark.parametrize("latitude", ["latitude", "lat", "LAT", "Latitude"])
@pytest.mark.parametrize("longitude", ["lon", "LNG", "longitude"])
def test_columns_are_found_by_name(geocode, latitude, longitude):
    done, rows = geocode(f"{longitude},id,{latitude}\n16.4,007,48.2\n")
    assert done.returncode == 0, done.stderr
    names = {"country": "AT", "region": "Vienna", "sub-region": "Wien, Stadt", "city": "Vienna"}
    expected = {longitude: "16.4", "id": "007", latitude: "48.2", **names, "distance_km": "2.274"}
    assert rows == [expected]
    assert done.stderr == "1 of 1 rows have the names of a place\n"


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("where", ["-", "photos.csv"])
def test_rows_stay_letter_for_letter(geocode, where, pack):
    lines = ['"a ""b"", c",+48.20,16.4e0,1e10', "ü日,048.2, ,x", "z,-23,15,"]
    text = "\ufeffid,lat,lon,note\r\n" + "\r\n".join(lines)
    done, _ = geocode(pack(text.encode()), "--max-bad", "1", where=where)
    assert done.returncode == 0, done.stderr
    out = done.stdout.split("\n")
    assert out[0] == ",".join(["id,lat,lon,note", *NEW])
    assert out[1] == lines[0] + ',AT,Vienna,"Wien, Stadt",Vienna,2.274'
    assert out[2] == lines[1] + ",,,,,"
    assert out[3] == lines[2] + ",NA,Khomas,,Windhoek,219.121"
    assert out[4:] == [""]


def test_the_metric_is_a_choice(geocode):
    text = "lat,lon\n-16.8,179.99\n89,-170\n"
    cities = {
        metric: [row["city"] for row in geocode(text, "--metric", metric)[1]]
        for metric in ("sphere", "degrees")
    }
    assert cities["sphere"] == ["Somosomo", "Longyearbyen"]
    assert cities["degrees"] == ["Windhoek", "Somosomo"]
    assert geocode(text)[0].stdout == geocode(text, "--metric", "sphere")[0].stdout


@pytest.mark.parametrize(
    ("rows", "what"),
    [
        ("a,95,10", ":3: lat is '95', not in [-90, 90]; are latitude and longitude swapped?"),
        ("a,95,100", ":3: lat is '95', not in [-90, 90]"),
        ("a,190,10", ":3: lat is '190', not in [-90, 90]"),
        ("a,10,190", ":3: lon is '190', not in [-180, 180]"),
        ("a,,10", ":3: lat is '', not a number"),
        ("a,10,NaN", ":3: lon is 'NaN', not a number"),
        ("a,inf,10", ":3: lat is 'inf', not a number"),
        ("a,48N,10", ":3: lat is '48N', not a number"),
        ("a,10", ":3: has 2 fields, the header 3; is the file cut off?"),
    ],
)
def test_a_row_without_coordinates_is_named(geocode, tmp_path, rows, what):
    text = f"id,lat,lon\nb,1,2\n{rows}\nc,1,200\n"
    for where, name in (("-", "standard input"), ("photos.csv", "photos.csv")):
        done, _ = geocode(text, "-o", "out.csv", where=where)
        assert done.returncode == 3
        assert done.stderr == f"hiertools geocode: {name}{what}\n"
        assert not (tmp_path / "out.csv").exists()


def test_rows_without_coordinates_are_counted_if_that_is_asked_for(geocode):
    text = "id,lat,lon\nb,48,16\nc,,\nd,1,200\n"
    done, rows = geocode(text, "--max-bad", "2")
    assert done.returncode == 0
    assert done.stderr == "1 of 3 rows have the names of a place\n"
    assert [row["city"] for row in rows] == ["Vienna", "", ""]
    done, again = geocode(text, "--max-bad", "1")
    assert (done.returncode, again) == (4, rows)
    assert done.stderr.splitlines()[-1] == (
        "hiertools geocode: 2 rows have no good coordinates; the first: standard input:3: lat is"
        " '', not a number"
    )
    assert geocode("lat,lon\n,\n", "--max-bad", "0")[0].returncode == 4


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "standard input: is empty"),
        ("id,lat\n", ":1: no column of longitudes (longitude, lon, lng, long); there are id, lat"),
        ("id,lon\n", ":1: no column of latitudes (latitude, lat); there are id, lon"),
        ("lat,lon,lat\n1,2,3\n", ":1: more than one column 'lat'"),
        ("lat,lon,city\n1,2,3\n", ":1: has a column 'city' already; take it out, or name the new"),
        (b"lat,lon,x\n1,2,\xff\n", ":2: is not UTF-8 text"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(geocode, text, what):
    done, _ = geocode(text)
    assert done.returncode == 3
    assert what in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_prefix_keeps_names_apart(geocode):
    done, rows = geocode("lat,lon,city\n48,16,Wien\n", "--prefix", "near_")
    assert done.returncode == 0
    assert list(rows[0]) == ["lat", "lon", "city", *(f"near_{name}" for name in NEW)]
    assert (rows[0]["city"], rows[0]["near_city"]) == ("Wien", "Vienna")


def test_no_rows_are_a_header(geocode):
    done, rows = geocode("lat,lon\n")
    assert (done.returncode, rows) == (0, [])
    assert done.stdout == "lat,lon,country,region,sub-region,city,distance_km\n"


def test_an_output_is_not_replaced_unless_asked(geocode, tmp_path):
    assert geocode("lat,lon\n48,16\n", "-o", "out.csv")[0].returncode == 0
    first = (tmp_path / "out.csv").read_text()
    assert first.endswith("Vienna,36.066\n")
    assert geocode("lat,lon\n78,16\n", "-o", "out.csv")[0].returncode == 5
    assert geocode("lat,lon\n78,200\n", "-o", "out.csv", "--overwrite")[0].returncode == 3
    assert (tmp_path / "out.csv").read_text() == first
    assert geocode("lat,lon\n78,16\n", "-o", "out.csv", "--overwrite")[0].returncode == 0
    assert "Longyearbyen" in (tmp_path / "out.csv").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "places.csv"]


def test_one_input_can_be_standard_input(hier, geocode, tmp_path):
    (tmp_path / "photos.csv").write_text("lat,lon\n48,16\n")
    done = hier("geocode", "photos.csv", "--places", "-", stdin=PLACES.encode(), cwd=tmp_path)
    assert "Vienna" in done.stdout
    done = hier("geocode", "-", "--places", "-", cwd=tmp_path)
    assert done.returncode == 2
    done = hier("geocode", "photos.csv", "--places", "none.csv", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (3, "hiertools geocode: none.csv: no such file\n")


def test_a_full_disk_is_said(geocode, tmp_path):
    command = [sys.executable, "-m", "hiertools", "geocode", "-", "--places", "places.csv"]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            command, input=b"lat,lon\n48,16\n", stdout=full, stderr=subprocess.PIPE,
            cwd=tmp_path, check=False,
        )  # fmt: skip
    assert done.returncode == 7
    assert b"no space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_rows_come_out_before_all_are_read(geocode, tmp_path):
    """A pipe that stays open, and a reader that goes away, as `head` does."""
    command = [sys.executable, "-m", "hiertools", "geocode", "-q", "-", "--places", "places.csv"]
    row = b"48.2,16.4," + b"x" * 990 + b"\n"
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        writer = threading.Thread(target=_write, args=(process.stdin, row * 60_000), daemon=True)
        writer.start()
        assert process.stdout.readline().startswith(b"lat,lon,x,country")
        assert process.stdout.readline().endswith(b",Vienna,2.274\n")
        process.stdout.close()
        writer.join(60)
        assert not writer.is_alive()
    assert process.returncode == 0


def _write(pipe, rows):
    with contextlib.suppress(BrokenPipeError):
        pipe.write(b"lat,lon,x\n" + rows)
    with contextlib.suppress(BrokenPipeError):
        pipe.close()


def test_a_signal_leaves_no_half_of_a_file(geocode, tmp_path):
    command = [sys.executable, "-m", "hiertools", "geocode", "-", "--places", "places.csv"]
    with subprocess.Popen(
        [*command, "-o", "out.csv"], stdin=subprocess.PIPE, stderr=subprocess.PIPE, cwd=tmp_path
    ) as process:
        assert process.stdin is not None
        process.stdin.write(
            b"lat,lon\n" + b"48.2,16.4\n" * 300_000
        )  # more than the first look at a pipe takes
        process.stdin.flush()
        deadline = time.monotonic() + 30
        while not list(tmp_path.glob(".out.csv.*")) and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        process.stdin.close()
    assert process.returncode == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["places.csv"]


def test_memory_does_not_grow_with_the_rows(geocode, tmp_path):
    rng = np.random.default_rng(0)
    rows = "".join(
        f"{a:.6f},{b:.6f},{'x' * 200}\n" for a, b in rng.uniform(-80, 80, (20_000, 2))
    ).encode()
    peaks = []
    for times in (8, 40):
        measured = (
            "import sys; from hiertools.cli import main; from hiertools.files import csv;"
            "csv.CHUNK_BYTES = 1 << 20; code = main();"
            "status = open('/proc/self/status').read();"
            "print(status.partition('VmHWM:')[2].split()[0], file=sys.stderr); sys.exit(code)"
        )
        command = [sys.executable, "-c", measured, "geocode", "-q", "-", "--places", "places.csv"]
        with open(tmp_path / "out.csv", "wb") as out:
            done = subprocess.run(
                command, input=b"lat,lon,x\n" + rows * times, stdout=out, stderr=subprocess.PIPE,
                cwd=tmp_path, check=True,
            )  # fmt: skip
        assert (tmp_path / "out.csv").read_bytes().count(b"\n") == 20_000 * times + 1
        peaks.append(int(done.stderr.split()[-1]) / 1024)
    assert peaks[1] < peaks[0] + 30, peaks
