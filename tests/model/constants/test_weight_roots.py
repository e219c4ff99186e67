"""From what is multiplied back to what is stored: each place against the numbers that lie there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from compress_onnx.model.constants.graph_regions import Constant, regions
from compress_onnx.model.constants.values import value
from compress_onnx.model.constants.weight_roots import foreign_kind, keeps_zeros, rank, roots, size, unmoved

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(14)
A = RNG.permutation(960).reshape(192, 5).astype(np.float32) + 1
B = A + 1000
COLUMN = np.full((192, 1), 2, np.float32)


def node(op: str, inputs: str, output: str = "m", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), output.split(), **attributes)


def constant(make_model: MakeModel, nodes: list[onnx.NodeProto], **tensors: Any) -> Constant:
    """Return what nodes make as ``m``."""
    ends = [node("Flatten", "input", "flat"), node("MatMul", "flat a", "logits")]
    given = {"a": A, "b": B, "column": COLUMN, **tensors}
    (main,) = regions(make_model([*nodes, *ends], given, domains=("acme",)))
    found = main.constant("m")
    assert found is not None
    return found


MADE: dict[str, tuple[list[onnx.NodeProto], list[str], bool]] = {
    "turned": ([node("Transpose", "a", perm=[1, 0])], ["a"], False),
    "joined": ([node("Concat", "a b", axis=1)], ["a", "b"], False),
    "split": ([node("Split", "a", "m n", axis=1, num_outputs=2)], ["a"], True),
    "chosen": ([node("Gather", "a rows", axis=0)], ["a"], True),
    "cut of two": ([node("Concat", "a b", "c", axis=0), node("Gather", "c rows", axis=0)], ["a", "b"], True),
    "each twice": ([node("Concat", "a a", axis=1)], ["a"], False),
    "scaled": ([node("Mul", "a column")], ["a"], False),
    "product": ([node("Add", "a b")], ["m"], False),
}


@pytest.mark.parametrize("name", MADE)
def test_places_number_the_values_that_lie_there(make_model: MakeModel, name: str) -> None:
    nodes, names, part = MADE[name]
    made = constant(make_model, nodes, rows=np.array([3, 0, 3]))
    found = roots(made)
    assert [tensor.name for tensor in found.tensors] == names
    assert found.is_part == part
    if found.places is not None:
        every = np.concatenate([value(tensor).ravel() for tensor in found.tensors])
        np.testing.assert_array_equal(every[found.places], value(made))


@pytest.mark.parametrize("name", MADE)
def test_rank_and_size_are_those_of_the_value(make_model: MakeModel, name: str) -> None:
    made = constant(make_model, MADE[name][0], rows=np.array([3, 0, 3]))
    assert (rank(made), size(made)) == (value(made).ndim, value(made).size)


@pytest.mark.parametrize(
    ("nodes", "keeps"),
    [
        ([node("Transpose", "a", perm=[1, 0])], True),
        ([node("Mul", "a column")], True),
        ([node("Div", "a column")], True),
        ([node("Div", "column a")], False),
        ([node("Neg", "a")], True),
        ([node("Cast", "a", to=TensorProto.FLOAT16)], True),
        ([node("Exp", "a")], False),
        ([node("Add", "a column")], False),
    ],
)
def test_zeros_are_kept_where_a_zero_makes_a_zero(
    make_model: MakeModel, nodes: list[onnx.NodeProto], *, keeps: bool
) -> None:
    assert keeps_zeros(constant(make_model, nodes)) == keeps
    with np.errstate(divide="ignore"):
        zeroed = value(constant(make_model, nodes, a=np.zeros_like(A)))
    assert bool(np.all(zeroed == 0)) == keeps


def test_unmoved_is_what_was_only_reordered(make_model: MakeModel) -> None:
    nodes = [node("Neg", "a", "n"), node("Transpose", "n", "t", perm=[1, 0]), node("Flatten", "t")]
    assert unmoved(constant(make_model, nodes)).name == "n"


def test_the_nearest_operator_of_no_known_meaning_is_named(make_model: MakeModel) -> None:
    nodes = [helper.make_node("Own", ["a"], ["o"], domain="acme"), node("Transpose", "o", perm=[1, 0])]
    made = constant(make_model, nodes)
    assert (foreign_kind(made), [tensor.name for tensor in roots(made).tensors]) == ("acme.Own", ["a"])
    assert foreign_kind(constant(make_model, MADE["turned"][0])) == ""


def test_a_table_of_few_numbers_is_no_weight_but_the_codes_are(make_model: MakeModel) -> None:
    codes = RNG.integers(0, 16, (192, 5))
    made = constant(make_model, [node("Gather", "table codes")], table=np.linspace(0, 1, 16), codes=codes)
    assert [tensor.name for tensor in roots(made).tensors] == ["codes"]
