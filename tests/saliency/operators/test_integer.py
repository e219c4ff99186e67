from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")

from compress_onnx.saliency.operators.integer import written_out  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.quantization import RectifyingQuantize  # noqa: E402
from compress_onnx.saliency.twin import build_twin, layers  # noqa: E402

pytestmark = pytest.mark.cpu
MICROSOFT = "com.microsoft"
RNG = np.random.default_rng(0)
SCALES: dict[str, Any] = {
    "s": np.float32(0.05),
    "t": np.float32(0.0311),
    "z": np.uint8(120),
    "y": np.uint8(131),
    "zero": np.int8(0),
}


class Calibration:
    def __init__(self, images: Any) -> None:
        self._batches = iter([{"input": images}])

    def get_next(self) -> Any:
        return next(self._batches, None)


def answers(twin: Any, images: Any) -> Any:
    with torch.no_grad():
        return twin(torch.from_numpy(images)).numpy()


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("signed", [False, True])
def test_an_integer_only_file_has_a_twin_that_gives_onnx_runtime_s_logits(
    small: Any, runtime: Any, tmp_path: Path, *, per_channel: bool, signed: bool
) -> None:
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    original = onnx.ModelProto()
    original.CopyFrom(small.model)
    quantize_static(
        original,
        tmp_path / "q.onnx",
        Calibration(small.images),
        quant_format=QuantFormat.QOperator,
        activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        per_channel=per_channel,
    )
    model = onnx.load(tmp_path / "q.onnx")
    assert {"QLinearConv", "QGemm"} <= {node.op_type for node in model.graph.node}
    twin = build_twin(model)
    for optimized in (False, True):
        expected = runtime(model, small.images, optimized=optimized)
        got = answers(twin, small.images)
        assert (expected.argmax(axis=1) == got.argmax(axis=1)).all()
        # A sum on the edge of two integers may be rounded to the other one: a step, no more.
        assert np.abs(expected - got).max() <= 1.01 * np.diff(np.unique(expected)).min()
    assert any(isinstance(part, RectifyingQuantize) for part in twin.modules())
    assert any(isinstance(part, torch.nn.Conv2d) for part in layers(twin).values())


