"""log.jsonl: a line at a time, and what a program that was killed leaves of it."""

import json

import pytest
from hypothesis import given

from hiertools.errors import UserError
from hiertools.files import kinds
from hiertools.files.log import LogWriter, describe, read_log
from tests import strategies
from tests.files.test_round_trips import few, written

HEADER = {"provenance": [{"command": "train parts"}], "config": "0" * 64}
FIRST = {"kind": "log", "version": 1, **HEADER}
LINES = [{"step": step, "loss": 1 / step} for step in (10, 20, 30)]


def log(path, lines=LINES, *, keep_until_step=None, header=HEADER):
    writer = LogWriter(path, header, keep_until_step=keep_until_step)
    for line in lines:
        writer.write(line)
    return path


@few
@given(strategies.headers, strategies.chains, strategies.log_lines)
def test_logs(tmp_path, header, chain, lines):
    def write(path):
        log(path, lines, header={"provenance": chain, **header})

    found, read = read_log(written(tmp_path, "l.jsonl", write))
    assert read == lines
    assert found == {"kind": "log", "version": 1, "provenance": chain, **header}


def test_each_line_is_there_when_it_is_written(tmp_path):
    path = tmp_path / "l.jsonl"
    writer = LogWriter(path, HEADER, keep_until_step=None)
    assert read_log(path) == (FIRST, [])
    for number, line in enumerate(LINES, 1):
        writer.write(line)
        assert read_log(path) == (FIRST, LINES[:number])


def test_a_new_log_takes_the_place_of_an_older_one(tmp_path):
    path = log(tmp_path / "l.jsonl")
    assert read_log(log(path, LINES[:1])) == (FIRST, LINES[:1])


@pytest.mark.parametrize(("step", "kept"), [(0, 0), (10, 1), (19, 1), (20, 2), (99, 3)])
@pytest.mark.parametrize("torn", [b"", b'{"step": 40, "lo', b'{"a": "\xc3', b"{"])
def test_a_log_goes_on_behind_the_step_that_is_kept(tmp_path, step, kept, torn):
    path = log(tmp_path / "l.jsonl")
    path.write_bytes(path.read_bytes() + torn)
    more = {"step": step + 1, "loss": 9}
    log(path, [more], keep_until_step=step, header={"config": "new"})
    header = {"kind": "log", "version": 1, "provenance": [], "config": "new"}
    assert read_log(path) == (header, [*LINES[:kept], more])
    assert [each.name for each in tmp_path.iterdir()] == ["l.jsonl"]


def test_a_log_that_is_not_there_is_begun(tmp_path):
    assert read_log(log(tmp_path / "l.jsonl", keep_until_step=5)) == (FIRST, LINES)


@pytest.mark.parametrize("torn", [b'{"step": 40, "lo', b'{"step": 40, "\xc3', b"["])
def test_a_torn_line_is_left_out_only_where_that_is_asked_for(tmp_path, torn):
    path = log(tmp_path / "l.jsonl")
    path.write_bytes(path.read_bytes() + torn)
    assert read_log(path, torn=True) == (FIRST, LINES)
    for read in (read_log, lambda path: kinds.check(path, full=False)):
        with pytest.raises(UserError, match=r"line 5|:5: is not UTF-8"):
            read(path)


@pytest.mark.parametrize(
    ("place", "line", "message"),
    [
        (1, b"{}", r"line 2: no key 'step'"),
        (1, b'{"step": 1.5}', r"line 2\.step is not a whole number"),
        (1, b'{"step": -1}', r"line 2\.step is not a whole number"),
        (2, b"[1]", "line 3 is not an object"),
        (2, b'{"step": 1, "loss": NaN}', "line 3:1: NaN is not a number"),
        (3, b'{"step": 1, "step": 1}', 'line 4: the key "step" is there twice'),
        (3, b'{"step": 1', "line 4:2: not JSON"),
        (3, b"", "line 4:2: not JSON"),
        (0, b'{"kind": "log", "version": 2, "provenance": []}', "reads version 1 only"),
        (0, b'{"kind": "rejects", "version": 1, "provenance": []}', "is a rejects file"),
        (0, b'{"version": 1, "provenance": []}', "is not one of our files"),
        (0, b'{"kind": "log", "version": 1, "provenance": {}}', "provenance is not a list"),
        (0, b'{"kind": "log", "version": 1, "provenance": [1]}', "provenance.0. is not an object"),
    ],
)
@pytest.mark.parametrize("torn", [False, True])
def test_a_line_that_is_none_is_refused(tmp_path, place, line, message, torn):
    path = log(tmp_path / "l.jsonl")
    lines = path.read_bytes().splitlines()
    lines[place] = line
    path.write_bytes(b"\n".join(lines) + b"\n")
    with pytest.raises(UserError, match=message):
        read_log(path, torn=torn)


def test_only_a_log_is_gone_on_with(tmp_path):
    path = tmp_path / "l.jsonl"
    path.write_text("mine\n")
    with pytest.raises(UserError, match=r"l\.jsonl: line 1:1: not JSON"):
        LogWriter(path, HEADER, keep_until_step=5)
    assert path.read_text() == "mine\n"


def test_a_number_that_json_does_not_have_is_not_written(tmp_path):
    path = log(tmp_path / "l.jsonl")
    with pytest.raises(ValueError, match="not JSON compliant"):
        log(path, [{"step": 40, "loss": float("nan")}], keep_until_step=30)
    assert read_log(path) == (FIRST, LINES)


def test_info_tells_the_last_step_and_loss(tmp_path):
    assert describe(log(tmp_path / "l.jsonl")) == {
        "lines": 3, "step": 30, "loss": 1 / 30, "config": "0" * 64,
    }  # fmt: skip
    assert describe(log(tmp_path / "l.jsonl", [])) == {"lines": 0, "config": "0" * 64}


def test_a_line_ends_with_a_line_break_and_is_utf8(tmp_path):
    path = log(tmp_path / "l.jsonl", [{"step": 1, "ü": "日本\u2028"}])
    last = path.read_bytes().split(b"\n")[-2:]
    assert last == ['{"step": 1, "ü": "日本\u2028"}'.encode(), b""]
    assert json.loads(last[0])["step"] == 1
