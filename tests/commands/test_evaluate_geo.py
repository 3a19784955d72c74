"""`hiertools evaluate geo`: the real command on a few places, each number by hand."""

import json
import math
import re

import numpy as np
import pytest

from hiertools.cli import main
from hiertools.files.entities import digest_of, write_entities
from hiertools.files.metrics import read_metrics
from hiertools.files.predictions import Prediction, Step, write_predictions
from tests import entities_made

RADIUS = 6371.0
LEVELS = ["country", "region", "city"]
# of entities_made: Wien has no region; Linz and Brno are unknown there
TRUTH = """id,latitude,longitude,country,region,city
a,48.2,16.4,AT,,Wien
b,47.28,11.5,at,Tirol,Hall
c,47.24,10.74,Austria,TIROL,Imst
d,35.7,139.7,JPN,Tokyo,Edo
e,48.3,14.3,AT,,Linz
f,49.2,16.6,CZ,Moravia,Brno
"""
NAMES = {"at": "AT", "jp": "JP", "cz": "CZ"}
PREDICTED = {  # the path, where it is, and how sure it is at each level
    "a": (["at", "at/%/wien"], (48.2, 16.4), (0.9, 0.8)),
    "b": (["at", "at/tirol", "at/tirol/imst"], (47.24, 10.74), (0.9, 0.7, 0.4)),
    "c": (["at", "at/tirol", "at/tirol/imst"], (47.24, 10.74), (1.0, 0.9, 0.8)),
    "d": (["at", "at/%/wien"], (48.2, 16.4), (0.6, 0.5)),
    "e": (["at", "at/%/wien"], (48.2, 16.4), (0.7, 0.3)),
    "f": (["at", "at/%/wien"], (48.2, 16.4), (0.55, 0.2)),
}
THRESHOLD = 0.5


def level_of(key):
    return LEVELS[key.count("/")]


def prediction(name, *, coordinates=True):
    keys, place, sure = PREDICTED[name]
    place = place if coordinates else (None, None)
    path = [Step(level_of(k), k, k, p, *place) for k, p in zip(keys, sure, strict=True)]
    deep = [step for step in path if step.probability >= THRESHOLD][-1]
    return Prediction(name, path[-1:], path, *place, deep.probability, deep.level)


