"""results: the same rankings in three formats, and those of others; what is no ranking."""

import gzip
import io
import json
import sys

import h5py
import numpy as np
import pytest
from hypothesis import given

from hiertools.errors import OutputExistsError, UsageError, UserError
from hiertools.files import inputs, kinds
from hiertools.files.inputs import Source
from hiertools.files.results import Ranking, describe, read_results, write_results
from hiertools.files.trec import UNFIT
from tests import strategies
from tests.files.test_model import edit
from tests.files.test_round_trips import few, written

ABOUT = {"index": "0" * 64, "by": "angle", "k": 3}
HEADER = {"kind": "results", "version": 1, "provenance": [], **ABOUT}


def ranking(query="q", ids=("a", "b"), scores=(2.0, -1.5), labels=("x", None)):
    return Ranking(query, list(ids), np.array(scores, np.float64), list(labels))


RANKINGS = [ranking(), ranking("p", (), (), ()), ranking("ü#1", ("b",), (1e-300,), ("y z",))]


def plain(rankings):
    """Return rankings as what can be compared."""
    rankings = list(rankings)
    for each in rankings:
        assert each.scores.dtype == np.float64
    return [(r.query, r.ids, r.scores.tolist(), r.labels) for r in rankings]


def unlabelled(rankings):
    """Return rankings as a TREC run has them."""
    return [(r.query, r.ids, r.scores.tolist(), [None] * len(r.ids)) for r in rankings if r.ids]


def save(path, rankings=RANKINGS, format="jsonl", **options):
    options = {"chain": [], "overwrite": True, **options}
    write_results(path, ABOUT, rankings, format=format, **options)
    return path


def load(path):
    header, rankings = read_results(path)
    return header, list(rankings)


def sample(path):
    return save(path, format="h5")


@few
@given(strategies.rankings(), strategies.headers, strategies.chains)
@pytest.mark.parametrize("format", ["jsonl", "h5"])
def test_results(tmp_path, format, drawn, header, chain):
    def write(path):
        write_results(path, header, drawn, format=format, chain=chain, overwrite=True)

    found, rankings = load(written(tmp_path, f"r.{format}", write))
    assert plain(rankings) == plain(drawn)
    assert [each.category for each in rankings] == [each.category for each in drawn]
    assert found == {"kind": "results", "version": 1, "provenance": chain, **header}


words = strategies.ids.filter(lambda text: not UNFIT.search(text))


@few
@given(strategies.rankings(words))
def test_trec_runs(tmp_path, drawn):
    path = tmp_path / "r.trec"
    if unlabelled(drawn):
        header, rankings = load(save(path, drawn, "trec"))
        assert header == {}
        assert plain(rankings) == unlabelled(drawn)


def test_what_is_in_the_lines(tmp_path):
    lines = save(tmp_path / "r.jsonl").read_text(encoding="utf-8").splitlines()
    assert list(json.loads(lines[0])) == ["kind", "version", "provenance", "index", "by", "k"]
    assert lines[1:] == [
        '{"query": "q", "hits": [{"id": "a", "score": 2.0, "label": "x"},'
        ' {"id": "b", "score": -1.5}]}',
        '{"query": "p", "hits": []}',
        '{"query": "ü#1", "hits": [{"id": "b", "score": 1e-300, "label": "y z"}]}',
    ]
    text = save(tmp_path / "r.trec", format="trec").read_text(encoding="utf-8")
    assert text == (
        "q Q0 a 1 2.0 hiertools\nq Q0 b 2 -1.5 hiertools\nü#1 Q0 b 1 1e-300 hiertools\n"
    )


def test_a_query_may_have_a_category(tmp_path):
    found = Ranking("q", ["a"], np.array([1.0]), [None], "oak")
    path = save(tmp_path / "r.jsonl", [found, ranking("p")])
    assert path.read_text().splitlines()[1] == (
        '{"query": "q", "category": "oak", "hits": [{"id": "a", "score": 1.0}]}'
    )
    for form in ("jsonl", "h5"):
        read = load(save(tmp_path / f"r.{form}", [found, ranking("p")], form))[1]
        assert [each.category for each in read] == ["oak", None]
    edit(tmp_path / "r.h5", lambda file: file.__delitem__("categories/codes"))
    assert [each.category for each in load(tmp_path / "r.h5")[1]] == [None, None]
    path.write_text(path.read_text().replace('"oak"', "3"))
    with pytest.raises(UserError, match="category is not text"):
        load(path)


def test_a_header_that_was_read_can_be_written(tmp_path):
    path = save(tmp_path / "r.jsonl", chain=[{"command": "query"}])
    header, rankings = read_results(path)
    other = tmp_path / "o.h5"
    write_results(other, header, rankings, format="h5", chain=[], overwrite=False)
    assert load(other)[0] == HEADER
    with h5py.File(other) as file:
        assert json.loads(file["meta"][:].tobytes()) == ABOUT


