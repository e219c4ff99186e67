"""The audit against a naive loop, and against what an emulated CPU without VNNI really answers."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.ort.integer.emulation import fused
from compress_onnx.records.cross_cpu import Need
from compress_onnx.runtime.cpu.saturation import audit, overflowing
from compress_onnx.runtime.targets.naming import target_named

# ---------------------------------------------------------------------------------------- made-up networks


def conv(weights: NDArray[np.int8], size: int, **attributes: Any) -> onnx.ModelProto:
    """Images 0 to 1, quantized to 0 to 255, through a QDQ Conv with per-channel scales, exact to one step of 8."""
    rng = weights.astype(np.float64)
    outputs = len(weights)
    reach = float(255 * np.abs(rng).reshape(outputs, -1).sum(axis=1).max())
    tensors = {
        "step": np.float32(1 / 255),
        "zero": np.uint8(0),
        "w": weights,
        "w_scale": np.ones(outputs, np.float32),
        "w_zero": np.zeros(outputs, np.int8),
        "y_step": np.float32(2 * reach / 255 / 255),
        "y_zero": np.uint8(128),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["input", "step", "zero"], ["x"]),
        helper.make_node("DequantizeLinear", ["x", "step", "zero"], ["xf"]),
        helper.make_node("DequantizeLinear", ["w", "w_scale", "w_zero"], ["wf"], axis=0),
        helper.make_node("Conv", ["xf", "wf"], ["yf"], "conv", **attributes),
        helper.make_node("QuantizeLinear", ["yf", "y_step", "y_zero"], ["y"]),
        helper.make_node("DequantizeLinear", ["y", "y_step", "y_zero"], ["d"]),
        helper.make_node("Flatten", ["d"], ["logits"]),
    ]
    channels = weights.shape[1] * int(attributes.get("group", 1))
    graph = helper.make_graph(
        nodes,
        "conv",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", channels, size, size])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", None])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


SHAPES = [
    ((6, 3, 5, 5), 12, {}),
    ((8, 3, 3, 3), 9, {"pads": [1, 1, 1, 1], "strides": [2, 2]}),
    ((8, 16, 3, 3), 7, {"pads": [1, 0, 0, 1]}),
    ((10, 7, 1, 1), 5, {}),
    ((8, 4, 3, 3), 9, {"group": 2, "dilations": [2, 2]}),
    ((16, 32, 1, 1), 4, {"strides": [1, 2]}),
]
CASES = pytest.mark.parametrize(("shape", "size", "attributes"), SHAPES, ids=[str(case[0]) for case in SHAPES])


def made(shape: tuple[int, ...], size: int, attributes: dict[str, Any]) -> tuple[onnx.ModelProto, NDArray[np.float32]]:
    rng = np.random.default_rng(0)
    weights = np.clip(rng.normal(0, 45, shape).round(), -127, 127).astype(np.int8)
    pixels = rng.integers(0, 256, (3, shape[1] * attributes.get("group", 1), size, size))
    return conv(weights, size, **attributes), (pixels / 255).astype(np.float32)


def naive(model: onnx.ModelProto, images: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return (saturated sums, exact sums), both (N, O, positions), by plain loops over vpmaddubsw's pairs."""
    weights = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == "w")).astype(int)
    node = next(n for n in model.graph.node if n.op_type == "Conv")
    given_ = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    top, left, bottom, right = given_.get("pads", [0] * 4)
    (sy, sx), (dy, dx), groups = given_.get("strides", [1, 1]), given_.get("dilations", [1, 1]), given_.get("group", 1)
    x = np.pad((images * 255).round().astype(int), ((0, 0), (0, 0), (top, bottom), (left, right)))
    outputs, inner, kh, kw = weights.shape
    rows = range(0, x.shape[2] - (kh - 1) * dy, sy)
    columns = range(0, x.shape[3] - (kw - 1) * dx, sx)
    stopped, exact = [], []
    for image, output in itertools.product(x, range(outputs)):
        first = output // (outputs // groups) * inner
        for r, c in itertools.product(rows, columns):
            order = itertools.product(range(kh), range(kw), range(inner))
            products = [image[first + i, r + a * dy, c + b * dx] * weights[output, i, a, b] for a, b, i in order]
            pairs = [sum(products[k : k + 2]) for k in range(0, len(products), 2)]
            exact.append(sum(pairs))
            stopped.append(sum(min(max(pair, -32768), 32767) for pair in pairs))
    shape = (len(x), outputs, len(rows) * len(columns))
    return np.reshape(stopped, shape), np.reshape(exact, shape)


