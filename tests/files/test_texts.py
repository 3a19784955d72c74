import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hiertools.files.texts import Codes, Texts

lightly = settings(deadline=None, max_examples=60)
some = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", "a", "a\0", "\0", "12345678", "123456789", "12345678\0", "日本", "nan"]),
)


@lightly
@given(st.lists(some, max_size=30))
def test_texts_come_back(texts):
    found = Texts.of(texts)
    assert (found.to_list(), len(found)) == (texts, len(texts))


@lightly
@given(st.lists(st.lists(some, max_size=30), max_size=6))
def test_codes_are_those_of_a_dictionary(batches):
    codes, known = Codes(), {}
    for batch in batches:
        before = len(known)
        wanted = [known.setdefault(text, len(known)) for text in batch]
        assert codes.of(Texts.of(batch)).tolist() == wanted
        assert codes.new().to_list() == list(known)[before:]
        assert len(codes) == len(known)
    assert codes.texts().to_list() == list(known)


def test_codes_hold_while_the_table_grows():
    codes = Codes()
    texts = [f"{i:x}" * (i % 4) for i in range(20_000)]
    known = {}
    wanted = [known.setdefault(text, len(known)) for text in texts]
    for start in range(0, len(texts), 700):
        found = codes.of(Texts.of(texts[start : start + 700]))
        assert found.tolist() == wanted[start : start + 700]
    assert codes.of(Texts.of(texts)).tolist() == wanted
    assert codes.texts().to_list() == list(known)


@pytest.mark.parametrize("text", ["a", "abcdefgh", "abcdefghi"])
def test_texts_at_the_very_end_of_the_data_are_read_whole(text):
    data = np.frombuffer(b"12345678" + text.encode(), np.uint8)
    places = np.array([8]), np.array([len(data)])
    codes = Codes()
    assert codes.of(Texts(data, *places)).tolist() == [0]
    assert codes.of(Texts.of(["other", text])).tolist() == [1, 0]
    assert codes.texts().to_list() == [text, "other"]