@pytest.mark.parametrize("format", ["jsonl", "trec"])
def test_standard_output_and_input(tmp_path, capfdbinary, monkeypatch, format):
    written = save(tmp_path / "r", format=format).read_bytes()
    save(inputs.STDIN, format=format)
    out = capfdbinary.readouterr().out
    assert out == written
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(out)))
    assert plain(load(inputs.STDIN)[1]) == plain(load(tmp_path / "r")[1])


def test_arrays_do_not_go_through_a_pipe(tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="HDF5 does not go through a pipe"):
        save(inputs.STDIN, format="h5")
    data = save(tmp_path / "r.h5", format="h5").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    with pytest.raises(UsageError, match="HDF5 does not come through a pipe"):
        load(inputs.STDIN)


@pytest.mark.parametrize("format", ["jsonl", "trec"])
def test_a_line_is_written_before_the_next_ranking_is_asked_for(capfd, format):
    def one_by_one():
        yield ranking("first")
        assert "first" in capfd.readouterr().out
        yield ranking("second")

    save(inputs.STDIN, one_by_one(), format)
    assert "second" in capfd.readouterr().out


def test_a_ranking_is_read_before_the_line_behind_it(tmp_path):
    path = save(tmp_path / "r.jsonl")
    path.write_bytes(path.read_bytes() + b"{")
    _, rankings = read_results(path)
    assert plain([next(rankings) for _ in RANKINGS]) == plain(RANKINGS)
    with pytest.raises(UserError, match=r"r\.jsonl: line 5:1: not JSON"):
        next(rankings)
    assert kinds.header(path) == ("results", 1, [])


@pytest.mark.parametrize("format", ["jsonl", "h5", "trec"])
def test_what_is_no_ranking_is_not_written(tmp_path, format):
    path = save(tmp_path / "r", format=format)
    before = path.read_bytes()
    nan = float("nan")
    cases = {
        "query 1: the query 'q' is there twice": [ranking(), ranking()],
        "query 0: the hit 'a' is there twice": [ranking(ids=("a", "a"))],
        "query 0: the score of 'b' is not finite": [ranking(scores=(1, nan))],
        "query 0: the score of 'a' is not finite": [ranking(scores=(np.inf, 1))],
        "query 0: the hit 'b' has a higher score": [ranking(scores=(1, 2))],
        "query 0: 2 ids, 1 scores, 2 labels": [ranking(scores=(1,))],
        "query 0: 2 ids, 2 scores, 0 labels": [ranking(labels=())],
    }
    for message, rankings in cases.items():
        with pytest.raises(UserError) as caught:
            save(path, rankings, format)
        assert str(caught.value).startswith(f"{path}: {message}")
        assert [each.read_bytes() for each in tmp_path.iterdir()] == [before]


def test_equal_scores_are_a_ranking(tmp_path):
    same = [ranking(scores=(1, 1))]
    assert plain(load(save(tmp_path / "r.jsonl", same))[1]) == plain(same)


def test_an_output_that_is_there_stays(tmp_path):
    path = save(tmp_path / "r.jsonl")
    with pytest.raises(OutputExistsError):
        save(path, overwrite=False)


@pytest.mark.parametrize("text", ["a b", "a\tb", "a\u2028b", "a\x85", "\ufeffa", "", "\n", "a\0"])
def test_an_id_that_is_no_word_is_not_written_into_a_run(tmp_path, text):
    for rankings in ([ranking(text)], [ranking(ids=("a", text))]):
        with pytest.raises(UserError, match="is no word, as TREC needs; use --format jsonl"):
            save(tmp_path / "r.trec", rankings, "trec")
    assert list(tmp_path.iterdir()) == []


