"""What hypothesis makes: everything that passes between commands, in all its odd forms."""

from collections import Counter

import numpy as np
from hypothesis import strategies as st

from hiertools.files.counts import Counts
from hiertools.files.hierarchy import REASONS, Dropped, Edge, Hierarchy, Node
from hiertools.files.items import FLAGS, KINDS, Items, encode, label_sets
from hiertools.files.metrics import Metrics
from hiertools.files.pairs import Pairs
from hiertools.files.rankings import Ranking

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


curvatures = st.floats(0.1, 10)


@st.composite
def vectors(draw, count, reach, dimension=4):
    """Rows with norms 1e-3 to `reach`; few directions, so that rays are shared and opposed."""
    direction = st.lists(st.integers(-3, 3), min_size=dimension, max_size=dimension).filter(any)
    rows = np.array(draw(st.lists(direction, min_size=count, max_size=count)), np.float64)
    norms = draw(arrays(st.floats(-3, float(np.log10(reach))), count, np.float64))
    return rows * (10**norms / np.linalg.norm(rows, axis=1))[:, None]


numbers32 = st.floats(width=32, allow_nan=False, allow_infinity=False)
weight_names = st.from_regex(r"[a-z_]{1,4}(\.[a-z0-9]{1,3}){0,2}", fullmatch=True)
shapes = st.lists(st.integers(0, 3), max_size=4).map(tuple)


@st.composite
def tensors(draw, names=weight_names):
    """Named arrays of any shape: single numbers, empty ones, whole numbers and booleans too."""
    found = {}
    for name in draw(st.lists(names, unique=True, max_size=4)):
        kind, shape = draw(st.sampled_from(["f4", "f8", "i8", "u1", "?"])), draw(shapes)
        flat = draw(arrays(st.integers(0, 200), int(np.prod(shape)), kind))
        found[name] = flat.reshape(shape)
    return found


@st.composite
def metas(draw, **fixed):
    """Documents with some keys that are as they are given, or drawn."""
    drawn = {key: draw(x) if isinstance(x, st.SearchStrategy) else x for key, x in fixed.items()}
    return {**draw(documents), **drawn}


def of_encoder():
    """Return strategies for the keys that say which embeddings a file is for."""
    return {
        "geometry": st.sampled_from(["lorentz", "euclidean"]),
        "c": st.floats(0.1, 10),
        "encoder": texts,
        "digest": texts,
        "output": texts,
        "preprocess": documents,
    }


@st.composite
def models(draw):
    """Weights and meta of models of parts, and of a task that only later releases know."""
    if draw(st.booleans()):
        return "others", draw(tensors()), draw(tensors()), draw(metas(task="others"))
    rows, columns = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    sizes = {"task": "parts", "dimension": rows, "features": columns}
    steps = {"alpha": st.floats(0.01, 1), "tau": st.floats(0.01, 1), "loss": texts}
    meta = draw(metas(**sizes, **steps, **of_encoder(), training=documents))
    shapes = {"head.weight": (rows, columns), "head.bias": (rows,), "log_alpha": (), "log_tau": ()}
    if meta["geometry"] == "lorentz":
        shapes["log_c"] = ()
    weights = {
        name: draw(arrays(numbers32, int(np.prod(shape)), np.float32)).reshape(shape)
        for name, shape in shapes.items()
    }
    return "parts", weights, draw(tensors()), meta


@st.composite
def indexes(draw):
    """Points, items, head, structure and meta of an index."""
    points, table = draw(embeddings())
    headed, method = draw(st.booleans()), draw(st.sampled_from(["exact", "flat", "ivf", "hnsw"]))
    meta = draw(
        metas(
            **of_encoder(),
            task="parts" if headed else "plain",
            dimension=points.shape[1],
            features=st.integers(1, 9),
            model=texts if headed else None,
            method=method,
            by=st.sampled_from(["cosine", "distance"]),
            structure=st.dictionaries(texts.filter(lambda key: key != "sha256"), texts, max_size=2),
        )
    )
    head = draw(tensors()) or {"a": np.float32(1)} if headed else {}
    structure = b"" if method == "exact" else draw(st.binary(max_size=20))
    return points, table, head, structure, meta


@st.composite
def rankings(draw, names=ids):
    """Rankings of a few queries, some without hits or labels."""
    found = []
    for query in draw(st.lists(names, unique=True, max_size=4)):
        hits = draw(st.lists(names, unique=True, max_size=4))
        finite = st.floats(allow_nan=False, allow_infinity=False)
        scores = np.sort(draw(arrays(finite, len(hits), np.float64)))[::-1]
        labels = st.lists(st.none() | texts.filter(_is_id), min_size=len(hits), max_size=len(hits))
        found.append(
            Ranking(query, hits, scores, draw(labels), draw(st.none() | texts.filter(_is_id)))
        )
    return found


headers = documents.map(
    lambda found: {k: v for k, v in found.items() if k not in ("kind", "version", "provenance")}
)
log_lines = st.lists(st.tuples(documents, sizes).map(lambda x: {**x[0], "step": x[1]}), max_size=5)


@st.composite
def metric_rows(draw):
    """Rows of metrics, each with some of the keys that there can be."""
    known = {
        "metric": texts, "find": texts, "of": texts, "exclude": texts, "k": sizes,
        "value": fractions, "low": fractions, "high": fractions, "chance": fractions,
        "queries": sizes,
    }  # fmt: skip
    needed = {"metric", "value", "queries"}
    some = draw(st.sets(st.sampled_from(sorted(known))))
    return {key: draw(known[key]) for key in known if key in needed | some}


@st.composite
def metrics(draw):
    """What an evaluation found."""
    rows = st.lists(st.dictionaries(texts, finite_values.filter(lambda x: x is not None)))
    return Metrics(
        draw(texts), draw(documents), draw(documents), draw(st.lists(metric_rows(), max_size=3)),
        draw(st.dictionaries(texts, rows, max_size=2)), draw(chains),
    )  # fmt: skip
