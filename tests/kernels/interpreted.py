"""Runs a comparison in a process of its own, where Triton's kernels are interpreted on the CPU."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def interpreted(module: str, function: str) -> None:
    """Run `tests.kernels.MODULE.FUNCTION()` with TRITON_INTERPRET=1; fail with what it printed."""
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.kernels.{module} import {function} as t; t()"],
        capture_output=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"},
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
