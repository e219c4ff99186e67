"""Poolings with any window against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from compress_onnx.saliency.operators.pooling import CONVERTERS  # noqa: E402
from tests.saliency.windows import assert_like_runtime, pooled, windows  # noqa: E402


@settings(max_examples=60, deadline=None)
@given(window=windows())
def test_max_pooling_puts_its_windows_where_onnx_runtime_puts_them(runtime: Any, window: Any) -> None:
    size, attributes = window
    assert_like_runtime(pooled("MaxPool", size, attributes), runtime, size)


@settings(max_examples=60, deadline=None)
@given(window=windows(), count_border=st.integers(0, 1))
def test_average_pooling_counts_what_onnx_runtime_counts(runtime: Any, window: Any, count_border: int) -> None:
    size, attributes = window
    assert_like_runtime(pooled("AveragePool", size, {**attributes, "count_include_pad": count_border}), runtime, size)


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(name for name in CONVERTERS if "::" not in name))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)
