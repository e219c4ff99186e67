"""Numbers as text read back as what they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compress_onnx.report.kit.figures import MINUS, signed, size


@given(st.floats(-1e3, 1e3))
def test_signed_numbers_read_back(value: float) -> None:
    text = signed(value)
    assert float(text.replace(MINUS, "-")) == pytest.approx(value, abs=0.0051)
    assert text[0] in f"+{MINUS}" or float(text) == 0


@given(st.integers(0, 10**12))
def test_sizes_have_one_to_six_digits(number: int) -> None:
    assert len(size(number).split("\u00a0")[0].replace(",", "")) <= 6
