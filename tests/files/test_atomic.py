"""Outputs are whole or not there: whatever stops a writer, an older output stays as it was."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from hiertools import errors
from hiertools.files import atomic, counts, embeddings, folders, model, rejects, results
from hiertools.files.items import Items, encode

OLD = b"the older output"
KILLS = 12


def write_json(path, *, overwrite=False):
    atomic.write_text(path, "x" * 5000, overwrite=overwrite)


def write_hdf5(path, *, overwrite=False):
    n = 2000
    table = Items(encode([f"item {i}" for i in range(n)]))
    blocks = (np.ones((100, 4), np.float32) for _ in range(n // 100))
    embeddings.write_embeddings(path, blocks, 4, table, meta={}, chain=[], overwrite=overwrite)


def write_wide(path, *, overwrite=False):
    """Write vectors that HDF5 holds back until all the rest is written."""
    table, vectors = Items(encode(list("abcdefghij"))), np.ones((10, 1200), np.float32)
    embeddings.write_embeddings(
        path, [vectors], 1200, table, meta={}, chain=[], overwrite=overwrite
    )


def write_numbers(path, *, overwrite=False):
    """Write a model of single numbers, each in a header, and of small arrays."""
    weights = {f"{i}": np.ones((3,) * (i % 2), np.float32) for i in range(400)}
    found = model.Model("others", weights, {}, {"task": "others"})
    model.write_model(path, found, chain=[], overwrite=overwrite)


def write_rankings(path, *, overwrite=False):
    """Write results a line at a time."""
    hits = (["a", "b"], np.array([2.0, 1.0]), [None, None])
    rankings = (results.Ranking(f"query {i}", *hits) for i in range(1000))
    results.write_results(path, {}, rankings, format="jsonl", chain=[], overwrite=overwrite)


writers = pytest.mark.parametrize("write", [write_json, write_hdf5, write_rankings])


@pytest.fixture
def old(tmp_path):
    """An output that is there already, alone in its folder."""
    path = tmp_path / "out" / "file"
    path.parent.mkdir()
    path.write_bytes(OLD)
    return path


def assert_as_it_was(path):
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == [path.name]


@writers
def test_a_new_output_is_alone_in_its_folder(tmp_path, write):
    write(tmp_path / "file")
    assert os.listdir(tmp_path) == ["file"]


@writers
def test_an_older_output_is_replaced_where_asked(old, write):
    write(old, overwrite=True)
    assert old.read_bytes() != OLD
    assert os.listdir(old.parent) == [old.name]


@writers
def test_who_reads_the_older_output_reads_it_to_its_end(old, write):
    with open(old, "rb") as reader:
        assert reader.read(4) == OLD[:4]
        write(old, overwrite=True)
        assert reader.read() == OLD[4:]


@writers
def test_an_older_output_is_refused_otherwise(old, write):
    with pytest.raises(errors.OutputExistsError, match="is there already; give --overwrite") as e:
        write(old)
    assert e.value.exit_code == 5
    assert_as_it_was(old)


@writers
def test_an_output_that_came_meanwhile_is_kept(tmp_path, write, monkeypatch):
    path = tmp_path / "file"
    sync = atomic._sync

    def another_writer(place):
        path.write_bytes(OLD)
        sync(place)

    monkeypatch.setattr(atomic, "_sync", another_writer)
    with pytest.raises(errors.OutputExistsError):
        write(path)
    assert_as_it_was(path)


@writers
def test_a_folder_that_is_missing_is_named(tmp_path, write):
    with pytest.raises(errors.UserError, match=r"none: no such folder; make it first \(mkdir -p\)"):
        write(tmp_path / "none" / "file", overwrite=True)
    assert os.listdir(tmp_path) == []


@writers
def test_a_folder_is_no_output(tmp_path, write):
    with pytest.raises(errors.UserError, match="is a folder; name a file with -o") as caught:
        write(tmp_path, overwrite=True)
    assert caught.value.exit_code == 3


@writers
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_regular_file_is_never_replaced(tmp_path, write, overwrite):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(errors.UserError, match="is not a regular file and is not replaced"):
        write(path, overwrite=overwrite)
    assert path.is_fifo()
    assert os.listdir(tmp_path) == ["pipe"]


@writers
def test_a_folder_that_cannot_be_written_to_is_named(tmp_path, write, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(errors.UserError, match="the folder cannot be written to"):
        write(tmp_path / "file")


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, errors.InterruptedBySignal])
def test_a_writer_that_fails_leaves_the_older_output(old, failure):
    def write():
        with atomic.replacing(old, overwrite=True) as temporary:
            temporary.write_bytes(b"half of the n")
            raise failure

    with pytest.raises(failure):
        write()
    assert_as_it_was(old)


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, errors.InterruptedBySignal])
def test_blocks_that_fail_leave_the_older_output(old, failure):
    def blocks():
        yield np.ones((1, 4), np.float32)
        raise failure

    table = Items(encode(["a", "b"]))
    with pytest.raises(failure):
        embeddings.write_embeddings(old, blocks(), 4, table, meta={}, chain=[], overwrite=True)
    assert_as_it_was(old)


def test_too_few_blocks_are_a_fault(old):
    table, blocks = Items(encode(["a", "b"])), [np.ones((1, 4), np.float32)]
    with pytest.raises(ValueError, match="vectors: 1 rows written, 2 declared"):
        embeddings.write_embeddings(old, blocks, 4, table, meta={}, chain=[], overwrite=True)
    assert_as_it_was(old)


def test_an_input_that_cannot_be_read_is_not_taken_for_the_output(old):
    with pytest.raises(PermissionError, match="image"), atomic.replacing(old, overwrite=True):
        raise PermissionError(13, "Permission denied", "image.jpg")
    assert_as_it_was(old)


def test_an_output_that_is_not_permitted_is_one_line(old):
    with (
        pytest.raises(errors.UserError, match=r"out/file: cannot be written: Permission denied$"),
        atomic.replacing(old, overwrite=True) as temporary,
    ):
        raise PermissionError(13, "Permission denied", str(temporary))
    assert_as_it_was(old)


def test_hdf5_does_not_go_through_a_pipe(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(errors.UsageError, match="HDF5 does not go through a pipe"):
        write_hdf5(atomic.STDOUT, overwrite=True)
    assert os.listdir(tmp_path) == []


def test_text_goes_to_standard_output(capfdbinary):
    print("before", end=" ")
    write_json(atomic.STDOUT)
    rejects.write_rejects(atomic.STDOUT, [{"id": "ü"}], chain=[], overwrite=False)
    out, _ = capfdbinary.readouterr()
    assert out.startswith(b"before " + b"x" * 5000 + b'{"kind": "rejects"')
    assert out.decode().endswith('{"id": "ü"}\n')


KILLED = """
    import os, random, signal, sys, time
    from pathlib import Path
    import h5py, numpy as np
    from hiertools.files import embeddings, kinds, rejects
    from hiertools.files.items import Items, encode

    table = Items(encode([str(i) for i in range(500)]))

    def hdf5(path, i):
        blocks = (np.full((50, 64), i, "f4") for _ in range(10))
        embeddings.write_embeddings(path, blocks, 64, table, meta={}, chain=[], overwrite=True)

    def lines(path, i):
        found = [{"id": str(i), "path": "p", "reason": "r" * 50}] * 2000
        rejects.write_rejects(path, found, chain=[], overwrite=True)

    random.seed(0)
    left = 0
    for n in range(int(sys.argv[2])):
        write, name = ((hdf5, "a.h5"), (lines, "b.jsonl"))[n % 2]
        path = Path(sys.argv[1], name)
        write(path, 0)
        child = os.fork()
        if child == 0:
            for i in range(10**9):
                write(path, i)
        time.sleep(random.uniform(.02, .1))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        kinds.check(path, full=True)
        if write is hdf5:
            values = np.unique(embeddings.read_embeddings(path).vectors)
        else:
            values = {line["id"] for line in rejects.read_rejects(path)[1]}
        assert len(values) == 1, values
        for part in Path(sys.argv[1]).glob(".*.part"):
            left += 1
            part.unlink()
    assert len(os.listdir(sys.argv[1])) == 2
    print(left)
