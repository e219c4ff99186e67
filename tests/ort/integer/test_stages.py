"""A graph that is cut where chosen nodes stand answers, stage by stage, as the whole does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.errors import ModelError
from compress_onnx.ort.integer.stages import Stage, key_of, needed_by, staged

Values = dict[str, NDArray[Any]]
FLOAT = TensorProto.FLOAT


def graph_of(nodes: Sequence[onnx.NodeProto], outputs: Sequence[str], stored: Values) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "cut",
        [helper.make_tensor_value_info("x", FLOAT, [3])],
        [helper.make_tensor_value_info(name, FLOAT, [3]) for name in outputs],
        [numpy_helper.from_array(value, name) for name, value in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.checker.check_model(model)
    return model


def random_graph(seed: int) -> onnx.ModelProto:
    """Sums and differences of earlier tensors and stored ones, of which some end as outputs."""
    rng = np.random.default_rng(seed)
    known, nodes = ["x", "s0", "s1"], []
    for number in range(int(rng.integers(1, 9))):
        left, right = rng.choice(known, 2)
        nodes.append(helper.make_node(str(rng.choice(["Add", "Sub", "Mul"])), [left, right], [f"t{number}"]))
        known.append(f"t{number}")
    outputs = [name for name in known[3:-1] if rng.random() < 0.3] + known[-1:]
    return graph_of(nodes, outputs, {"s0": np.float32([1, 2, 3]), "s1": np.float32([0.5, -1, 2])})


def in_stages(stages: Sequence[Stage], given: Values) -> Values:
    """Run the computed nodes one by one, and the models of the stages between them, by the reference evaluator."""
    known = dict(given)
    for stage in stages:
        for node in stage.computed:
            alone = dict.fromkeys(node.input)
            part = helper.make_graph(
                [node],
                "alone",
                [helper.make_tensor_value_info(name, FLOAT, None) for name in alone],
                [helper.make_tensor_value_info(name, FLOAT, None) for name in node.output],
            )
            made = helper.make_model(part, opset_imports=stage.source.opset_import, ir_version=10)
            found = ReferenceEvaluator(made).run(None, {name: known[name] for name in alone})
            known |= dict(zip(node.output, found, strict=True))
        if stage.nodes:
            model = stage.model(dict.fromkeys(stage.inputs, FLOAT))
            found = ReferenceEvaluator(model).run(None, {name: known[name] for name in stage.inputs})
            known |= dict(zip(stage.outputs, found, strict=True))
    return known


@settings(max_examples=60)
@given(seed=st.integers(0, 10_000), chance=st.floats(0, 1))
def test_stages_answer_as_the_whole_wherever_it_is_cut(seed: int, chance: float) -> None:
    model = random_graph(seed)
    rng = np.random.default_rng(seed)
    chosen = {key_of(node) for node in model.graph.node if rng.random() < chance}
    stages = list(staged(model, chosen))
    x = rng.normal(size=3).astype(np.float32)
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    found = in_stages(stages, {"x": x, **stored})
    names = [value.name for value in model.graph.output]
    for name, expected in zip(names, ReferenceEvaluator(model).run(None, {"x": x}), strict=True):
        np.testing.assert_array_equal(found[name], expected)
    assert {key_of(node) for stage in stages for node in stage.computed} == chosen
    run = [key_of(node) for stage in stages for node in (*stage.computed, *stage.nodes)]
    assert sorted(run) == sorted(key_of(node) for node in model.graph.node)


def chain(*, last: str = "y") -> onnx.ModelProto:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Add", ["a", "s"], ["b"]),
        helper.make_node("Mul", ["b", "a"], [last]),
    ]
    return graph_of(nodes, [last], {"s": np.float32([1, 2, 3])})


def test_a_graph_of_which_nothing_is_chosen_is_one_stage() -> None:
    (stage,) = staged(chain(), ())
    assert (stage.computed, stage.inputs, stage.outputs) == ((), ("x",), ("y",))
    assert len(stage.nodes) == 3


def test_only_what_others_read_crosses_the_border() -> None:
    first, second = staged(chain(), {("b",)})
    assert [node.output[0] for node in first.nodes] == ["a"]
    assert (first.inputs, first.outputs) == (("x",), ("a",))
    assert [node.output[0] for node in second.computed] == ["b"]
    assert (second.inputs, second.outputs) == (("a", "b"), ("y",))


def test_chosen_nodes_of_one_depth_share_a_stage() -> None:
    nodes = [
        helper.make_node("Neg", ["x"], ["a"]),
        helper.make_node("Abs", ["x"], ["b"]),
        helper.make_node("Add", ["a", "b"], ["c"]),
    ]
    model = graph_of(nodes, ["c"], {})
    counts = [len(stage.computed) for stage in staged(model, {("a",), ("b",), ("c",)})]
    assert counts == [0, 2, 1]


def test_a_weight_that_a_caller_may_replace_stays_an_input() -> None:
    model = chain()
    model.graph.input.append(helper.make_tensor_value_info("s", FLOAT, [3]))
    (stage,) = staged(model, ())
    made = stage.model({"x": FLOAT})
    assert [value.name for value in made.graph.input] == ["x", "s"]
    assert [tensor.name for tensor in made.graph.initializer] == ["s"]


def test_stored_tensors_go_only_where_they_are_read() -> None:
    first, second = staged(chain(), {("b",)})
    assert not first.model({"x": FLOAT}).graph.initializer
    # The chosen node reads it, by the caller.
    assert not second.model({"a": FLOAT, "b": FLOAT}).graph.initializer


def test_a_tensor_of_a_type_that_numpy_lacks_is_refused_by_its_name() -> None:
    (stage,) = staged(chain(), ())
    with pytest.raises(ModelError, match=r"NumPy holds .*, got 'x', of another type\. It cannot be simulated: ask"):
        stage.model({})


def test_what_branches_read_from_outside_is_needed_and_what_they_make_is_not() -> None:
    inner = helper.make_graph(
        [
            helper.make_node("Add", ["outside", "own"], ["made"]),
            helper.make_node("Neg", ["made"], ["deep"]),
        ],
        "then",
        [],
        [helper.make_tensor_value_info("deep", FLOAT, None)],
        [numpy_helper.from_array(np.float32(1), "own")],
    )
    passing = helper.make_graph([], "else", [], [helper.make_tensor_value_info("handed", FLOAT, None)])
    node = helper.make_node("If", ["which"], ["y"], then_branch=inner, else_branch=passing)
    assert needed_by(node) == {"which", "outside", "handed"}
    nested = helper.make_graph([node], "outer", [], [helper.make_tensor_value_info("y", FLOAT, None)])
    assert needed_by(helper.make_node("If", ["c"], ["z"], then_branch=nested, else_branch=nested)) == {
        "c",
        "which",
        "outside",
        "handed",
    }


def test_an_input_that_is_left_out_is_not_needed() -> None:
    assert needed_by(helper.make_node("Clip", ["x", "", "high"], ["y"])) == {"x", "high"}
