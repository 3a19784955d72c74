"""Outputs that are whole or not there: temporary file, fsync, rename, fsync of the folder."""

import errno
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from hiertools.errors import NoSpaceError, OutputExistsError, UsageError, UserError

STDOUT = Path("-")
UNWRITABLE = {errno.EROFS, errno.EACCES, errno.EPERM}
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
taken: set[Path] = set()  # by `--profile`: no other output of the command comes in their place


def check_writable(path: Path, *, overwrite: bool, option: str = "-o") -> None:
    """Refuse, before the work starts, an output that could not be written at its end.

    option: what names it. Raises `OutputExistsError` if it is there already and `UserError` if its
    folder is missing or takes no files, or if a folder, a pipe or a device is in its place.
    """
    if path == STDOUT:
        return
    if option != "--profile" and path.resolve() in taken:
        raise UsageError(f"--profile {path}: is another file of this command")
    if path.is_dir():
        raise UserError(f"{path}: is a folder; name a file with {option}")
    if not path.parent.is_dir():
        raise UserError(f"{path.parent}: no such folder; make it first (mkdir -p)")
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError(f"{path.parent}: the folder cannot be written to")
    if path.exists() and not path.is_file():
        what = "is not a regular file and is not replaced"
        raise UserError(f"{path}: {what}; name another with {option}")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path}: is there already; give --overwrite or another {option}")


@contextmanager
def replacing(path: Path, *, overwrite: bool, option: str = "-o") -> Iterator[Path]:
    """Yield a temporary path in the same folder that becomes `path` when the block succeeds.

    When the block fails the temporary file is removed and an older output stays as it was.
    """
    check_writable(path, overwrite=overwrite, option=option)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with explained(path):
            yield temporary
            _sync(temporary)
            check_writable(path, overwrite=overwrite, option=option)
            os.replace(temporary, path)
            _sync(path.parent)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn the errors of writing `path` into one line: no space, read-only, not permitted."""
    try:
        yield
    except (OSError, RuntimeError) as error:
        if _is_full(error):
            raise NoSpaceError(f"{path}: no space left; nothing was changed") from error
        if isinstance(error, OSError) and _is_unwritable(error, path):
            raise UserError(f"{path}: cannot be written: {error.strerror}") from error
        raise


def _is_unwritable(error: OSError, path: Path) -> bool:
    """Return whether an output, not an input that was read for it, is not permitted."""
    ours = error.filename is None or f".{path.name}." in str(error.filename)
    return ours and error.errno in UNWRITABLE


def _is_full(error: OSError | RuntimeError) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    text = str(error)  # HDF5 reports a full disk as text, on closing even without an errno
    return any(f"errno = {code}," in text for code in FULL) or "No space left" in text


def write_text(path: Path, text: str, *, overwrite: bool) -> None:
    """Write a text file atomically, or to standard output for `-`."""
    write_texts(path, [text], overwrite=overwrite)


def write_texts(path: Path, texts: Iterable[str], *, overwrite: bool) -> None:
    """Write texts behind each other, as they come, into a file that is whole or not there."""
    if path == STDOUT:
        for text in texts:
            write_stdout(text)
        return
    with (
        replacing(path, overwrite=overwrite) as temporary,
        open(temporary, "wb") as file,
    ):
        for text in texts:
            file.write(encode(text))


def write_stdout(text: str) -> None:
    """Write data to standard output; a reader that went away is not an error."""
    if sys.stdout is None:
        return
    with explained(Path("standard output")):
        sys.stdout.flush()
        sys.stdout.buffer.write(encode(text))  # UTF-8 whatever the locale
        sys.stdout.buffer.flush()


def encode(text: str) -> bytes:
    """Return text as UTF-8, with `?` for what is none, such as an odd byte in a file's name."""
    return text.encode("utf-8", "replace")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # some file systems cannot fsync a folder
        if error.errno not in {errno.EINVAL, errno.ENOTSUP}:
            raise
    finally:
        os.close(descriptor)
