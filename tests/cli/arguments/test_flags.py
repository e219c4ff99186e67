"""Declared options as flags: the same help, and their bounds held before any work."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.cli.arguments.flags import counts, flag
from compress_onnx.errors import OptionError
from compress_onnx.options import BATCH, CPU, SEED


def test_a_flag_says_what_its_option_says_and_more() -> None:
    assert flag(SEED).help == SEED.help
    assert flag(CPU, more="One of two.").help == f"{CPU.help} One of two."


def test_a_flag_checks_at_once_and_lets_pass_what_is_not_given() -> None:
    check = flag(SEED).callback
    assert (check(3), check(None)) == (3, None)
    with pytest.raises(OptionError, match="seed at least 0, got -1"):
        check(-1)


@given(st.lists(st.integers(1, 50), min_size=1))
def test_counts_are_each_once_in_their_order(numbers: list[int]) -> None:
    assert list(counts(",".join(map(str, numbers)), BATCH)) == sorted(set(numbers), key=numbers.index)


@pytest.mark.parametrize("text", ["", "a", "1,,2", "1.5"])
def test_counts_are_whole_numbers(text: str) -> None:
    with pytest.raises(OptionError, match="--batch as whole numbers joined by commas"):
        counts(text, BATCH)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("inspect", "base", "--images", 0), "images at least 1"),
        (("bench", "base", "base", "--rounds", 0), "rounds at least 1"),
        (("bench", "base", "base", "--batch", "1,0"), "batch at least 1"),
        (("prune", "base", "--structured", "--sparsity", 1), "sparsity at least 0.0 and below 1.0, got 1.0"),
        (("quantize", "base", "--weights", "int3"), "Did you mean int8"),
        (("compare", "base", "other", "--data", "x", "--calls", 0), "calls at least 1"),
        (("train", "lenet5", "digits", "--seed", -1), "seed at least 0"),
    ],
)
def test_bounds_are_held_before_a_file_is_read(words: tuple[object, ...], says: str, cli: Any) -> None:
    answer = cli(*words)
    assert (answer.code, answer.out) == (2, "")
    assert says in answer.err
