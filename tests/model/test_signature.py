"""One float image tensor in, logits (N, C) out: everything else is refused with what was found."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import TensorProto, helper

from compress_onnx.errors import ModelError
from compress_onnx.model.signature import Signature, default_opset, signature_of

Value = onnx.ValueInfoProto


def model(inputs: list[Value], outputs: list[Value], stored: tuple[onnx.TensorProto, ...] = ()) -> onnx.ModelProto:
    graph = helper.make_graph([helper.make_node("Identity", ["input"], ["logits"])], "g", inputs, outputs, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])


def value(name: str, *shape: int | str | None, kind: int = TensorProto.FLOAT) -> Value:
    return helper.make_tensor_value_info(name, kind, shape)


IMAGES = value("input", "n", 3, 32, 24)
LOGITS = value("logits", "n", 10)


def test_names_sizes_and_classes_are_read() -> None:
    assert signature_of(model([IMAGES], [LOGITS])) == Signature(
        input_name="input", output_name="logits", image_shape=(3, 32, 24), fixed_batch=None, classes=10
    )


def test_unknown_sizes_are_none() -> None:
    found = signature_of(model([value("input", 4, 3, None, "w")], [value("logits", 4, None)]))
    assert (found.image_shape, found.fixed_batch, found.classes) == ((3, None, None), 4, None)


@pytest.mark.parametrize("size", [0, -1])
def test_sizes_below_one_are_free(size: int) -> None:
    found = signature_of(model([value("input", size, 3, 32, 32)], [value("logits", size, 10)]))
    assert found.fixed_batch is None


def test_initializers_listed_as_inputs_are_not_fed() -> None:
    weight = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    assert signature_of(model([IMAGES, value("w", 1)], [LOGITS], (weight,))).input_name == "input"


def test_the_first_output_is_the_logits() -> None:
    assert signature_of(model([IMAGES], [LOGITS, value("features", "n", 8, 4, 4)])).output_name == "logits"


def _sequence() -> Value:
    return helper.make_tensor_sequence_value_info("input", TensorProto.FLOAT, None)


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([], [LOGITS], "one image input, got 0 inputs"),
        ([IMAGES, value("more", 1)], [LOGITS], "one image input, got 2 inputs"),
        ([value("input", "n", 3, kind=TensorProto.FLOAT)], [LOGITS], r"rank 4 .*'input' in float of shape \(\?, 3\)"),
        ([value("input", "n", 3, 8, 8, kind=TensorProto.UINT8)], [LOGITS], "float32 input .*in uint8"),
        ([helper.make_tensor_value_info("input", 1, None)], [LOGITS], "unknown shape"),
        ([value("input", "n", 3, 8, 8, kind=4242)], [LOGITS], "in type 4242"),
        ([_sequence()], [LOGITS], "not a tensor"),
        ([IMAGES], [], r"\(N, C\) in float32, got no output"),
        ([IMAGES], [value("logits", "n", 5, 8, 8)], r"\(N, C\) in float32, got 'logits' .*\(\?, 5, 8, 8\)"),
        ([IMAGES], [value("logits", "n")], "classification output"),
        ([IMAGES], [value("logits", "n", 10, kind=TensorProto.INT64)], "in int64.*classifier head"),
    ],
)
def test_what_is_no_image_classifier_is_refused(inputs: list[Value], outputs: list[Value], message: str) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        signature_of(model(inputs, outputs), where="a.onnx")
    assert "a.onnx" in str(caught.value)


def _with_imports(*pairs: tuple[str, int]) -> onnx.ModelProto:
    return onnx.ModelProto(opset_import=[helper.make_opsetid(*pair) for pair in pairs])


@pytest.mark.parametrize(
    ("build", "opset"),
    [
        (lambda: _with_imports(("com.microsoft", 1), ("", 17)), 17),
        (lambda: _with_imports(("ai.onnx", 13)), 13),
        (lambda: _with_imports(("com.microsoft", 1)), 0),
    ],
)
def test_the_default_opset_is_found_under_both_its_names(build: Callable[[], onnx.ModelProto], opset: int) -> None:
    assert default_opset(build()) == opset
