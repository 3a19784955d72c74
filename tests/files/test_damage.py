"""Files that are not what they were: each is found, none is taken for another."""

import json
import warnings

import h5py
import numpy as np
import pytest

from hiertools.errors import UserError
from hiertools.files import (
    checkpoint,
    counts,
    distances,
    embeddings,
    entities,
    entity_index,
    entity_part,
    graph,
    hierarchy,
    index,
    kinds,
    local_features,
    log,
    metrics,
    model,
    pairs,
    predictions,
    rejects,
    results,
    verified,
)
from hiertools.files.items import Items, encode, label_sets
from tests import entities_made
from tests.files import (
    test_distances,
    test_entity_index,
    test_graph,
    test_index,
    test_local_features,
    test_log,
    test_masks,
    test_metrics,
    test_model,
    test_predictions,
    test_verified,
)
from tests.files.test_round_trips import assert_same_items

ROWS, DIMENSION = 300, 16
FLIPS = 150
ARRAYS = (
    "whole",
    "pair_file",
    "model_file",
    "index_file",
    "entity_index_file",
    "entities_file",
    "entity_part_file",
    "checkpoint_file",
    "distances_file",
    "graph_file",
    "local_file",
    "verified_file",
    "results_file",
)


@pytest.fixture(scope="module")
def table():
    names = encode([f"image{i}#ü" for i in range(ROWS)])
    rng = np.random.default_rng(1)
    return Items(
        names,
        names,
        np.zeros(ROWS, np.uint8),
        label_sets([["a"], ["b", "c"], []] * (ROWS // 3)),
        rng.uniform(size=(ROWS, 4)),
        rng.uniform(-90, 90, ROWS),
        rng.uniform(-180, 180, ROWS),
        **{name: rng.uniform(size=ROWS) < 0.5 for name in ("occluded", "truncated", "inside")},
    )


@pytest.fixture(scope="module")
def vectors():
    return np.random.default_rng(0).normal(size=(ROWS, DIMENSION)).astype(np.float32)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, table, vectors):
    """An embeddings file with every sort of column."""
    path = tmp_path_factory.mktemp("whole") / "e.h5"
    meta, chain = {"encoder": "lite0", "dimension": DIMENSION}, [{"command": "embed"}]
    embeddings.write_embeddings(
        path, [vectors], DIMENSION, table, meta=meta, chain=chain, overwrite=False
    )
    return path


@pytest.fixture(scope="module")
def pair_file(tmp_path_factory, table):
    path = tmp_path_factory.mktemp("pairs") / "p.h5"
    rows = np.arange(ROWS - 1)
    found = pairs.Pairs(rows, rows + 1, table, {"overlap": "0.8"})
    pairs.write_pairs(path, found, chain=[{"command": "mine-hierarchy"}], overwrite=False)
    return path


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    state = {"bn.weight": np.ones(3, np.float32), "bn.num_batches_tracked": np.array(2)}
    found = model.Model("parts", test_model.weights(), state, test_model.META)
    return test_model.save(tmp_path_factory.mktemp("model"), found)


@pytest.fixture(scope="module")
def graph_file(tmp_path_factory):
    return test_graph.save(tmp_path_factory.mktemp("graph") / "g.h5")


@pytest.fixture(scope="module")
def local_file(tmp_path_factory):
    return test_local_features.save(tmp_path_factory.mktemp("local") / "l.h5")


@pytest.fixture(scope="module")
def verified_file(tmp_path_factory):
    return test_verified.save(tmp_path_factory.mktemp("verified") / "v.h5")


@pytest.fixture(scope="module")
def index_file(tmp_path_factory, table, vectors):
    path = tmp_path_factory.mktemp("index") / "i.h5"
    return test_index.save(path, points=vectors, table=table, dimension=DIMENSION)


@pytest.fixture(scope="module")
def checkpoint_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "c.h5"
    arrays = {"mean/head.weight": np.arange(6.0).reshape(2, 3), "mean/c": np.array(0.5)}
    checkpoint.write_checkpoint(path, arrays, {"step": 3}, chain=[{"command": "train parts"}])
    return path


@pytest.fixture(scope="module")
def distances_file(tmp_path_factory):
    classes = [f"ü{i}" for i in range(40)]
    steps = np.abs(np.subtract.outer(np.arange(40.0), np.arange(40.0)))
    return test_distances.save(tmp_path_factory.mktemp("distances") / "d.h5", steps, classes)


@pytest.fixture(scope="module")
def results_file(tmp_path_factory):
    return ranked(tmp_path_factory.mktemp("results") / "r.h5", "h5")


@pytest.fixture(scope="module")
def entity_index_file(tmp_path_factory):
    return test_entity_index.save(tmp_path_factory.mktemp("entity-index") / "i.h5")


@pytest.fixture(scope="module")
def entities_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("entities") / "e.h5"
    entities_made.save(path, t=3)
    return path


@pytest.fixture(scope="module")
def entity_part_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("entity-part") / "p.h5"
    nodes = [
        entity_part.LevelNodes(np.array([-1, -1]), ["at", "jp"], ["AT", "JP"]),
        entity_part.LevelNodes(np.array([0, 1, 0]), ["hall", "edo", ""], ["Hall", "Edo", ""]),
    ]
    columns = {"id": np.array([b"a", b"b"]), "leaf": np.array([0, 1]), "fold": np.array([1, 0])}
    meta = {
        "levels": ["country", "city"], "folds": 2, "centroid": None, "features": 3, "rows": 2,
        "id_bytes": 1, "filled": 0, "left_out": {}, "shard": [0, 2], "source": {"files": ["m"]},
    }  # fmt: skip
    sums = np.arange(18).reshape(6, 3)
    part = entity_part.Part(
        nodes,
        np.array([[0, 1, 0], [1, 0, 0]]),
        sums,
        None,
        lambda name: iter([columns[name]]),
        meta,
    )
    entity_part.write_part(path, part, chain=[], overwrite=False)
    return path


def ranked(path, format):
    """Write results of some queries with some hits."""
    rankings = (
        results.Ranking(
            f"ü#{query}", [f"a{hit}" for hit in range(query)], -np.arange(float(query)),
            ["b", None, "c"][:query] + ["b"] * (query - 3), reranked=("aqe", "ü")[: query % 3],
            initial=np.arange(float(query)) if query % 3 else None,
        )
        for query in range(9)
    )  # fmt: skip
    results.write_results(path, {"k": 9}, rankings, format=format, chain=[], overwrite=False)
    return path


def arrays_of(found):
    """Return the arrays of what was read, by name."""
    match found:
        case embeddings.Embeddings():
            return {"vectors": found.vectors}
        case pairs.Pairs():
            return {"parent": found.parent, "child": found.child}
        case model.Model():
            return found.weights | {f"encoder/{key}": x for key, x in found.encoder.items()}
        case index.Index():
            return {**found.head, "points": found.points, "": np.frombuffer(found.structure, "u1")}
        case entity_index.EntityIndex():
            names = ("points", "keys", "values")
            rows = {name: getattr(found, name) for name in names}
            return {**found.head, **rows, **vars(found.nodes)}
        case entities.Entities():
            items_of = vars(entities.read_members(found.image_sums.filename))
            return {
                key: x
                for key, x in {**vars(found), **items_of}.items()
                if isinstance(x, np.ndarray)
            }
        case entity_part.Part():
            nodes = {f"parent{i}": level.parent for i, level in enumerate(found.nodes)}
            texts = [x for level in found.nodes for x in (*level.token, *level.name)]
            columns = {
                name: np.concatenate([*found.column(name)]) for name in ("id", "leaf", "fold")
            }
            sums = {"fold_count": found.fold_count, "sums": found.sums, "texts": np.array(texts)}
            return {**nodes, **columns, **sums}
        case checkpoint.Checkpoint():
            return found.arrays
        case distances.Distances():
            return {"classes": np.array(found.classes), "matrix": found.matrix}
        case graph.Graph():
            solves = {name: getattr(found.solves, name) for name in ("offsets", "rows", "values")}
            return {"near": found.rows, "similarities": found.similarities, **solves}
        case local_features.Local():
            names = ("sizes", "offsets", "frames", "descriptors")
            return {name: getattr(found, name) for name in names}
        case verified.Part():
            names = ("sizes", "codes", "offsets", "features", "points", "models", "tentative")
            return {"images": np.array(found.images), **{n: getattr(found, n) for n in names}}


READERS = {
    "embeddings": embeddings.read_embeddings,
    "pairs": pairs.read_pairs,
    "model": model.read_model,
    "index": lambda path: (
        entity_index.read_entity_index(path)
        if index.task_of(path) == "geo"
        else index.read_index(path)
    ),
    "checkpoint": checkpoint.read_checkpoint,
    "distances": distances.read_distances,
    "graph": graph.read_graph,
    "local": local_features.read_local,
    "verified": verified.read_part,
    "entities": entities.read_entities,
    "entity-part": entity_part.read_part,
}


def content(path):
    """Return all that a file says: its header and meta, its items and its arrays."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        header = kinds.header(path)
        if header[0] == "results":
            about, rankings = results.read_results(path)
            texts = [
                (r.query, r.ids, r.scores.tolist(), r.labels, r.reranked, _plain(r.initial))
                for r in rankings
            ]
            return (header, about, texts), None, {}
        found = READERS[header[0]](path)
        arrays = {name: np.array(array) for name, array in arrays_of(found).items()}
    return (header, found.meta, found.chain), getattr(found, "items", None), arrays


def _plain(scores):
    return None if scores is None else scores.tolist()


def assert_same(found, expected):
    assert found[0] == expected[0]
    if expected[1] is not None:
        assert_same_items(found[1], expected[1])
    assert found[2].keys() == expected[2].keys()
    for name, array in expected[2].items():
        np.testing.assert_array_equal(found[2][name], array, strict=True)


def flipped(data, place, bit):
    copy = bytearray(data)
    copy[place] ^= 1 << bit
    return bytes(copy)


def refused(path, *, full=True):
    """Return the message of a file that is not sound. It names the file, in one line."""
    with pytest.raises(UserError) as caught:
        kinds.check(path, full=full)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def found_or_same(path, expected):
    """Return whether damage is found. Where it is not, the file must say what it said."""
    try:
        kinds.check(path, full=True)
    except UserError:
        return True
    assert_same(content(path), expected)
    return False


def test_a_flip_in_a_vector_is_found_and_its_rows_named(whole, vectors, tmp_path):
    data = whole.read_bytes()
    start = data.index(vectors.tobytes())
    path = tmp_path / "flipped.h5"
    rng = np.random.default_rng(2)
    for place in rng.integers(start, start + vectors.nbytes, FLIPS // 3):
        path.write_bytes(flipped(data, int(place), int(rng.integers(8))))
        assert f"'vectors' is damaged in rows 0 to {ROWS - 1}" in refused(path)


def test_the_block_of_a_flip_is_named(tmp_path):
    path, rows = tmp_path / "e.h5", 3000
    many = np.zeros((rows, 512), np.float32)
    many[:, 0] = np.arange(rows)
    table = Items(encode([str(i) for i in range(rows)]))
    embeddings.write_embeddings(path, [many], 512, table, meta={}, chain=[], overwrite=False)
    offset = embeddings.read_embeddings(path).vectors.offset
    path.write_bytes(flipped(path.read_bytes(), offset + 1000 * 512 * 4, 3))
    assert "damaged in rows 512 to 1023" in refused(path)
    assert kinds.check(path, full=False) == "embeddings"


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", ARRAYS)
def test_no_flip_gives_another_table(name, seed, request, tmp_path):
    original = request.getfixturevalue(name)
    data, expected = original.read_bytes(), content(original)
    path = tmp_path / "flipped.h5"
    rng = np.random.default_rng(seed)
    found = 0
    for place in rng.integers(0, len(data), FLIPS // 3):
        path.write_bytes(flipped(data, int(place), int(rng.integers(8))))
        found += found_or_same(path, expected)
    assert found > 2


def test_a_flip_in_the_first_bytes_is_found(whole, tmp_path):
    data, expected = whole.read_bytes(), content(whole)
    path = tmp_path / "flipped.h5"
    for place in range(0, 300, 3):
        path.write_bytes(flipped(data, place, place % 8))
        found_or_same(path, expected)


def test_no_flip_gives_another_number_of_a_model(tmp_path):
    """Single numbers have no checksum of their own: their header has."""
    original = test_model.save(tmp_path, test_model.parts())
    data, expected = original.read_bytes(), content(original)
    path, number = tmp_path / "flipped.h5", np.float32(-1.5).tobytes()
    assert data.count(number) == 3
    place = -1
    for _ in range(3):
        place = data.index(number, place + 1)
        for bit in range(8 * len(number)):
            path.write_bytes(flipped(data, place + bit // 8, bit % 8))
            assert found_or_same(path, expected)


@pytest.mark.parametrize("name", ARRAYS)
def test_a_file_that_is_cut_off_is_refused(name, request, tmp_path):
    data = request.getfixturevalue(name).read_bytes()
    path = tmp_path / "cut.h5"
    lengths = [*range(0, 50, 2), *np.linspace(50, len(data) - 1, 40).astype(int)]
    for length in lengths:
        path.write_bytes(data[:length])
        refused(path, full=False)


def test_bytes_behind_the_end_change_nothing(whole, tmp_path):
    path = tmp_path / "longer.h5"
    path.write_bytes(whole.read_bytes() + b"more")
    assert kinds.check(path, full=True) == "embeddings"
    assert_same(content(path), content(whole))


def edited(original, tmp_path, edit):
    """Return a copy of an HDF5 file with something else in it."""
    path = tmp_path / "edited.h5"
    path.write_bytes(original.read_bytes())
    with h5py.File(path, "r+", libver=("v110", "v110")) as file:
        edit(file)
    return path


def test_a_vector_that_is_not_finite_is_found(whole, tmp_path):
    for number in (np.nan, np.inf):
        path = edited(whole, tmp_path, lambda file, n=number: file["vectors"].__setitem__(7, n))
        message = refused(path)
        assert "'vectors' is damaged" in message


def test_a_vector_that_is_not_finite_is_not_written(tmp_path, table, vectors):
    path = tmp_path / "e.h5"
    bad = vectors.copy()
    bad[200, 3] = np.nan
    blocks = (bad[row : row + 64] for row in range(0, ROWS, 64))
    with pytest.raises(UserError, match="the vector of 'image200#ü' is not finite"):
        embeddings.write_embeddings(
            path, blocks, DIMENSION, table, meta={}, chain=[], overwrite=False
        )
    assert list(tmp_path.iterdir()) == []


def test_a_vector_that_is_not_finite_under_a_right_checksum_is_found(tmp_path, monkeypatch):
    path = tmp_path / "e.h5"
    monkeypatch.setattr(embeddings, "finite", lambda blocks, table, name: blocks)
    embeddings.write_embeddings(
        path,
        [np.array([[1], [np.inf]], np.float32)],
        1,
        Items(encode(["a", "b"])),
        meta={},
        chain=[],
        overwrite=False,
    )
    assert refused(path) == f"{path}: the vector of 'b' is not finite"
    assert kinds.check(path, full=False) == "embeddings"


def replaced(name, values):
    """Return an edit that puts other values in the place of a dataset."""

    def edit(file):
        del file[name]
        if values is not None:
            file.create_dataset(name, data=values)

    return edit


def attribute(name, value):
    return lambda file: file.attrs.__setitem__(name, value)


def compact(file):
    """Put the vectors into their header, where no memory map reaches them."""
    del file["vectors"]
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.COMPACT)
    space = h5py.h5s.create_simple((ROWS, DIMENSION))
    h5py.h5d.create(file.id, b"vectors", h5py.h5t.IEEE_F32LE, space, layout)


def json_bytes(text):
    return np.frombuffer(text.encode(), np.uint8)


EDITS = {
    "no kind": (lambda file: file.attrs.__delitem__("kind"), "no attribute 'kind'"),
    "kind is a number": (attribute("kind", 3), "no attribute 'kind'"),
    "kinds": (attribute("kind", np.array([b"embeddings"])), "no attribute 'kind'"),
    "another kind": (attribute("kind", np.bytes_("tree")), "is not one of our files"),
    "another version": (attribute("version", 2), "this release reads version 1 only"),
    "no version": (attribute("version", np.bytes_("1")), "no attribute 'version'"),
    "meta is a list": (replaced("meta", json_bytes("[1]")), "'meta' is not an object"),
    "meta is NaN": (replaced("meta", json_bytes('{"a": NaN}')), "NaN is not a number"),
    "meta is no JSON": (replaced("meta", json_bytes("{")), "not JSON"),
    "no meta": (replaced("meta", None), "no dataset 'meta'"),
    "chain": (replaced("provenance", json_bytes("[1]")), "provenance[0] is not an object"),
    "chain is an object": (replaced("provenance", json_bytes("{}")), "is not a list"),
    "twice": (replaced("items/id", encode(["a"] * ROWS)), "'a' is there twice"),
    "no id": (replaced("items/id", None), "has no items"),
    "an empty id": (replaced("items/id", encode(["", *"bc"] * 100)[:3]), "there are 3"),
    "ids are numbers": (replaced("items/id", np.arange(ROWS)), "'items/id' is int64"),
    "no items": (replaced("items", np.arange(ROWS)), "has no items"),
    "fewer rows": (replaced("items/image", encode(["a"])), "column image has 1 rows"),
    "boxes": (replaced("items/box", np.zeros((ROWS, 3))), "boxes have the shape (300, 3)"),
    "far box": (replaced("items/box", np.full((ROWS, 4), 1.5)), "box is not in [0, 1]"),
    "far north": (replaced("items/latitude", np.full(ROWS, 90.5)), "not in [-90, 90]"),
    "no place": (replaced("items/longitude", np.full(ROWS, np.nan)), "not in [-180, 180]"),
    "kind of item": (replaced("items/kind", np.full(ROWS, 3, np.uint8)), "unknown kind"),
    "flag": (replaced("items/inside", np.full(ROWS, 3, np.uint8)), "'items/inside' is uint8"),
    "column": (lambda file: file.create_dataset("items/colour", data=[1]), "unknown column"),
    "odd text": (replaced("items/image", np.full(ROWS, b"\xff")), "is not UTF-8"),
    "odd label": (replaced("items/labels/names", np.array([b"\xc3", b"b", b"c"])), "not UTF-8"),
    "label twice": (replaced("items/labels/names", np.array([b"b"] * 3)), "label name is there"),
    "codes": (replaced("items/labels/codes", np.full(ROWS, 3)), "a label code has no"),
    "negative": (replaced("items/labels/codes", np.full(ROWS, -1)), "a label code has no"),
    "offsets": (replaced("items/labels/offsets", np.arange(5)), "the label offsets"),
    "falling": (replaced("items/labels/offsets", np.array([0, 9, 5, ROWS])), "offsets"),
    "no offsets": (replaced("items/labels/offsets", None), "no dataset"),
    "no vectors": (replaced("vectors", None), "no dataset 'vectors'"),
    "doubles": (replaced("vectors", np.zeros((ROWS, 2))), "not a contiguous matrix of float32"),
    "one vector": (replaced("vectors", np.zeros((1, 2), np.float32)), "1 vectors for 300 items"),
    "empty": (replaced("vectors", h5py.Empty("f4")), "no dataset 'vectors'"),
    "compact": (compact, "has no place of its own"),
    "no sums": (replaced("vectors.crc32", None), "no dataset 'vectors.crc32'"),
    "few sums": (replaced("vectors.crc32", np.zeros(0, np.uint32)), "do not fit it"),
    "no block": (lambda file: file["vectors.crc32"].attrs.clear(), "do not fit it"),
    "block of 0": (
        lambda file: file["vectors.crc32"].attrs.__setitem__("rows_per_block", 0),
        "do not fit it",
    ),
}


@pytest.mark.parametrize("case", EDITS)
def test_what_no_file_of_ours_says_is_refused(whole, tmp_path, case):
    edit, message = EDITS[case]
    assert message in refused(edited(whole, tmp_path, edit))


def test_a_block_beyond_every_matrix_is_one_block(whole, tmp_path):
    def edit(file):
        file["vectors.crc32"].attrs["rows_per_block"] = np.uint64(2**63)

    assert kinds.check(edited(whole, tmp_path, edit), full=True) == "embeddings"


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        ([0, 300], "a pair names a row that is not there"),
        ([0, -1], "a pair names a row that is not there"),
        ([1, 2], "an item is its own parent"),
        ([0], "1 parents for 2 children"),
    ],
)
def test_pairs_that_are_none_are_refused(pair_file, tmp_path, parent, message):
    def edit(file):
        replaced("parent", np.array(parent))(file)
        replaced("child", np.array([1, 3]))(file)

    assert refused(edited(pair_file, tmp_path, edit)).endswith(message)


def test_a_file_of_another_kind_is_refused_where_one_is_needed(whole, pair_file, tmp_path):
    with pytest.raises(UserError, match="is a pairs file; an embeddings file is needed"):
        embeddings.read_embeddings(pair_file)
    with pytest.raises(UserError, match="is an embeddings file; a pairs file is needed"):
        pairs.read_pairs(whole)
    path = tmp_path / "r.jsonl"
    rejects.write_rejects(path, [], chain=[], overwrite=False)
    with pytest.raises(UserError, match="is a rejects file; a hierarchy file is needed"):
        hierarchy.read_hierarchy(path)
    with pytest.raises(UserError, match="is not an HDF5 file"):
        embeddings.read_embeddings(path)


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    """A file of text of every kind, by kind."""
    folder = tmp_path_factory.mktemp("texts")
    paths = {kind: folder / kind for kind in TEXT_KINDS}
    paths["hierarchy"].write_text(document('[{"parent": "a", "child": "b", "proportion": 0.5}]'))
    paths["counts"].write_text(json.dumps(COUNTS))
    lines = [{"id": "a", "path": "a.jpg", "reason": "ü"}] * 3
    rejects.write_rejects(paths["rejects"], lines, chain=[], overwrite=False)
    test_log.log(paths["log"])
    ranked(paths["results"], "jsonl")
    test_predictions.save(paths["predictions"])
    test_masks.save(paths["masks"])
    test_metrics.save(paths["metrics"], test_metrics.found(test_metrics.ROW, test_metrics.OTHER))
    return paths


TEXT_KINDS = (
    "hierarchy", "counts", "rejects", "log", "results", "predictions", "metrics", "masks",
)  # fmt: skip
LINES = ("rejects", "log", "results", "predictions", "masks")


def sound_or_message(path):
    try:
        kinds.KINDS[kinds.check(path, full=True)].describe(path)
    except UserError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_text_with_a_flip_is_sound_or_refused_in_a_line(texts, kind, tmp_path):
    """Text has no checksum, but whatever it says is read as such, or is said to be wrong."""
    data, path = texts[kind].read_bytes(), tmp_path / "flipped"
    assert kinds.check(texts[kind], full=True) == kind
    rng = np.random.default_rng(4)
    found = 0
    for place in rng.integers(0, len(data), FLIPS):
        path.write_bytes(flipped(data, int(place), int(rng.integers(8))))
        message = sound_or_message(path)
        assert not message or (message.startswith(str(path)) and "\n" not in message)
        found += bool(message)
    assert found > FLIPS // 5


@pytest.mark.parametrize("kind", TEXT_KINDS)
def test_text_that_is_cut_off_is_refused(texts, kind, tmp_path):
    """Of JSON Lines whole lines may be missing: nothing says how many there were."""
    data, path = texts[kind].read_bytes().rstrip(b"\n"), tmp_path / "cut"
    whole = {i for i, byte in enumerate(data) if byte == ord("\n")} if kind in LINES else set()
    whole |= {i + 1 for i in whole}
    for length in sorted({*range(0, len(data), max(1, len(data) // 150))} - whole):
        path.write_bytes(data[:length])
        refused(path)
    for length in whole:
        path.write_bytes(data[:length])
        assert kinds.check(path, full=True) == kind


def test_every_kind_is_damaged(request):
    read = {kinds.header(request.getfixturevalue(name))[0] for name in ARRAYS}
    assert read | set(TEXT_KINDS) == set(kinds.KINDS)


NODES = '"nodes": [{"id": "a", "name": "a"}, {"id": "b", "name": "b"}]'
REST = '"leaves": [], "dropped": [], "source": {}, "parameters": {}, "statistics": {}'
DROPPED = '{"parent": "a", "child": "b", "reason": "?"}'
START = '{"kind": "hierarchy", "version": 1, "provenance": [], "distance": "path", '


def document(edges="[]", nodes=NODES, rest=REST):
    return f'{START}{nodes}, "edges": {edges}, {rest}}}'


def test_the_document_that_the_cases_change_is_sound(tmp_path):
    for text in (document(), json.dumps(json.loads(document()), indent=1)):
        (tmp_path / "h.json").write_text(text)
        assert kinds.check(tmp_path / "h.json", full=True) == "hierarchy"


def test_line_breaks_do_not_matter(tmp_path):
    (tmp_path / "h.json").write_text(document().replace(", ", ",\n", 1))
    assert kinds.check(tmp_path / "h.json", full=True) == "hierarchy"


TEXTS = {
    "cut off": (document()[:-20], "not JSON"),
    "NaN": (document('[{"parent": "a", "child": "b",\n "proportion": NaN}]'), ":2: NaN is not"),
    "infinity": (document('[{"parent": "a", "child": "b", "proportion": -Infinity}]'), "-Infin"),
    "beyond float": (document(rest=REST.replace("{}", '{"a": 1e999}')), ":1: 1e999 is not"),
    "digits": (document(rest=REST.replace("{}", '{"a": %s}' % ("1" * 5000))), "too many digits"),
    "half": (document(rest=REST.replace("{}", '{"a": "\\ud83d"}')), "half a character"),
    "key twice": (document()[:-1] + ', "kind": "hierarchy"}', 'the key "kind" is there twice'),
    "depth": (START + '"a": ' + "[" * 100_000, "nested too deeply"),
    "depth of objects": ('{"a": ' * 100_000, "nested too deeply"),
    "only brackets": ("[" * 100_000, "is not one of our files"),
    "a list": ("[]", "is not one of our files"),
    "null": ('{"kind": null}', "is not one of our files"),
    "a list of kinds": ('{"kind": ["hierarchy"]}', "is not one of our files"),
    "another kind": ('{"kind": "tree"}', "is not one of our files"),
    "no version": ('{"kind": "hierarchy", "provenance": []}', "no key 'version'"),
    "version": (document().replace('version": 1', 'version": 2'), "reads version 1 only"),
    "text version": (document().replace('version": 1', 'version": "1"'), "whole number"),
    "provenance": (document().replace('provenance": []', 'provenance": [1]'), "not an object"),
    "no distance": (document().replace('"distance": "path", ', ""), "no key 'distance'"),
    "node twice": (document(nodes=NODES.replace('"b"', '"a"')), "id is there twice"),
    "node": (document(nodes='"nodes": [{"id": 7, "name": "a"}]'), "nodes[0].id is not text"),
    "no such node": (document('[{"parent": "a", "child": "c"}]'), "'c' is in an edge"),
    "leaf": (document(rest=REST.replace("[]", "[[]]", 1)), "leaves is not a list of texts"),
    "edge twice": (document('[{"parent": "a", "child": "b"}, {"parent": "a", "child": "b"}]'), ""),
    "loop": (document('[{"parent": "a", "child": "a"}]'), "cycle: a > a"),
    "cycle": (
        document('[{"parent": "a", "child": "b"}, {"parent": "b", "child": "a"}]'),
        "the hierarchy has a cycle",
    ),
    "order": (document('[{"parent": "b", "child": "a"}]'), "'a' stands before its parent 'b'"),
    "count": (document('[{"parent": "a", "child": "b", "frequency": 1.5}]'), "whole number"),
    "reason": (
        document(rest=REST.replace('"dropped": []', f'"dropped": [{DROPPED}]')),
        "reason is not one of",
    ),
    "words": ("hello\n", "is not one of our files"),
    "empty": ("", "is empty"),
    "blank": (" \n", "is not one of our files"),
    "rejects line": ('{"kind": "rejects", "version": 1, "provenance": []}\n{"id": 1}\n', "line 2"),
    "rejects cut": ('{"kind": "rejects", "version": 1, "provenance": []}\n{"id": "a', "line 2"),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text_that_is_no_sound_file_is_refused(tmp_path, case):
    text, message = TEXTS[case]
    path = tmp_path / "t.json"
    path.write_text(text)
    assert message in refused(path)


COUNTS = {
    "kind": "counts",
    "version": 1,
    "provenance": [],
    "source": {"format": "openimages", "files": []},
    "parameters": {},
    "shards": [[0, 2]],
    "statistics": {"boxes": 3},
    "labels": [{"id": "a", "name": "A", "count": 3}, {"id": "b", "name": "B", "count": 2}],
    "pairs": [{"parent": "a", "child": "b", "frequency": 2, "holders": 1}],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shards": [[2, 2]]}, "is not [I, N]"),
        ({"shards": [[0]]}, "is not [I, N]"),
        ({"source": {}}, "no key 'files'"),
        ({"source": {"files": [1]}}, "source.files is not a list of texts"),
        ({"statistics": {"boxes": -1}}, "statistics.boxes is not a whole number"),
        ({"labels": COUNTS["labels"][:1]}, "the pair 'a', 'b' has no label"),
        ({"labels": COUNTS["labels"] * 2}, "is there twice"),
        ({"pairs": COUNTS["pairs"] * 2}, "is there twice"),
        ({"pairs": [{**COUNTS["pairs"][0], "holders": 3}]}, "holders are not of the boxes"),
        ({"pairs": [{**COUNTS["pairs"][0], "frequency": True}]}, "whole number"),
        ({"pairs": {}}, "pairs is not a list"),
    ],
)
def test_counts_that_cannot_be_are_refused(tmp_path, change, message):
    path = tmp_path / "c.json"
    path.write_text(json.dumps(COUNTS))
    assert kinds.check(path, full=True) == "counts"
    path.write_text(json.dumps({**COUNTS, **change}))
    assert message in refused(path)


def test_a_folder_and_a_missing_file_are_refused(tmp_path):
    assert refused(tmp_path).endswith("is a folder; name a file")
    assert refused(tmp_path / "none.h5").endswith("no such file")
    for read in (
        hierarchy.read_hierarchy, counts.read_counts, rejects.read_rejects, log.read_log,
        lambda path: list(results.read_results(path)[1]), metrics.read_metrics,
        lambda path: list(predictions.read_predictions(path)[1]),
        *READERS.values(),
    ):  # fmt: skip
        with pytest.raises(UserError, match=r"(?i)is a (folder|directory)"):
            read(tmp_path)