"""


def script(text, *arguments, before=(), **options):
    """Run a small program and return what became of it."""
    command = [*before, sys.executable, "-c", textwrap.dedent(text), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def test_a_writer_that_is_killed_leaves_a_whole_output(tmp_path):
    result = script(KILLED, tmp_path, KILLS)
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > KILLS / 4  # else the kills came when nothing was being written


STOPPED = """
    import sys, time
    from pathlib import Path
    import numpy as np
    from hiertools import errors, signals
    from hiertools.files import atomic, embeddings, folders
    from hiertools.files.items import Items, encode

    def ready():
        print("ready", flush=True)
        time.sleep(60)

    def blocks():
        yield np.ones((1, 4), "f4")
        ready()

    def text(path):
        with atomic.replacing(path, overwrite=True) as part:
            part.write_text("half")
            ready()

    def hdf5(path):
        table = Items(encode(["a", "b"]))
        embeddings.write_embeddings(path, blocks(), 4, table, meta={}, chain=[], overwrite=True)

    def folder(path):
        with folders.replacing(path.with_name("folder"), {"mark"}, overwrite=True) as part:
            (part / "half").write_text("half")
            ready()

    signals.end_in_order()
    try:
        {"text": text, "hdf5": hdf5, "folder": folder}[sys.argv[1]](Path(sys.argv[2]))
    except errors.InterruptedBySignal:
        sys.exit(errors.STOPPED)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("write", ["text", "hdf5", "folder"])
