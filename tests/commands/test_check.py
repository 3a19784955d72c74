"""`hiertools check`: a line for each file, and 3 if any of them is not sound."""

import gzip
import json

import numpy as np
import pytest

from hiertools.files import embeddings, hierarchy, rejects
from hiertools.files.items import Items, encode


@pytest.fixture
def files(tmp_path):
    """A sound file of three kinds, by kind."""
    paths = {kind: tmp_path / kind for kind in ("embeddings", "hierarchy", "rejects")}
    embeddings.write_embeddings(
        paths["embeddings"], [np.eye(2, dtype=np.float32)], 2, Items(encode(["a", "b"])),
        meta={}, chain=[], overwrite=False,
    )  # fmt: skip
    empty = hierarchy.Hierarchy([], [], [], [], {}, {}, {}, "path")
    hierarchy.write_hierarchy(paths["hierarchy"], empty, chain=[], overwrite=False)
    rejects.write_rejects(paths["rejects"], [], chain=[], overwrite=False)
    return paths


def flip_a_vector(path):
    offset = embeddings.read_embeddings(path).vectors.offset
    data = bytearray(path.read_bytes())
    data[offset] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("options", [[], ["--full"]])
def test_sound_files(files, hier, options):
    result = hier("check", *options, *files.values())
    expected = "".join(f"{path}: ok ({kind})\n" for kind, path in files.items())
    assert (result.returncode, result.stdout, result.stderr) == (0, expected, "")


def test_one_bad_file_among_others(files, hier, tmp_path):
    bad = tmp_path / "bad.json"
    bad.write_text('{"kind": "hierarchy",\n "kind": 2}')
    result = hier("check", files["rejects"], bad, tmp_path / "none", files["embeddings"])
    assert result.returncode == 3
    assert result.stdout.splitlines() == [
        f"{files['rejects']}: ok (rejects)",
        f'{bad}: the key "kind" is there twice',
        f"{tmp_path / 'none'}: no such file",
        f"{files['embeddings']}: ok (embeddings)",
    ]
    assert result.stderr == "hiertools check: 2 of 4 files are not sound\n"


def test_json_is_a_line_a_file(files, hier, tmp_path):
    result = hier("check", "--json", files["hierarchy"], tmp_path)
    assert result.returncode == 3
    assert [json.loads(line) for line in result.stdout.splitlines()] == [
        {"file": str(files["hierarchy"]), "kind": "hierarchy", "ok": True, "problem": ""},
        {"file": str(tmp_path), "kind": None, "ok": False, "problem": "is a folder; name a file"},
    ]


def test_only_full_reads_the_vectors(files, hier):
    path = files["embeddings"]
    flip_a_vector(path)
    assert hier("check", path).returncode == 0
    result = hier("check", "--full", path)
    assert result.returncode == 3
    assert result.stdout == (
        f"{path}: 'vectors' is damaged in rows 0 to 1 (their checksum differs)\n"
    )


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_standard_input(files, hier, pack):
    data = files["hierarchy"].read_bytes()
    result = hier("check", "-", stdin=pack(data))
    assert (result.returncode, result.stdout) == (0, "-: ok (hierarchy)\n")
    result = hier("check", "-", stdin=pack(data[:-9]))
    assert result.returncode == 3
    assert result.stdout.startswith("-: ")
    assert "not JSON" in result.stdout
    assert "hiertools-" not in result.stdout
    assert hier("check", "-", files["rejects"], "-").returncode == 2


def test_quiet_still_says_what_is_wrong(files, hier, tmp_path):
    result = hier("check", "-q", files["rejects"], tmp_path)
    assert result.returncode == 3
    assert result.stdout.count("\n") == 2
    assert result.stderr == "hiertools check: 1 of 2 files are not sound\n"


def test_no_file_is_a_wrong_use(hier):
    result = hier("check")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("hiertools check: ")
    assert result.stderr.count("\n") == 1