def save(path, predictions, digest):
    header = {"index": "0" * 64, "entities": digest, "levels": LEVELS, "method": "beam"}
    write_predictions(path, header, predictions, chain=[], overwrite=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("geo")
    made = entities_made.entities()
    write_entities(folder / "e.h5", made, entities_made.members(), chain=[], overwrite=False)
    (folder / "truth.csv").write_text(TRUTH)
    digest = digest_of(made)
    save(folder / "p.jsonl", map(prediction, PREDICTED), digest)
    save(folder / "flat.jsonl", [prediction(x, coordinates=False) for x in PREDICTED], digest)
    save(folder / "other.jsonl", map(prediction, PREDICTED), "1" * 64)
    rows = [f"{name},{place[0]},{place[1]}" for name, (_, place, _) in PREDICTED.items()]
    (folder / "foreign.csv").write_text("\n".join(["id,latitude,longitude", *rows, ""]))
    return folder


@pytest.fixture
def run(folder, tmp_path, monkeypatch, capsys):
    """Run in the folder; return the exit code, the metrics and what was said."""

    def evaluate(*arguments, truth="truth.csv"):
        monkeypatch.chdir(folder)
        out = tmp_path / "metrics.json"
        words = ["--truth", str(truth)] if truth else []
        words += [str(each) for each in arguments]
        code = main(["evaluate", "geo", *words, "--resamples", "50", "-o", str(out), "--overwrite"])
        said = capsys.readouterr()
        return code, read_metrics(out) if code == 0 else None, said.err

    return evaluate


def rows(metrics):
    return {(row["metric"], row.get("of", row.get("km"))): row for row in metrics.metrics}


def haversine(a, b):
    lat, lon, lat2, lon2 = map(math.radians, (*a, *b))
    h = math.sin((lat2 - lat) / 2) ** 2
    return (
        2
        * RADIUS
        * math.asin(math.sqrt(h + math.cos(lat) * math.cos(lat2) * math.sin((lon2 - lon) / 2) ** 2))
    )


TRUE = {row.split(",")[0]: tuple(map(float, row.split(",")[1:3])) for row in TRUTH.split()[1:]}
KM = [haversine(TRUE[name], place) for name, (_, place, _) in PREDICTED.items()]


def test_entities_by_hand(run):
    code, found, said = run("p.jsonl", "--entities", "e.h5", "--slices", "count,country")
    assert code == 0, said
    made = rows(found)
    country, region, city = (made["accuracy", level] for level in LEVELS)
    # d is in Japan and f in Czechia
    assert (country["value"], country["queries"], country["coverage"]) == (4 / 6, 6, 5 / 6)
    # a and e have no region; b and c are right, d and f are not
    assert (region["value"], region["queries"], region["coverage"]) == (2 / 4, 4, 3 / 4)
    # a and c are right; Linz and Brno were never seen
    assert (city["value"], city["queries"], city["coverage"]) == (2 / 6, 6, 4 / 6)
    assert country["frequent"] == 4 / 6
    assert region["frequent"] == 2 / 4  # Tirol
    assert city["frequent"] == 1 / 6  # of equal counts the first key: Wien
    assert country["chance"] == 4 / 6  # all answers are Austria
    assert made["mean_km", None]["value"] == pytest.approx(np.mean(KM))
    assert made["median_km", None]["value"] == pytest.approx(np.median(KM))
    scores = [5000 * math.exp(-km / 1492.7) for km in KM]
    assert made["geoscore", None]["value"] == pytest.approx(np.mean(scores))
    for radius in (1, 25, 200, 750, 2500):
        assert made["recall", radius]["value"] == np.mean([km < radius for km in KM])
    # a: city right; b: region right; c: city right; d: city wrong; e: country right; f: wrong
    assert made["accuracy", "reported"]["value"] == pytest.approx(4 / 6)
    gaps = [0.9 + 0.9 - 2, 1.0 - 1, 0.6 + 0.55 - 0, 0.7 - 1]  # by bin: a b, c, d | f, e
    bins = {14: [0.9, 0.9], 15: [1.0], 9: [0.6, 0.55], 11: [0.7]}
    assert all(math.ceil(p * 15) == k for k, ps in bins.items() for p in ps)
    error = sum(abs(gap) for gap in gaps) / 6
    assert made["ece", "country"]["value"] == pytest.approx(error)
    assert found.tables["reported"] == [
        {"level": "country", "items": 2, "share": 2 / 6, "accuracy": 0.5, "labelled": 2},
        {"level": "region", "items": 1, "share": 1 / 6, "accuracy": 1.0, "labelled": 1},
        {"level": "city", "items": 3, "share": 0.5, "accuracy": 2 / 3, "labelled": 3},
    ]
    assert found.parameters["radius_km"] == 6371.0
    assert found.parameters["recall"] == "distance < radius"
    assert "sphere with a radius of 6371.0 km; recall: distance < radius" in said
    assert found.counts["without_prediction"] == found.counts["without_truth"] == 0


def test_slices(run):
    words = ("--entities", "e.h5", "--min-items", "2", "--slices", "count,country,continent,island")
    code, found, said = run("p.jsonl", *words)
    assert code == 0, said
    parts = {(row["by"], row["part"]): row for row in found.tables["slices"]}
    assert [part for by, part in parts if by == "country"] == ["AT"]
    assert parts["country", "AT"]["items"] == 4
    assert parts["country", "AT"]["accuracy_city"] == 0.5
    assert "2 parts by country have less than 2 items and no row" in said
    # in training Wien, Hall, Imst and Edo have 2 items each, Linz and Brno none
    assert [(part, row["items"]) for (by, part), row in parts.items() if by == "count"] == [
        ("0", 2), ("2-5", 4),
    ]  # fmt: skip
    assert parts["count", "0"]["accuracy_city"] == 0
    assert parts["count", "2-5"]["accuracy_city"] == 0.5
    assert parts["island", "island"]["items"] == 1
    assert parts["island", "with land neighbours"]["items"] == 5
    assert sum(row["items"] for (by, _), row in parts.items() if by == "continent") == 6


def test_the_truth_may_be_a_file_of_entities(run, folder, tmp_path):
    ids = ["i0", "i1", "i2"]  # of Wien, Hall and Edo
    answers = {"i0": "a", "i1": "b", "i2": "d"}
    digest = digest_of(entities_made.entities())
    made = []
    for name in entities_made.members().items.id.tolist():
        key = answers.get(name.decode(), "a")
        made.append(Prediction(**{**vars(prediction(key)), "id": name.decode()}))
    save(folder / "members.jsonl", made, digest)
    code, found, said = run("members.jsonl", "--entities", "e.h5", truth="e.h5")
    assert code == 0, said
    table = rows(found)
    assert table["accuracy", "city"]["coverage"] == 1
    # the members are in Wien, Hall, Edo, Imst, Hall, Edo, Wien and Imst; all but b say Wien
    assert table["accuracy", "city"]["value"] == 2 / 8
    assert table["accuracy", "region"]["value"] == 1 / 6
    assert table["accuracy", "country"]["value"] == 6 / 8
    assert ids


def test_predictions_without_coordinates(run):
    code, found, said = run("flat.jsonl")
    assert code == 0, said
    assert {row["metric"] for row in found.metrics} == {"accuracy", "ece"}
    assert "radius_km" not in found.parameters
    assert found.counts["with_distance"] == 0
    assert rows(found)["accuracy", "city"]["value"] == 2 / 6


PLACES = """lat,lon,name,admin1,admin2,cc
48.2,16.4,Wien,Vienna,,AT
47.28,11.5,Hall,Tyrol,Innsbruck Land,AT
-43.95,-176.56,Waitangi,Chatham Islands,,NZ
-22.56,17.08,Windhoek,Khomas,Windhoek Rural,NA
"""
HEADER = "id,latitude,longitude,unique_country,unique_region,unique_sub-region,unique_city\n"
OSV5M = (
    HEADER
    + """w,48.2,16.4,AT,Vienna_AT,,Wien_NaN_Vienna_AT
h,47.28,11.5,AT,Tyrol_AT,Innsbruck Land_Tyrol_AT,Hall_Innsbruck Land_Tyrol_AT
c,-43.95,-176.56,NZ,Chatham Islands_NZ,,Waitangi_NaN_Chatham Islands_NZ
n,-22.56,17.08,NA,Khomas_NA,Windhoek Rural_Khomas_NA,Windhoek_Windhoek Rural_Khomas_NA
"""
)
FOUND = "id,latitude,longitude\nw,48.3,16.5\nh,47.3,11.4\nc,-44,-176.6\nn,-22.5,17\n"


@pytest.fixture
def osv5m(tmp_path, run):
    (tmp_path / "places.csv").write_text(PLACES)
    (tmp_path / "found.csv").write_text(FOUND)

    def evaluate(protocol, truth, *arguments):
        (tmp_path / "osv5m.csv").write_text(truth)
        words = ("--protocol", protocol, "--places", tmp_path / "places.csv", *arguments)
        return run(tmp_path / "found.csv", *words, truth=tmp_path / "osv5m.csv")

    return evaluate


def accuracies(metrics):
    return [
        (row["value"], row["queries"]) for row in metrics.metrics if row["metric"] == "accuracy"
    ]


def test_the_protocol_of_osv5m_has_the_defects_of_its_code(osv5m):
    code, found, said = osv5m("osv5m", OSV5M)
    assert code == 0, said
    # all answers are in the place of the truth; Namibia, blanks and NaN against nothing are wrong
    assert accuracies(found) == [(3 / 4, 4), (4 / 4, 4), (2 / 4, 4), (2 / 4, 4)]
    assert "protocol osv5m: as the published code, defects included" in said
    assert found.parameters["levels"] == ["country", "region", "sub-region", "city"]
    assert rows(found)["recall", 25]["value"] == 1


def test_the_mended_protocol_of_osv5m(osv5m):
    code, found, said = osv5m("osv5m-fixed", OSV5M)
    assert code == 0, said
    assert accuracies(found) == [(1, 4), (1, 4), (1, 2), (1, 4)]
    assert "protocol osv5m-fixed: as the published code, but blank labels do not count" in said


def test_labels_of_osv5m_are_built_of_names(osv5m):
    truth = """id,latitude,longitude,country,region,sub-region,city
w,48.2,16.4,AT,Vienna,,Wien
h,47.28,11.5,AT,Tyrol,Innsbruck Land,Hall
c,-43.95,-176.56,NZ,Chatham Islands,,Waitangi
n,-22.56,17.08,NA,Khomas,Windhoek Rural,Windhoek
"""
    for protocol in ("osv5m", "osv5m-fixed"):
        wanted = osv5m(protocol, OSV5M)[1]
        code, found, said = osv5m(protocol, truth)
        assert code == 0, said
        assert found.metrics == wanted.metrics
        assert "has no unique_country, unique_region, unique_sub-region, unique_city; built" in said
        assert len(found.parameters["built"]) == 4
    code, _, said = osv5m("osv5m", "id,latitude,longitude,country\nw,48,16,AT\n")
    assert code == 3
    assert "has neither a column 'unique_country' nor one of 'region'; hiertools geocode" in said


def test_the_degrees_of_osv5m_are_not_those_of_the_sphere(osv5m, tmp_path):
    """At 80 degrees north 10 degrees of longitude are nearer than 3 of latitude."""
    places = "lat,lon,name,admin1,admin2,cc\n80,10,East,E,,NO\n77,0,South,S,,NO\n"
    truth = HEADER + "x,80,0,NO,S_NO,,South_NaN_S_NO\n"
    (tmp_path / "north.csv").write_text(places)
    (tmp_path / "found.csv").write_text("id,latitude,longitude\nx,80,0\n")
    code, found, said = osv5m("osv5m", truth, "--places", tmp_path / "north.csv")
    assert code == 0, said
    assert rows(found)["accuracy", "region"]["value"] == 1


def test_our_predictions_by_the_protocol_of_osv5m(run, folder, tmp_path):
    (tmp_path / "places.csv").write_text(PLACES)
    names = TRUTH.replace("country,region,city", "country,region,city,sub-region")
    (tmp_path / "truth.csv").write_text(
        "".join(x + "," * (i > 0) + "\n" for i, x in enumerate(names.splitlines()))
    )
    words = ("--protocol", "osv5m-fixed", "--places", tmp_path / "places.csv")
    code, found, said = run(
        "p.jsonl", *words, "--entities", "e.h5", "--slices", "count", truth=tmp_path / "truth.csv"
    )
    assert code == 0, said
    assert rows(found)["accuracy", "country"]["value"] == 4 / 6
    assert rows(found)["mean_km", None]["value"] == pytest.approx(np.mean(KM))
    assert "ece" not in {row["metric"] for row in found.metrics}
    code, _, said = run("flat.jsonl", *words, truth=tmp_path / "truth.csv")
    assert code == 2
    assert "need coordinates in all predictions" in said
    code, _, said = run("p.jsonl", *words, truth="e.h5")
    assert code == 2
    assert "--protocol osv5m-fixed needs a table of metadata as --truth" in said


def test_a_table_without_labels_has_distances_alone(run, tmp_path):
    lines = [",".join(line.split(",")[:3]) for line in TRUTH.split()]
    (tmp_path / "bare.csv").write_text("\n".join(lines) + "\n")
    code, found, said = run("p.jsonl", truth=tmp_path / "bare.csv")
    assert code == 0, said
    assert "the truth has none of their levels: only distances are judged" in said
    assert {row["metric"] for row in found.metrics} == {
        "mean_km", "median_km", "geoscore", "recall",
    }  # fmt: skip
    code, _, said = run("flat.jsonl", truth=tmp_path / "bare.csv")
    assert code == 3
    assert "has neither coordinates nor labels that the predictions could be compared with" in said


@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_predictions_of_another_program(run, folder, tmp_path, form):
    path = folder / "foreign.csv"
    if form == "jsonl":
        path = tmp_path / "foreign.jsonl"
        lines = [
            json.dumps({"id": name, "latitude": place[0], "longitude": place[1]})
            for name, (_, place, _) in PREDICTED.items()
        ]
        path.write_text("\n".join(lines) + "\n")
    code, found, said = run(path, "--slices", "count,country", "--entities", "e.h5")
    assert code == 0, said
    assert {row["metric"] for row in found.metrics} == {
        "mean_km", "median_km", "geoscore", "recall",
    }  # fmt: skip
    assert "the predictions have no entities: only distances are judged" in said
    assert rows(found)["mean_km", None]["value"] == pytest.approx(np.mean(KM))
    assert {row["by"] for row in found.tables["slices"]} == {"count"}  # no country has 10 items


def test_against_other_predictions(run, folder, tmp_path):
    code, found, said = run("p.jsonl", "--against", "p.jsonl")
    assert code == 0, said
    assert all(row["difference"] == 0 for row in found.metrics if row["metric"] != "ece")
    worse = tmp_path / "worse.csv"
    worse.write_text("id,latitude,longitude\n" + "".join(f"{x},0,0\n" for x in PREDICTED))
    code, found, said = run("p.jsonl", "--against", worse)
    assert code == 0, said
    mean = rows(found)["mean_km", None]
    assert mean["against"] == pytest.approx(np.mean([haversine(TRUE[x], (0, 0)) for x in TRUE]))
    assert mean["difference"] == pytest.approx(mean["value"] - mean["against"])
    assert mean["difference_low"] <= mean["difference"] <= mean["difference_high"]
    assert "against" not in rows(found)["accuracy", "city"]
    worse.write_text("id,latitude,longitude\na,0,0\nzz,0,0\n")
    code, _, said = run("p.jsonl", "--against", worse)
    assert code == 3
    assert "lacks 5 of the items, the first is 'b'; --against needs predictions for the" in said


def test_against_metrics(run, tmp_path):
    assert run("p.jsonl")[0] == 0
    (tmp_path / "before.json").write_bytes((tmp_path / "metrics.json").read_bytes())
    code, _, said = run(tmp_path / "before.json")
    assert code == 3
    assert "is a metrics file; predictions of hiertools query are needed" in said
    code, again, said = run("p.jsonl", "--against", tmp_path / "before.json")
    assert code == 0, said
    assert all(row["against"] == row["value"] for row in again.metrics)
    assert not any("difference" in row for row in again.metrics)


def test_items_without_prediction_and_predictions_without_item(run, folder, tmp_path):
    truth = tmp_path / "fewer.csv"
    truth.write_text(TRUTH.replace("e,48.3", "other,48.3").replace("f,49.2", "g,49.2"))
    code, _, said = run("p.jsonl", truth=truth)
    assert code == 3
    assert f"p.jsonl lacks 2 items of {truth}, the first is 'other'" in said
    assert f"{truth} lacks 2 items of p.jsonl, the first is 'e'" in said
    assert "leave them out with --max-bad 4" in said
    assert len(said.splitlines()) == 1
    assert run("p.jsonl", "--max-bad", "3", truth=truth)[0] == 3
    code, found, said = run("p.jsonl", "--max-bad", "4", truth=truth)
    assert code == 0
    assert "warning: p.jsonl lacks 2 items" in said
    counts = found.counts
    assert (counts["items"], counts["without_prediction"], counts["without_truth"]) == (4, 2, 2)
    assert rows(found)["accuracy", "city"]["value"] == 2 / 4
    truth.write_text("id,latitude,longitude\nx,0,0\n")
    code, _, said = run("p.jsonl", "--max-bad", "99", truth=truth)
    assert code == 3
    assert "nothing is left to evaluate" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("b,47.28", "a,47.28"), "truth.csv: the item 'a' is there twice"),
        (("47.28,11.5", "139.7,35.7"), "truth.csv:3: latitude is 139.7, not in [-90, 90]"),
        (("at,Tirol", "Atlantis,Tirol"), "truth.csv:3: 'Atlantis' is no country that is known"),
        (("country,region", "country,county"), "truth.csv: has no column of the level 'region'"),
    ],
)
def test_a_bad_truth(run, tmp_path, change, message):
    (tmp_path / "truth.csv").write_text(TRUTH.replace(*change))
    code, _, said = run("p.jsonl", truth=tmp_path / "truth.csv")
    assert code == 3
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id,latitude,longitude\na,0,0\na,1,1\n", "line 3: the item 'a' is there twice"),
        ("id,latitude,longitude\na,91,0\n", "line 2: the latitude 91.0 is not in [-90, 90]"),
        ("id,latitude,longitude\n", "has no predictions"),
        ('{"id": "a", "latitude": 0}\n', "no key 'longitude'"),
    ],
)
def test_bad_predictions(run, tmp_path, text, message):
    (tmp_path / "bad").write_text(text)
    code, _, said = run(tmp_path / "bad")
    assert code == 3
    assert message in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["p.jsonl", "--protocol", "osv5m"], 2, "--protocol osv5m needs a gazetteer: --places CSV"),
        (["p.jsonl", "--places", "x.csv"], 2, "--places is for --protocol osv5m and osv5m-fixed"),
        (["p.jsonl", "--slices", "country,city"], 2, "there is no 'city', only country, continent"),
        (["p.jsonl", "--slices", "count"], 2, "--slices count needs the entities of the training"),
        (["other.jsonl", "--entities", "e.h5"], 3, "the predictions are of other entities than"),
        (["missing.jsonl"], 3, "missing.jsonl: no such file"),
        (["truth.csv"], 0, ""),
        (["e.h5"], 3, "e.h5: is HDF5; predictions of hiertools query are needed"),
        (["p.jsonl", "--truth", "p.jsonl"], 3, "p.jsonl: is JSON; the truth is a CSV file or"),
        (["p.jsonl", "--entities", "p.jsonl"], 3, "p.jsonl: is not an HDF5 file"),
    ],
)
def test_wrong_input_is_one_line(run, arguments, code, message):
    found, _, said = run(*arguments)
    assert found == code, said
    assert message in said
    if code:
        assert len(said.splitlines()) == 1


def test_the_truth_is_needed(run):
    code, _, said = run("p.jsonl", truth=None)
    assert code == 2
    assert "name where the items truly are: --truth CSV|H5" in said


def test_streams_and_provenance(hier, folder, tmp_path):
    words = ("evaluate", "geo", folder / "p.jsonl", "--resamples", "20")
    done = hier(*words, "--truth", "-", "-o", "-", "--no-provenance", "-q", stdin=TRUTH.encode())
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    assert (document["kind"], document["task"], document["provenance"]) == ("metrics", "geo", [])
    out = tmp_path / "m.json"
    done = hier(*words, "--truth", folder / "truth.csv", "--json", "-o", out)
    assert done.returncode == 0
    assert re.fullmatch(r"6 rows in .* s: .* rows/s; peak memory .* MB\n", done.stderr)
    assert json.loads(done.stdout)["metrics"] == document["metrics"] == read_metrics(out).metrics
    assert [len(each["sha256"]) for each in read_metrics(out).chain[-1]["inputs"]] == [64] * 2
    assert hier(*words, "--truth", folder / "truth.csv", "-o", out).returncode == 5
    done = hier(*words, "--truth", folder / "truth.csv", "--json", "-o", "-")
    assert done.returncode == 2
