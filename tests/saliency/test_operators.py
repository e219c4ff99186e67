from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper, numpy_helper

torch = pytest.importorskip("torch")

from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.node import Constant, Node, stored, torch_type  # noqa: E402
from compress_onnx.saliency.operators.resampling import torch_padding  # noqa: E402
from compress_onnx.saliency.operators.table import CONVERTERS  # noqa: E402
from compress_onnx.saliency.twin import build_twin  # noqa: E402

# What ONNX's own conformance cases ask for and an image classifier never does.
ODD = {
    "test_reduce_max_empty_set": "the largest of nothing",
    "test_reduce_max_empty_set_bool": "the largest of nothing",
    "test_reduce_min_empty_set": "the smallest of nothing",
    "test_resize_downsample_sizes_linear_pytorch_half_pixel": "resizing to one pixel, where PyTorch itself differs",
}
# These read even their first input before the model runs.
ALL_CONSTANT = {"ConstantOfShape", "Range"}


@pytest.fixture(scope="module")
def cases() -> Mapping[str, list[Any]]:
    from onnx.backend.test.loader import load_node_model_tests

    with warnings.catch_warnings():
        # The cases for 8-bit floats overflow on purpose while they are made.
        warnings.simplefilter("ignore", RuntimeWarning)
        found = load_node_model_tests()
    by_operator = defaultdict(list)
    for case in found:
        if len(case.model.graph.node) == 1 and case.name not in ODD:
            by_operator[case.model.graph.node[0].op_type].append(case)
    return by_operator


def constant(value: Any) -> Constant | None:
    return stored(value if isinstance(value, onnx.TensorProto) else numpy_helper.from_array(np.asarray(value)))


def computed(case: Any) -> Any:
    """What the converter's module makes of a case's input; all inputs but the first are constant."""
    proto = case.model.graph.node[0]
    fed = {
        value.name: constant(array) for value, array in zip(case.model.graph.input, case.data_sets[0][0], strict=False)
    }
    values = [fed.get(name) for name in proto.input]
    if any(value is None for name, value in zip(proto.input, values, strict=False) if name):
        raise UnsupportedOperatorError("a type PyTorch has", "another")
    known = [None if slot == 0 and proto.op_type not in ALL_CONSTANT else value for slot, value in enumerate(values)]
    opset = max(entry.version for entry in case.model.opset_import if not entry.domain)
    node = Node(proto, known, opset)
    module = CONVERTERS[proto.op_type](node)
    given = [values[slot] for slot in node.arguments()]
    result = module(*(None if value is None else value.tensor for value in given))
    return (result[0] if isinstance(result, tuple) else result).numpy()


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(name for name in CONVERTERS if "::" not in name))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(
    cases: Mapping[str, list[Any]], operator: str
) -> None:
    compared = 0
    for case in cases[operator]:
        expected = constant(case.data_sets[0][1][0])
        if expected is None:
            continue
        try:
            got = computed(case)
        except UnsupportedOperatorError:
            continue
        wanted = expected.tensor.numpy()
        assert got.shape == wanted.shape, case.name
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-5, err_msg=case.name)
        compared += 1
    assert compared > 0


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


@pytest.mark.parametrize("opset", [13, 17, 18])
def test_axes_are_an_attribute_in_older_opsets_and_an_input_in_newer_ones(runtime: Any, opset: int) -> None:
    model = pooled("ReduceMean", (4, 4), {"axes": [2], "keepdims": 0} if opset < 18 else {"keepdims": 0})
    if opset >= 18:
        model.graph.node[0].input.append("axes")
        model.graph.initializer.append(numpy_helper.from_array(np.array([2]), "axes"))
    model.opset_import[0].version = opset
    assert_like_runtime(model, runtime, (4, 4))


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


@pytest.mark.parametrize(
    ("element", "values"),
    [("INT4", [-8, 7]), ("UINT4", [0, 15]), ("UINT16", [0, 65535]), ("UINT32", [0, 2**32 - 1]), ("INT64", [-1, 2**40])],
)
def test_stored_values_are_held_exactly(element: str, values: list[int]) -> None:
    tensor = helper.make_tensor("t", onnx.TensorProto.DataType.Value(element), [2], values)
    found = stored(tensor)
    assert found is not None
    assert found.tensor.tolist() == values


def test_types_without_counterpart_are_known_to_have_none() -> None:
    assert torch_type(onnx.TensorProto.FLOAT8E4M3FN) is None


def test_a_tensor_can_be_changed_without_changing_the_file() -> None:
    tensor = numpy_helper.from_array(np.ones(2, np.float32), "t")
    found = stored(tensor)
    assert found is not None
    found.tensor.zero_()
    assert numpy_helper.to_array(tensor).tolist() == [1, 1]


@given(st.lists(st.integers(0, 3), min_size=8, max_size=8))
def test_padding_is_the_same_as_numpy_s(pads: list[int]) -> None:
    values = np.arange(24.0).reshape(1, 2, 3, 4)
    expected = np.pad(values, list(zip(pads[:4], pads[4:], strict=False)))
    got = torch.nn.functional.pad(torch.from_numpy(values), torch_padding(pads, axes=[0, 1, 2, 3], rank=4))
    np.testing.assert_array_equal(got.numpy(), expected)
