"""Padding against NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from compress_onnx.saliency.operators.resampling import CONVERTERS, torch_padding  # noqa: E402


@given(st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_padding_is_the_same_as_numpy_s(pads: list[int]) -> None:
    values = np.arange(24.0).reshape(1, 2, 3, 4)
    expected = np.pad(values, list(zip(pads[:4], pads[4:], strict=False)))
    got = torch.nn.functional.pad(torch.from_numpy(values), torch_padding(pads, axes=[0, 1, 2, 3], rank=4))
    np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(name for name in CONVERTERS if "::" not in name))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)
