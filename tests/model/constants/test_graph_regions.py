"""Which names of a graph are constant, wherever they lie: against what changes when the input does."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from compress_onnx.model.constants.graph_regions import Region, held, regions, stored_tensors
from compress_onnx.model.constants.values import array, value

MakeModel = Callable[..., onnx.ModelProto]
RNG = np.random.default_rng(8)
M = RNG.normal(size=(192, 5)).astype(np.float32)


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), output.split(), f"{output}_node", **attributes)


def info(name: str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, None)


FLAT = node("Flatten", "input", "flat")
TABLE = [
    node("Transpose", "m", "turned", perm=[1, 0]),
    node("Mul", "turned column", "scaled"),
    node("Identity", "scaled", "same"),
    node("Transpose", "same", "back", perm=[1, 0]),
    node("Constant", "", "one", value_float=1.0),
    FLAT,
    node("Mul", "flat one", "times"),
    node("MatMul", "times back", "logits"),
]
STORED: dict[str, NDArray[Any]] = {"m": M, "column": RNG.normal(size=(5, 1)).astype(np.float32)}


def test_constant_are_the_names_that_the_input_does_not_change(make_model: MakeModel) -> None:
    model = make_model(TABLE, STORED)
    (main,) = regions(model)
    names = [name for one in model.graph.node for name in one.output]
    shown = onnx.ModelProto()
    shown.CopyFrom(model)
    del shown.graph.output[:]
    shown.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    images = RNG.normal(size=(2, 1, 3, 8, 8)).astype(np.float32)
    first, second = (ReferenceEvaluator(shown).run(None, {"input": one}) for one in images)
    for name, one, other in zip(names, first, second, strict=True):
        constant = main.constant(name)
        assert (constant is not None) == np.array_equal(one, other), name
        if constant is not None:
            np.testing.assert_array_equal(value(constant), one)
    assert (main.constant("input"), main.constant("nowhere")) == (None, None)
    assert main.opset == 21


def test_an_identity_is_the_constant_itself(make_model: MakeModel) -> None:
    (main,) = regions(make_model(TABLE, STORED))
    scaled = main.constant("scaled")
    assert main.constant("same") is scaled is not None
    assert (scaled.kind, scaled.depth, scaled.known) == ("Mul", 2, True)
    assert scaled.inputs == (main.constant("turned"), main.constant("column"))
    assert main.maker("same") == (main, main.nodes[2])
    assert (main.maker("m"), main.maker("nowhere")) == (None, None)


@pytest.mark.parametrize(
    ("op", "inputs", "attributes"),
    [
        ("RandomNormalLike", "m", {}),
        ("MatMul", "flat m", {}),
        ("Gather", "m index", {}),
        ("RandomNormal", "", {"shape": [2]}),
    ],
)
def test_what_is_drawn_or_computed_is_no_constant(
    make_model: MakeModel, op: str, inputs: str, attributes: dict[str, Any]
) -> None:
    nodes = [
        FLAT,
        node("ArgMax", "flat", "index", axis=1),
        node(op, inputs, "made", **attributes),
        node("MatMul", "flat m", "logits"),
    ]
    (main,) = regions(make_model(nodes, {"m": M}))
    assert main.constant("made") is None
    assert main.maker("made") is not None


def test_what_only_takes_a_computed_shape_is_constant_but_not_known(make_model: MakeModel) -> None:
    nodes = [
        FLAT,
        node("Shape", "flat", "sizes", start=1),
        node("Concat", "sizes five", "shape", axis=0),
        node("Reshape", "row shape", "m"),
        node("MatMul", "flat m", "logits"),
    ]
    (main,) = regions(make_model(nodes, {"row": M.ravel(), "five": np.array([5])}))
    constant = main.constant("m")
    assert constant is not None
    assert (constant.known, constant.inputs[1]) == (False, None)
    assert main.constant("shape") is None


def test_an_operator_of_no_known_meaning_is_called_by_its_domain(make_model: MakeModel) -> None:
    nodes = [FLAT, helper.make_node("Own", ["m"], ["w"], domain="acme"), node("MatMul", "flat w", "logits")]
    (main,) = regions(make_model(nodes, {"m": M}, domains=("acme",)))
    constant = main.constant("w")
    assert constant is not None
    assert (constant.kind, constant.known) == ("acme.Own", False)


def branch(name: str, product: str, stored: NDArray[Any] | None = None) -> onnx.GraphProto:
    tensors = [] if stored is None else [numpy_helper.from_array(stored, "m")]
    return helper.make_graph([node("MatMul", product, f"{name}_out")], name, [], [info(f"{name}_out")], tensors)


def test_branches_are_regions_that_know_the_names_outside(make_model: MakeModel) -> None:
    choice = node(
        "If", "yes", "logits", then_branch=branch("then", "flat m", 2 * M), else_branch=branch("else", "flat m")
    )
    (main,) = regions(make_model([FLAT, choice], {"m": M, "yes": np.array([True])}))
    (inside_else, inside_then) = main.inner[id(main.nodes[1])]
    assert inside_then.place == "then_branch of If 'logits_node'"
    assert inside_then.parent is inside_else.parent is main
    assert inside_else.constant("m") is main.constant("m")
    for region, wanted in ((inside_then, 2 * M), (inside_else, M)):
        constant = region.constant("m")
        assert constant is not None
        np.testing.assert_array_equal(value(constant), wanted)
    assert [one.op_type for _, one in main.walk()] == ["Flatten", "MatMul", "MatMul", "If"]


def loop(*, kept: bool) -> onnx.NodeProto:
    """Three turns with a state and a matrix, which the body hands on as it is or halved."""
    nodes = [
        node("Identity", "go", "going"),
        node("MatMul", "state held", "next"),
        node("Identity", "held", "later") if kept else node("Mul", "held half", "later"),
    ]
    inputs = [info("turn", TensorProto.INT64), info("go", TensorProto.BOOL), info("state"), info("held")]
    outputs = [info("going", TensorProto.BOOL), info("next"), info("later")]
    body = helper.make_graph(nodes, "body", inputs, outputs)
    return helper.make_node("Loop", ["turns", "", "start", "square"], ["logits", "end"], "loop", body=body)


@pytest.mark.parametrize("kept", [True, False])
def test_a_loop_hands_a_constant_on_only_if_it_never_changes(make_model: MakeModel, *, kept: bool) -> None:
    tensors = {"m": M, "square": np.eye(5, dtype=np.float32), "half": np.float32([0.5]), "turns": np.array(3)}
    model = make_model([FLAT, node("MatMul", "flat m", "start"), loop(kept=kept)], tensors)
    (main,) = regions(model)
    (body,) = main.inner[id(main.nodes[2])]
    square = main.constant("square")
    assert square is not None
    assert body.constant("held") is (square if kept else None)
    assert main.constant("end") is (square if kept else None)
    assert body.constant("state") is main.constant("logits") is None


def test_a_function_that_is_left_is_a_region_of_its_own(make_model: MakeModel) -> None:
    model = make_model([FLAT, node("MatMul", "flat m", "logits")], {"m": M}, domains=("own",))
    body = [node("Constant", "", "w", value=numpy_helper.from_array(M)), node("MatMul", "x w", "y")]
    model.functions.append(helper.make_function("own", "Product", ["x"], ["y"], body, [helper.make_opsetid("", 17)]))
    main, function = regions(model)
    assert (function.place, function.opset, main.place) == ("function own.Product", 17, "")
    assert function.constant("x") is None
    constant = function.constant("w")
    assert constant is not None
    np.testing.assert_array_equal(value(constant), M)


def test_a_chain_that_is_too_long_still_begins_where_it_began(make_model: MakeModel) -> None:
    links = [node("Neg", f"m{place}", f"m{place + 1}") for place in range(300)]
    (main,) = regions(make_model([*links, FLAT, node("MatMul", "flat m300", "logits")], {"m0": M}))
    constant = main.constant("m300")
    assert constant is not None
    assert not constant.known
    while constant.inputs:
        (below,) = constant.inputs
        assert below is not None
        constant = below
    assert constant is main.constant("m0")


@pytest.mark.parametrize(
    ("attributes", "wanted"),
    [
        ({"value": numpy_helper.from_array(M)}, M),
        ({"value_float": 0.5}, np.float32(0.5)),
        ({"value_floats": [0.5, 2.0]}, np.array([0.5, 2], np.float32)),
        ({"value_int": 7}, np.int64(7)),
        ({"value_ints": [7, 8]}, np.array([7, 8])),
    ],
    ids=lambda one: str(next(iter(one))) if isinstance(one, dict) else "",
)
def test_a_constant_node_holds_what_the_reference_says(attributes: dict[str, Any], wanted: NDArray[Any]) -> None:
    constant = helper.make_node("Constant", [], ["c"], **attributes)
    stored = held(constant)
    assert stored is not None
    (expected,) = ReferenceEvaluator(constant).run(None, {})
    for found in (array(stored), expected):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_text_is_held_by_nobody() -> None:
    assert held(helper.make_node("Constant", [], ["c"], value_string="text")) is None


def test_every_tensor_of_a_model_is_yielded_wherever_it_lies(make_model: MakeModel) -> None:
    inner = branch("then", "flat m", M)
    choice = node("If", "yes", "logits", then_branch=inner, else_branch=branch("else", "flat outer"))
    constant = node("Constant", "", "c", value=numpy_helper.from_array(M, "in a node"))
    model = make_model([FLAT, constant, choice], {"outer": M, "yes": np.array([True])}, domains=("own",))
    values = helper.make_tensor("thin", TensorProto.FLOAT, [1], [2.0])
    places = numpy_helper.from_array(np.array([3]), "places")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [9]))
    body = [helper.make_node("Constant", [], ["y"], value=numpy_helper.from_array(M, "in a function"))]
    model.functions.append(helper.make_function("own", "Held", [], ["y"], body, [helper.make_opsetid("", 21)]))
    names = [tensor.name for tensor in stored_tensors(model)]
    assert sorted(names) == ["in a function", "in a node", "m", "outer", "places", "thin", "yes"]


def test_a_region_keeps_its_nodes(convnet: onnx.ModelProto) -> None:
    (main,) = regions(convnet)
    assert isinstance(main, Region)
    assert [one.name for _, one in main.walk()] == [one.name for one in convnet.graph.node]
    assert all(main.maker(one.output[0]) == (main, one) for one in main.nodes)
