"""Every option: its default lies within its bounds, its name is a flag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx import options
from compress_onnx.errors import OptionError, UnknownNameError
from compress_onnx.options import declared
from compress_onnx.options.kinds import ChoiceOption, NumberOption

DECLARED = [value for value in vars(declared).values() if isinstance(value, NumberOption | ChoiceOption)]


@pytest.mark.parametrize("option", DECLARED, ids=lambda option: option.name)
def test_every_default_passes_its_own_check_and_has_a_help_text(option: NumberOption | ChoiceOption) -> None:
    assert option.check(option.default) == option.default
    assert option.help.endswith(".")


def test_names_are_unique_and_flags() -> None:
    names = [option.name for option in DECLARED]
    assert len(set(names)) == len(names) > 10
    assert all(name == name.lower() and "_" not in name for name in names)


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_sparsity_takes_exactly_zero_to_below_one(value: float) -> None:
    if 0 <= value < 1:
        assert options.SPARSITY.check(value) == value
    else:
        with pytest.raises(OptionError, match=r"sparsity at least 0.0 and below 1.0, got .* Give --sparsity a value"):
            options.SPARSITY.check(value)


def test_a_wrong_choice_is_answered_with_near_names_and_all() -> None:
    with pytest.raises(UnknownNameError, match=r"a cpu, got 'arch64' \(--cpu\)\. Did you mean aarch64"):
        options.CPU.check("arch64")