def test_a_writer_that_is_stopped_leaves_nothing_behind(old, write, number):
    command = [sys.executable, "-c", textwrap.dedent(STOPPED), write, str(old)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) as run:
        assert run.stdout.readline() == "ready\n"
        assert len(os.listdir(old.parent)) == 2
        run.send_signal(number)
        _, complaints = run.communicate(timeout=30)
    assert (run.returncode, complaints) == (130, "")
    assert_as_it_was(old)


FULL = """
    import sys
    from pathlib import Path
    from hiertools import errors
    from tests.files import test_atomic

    try:
        getattr(test_atomic, sys.argv[1])(Path(sys.argv[2]), overwrite=True)
    except errors.UserError as error:
        print(error)
        sys.exit(error.exit_code)
"""


def limited(blocks):
    """Return the words that limit the size of a file, in blocks of 512 bytes."""
    return ["sh", "-c", f'ulimit -f {blocks} && exec "$@"', "sh"]


def end_of_writing(write, path, **options):
    return script(FULL, write.__name__, path, cwd=Path(__file__).parents[2], **options)


@pytest.mark.parametrize(
    ("write", "blocks"),
    [(write_json, 1), (write_rankings, 1), (write_rankings, 90)]
    + [(write_hdf5, blocks) for blocks in (1, 4, 8, 40, 63, 64, 70, 90, 100)]
    + [(write_numbers, blocks) for blocks in (1, 8, 20, 50, 90)],
)
def test_no_space_leaves_the_older_output(old, write, blocks):
    result = end_of_writing(write, old, before=limited(blocks))
    assert result.stdout == f"{old}: no space left; nothing was changed\n"
    assert (result.returncode, result.stderr) == (7, "")
    assert_as_it_was(old)


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 40 KiB that takes a file of 16 bytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40k", "tmpfs", str(disk)]
    if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("needs the right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("write", [write_json, write_hdf5, write_wide, write_numbers])
def test_a_full_disk_leaves_the_older_output(small_disk, write):
    old = small_disk / "file"
    old.write_bytes(OLD)
    if write is write_json:
        (small_disk / "other").write_bytes(bytes(32 << 10))
    result = end_of_writing(write, old)
    assert result.stdout == f"{old}: no space left; nothing was changed\n"
    assert (result.returncode, result.stderr) == (7, "")
    assert old.read_bytes() == OLD
    assert set(os.listdir(small_disk)) <= {"file", "other"}


def make_vectors(folder):
    """Return a command that writes 32,000 bytes of vectors and more of their ids."""
    np.save(folder / "vectors.npy", np.ones((2000, 4), np.float32))
    (folder / "ids").write_text("".join(f"item {i}\n" for i in range(2000)))
    return ["embed", "--from", folder / "vectors.npy", "--ids", folder / "ids"]


def make_counts(folder):
    """Return a command that writes a hierarchy of some 7,000 bytes."""
    names = [f"class {i}" for i in range(100)]
    none = Counter()
    found = counts.Counts(
        Counter(dict.fromkeys(names, 9)),
        none,
        none,
        {},
        Counter(images=1, boxes=900),
        {"format": "openimages", "files": []},
        {"overlap": "0.8", "min_area": "0", "group_of": True, "include_image": False},
        [(0, 1)],
    )
    counts.write_counts(folder / "counts", found, chain=[], overwrite=False)
    return ["mine-hierarchy", folder / "counts"]


@pytest.mark.parametrize(
    ("make", "blocks"), [(make_counts, 1), (make_vectors, 8), (make_vectors, 66)]
)
def test_a_command_without_space_ends_with_7(old, hier, make, blocks):
    command = [*make(old.parents[1]), "-o", "file", "--overwrite", "--no-provenance"]
    result = hier(*command, cwd=old.parent)
    assert result.returncode == 0, result.stderr
    assert old.stat().st_size > 512 * blocks
    old.write_bytes(OLD)
    result = hier(*command, before=limited(blocks), cwd=old.parent)
    message = f"hiertools {command[0]}: file: no space left; nothing was changed\n"
    assert (result.returncode, result.stderr) == (7, message)
    assert_as_it_was(old)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["info"], ["check"], ["check", "--json"]])