def model_of(node: onnx.NodeProto, extra: dict[str, Any], opset: int = 17) -> onnx.ModelProto:
    """A model (n, 3, 4, 4) to logits that shows every value of one integer operator."""
    tensors = SCALES | extra
    graph = helper.make_graph(
        [
            helper.make_node("QuantizeLinear", ["input", "s", "z"], ["q"], "in"),
            helper.make_node("Transpose", ["q"], ["r"], "turn", perm=[0, 1, 3, 2]),
            helper.make_node("Greater", ["input", "zero_f"], ["chosen"], "greater"),
            node,
            helper.make_node("DequantizeLinear", ["o", "t", "y"], ["d"], "out"),
            helper.make_node("Flatten", ["d"], ["logits"], "flat"),
        ],
        "g",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", "c"])],
        [
            numpy_helper.from_array(np.asarray(value), name)
            for name, value in (tensors | {"zero_f": np.float32(0)}).items()
        ],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def contrib(operator: str, inputs: list[str], **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, ["o"], operator, domain=MICROSOFT, **attributes)


WEIGHT = RNG.integers(-127, 128, (5, 3, 3, 3)).astype(np.int8)
MATRIX = RNG.integers(-127, 128, (4, 6)).astype(np.int8)


@pytest.mark.parametrize(
    ("node", "extra"),
    [
        (
            helper.make_node(
                "QLinearConv", ["q", "s", "z", "w", "ws", "wz", "t", "y", "b"], ["o"], "c", pads=[1] * 4, strides=[2, 1]
            ),
            {
                "w": WEIGHT,
                "ws": RNG.random(5).astype(np.float32) / 99,
                "wz": np.zeros(5, np.int8),
                "b": RNG.integers(-999, 999, 5).astype(np.int32),
            },
        ),
        (
            helper.make_node("QLinearMatMul", ["q", "s", "z", "w", "ws", "zero", "t", "y"], ["o"], "m"),
            {"w": MATRIX, "ws": np.float32(0.01)},
        ),
        (contrib("QLinearAdd", ["q", "s", "z", "r", "s", "z", "t", "y"]), {}),
        (contrib("QLinearMul", ["q", "s", "z", "r", "s", "z", "t", "y"]), {}),
        (contrib("QLinearConcat", ["t", "y", "q", "s", "z", "r", "s", "z"], axis=1), {}),
        (contrib("QLinearWhere", ["chosen", "q", "s", "z", "r", "s", "z", "t", "y"]), {}),
        (contrib("QLinearSigmoid", ["q", "s", "z", "t", "y"]), {}),
        (contrib("QLinearLeakyRelu", ["q", "s", "z", "t", "y"], alpha=0.3), {}),
        (contrib("QLinearSoftmax", ["q", "s", "z", "t", "y"], axis=-1, opset=13), {}),
        (contrib("QLinearGlobalAveragePool", ["q", "s", "z", "t", "y"]), {}),
        (contrib("QLinearAveragePool", ["q", "s", "z", "t", "y"], kernel_shape=[2, 2], strides=[2, 2]), {}),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else "",
)
def test_every_integer_operator_gives_what_onnx_runtime_gives(node: Any, extra: Any, runtime: Any) -> None:
    model = model_of(node, extra)
    images = RNG.standard_normal((4, 3, 4, 4)).astype(np.float32) * 3
    expected = runtime(model, images, optimized=False)
    got = answers(build_twin(model), images)
    steps = np.abs(expected - got) / SCALES["t"]
    assert steps.max() < 1.01
    # ONNX Runtime takes the integer Softmax from a table, which rounds by itself.
    assert (steps > 0.5).mean() < (0.15 if node.op_type == "QLinearSoftmax" else 0.02)
    assert len(np.unique(expected)) > 2


# A power of two: no half comes out a little more or less.
EVEN = {"s": np.float32(1 / 16)}


def pooling(form: str, point: int, **attributes: Any) -> onnx.ModelProto:
    """An average pooling of integers with one scale in and out, so that the means are whole, quarters and halves."""
    model = model_of(
        contrib("QLinearAveragePool", ["q", "s", "z", "s", "z"], **attributes), EVEN | {"z": np.uint8(point)}
    )
    nodes = {node.name: node for node in model.graph.node}
    del model.graph.node[:]
    del nodes["turn"], nodes["greater"]
    nodes["out"].input[:] = ["o", "s", "z"]
    if form == "behind a Flatten":
        nodes["flat"].input[:], nodes["flat"].output[:] = ["o"], ["f"]
        nodes["out"].input[:], nodes["out"].output[:] = ["f", "s", "z"], ["logits"]
        nodes = {name: nodes[name] for name in ("in", "QLinearAveragePool", "flat", "out")}
    model.graph.node.extend(
        part
        for node in nodes.values()
        for part in (written_out(node) if form == "QDQ" and node.domain == MICROSOFT else (node,))
    )
    return model


@pytest.mark.parametrize("form", ["QDQ", "QOperator", "behind a Flatten"])
@pytest.mark.parametrize("point", [0, 120, 121])
@pytest.mark.parametrize("border", [{}, {"pads": [1] * 4, "count_include_pad": 1}, {"pads": [0, 1, 1, 0]}])
def test_means_of_integers_are_rounded_as_onnx_runtime_rounds_them(
    form: str, point: int, border: dict[str, Any], runtime: Any
) -> None:
    """It adds the zero point before it rounds: with an odd one, a half goes to the other side."""
    model = pooling(form, point, kernel_shape=[2, 2], strides=[2, 2], **border)
    images = np.random.default_rng(0).normal(size=(16, 3, 4, 4)).astype(np.float32) * 3
    np.testing.assert_array_equal(answers(build_twin(model), images), runtime(model, images))


def test_a_mean_of_floats_is_rounded_before_the_zero_point_is_added(runtime: Any) -> None:
    model = pooling("QDQ", 121, kernel_shape=[2, 2], strides=[2, 2])
    kept = [node for node in model.graph.node if node.op_type in {"AveragePool", "DequantizeLinear", "Flatten"}]
    last = next(node for node in model.graph.node if node.output[0] == "o")
    kept = [node for node in kept if node.input[0] != "q"]
    kept[0].input[0] = "input"
    del model.graph.node[:]
    model.graph.node.extend([kept[0], last, *kept[1:]])
    images = (np.random.default_rng(0).integers(-40, 40, (16, 3, 4, 4)) * EVEN["s"]).astype(np.float32)
    np.testing.assert_array_equal(answers(build_twin(model), images), runtime(model, images))


def test_other_nodes_are_left_as_they_are() -> None:
    node = helper.make_node("Conv", ["a", "b"], ["c"])
    assert written_out(node) == (node,)
