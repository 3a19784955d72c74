import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from hiertools.files.hierarchy import read_hierarchy
from hiertools.files.label_names import read_label_names

FILES = [
    "class-descriptions-boxable.csv",
    "hierarchy.json",
    "test",
    "test-annotations-bbox.csv",
    "train",
    "train-annotations-bbox.csv",
]


def hier(*arguments):
    command = [sys.executable, "-m", "hiertools", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def contents(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The default sample, with smaller images."""
    folder = tmp_path_factory.mktemp("sample") / "scenes"
    result = hier("sample", folder, "--size", 32)
    assert result.returncode == 0, result.stderr
    return folder, result


def test_it_writes_images_boxes_names_and_truth(made):
    folder, result = made
    assert sorted(os.listdir(folder)) == FILES
    assert sorted(os.listdir(folder.parent)) == ["scenes"]
    for split, count in (("train", 320), ("test", 80)):
        images = sorted(path.stem for path in (folder / split).iterdir())
        lines = (folder / f"{split}-annotations-bbox.csv").read_text().splitlines()[1:]
        assert len(images) == count
        assert list(dict.fromkeys(line.split(",")[0] for line in lines)) == images
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    assert "320 images to train and 80 to test" in result.stderr


def test_images_are_jpegs_of_the_size(made):
    path = next((made[0] / "test").iterdir())
    with Image.open(path) as image:
        assert (image.format, image.size, image.mode) == ("JPEG", (32, 32), "RGB")
        assert np.asarray(image).std() > 10


def test_names_have_no_header_and_are_those_of_the_truth(made):
    names, _ = read_label_names(made[0] / "class-descriptions-boxable.csv")
    truth = read_hierarchy(made[0] / "hierarchy.json")
    assert (made[0] / "class-descriptions-boxable.csv").read_text().startswith("/x/street,Street\n")
    assert names == {node.id: node.name for node in truth.nodes}


def test_mining_with_its_defaults_finds_the_truth(made):
    folder, _ = made
    names = folder / "class-descriptions-boxable.csv"
    result = hier("mine-hierarchy", folder / "train-annotations-bbox.csv", "--labels", names)
    mined, truth = (
        json.loads(result.stdout),
        json.loads((folder / "hierarchy.json").read_text()),
    )

    pairs = [(edge["parent"], edge["child"]) for edge in mined["edges"]]
    assert pairs == [(edge["parent"], edge["child"]) for edge in truth["edges"]]
    assert mined["nodes"] == truth["nodes"]
    assert mined["leaves"] == truth["leaves"]


def test_the_truth_says_what_it_came_from(made):
    truth = json.loads((made[0] / "hierarchy.json").read_text())
    assert truth["source"] == {"format": "sample", "files": []}
    assert truth["parameters"] == {"seed": 0, "images": 400, "size": 32}
    assert truth["distance"] == "path"
    assert truth["dropped"] == []
    assert all(set(edge) == {"parent", "child"} for edge in truth["edges"])
    assert [record["command"] for record in truth["provenance"]] == ["sample"]


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    options = ("--images", 12, "--size", 64, "--no-provenance")
    for name, seed in (("a", 5), ("b", 5), ("c", 6)):
        assert hier("sample", tmp_path / name, *options, "--seed", seed).returncode == 0
    a, b, c = (contents(tmp_path / name) for name in "abc")

    assert a == b
    assert a.keys() != c.keys()
    assert a["train-annotations-bbox.csv"] != c["train-annotations-bbox.csv"]


def test_the_share_of_tests_is_rounded_down_and_may_be_none(tmp_path):
    folder = tmp_path / "s"
    assert hier("sample", folder, "--images", 4, "--size", 32).returncode == 0
    assert len(os.listdir(folder / "train")) == 4
    assert os.listdir(folder / "test") == []
    assert (folder / "test-annotations-bbox.csv").read_text().count("\n") == 1


def test_a_share_that_leaves_nothing_to_train_is_refused(tmp_path):
    result = hier("sample", tmp_path / "s", "--test-share", "1")
    assert result.returncode == 2
    assert "--test-share 1 leaves no image for training" in result.stderr
    assert os.listdir(tmp_path) == []


def test_quiet_says_nothing(tmp_path):
    result = hier("sample", tmp_path / "s", "--images", 2, "--size", 32, "-q")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize("content", [None, "notes.txt"])
def test_a_folder_that_is_there_is_kept(tmp_path, content):
    folder = tmp_path / "s"
    folder.mkdir()
    if content:
        (folder / content).write_text("mine")
    result = hier("sample", folder, "--images", 2, "--size", 32)
    assert result.returncode == 5
    assert "is there already; give --overwrite" in result.stderr
    assert os.listdir(folder) == ([content] if content else [])


def test_overwrite_replaces_a_sample_and_an_empty_folder(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    for images in (3, 2):
        result = hier("sample", folder, "--images", images, "--size", 32, "--overwrite")
        assert result.returncode == 0, result.stderr
        assert len(os.listdir(folder / "train")) == images
    assert os.listdir(tmp_path) == ["s"]


def test_overwrite_follows_a_link_to_a_sample(tmp_path):
    link, folder = tmp_path / "link", tmp_path / "s"
    folder.mkdir()
    link.symlink_to(folder)
    assert hier("sample", link, "--images", 2, "--size", 32, "--overwrite").returncode == 0
    assert link.is_symlink()
    assert sorted(os.listdir(folder)) == FILES


def test_overwrite_leaves_what_is_no_sample(tmp_path):
    folder = tmp_path / "s"
    folder.mkdir()
    (folder / "hierarchy.json").write_text("mine")
    result = hier("sample", folder, "--images", 2, "--overwrite")
    assert result.returncode == 3
    assert "has files of another kind" in result.stderr
    assert (folder / "hierarchy.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("place", "message"),
    [("file", "is not a folder"), ("none/s", "make it first (mkdir -p)")],
)
def test_a_place_where_no_folder_can_be_is_refused(tmp_path, place, message):
    (tmp_path / "file").write_text("mine")
    result = hier("sample", tmp_path / place, "--images", 2, "--overwrite")
    assert result.returncode == 3
    assert message in result.stderr
    assert result.stderr.startswith("hiertools sample: ")
    assert result.stderr.count("\n") == 1
    assert os.listdir(tmp_path) == ["file"]


def test_a_signal_leaves_the_older_sample_and_nothing_else(tmp_path):
    folder = tmp_path / "s"
    assert hier("sample", folder, "--images", 2, "--size", 32).returncode == 0
    before = contents(folder)
    command = [sys.executable, "-m", "hiertools", "sample", str(folder), "--overwrite"]
    run = subprocess.Popen([*command, "--images", "100000"], stderr=subprocess.PIPE)
    while not any((path / "train").exists() for path in tmp_path.glob(".s.*.part")):
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGTERM)
    run.communicate(timeout=30)

    assert run.returncode == 130
    assert os.listdir(tmp_path) == ["s"]
    assert contents(folder) == before