def test_a_full_standard_output_ends_with_7(tmp_path, hier, arguments):
    path = tmp_path / "r.jsonl"
    rejects.write_rejects(path, [], chain=[], overwrite=False)
    full = ["sh", "-c", 'exec "$@" > /dev/full', "sh"]
    result = hier(*arguments, path, before=full)
    message = f"hiertools {arguments[0]}: standard output: no space left; nothing was changed\n"
    assert (result.returncode, result.stderr) == (7, message)


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "latin-1"}, {"LC_ALL": "C"}])
def test_standard_output_is_utf8_whatever_the_locale(tmp_path, hier, locale):
    path = tmp_path / "r.jsonl"
    rejects.write_rejects(
        path, [{"id": "a", "path": "a", "reason": "ü日"}], chain=[], overwrite=False
    )
    result = hier("info", "--json", path, env=locale)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["reasons"] == {"ü日": 1}


def test_a_reader_that_leaves_is_no_error(tmp_path, hier):
    path = tmp_path / "r.jsonl"
    lines = [{"id": "a", "path": "p", "reason": str(i)} for i in range(50_000)]
    rejects.write_rejects(path, lines, chain=[], overwrite=False)
    gone = ["sh", "-c", '{ "$@"; echo $? >&2; } | head -c 1', "sh"]
    result = hier("info", path, before=gone)
    assert (result.stdout, result.stderr) == (str(path)[0], "0\n")


MARKS = {"mark"}


@pytest.fixture
def old_folder(tmp_path):
    folder = tmp_path / "out" / "folder"
    folder.mkdir(parents=True)
    (folder / "mark").write_bytes(OLD)
    return folder


