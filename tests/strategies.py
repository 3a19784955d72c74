"""What hypothesis makes: everything that passes between commands, in all its odd forms."""

from collections import Counter

import numpy as np
from hypothesis import strategies as st

from hiertools.files.counts import Counts
from hiertools.files.hierarchy import REASONS, Dropped, Edge, Hierarchy, Node
from hiertools.files.items import FLAGS, KINDS, Items, encode, label_sets
from hiertools.files.pairs import Pairs

LIKE_NUMBERS = ["000000000000002f", "1e10", "007", "nan", "-0", "0x10", "1_000", "inf", "null"]
ODD = ["a,b", 'say "x"', "a|b", "tab\tbed", "line\u2028end", "next\x85line", "ü/日本#0", " x ", "-"]

texts = st.text(max_size=12)
id_texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
ids = st.sampled_from(LIKE_NUMBERS + ODD) | id_texts.filter(lambda text: len(text) <= 40)
fractions = st.floats(0, 1)
sizes = st.integers(0, 10**12)
plain_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts
finite_values = plain_values.filter(lambda value: value not in (np.inf, -np.inf))
documents = st.dictionaries(texts, finite_values | st.lists(finite_values, max_size=3), max_size=3)
records = st.fixed_dictionaries(
    {"program": st.just("hiertools"), "argv": st.lists(texts, max_size=3), "options": documents}
)
chains = st.lists(records, max_size=2)


def arrays(elements, length, dtype):
    """Return a strategy for columns of one length."""
    return st.lists(elements, min_size=length, max_size=length).map(
        lambda values: np.array(values, dtype)
    )


@st.composite
def items(draw, least=0):
    """Item tables; any column but the id may be absent."""
    names = draw(st.lists(ids, unique=True, min_size=least, max_size=6))
    n = len(names)

    def maybe(strategy):
        return draw(st.none() | strategy)

    boxes = st.lists(st.tuples(*[fractions] * 4), min_size=n, max_size=n)
    labels = st.lists(st.lists(texts.filter(_is_id), max_size=3), min_size=n, max_size=n)
    return Items(
        encode(names),
        image=maybe(st.lists(ids, min_size=n, max_size=n).map(encode)),
        kind=maybe(arrays(st.integers(0, len(KINDS) - 1), n, np.uint8)),
        labels=maybe(labels.map(label_sets)),
        box=maybe(boxes.map(lambda rows: np.array(rows, np.float64).reshape(n, 4))),
        latitude=maybe(arrays(st.floats(-90, 90), n, np.float64)),
        longitude=maybe(arrays(st.floats(-180, 180), n, np.float64)),
        **{name: maybe(arrays(st.booleans(), n, np.bool_)) for name in FLAGS},
    )


def _is_id(text):
    return "\0" not in text


@st.composite
def embeddings(draw):
    """Vectors, float32, with their items."""
    table = draw(items())
    dimension = draw(st.integers(1, 5))
    numbers = st.floats(width=32, allow_nan=False, allow_infinity=False)
    flat = draw(arrays(numbers, len(table) * dimension, np.float32))
    return flat.reshape(len(table), dimension), table


@st.composite
def pairs(draw):
    """Pairs of items; sometimes none."""
    table = draw(items(least=2))
    row = st.integers(0, len(table) - 1)
    found = draw(st.lists(st.tuples(row, row).filter(lambda p: p[0] != p[1]), max_size=8))
    rows = np.array(found, np.int64).reshape(-1, 2)
    return Pairs(rows[:, 0], rows[:, 1], table, draw(documents), draw(chains))


@st.composite
def hierarchies(draw, most=8):
    """Random DAGs."""
    names = draw(st.lists(ids, unique=True, max_size=most))
    size = len(names)
    places = st.tuples(st.integers(0, size - 1), st.integers(0, size - 1))
    upward = st.lists(places.filter(lambda p: p[0] < p[1]), unique=True, max_size=2 * size)
    ends = draw(upward) if size > 1 else []
    held = {child for _, child in ends}
    return Hierarchy(
        nodes=[
            Node(name, draw(texts), draw(st.none() | texts), draw(st.none() | sizes))
            for name in names
        ],
        edges=[Edge(names[p], names[c], *draw(numbers())) for p, c in ends],
        leaves=[names[i] for i in range(size) if i not in held],
        dropped=draw(st.lists(dropped(), max_size=2)),
        source=draw(documents),
        parameters=draw(documents),
        statistics=draw(documents),
        distance=draw(texts),
        chain=draw(chains),
    )


def numbers():
    """Return a strategy for an edge's frequency, holders and proportion."""
    return st.tuples(st.none() | sizes, st.none() | sizes, st.none() | fractions)


@st.composite
def dropped(draw):
    """Pairs that are not in a hierarchy."""
    return Dropped(draw(ids), draw(ids), *draw(numbers()), reason=draw(st.sampled_from(REASONS)))


@st.composite
def counts(draw):
    """Counts of a shard."""
    boxes = draw(st.dictionaries(ids, st.integers(1, 10**9), max_size=5))
    label = st.sampled_from(sorted(boxes)) if boxes else st.nothing()
    ends = draw(st.lists(st.tuples(label, label), unique=True, max_size=6)) if boxes else []
    frequency = {pair: draw(st.integers(1, 10**9)) for pair in ends}
    holders = {p: draw(st.integers(1, min(boxes[p[0]], frequency[p]))) for p in ends}
    total = draw(st.integers(1, 5))
    return Counts(
        Counter(boxes),
        Counter(frequency),
        Counter(holders),
        names={name: draw(texts) for name in boxes},
        statistics=Counter(draw(st.dictionaries(texts, sizes, max_size=3))),
        source={"format": "openimages", "files": draw(st.lists(texts, max_size=2))},
        parameters=draw(documents),
        shards=[(draw(st.integers(0, total - 1)), total)],
        chain=draw(chains),
    )


rejects = st.lists(st.fixed_dictionaries({"id": texts, "path": texts, "reason": texts}), max_size=4)
