"""`hiertools embed --local`, on pictures that are made up."""

import json
import os
import signal
import subprocess
import sys

import pytest

from hiertools import cli, local_parts
from hiertools.files.local_features import read_local
from tests.local.test_extraction import noise


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos/deep").mkdir(parents=True)
    for n in range(4):
        noise(seed=n).save(tmp_path / f"photos/deep/{n}.png")
    noise(seed=9).save(tmp_path / "photos/top.png")
    return tmp_path


def embed(*words):
    return cli.main(["embed", "--local", *map(str, words)])


def test_ids_are_those_of_embed(folder, capsys):
    assert embed("photos", "--no-provenance") == 0
    found = read_local(folder / "local.h5")
    assert [key.decode() for key in found.items.id] == [*(f"deep/{n}" for n in range(4)), "top"]
    assert "local features of 5 images" in capsys.readouterr().err
    assert found.sizes.tolist() == [[160, 120]] * 5
    assert (found.meta["keypoints"], found.meta["max_side"]) == (2000, 1024)


def test_bytes_do_not_depend_on_the_processes(folder):
    for n in range(3):
        assert embed("photos", "-o", f"{n}.h5", "--workers", n, "--no-provenance", "-q") == 0
    first, *others = ((folder / f"{n}.h5").read_bytes() for n in range(3))
    assert others == [first, first]


def test_shards_have_all_images_between_them(folder):
    for n in range(2):
        assert embed("photos", "-o", f"{n}.h5", "--shard", f"{n}/2", "-q") == 0
    ids = [key.decode() for n in range(2) for key in read_local(folder / f"{n}.h5").items.id]
    assert ids == [*(f"deep/{n}" for n in range(4)), "top"]


def test_fewer_keypoints_are_kept(folder):
    assert embed("photos", "--keypoints", 7, "-q") == 0
    assert max(read_local(folder / "local.h5").offsets[1:]) == 35


def test_pictures_that_cannot_be_used_are_listed(folder, capsys):
    (folder / "photos/deep/1.png").write_bytes(b"no picture")
    assert embed("photos") == 4
    assert len(read_local(folder / "local.h5").items) == 4
    lines = (folder / "local.h5.rejects.jsonl").read_text().splitlines()
    assert json.loads(lines[1])["id"] == "deep/1"
    assert "1 images could not be used" in capsys.readouterr().err
    assert embed("photos", "--max-bad", 1, "--overwrite", "-q") == 0


def test_without_any_picture_there_is_no_file(folder, capsys):
    (folder / "bad").mkdir()
    (folder / "bad/a.png").write_bytes(b"no picture")
    assert embed("bad") == 3
    assert "none of 1 images can be used" in capsys.readouterr().err
    assert not (folder / "local.h5").exists()
    assert not (folder / "local.h5.parts").exists()


def test_a_stopped_run_goes_on_to_the_same_bytes(folder, monkeypatch, capsys):
    assert embed("photos", "-o", "whole.h5", "--workers", 0, "--no-provenance", "-q") == 0
    extract = local_parts.extract

    def stopping(*given, **how):
        for count, found in enumerate(extract(*given, **how)):
            if count == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            yield found

    monkeypatch.setattr(local_parts, "extract", stopping)
    words = ("photos", "-o", "again.h5", "--workers", 0, "--no-provenance")
    assert embed(*words) == 75
    assert "after 3 of 5 images; --resume continues" in capsys.readouterr().err
    assert not (folder / "again.h5").exists()
    monkeypatch.setattr(local_parts, "extract", extract)
    assert embed(*words) == 5
    assert embed(*words, "--keypoints", 9, "--resume") == 3
    assert embed(*words, "--resume") == 0
    assert (folder / "again.h5").read_bytes() == (folder / "whole.h5").read_bytes()
    assert not (folder / "again.h5.parts").exists()
    assert embed(*words, "--resume") == 0
    assert "is complete already" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("photos", "--encoder", "timm:x"), "--encoder does not apply"),
        (("photos", "--text"), "--text does not apply"),
        (("photos", "--engine", "onnx"), "--engine does not apply"),
        (("photos", "--batch-size", "3"), "--batch-size does not apply"),
        (("photos", "--made-by", "x"), "--made-by is for --from"),
        (("photos", "-o", "-"), "HDF5 cannot go through a pipe"),
        ((), "name folders or lists of images"),
    ],
)
def test_wrong_options_are_one_line(folder, capsys, words, message):
    assert embed(*words) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert len(said) == 1
    assert message in said[0]


def test_keypoints_are_for_local_features(folder, capsys):
    assert cli.main(["embed", "photos", "--max-side", "64"]) == 2
    assert "--max-side does not apply" in capsys.readouterr().err


def test_a_dry_run_writes_nothing(folder, capsys):
    assert embed("photos", "--dry-run") == 0
    assert "would find local features of 5 images" in capsys.readouterr().err
    assert not list(folder.glob("local*"))


def test_the_real_command_runs(folder):
    command = [sys.executable, "-m", "hiertools", "embed", "--local", "photos", "-q"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