def make_folder(folder, *, overwrite=True):
    with folders.replacing(folder, MARKS, overwrite=overwrite) as part:
        (part / "mark").write_text("new")
        (part / "more").mkdir()
        (part / "more" / "file").write_text("new")


def assert_whole(folder):
    assert sorted(os.listdir(folder)) == ["mark", "more"]
    assert (folder / "mark").read_text() == "new"
    assert os.listdir(folder.parent) == [folder.name]


def test_a_new_folder_is_alone(tmp_path):
    make_folder(tmp_path / "folder", overwrite=False)
    assert_whole(tmp_path / "folder")


def test_an_older_folder_is_replaced_where_asked(old_folder):
    make_folder(old_folder)
    assert_whole(old_folder)


def test_an_older_folder_is_refused_otherwise(old_folder):
    with pytest.raises(errors.OutputExistsError, match="is there already"):
        make_folder(old_folder, overwrite=False)
    assert_as_it_was(old_folder / "mark")
    assert os.listdir(old_folder.parent) == ["folder"]


def test_an_empty_folder_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    make_folder(tmp_path / "folder")
    assert_whole(tmp_path / "folder")


def test_a_folder_of_another_kind_is_never_replaced(old_folder):
    (old_folder / "mark").rename(old_folder / "letters")
    with pytest.raises(errors.UserError, match="has files of another kind"):
        make_folder(old_folder)
    assert_as_it_was(old_folder / "letters")


def test_a_file_is_no_folder(old):
    with pytest.raises(errors.UserError, match="is not a folder"):
        make_folder(old)
    assert_as_it_was(old)


def test_a_folder_in_no_folder_is_refused(tmp_path):
    with pytest.raises(errors.UserError, match="no such folder; make it first"):
        make_folder(tmp_path / "none" / "folder")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("failure", [ValueError, KeyboardInterrupt, errors.InterruptedBySignal])
def test_a_folder_that_fails_leaves_the_older_one(old_folder, failure):
    def make():
        with folders.replacing(old_folder, MARKS, overwrite=True) as part:
            (part / "half").write_text("half")
            raise failure

    with pytest.raises(failure):
        make()
    assert_as_it_was(old_folder / "mark")
    assert os.listdir(old_folder.parent) == ["folder"]


def test_a_folder_that_cannot_take_its_place_leaves_the_older_one(old_folder, monkeypatch):
    rename = Path.rename

    def fail(path, target):
        if path.name.endswith(".part"):
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fail)
    with pytest.raises(OSError, match="Input/output error"):
        make_folder(old_folder)
    assert_as_it_was(old_folder / "mark")
    assert os.listdir(old_folder.parent) == ["folder"]


def test_a_folder_without_space_leaves_the_older_one(old_folder):
    with (
        pytest.raises(errors.NoSpaceError, match=r"folder: no space left; nothing was changed$"),
        folders.replacing(old_folder, MARKS, overwrite=True),
    ):
        raise OSError(28, "No space left on device")
    assert_as_it_was(old_folder / "mark")
    assert os.listdir(old_folder.parent) == ["folder"]


def test_what_a_killed_process_of_the_same_number_left_is_no_hindrance(old_folder):
    for end in ("part", "old"):
        left = old_folder.with_name(f".folder.{os.getpid()}.{end}")
        left.mkdir()
        (left / "half").write_text("half")
    make_folder(old_folder)
    assert_whole(old_folder)


def test_the_only_copy_that_a_killed_process_left_is_kept(tmp_path):
    left = tmp_path / f".folder.{os.getpid()}.old"
    left.mkdir()
    (left / "mark").write_bytes(OLD)
    with (
        pytest.raises(ValueError, match="fails"),
        folders.replacing(tmp_path / "folder", MARKS, overwrite=True),
    ):
        raise ValueError("fails")
    assert (left / "mark").read_bytes() == OLD