@CASES
def test_overflows_are_those_of_the_plain_loop(shape: Any, size: int, attributes: dict[str, Any]) -> None:
    model, images = made(shape, size, attributes)
    (node,) = fused(model).nodes
    hit = overflowing(node, (images * 255).round().astype(np.uint8), 0)
    stopped, exact = naive(model, images)
    step = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == "y_step"))
    differ = (stopped != exact).swapaxes(0, 1).reshape(hit.shape)
    assert differ.any()
    # Overflows in both directions can cancel; nothing else can hide one.
    assert not (differ & ~hit).any()
    assert (hit != differ).mean() < 0.01
    found = audit(model, [images[:1], images[1:]])
    assert found.reduced_range is Need.YES
    assert found.images == 3
    (one,) = found.nodes
    assert one.channels_overflowing == hit.any(axis=(1, 2, 3)).sum()
    assert one.outputs_overflowing is not None
    assert one.outputs_overflowing.value == hit.mean()
    answers = [np.round(sums / 255 / step).reshape(3, -1) for sums in (stopped, exact)]
    flips = (answers[0].argmax(axis=1) != answers[1].argmax(axis=1)).mean()
    assert found.flips is not None
    assert found.flips.value == flips


@pytest.mark.slow
def test_an_emulated_haswell_answers_with_exactly_those_overflows(emulated: str) -> None:
    """The pairing along K is the runtime's own: its answers are those of the plain loop to the last bit."""
    with target_named(emulated).worker() as worker:
        for shape, size, attributes in SHAPES:
            model, images = made(shape, size, attributes)
            stopped, exact = naive(model, images)
            step = numpy_helper.to_array(next(t for t in model.graph.initializer if t.name == "y_step"))
            expected = _requantized(stopped / 255, step).reshape(len(images), -1)
            assert (expected != _requantized(exact / 255, step).reshape(len(images), -1)).any()
            worker.load(model.SerializeToString())
            steps = np.abs(worker.run({"input": images})["logits"] / step - expected / step).round()
            assert steps.max() <= 1  # a sum halfway between two steps
            assert (steps > 0).mean() < 0.001


def _requantized(values: NDArray[Any], step: NDArray[Any]) -> NDArray[Any]:
    return (np.clip(np.round(values / step) + 128, 0, 255) - 128) * step


def test_four_bit_weights_and_float_files_need_no_reduced_range(fp32: Path) -> None:
    weights = np.random.default_rng(0).integers(-8, 8, (6, 3, 5, 5)).astype(np.int8)
    found = audit(conv(weights, 12))
    assert (found.reduced_range, found.nodes[0].channels_at_risk) == (Need.NO, 0)
    assert audit(onnx.load(fp32)).nodes == ()


def test_without_images_risk_is_unknown_and_with_dark_ones_too() -> None:
    model, images = made((6, 3, 5, 5), 12, {})
    bare = audit(model)
    assert (bare.reduced_range, bare.images, bare.nodes[0].channels_overflowing) == (Need.UNKNOWN, None, None)
    dark = audit(model, [images * 0])
    assert (dark.reduced_range, dark.nodes[0].channels_overflowing) == (Need.UNKNOWN, 0)
    assert "none did on 3 images" in dark.reason


def test_depthwise_kernels_and_signed_activations_add_exactly() -> None:
    weights = np.full((8, 1, 3, 3), 120, np.int8)
    found = audit(conv(weights, 9, group=8), [np.ones((1, 8, 9, 9), np.float32)])
    (node,) = found.nodes
    assert (node.types, node.adds_pairs, node.channels_at_risk, node.channels_overflowing) == ("U8S8", False, 0, 0)
    assert found.reduced_range is Need.NO
    assert found.flips is not None
    assert (found.flips.value, found.flips.n) == (0.0, 1)


def test_a_kernel_that_was_never_measured_leaves_the_need_unknown() -> None:
    model = conv(np.full((8, 3, 3, 3), 20, np.int8), 9)
    model.graph.node.append(helper.make_node("MatMulInteger", ["x", "x8", "zero", "zero8"], ["unused"], "computed"))
    model.graph.node.append(helper.make_node("QuantizeLinear", ["input", "step", "zero8"], ["x8"], "second"))
    nodes = sorted(model.graph.node, key=lambda node: node.name == "computed")
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.append(numpy_helper.from_array(np.int8(0), "zero8"))
    model.graph.output.append(helper.make_tensor_value_info("unused", TensorProto.INT32, None))
    found = audit(model)
    assert (found.reduced_range, found.unmeasured) == (Need.UNKNOWN, ("computed",))


def test_a_file_quantized_by_another_tool_is_read_too(u8s8: Path, images: NDArray[np.float32]) -> None:
    found = audit(onnx.load(u8s8), [images])
    assert [node.op for node in found.nodes] == ["QLinearConv", "QLinearConv", "QGemm"]
    assert [node.name for node in found.nodes] == ["conv1", "conv2", "fc"]
    assert [node.channels for node in found.nodes] == [16, 16, 5]