def test_a_run_of_others_is_grouped_and_ordered_by_rank(tmp_path):
    path = tmp_path / "run"
    path.write_bytes(
        b"\xef\xbb\xbfq2 Q0 c 2 .5 tag\r\nq1\tQ0\ta  1 7 x\nq2 0 b 1 0.25 tag\nq2 Q0 a 2 9e0 tag"
    )
    header, rankings = load(path)
    assert header == {}
    assert plain(rankings) == [
        ("q2", ["b", "c", "a"], [0.25, 0.5, 9.0], [None] * 3),
        ("q1", ["a"], [7.0], [None]),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q Q0 a 1 2", ":2: is not QUERY Q0 ID RANK SCORE TAG, nor JSON Lines"),
        ("q Q0 a 1 2 tag more", ":2: is not QUERY"),
        ("", ":2: is not QUERY"),
        ("q Q0 a one 2 tag", ":2: the rank or the score is not a number"),
        ("q Q0 a 1.0 2 tag", ":2: the rank or the score is not a number"),
        ("q Q0 a 1 high tag", ":2: the rank or the score is not a number"),
        ("q Q0 \udcff 1 2 tag", ":2: is not UTF-8 text"),
        ("q Q0 a 1 nan tag", ":2: the score nan is not finite"),
        ("q Q0 a 1 -inf tag", ":2: the score -inf is not finite"),
        ("p Q0 b 9 1 tag", ": line 1: the hit 'b' is there twice"),
        (f"q Q0 a {'1' * 5000} 2 tag", ":2: the rank or the score is not a number"),
    ],
)
def test_a_run_that_is_none_is_refused(tmp_path, line, message):
    path = tmp_path / "run"
    path.write_bytes(f"p Q0 b 1 2 tag\n{line}\np Q0 c 2 1 tag\n".encode(errors="surrogateescape"))
    with pytest.raises(UserError) as caught:
        load(path)
    assert str(caught.value).startswith(f"{path}{message}")


def test_lines_of_others_need_no_header_and_no_order(tmp_path):
    path = tmp_path / "r.jsonl"
    path.write_text(
        '\ufeff{"query": "q", "hits": [{"id": "a", "score": 1, "colour": [null]}, '
        '{"id": "b", "score": 2, "label": "x"}], "time": 3}\n{"hits": [], "query": "p"}'
    )
    header, rankings = load(path)
    assert header == {}
    assert plain(rankings) == [("q", ["a", "b"], [1.0, 2.0], [None, "x"]), ("p", [], [], [])]
    with pytest.raises(UserError, match="is not one of our files"):
        kinds.check(path, full=True)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"query": "q", "hits": [{"id": "a", "score": NaN}]}', "line 3:1: NaN is not a number"),
        ('{"query": "q", "hits": [{"id": "a", "score": 1e999}]}', "line 3:1: 1e999 is not a"),
        ('{"query": "q", "hits": [{"id": "a", "score": null}]}', "score is not a finite number"),
        ('{"query": "q", "hits": [{"id": "a"}]}', "line 3.hits[0]: no key 'score'"),
        ('{"query": "q", "hits": [{"id": 7, "score": 1}]}', "line 3.hits[0].id is not text"),
        (
            '{"query": "q", "hits": [{"id": "a", "score": 1, "label": null}]}',
            "line 3.hits[0].label is not text",
        ),
        ('{"query": "q", "hits": [["a", 1]]}', "line 3.hits[0] is not an object"),
        ('{"query": "q"}', "line 3: no key 'hits'"),
        ('{"query": 3, "hits": []}', "line 3.query is not text"),
        ('{"query": "first", "hits": []}', "line 3: the query 'first' is there twice"),
        (
            '{"query": "q", "hits": [{"id": "a", "score": 1}, {"id": "a", "score": 1}]}',
            "line 3: the hit 'a' is there twice",
        ),
        (
            '{"query": "q", "hits": [{"id": "a", "score": 1}, {"id": "b", "score": 2}]}',
            "line 3: the hit 'b' has a higher score than the one before",
        ),
        ('{"query": "q", "hits": [', "line 3:2: not JSON"),
        ("", "line 3:2: not JSON"),
        ('{"query": "q", "query": "q", "hits": []}', 'line 3: the key "query" is there twice'),
        ("[]", "line 3 is not an object"),
    ],
)
def test_a_line_that_is_no_ranking_is_refused(tmp_path, line, message):
    path = tmp_path / "r.jsonl"
    first, last = ({"query": name, "hits": []} for name in ("first", "last"))
    path.write_text("\n".join([*map(json.dumps, (HEADER, first)), line, json.dumps(last), ""]))
    for read in (load, describe, lambda path: kinds.check(path, full=False)):
        with pytest.raises(UserError) as caught:
            read(path)
        assert message in str(caught.value)
        assert str(caught.value).startswith(f"{path}: line 3")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"version": 2}, "results version 2; this release reads version 1 only"),
        ({"kind": "rejects"}, "is a rejects file; a results file is needed"),
        ({"kind": 3}, "is not one of our files; a results file is needed"),
        ({"provenance": [3]}, "provenance[0] is not an object"),
    ],
)
def test_a_header_that_is_none_is_refused(tmp_path, header, message):
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps(HEADER | header) + "\n")
    with pytest.raises(UserError) as caught:
        read_results(path)
    assert message in str(caught.value)


def replaced(name, values):
    def change(file):
        del file[name]
        file.create_dataset(name, data=values)

    return change


