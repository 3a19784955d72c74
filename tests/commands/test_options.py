"""What options that commands share are read as."""

import pytest

from hiertools.commands.options import parse_tags
from hiertools.errors import UsageError


def test_tags_keep_their_order_and_all_after_the_first_equals_sign():
    found = parse_tags(["seed=0", "loss=pairwise:balance=0.5", "name=a b"])
    assert list(found.items()) == [
        ("seed", "0"),
        ("loss", "pairwise:balance=0.5"),
        ("name", "a b"),
    ]
    assert parse_tags(None) == parse_tags([]) == {}


@pytest.mark.parametrize("text", ["", "loss", "=hxe", "loss=", "a b=c", "a,b=c"])
def test_what_is_no_tag_is_refused(text):
    with pytest.raises(UsageError, match="NAME=VALUE"):
        parse_tags([text])


def test_a_name_comes_once():
    with pytest.raises(UsageError, match="seed is there already, as '0'"):
        parse_tags(["seed=0", "seed=1"])
