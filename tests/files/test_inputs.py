"""Inputs: plain, gzip or a pipe, all the same; what is no input says so in one line."""

import gzip
import hashlib
import io
import os
import sys
import threading
from pathlib import Path

import pytest

from hiertools.errors import UsageError, UserError
from hiertools.files import inputs
from hiertools.files.inputs import Source
from hiertools.files.label_names import read_label_names

TEXT = "".join(f"line {i} ü\n" for i in range(30_000))
DATA = TEXT.encode()
STORED = {
    "plain": DATA,
    "gzip": gzip.compress(DATA),
    "two": gzip.compress(DATA[:9]) + gzip.compress(DATA[9:]),
}


def sha256(data):
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def give(tmp_path, monkeypatch):
    """Make a source of some bytes: a file, or standard input."""

    def run(data, *, stdin=False):
        if stdin:
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            return Source(inputs.STDIN)
        path = tmp_path / "input"
        path.write_bytes(data)
        return Source(path)

    return run


@pytest.mark.parametrize("stdin", [False, True])
@pytest.mark.parametrize("how", STORED)
def test_however_it_is_stored_the_text_is_the_same(give, how, stdin):
    source = give(STORED[how], stdin=stdin)
    assert DATA.startswith(source.head)
    assert len(source.head) == 1 << 16 or how == "two"
    assert source.text() == TEXT
    assert source.read() == b""
    assert source.digest() == sha256(STORED[how])


@pytest.mark.parametrize("how", STORED)
def test_lines_are_the_whole_and_are_numbered(give, how):
    source = give(STORED[how])
    numbers, lines = zip(*source.lines(), strict=True)
    assert b"".join(lines) == DATA
    assert numbers == tuple(range(1, len(lines) + 1))
    assert all(line.endswith(b"\n") for line in lines[:-1])
    assert source.digest() == sha256(STORED[how])


@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
@pytest.mark.parametrize("how", STORED)
def test_pieces_are_the_whole(give, how, size):
    source = give(STORED[how])
    pieces = [source.read(size) for _ in range(3)]
    assert b"".join(pieces) + source.read() == DATA
    assert source.digest() == sha256(STORED[how])


@pytest.mark.parametrize("how", STORED)
def test_the_digest_is_that_of_all_even_where_nothing_was_read(give, how):
    assert give(STORED[how]).digest() == sha256(STORED[how])
    assert inputs.digest_file(give(STORED[how]).path) == sha256(STORED[how])


def test_a_pipe_that_gives_a_byte_at_a_time_is_read_whole(monkeypatch):
    reader, writer = os.pipe()

    def give_slowly():
        with open(writer, "wb", buffering=0) as file:
            for value in STORED["gzip"]:
                file.write(bytes([value]))

    thread = threading.Thread(target=give_slowly)
    thread.start()
    with open(reader) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        source = Source(inputs.STDIN)
        assert len(source.head) == 1 << 16
        assert source.text() == TEXT
        del source
        assert not stdin.closed
    thread.join()


def test_an_empty_input_is_refused(give):
    for stdin, name in ((False, "input"), (True, "standard input")):
        with pytest.raises(UserError, match=rf"{name}: is empty$"):
            give(b"", stdin=stdin)
    with pytest.raises(UserError, match="is empty"):
        give(gzip.compress(b""))


@pytest.mark.parametrize("length", [3, 10, 15, 1000, len(STORED["gzip"]) - 1])
def test_gzip_that_is_cut_off_is_named(give, length):
    for read in (Source.text, Source.digest):
        with pytest.raises(UserError, match=r"input: gzip data is truncated or damaged: "):
            read(give(STORED["gzip"][:length]))


@pytest.mark.parametrize("place", [2, 20, 5000, -6, -1])
def test_gzip_that_is_damaged_is_named(give, place):
    data = bytearray(STORED["gzip"])
    data[place] ^= 0x10
    with pytest.raises(UserError, match=r"gzip data is truncated or damaged|is not UTF-8"):
        give(bytes(data)).text()


def test_bytes_behind_gzip_are_damage(give):
    with pytest.raises(UserError, match="gzip data is truncated or damaged"):
        give(STORED["gzip"] + b"more").text()