LAST = np.iinfo(np.int64).max


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("offsets", np.array([0, 2, 2]), "the offsets do not fit the queries and the hits"),
        ("offsets", np.array([0, 2, 1, 3]), "the offsets do not fit"),
        ("offsets", np.array([0, LAST, -LAST, 3]), "the offsets do not fit"),
        ("offsets", np.array([1, 2, 2, 3]), "the offsets do not fit"),
        ("offsets", np.zeros(0, np.int64), "the offsets do not fit"),
        ("scores", np.array([2.0, 1.0]), "the offsets do not fit"),
        ("scores", np.array([1.0, 2.0, 0.0]), "query 0: the hit 'b' has a higher score"),
        ("scores", np.array([1.0, np.nan, 0.0]), "query 0: the score of 'b' is not finite"),
        ("scores", np.array([3, 2, 1]), "'scores' is int64"),
        ("ids/codes", np.array([0, 2, 1], np.int32), "a code of 'ids' has no name"),
        ("ids/codes", np.array([0, -1, 1], np.int32), "a code of 'ids' has no name"),
        ("ids/codes", np.array([0, 0, 1], np.int32), "query 0: the hit 'a' is there twice"),
        ("ids/names", np.array([b"a", b"\xff"]), "a text of 'ids/names' is not UTF-8"),
        ("labels/codes", np.array([0, -2, 1], np.int32), "a code of 'labels' has no name"),
        ("labels/codes", np.array([0, 1], np.int32), "the offsets do not fit"),
        ("queries", np.array([b"q", b"q", b"p"]), "query 1: the query 'q' is there twice"),
        ("queries", np.array([b"q"]), "the offsets do not fit"),
    ],
)
def test_arrays_that_are_no_rankings_are_refused(tmp_path, name, values, message):
    path = edit(save(tmp_path / "r.h5", format="h5"), replaced(name, values))
    with pytest.raises(UserError) as caught:
        kinds.check(path, full=False)
    assert str(caught.value).startswith(f"{path}: {message}")


def test_compressed_lines_and_a_source_that_is_digested(tmp_path):
    path = tmp_path / "r.jsonl.gz"
    path.write_bytes(gzip.compress(save(tmp_path / "r.jsonl").read_bytes()))
    source = Source(path)
    header, rankings = read_results(source)
    assert (header, plain(rankings)) == (HEADER, plain(RANKINGS))
    assert source.digest() == inputs.digest_file(path)
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(UserError, match="gzip data is truncated or damaged"):
        load(path)


def test_a_format_that_is_none_is_a_fault(tmp_path):
    with pytest.raises(ValueError, match="csv: not one of"):
        save(tmp_path / "r.csv", format="csv")


def test_a_folder_and_an_empty_file_are_refused(tmp_path):
    with pytest.raises(UserError, match="is a folder; a file is needed"):
        load(tmp_path)
    (tmp_path / "empty").touch()
    with pytest.raises(UserError, match="empty: is empty"):
        load(tmp_path / "empty")


@pytest.mark.parametrize("format", ["jsonl", "h5"])
def test_info_counts_queries_and_hits(tmp_path, format):
    assert describe(save(tmp_path / "r", format=format)) == {"queries": 3, "hits": 3, **ABOUT}


AGAIN = Ranking(
    "q", ["a", "c"], np.array([0.5, 0.25]), [None, "x"], None, ("spatial", "diffusion"),
    np.array([0.25, np.nan]), [{"inliers": 7}, None],
)  # fmt: skip


@pytest.mark.parametrize("format", ["jsonl", "h5"])
def test_what_was_before_re_ranking_is_kept(tmp_path, format):
    file = save(tmp_path / "r", [AGAIN, ranking("p")], format=format)
    again, plain_one = load(file)[1]
    assert again.reranked == ("spatial", "diffusion")
    np.testing.assert_equal(again.initial, AGAIN.initial)
    assert again.explained == (AGAIN.explained if format == "jsonl" else None)
    assert (plain_one.reranked, plain_one.initial, plain_one.explained) == ((), None, None)


def test_a_hit_that_was_none_has_no_initial_score(tmp_path):
    line = save(tmp_path / "r", [AGAIN]).read_text().splitlines()[1]
    first, second = json.loads(line)["hits"]
    assert first == {"id": "a", "score": 0.5, "initial": 0.25, "explained": {"inliers": 7}}
    assert second == {"id": "c", "score": 0.25, "label": "x"}


def test_initial_scores_that_are_none_are_refused(tmp_path):
    wrong = Ranking("q", ["a"], np.ones(1), [None], None, ("aqe",), np.array([np.inf]))
    with pytest.raises(UserError, match="initial score of 'a' is not finite"):
        save(tmp_path / "r", [wrong])
