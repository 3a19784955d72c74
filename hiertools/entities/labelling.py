"""Labels to nodes: sanitized tokens, and a number for each path from the top, as rows come.

Memory grows with the labels and the nodes that there are, not with the rows.
"""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from hiertools.errors import UserError

TOKEN_BITS = 31

Codes = NDArray[np.int64]
Spelling = Callable[[str], str | None]


def sanitize(label: str) -> str:
    """Return what makes labels the same: NFKC, white space collapsed, case folded."""
    return " ".join(unicodedata.normalize("NFKC", label).casefold().split())


def escape(token: str) -> str:
    """Return a token in which `/` and `%` are escaped, so that keys can be joined by `/`."""
    return token.replace("%", "%25").replace("/", "%2F")


@dataclass
class Level:
    """The labels and nodes of one level, numbered as they come; token 0 is a missing label."""

    name: str
    codes: dict[str, int] = field(default_factory=lambda: {"": 0})  # raw label: token
    tokens: dict[str, int] = field(default_factory=lambda: {"": 0})
    names: list[str] = field(default_factory=lambda: [""])  # of tokens, as first seen
    nodes: dict[int, int] = field(default_factory=dict)  # parent and token: node
    parent: list[int] = field(default_factory=list)
    token: list[int] = field(default_factory=list)

    def add_label(self, raw: str, spelling: Spelling | None) -> int:
        """Return the token of a label that is new; -1 where its spelling is unknown."""
        name = " ".join(unicodedata.normalize("NFC", raw).split())
        if spelling is not None and name:
            known = spelling(name)
            if known is None:
                return -1
            name = known
        token = sanitize(name)
        code = self.tokens.setdefault(token, len(self.tokens))
        if code == len(self.names):
            self.names.append(name)
        self.codes[raw] = code
        return code

    def add_nodes(self, parent: Codes, token: Codes) -> Codes:
        """Return the nodes of rows, new ones numbered in the order of the rows."""
        keys = (parent + 1 << TOKEN_BITS) | token
        unique, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
        order = np.argsort(first)
        numbers = np.empty(len(unique), np.int64)
        nodes = self.nodes
        for place, key in zip(order.tolist(), unique[order].tolist(), strict=True):
            number = nodes.setdefault(key, len(nodes))
            if number == len(self.parent):
                self.parent.append((key >> TOKEN_BITS) - 1)
                self.token.append(key & ((1 << TOKEN_BITS) - 1))
            numbers[place] = number
        return numbers[inverse]


class Paths:
    """The nodes of all levels, as they grow."""

    def __init__(self, levels: Sequence[str], spellings: dict[str, Spelling]) -> None:
        self.levels = [Level(name) for name in levels]
        self.spellings = spellings

    def add(
        self, labels: Sequence[pl.Series], unknown: Callable[[int, str, str], UserError]
    ) -> Codes:
        """Return the lowest node of rows from their labels by level; -1 of one without labels.

        unknown: makes an error of a row, a level and a label whose spelling is not known.
        """
        tokens = [
            self._tokens(level, s, unknown) for level, s in zip(self.levels, labels, strict=True)
        ]
        kept = np.flatnonzero(np.any(tokens, axis=0))
        node = np.full(len(kept), -1, np.int64)
        for level, token in zip(self.levels, tokens, strict=True):
            node = level.add_nodes(node, token[kept])
        found = np.full(len(tokens[0]), -1, np.int64)
        found[kept] = node
        return found

    def _tokens(
        self, level: Level, labels: pl.Series, unknown: Callable[[int, str, str], UserError]
    ) -> Codes:
        frame = labels.fill_null("").rename("label").to_frame()
        unique = frame["label"].unique(maintain_order=True)
        spelling, codes = self.spellings.get(level.name), []
        for raw in unique.to_list():
            code = level.codes.get(raw)
            code = level.add_label(raw, spelling) if code is None else code
            if code < 0:
                raise unknown(int((frame["label"] == raw).arg_max() or 0), level.name, raw)
            codes.append(code)
        table = pl.DataFrame({"label": unique, "code": np.array(codes, np.int64)})
        joined = frame.join(table, on="label", how="left", maintain_order="left")
        return joined["code"].to_numpy()