def test_a_byte_order_mark_is_no_text(give):
    assert give(b"\xef\xbb\xbf" + DATA).text() == TEXT


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("data", "line"),
    [(b"\xff", 1), (b"a\n\xff", 2), (b"a\n\nbc\xc3\n", 3), (b"a\r\nb\r\n\xe9t\xe9", 3)],
)
def test_the_line_that_is_not_utf8_is_named(give, mark, data, line):
    with pytest.raises(UserError, match=rf"input:{line}: is not UTF-8 text$"):
        give(mark + data).text()


def test_a_later_piece_knows_its_first_line():
    with pytest.raises(UserError, match=r"^x:12: is not UTF-8 text$"):
        inputs.decode(b"a\nb\n\xff", "x", 10)


def test_a_folder_has_a_digest_of_its_names_and_sizes_and_no_text(tmp_path):
    (tmp_path / "a").write_text("a")
    source = Source(tmp_path)
    assert source.is_folder
    first = source.digest()
    assert first == Source(tmp_path).digest()
    for read in (Source.read, Source.text):
        with pytest.raises(UserError, match="is a folder; a file is needed"):
            read(source)
    (tmp_path / "b").write_text("")
    assert source.digest() != first


def test_what_cannot_be_opened_says_why(tmp_path):
    with pytest.raises(UserError, match=r"none: no such file$"):
        Source(tmp_path / "none")
    with pytest.raises(UserError, match=r"cannot be read: Is a directory$"):
        inputs.open_input(tmp_path)
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(UserError, match=r"loop: cannot be read: "):
        Source(tmp_path / "loop")


@pytest.mark.parametrize("stdin", [None, "terminal"])
def test_a_terminal_is_no_input(monkeypatch, stdin):
    class Terminal:
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stdin", stdin and Terminal())
    with pytest.raises(UserError, match="is a terminal; pipe data into '-'"):
        Source(inputs.STDIN)


def test_standard_input_is_read_once():
    inputs.check_stdin_once([Path("a"), None, inputs.STDIN])
    with pytest.raises(UsageError, match="can be read once only"):
        inputs.check_stdin_once([inputs.STDIN, Path("a"), Path("-")])


def test_lines_are_those_that_are_not_blank(tmp_path):
    path = tmp_path / "list"
    path.write_bytes(b"\xef\xbb\xbf007\r\n\n 1e10 \n   \nline\xe2\x80\xa8end\nlast")
    assert inputs.lines(path) == (
        ["007", " 1e10 ", "line\u2028end", "last"],
        sha256(path.read_bytes()),
    )
    with pytest.raises(UserError, match="is a folder; a list of lines is needed"):
        inputs.lines(tmp_path)


@pytest.mark.parametrize("header", ["", "LabelName,DisplayName\n", "\ufeffid,name\r\n"])
def test_names_of_labels(tmp_path, header):
    path = tmp_path / "names.csv"
    text = header + '/m/1,"Tree, tall"\n/m/2,line\u2028end\n\n007,next\x85line\n/m/1,"Tree, tall"\n'
    path.write_bytes(text.encode())
    names, digest = read_label_names(path)
    assert names == {"/m/1": "Tree, tall", "/m/2": "line\u2028end", "007": "next\x85line"}
    assert digest == sha256(path.read_bytes())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_names_of_labels_with_any_line_end(tmp_path, end):
    path = tmp_path / "names.csv"
    path.write_bytes(end.join(["a,A", "b,B", ""]).encode())
    assert read_label_names(path)[0] == {"a": "A", "b": "B"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,A\nb\n", ":2: is not a label id and a name"),
        ("a,A\n,B\n", ":2: is not a label id and a name"),
        ("a,A\n\nb,B,C\n", ":3: is not a label id and a name"),
        ("a,A\na,B\n", ":2: a has another name above"),
        ("a," + "x" * 200_000, ":1: is not CSV: field larger than field limit"),
    ],
)
def test_names_of_labels_that_are_none(tmp_path, text, message):
    path = tmp_path / "names.csv"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        read_label_names(path)
    assert str(caught.value).startswith(f"{path}{message}")
