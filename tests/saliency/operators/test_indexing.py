"""Slices, gathered rows and splits against NumPy and ONNX's reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper

torch = pytest.importorskip("torch")
from compress_onnx.errors import UnsupportedOperatorError  # noqa: E402  # after the skip
from compress_onnx.saliency.operators.indexing import CONVERTERS, gathered, sliced  # noqa: E402

VALUES = np.arange(120, dtype=np.float32).reshape(2, 3, 4, 5)
BOUND = st.one_of(st.none(), st.integers(-9, 9))


@pytest.mark.slow
@pytest.mark.parametrize("operator", sorted(CONVERTERS))
def test_every_operator_passes_onnx_s_own_conformance_cases_or_refuses_them(conforms: Any, operator: str) -> None:
    conforms(operator)


@given(start=BOUND, stop=BOUND, step=st.integers(-3, 3).filter(bool), axis=st.integers(-4, 3))
def test_a_slice_is_numpy_s_whatever_bounds_and_step(start: int | None, stop: int | None, step: int, axis: int) -> None:
    part = slice(start, stop, step)
    expected = np.moveaxis(np.moveaxis(VALUES, axis, 0)[part], 0, axis)
    np.testing.assert_array_equal(sliced(torch.from_numpy(VALUES), part, axis).numpy(), expected)


@pytest.mark.parametrize("running", [1, 3])
def test_a_slice_goes_along_the_first_axes_by_steps_of_1_unless_told_otherwise(
    like_reference: Any, running: int
) -> None:
    arrays = {"x": VALUES, "starts": np.array([0, 1]), "ends": np.array([1, 2**31])}
    like_reference(helper.make_node("Slice", list(arrays), ["y"]), arrays, running=running)
    more = {"x": VALUES, "starts": np.array([-1, 0]), "ends": np.array([-9, 3]), "axes": np.array([-1, 1])}
    more["steps"] = np.array([-2, 2])
    like_reference(helper.make_node("Slice", list(more), ["y"]), more, running=running)


@given(places=st.lists(st.integers(-3, 2), max_size=6))
def test_gathered_places_count_from_either_end(places: list[int]) -> None:
    wanted = np.take(VALUES, np.array(places, np.int64), axis=1)
    got = gathered(torch.from_numpy(VALUES), torch.tensor(places, dtype=torch.int64), 1)
    np.testing.assert_array_equal(got.numpy(), wanted)


@pytest.mark.parametrize("axis", [0, 2, -1])
@pytest.mark.parametrize("shape", [(), (2,), (2, 3)])
def test_gathering_puts_the_shape_of_the_places_where_the_axis_was(
    like_reference: Any, axis: int, shape: tuple[int, ...]
) -> None:
    places = np.random.default_rng(0).integers(-2, 2, shape)
    like_reference(helper.make_node("Gather", ["x", "i"], ["y"], axis=axis), {"x": VALUES, "i": np.asarray(places)})


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_elements_are_gathered_one_by_one_in_any_shape_of_places(module_of: Any, axis: int) -> None:
    values = np.arange(12.0).reshape(3, 4)
    places = np.array([[0, -1, 2], [1, 0, -3]])
    module = module_of(helper.make_node("GatherElements", ["x", "i"], ["y"], axis=axis))
    got = module(torch.from_numpy(values), torch.from_numpy(places))
    rows, columns = np.indices(places.shape)
    expected = values[places, columns] if axis == 0 else values[rows, places]
    np.testing.assert_array_equal(got.numpy(), expected)


@pytest.mark.parametrize(
    ("batched", "places"),
    [(0, [[0, -1], [1, 2]]), (0, [[1], [0]]), (1, [[[0, 1]], [[-1, -1]]]), (2, np.zeros((2, 3, 1)))],
)
def test_slices_are_gathered_by_several_places_in_each_batch(like_reference: Any, batched: int, places: Any) -> None:
    node = helper.make_node("GatherND", ["x", "i"], ["y"], batch_dims=batched)
    like_reference(node, {"x": VALUES, "i": np.asarray(places, np.int64)})


@pytest.mark.parametrize("reduction", ["none", "add"])
def test_updates_are_scattered_or_added(like_reference: Any, reduction: str) -> None:
    arrays = {"x": VALUES[0, 0], "i": np.array([[0, 1], [3, -1]]), "u": np.array([100, 200], np.float32)}
    like_reference(helper.make_node("ScatterND", list(arrays), ["y"], reduction=reduction), arrays)


def test_updates_at_one_place_add_up(module_of: Any) -> None:
    module = module_of(helper.make_node("ScatterND", ["x", "i", "u"], ["y"], reduction="add"))
    got = module(torch.zeros(3), torch.tensor([[1], [1], [2]]), torch.tensor([1.0, 2.0, 4.0]))
    assert got.tolist() == [0, 3, 4]


def test_a_tensor_is_split_by_given_sizes(like_reference: Any) -> None:
    node = helper.make_node("Split", ["x", "sizes"], ["a", "b", "c"], axis=-1)
    like_reference(node, {"x": VALUES, "sizes": np.array([1, 4, 0])})


@pytest.mark.parametrize(("axis", "parts"), [(0, 2), (1, 2), (3, 2), (3, 5)])
def test_without_sizes_the_last_part_is_the_smaller_one(like_reference: Any, axis: int, parts: int) -> None:
    outputs = [f"part{place}" for place in range(parts)]
    like_reference(helper.make_node("Split", ["x"], outputs, axis=axis, num_outputs=parts), {"x": VALUES})


def test_depth_becomes_space_column_row_depth(like_reference: Any) -> None:
    images = np.arange(2 * 8 * 2 * 3, dtype=np.float32).reshape(2, 8, 2, 3)
    like_reference(helper.make_node("DepthToSpace", ["x"], ["y"], blocksize=2, mode="CRD"), {"x": images})


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("diagonal", [None, -1, 2])
def test_a_triangle_is_kept(like_reference: Any, upper: int, diagonal: int | None) -> None:
    arrays = {"x": VALUES} | ({} if diagonal is None else {"k": np.array(diagonal)})
    like_reference(helper.make_node("Trilu", list(arrays), ["y"], upper=upper), arrays)


@pytest.mark.parametrize(
    ("node", "what"),
    [
        (helper.make_node("ScatterND", ["x", "i", "u"], ["y"], "n", reduction="mul"), "ScatterND with reduction mul"),
        (helper.make_node("Split", ["x"], ["a", "b"], "n", split=[1, 1]), "Split with sizes as an attribute"),
        (helper.make_node("DepthToSpace", ["x"], ["y"], "n", blocksize=2), "DepthToSpace with mode DCR"),
    ],
)
def test_what_is_not_handled_is_one_sentence(module_of: Any, node: Any, what: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=rf"got {what}.*\(node 'n'\)"):
        module_of(node)
