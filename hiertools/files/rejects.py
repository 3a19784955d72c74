"""rejects.jsonl: the items that a command could not use, each with its reason."""

from collections.abc import Iterable
from pathlib import Path

from hiertools.files import atomic, json
from hiertools.files.inputs import Source
from hiertools.files.json import Document

KIND = "rejects"
VERSION = 1


def write_rejects(
    path: Path, rejects: Iterable[Document], *, chain: list[Document], overwrite: bool
) -> None:
    """Write `{id, path, reason}` lines below a header."""
    header = {"kind": KIND, "version": VERSION, "provenance": chain}
    atomic.write_texts(path, map(json.line, (header, *rejects)), overwrite=overwrite)


def read_rejects(path: Path) -> tuple[Document, list[Document]]:
    """Return the header and the lines of a rejects file."""
    source = Source(path)
    first, *lines = json.read_lines(source)
    header = json.expect(first.document, source.name, KIND, VERSION)
    for line in lines:
        for key in ("id", "path", "reason"):
            line.text(key)
    return header, [line.document for line in lines]


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_rejects(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    _, lines = read_rejects(path)
    reasons: dict[str, int] = {}
    for line in lines:
        reasons[line["reason"]] = reasons.get(line["reason"], 0) + 1
    return {"rejects": len(lines), "reasons": reasons}
