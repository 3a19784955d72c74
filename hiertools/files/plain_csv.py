"""Plain lines of CSV, compiled: no quotes, ids as places in the text, numbers in exact decimals.

A quarter of the time of polars and the checks that it needs (2.4 s against 9.4 s of one core for
1.2 GB), as nothing is copied and no number becomes binary. What is not plain is left to `csv`,
which says what is wrong; what is plain has the values that `csv` reads.
"""

from dataclasses import dataclass

import numba
import numpy as np
import polars as pl
from numpy.typing import NDArray

from hiertools.files import csv
from hiertools.files.texts import Texts, words_of

DECIMALS = 12
SKIPPED, TEXT, NUMBER, SMALL = range(4)
ROLES: dict[object, int] = {pl.String: TEXT, pl.Float64: NUMBER, pl.Int8: SMALL}

COMMA, MINUS, POINT, NEWLINE, RETURN, NOUGHT = (ord(c) for c in ",-.\n\r0")
ENDS = np.zeros(256, bool)  # of what a text that is plain does not have
ENDS[:32] = ENDS[COMMA] = ENDS[ord('"')] = True
ASCII_ENDS = ENDS | (np.arange(256) > 127)
DIGITS = 18  # that 64 bits always hold
POWERS = 10 ** np.arange(DIGITS + 1)
LARGEST = 10 ** (DECIMALS + 1)
NEAR_HALF = 200

# What the bytes of 0.123456 make 0, digits aside; what makes a byte's high bit 1 if it is no digit,
# or for the second one if it is not 0.
SIX_DECIMALS = np.uint64(int.from_bytes(b"0.000000", "little"))
NO_DIGIT = np.uint64(int.from_bytes(b"\x76\x7f\x76\x76\x76\x76\x76\x76", "little"))
HIGH_BITS = np.uint64(0x8080808080808080)
PAIRS = np.uint64(0x000000FF000000FF)


@dataclass(frozen=True)
class PlainRows:
    """n rows of a CSV, with the columns of each type in the order that was asked for.

    numbers: whole trillionths, n x k; of a number with more decimals what its float64 times 1e12
    rounds to. small: m x n.
    """

    texts: dict[str, Texts]
    numbers: NDArray[np.int64]
    small: dict[str, NDArray[np.int8]]


def parse(text: bytes, lines: int, header: list[str], types: csv.Types) -> PlainRows | None:
    """Return the columns of `types` (String, Float64, Int8), or None if a line is not plain.

    text: so many whole lines. Plain are lines of as many fields as the header that have no quotes,
    where texts are not empty, numbers have up to 18 digits and are less than 10, and small ones
    less than 100.
    """
    if len(text) < 8:  # as many as are looked at together
        return None
    names: list[list[str]] = [[] for _ in range(4)]
    for name, kind in types.items():
        names[ROLES[kind]].append(name)
    columns = np.zeros((len(header), 2), np.int64)
    for role, several in enumerate(names):
        for place, name in enumerate(several):
            columns[header.index(name)] = role, place
    codes = np.frombuffer(text, np.uint8)
    places = np.empty((len(names[TEXT]), 2, lines), np.int64)
    numbers = np.empty((lines, len(names[NUMBER])), np.int64)
    small = np.empty((len(names[SMALL]), lines), np.int8)
    returns = text[text.find(b"\n") - 1] == RETURN

    def is_parsed(ends: NDArray[np.bool_]) -> bool:
        return bool(_parse(codes, words_of(codes), columns, ends, returns, places, numbers, small))

    if not is_parsed(ASCII_ENDS) and (text.isascii() or not _is_utf8(text) or not is_parsed(ENDS)):
        return None
    texts = (Texts(codes, *place) for place in places)
    return PlainRows(
        dict(zip(names[TEXT], texts, strict=True)),
        numbers,
        dict(zip(names[SMALL], small, strict=True)),
    )


def _is_utf8(text: bytes) -> bool:
    try:
        return bool(text.decode())
    except UnicodeDecodeError:
        return False


@numba.njit(cache=True, nogil=True)  # type: ignore[misc]
def _parse(text, words, columns, ends, returns, places, numbers, small):  # type: ignore[no-untyped-def]
    """Fill columns in, and return whether every line is plain.

    In one piece: arrays that are handed on to a function are counted, which takes longer than it.
    """
    limit = np.uint64(len(words) - 1)
    eight = np.uint64(8)
    one = np.uint64(1)  # places without a sign need no check of theirs
    at = np.uint64(0)
    last = len(columns) - 1
    for row in range(len(numbers)):
        for column in range(len(columns)):
            role, place = columns[column]
            if role in (SKIPPED, TEXT):
                start = at
                while not ends[text[at]]:
                    at += one
                if role == TEXT:
                    if at == start:
                        return False
                    places[place, 0, row], places[place, 1, row] = start, at
            else:
                value, digits = np.int64(0), 0
                before = -1
                if role == NUMBER and at < limit:
                    word = words[at] ^ SIX_DECIMALS
                    if (word + NO_DIGIT | word) & HIGH_BITS == 0:
                        value, digits, before = _seven_digits(word), 7, 1
                        at += eight
                negative = text[at] == MINUS
                if negative:
                    if digits > 0:
                        return False
                    at += one
                while digits <= DIGITS:
                    digit = np.int64(text[at]) - NOUGHT
                    if 0 <= digit <= 9:
                        value = 10 * value + digit
                        digits += 1
                    elif text[at] == POINT and before < 0:
                        before = digits
                    else:
                        break
                    at += one
                after = digits - before if before >= 0 else 0
                if digits == 0 or digits > DIGITS or before == 0 or before == digits:
                    return False
                if role == SMALL:
                    if before > 0 or digits > 2:
                        return False
                    small[place, row] = -value if negative else value
                else:
                    value = _trillionths(value, after)
                    if value < 0:
                        return False
                    numbers[row, place] = -value if negative else value
            if column == last and returns:
                if text[at] != RETURN:
                    return False
                at += one
            if text[at] != (NEWLINE if column == last else COMMA):
                return False
            at += one
    return at == np.uint64(len(text))


@numba.njit(cache=True)  # type: ignore[misc]
def _seven_digits(word):  # type: ignore[no-untyped-def]
    """Return the number that 0.123456 is in millionths, from its digits in a byte each."""
    tens = word * np.uint64(10) + (word >> np.uint64(8))  # of two digits, in every other byte
    high = (tens & PAIRS) * np.uint64(1_000_000 << 32 | 100)
    low = (tens >> np.uint64(16) & PAIRS) * np.uint64(10_000 << 32 | 1)
    value = np.int64(high + low >> np.uint64(32))
    return value - np.int64(word & np.uint64(0xFF)) * 9_000_000


@numba.njit(cache=True)  # type: ignore[misc]
def _trillionths(value, decimals):  # type: ignore[no-untyped-def]
    """Return a number of up to 18 digits in trillionths, -1 if it is not certain or 10 or more."""
    if decimals <= DECIMALS:
        return value * POWERS[DECIMALS - decimals] if value < POWERS[decimals + 1] else -1
    divisor = POWERS[decimals - DECIMALS]
    whole = value // divisor
    double = 2 * (value - whole * divisor)
    # near a half, what the float64 nearest to the number is decides: that is not known here
    if whole >= LARGEST or NEAR_HALF * abs(double - divisor) <= divisor:
        return -1
    return whole + (double > divisor)
