"""Graphs that do not say what their integer operators multiply, against the runtime on this CPU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

from compress_onnx.errors import ModelError
from compress_onnx.ort.integer.emulation import EmulatedModel, expect_measured, fused
from compress_onnx.ort.integer.probe import saturates

node = helper.make_node
RNG = np.random.default_rng(0)
WEIGHTS = RNG.integers(-127, 128, (64, 5)).astype(np.int8)


def network(nodes: Sequence[NodeProto], *, opset: int = 21, **tensors: Any) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("input", TensorProto.FLOAT, ["n", 4, 16])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 5])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=imports, ir_version=10)


def product_of(quantize: NodeProto, *between: NodeProto, opset: int = 21, **tensors: Any) -> onnx.ModelProto:
    """A MatMulInteger without zero points, of what is made of the image on its way from ``q`` to ``rows``."""
    given = {"step": np.float32(1 / 255), "weights": WEIGHTS, "flat": np.array([0, -1]), "scale": np.float32(1e-3)}
    nodes = [
        quantize,
        *(between or [node("Reshape", ["q", "flat"], ["rows"])]),
        node("MatMulInteger", ["rows", "weights"], ["sums"], "product"),
        node("Cast", ["sums"], ["wide"], to=TensorProto.FLOAT),
        node("Mul", ["wide", "scale"], ["logits"]),
    ]
    return network(nodes, opset=opset, **(given | tensors))


QUANTISE = node("QuantizeLinear", ["input", "step"], ["q"])
WITHOUT_ZERO_POINTS = {
    "uint8 by default": product_of(QUANTISE),
    "as it was before": product_of(QUANTISE, opset=13),
    "as an attribute says": product_of(
        node("QuantizeLinear", ["input", "step"], ["q"], output_dtype=TensorProto.UINT8)
    ),
    "through others": product_of(
        QUANTISE,
        node("Transpose", ["q"], ["turned"], perm=[0, 2, 1]),
        node("Flatten", ["turned"], ["flattened"]),
        node("Concat", ["flattened"], ["rows"], axis=1),
    ),
}


@pytest.fixture(scope="module")
def bright() -> NDArray[np.float32]:
    """Images whose sums overflow: most of their values are near the largest."""
    return RNG.uniform(0.7, 1, (12, 4, 16)).astype(np.float32)


@pytest.mark.cpu
@pytest.mark.parametrize("form", WITHOUT_ZERO_POINTS)
def test_a_zero_point_left_out_hides_no_kernel_that_saturates(
    bright: NDArray[np.float32], runtime: Any, form: str
) -> None:
    model = WITHOUT_ZERO_POINTS[form]
    source = fused(model)
    assert [one.name for one in source.at_risk] == ["product"]
    here, there = (EmulatedModel(source, saturating=way).logits(bright) for way in (saturates(), not saturates()))
    np.testing.assert_array_equal(here, runtime(model, bright))
    assert np.abs(here - there).max() > 0.1


@pytest.mark.cpu
def test_a_product_of_two_activations_is_known_by_both_zero_points(bright: NDArray[np.float32], runtime: Any) -> None:
    """Attention as a quantizer writes it: uint8 by uint8, one of them turned, whose type nothing else tells."""
    nodes = [
        node("QuantizeLinear", ["input", "step", "zero"], ["q"]),
        node("Transpose", ["q"], ["turned"], perm=[0, 2, 1]),
        node("QLinearMatMul", ["q", "step", "zero", "turned", "step", "zero", "wide", "zero"], ["alike"], "attend"),
        node("Reshape", ["alike", "flat"], ["rows"]),
        node("QLinearMatMul", ["rows", "wide", "zero", "weights", "small", "even", "wide", "mid"], ["scores"], "head"),
        node("DequantizeLinear", ["scores", "wide", "mid"], ["logits"]),
    ]
    tensors = {"step": np.float32(1 / 255), "zero": np.uint8(0), "wide": np.float32(1 / 16), "flat": np.array([0, -1])}
    tensors |= {"weights": WEIGHTS[:16], "small": np.float32(0.01), "even": np.int8(0), "mid": np.uint8(128)}
    model = network(nodes, **tensors)
    source = fused(model)
    expect_measured(source, "x86-64-avx2", where="file.onnx")
    got = EmulatedModel(source, saturating=saturates()).logits(bright)
    np.testing.assert_array_equal(got, runtime(model, bright))


@pytest.mark.cpu
@pytest.mark.parametrize("replaceable", [False, True])
def test_tensors_that_a_caller_may_replace_are_fused_no_more_than_by_the_runtime(
    bright: NDArray[np.float32], runtime: Any, *, replaceable: bool
) -> None:
    """Where its weights are inputs too, the convolution is one of floats; the product behind it is at risk in any case."""
    nodes = [
        node("QuantizeLinear", ["input", "step", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "step", "zero"], ["d"]),
        node("DequantizeLinear", ["first", "small", "even"], ["w"]),
        node("DequantizeLinear", ["bias", "fine"], ["b"]),
        node("Conv", ["d", "w", "b"], ["hidden"], "convolution"),
        node("QuantizeLinear", ["hidden", "wide", "mid"], ["hq"]),
        node("Flatten", ["hq"], ["rows"]),
        node("QLinearMatMul", ["rows", "wide", "mid", "second", "small", "even", "wide", "mid"], ["scores"], "product"),
        node("DequantizeLinear", ["scores", "wide", "mid"], ["logits"]),
    ]
    tensors = {"step": np.float32(1 / 255), "zero": np.uint8(0), "wide": np.float32(0.04), "mid": np.uint8(100)}
    tensors |= {"small": np.float32(0.01), "even": np.int8(0), "first": WEIGHTS[:48, :2].reshape(2, 4, 12)}
    tensors |= {"bias": np.array([1000, -1000], np.int32), "fine": np.float32(0.01 / 255)}
    model = network(nodes, **tensors, second=WEIGHTS[:10])
    if replaceable:
        given = model.graph.initializer
        model.graph.input.extend(helper.make_tensor_value_info(one.name, one.data_type, one.dims) for one in given)
    source = fused(model)
    assert [one.name for one in source.at_risk] == ["convolution", "product"][replaceable:]
    got = EmulatedModel(source, saturating=saturates()).logits(bright)
    np.testing.assert_array_equal(got, runtime(model, bright))


def crossing(kind: str) -> onnx.ModelProto:
    """A product at risk that says which part of another tensor, of ``kind``, is added: both are needed behind it."""
    model = product_of(QUANTISE)
    cut = model.graph.node.pop()
    nodes = [
        cut,
        node("ReduceMin", ["sums"], ["least"], keepdims=0),
        node("Sub", ["least", "least"], ["none"]),
        node("Reshape", ["none", "single"], ["start"]),
        node("Cast", ["end"], ["ends"], to=TensorProto.INT32),
    ]
    if kind == "sequence":
        nodes += [
            node("SplitToSequence", ["input"], ["parts"], axis=1),
            node("Squeeze", ["start"], ["place"]),
            node("SequenceAt", ["parts", "place"], ["part"]),
            node("ReduceMax", ["part"], ["added"], keepdims=0),
        ]
    else:
        nodes += [
            node("Cast", ["input"], ["narrow"], to=int(TensorProto.DataType.Value(kind))),
            node("Slice", ["narrow", "start", "ends"], ["cut"]),
            node("Cast", ["cut"], ["float"], to=TensorProto.FLOAT),
            node("ReduceMax", ["float"], ["added"], keepdims=0),
        ]
    nodes[0].output[0] = "scaled"
    model.graph.node.extend([*nodes, node("Add", ["scaled", "added"], ["logits"])])
    tensors = {"single": np.array([1]), "end": np.array([1])}
    model.graph.initializer.extend(numpy_helper.from_array(value, name) for name, value in tensors.items())
    return model


@pytest.mark.cpu
@pytest.mark.parametrize("kind", ["INT16", "UINT16", "UINT32", "FLOAT16", "INT8"])
def test_tensors_of_any_type_pass_by_a_node_that_is_computed(
    bright: NDArray[np.float32], runtime: Any, kind: str
) -> None:
    model = crossing(kind)
    try:
        expected = runtime(model, bright)
    except Exception:  # noqa: BLE001  # the runtime's failures share no base class; here it lacks a kernel
        pytest.skip(f"ONNX Runtime slices no {kind}")
    got = EmulatedModel(fused(model), saturating=saturates()).logits(bright)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize(("kind", "named"), [("sequence", "parts"), ("BFLOAT16", "narrow")])
def test_what_numpy_does_not_hold_is_refused_in_one_sentence(kind: str, named: str) -> None:
    with pytest.raises(ModelError, match=f"got '{named}', of another type.*It cannot be simulated"):
        EmulatedModel(fused(crossing(kind)), saturating=True)
