"""log.jsonl: how a training went, a line every few steps, below a header."""

from pathlib import Path

from hiertools.files import atomic, json
from hiertools.files.inputs import Source
from hiertools.files.json import Document

KIND = "log"
VERSION = 1


class LogWriter:
    """A log that grows by a line at a time, and goes on where an older one stopped.

    header: keys of the first line, of which `provenance` has the chain. keep_until_step: None
    puts a new log in the place of any other; a step keeps the older log's lines up to this step.
    """

    def __init__(self, path: Path, header: Document, *, keep_until_step: int | None) -> None:
        self.path = path
        first = {"kind": KIND, "version": VERSION, "provenance": [], **header}
        kept = _older_lines(path, keep_until_step)
        text = "".join(json.line(line) for line in (first, *kept))
        atomic.write_text(path, text, overwrite=True)

    def write(self, document: Document) -> None:
        """Add a line, which has a `step`; it is in the file when this returns."""
        with atomic.explained(self.path), open(self.path, "ab") as file:
            file.write(atomic.encode(json.line(document)))


def _older_lines(path: Path, until_step: int | None) -> list[Document]:
    if until_step is None or not path.exists():
        return []
    _, lines = read_log(path, torn=True)
    return [line for line in lines if line["step"] <= until_step]


def read_log(path: Path, *, torn: bool = False) -> tuple[Document, list[Document]]:
    """Return the header and the lines of a log.

    torn: leave out a last line that has no end, as a program that was killed leaves it.
    """
    source = Source(path)
    lines = json.read_lines(source, torn=torn)
    first = next(lines, None)
    header = json.expect(first and first.document, source.name, KIND, VERSION)
    json.Fields(header, source.name, "line 1").objects("provenance")
    found = list(lines)
    for line in found:
        line.count("step")
    return header, [line.document for line in found]


def check(path: Path, *, full: bool) -> None:
    """Raise `UserError` if the file is not sound. Reading it checks everything."""
    read_log(path)


def describe(path: Path) -> Document:
    """Return what `hiertools info` shows."""
    header, lines = read_log(path)
    about = {key: value for key, value in header.items() if key not in json.HEADER}
    last = lines[-1] if lines else {}
    return {"lines": len(lines), **{k: last[k] for k in ("step", "loss") if k in last}, **about}
