"""Windows of convolutions and poolings in all their forms, and models that show what they see."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import strategies as st
from onnx import helper

torch = pytest.importorskip("torch")
from compress_onnx.saliency.twin import build_twin  # noqa: E402


def pooled(kind: str, size: tuple[int, int], attributes: dict[str, Any]) -> onnx.ModelProto:
    """A model whose logits show every pooled value: pooling, then a flat view of each place."""
    graph = helper.make_graph(
        [
            helper.make_node(kind, ["input"], ["pooled"], "pool", **attributes),
            helper.make_node("Flatten", ["pooled"], ["logits"], "flatten"),
        ],
        "g",
        [helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, ["n", 2, *size])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["n", "c"])],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


@st.composite
def windows(draw: st.DrawFn) -> tuple[tuple[int, int], dict[str, Any]]:
    kernel = [draw(st.integers(1, 4)) for _ in range(2)]
    attributes: dict[str, Any] = {
        "kernel_shape": kernel,
        "strides": [draw(st.integers(1, 3)) for _ in range(2)],
        "ceil_mode": draw(st.integers(0, 1)),
    }
    if draw(st.booleans()):
        attributes["pads"] = [draw(st.integers(0, side - 1)) for side in (*kernel, *kernel)]
    else:
        attributes["auto_pad"] = draw(st.sampled_from(["VALID", "SAME_UPPER", "SAME_LOWER"]))
        attributes["ceil_mode"] = 0
        # ONNX Runtime refuses windows that jump over pixels together with automatic padding.
        attributes["strides"] = [min(pair) for pair in zip(attributes["strides"], kernel, strict=False)]
    return (draw(st.integers(4, 9)), draw(st.integers(4, 9))), attributes


def assert_like_runtime(model: onnx.ModelProto, runtime: Any, size: tuple[int, int]) -> None:
    images = np.random.default_rng(0).standard_normal((2, 2, *size), dtype=np.float32)
    expected = runtime(model, images)
    with torch.no_grad():
        got = build_twin(model)(torch.from_numpy(images)).numpy()
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, atol=1e-5)
