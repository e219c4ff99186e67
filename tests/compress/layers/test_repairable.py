"""Which channels can be put right: BatchNorms and layers of their own numbers, and their rows times factors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.compress.layers.repairable import (
    RepairableLayer,
    RepairableNorm,
    array,
    channels,
    repairable_nodes,
    scaled_rows,
    stored,
)

MakeModel = Callable[..., onnx.ModelProto]
Arrays = dict[str, Any]
RNG = np.random.default_rng(4)


def normal(*shape: int) -> NDArray[np.float32]:
    return RNG.normal(size=shape).astype(np.float32)


def keys(model: onnx.ModelProto) -> list[str]:
    return [repairable.key for repairable in repairable_nodes(model)]


def classified(source: str, *nodes: onnx.NodeProto) -> list[onnx.NodeProto]:
    """Pool, flatten and classify what the nodes give; the last product is no subject of these tests."""
    return [
        *nodes,
        helper.make_node("GlobalAveragePool", [source], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "head"], ["logits"]),
    ]


def conv(*inputs: str, output: str = "c", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node("Conv", ["input", *inputs], [output], output, pads=[1] * 4, **attributes)


def norm(source: str, output: str, statistics: str = "", **attributes: Any) -> onnx.NodeProto:
    inputs = [source, "scale", "shift", f"mean{statistics}", f"var{statistics}"]
    return helper.make_node("BatchNormalization", inputs, [output], output, **attributes)


def tensors(**more: Any) -> Arrays:
    vectors = {name: normal(4) for name in ("scale", "shift", "mean", "mean2", "b")}
    variances = {name: np.ones(4, np.float32) for name in ("var", "var2")}
    return {"w": normal(4, 3, 3, 3), "head": normal(4, 5), **vectors, **variances, **more}


def used(nodes: list[onnx.NodeProto], given: Arrays) -> Arrays:
    names = {name for node in nodes for name in node.input}
    return {name: value for name, value in given.items() if name in names}


def made(make_model: MakeModel, nodes: list[onnx.NodeProto], **more: Any) -> onnx.ModelProto:
    return make_model(nodes, used(nodes, tensors(**more)))


def test_norms_and_the_layers_that_no_norm_serves_are_found_in_graph_order(convnet: onnx.ModelProto) -> None:
    norm_one, second, last = repairable_nodes(convnet)
    assert isinstance(norm_one, RepairableNorm)
    assert isinstance(second, RepairableLayer)
    assert isinstance(last, RepairableLayer)
    assert [norm_one.key, second.key, last.key] == ["c1", "c2", "logits"]
    assert (second.weight, last.weight) == ("w2", "w3")
    assert [repairable.channels_first for repairable in (norm_one, second, last)] == [True, True, False]
    assert any(norm_one.node is node for node in convnet.graph.node), "the model's own node, to be changed"


def test_a_layer_whose_output_something_else_reads_too_is_put_right_with_its_norm(make_model: MakeModel) -> None:
    nodes = [conv("w"), norm("c", "n"), helper.make_node("Add", ["n", "c"], ["s"])]
    assert keys(made(make_model, classified("s", *nodes))) == ["c", "c", "logits"]


def test_layers_that_share_a_weight_and_norms_that_share_statistics_are_left_out(make_model: MakeModel) -> None:
    twice = [conv("w"), conv("w", output="d"), helper.make_node("Add", ["c", "d"], ["s"])]
    assert keys(made(make_model, classified("s", *twice))) == ["logits"]
    shared = [conv("w"), norm("c", "n"), norm("n", "m")]
    assert "n" not in keys(made(make_model, classified("m", *shared)))
    apart = [conv("w"), norm("c", "n"), norm("n", "m", "2")]
    assert keys(made(make_model, classified("m", *apart))) == ["c", "n", "logits"]


def test_a_weight_that_is_an_output_too_has_two_users(make_model: MakeModel) -> None:
    model = made(make_model, classified("c", conv("w")))
    assert keys(model) == ["c", "logits"]
    model.graph.output.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3, 3, 3]))
    assert keys(model) == ["logits"]


def test_a_norm_in_training_mode_is_left_out(make_model: MakeModel) -> None:
    training = norm("c", "n", training_mode=1)
    training.output.extend(["new_mean", "new_var"])
    assert keys(made(make_model, classified("n", conv("w"), training))) == ["c", "logits"]


@pytest.mark.parametrize(
    ("bias", "expected"),
    [((5,), True), ((1, 5), True), ((1,), True), ((), True), ((1, 1), True), ((7, 5), False), ((7, 1), False)],
)
def test_only_a_bias_of_one_number_per_channel_or_one_for_all_can_be_put_right(
    make_model: MakeModel, bias: tuple[int, ...], *, expected: bool
) -> None:
    nodes = [
        helper.make_node("Flatten", ["input"], ["f"]),
        helper.make_node("Gemm", ["f", "g", "bias"], ["logits"]),
    ]
    model = make_model(nodes, {"g": normal(192, 5), "bias": np.asarray(normal(*bias), np.float32)})
    assert bool(keys(model)) == expected


def test_a_computed_bias_and_a_computed_weight_are_left_out(make_model: MakeModel) -> None:
    relu = helper.make_node("Relu", ["b"], ["computed"])
    assert keys(made(make_model, classified("c", relu, conv("w", "computed")))) == ["logits"]
    assert keys(made(make_model, classified("c", conv("w", "b")))) == ["c", "logits"]
    doubled = helper.make_node("Softmax", ["w"], ["other"])
    assert keys(made(make_model, classified("c", doubled, conv("other")))) == ["logits"]


def test_a_stack_of_matrices_and_other_floats_are_left_out(make_model: MakeModel) -> None:
    stack = [
        helper.make_node("MatMul", ["input", "stack"], ["m"]),
        helper.make_node("ReduceMean", ["m", "axes"], ["logits"], keepdims=0),
    ]
    assert keys(make_model(stack, {"stack": normal(3, 8, 5), "axes": np.array([1, 2])})) == []
    half = [
        helper.make_node("Cast", ["input"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["h", "w"], ["c"]),
        helper.make_node("Cast", ["c"], ["s"], to=TensorProto.FLOAT),
    ]
    assert keys(made(make_model, classified("s", *half), w=normal(4, 3, 3, 3).astype(np.float16))) == ["logits"]


LAYERS: list[tuple[str, tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ("Conv", (6, 2, 3, 3), (2, 4, 5, 5), {"group": 2}),
    ("Conv", (6, 4, 1), (2, 4, 5), {}),
    ("ConvTranspose", (4, 3, 2, 2), (2, 4, 5, 5), {"group": 2}),
    ("ConvTranspose", (4, 6, 2, 2), (2, 4, 5, 5), {}),
    ("Gemm", (4, 6), (2, 4), {}),
    ("Gemm", (6, 4), (2, 4), {"transB": 1}),
    ("MatMul", (4, 6), (2, 3, 4), {}),
]


@pytest.mark.parametrize(("op", "shape", "image", "attributes"), LAYERS)
def test_scaled_rows_scale_the_output_channels_and_channels_counts_them(
    op: str, shape: tuple[int, ...], image: tuple[int, ...], attributes: dict[str, Any]
) -> None:
    node = helper.make_node(op, ["x", "w"], ["y"], **attributes)
    weight, x = normal(*shape), normal(*image)
    weight.flat[::3] = 0

    def outputs(values: NDArray[np.float32]) -> NDArray[np.float32]:
        graph = helper.make_graph(
            [node],
            "layer",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(values, "w")],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return np.asarray(session.run(None, {"x": x})[0])

    before = outputs(weight)
    axis = before.ndim - 1 if op in {"Gemm", "MatMul"} else 1
    count = channels(node, numpy_helper.from_array(weight))
    assert count == before.shape[axis] == 6
    factors = np.array([0.5, -1, 2, 0.25, 3, 1.5])
    scaled = scaled_rows(node, weight, factors)
    assert (scaled.dtype, scaled.shape) == (np.float32, weight.shape)
    assert not scaled[weight == 0].any()
    expected = np.moveaxis(np.moveaxis(before, axis, -1) * factors, -1, axis)
    np.testing.assert_allclose(outputs(scaled), expected, rtol=1e-4, atol=1e-5)


def test_initializers_are_the_models_own_and_their_numbers_are_wide(convnet: onnx.ModelProto) -> None:
    found = stored(convnet)
    assert set(found) == {tensor.name for tensor in convnet.graph.initializer}
    assert all(found[tensor.name] is tensor for tensor in convnet.graph.initializer)
    values = array(found["w3"])
    assert values.dtype == np.float64
    np.testing.assert_array_equal(values, numpy_helper.to_array(found["w3"]))
