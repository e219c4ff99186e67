"""--mean, --std, --size and --layout: nothing said is nothing, half said is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.cli.arguments.preprocessing import PreprocessingFlags, numbers, picture_size
from compress_onnx.errors import OptionError

HALF = {"mean": "0.5,0.5,0.5", "std": "0.25,0.25,0.25"}


def test_without_flags_there_is_no_preprocessing_and_no_file_is_read(tmp_path: Any) -> None:
    assert PreprocessingFlags().of(tmp_path / "no.onnx") is None


def test_the_size_is_the_models_own_unless_it_is_said(shelf: Any) -> None:
    own = PreprocessingFlags(**HALF).of(shelf.foreign)
    assert own is not None
    assert (own.height, own.width, own.mean, own.layout) == (8, 8, (0.5, 0.5, 0.5), "NCHW")
    said = PreprocessingFlags(size="12x10", **HALF).of(shelf.foreign)
    assert said is not None
    assert (said.height, said.width) == (12, 10)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"mean": "0.5"}, "both --mean and --std, got only one of them"),
        ({"std": "0.5"}, "both --mean and --std, got only one of them"),
        ({"size": "8"}, "both --mean and --std, got neither"),
        ({"layout": "NHWC"}, "both --mean and --std, got neither"),
        ({**HALF, "std": "0.25,0"}, "that fit together"),
        ({**HALF, "mean": "a"}, "--mean as numbers joined by commas, got 'a'"),
        ({**HALF, "size": "0"}, "--size as 32 or 224x320, got '0'"),
    ],
)
def test_what_does_not_fit_together_is_refused(flags: dict[str, str], says: str, shelf: Any) -> None:
    with pytest.raises(OptionError, match=says):
        PreprocessingFlags(**flags).of(shelf.foreign)


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_numbers_are_what_was_written(values: list[float]) -> None:
    assert numbers(",".join(map(str, values)), "mean") == tuple(values)


@pytest.mark.parametrize("text", ["", "nan", "1,inf", "1;2"])
def test_numbers_are_finite_and_joined_by_commas(text: str) -> None:
    with pytest.raises(OptionError, match="--std as numbers"):
        numbers(text, "std")


@given(st.integers(1, 9999), st.integers(1, 9999))
def test_a_size_is_height_by_width(height: int, width: int) -> None:
    assert picture_size(f"{height}x{width}") == (height, width)
    assert picture_size(f"{height}X{height}") == picture_size(str(height))


@pytest.mark.parametrize("text", ["", "x", "1x2x3", "-4", "3x0"])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(OptionError, match="--size"):
        picture_size(text)
