"""build-entities: what goes where, the same bytes on every way, and what is said of bad input."""

import json
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
import torch

from hiertools.cli import main
from hiertools.encoder import Encoder
from hiertools.files import kinds
from hiertools.files.embeddings import write_embeddings
from hiertools.files.entities import digest_of, read_entities, read_members
from hiertools.files.hierarchy import read_hierarchy
from hiertools.files.items import Items, encode, label_sets
from hiertools.places import coordinates, unit_vectors

HEADER = "id,latitude,longitude,country,region,sub-region,city\n"
CITIES = [
    ("AT", "Tirol", "", "Hall", 47.28, 11.5),
    ("AT", "Tirol", "Imst", "Imst", 47.24, 10.74),
    ("JP", "Tokyo", "", "Edo", 35.7, 139.7),
    ("FJ", "", "", "Suva", -18.1, 178.4),
    ("FJ", "", "", "SUVA ", -17.9, -179.4),
    ("NA", "Erongo", "", "Hall", -22.0, 15.0),
    ("AT", "Kärnten", "", "Hall", 46.6, 13.8),
]
ROWS = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A CSV of 60 rows and embeddings of the same items in the same order."""
    folder = tmp_path_factory.mktemp("geo")
    rng = np.random.default_rng(3)
    lines = []
    for row in range(ROWS):
        *names, latitude, longitude = CITIES[row % len(CITIES)]
        at = f"{latitude + rng.normal() / 50:.6f},{longitude + rng.normal() / 50:.6f}"
        lines.append(f"{row:017d},{at},{','.join(names)}\n")
    (folder / "m.csv").write_text(HEADER + "".join(lines), encoding="utf-8")
    save(folder / "e.h5", [f"{row:017d}" for row in range(ROWS)])
    return folder


def vectors_of(ids, dimension=5):
    """Return vectors that depend on the ids alone, not of unit length."""
    return np.stack([np.random.default_rng(hash_of(key)).normal(size=dimension) for key in ids])


def hash_of(key):
    return int.from_bytes(key.encode(), "big") % 2**32


def save(path, ids, labels=None, **changes):
    vectors = changes.pop("vectors", vectors_of(ids)).astype(np.float32)
    meta = {"encoder": "x", "digest": "0" * 64, "output": "embedding", "preprocess": {}}
    table = Items(encode(ids), labels=labels and label_sets([label] for label in labels))
    meta |= {"dimension": vectors.shape[1], **changes}
    write_embeddings(path, [vectors], vectors.shape[1], table, meta=meta, chain=[], overwrite=True)


def build(*arguments):
    code = main(["build-entities", *map(str, arguments)])
    assert code == 0, arguments


def plain(out, folder, *arguments):
    path = folder / out
    build(*arguments, "-o", path, "--no-provenance", "--overwrite")
    return path.read_bytes()


def names_of(entities):
    return [key.decode() for key in entities.key]


def test_items_go_to_the_nodes_of_their_names(made, tmp_path):
    out = tmp_path / "o.h5"
    build(made / "m.csv", "--embeddings", made / "e.h5", "-o", out)
    assert kinds.check(out, full=True) == "entities"
    entities, members = read_entities(out), read_members(out)
    assert names_of(entities)[:4] == ["at", "fj", "jp", "na"]
    assert "at/tirol/%/hall" in names_of(entities)
    assert "na/erongo/%/hall" in names_of(entities)
    assert names_of(entities).count("fj/%/%/suva") == 1
    assert [name.decode() for name in entities.name[:4]] == ["AT", "FJ", "JP", "NA"]
    assert entities.name[names_of(entities).index("fj/%/%/suva")] == b"Suva"
    for row in range(ROWS):
        city = entities.key[members.entity[row, 3]].decode()
        assert city.split("/")[0].upper() == CITIES[row % 7][0]
        assert city.split("/")[3] == CITIES[row % 7][3].strip().casefold()
    count = np.bincount(members.entity.ravel(), minlength=len(entities))
    np.testing.assert_array_equal(entities.count, count)
    assert members.items.id[7] == b"00000000000000007"


def test_sums_are_those_of_a_plain_loop(made, tmp_path):
    out = tmp_path / "o.h5"
    build(made / "m.csv", "--embeddings", made / "e.h5", "--folds", "3", "-o", out)
    entities, members = read_entities(out), read_members(out)
    n = len(entities)
    sums, units = np.zeros((3 * n, 5)), np.zeros((n, 3))
    vectors = vectors_of([key.decode() for key in members.items.id]).astype(np.float32)
    at = unit_vectors(members.items.latitude, members.items.longitude)
    for row in range(ROWS):
        for node in members.entity[row]:
            sums[members.fold[row] * n + node] += vectors[row] / np.linalg.norm(vectors[row])
            units[node] += at[row]
    np.testing.assert_allclose(entities.image_sums, sums, atol=1e-5)
    found = np.stack([entities.latitude, entities.longitude])
    np.testing.assert_allclose(found, np.stack(coordinates(units)), atol=1e-8)
    suva = names_of(entities).index("fj/%/%/suva")
    assert abs(entities.longitude[suva]) > 178  # across the date line


def test_the_centroid_of_latitude_and_longitude_is_the_plain_mean(made, tmp_path):
    out = tmp_path / "o.h5"
    build(made / "m.csv", "--centroid", "latlon", "-o", out)
    entities, members = read_entities(out), read_members(out)
    suva = names_of(entities).index("fj/%/%/suva")
    mine = members.entity[:, 3] == suva
    means = (members.items.latitude[mine].mean(), members.items.longitude[mine].mean())
    np.testing.assert_allclose((entities.latitude[suva], entities.longitude[suva]), means)
    assert entities.meta["centroid"] == "latlon"
    assert entities.image_sums is None


def test_the_bytes_do_not_depend_on_batches_shards_or_sorting(made, tmp_path):
    given = (made / "m.csv", "--embeddings", made / "e.h5")
    one = plain("one.h5", tmp_path, *given)
    assert plain("two.h5", tmp_path, *given, "--batch-size", "7") == one
    assert plain("three.h5", tmp_path, *given, "--sort") == one
    for shards in (2, 5):
        parts = []
        for i in range(shards):
            parts.append(tmp_path / f"part{i}.h5")
            plain(parts[-1].name, tmp_path, *given, "--shard", f"{i}/{shards}")
            assert kinds.check(parts[-1], full=True) == "entity-part"
        assert plain("merged.h5", tmp_path, *reversed(parts)) == one


def test_a_shard_may_have_no_rows(tmp_path):
    (tmp_path / "m.csv").write_text(HEADER + "a,1,2,AT,r,s,Hall\nb,1,2,DE,q,t,Ort\n")
    one = plain("one.h5", tmp_path, tmp_path / "m.csv")
    parts = [tmp_path / f"p{i}.h5" for i in range(4)]
    for i, part in enumerate(parts):
        plain(part.name, tmp_path, tmp_path / "m.csv", "--shard", f"{i}/4")
        assert kinds.check(part, full=True) == "entity-part"
    assert plain("merged.h5", tmp_path, *parts) == one


def test_pieces_of_the_metadata_give_the_same_bytes(made, tmp_path, monkeypatch):
    given = (made / "m.csv", "--embeddings", made / "e.h5")
    one = plain("one.h5", tmp_path, *given)
    monkeypatch.setattr("hiertools.files.csv.CHUNK_BYTES", 200)
    monkeypatch.setattr("hiertools.entities.joining.ROWS", 16)
    monkeypatch.setattr("hiertools.entities.building.ROWS", 8)
    monkeypatch.setattr("hiertools.entities.spooling.MOST_AT_ONCE", 3)
    assert plain("two.h5", tmp_path, *given) == one


def test_another_order_needs_sort(made, tmp_path, capsys):
    ids = [f"{row:017d}" for row in range(ROWS)]
    save(tmp_path / "e.h5", ids[::-1])
    given = (made / "m.csv", "--embeddings", tmp_path / "e.h5")
    assert main(["build-entities", *map(str, given), "-o", str(tmp_path / "o.h5")]) == 3
    assert "m.csv:60: '00000000000000058' is in another place" in capsys.readouterr().err
    sorted_ = plain("sorted.h5", tmp_path, *given, "--sort")
    assert sorted_ == plain("o.h5", tmp_path, made / "m.csv", "--embeddings", made / "e.h5")


def test_items_and_embeddings_without_each_other_are_counted(made, tmp_path, capsys):
    ids = [f"{row:017d}" for row in range(ROWS) if row not in (4, 9)]
    save(tmp_path / "e.h5", [*ids[:30], "more", *ids[30:], "most"])
    out = tmp_path / "o.h5"
    given = (made / "m.csv", "--embeddings", tmp_path / "e.h5")
    build(*given, "-o", out)
    said = capsys.readouterr().err
    assert "2 items of the metadata have no embedding, such as '00000000000000004'" in said
    assert "2 embeddings are of no item of the metadata, such as 'more'" in said
    assert [key.decode() for key in read_members(out).items.id] == ids
    assert read_entities(out).meta["left_out"] == {"without_embedding": 2}
    one = plain("one.h5", tmp_path, *given)
    for i in range(3):
        plain(f"p{i}.h5", tmp_path, *given, "--shard", f"{i}/3")
    assert plain("m.h5", tmp_path, *(tmp_path / f"p{i}.h5" for i in range(3))) == one


def test_several_files_are_one(made, tmp_path):
    text = (made / "m.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "a.csv").write_text("".join(text[:21]), encoding="utf-8")
    (tmp_path / "b.csv").write_text("".join([text[0], *text[21:]]), encoding="utf-8")
    ids = [f"{row:017d}" for row in range(ROWS)]
    save(tmp_path / "a.h5", ids[:33])
    save(tmp_path / "b.h5", ids[33:])
    both = ("--embeddings", tmp_path / "a.h5", "--embeddings", tmp_path / "b.h5")
    build(tmp_path / "a.csv", tmp_path / "b.csv", *both, "-o", tmp_path / "o.h5")
    build(made / "m.csv", "--embeddings", made / "e.h5", "-o", tmp_path / "p.h5")
    found, other = read_entities(tmp_path / "o.h5"), read_entities(tmp_path / "p.h5")
    assert digest_of(found) == digest_of(other)
    np.testing.assert_array_equal(found.image_sums, other.image_sums)


def test_a_list_chooses_items(made, tmp_path, capsys):
    (tmp_path / "list.txt").write_text("00000000000000003\n00000000000000012\nnone\n")
    out = tmp_path / "o.h5"
    chosen = ("--images", tmp_path / "list.txt", "--levels", "country,city", "-o", out)
    build(made / "m.csv", "--embeddings", made / "e.h5", *chosen)
    assert [key[-2:] for key in read_members(out).items.id] == [b"03", b"12"]
    said = capsys.readouterr().err
    assert "1 listed items are not in the metadata" in said
    assert "embedding" not in said


def test_the_hierarchy_goes_out_as_json_too(made, tmp_path, hier):
    out, tree = tmp_path / "o.h5", tmp_path / "tree.json"
    build(made / "m.csv", "-o", out, "--hierarchy", tree)
    nodes = {node.id: node for node in read_hierarchy(tree).nodes}
    assert nodes["at/kärnten"].name == "Kärnten"
    assert not any("%" in key.split("/")[-1] for key in nodes)
    printed = hier("info", out).stdout
    assert "\n  Kärnten (at/kärnten)  8 items\n    Hall (at/kärnten/%/hall)" in printed
    for name, weights in (("a", {"at/tirol": 1}), ("b", {"jp/tokyo": 1})):
        (tmp_path / name).write_text(json.dumps(weights))
    moved = [
        json.loads(hier("wasserstein", tmp_path / "a", tmp_path / "b", "--hierarchy", h).stdout)
        for h in (out, tree)
    ]
    assert moved[0] == moved[1]


def test_missing_names_are_filled_and_no_others(tmp_path, capsys):
    (tmp_path / "places.csv").write_text(
        "lat,lon,name,admin1,admin2,cc\n47.28,11.5,Hall,Tirol,Land,AT\n-22,15,Usakos,Erongo,,NA\n"
    )
    (tmp_path / "m.csv").write_text(
        HEADER + "a,47.2,11.4,,,,\nb,47.2,11.4,AT,Tyrol,,Mils\nc,-22.1,15.1,,,,\n"
    )
    out = tmp_path / "o.h5"
    build(tmp_path / "m.csv", "--geocode", tmp_path / "places.csv", "-o", out)
    found = read_entities(out).key[read_members(out).entity[:, 3]]
    wanted = [b"at/tirol/land/hall", b"at/tyrol/land/mils", b"na/erongo/%/usakos"]
    assert found.tolist() == wanted
    assert "8 missing names" in capsys.readouterr().err
    (tmp_path / "mp16.csv").write_text("IMG_ID,LAT,LON\na/b/1.jpg,47,11\nc/d/2.jpg,-22,15\n")
    build(tmp_path / "mp16.csv", "--geocode", tmp_path / "places.csv", "-o", tmp_path / "p.h5")
    assert read_members(tmp_path / "p.h5").items.id.tolist() == [b"a/b/1", b"c/d/2"]


def test_a_place_abroad_fills_nothing(tmp_path, capsys):
    """A row that says FR beside a place of ES would else be a city of France in Catalonia."""
    (tmp_path / "places.csv").write_text("lat,lon,name,admin1,admin2,cc\n42,2.9,Vic,Cat,Bar,ES\n")
    (tmp_path / "m.csv").write_text(
        "id,lat,lon,country,region\na,42,3,France,\nb,42,2.8,esp,Cat\nc,42,2,,\n"
    )
    build(tmp_path / "m.csv", "--geocode", tmp_path / "places.csv", "-o", tmp_path / "o.h5")
    found = read_entities(tmp_path / "o.h5").key[read_members(tmp_path / "o.h5").entity[:, 3]]
    assert found.tolist() == [b"fr/%/%/%", b"es/cat/bar/vic", b"es/cat/bar/vic"]
    assert "1 rows keep their missing names" in capsys.readouterr().err


def test_codes_that_are_of_no_country_are_said(tmp_path, capsys):
    (tmp_path / "m.csv").write_text("id,country\na,EN\nb,FR\nc,GB\n")
    build(tmp_path / "m.csv", "--levels", "country", "-o", tmp_path / "o.h5")
    assert "1 codes of countries are not known, such as 'EN'" in capsys.readouterr().err


def test_an_input_is_never_the_output(made, tmp_path, capsys):
    for name in ("m.csv", "e.h5"):
        (tmp_path / name).write_bytes((made / name).read_bytes())
        given = [str(tmp_path / "m.csv"), "--embeddings", str(tmp_path / "e.h5")]
        out = ["-o", str(tmp_path / name), "--overwrite"]
        assert main(["build-entities", *given, *out]) == 2
        assert f"{name}: is an input too; name another output with -o" in capsys.readouterr().err
        assert (tmp_path / name).read_bytes() == (made / name).read_bytes()


def test_parts_keep_the_folds_that_they_were_built_with(made, tmp_path, capsys):
    plain("p0.h5", tmp_path, made / "m.csv", "--shard", "0/2")
    for option in (("--folds", "3"), ("--centroid", "latlon"), ("--metric", "degrees")):
        assert main(["build-entities", str(tmp_path / "p0.h5"), *option, "-o", "x.h5"]) == 2
        assert f"{option[0]} is for the metadata; the parts" in capsys.readouterr().err


def test_hdf5_is_no_metadata(made, tmp_path, capsys):
    assert main(["build-entities", str(made / "e.h5"), "-o", str(tmp_path / "o.h5")]) == 3
    assert "e.h5: is HDF5; a CSV file is needed" in capsys.readouterr().err


def test_the_metric_of_degrees_breaks_at_the_date_line(tmp_path):
    (tmp_path / "places.csv").write_text(
        "lat,lon,name,admin1,admin2,cc\n0,-179,Near,R,S,FJ\n0,170,Far,Q,S,FJ\n"
    )
    (tmp_path / "m.csv").write_text("id,lat,lon\na,0,179\nb,0,-179\nc,0,170\n")
    for metric, city in (("sphere", b"fj/r/s/near"), ("degrees", b"fj/q/s/far")):
        given = ("--geocode", tmp_path / "places.csv", "--metric", metric)
        build(tmp_path / "m.csv", *given, "-o", tmp_path / f"{metric}.h5")
        entities = read_entities(tmp_path / f"{metric}.h5")
        assert entities.key[read_members(tmp_path / f"{metric}.h5").entity[0, 3]] == city


CLASSES = "kingdom,superclass,class\nanimal,fish,shark\nanimal,fish,ray\nplant,trees,oak\n"


def test_a_table_of_classes_is_joined_by_label(tmp_path, capsys):
    (tmp_path / "levels.csv").write_text(CLASSES)
    labels = ["oak", "shark", "oak", "ufo", "ray", "shark"]
    save(tmp_path / "e.h5", list("abcdef"), labels)
    given = (tmp_path / "levels.csv", "--on", "label", "--embeddings", tmp_path / "e.h5")
    one = plain("o.h5", tmp_path, *given)
    said = capsys.readouterr().err
    assert "items have labels that" in said
    assert "'ufo'" in said
    entities, members = read_entities(tmp_path / "o.h5"), read_members(tmp_path / "o.h5")
    assert entities.levels == ["kingdom", "superclass", "class"]
    assert (entities.latitude, members.items.latitude) == (None, None)
    assert members.items.id.tolist() == [b"a", b"b", b"c", b"e", b"f"]
    leaves = [key.rpartition(b"/")[2] for key in entities.key[members.entity[:, 2]]]
    assert leaves == [b"oak", b"shark", b"oak", b"ray", b"shark"]
    for i in range(2):
        plain(f"p{i}.h5", tmp_path, *given, "--shard", f"{i}/2")
    assert plain("m.h5", tmp_path, tmp_path / "p0.h5", tmp_path / "p1.h5") == one


def test_of_labelled_items_only_those_of_a_list_are_taken(tmp_path, capsys):
    """As if the others were not among the embeddings; their labels need not be in the table."""
    (tmp_path / "levels.csv").write_text(CLASSES)
    ids, labels = list("abcdef"), ["oak", "shark", "oak", "ufo", "ray", "shark"]
    vectors = vectors_of(ids)
    save(tmp_path / "all.h5", ids, labels, vectors=vectors)
    kept = [0, 2, 4]
    save(tmp_path / "some.h5", [ids[i] for i in kept], [labels[i] for i in kept],
         vectors=vectors[kept])  # fmt: skip
    (tmp_path / "list").write_text("e\na\nc\nnobody\n")
    table = (tmp_path / "levels.csv", "--on", "label", "--embeddings")
    build(*table, tmp_path / "all.h5", "--images", tmp_path / "list", "-o", tmp_path / "x.h5")
    said = capsys.readouterr().err
    assert "1 listed items are not in the embeddings" in said
    assert "ufo" not in said
    build(*table, tmp_path / "some.h5", "-o", tmp_path / "y.h5")
    found, expected = (read_entities(tmp_path / f"{name}.h5") for name in "xy")
    assert found.key.tolist() == expected.key.tolist()
    assert found.count.tolist() == expected.count.tolist()
    np.testing.assert_array_equal(found.image_sums, expected.image_sums)
    members = (read_members(tmp_path / f"{name}.h5") for name in "xy")
    assert [each.items.id.tolist() for each in members] == [[b"a", b"c", b"e"]] * 2


class Letters(torch.nn.Module):
    """A text encoder whose embedding of a text is how often it has each letter."""

    def forward(self, tokens):
        return torch.stack([(tokens == code).sum(1) for code in range(97, 123)], 1).float()


def letters(spec, *, seed):
    def tokenize(texts):
        seen.extend(text for text in texts if text)
        return torch.tensor([list(text.encode()[:64].ljust(64)) for text in texts])

    seen = []
    network = Letters()
    made = Encoder(network, None, network, {}, tokenize=tokenize, embed_text=network)
    object.__setattr__(made, "seen", seen)
    LOADED.append(made)
    return made


LOADED = []


def test_names_are_embedded_once_each(made, tmp_path, monkeypatch):
    monkeypatch.setattr("hiertools.encoder.load", letters)
    monkeypatch.setattr("hiertools.plugins.parse", lambda family, spec: None)
    out = tmp_path / "o.h5"
    build(
        made / "m.csv", "--text-encoder", "letters", "--prompt", "zz {name}",
        "--levels", "country,city", "-o", out,
    )  # fmt: skip
    entities = read_entities(out)
    assert entities.meta["text"]["prompt"] == "zz {name}"
    [loaded] = LOADED
    wanted = ["Austria", "Edo", "Fiji", "Hall", "Imst", "Japan", "Namibia", "Suva"]
    assert loaded.seen == [f"zz {name}" for name in wanted]
    text = dict(zip(names_of(entities), entities.text, strict=True))
    assert text["at/hall"][ord("l") - 97] == 2
    assert text["at/hall"][25] == 2
    np.testing.assert_array_equal(text["at/hall"], text["na/hall"])


BAD = {
    "country": ("a,1,2,Atlantis,r,s,c\n", "m.csv:2: 'Atlantis' is no country"),
    "range": ("a,1,2,AT,r,s,c\nb,100,2,AT,r,s,c\n", "m.csv:3: latitude is 100"),
    "twice": ("a,1,2,AT,r,s,c\nb,1,2,AT,r,s,c\na,1,2,DE,r,s,c\n", "m.csv:4: has the same id as"),
    "nameless": ("a,1,2,AT,r,,c\n", "no item has a label of the level 'sub-region'"),
    "rows": ("", "no rows"),
    "id": (f"{'x' * 1025},1,2,AT,r,s,c\n", "longer than 1024"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_metadata_is_one_line(tmp_path, capsys, name):
    rows, message = BAD[name]
    (tmp_path / "m.csv").write_text(HEADER + rows)
    code = main(["build-entities", str(tmp_path / "m.csv"), "-o", str(tmp_path / "o.h5")])
    said = capsys.readouterr().err
    assert code == 3, said
    assert message in said
    assert [path.name for path in tmp_path.iterdir()] == ["m.csv"]


def test_what_is_odd_is_said_and_kept(tmp_path, capsys):
    (tmp_path / "m.csv").write_text(
        HEADER + "a,1,2,AT,r,s,Hall\nb,1,2,AT,q,s,Hall\nc,1,2,,,,\nd,1,2,AT,r,s,Ort\n"
    )
    build(tmp_path / "m.csv", "-o", tmp_path / "o.h5")
    said = capsys.readouterr().err
    assert "warning: 1 names of the level 'city' are in several places" in said
    assert "at/q/s/hall and at/r/s/hall" in said
    assert "the level 'country' has a single entity" in said
    assert "warning: 1 items have no label at any level" in said
    assert read_members(tmp_path / "o.h5").items.id.tolist() == [b"a", b"b", b"d"]


def test_levels_that_are_no_columns_are_named(made, tmp_path, capsys):
    given = [str(made / "m.csv"), "-o", str(tmp_path / "o.h5")]
    assert main(["build-entities", *given, "--levels", "country,town"]) == 3
    assert "no column of the level 'town'; the columns are id, latitude" in capsys.readouterr().err
    assert main(["build-entities", *given, "--levels", "city,city"]) == 2
    (tmp_path / "m.csv").write_text("IMG_ID,LAT,LON\na,1,2\n")
    assert main(["build-entities", str(tmp_path / "m.csv"), *given[1:]]) == 3
    assert "has no names of places; give a table of them: --geocode" in capsys.readouterr().err


def test_a_class_under_two_parents_is_refused(tmp_path, capsys):
    (tmp_path / "levels.csv").write_text(CLASSES + "plant,flowers,ray\n")
    save(tmp_path / "e.h5", ["a"], ["ray"])
    given = [tmp_path / "levels.csv", "--on", "label", "--embeddings", tmp_path / "e.h5"]
    assert main(["build-entities", *map(str, given), "-o", str(tmp_path / "o.h5")]) == 3
    assert "levels.csv:5: 'ray' is in line 3 too" in capsys.readouterr().err


def test_a_vector_without_direction_is_named(made, tmp_path, capsys):
    ids = [f"{row:017d}" for row in range(ROWS)]
    vectors = vectors_of(ids)
    vectors[13] = 0
    save(tmp_path / "e.h5", ids, vectors=vectors)
    given = [str(made / "m.csv"), "--embeddings", str(tmp_path / "e.h5")]
    assert main(["build-entities", *given, "-o", str(tmp_path / "o.h5")]) == 3
    assert "the embedding of '00000000000000013' is 0" in capsys.readouterr().err


def test_embeddings_that_do_not_fit_are_refused(made, tmp_path, capsys):
    save(tmp_path / "other.h5", ["x"], digest="1" * 64)
    save(tmp_path / "none.h5", ["x", "y"])
    for more, message in (
        (["--embeddings", made / "e.h5", "--embeddings", tmp_path / "other.h5"], "another encoder"),
        (["--embeddings", tmp_path / "none.h5"], "no id of the metadata has an embedding"),
        (["--embeddings", made / "m.csv"], "not an HDF5 file"),
    ):
        given = [made / "m.csv", *more, "-o", tmp_path / "o.h5"]
        assert main(["build-entities", *map(str, given)]) == 3
        assert message in capsys.readouterr().err


def test_parts_must_be_whole_and_of_a_kind(made, tmp_path, capsys):
    given = (made / "m.csv", "--embeddings", made / "e.h5")
    for i in range(3):
        plain(f"p{i}.h5", tmp_path, *given, "--shard", f"{i}/3")
    plain("q.h5", tmp_path, *given, "--shard", "0/2")
    plain("f.h5", tmp_path, *given, "--shard", "0/3", "--folds", "3")
    for names, code, message in (
        (("p0", "p1"), 3, "of 3 shards, 2 are not here"),
        (("p0", "p0", "p1", "p2"), 3, "is the same shard as"),
        (("p0", "q"), 3, "shards of different --shard"),
        (("p0", "f"), 3, "another 'folds'"),
        (("p0", "p1", "p2", "--sort"), 2, "--sort is for the metadata"),
    ):
        words = [n if n.startswith("-") else str(tmp_path / f"{n}.h5") for n in names]
        assert main(["build-entities", *words, "-o", str(tmp_path / "o.h5")]) == code
        assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("fold_count", 1, "the counts are not"), ("items/leaf", 99, "an item is in a node")],
)
def test_a_part_that_contradicts_itself_is_refused(made, tmp_path, capsys, name, value, message):
    plain("p.h5", tmp_path, made / "m.csv", "--shard", "0/2")
    plain("q.h5", tmp_path, made / "m.csv", "--shard", "1/2")
    with h5py.File(tmp_path / "q.h5", "r+") as file:
        file[name][0] = value
    given = [str(tmp_path / "p.h5"), str(tmp_path / "q.h5"), "-o", str(tmp_path / "o.h5")]
    assert main(["build-entities", *given]) == 3
    assert f"q.h5: {message}" in " ".join(capsys.readouterr().err.split())


def test_an_item_is_in_one_part(made, tmp_path, capsys):
    text = (made / "m.csv").read_text(encoding="utf-8")
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        for i in range(2):
            plain(f"{name}{i}.h5", tmp_path, tmp_path / f"{name}.csv", "--shard", f"{i}/2")
    given = [str(tmp_path / name) for name in ("a0.h5", "a1.h5", "b0.h5", "b1.h5")]
    assert main(["build-entities", *given, "-o", str(tmp_path / "o.h5")]) == 3
    assert "'00000000000000000' is in an earlier part too" in capsys.readouterr().err


WRONG = [
    (["--on", "label"], "joins one table to the items of --embeddings"),
    (["--sort"], "--sort is for --embeddings"),
    (["--metric", "degrees"], "--metric is for --geocode"),
    (["--prompt", "x {name}"], "--prompt is for --text-encoder"),
    (["--prompt", "x", "--text-encoder", "lite0"], "has no {name}"),
    (["--text-encoder", "nosuch"], "no encoder 'nosuch'"),
    (["--shard", "0/2", "--hierarchy", "t.json"], "--hierarchy is for whole entities"),
    (["-o", "-"], "HDF5 cannot go through a pipe"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_options_that_do_not_go_together(made, tmp_path, capsys, options, message):
    assert main(["build-entities", str(made / "m.csv"), "-o", str(tmp_path / "o"), *options]) == 2
    assert message in capsys.readouterr().err


def test_standard_input_and_an_output_that_is_there(made, tmp_path, hier):
    text = (made / "m.csv").read_bytes()
    done = hier("build-entities", "-", "-o", "o.h5", cwd=tmp_path, stdin=text)
    assert done.returncode == 0, done.stderr
    assert hier("build-entities", made / "m.csv", "-o", "o.h5", cwd=tmp_path).returncode == 5
    assert hier("build-entities", "-", "--shard", "0/2", cwd=tmp_path, stdin=text).returncode == 2


def test_a_signal_leaves_nothing_behind(made, tmp_path):
    command = [sys.executable, "-m", "hiertools", "build-entities", "-", "-o", "o.h5"]
    process = subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write((made / "m.csv").read_bytes()[:1000])
    process.stdin.flush()
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []
