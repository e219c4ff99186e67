"""Functions written out compute what they did, and a tensor in a function stays one tensor."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.model.constants.inlining import inlined

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(6)
K = RNG.normal(size=(3, 3, 1, 1)).astype(np.float32)
M = RNG.normal(size=(192, 5)).astype(np.float32)
TURN = RNG.normal(size=(3,)).astype(np.float32)
TAIL = [helper.make_node("Flatten", ["s"], ["flat"]), helper.make_node("MatMul", ["flat", "m"], ["logits"])]


def call(inputs: str, output: str, name: str = "Mix", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(name, inputs.split(), [output], domain="own", **attributes)


def function(
    body: Sequence[onnx.NodeProto], name: str = "Mix", inputs: Sequence[str] = ("x",), opset: int = 21, **options: Any
) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, inputs, ["y"], body, imports, **options)


def constant(output: str = "k", **attributes: Any) -> onnx.NodeProto:
    held = attributes or {"value": numpy_helper.from_array(K, "kernel")}
    return helper.make_node("Constant", [], [output], **held)


MIX = [constant(), helper.make_node("Conv", ["x", "k"], ["y"])]


def calling(
    make_model: MakeModel, nodes: Sequence[onnx.NodeProto], *functions: onnx.FunctionProto, **tensors: Any
) -> onnx.ModelProto:
    model = make_model([helper.make_node("Relu", ["input"], ["s"]), *TAIL], {"m": M, **tensors}, domains=("own",))
    del model.graph.node[0]
    for place, one in enumerate(nodes):
        model.graph.node.insert(place, one)
    model.functions.extend(functions)
    return model


def logits(model: onnx.ModelProto) -> NDArray[np.float32]:
    images = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    return np.asarray(ort.InferenceSession(model.SerializeToString()).run(None, {"input": images})[0])


def numbers(model: onnx.ModelProto) -> list[NDArray[Any]]:
    """Return all float tensors of a flat graph, stored or held by nodes."""
    held = [one.attribute[0].t for one in model.graph.node if one.op_type == "Constant"]
    tensors = [*model.graph.initializer, *held]
    return [numpy_helper.to_array(one) for one in tensors if one.data_type == TensorProto.FLOAT]


def test_a_model_without_functions_is_returned_itself(convnet: onnx.ModelProto) -> None:
    assert inlined(convnet) is convnet


@pytest.mark.parametrize("calls", [1, 2, 3])
def test_a_tensor_of_a_function_is_one_however_often_it_is_called(make_model: MakeModel, calls: int) -> None:
    names = ["input", *(f"c{place}" for place in range(1, calls)), "s"]
    nodes = [call(before, after) for before, after in itertools.pairwise(names)]
    model = calling(make_model, nodes, function(MIX))
    onnx.checker.check_model(model)
    before = model.SerializeToString(deterministic=True)
    flat = inlined(model)
    onnx.checker.check_model(flat)
    assert not flat.functions
    assert sorted(one.size for one in numbers(flat)) == [K.size, M.size]
    np.testing.assert_array_equal(logits(flat), logits(model))
    assert model.SerializeToString(deterministic=True) == before


def test_functions_that_call_functions_are_written_out(make_model: MakeModel) -> None:
    outer = function([call("x", "h"), call("h", "y")], "Twice")
    flat = inlined(model := calling(make_model, [call("input", "s", "Twice")], outer, function(MIX)))
    assert not flat.functions
    assert [one.op_type for one in flat.graph.node].count("Conv") == 2
    assert sorted(one.size for one in numbers(flat)) == [K.size, M.size]
    np.testing.assert_array_equal(logits(flat), logits(model))


def test_equal_tensors_of_two_functions_stay_two(make_model: MakeModel) -> None:
    functions = function(MIX), function(MIX, "Other")
    flat = inlined(calling(make_model, [call("input", "a"), call("a", "b", "Other"), call("b", "s")], *functions))
    assert sorted(one.size for one in numbers(flat)) == [K.size, K.size, M.size]


@pytest.mark.parametrize("form", ["list", "sparse"])
def test_lists_and_sparse_tensors_are_shared_too(make_model: MakeModel, form: str) -> None:
    values = helper.make_tensor("v", TensorProto.FLOAT, [3], TURN)
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.arange(3)), [3])
    held: dict[str, Any] = {"value_floats": TURN.tolist()} if form == "list" else {"sparse_value": sparse}
    body = [
        constant("v", **held),
        constant("shape", value_ints=[3, 1, 1]),
        helper.make_node("Reshape", ["v", "shape"], ["column"]),
        helper.make_node("Mul", ["x", "column"], ["y"]),
    ]
    model = calling(make_model, [call("input", "a"), call("a", "s")], function(body))
    flat = inlined(model)
    onnx.checker.check_model(flat)
    assert sorted(one.size for one in numbers(flat)) == [TURN.size, M.size]
    images = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    wanted = (images * (TURN**2)[:, None, None]).reshape(2, -1) @ M
    np.testing.assert_allclose(logits(flat), wanted, rtol=1e-4, atol=1e-4)


def test_an_attribute_of_a_call_is_its_own(make_model: MakeModel) -> None:
    """What the caller gives differs from call to call, and is not shared."""
    held = constant("shift", value_float=0.0)
    held.attribute[0].Clear()
    held.attribute[0].name, held.attribute[0].ref_attr_name = "value_float", "by"
    held.attribute[0].type = onnx.AttributeProto.FLOAT
    body = [held, helper.make_node("Add", ["x", "shift"], ["y"])]
    model = calling(
        make_model, [call("input", "a", by=1.0), call("a", "s", by=10.0)], function(body, attributes=["by"])
    )
    flat = inlined(model)
    images = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    np.testing.assert_allclose(logits(flat), (images + 11).reshape(2, -1) @ M, rtol=1e-4, atol=1e-4)


def of_another_opset(make_model: MakeModel, *, typed: bool) -> onnx.ModelProto:
    """Make a model that calls a function of an older operator set, with or without types of what that returns."""
    body = [helper.make_node("Relu", ["x"], ["r"]), *MIX[:1], helper.make_node("Conv", ["r", "k"], ["y"])]
    model = calling(make_model, [call("input", "a"), call("a", "s")], function(body, opset=17))
    if typed:
        shape = ["batch", 3, 8, 8]
        model.graph.value_info.extend(helper.make_tensor_value_info(one, TensorProto.FLOAT, shape) for one in "as")
    return model


def test_a_function_of_another_operator_set_is_converted(make_model: MakeModel) -> None:
    flat = inlined(of_another_opset(make_model, typed=True))
    onnx.checker.check_model(flat)
    assert not flat.functions
    images = np.random.default_rng(1).normal(size=(2, 3, 8, 8)).astype(np.float32)
    for _ in range(2):
        images = np.einsum("oi,nihw->nohw", K[..., 0, 0], np.maximum(images, 0))
    np.testing.assert_allclose(logits(flat), images.reshape(2, -1) @ M, rtol=1e-4, atol=1e-4)


def test_a_function_that_does_not_convert_stays_as_it_was(make_model: MakeModel) -> None:
    model = of_another_opset(make_model, typed=False)
    assert inlined(model) == model


def test_no_mark_is_left(make_model: MakeModel) -> None:
    for nodes in ([call("input", "s")], [call("input", "a"), call("a", "s")]):
        flat = inlined(calling(make_model, nodes, function(MIX)))
        assert b"compress_onnx function tensor" not in flat.SerializeToString()


def test_stored_tensors_stand_as_they_stood(make_model: MakeModel) -> None:
    flat = inlined(calling(make_model, [call("input", "s")], function(MIX), spare=TURN))
    assert [tensor.name for tensor in flat.graph.initializer] == ["m", "spare"]
