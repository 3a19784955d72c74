"""WordNet's nouns: data.noun, read as wndb(5WN) defines it.

A line is

    offset file type words word number [word number…] pointers [symbol offset type place…] | gloss

with the number of words in two hexadecimal digits and that of pointers in three decimal ones. The
lines of the licence begin with two blanks. The id of a synset is `n` and its offset, as in
ImageNet; kinds are what the pointers `@` (hypernym) and `@i` (hypernym of an instance) lead to.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from hiertools.class_graph import ClassGraph, repeated
from hiertools.errors import UserError
from hiertools.files.inputs import Source, decode
from hiertools.hierarchy import Graph
from hiertools.taxonomy import listed

KINDS = {"@", "@i"}
ID = re.compile(r"n\d{8}")
VERSION = re.compile(rb"WordNet (\S+) Copyright")
SUGGESTED = 5


@dataclass(frozen=True)
class Nouns:
    """All synsets of nouns: words and kinds by id, and the version that the file says it is."""

    name: str
    version: str | None
    words: dict[str, list[str]]
    kinds: Graph


def read_nouns(source: Source) -> Nouns:
    """Read data.noun. Raises `UserError` with the line for anything else."""
    version, words, kinds = None, dict[str, list[str]](), Graph()
    for number, line in source.lines():
        if line.startswith(b"  "):
            found = VERSION.search(line)
            version = version or (found and found[1].decode("ascii", "replace"))
            continue
        fields = decode(line.partition(b"|")[0], source.name, number).split()
        try:
            key, its_words, its_kinds = _synset(fields)
        except (IndexError, ValueError):
            raise UserError(
                f"{source.name}:{number}: is no line of WordNet's data.noun (see wndb(5WN))"
            ) from None
        if key in words:
            raise UserError(f"{source.name}:{number}: the synset {key} is there twice")
        words[key], kinds[key] = its_words, its_kinds
    return Nouns(source.name, version, words, kinds)


def _synset(fields: list[str]) -> tuple[str, list[str], list[str]]:
    """Return id, words and kinds of a line. Raises `ValueError` or `IndexError` if it is none."""
    key, at = f"n{fields[0]}", 4 + 2 * int(fields[3], 16)
    if fields[2] != "n" or not ID.fullmatch(key):
        raise ValueError
    pointers = fields[at + 1 : at + 1 + 4 * int(fields[at])]
    if len(pointers) != 4 * int(fields[at]) or at == 4:
        raise ValueError
    every_fourth = zip(pointers[::4], pointers[1::4], strict=True)
    kinds = [f"n{offset}" for symbol, offset in every_fourth if symbol in KINDS]
    return key, [word.replace("_", " ") for word in fields[4:at:2]], list(dict.fromkeys(kinds))


def class_list(lines: Sequence[str], name: str) -> tuple[list[str], dict[str, str]]:
    """Return the ids that lines begin with, and the names that follow a blank or a comma.

    Raises `UserError` for an id that is there twice.
    """
    pairs = [re.split(r"[\s,]+", line.strip(), maxsplit=1) for line in lines]
    keys = [pair[0] for pair in pairs]
    if twice := repeated(keys):
        raise UserError(f"{name}: the class {twice[0]!r} is there twice")
    if not keys:
        raise UserError(f"{name}: lists no class")
    return keys, {pair[0]: pair[1] for pair in pairs if len(pair) > 1}


def graph(nouns: Nouns, classes: Sequence[str], names: dict[str, str], *, name: str) -> ClassGraph:
    """Return the classes and all synsets as a graph; a synset is called by its first word.

    names: of classes, in place of their first words; name: of the list, for messages. Raises
    `UserError` for classes that are no synset, and for a kind that the file lacks.
    """
    _check_classes(nouns, classes, name)
    for key, kinds in nouns.kinds.items():
        for kind in kinds:
            if kind not in nouns.kinds:
                raise UserError(f"{nouns.name}: {kind}, above {key}, is not there; is it cut off?")
    first = {key: words[0] for key, words in nouns.words.items()}
    return ClassGraph(list(classes), first | names, nouns.kinds, {})


def _check_classes(nouns: Nouns, classes: Sequence[str], name: str) -> None:
    missing = [key for key in classes if key not in nouns.words]
    if not missing:
        return
    version = f" of WordNet {nouns.version}" if nouns.version else ""
    hint = _suggestion(nouns, missing[0])
    raise UserError(
        f"{name}: {nouns.name} lacks {listed(missing)}; an id is n and the eight digits of a noun"
        f"{version}, such as n01440764{hint}"
    )


def _suggestion(nouns: Nouns, key: str) -> str:
    """Return which synsets have a word such as `dog` or `dog.n.01`, for a message."""
    word = re.sub(r"\.n\.\d+$", "", key).replace("_", " ").casefold()
    found = [
        f"{key} ({', '.join(words)})"
        for key, words in nouns.words.items()
        if word in map(str.casefold, words)
    ]
    return f"; {word!r} is in {'; '.join(found[:SUGGESTED])}" if found else ""
