"""Texts as places in bytes, and their codes: numbers in the order in which texts first come."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray

BLOCK = 1 << 14
ROOM = 2  # slots for each text, at least
ODD = np.uint64(0x9E3779B97F4A7C15)
LOW = np.uint64(0xFFFFFFFF)

Places = NDArray[np.int64]


@dataclass(frozen=True)
class Texts:
    """n texts in UTF-8: text i is data[starts[i] : ends[i]]; there are 8 bytes at least."""

    data: NDArray[np.uint8]
    starts: Places
    ends: Places

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Texts":
        """Return texts that are given as such."""
        encoded = [text.encode() for text in texts]
        return cls.joined(b"".join(encoded), np.array([len(text) for text in encoded], np.int64))

    @classmethod
    def joined(cls, data: bytes, sizes: NDArray[np.int64]) -> "Texts":
        """Return texts that are given after each other, with the bytes that each has (n)."""
        ends = np.cumsum(sizes, dtype=np.int64)
        return cls(np.frombuffer(data + bytes(8), np.uint8), ends - sizes, ends)

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[str]:
        data = self.data.data
        for at in range(0, len(self), BLOCK):
            block = slice(at, at + BLOCK)
            places = zip(self.starts[block].tolist(), self.ends[block].tolist(), strict=True)
            for start, end in places:
                yield str(data[start:end], "utf-8")

    def to_list(self) -> list[str]:
        """Return the texts as such."""
        return list(self)


class Codes:
    """Numbers texts in the order in which they first come, over batches.

    A hash table of open addresses, as a dictionary takes ten times as long and four times the
    memory where texts come in no order. A text is kept as words of 8 bytes after one that has its
    code and length; a slot has where that is, plus 1, and half of the hash; 0 is an empty one.
    """

    def __init__(self) -> None:
        self._count = self._used = self._listed = 0
        self._slots = np.zeros(1 << 10, np.uint64)
        self._kept = np.empty(1 << 10, np.uint64)

    def __len__(self) -> int:
        return self._count

    def of(self, texts: Texts) -> NDArray[np.uint32]:
        """Return the code of each text, n."""
        n = len(texts)
        self._make_room(n, int((texts.ends - texts.starts).sum()) // 8 + 2 * n)
        codes = np.empty(n, np.uint32)
        self._count, self._used = _code(
            words_of(texts.data), texts.starts, texts.ends, self._slots, self._kept,
            self._count, self._used, codes,
        )  # fmt: skip
        return codes

    def new(self) -> Texts:
        """Return the texts that came since this was asked last."""
        start, self._listed = self._listed, self._used
        return self._between(start)

    def texts(self) -> Texts:
        """Return all texts by their codes."""
        return self._between(0)

    def _between(self, start: int) -> Texts:
        starts, ends = _places(self._kept, start, self._used)
        data = self._kept[: self._used].astype("<u8", copy=False).view(np.uint8)
        return Texts(data, starts, ends)

    def _make_room(self, texts: int, words: int) -> None:
        if (needed := self._used + words) > len(self._kept):
            grown = np.empty(max(needed, 2 * len(self._kept)), np.uint64)
            grown[: self._used] = self._kept[: self._used]
            self._kept = grown
        if (needed := ROOM * (self._count + texts)) > len(self._slots):
            self._slots = np.zeros(1 << (needed - 1).bit_length(), np.uint64)
            _fill_slots(self._slots, self._kept, self._used)


def words_of(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the 8 bytes from each place on as a number, for all places that have as many."""
    return np.ndarray((len(data) - 7,), "<u8", np.ascontiguousarray(data), 0, (1,))


@numba.njit(cache=True)  # type: ignore[misc]
def _cut(word, before, length):  # type: ignore[no-untyped-def]
    """Return a word without some bytes before and those after a length."""
    word >>= np.uint64(8) * before
    if length < np.uint64(8):
        word &= (np.uint64(1) << (np.uint64(8) * length)) - np.uint64(1)
    return word


@numba.njit(cache=True)  # type: ignore[misc]
def _mixed(state, word):  # type: ignore[no-untyped-def]
    """Return a state that has each bit of a word in half of its bits, high and low ones."""
    state = (state ^ word) * ODD
    state = (state ^ state >> np.uint64(32)) * ODD
    return state ^ state >> np.uint64(32)


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _code(words, starts, ends, slots, kept, count, used, codes):  # type: ignore[no-untyped-def]
    """Fill codes in and return how many there are, and how many words are used.

    In one piece: arrays that are handed on to a function are counted, which takes longer than it.
    """
    mask = np.uint64(len(slots) - 1)
    limit = np.uint64(len(words) - 1)
    eight, one = np.uint64(8), np.uint64(1)
    slot = np.uint64(0)
    for row in range(len(starts)):
        start, end = np.uint64(starts[row]), np.uint64(ends[row])
        state = end - start
        at = start
        while at < end:
            near = min(at, limit)
            state = _mixed(state, _cut(words[near], at - near, end - at))
            at += eight
        tag = state >> np.uint64(32) << np.uint64(32)
        slot = state & mask
        while slots[slot] != 0:
            place = (slots[slot] & LOW) - one
            same = (slots[slot] ^ tag) <= LOW and kept[place] >> np.uint64(32) == end - start
            at = start
            while same and at < end:
                near = min(at, limit)
                place += one
                same = kept[place] == _cut(words[near], at - near, end - at)
                at += eight
            if same:
                break
            slot = (slot + one) & mask
        if slots[slot] == 0:
            slots[slot] = tag | np.uint64(used + 1)
            kept[used] = np.uint64(count) | (end - start) << np.uint64(32)
            used += 1
            count += 1
            at = start
            while at < end:
                near = min(at, limit)
                kept[used] = _cut(words[near], at - near, end - at)
                used += 1
                at += eight
        codes[row] = kept[(slots[slot] & LOW) - one] & LOW
    return count, used


@numba.njit(cache=True)  # type: ignore[misc]
def _fill_slots(slots, kept, used):  # type: ignore[no-untyped-def]
    """Put all kept texts into empty slots."""
    mask = np.uint64(len(slots) - 1)
    place = 0
    while place < used:
        start = place
        state = kept[place] >> np.uint64(32)
        for _ in range((np.int64(state) + 7) // 8):
            place += 1
            state = _mixed(state, kept[place])
        place += 1
        slot = state & mask
        while slots[slot] != 0:
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = state >> np.uint64(32) << np.uint64(32) | np.uint64(start + 1)


@numba.njit(cache=True)  # type: ignore[misc]
def _places(kept, place, used):  # type: ignore[no-untyped-def]
    """Return where the bytes of kept texts start and end, from a word on."""
    starts = np.empty(used - place, np.int64)
    ends = np.empty(used - place, np.int64)
    count = 0
    while place < used:
        length = np.int64(kept[place] >> np.uint64(32))
        starts[count] = 8 * (place + 1)
        ends[count] = starts[count] + length
        place += 1 + (length + 7) // 8
        count += 1
    return starts[:count].copy(), ends[:count].copy()
