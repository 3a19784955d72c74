"""The meter of a run: rows, seconds, memory, and which of several ranks is traced."""

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from hiertools import profiling, terminal
from hiertools.errors import NoSpaceError, SkippedError, UserError


def cost(*, path=None, workers=False, fail=None):
    with profiling.measured(path, overwrite=False, workers=workers):
        with profiling.work("some"):
            pass
        with profiling.work("more", steps=2) as done:
            done(1000)
            done(500)
        if fail is not None:
            raise fail


def test_rows_are_those_of_all_blocks(capsys, monkeypatch):
    clock = iter([10.0, 10.5, 20.0, 22.5])
    monkeypatch.setattr(profiling.time, "monotonic", lambda: next(clock))
    monkeypatch.setattr(terminal, "peak_memory_mb", lambda *, workers=False: 7 if workers else 2345)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    cost(workers=True)
    said = "1,500 rows in 3.0 s: 500 rows/s; peak memory 2,345 MB, 7 MB in the largest worker\n"
    assert capsys.readouterr().err == said


def test_memory_of_a_gpu_is_that_of_the_fullest(monkeypatch):
    cuda = SimpleNamespace(
        is_initialized=lambda: True, device_count=lambda: 2,
        max_memory_allocated=lambda device: (3 + device) * 2**30,
    )  # fmt: skip
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    assert profiling.memory(workers=False).endswith(" MB, 4,096 MB on the GPU")


def test_the_cost_is_said_where_the_work_is_done(capsys):
    with pytest.raises(SkippedError):
        cost(fail=SkippedError("two of them"))
    assert "1,500 rows in " in capsys.readouterr().err
    with pytest.raises(UserError):
        cost(fail=UserError("no"))
    terminal.set_level(0)
    cost()
    assert capsys.readouterr().err == ""


def test_other_ranks_are_not_traced(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    cost(path=tmp_path / "t.json")
    assert os.listdir(tmp_path) == []
    assert "trace" not in capsys.readouterr().err


@pytest.mark.parametrize(("steps", "traced"), [(1, 1), (2, 2), (3, 3)])
def test_a_short_training_is_traced_in_its_last_step(tmp_path, capsys, steps, traced):
    with (
        profiling.measured(tmp_path / "t.json", overwrite=False, workers=False),
        profiling.work("training", steps=steps) as done,
    ):
        for _ in range(steps):
            done(1)
    assert f"t.json: a trace of step {traced}\n" in capsys.readouterr().err


def test_a_stopped_run_keeps_its_exit_code_where_the_trace_cannot_be_written(
    tmp_path, monkeypatch, capsys
):
    def cut(self, path):
        Path(path).write_text('{"traceEvents": [')

    monkeypatch.setattr("torch.profiler.profile.export_chrome_trace", cut)
    with pytest.raises(SkippedError):
        cost(path=tmp_path / "t.json", fail=SkippedError("two of them"))
    assert "warning: " in capsys.readouterr().err


def test_a_trace_that_is_cut_off_is_no_trace(tmp_path, monkeypatch):
    from torch.profiler import profile

    def cut(self, path):
        Path(path).write_text('{"traceEvents": [')

    monkeypatch.setattr(profile, "export_chrome_trace", cut)
    with pytest.raises(NoSpaceError, match=r"t\.json: no space left for the trace"):
        cost(path=tmp_path / "t.json")
    assert os.listdir(tmp_path) == []


def test_a_stage_without_a_trace_is_nothing(monkeypatch):
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with profiling.stage("searching"):
        assert list(profiling.staged("loading", "abc")) == ["a", "b", "c"]
    assert "torch" not in sys.modules
