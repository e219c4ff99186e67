"""Dotted names: any class name stands in one, and what a policy wrote is found or answered with near names."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.errors import UnknownNameError
from compress_onnx.gate.names import RESERVED, resolved, segment, unquoted

NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12)


@given(st.lists(NAMES, min_size=2, max_size=6, unique=True))
def test_no_two_classes_share_a_name(names: list[str]) -> None:
    assert len({f"classes.{segment(name)}.change" for name in [*names, *RESERVED]}) == len({*names, *RESERVED})


@given(NAMES)
def test_a_segment_is_the_name_or_quotes_it_as_toml_does(name: str) -> None:
    written = segment(name)
    if written == name:
        assert not set(name) & set('."\\')
        assert name == name.strip()
    else:
        assert tomllib.loads(f"name = {written}") == {"name": name}


@given(NAMES)
def test_without_its_quotes_a_segment_is_the_name(name: str) -> None:
    assert unquoted(f"classes.{segment(name)}.change") == f"classes.{name}.change"


def test_what_is_written_letter_for_letter_comes_first() -> None:
    names = ["classes.worst.change", 'classes."worst".change']
    assert [resolved(name, names) for name in names] == names


def test_quotes_may_be_left_out_where_one_name_is_meant() -> None:
    assert resolved("classes.no. 7.change", ['classes."no. 7".change']) == 'classes."no. 7".change'
    assert resolved('classes."cat".change', ["classes.cat.change"]) == "classes.cat.change"


def test_two_names_alike_are_both_offered() -> None:
    names = ['classes."a.b".change', 'classes.a."b".change']
    with pytest.raises(UnknownNameError, match=r'Did you mean classes\."a\.b"\.change or classes\.a\."b"\.change\?'):
        resolved("classes.a.b.change", names)


def test_an_unknown_name_is_answered_with_near_ones_and_how_to_list_all() -> None:
    with pytest.raises(
        UnknownNameError, match=r"a measure of this run, got 'flip.rate' \(policy\).*flips\.rate\?.*All 2 .*--list"
    ):
        resolved("flip.rate", ["flips.rate", "accuracy.change"])
