"""Graphs changed in place compute what they did, under other names and without what nobody reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.forms.graph_changes import (
    drop_nodes,
    drop_unread,
    names_known,
    plain_regions,
    rename_reads,
    rename_stored,
)
from compress_onnx.model.nodes import names_read_in

MakeModel = Callable[..., onnx.ModelProto]
M = np.random.default_rng(5).normal(size=(192, 5)).astype(np.float32)
IMAGE = np.random.default_rng(6).normal(size=(1, 3, 8, 8)).astype(np.float32)


def branch(name: str) -> onnx.GraphProto:
    out = helper.make_tensor_value_info(f"{name}_out", TensorProto.FLOAT, None)
    nodes = [helper.make_node("MatMul", ["flat", "m"], ["p"]), helper.make_node("Add", ["p", f"{name}_b"], [out.name])]
    return helper.make_graph(nodes, name, [], [out], [numpy_helper.from_array(np.ones(5, np.float32), f"{name}_b")])


@pytest.fixture
def model(make_model: MakeModel) -> onnx.ModelProto:
    """Two branches that read the same outer weight."""
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"]),
        helper.make_node("If", ["yes"], ["logits"], then_branch=branch("then"), else_branch=branch("else")),
    ]
    return make_model(nodes, {"m": M, "yes": np.array([True]), "spare": M})


def logits(model: onnx.ModelProto) -> np.ndarray:
    onnx.checker.check_model(model)
    return np.asarray(ReferenceEvaluator(model).run(None, {"input": IMAGE})[0])


def test_regions_are_the_graph_and_its_branches(model: onnx.ModelProto) -> None:
    assert sorted(region.graph.name for region in plain_regions(model)) == ["classifier", "else", "then"]


def test_every_name_is_known(model: onnx.ModelProto) -> None:
    known = {"input", "flat", "yes", "logits", "m", "spare", "p", "then_b", "then_out", "else_b", "else_out"}
    assert {*names_known(model.graph)} == known


def test_stored_tensors_are_renamed_wherever_they_are_read(model: onnx.ModelProto) -> None:
    before = logits(model)
    rename_stored(model.graph, {"m": "weight", "then_b": "bias"})
    np.testing.assert_array_equal(logits(model), before)
    names = {*names_known(model.graph)}
    assert {"weight", "bias"} <= names
    assert not names & {"m", "then_b"}


def test_reads_are_renamed_but_not_what_is_made(model: onnx.ModelProto) -> None:
    rename_reads(model.graph, {"m": "spare", "logits": "other"})
    np.testing.assert_array_equal(logits(model), IMAGE.reshape(1, -1) @ M + 1)
    assert "m" not in {*names_read_in(model.graph)}
    assert model.graph.output[0].name == "logits"


def test_dropped_is_what_was_read_and_no_longer_is(model: onnx.ModelProto) -> None:
    readers = Counter(names_read_in(model.graph))
    drop_unread(model.graph, readers)
    assert {tensor.name for tensor in model.graph.initializer} == {"m", "yes", "spare"}
    rename_reads(model.graph, {"m": "spare", "then_b": "else_b"})
    for one in model.graph.node[1].attribute:
        if one.g.name == "then":
            one.g.node[1].input[1] = "p"
    drop_unread(model.graph, readers)
    assert {tensor.name for tensor in model.graph.initializer} == {"yes", "spare"}
    held = {one.g.name: [tensor.name for tensor in one.g.initializer] for one in model.graph.node[1].attribute}
    assert held == {"then": [], "else": ["else_b"]}


def test_nodes_are_dropped_by_what_they_are_not_by_how_they_look(make_model: MakeModel) -> None:
    twins = [helper.make_node("Relu", ["input"], [name]) for name in ("a", "b")]
    ends = [helper.make_node("Flatten", ["b"], ["flat"]), helper.make_node("MatMul", ["flat", "m"], ["logits"])]
    model = make_model([*twins, *ends], {"m": M})
    (main,) = plain_regions(model)
    drop_nodes(main, {id(main.nodes[0])})
    assert [node.output[0] for node in model.graph.node] == ["b", "flat", "logits"]
