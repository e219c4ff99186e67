"""What an option is, and how a dataclass holds several."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.errors import OptionError, UnknownNameError
from compress_onnx.options.kinds import ChoiceOption, NumberOption, check_options, option_field

WIDTH = NumberOption(name="width", default=3, low=1, help="")
SHAPE = ChoiceOption(name="shape", default="round", choices=("round", "square"), help="")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Blur:
    width: int = option_field(WIDTH)
    shape: str = option_field(SHAPE)
    depth: int | None = option_field(NumberOption(name="depth", default=1, low=1, help=""), default=None)
    note: str = "anything"


def test_fields_have_their_options_defaults_or_another() -> None:
    assert Blur() == Blur(width=3, shape="round", depth=None)
    check_options(Blur())


def test_every_option_is_checked_and_nothing_else() -> None:
    check_options(Blur(width=1, depth=1, note=""))
    with pytest.raises(OptionError, match="width at least 1, got 0"):
        check_options(Blur(width=0, shape="flat"))
    with pytest.raises(UnknownNameError, match=r"a shape, got 'squar'.*Did you mean square"):
        check_options(Blur(shape="squar"))
    with pytest.raises(OptionError, match="depth at least 1, got 0"):
        check_options(Blur(depth=0))


@given(st.integers(-5, 5))
def test_both_inclusive_bounds_are_included(value: int) -> None:
    option = NumberOption(name="n", default=0, low=-2, high=3, help="")
    if -2 <= value <= 3:
        assert option.check(value) == value
    else:
        with pytest.raises(OptionError, match="n at least -2 and at most 3"):
            option.check(value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_without_bounds_is_still_finite(value: float) -> None:
    with pytest.raises(OptionError, match="x that is finite"):
        NumberOption(name="x", default=0.0, help="").check(value)
