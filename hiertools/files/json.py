"""JSON as we read and write it: strict in, the same bytes out for the same document."""

import json
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hiertools.errors import UserError
from hiertools.files import atomic, trust
from hiertools.files.inputs import Source, decode

Document = dict[str, Any]

HEADER = ("kind", "version", "provenance")  # of every file of ours

ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)
BETWEEN = "}, {"
HALF_CHARACTER = re.compile(r"\\u[dD][89a-fA-F]")


def loads(text: str, name: str, **hooks: Any) -> Any:
    """Parse JSON text; refuse NaN, numbers beyond float, repeated keys and absurd depth.

    `hooks` go to `json.loads` in place of our own. Raises `UserError` with the file's name and
    the line.
    """
    hooks = hooks or {"object_pairs_hook": unique_keys, "parse_float": trust.finite}
    try:
        found = json.loads(text, parse_constant=trust.refuse_constant, **hooks)
        if HALF_CHARACTER.search(text):
            json.dumps(found, ensure_ascii=False).encode()
        return found
    except json.JSONDecodeError as error:
        raise UserError(f"{name}:{error.lineno}: not JSON: {error.msg}") from None
    except RecursionError:
        raise UserError(f"{name}: JSON nested too deeply to be meant") from None
    except trust.RepeatedKeyError as error:
        raise UserError(f"{name}: the key {json.dumps(str(error))} is there twice") from None
    except trust.ConstantError as error:
        line = _line_of(text, str(error))
        raise UserError(f"{name}:{line}: {error} is not a number; JSON has none") from None
    except UnicodeEncodeError:
        raise UserError(f"{name}: a text has half a character (\\ud800 to \\udfff)") from None
    except ValueError:  # Python reads no whole number of over 4300 digits
        raise UserError(f"{name}: a number of too many digits to be meant") from None


def unique_keys(pairs: list[tuple[str, Any]]) -> Document:
    """Make an object of its pairs. Raises `RepeatedKeyError` where a key comes twice."""
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise trust.RepeatedKeyError(next(key for key in keys if keys.count(key) > 1))
    return found


def _line_of(text: str, constant: str) -> int:
    outside_strings = re.compile(r'"(?:[^"\\]|\\.)*"|(' + re.escape(constant) + ")")
    for match in outside_strings.finditer(text):
        if match.group(1):
            return text.count("\n", 0, match.start()) + 1
    return 1


def line(document: Any) -> str:
    """Return a document as one line of JSON. Refuses NaN."""
    return ENCODER.encode(document) + "\n"


def dumps(document: Document) -> str:
    """Return a document as JSON text with a line for each key and each object of a list."""
    body = ",\n".join(f" {line(key)[:-1]}: {_value(value)}" for key, value in document.items())
    return "{\n" + body + "\n}\n"


def _value(value: Any) -> str:
    if isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        return f"[\n  {_objects(value)}\n ]"
    return line(value)[:-1]


def _objects(value: list[Document]) -> str:
    """Return a line for each object: of all in one call, which is faster, if nothing in them
    looks like the end of one."""
    text = line(value)[1:-2]
    if text.count(BETWEEN) == len(value) - 1:
        return text.replace(BETWEEN, "},\n  {")
    return ",\n  ".join(line(item)[:-1] for item in value)


def write(path: Path, document: Document, *, overwrite: bool) -> None:
    """Write one document to a file, or to standard output for `-`."""
    atomic.write_text(path, dumps(document), overwrite=overwrite)


def kind_of(source: Source) -> str | None:
    """Return the kind of a document of ours, from its first bytes; None for anything else."""
    found = re.match(rb'\s*\{\s*"kind"\s*:\s*"(\w+)"', source.head)
    return found and found[1].decode()


def read(source: Source, kind: str, version: int) -> Document:
    """Read one of our documents. Raises `UserError` for another kind or version."""
    if source.is_folder:
        raise UserError(f"{source.name}: is a folder; {file_of(kind)} is needed")
    document = loads(source.text(), source.name)
    return expect(document, source.name, kind, version)


def read_lines(source: Source, *, torn: bool = False) -> Iterator["Fields"]:
    """Yield the objects of JSON Lines.

    torn: leave out a last line that is cut off, as a program that was killed leaves it.
    """
    for number, data in source.lines():
        place = f"line {number}"
        try:
            text = decode(data, source.name, number)
            document = loads(text, f"{source.name}: {place}")
        except UserError:
            if torn and not data.endswith(b"\n"):
                return
            raise
        yield Fields(document, source.name, place)


def expect(document: Any, name: str, kind: str, version: int) -> Document:
    """Check the kind and version of a parsed document."""
    found = document.get("kind") if isinstance(document, dict) else None
    if found != kind:
        what = file_of(found) if isinstance(found, str) else "not one of our files"
        raise UserError(f"{name}: is {what}; {file_of(kind)} is needed")
    if document.get("version") != version:
        raise UserError(
            f"{name}: {kind} version {document.get('version')}; this release reads version"
            f" {version} only; use the release of hiertools that wrote it"
        )
    return dict(document)


def file_of(kind: str) -> str:
    """Return what a file of a kind is called in a message."""
    return f"{'an' if kind[:1] in 'aeiou' else 'a'} {kind} file"


class Fields:
    """Checked access to the keys of a document; every complaint names the file and the key."""

    def __init__(self, document: Any, name: str, place: str = "") -> None:
        self.name, self.place = name, place
        if not isinstance(document, dict):
            raise UserError(f"{name}: {place or 'the document'} is not an object")
        self.document = document

    def _get(self, key: str) -> Any:
        if key not in self.document:
            raise UserError(f"{self.name}: {self.place}: no key '{key}'".replace(": :", ":"))
        return self.document[key]

    def _bad(self, key: str, wanted: str) -> UserError:
        where = f"{self.place}.{key}" if self.place else key
        return UserError(f"{self.name}: {where} is not {wanted}")

    def text(self, key: str) -> str:
        """Return a text."""
        value = self._get(key)
        if not isinstance(value, str):
            raise self._bad(key, "text")
        return value

    def texts(self, key: str) -> list[str]:
        """Return a list of texts."""
        value = self._get(key)
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self._bad(key, "a list of texts")
        return value

    def count(self, key: str) -> int:
        """Return a whole number of at least 0."""
        value = self._get(key)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise self._bad(key, "a whole number of at least 0")
        return value

    def number(self, key: str) -> float:
        """Return a finite number."""
        value = self._get(key)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not abs(value) <= sys.float_info.max
        ):
            raise self._bad(key, "a finite number")
        return float(value)

    def positive(self, key: str) -> float:
        """Return a finite number above 0."""
        value = self.number(key)
        if value <= 0:
            raise self._bad(key, "above 0")
        return value

    def one_of(self, key: str, known: Sequence[str]) -> str:
        """Return a text that is one of those known."""
        value = self.text(key)
        if value not in known:
            raise self._bad(key, f"one of {', '.join(known)}")
        return value

    def objects(self, key: str) -> list["Fields"]:
        """Return a list of objects."""
        where = f"{self.place}.{key}" if self.place else key
        return [Fields(x, self.name, f"{where}[{i}]") for i, x in enumerate(self.list(key))]

    def list(self, key: str) -> list[Any]:
        """Return a list."""
        value = self._get(key)
        if not isinstance(value, list):
            raise self._bad(key, "a list")
        return value

    def object(self, key: str) -> Document:
        """Return an object."""
        value = self._get(key)
        if not isinstance(value, dict):
            raise self._bad(key, "an object")
        return value
