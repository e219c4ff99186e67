"""Attributes, nested graphs and names of nodes, and copies that leave the original alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from compress_onnx.model.nodes import attribute, copied, names_read, names_read_in, nested


@pytest.mark.parametrize("value", [3, 0.5, b"text", [1, 2], [0.25, 0.5]], ids=str)
def test_an_attribute_is_what_was_written(value: Any) -> None:
    node = helper.make_node("Any", ["x"], ["y"], known=value)
    assert attribute(node, "known", None) == value
    assert attribute(node, "absent", value) is value


def test_a_tensor_is_an_attribute_too() -> None:
    node = helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(np.arange(3)))
    np.testing.assert_array_equal(numpy_helper.to_array(attribute(node, "value", None)), np.arange(3))


def branch(*nodes: onnx.NodeProto, output: str) -> onnx.GraphProto:
    return helper.make_graph(
        list(nodes), "branch", [], [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)]
    )


def test_names_are_those_of_every_depth_as_often_as_they_are_read() -> None:
    deep = helper.make_node("If", ["c2"], ["d"], then_branch=branch(output="w"), else_branch=branch(output="w"))
    node = helper.make_node(
        "If", ["c"], ["y"], then_branch=branch(deep, output="d"), else_branch=branch(output="outer")
    )
    assert sorted(names_read(node)) == sorted(["c", "c2", "w", "w", "d", "outer"])
    assert sorted(name for name, _ in nested(node)) == ["else_branch", "then_branch"]
    assert sorted(names_read_in(branch(node, output="y"))) == sorted([*names_read(node), "y"])


def test_an_absent_input_is_an_empty_name() -> None:
    assert list(names_read(helper.make_node("Clip", ["x", "", "high"], ["y"]))) == ["x", "", "high"]


def test_a_copy_can_be_changed(convnet: onnx.ModelProto) -> None:
    copy = copied(convnet)
    assert copy == convnet
    del copy.graph.node[:]
    assert convnet.graph.node
