"""Shapes: computed with, and given to tensors, against ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

torch = pytest.importorskip("torch")
from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.shape import CONVERTERS, unsqueezed  # noqa: E402

VALUES = np.arange(24, dtype=np.float32).reshape(2, 3, 1, 4)


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(CONVERTERS))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)


@pytest.mark.parametrize("running", [1, 2])
@pytest.mark.parametrize("shape", [[24], [0, -1], [4, 0, 2, 1], [-1, 0, 1, 2]])
def test_a_0_in_a_shape_keeps_the_size_there_and_minus_1_is_what_is_left(
    like_reference: Any, shape: list[int], running: int
) -> None:
    arrays = {"x": VALUES, "shape": np.array(shape)}
    like_reference(helper.make_node("Reshape", ["x", "shape"], ["y"]), arrays, running=running)


def test_a_0_in_a_shape_is_a_size_where_the_node_says_so(like_reference: Any) -> None:
    arrays = {"x": np.zeros((0, 3), np.float32), "shape": np.array([5, 0])}
    like_reference(helper.make_node("Reshape", ["x", "shape"], ["y"], allowzero=1), arrays)


@pytest.mark.parametrize("axis", [None, 0, 1, 4, -1])
def test_a_tensor_is_flattened_to_two_axes(like_reference: Any, axis: int | None) -> None:
    attributes = {} if axis is None else {"axis": axis}
    like_reference(helper.make_node("Flatten", ["x"], ["y"], **attributes), {"x": VALUES})


@pytest.mark.parametrize("axes", [None, [2], [-2]])
def test_axes_of_size_1_are_dropped(like_reference: Any, axes: list[int] | None) -> None:
    arrays = {"x": VALUES} | ({} if axes is None else {"axes": np.array(axes)})
    like_reference(helper.make_node("Squeeze", list(arrays), ["y"]), arrays)


@pytest.mark.parametrize("axes", [[0], [-1], [0, -1], [5, 1, 2], [-1, -2]])
def test_new_axes_stand_at_their_places_in_the_result_in_any_order(like_reference: Any, axes: list[int]) -> None:
    assert unsqueezed(torch.from_numpy(VALUES), axes).shape == np.expand_dims(VALUES, tuple(axes)).shape
    like_reference(helper.make_node("Unsqueeze", ["x", "axes"], ["y"]), {"x": VALUES, "axes": np.array(axes)})


@pytest.mark.parametrize("attributes", [{}, {"perm": [0, 2, 3, 1]}])
def test_axes_are_turned_around_unless_an_order_is_given(like_reference: Any, attributes: dict[str, Any]) -> None:
    like_reference(helper.make_node("Transpose", ["x"], ["y"], **attributes), {"x": VALUES})


@pytest.mark.parametrize("attributes", [{}, {"start": 1}, {"start": -2}, {"end": 2}, {"start": 1, "end": -1}])
def test_a_shape_is_told_in_part_or_whole(like_reference: Any, attributes: dict[str, int]) -> None:
    like_reference(helper.make_node("Shape", ["x"], ["y"], **attributes), {"x": VALUES})
    like_reference(helper.make_node("Size", ["x"], ["y"]), {"x": VALUES})


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_tensors_are_joined_along_an_axis(like_reference: Any, axis: int) -> None:
    like_reference(helper.make_node("Concat", ["a", "b"], ["y"], axis=axis), {"a": VALUES, "b": VALUES + 1}, running=2)


@pytest.mark.parametrize("shape", [[2, 3, 5, 4], [1, 1, 6, 1], [7, 2, 1, 1, 1], [4]])
def test_expanding_broadcasts_both_ways(like_reference: Any, shape: list[int]) -> None:
    like_reference(helper.make_node("Expand", ["x", "shape"], ["y"]), {"x": VALUES, "shape": np.array(shape)})


def test_a_tensor_is_repeated_along_each_axis(like_reference: Any) -> None:
    like_reference(helper.make_node("Tile", ["x", "n"], ["y"]), {"x": VALUES, "n": np.array([1, 2, 3, 1])})


@pytest.mark.parametrize("limits", [(0, 5, 2), (5, 0, -2), (3, 3, 1)])
@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_a_range_has_the_type_of_its_start(like_reference: Any, limits: tuple[int, ...], kind: Any) -> None:
    arrays = dict(zip(("start", "limit", "step"), (np.asarray(limit, kind) for limit in limits), strict=True))
    like_reference(helper.make_node("Range", list(arrays), ["y"]), arrays, running=3)


@pytest.mark.parametrize("value", [None, np.array([7], np.int64), np.array([0.5], np.float32)])
def test_a_constant_fills_a_shape_with_0_unless_told_otherwise(like_reference: Any, value: Any) -> None:
    attributes = {} if value is None else {"value": numpy_helper.from_array(value)}
    like_reference(helper.make_node("ConstantOfShape", ["shape"], ["y"], **attributes), {"shape": np.array([2, 3])})


def test_a_filled_tensor_can_be_written_to_without_changing_the_next(module_of: Any) -> None:
    module = module_of(helper.make_node("ConstantOfShape", ["shape"], ["y"]))
    module(torch.tensor([3])).fill_(9)
    assert module(torch.tensor([3])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    "attributes",
    [
        {"value": numpy_helper.from_array(np.array([[1, 2]], np.int32))},
        {"value_float": 1.5},
        {"value_floats": [1.5, 2.0]},
        {"value_int": 3},
        {"value_ints": [3, 4]},
    ],
    ids=lambda attributes: next(iter(attributes)),
)
def test_a_constant_may_be_a_tensor_a_number_or_a_list(like_reference: Any, attributes: dict[str, Any]) -> None:
    like_reference(helper.make_node("Constant", [], ["y"], **attributes), {})


@pytest.mark.parametrize("inputs", [["x"], ["x", "ratio"]])
def test_nothing_is_dropped_out(module_of: Any, inputs: list[str]) -> None:
    module = module_of(helper.make_node("Dropout", inputs, ["y"]), {"ratio": np.array(0.9, np.float32)}).train()
    given = [torch.from_numpy(VALUES), torch.tensor(0.9)][: len(inputs)]
    np.testing.assert_array_equal(module(*given).numpy(), VALUES)


BFLOAT = helper.make_tensor("b", TensorProto.BFLOAT16, [1], [1.0])


@pytest.mark.parametrize(
    ("node", "what"),
    [
        (helper.make_node("Constant", [], ["y"], "n", value=BFLOAT), "Constant with a value that is sparse, text or"),
        (helper.make_node("Constant", [], ["y"], "n", value_string="a"), "Constant with a value that is sparse, text"),
        (
            helper.make_node("ConstantOfShape", ["s"], ["y"], "n", value=BFLOAT),
            "ConstantOfShape with a value of a type",
        ),
        (helper.make_node("Dropout", ["x", "", "train"], ["y"], "n"), "Dropout with training_mode=true"),
    ],
)
def test_what_is_not_handled_is_one_sentence(module_of: Any, node: Any, what: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=rf"got {what}.*\(node 'n'\)"):
        module_of(node, {"train": np.array([True])[0]})
