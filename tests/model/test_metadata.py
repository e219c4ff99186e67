"""What a file says about itself survives; what exporters left in it does not."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from compress_onnx.errors import ModelError
from compress_onnx.model.files import model_bytes, model_sha256
from compress_onnx.model.metadata import Embedded, read_embedded, write_embedded
from compress_onnx.records.artifacts import Preprocessing, RecipeStep

LEAK = 'File "/home/user/net.py", line 3'
FACTS = Embedded(
    preprocessing=Preprocessing(height=32, width=24, mean=(0.1, 0.2, 0.3), std=(0.4, 0.5, 0.6)),
    class_names=("Überholverbot", "stop, or 'go'", ""),
    recipe=(
        RecipeStep(name="export", options={"opset": 21, "fold": False}, seconds=0.0),
        RecipeStep(name="prune", options={"sparsity": 0.5, "layers": ["a", "b"], "seed": None}, seconds=0.0),
    ),
    parent_sha256="ab" * 32,
)


def test_all_facts_survive(convnet: onnx.ModelProto) -> None:
    assert read_embedded(write_embedded(convnet, FACTS)) == FACTS


finite = st.floats(-10, 10)
positive = st.floats(1e-3, 10)
options = st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | finite | st.text())
channels = st.sampled_from([1, 3]).flatmap(
    lambda n: st.tuples(st.tuples(*[finite] * n), st.tuples(*[positive] * n), st.integers(1, 999))
)


@given(names=st.lists(st.text()), channels=channels, options=options)
def test_any_facts_survive(
    names: list[str], channels: tuple[tuple[float, ...], tuple[float, ...], int], options: dict[str, str]
) -> None:
    facts = Embedded(
        preprocessing=Preprocessing(height=channels[2], width=7, mean=channels[0], std=channels[1], layout="NHWC"),
        class_names=tuple(names),
        recipe=(RecipeStep(name="step", options=options, seconds=0.0),),
    )
    assert read_embedded(write_embedded(onnx.ModelProto(), facts)) == facts


def test_a_foreign_model_carries_no_facts(convnet: onnx.ModelProto) -> None:
    assert read_embedded(convnet) == Embedded()


def test_seconds_stay_out_of_the_file(convnet: onnx.ModelProto) -> None:
    slow, fast = (Embedded(recipe=(RecipeStep(name="x", options={}, seconds=s),)) for s in (9.0, 1.0))
    assert model_sha256(write_embedded(convnet, slow)) == model_sha256(write_embedded(convnet, fast))


def test_writing_replaces_and_does_not_touch_the_argument(convnet: onnx.ModelProto) -> None:
    before = model_bytes(convnet)
    twice = write_embedded(write_embedded(convnet, FACTS), Embedded(class_names=("a",)))
    assert model_bytes(convnet) == before
    assert read_embedded(twice) == Embedded(class_names=("a",))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("preprocessing", "{"),
        ("preprocessing", '{"height": 3}'),
        ("preprocessing", "[]"),
        ("preprocessing", json.dumps({"height": 0, "width": 1, "mean": [0], "std": [1], "layout": "NCHW"})),
        ("preprocessing", json.dumps({"height": 1, "width": 1, "mean": [0, 0], "std": [1, 1], "layout": "NCHW"})),
        ("preprocessing", json.dumps({"height": 1, "width": 1, "mean": [0], "std": [1, 1, 1], "layout": "NCHW"})),
        ("preprocessing", json.dumps({"height": 1, "width": 1, "mean": [0], "std": [0], "layout": "NCHW"})),
        ("preprocessing", json.dumps({"height": 1, "width": 1, "mean": [0], "std": [1], "layout": "CHW"})),
        ("preprocessing", '{"height": 1, "width": 1, "mean": [NaN], "std": [1], "layout": "NCHW"}'),
        ("preprocessing", '{"height": 1, "width": 1, "mean": [0], "std": [Infinity], "layout": "NCHW"}'),
        ("class_names", "5"),
        ("recipe", '[{"name": "prune"}]'),
        ("recipe", "[3]"),
    ],
)
def test_broken_facts_are_refused(convnet: onnx.ModelProto, key: str, value: str) -> None:
    copy = write_embedded(convnet, Embedded())
    copy.metadata_props.add(key=f"compress_onnx.{key}", value=value)
    with pytest.raises(ModelError, match=r"readable compress_onnx metadata.*\(a\.onnx\)"):
        read_embedded(copy, where="a.onnx")


def test_an_entry_of_another_tool_is_not_taken_for_ours(convnet: onnx.ModelProto) -> None:
    copy = write_embedded(convnet, Embedded())
    copy.metadata_props.add(key="class_names", value="not JSON")
    assert read_embedded(copy) == Embedded()


def _leak_into(*messages: onnx.NodeProto | onnx.GraphProto) -> None:
    for message in messages:
        message.doc_string = LEAK
        message.metadata_props.add(key="pkg.torch.onnx.stack_trace", value=LEAK)


def test_stack_traces_and_doc_strings_are_stripped_everywhere(make_model: Callable[..., onnx.ModelProto]) -> None:
    inner = helper.make_node("Identity", ["flat"], ["same"])
    value = helper.make_tensor_value_info("same", TensorProto.FLOAT, ["n", "d"])
    branch = helper.make_graph([inner], "branch", [], [value])
    _leak_into(inner, branch.node[0], branch, value, branch.output[0])
    nodes = [
        helper.make_node("Flatten", ["input"], ["flat"], doc_string=LEAK),
        helper.make_node("If", ["yes"], ["chosen"], then_branch=branch, else_branch=branch),
        helper.make_node("MatMul", ["chosen", "w"], ["logits"]),
    ]
    model = make_model(nodes, {"w": np.ones((192, 5), np.float32), "yes": np.array(True)})  # noqa: FBT003  # a value
    function = model.functions.add(name="f", domain="own", input=["x"], output=["y"])
    function.node.append(helper.make_node("Relu", ["x"], ["y"]))
    function.opset_import.add(domain="", version=21)
    model.opset_import.add(domain="own", version=1)
    attribute = model.graph.node[1].attribute[0]
    attribute.doc_string = LEAK
    graph = model.graph
    _leak_into(model, graph, *graph.node, graph.initializer[0], graph.input[0], function, function.node[0])
    assert LEAK.encode() in model_bytes(model)

    clean = write_embedded(model, FACTS)

    assert LEAK.encode() not in model_bytes(clean)
    assert b"stack_trace" not in model_bytes(clean)
    onnx.checker.check_model(clean)
    assert [node.op_type for node in clean.graph.node] == ["Flatten", "If", "MatMul"]
