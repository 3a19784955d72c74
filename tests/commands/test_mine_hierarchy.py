import gzip
import hashlib
import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from hiertools import cli, signals, terminal
from hiertools.commands.options import parse_decimal, parse_shard
from hiertools.errors import UsageError
from hiertools.files.items import decode
from hiertools.files.pairs import read_pairs

IMAGES = 120
HEADER = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsGroupOf\n"
AS_WRITTEN = "mine-hierarchy openimages.csv --freq 50 --prop 0.1"
NAMES = {"/m/body": "Body", "/m/head": "Head", "/m/eye": "Eye", "/m/car": "Car"}
EDGES = [
    {"parent": "/m/body", "child": "/m/head", "frequency": 80, "holders": 80,
     "proportion": 80 / 120},
    {"parent": "/m/body", "child": "/m/eye", "frequency": 80, "holders": 40,
     "proportion": 40 / 120},
    {"parent": "/m/head", "child": "/m/eye", "frequency": 80, "holders": 40, "proportion": 40 / 80},
]  # fmt: skip


def boxes_of(i):
    """The boxes of image i in thousandths: a body, perhaps a head with two eyes, and a car."""
    yield "/m/body", (100, 100, 900, 900)
    if i % 3:
        yield "/m/head", (300, 100, 500, 350)
    if i % 3 == 1:
        yield "/m/eye", (320, 150, 350, 170)
        yield "/m/eye", (400, 150, 430, 170)
    if i % 4 == 0:
        yield "/m/car", (0, 0, 1000, 1000)


def image_id(i):
    return f"{i:015x}f"


def rows(images):
    return [
        f"{image_id(i)},made,{label},1,{x0 / 1000},{x1 / 1000},{y0 / 1000},{y1 / 1000},0,0\n"
        for i in images
        for label, (x0, y0, x1, y1) in boxes_of(i)
    ]


def coco():
    categories = {label: number for number, label in enumerate(NAMES, 1)}
    annotations = [
        {"image_id": i, "category_id": categories[label], "bbox": [x0, y0, x1 - x0, y1 - y0]}
        for i in range(IMAGES)
        for label, (x0, y0, x1, y1) in boxes_of(i)
    ]
    images = [
        {"id": i, "file_name": f"{image_id(i)}.jpg", "width": 1000, "height": 1000}
        for i in range(IMAGES)
    ]
    kinds = [{"id": number, "name": label} for label, number in categories.items()]
    return json.dumps({"images": images, "categories": kinds, "annotations": annotations})


