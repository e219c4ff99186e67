"""Options: bounds hold, defaults lie within them, folders follow the environment."""

from __future__ import annotations

import math
from pathlib import Path

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


def test_a_wrong_choice_is_answered_with_near_names_and_all() -> None:
    with pytest.raises(UnknownNameError, match=r"a cpu, got 'arch64' \(--cpu\)\. Did you mean aarch64"):
        options.CPU.check("arch64")


def test_the_data_folder_follows_its_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COMPRESS_ONNX_DATA", str(tmp_path / "d"))
    assert options.data_root() == tmp_path / "d"
    monkeypatch.setenv("COMPRESS_ONNX_DATA", "~/pictures")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert options.data_root() == tmp_path / "pictures"


@pytest.mark.parametrize("unset", ["", None])
def test_without_it_the_data_lie_in_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, unset: str | None
) -> None:
    for name in ("COMPRESS_ONNX_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
        if unset is not None:
            monkeypatch.setenv(name, unset)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert options.data_root() == tmp_path / ".cache" / "compress-onnx" / "data"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert options.cache_root() == tmp_path / "x" / "compress-onnx"


def test_silence_is_silent(capsys: pytest.CaptureFixture[str]) -> None:
    options.silent(0.5, "half")
    options.silent_stages("stage")(1.0, "done")
    assert capsys.readouterr() == ("", "")
