"""Arithmetic, comparisons, casts and reductions against ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

torch = pytest.importorskip("torch")
from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.arithmetic import CONVERTERS, divided  # noqa: E402

RNG = np.random.default_rng(0)
LEFT = RNG.standard_normal((2, 3, 4)).astype(np.float32) * 3
RIGHT = RNG.standard_normal((3, 1)).astype(np.float32) + 2
WHOLE = np.array([-7, -6, -1, 0, 1, 6, 7], np.int64)


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(CONVERTERS))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)


@pytest.mark.parametrize(
    "operator", ["Add", "Sub", "Mul", "Div", "Less", "GreaterOrEqual", "Max", "Min", "Mean", "Sum"]
)
@pytest.mark.parametrize("running", [1, 2])
def test_operands_broadcast_known_beforehand_or_not(like_reference: Any, operator: str, running: int) -> None:
    like_reference(helper.make_node(operator, ["a", "b"], ["y"]), {"a": LEFT, "b": RIGHT}, running=running)


@pytest.mark.parametrize("operator", ["Max", "Min", "Mean", "Sum"])
@pytest.mark.parametrize("n", [1, 3])
def test_any_number_of_operands_is_folded(like_reference: Any, operator: str, n: int) -> None:
    arrays = {name: RNG.standard_normal((2, 3)).astype(np.float32) for name in "abc"[:n]}
    like_reference(helper.make_node(operator, list(arrays), ["y"]), arrays)


@pytest.mark.parametrize("divisor", [2, -2, 3])
def test_whole_quotients_are_cut_towards_zero_as_in_c(divisor: int) -> None:
    got = divided(torch.from_numpy(WHOLE), torch.tensor(divisor)).tolist()
    assert got == [int(value / divisor) for value in WHOLE.tolist()]


@pytest.mark.parametrize("fmod", [0, 1])
def test_a_remainder_has_the_sign_of_the_divisor_or_with_fmod_of_the_dividend(like_reference: Any, fmod: int) -> None:
    node = helper.make_node("Mod", ["a", "b"], ["y"], fmod=fmod)
    like_reference(node, {"a": WHOLE, "b": np.array(3)})
    like_reference(node, {"a": WHOLE, "b": np.array(-3)})


def test_halves_are_rounded_to_even(like_reference: Any) -> None:
    like_reference(helper.make_node("Round", ["x"], ["y"]), {"x": np.arange(-2.5, 3, 0.5, dtype=np.float32)})


def test_a_power_keeps_the_type_of_its_base(like_reference: Any) -> None:
    base = np.array([1, 2, 3], np.int64)
    like_reference(helper.make_node("Pow", ["a", "b"], ["y"]), {"a": base, "b": np.array([2, 0.5, 3], np.float32)})


@pytest.mark.parametrize("operator", ["And", "Or", "Xor"])
def test_truth_tables_are_those_of_the_reference(like_reference: Any, operator: str) -> None:
    arrays = {"a": np.array([False, False, True, True]), "b": np.array([False, True, False, True])}
    like_reference(helper.make_node(operator, ["a", "b"], ["y"]), arrays)


def test_where_chooses_between_values_that_broadcast(like_reference: Any) -> None:
    arrays = {"c": np.array([[True], [False]]), "a": np.float32([1, 2, 3]), "b": np.float32([[-1], [-2]])}
    like_reference(helper.make_node("Where", ["c", "a", "b"], ["y"]), arrays, running=3)


@pytest.mark.parametrize(
    "target", [TensorProto.INT64, TensorProto.UINT8, TensorProto.BOOL, TensorProto.DOUBLE, TensorProto.FLOAT16]
)
def test_a_cast_gives_the_type_asked_for(like_reference: Any, target: int) -> None:
    values = np.array([0, 0.4, 1, 2.9, 200], np.float32)
    like_reference(helper.make_node("Cast", ["x"], ["y"], to=target), {"x": values})


@pytest.mark.parametrize("running", [1, 2])
def test_a_cast_takes_the_type_of_another_value(like_reference: Any, running: int) -> None:
    arrays = {"x": np.array([1.7, -1.7], np.float32), "like": np.zeros(3, np.int32)}
    like_reference(helper.make_node("CastLike", ["x", "like"], ["y"]), arrays, running=running)


@pytest.mark.parametrize("target", [TensorProto.INT4, TensorProto.UINT4, TensorProto.BFLOAT16])
def test_a_cast_to_a_type_that_pytorch_does_not_compute_in_is_refused(module_of: Any, target: int) -> None:
    name = TensorProto.DataType.Name(target).lower()
    with pytest.raises(UnsupportedOperatorError, match=rf"got Cast with target type {name} \(node 'to'\)"):
        module_of(helper.make_node("Cast", ["x"], ["y"], "to", to=target))


@pytest.mark.parametrize("axis", [0, -1])
def test_running_sums_go_along_one_axis(like_reference: Any, axis: int) -> None:
    like_reference(helper.make_node("CumSum", ["x", "axis"], ["y"]), {"x": LEFT, "axis": np.array(axis)})


@pytest.mark.parametrize("way", ["exclusive", "reverse"])
def test_exclusive_and_reverse_sums_are_refused(module_of: Any, way: str) -> None:
    node = helper.make_node("CumSum", ["x", "axis"], ["y"], **{way: 1})
    with pytest.raises(UnsupportedOperatorError, match="exclusive or reverse sums"):
        module_of(node, {"axis": np.array(0)})


REDUCTIONS = sorted(name for name in CONVERTERS if name.startswith("Reduce"))


@pytest.mark.parametrize("operator", REDUCTIONS)
@pytest.mark.parametrize("axes", [None, [1], [0, -1]])
@pytest.mark.parametrize("keep", [0, 1])
def test_a_reduction_takes_the_axes_given_or_all(
    like_reference: Any, operator: str, axes: list[int] | None, keep: int
) -> None:
    arrays = {"x": LEFT} | ({} if axes is None else {"axes": np.array(axes)})
    like_reference(helper.make_node(operator, list(arrays), ["y"], keepdims=keep), arrays, atol=1e-3)


@pytest.mark.parametrize("operator", REDUCTIONS)
def test_no_axes_mean_no_reduction_where_the_node_says_so(module_of: Any, operator: str) -> None:
    module = module_of(helper.make_node(operator, ["x"], ["y"], noop_with_empty_axes=1))
    np.testing.assert_array_equal(module(torch.from_numpy(LEFT)).numpy(), LEFT)


@pytest.mark.parametrize("operator", ["ArgMax", "ArgMin"])
@pytest.mark.parametrize("attributes", [{}, {"axis": -1}, {"axis": 1, "keepdims": 0}])
def test_the_place_of_an_extreme_is_the_first_among_equals(
    like_reference: Any, operator: str, attributes: dict[str, int]
) -> None:
    like_reference(helper.make_node(operator, ["x"], ["y"], **attributes), {"x": np.round(LEFT / 4)})


def test_the_last_place_among_equals_is_refused(module_of: Any) -> None:
    with pytest.raises(UnsupportedOperatorError, match="select_last_index=1"):
        module_of(helper.make_node("ArgMax", ["x"], ["y"], select_last_index=1))