def voc(i):
    things = "".join(
        f"<object><name>{label}</name><bndbox><xmin>{x0 + 1}</xmin><ymin>{y0 + 1}</ymin>"
        f"<xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox></object>"
        for label, (x0, y0, x1, y1) in boxes_of(i)
    )
    return (
        f"<annotation><filename>{image_id(i)}.jpg</filename>"
        f"<size><width>1000</width><height>1000</height></size>{things}</annotation>"
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same boxes in every format, and names for their labels."""
    made = tmp_path_factory.mktemp("annotations")
    (made / "openimages.csv").write_text(HEADER + "".join(rows(range(IMAGES))))
    (made / "first.csv").write_text(HEADER + "".join(rows(range(50))))
    (made / "second.csv.gz").write_bytes(
        gzip.compress((HEADER + "".join(rows(range(50, IMAGES)))).encode())
    )
    (made / "coco.json").write_text(coco())
    (made / "voc").mkdir()
    for i in range(IMAGES):
        (made / "voc" / f"{i:04}.xml").write_text(voc(i))
    names = "".join(f"{label},{name}\n" for label, name in NAMES.items())
    (made / "names.csv").write_text(names)
    (made / "names-with-header.csv").write_text(f"LabelName,DisplayName\n{names}")
    return made


@contextmanager
def in_this_process(folder):
    """Yield the program as a function, which takes a hundredth of a process's time."""
    handlers = {number: signal.getsignal(number) for number in signals.SIGNALS}
    with pytest.MonkeyPatch.context() as patch:
        for name in ("SLURM_ARRAY_TASK_ID", "RANK"):
            patch.delenv(name, raising=False)
        patch.chdir(folder)
        yield lambda *arguments: cli.main(["mine-hierarchy", *map(str, arguments)])
    terminal.set_level(1)
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def inside(capsys, folder):
    """Run the program in this process; return its code and what it wrote."""
    with in_this_process(folder) as run:
        yield lambda *arguments: (run(*arguments), *capsys.readouterr())


@pytest.fixture(scope="module")
def whole(folder):
    """What one run over all of the boxes writes, without provenance."""
    with in_this_process(folder) as run:
        assert run("openimages.csv", "--no-provenance", "-q", "-o", "whole.json") == 0
    return (folder / "whole.json").read_text()


@pytest.fixture(scope="module")
def shards(folder):
    """Counts of three shards."""
    (folder / "shards").mkdir()
    paths = [f"shards/{i}.json" for i in range(3)]
    with in_this_process(folder) as run:
        for i, path in enumerate(paths):
            options = ("--shard", f"{i}/3", "--no-provenance", "-q", "-o", path)
            assert run("openimages.csv", *options) == 0
    return paths


def without_source(text):
    return {key: value for key, value in json.loads(text).items() if key != "source"}


def test_the_line_that_must_work_exactly_as_written(hier, folder):
    done = hier(*AS_WRITTEN.split(), cwd=folder)
    found = json.loads(done.stdout)

    assert (done.returncode, done.stderr) == (
        0,
        "120 images, 310 boxes, 4 classes\n3 of 6 pairs of classes kept; dropped: frequency 3\n",
    )
    assert list(found) == [
        "kind", "version", "provenance", "source", "parameters", "statistics", "distance",
        "nodes", "edges", "leaves", "dropped",
    ]  # fmt: skip
    assert (found["kind"], found["version"], found["distance"]) == ("hierarchy", 1, "path")
    assert found["edges"] == EDGES
    assert found["leaves"] == ["/m/car", "/m/eye"]
    assert found["nodes"] == [
        {"id": label, "name": label, "count": count}
        for label, count in (("/m/body", 120), ("/m/car", 30), ("/m/head", 80), ("/m/eye", 80))
    ]
    assert found["dropped"] == [
        {"parent": "/m/car", "child": child, "frequency": n, "holders": holders,
         "proportion": holders / 30, "reason": "frequency"}
        for child, n, holders in (("/m/body", 30, 30), ("/m/eye", 20, 10), ("/m/head", 20, 20))
    ]  # fmt: skip
    assert found["parameters"] == {
        "overlap": "0.8", "min_area": "0", "group_of": True, "include_image": False,
        "freq": 50, "prop": "0.1",
    }  # fmt: skip
    assert found["source"] == {"format": "openimages", "files": ["openimages.csv"]}

    (record,) = found["provenance"]
    digest = hashlib.sha256((folder / "openimages.csv").read_bytes()).hexdigest()
    assert record["inputs"] == [{"path": "openimages.csv", "sha256": digest}]
    assert record["argv"] == AS_WRITTEN.split()
    assert (record["program"], record["command"]) == ("hiertools", "mine-hierarchy")
    assert record["options"]["freq"] == 50


@pytest.mark.parametrize("name", ["coco.json", "voc"])
def test_every_format_says_the_same(inside, whole, name):
    code, found, _ = inside(name, "--no-provenance")
    assert (code, without_source(found)) == (0, without_source(whole))
    assert json.loads(found)["source"] == {"format": name.split(".")[0], "files": [name]}


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_plain_and_gzip(hier, folder, whole, packed):
    data = (folder / "openimages.csv").read_bytes()
    data = gzip.compress(data) if packed else data
    done = hier("mine-hierarchy", "-", stdin=data)
    found = without_source(done.stdout)
    assert found.pop("provenance")[0]["inputs"] == [
        {"path": "-", "sha256": hashlib.sha256(data).hexdigest()}
    ]
    assert {**found, "provenance": []} == without_source(whole)


def test_several_files_some_of_them_packed_are_one(inside, whole):
    code, found, _ = inside("first.csv", "second.csv.gz", "--no-provenance")
    assert (code, without_source(found)) == (0, without_source(whole))
    assert json.loads(found)["source"]["files"] == ["first.csv", "second.csv.gz"]


@pytest.mark.parametrize("names", ["names.csv", "names-with-header.csv"])
def test_names_of_labels_with_and_without_a_header(inside, whole, names):
    code, found, _ = inside("openimages.csv", "--labels", names, "--no-provenance")
    assert code == 0
    assert {node["id"]: node["name"] for node in json.loads(found)["nodes"]} == NAMES
    for label, name in NAMES.items():
        found = found.replace(f'"name": "{name}"', f'"name": "{label}"')
    assert found == whole


def test_inputs_that_were_used_are_all_remembered(inside, folder, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{image_id(i)}\n" for i in range(IMAGES)))
    _, found, _ = inside("first.csv", "coco.json", "--labels", "names.csv", "--images", listed)
    inputs = json.loads(found)["provenance"][0]["inputs"]
    assert inputs == [
        {"path": str(path), "sha256": hashlib.sha256((folder / path).read_bytes()).hexdigest()}
        for path in ("names.csv", listed, "first.csv", "coco.json")
    ]


def test_a_list_of_images_from_a_file_and_from_standard_input(hier, inside, folder, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("".join(f"{image_id(i)}\r\n\n" for i in [*range(50), 999]))
    expected = without_source(inside("first.csv", "--no-provenance")[1])
    code, found, notes = inside("openimages.csv", "--images", listed, "--no-provenance")
    assert (code, without_source(found)) == (0, expected)
    assert notes.startswith("warning: 1 of 51 listed images are not in the annotations\n")

    options = ("--images", "-", "--no-provenance")
    done = hier("mine-hierarchy", "openimages.csv", *options, cwd=folder, stdin=listed.read_bytes())
    assert (done.returncode, done.stdout, done.stderr) == (0, found, notes)


def test_shards_by_option_by_slurm_and_by_torchrun_give_the_bytes_of_one_run(
    hier, folder, tmp_path, whole
):
    ways = [
        (["--shard", "0/3"], {"SLURM_ARRAY_TASK_ID": "9", "SLURM_ARRAY_TASK_COUNT": "10"}),
        ([], {"SLURM_ARRAY_TASK_ID": "1", "SLURM_ARRAY_TASK_COUNT": "3", "RANK": "0"}),
        ([], {"RANK": "2", "WORLD_SIZE": "3"}),
    ]
    paths = [tmp_path / f"{i}.json" for i in range(3)]
    for i, (options, env) in enumerate(ways):
        arguments = ["openimages.csv", *options, "-o", paths[i], "--no-provenance"]
        done = hier("mine-hierarchy", *arguments, cwd=folder, env=env)
        assert (done.returncode, done.stdout) == (0, "")
        assert done.stderr == f"counted shard {i} of 3: mine the hierarchy from the counts of all\n"
    done = hier("mine-hierarchy", *paths, "--no-provenance", cwd=folder)
    assert (done.returncode, done.stdout) == (0, whole)
    counted = [json.loads(path.read_text()) for path in paths]
    assert [found["shards"] for found in counted] == [[[0, 3]], [[1, 3]], [[2, 3]]]
    assert sum(found["statistics"]["images"] for found in counted) == IMAGES
    assert min(found["statistics"]["images"] for found in counted) > 20


def test_shards_in_any_order_give_the_same_bytes(inside, shards, whole):
    assert inside(*shards[::-1], "--no-provenance")[:2] == (0, whole)


def test_names_can_be_given_with_the_counts(inside, shards):
    options = ("--labels", "names.csv", "--no-provenance")
    assert inside(*shards, *options)[1] == inside("openimages.csv", *options)[1]


@pytest.mark.parametrize(
    "options",
    [
        ("--include-image",),
        ("--min-area", "0.01"),
        ("--overlap", ".5"),
        ("--no-group-of", "--include-image"),
    ],
)
def test_shards_of_other_rules_are_one_run_of_these_rules(inside, tmp_path, options):
    paths = [tmp_path / f"{i}.json" for i in range(2)]
    for i, path in enumerate(paths):
        assert inside("openimages.csv", *options, "--shard", f"{i}/2", "-o", path)[0] == 0
    merged = inside(*paths, *options, "--freq", 20, "--no-provenance")
    assert merged == inside("openimages.csv", *options, "--freq", 20, "--no-provenance")


def test_the_chain_of_merged_counts_has_the_runs_that_counted(inside, tmp_path):
    paths = [tmp_path / f"{i}.json" for i in range(2)]
    for i, path in enumerate(paths):
        assert inside("openimages.csv", "--shard", f"{i}/2", "-o", path)[0] == 0
    chain = json.loads(inside(*paths)[1])["provenance"]
    assert [record["options"]["shard"] for record in chain] == ["0/2", "1/2", ""]
    assert [[each["path"] for each in record["inputs"]] for record in chain] == [
        ["openimages.csv"], ["openimages.csv"], [str(path) for path in paths],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("shards/0.json shards/2.json", 3, "shards/0.json: of 3 shards, 1 are not here"),
        ("shards/1.json", 3, "shards/1.json: of 3 shards, 0, 2 are not here"),
        (
            "shards/0.json shards/1.json shards/2.json shards/1.json",
            3,
            "shards/1.json: has the same shard as shards/1.json; name it once",
        ),
        (
            "shards/0.json shards/1.json shards/2.json --overlap 0.7",
            3,
            "shards/0.json: was counted with overlap 0.8, not 0.7;"
            " give the options that it was counted with",
        ),
        (
            "shards/0.json shards/1.json shards/2.json --include-image",
            3,
            "shards/0.json: was counted with include_image False, not True;"
            " give the options that it was counted with",
        ),
        (
            "shards/0.json --shard 0/3",
            2,
            "--shard is for annotations; counts are shards already",
        ),
        (
            "shards/0.json --pairs p.h5",
            2,
            "--pairs needs annotations; counts do not have the boxes",
        ),
        (
            "shards/0.json --images names.csv",
            2,
            "--images needs annotations; counts do not have the boxes",
        ),
    ],
)
def test_shards_that_do_not_go_together(inside, shards, arguments, code, message):
    assert inside(*arguments.split()) == (code, "", f"hiertools mine-hierarchy: {message}\n")


def test_shards_of_different_totals_do_not_go_together(inside, shards, tmp_path):
    other = tmp_path / "other.json"
    inside("openimages.csv", "--shard", "1/2", "-o", other, "--no-provenance")
    code, _, message = inside(shards[0], other)
    assert (code, "shards of different --shard I/N" in message) == (3, True)


def test_shards_of_other_options_of_a_format_do_not_go_together(inside, tmp_path):
    paths = [tmp_path / f"{i}.json" for i in range(2)]
    for i, label in enumerate(["name", "auto"]):
        options = ("--format", f"coco:label={label}", "--shard", f"{i}/2", "-o", paths[i])
        assert inside("coco.json", *options)[0] == 0
    code, _, message = inside(*paths)
    assert (code, "0.json: of 2 shards, 1 are not here" in message) == (3, True)


def test_a_file_that_is_named_twice_is_refused(inside):
    code, _, message = inside("openimages.csv", "./openimages.csv")
    assert (code, "openimages.csv: is named twice" in message) == (3, True)


def test_a_shard_without_any_image_is_a_shard(inside, folder, tmp_path):
    one = tmp_path / "one.csv"
    one.write_text(HEADER + "".join(rows([1])))
    paths = [tmp_path / f"{i}.json" for i in range(3)]
    for i, path in enumerate(paths):
        arguments = (one, "--images", one.with_name("list"), "--shard", f"{i}/3", "-o", path)
        one.with_name("list").write_text(image_id(1))
        assert inside(*arguments)[0] == 0
    found = [json.loads(path.read_text())["statistics"]["images"] for path in paths]
    assert sorted(found) == [0, 0, 1]
    merged = inside(*paths, "--freq", 1, "--no-provenance")
    listed = ("--images", one.with_name("list"))
    assert merged == inside(one, *listed, "--freq", 1, "--no-provenance")


@pytest.mark.parametrize(
    ("env", "part"),
    [
        ({}, (0, 1)),
        ({"SLURM_ARRAY_TASK_ID": "2", "SLURM_ARRAY_TASK_COUNT": "4"}, (2, 4)),
        (
            {
                "SLURM_ARRAY_TASK_ID": "15",
                "SLURM_ARRAY_TASK_COUNT": "4",
                "SLURM_ARRAY_TASK_MIN": "5",
                "SLURM_ARRAY_TASK_STEP": "5",
            },
            (2, 4),
        ),
        ({"RANK": "3", "WORLD_SIZE": "8"}, (3, 8)),
        ({"RANK": "3"}, (0, 1)),
        ({"SLURM_ARRAY_TASK_ID": "3"}, (0, 1)),
    ],
)
def test_the_scheduler_says_which_shard(monkeypatch, env, part):
    for name in ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT", "RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert parse_shard("") == part
    assert parse_shard("1/2") == (1, 2)


@pytest.mark.parametrize("text", ["3/3", "1", "a/b", "-1/3", "1/0", "1/2/3", "/", "0.5/2"])
def test_a_shard_that_is_none_is_wrong_usage(text):
    with pytest.raises(UsageError, match="write I/N with 0 <= I < N"):
        parse_shard(text)


def test_two_runs_write_the_same_bytes_to_a_file_and_to_standard_output(inside, whole, tmp_path):
    code, output, _ = inside("openimages.csv", "--no-provenance", "-o", tmp_path / "h.json")
    assert (code, output) == (0, "")
    assert (tmp_path / "h.json").read_text() == whole
    assert os.listdir(tmp_path) == ["h.json"]


def test_decimals_are_exact_however_they_are_spelled(inside, whole):
    options = ("--overlap", ".80", "--prop", "1e-1", "--min-area", "0.000", "--no-provenance")
    assert inside("openimages.csv", *options)[1] == whole
    assert str(parse_decimal("0.100000")) == "0.1"


def test_proportions_are_compared_exactly(inside):
    # a third of the bodies hold eyes: 40 of 120
    for prop, kept in (("0.333333", True), ("0.333334", False)):
        found = json.loads(inside("openimages.csv", "--prop", prop)[1])
        pairs = [(edge["parent"], edge["child"]) for edge in found["edges"]]
        assert (("/m/body", "/m/eye") in pairs) is kept


def test_the_full_image_as_a_parent(inside):
    found = json.loads(inside("openimages.csv", "--include-image")[1])
    assert {"id": "image", "name": "full image", "count": 120} in found["nodes"]
    assert {
        edge["child"]: (edge["frequency"], edge["holders"])
        for edge in found["edges"]
        if edge["parent"] == "image"
    } == {"/m/body": (120, 120), "/m/head": (80, 80), "/m/eye": (80, 40)}
    assert [e["child"] for e in found["dropped"] if e["parent"] == "image"] == ["/m/car"]


def test_boxes_can_be_left_out_and_are_counted(inside, tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text(
        HEADER
        + "a,,p,1,0,1,0,1,0,0\n"
        + "a,,c,1,0,0.5,0,0.5,0,1\n"
        + "a,,c,1,0.1,0.1,0,0.5,0,0\n"
        + "a,,c,1,0.9,1.5,0.9,1,0,0\n"
    )
    options = ("--freq", 1, "--min-area", "0.02", "--no-group-of")
    code, found, notes = inside(path, *options)
    assert code == 0
    assert json.loads(found)["statistics"] == {
        "below_min_area": 1, "boxes": 4, "groups": 1, "images": 1, "no_area": 1, "outside": 1,
    }  # fmt: skip
    assert notes.splitlines()[0] == (
        "1 images, 4 boxes (1 reached over the edge and were clipped, 1 have no area, 1 are below"
        " --min-area, 1 are groups), 1 classes"
    )
    assert json.loads(inside(path, "--freq", 1)[1])["edges"][0]["frequency"] == 2


def test_training_pairs_and_the_hierarchy_in_one_run(hier, inside, tmp_path):
    path, out = tmp_path / "boxes.csv", tmp_path / "pairs.h5"
    path.write_text(
        HEADER
        + "007,,p,1,0,1,0,0.9,0,0\n"
        + "1e10,,p,1,0,1,0,0.9,0,0\n"
        + "007,,c,1,0,0.5,0,0.5,0,0\n"
        + "007,,g,1,0,0.2,0,0.2,0,1\n"
        + "007,,s,1,0,0.09,0,0.1,0,0\n"
    )
    done = hier("mine-hierarchy", path, "--freq", "1", "--pairs", out, "--no-provenance")
    assert (done.returncode, done.stderr.splitlines()[0]) == (0, f"{out}: 5 pairs of 6 items")
    assert len(json.loads(done.stdout)["edges"]) == 6
    pairs = read_pairs(out)
    ids = [decode(i) for i in pairs.items.id]
    assert ids == ["007", "007#0", "007#1", "007#2", "1e10", "1e10#0"]
    assert [(ids[p], ids[c]) for p, c in zip(pairs.parent, pairs.child, strict=True)] == [
        ("007", "007#0"), ("007", "007#1"), ("007", "007#2"), ("007#0", "007#1"),
        ("1e10", "1e10#0"),
    ]  # fmt: skip
    assert pairs.chain == []
    assert pairs.meta["left_out"] == {
        "below_min_area": 1, "group_pairs": 2, "groups": 0, "no_area": 0,
    }  # fmt: skip

    before = out.read_bytes()
    options = ("--freq", 1, "--pairs", out, "--no-provenance")
    assert inside(path, *options)[0] == 5
    assert inside(path, *options, "--overwrite")[0] == 0
    assert out.read_bytes() == before
    options = (*options, "--overwrite", "--pairs-min-area", "0.009", "-q")
    assert inside(path, *options)[0::2] == (0, "")
    assert len(read_pairs(out).parent) == 9


def test_pairs_of_a_shard_are_those_of_its_images(inside, tmp_path):
    found = []
    for i in range(2):
        options = ("--shard", f"{i}/2", "--pairs", tmp_path / f"{i}.h5", "-o", tmp_path / f"{i}")
        assert inside("openimages.csv", *options)[0] == 0
        found += [decode(image) for image in read_pairs(tmp_path / f"{i}.h5").items.id]
    assert inside("openimages.csv", "--pairs", tmp_path / "all.h5")[0] == 0
    every = [decode(image) for image in read_pairs(tmp_path / "all.h5").items.id]
    assert sorted(found) == sorted(every)


def damaged(name, folder):
    """Inputs with something wrong, by what is wrong."""
    csv = (folder / "openimages.csv").read_text()
    json_text = (folder / "coco.json").read_text()
    return {
        "empty": b"",
        "cut.csv": csv[: len(csv) // 2].encode(),
        "cut.json": json_text[: len(json_text) // 2].encode(),
        "cut.gz": gzip.compress(csv.encode())[:-400],
        "nan.csv": csv.replace("0.5,0.1", "nan,0.1", 1).encode(),
        "nan.json": json_text.replace("[100,", "[NaN,", 1).encode(),
        "twice.json": json_text.replace('{"id": 1, "file', '{"id": 2, "file', 1).encode(),
        "column.csv": csv.replace("XMax", "XMac", 1).encode(),
        "text.txt": b"nothing that we know",
        "flat.gz": gzip.compress(b""),
    }[name]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", ": is empty"),
        ("cut.csv", ":156: has "),
        ("cut.json", ":1: not JSON: "),
        ("cut.gz", ": gzip data is truncated or damaged: "),
        ("nan.csv", ":5: XMax is 'nan', not a number"),
        ("nan.json", ":1: NaN is not a number; JSON has none"),
        ("twice.json", ": images: the id 2 is there twice"),
        ("column.csv", ":1: no column 'XMax'; the columns are ImageID, Source, LabelName,"),
        ("text.txt", ": none of the formats coco, openimages, voc; name it with --format"),
        ("flat.gz", ": is empty"),
    ],
)
def test_damaged_input_is_one_line_and_exit_3(inside, folder, tmp_path, name, message):
    path = tmp_path / name
    path.write_bytes(damaged(name, folder))
    old = tmp_path / "old.json"
    old.write_text("mine")
    code, output, error = inside(path, "-o", old, "--overwrite", "--pairs", tmp_path / "p.h5")
    assert (code, output, error.count("\n")) == (3, "", 1)
    assert error.startswith(f"hiertools mine-hierarchy: {path}{message}")
    assert old.read_text() == "mine"
    assert sorted(os.listdir(tmp_path)) == sorted([name, "old.json"])


def test_damaged_standard_input_has_a_name(hier, folder):
    done = hier("mine-hierarchy", "-", stdin=damaged("nan.csv", folder))
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == (
        "hiertools mine-hierarchy: standard input:5: XMax is 'nan', not a number\n"
    )


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("none.csv", 3, "none.csv: no such file"),
        ("none/", 3, "none: no such file"),
        ("openimages.csv -o none/h.json", 3, "none: no such folder; make it first (mkdir -p)"),
        ("openimages.csv --pairs none/p.h5", 3, "none: no such folder; make it first (mkdir -p)"),
        ("openimages.csv -o voc", 3, "voc: is a folder; name a file with -o"),
        (
            "openimages.csv -o coco.json",
            5,
            "coco.json: is there already; give --overwrite or another -o",
        ),
        ("openimages.csv --labels none.csv", 3, "none.csv: no such file"),
        ("openimages.csv --labels voc", 3, "voc: is a folder; a CSV of label ids and names is"),
        ("openimages.csv --labels coco.json", 3, "coco.json:1: is not a label id and a name"),
        ("openimages.csv --images voc", 3, "voc: is a folder; a list of lines is needed"),
        ("openimages.csv --images names.csv", 3, "none of the listed images is in the annotations"),
        ("openimages.csv names.csv", 3, "names.csv: none of the formats coco, openimages, voc"),
        ("voc --no-group-of", 3, "the annotations do not say which boxes are groups (IsGroupOf)"),
        ("openimages.csv --format voc", 3, "openimages.csv:1: not XML: "),
        ("openimages.csv --format coco", 3, "openimages.csv:1: not JSON: "),
        ("coco.json --format coco:label=synset", 3, "coco.json: categories[0]: no key 'synset'"),
        ("", 2, "Missing argument 'ANNOTATIONS…'; see 'hiertools mine-hierarchy --help'"),
        ("- -", 2, "standard input (-) can be read once only"),
        ("- --images -", 2, "standard input (-) can be read once only"),
        ("openimages.csv --format yolo", 2, "no format 'yolo'; there are coco, openimages, voc"),
        ("openimages.csv --format coco:x=1", 2, "format coco has no option 'x'; it has label, "),
        ("openimages.csv --freq 0", 2, "Invalid value for '--freq': "),
        ("openimages.csv --freq 1.5", 2, "Invalid value for '--freq': "),
        ("openimages.csv --prop 1.1", 2, "Invalid value for '--prop': 1.1 is not in the range"),
        ("openimages.csv --prop nan", 2, "Invalid value for '--prop': nan is not in the range"),
        ("openimages.csv --overlap x", 2, "Invalid value for '--overlap': 'x' is not a number"),
        ("openimages.csv --min-area -0.1", 2, "Invalid value for '--min-area': -0.1 is not in"),
        ("openimages.csv --overlap 0.1234567", 2, "Invalid value for '--overlap': 0.1234567 has"),
        ("openimages.csv --shard 3/3", 2, "--shard 3/3: write I/N with 0 <= I < N"),
        ("openimages.csv --none", 2, "No such option: --none"),
    ],
)
def test_exit_codes_and_messages(inside, folder, arguments, code, message):
    before = sorted(os.listdir(folder))
    found, output, error = inside(*arguments.split())
    assert (found, output, error.count("\n")) == (code, "", 1)
    assert error.startswith(f"hiertools mine-hierarchy: {message}")
    assert sorted(os.listdir(folder)) == before


def test_exit_codes_of_the_real_program(hier, folder):
    for arguments, code in ((["none.csv"], 3), (["openimages.csv", "-o", "coco.json"], 5)):
        done = hier("mine-hierarchy", *arguments, cwd=folder)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (code, "", 1)
        assert done.stderr.startswith("hiertools mine-hierarchy: ")
    assert json.loads((folder / "coco.json").read_text())["images"]


def test_a_closed_pipe_ends_in_silence(folder):
    command = [sys.executable, "-m", "hiertools", "mine-hierarchy", folder / "openimages.csv"]
    run = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    run.stdout.close()
    error = run.stderr.read()
    run.stderr.close()
    assert (run.wait(60), error) == (0, b"")


def test_quiet_says_nothing(inside, whole):
    assert inside("openimages.csv", "--no-provenance", "-q") == (0, whole, "")


def test_an_empty_result_says_why(inside):
    code, found, notes = inside("openimages.csv", "--freq", 100)
    assert (code, json.loads(found)["edges"]) == (0, [])
    assert notes.splitlines()[2:] == [
        "the most frequent: /m/body > /m/eye, frequency 80, proportion 0.333;"
        " --freq is 100, --prop 0.1",
        "the most consistent: /m/car > /m/body, frequency 30, proportion 1.000;"
        " --freq is 100, --prop 0.1",
    ]


def test_odd_ids_come_out_as_they_went_in(inside, tmp_path):
    ids = ["000000000000002f", "1e10", "007", "nan", "-0", "é", "日本"]
    path = tmp_path / "odd.csv"
    corners = "1,0,{0},0,1,0,0\n"
    path.write_text(
        HEADER
        + "".join(
            f"{i},,{label},{corners.format(1 - n / 10)}" for i in ids for n, label in enumerate(ids)
        )
    )
    found = json.loads(inside(path, "--freq", len(ids), "--overlap", 1)[1])
    assert [node["id"] for node in found["nodes"]] == ids
    assert len(found["edges"]) == len(ids) * (len(ids) - 1) / 2
    assert found["statistics"]["images"] == len(ids)


def test_sampled_scenes_give_their_true_hierarchy(hier, tmp_path):
    made = tmp_path / "scenes"
    done = hier("sample", made, "--images", 250, "--size", 32, "--test-share", "0", "--seed", 7)
    assert done.returncode == 0, done.stderr
    done = hier("mine-hierarchy", made / "train-annotations-bbox.csv")
    truth = json.loads(Path(made / "hierarchy.json").read_text())
    found = json.loads(done.stdout)
    pairs = [{(e["parent"], e["child"]) for e in each["edges"]} for each in (found, truth)]
    assert pairs[0] == pairs[1]
    assert len(pairs[0]) == len(found["edges"]) > 20
