"""Precisions are words with a grammar; a picture's channels are the entries of its mean."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from compress_onnx.records.artifacts import Precision, Preprocessing

BITS = st.integers(1, 64)
WIDTHS = st.one_of(
    st.sampled_from(["fp16", "fp32", "fp64", "bf16"]),
    st.builds("W{}A{}".format, BITS, BITS),
    st.builds("W{}A{} dynamic".format, BITS, BITS),
    st.builds("W{} (weight only)".format, BITS),
    st.builds("WF{}AF{}".format, BITS, BITS),
)
SHARES = st.lists(st.tuples(WIDTHS, st.integers(1, 9)), min_size=1, max_size=3)


def _mixed(shares: list[tuple[str, int]]) -> str:
    return ", ".join(f"{width} in {count} of {sum(n for _, n in shares)}" for width, count in shares)


@given(st.one_of(WIDTHS, SHARES.map(_mixed)))
def test_any_width_and_any_mixture_is_a_value_that_disk_and_workers_bring_back(word: str) -> None:
    precision = Precision(word)
    assert precision == word
    adapter = TypeAdapter(Precision)
    assert adapter.validate_json(adapter.dump_json(precision)) is not None
    assert adapter.validate_json(adapter.dump_json(precision)) == precision
    assert pickle.loads(pickle.dumps(precision)) == precision  # noqa: S301  # our own bytes


@pytest.mark.parametrize("word", ["", "W8", "w8a16", "W8A8 in 3", "fp32 fp32", "W8A8 in 3 of 4,", 8, None])
def test_other_words_are_no_precision(word: object) -> None:
    with pytest.raises(ValueError, match="is not a valid Precision"):
        Precision(word)


@pytest.mark.parametrize(
    ("word", "is_float", "has_4_bits"),
    [
        ("fp32", True, False),
        ("bf16", True, False),
        ("w8a8", False, False),
        ("w4a8", False, True),
        ("mixed", False, True),
        ("W4 (weight only)", False, True),
        ("W8A8 in 14 of 20, W4A8 in 6 of 20", False, True),
        ("W8A16", False, False),
    ],
)
def test_a_precision_tells_floats_and_four_bits(word: str, *, is_float: bool, has_4_bits: bool) -> None:
    assert (Precision(word).is_float, Precision(word).has_4_bits) == (is_float, has_4_bits)


def test_the_words_on_disk_stay_as_they_are() -> None:
    assert [*Precision] == ["fp32", "w8a8", "w4a8", "mixed"]


@pytest.mark.parametrize("mean", [(0.5,), (0.1, 0.2, 0.3)])
def test_channels_are_the_entries_of_the_mean(mean: tuple[float, ...]) -> None:
    assert Preprocessing(height=1, width=1, mean=mean, std=mean).channels == len(mean)
