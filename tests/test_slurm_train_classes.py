"""The job that trains on classes, without Slurm: a signal stops it, a second run ends it."""

import signal
import subprocess
import time
from pathlib import Path

import numpy as np

from hiertools.files.embeddings import write_embeddings
from hiertools.files.hierarchy import write_hierarchy
from hiertools.files.items import Items, encode, label_sets
from tests.models.classes_made import CLASSES, ENCODER, hierarchy
from tests.test_examples import ROOT, environment


def test_a_slurm_job_trains_on_classes_and_continues(tmp_path):
    write_hierarchy(tmp_path / "t.json", hierarchy(), chain=[], overwrite=False)
    vectors = np.random.default_rng(0).normal(size=(300, 8)).astype(np.float32)
    labels = label_sets([CLASSES[row % 3]] for row in range(300))
    items = Items(encode([str(row) for row in range(300)]), labels=labels)
    write_embeddings(
        tmp_path / "e.h5", [vectors], 8, items, meta={**ENCODER, "dimension": 8}, chain=[],
        overwrite=False,
    )  # fmt: skip
    model, script = tmp_path / "model.h5", str(ROOT / "examples/slurm-train-classes.sh")
    more = ["--embeddings", str(tmp_path / "e.h5"), "--batch-size", "8", "--epochs", "20"]
    command = ["bash", script, str(tmp_path / "t.json"), str(model), *more]
    job = environment(SLURM_GPUS_ON_NODE="1", OMP_NUM_THREADS="1")
    process = subprocess.Popen(command, env=job, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not Path(f"{model}.log.jsonl").exists() and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGUSR1)
    _, error = process.communicate(timeout=120)
    assert process.returncode in (0, 75), error  # 0 where it had ended before the signal
    assert process.returncode == 0 or not model.exists()
    again = subprocess.run(command, env=job, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
    assert model.exists()
