"""Convolutions and Gemm in all their forms against ONNX Runtime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

torch = pytest.importorskip("torch")
from compress_onnx.saliency.operators.linear import CONVERTERS  # noqa: E402
from tests.saliency.windows import assert_like_runtime, pooled, windows  # noqa: E402


@settings(max_examples=60, deadline=None)
@given(window=windows(), dilation=st.integers(1, 2), groups=st.sampled_from([1, 2]))
def test_convolutions_pad_as_onnx_runtime_pads(runtime: Any, window: Any, dilation: int, groups: int) -> None:
    size, attributes = window
    kernel = attributes.pop("kernel_shape")
    attributes.pop("ceil_mode")
    # ONNX Runtime itself refuses automatic padding of dilated windows in some versions.
    attributes["dilations"] = [dilation if "pads" in attributes else 1] * 2
    if any((side - 1) * attributes["dilations"][0] + 1 > extent for side, extent in zip(kernel, size, strict=False)):
        return
    weight = np.random.default_rng(1).standard_normal((4, 2 // groups, *kernel)).astype(np.float32)
    model = pooled("Conv", size, {**attributes, "group": groups})
    model.graph.node[0].input.append("weight")
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight"))
    assert_like_runtime(model, runtime, size)


@pytest.mark.parametrize("bias", [None, (5,), (1, 5), (1,), (2, 5)])
@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1.0), (0.5, -2.0)])
@pytest.mark.parametrize("turned", [0, 1])
def test_gemm_in_all_its_forms(runtime: Any, bias: Any, alpha: float, beta: float, turned: int) -> None:
    rng = np.random.default_rng(0)
    model = pooled("Flatten", (2, 2), {})
    del model.graph.node[1]
    weight = rng.standard_normal((5, 8) if turned else (8, 5)).astype(np.float32)
    model.graph.initializer.append(numpy_helper.from_array(weight, "w"))
    inputs = ["pooled", "w"]
    if bias is not None:
        model.graph.initializer.append(numpy_helper.from_array(rng.standard_normal(bias).astype(np.float32), "b"))
        inputs.append("b")
    node = helper.make_node("Gemm", inputs, ["logits"], "gemm", alpha=alpha, beta=beta, transB=turned)
    model.graph.node.append(node)
    assert_like_runtime(model, runtime, (2, 2))


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(name for name in CONVERTERS if "::" not in name))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)
